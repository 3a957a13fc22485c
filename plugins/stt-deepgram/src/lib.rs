//! Deepgram listens: Nova over `/v1/listen`, Flux over `/v2/listen`.
//!
//! `protocol` knows Deepgram's words, `session` what to do when they come, `options` what a tenant may choose.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::panic))]

mod options;
mod protocol;
mod session;

use session::Session;

vg_plugin_sdk::export_stt!(Session);

#[cfg(test)]
mod tests;
