//! Metrics of the tenants' providers: whether they are asked, how many sessions of them there are.

use super::{Registry, counters, gauges, histograms};
use prometheus::{GaugeVec, HistogramVec, IntCounterVec};
use vg_domain::event::ShadowTurn;
use vg_domain::ids::{PluginId, TenantId};

/// Metrics that follow what is observed of providers.
pub(super) struct ProviderMetrics {
    breaker_turns: IntCounterVec,
    breakers_open: GaugeVec,
    sessions: GaugeVec,
    waits: IntCounterVec,
    shadow_turns: IntCounterVec,
    shadow_distance: HistogramVec,
    shadow_delay: HistogramVec,
    shadow_drops: IntCounterVec,
}

/// Words edited to words of the first.
const DISTANCES: &[f64] = &[0.0, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 0.75, 1.0];
/// The second listener may be the quicker one.
const DELAYS_S: &[f64] = &[-2.0, -1.0, -0.5, -0.3, -0.2, -0.1, -0.05, 0.0, 0.05, 0.1, 0.2, 0.3, 0.5, 1.0, 2.0];

impl ProviderMetrics {
    pub(super) fn new(registry: &Registry) -> Self {
        Self {
            breaker_turns: counters(registry, "vg_breaker_turns_total"),
            breakers_open: gauges(registry, "vg_breakers_open"),
            sessions: gauges(registry, "vg_provider_sessions"),
            waits: counters(registry, "vg_provider_session_waits_total"),
            shadow_turns: counters(registry, "vg_shadow_turns_total"),
            shadow_distance: histograms(registry, "vg_shadow_distance_words_ratio", DISTANCES),
            shadow_delay: histograms(registry, "vg_shadow_final_delay_seconds", DELAYS_S),
            shadow_drops: counters(registry, "vg_shadow_drops_total"),
        }
    }

    pub(super) fn breaker_turned(&self, role: &str, tenant: &TenantId, plugin: &PluginId, open: bool) {
        let (state, change) = if open { ("open", 1.0) } else { ("closed", -1.0) };
        tracing::warn!(role, %tenant, %plugin, state, "breaker turned");
        self.breaker_turns.with_label_values(&[role, state]).inc();
        self.breakers_open.with_label_values(&[role]).add(change);
    }

    pub(super) fn sessions_held(&self, role: &str, tenant: &TenantId, plugin: &PluginId, sessions: u32) {
        let labels = [tenant.as_str(), plugin.as_str(), role];
        if sessions == 0 {
            // So that tenants and plugins that are gone do not stay for ever.
            drop(self.sessions.remove_label_values(&labels));
        } else {
            self.sessions.with_label_values(&labels).set(sessions.into());
        }
    }

    pub(super) fn shadow_compared(&self, tenant: &TenantId, turn: &ShadowTurn) {
        let labels = [tenant.as_str(), turn.plugin.as_str()];
        self.shadow_turns.with_label_values(&[labels[0], labels[1], turn.agreement.code()]).inc();
        self.shadow_distance.with_label_values(&labels).observe(turn.likeness.distance());
        if let Some(ms) = turn.delay_ms {
            self.shadow_delay.with_label_values(&labels).observe(ms as f64 / 1_000.0);
        }
    }

    pub(super) fn shadow_dropped(&self, plugin: &PluginId, code: &str) {
        tracing::warn!(%plugin, code, "a second listener hears no more of a call");
        self.shadow_drops.with_label_values(&[plugin.as_str(), code]).inc();
    }

    pub(super) fn session_awaited(&self, role: &str, plugin: &PluginId, outcome: &str) {
        tracing::debug!(role, %plugin, outcome, "a session was one too many, or asked for too soon");
        self.waits.with_label_values(&[plugin.as_str(), role, outcome]).inc();
    }
}
