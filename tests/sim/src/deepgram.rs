//! Deepgram: `/v1/listen` (Nova, streaming and files) and `/v2/listen` (Flux).
//!
//! Troubles: `deepgram-http` (its number is the status of the answer), `deepgram-close` (the close code, after the first words), `deepgram-kill` (a
//! reset there), `deepgram-error` (a message of that type, then close 1011), `deepgram-unknown` (a message of a type nobody knows), `deepgram-stall` (nothing
//! more after the first words), `deepgram-mute` (listens and never says anything), `deepgram-no-metadata` (a close without it), `deepgram-idle-ms` (in place of 10 s).

mod flux;
mod nova;

use crate::{Coding, Cut, Format, Sim, Vendor};
use axum::Router;
use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

/// What it takes as a key.
pub const API_KEY: &str = "dg-fake-0123456789abcdef";
/// Both are what Deepgram's own SDK is given in the stories.
const KEY: &str = "token dg-fake-0123456789abcdef";
const TOKEN: &str = "bearer fake.temporary.jwt";
const REQUEST_ID: &str = "5a1c8a40-0000-4000-8000-3f0c5a9b7d11";
const IDLE: Duration = Duration::from_secs(10);
const IDLE_REASON: &str =
    "Deepgram did not receive audio data or a text message within the timeout window. See https://dpgm.net/1011";

/// Its troubles.
pub const TROUBLES: &[&str] = &[
    "deepgram-http",
    "deepgram-close",
    "deepgram-kill",
    "deepgram-error",
    "deepgram-unknown",
    "deepgram-stall",
    "deepgram-mute",
    "deepgram-no-metadata",
    "deepgram-idle-ms",
];

/// Its paths.
pub fn routes() -> Router<Arc<Sim>> {
    Router::new().route("/v1/listen", get(nova::listen).post(nova::file)).route("/v2/listen", get(flux::listen))
}

/// Parameters of a request; a name may come more than once.
struct Parameters(Vec<(String, String)>);

impl Parameters {
    fn read(query: Option<&str>) -> Self {
        Self(url::form_urlencoded::parse(query.unwrap_or_default().as_bytes()).into_owned().collect())
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }

    fn is_on(&self, name: &str) -> bool {
        self.get(name) == Some("true")
    }

    /// `encoding` and `sample_rate`, which go together; none of both means a container.
    fn format(&self) -> Result<Option<Format>, String> {
        let coding = match self.get("encoding") {
            None => return Ok(None),
            Some("linear16") => Coding::Pcm,
            Some("mulaw") => Coding::Mulaw,
            Some("alaw") => Coding::Alaw,
            Some(other) => return Err(format!("Bad Request: unsupported encoding {other}")),
        };
        let rate = self.get("sample_rate").and_then(|rate| rate.parse().ok()).filter(|rate| (8000..=48_000).contains(rate));
        let rate_hz = rate.ok_or("Bad Request: sample_rate is required with encoding")?;
        Ok(Some(Format { coding, rate_hz }))
    }
}

/// Why a request is not served.
struct Refusal {
    status: StatusCode,
    code: &'static str,
    why: String,
}

impl Refusal {
    fn bad(why: impl Into<String>) -> Self {
        Self { status: StatusCode::BAD_REQUEST, code: "Bad Request", why: why.into() }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let body = json!({ "err_code": self.code, "err_msg": self.why, "request_id": REQUEST_ID });
        let mut response = (self.status, axum::Json(body)).into_response();
        let headers = response.headers_mut();
        headers.insert("dg-request-id", header::HeaderValue::from_static(REQUEST_ID));
        if let Ok(why) = header::HeaderValue::from_str(&self.why) {
            headers.insert("dg-error", why);
        }
        if self.status == StatusCode::TOO_MANY_REQUESTS {
            headers.insert(header::RETRY_AFTER, header::HeaderValue::from_static("1"));
        }
        response
    }
}

/// Trouble that was asked for, else the key.
fn admit(sim: &Sim, headers: &HeaderMap) -> Result<(), Refusal> {
    if let Some(status) = sim.trouble("deepgram-http") {
        let status = StatusCode::from_u16(status as u16).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let (code, why) = match status.as_u16() {
            400 => ("Bad Request", "Bad Request: failed to process audio"),
            401 => ("INVALID_AUTH", "Invalid credentials."),
            402 => (
                "ASR_PAYMENT_REQUIRED",
                "Project does not have enough credits for an ASR request and does not have an overage agreement.",
            ),
            403 => ("INSUFFICIENT_PERMISSIONS", "Project does not have access to the requested model."),
            429 => ("TOO_MANY_REQUESTS", "Too many requests. Please try again later"),
            _ => ("SERVICE_UNAVAILABLE", "x"),
        };
        return Err(Refusal { status, code, why: why.to_owned() });
    }
    let key = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if [KEY, TOKEN].contains(&key.to_ascii_lowercase().as_str()) {
        return Ok(());
    }
    sim.offence(Vendor::Deepgram, "credentials are not known");
    Err(Refusal { status: StatusCode::UNAUTHORIZED, code: "INVALID_AUTH", why: "Invalid credentials.".to_owned() })
}

