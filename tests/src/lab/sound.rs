//! The sound of a caller: what it says leaves in real time, what it hears is kept with its time of arrival.
//!
//! Two threads of its own, so that a busy test runtime distorts neither the caller's speech nor the measurement of ours.

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

/// Samples per second of the caller's line.
pub(super) const RATE_HZ: u32 = 8000;
const FRAME: usize = 160;
const FRAME_TIME: Duration = Duration::from_millis(20);
const MULAW_SILENCE: u8 = 0xff;
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
    /// Median of how far a spacing was from 20 ms.
    pub error_p50: Duration,
    /// 99th percentile of the same.
    pub error_p99: Duration,
    /// The longest spacing of two neighbours.
    pub gap_max: Duration,
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
    to_say: Mutex<VecDeque<i16>>,
    activity: watch::Sender<Activity>,
    over: AtomicBool,
}

impl Sound {
    /// Speaks (silence at first) towards `remote` and listens.
    pub(super) fn start(socket: UdpSocket, remote: SocketAddr) -> Result<Self> {
        socket.connect(remote).context("failed to connect the caller's audio socket")?;
        setsockopt(&socket, sockopt::ReceiveTimestampns, &true).context("failed to ask the kernel for times of arrival")?;
        // Short enough to notice the end of the call soon; it delays nothing.
        socket.set_read_timeout(Some(Duration::from_millis(50)))?;
        let line = Arc::new(Line {
            socket,
            to_say: Mutex::default(),
            activity: watch::Sender::new(Activity { said_at: Some(Instant::now()), ..Activity::default() }),
            over: AtomicBool::new(false),
        });
        let begun = Instant::now();
        let (mouth, ears) = (Arc::clone(&line), Arc::clone(&line));
        let speaker = std::thread::Builder::new().name("caller-says".into()).spawn(move || speak(&mouth, begun))?;
        let listener = std::thread::Builder::new().name("caller-hears".into()).spawn(move || listen(&ears, begun))?;
        Ok(Self { line, speaker, listener })
    }

    /// Queues samples behind what is being said.
    pub(super) fn say(&self, samples: &[i16]) -> Result<()> {
        let mut to_say = self.line.to_say.lock().ok().context("the caller's voice is gone")?;
        self.line.activity.send_modify(|activity| activity.said_at = None);
        to_say.extend(samples);
        Ok(())
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
        Ok(Recording { said, pacing: ears.pacing(), heard: ears.heard })
    }
}

#[expect(clippy::disallowed_methods, reason = "a thread whose only work is to wait for the next frame's time")]
fn speak(line: &Line, begun: Instant) -> Vec<i16> {
    let mut said = Vec::new();
    let mut packet = [0_u8; 12 + FRAME];
    // Seeded by the port: reproducible, and different for callers at the same time.
    let seed = line.socket.local_addr().map_or(0, |local| u32::from(local.port()));
    let mut count: u32 = 0;
    while !line.over.load(Ordering::Relaxed) {
        std::thread::sleep((begun + FRAME_TIME * count).saturating_duration_since(Instant::now()));
        let mut frame = [0_i16; FRAME];
        if let Ok(mut to_say) = line.to_say.lock() {
            let ready = to_say.len().min(FRAME);
            for (sample, queued) in frame.iter_mut().zip(to_say.drain(..ready)) {
                *sample = queued;
            }
            if ready > 0 && to_say.is_empty() {
                line.activity.send_modify(|activity| activity.said_at = Some(Instant::now()));
            }
        }
        packet[0] = 0x80;
        packet[1] = if count == 0 { 0x80 } else { 0 };
        packet[2..4].copy_from_slice(&((seed + count) as u16).to_be_bytes());
        packet[4..8].copy_from_slice(&(seed * 7 + count * FRAME as u32).to_be_bytes());
        packet[8..12].copy_from_slice(&(0x0ca1_0000 | seed).to_be_bytes());
        for (byte, sample) in packet[12..].iter_mut().zip(frame) {
            *byte = if sample == 0 { MULAW_SILENCE } else { mulaw_of(sample) };
        }
        // The far end may be gone already; the call's end is the signalling's business.
        let _ = line.socket.send(&packet);
        said.extend_from_slice(&frame);
        count += 1;
    }
    said
}

