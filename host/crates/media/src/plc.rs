//! Concealment of lost frames: the last pitch period is repeated and faded out, after the idea of ITU-T G.711 appendix I.

/// Frames that are made up in a row: 60 ms. Longer guesses sound like a machine.
const CONCEALED_MAX: u32 = 3;

/// Pitch between 66 and 400 Hz.
const LAG_MIN_PER_S: u32 = 400;
const LAG_MAX_PER_S: u32 = 66;

/// The last two frames and how far they have been repeated.
#[derive(Debug)]
pub(crate) struct Plc {
    /// *Invariant:* two frames, the newest sample last.
    history: Box<[i16]>,
    lag_range: (usize, usize),
    lag: usize,
    phase: usize,
    missing: u32,
}

impl Plc {
    pub(crate) fn new(rate_hz: u32) -> Self {
        let frame = crate::frame::frame_samples(rate_hz);
        let lag_range = ((rate_hz / LAG_MIN_PER_S) as usize, (rate_hz / LAG_MAX_PER_S) as usize);
        Self { history: vec![0; 2 * frame].into(), lag_range, lag: frame, phase: 0, missing: 0 }
    }

    /// A frame came: remembers it, and leads over to it if the one before was made up.
    pub(crate) fn heard(&mut self, samples: &mut [i16]) {
        if self.missing > 0 && self.missing <= CONCEALED_MAX {
            // A jump from the guess to the truth is a click: cross over within an eighth of a frame.
            let (length, gain) = (samples.len() / 8, fade(self.missing));
            for (n, sample) in samples[..length].iter_mut().enumerate() {
                let truth = n as f32 / length as f32;
                *sample = (f32::from(*sample) * truth + self.guess() * gain * (1.0 - truth)) as i16;
            }
        }
        self.missing = 0;
        self.remember(samples);
    }

    /// No frame came: fills in a guess and says true, or silence when it has been too long.
    pub(crate) fn missed(&mut self, samples: &mut [i16]) -> bool {
        if self.missing == CONCEALED_MAX {
            samples.fill(0);
            return false;
        }
        if self.missing == 0 {
            self.lag = self.pitch();
            self.phase = 0;
        }
        let (from, to) = (fade(self.missing), fade(self.missing + 1));
        let length = samples.len() as f32;
        for (n, sample) in samples.iter_mut().enumerate() {
            *sample = (self.guess() * (from + (to - from) * n as f32 / length)) as i16;
        }
        self.missing += 1;
        true
    }

    fn guess(&mut self) -> f32 {
        let sample = self.history[self.history.len() - self.lag + self.phase];
        self.phase = (self.phase + 1) % self.lag;
        f32::from(sample)
    }

    fn remember(&mut self, samples: &[i16]) {
        let frame = self.history.len() / 2;
        self.history.copy_within(frame.., 0);
        self.history[frame..].copy_from_slice(&samples[..frame]);
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::f32::consts::TAU;

    const FRAME: usize = 160;

    fn tone(start: usize) -> [i16; FRAME] {
        std::array::from_fn(|n| ((start + n) as f32 * TAU * 200.0 / 8000.0).sin().mul_add(10_000.0, 0.0) as i16)
    }

    #[test]
    fn lost_frame_of_a_voice_goes_on_in_phase_without_a_click() {
        let mut plc = Plc::new(8_000);
        let mut line = Vec::new();
        for frame in 0..8 {
            let mut samples = tone(frame * FRAME);
            if frame == 4 || frame == 5 {
                assert!(plc.missed(&mut samples));
            } else {
                plc.heard(&mut samples);
            }
            line.extend(samples);
        }
        let steepest = line.windows(2).map(|pair| (i32::from(pair[1]) - i32::from(pair[0])).abs()).max();
        // The tone's own steepest step is 10 000 * tau * 200 / 8000 = 1571.
        assert!(steepest <= Some(1_900), "{steepest:?}");
        assert!(line[4 * FRAME..5 * FRAME].iter().any(|sample| sample.abs() > 8_000), "first guess is loud");
    }

    #[test]
    fn guess_fades_out_within_60_ms_and_then_is_silence() {
        let mut plc = Plc::new(8_000);
        plc.heard(&mut tone(0));
        plc.heard(&mut tone(FRAME));
        let peaks: Vec<(bool, i16)> = (0..4)
            .map(|_| {
                let mut samples = [99; FRAME];
                let guessed = plc.missed(&mut samples);
                (guessed, samples.iter().map(|sample| sample.abs()).max().unwrap())
            })
            .collect();
        assert!(peaks[0].1 > peaks[1].1 && peaks[1].1 > peaks[2].1, "{peaks:?}");
        assert_eq!(peaks[3], (false, 0));
    }
}
