//! Speech-to-text by an engine of your own, over a small WebSocket protocol: `docs/own-engine.md`.
//!
//! `protocol` is what is said, `options` what a tenant may choose, `session` what is done; this file binds the contract.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::panic))]

mod protocol;
mod options;
mod session;

use vg_plugin_sdk::{
    Descriptor, Features, Instant, SecretKind, SecretWish,
    stt::{Effect, Input, SttPlugin},
};

vg_plugin_sdk::export_stt!(SttHttp);

/// One session.
#[derive(Debug)]
pub struct SttHttp(session::Session);

impl SttPlugin for SttHttp {
    fn descriptor() -> Descriptor {
        let secret = |name: &str, why: &str| SecretWish { name: name.to_owned(), kind: SecretKind::Fixed, why: why.to_owned() };
        Descriptor {
            formats: vg_own_engine::formats(),
            features: Features::INTERIM | Features::WORD_TIMES | Features::FINALIZE | Features::ENDPOINTING,
            options_schema: options::SCHEMA.to_owned(),
            hosts: vec![format!("ws{}", vg_own_engine::DEFAULT_ORIGIN)],
            secrets: vec![
                secret("token", "what your engine takes as a bearer token; only with the option `bearer`"),
                secret("header", "the value of the header that the option `header` names; only with it"),
            ],
            ..Descriptor::stt("stt-http", env!("CARGO_PKG_VERSION"))
        }
    }

    fn new() -> Self {
        Self(session::Session::default())
    }

    fn handle(&mut self, now: Instant, input: Input) -> Vec<Effect> {
        self.0.handle(now, input)
    }
}
