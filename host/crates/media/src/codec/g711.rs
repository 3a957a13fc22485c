//! G.711 by table. The tables are computed by the compiler from the formulas of ITU-T G.191 (`ulaw_compress` and its
//! kin), so they hold exactly what the recommendation's reference code gives for every 16-bit sample.

/// The mu-law byte of silence.
pub const ULAW_SILENCE: u8 = 0xFF;

/// The A-law byte of silence.
pub const ALAW_SILENCE: u8 = 0xD5;

/// mu-law uses the upper 14 bits of a sample, A-law the upper 12: the tables are indexed by just these.
const ULAW_SHIFT: u32 = 2;
const ALAW_SHIFT: u32 = 4;

static ULAW_TO_LINEAR: [i16; 256] = ulaw_to_linear();
static ALAW_TO_LINEAR: [i16; 256] = alaw_to_linear();
static LINEAR_TO_ULAW: [u8; 1 << (16 - ULAW_SHIFT)] = linear_to_ulaw();
static LINEAR_TO_ALAW: [u8; 1 << (16 - ALAW_SHIFT)] = linear_to_alaw();

/// mu-law bytes to samples.
pub fn decode_ulaw(wire: &[u8], samples: &mut [i16]) {
    for (sample, &byte) in samples.iter_mut().zip(wire) {
        *sample = ULAW_TO_LINEAR[usize::from(byte)];
    }
}

/// A-law bytes to samples.
pub fn decode_alaw(wire: &[u8], samples: &mut [i16]) {
    for (sample, &byte) in samples.iter_mut().zip(wire) {
        *sample = ALAW_TO_LINEAR[usize::from(byte)];
    }
}

/// Samples to mu-law bytes.
pub fn encode_ulaw(samples: &[i16], wire: &mut [u8]) {
    for (byte, &sample) in wire.iter_mut().zip(samples) {
        *byte = LINEAR_TO_ULAW[usize::from(sample as u16 >> ULAW_SHIFT)];
    }
}

/// Samples to A-law bytes.
pub fn encode_alaw(samples: &[i16], wire: &mut [u8]) {
    for (byte, &sample) in wire.iter_mut().zip(samples) {
        *byte = LINEAR_TO_ALAW[usize::from(sample as u16 >> ALAW_SHIFT)];
    }
}

const fn ulaw_to_linear() -> [i16; 256] {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let inverted = !(byte as i32);
        let (exponent, mantissa) = ((inverted >> 4) & 7, inverted & 0x0F);
        let step = 4 << (exponent + 1);
        let magnitude = (0x80 << exponent) + step * mantissa + step / 2 - 4 * 33;
        table[byte] = if byte < 0x80 { -magnitude } else { magnitude } as i16;
        byte += 1;
    }
    table
}

const fn linear_to_ulaw<const N: usize>() -> [u8; N] {
    let mut table = [0; N];
    let mut index = 0;
    while index < N {
        // The index is the upper part of a two's complement sample.
        let linear = ((index << ULAW_SHIFT) as u16) as i16 as i32 >> ULAW_SHIFT;
        let biased = if linear < 0 { !linear } else { linear } + 33;
        let clipped = if biased > 0x1FFF { 0x1FFF } else { biased };
        let mut segment = 1;
        let mut rest = clipped >> 6;
        while rest != 0 {
            segment += 1;
            rest >>= 1;
        }
        let byte = ((8 - segment) << 4) | (0x0F - ((clipped >> segment) & 0x0F));
        table[index] = if linear < 0 { byte } else { byte | 0x80 } as u8;
        index += 1;
    }
    table
}

const fn alaw_to_linear() -> [i16; 256] {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let bits = (byte as i32) ^ 0x55;
        let (exponent, mantissa) = ((bits >> 4) & 7, bits & 0x0F);
        let magnitude = if exponent == 0 { (mantissa << 4) + 8 } else { (((mantissa + 16) << 4) + 8) << (exponent - 1) };
        table[byte] = if byte < 0x80 { -magnitude } else { magnitude } as i16;
        byte += 1;
    }
    table
}

