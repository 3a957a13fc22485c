//! A leg's tape, and the hand-over of its blocks.

use crate::application::recording::{RecordingTap, SoundBlock};
use std::time::{Duration, Instant};
use vg_media::tape::Block;
use vg_media::{Codec, FRAME, Side, Tape};

/// How often a leg has its turn: a pause counts from the turn before the one that sees it.
const TURN: Duration = FRAME;

/// See the module. Dropping it hands over what is left.
pub(super) struct Taped {
    tape: Tape,
    tap: RecordingTap,
    codec: Codec,
    paused: bool,
    /// When it last had its turn.
    last: Instant,
}

impl Taped {
    pub(super) fn new(now: Instant, codec: Codec, tap: RecordingTap) -> Self {
        tap.begins(now);
        Self { tape: Tape::new(now, codec.rate_hz()), tap, codec, paused: false, last: now }
    }

    /// A frame at the codec's rate.
    pub(super) fn keep(&mut self, side: Side, at: Instant, frame: &[i16]) {
        self.tape.handle(side, at, frame);
    }

    /// To be called every 20 ms.
    pub(super) fn turn(&mut self, now: Instant) {
        self.last = now;
        match (self.paused, self.tap.is_paused()) {
            (false, true) => self.tape.pause(now.checked_sub(TURN).unwrap_or(now)),
            (true, false) => self.tape.resume(now),
            _ => {}
        }
        self.paused = self.tap.is_paused();
        while self.tape.is_ready(now) {
            match self.tap.empty() {
                Some(mut block) => {
                    let place = self.tape.poll(now, &mut block.samples);
                    self.hand_over(place, block);
                }
                None => {
                    self.tape.skip();
                    self.tap.left_out();
                }
            }
        }
    }

    fn hand_over(&self, place: Option<Block>, block: SoundBlock) {
        let Some(Block { first, frames, paused }) = place else { return };
        let (codec, rate_hz) = (self.codec.as_str(), self.codec.rate_hz());
        self.tap.hand_over(SoundBlock { codec, rate_hz, first, frames, paused, samples: block.samples });
    }
}

impl Drop for Taped {
    fn drop(&mut self) {
        loop {
            let Some(mut block) = self.tap.empty() else {
                // The end is short by what the writer had no time for.
                if self.tape.finish(self.last, &mut Vec::new()).is_some() {
                    self.tap.left_out();
                }
                return;
            };
            let Some(place) = self.tape.finish(self.last, &mut block.samples) else { return };
            self.hand_over(Some(place), block);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::application::recording::{self, BLOCKS, Recording, RecordingSource, Sound};

    const MS: Duration = Duration::from_millis(1);

    fn frames(taped: &mut Taped, begin: Instant, numbers: std::ops::Range<u32>) {
        for n in numbers {
            let now = begin + FRAME * n;
            taped.keep(Side::Caller, now, &[n as i16; 160]);
            taped.keep(Side::Gateway, now, &[-(n as i16); 160]);
            taped.turn(now);
        }
    }

    fn blocks(source: &RecordingSource) -> Vec<SoundBlock> {
        std::iter::from_fn(|| match source.next() {
            Sound::Block(block) => Some(block),
            Sound::Nothing | Sound::Over => None,
        })
        .collect()
    }

    #[test]
    fn leg_that_ends_hands_over_every_frame_of_both_sides() {
        let begin = Instant::now();
        let (Recording { tap, .. }, source) = recording::ends();
        let mut taped = Taped::new(begin, Codec::Pcmu, tap);
        frames(&mut taped, begin, 0..190);
        drop(taped);
        let blocks = blocks(&source);
        assert_eq!(blocks.last().map(|block| (block.first, block.frames)), Some((175, 15)));
        let all = blocks.iter().flat_map(|block| block.samples.chunks(320).map(|frame| (frame[0], frame[319])));
        assert_eq!(all.collect::<Vec<_>>(), (0..190).map(|n| (n, -n)).collect::<Vec<_>>());
        assert!(matches!(source.next(), Sound::Over) && source.dropped() == 0);
        assert!(blocks.iter().all(|block| (block.codec, block.rate_hz, block.paused) == ("pcmu", 8_000, 0)));
    }

    #[test]
    fn writer_that_stands_still_costs_its_blocks_and_the_next_lie_in_their_place() {
        let begin = Instant::now();
        let (Recording { tap, .. }, source) = recording::ends();
        let mut taped = Taped::new(begin, Codec::Pcmu, tap);
        // All blocks are filled, and two more are lost.
        let lost = 25 * (BLOCKS as u32 + 2);
        frames(&mut taped, begin, 0..lost + 51);
        assert_eq!(source.dropped(), 2);
        let filled = blocks(&source);
        assert_eq!(filled.len(), BLOCKS);
        filled.into_iter().for_each(|block| source.give_back(block));
        frames(&mut taped, begin, lost + 51..lost + 101);
        let after = blocks(&source);
        assert_eq!(after.iter().map(|block| block.first).collect::<Vec<_>>(), [u64::from(lost), u64::from(lost) + 25]);
        assert_eq!(after[0].samples[0], lost as i16);
    }

    #[test]
    fn pause_counts_from_the_turn_before_it_was_asked_for_to_the_turn_after() {
        let begin = Instant::now();
        let (Recording { tap, grip }, source) = recording::ends();
        let mut taped = Taped::new(begin, Codec::Pcmu, tap);
        frames(&mut taped, begin, 1..11);
        grip.pause();
        frames(&mut taped, begin, 11..20);
        grip.resume();
        frames(&mut taped, begin, 20..51);
        taped.turn(begin + 1_499 * MS);
        assert!(matches!(source.next(), Sound::Nothing));
        taped.turn(begin + 1_500 * MS);
        let block = &blocks(&source)[0];
        let silent = |n: &usize| block.samples[n * 320..(n + 1) * 320].iter().all(|sample| *sample == 0);
        assert_eq!((0..25).filter(silent).collect::<Vec<_>>(), [&[0][..], &(10..=20).collect::<Vec<_>>()].concat());
        assert_eq!(block.paused, (10..=20).map(|n| 1 << n).sum::<u32>());
    }
}
