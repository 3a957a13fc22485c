//! `POST /v1/audio/transcriptions`.

use super::form::{Part, parts};
use super::{Refusal, Streamed, admit, error_event, event, usage};
use crate::{Cut, Format, Heard, Moment, Sim, Utterance, Vendor, Word};
use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use std::sync::Arc;

const BODY_BYTES: usize = 25 << 20;
const SHORTEST_MS: u64 = 100;
const WHISPER: &str = "whisper-1";
const DIARIZE: &str = "gpt-4o-transcribe-diarize";
const MODELS: [&str; 6] =
    ["gpt-transcribe", "gpt-4o-transcribe", "gpt-4o-mini-transcribe", "gpt-4o-mini-transcribe-2025-12-15", DIARIZE, WHISPER];
const FILES: [&str; 10] = ["flac", "m4a", "mp3", "mp4", "mpeg", "mpga", "oga", "ogg", "wav", "webm"];

pub(super) async fn transcribe(
    State(sim): State<Arc<Sim>>,
    Extension(cut): Extension<Cut>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let body = axum::body::to_bytes(body, BODY_BYTES).await;
    if let Err(refused) = admit(&sim, &cut, &headers, false).await {
        return refused;
    }
    let Ok(body) = body else { return Refusal::of_status(413).into_response() };
    if !headers.contains_key(header::CONTENT_LENGTH) {
        sim.offence(Vendor::Openai, "the vendor's library sends the length of a form");
    }
    let asked = match Asked::read(&sim, &headers, &body) {
        Ok(asked) => asked,
        Err(refusal) => return refusal.into_response(),
    };
    sim.wait(Vendor::Openai, Moment::Final).await;
    asked.answer(sim, cut)
}

/// What is in the form.
#[derive(Debug)]
struct Asked {
    model: String,
    language: Option<String>,
    format: String,
    stream: bool,
    granularities: Vec<String>,
    logprobs: bool,
    duration_ms: u64,
    heard: Vec<Utterance>,
}

impl Asked {
    fn read(sim: &Sim, headers: &HeaderMap, body: &[u8]) -> Result<Self, Refusal> {
        let parts =
            parts(headers, body).ok_or_else(|| Refusal::bad(sim, "body", "invalid_form", "Could not parse multipart form"))?;
        let mut asked = Self::fields(sim, &parts)?;
        asked.check(sim)?;
        let file = parts.iter().find(|part| part.name == "file" && part.file_name.is_some());
        let file = file.ok_or_else(|| Refusal::bad(sim, "file", "missing_required_parameter", "you must provide a file"))?;
        let name = file.file_name.as_deref().unwrap_or_default();
        let wrong =
            || Refusal::bad(sim, "file", "invalid_value", "Invalid file format. Supported formats: flac, m4a, mp3, mp4, wav ...");
        if !name.rsplit_once('.').is_some_and(|(_, ending)| FILES.contains(&ending)) {
            return Err(wrong());
        }
        // The other formats are the vendor's, too, but nobody here can decode them.
        let (format, samples) = Format::of_wav(&file.data).ok_or_else(wrong)?;
        asked.duration_ms = format.ms(samples.len());
        if asked.duration_ms < SHORTEST_MS {
            let message = "Audio file is too short. Minimum audio length is 0.1 seconds.";
            return Err(Refusal::bad(sim, "file", "audio_too_short", message));
        }
        asked.heard = hear(sim, format, samples, asked.language.as_deref().unwrap_or("en"));
        Ok(asked)
    }

