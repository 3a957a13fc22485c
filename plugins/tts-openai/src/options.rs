//! What a tenant may choose.

use serde::Deserialize;
use std::collections::BTreeMap;
use vg_plugin_sdk::{Fault, json};

/// JSON Schema of [`Options`].
pub(crate) const SCHEMA: &str = r#"{
"type":"object","additionalProperties":false,"properties":{
  "model":{"type":"string","minLength":1,"default":"gpt-4o-mini-tts","description":"the model that speaks, as the server names it"},
  "voice":{"type":"string","minLength":1,"default":"alloy","description":"the voice, as the server names it"},
  "voice_id":{"type":"string","minLength":1,"description":"a custom voice of OpenAI, sent as {\"id\":..}; default: none, voice is sent"},
  "voices":{"type":"object","additionalProperties":{"type":"string","minLength":1},"default":{},"description":"a voice by language tag, for example {\"pt-BR\":\"nova\"}, before voice and voice_id"},
  "instructions":{"type":"string","default":"","description":"how to speak, for models that take it; empty: not sent"},
  "speed":{"type":"number","minimum":0.25,"maximum":4,"default":1,"description":"1 is not sent, since not every server takes it"},
  "stream":{"enum":["audio","sse"],"default":"audio","description":"audio: raw samples as they are made. sse: the same as server-sent events, with an announced end; tts-1 and most other servers do not offer it"},
  "pcm_rate_hz":{"enum":[8000,16000,22050,24000,44100,48000],"default":24000,"description":"the rate of the server's pcm; OpenAI's is 24000"},
  "text_max":{"type":"integer","minimum":100,"maximum":100000,"default":4096,"description":"characters of one request; longer texts are cut between words"},
  "base_path":{"type":"string","pattern":"^(/[A-Za-z0-9._~-]+)*$","default":"/v1","description":"what stands before /audio/speech"},
  "keyless":{"type":"boolean","default":false,"description":"send no authorization: for servers of one's own"},
  "organization":{"type":"string","pattern":"^[A-Za-z0-9_-]*$","default":"","description":"OpenAI-Organization; empty: not sent"},
  "project":{"type":"string","pattern":"^[A-Za-z0-9_-]*$","default":"","description":"OpenAI-Project; empty: not sent"},
  "endpoint":{"type":"string","default":"https://api.openai.com","description":"scheme://host[:port] of a compatible server or a proxy"}
}}"#;

/// How the audio comes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Stream {
    #[default]
    Audio,
    Sse,
}

/// See [`SCHEMA`].
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Options {
    pub(crate) model: String,
    voice: String,
    voice_id: Option<String>,
    voices: BTreeMap<String, String>,
    pub(crate) instructions: String,
    pub(crate) speed: f64,
    pub(crate) stream: Stream,
    pub(crate) pcm_rate_hz: u32,
    pub(crate) text_max: usize,
    pub(crate) base_path: String,
    pub(crate) keyless: bool,
    pub(crate) organization: String,
    pub(crate) project: String,
    /// Read by the SDK.
    #[serde(rename = "endpoint")]
    _endpoint: Option<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            model: "gpt-4o-mini-tts".to_owned(),
            voice: "alloy".to_owned(),
            voice_id: None,
            voices: BTreeMap::new(),
            instructions: String::new(),
            speed: 1.0,
            stream: Stream::default(),
            pcm_rate_hz: 24_000,
            text_max: 4096,
            base_path: "/v1".to_owned(),
            keyless: false,
            organization: String::new(),
            project: String::new(),
            _endpoint: None,
        }
    }
}

/// Who speaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Voice {
    Named(String),
    /// A custom one.
    Id(String),
}

impl Options {
    /// The host has held them against the schema; this is for hosts that have not.
    pub(crate) fn read(text: &str) -> Result<Self, Fault> {
        json::from_str(text).map_err(|error| Fault::option("", error.to_string()))
    }

    pub(crate) fn voice(&self, language: &str) -> Voice {
        let own = self.voices.iter().find(|(tag, _)| tag.eq_ignore_ascii_case(language)).map(|(_, voice)| voice);
        match (own, &self.voice_id) {
            (Some(voice), _) => Voice::Named(voice.clone()),
            (None, Some(id)) => Voice::Id(id.clone()),
            (None, None) => Voice::Named(self.voice.clone()),
        }
    }
}
