//! Samples as bytes in the encodings of the contract.

use crate::Encoding;

/// Appends linear samples in the given encoding (G.711 for the two logarithmic ones).
pub fn encode(encoding: Encoding, samples: &[i16], out: &mut Vec<u8>) {
    match encoding {
        Encoding::PcmS16le => out.extend(samples.iter().flat_map(|sample| sample.to_le_bytes())),
        Encoding::Mulaw => mulaws(samples, out),
        Encoding::Alaw => out.extend(samples.iter().map(|&sample| alaw(sample))),
    }
}

/// Appends samples in the given encoding as linear ones. Half a sample at the end is left out: see [`Whole`].
pub fn decode(encoding: Encoding, bytes: &[u8], out: &mut Vec<i16>) {
    match encoding {
        Encoding::PcmS16le => out.extend(bytes.as_chunks::<2>().0.iter().map(|pair| i16::from_le_bytes(*pair))),
        Encoding::Mulaw => out.extend(bytes.iter().map(|&code| from_mulaw(code))),
        Encoding::Alaw => out.extend(bytes.iter().map(|&code| from_alaw(code))),
    }
}

/// Keeps samples whole: links cut bytes anywhere.
#[derive(Clone, Debug, Default)]
pub struct Whole {
    odd: Vec<u8>,
}

impl Whole {
    /// The whole samples of what came so far, each given once; what is not whole yet stays for the next time.
    pub fn samples(&mut self, encoding: Encoding, bytes: Vec<u8>) -> Vec<u8> {
        let mut samples = if self.odd.is_empty() { bytes } else { [std::mem::take(&mut self.odd), bytes].concat() };
        self.odd = samples.split_off(samples.len() - samples.len() % sample_bytes(encoding));
        samples
    }

    /// Whether the stream ended within a sample.
    pub fn is_cut(&self) -> bool {
        !self.odd.is_empty()
    }
}

/// How many bytes one sample takes.
pub fn sample_bytes(encoding: Encoding) -> usize {
    match encoding {
        Encoding::PcmS16le => 2,
        Encoding::Mulaw | Encoding::Alaw => 1,
    }
}

/// Without a branch or a count of zeros, so that the compiler takes several at a time.
#[cfg_attr(target_arch = "wasm32", target_feature(enable = "simd128"))]
fn mulaws(samples: &[i16], out: &mut Vec<u8>) {
    let from = out.len();
    out.resize(from + samples.len(), 0);
    out[from..].iter_mut().zip(samples).for_each(|(code, sample)| *code = mulaw(*sample));
}

/// G.711 table 2: 14 bits by a bias of 33 (132 in 16 bits), all bits inverted. Segment and step are exponent and fraction of the magnitude as
/// a floating-point number, where they stand side by side, too: 127 for the exponent's bias and 7 for the lowest segment.
#[inline]
fn mulaw(sample: i16) -> u8 {
    const BIAS: i32 = 132;
    const CLIP: i32 = 0x7fff - BIAS;
    let sample = i32::from(sample);
    let magnitude = sample.abs().min(CLIP) + BIAS;
    let code = ((magnitude as f32).to_bits() >> 19) as i32 - ((127 + 7) << 4);
    !((sample >> 8) & 0x80 | code) as u8
}

/// G.711 table 1: 13 bits, even bits inverted; a negative value is one's complemented so that both halves are alike.
fn alaw(sample: i16) -> u8 {
    let (sign, magnitude) = if sample < 0 { (0, !sample >> 3) } else { (0x80, sample >> 3) };
    let segment = if magnitude < 32 { 0 } else { magnitude.ilog2() - 4 };
    (sign | (segment as u8) << 4 | (magnitude >> segment.max(1)) as u8 & 0x0f) ^ 0x55
}

fn from_mulaw(code: u8) -> i16 {
    let code = !code;
    let magnitude = (((i16::from(code & 0x0f) << 3) + 132) << (code >> 4 & 7)) - 132;
    if code & 0x80 == 0 { magnitude } else { -magnitude }
}

fn from_alaw(code: u8) -> i16 {
    let code = code ^ 0x55;
    let (segment, step) = (code >> 4 & 7, i16::from(code & 0x0f) << 4);
    let magnitude = if segment == 0 { step + 8 } else { (step + 0x108) << (segment - 1) };
    if code & 0x80 == 0 { -magnitude } else { magnitude }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_decodes_to_what_encodes_to_it() {
        for code in 0..=255u8 {
            let (mut mu, mut a) = (Vec::new(), Vec::new());
            decode(Encoding::Mulaw, &[code], &mut mu);
            decode(Encoding::Alaw, &[code], &mut a);
            // Mu-law has two zeros.
            assert!(mulaw(mu[0]) == code || (code, mu[0]) == (0x7f, 0), "{code}");
            assert_eq!(alaw(a[0]), code);
        }
    }

    #[test]
    fn a_sample_cut_in_two_is_put_together() {
        let mut whole = Whole::default();
        assert_eq!(whole.samples(Encoding::PcmS16le, vec![1, 2, 3]), [1, 2]);
        assert!(whole.is_cut());
        assert_eq!(whole.samples(Encoding::PcmS16le, vec![4]), [3, 4]);
        assert_eq!(whole.samples(Encoding::Mulaw, vec![5]), [5]);
        assert!(!whole.is_cut());
    }

    #[test]
    fn mulaw_meets_the_values_of_g711() {
        let expected = [(0, 0xff), (-1, 0x7f), (32767, 0x80), (-32768, 0x00), (132, 0xef), (-132, 0x6f), (1000, 0xce)];
        for (sample, code) in expected {
            assert_eq!(mulaw(sample), code, "{sample}");
        }
    }

    #[test]
    fn every_sample_has_the_code_of_its_highest_bit_and_the_four_below() {
        for sample in i16::MIN..=i16::MAX {
            // G.711 as it is written: the segment is the place of the highest bit.
            let magnitude = u32::from(sample.unsigned_abs()).min(0x7fff - 132) + 132;
            let segment = magnitude.ilog2() - 7;
            let sign = if sample < 0 { 0x80 } else { 0 };
            let code = !(sign | segment << 4 | magnitude >> (segment + 3) & 0x0f) as u8;
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
