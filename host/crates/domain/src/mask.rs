//! The wall between what was heard and everything else. See ARCHITECTURE.md.
//!
//! [`Heard`] goes in, [`MaskedText`] comes out, and nothing else makes one. Who masks is an [`Engine`] from outside where the tenant has one, and
//! the built-in mask where there is none or it has fallen. That knows written digits, digits that are spoken in English, Portuguese and Spanish,
//! and card verification codes; it errs towards masking.

mod builtin;
mod card;
mod scan;

use builtin::BuiltIn;
pub(crate) use card::luhn;
use card::{End, HELD};
use scan::Langs;
use std::hash::{Hash, Hasher};
use zeroize::Zeroizing;

/// What stands for words that nobody could mask well enough.
const WITHHELD: &str = "[withheld]";

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
///
/// What they stood in is wiped when it is given back.
pub struct Heard(Zeroizing<String>);

impl Heard {
    /// Words as a speech engine gave them.
    pub fn new(words: String) -> Self {
        Self(Zeroizing::new(words))
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
///
/// Two texts are the same where their words are.
#[derive(Clone, Debug, Default)]
pub struct MaskedText {
    text: String,
    held: bool,
}

impl PartialEq for MaskedText {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for MaskedText {}

impl Hash for MaskedText {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.text.hash(state);
    }
}

impl MaskedText {
    fn new(text: String) -> Self {
        Self { text, held: false }
    }

    /// The text, fit to leave the call task.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// No word is in it.
    pub fn is_empty(&self) -> bool {
        self.text.trim().is_empty()
    }

    /// Its beginning, so many bytes at most.
    #[must_use]
    pub fn up_to(&self, bytes: usize) -> Self {
        Self::new(self.text[..self.text.floor_char_boundary(bytes)].to_owned())
    }

    /// Without white space at its ends.
    #[must_use]
    pub fn trimmed(&self) -> Self {
        Self { text: self.text.trim().to_owned(), held: self.held }
    }

    /// Digits at its end are held back, since a card number may come of them.
    pub fn holds_back(&self) -> bool {
        self.held || self.text.trim_end().ends_with(HELD)
    }

    /// Words are left out, since nobody could mask them as the tenant wants it.
    pub fn is_withheld(&self) -> bool {
        self.text.contains(WITHHELD)
    }

    /// Something in it stands in place of digits that are, or may become, a card's.
    pub fn hides(&self) -> bool {
        self.held
            || ["[card", "[cvv", "[expiry", "[document", HELD, WITHHELD].into_iter().any(|stands| self.text.contains(stands))
    }

    /// This text and then `next`, with a space between.
    #[must_use]
    pub fn followed_by(&self, next: &Self) -> Self {
        match (self.is_empty(), next.is_empty()) {
            (_, true) => self.clone(),
            (true, false) => next.clone(),
            (false, false) => Self { text: format!("{} {}", self.text.trim_end(), next.text.trim_start()), held: next.held },
        }
    }
}

/// Who produced a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The caller, by voice.
    Caller,
    /// The agent, or the gateway itself.
    Agent,
    /// The caller, by keys.
    Keypad,
}

/// What an [`Engine`] made of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EngineAnswer {
    /// Without what was to be masked.
    pub text: String,
    /// Something was masked in it.
    pub found: bool,
    /// Digits at its end are withheld that may turn out to be something else.
    pub held: bool,
}

/// A mask from outside, for one call. It remembers what went before, and answers at once: the call stands still meanwhile.
pub trait Engine: Send {
    /// Masks the next text. `partial`: it may still change, and leaves no trace.
    ///
    /// # Errors
    /// A bounded code of why there is no answer; there will be none to any later text either.
    fn mask(&mut self, text: &str, source: Source, partial: bool) -> Result<EngineAnswer, &'static str>;
}

/// What can be masked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A card's number.
    CardNumber,
    /// The three or four digits beside it.
    SecurityCode,
    /// When it expires.
    ExpiryDate,
    /// A number of a person's document.
    DocumentNumber,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::CardNumber, Self::SecurityCode, Self::ExpiryDate, Self::DocumentNumber];

    /// As it is written in settings.
    pub fn code(self) -> &'static str {
        match self {
            Self::CardNumber => "card-number",
            Self::SecurityCode => "security-code",
            Self::ExpiryDate => "expiry-date",
            Self::DocumentNumber => "document-number",
        }
    }
}

