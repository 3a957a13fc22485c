//! A call as it was on the wire, both sides beside each other, in blocks for whoever writes them down.
//!
//! Frames are told with the time at which they were heard or sent; the tape lays each side on one time line of 20 ms steps, so that what was said at
//! the same time stands at the same place. Between the sides' own clocks and the tape's lie single frames over hours: they fall into pauses.

use crate::frame::{FRAME, frame_samples};
use std::collections::VecDeque;
use std::time::Instant;

/// Sides of a call: the caller left, the gateway right.
const SIDES: usize = 2;

/// A block is at most half a second: 16 KiB at 8 kHz, 32 KiB at 16 kHz.
pub const BLOCK_FRAMES: u64 = 25;

/// How long a frame may come after its time: what the jitter buffer and the shard's clock take.
const SETTLED_FRAMES: u64 = 50;

/// Frames that there is room for.
const HELD_FRAMES: u64 = SETTLED_FRAMES + 2 * BLOCK_FRAMES;

/// A side that lies this far from where its frames were put is moved; below that it goes on where it was.
const SLIP_FRAMES: i64 = 3;

/// Who spoke.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// What was heard.
    Caller,
    /// What was sent.
    Gateway,
}

/// A stretch of the tape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block {
    /// Frames of 20 ms that lie before it.
    pub first: u64,
    /// Its own, 1 to [`BLOCK_FRAMES`].
    pub frames: u32,
    /// A bit for each of its frames, the lowest for the first: set where silence stands in place of what was said.
    pub paused: u32,
}

/// See the module. Holds at most two seconds of sound.
#[derive(Debug)]
pub struct Tape {
    begin: Instant,
    /// Samples of a frame of both sides.
    frame_samples: usize,
    /// Interleaved samples of [`HELD_FRAMES`] frames, each at its number modulo that. *Invariant:* silence where nothing was said.
    held: Box<[i16]>,
    /// Frames that were handed out already.
    first: u64,
    /// Where each side goes on, in frames.
    next: [Option<u64>; SIDES],
    paused: bool,
    /// A stretch that is not to be kept: from here, and up to here where it is over.
    holes: VecDeque<(u64, Option<u64>)>,
    late: u64,
}

impl Tape {
    /// A tape that begins now; all frames are of this rate.
    pub fn new(begin: Instant, rate_hz: u32) -> Self {
        let frame_samples = frame_samples(rate_hz) * SIDES;
        let held = vec![0; HELD_FRAMES as usize * frame_samples].into();
        Self { begin, frame_samples, held, first: 0, next: [None; SIDES], paused: false, holes: VecDeque::new(), late: 0 }
    }

    /// A frame of 20 ms that was heard, or sent, at this time. What is too late for the tape is counted and left out.
    pub fn handle(&mut self, side: Side, at: Instant, frame: &[i16]) {
        let index = self.place(side, at);
        // By its own time: where it would lie may be some frames aside.
        if self.is_paused(self.index(at)) {
            return;
        }
        // Too late, or a clock that jumped: that one has its own place once the tape has come there.
        if !(self.first..self.first + HELD_FRAMES).contains(&index) {
            self.late += 1;
            return;
        }
        let channel = side as usize;
        for (both, sample) in self.slot(index).chunks_exact_mut(SIDES).zip(frame) {
            both[channel] = *sample;
        }
    }

    /// From now on silence is kept in place of both sides, until [`Tape::resume`].
    pub fn pause(&mut self, now: Instant) {
        if !std::mem::replace(&mut self.paused, true) {
            self.holes.push_back((self.index(now), None));
        }
    }

    /// What is said from now on is kept again.
    pub fn resume(&mut self, now: Instant) {
        if std::mem::replace(&mut self.paused, false) {
            let end = self.index(now);
            if let Some((_, open)) = self.holes.back_mut() {
                // The frame in which it ends belongs to it.
                *open = Some(end + 1);
            }
        }
    }

    /// Whether [`Tape::poll`] has a block.
    pub fn is_ready(&self, now: Instant) -> bool {
        self.index(now) >= self.first + BLOCK_FRAMES + SETTLED_FRAMES
    }

    /// The next half second of interleaved samples, left the caller, appended to `samples`; none before it has settled.
    pub fn poll(&mut self, now: Instant, samples: &mut Vec<i16>) -> Option<Block> {
        self.is_ready(now).then(|| self.take(BLOCK_FRAMES, samples))
    }

    /// What is left up to now, a block at a time: to be asked until there is none.
    pub fn finish(&mut self, now: Instant, samples: &mut Vec<i16>) -> Option<Block> {
        let left = (self.index(now) + 1).saturating_sub(self.first);
        (left > 0).then(|| self.take(left.min(BLOCK_FRAMES), samples))
    }

    /// Leaves out the next block: nobody has room for it.
    pub fn skip(&mut self) {
        (self.first..self.first + BLOCK_FRAMES).for_each(|index| self.slot(index).fill(0));
        self.pass(BLOCK_FRAMES);
    }

