//! ARI's REST side. Every request has a deadline and a bounded error.
//!
//! Requests go over HTTP where this gateway dials, and over the event socket where Asterisk does. What can be done by AMI as well is done there
//! while ARI is away.

use super::by_ami;
use super::http::HttpWire;
use super::link::Link;
use super::wire::Info;
use crate::adapters::ami::Ami;
use crate::application::ports::TelephonyError;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use hyper::Method;
use hyper::header::HeaderValue;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;
use tokio::time::timeout;
use url::Url;

/// Requests by outcome since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RestCounts {
    /// Answered with success.
    pub ok: u64,
    /// The channel or bridge no longer exists. Deleting such a thing counts as `ok`.
    pub gone: u64,
    /// Answered with another status, or with an answer that makes no sense.
    pub refused: u64,
    /// Not answered in time.
    pub deadline: u64,
    /// No connection, or it broke.
    pub unreachable: u64,
    /// Carried out by AMI, since ARI was away; counted by their outcome as well.
    pub by_ami: u64,
}

/// One request.
pub(super) struct Ask<'a> {
    pub(super) act: &'static str,
    pub(super) method: Method,
    pub(super) path: &'a [&'a str],
    pub(super) query: &'a [(&'a str, &'a str)],
    /// JSON.
    pub(super) body: Option<String>,
}

/// What came back.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: Bytes,
}

/// How requests reach Asterisk.
pub(super) enum Wire {
    Http(Box<HttpWire>),
    Socket(Link),
}

/// See the module.
pub(super) struct Rest {
    wire: Wire,
    ami: Option<Arc<Ami>>,
    /// ARI is away: AMI is asked first.
    ami_first: AtomicBool,
    deadline: Duration,
    counters: Arc<RestCounters>,
}

/// Shared by everything that talks to one Asterisk.
#[derive(Default)]
pub(super) struct RestCounters {
    ok: AtomicU64,
    gone: AtomicU64,
    refused: AtomicU64,
    deadline: AtomicU64,
    unreachable: AtomicU64,
    by_ami: AtomicU64,
}

impl RestCounters {
    pub(super) fn counts(&self) -> RestCounts {
        RestCounts {
            ok: self.ok.load(Relaxed),
            gone: self.gone.load(Relaxed),
            refused: self.refused.load(Relaxed),
            deadline: self.deadline.load(Relaxed),
            unreachable: self.unreachable.load(Relaxed),
            by_ami: self.by_ami.load(Relaxed),
        }
    }
}

impl Rest {
    pub(super) fn new(wire: Wire, ami: Option<Arc<Ami>>, deadline: Duration, counters: Arc<RestCounters>) -> Self {
        Self { wire, ami, ami_first: AtomicBool::new(false), deadline, counters }
    }

    /// The event socket's part, where requests go over it.
    pub(super) fn link(&self) -> Option<&Link> {
        match &self.wire {
            Wire::Http(_) => None,
            Wire::Socket(link) => Some(link),
        }
    }

    /// Whether AMI is asked first.
    pub(super) fn prefer_ami(&self, wish: bool) {
        self.ami_first.store(wish, Relaxed);
    }

    /// Whether AMI is asked first, and is there.
    pub(super) fn is_by_ami(&self) -> bool {
        self.ami_first.load(Relaxed) && self.ami.as_ref().is_some_and(|ami| ami.is_up())
    }

    pub(super) async fn post(&self, act: &'static str, path: &[&str], query: &[(&str, &str)]) -> Result<(), TelephonyError> {
        self.request(Ask { act, method: Method::POST, path, query, body: None }).await.map(drop)
    }

    /// With a JSON body.
    pub(super) async fn put<T: Serialize>(&self, act: &'static str, path: &[&str], body: &T) -> Result<(), TelephonyError> {
        let body = serde_json::to_string(body).map_err(|_| TelephonyError::Unsupported { act })?;
        self.request(Ask { act, method: Method::PUT, path, query: &[], body: Some(body) }).await.map(drop)
    }

    /// What does not exist is as good as deleted.
    pub(super) async fn delete(&self, act: &'static str, path: &[&str], query: &[(&str, &str)]) -> Result<(), TelephonyError> {
        match self.request(Ask { act, method: Method::DELETE, path, query, body: None }).await {
            Ok(_) | Err(TelephonyError::Gone) => Ok(()),
            Err(error) => Err(error),
        }
    }

    pub(super) async fn get<T: DeserializeOwned>(
        &self,
        act: &'static str,
        path: &[&str],
        query: &[(&str, &str)],
    ) -> Result<T, TelephonyError> {
        let answer = self.request(Ask { act, method: Method::GET, path, query, body: None }).await?;
        self.parse(act, &answer)
    }

    pub(super) async fn create<T: DeserializeOwned>(
        &self,
        act: &'static str,
        path: &[&str],
        query: &[(&str, &str)],
    ) -> Result<T, TelephonyError> {
        let answer = self.request(Ask { act, method: Method::POST, path, query, body: None }).await?;
        self.parse(act, &answer)
    }

    /// The same, told in a JSON body: variables can be given there only.
    pub(super) async fn create_from<T: DeserializeOwned>(
        &self,
        act: &'static str,
        path: &[&str],
        body: &serde_json::Value,
    ) -> Result<T, TelephonyError> {
        let answer = self.request(Ask { act, method: Method::POST, path, query: &[], body: Some(body.to_string()) }).await?;
        self.parse(act, &answer)
    }

