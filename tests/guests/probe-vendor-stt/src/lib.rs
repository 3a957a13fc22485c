//! Test guest: a listener with a pretended vendor, good unless its options choose a defect.
//!
//! The vendor is a WebSocket. It is sent `{"type":"config"}`, sound as binary messages, `{"type":"finalize"}`; it says
//! `{"type":"partial"|"final","id":N,"text":"…","start":ms,"end":ms}` and `{"type":"finalized"}`, where `id` counts utterances.

use probe_vendor::{SCHEMA, Settings};
use serde_json::Value;
use vg_plugin_sdk::link::{self, LinkInput, Opened};
use vg_plugin_sdk::stt::{AudioRoute, Effect, Input, SttPlugin, Timer};
use vg_plugin_sdk::{AudioFormat, Descriptor, Encoding, Fault, FaultKind, Features, Instant, SecretKind, SecretWish, Transcript};

vg_plugin_sdk::export_stt!(Listener);

/// The vendor owes an answer to `finalize`.
const ANSWER: u32 = 1;
/// The vendor owes its last words.
const LAST: u32 = 2;
/// The link is not open yet.
const SLOW: u32 = 3;

/// One session.
#[derive(Debug, Default)]
pub struct Listener {
    settings: Settings,
    /// Links so far; the newest is the one that counts.
    link: u32,
    open: bool,
    opened: bool,
    /// Something came on this link.
    answered: bool,
    /// Says nothing more to the vendor: a defect.
    deaf: bool,
    /// Sound since the last `finalize`.
    sound: bool,
    /// Answers to `finalize` that are due.
    owed: usize,
    /// Highest utterance that is final, and highest that had a partial.
    final_id: u64,
    partial_id: u64,
    finals_in_turn: usize,
    ending: bool,
}

impl SttPlugin for Listener {
    fn descriptor() -> Descriptor {
        let format = |encoding, rate_hz| AudioFormat { encoding, rate_hz };
        Descriptor {
            formats: vec![format(Encoding::PcmS16le, 16_000), format(Encoding::PcmS16le, 8_000), format(Encoding::Mulaw, 8_000)],
            languages: vec!["en-US".to_owned()],
            features: Features::INTERIM | Features::FINALIZE,
            options_schema: SCHEMA.to_owned(),
            hosts: vec!["wss://vendor.example".to_owned()],
            secrets: vec![SecretWish { name: "api_key".into(), kind: SecretKind::Fixed, why: "the vendor asks for it".into() }],
            ..Descriptor::stt("probe-vendor-stt", env!("CARGO_PKG_VERSION"))
        }
    }

    fn new() -> Self {
        Self::default()
    }

    fn handle(&mut self, _now: Instant, input: Input) -> Vec<Effect> {
        self.answer(input).unwrap_or_else(|fault| vec![Effect::Fail(fault)])
    }
}

impl Listener {
    fn answer(&mut self, input: Input) -> Result<Vec<Effect>, Fault> {
        match input {
            Input::Start(start) => {
                self.settings = Settings::parse(&start.options)?;
                Ok(self.connect())
            }
            Input::Audio(chunk) => Ok(self.hear(chunk)),
            Input::Edge(_) => Ok(vec![]),
            Input::Finalize => Ok(self.finalize()),
            Input::End => Ok(self.end()),
            Input::Link(news) => self.news(news),
            Input::Timer(id) => self.timer(id),
        }
    }

