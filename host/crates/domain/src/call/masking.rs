//! The call's mask: one for all that the caller says and keys, and for all that is said to the caller.

use super::phase::Turn;
use super::{Call, CallAction, Next, Phase};
use crate::event::{Fact, Role};
use crate::keypad::Collect;
use crate::mask::{Heard, Mask, MaskedText, Source};
use std::time::{Duration, Instant};

/// Turns in a row whose words nobody could mask: who keys in nothing in so many has no keypad.
const WITHHELD_MAX: u32 = 3;
/// What a caller may key in who cannot be listened to.
const KEYS: (u8, char, Duration, Duration) = (32, '#', Duration::from_secs(10), Duration::from_secs(4));

impl Call {
    /// The same call, masked by `mask`.
    #[must_use]
    pub fn masked_by(mut self, mask: Mask) -> Self {
        self.mask = mask;
        self
    }

    /// Masks words of the caller that may still change.
    pub fn mask_partial(&mut self, words: Heard) -> MaskedText {
        let text = self.mask.mask_partial(words);
        if self.mask.is_sensitive() {
            self.begin_masking();
        }
        text
    }

    /// Masks words of the caller that will not change.
    pub fn mask_final(&mut self, words: Heard) -> MaskedText {
        let text = self.mask.mask_final(words);
        self.note_masking(&text);
        text
    }

    pub(super) fn mask_keys(&mut self, keys: Heard) -> MaskedText {
        let text = self.mask.mask_keys(keys);
        self.note_masking(&text);
        text
    }

    /// Something of the conversation that another gateway has masked.
    pub fn recall(&mut self, text: &MaskedText, source: Source) {
        self.mask.recall(text, source);
    }

    /// What the caller said last may go on with the rest of a card's number.
    pub fn leaves_digits_open(&self) -> bool {
        self.mask.leaves_open()
    }

    pub(super) fn begin_masking(&mut self) {
        if !std::mem::replace(&mut self.is_masking, true) {
            self.push(CallAction::MaskingBegins);
        }
    }

    /// Over as soon as the caller says or keys in something in which nothing had to be masked.
    fn note_masking(&mut self, text: &MaskedText) {
        if self.mask.is_sensitive() {
            self.begin_masking();
        } else if !text.is_empty() && std::mem::take(&mut self.is_masking) {
            self.push(CallAction::MaskingEnds);
        }
    }

    /// Keys of which there are more than anybody shows.
    pub(super) fn keys_are_taken(&mut self, collect: Collect) {
        let (max, ..) = collect.parts();
        if max > Mask::SHOWN_KEYS {
            self.begin_masking();
        }
    }

    pub(super) fn tell_mask_fall(&mut self) {
        if let Some(code) = self.mask.take_fall() {
            self.fell(Role::Masking, code);
        }
    }

    /// What was said in the turn is shown to nobody: the caller is asked for keys.
    pub(super) fn ask_for_keys(&mut self, now: Instant, turn: &Turn) {
        if matches!(self.phase, Phase::Thinking { .. }) {
            // With words of before.
            self.hush_filler();
            self.push(CallAction::CancelAsk { turn: turn.id });
        }
        self.emit(Fact::Withheld { turn: turn.id });
        self.withheld += 1;
        if self.withheld > WITHHELD_MAX {
            return self.give_up(now);
        }
        let (max, terminator, first, between) = KEYS;
        let next = match self.settings.menu {
            Some(_) => Next::Menu,
            None => Next::Keypad(Collect::new(max, Some(terminator), first, between).begin()),
        };
        self.say_line(now, self.settings.prompts.use_keypad.clone(), next);
    }
}
