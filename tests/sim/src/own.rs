//! An engine of a company's own, strict: `docs/own-engine.md` and nothing else.
//!
//! It takes the bearer token [`TOKEN`] or the header [`HEADER`] with [`KEY`]; of its own options it knows `model` (`general`).
//!
//! | Trouble | What happens; its number |
//! |---|---|
//! | `http-<status>` | refused with it, of [`STATUSES`]; 429 with a `Retry-After` of so many seconds |
//! | `error-<code>` | refused with that code, in answer to `start` or to a text; `retry_after_ms` |
//! | `late-error-<code>` | the same in the middle; `retry_after_ms` |
//! | `silent` | no `ready`; no answer to a text |
//! | `silent-finalize`, `silent-end` | no answer to that |
//! | `hang-up`, `late-hang-up` | closes at `end` without `done`; closes after the first partial |
//! | `newer`, `early`, `unknown-message`, `garbage` | `ready` of version 2; a final before `ready`; a message of a later version; no JSON |
//! | `double-final`, `backwards`, `stale-partial` | a final twice; one that ends before it; its partial after it |
//! | `lines` | answers a text with lines of JSON, asked for or not |
//! | `stall`, `break` | falls silent, or loses the connection, after so many pieces |
//! | `paced` | so many milliseconds pass before each further 100 ms of sound |
//! | `empty`, `half-sample`, `no-done`, `linger` | no sound; half a sample; no `done`; does not close after `done` |
//! | `page`, `wav`, `wrong-rate` | an answer of that type |

mod listener;
mod speaker;

use crate::{Coding, Cut, Format, Sim, Vendor};
use axum::Router;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;

/// What it takes as a bearer token.
pub const TOKEN: &str = "own-token";
/// Where else it looks for a key.
pub const HEADER: &str = "x-engine-key";
/// What it takes there.
pub const KEY: &str = "own-key";
/// Statuses that can be asked for.
pub const STATUSES: [u16; 7] = [400, 401, 403, 404, 429, 500, 503];
/// Every code of the protocol.
pub const CODES: [&str; 10] = [
    "unauthorized",
    "invalid_options",
    "unsupported",
    "rate_limited",
    "quota_exhausted",
    "busy",
    "bad_audio",
    "bad_message",
    "unavailable",
    "internal",
];

/// Its troubles.
pub const TROUBLES: &[&str] = &[
    "http-400",
    "http-401",
    "http-403",
    "http-404",
    "http-429",
    "http-500",
    "http-503",
    "error-unauthorized",
    "error-invalid_options",
    "error-unsupported",
    "error-rate_limited",
    "error-quota_exhausted",
    "error-busy",
    "error-bad_audio",
    "error-bad_message",
    "error-unavailable",
    "error-internal",
    "late-error-unauthorized",
    "late-error-invalid_options",
    "late-error-unsupported",
    "late-error-rate_limited",
    "late-error-quota_exhausted",
    "late-error-busy",
    "late-error-bad_audio",
    "late-error-bad_message",
    "late-error-unavailable",
    "late-error-internal",
    "silent",
    "silent-finalize",
    "silent-end",
    "hang-up",
    "late-hang-up",
    "newer",
    "early",
    "unknown-message",
    "garbage",
    "double-final",
    "backwards",
    "stale-partial",
    "lines",
    "stall",
    "break",
    "paced",
    "empty",
    "half-sample",
    "no-done",
    "linger",
    "page",
    "wav",
    "wrong-rate",
];

/// Its paths.
pub fn routes() -> Router<Arc<Sim>> {
    Router::new().route("/listen", get(listener::answer)).route("/speak", post(speaker::answer))
}

/// `format` of a `start` or of a text.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct AskedFormat {
    encoding: String,
    rate_hz: u32,
}

/// Why it refuses.
#[derive(Clone, Debug)]
struct No {
    code: &'static str,
    retry_after_ms: Option<u32>,
    faults: Value,
}

