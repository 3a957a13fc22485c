//! `POST /v1/audio/speech`: what is asked, and what a refusal means. The answer is [`sound`].

pub(crate) mod sound;

use crate::options::{Options, Stream, Voice};
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};
use vg_plugin_sdk::{Fault, FaultKind, Remedy, SessionStart, json, link, options};
use vg_wire::openai::{Refusal, wait_ms};

const ORIGIN: &str = "https://api.openai.com";
const USER_AGENT: &str = concat!("serphona-voice-gateway/", env!("CARGO_PKG_VERSION"));

/// In the order of the vendor's own library.
#[derive(Serialize)]
struct Body<'a> {
    model: &'a str,
    input: &'a str,
    voice: &'a Voice,
    #[serde(skip_serializing_if = "str::is_empty")]
    instructions: &'a str,
    response_format: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    speed: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stream_format: Option<&'a str>,
}

impl Serialize for Voice {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Named(name) => serializer.serialize_str(name),
            Self::Id(id) => {
                let mut map = serializer.serialize_map(Some(1))?;
                map.serialize_entry("id", id)?;
                map.end()
            }
        }
    }
}

/// How one session asks.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) url: String,
    voice: Voice,
    pub(crate) options: Options,
}

impl Plan {
    pub(crate) fn new(start: &SessionStart) -> Result<Self, Fault> {
        let options = Options::read(&start.options)?;
        let url = options::endpoint(&start.options, &format!("{ORIGIN}{}/audio/speech", options.base_path))?;
        Ok(Self { url, voice: options.voice(&start.language), options })
    }

    pub(crate) fn request(&self, id: link::LinkId, text: &str) -> Result<link::HttpOpen, Fault> {
        let options = &self.options;
        let body = Body {
            model: &options.model,
            input: text,
            voice: &self.voice,
            instructions: &options.instructions,
            response_format: "pcm",
            speed: (options.speed != 1.0).then_some(options.speed),
            stream_format: (options.stream == Stream::Sse).then_some("sse"),
        };
        let body = json::to_string(&body).map_err(|_| Fault::new(FaultKind::Internal, "the request cannot be written"))?;
        let mut open = link::http(id, "POST", self.url.clone());
        if !options.keyless {
            open = open.header("authorization", "Bearer {secret:api_key}");
        }
        open =
            open.header("accept", if options.stream == Stream::Sse { "text/event-stream" } else { "application/octet-stream" });
        open = open.header("content-type", "application/json").header("user-agent", USER_AGENT);
        for (name, value) in [("openai-organization", &options.organization), ("openai-project", &options.project)] {
            if !value.is_empty() {
                open = open.header(name, value.clone());
            }
        }
        Ok(open.body(body))
    }
}

/// What a refusal means. Of the body only codes are told: its text may repeat what was to be said.
pub(crate) fn fault(status: u16, headers: &[(String, String)], refusal: &Refusal) -> Fault {
    let detail = format!("the vendor answered with status {status} {}", refusal.name());
    if refusal.is_unpaid() {
        return Fault::new(FaultKind::Quota(None), detail);
    }
    let option = match refusal.param.as_str() {
        "model" | "instructions" | "speed" => refusal.param.as_str(),
        // A wrong id of a custom voice comes as `voice.id`.
        param if param.starts_with("voice") => "voice",
        "stream_format" => "stream",
        _ if refusal.code == "model_not_found" => "model",
        _ => "",
    };
    match status {
        400 | 404 | 422 if !option.is_empty() => Fault::option(&format!("/{option}"), detail),
        // What is left of a request that is well-formed is its text, and that is another one next time.
        400 | 413 | 422 => Fault { kind: FaultKind::Unsupported, remedy: Remedy::NextProvider, detail },
        409 => Fault::new(FaultKind::Unavailable, detail),
        429 => Fault::new(FaultKind::Quota(wait_ms(|name| link::field(headers, name))), detail),
        _ => match Fault::of_status(status, headers) {
            Some(fault) => Fault { detail, ..fault },
            None => Fault::new(FaultKind::Protocol, detail),
        },
    }
}
