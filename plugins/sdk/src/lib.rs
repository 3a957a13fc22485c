//! Guest library for speech plugins written in Rust.
//!
//! A plugin is told what happened and says what to do: it implements [`stt::SttPlugin`], [`tts::TtsPlugin`] or
//! [`mask::MaskPlugin`] and exports it with one macro. It opens no socket, has no clock and never waits: connections are asked
//! for with [`link`], and what came over them is an input.
//!
//! ```
//! use vg_plugin_sdk::{Descriptor, Instant, stt::{Effect, Input, SttPlugin}};
//!
//! struct Deaf;
//!
//! impl SttPlugin for Deaf {
//!     fn descriptor() -> Descriptor {
//!         Descriptor::stt("stt-deaf", "0.1.0")
//!     }
//!
//!     fn new() -> Self {
//!         Self
//!     }
//!
//!     fn handle(&mut self, _now: Instant, input: Input) -> Vec<Effect> {
//!         match input {
//!             Input::Finalize => vec![Effect::Finalized],
//!             Input::End => vec![Effect::Done],
//!             _ => vec![],
//!         }
//!     }
//! }
//!
//! vg_plugin_sdk::export_stt!(Deaf);
//! # fn main() {}
//! ```
//!
//! Who prefers straight-line code implements [`stt::SttScript`] or [`tts::TtsScript`], one `async fn` over [`task::Io`],
//! and exports it wrapped in `Scripted`: the component is the same kind of state machine.
//!
//! Everything here also compiles for the host: [`testing`] drives a plugin natively in virtual time. The exports themselves
//! exist only in WebAssembly.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::panic))]

pub mod audio;
#[doc(hidden)]
pub mod bindings;
mod describe;
mod fault;
mod imports;
pub mod link;
pub mod mask;
pub mod options;
pub mod stt;
pub mod task;
#[cfg(not(target_arch = "wasm32"))]
pub mod testing;
pub mod tts;

pub use bindings::describe::{
    exports::serphona::speech::describe::{Compute, Descriptor, Features, Kind, SecretKind, SecretWish},
    serphona::speech::types::{
        AudioFormat, Encoding, Fault, FaultKind, Instant, OptionFault, Remedy, SessionStart, Transcript, Usage, Word,
    },
};
pub use imports::{asset, log, signing};
/// The JSON library of options and of most vendors' messages.
pub use serde_json as json;
