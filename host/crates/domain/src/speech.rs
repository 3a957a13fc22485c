//! From an answer that streams in to clauses that can be spoken, and how far a voice was heard.

mod track;

pub use track::{Extent, Track};

/// The first clause may be cut at a word from so many characters on: the caller waits for it.
const FIRST_CHARS_MIN: usize = 25;
/// No clause is longer, unless a single word, number or piece of markup is.
const CLAUSE_CHARS_MAX: usize = 240;
/// What is still open after so many bytes is no markup, and must not hold the text back for ever.
const MARKUP_BYTES_MAX: usize = 240;
/// Lower case, with their dots. A full stop after one of them ends no sentence.
const ABBREVIATIONS: &[&str] = &[
    "mr.", "mrs.", "ms.", "dr.", "prof.", "sr.", "jr.", "st.", "mt.", "no.", "nr.", "vs.", "e.g.", "i.e.", "etc.", "approx.",
    "ext.", "tel.", "dept.", "inc.", "ltd.", "co.", "a.m.", "p.m.", "u.s.", "u.k.", "jan.", "feb.", "mar.", "apr.", "jun.",
    "jul.", "aug.", "sep.", "sept.", "oct.", "nov.", "dec.",
];

/// How fast voices speak, in characters a second: about 150 English words a minute.
const CHARS_PER_S: u64 = 15;

/// Where in `text` a voice is after `spoken_ms`, in bytes, moved back to the beginning of the word it is in. An estimate: 15 characters a second.
pub fn spoken_to(text: &str, spoken_ms: u64) -> usize {
    let chars = spoken_ms.saturating_mul(CHARS_PER_S) / 1_000;
    let Some((at, _)) = usize::try_from(chars).ok().and_then(|chars| text.char_indices().nth(chars)) else { return text.len() };
    let whole_word = text[at..].starts_with(char::is_whitespace);
    if whole_word { at } else { text[..at].rfind(char::is_whitespace).unwrap_or(0) }
}

/// Cuts an answer into pieces for the speaker: the first as early as it can be spoken well (a clause, or a few words), then
/// whole sentences. Never cuts inside a word, a number ("3.5", "10 000") or markup (`<break time="1s"/>`), nor after an abbreviation ("Dr. Smith").
#[derive(Clone, Debug, Default)]
pub struct ClauseSplitter {
    rest: String,
    begun: bool,
}

impl ClauseSplitter {
    /// A splitter at the start of an answer.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next piece of the answer, of any length, and gives the clauses that are now complete, trimmed and not empty.
    pub fn push(&mut self, text: &str) -> Vec<String> {
        self.rest.push_str(text);
        let mut clauses = Vec::new();
        while let Some(end) = self.next_cut() {
            let tail = self.rest.split_off(end);
            let clause = std::mem::replace(&mut self.rest, tail);
            self.give(&clause, &mut clauses);
        }
        clauses
    }

    /// The answer is complete: gives what is left. The splitter is then at the start of another answer.
    pub fn finish(&mut self) -> Vec<String> {
        // The last boundary was waiting for the character after it.
        let mut clauses = self.push("\n");
        let rest = std::mem::take(&mut self.rest);
        self.give(&rest, &mut clauses);
        self.begun = false;
        clauses
    }

    /// The answer breaks off: gives what is left of it up to its last clause. What comes after that is half of something, which says nothing. The
    /// splitter is then at the start of another answer.
    pub fn break_off(&mut self) -> Vec<String> {
        // The last boundary was waiting for the character after it.
        let whole = self.rest.trim_end().ends_with(['.', '!', '?', '…', ',', ';', ':']);
        let mut clauses = self.push(if whole { "\n" } else { " " });
        let rest = std::mem::take(&mut self.rest);
        let all = Boundaries { text: &rest, chars: rest.char_indices() };
        if let Some(last) = all.filter(|boundary| boundary.ends >= Ends::Clause).last() {
            self.give(&rest[..last.at], &mut clauses);
        }
        self.begun = false;
        clauses
    }

    fn give(&mut self, clause: &str, clauses: &mut Vec<String>) {
        let clause = clause.trim();
        if !clause.is_empty() {
            self.begun = true;
            clauses.push(clause.to_owned());
        }
    }

