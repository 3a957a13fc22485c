//! The end of the caller's turn: when it has come, with which words the agent is asked, and how it turned out.

use super::listening::HearingFalls;
use super::phase::{Floor, Reply, Turn};
use super::{Call, CallAction, CallReason, Phase, Verdict};
use crate::event::Fact;
use crate::ids::TurnId;
use crate::mask::MaskedText;
use crate::speech::Extent;
use crate::turn::{Moment, Timeline};
use std::time::{Duration, Instant};

/// Words that may change are taken for what was said when they have not changed for so long.
const STABLE: Duration = Duration::from_millis(200);
/// A listener that gives its last words within this time is waited for: the agent's head start would be spent on asking it twice.
const QUICK: Duration = Duration::from_millis(150);
/// So long one is waited for of which it is not known yet.
const UNKNOWN_LISTENER: Duration = Duration::from_millis(100);
/// Nobody answers a sound sooner (M. Heldner, J. Edlund, "Pauses, gaps and overlaps in conversations", Journal of Phonetics 38, 2010): who
/// begins to speak within it was going on, and had not heard that it was somebody else's turn.
const REACTION: Duration = Duration::from_millis(200);

/// The listener did not say its last words.
pub(super) const NO_FINAL: &str = "no_final";

/// Nobody is waited for longer, whatever the agent wants.
pub const WAIT_MAX: Duration = Duration::from_secs(120);

/// How unlikely words are to change, as the listener believes: 0.0 to 1.0.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stability(f32);

impl Stability {
    /// From here on words are as good as final.
    const SURE: f32 = 0.9;
    /// Below, they are a first guess.
    const UNSURE: f32 = 0.5;

    /// None for what is no such number.
    pub fn new(stability: f32) -> Option<Self> {
        (0.0..=1.0).contains(&stability).then_some(Self(stability))
    }

    /// How long words stand before they are taken for what was said; of a listener that says nothing of it, as long as ever.
    pub(super) fn standing(this: Option<Self>) -> Duration {
        match this {
            Some(Self(stability)) if stability >= Self::SURE => STABLE / 2,
            Some(Self(stability)) if stability < Self::UNSURE => STABLE * 3 / 2,
            Some(_) | None => STABLE,
        }
    }
}

/// How the end of a turn turned out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TurnEnd {
    /// The caller said no more.
    InTime,
    /// The caller said no more, but was waited for as long as the settings allow although the words were finished.
    Missed,
    /// The caller went on.
    FalseCut,
    /// The agent had been asked with words that the listener then changed, and was asked again.
    Corrected,
}

impl TurnEnd {
    /// Bounded label.
    pub fn code(self) -> &'static str {
        match self {
            Self::InTime => "in_time",
            Self::Missed => "missed",
            Self::FalseCut => "false_cut",
            Self::Corrected => "corrected",
        }
    }
}

/// A turn whose end was acted upon; how it turns out is not known yet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ended {
    turn: TurnId,
    missed: bool,
}

/// `FinalizeHearing`s that are not answered yet; they are answered in order.
#[derive(Debug, Default)]
pub(super) struct Finalizing {
    pending: u32,
    /// So many of the first ones belong to speech whose words are dropped.
    unwanted: u32,
    /// That speech was over the gateway's own, and too short to count.
    overlap: bool,
    /// With so many of the first ones, the words with which the agent was asked are final. None: they are, or it was not asked.
    confirming: u32,
    /// When the first of those that are not answered was asked.
    since: Option<Instant>,
    /// Who has not answered by then will not.
    until: Option<Instant>,
}

impl Finalizing {
    fn begin(&mut self, now: Instant, within: Duration) {
        self.give_up_late(now);
        self.pending += 1;
        self.since.get_or_insert(now);
        self.until = Some(now + within);
    }

    /// One more is answered. How long that took, where it is the last one; nothing where none was asked.
    fn answered(&mut self, now: Instant) -> Option<Option<Duration>> {
        self.pending = self.pending.checked_sub(1)?;
        self.unwanted = self.unwanted.saturating_sub(1);
        self.overlap &= self.unwanted > 0;
        Some((self.pending == 0).then(|| self.since.take().map(|since| now.saturating_duration_since(since))).flatten())
    }

    fn give_up_late(&mut self, now: Instant) {
        if self.until.is_some_and(|until| until <= now) {
            *self = Self::default();
        }
    }

    /// The turn that was being confirmed is over.
    fn drop_confirming(&mut self) {
        self.unwanted = self.unwanted.max(std::mem::take(&mut self.confirming));
    }

    pub(super) fn owes_words(&self) -> bool {
        self.pending > 0
    }

