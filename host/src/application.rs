//! Turns the crank of the pure cores: one task per call. Names no adapter.

pub mod ports;
