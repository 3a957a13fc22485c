//! Where the words of a text lie in the sound of its voice.

use super::spoken_to;

/// A word is looked for among so many characters behind the one before: a voice may leave some out, and say others in its own way.
const LOOK_AHEAD_CHARS: usize = 120;

/// How it is known how far a voice was heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// By the places of its words.
    Exact {
        /// So many characters of the text, up to the end of the last whole word.
        chars: usize,
    },
    /// By the time alone, as [`spoken_to`] estimates it.
    Interpolated,
}

impl Extent {
    /// Bounded label.
    pub fn code(self) -> &'static str {
        match self {
            Self::Exact { .. } => "exact",
            Self::Interpolated => "interpolated",
        }
    }

    /// Where in `text` a voice is after `spoken_ms`, in bytes; before a word that it has not finished.
    pub fn cut(self, text: &str, spoken_ms: u64) -> usize {
        match self {
            Self::Exact { chars } => text.char_indices().nth(chars).map_or(text.len(), |(at, _)| at),
            Self::Interpolated => spoken_to(text, spoken_ms),
        }
    }
}

/// A text that is spoken, clause by clause, and the places of those of its words that the voice has told.
///
/// *Invariant:* no more words are kept than the text has.
#[derive(Clone, Debug, Default)]
pub struct Track {
    text: String,
    /// Behind the last word that has a place, in bytes: the next one is looked for from here.
    found: usize,
    /// *Invariant:* in the order of the text and of time.
    words: Vec<Placed>,
}

/// A word of the text: bytes of it, and milliseconds since its first sample.
#[derive(Clone, Copy, Debug)]
struct Placed {
    from: usize,
    to: usize,
    start_ms: u64,
    end_ms: u64,
}

impl Track {
    /// All of the text so far.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Another clause, with a space before it.
    pub fn push(&mut self, clause: &str) {
        self.text.truncate(self.text.trim_end().len());
        if self.text.is_empty() {
            self.text.push_str(clause);
        } else {
            self.text.push(' ');
            self.text.push_str(clause.trim_start());
        }
        self.found = self.found.min(self.text.len());
    }

    /// The voice tells where a word lies, in milliseconds since the first sample of the text. What is no word of the text where it is looked for,
    /// and what goes back in time, is let go.
    pub fn place(&mut self, word: &str, start_ms: u64, end_ms: u64) {
        let word = word.trim_matches(|c: char| !c.is_alphanumeric());
        let before = self.words.last().map_or((0, 0), |last| (last.start_ms, last.end_ms));
        if word.is_empty() || start_ms < before.0 {
            return;
        }
        if let Some(from) = self.find(word) {
            let to = from + word.len();
            self.found = to;
            self.words.push(Placed { from, to, start_ms, end_ms: end_ms.max(start_ms).max(before.1) });
        }
    }

    /// How far the text was heard when `ms` of its sound were.
    pub fn heard(&self, ms: u64) -> Extent {
        let heard = self.words.partition_point(|word| word.end_ms <= ms);
        let last_end = heard.checked_sub(1).map_or(0, |last| self.words[last].to);
        let to = match self.words.get(heard) {
            Some(next) if next.start_ms <= ms => Some(self.text[..next.from].trim_end().len()),
            // What stands between two words may be one that the voice says in its own way: of that only the time is known.
            Some(next) if !has_words(&self.text[last_end..next.from]) => Some(self.with_marks(last_end)),
            None if heard > 0 && !has_words(&self.text[last_end..]) => Some(self.text.trim_end().len()),
            Some(_) | None => None,
        };
        to.map_or(Extent::Interpolated, |to| Extent::Exact { chars: self.text[..to].chars().count() })
    }

