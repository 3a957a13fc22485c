//! Telephone events (RFC 4733): each digit once, whatever the network did to its packets.
//!
//! A press is known by the timestamp of its beginning, which all its packets bear. A press longer than the 16 bits of
//! its duration goes on in segments, each with a timestamp of its own (section 2.5.1.3).

mod sender;
#[cfg(test)]
mod tests;

pub use sender::{DigitPacket, DigitSender, SendDigit};

use crate::rtp::Header;
use std::fmt;
use std::time::{Duration, Instant};

/// A press of which nothing comes for so long is over: its end was lost. More than two updates of the slowest senders,
/// 50 ms apart.
pub const END_MISSING: Duration = Duration::from_millis(120);

/// Packets do not come later than this: after such a pause timestamps and sequence numbers may begin anew.
const FORGET: Duration = Duration::from_secs(10);

/// Presses remembered, to know their late and repeated packets by: a second and more of the fastest dialling.
const PRESSES_MAX: usize = 16;

/// The longest duration of a segment, and how far apart the beginnings of two are.
const SEGMENT_TICKS: u32 = 0xFFFF;

const EVENT_LEN: usize = 4;

/// One of the sixteen keys.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digit(
    /// *Invariant:* an index of [`Digit::KEYS`].
    u8,
);

impl Digit {
    /// All keys by their event code (RFC 4733, section 3.2).
    pub const KEYS: [char; 16] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', '*', '#', 'A', 'B', 'C', 'D'];

    /// The key of an event code; `None` from 16 on.
    pub fn from_event(code: u8) -> Option<Self> {
        (usize::from(code) < Self::KEYS.len()).then_some(Self(code))
    }

    /// The key of a character: `0` to `9`, `*`, `#`, `A` to `D`.
    pub fn from_char(key: char) -> Option<Self> {
        Self::KEYS.iter().position(|&other| other == key).map(|code| Self(code as u8))
    }

    /// Its event code: 0 to 15.
    pub fn event(self) -> u8 {
        self.0
    }

    /// Its character.
    pub fn as_char(self) -> char {
        Self::KEYS[usize::from(self.0)]
    }
}

/// What the caller types may be a card number.
impl fmt::Debug for Digit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Digit(_)")
    }
}

/// What [`Digits`] have to tell. For every `Began` there is one `Ended`, later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DigitNews {
    /// A key was pressed: told with the first packet of it that comes.
    Began {
        /// Which.
        digit: Digit,
        /// When that packet came.
        at: Instant,
    },
    /// It was let go, or nothing more is heard of it.
    Ended {
        /// Which.
        digit: Digit,
        /// How long it was pressed, by the last packet heard of it.
        duration_ms: u32,
    },
}

/// Why [`Digits`] want to be polled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DigitReason {
    /// There is something to tell.
    News,
    /// The key that is pressed may have been let go unheard.
    EndMissing,
}

/// What was counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DigitStats {
    /// Packets told of.
    pub packets: u64,
    /// Presses told.
    pub digits: u64,
    /// Packets whose payload is no whole number of events. What is whole of them is used.
    pub malformed: u64,
    /// Events with the reserved bit set, which a receiver must ignore (RFC 4733, section 2.3.3).
    pub reserved: u64,
    /// Events that are no digits: from code 16 on.
    pub other_events: u64,
    /// Events of presses long past. Ignored: they may have been told.
    pub late: u64,
    /// Presses never told, as more came between two polls than are remembered.
    pub overflow: u64,
    /// Presses of which no end was heard.
    pub ends_missed: u64,
}

/// Finds the digits in the telephone events of one leg.
///
/// Told of every packet of the telephone-event payload type, in the order in which they come. Digits are told in the
/// order in which they were pressed where the network kept it.
#[derive(Debug)]
pub struct Digits {
    rate_hz: u32,
    ssrc: Option<u32>,
    /// The highest sequence number of this time line.
    highest: Option<u16>,
    /// When an event last came that was not late.
    heard: Option<Instant>,
    /// Those of former time lines, then those of this one by their beginning. *Invariant:* at most [`PRESSES_MAX`], and
    /// only the last one is held.
    presses: Vec<Press>,
    /// Beginning of the newest press of this time line that was forgotten.
    floor: Option<u32>,
    stats: DigitStats,
}

#[derive(Clone, Copy, Debug)]
struct Press {
    digit: Digit,
    /// Timestamp of the first segment.
    start: u32,
    /// Timestamps of the newest segment and the one before it.
    segment: u32,
    segment_before: u32,
    /// How long it was pressed, from `start`, as far as is known.
    ticks: u64,
    /// The marker was seen: no segment comes before `start`.
    marked: bool,
    began: Instant,
    heard: Instant,
    state: State,
    told: Told,
    /// Of a time line that is over: no packet belongs to it any more.
    past: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Held,
    /// Over without an end that was heard.
    Lapsed,
    Released,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    Nothing,
    Began,
    All,
}

