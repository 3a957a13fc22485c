//! Between 8, 16, 24 and 48 kHz, in blocks of 20 ms.

mod blocks;
mod half_band;
#[cfg(test)]
mod tests;

use crate::error::MediaError;
use crate::frame::frame_samples;
use blocks::Blocks;
use half_band::{DOWN_DELAY, Down, UP_DELAY, Up};

/// The rates that can be converted into each other.
pub const RATES_HZ: [u32; 4] = [8_000, 16_000, 24_000, 48_000];

/// A stream of samples changed from one rate to another, 20 ms at a time. Allocates only when made.
///
/// | between | flat up to | stopped from | delay |
/// |---|---|---|---|
/// | 8 and 16 kHz | 3.5 kHz, +-0.01 dB | 4.5 kHz, 69 dB | 1.9 ms |
/// | 8 and 24 or 48 kHz | 3.4 kHz, +-0.01 dB | 4 kHz, 80 dB | 10 ms |
/// | 16 and 24 or 48 kHz | 6.8 kHz, +-0.01 dB | 8 kHz, 80 dB | 5 ms |
/// | 24 and 48 kHz | 10.5 kHz, +-0.01 dB | 12 kHz, 80 dB | 5 ms |
///
/// Both ways alike: what folds back when the rate falls is as weak as the images when it rises. Between equal rates samples pass as they
/// are, at once.
pub struct Resampler {
    from_samples: usize,
    to_samples: usize,
    kind: Kind,
}

enum Kind {
    Same,
    Up(Up),
    Down(Down),
    Fft(Box<Blocks>),
}

impl Resampler {
    /// Both rates must be among [`RATES_HZ`].
    pub fn new(from_hz: u32, to_hz: u32) -> Result<Self, MediaError> {
        for rate_hz in [from_hz, to_hz] {
            check_rate(rate_hz)?;
        }
        let (from_samples, to_samples) = (frame_samples(from_hz), frame_samples(to_hz));
        let kind = match (from_hz, to_hz) {
            (8_000, 16_000) => Kind::Up(Up::new()),
            (16_000, 8_000) => Kind::Down(Down::new()),
            _ if from_hz == to_hz => Kind::Same,
            _ => Kind::Fft(Box::new(Blocks::new(from_hz, to_hz)?)),
        };
        Ok(Self { from_samples, to_samples, kind })
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
        match &self.kind {
            Kind::Same => 0,
            Kind::Up(_) => UP_DELAY,
            Kind::Down(_) => DOWN_DELAY,
            Kind::Fft(blocks) => blocks.delay_samples(),
        }
    }

    /// Changes 20 ms. Input that is shorter is filled up with silence; of both sides, what exceeds 20 ms is left alone.
    pub fn process(&mut self, input: &[i16], output: &mut [i16]) {
        let input = &input[..input.len().min(self.from_samples)];
        match &mut self.kind {
            Kind::Same => {
                let count = input.len().min(output.len());
                output[..count].copy_from_slice(&input[..count]);
                let end = self.to_samples.min(output.len());
                output[count..end].fill(0);
            }
            Kind::Up(up) => whole(input, output, |input, output| up.process(input, output)),
            Kind::Down(down) => whole(input, output, |input, output| down.process(input, output)),
            Kind::Fft(blocks) => blocks.process(input, output),
        }
    }

    /// Forgets the sound that is still inside.
    pub fn reset(&mut self) {
        match &mut self.kind {
            Kind::Same => {}
            Kind::Up(up) => *up = Up::new(),
            Kind::Down(down) => *down = Down::new(),
            Kind::Fft(blocks) => blocks.reset(),
        }
    }
}

/// Hands on blocks of exact size, copied only where one side is shorter than that.
fn whole<const FROM: usize, const TO: usize>(
    input: &[i16],
    output: &mut [i16],
    process: impl FnOnce(&[i16; FROM], &mut [i16; TO]),
) {
    let (mut filled, mut kept) = ([0; FROM], [0; TO]);
    let input = input.first_chunk().unwrap_or_else(|| {
        filled[..input.len()].copy_from_slice(input);
        &filled
    });
    if let Some(output) = output.first_chunk_mut() {
        process(input, output);
    } else {
        process(input, &mut kept);
        output.copy_from_slice(&kept[..output.len()]);
    }
}

/// Rates that recordings may have.
pub const RECORDING_RATES_HZ: std::ops::RangeInclusive<u32> = 4_000..=192_000;

/// A whole recording changed from one rate to another, in place and length as before. Both rates may be any of [`RECORDING_RATES_HZ`].
pub fn convert(samples: &[i16], from_hz: u32, to_hz: u32) -> Result<Vec<i16>, MediaError> {
    if let Some(rate_hz) = [from_hz, to_hz].into_iter().find(|rate_hz| !RECORDING_RATES_HZ.contains(rate_hz)) {
        return Err(MediaError::Rate { rate_hz });
    }
    if from_hz == to_hz {
        return Ok(samples.to_vec());
    }
    let wanted = (samples.len() as u64 * u64::from(to_hz) / u64::from(from_hz)) as usize;
    if let Ok(mut resampler) = Resampler::new(from_hz, to_hz) {
        let (sizes, delay) = ((resampler.input_samples(), resampler.output_samples()), resampler.delay_samples());
        return Ok(in_blocks(samples, wanted, sizes, delay, |input, output| resampler.process(input, output)));
    }
    let mut blocks = Blocks::between(from_hz, to_hz)?;
    let (sizes, delay) = (blocks.sizes(), blocks.delay_samples());
    Ok(in_blocks(samples, wanted, sizes, delay, |input, output| blocks.process(input, output)))
}

fn in_blocks(
    samples: &[i16],
    wanted: usize,
    (from_block, to_block): (usize, usize),
    delay: usize,
    mut process: impl FnMut(&[i16], &mut [i16]),
) -> Vec<i16> {
    let mut converted = vec![0; (wanted + delay).div_ceil(to_block) * to_block];
    let mut inputs = samples.chunks(from_block);
    for output in converted.chunks_mut(to_block) {
        process(inputs.next().unwrap_or_default(), output);
    }
    converted.drain(..delay);
    converted.truncate(wanted);
    converted
}

pub(crate) fn check_rate(rate_hz: u32) -> Result<(), MediaError> {
    if RATES_HZ.contains(&rate_hz) { Ok(()) } else { Err(MediaError::Rate { rate_hz }) }
}
