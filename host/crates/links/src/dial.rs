//! From a permitted target to a connection: resolved once, every address checked, TLS by the system's roots and the operator's.

mod race;
mod stream;
mod trust;

pub(crate) use stream::Stream;
pub(crate) use trust::Speaks;

use crate::counters::count;
use crate::door::{Links, LinksError};
use crate::grant::{Grant, Refusal, Resolve, SystemResolver, Target};
use crate::wire::LinkErrorKind;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, TryAcquireError};
use tokio::time::{Instant, timeout_at};
use trust::Trust;

/// Makes connections.
pub(crate) struct Dialer {
    resolver: Arc<dyn Resolve>,
    trust: Trust,
    unacknowledged: Duration,
}

/// A connection, and the place it takes among those that its tenant and plugin may have. The place is to be kept as long as it.
pub(crate) struct Dialed {
    pub(crate) stream: Stream,
    pub(crate) permit: OwnedSemaphorePermit,
}

/// Why there is no connection. What it prints is fit for the guest: no address, no policy, no name that it did not say itself.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DialError {
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error("all connections of this plugin are in use")]
    NoneFree,
    #[error("no connection: {}", .0.kind())]
    Connect(io::Error),
    #[error("{0}")]
    Tls(&'static str),
    #[error("the peer does not speak HTTP/2")]
    NotHttp2,
    #[error("no connection in time")]
    Timeout,
}

impl Dialer {
    /// What was sent must be acknowledged within `unacknowledged`, or the connection is lost.
    pub(crate) fn new(
        operator_cas: &[Vec<u8>],
        resolver: Option<Arc<dyn Resolve>>,
        unacknowledged: Duration,
    ) -> Result<Self, LinksError> {
        let resolver = resolver.unwrap_or_else(|| Arc::new(SystemResolver));
        Ok(Self { resolver, trust: Trust::new(operator_cas)?, unacknowledged })
    }

    fn tune(&self, tcp: &TcpStream) -> io::Result<()> {
        // Speech goes in small pieces that must not wait for each other's acknowledgement.
        tcp.set_nodelay(true)?;
        // A peer that vanished while we speak is found in seconds; the kernel's own patience is a quarter of an hour (RFC 5482).
        #[cfg(target_os = "linux")]
        socket2::SockRef::from(tcp).set_tcp_user_timeout(Some(self.unacknowledged))?;
        Ok(())
    }

    async fn connect(&self, grant: &Grant, target: &Target, speaks: Speaks) -> Result<Stream, DialError> {
        let addresses = grant.addresses(target, &*self.resolver).await?;
        let tcp = race::connect(addresses).await.map_err(DialError::Connect)?;
        self.tune(&tcp).map_err(DialError::Connect)?;
        if target.tls() { self.trust.handshake(tcp, target, speaks).await } else { Ok(Stream::Plain(tcp)) }
    }
}

/// Connects to a target that [`Grant::permit`] let pass, ready for what `speaks` says, until `by` at the latest. Where all
/// connections of the grant are taken, one that is kept unused makes room.
pub(crate) async fn dial(
    links: &Links,
    grant: &Grant,
    target: &Target,
    speaks: Speaks,
    by: Instant,
) -> Result<Dialed, DialError> {
    let connected = async {
        let permit = permit(links, grant).await?;
        let stream = links.dialer.connect(grant, target, speaks).await?;
        Ok(Dialed { stream, permit })
    };
    let dialed = timeout_at(by, connected).await.unwrap_or(Err(DialError::Timeout));
    match &dialed {
        Ok(_) => count(&links.counters.connected),
        Err(DialError::Refused(refusal)) => refusal.observe(links, grant),
        Err(_) => {}
    }
    dialed
}

async fn permit(links: &Links, grant: &Grant) -> Result<OwnedSemaphorePermit, DialError> {
    let connections = Arc::clone(&grant.connections);
    match Arc::clone(&connections).try_acquire_owned() {
        Ok(permit) => Ok(permit),
        // The connection given up returns its permit as soon as its task has ended.
        Err(TryAcquireError::NoPermits) if links.pool.give_up_one(grant) => {
            connections.acquire_owned().await.map_err(|_| DialError::NoneFree)
        }
        Err(_) => Err(DialError::NoneFree),
    }
}

impl DialError {
    /// What the guest is told it is.
    pub(crate) fn kind(&self) -> LinkErrorKind {
        match self {
            Self::Refused(refusal) => refusal.kind(),
            Self::NoneFree => LinkErrorKind::Limit,
            Self::Connect(_) => LinkErrorKind::Connect,
            Self::Tls(_) => LinkErrorKind::Tls,
            Self::NotHttp2 => LinkErrorKind::Protocol,
            Self::Timeout => LinkErrorKind::Timeout,
        }
    }
}
