//! What goes on the wire: samples in, evenly spaced datagrams out.

mod bed;
mod queue;
#[cfg(test)]
mod tests;

use crate::codec::{Codec, Encoder, Framing};
use crate::error::MediaError;
use crate::frame::FRAME_SAMPLES_MAX;
use crate::pace::{Pace, Slot};
use crate::rtp::{self, HEADER_LEN, Header};
use crate::stats::MouthStats;
use crate::vad::mean_square;
pub use bed::Bed;
use bed::{Playing, fade_in, fade_out};
use queue::{Filled, Queue};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// A frame of this level can be heard: -50 dB of full scale (RMS), 24 dB below speech (ITU-T P.56), and above the noise that synthesizers put before their
/// first word (-56 dB and less).
const AUDIBLE: f32 = 100.0 * 100.0;

const SILENCE: [i16; FRAME_SAMPLES_MAX] = [0; FRAME_SAMPLES_MAX];

/// Share of a frame in which a hushed utterance fades out: 5 ms, short for the ear and long enough not to click.
const FADE_SHARE: usize = 4;

/// Events that may wait before underruns are only counted. The others are as many as there are utterances.
const UNDERRUNS_WAITING_MAX: usize = 32;

/// How to speak.
#[derive(Clone, Copy, Debug)]
pub struct MouthConfig {
    /// What the wire carries.
    pub codec: Codec,
    /// How it is wrapped.
    pub framing: Framing,
    /// What is sent between utterances.
    pub silence: Silence,
    /// How much may wait to be said.
    pub queue_max: Duration,
    /// How many bytes of memory that may take: 16-bit samples at the rate they came in.
    pub queue_bytes_max: usize,
    /// So much of the silence in which an utterance begins is left out where nothing was heard before it. None: every sample is sent.
    pub breath_max: Duration,
}

impl MouthConfig {
    /// Nothing between utterances, 60 s of queue and 512 KiB, which is 32 s at 8 kHz and 11 at 24. A breath of 400 ms: no voice takes a longer one before its
    /// first word.
    pub fn new(codec: Codec, framing: Framing) -> Self {
        let (queue_max, queue_bytes_max, breath_max) = (Duration::from_secs(60), 512 << 10, Duration::from_millis(400));
        Self { codec, framing, silence: Silence::Nothing, queue_max, queue_bytes_max, breath_max }
    }
}

/// What is sent while there is nothing to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Silence {
    /// No packets.
    Nothing,
    /// Packets of silence, so that the far side never thinks the line dead.
    Comfort,
}

/// Where the numbers of the RTP headers begin; random ones are asked for (RFC 3550, section 5.1). Unused by [`Framing::Raw`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RtpStart {
    /// Synchronisation source.
    pub ssrc: u32,
    /// Of the first packet.
    pub sequence: u16,
    /// Of the first packet.
    pub timestamp: u32,
}

/// Whose samples. Chosen by the owner, meant to be unique on a leg.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UtteranceTag(pub u32);

/// How much of a hushed utterance was heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spoken {
    /// Which one: the one being played, or the next if none was.
    pub tag: UtteranceTag,
    /// Samples of it that were played by then, at `rate_hz`; the fade is not counted.
    pub samples: u64,
    /// The codec's rate.
    pub rate_hz: u32,
}

/// What a [`Mouth`] has to tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MouthEvent {
    /// The first packet with audible sound of an utterance was made.
    Audible {
        /// Which one.
        tag: UtteranceTag,
        /// When.
        at: Instant,
    },
    /// All samples of an ended utterance were sent. Not told of hushed ones.
    Ended {
        /// Which one.
        tag: UtteranceTag,
        /// How many, at the codec's rate.
        samples: u64,
    },
    /// An open utterance ran out of samples; silence is sent until there are more. Told once per gap.
    Underrun {
        /// Which one.
        tag: UtteranceTag,
    },
}

/// Why a [`Mouth`] wants to be polled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MouthReason {
    /// The next packet is due.
    Packet,
}

