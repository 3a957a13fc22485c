//! What a tenant may choose.

use crate::protocol::{Detection, Family, Mode, Profanity};
use serde::Deserialize;
use vg_plugin_sdk::Fault;

/// The same as a JSON Schema: what the host checks before a session begins.
pub(crate) const SCHEMA: &str = r#"{"type":"object","additionalProperties":false,"properties":{
"endpoint":{"type":"string","default":"","description":"scheme://host[:port] in place of the region's host: a sovereign cloud, a private endpoint, a container, a simulator"},
"region":{"type":"string","default":"eastus","pattern":"^[a-z0-9]+$","description":"Azure region of the Speech resource"},
"family":{"enum":["region","host"],"default":"region","description":"Paths to ask: region is /stt/speech/universal/v2, host the older /speech/recognition/... that containers serve"},
"auth":{"enum":["key","token"],"default":"key","description":"Whether the secret api_key is a key of the Speech resource or a bearer token"},
"mode":{"enum":["conversation","dictation"],"default":"conversation","description":"How the vendor cuts and punctuates"},
"output":{"enum":["simple","detailed"],"default":"detailed","description":"detailed gives the confidence of each final"},
"word_times":{"type":"boolean","default":true,"description":"Times and confidences of words; only with output = detailed"},
"phrases":{"type":"array","items":{"type":"string","minLength":1,"maxLength":200},"maxItems":500,"default":[],"description":"Words that are likely: names, products"},
"phrase_weight":{"type":"number","default":1,"minimum":0,"maximum":2,"description":"How much likelier the phrases are"},
"profanity":{"enum":["default","masked","removed","raw"],"default":"default","description":"What becomes of profane words; default leaves it to the vendor"},
"segmentation":{"enum":["default","silence","semantic"],"default":"default","description":"What ends a final: the vendor's choice, segmentation_silence_ms, or the sense of what is said"},
"segmentation_silence_ms":{"type":"integer","default":500,"minimum":100,"maximum":5000,"description":"Silence that ends a final; only with segmentation = silence"},
"segmentation_max_ms":{"type":"integer","default":0,"maximum":70000,"minimum":0,"description":"Longest final, 20000 at least; 0 leaves it to the vendor; only with segmentation = silence"},
"initial_silence_ms":{"type":"integer","default":0,"minimum":0,"maximum":60000,"description":"Silence after which the vendor gives a turn up; 0 leaves it to the vendor"},
"end_silence_ms":{"type":"integer","default":0,"minimum":0,"maximum":60000,"description":"Silence that ends a turn of the vendor; 0 leaves it to the vendor"},
"stable_after":{"type":"integer","default":0,"minimum":0,"maximum":10,"description":"How often a word must be heard alike before it is in a partial; 0 leaves it to the vendor"},
"languages":{"type":"array","items":{"type":"string","pattern":"^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$"},"maxItems":10,"default":[],"description":"Languages to tell apart, in place of the call's"},
"detection":{"enum":["continuous","at-start"],"default":"continuous","description":"Whether the language may change in a call; only with languages"}
}}"#;

/// The options of a session.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Options {
    /// Read by [`vg_plugin_sdk::options::endpoint`].
    pub(crate) endpoint: String,
    pub(crate) region: String,
    pub(crate) family: Family,
    pub(crate) auth: Auth,
    pub(crate) mode: Mode,
    pub(crate) output: Output,
    pub(crate) word_times: bool,
    pub(crate) phrases: Vec<String>,
    pub(crate) phrase_weight: f64,
    pub(crate) profanity: Profanity,
    pub(crate) segmentation: Segmentation,
    pub(crate) segmentation_silence_ms: u32,
    pub(crate) segmentation_max_ms: u32,
    pub(crate) initial_silence_ms: u32,
    pub(crate) end_silence_ms: u32,
    pub(crate) stable_after: u32,
    pub(crate) languages: Vec<String>,
    pub(crate) detection: Detection,
}

/// What the secret is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Auth {
    Key,
    Token,
}

/// How much a final says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Output {
    Simple,
    Detailed,
}

/// What ends a final.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Segmentation {
    Default,
    Silence,
    Semantic,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            endpoint: String::new(),
            region: "eastus".to_owned(),
            family: Family::Region,
            auth: Auth::Key,
            mode: Mode::Conversation,
            output: Output::Detailed,
            word_times: true,
            phrases: vec![],
            phrase_weight: 1.0,
            profanity: Profanity::Default,
            segmentation: Segmentation::Default,
            segmentation_silence_ms: 500,
            segmentation_max_ms: 0,
            initial_silence_ms: 0,
            end_silence_ms: 0,
            stable_after: 0,
            languages: vec![],
            detection: Detection::Continuous,
        }
    }
}

impl Options {
    /// The tenant's, checked.
    pub(crate) fn read(text: &str) -> Result<Self, Fault> {
        let object = vg_plugin_sdk::options::object(text)?;
        let options: Self =
            vg_plugin_sdk::json::from_value(object.into()).map_err(|error| Fault::option("", error.to_string()))?;
        // It becomes a part of a host's name.
        let plain = |region: &str| !region.is_empty() && region.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if !plain(&options.region) {
            return Err(Fault::option("/region", "must be the name of a region, as eastus"));
        }
        if options.segmentation_max_ms != 0 && options.segmentation_max_ms < 20_000 {
            return Err(Fault::option("/segmentation_max_ms", "must be 0, or 20000 to 70000"));
        }
        Ok(options)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use vg_plugin_sdk::json::{Map, Value, from_str};

    #[test]
    fn schema_says_the_defaults_that_hold_and_what_each_is_for() {
        let schema: Map<String, Value> = from_str(SCHEMA).unwrap();
        let properties = schema["properties"].as_object().unwrap();
        let defaults: Map<String, Value> =
            properties.iter().map(|(name, property)| (name.clone(), property["default"].clone())).collect();
        assert_eq!(Options::read(&Value::Object(defaults).to_string()).unwrap(), Options::read("{}").unwrap());
        assert!(properties.values().all(|property| property["description"].is_string()));
    }

    #[test]
    fn what_is_not_known_is_refused() {
        for wrong in [r#"{"regon":"x"}"#, r#"{"region":"x.evil.example/"}"#, r#"{"segmentation_max_ms":5}"#, "[]"] {
            assert!(Options::read(wrong).is_err(), "{wrong}");
        }
    }
}
