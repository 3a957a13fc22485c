//! Speech-to-text by Amazon Transcribe streaming.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::panic))]

mod heard;
mod options;
mod protocol;
mod session;
mod uplink;

use vg_plugin_sdk::{
    AudioFormat, Descriptor, Encoding, Features, Instant, SecretKind, SecretWish,
    stt::{Effect, Input, SttPlugin},
};

vg_plugin_sdk::export_stt!(Plugin);

/// The component: one value per call.
struct Plugin(session::Session);

/// Languages of telephone calls that the service streams; it has more, which may be asked for all the same.
const LANGUAGES: [&str; 18] = [
    "en-US", "en-GB", "en-AU", "en-IN", "pt-BR", "pt-PT", "es-US", "es-ES", "es-MX", "fr-FR", "fr-CA", "de-DE", "it-IT", "nl-NL",
    "ja-JP", "ko-KR", "zh-CN", "hi-IN",
];

impl SttPlugin for Plugin {
    fn descriptor() -> Descriptor {
        let format = |encoding, rate_hz| AudioFormat { encoding, rate_hz };
        Descriptor {
            // The service takes linear samples only: what else comes is decoded here.
            formats: vec![
                format(Encoding::PcmS16le, 8_000),
                format(Encoding::PcmS16le, 16_000),
                format(Encoding::Mulaw, 8_000),
                format(Encoding::Alaw, 8_000),
            ],
            languages: LANGUAGES.map(str::to_owned).to_vec(),
            features: Features::INTERIM | Features::WORD_TIMES | Features::FINALIZE | Features::ENDPOINTING,
            options_schema: options::SCHEMA.to_owned(),
            hosts: vec!["https://*.amazonaws.com".to_owned(), "wss://*.amazonaws.com:8443".to_owned()],
            secrets: vec![SecretWish {
                name: session::SECRET.to_owned(),
                kind: SecretKind::AwsCredentials,
                why: "signs requests; needs transcribe:StartStreamTranscription (and ...WebSocket for that transport)".to_owned(),
            }],
            session_max_s: Some(4 * 3600),
            ..Descriptor::stt("stt-aws", env!("CARGO_PKG_VERSION"))
        }
    }

    fn new() -> Self {
        Self(session::Session::default())
    }

    fn handle(&mut self, now: Instant, input: Input) -> Vec<Effect> {
        self.0.handle(now, input)
    }
}
