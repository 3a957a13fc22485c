//! What callers hear in place of answers.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// What a conversation is about, as the agent names it: 1 to 64 of `A-Z a-z 0-9 . _ -`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Intent(Arc<str>);

impl Intent {
    /// None where the text is no such name.
    pub fn parse(text: &str) -> Option<Self> {
        let sound = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        ((1..=64).contains(&text.len()) && text.bytes().all(sound)).then(|| Self(text.into()))
    }

    /// As it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Intent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a tenant wants done where its agent does not answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fallback {
    /// What is said by what the conversation is about; where that is not known, or not here, it is `agent_unavailable` of the prompts.
    pub answers: BTreeMap<Intent, String>,
    /// So many turns in a row without an answer bring the caller to the tenant's person, where there is one. *Invariant:* at least 1.
    pub agent_falls_max: u32,
}

impl Default for Fallback {
    fn default() -> Self {
        Self { answers: BTreeMap::new(), agent_falls_max: 2 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intents_are_short_names() {
        let longest = "x".repeat(64);
        for good in ["delivery", "Order.status_2-b", &longest] {
            assert_eq!(Intent::parse(good).as_ref().map(Intent::as_str), Some(good));
        }
        for bad in ["", "two words", "entrega\n", "ação", &format!("{longest}x")] {
            assert_eq!(Intent::parse(bad), None, "{bad:?}");
        }
    }
}
