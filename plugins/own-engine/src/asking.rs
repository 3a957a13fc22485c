//! Where an engine is and what it is shown.

use vg_plugin_sdk::{Fault, options};

/// An engine beside the gateway, and where `voice-gateway plugin vendor` listens.
pub const DEFAULT_ORIGIN: &str = "://127.0.0.1:8080";

/// Names of fields that a secret must not take the place of: they say how a message is to be read.
const RESERVED: [&str; 6] = ["accept", "content-type", "content-length", "host", "connection", "upgrade"];

/// How an engine is asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asking {
    /// Absolute.
    pub url: String,
    /// Credentials; their values are the host's.
    pub headers: Vec<(String, String)>,
}

impl Asking {
    /// `scheme` is `ws` or `http`; `options` are the tenant's, of which `endpoint` is read here.
    ///
    /// # Errors
    /// `invalid-options` at `/endpoint`, `/path` or `/header`.
    pub fn of(scheme: &str, options: &str, path: &str, bearer: bool, header: Option<&str>) -> Result<Self, Fault> {
        let plain = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'{' | b'}' | b'#' | b'\\');
        if !(path.starts_with('/') && path.bytes().all(plain)) {
            return Err(Fault::option("/path", "must begin with / and hold nothing that a URL does not"));
        }
        let url = options::endpoint(options, &format!("{scheme}{DEFAULT_ORIGIN}{path}"))?;
        let mut headers = Vec::new();
        if bearer {
            headers.push(("authorization".to_owned(), "Bearer {secret:token}".to_owned()));
        }
        if let Some(name) = header {
            if !is_free(name, bearer) {
                return Err(Fault::option("/header", "must be the name of a header that is the engine's own"));
            }
            headers.push((name.to_owned(), "{secret:header}".to_owned()));
        }
        Ok(Self { url, headers })
    }
}

fn is_free(name: &str, bearer: bool) -> bool {
    let token = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let reserved = |other: &&str| name.eq_ignore_ascii_case(other);
    let twice = bearer && name.eq_ignore_ascii_case("authorization");
    let handshake = name.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("sec-"));
    (1..=64).contains(&name.len()) && name.bytes().all(token) && !RESERVED.iter().any(reserved) && !twice && !handshake
}

#[cfg(test)]
mod tests {
    use super::*;
    use vg_plugin_sdk::FaultKind;

    fn wrong(path: &str, bearer: bool, header: Option<&str>) -> String {
        let fault = Asking::of("http", "{}", path, bearer, header).unwrap_err();
        let FaultKind::InvalidOptions(faults) = fault.kind else { panic!("{fault:?}") };
        faults[0].path.clone()
    }

    #[test]
    fn an_engine_is_found_by_endpoint_and_path_and_shown_what_it_asks_for() {
        let asking = Asking::of("ws", r#"{"endpoint":"https://speech.example"}"#, "/a/b?c=d", true, Some("X-Team")).unwrap();
        assert_eq!(asking.url, "wss://speech.example/a/b?c=d");
        let expected = [("authorization", "Bearer {secret:token}"), ("X-Team", "{secret:header}")];
        assert_eq!(asking.headers, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
        let plain = Asking::of("http", "{}", "/speak", false, None).unwrap();
        assert_eq!((plain.url.as_str(), plain.headers.len()), ("http://127.0.0.1:8080/speak", 0));
    }

    #[test]
    fn what_would_change_the_request_is_refused_by_its_place() {
        for path in ["", "speak", "/a b", "/{secret:token}", "/a#b", "/é"] {
            assert_eq!(wrong(path, false, None), "/path", "{path}");
        }
        for header in ["", "a b", "Content-Type", "host", "Sec-WebSocket-Key", "x:y"] {
            assert_eq!(wrong("/", false, Some(header)), "/header", "{header}");
        }
        assert_eq!(wrong("/", true, Some("Authorization")), "/header");
        assert!(Asking::of("http", "{}", "/", false, Some("Authorization")).is_ok());
    }
}
