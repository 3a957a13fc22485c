//! The airlock for foreign code: loads, limits and drives speech plugins built as WebAssembly components.
//!
//! A plugin is *told* what happened and *says* what to do; this crate checks it, compiles it once, gives each session an
//! instance of its own, and ends the session that takes too much of anything. It promises that a plugin can harm nobody but
//! its own session. It does not know calls, Asterisk, the domain or media.
//!
//! Modules in flow order: a file is [`inspect`]ed, compiled through the [`cache`] for an [`engine`], [`load`]ed, instantiated
//! ([`instance`]) and driven ([`session`]).

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::panic))]
#![allow(rustdoc::private_intra_doc_links, reason = "the map of the crate names its private rooms")]

pub mod api;
pub mod bake;
mod cache;
mod counters;
mod engine;
mod guest;
mod host;
mod inspect;
mod instance;
mod journal;
mod limits;
mod load;
mod mask;
pub mod options;
mod pace;
pub mod policy;
pub mod recording;
pub mod session;
mod scrub;
mod signing;
pub mod slot;
mod tally;
mod v0_1;
mod wasi;

pub use counters::HostCounts;
pub use host::{HeavyConfig, HostConfig, HostError, LightConfig, PluginHost};
pub use instance::{SessionError, SttInstance, TtsInstance};
pub use load::{LoadError, Loading, Plugin, Trust};
pub use mask::MaskInstance;
pub use tally::Census;
pub use vg_links as links;
