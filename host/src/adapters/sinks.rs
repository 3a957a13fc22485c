//! Tenants' own event sinks: what happens in their calls, posted to them as it happens (`[[events.webhooks]]` of their settings).
//!
//! Each event is a CloudEvents 1.0 object in structured JSON, signed as [Standard Webhooks](https://www.standardwebhooks.com) has it. A call's events come
//! in their order, each at least once and always by the same id; those of other calls do not wait for it. What is not taken is sent again, later and
//! later. Events are read from a bounded log ([`EventSource`]: the spool, or what the desk remembers) at each sink's own pace: one that is too slow
//! misses some, which is counted.
//!
//! Where a sink may be is the operator's to say, in the policy, as of a plugin named `webhooks`.

mod deliver;
mod delivery;
mod sign;
mod watch;

use crate::adapters::events::CloudEvent;
use crate::adapters::plugins::Plugins;
use crate::application::desk::{Desk, Event, Place, Reading};
use crate::application::ports::{Facts, Subject, Tenants};
use bytes::Bytes;
use deliver::Counts;
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, ready};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{mpsc, watch as channel};
use vg_domain::event::Fact;
use vg_domain::ids::{CallId, TenantId};
use vg_domain::tenant::{TenantSettings, Webhook};
use vg_plugin_host::links::grant::{Schemes, Target};

/// What the policy calls them.
pub const POLICY_NAME: &str = "webhooks";
/// Tenants of whom was heard and whose settings nobody has looked at since. When full: they are looked at with their next call, or after the next
/// start.
const HEARD_OF_MAX: usize = 256;

/// A log of events that can be read on from any place. Who has acknowledged a place has no need of what is before it.
pub trait EventSource: Send + Sync {
    /// Tenants for whose sinks an earlier run of this gateway has left something, or may have.
    fn left(&self) -> BoxFuture<'_, Vec<TenantId>>;
    /// Where a sink that starts now reads on. What follows is kept for it from now on.
    fn begin(&self, tenant: &TenantId, sink: &str, since: Since) -> Place;
    /// A tenant has these sinks now and no others, and each of them has begun.
    fn looked_at(&self, tenant: &TenantId, sinks: &[Webhook]);
    /// Events after a place, at most `limit`.
    fn read<'a>(&'a self, tenant: &'a TenantId, after: &'a Place, limit: usize) -> BoxFuture<'a, Batch>;
    /// Everything up to there was delivered, or given up.
    fn acknowledge(&self, tenant: &TenantId, sink: &str, place: &Place);
    /// Changes with each event.
    fn changes(&self, tenant: &TenantId) -> channel::Receiver<u64>;
}

/// Events from a place on.
pub struct Batch {
    /// Events between the place and the first of these that are gone; 1 where nobody knows how many they were.
    pub missed: u64,
    /// In their order.
    pub events: Vec<Arc<Told>>,
    /// Where to read on.
    pub next: Place,
}

/// An event as it is posted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// Of its place.
    pub number: u64,
    /// The call.
    pub call: CallId,
    /// For example `call.started`.
    pub kind: String,
    /// Its id.
    pub id: String,
    /// A CloudEvent in JSON.
    pub body: Bytes,
}

/// From when on a sink is told of which nothing is known yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Since {
    /// From the first event that this gateway knows of.
    Start,
    /// From now.
    Now,
}

/// What the desk remembers, as long as this process lives.
impl EventSource for Desk {
    fn left(&self) -> BoxFuture<'_, Vec<TenantId>> {
        ready(Vec::new()).boxed()
    }

    fn begin(&self, tenant: &TenantId, _: &str, since: Since) -> Place {
        match since {
            Since::Start => self.newest(tenant).at(0),
            Since::Now => self.newest(tenant),
        }
    }

    fn looked_at(&self, _: &TenantId, _: &[Webhook]) {}

    fn read<'a>(&'a self, tenant: &'a TenantId, after: &'a Place, limit: usize) -> BoxFuture<'a, Batch> {
        let Reading { gap, events, next } = Desk::read(self, tenant, after, limit);
        let first = events.first().map_or(next.number() + 1, |event| event.number);
        let missed = match gap {
            false => 0,
            // Of another process's events nobody knows how many there were.
            true if after.at(0) != next.at(0) => 1,
            true => first.saturating_sub(after.number() + 1),
        };
        let told = |event: Arc<Event>| {
            let cloud_event = CloudEvent::new(event.subject(tenant), event.at, event.kind, &event.data);
            let (id, body) = (cloud_event.id().to_owned(), cloud_event.json().into());
            Arc::new(Told { number: event.number, call: event.call.clone(), kind: event.kind.to_owned(), id, body })
        };
        ready(Batch { missed, events: events.into_iter().map(told).collect(), next }).boxed()
    }

    fn acknowledge(&self, _: &TenantId, _: &str, _: &Place) {}

    fn changes(&self, tenant: &TenantId) -> channel::Receiver<u64> {
        Desk::changes(self, tenant)
    }
}

