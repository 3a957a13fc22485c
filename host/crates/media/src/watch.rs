//! Two watches over a leg: whether its path carries sound at all, and whether anybody can be heard.
//!
//! Neither decides anything. They tell facts once, for whoever may rebuild a bridge or say something.

use std::time::{Duration, Instant};

/// What a [`PathWatch`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PathNews {
    /// Packets were seen both ways.
    Proven {
        /// After so long.
        after: Duration,
    },
    /// The time is over, and a way is still without packets. Told once; where they come later, `Proven` follows.
    Silent {
        /// Packets came.
        heard: bool,
        /// Packets left.
        sent: bool,
    },
}

/// The self-test of a media path: packets both ways within a time.
#[derive(Clone, Copy, Debug)]
pub struct PathWatch {
    begin: Instant,
    within: Duration,
    heard: Option<Instant>,
    sent: Option<Instant>,
    state: PathState,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PathState {
    Open,
    Overdue,
    Proven,
}

impl PathWatch {
    /// The time counts from now.
    pub fn new(now: Instant, within: Duration) -> Self {
        Self { begin: now, within, heard: None, sent: None, state: PathState::Open }
    }

    /// A packet of the far side came; the first one counts.
    pub fn heard(&mut self, at: Instant) {
        self.heard.get_or_insert(at);
    }

    /// A packet left, or there was nothing to send on a leg that sends nothing in silence.
    pub fn sent(&mut self, at: Instant) {
        self.sent.get_or_insert(at);
    }

    /// What is known by now and was not told yet.
    pub fn poll(&mut self, now: Instant) -> Option<PathNews> {
        match (self.state, self.heard, self.sent) {
            (PathState::Proven, ..) => None,
            (_, Some(heard), Some(sent)) => {
                self.state = PathState::Proven;
                Some(PathNews::Proven { after: heard.max(sent).saturating_duration_since(self.begin) })
            }
            (PathState::Open, heard, sent) if now >= self.begin + self.within => {
                self.state = PathState::Overdue;
                Some(PathNews::Silent { heard: heard.is_some(), sent: sent.is_some() })
            }
            _ => None,
        }
    }

    /// When to ask at the latest; none once all is told.
    pub fn poll_timeout(&self) -> Option<Instant> {
        (self.state == PathState::Open).then(|| self.begin + self.within)
    }
}

/// How long each side has had no audible sound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeadAir {
    /// The caller.
    pub heard_ago: Duration,
    /// The gateway.
    pub said_ago: Duration,
}

/// Whether anybody can be heard: told once for each stretch in which neither side is.
#[derive(Clone, Copy, Debug)]
pub struct AirWatch {
    limit: Duration,
    heard: Instant,
    said: Instant,
    told: bool,
}

impl AirWatch {
    /// Both sides count as audible until now.
    pub fn new(now: Instant, limit: Duration) -> Self {
        Self { limit, heard: now, said: now, told: false }
    }

    /// A voice of the caller.
    pub fn heard(&mut self, at: Instant) {
        self.heard = self.heard.max(at);
        self.told = false;
    }

    /// Sound that left.
    pub fn said(&mut self, at: Instant) {
        self.said = self.said.max(at);
        self.told = false;
    }

    /// The stretch without sound, once it is as long as the limit.
    pub fn poll(&mut self, now: Instant) -> Option<DeadAir> {
        if self.told || now < self.due() {
            return None;
        }
        self.told = true;
        let ago = |at: Instant| now.saturating_duration_since(at);
        Some(DeadAir { heard_ago: ago(self.heard), said_ago: ago(self.said) })
    }

    /// When to ask at the latest; none while a stretch that was told lasts.
    pub fn poll_timeout(&self) -> Option<Instant> {
        (!self.told).then(|| self.due())
    }

    fn due(&self) -> Instant {
        self.heard.max(self.said) + self.limit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);
    const WITHIN: Duration = Duration::from_secs(1);

