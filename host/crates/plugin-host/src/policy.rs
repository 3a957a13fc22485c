//! The operator's policy: which plugins may run, where they may go, how much they may take. A descriptor wishes; this permits.
//!
//! ```toml
//! [defaults]                         # holds for every plugin
//! connections_max = 64               # of one tenant and plugin, at a time
//! [plugin."stt-example"]             # lists add to those of the defaults, single values replace them
//! hosts = ["wss://api.example.com", "https://*.example.com"]
//! networks = ["10.1.0.0/16"]         # addresses that are not of the open Internet
//! ```
//! Without a file nothing is reached, and the plugins of the folder run as they are.

mod read;
mod shortfall;

pub use read::{PolicyFault, PolicyFaults, network};
pub use shortfall::{Lacking, Shortfall, kind_of};

use crate::api::{Compute, Descriptor};
use ipnet::IpNet;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use vg_links::grant::{self, Budget, Grant, HostRule, Reach, Scheme, Schemes, Target};
use vg_links::secrets::{SecretSpec, SecretStore, Secrets, SpecFault};

/// Connections of one tenant and plugin at a time, where the operator says nothing.
const CONNECTIONS_MAX: u32 = 256;

/// What the operator permits. The default is the policy of no file: no egress.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    defaults: Rules,
    plugins: BTreeMap<String, Rules>,
}

/// One section as it is written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Rules {
    hosts: Vec<HostRule>,
    networks: Vec<IpNet>,
    digests: BTreeSet<String>,
    keys: BTreeSet<String>,
    first_party: Option<bool>,
    require_signature: Option<bool>,
    heavy: Option<bool>,
    connections_max: Option<u32>,
    bytes_out_max: Option<u64>,
    bytes_in_max: Option<u64>,
    memory_mib_max: Option<u32>,
    handle_ms_max: Option<u32>,
}

/// What holds for one plugin: the defaults and its own section together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    /// Where it may go.
    pub reach: grant::Policy,
    /// Connections of one tenant at a time.
    pub connections_max: u32,
    /// What one link may carry.
    pub budget: Budget,
    /// Whether it may run a model on threads of its own.
    pub heavy: bool,
    /// SHA-256 in lower-case hexadecimal of the components that may run under this name; empty for any.
    pub digests: BTreeSet<String>,
    /// Whether it is ours: called directly, with a shorter leash. *Invariant:* only with `digests`.
    pub first_party: bool,
    /// Whether a signature by one of `keys` is needed.
    pub require_signature: bool,
    /// Public keys (minisign) of those who may sign it.
    pub keys: BTreeSet<String>,
    /// How much a session may take.
    pub limits: Limits,
}

/// The operator's word on what a session may take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Linear memory in bytes.
    pub memory_bytes: Limit<usize>,
    /// CPU of one `handle`.
    pub handle: Limit<Duration>,
}

/// One limit beside that of the plugin's class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Limit<T> {
    /// That of the class.
    #[default]
    OfClass,
    /// That of the class, but at most this.
    AtMost(T),
    /// This: said of the plugin by name.
    Exactly(T),
}

/// What a tenant asks for when it uses a plugin.
pub struct TenantWish<'a> {
    /// The tenant's id.
    pub tenant: Arc<str>,
    /// The tenant's own cut of the hosts; none for all that plugin and operator agree on.
    pub hosts: Option<Vec<HostRule>>,
    /// Where the plugin is pointed instead of its vendor; see [`OptionsSchema::endpoint`](crate::options::OptionsSchema::endpoint).
    pub endpoint: Option<&'a str>,
    /// Secrets by the plugin's names.
    pub secrets: &'a BTreeMap<String, SecretSpec>,
    /// Follows the references of secrets.
    pub store: Arc<dyn SecretStore>,
    /// Connections it shares with other grants of this tenant and plugin; none: its own, as many as the operator permits.
    pub connections: Option<Arc<Semaphore>>,
}

/// A permission, and what is missing to the plugin's wish.
pub struct Granted {
    /// For the plugin's sessions of this tenant.
    pub grant: Arc<Grant>,
    /// What was wished and is not given, each with what to write where.
    pub shortfalls: Vec<Shortfall>,
}

impl Policy {
    /// Reads a policy file.
    ///
    /// # Errors
    /// Every fault, each with its path.
    pub fn parse(text: &str) -> Result<Self, PolicyFaults> {
        read::policy(text)
    }

