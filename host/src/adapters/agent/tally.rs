//! How answers of an agent elsewhere ended.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Sums since start, by code: `ok`, `cancelled`, or why it fell. Cheap to clone: all clones are one.
#[derive(Clone, Default)]
pub struct Tally(Arc<Mutex<BTreeMap<&'static str, u64>>>);

impl Tally {
    pub(super) fn count(&self, code: &'static str) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(code).or_default() += 1;
    }

    /// The sums so far.
    pub fn read(&self) -> Vec<(&'static str, u64)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().map(|(code, count)| (*code, *count)).collect()
    }
}
