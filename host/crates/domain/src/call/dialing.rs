//! Calls that the gateway makes: from the first ring to the greeting. Nothing is said before somebody has answered.

use super::phase::Opening;
use super::setup::SET_UP_MAX;
use super::{Call, CallAction, CallReason, Next, Phase, SetUp, Verdict};
use crate::dialling::{AnsweredBy, DialFailure};
use crate::event::Fact;
use crate::outbound::{MachineDetection, OnMachine};
use crate::outcome::EndCause;
use std::time::{Duration, Instant};

/// Nobody rings longer; whoever dials gives up earlier.
const DIAL_MAX: Duration = Duration::from_secs(150);
/// A machine that has been quiet for so long has made its beep.
const MACHINE_QUIET: Duration = Duration::from_millis(1_800);
/// A machine that never falls silent is told its line after so long.
const MACHINE_MAX: Duration = Duration::from_secs(40);

impl Call {
    /// Somebody is being called. The agent is told meanwhile.
    pub(super) fn dialed(&mut self, now: Instant) -> Verdict {
        if !matches!(self.phase, Phase::Offered) {
            return Verdict::Refused;
        }
        self.emit(Fact::Started(self.parties.clone()));
        self.push(CallAction::OpenConversation);
        self.enter(Phase::Dialing { conversation: Opening::Asked });
        self.timers.arm(CallReason::AgentDeadline, now + self.settings.timing.agent_deadline);
        self.timers.arm(CallReason::EndDeadline, now + DIAL_MAX);
        Verdict::Taken
    }

    /// The called side has answered.
    pub(super) fn up(&mut self, now: Instant, by: AnsweredBy) -> Verdict {
        let Phase::Dialing { conversation } = self.phase else { return self.out_of_step() };
        self.emit(Fact::Answered(by));
        self.answered_by = by;
        if by == AnsweredBy::Machine && matches!(self.on_machine(), Some(OnMachine::HangUp) | None) {
            self.hang_up(now, EndCause::AnsweringMachine);
            return Verdict::Taken;
        }
        self.timers.arm(CallReason::EndDeadline, now + SET_UP_MAX);
        self.phase = match conversation {
            Opening::Asked => Phase::Answering { step: SetUp::Conversation },
            Opening::Known => {
                self.push(CallAction::ConnectMedia);
                Phase::Answering { step: SetUp::Media }
            }
        };
        Verdict::Taken
    }

    /// The called side was not reached.
    pub(super) fn not_reached(&mut self, now: Instant, failure: DialFailure) -> Verdict {
        self.leg_gone(now, EndCause::NotReached(failure))
    }

    /// Sound can flow to somebody who has answered already.
    pub(super) fn begin_to_talk(&mut self, now: Instant) {
        self.limit_call(now);
        if self.answered_by == AnsweredBy::Machine {
            self.phase = Phase::Answering { step: SetUp::Quiet };
            self.timers.arm(CallReason::Silence, now + MACHINE_QUIET);
            self.timers.arm(CallReason::EndDeadline, now + MACHINE_MAX);
            self.push(CallAction::PrepareSpeaking);
        } else {
            self.push(CallAction::StartHearing);
            self.open(now);
        }
    }

    /// A machine speaks, or has stopped to.
    pub(super) fn machine_speaks(&mut self, quiet_since: Option<Instant>) {
        match quiet_since {
            None => self.timers.cancel(CallReason::Silence),
            Some(since) => self.timers.arm(CallReason::Silence, since + MACHINE_QUIET),
        }
    }

    /// The machine waits for a message.
    pub(super) fn tell_machine(&mut self, now: Instant) {
        let line = match self.on_machine() {
            Some(OnMachine::Say(line)) => line.clone(),
            Some(OnMachine::HangUp) | None => String::new(),
        };
        self.say_line(now, line, Next::Quit(EndCause::AnsweringMachine));
    }

    fn on_machine(&self) -> Option<&OnMachine> {
        match &self.settings.outbound.as_ref()?.machines {
            MachineDetection::On(then) => Some(then),
            MachineDetection::Off => None,
        }
    }
}
