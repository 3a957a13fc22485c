//! Local text-to-speech: flite voices as a speech plugin without key, network or imports.
//!
//! This file binds the contract; `speak` is the session, `options` what a tenant may choose, `clauses` how a text is
//! cut. None of them knows WebAssembly.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::panic))]

pub mod clauses;
pub mod options;
pub mod speak;

use options::{Options, Voice};
use speak::Speaker;
use vg_plugin_sdk::{
    AudioFormat, Compute, Descriptor, Encoding, Fault, FaultKind, Instant, SessionStart,
    tts::{Effect, Input, TtsPlugin},
};

vg_plugin_sdk::export_tts!(TtsLocal);

/// One session, from before its `start`.
#[derive(Debug)]
pub enum TtsLocal {
    /// Nothing was said yet about what is wanted.
    Fresh,
    /// Speaks, or waits for text.
    Speaking(Box<Speaker>),
    /// Has ended or failed.
    Over,
}

impl TtsPlugin for TtsLocal {
    fn descriptor() -> Descriptor {
        let formats = [(Encoding::PcmS16le, 16_000), (Encoding::PcmS16le, 8_000), (Encoding::Mulaw, 8_000)].into_iter().chain([
            (Encoding::Alaw, 8_000),
            (Encoding::Mulaw, 16_000),
            (Encoding::Alaw, 16_000),
        ]);
        Descriptor {
            formats: formats.map(|(encoding, rate_hz)| AudioFormat { encoding, rate_hz }).collect(),
            languages: vec!["en-US".to_owned()],
            options_schema: options::SCHEMA.to_owned(),
            compute: Compute::Heavy,
            ..Descriptor::tts("tts-local", env!("CARGO_PKG_VERSION"))
        }
    }

    fn new() -> Self {
        Self::Fresh
    }

    fn handle(&mut self, _now: Instant, input: Input) -> Vec<Effect> {
        let effects = match (&mut *self, input) {
            (Self::Fresh, Input::Start(start)) => match prepare(&start) {
                Ok(speaker) => {
                    *self = Self::Speaking(Box::new(speaker));
                    vec![]
                }
                Err(fault) => vec![Effect::Fail(fault)],
            },
            (Self::Fresh, _) => vec![Effect::Fail(Fault::new(FaultKind::Internal, "the first input is not start"))],
            (Self::Speaking(_), Input::Start(_)) => {
                vec![Effect::Fail(Fault::new(FaultKind::Internal, "a session was started twice"))]
            }
            (Self::Speaking(speaker), Input::Text(text)) => speaker.text(&text),
            (Self::Speaking(speaker), Input::Flush(mark)) => speaker.flush(mark),
            (Self::Speaking(speaker), Input::Cancel) => speaker.cancel(),
            (Self::Speaking(speaker), Input::End) => speaker.end(),
            (Self::Speaking(speaker), Input::Timer(_)) => speaker.go_on(),
            // It opens no links; what is said after the end is not heard.
            (Self::Speaking(_), Input::Link(_)) | (Self::Over, _) => vec![],
        };
        if let Some(Effect::Done | Effect::Fail(_)) = effects.last() {
            *self = Self::Over;
        }
        effects
    }
}

fn prepare(start: &SessionStart) -> Result<Speaker, Fault> {
    let language = start.language.split('-').next().unwrap_or_default();
    if !language.eq_ignore_ascii_case("en") {
        return Err(Fault::new(FaultKind::Unsupported, "the flite voices speak English only"));
    }
    let Some(voice) = Voice::of_rate(start.format.rate_hz) else {
        return Err(Fault::new(FaultKind::Unsupported, "the flite voices speak at 8000 or 16000 Hz"));
    };
    let options = Options::parse(&start.options, voice)?;
    Speaker::new(start.format.encoding, voice, &options)
}

#[cfg(test)]
mod tests;
