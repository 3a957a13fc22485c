//! Who hears what calls tell: facts go to the log and to listeners, observations to whoever counts.

use crate::adapters::facts::LogFacts;
use crate::adapters::latency::Latency;
use crate::adapters::metrics::Metrics;
use crate::adapters::otlp::{Tracer, Traces};
use crate::adapters::settings;
use crate::application::ports::{Facts, Observation, Observe, Subject};
use crate::config::Config;
use anyhow::{Context, Result};
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, join_all};
use std::sync::Arc;
use vg_domain::event::Fact;

/// The log, and whoever else listens.
pub(super) struct Everyone(pub(super) Vec<Arc<dyn Facts>>);

impl Facts for Everyone {
    fn publish(&self, subject: Subject<'_>, fact: &Fact) {
        LogFacts.publish(subject, fact);
        for listener in &self.0 {
            listener.publish(subject, fact);
        }
    }

    fn committed(&self) -> BoxFuture<'static, ()> {
        let all = join_all(self.0.iter().map(|listener| listener.committed()));
        all.map(|_| ()).boxed()
    }

    fn has_room(&self) -> bool {
        self.0.iter().all(|listener| listener.has_room())
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

#[cfg(test)]
mod tests {
    use super::*;

    struct Listener {
        has_room: bool,
    }

    impl Facts for Listener {
        fn publish(&self, _: Subject<'_>, _: &Fact) {}

        fn has_room(&self) -> bool {
            self.has_room
        }
    }

    #[test]
    fn there_is_room_for_further_calls_where_every_listener_has_some() {
        let everyone = |rooms: &[bool]| {
            let listener = |has_room: &bool| Arc::new(Listener { has_room: *has_room }) as Arc<dyn Facts>;
            Everyone(rooms.iter().map(listener).collect())
        };
        assert!(everyone(&[]).has_room() && everyone(&[true, true, true]).has_room());
        for lacks in 0..3 {
            let rooms = [0, 1, 2].map(|nth| nth != lacks);
            assert!(!everyone(&rooms).has_room(), "{rooms:?}");
        }
    }
}
