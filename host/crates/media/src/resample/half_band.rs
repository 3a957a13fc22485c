//! Twice the rate and half the rate by a filter of which every other tap is zero.
//!
//! An even number of taps at the lower rate, the same from both ends, makes the samples that stand between two others; the samples that
//! are there already pass as they are. All sums run over fixed arrays, eight samples side by side, so that the compiler vectorises them.

/// Samples of 20 ms at the lower rate, 8 kHz.
const LOW: usize = 160;
const HIGH: usize = 2 * LOW;

/// Half of the taps, outermost first; the other half is their mirror image. As a half-band filter at the higher rate they are 63 taps, 30 of
/// them zero and one in the middle a half. Designed by the exchange of Parks and McClellan (IEEE Trans. Circuit Theory, 1973) for the least
/// greatest error from 0 to 3.5 kHz at 16 kHz, which for a half-band filter is the same error from 4.5 to 8 kHz: -69.6 dB.
const TAPS: [f32; 16] = [
    -0.000_752_744,
    0.001_233_019,
    -0.002_190_84,
    0.003_588_137,
    -0.005_548_131,
    0.008_218_443,
    -0.011_779_706,
    0.016_466_922,
    -0.022_607_458,
    0.030_698_393,
    -0.041_572_917,
    0.056_791_346,
    -0.079_704_952,
    0.119_075_309,
    -0.207_167_22,
    0.634_924_7,
];

/// Samples before the newest that a sum reaches back to.
const REACH: usize = 2 * TAPS.len() - 1;
/// The middle of the taps lies between this many samples and one more.
const MIDDLE: usize = TAPS.len() - 1;
/// Sums that are made side by side: more do not fit the registers of the oldest processor of the architecture.
const LANES: usize = 8;

/// Samples by which the sound is delayed at the higher rate when doubled.
pub(super) const UP_DELAY: usize = REACH;
/// Samples by which the sound is delayed at the lower rate when halved.
pub(super) const DOWN_DELAY: usize = MIDDLE;

/// 8 kHz to 16 kHz.
pub(super) struct Up {
    past: [i16; REACH],
}

/// 16 kHz to 8 kHz.
pub(super) struct Down {
    /// Of every pair of samples the second.
    past: [i16; REACH],
    /// Of every pair of samples the first: only the one in the middle is wanted.
    past_middle: [i16; MIDDLE],
}

impl Up {
    pub(super) const fn new() -> Self {
        Self { past: [0; REACH] }
    }

    pub(super) fn process(&mut self, input: &[i16; LOW], output: &mut [i16; HIGH]) {
        let line = Line::new(&self.past, input.iter().copied());
        let between = line.between();
        let (pairs, _) = output.as_chunks_mut::<2>();
        let middle = &line.0[MIDDLE + 1..][..LOW];
        for ((pair, between), &there) in pairs.iter_mut().zip(between).zip(middle) {
            *pair = [to_sample(between), there as i16];
        }
        self.past.copy_from_slice(&input[LOW - REACH..]);
    }
}

impl Down {
    pub(super) const fn new() -> Self {
        Self { past: [0; REACH], past_middle: [0; MIDDLE] }
    }

    pub(super) fn process(&mut self, input: &[i16; HIGH], output: &mut [i16; LOW]) {
        let (pairs, _) = input.as_chunks::<2>();
        let line = Line::new(&self.past, pairs.iter().map(|pair| pair[1]));
        let mut middle = [0.0; MIDDLE + LOW];
        for (to, &from) in middle[..MIDDLE].iter_mut().zip(&self.past_middle) {
            *to = f32::from(from);
        }
        for (to, pair) in middle[MIDDLE..].iter_mut().zip(pairs) {
            *to = f32::from(pair[0]);
        }
        for ((to, between), there) in output.iter_mut().zip(line.between()).zip(middle) {
            *to = to_sample(0.5 * (between + there));
        }
        for (to, pair) in self.past.iter_mut().zip(&pairs[LOW - REACH..]) {
            *to = pair[1];
        }
        for (to, pair) in self.past_middle.iter_mut().zip(&pairs[LOW - MIDDLE..]) {
            *to = pair[0];
        }
    }
}

/// 20 ms at the lower rate and what of before is still needed.
struct Line([f32; REACH + LOW]);

impl Line {
    fn new(past: &[i16; REACH], frame: impl Iterator<Item = i16>) -> Self {
        let mut line = [0.0; REACH + LOW];
        for (to, &from) in line[..REACH].iter_mut().zip(past) {
            *to = f32::from(from);
        }
        for (to, from) in line[REACH..].iter_mut().zip(frame) {
            *to = f32::from(from);
        }
        Self(line)
    }

    /// The samples that stand half way between two others.
    fn between(&self) -> [f32; LOW] {
        let mut sums = [0.0; LOW];
        let (blocks, _) = sums.as_chunks_mut::<LANES>();
        for (n, sums) in blocks.iter_mut().enumerate() {
            let span = &self.0[n * LANES..][..REACH + LANES];
            for (i, tap) in TAPS.iter().enumerate() {
                let (early, late) = (&span[i..][..LANES], &span[REACH - i..][..LANES]);
                for lane in 0..LANES {
                    sums[lane] += tap * (early[lane] + late[lane]);
                }
            }
        }
        sums
    }
}

/// The nearest sample; what is too loud is clipped.
pub(super) fn to_sample(value: f32) -> i16 {
    // From here on a float's neighbours are whole numbers, and its last bits are the number. No processor lacks this addition, while
    // rounding is a call of a function on those without SSE4.1.
    const WHOLE: f32 = 12_582_912.0;
    (value.clamp(f32::from(i16::MIN), f32::from(i16::MAX)) + WHOLE).to_bits() as i16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearest_sample_is_taken_and_loud_ones_are_clipped() {
        for (value, sample) in [
            (0.0, 0),
            (-0.4, 0),
            (0.6, 1),
            (-0.6, -1),
            (1.5, 2),
            (2.5, 2),
            (-1_234.4, -1_234),
            (32_766.6, i16::MAX),
            (32_767.6, i16::MAX),
            (1e9, i16::MAX),
            (-32_767.4, -32_767),
            (-32_767.6, i16::MIN),
            (-32_769.0, i16::MIN),
            (-1e9, i16::MIN),
        ] {
            assert_eq!(to_sample(value), sample, "{value}");
        }
        for sample in i16::MIN..=i16::MAX {
            assert_eq!(to_sample(f32::from(sample)), sample);
        }
    }

    #[test]
    fn samples_that_are_there_already_pass_as_they_are() {
        let input: [i16; LOW] = std::array::from_fn(|n| (n as i16).wrapping_mul(20_011));
        let (mut up, mut output) = (Up::new(), [0; HIGH]);
        up.process(&input, &mut output);
        for n in 0..LOW - MIDDLE {
            assert_eq!(output[2 * n + UP_DELAY], input[n]);
        }
    }
}
