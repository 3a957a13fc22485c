//! The gateway's part: what is said, how far it came, and what follows.

use super::listening::TURN_MAX;
use super::phase::{Floor, Reply, Utterance, Voice};
use super::{Call, CallAction, CallReason, Next, Overlap, Phase, Verdict};
use crate::event::{Fact, Role};
use crate::ids::UtteranceId;
use crate::speech::Extent;
use crate::transfer::TransferMode;
use crate::turn::{Moment, TurnRecord};
use std::time::{Duration, Instant};

/// An utterance whose end is not reported so long after its last clause was given is over.
const UTTERANCE_MAX: Duration = Duration::from_secs(90);
/// The same for the built-in recording, which is short.
const EMERGENCY_MAX: Duration = Duration::from_secs(20);
/// Lines that wait at most.
const ORDERED_MAX: usize = 8;
/// Utterances of which it is not known yet how much was heard; of an older one the Mouth says nothing any more.
const INTERRUPTED_MAX: usize = 4;
/// The speaker that falls so often in a row is of no use.
const SPEAKING_FALLS_MAX: u32 = 2;

impl Call {
    pub(super) fn greet(&mut self, now: Instant) {
        let greeting = self.settings.greeting.clone();
        if greeting.trim().is_empty() {
            return self.listen(now);
        }
        let insists = !self.settings.greeting_interruptible;
        self.begin_utterance(now, |utterance| Phase::Greeting { utterance: Utterance { insists, ..utterance } });
        self.speak_clauses(&[greeting]);
        self.complete_utterance(now);
    }

    /// Says one of the gateway's own lines; where the tenant has none, what follows it comes at once.
    pub(super) fn say_line(&mut self, now: Instant, line: String, next: Next) {
        if line.trim().is_empty() {
            // Whoever waited for it waits no more.
            self.hush_filler();
            return self.follow(now, next);
        }
        self.begin_utterance(now, |utterance| Phase::Speaking { utterance, reply: None, next });
        self.speak_clauses(&[line]);
        self.complete_utterance(now);
    }

    /// Says what was ordered: at once where nobody speaks, else when the caller's turn would begin.
    pub(super) fn say_ordered(&mut self, now: Instant, line: String) -> Verdict {
        if !self.takes_lines() {
            return Verdict::Refused;
        }
        match &self.phase {
            Phase::Listening { turn } if turn.floor == Floor::Quiet => self.say_line(now, line, Next::Listen),
            _ => self.ordered.push_back(line),
        }
        Verdict::Taken
    }

    /// Whether a line that is ordered now will be said.
    pub fn takes_lines(&self) -> bool {
        self.can_be_handed_over() && self.ordered.len() < ORDERED_MAX
    }

    /// Whether the caller is there, in conversation or listening to something.
    pub fn is_conversing(&self) -> bool {
        match self.phase {
            Phase::Greeting { .. }
            | Phase::Listening { .. }
            | Phase::Keying { .. }
            | Phase::Thinking { .. }
            | Phase::Speaking { .. } => true,
            Phase::Offered
            | Phase::Dialing { .. }
            | Phase::Answering { .. }
            | Phase::Advising { .. }
            | Phase::Handover { .. }
            | Phase::Ending { .. }
            | Phase::Ended(_) => false,
        }
    }

    /// Says the built-in recording as the last thing before `next`.
    pub(super) fn say_emergency(&mut self, now: Instant, next: Next) {
        self.begin_utterance(now, |utterance| Phase::Speaking { utterance, reply: None, next });
        self.fall_back_to_emergency(now);
    }

    pub(super) fn begin_utterance(&mut self, now: Instant, phase: impl FnOnce(Utterance) -> Phase) {
        self.hush_tone();
        self.last_utterance = UtteranceId(self.last_utterance.0 + 1);
        self.enter(phase(Utterance::new(self.last_utterance)));
        self.asks = false;
        self.timers.arm(CallReason::SpeechDeadline, now + self.settings.timing.speech_deadline);
        self.await_barge_in(now);
    }

