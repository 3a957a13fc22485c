//! The lines of a recording. Inputs are kept whole, since they are needed to run again; words and sound in effects only as
//! length and hash, unless clear text was asked for.

use super::turn::{Said, Told};
use super::{Header, Words};
use crate::api::{
    AudioFormat, Encoding, Fault, FaultKind, Fields, HttpOpen, LinkEffect, LinkErrorKind, LinkId, LinkInput, Payload, Remedy,
    RequestBody, SessionStart, SpeechEdge, Transcript, WebsocketOpen, Word,
};
use crate::cache::sha256;
use crate::signing::Signature;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use vg_links::wire::Signed;

const FORMAT: u32 = 1;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct HeaderLine {
    format: u32,
    plugin: String,
    version: String,
    digest: String,
    kind: String,
    language: String,
    audio: AudioLine,
    options: String,
    seed: String,
    words: String,
}

#[derive(Serialize, Deserialize)]
struct AudioLine {
    encoding: String,
    rate_hz: u32,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TurnLine {
    pub(super) mono_us: u64,
    pub(super) unix_ms: u64,
    pub(super) told: ToldLine,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) signatures: Vec<Signature>,
    /// None where the call never came back.
    pub(super) said: Option<Vec<Value>>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum ToldLine {
    Start,
    Audio(String),
    Routed { id: LinkId, data: String },
    SpeechStarted(u64),
    SpeechEnded(u64),
    Finalize,
    Text(String),
    Flush(u32),
    Cancel,
    End,
    Link(NewsLine),
    Timer(u32),
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum NewsLine {
    Signed { id: LinkId, signature: String, amz_date: String, scope: String },
    Opened { id: LinkId, status: u16, headers: Fields },
    Bytes { id: LinkId, data: String },
    Text { id: LinkId, data: String },
    Trailers { id: LinkId, fields: Fields },
    Finished { id: LinkId, code: Option<u16> },
    Failed { id: LinkId, kind: String, detail: String },
    Full { id: LinkId },
    Writable { id: LinkId },
}

impl HeaderLine {
    pub(super) fn of(header: &Header) -> Self {
        let start = &header.start;
        Self {
            format: FORMAT,
            plugin: header.plugin.clone(),
            version: header.version.clone(),
            digest: header.digest.clone(),
            kind: header.kind.as_str().to_owned(),
            language: start.language.clone(),
            audio: AudioLine { encoding: start.format.encoding.as_str().to_owned(), rate_hz: start.format.rate_hz },
            options: start.options.clone(),
            seed: STANDARD.encode(start.seed),
            words: header.words.as_str().to_owned(),
        }
    }

    /// What the line means, or which field is wrong.
    pub(super) fn header(self) -> Result<Header, &'static str> {
        if self.format != FORMAT {
            return Err("format");
        }
        let seed = STANDARD.decode(&self.seed).ok().and_then(|seed| seed.try_into().ok()).ok_or("seed")?;
        let encoding = Encoding::named(&self.audio.encoding).ok_or("audio")?;
        let format = AudioFormat { encoding, rate_hz: self.audio.rate_hz };
        Ok(Header {
            kind: crate::api::Kind::named(&self.kind).ok_or("kind")?,
            words: Words::named(&self.words).ok_or("words")?,
            start: SessionStart { format, language: self.language, options: self.options, seed },
            plugin: self.plugin,
            version: self.version,
            digest: self.digest,
        })
    }
}

impl ToldLine {
    pub(super) fn of(told: &Told) -> Self {
        match told {
            // The header has it.
            Told::Start(_) => Self::Start,
            Told::Audio(samples) => Self::Audio(STANDARD.encode(samples)),
            Told::Routed(id, samples) => Self::Routed { id: *id, data: STANDARD.encode(samples) },
            Told::Edge(SpeechEdge::Started(ms)) => Self::SpeechStarted(*ms),
            Told::Edge(SpeechEdge::Ended(ms)) => Self::SpeechEnded(*ms),
            Told::Finalize => Self::Finalize,
            Told::Text(text) => Self::Text(text.clone()),
            Told::Flush(mark) => Self::Flush(*mark),
            Told::Cancel => Self::Cancel,
            Told::End => Self::End,
            Told::Link(news) => Self::Link(NewsLine::of(news)),
            Told::Timer(id) => Self::Timer(*id),
        }
    }