const fn linear_to_alaw<const N: usize>() -> [u8; N] {
    let mut table = [0; N];
    let mut index = 0;
    while index < N {
        let linear = ((index << ALAW_SHIFT) as u16) as i16 as i32 >> ALAW_SHIFT;
        let mut bits = if linear < 0 { !linear } else { linear };
        if bits > 15 {
            let mut exponent = 1;
            while bits > 31 {
                bits >>= 1;
                exponent += 1;
            }
            bits = bits - 16 + (exponent << 4);
        }
        table[index] = (if linear < 0 { bits } else { bits | 0x80 } ^ 0x55) as u8;
        index += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 1 kHz at 0 dBm0 (ITU-T G.711, tables 5 and 6).
    const MILLIWATT_ULAW: [u8; 8] = [0x1E, 0x0B, 0x0B, 0x1E, 0x9E, 0x8B, 0x8B, 0x9E];
    const MILLIWATT_ALAW: [u8; 8] = [0x34, 0x21, 0x21, 0x34, 0xB4, 0xA1, 0xA1, 0xB4];

    type Decode = fn(&[u8], &mut [i16]);
    type Encode = fn(&[i16], &mut [u8]);
    const LAWS: [(Decode, Encode); 2] = [(decode_ulaw, encode_ulaw), (decode_alaw, encode_alaw)];

    fn decoded<const N: usize>(decode: Decode, wire: [u8; N]) -> [i16; N] {
        let mut samples = [0; N];
        decode(&wire, &mut samples);
        samples
    }

    #[test]
    fn corner_codes_have_the_recommended_values() {
        assert_eq!(decoded(decode_ulaw, [0xFF, 0x7F, 0x80, 0x00, 0xFE]), [0, 0, 32_124, -32_124, 8]);
        assert_eq!(decoded(decode_alaw, [0xD5, 0x55, 0xAA, 0x2A]), [8, -8, 32_256, -32_256]);
    }

    #[test]
    fn milliwatt_is_a_sine_3_17_db_below_mu_law_overload_and_3_14_below_a_law() {
        for (samples, overload, hundredths_below) in
            [(decoded(decode_ulaw, MILLIWATT_ULAW), 8159.0 * 4.0, 317), (decoded(decode_alaw, MILLIWATT_ALAW), 4096.0 * 8.0, 314)]
        {
            let power = samples.iter().map(|&s| f64::from(s).powi(2)).sum::<f64>() / 8.0;
            let level_db = 10.0 * (power / (f64::powi(overload, 2) / 2.0)).log10();
            assert!((level_db * 100.0 + f64::from(hundredths_below)).abs() < 5.0, "{level_db} dB");
            assert_eq!(samples[0], -samples[4], "odd symmetry");
        }
    }

    #[test]
    fn every_code_survives_a_round_trip() {
        for (decode, encode) in LAWS {
            for code in 0..=255 {
                let linear = decoded(decode, [code]);
                let mut again = [0];
                encode(&linear, &mut again);
                // mu-law has two zeros; the negative one is not made.
                assert!(again == [code] || linear == [0], "{code:#04x} -> {linear:?} -> {again:?}");
            }
        }
    }

    #[test]
    fn every_sample_comes_back_in_order_and_within_half_a_step() {
        for (decode, encode) in LAWS {
            let mut before = i16::MIN;
            for sample in i16::MIN..=i16::MAX {
                let mut code = [0];
                encode(&[sample], &mut code);
                let back = decoded(decode, code)[0];
                // Sixteen steps to a segment that is as wide as all below it: half a step is a 32nd of the magnitude.
                let half_step = (i32::from(sample).abs() + 132) / 32 + 4;
                assert!((i32::from(sample) - i32::from(back)).abs() <= half_step, "{sample} -> {back}");
                assert!(back >= before, "{sample} -> {back} after {before}");
                before = back;
            }
        }
    }
}