/// Why samples were not taken. None of them were.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SayError {
    /// They would not fit; try again when some were sent.
    #[error("say: the queue has room for {} ms", room.as_millis())]
    QueueFull {
        /// What would fit.
        room: Duration,
    },
    /// Not among [`RATES_HZ`](crate::resample::RATES_HZ).
    #[error("say: {rate_hz} hz is not a supported sample rate")]
    Rate {
        /// What was asked for.
        rate_hz: u32,
    },
}

impl SayError {
    /// Bounded label.
    pub fn code(&self) -> &'static str {
        match self {
            Self::QueueFull { .. } => "queue_full",
            Self::Rate { .. } => "rate",
        }
    }
}

/// The sending half of a leg.
///
/// Utterances are played one after the other, in the order in which they were first said; saying something of the next
/// one ends the one before. Packets leave on an absolute schedule of 20 ms: a stall of the owner delays what is said but
/// is never followed by a burst.
pub struct Mouth {
    codec: Codec,
    encoder: Encoder,
    rtp: Option<Stream>,
    silence: Silence,
    pace: Pace,
    queue: Queue,
    events: VecDeque<MouthEvent>,
    samples: Box<[i16]>,
    /// The last packet was nothing but silence, for which `samples` need not be touched.
    silent: bool,
    /// The last sample that was sent.
    last: i16,
    /// `samples` hold the fade of a hushed utterance, still to be sent.
    fading: bool,
    starving: bool,
    paused: bool,
    bed: Option<Playing>,
    /// Mean square of what was sent last.
    power: f32,
    /// It can be heard.
    audible: bool,
    stats: MouthStats,
}

/// What a packet holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Content {
    /// What stands in the samples.
    Sound,
    /// Nothing to be heard.
    Silence,
}

struct Stream {
    payload_type: u8,
    next: RtpStart,
    last: Option<Instant>,
}

impl Mouth {
    /// A mouth that has said nothing yet.
    pub fn new(now: Instant, config: MouthConfig, start: RtpStart) -> Result<Self, MediaError> {
        let codec = config.codec;
        let rtp = match config.framing {
            Framing::Raw => None,
            Framing::Rtp => {
                let payload_type = codec.payload_type().ok_or(MediaError::NoPayloadType { codec })?;
                Some(Stream { payload_type, next: start, last: None })
            }
        };
        Ok(Self {
            codec,
            encoder: codec.encoder(),
            rtp,
            silence: config.silence,
            pace: Pace::new(now),
            queue: Queue::new(&config),
            events: VecDeque::with_capacity(UNDERRUNS_WAITING_MAX),
            samples: vec![0; codec.frame_samples()].into(),
            silent: false,
            last: 0,
            fading: false,
            starving: false,
            paused: false,
            bed: None,
            power: 0.0,
            audible: false,
            stats: MouthStats::default(),
        })
    }

    /// Adds samples to an utterance, at 8, 16, 24 or 48 kHz. All or none are taken.
    pub fn say(&mut self, tag: UtteranceTag, rate_hz: u32, samples: &[i16]) -> Result<(), SayError> {
        self.queue.say(tag, rate_hz, samples)?;
        self.settle();
        Ok(())
    }

    /// No further samples of this utterance follow. One without any is over at once.
    pub fn end(&mut self, tag: UtteranceTag) {
        if !self.queue.end(tag) {
            self.events.push_back(MouthEvent::Ended { tag, samples: 0 });
        }
        self.settle();
    }

