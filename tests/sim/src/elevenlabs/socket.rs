//! Text in pieces, sound meanwhile.

use super::{NO_VOICE, PIECE_MS, QUOTA, UNKNOWN_MODEL, admit, base64, letters, output_format, understood};
use crate::{Cut, Format, Moment, Sim, Vendor, Voice};
use axum::Extension;
use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, WebSocketUpgrade};
use axum::extract::{Path, Query, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

/// `inactivity_timeout` where nothing is asked, and the longest.
const INACTIVITY_S: (u64, u64) = (20, 180);

type Handshake = (State<Arc<Sim>>, Extension<Cut>, Path<String>, Query<HashMap<String, String>>, HeaderMap);

pub(super) async fn stream_input(
    (State(sim), Extension(cut), Path(voice), Query(parameters), headers): Handshake,
    upgrade: WebSocketUpgrade,
) -> Response {
    greet(sim, cut, &voice, &parameters, &headers, upgrade, false)
}

pub(super) async fn multi_stream_input(
    (State(sim), Extension(cut), Path(voice), Query(parameters), headers): Handshake,
    upgrade: WebSocketUpgrade,
) -> Response {
    greet(sim, cut, &voice, &parameters, &headers, upgrade, true)
}

fn greet(
    sim: Arc<Sim>,
    cut: Cut,
    voice: &str,
    parameters: &HashMap<String, String>,
    headers: &HeaderMap,
    upgrade: WebSocketUpgrade,
    contexts: bool,
) -> Response {
    let parameter = |name: &str| parameters.get(name).map(String::as_str);
    if let Err(refusal) = admit(&sim, headers, parameter("xi-api-key")) {
        return refusal.into_response();
    }
    if sim.trouble("elevenlabs-quota-handshake").is_some() {
        return QUOTA.into_response();
    }
    if let Err(refusal) = understood(&sim, parameter("model_id"), parameter("language_code")) {
        return refusal.into_response();
    }
    let Some(format) = output_format(parameter("output_format")) else {
        sim.offence(Vendor::Elevenlabs, "output_format is none");
        return UNKNOWN_MODEL.into_response();
    };
    let idle_s = parameter("inactivity_timeout").map_or(Some(INACTIVITY_S.0), |text| text.parse().ok());
    let Some(idle_s) = idle_s.filter(|idle_s| *idle_s <= INACTIVITY_S.1) else {
        sim.offence(Vendor::Elevenlabs, "inactivity_timeout is none");
        return UNKNOWN_MODEL.into_response();
    };
    let fault = if voice == NO_VOICE {
        Some(("A voice with that voice_id does not exist.", "voice_id_does_not_exist", 1008))
    } else if sim.trouble("elevenlabs-quota").is_some() {
        Some(("This request exceeds your quota.", "quota_exceeded", 1008))
    } else {
        None
    };
    let engine = sim.voice(format);
    upgrade.on_upgrade(move |socket| async move {
        let idle = Duration::from_secs(idle_s);
        let mut line = Line { socket, sim, cut, format, voice: engine, contexts, fault, spoke: false, idle };
        let _over = line.serve().await;
        // The client's close answers ours; who has gone needs none.
        while let Ok(Some(Ok(_))) = tokio::time::timeout(Duration::from_secs(2), line.socket.recv()).await {}
    })
}

struct Line {
    socket: WebSocket,
    sim: Arc<Sim>,
    cut: Cut,
    format: Format,
    voice: Voice,
    contexts: bool,
    /// Told in answer to the first text.
    fault: Option<(&'static str, &'static str, u16)>,
    spoke: bool,
    idle: Duration,
}

/// Text of one context that was not spoken yet.
#[derive(Default)]
struct Text {
    greeted: bool,
    waiting: String,
}

/// The connection is over.
struct Over;

impl Line {
    async fn serve(&mut self) -> Result<(), Over> {
        let mut texts: HashMap<String, Text> = HashMap::new();
        loop {
            let Ok(message) = tokio::time::timeout(self.idle, self.socket.recv()).await else {
                self.fail("Have not received a new text input within the timeout.", "input_timeout_exceeded", 1008).await?;
                return Ok(());
            };
            let text = match message.and_then(Result::ok).ok_or(Over)? {
                Message::Text(text) => text,
                Message::Close(_) => return Err(Over),
                Message::Binary(_) => {
                    self.sim.offence(Vendor::Elevenlabs, "a binary message");
                    return self.fail("Text is required.", "invalid_message", 1008).await;
                }
                Message::Ping(_) | Message::Pong(_) => continue,
            };
            let message: Value = serde_json::from_str(&text).unwrap_or_default();
            if message["close_socket"] == true {
                return self.close(1000, "").await;
            }
            let context = message["context_id"].as_str().unwrap_or_default().to_owned();
            let text = texts.entry(context.clone()).or_default();
            if message["close_context"] == true {
                texts.remove(&context);
                self.last(&context).await?;
                continue;
            }
            let Some(piece) = message["text"].as_str() else {
                self.sim.offence(Vendor::Elevenlabs, "a message without text");
                return self.fail("Text is required.", "invalid_message", 1008).await;
            };
            if !std::mem::replace(&mut text.greeted, true) && piece != " " {
                self.sim.offence(Vendor::Elevenlabs, "the first text must be a space");
            }
            if let Some((message, name, code)) = self.fault.take() {
                return self.fail(message, name, code).await;
            }
            // The empty text ends a stream; a context it keeps alive.
            let ends = piece.is_empty() && !self.contexts;
            text.waiting.push_str(piece);
            let ready = ends || message["flush"] == true || text.waiting.trim().chars().count() >= 50;
            if ready {
                let spoken = std::mem::take(&mut text.waiting);
                self.speak(&spoken, &context).await?;
            }
            if ends {
                if self.sim.trouble("elevenlabs-no-final").is_none() {
                    self.last(&context).await?;
                }
                return self.close(1000, "").await;
            }
        }
    }

    async fn speak(&mut self, text: &str, context: &str) -> Result<(), Over> {
        if text.trim().is_empty() || self.sim.trouble("elevenlabs-empty").is_some() {
            return Ok(());
        }
        if self.sim.trouble("elevenlabs-silent").is_some() {
            return std::future::pending().await;
        }
        let speech = self.voice.speak(text);
        self.sim.wait(Vendor::Elevenlabs, Moment::FirstAudio).await;
        let letters = letters(text, &speech.words);
        let piece = self.format.bytes(PIECE_MS);
        for (nth, samples) in speech.samples.chunks(piece).enumerate() {
            // Letters come with the sound that they begin in, wherever that cuts a word; places are of that sound.
            let from_ms = nth as u64 * PIECE_MS;
            let last = (nth + 1) * piece >= speech.samples.len();
            let here = |start_ms: u64| start_ms >= from_ms && (last || start_ms < from_ms + PIECE_MS);
            let here: Vec<_> = letters.iter().filter(|(_, start, _)| here(*start)).collect();
            let places = (!here.is_empty()).then(|| {
                json!({
                    "chars": here.iter().map(|(letter, ..)| letter).collect::<Vec<_>>(),
                    "charStartTimesMs": here.iter().map(|(_, start, _)| start - from_ms).collect::<Vec<_>>(),
                    "charDurationsMs": here.iter().map(|(_, start, end)| end - start).collect::<Vec<_>>(),
                })
            });
            let mut message = json!({
                "audio": base64(samples), "isFinal": null, "normalizedAlignment": places, "alignment": places,
            });
            if self.contexts {
                message["contextId"] = json!(context);
            }
            self.say(&message).await?;
            if !std::mem::replace(&mut self.spoke, true) {
                self.make_trouble().await?;
            }
        }
        Ok(())
    }

    async fn make_trouble(&mut self) -> Result<(), Over> {
        if self.sim.trouble("elevenlabs-kill").is_some() {
            self.cut.now();
            return Err(Over);
        }
        match self.sim.trouble("elevenlabs-error") {
            Some(_) => self.fail("Internal error", "internal_error", 1011).await.and(Err(Over)),
            None => Ok(()),
        }
    }

    async fn last(&mut self, context: &str) -> Result<(), Over> {
        let mut message = json!({ "audio": null, "isFinal": true, "normalizedAlignment": null, "alignment": null });
        if self.contexts {
            message["contextId"] = json!(context);
        }
        self.say(&message).await
    }

    async fn fail(&mut self, message: &'static str, name: &str, code: u16) -> Result<(), Over> {
        self.say(&json!({ "message": message, "error": name, "code": code })).await?;
        self.close(code, message).await
    }

    async fn say(&mut self, message: &Value) -> Result<(), Over> {
        self.socket.send(Message::text(message.to_string())).await.map_err(|_| Over)?;
        self.sim.said_one(&self.cut);
        Ok(())
    }

    async fn close(&mut self, code: u16, reason: &'static str) -> Result<(), Over> {
        let frame = CloseFrame { code, reason: Utf8Bytes::from_static(reason) };
        self.socket.send(Message::Close(Some(frame))).await.map_err(|_| Over)
    }
}
