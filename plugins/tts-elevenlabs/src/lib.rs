//! ElevenLabs speaks: over a WebSocket that takes text in pieces, or by one request per reply.
//!
//! `protocol` knows ElevenLabs' words, `stream` and `requests` the two ways to talk to it, `options` what a tenant may choose.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::panic))]

mod options;
mod protocol;
mod requests;
mod session;
mod stream;

use session::Session;

vg_plugin_sdk::export_tts!(Session);

#[cfg(test)]
mod tests;
