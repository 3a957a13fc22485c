//! Sample rates changed piece by piece, without a seam: a polyphase low-pass (Kaiser window, 60 dB) in whole numbers.
//!
//! The pass band ends at 85 % of the narrower half rate and the stop band begins at 115 % of it: for 8 kHz at 3.4 and 4.6 kHz, where the masks of
//! ITU-T G.712 have them, too. What aliases comes to lie above the telephone's 3.4 kHz.

mod lanes;

use lanes::{LANES, Sums};
use std::f64::consts::PI;

/// Both rates must be at most this.
const RATE_HZ_MAX: u32 = 48_000;
/// Both rates in their lowest terms must be at most this. The table has 24 to 48 coefficients for each part of the larger one, whatever the
/// rates are: 45 KB and a millisecond to make it. From 22050 to 16000 Hz it is 441.
const PARTS_MAX: usize = 480;
/// Attenuation of the stop band in dB.
const STOP_DB: f64 = 60.0;
/// Of the narrower half rate: how wide the filter's slope is, and where its middle lies. From 24 to 8 kHz it takes 72 coefficients; to begin
/// the stop band at 4.2 kHz would take 104, to keep from aliasing what no telephone passes.
const SLOPE: f64 = 0.3025;
const MIDDLE: f64 = 1.0;
/// Coefficients are multiples of 2^-14: no sum of products of 16 bits overflows 32.
const ONE: f64 = 16_384.0;
const HALF: i32 = 1 << 13;

/// A rate that is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a rate is zero or above 48000 Hz, or the two have too little in common")]
pub struct RateError;

/// One stream. Sound comes out where it went in: the filter's delay is made up for at the beginning and by [`finish`](Self::finish).
#[derive(Clone, Debug)]
pub struct Resampler {
    up: usize,
    down: usize,
    /// Coefficients of one phase; 0 where both rates are equal and nothing is to be done.
    taps: usize,
    /// By phase, each in the order of the samples.
    table: Vec<i16>,
    /// Samples that still count; the first is the next window's.
    waiting: Vec<i16>,
    phase: usize,
    taken: u64,
    given: u64,
}

impl Resampler {
    /// From one rate to another.
    ///
    /// # Errors
    /// See [`RateError`].
    pub fn new(from_hz: u32, to_hz: u32) -> Result<Self, RateError> {
        if [from_hz, to_hz].iter().any(|rate| *rate == 0 || *rate > RATE_HZ_MAX) {
            return Err(RateError);
        }
        let divisor = gcd(from_hz, to_hz);
        let (up, down) = ((to_hz / divisor) as usize, (from_hz / divisor) as usize);
        if up.max(down) > PARTS_MAX {
            return Err(RateError);
        }
        let (taps, table) = if up == down { (0, Vec::new()) } else { filter(from_hz, to_hz, up) };
        let mut made = Self { up, down, taps, table, waiting: Vec::new(), phase: 0, taken: 0, given: 0 };
        made.reset();
        Ok(made)
    }

    /// More of the stream: appends what can be said of it.
    pub fn push(&mut self, samples: &[i16], out: &mut Vec<i16>) {
        self.take(samples.iter().copied(), out);
    }

    /// The same of samples as bytes, the lower one first; half a sample at the end is left out.
    pub fn push_bytes(&mut self, samples: &[u8], out: &mut Vec<i16>) {
        self.take(samples.as_chunks().0.iter().copied().map(i16::from_le_bytes), out);
    }

    fn take(&mut self, samples: impl ExactSizeIterator<Item = i16>, out: &mut Vec<i16>) {
        self.taken += samples.len() as u64;
        if self.taps == 0 {
            return out.extend(samples);
        }
        self.waiting.extend(samples);
        let before = out.len();
        let start;
        (start, self.phase) = run(&self.table, &self.waiting, self.taps, (self.up, self.down), self.phase, out);
        self.waiting.drain(..start.min(self.waiting.len()));
        self.given += (out.len() - before) as u64;
    }