    /// Who speaks already when something begins to be said is let finish, too; what lasts longer than any turn is noise.
    fn await_barge_in(&mut self, now: Instant) {
        if self.caller_speaks && self.speech_since.is_some_and(|since| now < since + TURN_MAX) {
            self.pause_for_voice(now);
        }
    }

    /// Gives clauses of the current utterance to be spoken.
    pub(super) fn speak_clauses(&mut self, clauses: &[String]) {
        let Some(utterance) = self.phase.utterance_mut().map(|utterance| utterance.id) else { return };
        self.asks = clauses.last().map_or(self.asks, |last| last.trim_end().ends_with('?'));
        for clause in clauses {
            let text = self.mask.mask_agent(clause);
            if let Some(utterance) = self.phase.utterance_mut() {
                utterance.text = utterance.text.followed_by(&text);
            }
            if let Some(reply) = self.phase.reply_mut() {
                reply.said = reply.said.followed_by(&text);
            }
            self.push(CallAction::Say { utterance, text: text.clone() });
            self.emit(Fact::Saying { utterance, text });
        }
    }

    pub(super) fn complete_utterance(&mut self, now: Instant) {
        if let Some(utterance) = self.phase.utterance_mut() {
            utterance.complete = true;
            let utterance = utterance.id;
            self.push(CallAction::EndUtterance { utterance });
            self.timers.cancel(CallReason::AgentDeadline);
            self.timers.arm(CallReason::EndDeadline, now + UTTERANCE_MAX);
        }
    }

    pub(super) fn speech_audio(&mut self, now: Instant, id: UtteranceId) -> Verdict {
        if !self.is_current(id) {
            return self.late();
        }
        self.timers.cancel(CallReason::SpeechDeadline);
        if let Some(reply) = self.phase.reply_mut() {
            reply.turn.timeline.note_first(Moment::FirstAudio, now);
        }
        Verdict::Taken
    }

    /// A speaker that goes silent in the middle has the time of one that does not begin, even while the agent still writes.
    pub(super) fn speech_owed(&mut self, now: Instant, id: UtteranceId) -> Verdict {
        let Some(utterance) = self.phase.utterance_mut().filter(|utterance| utterance.id == id) else { return self.late() };
        if utterance.voice == Voice::Speaker && !self.timers.is_set(CallReason::SpeechDeadline) {
            self.timers.arm(CallReason::SpeechDeadline, now + self.settings.timing.speech_deadline);
        }
        Verdict::Taken
    }

    pub(super) fn audible(&mut self, id: UtteranceId, at: Instant) -> Verdict {
        if !self.is_current(id) {
            return self.late();
        }
        if let Some(utterance) = self.phase.utterance_mut() {
            utterance.audible_since = utterance.audible_since.or(Some(at));
        }
        if let Some(reply) = self.phase.reply_mut() {
            reply.turn.timeline.note_first(Moment::Audible, at);
        }
        Verdict::Taken
    }

    pub(super) fn utterance_ended(&mut self, now: Instant, id: UtteranceId) -> Verdict {
        match self.phase.utterance_mut() {
            Some(utterance) if utterance.id == id && utterance.complete => {
                if utterance.voice == Voice::Speaker {
                    self.speaking_falls = 0;
                }
                self.utterance_over(now);
                Verdict::Taken
            }
            Some(utterance) if utterance.id == id => Verdict::Refused,
            Some(_) | None => self.late(),
        }
    }

    pub(super) fn utterance_over(&mut self, now: Instant) {
        match &mut self.phase {
            Phase::Greeting { .. } => match self.menu_after_greeting() {
                Some(_) => self.open_menu(now),
                None => self.listen(now),
            },
            Phase::Speaking { reply, next, .. } => {
                let next = std::mem::replace(next, Next::Listen);
                if let Some(reply) = reply.take() {
                    self.record(&reply, false);
                }
                self.follow(now, next);
            }
            // The person has been told.
            Phase::Handover { .. } => self.join(now),
            Phase::Thinking { .. } => self.filler_over(now),
            Phase::Offered
            | Phase::Dialing { .. }
            | Phase::Answering { .. }
            | Phase::Listening { .. }
            | Phase::Keying { .. }
            | Phase::Advising { .. }
            | Phase::Ending { .. }
            | Phase::Ended(_) => {}
        }
    }

