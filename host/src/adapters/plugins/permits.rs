//! Who may do what: the operator's policy, and the grants that tenants' sessions are given under it.

use super::standing::Standing;
use crate::config::{Fault, SecretsWithin};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Semaphore;
use vg_domain::ids::TenantId;
use vg_domain::tenant::Provider;
use vg_plugin_host::links::grant::{Grant, Reach, Schemes, Target};
use vg_plugin_host::links::secrets::{LocalStore, SecretSpec, Secrets};
use vg_plugin_host::policy::{Granted, Policy, Shortfall, TenantWish};

/// Whose connections are counted together: those of a tenant and a plugin, by their number.
type ShareKey = (TenantId, String, u32);

/// The policy of this moment and the grants made under it.
pub(super) struct Permits {
    /// Where tenants' secrets lie.
    store: Arc<LocalStore>,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    policy: Arc<Policy>,
    /// One per tenant, provider as written, and component. Forgotten with every change of policy, plugins or tenants: sessions that are up keep theirs.
    grants: HashMap<(TenantId, Provider, String), Result<Arc<Grant>, &'static str>>,
    /// For what the gateway itself does for a tenant: whose, under which name of the policy, to which URL. Forgotten with the others.
    outward: HashMap<(TenantId, String, String), Arc<Grant>>,
    /// Outlive grants, so that a change does not double what may be used.
    shares: HashMap<ShareKey, Arc<Semaphore>>,
}

impl Permits {
    /// Under the policy of no file.
    pub(super) fn new(secrets: &SecretsWithin) -> Self {
        let SecretsWithin { env_prefix, dir } = secrets.clone();
        let confined = env_prefix.is_some() || dir.is_some();
        let store = if confined { LocalStore::within(env_prefix, dir) } else { LocalStore::default() };
        Self { store: Arc::new(store), inner: Mutex::default() }
    }

    /// What holds from now on; every grant is made anew.
    pub(super) fn replace(&self, policy: Arc<Policy>) {
        self.inner().policy = policy;
        self.forget();
    }

    /// Makes every grant anew when it is next asked for.
    pub(super) fn forget(&self) {
        let mut inner = self.inner();
        inner.grants.clear();
        inner.outward.clear();
        inner.shares.retain(|_, share| Arc::strong_count(share) > 1);
    }

    pub(super) fn policy(&self) -> Arc<Policy> {
        Arc::clone(&self.inner().policy)
    }

