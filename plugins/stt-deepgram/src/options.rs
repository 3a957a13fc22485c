//! What a tenant may choose.

use serde::Deserialize;
use vg_plugin_sdk::{Fault, json};

/// JSON Schema of [`Options`].
pub(crate) const SCHEMA: &str = r#"{
"type":"object","additionalProperties":false,"properties":{
  "api":{"enum":["nova","flux"],"default":"nova","description":"nova: /v1/listen, every language. flux: /v2/listen, which decides itself when a turn ends"},
  "model":{"type":"string","pattern":"^[A-Za-z0-9._-]+$","description":"default: nova-3, for flux flux-general-en"},
  "auth":{"enum":["key","bearer"],"default":"key","description":"what the secret api_key holds: an API key, or a temporary token"},
  "endpoint":{"type":"string","description":"scheme://host[:port] in place of wss://api.deepgram.com, for the EU or a server of your own"},
  "keyterms":{"type":"array","items":{"type":"string","minLength":1},"maxItems":100,"default":[],"description":"words and phrases that are likely to be said"},
  "smart_format":{"type":"boolean","default":false,"description":"write numbers, dates and amounts as people write them"},
  "punctuate":{"type":"boolean","default":true,"description":"punctuation and capitals"},
  "numerals":{"type":"boolean","default":false,"description":"digits for spoken numbers"},
  "profanity_filter":{"type":"boolean","default":false,"description":"mask swear words"},
  "endpointing_ms":{"type":"integer","minimum":0,"maximum":5000,"default":300,"description":"nova: pause after which an utterance is final; 0: only when the gateway asks"},
  "utterance_end_ms":{"type":"integer","minimum":1000,"maximum":5000,"description":"nova: pause between words after which Deepgram tells the end of an utterance"},
  "eot_threshold":{"type":"number","minimum":0.5,"maximum":0.9,"description":"flux: confidence that ends a turn"},
  "eager_eot_threshold":{"type":"number","minimum":0.3,"maximum":0.9,"description":"flux: confidence for an early, revocable end of turn"},
  "eot_timeout_ms":{"type":"integer","minimum":500,"maximum":10000,"description":"flux: silence that ends a turn in any case"},
  "mip_opt_out":{"type":"boolean","default":false,"description":"keep the audio out of Deepgram's model improvement program"}
}}"#;

/// Which of Deepgram's streaming interfaces.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Api {
    #[default]
    Nova,
    Flux,
}

/// What the secret is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Auth {
    #[default]
    Key,
    Bearer,
}

/// See [`SCHEMA`].
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Options {
    pub(crate) api: Api,
    pub(crate) model: Option<String>,
    pub(crate) auth: Auth,
    pub(crate) endpoint: Option<String>,
    pub(crate) keyterms: Vec<String>,
    pub(crate) smart_format: bool,
    pub(crate) punctuate: bool,
    pub(crate) numerals: bool,
    pub(crate) profanity_filter: bool,
    pub(crate) endpointing_ms: u32,
    pub(crate) utterance_end_ms: Option<u32>,
    pub(crate) eot_threshold: Option<f64>,
    pub(crate) eager_eot_threshold: Option<f64>,
    pub(crate) eot_timeout_ms: Option<u32>,
    pub(crate) mip_opt_out: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            api: Api::default(),
            model: None,
            auth: Auth::default(),
            endpoint: None,
            keyterms: Vec::new(),
            smart_format: false,
            punctuate: true,
            numerals: false,
            profanity_filter: false,
            endpointing_ms: 300,
            utterance_end_ms: None,
            eot_threshold: None,
            eager_eot_threshold: None,
            eot_timeout_ms: None,
            mip_opt_out: false,
        }
    }
}

impl Options {
    /// The host has held them against the schema; this is for hosts that have not.
    pub(crate) fn read(text: &str) -> Result<Self, Fault> {
        json::from_str(text).map_err(|error| Fault::option("", error.to_string()))
    }
}
