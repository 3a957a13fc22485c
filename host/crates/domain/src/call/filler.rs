//! What is said while the answer does not come: who hears nothing takes the call for dead.

use super::phase::{Turn, Utterance};
use super::{Call, CallAction, CallReason, Phase};
use crate::event::Fact;
use crate::ids::{TurnId, UtteranceId};
use std::time::Instant;

impl Call {
    /// Since when the caller waits for the answer to that turn, and what is being said meanwhile, where the agent is asked again with it.
    pub(super) fn take_wait(&mut self, turn: TurnId) -> Option<(Instant, Option<Utterance>)> {
        let Phase::Thinking { turn: asked, asked_at, filler, .. } = &mut self.phase else { return None };
        (asked.id == turn).then(|| (*asked_at, filler.take()))
    }

    /// From `since` on an answer is waited for.
    pub(super) fn await_answer(&mut self, now: Instant, since: Instant) {
        let Phase::Thinking { turn: Turn { is_filled: false, .. }, .. } = self.phase else { return };
        if let Some(wait) = self.settings.timing.filler
            && !self.settings.prompts.fillers.is_empty()
        {
            self.timers.arm(CallReason::Filler, (since + wait).max(now));
        }
    }

    /// No clause of the answer has come. What is said now stands before it in the speaker's queue: the answer follows without a gap.
    pub(super) fn filler_due(&mut self, now: Instant) {
        let Phase::Thinking { turn, filler: filler @ None, .. } = &mut self.phase else { return };
        let fillers = &self.settings.prompts.fillers;
        // Who keys digits may speak beside it.
        if self.caller_speaks || fillers.is_empty() {
            return;
        }
        let line = &fillers[self.fillers % fillers.len()];
        self.fillers += 1;
        self.last_utterance = UtteranceId(self.last_utterance.0 + 1);
        let utterance = self.last_utterance;
        *filler = Some(Utterance { complete: true, ..Utterance::new(utterance) });
        turn.is_filled = true;
        let (turn, text) = (turn.id, self.mask.mask_agent(line));
        self.push(CallAction::Say { utterance, text: text.clone() });
        self.emit(Fact::Filler { turn, utterance, text });
        self.push(CallAction::EndUtterance { utterance });
        self.timers.arm(CallReason::SpeechDeadline, now + self.settings.timing.speech_deadline);
    }

    /// It has been said, or is lost.
    pub(super) fn filler_over(&mut self) {
        if let Phase::Thinking { filler, .. } = &mut self.phase {
            *filler = None;
            self.timers.cancel(CallReason::SpeechDeadline);
        }
    }

    /// Nothing that is being said stands before an answer any more.
    pub(super) fn hush_filler(&mut self) {
        let Phase::Thinking { filler: Some(Utterance { id, .. }), .. } = self.phase else { return };
        self.push(CallAction::Hush { utterance: id });
        self.filler_over();
    }
}
