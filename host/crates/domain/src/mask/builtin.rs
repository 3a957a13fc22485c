//! The mask that needs nobody: it serves where no other does, and knows at each moment where it would have to go on.

use super::card::{self, End, Masked, Trail};
use super::scan::Langs;

/// See [`Mask`](super::Mask).
#[derive(Default)]
pub(super) struct BuiltIn {
    pub(super) langs: Langs,
    caller: Trail,
    /// Of digits that another mask has heard it is not known which they were.
    gap: bool,
    agent: Trail,
}

impl BuiltIn {
    pub(super) fn after_a_gap(&mut self) {
        self.gap = true;
    }

    pub(super) fn is_open(&self) -> bool {
        self.gap || self.caller.is_open()
    }

    /// Masks words that may still change.
    pub(super) fn partial(&self, words: &str) -> Masked {
        if self.gap { card::mask_digits(words, self.langs) } else { card::mask_growing(words, self.langs, &self.caller) }
    }

    /// Masks words that will not change.
    pub(super) fn last(&mut self, words: &str, end: End) -> Masked {
        if self.gap {
            let masked = card::mask_digits(words, self.langs);
            self.gap = !masked.found;
            if masked.found {
                let _ = card::mask(words, self.langs, &mut self.caller, End::Shown);
                return masked;
            }
        }
        card::mask(words, self.langs, &mut self.caller, end)
    }

    /// Masks what the agent says.
    pub(super) fn agent(&mut self, text: &str) -> Masked {
        card::mask(text, self.langs, &mut self.agent, End::Shown)
    }

    /// What somebody else has masked, where of digits before it is not known which they were.
    pub(super) fn behind_a_gap(&self, masked: &str) -> Option<String> {
        if !self.gap {
            return None;
        }
        let (mut text, mut rest) = (String::new(), masked);
        while let Some((before, ending, after)) = split_at_ending(rest) {
            text += &card::mask_digits(before, self.langs).text;
            text += ending;
            rest = after;
        }
        Some(text + &card::mask_digits(rest, self.langs).text)
    }
}

/// Around the first card of which only the last four digits are shown.
fn split_at_ending(text: &str) -> Option<(&str, &str, &str)> {
    const BEGINS: &str = "[card ending ";
    text.match_indices(BEGINS).find_map(|(at, _)| {
        let end = at + BEGINS.len() + 5;
        let [.., a, b, c, d, b']'] = text.as_bytes().get(..end)? else { return None };
        [a, b, c, d].into_iter().all(u8::is_ascii_digit).then(|| (&text[..at], &text[at..end], &text[end..]))
    })
}
