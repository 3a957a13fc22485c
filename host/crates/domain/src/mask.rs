//! The wall between what was heard and everything else. See ARCHITECTURE.md.
//!
//! [`Heard`] goes in, [`MaskedText`] comes out, and nothing else makes one. The built-in mask knows written digits, spoken
//! English digits and card verification codes; it errs towards masking.

mod card;
mod scan;

use card::Trail;

/// Unmasked words of the caller. No `Clone`, `Debug`, `Display` or serialisation: they live in the call task and end in [`Mask`].
///
/// ```compile_fail
/// let heard = vg_domain::mask::Heard::new("my card is".into());
/// println!("{heard:?}");
/// ```
/// ```compile_fail
/// let heard = vg_domain::mask::Heard::new("my card is".into());
/// println!("{heard}");
/// ```
/// ```compile_fail
/// let heard = vg_domain::mask::Heard::new("my card is".into());
/// let kept = heard.clone();
/// ```
/// ```compile_fail
/// let heard = vg_domain::mask::Heard::new("my card is".into());
/// let text: &str = &heard.0;
/// ```
pub struct Heard(String);

impl Heard {
    /// Words as a speech engine gave them.
    pub fn new(words: String) -> Self {
        Self(words)
    }

    /// No word was heard.
    pub fn is_empty(&self) -> bool {
        self.0.trim().is_empty()
    }
}

/// Text without card data. Made only by [`Mask`]; every outward port takes this type. The default is the empty text.
///
/// ```compile_fail
/// let text = vg_domain::mask::MaskedText("4111 1111 1111 1111".into());
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct MaskedText(String);

impl MaskedText {
    /// The text, fit to leave the call task.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// No word is in it.
    pub fn is_empty(&self) -> bool {
        self.0.trim().is_empty()
    }

    /// Its beginning, so many bytes at most.
    #[must_use]
    pub fn up_to(&self, bytes: usize) -> Self {
        Self(self.0[..self.0.floor_char_boundary(bytes)].to_owned())
    }

    /// Without white space at its ends.
    #[must_use]
    pub fn trimmed(&self) -> Self {
        Self(self.0.trim().to_owned())
    }

    /// Digits at its end are held back, since a card number may come of them.
    pub fn holds_back(&self) -> bool {
        self.0.trim_end().ends_with(card::HELD)
    }

    /// This text and then `next`, with a space between.
    #[must_use]
    pub fn followed_by(&self, next: &Self) -> Self {
        match (self.is_empty(), next.is_empty()) {
            (_, true) => self.clone(),
            (true, false) => next.clone(),
            (false, false) => Self(format!("{} {}", self.0.trim_end(), next.0.trim_start())),
        }
    }
}

/// The built-in mask of one call.
///
/// Card numbers become `[card]`: 13 to 19 digits that pass the Luhn check (ISO/IEC 7812-1), written in any spacing or spoken
/// digit by digit. Verification codes become `[cvv]`: 3 or 4 digits after a cue such as "security code". It remembers the
/// digits on which a text ended, so that a number split over texts is masked from the text that completes it on.
/// No `Debug`: it holds digits of the caller.
///
/// ```
/// use vg_domain::mask::{Heard, Mask};
///
/// let mut mask = Mask::new();
/// let heard = Heard::new("it is four one one one 1111 1111 1111".into());
/// assert_eq!(mask.mask_final(heard).as_str(), "it is [card]");
/// ```
#[derive(Default)]
pub struct Mask {
    caller: Trail,
    /// Of digits that another mask has heard it is not known which they were.
    gap: bool,
    agent: Trail,
}

impl Mask {
    /// A mask that has heard nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// A mask of a caller whose last digits another one has heard: all digits of the first words are masked that have any.
    pub fn after_a_gap() -> Self {
        Self { gap: true, ..Self::default() }
    }

    /// The words so far ended with digits or a cue, so that what follows may be the rest of a card's.
    pub fn leaves_open(&self) -> bool {
        self.gap || self.caller.is_open()
    }

    /// Masks words that may still change. Digits at the end that may grow to a card number are held back as `[digits]`.
    pub fn mask_partial(&self, words: Heard) -> MaskedText {
        if self.gap {
            return MaskedText(card::mask_digits(&words.0).0);
        }
        MaskedText(card::mask_growing(&words.0, &self.caller))
    }

    /// Masks words that will not change.
    pub fn mask_final(&mut self, words: Heard) -> MaskedText {
        if self.gap {
            let (masked, found) = card::mask_digits(&words.0);
            self.gap = !found;
            if found {
                let _ = card::mask(&words.0, &mut self.caller);
                return MaskedText(masked);
            }
        }
        MaskedText(card::mask(&words.0, &mut self.caller))
    }

    /// Masks what the agent or a prompt says; consecutive texts count as one stretch of speech.
    pub fn mask_agent(&mut self, text: &str) -> MaskedText {
        MaskedText(card::mask(text, &mut self.agent))
    }
}

#[cfg(test)]
mod tests;
