//! What a tenant may choose.

use serde_json::Value;
use vg_plugin_sdk::{Fault, FaultKind, OptionFault};

/// JSON Schema of the options.
pub const SCHEMA: &str = r#"{
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "type": "object",
  "additionalProperties": false,
  "properties": {
    "voice": {
      "enum": ["kal", "kal16"],
      "description": "kal speaks at 8000 Hz, kal16 at 16000 Hz; where not said, the one of the call's rate."
    },
    "speed": {
      "type": "number", "minimum": 0.5, "maximum": 2, "default": 1,
      "description": "How fast it speaks; 2 is twice as fast as the voice was recorded."
    }
  }
}"#;

/// One speaker, recorded at two rates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Voice {
    /// 8000 Hz.
    Kal,
    /// 16000 Hz.
    Kal16,
}

impl Voice {
    /// The voice that needs no resampling; none where there is none of that rate.
    pub fn of_rate(rate_hz: u32) -> Option<Self> {
        [Self::Kal, Self::Kal16].into_iter().find(|voice| voice.rate_hz() == rate_hz)
    }

    /// flite's name of the voice.
    pub fn name(self) -> &'static str {
        match self {
            Self::Kal => "kal",
            Self::Kal16 => "kal16",
        }
    }

    /// Samples a second.
    pub fn rate_hz(self) -> u32 {
        match self {
            Self::Kal => 8_000,
            Self::Kal16 => 16_000,
        }
    }
}

/// Valid options.
#[derive(Debug, PartialEq)]
pub struct Options {
    /// 0.5 to 2.0; 1.0 is as recorded.
    pub speed: f32,
}

impl Options {
    /// Fails with every option that does not satisfy [`SCHEMA`], or that does not fit the voice of the call's rate.
    pub fn parse(json: &str, voice: Voice) -> Result<Self, Fault> {
        let chosen = match serde_json::from_str(json) {
            Ok(Value::Object(chosen)) => chosen,
            Ok(_) => return Err(Fault::option("", "the options are not an object")),
            Err(error) => return Err(Fault::option("", error.to_string())),
        };
        let mut options = Self { speed: 1.0 };
        let mut faults = Vec::new();
        for (name, value) in &chosen {
            let refused = match (name.as_str(), value) {
                ("voice", Value::String(name)) if name == voice.name() => None,
                ("voice", Value::String(name)) if name == "kal" || name == "kal16" => {
                    Some(format!("{name} does not speak at the call's {} Hz", voice.rate_hz()))
                }
                ("voice", _) => Some("not one of \"kal\", \"kal16\"".to_owned()),
                ("speed", value) => match value.as_f64() {
                    Some(speed) if (0.5..=2.0).contains(&speed) => {
                        options.speed = speed as f32;
                        None
                    }
                    _ => Some("not a number from 0.5 to 2".to_owned()),
                },
                _ => Some("no such option".to_owned()),
            };
            // A JSON pointer (RFC 6901) escapes these two characters.
            let path = || format!("/{}", name.replace('~', "~0").replace('/', "~1"));
            faults.extend(refused.map(|message| OptionFault { path: path(), message }));
        }
        if faults.is_empty() {
            Ok(options)
        } else {
            Err(Fault::new(FaultKind::InvalidOptions(faults), "the options do not satisfy the schema"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(json: &str) -> Vec<(String, String)> {
        match Options::parse(json, Voice::Kal).unwrap_err().kind {
            FaultKind::InvalidOptions(faults) => faults.into_iter().map(|fault| (fault.path, fault.message)).collect(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn no_options_are_good_options() {
        assert_eq!(Options::parse("{}", Voice::Kal).unwrap(), Options { speed: 1.0 });
    }

    #[test]
    fn speed_is_accepted_up_to_its_bounds() {
        for (speed, good) in [("0.5", true), ("2", true), ("0.49", false), ("2.01", false), ("\"1\"", false)] {
            let parsed = Options::parse(&format!(r#"{{"voice":"kal","speed":{speed}}}"#), Voice::Kal);
            assert_eq!(parsed.is_ok(), good, "{speed}");
        }
    }

    #[test]
    fn every_wrong_option_is_named() {
        let faults = refused(r#"{"voice":"kal16","speed":9,"a/b":1}"#);
        let paths: Vec<&str> = faults.iter().map(|(path, _)| path.as_str()).collect();
        assert_eq!(paths, ["/a~1b", "/speed", "/voice"]);
        assert!(faults[2].1.contains("8000 Hz"));
        assert_eq!(refused("[]")[0].0, "");
        assert_eq!(refused("")[0].0, "");
    }

    #[test]
    fn schema_is_json() {
        let schema: Value = serde_json::from_str(SCHEMA).unwrap();
        assert_eq!(schema["additionalProperties"], false);
    }
}
