//! The caller's turn: from the first sound to the words.

use super::phase::{Floor, Turn};
use super::turn_end::NO_FINAL;
use super::{Call, CallAction, CallReason, HandoverStep, Next, Phase, SetUp, Stability, Verdict};
use crate::event::{Fact, Role};
use crate::ids::TurnId;
use crate::keypad::Keypad;
use crate::mask::MaskedText;
use crate::outcome::EndCause;
use crate::turn::{Moment, Timeline};
use std::time::{Duration, Instant};
use zeroize::Zeroize;

/// Nobody speaks for longer without a pause; noise does.
pub(super) const TURN_MAX: Duration = Duration::from_secs(60);
/// So often each listener of the ladder is started again before the call does without (source design, section 9: 3 attempts).
const HEARING_RESTARTS_MAX: u32 = 3;
/// A listener that keeps falling for so long makes way for the next one before that: the caller waits for an answer.
const HEARING_PATIENCE: Duration = Duration::from_secs(2);
/// The caller who is silent so often in a row is not there.
const SILENCES_MAX: u32 = 3;

/// Falls of listeners in a row, without final words between them.
#[derive(Debug, Default)]
pub(super) struct HearingFalls {
    all: u32,
    /// Of the listener that fell last.
    of_one: u32,
    /// When that one fell first.
    since: Option<Instant>,
}

impl Call {
    /// Gives the caller the floor for a new turn.
    pub(super) fn listen(&mut self, now: Instant) {
        self.forget_last_words();
        // Nothing that can wait is said over the caller.
        if (self.deaf || !self.caller_speaks)
            && let Some(line) = self.ordered.pop_front()
        {
            return self.say_line(now, line, Next::Listen);
        }
        if self.deaf {
            return self.open_menu(now);
        }
        self.keyed_ahead.zeroize();
        self.last_turn = TurnId(self.last_turn.0 + 1);
        let floor = if self.caller_speaks { Floor::Speech } else { Floor::Quiet };
        self.enter(Phase::Listening { turn: Turn::new(self.last_turn, floor) });
        if self.caller_speaks {
            self.push(CallAction::PrepareSpeaking);
            self.timers.arm(CallReason::EndOfTurn, now + TURN_MAX);
        } else {
            self.await_caller(now);
        }
    }

    pub(super) fn speech_started(&mut self, now: Instant, started: Instant) -> Verdict {
        match &mut self.phase {
            Phase::Offered | Phase::Dialing { .. } | Phase::Ended(_) => return Verdict::Refused,
            Phase::Answering { step: SetUp::Quiet } => self.machine_speaks(None),
            Phase::Answering { .. } | Phase::Advising { .. } | Phase::Handover { .. } | Phase::Ending { .. } => {}
            // Who speaks in place of choosing is listened to.
            Phase::Keying { keypad: Keypad::Menu { .. } } if !self.deaf => {
                self.caller_speaks = true;
                self.listen(now);
            }
            Phase::Keying { keypad: Keypad::Consent } => {
                self.caller_speaks = true;
                self.await_consent(now);
            }
            Phase::Keying { .. } => self.begins_to_say_card(now),
            Phase::Listening { turn } => {
                let (first, closed) = (turn.floor == Floor::Quiet, turn.floor == Floor::Closed);
                if closed {
                    // They are this turn's, which goes on.
                    self.timers.cancel(CallReason::OwedWords);
                }
                let last_voiced = turn.timeline.at(Moment::LastVoiced);
                turn.floor = Floor::Speech;
                turn.timeline = Timeline::default();
                if closed && turn.went_on_after.is_none() {
                    turn.went_on_after = Some(turn.all_words());
                }
                if first {
                    self.push(CallAction::PrepareSpeaking);
                }
                self.drop_guess();
                self.learn_pause(last_voiced, started);
                self.timers.clear();
                self.timers.arm(CallReason::EndOfTurn, now + TURN_MAX);
            }
            Phase::Thinking { turn, .. } if turn.is_card => {}
            // The caller had only paused.
            Phase::Thinking { turn, .. } => {
                let turn = turn.clone();
                self.learn_pause(turn.timeline.at(Moment::LastVoiced), started);
                self.hush_filler();
                self.push(CallAction::CancelAsk { turn: turn.id });
                self.resume_turn(now, turn, Floor::Speech);
            }
            Phase::Greeting { .. } | Phase::Speaking { .. } => self.pause_for_voice(started),
        }
        self.caller_speaks = true;
        self.speech_since = Some(started);
        Verdict::Taken
    }