/// What sinks have come to since the start, by tenant and name.
pub type SinkStats = BTreeMap<(TenantId, String), SinkCounts>;

/// Each sink's counts, by tenant and name.
type AllCounts = BTreeMap<(TenantId, String), Arc<Counts>>;

/// What one sink has come to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SinkCounts {
    /// Events that it took.
    pub delivered: u64,
    /// Events that it does not want: answered with 4xx.
    pub refused: u64,
    /// Events that were sent in vain for too long.
    pub given_up: u64,
    /// Events that were gone before it was ready for them.
    pub missed: u64,
    /// Attempts that are made again.
    pub failures: u64,
    /// Events that wait for it now.
    pub waiting: u64,
    /// It has said 410: nothing is sent to it until its settings change.
    pub off: bool,
}

/// Tells tenants' sinks.
pub struct Sinks {
    parts: Parts,
    heard_of: mpsc::Sender<TenantId>,
    /// Taken by [`run`](Self::run).
    hearing: Mutex<Option<mpsc::Receiver<TenantId>>>,
}

#[derive(Clone)]
struct Parts {
    source: Arc<dyn EventSource>,
    tenants: Arc<dyn Tenants>,
    plugins: Arc<Plugins>,
    counts: Arc<Mutex<AllCounts>>,
}

impl Sinks {
    /// Nobody is told anything before [`run`](Self::run).
    pub fn new(source: Arc<dyn EventSource>, tenants: Arc<dyn Tenants>, plugins: Arc<Plugins>) -> Self {
        let (heard_of, hearing) = mpsc::channel(HEARD_OF_MAX);
        let parts = Parts { source, tenants, plugins, counts: Arc::default() };
        Self { parts, heard_of, hearing: Mutex::new(Some(hearing)) }
    }

    /// Counts since the start.
    pub fn stats(&self) -> SinkStats {
        let counts = self.parts.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.iter().map(|(name, counts)| (name.clone(), counts.read())).collect()
    }
}

impl Facts for Sinks {
    fn publish(&self, Subject { tenant, .. }: Subject<'_>, fact: &Fact) {
        // A call may come from another gateway, and what becomes of a recording may be told without any call.
        if let Fact::Started(_) | Fact::Refused(_) | Fact::Adopted { .. } | Fact::Recording(_) = fact {
            let _ = self.heard_of.try_send(tenant.clone());
        }
    }
}

/// What keeps a tenant's webhook from being told, as far as that is known without asking it.
pub(super) fn lack(plugins: &Plugins, settings: &TenantSettings, webhook: &Webhook) -> Option<String> {
    let (target, _) = Target::parse(&webhook.url, Schemes::Http).ok()?;
    let refused = plugins.outward(POLICY_NAME, &settings.tenant, &webhook.url)?.permit(&target).err();
    let refused = refused.map(|refusal| match refusal.advice() {
        Some(advice) => format!("{refusal}: {advice}"),
        None => refusal.to_string(),
    });
    let kept = || {
        let covered = webhook.secret.parse().is_ok_and(|reference| plugins.secrets().covers(&reference));
        (!covered)
            .then(|| "secret refers to what plugins.secrets_env_prefix and plugins.secrets_dir keep from tenants".to_owned())
    };
    refused.or_else(kept)
}

/// Whether one of a sink's types means an event of that type: the same, `*`, or a beginning with `*` at its end.
fn is_wanted(types: &[String], kind: &str) -> bool {
    types.iter().any(|wanted| match wanted.strip_suffix('*') {
        Some(beginning) => kind.starts_with(beginning),
        None => wanted == kind,
    })
}

#[cfg(test)]
mod tests;
