//! HTTP/1.1 (RFC 9112) and HTTP/2 (RFC 9113) requests with streaming bodies both ways.

mod head;
mod pool;
mod http1;
mod http2;
mod watch;
mod answer;
mod end;
mod fetch;

pub(crate) use fetch::{Fetch, FetchError, fetch};
pub(crate) use pool::Pool;

use crate::door::{Link, Links};
use crate::grant::{Grant, Schemes, Target};
use crate::secrets::{self, CredentialId};
use crate::wire::{HttpOpen, HttpVersion, LinkErrorKind, LinkInput, Preconnect, RequestBody};
use answer::Answer;
use bytes::Bytes;
use end::{Broken, End};
use http::Request;
use pool::Place;
use std::sync::Arc;
use tokio::time::Instant;
use watch::Watch;

/// What is sent with a request; can be sent twice where nothing streams.
#[derive(Clone)]
enum Body {
    /// Perhaps nothing.
    Whole(Bytes),
    /// From the link's outbox.
    Streaming,
}

/// One request from its dial to its last byte.
pub(crate) async fn run(link: Link, open: HttpOpen) {
    match exchange(&link, open).await {
        Ok(()) => link.finished(None).await,
        Err(End::Gone) => {}
        Err(End::Failed(kind, detail)) => link.failed(kind, detail).await,
    }
}

/// Has a connection ready. What is refused or fails is told by the request that would have used it.
pub(crate) async fn preconnect(links: Arc<Links>, grant: Arc<Grant>, wish: Preconnect) {
    let Ok((target, _)) = Target::parse(&wish.url, Schemes::Http) else { return };
    if let Err(refusal) = grant.permit(&target) {
        return refusal.observe(&links, &grant);
    }
    let place = Place::new(grant, target, wish.version);
    match wish.version {
        HttpVersion::Http1 => pool::prepare_http1(&links, place).await,
        HttpVersion::Http2 => pool::prepare_http2(&links, place).await,
    }
}

async fn exchange(link: &Link, open: HttpOpen) -> Result<(), End> {
    let (links, grant) = (&link.links, &link.grant);
    let (mut asked, target) = head::parse(open.method, &open.url, open.headers)?;
    let body = match open.body {
        RequestBody::None => Body::Whole(Bytes::new()),
        RequestBody::Whole(body) => Body::Whole(body.into()),
        RequestBody::Streaming => Body::Streaming,
    };
    let refused = |refusal: crate::grant::Refusal| {
        refusal.observe(links, grant);
        End::from(refusal)
    };
    grant.permit(&target).map_err(refused)?;
    let given = asked.headers.clone();
    let authorized = secrets::authorize(links, grant, &target, &mut asked, &open.auth, body.known()).await.map_err(refused)?;
    if let Some(signed) = authorized.signed {
        link.tell(LinkInput::Signed(link.id, signed)).await?;
    }
    let request = head::request(&asked, &given, &target, open.version, &body)?;
    if !link.book_out(head::bytes(&asked) + body.known().map_or(0, <[u8]>::len)) {
        return Err(End::OVER_BUDGET);
    }
    let place = Place::new(Arc::clone(grant), target, open.version);
    let attempt = |fresh| attempt(link, &place, authorized.credential, &request, &body, fresh);
    match attempt(false).await {
        // A peer may close a connection just when it is used again: that is no answer (RFC 9112, section 9.3.1). What a
        // session asks for is speech or words: asked for twice, it is spoken or heard once.
        Err(Broken { unheard: true, .. }) if matches!(body, Body::Whole(_)) => attempt(true).await.map_err(|broken| broken.end),
        done => done.map_err(|broken| broken.end),
    }
}

/// Sends the request over a connection that is kept, unless a `fresh` one is wanted or needed.
async fn attempt(
    link: &Link,
    place: &Place,
    credential: CredentialId,
    request: &Request<()>,
    body: &Body,
    fresh: bool,
) -> Result<(), Broken> {
    let links = &link.links;
    let by = Instant::now() + links.deadlines.connect;
    let watch = Watch::new(links.deadlines);
    let mut answer = Answer::new(link, &watch, credential);
    match place.version {
        HttpVersion::Http1 => {
            let (mut connection, reused) = pool::http1(links, place, credential, fresh, by).await.map_err(End::from)?;
            watch.start();
            let done = http1::exchange(&mut connection, link, request.clone(), body.clone(), &watch, &mut answer).await;
            if done.is_ok() && watch.is_sent() && connection.is_reusable().await {
                links.pool.keep(place, Some(credential), connection);
            }
            done.map_err(|broken| broken.only_if(reused))
        }
        HttpVersion::Http2 => {
            let (lease, reused) = pool::http2(links, place, credential, fresh, by).await.map_err(End::from)?;
            watch.start();
            let done = http2::exchange(lease.connection(), link, request.clone(), body.clone(), &watch, &mut answer).await;
            if let Err(Broken { end: End::Failed(LinkErrorKind::Timeout, _), .. }) = &done {
                // Half-open connections look like this: whoever comes next is not to wait for the same.
                lease.retire();
            }
            done.map_err(|broken| broken.only_if(reused))
        }
    }
}

impl Body {
    /// All of it, where it is known.
    fn known(&self) -> Option<&[u8]> {
        match self {
            Self::Whole(body) => Some(body),
            Self::Streaming => None,
        }
    }
}
