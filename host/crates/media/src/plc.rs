//! Concealment of lost frames: the last pitch period is repeated and faded out, after the idea of ITU-T G.711 appendix I; then comfort noise as
//! loud as the caller's room.

/// Frames that are made up in a row: 60 ms. Longer guesses sound like a machine.
const CONCEALED_MAX: u32 = 3;

/// Pitch between 66 and 400 Hz.
const LAG_MIN_PER_S: u32 = 400;
const LAG_MAX_PER_S: u32 = 66;

/// Share of a frame over which a guess leads over to the truth: a jump would be a click.
const LEAD_OVER_SHARE: usize = 8;

/// The last two frames and how far they have been repeated.
#[derive(Debug)]
pub(crate) struct Plc {
    /// *Invariant:* two frames. Each new one takes the place of the older, so that remembering moves nothing; they are put in order when a frame
    /// is missed.
    history: Box<[i16]>,
    /// The newest frame stands in the front half.
    newest_first: bool,
    lag_range: (usize, usize),
    lag: usize,
    phase: usize,
    missing: u32,
    noise: Noise,
}

impl Plc {
    pub(crate) fn new(rate_hz: u32) -> Self {
        let frame = crate::frame::frame_samples(rate_hz);
        let lag_range = ((rate_hz / LAG_MIN_PER_S) as usize, (rate_hz / LAG_MAX_PER_S) as usize);
        Self {
            history: vec![0; 2 * frame].into(),
            newest_first: false,
            lag_range,
            lag: frame,
            phase: 0,
            missing: 0,
            noise: Noise::default(),
        }
    }

    /// How loud comfort noise is to be, as a mean square.
    pub(crate) fn set_noise(&mut self, power: f32) {
        self.noise.rms = power.sqrt();
    }

    /// A frame came: remembers it, and leads over to it if the one before was made up.
    pub(crate) fn heard(&mut self, samples: &mut [i16]) {
        if self.missing > 0 {
            let (length, gain) = (samples.len() / LEAD_OVER_SHARE, fade(self.missing));
            for (n, sample) in samples[..length].iter_mut().enumerate() {
                let truth = n as f32 / length as f32;
                *sample = (f32::from(*sample) * truth + self.made_up(gain) * (1.0 - truth)) as i16;
            }
        }
        self.missing = 0;
        self.remember(samples);
    }

    /// No frame came: fills in a guess and says true, or comfort noise when it has been too long.
    pub(crate) fn missed(&mut self, samples: &mut [i16]) -> bool {
        if self.missing == 0 {
            self.put_in_order();
            self.lag = self.pitch();
            self.phase = 0;
        }
        let (from, to) = (fade(self.missing), fade(self.missing + 1));
        let length = samples.len() as f32;
        for (n, sample) in samples.iter_mut().enumerate() {
            *sample = self.made_up(from + (to - from) * n as f32 / length) as i16;
        }
        let guessed = self.missing < CONCEALED_MAX;
        self.missing = (self.missing + 1).min(CONCEALED_MAX + 1);
        guessed
    }

    /// A frame of nothing but comfort noise, where nobody speaks and nothing is missing.
    pub(crate) fn comfort(&mut self, samples: &mut [i16]) {
        samples.iter_mut().for_each(|sample| *sample = self.noise.next() as i16);
        self.missing = CONCEALED_MAX + 1;
    }

    fn made_up(&mut self, gain: f32) -> f32 {
        let noise = self.noise.next() * (1.0 - gain);
        if gain > 0.0 { self.guess() * gain + noise } else { noise }
    }

    fn guess(&mut self) -> f32 {
        let sample = self.history[self.history.len() - self.lag + self.phase];
        self.phase = (self.phase + 1) % self.lag;
        f32::from(sample)
    }

    fn remember(&mut self, samples: &[i16]) {
        let frame = self.history.len() / 2;
        let (first, second) = self.history.split_at_mut(frame);
        let oldest = if self.newest_first { second } else { first };
        oldest.copy_from_slice(&samples[..frame]);
        self.newest_first = !self.newest_first;
    }

    /// The newest sample last.
    fn put_in_order(&mut self) {
        if std::mem::take(&mut self.newest_first) {
            let frame = self.history.len() / 2;
            self.history.rotate_left(frame);
        }
    }

    /// The lag at which the last 10 ms resemble what was before them most.
    fn pitch(&self) -> usize {
        let end = self.history.len();
        let length = end / 4;
        let recent = &self.history[end - length..];
        let score = |lag: usize| {
            let earlier = &self.history[end - length - lag..end - lag];
            let (mut product, mut energy) = (0.0f32, 1.0f32);
            for (&a, &b) in recent.iter().zip(earlier) {
                product += f32::from(a) * f32::from(b);
                energy += f32::from(b) * f32::from(b);
            }
            product / energy.sqrt()
        };
        let (min, max) = self.lag_range;
        let best = (min..=max).map(|lag| (score(lag), lag)).max_by(|a, b| a.0.total_cmp(&b.0));
        best.map_or(max, |(_, lag)| lag)
    }
}

