//! The answer: samples of the server's rate, raw or as server-sent events, made what the call wants.

use serde::Deserialize;
use std::borrow::Cow;
use vg_plugin_sdk::audio::{self, Whole};
use vg_plugin_sdk::tts::spoke_nothing;
use vg_plugin_sdk::{AudioFormat, Encoding, Fault, FaultKind, json, link};
use vg_wire::openai::Refusal;
use vg_wire::resample::Resampler;
use vg_wire::sse::Events;
use vg_wire::wav;

/// One event: a delta of a second is 64 KB in base64.
const EVENT_BYTES: usize = 512 << 10;
/// Of a header that some servers send before their samples, whatever was asked for.
const HEADER_BYTES: usize = 4 << 10;

/// One answer.
#[derive(Debug)]
pub(crate) struct Sound {
    /// None where samples come raw.
    events: Option<Events>,
    /// Its end was announced; raw samples have no such announcement but the body's own end.
    done: bool,
    head: Head,
    whole: Whole,
    rate_hz: u32,
    wanted: AudioFormat,
    samples: Vec<i16>,
    /// Samples came.
    anything: bool,
}

/// Whether samples have begun.
#[derive(Debug)]
enum Head {
    /// The first bytes, which may be a file's header.
    Waiting(Vec<u8>),
    Over,
}

#[derive(Deserialize)]
struct Event<'a> {
    #[serde(borrow, default, rename = "type")]
    kind: Cow<'a, str>,
    #[serde(borrow, default)]
    audio: Cow<'a, str>,
    error: Option<json::Value>,
}

impl Sound {
    /// By what the head of the answer says it is: a page for a person is not to be spoken.
    pub(crate) fn of(headers: &[(String, String)], rate_hz: u32, wanted: AudioFormat) -> Result<Self, Fault> {
        let kind = link::field(headers, "content-type").unwrap_or("audio/pcm").to_ascii_lowercase();
        let events = kind.starts_with("text/event-stream");
        if !events && !["audio/", "application/octet-stream", "binary/octet-stream"].iter().any(|sound| kind.starts_with(sound)) {
            return Err(Fault::new(FaultKind::Protocol, "the vendor answered with something that is no sound"));
        }
        Ok(Self {
            events: events.then(|| Events::new(EVENT_BYTES)),
            done: false,
            head: Head::Waiting(Vec::new()),
            whole: Whole::default(),
            rate_hz,
            wanted,
            samples: Vec::new(),
            anything: false,
        })
    }

    /// Whether its end was announced: all of the sound is there, whatever becomes of the body.
    pub(crate) fn is_announced(&self) -> bool {
        self.done && self.events.is_some()
    }

    /// Whether nothing of it was heard yet.
    pub(crate) fn is_silent(&self) -> bool {
        !self.anything
    }

    /// More of the body, as sound in the call's format. The resampler is this answer's until its end.
    pub(crate) fn push(&mut self, bytes: Vec<u8>, resampler: &mut Resampler) -> Result<Vec<u8>, Fault> {
        let Some(mut events) = self.events.take() else { return self.pcm(bytes, resampler) };
        events.push(&bytes);
        let mut sound = Vec::new();
        let broken = |_| Fault::new(FaultKind::Protocol, "an event of the vendor cannot be read");
        while let Some(event) = events.poll().map_err(broken)? {
            if event.data == "[DONE]" || self.done {
                continue;
            }
            let said: Event<'_> =
                json::from_str(&event.data).map_err(|_| Fault::new(FaultKind::Protocol, "an event of the vendor is no JSON"))?;
            match &*said.kind {
                "speech.audio.delta" => {
                    use base64::Engine;
                    let pcm = base64::engine::general_purpose::STANDARD.decode(said.audio.as_bytes());
                    let pcm = pcm.map_err(|_| Fault::new(FaultKind::Protocol, "audio of the vendor is no base64"))?;
                    sound.extend(self.pcm(pcm, resampler)?);
                }
                "speech.audio.done" => {
                    self.done = true;
                    sound.extend(self.rest(resampler)?);
                }
                _ if said.error.is_some() || said.kind == "error" || event.name == "error" => {
                    let refusal = Refusal::of(said.error.as_ref().unwrap_or(&json::Value::Null));
                    // In the middle of an answer there is no status; 500 stands for what the code does not tell.
                    return Err(super::fault(if refusal.code.contains("rate_limit") { 429 } else { 500 }, &[], &refusal));
                }
                // Newer servers may tell more.
                _ => {}
            }
        }
        self.events = Some(events);
        Ok(sound)
    }

