//! How an engine says no: the same object in a WebSocket message, in an HTTP body and in a line of a stream.

use crate::Ms;
use serde::Deserialize;
use vg_plugin_sdk::{
    Fault, FaultKind, OptionFault,
    link::{self, Fields, Opened},
};

/// `{"type":"error",...}` of an engine. Its `message` is for people who look at the wire: it may hold what was spoken, so it is not read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Refusal {
    /// One of the codes of the protocol.
    pub code: String,
    /// Only with `rate_limited`.
    #[serde(default)]
    pub retry_after_ms: Option<Ms>,
    /// Only with `invalid_options`.
    #[serde(default)]
    pub faults: Vec<OptionRefusal>,
}

/// An option of the engine that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct OptionRefusal {
    /// JSON pointer into `options` of the message.
    pub path: String,
    /// Shown to whoever configures.
    pub message: String,
}

/// As many faults of options as anybody reads.
const FAULTS_MAX: usize = 16;
/// Bytes of what an engine says of an option.
const MESSAGE_MAX: usize = 200;
/// Bytes of a refusal's body: more is a page.
const BODY_MAX: usize = 4 << 10;
/// A refusal's body comes with its head, or is not waited for.
pub const BODY_MS: u32 = 500;

impl Refusal {
    /// What it means for the session. An unknown code is an engine that is not well.
    pub fn fault(&self) -> Fault {
        self.known().unwrap_or_else(|| Fault::new(FaultKind::Unavailable, self.detail()))
    }

    fn known(&self) -> Option<Fault> {
        let kind = match self.code.as_str() {
            "unauthorized" => FaultKind::Auth,
            "invalid_options" => FaultKind::InvalidOptions(self.options()),
            "unsupported" => FaultKind::Unsupported,
            "rate_limited" => FaultKind::Quota(self.retry_after_ms.map(|Ms(ms)| ms)),
            "quota_exhausted" => FaultKind::Quota(None),
            "busy" => FaultKind::SessionLimit,
            "bad_audio" => FaultKind::BadAudio,
            "bad_message" => FaultKind::Protocol,
            "unavailable" | "internal" => FaultKind::Unavailable,
            _ => return None,
        };
        Some(Fault::new(kind, self.detail()))
    }

    fn options(&self) -> Vec<OptionFault> {
        let fault = |refused: &OptionRefusal| {
            // A pointer begins with a slash; engines forget it.
            let path = match cut(&refused.path).trim_start_matches('/') {
                "" => "/options".to_owned(),
                path => format!("/options/{path}"),
            };
            OptionFault { path, message: cut(&refused.message).to_owned() }
        };
        let faults: Vec<OptionFault> = self.faults.iter().take(FAULTS_MAX).map(fault).collect();
        if !faults.is_empty() {
            return faults;
        }
        vec![OptionFault { path: "/options".to_owned(), message: "the engine refused them".to_owned() }]
    }

    fn detail(&self) -> String {
        let word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        match self.code.as_str() {
            code if (1..=40).contains(&code.len()) && code.bytes().all(word) => format!("the engine reported {code}"),
            _ => "the engine reported an error".to_owned(),
        }
    }
}

/// An answer with a status of 400 or above, whose body may still come: it may say it better than the status.
#[derive(Debug)]
pub struct Refused {
    status: u16,
    headers: Fields,
    body: Vec<u8>,
}

impl Refused {
    /// By its head. Its body is waited for no longer than [`BODY_MS`].
    pub fn new(head: Opened) -> Self {
        Self { status: head.status, headers: head.headers, body: Vec::new() }
    }

    /// More of its body; what is too much is dropped.
    pub fn push(&mut self, bytes: &[u8]) {
        let room = BODY_MAX.saturating_sub(self.body.len()).min(bytes.len());
        self.body.extend_from_slice(&bytes[..room]);
    }

    /// What it means, by what has come of it.
    pub fn fault(&self) -> Fault {
        let by_status = Fault::of_status(self.status, &self.headers)
            .unwrap_or_else(|| Fault::new(FaultKind::Protocol, format!("the engine answered with status {}", self.status)));
        let Some(refusal) = serde_json::from_slice::<Refusal>(&self.body).ok() else { return by_status };
        match refusal.known() {
            // A header may say when, whatever the status.
            Some(fault) if refusal.code == "rate_limited" && fault.kind == FaultKind::Quota(None) => {
                Fault { kind: FaultKind::Quota(link::retry_after_ms(&self.headers)), ..fault }
            }
            Some(fault) => fault,
            None => by_status,
        }
    }
}

