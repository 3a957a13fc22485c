//! What a tenant may choose.

use serde::Deserialize;
use vg_plugin_sdk::{Fault, json};

/// JSON Schema of [`Options`].
pub(crate) const SCHEMA: &str = r#"{
"type":"object","additionalProperties":false,"properties":{
  "form":{"enum":["stream","unary","rest"],"default":"stream","description":"stream: speaks while the text is still coming, by Chirp 3 HD voices. unary, rest: one text at a time, every voice; nothing is heard before all of it is made"},
  "voice":{"type":"string","pattern":"^[A-Za-z0-9_-]+$","description":"for example pt-BR-Chirp3-HD-Aoede; default: LANGUAGE-Chirp3-HD-Charon for stream, else Google's choice for the language"},
  "gender":{"enum":["male","female","neutral"],"description":"unary, rest: for Google's choice where no voice is named; default: any"},
  "input":{"enum":["text","markup","ssml"],"default":"text","description":"what the gateway's text is. markup: with [pause] and the like, Chirp 3 HD only. ssml: unary and rest only; what has no <speak> around it is read as text"},
  "speaking_rate":{"type":"number","minimum":0.25,"maximum":2.0,"default":1.0,"description":"1.0 is the voice's own"},
  "pitch":{"type":"number","minimum":-20,"maximum":20,"description":"unary, rest: semitones; default: 0"},
  "volume_gain_db":{"type":"number","minimum":-96,"maximum":16,"description":"unary, rest: default: 0"},
  "effects_profile":{"type":"array","items":{"type":"string","pattern":"^[a-z0-9-]+$"},"maxItems":8,"default":[],"description":"unary, rest: for example telephony-class-application"},
  "auth":{"enum":["key","bearer","service_account","oauth2"],"default":"key","description":"key: the secret api_key is an API key. bearer: it is an access token. service_account, oauth2: a token made of the secret of that name"},
  "quota_project":{"type":"string","pattern":"^[a-z0-9:.-]+$","description":"the project that is billed, for a token of another one; default: the token's own"},
  "endpoint":{"type":"string","description":"scheme://host[:port] of a region or of a server of your own; default: https://texttospeech.googleapis.com"}
}}"#;

/// How Google is asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Form {
    #[default]
    Stream,
    Unary,
    Rest,
}

/// What the text is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    #[default]
    Text,
    Markup,
    Ssml,
}

/// Whose voice, where none is named.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Gender {
    Male,
    Female,
    Neutral,
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

/// See [`SCHEMA`].
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Options {
    pub(crate) form: Form,
    pub(crate) voice: Option<String>,
    pub(crate) gender: Option<Gender>,
    pub(crate) input: Kind,
    pub(crate) speaking_rate: Option<f64>,
    pub(crate) pitch: Option<f64>,
    pub(crate) volume_gain_db: Option<f64>,
    pub(crate) effects_profile: Vec<String>,
    pub(crate) auth: Auth,
    pub(crate) quota_project: Option<String>,
    pub(crate) endpoint: Option<String>,
}

impl Options {
    /// The host has held them against the schema; what the schema cannot say is held against them here.
    pub(crate) fn read(text: &str) -> Result<Self, Fault> {
        let options: Self = json::from_str(text).map_err(|error| Fault::option("", error.to_string()))?;
        if options.form != Form::Stream {
            return Ok(options);
        }
        let not_streamed = [
            ("/input", options.input == Kind::Ssml),
            ("/gender", options.gender.is_some()),
            ("/pitch", options.pitch.is_some()),
            ("/volume_gain_db", options.volume_gain_db.is_some()),
            ("/effects_profile", !options.effects_profile.is_empty()),
        ];
        match not_streamed.into_iter().find(|(_, asked)| *asked) {
            Some((path, _)) => Err(Fault::option(path, "Google's stream does not take this: choose the form unary or rest")),
            None => Ok(options),
        }
    }
}
