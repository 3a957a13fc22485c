//! A tenant's options held against a plugin's JSON Schema (2020-12).

use crate::api::{Descriptor, OptionFault};
use jsonschema::{PatternOptions, Validator};
use serde_json::Value;

/// Bytes of a schema: a longer one is refused.
const SCHEMA_BYTES: usize = 256 << 10;
/// Faults that are told: who has more will come back.
const FAULTS: usize = 32;

/// A plugin's schema, ready to judge options. References lead nowhere but into the schema itself, and patterns take linear time: a schema is
/// foreign code's word.
#[derive(Debug)]
pub struct OptionsSchema {
    validator: Validator,
    takes_endpoint: bool,
}

/// Why a plugin's schema cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SchemaError {
    /// It is longer than 256 KiB.
    #[error("options schema takes {bytes} bytes, at most {SCHEMA_BYTES} are allowed")]
    TooLarge {
        /// Found.
        bytes: usize,
    },
    /// It is no JSON object.
    #[error("options schema is no JSON object: {detail}")]
    NoJson {
        /// In the parser's words.
        detail: String,
    },
    /// It is no JSON Schema of 2020-12, or refers to something outside of itself.
    #[error("options schema is refused at {path:?}: {detail}")]
    NoSchema {
        /// JSON pointer into the schema.
        path: String,
        /// In the validator's words.
        detail: String,
    },
}

impl SchemaError {
    /// Bounded label.
    pub fn code(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } => "schema-too-large",
            Self::NoJson { .. } => "schema-no-json",
            Self::NoSchema { .. } => "schema-refused",
        }
    }
}

impl OptionsSchema {
    /// Reads the schema of a descriptor. Takes milliseconds: once per plugin.
    ///
    /// # Errors
    /// See [`SchemaError`].
    pub fn of(descriptor: &Descriptor) -> Result<Self, SchemaError> {
        let text = &descriptor.options_schema;
        if text.len() > SCHEMA_BYTES {
            return Err(SchemaError::TooLarge { bytes: text.len() });
        }
        let schema: Value = match serde_json::from_str(text) {
            Ok(schema @ Value::Object(_)) => schema,
            Ok(_) => return Err(SchemaError::NoJson { detail: "something else stands there".to_owned() }),
            Err(error) => return Err(SchemaError::NoJson { detail: error.to_string() }),
        };
        let options = jsonschema::draft202012::options().with_pattern_options(PatternOptions::regex());
        let validator = options
            .build(&schema)
            .map_err(|error| SchemaError::NoSchema { path: error.instance_path().to_string(), detail: error.to_string() })?;
        Ok(Self { validator, takes_endpoint: schema["properties"].get("endpoint").is_some() })
    }

    /// Everything that is wrong with `options`, by its place; empty where they satisfy the schema. Says what is expected, never what was
    /// written: that may be a secret in the wrong place.
    pub fn faults(&self, options: &Value) -> Vec<OptionFault> {
        if !options.is_object() {
            return vec![OptionFault { path: String::new(), message: "options are one JSON object".to_owned() }];
        }
        let fault = |error: jsonschema::ValidationError<'_>| OptionFault {
            path: error.instance_path().to_string(),
            message: error.masked_with("what stands there").to_string(),
        };
        let mut faults: Vec<OptionFault> = self.validator.iter_errors(options).take(FAULTS).map(fault).collect();
        faults.sort_by(|one, other| one.path.cmp(&other.path));
        faults
    }

    /// Where the tenant points the plugin instead of its vendor: the option `endpoint`, where the schema has it.
    pub fn endpoint<'a>(&self, options: &'a Value) -> Option<&'a str> {
        options.get("endpoint").filter(|_| self.takes_endpoint)?.as_str()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{Compute, Features, Kind};
    use serde_json::json;

    fn descriptor(schema: &str) -> Descriptor {
        Descriptor {
            id: "stt-x".into(),
            version: "1.0.0".into(),
            kind: Kind::Stt,
            formats: Vec::new(),
            languages: Vec::new(),
            features: Features::default(),
            options_schema: schema.to_owned(),
            hosts: Vec::new(),
            secrets: Vec::new(),
            session_max_s: None,
            compute: Compute::Light,
        }
    }

    fn schema(schema: &Value) -> Result<OptionsSchema, SchemaError> {
        OptionsSchema::of(&descriptor(&schema.to_string()))
    }

    #[test]
    fn every_fault_comes_with_its_place_and_without_the_value() {
        let schema = schema(&json!({
            "type": "object", "additionalProperties": false, "required": ["model"],
            "properties": { "model": {}, "voice": { "enum": ["a", "b"] }, "words": { "items": { "type": "string" } } }
        }));
        let faults = schema.unwrap().faults(&json!({ "voice": "sk-12345", "words": ["x", 77123], "colour": 1 }));
        let paths: Vec<&str> = faults.iter().map(|fault| fault.path.as_str()).collect();
        assert_eq!(paths, ["", "", "/voice", "/words/1"], "{faults:?}");
        let text = format!("{faults:?}");
        assert!(text.contains("colour") && text.contains("model"), "{text}");
        assert!(!text.contains("sk-12345") && !text.contains("77123"), "{text}");
    }

    #[test]
    fn options_that_satisfy_the_schema_have_no_fault() {
        let schema = schema(&json!({ "type": "object", "properties": { "voice": { "type": "string" } } })).unwrap();
        assert_eq!(schema.faults(&json!({ "voice": "a" })), []);
        assert_eq!(schema.faults(&json!("voice")).len(), 1);
    }

    #[test]
    fn an_endpoint_counts_only_where_the_schema_has_it() {
        let options = json!({ "endpoint": "http://127.0.0.1:9" });
        let with = schema(&json!({ "properties": { "endpoint": { "type": "string" } } })).unwrap();
        assert_eq!(with.endpoint(&options), Some("http://127.0.0.1:9"));
        assert_eq!(schema(&json!({})).unwrap().endpoint(&options), None);
    }

    #[test]
    fn a_hostile_schema_costs_nothing_and_reaches_nothing() {
        for itself in [
            json!({ "$ref": "#" }),
            json!({ "allOf": [{ "$ref": "#" }] }),
            json!({ "$dynamicRef": "#" }),
            json!({ "$defs": { "a": { "anyOf": [{ "$ref": "#/$defs/a" }, { "$ref": "#/$defs/a" }] } }, "$ref": "#/$defs/a" }),
            json!({ "properties": { "v": { "pattern": "^(a+)+$" } } }),
        ] {
            schema(&itself).unwrap().faults(&json!({ "v": format!("{}!", "a".repeat(10_000)) }));
        }
        for refused in [
            json!({ "$ref": "https://example.com/x.json" }),
            json!({ "$ref": "file:///etc/passwd" }),
            json!({ "type": "wrong" }),
            json!({ "properties": { "v": { "pattern": "((a{1000}){1000}){1000}" } } }),
        ] {
            assert_eq!(schema(&refused).unwrap_err().code(), "schema-refused", "{refused}");
        }
        let deep = format!("{}{}", "{\"not\":".repeat(10_000), "}".repeat(10_000));
        assert_eq!(OptionsSchema::of(&descriptor(&deep)).unwrap_err().code(), "schema-no-json");
        assert_eq!(OptionsSchema::of(&descriptor("[]")).unwrap_err().code(), "schema-no-json");
        let long = format!("{{{}}}", " ".repeat(SCHEMA_BYTES));
        assert_eq!(OptionsSchema::of(&descriptor(&long)).unwrap_err().code(), "schema-too-large");
    }
}
