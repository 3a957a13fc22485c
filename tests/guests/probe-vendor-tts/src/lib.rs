//! Test guest: a speaker with a pretended vendor, good unless its options choose a defect.
//!
//! The vendor takes the text of a reply as the body of `POST /speak` and answers with samples.

use probe_vendor::{SCHEMA, Settings};
use std::collections::VecDeque;
use vg_plugin_sdk::link::{self, LinkInput, Opened};
use vg_plugin_sdk::tts::{Effect, Input, Timer, TtsPlugin};
use vg_plugin_sdk::{AudioFormat, Descriptor, Encoding, Fault, FaultKind, Instant, SecretKind, SecretWish};

vg_plugin_sdk::export_tts!(Speaker);

/// The vendor owes sound.
const STALLED: u32 = 1;
const STALLED_MS: u32 = 8_000;
/// An answer later than this is slow.
const SLOW_US: u64 = 2_000_000;

/// One session.
#[derive(Debug, Default)]
pub struct Speaker {
    settings: Settings,
    now_us: u64,
    text: String,
    waiting: VecDeque<(String, u32)>,
    job: Option<Job>,
    links: u32,
    ending: bool,
}

/// One reply that the vendor is asked for.
#[derive(Debug, Default)]
struct Job {
    link: u32,
    marks: Vec<u32>,
    asked_at_us: u64,
    opened: bool,
    /// The next piece is lost: a defect.
    swallow: bool,
    length: u64,
    received: u64,
    /// Half a sample.
    odd: Option<u8>,
}

impl TtsPlugin for Speaker {
    fn descriptor() -> Descriptor {
        let format = |rate_hz| AudioFormat { encoding: Encoding::PcmS16le, rate_hz };
        Descriptor {
            formats: vec![format(16_000), format(8_000)],
            languages: vec!["en-US".to_owned()],
            options_schema: SCHEMA.to_owned(),
            hosts: vec!["https://vendor.example".to_owned()],
            secrets: vec![SecretWish { name: "api_key".into(), kind: SecretKind::Fixed, why: "the vendor asks for it".into() }],
            ..Descriptor::tts("probe-vendor-tts", env!("CARGO_PKG_VERSION"))
        }
    }

    fn new() -> Self {
        Self::default()
    }

    fn handle(&mut self, now: Instant, input: Input) -> Vec<Effect> {
        self.now_us = now.mono_us;
        self.answer(input).unwrap_or_else(|fault| vec![Effect::Fail(fault)])
    }
}

impl Speaker {
    fn answer(&mut self, input: Input) -> Result<Vec<Effect>, Fault> {
        match input {
            Input::Start(start) => {
                self.settings = Settings::parse(&start.options)?;
                Ok(vec![])
            }
            Input::Text(text) => {
                self.text.push_str(&text);
                Ok(vec![])
            }
            Input::Flush(mark) => Ok(self.flush(mark)),
            Input::Cancel => Ok(self.cancel()),
            Input::End => {
                self.ending = true;
                Ok(if self.job.is_none() { vec![Effect::Done] } else { vec![] })
            }
            Input::Link(news) => self.news(news),
            Input::Timer(_) => match &self.job {
                Some(job) if !(job.opened && self.settings.has("half-open")) => {
                    let blind = !job.opened && self.settings.has("first-byte-never");
                    Err(Fault::new(if blind { FaultKind::Internal } else { FaultKind::Unavailable }, "the vendor fell silent"))
                }
                _ => Ok(vec![]),
            },
        }
    }

    fn flush(&mut self, mark: u32) -> Vec<Effect> {
        let text = std::mem::take(&mut self.text);
        match (text.is_empty(), self.waiting.back(), &mut self.job) {
            (true, None, None) if self.settings.has("no-audio") => vec![],
            (true, None, None) => vec![Effect::Flushed(mark)],
            (true, None, Some(_)) if self.settings.has("finalize-twice") => vec![],
            (true, None, Some(job)) => {
                job.marks.push(mark);
                vec![]
            }
            _ => {
                self.waiting.push_back((text, mark));
                self.ask()
            }
        }
    }

