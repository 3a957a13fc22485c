//! What the calls of this gateway told last: of each the newest snapshot, whether it is written or not.
//!
//! A live call is held as long as it lives. One that has ended is held until its end is written, or for five minutes: there is a
//! bound to what an outage may cost.

use super::scripts::Verdict;
use crate::application::ports::{CallSnapshot, Epoch};
use moka::notification::RemovalCause;
use moka::sync::Cache;
use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use vg_domain::ids::CallId;

/// For how long the end of a call is held that cannot be written (source design, section 9).
const OVER: Duration = Duration::from_secs(5 * 60);
/// Ends of calls that are held at most. Full: of the one that was held longest nothing is written any more.
const OVER_MAX: u64 = 32_768;
/// Names beyond those of live calls that stand in the queue before it is looked through.
const NAMES: usize = 2 * OVER_MAX as usize;

/// Something to write.
#[derive(Clone, Debug)]
pub(super) struct Job {
    pub(super) snapshot: Arc<CallSnapshot>,
    /// Counts the writes of this call, so that Redis can tell a late one.
    pub(super) number: u64,
    /// It is written to a store that may not know the call at all.
    pub(super) begins: bool,
    /// It may be listed as offered.
    pub(super) offered: bool,
}

impl Job {
    pub(super) fn is_over(&self) -> bool {
        is_over(&self.snapshot)
    }

    pub(super) fn call(&self) -> &CallId {
        &self.snapshot.call
    }
}

fn is_over(snapshot: &CallSnapshot) -> bool {
    snapshot.ended_at.is_some()
}

pub(super) struct Held {
    inner: Mutex<Inner>,
    /// Calls whose end is not written.
    over: Cache<CallId, Arc<Job>>,
    wake: Notify,
    dropped: Arc<AtomicU64>,
    replaced: AtomicU64,
}

#[derive(Default)]
struct Inner {
    /// Calls that live.
    calls: HashMap<CallId, Entry>,
    /// Calls of which something is to be written, in the order in which it was told. *Invariant:* each stands there once.
    queue: VecDeque<CallId>,
    /// Claims that are under way, of each call so many.
    claiming: HashMap<CallId, usize>,
    /// Calls that were claimed and have told nothing yet, each with its epoch.
    claimed: HashMap<CallId, Epoch>,
}

struct Entry {
    job: Job,
    queued: bool,
    written_at: Option<Instant>,
    /// From this number on it is written to the store that is there now.
    anew: u64,
    lost: CancellationToken,
}

impl Held {
    pub(super) fn new() -> Self {
        Self::holding_ends_for(OVER)
    }

    fn holding_ends_for(life: Duration) -> Self {
        let dropped = Arc::<AtomicU64>::default();
        let count = Arc::clone(&dropped);
        let over = Cache::builder().max_capacity(OVER_MAX).time_to_live(life).eviction_listener(move |_, _, cause| {
            if matches!(cause, RemovalCause::Expired | RemovalCause::Size) {
                count.fetch_add(1, Ordering::Relaxed);
            }
        });
        let over = over.eviction_policy(moka::policy::EvictionPolicy::lru()).build();
        Self { inner: Mutex::default(), over, wake: Notify::new(), dropped, replaced: AtomicU64::new(0) }
    }

    /// Takes a snapshot in the place of the one before.
    pub(super) fn keep(&self, snapshot: CallSnapshot) {
        let mut inner = self.lock();
        let Inner { calls, queue, claimed, .. } = &mut *inner;
        let call = snapshot.call.clone();
        let snapshot = Arc::new(snapshot);
        let entry = calls.entry(call.clone()).or_insert_with(|| Entry::new(&snapshot));
        if entry.lost.is_cancelled() {
            return;
        }
        claimed.remove(&call);
        entry.job.number += 1;
        entry.job.snapshot = snapshot;
        if std::mem::replace(&mut entry.queued, true) {
            self.replaced.fetch_add(1, Ordering::Relaxed);
        } else {
            queue.push_back(call.clone());
        }
        if entry.job.is_over()
            && let Some(entry) = calls.remove(&call)
        {
            self.over.insert(call, Arc::new(entry.job));
            // Of ends that were held long enough only the name is left.
            if queue.len() > 2 * calls.len() + NAMES {
                queue.retain(|call| calls.contains_key(call) || self.over.contains_key(call));
            }
        }
        drop(inner);
        self.wake.notify_one();
    }

    pub(super) fn lost(&self, call: &CallId) -> CancellationToken {
        self.lock().calls.get(call).map(|entry| entry.lost.clone()).unwrap_or_default()
    }

    pub(super) fn let_go(&self, call: &CallId) {
        let mut inner = self.lock();
        // What stands in the queue leads nowhere then.
        inner.calls.remove(call);
        inner.claimed.remove(call);
    }

    /// This gateway begins to claim a call.
    pub(super) fn claim<'a>(&'a self, call: &'a CallId) -> Claiming<'a> {
        *self.lock().claiming.entry(call.clone()).or_default() += 1;
        Claiming { held: self, call }
    }

    /// The call was lost to somebody: nothing more is written of it, and its task is told.
    pub(super) fn lose(&self, call: &CallId) {
        self.over.remove(call);
        if let Some(entry) = self.lock().calls.get(call) {
            entry.lost.cancel();
        }
    }

    pub(super) fn offered(&self, call: &CallId, offered: bool) {
        if let Some(entry) = self.lock().calls.get_mut(call) {
            entry.job.offered |= offered;
        }
    }

    /// Calls that live and may be listed as offered.
    pub(super) fn offered_calls(&self) -> Vec<CallId> {
        let inner = self.lock();
        let offered = |entry: &Entry| entry.job.offered && !entry.lost.is_cancelled();
        inner.calls.iter().filter(|(_, entry)| offered(entry)).map(|(call, _)| call.clone()).collect()
    }

