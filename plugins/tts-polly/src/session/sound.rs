//! Samples of the service on their way to the call.

use vg_plugin_sdk::{
    AudioFormat,
    audio::{Whole, sample_bytes},
    tts::Effect,
};

/// What came of one request or stream, and how much the session has given in all.
#[derive(Debug)]
pub(super) struct Sound {
    format: AudioFormat,
    whole: Whole,
    given_bytes: u64,
    came_bytes: u64,
}

impl Sound {
    pub(super) fn new(format: AudioFormat) -> Self {
        Self { format, whole: Whole::default(), given_bytes: 0, came_bytes: 0 }
    }

    /// Another request or stream.
    pub(super) fn begin(&mut self) {
        self.whole = Whole::default();
        self.came_bytes = 0;
    }

    /// Whole samples of it.
    pub(super) fn take(&mut self, bytes: Vec<u8>) -> Option<Effect> {
        self.came_bytes += bytes.len() as u64;
        let samples = self.whole.samples(self.format.encoding, bytes);
        self.given_bytes += samples.len() as u64;
        (!samples.is_empty()).then_some(Effect::Audio(samples))
    }

    /// Whether nothing came of it yet.
    pub(super) fn is_silent(&self) -> bool {
        self.came_bytes == 0
    }

    /// Whether it ended within a sample.
    pub(super) fn is_cut(&self) -> bool {
        self.whole.is_cut()
    }

    /// Where the session's sound ends so far.
    pub(super) fn end_ms(&self) -> u64 {
        let per_s = u64::from(self.format.rate_hz.max(1)) * sample_bytes(self.format.encoding) as u64;
        self.given_bytes * 1000 / per_s
    }
}
