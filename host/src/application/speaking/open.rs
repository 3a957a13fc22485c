//! One utterance: what a session was told of it, how much has sounded, and where its words lie.

use super::quality::{Measured, SpeechFault};
use crate::application::ports::SpokenWord;
use vg_domain::ids::UtteranceId;
use vg_domain::speech::{Extent, Track, spoken_to};

/// An utterance that a session speaks, or has spoken.
pub(super) struct Open {
    pub(super) utterance: UtteranceId,
    /// No more text follows.
    pub(super) ended: bool,
    /// So much of it has come from the voice that speaks it now, in milliseconds.
    pub(super) sounded_ms: u64,
    /// The voice was told something of it, and no sound has come since.
    unanswered: bool,
    /// The call knows that sound is owed.
    pub(super) missed: bool,
    /// All of it.
    track: Track,
    /// What that voice was told of it begins here, in bytes.
    from: usize,
    /// So much of it had come from the voices before, in milliseconds.
    before_ms: u64,
    /// Where its sound begins in that of the session, in milliseconds. Known with the first of it.
    begin_ms: u64,
    /// What that voice gave.
    measured: Measured,
}

impl Open {
    pub(super) fn new(utterance: UtteranceId) -> Self {
        let (track, measured) = (Track::default(), Measured::default());
        Self {
            utterance,
            ended: false,
            sounded_ms: 0,
            unanswered: true,
            missed: false,
            track,
            from: 0,
            before_ms: 0,
            begin_ms: 0,
            measured,
        }
    }

    /// A clause more.
    pub(super) fn push(&mut self, text: &str) {
        self.track.push(text);
        self.unanswered = true;
    }

    /// No clause follows: what the voice has not said it says now.
    pub(super) fn end(&mut self) {
        (self.ended, self.unanswered) = (true, true);
    }

    /// Whether it was told more than it has said; a voice that is quicker than twice the usual is not known.
    pub(super) fn is_owed(&self) -> bool {
        let text = self.text();
        self.unanswered || spoken_to(text, 2 * self.sounded_ms) < text.len()
    }

    /// What the voice that speaks it now is to say of it.
    pub(super) fn text(&self) -> &str {
        self.track.text()[self.from..].trim_start()
    }

    /// The session gave more sound of it; it had given `session_ms` before.
    pub(super) fn sound(&mut self, session_ms: u64, rate_hz: u32, pcm: &[i16]) {
        if self.sounded_ms == 0 {
            self.begin_ms = session_ms;
        }
        // A piece shorter than a millisecond is one all the same: it is no silence.
        self.sounded_ms += (pcm.len() as u64 * 1_000).div_ceil(u64::from(rate_hz.max(1)));
        self.measured.hear(rate_hz, pcm);
        self.unanswered = false;
    }

    /// What is wrong with what the voice gave, now that this is all.
    pub(super) fn faults(&self) -> impl Iterator<Item = SpeechFault> + use<> {
        self.measured.faults(self.text())
    }

    /// The session tells where a word lies; it has given `session_ms` of sound. A word before the utterance's own sound is another's.
    pub(super) fn word(&mut self, session_ms: u64, word: &SpokenWord) {
        let begin_ms = if self.sounded_ms == 0 { session_ms } else { self.begin_ms };
        let Some(start_ms) = word.start_ms.checked_sub(begin_ms) else { return };
        let length_ms = word.end_ms.saturating_sub(word.start_ms);
        let start_ms = self.before_ms.saturating_add(start_ms);
        self.track.place(&word.text, start_ms, start_ms.saturating_add(length_ms));
    }

    /// How far it was heard when so much of it, whoever gave it, was.
    pub(super) fn heard(&self, ms: u64) -> Extent {
        self.track.heard(ms)
    }

    /// What the next voice is to say: from the word on in which the one before fell.
    pub(super) fn leave_the_rest(&mut self) {
        let given_ms = self.before_ms + self.sounded_ms;
        let told_from = self.track.text().len() - self.text().len();
        self.from = self.track.spoken_to(given_ms, told_from, self.before_ms).max(self.from);
        self.track.go_on_from(self.from);
        (self.before_ms, self.sounded_ms, self.measured) = (given_ms, 0, Measured::default());
        (self.unanswered, self.missed) = (true, false);
    }
}
