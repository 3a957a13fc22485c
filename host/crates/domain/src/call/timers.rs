//! When the call wants to be woken.

use std::time::Instant;

/// Why a call wants to be woken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum CallReason {
    /// The caller has paused long enough: the turn is over.
    EndOfTurn,
    /// Words that may change have stood long enough to ask the agent with them.
    StableWords,
    /// Words and silence may be a turn: the agent may be asked already.
    Guess,
    /// The last words did not come.
    FinalDeadline,
    /// The listener still owes last words.
    OwedWords,
    /// The caller says nothing.
    Silence,
    /// The agent says nothing.
    AgentDeadline,
    /// The answer has not begun: something is said meanwhile.
    Filler,
    /// Since the gateway before this one died the caller has heard nothing, and says nothing.
    BackAgain,
    /// No audio of an utterance came.
    SpeechDeadline,
    /// Caller speech over the agent has lasted long enough to count.
    BargeIn,
    /// No key comes, or no further one.
    KeyDeadline,
    /// An end that does not come.
    EndDeadline,
    /// The call may last a minute more.
    TimeNearlyUp,
    /// The call may last no longer.
    TimeUp,
}

const REASONS: [CallReason; 15] = [
    CallReason::EndOfTurn,
    CallReason::StableWords,
    CallReason::Guess,
    CallReason::FinalDeadline,
    CallReason::OwedWords,
    CallReason::Silence,
    CallReason::AgentDeadline,
    CallReason::Filler,
    CallReason::BackAgain,
    CallReason::SpeechDeadline,
    CallReason::BargeIn,
    CallReason::KeyDeadline,
    CallReason::EndDeadline,
    CallReason::TimeNearlyUp,
    CallReason::TimeUp,
];

/// What is not of a phase, but of the call.
const LASTING: [CallReason; 3] = [CallReason::OwedWords, CallReason::TimeNearlyUp, CallReason::TimeUp];

/// At most one alarm per reason.
#[derive(Debug, Default)]
pub(super) struct Timers([Option<Instant>; REASONS.len()]);

impl Timers {
    /// Sets the alarm of a reason, in place of one that is set.
    pub(super) fn arm(&mut self, reason: CallReason, at: Instant) {
        self.0[reason as usize] = Some(at);
    }

    pub(super) fn at(&self, reason: CallReason) -> Option<Instant> {
        self.0[reason as usize]
    }

    pub(super) fn is_set(&self, reason: CallReason) -> bool {
        self.0[reason as usize].is_some()
    }

    pub(super) fn cancel(&mut self, reason: CallReason) {
        self.0[reason as usize] = None;
    }

    /// Forgets those of a phase.
    pub(super) fn clear(&mut self) {
        let before = std::mem::take(self);
        for reason in LASTING {
            self.0[reason as usize] = before.0[reason as usize];
        }
    }

    /// Forgets all: the call is over.
    pub(super) fn end(&mut self) {
        *self = Self::default();
    }

    /// The earliest alarm; reasons in their order where two are due together.
    pub(super) fn next(&self) -> Option<(Instant, CallReason)> {
        REASONS.into_iter().filter_map(|reason| Some((self.0[reason as usize]?, reason))).min()
    }

    #[cfg(test)]
    pub(super) fn next_but(&self, but: CallReason) -> Option<(Instant, CallReason)> {
        REASONS.into_iter().filter(|reason| *reason != but).filter_map(|reason| Some((self.0[reason as usize]?, reason))).min()
    }

    /// Takes the earliest alarm if it is due.
    pub(super) fn take_due(&mut self, now: Instant) -> Option<(Instant, CallReason)> {
        let (at, reason) = self.next().filter(|(at, _)| *at <= now)?;
        self.cancel(reason);
        Some((at, reason))
    }
}
