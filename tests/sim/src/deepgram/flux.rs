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
const KNOWN: [&str; 9] = [
    "model", "encoding", "sample_rate", "eager_eot_threshold", "eot_threshold", "eot_timeout_ms", "keyterm", "mip_opt_out", "tag",
];

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
    open: bool,
}

impl Stream {
    fn of(sim: &Sim, headers: &HeaderMap, query: Option<&str>) -> Result<Self, Refusal> {
        admit(sim, headers)?;
        let parameters = Parameters::read(query);
        if let Some(name) = unknown(&parameters, &KNOWN) {
            return Err(refuse(sim, format!("unknown parameter {name}")));
        }
        if !parameters.get("model").is_some_and(|model| model.starts_with("flux-")) {
            return Err(refuse(sim, "model must be one of Flux's".to_owned()));
        }
        let format = parameters.format().map_err(|why| refuse(sim, why))?;
        let format = format.ok_or_else(|| refuse(sim, "encoding is required for raw audio".to_owned()))?;
        let language = if parameters.get("model") == Some("flux-general-en") { "en-US" } else { "multi" };
        let eager = parameters.get("eager_eot_threshold").is_some();
        Ok(Self { ear: sim.ear(format, language), eager, sequence: 0, turn: 0, open: false })
    }

    fn connected(&mut self) -> Value {
        json!({ "type": "Connected", "request_id": REQUEST_ID, "sequence_id": self.next() })
    }

    fn next(&mut self) -> u64 {
        self.sequence += 1;
        self.sequence - 1
    }

    fn info(&mut self, event: &str, said: &Utterance, sure: f64) -> Value {
        let words: Vec<Value> = said.words.iter().map(|word| json!({ "word": word.text, "confidence": 0.95 })).collect();
        json!({
            "type": "TurnInfo", "request_id": REQUEST_ID, "sequence_id": self.next(), "event": event, "turn_index": self.turn,
            "audio_window_start": seconds(said.start_ms()), "audio_window_end": seconds(said.end_ms()), "transcript": said.text(),
            "words": words, "end_of_turn_confidence": sure,
        })
    }

    fn told(&mut self, heard: Vec<Heard>) -> Vec<Value> {
        let mut words = Vec::new();
        for heard in heard {
            match heard {
                Heard::Partial(said) => {
                    let event = if std::mem::replace(&mut self.open, true) { "Update" } else { "StartOfTurn" };
                    words.push(self.info(event, &said, 0.1));
                }
                Heard::Final(said) => {
                    if !std::mem::take(&mut self.open) {
                        words.push(self.info("StartOfTurn", &said, 0.1));
                    }
                    if self.eager {
                        words.push(self.info("EagerEndOfTurn", &said, 0.6));
                    }
                    words.push(self.info("EndOfTurn", &said, 0.9));
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
        self.told(heard)
    }

    fn control(&mut self, kind: &str) -> Option<Vec<Value>> {
        match kind {
            "ForceEndTurn" => {
                let heard = self.ear.finalize();
                Some(self.told(heard))
            }
            "Configure" => Some(vec![]),
            _ => None,
        }
    }

    fn last(&mut self) -> Vec<Value> {
        let heard = self.ear.finalize();
        self.told(heard)
    }
}
