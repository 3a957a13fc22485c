//! One thread, one clock, one UDP socket, many calls.
//!
//! The clock is an absolute 5 ms grid. Mouths are told the grid's time, not the time of waking, so that their 20 ms slots fall on the grid and
//! a late wake-up never shifts the packets after it. After a stall missed ticks are skipped, never made up for in a burst.

use super::lateness::{Histogram, Lateness};
use super::leg::{Leg, Stillness};
use super::priority;
use crate::application::ports::MediaLeg;
use bytes::{Bytes, BytesMut};
use std::collections::HashMap;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, mpsc as thread_mpsc};
use std::thread;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use vg_media::{Codec, Ear, EarConfig, Framing, Mouth, MouthConfig, RtpStart};

const TICK: Duration = Duration::from_millis(5);
/// Holds 200 ms of stall at 1000 calls.
const RECEIVE_BUFFER: usize = 4 << 20;
/// Longest packet that is looked at; 20 ms of any codec here is at most 640 bytes.
const PACKET_MAX: usize = 2048;
/// Packets taken from the socket in one tick, so that a flood cannot hold up the Mouths.
const PACKETS_PER_TICK: usize = 4096;
/// Packets of a call that ended keep coming for a moment; they are not strangers.
const REST: Duration = Duration::from_secs(2);
/// Orders to a shard that it has not taken yet; it takes all of them every tick. When full: the act fails with [`ShardError::Busy`].
const ORDERS_MAX: usize = 1024;
/// Events of a leg that its owner has not taken yet, some seconds of sound. When full: sound is dropped and counted, edges are kept.
const EVENTS_MAX: usize = 64;
/// Orders to a Mouth that the shard has not taken yet. When full: the owner waits.
const COMMANDS_MAX: usize = 64;
/// Frames of a raw leg in one direction, one second. When full: frames are dropped and counted.
const RAW_MAX: usize = 50;

/// Where a shard listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShardConfig {
    /// Local address; port 0 lets the system choose.
    pub bind: SocketAddr,
    /// Address that Asterisk is told to send to; the bound one where none is given. The port is always the bound one.
    pub advertise: Option<IpAddr>,
}

/// One call's sound.
#[derive(Clone, Copy, Debug)]
pub struct LegConfig {
    /// Codec on the wire, both ways.
    pub codec: Codec,
    /// Rate of the sound that is handed on: 8000 or 16000.
    pub rate_hz: u32,
    /// Where packets come from and go to, if it is known already. RTP only.
    pub remote: Option<SocketAddr>,
    /// [`LegEvent::Lost`](crate::application::ports::LegEvent::Lost) is told when packets had flowed and then stood still for so long. RTP only.
    pub still: Option<Duration>,
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

/// What a shard has seen since it started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ShardStats {
    /// Legs that exist now.
    pub legs_live: u64,
    /// Ticks that were skipped because the thread was not run in time.
    pub ticks_missed: u64,
    /// Datagrams that belonged to a leg.
    pub packets_in: u64,
    /// Datagrams from an address that no leg announced.
    pub packets_unknown: u64,
    /// Datagrams of legs that had just ended.
    pub packets_rested: u64,
    /// Datagrams of legs that were no RTP, or of another payload type.
    pub packets_garbage: u64,
    /// Packets that came after their sound was due.
    pub packets_late: u64,
    /// Packets and raw frames sent.
    pub packets_out: u64,
    /// Packets and raw frames that could not be sent: no address yet, socket or queue full.
    pub packets_unsent: u64,
    /// Caller sound dropped because the leg's owner was too slow, in milliseconds.
    pub audio_dropped_ms: u64,
    /// How late packets left.
    pub lateness: Lateness,
}

/// A media thread. Dropping it ends the thread and all its legs.
pub struct Shard {
    orders: thread_mpsc::SyncSender<Order>,
    counters: Arc<Counters>,
    advertised: SocketAddr,
    thread: Option<thread::JoinHandle<()>>,
}

