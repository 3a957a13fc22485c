//! Connections kept for reuse: HTTP/1.1 by one request after another, HTTP/2 by many at a time.
//!
//! A connection is shared only under the same grant (which is one tenant and plugin, and their settings of that time), with the
//! same target, version and credential. One that was made ahead belongs to the first credential that uses it.

mod shelf;

use super::http1::Http1;
use super::http2::Http2;
use crate::counters::count;
use crate::dial::{DialError, Speaks, dial};
use crate::door::Links;
use crate::grant::{Grant, Target};
use crate::secrets::CredentialId;
use crate::wire::HttpVersion;
use shelf::{Shelves, sweep};
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::time::{Instant, timeout_at};
use tokio_util::task::AbortOnDropHandle;

/// Connections kept for reuse.
pub(crate) struct Pool {
    shelves: Arc<Shelves>,
    _sweeper: AbortOnDropHandle<()>,
}

/// Where connections are alike.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct Place {
    grant: Same,
    target: Target,
    pub(super) version: HttpVersion,
}

/// A grant that is the same only as itself.
#[derive(Clone)]
struct Same(Arc<Grant>);

/// A stream's share of an HTTP/2 connection.
pub(super) struct Lease {
    connection: Arc<Http2>,
    place: Place,
    shelves: Arc<Shelves>,
}

impl Pool {
    pub(crate) fn start(runtime: &Handle, keep_unused: Duration) -> Self {
        let shelves = Arc::new(Shelves::new(keep_unused));
        let sweeper = runtime.spawn(sweep(Arc::clone(&shelves)));
        Self { shelves, _sweeper: AbortOnDropHandle::new(sweeper) }
    }

    /// Closes a connection that nobody uses and that counts among those of `grant`; false where there is none.
    pub(crate) fn give_up_one(&self, grant: &Grant) -> bool {
        self.shelves.give_up_one(|place| Arc::ptr_eq(&place.grant.0.connections, &grant.connections))
    }

    /// Keeps a connection for the next request.
    pub(super) fn keep(&self, place: &Place, credential: Option<CredentialId>, connection: Http1) {
        self.shelves.keep(place, credential, connection);
    }

    fn lease(&self, place: &Place, credential: CredentialId) -> Option<Lease> {
        let connection = self.shelves.share(place, credential)?;
        Some(Lease { connection, place: place.clone(), shelves: Arc::clone(&self.shelves) })
    }
}

/// A connection for one HTTP/1.1 request, until `by` at the latest, and whether it was used or made before.
pub(super) async fn http1(
    links: &Links,
    place: &Place,
    credential: CredentialId,
    fresh: bool,
    by: Instant,
) -> Result<(Http1, bool), DialError> {
    if !fresh {
        // Where one is being made ahead, it is worth waiting for.
        let dialling = links.pool.shelves.dialling(place);
        let _ = timeout_at(by, dialling.lock()).await.map_err(|_| DialError::Timeout)?;
        if let Some(connection) = links.pool.shelves.take(place, credential) {
            count(&links.counters.reused);
            return Ok((connection, true));
        }
    }
    Ok((dial_http1(links, place, by).await?, false))
}

/// A share of a connection for one HTTP/2 request, until `by` at the latest, and whether the connection was there before.
pub(super) async fn http2(
    links: &Links,
    place: &Place,
    credential: CredentialId,
    fresh: bool,
    by: Instant,
) -> Result<(Lease, bool), DialError> {
    let found = || {
        let lease = links.pool.lease(place, credential).filter(|_| !fresh)?;
        count(&links.counters.reused);
        Some((lease, true))
    };
    if let Some(found) = found() {
        return Ok(found);
    }
    // Those who come while a connection is made share it instead of making their own.
    let dialling = links.pool.shelves.dialling(place);
    let _one_at_a_time = timeout_at(by, dialling.lock()).await.map_err(|_| DialError::Timeout)?;
    if let Some(found) = found() {
        return Ok(found);
    }
    let connection = Arc::new(dial_http2(links, place, by).await?);
    links.pool.shelves.add(place, Some(credential), Arc::clone(&connection));
    Ok((Lease { connection, place: place.clone(), shelves: Arc::clone(&links.pool.shelves) }, false))
}

/// Makes a connection ahead, unless one is unused.
pub(super) async fn prepare_http1(links: &Links, place: Place) {
    let dialling = links.pool.shelves.dialling(&place);
    let Ok(_one_at_a_time) = dialling.try_lock() else { return };
    if links.pool.shelves.has_unused(&place) {
        return;
    }
    if let Ok(connection) = dial_http1(links, &place, Instant::now() + links.deadlines.connect).await {
        links.pool.keep(&place, None, connection);
    }
}

/// Makes a connection ahead, unless one has room.
pub(super) async fn prepare_http2(links: &Links, place: Place) {
    let dialling = links.pool.shelves.dialling(&place);
    let Ok(_one_at_a_time) = dialling.try_lock() else { return };
    if links.pool.shelves.has_room(&place) {
        return;
    }
    if let Ok(connection) = dial_http2(links, &place, Instant::now() + links.deadlines.connect).await {
        links.pool.shelves.add(&place, None, Arc::new(connection));
    }
}

async fn dial_http1(links: &Links, place: &Place, by: Instant) -> Result<Http1, DialError> {
    let dialled = dial(links, &place.grant.0, &place.target, Speaks::Http1, by).await?;
    Http1::open(links, dialled).await.map_err(|error| DialError::Connect(std::io::Error::other(error)))
}

async fn dial_http2(links: &Links, place: &Place, by: Instant) -> Result<Http2, DialError> {
    let dialled = dial(links, &place.grant.0, &place.target, Speaks::Http2, by).await?;
    let opening = timeout_at(by, Http2::open(links, dialled)).await.map_err(|_| DialError::Timeout)?;
    opening.map_err(|error| DialError::Connect(std::io::Error::other(error)))
}

impl Place {
    pub(super) fn new(grant: Arc<Grant>, target: Target, version: HttpVersion) -> Self {
        Self { grant: Same(grant), target, version }
    }
}

impl PartialEq for Same {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Same {}

impl Hash for Same {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Arc::as_ptr(&self.0).hash(state);
    }
}

impl Lease {
    pub(super) fn connection(&self) -> &Http2 {
        &self.connection
    }

    /// No further stream shall use the connection.
    pub(super) fn retire(&self) {
        self.shelves.retire(&self.place, &self.connection);
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.shelves.give_back(&self.place, &self.connection);
    }
}
