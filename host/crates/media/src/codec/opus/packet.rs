//! What can be read of a packet without decoding it: RFC 6716, sections 3.1, 3.2 and 4.2.4.

use super::{OpusError, RATE_HZ};

/// How long a packet lasts by its first bytes, in samples at [`RATE_HZ`].
pub fn packet_samples(packet: &[u8]) -> Result<usize, OpusError> {
    if packet.is_empty() {
        return Err(OpusError::Packet);
    }
    Ok(opus::packet::get_nb_samples(packet, RATE_HZ)?)
}

/// Whether a packet has a copy of what was said just before it: its LBRR flag, which stands at a fixed place of the first frame.
pub fn carries_fec(packet: &[u8]) -> bool {
    let Some(&toc) = packet.first() else { return false };
    // 10, 20, 40 and 60 ms of SILK, then hybrid frames of one SILK frame each, then CELT, which has no copies.
    let silk_frames = match toc >> 3 {
        config @ 0..=11 => [1, 1, 2, 3][usize::from(config % 4)],
        12..=15 => 1,
        _ => return false,
    };
    let Some(flags) = first_frame(packet).and_then(|frame| frame.first()) else { return false };
    let stereo = toc & 0b100 != 0;
    let (middle, side) = (flags >> (7 - silk_frames) & 1, flags >> (6 - 2 * silk_frames) & 1);
    middle == 1 || stereo && side == 1
}

/// From the first byte of the first frame to the end of the packet; nothing where that frame is empty or the packet is cut.
fn first_frame(packet: &[u8]) -> Option<&[u8]> {
    let (&toc, rest) = packet.split_first()?;
    let (length, frames) = match toc & 0b11 {
        0 => (rest.len(), rest),
        1 => (rest.len() / 2, rest),
        2 => length(rest)?,
        _ => {
            let (&count, mut rest) = rest.split_first()?;
            let mut padding = 0;
            if count & 0b0100_0000 != 0 {
                loop {
                    let (&byte, after) = rest.split_first()?;
                    rest = after;
                    padding += usize::from(byte.min(254));
                    if byte < 255 {
                        break;
                    }
                }
            }
            rest = &rest[..rest.len().checked_sub(padding)?];
            let frames = usize::from(count & 0b0011_1111);
            if count & 0b1000_0000 == 0 {
                (rest.len().checked_div(frames)?, rest)
            } else {
                // All lengths but the last, which is what is left.
                let mut first = None;
                for _ in 1..frames {
                    let (length, after) = length(rest)?;
                    first.get_or_insert(length);
                    rest = after;
                }
                (first.unwrap_or(rest.len()), rest)
            }
        }
    };
    (length > 0 && length <= frames.len()).then_some(frames)
}

/// A frame's length in one byte or two, and what comes after it.
fn length(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let (&first, rest) = bytes.split_first()?;
    if first < 252 {
        return Some((usize::from(first), rest));
    }
    let (&second, rest) = rest.split_first()?;
    Some((usize::from(second) * 4 + usize::from(first), rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 20 ms of SILK in wideband, mono: configuration 9.
    const TOC: u8 = 9 << 3;
    const FLAG: u8 = 0b0100_0000;

    #[test]
    fn flag_is_found_in_packets_of_every_code() {
        assert!(carries_fec(&[TOC, FLAG, 1]));
        assert!(!carries_fec(&[TOC, !FLAG, 1]));
        assert!(carries_fec(&[TOC | 1, FLAG, 1, 2, 3]));
        assert!(carries_fec(&[TOC | 2, 1, FLAG, 2]));
        assert!(!carries_fec(&[TOC | 2, 0, FLAG, 2]), "the first frame is empty");
        let mut long = vec![TOC | 2, 252, 1, FLAG];
        assert!(!carries_fec(&long), "its 256 bytes are not there");
        long.resize(400, 0);
        assert!(carries_fec(&long));
        assert!(carries_fec(&[TOC | 3, 2, FLAG, 1]));
        assert!(carries_fec(&[TOC | 3, 0b0100_0010, 1, FLAG, 1, 0]), "a byte of padding");
        assert!(carries_fec(&[TOC | 3, 0b1000_0010, 1, FLAG, 1, 1]), "frames of any length");
        assert!(!carries_fec(&[TOC | 3, 0, FLAG]), "no frames");
        assert!(!carries_fec(&[TOC]) && !carries_fec(&[]));
    }

    #[test]
    fn flag_stands_after_those_of_all_its_frames() {
        let toc = |config: u8, stereo: u8| config << 3 | stereo << 2;
        assert!(carries_fec(&[toc(10, 0), 0b0010_0000]) && !carries_fec(&[toc(10, 0), 0b1101_1111]), "40 ms");
        assert!(carries_fec(&[toc(11, 0), 0b0001_0000]) && !carries_fec(&[toc(11, 0), 0b1110_1111]), "60 ms");
        assert!(carries_fec(&[toc(11, 1), 0b0000_0001]) && !carries_fec(&[toc(11, 1), 0b1110_1110]), "60 ms, the side");
        assert!(carries_fec(&[toc(13, 1), 0b0001_0000]) && !carries_fec(&[toc(13, 1), 0b1010_1111]), "hybrid");
        assert!(!carries_fec(&[toc(16, 0), 0xFF]), "CELT");
    }

    #[test]
    fn first_frame_is_where_libopus_finds_it() {
        let mut state = 7u64;
        let mut next = move || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 56) as u8
        };
        let mut read = 0;
        for round in 0..200_000 {
            let length = usize::from(next()) % 40 + 1;
            let packet: Vec<u8> =
                (0..length).map(|n| if n == 1 && round % 2 == 0 { next() & 0b1100_0011 } else { next() }).collect();
            let Ok(parsed) = opus::packet::parse(&packet) else { continue };
            read += 1;
            let expected = (!parsed.frames[0].is_empty()).then(|| parsed.frames[0][0]);
            assert_eq!(first_frame(&packet).map(|frame| frame[0]), expected, "{packet:?}");
        }
        assert!(read > 50_000, "{read} packets");
    }
}
