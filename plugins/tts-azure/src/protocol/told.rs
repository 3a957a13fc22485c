//! What the vendor says, as values.

use serde::Deserialize;
use vg_wire::usp::{self, UspError};

/// What a text message says; its turn comes with it, in lower case.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Told {
    /// Words and their places in the sound of the turn.
    Words(Vec<Boundary>),
    /// All sound of the turn was sent.
    TurnEnd,
    /// Of no use to a session.
    Other,
}

/// A word in the sound of a turn; ticks of 100 ns.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Boundary {
    pub(crate) text: String,
    pub(crate) offset: u64,
    pub(crate) duration: u64,
}

/// A binary message.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Sound {
    pub(crate) request_id: String,
    /// None where the message is no sound.
    pub(crate) samples: Option<Vec<u8>>,
}

/// Why a message cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ReadError {
    #[error("a message of the vendor has not its form")]
    Form(#[from] UspError),
    #[error("a message of the vendor is no JSON of its kind")]
    Json,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RawMetadata {
    metadata: Vec<RawEntry>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RawEntry {
    r#type: String,
    data: RawData,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RawData {
    #[serde(default)]
    offset: u64,
    #[serde(default)]
    duration: u64,
    #[serde(rename = "text")]
    text: Option<RawText>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RawText {
    #[serde(default)]
    text: String,
    #[serde(default)]
    boundary_type: String,
}

/// A text message, and the turn it belongs to.
///
/// # Errors
/// See [`ReadError`].
pub(crate) fn read_text(message: &str) -> Result<(String, Told), ReadError> {
    let (headers, body) = usp::read_text(message)?;
    let told = match headers.path().as_str() {
        "turn.end" => Told::TurnEnd,
        "audio.metadata" => words(body)?,
        _ => Told::Other,
    };
    Ok((headers.get("X-RequestId").unwrap_or_default().to_ascii_lowercase(), told))
}

fn words(body: &str) -> Result<Told, ReadError> {
    let RawMetadata { metadata } = serde_json::from_str(body).map_err(|_| ReadError::Json)?;
    let words = metadata.into_iter().filter(|entry| entry.r#type == "WordBoundary").filter_map(|entry| {
        let RawData { offset, duration, text } = entry.data;
        let RawText { text, boundary_type } = text?;
        (boundary_type == "WordBoundary").then_some(Boundary { text, offset, duration })
    });
    Ok(Told::Words(words.collect()))
}

/// A binary message.
///
/// # Errors
/// Where it has not its form.
pub(crate) fn read_binary(mut message: Vec<u8>) -> Result<Sound, ReadError> {
    let (headers, body) = usp::read_binary(&message)?;
    let request_id = headers.get("X-RequestId").unwrap_or_default().to_ascii_lowercase();
    let begin = message.len() - body.len();
    let samples = (headers.path() == "audio").then(|| message.split_off(begin));
    Ok(Sound { request_id, samples })
}
