//! `/v2/listen`: Flux, which ends turns itself.

use super::{Line, Parameters, REQUEST_ID, Refusal, Talk, admit, refuse, seconds, unknown};
use crate::{Cut, Ear, Heard, Sim, Utterance};
use axum::Extension;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::{RawQuery, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use std::sync::Arc;

#[rustfmt::skip]
const KNOWN: [&str; 13] = [
    "model", "encoding", "sample_rate", "eager_eot_threshold", "eot_threshold", "eot_timeout_ms", "keyterm", "mip_opt_out", "tag",
    "language_hint", "profanity_filter", "numerals", "redact",
];

/// <https://developers.deepgram.com/docs/flux/quickstart>
const MODELS: [&str; 2] = ["flux-general-en", "flux-general-multi"];
/// Its progress is told each time that it has listened to so much, whether there was a word or not.
const STEP_MS: u64 = 250;

pub(super) async fn listen(
    State(sim): State<Arc<Sim>>,
    Extension(cut): Extension<Cut>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
    upgrade: WebSocketUpgrade,
) -> Response {
    match Stream::of(&sim, &headers, query.as_deref()) {
        Ok(mut stream) => {
            let connected = stream.connected();
            let serve = async move |socket| {
                let mut line = Line { socket, sim, cut, stalled: false };
                if line.say(connected).await.is_ok() {
                    line.serve(stream).await;
                }
            };
            upgrade.on_upgrade(serve)
        }
        Err(refusal) => refusal.into_response(),
    }
}

struct Stream {
    ear: Ear,
    eager: bool,
    sequence: u64,
    turn: u64,
    /// Words of the turn that is going on.
    open: Option<Utterance>,
    /// How far was told.
    told_ms: u64,
}

impl Stream {
    fn of(sim: &Sim, headers: &HeaderMap, query: Option<&str>) -> Result<Self, Refusal> {
        admit(sim, headers)?;
        let parameters = Parameters::read(query);
        if let Some(name) = unknown(&parameters, &KNOWN) {
            return Err(refuse(sim, format!("unknown parameter {name}")));
        }
        if !parameters.get("model").is_some_and(|model| MODELS.contains(&model)) {
            return Err(refuse(sim, "model must be one of Flux's".to_owned()));
        }
        let format = parameters.format().map_err(|why| refuse(sim, why))?;
        let format = format.ok_or_else(|| refuse(sim, "encoding is required for raw audio".to_owned()))?;
        let language = if parameters.get("model") == Some("flux-general-en") { "en-US" } else { "multi" };
        if language != "multi" && parameters.get("language_hint").is_some() {
            return Err(refuse(sim, "language_hint is only valid for flux-general-multi".to_owned()));
        }
        let eager = parameters.get("eager_eot_threshold").is_some();
        Ok(Self { ear: sim.ear(format, language), eager, sequence: 0, turn: 0, open: None, told_ms: 0 })
    }

    fn connected(&mut self) -> Value {
        json!({ "type": "Connected", "request_id": REQUEST_ID, "sequence_id": self.next() })
    }

    fn next(&mut self) -> u64 {
        self.sequence += 1;
        self.sequence - 1
    }

    /// `trigger` stands in every end of a turn and nowhere else.
    fn info(&mut self, event: &str, said: &Utterance, sure: f64, trigger: Option<&str>) -> Value {
        let words: Vec<Value> = said.words.iter().map(|word| json!({ "word": word.text, "confidence": 0.95 })).collect();
        let end_ms = self.ear.position_ms();
        let start_ms = if said.words.is_empty() { end_ms.min(self.told_ms) } else { said.start_ms() };
        self.told_ms = end_ms;
        let mut info = json!({
            "type": "TurnInfo", "request_id": REQUEST_ID, "sequence_id": self.next(), "event": event, "turn_index": self.turn,
            "audio_window_start": seconds(start_ms), "audio_window_end": seconds(end_ms), "transcript": said.text(),
            "words": words, "end_of_turn_confidence": sure,
        });
        if let (Some(trigger), Some(info)) = (trigger, info.as_object_mut()) {
            info.insert("trigger".to_owned(), json!(trigger));
        }
        info
    }

    fn told(&mut self, heard: Vec<Heard>, trigger: &str) -> Vec<Value> {
        let mut words = Vec::new();
        for heard in heard {
            match heard {
                Heard::Partial(said) => {
                    let event = if self.open.replace(said.clone()).is_some() { "Update" } else { "StartOfTurn" };
                    words.push(self.info(event, &said, 0.1, None));
                }
                Heard::Final(said) => {
                    if self.open.take().is_none() {
                        words.push(self.info("StartOfTurn", &said, 0.1, None));
                    }
                    if self.eager && trigger == "model" {
                        words.push(self.info("EagerEndOfTurn", &said, 0.6, None));
                    }
                    words.push(self.info("EndOfTurn", &said, 0.9, Some(trigger)));
                    self.turn += 1;
                }
                Heard::Started(_) | Heard::Ended(_) => {}
            }
        }
        words
    }
}

impl Talk for Stream {
    fn hear(&mut self, audio: &[u8]) -> Vec<Value> {
        let heard = self.ear.hear(audio);
        let mut words = self.told(heard, "model");
        if self.ear.position_ms() >= self.told_ms + STEP_MS {
            let said = self.open.clone().unwrap_or(Utterance { words: vec![] });
            words.push(self.info("Update", &said, 0.1, None));
        }
        words
    }

    fn control(&mut self, kind: &str) -> Option<Vec<Value>> {
        match kind {
            // Where no turn is going on it is passed over.
            "ForceEndTurn" if self.open.is_none() => Some(vec![]),
            "ForceEndTurn" => {
                let heard = self.ear.finalize();
                Some(self.told(heard, "manual"))
            }
            "Configure" => Some(vec![]),
            _ => None,
        }
    }

    fn last(&mut self) -> Vec<Value> {
        let heard = self.ear.finalize();
        self.told(heard, "model")
    }
}
