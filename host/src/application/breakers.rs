//! Who of a ladder serves a call, and what all calls of a tenant know of its providers.
//!
//! A provider that fell three times in a row is asked only where nobody else is left, until a probe in the background is served: no caller has to try
//! whether it works again.

mod probe;

use super::budgets::Budgets;
use super::clock::now;
use super::ports::{Fall, HearingRequest, Observation, Observe, SpeakingRequest};
use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Instant, SystemTime};
use tokio::sync::Notify;
use vg_domain::breaker::Breaker;
use vg_domain::event::Role;
use vg_domain::ids::{CallId, PluginId, TenantId};
use vg_domain::tenant::{Ladder, Provider};
use vg_domain::usage::Usage;

/// Breakers of all tenants' providers. Only those that fell lately are here.
pub struct Breakers {
    observe: Arc<dyn Observe>,
    entries: Mutex<HashMap<TenantId, HashMap<Provider, Entry>>>,
    /// So many are in `entries`: where there are none, which is nearly always, nobody takes the lock.
    known: AtomicUsize,
    /// One has opened.
    opened: Notify,
    budgets: Budgets,
}

type Entries<'a> = MutexGuard<'a, HashMap<TenantId, HashMap<Provider, Entry>>>;

struct Entry {
    breaker: Breaker,
    sample: Sample,
    probing: bool,
}

/// How the provider was asked when it fell: a probe asks the same.
#[derive(Clone, Debug)]
pub(super) enum Sample {
    Hearing(HearingRequest),
    Speaking(SpeakingRequest),
}

impl Sample {
    /// What a probe asks is none of the call's.
    fn of_no_call(mut self) -> Self {
        match &mut self {
            Self::Hearing(HearingRequest { call, .. }) | Self::Speaking(SpeakingRequest { call, .. }) => {
                *call = CallId::new("probe")
            }
        }
        self
    }

    fn role(&self) -> Role {
        match self {
            Self::Hearing(_) => Role::Hearing,
            Self::Speaking(_) => Role::Speaking,
        }
    }

    fn tenant(&self) -> &TenantId {
        match self {
            Self::Hearing(request) => &request.tenant,
            Self::Speaking(request) => &request.tenant,
        }
    }

    fn provider(&self) -> &Provider {
        match self {
            Self::Hearing(request) => &request.provider,
            Self::Speaking(request) => &request.provider,
        }
    }
}

impl Breakers {
    /// All are closed. Openings and closings are told to `observe`.
    pub fn new(observe: Arc<dyn Observe>) -> Self {
        let budgets = Budgets::since(SystemTime::now(), tokio::time::Instant::now());
        Self { observe, entries: Mutex::default(), known: AtomicUsize::new(0), opened: Notify::new(), budgets }
    }

    fn is_open(&self, tenant: &TenantId, provider: &Provider) -> bool {
        self.known.load(Relaxed) > 0
            && self.lock().get(tenant).and_then(|of| of.get(provider)).is_some_and(|entry| entry.breaker.is_open())
    }

    /// A tenant's provider has worked so much more.
    pub(super) fn worked(&self, tenant: &TenantId, provider: &Provider, usage: Usage) {
        self.budgets.worked(tenant, provider, usage);
    }

    fn fell(&self, sample: Sample, now: Instant) {
        let sample = sample.of_no_call();
        let (tenant, provider) = (sample.tenant().clone(), sample.provider().clone());
        let mut entries = self.lock();
        let of_tenant = entries.entry(tenant.clone()).or_default();
        let entry =
            of_tenant.entry(provider.clone()).or_insert_with(|| Entry { breaker: Breaker::default(), sample, probing: false });
        let (opened, role) = (entry.breaker.fell(now), entry.sample.role());
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
        let (closed, role) = (entry.breaker.served(), entry.sample.role());
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

    fn turned(&self, role: Role, tenant: TenantId, plugin: PluginId, open: bool) {
        self.observe.observe(&Observation::BreakerTurned { role: role.code(), tenant, plugin, open });
    }

    fn lock(&self) -> Entries<'_> {
        // Nothing panics while it is held.
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where a call stands on a ladder.
pub(super) struct Climber {
    role: Role,
    tenant: TenantId,
    ladder: Ladder,
    at: usize,
    breakers: Arc<Breakers>,
}

impl Climber {
    pub(super) fn new(role: Role, breakers: Arc<Breakers>, tenant: TenantId, ladder: Ladder) -> Self {
        Self { role, tenant, ladder, at: 0, breakers }
    }

    /// Who serves, or was tried first where nobody does.
    pub(super) fn provider(&self) -> &Provider {
        &self.ladder.rungs()[self.at]
    }

    /// The next one is to be tried first.
    pub(super) fn climb(&mut self) {
        self.at = (self.at + 1) % self.ladder.rungs().len();
    }

    /// Whether its budget of the day is used up. That of the last one does not count: somebody has to serve.
    fn is_spent(&self, rung: usize) -> bool {
        let rungs = self.ladder.rungs();
        rung + 1 < rungs.len() && self.breakers.budgets.is_spent(&self.tenant, &rungs[rung])
    }

    /// The first that opens, beginning where the call stands; those with an open breaker after all others, and those whose budget of the day is used
    /// up not at all. Where none does, the fall of the one that was to be first is told.
    pub(super) fn open<T>(&mut self, open: impl Fn(&Provider) -> Result<T, Fall>) -> Result<T, Fall> {
        let rungs = self.ladder.rungs();
        let in_turn = (self.at..rungs.len()).chain(0..self.at);
        let (spent, in_turn): (Vec<usize>, Vec<usize>) = in_turn.partition(|rung| self.is_spent(*rung));
        for _ in spent {
            self.breakers.observe.observe(&Observation::RungFell { role: self.role.code(), code: "budget" });
        }
        let (open_breakers, closed): (Vec<usize>, Vec<usize>) =
            in_turn.into_iter().partition(|rung| self.breakers.is_open(&self.tenant, &rungs[*rung]));
        let mut falls = Vec::new();
        for rung in closed.into_iter().chain(open_breakers) {
            match open(&rungs[rung]) {
                Ok(session) => {
                    self.at = rung;
                    return Ok(session);
                }
                Err(fall) => falls.push((rung, fall)),
            }
        }
        let first = falls.iter().position(|(rung, _)| *rung == self.at).unwrap_or(0);
        Err(falls.swap_remove(first).1)
    }

    /// Who serves has fallen.
    pub(super) fn fell(&self, sample: Sample) {
        self.breakers.fell(sample, now());
    }

    /// Who serves has done what it is for.
    pub(super) fn served(&self) {
        self.breakers.served(&self.tenant, self.provider(), now());
    }
}

#[cfg(test)]
mod tests;
