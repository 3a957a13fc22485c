//! What a tenant may choose.

use serde::Deserialize;
use vg_plugin_sdk::Fault;

/// The same as a JSON Schema: what the host checks before a session begins.
pub(crate) const SCHEMA: &str = r#"{"type":"object","additionalProperties":false,"properties":{
"endpoint":{"type":"string","default":"","description":"scheme://host[:port] in place of the region's host: a sovereign cloud, a private endpoint, a container, a simulator"},
"region":{"type":"string","default":"eastus","pattern":"^[a-z0-9]+$","description":"Azure region of the Speech resource"},
"auth":{"enum":["key","token"],"default":"key","description":"Whether the secret api_key is a key of the Speech resource or a bearer token"},
"transport":{"enum":["ssml","text-stream","rest"],"default":"ssml","description":"ssml: a turn for each stretch of sentences (WebSocket v1); text-stream: text is spoken while it comes (WebSocket v2); rest: a request for each stretch, for networks without WebSockets"},
"voice":{"type":"string","default":"","pattern":"^[A-Za-z0-9:,() _-]*$","description":"Name of a voice, as pt-BR-FranciscaNeural; empty takes one of the call's language"},
"style":{"type":"string","default":"","pattern":"^[A-Za-z0-9_-]*$","description":"Style of the voice, as cheerful"},
"style_degree":{"type":"number","default":1,"minimum":0.01,"maximum":2,"description":"How much of the style; not with text-stream"},
"rate":{"type":"string","default":"","pattern":"^([+-]?[0-9]+(\\.[0-9]+)?%?|x-slow|slow|medium|fast|x-fast)?$","description":"Speed: 1.2, +10%, or a word of SSML"},
"pitch":{"type":"string","default":"","pattern":"^([+-]?[0-9]+(\\.[0-9]+)?(%|Hz|st)?|x-low|low|medium|high|x-high)?$","description":"Pitch: +5%, -2st, or a word of SSML"},
"volume":{"type":"string","default":"","pattern":"^([+-]?[0-9]+(\\.[0-9]+)?%?|silent|x-soft|soft|medium|loud|x-loud)?$","description":"Loudness: 80, +10%, or a word of SSML"},
"temperature":{"type":"number","default":0,"minimum":0,"maximum":1,"description":"Liveliness of voices that have it; 0 leaves it to the vendor; only with text-stream"},
"words":{"type":"boolean","default":true,"description":"Whether the place of each word is told; not with rest"},
"ssml":{"type":"boolean","default":false,"description":"Each reply is a whole SSML document, sent as it is; not with text-stream"}
}}"#;

/// The options of a session.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Options {
    /// Read by [`vg_plugin_sdk::options::endpoint`].
    pub(crate) endpoint: String,
    pub(crate) region: String,
    pub(crate) auth: Auth,
    pub(crate) transport: Transport,
    pub(crate) voice: String,
    pub(crate) style: String,
    pub(crate) style_degree: f64,
    pub(crate) rate: String,
    pub(crate) pitch: String,
    pub(crate) volume: String,
    pub(crate) temperature: f64,
    pub(crate) words: bool,
    pub(crate) ssml: bool,
}

/// What the secret is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Auth {
    Key,
    Token,
}

/// How text gets to the vendor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Transport {
    Ssml,
    TextStream,
    Rest,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            endpoint: String::new(),
            region: "eastus".to_owned(),
            auth: Auth::Key,
            transport: Transport::Ssml,
            voice: String::new(),
            style: String::new(),
            style_degree: 1.0,
            rate: String::new(),
            pitch: String::new(),
            volume: String::new(),
            temperature: 0.0,
            words: true,
            ssml: false,
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
        if options.region.is_empty() || !options.region.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Err(Fault::option("/region", "must be the name of a region, as eastus"));
        }
        if options.ssml && options.transport == Transport::TextStream {
            return Err(Fault::option("/ssml", "text-stream takes no SSML: choose transport ssml or rest"));
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
    fn what_cannot_be_is_refused() {
        for wrong in [r#"{"regon":"x"}"#, r#"{"region":"x/"}"#, r#"{"ssml":true,"transport":"text-stream"}"#, "[]"] {
            assert!(Options::read(wrong).is_err(), "{wrong}");
        }
    }
}
