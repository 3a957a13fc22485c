//! A guess from the words alone whether a caller who has paused has finished.
//!
//! Words at the end of what was heard so far tell much: nobody ends on "and", a question that is whole wants its answer, a number of
//! five digits wants more. This is a small reading of our own, by lists and a few rules, in English, Portuguese and Spanish; what it is
//! worth is measured beside it. It reads masked text only, and is wrong now and then: [`pause`](crate::pause) knows how often.

mod lexicon;

use crate::tenant::primary_language;
use lexicon::Lexicon;

/// What the words say about the end of a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Guess {
    /// Nothing to judge by: no word yet, a greeting, or a language that is not known here.
    Unknown,
    /// A whole question, an answer, a thank-you: hardly anybody goes on after it.
    Settled,
    /// It could stand alone.
    Whole,
    /// A list that its last "and" has not closed.
    Listing,
    /// A number that is being dictated.
    Number,
    /// It ends on a word after which something must come, or on a sound that keeps the floor.
    Open,
}

impl Guess {
    /// Whether the turn may be over as far as the words go.
    pub fn is_finished(self) -> bool {
        match self {
            Self::Settled | Self::Whole => true,
            Self::Unknown | Self::Listing | Self::Number | Self::Open => false,
        }
    }
}

/// Who guesses. Another one, a model that listens for instance, is another variant.
#[derive(Clone, Copy, Debug)]
pub enum Judge {
    /// Reads the words, in a language that it knows.
    Reader(&'static Lexicon),
    /// Knows nothing.
    Silent,
}

/// Sounds that one listener writes and the next does not.
const HESITATIONS: &[&str] = &["um", "uh", "uhm", "er", "erm", "ah", "eh", "hm", "hmm", "mm", "ahn"];
/// Sounds of listening, in every language.
const LISTENING: &[&str] =
    &["mm", "mmm", "mhm", "mm-hm", "mm-hmm", "mhmm", "hm", "hmm", "uh-huh", "aha", "ah", "oh", "ok", "okay"];
/// Who says more of them says something.
const BACKCHANNEL_WORDS: usize = 3;
/// So many words at the start may be greetings, fillers or "so" before what is meant begins.
const LEADS_MAX: usize = 4;
/// A number of so many digits is whole: telephone numbers with their area code have nine and more.
const NUMBER_DIGITS: usize = 9;
/// A stretch of digits in so few is a quantity, a time or a year.
const QUANTITY_DIGITS: usize = 2;
/// So many words before a number may say what kind of number it is ("my order number is").
const CUE_WORDS: usize = 6;
/// No answer that is one word after another of the answers' list is longer.
const ANSWER_WORDS: usize = 6;
/// Things in a list are named in so few words.
const ITEM_WORDS: usize = 3;
/// A condition of so few words is only its own half ("if I pay today").
const CONDITION_WORDS: usize = 5;

impl Judge {
    /// For calls in a language (BCP 47).
    pub fn of(language: &str) -> Self {
        Lexicon::of(&primary_language(language).to_lowercase()).map_or(Self::Silent, Self::Reader)
    }

    /// Whether two readings of what was said differ in more than writing: capitals, punctuation, hesitation, numbers as words or digits.
    pub fn differ(self, a: &str, b: &str) -> bool {
        self.meaning(a) != self.meaning(b)
    }

    fn meaning(self, text: &str) -> Vec<String> {
        let words = plain_words(text).into_iter().filter(|word| !HESITATIONS.contains(&word.as_str())).collect();
        match self {
            Self::Reader(lexicon) => lexicon.with_digits(words),
            Self::Silent => words,
        }
    }

    /// Whether words are no more than the sounds by which a listener says that it listens ("mm-hm", "yeah, okay").
    pub fn is_backchannel(self, words: &str) -> bool {
        let words = plain_words(words);
        let known = |word: &str| match self {
            Self::Reader(lexicon) => lexicon.backchannels.contains(&word),
            Self::Silent => false,
        };
        (1..=BACKCHANNEL_WORDS).contains(&words.len())
            && words.iter().all(|word| LISTENING.contains(&word.as_str()) || known(word))
    }

    /// Judges all of a turn's words so far.
    pub fn guess(self, words: &str) -> Guess {
        match self {
            Self::Reader(lexicon) => Reading::new(lexicon, words).guess(),
            Self::Silent => Guess::Unknown,
        }
    }
}

/// Words as they are compared: lower case, without punctuation around them.
pub(crate) fn plain_words(text: &str) -> Vec<String> {
    let words = text.split_whitespace().map(|word| {
        let word = word.trim_matches(|c: char| !c.is_alphanumeric() && !matches!(c, '[' | ']' | '$' | '€' | '%'));
        word.to_lowercase().replace('’', "'")
    });
    words.filter(|word| !word.is_empty()).collect()
}

struct Reading<'a> {
    lexicon: &'static Lexicon,
    text: &'a str,
    words: Vec<String>,
}

impl<'a> Reading<'a> {
    fn new(lexicon: &'static Lexicon, text: &'a str) -> Self {
        Self { lexicon, text: text.trim(), words: plain_words(text) }
    }

