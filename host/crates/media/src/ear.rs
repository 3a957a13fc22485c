//! What is heard: datagrams in, evenly spaced frames and speech edges out.

#[cfg(test)]
mod boundaries;
#[cfg(test)]
mod stories;
#[cfg(test)]
mod tests;

use crate::codec::{Codec, Decoder, Framing};
use crate::delay::Wish;
use crate::dtmf::{DigitNews, Digits};
use crate::error::MediaError;
use crate::frame::{Edge, FRAME_MS, FRAME_SAMPLES_MAX, Frame, frame_samples};
use crate::jitter::{DELAY_MAX, Jitter, What, Written};
use crate::plc::Plc;
use crate::resample::Resampler;
use crate::rtp::{self, Header, Source, Verdict};
use crate::stats::EarStats;
use crate::vad::{Moment, Vad, VadConfig, mean_square};
use std::time::{Duration, Instant};

/// A sample this loud is at the end of what G.711 can say: mu-law's largest is 32124, A-law's 32256.
const CLIPPING: u16 = 32_000;

/// Frames over which the noise of the caller's room is smoothed.
const QUIET_SMOOTHING: f32 = 8.0;

/// How to listen.
#[derive(Clone, Copy, Debug)]
pub struct EarConfig {
    /// What the wire carries.
    pub codec: Codec,
    /// How it is wrapped.
    pub framing: Framing,
    /// The rate in which frames are delivered: 8000 or 16000.
    pub rate_hz: u32,
    /// How long sound is held back at first so that late packets are in time: added to every answer's delay, at most 640 ms.
    pub delay: Duration,
    /// What it may become for packets that need it; between 20 ms and this it follows them. Equal to `delay`: it may only fall.
    pub delay_max: Duration,
    /// Payload type of telephone events (RFC 4733), where the far side sends any; their clock is the codec's.
    pub events: Option<u8>,
    /// What counts as speech.
    pub vad: VadConfig,
}

impl EarConfig {
    /// Frames at the codec's own rate, 40 ms of delay that may become 20 to 200.
    pub fn new(codec: Codec, framing: Framing) -> Self {
        let (delay, delay_max) = (Duration::from_millis(40), Duration::from_millis(200));
        Self { codec, framing, rate_hz: codec.rate_hz(), delay, delay_max, events: None, vad: VadConfig::default() }
    }
}

/// Takes what an [`Ear`] hears. Called while it is polled; must not wait.
pub trait EarSink {
    /// The next 20 ms.
    fn frame(&mut self, frame: Frame<'_>);
    /// Speech began or ended; comes after the frame that decided it.
    fn edge(&mut self, edge: Edge);
    /// A key was pressed or let go.
    fn digit(&mut self, news: DigitNews) {
        let _ = news;
    }
}

/// Why an [`Ear`] wants to be polled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EarReason {
    /// The next frame is due.
    Frame,
    /// There is news of a key, or the end of a press may be missing.
    Digit,
}

/// The receiving half of a leg.
///
/// Frames begin with the first packet and then come every 20 ms for ever, whatever the sender does: what is missing is
/// concealed for 60 ms and comfort noise after that. Any bytes may be fed; what is not sound is counted.
pub struct Ear {
    codec: Codec,
    decoder: Decoder,
    framing: Framing,
    source: Source,
    events: Option<(u8, Digits)>,
    /// Where the newest packet stood on the sender's time line and on ours.
    anchor: Option<Anchor>,
    /// Bytes of an unfinished sample at the end of a stream.
    cut: u64,
    transit: Transit,
    jitter: Jitter,
    plc: Plc,
    vad: Vad,
    /// Smoothed power of what was heard while nobody spoke.
    quiet_power: f32,
    /// The last frame took the time of one that was left out.
    left_out: bool,
    resampler: Resampler,
    /// Samples of a frame that is handed on.
    frame_samples: usize,
    stats: EarStats,
}

#[derive(Clone, Copy)]
struct Anchor {
    timestamp: u32,
    position: u64,
}