    /// Stops: the next packet fades out, nothing follows it, and all that waited is forgotten. Tells what was being said.
    pub fn hush(&mut self, now: Instant) -> Option<Spoken> {
        let was_silent = std::mem::take(&mut self.paused) && self.starving;
        let sent = self.queue.spoken()?;
        if sent.samples > 0 && !was_silent && matches!(self.queue.fill(&mut self.samples), Filled::Audio(_)) {
            let ramp = self.samples.len() / FADE_SHARE;
            for (n, sample) in self.samples[..ramp].iter_mut().enumerate() {
                *sample = (i32::from(*sample) * (ramp - n) as i32 / ramp as i32) as i16;
            }
            self.samples[ramp..].fill(0);
            self.fading = true;
        }
        self.queue.clear();
        self.starving = false;
        self.stats.hushed += 1;
        // The packet of this slot has left, but only a part of it was heard; what left before a pause was.
        let slot_left = if was_silent { Duration::ZERO } else { self.pace.next().saturating_duration_since(now) };
        let unheard = samples_in(slot_left, sent.rate_hz);
        Some(Spoken { samples: sent.samples.saturating_sub(unheard), ..sent })
    }

    /// Stands still within one frame, and keeps all that waits until [`go_on`](Self::go_on). What is said meanwhile waits too.
    pub fn pause(&mut self) {
        self.paused = true;
    }

    /// Goes on with the sample before which it paused.
    pub fn go_on(&mut self) {
        self.paused = false;
    }

    /// Plays this under all that is said, and where nothing is; `None` fades out what is played. A bed that follows another begins at once.
    pub fn set_bed(&mut self, bed: Option<Bed>) {
        match (bed, &mut self.bed) {
            (Some(bed), playing) => *playing = Some(Playing::new(bed)),
            (None, Some(playing)) => playing.stop(),
            (None, None) => {}
        }
    }

    /// The mean square of the samples of the last packet: what an echo would come from.
    pub fn spoken_power(&self) -> f32 {
        self.power
    }

    /// The samples of the last packet, at the codec's rate, before they were encoded; until the next order or packet.
    pub fn spoken_samples(&self) -> &[i16] {
        if self.silent { &SILENCE[..self.samples.len()] } else { &self.samples }
    }

    /// Whether the last packet can be heard.
    pub fn is_audible(&self) -> bool {
        self.audible
    }

    /// The next packet, if one is due: writes it to the front of `datagram` and returns its length. Ask until there is none.
    ///
    /// A buffer shorter than [`DATAGRAM_MAX`](crate::DATAGRAM_MAX) may be too short; then nothing is made and the packet stays due.
    pub fn poll_transmit(&mut self, now: Instant, datagram: &mut [u8]) -> Option<usize> {
        let header_len = self.rtp.as_ref().map_or(0, |_| HEADER_LEN);
        let length = header_len + self.codec.frame_bytes();
        let datagram = datagram.get_mut(..length)?;
        if !self.pace.is_due(now) {
            return None;
        }
        let content = self.fill()?;
        let slot = self.pace.take(now);
        self.stats.missed_slots += u64::from(slot.missed);
        let (header, payload) = datagram.split_at_mut(header_len);
        if let Some(rtp) = &mut self.rtp {
            header.copy_from_slice(&rtp::write(rtp.header(slot, self.codec.clock_hz())));
        }
        self.stats.packets += 1;
        self.silent = content == Content::Silence;
        if self.silent && self.encoder.is_memoryless() {
            payload.fill(self.codec.silence());
            (self.power, self.audible, self.last) = (0.0, false, 0);
        } else {
            if self.silent {
                self.samples.fill(0);
            }
            self.encoder.encode(&self.samples, payload);
            self.power = mean_square(&self.samples);
            self.audible = is_audible(self.power);
            self.last = self.samples.last().copied().unwrap_or(0);
        }
        if self.audible
            && let Some(tag) = self.queue.note_audible()
        {
            self.events.push_back(MouthEvent::Audible { tag, at: now });
        }
        self.settle();
        Some(length)
    }

    /// The next thing to tell, oldest first.
    pub fn poll_event(&mut self) -> Option<MouthEvent> {
        self.events.pop_front()
    }

    /// When to ask for the next packet, and what for; `None` while there is nothing to send.
    pub fn poll_timeout(&self) -> Option<(Instant, MouthReason)> {
        let always = self.silence == Silence::Comfort || self.bed.is_some();
        let busy = self.pace.is_running() || self.fading || always || (self.queue.is_ready() && !self.paused);
        busy.then(|| (self.pace.next(), MouthReason::Packet))
    }