    /// What holds for a plugin of that name (without `@version`).
    pub fn terms(&self, plugin: &str) -> Terms {
        let unnamed = Rules::default();
        let (all, own) = (&self.defaults, self.plugins.get(plugin).unwrap_or(&unnamed));
        let budget = Budget::default();
        Terms {
            reach: grant::Policy {
                hosts: [&all.hosts[..], &own.hosts].concat(),
                networks: [&all.networks[..], &own.networks].concat(),
            },
            connections_max: own.connections_max.or(all.connections_max).unwrap_or(CONNECTIONS_MAX),
            budget: Budget {
                bytes_out_max: own.bytes_out_max.or(all.bytes_out_max).unwrap_or(budget.bytes_out_max),
                bytes_in_max: own.bytes_in_max.or(all.bytes_in_max).unwrap_or(budget.bytes_in_max),
            },
            heavy: own.heavy.or(all.heavy).unwrap_or(true),
            digests: own.digests.clone(),
            first_party: own.first_party.unwrap_or(false),
            require_signature: own.require_signature.or(all.require_signature).unwrap_or(false),
            keys: all.keys.union(&own.keys).cloned().collect(),
            limits: Limits {
                memory_bytes: Limit::of(all.memory_mib_max, own.memory_mib_max).map(|mib| (mib as usize) << 20),
                handle: Limit::of(all.handle_ms_max, own.handle_ms_max).map(|ms| Duration::from_millis(ms.into())),
            },
        }
    }

    /// The permission of a plugin for a tenant: the descriptor's wish, cut down by this policy and by the tenant.
    ///
    /// # Errors
    /// What the tenant wrote about secrets cannot stand.
    pub fn grant(&self, plugin: &str, descriptor: &Descriptor, tenant: TenantWish<'_>) -> Result<Granted, Vec<SpecFault>> {
        let terms = self.terms(plugin);
        let mut shortfalls = Vec::new();
        let mut policy = terms.reach;
        let wish = shortfall::wished(descriptor, &mut shortfalls);
        let pointed = tenant.endpoint.map(|endpoint| pointed_at(endpoint, &mut policy));
        let permits = Semaphore::MAX_PERMITS.min(terms.connections_max as usize);
        let grant = Grant {
            tenant: tenant.tenant,
            plugin: plugin.into(),
            reach: Reach { wish: [&wish[..], pointed.as_deref().unwrap_or_default()].concat(), policy, tenant: tenant.hosts },
            secrets: Secrets::resolve(tenant.secrets, tenant.store)?,
            connections: tenant.connections.unwrap_or_else(|| Arc::new(Semaphore::new(permits))),
            budget: terms.budget,
        };
        shortfall::hosts(&grant, &wish, pointed.as_deref(), &mut shortfalls);
        shortfall::secrets(&grant, descriptor, tenant.secrets, &mut shortfalls);
        if descriptor.compute == Compute::Heavy && !terms.heavy {
            shortfalls.push(Shortfall::heavy(plugin));
        }
        Ok(Granted { grant: Arc::new(grant), shortfalls })
    }
}

/// A tenant's endpoint as a wish, in the clear or over TLS as it is written; nothing where it is no URL. An address that stands there itself has
/// no name that could be permitted beside it: the operator's word on its network is enough.
fn pointed_at(endpoint: &str, policy: &mut grant::Policy) -> Vec<HostRule> {
    let target = [Schemes::Http, Schemes::Websocket].into_iter().find_map(|schemes| Target::parse(endpoint, schemes).ok());
    let Some((target, _)) = target else { return Vec::new() };
    let schemes = if target.tls() { [Scheme::Https, Scheme::Wss] } else { [Scheme::Http, Scheme::Ws] };
    let rules = schemes.map(|scheme| format!("{}://{}:{}", scheme.as_str(), target.host(), target.port()).parse());
    let rules: Vec<HostRule> = rules.into_iter().flatten().collect();
    if target.literal().is_some_and(|address| policy.networks.iter().any(|network| network.contains(&address))) {
        policy.hosts.extend(rules.iter().cloned());
    }
    rules
}

impl<T: Copy + Ord> Limit<T> {
    fn of(all: Option<T>, own: Option<T>) -> Self {
        match (all, own) {
            (_, Some(own)) => Self::Exactly(own),
            (Some(all), None) => Self::AtMost(all),
            (None, None) => Self::OfClass,
        }
    }

    fn map<U>(self, to: impl Fn(T) -> U) -> Limit<U> {
        match self {
            Self::OfClass => Limit::OfClass,
            Self::AtMost(value) => Limit::AtMost(to(value)),
            Self::Exactly(value) => Limit::Exactly(to(value)),
        }
    }

    /// The limit that holds where the class has `class` and the engine bears at most `bound`.
    pub fn over(self, class: T, bound: T) -> T {
        match self {
            Self::OfClass => class,
            Self::AtMost(value) => class.min(value),
            Self::Exactly(value) => value.min(bound),
        }
    }
}

#[cfg(test)]
mod tests;
