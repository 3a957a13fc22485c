//! A card by keys: field after field, for the vault alone. The agent learns what became of it.

use super::phase::{Floor, Turn};
use super::{Call, CallAction, CallReason, Next, Phase};
use crate::card::{CardAsk, CardField, CardKeyed};
use crate::ids::TurnId;
use crate::keypad::Keypad;
use crate::mask::{Heard, Mask};
use std::time::Instant;

/// What agent and world are told in place of a card.
const CARD: &str = "[card]";

impl Call {
    /// The same call, in which cards can be taken, or cannot.
    #[must_use]
    pub fn with_vault(mut self, has_vault: bool) -> Self {
        self.has_vault = has_vault;
        self
    }

    /// A field of a card is asked for or keyed in: whoever listens is to hear nothing of it.
    pub fn awaits_card(&self) -> bool {
        self.phase.awaits_card()
    }

    /// Asks for the field in the gateway's own words, after `before` where there is something to say first.
    pub(super) fn ask_for_card(&mut self, now: Instant, ask: CardAsk, before: Option<String>) {
        let next = Next::Keypad(Keypad::Card(ask));
        let prompts = &self.settings.prompts;
        let question = match ask.field() {
            CardField::Number => &prompts.card_number,
            CardField::Expiry => &prompts.card_expiry,
            CardField::Code => &prompts.card_code,
        };
        let lines = before.into_iter().chain([question.clone()]);
        let lines: Vec<String> = lines.filter(|line| !line.trim().is_empty()).collect();
        if !self.has_vault || lines.is_empty() {
            return self.follow(now, next);
        }
        self.begin_utterance(now, |utterance| Phase::Speaking { utterance, reply: None, next });
        self.speak_clauses(&lines);
        self.complete_utterance(now);
    }

    /// Makes room for the field. False where nobody keeps cards: the agent is told so, and the caller not asked.
    pub(super) fn opens_card(&mut self, now: Instant, ask: CardAsk) -> bool {
        if self.has_vault {
            self.card.get_or_insert_default().clear(ask.field());
            self.begin_masking();
        } else if self.misses_vault {
            // An agent that asks again and again does so without end.
            self.listen(now);
        } else {
            self.card_is(now, CardKeyed::NoVault);
        }
        self.has_vault
    }

    pub(super) fn key_of_card(&mut self, now: Instant, ask: CardAsk, key: char) {
        let field = ask.field();
        let Some(card) = &mut self.card else { return };
        let is_empty = card.len(field) == 0;
        let wait = match key {
            '*' if is_empty && !self.lacks_keys => return self.card_is(now, CardKeyed::Cancelled),
            '*' => {
                // Whatever may be missing of it.
                self.lacks_keys = false;
                card.clear(field);
                ask.first()
            }
            '#' if is_empty && !self.lacks_keys => ask.first(),
            '#' => return self.field_is_keyed(now, ask),
            key if card.push(field, key) => ask.between(),
            _ => return,
        };
        if card.is_full(field) {
            return self.field_is_keyed(now, ask);
        }
        self.timers.arm(CallReason::KeyDeadline, now + wait);
    }

    /// The field that is asked for may be said, and its question was heard: whoever listens for the call is to hear it. Not before, or a vendor would
    /// hear what is keyed in of the field before.
    pub fn hears_card(&self) -> bool {
        self.settings.pci.spoken_cards && !self.mask.is_strict() && !self.deaf && self.asks_card().is_some()
    }

    fn asks_card(&self) -> Option<CardAsk> {
        match &self.phase {
            Phase::Keying { keypad: Keypad::Card(ask) } => Some(*ask),
            _ => None,
        }
    }

    /// Final words of a caller who may say the field that is asked for: their digits go where keys go, and the words nowhere. False where none may be
    /// said, and the words are what they are.
    pub fn say_card(&mut self, now: Instant, words: &Heard) -> bool {
        let (true, Some(ask)) = (self.hears_card(), self.asks_card()) else { return false };
        let (field, digits) = (ask.field(), self.mask.digits_in(words));
        let Some(card) = &mut self.card else { return false };
        // More than a field has is no field of a card.
        let fits = digits.iter().all(|digit| card.push(field, char::from(b'0' + digit)));
        if !fits {
            card.clear(field);
        }
        if !fits || card.seems_whole(field) {
            self.field_is_keyed(now, ask);
        } else if !digits.is_empty() {
            self.timers.arm(CallReason::KeyDeadline, now + ask.between());
        }
        true
    }

    /// The caller speaks while keys are waited for. A number takes as long to be said as it takes.
    pub(super) fn begins_to_say_card(&mut self, now: Instant) {
        if let (true, Some(ask)) = (self.hears_card(), self.asks_card()) {
            self.timers.arm(CallReason::KeyDeadline, now + ask.first());
        }
    }

    /// The caller has spoken while a card was waited for.
    pub(super) fn card_is_said(&mut self, now: Instant) {
        if let (true, Some(ask)) = (self.hears_card(), self.asks_card()) {
            self.timers.arm(CallReason::KeyDeadline, now + ask.between() + self.settings.timing.final_deadline);
            self.ask_for_last_words(now);
        } else {
            self.drop_words_beside(now);
        }
    }

    pub(super) fn card_deadline(&mut self, now: Instant, ask: CardAsk) {
        match &self.card {
            Some(card) if card.len(ask.field()) > 0 || self.lacks_keys => self.field_is_keyed(now, ask),
            Some(_) | None => self.card_is(now, CardKeyed::Silent),
        }
    }

    fn field_is_keyed(&mut self, now: Instant, ask: CardAsk) {
        if std::mem::take(&mut self.lacks_keys) {
            // However right it looks: one number of ten does. The caller's tries stay as many.
            let not_understood = self.settings.prompts.not_understood.clone();
            return self.ask_for_card(now, ask, Some(not_understood));
        }
        let is_sound = self.card.as_ref().is_some_and(|card| card.is_sound(ask.field()));
        match (is_sound, ask.next(), ask.again()) {
            (true, Some(next), _) => self.ask_for_card(now, next, None),
            (true, None, _) => {
                let keyed = self.card.take().map_or(CardKeyed::Silent, CardKeyed::Given);
                self.card_is(now, keyed);
            }
            (false, _, Some(again)) => {
                let invalid = self.settings.prompts.card_invalid.clone();
                self.ask_for_card(now, again, Some(invalid));
            }
            (false, _, None) => self.card_is(now, CardKeyed::Invalid),
        }
    }

    /// Asks the agent, who is told what became of the card.
    fn card_is(&mut self, now: Instant, card: CardKeyed) {
        (self.silences, self.withheld) = (0, 0);
        self.last_turn = TurnId(self.last_turn.0 + 1);
        // The gateway's own words, in which there is nothing of the caller's.
        let words = Mask::new().mask_agent(CARD);
        let turn = Turn { words: words.clone(), instead: Some(words), is_card: true, ..Turn::new(self.last_turn, Floor::Closed) };
        self.push(CallAction::PrepareSpeaking);
        self.ask_with(now, turn, Some(card));
    }
}
