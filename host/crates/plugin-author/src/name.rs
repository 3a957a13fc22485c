//! What a plugin is called.

use std::fmt;
use std::str::FromStr;

/// A plugin's name: lower-case letters and digits in words joined by single dashes, at most 63 bytes. So it is a crate, a package, a
/// file and an id in every language.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PluginName(String);

/// What is wrong with a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a plugin's name is words of a-z and 0-9 joined by dashes, beginning with a letter, for example stt-acme")]
pub struct NameError;

impl PluginName {
    /// As it was given.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// With underscores, as Rust names libraries.
    pub fn snake(&self) -> String {
        self.0.replace('-', "_")
    }
}

impl FromStr for PluginName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let word = |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
        let good = text.len() <= 63 && text.starts_with(|letter: char| letter.is_ascii_lowercase()) && text.split('-').all(word);
        if good { Ok(Self(text.to_owned())) } else { Err(NameError) }
    }
}

impl fmt::Display for PluginName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_is_good_in_every_language_or_refused() {
        for good in ["stt-acme", "a", "x1-2y"] {
            assert_eq!(good.parse::<PluginName>().unwrap().as_str(), good);
        }
        for bad in ["", "-a", "a-", "a--b", "1a", "Acme", "a_b", "a b", "../a", "é", &"a".repeat(64)] {
            assert_eq!(bad.parse::<PluginName>(), Err(NameError), "{bad}");
        }
    }
}
