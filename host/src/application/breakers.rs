//! Who of a ladder serves a call, and what all calls of a tenant know of its providers.
//!
//! A provider that fell three times in a row is asked only where nobody else is left, until a probe in the background is served: no caller has to try
//! whether it works again. One that says when it wants to be asked again is not asked before; and nobody has more sessions of it than the tenant permits itself.

mod climber;
mod probe;
mod seats;

pub(super) use climber::Climber;
pub use seats::Seat;

use super::budgets::Budgets;
use super::clock::now;
use super::ports::{HearingRequest, Observation, Observe, SpeakingRequest};
use seats::Seats;
use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};
use tokio::sync::Notify;
use vg_domain::breaker::Breaker;
use vg_domain::event::Role;
use vg_domain::ids::{CallId, PluginId, TenantId};
use vg_domain::tenant::Provider;
use vg_domain::usage::Usage;

/// Breakers of all tenants' providers. Only those that fell lately are here.
pub struct Breakers {
    observe: Arc<dyn Observe>,
    entries: Mutex<HashMap<TenantId, HashMap<Provider, Entry>>>,
    /// So many are in `entries`: where there are none, which is nearly always, nobody takes the lock.
    known: AtomicUsize,
    /// One has opened.
    opened: Notify,
    seats: Arc<Seats>,
    budgets: Budgets,
}

/// What is known of a provider before it is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// Nothing bad.
    Closed,
    /// It is asked where nobody else is left.
    Open,
    /// It wants to be left alone until then.
    Resting(Instant),
}

type Entries<'a> = MutexGuard<'a, HashMap<TenantId, HashMap<Provider, Entry>>>;

struct Entry {
    breaker: Breaker,
    sample: Sample,
    probing: bool,
}

/// The part of a second listener, beside the roles of a call.
const SHADOW: &str = "shadow";

/// How the provider was asked when it fell: a probe asks the same.
#[derive(Clone, Debug)]
pub(super) enum Sample {
    Hearing(HearingRequest),
    Speaking(SpeakingRequest),
    /// Of a second listener, whose fall is nobody else's.
    Shadow(HearingRequest),
}

impl Sample {
    /// What a probe asks is none of the call's.
    fn of_no_call(mut self) -> Self {
        match &mut self {
            Self::Hearing(HearingRequest { call, .. })
            | Self::Shadow(HearingRequest { call, .. })
            | Self::Speaking(SpeakingRequest { call, .. }) => *call = CallId::new("probe"),
        }
        self
    }

    /// A place for asking it; none where callers have taken all.
    fn take_seat(&mut self, seats: &Arc<Seats>) -> Option<()> {
        let taken = seats.take(self.role(), self.tenant(), self.provider())?;
        match self {
            Self::Hearing(HearingRequest { seat, .. })
            | Self::Shadow(HearingRequest { seat, .. })
            | Self::Speaking(SpeakingRequest { seat, .. }) => *seat = taken,
        }
        Some(())
    }

    fn role(&self) -> &'static str {
        match self {
            Self::Hearing(_) => Role::Hearing.code(),
            Self::Speaking(_) => Role::Speaking.code(),
            Self::Shadow(_) => SHADOW,
        }
    }

    fn tenant(&self) -> &TenantId {
        match self {
            Self::Hearing(request) | Self::Shadow(request) => &request.tenant,
            Self::Speaking(request) => &request.tenant,
        }
    }

    fn provider(&self) -> &Provider {
        match self {
            Self::Hearing(request) | Self::Shadow(request) => &request.provider,
            Self::Speaking(request) => &request.provider,
        }
    }
}

impl Breakers {
    /// All are closed. Openings and closings are told to `observe`.
    pub fn new(observe: Arc<dyn Observe>) -> Self {
        let seats = Seats::new(Arc::clone(&observe));
        let budgets = Budgets::since(SystemTime::now(), tokio::time::Instant::now());
        Self { observe, entries: Mutex::default(), known: AtomicUsize::new(0), opened: Notify::new(), seats, budgets }
    }

