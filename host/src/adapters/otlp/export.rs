//! The way to the collector: one request at a time, tried again where the protocol says that it may be.

use super::messages::{Attribute, ExportRequest, ExportResponse, Resource, ResourceSpans, Scope, ScopeSpans, Span};
use crate::adapters::tally::Tally;
use crate::adapters::trust::trusting_as_well;
use crate::config::Otlp;
use prost::Message;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use reqwest::{Client, Response};
use std::time::Duration;
use tokio::time::{sleep, timeout};
use url::Url;

/// One try.
const TRY: Duration = Duration::from_secs(5);
const TRIES: u32 = 3;
/// Before the second try; before the third twice as long.
const PAUSE: Duration = Duration::from_secs(1);
/// Nobody is waited for longer, whatever it says.
const PAUSE_MAX: Duration = Duration::from_secs(10);
/// Bytes of an answer that are read.
const ANSWER_MAX: usize = 64 << 10;
const PROTOBUF: &str = "application/x-protobuf";

/// Why there is no way to the collector.
#[derive(Debug, thiserror::Error)]
#[error("prepare the connection to the collector: {0}")]
pub struct CollectorError(pub(super) &'static str);

/// See the module.
pub(super) struct Collector {
    client: Client,
    url: Url,
    resource: Resource,
    counts: Tally,
}

/// What became of a request.
enum Fate {
    /// Taken, but for so many spans.
    Taken { rejected: u64 },
    /// To be sent again, after so long where the collector says so.
    Again(Option<Duration>),
    /// Not taken, however often it comes.
    Refused,
}

impl Collector {
    pub(super) fn new(config: &Otlp, instance: &str, operator_cas: &[Vec<u8>], counts: Tally) -> Result<Self, CollectorError> {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(PROTOBUF));
        for (name, value) in &config.headers {
            let name: HeaderName = name.parse().map_err(|_| CollectorError("a header's name is none"))?;
            let mut value = HeaderValue::from_str(value.reveal()).map_err(|_| CollectorError("a header's value is none"))?;
            value.set_sensitive(true);
            headers.insert(name, value);
        }
        let tls = trusting_as_well(operator_cas).map_err(|_| CollectorError("an authority of plugins.operator_cas is none"))?;
        // No redirects and no proxies: what happened in calls goes to the place that the operator wrote and nowhere else.
        let client = Client::builder()
            .user_agent(concat!("voice-gateway/", env!("CARGO_PKG_VERSION")))
            .default_headers(headers)
            .tls_backend_preconfigured(tls)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .connect_timeout(TRY)
            .build()
            .map_err(|_| CollectorError("the client cannot be built"))?;
        let mut url = config.endpoint.clone();
        match url.path_segments_mut() {
            Ok(mut segments) => drop(segments.pop_if_empty().extend(["v1", "traces"])),
            Err(()) => return Err(CollectorError("the endpoint is no URL of a server")),
        }
        let attributes = vec![
            Attribute::text("service.name", "voice-gateway"),
            Attribute::text("service.version", env!("CARGO_PKG_VERSION")),
            Attribute::text("service.instance.id", instance),
        ];
        Ok(Self { client, url, resource: Resource { attributes }, counts })
    }

    /// Sends these, and counts what became of them.
    pub(super) async fn send(&self, spans: Vec<Span>) {
        let count = spans.len() as u64;
        let scope = Scope { name: "voice-gateway".to_owned(), version: env!("CARGO_PKG_VERSION").to_owned() };
        let of_scope = vec![ScopeSpans { scope: Some(scope), spans }];
        let of_resource = ResourceSpans { resource: Some(self.resource.clone()), scope_spans: of_scope };
        let body = bytes::Bytes::from(ExportRequest { resource_spans: vec![of_resource] }.encode_to_vec());
        for tried in 1..=TRIES {
            let fate = timeout(TRY, self.exchange(body.clone())).await.unwrap_or(Fate::Again(None));
            match fate {
                Fate::Taken { rejected } => {
                    let rejected = rejected.min(count);
                    self.counts.add("sent", count - rejected);
                    return self.counts.add("rejected", rejected);
                }
                Fate::Refused => return self.counts.add("refused", count),
                Fate::Again(_) if tried == TRIES => {}
                Fate::Again(pause) => sleep(pause.unwrap_or(PAUSE * tried).min(PAUSE_MAX)).await,
            }
        }
        self.counts.add("failed", count);
    }

    async fn exchange(&self, body: bytes::Bytes) -> Fate {
        let Ok(answer) = self.client.post(self.url.clone()).body(body).send().await else { return Fate::Again(None) };
        match answer.status().as_u16() {
            200..=299 => Fate::Taken { rejected: rejected(answer).await },
            // "Failures", of the protocol's section on HTTP.
            429 | 502 | 503 | 504 => {
                let seconds = answer.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.trim().parse().ok());
                Fate::Again(seconds.map(Duration::from_secs))
            }
            status => {
                tracing::debug!(status, "collector refused spans");
                Fate::Refused
            }
        }
    }
}

/// Spans that were not taken. An answer that makes no sense was one of success all the same.
async fn rejected(mut answer: Response) -> u64 {
    let mut body = Vec::new();
    while let Ok(Some(chunk)) = answer.chunk().await {
        if body.len() + chunk.len() > ANSWER_MAX {
            return 0;
        }
        body.extend_from_slice(&chunk);
    }
    let told = ExportResponse::decode(body.as_slice()).ok().and_then(|response| response.partial_success);
    told.map_or(0, |partial| u64::try_from(partial.rejected_spans).unwrap_or(0))
}
