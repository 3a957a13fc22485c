//! Asking the agent before a caller is handed over by somebody else's wish: to whom, and with which words.

use super::{Call, CallAction, CallReason, HandoverStep, Phase, Verdict};
use crate::event::{Fact, Role};
use crate::transfer::{HandoverAdvice, HandoverReason, Transfer, TransferMode};
use std::time::{Duration, Instant};

/// An agent that has not answered by then is done without: the caller waits.
const ADVICE_MAX: Duration = Duration::from_secs(2);

impl Call {
    /// The caller is to be handed over; none wished for: to the tenant's person, unless the agent knows better.
    pub(super) fn seek_advice(&mut self, now: Instant, reason: HandoverReason, wish: Option<Transfer>) {
        let reaches_nobody = self.settings.human.is_none() && self.settings.transfer.reaches_nobody();
        if self.conversation_failed || reaches_nobody {
            return self.hand_over_as_wished(now, reason, wish);
        }
        // The agent is told no more than it is of the caller.
        let told = wish.clone().map(|wish| {
            let summary = wish.summary.map(|summary| self.mask.mask_agent(&summary).as_str().to_owned());
            Transfer { summary, ..wish }
        });
        self.push(CallAction::SeekAdvice { reason, wish: told });
        self.enter(Phase::Advising { reason, wish });
        self.timers.arm(CallReason::AgentDeadline, now + ADVICE_MAX);
    }

    pub(super) fn advised(&mut self, now: Instant, advice: HandoverAdvice) -> Verdict {
        let Phase::Advising { reason, wish } = &mut self.phase else { return self.late() };
        let reason = *reason;
        let HandoverAdvice { target, mode, summary } = advice;
        match (wish.take(), target) {
            // Who wished for somebody in particular gets nobody else.
            (Some(wish), _) => {
                let summary = wish.summary.or(summary);
                self.transfer(now, &Transfer { summary, ..wish });
            }
            (None, Some(target)) => {
                let wish = Transfer { target, mode, summary };
                match self.resolve(&wish) {
                    Ok(handover) => self.begin_handover(now, handover),
                    Err(refusal) => {
                        self.fell(Role::Thinking, refusal.code());
                        self.hand_over(now, Some(reason), mode, wish.summary.as_deref());
                    }
                }
            }
            (None, None) => self.hand_over(now, Some(reason), mode, summary.as_deref()),
        }
        Verdict::Taken
    }

    /// The agent does not answer, or its answer makes no sense.
    pub(super) fn advice_failed(&mut self, now: Instant, code: &'static str) -> Verdict {
        let Phase::Advising { reason, wish } = &mut self.phase else { return self.late() };
        let (reason, wish) = (*reason, wish.take());
        self.fell(Role::Thinking, code);
        self.hand_over_as_wished(now, reason, wish);
        Verdict::Taken
    }

    fn hand_over_as_wished(&mut self, now: Instant, reason: HandoverReason, wish: Option<Transfer>) {
        match wish {
            Some(wish) => self.transfer(now, &wish),
            None => self.hand_over(now, Some(reason), TransferMode::Blind, None),
        }
    }

    /// Whether a hand-over is under way that can be called off: the caller has not left, and whoever is called has not been brought to the caller.
    pub fn can_call_off_handover(&self) -> bool {
        let waits = matches!(
            self.phase,
            Phase::Advising { .. }
                | Phase::Handover { step: HandoverStep::Calling | HandoverStep::Meeting | HandoverStep::Telling(_), .. }
        );
        // Where nobody is left to listen or to speak there is nothing to go back to.
        waits && !self.given_up
    }

    pub(super) fn call_off_handover(&mut self, now: Instant) -> Verdict {
        if !self.can_call_off_handover() {
            return Verdict::Refused;
        }
        if let Phase::Advising { wish, .. } = &self.phase {
            let (kind, mode) = wish.as_ref().map_or(("human", TransferMode::Blind), |wish| (wish.target.kind(), wish.mode));
            self.emit(Fact::TransferFailed { kind, mode, code: "cancelled" });
            self.say_that_nobody_is_reached(now);
        } else {
            self.nobody_comes(now, "cancelled");
        }
        Verdict::Taken
    }
}
