//! Events of calls, on their way out of the house.

pub mod kafka;