/// Interarrival jitter, RFC 3550 section 6.4.1, in nanoseconds instead of timestamp units.
struct Transit {
    last: Option<(Instant, u32)>,
    jitter_ns: f64,
}

impl Ear {
    /// An ear that has heard nothing yet.
    pub fn new(now: Instant, config: EarConfig) -> Result<Self, MediaError> {
        let codec = config.codec;
        if config.framing == Framing::Rtp && codec.payload_type().is_none() {
            return Err(MediaError::NoPayloadType { codec });
        }
        if !matches!(config.rate_hz, 8_000 | 16_000) {
            return Err(MediaError::Rate { rate_hz: config.rate_hz });
        }
        let longest = config.delay.max(config.delay_max);
        if longest > DELAY_MAX {
            let (delay_ms, delay_ms_max) = (longest.as_millis(), DELAY_MAX.as_millis());
            return Err(MediaError::Delay { delay_ms, delay_ms_max });
        }
        Ok(Self {
            codec,
            decoder: codec.decoder(),
            framing: config.framing,
            source: Source::default(),
            events: config.events.map(|payload_type| (payload_type, Digits::new(codec.clock_hz()))),
            anchor: None,
            cut: 0,
            transit: Transit { last: None, jitter_ns: 0.0 },
            jitter: Jitter::new(now, codec, config.delay, config.delay_max),
            plc: Plc::new(codec.rate_hz()),
            vad: Vad::new(config.vad),
            quiet_power: 0.0,
            left_out: false,
            resampler: Resampler::new(codec.rate_hz(), config.rate_hz)?,
            frame_samples: frame_samples(config.rate_hz),
            stats: EarStats::default(),
        })
    }

    /// Bytes came to the socket. Garbage is counted.
    pub fn handle_datagram(&mut self, now: Instant, datagram: &[u8]) {
        match self.framing {
            Framing::Rtp => match rtp::parse(datagram) {
                Ok((_, [])) | Err(_) => self.stats.garbage += 1,
                Ok((header, payload)) if self.codec.accepts(header.payload_type) => self.handle_packet(now, &header, payload),
                Ok((header, payload)) => self.handle_event(now, &header, payload),
            },
            Framing::Raw => self.handle_stream(now, datagram),
        }
    }

    /// Delivers every frame that is due by now, and news of keys.
    pub fn poll(&mut self, now: Instant, sink: &mut impl EarSink) {
        while self.deliver(now, sink) {}
        if let Some((_, digits)) = &mut self.events {
            while let Some(news) = digits.poll(now) {
                sink.digit(news);
            }
        }
    }

    /// When to poll next, and what for; `None` until something came.
    pub fn poll_timeout(&self) -> Option<(Instant, EarReason)> {
        let frame = self.jitter.due().map(|due| (due, EarReason::Frame));
        let digit = self.events.as_ref().and_then(|(_, digits)| digits.poll_timeout()).map(|(due, _)| (due, EarReason::Digit));
        frame.into_iter().chain(digit).min_by_key(|(due, _)| *due)
    }

    /// Our own voice: the mean square of a frame that was sent just now, so that its echo is not taken for the caller.
    pub fn handle_spoken(&mut self, power: f32) {
        self.vad.spoken(power);
    }

    /// What was counted so far.
    pub fn stats(&self) -> EarStats {
        let delay = self.jitter.delay();
        EarStats {
            delay_ms: delay.actual().as_millis() as u64,
            delay_target_ms: delay.target().as_millis() as u64,
            drift_ppm: delay.drift_ppm().map(|ppm| ppm as i32),
            ..self.stats
        }
    }