    /// Everything that lives is to be written, to a store that may not know it.
    pub(super) fn all_anew(&self) {
        let mut inner = self.lock();
        let Inner { calls, queue, .. } = &mut *inner;
        for (call, entry) in calls.iter_mut().filter(|(_, entry)| !entry.lost.is_cancelled()) {
            entry.write_anew(call, queue);
        }
        drop(inner);
        self.wake.notify_one();
    }

    /// So is what was not written for so long, so that it is not forgotten there.
    pub(super) fn refresh(&self, now: Instant, older_than: Duration) {
        let mut inner = self.lock();
        let Inner { calls, queue, .. } = &mut *inner;
        let stale = |entry: &Entry| entry.written_at.is_some_and(|at| now.saturating_duration_since(at) >= older_than);
        for (call, entry) in calls.iter_mut().filter(|(_, entry)| stale(entry) && !entry.lost.is_cancelled()) {
            entry.write_anew(call, queue);
        }
    }

    /// Something is to be written.
    pub(super) async fn changed(&self) {
        self.wake.notified().await;
    }

    /// What was told first and is not written, of at most so many calls. Each is to be [settled](Self::settle) or [given back](Self::give_back).
    pub(super) fn take(&self, most: usize) -> Vec<Job> {
        let mut inner = self.lock();
        let Inner { calls, queue, .. } = &mut *inner;
        let mut jobs = Vec::new();
        while jobs.len() < most
            && let Some(call) = queue.pop_front()
        {
            if let Some(entry) = calls.get_mut(&call) {
                entry.queued = false;
                if !entry.lost.is_cancelled() {
                    jobs.push(entry.job.clone());
                }
            } else if let Some(job) = self.over.get(&call) {
                jobs.push((*job).clone());
            }
        }
        jobs
    }

    /// What came of a job.
    pub(super) fn settle(&self, job: &Job, verdict: Verdict, now: Instant) {
        match verdict {
            Verdict::Fenced => return self.lose(job.call()),
            // The next one, which is on its way, has a higher number.
            Verdict::Older | Verdict::Written => {}
        }
        if job.is_over() {
            self.over.remove(job.call());
        } else if let Some(entry) = self.lock().calls.get_mut(job.call()) {
            // What was to be written anew meanwhile, to a store that has forgotten all of it, is still to be.
            entry.job.begins &= job.number < entry.anew;
            entry.written_at = Some(now);
        }
    }

    /// They could not be written: they are the first to be tried again, unless something newer was told of the call meanwhile.
    pub(super) fn give_back(&self, jobs: &[Job]) {
        let mut inner = self.lock();
        let Inner { calls, queue, .. } = &mut *inner;
        for job in jobs.iter().rev() {
            let call = job.call();
            let back = match calls.get_mut(call) {
                Some(entry) => !std::mem::replace(&mut entry.queued, true),
                // Where it ended while it was being written, its end stands in the queue already.
                None => job.is_over() && self.over.contains_key(call),
            };
            if back {
                queue.push_front(call.clone());
            }
        }
    }

    /// Calls of which something is not written.
    pub(super) fn unwritten(&self) -> usize {
        self.lock().queue.len()
    }

    /// Snapshots that gave way to newer ones before they were written.
    pub(super) fn replaced(&self) -> u64 {
        self.replaced.load(Ordering::Relaxed)
    }

    /// Calls whose end will never be written.
    pub(super) fn dropped(&self) -> u64 {
        self.over.run_pending_tasks();
        self.dropped.load(Ordering::Relaxed)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Nothing panics while it is held.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A claim that is under way.
pub(super) struct Claiming<'a> {
    held: &'a Held,
    call: &'a CallId,
}

impl Claiming<'_> {
    /// The store says that the call is this gateway's in that epoch. Whether that is news, which it is once: a second task would begin a call that has one.
    pub(super) fn is_news(&self, epoch: Epoch) -> bool {
        let mut inner = self.held.lock();
        let told = match inner.calls.get(self.call) {
            Some(entry) => Some(entry.job.snapshot.epoch),
            None => self.held.over.get(self.call).map(|job| job.snapshot.epoch),
        };
        let known = told.max(inner.claimed.get(self.call).copied());
        let news = known.is_none_or(|known| known < epoch);
        if news {
            inner.claimed.insert(self.call.clone(), epoch);
        }
        news
    }

    /// Where this one has failed nobody here holds the call, or is about to.
    pub(super) fn leaves_nothing(&self) -> bool {
        let inner = self.held.lock();
        let others = inner.claiming.get(self.call).is_some_and(|claims| *claims > 1);
        !others && !inner.calls.contains_key(self.call) && !inner.claimed.contains_key(self.call)
    }
}

impl Drop for Claiming<'_> {
    fn drop(&mut self) {
        let mut inner = self.held.lock();
        if let Some(claims) = inner.claiming.get_mut(self.call) {
            *claims = claims.saturating_sub(1);
            if *claims == 0 {
                inner.claiming.remove(self.call);
            }
        }
    }
}

impl Entry {
    fn new(snapshot: &Arc<CallSnapshot>) -> Self {
        let job = Job { snapshot: Arc::clone(snapshot), number: 0, begins: true, offered: false };
        Self { job, queued: false, written_at: None, anew: 0, lost: CancellationToken::new() }
    }

    fn write_anew(&mut self, call: &CallId, queue: &mut VecDeque<CallId>) {
        self.job.begins = true;
        self.job.number += 1;
        self.anew = self.job.number;
        if !std::mem::replace(&mut self.queued, true) {
            queue.push_back(call.clone());
        }
    }
}

#[cfg(test)]
mod tests;
