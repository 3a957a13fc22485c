//! What the vendor says, for the session.

use super::line::Line;
use super::{Call, STALL};
use crate::protocol::{Told, read_binary, read_text};
use vg_plugin_sdk::{Fault, FaultKind, Remedy, Word, tts::Effect};

const TICKS_PER_MS: u64 = 10_000;

impl Call {
    pub(super) fn heard_text(&mut self, message: &str) -> Result<(), Fault> {
        let (request_id, told) = read_text(message).map_err(|error| Fault::new(FaultKind::Protocol, error.to_string()))?;
        let Some(base_ms) = self.is_of_turn(&request_id) else { return Ok(()) };
        match told {
            Told::TurnEnd => return self.turn_ended(),
            Told::Words(words) => self.out.extend(words.into_iter().map(|word| {
                let ms = |ticks: u64| base_ms.saturating_add(ticks / TICKS_PER_MS);
                let end_ms = ms(word.offset.saturating_add(word.duration));
                Effect::Word(Word { text: word.text, start_ms: ms(word.offset), end_ms, confidence: None })
            })),
            Told::Other => {}
        }
        Ok(())
    }

    pub(super) fn heard_bytes(&mut self, data: Vec<u8>) -> Result<(), Fault> {
        match self.line {
            Line::Request { good: true, .. } => {
                self.note_news();
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
    fn is_of_turn(&mut self, request_id: &str) -> Option<u64> {
        let turn = self.turn.as_ref().filter(|turn| turn.told && turn.request_id == request_id)?;
        let base_ms = turn.base_ms;
        self.note_news();
        Some(base_ms)
    }

    fn note_news(&mut self) {
        self.news = self.news.wrapping_add(1);
        if self.turn.as_ref().is_some_and(|turn| turn.whole_text) {
            self.out.push(Effect::Timer(STALL));
        }
    }

    fn give(&mut self, samples: Vec<u8>) {
        let Some(turn) = &mut self.turn else { return };
        let samples = turn.odd.samples(self.format.encoding, samples);
        if !samples.is_empty() {
            turn.heard = true;
            self.given += samples.len() as u64;
            self.out.push(Effect::Audio(samples));
        }
    }

    /// All sound of the turn has come.
    pub(super) fn turn_ended(&mut self) -> Result<(), Fault> {
        let Some(turn) = self.turn.take() else { return Ok(()) };
        if turn.odd.is_cut() {
            return Err(Fault::new(FaultKind::Protocol, "the vendor's sound ends within a sample"));
        }
        // Punctuation alone may well be silent.
        if !turn.heard && turn.text.contains(char::is_alphanumeric) {
            let fault = Fault::new(FaultKind::EmptyResult, "the vendor spoke nothing");
            return Err(Fault { remedy: Remedy::NextProvider, ..fault });
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
