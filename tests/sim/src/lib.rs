//! Simulators of the speech vendors: their wire protocols on loopback, so near to the real ones that the vendors' own SDKs work
//! against them. One origin serves them all; their paths differ.
//!
//! A simulator checks what its vendor checks and answers as the vendor does; it also notes each offence ([`Sim::offence`]), so that a
//! story can say that there was none. What it hears and says comes from [`Ear`] and [`Voice`]; troubles are asked for by name
//! ([`Sim::inject`], [`Sim::trouble`]); the names are in [`TROUBLES`].

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::panic))]

pub mod aws;
pub mod azure;
pub mod deepgram;
pub mod elevenlabs;
pub mod google;
pub mod openai;
pub mod own;

mod ear;
mod format;
mod latency;
mod local;
mod rig;
mod script;
mod server;
mod sim;
mod voice;

pub use ear::{Ear, Heard, Utterance, Word};
pub use format::{Coding, Format};
pub use latency::{Latencies, LatencyError, Moment};
pub use local::{Local, LocalError};
pub use rig::{Listened, Rig, Spoken, pcm};
pub use script::{Recording, recordings};
pub use server::{Cut, Identity, Server};
pub use sim::{Offence, Sim, TROUBLES, Tap, Vendor};
pub use voice::{Speech, Voice};