    /// The stream ends: appends the rest. In all there are as many samples as the sound is long, rounded up. What follows is another stream.
    pub fn finish(&mut self, out: &mut Vec<i16>) {
        if self.taps > 0 {
            let owed = (self.taken * self.up as u64).div_ceil(self.down as u64);
            let before = out.len();
            let owed = usize::try_from(owed - self.given.min(owed)).unwrap_or_default();
            self.push(&vec![0; self.taps / 2], out);
            out.truncate(before + owed);
        }
        self.reset();
    }

    /// Forgets the stream.
    pub fn reset(&mut self) {
        self.waiting.clear();
        self.waiting.resize(self.taps / 2, 0);
        (self.phase, self.taken, self.given) = (self.up - 1, 0, 0);
    }
}

/// As many samples as whole windows are there; answers where the next window begins, and its phase.
#[cfg_attr(target_arch = "wasm32", target_feature(enable = "simd128"))]
fn run(
    table: &[i16],
    samples: &[i16],
    taps: usize,
    (up, down): (usize, usize),
    mut phase: usize,
    out: &mut Vec<i16>,
) -> (usize, usize) {
    let mut start = 0;
    // Four of each phase at a time: weights are the larger part of what is read.
    while let Some(block) = samples.get(start..start + taps + 4 * down) {
        let from = out.len();
        out.resize(from + 4 * up, 0);
        for nth in 0..up {
            let at = phase + nth * down;
            let sums = four(&block[at / up..], down, &table[at % up * taps..][..taps]);
            sums.into_iter().enumerate().for_each(|(later, sum)| out[from + nth + later * up] = rounded(sum));
        }
        start += 4 * down;
    }
    while let Some(window) = samples.get(start..start + taps) {
        out.push(rounded(weighted(window, &table[phase * taps..][..taps])));
        phase += down;
        start += phase / up;
        phase %= up;
    }
    (start, phase)
}

fn rounded(sum: i32) -> i16 {
    ((sum + HALF) >> 14).clamp(i32::from(i16::MIN), i32::from(i16::MAX)) as i16
}

/// The sum of samples times weights.
#[cfg_attr(target_arch = "wasm32", target_feature(enable = "simd128"))]
fn weighted(samples: &[i16], weights: &[i16]) -> i32 {
    let mut sums = Sums::none();
    for (samples, weights) in samples.as_chunks().0.iter().zip(weights.as_chunks().0) {
        sums = sums.and(samples, weights);
    }
    sums.total()
}

/// The same for four windows, each so many samples behind the one before.
#[cfg_attr(target_arch = "wasm32", target_feature(enable = "simd128"))]
fn four(samples: &[i16], apart: usize, weights: &[i16]) -> [i32; 4] {
    let [a, b, c, d] = [0, 1, 2, 3].map(|nth| samples[nth * apart..][..weights.len()].as_chunks().0);
    let mut sums = [Sums::none(); 4];
    for ((((weights, a), b), c), d) in weights.as_chunks().0.iter().zip(a).zip(b).zip(c).zip(d) {
        sums = [sums[0].and(a, weights), sums[1].and(b, weights), sums[2].and(c, weights), sums[3].and(d, weights)];
    }
    sums.map(|sums| sums.total())
}

