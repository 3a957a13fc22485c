//! One request, one text.

use super::{NO_VOICE, PIECE_MS, QUOTA, Refusal, UNKNOWN_VOICE, Why, admit, base64, letters, output_format, understood};
use crate::{Cut, Format, Moment, Sim, Speech, Vendor};
use axum::Extension;
use axum::body::{Body, Bytes};
use axum::extract::{FromRef, FromRequest, FromRequestParts, Path, Query, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::Arc;

type Parameters = Query<HashMap<String, String>>;

/// What every request has.
pub(super) struct Asked {
    sim: Arc<Sim>,
    cut: Cut,
    text: String,
    format: Format,
    speech: Speech,
}

impl<S: Send + Sync> FromRequest<S> for Asked
where
    Arc<Sim>: FromRef<S>,
{
    type Rejection = Response;

    async fn from_request(request: Request, state: &S) -> Result<Self, Response> {
        let (mut parts, body) = request.into_parts();
        let sim = Arc::<Sim>::from_ref(state);
        let Path(voice) = Path::<String>::from_request_parts(&mut parts, state).await.map_err(IntoResponse::into_response)?;
        let Query(parameters) = Parameters::from_request_parts(&mut parts, state).await.map_err(IntoResponse::into_response)?;
        let Extension(cut) = Extension::from_request_parts(&mut parts, state).await.map_err(IntoResponse::into_response)?;
        let body = axum::body::to_bytes(body, 1 << 20).await.map_err(|_| StatusCode::PAYLOAD_TOO_LARGE.into_response())?;
        asked(sim, cut, &voice, &parameters, &parts.headers, &body).await.map_err(IntoResponse::into_response)
    }
}

async fn asked(
    sim: Arc<Sim>,
    cut: Cut,
    voice: &str,
    parameters: &HashMap<String, String>,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Asked, Refusal> {
    admit(&sim, headers, None)?;
    if sim.trouble("elevenlabs-quota").is_some() {
        return Err(QUOTA);
    }
    if sim.trouble("elevenlabs-busy").is_some() {
        let heavy = "We are experiencing heavy traffic right now.";
        return Err(Refusal::new(StatusCode::TOO_MANY_REQUESTS, "system_busy", heavy));
    }
    if voice == NO_VOICE {
        return Err(UNKNOWN_VOICE);
    }
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    let Some(text) = body["text"].as_str() else {
        sim.offence(Vendor::Elevenlabs, "no text in the request");
        return Err(Refusal { status: StatusCode::UNPROCESSABLE_ENTITY, why: Why::Missing("text") });
    };
    understood(&sim, body["model_id"].as_str(), body["language_code"].as_str())?;
    let Some(format) = output_format(parameters.get("output_format").map(String::as_str)) else {
        sim.offence(Vendor::Elevenlabs, "output_format is none");
        return Err(Refusal::new(StatusCode::BAD_REQUEST, "invalid_output_format", "Output format is not supported."));
    };
    let speech = sim.voice(format).speak(text);
    sim.wait(Vendor::Elevenlabs, Moment::FirstAudio).await;
    Ok(Asked { text: text.to_owned(), sim, cut, format, speech })
}

/// `convert` and `stream` answer alike.
pub(super) async fn sound(asked: Asked) -> Response {
    let kind = match asked.format.sample_bytes() {
        1 => "audio/basic",
        _ => "audio/pcm",
    };
    let pieces = asked.speech.samples.chunks(asked.format.bytes(PIECE_MS)).map(Bytes::copy_from_slice).collect();
    answer(asked, kind, pieces)
}

pub(super) async fn convert_with_timestamps(asked: Asked) -> Response {
    let alignment = alignment(&asked.text, &asked.speech.words);
    let whole = json!({
        "audio_base64": base64(&asked.speech.samples), "alignment": alignment, "normalized_alignment": alignment,
    });
    axum::Json(whole).into_response()
}

/// Lines; letters come with the sound that they begin in, with their places in the whole.
pub(super) async fn stream_with_timestamps(asked: Asked) -> Response {
    let letters = letters(&asked.text, &asked.speech.words);
    let (length_ms, piece) = (5 * PIECE_MS, asked.format.bytes(5 * PIECE_MS));
    let lines = asked.speech.samples.chunks(piece).enumerate().map(|(nth, samples)| {
        let from_ms = nth as u64 * length_ms;
        let last = (nth + 1) * piece >= asked.speech.samples.len();
        let here = |start_ms: u64| start_ms >= from_ms && (last || start_ms < from_ms + length_ms);
        let here: Vec<_> = letters.iter().filter(|(_, start, _)| here(*start)).cloned().collect();
        let alignment = if here.is_empty() { Value::Null } else { characters(&here) };
        let line = json!({ "audio_base64": base64(samples), "alignment": alignment, "normalized_alignment": alignment });
        Bytes::from(format!("{line}\n\n"))
    });
    let lines = lines.collect();
    answer(asked, "application/json", lines)
}

fn alignment(text: &str, words: &[crate::Word]) -> Value {
    characters(&letters(text, words))
}

fn characters(letters: &[(String, u64, u64)]) -> Value {
    let seconds = |ms: u64| ms as f64 / 1000.0;
    json!({
        "characters": letters.iter().map(|(letter, ..)| letter).collect::<Vec<_>>(),
        "character_start_times_seconds": letters.iter().map(|(_, start, _)| seconds(*start)).collect::<Vec<_>>(),
        "character_end_times_seconds": letters.iter().map(|(.., end)| seconds(*end)).collect::<Vec<_>>(),
    })
}

/// A chunked body that trouble may cut.
fn answer(asked: Asked, kind: &'static str, pieces: Vec<Bytes>) -> Response {
    let Asked { sim, cut, text, .. } = asked;
    let characters = text.chars().count();
    let pieces = if sim.trouble("elevenlabs-empty").is_some() { vec![] } else { pieces };
    let silent = sim.trouble("elevenlabs-silent").is_some();
    let body = futures_util::stream::unfold((pieces.into_iter(), 0), move |(mut pieces, said)| {
        let (sim, cut) = (Arc::clone(&sim), cut.clone());
        async move {
            if silent {
                return std::future::pending().await;
            }
            if said == 1 && sim.trouble("elevenlabs-kill").is_some() {
                // What was said is on its way before the line breaks.
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
                cut.now();
                return std::future::pending().await;
            }
            let piece = pieces.next()?;
            if said > 0 {
                sim.said_one(&cut);
            }
            Some((Ok::<_, std::io::Error>(piece), (pieces, said + 1)))
        }
    });
    let headers = [
        (header::CONTENT_TYPE, kind.to_owned()),
        (header::HeaderName::from_static("request-id"), "req0123456789".to_owned()),
        (header::HeaderName::from_static("character-cost"), characters.to_string()),
    ];
    (headers, Body::from_stream(body)).into_response()
}

pub(super) async fn models(State(sim): State<Arc<Sim>>, headers: HeaderMap) -> Response {
    match admit(&sim, &headers, None) {
        Ok(()) => {
            axum::Json(json!([{ "model_id": "eleven_flash_v2_5" }, { "model_id": "eleven_multilingual_v2" }])).into_response()
        }
        Err(refusal) => refusal.into_response(),
    }
}

pub(super) async fn voices(State(sim): State<Arc<Sim>>, headers: HeaderMap) -> Response {
    let voices = json!([{ "voice_id": "21m00Tcm4TlvDq8ikWAM", "name": "Rachel" }]);
    match admit(&sim, &headers, None) {
        Ok(()) => axum::Json(json!({ "voices": voices, "has_more": false, "total_count": 1 })).into_response(),
        Err(refusal) => refusal.into_response(),
    }
}
