//! Polly's requests: sound, or the places of words.

use super::sigv4::{self, Payload};
use super::{Refusal, offended, trouble, with_ids};
use crate::{Coding, Cut, Format, Moment, Sim, Vendor};
use axum::Extension;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};
use std::io;
use std::sync::Arc;
use std::time::Duration;
use url::form_urlencoded;

pub(super) const SERVICE: &str = "polly";
pub(super) const BROKEN: &str = "ServiceFailureException";
/// A request has no more.
const BODY_BYTES: usize = 64 << 10;
/// What is billed, and what is counted with the tags of SSML.
const CHARACTERS: (usize, usize) = (3_000, 6_000);
/// Odd, so that samples of two bytes are cut.
const PIECE: usize = 801;
/// Pronunciation lexicons of the account.
const LEXICONS: [&str; 2] = ["lexa", "lexb"];
/// A voice, the languages that it speaks, and its engines.
const VOICES: [(&str, &[&str], &[&str]); 9] = [
    ("Joanna", &["en-US"], &["standard", "neural", "generative"]),
    ("Matthew", &["en-US"], &["standard", "neural", "generative"]),
    ("Ruth", &["en-US"], &["neural", "long-form", "generative"]),
    ("Amy", &["en-GB"], &["standard", "neural", "generative"]),
    ("Camila", &["pt-BR"], &["standard", "neural", "generative"]),
    ("Thiago", &["pt-BR"], &["neural"]),
    ("Lucia", &["es-ES"], &["standard", "neural", "generative"]),
    ("Lupe", &["es-US"], &["standard", "neural", "generative"]),
    ("Mia", &["es-MX"], &["standard", "neural", "generative"]),
];

/// A request's body.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default, deny_unknown_fields)]
pub(super) struct Asked {
    pub(super) text: String,
    pub(super) text_type: Option<String>,
    pub(super) voice_id: String,
    pub(super) language_code: Option<String>,
    pub(super) engine: Option<String>,
    pub(super) output_format: String,
    pub(super) sample_rate: Option<String>,
    pub(super) lexicon_names: Vec<String>,
    pub(super) speech_mark_types: Vec<String>,
}

pub(super) async fn speech(State(sim): State<Arc<Sim>>, Extension(cut): Extension<Cut>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let answer = match trouble(&sim, BROKEN).await {
        Err(refusal) => Err(refusal),
        Ok(()) => match axum::body::to_bytes(body, BODY_BYTES).await {
            Ok(body) => read(&parts, &body).map_err(|refusal| offended(&sim, refusal)),
            Err(_) => Err(offended(&sim, Refusal::bad("ValidationException", "the body is too long"))),
        },
    };
    match answer {
        Ok(asked) => asked.answer(&sim, cut).await,
        Err(refusal) => refusal.answer(""),
    }
}

/// By a signed address, as browsers play it.
pub(super) async fn presigned(State(sim): State<Arc<Sim>>, Extension(cut): Extension<Cut>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    let asked = sigv4::presigned(&parts, SERVICE).and_then(|_| of_query(parts.uri.query().unwrap_or_default()).checked());
    match asked {
        Ok(asked) => asked.answer(&sim, cut).await,
        Err(refusal) => offended(&sim, refusal).answer(""),
    }
}

fn read(parts: &Parts, body: &[u8]) -> Result<Asked, Refusal> {
    sigv4::request(parts, SERVICE, Payload::Whole(body))?;
    let invalid = |why: String| Refusal::bad("ValidationException", why);
    if parts.headers.get(header::CONTENT_TYPE).is_none_or(|kind| kind != "application/json") {
        return Err(invalid("Content-Type must be application/json".to_owned()));
    }
    let asked: Asked = serde_json::from_slice(body).map_err(|error| invalid(format!("1 validation error detected: {error}")))?;
    asked.checked()
}

fn of_query(query: &str) -> Asked {
    let mut asked = Asked::default();
    for (name, value) in form_urlencoded::parse(query.as_bytes()).into_owned() {
        match name.as_str() {
            "Text" => asked.text = value,
            "TextType" => asked.text_type = Some(value),
            "VoiceId" => asked.voice_id = value,
            "LanguageCode" => asked.language_code = Some(value),
            "Engine" => asked.engine = Some(value),
            "OutputFormat" => asked.output_format = value,
            "SampleRate" => asked.sample_rate = Some(value),
            "LexiconNames" => asked.lexicon_names.push(value),
            "SpeechMarkTypes" => asked.speech_mark_types.push(value),
            _ => {}
        }
    }
    asked
}

