//! One question to the tenant-manager: bounded in time and size, tried again where that may help.

use crate::adapters::tally::Tally;
use crate::adapters::trust::{TrustError, trusting_as_well, untrusted};
use crate::config::TenantManager;
use bytes::Bytes;
use reqwest::header::{ACCEPT, AUTHORIZATION, ETAG, HeaderValue, IF_NONE_MATCH, RETRY_AFTER};
use reqwest::{Client, Method, Response, StatusCode};
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep, timeout, timeout_at};
use url::Url;

/// One question with all its tries: less than a call waits for its settings.
const BUDGET: Duration = Duration::from_millis(2_500);
/// One try.
const TRY: Duration = Duration::from_secs(1);
const TRIES: u32 = 3;
/// Before the second try; before each further one twice as long.
const PAUSE: Duration = Duration::from_millis(100);
/// Questions at a time; one more waits within its budget.
const AT_A_TIME: usize = 64;
/// Bytes of an answer.
const BODY_MAX: usize = 1 << 20;
/// Bytes of a tag that is kept; a longer one is not sent back.
const ETAG_MAX: usize = 256;

/// What the service said.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Reply {
    /// This, with the tag by which it is asked for again.
    Body { body: Bytes, etag: Option<String> },
    /// The same as by the tag.
    Unchanged,
    /// There is none.
    Absent,
}

/// Why the service said nothing of use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum AskError {
    #[error("tenant-manager does not accept the token")]
    Unauthorized,
    #[error("tenant-manager has too much to do")]
    Busy(Option<Duration>),
    #[error("tenant-manager fails")]
    Failing,
    #[error("tenant-manager answers with an unexpected status")]
    Refused,
    #[error("tenant-manager does not answer in time")]
    Deadline,
    #[error("tenant-manager cannot be reached")]
    Unreachable,
    /// Whoever answers there is somebody else, or its certificate is too old.
    #[error("tenant-manager's certificate is not to be trusted: {0}")]
    Untrusted(&'static str),
    #[error("tenant-manager's answer is too long")]
    TooLong,
}

impl AskError {
    /// Bounded label.
    pub(super) fn code(self) -> &'static str {
        match self {
            Self::Unauthorized => "unauthorized",
            Self::Busy(_) => "busy",
            Self::Failing => "failing",
            Self::Refused => "refused",
            Self::Deadline => "deadline",
            Self::Unreachable => "unreachable",
            Self::Untrusted(_) => "untrusted",
            Self::TooLong => "too_long",
        }
    }

    /// How long to wait before the next try; none where it would be in vain.
    fn pause(self, tries: u32) -> Option<Duration> {
        match self {
            Self::Busy(Some(after)) => Some(after),
            Self::Busy(None) | Self::Failing | Self::Deadline | Self::Unreachable => Some(PAUSE * 2u32.pow(tries)),
            Self::Unauthorized | Self::Refused | Self::Untrusted(_) | Self::TooLong => None,
        }
    }
}

