//! Those who read on in the spool, and say how far they are: the way to Kafka, and tenants' webhooks.

use super::read::{Filter, Past};
use super::{Position, Shared, Spool};
use crate::adapters::events::{Attributes, Backlog, Waiting};
use crate::adapters::sinks::{Batch, EventSource, Since, Told};
use crate::application::desk::Place;
use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::watch;
use vg_domain::ids::{CallId, TenantId};
use vg_domain::tenant::Webhook;

/// Places of all spools of a gateway are in one order, whichever of its runs they are from.
const LOG: &str = "spool";

/// Reads all events.
pub(super) struct Consumer {
    name: String,
    past: Mutex<Past>,
    shared: Arc<Shared>,
}

impl Consumer {
    pub(super) fn new(name: &str, past: Past, shared: Arc<Shared>) -> Self {
        Self { name: name.to_owned(), past: Mutex::new(past), shared }
    }

    fn look<T>(&self, look: impl FnOnce(&Past) -> rusqlite::Result<T>) -> rusqlite::Result<T> {
        look(&self.past.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Backlog for Consumer {
    fn position(&self) -> u64 {
        self.shared.position(&self.name).unwrap_or_default()
    }

    fn read(&self, behind: u64, max: usize) -> Result<Vec<Waiting>, String> {
        // Of the database alone: no word of an event is in its errors.
        let rows = self.look(|past| past.read(behind, max, &Filter::default())).map_err(|error| error.to_string())?;
        let waiting = |row: super::Stored| {
            let attributes = Attributes::of(row.event.as_bytes()).map_err(|error| format!("{:?}", error.classify()))?;
            let (key, headers) = attributes.headers();
            Ok(Waiting { place: row.place, key, event: row.event.into(), headers })
        };
        rows.into_iter().map(waiting).collect()
    }

    fn acknowledge(&self, place: u64) {
        self.shared.acknowledge(&self.name, place);
    }

    fn last(&self) -> watch::Receiver<u64> {
        self.shared.last.subscribe()
    }

    fn waiting(&self) -> u64 {
        let (position, last) = (self.position(), *self.shared.last.borrow());
        // Places of this run have no gaps between them.
        if position >= self.shared.before {
            last.saturating_sub(position)
        } else {
            self.look(|past| past.count(position)).unwrap_or_default()
        }
    }
}

/// In front of tenant and webhook.
const WEBHOOK: &str = "webhook ";
/// In front of a tenant that was heard of: nobody has looked since which webhooks it has.
const HEARD: &str = "heard ";

fn reader(tenant: &str, sink: &str) -> String {
    format!("{WEBHOOK}{tenant} {sink}")
}

fn heard(tenant: &TenantId) -> String {
    format!("{HEARD}{tenant}")
}

/// For whose webhooks something may be behind the place of that name.
fn tenant_of(name: &str) -> Option<&str> {
    let of_webhook = || name.strip_prefix(WEBHOOK)?.rsplit_once(' ').map(|(tenant, _)| tenant);
    name.strip_prefix(HEARD).or_else(of_webhook)
}

/// Places of webhooks.
impl Shared {
    /// Something of a tenant begins behind that place. Until somebody looks which webhooks it has, all from there on is for them.
    pub(super) fn begins(&self, tenant: &TenantId, behind: u64) {
        let mut positions = self.positions();
        let position = positions.entry(heard(tenant)).or_default();
        if position.place.is_none() {
            *position = Position { place: Some(behind), moved: true };
        }
    }

    /// Whether somebody is to know what a tenant's webhooks miss.
    pub(super) fn has_webhooks(&self, tenant: &str) -> bool {
        let readers = reader(tenant, "");
        self.positions().range(readers.clone()..).next().is_some_and(|(name, _)| name.starts_with(&readers))
    }

    /// Where a webhook reads on; one that is new: behind that place, or where something began that nobody has looked at. The disk knows it soon, for
    /// what waits is to be found after a restart also where nothing of it was ever taken.
    fn begin(&self, tenant: &TenantId, sink: &str, otherwise: u64) -> u64 {
        let mut positions = self.positions();
        let behind = positions.get(&heard(tenant)).and_then(|position| position.place).unwrap_or(otherwise);
        let position = positions.entry(reader(tenant.as_str(), sink)).or_default();
        if let Some(place) = position.place {
            return place;
        }
        *position = Position { place: Some(behind), moved: true };
        behind
    }

    /// Somebody has looked: a tenant has these webhooks. One that comes back later is a new one.
    fn looked_at(&self, tenant: &TenantId, sinks: &[Webhook]) {
        let forgotten = Position { place: None, moved: true };
        let readers = reader(tenant.as_str(), "");
        let mut positions = self.positions();
        if let Some(position) = positions.get_mut(&heard(tenant)) {
            *position = forgotten;
        }
        for (name, position) in positions.range_mut(readers.clone()..) {
            let Some(name) = name.strip_prefix(&readers) else { break };
            if sinks.iter().all(|sink| sink.name != name) {
                *position = forgotten;
            }
        }
    }

    /// The first place of each tenant from which on something may wait for its webhooks.
    fn first_places(&self) -> BTreeMap<TenantId, u64> {
        let mut all = BTreeMap::new();
        for (name, position) in self.positions().iter() {
            if let (Some(tenant), Some(place)) = (tenant_of(name), position.place) {
                all.entry(TenantId::new(tenant)).and_modify(|first: &mut u64| *first = place.min(*first)).or_insert(place);
            }
        }
        all
    }
}

/// What a webhook has not taken yet waits on the disk, as long as there is room for it.
impl EventSource for Spool {
    fn left(&self) -> BoxFuture<'_, Vec<TenantId>> {
        let (past, places) = (Arc::clone(&self.past), self.shared.first_places());
        // One at a time: whoever reads on does not wait for all of them.
        let waits = move |tenant: &TenantId, behind: u64| {
            let past = past.lock().unwrap_or_else(PoisonError::into_inner);
            // Where it cannot be read there may be something.
            !matches!(past.next_of(tenant.as_str(), behind, 1), Ok((events, _)) if events.is_empty())
        };
        let look = move || {
            let left = places.into_iter().filter(|(tenant, behind)| waits(tenant, *behind));
            left.map(|(tenant, _)| tenant).collect::<Vec<_>>()
        };
        async move { tokio::task::spawn_blocking(look).await.unwrap_or_default() }.boxed()
    }

    fn begin(&self, tenant: &TenantId, sink: &str, since: Since) -> Place {
        let otherwise = match since {
            Since::Start => self.shared.before,
            Since::Now => self.shared.before.max(*self.shared.last.borrow()),
        };
        Place::new(LOG, self.shared.begin(tenant, sink, otherwise))
    }

    fn looked_at(&self, tenant: &TenantId, sinks: &[Webhook]) {
        self.shared.looked_at(tenant, sinks);
    }

    fn read<'a>(&'a self, tenant: &'a TenantId, after: &'a Place, limit: usize) -> BoxFuture<'a, Batch> {
        let (past, tenant, behind) = (Arc::clone(&self.past), tenant.clone(), after.number());
        let read = move || {
            let past = past.lock().unwrap_or_else(PoisonError::into_inner);
            past.next_of(tenant.as_str(), behind, limit)
        };
        async move {
            let (events, forgotten) = match tokio::task::spawn_blocking(read).await {
                Ok(Ok(read)) => read,
                Ok(Err(error)) => {
                    tracing::warn!(%error, "failed to read events for a webhook");
                    (Vec::new(), 0)
                }
                Err(_) => (Vec::new(), 0),
            };
            // What is forgotten is missed once.
            let next = events.last().map_or(behind.max(forgotten), |event| event.place);
            Batch {
                missed: u64::from(behind < forgotten),
                events: events.into_iter().filter_map(told).collect(),
                next: after.at(next),
            }
        }
        .boxed()
    }

    fn acknowledge(&self, tenant: &TenantId, sink: &str, place: &Place) {
        self.shared.acknowledge(&reader(tenant.as_str(), sink), place.number());
    }

    fn changes(&self, tenant: &TenantId) -> watch::Receiver<u64> {
        self.shared.of_tenants().entry(tenant.clone()).or_insert_with(|| watch::channel(0).0).subscribe()
    }
}

fn told(row: super::Stored) -> Option<Arc<Told>> {
    let id = Attributes::of(row.event.as_bytes()).ok()?.id;
    let body = Bytes::from(row.event);
    Some(Arc::new(Told { number: row.place, call: CallId::new(row.call), kind: row.kind, id, body }))
}