impl Asked {
    /// # Errors
    /// What the service refuses.
    pub(super) fn checked(self) -> Result<Self, Refusal> {
        let refuse = |name, why: &str| Err(Refusal::bad(name, why));
        if self.text.is_empty() {
            return refuse("ValidationException", "1 validation error detected: Value at 'text' failed to satisfy constraint");
        }
        let Some((_, languages, engines)) = VOICES.iter().find(|(name, ..)| *name == self.voice_id) else {
            return refuse(
                "ValidationException",
                "1 validation error detected: Value at 'voiceId' failed to satisfy constraint: Member must satisfy enum value set",
            );
        };
        if !engines.contains(&self.engine.as_deref().unwrap_or("standard")) {
            return refuse("EngineNotSupportedException", "This voice does not support the selected engine");
        }
        if self.language_code.as_deref().is_some_and(|code| !languages.contains(&code)) {
            return refuse("LanguageNotSupportedException", "This voice does not support the selected language");
        }
        self.lexicons()?;
        self.marks()?;
        self.format()?;
        let spoken = self.spoken()?.chars().count();
        if spoken > CHARACTERS.0 || self.text.chars().count() > CHARACTERS.1 {
            return refuse("TextLengthExceededException", "Maximum text length has been exceeded");
        }
        Ok(self)
    }

    fn lexicons(&self) -> Result<(), Refusal> {
        if self.lexicon_names.len() > 5 {
            return Err(Refusal::bad("ValidationException", "at most five lexicons"));
        }
        match self.lexicon_names.iter().all(|name| LEXICONS.contains(&name.as_str())) {
            true => Ok(()),
            false => Err(Refusal::new(StatusCode::NOT_FOUND, "LexiconNotFoundException", "Lexicon not found")),
        }
    }

    fn marks(&self) -> Result<(), Refusal> {
        let known = |kind: &String| ["word", "sentence", "viseme", "ssml"].contains(&kind.as_str());
        match (self.output_format == "json", self.speech_mark_types.is_empty()) {
            (false, true) => Ok(()),
            (false, false) => Err(Refusal::bad("MarksNotSupportedForFormatException", "Speech marks need the json format")),
            (true, true) => Err(Refusal::bad("ValidationException", "the json format needs speech marks")),
            (true, false) if !self.speech_mark_types.iter().all(known) => {
                Err(Refusal::bad("ValidationException", "a kind of speech marks is not known"))
            }
            (true, false) if self.speech_mark_types.iter().any(|kind| kind == "ssml") && !self.is_ssml() => {
                Err(Refusal::bad("SsmlMarksNotSupportedForTextTypeException", "SSML marks need SSML"))
            }
            (true, false) => Ok(()),
        }
    }

    /// The samples' format and content type; none for speech marks.
    pub(super) fn format(&self) -> Result<Option<(Format, &'static str)>, Refusal> {
        let rate = |default: u32, rates: &[u32]| match self.sample_rate.as_deref().map(str::parse) {
            None => Ok(default),
            Some(Ok(rate)) if rates.contains(&rate) => Ok(rate),
            Some(_) => Err(Refusal::bad("InvalidSampleRateException", "Invalid sampleRate")),
        };
        let (coding, rate_hz, kind) = match self.output_format.as_str() {
            "json" => return Ok(None),
            "mulaw" => (Coding::Mulaw, rate(8_000, &[8_000])?, "audio/mulaw"),
            "alaw" => (Coding::Alaw, rate(8_000, &[8_000])?, "audio/alaw"),
            "pcm" => (Coding::Pcm, rate(16_000, &[8_000, 16_000])?, "audio/pcm"),
            "mp3" | "ogg_vorbis" | "ogg_opus" => return Err(Refusal::bad("ValidationException", "this format is not simulated")),
            _ => return Err(Refusal::bad("ValidationException", "1 validation error detected: Value at 'outputFormat'")),
        };
        Ok(Some((Format { coding, rate_hz }, kind)))
    }

    fn is_ssml(&self) -> bool {
        self.text_type.as_deref() == Some("ssml")
    }

    /// The words, without tags.
    fn spoken(&self) -> Result<String, Refusal> {
        match self.text_type.as_deref() {
            None | Some("text") => Ok(self.text.clone()),
            Some("ssml") => words_of(&self.text).ok_or_else(|| Refusal::bad("InvalidSsmlException", "Invalid SSML request")),
            Some(_) => Err(Refusal::bad("ValidationException", "1 validation error detected: Value at 'textType'")),
        }
    }

