//! How many sessions of a plugin a tenant has at a time, over all calls of this gateway, and who waits for one to end.
//!
//! A vendor allows an account so many streams and refuses the next one: who would be that is known here before anybody is called.

use crate::application::limits;
use crate::application::ports::{Observation, Observe};
use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::oneshot;
use vg_domain::ids::{PluginId, TenantId};
use vg_domain::tenant::Provider;

/// A place among the sessions that a tenant permits itself; free again when the last copy of it is dropped. The default is one that is not counted.
#[derive(Clone, Default)]
pub struct Seat {
    _taken: Option<Arc<Taken>>,
}

impl fmt::Debug for Seat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seat")
    }
}

struct Taken {
    seats: Arc<Seats>,
    key: Key,
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.seats.free(&self.key);
    }
}

/// Whose sessions are counted together: another version of a plugin is no other account.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    role: &'static str,
    tenant: TenantId,
    plugin: PluginId,
}

/// The places of all tenants. Only those that are taken or waited for are here.
pub(super) struct Seats {
    observe: Arc<dyn Observe>,
    rows: Mutex<HashMap<Key, Row>>,
}

#[derive(Default)]
struct Row {
    taken: u32,
    queue: VecDeque<Waiter>,
}

struct Waiter {
    /// How many there may be, as its own settings say.
    sessions_max: u32,
    seat: oneshot::Sender<Seat>,
}

impl Seats {
    pub(super) fn new(observe: Arc<dyn Observe>) -> Arc<Self> {
        Arc::new(Self { observe, rows: Mutex::default() })
    }

    /// A place at once, if one is free and nobody has waited for it longer.
    pub(super) fn take(self: &Arc<Self>, role: &'static str, tenant: &TenantId, provider: &Provider) -> Option<Seat> {
        let Some(sessions_max) = provider.share.sessions_max else { return Some(Seat::default()) };
        let key = Key { role, tenant: tenant.clone(), plugin: PluginId::new(provider.plugin.plain()) };
        let mut rows = self.lock();
        let row = rows.entry(key.clone()).or_default();
        row.forget_who_left();
        if row.taken >= sessions_max || !row.queue.is_empty() {
            return None;
        }
        row.taken += 1;
        self.tell(&key, row.taken);
        Some(self.seat(key))
    }

    /// Waits behind all who wait already; who drops the answer waits no more. None where too many wait.
    pub(super) fn queue(&self, role: &'static str, tenant: &TenantId, provider: &Provider) -> Option<oneshot::Receiver<Seat>> {
        let sessions_max = provider.share.sessions_max?;
        let key = Key { role, tenant: tenant.clone(), plugin: PluginId::new(provider.plugin.plain()) };
        let mut rows = self.lock();
        let row = rows.entry(key).or_default();
        row.forget_who_left();
        let (seat, answer) = oneshot::channel();
        (row.queue.len() < limits::SESSIONS_WAITING).then(|| row.queue.push_back(Waiter { sessions_max, seat }))?;
        Some(answer)
    }

    /// A place is given back: it is the next one's.
    fn free(self: &Arc<Self>, key: &Key) {
        let mut next = Vec::new();
        {
            let mut rows = self.lock();
            let Some(row) = rows.get_mut(key) else { return };
            row.taken = row.taken.saturating_sub(1);
            row.forget_who_left();
            // More than one where a tenant allows itself more than before.
            while let Some(waiter) = row.queue.pop_front_if(|waiter| row.taken < waiter.sessions_max) {
                row.taken += 1;
                next.push(waiter);
            }
            self.tell(key, row.taken);
            if row.taken == 0 && row.queue.is_empty() {
                rows.remove(key);
            }
        }
        for waiter in next {
            // One who has just left gives it back by that.
            drop(waiter.seat.send(self.seat(key.clone())));
        }
    }

    fn seat(self: &Arc<Self>, key: Key) -> Seat {
        Seat { _taken: Some(Arc::new(Taken { seats: Arc::clone(self), key })) }
    }

    /// Under the lock: what was told last is how it is.
    fn tell(&self, key: &Key, taken: u32) {
        let Key { role, tenant, plugin } = key.clone();
        self.observe.observe(&Observation::SessionsHeld { role, tenant, plugin, sessions: taken });
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Key, Row>> {
        // Nothing panics while it is held.
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Row {
    fn forget_who_left(&mut self) {
        self.queue.retain(|waiter| !waiter.seat.is_closed());
    }
}
