//! `POST /speak`.

use super::{AskedFormat, No, Stage, at_the_door, version_and_options};
use crate::{Coding, Cut, Format, Moment, Sim, Speech, Vendor};
use axum::Extension;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use futures_util::stream;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::Duration;

const LINES: &str = "application/x-ndjson";
const PIECE_MS: u64 = 100;
const TWICE: &str = "twice";

pub(super) async fn answer(
    State(sim): State<Arc<Sim>>,
    Extension(line): Extension<Cut>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    if let Some(refused) = at_the_door(&sim, &headers) {
        return refused;
    }
    let stage = Stage { sim, line };
    if stage.sim.trouble("silent").is_some() {
        return std::future::pending().await;
    }
    let (order, format) = match read(&stage, &headers, &body) {
        Ok(read) => read,
        Err(no) => return no.response(),
    };
    let mut speech = match order.voice.as_deref() {
        // Answers as long as an agent's, of words that it was given: for load.
        Some(TWICE) => stage.sim.voice(format).speak(&format!("{0} {0}", order.text)),
        _ => stage.sim.voice(format).speak(&order.text),
    };
    stage.sim.wait(Vendor::Own, Moment::FirstAudio).await;
    if let Some(tap) = stage.sim.tapped() {
        tap.says(&mut speech.samples, format);
    }
    Answer { stage, order, format, speech }.response()
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Order {
    version: u32,
    text: String,
    voice: Option<String>,
    language: String,
    format: AskedFormat,
    words: bool,
    options: Value,
}

fn read(stage: &Stage, headers: &HeaderMap, body: &[u8]) -> Result<(Order, Format), No> {
    if let Some(no) = No::trouble(&stage.sim, "error") {
        return Err(no);
    }
    let given = |name: header::HeaderName| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if given(header::CONTENT_TYPE) != "application/json" {
        return Err(stage.offence("the body is not said to be JSON"));
    }
    let order: Order = serde_json::from_slice(body).map_err(|error| stage.offence(&error.to_string()))?;
    version_and_options(&stage.sim, order.version, &order.language, &order.options)?;
    let format = order.format.known()?;
    let accepted = given(header::ACCEPT);
    if !accepted.contains(&media_type(format)) || !accepted.contains(LINES) {
        return Err(stage.offence("the answer's type is not among those that are accepted"));
    }
    if order.text.trim().is_empty() {
        return Err(stage.offence("a text without a word"));
    }
    match order.voice.as_deref() {
        None | Some("tones" | TWICE) => Ok((order, format)),
        Some(_) => Err(No::because("unsupported")),
    }
}

fn media_type(format: Format) -> String {
    let name = match format.coding {
        Coding::Pcm => "audio/pcm",
        Coding::Mulaw => "audio/pcmu",
        Coding::Alaw => "audio/pcma",
    };
    format!("{name};rate={}", format.rate_hz)
}

struct Answer {
    stage: Stage,
    order: Order,
    format: Format,
    speech: Speech,
}

/// What goes out one after the other.
enum Piece {
    Bytes(Bytes),
    /// The connection is lost.
    Break,
    /// Nothing more comes, and nobody says so.
    Stall,
}

impl Answer {
    fn response(mut self) -> Response {
        if self.trouble("empty") {
            self.speech = Speech::default();
        }
        if self.trouble("half-sample") {
            self.speech.samples.pop();
        }
        let lines = self.order.words || self.stage.sim.trouble("lines").is_some();
        let kind = match () {
            () if self.trouble("page") => "text/html".to_owned(),
            () if self.trouble("wav") => "audio/wav".to_owned(),
            () if self.trouble("wrong-rate") => media_type(Format { rate_hz: 48_000, ..self.format }),
            () if lines => LINES.to_owned(),
            () => media_type(self.format),
        };
        let mut pieces = if lines { self.lines() } else { self.sound() };
        if let Some(after) = self.stage.sim.trouble("stall") {
            pieces.truncate(after as usize);
            pieces.push_back(Piece::Stall);
        }
        if let Some(after) = self.stage.sim.trouble("break") {
            pieces.truncate(after as usize);
            pieces.push_back(Piece::Break);
        }
        let said = stream::unfold((pieces, self.stage, false), say);
        ([(header::CONTENT_TYPE, kind)], Body::from_stream(said)).into_response()
    }

    fn sound(&self) -> VecDeque<Piece> {
        // Cut where no sample ends: that is an engine's right.
        let size = self.format.bytes(PIECE_MS) + 1;
        let mut pieces: VecDeque<Piece> =
            self.speech.samples.chunks(size).map(|piece| Piece::Bytes(Bytes::copy_from_slice(piece))).collect();
        if No::trouble(&self.stage.sim, "late-error").is_some() {
            pieces.truncate(1);
            pieces.push_back(Piece::Break);
        }
        pieces
    }

    fn lines(&self) -> VecDeque<Piece> {
        let mut lines = Vec::new();
        let mut words = self.speech.words.iter().filter(|_| self.order.words).peekable();
        for (nth, piece) in self.speech.samples.chunks(self.format.bytes(PIECE_MS) + 1).enumerate() {
            let until_ms = (nth as u64 + 1) * PIECE_MS;
            while let Some(word) = words.next_if(|word| word.start_ms < until_ms) {
                lines.push(json!({ "type": "word", "text": word.text, "start_ms": word.start_ms, "end_ms": word.end_ms }));
            }
            lines.push(json!({ "type": "audio", "data": BASE64_STANDARD.encode(piece) }));
        }
        lines.push(json!({ "type": "mood", "happy": true }));
        if let Some(no) = No::trouble(&self.stage.sim, "late-error") {
            lines.truncate(1);
            lines.push(no.message());
        } else if !self.trouble("no-done") {
            lines.push(json!({ "type": "done" }));
        }
        let mut pieces: VecDeque<Piece> = lines.into_iter().map(|line| Piece::Bytes(format!("{line}\n").into())).collect();
        if self.trouble("linger") {
            pieces.push_back(Piece::Stall);
        }
        pieces
    }

    fn trouble(&self, name: &str) -> bool {
        self.stage.sim.trouble(name).is_some()
    }
}

type Telling = (VecDeque<Piece>, Stage, bool);

async fn say((mut pieces, stage, began): Telling) -> Option<(io::Result<Bytes>, Telling)> {
    if began {
        stage.sim.said_one(&stage.line);
        // What was said has to be on its way before the line may be cut.
        tokio::task::yield_now().await;
    }
    let piece = pieces.pop_front()?;
    if began && let Some(ms) = stage.sim.trouble("paced") {
        tokio::time::sleep(Duration::from_millis(ms.into())).await;
    }
    match piece {
        Piece::Bytes(bytes) => Some((Ok(bytes), (pieces, stage, true))),
        Piece::Break => Some((Err(io::ErrorKind::ConnectionReset.into()), (pieces, stage, true))),
        Piece::Stall => std::future::pending().await,
    }
}
