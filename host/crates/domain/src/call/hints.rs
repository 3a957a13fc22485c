//! What the agent says of its answer besides words.

use super::listening::HearingFalls;
use super::{Call, CallAction, CallReason, Phase, Verdict, WAIT_MAX};
use crate::event::Fact;
use crate::fallback::Intent;
use crate::finish::Judge;
use crate::ids::TurnId;
use crate::pause::Expect;
use crate::turn::Moment;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// So much more than its deadline an agent may take for the first words of an answer, of all that it asks for together: nobody stays longer on the line
/// for a tone.
pub const HOLD_MAX: Duration = Duration::from_secs(60);

/// What an agent says of the answer that it gives, besides words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hint {
    /// What the conversation is about; until it says something else.
    Intent(Intent),
    /// What it expects the caller to say after the answer; for that one turn.
    Expect(Expect),
    /// The caller was asked for something that takes a while: so much silence after the answer is none; at most [`WAIT_MAX`].
    Wait(Duration),
    /// The answer's first words take so long, from now on: at most [`HOLD_MAX`] more than its deadline. Behind the first of them it means nothing.
    Hold(Duration),
    /// The call goes on in the language of this BCP 47 tag, the answer included where none of it was said; passed over where the tenant has
    /// none like it.
    Language(String),
    /// The answer is to be heard whole: neither the caller's voice nor a key stops it from now on.
    Uninterruptible,
}

/// What an agent has been granted of [`HOLD_MAX`] in an answer. Who relays the answer and who waits for it reckon alike.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Holds(Duration);

impl Holds {
    /// How much later the deadline is that is `left` away, where the agent asks for `wish`.
    pub fn beyond(&mut self, left: Duration, wish: Duration) -> Duration {
        let more = wish.saturating_sub(left).min(HOLD_MAX - self.0);
        self.0 += more;
        more
    }

    /// So much was granted.
    pub(super) fn granted(self) -> Duration {
        self.0
    }
}

impl Call {
    /// Takes it where it is of the turn that the agent answers now.
    pub(super) fn agent_hints(&mut self, now: Instant, turn: TurnId, hint: Hint) -> Verdict {
        if self.asked_turn_mut().is_none_or(|asked| asked.id != turn) {
            return self.late();
        }
        match hint {
            Hint::Intent(intent) => self.intent = Some(intent),
            Hint::Expect(expect) => self.hint = expect,
            Hint::Wait(wait) => self.wait = wait.min(WAIT_MAX),
            Hint::Hold(wish) => self.hold(now, wish),
            Hint::Language(tag) => self.change_language(now, &tag),
            Hint::Uninterruptible => self.answer_is_uninterruptible(),
        }
        Verdict::Taken
    }

    /// Nothing is said of the answer to a question that is put now.
    pub(super) fn forget_hints(&mut self) {
        (self.hint, self.wait, self.insists) = (Expect::default(), Duration::ZERO, false);
        self.holds = Holds::default();
    }

    /// The agent has more time than its deadline: the caller is not left in silence, whatever the tenant says of ten seconds.
    pub(super) fn is_held(&self) -> bool {
        !self.holds.granted().is_zero()
    }

    /// Words end it: while some of the answer is being said, nothing else could be heard that tells the caller to wait.
    fn hold(&mut self, now: Instant, wish: Duration) {
        let Phase::Thinking { turn, asked_at, .. } = &self.phase else { return };
        let (asked_at, speaks) = (*asked_at, turn.timeline.at(Moment::FirstText).is_some());
        let Some(deadline) = self.timers.at(CallReason::AgentDeadline).filter(|_| !speaks) else { return };
        let more = self.holds.beyond(deadline.saturating_duration_since(now), wish);
        self.timers.arm(CallReason::AgentDeadline, deadline + more);
        if self.is_held() && !self.timers.is_set(CallReason::Filler) {
            self.await_answer(now, asked_at);
        }
    }

    /// What the agent said of the caller's next turn holds from now on.
    pub(super) fn take_hints(&mut self) {
        self.expect = std::mem::take(&mut self.hint);
        self.patience = std::mem::take(&mut self.wait);
    }

    fn change_language(&mut self, now: Instant, tag: &str) {
        let Some(settings) = self.tenant.in_language(tag).filter(|other| !Arc::ptr_eq(other, &self.settings)) else { return };
        let settings = Arc::clone(settings);
        // A voice speaks one after the other: the line before the answer would hold the answer up in the language that is left.
        self.hush_filler();
        self.nothing_is_owed();
        (self.hearing_falls, self.speaking_falls) = (HearingFalls::default(), 0);
        self.judge = Judge::of(&settings.language);
        self.settings = Arc::clone(&settings);
        self.emit(Fact::LanguageChanged { language: settings.language.clone() });
        self.push(CallAction::ChangeLanguage(settings));
        if self.is_held() {
            self.await_answer(now, now);
        }
    }

    fn answer_is_uninterruptible(&mut self) {
        self.insists = true;
        if self.phase.reply_mut().is_some() {
            self.go_on_after_voice();
            if let Some(utterance) = self.phase.utterance_mut() {
                utterance.insists = true;
            }
        }
    }
}
