//! What befell this gateway as a whole: the newest notices are kept for its operator, who reads them by `GET /v1/admin/events`, and all of them go where
//! events go.

use super::events::spool::Spool;
use crate::application::desk::{Data, Value};
use crate::application::ports::{Notice, Notices};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

/// Notices that are kept. Full: the oldest goes.
const KEPT: usize = 256;

/// A notice, when it was told, and its number since the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Noted {
    /// Counts from 1.
    pub number: u64,
    /// By this machine's clock.
    pub at: SystemTime,
    /// What happened.
    pub notice: Notice,
}

impl Noted {
    /// What its event says.
    pub fn data(&self) -> Data {
        Data::from([match self.notice {
            Notice::StateLost { code } => ("code", Value::Text(code.into())),
            Notice::StateBack { away } => ("away_ms", Value::Number(u64::try_from(away.as_millis()).unwrap_or(u64::MAX))),
        }])
    }
}

/// See the module.
pub struct NoticeBoard {
    run: String,
    spool: Option<Arc<Spool>>,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    told: u64,
    kept: VecDeque<Noted>,
}

impl NoticeBoard {
    /// `run`: a name that no other run of any gateway has.
    pub fn new(run: impl Into<String>) -> Self {
        Self { run: run.into(), spool: None, inner: Mutex::default() }
    }

    /// The same, which writes them down among the events of calls.
    #[must_use]
    pub fn written_to(mut self, spool: Option<Arc<Spool>>) -> Self {
        self.spool = spool;
        self
    }

    /// Whose notices these are.
    pub fn run(&self) -> &str {
        &self.run
    }

    /// Those that are kept, the oldest first.
    pub fn all(&self) -> Vec<Noted> {
        self.lock().kept.iter().copied().collect()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Nothing panics while it is held.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Notices for NoticeBoard {
    fn tell(&self, notice: &Notice) {
        let mut inner = self.lock();
        inner.told += 1;
        let noted = Noted { number: inner.told, at: SystemTime::now(), notice: *notice };
        if inner.kept.len() == KEPT {
            inner.kept.pop_front();
        }
        inner.kept.push_back(noted);
        // Under the lock, so that they stand there in their order.
        if let Some(spool) = &self.spool {
            spool.note(&self.run, &noted);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_are_kept_in_their_order() {
        let board = NoticeBoard::new("run");
        (0..KEPT + 2).for_each(|_| board.tell(&Notice::StateLost { code: "deadline" }));
        let numbers: Vec<u64> = board.all().iter().map(|noted| noted.number).collect();
        assert!(numbers.into_iter().eq(3..=KEPT as u64 + 2));
    }
}
