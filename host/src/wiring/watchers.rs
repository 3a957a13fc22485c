//! Who hears what calls tell: facts go to the log and to listeners, observations to whoever counts.

use crate::adapters::facts::LogFacts;
use crate::application::ports::{Facts, Observation, Observe};
use std::sync::Arc;
use vg_domain::event::Fact;
use vg_domain::ids::{CallId, TenantId};

/// The log, and whoever else listens.
pub(super) struct Everyone(pub(super) Vec<Arc<dyn Facts>>);

impl Facts for Everyone {
    fn publish(&self, call: &CallId, tenant: &TenantId, fact: &Fact) {
        LogFacts.publish(call, tenant, fact);
        for listener in &self.0 {
            listener.publish(call, tenant, fact);
        }
    }
}

/// Everybody who counts.
pub(super) struct Watchers(pub(super) Vec<Arc<dyn Observe>>);

impl Observe for Watchers {
    fn observe(&self, observation: &Observation) {
        for watcher in &self.0 {
            watcher.observe(observation);
        }
    }
}
