//! Ways out: a goodbye, a hang-up.

use super::{Call, CallAction, CallReason, Next, Phase, SetUp, Verdict};
use crate::dialling::DialFailure;
use crate::event::Fact;
use crate::outcome::{EndCause, Outcome};
use std::time::{Duration, Instant};

/// A release that is not confirmed in this time will not be; what is left behind is the application's to count.
const RELEASE_MAX: Duration = Duration::from_secs(15);

impl Call {
    pub(super) fn drain(&mut self, now: Instant) -> Verdict {
        match self.phase {
            Phase::Offered | Phase::Dialing { .. } | Phase::Answering { .. } => self.hang_up(now, EndCause::Drained),
            Phase::Speaking { next: Next::Quit(_), .. } | Phase::Ending { .. } => {}
            Phase::Handover { .. } => {
                self.draining = true;
                let _ = self.drain_handover(now);
            }
            Phase::Greeting { .. }
            | Phase::Listening { .. }
            | Phase::Keying { .. }
            | Phase::Thinking { .. }
            | Phase::Speaking { .. }
            | Phase::Advising { .. } => {
                self.clear_floor();
                self.say_line(now, self.settings.prompts.farewell.clone(), Next::Quit(EndCause::Drained));
            }
            Phase::Ended(_) => return Verdict::Refused,
        }
        Verdict::Taken
    }

    /// The caller's leg no longer exists.
    pub(super) fn leg_gone(&mut self, now: Instant, cause: EndCause) -> Verdict {
        let cause = self.end_handover(cause);
        self.leave(|call| call.release(now, cause))
    }

    pub(super) fn stop(&mut self, now: Instant, cause: EndCause) -> Verdict {
        if cause == EndCause::Drained && self.drain_handover(now) == Verdict::Taken {
            return Verdict::Taken;
        }
        self.cancel_handover();
        self.leave(|call| call.hang_up(now, cause))
    }

    fn leave(&mut self, leave: impl FnOnce(&mut Self)) -> Verdict {
        match self.phase {
            Phase::Offered
            | Phase::Dialing { .. }
            | Phase::Answering { .. }
            | Phase::Greeting { .. }
            | Phase::Listening { .. }
            | Phase::Keying { .. }
            | Phase::Thinking { .. }
            | Phase::Speaking { .. }
            | Phase::Advising { .. }
            | Phase::Handover { .. } => {
                self.clear_floor();
                leave(self);
                Verdict::Taken
            }
            Phase::Ending { .. } => Verdict::Taken,
            Phase::Ended(_) => Verdict::Refused,
        }
    }

    /// Ends the caller's leg and the call.
    pub(super) fn hang_up(&mut self, now: Instant, cause: EndCause) {
        self.push(CallAction::HangUp { cause });
        self.release(now, cause);
    }

    pub(super) fn release(&mut self, now: Instant, cause: EndCause) {
        self.never_took_up();
        self.push(CallAction::Release);
        self.enter(Phase::Ending { cause });
        self.timers.arm(CallReason::EndDeadline, now + RELEASE_MAX);
    }

    pub(super) fn released(&mut self) -> Verdict {
        match self.phase {
            Phase::Ending { cause } => self.end(cause),
            // Released by somebody else, for instance because the gateway is being torn down.
            Phase::Offered
            | Phase::Dialing { .. }
            | Phase::Answering { .. }
            | Phase::Greeting { .. }
            | Phase::Listening { .. }
            | Phase::Keying { .. }
            | Phase::Thinking { .. }
            | Phase::Speaking { .. }
            | Phase::Advising { .. }
            | Phase::Handover { .. } => {
                self.clear_floor();
                self.never_took_up();
                self.end(EndCause::Stopped);
            }
            Phase::Ended(_) => return Verdict::Refused,
        }
        Verdict::Taken
    }

    fn end(&mut self, cause: EndCause) {
        let outcome = Outcome { cause, turns: self.turns };
        self.nothing_is_owed();
        self.interrupted.clear();
        // How the last turn ended is told before: after the end there is nothing more to say.
        self.enter(Phase::Ended(outcome.clone()));
        self.emit(Fact::Ended(outcome));
        self.timers.end();
    }

    /// What was to end has not.
    pub(super) fn end_deadline(&mut self, now: Instant) {
        match self.phase {
            Phase::Dialing { .. } => self.hang_up(now, EndCause::NotReached(DialFailure::NoAnswer)),
            Phase::Answering { step: SetUp::Quiet } => self.tell_machine(now),
            Phase::Answering { .. } => self.hang_up(now, EndCause::SetUpFailed),
            Phase::Greeting { .. } | Phase::Speaking { .. } | Phase::Thinking { .. } => self.give_up_waiting(now),
            Phase::Handover { .. } => self.handover_deadline(now),
            Phase::Ending { cause } => self.end(cause),
            Phase::Offered | Phase::Listening { .. } | Phase::Keying { .. } | Phase::Advising { .. } | Phase::Ended(_) => {}
        }
    }
}