/// What is done with the caller's words where the engine cannot mask them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// The built-in mask goes on.
    #[default]
    Standard,
    /// They are withheld: the caller has the keypad.
    Strict,
}

impl Mode {
    /// As it is written in settings.
    pub fn code(self) -> &'static str {
        match self {
            Self::Standard => "standard",
            Self::Strict => "strict",
        }
    }
}

/// Who masks beside the built-in mask.
enum Outside {
    /// Nobody is to.
    Nobody,
    Serves(Box<dyn Engine>),
    /// Somebody was to; the code, until it is told.
    Fell(Option<&'static str>),
}

/// The mask of one call.
///
/// Card numbers become `[card]`, verification codes `[cvv]`; an engine may find more, and say it otherwise. It remembers what a text left open, so
/// that a number split over texts is masked. The built-in mask follows whoever else masks, and goes on from any moment: 13 to 19 digits that pass the
/// Luhn check (ISO/IEC 7812-1), written in any spacing or spoken digit by digit, and 3 or 4 digits after a cue such as "security code". In place of one
/// that has fallen it shows no number that may go on to a card's.
/// No `Debug`: it holds digits of the caller.
///
/// ```
/// use vg_domain::mask::{Heard, Mask};
///
/// let mut mask = Mask::new();
/// let heard = Heard::new("it is four one one one 1111 1111 1111".into());
/// assert_eq!(mask.mask_final(heard).as_str(), "it is [card]");
/// ```
pub struct Mask {
    builtin: BuiltIn,
    outside: Outside,
    mode: Mode,
    /// The engine's last text of the caller ended with something that may go on.
    open: bool,
    /// In the caller's last words something was masked or held back.
    sensitive: bool,
}

impl Default for Mask {
    fn default() -> Self {
        Self { builtin: BuiltIn::default(), outside: Outside::Nobody, mode: Mode::Standard, open: false, sensitive: false }
    }
}

impl Mask {
    /// More keys than these may be a card's.
    pub const SHOWN_KEYS: u8 = 6;
    /// Of fewer keys nobody has typed a card's number.
    pub const CARD_KEYS_MIN: u8 = 12;

    /// The built-in mask, which has heard nothing, of a call in English.
    pub fn new() -> Self {
        Self::default()
    }

    /// The same of a call in these languages (BCP 47 tags).
    #[must_use]
    pub fn in_languages<'a>(mut self, tags: impl IntoIterator<Item = &'a str>) -> Self {
        self.builtin.langs = Langs::of(tags);
        self
    }

    /// With an engine, or the bounded code of why there is none although there was to be one.
    #[must_use]
    pub fn with(mut self, engine: Result<Box<dyn Engine>, &'static str>, mode: Mode) -> Self {
        self.outside = engine.map_or_else(|code| Outside::Fell(Some(code)), Outside::Serves);
        self.mode = mode;
        self
    }

    /// A mask of a caller whose last digits another one has heard: all digits of the first words are masked that have any.
    #[must_use]
    pub fn after_a_gap(mut self) -> Self {
        self.builtin.after_a_gap();
        self
    }

    /// Something that was masked before by somebody else, so that the engine knows what is talked about.
    pub fn recall(&mut self, text: &MaskedText, source: Source) {
        if !text.is_empty() {
            let _ = self.ask(text.as_str(), source, false);
        }
    }

    /// The words so far ended with digits or a cue, so that what follows may be the rest of a card's.
    pub fn leaves_open(&self) -> bool {
        self.open || self.builtin.is_open()
    }

    /// In the caller's last words, or keys, something was masked or held back.
    pub fn is_sensitive(&self) -> bool {
        self.sensitive
    }

