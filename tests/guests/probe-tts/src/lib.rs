//! Test guest: a text-to-speech plugin whose behaviour, good or bad, is chosen by its options.
//!
//! Each text is answered by 20 ms of silence for each of its characters, `flush` by `flushed`, `cancel` by `cancelled`, a
//! timer by 20 ms of silence, `end` by `done`. The options are those of [`probe_behaviour`].

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::panic))]

use probe_behaviour::{self as behaviour, Behaviour, Settings};
use vg_plugin_sdk::{
    AudioFormat, Descriptor, Encoding, Features, Instant, asset, audio,
    link::{HttpOpen, HttpVersion, LinkEffect, RequestBody},
    log,
    tts::{Effect, Input, Timer, TtsPlugin},
};

vg_plugin_sdk::export_tts!(Probe);

/// The session that obeys its options.
#[derive(Debug)]
pub struct Probe {
    settings: Settings,
    format: AudioFormat,
    texts: u64,
}

impl TtsPlugin for Probe {
    fn descriptor() -> Descriptor {
        let format = |encoding, rate_hz| AudioFormat { encoding, rate_hz };
        Descriptor {
            formats: vec![format(Encoding::PcmS16le, 16_000), format(Encoding::PcmS16le, 8_000), format(Encoding::Mulaw, 8_000)],
            features: Features::INCREMENTAL_TEXT,
            options_schema: behaviour::SCHEMA.to_owned(),
            hosts: vec!["https://example.invalid".to_owned()],
            ..Descriptor::tts("probe-tts", env!("CARGO_PKG_VERSION"))
        }
    }

    fn new() -> Self {
        let format = AudioFormat { encoding: Encoding::PcmS16le, rate_hz: 8_000 };
        Self { settings: Settings::default(), format, texts: 0 }
    }

    fn handle(&mut self, _now: Instant, input: Input) -> Vec<Effect> {
        match input {
            Input::Start(start) => match Settings::parse(&start.options) {
                Ok(settings) => {
                    (self.settings, self.format) = (settings, start.format);
                    self.strike_at(0)
                }
                Err(fault) => vec![Effect::Fail(fault)],
            },
            Input::Text(text) => {
                self.texts += 1;
                let mut effects = vec![Effect::Audio(self.silence(text.chars().count()))];
                effects.extend(self.strike_at(self.texts));
                effects
            }
            Input::Flush(mark) => vec![Effect::Flushed(mark)],
            Input::Cancel => vec![Effect::Cancelled],
            Input::End => vec![Effect::Done],
            Input::Timer(_) => vec![Effect::Audio(self.silence(1))],
            Input::Link(_) => vec![],
        }
    }
}

impl Probe {
    fn silence(&self, frames: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        audio::encode(self.format.encoding, &vec![0; frames * self.format.rate_hz as usize / 50], &mut bytes);
        bytes
    }

    fn strike_at(&self, text: u64) -> Vec<Effect> {
        if text != self.settings.at {
            return vec![];
        }
        match &self.settings.behaviour {
            // Where no audio comes in there is none to route; and one guest that misbehaves so is enough.
            Behaviour::Echo
            | Behaviour::RouteAudio
            | Behaviour::Timers
            | Behaviour::LinkFlood
            | Behaviour::Curious(_)
            | Behaviour::Handles
            | Behaviour::BadUtf8
            | Behaviour::TrapAtEnd => vec![],
            Behaviour::AbsurdLength => vec![Effect::Audio(behaviour::beyond_memory())],
            Behaviour::Trap => behaviour::trap(),
            Behaviour::Loop => behaviour::spin(),
            Behaviour::MemoryBomb => behaviour::allocate_for_ever(),
            Behaviour::Recurse => vec![Effect::Audio(behaviour::recurse(1).to_le_bytes().to_vec())],
            Behaviour::EffectFlood => (0..1_000_000).map(Effect::Flushed).collect(),
            Behaviour::OutputFlood => vec![Effect::Audio(vec![0; 8 << 20])],
            Behaviour::LogFlood => {
                let line = "x".repeat(1024);
                (0..10_000).for_each(|_| log::log(log::Level::Info, &line));
                vec![]
            }
            Behaviour::Timer => vec![Effect::Timer(Timer { id: 7, delay_ms: 20 })],
            Behaviour::TimerFlood => (0..10_000).map(|id| Effect::Timer(Timer { id, delay_ms: 60_000 })).collect(),
            Behaviour::OpenLink => vec![Effect::Link(LinkEffect::Http(HttpOpen {
                id: 1,
                method: "POST".to_owned(),
                url: "https://example.invalid/".to_owned(),
                headers: vec![],
                body: RequestBody::None,
                version: HttpVersion::Http1,
                auth: vg_plugin_sdk::link::Authentication::Templates,
            }))],
            Behaviour::Asset => vec![Effect::Audio(vec![0; asset::size("model").unwrap_or(0) as usize])],
            Behaviour::Fail(fault) => vec![Effect::Fail(fault.clone())],
        }
    }
}
