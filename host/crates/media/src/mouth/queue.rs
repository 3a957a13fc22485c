use super::bed::fade_out;
use super::{MouthConfig, SayError, Spoken, UtteranceTag, is_audible};
use crate::error::MediaError;
use crate::frame::frame_samples;
use crate::resample::{RATES_HZ, Resampler};
use std::collections::VecDeque;
use std::time::Duration;

/// Room kept when all was said: a second at the highest rate. A long utterance's memory is given back.
const SAMPLES_KEPT: usize = 48_000;

/// What is still to be said, changed to the codec's rate frame by frame: a minute said at once costs no long tick.
pub(super) struct Queue {
    rate_hz: u32,
    limit: Duration,
    /// Samples that may wait, whatever their rate.
    samples_max: usize,
    stretches: VecDeque<Stretch>,
    /// Samples of all stretches, in order, each at its own rate.
    samples: VecDeque<i16>,
    /// By source rate, made when first needed.
    resamplers: [Option<Resampler>; RATES_HZ.len()],
    block: Box<[i16]>,
    current: Option<Current>,
    /// Nothing is heard, so that nobody misses the silence in which the next utterance begins.
    quiet: bool,
    /// Of that silence so many samples were left out, at the codec's rate.
    left_out: u64,
    /// More is never left out.
    left_out_max: u64,
}

/// Samples of one utterance at one rate. *Invariant:* only the last one may be incomplete.
struct Stretch {
    tag: UtteranceTag,
    rate_hz: u32,
    /// How many are left.
    samples: usize,
    complete: bool,
    begun: bool,
    /// The resampler still holds the end of what was put in.
    tail: bool,
}

/// The utterance that is being played.
struct Current {
    tag: UtteranceTag,
    sent: u64,
    audible: bool,
}

/// What a frame was filled with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Filled {
    /// Samples of this utterance.
    Audio(UtteranceTag),
    /// What the resampler still had, or silence, for the open utterance has no samples.
    Starved(UtteranceTag),
    /// Nothing: there is nothing to say.
    Nothing,
}

impl Queue {
    pub(super) fn new(config: &MouthConfig) -> Self {
        let rate_hz = config.codec.rate_hz();
        Self {
            rate_hz,
            limit: config.queue_max,
            samples_max: config.queue_bytes_max / size_of::<i16>(),
            stretches: VecDeque::with_capacity(8),
            samples: VecDeque::with_capacity(rate_hz as usize),
            resamplers: [const { None }; RATES_HZ.len()],
            block: vec![0; frame_samples(RATES_HZ[RATES_HZ.len() - 1])].into(),
            current: None,
            quiet: true,
            left_out: 0,
            left_out_max: config.breath_max.as_millis() as u64 * u64::from(rate_hz) / 1_000,
        }
    }

    pub(super) fn say(&mut self, tag: UtteranceTag, rate_hz: u32, samples: &[i16]) -> Result<(), SayError> {
        self.prepare(rate_hz).map_err(|_| SayError::Rate { rate_hz })?;
        let room = self.room(rate_hz);
        if duration(samples.len(), rate_hz) > room {
            return Err(SayError::QueueFull { room });
        }
        if samples.is_empty() {
            return Ok(());
        }
        match self.stretches.back_mut() {
            Some(last) if last.tag == tag && last.rate_hz == rate_hz && !last.complete => last.samples += samples.len(),
            last => {
                last.into_iter().for_each(|last| last.complete = true);
                let samples = samples.len();
                self.stretches.push_back(Stretch { tag, rate_hz, samples, complete: false, begun: false, tail: false });
            }
        }
        self.samples.extend(samples);
        Ok(())
    }

    /// False if nothing of this utterance is here.
    pub(super) fn end(&mut self, tag: UtteranceTag) -> bool {
        let Some(last) = self.stretches.iter_mut().rfind(|stretch| stretch.tag == tag) else { return false };
        last.complete = true;
        true
    }

    /// Whether the next frame has sound.
    pub(super) fn is_ready(&self) -> bool {
        let is_there = |front: &Stretch| {
            let block = frame_samples(front.rate_hz);
            front.complete || front.samples >= if self.is_breath_over() { block } else { 2 * block }
        };
        self.stretches.front().is_some_and(is_there)
    }

    pub(super) fn queued(&self) -> Duration {
        self.stretches.iter().map(|stretch| duration(stretch.samples, stretch.rate_hz)).sum()
    }

    pub(super) fn room(&self, rate_hz: u32) -> Duration {
        let places = self.samples_max.saturating_sub(self.samples.len());
        self.limit.saturating_sub(self.queued()).min(duration(places, rate_hz))
    }

    /// Takes the next frame. Call [`Queue::settle`] after it.
    pub(super) fn fill(&mut self, frame: &mut [i16]) -> Filled {
        if self.leave_silence_out() {
            return Filled::Nothing;
        }
        let filled = self.fill_from_front(frame);
        self.quiet = filled == Filled::Nothing;
        filled
    }

