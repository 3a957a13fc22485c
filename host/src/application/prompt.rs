//! Sound in memory that needs no provider.

use std::sync::Arc;
use vg_domain::tenant::primary_language;

/// Sound in memory, ready to be played: at the rate of every leg that plays it, so that no call converts it again.
#[derive(Clone, Debug)]
pub struct Prompt {
    /// *Invariant:* at least one, by rate.
    rates: Vec<(u32, Arc<[i16]>)>,
}

impl Prompt {
    /// Linear samples, mono, at one rate.
    pub fn new(rate_hz: u32, pcm: impl Into<Arc<[i16]>>) -> Self {
        Self { rates: vec![(rate_hz, pcm.into())] }
    }

    /// The same sound at another rate.
    #[must_use]
    pub fn and(mut self, rate_hz: u32, pcm: impl Into<Arc<[i16]>>) -> Self {
        self.rates.push((rate_hz, pcm.into()));
        self
    }

    /// As it suits a leg of this rate best, with the rate it has.
    pub fn at(&self, rate_hz: u32) -> (u32, &Arc<[i16]>) {
        let fits = self.rates.iter().find(|(rate, _)| *rate == rate_hz);
        let (rate_hz, pcm) = fits.unwrap_or(&self.rates[0]);
        (*rate_hz, pcm)
    }
}

/// What is said when no speaker is left, in the language of the call where there are words in it.
#[derive(Clone, Debug)]
pub struct Emergency {
    words: Prompt,
    /// By language, without region.
    others: Vec<(String, Prompt)>,
}

impl Emergency {
    /// The same for every language.
    pub fn new(words: Prompt) -> Self {
        Self { words, others: Vec::new() }
    }

    /// Other words for a language, a BCP 47 tag without region.
    #[must_use]
    pub fn and(mut self, language: &str, words: Prompt) -> Self {
        self.others.push((language.to_owned(), words));
        self
    }

    /// As it is said in a call of this language, a BCP 47 tag.
    pub fn in_language(&self, tag: &str) -> &Prompt {
        let language = primary_language(tag);
        let known = self.others.iter().find(|(known, _)| known.eq_ignore_ascii_case(language));
        known.map_or(&self.words, |(_, words)| words)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_speaks_another_language_hears_it_where_there_are_words_in_it() {
        let words = |sample: i16| Prompt::new(8_000, vec![sample]);
        let emergency = Emergency::new(words(1)).and("pt", words(2)).and("es", words(3));
        let heard = |tag: &str| emergency.in_language(tag).at(8_000).1[0];
        assert_eq!(["en-US", "pt-BR", "PT", "es-MX", "fi", ""].map(heard), [1, 2, 2, 3, 1, 1]);
    }
}
