//! ARI's REST side. Every request has a deadline and a bounded error.

use super::wire::Info;
use super::{AriConfig, AriUrlError};
use crate::application::ports::TelephonyError;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use hyper::{Method, Request, StatusCode};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde::de::DeserializeOwned;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;
use tokio::time::timeout;
use url::Url;

/// The longest answer is the list of channels: about 500 bytes each.
const ANSWER_MAX: usize = 8 << 20;

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
}

/// See the module.
pub(super) struct Rest {
    client: Client<HttpConnector, Full<Bytes>>,
    base: Url,
    authorization: HeaderValue,
    deadline: Duration,
    counters: Counters,
}

#[derive(Default)]
struct Counters {
    ok: AtomicU64,
    gone: AtomicU64,
    refused: AtomicU64,
    deadline: AtomicU64,
    unreachable: AtomicU64,
}

impl Rest {
    pub(super) fn new(config: &AriConfig) -> Result<Self, AriUrlError> {
        if config.url.scheme() != "http" || config.url.host().is_none() {
            return Err(AriUrlError);
        }
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(config.deadline));
        let authorization = basic_authorization(&config.user, config.password.reveal()).ok_or(AriUrlError)?;
        Ok(Self {
            client: Client::builder(TokioExecutor::new()).build(connector),
            base: config.url.clone(),
            authorization,
            deadline: config.deadline,
            counters: Counters::default(),
        })
    }

    pub(super) async fn post(&self, act: &'static str, path: &[&str], query: &[(&str, &str)]) -> Result<(), TelephonyError> {
        self.request(act, Method::POST, path, query).await.map(drop)
    }

    /// What does not exist is as good as deleted.
    pub(super) async fn delete(&self, act: &'static str, path: &[&str], query: &[(&str, &str)]) -> Result<(), TelephonyError> {
        match self.request(act, Method::DELETE, path, query).await {
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
        let answer = self.request(act, Method::GET, path, query).await?;
        self.parse(act, &answer)
    }

    pub(super) async fn create<T: DeserializeOwned>(
        &self,
        act: &'static str,
        path: &[&str],
        query: &[(&str, &str)],
    ) -> Result<T, TelephonyError> {
        let answer = self.request(act, Method::POST, path, query).await?;
        self.parse(act, &answer)
    }

    /// The same, told in a JSON body: variables can be given there only.
    pub(super) async fn create_from<T: DeserializeOwned>(
        &self,
        act: &'static str,
        path: &[&str],
        body: &serde_json::Value,
    ) -> Result<T, TelephonyError> {
        let answer = self.request_with(act, Method::POST, path, &[], Bytes::from(body.to_string())).await?;
        self.parse(act, &answer)
    }

    pub(super) async fn info(&self) -> Result<Info, TelephonyError> {
        self.get("info", &["asterisk", "info"], &[]).await
    }

    pub(super) fn counts(&self) -> RestCounts {
        let counters = &self.counters;
        RestCounts {
            ok: counters.ok.load(Relaxed),
            gone: counters.gone.load(Relaxed),
            refused: counters.refused.load(Relaxed),
            deadline: counters.deadline.load(Relaxed),
            unreachable: counters.unreachable.load(Relaxed),
        }
    }

    async fn request(
        &self,
        act: &'static str,
        method: Method,
        path: &[&str],
        query: &[(&str, &str)],
    ) -> Result<Bytes, TelephonyError> {
        self.request_with(act, method, path, query, Bytes::new()).await
    }

    /// `body`: JSON, or nothing.
    async fn request_with(
        &self,
        act: &'static str,
        method: Method,
        path: &[&str],
        query: &[(&str, &str)],
        body: Bytes,
    ) -> Result<Bytes, TelephonyError> {
        let outcome = match timeout(self.deadline, self.exchange(act, method, path, query, body)).await {
            Ok(outcome) => outcome,
            Err(_) => Err(TelephonyError::Deadline { act }),
        };
        let counter = match &outcome {
            Ok(_) => &self.counters.ok,
            Err(TelephonyError::Gone) => &self.counters.gone,
            Err(TelephonyError::Refused { .. } | TelephonyError::Unsupported { .. }) => &self.counters.refused,
            Err(TelephonyError::Deadline { .. }) => &self.counters.deadline,
            Err(TelephonyError::Unreachable) => &self.counters.unreachable,
        };
        counter.fetch_add(1, Relaxed);
        if let Err(error) = &outcome {
            tracing::debug!(act, code = error.code(), "ari request failed");
        }
        outcome
    }

    async fn exchange(
        &self,
        act: &'static str,
        method: Method,
        path: &[&str],
        query: &[(&str, &str)],
        body: Bytes,
    ) -> Result<Bytes, TelephonyError> {
        let json = !body.is_empty();
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = method;
        *request.uri_mut() =
            ari_url(&self.base, path, query).as_str().parse().map_err(|_| TelephonyError::Unsupported { act })?;
        request.headers_mut().insert(AUTHORIZATION, self.authorization.clone());
        if json {
            request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        let answer = self.client.request(request).await.map_err(|_| TelephonyError::Unreachable)?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), ANSWER_MAX).collect().await;
        match status {
            StatusCode::NOT_FOUND => Err(TelephonyError::Gone),
            _ if status.is_success() => Ok(body.map_err(|_| TelephonyError::Unreachable)?.to_bytes()),
            _ => Err(TelephonyError::Refused { act, status: status.as_u16() }),
        }
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
