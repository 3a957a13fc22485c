//! The caller's voice over the gateway's own: what is being said stands still at once, and stops or goes on when it is known what the voice means.

use super::{Call, CallAction, CallReason, Phase};
use crate::mask::MaskedText;
use crate::pause::Expect;
use std::time::{Duration, Instant};

/// Who makes listening sounds for longer has more to say.
pub(super) const ASIDE_MAX: Duration = Duration::from_millis(1_200);

/// What a caller's voice over the gateway's own was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Overlap {
    /// The caller took the floor.
    Interruption,
    /// Words that only say that the caller listens.
    Backchannel,
    /// A sound without words, or none: a cough, a noise.
    Sound,
}

impl Overlap {
    /// Bounded label.
    pub fn code(self) -> &'static str {
        match self {
            Self::Interruption => "interruption",
            Self::Backchannel => "backchannel",
            Self::Sound => "sound",
        }
    }
}

impl Call {
    /// Lets what is being said stand still until it is known what the voice means.
    pub(super) fn pause_for_voice(&mut self, started: Instant) {
        if !self.is_interruptible() {
            return;
        }
        self.aside = false;
        self.timers.arm(CallReason::BargeIn, started + self.settings.timing.barge_in);
        if let Some(utterance) = self.phase.utterance_mut().filter(|utterance| !utterance.paused) {
            utterance.paused = true;
            let utterance = utterance.id;
            self.push(CallAction::Pause { utterance });
        }
    }

    /// The voice meant nothing.
    pub(super) fn go_on_after_voice(&mut self) {
        self.timers.cancel(CallReason::BargeIn);
        if self.unpause() {
            let overlap = if self.aside { Overlap::Backchannel } else { Overlap::Sound };
            self.push(CallAction::OverlapJudged(overlap));
        }
    }

    /// True where something stood still.
    pub(super) fn unpause(&mut self) -> bool {
        let Some(utterance) = self.phase.utterance_mut() else { return false };
        let was_paused = std::mem::take(&mut utterance.paused);
        if was_paused {
            let utterance = utterance.id;
            self.push(CallAction::GoOn { utterance });
        }
        was_paused
    }

    /// The caller has spoken over the gateway for long enough to be meant seriously.
    pub(super) fn barge_in(&mut self, now: Instant) {
        if self.caller_speaks && self.is_interruptible() {
            self.interrupt(now);
        }
    }

    /// Words while the caller speaks over the gateway.
    pub(super) fn words_over_speech(&mut self, now: Instant, text: &MaskedText) {
        if !self.caller_speaks || !self.is_interruptible() {
            return;
        }
        if self.is_aside(text) {
            self.aside = true;
            let since = self.speech_since.unwrap_or(now);
            self.timers.arm(CallReason::BargeIn, since + ASIDE_MAX);
        } else {
            self.interrupt(now);
        }
    }

    /// Whether words that were to be dropped are meant for us after all: the voice was too short to count, and its words came late.
    pub(super) fn takes_late_words(&mut self, now: Instant, text: &MaskedText) -> bool {
        let had_voice = self.finalizing.was_overlap();
        let takes =
            had_voice && !self.is_aside(text) && (matches!(self.phase, Phase::Listening { .. }) || self.is_interruptible());
        if takes {
            self.finalizing.want_all();
            if self.is_interruptible() {
                self.interrupt(now);
            }
        }
        takes
    }

    /// Whether the words only say that the caller listens. They are an answer where one is waited for, and before anything was heard they
    /// are the rest of the caller's own turn.
    fn is_aside(&mut self, text: &MaskedText) -> bool {
        let audible = self.phase.utterance_mut().is_none_or(|utterance| utterance.audible_since.is_some());
        let answers = self.asks || self.hint != Expect::Free || self.expect != Expect::Free;
        audible && !answers && self.judge.is_backchannel(text.as_str())
    }
}
