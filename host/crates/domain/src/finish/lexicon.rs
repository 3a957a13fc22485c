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
    /// "I", "it" and others of "yes I do".
    pub(super) reply_subjects: &'static [&'static str],
    /// "do", "haven't" and others of "no I haven't".
    pub(super) reply_verbs: &'static [&'static str],
    /// Words that give the floor away at the end.
    pub(super) polite: &'static [&'static str],
    pub(super) close_pairs: &'static [(&'static str, &'static str)],
    /// "and", "or": they close a list.
    pub(super) joins: &'static [&'static str],
    /// Single digits as words.
    pub(super) digits: &'static [&'static str],
    /// What numbers are called.
    pub(super) number_cues: &'static [&'static str],
}

impl Lexicon {
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
