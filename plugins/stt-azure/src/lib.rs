//! Speech-to-text by Azure AI Speech: one WebSocket for a call, one turn of the vendor's protocol for each turn of the caller.
//!
//! What the wire holds is in `protocol`, what is remembered of the caller's sound in `kept`, and what happens when in `session`.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::panic))]

mod kept;
mod options;
mod protocol;
mod session;
#[cfg(test)]
mod tests;

use session::Session;
use vg_plugin_sdk::{
    AudioFormat, Descriptor, Encoding, Features, Instant, SecretKind, SecretWish,
    stt::{Effect, Input, SttPlugin},
};

vg_plugin_sdk::export_stt!(Plugin);

/// Best for a call first. The vendor takes many more.
const LANGUAGES: [&str; 20] = [
    "en-US", "pt-BR", "es-ES", "es-US", "es-MX", "en-GB", "en-AU", "en-IN", "pt-PT", "es-AR", "es-CL", "es-CO", "es-PE", "fr-FR",
    "fr-CA", "de-DE", "it-IT", "nl-NL", "ja-JP", "zh-CN",
];

/// A session of this plugin.
#[derive(Debug)]
struct Plugin(Session);

impl SttPlugin for Plugin {
    fn descriptor() -> Descriptor {
        let format = |encoding, rate_hz| AudioFormat { encoding, rate_hz };
        Descriptor {
            formats: vec![
                format(Encoding::Mulaw, 8_000),
                format(Encoding::PcmS16le, 8_000),
                format(Encoding::PcmS16le, 16_000),
                format(Encoding::Alaw, 8_000),
            ],
            languages: LANGUAGES.map(str::to_owned).to_vec(),
            features: Features::INTERIM | Features::WORD_TIMES | Features::FINALIZE | Features::ENDPOINTING,
            options_schema: options::SCHEMA.to_owned(),
            hosts: vec!["wss://*.stt.speech.microsoft.com".to_owned()],
            secrets: vec![SecretWish {
                name: "api_key".to_owned(),
                kind: SecretKind::Fixed,
                why: "a key of the Speech resource; with auth = token a bearer token that somebody keeps fresh".to_owned(),
            }],
            ..Descriptor::stt("stt-azure", env!("CARGO_PKG_VERSION"))
        }
    }

    fn new() -> Self {
        Self(Session::default())
    }

    fn handle(&mut self, now: Instant, input: Input) -> Vec<Effect> {
        self.0.handle(now, input)
    }
}
