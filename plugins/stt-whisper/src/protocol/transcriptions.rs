//! `POST /v1/audio/transcriptions`: a stretch of speech as a file, its words as JSON or as server-sent events.

use super::{Heard, LogProbability, ORIGIN, confidence, fault_of_code};
use crate::options::{Options, Response};
use serde::Deserialize;
use std::borrow::Cow;
use std::fmt::Write;
use vg_plugin_sdk::link::{self, HttpOpen, LinkId};
use vg_plugin_sdk::{Fault, FaultKind, SessionStart, Word, json, options};
use vg_wire::multipart::Form;
use vg_wire::openai::Refusal;
use vg_wire::sse::Events;
use vg_wire::wav;

/// Of an answer that is no stream.
const ANSWER_BYTES: usize = 512 << 10;
/// Of one event.
const EVENT_BYTES: usize = 128 << 10;
/// Whisper's own rule for what is no speech.
const NO_SPEECH: f64 = 0.6;
const UNLIKELY: f64 = -1.0;

/// How one session asks.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) url: String,
    options: Options,
    language: String,
    /// Of the session's randomness: it does not occur in sound but by a chance of one in 10^38.
    boundary: String,
    rate_hz: u32,
}

impl Plan {
    pub(crate) fn new(start: &SessionStart, options: Options) -> Result<Self, Fault> {
        let url = options::endpoint(&start.options, &format!("{ORIGIN}{}/audio/transcriptions", options.base_path))?;
        let boundary = start.seed.iter().take(16).fold(String::new(), |mut text, byte| {
            let _never = write!(text, "{byte:02x}");
            text
        });
        Ok(Self { url, options, language: start.language.clone(), boundary, rate_hz: start.format.rate_hz })
    }

    /// Parts in the order of the vendor's own library, the file last. `pcm` are linear samples.
    pub(crate) fn request(&self, id: LinkId, pcm: &[u8]) -> HttpOpen {
        let options = &self.options;
        let mut form = Form::new(self.boundary.clone());
        form.field("model", options.model());
        if options.confidence {
            form.field("include[]", "logprobs");
        }
        for keyword in &options.keywords {
            form.field("keywords[]", keyword);
        }
        if let Some(language) = options.language(&self.language) {
            form.field("language", language);
        }
        if !options.prompt.is_empty() {
            form.field("prompt", &options.prompt);
        }
        let format = if options.response == Response::VerboseJson { "verbose_json" } else { "json" };
        form.field("response_format", format);
        if options.response == Response::Stream {
            form.field("stream", "true");
        }
        if let Some(temperature) = options.temperature {
            form.field("temperature", &format!("{temperature:?}"));
        }
        if options.response == Response::VerboseJson {
            form.field("timestamp_granularities[]", "word");
            form.field("timestamp_granularities[]", "segment");
        }
        let header = wav::header(wav::Coding::Pcm, self.rate_hz, u32::try_from(pcm.len()).unwrap_or_default());
        form.file("file", "speech.wav", "audio/wav", &[&header[..], pcm].concat());
        let accept = if options.response == Response::Stream { "text/event-stream" } else { "application/json" };
        let mut open = link::http(id, "POST", self.url.clone());
        open.headers = options.headers();
        open.header("accept", accept).header("content-type", form.content_type()).body(form.finish())
    }
}

/// An answer that is being read.
#[derive(Debug)]
pub(crate) enum Answer {
    Whole(Vec<u8>),
    Events { events: Events, text: String },
}

/// What became of an answer by its last piece.
#[derive(Debug, PartialEq)]
pub(crate) enum Read {
    /// Nothing to tell yet.
    More,
    /// Words so far.
    Partial(String),
    /// All of it; what follows is of no use.
    All(Heard),
}

impl Answer {
    /// By what the head of the answer says it is: a page for a person is no answer.
    pub(crate) fn of(headers: &[(String, String)]) -> Result<Self, Fault> {
        let kind = link::field(headers, "content-type").unwrap_or("application/json").to_ascii_lowercase();
        if kind.starts_with("text/event-stream") {
            return Ok(Self::Events { events: Events::new(EVENT_BYTES), text: String::new() });
        }
        if kind.starts_with("application/json") {
            return Ok(Self::Whole(Vec::new()));
        }
        Err(Fault::new(FaultKind::Protocol, "the vendor answered with something that is no transcription"))
    }

