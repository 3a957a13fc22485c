//! Wish, policy and tenant, kept apart so that a refusal can say who lacks the permission.

use super::address::{self, Special};
use super::{HostRule, Target};
use ipnet::IpNet;
use std::net::IpAddr;

/// What the operator permits a plugin.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// Hosts that may be reached.
    pub hosts: Vec<HostRule>,
    /// Networks that may be reached although they are not of the open Internet. A metadata service is meant only by its very address.
    pub networks: Vec<IpNet>,
}

/// Where a plugin may go for a tenant: the descriptor's wish ∩ the operator's policy ∩ the tenant's own cut.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reach {
    /// What the plugin asks for.
    pub wish: Vec<HostRule>,
    /// What the operator permits.
    pub policy: Policy,
    /// What the tenant permits of it; none for all.
    pub tenant: Option<Vec<HostRule>>,
}

/// Who lacks the permission.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lack {
    /// The plugin does not even ask for it.
    Wish,
    /// The operator does not permit the host.
    Policy,
    /// The tenant does not permit the host.
    Tenant,
    /// The operator does not permit the network.
    Network(Special),
}

impl Reach {
    /// None where all three permit the name.
    pub(super) fn lack(&self, target: &Target) -> Option<Lack> {
        if !any(&self.wish, target) {
            Some(Lack::Wish)
        } else if !any(&self.policy.hosts, target) {
            Some(Lack::Policy)
        } else if self.tenant.as_ref().is_some_and(|rules| !any(rules, target)) {
            Some(Lack::Tenant)
        } else {
            None
        }
    }

    /// The same for where the host goes by itself, to get a token: that is no wish of the plugin's.
    pub(super) fn lack_of_errand(&self, target: &Target) -> Option<Lack> {
        (!any(&self.policy.hosts, target)).then_some(Lack::Policy)
    }

    /// None where the address may be reached.
    pub(super) fn lack_of_network(&self, address: IpAddr) -> Option<Lack> {
        address::refused(address, &self.policy.networks).map(Lack::Network)
    }
}

impl Lack {
    /// What the operator is told, with the line to add.
    pub(super) fn advice(self, plugin: &str, target: &Target) -> String {
        let origin = target.origin();
        match self {
            Self::Wish => format!("the plugin's descriptor does not ask for {origin}: its hosts lack it"),
            Self::Policy => format!("add to policy: [plugin.{plugin:?}] hosts = [{origin:?}]"),
            Self::Tenant => format!("the tenant does not permit {origin}: its hosts lack it"),
            Self::Network(Special { what, network }) => {
                let network = network.to_string();
                format!(
                    "{origin} leads to an address that is {what}; add to policy: [plugin.{plugin:?}] networks = [{network:?}]"
                )
            }
        }
    }
}

fn any(rules: &[HostRule], target: &Target) -> bool {
    rules.iter().any(|rule| rule.permits(target))
}
