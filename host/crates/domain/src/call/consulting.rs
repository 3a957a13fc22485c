//! Attended hand-overs: the person is called and told what it is about while the caller waits, and then both are brought together.

use super::handover::{AWAY_MAX, STEP_MAX};
use super::phase::HandoverStep;
use super::{Call, CallAction, CallReason, Phase, Verdict};
use crate::event::Fact;
use crate::outcome::EndCause;
use crate::transfer::{Handover, Returned};
use std::time::Instant;

/// The key by which a caller who waits for a person goes back to the agent.
const BACK: char = '*';

impl Call {
    pub(super) fn consult(&mut self, now: Instant, handover: Handover) {
        let ring = handover.ring;
        self.push(CallAction::Consult(handover.clone()));
        self.enter(Phase::Handover { handover, step: HandoverStep::Calling });
        // Who waits hears no question, and is not heard.
        self.caller_speaks = false;
        self.nothing_is_owed();
        self.timers.arm(CallReason::EndDeadline, now + ring + STEP_MAX);
    }

    pub(super) fn person_answered(&mut self, now: Instant) -> Verdict {
        let Phase::Handover { step: step @ HandoverStep::Calling, .. } = &mut self.phase else {
            return self.late();
        };
        *step = HandoverStep::Meeting;
        self.push(CallAction::Meet);
        self.timers.arm(CallReason::EndDeadline, now + STEP_MAX);
        Verdict::Taken
    }

    pub(super) fn person_met(&mut self, now: Instant) -> Verdict {
        let Phase::Handover { handover, step: HandoverStep::Meeting } = &self.phase else {
            return self.late();
        };
        let handover = handover.clone();
        match handover.summary.clone().filter(|summary| !summary.is_empty()) {
            None => self.join(now),
            Some(text) => {
                self.begin_utterance(now, |utterance| Phase::Handover { handover, step: HandoverStep::Telling(utterance) });
                // No fact tells of it: it is not said to the caller.
                if let Some(utterance) = self.phase.utterance_mut().map(|utterance| utterance.id) {
                    self.push(CallAction::Say { utterance, text });
                }
                self.complete_utterance(now);
            }
        }
        Verdict::Taken
    }

    /// The person knows enough.
    pub(super) fn join(&mut self, now: Instant) {
        if let Phase::Handover { step: step @ (HandoverStep::Meeting | HandoverStep::Telling(_)), .. } = &mut self.phase {
            *step = HandoverStep::Joining;
            self.push(CallAction::Join);
            self.timers.clear();
            self.timers.arm(CallReason::EndDeadline, now + STEP_MAX);
        }
    }

    pub(super) fn person_joined(&mut self, now: Instant) -> Verdict {
        let Phase::Handover { handover, step: step @ HandoverStep::Joining } = &mut self.phase else {
            return self.late();
        };
        *step = HandoverStep::Together;
        let (kind, mode) = (handover.kind, handover.mode);
        self.emit(Fact::Transferred { kind, mode });
        self.timers.arm(CallReason::EndDeadline, now + AWAY_MAX);
        Verdict::Taken
    }

    pub(super) fn person_gone(&mut self, now: Instant, how: Returned) -> Verdict {
        let Phase::Handover { step, .. } = &self.phase else { return self.late() };
        match step {
            HandoverStep::Calling => self.nobody_comes(now, how.code()),
            HandoverStep::Meeting | HandoverStep::Telling(_) | HandoverStep::Joining => self.nobody_comes(now, "person_left"),
            HandoverStep::Together => self.hang_up(now, EndCause::Transferred),
            HandoverStep::Asked | HandoverStep::Away(_) | HandoverStep::Back | HandoverStep::Resuming => {}
        }
        Verdict::Taken
    }

    pub(super) fn resumed(&mut self, now: Instant) -> Verdict {
        if !matches!(self.phase, Phase::Handover { step: HandoverStep::Resuming, .. }) {
            return self.late();
        }
        self.go_on_without_them(now);
        Verdict::Taken
    }

    /// A step failed. Refused where no attended hand-over is under way.
    pub(super) fn consulting_failed(&mut self, now: Instant, code: &'static str) -> Verdict {
        let Phase::Handover { step, .. } = &self.phase else { return Verdict::Refused };
        match step {
            HandoverStep::Calling | HandoverStep::Meeting | HandoverStep::Telling(_) | HandoverStep::Joining => {
                self.nobody_comes(now, code);
                Verdict::Taken
            }
            HandoverStep::Asked
            | HandoverStep::Away(_)
            | HandoverStep::Back
            | HandoverStep::Together
            | HandoverStep::Resuming => Verdict::Refused,
        }
    }

    pub(super) fn key_while_waiting(&mut self, now: Instant, key: char) {
        let calling = matches!(self.phase, Phase::Handover { step: HandoverStep::Calling, .. });
        if calling && key == BACK {
            self.nobody_comes(now, "cancelled");
        }
    }

    pub(super) fn consulting_deadline(&mut self, now: Instant) {
        let Phase::Handover { step, .. } = &self.phase else { return };
        match step {
            HandoverStep::Calling => self.nobody_comes(now, Returned::NoAnswer.code()),
            HandoverStep::Meeting | HandoverStep::Joining => self.nobody_comes(now, "deadline"),
            HandoverStep::Telling(utterance) => {
                let utterance = utterance.id;
                self.push(CallAction::Hush { utterance });
                self.join(now);
            }
            HandoverStep::Together => self.hang_up(now, EndCause::Transferred),
            HandoverStep::Asked | HandoverStep::Away(_) | HandoverStep::Back | HandoverStep::Resuming => {}
        }
    }

    /// The person is let go, and the caller goes on with the agent.
    pub(super) fn nobody_comes(&mut self, now: Instant, code: &'static str) {
        let Phase::Handover { handover, step } = &mut self.phase else { return };
        let (kind, mode) = (handover.kind, handover.mode);
        let hush = match std::mem::replace(step, HandoverStep::Resuming) {
            HandoverStep::Telling(utterance) => Some(utterance.id),
            _ => None,
        };
        if let Some(utterance) = hush {
            self.push(CallAction::Hush { utterance });
        }
        self.emit(Fact::TransferFailed { kind, mode, code });
        self.push(CallAction::Resume);
        self.timers.clear();
        self.timers.arm(CallReason::EndDeadline, now + STEP_MAX);
    }
}
