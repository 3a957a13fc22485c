//! The agent's part: from the question to the clauses of its answer.

use super::phase::{Reply, Turn, Utterance};
use super::{AgentCommand, Call, CallAction, CallReason, Next, Phase, Verdict};
use crate::card::CardKeyed;
use crate::event::Fact;
use crate::ids::TurnId;
use crate::keypad::Keypad;
use crate::outcome::EndCause;
use crate::speech::ClauseSplitter;
use crate::turn::Moment;
use std::time::{Duration, Instant};

/// The agent did not keep its time.
const DEADLINE: &str = "deadline";
/// The agent finished without a word or a command.
const EMPTY_ANSWER: &str = "empty_answer";

impl Call {
    /// Asks the agent what the caller said in `turn`.
    pub(super) fn ask(&mut self, now: Instant, turn: Turn) {
        self.ask_with(now, turn, None);
    }

    /// The same; `card`: what became of one, where the turn tells that.
    pub(super) fn ask_with(&mut self, now: Instant, mut turn: Turn, card: Option<CardKeyed>) {
        self.misses_vault = matches!(card, Some(CardKeyed::NoVault));
        self.patience = Duration::ZERO;
        self.hear_all();
        turn.timeline.note(Moment::Worded, now);
        let words = turn.all_words();
        if words.is_withheld() {
            return self.ask_for_keys(now, &turn);
        }
        if turn.told != words {
            turn.told = words.clone();
            self.hear_objection(&words);
            self.emit(Fact::Heard { turn: turn.id, text: turn.public_words().clone() });
        }
        if self.conversation_failed {
            return self.do_without_answer(now);
        }
        turn.timeline.note(Moment::Asked, now);
        self.forget_hints();
        let held = self.take_guess(&turn);
        if held.is_none() {
            self.drop_guess();
            self.push(match card {
                Some(card) => CallAction::AskCard { turn: turn.id, text: words, card },
                None => CallAction::Ask { turn: turn.id, text: words },
            });
        }
        let id = turn.id;
        let (asked_at, filler) = self.take_wait(turn.id).unwrap_or((now, None));
        self.enter(Phase::Thinking { turn, asked_at, answer: ClauseSplitter::new(), filler });
        self.timers.arm(CallReason::AgentDeadline, now + self.settings.timing.agent_deadline);
        self.await_answer(now, asked_at);
        self.release_held(now, id, held.unwrap_or_default());
    }

    pub(super) fn agent_text(&mut self, now: Instant, turn: TurnId, text: &str) -> Verdict {
        let clauses = match &mut self.phase {
            Phase::Thinking { turn: asked, .. } if asked.id == turn => {
                asked.timeline.note_first(Moment::FirstText, now);
                let Some(text) = self.unheard(text) else { return Verdict::Taken };
                let Phase::Thinking { answer, .. } = &mut self.phase else { return Verdict::Taken };
                let clauses = answer.push(&text);
                self.begin_reply(now, &clauses);
                clauses
            }
            Phase::Speaking { reply: Some(reply), .. } if reply.is_answering(turn) => {
                let clauses = reply.answer.push(text);
                self.speak_clauses(&clauses);
                clauses
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
        };
        // The deadline is for the next words as well: an answer that breaks off must not leave the caller in silence. Words that cannot be spoken
        // yet end none.
        if !clauses.is_empty() {
            self.timers.arm(CallReason::AgentDeadline, now + self.settings.timing.agent_deadline);
        }
        Verdict::Taken
    }

    pub(super) fn agent_done(&mut self, now: Instant, turn: TurnId, command: Option<AgentCommand>) -> Verdict {
        match &mut self.phase {
            Phase::Thinking { turn: asked, answer, .. } if asked.id == turn => {
                asked.timeline.note_first(Moment::FirstText, now);
                let clauses = answer.finish();
                if !clauses.is_empty() || command.is_some() {
                    self.agent_falls = 0;
                }
                self.take_hints();
                if clauses.is_empty() && self.all_was_heard(now, command.clone()) {
                    return Verdict::Taken;
                }
                match (clauses.is_empty(), command) {
                    (true, None) => return self.agent_fell(now, turn, EMPTY_ANSWER),
                    (true, Some(AgentCommand::CollectCard(collect))) => {
                        self.hush_filler();
                        self.ask_for_card(now, collect.begin(), None);
                    }
                    (true, Some(command)) => {
                        self.hush_filler();
                        let next = next_of(Some(command));
                        self.follow(now, next);
                    }
                    (false, command) => {
                        self.begin_reply(now, &clauses);
                        let next = next_of(command);
                        self.complete_reply(now, next);
                    }
                }
            }
            Phase::Speaking { reply: Some(reply), .. } if reply.is_answering(turn) => {
                let clauses = reply.answer.finish();
                self.agent_falls = 0;
                self.take_hints();
                self.speak_clauses(&clauses);
                let next = next_of(command);
                self.complete_reply(now, next);
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

    pub(super) fn agent_deadline(&mut self, now: Instant) {
        let turn = match &self.phase {
            Phase::Dialing { .. } | Phase::Answering { .. } => {
                let _ = self.conversation_failed(DEADLINE);
                return;
            }
            Phase::Advising { .. } => {
                let _ = self.advice_failed(now, DEADLINE);
                return;
            }
            Phase::Thinking { turn, .. } => turn.id,
            Phase::Speaking { reply: Some(reply), .. } => reply.turn.id,
            Phase::Speaking { .. }
            | Phase::Offered
            | Phase::Greeting { .. }
            | Phase::Listening { .. }
            | Phase::Keying { .. }
            | Phase::Handover { .. }
            | Phase::Ending { .. }
            | Phase::Ended(_) => return,
        };
        self.push(CallAction::CancelAsk { turn });
        let _ = self.agent_fell(now, turn, DEADLINE);
    }

    /// Begins to speak an answer with its first clauses, if there are any.
    pub(super) fn begin_reply(&mut self, now: Instant, clauses: &[String]) {
        let Phase::Thinking { turn, answer, .. } = &self.phase else { return };
        if clauses.is_empty() {
            return;
        }
        let mut turn = turn.clone();
        turn.timeline.note(Moment::FirstClause, now);
        let reply = Reply { turn, answer: answer.clone(), said: std::mem::take(&mut self.said_before), streaming: true };
        let insists = self.insists;
        self.begin_utterance(now, |utterance| {
            let utterance = Utterance { insists, ..utterance };
            Phase::Speaking { utterance, reply: Some(reply), next: Next::Listen }
        });
        self.speak_clauses(clauses);
    }

    pub(super) fn complete_reply(&mut self, now: Instant, then: Next) {
        if let Phase::Speaking { reply: Some(reply), next, .. } = &mut self.phase {
            reply.streaming = false;
            *next = then;
            self.complete_utterance(now);
        }
    }
}

impl Reply {
    pub(super) fn is_answering(&self, turn: TurnId) -> bool {
        self.streaming && self.turn.id == turn
    }
}

pub(super) fn next_of(command: Option<AgentCommand>) -> Next {
    match command {
        None => Next::Listen,
        Some(AgentCommand::HangUp) => Next::HangUp(EndCause::AgentHungUp),
        Some(AgentCommand::Human) => Next::Human(None),
        Some(AgentCommand::Transfer(wish)) => Next::Transfer(Box::new(wish)),
        Some(AgentCommand::Menu) => Next::Menu,
        Some(AgentCommand::Collect(collect)) => Next::Keypad(collect.begin()),
        Some(AgentCommand::CollectCard(collect)) => Next::Keypad(Keypad::Card(collect.begin())),
    }
}
