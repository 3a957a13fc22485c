//! Turns that the agent does not answer, and what the caller gets in place of an answer.

use super::{Call, Next, Phase, Verdict};
use crate::event::Role;
use crate::ids::TurnId;
use crate::transfer::HandoverReason;
use std::time::Instant;

/// What there is in place of an answer.
enum InPlace {
    Line(String),
    Person,
}

impl Call {
    pub(super) fn agent_fell(&mut self, now: Instant, turn: TurnId, code: &'static str) -> Verdict {
        match &mut self.phase {
            Phase::Thinking { turn: asked, answer, .. } if asked.id == turn => {
                let clauses = answer.break_off();
                self.fell(Role::Thinking, code);
                if clauses.is_empty() {
                    self.do_without_answer(now);
                } else {
                    self.begin_reply(now, &clauses);
                    self.end_broken_reply(now);
                }
            }
            Phase::Speaking { reply: Some(reply), .. } if reply.is_answering(turn) => {
                let clauses = reply.answer.break_off();
                self.fell(Role::Thinking, code);
                self.speak_clauses(&clauses);
                self.end_broken_reply(now);
            }
            Phase::Thinking { .. }
            | Phase::Speaking { .. }
            | Phase::Offered
            | Phase::Dialing { .. }
            | Phase::Answering { .. }
            | Phase::Greeting { .. }
            | Phase::Listening { .. }
            | Phase::Keying { .. }
            | Phase::Advising { .. }
            | Phase::Handover { .. }
            | Phase::Ending { .. }
            | Phase::Ended(_) => return self.late(),
        }
        Verdict::Taken
    }

    /// What was said of an answer that broke off is followed by what stands for the rest.
    fn end_broken_reply(&mut self, now: Instant) {
        match self.in_place_of_answer() {
            InPlace::Line(line) => {
                self.speak_clauses(&[line]);
                self.complete_reply(now, Next::Listen);
            }
            InPlace::Person => self.complete_reply(now, Next::Human(Some(HandoverReason::Trouble))),
        }
    }

    /// The turn has no answer, and nothing of one was said.
    pub(super) fn do_without_answer(&mut self, now: Instant) {
        match self.in_place_of_answer() {
            InPlace::Line(line) => self.say_line(now, line, Next::Listen),
            InPlace::Person => {
                self.hush_filler();
                self.seek_advice(now, HandoverReason::Trouble, None);
            }
        }
    }

    /// One turn more has no answer.
    fn in_place_of_answer(&mut self) -> InPlace {
        self.agent_falls += 1;
        if self.agent_falls >= self.settings.fallback.agent_falls_max && self.settings.human.is_some() {
            // Where nobody is reached the agent gets as many tries again.
            self.agent_falls = 0;
            return InPlace::Person;
        }
        let answers = &self.settings.fallback.answers;
        let known = self.intent.as_ref().and_then(|intent| answers.get(intent));
        InPlace::Line(known.unwrap_or(&self.settings.prompts.agent_unavailable).clone())
    }
}
