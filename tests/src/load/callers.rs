//! Callers who speak and pause, each over lines of its own, on one thread with the same grid as the gateway's.

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
/// Changes of lines that the callers have not taken yet; they take all of them every tick.
const CHANGES_MAX: usize = 4096;
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
#[derive(Clone, Debug, Default)]
pub struct Diary {
    /// When its sentences ended.
    pub said: Vec<u32>,
    /// Packets that came.
    pub heard: Vec<Packet>,
}

/// A packet that a caller got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet {
    /// When it was looked at.
    pub at_ms: u32,
    /// Whether there was a sound in it.
    pub loud: bool,
    /// Who spoke: the port of a gateway's media.
    pub from: u16,
}

/// Sound both ways between a caller and a gateway.
#[derive(Clone, Debug)]
pub struct Line {
    /// Asterisk's end, connected to the gateway's.
    pub socket: Arc<UdpSocket>,
    /// The gateway's end.
    pub gateway: SocketAddr,
}

impl Line {
    /// From a port of its own.
    pub(super) fn to(gateway: SocketAddr) -> std::io::Result<Self> {
        let socket = UdpSocket::bind("127.0.0.1:0")?;
        socket.set_nonblocking(true)?;
        socket.connect(gateway)?;
        Ok(Self { socket: Arc::new(socket), gateway })
    }

    /// Throws away what came and nobody has heard; so many packets.
    pub fn drain(&self) -> usize {
        let mut packet = [0; 2048];
        std::iter::from_fn(|| self.socket.recv(&mut packet).ok()).count()
    }
}

/// Connects callers with gateways.
#[derive(Clone, Debug)]
pub struct Switch {
    lines: mpsc::SyncSender<(usize, Vec<Line>)>,
    /// Packets that each caller got.
    heard: Arc<[AtomicU64]>,
}

impl Switch {
    /// This one speaks and listens on all of these from now on; of more callers than there are they take turns.
    pub fn connect(&self, caller: usize, lines: Vec<Line>) {
        let _ended = self.lines.send((caller % self.heard.len().max(1), lines));
    }

    /// Packets that this one got so far.
    pub fn heard(&self, caller: usize) -> u64 {
        self.heard.get(caller % self.heard.len().max(1)).map_or(0, |heard| heard.load(Relaxed))
    }
}

/// The callers' thread.
pub struct Callers {
    /// What they saw.
    pub seen: Arc<Seen>,
    /// From their mouths to the vendor's ear, where the gateway hands G.711 on as it is.
    pub to_vendor: Arc<Way>,
    /// From the vendor's mouth to their ears.
    pub to_caller: Arc<Way>,
    /// When they began.
    pub begun: Instant,
    switch: Switch,
    stop: Arc<AtomicBool>,
    thread: Option<thread::JoinHandle<Vec<Diary>>>,
}

struct Caller {
    lines: Vec<Line>,
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
    heard: Arc<[AtomicU64]>,
}

impl Callers {
    /// So many; each says `script`, mu-law at 8 kHz, again and again from a place of its own.
    pub fn start(count: usize, script: Vec<u8>) -> Self {
        Self::run(count, script, None)
    }

    /// The same, and each keeps a [`Diary`]; the sentence is the script's first `sentence_ms`.
    pub fn with_diaries(count: usize, script: Vec<u8>, sentence_ms: usize) -> Self {
        Self::run(count, script, Some(sentence_ms * 8 / FRAME * FRAME))
    }

    fn run(count: usize, script: Vec<u8>, sentence: Option<usize>) -> Self {
        let caller = |n: usize| {
            // Spread evenly: at each moment the same share of them speaks.
            let at = script.len() / FRAME * n / count.max(1) * FRAME;
            Caller { lines: Vec::new(), sequence: 0, timestamp: 0, at, diary: Diary::default() }
        };
        let callers: Vec<Caller> = (0..count).map(caller).collect();
        let (lines, changes) = mpsc::sync_channel(CHANGES_MAX);
        let switch = Switch { lines, heard: (0..count).map(|_| AtomicU64::new(0)).collect() };
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
            heard: Arc::clone(&switch.heard),
        };
        let thread = thread::spawn(move || run(callers, &changes, &world));
        Self { seen, to_vendor, to_caller, begun, switch, stop, thread: Some(thread) }
    }

    /// This one speaks to that address from now on.
    ///
    /// # Errors
    /// Where the system has no more sockets.
    pub fn begin(&self, caller: usize, gateway: SocketAddr) -> Result<()> {
        let line = Line::to(gateway).context("open a caller's socket: is the limit of open files high enough?")?;
        self.switch.connect(caller, vec![line]);
        Ok(())
    }

    /// For whoever connects them.
    pub fn switch(&self) -> Switch {
        self.switch.clone()
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.switch.heard.len()
    }

    /// The moment, as their diaries count.
    pub fn now_ms(&self) -> u32 {
        self.begun.elapsed().as_millis() as u32
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

fn run(mut callers: Vec<Caller>, changes: &mpsc::Receiver<(usize, Vec<Line>)>, world: &World) -> Vec<Diary> {
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
        while let Ok((caller, lines)) = changes.try_recv() {
            if let Some(caller) = callers.get_mut(caller) {
                caller.lines = lines;
            }
        }
        let turns = callers.iter_mut().zip(&*world.heard).skip(slot).step_by(SLOTS);
        for (caller, heard) in turns.filter(|(caller, _)| !caller.lines.is_empty()) {
            heard.fetch_add(caller.turn(&mut packet, world), Relaxed);
        }
        slot = (slot + 1) % SLOTS;
    }
}

impl Caller {
    /// Says a frame and hears what came; so many packets.
    fn turn(&mut self, packet: &mut [u8], World { script, sentence, begun, seen, to_vendor, to_caller, .. }: &World) -> u64 {
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
        for line in &self.lines {
            if line.socket.send(&packet[..rtp::HEADER_LEN + FRAME]).is_ok() {
                seen.sent.fetch_add(1, Relaxed);
            }
        }
        self.sequence = self.sequence.wrapping_add(1);
        self.timestamp = self.timestamp.wrapping_add(FRAME as u32);
        self.at = (self.at + FRAME) % (script.len() / FRAME * FRAME);
        if *sentence == Some(self.at) {
            self.diary.said.push(now_ms);
        }
        let mut came = 0;
        for line in &self.lines {
            while let Ok(length) = line.socket.recv(packet) {
                let payload = &packet[rtp::HEADER_LEN.min(length)..length];
                to_caller.hear(payload);
                came += 1;
                if sentence.is_some() {
                    let loud = payload.iter().any(|byte| byte & 0x7F < LOUD);
                    self.diary.heard.push(Packet { at_ms: now_ms, loud, from: line.gateway.port() });
                }
            }
        }
        seen.received.fetch_add(came, Relaxed);
        came
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