fn cut(text: &str) -> &str {
    &text[..text.floor_char_boundary(MESSAGE_MAX)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use vg_plugin_sdk::Remedy;

    fn fault(json: &str) -> Fault {
        serde_json::from_str::<Refusal>(json).unwrap().fault()
    }

    #[test]
    fn every_code_is_the_fault_that_the_ladder_acts_on() {
        let expected = [
            ("unauthorized", FaultKind::Auth, Remedy::Configuration),
            ("unsupported", FaultKind::Unsupported, Remedy::Configuration),
            ("rate_limited", FaultKind::Quota(None), Remedy::NextProvider),
            ("quota_exhausted", FaultKind::Quota(None), Remedy::NextProvider),
            ("busy", FaultKind::SessionLimit, Remedy::NextProvider),
            ("bad_audio", FaultKind::BadAudio, Remedy::NextProvider),
            ("bad_message", FaultKind::Protocol, Remedy::NextProvider),
            ("unavailable", FaultKind::Unavailable, Remedy::NextProvider),
            ("internal", FaultKind::Unavailable, Remedy::NextProvider),
            ("made_up", FaultKind::Unavailable, Remedy::NextProvider),
        ];
        for (code, kind, remedy) in expected {
            let fault = fault(&format!(r#"{{"type":"error","code":"{code}","message":"hello"}}"#));
            assert_eq!((fault.kind, fault.remedy), (kind, remedy), "{code}");
            assert_eq!(fault.detail, format!("the engine reported {code}"));
        }
        let waits = fault(r#"{"code":"rate_limited","retry_after_ms":1500}"#);
        assert_eq!(waits.kind, FaultKind::Quota(Some(1_500)));
    }

    #[test]
    fn options_that_are_refused_are_named_by_their_place_in_the_tenants_own() {
        let named = fault(r#"{"code":"invalid_options","faults":[{"path":"/speed","message":"at most 2"}]}"#);
        let expected = OptionFault { path: "/options/speed".to_owned(), message: "at most 2".to_owned() };
        assert_eq!(named.kind, FaultKind::InvalidOptions(vec![expected]));
        let path = |json: &str| match fault(json).kind {
            FaultKind::InvalidOptions(faults) => faults[0].path.clone(),
            other => panic!("{other:?}"),
        };
        assert_eq!(path(r#"{"code":"invalid_options"}"#), "/options");
        let at =
            |pointer: &str| path(&format!(r#"{{"code":"invalid_options","faults":[{{"path":"{pointer}","message":"no"}}]}}"#));
        assert_eq!((at("speed").as_str(), at("").as_str(), at("/a/b").as_str()), ("/options/speed", "/options", "/options/a/b"));
    }

    #[test]
    fn a_code_that_is_no_word_is_not_repeated() {
        assert_eq!(fault(r#"{"code":"the caller said 4242"}"#).detail, "the engine reported an error");
    }

    #[test]
    fn a_body_says_it_better_than_a_status_and_a_page_says_nothing() {
        let kind = |status, body: &str| {
            let headers = vec![("retry-after".to_owned(), "7".to_owned())];
            let mut refused = Refused::new(Opened { id: 1, status, headers });
            // However it is cut.
            body.as_bytes().chunks(5).for_each(|piece| refused.push(piece));
            refused.fault().kind
        };
        assert_eq!(kind(429, r#"{"code":"rate_limited","retry_after_ms":300}"#), FaultKind::Quota(Some(300)));
        assert_eq!(kind(429, r#"{"code":"rate_limited"}"#), FaultKind::Quota(Some(7_000)));
        assert_eq!(kind(503, r#"{"code":"rate_limited"}"#), FaultKind::Quota(Some(7_000)));
        assert_eq!(kind(429, r#"{"code":"quota_exhausted"}"#), FaultKind::Quota(None));
        assert_eq!(kind(503, &"x".repeat(10_000)), FaultKind::Unavailable);
        assert_eq!(kind(503, r#"{"code":"busy"}"#), FaultKind::SessionLimit);
        assert_eq!(kind(503, r#"{"code":"made_up"}"#), FaultKind::Unavailable);
        assert_eq!(kind(401, "<html>"), FaultKind::Auth);
        assert_eq!(kind(302, ""), FaultKind::Protocol);
    }
}