    pub(super) async fn info(&self) -> Result<Info, TelephonyError> {
        self.get("info", &["asterisk", "info"], &[]).await
    }

    async fn request(&self, ask: Ask<'_>) -> Result<Bytes, TelephonyError> {
        let act = ask.act;
        let outcome = self.by_whoever_is_there(&ask).await.and_then(|Answer { status, body }| match status {
            404 => Err(TelephonyError::Gone),
            200..=299 => Ok(body),
            _ => Err(TelephonyError::Refused { act, status }),
        });
        let counter = match &outcome {
            Ok(_) => &self.counters.ok,
            Err(TelephonyError::Gone) => &self.counters.gone,
            Err(TelephonyError::Refused { .. } | TelephonyError::Unsupported { .. } | TelephonyError::UntrustedPath) => {
                &self.counters.refused
            }
            Err(TelephonyError::Deadline { .. }) => &self.counters.deadline,
            Err(TelephonyError::Unreachable) => &self.counters.unreachable,
        };
        counter.fetch_add(1, Relaxed);
        if let Err(error) = &outcome {
            tracing::debug!(act, code = error.code(), "ari request failed");
        }
        outcome
    }

    /// ARI, and AMI where ARI is not to be had: at once while it is known to be away.
    async fn by_whoever_is_there(&self, ask: &Ask<'_>) -> Result<Answer, TelephonyError> {
        let ami = self.ami.as_ref().filter(|ami| ami.is_up()).and_then(|ami| Some((ami, by_ami::act(ask)?)));
        match ami {
            None => self.by_ari(ask).await,
            Some((ami, act)) if self.ami_first.load(Relaxed) => self.by_ami(ami, act).await,
            Some((ami, act)) => match self.by_ari(ask).await {
                // Not sent: nothing is done twice.
                Err(TelephonyError::Unreachable) => self.by_ami(ami, act).await,
                outcome => outcome,
            },
        }
    }

    async fn by_ari(&self, ask: &Ask<'_>) -> Result<Answer, TelephonyError> {
        let exchange = async {
            match &self.wire {
                Wire::Http(http) => http.exchange(ask).await,
                Wire::Socket(link) => link.exchange(ask).await,
            }
        };
        timeout(self.deadline, exchange).await.unwrap_or(Err(TelephonyError::Deadline { act: ask.act }))
    }

    async fn by_ami(&self, ami: &Ami, act: by_ami::Act) -> Result<Answer, TelephonyError> {
        self.counters.by_ami.fetch_add(1, Relaxed);
        act.carry_out(ami).await
    }

    /// An answer that makes no sense is a refusal with the status of success.
    fn parse<T: DeserializeOwned>(&self, act: &'static str, answer: &[u8]) -> Result<T, TelephonyError> {
        serde_json::from_slice(answer).map_err(|error| {
            self.counters.refused.fetch_add(1, Relaxed);
            tracing::warn!(act, line = error.line(), column = error.column(), "ari answer makes no sense");
            TelephonyError::Refused { act, status: 200 }
        })
    }
}

impl Ask<'_> {
    /// The path below `/ari/`, percent-encoded, without the query.
    pub(super) fn path(&self) -> String {
        let encode =
            |segment: &&str| url::form_urlencoded::byte_serialize(segment.as_bytes()).collect::<String>().replace('+', "%20");
        self.path.iter().map(encode).collect::<Vec<_>>().join("/")
    }
}

/// `None` where the name or password cannot stand in a header.
pub(super) fn basic_authorization(user: &str, password: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(&format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// `base` + `/ari/` + path + query, percent-encoded.
pub(super) fn ari_url(base: &Url, path: &[&str], query: &[(&str, &str)]) -> Url {
    let mut url = base.clone();
    if let Ok(mut segments) = url.path_segments_mut() {
        segments.pop_if_empty().push("ari").extend(path);
    }
    if !query.is_empty() {
        url.query_pairs_mut().extend_pairs(query);
    }
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_values_are_percent_encoded() {
        let base = Url::parse("http://127.0.0.1:8088/").unwrap();
        let url = ari_url(&base, &["channels", "a/b c?d", "variable"], &[("variable", "DIALPLAN_EXISTS(q&a,1,1)"), ("x", "ü")]);
        assert_eq!(
            url.as_str(),
            "http://127.0.0.1:8088/ari/channels/a%2Fb%20c%3Fd/variable?variable=DIALPLAN_EXISTS%28q%26a%2C1%2C1%29&x=%C3%BC"
        );
    }

    #[test]
    fn a_prefix_before_ari_is_kept() {
        let base = Url::parse("http://127.0.0.1:8088/pbx").unwrap();
        assert_eq!(ari_url(&base, &["bridges"], &[]).as_str(), "http://127.0.0.1:8088/pbx/ari/bridges");
    }

    #[test]
    fn the_password_is_not_printed() {
        let authorization = basic_authorization("user", "secret").unwrap();
        assert_eq!(authorization.as_bytes(), b"Basic dXNlcjpzZWNyZXQ=");
        assert_eq!(format!("{authorization:?}"), "Sensitive");
    }
}
