//! Opus on a media WebSocket: a packet is a message, and behind it is a leg of linear samples at 16 kHz.
//!
//! Asterisk passes such frames through as they come: it neither cuts, queues nor paces them, and has nothing to flush. Nothing is lost on a
//! WebSocket, so no packet carries copies of others.

use bytes::Bytes;
use vg_media::codec::opus::{Decoder, Encoder, EncoderConfig, FRAME_SAMPLES, OpusError, PACKET_BYTES_MAX, PACKET_SAMPLES_MAX};

/// Both directions of one call.
pub(super) struct OpusWire {
    decoder: Decoder,
    encoder: Encoder,
}

impl OpusWire {
    pub(super) fn new() -> Result<Self, OpusError> {
        let config = EncoderConfig { loss_percent: 0, ..EncoderConfig::default() };
        Ok(Self { decoder: Decoder::new()?, encoder: Encoder::new(config)? })
    }

    /// A packet as linear samples, little endian.
    pub(super) fn unpack(&mut self, packet: &[u8]) -> Result<Bytes, OpusError> {
        let mut samples = [0; PACKET_SAMPLES_MAX];
        let count = self.decoder.decode(packet, &mut samples)?;
        Ok(samples[..count].iter().flat_map(|sample| sample.to_le_bytes()).collect())
    }

    /// 20 ms of linear samples, little endian, as a packet. Other lengths are an error.
    pub(super) fn pack(&mut self, frame: &[u8]) -> Result<Bytes, OpusError> {
        let (pairs, cut) = frame.as_chunks::<2>();
        if pairs.len() != FRAME_SAMPLES || !cut.is_empty() {
            return Err(OpusError::Argument);
        }
        let samples = std::array::from_fn(|nth| i16::from_le_bytes(pairs[nth]));
        let mut packet = [0; PACKET_BYTES_MAX];
        let length = self.encoder.encode(&samples, &mut packet)?;
        Ok(Bytes::copy_from_slice(&packet[..length]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_comes_back_and_what_is_no_packet_or_no_frame_is_told() {
        let mut wire = OpusWire::new().unwrap();
        let tone = |n: usize| (8000.0 * (n as f64 / 6.0).sin()) as i16;
        let mut power = 0.0;
        for frame in 0..10 {
            let bytes: Vec<u8> = (0..320).flat_map(|n| tone(frame * 320 + n).to_le_bytes()).collect();
            let packet = wire.pack(&bytes).unwrap();
            assert!(packet.len() < 200, "{}", packet.len());
            let back = wire.unpack(&packet).unwrap();
            assert_eq!(back.len(), 640);
            power = back.chunks(2).map(|pair| f64::from(i16::from_le_bytes([pair[0], pair[1]])).powi(2)).sum::<f64>() / 320.0;
        }
        assert!((4500.0..6500.0).contains(&power.sqrt()), "{}", power.sqrt());
        for wrong in [&[0; 638][..], &[0; 641], &[]] {
            assert_eq!(wire.pack(wrong), Err(OpusError::Argument));
        }
        // A packet of code 3 that says it has 63 frames, and none at all.
        for garbage in [&[0xff, 0x3f][..], &[]] {
            assert_eq!(wire.unpack(garbage), Err(OpusError::Packet));
        }
    }
}
