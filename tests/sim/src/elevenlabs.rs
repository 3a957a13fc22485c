//! ElevenLabs: text-to-speech by request (`convert`, `stream`, with and without timestamps) and over sockets (`stream-input`, `multi-stream-input`).
//!
//! Troubles: `elevenlabs-http` (its number is the status of the answer, also of a socket's), `elevenlabs-quota` (401 `quota_exceeded`; on a socket a message
//! and close 1008), `elevenlabs-quota-handshake` (401 `quota_exceeded` in place of a socket), `elevenlabs-busy` (429), `elevenlabs-error` (a socket's message and close 1011 after the first sound), `elevenlabs-kill` (a reset
//! there), `elevenlabs-no-final` (close 1000 without `isFinal`), `elevenlabs-silent` (takes text, says nothing), `elevenlabs-empty` (`isFinal` without sound).

mod requests;
mod socket;

use crate::{Coding, Format, Sim, Vendor};
use axum::Router;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::{Value, json};
use std::sync::Arc;

/// What it takes as a key.
pub const API_KEY: &str = "sk_fake_key";
/// A voice that there is not.
const NO_VOICE: &str = "nosuch";
/// Samples of a message or chunk.
const PIECE_MS: u64 = 100;

/// Its troubles.
pub const TROUBLES: &[&str] = &[
    "elevenlabs-http",
    "elevenlabs-quota",
    "elevenlabs-quota-handshake",
    "elevenlabs-busy",
    "elevenlabs-error",
    "elevenlabs-kill",
    "elevenlabs-no-final",
    "elevenlabs-silent",
    "elevenlabs-empty",
];

/// Its paths.
pub fn routes() -> Router<Arc<Sim>> {
    Router::new()
        .route("/v1/text-to-speech/{voice}", post(requests::sound))
        .route("/v1/text-to-speech/{voice}/stream", post(requests::sound))
        .route("/v1/text-to-speech/{voice}/with-timestamps", post(requests::convert_with_timestamps))
        .route("/v1/text-to-speech/{voice}/stream/with-timestamps", post(requests::stream_with_timestamps))
        .route("/v1/text-to-speech/{voice}/stream-input", get(socket::stream_input))
        .route("/v1/text-to-speech/{voice}/multi-stream-input", get(socket::multi_stream_input))
        .route("/v1/models", get(requests::models))
        .route("/v2/voices", get(requests::voices))
}

/// Why a request is not served.
struct Refusal {
    status: StatusCode,
    why: Why,
}

