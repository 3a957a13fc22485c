//! What the vendor says, for the session.

use super::line::Line;
use super::{Call, SILENCE_MS};
use crate::protocol::{Told, read_binary, read_text};
use vg_plugin_sdk::{
    Fault, FaultKind, Word,
    tts::{Effect, spoke_nothing},
};

const TICKS_PER_MS: u64 = 10_000;
/// Words given at a time: the host takes 256 effects.
const WORDS_AT_A_TIME: usize = 200;
/// Words of a turn that wait: it has 4000 bytes of text.
const WORDS_WAITING: usize = 2_000;

impl Call {
    pub(super) fn heard_text(&mut self, message: &str) -> Result<(), Fault> {
        let (request_id, told) = read_text(message).map_err(|error| Fault::new(FaultKind::Protocol, error.to_string()))?;
        let Some(base_ms) = self.is_of_turn(&request_id) else { return Ok(()) };
        match told {
            Told::TurnEnd => return self.turn_ended(),
            Told::Words(words) => {
                let words = words.into_iter().map(|word| {
                    let ms = |ticks: u64| base_ms.saturating_add(ticks / TICKS_PER_MS);
                    let end_ms = ms(word.offset.saturating_add(word.duration));
                    Word { text: word.text, start_ms: ms(word.offset), end_ms, confidence: None }
                });
                if let Some(turn) = &mut self.turn {
                    let room = WORDS_WAITING.saturating_sub(turn.words.len());
                    turn.words.extend(words.take(room));
                }
                self.give_words();
            }
            Told::Other => {}
        }
        Ok(())
    }

    pub(super) fn heard_bytes(&mut self, data: Vec<u8>) -> Result<(), Fault> {
        match self.line {
            Line::Request { good: true, .. } => {
                self.give(data);
                Ok(())
            }
            // What a refusal has to say.
            Line::Request { .. } => Ok(()),
            _ => {
                let sound = read_binary(data).map_err(|error| Fault::new(FaultKind::Protocol, error.to_string()))?;
                if self.is_of_turn(&sound.request_id).is_some()
                    && let Some(samples) = sound.samples
                {
                    self.give(samples);
                }
                Ok(())
            }
        }
    }

    /// Where the present turn begins, if the message is of it.
    fn is_of_turn(&self, request_id: &str) -> Option<u64> {
        self.turn.as_ref().filter(|turn| turn.told && turn.request_id == request_id).map(|turn| turn.base_ms)
    }

    fn give(&mut self, samples: Vec<u8>) {
        let Some(turn) = &mut self.turn else { return };
        let samples = turn.odd.samples(self.format.encoding, samples);
        if !samples.is_empty() {
            turn.heard = true;
            self.given += samples.len() as u64;
            self.out.push(Effect::Audio(samples));
            self.give_words();
            self.expect_more();
        }
    }

    /// Those whose turn is heard.
    fn give_words(&mut self) {
        let Some(turn) = self.turn.as_mut().filter(|turn| turn.heard && !turn.words.is_empty()) else { return };
        let now = turn.words.len().min(WORDS_AT_A_TIME);
        self.out.extend(turn.words.drain(..now).map(Effect::Word));
        // They, too, fill the owner's mailbox.
        self.expect_more();
    }

    fn expect_more(&mut self) {
        if self.turn.as_ref().is_some_and(|turn| turn.whole_text) {
            self.out.push(self.silence.within(SILENCE_MS));
        } else {
            self.silence.stop();
        }
    }

    /// All sound of the turn has come.
    pub(super) fn turn_ended(&mut self) -> Result<(), Fault> {
        self.give_words();
        self.silence.stop();
        let Some(turn) = self.turn.take() else { return Ok(()) };
        if turn.odd.is_cut() {
            return Err(Fault::new(FaultKind::Protocol, "the vendor's sound ends within a sample"));
        }
        // Punctuation alone may well be silent.
        if !turn.heard && turn.text.contains(char::is_alphanumeric) {
            return Err(spoke_nothing("the vendor spoke nothing"));
        }
        if !turn.whole_text {
            return Err(Fault::new(FaultKind::Protocol, "the vendor ended a text before its end"));
        }
        self.strikes = 0;
        self.report();
        self.go_on();
        Ok(())
    }
}
