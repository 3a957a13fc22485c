//! One thread, one clock, one UDP socket, many calls: what the rest of the house holds of it.

use super::counters::Counters;
use super::leg::{Leg, Stillness};
use super::legs::LegKey;
use super::ports::Ports;
use super::priority;
use super::socket::Socket;
use super::standstill::Standstill;
use super::worker::Worker;
use crate::application::ports::{MediaLeg, MouthFloor};
use bytes::{Bytes, BytesMut};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, mpsc as thread_mpsc};
use std::thread;
use std::time::{Duration, Instant, SystemTime};
use tokio::sync::{mpsc, watch};
use vg_media::rtcp::{Cname, Ntp, Reporter, ReporterConfig};
use vg_media::{Codec, Ear, EarConfig, Framing, Mouth, MouthConfig, RtpStart, Silence};

/// Orders to a shard that it has not taken yet; it takes all of them every tick. When full: the act fails with [`ShardError::Busy`].
const ORDERS_MAX: usize = 1024;
/// Events of a leg that its owner has not taken yet, some seconds of sound. When full: sound is dropped and counted, edges are kept.
pub(super) const EVENTS_MAX: usize = 64;
/// Orders to a Mouth that the shard has not taken yet. When full: the owner waits.
const COMMANDS_MAX: usize = 64;
/// Frames of a raw leg in one direction, one second. When full: frames are dropped and counted.
const RAW_MAX: usize = 50;

/// One call's sound.
#[derive(Clone, Copy, Debug)]
pub struct LegConfig {
    /// Codec on the wire, both ways.
    pub codec: Codec,
    /// Rate of the sound that is handed on: 8000 or 16000.
    pub rate_hz: u32,
    /// Where packets come from and go to, if it is known already. RTP only.
    pub remote: Option<SocketAddr>,
    /// Payload type of telephone events, where the far side sends keys that way. RTP only.
    pub events: Option<u8>,
    /// [`LegEvent::Inactive`](crate::application::ports::LegEvent::Inactive) is told when packets had flowed and then stood still for so long. RTP only.
    pub still: Option<Duration>,
    /// What is sent while there is nothing to say.
    pub silence: Silence,
}

