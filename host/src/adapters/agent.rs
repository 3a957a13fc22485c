//! Who thinks.

pub mod builtin;
