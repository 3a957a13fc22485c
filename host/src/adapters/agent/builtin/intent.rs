//! What a caller of the demo agent wants, by the phrases of `host/demo/demo.jsgf`.

/// What the caller wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Intent {
    Greeting,
    Time,
    Date,
    Hours,
    /// Digits as they are to be read back: one by one.
    Order(String),
    OrderWithoutNumber,
    Repeat,
    Help,
    Human,
    Goodbye,
    /// Something else, or nothing that is known.
    Other,
}

const DIGITS: [(&str, &str); 11] = [
    ("zero", "0"),
    ("oh", "0"),
    ("one", "1"),
    ("two", "2"),
    ("three", "3"),
    ("four", "4"),
    ("five", "5"),
    ("six", "6"),
    ("seven", "7"),
    ("eight", "8"),
    ("nine", "9"),
];

impl Intent {
    /// The intent of some words. Case and punctuation do not matter.
    pub(super) fn of(heard: &str) -> Self {
        let words = Words::of(heard);
        // From the most to the least urgent: who asks for a person gets one, whatever else was said.
        if words.any(&["human", "operator", "representative"])
            || words.says("speak to") && words.any(&["person", "agent", "someone"])
            || words.says("talk to") && words.any(&["person", "agent", "someone"])
            || words.any(&["transfer", "connect"]) && words.says("me to")
        {
            Self::Human
        } else if words.any(&["goodbye", "bye"])
            || ["thank you", "that is all", "nothing else", "have a nice day", "no thanks"].iter().any(|p| words.says(p))
        {
            Self::Goodbye
        } else if words.says("what time do you") || words.any(&["open", "opening", "close"]) && !words.any(&["account"]) {
            Self::Hours
        } else if words.any(&["time"]) {
            Self::Time
        } else if words.says("what day") || words.any(&["date"]) {
            Self::Date
        } else if words.any(&["order", "parcel", "package", "delivery"]) {
            words.digits().map_or(Self::OrderWithoutNumber, Self::Order)
        } else if words.any(&["repeat", "again", "pardon"]) || words.says("what did you say") {
            Self::Repeat
        } else if words.any(&["help", "support"]) || words.says("what can") || words.says("main menu") {
            Self::Help
        } else if words.any(&["hello", "hi"]) || words.says("good morning") || words.says("good afternoon") {
            Self::Greeting
        } else {
            Self::Other
        }
    }
}

/// Words in lower case, each with a space on both sides.
struct Words(String);

impl Words {
    fn of(text: &str) -> Self {
        let kept = |c: char| c.is_alphanumeric() || c == '\'';
        let words = text.split(|c: char| !kept(c)).filter(|word| !word.is_empty()).map(str::to_lowercase);
        Self(words.fold(" ".to_owned(), |line, word| line + &word + " "))
    }

    fn says(&self, phrase: &str) -> bool {
        self.0.contains(&format!(" {phrase} "))
    }

    fn any(&self, words: &[&str]) -> bool {
        words.iter().any(|word| self.says(word))
    }

    /// All digits, written or spoken, with spaces between; none where there are none.
    fn digits(&self) -> Option<String> {
        let digit = |word: &str| match DIGITS.iter().find(|(spoken, _)| *spoken == word) {
            Some((_, digit)) => vec![(*digit).to_owned()],
            None if word.chars().all(|c| c.is_ascii_digit()) => word.chars().map(String::from).collect(),
            None => Vec::new(),
        };
        let digits: Vec<String> = self.0.split_whitespace().flat_map(digit).collect();
        (!digits.is_empty()).then(|| digits.join(" "))
    }
}
