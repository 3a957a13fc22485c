//! What a tenant may choose.

use serde::Deserialize;
use vg_plugin_sdk::{Fault, options};

/// JSON Schema of [`Options`].
pub(crate) const SCHEMA: &str = r#"{"type":"object","additionalProperties":false,"properties":{
"region":{"type":"string","pattern":"^[a-z]{2}(-[a-z]+)+-[0-9]{1,2}$","default":"us-east-1","description":"Region that speaks; the secret must be bound to it."},
"mode":{"enum":["request","stream"],"default":"request","description":"A request for each sentence or more, or one stream for each reply that takes text while audio comes (engine generative only, no word times)."},
"engine":{"enum":["standard","neural","long-form","generative"],"default":"neural","description":"Engine; mode stream needs generative."},
"voice":{"type":"string","pattern":"^[A-Za-z]{1,40}$","default":"","description":"Voice, for example Joanna; empty for one that speaks the call's language."},
"language_code":{"type":"string","pattern":"^[a-z]{2,3}-[A-Z]{2}$","default":"","description":"Language of a voice of your choice that speaks two."},
"ssml":{"enum":["auto","always","never"],"default":"auto","description":"Which texts are SSML: those that begin with <speak, all (wrapped where they are not), or none."},
"lexicons":{"type":"array","items":{"type":"string","pattern":"^[0-9A-Za-z]{1,20}$"},"maxItems":5,"default":[],"description":"Pronunciation lexicons of your account, in this order."},
"word_times":{"type":"boolean","default":false,"description":"Ask for the places of words, too: a second request for each, billed like the first."},
"endpoint":{"type":"string","default":"","description":"scheme://host[:port] in place of the service's own."}}}"#;

/// How texts are spoken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Mode {
    #[default]
    Request,
    Stream,
}

/// The service's engines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Engine {
    Standard,
    #[default]
    Neural,
    LongForm,
    Generative,
}

/// Which texts are SSML.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Ssml {
    #[default]
    Auto,
    Always,
    Never,
}

/// See [`SCHEMA`].
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Options {
    pub(crate) region: String,
    pub(crate) mode: Mode,
    pub(crate) engine: Engine,
    pub(crate) voice: String,
    pub(crate) language_code: String,
    pub(crate) ssml: Ssml,
    pub(crate) lexicons: Vec<String>,
    pub(crate) word_times: bool,
    pub(crate) endpoint: String,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            region: "us-east-1".to_owned(),
            mode: Mode::default(),
            engine: Engine::default(),
            voice: String::new(),
            language_code: String::new(),
            ssml: Ssml::default(),
            lexicons: Vec::new(),
            word_times: false,
            endpoint: String::new(),
        }
    }
}

impl Engine {
    /// The service's word.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Standard => "standard",
            Self::Neural => "neural",
            Self::LongForm => "long-form",
            Self::Generative => "generative",
        }
    }
}

impl Options {
    /// From the session's start.
    pub(crate) fn parse(text: &str) -> Result<Self, Fault> {
        let object = options::object(text)?;
        let options: Self = serde_json::from_value(object.into())
            .map_err(|error| Fault::option("", format!("not as the schema says: {error}")))?;
        match options.mode {
            Mode::Stream if options.engine != Engine::Generative => {
                Err(Fault::option("/engine", "mode stream is offered by the generative engine only"))
            }
            Mode::Stream if options.word_times => Err(Fault::option("/word_times", "mode stream gives no places of words")),
            _ => Ok(options),
        }
    }

    /// Where the service is, with this path.
    pub(crate) fn url(&self, path: &str) -> Result<String, Fault> {
        let default = format!("https://polly.{}.amazonaws.com{path}", self.region);
        if self.endpoint.is_empty() {
            return Ok(default);
        }
        options::endpoint(&serde_json::json!({ "endpoint": self.endpoint }).to_string(), &default)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_said_is_the_schemas_default() {
        let options = Options::parse("{}").unwrap();
        let schema: serde_json::Value = serde_json::from_str(SCHEMA).unwrap();
        for (name, property) in schema["properties"].as_object().unwrap() {
            assert!(property["description"].is_string() && !property["default"].is_null(), "{name}");
            let with = serde_json::json!({ name: property["default"] }).to_string();
            assert_eq!(format!("{:?}", Options::parse(&with).unwrap()), format!("{options:?}"), "{name}");
        }
        assert_eq!(options.url("/v1/speech").unwrap(), "https://polly.us-east-1.amazonaws.com/v1/speech");
    }

    #[test]
    fn what_contradicts_itself_is_a_fault_of_that_option() {
        for (text, path) in [
            (r#"{"mode":"stream"}"#, "/engine"),
            (r#"{"mode":"stream","engine":"generative","word_times":true}"#, "/word_times"),
            (r#"{"regoin":"us-east-1"}"#, ""),
        ] {
            let fault = Options::parse(text).unwrap_err();
            assert!(matches!(&fault.kind, vg_plugin_sdk::FaultKind::InvalidOptions(faults) if faults[0].path == path), "{text}");
        }
    }
}
