//! Guest library for speech plugins written in Rust.
//!
//! A plugin is told what happened and says what to do: it implements [`stt::SttPlugin`] or [`tts::TtsPlugin`] and exports
//! it with one macro. It opens no socket, has no clock and never waits.
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
//! Everything here also compiles for the host, so that a plugin's logic is tested natively with recorded inputs; the
//! exports themselves exist only in WebAssembly.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::panic))]

pub mod audio;
#[doc(hidden)]
pub mod bindings;
mod describe;
mod fault;
pub mod stt;
pub mod task;
pub mod tts;

pub use bindings::describe::{
    exports::serphona::speech::describe::{Compute, Descriptor, Features, Kind, SecretKind, SecretWish},
    serphona::speech::{
        asset, link, log,
        types::{AudioFormat, Encoding, Fault, FaultKind, Instant, OptionFault, Remedy, SessionStart, Transcript, Usage, Word},
    },
};
