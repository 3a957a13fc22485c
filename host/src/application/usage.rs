//! What speech providers say that they have worked for a call, added up.

use super::breakers::Breakers;
use super::limits;
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use std::collections::VecDeque;
use std::sync::Arc;
use vg_domain::ids::{PluginId, TenantId};
use vg_domain::tenant::Provider;
use vg_domain::usage::Usage;

/// The sums of one part of the work in one call. What is noted counts for the tenant's budgets of the day at once.
pub(super) struct Ledger {
    breakers: Arc<Breakers>,
    tenant: TenantId,
    /// *Invariant:* one for each plugin of the ladder at most.
    sums: Vec<(PluginId, Usage)>,
    /// Sessions that were told that nothing follows, and may yet say what they have worked.
    parting: VecDeque<(Provider, BoxStream<'static, Usage>)>,
}

impl Ledger {
    /// Nothing was worked yet.
    pub(super) fn new(breakers: Arc<Breakers>, tenant: TenantId) -> Self {
        Self { breakers, tenant, sums: Vec::new(), parting: VecDeque::new() }
    }

    /// That provider has worked so much more.
    pub(super) fn note(&mut self, provider: &Provider, usage: Usage) {
        self.breakers.worked(&self.tenant, provider, usage);
        let plugin = &provider.plugin;
        match self.sums.iter_mut().find(|(known, _)| known == plugin) {
            Some((_, sum)) => sum.add(usage),
            None => self.sums.push((plugin.clone(), usage)),
        }
    }

    /// A session of that provider is no longer needed, and says here what it has yet to say.
    pub(super) fn part(&mut self, provider: Provider, usage: BoxStream<'static, Usage>) {
        if self.parting.len() == limits::PARTING_SESSIONS {
            self.parting.pop_front();
        }
        self.parting.push_back((provider, usage));
    }

    /// All sums, once the sessions have said theirs or the time for that is over. The ledger is empty then.
    pub(super) async fn settle(&mut self) -> Vec<(PluginId, Usage)> {
        let parting = std::mem::take(&mut self.parting);
        let read = async {
            for (provider, mut said) in parting {
                while let Some(usage) = said.next().await {
                    self.note(&provider, usage);
                }
            }
        };
        // One that does not answer keeps what it has not said.
        let _ = tokio::time::timeout(limits::PARTING, read).await;
        let mut sums = std::mem::take(&mut self.sums);
        sums.retain(|(_, usage)| *usage != Usage::default());
        sums
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::application::ports::{Observation, Observe};
    use futures_util::stream;
    use tokio::time::Instant;

    struct Nobody;

    impl Observe for Nobody {
        fn observe(&self, _: &Observation) {}
    }

    fn ledger() -> Ledger {
        Ledger::new(Arc::new(Breakers::new(Arc::new(Nobody))), TenantId::new("acme"))
    }

    fn provider(plugin: &str) -> Provider {
        Provider::new(PluginId::new(plugin), "{}")
    }

    fn usage(audio_ms: u64, requests: u64) -> Usage {
        Usage { audio_ms, characters: 0, requests }
    }

    #[tokio::test(start_paused = true)]
    async fn what_sessions_say_when_they_part_is_added_to_what_they_said_before() {
        let (a, b) = (provider("stt-a"), provider("stt-b"));
        let mut ledger = ledger();
        ledger.note(&a, usage(1_000, 1));
        ledger.note(&b, Usage::default());
        ledger.note(&a, usage(500, 0));
        ledger.part(a.clone(), stream::iter([usage(20, 1), usage(3, 0)]).boxed());
        assert_eq!(ledger.settle().await, [(a.plugin, usage(1_523, 2))]);
        assert_eq!(ledger.settle().await, [], "it is told once");
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_does_not_part_is_not_waited_for_and_nothing_else_is_lost() {
        let (a, b) = (provider("stt-a"), provider("stt-b"));
        let mut ledger = ledger();
        ledger.part(a.clone(), stream::iter([usage(u64::MAX, 1), usage(1, 1)]).boxed());
        ledger.part(b.clone(), stream::iter([usage(7, 1)]).chain(stream::pending()).boxed());
        let began = Instant::now();
        assert_eq!(ledger.settle().await, [(a.plugin, usage(u64::MAX, 2)), (b.plugin, usage(7, 1))]);
        assert_eq!(began.elapsed(), limits::PARTING);
    }

    #[tokio::test(start_paused = true)]
    async fn so_many_sessions_part_and_no_more() {
        let mut ledger = ledger();
        for _ in 0..100 {
            ledger.part(provider("stt-a"), stream::iter([usage(1, 0)]).boxed());
        }
        assert_eq!(ledger.settle().await, [(PluginId::new("stt-a"), usage(limits::PARTING_SESSIONS as u64, 0))]);
    }
}
