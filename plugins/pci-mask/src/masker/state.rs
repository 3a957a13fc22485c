//! What one text leaves for the next.

use vg_plugin_sdk::mask::Source;

use crate::{
    lexicon::Topic,
    run::{Digit, Run},
};

/// Whose digits follow each other.
pub(super) const CALLER: usize = 0;
pub(super) const AGENT: usize = 1;
pub(super) const KEYPAD: usize = 2;

/// What one text leaves for the next, as the call is read here.
#[derive(Clone, Default)]
pub(super) struct State {
    /// Each "um" is a hesitation: from the first one on that may have been. Nobody knows which it was, and a number is none with a digit too many,
    /// nor with one missing.
    pub(super) hesitant: bool,
    /// What is said and what is keyed in is one number: from the first key on. The keys may also be a number of their own, which the caller's words
    /// do not end.
    pub(super) joined: bool,
    pub(super) runs: [Open; 3],
    pub(super) topic: Option<(Topic, u32)>,
    /// A card was masked so many words ago, or less.
    pub(super) card_reach: u32,
}

impl State {
    pub(super) fn slot(&self, source: Source) -> usize {
        match source {
            Source::Dtmf if !self.joined => KEYPAD,
            Source::Caller | Source::Dtmf => CALLER,
            Source::Agent => AGENT,
        }
    }
}

/// The open digits of one source.
#[derive(Clone, Default)]
pub(super) struct Open {
    pub(super) run: Run,
    pub(super) idle: u32,
    pub(super) after_card: Option<AfterCard>,
    /// The digits with those of the caller's words that are not final yet, and of keys pressed since: keys go on there.
    pub(super) ahead: Option<Ahead>,
    /// These keys: they stand behind the words, which will be final after them.
    pub(super) late: Vec<Digit>,
}

#[derive(Clone)]
pub(super) struct Ahead {
    pub(super) run: Run,
    pub(super) after_card: Option<AfterCard>,
}

/// The last text ended on a whole card number, which may be longer than it seemed.
#[derive(Clone, Copy)]
pub(super) struct AfterCard {
    /// Where it came from.
    pub(super) source: Source,
    /// How many digits may follow it, those that did already among them.
    pub(super) room: usize,
}

impl Open {
    pub(super) fn forget_keyed(&mut self) {
        self.run.forget_keyed();
        self.late.clear();
        if let Some(ahead) = &mut self.ahead {
            ahead.run.forget_keyed();
        }
    }
}

/// Reads the call in one more way, where that is new to any reading.
pub(super) fn fork(readings: &mut Vec<State>, mut differ: impl FnMut(&mut State) -> bool) {
    for at in 0..readings.len() {
        let mut other = readings[at].clone();
        if differ(&mut other) && !readings.iter().any(|known| (known.hesitant, known.joined) == (other.hesitant, other.joined)) {
            readings.push(other);
        }
    }
}
