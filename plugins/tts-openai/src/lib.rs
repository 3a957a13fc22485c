//! Text-to-speech by OpenAI and compatible servers.
//!
//! `protocol` knows the request and its answer, `session` what to do when it comes, `options` what a tenant may
//! choose.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::panic))]

mod options;
mod protocol;
mod session;

use session::Session;
use vg_plugin_sdk::tts::{Effect, Input, TtsPlugin};
use vg_plugin_sdk::{AudioFormat, Descriptor, Encoding, Instant, SecretKind, SecretWish};

vg_plugin_sdk::export_tts!(Speaker);

/// One session, before and after its start.
#[derive(Debug, Default)]
struct Speaker(Option<Session>);

impl TtsPlugin for Speaker {
    fn descriptor() -> Descriptor {
        let format = |encoding, rate_hz| AudioFormat { encoding, rate_hz };
        Descriptor {
            formats: vec![
                format(Encoding::Mulaw, 8000),
                format(Encoding::PcmS16le, 8000),
                format(Encoding::PcmS16le, 16_000),
                format(Encoding::Alaw, 8000),
                format(Encoding::PcmS16le, 24_000),
                format(Encoding::PcmS16le, 48_000),
            ],
            // The voices speak whatever language the text is in.
            languages: ["en-US", "en-GB", "pt-BR", "pt-PT", "es-ES", "es-US", "es-MX", "fr-FR", "de-DE", "it-IT"]
                .map(str::to_owned)
                .to_vec(),
            options_schema: options::SCHEMA.to_owned(),
            hosts: vec!["https://api.openai.com".to_owned()],
            secrets: vec![SecretWish {
                name: "api_key".to_owned(),
                kind: SecretKind::Fixed,
                why: "a key of OpenAI or of the server that stands in for it; not asked for with the option keyless".to_owned(),
            }],
            ..Descriptor::tts("tts-openai", env!("CARGO_PKG_VERSION"))
        }
    }

    fn new() -> Self {
        Self::default()
    }

    fn handle(&mut self, now: Instant, input: Input) -> Vec<Effect> {
        let done = match (&mut self.0, input) {
            (None, Input::Start(start)) => Session::new(&start).map(|(session, effects)| {
                self.0 = Some(session);
                effects
            }),
            (None, _) => Ok(vec![]),
            (Some(session), input) => session.handle(now, input),
        };
        done.unwrap_or_else(|fault| vec![Effect::Fail(fault)])
    }
}

#[cfg(test)]
mod tests;
