//! How far two transcripts of the same voice are apart.

use crate::finish::plain_words;

/// Words of a transcript that are compared; nobody says more in a turn, and the work grows with their square.
const WORDS_MAX: usize = 256;

/// Counts of words, as they sound: case and punctuation mean nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Likeness {
    /// Words of the first.
    pub words: u32,
    /// Words of the second.
    pub others: u32,
    /// Words that have to be put in, left out or changed to make the second of the first (Levenshtein).
    pub edited: u32,
}

impl Likeness {
    /// Compares two transcripts, the first 256 words of each.
    pub fn of(first: &str, second: &str) -> Self {
        let [first, second] = [first, second].map(|text| {
            let mut words = plain_words(text);
            words.truncate(WORDS_MAX);
            words
        });
        let mut row: Vec<usize> = (0..=second.len()).collect();
        for (above, word) in first.iter().enumerate() {
            let mut diagonal = std::mem::replace(&mut row[0], above + 1);
            for (at, other) in second.iter().enumerate() {
                let changed = diagonal + usize::from(word != other);
                diagonal = row[at + 1];
                row[at + 1] = changed.min(diagonal + 1).min(row[at] + 1);
            }
        }
        let edited = row[second.len()];
        let [words, others, edited] = [first.len(), second.len(), edited].map(|count| u32::try_from(count).unwrap_or(u32::MAX));
        Self { words, others, edited }
    }

    /// Words edited to words of the first; of nothing heard, to one.
    pub fn distance(self) -> f64 {
        f64::from(self.edited) / f64::from(self.words.max(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_and_punctuation_mean_nothing_and_words_count_once() {
        for (first, second, edited) in [
            ("", "", 0),
            ("What time is it?", "what time, is it", 0),
            ("what time is it", "what dime is it", 1),
            ("what time is it", "time is it", 1),
            ("time is it", "what time is it", 1),
            ("", "hello there", 2),
            ("hello there", "", 2),
            ("a b c d", "d c b a", 4),
            ("a b c", "x a b c", 1),
        ] {
            let likeness = Likeness::of(first, second);
            assert_eq!(likeness.edited, edited, "{first:?} {second:?}");
            assert_eq!(Likeness::of(second, first).edited, edited, "either way");
        }
        assert!((Likeness::of("a b c d", "a b").distance() - 0.5).abs() < 1e-9);
        assert!((Likeness::of("", "a b").distance() - 2.0).abs() < 1e-9);
    }

    #[test]
    fn no_transcript_is_too_long() {
        let long = "word ".repeat(10_000);
        assert_eq!(Likeness::of(&long, ""), Likeness { words: 256, others: 0, edited: 256 });
    }
}
