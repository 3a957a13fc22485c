//! Callers who speak and pause, each from a socket of its own, on one thread with the same grid as the gateway's.

use super::marks::Way;
use anyhow::{Context, Result};
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};
use vg_media::rtp;

const TICK: Duration = Duration::from_millis(5);
const SLOTS: usize = 4;
const FRAME: usize = 160;
/// Mu-law bytes below it, their sign aside, are louder than 2000 of 32767: a voice. Large bytes are quiet.
const LOUD: u8 = 0x40;

/// What callers saw, since they began.
#[derive(Debug, Default)]
pub struct Seen {
    /// Packets sent.
    pub sent: AtomicU64,
    /// Packets that came.
    pub received: AtomicU64,
    /// Ticks that the generator itself was late by more than one: its figures are not to be trusted then.
    pub stalls: AtomicU64,
    /// The longest of them, in milliseconds.
    pub longest_stall_ms: AtomicU64,
}

/// What one caller said and heard, in milliseconds since the callers began.
#[derive(Debug, Default)]
pub struct Diary {
    /// When its sentences ended.
    pub said: Vec<u32>,
    /// Packets that came: when they were looked at, and whether there was a sound in them.
    pub heard: Vec<(u32, bool)>,
}

/// The callers' thread.
pub struct Callers {
    /// Where their sound comes from, in their order.
    pub addresses: Vec<SocketAddr>,
    /// What they saw.
    pub seen: Arc<Seen>,
    /// From their mouths to the vendor's ear, where the gateway hands G.711 on as it is.
    pub to_vendor: Arc<Way>,
    /// From the vendor's mouth to their ears.
    pub to_caller: Arc<Way>,
    /// When they began.
    pub begun: Instant,
    begin: mpsc::SyncSender<(usize, Option<SocketAddr>)>,
    stop: Arc<AtomicBool>,
    thread: Option<thread::JoinHandle<Vec<Diary>>>,
}

struct Caller {
    socket: UdpSocket,
    speaks: bool,
    sequence: u16,
    timestamp: u32,
    at: usize,
    diary: Diary,
}

/// What all callers share.
struct World {
    script: Vec<u8>,
    /// Where in it the sentence ends, in whole frames; none where nobody keeps a diary.
    sentence: Option<usize>,
    begun: Instant,
    seen: Arc<Seen>,
    stop: Arc<AtomicBool>,
    to_vendor: Arc<Way>,
    to_caller: Arc<Way>,
}

impl Callers {
    /// Sockets for so many; each says `script`, mu-law at 8 kHz, again and again from a place of its own.
    ///
    /// # Errors
    /// Where the system has no more sockets.
    pub fn start(count: usize, script: Vec<u8>) -> Result<Self> {
        Self::run(count, script, None)
    }

    /// The same, and each keeps a [`Diary`]; the sentence is the script's first `sentence_ms`.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn with_diaries(count: usize, script: Vec<u8>, sentence_ms: usize) -> Result<Self> {
        Self::run(count, script, Some(sentence_ms * 8 / FRAME * FRAME))
    }

    fn run(count: usize, script: Vec<u8>, sentence: Option<usize>) -> Result<Self> {
        let caller = |n: usize| {
            let socket =
                UdpSocket::bind("127.0.0.1:0").context("open a caller's socket: is the limit of open files high enough?")?;
            socket.set_nonblocking(true)?;
            // Spread evenly: at each moment the same share of them speaks.
            let at = script.len() / FRAME * n / count.max(1) * FRAME;
            anyhow::Ok(Caller { socket, speaks: false, sequence: 0, timestamp: 0, at, diary: Diary::default() })
        };
        let callers = (0..count).map(caller).collect::<Result<Vec<_>>>()?;
        let addresses = callers.iter().map(|caller| caller.socket.local_addr()).collect::<std::io::Result<_>>()?;
        let (begin, begins) = mpsc::sync_channel(count.max(1));
        let (seen, stop) = (Arc::new(Seen::default()), Arc::new(AtomicBool::new(false)));
        let (to_vendor, to_caller) = (Arc::<Way>::default(), Arc::<Way>::default());
        let begun = Instant::now();
        let world = World {
            script,
            sentence,
            begun,
            seen: Arc::clone(&seen),
            stop: Arc::clone(&stop),
            to_vendor: Arc::clone(&to_vendor),
            to_caller: Arc::clone(&to_caller),
        };
        let thread = thread::spawn(move || run(callers, &begins, &world));
        Ok(Self { addresses, seen, to_vendor, to_caller, begun, begin, stop, thread: Some(thread) })
    }

    /// This one speaks to that address from now on.
    pub fn begin(&self, caller: usize, gateway: SocketAddr) {
        let _ended = self.begin.send((caller, Some(gateway)));
    }

    /// This one is silent from now on.
    pub fn end(&self, caller: usize) {
        let _ended = self.begin.send((caller, None));
    }
}

