//! What a tenant may choose.

use serde::Deserialize;
use vg_plugin_sdk::{Fault, json};

/// JSON Schema of [`Options`].
pub(crate) const SCHEMA: &str = r#"{
"type":"object","additionalProperties":false,"properties":{
  "api":{"enum":["v1","v2"],"default":"v1","description":"v2 needs a project"},
  "project":{"type":"string","pattern":"^[a-z0-9:.-]+$","description":"v2: the Google Cloud project"},
  "location":{"type":"string","pattern":"^[a-z0-9-]+$","default":"global","description":"v2: where the recognizer is; for another place than global the endpoint must be https://LOCATION-speech.googleapis.com"},
  "recognizer":{"type":"string","pattern":"^[a-z0-9_-]+$","default":"_","description":"v2: a recognizer that was made before, or _"},
  "model":{"type":"string","pattern":"^[A-Za-z0-9._-]+$","description":"default: telephony at 8 kHz, else latest_long (v1) or long (v2); with single_utterance Google's choice"},
  "auth":{"enum":["key","bearer","service_account","oauth2"],"default":"key","description":"key: the secret api_key is an API key. bearer: it is an access token. service_account, oauth2: a token made of the secret of that name"},
  "quota_project":{"type":"string","pattern":"^[a-z0-9:.-]+$","description":"the project that is billed, for a token of another one"},
  "endpoint":{"type":"string","description":"scheme://host[:port] in place of https://speech.googleapis.com, for a region or a server of your own"},
  "phrases":{"type":"array","items":{"type":"string","minLength":1,"maxLength":100},"maxItems":500,"default":[],"description":"words and phrases that are likely to be said"},
  "phrase_boost":{"type":"number","minimum":0,"maximum":20,"default":10,"description":"how much likelier"},
  "alternative_languages":{"type":"array","items":{"type":"string"},"maxItems":3,"default":[],"description":"further languages that may be spoken; v1: for voice command and search"},
  "interim":{"type":"boolean","default":true,"description":"words while they are spoken"},
  "punctuation":{"type":"boolean","default":true,"description":"punctuation and capitals"},
  "word_times":{"type":"boolean","default":true,"description":"the place of every word and how sure Google is of it"},
  "profanity_filter":{"type":"boolean","default":false,"description":"mask swear words"},
  "enhanced":{"type":"boolean","default":false,"description":"v1: the model's enhanced form, where there is one"},
  "voice_activity":{"type":"boolean","default":true,"description":"be told when speech begins and ends"},
  "speech_start_timeout_ms":{"type":"integer","minimum":500,"maximum":60000,"description":"Google ends its stream when nobody speaks for so long; the next one begins with the next sound"},
  "speech_end_timeout_ms":{"type":"integer","minimum":200,"maximum":60000,"description":"the same after speech"},
  "single_utterance":{"type":"boolean","default":false,"description":"v1: Google ends its stream with each utterance, sooner than by pauses; only without a model, with command_and_search, or with phone_call and enhanced"},
  "endpointing":{"enum":["standard","short","supershort"],"default":"standard","description":"v2: how soon a pause ends an utterance"}
}}"#;

/// Which of Google's interfaces.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Api {
    #[default]
    V1,
    V2,
}

/// What proves who asks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Auth {
    #[default]
    Key,
    Bearer,
    ServiceAccount,
    Oauth2,
}

/// How soon a pause ends an utterance.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Endpointing {
    #[default]
    Standard,
    Short,
    Supershort,
}

/// See [`SCHEMA`].
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Options {
    pub(crate) api: Api,
    pub(crate) project: Option<String>,
    pub(crate) location: String,
    pub(crate) recognizer: String,
    pub(crate) model: Option<String>,
    pub(crate) auth: Auth,
    pub(crate) quota_project: Option<String>,
    pub(crate) endpoint: Option<String>,
    pub(crate) phrases: Vec<String>,
    pub(crate) phrase_boost: f32,
    pub(crate) alternative_languages: Vec<String>,
    pub(crate) interim: bool,
    pub(crate) punctuation: bool,
    pub(crate) word_times: bool,
    pub(crate) profanity_filter: bool,
    pub(crate) enhanced: bool,
    pub(crate) voice_activity: bool,
    pub(crate) speech_start_timeout_ms: Option<u32>,
    pub(crate) speech_end_timeout_ms: Option<u32>,
    pub(crate) single_utterance: bool,
    pub(crate) endpointing: Endpointing,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            api: Api::default(),
            project: None,
            location: "global".to_owned(),
            recognizer: "_".to_owned(),
            model: None,
            auth: Auth::default(),
            quota_project: None,
            endpoint: None,
            phrases: Vec::new(),
            phrase_boost: 10.0,
            alternative_languages: Vec::new(),
            interim: true,
            punctuation: true,
            word_times: true,
            profanity_filter: false,
            enhanced: false,
            voice_activity: true,
            speech_start_timeout_ms: None,
            speech_end_timeout_ms: None,
            single_utterance: false,
            endpointing: Endpointing::default(),
        }
    }
}

impl Options {
    /// The host has held them against the schema; what goes together is checked here.
    pub(crate) fn read(text: &str) -> Result<Self, Fault> {
        let options: Self = json::from_str(text).map_err(|error| Fault::option("", error.to_string()))?;
        if options.api == Api::V2 && options.project.is_none() {
            return Err(Fault::option("/project", "v2 needs a project"));
        }
        if options.single_utterance {
            options.can_be_single()?;
        }
        if !options.voice_activity && (options.speech_start_timeout_ms.is_some() || options.speech_end_timeout_ms.is_some()) {
            return Err(Fault::option("/voice_activity", "the speech timeouts need it"));
        }
        Ok(options)
    }

    /// Google ends streams with an utterance for some models only
    /// (<https://cloud.google.com/speech-to-text/docs/reference/rpc/google.cloud.speech.v1#streamingrecognitionconfig>).
    fn can_be_single(&self) -> Result<(), Fault> {
        if self.api == Api::V2 {
            return Err(Fault::option("/single_utterance", "v2 has no such option"));
        }
        match self.model.as_deref() {
            None | Some("command_and_search") => Ok(()),
            Some("phone_call") if self.enhanced => Ok(()),
            Some(_) => Err(Fault::option(
                "/single_utterance",
                "it is for no model, for command_and_search, and for phone_call with the option enhanced",
            )),
        }
    }

    /// The header that proves who asks.
    pub(crate) fn credential(&self) -> (&'static str, &'static str) {
        match self.auth {
            Auth::Key => ("x-goog-api-key", "{secret:api_key}"),
            Auth::Bearer => ("authorization", "Bearer {secret:api_key}"),
            Auth::ServiceAccount => ("authorization", "Bearer {secret:service_account}"),
            Auth::Oauth2 => ("authorization", "Bearer {secret:oauth2}"),
        }
    }
}