fn refuse(sim: &Sim, why: String) -> Refusal {
    sim.offence(Vendor::Deepgram, why.clone());
    Refusal::bad(why)
}

/// What an API of Deepgram's makes of a stream.
trait Talk: Send + 'static {
    fn hear(&mut self, audio: &[u8]) -> Vec<Value>;
    /// A control message; none where there is no such.
    fn control(&mut self, kind: &str) -> Option<Vec<Value>>;
    /// The last words, and what follows them.
    fn last(&mut self) -> Vec<Value>;
}

/// One connection.
struct Line {
    socket: WebSocket,
    sim: Arc<Sim>,
    cut: Cut,
    stalled: bool,
}

/// The connection is over.
struct Over;

impl Line {
    /// Serves a stream to its end.
    async fn serve(mut self, mut talk: impl Talk) {
        self.stalled = self.sim.trouble("deepgram-mute").is_some();
        let idle = self.sim.trouble_ahead("deepgram-idle-ms").map_or(IDLE, |ms| Duration::from_millis(ms.into()));
        while let Ok(()) = self.next(&mut talk, idle).await {}
        // The client's close answers ours, or the other way round; who has gone needs none.
        while let Ok(Some(Ok(_))) = tokio::time::timeout(Duration::from_secs(2), self.socket.recv()).await {}
    }

    async fn next(&mut self, talk: &mut impl Talk, idle: Duration) -> Result<(), Over> {
        let Ok(message) = tokio::time::timeout(idle, self.socket.recv()).await else {
            return self.close(1011, IDLE_REASON).await;
        };
        match message.and_then(Result::ok).ok_or(Over)? {
            Message::Binary(audio) => {
                if audio.is_empty() {
                    self.sim.offence(Vendor::Deepgram, "an empty binary message: older servers take it for the end");
                }
                let words = talk.hear(&audio);
                self.say_all(words).await
            }
            Message::Text(text) => {
                let message: Value = serde_json::from_str(&text).unwrap_or_default();
                let kind = message["type"].as_str().unwrap_or_default();
                if kind == "CloseStream" {
                    let last = talk.last();
                    self.say_all(last).await?;
                    return self.close(1000, "").await;
                }
                match talk.control(kind) {
                    Some(words) => self.say_all(words).await,
                    None => {
                        self.sim.offence(Vendor::Deepgram, "a text message of no known type");
                        self.close(1008, "DATA-0000").await
                    }
                }
            }
            Message::Close(_) => Err(Over),
            Message::Ping(_) | Message::Pong(_) => Ok(()),
        }
    }

    async fn say_all(&mut self, words: Vec<Value>) -> Result<(), Over> {
        for message in words {
            let kind = message["type"].as_str().unwrap_or_default();
            if kind == "Metadata" && self.sim.trouble("deepgram-no-metadata").is_some() || self.stalled {
                continue;
            }
            if message["is_final"] == true || message["event"] == "EndOfTurn" {
                self.sim.wait(Vendor::Deepgram, crate::Moment::Final).await;
            }
            let text = |message: &Value| message.as_str().is_some_and(|text| !text.is_empty());
            let spoke = text(&message["transcript"]) || text(&message["channel"]["alternatives"][0]["transcript"]);
            self.say(message).await?;
            if spoke {
                self.make_trouble().await?;
            }
        }
        Ok(())
    }

    async fn make_trouble(&mut self) -> Result<(), Over> {
        self.stalled |= self.sim.trouble("deepgram-stall").is_some();
        if self.sim.trouble("deepgram-unknown").is_some() {
            self.say(json!({ "type": "SomethingNew", "foo": 1 })).await?;
        }
        if self.sim.trouble("deepgram-kill").is_some() {
            self.cut.now();
            return Err(Over);
        }
        if self.sim.trouble("deepgram-error").is_some() {
            let error = json!({
                "type": "Error", "code": "INTERNAL_SERVER_ERROR", "description": "Something went wrong",
                "request_id": REQUEST_ID, "sequence_id": 4,
            });
            self.say(error).await?;
            return self.close(1011, "x").await;
        }
        match self.sim.trouble("deepgram-close") {
            Some(1008) => self.close(1008, "DATA-0000").await,
            Some(code) => self.close(code as u16, "NET-0000").await,
            None => Ok(()),
        }
    }

    async fn say(&mut self, message: Value) -> Result<(), Over> {
        self.socket.send(Message::text(message.to_string())).await.map_err(|_| Over)?;
        self.sim.said_one(&self.cut);
        Ok(())
    }

    async fn close(&mut self, code: u16, reason: &'static str) -> Result<(), Over> {
        let frame = CloseFrame { code, reason: Utf8Bytes::from_static(reason) };
        let _gone = self.socket.send(Message::Close(Some(frame))).await;
        Err(Over)
    }
}

/// Milliseconds as Deepgram's seconds.
fn seconds(ms: u64) -> f64 {
    ms as f64 / 1000.0
}

/// Names of parameters that a request may have more than once are not counted twice.
fn unknown<'a>(parameters: &'a Parameters, known: &[&str]) -> Option<&'a str> {
    let names: HashMap<&str, ()> = known.iter().map(|name| (*name, ())).collect();
    parameters.0.iter().map(|(name, _)| name.as_str()).find(|name| !names.contains_key(name))
}
