//! From the offer to the greeting.

use super::{Call, CallAction, CallReason, Opening, Phase, SetUp, Verdict};
use crate::dialling::AnsweredBy;
use crate::event::{Fact, Role};
use crate::outcome::EndCause;
use crate::parties::Direction;
use std::time::{Duration, Instant};

/// A caller who hears ringing for longer has given up, or Asterisk has.
pub(super) const SET_UP_MAX: Duration = Duration::from_secs(30);

impl Call {
    pub(super) fn offered(&mut self, now: Instant) -> Verdict {
        match self.phase {
            Phase::Offered => {
                self.emit(Fact::Started(self.parties.clone()));
                self.push(CallAction::Ring);
                self.push(CallAction::OpenConversation);
                self.enter(Phase::Answering { step: SetUp::Conversation });
                self.timers.arm(CallReason::AgentDeadline, now + self.settings.timing.agent_deadline);
                self.timers.arm(CallReason::EndDeadline, now + SET_UP_MAX);
                Verdict::Taken
            }
            Phase::Dialing { .. }
            | Phase::Answering { .. }
            | Phase::Greeting { .. }
            | Phase::Listening { .. }
            | Phase::Keying { .. }
            | Phase::Thinking { .. }
            | Phase::Speaking { .. }
            | Phase::Advising { .. }
            | Phase::Handover { .. }
            | Phase::Ending { .. }
            | Phase::Ended(_) => Verdict::Refused,
        }
    }

    pub(super) fn conversation_opened(&mut self) -> Verdict {
        if let Phase::Dialing { conversation: conversation @ Opening::Asked } = &mut self.phase {
            *conversation = Opening::Known;
            self.timers.cancel(CallReason::AgentDeadline);
            return Verdict::Taken;
        }
        match self.step() {
            Some(SetUp::Conversation) => {
                self.timers.cancel(CallReason::AgentDeadline);
                self.push(CallAction::ConnectMedia);
                self.phase = Phase::Answering { step: SetUp::Media };
                Verdict::Taken
            }
            // The agent was away, and has come back: from now on it is asked.
            Some(SetUp::Media | SetUp::Answer | SetUp::Quiet | SetUp::Adopting) | None
                if std::mem::take(&mut self.conversation_failed) =>
            {
                Verdict::Taken
            }
            Some(SetUp::Media | SetUp::Answer | SetUp::Quiet | SetUp::Adopting) | None => self.out_of_step(),
        }
    }

    pub(super) fn conversation_failed(&mut self, code: &'static str) -> Verdict {
        match self.phase {
            Phase::Dialing { conversation: Opening::Asked } | Phase::Answering { step: SetUp::Conversation } => {
                self.fell(Role::Thinking, code);
                self.conversation_failed = true;
                self.conversation_opened()
            }
            // The call had lost patience before.
            _ if self.conversation_failed => Verdict::Taken,
            Phase::Offered
            | Phase::Dialing { .. }
            | Phase::Answering { .. }
            | Phase::Greeting { .. }
            | Phase::Listening { .. }
            | Phase::Keying { .. }
            | Phase::Thinking { .. }
            | Phase::Speaking { .. }
            | Phase::Advising { .. }
            | Phase::Handover { .. }
            | Phase::Ending { .. }
            | Phase::Ended(_) => self.out_of_step(),
        }
    }

    pub(super) fn media_connected(&mut self, now: Instant) -> Verdict {
        if self.rejoined(now) == Verdict::Taken {
            return Verdict::Taken;
        }
        match self.step() {
            Some(SetUp::Media) if self.parties.direction == Direction::Outbound => {
                self.begin_to_talk(now);
                Verdict::Taken
            }
            Some(SetUp::Media) => {
                self.push(CallAction::Answer);
                self.phase = Phase::Answering { step: SetUp::Answer };
                Verdict::Taken
            }
            Some(SetUp::Adopting) => self.take_up(now),
            Some(SetUp::Conversation | SetUp::Answer | SetUp::Quiet) | None => self.out_of_step(),
        }
    }

    pub(super) fn answered(&mut self, now: Instant) -> Verdict {
        match self.step() {
            Some(SetUp::Answer) => {
                self.emit(Fact::Answered(AnsweredBy::Gateway));
                self.limit_call(now);
                self.push(CallAction::StartHearing);
                self.open(now);
                Verdict::Taken
            }
            Some(SetUp::Conversation | SetUp::Media | SetUp::Quiet | SetUp::Adopting) | None => self.out_of_step(),
        }
    }

    pub(super) fn set_up_failed(&mut self, now: Instant) -> Verdict {
        if self.step().is_none() && !self.is_rejoining() {
            return self.out_of_step();
        }
        self.hang_up(now, EndCause::SetUpFailed);
        Verdict::Taken
    }

    fn step(&self) -> Option<SetUp> {
        match self.phase {
            Phase::Answering { step } => Some(step),
            Phase::Offered
            | Phase::Dialing { .. }
            | Phase::Greeting { .. }
            | Phase::Listening { .. }
            | Phase::Keying { .. }
            | Phase::Thinking { .. }
            | Phase::Speaking { .. }
            | Phase::Advising { .. }
            | Phase::Handover { .. }
            | Phase::Ending { .. }
            | Phase::Ended(_) => None,
        }
    }

    /// The verdict on the result of an act that was not waited for. A call that ends may still be told of one.
    pub(super) fn out_of_step(&self) -> Verdict {
        match self.phase {
            Phase::Ending { .. } => Verdict::Taken,
            Phase::Offered
            | Phase::Dialing { .. }
            | Phase::Answering { .. }
            | Phase::Greeting { .. }
            | Phase::Listening { .. }
            | Phase::Keying { .. }
            | Phase::Thinking { .. }
            | Phase::Speaking { .. }
            | Phase::Advising { .. }
            | Phase::Handover { .. }
            | Phase::Ended(_) => Verdict::Refused,
        }
    }
}
