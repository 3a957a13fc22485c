//! The jitter buffer: a ring of wire bytes indexed by time, and a clock that plays it.
//!
//! Every codec here has a constant number of bytes per 20 ms, so a position on the sender's time line is a byte
//! position. A packet is copied to where it belongs, across cells of 20 ms if need be; reordering, any packet length and
//! gaps need no further care.
//!
//! Sound that is not there when it is due is lost if something later is there already; else the buffer waits for it, which costs delay and no
//! words. Delay is won back, or added ahead of need, by whole frames, only where the owner says that nobody speaks.

use crate::codec::Codec;
use crate::delay::{Delay, Wish};
use crate::frame::FRAME;
use std::time::{Duration, Instant};

/// Cells of 20 ms: what a burst may run ahead.
const CELLS: u64 = 64;

/// The longest delay that leaves half of the ring for bursts.
pub(crate) const DELAY_MAX: Duration = Duration::from_millis(CELLS * crate::frame::FRAME_MS / 2);

const FRAME_NS: i64 = FRAME.as_nanos() as i64;

/// After so long a wait it is a pause of the sender and no late packet: what follows begins with its whole delay.
const PAUSE: u32 = 5;

#[derive(Debug)]
pub(crate) struct Jitter {
    frame_bytes: u64,
    silence: u8,
    bytes: Box<[u8]>,
    cells: Box<[Cell]>,
    /// The cell to be played next.
    cursor: u64,
    /// When it is due; `None` until the first packet.
    due: Option<Instant>,
    /// Just after the newest byte.
    newest: u64,
    /// Frames that were played since the ring ran dry, while the cursor stood.
    waited: u32,
    /// Frames that it is still to stand, so that what came after a pause has its delay.
    pause: u32,
    delay: Delay,
}

#[derive(Clone, Copy, Debug)]
struct Cell {
    /// *Invariant:* the cell holds sound of this index, or is stale where the ring has gone on.
    index: u64,
    arrival: Instant,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Written {
    Stored,
    /// All of it was due already.
    Late,
    /// Further ahead than the ring reaches.
    Overflow,
}

/// One frame of the time line.
pub(crate) struct Played<'a> {
    pub(crate) what: What<'a>,
    /// Arrival of its packet, or when it should have arrived.
    pub(crate) at: Instant,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What<'a> {
    /// Wire bytes, silence where only a part came.
    Sound(&'a [u8]),
    /// Nothing came, but later sound has.
    Lost,
    /// Nothing came yet.
    Awaited,
}

impl Jitter {
    /// `delay` until more is known of the packets; then between a frame and `delay_max`.
    pub(crate) fn new(now: Instant, codec: Codec, delay: Duration, delay_max: Duration) -> Self {
        let frame_bytes = codec.frame_bytes();
        Self {
            frame_bytes: frame_bytes as u64,
            silence: codec.silence(),
            bytes: vec![codec.silence(); frame_bytes * CELLS as usize].into(),
            cells: vec![Cell { index: u64::MAX, arrival: now }; CELLS as usize].into(),
            cursor: 0,
            due: None,
            newest: 0,
            waited: 0,
            pause: 0,
            delay: Delay::new(now, delay, (FRAME.min(delay), delay_max.max(delay))),
        }
    }

    /// When the next frame is due; `None` until something came.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.due
    }

    /// What the packets need and have.
    pub(crate) fn delay(&self) -> &Delay {
        &self.delay
    }

    /// Whether nothing is left to play.
    pub(crate) fn is_dry(&self) -> bool {
        self.newest <= self.start()
    }

    /// Where a stream goes on: just after the newest byte, and not before what is played next.
    pub(crate) fn end(&self) -> u64 {
        self.newest.max(self.start())
    }

    /// The first byte of what is played next.
    fn start(&self) -> u64 {
        self.cursor * self.frame_bytes
    }

    /// Where sound that arrives now, and follows on nothing, is to stand: the full delay away, and behind what is there.
    pub(crate) fn begin(&mut self, now: Instant) -> u64 {
        let ahead = self.ahead(now);
        self.delay.restart();
        (self.waited, self.pause) = (0, 0);
        self.newest.max((self.cursor + ahead) * self.frame_bytes)
    }

    /// How many frames from the cursor sound stands that arrives now and is due after the whole delay.
    fn ahead(&mut self, now: Instant) -> u64 {
        let play_at = now + self.delay.target();
        let due = *self.due.get_or_insert(play_at);
        play_at.saturating_duration_since(due).as_nanos().div_ceil(FRAME.as_nanos()) as u64
    }

