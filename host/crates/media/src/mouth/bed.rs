//! Sound under everything that is said: a hold loop, or the tone of an office, so that a caller who waits knows the line is alive.

use super::FADE_SHARE;
use std::sync::Arc;

/// Gains are in 1/4096.
const UNIT: i32 = 1 << 12;
/// From silence to full in so many frames, and back: 200 ms.
const SWELL_FRAMES: i32 = 10;

/// What a bed is made of.
#[derive(Clone, Debug)]
pub struct Bed {
    /// At the codec's rate; played again and again from the beginning.
    pub samples: Arc<[i16]>,
    /// How loud it is while nobody speaks, in dB; at most 0.
    pub gain_db: f32,
    /// How loud it is under speech, in dB; at most 0.
    pub ducked_db: f32,
}

/// A bed that is being played.
#[derive(Debug)]
pub(super) struct Playing {
    bed: Bed,
    at: usize,
    gain: i32,
    over: bool,
}

impl Playing {
    pub(super) fn new(bed: Bed) -> Self {
        Self { bed, at: 0, gain: 0, over: false }
    }

    /// Fades out, then is over.
    pub(super) fn stop(&mut self) {
        self.over = true;
    }

    /// Another bed takes over where this one fades.
    pub(super) fn is_over(&self) -> bool {
        self.bed.samples.is_empty() || self.over && self.gain == 0
    }

    /// Mixes a frame of it in. Its gain moves towards what it should be, so that nothing clicks or jumps.
    pub(super) fn mix(&mut self, frame: &mut [i16], under_speech: bool) {
        if self.bed.samples.is_empty() {
            return;
        }
        let wanted_db = if under_speech { self.bed.ducked_db } else { self.bed.gain_db };
        let wanted = if self.over { 0 } else { gain(wanted_db) };
        let step = (UNIT + SWELL_FRAMES - 1) / SWELL_FRAMES;
        let next = self.gain + (wanted - self.gain).clamp(-step, step);
        let length = frame.len() as i32;
        for (n, sample) in frame.iter_mut().enumerate() {
            let gain = self.gain + (next - self.gain) * n as i32 / length;
            let sound = i32::from(self.bed.samples[self.at]) * gain / UNIT;
            *sample = (i32::from(*sample) + sound).clamp(i16::MIN.into(), i16::MAX.into()) as i16;
            self.at = (self.at + 1) % self.bed.samples.len();
        }
        self.gain = next;
    }
}

fn gain(db: f32) -> i32 {
    (10f32.powf(db.min(0.0) / 20.0) * UNIT as f32) as i32
}

/// Leads from a sample to silence at the beginning of `rest`: a cut would click.
pub(super) fn fade_out(from: i16, rest: &mut [i16], frame: usize) {
    let ramp = (frame / FADE_SHARE).min(rest.len()) as i32;
    for (n, sample) in (0..ramp).zip(rest.iter_mut()) {
        *sample = sample.saturating_add((i32::from(from) * (ramp - 1 - n) / ramp) as i16);
    }
}

/// Leads from silence to what `frame` begins with.
pub(super) fn fade_in(frame: &mut [i16]) {
    let ramp = (frame.len() / FADE_SHARE) as i32;
    for (n, sample) in (0..ramp).zip(frame.iter_mut()) {
        *sample = (i32::from(*sample) * n / ramp) as i16;
    }
}
