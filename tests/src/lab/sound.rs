//! The sound of a caller: what it says leaves in real time, what it hears is kept with its time of arrival.
//!
//! Two threads of its own, so that a busy test runtime distorts neither the caller's speech nor the measurement of ours.

use super::voice::Voice;
use anyhow::{Context, Result};
use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg, setsockopt, sockopt};
use nix::sys::time::TimeSpec;
use std::collections::VecDeque;
use std::io::IoSliceMut;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::sync::watch;

const FRAME_TIME: Duration = Duration::from_millis(20);
/// Payload type of telephone events (RFC 4733), as offered, and ticks of their clock in a frame.
const EVENTS: u8 = 101;
const EVENT_FRAME: u16 = 160;
/// The last packet of a key is sent so often (RFC 4733, section 2.5.1.4).
const LAST_TIMES: u32 = 3;
/// A frame louder than this (root mean square) is speech; an idle line has at most a few units.
const VOICED_RMS: f64 = 150.0;

/// How evenly packets arrived by the kernel's clock, over neighbours in sequence and timestamp; pauses between utterances do not count.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pacing {
    /// Packets received.
    pub packets: usize,
    /// Pairs of neighbours that were measured.
    pub pairs: usize,
    /// Sequence numbers that never came.
    pub lost: usize,
    /// Neighbours in sequence between whose timestamps there is not exactly a frame: the sender was silent, or began anew.
    pub jumps: usize,
    /// Median of how far a spacing was from 20 ms.
    pub error_p50: Duration,
    /// 99th percentile of the same.
    pub error_p99: Duration,
    /// The longest spacing of two neighbours.
    pub gap_max: Duration,
    /// The longest time without a packet of sound, between any two.
    pub still_max: Duration,
}

/// What a caller did and heard up to now.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Activity {
    /// When the last sample of what was to be said left; none while something is being said.
    pub said_at: Option<Instant>,
    /// When the present or latest run of voiced frames began.
    pub voiced_from: Option<Instant>,
    /// When the latest voiced frame arrived.
    pub voiced_until: Option<Instant>,
    /// Frames in the present run.
    pub voiced_frames: u32,
}

/// Both directions of a finished call, on one timeline from the answer on.
#[derive(Debug)]
pub(super) struct Recording {
    pub said: Vec<i16>,
    pub heard: Vec<i16>,
    pub keys: String,
    pub pacing: Pacing,
}

/// The running sound of a caller.
#[derive(Debug)]
pub(super) struct Sound {
    line: Arc<Line>,
    speaker: JoinHandle<Vec<i16>>,
    listener: JoinHandle<Ears>,
}

#[derive(Debug)]
struct Line {
    socket: UdpSocket,
    voice: Voice,
    to_say: Mutex<VecDeque<i16>>,
    to_press: Mutex<VecDeque<Key>>,
    /// Nothing is sent.
    mute: AtomicBool,
    activity: watch::Sender<Activity>,
    over: AtomicBool,
}

/// A key on its way out.
#[derive(Clone, Copy, Debug)]
struct Key {
    event: u8,
    frames: u32,
}

impl Sound {
    /// Speaks (silence at first) towards `remote` and listens.
    pub(super) fn start(socket: UdpSocket, remote: SocketAddr, voice: Voice) -> Result<Self> {
        socket.connect(remote).context("failed to connect the caller's audio socket")?;
        setsockopt(&socket, sockopt::ReceiveTimestampns, &true).context("failed to ask the kernel for times of arrival")?;
        // Short enough to notice the end of the call soon; it delays nothing.
        socket.set_read_timeout(Some(Duration::from_millis(50)))?;
        let line = Arc::new(Line {
            socket,
            voice,
            to_say: Mutex::default(),
            to_press: Mutex::default(),
            mute: AtomicBool::new(false),
            activity: watch::Sender::new(Activity { said_at: Some(Instant::now()), ..Activity::default() }),
            over: AtomicBool::new(false),
        });
        let begun = Instant::now();
        let (mouth, ears) = (Arc::clone(&line), Arc::clone(&line));
        let speaker = std::thread::Builder::new().name("caller-says".into()).spawn(move || speak(&mouth, begun))?;
        let listener = std::thread::Builder::new().name("caller-hears".into()).spawn(move || listen(&ears, begun))?;
        Ok(Self { line, speaker, listener })
    }

