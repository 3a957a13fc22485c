//! Where the time goes from a caller's arrival to the first packet of the greeting.

use std::time::{Duration, Instant};

/// A part of a set-up, in the order in which they pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetUpPart {
    /// The tenant's settings.
    Settings,
    /// The agent's answer to the new conversation.
    Conversation,
    /// Bridge and media leg: Asterisk's time.
    Media,
    /// The answer: Asterisk's time.
    Answer,
    /// From the answer to the greeting's first audible packet.
    Greeting,
}

const PARTS: [SetUpPart; 5] =
    [SetUpPart::Settings, SetUpPart::Conversation, SetUpPart::Media, SetUpPart::Answer, SetUpPart::Greeting];

impl SetUpPart {
    /// Bounded label.
    pub fn code(self) -> &'static str {
        match self {
            Self::Settings => "settings",
            Self::Conversation => "conversation",
            Self::Media => "media",
            Self::Answer => "answer",
            Self::Greeting => "greeting",
        }
    }
}

/// How long each part of a set-up took.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SetUpTimes([Duration; PARTS.len()]);

impl SetUpTimes {
    /// Every part; they sum to [`total`](Self::total).
    pub fn parts(&self) -> impl Iterator<Item = (SetUpPart, Duration)> + '_ {
        PARTS.into_iter().map(|part| (part, self.0[part as usize]))
    }

    /// All of it.
    pub fn total(&self) -> Duration {
        self.0.iter().sum()
    }

    /// All but Asterisk's time.
    pub fn over_asterisk(&self) -> Duration {
        self.total() - self.0[SetUpPart::Media as usize] - self.0[SetUpPart::Answer as usize]
    }
}

/// Takes the time of one set-up.
#[derive(Debug)]
pub(super) struct SetUpClock {
    /// None once the greeting was heard.
    since: Option<Instant>,
    times: SetUpTimes,
}

impl SetUpClock {
    pub(super) fn start(now: Instant) -> Self {
        Self { since: Some(now), times: SetUpTimes::default() }
    }

    /// Everything since the last mark belongs to that part.
    pub(super) fn mark(&mut self, part: SetUpPart, now: Instant) {
        if let Some(since) = &mut self.since {
            self.times.0[part as usize] += now.saturating_duration_since(*since);
            *since = (*since).max(now);
        }
    }

    /// The greeting is heard: the times, once.
    pub(super) fn heard(&mut self, at: Instant) -> Option<SetUpTimes> {
        self.mark(SetUpPart::Greeting, at);
        self.since.take().map(|_| std::mem::take(&mut self.times))
    }

    /// There will be no greeting to be heard, or not at once.
    pub(super) fn forget(&mut self) {
        self.since = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_sum_to_the_total_and_asterisks_time_is_taken_out() {
        let begin = Instant::now();
        let at = |ms| begin + Duration::from_millis(ms);
        let mut clock = SetUpClock::start(begin);
        clock.mark(SetUpPart::Settings, at(2));
        clock.mark(SetUpPart::Conversation, at(12));
        clock.mark(SetUpPart::Media, at(42));
        clock.mark(SetUpPart::Answer, at(50));
        let times = clock.heard(at(90)).unwrap();
        let ms: Vec<u128> = times.parts().map(|(_, time)| time.as_millis()).collect();
        assert_eq!(ms, [2, 10, 30, 8, 40]);
        assert_eq!((times.total().as_millis(), times.over_asterisk().as_millis()), (90, 52));
        assert_eq!(clock.heard(at(100)), None, "told once");
    }
}
