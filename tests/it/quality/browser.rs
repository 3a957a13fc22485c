//! The same through Opus, which is no leg of Asterisk's: packets in order, those that are lost made up by what libopus has.

use crate::call::Heard;
use std::time::{Duration, Instant};
use vg_media::codec::opus::{Decoder, Encoder, EncoderConfig, FRAME_SAMPLES, PACKET_BYTES_MAX, carries_fec};
use vg_media::link::{Link, Weather};
use vg_media::{EarStats, FRAME};

/// What is made of a lost packet.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Repair {
    /// The copy in the next packet, where there is one; else a guess.
    Copies,
    /// Always a guess.
    Guesses,
}

/// What the gateway's Opus makes of speech at 16 kHz.
pub(crate) fn opus(said: &[i16], weather: Weather, seed: u64, repair: Repair) -> Heard {
    let packets = packets(said, weather, seed);
    let mut decoder = Decoder::new().unwrap();
    let stats = EarStats::default();
    let mut heard = Heard { line: Vec::new(), holes: Vec::new(), edges: Vec::new(), stats, lost: 0, sent: packets.len() as u64 };
    for (index, packet) in packets.iter().enumerate() {
        let mut samples = [0; FRAME_SAMPLES];
        let next = packets.get(index + 1).and_then(Option::as_deref);
        match (packet, next) {
            (Some(packet), _) => assert_eq!(decoder.decode(packet, &mut samples), Ok(FRAME_SAMPLES)),
            (None, Some(next)) if repair == Repair::Copies && carries_fec(next) => decoder.recover(next, &mut samples).unwrap(),
            (None, _) => decoder.conceal(&mut samples).unwrap(),
        }
        heard.line.extend(samples);
        let hole = packet.is_none();
        heard.lost += u64::from(hole);
        heard.holes.extend(if hole { [0; FRAME_SAMPLES] } else { samples });
    }
    heard
}

/// What arrives of each frame.
fn packets(said: &[i16], weather: Weather, seed: u64) -> Vec<Option<Vec<u8>>> {
    let (begin, mut link) = (Instant::now(), Link::new(seed, weather));
    let mut encoder = Encoder::new(EncoderConfig::default()).unwrap();
    let mut packets = Vec::new();
    // The last words come out of the codec with the frame after them.
    for (index, frame) in said.chunks(FRAME_SAMPLES).chain([&[][..]]).enumerate() {
        let mut whole = [0; FRAME_SAMPLES];
        whole[..frame.len()].copy_from_slice(frame);
        let mut datagram = vec![0; 4 + PACKET_BYTES_MAX];
        let length = encoder.encode(&whole, &mut datagram[4..]).unwrap();
        datagram.truncate(4 + length);
        datagram[..4].copy_from_slice(&(index as u32).to_be_bytes());
        link.send(begin + FRAME * index as u32, &datagram);
        packets.push(None);
    }
    for (_, datagram) in link.deliver(begin + Duration::from_secs(3_600)) {
        let (index, packet) = datagram.split_first_chunk().unwrap();
        packets[u32::from_be_bytes(*index) as usize] = Some(packet.to_vec());
    }
    packets
}
