//! Metrics by their row of the catalogue: what it does not have cannot be made.

use super::catalogue::gauge;
use super::{CATALOGUE, LATENCY_BOUNDS_S, Metric};
use prometheus::core::Collector;
use prometheus::{Gauge, GaugeVec, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, Opts, Registry};

/// The row of a name. A name that is not in the catalogue shows in the first test, and has no help.
pub(super) fn row(name: &'static str) -> Metric {
    CATALOGUE.iter().copied().find(|row| row.name == name).unwrap_or(gauge(name, &[], "missing in the catalogue"))
}

pub(super) fn opts(name: &'static str) -> Opts {
    Opts::new(name, row(name).help)
}

pub(super) fn plain_counter(registry: &Registry, name: &'static str) -> IntCounter {
    registered(registry, IntCounter::with_opts(opts(name)))
}

pub(super) fn plain_gauge(registry: &Registry, name: &'static str) -> Gauge {
    registered(registry, Gauge::with_opts(opts(name)))
}

pub(super) fn counters(registry: &Registry, name: &'static str) -> IntCounterVec {
    registered(registry, IntCounterVec::new(opts(name), row(name).labels))
}

pub(super) fn gauges(registry: &Registry, name: &'static str) -> GaugeVec {
    registered(registry, GaugeVec::new(opts(name), row(name).labels))
}

pub(super) fn latencies(registry: &Registry, name: &'static str) -> HistogramVec {
    histograms(registry, name, LATENCY_BOUNDS_S)
}

pub(super) fn histograms(registry: &Registry, name: &'static str, bounds: &[f64]) -> HistogramVec {
    let opts = HistogramOpts::new(name, row(name).help).buckets(bounds.to_vec());
    registered(registry, HistogramVec::new(opts, row(name).labels))
}

pub(super) fn registered<C: Collector + Clone + 'static>(registry: &Registry, metric: prometheus::Result<C>) -> C {
    let metric = metric.expect("names and labels of the catalogue are well-formed: a test builds them all");
    registry.register(Box::new(metric.clone())).expect("each name of the catalogue is registered once: a test builds them all");
    metric
}
