//! Keys: the tenant's menu, digits for the agent, and a key that stops what is being said.

use super::phase::{Floor, Turn};
use super::{Call, CallAction, CallReason, Next, Phase, Verdict};
use crate::ids::TurnId;
use crate::keypad::{Collect, Keyed, Keypad, MenuAction, MenuStart, Pressed};
use crate::mask::{Heard, Mask, MaskedText};
use crate::outcome::EndCause;
use crate::recording::AnsweredWith;
use crate::transfer::{HandoverReason, Transfer, TransferMode};
use std::time::Instant;
use zeroize::Zeroizing;

/// What the world is told in place of digits that were keyed in.
const KEYED: &str = "[digits]";
/// Keys that are kept for when they are asked for: a card number and what ends it.
pub(super) const KEYED_AHEAD_MAX: usize = 20;

impl Call {
    pub(super) fn digit(&mut self, now: Instant, key: char) -> Verdict {
        if self.is_objection(key) {
            self.key_objects(now);
            return Verdict::Taken;
        }
        match &mut self.phase {
            Phase::Offered | Phase::Dialing { .. } | Phase::Ended(_) => return Verdict::Refused,
            // A caller may press one while it rings.
            Phase::Answering { .. } => {}
            Phase::Listening { turn } => {
                // It means nothing here, but who presses one is there.
                self.silences = 0;
                if turn.floor == Floor::Quiet {
                    self.await_caller(now);
                }
            }
            Phase::Keying { .. } => self.key(now, key),
            Phase::Greeting { utterance } | Phase::Speaking { utterance, .. } if utterance.insists => self.key_ahead(key),
            Phase::Greeting { .. } => {
                let menu = self.menu_after_greeting();
                self.key_over_speech(now, key, menu);
            }
            Phase::Speaking { next, .. } => match next {
                // Who ends what had its end already waits for the next question.
                Next::Keypad(Keypad::Card(_)) if key == '#' => {}
                Next::Keypad(keypad) => {
                    let keypad = keypad.clone();
                    self.key_over_speech(now, key, Some(keypad));
                }
                Next::Menu => {
                    self.cut_short();
                    self.open_menu(now);
                }
                Next::Listen | Next::HangUp(_) => self.key_over_speech(now, key, None),
                Next::Greet | Next::Quit(_) | Next::Human(_) | Next::Transfer(_) => {}
            },
            Phase::Handover { .. } => self.key_while_waiting(now, key),
            Phase::Thinking { .. } | Phase::Advising { .. } | Phase::Ending { .. } => {}
        }
        Verdict::Taken
    }

    /// Digits that are keyed in now, or may be over their question, are asked for again when they end: some may be missing among them. Not before, or the
    /// rest of a number would be taken for the beginning of it.
    pub(super) fn miss_keys(&mut self) -> Verdict {
        if matches!(self.phase, Phase::Offered | Phase::Ended(_)) {
            return Verdict::Refused;
        }
        let keeps_ahead = matches!(&self.phase, Phase::Speaking { utterance, .. } if utterance.insists);
        self.lacks_keys |= keeps_ahead || self.phase.collects();
        Verdict::Taken
    }

    /// A key stops what is being said, and is the first one where keys are waited for afterwards.
    fn key_over_speech(&mut self, now: Instant, key: char, keypad: Option<Keypad>) {
        self.silences = 0;
        self.cut_short();
        match keypad {
            Some(keypad) => {
                self.begin_keying(now, keypad);
                self.key(now, key);
            }
            None => self.listen(now),
        }
    }

    /// Keys over what is to be heard whole count where keys are waited for afterwards.
    fn key_ahead(&mut self, key: char) {
        self.silences = 0;
        if self.keyed_ahead.len() < KEYED_AHEAD_MAX {
            self.keyed_ahead.push(key);
        }
    }

    pub(super) fn begin_keying(&mut self, now: Instant, keypad: Keypad) {
        if let Keypad::Card(ask) = keypad
            && !self.opens_card(now, ask)
        {
            return;
        }
        let wait = match (&keypad, &self.settings.menu) {
            (Keypad::Menu { .. }, Some(menu)) => menu.wait,
            (Keypad::Menu { .. }, None) => return self.listen(now),
            (Keypad::Digits { collect, .. }, _) => collect.first(),
            (Keypad::Card(ask), _) => ask.first(),
            (Keypad::Consent, _) => self.settings.recording.wait,
        };
        self.enter(Phase::Keying { keypad });
        self.timers.arm(CallReason::KeyDeadline, now + wait);
        let ahead = std::mem::replace(&mut self.keyed_ahead, Zeroizing::new(String::with_capacity(KEYED_AHEAD_MAX)));
        for key in ahead.chars() {
            match self.phase {
                // A card's next field is asked for, and known already.
                Phase::Speaking { next: Next::Keypad(Keypad::Card(_)), .. } => _ = self.digit(now, key),
                _ => self.key(now, key),
            }
        }
    }

    /// Offers the tenant's menu; where there is none the caller is listened to.
    pub(super) fn open_menu(&mut self, now: Instant) {
        match &self.settings.menu {
            Some(menu) => {
                let again = menu.tries.saturating_sub(1);
                self.say_menu(now, again);
            }
            None => self.listen(now),
        }
    }