    /// Does what was to follow an utterance.
    pub(super) fn follow(&mut self, now: Instant, next: Next) {
        match next {
            Next::Listen => self.listen(now),
            Next::HangUp(cause) | Next::Quit(cause) => self.hang_up(now, cause),
            Next::Greet => self.greet(now),
            Next::Menu => self.open_menu(now),
            Next::Keypad(keypad) => self.begin_keying(now, keypad),
            Next::Human(reason) => self.hand_over(now, reason, TransferMode::Blind, None),
            Next::Transfer(wish) => self.transfer(now, &wish),
        }
    }

    pub(super) fn speaking_fell(&mut self, now: Instant, id: UtteranceId, code: &'static str) -> Verdict {
        let voice = self.phase.utterance_mut().filter(|utterance| utterance.id == id).map(|utterance| utterance.voice);
        match voice {
            None => return self.late(),
            // The speaker fell just when it was given up: the recording needs none.
            Some(Voice::Emergency | Voice::Tone) => {}
            Some(Voice::Speaker) if self.leaves_another_voice(now) => {
                self.fell(Role::Speaking, code);
                self.push(CallAction::GoOnWithAnotherVoice);
                self.timers.arm(CallReason::SpeechDeadline, now + self.settings.timing.speech_deadline);
            }
            // The person is then told nothing; the caller does not wait for it.
            Some(Voice::Speaker) if matches!(self.phase, Phase::Handover { .. }) => {
                self.fell(Role::Speaking, code);
                // What is left of it must not be said to the caller, nor hold up what is.
                self.push(CallAction::Hush { utterance: id });
                self.join(now);
            }
            // What counts is still to come.
            Some(Voice::Speaker) if matches!(self.phase, Phase::Thinking { .. }) => {
                self.fell(Role::Speaking, code);
                self.hush_filler();
                self.await_answer(now, now);
            }
            Some(Voice::Speaker) => {
                self.fell(Role::Speaking, code);
                self.speaking_falls += 1;
                let quits = matches!(self.phase, Phase::Speaking { next: Next::Quit(_), .. });
                if self.speaking_falls >= SPEAKING_FALLS_MAX && !quits {
                    self.give_up(now);
                } else {
                    self.fall_back_to_emergency(now);
                }
            }
        }
        Verdict::Taken
    }

    /// Counts a fall over what is being said: is there a speaker that has not fallen over it?
    fn leaves_another_voice(&mut self, now: Instant) -> bool {
        let speakers = self.settings.speaking.rungs().len();
        self.phase.utterance_mut().is_some_and(|utterance| {
            utterance.falls += 1;
            utterance.fell_at.get_or_insert(now);
            utterance.falls < speakers
        })
    }

    pub(super) fn speech_deadline(&mut self, now: Instant) {
        if let Some(utterance) = self.phase.utterance_mut().map(|utterance| utterance.id) {
            let _ = self.speaking_fell(now, utterance, "deadline");
        }
    }

    /// Lets the built-in recording stand for what is left of the current utterance.
    fn fall_back_to_emergency(&mut self, now: Instant) {
        let Some(utterance) = self.phase.utterance_mut() else { return };
        (utterance.voice, utterance.complete) = (Voice::Emergency, true);
        let utterance = utterance.id;
        self.cancel_answer();
        self.push(CallAction::PlayEmergency { utterance });
        // A caller who speaks over it meanwhile does not have to begin anew.
        self.timers.cancel(CallReason::SpeechDeadline);
        self.timers.cancel(CallReason::AgentDeadline);
        self.timers.arm(CallReason::EndDeadline, now + EMERGENCY_MAX);
    }

    /// An answer that is still on its way is no longer wanted.
    fn cancel_answer(&mut self) {
        if let Some(reply) = self.phase.reply_mut().filter(|reply| reply.streaming) {
            reply.streaming = false;
            let turn = reply.turn.id;
            self.push(CallAction::CancelAsk { turn });
        }
    }