/// One event of a payload, with the timestamp of its own beginning.
#[derive(Clone, Copy)]
struct Event {
    digit: Digit,
    marker: bool,
    timestamp: u32,
    end: bool,
    duration: u16,
}

impl Digits {
    /// Nothing was pressed yet. `rate_hz`: the clock of the timestamps, that of the telephone-event payload type.
    pub fn new(rate_hz: u32) -> Self {
        let presses = Vec::with_capacity(PRESSES_MAX);
        let rate_hz = rate_hz.max(1);
        Self { rate_hz, ssrc: None, highest: None, heard: None, presses, floor: None, stats: DigitStats::default() }
    }

    /// A packet of telephone events came. What is no digit is counted.
    pub fn handle_packet(&mut self, now: Instant, header: &Header, payload: &[u8]) {
        self.stats.packets += 1;
        let (events, rest) = payload.as_chunks::<EVENT_LEN>();
        self.stats.malformed += u64::from(events.is_empty() || !rest.is_empty());
        if events.is_empty() {
            return;
        }
        if self.ssrc.replace(header.ssrc).is_some_and(|before| before != header.ssrc) {
            self.begin_time_line();
        }
        let newest = self.highest.is_none_or(|highest| is_after_u16(header.sequence, highest));
        if newest {
            self.highest = Some(header.sequence);
        }
        // Events packed together follow each other without a pause (section 2.5.1.5).
        let mut timestamp = header.timestamp;
        for (n, &[code, flags, high, low]) in events.iter().take(PRESSES_MAX).enumerate() {
            let duration = u16::from_be_bytes([high, low]);
            self.stats.reserved += u64::from(flags & 0x40 != 0);
            match Digit::from_event(code) {
                Some(digit) => {
                    let event = Event { digit, marker: header.marker && n == 0, timestamp, end: flags & 0x80 != 0, duration };
                    self.handle_event(now, newest.then_some(header.sequence), event);
                }
                None => self.stats.other_events += 1,
            }
            timestamp = timestamp.wrapping_add(duration.into());
        }
    }

    /// The next thing to tell. Ask until there is none.
    pub fn poll(&mut self, now: Instant) -> Option<DigitNews> {
        if let Some(press) = self.held_mut().filter(|press| press.heard + END_MISSING <= now) {
            press.state = State::Lapsed;
        }
        let index = self.presses.iter().position(Press::has_news)?;
        let duration_ms = self.duration_ms(index);
        let press = &mut self.presses[index];
        let digit = press.digit;
        if press.told == Told::Nothing {
            press.told = Told::Began;
            self.stats.digits += 1;
            return Some(DigitNews::Began { digit, at: press.began });
        }
        press.told = Told::All;
        self.stats.ends_missed += u64::from(press.state == State::Lapsed);
        Some(DigitNews::Ended { digit, duration_ms })
    }

    /// When to poll next, and what for; `None` while no key is pressed.
    pub fn poll_timeout(&self) -> Option<(Instant, DigitReason)> {
        if let Some(press) = self.presses.iter().find(|press| press.has_news()) {
            return Some((press.heard, DigitReason::News));
        }
        let held = self.presses.last().filter(|press| press.state == State::Held)?;
        Some((held.heard + END_MISSING, DigitReason::EndMissing))
    }

    /// What was counted so far.
    pub fn stats(&self) -> &DigitStats {
        &self.stats
    }

    /// `newest`: the sequence number of the packet, if it is the highest so far.
    fn handle_event(&mut self, now: Instant, newest: Option<u16>, event: Event) {
        if let Some(index) = self.press_of(&event) {
            self.presses[index].grow(now, &event);
            self.heard = Some(now);
            return;
        }
        // Packets are sent in the order of their presses. One that was sent after all others, and bears an earlier time
        // than they, is of a clock that was set back.
        let set_back = newest.is_some() && self.newest().is_some_and(|press| is_after(press.start, event.timestamp));
        if set_back || self.heard.is_some_and(|heard| now.saturating_duration_since(heard) > FORGET) {
            self.begin_time_line();
            self.highest = newest.or(self.highest);
        }
        if self.floor.is_some_and(|floor| !is_after(event.timestamp, floor)) {
            self.stats.late += 1;
            return;
        }
        self.begin(now, &event);
        self.heard = Some(now);
    }

    fn press_of(&self, event: &Event) -> Option<usize> {
        let mut end = None;
        for (index, press) in self.presses.iter().enumerate().rev().take_while(|(_, press)| !press.past) {
            if press.digit == event.digit && press.owns(event, end) {
                return Some(index);
            }
            end = Some(press.start);
        }
        None
    }