    /// Its socket's.
    pub(super) fn port(&self) -> u16 {
        self.line.socket.local_addr().map_or(0, |local| local.port())
    }

    /// Queues samples behind what is being said.
    pub(super) fn say(&self, samples: &[i16]) -> Result<()> {
        let mut to_say = self.line.to_say.lock().ok().context("the caller's voice is gone")?;
        self.line.activity.send_modify(|activity| activity.said_at = None);
        to_say.extend(samples);
        Ok(())
    }

    /// Presses a key for so long, as packets of RFC 4733; they take the place of sound. False where it is no key.
    pub(super) fn press(&self, key: char, length: Duration) -> bool {
        let event = "0123456789*#ABCD".find(key).and_then(|at| u8::try_from(at).ok());
        let frames = (length.as_millis() / FRAME_TIME.as_millis()) as u32;
        match (event, self.line.to_press.lock()) {
            (Some(event), Ok(mut to_press)) => to_press.push_back(Key { event, frames: frames.max(1) }),
            _ => return false,
        }
        true
    }

    /// Whether nothing is sent from now on; what comes is heard all the same.
    pub(super) fn mute(&self, mute: bool) {
        self.line.mute.store(mute, Ordering::Relaxed);
    }

    /// Follows what happens.
    pub(super) fn activity(&self) -> watch::Receiver<Activity> {
        self.line.activity.subscribe()
    }

    /// Ends the sound and gives what was recorded.
    pub(super) fn finish(self) -> Result<Recording> {
        self.line.over.store(true, Ordering::Relaxed);
        let said = self.speaker.join().ok().context("the caller's voice failed")?;
        let ears = self.listener.join().ok().context("the caller's ears failed")?;
        Ok(Recording { said, pacing: ears.pacing(), keys: ears.keys, heard: ears.heard })
    }
}

#[expect(clippy::disallowed_methods, reason = "a thread whose only work is to wait for the next frame's time")]
fn speak(line: &Line, begun: Instant) -> Vec<i16> {
    let frame_samples = line.voice.frame();
    let mut said = Vec::new();
    // Seeded by the port: reproducible, and different for callers at the same time.
    let seed = line.socket.local_addr().map_or(0, |local| u32::from(local.port()));
    let mut stream = Departing { sequence: seed as u16, ssrc: 0x0ca1_0000 | seed };
    let mut pressed: Option<Pressed> = None;
    let mut count: u32 = 0;
    while !line.over.load(Ordering::Relaxed) {
        std::thread::sleep((begun + FRAME_TIME * count).saturating_duration_since(Instant::now()));
        let timestamp = seed.wrapping_mul(7).wrapping_add(count.wrapping_mul(frame_samples as u32));
        let mut frame = vec![0_i16; frame_samples];
        if pressed.is_none() {
            let next = line.to_press.lock().ok().and_then(|mut keys| keys.pop_front());
            pressed = next.map(|key| Pressed { key, timestamp, sent: 0 });
        }
        if let Some(key) = &mut pressed {
            let packets = key.next(&mut stream);
            let over = packets.len() > 1;
            packets.iter().for_each(|packet| line.send(packet));
            pressed = pressed.filter(|_| !over);
        } else {
            take_frame(line, &mut frame);
            let mut packet = stream.header(line.voice.payload_type(), count == 0, timestamp);
            line.voice.write(&frame, &mut packet);
            line.send(&packet);
        }
        said.extend_from_slice(&frame);
        count += 1;
    }
    said
}

/// The next 20 ms of what is to be said, silence where there is nothing.
fn take_frame(line: &Line, frame: &mut [i16]) {
    let Ok(mut to_say) = line.to_say.lock() else { return };
    let ready = to_say.len().min(frame.len());
    for (sample, queued) in frame.iter_mut().zip(to_say.drain(..ready)) {
        *sample = queued;
    }
    if ready > 0 && to_say.is_empty() {
        line.activity.send_modify(|activity| activity.said_at = Some(Instant::now()));
    }
}

