//! Being recorded: what the caller is told or asked before the greeting, and what the caller says to it then and later.

use super::phase::{Floor, Utterance};
use super::{Call, CallAction, CallReason, Next, Phase};
use crate::event::Fact;
use crate::keypad::Keypad;
use crate::mask::MaskedText;
use crate::recording::{AnsweredWith, Consent, RecordingFact, RecordingPolicy};
use std::time::Instant;

impl Call {
    /// Begins to talk to a caller who can be heard.
    pub(super) fn open(&mut self, now: Instant) {
        let prompts = &self.settings.prompts;
        match self.settings.recording.policy {
            RecordingPolicy::Consent if self.consent == Consent::Unasked => {
                let question = prompts.recording_question.clone();
                self.insist(now, question, Next::Keypad(Keypad::Consent));
            }
            RecordingPolicy::On if self.settings.recording.announced && self.consent == Consent::Given => {
                let notice = prompts.recording_notice.clone();
                self.insist(now, notice, Next::Greet);
            }
            RecordingPolicy::Off | RecordingPolicy::On | RecordingPolicy::Consent => self.greet(now),
        }
    }

    /// Says what is to be heard whole, whatever the caller says or keys.
    fn insist(&mut self, now: Instant, line: String, next: Next) {
        if line.trim().is_empty() {
            // Nobody agrees to what was not asked.
            return self.greet(now);
        }
        self.begin_utterance(now, |utterance| Phase::Speaking {
            utterance: Utterance { insists: true, ..utterance },
            reply: None,
            next,
        });
        self.speak_clauses(&[line]);
        self.complete_utterance(now);
    }

    /// Whether the caller's answer is waited for.
    pub(super) fn awaits_consent(&self) -> bool {
        matches!(self.phase, Phase::Keying { keypad: Keypad::Consent })
    }

    /// The caller speaks, or has stopped to: there is time for an answer, and for the listener to say which it was.
    pub(super) fn await_consent(&mut self, now: Instant) {
        let wait = if self.caller_speaks { self.settings.recording.wait } else { self.settings.timing.final_deadline };
        self.timers.arm(CallReason::KeyDeadline, now + wait);
    }

    /// Words that will not change where an answer is waited for; what is no answer is let go.
    pub(super) fn words_of_consent(&mut self, now: Instant, text: &MaskedText) {
        if let Some(given) = self.settings.recording.answer(text.as_str(), &self.settings.language) {
            self.consent_is(now, given, AnsweredWith::Phrase);
        }
    }

    pub(super) fn key_of_consent(&mut self, now: Instant, key: char) {
        let given = key == self.settings.recording.agree_key;
        self.consent_is(now, given, AnsweredWith::Key);
    }

    pub(super) fn consent_is(&mut self, now: Instant, given: bool, by: AnsweredWith) {
        self.consent = if given { Consent::Given } else { Consent::Withheld };
        self.emit(Fact::Recording(RecordingFact::Consent { given, by }));
        if given {
            self.push(CallAction::Record);
        }
        if self.caller_speaks {
            // The rest of the answer is no part of the conversation.
            self.drop_words_so_far(now);
        }
        self.greet(now);
    }

    /// Whether this key objects to the recording, and means nothing else where it is pressed.
    pub(super) fn is_objection(&self, key: char) -> bool {
        let means_something_else = match &self.phase {
            Phase::Keying { keypad } | Phase::Speaking { next: Next::Keypad(keypad), .. } => match keypad {
                Keypad::Menu { .. } => self.settings.menu.as_ref().is_some_and(|menu| menu.action(key).is_some()),
                Keypad::Digits { .. } | Keypad::Card(_) | Keypad::Consent => true,
            },
            Phase::Greeting { .. } | Phase::Speaking { next: Next::Menu, .. } => {
                self.settings.menu.as_ref().is_some_and(|menu| menu.action(key).is_some())
            }
            Phase::Offered | Phase::Dialing { .. } | Phase::Answering { .. } | Phase::Ending { .. } | Phase::Ended(_) => true,
            Phase::Listening { .. }
            | Phase::Thinking { .. }
            | Phase::Speaking { .. }
            | Phase::Advising { .. }
            | Phase::Handover { .. } => false,
        };
        key == self.settings.recording.opt_out_key && self.is_recorded() && !means_something_else
    }

    /// The caller may object by words at any time.
    pub(super) fn hear_objection(&mut self, text: &MaskedText) {
        if self.is_recorded() && self.settings.recording.objects(text.as_str(), &self.settings.language) {
            self.opt_out(AnsweredWith::Phrase);
        }
    }

    pub(super) fn key_objects(&mut self, now: Instant) {
        self.opt_out(AnsweredWith::Key);
        let is_quiet = matches!(&self.phase, Phase::Listening { turn } if turn.floor == Floor::Quiet);
        if is_quiet && let Some(line) = self.ordered.pop_front() {
            self.say_line(now, line, Next::Listen);
        }
    }

    /// Nothing is kept from here on, of what there is either. The caller is told when nobody speaks.
    fn opt_out(&mut self, by: AnsweredWith) {
        self.consent = Consent::Withdrawn;
        self.emit(Fact::Recording(RecordingFact::OptedOut { by }));
        self.push(CallAction::ForgetRecording);
        let line = self.settings.prompts.recording_deleted.clone();
        if !line.trim().is_empty() {
            self.ordered.push_front(line);
        }
    }

    fn is_recorded(&self) -> bool {
        self.settings.recording.policy != RecordingPolicy::Off && self.consent == Consent::Given
    }

    /// What the caller has said to being recorded.
    pub fn consent(&self) -> Consent {
        self.consent
    }

    /// Digits are keyed in that may be a secret.
    pub fn collects_digits(&self) -> bool {
        match &self.phase {
            phase if phase.awaits_card() => true,
            Phase::Keying { keypad } => matches!(keypad, Keypad::Digits { .. }),
            // Who knows what is asked keys it in before it was asked to its end.
            Phase::Speaking { next: Next::Keypad(keypad), .. } => {
                matches!(keypad, Keypad::Digits { .. }) && !self.keyed_ahead.is_empty()
            }
            Phase::Offered
            | Phase::Dialing { .. }
            | Phase::Answering { .. }
            | Phase::Greeting { .. }
            | Phase::Listening { .. }
            | Phase::Thinking { .. }
            | Phase::Speaking { .. }
            | Phase::Advising { .. }
            | Phase::Handover { .. }
            | Phase::Ending { .. }
            | Phase::Ended(_) => false,
        }
    }
}
