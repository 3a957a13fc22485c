//! Amazon Transcribe streaming (`/stream-transcription`, and `-websocket` by a signed address) and Polly (`/v1/speech`, `/v1/synthesisStream`).
//! Every signature is computed anew, that of a request, of an address, and of each message of a stream.
//!
//! Troubles of both: `aws-http` (its number is the status of the answer), `aws-throttled` (400 with that name), `aws-denied`, `aws-expired`,
//! `aws-bad-signature` (403), `aws-no-head` (no answer), and in the middle of an event stream `aws-exception` (its number: 0 internal, 1 limit,
//! 2 conflict, 3 bad request, 4 unavailable, 5 one that nobody knows, 6 throttling, 7 quota, 8 validation, 9 no text for too long), `aws-error` (one that is not modelled),
//! `aws-bad-checksum`, `aws-reset` (of the stream; a WebSocket is closed with 1011), `aws-end` (an end without reason), `aws-kill` (a reset of the
//! connection), `aws-stall` (nothing more). `aws-idle-ms` in place of 15 s. Of `/v1/speech`: `polly-html`, `polly-empty`, `polly-cut`
//! (the body breaks off), `polly-stall`, `polly-no-marks`; of the stream `polly-no-close` (its last event is missing).

mod events;
mod polly;
mod sigv4;
mod synthesis;
mod transcribe;
mod transcript;

use crate::{Sim, Vendor};
use axum::Router;
use axum::body::Body;
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::json;
use std::sync::Arc;

/// Both spellings are read by one official client or another.
const REQUEST_IDS: [&str; 2] = ["x-amzn-requestid", "x-amzn-request-id"];
const REQUEST_ID: &str = "00000000-0000-0000-0000-000000000007";
const EVENT_STREAM: &str = "application/vnd.amazon.eventstream";

/// Their troubles.
pub const TROUBLES: &[&str] = &[
    "aws-http",
    "aws-throttled",
    "aws-denied",
    "aws-expired",
    "aws-bad-signature",
    "aws-no-head",
    "aws-exception",
    "aws-error",
    "aws-bad-checksum",
    "aws-reset",
    "aws-end",
    "aws-kill",
    "aws-stall",
    "aws-idle-ms",
    "polly-html",
    "polly-empty",
    "polly-cut",
    "polly-stall",
    "polly-no-marks",
    "polly-no-close",
];

/// Whether a request to S3 is signed as it has to be, by a key that is known here. `body` is all of it.
///
/// # Errors
/// Why not, as the service says it.
pub fn admits_s3(parts: &Parts, body: &[u8]) -> Result<(), String> {
    match sigv4::request(parts, "s3", sigv4::Payload::Whole(body)) {
        Ok(_) => Ok(()),
        Err(refusal) => Err(format!("{}: {}", refusal.name, refusal.why)),
    }
}

/// Their paths.
pub fn routes() -> Router<Arc<Sim>> {
    Router::new()
        .route("/stream-transcription", post(transcribe::http2))
        .route("/stream-transcription-websocket", get(transcribe::websocket))
        .route("/v1/speech", post(polly::speech).get(polly::presigned))
        .route("/v1/synthesisStream", post(synthesis::stream))
}

/// Why a request is not served.
#[derive(Debug)]
struct Refusal {
    status: StatusCode,
    name: &'static str,
    why: String,
}

impl Refusal {
    fn new(status: StatusCode, name: &'static str, why: impl Into<String>) -> Self {
        Self { status, name, why: why.into() }
    }

    fn bad(name: &'static str, why: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, name, why)
    }

    fn forbidden(name: &'static str, why: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, name, why)
    }

    /// As the service's front end writes it.
    fn answer(self, origin: &str) -> Response {
        let body = json!({ "Message": self.why, "message": self.why });
        let mut response = with_ids((self.status, axum::Json(body)).into_response());
        let kind = if origin.is_empty() { self.name.to_owned() } else { format!("{}:{origin}", self.name) };
        if let Ok(kind) = HeaderValue::from_str(&kind) {
            response.headers_mut().insert("x-amzn-errortype", kind);
        }
        response
    }
}

fn with_ids(mut response: Response) -> Response {
    for name in REQUEST_IDS {
        response.headers_mut().insert(HeaderName::from_static(name), HeaderValue::from_static(REQUEST_ID));
    }
    response
}

/// A stream that was opened, its head first.
fn event_stream(body: Body) -> Response {
    let mut response = with_ids(body.into_response());
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(EVENT_STREAM));
    response
}

/// Trouble at the door that was asked for. `broken` is how this service names its own failure.
async fn trouble(sim: &Sim, broken: &'static str) -> Result<(), Refusal> {
    if sim.trouble("aws-no-head").is_some() {
        std::future::pending::<()>().await;
    }
    let forbidden = [
        ("aws-denied", "AccessDeniedException", "User is not authorized to perform this action"),
        ("aws-expired", "ExpiredTokenException", "The security token included in the request is expired"),
        (
            "aws-bad-signature",
            "InvalidSignatureException",
            "The request signature we calculated does not match the signature you provided.",
        ),
    ];
    for (trouble, name, why) in forbidden {
        if sim.trouble(trouble).is_some() {
            return Err(Refusal::forbidden(name, why));
        }
    }
    if sim.trouble("aws-throttled").is_some() {
        return Err(Refusal::bad("ThrottlingException", "Rate exceeded"));
    }
    let Some(status) = sim.trouble("aws-http") else { return Ok(()) };
    let name = match status {
        400 => "BadRequestException",
        402 => "ServiceQuotaExceededException",
        403 => "UnrecognizedClientException",
        404 => "LexiconNotFoundException",
        409 => "ConflictException",
        429 => "LimitExceededException",
        500 => broken,
        _ => "ServiceUnavailableException",
    };
    let status = StatusCode::from_u16(status as u16).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    Err(Refusal::new(status, name, "trouble that was asked for"))
}

/// Notes what the client did wrong.
fn offended(sim: &Sim, refusal: Refusal) -> Refusal {
    sim.offence(Vendor::Aws, format!("{}: {}", refusal.name, refusal.why));
    refusal
}