    fn say_menu(&mut self, now: Instant, again: u32) {
        let prompt = self.settings.menu.as_ref().map(|menu| menu.prompt.clone()).unwrap_or_default();
        self.say_line(now, prompt, Next::Keypad(Keypad::Menu { again }));
    }

    /// The menu that follows the greeting, if one does.
    pub(super) fn menu_after_greeting(&self) -> Option<Keypad> {
        let menu = self.settings.menu.as_ref().filter(|menu| menu.starts_with(MenuStart::Call))?;
        Some(Keypad::Menu { again: menu.tries.saturating_sub(1) })
    }

    /// Nobody can listen any more: the keypad takes over where the tenant has a menu for that.
    pub(super) fn go_on_by_keypad(&mut self, now: Instant) -> Verdict {
        if !self.settings.menu.as_ref().is_some_and(|menu| menu.starts_with(MenuStart::HearingLost)) {
            return Verdict::Refused;
        }
        self.deaf = true;
        self.clear_floor();
        self.open_menu(now);
        Verdict::Taken
    }

    fn key(&mut self, now: Instant, key: char) {
        let Phase::Keying { keypad } = &mut self.phase else { return };
        match keypad {
            Keypad::Menu { again } => {
                let again = *again;
                match self.settings.menu.as_ref().and_then(|menu| menu.action(key)).cloned() {
                    Some(action) => self.choose(now, action),
                    None => self.offer_again(now, again),
                }
            }
            Keypad::Consent => self.key_of_consent(now, key),
            Keypad::Card(ask) => {
                let ask = *ask;
                self.key_of_card(now, ask, key);
            }
            Keypad::Digits { collect, keyed } => {
                let (collect, taken) = (*collect, collect.take(keyed, key));
                match taken {
                    Keyed::All(_) if self.lacks_keys => self.collect_again(now, collect),
                    // Their end, and nothing before it has come.
                    Keyed::More(_) if self.lacks_keys && collect.parts().1 == Some(key) => self.collect_again(now, collect),
                    Keyed::More(wait) => {
                        self.timers.arm(CallReason::KeyDeadline, now + wait);
                        self.keys_are_taken(collect);
                    }
                    Keyed::All(digits) => self.ask_keyed(now, digits),
                }
            }
        }
    }

    fn choose(&mut self, now: Instant, action: MenuAction) {
        (self.silences, self.withheld) = (0, 0);
        match action {
            MenuAction::Say(line) => self.say_line(now, line, Next::Listen),
            MenuAction::Ask(words) => {
                // The tenant's own words, in which there is nothing of the caller's.
                let words = Mask::new().mask_final(Heard::new(words));
                self.ask_for(now, words, None);
            }
            MenuAction::Human => self.seek_advice(now, HandoverReason::Caller, None),
            MenuAction::Transfer(target) => {
                let wish = Transfer { target, mode: TransferMode::Blind, summary: None };
                self.seek_advice(now, HandoverReason::Caller, Some(wish));
            }
            MenuAction::HangUp => {
                self.say_line(now, self.settings.prompts.farewell.clone(), Next::Quit(EndCause::AgentHungUp));
            }
        }
    }

    /// No key came in time, or one that is not in the menu.
    fn offer_again(&mut self, now: Instant, again: u32) {
        match again.checked_sub(1) {
            Some(again) => self.say_menu(now, again),
            None if self.deaf => self.give_up(now),
            None => self.listen(now),
        }
    }

    pub(super) fn key_deadline(&mut self, now: Instant) {
        let Phase::Keying { keypad } = &self.phase else { return };
        match keypad {
            Keypad::Menu { again } => {
                let again = *again;
                self.offer_again(now, again);
            }
            Keypad::Consent => self.consent_is(now, false, AnsweredWith::Nothing),
            Keypad::Card(ask) => {
                let ask = *ask;
                self.card_deadline(now, ask);
            }
            Keypad::Digits { collect, .. } if self.lacks_keys => {
                let collect = *collect;
                self.collect_again(now, collect);
            }
            Keypad::Digits { keyed, .. } if keyed.is_empty() => {
                self.say_line(now, self.settings.prompts.not_understood.clone(), Next::Listen);
            }
            Keypad::Digits { keyed, .. } => {
                let keyed = keyed.clone();
                self.ask_keyed(now, keyed);
            }
        }
    }

    /// What has come of them may not be all, and goes nowhere.
    fn collect_again(&mut self, now: Instant, collect: Collect) {
        self.lacks_keys = false;
        self.say_line(now, self.settings.prompts.not_understood.clone(), Next::Keypad(collect.begin()));
    }

    fn ask_keyed(&mut self, now: Instant, digits: Pressed) {
        self.silences = 0;
        self.withheld = 0;
        let words = self.mask_keys(digits.into_heard());
        let told = self.mask.mask_agent(KEYED);
        self.ask_for(now, words, Some(told));
    }

    /// Asks the agent in a turn in which nothing was said; the world is told `told` in place of the words.
    fn ask_for(&mut self, now: Instant, words: MaskedText, told: Option<MaskedText>) {
        self.last_turn = TurnId(self.last_turn.0 + 1);
        let turn = Turn { words, instead: told, ..Turn::new(self.last_turn, Floor::Closed) };
        self.push(CallAction::PrepareSpeaking);
        self.ask(now, turn);
    }
}
