//! `[telemetry]`: where traces of turns go.

use super::here::is_trustworthy;
use super::tenants::pairs;
use super::{Faults, secret};
use serde::Deserialize;
use url::Url;
use vg_domain::pii::Pii;

/// `[telemetry]`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Telemetry {
    /// Who takes traces; none: nobody does.
    pub otlp: Option<Otlp>,
}

/// A collector that speaks OTLP by HTTP, in protobuf.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Otlp {
    /// Its base: `/v1/traces` lies below it.
    pub endpoint: Url,
    /// What each request has beside: names, and values that may be keys.
    pub headers: Vec<(String, Pii<String>)>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawTelemetry {
    otlp_endpoint: Option<String>,
    #[serde(deserialize_with = "pairs")]
    otlp_headers: Vec<(String, String)>,
}

impl RawTelemetry {
    pub(super) fn resolve(self, telemetry: &mut Telemetry, environment: &[(String, String)], faults: &mut Faults) {
        let mut headers = Vec::new();
        for (name, reference) in self.otlp_headers {
            let path = format!("telemetry.otlp_headers.{name}");
            if !is_name(&name) {
                faults.add(path, "is no header");
                continue;
            }
            match secret::resolve(&reference, environment) {
                Ok(value) if is_value(value.reveal()) => headers.push((name, value)),
                Ok(_) => faults.add(path, format_args!("{reference} is empty or holds what no header can")),
                Err(what) => faults.add(path, what),
            }
        }
        let Some(text) = self.otlp_endpoint.filter(|text| !text.is_empty()) else { return };
        let endpoint = match text.parse::<Url>() {
            Ok(url) if !matches!(url.scheme(), "http" | "https") || !url.has_host() => {
                Err("expected a URL such as https://collector.example:4318")
            }
            Ok(url) if !url.username().is_empty() || url.password().is_some() => {
                Err("holds a name or password: a secret stands in telemetry.otlp_headers")
            }
            Ok(url) if url.query().is_some() || url.fragment().is_some() => Err("must end with the path"),
            Ok(url) if !headers.is_empty() && !is_trustworthy(&url) => {
                Err("telemetry.otlp_headers go by https only, or to this machine")
            }
            Ok(url) => Ok(url),
            Err(_) => Err("expected a URL such as https://collector.example:4318"),
        };
        let endpoint = endpoint.map_err(|what| faults.add("telemetry.otlp_endpoint", what)).ok();
        telemetry.otlp = endpoint.map(|endpoint| Otlp { endpoint, headers });
    }
}

/// RFC 9110, section 5.1. Those that the protocol needs are not the operator's.
fn is_name(name: &str) -> bool {
    let token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    let ours = ["content-type", "content-length", "content-encoding", "host", "transfer-encoding", "connection"];
    !name.is_empty() && name.chars().all(token) && !ours.contains(&name.to_ascii_lowercase().as_str())
}

fn is_value(value: &str) -> bool {
    !value.is_empty() && value.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic())
}
