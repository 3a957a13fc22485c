//! Turns: where their time went, for whom, and whether it was short enough.

use super::{counters, latencies, plain_counter};
use crate::application::turns::{AnsweredTurn, Stage};
use prometheus::{HistogramVec, IntCounter, IntCounterVec, Registry};
use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use vg_domain::call::TurnEnd;
use vg_domain::ids::PluginId;

/// Tenants and plugins that have series of their own, each.
const NAMES_MAX: usize = 100;
/// The label of all others.
const OTHER: &str = "other";

pub(super) struct TurnMetrics {
    all: IntCounter,
    ends: IntCounterVec,
    interrupted: IntCounter,
    unanchored: IntCounter,
    latency: HistogramVec,
    of_provider: HistogramVec,
    of_tenant: HistogramVec,
    slo: IntCounterVec,
    tenants: Names,
    plugins: Names,
}

impl TurnMetrics {
    pub(super) fn new(registry: &Registry) -> Self {
        Self {
            all: plain_counter(registry, "vg_turns_total"),
            ends: counters(registry, "vg_turn_ends_total"),
            interrupted: plain_counter(registry, "vg_turns_interrupted_total"),
            unanchored: plain_counter(registry, "vg_turns_unanchored_total"),
            latency: latencies(registry, "vg_turn_latency_seconds"),
            of_provider: latencies(registry, "vg_provider_latency_seconds"),
            of_tenant: latencies(registry, "vg_tenant_turn_latency_seconds"),
            slo: counters(registry, "vg_slo_turns_total"),
            tenants: Names::default(),
            plugins: Names::default(),
        }
    }

    pub(super) fn ended(&self, turn: &AnsweredTurn) {
        self.all.inc();
        if turn.record.interrupted {
            self.interrupted.inc();
        }
        let Some(latency) = &turn.record.latency else { return self.unanchored.inc() };
        let parts = latency.parts().map(|part| (part.name, part.ms));
        for (part, ms) in parts.into_iter().chain([("total", latency.total_ms)]) {
            self.latency.with_label_values(&[part]).observe(seconds(ms));
        }
        self.of_tenant.with_label_values(&[self.tenants.label(turn.tenant.as_str())]).observe(seconds(latency.total_ms));
        self.of_provider("stt", &turn.hearing, seconds(latency.stt_ms));
        if let Some(speaking) = &turn.speaking {
            self.of_provider("tts", speaking, seconds(latency.tts_ms));
        }
        for (stage, took) in Stage::of(latency) {
            self.slo(stage, took);
        }
    }

    pub(super) fn first_words(&self, plugin: &PluginId, after: Duration) {
        self.of_provider("first_words", plugin, after.as_secs_f64());
        self.slo(Stage::Partial, after);
    }

    pub(super) fn judged(&self, end: TurnEnd) {
        self.ends.with_label_values(&[end.code()]).inc();
    }

    fn of_provider(&self, part: &str, plugin: &PluginId, seconds: f64) {
        self.of_provider.with_label_values(&[part, self.plugins.label(plugin.as_str())]).observe(seconds);
    }

    fn slo(&self, stage: Stage, took: Duration) {
        let kept = if stage.kept(took) { "true" } else { "false" };
        self.slo.with_label_values(&[stage.code(), kept]).inc();
    }
}

fn seconds(ms: u32) -> f64 {
    f64::from(ms) / 1000.0
}

/// Names that are labels, the first to come. Bounded: whoever names tenants and plugins is not this gateway alone.
#[derive(Default)]
struct Names(Mutex<BTreeSet<String>>);

impl Names {
    fn label<'a>(&self, name: &'a str) -> &'a str {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.contains(name) {
            return name;
        }
        if known.len() >= NAMES_MAX {
            return OTHER;
        }
        known.insert(name.to_owned());
        name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_hundred_names_are_labels_and_all_others_are_one() {
        let names = Names::default();
        let many: Vec<String> = (0..NAMES_MAX).map(|n| format!("tenant-{n}")).collect();
        assert!(many.iter().all(|name| names.label(name) == name));
        assert_eq!((names.label("one-more"), names.label("and-another")), (OTHER, OTHER));
        assert_eq!(names.label("tenant-0"), "tenant-0");
    }
}
