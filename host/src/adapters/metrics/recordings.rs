//! What the store of recordings comes to.

use super::{advance, counters, plain_counter, plain_gauge};
use crate::adapters::recording::StoreStats;
use prometheus::{Gauge, IntCounter, IntCounterVec, Registry};

pub(super) struct StoreMetrics {
    up: Gauge,
    waiting: Gauge,
    to_delete: Gauge,
    stored: IntCounter,
    bytes: IntCounter,
    faults: IntCounterVec,
}

impl StoreMetrics {
    pub(super) fn new(registry: &Registry) -> Self {
        Self {
            up: plain_gauge(registry, "vg_recording_store_up"),
            waiting: plain_gauge(registry, "vg_recordings_waiting"),
            to_delete: plain_gauge(registry, "vg_recordings_to_delete"),
            stored: plain_counter(registry, "vg_recordings_stored_total"),
            bytes: plain_counter(registry, "vg_recording_store_bytes_total"),
            faults: counters(registry, "vg_recording_store_faults_total"),
        }
    }

    pub(super) fn follow(&self, stats: Option<&StoreStats>) {
        let Some(stats) = stats else { return };
        self.up.set(f64::from(u8::from(stats.up)));
        self.waiting.set(stats.waiting as f64);
        self.to_delete.set(stats.to_delete as f64);
        advance(&self.stored, stats.stored);
        advance(&self.bytes, stats.bytes);
        for (code, total) in stats.faults {
            advance(&self.faults.with_label_values(&[code]), total);
        }
    }
}
