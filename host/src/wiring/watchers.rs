//! Who hears what calls tell: facts go to the log and to listeners, observations to whoever counts.

use crate::adapters::facts::LogFacts;
use crate::adapters::latency::Latency;
use crate::adapters::metrics::Metrics;
use crate::adapters::otlp::{Tracer, Traces};
use crate::adapters::settings;
use crate::application::ports::{Facts, Observation, Observe};
use crate::config::Config;
use anyhow::{Context, Result};
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

/// Who sends traces, where somebody takes them. Reads the system's authorities.
pub(super) fn tracer(config: &Config) -> Result<Option<Arc<Tracer>>> {
    let Some(otlp) = &config.telemetry.otlp else { return Ok(None) };
    let cas = settings::operator_cas(&config.plugins).context("failed to read the operator's authorities")?;
    let tracer = Tracer::new(otlp, &config.instance, &cas).context("failed to prepare traces")?;
    Ok(Some(Arc::new(tracer)))
}

pub(super) fn traces(tracer: Option<&Arc<Tracer>>) -> Traces {
    if tracer.is_some() { Traces::Exported } else { Traces::Off }
}

/// Everybody who counts.
pub(super) struct Watchers(Vec<Arc<dyn Observe>>);

impl Watchers {
    pub(super) fn new(metrics: &Arc<Metrics>, latency: &Arc<Latency>, tracer: Option<&Arc<Tracer>>) -> Self {
        let tracer = tracer.map(|tracer| Arc::clone(tracer) as _);
        Self([Arc::clone(metrics) as _, Arc::clone(latency) as _].into_iter().chain(tracer).collect())
    }
}

impl Observe for Watchers {
    fn observe(&self, observation: &Observation) {
        for watcher in &self.0 {
            watcher.observe(observation);
        }
    }
}
