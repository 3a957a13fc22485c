//! What a tenant may choose.

use serde::{Deserialize, Serialize};
use vg_plugin_sdk::{Fault, json};

/// JSON Schema of [`Options`].
pub(crate) const SCHEMA: &str = r#"{
"type":"object","additionalProperties":false,"properties":{
  "voice":{"type":"string","pattern":"^[A-Za-z0-9_-]+$","default":"21m00Tcm4TlvDq8ikWAM","description":"a voice's id"},
  "model":{"type":"string","pattern":"^[A-Za-z0-9_.-]+$","default":"eleven_flash_v2_5","description":"a model's id"},
  "transport":{"enum":["websocket","stream","timestamps"],"default":"websocket","description":"websocket: sound while text still comes. stream: requests, sentence by sentence. timestamps: the same, with the places of words"},
  "endpoint":{"type":"string","description":"scheme://host[:port] in place of https://api.elevenlabs.io, for a data residency or a simulator"},
  "stability":{"type":"number","minimum":0,"maximum":1,"description":"default: the voice's own"},
  "similarity_boost":{"type":"number","minimum":0,"maximum":1,"description":"default: the voice's own"},
  "style":{"type":"number","minimum":0,"maximum":1,"description":"default: the voice's own"},
  "use_speaker_boost":{"type":"boolean","description":"default: the voice's own"},
  "speed":{"type":"number","minimum":0.7,"maximum":1.2,"description":"default: the voice's own"},
  "seed":{"type":"integer","minimum":0,"maximum":4294967295,"description":"the same text sounds the same"},
  "apply_text_normalization":{"enum":["auto","on","off"],"description":"whether numbers are written out; default: the model's own"},
  "chunk_length_schedule":{"type":"array","items":{"type":"integer","minimum":50,"maximum":500},"minItems":1,"default":[50],"description":"websocket: characters that are collected before each generation"},
  "auto_mode":{"type":"boolean","default":false,"description":"websocket: generate each piece at once; good where whole sentences come"},
  "enable_ssml_parsing":{"type":"boolean","default":false,"description":"take break and phoneme tags in the text"},
  "enable_logging":{"type":"boolean","default":true,"description":"false: ElevenLabs keeps no history (enterprise only)"}
}}"#;

/// How it is asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Transport {
    #[default]
    Websocket,
    Stream,
    Timestamps,
}

/// See [`SCHEMA`].
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Options {
    pub(crate) voice: String,
    pub(crate) model: String,
    pub(crate) transport: Transport,
    pub(crate) endpoint: Option<String>,
    pub(crate) stability: Option<f64>,
    pub(crate) similarity_boost: Option<f64>,
    pub(crate) style: Option<f64>,
    pub(crate) use_speaker_boost: Option<bool>,
    pub(crate) speed: Option<f64>,
    pub(crate) seed: Option<u32>,
    pub(crate) apply_text_normalization: Option<String>,
    pub(crate) chunk_length_schedule: Vec<u32>,
    pub(crate) auto_mode: bool,
    pub(crate) enable_ssml_parsing: bool,
    pub(crate) enable_logging: bool,
}

/// What differs from the voice's own.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct VoiceSettings {
    #[serde(skip_serializing_if = "Option::is_none")]
    stability: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    use_speaker_boost: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    similarity_boost: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    style: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    speed: Option<f64>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            voice: "21m00Tcm4TlvDq8ikWAM".to_owned(),
            model: "eleven_flash_v2_5".to_owned(),
            transport: Transport::default(),
            endpoint: None,
            stability: None,
            similarity_boost: None,
            style: None,
            use_speaker_boost: None,
            speed: None,
            seed: None,
            apply_text_normalization: None,
            chunk_length_schedule: vec![50],
            auto_mode: false,
            enable_ssml_parsing: false,
            enable_logging: true,
        }
    }
}

impl Options {
    /// The host has held them against the schema; this is for hosts that have not.
    pub(crate) fn read(text: &str) -> Result<Self, Fault> {
        json::from_str(text).map_err(|error| Fault::option("", error.to_string()))
    }

    /// None where everything is the voice's own.
    pub(crate) fn voice_settings(&self) -> Option<VoiceSettings> {
        let settings = VoiceSettings {
            stability: self.stability,
            use_speaker_boost: self.use_speaker_boost,
            similarity_boost: self.similarity_boost,
            style: self.style,
            speed: self.speed,
        };
        let own = settings.stability.is_none()
            && settings.use_speaker_boost.is_none()
            && settings.similarity_boost.is_none()
            && settings.style.is_none()
            && settings.speed.is_none();
        (!own).then_some(settings)
    }
}
