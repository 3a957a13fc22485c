//! The wall between what was heard and everything else. See ARCHITECTURE.md.

/// Unmasked words of the caller. No `Clone`, `Debug`, `Display` or serialisation: they live in the call task and end in [`Mask`].
pub struct Heard(String);

impl Heard {
    /// Words as a speech engine gave them.
    pub fn new(words: String) -> Self {
        Self(words)
    }
}

/// Text without card data. Made only by [`Mask`]; every outward port takes this type.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct MaskedText(String);

impl MaskedText {
    /// The text, fit to leave the call task.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