enum Why {
    Named(&'static str, &'static str),
    /// This field of the body is missing.
    Missing(&'static str),
}

impl Refusal {
    const fn new(status: StatusCode, name: &'static str, message: &'static str) -> Self {
        Self { status, why: Why::Named(name, message) }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let detail = match self.why {
            Why::Named(name, message) => json!({ "status": name, "message": message }),
            Why::Missing(field) => {
                json!([{ "loc": ["body", field], "msg": "field required", "type": "value_error.missing" }])
            }
        };
        (self.status, axum::Json(json!({ "detail": detail }))).into_response()
    }
}

const QUOTA: Refusal = Refusal::new(StatusCode::UNAUTHORIZED, "quota_exceeded", "This request exceeds your quota of 10000.");
const WRONG_KEY: Refusal = Refusal::new(StatusCode::UNAUTHORIZED, "invalid_api_key", "Invalid API key");
const UNKNOWN_VOICE: Refusal =
    Refusal::new(StatusCode::NOT_FOUND, "voice_not_found", "A voice with that voice_id was not found.");
const UNKNOWN_MODEL: Refusal =
    Refusal::new(StatusCode::BAD_REQUEST, "model_not_found", "A model with that model ID does not exist.");

/// Trouble that was asked for, else the key. A key may also come as a parameter or in a message: `also`.
fn admit(sim: &Sim, headers: &HeaderMap, also: Option<&str>) -> Result<(), Refusal> {
    if let Some(status) = sim.trouble("elevenlabs-http") {
        let status = StatusCode::from_u16(status as u16).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        return Err(match status.as_u16() {
            401 => WRONG_KEY,
            403 => Refusal::new(status, "missing_permissions", "The API key you used is missing the permission text_to_speech."),
            429 => Refusal::new(status, "too_many_concurrent_requests", "Too many concurrent requests."),
            503 => Refusal::new(status, "unavailable", "Service Unavailable"),
            _ => Refusal::new(status, "internal_server_error", "An unexpected error occurred."),
        });
    }
    let key = headers.get("xi-api-key").and_then(|key| key.to_str().ok()).or(also);
    if key == Some(API_KEY) {
        return Ok(());
    }
    sim.offence(Vendor::Elevenlabs, "the key is not known");
    Err(WRONG_KEY)
}

/// `output_format`; MP3 is what comes where nothing is asked, which is given here as 24 kHz linear: nobody in the house reads it.
fn output_format(name: Option<&str>) -> Option<Format> {
    let (coding, rate) = name.unwrap_or("pcm_24000").split_once('_')?;
    let coding = match coding {
        "pcm" => Coding::Pcm,
        "ulaw" => Coding::Mulaw,
        "alaw" => Coding::Alaw,
        "mp3" | "opus" => return Some(Format::pcm(24_000)),
        _ => return None,
    };
    let rates: &[&str] = match coding {
        Coding::Pcm => &["8000", "16000", "22050", "24000", "32000", "44100", "48000"],
        Coding::Mulaw | Coding::Alaw => &["8000"],
    };
    let rate = rates.iter().find(|known| **known == rate)?;
    Some(Format { coding, rate_hz: rate.parse().ok()? })
}

/// Model and language, which are asked for in a body or in the query.
fn understood(sim: &Sim, model: Option<&str>, language: Option<&str>) -> Result<(), Refusal> {
    if model.is_some_and(|model| !model.starts_with("eleven_")) {
        return Err(UNKNOWN_MODEL);
    }
    if language.is_some_and(|code| code.len() != 2) {
        sim.offence(Vendor::Elevenlabs, "language_code is no code of ISO 639-1");
        return Err(Refusal::new(StatusCode::BAD_REQUEST, "unsupported_language", "Language is not supported."));
    }
    Ok(())
}

/// Letters of a text with the places that its words have, in milliseconds: (letter, start, end).
fn letters(text: &str, words: &[crate::Word]) -> Vec<(String, u64, u64)> {
    let mut words = words.iter();
    let mut all = Vec::new();
    for piece in text.split_inclusive(char::is_whitespace) {
        let Some(word) = (!piece.trim().is_empty()).then(|| words.next()).flatten() else {
            let at = all.last().map_or(0, |(_, _, end)| *end);
            all.extend(piece.chars().map(|letter| (letter.to_string(), at, at)));
            continue;
        };
        let count = piece.trim().chars().count() as u64;
        let length = word.end_ms - word.start_ms;
        for (nth, letter) in piece.chars().enumerate() {
            let at = |nth: u64| word.start_ms + length * nth.min(count) / count;
            all.push((letter.to_string(), at(nth as u64), at(nth as u64 + 1)));
        }
    }
    all
}

fn base64(samples: &[u8]) -> Value {
    use base64::Engine;
    json!(base64::engine::general_purpose::STANDARD.encode(samples))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_vendors_own_formats_are_formats() {
        for name in ["pcm_8000", "pcm_22050", "pcm_48000", "ulaw_8000", "alaw_8000", "mp3_44100_128"] {
            assert!(output_format(Some(name)).is_some(), "{name}");
        }
        for name in ["pcm_0", "pcm_11025", "ulaw_16000", "alaw_0", "pcm", "wav_8000", "pcm_+8000"] {
            assert!(output_format(Some(name)).is_none(), "{name}");
        }
    }
}
