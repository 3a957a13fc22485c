//! The end of a turn. The service cannot be asked for a final: it is waited for, as far as the host heard somebody speak.

use crate::heard::Heard;
use vg_plugin_sdk::stt::Effect;

/// The host and the service do not agree to the millisecond where a word ends.
const SLACK_MS: u64 = 500;

/// Who spoke until when, and what is owed.
#[derive(Clone, Debug, Default)]
pub(super) struct Turn {
    /// Answers to `finalize` that are owed.
    asked: u32,
    /// Words that begin before this belong to the turn.
    until_ms: u64,
    voice: Voice,
}

/// What the host's detector told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Voice {
    /// Nothing ever: perhaps it has none.
    #[default]
    Unknown,
    Speaking,
    /// Since this place.
    Quiet(u64),
}

impl Turn {
    pub(super) fn started(&mut self) {
        self.voice = Voice::Speaking;
    }

    pub(super) fn ended(&mut self, at_ms: u64) {
        self.voice = Voice::Quiet(at_ms);
    }

    /// `finalize`, at this place of the call.
    pub(super) fn asked(&mut self, caller_ms: u64) {
        self.asked += 1;
        self.until_ms = match self.voice {
            Voice::Quiet(until_ms) => until_ms.min(caller_ms),
            Voice::Unknown | Voice::Speaking => caller_ms,
        };
    }

    pub(super) fn is_owed(&self) -> bool {
        self.asked > 0
    }

    /// Answers where nothing is missing; whether nothing is owed.
    pub(super) fn answer(&mut self, heard: &Heard, effects: &mut Vec<Effect>) -> bool {
        let is_heard = heard.until_ms() + SLACK_MS >= self.until_ms;
        let is_open = heard.open_from_ms().is_some_and(|from_ms| from_ms < self.until_ms);
        if self.asked > 0 && is_heard && !is_open {
            self.close(effects);
        }
        self.asked == 0
    }

    /// It was waited long enough; whether a partial had to stand in for a final.
    pub(super) fn give_up(&mut self, heard: &mut Heard, effects: &mut Vec<Effect>) -> bool {
        if self.asked == 0 {
            return false;
        }
        let last = heard.give_up(self.until_ms);
        let is_promoted = last.is_some();
        effects.extend(last);
        self.close(effects);
        is_promoted
    }

    /// Whatever is owed is answered.
    pub(super) fn close(&mut self, effects: &mut Vec<Effect>) {
        effects.extend(std::iter::repeat_n(Effect::Finalized, std::mem::take(&mut self.asked) as usize));
    }
}
