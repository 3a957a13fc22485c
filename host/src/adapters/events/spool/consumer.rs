//! Those who read on in the spool, and say how far they are: the way to Kafka, and tenants' webhooks.

use super::read::{Filter, Past};
use super::{Shared, Spool};
use crate::adapters::events::{Attributes, Backlog, Waiting};
use crate::adapters::sinks::{Batch, EventSource, Since, Told};
use crate::application::desk::Place;
use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::watch;
use vg_domain::ids::{CallId, TenantId};

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

fn reader(tenant: &TenantId, sink: &str) -> String {
    format!("webhook {tenant} {sink}")
}

/// What a webhook has not taken yet waits on the disk, as long as there is room for it.
impl EventSource for Spool {
    fn begin(&self, tenant: &TenantId, sink: &str, since: Since) -> Place {
        let known = self.shared.position(&reader(tenant, sink));
        let place = known.unwrap_or_else(|| match since {
            Since::Start => self.shared.before,
            Since::Now => *self.shared.last.borrow(),
        });
        Place::new(LOG, place)
    }

    fn read<'a>(&'a self, tenant: &'a TenantId, after: &'a Place, limit: usize) -> BoxFuture<'a, Batch> {
        let (past, tenant, behind) = (Arc::clone(&self.past), tenant.clone(), after.number());
        let read = move || -> rusqlite::Result<_> {
            let past = past.lock().unwrap_or_else(PoisonError::into_inner);
            Ok((past.next_of(tenant.as_str(), behind, limit)?, past.forgotten()?))
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
            let next = events.last().map_or(behind, |event| event.place);
            Batch {
                missed: u64::from(behind < forgotten && behind > 0),
                events: events.into_iter().filter_map(told).collect(),
                next: after.at(next),
            }
        }
        .boxed()
    }

    fn acknowledge(&self, tenant: &TenantId, sink: &str, place: &Place) {
        self.shared.acknowledge(&reader(tenant, sink), place.number());
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
