//! Counts of what has no place of its own in the metrics yet: they are read when somebody asks for those.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Sums since start by a bounded code, for example how something ended. Cheap to clone: all clones are one.
#[derive(Clone, Debug, Default)]
pub struct Tally(Arc<Mutex<BTreeMap<&'static str, u64>>>);

impl Tally {
    pub(super) fn count(&self, code: &'static str) {
        self.add(code, 1);
    }

    /// So many of them at once; none is no entry.
    pub(super) fn add(&self, code: &'static str, more: u64) {
        if more > 0 {
            *self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(code).or_default() += more;
        }
    }

    /// The sums so far.
    pub fn read(&self) -> Vec<(&'static str, u64)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().map(|(code, count)| (*code, *count)).collect()
    }
}