    /// Where the next clause ends, in bytes.
    fn next_cut(&self) -> Option<usize> {
        let rest = self.rest.as_str();
        let boundaries = || Boundaries { text: rest, chars: rest.char_indices() };
        if rest.trim().is_empty() {
            return None;
        }
        if let Some(boundary) =
            boundaries().find(|boundary| boundary.ends >= if self.begun { Ends::Sentence } else { Ends::Clause })
        {
            return (chars_before(rest, boundary.at) <= CLAUSE_CHARS_MAX).then_some(boundary.at).or_else(|| self.forced_cut());
        }
        if !self.begun {
            return boundaries().find(|boundary| chars_before(rest, boundary.at) >= FIRST_CHARS_MIN).map(|boundary| boundary.at);
        }
        (rest.chars().count() > CLAUSE_CHARS_MAX).then(|| self.forced_cut()).flatten()
    }

    /// The best place to cut a stretch that is too long: its last clause, else its last word, else the first place there is.
    fn forced_cut(&self) -> Option<usize> {
        let rest = self.rest.as_str();
        let all: Vec<Boundary> = Boundaries { text: rest, chars: rest.char_indices() }.collect();
        let fits = |boundary: &&Boundary| chars_before(rest, boundary.at) <= CLAUSE_CHARS_MAX;
        let clause = all.iter().filter(fits).rfind(|boundary| boundary.ends >= Ends::Clause);
        clause.or_else(|| all.iter().rfind(fits)).or_else(|| all.first()).map(|boundary| boundary.at)
    }
}

fn chars_before(text: &str, at: usize) -> usize {
    text[..at].trim().chars().count()
}

/// What ends at a place where a text may be cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Ends {
    Word,
    Clause,
    Sentence,
}

struct Boundary {
    /// Byte offset behind the white space.
    at: usize,
    ends: Ends,
}

/// The places between words, each known only once the character after the white space is: "10" may go on as "10 000".
struct Boundaries<'a> {
    text: &'a str,
    chars: std::str::CharIndices<'a>,
}

impl Iterator for Boundaries<'_> {
    type Item = Boundary;

    fn next(&mut self) -> Option<Boundary> {
        loop {
            let (start, space) = self.chars.find(|(_, c)| c.is_whitespace())?;
            let before = self.text[..start].trim_end();
            let after = self.text[start..].trim_start();
            if before.is_empty() || is_within_markup(before) {
                continue;
            }
            let Some(next) = after.chars().next() else {
                // Nothing follows yet; only a line's end is certain to stay a boundary.
                return (space == '\n').then_some(Boundary { at: self.text.len(), ends: Ends::Sentence });
            };
            let at = self.text.len() - after.len();
            self.chars = self.text.char_indices();
            self.chars.find(|(index, c)| index + c.len_utf8() >= at);
            let gap = &self.text[start..at];
            if let Some(ends) = ends(before, gap, next) {
                return Some(Boundary { at, ends });
            }
        }
    }
}

/// What ends between `before` and `next`, or none where the two belong together.
fn ends(before: &str, gap: &str, next: char) -> Option<Ends> {
    if gap.contains('\n') {
        return Some(Ends::Sentence);
    }
    let word = before.rsplit(char::is_whitespace).next().unwrap_or(before);
    let last = word.trim_end_matches(['"', '\'', ')', ']', '”', '’', '»']).chars().next_back()?;
    match last {
        '.' if is_abbreviation(word) => None,
        '.' | '!' | '?' | '…' | '。' => Some(Ends::Sentence),
        ',' | ';' | ':' | '–' | '—' => Some(Ends::Clause),
        _ if last.is_ascii_digit() && next.is_ascii_digit() => None,
        _ => Some(Ends::Word),
    }
}

/// Whether SSML is open at the end of `before`. "a < b" opens none.
fn is_within_markup(before: &str) -> bool {
    let Some((_, markup)) = before.rsplit_once('<') else { return false };
    markup.starts_with(|c: char| c.is_alphabetic() || c == '/') && !markup.contains('>') && markup.len() <= MARKUP_BYTES_MAX
}

fn is_abbreviation(word: &str) -> bool {
    let word = word.trim_start_matches(['(', '"', '\'', '[']).to_lowercase();
    let initial = word.chars().count() == 2 && word.chars().next().is_some_and(char::is_alphabetic);
    initial || ABBREVIATIONS.contains(&word.as_str())
}

#[cfg(test)]
mod tests;
