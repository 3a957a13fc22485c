//! Metrics of the Asterisks, beside what calls observe.

use super::{Registry, advance, counters, gauges, plain_counter, plain_gauge};
use prometheus::{Gauge, GaugeVec, IntCounter, IntCounterVec};

/// What is known of the Asterisks: totals since start, and states at this moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AsteriskReadings {
    /// Who tells what happens: app, source, and whether it is this one.
    pub sources: Vec<(String, &'static str, bool)>,
    /// How long each took to answer the last ping: app, seconds.
    pub rtts_s: Vec<(String, f64)>,
    /// Event sockets that could not be connected since start, by bounded code.
    pub connect_faults: Vec<(&'static str, u64)>,
    /// Answers over event sockets that came after their deadline.
    pub answers_late: u64,
    /// Calls whose coming was missed.
    pub calls_adopted: u64,
    /// Things removed whose call was gone.
    pub orphans_removed: u64,
    /// Wishes of telephones to go elsewhere by themselves.
    pub referrals_declined: u64,
    /// Manager interfaces that are logged in.
    pub ami_up: u64,
    /// Logins that a manager interface refused.
    pub ami_logins_refused: u64,
    /// Manager interfaces that could not be connected since start, by bounded code.
    pub ami_connect_faults: Vec<(&'static str, u64)>,
    /// Messages of manager interfaces that made no sense.
    pub ami_malformed: u64,
}

/// Metrics that follow [`AsteriskReadings`].
pub(super) struct AsteriskMetrics {
    sources: GaugeVec,
    rtts: GaugeVec,
    connect_faults: IntCounterVec,
    answers_late: IntCounter,
    calls_adopted: IntCounter,
    orphans_removed: IntCounter,
    referrals_declined: IntCounter,
    ami_up: Gauge,
    ami_logins_refused: IntCounter,
    ami_connect_faults: IntCounterVec,
    ami_malformed: IntCounter,
}

impl AsteriskMetrics {
    pub(super) fn new(registry: &Registry) -> Self {
        Self {
            sources: gauges(registry, "vg_asterisk_source"),
            rtts: gauges(registry, "vg_asterisk_rtt_seconds"),
            connect_faults: counters(registry, "vg_ari_connect_faults_total"),
            answers_late: plain_counter(registry, "vg_ari_answers_late_total"),
            calls_adopted: plain_counter(registry, "vg_ari_calls_adopted_total"),
            orphans_removed: plain_counter(registry, "vg_ari_orphans_removed_total"),
            referrals_declined: plain_counter(registry, "vg_caller_referrals_declined_total"),
            ami_up: plain_gauge(registry, "vg_ami_up"),
            ami_logins_refused: plain_counter(registry, "vg_ami_logins_refused_total"),
            ami_connect_faults: counters(registry, "vg_ami_connect_faults_total"),
            ami_malformed: plain_counter(registry, "vg_ami_messages_malformed_total"),
        }
    }

    pub(super) fn follow(&self, readings: &AsteriskReadings) {
        for (app, source, is) in &readings.sources {
            self.sources.with_label_values(&[app.as_str(), source]).set(f64::from(u8::from(*is)));
        }
        for (app, seconds) in &readings.rtts_s {
            self.rtts.with_label_values(&[app]).set(*seconds);
        }
        for (code, total) in &readings.connect_faults {
            advance(&self.connect_faults.with_label_values(&[code]), *total);
        }
        advance(&self.answers_late, readings.answers_late);
        advance(&self.calls_adopted, readings.calls_adopted);
        advance(&self.orphans_removed, readings.orphans_removed);
        advance(&self.referrals_declined, readings.referrals_declined);
        self.ami_up.set(readings.ami_up as f64);
        advance(&self.ami_logins_refused, readings.ami_logins_refused);
        for (code, total) in &readings.ami_connect_faults {
            advance(&self.ami_connect_faults.with_label_values(&[code]), *total);
        }
        advance(&self.ami_malformed, readings.ami_malformed);
    }
}
