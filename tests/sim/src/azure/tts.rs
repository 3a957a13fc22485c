//! The speaker: sockets for whole texts (v1) and for text in pieces (v2), and the REST form.

mod speak;

use super::door::{Asked, redirection, refusal};
use super::ssml;
use super::usp::{Gone, Line, Told};
use crate::{Coding, Cut, Format, Moment, Sim, Vendor};
use axum::body::{Body, Bytes};
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use serde_json::{Value, json};
use speak::{Turn, Wishes};
use std::sync::Arc;

/// Voices that there are. Real ones are hundreds.
const VOICES: [&str; 18] = [
    "en-US-AvaMultilingualNeural",
    "en-US-JennyNeural",
    "en-GB-SoniaNeural",
    "en-AU-NatashaNeural",
    "pt-BR-FranciscaNeural",
    "pt-BR-AntonioNeural",
    "pt-PT-RaquelNeural",
    "es-ES-ElviraNeural",
    "es-US-PalomaNeural",
    "es-MX-DaliaNeural",
    "es-AR-ElenaNeural",
    "es-CO-SalomeNeural",
    "es-CL-CatalinaNeural",
    "fr-FR-DeniseNeural",
    "fr-CA-SylvieNeural",
    "de-DE-KatjaNeural",
    "it-IT-ElsaNeural",
    "nl-NL-ColetteNeural",
];

/// Formats that there are here, by the vendor's names: those without a header.
fn format(name: &str) -> Option<Format> {
    match name {
        "raw-8khz-8bit-mono-mulaw" => Some(Format::MULAW),
        "raw-8khz-8bit-mono-alaw" => Some(Format { coding: Coding::Alaw, rate_hz: 8_000 }),
        "raw-8khz-16bit-mono-pcm" => Some(Format::pcm(8_000)),
        "raw-16khz-16bit-mono-pcm" => Some(Format::pcm(16_000)),
        "raw-24khz-16bit-mono-pcm" => Some(Format::pcm(24_000)),
        "raw-48khz-16bit-mono-pcm" => Some(Format::pcm(48_000)),
        _ => None,
    }
}

fn is_voice(name: &str) -> bool {
    VOICES.iter().any(|voice| voice.eq_ignore_ascii_case(name))
}

