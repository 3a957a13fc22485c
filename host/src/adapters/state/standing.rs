//! Whether Redis is there, and counts of what was written.

use super::held::Held;
use super::link::Fault;
use super::scripts::Verdict;
use crate::adapters::tally::Tally;
use crate::application::ports::{Notice, Notices};
use serde::Serialize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// Whether calls are kept beyond this gateway at this moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StateHealth {
    /// `up`, or the bounded code of why not. Calls are taken and go on all the same.
    pub state: &'static str,
    /// Calls of which something is not written yet.
    pub unwritten: usize,
}

/// Counts for metrics.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StateReadings {
    /// Redis is there; none where there is none to be there.
    pub up: Option<bool>,
    /// Calls of which something is not written yet.
    pub unwritten: u64,
    /// Snapshots since start by what became of them.
    pub writes: Vec<(&'static str, u64)>,
    /// Stretches without Redis since start by their first reason.
    pub outages: Vec<(&'static str, u64)>,
    /// Gateways whose lease has lapsed and that have calls.
    pub lapsed: u64,
    /// Claims of calls of other gateways by outcome.
    pub claims: Vec<(&'static str, u64)>,
}

/// Two tasks speak with Redis, each by a connection of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Writing,
    Lease,
}

pub(super) struct Standing {
    parts: Mutex<Parts>,
    writes: Tally,
    outages: Tally,
    notices: Arc<dyn Notices>,
}

struct Parts {
    writing: Option<Fault>,
    lease: Option<Fault>,
    /// Since when it is told to be away.
    away: Option<Instant>,
}

impl Default for Parts {
    /// Nobody has been there yet.
    fn default() -> Self {
        Self { writing: Some(Fault::Unreachable), lease: Some(Fault::Unreachable), away: None }
    }
}

impl Parts {
    fn of(&mut self, part: Part) -> &mut Option<Fault> {
        match part {
            Part::Writing => &mut self.writing,
            Part::Lease => &mut self.lease,
        }
    }

    fn fault(&self) -> Option<Fault> {
        self.writing.or(self.lease)
    }
}

impl Standing {
    /// `notices`: who hears when it goes and when it is back.
    pub(super) fn new(notices: Arc<dyn Notices>) -> Self {
        Self { parts: Mutex::default(), writes: Tally::default(), outages: Tally::default(), notices }
    }

    pub(super) fn is_up(&self, part: Part) {
        let mut parts = self.lock();
        let was = parts.fault();
        *parts.of(part) = None;
        if was.is_some() && parts.fault().is_none() {
            tracing::info!("redis is there: calls are kept beyond this gateway");
            if let Some(since) = parts.away.take() {
                self.notices.tell(&Notice::StateBack { away: since.elapsed() });
            }
        }
    }

    pub(super) fn is_away(&self, part: Part, fault: Fault) {
        let mut parts = self.lock();
        *parts.of(part) = Some(fault);
        // One that was never there is as well told once.
        if parts.away.is_none() {
            parts.away = Some(Instant::now());
            tracing::warn!(code = fault.code(), "redis is away: calls go on and are kept in memory");
            self.outages.count(fault.code());
            self.notices.tell(&Notice::StateLost { code: fault.code() });
        }
    }

    pub(super) fn wrote(&self, verdict: Verdict) {
        self.writes.count(match verdict {
            Verdict::Written => "written",
            Verdict::Fenced => "fenced",
            Verdict::Older => "older",
        });
    }

    pub(super) fn failed(&self, writes: usize) {
        self.writes.add("failed", writes as u64);
    }

    pub(super) fn health(&self, unwritten: usize) -> StateHealth {
        StateHealth { state: self.lock().fault().map_or("up", Fault::code), unwritten }
    }

    pub(super) fn readings(&self, held: &Held, lapsed: usize, claims: Vec<(&'static str, u64)>) -> StateReadings {
        let mut writes = self.writes.read();
        writes.extend([("replaced", held.replaced()), ("dropped", held.dropped())]);
        StateReadings {
            up: Some(self.lock().fault().is_none()),
            unwritten: held.unwritten() as u64,
            writes,
            outages: self.outages.read(),
            lapsed: lapsed as u64,
            claims,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Parts> {
        // Nothing panics while it is held.
        self.parts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
