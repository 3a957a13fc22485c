//! OpenAI: `/v1/audio/transcriptions`, `/v1/audio/speech`, `/v1/realtime?intent=transcription` in its present and its older form, and the client
//! secrets of the latter.
//!
//! Troubles: `openai-http` (its number is the status of the answer), `openai-quota` (429, nobody has paid), `openai-rate` (429; its number is
//! `retry-after-ms`), `openai-no-retry` (503, not to be asked again), `openai-html` (a page for a person), `openai-hang` (no answer), `openai-kill` (a reset
//! after so many pieces of an answer that streams, or messages of a live session; 0: in place of the answer), `openai-stall` (nothing more after so many).
//! Of server-sent events: `openai-sse-drop` (a reset after so many, at least two), `openai-sse-error` (an error there), `openai-no-end` (no announcement of the
//! end). `openai-empty` (an answer with nothing in it). Of live sessions: `openai-close` (a close code after the first words), `openai-expired`, `openai-error`
//! (a server error, then 1011), `openai-transcription-failed` (0: not understood, 1: of the vendor's own fault), `openai-bad-session`, `openai-swap`
//! (completions in another order), `openai-unknown` (a message of a type nobody knows).

mod form;
mod realtime;
mod speech;
mod transcriptions;

use crate::{Cut, Sim, Vendor};
use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

/// Those that the drivers of the vendor's own library have.
const KEYS: [&str; 2] = ["sk-fake-0123456789", "sk-fake"];
/// What begins a secret of a browser's or an app's own session.
const CLIENT_SECRET: &str = "ek_fake";
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Its troubles.
pub const TROUBLES: &[&str] = &[
    "openai-http",
    "openai-quota",
    "openai-rate",
    "openai-no-retry",
    "openai-html",
    "openai-hang",
    "openai-kill",
    "openai-stall",
    "openai-sse-drop",
    "openai-sse-error",
    "openai-no-end",
    "openai-empty",
    "openai-close",
    "openai-expired",
    "openai-error",
    "openai-transcription-failed",
    "openai-bad-session",
    "openai-swap",
    "openai-unknown",
];

/// Its paths.
pub fn routes() -> Router<Arc<Sim>> {
    Router::new()
        .route("/v1/audio/transcriptions", post(transcriptions::transcribe))
        .route("/v1/audio/speech", post(speech::speak))
        .route("/v1/realtime", get(realtime::open))
        .route("/v1/realtime/client_secrets", post(realtime::client_secret))
}

/// Why a request is not served.
#[derive(Debug)]
struct Refusal {
    status: StatusCode,
    error: Value,
    headers: Vec<(&'static str, String)>,
}

impl Refusal {
    fn new(status: u16, kind: &str, code: Option<&str>, param: Option<&str>, message: &str) -> Self {
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Self { status, error: json!({ "message": message, "type": kind, "param": param, "code": code }), headers: vec![] }
    }

    /// The client broke a rule.
    fn bad(sim: &Sim, param: &str, code: &str, message: &str) -> Self {
        sim.offence(Vendor::Openai, format!("{param}: {message}"));
        Self::new(400, "invalid_request_error", Some(code), Some(param), message)
    }

    /// As the vendor answers with that status.
    fn of_status(status: u16) -> Self {
        let request = "invalid_request_error";
        match status {
            400 => Self::new(
                400,
                request,
                None,
                None,
                "Invalid file format. Supported formats: ['flac', 'm4a', 'mp3', 'mp4', 'wav']",
            ),
            401 => Self::new(401, request, Some("invalid_api_key"), None, "Incorrect API key provided."),
            403 => Self::new(403, request, Some("unsupported_country_region_territory"), None, "Not supported here."),
            404 => Self::new(
                404,
                request,
                Some("model_not_found"),
                None,
                "The model does not exist or you do not have access to it.",
            ),
            413 => Self::new(413, request, None, None, "Maximum content size limit exceeded."),
            422 => Self::new(422, request, None, None, "Unprocessable."),
            429 => rate(400),
            503 => Self::new(503, "server_error", None, None, "The engine is currently overloaded, please try again later."),
            status => Self::new(status, "server_error", None, None, "The server had an error while processing your request."),
        }
    }
}

fn rate(wait_ms: u32) -> Refusal {
    let message = "Rate limit reached on requests per min (RPM): Limit 3, Used 3, Requested 1.";
    let headers = vec![("retry-after-ms", wait_ms.to_string()), ("retry-after", wait_ms.div_ceil(1000).to_string())];
    Refusal { headers, ..Refusal::new(429, "requests", Some("rate_limit_exceeded"), None, message) }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut response = (self.status, axum::Json(json!({ "error": self.error }))).into_response();
        response.headers_mut().insert(REQUEST_ID, HeaderValue::from_static("req_fake"));
        for (name, value) in self.headers {
            if let Ok(value) = HeaderValue::from_str(&value) {
                response.headers_mut().insert(name, value);
            }
        }
        response
    }
}