/// The connection to the service cannot be prepared.
#[derive(Debug, thiserror::Error)]
#[error("prepare the connection to the tenant-manager: {0}")]
pub struct ServiceError(&'static str);

/// See the module.
pub(super) struct Service {
    client: Client,
    base: Url,
    authorization: Option<HeaderValue>,
    permits: Semaphore,
    counts: Tally,
}

impl Service {
    /// `operator_cas` are PEM; they are trusted beside the system's authorities, which are read here: blocks for tens of milliseconds.
    pub(super) fn new(config: &TenantManager, operator_cas: &[Vec<u8>]) -> Result<Self, ServiceError> {
        let tls = trusting_as_well(operator_cas).map_err(|error| match error {
            TrustError::OperatorCa => ServiceError("an authority of plugins.operator_cas is no certificate in PEM"),
            TrustError::Ca | TrustError::System => ServiceError("no common cipher suites"),
        })?;
        let client = Client::builder()
            .tls_backend_preconfigured(tls)
            // Inside of the platform: neither a proxy nor another place is meant.
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(TRY)
            .build()
            .map_err(|_| ServiceError("the client cannot be built"))?;
        let bearer = |token: &str| {
            let mut value = HeaderValue::from_str(&format!("Bearer {token}"))
                .map_err(|_| ServiceError("the token is no text of a header"))?;
            value.set_sensitive(true);
            Ok(value)
        };
        let authorization = config.token.as_ref().map(|token| bearer(token.reveal())).transpose()?;
        Ok(Self { client, base: config.url.clone(), authorization, permits: Semaphore::new(AT_A_TIME), counts: Tally::default() })
    }

    /// `GET /api/v1/tenants/{tenant}/telephony/{path}`. Nothing of the path is logged: it may hold a number.
    pub(super) async fn get(&self, tenant: &str, path: &[&str], etag: Option<&str>) -> Result<Reply, AskError> {
        let mut url = self.base.clone();
        match url.path_segments_mut() {
            Ok(mut segments) => drop(segments.pop_if_empty().extend(["api", "v1", "tenants", tenant, "telephony"]).extend(path)),
            Err(()) => return Err(AskError::Refused),
        }
        let until = Instant::now() + BUDGET;
        let reply = self.tries(&url, etag, until).await;
        self.count(match &reply {
            Ok(Reply::Body { .. }) => "fetched",
            Ok(Reply::Unchanged) => "unchanged",
            Ok(Reply::Absent) => "absent",
            Err(error) => error.code(),
        });
        reply
    }

    /// Whether somebody answers there whose certificate is trusted: nothing is asked for, and what the answer is does not matter. In vain it is tried once.
    pub(super) async fn reach(&self) -> Result<(), AskError> {
        let asked = timeout(TRY, self.client.request(Method::OPTIONS, self.base.clone()).send()).await;
        asked.map_err(|_| AskError::Deadline)?.map(drop).map_err(|error| unsent(&error))
    }

    /// Questions by outcome since the start.
    pub(super) fn counts(&self) -> Vec<(&'static str, u64)> {
        self.counts.read()
    }

    /// Counts an answer that came and makes no sense.
    pub(super) fn count(&self, outcome: &'static str) {
        self.counts.count(outcome);
    }

    async fn tries(&self, url: &Url, etag: Option<&str>, until: Instant) -> Result<Reply, AskError> {
        let permit = timeout_at(until, self.permits.acquire()).await;
        let _permit = permit.map_err(|_| AskError::Deadline)?.map_err(|_| AskError::Unreachable)?;
        for tried in 0.. {
            let end = until.min(Instant::now() + TRY);
            let error = match timeout_at(end, self.exchange(url, etag)).await {
                Ok(Ok(reply)) => return Ok(reply),
                Ok(Err(error)) => error,
                Err(_) => AskError::Deadline,
            };
            let pause = error.pause(tried).filter(|pause| tried + 1 < TRIES && Instant::now() + *pause < until);
            match pause {
                Some(pause) => sleep(pause).await,
                None => return Err(error),
            }
        }
        Err(AskError::Deadline)
    }

    async fn exchange(&self, url: &Url, etag: Option<&str>) -> Result<Reply, AskError> {
        let mut request = self.client.get(url.clone()).header(ACCEPT, "application/json");
        if let Some(authorization) = &self.authorization {
            request = request.header(AUTHORIZATION, authorization.clone());
        }
        if let Some(etag) = etag {
            request = request.header(IF_NONE_MATCH, etag);
        }
        let sent = request.send().await;
        let answer = sent.map_err(|error| unsent(&error))?;
        match answer.status() {
            StatusCode::OK => {
                let etag = header(&answer, ETAG.as_str()).filter(|etag| etag.len() <= ETAG_MAX);
                Ok(Reply::Body { body: body(answer).await?, etag })
            }
            StatusCode::NOT_MODIFIED if etag.is_some() => Ok(Reply::Unchanged),
            StatusCode::NOT_FOUND | StatusCode::GONE => Ok(Reply::Absent),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Err(AskError::Unauthorized),
            StatusCode::TOO_MANY_REQUESTS => {
                let after = header(&answer, RETRY_AFTER.as_str()).and_then(|seconds| seconds.parse().ok());
                Err(AskError::Busy(after.map(Duration::from_secs)))
            }
            status if status.is_server_error() => Err(AskError::Failing),
            _ => Err(AskError::Refused),
        }
    }
}

/// Why a question has come to nobody.
fn unsent(error: &reqwest::Error) -> AskError {
    untrusted(error).map_or(AskError::Unreachable, AskError::Untrusted)
}

fn header(answer: &Response, name: &str) -> Option<String> {
    answer.headers().get(name)?.to_str().ok().map(str::to_owned)
}

async fn body(mut answer: Response) -> Result<Bytes, AskError> {
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(|_| AskError::Unreachable)? {
        if body.len() + chunk.len() > BODY_MAX {
            return Err(AskError::TooLong);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.into())
}