    /// A place of a second listener's own; the bounded code of why it is not asked now.
    pub(super) fn seat_of_shadow(&self, tenant: &TenantId, provider: &Provider) -> Result<Seat, &'static str> {
        if self.budgets.is_spent(tenant, provider) {
            return Err("budget");
        }
        match self.standing(tenant, provider, now()) {
            Standing::Closed => self.seats.take(SHADOW, tenant, provider).ok_or("concurrency"),
            Standing::Open | Standing::Resting(_) => Err("breaker"),
        }
    }

    /// A tenant's provider has worked so much more.
    pub(super) fn worked(&self, tenant: &TenantId, provider: &Provider, usage: Usage) {
        self.budgets.worked(tenant, provider, usage);
    }

    /// A second listener has fallen.
    pub(super) fn shadow_fell(&self, request: &HearingRequest, retry_after: Option<Duration>) {
        self.fell(Sample::Shadow(request.clone()), retry_after, now());
    }

    /// A second listener has done what it is for.
    pub(super) fn shadow_served(&self, request: &HearingRequest) {
        self.served(&request.tenant, &request.provider, now());
    }

    fn standing(&self, tenant: &TenantId, provider: &Provider, now: Instant) -> Standing {
        if self.known.load(Relaxed) == 0 {
            return Standing::Closed;
        }
        let entries = self.lock();
        let Some(Entry { breaker, .. }) = entries.get(tenant).and_then(|of| of.get(provider)) else { return Standing::Closed };
        match breaker.rests_until(now) {
            Some(until) => Standing::Resting(until),
            None if breaker.is_open() => Standing::Open,
            None => Standing::Closed,
        }
    }

    fn fell(&self, sample: Sample, retry_after: Option<Duration>, now: Instant) {
        let sample = sample.of_no_call();
        let (tenant, provider) = (sample.tenant().clone(), sample.provider().clone());
        let mut entries = self.lock();
        let of_tenant = entries.entry(tenant.clone()).or_default();
        let entry =
            of_tenant.entry(provider.clone()).or_insert_with(|| Entry { breaker: Breaker::default(), sample, probing: false });
        let opened = match retry_after.and_then(|wait| now.checked_add(wait)) {
            Some(until) => entry.breaker.rests(now, until),
            None => entry.breaker.fell(now),
        };
        let role = entry.sample.role();
        self.forget(entries, now);
        if opened {
            self.turned(role, tenant, provider.plugin, true);
            self.opened.notify_one();
        }
    }

    fn served(&self, tenant: &TenantId, provider: &Provider, now: Instant) {
        if self.known.load(Relaxed) == 0 {
            return;
        }
        let mut entries = self.lock();
        let Some(entry) = entries.get_mut(tenant).and_then(|of| of.get_mut(provider)) else { return };
        let (closed, role) = (entry.breaker.served(now), entry.sample.role());
        self.forget(entries, now);
        if closed {
            self.turned(role, tenant.clone(), provider.plugin.clone(), false);
        }
    }

    /// Lets go of what need not be remembered; what was open of it is asked again.
    fn forget(&self, mut entries: Entries<'_>, now: Instant) {
        let mut were_open = Vec::new();
        for of_tenant in entries.values_mut() {
            of_tenant.retain(|_, entry| {
                let forgettable = entry.breaker.is_forgettable(now);
                were_open.extend((forgettable && entry.breaker.is_open()).then(|| entry.sample.clone()));
                !forgettable
            });
        }
        entries.retain(|_, of_tenant| !of_tenant.is_empty());
        self.known.store(entries.values().map(HashMap::len).sum(), Relaxed);
        drop(entries);
        for sample in were_open {
            self.turned(sample.role(), sample.tenant().clone(), sample.provider().plugin.clone(), false);
        }
    }

    fn turned(&self, role: &'static str, tenant: TenantId, plugin: PluginId, open: bool) {
        self.observe.observe(&Observation::BreakerTurned { role, tenant, plugin, open });
    }

    fn lock(&self) -> Entries<'_> {
        // Nothing panics while it is held.
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
