//! An absolute schedule of 20 ms slots: no drift, no burst after a stall.

use crate::frame::FRAME;
use std::time::Instant;

#[derive(Debug)]
pub(crate) struct Pace {
    /// The next slot.
    next: Instant,
    /// Whether the slot before was used: then the schedule is kept, else it may begin anew.
    running: bool,
}

/// A slot that may be used now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Slot {
    /// When it began.
    pub(crate) at: Instant,
    /// Begins after a pause.
    pub(crate) fresh: bool,
    /// Slots that passed unused, because nobody asked in time.
    pub(crate) missed: u32,
}

impl Pace {
    pub(crate) fn new(now: Instant) -> Self {
        Self { next: now, running: false }
    }

    pub(crate) fn next(&self) -> Instant {
        self.next
    }

    pub(crate) fn is_running(&self) -> bool {
        self.running
    }

    /// Whether a slot begins now. It stays until it is used.
    pub(crate) fn is_due(&self, now: Instant) -> bool {
        self.next <= now
    }

    /// Uses the slot that is due. After a pause the schedule begins now: what was waited for goes out at once.
    pub(crate) fn take(&mut self, now: Instant) -> Slot {
        let fresh = !self.running;
        let late = now.saturating_duration_since(self.next);
        let missed = if fresh { 0 } else { u32::try_from(late.as_nanos() / FRAME.as_nanos()).unwrap_or(u32::MAX) };
        let at = if fresh { now.max(self.next) } else { self.next + FRAME * missed };
        self.next = at + FRAME;
        self.running = true;
        Slot { at, fresh, missed }
    }

    /// Leaves the slot that is due unused.
    pub(crate) fn rest(&mut self) {
        self.running = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn late_use_does_not_shift_the_schedule() {
        let begin = Instant::now();
        let mut pace = Pace::new(begin);
        pace.take(begin);
        pace.take(begin + 39 * MS);
        assert_eq!(pace.next(), begin + 40 * MS);
    }

    #[test]
    fn stall_skips_the_slots_it_missed() {
        let begin = Instant::now();
        let mut pace = Pace::new(begin);
        pace.take(begin);
        assert_eq!(pace.take(begin + 105 * MS), Slot { at: begin + 100 * MS, fresh: false, missed: 4 });
        assert!(!pace.is_due(begin + 119 * MS));
        assert!(pace.is_due(begin + 120 * MS));
    }

    #[test]
    fn pause_ends_at_once_but_never_within_a_slot() {
        let begin = Instant::now();
        let mut pace = Pace::new(begin);
        pace.take(begin);
        pace.rest();
        assert!(!pace.is_due(begin + 19 * MS));
        assert_eq!(pace.take(begin + 1007 * MS), Slot { at: begin + 1007 * MS, fresh: true, missed: 0 });
        assert_eq!(pace.next(), begin + 1027 * MS);
    }
}
