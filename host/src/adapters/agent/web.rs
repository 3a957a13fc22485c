//! What agents by HTTP share: the client, and how an answer is cut into documents.

mod documents;

use documents::Documents;

use super::service::{Answer, Fault, Piece};
use super::tls::SetUpError;
use crate::adapters::otlp::Traces;
use crate::application::ports::Question;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER};
use reqwest::redirect::Policy;
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::VecDeque;
use std::time::{Duration, SystemTime};
use url::Url;
use vg_domain::pii::Pii;

/// Milliseconds in which the answer is of use.
pub(super) const DEADLINE_HEADER: &str = "x-deadline-ms";
/// Of which trace a request is (W3C Trace Context).
pub(super) const TRACE_HEADER: &str = "traceparent";
/// An answer that does not stream is no longer.
pub(super) const WHOLE_MAX: usize = 256 << 10;
/// A connection that is not made in this time is not made.
pub(super) const CONNECT_WITHIN: Duration = Duration::from_secs(1);
/// Idle connections are kept for so long, since the next turn comes within a minute.
const IDLE_FOR: Duration = Duration::from_secs(90);
/// A dead connection is known after two of these.
pub(super) const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// A client for one base URL.
#[derive(Clone)]
pub(super) struct Web {
    client: Client,
    base: Url,
    traces: Traces,
}

impl Web {
    pub(super) fn new(
        base: &Url,
        token: Option<&Pii<String>>,
        tls: rustls::ClientConfig,
        traces: Traces,
    ) -> Result<Self, SetUpError> {
        let mut headers = HeaderMap::new();
        if let Some(token) = token {
            let mut value = HeaderValue::from_str(&format!("Bearer {}", token.reveal()))?;
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        // No redirects and no proxies: what callers said and the token go to the URL that the operator wrote and nowhere else.
        let client = Client::builder()
            .user_agent(concat!("voice-gateway/", env!("CARGO_PKG_VERSION")))
            .default_headers(headers)
            .tls_backend_preconfigured(tls)
            .redirect(Policy::none())
            .no_proxy()
            .connect_timeout(CONNECT_WITHIN)
            .pool_idle_timeout(IDLE_FOR)
            .tcp_nodelay(true)
            .http2_keep_alive_interval(KEEP_ALIVE)
            .http2_keep_alive_timeout(KEEP_ALIVE)
            .build()?;
        Ok(Self { client, base: base.clone(), traces })
    }

    /// The base URL and these segments, percent-encoded.
    pub(super) fn url(&self, path: &[&str]) -> Url {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        url
    }

    /// The question of a turn, in that body: its trace goes with it.
    pub(super) async fn ask(
        &self,
        question: &Question,
        url: Url,
        body: &impl Serialize,
        accept: &'static str,
        left: Duration,
    ) -> Result<Response, Fault> {
        let mut request = self.request(Method::POST, url, accept, left);
        if let Some(parent) = self.traces.parent(&question.call, question.turn) {
            request = request.header(TRACE_HEADER, parent);
        }
        succeeded(request, Some(body)).await
    }

    /// One request; an answer of success only.
    pub(super) async fn send(
        &self,
        method: Method,
        url: Url,
        body: Option<&impl Serialize>,
        accept: &'static str,
        left: Duration,
    ) -> Result<Response, Fault> {
        succeeded(self.request(method, url, accept, left), body).await
    }

    fn request(&self, method: Method, url: Url, accept: &'static str, left: Duration) -> RequestBuilder {
        let millis = u64::try_from(left.as_millis()).unwrap_or(u64::MAX);
        self.client.request(method, url).header(DEADLINE_HEADER, millis).header("accept", accept)
    }

    /// One request with one JSON document for an answer.
    pub(super) async fn fetch<T: DeserializeOwned>(
        &self,
        method: Method,
        url: Url,
        body: Option<&impl Serialize>,
        left: Duration,
    ) -> Result<T, Fault> {
        let mut response = self.send(method, url, body, "application/json", left).await?;
        let mut whole = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|_| Fault::Cut)? {
            if whole.len() + chunk.len() > WHOLE_MAX {
                return Err(Fault::TooLong);
            }
            whole.extend_from_slice(&chunk);
        }
        serde_json::from_slice(&whole).map_err(|_| Fault::Garbage)
    }

