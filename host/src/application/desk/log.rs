//! Events of tenants, numbered within each tenant.

use super::telling::{Data, Value};
use crate::application::limits;
use crate::application::ports::{Sequence, Subject};
use std::collections::{HashMap, VecDeque};
use std::str::FromStr;
use std::sync::Arc;
use std::time::SystemTime;
use tokio::sync::watch;
use vg_domain::ids::{CallId, ConversationId, TenantId};

/// Something that happened in a call of a tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Counts from 1 within the tenant.
    pub number: u64,
    /// Where.
    pub call: CallId,
    /// Its place among the events of its call.
    pub sequence: Sequence,
    /// As the agent names the conversation, once it has.
    pub conversation: Option<ConversationId>,
    /// When.
    pub at: SystemTime,
    /// What, for example `call.started`.
    pub kind: &'static str,
    /// What there is to tell of it.
    pub data: Data,
}

/// A place in a tenant's events: after the event of that number. It is written `epoch-number`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    epoch: String,
    number: u64,
}

/// Events from a place on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    /// Events between the place and the first of these are no longer kept, or the place is of another process.
    pub gap: bool,
    /// In their order.
    pub events: Vec<Arc<Event>>,
    /// Where to read on.
    pub next: Place,
}

impl Place {
    /// After the event of that number in the log of that name.
    pub fn new(log: &str, number: u64) -> Self {
        Self { epoch: log.to_owned(), number }
    }

    /// A place in no log: whoever reads from there is told of a gap.
    pub fn unknown() -> Self {
        Self { epoch: String::new(), number: 0 }
    }

    /// Of the event that it is after; 0 before the first.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// The same process's place after another event.
    #[must_use]
    pub fn at(&self, number: u64) -> Self {
        Self { epoch: self.epoch.clone(), number }
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{}", self.epoch, self.number)
    }
}

/// Text that names no [`Place`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("text names no place in the events")]
pub struct PlaceError;

impl FromStr for Place {
    type Err = PlaceError;

    fn from_str(text: &str) -> Result<Self, PlaceError> {
        let (epoch, number) = text.rsplit_once('-').ok_or(PlaceError)?;
        Ok(Self { epoch: epoch.to_owned(), number: number.parse().map_err(|_| PlaceError)? })
    }
}

#[derive(Default)]
pub(super) struct Log {
    epoch: String,
    tenants: HashMap<TenantId, Tenant>,
    bytes: usize,
}

struct Tenant {
    newest: u64,
    events: VecDeque<Arc<Event>>,
    bytes: usize,
    changed: watch::Sender<u64>,
}

impl Default for Tenant {
    fn default() -> Self {
        Self { newest: 0, events: VecDeque::new(), bytes: 0, changed: watch::channel(0).0 }
    }
}

impl Log {
    pub(super) fn new(epoch: String) -> Self {
        Self { epoch, ..Self::default() }
    }

    pub(super) fn add(&mut self, subject: Subject<'_>, at: SystemTime, kind: &'static str, data: Data) {
        let Subject { call, tenant, conversation, sequence } = subject;
        let log = self.tenants.entry(tenant.clone()).or_default();
        log.newest += 1;
        let (call, conversation) = (call.clone(), conversation.cloned());
        let event = Event { number: log.newest, call, sequence, conversation, at, kind, data };
        let bytes = event.bytes();
        log.events.push_back(Arc::new(event));
        log.bytes += bytes;
        self.bytes += bytes;
        log.changed.send_replace(log.newest);
        if log.events.len() > limits::DESK_EVENTS_PER_TENANT {
            self.bytes -= log.forget_first();
        }
        // Who has the most makes room: a tenant with few events keeps them whatever the others do.
        while self.bytes > limits::DESK_EVENT_BYTES {
            let Some(most) = self.tenants.values_mut().max_by_key(|log| log.bytes) else { return };
            self.bytes -= most.forget_first();
        }
    }

    pub(super) fn read(&self, tenant: &TenantId, after: &Place, limit: usize) -> Reading {
        let Some(log) = self.tenants.get(tenant) else {
            let next = Place { epoch: self.epoch.clone(), number: 0 };
            return Reading { gap: *after != next, events: Vec::new(), next };
        };
        let kept_from = log.newest + 1 - log.events.len() as u64;
        let known = after.epoch == self.epoch && after.number <= log.newest;
        let gap = !known || after.number + 1 < kept_from;
        let from = if gap { kept_from } else { after.number + 1 };
        let skip = usize::try_from(from - kept_from).unwrap_or(usize::MAX);
        let events: Vec<_> = log.events.iter().skip(skip).take(limit).cloned().collect();
        let number = events.last().map_or(from - 1, |event| event.number);
        Reading { gap, events, next: Place { epoch: self.epoch.clone(), number } }
    }

    pub(super) fn newest(&self, tenant: &TenantId) -> Place {
        let number = self.tenants.get(tenant).map_or(0, |log| log.newest);
        Place { epoch: self.epoch.clone(), number }
    }

    /// A tenant who asks has a log from then on: only known tenants may ask.
    pub(super) fn changes(&mut self, tenant: &TenantId) -> watch::Receiver<u64> {
        self.tenants.entry(tenant.clone()).or_default().changed.subscribe()
    }
}

impl Tenant {
    /// How many bytes that gave back.
    fn forget_first(&mut self) -> usize {
        let bytes = self.events.pop_front().map_or(0, |event| event.bytes());
        self.bytes -= bytes;
        bytes
    }
}

impl Event {
    /// Whose it is, and which of them.
    pub fn subject<'a>(&'a self, tenant: &'a TenantId) -> Subject<'a> {
        Subject { call: &self.call, tenant, conversation: self.conversation.as_ref(), sequence: self.sequence }
    }

    /// Roughly what it takes in memory.
    fn bytes(&self) -> usize {
        let texts = self.data.values().map(|value| match value {
            Value::Text(text) => text.len() + 48,
            Value::Number(_) | Value::Flag(_) => 48,
        });
        128 + texts.sum::<usize>()
    }
}
