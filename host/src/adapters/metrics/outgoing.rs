//! Metrics of what is kept and sent of calls: the audit log, the spool of events, and tenants' webhooks.

use super::{Readings, Registry, advance, counters, gauges, plain_counter, plain_gauge};
use crate::adapters::events::spool::SpoolStats;
use prometheus::{Gauge, GaugeVec, IntCounter, IntCounterVec};

/// Metrics that follow [`Readings`].
pub(super) struct OutgoingMetrics {
    lines: IntCounterVec,
    groups: IntCounter,
    damages: IntCounter,
    failing: Gauge,
    spooled: IntCounterVec,
    spool_groups: IntCounter,
    spool: [Gauge; 4],
    events: IntCounterVec,
    failures: IntCounterVec,
    off: GaugeVec,
    waiting: GaugeVec,
}

impl OutgoingMetrics {
    pub(super) fn new(registry: &Registry) -> Self {
        Self {
            lines: counters(registry, "vg_audit_lines_total"),
            groups: plain_counter(registry, "vg_audit_groups_total"),
            damages: plain_counter(registry, "vg_audit_damages_total"),
            failing: plain_gauge(registry, "vg_audit_failing"),
            spooled: counters(registry, "vg_spool_events_total"),
            spool_groups: plain_counter(registry, "vg_spool_groups_total"),
            spool: ["vg_spool_bytes", "vg_spool_damaged", "vg_spool_failing", "vg_spool_full"]
                .map(|name| plain_gauge(registry, name)),
            events: counters(registry, "vg_webhook_events_total"),
            failures: counters(registry, "vg_webhook_failures_total"),
            off: gauges(registry, "vg_webhook_off"),
            waiting: gauges(registry, "vg_webhook_waiting"),
        }
    }

    pub(super) fn follow(&self, readings: &Readings) {
        for ((tenant, webhook), counts) in &readings.sinks {
            let labels = [tenant.as_str(), webhook.as_str()];
            let by_outcome = [("delivered", counts.delivered), ("refused", counts.refused), ("given_up", counts.given_up)];
            for (outcome, total) in by_outcome.into_iter().chain([("missed", counts.missed)]) {
                advance(&self.events.with_label_values(&[labels[0], labels[1], outcome]), total);
            }
            advance(&self.failures.with_label_values(&labels), counts.failures);
            self.off.with_label_values(&labels).set(f64::from(u8::from(counts.off)));
            self.waiting.with_label_values(&labels).set(counts.waiting as f64);
        }
        if let Some(spool) = &readings.spool {
            self.follow_spool(spool);
        }
        let Some(audit) = &readings.audit else { return };
        for (outcome, total) in [("kept", audit.kept), ("lost_full", audit.lost_full), ("lost_disk", audit.lost_disk)] {
            advance(&self.lines.with_label_values(&[outcome]), total);
        }
        advance(&self.groups, audit.groups);
        advance(&self.damages, audit.damaged);
        self.failing.set(f64::from(u8::from(audit.failing)));
    }

    fn follow_spool(&self, spool: &SpoolStats) {
        for (outcome, total) in [("kept", spool.kept), ("lost", spool.lost), ("salvaged", spool.salvaged)] {
            advance(&self.spooled.with_label_values(&[outcome]), total);
        }
        advance(&self.spool_groups, spool.groups);
        let flag = |flag| f64::from(u8::from(flag));
        let now = [spool.bytes as f64, flag(spool.damaged), flag(spool.failing), flag(spool.full)];
        self.spool.iter().zip(now).for_each(|(gauge, value)| gauge.set(value));
    }
}