impl Callers {
    /// They say and hear no more; their diaries, in their order.
    pub fn finish(mut self) -> Vec<Diary> {
        self.stop_and_join()
    }

    fn stop_and_join(&mut self) -> Vec<Diary> {
        self.stop.store(true, Relaxed);
        self.thread.take().and_then(|thread| thread.join().ok()).unwrap_or_default()
    }
}

impl Drop for Callers {
    fn drop(&mut self) {
        self.stop_and_join();
    }
}

fn run(mut callers: Vec<Caller>, begins: &mpsc::Receiver<(usize, Option<SocketAddr>)>, world: &World) -> Vec<Diary> {
    let (mut tick, mut packet) = (Instant::now(), [0; 2048]);
    let mut slot = 0;
    loop {
        if world.stop.load(Relaxed) {
            return callers.into_iter().map(|caller| caller.diary).collect();
        }
        tick += TICK;
        let now = Instant::now();
        match tick.checked_duration_since(now) {
            #[expect(clippy::disallowed_methods, reason = "waiting for the next tick of the grid")]
            Some(left) => thread::sleep(left),
            None if now - tick > TICK => {
                world.seen.stalls.fetch_add(1, Relaxed);
                world.seen.longest_stall_ms.fetch_max((now - tick).as_millis() as u64, Relaxed);
            }
            None => {}
        }
        while let Ok((caller, gateway)) = begins.try_recv() {
            if let Some(caller) = callers.get_mut(caller) {
                caller.speaks = gateway.is_some_and(|gateway| caller.socket.connect(gateway).is_ok());
            }
        }
        for caller in callers.iter_mut().skip(slot).step_by(SLOTS).filter(|caller| caller.speaks) {
            caller.turn(&mut packet, world);
        }
        slot = (slot + 1) % SLOTS;
    }
}

impl Caller {
    fn turn(&mut self, packet: &mut [u8], World { script, sentence, begun, seen, to_vendor, to_caller, .. }: &World) {
        let now_ms = begun.elapsed().as_millis() as u32;
        let header = rtp::Header {
            marker: self.sequence == 0,
            payload_type: 0,
            sequence: self.sequence,
            timestamp: self.timestamp,
            ssrc: 7,
        };
        packet[..rtp::HEADER_LEN].copy_from_slice(&rtp::write(header));
        let payload = &mut packet[rtp::HEADER_LEN..rtp::HEADER_LEN + FRAME];
        payload.copy_from_slice(&script[self.at..self.at + FRAME]);
        // The last of the pause.
        if self.at + 2 * FRAME > script.len() {
            to_vendor.say(payload, Duration::ZERO);
        }
        if self.socket.send(&packet[..rtp::HEADER_LEN + FRAME]).is_ok() {
            seen.sent.fetch_add(1, Relaxed);
        }
        self.sequence = self.sequence.wrapping_add(1);
        self.timestamp = self.timestamp.wrapping_add(FRAME as u32);
        self.at = (self.at + FRAME) % (script.len() / FRAME * FRAME);
        if *sentence == Some(self.at) {
            self.diary.said.push(now_ms);
        }
        while let Ok(length) = self.socket.recv(packet) {
            let payload = &packet[rtp::HEADER_LEN.min(length)..length];
            to_caller.hear(payload);
            seen.received.fetch_add(1, Relaxed);
            if sentence.is_some() {
                self.diary.heard.push((now_ms, payload.iter().any(|byte| byte & 0x7F < LOUD)));
            }
        }
    }
}

/// Speech, then a pause, in mu-law at 8 kHz.
pub fn script(speech: &[i16], pause: Duration) -> Vec<u8> {
    let mut wire = vec![0; speech.len()];
    vg_media::codec::g711::encode_ulaw(speech, &mut wire);
    wire.resize(wire.len() + pause.as_millis() as usize * 8, 0xFF);
    wire.resize(wire.len().next_multiple_of(FRAME), 0xFF);
    wire
}
