//! What was heard of what was said: never more than that, and never other words.

use super::*;
use crate::speech::Extent;

/// A voice that tells where its words lie says so many characters a second, as one that does not is taken to.
const CHARS_PER_S: u64 = 15;

impl Walk {
    /// Something is said, or goes on.
    pub(super) fn speaks(&mut self, utterance: UtteranceId) {
        assert!(self.open.is_none_or(|open| open == utterance), "{utterance} is said over {:?}", self.open);
        if self.open.replace(utterance).is_none() {
            self.open_since = self.world.now;
        }
    }

    /// Something more is said. One voice in two tells where its words lie.
    pub(super) fn says(&mut self, utterance: UtteranceId, text: &MaskedText) {
        let said = self.said.entry(utterance).or_default();
        *said = said.followed_by(text);
        let tells = utterance.0.is_multiple_of(2);
        if let Some(track) = self.tracks.entry(utterance).or_insert_with(|| tells.then(Track::default)) {
            place(track, text.as_str());
        }
    }

    /// Everybody is told of something that is said.
    pub(super) fn is_told(&mut self, utterance: UtteranceId, text: &MaskedText) {
        let told = self.told.entry(utterance).or_default();
        *told = told.followed_by(text);
    }

    /// How much of what the caller spoke over was heard must be told, where the agent is still to be asked.
    pub(super) fn is_told_what_was_heard(&mut self, utterance: UtteranceId) {
        if self.cut.remove(&utterance) {
            assert!(self.call.interrupted.contains(&utterance), "nobody is told how much of {utterance} was heard");
        }
    }

    /// Of an utterance that was cut short so much is told as heard.
    pub(super) fn was_heard(&mut self, utterance: UtteranceId, spoken_ms: u64, extent: Extent) {
        // The leg may tell of a line that was hushed before it: then none of this one was heard, and that is told at once.
        self.cut.remove(&utterance);
        let Some(said) = self.said.get(&utterance) else { panic!("{utterance} was not said") };
        let Some(told) = self.told.get(&utterance) else { panic!("nobody was told of {utterance}: {said:?}") };
        let Some(heard) = self.world.hushed.get(&utterance) else { panic!("{utterance} was not hushed") };
        // The leg knows; who cannot wait for it counts the time in which nothing was said as well.
        let leg_tells = self.leg_tells_of == Some(utterance);
        let most_ms = heard.ms + if leg_tells { 0 } else { heard.idle_ms };
        assert!(spoken_ms <= most_ms, "{spoken_ms} ms of {utterance} are told, and it was {heard:?}");
        assert!(!leg_tells || spoken_ms == heard.ms, "{spoken_ms} ms of {utterance} are told, and it was {heard:?}");
        assert_eq!(extent, Extent::Interpolated, "the call itself knows the time alone");
        // Who carries the call out knows the words, where the voice has told of them.
        let track = self.tracks.get(&utterance).and_then(Option::as_ref);
        let extent = track.map_or(extent, |track| track.heard(spoken_ms));
        self.seen.insert(extent.code());
        let (said, told) = (said.as_str(), told.as_str());
        let known = &told[..extent.cut(told, spoken_ms)];
        let Some(rest) = said.strip_prefix(known) else { panic!("{known:?} is told as heard, and {said:?} was said") };
        let ends_within_a_word = known.ends_with(char::is_alphanumeric) && rest.starts_with(char::is_alphanumeric);
        assert!(!ends_within_a_word, "{known:?} is told as heard of {said:?}: half a word");
        // Marks behind a word take no time.
        let chars = known.trim_end_matches(|c: char| !c.is_alphanumeric()).chars().count() as u64;
        assert!(chars <= most_ms * CHARS_PER_S / 1_000, "{known:?} is told as heard, in {most_ms} ms at most ({extent:?})");
    }
}

/// The next clause, and where its words lie.
fn place(track: &mut Track, clause: &str) {
    track.push(clause);
    let text = track.text().to_owned();
    let begins = text.len() - clause.trim_start().len();
    for word in text[begins..].split_whitespace() {
        let before = text[..word.as_ptr() as usize - text.as_ptr() as usize].chars().count() as u64;
        let behind = before + word.chars().count() as u64;
        track.place(word, before * 1_000 / CHARS_PER_S, (behind * 1_000).div_ceil(CHARS_PER_S));
    }
}
