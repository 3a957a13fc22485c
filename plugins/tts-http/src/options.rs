//! What a tenant may choose.

use serde::Deserialize;
use vg_own_engine::Asking;
use vg_plugin_sdk::{Fault, json::Map, json::Value};

/// JSON Schema of the options.
pub(crate) const SCHEMA: &str = r#"{
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "type": "object",
  "additionalProperties": false,
  "properties": {
    "endpoint": {
      "type": "string", "default": "http://127.0.0.1:8080",
      "description": "Where the engine listens: scheme://host[:port]; https is encrypted, http is not."
    },
    "path": {
      "type": "string", "default": "/speak", "pattern": "^/[!-~]*$", "maxLength": 1024,
      "description": "Path that texts are posted to, with a query if the engine wants one."
    },
    "bearer": {
      "type": "boolean", "default": false,
      "description": "Show the engine `Authorization: Bearer` with the secret `token`."
    },
    "header": {
      "type": ["string", "null"], "default": null, "pattern": "^[A-Za-z0-9_-]{1,64}$",
      "description": "Name of a header that holds the secret `header`, for engines that ask for a key in their own way."
    },
    "voice": {
      "type": ["string", "null"], "default": null, "maxLength": 256,
      "description": "The engine's name of a voice; where none is said, the engine chooses."
    },
    "words": {
      "type": "boolean", "default": false,
      "description": "Ask where in the sound each word lies; an engine that knows answers with lines of JSON."
    },
    "patience_ms": {
      "type": "integer", "minimum": 200, "maximum": 8000, "default": 5000,
      "description": "How long the engine may take to answer, and how long it may pause within an answer."
    },
    "options": {
      "type": "object", "default": {},
      "description": "Given to the engine as it is."
    }
  }
}"#;

/// Valid options. `endpoint` is read where the URL is made.
#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Options {
    #[serde(rename = "endpoint")]
    _endpoint: Option<String>,
    path: String,
    bearer: bool,
    header: Option<String>,
    pub(crate) voice: Option<String>,
    pub(crate) words: bool,
    pub(crate) patience_ms: u32,
    pub(crate) options: Map<String, Value>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            _endpoint: None,
            path: "/speak".to_owned(),
            bearer: false,
            header: None,
            voice: None,
            words: false,
            patience_ms: 5_000,
            options: Map::new(),
        }
    }
}

impl Options {
    /// # Errors
    /// `invalid-options`.
    pub(crate) fn read(json: &str) -> Result<(Self, Asking), Fault> {
        let options: Self = serde_json::from_str(json).map_err(|error| Fault::option("", error.to_string()))?;
        if !(200..=8_000).contains(&options.patience_ms) {
            return Err(Fault::option("/patience_ms", "must be 200 to 8000"));
        }
        let asking = Asking::of("http", json, &options.path, options.bearer, options.header.as_deref())?;
        Ok((options, asking))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use vg_plugin_sdk::FaultKind;

    #[test]
    fn every_option_has_its_default_in_the_schema() {
        let schema: Value = serde_json::from_str(SCHEMA).unwrap();
        let (options, asking) = Options::read("{}").unwrap();
        let default = |name: &str| schema["properties"][name]["default"].clone();
        assert_eq!(default("path"), options.path);
        assert_eq!((default("bearer"), default("words")), (options.bearer.into(), options.words.into()));
        assert_eq!((default("header"), default("voice")), (Value::Null, Value::Null));
        assert_eq!((default("patience_ms"), default("options")), (options.patience_ms.into(), Value::Object(options.options)));
        assert_eq!(asking.url, format!("{}/speak", default("endpoint").as_str().unwrap()));
        for (name, property) in schema["properties"].as_object().unwrap() {
            assert!(property["description"].is_string(), "{name}");
        }
    }

    #[test]
    fn what_is_no_option_is_refused() {
        for options in ["[]", "{", r#"{"speed":2}"#, r#"{"patience_ms":1}"#, r#"{"path":"speak"}"#, r#"{"endpoint":"x"}"#] {
            let fault = Options::read(options).unwrap_err();
            assert!(matches!(fault.kind, FaultKind::InvalidOptions(_)), "{options}");
        }
    }
}
