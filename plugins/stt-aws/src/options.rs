//! What a tenant may choose.

use serde::Deserialize;
use vg_plugin_sdk::{Fault, options};

/// JSON Schema of [`Options`].
pub(crate) const SCHEMA: &str = r#"{"type":"object","additionalProperties":false,"properties":{
"region":{"type":"string","pattern":"^[a-z]{2}(-[a-z]+)+-[0-9]{1,2}$","default":"us-east-1","description":"Region that listens; the secret must be bound to it."},
"transport":{"enum":["http2","websocket"],"default":"http2","description":"HTTP/2 event stream, each message signed, or a WebSocket with a signed address (port 8443)."},
"stability":{"enum":["off","low","medium","high"],"default":"medium","description":"How early words of partials stop changing: higher is sooner and a little less accurate."},
"vocabulary":{"type":"string","pattern":"^[0-9A-Za-z._,-]{1,200}$","default":"","description":"Custom vocabulary of your account; several, with commas, where the language is identified."},
"vocabulary_filter":{"type":"string","pattern":"^[0-9A-Za-z._,-]{1,200}$","default":"","description":"Vocabulary filter of your account; several, with commas, where the language is identified."},
"vocabulary_filter_method":{"enum":["mask","remove","tag"],"default":"mask","description":"What becomes of the words that the filter finds."},
"language_model":{"type":"string","pattern":"^[0-9A-Za-z._-]{1,200}$","default":"","description":"Custom language model of your account."},
"identify_language":{"enum":["off","one","many"],"default":"off","description":"Find out the language among language_options: once for a call, or again and again."},
"language_options":{"type":"array","items":{"type":"string","pattern":"^[a-z]{2,3}-[A-Z]{2}$"},"maxItems":20,"default":[],"description":"Languages to choose from: at least two, one dialect of each."},
"preferred_language":{"type":"string","pattern":"^[a-z]{2,3}-[A-Z]{2}$","default":"","description":"The likeliest of language_options, for identify_language one."},
"redact":{"type":"boolean","default":false,"description":"The service replaces what identifies a person by [PII]."},
"pii_entity_types":{"type":"string","pattern":"^[A-Z_,]{1,200}$","default":"ALL","description":"Kinds that redact replaces, with commas, for example NAME,ADDRESS."},
"finalize_wait_ms":{"type":"integer","minimum":200,"maximum":8000,"default":2500,"description":"The service cannot be asked for a final: at the end of a turn it is waited for so long, then the last partial is final."},
"endpoint":{"type":"string","description":"scheme://host[:port] in place of the service's own.","default":""}}}"#;

/// How the service is reached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Transport {
    #[default]
    Http2,
    Websocket,
}

/// Partial results stabilisation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Stability {
    Off,
    Low,
    #[default]
    Medium,
    High,
}

/// What becomes of filtered words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum FilterMethod {
    #[default]
    Mask,
    Remove,
    Tag,
}

/// Whether the language is to be found out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Identify {
    #[default]
    Off,
    One,
    Many,
}

/// See [`SCHEMA`].
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Options {
    pub(crate) region: String,
    pub(crate) transport: Transport,
    pub(crate) stability: Stability,
    pub(crate) vocabulary: String,
    pub(crate) vocabulary_filter: String,
    pub(crate) vocabulary_filter_method: FilterMethod,
    pub(crate) language_model: String,
    pub(crate) identify_language: Identify,
    pub(crate) language_options: Vec<String>,
    pub(crate) preferred_language: String,
    pub(crate) redact: bool,
    pub(crate) pii_entity_types: String,
    pub(crate) finalize_wait_ms: u32,
    pub(crate) endpoint: String,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            region: "us-east-1".to_owned(),
            transport: Transport::default(),
            stability: Stability::default(),
            vocabulary: String::new(),
            vocabulary_filter: String::new(),
            vocabulary_filter_method: FilterMethod::default(),
            language_model: String::new(),
            identify_language: Identify::default(),
            language_options: Vec::new(),
            preferred_language: String::new(),
            redact: false,
            pii_entity_types: "ALL".to_owned(),
            finalize_wait_ms: 2_500,
            endpoint: String::new(),
        }
    }
}

impl Options {
    /// From the session's start.
    pub(crate) fn parse(text: &str) -> Result<Self, Fault> {
        let object = options::object(text)?;
        let options: Self = serde_json::from_value(object.into())
            .map_err(|error| Fault::option("", format!("not as the schema says: {error}")))?;
        if options.identify_language != Identify::Off && options.language_options.len() < 2 {
            return Err(Fault::option("/language_options", "needs at least two languages to choose from"));
        }
        let preferred = &options.preferred_language;
        if !preferred.is_empty() && !options.language_options.contains(preferred) {
            return Err(Fault::option("/preferred_language", "is not among language_options"));
        }
        Ok(options)
    }

    /// Where the service is, for a default address that names it.
    pub(crate) fn url(&self, default: &str) -> Result<String, Fault> {
        if self.endpoint.is_empty() {
            return Ok(default.to_owned());
        }
        options::endpoint(&serde_json::json!({ "endpoint": self.endpoint }).to_string(), default)
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
    }

    #[test]
    fn what_contradicts_itself_is_a_fault_of_that_option() {
        for (text, path) in [
            (r#"{"identify_language":"one","language_options":["en-US"]}"#, "/language_options"),
            (r#"{"preferred_language":"pt-BR"}"#, "/preferred_language"),
            (r#"{"regoin":"us-east-1"}"#, ""),
        ] {
            let fault = Options::parse(text).unwrap_err();
            assert!(matches!(&fault.kind, vg_plugin_sdk::FaultKind::InvalidOptions(faults) if faults[0].path == path), "{text}");
        }
    }
}
