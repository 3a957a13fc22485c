//! What is kept, for whom, since when.

use super::Place;
use crate::http::http1::Http1;
use crate::http::http2::Http2;
use crate::limits::KEPT_PER_KEY;
use crate::secrets::CredentialId;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Mutex as AsyncMutex, Notify};
use tokio::time::{Instant, sleep_until};

pub(super) struct Shelves {
    keep: Duration,
    shelves: Mutex<HashMap<Place, Shelf>>,
    /// Something became unused.
    unused: Notify,
}

/// The connections of one place.
#[derive(Default)]
struct Shelf {
    /// Held by whoever makes a connection that others will use.
    dialling: Arc<AsyncMutex<()>>,
    /// None is in use.
    http1: Vec<Kept<Http1>>,
    http2: Vec<Kept<Arc<Http2>>>,
}

impl Shelf {
    fn is_needed(&self) -> bool {
        !self.http1.is_empty() || !self.http2.is_empty() || Arc::strong_count(&self.dialling) > 1
    }
}

struct Kept<C> {
    connection: C,
    /// None where it was made ahead.
    credential: Option<CredentialId>,
    /// Requests that use it.
    uses: usize,
    /// Since when there are none.
    unused: Instant,
}

impl<C> Kept<C> {
    fn new(connection: C, credential: Option<CredentialId>, uses: usize) -> Self {
        Self { connection, credential, uses, unused: Instant::now() }
    }

    /// Whether it may carry requests of this credential: its own, or nobody's yet.
    fn suits(&self, credential: CredentialId) -> bool {
        self.credential.is_none_or(|own| own == credential)
    }
}

impl Shelves {
    pub(super) fn new(keep: Duration) -> Self {
        Self { keep, shelves: Mutex::default(), unused: Notify::new() }
    }

    /// To be held while a connection for others is made.
    pub(super) fn dialling(&self, place: &Place) -> Arc<AsyncMutex<()>> {
        let mut shelves = self.lock();
        if !shelves.contains_key(place) {
            // A guest may ask for names without end, and none of them needs to lead anywhere.
            shelves.retain(|_, shelf| shelf.is_needed());
        }
        Arc::clone(&shelves.entry(place.clone()).or_default().dialling)
    }

    pub(super) fn has_unused(&self, place: &Place) -> bool {
        self.lock().get(place).is_some_and(|shelf| shelf.http1.iter().any(|kept| !kept.connection.is_closed()))
    }

    pub(super) fn has_room(&self, place: &Place) -> bool {
        let usable = |kept: &Kept<Arc<Http2>>| kept.connection.has_room(kept.uses) && !kept.connection.is_closed();
        self.lock().get(place).is_some_and(|shelf| shelf.http2.iter().any(usable))
    }

    /// The connection used last: the one most likely to be alive.
    pub(super) fn take(&self, place: &Place, credential: CredentialId) -> Option<Http1> {
        let mut shelves = self.lock();
        let shelf = shelves.get_mut(place)?;
        shelf.http1.retain(|kept| !kept.connection.is_closed());
        let at = shelf.http1.iter().rposition(|kept| kept.suits(credential))?;
        Some(shelf.http1.remove(at).connection)
    }

    pub(super) fn keep(&self, place: &Place, credential: Option<CredentialId>, connection: Http1) {
        let mut shelves = self.lock();
        let shelf = shelves.entry(place.clone()).or_default();
        shelf.http1.push(Kept::new(connection, credential, 0));
        limit(&mut shelf.http1, credential);
        self.unused.notify_one();
    }

    /// A share of a connection that has room: of the fullest, so that the others become unused.
    pub(super) fn share(&self, place: &Place, credential: CredentialId) -> Option<Arc<Http2>> {
        let mut shelves = self.lock();
        let shelf = shelves.get_mut(place)?;
        shelf.http2.retain(|kept| !kept.connection.is_closed());
        let usable = |kept: &&mut Kept<Arc<Http2>>| kept.suits(credential) && kept.connection.has_room(kept.uses);
        let kept = shelf.http2.iter_mut().filter(usable).max_by_key(|kept| kept.uses)?;
        kept.uses += 1;
        kept.credential = Some(credential);
        Some(Arc::clone(&kept.connection))
    }