    /// Frames that came too late, or from the future.
    pub fn late(&self) -> u64 {
        self.late
    }

    /// Follows on the side's frame before where the time allows it: packets are heard with jitter, and frames must neither overlap nor leave holes.
    fn place(&mut self, side: Side, at: Instant) -> u64 {
        let by_time = self.index(at);
        let next = &mut self.next[side as usize];
        let index = match *next {
            Some(next) if (by_time.cast_signed() - next.cast_signed()).abs() <= SLIP_FRAMES => next,
            _ => by_time,
        };
        *next = Some(index + 1);
        index
    }

    fn index(&self, at: Instant) -> u64 {
        (at.saturating_duration_since(self.begin).as_nanos() / FRAME.as_nanos()) as u64
    }

    fn take(&mut self, frames: u64, block: &mut Vec<i16>) -> Block {
        let (first, end) = (self.first, self.first + frames);
        let mut paused = 0;
        for index in first..end {
            let is_paused = self.is_paused(index);
            paused |= u32::from(is_paused) << (index - first);
            let slot = self.slot(index);
            if is_paused {
                slot.fill(0);
            }
            block.extend_from_slice(slot);
            slot.fill(0);
        }
        self.pass(frames);
        Block { first, frames: frames as u32, paused }
    }

    fn is_paused(&self, index: u64) -> bool {
        self.holes.iter().any(|(start, over)| *start <= index && over.is_none_or(|over| index < over))
    }

    fn slot(&mut self, index: u64) -> &mut [i16] {
        let start = (index % HELD_FRAMES) as usize * self.frame_samples;
        &mut self.held[start..start + self.frame_samples]
    }