/// Who asks; then trouble that was asked for, which may be something else than a refusal.
async fn admit(sim: &Sim, cut: &Cut, headers: &HeaderMap, client_secrets: bool) -> Result<(), Response> {
    let key = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let known =
        key.strip_prefix("Bearer ").is_some_and(|key| KEYS.contains(&key) || client_secrets && key.starts_with(CLIENT_SECRET));
    if !known {
        sim.offence(Vendor::Openai, "the key is not known");
        return Err(Refusal::of_status(401).into_response());
    }
    if sim.trouble("openai-hang").is_some() {
        std::future::pending::<()>().await;
    }
    if sim.trouble_ahead("openai-kill") == Some(0) && sim.trouble("openai-kill").is_some() {
        cut.now();
        std::future::pending::<()>().await;
    }
    if sim.trouble("openai-html").is_some() {
        return Err(axum::response::Html("<!doctype html><title>Welcome to the hotel</title>").into_response());
    }
    match refusal(sim) {
        Some(refusal) => Err(refusal.into_response()),
        None => Ok(()),
    }
}

fn refusal(sim: &Sim) -> Option<Refusal> {
    if let Some(status) = sim.trouble("openai-http") {
        return Some(Refusal::of_status(status as u16));
    }
    if sim.trouble("openai-quota").is_some() {
        let (message, unpaid) =
            ("You exceeded your current quota, please check your plan and billing details.", "insufficient_quota");
        return Some(Refusal::new(429, unpaid, Some(unpaid), None, message));
    }
    if let Some(wait_ms) = sim.trouble("openai-rate") {
        return Some(rate(wait_ms));
    }
    sim.trouble("openai-no-retry")?;
    Some(Refusal { headers: vec![("x-should-retry", "false".to_owned())], ..Refusal::of_status(503) })
}

/// A chunked answer, which trouble may cut, stall or leave without its announced end. `error` stands for an error in its middle.
struct Streamed {
    kind: &'static str,
    pieces: Vec<Bytes>,
    end: Vec<Bytes>,
    error: Option<Bytes>,
}

impl Streamed {
    fn answer(self, sim: Arc<Sim>, cut: Cut) -> Response {
        let mut pieces = if sim.trouble("openai-empty").is_some() { vec![] } else { self.pieces };
        if self.end.is_empty() || sim.trouble("openai-no-end").is_none() {
            pieces.extend(self.end);
        }
        let error = self.error;
        let body = futures_util::stream::unfold((pieces.into_iter(), 0), move |(mut pieces, said)| {
            let (sim, cut, error) = (Arc::clone(&sim), cut.clone(), error.clone());
            async move {
                let due = |name: &str| {
                    let after = sim.trouble_ahead(name).map(|after| if name.contains("sse") { after.max(2) } else { after });
                    after == Some(said) && sim.trouble(name).is_some()
                };
                if due("openai-kill") || error.is_some() && due("openai-sse-drop") {
                    // What was said is on its way before the line breaks.
                    tokio::time::sleep(Duration::from_millis(20)).await;
                    cut.now();
                    return std::future::pending().await;
                }
                if due("openai-stall") {
                    return std::future::pending().await;
                }
                if error.is_some() && due("openai-sse-error") {
                    return Some((Ok::<_, std::io::Error>(error?), (Vec::new().into_iter(), said + 1)));
                }
                let piece = pieces.next()?;
                if said > 0 {
                    // Each goes out by itself.
                    tokio::task::yield_now().await;
                    sim.said_one(&cut);
                }
                Some((Ok(piece), (pieces, said + 1)))
            }
        });
        let headers = [(header::CONTENT_TYPE, self.kind), (REQUEST_ID, "req_fake")];
        (headers, Body::from_stream(body)).into_response()
    }
}

/// One server-sent event, without a name.
fn event(data: &Value) -> Bytes {
    Bytes::from(format!("data: {data}\n\n"))
}

/// What an error in the middle of a stream looks like.
fn error_event() -> Bytes {
    let error = json!({ "error": Refusal::of_status(500).error });
    Bytes::from(format!("event: error\ndata: {error}\n\n"))
}

/// As many tokens as the vendor might count.
fn usage(audio_ms: u64, words: usize) -> Value {
    let (input, output) = (audio_ms / 100, words as u64);
    json!({
        "type": "tokens", "input_tokens": input, "input_token_details": { "text_tokens": 0, "audio_tokens": input },
        "output_tokens": output, "total_tokens": input + output,
    })
}
