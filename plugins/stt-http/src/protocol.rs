//! The listener's half of `docs/own-engine.md`: what is said to an engine and what it says.

use serde::{Deserialize, Serialize};
use vg_own_engine::{Format, Ms, Refusal};
use vg_plugin_sdk::{Fault, FaultKind, Transcript, Word, json::Map, json::Value};

/// A text message to the engine; sound is binary.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum Ask<'a> {
    Start { version: u32, format: Format, language: &'a str, partials: bool, options: &'a Map<String, Value> },
    SpeechStarted { ms: u64 },
    SpeechEnded { ms: u64 },
    Finalize,
    End,
}

/// A text message of the engine.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum News {
    Ready {
        version: u32,
    },
    SpeechStarted {
        ms: Ms,
    },
    SpeechEnded {
        ms: Ms,
    },
    Partial(Heard),
    Final(Heard),
    Finalized,
    Done {
        #[serde(default)]
        audio_ms: Option<Ms>,
    },
    Error(Refusal),
    /// Of a later version: not for this one.
    #[serde(other)]
    Other,
}

/// What an engine believes was said.
#[derive(Debug, Deserialize)]
pub(crate) struct Heard {
    text: String,
    start_ms: Ms,
    end_ms: Ms,
    #[serde(default)]
    language: Option<String>,
    #[serde(default)]
    confidence: Option<f32>,
    #[serde(default)]
    stability: Option<f32>,
    #[serde(default)]
    words: Vec<HeardWord>,
}

#[derive(Debug, Deserialize)]
struct HeardWord {
    text: String,
    start_ms: Ms,
    end_ms: Ms,
    #[serde(default)]
    confidence: Option<f32>,
}

impl Ask<'_> {
    pub(crate) fn json(&self) -> String {
        // Strings, numbers and the tenant's own JSON: nothing that could not be written.
        serde_json::to_string(self).unwrap_or_default()
    }
}

impl News {
    /// # Errors
    /// `protocol` for what is no message.
    pub(crate) fn read(text: &str) -> Result<Self, Fault> {
        serde_json::from_str(text).map_err(|error| {
            // Where, not what: words may stand there.
            let place = format!("line {} column {}", error.line(), error.column());
            Fault::new(FaultKind::Protocol, format!("a message of the engine is not understood at {place}"))
        })
    }
}

impl Heard {
    pub(crate) fn partial(self) -> Transcript {
        let stability = self.stability.map(share);
        self.transcript(stability)
    }

    pub(crate) fn fin(self) -> Transcript {
        self.transcript(Some(1.0))
    }

    fn transcript(self, stability: Option<f32>) -> Transcript {
        let word = |word: HeardWord| Word {
            text: word.text,
            start_ms: word.start_ms.0,
            end_ms: word.end_ms.0,
            confidence: word.confidence.map(share),
        };
        Transcript {
            text: self.text,
            language: self.language,
            confidence: self.confidence.map(share),
            stability,
            start_ms: self.start_ms.0,
            end_ms: self.end_ms.0,
            words: self.words.into_iter().map(word).collect(),
        }
    }
}

/// The contract's 0.0 to 1.0, whatever an engine writes.
fn share(value: f32) -> f32 {
    value.clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_said_is_as_documented() {
        let options = json!({ "model": "house" });
        let start = Ask::Start {
            version: 1,
            format: Format { encoding: "mulaw", rate_hz: 8_000 },
            language: "pt-BR",
            partials: true,
            options: options.as_object().unwrap(),
        };
        let expected = json!({
            "type": "start", "version": 1, "format": { "encoding": "mulaw", "rate_hz": 8000 }, "language": "pt-BR",
            "partials": true, "options": { "model": "house" },
        });
        assert_eq!(serde_json::from_str::<Value>(&start.json()).unwrap(), expected);
        assert_eq!(Ask::Finalize.json(), r#"{"type":"finalize"}"#);
        assert_eq!(Ask::End.json(), r#"{"type":"end"}"#);
        assert_eq!(Ask::SpeechStarted { ms: 5 }.json(), r#"{"type":"speech_started","ms":5}"#);
        assert_eq!(Ask::SpeechEnded { ms: 5 }.json(), r#"{"type":"speech_ended","ms":5}"#);
    }

    #[test]
    fn a_transcript_is_read_with_all_that_may_be_in_it() {
        let text = r#"{"type":"final","text":"olá","start_ms":0,"end_ms":400.5,"language":"pt-BR","confidence":1.5,"more":1,
            "words":[{"text":"olá","start_ms":10,"end_ms":390,"confidence":0.5}]}"#;
        let News::Final(heard) = News::read(text).unwrap() else { panic!("no final") };
        let said = heard.fin();
        assert_eq!((said.text.as_str(), said.end_ms, said.language.as_deref()), ("olá", 400, Some("pt-BR")));
        assert_eq!((said.confidence, said.stability), (Some(1.0), Some(1.0)));
        assert_eq!((said.words[0].start_ms, said.words[0].confidence), (10, Some(0.5)));
        let News::Partial(heard) = News::read(r#"{"type":"partial","text":"o","start_ms":0,"end_ms":1}"#).unwrap() else {
            panic!("no partial")
        };
        assert_eq!(heard.partial().stability, None);
    }

    #[test]
    fn a_later_version_may_say_more_but_a_message_has_a_type_and_times() {
        assert!(matches!(News::read(r#"{"type":"mood","happy":true}"#), Ok(News::Other)));
        for text in
            ["", "{}", "[]", r#"{"type":"final","text":"x"}"#, r#"{"type":"partial","text":"x","start_ms":-1,"end_ms":1}"#]
        {
            let fault = News::read(text).unwrap_err();
            assert_eq!(fault.kind, FaultKind::Protocol);
            assert!(!fault.detail.contains('x') || fault.detail.contains("understood"), "{}", fault.detail);
        }
    }
}
