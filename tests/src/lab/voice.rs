//! How a caller's sound is written on its line. Apart from the gateway's own codecs: the judge does not borrow from the judged.

/// What a caller offers, and then speaks and hears.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Voice {
    /// G.711 mu-law.
    Pcmu,
    /// G.711 A-law.
    Pcma,
    /// Linear samples at 16 kHz: no codec at all, so that whatever Asterisk speaks on the gateway's side is judged by Asterisk's own codec.
    Wide,
}

impl Voice {
    /// Samples per second, and ticks of the timestamps.
    pub fn rate_hz(self) -> u32 {
        match self {
            Self::Pcmu | Self::Pcma => 8_000,
            Self::Wide => 16_000,
        }
    }

    /// Samples in 20 ms.
    pub(super) fn frame(self) -> usize {
        self.rate_hz() as usize / 50
    }

    pub(super) fn payload_type(self) -> u8 {
        match self {
            Self::Pcmu => 0,
            Self::Pcma => 8,
            // As Asterisk numbers it.
            Self::Wide => 118,
        }
    }

    /// Its name in SDP.
    pub(super) fn encoding(self) -> &'static str {
        match self {
            Self::Pcmu => "PCMU/8000",
            Self::Pcma => "PCMA/8000",
            Self::Wide => "L16/16000",
        }
    }

    pub(super) fn write(self, samples: &[i16], packet: &mut Vec<u8>) {
        match self {
            Self::Pcmu => packet.extend(samples.iter().map(|sample| mulaw_of(*sample))),
            Self::Pcma => packet.extend(samples.iter().map(|sample| alaw_of(*sample))),
            Self::Wide => samples.iter().for_each(|sample| packet.extend(sample.to_be_bytes())),
        }
    }

    pub(super) fn read(self, payload: &[u8]) -> Vec<i16> {
        match self {
            Self::Pcmu => payload.iter().map(|byte| of_mulaw(*byte)).collect(),
            Self::Pcma => payload.iter().map(|byte| of_alaw(*byte)).collect(),
            Self::Wide => payload.chunks_exact(2).map(|pair| i16::from_be_bytes([pair[0], pair[1]])).collect(),
        }
    }
}

fn mulaw_of(sample: i16) -> u8 {
    if sample == 0 {
        return 0xff;
    }
    let magnitude = i32::from(sample).abs().min(32_635) + 0x84;
    let segment = (magnitude >> 7).ilog2();
    let mantissa = (magnitude >> (segment + 3)) & 0x0f;
    let sign = if sample < 0 { 0x80 } else { 0 };
    !(sign | (segment << 4) as u8 | mantissa as u8)
}

fn of_mulaw(mulaw: u8) -> i16 {
    let bits = !mulaw;
    let segment = (bits >> 4) & 7;
    let magnitude = (((i16::from(bits & 0x0f) << 3) + 0x84) << segment) - 0x84;
    if bits & 0x80 == 0 { magnitude } else { -magnitude }
}

/// G.711, table 1a: 13 bits with sign, even bits inverted.
fn alaw_of(sample: i16) -> u8 {
    let (sign, magnitude) = if sample < 0 { (0, !sample >> 3) } else { (0x80, sample >> 3) };
    let magnitude = magnitude.min(0xfff);
    let segment = if magnitude < 32 { 0 } else { magnitude.ilog2() as i16 - 4 };
    let mantissa = if segment == 0 { magnitude >> 1 } else { magnitude >> segment };
    (sign | (segment << 4) as u8 | (mantissa & 0x0f) as u8) ^ 0x55
}

fn of_alaw(alaw: u8) -> i16 {
    let bits = alaw ^ 0x55;
    let (segment, mantissa) = (i16::from((bits >> 4) & 7), i16::from(bits & 0x0f));
    // The middle of the step, in units of 16 bits.
    let magnitude = if segment == 0 { (mantissa << 4) + 8 } else { ((mantissa << 4) + 0x108) << (segment - 1) };
    if bits & 0x80 == 0 { -magnitude } else { magnitude }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn g711_survives_a_round_trip_for_every_code() {
        for code in 0..=u8::MAX {
            // 0x7f is a second name of zero.
            assert_eq!(mulaw_of(of_mulaw(code)), if code == 0x7f { 0xff } else { code });
            assert_eq!(alaw_of(of_alaw(code)), code, "{code:02x}");
        }
        assert_eq!((of_mulaw(0xff), of_mulaw(0x80), of_mulaw(0x00)), (0, 32_124, -32_124));
        // G.711, table 1a: the largest and the smallest positive value.
        assert_eq!((of_alaw(0xaa), of_alaw(0xd5), of_alaw(0x55)), (32_256, 8, -8));
    }

    #[test]
    fn a_frame_is_written_as_it_is_read() {
        for (voice, bytes) in [(Voice::Pcmu, 160), (Voice::Pcma, 160), (Voice::Wide, 640)] {
            let samples: Vec<i16> = (0..voice.frame()).map(|n| (9000.0 * (n as f64 / 9.0).sin()) as i16).collect();
            let mut packet = Vec::new();
            voice.write(&samples, &mut packet);
            assert_eq!(packet.len(), bytes);
            let read = voice.read(&packet);
            assert!(samples.iter().zip(&read).all(|(a, b)| a.abs_diff(*b) <= 256), "{voice:?}");
        }
    }
}