    pub(super) fn speech_ended(&mut self, now: Instant, last_voiced: Instant) -> Verdict {
        match &mut self.phase {
            Phase::Offered | Phase::Dialing { .. } | Phase::Ended(_) => return Verdict::Refused,
            Phase::Answering { step: SetUp::Quiet } => self.machine_speaks(Some(last_voiced)),
            Phase::Thinking { turn, .. } if turn.is_card => self.drop_words_beside(now),
            Phase::Answering { .. } | Phase::Thinking { .. } | Phase::Handover { .. } | Phase::Ending { .. } => {}
            Phase::Listening { turn } => {
                if turn.floor != Floor::Closed {
                    turn.floor = Floor::Pause { since: last_voiced };
                    turn.timeline.note(Moment::LastVoiced, last_voiced);
                    self.timers.clear();
                    self.wait_for_more(now);
                }
            }
            // Its last words are the answer.
            Phase::Keying { keypad: Keypad::Consent } => {
                self.caller_speaks = false;
                self.ask_for_last_words(now);
                self.await_consent(now);
            }
            Phase::Keying { keypad: Keypad::Card(_) } => self.card_is_said(now),
            Phase::Greeting { .. } | Phase::Speaking { .. } | Phase::Keying { .. } | Phase::Advising { .. } => {
                self.go_on_after_voice();
                self.drop_words_beside(now);
            }
        }
        self.caller_speaks = false;
        Verdict::Taken
    }

    /// What was said beside the gateway, or keys, is for nobody.
    pub(super) fn drop_words_beside(&mut self, now: Instant) {
        if self.caller_speaks && !self.deaf {
            self.drop_words_so_far(now);
        }
    }

    pub(super) fn partial(&mut self, now: Instant, text: &MaskedText, stability: Option<Stability>) -> Verdict {
        if self.is_confirming(now) {
            return Verdict::Taken;
        }
        self.on_words(now, text, |call, text| {
            if let Phase::Listening { turn } = &mut call.phase {
                turn.take_partial(now, text, stability);
                let (turn, text) = (turn.id, turn.all_words());
                call.emit(Fact::Hearing { turn, text });
            }
        })
    }

    pub(super) fn final_words(&mut self, now: Instant, text: &MaskedText) -> Verdict {
        self.hear_objection(text);
        if self.awaits_consent() {
            self.words_of_consent(now, text);
            return Verdict::Taken;
        }
        if self.is_confirming(now) {
            self.take_last_words(text);
            return Verdict::Taken;
        }
        if let Phase::Listening { turn } = &mut self.phase
            && text.is_empty()
            && !self.finalizing.drops(now)
        {
            turn.rest = None;
        }
        self.on_words(now, text, |call, text| {
            // Partials do not count: a listener may guess and fall again and again.
            call.hearing_falls = HearingFalls::default();
            if let Phase::Listening { turn } = &mut call.phase {
                turn.take_final(text);
                turn.final_at = Some(now);
            }
        })
    }

    /// Does `count` with words that belong to the caller's turn; words over the gateway's own speech make it one.
    fn on_words(&mut self, now: Instant, text: &MaskedText, count: impl FnOnce(&mut Self, &MaskedText)) -> Verdict {
        match &mut self.phase {
            Phase::Offered | Phase::Dialing { .. } | Phase::Answering { .. } | Phase::Ended(_) => return Verdict::Refused,
            Phase::Keying { .. }
            | Phase::Thinking { .. }
            | Phase::Advising { .. }
            | Phase::Handover { .. }
            | Phase::Ending { .. } => {
                return Verdict::Taken;
            }
            Phase::Greeting { .. } | Phase::Speaking { .. } | Phase::Listening { .. } => {}
        }
        if text.is_empty() || (self.finalizing.drops(now) && !self.takes_late_words(now, text)) {
            return Verdict::Taken;
        }
        self.words_over_speech(now, text);
        if let Phase::Listening { turn } = &mut self.phase {
            // A voice so soft that only the listener noticed it.
            let unnoticed = turn.timeline.at(Moment::LastVoiced).is_none();
            match turn.floor {
                Floor::Quiet => {
                    turn.floor = Floor::Pause { since: now };
                    self.push(CallAction::PrepareSpeaking);
                    self.timers.clear();
                }
                Floor::Pause { .. } if unnoticed => turn.floor = Floor::Pause { since: now },
                Floor::Pause { .. } | Floor::Speech | Floor::Closed => {}
            }
            count(self, text);
            self.wait_for_more(now);
            self.wait_for_stable_words(now);
        }
        Verdict::Taken
    }

    pub(super) fn final_deadline(&mut self, now: Instant) {
        self.last_words_took = Some(self.settings.timing.final_deadline);
        if let Phase::Listening { turn } = &mut self.phase {
            // What was guessed is better than nothing, but for what stands in place of digits.
            turn.rest.take_if(|rest| rest.text.holds_back());
        }
        if !self.is_heard_again(now) {
            self.close_turn(now);
        }
    }

    /// Who says nothing at all of a turn may have gone dead without a word: where there is another listener, that one hears again what was said, once.
    fn is_heard_again(&mut self, now: Instant) -> bool {
        let may_be_dead = self.finalizing.owes_words() && self.has_other_listeners();
        let Phase::Listening { turn } = &mut self.phase else { return false };
        let is_lost = turn.floor == Floor::Closed && turn.all_words().is_empty();
        if !may_be_dead || !is_lost || std::mem::replace(&mut turn.heard_again, true) {
            return false;
        }
        self.replace_listener(NO_FINAL, CallAction::StartNextHearing);
        if self.is_listener_lost() {
            self.do_without_listener(now);
        } else {
            self.finalize_again(now, false);
            self.timers.arm(CallReason::FinalDeadline, now + self.settings.timing.final_deadline);
        }
        true
    }

