//! `/v1/realtime?intent=transcription`: one WebSocket for a call.

mod talk;
mod terms;

use super::{CLIENT_SECRET, Refusal, admit};
use crate::{Cut, Moment, Sim, Vendor};
use axum::Extension;
use axum::body::Bytes;
use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, WebSocketUpgrade};
use axum::extract::{Query, State};
use axum::http::{HeaderMap, HeaderValue};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use talk::{COMPLETED, DELTA, Talk};
use terms::Form;

pub(super) async fn open(
    State(sim): State<Arc<Sim>>,
    Extension(cut): Extension<Cut>,
    Query(query): Query<HashMap<String, String>>,
    headers: HeaderMap,
    upgrade: WebSocketUpgrade,
) -> Response {
    if let Err(refused) = admit(&sim, &cut, &headers, true).await {
        return refused;
    }
    let form = match headers.get("openai-beta").and_then(|value| value.to_str().ok()) {
        None => Form::Present,
        Some("realtime=v1") => Form::Older,
        Some(_) => return Refusal::bad(&sim, "OpenAI-Beta", "invalid_value", "Unknown beta.").into_response(),
    };
    if query.get("intent").map(String::as_str) != Some("transcription") {
        return Refusal::bad(&sim, "intent", "invalid_value", "This simulator only transcribes.").into_response();
    }
    match (form, query.get("model")) {
        // Of a transcription session the model is told in the session, not here.
        (Form::Present, Some(_)) => {
            return Refusal::bad(
                &sim,
                "model",
                "invalid_value",
                "You must not provide a model parameter for transcription sessions.",
            )
            .into_response();
        }
        (Form::Older, Some(model)) if !terms::is_model(model) => return Refusal::of_status(404).into_response(),
        _ => {}
    }
    let mut response = upgrade.on_upgrade(move |socket| {
        let talk = Talk::new(&sim, form);
        Line { socket, sim, cut, event: 0, said: 0, stalled: false, held: None, words: 0 }.serve(talk)
    });
    response.headers_mut().insert(super::REQUEST_ID, HeaderValue::from_static("req_fake"));
    response
}

/// `POST /v1/realtime/client_secrets`.
pub(super) async fn client_secret(
    State(sim): State<Arc<Sim>>,
    Extension(cut): Extension<Cut>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    if let Err(refused) = admit(&sim, &cut, &headers, false).await {
        return refused;
    }
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    match terms::Terms::read(&body["session"], Form::Present) {
        Ok(terms) => {
            let session = terms.shown(Form::Present);
            axum::Json(json!({ "value": CLIENT_SECRET, "expires_at": 1_795_370_000, "session": session })).into_response()
        }
        Err(wrong) => Refusal::bad(&sim, &wrong.param, wrong.code, &wrong.message).into_response(),
    }
}

/// One connection.
struct Line {
    socket: WebSocket,
    sim: Arc<Sim>,
    cut: Cut,
    /// Number of the next event.
    event: u32,
    /// Messages said.
    said: u32,
    stalled: bool,
    /// A completion that waits for the next, where they are swapped.
    held: Option<Value>,
    /// Deltas and completions said.
    words: u32,
}

/// The connection is over.
struct Over;

impl Line {
    async fn serve(mut self, mut talk: Talk) {
        if self.say(talk.created()).await.is_ok() {
            while let Ok(()) = self.next(&mut talk).await {}
        }
        // The client's close answers ours, or the other way round; who has gone needs none.
        while let Ok(Some(Ok(_))) = tokio::time::timeout(Duration::from_secs(2), self.socket.recv()).await {}
    }

