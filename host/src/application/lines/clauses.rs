//! First clauses: the few words with which answers begin, and which come again and again ("Sure.", "One moment.").
//!
//! What a session says of one and of what follows comes in one piece. The second time a clause begins an answer it is therefore flushed by itself, which is how its
//! sound becomes known; from then on it is said from memory at once, and the session speaks the rest meanwhile.

use super::Key;
use crate::application::ports::SpeakingEvent;
use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};

/// A clause longer than this is no beginning that comes again.
const CHARS_MAX: usize = 40;
/// Clauses that came once are remembered by number, in two generations of so many. Full: the older one is forgotten.
const SEEN_MAX: usize = 2_048;
/// The mark of a clause that is flushed by itself: no utterance of a call comes so far.
pub(super) const MARK: u32 = u32::MAX;

/// Whether a text may be kept: short, with an end, of words alone. Numbers are somebody's, and what is masked may be.
pub(super) fn may_be_kept(text: &str) -> bool {
    let text = text.trim();
    text.chars().count() <= CHARS_MAX
        && text.ends_with(['.', ',', '!', '?', ';', ':', '…'])
        && text.contains(char::is_alphabetic)
        && !text.contains(|c: char| c.is_numeric() || matches!(c, '[' | ']' | '<' | '>'))
}

/// Clauses that came before.
#[derive(Default)]
pub(super) struct Seen {
    newer: HashSet<u64>,
    older: HashSet<u64>,
}

impl Seen {
    /// Notes that it came. True where it is not the first time.
    pub(super) fn again(&mut self, key: &Key) -> bool {
        let mut hasher = DefaultHasher::new();
        key.hash(&mut hasher);
        let number = hasher.finish();
        if self.newer.len() >= SEEN_MAX {
            self.older = std::mem::take(&mut self.newer);
        }
        let before = self.older.contains(&number);
        !self.newer.insert(number) || before
    }
}

/// What follows a clause that was said from memory.
#[derive(Default)]
pub(super) struct Rest {
    /// The session was told something of it.
    told: bool,
    /// And something that can be heard.
    speaks: bool,
    /// It has said something.
    sounded: bool,
    /// With what it was flushed.
    pub(super) mark: Option<u32>,
}

impl Rest {
    /// The session is told this of it.
    pub(super) fn tell(&mut self, text: &str) {
        self.told = true;
        self.speaks |= text.contains(char::is_alphanumeric);
    }

    /// The clause was all.
    pub(super) fn is_nothing(&self) -> bool {
        !self.told
    }

    /// True where the session says that all is said, and has said nothing: the clause would hide that.
    pub(super) fn is_mute(&mut self, event: &SpeakingEvent) -> bool {
        match event {
            SpeakingEvent::Audio { pcm, .. } => {
                self.sounded |= !pcm.is_empty();
                false
            }
            SpeakingEvent::Flushed(mark) => self.speaks && !self.sounded && self.mark == Some(*mark),
            SpeakingEvent::Word(_) | SpeakingEvent::Usage(_) | SpeakingEvent::Cancelled | SpeakingEvent::Fell(_) => false,
        }
    }
}
