//! Ways out: a person, a goodbye, a hang-up.

use super::{Call, CallAction, CallReason, Next, Phase, SetUp, Verdict};
use crate::dialling::DialFailure;
use crate::event::Fact;
use crate::outcome::{EndCause, Outcome};
use std::time::{Duration, Instant};

/// A transfer that is not confirmed in this time has failed.
const HANDOVER_MAX: Duration = Duration::from_secs(15);
/// A release that is not confirmed in this time will not be; what is left behind is the application's to count.
const RELEASE_MAX: Duration = Duration::from_secs(15);

impl Call {
    /// Hands the caller to a person, if the tenant has one.
    pub(super) fn hand_over(&mut self, now: Instant) {
        match self.settings.human.clone() {
            Some(target) => {
                self.push(CallAction::Transfer { target: target.clone() });
                self.emit(Fact::Escalated { target: target.clone() });
                self.enter(Phase::Handover { target });
                self.timers.arm(CallReason::EndDeadline, now + HANDOVER_MAX);
            }
            None => self.do_without_a_person(now),
        }
    }

    fn do_without_a_person(&mut self, now: Instant) {
        if self.given_up {
            self.say_emergency(now, Next::Quit(EndCause::ProvidersExhausted));
        } else {
            self.say_line(now, self.settings.prompts.agent_unavailable.clone(), Next::Listen);
        }
    }

    /// Nobody is left to listen or to speak.
    pub(super) fn give_up(&mut self, now: Instant) {
        self.given_up = true;
        self.clear_floor();
        self.hand_over(now);
    }

    pub(super) fn handover_done(&mut self, now: Instant) -> Verdict {
        match &mut self.phase {
            Phase::Handover { .. } => {
                self.release(now, EndCause::Transferred);
                Verdict::Taken
            }
            // The leg leaves this gateway by being transferred: that news may be quicker than the transfer's own.
            Phase::Ending { cause } => {
                *cause = EndCause::Transferred;
                Verdict::Taken
            }
            Phase::Offered
            | Phase::Dialing { .. }
            | Phase::Answering { .. }
            | Phase::Greeting { .. }
            | Phase::Listening { .. }
            | Phase::Thinking { .. }
            | Phase::Speaking { .. }
            | Phase::Ended(_) => Verdict::Refused,
        }
    }

    pub(super) fn handover_failed(&mut self, now: Instant) -> Verdict {
        if !matches!(self.phase, Phase::Handover { .. }) {
            return self.out_of_step();
        }
        self.do_without_a_person(now);
        Verdict::Taken
    }

    pub(super) fn drain(&mut self, now: Instant) -> Verdict {
        match self.phase {
            Phase::Offered | Phase::Dialing { .. } | Phase::Answering { .. } => self.hang_up(now, EndCause::Drained),
            Phase::Speaking { next: Next::Quit(_), .. } | Phase::Handover { .. } | Phase::Ending { .. } => {}
            Phase::Greeting { .. } | Phase::Listening { .. } | Phase::Thinking { .. } | Phase::Speaking { .. } => {
                self.clear_floor();
                self.say_line(now, self.settings.prompts.farewell.clone(), Next::Quit(EndCause::Drained));
            }
            Phase::Ended(_) => return Verdict::Refused,
        }
        Verdict::Taken
    }

    /// The caller's leg no longer exists.
    pub(super) fn leg_gone(&mut self, now: Instant, cause: EndCause) -> Verdict {
        self.leave(|call| call.release(now, cause))
    }

    pub(super) fn stop(&mut self, now: Instant, cause: EndCause) -> Verdict {
        self.leave(|call| call.hang_up(now, cause))
    }

    fn leave(&mut self, leave: impl FnOnce(&mut Self)) -> Verdict {
        match self.phase {
            Phase::Offered
            | Phase::Dialing { .. }
            | Phase::Answering { .. }
            | Phase::Greeting { .. }
            | Phase::Listening { .. }
            | Phase::Thinking { .. }
            | Phase::Speaking { .. }
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

    fn release(&mut self, now: Instant, cause: EndCause) {
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
            | Phase::Thinking { .. }
            | Phase::Speaking { .. }
            | Phase::Handover { .. } => {
                self.clear_floor();
                self.end(EndCause::Stopped);
            }
            Phase::Ended(_) => return Verdict::Refused,
        }
        Verdict::Taken
    }

    fn end(&mut self, cause: EndCause) {
        let outcome = Outcome { cause, turns: self.turns };
        self.emit(Fact::Ended(outcome.clone()));
        self.enter(Phase::Ended(outcome));
    }

    /// What was to end has not.
    pub(super) fn end_deadline(&mut self, now: Instant) {
        match self.phase {
            Phase::Dialing { .. } => self.hang_up(now, EndCause::NotReached(DialFailure::NoAnswer)),
            Phase::Answering { step: SetUp::Quiet } => self.tell_machine(now),
            Phase::Answering { .. } => self.hang_up(now, EndCause::SetUpFailed),
            Phase::Greeting { .. } | Phase::Speaking { .. } => self.give_up_waiting(now),
            Phase::Handover { .. } => self.do_without_a_person(now),
            Phase::Ending { cause } => self.end(cause),
            Phase::Offered | Phase::Listening { .. } | Phase::Thinking { .. } | Phase::Ended(_) => {}
        }
    }
}