    /// The grant of a tenant's provider, or the bounded code of why it cannot serve.
    pub(super) fn grant(&self, tenant: &TenantId, provider: &Provider, standing: &Standing) -> Result<Arc<Grant>, &'static str> {
        let mut inner = self.inner();
        let key = (tenant.clone(), provider.clone(), standing.plugin.digest().to_owned());
        if let Some(made) = inner.grants.get(&key) {
            return made.clone();
        }
        let made = if self.faults(provider, standing).is_empty() {
            let name = provider.plugin.plain();
            let operator = inner.policy.terms(name).connections_max;
            let connections = provider.share.connections_max.map_or(operator, |own| own.min(operator));
            let connections = inner.share((tenant.clone(), name.to_owned(), connections));
            // What the policy does not permit shows when the session asks for it: it may never need it.
            self.granted(&inner.policy, tenant, provider, standing, Some(connections))
                .map(|granted| granted.grant)
                .map_err(|_| "secret-spec")
        } else {
            Err("invalid-options")
        };
        inner.grants.insert(key, made.clone());
        made
    }

    /// What a tenant's provider wishes and is not permitted.
    pub(super) fn shortfalls(&self, tenant: &TenantId, provider: &Provider, standing: &Standing) -> Vec<Shortfall> {
        self.granted(&self.policy(), tenant, provider, standing, None).map_or_else(|_| Vec::new(), |granted| granted.shortfalls)
    }

    /// What is wrong with a tenant's options and secrets for this plugin, by path below the rung.
    pub(super) fn faults(&self, provider: &Provider, standing: &Standing) -> Vec<Fault> {
        let mut faults = Vec::new();
        match &standing.schema {
            Err(error) => faults.push(Fault { path: ".options".to_owned(), what: format!("the plugin is at fault: {error}") }),
            Ok(schema) => {
                let options = serde_json::from_str(&provider.options).unwrap_or_default();
                faults.extend(
                    schema
                        .faults(&options)
                        .into_iter()
                        .map(|fault| Fault { path: format!(".options{}", fault.path.replace('/', ".")), what: fault.message }),
                );
            }
        }
        let wishes = &standing.plugin.descriptor().secrets;
        for (name, spec) in specs(provider) {
            let kind = vg_plugin_host::policy::kind_of(&spec);
            let what = match wishes.iter().find(|wish| wish.name == name) {
                None => "the plugin asks for no secret of this name".to_owned(),
                Some(wish) if wish.kind != kind => format!("the plugin asks for kind {:?}", wish.kind.as_str()),
                Some(_) if spec.references().iter().all(|reference| self.store.covers(reference)) => continue,
                Some(_) => "refers to what plugins.secrets_env_prefix and plugins.secrets_dir keep from tenants".to_owned(),
            };
            faults.push(Fault { path: format!(".secrets.{name}"), what });
        }
        faults
    }

    pub(super) fn store(&self) -> &LocalStore {
        &self.store
    }

    /// See [`Plugins::outward`](super::Plugins::outward). Has no secrets to fill in.
    pub(super) fn outward(&self, name: &str, tenant: &TenantId, url: &str) -> Option<Arc<Grant>> {
        let mut inner = self.inner();
        let key = (tenant.clone(), name.to_owned(), url.to_owned());
        if let Some(made) = inner.outward.get(&key) {
            // The same, so that connections are used again.
            return Some(Arc::clone(made));
        }
        let (target, _) = Target::parse(url, Schemes::Http).ok()?;
        let wish = format!("{}://{}:{}", target.scheme().as_str(), target.host(), target.port()).parse().ok()?;
        let terms = inner.policy.terms(name);
        let connections = inner.share((tenant.clone(), name.to_owned(), terms.connections_max));
        let grant = Arc::new(Grant {
            tenant: tenant.as_str().into(),
            plugin: name.into(),
            reach: Reach { wish: vec![wish], policy: terms.reach, tenant: None },
            secrets: Secrets::default(),
            connections,
            budget: terms.budget,
        });
        inner.outward.insert(key, Arc::clone(&grant));
        Some(grant)
    }

    fn granted(
        &self,
        policy: &Policy,
        tenant: &TenantId,
        provider: &Provider,
        standing: &Standing,
        connections: Option<Arc<Semaphore>>,
    ) -> Result<Granted, Vec<vg_plugin_host::links::secrets::SpecFault>> {
        let options: serde_json::Value = serde_json::from_str(&provider.options).unwrap_or_default();
        let endpoint = standing.schema.as_ref().ok().and_then(|schema| schema.endpoint(&options));
        let hosts = provider.access.hosts.as_ref();
        let wish = TenantWish {
            tenant: tenant.as_str().into(),
            hosts: hosts.map(|hosts| hosts.iter().filter_map(|host| host.parse().ok()).collect()),
            endpoint,
            secrets: &specs(provider),
            store: Arc::<LocalStore>::clone(&self.store),
            connections,
        };
        policy.grant(provider.plugin.plain(), standing.plugin.descriptor(), wish)
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn share(&mut self, key: ShareKey) -> Arc<Semaphore> {
        let permits = Semaphore::MAX_PERMITS.min(key.2 as usize);
        Arc::clone(self.shares.entry(key).or_insert_with(|| Arc::new(Semaphore::new(permits))))
    }
}

/// As the tenant's file was read: nothing else is ever written there.
fn specs(provider: &Provider) -> BTreeMap<String, SecretSpec> {
    serde_json::from_str(&provider.access.secrets).unwrap_or_default()
}
