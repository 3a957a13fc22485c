//! Which sinks there are: those of tenants who have calls, as their settings are at each call.

use super::deliver::Worker;
use super::delivery::Post;
use super::{Parts, Since, Sinks};
use std::collections::HashMap;
use std::sync::{Arc, PoisonError};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use vg_domain::ids::TenantId;
use vg_domain::tenant::Webhook;

/// A tenant's sinks as they were last read.
#[derive(Default)]
struct Known {
    sinks: Vec<(Webhook, CancellationToken)>,
}

impl Sinks {
    /// Tells sinks until `close`. What waits then is not sent: the source knows what was acknowledged.
    pub async fn run(self: Arc<Self>, close: CancellationToken) {
        let hearing = self.hearing.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(mut hearing) = hearing else { return };
        let mut known: HashMap<TenantId, Known> = HashMap::new();
        let mut workers = JoinSet::new();
        loop {
            let tenant = tokio::select! {
                () = close.cancelled() => break,
                // Whoever ends was told to, or has said so itself.
                Some(_) = workers.join_next() => continue,
                tenant = hearing.recv() => match tenant {
                    Some(tenant) => tenant,
                    None => break,
                },
            };
            // Who cannot be looked up now keeps what there is.
            let Ok(settings) = self.parts.tenants.named(&tenant).await else { continue };
            let first_time = !known.contains_key(&tenant);
            let of_tenant = known.entry(tenant.clone()).or_default();
            of_tenant.sinks.retain(|(webhook, stop)| {
                let stays = settings.webhooks.contains(webhook);
                if !stays {
                    stop.cancel();
                }
                stays
            });
            for webhook in &settings.webhooks {
                if of_tenant.sinks.iter().any(|(there, _)| there == webhook) {
                    continue;
                }
                let stop = close.child_token();
                // The call by which a tenant is first heard of has begun already.
                let since = if first_time { Since::Start } else { Since::Now };
                workers.spawn(self.parts.worker(&tenant, webhook).run(since, stop.clone()));
                of_tenant.sinks.push((webhook.clone(), stop));
            }
        }
        while workers.join_next().await.is_some() {}
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