    /// Adds a connection: used once by the one who made it for a credential, unused where it was made ahead.
    pub(super) fn add(&self, place: &Place, credential: Option<CredentialId>, connection: Arc<Http2>) {
        let uses = usize::from(credential.is_some());
        self.lock().entry(place.clone()).or_default().http2.push(Kept::new(connection, credential, uses));
        self.unused.notify_one();
    }

    pub(super) fn give_back(&self, place: &Place, connection: &Arc<Http2>) {
        let mut shelves = self.lock();
        let Some(shelf) = shelves.get_mut(place) else { return };
        // One that was retired is not here any more.
        let Some(kept) = shelf.http2.iter_mut().find(|kept| Arc::ptr_eq(&kept.connection, connection)) else { return };
        kept.uses -= 1;
        if kept.uses == 0 {
            kept.unused = Instant::now();
            let credential = kept.credential;
            limit(&mut shelf.http2, credential);
            self.unused.notify_one();
        }
    }

    pub(super) fn retire(&self, place: &Place, connection: &Arc<Http2>) {
        if let Some(shelf) = self.lock().get_mut(place) {
            shelf.http2.retain(|kept| !Arc::ptr_eq(&kept.connection, connection));
        }
    }

    /// Closes an unused connection whose place is one of `ours`, the one unused for longest.
    pub(super) fn give_up_one(&self, ours: impl Fn(&Place) -> bool) -> bool {
        let mut shelves = self.lock();
        let since = |shelf: &Shelf| {
            let http1 = shelf.http1.iter().map(|kept| kept.unused);
            http1.chain(shelf.http2.iter().filter(|kept| kept.uses == 0).map(|kept| kept.unused)).min()
        };
        let ours = shelves.iter_mut().filter(|(place, _)| ours(place)).map(|(_, shelf)| shelf);
        let longest = ours.filter_map(|shelf| since(shelf).map(|since| (since, shelf))).min_by_key(|(since, _)| *since);
        let Some((since, shelf)) = longest else { return false };
        match shelf.http1.iter().position(|kept| kept.unused == since) {
            Some(at) => drop(shelf.http1.remove(at)),
            None => shelf.http2.retain(|kept| kept.uses > 0 || kept.unused != since),
        }
        true
    }

    /// Closes what is unused for too long or lost; when to look again.
    fn clear(&self) -> Option<Instant> {
        let now = Instant::now();
        let mut next = None::<Instant>;
        let mut stays = |closed: bool, uses: usize, unused: Instant| {
            let until = unused + self.keep;
            let stays = !closed && (uses > 0 || until > now);
            if stays && uses == 0 {
                next = Some(next.map_or(until, |next| next.min(until)));
            }
            stays
        };
        self.lock().retain(|_, shelf| {
            shelf.http1.retain(|kept| stays(kept.connection.is_closed(), kept.uses, kept.unused));
            shelf.http2.retain(|kept| stays(kept.connection.is_closed(), kept.uses, kept.unused));
            shelf.is_needed()
        });
        next
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Place, Shelf>> {
        self.shelves.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Closes, for ever, what became unused too long ago.
pub(super) async fn sweep(shelves: Arc<Shelves>) {
    loop {
        match shelves.clear() {
            Some(next) => sleep_until(next).await,
            None => shelves.unused.notified().await,
        }
    }
}

/// Where a credential has more unused connections than may be, closes the one unused for longest.
fn limit<C>(kept: &mut Vec<Kept<C>>, credential: Option<CredentialId>) {
    let unused = || kept.iter().enumerate().filter(|(_, kept)| kept.uses == 0 && kept.credential == credential);
    if unused().count() > KEPT_PER_KEY
        && let Some((at, _)) = unused().min_by_key(|(_, kept)| kept.unused)
    {
        kept.remove(at);
    }
}