    fn handle_packet(&mut self, now: Instant, header: &Header, payload: &[u8]) {
        match self.source.accept(header) {
            Verdict::Duplicate => self.stats.duplicates += 1,
            Verdict::Stray => self.stats.stray += 1,
            Verdict::First => {
                self.transit.last = None;
                let position = self.begin(now);
                self.store_newest(now, header, position, payload);
            }
            Verdict::Ahead(missing) => {
                self.stats.lost += u64::from(missing);
                self.store_ahead(now, header, payload);
            }
            Verdict::Reordered => {
                self.stats.reordered += 1;
                self.stats.lost = self.stats.lost.saturating_sub(1);
                match self.position_of(header.timestamp) {
                    Some(position) => {
                        self.store(now, position, payload);
                    }
                    None => self.stats.late += 1,
                }
            }
        }
    }

    /// A packet that bears no sound: it counts in the sequence, and may be a key.
    fn handle_event(&mut self, now: Instant, header: &Header, payload: &[u8]) {
        let Some((_, digits)) = self.events.as_mut().filter(|(payload_type, _)| *payload_type == header.payload_type) else {
            self.stats.foreign_payload += 1;
            return;
        };
        match self.source.accept(header) {
            Verdict::Duplicate => self.stats.duplicates += 1,
            Verdict::Stray => self.stats.stray += 1,
            verdict => {
                match verdict {
                    Verdict::Ahead(missing) => self.stats.lost += u64::from(missing),
                    Verdict::Reordered => self.stats.lost = self.stats.lost.saturating_sub(1),
                    // What was heard of another source is no measure; the next sound begins its time line.
                    _ => self.anchor = None,
                }
                self.stats.events += 1;
                digits.handle_packet(now, header, payload);
            }
        }
    }

    /// A packet that follows on all others. Where its timestamp leads out of the buffer (the sender was silent without
    /// counting on, its clock is slower, it jumped), the time line begins anew with it, so that no word is lost.
    fn store_ahead(&mut self, now: Instant, header: &Header, payload: &[u8]) {
        let position = self.position_of(header.timestamp);
        // Counted once, as what becomes of it in the end.
        match position.map(|position| self.jitter.write(now, position, payload)) {
            Some(Written::Stored) => {
                self.stats.packets += 1;
                self.anchor = position.map(|at| Anchor { timestamp: header.timestamp, position: at });
            }
            Some(Written::Late | Written::Overflow) | None => {
                let position = self.begin(now);
                self.store_newest(now, header, position, payload);
            }
        }
        self.stats.jitter_us = self.transit.update(now, header.timestamp, self.codec.clock_hz());
    }

    fn store_newest(&mut self, now: Instant, header: &Header, position: u64, payload: &[u8]) {
        self.anchor = Some(Anchor { timestamp: header.timestamp, position });
        self.store(now, position, payload);
    }

    fn handle_stream(&mut self, now: Instant, bytes: &[u8]) {
        if bytes.is_empty() {
            self.stats.garbage += 1;
            return;
        }
        let position = if self.jitter.due().is_some() { self.jitter.end() } else { self.begin(now) };
        // A sample may be cut in two; wherever the stream goes on, its second half stays a second half.
        let sample_bytes = self.codec.tick_bytes() as u64;
        self.store(now, position - position % sample_bytes + self.cut, bytes);
        self.cut = (self.cut + bytes.len() as u64) % sample_bytes;
    }

    fn begin(&mut self, now: Instant) -> u64 {
        if self.jitter.due().is_some() {
            self.stats.resyncs += 1;
        }
        self.jitter.begin(now)
    }

    fn store(&mut self, now: Instant, position: u64, payload: &[u8]) -> Written {
        let written = self.jitter.write(now, position, payload);
        match written {
            Written::Stored => self.stats.packets += 1,
            Written::Late => self.stats.late += 1,
            Written::Overflow => self.stats.overflow += 1,
        }
        written
    }

    /// Where a timestamp stands on our time line; `None` before its beginning.
    fn position_of(&self, timestamp: u32) -> Option<u64> {
        let anchor = self.anchor?;
        let ticks = i64::from(timestamp.wrapping_sub(anchor.timestamp) as i32);
        anchor.position.checked_add_signed(ticks * self.codec.tick_bytes() as i64)
    }

