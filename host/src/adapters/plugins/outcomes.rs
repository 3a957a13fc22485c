//! How sessions ended, counted by plugin and code.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use vg_plugin_host::session::SessionEnd;
use vg_plugin_host::slot::Report;

/// Sums since start. Both labels are bounded: plugins are those of the shelf, codes those of the host.
#[derive(Clone, Default)]
pub(super) struct Outcomes(Arc<Mutex<BTreeMap<(String, &'static str), u64>>>);

impl Outcomes {
    /// One more.
    pub(super) fn count(&self, plugin: &str, code: &'static str) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *counts.entry((plugin.to_owned(), code)).or_default() += 1;
    }

    pub(super) fn read(&self) -> Vec<(String, &'static str, u64)> {
        let counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        counts.iter().map(|((plugin, code), count)| (plugin.clone(), *code, *count)).collect()
    }

    /// To be told the end of one session: counts it, passes it on, and gives back what the session held. One that its owner dropped is counted as
    /// `dropped`.
    pub(super) fn of_session(
        &self,
        plugin: &str,
        report: Report,
        held: impl Send + 'static,
    ) -> Box<dyn FnOnce(&SessionEnd) + Send> {
        let mut session = Session { outcomes: self.clone(), plugin: plugin.to_owned(), code: "dropped" };
        Box::new(move |end| {
            session.code = end.code();
            report.tell(end);
            drop((session, held));
        })
    }
}

struct Session {
    outcomes: Outcomes,
    plugin: String,
    code: &'static str,
}

impl Drop for Session {
    fn drop(&mut self) {
        self.outcomes.count(&self.plugin, self.code);
    }
}
