//! Google Cloud speaks: `StreamingSynthesize` while the text is still being written, or one text at a time by gRPC or REST.
//!
//! `protocol` knows Google's words, `session` what to do when they come, `options` what a tenant may choose.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::panic))]

mod options;
mod protocol;
mod session;

use session::Session;

vg_plugin_sdk::export_tts!(Session);

#[cfg(test)]
mod tests;