/// A windowed sinc at the rate between both, cut into phases. Its length is odd, so that its middle lies on a sample.
fn filter(from_hz: u32, to_hz: u32, up: usize) -> (usize, Vec<i16>) {
    let between_hz = f64::from(from_hz) * up as f64;
    let narrow_hz = f64::from(from_hz.min(to_hz)) / 2.0;
    let length = (STOP_DB - 8.0) / (2.285 * 2.0 * PI * SLOPE * narrow_hz / between_hz);
    let taps = ((length / up as f64 / LANES as f64).ceil() as usize).max(1) * LANES;
    let middle = (up * taps / 2) as f64 - 1.0;
    let cutoff = 2.0 * MIDDLE * narrow_hz / between_hz;
    let beta = 0.1102 * (STOP_DB - 8.7);
    let highest = bessel(beta);
    let weight = |at: usize| {
        let x = at as f64 - middle;
        let sinc = if x == 0.0 { cutoff } else { (PI * cutoff * x).sin() / (PI * x) };
        let edge = (1.0 - (x / (middle + 1.0)).powi(2)).max(0.0);
        sinc * bessel(beta * edge.sqrt()) / highest
    };
    let mut table = Vec::with_capacity(up * taps);
    for phase in 0..up {
        let weights: Vec<f64> = (0..taps).rev().map(|nth| weight(phase + up * nth)).collect();
        // Each phase passes a constant as it is: no hum of the filter's own.
        let sum: f64 = weights.iter().sum();
        table.extend(weights.iter().map(|weight| (weight / sum * ONE).round() as i16));
    }
    (taps, table)
}

/// Modified Bessel function of the first kind, order zero.
fn bessel(x: f64) -> f64 {
    let (mut sum, mut term) = (1.0, 1.0);
    for k in 1..25 {
        term *= (x / 2.0 / f64::from(k)).powi(2);
        sum += term;
    }
    sum
}

fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATES: [(u32, u32); 9] = [
        (24_000, 8000),
        (24_000, 16_000),
        (24_000, 48_000),
        (24_000, 24_000),
        (8000, 24_000),
        (16_000, 24_000),
        (22_050, 8000),
        (22_050, 16_000),
        (48_000, 8000),
    ];

    fn tone(hz: f64, rate_hz: u32, samples: usize) -> Vec<i16> {
        (0..samples).map(|n| ((2.0 * PI * hz * n as f64 / f64::from(rate_hz)).sin() * 16_000.0).round() as i16).collect()
    }

    fn converted(from_hz: u32, to_hz: u32, samples: &[i16], piece: usize) -> Vec<i16> {
        let mut resampler = Resampler::new(from_hz, to_hz).unwrap();
        let mut out = Vec::new();
        samples.chunks(piece).for_each(|piece| resampler.push(piece, &mut out));
        resampler.finish(&mut out);
        out
    }

    /// Root of the mean square in dB against the tone's, without the edges.
    fn level_db(samples: &[i16]) -> f64 {
        let inner = &samples[samples.len() / 4..samples.len() / 4 * 3];
        let square: f64 = inner.iter().map(|sample| f64::from(*sample).powi(2)).sum::<f64>() / inner.len() as f64;
        10.0 * (square / (16_000f64.powi(2) / 2.0)).max(1e-12).log10()
    }

    #[test]
    fn sound_is_as_long_as_before_however_it_is_cut() {
        for (from_hz, to_hz) in RATES {
            for length in [0, 1, 7, 480, 2401] {
                let samples = tone(440.0, from_hz, length);
                let whole = converted(from_hz, to_hz, &samples, usize::MAX);
                assert_eq!(
                    whole.len() as u64,
                    (length as u64 * u64::from(to_hz)).div_ceil(u64::from(from_hz)),
                    "{from_hz} {to_hz} {length}"
                );
                for piece in [1, 13, 480] {
                    assert_eq!(converted(from_hz, to_hz, &samples, piece), whole, "{from_hz} {to_hz} in pieces of {piece}");
                }
            }
        }
    }

    #[test]
    fn bytes_are_the_same_sound_as_their_samples() {
        for (from_hz, to_hz) in [(24_000, 8000), (24_000, 24_000)] {
            let samples = tone(440.0, from_hz, 481);
            let mut bytes: Vec<u8> = samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
            bytes.push(7);
            let mut resampler = Resampler::new(from_hz, to_hz).unwrap();
            let mut out = Vec::new();
            resampler.push_bytes(&bytes, &mut out);
            resampler.finish(&mut out);
            assert_eq!(out, converted(from_hz, to_hz, &samples, usize::MAX), "{from_hz} {to_hz}");
        }
    }

    #[test]
    fn speech_passes_and_stands_where_it_stood() {
        for (from_hz, to_hz) in RATES {
            let narrow = f64::from(from_hz.min(to_hz)) / 2.0;
            for hz in [300.0, 1000.0, 0.85 * narrow] {
                let (was, is) = (tone(hz, from_hz, from_hz as usize), tone(hz, to_hz, to_hz as usize));
                let out = converted(from_hz, to_hz, &was, 480);
                assert!(level_db(&out).abs() < 0.5, "{from_hz} {to_hz} {hz}: {} dB", level_db(&out));
                let error: Vec<i16> = out.iter().zip(&is).map(|(out, is)| out - is).collect();
                assert!(
                    level_db(&error) < if hz < 1001.0 { -50.0 } else { -25.0 },
                    "{from_hz} {to_hz} {hz}: {} dB off",
                    level_db(&error)
                );
            }
        }
    }

    #[test]
    fn what_the_lower_rate_cannot_hold_is_gone() {
        for (from_hz, to_hz) in RATES.into_iter().filter(|(from_hz, to_hz)| to_hz < from_hz) {
            // 1.15: 4.6 kHz for the telephone's 8, whose image is the 3.4 kHz that a telephone passes at most.
            for of_half_rate in [1.15, 1.2, 1.45] {
                let hz = f64::from(to_hz) / 2.0 * of_half_rate;
                let level = level_db(&converted(from_hz, to_hz, &tone(hz, from_hz, from_hz as usize), 480));
                assert!(level < -57.0, "{hz} Hz from {from_hz} to {to_hz}: {level} dB");
            }
        }
    }

    #[test]
    fn a_higher_rate_adds_no_image() {
        for (from_hz, to_hz) in [(8000, 24_000), (16_000, 24_000), (24_000, 48_000)] {
            let hz = 1000.0;
            let out = converted(from_hz, to_hz, &tone(hz, from_hz, from_hz as usize), 160);
            let clean = tone(hz, to_hz, to_hz as usize);
            let rest: Vec<i16> = out.iter().zip(&clean).map(|(out, clean)| out - clean).collect();
            assert!(level_db(&rest) < -55.0, "{from_hz} {to_hz}: {} dB", level_db(&rest));
        }
    }

    #[test]
    fn the_loudest_sound_does_not_wrap_and_a_new_stream_knows_nothing_of_the_old() {
        let loud: Vec<i16> = (0..2400).map(|n| if n / 40 % 2 == 0 { i16::MAX } else { i16::MIN }).collect();
        let out = converted(24_000, 8000, &loud, 480);
        assert!(out[3..10].iter().all(|sample| *sample > 20_000), "{:?}", &out[..16]);
        let mut resampler = Resampler::new(24_000, 8000).unwrap();
        let (mut first, mut second) = (Vec::new(), Vec::new());
        resampler.push(&loud, &mut first);
        resampler.finish(&mut first);
        resampler.push(&loud, &mut second);
        resampler.finish(&mut second);
        assert_eq!(first, second);
    }

    #[test]
    fn rates_that_would_need_a_large_table_are_refused() {
        let refused = |from_hz, to_hz| Resampler::new(from_hz, to_hz).is_err();
        assert!(refused(0, 8000) && refused(8000, 96_000));
        // 47 999 and 48 000 parts, and the least that are too many.
        assert!(refused(48_000, 47_999) && refused(47_999, 48_000) && refused(481, 1) && refused(1, 481));
        for (from_hz, to_hz) in RATES.into_iter().chain([(44_100, 8000), (44_100, 48_000), (480, 1), (1, 480)]) {
            let made = Resampler::new(from_hz, to_hz).unwrap();
            assert!(made.table.len() <= 48 * PARTS_MAX, "{from_hz} {to_hz}: {}", made.table.len());
        }
    }
}
