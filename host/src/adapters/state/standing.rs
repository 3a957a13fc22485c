//! Whether Redis is there, and counts of what was written.

use super::held::Held;
use super::link::Fault;
use super::scripts::Verdict;
use crate::adapters::tally::Tally;
use serde::Serialize;
use std::sync::{Mutex, MutexGuard, PoisonError};

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

#[derive(Default)]
pub(super) struct Standing {
    parts: Mutex<Parts>,
    writes: Tally,
    outages: Tally,
}

struct Parts {
    writing: Option<Fault>,
    lease: Option<Fault>,
}

impl Default for Parts {
    /// Nobody has been there yet.
    fn default() -> Self {
        Self { writing: Some(Fault::Unreachable), lease: Some(Fault::Unreachable) }
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
    pub(super) fn is_up(&self, part: Part) {
        let mut parts = self.lock();
        let was = parts.fault();
        *parts.of(part) = None;
        if was.is_some() && parts.fault().is_none() {
            tracing::info!("redis is there: calls are kept beyond this gateway");
        }
    }

    pub(super) fn is_away(&self, part: Part, fault: Fault) {
        let mut parts = self.lock();
        let was = parts.fault();
        *parts.of(part) = Some(fault);
        if was.is_none() {
            tracing::warn!(code = fault.code(), "redis is away: calls go on and are kept in memory");
            self.outages.count(fault.code());
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
