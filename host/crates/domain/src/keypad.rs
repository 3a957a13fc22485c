//! What a caller's keys are for: a menu, or digits that the agent asked for.

use crate::card::CardAsk;
use crate::mask::Heard;
use crate::transfer::TransferTarget;
use std::fmt;
use std::time::Duration;
use zeroize::Zeroizing;

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
        /// What was keyed in.
        keyed: Pressed,
    },
    /// A field of a card for the vault.
    Card(CardAsk),
    /// The answer to whether the call may be recorded; words count as well.
    Consent,
}

/// Keys that were pressed: may be anything, a card's number too. `Debug` shows nothing of them. They lie in one place, which has room for all that may
/// come, since a buffer that grows leaves a copy behind, and is wiped when it is given back.
#[derive(PartialEq, Eq)]
pub struct Pressed(Zeroizing<String>);

impl Pressed {
    fn none() -> Self {
        Self(Zeroizing::new(String::with_capacity(usize::from(Collect::DIGITS_MAX))))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// For the mask; moved, not copied.
    pub(crate) fn into_heard(mut self) -> Heard {
        Heard::new(std::mem::take(&mut *self.0))
    }
}

impl Clone for Pressed {
    /// With as much room.
    fn clone(&self) -> Self {
        let mut same = Self::none();
        same.0.push_str(&self.0);
        same
    }
}

impl fmt::Debug for Pressed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// What a key meant to a collection.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Keyed {
    /// More may come within this time.
    More(Duration),
    /// This is all.
    All(Pressed),
}

impl Collect {
    pub(crate) fn begin(self) -> Keypad {
        Keypad::Digits { collect: self, keyed: Pressed::none() }
    }

    /// Takes a key behind those that are there.
    pub(crate) fn take(&self, keyed: &mut Pressed, key: char) -> Keyed {
        match (Some(key) == self.terminator, keyed.is_empty()) {
            (true, true) => return Keyed::More(self.first),
            (true, false) => return Keyed::All(std::mem::replace(keyed, Pressed::none())),
            (false, _) => keyed.0.push(key),
        }
        if keyed.0.len() < usize::from(self.max) {
            return Keyed::More(self.between);
        }
        Keyed::All(std::mem::replace(keyed, Pressed::none()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: Duration = Duration::from_secs(6);
    const BETWEEN: Duration = Duration::from_secs(3);

    #[test]
    fn keys_are_all_when_there_are_enough_or_their_end_comes() {
        let collect = Collect::new(3, Some('#'), FIRST, BETWEEN);
        let mut keyed = Pressed::none();
        let mut take = |key| collect.take(&mut keyed, key);
        assert_eq!(take('#'), Keyed::More(FIRST));
        assert_eq!([take('1'), take('2')], [Keyed::More(BETWEEN), Keyed::More(BETWEEN)]);
        assert!(matches!(take('3'), Keyed::All(all) if all.0.as_str() == "123"));
        assert_eq!(take('4'), Keyed::More(BETWEEN));
        assert!(matches!(take('#'), Keyed::All(all) if all.0.as_str() == "4"));
    }

    #[test]
    fn keys_lie_in_one_place_from_the_first_to_the_mask() {
        let collect = Collect::new(Collect::DIGITS_MAX, None, FIRST, BETWEEN);
        // What waits behind a prompt is a clone, as soon as a key comes over it.
        let Keypad::Digits { mut keyed, .. } = collect.begin().clone() else { panic!("digits are asked for") };
        let place = keyed.0.as_ptr();
        for _ in 1..Collect::DIGITS_MAX {
            assert_eq!(collect.take(&mut keyed, '4'), Keyed::More(BETWEEN));
        }
        let Keyed::All(all) = collect.take(&mut keyed, '4') else { panic!("it is full") };
        assert_eq!((all.0.len(), all.0.as_ptr()), (usize::from(Collect::DIGITS_MAX), place));
        assert!(keyed.is_empty());
        assert_eq!(format!("{all:?} {keyed:?}"), "[redacted] [redacted]");
    }
}
