//! Whether a provider is worth asking: a breaker that opens after falls in a row, and closes when a probe is served.

use std::time::{Duration, Instant};

/// So many falls in a row open it.
const FALLS_MAX: u32 = 3;
/// Falls further apart than this are not in a row.
const ROW: Duration = Duration::from_secs(60);
/// Time from its opening to the first probe, doubled with every probe that falls.
const PAUSE: Duration = Duration::from_secs(5);
/// After so long it is tried by callers again: settings may have changed, and nobody may use it any more.
const OPEN_MAX: Duration = Duration::from_secs(3_600);
/// It is probed at least so often.
const PAUSE_MAX: Duration = Duration::from_secs(60);
/// Who wants not to be asked for longer than this is asked after this: a clock that goes wrong elsewhere costs no more.
const REST_MAX: Duration = Duration::from_secs(600);

/// One provider as one tenant uses it, over all of the tenant's calls. Closed at first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Breaker {
    state: State,
    /// It asked not to be asked before.
    rests_until: Option<Instant>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum State {
    Closed { falls: u32, last: Option<Instant> },
    Open { since: Instant, probe_at: Instant, pause: Duration },
}

impl Default for State {
    fn default() -> Self {
        Self::Closed { falls: 0, last: None }
    }
}

impl Breaker {
    /// It fell. True where that opens the breaker.
    pub fn fell(&mut self, now: Instant) -> bool {
        // Whoever still asks while it is open, for want of somebody better, learns nothing new.
        let State::Closed { falls, last } = &mut self.state else { return false };
        let in_a_row = last.is_some_and(|last| now.saturating_duration_since(last) < ROW);
        *falls = if in_a_row { *falls + 1 } else { 1 };
        *last = Some(now);
        let opens = *falls >= FALLS_MAX;
        if opens {
            self.state = State::Open { since: now, probe_at: now + PAUSE, pause: PAUSE };
        }
        opens
    }

    /// It fell and wants to be left alone until that moment: nobody asks before, not even a probe. True where that opens the breaker.
    pub fn rests(&mut self, now: Instant, until: Instant) -> bool {
        let until = until.min(now + REST_MAX);
        let opens = !self.is_open();
        self.rests_until = Some(until);
        self.state = State::Open { since: now, probe_at: until, pause: PAUSE };
        opens
    }

    /// Until when it is not to be asked at all; none where it may be.
    pub fn rests_until(&self, now: Instant) -> Option<Instant> {
        self.rests_until.filter(|until| now < *until)
    }

    /// It did what it is for, in a call or for a probe. True where that closes the breaker.
    pub fn served(&mut self, now: Instant) -> bool {
        // A session that is up says nothing of whether there may be another.
        let closes = self.is_open() && self.rests_until(now).is_none();
        if closes || !self.is_open() {
            *self = Self::default();
        }
        closes
    }

    /// A probe fell: the next one comes later.
    pub fn probe_fell(&mut self, now: Instant) {
        if let State::Open { probe_at, pause, .. } = &mut self.state {
            *pause = (*pause * 2).min(PAUSE_MAX);
            *probe_at = now + *pause;
        }
    }

    /// Whether it is to be asked only where nobody else is left.
    pub fn is_open(&self) -> bool {
        matches!(self.state, State::Open { .. })
    }

    /// Whether there is nothing to remember of it at that moment.
    pub fn is_forgettable(&self, now: Instant) -> bool {
        match self.state {
            State::Closed { last, .. } => last.is_none_or(|last| now.saturating_duration_since(last) >= ROW),
            State::Open { since, .. } => now.saturating_duration_since(since) >= OPEN_MAX,
        }
    }

    /// When it is to be probed; none while it is closed.
    pub fn probe_at(&self) -> Option<Instant> {
        match self.state {
            State::Closed { .. } => None,
            State::Open { probe_at, .. } => Some(probe_at),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dice::some_moment;

    fn open(now: Instant) -> Breaker {
        let mut breaker = Breaker::default();
        assert_eq!([breaker.fell(now), breaker.fell(now), breaker.fell(now)], [false, false, true]);
        breaker
    }

    #[test]
    fn three_falls_in_a_row_open_it_and_a_service_closes_it() {
        let now = some_moment();
        let mut breaker = open(now);
        assert!(breaker.is_open() && !breaker.fell(now), "it opens once");
        assert!(breaker.served(now) && !breaker.is_open() && !breaker.served(now), "and closes once");
        assert!(breaker.is_forgettable(now));
        assert_eq!([breaker.fell(now), breaker.fell(now)], [false, false]);
        breaker.served(now);
        assert_eq!([breaker.fell(now), breaker.fell(now)], [false, false], "a service ends the row");
    }

    #[test]
    fn who_wants_to_be_left_alone_is_until_then() {
        let (now, second) = (some_moment(), Duration::from_secs(1));
        let mut breaker = Breaker::default();
        assert!(breaker.rests(now, now + 30 * second) && breaker.is_open(), "one fall is enough");
        assert!(!breaker.rests(now, now + 30 * second), "it opens once");
        assert_eq!(breaker.rests_until(now + 29 * second), Some(now + 30 * second));
        assert_eq!(breaker.probe_at(), Some(now + 30 * second));
        assert!(!breaker.served(now + 29 * second) && breaker.is_open(), "sessions that were up go on");
        assert_eq!(breaker.rests_until(now + 30 * second), None);
        assert!(breaker.served(now + 30 * second) && !breaker.is_open());
        breaker.rests(now, now + 86_400 * second);
        assert_eq!(breaker.rests_until(now), Some(now + REST_MAX), "no longer than that");
    }

    #[test]
    fn falls_that_are_a_minute_apart_are_not_in_a_row() {
        let now = some_moment();
        let mut breaker = Breaker::default();
        assert_eq!([breaker.fell(now), breaker.fell(now + ROW / 2)], [false, false]);
        assert!(!breaker.is_forgettable(now + ROW) && breaker.is_forgettable(now + ROW / 2 + ROW));
        assert!(!breaker.fell(now + ROW / 2 + ROW), "the first of a new row");
    }

    #[test]
    fn probes_come_later_and_later_but_never_stop() {
        let mut now = some_moment();
        let mut breaker = open(now);
        for pause in [5, 10, 20, 40, 60, 60] {
            let due = breaker.probe_at().unwrap();
            assert_eq!(due - now, Duration::from_secs(pause));
            now = due;
            breaker.probe_fell(now);
        }
        breaker.served(now);
        assert_eq!(breaker.probe_at(), None);
        assert!(!open(now).is_forgettable(now + PAUSE_MAX) && open(now).is_forgettable(now + OPEN_MAX));
        assert_eq!(open(now).probe_at(), Some(now + PAUSE), "a new row begins with the shortest pause");
    }
}
