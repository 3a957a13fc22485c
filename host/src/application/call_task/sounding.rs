//! The caller's newest sound: kept for whoever goes on with the call, and heard by whoever does.

use super::CallTask;
use crate::application::ports::Sound;
use vg_media::resample;

impl CallTask {
    pub(super) fn keep_sound(&mut self, pcm: &[i16]) {
        let spoken = self.listener.is_owed();
        self.kept_sound.audio(pcm, spoken, &self.id, self.sequence.epoch);
    }

    /// The words of what was said are final.
    pub(super) fn sound_is_known(&mut self) {
        if !self.listener.is_owed() {
            self.kept_sound.known(&self.id);
        }
    }

    /// Something of the caller's is masked or held back from now on, or is not any more.
    pub(super) fn masks(&mut self, masking: bool) {
        self.kept_sound.masking = masking;
        self.cover_sound();
    }

    /// Keeps no sound while a card may be said or keyed in.
    pub(super) fn cover_sound(&mut self) {
        // The rest of a card may follow on words that end with its first digits.
        let covered = self.kept_sound.masking || self.call.collects_digits() || self.call.leaves_digits_open();
        self.kept_sound.cover(covered, &self.id);
    }

    /// The leg's sound begins; what the caller said to a gateway that is gone is heard before it.
    pub(super) fn listen_to_kept_sound(&mut self, rate_hz: u32) {
        self.kept_sound.begin_anew(rate_hz, &self.id);
        let Some(Sound { rate_hz: from_hz, pcm }) = self.kept_sound.recalled.take() else { return };
        if self.call.goes_on_listening()
            && let Ok(pcm) = resample::convert(&pcm, from_hz, rate_hz)
        {
            self.listener.recall(&pcm);
        }
    }
}
