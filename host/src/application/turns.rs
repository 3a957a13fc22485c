//! Who served a turn, how soon its first words came, and whether it kept the bounds that were promised.

use std::time::{Duration, Instant};
use vg_domain::ids::{CallId, PluginId, TenantId};
use vg_domain::turn::{LatencyParts, TurnRecord};

/// A turn that got its answer, and who had a part in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnsweredTurn {
    /// Of which call.
    pub call: CallId,
    /// Whose.
    pub tenant: TenantId,
    /// Who heard it.
    pub hearing: PluginId,
    /// Who spoke the answer; none where no session gave sound for it.
    pub speaking: Option<PluginId>,
    /// When it was told: its answer has been spoken.
    pub told_at: Instant,
    /// The turn.
    pub record: TurnRecord,
}

/// What is promised of a turn (source design, section 10).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// From the caller's first voiced sample to the first words that are heard of it. The word itself is in it: nobody knows it before it is said.
    Partial,
    /// From the question to the first clause that can be spoken.
    Agent,
    /// From that clause to its first sound.
    Tts,
    /// From the caller's last voiced sample to the first audible one of the answer.
    Turn,
}

impl Stage {
    /// Every stage.
    pub const ALL: [Self; 4] = [Self::Partial, Self::Agent, Self::Tts, Self::Turn];

    /// Bounded label.
    pub fn code(self) -> &'static str {
        match self {
            Self::Partial => "partial",
            Self::Agent => "agent",
            Self::Tts => "tts",
            Self::Turn => "turn",
        }
    }

    /// It has to take less.
    pub fn bound(self) -> Duration {
        match self {
            Self::Partial => Duration::from_millis(500),
            Self::Agent => Duration::from_secs(2),
            Self::Tts => Duration::from_secs(1),
            Self::Turn => Duration::from_secs(3),
        }
    }

    /// Whether so long is within the bound.
    pub fn kept(self, took: Duration) -> bool {
        took < self.bound()
    }

    /// Each stage that is a part of a turn's latency, and how long it took.
    pub fn of(latency: &LatencyParts) -> [(Self, Duration); 3] {
        let ms = |ms: u32| Duration::from_millis(ms.into());
        [
            (Self::Agent, ms(latency.agent_ms) + ms(latency.clause_ms)),
            (Self::Tts, ms(latency.tts_ms)),
            (Self::Turn, ms(latency.total_ms)),
        ]
    }
}

/// Speech that follows so soon is the same: its words are one.
const SAME_SPEECH: Duration = Duration::from_secs(1);

/// Takes the time from a caller's voice to the first words of it.
#[derive(Debug, Default)]
pub(super) struct FirstWords(Option<Speech>);

/// A voice of which no words are known yet.
#[derive(Debug)]
struct Speech {
    began: Instant,
    ended: Option<Instant>,
}

impl FirstWords {
    /// A voice is heard.
    pub(super) fn speech_started(&mut self, at: Instant) {
        let earlier =
            self.0.take().filter(|speech| speech.ended.is_none_or(|ended| at.saturating_duration_since(ended) < SAME_SPEECH));
        // What was no speech, a cough for example, never gets words: the next voice does not answer for it.
        self.0 = Some(Speech { began: earlier.map_or(at, |speech| speech.began), ended: None });
    }

    /// It has paused.
    pub(super) fn speech_ended(&mut self, at: Instant) {
        if let Some(speech) = &mut self.0 {
            speech.ended = Some(at);
        }
    }

    /// Words came: how long after the voice began, where they are the first.
    pub(super) fn words(&mut self, now: Instant) -> Option<Duration> {
        self.0.take().map(|speech| now.saturating_duration_since(speech.began))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_words_count_from_the_voice_that_they_are_of() {
        let zero = Instant::now();
        let at = |ms| zero + Duration::from_millis(ms);
        let mut first = FirstWords::default();
        assert_eq!(first.words(at(0)), None, "words without a voice");
        first.speech_started(at(100));
        assert_eq!(first.words(at(450)), Some(Duration::from_millis(350)));
        assert_eq!(first.words(at(500)), None, "only the first ones count");
        // A pause within what is said.
        first.speech_started(at(1_000));
        first.speech_ended(at(1_200));
        first.speech_started(at(2_199));
        assert_eq!(first.words(at(2_300)), Some(Duration::from_millis(1_300)));
        // A cough, then words.
        first.speech_started(at(3_000));
        first.speech_ended(at(3_200));
        first.speech_started(at(4_200));
        assert_eq!(first.words(at(4_500)), Some(Duration::from_millis(300)));
    }

    #[test]
    fn a_bound_is_broken_by_reaching_it() {
        for stage in Stage::ALL {
            assert!(!stage.kept(stage.bound()) && stage.kept(stage.bound() - Duration::from_millis(1)), "{stage:?}");
        }
        let latency = LatencyParts { agent_ms: 1_500, clause_ms: 500, tts_ms: 999, total_ms: 2_999, ..LatencyParts::default() };
        let kept = Stage::of(&latency).map(|(stage, took)| (stage.code(), stage.kept(took)));
        assert_eq!(kept, [("agent", false), ("tts", true), ("turn", true)]);
    }
}
