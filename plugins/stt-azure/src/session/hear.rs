//! What the vendor says, for the session.

use super::{Call, Line};
use crate::kept::ms_of_ticks;
use crate::protocol::{Phrase, Status, Told, Trouble, read};
use vg_plugin_sdk::{Fault, FaultKind, Transcript, Word, stt::Effect};

impl Call {
    pub(super) fn heard(&mut self, message: &str) -> Result<(), Fault> {
        let message = read(message).map_err(|error| Fault::new(FaultKind::Protocol, error.to_string()))?;
        let Some(live) = &mut self.turn else { return Ok(()) };
        if live.turn.request_id != message.request_id {
            // Of a turn that is over.
            return Ok(());
        }
        let base = live.base_ticks;
        live.started = true;
        self.answered = true;
        match message.told {
            Told::TurnStart { tag } => self.tag = Some(tag),
            Told::SpeechStart(offset) => {
                if !std::mem::replace(&mut self.speaking, true) {
                    self.out.push(Effect::SpeechStarted(ms_of_ticks(base.saturating_add(offset))));
                }
            }
            Told::SpeechEnd(offset) => {
                if std::mem::take(&mut self.speaking) {
                    self.out.push(Effect::SpeechEnded(ms_of_ticks(base.saturating_add(offset))));
                }
            }
            Told::Hypothesis(heard) => self.hypothesis(&heard, base),
            Told::Phrase(said) => return self.phrase(said, base),
            Told::TurnEnd => return self.turn_ended(),
            Told::Other => {}
        }
        Ok(())
    }

    fn hypothesis(&mut self, heard: &Phrase, base: u64) {
        // One that comes after its final is stale.
        if heard.text.is_empty() || base.saturating_add(heard.end()) <= self.finals_end {
            return;
        }
        self.open_words = true;
        self.out.push(Effect::Partial(transcript(heard, base, None)));
    }

    fn phrase(&mut self, said: Phrase, base: u64) -> Result<(), Fault> {
        let end = base.saturating_add(said.end());
        match said.status {
            Status::Trouble(trouble) => return self.refused(trouble),
            Status::Success if end > self.finals_end => {
                self.finals_end = end;
                if !said.text.is_empty() {
                    self.out.push(Effect::Final(transcript(&said, base, Some(1.0))));
                }
            }
            // Said already.
            Status::Success => return Ok(()),
            // Silence may be a place without a length: all before that place was heard.
            Status::Nothing if said.end() == 0 => return Ok(()),
            // Says nothing of words that wait for their final.
            Status::Ended if self.open_words => return Ok(()),
            Status::Nothing | Status::Ended => {}
        }
        (self.open_words, self.torn, self.strikes) = (false, false, 0);
        // What was not sent was not heard, whatever the vendor counts.
        let until = self.kept.place(end).min(self.kept.sent());
        self.kept.forget(until);
        Ok(())
    }

    fn refused(&mut self, trouble: Trouble) -> Result<(), Fault> {
        let fault = |kind| Fault::new(kind, format!("the vendor's status is {trouble:?}"));
        match trouble {
            Trouble::BadRequest => Err(fault(FaultKind::Protocol)),
            Trouble::Forbidden => Err(fault(FaultKind::Auth)),
            Trouble::TooManyRequests => self.lost(fault(FaultKind::Quota(None))),
            Trouble::ServiceUnavailable | Trouble::Error => self.lost(fault(FaultKind::Unavailable)),
        }
    }

    fn turn_ended(&mut self) -> Result<(), Fault> {
        let Some(live) = self.turn.take() else { return Ok(()) };
        self.speaking = false;
        if live.ended.is_some()
            && let Line::Open { streams, .. } = &mut self.line
        {
            *streams += 1;
        }
        match live.ended {
            _ if self.torn => {
                return Err(Fault::new(
                    FaultKind::Unavailable,
                    "the vendor ended a turn, and speech of more than a minute is lost with it",
                ));
            }
            // It heard words and does not say which: it is given them again, and may hear nothing the second time.
            Some(_) if self.open_words => {
                self.open_words = false;
                self.strike(Fault::new(
                    FaultKind::Unavailable,
                    "the vendor ended a turn without the final of what it had heard",
                ))?;
            }
            Some(place) => {
                // Whatever was said in it is said.
                self.kept.forget(place);
                self.strikes = 0;
            }
            // The vendor's own end, after silence for instance: what is not final goes into the next turn.
            None if self.kept.base() == live.base => {
                self.strike(Fault::new(FaultKind::Unavailable, "the vendor ends turns without a result"))?;
            }
            None => {}
        }
        self.report();
        self.feed();
        Ok(())
    }
}

fn transcript(phrase: &Phrase, base: u64, stability: Option<f32>) -> Transcript {
    let ms = |ticks: u64| ms_of_ticks(base.saturating_add(ticks));
    let word = |word: &crate::protocol::Word| Word {
        text: word.text.clone(),
        start_ms: ms(word.offset),
        end_ms: ms(word.offset.saturating_add(word.duration)),
        confidence: word.confidence,
    };
    Transcript {
        text: phrase.text.clone(),
        language: phrase.language.clone(),
        confidence: phrase.confidence,
        stability,
        start_ms: ms(phrase.offset),
        end_ms: ms(phrase.end()),
        words: phrase.words.iter().map(word).collect(),
    }
}
