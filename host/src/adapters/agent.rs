//! Who thinks.

mod builtin;

pub use builtin::{BuiltinAgent, Clock};
