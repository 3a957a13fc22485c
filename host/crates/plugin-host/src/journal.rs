//! What a session writes to the operator's log: bounded, and under its name.

use crate::api::SessionTag;
use crate::counters::{Counters, count};
use crate::limits::{LOG_BYTES_PER_S, LOG_LINE_BYTES, cut};
use crate::scrub::scrub;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How loud a guest's log line is.
#[derive(Clone, Copy)]
pub(crate) enum LogLevel {
    Error,
    Warn,
    Info,
    Debug,
}

/// One session's log; the guest's store and its standard output write to the same.
#[derive(Clone)]
pub(crate) struct SharedJournal(Arc<Mutex<Journal>>);

struct Journal {
    plugin: Arc<str>,
    tag: SessionTag,
    counters: Arc<Counters>,
    second: Instant,
    bytes_left: usize,
}

impl SharedJournal {
    pub(crate) fn new(plugin: Arc<str>, tag: SessionTag, counters: Arc<Counters>) -> Self {
        Self(Arc::new(Mutex::new(Journal { plugin, tag, counters, second: Instant::now(), bytes_left: LOG_BYTES_PER_S })))
    }

    /// One line, within the session's budget.
    pub(crate) fn write(&self, level: LogLevel, message: String) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).write(level, message);
    }
}

impl Journal {
    fn write(&mut self, level: LogLevel, message: String) {
        if self.second.elapsed() >= Duration::from_secs(1) {
            (self.second, self.bytes_left) = (Instant::now(), LOG_BYTES_PER_S);
        }
        let line = cut(message, LOG_LINE_BYTES);
        let Some(left) = self.bytes_left.checked_sub(line.len().max(1)) else {
            return count(&self.counters.log_lines_dropped);
        };
        self.bytes_left = left;
        let line = scrub(&line);
        let (plugin, tenant, call) = (&*self.plugin, &*self.tag.tenant, &*self.tag.call);
        match level {
            LogLevel::Error => tracing::error!(target: "plugin", plugin, tenant, call, "{line}"),
            LogLevel::Warn => tracing::warn!(target: "plugin", plugin, tenant, call, "{line}"),
            LogLevel::Info => tracing::info!(target: "plugin", plugin, tenant, call, "{line}"),
            LogLevel::Debug => tracing::debug!(target: "plugin", plugin, tenant, call, "{line}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_beyond_the_budget_of_a_second_are_counted_not_written() {
        let counters = Arc::<Counters>::default();
        let journal = SharedJournal::new("probe".into(), SessionTag::default(), Arc::clone(&counters));
        for _ in 0..LOG_BYTES_PER_S / LOG_LINE_BYTES + 3 {
            journal.write(LogLevel::Debug, "x".repeat(2 * LOG_LINE_BYTES));
        }
        assert_eq!(counters.read().log_lines_dropped, 3);
    }
}
