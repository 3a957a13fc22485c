//! English.

use super::Lexicon;

#[rustfmt::skip]
pub(super) static WORDS: Lexicon = Lexicon {
    fillers: &["um", "uh", "uhm", "erm", "er", "ah", "eh", "hm", "hmm", "mm", "mhm", "like", "basically"],
    leads: &["so", "well", "okay", "ok", "alright", "and", "but", "oh", "yeah", "please", "now", "then", "listen", "look", "actually", "sorry"],
    backchannels: &["yeah", "yep", "yes", "right", "sure", "i", "see", "got", "it", "alright", "cool", "great", "huh"],
    greetings: &["hi", "hello", "hey", "good", "morning", "afternoon", "evening", "there"],
    open: &[
        "a", "an", "the", "my", "your", "his", "our", "their", "its", "another", "every", "each", "any", "some", "whose",
        "and", "or", "but", "because", "cause", "if", "whether", "while", "until", "till", "unless", "although", "though", "since", "as", "than",
        "who", "which", "when", "where", "why", "how", "what", "so", "well",
        "to", "of", "in", "on", "at", "with", "from", "for", "about", "into", "through", "between", "under", "over", "during", "without", "against", "towards",
        "toward", "by", "per", "off", "up", "via",
        "is", "are", "was", "were", "am", "be", "been", "being", "has", "have", "had", "having", "do", "does", "did", "can", "could", "will", "would",
        "shall", "should", "may", "might", "must", "gonna", "wanna", "gotta", "going",
        "isn't", "aren't", "wasn't", "weren't", "hasn't", "haven't", "hadn't", "don't", "doesn't", "didn't", "can't", "couldn't", "won't", "wouldn't",
        "shouldn't", "not",
        "i", "he", "she", "we", "they", "i'm", "you're", "he's", "she's", "it's", "we're", "they're", "there's", "that's", "what's", "who's", "i've", "you've",
        "we've", "they've", "i'd", "you'd", "he'd", "she'd", "we'd", "they'd", "i'll", "you'll", "he'll", "she'll", "we'll", "they'll", "let's",
        "very", "really", "just", "quite", "too", "rather", "last", "next", "other", "same", "need", "want", "get", "getting", "wondering", "trying",
        "dot", "underscore", "dash", "hyphen", "slash", "double", "triple",
    ],
    open_pairs: &[
        ("if", "you"), ("if", "it"), ("whether", "you"), ("whether", "it"), ("because", "you"), ("because", "it"), ("but", "you"), ("but", "it"),
        ("and", "you"), ("and", "it"), ("when", "you"), ("when", "it"), ("that", "you"), ("that", "it"), ("so", "you"), ("so", "it"),
        ("me", "that"), ("is", "that"), ("said", "that"), ("says", "that"), ("think", "that"), ("thought", "that"), ("know", "that"), ("so", "that"),
        ("sure", "that"), ("time", "that"), ("one", "that"), ("see", "that"), ("found", "that"), ("noticed", "that"), ("person", "that"),
        ("tell", "me"), ("give", "me"), ("show", "me"), ("send", "me"), ("let", "me"), ("help", "me"), ("a", "few"), ("a", "new"), ("kind", "of"), ("sort", "of"),
        ("you", "know"), ("i", "mean"), ("is", "this"), ("be", "possible"),
    ],
    closed_pairs: &[
        ("think", "so"), ("hope", "so"), ("believe", "so"), ("guess", "so"), ("rather", "not"), ("probably", "not"), ("course", "not"), ("why", "not"),
        ("hope", "not"), ("certainly", "not"), ("or", "not"), ("not", "really"), ("very", "well"), ("know", "how"), ("know", "why"), ("don't", "know"),
        ("log", "in"), ("sign", "in"), ("come", "in"), ("check", "in"), ("log", "on"), ("turn", "on"), ("go", "on"), ("hold", "on"), ("hang", "on"),
        ("sign", "up"), ("hang", "up"), ("pick", "up"), ("turn", "off"), ("drop", "off"), ("me", "too"), ("the", "other"), ("the", "same"), ("the", "last"),
        ("you", "want"), ("want", "to"),
    ],
    asks: &["what", "what's", "where", "where's", "when", "when's", "who", "who's", "why", "how", "how's", "which", "whose"],
    ask_pairs: &[
        ("can", "you"), ("can", "i"), ("can", "we"), ("could", "you"), ("could", "i"), ("could", "we"), ("would", "you"), ("will", "you"), ("will", "it"),
        ("will", "i"), ("may", "i"), ("should", "i"), ("shall", "i"), ("do", "you"), ("do", "i"), ("do", "we"), ("do", "they"), ("does", "it"), ("does", "the"),
        ("does", "that"), ("does", "this"), ("did", "you"), ("did", "i"), ("did", "it"), ("is", "it"), ("is", "there"), ("is", "the"), ("is", "that"),
        ("is", "this"), ("is", "my"), ("are", "you"), ("are", "there"), ("are", "they"), ("are", "the"), ("was", "it"), ("was", "the"), ("have", "you"),
        ("has", "it"), ("has", "my"), ("have", "i"), ("isn't", "it"), ("can't", "you"), ("can't", "i"), ("don't", "you"),
        ("when", "will"), ("when", "do"), ("when", "does"), ("when", "did"), ("when", "is"), ("when", "are"), ("when", "can"), ("when", "should"),
    ],
    asks_short: &["why", "who's", "what's", "where's"],
    ends_question: &[
        "to", "from", "for", "about", "with", "in", "on", "at", "like", "do", "is", "are", "was", "have", "want", "need", "get", "up", "off", "going", "am",
        "next", "last", "other",
    ],
    conditions: &["if", "when", "because", "since", "while", "after", "before", "although", "unless"],
    answers: &[
        "yes", "yeah", "yep", "yup", "no", "nope", "nah", "sure", "right", "correct", "exactly", "okay", "ok", "alright", "fine", "perfect", "great",
        "absolutely", "definitely", "certainly", "course", "really", "all", "true", "thanks", "thank", "goodbye", "bye", "never", "maybe", "neither", "both",
        "agreed", "good", "nothing",
    ],
    with_answers: &[
        "of", "it", "is", "that's", "you", "not", "else", "got", "very", "much", "for",
    ],
    reply_subjects: &["i", "you", "he", "she", "it", "we", "they", "that", "there"],
    reply_verbs: &[
        "do", "does", "did", "am", "is", "are", "was", "were", "have", "has", "had", "can", "could", "will", "would", "should", "don't", "doesn't", "didn't",
        "isn't", "aren't", "wasn't", "weren't", "haven't", "hasn't", "hadn't", "can't", "couldn't", "won't", "wouldn't", "shouldn't",
    ],
    polite: &["please", "thanks", "bye", "goodbye", "cheers"],
    close_pairs: &[("thank", "you"), ("very", "much"), ("that's", "all"), ("that's", "it"), ("is", "all"), ("isn't", "it")],
    joins: &["and", "or"],
    numbers: &[
        ("zero", 0), ("oh", 0), ("one", 1), ("two", 2), ("three", 3), ("four", 4), ("five", 5), ("six", 6), ("seven", 7), ("eight", 8), ("nine", 9), ("ten", 10),
        ("eleven", 11), ("twelve", 12), ("thirteen", 13), ("fourteen", 14), ("fifteen", 15), ("sixteen", 16), ("seventeen", 17), ("eighteen", 18), ("nineteen", 19),
        ("twenty", 20), ("thirty", 30), ("forty", 40), ("fifty", 50), ("sixty", 60), ("seventy", 70), ("eighty", 80), ("ninety", 90),
    ],
    number_cues: &["number", "code", "pin", "phone", "zip", "address", "digits", "extension", "reference"],
};