    fn deliver(&mut self, now: Instant, sink: &mut impl EarSink) -> bool {
        if self.jitter.due().is_none_or(|due| due > now) {
            return false;
        }
        // On the stack, where a thousand ears share the lines of the nearest cache.
        let mut wire = [0; FRAME_SAMPLES_MAX];
        let wire = &mut wire[..self.codec.frame_samples()];
        let quiet = self.vad.is_quiet();
        if quiet
            && self.jitter.wish() == Wish::Longer
            && let Some(at) = self.jitter.hold(now)
        {
            self.plc.comfort(wire);
            self.stats.stretched += 1;
            self.hand_on(at, Made::Comfort, wire, sink);
            return true;
        }
        let Some(played) = self.jitter.play(now) else { return false };
        let at = played.at;
        let made = match played.what {
            What::Sound(bytes) => {
                self.decoder.decode(bytes, wire);
                if quiet && !self.left_out && self.is_dispensable(wire) {
                    self.jitter.leave_out();
                    self.stats.trimmed += 1;
                    self.left_out = true;
                    return true;
                }
                self.plc.heard(wire);
                Made::Genuine
            }
            What::Lost | What::Awaited if self.plc.missed(wire) => Made::Guess,
            What::Lost | What::Awaited => Made::Comfort,
        };
        self.left_out = false;
        self.hand_on(at, made, wire, sink);
        true
    }

    /// Whether the frame that was just decoded may be left out: the delay is longer than it need be, and it is not the beginning of a word.
    fn is_dispensable(&self, wire: &[i16]) -> bool {
        self.jitter.wish() == Wish::Shorter && !self.vad.is_voiced(mean_square(wire))
    }

    fn hand_on(&mut self, at: Instant, made: Made, wire: &[i16], sink: &mut impl EarSink) {
        let index = self.stats.frames;
        self.stats.frames += 1;
        match made {
            Made::Genuine => {}
            Made::Guess => self.stats.concealed += 1,
            Made::Comfort => self.stats.silent += 1,
        }
        let moment = Moment { at, position_ms: index * FRAME_MS };
        let judged = self.vad.push(wire, made == Made::Genuine, moment);
        if made == Made::Genuine {
            self.meter(judged.power, judged.voiced, wire);
        }
        let mut samples = [0; FRAME_SAMPLES_MAX];
        let samples = &mut samples[..self.frame_samples];
        self.resampler.process(wire, samples);
        let position = index * samples.len() as u64;
        let concealed = made == Made::Guess;
        let (samples, voiced) = (&*samples, judged.voiced);
        sink.frame(Frame { samples, wire, position, at, voiced, concealed });
        if let Some(edge) = judged.edge {
            sink.edge(edge);
        }
    }

    fn meter(&mut self, power: f32, voiced: bool, wire: &[i16]) {
        if voiced {
            let loudest = wire.iter().fold(0u16, |most, sample| most.max(sample.unsigned_abs()));
            self.stats.clipped += u64::from(loudest >= CLIPPING);
            self.stats.voiced += 1;
        } else {
            self.quiet_power += (power - self.quiet_power) / QUIET_SMOOTHING;
            self.plc.set_noise(self.quiet_power);
        }
    }
}

/// Where a frame comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Made {
    /// The far side.
    Genuine,
    /// Concealment.
    Guess,
    /// Nothing was there for too long, or the delay was made longer.
    Comfort,
}

impl Transit {
    fn update(&mut self, now: Instant, timestamp: u32, clock_hz: u32) -> u64 {
        if let Some((arrival, sent)) = self.last.replace((now, timestamp)) {
            let spacing_sent = f64::from(timestamp.wrapping_sub(sent) as i32) / f64::from(clock_hz) * 1e9;
            let spacing = now.saturating_duration_since(arrival).as_nanos() as f64;
            self.jitter_ns += ((spacing - spacing_sent).abs() - self.jitter_ns) / 16.0;
        }
        (self.jitter_ns / 1000.0) as u64
    }
}