    /// Whether what is dropped are words over the gateway's own.
    pub(super) fn was_overlap(&self) -> bool {
        self.overlap
    }

    /// Nothing is dropped after all.
    pub(super) fn want_all(&mut self) {
        (self.unwanted, self.overlap) = (0, false);
    }

    pub(super) fn drops(&mut self, now: Instant) -> bool {
        self.give_up_late(now);
        self.unwanted > 0
    }
}

impl Call {
    /// The pause after which the turn is over begins, or the words that it is judged by have changed.
    pub(super) fn wait_for_more(&mut self, now: Instant) {
        let Phase::Listening { turn } = &self.phase else { return };
        let Floor::Pause { since } = turn.floor else { return };
        let guess = self.judge.guess(turn.all_words().as_str());
        let wait = self.pauses.wait(&self.settings.timing, self.expect, guess);
        // The pause may be reported when it has already lasted long enough.
        self.timers.arm(CallReason::EndOfTurn, (since + wait).max(now));
        self.await_guess(now);
    }

    pub(super) fn end_of_turn(&mut self, now: Instant, due: Instant) {
        let timing = &self.settings.timing;
        let Phase::Listening { turn } = &mut self.phase else { return };
        let paused = match turn.floor {
            Floor::Pause { since } => Some(since),
            Floor::Quiet | Floor::Speech | Floor::Closed => None,
        };
        turn.waited_longest =
            paused.zip(timing.endpoint_bounds).is_some_and(|(since, bounds)| due.duration_since(since) >= bounds.ceiling);
        turn.floor = Floor::Closed;
        turn.timeline.note(Moment::EndpointDue, due);
        turn.timeline.note(Moment::Decided, now);
        // What came since the caller paused, from a listener that guesses, is all there is.
        let settled =
            paused.is_some_and(|since| turn.guessed && turn.rest.is_none() && turn.final_at.is_some_and(|at| at > since));
        self.timers.arm(CallReason::FinalDeadline, now + timing.final_deadline);
        self.ask_for_last_words(now);
        if settled {
            self.ask_before_the_last_words(now);
        } else if paused.is_some() {
            self.wait_for_stable_words(now);
        }
    }

    pub(super) fn ask_for_last_words(&mut self, now: Instant) {
        self.push(CallAction::FinalizeHearing);
        let within = self.settings.timing.final_deadline;
        self.finalizing.begin(now, within);
        self.timers.arm(CallReason::OwedWords, now + within);
    }

    /// A listener that keeps its last words for so long would say them into the next turn: another session takes its place, and hears who
    /// speaks now from the beginning.
    pub(super) fn words_are_owed(&mut self, now: Instant) {
        if self.finalizing.pending > 0 && self.is_conversing() && !self.deaf {
            self.push(CallAction::GiveUpHearing);
            let _ = self.hearing_fell(now, NO_FINAL);
        }
    }

    /// No listener owes any words.
    pub(super) fn nothing_is_owed(&mut self) {
        self.finalizing = Finalizing::default();
        self.timers.cancel(CallReason::OwedWords);
    }

    /// The agent is asked with the words there are as soon as they have stood for a while; the last ones correct them where they differ.
    pub(super) fn wait_for_stable_words(&mut self, now: Instant) {
        let Phase::Listening { turn } = &self.phase else { return };
        if turn.floor != Floor::Closed {
            return;
        }
        let closed = turn.timeline.at(Moment::Decided);
        match &turn.rest {
            // Digits that are held back are no words to ask with.
            Some(rest) if !rest.text.holds_back() => {
                let due = (rest.since + Stability::standing(rest.stability))
                    .max(closed.map_or(now, |closed| closed + self.wait_for_listener()));
                if due <= now {
                    self.ask_before_the_last_words(now);
                } else {
                    self.timers.arm(CallReason::StableWords, due);
                }
            }
            Some(_) | None => self.timers.cancel(CallReason::StableWords),
        }
    }

    /// How long the listener has for its last words before the agent is asked without them.
    fn wait_for_listener(&self) -> Duration {
        match self.last_words_took {
            None => UNKNOWN_LISTENER,
            Some(took) if took <= QUICK => took * 2,
            Some(_) => Duration::ZERO,
        }
    }

    fn ask_before_the_last_words(&mut self, now: Instant) {
        let Phase::Listening { turn } = &self.phase else { return };
        let turn = turn.clone();
        self.ask_what_was_heard(now, turn);
        if matches!(self.phase, Phase::Thinking { .. }) {
            self.finalizing.confirming = self.finalizing.pending;
        }
    }