    fn fields(sim: &Sim, parts: &[Part]) -> Result<Self, Refusal> {
        let mut asked = Self {
            model: String::new(),
            language: None,
            format: "json".to_owned(),
            stream: false,
            granularities: vec![],
            logprobs: false,
            duration_ms: 0,
            heard: vec![],
        };
        for part in parts.iter().filter(|part| part.name != "file") {
            let name = part.name.as_str();
            let invalid = || Refusal::bad(sim, name, "invalid_value", "Invalid value.");
            let value = std::str::from_utf8(&part.data).map_err(|_| invalid())?.to_owned();
            match name {
                "model" => asked.model = value,
                "language" if value.len() == 2 && value.bytes().all(|byte| byte.is_ascii_lowercase()) => {
                    asked.language = Some(value)
                }
                "response_format" => asked.format = value,
                "stream" if ["true", "false"].contains(&value.as_str()) => asked.stream = value == "true",
                "temperature" if value.parse().is_ok_and(|degree: f64| (0.0..=1.0).contains(&degree)) => {}
                "timestamp_granularities[]" if ["word", "segment"].contains(&value.as_str()) => asked.granularities.push(value),
                "include[]" if value == "logprobs" => asked.logprobs = true,
                "prompt" | "chunking_strategy" | "keywords[]" | "languages[]" if !value.is_empty() => {}
                "language"
                | "stream"
                | "temperature"
                | "timestamp_granularities[]"
                | "include[]"
                | "prompt"
                | "chunking_strategy"
                | "keywords[]"
                | "languages[]" => return Err(invalid()),
                _ => return Err(Refusal::bad(sim, name, "unknown_parameter", "Unknown parameter.")),
            }
        }
        Ok(asked)
    }

    /// What goes together.
    fn check(&self, sim: &Sim) -> Result<(), Refusal> {
        if self.model.is_empty() {
            return Err(Refusal::bad(sim, "model", "missing_required_parameter", "you must provide a model parameter"));
        }
        if !MODELS.contains(&self.model.as_str()) {
            return Err(Refusal::of_status(404));
        }
        let formats: &[&str] = match self.model.as_str() {
            WHISPER => &["json", "text", "srt", "verbose_json", "vtt"],
            DIARIZE => &["json", "text", "diarized_json"],
            _ => &["json", "text"],
        };
        if !formats.contains(&self.format.as_str()) {
            let message = "response_format is not compatible with the model. Use 'json' or 'text' instead.";
            return Err(Refusal::bad(sim, "response_format", "unsupported_value", message));
        }
        if !self.granularities.is_empty() && self.format != "verbose_json" {
            let message = "timestamp_granularities are only supported with response_format verbose_json.";
            return Err(Refusal::bad(sim, "timestamp_granularities", "unsupported_value", message));
        }
        if self.logprobs && (self.model == WHISPER || self.model == DIARIZE || self.format != "json") {
            return Err(Refusal::bad(
                sim,
                "include",
                "unsupported_value",
                "logprobs are not supported with this model or response_format.",
            ));
        }
        Ok(())
    }

    fn answer(self, sim: Arc<Sim>, cut: Cut) -> Response {
        // The older model takes `stream` and passes over it.
        if self.stream && self.model != WHISPER {
            let error = Some(error_event());
            let end = vec![event(&self.done()), "data: [DONE]\n\n".into()];
            return Streamed { kind: "text/event-stream; charset=utf-8", pieces: self.deltas(), end, error }.answer(sim, cut);
        }
        let text = self.text();
        let headers = [(super::REQUEST_ID, "req_fake")];
        match self.format.as_str() {
            "verbose_json" => (headers, axum::Json(self.verbose())).into_response(),
            "diarized_json" => (headers, axum::Json(self.diarized())).into_response(),
            "json" => (headers, axum::Json(self.json())).into_response(),
            "srt" => (headers, self.subtitles(',')).into_response(),
            "vtt" => (headers, format!("WEBVTT\n\n{}", self.subtitles('.'))).into_response(),
            _ => (headers, format!("{text}\n")).into_response(),
        }
    }

    fn text(&self) -> String {
        self.heard.iter().map(Utterance::text).collect::<Vec<_>>().join(" ")
    }

    fn words(&self) -> impl Iterator<Item = &Word> {
        self.heard.iter().flat_map(|said| &said.words)
    }

    fn usage(&self) -> Value {
        match self.model.as_str() {
            WHISPER => json!({ "type": "duration", "seconds": self.duration_ms.div_ceil(1000) }),
            _ => usage(self.duration_ms, self.words().count()),
        }
    }

