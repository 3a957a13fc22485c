//! The tenant's options, one JSON object.

use crate::Fault;
use serde_json::{Map, Value};

/// The options as an object, to be looked through by hand or read into a type by serde.
///
/// # Errors
/// `invalid-options` where they are something else. The host has checked them against the plugin's schema before, so
/// this is for hosts and tests that have not.
pub fn object(options: &str) -> Result<Map<String, Value>, Fault> {
    match serde_json::from_str(options) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Err(Fault::option("", "must be an object")),
        Err(error) => Err(Fault::option("", format!("not JSON: {error}"))),
    }
}

/// The URL to be asked: `default`, its origin replaced by the option `endpoint` (`scheme://host[:port]`) where there is one.
/// So every plugin can be pointed at a local server or a proxy.
///
/// Whether the way is encrypted is the endpoint's choice (`https` or `wss` against `http` or `ws`), which of HTTP and WebSocket
/// is spoken remains that of `default`.
///
/// # Errors
/// `invalid-options` at `/endpoint` where it is no origin.
///
/// ```
/// let url = "wss://api.example.com/v1/listen?x=1";
/// let local = vg_plugin_sdk::options::endpoint(r#"{"endpoint":"http://127.0.0.1:8080"}"#, url)?;
/// assert_eq!(local, "ws://127.0.0.1:8080/v1/listen?x=1");
/// # Ok::<(), vg_plugin_sdk::Fault>(())
/// ```
pub fn endpoint(options: &str, default: &str) -> Result<String, Fault> {
    let wrong = || Fault::option("/endpoint", "must be scheme://host[:port], without a path");
    match object(options)?.get("endpoint") {
        None => Ok(default.to_owned()),
        Some(Value::String(endpoint)) => at(endpoint, default).ok_or_else(wrong),
        Some(_) => Err(wrong()),
    }
}

fn at(endpoint: &str, default: &str) -> Option<String> {
    let (scheme, authority) = endpoint.split_once("://")?;
    let authority = authority.strip_suffix('/').unwrap_or(authority);
    if authority.is_empty() || authority.contains(['/', '?', '#', '@', '{', '}', '\\']) || authority.contains(char::is_whitespace)
    {
        return None;
    }
    let encrypted = match scheme {
        "https" | "wss" => true,
        "http" | "ws" => false,
        _ => return None,
    };
    let (own_scheme, rest) = default.split_once("://")?;
    let path = rest.find(['/', '?', '#']).map_or("", |start| &rest[start..]);
    let scheme = match (own_scheme.starts_with("ws"), encrypted) {
        (true, true) => "wss",
        (true, false) => "ws",
        (false, true) => "https",
        (false, false) => "http",
    };
    Some(format!("{scheme}://{authority}{path}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(endpoint: &str, default: &str) -> Option<String> {
        let options = serde_json::json!({ "endpoint": endpoint }).to_string();
        super::endpoint(&options, default).ok()
    }

    #[test]
    fn endpoint_replaces_the_origin_and_nothing_else() {
        let expected = [
            ("wss://other.example", "wss://other.example/v1?a=b"),
            ("http://127.0.0.1:8080/", "ws://127.0.0.1:8080/v1?a=b"),
            ("https://[::1]:9", "wss://[::1]:9/v1?a=b"),
        ];
        for (endpoint, url) in expected {
            assert_eq!(at(endpoint, "wss://api.example.com:443/v1?a=b").as_deref(), Some(url));
        }
        assert_eq!(at("wss://x", "http://api.example.com").as_deref(), Some("https://x"));
        assert_eq!(endpoint("{}", "wss://api.example.com/v1").unwrap(), "wss://api.example.com/v1");
    }

    #[test]
    fn what_is_no_origin_is_a_fault_of_that_option() {
        for endpoint in ["", "x", "ftp://x", "https://", "https://x/y", "https://x?y", "https://a@x", "https://{secret:k}.x"] {
            assert_eq!(at(endpoint, "https://api.example.com/v1"), None, "{endpoint}");
        }
        let fault = endpoint(r#"{"endpoint":1}"#, "https://x").unwrap_err();
        assert!(matches!(fault.kind, crate::FaultKind::InvalidOptions(faults) if faults[0].path == "/endpoint"));
        assert!(object("[]").is_err() && object("{").is_err());
    }
}
