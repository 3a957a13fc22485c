//! `/v1/listen`.

use super::{Line, Parameters, REQUEST_ID, Refusal, Talk, admit, refuse, seconds, unknown};
use crate::{Cut, Ear, Format, Heard, Sim, Utterance};
use axum::Extension;
use axum::body::Bytes;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::{RawQuery, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use std::sync::Arc;

#[rustfmt::skip]
const KNOWN: [&str; 28] = [
    "model", "encoding", "sample_rate", "channels", "language", "interim_results", "punctuate", "smart_format", "endpointing",
    "utterance_end_ms", "vad_events", "numerals", "keyterm", "keywords", "profanity_filter", "mip_opt_out", "tag", "extra", "version",
    "diarize", "multichannel", "replace", "search", "redact", "language_hint", "dictation", "detect_entities", "diarize_model",
];

/// <https://developers.deepgram.com/docs/model>
#[rustfmt::skip]
const MODELS: [&str; 33] = [
    "nova-3", "nova-3-general", "nova-3-medical", "nova-2", "nova-2-general", "nova-2-meeting", "nova-2-phonecall", "nova-2-finance",
    "nova-2-conversationalai", "nova-2-voicemail", "nova-2-video", "nova-2-medical", "nova-2-drivethru", "nova-2-automotive", "nova-2-atc",
    "nova", "nova-general", "nova-phonecall", "nova-medical", "enhanced", "enhanced-general", "enhanced-meeting", "enhanced-phonecall",
    "enhanced-finance", "base", "base-general", "base-meeting", "base-phonecall", "base-finance", "base-conversationalai", "base-voicemail",
    "base-video", "general",
];

/// Those of nova-3 that its pages name; a region beside its language is known or it is not.
#[rustfmt::skip]
const LANGUAGES: [&str; 55] = [
    "en", "en-US", "en-AU", "en-GB", "en-IN", "en-NZ", "es", "es-419", "fr", "fr-CA", "pt", "pt-BR", "pt-PT", "de", "de-CH", "nl", "nl-BE",
    "sv", "sv-SE", "da", "da-DK", "it", "tr", "no", "id", "bg", "cs", "fi", "hi", "hu", "ja", "ko", "ko-KR", "pl", "ru", "uk", "vi", "ca",
    "et", "el", "lv", "lt", "ms", "ro", "sk", "bn", "mr", "ta", "te", "th", "th-TH", "zh", "zh-CN", "zh-HK", "multi",
];

/// An empty piece of the transcript comes each time that so much was listened to without a word.
const QUIET_MS: u64 = 1000;
/// `Finalize` is answered where so much was not final.
const NOTICEABLE_MS: u64 = 100;

pub(super) async fn listen(
    State(sim): State<Arc<Sim>>,
    Extension(cut): Extension<Cut>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
    upgrade: WebSocketUpgrade,
) -> Response {
    match Stream::of(&sim, &headers, query.as_deref()) {
        Ok(stream) => {
            let mut response = upgrade.on_upgrade(|socket| Line { socket, sim, cut, stalled: false }.serve(stream));
            response.headers_mut().insert("dg-request-id", axum::http::HeaderValue::from_static(REQUEST_ID));
            response
        }
        Err(refusal) => refusal.into_response(),
    }
}

/// A whole file at once.
pub(super) async fn file(State(sim): State<Arc<Sim>>, headers: HeaderMap, RawQuery(query): RawQuery, body: Bytes) -> Response {
    match transcribe(&sim, &headers, query.as_deref(), &body) {
        Ok(answer) => axum::Json(answer).into_response(),
        Err(refusal) => refusal.into_response(),
    }
}

fn transcribe(sim: &Sim, headers: &HeaderMap, query: Option<&str>, body: &[u8]) -> Result<Value, Refusal> {
    admit(sim, headers)?;
    let parameters = Parameters::read(query);
    known_model(&parameters).map_err(|why| refuse(sim, why))?;
    let format = parameters.format().map_err(|why| refuse(sim, why))?;
    let (format, samples) = match format {
        Some(format) => (format, body),
        None => Format::of_wav(body)
            .ok_or_else(|| refuse(sim, "Bad Request: failed to process audio: corrupt or unsupported data".to_owned()))?,
    };
    let mut ear = sim.ear(format, parameters.get("language").unwrap_or("en"));
    let heard = [ear.hear(samples), ear.finalize()].concat();
    let words: Vec<_> = heard
        .into_iter()
        .filter_map(|heard| if let Heard::Final(said) = heard { Some(said.words) } else { None })
        .flatten()
        .collect();
    let all = Utterance { words };
    let mut metadata = metadata(format.ms(samples.len()));
    metadata["models"] = json!(["m1"]);
    metadata["model_info"] = json!({ "m1": { "name": "general-nova-3", "version": "2025-01-01.0", "arch": "nova-3" } });
    if let Some(fields) = metadata.as_object_mut() {
        fields.remove("type");
    }
    Ok(json!({ "metadata": metadata, "results": { "channels": [{ "alternatives": [alternative(&all)] }] } }))
}

struct Stream {
    ear: Ear,
    interim: bool,
    endpointing: bool,
    vad_events: bool,
    utterance_end: bool,
    /// Where the next final begins: they follow each other without a gap.
    from_ms: u64,
    /// How far was told.
    told_ms: u64,
}

/// Refused where there is no such model, or none for the language.
fn known_model(parameters: &Parameters) -> Result<(), String> {
    let model = parameters.get("model").is_none_or(|model| MODELS.contains(&model));
    let language = parameters.get("language").is_none_or(|code| LANGUAGES.contains(&code));
    let known = model && language;
    known.then_some(()).ok_or_else(|| "Bad Request: No such model/language/tier combination found.".to_owned())
}

impl Stream {
    fn of(sim: &Sim, headers: &HeaderMap, query: Option<&str>) -> Result<Self, Refusal> {
        admit(sim, headers)?;
        let parameters = Parameters::read(query);
        if let Some(name) = unknown(&parameters, &KNOWN) {
            return Err(refuse(sim, format!("Bad Request: unknown parameter {name}")));
        }
        known_model(&parameters).map_err(|why| refuse(sim, why))?;
        let format = parameters.format().map_err(|why| refuse(sim, why))?;
        let format = format.ok_or_else(|| refuse(sim, "Bad Request: encoding is required for raw audio".to_owned()))?;
        let interim = parameters.is_on("interim_results");
        if let Some(ms) = parameters.get("utterance_end_ms")
            && !(interim && ms.parse().is_ok_and(|ms: u32| ms >= 1000))
        {
            return Err(refuse(sim, "Bad Request: utterance_end_ms needs interim_results and at least 1000".to_owned()));
        }
        Ok(Self {
            ear: sim.ear(format, parameters.get("language").unwrap_or("en")),
            interim,
            endpointing: parameters.get("endpointing") != Some("false"),
            vad_events: parameters.is_on("vad_events"),
            utterance_end: parameters.get("utterance_end_ms").is_some(),
            from_ms: 0,
            told_ms: 0,
        })
    }

    fn results(&mut self, said: &Utterance, is_final: bool, from_finalize: bool) -> Value {
        let to_ms = self.ear.position_ms();
        let from_ms = self.from_ms;
        self.told_ms = to_ms;
        if is_final {
            self.from_ms = to_ms;
        }
        json!({
            "type": "Results", "channel_index": [0, 1], "duration": seconds(to_ms - from_ms), "start": seconds(from_ms), "is_final": is_final,
            "speech_final": is_final && !said.words.is_empty() && (self.endpointing || from_finalize), "channel": { "alternatives": [alternative(said)] },
            "metadata": {
                "request_id": REQUEST_ID, "model_info": { "name": "general-nova-3", "version": "2025-01-01.0", "arch": "nova-3" },
                "model_uuid": "0a1b2c3d-0000-4000-8000-000000000001",
            },
            "from_finalize": from_finalize,
        })
    }

    fn told(&mut self, heard: Vec<Heard>, from_finalize: bool) -> Vec<Value> {
        let mut words = Vec::new();
        for heard in heard {
            match heard {
                Heard::Started(ms) if self.vad_events => {
                    words.push(json!({ "type": "SpeechStarted", "channel": [0, 1], "timestamp": seconds(ms) }));
                }
                Heard::Partial(said) if self.interim => words.push(self.results(&said, false, false)),
                Heard::Final(said) => {
                    words.push(self.results(&said, true, from_finalize));
                    if self.utterance_end {
                        let end = json!({ "type": "UtteranceEnd", "channel": [0, 1], "last_word_end": seconds(said.end_ms()) });
                        words.push(end);
                    }
                }
                Heard::Started(_) | Heard::Partial(_) | Heard::Ended(_) => {}
            }
        }
        words
    }
}

impl Talk for Stream {
    fn hear(&mut self, audio: &[u8]) -> Vec<Value> {
        let heard = self.ear.hear(audio);
        let mut words = self.told(heard, false);
        if self.interim && self.ear.position_ms() >= self.told_ms + QUIET_MS {
            words.push(self.results(&Utterance { words: vec![] }, false, false));
        }
        words
    }

    fn control(&mut self, kind: &str) -> Option<Vec<Value>> {
        match kind {
            "KeepAlive" => Some(vec![]),
            "Finalize" => {
                let heard = self.ear.finalize();
                let mut words = self.told(heard, true);
                // Nothing is said where next to nothing was left.
                if words.is_empty() && self.ear.position_ms() >= self.from_ms + NOTICEABLE_MS {
                    words.push(self.results(&Utterance { words: vec![] }, true, true));
                }
                Some(words)
            }
            _ => None,
        }
    }

    fn last(&mut self) -> Vec<Value> {
        let heard = self.ear.finalize();
        let mut words = self.told(heard, false);
        words.push(metadata(self.ear.position_ms()));
        words
    }
}

fn metadata(duration_ms: u64) -> Value {
    json!({
        "type": "Metadata", "transaction_key": "deprecated", "request_id": REQUEST_ID, "sha256": "0".repeat(64),
        "created": "2026-01-01T00:00:00.000Z", "duration": seconds(duration_ms), "channels": 1,
    })
}

fn alternative(said: &Utterance) -> Value {
    let word = |word: &crate::Word| {
        json!({
            "word": word.text, "start": seconds(word.start_ms), "end": seconds(word.end_ms), "confidence": 0.98, "punctuated_word": word.text,
        })
    };
    let words: Vec<Value> = said.words.iter().map(word).collect();
    json!({ "transcript": said.text(), "confidence": 0.97, "words": words })
}
