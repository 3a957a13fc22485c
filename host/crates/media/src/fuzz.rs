//! Bodies for fuzzers: any bytes may be fed, none may panic. They live here so that they always compile. Each says what it saw, so that
//! whoever feeds it knows which branches were reached.

mod control;

pub use control::{digits, reporter, rtcp};

use crate::codec::{Codec, Framing};
use crate::dtmf::DigitNews;
use crate::ear::{Ear, EarConfig, EarSink};
use crate::frame::{Edge, Frame};
use crate::link::Rng;
use crate::stats::EarStats;
use crate::{rtp, wav};
use std::time::{Duration, Instant};

const LEGS: [(Codec, Framing); 5] = [
    (Codec::Pcmu, Framing::Rtp),
    (Codec::L16_16k, Framing::Rtp),
    (Codec::Pcma, Framing::Raw),
    (Codec::Slin16, Framing::Raw),
    (Codec::G722, Framing::Rtp),
];

/// Payload type of telephone events on the legs that have any.
const EVENTS: u8 = 101;

/// Reads bytes as one RTP packet. The code of the fault, else `ok`.
pub fn rtp(datagram: &[u8]) -> &'static str {
    match rtp::parse(datagram) {
        Ok((header, payload)) => {
            assert!(payload.len() + rtp::HEADER_LEN <= datagram.len() && header.payload_type < 128, "no more than came");
            "ok"
        }
        Err(error) => error.code(),
    }
}

/// Feeds an [`Ear`] a script: a byte choosing the leg (0x80: frames at 16 kHz; 0x40: telephone events), then datagrams, each after two
/// bytes (its length; milliseconds that pass before it). Panics if frames are not delivered in order or not of the size they promise, or
/// a key is let go that was not pressed.
pub fn ear(begin: Instant, script: &[u8]) -> EarStats {
    let Some((&leg, mut rest)) = script.split_first() else { return EarStats::default() };
    let (codec, framing) = LEGS[usize::from(leg & 0x3F) % LEGS.len()];
    let rate_hz = if leg & 0x80 == 0 { 8_000 } else { 16_000 };
    let events = (leg & 0x40 != 0).then_some(EVENTS);
    let config = EarConfig { rate_hz, events, ..EarConfig::new(codec, framing) };
    let Ok(mut ear) = Ear::new(begin, config) else { return EarStats::default() };
    let mut sink = Check { samples: rate_hz as usize / 50, next: 0, pressed: 0 };
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
    assert_eq!(sink.pressed, 0, "every key was let go");
    ear.stats()
}

/// Reads bytes as a WAV file. The code of the fault, else `ok`.
pub fn wav(file: &[u8]) -> &'static str {
    match wav::read(file) {
        Ok(wav) => {
            assert_eq!(wav.samples.len() % usize::from(wav.channels), 0, "whole samples of every channel");
            assert!(wav.rate_hz > 0 && wav.mono().len() * usize::from(wav.channels) == wav.samples.len(), "as many of each");
            "ok"
        }
        Err(error) => error.code(),
    }
}

/// Damages inputs, the same way for the same seed: for where no coverage leads a fuzzer.
pub struct Mutator(Rng);

impl Mutator {
    /// One that has done nothing yet.
    pub fn new(seed: u64) -> Self {
        Self(Rng::new(seed))
    }

    /// One to four damages of `input`; some of them bring in a piece of `other`.
    pub fn damage(&mut self, input: &[u8], other: &[u8]) -> Vec<u8> {
        let mut bytes = input.to_vec();
        for _ in 0..=self.below(4) {
            self.damage_once(&mut bytes, other);
        }
        bytes
    }

    fn damage_once(&mut self, bytes: &mut Vec<u8>, other: &[u8]) {
        let at = self.below(bytes.len() + 1);
        match (self.below(7), bytes.get_mut(at)) {
            (0, Some(byte)) => *byte ^= 1 << self.below(8),
            (1, Some(byte)) => *byte = [0, 1, 0x7F, 0x80, 0xFF][self.below(5)],
            (2, Some(byte)) => *byte = self.0.next() as u8,
            (3, Some(_)) => drop(bytes.drain(at..(at + 1 + self.below(8)).min(bytes.len()))),
            (4, _) => bytes.truncate(at),
            (5, _) => {
                let from = self.below(other.len() + 1);
                let piece = &other[from..(from + self.below(64)).min(other.len())];
                bytes.splice(at..at, piece.iter().copied());
            }
            (_, Some(_)) => {
                let piece = bytes[at..(at + 1 + self.below(32)).min(bytes.len())].to_vec();
                bytes.splice(at..at, piece);
            }
            (_, None) => bytes.push(self.0.next() as u8),
        }
    }

    fn below(&mut self, limit: usize) -> usize {
        self.0.next() as usize % limit
    }
}

struct Check {
    samples: usize,
    next: u64,
    pressed: i32,
}

impl EarSink for Check {
    fn frame(&mut self, frame: Frame<'_>) {
        assert_eq!((frame.position, frame.samples.len()), (self.next, self.samples), "frames without holes");
        self.next += frame.samples.len() as u64;
    }

    fn edge(&mut self, _edge: Edge) {}

    fn digit(&mut self, news: DigitNews) {
        self.pressed += match news {
            DigitNews::Began { .. } => 1,
            DigitNews::Ended { .. } => -1,
        };
        assert!(self.pressed >= 0, "what ends began");
    }
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
