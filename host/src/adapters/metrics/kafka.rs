//! Metrics of the events' way to Kafka.

use super::{Registry, advance, counters, plain_counter, plain_gauge};
use crate::adapters::events::kafka::KafkaStats;
use prometheus::{Gauge, IntCounter, IntCounterVec};

/// Metrics that follow [`KafkaStats`]; at zero where events go nowhere.
pub(super) struct KafkaMetrics {
    delivered: IntCounter,
    failures: IntCounterVec,
    in_flight: Gauge,
    lag: Gauge,
    aside: IntCounterVec,
    up: Gauge,
}

impl KafkaMetrics {
    pub(super) fn new(registry: &Registry) -> Self {
        Self {
            delivered: plain_counter(registry, "vg_kafka_delivered_total"),
            failures: counters(registry, "vg_kafka_failures_total"),
            in_flight: plain_gauge(registry, "vg_kafka_in_flight"),
            lag: plain_gauge(registry, "vg_kafka_lag_events"),
            aside: counters(registry, "vg_kafka_set_aside_total"),
            up: plain_gauge(registry, "vg_kafka_up"),
        }
    }

    pub(super) fn follow(&self, stats: Option<&KafkaStats>) {
        let Some(stats) = stats else { return };
        advance(&self.delivered, stats.delivered);
        for (code, total) in &stats.failed {
            advance(&self.failures.with_label_values(&[code]), *total);
        }
        for (code, total) in &stats.aside {
            advance(&self.aside.with_label_values(&[code]), *total);
        }
        self.in_flight.set(stats.in_flight as f64);
        self.lag.set(stats.lag as f64);
        self.up.set(f64::from(u8::from(stats.trouble.is_none())));
    }
}
