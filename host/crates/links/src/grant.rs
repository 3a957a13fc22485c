//! What a plugin may reach for a tenant: the descriptor's wish, cut down by the operator's policy and the tenant's own choice.

mod address;
mod reach;
mod refusal;
mod rule;
mod target;

pub use reach::{Policy, Reach};
pub(crate) use refusal::Advised;
pub use refusal::Refusal;
pub use rule::{HostRule, RuleFault};
pub use target::{Scheme, Schemes, Target};

use crate::limits::ADDRESSES;
use crate::secrets::Secrets;
use futures_util::future::BoxFuture;
use reach::Lack;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use tokio::sync::Semaphore;

/// Looks a name up. Called for every connection anew; what it answers is checked, then dialled as it is: never asked twice.
pub trait Resolve: Send + Sync {
    /// The addresses of `host`, best first.
    fn resolve<'a>(&'a self, host: &'a str) -> BoxFuture<'a, io::Result<Vec<IpAddr>>>;
}

/// What one link may carry in its life; beyond it `failed(limit)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Bytes sent.
    pub bytes_out_max: u64,
    /// Bytes received.
    pub bytes_in_max: u64,
}

impl Default for Budget {
    /// 512 MiB each way: four hours of 16 kHz linear sound.
    fn default() -> Self {
        Self { bytes_out_max: 512 << 20, bytes_in_max: 512 << 20 }
    }
}

/// A permission to reach hosts with secrets. One per (tenant, plugin), shared by its sessions.
pub struct Grant {
    /// The tenant's id.
    pub tenant: Arc<str>,
    /// The plugin's name.
    pub plugin: Arc<str>,
    /// Where it may go.
    pub reach: Reach,
    /// Secrets by the names that the plugin uses.
    pub secrets: Secrets,
    /// Connections this tenant and plugin may have at a time.
    pub connections: Arc<Semaphore>,
    /// What one link may carry.
    pub budget: Budget,
}

impl Grant {
    /// Whether the name may be reached, by the plugin's wish, the operator's policy and the tenant.
    ///
    /// # Errors
    /// [`Refusal::EgressDenied`].
    pub fn permit(&self, target: &Target) -> Result<(), Refusal> {
        self.permitted(target, self.reach.lack(target))
    }

    /// Whether the host may go there on the plugin's behalf, to get a token: a matter of the operator's policy, not of the plugin's wish.
    pub(crate) fn permit_errand(&self, target: &Target) -> Result<(), Refusal> {
        self.permitted(target, self.reach.lack_of_errand(target))
    }

    /// Where to dial: resolved once, each address checked. Dial these and nothing else; the list is never empty.
    ///
    /// # Errors
    /// [`Refusal::Dns`], or [`Refusal::EgressDenied`] where no address may be reached.
    pub async fn addresses(&self, target: &Target, resolver: &dyn Resolve) -> Result<Vec<SocketAddr>, Refusal> {
        let addresses = match target.literal() {
            Some(address) => vec![address],
            None => resolver.resolve(&target.host().to_string()).await.map_err(|_| Refusal::Dns)?,
        };
        let mut lacking = None;
        let mut dialled = Vec::new();
        for address in addresses {
            match self.reach.lack_of_network(address) {
                None => dialled.push(SocketAddr::new(address, target.port())),
                Some(lack) => lacking = lacking.or(Some(lack)),
            }
        }
        if dialled.is_empty() {
            self.permitted(target, lacking)?;
            return Err(Refusal::Dns);
        }
        dialled.truncate(ADDRESSES);
        Ok(dialled)
    }

    fn permitted(&self, target: &Target, lack: Option<Lack>) -> Result<(), Refusal> {
        lack.map_or(Ok(()), |lack| {
            Err(Refusal::EgressDenied { origin: target.origin(), advice: lack.advice(&self.plugin, target) })
        })
    }
}

/// The system's way to look names up.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemResolver;

impl Resolve for SystemResolver {
    fn resolve<'a>(&'a self, host: &'a str) -> BoxFuture<'a, io::Result<Vec<IpAddr>>> {
        Box::pin(async move { Ok(tokio::net::lookup_host((host, 0)).await?.map(|address| address.ip()).collect()) })
    }
}

#[cfg(test)]
mod tests;