    fn guess(&self) -> Guess {
        let Some(last) = self.words.last() else { return Guess::Unknown };
        if matches!(last.as_str(), "[card]" | "[cvv]") {
            return Guess::Settled;
        }
        if let Some(guess) = self.number() {
            return guess;
        }
        match self.text.chars().next_back() {
            Some('?') => return Guess::Settled,
            _ if self.lists() => return Guess::Listing,
            Some(',' | ';' | ':' | '-' | '–' | '—' | '…') => return Guess::Open,
            _ => {}
        }
        let core = self.core();
        if core.is_empty() {
            return if self.lexicon.fillers.contains(&last.as_str()) { Guess::Open } else { Guess::Unknown };
        }
        if self.is_answer() || self.is_short_reply(core) {
            return Guess::Settled;
        }
        if self.ends_open(core) {
            return Guess::Open;
        }
        if self.asks(core) || self.closes() {
            return Guess::Settled;
        }
        Guess::Whole
    }

    /// What is left when greetings and fillers at the start are taken away.
    fn core(&self) -> &[String] {
        let is_lead = |word: &&String| {
            let word = word.as_str();
            [self.lexicon.greetings, self.lexicon.fillers, self.lexicon.leads].iter().any(|list| list.contains(&word))
        };
        let leads = self.words.iter().take(LEADS_MAX).take_while(is_lead).count();
        &self.words[leads..]
    }

    fn last_pair(&self) -> (&str, &str) {
        let [.., before, last] = self.words.as_slice() else { return ("", "") };
        (before, last)
    }

    /// A stretch of digits at the end.
    fn number(&self) -> Option<Guess> {
        if self.words.last().is_some_and(|word| word == "[digits]") {
            return Some(Guess::Number);
        }
        let run = self.words.iter().rev().map_while(|word| self.digits_of(word));
        let (words, digits) = run.fold((0, 0), |(words, digits), more| (words + 1, digits + more));
        let before = &self.words[..self.words.len() - words];
        let cue = before.iter().rev().take(CUE_WORDS).any(|word| self.lexicon.number_cues.contains(&word.as_str()));
        match digits {
            0 => None,
            NUMBER_DIGITS.. => Some(Guess::Whole),
            _ if cue => Some(Guess::Number),
            // An article that is a digit as well.
            1..=QUANTITY_DIGITS => None,
            _ if words > 1 => Some(Guess::Number),
            // `1999`, `4711`: one word to the listener.
            _ => Some(Guess::Whole),
        }
    }

    fn digits_of(&self, word: &str) -> Option<usize> {
        if self.lexicon.number(word).is_some_and(|number| number < 10) {
            return Some(1);
        }
        let digits = word.bytes().filter(u8::is_ascii_digit).count();
        let plain = word.chars().all(|c| c.is_ascii_digit() || matches!(c, '-' | '.' | '/'));
        (digits > 0 && plain).then_some(digits)
    }

    /// Nothing but words that answer.
    fn is_answer(&self) -> bool {
        let Lexicon { answers, with_answers, polite, .. } = self.lexicon;
        let says = |word: &String| answers.contains(&word.as_str());
        let fits = |word: &String| says(word) || [with_answers, polite].iter().any(|list| list.contains(&word.as_str()));
        self.words.len() <= ANSWER_WORDS && self.words.iter().all(fits) && self.words.iter().any(says)
    }

    /// "Yes I do", "no we haven't", "it is".
    fn is_short_reply(&self, core: &[String]) -> bool {
        let [start @ .., subject, verb] = core else { return false };
        let yes_or_no = start.iter().all(|word| self.lexicon.answers.contains(&word.as_str()));
        start.len() <= 2
            && yes_or_no
            && (!start.is_empty() || self.words.len() == 2)
            && self.lexicon.reply_subjects.contains(&subject.as_str())
            && self.lexicon.reply_verbs.contains(&verb.as_str())
    }

    /// Something must come after the last word, or before the first half of a condition is any use.
    fn ends_open(&self, core: &[String]) -> bool {
        let (before, last) = self.last_pair();
        let last = if last.is_empty() { self.words[0].as_str() } else { last };
        if self.lexicon.closed_pairs.contains(&(before, last)) {
            return false;
        }
        if self.lexicon.open_pairs.contains(&(before, last)) || self.lexicon.fillers.contains(&last) {
            return true;
        }
        if self.lexicon.open.contains(&last) {
            return !(self.asks(core) && self.lexicon.ends_question.contains(&last));
        }
        let [first, second, more @ ..] = core else { return false };
        if self.lexicon.ask_pairs.contains(&(first.as_str(), second.as_str())) {
            return more.is_empty();
        }
        core.len() <= CONDITION_WORDS && self.lexicon.conditions.contains(&first.as_str())
    }

    /// A question from its first word on, of three words at least: "what", "can you" are no questions yet.
    fn asks(&self, core: &[String]) -> bool {
        let starts = |words: &[String]| match words {
            [first, second, _, ..] => {
                self.lexicon.asks.contains(&first.as_str()) || self.lexicon.ask_pairs.contains(&(first.as_str(), second.as_str()))
            }
            [first, _] => self.lexicon.asks_short.contains(&first.as_str()),
            _ => false,
        };
        starts(core)
    }

    /// Ends on words that give the floor away.
    fn closes(&self) -> bool {
        let (before, last) = self.last_pair();
        self.lexicon.polite.contains(&last) || self.lexicon.close_pairs.contains(&(before, last))
    }

    /// Short things between commas, and the last of them not after an "and".
    fn lists(&self) -> bool {
        let mut items = self.text.trim_end_matches(',').split(',').rev().map(plain_words);
        let Some(last) = items.next() else { return false };
        let closed = last.first().is_some_and(|first| self.lexicon.joins.contains(&first.as_str()));
        let open_end = self.text.ends_with(',');
        let earlier = items.count();
        !closed && last.len() <= ITEM_WORDS && (earlier >= 2 || (open_end && earlier >= 1))
    }
}

#[cfg(test)]
pub(crate) mod tests;
