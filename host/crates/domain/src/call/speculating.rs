//! Asking before the turn is over: the agent thinks while the caller may yet go on. What it says is held until the turn has ended with these words.

use super::phase::{Floor, Turn};
use super::{AgentCommand, Call, CallAction, CallReason, Hint, Phase, Stability, Verdict};
use crate::ids::TurnId;
use crate::mask::MaskedText;
use std::time::Instant;

/// What became of a question that was put before its turn was over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Speculation {
    /// The turn ended with its words: the answer had a head start.
    Committed,
    /// The caller went on, or the words changed.
    Aborted,
}

impl Speculation {
    /// Bounded label.
    pub fn code(self) -> &'static str {
        match self {
            Self::Committed => "committed",
            Self::Aborted => "aborted",
        }
    }
}

/// A question that was put before its turn was over, and what the agent has said to it.
#[derive(Debug)]
pub(super) struct Guess {
    pub(super) turn: TurnId,
    text: MaskedText,
    held: Vec<Held>,
}

/// What the agent said; as much as it may say in an answer.
#[derive(Debug)]
pub(super) enum Held {
    Text(String),
    Hint(Hint),
    Done(Option<AgentCommand>),
    Fell(&'static str),
}

impl Call {
    /// Words and silence may be a turn: asks with them when they have stood for a while.
    pub(super) fn await_guess(&mut self, now: Instant) {
        self.timers.cancel(CallReason::Guess);
        if self.speculations >= self.settings.speculations_max || self.conversation_failed {
            return;
        }
        let Phase::Listening { turn } = &self.phase else { return };
        let Floor::Pause { since } = turn.floor else { return };
        let due =
            turn.rest.as_ref().map_or(since + Stability::standing(None), |rest| rest.since + Stability::standing(rest.stability));
        if !turn.all_words().is_empty() {
            self.timers.arm(CallReason::Guess, due.max(now));
        }
    }

    pub(super) fn guess_due(&mut self) {
        let Phase::Listening { turn } = &self.phase else { return };
        // Digits that are held back are no words to ask with.
        if turn.all_words().is_withheld() || turn.rest.as_ref().is_some_and(|rest| rest.text.holds_back()) {
            return;
        }
        let (turn, text) = (turn.id, turn.all_words());
        if self.guess.as_ref().is_some_and(|guess| guess.turn == turn && !self.judge.differ(guess.text.as_str(), text.as_str())) {
            return;
        }
        self.drop_guess();
        self.speculations += 1;
        self.forget_hints();
        self.guess = Some(Guess { turn, text: text.clone(), held: Vec::new() });
        self.push(CallAction::Speculate { turn, text });
    }

    /// The turn has ended with these words: what the agent was asked, where it was asked that.
    pub(super) fn take_guess(&mut self, turn: &Turn) -> Option<Vec<Held>> {
        let judge = self.judge;
        let words = turn.all_words();
        let fits = |guess: &mut Guess| guess.turn == turn.id && !judge.differ(guess.text.as_str(), words.as_str());
        let guess = self.guess.take_if(fits)?;
        self.push(CallAction::Commit { turn: guess.turn });
        self.push(CallAction::SpeculationJudged(Speculation::Committed));
        Some(guess.held)
    }

    /// What the agent says: held where the turn that it answers is not over.
    pub(super) fn agent_says(&mut self, now: Instant, turn: TurnId, said: Held) -> Verdict {
        if let Some(guess) = self.guess.as_mut().filter(|guess| guess.turn == turn) {
            guess.held.push(said);
            return Verdict::Taken;
        }
        match said {
            Held::Text(text) => self.agent_text(now, turn, &text),
            Held::Hint(hint) => self.agent_hints(now, turn, hint),
            Held::Done(command) => self.agent_done(now, turn, command),
            Held::Fell(code) => self.agent_fell(now, turn, code),
        }
    }

    /// What the agent has said so far counts from now on.
    pub(super) fn release_held(&mut self, now: Instant, turn: TurnId, held: Vec<Held>) {
        for said in held {
            // Where the answer has ended by then the rest is late.
            let _ = self.agent_says(now, turn, said);
        }
    }

    /// Nobody wants the answer to what was not said so.
    pub(super) fn drop_guess(&mut self) {
        if let Some(Guess { turn, .. }) = self.guess.take() {
            self.push(CallAction::CancelAsk { turn });
            self.push(CallAction::SpeculationJudged(Speculation::Aborted));
        }
    }
}
