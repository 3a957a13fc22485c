//! Google Cloud Speech-to-Text listens: v1 and v2, by gRPC.
//!
//! `protocol` knows Google's messages, `leg` one stream of them, `session` how streams follow each other, `options` what a
//! tenant may choose.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::panic))]

mod leg;
mod options;
mod protocol;
mod session;

use session::Session;

vg_plugin_sdk::export_stt!(Session);

#[cfg(test)]
mod tests;