/// `GET .../websocket/v1` and `v2`; without an upgrade it is the JS client's question where to go instead.
pub(super) async fn socket(
    State(sim): State<Arc<Sim>>,
    Extension(cut): Extension<Cut>,
    Path(version): Path<String>,
    headers: HeaderMap,
    uri: Uri,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Response {
    let asked = Asked::new(headers, &uri);
    let pieces = match version.as_str() {
        "v1" => false,
        "v2" => true,
        _ => return refusal(404, 0),
    };
    if asked.query.get("GenerateRedirectResponse").is_some_and(|value| value == "true") {
        return asked.elsewhere(&sim).map_or_else(|| refusal(404, 0), IntoResponse::into_response);
    }
    if let Some(refused) = asked.refused(&sim).await {
        return refused;
    }
    if let Some(to) = asked.elsewhere(&sim) {
        return redirection(&to);
    }
    let Ok(upgrade) = upgrade else { return refusal(404, 0) };
    asked.connection_id(&sim);
    upgrade.on_upgrade(move |socket| async move {
        let Err(Gone) = speak(Line::new(sim, socket, cut), pieces).await;
    })
}

async fn speak(mut line: Line, pieces: bool) -> Result<std::convert::Infallible, Gone> {
    let mut turn: Option<Turn> = None;
    loop {
        let told = line.next().await?;
        if told.path == "synthesis.context" {
            if turn.is_some() {
                return line.offended(1007, "a turn was begun before the last was over").await;
            }
            match Wishes::read(&told.body, pieces) {
                Ok(wishes) => turn = Some(Turn::new(told.request_id, wishes, &line.sim)),
                Err(what) => return line.offended(1007, what).await,
            }
            continue;
        }
        let Some(present) = turn.as_mut().filter(|turn| turn.request_id == told.request_id) else {
            return line.offended(1007, "text without synthesis.context").await;
        };
        if text(&mut line, present, &told, pieces).await? {
            turn = None;
        }
    }
}

/// Whether the turn is over.
async fn text(line: &mut Line, turn: &mut Turn, told: &Told, pieces: bool) -> Result<bool, Gone> {
    let kind = told.headers.get("Content-Type").unwrap_or_default();
    let Ok(text) = std::str::from_utf8(&told.body) else { return line.offended(1007, "a text is none").await };
    match (told.path.as_str(), pieces) {
        ("ssml", false) if kind == "application/ssml+xml" => {
            trouble(line).await?;
            let read = ssml::read(text);
            match read {
                Err(what) => line.offended(1007, what).await,
                Ok(read) if !read.voices.iter().all(|voice| is_voice(voice)) => line.offended(1007, "Unsupported voice").await,
                Ok(read) => {
                    turn.begin(line).await?;
                    turn.speak(line, &read.text).await?;
                    turn.end(line).await
                }
            }
        }
        ("text.piece", true) if kind == "text/plain" => {
            trouble(line).await?;
            turn.begin(line).await?;
            turn.piece(line, text).await?;
            Ok(false)
        }
        ("text.end", true) if kind == "text/plain" && text.is_empty() => {
            turn.begin(line).await?;
            turn.rest(line).await?;
            turn.end(line).await
        }
        _ => line.offended(1007, "a message that this turn has no use for").await,
    }
}

async fn trouble(line: &mut Line) -> Result<(), Gone> {
    match line.sim.trouble("close") {
        Some(code) => line.close(code as u16, "simulated").await,
        None => Ok(()),
    }
}

/// `POST /cognitiveservices/v1`
pub(super) async fn request(
    State(sim): State<Arc<Sim>>,
    Extension(cut): Extension<Cut>,
    headers: HeaderMap,
    uri: Uri,
    body: Bytes,
) -> Response {
    let asked = Asked::new(headers, &uri);
    if let Some(refused) = asked.refused(&sim).await {
        return refused;
    }
    let wrong = |status, what: &str| {
        sim.offence(Vendor::Azure, what);
        refusal(status, 0)
    };
    if !asked.header("content-type").is_some_and(|kind| kind.starts_with("application/ssml+xml")) {
        return wrong(415, "the content is no SSML");
    }
    if asked.header("user-agent").is_none_or(str::is_empty) {
        return wrong(400, "User-Agent is missing");
    }
    let Some(format) = asked.header("X-Microsoft-OutputFormat").and_then(format) else {
        return wrong(400, "X-Microsoft-OutputFormat is none");
    };
    let read = std::str::from_utf8(&body).map_err(|_| "SSML is no text").and_then(ssml::read);
    let text = match read {
        Ok(read) if read.voices.iter().all(|voice| is_voice(voice)) => read.text,
        Ok(_) => return wrong(400, "Unsupported voice"),
        Err(what) => return wrong(400, what),
    };
    sim.wait(Vendor::Azure, Moment::FirstAudio).await;
    let mut samples = if sim.trouble("empty-audio").is_some() { vec![] } else { sim.voice(format).speak(&text).samples };
    if sim.trouble("half-sample").is_some() {
        samples.pop();
    }
    let kind = if format.coding == Coding::Pcm { "audio/x-wav" } else { "audio/basic" };
    ([(header::CONTENT_TYPE, kind)], streamed(sim, cut, format, samples)).into_response()
}

/// A tenth of a second at a time, chunked.
fn streamed(sim: Arc<Sim>, cut: Cut, format: Format, samples: Vec<u8>) -> Body {
    let pieces: Vec<Bytes> = samples.chunks(format.bytes(100)).map(Bytes::copy_from_slice).collect();
    let state = (pieces.into_iter(), sim, cut, 0u32);
    let stream = futures_util::stream::unfold(state, |(mut pieces, sim, cut, said)| async move {
        if sim.trouble_ahead("stall") == Some(said) && sim.trouble("stall").is_some() {
            std::future::pending::<()>().await;
        }
        let piece = pieces.next()?;
        sim.said_one(&cut);
        // So that a cut falls between pieces.
        tokio::task::yield_now().await;
        Some((Ok::<_, std::io::Error>(piece), (pieces, sim, cut, said + 1)))
    });
    Body::from_stream(stream)
}

/// `GET /cognitiveservices/voices/list`
pub(super) async fn voices(State(sim): State<Arc<Sim>>, headers: HeaderMap, uri: Uri) -> Response {
    if let Some(refused) = Asked::new(headers, &uri).refused(&sim).await {
        return refused;
    }
    let entry = |voice: &&str| {
        let locale = voice.rsplit_once('-').map_or(*voice, |(locale, _)| locale);
        let name = voice[locale.len() + 1..].trim_end_matches("Neural");
        json!({
            "Name": format!("Microsoft Server Speech Text to Speech Voice ({locale}, {name}Neural)"), "DisplayName": name,
            "LocalName": name, "ShortName": voice, "Gender": "Female", "Locale": locale, "LocaleName": locale,
            "StyleList": ["cheerful"], "SampleRateHertz": "48000", "VoiceType": "Neural", "Status": "GA", "WordsPerMinute": "160",
        })
    };
    Json(VOICES.iter().map(entry).collect::<Vec<Value>>()).into_response()
}
