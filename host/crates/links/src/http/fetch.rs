//! Small answers to the host itself: tokens, which no session sees.

use super::http1::Http1;
use crate::dial::{DialError, Speaks, dial};
use crate::door::Links;
use crate::grant::{Grant, Target};
use crate::limits::{FETCH, FETCH_BYTES};
use crate::wire::{Fields, LinkErrorKind};
use bytes::Bytes;
use http::header::{CONTENT_LENGTH, HOST, HeaderName};
use http::{HeaderValue, Request};
use http_body_util::{BodyExt, Limited};
use tokio::time::{Instant, timeout_at};
use url::{Position, Url};
use zeroize::Zeroizing;

/// A request of the host's own.
pub(crate) struct Fetch<'a> {
    pub(crate) method: &'a str,
    /// Permitted by the caller.
    pub(crate) target: &'a Target,
    /// Leads there.
    pub(crate) url: &'a Url,
    pub(crate) headers: Fields,
    pub(crate) body: &'a [u8],
}

/// What was answered, whole.
pub(crate) struct Fetched {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
}

/// Why there is no answer. Shows nothing of the request.
#[derive(Debug)]
pub(crate) struct FetchError {
    pub(crate) kind: LinkErrorKind,
    pub(crate) detail: String,
    /// For the operator, where an address is not permitted.
    pub(crate) advice: Option<String>,
}

/// Asks under the grant: every address checked, no redirect followed, 64 KiB and ten seconds at most. Over an HTTP/1.1 connection of its
/// own, since it is needed once an hour.
///
/// # Errors
/// See [`FetchError`]; any status is an answer.
pub(crate) async fn fetch(links: &Links, grant: &Grant, fetch: Fetch<'_>) -> Result<Fetched, FetchError> {
    let target = fetch.target;
    let request = request(&fetch).ok_or_else(|| FetchError::new(LinkErrorKind::Protocol, "the request cannot be sent"))?;
    let by = Instant::now() + FETCH;
    let dialled = dial(links, grant, target, Speaks::Http1, by).await?;
    let answered = async {
        let mut connection = Http1::open(links, dialled).await?;
        let (head, body) = connection.ask(request).await?.into_parts();
        let body = Limited::new(body, FETCH_BYTES).collect().await.map_err(|_| FetchError::no_answer())?;
        Ok(Fetched { status: head.status.as_u16(), body: body.to_bytes().into() })
    };
    timeout_at(by, answered).await.unwrap_or_else(|_| Err(FetchError::new(LinkErrorKind::Timeout, "no answer in time")))
}

fn request(fetch: &Fetch<'_>) -> Option<Request<Bytes>> {
    let path = &fetch.url[Position::BeforePath..Position::AfterQuery];
    let body = Bytes::from_owner(Zeroizing::new(fetch.body.to_vec()));
    let mut request = Request::builder().method(fetch.method).uri(path).body(body).ok()?;
    let headers = request.headers_mut();
    for (name, value) in &fetch.headers {
        let mut value = HeaderValue::from_str(value).ok()?;
        value.set_sensitive(true);
        headers.append(HeaderName::from_bytes(name.as_bytes()).ok()?, value);
    }
    headers.insert(HOST, HeaderValue::try_from(fetch.target.authority()).ok()?);
    headers.insert(CONTENT_LENGTH, fetch.body.len().into());
    Some(request)
}

impl FetchError {
    fn new(kind: LinkErrorKind, detail: &str) -> Self {
        Self { kind, detail: detail.to_owned(), advice: None }
    }

    fn no_answer() -> Self {
        Self::new(LinkErrorKind::Reset, "no proper answer")
    }
}

impl From<hyper::Error> for FetchError {
    fn from(_: hyper::Error) -> Self {
        Self::no_answer()
    }
}

impl From<DialError> for FetchError {
    fn from(error: DialError) -> Self {
        let advice = match &error {
            DialError::Refused(refusal) => refusal.advice().map(str::to_owned),
            _ => None,
        };
        Self { kind: error.kind(), detail: error.to_string(), advice }
    }
}
