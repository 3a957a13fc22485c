//! Words that tell whether more comes, by language.

mod en;
mod es;
mod pt;

/// The words of one language. All in lower case.
#[derive(Debug)]
pub struct Lexicon {
    /// Sounds that keep the floor.
    pub(super) fillers: &'static [&'static str],
    /// Before what is meant begins.
    pub(super) leads: &'static [&'static str],
    /// A listener says these without wanting the floor, alone or together.
    pub(super) backchannels: &'static [&'static str],
    pub(super) greetings: &'static [&'static str],
    /// Something must come after these: conjunctions, prepositions, articles, auxiliaries, verbs without what they are about.
    pub(super) open: &'static [&'static str],
    /// Something must come after these two together.
    pub(super) open_pairs: &'static [(&'static str, &'static str)],
    /// Nothing need come after these two, though it must after the second alone.
    pub(super) closed_pairs: &'static [(&'static str, &'static str)],
    /// Questions begin so.
    pub(super) asks: &'static [&'static str],
    pub(super) ask_pairs: &'static [(&'static str, &'static str)],
    /// Questions that are whole with one word more.
    pub(super) asks_short: &'static [&'static str],
    /// Words of [`open`](Self::open) on which a question may end.
    pub(super) ends_question: &'static [&'static str],
    /// Clauses that begin so are halves.
    pub(super) conditions: &'static [&'static str],
    /// Answers are made of these.
    pub(super) answers: &'static [&'static str],
    /// ... and of these beside them.
    pub(super) with_answers: &'static [&'static str],
    /// "I", "it" and others of "yes I do".
    pub(super) reply_subjects: &'static [&'static str],
    /// "do", "haven't" and others of "no I haven't".
    pub(super) reply_verbs: &'static [&'static str],
    /// Words that give the floor away at the end.
    pub(super) polite: &'static [&'static str],
    pub(super) close_pairs: &'static [(&'static str, &'static str)],
    /// "and", "or": they close a list.
    pub(super) joins: &'static [&'static str],
    /// Numbers below a hundred as words.
    pub(super) numbers: &'static [(&'static str, u32)],
    /// What numbers are called.
    pub(super) number_cues: &'static [&'static str],
}

impl Lexicon {
    /// What a word counts.
    pub(super) fn number(&self, word: &str) -> Option<u32> {
        self.numbers.iter().find(|(known, _)| *known == word).map(|(_, number)| *number)
    }

    /// Words with their numbers in digits, and digits without gaps: `twenty two` and `22`, `five five` and `55` are the same.
    pub(super) fn with_digits(&self, words: Vec<String>) -> Vec<String> {
        let mut written: Vec<String> = Vec::with_capacity(words.len());
        // The last word is a ten, which a digit may complete.
        let mut ten: Option<u32> = None;
        let mut words = words.into_iter().peekable();
        while let Some(word) = words.next() {
            let follows = words.peek().and_then(|next| self.number(next)).is_some_and(|number| (1..10).contains(&number));
            if ten.is_some() && follows && self.joins.contains(&word.as_str()) {
                continue;
            }
            let number = self.number(&word);
            let digits = match (ten.take(), number) {
                (Some(tens), Some(ones @ 1..10)) => {
                    written.pop();
                    Some((tens + ones).to_string())
                }
                (_, Some(number)) => {
                    ten = (number >= 20 && number % 10 == 0).then_some(number);
                    Some(number.to_string())
                }
                (_, None) => word.bytes().all(|byte| byte.is_ascii_digit()).then(|| word.clone()),
            };
            written.push(digits.map_or(word, |digits| format!("#{digits}")));
        }
        join_digits(written)
    }

    /// The words of a language by its primary tag.
    pub(super) fn of(primary: &str) -> Option<&'static Self> {
        match primary {
            "en" => Some(&en::WORDS),
            "pt" => Some(&pt::WORDS),
            "es" => Some(&es::WORDS),
            _ => None,
        }
    }
}

/// Neighbouring numbers, which are marked with `#`, as one.
fn join_digits(words: Vec<String>) -> Vec<String> {
    let mut joined: Vec<String> = Vec::with_capacity(words.len());
    for word in words {
        match (joined.last_mut().filter(|last| last.starts_with('#')), word.strip_prefix('#')) {
            (Some(last), Some(digits)) => last.push_str(digits),
            _ => joined.push(word),
        }
    }
    joined
}
