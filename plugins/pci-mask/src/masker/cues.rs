//! Words that say what number comes.

use super::{REACH_CARD, Search, Shown};
use crate::{
    lexicon::{Meaning, Topic},
    reader::{Kind, Token},
};
use vg_plugin_sdk::mask::SpanKind;

impl Search<'_> {
    pub(super) fn word(&mut self, word: Meaning, at: usize) {
        match word {
            Meaning::Filler | Meaning::And | Meaning::Ending => self.fresh = true,
            // "One moment".
            Meaning::Digit(_) if self.tokens.get(at + 1).is_some_and(|next| next.kind == Kind::Word(Meaning::Pause)) => {}
            // "Por ciento".
            Meaning::Hundreds(_) => {
                self.close(at);
                self.set(Topic::Other);
            }
            Meaning::Correction => {
                self.run.correct();
                self.fresh = true;
            }
            Meaning::Pause => {
                self.paused = true;
                self.fresh = true;
            }
            Meaning::Cue(Topic::Card) if at < self.ignore_card => {}
            Meaning::Cue(topic) => self.cue(topic, at),
            Meaning::NotACard => {
                self.close(at);
                self.set(Topic::Other);
                self.ignore_card = at + 3;
            }
            Meaning::Expirable => {
                self.close(at);
                self.expirable = true;
                self.set(Topic::Other);
            }
            Meaning::Expires => {
                self.close(at);
                let card_follows =
                    self.tokens[at..].iter().take(5).any(|token| token.kind == Kind::Word(Meaning::Cue(Topic::Card)));
                if !self.expirable && (card_follows || self.state.card_reach > 0 || self.topic() == Some(Topic::Card)) {
                    self.set(Topic::Expiry);
                }
            }
            Meaning::Security | Meaning::Code | Meaning::Back => self.code(word, at),
            Meaning::Number | Meaning::NumberOf => {
                let named = self.names_other(word, at);
                self.unknown(at);
                if named && self.topic() != Some(Topic::Card) {
                    self.close(at);
                    self.set(Topic::Other);
                }
            }
            Meaning::Month if self.topic() == Some(Topic::Expiry) => self.month(at),
            Meaning::Unit => {
                if self.run.digits.len() < 12 {
                    self.run.clear();
                }
                self.close(at);
            }
            _ => self.unknown(at),
        }
    }

    fn cue(&mut self, topic: Topic, at: usize) {
        self.close(at);
        let expired = topic == Topic::Expiry && self.expirable;
        // "The expiration date of the card": the card does not undo what was asked for.
        let kept = topic == Topic::Card && matches!(self.topic(), Some(Topic::Expiry | Topic::Code));
        if !expired && !kept {
            self.set(topic);
        }
        if topic == Topic::Card {
            self.state.card_reach = REACH_CARD;
        }
    }

    /// "Security code", "code on the back", "three digits on the back".
    fn code(&mut self, word: Meaning, at: usize) {
        let slot = if word == Meaning::Code { &mut self.seen.code } else { &mut self.seen.secret };
        *slot = Some(at);
        let near = |seen: Option<usize>| seen.is_some_and(|before| at - before <= 6);
        let asked = near(self.seen.code) && near(self.seen.secret);
        let counted = word == Meaning::Back && near(self.seen.count);
        self.unknown(at);
        if asked || counted {
            self.close(at);
            self.set(Topic::Code);
        }
    }

    /// "Student number", "número de alumno": a number of something that is not known here, and so no card's.
    fn names_other(&self, word: Meaning, at: usize) -> bool {
        const BARE: [&str; 16] = [
            "the", "my", "a", "your", "our", "his", "her", "their", "that", "this", "long", "full", "whole", "new", "other",
            "same",
        ];
        const OF: [&str; 8] = ["do", "da", "de", "del", "la", "mi", "meu", "minha"];
        let text = |token: &Token| &self.text[token.start..token.end];
        let among = |words: &[&str], token: &Token| words.iter().any(|word| text(token).eq_ignore_ascii_case(word));
        if word == Meaning::Number {
            return at > 0 && self.tokens[at - 1].kind == Kind::Unknown && !among(&BARE, &self.tokens[at - 1]);
        }
        let mut after = self.tokens[at + 1..].iter().skip_while(|token| among(&OF, token));
        self.tokens.get(at + 1).is_some_and(|next| among(&OF, next))
            && after.next().is_some_and(|next| next.kind == Kind::Unknown)
    }

    /// "September 2027": the month and the year after it.
    fn month(&mut self, at: usize) {
        self.close(at);
        let year = (at + 1..(at + 3).min(self.tokens.len())).find(|&next| self.tokens[next].kind == Kind::Number);
        if let Some(year) = year {
            let span = (self.tokens[at].start as u32, self.tokens[year].end as u32);
            self.mark(SpanKind::ExpiryDate, Some(span), Shown::Plain("[expiry]"));
            self.state.topic = None;
        }
    }
}