    /// The bounded code of why the engine has fallen; once.
    pub fn take_fall(&mut self) -> Option<&'static str> {
        match &mut self.outside {
            Outside::Fell(code) => code.take(),
            Outside::Nobody | Outside::Serves(_) => None,
        }
    }

    /// Nothing is shown that the engine has not masked.
    pub(crate) fn is_strict(&self) -> bool {
        self.mode == Mode::Strict
    }

    /// The digits of words that are a card's by where they were said, for the vault; written, or said one by one in the call's languages.
    pub(crate) fn digits_in(&self, words: &Heard) -> Zeroizing<Vec<u8>> {
        scan::digits(&words.0, self.builtin.langs)
    }

    /// Masks words that may still change. Digits at the end that may grow to a card number are held back.
    pub fn mask_partial(&mut self, words: Heard) -> MaskedText {
        let answer = self.ask(&words.0, Source::Caller, true);
        let answer = answer.unwrap_or_else(|| self.by_itself(&words, |builtin, words| builtin.partial(words)));
        self.told(answer)
    }

    /// Masks words that will not change.
    pub fn mask_final(&mut self, words: Heard) -> MaskedText {
        let answer = self.ask(&words.0, Source::Caller, false);
        self.open = answer.as_ref().is_some_and(|answer| answer.held);
        let end = self.end();
        // It follows, so that it can go on from here.
        let builtin = self.by_itself(&words, |builtin, words| builtin.last(words, end));
        let answer = answer.unwrap_or(builtin);
        self.told(answer)
    }

    /// Masks what was keyed in.
    pub fn mask_keys(&mut self, keys: Heard) -> MaskedText {
        let answer = self.ask(&keys.0, Source::Keypad, false);
        let (strict, end) = (self.is_withholding(), self.end());
        let builtin = self.builtin.last(&keys.0, end);
        let builtin = if strict && !builtin.found { card::mask_long_numbers(&keys.0) } else { builtin };
        let answer = answer.unwrap_or(EngineAnswer { text: builtin.text, found: builtin.found, held: builtin.held });
        self.told(answer)
    }

    /// Masks what the agent or a prompt says; consecutive texts count as one stretch of speech.
    pub fn mask_agent(&mut self, text: &str) -> MaskedText {
        let answer = self.ask(text, Source::Agent, false);
        let builtin = self.builtin.agent(text);
        MaskedText::new(answer.map_or(builtin.text, |answer| answer.text))
    }

    /// Masks lines that wait to be said one after the other, and leaves no trace: each is masked [in its place](Self::mask_agent) once it is said. Digits at
    /// a line's end may be withheld, since a card's number may come of them.
    pub fn mask_ahead<'a>(&mut self, lines: impl IntoIterator<Item = &'a str>) -> Vec<MaskedText> {
        let mut ahead = Self::new();
        ahead.builtin.langs = self.builtin.langs;
        let masked = |line| {
            let answer = self.ask(line, Source::Agent, true);
            let builtin = ahead.mask_agent(line);
            answer.map_or(builtin, |answer| MaskedText::new(answer.text))
        };
        lines.into_iter().map(masked).collect()
    }

    /// What the engine says; none where there is none, or it has fallen.
    fn ask(&mut self, text: &str, source: Source, partial: bool) -> Option<EngineAnswer> {
        let Outside::Serves(engine) = &mut self.outside else { return None };
        match engine.mask(text, source, partial) {
            Ok(mut answer) => {
                if source != Source::Agent
                    && let Some(text) = self.builtin.behind_a_gap(&answer.text)
                {
                    answer.text = text;
                }
                Some(answer)
            }
            Err(code) => {
                self.outside = Outside::Fell(Some(code));
                None
            }
        }
    }

    /// Whether the caller's words are shown to nobody.
    fn is_withholding(&self) -> bool {
        matches!((&self.outside, self.mode), (Outside::Fell(_), Mode::Strict))
    }

    /// Nobody has seen yet how a number goes on that the one who has fallen knew.
    fn end(&self) -> End {
        if matches!(self.outside, Outside::Fell(_)) { End::Held } else { End::Shown }
    }

    fn by_itself(&mut self, words: &Heard, mask: impl FnOnce(&mut BuiltIn, &str) -> card::Masked) -> EngineAnswer {
        let card::Masked { text, found, held } = mask(&mut self.builtin, &words.0);
        if self.is_withholding() && !words.is_empty() {
            return EngineAnswer { text: WITHHELD.to_owned(), found, held: false };
        }
        EngineAnswer { text, found, held }
    }

    fn told(&mut self, answer: EngineAnswer) -> MaskedText {
        self.sensitive = answer.found || answer.held;
        MaskedText { text: answer.text, held: answer.held }
    }
}

#[cfg(test)]
mod tests;
