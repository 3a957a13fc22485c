//! Speech-to-text by OpenAI and compatible servers, per utterance or in real time.
//!
//! `protocol` knows what is said on the wire, `utterances` and `live` what to do when it comes, `segments` where speech begins
//! and ends, `options` what a tenant may choose.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::panic))]

mod live;
mod options;
mod protocol;
mod segments;
mod utterances;

use live::Live;
use options::{Mode, Options};
use utterances::Utterances;
use vg_plugin_sdk::stt::{Effect, Input, SttPlugin};
use vg_plugin_sdk::{AudioFormat, Descriptor, Encoding, Fault, Features, Instant, SecretKind, SecretWish, SessionStart};

vg_plugin_sdk::export_stt!(Listener);

/// One session.
#[derive(Debug, Default)]
enum Listener {
    #[default]
    New,
    Utterances(Box<Utterances>),
    Live(Box<Live>),
}

impl SttPlugin for Listener {
    fn descriptor() -> Descriptor {
        let format = |encoding, rate_hz| AudioFormat { encoding, rate_hz };
        Descriptor {
            formats: vec![
                format(Encoding::Mulaw, 8000),
                format(Encoding::PcmS16le, 8000),
                format(Encoding::PcmS16le, 16_000),
                format(Encoding::Alaw, 8000),
                format(Encoding::PcmS16le, 24_000),
            ],
            // Only the first part of a tag is told to the vendor.
            languages: ["en-US", "en-GB", "pt-BR", "pt-PT", "es-ES", "es-US", "es-MX", "fr-FR", "de-DE", "it-IT"]
                .map(str::to_owned)
                .to_vec(),
            features: Features::INTERIM | Features::FINALIZE | Features::WORD_TIMES,
            options_schema: options::SCHEMA.to_owned(),
            hosts: vec!["https://api.openai.com".to_owned(), "wss://api.openai.com".to_owned()],
            secrets: vec![SecretWish {
                name: "api_key".to_owned(),
                kind: SecretKind::Fixed,
                why: "a key of OpenAI or of the server that stands in for it; not asked for with the option keyless".to_owned(),
            }],
            ..Descriptor::stt("stt-whisper", env!("CARGO_PKG_VERSION"))
        }
    }

    fn new() -> Self {
        Self::default()
    }

    fn handle(&mut self, now: Instant, input: Input) -> Vec<Effect> {
        let done = match (&mut *self, input) {
            (Self::New, Input::Start(start)) => self.start(now, &start),
            (Self::New, _) => Ok(vec![]),
            (Self::Utterances(session), input) => session.handle(now, input),
            (Self::Live(session), input) => return session.handle(now, input),
        };
        done.unwrap_or_else(|fault| vec![Effect::Fail(fault)])
    }
}

impl Listener {
    fn start(&mut self, now: Instant, start: &SessionStart) -> Result<Vec<Effect>, Fault> {
        let options = Options::read(&start.options)?;
        match options.mode {
            Mode::Utterance => {
                let (session, effects) = Utterances::new(start, options)?;
                *self = Self::Utterances(Box::new(session));
                Ok(effects)
            }
            Mode::Realtime => {
                let (session, effects) = Live::new(now, start, options)?;
                *self = Self::Live(Box::new(session));
                Ok(effects)
            }
        }
    }
}

#[cfg(test)]
mod tests;
