//! How samples are written on the wire.

use vg_media::codec::g711;
use vg_media::resample::convert;

/// An encoding that vendors take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Coding {
    /// Signed 16-bit little-endian.
    Pcm,
    /// G.711 mu-law.
    Mulaw,
    /// G.711 A-law.
    Alaw,
}

/// Mono audio.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Format {
    /// How a sample is written.
    pub coding: Coding,
    /// Samples a second.
    pub rate_hz: u32,
}

impl Format {
    /// Signed 16-bit little-endian at this rate.
    pub const fn pcm(rate_hz: u32) -> Self {
        Self { coding: Coding::Pcm, rate_hz }
    }

    /// The telephone's, in most of the world's networks that we meet.
    pub const MULAW: Self = Self { coding: Coding::Mulaw, rate_hz: 8000 };
    /// The telephone's, in the rest.
    pub const ALAW: Self = Self { coding: Coding::Alaw, rate_hz: 8000 };

    /// Format and samples of a WAVE file of one channel; none where it is no such file.
    pub fn of_wav(file: &[u8]) -> Option<(Self, &[u8])> {
        let samples = vg_wire::wav::data_offset(file)?;
        // The chunk `fmt ` comes first in every file that a recogniser is sent.
        let field = |at: usize| Some(u16::from_le_bytes(file.get(at..at + 2)?.try_into().ok()?));
        let rate = u32::from_le_bytes(file.get(24..28)?.try_into().ok()?);
        let coding = match (field(20)?, field(22)?, field(34)?) {
            (1, 1, 16) => Coding::Pcm,
            (6, 1, 8) => Coding::Alaw,
            (7, 1, 8) => Coding::Mulaw,
            _ => return None,
        };
        Some((Self { coding, rate_hz: rate }, &file[samples..]))
    }

    /// 1 or 2.
    pub const fn sample_bytes(self) -> usize {
        match self.coding {
            Coding::Pcm => 2,
            Coding::Mulaw | Coding::Alaw => 1,
        }
    }

    /// Bytes as milliseconds, rounded down.
    pub fn ms(self, bytes: usize) -> u64 {
        bytes as u64 * 1000 / (u64::from(self.rate_hz.max(1)) * self.sample_bytes() as u64)
    }

    /// Milliseconds as bytes, whole samples.
    pub fn bytes(self, ms: u64) -> usize {
        (ms * u64::from(self.rate_hz) / 1000) as usize * self.sample_bytes()
    }

    /// Samples of any rate of the house, written in this format.
    pub fn write(self, samples: &[i16], from_hz: u32) -> Vec<u8> {
        // A rate that the house does not know is sent as it is: too fast or slow, as it would be heard.
        let samples = convert(samples, from_hz, self.rate_hz).unwrap_or_else(|_| samples.to_vec());
        let mut wire = vec![0; samples.len() * self.sample_bytes()];
        match self.coding {
            Coding::Pcm => {
                for (pair, sample) in wire.as_chunks_mut::<2>().0.iter_mut().zip(&samples) {
                    *pair = sample.to_le_bytes();
                }
            }
            Coding::Mulaw => g711::encode_ulaw(&samples, &mut wire),
            Coding::Alaw => g711::encode_alaw(&samples, &mut wire),
        }
        wire
    }

    /// Samples written in this format, as linear ones at its rate.
    pub fn read(self, wire: &[u8]) -> Vec<i16> {
        let mut samples = vec![0; wire.len() / self.sample_bytes()];
        match self.coding {
            Coding::Pcm => {
                for (sample, pair) in samples.iter_mut().zip(wire.as_chunks::<2>().0) {
                    *sample = i16::from_le_bytes(*pair);
                }
            }
            Coding::Mulaw => g711::decode_ulaw(wire, &mut samples),
            Coding::Alaw => g711::decode_alaw(wire, &mut samples),
        }
        samples
    }
}
