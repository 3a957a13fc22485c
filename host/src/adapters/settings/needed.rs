//! The plugins that tenants need, and the shelf that has them.

use crate::adapters::plugins::{Plugins, Stocked};
use crate::adapters::tenants::{Review, Rung};
use crate::config::{Fault, Faults};
use std::collections::BTreeSet;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use vg_domain::ids::PluginId;

/// Plugins that tenants from elsewhere may name, all together. One more is a fault of the tenant who names it.
const NEEDED_MAX: usize = 1_024;

/// See the module.
pub(super) struct Needed {
    plugins: Arc<Plugins>,
    /// Held while the shelf is filled: one at a time, or the last would undo what another put there.
    stocking: Mutex<()>,
    /// Held for a moment only.
    now: Mutex<BTreeSet<PluginId>>,
}

impl Needed {
    pub(super) fn new(plugins: Arc<Plugins>) -> Self {
        Self { plugins, stocking: Mutex::default(), now: Mutex::default() }
    }

    /// What tenants name at this moment.
    pub(super) fn now(&self) -> BTreeSet<PluginId> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// From now on these are needed, and what of them can be had is on the shelf. Blocks for seconds where something has to be compiled.
    pub(super) fn stock(&self, needed: BTreeSet<PluginId>) -> io::Result<Stocked> {
        let _one_at_a_time = self.stocking.lock().unwrap_or_else(PoisonError::into_inner);
        self.fill(needed)
    }

    fn fill(&self, needed: BTreeSet<PluginId>) -> io::Result<Stocked> {
        let stocked = self.plugins.stock(&needed);
        *self.now.lock().unwrap_or_else(PoisonError::into_inner) = needed;
        stocked
    }

    /// Puts on the shelf what a tenant names in addition.
    fn add(&self, rungs: &[Rung], faults: &mut Faults) {
        let _one_at_a_time = self.stocking.lock().unwrap_or_else(PoisonError::into_inner);
        let before = self.now();
        let mut needed = before.clone();
        needed.extend(rungs.iter().map(|rung| rung.provider.plugin.clone()));
        if needed == before {
            return;
        }
        if needed.len() > NEEDED_MAX {
            return faults.add("plugins", format_args!("tenants name more than {NEEDED_MAX}"));
        }
        if let Err(error) = self.fill(needed) {
            tracing::error!(%error, "folder of plugins cannot be read");
        }
    }
}

impl Review for Needed {
    fn review(&self, rungs: &[Rung]) -> Faults {
        let mut faults = Faults::default();
        self.add(rungs, &mut faults);
        for rung in rungs {
            for Fault { path, what } in self.plugins.judge(rung) {
                faults.add(format_args!("{}{path}", rung.path), what);
            }
        }
        faults
    }
}
