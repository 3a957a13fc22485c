//! Between 8, 16, 24 and 48 kHz, in blocks of 20 ms.

use crate::error::MediaError;
use crate::frame::frame_samples;
use rubato::audioadapter_buffers::direct::SequentialSlice;
use rubato::{Fft, FixedSync, Resampler as _};

/// The rates that can be converted into each other.
pub const RATES_HZ: [u32; 4] = [8_000, 16_000, 24_000, 48_000];

const FULL_SCALE: f32 = 32_768.0;

/// A stream of samples changed from one rate to another, 20 ms at a time. Allocates only when made.
///
/// The sound comes out 10 ms later than it went in, or at once where both rates are equal.
pub struct Resampler {
    from_samples: usize,
    to_samples: usize,
    fft: Option<Box<Blocks>>,
}

struct Blocks {
    fft: Fft<f32>,
    input: Vec<f32>,
    output: Vec<f32>,
}

impl Resampler {
    /// Both rates must be among [`RATES_HZ`].
    pub fn new(from_hz: u32, to_hz: u32) -> Result<Self, MediaError> {
        for rate_hz in [from_hz, to_hz] {
            check_rate(rate_hz)?;
        }
        let (from_samples, to_samples) = (frame_samples(from_hz), frame_samples(to_hz));
        if from_hz == to_hz {
            return Ok(Self { from_samples, to_samples, fft: None });
        }
        // The rates are checked: what remains is a chunk size of zero, which they exclude.
        let fft = Fft::new(from_hz as usize, to_hz as usize, from_samples, 1, FixedSync::Both)
            .map_err(|_| MediaError::Rate { rate_hz: from_hz })?;
        let (input, output) = (vec![0.0; from_samples], vec![0.0; to_samples]);
        Ok(Self { from_samples, to_samples, fft: Some(Box::new(Blocks { fft, input, output })) })
    }

    /// Samples in 20 ms of input.
    pub fn input_samples(&self) -> usize {
        self.from_samples
    }

    /// Samples in 20 ms of output.
    pub fn output_samples(&self) -> usize {
        self.to_samples
    }

    /// Samples of output by which the sound is delayed.
    pub fn delay_samples(&self) -> usize {
        self.fft.as_ref().map_or(0, |blocks| blocks.fft.output_delay())
    }

    /// Changes 20 ms. Input that is shorter is filled up with silence; of both sides, what exceeds 20 ms is left alone.
    pub fn process(&mut self, input: &[i16], output: &mut [i16]) {
        let input = &input[..input.len().min(self.from_samples)];
        match &mut self.fft {
            Some(blocks) => blocks.process(input, output),
            None => {
                let count = input.len().min(output.len());
                output[..count].copy_from_slice(&input[..count]);
                let end = self.to_samples.min(output.len());
                output[count..end].fill(0);
            }
        }
    }

    /// Forgets the sound that is still inside.
    pub fn reset(&mut self) {
        if let Some(blocks) = &mut self.fft {
            blocks.fft.reset();
        }
    }
}

impl Blocks {
    fn process(&mut self, input: &[i16], output: &mut [i16]) {
        for (to, &from) in self.input.iter_mut().zip(input) {
            *to = f32::from(from) / FULL_SCALE;
        }
        self.input[input.len()..].fill(0.0);
        let (frames_in, frames_out) = (self.input.len(), self.output.len());
        let source = SequentialSlice::new(&self.input[..], 1, frames_in).expect("one channel of just this length");
        let mut target = SequentialSlice::new_mut(&mut self.output[..], 1, frames_out).expect("one channel of just this length");
        self.fft.process_into_buffer(&source, &mut target, None).expect("both buffers hold exactly one block");
        for (to, &from) in output.iter_mut().zip(&self.output) {
            // `as` saturates, which is what clipping is.
            *to = (from * FULL_SCALE).round() as i16;
        }
    }
}

/// A whole recording changed from one rate to another, in place and length as before.
pub fn convert(samples: &[i16], from_hz: u32, to_hz: u32) -> Result<Vec<i16>, MediaError> {
    let mut resampler = Resampler::new(from_hz, to_hz)?;
    let (block, delay) = (resampler.output_samples(), resampler.delay_samples());
    let wanted = (samples.len() as u64 * u64::from(to_hz) / u64::from(from_hz)) as usize;
    let blocks = (wanted + delay).div_ceil(block);
    let mut converted = vec![0; blocks * block];
    let mut inputs = samples.chunks(resampler.input_samples());
    for output in converted.chunks_mut(block) {
        resampler.process(inputs.next().unwrap_or_default(), output);
    }
    converted.drain(..delay);
    converted.truncate(wanted);
    Ok(converted)
}

