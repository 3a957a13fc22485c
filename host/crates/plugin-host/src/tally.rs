//! The sessions of one plugin: how many live, how the others ended.

use crate::session::SessionEnd;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Driven sessions of a plugin since it was loaded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Census {
    /// That hold a guest or are about to.
    pub live: u64,
    /// Ever.
    pub started: u64,
    /// By the code of their end; `dropped` where the owner wanted no end.
    pub ended: BTreeMap<&'static str, u64>,
}

#[derive(Debug, Default)]
pub(crate) struct Tally(Mutex<Census>);

/// One session; counted as ended when dropped.
pub(crate) struct Visit {
    tally: Arc<Tally>,
    code: &'static str,
}

impl Tally {
    pub(crate) fn read(&self) -> Census {
        self.change(|census| census.clone())
    }

    pub(crate) fn visit(self: &Arc<Self>) -> Visit {
        self.change(|census| {
            census.live += 1;
            census.started += 1;
        });
        Visit { tally: Arc::clone(self), code: "dropped" }
    }

    fn change<T>(&self, change: impl FnOnce(&mut Census) -> T) -> T {
        // Counts are whole after each of the steps above.
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Visit {
    pub(crate) fn end(mut self, end: &SessionEnd) {
        self.code = end.code();
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        self.tally.change(|census| {
            census.live -= 1;
            *census.ended.entry(self.code).or_default() += 1;
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_are_counted_by_how_they_ended() {
        let tally = Arc::<Tally>::default();
        let (one, two, _three) = (tally.visit(), tally.visit(), tally.visit());
        one.end(&SessionEnd::Done);
        drop(two);
        let census = tally.read();
        assert_eq!((census.live, census.started), (1, 3));
        assert_eq!(census.ended, BTreeMap::from([("done", 1), ("dropped", 1)]));
    }
}