    fn path(heard_ms: Option<u32>, sent_ms: Option<u32>, polls_ms: &[u32]) -> Vec<Option<PathNews>> {
        let begin = Instant::now();
        let mut watch = PathWatch::new(begin, WITHIN);
        let poll = |ms: &u32| {
            let now = begin + MS * *ms;
            heard_ms.filter(|at| at <= ms).into_iter().for_each(|at| watch.heard(begin + MS * at));
            sent_ms.filter(|at| at <= ms).into_iter().for_each(|at| watch.sent(begin + MS * at));
            watch.poll(now)
        };
        polls_ms.iter().map(poll).collect()
    }

    #[test]
    fn path_is_proven_when_packets_were_seen_both_ways_and_not_before() {
        let proven = Some(PathNews::Proven { after: 300 * MS });
        assert_eq!(path(Some(300), Some(20), &[20, 299, 300, 400, 2_000]), [None, None, proven, None, None]);
        assert_eq!(path(Some(20), Some(300), &[299, 300]), [None, proven]);
    }

    #[test]
    fn path_is_silent_at_the_limit_and_not_a_millisecond_earlier() {
        let silent = |heard, sent| Some(PathNews::Silent { heard, sent });
        assert_eq!(path(None, None, &[999, 1_000, 1_001]), [None, silent(false, false), None]);
        assert_eq!(path(Some(1), None, &[999, 1_000]), [None, silent(true, false)]);
        assert_eq!(path(None, Some(1), &[999, 1_000]), [None, silent(false, true)]);
    }

    #[test]
    fn packet_at_the_limit_proves_the_path_and_one_after_it_heals_what_was_told() {
        let proven = |ms| Some(PathNews::Proven { after: MS * ms });
        assert_eq!(path(Some(1_000), Some(0), &[999, 1_000]), [None, proven(1_000)]);
        let silent = Some(PathNews::Silent { heard: false, sent: true });
        assert_eq!(path(Some(1_001), Some(0), &[1_000, 1_001, 1_002]), [silent, proven(1_001), None]);
    }

    #[test]
    fn path_watch_wants_to_be_asked_at_its_limit_and_then_no_more() {
        let begin = Instant::now();
        let mut watch = PathWatch::new(begin, WITHIN);
        assert_eq!(watch.poll_timeout(), Some(begin + WITHIN));
        watch.poll(begin + WITHIN);
        assert_eq!(watch.poll_timeout(), None);
    }

    #[test]
    fn air_is_dead_when_neither_side_was_audible_for_the_limit_and_not_before() {
        let begin = Instant::now();
        let mut watch = AirWatch::new(begin, WITHIN);
        watch.heard(begin + 100 * MS);
        watch.said(begin + 300 * MS);
        assert_eq!(watch.poll_timeout(), Some(begin + 1_300 * MS));
        assert_eq!(watch.poll(begin + 1_299 * MS), None);
        let dead = DeadAir { heard_ago: 1_200 * MS, said_ago: 1_000 * MS };
        assert_eq!(watch.poll(begin + 1_300 * MS), Some(dead));
        assert_eq!((watch.poll(begin + 9_000 * MS), watch.poll_timeout()), (None, None));
    }

    #[test]
    fn either_side_revives_the_air_and_the_next_stretch_is_told_again() {
        for revive in [AirWatch::heard, AirWatch::said] {
            let begin = Instant::now();
            let mut watch = AirWatch::new(begin, WITHIN);
            assert!(watch.poll(begin + WITHIN).is_some());
            revive(&mut watch, begin + 5_000 * MS);
            assert_eq!(watch.poll(begin + 5_999 * MS), None);
            assert!(watch.poll(begin + 6_000 * MS).is_some());
        }
    }

    #[test]
    fn sound_that_is_told_late_does_not_move_a_side_back() {
        let begin = Instant::now();
        let mut watch = AirWatch::new(begin, WITHIN);
        watch.said(begin + 500 * MS);
        watch.said(begin + 200 * MS);
        assert_eq!(watch.poll(begin + 1_499 * MS), None);
        assert!(watch.poll(begin + 1_500 * MS).is_some());
    }
}
