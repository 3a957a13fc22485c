//! The thread that writes: gathers, commits, tells who waits, forgets what is old.

use super::store::{Row, Store};
use super::{Bounds, Order, Position, Shared};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

/// What comes so soon after a group waits for the rest of that time, and is written together, unless somebody waits. Where little happens it is written
/// at once.
const GATHER: Duration = Duration::from_millis(100);
/// Events written at once.
pub(super) const GROUP_MAX: usize = 1_024;
/// So often it is looked what is old, and written how far readers are, where no event comes.
const TIDY_EVERY: Duration = Duration::from_secs(1);
/// A group that the disk did not take is tried again after so long.
const AGAIN: Duration = Duration::from_millis(250);
/// And so often at the end.
const TRIES_AT_THE_END: u32 = 4;

pub(super) struct Work {
    pub(super) store: Store,
    pub(super) bounds: Bounds,
    /// Whose place keeps events from being forgotten.
    pub(super) held_by: Option<&'static str>,
    pub(super) shared: Arc<Shared>,
}

/// Whether more may come.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Door {
    Open,
    Closed,
}

impl Work {
    pub(super) fn run(mut self, orders: &Receiver<Order>) {
        let mut group = Vec::with_capacity(GROUP_MAX);
        let (mut door, mut tidied) = (Door::Open, Instant::now());
        let mut until = Instant::now();
        while door == Door::Open {
            door = self.gather(orders, &mut group, until);
            until = Instant::now() + GATHER;
            self.keep(&mut group);
            // Before the room is used up, not after.
            if tidied.elapsed() >= TIDY_EVERY || self.store.was_crowded() {
                tidied = Instant::now();
                self.tidy();
            }
        }
        self.tidy();
        self.store.settle();
    }

    /// Until the disk has them; at the end not for ever.
    fn keep(&mut self, group: &mut Vec<Row>) {
        let places = self.moved();
        if group.is_empty() && places.is_empty() {
            return;
        }
        let mut tries = 0;
        while let Err(error) = self.store.append(group, places.iter().map(|(name, place)| (name.as_str(), *place))) {
            if !self.shared.failing.swap(true, Relaxed) {
                tracing::error!(%error, "events cannot be written to disk: no further call is taken in");
            }
            tries += u32::from(self.shared.closing.load(Relaxed));
            if tries >= TRIES_AT_THE_END {
                self.shared.lost.fetch_add(group.len() as u64, Relaxed);
                group.clear();
                return;
            }
            thread::park_timeout(AGAIN);
            // Where the room is used up, what has gone elsewhere meanwhile makes some.
            self.tidy();
        }
        if self.shared.failing.swap(false, Relaxed) {
            tracing::warn!("events are written to disk again");
        }
        let Some(last) = group.last().map(|row| row.place) else { return };
        self.shared.kept.fetch_add(group.len() as u64, Relaxed);
        self.shared.groups.fetch_add(1, Relaxed);
        self.shared.last.send_replace(last);
        {
            let tenants = self.shared.of_tenants();
            for row in group.iter().filter(|_| !tenants.is_empty()) {
                if let Some(waiting) = tenants.get(&row.tenant) {
                    waiting.send_replace(row.place);
                }
            }
        }
        group.clear();
    }

    /// Places of readers of which the disk does not know yet; none of those that are to be forgotten.
    fn moved(&self) -> Vec<(String, Option<u64>)> {
        let mut positions = self.shared.positions();
        let moved = positions.iter_mut().filter(|(_, position)| position.moved);
        let moved = moved.map(|(name, Position { place, moved })| (name.clone(), (*moved = false, *place).1)).collect();
        positions.retain(|_, position| position.place.is_some());
        moved
    }

    fn tidy(&mut self) {
        let held = match self.held_by {
            Some(reader) => self.shared.position(reader).unwrap_or_default(),
            None => u64::MAX,
        };
        let old = SystemTime::now().checked_sub(self.bounds.keep).unwrap_or(SystemTime::UNIX_EPOCH);
        if let Err(error) = self.store.forget(held, old, |tenant| self.shared.has_webhooks(tenant)) {
            tracing::debug!(%error, "failed to forget old events");
        }
        let (bytes, full) = (self.store.bytes().unwrap_or_default(), self.store.is_full().unwrap_or_default());
        self.shared.bytes.store(bytes, Relaxed);
        if self.shared.full.swap(full, Relaxed) != full {
            if full {
                tracing::error!(bytes, "the spool of events is nearly full: no further call is taken in");
            } else {
                tracing::warn!(bytes, "the spool of events has room again");
            }
        }
    }

    /// What comes first and, `until` then, after it; none after a while without any.
    fn gather(&self, orders: &Receiver<Order>, group: &mut Vec<Row>, until: Instant) -> Door {
        // A part of the room at most, or a group might never fit in.
        let mut bytes = self.bounds.bytes_max / 16;
        while group.len() < GROUP_MAX && bytes > 0 {
            match next(orders, until, group.is_empty()) {
                Ok(Order::Keep(row)) => {
                    bytes = bytes.saturating_sub(row.event.len() as u64);
                    group.push(row);
                }
                Ok(Order::Hurry) => {
                    self.shared.hurried.store(false, Relaxed);
                    return Door::Open;
                }
                Err(RecvTimeoutError::Timeout) => return Door::Open,
                Err(RecvTimeoutError::Disconnected) => return Door::Closed,
            }
        }
        Door::Open
    }
}

/// What was told next, of that which is told until then; where nothing was told by then, and there is time, what is told after it.
fn next(orders: &Receiver<Order>, until: Instant, idle: bool) -> Result<Order, RecvTimeoutError> {
    loop {
        match orders.try_recv() {
            Ok(order) => return Ok(order),
            Err(TryRecvError::Disconnected) => return Err(RecvTimeoutError::Disconnected),
            Err(TryRecvError::Empty) => {}
        }
        let wait = until.saturating_duration_since(Instant::now());
        if wait.is_zero() {
            return if idle { orders.recv_timeout(TIDY_EVERY) } else { Err(RecvTimeoutError::Timeout) };
        }
        // Not waiting for orders: a call that tells something does not pay for waking this thread. Whoever is in haste wakes it.
        thread::park_timeout(wait);
    }
}
