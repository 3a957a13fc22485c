//! What the guests with a pretended vendor share: the defect that their options choose, and faults made of answers.
//!
//! A defect bears the name of the scenario of the conformance kit that has to find it, and no other.

use serde_json::Value;
use vg_plugin_sdk::link::{Failed, LinkErrorKind, Opened, field};
use vg_plugin_sdk::{Fault, FaultKind};

/// JSON Schema of the options.
pub const SCHEMA: &str = r#"{
    "type": "object",
    "properties": {
        "defect": { "type": "string", "description": "Which scenario of the conformance kit finds a fault here" },
        "endpoint": { "type": "string", "format": "uri", "description": "Where the vendor is, in place of its own address" },
        "route": { "type": "boolean", "description": "The host forwards sound to the vendor by itself" }
    },
    "additionalProperties": false
}"#;

/// What the options say.
#[derive(Debug, Default)]
pub struct Settings {
    defect: String,
    /// `scheme://host[:port]` in place of the vendor's own.
    pub endpoint: Option<String>,
    /// Whether the host is to forward sound by itself.
    pub route: bool,
}

impl Settings {
    /// Fails with `invalid-options` for what is no JSON.
    pub fn parse(options: &str) -> Result<Self, Fault> {
        let options: Value = serde_json::from_str(options).map_err(|error| Fault::option("", error.to_string()))?;
        let text = |name: &str| options[name].as_str().map(str::to_owned);
        Ok(Self { defect: text("defect").unwrap_or_default(), endpoint: text("endpoint"), route: options["route"] == true })
    }

    /// Whether this is the chosen defect.
    pub fn has(&self, defect: &str) -> bool {
        self.defect == defect
    }

    /// What an answer's head says of why there will be no session.
    pub fn refused(&self, opened: &Opened) -> Fault {
        let retry_after = field(&opened.headers, "retry-after").and_then(|s| s.parse::<u64>().ok()).map(|s| s * 1000);
        let kind = match opened.status {
            401 if self.has("unauthorized") => FaultKind::Unavailable,
            403 if self.has("forbidden") => FaultKind::Unavailable,
            401 | 403 => FaultKind::Auth,
            429 if self.has("rate-limited") => FaultKind::Quota(None),
            429 => FaultKind::Quota(retry_after),
            500.. if self.has("server-error") => FaultKind::Internal,
            500.. => FaultKind::Unavailable,
            _ => FaultKind::Protocol,
        };
        Fault::new(kind, format!("the vendor answered {}", opened.status))
    }

    /// What a link that failed says of why there will be no session.
    pub fn lost(&self, failed: &Failed) -> Fault {
        let defect = match failed.kind {
            LinkErrorKind::Connect => "connection-refused",
            LinkErrorKind::Tls => "tls-failure",
            _ => "",
        };
        let kind = if !defect.is_empty() && self.has(defect) { FaultKind::Internal } else { FaultKind::Unavailable };
        Fault::new(kind, format!("the link failed: {}", failed.detail))
    }
}
