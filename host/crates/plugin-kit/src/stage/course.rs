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
    /// How much of it was told when the guest sent something because of it: so much was passed on for certain, and not kept for later.
    pub(crate) passed: u64,
    /// The same as `voice` of everything else: bytes of text, and one for each turn, edge, mark or farewell.
    pub(crate) words: u64,
}

impl Heard {
    /// The same and one word more.
    pub(crate) fn and_a_word(self) -> Self {
        Self { words: self.words + 1, ..self }
    }

    /// The same without any voice.
    pub(crate) fn voiceless(self) -> Self {
        Self { voice: 0, passed: 0, ..self }
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

    /// Whether the present turn brought voice.
    pub(crate) fn is_voice(&self) -> bool {
        self.now.voice > self.before.voice
    }

    /// What a link has heard that was asked for at `since`, had heard `so_far`, and is sent something now.
    pub(crate) fn heard(&self, since: Progress, so_far: Heard) -> Heard {
        let voice = self.now.voice - since.voice;
        let passed = if self.is_voice() { voice } else { so_far.passed };
        Heard { asked: true, voice, passed, words: self.now.words - since.words }
    }
}
