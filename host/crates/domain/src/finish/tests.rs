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
