//! Digits that follow each other, and what is to be masked among them.

use crate::{
    issuer::{LONGEST, is_card, may_begin},
    lexicon::Topic,
};

/// So many digits of a card number are never shown.
pub(crate) const SHOWN_MAX: usize = 6;
/// More than a card number with corrections: so much is remembered.
const KEPT: usize = 48;

/// Whether a number may begin at a digit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Edge {
    /// Within a written or spoken number.
    Inside,
    /// A digit of its own among others.
    Digit,
    /// After a pause, a word, or as a written group.
    Group,
}

/// A digit and where it stands in the text; those of earlier texts stand nowhere.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Digit {
    pub(crate) value: u8,
    pub(crate) edge: Edge,
    /// Typed, not said.
    pub(crate) keyed: bool,
    pub(crate) place: Option<(u32, u32)>,
}

/// Digits with nothing between them but what people put inside numbers.
#[derive(Clone, Default)]
pub(crate) struct Run {
    pub(crate) digits: Vec<Digit>,
    /// Digits before which something was corrected.
    fixes: Vec<usize>,
    /// Digits before which a zero may have been said.
    zeros: Vec<usize>,
}

/// A part of a run that is a card's, by index.
pub(crate) struct Found {
    pub(crate) from: usize,
    pub(crate) to: usize,
    /// The last four, where the number is whole and sure.
    pub(crate) last_four: Option<[u8; 4]>,
}

impl Run {
    pub(crate) fn clear(&mut self) {
        self.digits.clear();
        self.fixes.clear();
        self.zeros.clear();
    }

    pub(crate) fn push(&mut self, digit: Digit) {
        if self.digits.len() == KEPT {
            self.forget(1);
        }
        self.digits.push(digit);
    }

    /// The digit that comes next corrects what was said.
    pub(crate) fn correct(&mut self) {
        if !self.digits.is_empty() && self.fixes.last() != Some(&self.digits.len()) {
            self.fixes.push(self.digits.len());
        }
    }

    /// Before the last digit a zero may have been said.
    pub(crate) fn zero(&mut self) {
        self.zeros.extend(self.digits.len().checked_sub(1));
    }

    /// Forgets the first digits.
    pub(crate) fn forget(&mut self, count: usize) {
        self.digits.drain(..count);
        for places in [&mut self.fixes, &mut self.zeros] {
            places.retain_mut(|at| {
                let kept = *at > count;
                *at = at.saturating_sub(count);
                kept
            });
        }
    }

    /// Forgets what was typed.
    pub(crate) fn forget_keyed(&mut self) {
        for places in [&mut self.fixes, &mut self.zeros] {
            places.iter_mut().for_each(|at| *at -= self.digits[..*at].iter().filter(|digit| digit.keyed).count());
        }
        self.digits.retain(|digit| !digit.keyed);
    }

    /// What is kept for the next text.
    pub(crate) fn carry(&mut self) {
        self.digits.iter_mut().for_each(|digit| digit.place = None);
    }

    /// Where in the text these digits stand.
    pub(crate) fn place(&self, from: usize, to: usize) -> Option<(u32, u32)> {
        let mut places = self.digits[from..to].iter().filter_map(|digit| digit.place);
        let first = places.next()?;
        Some((first.0, places.next_back().unwrap_or(first).1))
    }

    /// The card numbers, first to last.
    pub(crate) fn cards(&self, topic: Option<Topic>, found: &mut Vec<Found>) {
        let (length, mut at) = (self.digits.len(), 0);
        // With a zero left out, a number of twelve digits stands in eleven.
        while at + 11 <= length {
            match self.card_at(at, topic) {
                Some(card) => {
                    at = card.to;
                    found.push(card);
                }
                None => at += 1,
            }
        }
        let rest = found.last().map_or(0, |card| card.to);
        self.fragments(topic, rest, found);
    }

    /// The longest card number that begins here. Corrections are applied, then not; zeros are left out, then put in one by one.
    fn card_at(&self, at: usize, topic: Option<Topic>) -> Option<Found> {
        if at > 0 && self.digits[at].edge == Edge::Inside {
            return None;
        }
        let corrections = if self.fixes.is_empty() { [false].iter() } else { [true, false].iter() };
        corrections.clone().find_map(|&fixed| self.reading(at, topic, fixed, None)).or_else(|| {
            let zeros = self.zeros.iter().filter(|&&zero| zero > at);
            zeros.copied().find_map(|zero| self.reading(at, topic, true, Some(zero)))
        })
    }

    fn reading(&self, at: usize, topic: Option<Topic>, fixed: bool, zero: Option<usize>) -> Option<Found> {
        let (mut values, mut count, mut longest) = ([0; LONGEST], 0, None);
        for to in at + 1..=self.digits.len() {
            if fixed && to - 1 > at && self.fixes.contains(&(to - 1)) {
                count -= self.corrected(to - 1).min(count);
            }
            let place = count + usize::from(zero == Some(to - 1));
            if place >= values.len() {
                break;
            }
            values[count..place].fill(0);
            values[place] = self.digits[to - 1].value;
            count = place + 1;
            let ends = self.digits.get(to).is_none_or(|next| next.edge != Edge::Inside);
            // A digit in a row of digits begins a number only where the number ends the row; one in ten passes by chance.
            let whole = at == 0 || self.digits[at].edge == Edge::Group || to == self.digits.len();
            let other = topic == Some(Topic::Other) && !(at == 0 && to == self.digits.len());
            if ends && whole && !other && is_card(&values[..count]) {
                longest = Some(Found { from: at, to, last_four: values[count - 4..count].try_into().ok() });
            }
        }
        longest
    }

    /// How many digits the correction before this one takes back: as many as are said in its place.
    fn corrected(&self, at: usize) -> usize {
        1 + self.digits[at + 1..].iter().take_while(|digit| digit.edge == Edge::Inside).count()
    }

    /// What is no whole card number and is masked all the same: misheard after a cue, corrected, or in the form of a card.
    fn fragments(&self, topic: Option<Topic>, from: usize, found: &mut Vec<Found>) {
        let (length, to) = (self.digits.len() - from, self.digits.len());
        let begins = || may_begin(&self.values(from, (from + LONGEST).min(to)));
        let card = topic == Some(Topic::Card) && ((13..=22).contains(&length) || (length > SHOWN_MAX && begins()));
        let corrected = topic.is_none() && !self.fixes.is_empty() && (12..=24).contains(&length) && begins();
        if card || corrected || (topic.is_none() && length == 16 && self.in_fours(from) && begins()) {
            found.push(Found { from, to, last_four: None });
        }
    }

    fn in_fours(&self, from: usize) -> bool {
        self.digits[from..].iter().enumerate().all(|(at, digit)| (digit.edge == Edge::Inside) == (at % 4 != 0))
    }

    fn values(&self, from: usize, to: usize) -> Vec<u8> {
        self.digits[from..to].iter().map(|digit| digit.value).collect()
    }

    pub(crate) fn all(&self) -> Vec<u8> {
        self.values(0, self.digits.len())
    }

    /// Where digits begin that may become a card number, more of them than may be shown.
    pub(crate) fn pending(&self) -> Option<usize> {
        let length = self.digits.len();
        (0..length.saturating_sub(SHOWN_MAX)).find(|&from| {
            let begins = from == 0 || self.digits[from].edge != Edge::Inside;
            let reach = LONGEST + 2 * self.fixes.len();
            begins && length - from <= reach && may_begin(&self.values(from, (from + LONGEST).min(length)))
        })
    }
}
