//! Text-to-speech by an engine of your own, over a small HTTP protocol: `docs/own-engine.md`.
//!
//! `protocol` is what is said, `options` what a tenant may choose, `answer` how sound is taken out of an answer, `session` what is
//! done; this file binds the contract.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::panic))]

mod protocol;
mod options;
mod answer;
mod session;

use vg_plugin_sdk::{
    Descriptor, Features, Instant, SecretKind, SecretWish,
    tts::{Effect, Input, TtsPlugin},
};

vg_plugin_sdk::export_tts!(TtsHttp);

/// One session.
#[derive(Debug)]
pub struct TtsHttp(session::Session);

impl TtsPlugin for TtsHttp {
    fn descriptor() -> Descriptor {
        let secret = |name: &str, why: &str| SecretWish { name: name.to_owned(), kind: SecretKind::Fixed, why: why.to_owned() };
        Descriptor {
            formats: vg_own_engine::formats(),
            features: Features::WORD_TIMES,
            options_schema: options::SCHEMA.to_owned(),
            hosts: vec![format!("http{}", vg_own_engine::DEFAULT_ORIGIN)],
            secrets: vec![
                secret("token", "what your engine takes as a bearer token; only with the option `bearer`"),
                secret("header", "the value of the header that the option `header` names; only with it"),
            ],
            ..Descriptor::tts("tts-http", env!("CARGO_PKG_VERSION"))
        }
    }

    fn new() -> Self {
        Self(session::Session::default())
    }

    fn handle(&mut self, _now: Instant, input: Input) -> Vec<Effect> {
        self.0.handle(input)
    }
}
