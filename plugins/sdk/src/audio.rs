//! Samples as bytes in the encodings of the contract.

use crate::Encoding;

/// Appends linear samples in the given encoding (G.711 for the two logarithmic ones).
pub fn encode(encoding: Encoding, samples: &[i16], out: &mut Vec<u8>) {
    match encoding {
        Encoding::PcmS16le => out.extend(samples.iter().flat_map(|sample| sample.to_le_bytes())),
        Encoding::Mulaw => out.extend(samples.iter().map(|&sample| mulaw(sample))),
        Encoding::Alaw => out.extend(samples.iter().map(|&sample| alaw(sample))),
    }
}

/// How many bytes one sample takes.
pub fn sample_bytes(encoding: Encoding) -> usize {
    match encoding {
        Encoding::PcmS16le => 2,
        Encoding::Mulaw | Encoding::Alaw => 1,
    }
}

/// G.711 table 2: 14 bits by a bias of 33 (132 in 16 bits), all bits inverted.
fn mulaw(sample: i16) -> u8 {
    const BIAS: u16 = 132;
    const CLIP: u16 = 0x7fff - BIAS;
    let sign = if sample < 0 { 0x80 } else { 0 };
    let magnitude = sample.unsigned_abs().min(CLIP) + BIAS;
    let segment = magnitude.ilog2() - 7;
    !(sign | (segment as u8) << 4 | (magnitude >> (segment + 3)) as u8 & 0x0f)
}

/// G.711 table 1: 13 bits, even bits inverted; a negative value is one's complemented so that both halves are alike.
fn alaw(sample: i16) -> u8 {
    let (sign, magnitude) = if sample < 0 { (0, !sample >> 3) } else { (0x80, sample >> 3) };
    let segment = if magnitude < 32 { 0 } else { magnitude.ilog2() - 4 };
    (sign | (segment as u8) << 4 | (magnitude >> segment.max(1)) as u8 & 0x0f) ^ 0x55
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mulaw_meets_the_values_of_g711() {
        let expected = [(0, 0xff), (-1, 0x7f), (32767, 0x80), (-32768, 0x00), (132, 0xef), (-132, 0x6f), (1000, 0xce)];
        for (sample, code) in expected {
            assert_eq!(mulaw(sample), code, "{sample}");
        }
    }

    #[test]
    fn alaw_meets_the_values_of_g711() {
        let expected = [(0, 0xd5), (-1, 0x55), (32767, 0xaa), (-32768, 0x2a), (256, 0xc5), (-257, 0x45), (1000, 0xfa)];
        for (sample, code) in expected {
            assert_eq!(alaw(sample), code, "{sample}");
        }
    }

    #[test]
    fn encoded_length_follows_the_encoding() {
        for encoding in [Encoding::PcmS16le, Encoding::Mulaw, Encoding::Alaw] {
            let mut out = Vec::new();
            encode(encoding, &[0, 1, -1], &mut out);
            assert_eq!(out.len(), 3 * sample_bytes(encoding));
        }
    }
}