impl Shard {
    /// Opens the socket and starts the thread.
    pub fn start(config: ShardConfig) -> Result<Self, ShardError> {
        let at = |source| ShardError::Socket { bind: config.bind, source };
        let socket = open_socket(config.bind).map_err(at)?;
        let local = socket.local_addr().map_err(at)?;
        let (orders, taken) = thread_mpsc::sync_channel(ORDERS_MAX);
        let counters = Arc::new(Counters::default());
        let worker = Worker {
            socket,
            orders: taken,
            legs: HashMap::new(),
            routes: HashMap::new(),
            resting: Vec::new(),
            counters: Arc::clone(&counters),
        };
        let thread = thread::Builder::new().name("vg-media".into()).spawn(|| {
            priority::raise();
            worker.run();
        });
        let thread = thread.map_err(ShardError::Thread)?;
        let advertised = SocketAddr::new(config.advertise.unwrap_or(local.ip()), local.port());
        Ok(Self { orders, counters, advertised, thread: Some(thread) })
    }

    /// Opens a leg over this shard's socket.
    pub fn open_rtp(&self, config: LegConfig) -> Result<(MediaLeg, RtpHandle), ShardError> {
        let flow = Arc::new(Flow::new());
        let wire = Wire::Rtp { remote: config.remote, stillness: Stillness::new(config.still), flow: Arc::clone(&flow) };
        let (key, media) = self.open(config, Framing::Rtp, wire)?;
        let handle = RtpHandle { key, orders: self.orders.clone(), advertised: self.advertised, flow };
        Ok((media, handle))
    }

    /// Opens a leg whose frames are carried by somebody else, on the same clock.
    pub fn open_raw(&self, config: LegConfig) -> Result<(MediaLeg, RawHandle), ShardError> {
        let (inbound, from_peer) = mpsc::channel(RAW_MAX);
        let (to_peer, outbound) = mpsc::channel(RAW_MAX);
        let wire = Wire::Raw { from_peer, to_peer, pool: BytesMut::new() };
        let (_, media) = self.open(config, Framing::Raw, wire)?;
        Ok((media, RawHandle { inbound, outbound }))
    }

    /// Where Asterisk is to send RTP.
    pub fn advertised(&self) -> SocketAddr {
        self.advertised
    }

    /// Legs that exist now: zero when no call is live, or something leaked.
    pub fn live_legs(&self) -> u64 {
        self.counters.legs_live.load(Relaxed)
    }

    /// Counts since the start.
    pub fn stats(&self) -> ShardStats {
        let counters = &*self.counters;
        ShardStats {
            legs_live: counters.legs_live.load(Relaxed),
            ticks_missed: counters.ticks_missed.load(Relaxed),
            packets_in: counters.packets_in.load(Relaxed),
            packets_unknown: counters.packets_unknown.load(Relaxed),
            packets_rested: counters.packets_rested.load(Relaxed),
            packets_garbage: counters.packets_garbage.load(Relaxed),
            packets_late: counters.packets_late.load(Relaxed),
            packets_out: counters.packets_out.load(Relaxed),
            packets_unsent: counters.packets_unsent.load(Relaxed),
            audio_dropped_ms: counters.audio_dropped_ms.load(Relaxed),
            lateness: counters.lateness.summary(),
        }
    }

    fn open(&self, config: LegConfig, framing: Framing, wire: Wire) -> Result<(LegKey, MediaLeg), ShardError> {
        let now = Instant::now();
        let random = getrandom::u64().map_err(|_| ShardError::Random)?;
        let ear = Ear::new(now, EarConfig { rate_hz: config.rate_hz, ..EarConfig::new(config.codec, framing) })?;
        let start = RtpStart { ssrc: random as u32, sequence: (random >> 32) as u16, timestamp: (random >> 16) as u32 };
        let mouth = Mouth::new(now, MouthConfig::new(config.codec, framing), start)?;
        let (to_mouth, commands) = mpsc::channel(COMMANDS_MAX);
        let (to_owner, events) = mpsc::channel(EVENTS_MAX);
        let leg = Leg::new(ear, mouth, config.rate_hz, commands, to_owner);
        let key = LegKey(self.counters.legs_opened.fetch_add(1, Relaxed));
        self.counters.legs_live.fetch_add(1, Relaxed);
        let slot = Box::new(Slot { leg, wire, _live: Live(Arc::clone(&self.counters)) });
        self.orders.try_send(Order::Open(key, slot)).map_err(|_| ShardError::Busy)?;
        Ok((key, MediaLeg { mouth: to_mouth, events, rate_hz: config.rate_hz }))
    }
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