    /// Where the voice is after `ms`, in bytes, before a word that it has not finished: as well as that is known. Where no word that has ended has a
    /// place, an estimate from `from` on, where it began at `from_ms`.
    pub fn spoken_to(&self, ms: u64, from: usize, from_ms: u64) -> usize {
        if let extent @ Extent::Exact { .. } = self.heard(ms) {
            return extent.cut(&self.text, ms);
        }
        let ended = self.words.iter().take_while(|word| word.end_ms <= ms).last();
        let (from, from_ms) = ended.map_or((from, from_ms), |word| (word.to, word.end_ms)).max((from, from_ms));
        from + spoken_to(&self.text[from..], ms.saturating_sub(from_ms))
    }

    /// Another voice goes on from `at`, in bytes: only the words before it were said.
    pub fn go_on_from(&mut self, at: usize) {
        self.words.retain(|word| word.to <= at);
        self.found = at;
    }

    /// Right behind the last one, whatever follows it; else as a word of its own further on.
    fn find(&self, word: &str) -> Option<usize> {
        let rest = &self.text[self.found..];
        let next = self.text.len() - rest.trim_start_matches(|c: char| !c.is_alphanumeric()).len();
        if self.text[next..].starts_with(word) {
            return Some(next);
        }
        let near = rest.char_indices().nth(LOOK_AHEAD_CHARS).map_or(rest, |(at, _)| &rest[..at]);
        let is_whole = |at: usize| {
            let (before, after) = (rest[..at].chars().next_back(), rest[at + word.len()..].chars().next());
            ![before, after].into_iter().flatten().any(char::is_alphanumeric)
        };
        near.match_indices(word).map(|(at, _)| at).find(|at| is_whole(*at)).map(|at| self.found + at)
    }

    /// The end of a word, moved behind the marks that stand right behind it.
    fn with_marks(&self, to: usize) -> usize {
        let rest = &self.text[to..];
        let marks = &rest[..rest.find(char::is_whitespace).unwrap_or(rest.len())];
        if has_words(marks) { to } else { to + marks.len() }
    }
}