pub(crate) fn check_rate(rate_hz: u32) -> Result<(), MediaError> {
    if RATES_HZ.contains(&rate_hz) { Ok(()) } else { Err(MediaError::Rate { rate_hz }) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::f64::consts::TAU;

    fn tone(rate_hz: u32, hz: f64, amplitude: f64, samples: usize) -> Vec<i16> {
        let step = TAU * hz / f64::from(rate_hz);
        (0..samples).map(|n| ((n as f64 * step).sin() * amplitude).round() as i16).collect()
    }

    /// Ratio in dB of the best fitting sine of this frequency to all else.
    fn snr_db(samples: &[i16], rate_hz: u32, hz: f64) -> f64 {
        let step = TAU * hz / f64::from(rate_hz);
        let (mut re, mut im, mut total) = (0.0, 0.0, 0.0);
        for (n, &sample) in samples.iter().enumerate() {
            let (sin, cos) = (n as f64 * step).sin_cos();
            re += f64::from(sample) * cos;
            im += f64::from(sample) * sin;
            total += f64::from(sample).powi(2);
        }
        let signal = 2.0 * (re * re + im * im) / samples.len() as f64;
        10.0 * (signal / (total - signal)).log10()
    }

    #[test]
    fn tone_of_1_khz_keeps_60_db_between_all_rates() {
        for from_hz in RATES_HZ {
            for to_hz in RATES_HZ {
                let second = tone(from_hz, 1000.0, 16_000.0, from_hz as usize);
                let converted = convert(&second, from_hz, to_hz).unwrap();
                assert_eq!(converted.len(), to_hz as usize);
                // Whole periods, away from the edges of the recording.
                let middle = &converted[to_hz as usize / 10..to_hz as usize * 9 / 10];
                let snr = snr_db(middle, to_hz, 1000.0);
                assert!(snr >= 60.0, "{from_hz} -> {to_hz}: {snr:.1} dB");
            }
        }
    }

    #[test]
    fn telephone_band_passes_and_what_lies_above_does_not_fold_back() {
        let level_db = |hz| {
            let converted = convert(&tone(16_000, hz, 16_000.0, 16_000), 16_000, 8_000).unwrap();
            let power = converted[800..7200].iter().map(|&s| f64::from(s).powi(2)).sum::<f64>() / 6400.0;
            10.0 * (power / (16_000f64.powi(2) / 2.0)).log10()
        };
        assert!(level_db(3_300.0) > -1.0, "{}", level_db(3_300.0));
        assert!(level_db(5_000.0) < -60.0, "{}", level_db(5_000.0));
    }

    #[test]
    fn stream_equals_the_whole_but_for_its_delay() {
        let second = tone(24_000, 440.0, 8_000.0, 24_000);
        let whole = convert(&second, 24_000, 8_000).unwrap();
        let mut resampler = Resampler::new(24_000, 8_000).unwrap();
        let mut stream = Vec::new();
        for block in second.chunks(480) {
            let mut output = [0; 160];
            resampler.process(block, &mut output);
            stream.extend(output);
        }
        let delay = resampler.delay_samples();
        assert_eq!(delay, 80);
        assert_eq!(stream[delay..], whole[..whole.len() - delay]);
    }

    #[test]
    fn loudest_sound_clips_and_does_not_wrap() {
        let square: Vec<i16> = (0..8000).map(|n| if n / 20 % 2 == 0 { i16::MAX } else { i16::MIN }).collect();
        let converted = convert(&square, 8_000, 16_000).unwrap();
        for (n, pair) in converted.windows(2).enumerate() {
            assert!((i32::from(pair[0]) - i32::from(pair[1])).abs() < 45_000, "jump at {n}: {pair:?}");
        }
    }

    #[test]
    fn other_rates_are_refused() {
        assert_eq!(Resampler::new(8_000, 44_100).err(), Some(MediaError::Rate { rate_hz: 44_100 }));
        assert_eq!(Resampler::new(0, 8_000).err(), Some(MediaError::Rate { rate_hz: 0 }));
    }
}
