//! Which sinks there are: those of tenants who have calls, as their settings are at each call, and of those for whom something was left.

use super::deliver::Worker;
use super::delivery::Post;
use super::{Parts, Since, Sinks};
use crate::application::ports::TenantError;
use std::collections::{BTreeSet, HashMap};
use std::future::pending;
use std::sync::{Arc, PoisonError};
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use vg_domain::ids::TenantId;
use vg_domain::tenant::{TenantSettings, Webhook};

/// A tenant whose settings were not to be had is looked at again after so long.
const AGAIN: Duration = Duration::from_secs(10);
/// So many of them. When full: they are looked at with their next call, or after the next start.
const AGAIN_MAX: usize = 4_096;

/// Sinks that are told.
struct AtWork {
    /// Each tenant's, as they were last read.
    sinks: HashMap<TenantId, Vec<(Webhook, CancellationToken)>>,
    workers: JoinSet<()>,
    close: CancellationToken,
}

/// Tenants that are looked at without being heard of, one after another: something was left for their sinks, or their settings were not to be had.
struct Unheard {
    now: BTreeSet<TenantId>,
    again: BTreeSet<TenantId>,
    /// When it is their turn.
    due: Instant,
}

impl Sinks {
    /// Tells sinks until `close`. What waits then is not sent: the source knows what was acknowledged.
    pub async fn run(self: Arc<Self>, close: CancellationToken) {
        let hearing = self.hearing.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(mut hearing) = hearing else { return };
        let mut at_work = AtWork { sinks: HashMap::new(), workers: JoinSet::new(), close: close.clone() };
        let mut unheard = Unheard::new(self.parts.source.left().await);
        loop {
            let tenant = tokio::select! {
                () = close.cancelled() => break,
                // Whoever ends was told to, or has said so itself.
                Some(_) = at_work.workers.join_next() => continue,
                tenant = hearing.recv() => match tenant {
                    Some(tenant) => tenant,
                    None => break,
                },
                tenant = unheard.next() => tenant,
            };
            let settings = tokio::select! {
                biased;
                () = close.cancelled() => break,
                settings = self.parts.tenants.named(&tenant) => settings,
            };
            // Who cannot be looked up now keeps what there is.
            match settings {
                Ok(settings) => at_work.look_at(&self.parts, &tenant, &settings),
                Err(TenantError::Unavailable) => unheard.again(tenant),
                Err(TenantError::Unknown | TenantError::DidUnknown | TenantError::TrunkMismatch) => {}
            }
        }
        while at_work.workers.join_next().await.is_some() {}
    }
}

impl AtWork {
    /// Starts those of a tenant's sinks that are new, and stops those that it has no longer.
    fn look_at(&mut self, parts: &Parts, tenant: &TenantId, settings: &TenantSettings) {
        let first_time = !self.sinks.contains_key(tenant);
        let sinks = self.sinks.entry(tenant.clone()).or_default();
        sinks.retain(|(webhook, stop)| {
            let stays = settings.webhooks.contains(webhook);
            if !stays {
                stop.cancel();
            }
            stays
        });
        for webhook in &settings.webhooks {
            if sinks.iter().any(|(there, _)| there == webhook) {
                continue;
            }
            let stop = self.close.child_token();
            // The call by which a tenant is first heard of has begun already.
            let since = if first_time { Since::Start } else { Since::Now };
            let after = parts.source.begin(tenant, &webhook.name, since);
            self.workers.spawn(parts.worker(tenant, webhook).run(after, stop.clone()));
            sinks.push((webhook.clone(), stop));
        }
        parts.source.looked_at(tenant, &settings.webhooks);
    }
}

impl Unheard {
    fn new(left: Vec<TenantId>) -> Self {
        Self { now: left.into_iter().collect(), again: BTreeSet::new(), due: Instant::now() }
    }

    /// The next one. Whoever stops waiting for it loses none.
    async fn next(&mut self) -> TenantId {
        loop {
            if let Some(tenant) = self.now.pop_first() {
                return tenant;
            }
            if self.again.is_empty() {
                pending::<()>().await;
            }
            sleep_until(self.due).await;
            self.now = std::mem::take(&mut self.again);
        }
    }

    /// Its settings were not to be had. All of these wait for one moment: where only one of them has faults, it keeps nobody else waiting.
    fn again(&mut self, tenant: TenantId) {
        if self.again.is_empty() {
            self.due = Instant::now() + AGAIN;
        }
        if self.again.len() < AGAIN_MAX {
            self.again.insert(tenant);
        }
    }
}

impl Parts {
    fn worker(&self, tenant: &TenantId, webhook: &Webhook) -> Worker {
        let mut all = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let counts = Arc::clone(all.entry((tenant.clone(), webhook.name.clone())).or_default());
        let post = Post { tenant: tenant.clone(), webhook: webhook.clone(), plugins: Arc::clone(&self.plugins) };
        Worker { post, source: Arc::clone(&self.source), counts }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::timeout;

    #[tokio::test(start_paused = true)]
    async fn whose_settings_were_not_to_be_had_is_looked_at_again_after_a_while_and_keeps_nobody_waiting() {
        let tenant = |name: &str| TenantId::new(name);
        let mut unheard = Unheard::new(vec![tenant("a"), tenant("b")]);
        let begun = Instant::now();
        assert_eq!(unheard.next().await, tenant("a"));
        unheard.again(tenant("a"));
        assert_eq!(unheard.next().await, tenant("b"));
        assert_eq!(begun.elapsed(), Duration::ZERO);
        assert!(timeout(AGAIN / 2, unheard.next()).await.is_err());
        assert_eq!(unheard.next().await, tenant("a"));
        assert!((AGAIN..AGAIN * 2).contains(&begun.elapsed()));
        assert!(timeout(AGAIN * 2, unheard.next()).await.is_err(), "nobody is left");
    }
}