    fn connect(&mut self) -> Vec<Effect> {
        self.link += 1;
        (self.open, self.opened, self.answered) = (true, false, false);
        (self.final_id, self.partial_id) = (0, 0);
        let origin = self.settings.endpoint.as_deref().unwrap_or("wss://vendor.example");
        let open = link::websocket(self.link, format!("{origin}/listen")).header("authorization", "Bearer {secret:api_key}");
        vec![
            open.into(),
            link::send_text(self.link, r#"{"type":"config"}"#).into(),
            Effect::Timer(Timer { id: SLOW, delay_ms: 2_000 }),
        ]
    }

    fn hear(&mut self, chunk: Vec<u8>) -> Vec<Effect> {
        if self.deaf {
            return vec![];
        }
        let mut effects = if self.open { vec![] } else { self.connect() };
        self.sound = true;
        effects.push(link::send(self.link, chunk).into());
        effects
    }

    fn finalize(&mut self) -> Vec<Effect> {
        if self.deaf {
            return vec![Effect::Finalized];
        }
        let first = self.owed == 0;
        if first && !self.sound {
            return if self.settings.has("no-audio") { vec![] } else { vec![Effect::Finalized] };
        }
        if first || !self.settings.has("finalize-twice") {
            self.owed += 1;
        }
        self.sound = false;
        let mut effects = vec![];
        if first {
            effects.push(link::send_text(self.link, r#"{"type":"finalize"}"#).into());
        }
        let patient = self.answered && self.settings.has("half-open");
        let delay_ms = if self.settings.has("late-final") { 1_000 } else { 8_000 };
        effects.extend((!patient).then_some(Effect::Timer(Timer { id: ANSWER, delay_ms })));
        effects
    }

    fn end(&mut self) -> Vec<Effect> {
        self.ending = true;
        if !self.open {
            return vec![Effect::Done];
        }
        if self.owed > 0 && self.settings.has("cancel-everywhere") {
            return vec![];
        }
        vec![link::finish(self.link).into(), Effect::Timer(Timer { id: LAST, delay_ms: 5_000 })]
    }

    fn news(&mut self, news: LinkInput) -> Result<Vec<Effect>, Fault> {
        match news {
            LinkInput::Opened(Opened { status: 101, .. }) => {
                self.opened = true;
                let route = AudioRoute { link: self.link, prefix: vec![] };
                Ok(self.settings.route.then_some(Effect::RouteAudio(route)).into_iter().collect())
            }
            LinkInput::Opened(opened) => Err(self.settings.refused(&opened)),
            LinkInput::Text(text) => self.message(&text.data),
            LinkInput::Finished(_) => self.closed(),
            LinkInput::Failed(failed) if self.lost_unnoticed(failed.kind) => {
                (self.open, self.deaf) = (false, true);
                Ok(self.finalized())
            }
            LinkInput::Failed(failed) => Err(self.settings.lost(&failed)),
            LinkInput::Bytes(_) => Err(Fault::new(FaultKind::Protocol, "the vendor sent bytes")),
            _ => Ok(vec![]),
        }
    }

    fn lost_unnoticed(&self, kind: link::LinkErrorKind) -> bool {
        let defect = if self.owed > 0 { "cut-mid-message" } else { "cut-mid-audio" };
        kind == link::LinkErrorKind::Reset && self.settings.has(defect)
    }

    fn message(&mut self, text: &str) -> Result<Vec<Effect>, Fault> {
        assert!(text.len() < 64 << 10 || !self.settings.has("giant-message"), "as the options asked");
        self.answered = true;
        let Ok(message) = serde_json::from_str::<Value>(text) else {
            return match self.settings.has("garbage") {
                true => Ok(vec![Effect::Final(transcript(&Value::from(text), 0, 0))]),
                false => Err(Fault::new(FaultKind::Protocol, "the vendor sent no JSON")),
            };
        };
        let ms = |name: &str| message[name].as_u64().unwrap_or(0);
        let id = ms("id");
        match message["type"].as_str() {
            Some("partial") if id > self.final_id || self.settings.has("out-of-order") => {
                self.partial_id = id;
                Ok(vec![Effect::Partial(transcript(&message["text"], ms("start"), ms("end")))])
            }
            Some("final") if self.settings.has("final-without-partials") && self.partial_id < id => Ok(vec![]),
            Some("final") if id > self.final_id || self.settings.has("duplicate-finals") => {
                self.final_id = id;
                self.finals_in_turn += 1;
                Ok(vec![Effect::Final(transcript(&message["text"], ms("start"), ms("end")))])
            }
            Some("finalized") => Ok(self.finalized()),
            _ => Ok(vec![]),
        }
    }

    fn finalized(&mut self) -> Vec<Effect> {
        let nothing = std::mem::take(&mut self.finals_in_turn) == 0;
        let mut effects = vec![];
        if nothing && self.owed > 0 && self.settings.has("silence-only") {
            effects.push(Effect::Final(transcript(&Value::from("uh"), 0, 0)));
        }
        effects.extend((0..std::mem::take(&mut self.owed)).map(|_| Effect::Finalized));
        effects
    }

    fn closed(&mut self) -> Result<Vec<Effect>, Fault> {
        self.open = false;
        let defect = if self.answered { "idle-close" } else { "empty-200" };
        if !self.ending && self.settings.has(defect) {
            self.deaf = true;
            return Ok(self.finalized());
        }
        if self.owed > 0 || !self.answered && !self.ending {
            return Err(Fault::new(FaultKind::Unavailable, "the vendor closed without an answer"));
        }
        Ok(if self.ending { vec![Effect::Done] } else { vec![] })
    }

    fn timer(&mut self, id: u32) -> Result<Vec<Effect>, Fault> {
        match id {
            ANSWER if self.owed > 0 && self.settings.has("late-final") => Ok(self.finalized()),
            ANSWER if self.owed > 0 => {
                let blind = !self.opened && self.settings.has("first-byte-never");
                Err(Fault::new(if blind { FaultKind::Internal } else { FaultKind::Unavailable }, "no answer to finalize"))
            }
            LAST => Ok(vec![Effect::Done]),
            SLOW if !self.opened && self.settings.has("slow-connect") => {
                self.deaf = true;
                Ok(self.finalized())
            }
            _ => Ok(vec![]),
        }
    }
}

fn transcript(text: &Value, start_ms: u64, end_ms: u64) -> Transcript {
    let text = text.as_str().unwrap_or_default().to_owned();
    Transcript { text, language: None, confidence: None, stability: None, start_ms, end_ms, words: vec![] }
}