    async fn answer(&self, sim: &Arc<Sim>, cut: Cut) -> Response {
        let (Ok(format), Ok(text)) = (self.format(), self.spoken()) else {
            return Refusal::bad("ValidationException", "not checked").answer("");
        };
        if format.is_some() && sim.trouble("polly-html").is_some() {
            return axum::response::Html("<!doctype html><title>Welcome to the hotel</title>").into_response();
        }
        sim.wait(Vendor::Aws, Moment::FirstAudio).await;
        let (kind, body) = match format {
            Some((format, kind)) => (kind, sound(sim, cut, sim.voice(format).speak(&text).samples)),
            None if sim.trouble("polly-no-marks").is_some() => {
                return Refusal::bad("ValidationException", "trouble that was asked for").answer("");
            }
            None => ("application/x-json-stream", Body::from(marks(sim, &text))),
        };
        let mut response = with_ids(body.into_response());
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
        headers.insert("x-amzn-requestcharacters", HeaderValue::from(text.chars().count()));
        response
    }
}

/// Text between tags; none where they do not close what they open.
pub(super) fn words_of(ssml: &str) -> Option<String> {
    let (mut words, mut open, mut rest) = (String::new(), Vec::<&str>::new(), ssml.trim());
    if !rest.starts_with("<speak") {
        return None;
    }
    while let Some((before, tail)) = rest.split_once('<') {
        words.push_str(before);
        let (tag, after) = tail.split_once('>')?;
        rest = after;
        match (tag.strip_prefix('/'), tag.ends_with('/')) {
            (Some(name), _) => (open.pop() == Some(name.trim())).then_some(())?,
            (None, true) => words.push(' '),
            (None, false) => open.push(tag.split_whitespace().next()?),
        }
        if open.is_empty() && !rest.trim().is_empty() {
            return None;
        }
    }
    open.is_empty().then(|| words.replace("&amp;", "&").replace("&lt;", "<").replace("&gt;", ">"))
}

/// Samples in pieces, as the service makes them.
fn sound(sim: &Arc<Sim>, cut: Cut, samples: Vec<u8>) -> Body {
    if sim.trouble("polly-empty").is_some() {
        return Body::empty();
    }
    let (sim, samples) = (Arc::clone(sim), Bytes::from(samples));
    let pieces = futures_util::stream::unfold((samples, 0), move |(mut rest, said)| {
        let (sim, cut) = (Arc::clone(&sim), cut.clone());
        async move {
            if rest.is_empty() {
                return None;
            }
            if said > 0 {
                if sim.trouble_ahead("cut-after").is_some() {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                sim.said_one(&cut);
            }
            if said == 2 && sim.trouble("polly-stall").is_some() {
                std::future::pending::<()>().await;
            }
            if said == 2 && sim.trouble("polly-cut").is_some() {
                // What was said is on its way before the line breaks.
                tokio::time::sleep(Duration::from_millis(20)).await;
                return Some((Err(io::ErrorKind::ConnectionReset.into()), (Bytes::new(), said)));
            }
            let piece = rest.split_to(PIECE.min(rest.len()));
            Some((Ok::<_, io::Error>(piece), (rest, said + 1)))
        }
    });
    Body::from_stream(pieces)
}

/// A line for each word.
fn marks(sim: &Sim, text: &str) -> String {
    let speech = sim.voice(Format::pcm(16_000)).speak(text);
    let mut at = 0;
    let mut lines = String::new();
    for word in speech.words {
        let start = text.get(at..).and_then(|rest| rest.find(&word.text)).map_or(at, |place| at + place);
        at = start + word.text.len();
        let value = word.text.trim_matches(|letter: char| !letter.is_alphanumeric());
        let mark: Value =
            json!({ "time": word.start_ms, "type": "word", "start": start, "end": start + value.len(), "value": value });
        lines.push_str(&format!("{mark}\n"));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_voice_that_does_not_speak_with_the_default_engine_wants_its_own_named() {
        let asked = |engine: Option<&str>| Asked {
            text: "Hello".to_owned(),
            voice_id: "Thiago".to_owned(),
            engine: engine.map(str::to_owned),
            output_format: "pcm".to_owned(),
            ..Asked::default()
        };
        assert_eq!(asked(None).checked().map(|_| ()).map_err(|refusal| refusal.name), Err("EngineNotSupportedException"));
        assert!(asked(Some("neural")).checked().is_ok());
    }
}
