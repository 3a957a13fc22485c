//! Proof that a media thread does not allocate per packet, only per 100 ms of sound that it hands over; and nothing for its recordings and watches.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};
use vg_domain::ids::UtteranceId;
use vg_media::{Codec, Silence};
use voice_gateway::adapters::rtp::{LegConfig, RtpHandle, ShardConfig, Shards};
use voice_gateway::application::ports::{LegEvent, MediaLeg, MouthCommand};
use voice_gateway::application::recording::{self, Recording, RecordingSource, Sound};

struct Counting;

/// Of threads that are not the test's own.
static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

thread_local! {
    static OWN: Cell<bool> = const { Cell::new(false) };
}

fn count() {
    // A thread that ends has no locals any more.
    if !OWN.try_with(Cell::get).unwrap_or(true) {
        ALLOCATIONS.fetch_add(1, Relaxed);
    }
}

// SAFETY: hands every call on to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: the caller keeps the contract of `realloc`, and `alloc` was the system's.
        unsafe { System.realloc(pointer, layout, size) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the contract of `dealloc`, and `alloc` was the system's.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const LEGS: u32 = 50;
/// Frames of 20 ms before anything is counted, and while it is.
const WARM_UP: u32 = 150;
const COUNTED: u32 = 200;
const FRAME: Duration = Duration::from_millis(20);

struct Call {
    media: MediaLeg,
    _wire: RtpHandle,
    far: UdpSocket,
    record: RecordingSource,
    chunks: u64,
    blocks: u64,
}

impl Call {
    fn open(shards: &Shards) -> Self {
        let far = UdpSocket::bind("127.0.0.1:0").expect("a free port");
        far.set_nonblocking(true).expect("a socket's mode can be set");
        let remote = far.local_addr().ok();
        let leg = LegConfig { codec: Codec::Pcmu, rate_hz: 16_000, remote, events: None, still: None, silence: Silence::Comfort };
        let (media, wire) = shards.open_rtp(leg).expect("a leg opens");
        let (Recording { tap, .. }, record) = recording::ends();
        let orders = [
            MouthCommand::Record(Box::new(tap)),
            MouthCommand::Watch { path_within: Duration::from_secs(1), dead_air: Duration::from_millis(500) },
        ];
        orders.into_iter().for_each(|order| assert!(media.mouth.try_send(order).is_ok(), "the leg takes its orders"));
        Self { media, _wire: wire, far, record, chunks: 0, blocks: 0 }
    }

    /// 20 ms of a call: a packet comes, what leaves and what was heard is taken, and every 100 ms there is more to say.
    fn turn(&mut self, frame: u32, gateway: SocketAddr) {
        self.far.send_to(&rtp(frame), gateway).expect("loopback takes packets");
        while self.far.recv(&mut [0; 500]).is_ok() {}
        while let Ok(event) = self.media.events.try_recv() {
            self.chunks += u64::from(matches!(event, LegEvent::Audio(_)));
        }
        while let Sound::Block(block) = self.record.next() {
            self.blocks += 1;
            self.record.give_back(block);
        }
        if frame.is_multiple_of(5) {
            let order = MouthCommand::Say { utterance: UtteranceId(1), rate_hz: 16_000, pcm: vec![5_000; 1_600] };
            assert!(self.media.mouth.try_send(order).is_ok(), "the Mouth takes its orders");
        }
    }
}

fn rtp(frame: u32) -> [u8; 172] {
    let mut packet = [0x80; 172];
    packet[1] = 0;
    packet[2..4].copy_from_slice(&(frame as u16).to_be_bytes());
    packet[4..8].copy_from_slice(&(frame * 160).to_be_bytes());
    // A voice that comes and goes: edges are told too.
    if (frame / 40).is_multiple_of(2) {
        packet[12..].fill(0xFF);
    }
    packet
}

#[test]
fn media_thread_allocates_for_what_it_hands_over_and_nothing_per_packet() {
    OWN.set(true);
    let bind = SocketAddr::from(([127, 0, 0, 1], 0));
    let shards = Shards::start(ShardConfig::new(bind)).expect("a shard starts");
    let mut calls: Vec<Call> = (0..LEGS).map(|_| Call::open(&shards)).collect();
    let pace = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    let begin = Instant::now();
    let mut before = None;
    for frame in 0..WARM_UP + COUNTED {
        if frame == WARM_UP {
            let chunks: u64 = calls.iter().map(|call| call.chunks).sum();
            before = Some((ALLOCATIONS.load(Relaxed), chunks, shards.stats()));
        }
        calls.iter_mut().for_each(|call| call.turn(frame, shards.advertised()[0]));
        // Nobody sends here: the time passes.
        let left = (begin + FRAME * (frame + 1)).saturating_duration_since(Instant::now()).max(Duration::from_micros(1));
        pace.set_read_timeout(Some(left)).expect("a time that is not zero");
        assert!(pace.recv(&mut [0]).is_err());
    }
    let (allocations, chunks, stats) = before.expect("the warm-up ended");
    let allocations = ALLOCATIONS.load(Relaxed) - allocations;
    let chunks = calls.iter().map(|call| call.chunks).sum::<u64>() - chunks;
    let now = shards.stats();
    let packets = now.packets_in + now.packets_out - stats.packets_in - stats.packets_out;
    assert!(packets > u64::from(2 * LEGS * COUNTED) * 9 / 10, "{packets} packets, {now:?}");
    let blocks: u64 = calls.iter().map(|call| call.blocks).sum();
    assert!(blocks >= u64::from(LEGS * 5), "{blocks} blocks are recorded");
    assert!(chunks > u64::from(LEGS * COUNTED) / 6, "{chunks} chunks");
    // A buffer each, and now and then a block of the channel.
    assert!(allocations <= chunks + chunks / 8, "{allocations} allocations for {chunks} chunks");
}