    fn begin(&mut self, now: Instant, event: &Event) {
        if self.presses.len() == PRESSES_MAX {
            self.forget_one();
        }
        let later = |press: &Press| !press.past && is_after(press.start, event.timestamp);
        let index = self.presses.iter().position(later).unwrap_or(self.presses.len());
        let mut press = Press::new(now, event);
        if index < self.presses.len() {
            press.lapse();
        } else if let Some(held) = self.held_mut() {
            held.lapse();
        }
        self.presses.insert(index, press);
    }

    /// One that was told if there is one; never one half told, so that it is told to its end.
    fn forget_one(&mut self) {
        let place = |told| self.presses.iter().position(|press: &Press| press.told == told);
        let index = place(Told::All).or_else(|| place(Told::Nothing)).unwrap_or(0);
        let press = self.presses.remove(index);
        self.stats.overflow += u64::from(press.told != Told::All);
        if !press.past && self.floor.is_none_or(|floor| is_after(press.start, floor)) {
            self.floor = Some(press.start);
        }
    }

    fn begin_time_line(&mut self) {
        for press in &mut self.presses {
            press.lapse();
            press.past = true;
        }
        self.floor = None;
        self.highest = None;
    }

    fn newest(&self) -> Option<&Press> {
        self.presses.last().filter(|press| !press.past)
    }

    fn held_mut(&mut self) -> Option<&mut Press> {
        self.presses.last_mut().filter(|press| press.state == State::Held)
    }

    /// A press without an end was over when the next one began, at the latest.
    fn duration_ms(&self, index: usize) -> u32 {
        let press = &self.presses[index];
        let next = self.presses.get(index + 1).filter(|next| next.past == press.past);
        let ticks = match (press.state, next) {
            (State::Lapsed, Some(next)) => press.ticks.min(next.start.wrapping_sub(press.start).into()),
            _ => press.ticks,
        };
        let rate = u64::from(self.rate_hz);
        u32::try_from((ticks.saturating_mul(1000) + rate / 2) / rate).unwrap_or(u32::MAX)
    }
}

impl Press {
    fn new(now: Instant, event: &Event) -> Self {
        let Event { digit, marker, timestamp, end, duration } = *event;
        Self {
            digit,
            start: timestamp,
            segment: timestamp,
            segment_before: timestamp,
            ticks: duration.into(),
            marked: marker,
            began: now,
            heard: now,
            state: if end { State::Released } else { State::Held },
            told: Told::Nothing,
            past: false,
        }
    }

    fn has_news(&self) -> bool {
        match self.told {
            Told::Nothing => true,
            Told::Began => self.state != State::Held,
            Told::All => false,
        }
    }

    fn lapse(&mut self) {
        if self.state == State::Held {
            self.state = State::Lapsed;
        }
    }

    /// Whether an event of the same digit is of this press. `end`: the beginning of the press after it.
    fn owns(&self, event: &Event, end: Option<u32>) -> bool {
        if [self.start, self.segment, self.segment_before].contains(&event.timestamp) {
            return true;
        }
        if is_after(self.start, event.timestamp) {
            // The segment before the first one that came.
            return !self.marked && self.start.wrapping_sub(event.timestamp) == SEGMENT_TICKS;
        }
        // From here on: a segment that is new, or was missed. Only the first has a marker.
        if event.marker || end.is_some_and(|end| !is_after(end, event.timestamp)) {
            return false;
        }
        let offset = event.timestamp.wrapping_sub(self.start);
        if self.state == State::Released && u64::from(offset) >= self.ticks {
            return false;
        }
        // Segments are as long as they can be. One that was closed before is known if all of it came: a digit after a
        // pause never begins where the one before it ended.
        offset.is_multiple_of(SEGMENT_TICKS) || u64::from(offset) == self.ticks
    }

    fn grow(&mut self, now: Instant, event: &Event) {
        if is_after(self.start, event.timestamp) {
            self.ticks = self.ticks.saturating_add(self.start.wrapping_sub(event.timestamp).into());
            self.start = event.timestamp;
        }
        if is_after(event.timestamp, self.segment) {
            self.segment_before = self.segment;
            self.segment = event.timestamp;
        }
        let offset = u64::from(event.timestamp.wrapping_sub(self.start));
        self.ticks = self.ticks.max(offset + u64::from(event.duration));
        self.marked |= event.marker;
        self.heard = now;
        if event.end {
            self.state = State::Released;
        }
    }
}

fn is_after(later: u32, earlier: u32) -> bool {
    later.wrapping_sub(earlier).cast_signed() > 0
}

fn is_after_u16(later: u16, earlier: u16) -> bool {
    later.wrapping_sub(earlier).cast_signed() > 0
}