    pub(super) fn told(self, start: &SessionStart) -> Result<Told, &'static str> {
        Ok(match self {
            Self::Start => Told::Start(start.clone()),
            Self::Audio(samples) => Told::Audio(STANDARD.decode(samples).map_err(|_| "audio")?),
            Self::Routed { id, data } => Told::Routed(id, STANDARD.decode(data).map_err(|_| "routed")?),
            Self::SpeechStarted(ms) => Told::Edge(SpeechEdge::Started(ms)),
            Self::SpeechEnded(ms) => Told::Edge(SpeechEdge::Ended(ms)),
            Self::Finalize => Told::Finalize,
            Self::Text(text) => Told::Text(text),
            Self::Flush(mark) => Told::Flush(mark),
            Self::Cancel => Told::Cancel,
            Self::End => Told::End,
            Self::Link(news) => Told::Link(news.news()?),
            Self::Timer(id) => Told::Timer(id),
        })
    }
}

impl NewsLine {
    fn of(news: &LinkInput) -> Self {
        match news {
            LinkInput::Signed(id, signed) => Self::Signed {
                id: *id,
                signature: signed.signature.clone(),
                amz_date: signed.amz_date.clone(),
                scope: signed.scope.clone(),
            },
            LinkInput::Opened { id, status, headers } => Self::Opened { id: *id, status: *status, headers: headers.clone() },
            LinkInput::Bytes(id, Payload(data)) => Self::Bytes { id: *id, data: STANDARD.encode(data) },
            LinkInput::Text(id, Payload(data)) => Self::Text { id: *id, data: String::from_utf8_lossy(data).into_owned() },
            LinkInput::Trailers(id, fields) => Self::Trailers { id: *id, fields: fields.clone() },
            LinkInput::Finished(id, code) => Self::Finished { id: *id, code: *code },
            LinkInput::Failed { id, kind, detail } => {
                Self::Failed { id: *id, kind: kind.code().to_owned(), detail: detail.clone() }
            }
            LinkInput::Full(id) => Self::Full { id: *id },
            LinkInput::Writable(id) => Self::Writable { id: *id },
        }
    }

    fn news(self) -> Result<LinkInput, &'static str> {
        Ok(match self {
            // The key that continues the chain stayed with the host that recorded.
            Self::Signed { id, signature, amz_date, scope } => {
                LinkInput::Signed(id, Signed { signature, amz_date, scope, signer: None })
            }
            Self::Opened { id, status, headers } => LinkInput::Opened { id, status, headers },
            Self::Bytes { id, data } => LinkInput::Bytes(id, Payload(STANDARD.decode(data).map_err(|_| "bytes")?)),
            Self::Text { id, data } => LinkInput::Text(id, Payload(data.into_bytes())),
            Self::Trailers { id, fields } => LinkInput::Trailers(id, fields),
            Self::Finished { id, code } => LinkInput::Finished(id, code),
            Self::Failed { id, kind, detail } => LinkInput::Failed { id, kind: link_error(&kind)?, detail },
            Self::Full { id } => LinkInput::Full(id),
            Self::Writable { id } => LinkInput::Writable(id),
        })
    }
}

fn link_error(code: &str) -> Result<LinkErrorKind, &'static str> {
    use LinkErrorKind as Kind;
    let kinds =
        [Kind::EgressDenied, Kind::Dns, Kind::Connect, Kind::Tls, Kind::Timeout, Kind::Protocol, Kind::Reset, Kind::Limit];
    kinds.into_iter().find(|kind| kind.code() == code).ok_or("kind of link error")
}

