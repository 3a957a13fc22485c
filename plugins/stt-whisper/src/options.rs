//! What a tenant may choose.

use serde::Deserialize;
use vg_plugin_sdk::{Fault, json};

/// JSON Schema of [`Options`].
pub(crate) const SCHEMA: &str = r#"{
"type":"object","additionalProperties":false,"properties":{
  "mode":{"enum":["utterance","realtime"],"default":"utterance","description":"utterance: one request for each stretch of speech, at any server of this kind. realtime: one WebSocket for the call, words while they are spoken"},
  "model":{"type":"string","minLength":1,"description":"the model, as the server names it; default: gpt-transcribe, in realtime gpt-live-transcribe"},
  "prompt":{"type":"string","default":"","description":"names and words that are likely to be said, or how to write them; empty: not sent"},
  "keywords":{"type":"array","items":{"type":"string","minLength":1},"maxItems":100,"default":[],"description":"utterance: words that are likely to be said, for models that take them apart from the prompt"},
  "detect_language":{"type":"boolean","default":false,"description":"do not tell the language of the call"},
  "pre_roll_ms":{"type":"integer","minimum":0,"maximum":1000,"default":300,"description":"sound before the place where the gateway heard speech begin that is sent, too"},
  "speech_max_s":{"type":"integer","minimum":5,"maximum":60,"default":25,"description":"speech without a pause is cut after so many seconds"},
  "response":{"enum":["json","verbose_json","stream"],"default":"json","description":"utterance: verbose_json has times of words (whisper-1 and most servers of one's own), stream has words before the end (not whisper-1)"},
  "temperature":{"type":"number","minimum":0,"maximum":1,"description":"utterance: default: the server's"},
  "confidence":{"type":"boolean","default":false,"description":"utterance, gpt-4o models: ask for log probabilities and give them as confidence"},
  "protocol":{"enum":["ga","beta"],"default":"ga","description":"realtime: beta is the older form, with transcription_session.update, which some servers still speak"},
  "turns":{"enum":["host","server_vad","semantic_vad"],"default":"host","description":"realtime: who decides where speech is cut. host: the gateway, and only speech is sent and paid for"},
  "vad_threshold":{"type":"number","minimum":0,"maximum":1,"default":0.5,"description":"realtime, server_vad: how loud speech is"},
  "vad_prefix_ms":{"type":"integer","minimum":0,"maximum":5000,"default":300,"description":"realtime, server_vad: sound before speech that belongs to it"},
  "vad_silence_ms":{"type":"integer","minimum":50,"maximum":10000,"default":500,"description":"realtime, server_vad: silence that ends speech"},
  "eagerness":{"enum":["auto","low","medium","high"],"default":"auto","description":"realtime, semantic_vad: how soon speech is taken to be over"},
  "noise_reduction":{"enum":["none","near_field","far_field"],"default":"none","description":"realtime: the server's own, made for microphones"},
  "base_path":{"type":"string","pattern":"^(/[A-Za-z0-9._~-]+)*$","default":"/v1","description":"what stands before /audio/transcriptions and /realtime"},
  "keyless":{"type":"boolean","default":false,"description":"send no authorization: for servers of one's own"},
  "organization":{"type":"string","pattern":"^[A-Za-z0-9_-]*$","default":"","description":"OpenAI-Organization; empty: not sent"},
  "project":{"type":"string","pattern":"^[A-Za-z0-9_-]*$","default":"","description":"OpenAI-Project; empty: not sent"},
  "endpoint":{"type":"string","default":"https://api.openai.com","description":"scheme://host[:port] of a compatible server or a proxy"}
}}"#;

macro_rules! choices {
    ($($(#[$doc:meta])* $name:ident $rename:literal { $default:ident $(, $other:ident)* })*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, serde::Serialize)]
        #[serde(rename_all = $rename)]
        pub(crate) enum $name {
            #[default]
            $default,
            $($other,)*
        }
    )*};
}

choices! {
    /// How the server is asked.
    Mode "snake_case" { Utterance, Realtime }
    /// How it answers a request.
    Response "snake_case" { Json, VerboseJson, Stream }
    /// Which form of the realtime protocol.
    Protocol "snake_case" { Ga, Beta }
    /// Who cuts speech.
    Turns "snake_case" { Host, ServerVad, SemanticVad }
    /// Of the semantic detector.
    Eagerness "snake_case" { Auto, Low, Medium, High }
    /// Of the server.
    NoiseReduction "snake_case" { None, NearField, FarField }
}

/// See [`SCHEMA`].
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Options {
    pub(crate) mode: Mode,
    model: Option<String>,
    pub(crate) prompt: String,
    pub(crate) keywords: Vec<String>,
    pub(crate) detect_language: bool,
    pub(crate) pre_roll_ms: u64,
    pub(crate) speech_max_s: u64,
    pub(crate) response: Response,
    pub(crate) temperature: Option<f64>,
    pub(crate) confidence: bool,
    pub(crate) protocol: Protocol,
    pub(crate) turns: Turns,
    pub(crate) vad_threshold: f64,
    pub(crate) vad_prefix_ms: u32,
    pub(crate) vad_silence_ms: u32,
    pub(crate) eagerness: Eagerness,
    pub(crate) noise_reduction: NoiseReduction,
    pub(crate) base_path: String,
    pub(crate) keyless: bool,
    organization: String,
    project: String,
    /// Read by the SDK.
    #[serde(rename = "endpoint")]
    _endpoint: Option<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            mode: Mode::default(),
            model: None,
            prompt: String::new(),
            keywords: Vec::new(),
            detect_language: false,
            pre_roll_ms: 300,
            speech_max_s: 25,
            response: Response::default(),
            temperature: None,
            confidence: false,
            protocol: Protocol::default(),
            turns: Turns::default(),
            vad_threshold: 0.5,
            vad_prefix_ms: 300,
            vad_silence_ms: 500,
            eagerness: Eagerness::default(),
            noise_reduction: NoiseReduction::default(),
            base_path: "/v1".to_owned(),
            keyless: false,
            organization: String::new(),
            project: String::new(),
            _endpoint: None,
        }
    }
}

impl Options {
    /// The host has held them against the schema; this is for hosts that have not.
    pub(crate) fn read(text: &str) -> Result<Self, Fault> {
        json::from_str(text).map_err(|error| Fault::option("", error.to_string()))
    }

    pub(crate) fn model(&self) -> &str {
        match (&self.model, self.mode) {
            (Some(model), _) => model,
            (None, Mode::Utterance) => "gpt-transcribe",
            (None, Mode::Realtime) => "gpt-live-transcribe",
        }
    }

    /// ISO 639-1, as the vendor wants it: the first part of the call's tag.
    pub(crate) fn language<'a>(&self, tag: &'a str) -> Option<&'a str> {
        let first = tag.split(['-', '_']).next().unwrap_or_default();
        (!self.detect_language && !first.is_empty()).then_some(first)
    }

    /// Who asks.
    pub(crate) fn headers(&self) -> Vec<(String, String)> {
        const USER_AGENT: &str = concat!("serphona-voice-gateway/", env!("CARGO_PKG_VERSION"));
        let mut headers = Vec::new();
        if !self.keyless {
            headers.push(("authorization".to_owned(), "Bearer {secret:api_key}".to_owned()));
        }
        headers.push(("user-agent".to_owned(), USER_AGENT.to_owned()));
        for (name, value) in [("openai-organization", &self.organization), ("openai-project", &self.project)] {
            if !value.is_empty() {
                headers.push((name.to_owned(), value.clone()));
            }
        }
        headers
    }
}
