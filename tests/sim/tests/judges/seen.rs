//! What a driver said that its SDK let the application see.

use serde_json::Value;
use std::fmt;
use std::str::FromStr;

/// Lines of `tests/judges/judge.py`, in order.
#[derive(Debug)]
pub(crate) struct Seen(Vec<Value>);

impl FromStr for Seen {
    type Err = serde_json::Error;

    fn from_str(said: &str) -> Result<Self, Self::Err> {
        said.lines().map(serde_json::from_str).collect::<Result<_, _>>().map(Self)
    }
}

impl Seen {
    /// `end`, `silence`, or `error CLASS CODE`: how it came out.
    pub(crate) fn end(&self) -> String {
        let ends = |event: &&Value| matches!(event["event"].as_str(), Some("end" | "error" | "silence"));
        self.0.iter().rev().find(ends).map_or_else(|| "nothing".to_owned(), told)
    }

    /// All events, as they are written in a table.
    pub(crate) fn events(&self) -> impl Iterator<Item = String> {
        self.0.iter().map(told)
    }

    /// The words of all finals.
    pub(crate) fn finals(&self) -> String {
        let texts: Vec<String> = self.texts("final").map(plain).collect();
        texts.join(" ")
    }

    /// Whether anything was heard before it was final.
    pub(crate) fn partial(&self) -> bool {
        self.texts("partial").any(|text| !text.trim().is_empty())
    }

    /// Length and SHA-256 of each sound.
    pub(crate) fn sounds(&self) -> Vec<(usize, &str)> {
        let sounds = self.0.iter().filter(|event| event["event"] == "audio");
        sounds
            .map(|sound| (sound["bytes"].as_u64().unwrap_or(0) as usize, sound["sha256"].as_str().unwrap_or_default()))
            .collect()
    }

    fn texts(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |event| event["event"] == name).filter_map(|event| event["text"].as_str())
    }
}

fn told(event: &Value) -> String {
    let words = ["event", "class", "code", "text", "reason", "kind"].iter().filter_map(|name| event[name].as_str());
    words.collect::<Vec<_>>().join(" ")
}

/// Words in lower case, without punctuation.
pub(crate) fn plain(text: &str) -> String {
    let text = text.to_lowercase().replace(['.', ',', '?', '!'], "");
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut partials = 0;
        for event in &self.0 {
            if event["event"] == "partial" {
                partials += 1;
            } else {
                write!(f, "{event} ")?;
            }
        }
        write!(f, "and {partials} partials")
    }
}