    /// How much waits to be said.
    pub fn queued(&self) -> Duration {
        self.queue.queued()
    }

    /// How much more would be taken, at the codec's rate.
    pub fn room(&self) -> Duration {
        self.queue.room(self.codec.rate_hz())
    }

    /// What was counted so far.
    pub fn stats(&self) -> &MouthStats {
        &self.stats
    }

    /// Puts the next frame into `samples`, unless it is silence; `None` if nothing is to be sent in this slot.
    fn fill(&mut self) -> Option<Content> {
        let spoken = self.fill_with_speech();
        let Some(bed) = &mut self.bed else { return spoken };
        let is_speech = spoken == Some(Content::Sound);
        if !is_speech {
            self.samples.fill(0);
        }
        bed.mix(&mut self.samples, is_speech);
        if bed.is_over() {
            self.bed = None;
        }
        Some(Content::Sound)
    }

    fn fill_with_speech(&mut self) -> Option<Content> {
        if std::mem::take(&mut self.fading) {
            return Some(Content::Sound);
        }
        let starved = std::mem::take(&mut self.starving);
        if self.paused {
            return self.fill_with_pause(starved);
        }
        match self.queue.fill(&mut self.samples) {
            Filled::Audio(_) if starved => fade_in(&mut self.samples),
            Filled::Audio(_) => {}
            Filled::Starved(tag) => {
                self.starve(tag, starved);
                if !starved && self.samples.iter().all(|sample| *sample == 0) {
                    let frame = self.samples.len();
                    fade_out(self.last, &mut self.samples, frame);
                }
            }
            Filled::Nothing if self.silence == Silence::Nothing => {
                if self.bed.is_none() {
                    self.pace.rest();
                }
                return None;
            }
            Filled::Nothing => return Some(Content::Silence),
        }
        Some(Content::Sound)
    }

    /// The frame in which it stands still leads to silence; the samples that wait are not touched.
    fn fill_with_pause(&mut self, silent: bool) -> Option<Content> {
        if self.queue.is_begun() {
            self.starving = true;
            if !silent {
                self.samples.fill(0);
                let frame = self.samples.len();
                fade_out(self.last, &mut self.samples, frame);
                return Some(Content::Sound);
            }
        } else if self.silence == Silence::Nothing {
            if self.bed.is_none() {
                self.pace.rest();
            }
            return None;
        }
        Some(Content::Silence)
    }

    fn starve(&mut self, tag: UtteranceTag, starved: bool) {
        self.stats.underrun_slots += 1;
        self.starving = true;
        if !starved && self.events.len() < UNDERRUNS_WAITING_MAX {
            self.events.push_back(MouthEvent::Underrun { tag });
        }
    }

    fn settle(&mut self) {
        while let Some((tag, samples)) = self.queue.settle() {
            self.stats.utterances += 1;
            self.events.push_back(MouthEvent::Ended { tag, samples });
        }
    }
}

/// Whether somebody hears a frame of this mean square.
fn is_audible(mean_square: f32) -> bool {
    mean_square >= AUDIBLE
}

impl Stream {
    /// Timestamps follow the clock, also over pauses (RFC 3550, section 5.1).
    fn header(&mut self, slot: Slot, clock_hz: u32) -> Header {
        if let Some(last) = self.last.replace(slot.at) {
            let passed = samples_in(slot.at.saturating_duration_since(last), clock_hz);
            self.next.timestamp = self.next.timestamp.wrapping_add(passed as u32);
        }
        let RtpStart { ssrc, sequence, timestamp } = self.next;
        self.next.sequence = sequence.wrapping_add(1);
        Header { marker: slot.fresh, payload_type: self.payload_type, sequence, timestamp, ssrc }
    }
}

fn samples_in(duration: Duration, rate_hz: u32) -> u64 {
    (duration.as_nanos() * u128::from(rate_hz) / 1_000_000_000) as u64
}
