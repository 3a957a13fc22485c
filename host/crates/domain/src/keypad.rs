//! What a caller's keys are for: a menu, or digits that the agent asked for.

use crate::card::CardAsk;
use crate::pii::Pii;
use crate::transfer::TransferTarget;
use std::time::Duration;

/// A tenant's menu.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Menu {
    /// What can be pressed, said before the keys are waited for.
    pub prompt: String,
    /// What each key does. *Invariant:* no key twice, each one of `0`-`9`, `*`, `#`.
    pub keys: Vec<(char, MenuAction)>,
    /// When it is offered beside the agent's wish.
    pub starts: Vec<MenuStart>,
    /// How long a key is waited for.
    pub wait: Duration,
    /// How often the prompt is said before the menu is given up. *Invariant:* at least 1.
    pub tries: u32,
}

/// When a menu is offered by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MenuStart {
    /// After the greeting.
    Call,
    /// When nobody can listen to the caller any more.
    HearingLost,
}

/// What a key does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MenuAction {
    /// These words are said.
    Say(String),
    /// The agent is asked this, as if the caller had said it.
    Ask(String),
    /// The tenant's person is called.
    Human,
    /// Somebody in particular is called.
    Transfer(TransferTarget),
    /// Goodbye.
    HangUp,
}

impl Menu {
    pub(crate) fn action(&self, key: char) -> Option<&MenuAction> {
        self.keys.iter().find(|(known, _)| *known == key).map(|(_, action)| action)
    }

    pub(crate) fn starts_with(&self, start: MenuStart) -> bool {
        self.starts.contains(&start)
    }
}

/// Digits that the agent asks for. What is keyed in goes to the agent as the turn's text, and nowhere else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Collect {
    max: u8,
    terminator: Option<char>,
    first: Duration,
    between: Duration,
}

impl Collect {
    /// As many digits as anybody keys in.
    pub const DIGITS_MAX: u8 = 64;

    /// At most `max` digits (1 to [`DIGITS_MAX`](Self::DIGITS_MAX), taken as the nearest of them), ended before by `terminator` (`*` or `#`; another
    /// is none) or by a pause. `first` is the time for the first key, `between` for each one after it.
    pub fn new(max: u8, terminator: Option<char>, first: Duration, between: Duration) -> Self {
        let terminator = terminator.filter(|key| "*#".contains(*key));
        Self { max: max.clamp(1, Self::DIGITS_MAX), terminator, first, between }
    }

    /// At most so many digits, what ends them, and the time for the first key and for each one after it.
    pub fn parts(&self) -> (u8, Option<char>, Duration, Duration) {
        (self.max, self.terminator, self.first, self.between)
    }

    pub(crate) fn first(&self) -> Duration {
        self.first
    }
}

/// Keys that are being waited for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Keypad {
    /// One of the tenant's menu.
    Menu {
        /// How often the prompt may be said again.
        again: u32,
    },
    /// Digits for the agent.
    Digits {
        /// How many, and until when.
        collect: Collect,
        /// What was keyed in: may be anything, a card's number too.
        keyed: Pii<String>,
    },
    /// A field of a card for the vault.
    Card(CardAsk),
    /// The answer to whether the call may be recorded; words count as well.
    Consent,
}

/// What a key meant to a collection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Keyed {
    /// More may come within this time.
    More(Duration),
    /// This is all.
    All(Pii<String>),
}

impl Collect {
    pub(crate) fn begin(self) -> Keypad {
        Keypad::Digits { collect: self, keyed: Pii::new(String::new()) }
    }

    /// Takes a key behind those that are there.
    pub(crate) fn take(&self, keyed: &mut Pii<String>, key: char) -> Keyed {
        let mut digits = keyed.reveal().clone();
        match (Some(key) == self.terminator, digits.is_empty()) {
            (true, true) => return Keyed::More(self.first),
            (true, false) => return Keyed::All(Pii::new(digits)),
            (false, _) => digits.push(key),
        }
        *keyed = Pii::new(digits);
        if keyed.reveal().len() >= usize::from(self.max) { Keyed::All(keyed.clone()) } else { Keyed::More(self.between) }
    }
}
