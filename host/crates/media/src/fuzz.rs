//! Bodies for fuzzers: any bytes may be fed, none may panic. They live here so that they always compile.

mod control;

pub use control::{digits, reporter, rtcp};

use crate::codec::{Codec, Framing};
use crate::ear::{Ear, EarConfig, EarSink};
use crate::frame::{Edge, Frame};
use crate::wav;
use std::time::{Duration, Instant};

const LEGS: [(Codec, Framing); 4] =
    [(Codec::Pcmu, Framing::Rtp), (Codec::L16_16k, Framing::Rtp), (Codec::Pcma, Framing::Raw), (Codec::Slin16, Framing::Raw)];

/// Feeds an [`Ear`] a script: a byte choosing the leg, then datagrams, each after two bytes (its length; milliseconds
/// that pass before it). Panics if frames are not delivered in order or not of the size they promise.
pub fn ear(begin: Instant, script: &[u8]) {
    let Some((&leg, mut rest)) = script.split_first() else { return };
    let (codec, framing) = LEGS[usize::from(leg) % LEGS.len()];
    let rate_hz = if leg & 0x80 == 0 { 8_000 } else { 16_000 };
    let config = EarConfig { rate_hz, ..EarConfig::new(codec, framing) };
    let Ok(mut ear) = Ear::new(begin, config) else { return };
    let mut sink = Check { samples: rate_hz as usize / 50, next: 0 };
    let mut now = begin;
    while let [length, wait_ms, after @ ..] = rest {
        let (datagram, after) = after.split_at(usize::from(*length).min(after.len()));
        now += Duration::from_millis(u64::from(*wait_ms));
        ear.handle_datagram(now, datagram);
        if wait_ms & 1 == 0 {
            ear.poll(now, &mut sink);
        }
        rest = after;
    }
    ear.poll(now + Duration::from_secs(1), &mut sink);
}

/// Reads bytes as a WAV file.
pub fn wav(file: &[u8]) {
    if let Ok(wav) = wav::read(file) {
        assert_eq!(wav.samples.len() % usize::from(wav.channels), 0, "whole samples of every channel");
    }
}

struct Check {
    samples: usize,
    next: u64,
}

impl EarSink for Check {
    fn frame(&mut self, frame: Frame<'_>) {
        assert_eq!((frame.position, frame.samples.len()), (self.next, self.samples), "frames without holes");
        self.next += frame.samples.len() as u64;
    }

    fn edge(&mut self, _edge: Edge) {}
}

#[cfg(test)]
mod tests {
    use crate::link::Rng;
    use crate::{rtp, wav};
    use std::time::Instant;

    #[test]
    fn garbage_of_any_kind_is_survived() {
        let (begin, mut rng) = (Instant::now(), Rng::new(0x5EED));
        for round in 0..2_000 {
            let length = rng.next() as usize % 2_000;
            let mut script = rng.bytes(length);
            // Half of the scripts get headers that are nearly right, to come past the first checks.
            if round % 2 == 0 {
                for packet in script[length.min(1)..].chunks_exact_mut(200) {
                    packet[0] = 198;
                    packet[2] = packet[2] & 0x3F | 0x80;
                    packet[3] &= 0x80;
                    packet[4] = 0;
                    packet[6..8].fill(0);
                    let ssrc = packet[10] & 1;
                    packet[10..14].fill(ssrc);
                }
            }
            super::ear(begin, &script);
        }
    }

    #[test]
    fn damaged_wav_files_are_survived() {
        let mut rng = Rng::new(0xBAD);
        let good = wav::write_stereo(8_000, &[1; 50], &[2; 50]);
        for _ in 0..20_000 {
            let mut file = good.clone();
            for _ in 0..1 + rng.next() % 4 {
                let at = rng.next() as usize % file.len();
                file[at] = rng.next() as u8;
            }
            file.truncate(1 + rng.next() as usize % file.len());
            super::wav(&file);
            let _ = rtp::parse(&file);
        }
    }
}
