//! What tenants' providers have worked today, held against the budgets of the day. In memory, of this process alone: it begins anew with it.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::time::Instant;
use vg_domain::ids::{PluginId, TenantId};
use vg_domain::tenant::Provider;
use vg_domain::usage::Usage;

const DAY: Duration = Duration::from_secs(24 * 3_600);

/// Sums of the day. Only providers with a budget are here.
pub(super) struct Budgets {
    /// The time of the world at a moment of ours: days end with the clock that everything else goes by.
    began: (SystemTime, Instant),
    worked: Mutex<Worked>,
}

#[derive(Default)]
struct Worked {
    /// Days since 1970 (UTC).
    day: u64,
    sums: HashMap<(TenantId, PluginId), Usage>,
}

impl Budgets {
    /// Nothing was worked before that moment.
    pub(super) fn since(time: SystemTime, now: Instant) -> Self {
        Self { began: (time, now), worked: Mutex::default() }
    }

    /// That provider has worked so much more.
    pub(super) fn worked(&self, tenant: &TenantId, provider: &Provider, usage: Usage) {
        if provider.share.has_budget() {
            self.today().sums.entry((tenant.clone(), provider.plugin.clone())).or_default().add(usage);
        }
    }

    /// Whether it has worked today as much as it may.
    pub(super) fn is_spent(&self, tenant: &TenantId, provider: &Provider) -> bool {
        let share = provider.share;
        share.has_budget() && {
            let worked = self.today().sums.get(&(tenant.clone(), provider.plugin.clone())).copied().unwrap_or_default();
            share.is_spent(worked)
        }
    }

    fn today(&self) -> MutexGuard<'_, Worked> {
        let (time, moment) = self.began;
        let time = (time + moment.elapsed()).duration_since(UNIX_EPOCH).unwrap_or_default();
        let day = time.as_secs() / DAY.as_secs();
        // Nothing panics while it is held.
        let mut worked = self.worked.lock().unwrap_or_else(PoisonError::into_inner);
        if worked.day != day {
            *worked = Worked { day, sums: HashMap::new() };
        }
        worked
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use vg_domain::tenant::Share;

    fn characters(characters: u64) -> Usage {
        Usage { characters, ..Usage::default() }
    }

    fn voice(characters_per_day: u64) -> Provider {
        let share = Share { characters_per_day: Some(characters_per_day), ..Share::default() };
        Provider { share, ..Provider::new(PluginId::new("tts-a"), "{}") }
    }

    #[tokio::test(start_paused = true)]
    async fn a_budget_is_used_up_until_midnight() {
        let noon = UNIX_EPOCH + DAY * 20_000 + DAY / 2;
        let budgets = Budgets::since(noon, Instant::now());
        let (acme, other) = (TenantId::new("acme"), TenantId::new("other"));
        budgets.worked(&acme, &voice(100), characters(99));
        assert!(!budgets.is_spent(&acme, &voice(100)), "just not");
        budgets.worked(&acme, &voice(100), characters(1));
        assert!(budgets.is_spent(&acme, &voice(100)), "just");
        assert!(!budgets.is_spent(&other, &voice(100)), "another tenant's is its own");
        assert!(!budgets.is_spent(&acme, &voice(101)), "more is granted while it runs");
        tokio::time::advance(DAY / 2 - Duration::from_secs(1)).await;
        assert!(budgets.is_spent(&acme, &voice(100)), "a second before midnight");
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(!budgets.is_spent(&acme, &voice(100)));
    }

    #[tokio::test(start_paused = true)]
    async fn sound_counts_in_whole_seconds_and_without_a_budget_nothing_is_kept() {
        let budgets = Budgets::since(UNIX_EPOCH, Instant::now());
        let acme = TenantId::new("acme");
        let share = Share { audio_s_per_day: Some(2), ..Share::default() };
        let listener = Provider { share, ..Provider::new(PluginId::new("stt-a"), "{}") };
        budgets.worked(&acme, &listener, Usage { audio_ms: 1_999, ..Usage::default() });
        assert!(!budgets.is_spent(&acme, &listener));
        budgets.worked(&acme, &listener, Usage { audio_ms: 1, ..Usage::default() });
        assert!(budgets.is_spent(&acme, &listener));
        let free = Provider::new(PluginId::new("tts-a"), "{}");
        budgets.worked(&acme, &free, characters(u64::MAX));
        assert!(!budgets.is_spent(&acme, &free));
        assert_eq!(budgets.today().sums.len(), 1);
    }
}
