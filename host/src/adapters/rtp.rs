//! The media threads: every call's Ear and Mouth, driven by one clock per shard.
//!
//! Knows sockets and time, but neither Asterisk nor the call: a leg is two bounded channels to whoever owns it.

mod counters;
mod lateness;
mod leg;
mod legs;
mod ports;
mod priority;
mod routes;
mod shard;
mod shards;
mod socket;
mod standstill;
mod taped;
#[cfg(test)]
mod tests;
mod worker;

pub use counters::ShardStats;
pub use lateness::{BOUNDS_US, Lateness};
pub use shard::{Flow, LegConfig, RawHandle, RawOut, RtpHandle, ShardError};
pub use shards::{OwnSockets, ShardConfig, Shards};
