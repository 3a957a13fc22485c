//! All media threads of a gateway.

use super::counters::{Counters, ShardStats};
use super::ports::Ports;
use super::shard::{LegConfig, RawHandle, RtpHandle, Shard, ShardError};
use super::standstill::Standstill;
use crate::application::ports::MediaLeg;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroUsize;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

/// Ports of a shard: RTP's, and RTCP's above it.
const PORTS: u16 = 2;

/// Where shards listen, and how many there are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShardConfig {
    /// Local address of the first one; the others have the ports above it, two each. Port 0 lets the system choose.
    pub bind: SocketAddr,
    /// Address that Asterisk is told to send to; the bound one where none is given. The port is always the bound one.
    pub advertise: Option<IpAddr>,
    /// Threads.
    pub shards: NonZeroUsize,
    /// A socket for each call instead of one for each shard.
    pub own_sockets: Option<OwnSockets>,
    /// Where other gateways may take its callers: after a second in which this process stood still nothing is sent for so long.
    pub fence: Option<Duration>,
}

/// Sockets of calls' own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OwnSockets {
    /// The ports that they may have; none for any.
    pub ports: Option<RangeInclusive<u16>>,
}

impl ShardConfig {
    /// One shard with one socket.
    pub fn new(bind: SocketAddr) -> Self {
        Self { bind, advertise: None, shards: NonZeroUsize::MIN, own_sockets: None, fence: None }
    }
}

/// See the module. Dropping it ends the threads and all legs.
pub struct Shards {
    /// *Invariant:* at least one.
    shards: Vec<Shard>,
}

impl Shards {
    /// Opens the sockets and starts the threads.
    ///
    /// # Errors
    /// Where an address is in use, or the system has no room for a thread.
    pub fn start(config: ShardConfig) -> Result<Self, ShardError> {
        let own = config.own_sockets.map(|own| Arc::new(Ports::new(config.bind.ip(), own.ports)));
        let bind = |nth: usize| {
            let above = u16::try_from(nth).unwrap_or(u16::MAX).saturating_mul(PORTS);
            let port = if config.bind.port() == 0 { 0 } else { config.bind.port().saturating_add(above) };
            SocketAddr::new(config.bind.ip(), port)
        };
        let start = |nth| Shard::start(bind(nth), config.advertise, own.clone(), Standstill::new(config.fence));
        Ok(Self { shards: (0..config.shards.get()).map(start).collect::<Result<_, _>>()? })
    }

    /// Opens a leg over RTP.
    ///
    /// # Errors
    /// Where the media core refuses the configuration, or no socket is to be had.
    pub fn open_rtp(&self, config: LegConfig) -> Result<(MediaLeg, RtpHandle), ShardError> {
        self.quietest().ok_or(ShardError::Busy)?.open_rtp(config)
    }

    /// Opens a leg whose frames are carried by somebody else, on the same clock.
    ///
    /// # Errors
    /// Where the media core refuses the configuration.
    pub fn open_raw(&self, config: LegConfig) -> Result<(MediaLeg, RawHandle), ShardError> {
        self.quietest().ok_or(ShardError::Busy)?.open_raw(config)
    }

    /// Where Asterisk is to send RTP, each shard's; a leg's own is told by its handle.
    pub fn advertised(&self) -> Vec<SocketAddr> {
        self.shards.iter().map(Shard::advertised).collect()
    }

    /// Legs that exist now: zero when no call is live, or something leaked.
    pub fn live_legs(&self) -> u64 {
        self.shards.iter().map(Shard::live_legs).sum()
    }

    /// Counts since the start.
    pub fn stats(&self) -> ShardStats {
        let counters: Vec<&Counters> = self.shards.iter().map(Shard::counters).collect();
        Counters::summary(&counters)
    }

    fn quietest(&self) -> Option<&Shard> {
        self.shards.iter().min_by_key(|shard| shard.live_legs())
    }
}