impl Line {
    fn send(&self, packet: &[u8]) {
        if !self.mute.load(Ordering::Relaxed) {
            // The far end may be gone already; the call's end is the signalling's business.
            let _ = self.socket.send(packet);
        }
    }
}

/// The RTP stream of a caller.
#[derive(Debug)]
struct Departing {
    sequence: u16,
    ssrc: u32,
}

impl Departing {
    fn header(&mut self, payload_type: u8, marker: bool, timestamp: u32) -> Vec<u8> {
        let mut packet = vec![0x80, payload_type | if marker { 0x80 } else { 0 }];
        packet.extend(self.sequence.to_be_bytes());
        packet.extend(timestamp.to_be_bytes());
        packet.extend(self.ssrc.to_be_bytes());
        self.sequence = self.sequence.wrapping_add(1);
        packet
    }
}

/// A key that is held down.
#[derive(Debug)]
struct Pressed {
    key: Key,
    timestamp: u32,
    sent: u32,
}

impl Pressed {
    /// A frame's packets: one, but for the last frame.
    fn next(&mut self, stream: &mut Departing) -> Vec<Vec<u8>> {
        self.sent += 1;
        let last = self.sent >= self.key.frames;
        let duration = EVENT_FRAME.saturating_mul(u16::try_from(self.sent).unwrap_or(u16::MAX));
        let one = |_| {
            let mut packet = stream.header(EVENTS, self.sent == 1, self.timestamp);
            // Event, end bit and volume of -10 dBm0, duration.
            packet.extend([self.key.event, if last { 0x8a } else { 0x0a }]);
            packet.extend(duration.to_be_bytes());
            packet
        };
        (0..if last { LAST_TIMES } else { 1 }).map(one).collect()
    }
}

fn listen(line: &Line, begun: Instant) -> Ears {
    let voice = line.voice;
    let mut ears = Ears {
        begun,
        voice,
        stream: None,
        heard: Vec::new(),
        packets: 0,
        lost: 0,
        jumps: 0,
        spacings: Vec::new(),
        latest: None,
        still_max: Duration::ZERO,
        keys: String::new(),
        key_at: None,
    };
    let mut packet = [0_u8; 2048];
    while !line.over.load(Ordering::Relaxed) {
        // A time-out, or an ICMP refusal while the far end is not there yet.
        let Ok((length, stamp)) = receive(&line.socket, &mut packet) else { continue };
        let now = Instant::now();
        ears.hear_key(&packet[..length]);
        let Some(frame) = ears.hear(now, stamp, &packet[..length]) else { continue };
        if super::rms(&frame) > VOICED_RMS {
            line.activity.send_modify(|activity| {
                let goes_on = activity.voiced_until.is_some_and(|until| now < until + FRAME_TIME * 5);
                activity.voiced_from = activity.voiced_from.filter(|_| goes_on).or(Some(now));
                activity.voiced_frames = if goes_on { activity.voiced_frames + 1 } else { 1 };
                activity.voiced_until = Some(now);
            });
        }
    }
    ears
}

/// A datagram's length and the kernel's time of its arrival: a busy machine may run this thread late, the stamp is true all the same.
fn receive(socket: &UdpSocket, packet: &mut [u8]) -> nix::Result<(usize, Option<Duration>)> {
    let mut room = nix::cmsg_space!(TimeSpec);
    let mut parts = [IoSliceMut::new(packet)];
    let message = recvmsg::<()>(socket.as_raw_fd(), &mut parts, Some(&mut room), MsgFlags::empty())?;
    let stamp = message.cmsgs()?.find_map(|part| match part {
        ControlMessageOwned::ScmTimestampns(time) => Some(Duration::from(time)),
        _ => None,
    });
    Ok((message.bytes, stamp))
}

