//! What speech providers have worked, for whoever pays them.

/// A provider's own count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Sound that was listened to, in milliseconds.
    pub audio_ms: u64,
    /// Characters that were spoken.
    pub characters: u64,
    /// Requests that were made.
    pub requests: u64,
}

impl Usage {
    /// Adds what was worked since.
    pub fn add(&mut self, more: Self) {
        self.audio_ms = self.audio_ms.saturating_add(more.audio_ms);
        self.characters = self.characters.saturating_add(more.characters);
        self.requests = self.requests.saturating_add(more.requests);
    }

    /// Each count with its unit, a bounded label.
    pub fn units(self) -> [(&'static str, u64); 3] {
        [("audio_ms", self.audio_ms), ("characters", self.characters), ("requests", self.requests)]
    }
}
