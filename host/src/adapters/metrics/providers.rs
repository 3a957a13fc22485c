//! Metrics of the tenants' providers: whether they are asked, how many sessions of them there are.

use super::{Registry, counters, gauges};
use prometheus::{GaugeVec, IntCounterVec};
use vg_domain::ids::{PluginId, TenantId};

/// Metrics that follow what is observed of providers.
pub(super) struct ProviderMetrics {
    breaker_turns: IntCounterVec,
    breakers_open: GaugeVec,
    sessions: GaugeVec,
    waits: IntCounterVec,
}

impl ProviderMetrics {
    pub(super) fn new(registry: &Registry) -> Self {
        Self {
            breaker_turns: counters(registry, "vg_breaker_turns_total"),
            breakers_open: gauges(registry, "vg_breakers_open"),
            sessions: gauges(registry, "vg_provider_sessions"),
            waits: counters(registry, "vg_provider_session_waits_total"),
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

    pub(super) fn session_awaited(&self, role: &str, plugin: &PluginId, outcome: &str) {
        tracing::debug!(role, %plugin, outcome, "a session was one too many, or asked for too soon");
        self.waits.with_label_values(&[plugin.as_str(), role, outcome]).inc();
    }
}