    /// The body ended: the last of the sound.
    pub(crate) fn finish(mut self, resampler: &mut Resampler) -> Result<Vec<u8>, Fault> {
        match (&self.events, self.done) {
            (Some(_), true) => Ok(Vec::new()),
            (Some(_), false) => Err(Fault::new(FaultKind::Unavailable, "the answer ended before its end was announced")),
            (None, _) => self.rest(resampler),
        }
    }

    fn rest(&mut self, resampler: &mut Resampler) -> Result<Vec<u8>, Fault> {
        let mut out = Vec::new();
        if let Head::Waiting(first) = std::mem::replace(&mut self.head, Head::Over)
            && !first.starts_with(b"RIFF")
        {
            out = self.pcm(first, resampler)?;
        }
        if self.whole.is_cut() {
            return Err(Fault::new(FaultKind::Protocol, "the answer ended within a sample"));
        }
        if !self.anything {
            return Err(spoke_nothing("the vendor spoke nothing"));
        }
        self.samples.clear();
        resampler.finish(&mut self.samples);
        audio::encode(self.wanted.encoding, &self.samples, &mut out);
        Ok(out)
    }

    fn pcm(&mut self, bytes: Vec<u8>, resampler: &mut Resampler) -> Result<Vec<u8>, Fault> {
        let bytes = match std::mem::replace(&mut self.head, Head::Over) {
            Head::Over => bytes,
            Head::Waiting(mut first) => {
                first.extend(bytes);
                match self.without_header(first)? {
                    Some(bytes) => bytes,
                    None => return Ok(Vec::new()),
                }
            }
        };
        let whole = self.whole.samples(Encoding::PcmS16le, bytes);
        self.anything |= !whole.is_empty();
        if self.wanted.encoding == Encoding::PcmS16le && self.wanted.rate_hz == self.rate_hz {
            return Ok(whole);
        }
        self.samples.clear();
        resampler.push_bytes(&whole, &mut self.samples);
        let mut out = Vec::with_capacity(self.samples.len() * audio::sample_bytes(self.wanted.encoding));
        audio::encode(self.wanted.encoding, &self.samples, &mut out);
        Ok(out)
    }

    /// Some servers answer with a file, whatever was asked for: its header would be a click, and its rate may be another.
    fn without_header(&mut self, first: Vec<u8>) -> Result<Option<Vec<u8>>, Fault> {
        let may_be_file = first.len() < 4 && b"RIFF".starts_with(&first);
        if !may_be_file && !first.starts_with(b"RIFF") {
            return Ok(Some(first));
        }
        let Some(at) = wav::data_offset(&first) else {
            if first.len() > HEADER_BYTES {
                return Err(Fault::new(FaultKind::Protocol, "the vendor's file has no samples"));
            }
            self.head = Head::Waiting(first);
            return Ok(None);
        };
        let rate_hz = first.get(24..28).and_then(|rate| rate.try_into().ok()).map_or(0, u32::from_le_bytes);
        if rate_hz != self.rate_hz {
            return Err(Fault::option("/pcm_rate_hz", format!("the vendor speaks at {rate_hz} Hz")));
        }
        Ok(Some(first[at..].to_vec()))
    }
}
