//! All other ratios, by Fourier transforms of whole blocks.

use super::half_band::to_sample;
use crate::error::MediaError;
use rubato::audioadapter_buffers::direct::SequentialSlice;
use rubato::{Fft, FixedSync, Resampler as _};

pub(super) struct Blocks {
    fft: Fft<f32>,
    input: Vec<f32>,
    output: Vec<f32>,
}

impl Blocks {
    /// Both rates must be known to divide into frames.
    pub(super) fn new(from_hz: u32, to_hz: u32, from_samples: usize, to_samples: usize) -> Result<Self, MediaError> {
        // The rates are checked: what remains is a chunk size of zero, which they exclude.
        let fft = Fft::new(from_hz as usize, to_hz as usize, from_samples, 1, FixedSync::Both)
            .map_err(|_| MediaError::Rate { rate_hz: from_hz })?;
        Ok(Self { fft, input: vec![0.0; from_samples], output: vec![0.0; to_samples] })
    }

    pub(super) fn delay_samples(&self) -> usize {
        self.fft.output_delay()
    }

    pub(super) fn reset(&mut self) {
        self.fft.reset();
    }

    pub(super) fn process(&mut self, input: &[i16], output: &mut [i16]) {
        for (to, &from) in self.input.iter_mut().zip(input) {
            *to = f32::from(from);
        }
        self.input[input.len()..].fill(0.0);
        let (frames_in, frames_out) = (self.input.len(), self.output.len());
        let source = SequentialSlice::new(&self.input[..], 1, frames_in).expect("one channel of just this length");
        let mut target = SequentialSlice::new_mut(&mut self.output[..], 1, frames_out).expect("one channel of just this length");
        self.fft.process_into_buffer(&source, &mut target, None).expect("both buffers hold exactly one block");
        for (to, &from) in output.iter_mut().zip(&self.output) {
            *to = to_sample(from);
        }
    }
}
