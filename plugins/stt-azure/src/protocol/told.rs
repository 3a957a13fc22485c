//! What the vendor says, as values.

use serde::Deserialize;
use vg_wire::usp::{self, UspError};

/// A message of a turn.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Message {
    /// Lower case.
    pub(crate) request_id: String,
    pub(crate) told: Told,
}

/// What it says.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Told {
    /// The turn is heard; a later one may name this tag.
    TurnStart {
        tag: String,
    },
    /// Speech began, in ticks of the turn.
    SpeechStart(u64),
    /// Speech ended.
    SpeechEnd(u64),
    Hypothesis(Phrase),
    Phrase(Phrase),
    /// Nothing more is said of the turn.
    TurnEnd,
    /// Of no use to a session.
    Other,
}

/// A stretch of speech.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Phrase {
    pub(crate) status: Status,
    pub(crate) text: String,
    /// Ticks of the turn.
    pub(crate) offset: u64,
    pub(crate) duration: u64,
    pub(crate) language: Option<String>,
    pub(crate) confidence: Option<f32>,
    pub(crate) words: Vec<Word>,
}

/// A word of a detailed answer.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Word {
    #[serde(rename = "Word")]
    pub(crate) text: String,
    pub(crate) offset: u64,
    pub(crate) duration: u64,
    #[serde(default)]
    pub(crate) confidence: Option<f32>,
}

/// `RecognitionStatus`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    Success,
    /// `NoMatch`, `InitialSilenceTimeout`, `BabbleTimeout`: heard, and nothing in it.
    Nothing,
    /// `EndOfDictation`: the turn is at its end.
    Ended,
    Trouble(Trouble),
}

/// Why the vendor does not go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    TooManyRequests,
    BadRequest,
    Forbidden,
    ServiceUnavailable,
    /// `Error`, or a word that this version does not know.
    Error,
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
struct RawPhrase {
    recognition_status: Option<String>,
    #[serde(default)]
    offset: u64,
    #[serde(default)]
    duration: u64,
    display_text: Option<String>,
    text: Option<String>,
    #[serde(default)]
    n_best: Vec<RawBest>,
    primary_language: Option<RawLanguage>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RawBest {
    confidence: Option<f32>,
    display: Option<String>,
    #[serde(default)]
    words: Vec<Word>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RawLanguage {
    language: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RawPlace {
    #[serde(default)]
    offset: u64,
}

#[derive(Deserialize)]
struct RawStart {
    context: RawContext,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawContext {
    service_tag: String,
}

/// A text message of the vendor.
///
/// # Errors
/// See [`ReadError`].
pub(crate) fn read(message: &str) -> Result<Message, ReadError> {
    let (headers, body) = usp::read_text(message)?;
    let told = match headers.path().as_str() {
        "turn.start" => Told::TurnStart { tag: json::<RawStart>(body)?.context.service_tag },
        "speech.startdetected" => Told::SpeechStart(json::<RawPlace>(body)?.offset),
        "speech.enddetected" => Told::SpeechEnd(json::<RawPlace>(body)?.offset),
        "speech.hypothesis" | "speech.fragment" => Told::Hypothesis(json::<RawPhrase>(body)?.into()),
        "speech.phrase" => Told::Phrase(json::<RawPhrase>(body)?.into()),
        "turn.end" => Told::TurnEnd,
        _ => Told::Other,
    };
    let request_id = headers.get("X-RequestId").unwrap_or_default().to_ascii_lowercase();
    Ok(Message { request_id, told })
}

fn json<'a, T: Deserialize<'a>>(body: &'a str) -> Result<T, ReadError> {
    serde_json::from_str(body).map_err(|_| ReadError::Json)
}

impl From<RawPhrase> for Phrase {
    fn from(raw: RawPhrase) -> Self {
        let status = match raw.recognition_status.as_deref() {
            None | Some("Success") => Status::Success,
            Some("NoMatch" | "InitialSilenceTimeout" | "BabbleTimeout") => Status::Nothing,
            Some("EndOfDictation") => Status::Ended,
            Some("TooManyRequests") => Status::Trouble(Trouble::TooManyRequests),
            Some("BadRequest") => Status::Trouble(Trouble::BadRequest),
            Some("Forbidden") => Status::Trouble(Trouble::Forbidden),
            Some("ServiceUnavailable") => Status::Trouble(Trouble::ServiceUnavailable),
            Some(_) => Status::Trouble(Trouble::Error),
        };
        // The likeliest is the first; a detailed answer may leave the plain text out.
        let best = raw.n_best.into_iter().next();
        let (confidence, display, words) = best.map_or((None, None, vec![]), |best| (best.confidence, best.display, best.words));
        Self {
            status,
            text: raw.display_text.or(raw.text).or(display).unwrap_or_default(),
            offset: raw.offset,
            duration: raw.duration,
            language: raw.primary_language.map(|primary| primary.language),
            confidence,
            words,
        }
    }
}

impl Phrase {
    /// Ticks of the turn at which it ends.
    pub(crate) fn end(&self) -> u64 {
        self.offset.saturating_add(self.duration)
    }
}