    /// The next reply, where the vendor has time.
    fn ask(&mut self) -> Vec<Effect> {
        if self.job.is_some() {
            return vec![];
        }
        let Some((text, mark)) = self.waiting.pop_front() else {
            return if self.ending { vec![Effect::Done] } else { vec![] };
        };
        self.links += 1;
        self.job = Some(Job { link: self.links, marks: vec![mark], asked_at_us: self.now_us, ..Job::default() });
        let origin = self.settings.endpoint.as_deref().unwrap_or("https://vendor.example");
        let open = link::http(self.links, "POST", format!("{origin}/speak")).header("x-api-key", "{secret:api_key}").body(text);
        vec![open.into(), stalled(STALLED_MS)]
    }

    fn cancel(&mut self) -> Vec<Effect> {
        self.text.clear();
        self.waiting.clear();
        let mut effects = vec![];
        if self.settings.has("cancel-everywhere") {
            // Goes on speaking.
        } else if let Some(job) = self.job.take() {
            effects.push(link::close(job.link).into());
        }
        effects.push(Effect::Cancelled);
        effects
    }

    fn news(&mut self, news: LinkInput) -> Result<Vec<Effect>, Fault> {
        let Some(job) = &mut self.job else { return Ok(vec![]) };
        match news {
            LinkInput::Opened(opened) if opened.status == 200 => {
                let sound = link::field(&opened.headers, "content-type").is_none_or(|kind| kind.starts_with("audio/"));
                if !sound && !self.settings.has("garbage") {
                    return Err(Fault::new(FaultKind::Protocol, "the vendor answered with something that is no sound"));
                }
                opened_well(job, &opened, self.now_us, &self.settings);
                Ok(vec![stalled(STALLED_MS)])
            }
            LinkInput::Opened(opened) => Err(self.settings.refused(&opened)),
            LinkInput::Bytes(piece) => {
                let sound = job.take(piece.data, &self.settings);
                let mut effects = if sound.is_empty() { vec![] } else { vec![Effect::Audio(sound)] };
                effects.push(stalled(STALLED_MS));
                Ok(effects)
            }
            LinkInput::Finished(_) if job.received == 0 && !self.settings.has("empty-200") => {
                Err(Fault::new(FaultKind::EmptyResult, "the vendor sent no sound"))
            }
            LinkInput::Finished(_) => Ok(self.spoken()),
            LinkInput::Failed(failed) => {
                let most = job.length > 0 && job.received * 10 >= job.length * 8;
                let defect = if most { "cut-mid-message" } else { "cut-mid-audio" };
                if failed.kind == link::LinkErrorKind::Reset && self.settings.has(defect) {
                    return Ok(self.spoken());
                }
                Err(self.settings.lost(&failed))
            }
            _ => Ok(vec![]),
        }
    }

    fn spoken(&mut self) -> Vec<Effect> {
        let marks = self.job.take().map(|job| job.marks).unwrap_or_default();
        let mut effects: Vec<Effect> = marks.into_iter().map(Effect::Flushed).collect();
        effects.extend(self.ask());
        effects
    }
}

fn opened_well(job: &mut Job, opened: &Opened, now_us: u64, settings: &Settings) {
    job.opened = true;
    job.length = link::field(&opened.headers, "content-length").and_then(|bytes| bytes.parse().ok()).unwrap_or(0);
    job.swallow = now_us - job.asked_at_us > SLOW_US && settings.has("slow-connect");
}

fn stalled(delay_ms: u32) -> Effect {
    Effect::Timer(Timer { id: STALLED, delay_ms })
}

impl Job {
    /// Whole samples of what came.
    fn take(&mut self, data: Vec<u8>, settings: &Settings) -> Vec<u8> {
        self.received += data.len() as u64;
        assert!(self.received < 512 << 10 || !settings.has("giant-message"), "as the options asked");
        if std::mem::take(&mut self.swallow) {
            return vec![];
        }
        if settings.has("odd-split") {
            return data;
        }
        let mut sound: Vec<u8> = self.odd.take().into_iter().chain(data).collect();
        if !sound.len().is_multiple_of(2) {
            self.odd = sound.pop();
        }
        sound
    }
}