    /// Puts a payload at a byte position. What lies before the cursor or beyond the ring is left out.
    pub(crate) fn write(&mut self, now: Instant, position: u64, payload: &[u8]) -> Written {
        if self.waited > 0 && position >= self.newest {
            self.go_on(now, position / self.frame_bytes);
        }
        let start = self.start();
        let end = position + payload.len() as u64;
        let limit = start + CELLS * self.frame_bytes;
        if position >= limit {
            return Written::Overflow;
        }
        // Also of one that is too late: it shows what delay is needed.
        self.note(now, position);
        if end <= start {
            return Written::Late;
        }
        let missed = start.saturating_sub(position) as usize;
        let kept = payload.len() - end.saturating_sub(limit) as usize;
        self.copy(now, position + missed as u64, &payload[missed..kept]);
        self.newest = self.newest.max(end.min(limit));
        if end > limit { Written::Overflow } else { Written::Stored }
    }

    /// Sound comes after the ring was dry. What was played meanwhile stood for what is missing before it, as far as its delay allows.
    fn go_on(&mut self, now: Instant, index: u64) {
        let ahead = self.ahead(now);
        let gap = index.saturating_sub(self.cursor);
        let waited = std::mem::take(&mut self.waited);
        if gap > ahead {
            self.cursor = index - ahead;
        } else if waited >= PAUSE {
            // Its timestamps did not count on: packets that are fast now are the measure.
            self.delay.restart();
            self.pause = u32::try_from(ahead - gap).unwrap_or(0);
        }
    }

    fn copy(&mut self, now: Instant, mut position: u64, mut payload: &[u8]) {
        let frame_bytes = self.frame_bytes as usize;
        while !payload.is_empty() {
            let index = position / self.frame_bytes;
            let slot = (index % CELLS) as usize;
            let offset = (position % self.frame_bytes) as usize;
            let wire = &mut self.bytes[slot * frame_bytes..][..frame_bytes];
            let cell = &mut self.cells[slot];
            if cell.index != index {
                cell.index = index;
                wire.fill(self.silence);
            }
            cell.arrival = now;
            let (part, rest) = payload.split_at(payload.len().min(frame_bytes - offset));
            wire[offset..offset + part.len()].copy_from_slice(part);
            position += part.len() as u64;
            payload = rest;
        }
    }

    /// The frame that is due by now, once.
    pub(crate) fn play(&mut self, now: Instant) -> Option<Played<'_>> {
        let due = self.due.filter(|&due| due <= now)?;
        self.due = Some(due + FRAME);
        let expected = due - self.delay.actual();
        if self.pause > 0 {
            self.pause -= 1;
            return Some(Played { what: What::Awaited, at: expected });
        }
        let slot = (self.cursor % CELLS) as usize;
        let cell = self.cells[slot];
        if cell.index == self.cursor {
            self.cursor += 1;
            let frame_bytes = self.frame_bytes as usize;
            return Some(Played { what: What::Sound(&self.bytes[slot * frame_bytes..][..frame_bytes]), at: cell.arrival });
        }
        let what = if self.is_dry() {
            self.waited = self.waited.saturating_add(1);
            self.delay.moved(FRAME_NS);
            What::Awaited
        } else {
            self.cursor += 1;
            What::Lost
        };
        Some(Played { what, at: expected })
    }

    /// In silence: what would bring the delay closer to what is needed.
    pub(crate) fn wish(&self) -> Wish {
        match self.delay.wish(FRAME) {
            Wish::Shorter if self.is_dry() => Wish::Keep,
            wish => wish,
        }
    }

    /// The frame that was just played is left out: the next one takes its time.
    pub(crate) fn leave_out(&mut self) {
        self.due = self.due.map(|due| due - FRAME);
        self.delay.moved(-FRAME_NS);
    }

    /// Lets one frame pass without playing any; the time at which it was due.
    pub(crate) fn hold(&mut self, now: Instant) -> Option<Instant> {
        let due = self.due.filter(|&due| due <= now)?;
        self.due = Some(due + FRAME);
        self.delay.moved(FRAME_NS);
        Some(due - self.delay.actual())
    }

    fn note(&mut self, now: Instant, position: u64) {
        let Some(due) = self.due else { return };
        // Exact to the byte: packets need not be as long as frames.
        let time_of = |bytes: u64| i64::try_from(bytes.saturating_mul(FRAME_NS as u64) / self.frame_bytes).unwrap_or(i64::MAX);
        let (sent_ns, cursor_ns) = (time_of(position), time_of(self.cursor * self.frame_bytes));
        let late_ns = now.saturating_duration_since(due).as_nanos() as i64 - due.saturating_duration_since(now).as_nanos() as i64;
        let slack_ns = sent_ns.saturating_sub(cursor_ns).saturating_sub(late_ns) + i64::from(self.pause) * FRAME_NS;
        self.delay.note(now, sent_ns, slack_ns);
    }
}
