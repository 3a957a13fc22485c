//! Which words of two listeners belong to the same turn: those between two answers to `Finalize`.

use std::collections::VecDeque;
use std::time::Instant;
use vg_domain::event::Agreement;
use vg_domain::likeness::Likeness;
use vg_domain::mask::MaskedText;

/// Turns of which one side is awaited. Full: the oldest is compared as it is.
const AWAITED_MAX: usize = 4;

/// Turns in order, and what came since the last.
#[derive(Default)]
pub(super) struct Turns {
    first: Side,
    second: Side,
    awaited: VecDeque<Turn>,
    /// The caller has spoken since the last end of a turn.
    spoken: bool,
}

/// What one of them understood of a turn.
#[derive(Default)]
struct Side {
    words: MaskedText,
    /// When the last of it came.
    at: Option<Instant>,
}

impl Side {
    fn add(&mut self, words: &MaskedText, at: Instant) {
        if !words.is_empty() {
            (self.words, self.at) = (self.words.followed_by(words), Some(at));
        }
    }
}

#[derive(Default)]
struct Turn {
    first: Option<Side>,
    second: Option<Side>,
}

/// A turn that can be compared.
#[derive(Debug, PartialEq)]
pub(super) struct Compared {
    pub(super) first: MaskedText,
    pub(super) second: MaskedText,
    pub(super) agreement: Agreement,
    pub(super) likeness: Likeness,
    pub(super) delay_ms: Option<i64>,
}

impl Turns {
    pub(super) fn speech_started(&mut self) {
        self.spoken = true;
    }

    /// A turn ends. False where that is no new one: whoever took over is asked for the same again.
    pub(super) fn finalize(&mut self, compared: &mut VecDeque<Compared>) -> bool {
        let spoken = std::mem::take(&mut self.spoken);
        if !spoken && self.awaited.back().is_some_and(|turn| turn.first.is_none()) {
            return false;
        }
        // One that was given up: what comes now is not its own.
        if self.awaited.iter().any(|turn| turn.first.is_none()) {
            self.first_is_done(compared);
        }
        if self.awaited.len() == AWAITED_MAX {
            compared.extend(self.awaited.pop_front().and_then(Turn::compare));
        }
        self.awaited.push_back(Turn::default());
        true
    }

    pub(super) fn first_says(&mut self, words: &MaskedText, at: Instant) {
        self.first.add(words, at);
    }

    pub(super) fn second_says(&mut self, words: &MaskedText, at: Instant) {
        self.second.add(words, at);
    }

    pub(super) fn first_is_done(&mut self, compared: &mut VecDeque<Compared>) {
        if let Some(turn) = self.awaited.iter_mut().find(|turn| turn.first.is_none()) {
            turn.first = Some(std::mem::take(&mut self.first));
            self.compare(compared);
        }
    }

    pub(super) fn second_is_done(&mut self, compared: &mut VecDeque<Compared>) {
        if let Some(turn) = self.awaited.iter_mut().find(|turn| turn.second.is_none()) {
            turn.second = Some(std::mem::take(&mut self.second));
            self.compare(compared);
        }
    }

    fn compare(&mut self, compared: &mut VecDeque<Compared>) {
        while let Some(turn) = self.awaited.pop_front_if(|turn| turn.first.is_some() && turn.second.is_some()) {
            compared.extend(turn.compare());
        }
    }
}

impl Turn {
    /// None where nobody understood anything.
    fn compare(self) -> Option<Compared> {
        let [first, second] = [self.first, self.second].map(Option::unwrap_or_default);
        let likeness = Likeness::of(first.words.as_str(), second.words.as_str());
        let agreement = match (likeness.words, likeness.others, likeness.edited) {
            (0, 0, _) => return None,
            (0, ..) => Agreement::Extra,
            (_, 0, _) => Agreement::Missing,
            (_, _, 0) => Agreement::Same,
            _ => Agreement::Differs,
        };
        let delay_ms = first.at.zip(second.at).map(|(first, second)| {
            let ms = |time: std::time::Duration| i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
            ms(second.saturating_duration_since(first)) - ms(first.saturating_duration_since(second))
        });
        Some(Compared { first: first.words, second: second.words, agreement, likeness, delay_ms })
    }
}