    async fn next(&mut self, talk: &mut Talk) -> Result<(), Over> {
        match self.socket.recv().await.and_then(Result::ok).ok_or(Over)? {
            Message::Text(text) => {
                let answers = match serde_json::from_str::<Value>(&text) {
                    Ok(message) => self.answers(talk, &message),
                    Err(_) => vec![terms::Wrong::new("", "invalid_json", "The message is no JSON.").event(&Value::Null)],
                };
                self.say_all(answers).await
            }
            Message::Binary(_) => {
                self.sim.offence(Vendor::Openai, "a binary message");
                self.close(1003, "Only text messages are taken.").await
            }
            Message::Close(_) => Err(Over),
            Message::Ping(_) | Message::Pong(_) => Ok(()),
        }
    }

    fn answers(&mut self, talk: &mut Talk, message: &Value) -> Vec<Value> {
        let sets_up = message["type"].as_str().is_some_and(|kind| kind.ends_with("session.update"));
        if sets_up && self.sim.trouble("openai-bad-session").is_some() {
            let wrong = terms::Wrong::new("session.audio.input.format", "invalid_value", "Invalid value: 'audio/foo'.");
            return vec![wrong.event(&message["event_id"])];
        }
        match talk.told(message) {
            Ok(answers) => answers,
            Err(wrong) => {
                // That nothing is left to be cut is what a client cannot know.
                if wrong.code != "input_audio_buffer_commit_empty" {
                    self.sim.offence(Vendor::Openai, format!("{}: {}", wrong.param, wrong.message));
                }
                vec![wrong.event(&message["event_id"])]
            }
        }
    }

    async fn say_all(&mut self, events: Vec<Value>) -> Result<(), Over> {
        for event in events {
            let kind = event["type"].as_str().unwrap_or_default().to_owned();
            if kind == COMPLETED {
                self.sim.wait(Vendor::Openai, Moment::Final).await;
                if self.held.is_none() && self.sim.trouble("openai-swap").is_some() {
                    self.held = Some(event);
                    continue;
                }
            }
            self.say(event).await?;
            if kind == COMPLETED
                && let Some(held) = self.held.take()
            {
                self.say(held).await?;
            }
            if kind == DELTA || kind == COMPLETED {
                self.words += 1;
                self.make_trouble().await?;
            }
        }
        Ok(())
    }

    /// After the first words.
    async fn make_trouble(&mut self) -> Result<(), Over> {
        if self.sim.trouble("openai-unknown").is_some() {
            self.say(json!({ "type": "session.something_new", "foo": 1 })).await?;
        }
        if self.sim.trouble("openai-expired").is_some() {
            let message = "Your session hit the maximum duration of 60 minutes.";
            self.say(terms::Wrong::new("", "session_expired", message).event(&Value::Null)).await?;
            return self.close(1001, "session expired").await;
        }
        if self.sim.trouble("openai-error").is_some() {
            let message = "The server had an error while processing your request.";
            let error = json!({ "type": "server_error", "code": null, "message": message, "param": null, "event_id": null });
            self.say(json!({ "type": "error", "error": error })).await?;
            return self.close(1011, "internal server error").await;
        }
        match self.sim.trouble("openai-close") {
            Some(code) => self.close(code as u16, "").await,
            None => Ok(()),
        }
    }

    async fn say(&mut self, mut event: Value) -> Result<(), Over> {
        if self.stalled {
            return Ok(());
        }
        self.event += 1;
        event["event_id"] = json!(format!("event_{:04}", self.event));
        self.socket.send(Message::text(event.to_string())).await.map_err(|_| Over)?;
        self.sim.said_one(&self.cut);
        self.said += 1;
        let due =
            |name: &str| self.sim.trouble_ahead(name).is_some_and(|after| after <= self.said) && self.sim.trouble(name).is_some();
        self.stalled = due("openai-stall");
        if due("openai-kill") {
            self.cut.now();
            return Err(Over);
        }
        Ok(())
    }

    async fn close(&mut self, code: u16, reason: &'static str) -> Result<(), Over> {
        let frame = CloseFrame { code, reason: Utf8Bytes::from_static(reason) };
        let _gone = self.socket.send(Message::Close(Some(frame))).await;
        Err(Over)
    }
}