    /// Asks the agent what was said in a turn that has ended.
    pub(super) fn ask_what_was_heard(&mut self, now: Instant, mut turn: Turn) {
        self.silences = 0;
        let words = turn.all_words();
        if turn.went_on_after.take().is_some_and(|before| self.judge.differ(before.as_str(), words.as_str())) {
            self.push(CallAction::EndJudged(TurnEnd::FalseCut));
        }
        self.ask_of_ended(now, turn);
    }

    fn ask_of_ended(&mut self, now: Instant, turn: Turn) {
        let missed = turn.waited_longest && self.judge.guess(turn.all_words().as_str()).is_finished();
        let ended = Ended { turn: turn.id, missed };
        self.ask(now, turn);
        self.ended = Some(ended);
    }

    pub(super) fn finalized(&mut self, now: Instant) -> Verdict {
        let Some(took) = self.finalizing.answered(now) else { return self.late() };
        self.last_words_took = took.or(self.last_words_took);
        let pending = self.finalizing.pending;
        if pending == 0 {
            self.timers.cancel(CallReason::OwedWords);
        }
        self.hearing_falls = HearingFalls::default();
        if let Phase::Listening { turn } = &mut self.phase
            && (turn.floor != Floor::Closed || pending > 0)
            && turn.went_on_after.is_some()
            && !turn.words.is_empty()
        {
            // Words from before the caller went on, though they came later.
            turn.went_on_after = Some(turn.words.clone());
        }
        if self.finalizing.confirming > 0 {
            self.finalizing.confirming -= 1;
            if self.finalizing.confirming == 0 {
                self.take_back_guesses();
                self.correct(now);
            }
        } else if pending == 0 {
            self.take_back_guesses();
            self.close_turn(now);
        }
        Verdict::Taken
    }

    /// Everything that was said has come as words that will not change: what was guessed beyond them was not said.
    fn take_back_guesses(&mut self) {
        match &mut self.phase {
            Phase::Listening { turn } if turn.floor == Floor::Closed => turn.rest = None,
            _ => {
                if let Some(turn) = self.asked_turn_mut() {
                    turn.rest = None;
                }
            }
        }
    }

    /// A new listener is asked for the last words, for which one that fell was asked before.
    pub(super) fn finalize_again(&mut self, now: Instant, confirming: bool) {
        self.ask_for_last_words(now);
        if confirming {
            self.finalizing.confirming = self.finalizing.pending;
        }
    }

    /// Last words of a turn in which the agent was already asked.
    pub(super) fn take_last_words(&mut self, text: &MaskedText) {
        if let Some(turn) = self.asked_turn_mut() {
            turn.take_final(text);
        }
    }

    /// Whether words that come now are the last ones of a turn in which the agent was already asked.
    pub(super) fn is_confirming(&mut self, now: Instant) -> bool {
        self.finalizing.give_up_late(now);
        self.finalizing.confirming > 0
    }

    /// All words of a turn are known for which the agent was asked with less: it is asked again where that makes a difference.
    fn correct(&mut self, now: Instant) {
        // Who speaks meanwhile is being listened to; what was not said will be.
        if self.caller_speaks {
            return;
        }
        let judge = self.judge;
        let Some(turn) = self.asked_turn_mut() else { return };
        let words = turn.all_words();
        if !judge.differ(turn.told.as_str(), words.as_str()) {
            return;
        }
        let turn = turn.clone();
        self.push(CallAction::EndJudged(TurnEnd::Corrected));
        let withdrawn = self.withdraw_answer(now).is_some();
        if !words.is_empty() {
            return self.ask_of_ended(now, turn);
        }
        // The listener had guessed at words, and there were none.
        if !withdrawn {
            self.push(CallAction::CancelAsk { turn: turn.id });
        }
        self.ended = None;
        self.not_understood(now, turn.id);
    }

    /// Stops an answer that was none to what was said. It is not on record; how much of it was heard the agent is told at once, for it is asked
    /// anew before the Mouth has stopped.
    fn withdraw_answer(&mut self, now: Instant) -> Option<Reply> {
        let Phase::Speaking { utterance, reply: Some(reply), .. } = &self.phase else { return None };
        // What another voice said of it after a fall is not counted: rather too little is taken for heard than too much.
        let until = utterance.fell_at.unwrap_or(now);
        let (utterance, audible) = (utterance.id, reply.turn.timeline.at(Moment::Audible));
        let reply = self.hush();
        let spoken_ms =
            audible.map_or(0, |at| u64::try_from(until.saturating_duration_since(at).as_millis()).unwrap_or(u64::MAX));
        self.emit(Fact::Interrupted { utterance, spoken_ms, extent: Extent::Interpolated });
        reply
    }