fn has_words(text: &str) -> bool {
    text.contains(char::is_alphanumeric)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn track(text: &str, words: &[(&str, u64, u64)]) -> Track {
        let mut track = Track::default();
        track.push(text);
        words.iter().for_each(|(word, start_ms, end_ms)| track.place(word, *start_ms, *end_ms));
        track
    }

    fn heard(track: &Track, ms: u64) -> Option<&str> {
        let extent = track.heard(ms);
        (extent != Extent::Interpolated).then(|| &track.text()[..extent.cut(track.text(), ms)])
    }

    const PARCEL: &str = "Your parcel is on its way, and arrives tomorrow.";
    const PLACES: [(&str, u64, u64); 9] = [
        ("Your", 500, 700),
        ("parcel", 700, 1_100),
        ("is", 1_100, 1_200),
        ("on", 1_200, 1_300),
        ("its", 1_300, 1_400),
        ("way,", 1_400, 1_800),
        ("and", 2_400, 2_500),
        ("arrives", 2_500, 2_900),
        ("tomorrow", 2_900, 3_500),
    ];

    #[test]
    fn what_was_heard_ends_with_the_last_whole_word() {
        let track = track(PARCEL, &PLACES);
        for (ms, text) in [
            (0, ""),
            (699, ""),
            (700, "Your"),
            (1_150, "Your parcel"),
            (1_799, "Your parcel is on its"),
            (1_800, "Your parcel is on its way,"),
            (2_399, "Your parcel is on its way,"),
            (2_450, "Your parcel is on its way,"),
            (3_499, "Your parcel is on its way, and arrives"),
            (3_500, PARCEL),
            (u64::MAX, PARCEL),
        ] {
            assert_eq!(heard(&track, ms), Some(text), "{ms} ms");
        }
    }

    #[test]
    fn beyond_the_last_place_only_the_time_is_known() {
        let track = track(PARCEL, &PLACES[..3]);
        assert_eq!(heard(&track, 1_199), Some("Your parcel"));
        assert_eq!(heard(&track, 1_200), None);
        assert_eq!(track.heard(1_200).cut(PARCEL, 1_200), spoken_to(PARCEL, 1_200));
        assert_eq!(heard(&Track::default(), 0), None);
        assert_eq!(&PARCEL[..track.spoken_to(1_150, 0, 0)], "Your parcel");
        assert_eq!(&PARCEL[..track.spoken_to(1_200 + 400, 0, 0)], "Your parcel is on", "six characters behind the last place");
        let placeless = self::track(PARCEL, &[]);
        assert_eq!(&PARCEL[..placeless.spoken_to(1_000, 0, 0)], "Your parcel is");
        assert_eq!(&PARCEL[..placeless.spoken_to(1_400, 11, 1_000)], "Your parcel is on");
    }

    #[test]
    fn a_word_that_is_said_in_its_own_way_is_passed_over_and_not_guessed_at() {
        let track =
            track("It costs 30 dollars.", &[("It", 0, 100), ("costs", 100, 400), ("thirty", 400, 800), ("dollars", 800, 1_200)]);
        assert_eq!(heard(&track, 399), Some("It"));
        assert_eq!(heard(&track, 500), None, "in the word that has no place");
        assert_eq!(heard(&track, 900), Some("It costs 30"));
        assert_eq!(heard(&track, 1_200), Some("It costs 30 dollars."));
    }

    #[test]
    fn a_word_is_not_found_inside_another_nor_far_away() {
        let inside = track("This is it.", &[("is", 0, 100), ("it", 100, 200)]);
        assert_eq!(heard(&inside, 50), Some("This"), "the second word");
        let far = format!("One. {} two.", "word ".repeat(40));
        let far = track(&far, &[("One", 0, 100), ("two", 100, 200)]);
        assert_eq!(heard(&far, 150), None);
    }

    #[test]
    fn words_without_spaces_and_in_parts_are_found() {
        let parts = track(
            "Twenty-one, o senhor tem \u{e0}s 9:30?",
            &[("Twenty", 0, 100), ("one", 100, 200), ("o", 200, 300), ("senhor", 300, 400)],
        );
        assert_eq!(heard(&parts, 150), Some("Twenty-"));
        assert_eq!(heard(&parts, 250), Some("Twenty-one,"));
        let joined = track("\u{4f60}\u{597d}\u{4e16}\u{754c}", &[("\u{4f60}\u{597d}", 0, 100), ("\u{4e16}\u{754c}", 100, 200)]);
        assert_eq!(heard(&joined, 150), Some("\u{4f60}\u{597d}"));
    }

    #[test]
    fn a_clause_that_is_added_is_placed_in_its_turn() {
        let mut track = track("It is three. ", &[("It", 0, 100), ("is", 100, 200), ("three", 200, 400)]);
        assert_eq!(heard(&track, 400), Some("It is three."));
        track.push(" Anything else?");
        assert_eq!(track.text(), "It is three. Anything else?");
        assert_eq!(heard(&track, 400), None);
        track.place("Anything", 600, 900);
        assert_eq!(heard(&track, 500), Some("It is three."));
    }

    #[test]
    fn a_voice_that_goes_on_places_the_rest() {
        let mut track = track(PARCEL, &PLACES);
        let at = track.heard(1_150).cut(PARCEL, 1_150);
        track.go_on_from(at);
        assert_eq!(&track.text()[at..], " is on its way, and arrives tomorrow.");
        assert_eq!(heard(&track, 1_150), None);
        track.place("is", 1_300, 1_500);
        assert_eq!(heard(&track, 1_150), Some("Your parcel"));
        assert_eq!(heard(&track, 1_400), Some("Your parcel"));
    }

    #[test]
    fn a_million_words_take_no_more_room_than_the_text() {
        let mut track = track("a b c", &[]);
        for n in 0..1_000_000 {
            track.place(if n % 2 == 0 { "a" } else { "b" }, n, n + 1);
        }
        assert_eq!(track.words.len(), 2);
        track.place("c", 0, 1);
        assert_eq!(track.words.len(), 2, "time does not go back");
    }
}