    fn json(&self) -> Value {
        let mut answer = json!({ "text": self.text(), "usage": self.usage() });
        if self.logprobs {
            answer["logprobs"] = self.words().map(|word| logprob(&word.text)).collect();
        }
        answer
    }

    fn verbose(&self) -> Value {
        let segment = |(id, said): (usize, &Utterance)| {
            json!({
                "id": id, "seek": 0, "start": seconds(said.start_ms()), "end": seconds(said.end_ms()), "text": format!(" {}", said.text()),
                "tokens": [50364, 2425], "temperature": 0.0, "avg_logprob": -0.21, "compression_ratio": 1.1, "no_speech_prob": 0.02,
            })
        };
        let language = match self.language.as_deref() {
            Some("pt") => "portuguese",
            Some("es") => "spanish",
            _ => "english",
        };
        let mut answer = json!({
            "task": "transcribe", "language": language, "duration": seconds(self.duration_ms), "text": self.text(), "usage": self.usage(),
        });
        let asks = |name: &str| self.granularities.iter().any(|granularity| granularity == name);
        if asks("word") {
            let word = |word: &Word| json!({ "word": word.text, "start": seconds(word.start_ms), "end": seconds(word.end_ms) });
            answer["words"] = self.words().map(word).collect();
        }
        if asks("segment") || self.granularities.is_empty() {
            answer["segments"] = self.heard.iter().enumerate().map(segment).collect();
        }
        answer
    }

    fn diarized(&self) -> Value {
        let segments: Vec<Value> = self.heard.iter().enumerate().map(segment).collect();
        json!({
            "task": "transcribe", "duration": seconds(self.duration_ms), "text": self.text(), "segments": segments, "usage": self.usage(),
        })
    }

    fn deltas(&self) -> Vec<axum::body::Bytes> {
        let delta = |word: &Word| {
            let mut delta = json!({ "type": "transcript.text.delta", "delta": format!("{} ", word.text) });
            if self.logprobs {
                delta["logprobs"] = json!([logprob(&word.text)]);
            }
            event(&delta)
        };
        let mut deltas: Vec<_> = self.words().map(delta).collect();
        if self.model == DIARIZE {
            deltas.extend(self.heard.iter().enumerate().map(|said| event(&segment(said))));
        }
        deltas
    }

    fn done(&self) -> Value {
        let mut done = json!({ "type": "transcript.text.done", "text": self.text(), "usage": self.usage() });
        if self.logprobs {
            done["logprobs"] = self.words().map(|word| logprob(&word.text)).collect();
        }
        done
    }

    fn subtitles(&self, point: char) -> String {
        let time =
            |ms: u64| format!("{:02}:{:02}:{:02}{point}{:03}", ms / 3_600_000, ms / 60_000 % 60, ms / 1000 % 60, ms % 1000);
        let one = |(nth, said): (usize, &Utterance)| {
            format!("{}\n{} --> {}\n{}\n\n", nth + 1, time(said.start_ms()), time(said.end_ms()), said.text())
        };
        self.heard.iter().enumerate().map(one).collect()
    }
}

fn segment((nth, said): (usize, &Utterance)) -> Value {
    json!({
        "type": "transcript.text.segment", "id": format!("seg_{nth:03}"), "start": seconds(said.start_ms()), "end": seconds(said.end_ms()),
        "text": said.text(), "speaker": "A",
    })
}

fn hear(sim: &Sim, format: Format, samples: &[u8], language: &str) -> Vec<Utterance> {
    let mut ear = sim.ear(format, language);
    let heard = [ear.hear(samples), ear.finalize()].concat();
    heard.into_iter().filter_map(|heard| if let Heard::Final(said) = heard { Some(said) } else { None }).collect()
}

fn logprob(text: &str) -> Value {
    json!({ "token": text, "logprob": -0.01, "bytes": text.as_bytes() })
}

fn seconds(ms: u64) -> f64 {
    ms as f64 / 1000.0
}
