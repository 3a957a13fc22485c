//! How a text is cut into the pieces that are spoken in one go.
//!
//! flite pushes its samples and cannot be suspended inside a sentence, so a piece is what one `handle` may synthesise.

/// A comma ends a clause only behind this many bytes: shorter pieces would sound chopped.
const COMMA_AFTER: usize = 60;
/// No clause is longer, whatever its punctuation.
const CLAUSE_MAX: usize = 160;

/// The clauses of a text in order, white space made single. A sentence's end, a comma behind enough words, or the
/// greatest length ends a clause; what is left at the end is one, too.
pub fn clauses(text: &str) -> Vec<String> {
    let (mut done, mut clause) = (Vec::new(), String::new());
    for word in text.split_whitespace().flat_map(pieces) {
        if !clause.is_empty() && clause.len() + 1 + word.len() > CLAUSE_MAX {
            done.push(std::mem::take(&mut clause));
        }
        if !clause.is_empty() {
            clause.push(' ');
        }
        clause.push_str(word);
        if ends_sentence(word) || (clause.len() >= COMMA_AFTER && word.ends_with([',', ';', ':'])) {
            done.push(std::mem::take(&mut clause));
        }
    }
    if !clause.is_empty() {
        done.push(clause);
    }
    done
}

/// A full stop behind a short word is rather an abbreviation ("Mr.", "St.").
fn ends_sentence(word: &str) -> bool {
    word.ends_with(['!', '?']) || (word.ends_with('.') && word.len() > 3)
}

/// A word that no clause could hold, cut into pieces at characters.
fn pieces(mut word: &str) -> impl Iterator<Item = &str> {
    std::iter::from_fn(move || {
        if word.is_empty() {
            return None;
        }
        let (piece, rest) = word.split_at(word.floor_char_boundary(CLAUSE_MAX));
        word = rest;
        Some(piece)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_are_clauses_and_abbreviations_are_not() {
        let cut = clauses("Hello Mr. Miller!  How are\nyou? Fine, thank you. And");
        assert_eq!(cut, ["Hello Mr. Miller!", "How are you?", "Fine, thank you.", "And"]);
    }

    #[test]
    fn comma_ends_a_clause_only_behind_enough_words() {
        let long = "the quick brown fox jumps over the lazy dog and runs far away,";
        assert_eq!(clauses(&format!("Well, {long} home")), [format!("Well, {long}").as_str(), "home"]);
    }

    #[test]
    fn no_clause_is_longer_than_the_greatest_length() {
        for text in ["word ".repeat(500), "é".repeat(1_000), "1".repeat(1_000)] {
            let cut = clauses(&text);
            assert!(cut.iter().all(|clause| clause.len() <= CLAUSE_MAX));
            let kept: usize = cut.iter().map(|clause| clause.replace(' ', "").len()).sum();
            assert_eq!(kept, text.replace(' ', "").len(), "nothing is lost");
        }
    }

    #[test]
    fn nothing_to_say_is_no_clause() {
        assert!(clauses(" \n\t").is_empty());
    }
}