    /// Any answer will do: the connection is then in the pool.
    pub(super) async fn connect(&self) {
        let _ = self.client.request(Method::OPTIONS, self.base.clone()).send().await;
    }
}

async fn succeeded(mut request: RequestBuilder, body: Option<&impl Serialize>) -> Result<Response, Fault> {
    if let Some(body) = body {
        let body = serde_json::to_vec(body).map_err(|_| Fault::Refused)?;
        request = request.header(CONTENT_TYPE, "application/json").body(body);
    }
    let response = request.send().await.map_err(|_| Fault::Unavailable)?;
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    let pause = response.headers().get(RETRY_AFTER).and_then(|value| retry_after(value.to_str().ok()?, SystemTime::now()));
    tracing::debug!(status = status.as_u16(), "agent refused a request");
    Err(match status {
        StatusCode::METHOD_NOT_ALLOWED => Fault::Unsupported,
        _ => Fault::of_status(status.as_u16(), pause),
    })
}

/// `Retry-After` (RFC 9110, section 10.2.3): seconds, or a moment.
fn retry_after(value: &str, now: SystemTime) -> Option<Duration> {
    if let Ok(seconds) = value.trim().parse() {
        return Some(Duration::from_secs(seconds));
    }
    let moment = SystemTime::from(jiff::fmt::rfc2822::parse(value.trim()).ok()?.timestamp());
    Some(moment.duration_since(now).unwrap_or_default())
}

/// Makes pieces of the documents of an answer.
pub(crate) trait Reader: Send {
    /// Reads one document.
    fn read(&mut self, document: &str, into: &mut VecDeque<Piece>) -> Result<(), Fault>;
}

/// An answer by HTTP that is on its way.
pub(super) struct Streamed<R> {
    response: Response,
    documents: Documents,
    reader: R,
    ready: VecDeque<Piece>,
    ended: bool,
}

impl<R: Reader> Streamed<R> {
    /// By its content type. `reader` is told whether the answer is one document.
    pub(super) fn new(response: Response, reader: impl FnOnce(bool) -> R) -> Result<Self, Fault> {
        let kind = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let documents = Documents::of(kind).ok_or(Fault::Garbage)?;
        let reader = reader(documents.is_one());
        Ok(Self { response, documents, reader, ready: VecDeque::new(), ended: false })
    }
}

impl<R: Reader> Answer for Streamed<R> {
    async fn next(&mut self) -> Result<Option<Piece>, Fault> {
        loop {
            if let Some(piece) = self.ready.pop_front() {
                return Ok(Some(piece));
            }
            if let Some(document) = self.documents.poll()? {
                self.reader.read(&document, &mut self.ready)?;
            } else if self.ended {
                return Ok(None);
            } else {
                match self.response.chunk().await.map_err(|_| Fault::Cut)? {
                    Some(chunk) => self.documents.push(&chunk),
                    None => {
                        self.documents.end();
                        self.ended = true;
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_seconds_or_a_moment() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        assert_eq!(retry_after("7", now), Some(Duration::from_secs(7)));
        assert_eq!(retry_after("Sun, 06 Nov 1994 08:49:47 GMT", now), Some(Duration::from_secs(10)));
        assert_eq!(retry_after("Sun, 06 Nov 1994 08:49:27 GMT", now), Some(Duration::ZERO), "already over");
        for nonsense in ["", "-1", "soon", "1e9", "99999999999999999999999"] {
            assert_eq!(retry_after(nonsense, now), None, "{nonsense}");
        }
    }
}