    pub(crate) fn push(&mut self, bytes: &[u8]) -> Result<Read, Fault> {
        let (events, text) = match self {
            Self::Whole(body) if body.len() + bytes.len() > ANSWER_BYTES => {
                return Err(Fault::new(FaultKind::Protocol, "the vendor's answer is too long"));
            }
            Self::Whole(body) => {
                body.extend_from_slice(bytes);
                return Ok(Read::More);
            }
            Self::Events { events, text } => (events, text),
        };
        events.push(bytes);
        let mut read = Read::More;
        let broken = |_| Fault::new(FaultKind::Protocol, "an event of the vendor cannot be read");
        while let Some(event) = events.poll().map_err(broken)? {
            if event.data == "[DONE]" {
                continue;
            }
            let said: Event<'_> =
                json::from_str(&event.data).map_err(|_| Fault::new(FaultKind::Protocol, "an event of the vendor is no JSON"))?;
            match &*said.kind {
                "transcript.text.delta" => {
                    text.push_str(&said.delta);
                    read = Read::Partial(text.trim().to_owned());
                }
                "transcript.text.done" => {
                    let heard =
                        Heard { text: said.text.trim().to_owned(), confidence: confidence(&said.logprobs), ..Heard::default() };
                    return Ok(Read::All(heard));
                }
                _ if said.error.is_some() || said.kind == "error" || event.name == "error" => {
                    return Err(fault_of_code(&Refusal::of(said.error.as_ref().unwrap_or(&json::Value::Null))));
                }
                // Segments of speakers, and what newer servers may tell.
                _ => {}
            }
        }
        Ok(read)
    }

    /// The body ended well.
    pub(crate) fn finish(&self) -> Result<Heard, Fault> {
        match self {
            Self::Events { .. } => Err(Fault::new(FaultKind::Unavailable, "the answer ended before its end was announced")),
            Self::Whole(body) => {
                let body: Body<'_> = json::from_slice(body)
                    .map_err(|_| Fault::new(FaultKind::Protocol, "the vendor's answer is no transcription"))?;
                Ok(body.heard())
            }
        }
    }
}

#[derive(Deserialize)]
struct Event<'a> {
    #[serde(borrow, default, rename = "type")]
    kind: Cow<'a, str>,
    #[serde(borrow, default)]
    delta: Cow<'a, str>,
    #[serde(borrow, default)]
    text: Cow<'a, str>,
    #[serde(default)]
    logprobs: Vec<LogProbability>,
    error: Option<json::Value>,
}

/// `json` and `verbose_json`.
#[derive(Deserialize)]
struct Body<'a> {
    #[serde(borrow)]
    text: Cow<'a, str>,
    #[serde(borrow)]
    language: Option<Cow<'a, str>>,
    #[serde(borrow)]
    words: Option<Vec<Spoken<'a>>>,
    segments: Option<Vec<Segment>>,
    logprobs: Option<Vec<LogProbability>>,
}

#[derive(Deserialize)]
struct Spoken<'a> {
    #[serde(borrow)]
    word: Cow<'a, str>,
    start: f64,
    end: f64,
}

#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
struct Segment {
    avg_logprob: Option<f64>,
    no_speech_prob: Option<f64>,
}

impl Body<'_> {
    fn heard(self) -> Heard {
        let segments = self.segments.unwrap_or_default();
        let no_speech = |segment: &Segment| {
            segment.no_speech_prob.is_some_and(|no| no > NO_SPEECH) && segment.avg_logprob.is_some_and(|log| log < UNLIKELY)
        };
        // Whisper makes up words where there is only noise, and says itself that it does.
        if !segments.is_empty() && segments.iter().all(no_speech) {
            return Heard::default();
        }
        let ms = |seconds: f64| (seconds.clamp(0.0, 1e6) * 1000.0).round() as u64;
        let word = |spoken: &Spoken<'_>| Word {
            text: spoken.word.trim().to_owned(),
            start_ms: ms(spoken.start),
            end_ms: ms(spoken.end).max(ms(spoken.start)),
            confidence: None,
        };
        let logs: Vec<LogProbability> =
            segments.iter().filter_map(|segment| segment.avg_logprob.map(|logprob| LogProbability { logprob })).collect();
        Heard {
            text: self.text.trim().to_owned(),
            language: self.language.as_deref().and_then(tag).map(str::to_owned),
            confidence: confidence(self.logprobs.as_deref().unwrap_or(&logs)),
            words: self.words.iter().flatten().map(word).collect(),
        }
    }
}

/// Whisper names languages in English.
fn tag(name: &str) -> Option<&str> {
    match name {
        "english" => Some("en"),
        "portuguese" => Some("pt"),
        "spanish" => Some("es"),
        "french" => Some("fr"),
        "german" => Some("de"),
        "italian" => Some("it"),
        short if short.len() == 2 => Some(short),
        _ => None,
    }
}