    /// Time since the last packet; none when there was never one.
    pub fn silent_for(&self, now: Instant) -> Option<Duration> {
        let last = Duration::from_millis(self.last_ms.load(Relaxed).checked_sub(1)?);
        Some(now.saturating_duration_since(self.opened).saturating_sub(last))
    }

    fn packet(&self, now: Instant) {
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

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct LegKey(u64);

enum Order {
    Open(LegKey, Box<Slot>),
    Remote(LegKey, SocketAddr),
    Stop,
}

struct Slot {
    leg: Leg,
    wire: Wire,
    _live: Live,
}

/// Counts a leg as long as it exists, wherever it is dropped.
struct Live(Arc<Counters>);

impl Drop for Live {
    fn drop(&mut self) {
        self.0.legs_live.fetch_sub(1, Relaxed);
    }
}

enum Wire {
    Rtp { remote: Option<SocketAddr>, stillness: Stillness, flow: Arc<Flow> },
    Raw { from_peer: mpsc::Receiver<Bytes>, to_peer: mpsc::Sender<RawOut>, pool: BytesMut },
}

impl Wire {
    fn send(&mut self, socket: &UdpSocket, packet: &[u8]) -> bool {
        match self {
            Self::Rtp { remote: Some(remote), .. } => socket.send_to(packet, *remote).is_ok(),
            Self::Rtp { remote: None, .. } => false,
            Self::Raw { to_peer, pool, .. } => {
                // The pool's memory is used again when the peer has sent the frame.
                pool.extend_from_slice(packet);
                to_peer.try_send(RawOut::Frame(pool.split().freeze())).is_ok()
            }
        }
    }
}

#[derive(Default)]
struct Counters {
    legs_opened: AtomicU64,
    legs_live: AtomicU64,
    ticks_missed: AtomicU64,
    packets_in: AtomicU64,
    packets_unknown: AtomicU64,
    packets_rested: AtomicU64,
    packets_garbage: AtomicU64,
    packets_late: AtomicU64,
    packets_out: AtomicU64,
    packets_unsent: AtomicU64,
    audio_dropped_ms: AtomicU64,
    lateness: Histogram,
}

struct Worker {
    socket: UdpSocket,
    orders: thread_mpsc::Receiver<Order>,
    legs: HashMap<LegKey, Box<Slot>>,
    routes: HashMap<SocketAddr, LegKey>,
    resting: Vec<(SocketAddr, Instant)>,
    counters: Arc<Counters>,
}

impl Worker {
    fn run(mut self) {
        let mut tick = Instant::now();
        let mut packet = [0; PACKET_MAX];
        loop {
            tick += TICK;
            if self.obey_until(tick).is_break() {
                return;
            }
            let missed = Instant::now().saturating_duration_since(tick).as_millis() / TICK.as_millis();
            let missed = u32::try_from(missed).unwrap_or(u32::MAX);
            tick += TICK * missed;
            self.counters.ticks_missed.fetch_add(u64::from(missed), Relaxed);
            self.receive(&mut packet);
            self.turn_legs(tick, &mut packet);
            self.resting.retain(|(_, until)| *until > tick);
        }
    }

    /// Waiting for orders is how the thread waits for its next tick.
    fn obey_until(&mut self, tick: Instant) -> ControlFlow<()> {
        loop {
            let left = tick.saturating_duration_since(Instant::now());
            let order = match self.orders.recv_timeout(left) {
                Ok(order) => order,
                Err(thread_mpsc::RecvTimeoutError::Timeout) => return ControlFlow::Continue(()),
                Err(thread_mpsc::RecvTimeoutError::Disconnected) => return ControlFlow::Break(()),
            };
            match order {
                Order::Open(key, slot) => {
                    if let Wire::Rtp { remote: Some(remote), .. } = slot.wire {
                        self.routes.insert(remote, key);
                    }
                    self.legs.insert(key, slot);
                }
                Order::Remote(key, remote) => self.set_remote(key, remote),
                Order::Stop => return ControlFlow::Break(()),
            }
        }
    }

    fn set_remote(&mut self, key: LegKey, announced: SocketAddr) {
        let Some(slot) = self.legs.get_mut(&key) else { return };
        let Wire::Rtp { remote, .. } = &mut slot.wire else { return };
        if let Some(former) = remote.replace(announced) {
            self.routes.remove(&former);
        }
        self.routes.insert(announced, key);
    }

    fn receive(&mut self, packet: &mut [u8]) {
        for _ in 0..PACKETS_PER_TICK {
            let (length, source) = match self.socket.recv_from(packet) {
                Ok(received) => received,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(_) => return,
            };
            let now = Instant::now();
            let Some(slot) = self.routes.get(&source).and_then(|key| self.legs.get_mut(key)) else {
                let rests = self.resting.iter().any(|(address, _)| *address == source);
                let counter = if rests { &self.counters.packets_rested } else { &self.counters.packets_unknown };
                counter.fetch_add(1, Relaxed);
                continue;
            };
            self.counters.packets_in.fetch_add(1, Relaxed);
            slot.leg.hear(now, &packet[..length]);
            if let Wire::Rtp { stillness, flow, .. } = &mut slot.wire {
                stillness.packet(now);
                flow.packet(now);
            }
        }
    }

    fn turn_legs(&mut self, tick: Instant, packet: &mut [u8]) {
        let Self { socket, legs, routes, resting, counters, .. } = self;
        legs.retain(|key, slot| {
            if slot.leg.is_over() {
                if let Wire::Rtp { remote: Some(remote), .. } = slot.wire {
                    // Another leg may have announced the address since.
                    if routes.get(&remote) == Some(key) {
                        routes.remove(&remote);
                        resting.push((remote, tick + REST));
                    }
                }
                return false;
            }
            slot.turn(tick, socket, counters, packet);
            true
        });
    }
}

impl Slot {
    fn turn(&mut self, tick: Instant, socket: &UdpSocket, counters: &Counters, packet: &mut [u8]) {
        let now = Instant::now();
        if let Wire::Raw { from_peer, .. } = &mut self.wire {
            while let Ok(frame) = from_peer.try_recv() {
                counters.packets_in.fetch_add(1, Relaxed);
                self.leg.hear(now, &frame);
            }
        }
        let hushed = self.leg.turn(now, tick);
        if let (true, Wire::Raw { to_peer, .. }) = (hushed, &self.wire) {
            // A full queue is forgotten by the peer in a second at most; there is nothing better to do with a peer that does not read.
            let _ = to_peer.try_send(RawOut::Flush);
        }
        while let Some((length, due)) = self.leg.transmit(tick, packet) {
            let sent = self.wire.send(socket, &packet[..length]);
            let counter = if sent { &counters.packets_out } else { &counters.packets_unsent };
            counter.fetch_add(1, Relaxed);
            counters.lateness.record(Instant::now().saturating_duration_since(due));
        }
        self.leg.report();
        if let Wire::Rtp { stillness, .. } = &mut self.wire
            && stillness.begins(now)
        {
            self.leg.report_lost();
        }
        let counts = self.leg.take_counts();
        counters.packets_garbage.fetch_add(counts.garbage, Relaxed);
        counters.packets_late.fetch_add(counts.late, Relaxed);
        counters.audio_dropped_ms.fetch_add(counts.audio_dropped_ms, Relaxed);
    }
}

fn open_socket(bind: SocketAddr) -> io::Result<UdpSocket> {
    let socket = socket2::Socket::new(socket2::Domain::for_address(bind), socket2::Type::DGRAM, Some(socket2::Protocol::UDP))?;
    // The system caps this at its own limit without an error; `doctor` tells.
    socket.set_recv_buffer_size(RECEIVE_BUFFER)?;
    socket.set_nonblocking(true)?;
    socket.bind(&bind.into())?;
    Ok(socket.into())
}

#[cfg(test)]
mod tests;
