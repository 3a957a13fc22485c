//! The speaker's half of `docs/own-engine.md`: what is posted, how an answer's head is read, and the lines of a stream.

use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use vg_own_engine::{Format, Ms, Refusal};
use vg_plugin_sdk::{
    Fault, FaultKind,
    json::{Map, Value},
    link,
};

/// Lines of JSON in place of plain sound.
pub(crate) const LINES: &str = "application/x-ndjson";
const BYTES: &str = "application/octet-stream";

/// The body of a `POST`.
#[derive(Debug, Serialize)]
pub(crate) struct Order<'a> {
    pub(crate) version: u32,
    pub(crate) text: &'a str,
    pub(crate) voice: Option<&'a str>,
    pub(crate) language: &'a str,
    pub(crate) format: Format,
    pub(crate) words: bool,
    pub(crate) options: &'a Map<String, Value>,
}

/// A line of a stream.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum Line<'a> {
    Audio {
        /// Base64.
        #[serde(borrow)]
        data: Cow<'a, str>,
    },
    Word {
        text: String,
        start_ms: Ms,
        end_ms: Ms,
    },
    Done,
    Error(Refusal),
    /// Of a later version: not for this one.
    #[serde(other)]
    Other,
}

/// What follows a good head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Body {
    Sound,
    Lines,
}

impl Order<'_> {
    pub(crate) fn json(&self) -> String {
        // Strings, numbers and the tenant's own JSON: nothing that could not be written.
        serde_json::to_string(self).unwrap_or_default()
    }
}

impl<'a> Line<'a> {
    /// # Errors
    /// `protocol` for what is no line.
    pub(crate) fn read(line: &'a [u8]) -> Result<Self, Fault> {
        serde_json::from_slice(line).map_err(|error| {
            // Where, not what: words may stand there.
            Fault::new(FaultKind::Protocol, format!("a line of the engine is not understood at column {}", error.column()))
        })
    }
}

/// The media type that says encoding and rate.
fn media_type(format: Format) -> String {
    let name = match format.encoding {
        "mulaw" => "audio/pcmu",
        "alaw" => "audio/pcma",
        _ => "audio/pcm",
    };
    format!("{name};rate={}", format.rate_hz)
}

/// What is asked for, best first.
pub(crate) fn accepted(format: Format, words: bool) -> String {
    let sound = media_type(format);
    if words { format!("{LINES}, {sound};q=0.9") } else { format!("{sound}, {LINES};q=0.9") }
}

/// Reads the head of a good answer.
///
/// # Errors
/// `protocol` where what follows is not the sound that was asked for, or where its end could not be told from a broken connection.
pub(crate) fn body(status: u16, headers: &[(String, String)], format: Format) -> Result<Body, Fault> {
    let wrong = |what: String| Err(Fault::new(FaultKind::Protocol, what));
    if status != 200 {
        return wrong(format!("the engine answered with status {status}"));
    }
    let is_framed = ["content-length", "transfer-encoding"].iter().any(|name| link::field(headers, name).is_some());
    if !is_framed {
        return wrong("the answer has neither a length nor chunks: where it is cut could not be told".to_owned());
    }
    let given = link::field(headers, "content-type").unwrap_or_default().to_ascii_lowercase();
    let mut parts = given.split(';').map(str::trim);
    let name = parts.next().unwrap_or_default();
    let rate = parts.find_map(|part| part.strip_prefix("rate=")).map(|rate| rate.trim_matches('"').to_owned());
    let wanted = media_type(format);
    match name {
        LINES => Ok(Body::Lines),
        BYTES => Ok(Body::Sound),
        _ if wanted.split(';').next() != Some(name) => wrong("the answer is not of the type that was asked for".to_owned()),
        _ if rate.is_some_and(|rate| rate != format.rate_hz.to_string()) => {
            wrong("the answer is not of the rate that was asked for".to_owned())
        }
        _ => Ok(Body::Sound),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const TELEPHONE: Format = Format { encoding: "mulaw", rate_hz: 8_000 };
    const WIDE: Format = Format { encoding: "pcm-s16le", rate_hz: 16_000 };

    fn head(kind: &str) -> Vec<(String, String)> {
        [("Content-Type", kind), ("Transfer-Encoding", "chunked")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .to_vec()
    }

    #[test]
    fn what_is_posted_is_as_documented() {
        let options = json!({ "speed": 2 });
        let order = Order {
            version: 1,
            text: "Olá.",
            voice: Some("ana"),
            language: "pt-BR",
            format: TELEPHONE,
            words: false,
            options: options.as_object().unwrap(),
        };
        let expected = json!({
            "version": 1, "text": "Olá.", "voice": "ana", "language": "pt-BR", "format": { "encoding": "mulaw", "rate_hz": 8000 },
            "words": false, "options": { "speed": 2 },
        });
        assert_eq!(serde_json::from_str::<Value>(&order.json()).unwrap(), expected);
        assert_eq!(accepted(TELEPHONE, false), "audio/pcmu;rate=8000, application/x-ndjson;q=0.9");
        assert_eq!(accepted(WIDE, true), "application/x-ndjson, audio/pcm;rate=16000;q=0.9");
    }

    #[test]
    fn sound_of_another_kind_is_not_played() {
        let read = |kind: &str, format| body(200, &head(kind), format).map_err(|fault| fault.kind);
        for good in ["audio/pcm", "Audio/PCM; rate=16000", "audio/pcm;rate=\"16000\"", "application/octet-stream"] {
            assert_eq!(read(good, WIDE), Ok(Body::Sound), "{good}");
        }
        assert_eq!(read("audio/pcma;rate=8000", Format { encoding: "alaw", rate_hz: 8_000 }), Ok(Body::Sound));
        assert_eq!(read("application/x-ndjson; charset=utf-8", WIDE), Ok(Body::Lines));
        for bad in ["", "text/html", "audio/wav", "audio/mpeg", "audio/L16;rate=16000", "audio/pcmu", "audio/pcm;rate=8000"] {
            assert_eq!(read(bad, WIDE), Err(FaultKind::Protocol), "{bad}");
        }
    }

    #[test]
    fn an_answer_whose_end_cannot_be_seen_is_refused() {
        let headers = [("content-type".to_owned(), "audio/pcmu".to_owned())];
        assert_eq!(body(200, &headers, TELEPHONE).unwrap_err().kind, FaultKind::Protocol);
        assert_eq!(body(204, &head("audio/pcmu"), TELEPHONE).unwrap_err().kind, FaultKind::Protocol);
    }

    #[test]
    fn lines_are_read_one_by_one() {
        assert!(matches!(Line::read(br#"{"type":"audio","data":"AAA="}"#), Ok(Line::Audio { data: Cow::Borrowed("AAA=") })));
        let Ok(Line::Word { text, start_ms, end_ms }) = Line::read(br#"{"type":"word","text":"a","start_ms":1,"end_ms":2.5}"#)
        else {
            panic!("no word")
        };
        assert_eq!((text.as_str(), start_ms, end_ms), ("a", Ms(1), Ms(2)));
        assert!(matches!(Line::read(br#"{"type":"done","more":1}"#), Ok(Line::Done)));
        assert!(matches!(Line::read(br#"{"type":"viseme"}"#), Ok(Line::Other)));
        assert!(matches!(Line::read(br#"{"type":"error","code":"busy"}"#), Ok(Line::Error(refusal)) if refusal.code == "busy"));
        assert_eq!(Line::read(b"\xfe\x01{").unwrap_err().kind, FaultKind::Protocol);
    }
}
