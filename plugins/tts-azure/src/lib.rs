//! Text-to-speech by Azure AI Speech: one WebSocket for a call, opened before there is text, one turn of the vendor's protocol for each
//! stretch of text.
//!
//! What the wire holds is in `protocol`, and what happens when in `session`.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::panic))]

mod options;
mod protocol;
mod session;
#[cfg(test)]
mod tests;

use session::Session;
use vg_plugin_sdk::{
    AudioFormat, Descriptor, Encoding, Features, Instant, SecretKind, SecretWish,
    tts::{Effect, Input, TtsPlugin},
};

vg_plugin_sdk::export_tts!(Plugin);

/// A session of this plugin.
#[derive(Debug)]
struct Plugin(Session);

impl TtsPlugin for Plugin {
    fn descriptor() -> Descriptor {
        let format = |encoding, rate_hz| AudioFormat { encoding, rate_hz };
        Descriptor {
            formats: vec![
                format(Encoding::Mulaw, 8_000),
                format(Encoding::PcmS16le, 8_000),
                format(Encoding::PcmS16le, 16_000),
                format(Encoding::Alaw, 8_000),
                format(Encoding::PcmS16le, 24_000),
                format(Encoding::PcmS16le, 48_000),
            ],
            languages: protocol::VOICES.iter().map(|(language, _)| (*language).to_owned()).collect(),
            features: Features::WORD_TIMES | Features::INCREMENTAL_TEXT,
            options_schema: options::SCHEMA.to_owned(),
            hosts: vec!["wss://*.tts.speech.microsoft.com".to_owned(), "https://*.tts.speech.microsoft.com".to_owned()],
            secrets: vec![SecretWish {
                name: "api_key".to_owned(),
                kind: SecretKind::Fixed,
                why: "a key of the Speech resource; with auth = token a bearer token that somebody keeps fresh".to_owned(),
            }],
            ..Descriptor::tts("tts-azure", env!("CARGO_PKG_VERSION"))
        }
    }

    fn new() -> Self {
        Self(Session::default())
    }

    fn handle(&mut self, now: Instant, input: Input) -> Vec<Effect> {
        self.0.handle(now, input)
    }
}