/// Why a shard could not do something.
#[derive(Debug, thiserror::Error)]
pub enum ShardError {
    /// The socket could not be opened.
    #[error("open media socket {bind}")]
    Socket {
        /// Where.
        bind: SocketAddr,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The thread could not be started.
    #[error("start media thread")]
    Thread(#[source] io::Error),
    /// The system gave no random numbers.
    #[error("draw random numbers")]
    Random,
    /// The media core refused the configuration of a leg.
    #[error("configure leg")]
    Leg(#[from] vg_media::MediaError),
    /// The shard is behind with its orders, or has ended.
    #[error("reach media thread")]
    Busy,
}

impl ShardError {
    /// Bounded label.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Socket { .. } => "media_socket",
            Self::Thread(_) => "media_thread",
            Self::Random => "random",
            Self::Leg(_) => "leg_config",
            Self::Busy => "media_busy",
        }
    }
}

/// A media thread. Dropping it ends the thread and all its legs.
pub(super) struct Shard {
    orders: thread_mpsc::SyncSender<Order>,
    counters: Arc<Counters>,
    advertised: SocketAddr,
    /// Each call has a socket of its own.
    own: Option<Arc<Ports>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Shard {
    /// Opens the socket and starts the thread. `own`: each call is to have a socket of its own, of these.
    pub(super) fn start(
        bind: SocketAddr,
        advertise: Option<IpAddr>,
        own: Option<Arc<Ports>>,
        standstill: Standstill,
    ) -> Result<Self, ShardError> {
        let at = |source| ShardError::Socket { bind, source };
        let socket = Socket::open(bind).map_err(at)?;
        let local = socket.local_addr().map_err(at)?;
        let (orders, taken) = thread_mpsc::sync_channel(ORDERS_MAX);
        let counters = Arc::new(Counters::default());
        // Reports are worth having and no reason not to serve.
        let beside = local.port().checked_add(1).map(|port| SocketAddr::new(local.ip(), port));
        let reports = beside.and_then(|beside| Socket::open(beside).ok());
        let counted = Arc::clone(&counters);
        let thread = thread::Builder::new().name("vg-media".into()).spawn(move || {
            priority::raise();
            Worker::new(socket, reports, taken, counted, standstill).run();
        });
        let thread = thread.map_err(ShardError::Thread)?;
        let advertised = SocketAddr::new(advertise.unwrap_or(local.ip()), local.port());
        Ok(Self { orders, counters, advertised, own, thread: Some(thread) })
    }

    /// Opens a leg over this shard's socket, or one of its own.
    pub(super) fn open_rtp(&self, config: LegConfig) -> Result<(MediaLeg, RtpHandle), ShardError> {
        let flow = Arc::new(Flow::new());
        let (own, advertised) = match &self.own {
            Some(ports) => {
                let at = |source| ShardError::Socket { bind: self.advertised, source };
                let socket = ports.open().map_err(at)?;
                let port = socket.local_addr().map_err(at)?.port();
                (Some(socket), SocketAddr::new(self.advertised.ip(), port))
            }
            None => (None, self.advertised),
        };
        let stillness = Stillness::new(config.still);
        let wire = Wire::Rtp(Rtp { own, remote: config.remote, stillness, flow: Arc::clone(&flow) });
        let (key, media) = self.open(config, Framing::Rtp, wire)?;
        let handle = RtpHandle { key, orders: self.orders.clone(), advertised, flow };
        Ok((media, handle))
    }

    /// Opens a leg whose frames are carried by somebody else, on the same clock.
    pub(super) fn open_raw(&self, config: LegConfig) -> Result<(MediaLeg, RawHandle), ShardError> {
        let (inbound, from_peer) = mpsc::channel(RAW_MAX);
        let (to_peer, outbound) = mpsc::channel(RAW_MAX);
        let wire = Wire::Raw { from_peer, to_peer, pool: BytesMut::new() };
        let (_, media) = self.open(config, Framing::Raw, wire)?;
        Ok((media, RawHandle { inbound, outbound }))
    }

    /// Where Asterisk is to send RTP.
    pub(super) fn advertised(&self) -> SocketAddr {
        self.advertised
    }

    /// Legs that exist now: zero when no call is live, or something leaked.
    pub(super) fn live_legs(&self) -> u64 {
        self.counters.legs_live.load(Relaxed)
    }

    /// What it has counted.
    pub(super) fn counters(&self) -> &Counters {
        &self.counters
    }

    fn open(&self, config: LegConfig, framing: Framing, wire: Wire) -> Result<(LegKey, MediaLeg), ShardError> {
        let now = Instant::now();
        let random = getrandom::u64().map_err(|_| ShardError::Random)?;
        let events = config.codec.payload_type().and(config.events);
        let ear = Ear::new(now, EarConfig { rate_hz: config.rate_hz, events, ..EarConfig::new(config.codec, framing) })?;
        let start = RtpStart { ssrc: random as u32, sequence: (random >> 32) as u16, timestamp: (random >> 16) as u32 };
        let mouth = Mouth::new(now, MouthConfig { silence: config.silence, ..MouthConfig::new(config.codec, framing) }, start)?;
        let (to_mouth, commands) = mpsc::channel(COMMANDS_MAX);
        let (floor, told) = watch::channel(MouthFloor::default());
        let (to_owner, events) = mpsc::channel(EVENTS_MAX);
        let reporter = (framing == Framing::Rtp).then(|| reporter(now, start.ssrc, config.codec, random)).transpose()?;
        let leg = Leg::new(ear, mouth, reporter, config, (commands, told), to_owner);
        let key = LegKey(self.counters.legs_opened.fetch_add(1, Relaxed));
        self.counters.legs_live.fetch_add(1, Relaxed);
        let slot = Box::new(Slot { leg, wire, _live: Live(Arc::clone(&self.counters)) });
        self.orders.try_send(Order::Open(key, slot)).map_err(|_| ShardError::Busy)?;
        Ok((key, MediaLeg { mouth: to_mouth, floor, events, rate_hz: config.rate_hz }))
    }
}

fn reporter(now: Instant, ssrc: u32, codec: Codec, seed: u64) -> Result<Reporter, ShardError> {
    let mut name = [0; 12];
    getrandom::fill(&mut name).map_err(|_| ShardError::Random)?;
    let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let config = ReporterConfig { ssrc, rate_hz: codec.clock_hz(), cname: Cname::random(name), seed };
    Ok(Reporter::new(now, Ntp::from_unix(since_1970), config))
}

impl Drop for Shard {
    fn drop(&mut self) {
        // The thread takes its orders every tick: a full queue has room again at once.
        let _ = self.orders.send(Order::Stop);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// The owner's grip on an RTP leg's wire.
pub struct RtpHandle {
    key: LegKey,
    orders: thread_mpsc::SyncSender<Order>,
    advertised: SocketAddr,
    flow: Arc<Flow>,
}

impl RtpHandle {
    /// Where packets come from and go to from now on. Others' packets are never taken for this leg's.
    pub fn set_remote(&self, remote: SocketAddr) -> Result<(), ShardError> {
        self.orders.try_send(Order::Remote(self.key, remote)).map_err(|_| ShardError::Busy)
    }

    /// Address that Asterisk is to be told.
    pub fn local_addr(&self) -> SocketAddr {
        self.advertised
    }

    /// What tells whether packets flow; may outlive the leg.
    pub fn flow(&self) -> Arc<Flow> {
        Arc::clone(&self.flow)
    }
}

/// When a leg's last packet came.
#[derive(Debug)]
pub struct Flow {
    opened: Instant,
    /// Milliseconds since `opened`, plus one; 0 before the first packet.
    last_ms: AtomicU64,
}

impl Flow {
    fn new() -> Self {
        Self { opened: Instant::now(), last_ms: AtomicU64::new(0) }
    }

    /// Whether a packet has come.
    pub(super) fn began(&self) -> bool {
        self.last_ms.load(Relaxed) > 0
    }

    /// Time since the last packet; none when there was never one.
    pub fn silent_for(&self, now: Instant) -> Option<Duration> {
        let last = Duration::from_millis(self.last_ms.load(Relaxed).checked_sub(1)?);
        Some(now.saturating_duration_since(self.opened).saturating_sub(last))
    }

    pub(super) fn packet(&self, now: Instant) {
        let ms = now.saturating_duration_since(self.opened).as_millis();
        self.last_ms.store(u64::try_from(ms).unwrap_or(u64::MAX - 1) + 1, Relaxed);
    }
}

/// The far side of a raw leg. Dropping `inbound` leaves the leg in silence; it ends with its [`MediaLeg`].
pub struct RawHandle {
    /// Bytes of the codec in order, any length.
    pub inbound: mpsc::Sender<Bytes>,
    /// What is to be sent.
    pub outbound: mpsc::Receiver<RawOut>,
}

/// What a raw leg sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RawOut {
    /// 20 ms in the leg's codec.
    Frame(Bytes),
    /// The Mouth was hushed: forget what is queued on the way.
    Flush,
}

/// What a shard's thread is told.
pub(super) enum Order {
    Open(LegKey, Box<Slot>),
    Remote(LegKey, SocketAddr),
    Stop,
}

/// A leg and its wire.
pub(super) struct Slot {
    pub(super) leg: Leg,
    pub(super) wire: Wire,
    _live: Live,
}

/// Counts a leg as long as it exists, wherever it is dropped.
struct Live(Arc<Counters>);

impl Drop for Live {
    fn drop(&mut self) {
        self.0.legs_live.fetch_sub(1, Relaxed);
    }
}

/// How a leg's sound travels.
pub(super) enum Wire {
    Rtp(Rtp),
    Raw { from_peer: mpsc::Receiver<Bytes>, to_peer: mpsc::Sender<RawOut>, pool: BytesMut },
}

/// RTP, over the shard's socket or one of its own.
pub(super) struct Rtp {
    pub(super) own: Option<Socket>,
    pub(super) remote: Option<SocketAddr>,
    pub(super) stillness: Stillness,
    pub(super) flow: Arc<Flow>,
}

impl Wire {
    /// The address by which its packets are known at the shard's socket.
    pub(super) fn shared_remote(&self) -> Option<SocketAddr> {
        match self {
            Self::Rtp(Rtp { own: None, remote, .. }) => *remote,
            _ => None,
        }
    }

    /// Gives back the former one, where the shard's socket knew it.
    pub(super) fn set_remote(&mut self, announced: SocketAddr) -> Option<SocketAddr> {
        let Self::Rtp(rtp) = self else { return None };
        let former = rtp.remote.replace(announced);
        former.filter(|_| rtp.own.is_none())
    }
}
