use super::*;
use std::collections::BTreeMap;
use toml::{Table, Value};

/// The labelled ends, by language.
pub(crate) fn labelled() -> BTreeMap<String, Labelled> {
    let table: Table = include_str!("../../fixtures/turn-ends.toml").parse().unwrap();
    let words = |labelled: &Value, label: &str| {
        labelled[label].as_array().unwrap().iter().map(|words| words.as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let of = |labelled: &Value| {
        let [whole, open, on] = ["whole", "open", "on"].map(|label| words(labelled, label));
        Labelled { whole, open, on }
    };
    table.iter().map(|(language, labelled)| (language.clone(), of(labelled))).collect()
}

/// Ends of one language; see the fixture.
pub(crate) struct Labelled {
    pub(crate) whole: Vec<String>,
    pub(crate) open: Vec<String>,
    pub(crate) on: Vec<String>,
}

impl Labelled {
    fn all(&self) -> [(&'static str, &Vec<String>); 3] {
        [("whole", &self.whole), ("open", &self.open), ("on", &self.on)]
    }
}

fn guess(language: &str, words: &str) -> Guess {
    Judge::of(language).guess(words)
}

/// Shares of the guesses, in percent: settled, whole, unknown, held (a list, a number or an open end).
fn shares(language: &str, words: &[&String]) -> [usize; 4] {
    let mut counts = [0; 4];
    for words in words {
        let at = match guess(language, words) {
            Guess::Settled => 0,
            Guess::Whole => 1,
            Guess::Unknown => 2,
            Guess::Listing | Guess::Number | Guess::Open => 3,
        };
        counts[at] += 1;
    }
    counts.map(|count| count * 100 / words.len().max(1))
}

#[test]
fn ends_are_guessed_as_they_are_labelled() {
    println!("language label part: settled whole unknown held, in percent");
    for (language, labelled) in labelled() {
        assert!(labelled.whole.len() + labelled.open.len() + labelled.on.len() >= 120, "{language}");
        for (label, words) in labelled.all() {
            let parts =
                [("seen", 0), ("unseen", 1)].map(|(part, from)| (part, words.iter().skip(from).step_by(2).collect::<Vec<_>>()));
            for (part, words) in parts {
                let [settled, whole, unknown, held] = shares(&language, &words);
                println!("{language} {label:<5} {part:<6} ({:>2}): {settled:>3} {whole:>3} {unknown:>3} {held:>3}", words.len());
                let _ = unknown;
                match label {
                    "whole" => assert!(settled + whole >= 90, "{language} {part}"),
                    "open" => assert!(held >= 85, "{language} {part}"),
                    _ => assert!(settled <= 15 && whole >= 60, "{language} {part}"),
                }
            }
            for words in words {
                let guess = guess(&language, words);
                let wrong = match label {
                    "whole" => !guess.is_finished(),
                    "open" => guess.is_finished(),
                    _ => guess == Guess::Settled,
                };
                if wrong {
                    println!("    {guess:?}: {words}");
                }
            }
        }
    }
}

#[test]
fn words_are_read_by_rules() {
    use Guess::{Listing, Number, Open, Settled, Unknown, Whole};
    for (language, words, expected) in [
        ("en", "", Unknown),
        ("en", " ... ", Unknown),
        ("en", "good morning", Unknown),
        ("en", "hello um", Open),
        // What a listener that punctuates knows better.
        ("en", "You shipped it on Monday?", Settled),
        ("en", "You shipped it on Monday.", Whole),
        ("en", "you shipped it,", Open),
        ("en", "you shipped it…", Open),
        // Lists.
        ("en", "i need milk, eggs, bread", Listing),
        ("en", "i need milk, eggs, and bread", Whole),
        ("en", "i need milk, eggs,", Listing),
        ("es", "necesito leche, huevos, pan", Listing),
        ("es", "necesito leche, huevos y pan", Whole),
        ("pt", "temos leite, ovos, pão", Listing),
        ("pt", "temos leite, ovos e pão", Whole),
        ("en", "i called yesterday, and nobody who was there could help", Whole),
        // Numbers.
        ("en", "it is five five one", Number),
        ("en", "it is 555 12", Number),
        ("en", "it is 555-123-4567", Whole),
        ("en", "it is five five five one two three four five six seven", Whole),
        ("en", "my order number is 12", Number),
        ("en", "two tickets for 12", Whole),
        ("en", "it was in 1999", Whole),
        ("en", "it is 12:30", Whole),
        ("en", "that would be 20%", Whole),
        ("en", "it is [digits]", Number),
        ("en", "it is [card]", Settled),
        ("pt", "é um um nove", Number),
        ("pt", "quero um", Open),
        ("es", "mi número es cinco cinco", Number),
        ("es", "es cinco cinco uno", Number),
        // What joins more to it.
        ("en", "i want a table and", Open),
        ("pt", "quero uma mesa e", Open),
        ("es", "quiero una mesa y", Open),
        // Answers, and what only looks like one.
        ("en", "yes we do", Settled),
        ("en", "no i can't", Settled),
        ("en", "it is", Settled),
        ("en", "so it is", Open),
        ("en", "because we do", Open),
        ("en", "no thank you that's all", Settled),
        ("en", "you", Whole),
        ("en", "thank you", Settled),
        // Words that end a question and no statement.
        ("en", "who am i talking to", Settled),
        ("en", "i am talking to", Open),
        ("es", "qué hora es", Settled),
        ("pt", "que horas são", Settled),
        ("es", "mi número es", Open),
        ("en", "what", Open),
        ("en", "can you", Open),
        // Halves.
        ("en", "if it rains", Open),
        ("en", "when will it come", Settled),
        ("fr", "je voudrais un", Unknown),
    ] {
        assert_eq!(guess(language, words), expected, "{language}: {words}");
    }
}

#[test]
fn sounds_of_listening_are_known_by_their_language() {
    for (language, words, expected) in [
        ("en", "aha", true),
        ("en", "Aha, I see.", true),
        ("en", "aha wait", false),
        ("es", "ajá, sí", true),
        ("es", "Ajá, claro, vale.", true),
        ("es", "ajá, pero no", false),
        ("pt", "aham, tá", true),
        ("pt", "aham, mas não", false),
        ("en", "ajá, sí", false),
        // What is said everywhere is known where nothing else is.
        ("fr", "mm-hm", true),
        ("fr", "oui", false),
        ("en", "", false),
    ] {
        assert_eq!(Judge::of(language).is_backchannel(words), expected, "{language}: {words}");
    }
}

#[test]
fn two_readings_differ_in_what_was_said_only() {
    for (language, a, b, differ) in [
        ("en", "Yes, please!", "yes please", false),
        ("en", "um it's uh nine", "It’s 9.", false),
        ("en", "twenty one", "21", false),
        ("en", "twenty one", "20", true),
        ("en", "five five five one", "5551", false),
        ("en", "five five five one", "555", true),
        ("en", "twenty and one", "21", false),
        ("pt", "vinte e dois", "22", false),
        ("es", "treinta y cinco años", "35 años", false),
        ("es", "treinta y cinco años", "30 y 5 años", true),
        ("de", "Ja, bitte.", "ja bitte", false),
        ("en", "the red one", "the red two", true),
        ("en", "no", "now", true),
        ("en", "", "um", false),
    ] {
        assert_eq!(Judge::of(language).differ(a, b), differ, "{language}: {a} / {b}");
    }
}
