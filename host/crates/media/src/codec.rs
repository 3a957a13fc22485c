//! Samples to wire bytes and back.

pub mod g711;
pub mod g722;
pub mod l16;
pub mod opus;

use crate::frame::frame_samples;

/// The most bytes a frame of any [`Codec`] has.
pub const FRAME_BYTES_MAX: usize = 640;

/// How samples are written on a leg. All of them have a constant number of bytes per 20 ms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Codec {
    /// G.711 mu-law, 8 kHz.
    Pcmu,
    /// G.711 A-law, 8 kHz.
    Pcma,
    /// G.722 at 64 kbit/s, 16 kHz: what Asterisk sends and takes for wide band over RTP.
    G722,
    /// Linear, big endian, 8 kHz: what Asterisk sends as payload type 10 and takes as 10 or 11, against RFC 3551.
    L16_8k,
    /// Linear, big endian, 16 kHz: Asterisk sends it as payload type 118 but drops it when it comes back.
    L16_16k,
    /// Linear, little endian, 8 kHz: Asterisk's `slin` on a media WebSocket.
    Slin,
    /// Linear, little endian, 16 kHz: Asterisk's `slin16` on a media WebSocket.
    Slin16,
}

/// How frames of a codec are wrapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Framing {
    /// One RTP packet per datagram.
    Rtp,
    /// The codec's bytes in order, cut anywhere, no header: a WebSocket or another reliable stream.
    Raw,
}

impl Codec {
    /// Its name in files and reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pcmu => "pcmu",
            Self::Pcma => "pcma",
            Self::G722 => "g722",
            Self::L16_8k => "l16-8k",
            Self::L16_16k => "l16-16k",
            Self::Slin => "slin",
            Self::Slin16 => "slin16",
        }
    }

    /// Samples per second.
    pub const fn rate_hz(self) -> u32 {
        match self {
            Self::Pcmu | Self::Pcma | Self::L16_8k | Self::Slin => 8_000,
            Self::G722 | Self::L16_16k | Self::Slin16 => 16_000,
        }
    }

    /// Ticks per second of its RTP timestamps: the samples', but for G.722 (RFC 3551, section 4.5.2).
    pub const fn clock_hz(self) -> u32 {
        match self {
            Self::G722 => 8_000,
            _ => self.rate_hz(),
        }
    }

    /// Samples in 20 ms.
    pub const fn frame_samples(self) -> usize {
        frame_samples(self.rate_hz())
    }

    /// Wire bytes in 20 ms.
    pub const fn frame_bytes(self) -> usize {
        frame_samples(self.clock_hz()) * self.tick_bytes()
    }

    /// Wire bytes of one tick of [`Codec::clock_hz`].
    pub const fn tick_bytes(self) -> usize {
        match self {
            Self::Pcmu | Self::Pcma | Self::G722 => 1,
            Self::L16_8k | Self::L16_16k | Self::Slin | Self::Slin16 => 2,
        }
    }

    /// The payload type to send with, `None` for codecs that are never carried by RTP.
    pub const fn payload_type(self) -> Option<u8> {
        match self {
            Self::Pcmu => Some(0),
            Self::Pcma => Some(8),
            Self::G722 => Some(9),
            Self::L16_8k => Some(10),
            Self::L16_16k => Some(118),
            Self::Slin | Self::Slin16 => None,
        }
    }

    /// Whether RTP of this payload type carries this codec.
    pub const fn accepts(self, payload_type: u8) -> bool {
        match self {
            Self::Pcmu => payload_type == 0,
            Self::Pcma => payload_type == 8,
            Self::G722 => payload_type == 9,
            Self::L16_8k => matches!(payload_type, 10 | 11),
            Self::L16_16k => payload_type == 118,
            Self::Slin | Self::Slin16 => false,
        }
    }

    /// The byte of which silence is made.
    pub const fn silence(self) -> u8 {
        match self {
            Self::Pcmu => g711::ULAW_SILENCE,
            Self::Pcma => g711::ALAW_SILENCE,
            Self::G722 => g722::SILENCE,
            Self::L16_8k | Self::L16_16k | Self::Slin | Self::Slin16 => 0,
        }
    }

    /// What reads one stream of it.
    pub fn decoder(self) -> Decoder {
        match self {
            Self::Pcmu => Decoder::Pcmu,
            Self::Pcma => Decoder::Pcma,
            Self::G722 => Decoder::G722(Box::default()),
            Self::L16_8k | Self::L16_16k => Decoder::BigEndian,
            Self::Slin | Self::Slin16 => Decoder::LittleEndian,
        }
    }

    /// What writes one stream of it.
    pub fn encoder(self) -> Encoder {
        match self {
            Self::Pcmu => Encoder::Pcmu,
            Self::Pcma => Encoder::Pcma,
            Self::G722 => Encoder::G722(Box::default()),
            Self::L16_8k | Self::L16_16k => Encoder::BigEndian,
            Self::Slin | Self::Slin16 => Encoder::LittleEndian,
        }
    }
}

