//! A fixed delay, as a ring of wire bytes indexed by time.
//!
//! Every codec here has a constant number of bytes per sample, so a position on the sender's time line is a byte
//! position. A packet is copied to where it belongs, across cells of 20 ms if need be; reordering, any packet length and
//! gaps need no further care.

use crate::codec::Codec;
use crate::frame::FRAME;
use std::time::{Duration, Instant};

/// Cells of 20 ms: what a burst may run ahead.
const CELLS: u64 = 64;

/// The longest delay that leaves half of the ring for bursts.
pub(crate) const DELAY_MAX: Duration = Duration::from_millis(CELLS * crate::frame::FRAME_MS / 2);

/// Over how many writes the least slack is taken before the delay is brought down: a second of 20 ms packets.
const SLACK_WINDOW: u32 = 50;

#[derive(Debug)]
pub(crate) struct Jitter {
    frame_bytes: u64,
    silence: u8,
    delay: Duration,
    bytes: Box<[u8]>,
    cells: Box<[Cell]>,
    /// The cell to be played next.
    cursor: u64,
    /// When it is due; `None` until the first packet.
    due: Option<Instant>,
    /// Just after the newest byte.
    newest: u64,
    slack: Slack,
}

#[derive(Clone, Copy, Debug)]
struct Cell {
    /// *Invariant:* the cell holds sound of this index, or is stale where the ring has gone on.
    index: u64,
    arrival: Instant,
}

/// How long before they are due packets come, at the least.
#[derive(Debug)]
struct Slack {
    least: Duration,
    writes: u32,
    /// Cells that may be left out.
    excess: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Written {
    Stored,
    /// All of it was due already.
    Late,
    /// Further ahead than the ring reaches.
    Overflow,
}

pub(crate) struct Played<'a> {
    /// One frame of wire bytes, silence where only a part came; `None` if nothing came.
    pub(crate) wire: Option<&'a [u8]>,
    /// Arrival of its packet, or when it should have arrived.
    pub(crate) at: Instant,
}

impl Jitter {
    pub(crate) fn new(now: Instant, codec: Codec, delay: Duration) -> Self {
        let frame_bytes = codec.frame_bytes();
        Self {
            frame_bytes: frame_bytes as u64,
            silence: codec.silence(),
            delay,
            bytes: vec![codec.silence(); frame_bytes * CELLS as usize].into(),
            cells: vec![Cell { index: u64::MAX, arrival: now }; CELLS as usize].into(),
            cursor: 0,
            due: None,
            newest: 0,
            slack: Slack { least: Duration::MAX, writes: 0, excess: 0 },
        }
    }

    /// When the next frame is due; `None` until something came.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Whether nothing is left to play.
    pub(crate) fn is_dry(&self) -> bool {
        self.newest <= self.cursor * self.frame_bytes
    }

    /// Just after the newest byte.
    pub(crate) fn newest(&self) -> u64 {
        self.newest
    }

    /// Where sound that arrives now, and follows on nothing, is to stand: the full delay away, and behind what is there.
    pub(crate) fn begin(&mut self, now: Instant) -> u64 {
        let play_at = now + self.delay;
        let due = *self.due.get_or_insert(play_at);
        let ahead = play_at.saturating_duration_since(due).as_nanos().div_ceil(FRAME.as_nanos()) as u64;
        self.slack.restart();
        self.newest.max((self.cursor + ahead) * self.frame_bytes)
    }

    /// Puts a payload at a byte position. What lies before the cursor or beyond the ring is left out.
    pub(crate) fn write(&mut self, now: Instant, position: u64, payload: &[u8]) -> Written {
        let start = self.cursor * self.frame_bytes;
        let end = position + payload.len() as u64;
        if end <= start {
            return Written::Late;
        }
        let limit = start + CELLS * self.frame_bytes;
        if position >= limit {
            return Written::Overflow;
        }
        let missed = start.saturating_sub(position) as usize;
        let kept = payload.len() - end.saturating_sub(limit) as usize;
        self.copy(now, position + missed as u64, &payload[missed..kept]);
        self.newest = self.newest.max(end.min(limit));
        self.note_slack(now, position / self.frame_bytes);
        if end > limit { Written::Overflow } else { Written::Stored }
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
        let slot = (self.cursor % CELLS) as usize;
        let cell = self.cells[slot];
        let frame_bytes = self.frame_bytes as usize;
        let wire = (cell.index == self.cursor).then(|| &self.bytes[slot * frame_bytes..][..frame_bytes]);
        let at = if wire.is_some() { cell.arrival } else { due - self.delay };
        self.cursor += 1;
        self.due = Some(due + FRAME);
        Some(Played { wire, at })
    }

    /// Leaves one frame out if packets have long come earlier than the delay asks for. True if it did.
    pub(crate) fn trim(&mut self) -> bool {
        if self.slack.excess == 0 || self.is_dry() {
            return false;
        }
        self.slack.excess -= 1;
        self.cursor += 1;
        true
    }

    fn note_slack(&mut self, now: Instant, index: u64) {
        let Some(due) = self.due else { return };
        let ahead = u32::try_from(index.saturating_sub(self.cursor)).unwrap_or(u32::MAX);
        let slack = (due + FRAME * ahead).saturating_duration_since(now);
        self.slack.least = self.slack.least.min(slack);
        self.slack.writes += 1;
        if self.slack.writes == SLACK_WINDOW {
            let least = self.slack.least;
            self.slack.restart();
            let cells = least.saturating_sub(self.delay).as_nanos() / FRAME.as_nanos();
            self.slack.excess = u32::try_from(cells).unwrap_or(0);
        }
    }
}

impl Slack {
    fn restart(&mut self) {
        *self = Self { least: Duration::MAX, writes: 0, excess: 0 };
    }
}