    /// The turn that the agent answers, or has answered as far as it is being said.
    pub(super) fn asked_turn_mut(&mut self) -> Option<&mut Turn> {
        match &mut self.phase {
            Phase::Thinking { turn, .. } => Some(turn),
            Phase::Speaking { reply, .. } => reply.as_mut().map(|reply| &mut reply.turn),
            Phase::Offered
            | Phase::Dialing { .. }
            | Phase::Answering { .. }
            | Phase::Greeting { .. }
            | Phase::Listening { .. }
            | Phase::Keying { .. }
            | Phase::Advising { .. }
            | Phase::Handover { .. }
            | Phase::Ending { .. }
            | Phase::Ended(_) => None,
        }
    }

    /// The caller's turn is another one from now on: what is still to come of the old one's words is nobody's.
    pub(super) fn forget_last_words(&mut self) {
        self.finalizing.drop_confirming();
    }

    /// Speech over the gateway's own ended without consequence: its words must not be taken for the beginning of the next turn.
    pub(super) fn drop_words_so_far(&mut self, now: Instant) {
        self.ask_for_last_words(now);
        self.finalizing.unwanted = self.finalizing.pending;
        self.finalizing.overlap = self.is_interruptible();
    }

    /// The caller goes on with a turn that was taken to be over.
    pub(super) fn resume_turn(&mut self, now: Instant, turn: Turn, floor: Floor) {
        let went_on_after = turn.went_on_after.clone().or_else(|| Some(turn.told.clone()));
        let turn = Turn { floor, timeline: Timeline::default(), went_on_after, ..turn };
        if std::mem::take(&mut self.finalizing.confirming) > 0 {
            // They are the beginning of what the turn will be.
            self.finalizing.unwanted = 0;
        }
        self.enter(Phase::Listening { turn });
        // What is owed is this turn's, which goes on.
        self.timers.cancel(CallReason::OwedWords);
        self.timers.arm(CallReason::EndOfTurn, now + super::listening::TURN_MAX);
        self.wait_for_more(now);
    }

    /// Takes the floor back for a caller who began to speak before the answer could be heard. Refused where it was heard.
    pub(super) fn take_back_answer(&mut self, now: Instant) -> Verdict {
        let Some(since) = self.speech_since else { return Verdict::Refused };
        let Phase::Speaking { reply: Some(reply), .. } = &self.phase else { return Verdict::Refused };
        let timeline = &reply.turn.timeline;
        let Some(last_voiced) = timeline.at(Moment::LastVoiced) else { return Verdict::Refused };
        let audible = timeline.at(Moment::Audible);
        if audible.is_some_and(|at| since >= at + REACTION) {
            return Verdict::Refused;
        }
        self.pauses.learn(since.saturating_duration_since(last_voiced));
        if audible.is_some() {
            // Too much was said to take it back; the caller had not finished all the same.
            self.ended = None;
            self.push(CallAction::EndJudged(TurnEnd::FalseCut));
            return Verdict::Refused;
        }
        if let Some(reply) = self.withdraw_answer(now) {
            self.push(CallAction::PrepareSpeaking);
            // Words that came late may say so when the voice is over.
            let floor = if self.caller_speaks { Floor::Speech } else { Floor::Pause { since: now } };
            self.resume_turn(now, reply.turn, floor);
        }
        Verdict::Taken
    }

    /// Learns from a pause that was one within the turn.
    pub(super) fn learn_pause(&mut self, since: Option<Instant>, until: Instant) {
        if let Some(since) = since {
            self.pauses.learn(until.saturating_duration_since(since));
        }
    }

    /// It is known now how the last end turned out: the call has gone on to something else.
    pub(super) fn judge_end(&mut self, next: &Phase) {
        let goes_on = |ended: &Ended| match next {
            Phase::Thinking { turn, .. } | Phase::Listening { turn } => turn.id == ended.turn,
            Phase::Speaking { reply, .. } => reply.as_ref().is_some_and(|reply| reply.turn.id == ended.turn),
            Phase::Offered
            | Phase::Dialing { .. }
            | Phase::Answering { .. }
            | Phase::Greeting { .. }
            | Phase::Keying { .. }
            | Phase::Advising { .. }
            | Phase::Handover { .. }
            | Phase::Ending { .. }
            | Phase::Ended(_) => false,
        };
        if let Some(ended) = self.ended.take_if(|ended| !goes_on(ended)) {
            self.push(CallAction::EndJudged(if ended.missed { TurnEnd::Missed } else { TurnEnd::InTime }));
        }
    }
}
