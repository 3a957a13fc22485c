//! Framings that several speech vendors share, for guests. Pure: bytes in, messages out; it knows no link, no contract and no clock.
//!
//! What comes over a link is cut anywhere, so every reader here keeps what is not whole yet and is bounded: a peer that never ends a
//! message is a fault, not a growing buffer.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::panic))]

mod calendar;
pub mod event_stream;
pub mod grpc;
pub mod multipart;
pub mod openai;
pub mod query;
pub mod resample;
pub mod sse;
pub mod usp;
pub mod wav;
