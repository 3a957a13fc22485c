//! The service's wire: requests for sound and for marks, and the events of a stream.
//! <https://docs.aws.amazon.com/polly/latest/dg/API_SynthesizeSpeech.html>

mod refusal;

use crate::options::Options;
use crate::voice::{Script, Voice};
use serde::{Deserialize, Serialize};
use vg_plugin_sdk::{
    Fault, FaultKind,
    link::{self, AwsPayload, AwsSigv4, HttpOpen, LinkId},
};
use vg_wire::event_stream::Message;

pub(crate) use refusal::{named, of_exception, of_head};

/// Content type of both directions of a stream.
pub(crate) const EVENT_STREAM: &str = "application/vnd.amazon.eventstream";
/// Content type of speech marks.
pub(crate) const MARKS: &str = "application/x-json-stream";
/// Bytes of one message of the service beyond which something is wrong.
pub(crate) const MESSAGE_BYTES_MAX: u32 = 512 << 10;
/// Bytes of one speech mark beyond which something is wrong.
const MARK_BYTES_MAX: usize = 16 << 10;
const AGENT: &str = concat!("serphona-voice-gateway/", env!("CARGO_PKG_VERSION"));

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Speech<'a> {
    text: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    text_type: Option<&'static str>,
    voice_id: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    language_code: &'a str,
    engine: &'static str,
    output_format: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    sample_rate: Option<String>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    lexicon_names: &'a [String],
    #[serde(skip_serializing_if = "<[&str]>::is_empty")]
    speech_mark_types: &'a [&'static str],
}

/// A request for the sound of a text.
pub(crate) fn sound(secret: &str, options: &Options, voice: &Voice, script: &Script, id: LinkId) -> Result<HttpOpen, Fault> {
    let rate = Some(voice.format.rate_hz.to_string());
    request(secret, options, &speech(voice, script, voice.output_format(), rate, &[]), id)
}

/// A request for the places of its words.
pub(crate) fn marks(secret: &str, options: &Options, voice: &Voice, script: &Script, id: LinkId) -> Result<HttpOpen, Fault> {
    request(secret, options, &speech(voice, script, "json", None, &["word"]), id)
}

fn speech<'a>(
    voice: &'a Voice,
    script: &'a Script,
    output_format: &'static str,
    sample_rate: Option<String>,
    speech_mark_types: &'a [&'static str],
) -> Speech<'a> {
    Speech {
        text: &script.text,
        text_type: script.is_ssml.then_some("ssml"),
        voice_id: &voice.name,
        language_code: &voice.language_code,
        engine: voice.engine.name(),
        output_format,
        sample_rate,
        lexicon_names: &voice.lexicons,
        speech_mark_types,
    }
}

fn request(secret: &str, options: &Options, speech: &Speech<'_>, id: LinkId) -> Result<HttpOpen, Fault> {
    let body = serde_json::to_vec(speech).map_err(|_| Fault::new(FaultKind::Internal, "a request cannot be written"))?;
    Ok(link::http(id, "POST", options.url("/v1/speech")?)
        .header("content-type", "application/json")
        .header("user-agent", AGENT)
        .body(body)
        .aws(sign(secret, options, AwsPayload::Hashed)))
}

/// A stream that takes text while it gives sound.
pub(crate) fn stream(secret: &str, options: &Options, voice: &Voice, id: LinkId) -> Result<HttpOpen, Fault> {
    let mut open = link::http(id, "POST", options.url("/v1/synthesisStream")?)
        .http2()
        .streaming()
        .header("x-amzn-engine", voice.engine.name())
        .header("x-amzn-outputformat", voice.output_format())
        .header("x-amzn-voiceid", voice.name.as_str());
    if !voice.language_code.is_empty() {
        open = open.header("x-amzn-languagecode", voice.language_code.as_str());
    }
    if !voice.lexicons.is_empty() {
        open = open.header("x-amzn-lexiconnames", voice.lexicons.join(", "));
    }
    Ok(open
        .header("x-amzn-samplerate", voice.format.rate_hz.to_string())
        .header("content-type", EVENT_STREAM)
        .header("user-agent", AGENT)
        .aws(sign(secret, options, AwsPayload::EventStream)))
}

fn sign(secret: &str, options: &Options, payload: AwsPayload) -> AwsSigv4 {
    AwsSigv4 { secret: secret.to_owned(), region: options.region.clone(), service: "polly".to_owned(), payload }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct TextEvent<'a> {
    text: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    text_type: Option<&'static str>,
}

/// A piece of text for a stream.
pub(crate) fn text_event(script: &Script) -> Result<Vec<u8>, Fault> {
    let event = TextEvent { text: &script.text, text_type: script.is_ssml.then_some("ssml") };
    let payload = serde_json::to_vec(&event).map_err(|_| Fault::new(FaultKind::Internal, "an event cannot be written"))?;
    Ok(Message::event("TextEvent", "application/json", payload).encode())
}

/// No further text: the rest is to be spoken.
pub(crate) fn close_event() -> Vec<u8> {
    Message::event("CloseStreamEvent", "application/json", *b"{}").encode()
}

/// What a message of a stream says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Event {
    Audio(Vec<u8>),
    /// All sound was given; characters that are billed, where it says so.
    Closed(Option<u64>),
    /// Nothing for this version.
    Other,
}

/// Reads it.
///
/// # Errors
/// What the service complains of, or that it is nothing that the protocol knows.
pub(crate) fn event(message: Message) -> Result<Event, Fault> {
    match (message.text(":message-type"), message.text(":event-type")) {
        (Some("event"), Some("AudioEvent")) => Ok(Event::Audio(message.payload)),
        (Some("event"), Some("StreamClosedEvent")) => {
            let closed: Option<Closed> = serde_json::from_slice(&message.payload).ok();
            Ok(Event::Closed(closed.and_then(|closed| closed.request_characters)))
        }
        (Some("event"), _) => Ok(Event::Other),
        (Some("exception"), _) => Err(of_exception(message.text(":exception-type").unwrap_or_default(), &message.payload)),
        (Some("error"), _) => Err(named(message.text(":error-code").unwrap_or_default(), None)),
        _ => Err(Fault::new(FaultKind::Protocol, "a message is neither event nor exception")),
    }
}

#[derive(Deserialize)]
struct Closed {
    #[serde(rename = "RequestCharacters")]
    request_characters: Option<u64>,
}

/// A word and where it begins.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct Mark {
    pub(crate) time: u64,
    #[serde(rename = "type")]
    kind: String,
    pub(crate) value: String,
}

/// Puts speech marks together: one JSON object a line.
#[derive(Clone, Debug, Default)]
pub(crate) struct MarkLines {
    waiting: Vec<u8>,
}

impl MarkLines {
    /// More of the answer; none where it is no answer of that kind.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> Option<Vec<Mark>> {
        self.waiting.extend(bytes);
        let end = self.waiting.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let rest = self.waiting.split_off(end);
        let lines = std::mem::replace(&mut self.waiting, rest);
        (self.waiting.len() <= MARK_BYTES_MAX).then_some(())?;
        read(&lines)
    }

    /// The last line, should it not be ended.
    pub(crate) fn end(&mut self) -> Option<Vec<Mark>> {
        read(&std::mem::take(&mut self.waiting))
    }
}

fn read(lines: &[u8]) -> Option<Vec<Mark>> {
    let lines = lines.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty());
    let marks: Result<Vec<Mark>, _> = lines.map(serde_json::from_slice).collect();
    Some(marks.ok()?.into_iter().filter(|mark: &Mark| mark.kind == "word").collect())
}

#[cfg(test)]
mod tests;