    /// A voice takes its breath before the first word, and a caller who waits for an answer waits for that as well. Where nothing is heard it is left out, but
    /// for the last frame, in which a soft sound may begin. True while it is not known yet whether that is the next frame.
    fn leave_silence_out(&mut self) -> bool {
        while !self.is_breath_over() {
            let Some(front) = self.stretches.front_mut() else { return false };
            let block = frame_samples(front.rate_hz);
            if front.samples < 2 * block {
                return !front.complete;
            }
            if !is_silence(self.samples.range(block..2 * block)) {
                return false;
            }
            self.samples.drain(..block);
            front.samples -= block;
            self.left_out += block as u64 * u64::from(self.rate_hz) / u64::from(front.rate_hz);
        }
        false
    }

    /// Whether the next utterance begins with its next frame, as far as that is there.
    fn is_breath_over(&self) -> bool {
        let long = self.left_out >= self.left_out_max;
        let heard = |front: &Stretch| {
            let block = frame_samples(front.rate_hz);
            front.samples >= block && !is_silence(self.samples.range(..block))
        };
        long || !self.quiet || self.current.is_some() || self.stretches.front().is_none_or(heard)
    }

    fn fill_from_front(&mut self, frame: &mut [i16]) -> Filled {
        let Some(front) = self.stretches.front_mut() else { return Filled::Nothing };
        let (tag, block) = (front.tag, frame_samples(front.rate_hz));
        let resampler = slot_of(front.rate_hz).and_then(|slot| self.resamplers[slot].as_mut());
        if front.samples < block && !front.complete {
            if self.current.is_none() {
                return Filled::Nothing;
            }
            front.tail = false;
            match resampler {
                Some(resampler) => resampler.process(&[], frame),
                None => frame.fill(0),
            }
            return Filled::Starved(tag);
        }
        let taken = front.samples.min(block);
        for (to, from) in self.block.iter_mut().zip(self.samples.drain(..taken)) {
            *to = from;
        }
        if let Some(resampler) = resampler {
            if !front.begun {
                resampler.reset();
            }
            resampler.process(&self.block[..taken], frame);
            // The resampler is behind by its delay: what went in that long before the end of the block is out.
            front.tail = taken * frame.len() / block + resampler.delay_samples() > frame.len();
        } else {
            frame[..taken].copy_from_slice(&self.block[..taken]);
            frame[taken..].fill(0);
            if let Some(last) = taken.checked_sub(1) {
                let (said, rest) = frame.split_at_mut(taken);
                fade_out(said[last], rest, block);
            }
        }
        front.begun = true;
        front.samples -= taken;
        let sent = taken as u64 * u64::from(self.rate_hz) / u64::from(front.rate_hz);
        match &mut self.current {
            Some(current) if current.tag == tag => current.sent += sent,
            current => {
                // What was left out is over as what was heard is: words have their places behind it.
                let sent = sent + std::mem::take(&mut self.left_out);
                *current = Some(Current { tag, sent, audible: false });
            }
        }
        Filled::Audio(tag)
    }

    /// Removes what is said to the end. The next utterance that is over with it, and how many samples of it were sent.
    pub(super) fn settle(&mut self) -> Option<(UtteranceTag, u64)> {
        while let Some(front) = self.stretches.pop_front_if(|front| front.complete && front.samples == 0 && !front.tail) {
            if self.stretches.front().is_some_and(|next| next.tag == front.tag) {
                continue;
            }
            if self.stretches.is_empty() {
                self.samples.shrink_to(SAMPLES_KEPT);
            }
            let sent = self.current.take().map_or(0, |current| current.sent);
            return Some((front.tag, sent));
        }
        None
    }

    /// Marks the utterance that is being played as audible. Which one, the first time.
    pub(super) fn note_audible(&mut self) -> Option<UtteranceTag> {
        let current = self.current.as_mut()?;
        (!std::mem::replace(&mut current.audible, true)).then_some(current.tag)
    }

    /// What is being played, or would be next.
    pub(super) fn spoken(&self) -> Option<Spoken> {
        let front = self.stretches.front()?;
        let samples = self.current.as_ref().map_or(0, |current| current.sent);
        Some(Spoken { tag: front.tag, samples, rate_hz: self.rate_hz })
    }

    /// Whether an utterance was begun and is not over.
    pub(super) fn is_begun(&self) -> bool {
        self.current.is_some()
    }

    pub(super) fn clear(&mut self) {
        self.stretches.clear();
        self.samples.clear();
        self.samples.shrink_to(SAMPLES_KEPT);
        (self.current, self.left_out) = (None, 0);
    }

    fn prepare(&mut self, rate_hz: u32) -> Result<(), MediaError> {
        let slot = slot_of(rate_hz).ok_or(MediaError::Rate { rate_hz })?;
        if rate_hz != self.rate_hz && self.resamplers[slot].is_none() {
            self.resamplers[slot] = Some(Resampler::new(rate_hz, self.rate_hz)?);
        }
        Ok(())
    }
}

fn slot_of(rate_hz: u32) -> Option<usize> {
    RATES_HZ.iter().position(|&rate| rate == rate_hz)
}

/// Whether nobody hears any of it.
fn is_silence<'a>(samples: impl Iterator<Item = &'a i16>) -> bool {
    let (sum, count) = samples.fold((0.0, 0.0), |(sum, count), sample| (sum + f32::from(*sample).powi(2), count + 1.0));
    !is_audible(sum / count)
}

fn duration(samples: usize, rate_hz: u32) -> Duration {
    Duration::from_nanos(samples as u64 * 1_000_000_000 / u64::from(rate_hz))
}