    /// Goes on with the words of a turn that waited for them.
    pub(super) fn close_turn(&mut self, now: Instant) {
        let turn = match &self.phase {
            Phase::Listening { turn } if turn.floor == Floor::Closed => turn.clone(),
            Phase::Listening { .. }
            | Phase::Keying { .. }
            | Phase::Offered
            | Phase::Dialing { .. }
            | Phase::Answering { .. }
            | Phase::Greeting { .. }
            | Phase::Thinking { .. }
            | Phase::Speaking { .. }
            | Phase::Advising { .. }
            | Phase::Handover { .. }
            | Phase::Ending { .. }
            | Phase::Ended(_) => return,
        };
        if turn.all_words().is_empty() {
            self.not_understood(now, turn.id);
        } else {
            self.ask_what_was_heard(now, turn);
        }
    }

    pub(super) fn not_understood(&mut self, now: Instant, turn: TurnId) {
        self.emit(Fact::NotUnderstood { turn });
        self.say_line(now, self.settings.prompts.not_understood.clone(), Next::Listen);
    }

    /// A caller who says nothing now is silent after a while, unless the agent knows why.
    pub(super) fn await_caller(&mut self, now: Instant) {
        self.timers.arm(CallReason::Silence, now + self.settings.timing.silence.max(self.patience));
    }

    pub(super) fn silence(&mut self, now: Instant) {
        if matches!(self.phase, Phase::Answering { step: SetUp::Quiet }) {
            return self.tell_machine(now);
        }
        self.silences += 1;
        self.patience = Duration::ZERO;
        if self.silences < SILENCES_MAX {
            self.say_line(now, self.settings.prompts.still_there.clone(), Next::Listen);
        } else {
            self.say_line(now, self.settings.prompts.farewell.clone(), Next::HangUp(EndCause::CallerSilent));
        }
    }

    pub(super) fn hearing_fell(&mut self, now: Instant, code: &'static str) -> Verdict {
        match self.phase {
            Phase::Offered | Phase::Dialing { .. } | Phase::Answering { .. } | Phase::Ended(_) => return Verdict::Refused,
            // The caller may yet have to be listened to; but nobody waits for that now.
            Phase::Advising { .. } | Phase::Handover { step: HandoverStep::Asked, .. } if !self.given_up => {
                self.note_hearing_fall(now, code);
                return Verdict::Taken;
            }
            Phase::Advising { .. }
            | Phase::Handover { .. }
            | Phase::Ending { .. }
            | Phase::Speaking { next: Next::Quit(_), .. } => return Verdict::Taken,
            Phase::Greeting { .. }
            | Phase::Listening { .. }
            | Phase::Keying { .. }
            | Phase::Thinking { .. }
            | Phase::Speaking { .. } => {}
        }
        let confirming = self.is_confirming(now);
        self.note_hearing_fall(now, code);
        if self.is_listener_lost() {
            self.do_without_listener(now);
        } else if confirming || matches!(&self.phase, Phase::Listening { turn } if turn.floor == Floor::Closed) {
            // The new one hears again what was said and is not final; where that is waited for, the deadline stays.
            self.finalize_again(now, confirming);
        }
        Verdict::Taken
    }

    /// Starts a listener again, or the next one, unless all have fallen too often.
    fn note_hearing_fall(&mut self, now: Instant, code: &'static str) {
        let has_others = self.has_other_listeners();
        let falls = &mut self.hearing_falls;
        falls.of_one += 1;
        let since = *falls.since.get_or_insert(now);
        let makes_way = has_others && (falls.of_one >= HEARING_RESTARTS_MAX || now - since >= HEARING_PATIENCE);
        self.replace_listener(code, if makes_way { CallAction::StartNextHearing } else { CallAction::StartHearing });
    }

    fn replace_listener(&mut self, code: &'static str, start: CallAction) {
        self.fell(Role::Hearing, code);
        self.nothing_is_owed();
        self.hearing_falls.all += 1;
        if matches!(start, CallAction::StartNextHearing) {
            (self.hearing_falls.of_one, self.hearing_falls.since) = (0, None);
        }
        if !self.is_listener_lost() {
            self.push(start);
        }
    }

    fn has_other_listeners(&self) -> bool {
        self.settings.hearing.rungs().len() > 1
    }

    pub(super) fn is_listener_lost(&self) -> bool {
        let listeners = u32::try_from(self.settings.hearing.rungs().len()).unwrap_or(u32::MAX);
        self.hearing_falls.all > HEARING_RESTARTS_MAX.saturating_mul(listeners)
    }

    /// Nobody can listen any more: by the keypad, or to a person.
    pub(super) fn do_without_listener(&mut self, now: Instant) {
        if self.go_on_by_keypad(now) == Verdict::Refused {
            self.give_up(now);
        }
    }
}