/// One effect as it is written and compared.
pub(super) fn said(said: &Said, words: Words) -> Value {
    let name = said.name();
    match said {
        Said::Link(effect) => json!({ name: link_effect(effect, words) }),
        Said::Route(route) => json!({ name: { "id": route.link, "prefix": STANDARD.encode(&route.prefix) } }),
        Said::SpeechStarted(ms) | Said::SpeechEnded(ms) => json!({ name: ms }),
        Said::Partial(heard) | Said::Final(heard) => json!({ name: transcript(heard, words) }),
        Said::Audio(samples) => json!({ name: bytes(samples, words) }),
        Said::Word(spoken) => json!({ name: word(spoken, words) }),
        Said::Flushed(mark) => json!({ name: mark }),
        Said::Timer(timer) => json!({ name: { "id": timer.id, "delay_ms": timer.delay_ms } }),
        Said::Usage(usage) => {
            json!({ name: { "audio_ms": usage.audio_ms, "characters": usage.characters, "requests": usage.requests } })
        }
        Said::Fail(fault) => json!({ name: fault_line(fault) }),
        Said::Finalized | Said::Cancelled | Said::Done => json!(name),
    }
}

fn link_effect(effect: &LinkEffect, words: Words) -> Value {
    match effect {
        LinkEffect::Http(open) => json!({ "http": http(open, words) }),
        LinkEffect::Websocket(open) => json!({ "websocket": websocket(open, words) }),
        LinkEffect::Preconnect(wish) => json!({ "preconnect": { "url": text(&wish.url, words) } }),
        LinkEffect::SendBytes(id, Payload(data)) => json!({ "send-bytes": { "id": id, "data": bytes(data, words) } }),
        LinkEffect::SendText(id, Payload(data)) => {
            json!({ "send-text": { "id": id, "data": text(&String::from_utf8_lossy(data), words) } })
        }
        LinkEffect::Finish(id) => json!({ "finish": { "id": id } }),
        LinkEffect::Close(id) => json!({ "close": { "id": id } }),
    }
}

// A URL, a header or a body may carry what a caller said.
fn http(open: &HttpOpen, words: Words) -> Value {
    let body = match &open.body {
        RequestBody::None => json!("none"),
        RequestBody::Whole(body) => json!({ "whole": bytes(body, words) }),
        RequestBody::Streaming => json!("streaming"),
    };
    json!({
        "id": open.id,
        "method": open.method,
        "url": text(&open.url, words),
        "headers": fields(&open.headers, words),
        "body": body,
        "version": format!("{:?}", open.version).to_lowercase(),
        "auth": format!("{:?}", open.auth),
    })
}

fn websocket(open: &WebsocketOpen, words: Words) -> Value {
    json!({
        "id": open.id,
        "url": text(&open.url, words),
        "headers": fields(&open.headers, words),
        "subprotocols": open.subprotocols,
        "auth": format!("{:?}", open.auth),
    })
}

fn fields(fields: &Fields, words: Words) -> Value {
    fields.iter().map(|(name, value)| json!([name, text(value, words)])).collect()
}

fn transcript(heard: &Transcript, words: Words) -> Value {
    json!({
        "text": text(&heard.text, words),
        "language": heard.language,
        "confidence": heard.confidence,
        "stability": heard.stability,
        "start_ms": heard.start_ms,
        "end_ms": heard.end_ms,
        "words": heard.words.iter().map(|spoken| word(spoken, words)).collect::<Vec<_>>(),
    })
}

fn word(spoken: &Word, words: Words) -> Value {
    json!({
        "text": text(&spoken.text, words),
        "start_ms": spoken.start_ms,
        "end_ms": spoken.end_ms,
        "confidence": spoken.confidence,
    })
}

fn fault_line(fault: &Fault) -> Value {
    let retry_after_ms = if let FaultKind::Quota { retry_after_ms } = fault.kind { retry_after_ms } else { None };
    let remedy = match fault.remedy {
        Remedy::Retry => "retry",
        Remedy::NextProvider => "next-provider",
        Remedy::Configuration => "configuration",
        Remedy::Caller => "caller",
    };
    json!({ "kind": fault.kind.code(), "retry_after_ms": retry_after_ms, "remedy": remedy, "detail": fault.detail })
}

fn text(text: &str, words: Words) -> Value {
    match words {
        Words::Clear => json!(text),
        Words::Hashed => hashed(text.as_bytes()),
    }
}

fn bytes(data: &[u8], words: Words) -> Value {
    match words {
        Words::Clear => json!(STANDARD.encode(data)),
        Words::Hashed => hashed(data),
    }
}

fn hashed(data: &[u8]) -> Value {
    json!({ "bytes": data.len(), "sha256": sha256(data) })
}