/// Gain after so many made-up frames: full, two thirds, one third, none.
fn fade(frames: u32) -> f32 {
    1.0 - frames.min(CONCEALED_MAX) as f32 / CONCEALED_MAX as f32
}

/// Noise of a room: duller than white.
#[derive(Debug, Default)]
struct Noise {
    rms: f32,
    state: u32,
    last: f32,
}

impl Noise {
    fn next(&mut self) -> f32 {
        // Any sequence without an audible period will do (Numerical Recipes, section 7.1).
        self.state = self.state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let white = (self.state >> 8) as f32 / (1u32 << 23) as f32 - 1.0;
        // The mean of two neighbours has a third of the power of what it is made of here: white has one third of its peak's square, the filter
        // leaves a third of that.
        self.last += (white - self.last) / 2.0;
        self.last * 3.0 * self.rms
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::f32::consts::TAU;

    const FRAME: usize = 160;

    fn tone(start: usize) -> [i16; FRAME] {
        std::array::from_fn(|n| ((start + n) as f32 * TAU * 200.0 / 8000.0).sin().mul_add(10_000.0, 0.0) as i16)
    }

    fn steepest(line: &[i16]) -> i32 {
        line.windows(2).map(|pair| (i32::from(pair[1]) - i32::from(pair[0])).abs()).max().unwrap()
    }

    #[test]
    fn lost_frame_of_a_voice_goes_on_in_phase_without_a_click() {
        // No frame begins as another does.
        let voice = |start: usize| -> [i16; FRAME] {
            std::array::from_fn(|n| ((start + n) as f32 / 43.0 * TAU).sin().mul_add(10_000.0, 0.0) as i16)
        };
        // After an even number of frames and after an odd one: the history stands the other way round.
        for first in [3, 4] {
            let mut plc = Plc::new(8_000);
            let mut line = Vec::new();
            for frame in 0..8 {
                let mut samples = voice(frame * FRAME);
                if frame == first || frame == first + 1 {
                    assert!(plc.missed(&mut samples));
                } else {
                    plc.heard(&mut samples);
                }
                line.extend(samples);
            }
            // The voice's own steepest step is 10 000 * tau / 43 = 1461.
            assert!(steepest(&line) <= 1_900, "{}", steepest(&line));
            assert!(line[first * FRAME..][..FRAME].iter().any(|sample| sample.abs() > 8_000), "first guess is loud");
        }
    }

    #[test]
    fn guess_fades_out_within_60_ms_and_then_is_the_rooms_noise() {
        let peaks = |power: f32| -> Vec<(bool, i16)> {
            let mut plc = Plc::new(8_000);
            plc.set_noise(power);
            plc.heard(&mut tone(0));
            plc.heard(&mut tone(FRAME));
            let mut missed = || {
                let mut samples = [99; FRAME];
                let guessed = plc.missed(&mut samples);
                (guessed, samples.iter().map(|sample| sample.abs()).max().unwrap())
            };
            (0..5).map(|_| missed()).collect()
        };
        let silent = peaks(0.0);
        assert!(silent[0].1 > silent[1].1 && silent[1].1 > silent[2].1, "{silent:?}");
        assert_eq!(silent[3..], [(false, 0), (false, 0)]);
        assert!(peaks(100.0)[3..].iter().all(|(guessed, peak)| !guessed && (10..=30).contains(peak)));
    }

    #[test]
    fn comfort_noise_is_as_loud_as_it_was_told_to_be() {
        let mut plc = Plc::new(8_000);
        plc.set_noise(100.0 * 100.0);
        let mut line = [0; 16_000];
        plc.comfort(&mut line);
        let power = line.iter().map(|sample| f64::from(*sample).powi(2)).sum::<f64>() / 16_000.0;
        assert!((power.sqrt() - 100.0).abs() < 5.0, "{}", power.sqrt());
    }

    #[test]
    fn voice_that_comes_back_after_a_long_gap_does_not_click() {
        let mut plc = Plc::new(8_000);
        plc.set_noise(100.0);
        let mut line = Vec::new();
        for frame in 0..12 {
            let mut samples = tone(frame * FRAME + 10);
            if (3..9).contains(&frame) {
                plc.missed(&mut samples);
            } else {
                plc.heard(&mut samples);
            }
            line.extend(samples);
        }
        assert!(steepest(&line) <= 1_900, "{}", steepest(&line));
    }
}
