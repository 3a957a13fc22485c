//! `POST /v1/audio/speech`. Of the file formats only `pcm` and `wav` are made here.

use super::{Refusal, Streamed, admit, error_event, event};
use crate::{Cut, Format, Moment, Sim, Vendor};
use axum::Extension;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;
use vg_wire::wav;

const RATE_HZ: u32 = 24_000;
/// Odd: pieces of a chunked body end where they like.
const PIECE_BYTES: usize = 4799;
const INPUT_MAX: usize = 4096;
const MODELS: [&str; 5] = ["tts-1", "tts-1-hd", "gpt-4o-mini-tts", "gpt-4o-mini-tts-2025-03-20", "gpt-4o-mini-tts-2025-12-15"];
const VOICES: [&str; 13] =
    ["alloy", "ash", "ballad", "cedar", "coral", "echo", "fable", "marin", "nova", "onyx", "sage", "shimmer", "verse"];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    model: String,
    input: String,
    voice: Value,
    #[serde(default)]
    instructions: Option<String>,
    #[serde(default)]
    response_format: Option<String>,
    #[serde(default)]
    speed: Option<f64>,
    #[serde(default)]
    stream_format: Option<String>,
}

pub(super) async fn speak(
    State(sim): State<Arc<Sim>>,
    Extension(cut): Extension<Cut>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let body = axum::body::to_bytes(body, 1 << 20).await;
    if let Err(refused) = admit(&sim, &cut, &headers, false).await {
        return refused;
    }
    let Ok(body) = body else { return Refusal::of_status(413).into_response() };
    let asked = match read(&sim, &headers, &body) {
        Ok(asked) => asked,
        Err(refusal) => return refusal.into_response(),
    };
    sim.wait(Vendor::Openai, Moment::FirstAudio).await;
    answer(&asked, sim, cut)
}

fn read(sim: &Sim, headers: &HeaderMap, body: &[u8]) -> Result<Asked, Refusal> {
    let bad = |param: &str, code: &str, message: &str| Refusal::bad(sim, param, code, message);
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if !kind.starts_with("application/json") {
        return Err(bad("body", "invalid_json", "Content-Type must be application/json."));
    }
    let asked: Asked = serde_json::from_slice(body).map_err(|error| bad("body", "invalid_json", &error.to_string()))?;
    if !MODELS.contains(&asked.model.as_str()) {
        return Err(Refusal::of_status(404));
    }
    let letters = asked.input.chars().count();
    if asked.input.trim().is_empty() || letters > INPUT_MAX {
        let code = if letters > INPUT_MAX { "string_above_max_length" } else { "string_below_min_length" };
        return Err(bad("input", code, "String should have between 1 and 4096 characters."));
    }
    let known = match &asked.voice {
        Value::String(name) => VOICES.contains(&name.as_str()),
        Value::Object(voice) => voice.len() == 1 && voice["id"].as_str().is_some_and(|id| id.starts_with("voice_")),
        _ => false,
    };
    if !known {
        return Err(bad("voice", "invalid_value", "Input should be 'alloy', 'ash', 'ballad' ..."));
    }
    let old = asked.model.starts_with("tts-1");
    let file = asked.response_format.as_deref().unwrap_or("mp3");
    if !["mp3", "opus", "aac", "flac", "wav", "pcm"].contains(&file) {
        return Err(bad("response_format", "invalid_value", "Input should be 'mp3', 'opus', 'aac', 'flac', 'wav' or 'pcm'."));
    }
    if !["wav", "pcm"].contains(&file) {
        return Err(Refusal::new(501, "server_error", None, None, "this simulator makes only pcm and wav"));
    }
    if asked.speed.is_some_and(|speed| !(0.25..=4.0).contains(&speed)) {
        return Err(bad("speed", "invalid_value", "Input should be between 0.25 and 4."));
    }
    match asked.stream_format.as_deref() {
        None | Some("audio") => {}
        Some("sse") if !old => {}
        _ => {
            return Err(bad(
                "stream_format",
                "unsupported_value",
                "Input should be 'audio' or 'sse', which is not supported for this model.",
            ));
        }
    }
    if asked.instructions.as_deref() == Some("") {
        return Err(bad("instructions", "invalid_value", "String should have at least 1 character."));
    }
    Ok(asked)
}

fn answer(asked: &Asked, sim: Arc<Sim>, cut: Cut) -> Response {
    let format = Format::pcm(RATE_HZ);
    let samples = sim.voice(format).speak(&asked.input).samples;
    if asked.stream_format.as_deref() == Some("sse") {
        let encode = |piece: &[u8]| base64::engine::general_purpose::STANDARD.encode(piece);
        let delta = |piece: &[u8]| event(&json!({ "type": "speech.audio.delta", "audio": encode(piece) }));
        let tokens = (asked.input.split_whitespace().count(), format.ms(samples.len()) / 20);
        let usage = json!({ "input_tokens": tokens.0, "output_tokens": tokens.1, "total_tokens": tokens.0 as u64 + tokens.1 });
        let end = vec![event(&json!({ "type": "speech.audio.done", "usage": usage }))];
        let pieces = samples.chunks(PIECE_BYTES).map(delta).collect();
        return Streamed { kind: "text/event-stream", pieces, end, error: Some(error_event()) }.answer(sim, cut);
    }
    let wav = asked.response_format.as_deref() == Some("wav");
    let header = if wav { wav::header(wav::Coding::Pcm, RATE_HZ, samples.len() as u32).to_vec() } else { vec![] };
    let pieces = [header, samples].concat().chunks(PIECE_BYTES).map(Bytes::copy_from_slice).collect();
    let kind = if wav { "audio/wav" } else { "audio/pcm" };
    Streamed { kind, pieces, end: vec![], error: None }.answer(sim, cut)
}
