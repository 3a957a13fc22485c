//! The media threads: every call's Ear and Mouth, driven by one clock per shard.
//!
//! Knows sockets and time, but neither Asterisk nor the call: a leg is two bounded channels to whoever owns it.

mod lateness;
mod leg;
mod priority;
mod shard;

pub use lateness::Lateness;
pub use shard::{Flow, LegConfig, RawHandle, RawOut, RtpHandle, Shard, ShardConfig, ShardError, ShardStats};