impl No {
    const fn because(code: &'static str) -> Self {
        Self { code, retry_after_ms: None, faults: Value::Null }
    }

    fn message(&self) -> Value {
        let mut message = json!({ "type": "error", "code": self.code, "message": "hello world: not for logs" });
        if let Some(ms) = self.retry_after_ms {
            message["retry_after_ms"] = ms.into();
        }
        if !self.faults.is_null() {
            message["faults"] = self.faults.clone();
        }
        message
    }

    fn response(&self) -> Response {
        let status = match self.code {
            "unauthorized" => StatusCode::UNAUTHORIZED,
            "rate_limited" => StatusCode::TOO_MANY_REQUESTS,
            "quota_exhausted" => StatusCode::PAYMENT_REQUIRED,
            "busy" | "unavailable" => StatusCode::SERVICE_UNAVAILABLE,
            "internal" => StatusCode::INTERNAL_SERVER_ERROR,
            _ => StatusCode::BAD_REQUEST,
        };
        (status, axum::Json(self.message())).into_response()
    }

    /// A trouble of this name, with any code behind it.
    fn trouble(sim: &Sim, name: &str) -> Option<Self> {
        CODES.into_iter().find_map(|code| {
            let ms = sim.trouble(&format!("{name}-{code}"))?;
            Some(Self { retry_after_ms: (ms > 0).then_some(ms), ..Self::because(code) })
        })
    }
}

impl AskedFormat {
    fn known(&self) -> Result<Format, No> {
        let coding = match self.encoding.as_str() {
            "pcm-s16le" => Coding::Pcm,
            "mulaw" => Coding::Mulaw,
            "alaw" => Coding::Alaw,
            _ => return Err(No::because("bad_message")),
        };
        let rates: &[u32] = if coding == Coding::Pcm { &[8_000, 16_000, 24_000, 48_000] } else { &[8_000] };
        let format = Format { coding, rate_hz: self.rate_hz };
        if rates.contains(&self.rate_hz) { Ok(format) } else { Err(No::because("unsupported")) }
    }
}

/// What is refused before a message was read.
fn at_the_door(sim: &Sim, headers: &HeaderMap) -> Option<Response> {
    let trouble = STATUSES.into_iter().find_map(|status| Some((status, sim.trouble(&format!("http-{status}"))?)));
    if let Some((status, with)) = trouble {
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, "<h1>hello world</h1>").into_response();
        if with > 0 {
            response.headers_mut().insert(header::RETRY_AFTER, with.into());
        }
        return Some(response);
    }
    let given = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let known = given("authorization") == Some(&format!("Bearer {TOKEN}")) || given(HEADER) == Some(KEY);
    (!known).then(|| No::because("unauthorized").response())
}

fn version_and_options(sim: &Sim, version: u32, language: &str, options: &Value) -> Result<(), No> {
    if version != 1 {
        return Err(No::because("unsupported"));
    }
    let tag =
        language.split('-').all(|part| (1..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric()));
    let Some(options) = options.as_object().filter(|_| tag) else {
        sim.offence(Vendor::Own, "no language, or no options");
        return Err(No::because("bad_message"));
    };
    let wrong = |(name, value): (&String, &Value)| match (name.as_str(), value.as_str()) {
        ("model", Some("general")) => None,
        _ => Some(json!({ "path": format!("/{name}"), "message": "is not known here" })),
    };
    let faults: Vec<Value> = options.iter().filter_map(wrong).collect();
    if faults.is_empty() { Ok(()) } else { Err(No { faults: faults.into(), ..No::because("invalid_options") }) }
}

/// Shared by both: where troubles come from, and the line that may be cut.
struct Stage {
    sim: Arc<Sim>,
    line: Cut,
}

impl Stage {
    fn offence(&self, what: &str) -> No {
        self.sim.offence(Vendor::Own, what);
        No::because("bad_message")
    }
}