#[derive(Debug)]
struct Ears {
    begun: Instant,
    voice: Voice,
    stream: Option<Stream>,
    heard: Vec<i16>,
    packets: usize,
    lost: usize,
    jumps: usize,
    spacings: Vec<Duration>,
    /// When the latest packet came.
    latest: Option<Duration>,
    still_max: Duration,
    /// Keys that came as packets of RFC 4733.
    keys: String,
    /// Timestamp of the latest: the packets of one key share it.
    key_at: Option<u32>,
}

#[derive(Clone, Copy, Debug)]
struct Stream {
    ssrc: u32,
    sequence: u16,
    timestamp: u32,
    stamp: Option<Duration>,
    place: usize,
}

impl Ears {
    /// Takes one packet of a key; the key counts once, when it ends.
    fn hear_key(&mut self, packet: &[u8]) {
        let Some((header, [event, flags, ..])) = packet.split_first_chunk::<12>() else { return };
        let at = u32::from_be_bytes([header[4], header[5], header[6], header[7]]);
        if header[1] & 0x7f == EVENTS && flags & 0x80 != 0 && self.key_at != Some(at) {
            self.key_at = Some(at);
            self.keys.extend("0123456789*#ABCD".chars().nth(usize::from(*event)));
        }
    }

    /// Takes one packet of sound (RFC 3550 header without extensions, as Asterisk sends it); anything else is not heard.
    fn hear(&mut self, now: Instant, stamp: Option<Duration>, packet: &[u8]) -> Option<Vec<i16>> {
        let (header, payload) = packet.split_first_chunk::<12>()?;
        if header[0] != 0x80 || header[1] & 0x7f != self.voice.payload_type() {
            return None;
        }
        let [_, _, s0, s1, t0, t1, t2, t3, c0, c1, c2, c3] = *header;
        let (sequence, timestamp) = (u16::from_be_bytes([s0, s1]), u32::from_be_bytes([t0, t1, t2, t3]));
        let ssrc = u32::from_be_bytes([c0, c1, c2, c3]);
        let rate_hz = self.voice.rate_hz() as usize;
        let by_arrival = (now - self.begun).as_micros() as usize * rate_hz / 1_000_000;
        self.packets += 1;
        let still = stamp.zip(self.latest).map(|(now, before)| now.saturating_sub(before));
        (self.latest, self.still_max) = (stamp, self.still_max.max(still.unwrap_or_default()));
        let place = match self.stream.filter(|stream| stream.ssrc == ssrc) {
            None => by_arrival,
            Some(last) => {
                let step = timestamp.wrapping_sub(last.timestamp) as i32;
                let skipped = sequence.wrapping_sub(last.sequence);
                if skipped == 1 && step == self.voice.frame() as i32 {
                    self.spacings.extend(stamp.zip(last.stamp).map(|(now, before)| now.saturating_sub(before)));
                } else if skipped == 1 {
                    self.jumps += 1;
                } else if (2..1000).contains(&skipped) {
                    self.lost += usize::from(skipped) - 1;
                }
                // A sender whose timestamps do not keep pace with time is placed by arrival.
                let by_timestamp = last.place.saturating_add_signed(step as isize);
                if by_timestamp.abs_diff(by_arrival) > rate_hz / 5 { by_arrival } else { by_timestamp }
            }
        };
        self.stream = Some(Stream { ssrc, sequence, timestamp, stamp, place });
        let frame = self.voice.read(payload);
        self.heard.resize(self.heard.len().max(place + frame.len()), 0);
        self.heard[place..place + frame.len()].copy_from_slice(&frame);
        Some(frame)
    }

    fn pacing(&self) -> Pacing {
        let mut errors: Vec<Duration> = self.spacings.iter().map(|spacing| spacing.abs_diff(FRAME_TIME)).collect();
        errors.sort_unstable();
        let at = |percent: usize| errors.get((errors.len() * percent / 100).min(errors.len().saturating_sub(1))).copied();
        Pacing {
            packets: self.packets,
            pairs: errors.len(),
            lost: self.lost,
            jumps: self.jumps,
            error_p50: at(50).unwrap_or_default(),
            error_p99: at(99).unwrap_or_default(),
            gap_max: self.spacings.iter().max().copied().unwrap_or_default(),
            still_max: self.still_max,
        }
    }
}
