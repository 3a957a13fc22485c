//! ITU-T G.722 at 64 kbit/s: two bands of adaptive differential samples, a byte for each two samples of 16 kHz.
//!
//! Integer arithmetic as in the recommendation, whose block names stand in the comments, so that every conforming codec makes the same
//! bytes. In RTP its clock counts 8000 a second, one for each byte (RFC 3551, section 4.5.2).

mod band;
mod mirror;

use band::{Band, HIGH, LOW};
use mirror::Mirror;

/// Samples of 16 kHz that a byte stands for.
pub const SAMPLES_PER_BYTE: usize = 2;

/// What a decoder makes of it before it has heard anything is (near) silence.
pub const SILENCE: u8 = 0xFA;

/// Bits of a byte that belong to the lower band.
const LOW_BITS: u8 = 6;
const LOW_MASK: u8 = (1 << LOW_BITS) - 1;
/// Bits of the lower band that drive the predictors: fewer than are sent, so that a network may use the last two for data.
const SPARE_BITS: u8 = 2;

/// Samples to bytes.
#[derive(Clone, Debug)]
pub struct Encoder {
    mirror: Mirror,
    low: Band,
    high: Band,
}

/// Bytes to samples.
#[derive(Clone, Debug)]
pub struct Decoder {
    mirror: Mirror,
    low: Band,
    high: Band,
}

impl Default for Encoder {
    fn default() -> Self {
        Self { mirror: Mirror::default(), low: Band::new(&LOW), high: Band::new(&HIGH) }
    }
}

impl Default for Decoder {
    fn default() -> Self {
        Self { mirror: Mirror::default(), low: Band::new(&LOW), high: Band::new(&HIGH) }
    }
}

impl Encoder {
    /// Encodes as many pairs of samples as there are bytes for.
    pub fn encode(&mut self, samples: &[i16], wire: &mut [u8]) {
        for (byte, pair) in wire.iter_mut().zip(samples.as_chunks().0) {
            let (low, high) = self.mirror.split(*pair);
            let low_code = LOW.quantise(low - self.low.prediction(), self.low.step());
            self.low.adapt(low_code >> SPARE_BITS);
            let high_code = HIGH.quantise(high - self.high.prediction(), self.high.step());
            self.high.adapt(high_code);
            *byte = high_code << LOW_BITS | low_code;
        }
    }
}

impl Decoder {
    /// Decodes as many bytes as there are pairs of samples for.
    pub fn decode(&mut self, wire: &[u8], samples: &mut [i16]) {
        for (pair, byte) in samples.as_chunks_mut().0.iter_mut().zip(wire) {
            let (low_code, high_code) = (byte & LOW_MASK, byte >> LOW_BITS);
            // The fine code is what is heard, the coarse one what both sides learn from.
            let low = self.low.prediction() + band::fine_difference(low_code, self.low.step());
            self.low.adapt(low_code >> SPARE_BITS);
            let high = self.high.prediction() + HIGH.difference(high_code, self.high.step());
            self.high.adapt(high_code);
            *pair = self.mirror.join(band::limit(low), band::limit(high));
        }
    }
}

#[cfg(test)]
mod tests;