    fn pass(&mut self, frames: u64) {
        self.first += frames;
        let end = self.first;
        self.holes.retain(|(_, over)| over.is_none_or(|over| over > end));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const MS: Duration = Duration::from_millis(1);
    const RATE: u32 = 8_000;

    fn sides(block: &[i16]) -> (Vec<i16>, Vec<i16>) {
        // One sample of each frame is enough to see where it lies.
        block.chunks(2 * 160).map(|frame| (frame[160], frame[161])).unzip()
    }

    /// A call in which both sides say a number each frame, the caller's packets with jitter.
    fn call(ms: u32, mut each: impl FnMut(&mut Tape, Instant, u32)) -> Vec<i16> {
        let begin = Instant::now();
        let (mut tape, mut kept) = (Tape::new(begin, RATE), Vec::new());
        for n in 0..ms / 20 {
            let now = begin + 20 * MS * n;
            each(&mut tape, now, n);
            tape.handle(Side::Caller, now + MS * (n * 7 % 25), &[n as i16 + 1; 160]);
            tape.handle(Side::Gateway, now, &[-(n as i16) - 1; 160]);
            while tape.poll(now, &mut kept).is_some() {}
        }
        while tape.finish(begin + MS * (ms - 1), &mut kept).is_some() {}
        assert_eq!(tape.late(), 0);
        kept
    }

    #[test]
    fn both_sides_lie_beside_each_other_frame_by_frame() {
        let (caller, gateway) = sides(&call(5_000, |_, _, _| {}));
        assert_eq!(caller, (1..=250).collect::<Vec<i16>>());
        assert_eq!(gateway, (1..=250).map(|n| -n).collect::<Vec<i16>>());
    }

    #[test]
    fn side_that_says_nothing_is_silent_and_keeps_its_place() {
        let begin = Instant::now();
        let (mut tape, mut kept) = (Tape::new(begin, RATE), Vec::new());
        tape.handle(Side::Caller, begin, &[1; 160]);
        tape.handle(Side::Gateway, begin + 60 * MS, &[2; 160]);
        tape.handle(Side::Caller, begin + 400 * MS, &[3; 160]);
        while tape.finish(begin + 419 * MS, &mut kept).is_some() {}
        let (caller, gateway) = sides(&kept);
        assert_eq!(caller.iter().position(|n| *n == 3), Some(20));
        assert_eq!((gateway.iter().position(|n| *n == 2), caller.len()), (Some(3), 21));
    }

    #[test]
    fn paused_stretch_is_silence_on_both_sides_and_no_shorter() {
        let kept = call(5_000, |tape, now, n| match n {
            100 => tape.pause(now),
            150 => tape.resume(now),
            _ => {}
        });
        let (caller, gateway) = sides(&kept);
        assert_eq!(caller.len(), 250);
        for side in [caller, gateway] {
            let silent: Vec<usize> = side.iter().enumerate().filter(|(_, n)| **n == 0).map(|(at, _)| at).collect();
            assert_eq!(silent, (100..=150).collect::<Vec<_>>());
        }
    }

    #[test]
    fn pause_without_an_end_lasts_to_the_end_and_two_are_two() {
        let silent = |script: &[(u32, bool)]| {
            let kept = call(2_000, |tape, now, n| match script.iter().find(|(at, _)| *at == n) {
                Some((_, true)) => tape.pause(now),
                Some((_, false)) => tape.resume(now),
                None => {}
            });
            sides(&kept).0.iter().filter(|n| **n == 0).count()
        };
        assert_eq!(silent(&[(40, true)]), 60);
        assert_eq!(silent(&[(10, true), (12, true), (14, false), (50, true), (59, false)]), 5 + 10);
        assert_eq!(silent(&[(10, false)]), 0);
    }

    #[test]
    fn blocks_say_where_they_lie_and_which_of_their_frames_are_paused() {
        let begin = Instant::now();
        let (mut tape, mut kept) = (Tape::new(begin, RATE), Vec::new());
        tape.pause(begin + 480 * MS);
        tape.resume(begin + 510 * MS);
        assert!(!tape.is_ready(begin + 1_499 * MS) && tape.is_ready(begin + 1_500 * MS));
        assert_eq!(tape.poll(begin + 2_100 * MS, &mut kept), Some(Block { first: 0, frames: 25, paused: 1 << 24 }));
        assert_eq!(tape.poll(begin + 2_100 * MS, &mut kept), Some(Block { first: 25, frames: 25, paused: 1 }));
        tape.skip();
        assert_eq!(tape.finish(begin + 1_539 * MS, &mut kept), Some(Block { first: 75, frames: 2, paused: 0 }));
        assert_eq!((tape.finish(begin + 1_539 * MS, &mut kept), kept.len()), (None, 52 * 320));
    }

    #[test]
    fn block_left_out_takes_its_sound_along_and_the_next_keeps_its_place() {
        let begin = Instant::now();
        let (mut tape, mut kept) = (Tape::new(begin, RATE), Vec::new());
        for n in 0..50 {
            tape.handle(Side::Caller, begin + 20 * MS * n, &[n as i16 + 1; 160]);
        }
        tape.skip();
        assert_eq!(tape.poll(begin + 2_000 * MS, &mut kept), Some(Block { first: 25, frames: 25, paused: 0 }));
        assert_eq!(sides(&kept).0, (26..=50).collect::<Vec<i16>>());
    }

    #[test]
    fn what_was_said_in_a_pause_is_not_kept_by_a_side_that_lies_some_frames_aside() {
        let begin = Instant::now();
        let (mut tape, mut kept) = (Tape::new(begin, RATE), Vec::new());
        for n in 0..100u32 {
            // All but the first frame come 60 ms late, and follow on it.
            let frame = n + if n > 0 { 3 } else { 0 };
            let now = begin + 20 * MS * frame;
            match frame {
                60 => tape.pause(now),
                80 => tape.resume(now),
                _ => {}
            }
            tape.handle(Side::Caller, now, &[n as i16 + 1; 160]);
            while tape.poll(now, &mut kept).is_some() {}
        }
        while tape.finish(begin + 2_000 * MS, &mut kept).is_some() {}
        let (caller, _) = sides(&kept);
        // Frame n was said at n + 3 and lies at n.
        assert_eq!(caller[56], 57);
        let said_in_pause = |number: &i16| (60..=80).contains(&(number - 1 + 3));
        assert!(!caller.iter().any(|number| *number > 0 && said_in_pause(number)), "{caller:?}");
        assert_eq!(caller[81], 82);
    }

    #[test]
    fn drift_between_the_clocks_moves_a_side_by_a_frame_at_a_time() {
        let begin = Instant::now();
        let (mut tape, mut kept) = (Tape::new(begin, RATE), Vec::new());
        for n in 0..90_000u32 {
            // 200 ppm fast: a frame each 100 s.
            let at = begin + Duration::from_nanos(u64::from(n) * 19_996_000);
            tape.handle(Side::Caller, at, &[7; 160]);
            while tape.poll(at, &mut kept).is_some() {}
        }
        while tape.finish(begin + Duration::from_nanos(90_000 * 19_996_000), &mut kept).is_some() {}
        let (caller, _) = sides(&kept);
        assert!(caller.len().abs_diff(90_000 - 18) <= 1 && tape.late() == 0, "{} late {}", caller.len(), tape.late());
        assert!(caller.iter().filter(|n| **n == 0).count() < 20);
    }

    #[test]
    fn frames_from_the_past_or_the_future_cost_no_memory() {
        let begin = Instant::now();
        let (mut tape, mut kept) = (Tape::new(begin, RATE), Vec::new());
        tape.handle(Side::Caller, begin + 3_600_000 * MS, &[1; 160]);
        let block = Block { first: 0, frames: 25, paused: 0 };
        assert_eq!((tape.poll(begin + 1_499 * MS, &mut kept), tape.poll(begin + 1_500 * MS, &mut kept)), (None, Some(block)));
        tape.handle(Side::Gateway, begin, &[1; 160]);
        tape.handle(Side::Gateway, begin + 1_500 * MS, &[1; 320]);
        assert_eq!((tape.late(), kept.len()), (2, 8_000));
        assert!(kept.iter().all(|sample| *sample == 0));
    }
}
