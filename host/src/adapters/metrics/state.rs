//! Metrics of the store of call states.

use super::{Registry, advance, counters, plain_gauge};
use crate::adapters::state::StateReadings;
use prometheus::{Gauge, IntCounterVec};

pub(super) struct StateMetrics {
    up: Gauge,
    unwritten: Gauge,
    lapsed: Gauge,
    writes: IntCounterVec,
    outages: IntCounterVec,
    claims: IntCounterVec,
}

impl StateMetrics {
    pub(super) fn new(registry: &Registry) -> Self {
        Self {
            up: plain_gauge(registry, "vg_state_up"),
            unwritten: plain_gauge(registry, "vg_state_unwritten"),
            lapsed: plain_gauge(registry, "vg_state_lapsed_gateways"),
            writes: counters(registry, "vg_state_writes_total"),
            outages: counters(registry, "vg_state_outages_total"),
            claims: counters(registry, "vg_state_claims_total"),
        }
    }

    pub(super) fn follow(&self, readings: &StateReadings) {
        self.up.set(f64::from(u8::from(readings.up == Some(true))));
        self.unwritten.set(readings.unwritten as f64);
        self.lapsed.set(readings.lapsed as f64);
        let counted = [(&self.writes, &readings.writes), (&self.outages, &readings.outages), (&self.claims, &readings.claims)];
        for (counter, counts) in counted {
            for (code, total) in counts {
                advance(&counter.with_label_values(&[code]), *total);
            }
        }
    }
}