/// Wire bytes to samples, in order; some codecs remember what came before.
#[derive(Clone, Debug)]
pub enum Decoder {
    /// G.711 mu-law.
    Pcmu,
    /// G.711 A-law.
    Pcma,
    /// G.722.
    G722(Box<g722::Decoder>),
    /// Linear, as RTP has it.
    BigEndian,
    /// Linear, as Asterisk's media WebSocket has it.
    LittleEndian,
}

impl Decoder {
    /// Decodes as many samples as both sides hold.
    pub fn decode(&mut self, wire: &[u8], samples: &mut [i16]) {
        match self {
            Self::Pcmu => g711::decode_ulaw(wire, samples),
            Self::Pcma => g711::decode_alaw(wire, samples),
            Self::G722(decoder) => decoder.decode(wire, samples),
            Self::BigEndian => l16::decode_be(wire, samples),
            Self::LittleEndian => l16::decode_le(wire, samples),
        }
    }
}

/// Samples to wire bytes, in order; some codecs remember what came before.
#[derive(Clone, Debug)]
pub enum Encoder {
    /// G.711 mu-law.
    Pcmu,
    /// G.711 A-law.
    Pcma,
    /// G.722.
    G722(Box<g722::Encoder>),
    /// Linear, as RTP has it.
    BigEndian,
    /// Linear, as Asterisk's media WebSocket has it.
    LittleEndian,
}

impl Encoder {
    /// Encodes as many samples as both sides hold.
    pub fn encode(&mut self, samples: &[i16], wire: &mut [u8]) {
        match self {
            Self::Pcmu => g711::encode_ulaw(samples, wire),
            Self::Pcma => g711::encode_alaw(samples, wire),
            Self::G722(encoder) => encoder.encode(samples, wire),
            Self::BigEndian => l16::encode_be(samples, wire),
            Self::LittleEndian => l16::encode_le(samples, wire),
        }
    }

    /// Whether it remembers nothing, so that silence is always the same byte: [`Codec::silence`].
    pub(crate) fn is_memoryless(&self) -> bool {
        match self {
            Self::Pcmu | Self::Pcma | Self::BigEndian | Self::LittleEndian => true,
            Self::G722(_) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Codec; 7] = [Codec::Pcmu, Codec::Pcma, Codec::G722, Codec::L16_8k, Codec::L16_16k, Codec::Slin, Codec::Slin16];

    #[test]
    fn frame_sizes_are_those_asterisk_sends() {
        assert_eq!(ALL.map(Codec::frame_bytes), [160, 160, 160, 320, 640, 320, 640]);
        assert_eq!(ALL.map(Codec::payload_type), [Some(0), Some(8), Some(9), Some(10), Some(118), None, None]);
        assert_eq!(ALL.map(Codec::frame_bytes).into_iter().max(), Some(FRAME_BYTES_MAX));
    }

    #[test]
    fn every_codec_accepts_the_payload_type_it_sends() {
        for codec in ALL {
            assert!(codec.payload_type().is_none_or(|payload_type| codec.accepts(payload_type)), "{codec:?}");
        }
    }

    #[test]
    fn silence_is_inaudible_and_survives_a_round_trip() {
        for codec in ALL {
            let mut samples = vec![1; codec.frame_samples()];
            codec.decoder().decode(&[codec.silence(); FRAME_BYTES_MAX], &mut samples);
            assert!(samples.iter().all(|sample| sample.abs() <= 8), "{codec:?}");
            let mut wire = vec![0x77; codec.frame_bytes()];
            codec.encoder().encode(&vec![0; codec.frame_samples()], &mut wire);
            if codec.encoder().is_memoryless() {
                assert!(wire.iter().all(|byte| *byte == codec.silence()), "{codec:?}");
            }
            codec.decoder().decode(&wire, &mut samples);
            assert!(samples.iter().all(|sample| sample.abs() <= 8), "{codec:?}");
        }
    }
}
