//! All other ratios, by Fourier transforms of whole blocks.

use super::half_band::to_sample;
use crate::error::MediaError;
use crate::frame::frame_samples;
use rubato::audioadapter_buffers::direct::SequentialSlice;
use rubato::{Fft, FixedSync, Resampler as _};

/// The sharpness of the filter is that of its block, and so is its delay: 160 samples of the lower rate reach 0.43 of that rate.
const BLOCK_SAMPLES_MIN: usize = 160;

/// Parts of a second in whole recordings, whose delay nobody waits for.
const RECORDING_PARTS: u32 = 20;

pub(super) struct Blocks {
    fft: Fft<f32>,
    input: Box<[f32]>,
    output: Box<[f32]>,
}

impl Blocks {
    /// Both rates must be known to divide into frames.
    pub(super) fn new(from_hz: u32, to_hz: u32) -> Result<Self, MediaError> {
        let (from_samples, to_samples) = (frame_samples(from_hz), frame_samples(to_hz));
        // Blocks of 10 ms cost as much as those of 20 ms and delay half as long.
        let parts = if from_samples.min(to_samples) >= 2 * BLOCK_SAMPLES_MIN { 2 } else { 1 };
        // The rates are checked: what remains is a chunk size of zero, which they exclude.
        let fft = Fft::new(from_hz as usize, to_hz as usize, from_samples / parts, 1, FixedSync::Both)
            .map_err(|_| MediaError::Rate { rate_hz: from_hz })?;
        Ok(Self { fft, input: vec![0.0; from_samples].into(), output: vec![0.0; to_samples].into() })
    }

    /// Between any two rates, in blocks that suit them: for whole recordings.
    pub(super) fn between(from_hz: u32, to_hz: u32) -> Result<Self, MediaError> {
        let fft = Fft::new(from_hz as usize, to_hz as usize, (from_hz / RECORDING_PARTS) as usize, 1, FixedSync::Both)
            .map_err(|_| MediaError::Rate { rate_hz: from_hz })?;
        let (input, output) = (vec![0.0; fft.fft_size_in()].into(), vec![0.0; fft.fft_size_out()].into());
        Ok(Self { fft, input, output })
    }

    /// Samples of a block before and after.
    pub(super) fn sizes(&self) -> (usize, usize) {
        (self.input.len(), self.output.len())
    }

    pub(super) fn delay_samples(&self) -> usize {
        self.fft.output_delay()
    }

    pub(super) fn reset(&mut self) {
        self.fft.reset();
    }

    /// At most 20 ms of input.
    pub(super) fn process(&mut self, input: &[i16], output: &mut [i16]) {
        for (to, &from) in self.input.iter_mut().zip(input) {
            *to = f32::from(from);
        }
        self.input[input.len()..].fill(0.0);
        let (from_block, to_block) = (self.fft.fft_size_in(), self.fft.fft_size_out());
        for (input, output) in self.input.chunks_exact(from_block).zip(self.output.chunks_exact_mut(to_block)) {
            let source = SequentialSlice::new(input, 1, from_block).expect("one channel of just this length");
            let mut target = SequentialSlice::new_mut(output, 1, to_block).expect("one channel of just this length");
            self.fft.process_into_buffer(&source, &mut target, None).expect("both buffers hold exactly one block");
        }
        for (to, &from) in output.iter_mut().zip(&self.output) {
            *to = to_sample(from);
        }
    }
}
