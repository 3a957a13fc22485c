//! What the host counts; read by metrics and by tests.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Sums since the host was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HostCounts {
    /// Components compiled.
    pub compiled: u64,
    /// Components taken from the cache.
    pub cache_hits: u64,
    /// Cache entries that were there but could not be trusted.
    pub cache_refused: u64,
    /// Driven sessions that got a seat.
    pub sessions_opened: u64,
    /// Log lines dropped over a session's budget.
    pub log_lines_dropped: u64,
    /// Links asked for and not granted.
    pub egress_denied: u64,
    /// `route-audio` effects without a link to route to.
    pub routes_ignored: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) compiled: AtomicU64,
    pub(crate) cache_hits: AtomicU64,
    pub(crate) cache_refused: AtomicU64,
    pub(crate) sessions_opened: AtomicU64,
    pub(crate) log_lines_dropped: AtomicU64,
    pub(crate) egress_denied: AtomicU64,
    pub(crate) routes_ignored: AtomicU64,
}

/// One more.
pub(crate) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Relaxed);
}

impl Counters {
    pub(crate) fn read(&self) -> HostCounts {
        HostCounts {
            compiled: self.compiled.load(Relaxed),
            cache_hits: self.cache_hits.load(Relaxed),
            cache_refused: self.cache_refused.load(Relaxed),
            sessions_opened: self.sessions_opened.load(Relaxed),
            log_lines_dropped: self.log_lines_dropped.load(Relaxed),
            egress_denied: self.egress_denied.load(Relaxed),
            routes_ignored: self.routes_ignored.load(Relaxed),
        }
    }
}
