//! Text-to-speech by Amazon Polly.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::panic))]

mod options;
mod protocol;
mod session;
mod voice;

use vg_plugin_sdk::{
    AudioFormat, Descriptor, Encoding, Features, Instant, SecretKind, SecretWish,
    tts::{Effect, Input, TtsPlugin},
};

vg_plugin_sdk::export_tts!(Plugin);

/// The component: one value per session.
struct Plugin(session::Session);

impl TtsPlugin for Plugin {
    fn descriptor() -> Descriptor {
        let format = |encoding, rate_hz| AudioFormat { encoding, rate_hz };
        Descriptor {
            formats: vec![
                format(Encoding::Mulaw, 8_000),
                format(Encoding::PcmS16le, 8_000),
                format(Encoding::PcmS16le, 16_000),
                format(Encoding::Alaw, 8_000),
            ],
            languages: voice::LANGUAGES.iter().map(|(tag, ..)| (*tag).to_owned()).collect(),
            features: Features::WORD_TIMES,
            options_schema: options::SCHEMA.to_owned(),
            hosts: vec!["https://*.amazonaws.com".to_owned()],
            secrets: vec![SecretWish {
                name: session::SECRET.to_owned(),
                kind: SecretKind::AwsCredentials,
                why: "signs requests; needs polly:SynthesizeSpeech (and polly:StartSpeechSynthesisStream for mode stream)"
                    .to_owned(),
            }],
            ..Descriptor::tts("tts-polly", env!("CARGO_PKG_VERSION"))
        }
    }

    fn new() -> Self {
        Self(session::Session::default())
    }

    fn handle(&mut self, now: Instant, input: Input) -> Vec<Effect> {
        self.0.handle(now, input)
    }
}