    /// Stops thinking and speaking; the answer so far is on record.
    pub(super) fn clear_floor(&mut self) {
        if let Some(reply) = self.hush() {
            self.record(&reply, false);
        }
    }

    /// The caller has taken the floor.
    pub(super) fn interrupt(&mut self, now: Instant) {
        self.push(CallAction::OverlapJudged(Overlap::Interruption));
        if self.take_back_answer(now) == Verdict::Refused {
            self.cut_short();
            self.listen(now);
        }
    }

    /// The caller does not want to hear the rest.
    pub(super) fn cut_short(&mut self) {
        if self.interrupted.len() == INTERRUPTED_MAX {
            self.interrupted.pop_front();
        }
        self.interrupted.extend(self.phase.utterance_mut().map(|utterance| utterance.id));
        if let Some(reply) = self.hush() {
            self.record(&reply, true);
        }
    }

    /// Whether the caller may speak over what is being said; who cannot be understood does not.
    pub(super) fn is_interruptible(&self) -> bool {
        match &self.phase {
            _ if self.deaf => false,
            Phase::Greeting { utterance } => !utterance.insists,
            Phase::Speaking { utterance, next, .. } => !utterance.insists && next.is_interruptible(),
            Phase::Offered
            | Phase::Dialing { .. }
            | Phase::Answering { .. }
            | Phase::Listening { .. }
            | Phase::Keying { .. }
            | Phase::Thinking { .. }
            | Phase::Advising { .. }
            | Phase::Handover { .. }
            | Phase::Ending { .. }
            | Phase::Ended(_) => false,
        }
    }

    pub(super) fn hush(&mut self) -> Option<Reply> {
        self.cancel_answer();
        match &mut self.phase {
            Phase::Thinking { turn, .. } => {
                let turn = turn.id;
                self.hush_filler();
                self.push(CallAction::CancelAsk { turn });
                None
            }
            Phase::Greeting { .. } => {
                self.hush_utterance();
                None
            }
            Phase::Speaking { reply, .. } => {
                let reply = reply.take();
                self.hush_utterance();
                reply
            }
            Phase::Offered
            | Phase::Dialing { .. }
            | Phase::Answering { .. }
            | Phase::Listening { .. }
            | Phase::Keying { .. }
            | Phase::Advising { .. }
            | Phase::Handover { .. }
            | Phase::Ending { .. }
            | Phase::Ended(_) => None,
        }
    }

    pub(super) fn hushed(&mut self, id: UtteranceId, spoken_ms: u64) -> Verdict {
        let Some(index) = self.interrupted.iter().position(|interrupted| *interrupted >= id) else { return self.late() };
        if let Some(utterance) = self.interrupted.remove(index) {
            // Where something that stood before it was being heard, none of it was.
            let spoken_ms = if utterance == id { spoken_ms } else { 0 };
            self.emit(Fact::Interrupted { utterance, spoken_ms, extent: Extent::Interpolated });
        }
        Verdict::Taken
    }

    /// An utterance whose end is not reported.
    pub(super) fn give_up_waiting(&mut self, now: Instant) {
        if self.hush_utterance() {
            self.utterance_over(now);
        }
    }

    /// Stops what is being said. False where nothing is.
    pub(super) fn hush_utterance(&mut self) -> bool {
        let Some(utterance) = self.phase.utterance_mut() else { return false };
        // A Mouth that is hushed does not stand still.
        utterance.paused = false;
        let utterance = utterance.id;
        self.push(CallAction::Hush { utterance });
        true
    }

    fn is_current(&mut self, id: UtteranceId) -> bool {
        self.phase.utterance_mut().is_some_and(|utterance| utterance.id == id)
    }

    pub(super) fn record(&mut self, reply: &Reply, interrupted: bool) {
        self.turns += 1;
        self.emit(Fact::Turn(TurnRecord {
            turn: reply.turn.id,
            heard: reply.turn.public_words().clone(),
            said: reply.said.clone(),
            latency: reply.turn.timeline.parts(),
            spans: reply.turn.timeline.spans(),
            interrupted,
        }));
    }
}
