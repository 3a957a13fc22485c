//! How far a session has come, in what does not depend on how its pieces fall together.

use vg_plugin_host::recording::Told;

/// What a vendor can have heard on a link.
///
/// Pieces that a guest sends are not counted, only what its owner told: whether ten chunks go out one by one, or in one piece since the
/// link was not open yet, is a matter of moments.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Heard {
    /// Something was sent at all.
    pub(crate) asked: bool,
    /// Bytes of voice that the owner has told since the link was asked for.
    pub(crate) voice: u64,
    /// The same of everything else: bytes of text, and one for each turn, edge, mark or farewell.
    pub(crate) words: u64,
}

impl Heard {
    /// The same and one word more.
    pub(crate) fn and_a_word(self) -> Self {
        Self { words: self.words + 1, ..self }
    }
}

/// Follows what an owner tells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Course {
    /// All of it.
    pub(crate) now: Progress,
    /// Without the present turn: it may have been why a link was asked for.
    pub(crate) before: Progress,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Progress {
    pub(crate) voice: u64,
    pub(crate) words: u64,
}

impl Course {
    /// The next turn begins.
    pub(crate) fn told(&mut self, told: &Told) {
        self.before = self.now;
        match told {
            Told::Audio(samples) | Told::Routed(_, samples) => self.now.voice += samples.len() as u64,
            Told::Text(text) => self.now.words += text.len() as u64,
            Told::Start(_) | Told::Link(_) | Told::Timer(_) => {}
            _ => self.now.words += 1,
        }
    }

    /// What of it was told since then, where something was sent now.
    pub(crate) fn heard(&self, since: Progress) -> Heard {
        Heard { asked: true, voice: self.now.voice - since.voice, words: self.now.words - since.words }
    }
}