fn listen(line: &Line, begun: Instant) -> Ears {
    let mut ears = Ears { begun, stream: None, heard: Vec::new(), packets: 0, lost: 0, spacings: Vec::new() };
    let mut packet = [0_u8; 2048];
    while !line.over.load(Ordering::Relaxed) {
        // A time-out, or an ICMP refusal while the far end is not there yet.
        let Ok((length, stamp)) = receive(&line.socket, &mut packet) else { continue };
        let now = Instant::now();
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
    stream: Option<Stream>,
    heard: Vec<i16>,
    packets: usize,
    lost: usize,
    spacings: Vec<Duration>,
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
    /// Takes one PCMU packet (RFC 3550 header without extensions, as Asterisk sends it); anything else is not heard.
    fn hear(&mut self, now: Instant, stamp: Option<Duration>, packet: &[u8]) -> Option<Vec<i16>> {
        let (header, payload) = packet.split_first_chunk::<12>()?;
        if header[0] != 0x80 || header[1] & 0x7f != 0 {
            return None;
        }
        let [_, _, s0, s1, t0, t1, t2, t3, c0, c1, c2, c3] = *header;
        let (sequence, timestamp) = (u16::from_be_bytes([s0, s1]), u32::from_be_bytes([t0, t1, t2, t3]));
        let ssrc = u32::from_be_bytes([c0, c1, c2, c3]);
        let by_arrival = (now - self.begun).as_micros() as usize * RATE_HZ as usize / 1_000_000;
        self.packets += 1;
        let place = match self.stream.filter(|stream| stream.ssrc == ssrc) {
            None => by_arrival,
            Some(last) => {
                let step = timestamp.wrapping_sub(last.timestamp) as i32;
                let skipped = sequence.wrapping_sub(last.sequence);
                if skipped == 1 && step == FRAME as i32 {
                    self.spacings.extend(stamp.zip(last.stamp).map(|(now, before)| now.saturating_sub(before)));
                } else if (2..1000).contains(&skipped) {
                    self.lost += usize::from(skipped) - 1;
                }
                // A sender whose timestamps do not keep pace with time is placed by arrival.
                let by_timestamp = last.place.saturating_add_signed(step as isize);
                if by_timestamp.abs_diff(by_arrival) > RATE_HZ as usize / 5 { by_arrival } else { by_timestamp }
            }
        };
        self.stream = Some(Stream { ssrc, sequence, timestamp, stamp, place });
        let frame: Vec<i16> = payload.iter().map(|byte| sample_of(*byte)).collect();
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
            error_p50: at(50).unwrap_or_default(),
            error_p99: at(99).unwrap_or_default(),
            gap_max: self.spacings.iter().max().copied().unwrap_or_default(),
        }
    }
}

/// ITU-T G.711 mu-law, written apart from the gateway's own: the judge does not borrow from the judged.
fn mulaw_of(sample: i16) -> u8 {
    let magnitude = i32::from(sample).abs().min(32_635) + 0x84;
    let segment = (magnitude >> 7).ilog2();
    let mantissa = (magnitude >> (segment + 3)) & 0x0f;
    let sign = if sample < 0 { 0x80 } else { 0 };
    !(sign | (segment << 4) as u8 | mantissa as u8)
}

fn sample_of(mulaw: u8) -> i16 {
    let bits = !mulaw;
    let segment = (bits >> 4) & 7;
    let magnitude = (((i16::from(bits & 0x0f) << 3) + 0x84) << segment) - 0x84;
    if bits & 0x80 == 0 { magnitude } else { -magnitude }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mulaw_survives_a_round_trip_for_every_code() {
        for code in 0..=u8::MAX {
            let again = mulaw_of(sample_of(code));
            // 0x7f is a second name of zero.
            assert_eq!(if code == 0x7f { 0xff } else { code }, again);
        }
        assert_eq!((sample_of(0xff), sample_of(0x80), sample_of(0x00)), (0, 32_124, -32_124));
    }
}
