//! What was heard, what of it is final, and which answers to `finalize` are owed.
//!
//! Both interfaces tell how far into the sound they have listened, and the host tells where the caller's voice was. So an answer need not
//! wait for Deepgram's own word where everything up to the last voiced sample is final already; that word may even be missing, since
//! `Finalize` is answered only where there is something left to say.

use crate::options::Api;
use crate::protocol::{FINALIZE, FORCE_END_TURN, Results, TurnEvent, TurnInfo, ms};
use std::collections::VecDeque;
use vg_plugin_sdk::{
    Fault, FaultKind, Transcript,
    link::{self, LinkId},
    stt::{Edge, Effect},
};

/// Flux tells of its progress each 250 ms: a turn that had begun before the last voiced sample is known by then.
const FLUX_STEP_MS: u64 = 250;

/// What must be final before an answer is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Until {
    /// The caller's last voiced sample.
    Spoken(u64),
    /// The caller has been speaking from there, or the host does not say: only Deepgram knows when all is said.
    Flushed(u64),
}

/// See the module. Places are milliseconds of the sound that was sent.
#[derive(Debug, Default)]
pub(crate) struct Ear {
    api: Api,
    link: LinkId,
    heard_ms: u64,
    final_ms: u64,
    /// Words that no final has replaced yet; of Flux all of the turn.
    open: Option<Transcript>,
    /// Flux: turns below are over.
    turn: u64,
    /// Flux was told to end the turn.
    forced: bool,
    until: Option<Until>,
    /// Answers that are owed, the oldest first.
    owed: VecDeque<Until>,
    ended_ms: u64,
    /// Words came, and not that their speech has ended.
    unended: bool,
}

impl Ear {
    pub(crate) fn new(api: Api, link: LinkId) -> Self {
        Self { api, link, ..Self::default() }
    }

    /// How far Deepgram has listened.
    pub(crate) fn heard_ms(&self) -> u64 {
        self.heard_ms
    }

    /// Answers that are owed.
    pub(crate) fn owes(&self) -> usize {
        self.owed.len()
    }

    /// The host's word on the caller's voice.
    pub(crate) fn edge(&mut self, edge: &Edge) {
        self.until = Some(match edge {
            Edge::SpeechStarted(ms) => Until::Flushed(*ms),
            Edge::SpeechEnded(ms) => Until::Spoken(*ms),
        });
    }

    /// The caller's turn is over for the host.
    pub(crate) fn finalize(&mut self, effects: &mut Vec<Effect>) {
        let until = self.until.unwrap_or(Until::Flushed(0));
        let known = self.owed.is_empty() && self.is_final(until);
        self.owed.push_back(until);
        if self.api == Api::Nova && !known {
            effects.push(link::send_text(self.link, FINALIZE).into());
        }
        self.settle(effects);
    }

    /// A piece of Nova's transcript.
    pub(crate) fn results(&mut self, results: &Results, effects: &mut Vec<Effect>) {
        let end_ms = results.end_ms();
        let said = results.transcript();
        self.heard_ms = self.heard_ms.max(end_ms);
        // Else it was said before, or a partial was overtaken by its final.
        if end_ms > self.final_ms {
            self.unended |= said.is_some();
            if results.is_final {
                (self.final_ms, self.open) = (end_ms, None);
                effects.extend(said.map(Effect::Final));
            } else {
                self.open.clone_from(&said);
                effects.extend(said.map(Effect::Partial));
            }
            // It may stand in an empty piece behind the words.
            if results.speech_final && self.unended {
                self.speech_ended(end_ms, effects);
            }
        }
        let asked = |until: &Until| matches!(until, Until::Flushed(since_ms) if end_ms >= *since_ms);
        if results.from_finalize && self.owed.front().is_some_and(asked) {
            self.answer(effects);
        }
        self.settle(effects);
    }

    /// Flux's word on a turn.
    pub(crate) fn turn(&mut self, turn: &TurnInfo, effects: &mut Vec<Effect>) {
        if turn.turn_index < self.turn {
            return;
        }
        self.heard_ms = self.heard_ms.max(turn.end_ms());
        let said = turn.transcript();
        match turn.event {
            TurnEvent::EndOfTurn => {
                (self.turn, self.final_ms) = (turn.turn_index + 1, self.final_ms.max(turn.end_ms()));
                (self.forced, self.open) = (false, None);
                effects.extend(said.map(Effect::Final));
                self.speech_ended(turn.end_ms(), effects);
            }
            TurnEvent::Other => {}
            event => {
                if event == TurnEvent::StartOfTurn {
                    effects.push(Effect::SpeechStarted(turn.start_ms()));
                }
                // Between turns it tells of its progress only.
                if let Some(said) = said {
                    self.open = Some(said.clone());
                    effects.push(Effect::Partial(said));
                }
            }
        }
        self.settle(effects);
    }

    /// Deepgram heard speech end, whichever of its messages says so first. `-1` is no place.
    pub(crate) fn utterance_end(&mut self, last_word_end: f64, effects: &mut Vec<Effect>) {
        if last_word_end > 0.0 {
            self.speech_ended(ms(last_word_end), effects);
        }
    }

    /// Deepgram had its time: what needs no words is answered. Words that come later for the same sound belong to a turn that is over.
    pub(crate) fn answer_what_needs_no_words(&mut self, effects: &mut Vec<Effect>) {
        while self.open.is_none()
            && let Some(Until::Spoken(ms) | Until::Flushed(ms)) = self.owed.front()
            && self.heard_ms >= *ms
        {
            self.final_ms = self.final_ms.max(*ms);
            self.answer(effects);
        }
    }

    /// Deepgram is through. Nova makes all final before it closes: what it left open is lost. Flux leaves a turn open that nobody ended:
    /// it was said as far as it goes.
    pub(crate) fn close(&mut self, effects: &mut Vec<Effect>) -> Result<(), Fault> {
        match (self.open.take(), self.api) {
            (Some(_), Api::Nova) => {
                return Err(Fault::new(FaultKind::Unavailable, "Deepgram closed before all words were final"));
            }
            (Some(said), Api::Flux) => effects.push(Effect::Final(Transcript { stability: Some(1.0), ..said })),
            (None, _) => {}
        }
        while !self.owed.is_empty() {
            self.answer(effects);
        }
        Ok(())
    }

    /// Gives the answers that can be given, and has Flux end the turn that one waits for.
    fn settle(&mut self, effects: &mut Vec<Effect>) {
        while let Some(until) = self.owed.front().copied() {
            if self.is_final(until) {
                self.answer(effects);
                continue;
            }
            let (Until::Spoken(ms) | Until::Flushed(ms)) = until;
            // It ends a turn at what it has transcribed: asked before that comes up to the voice it would cut words off.
            if self.api == Api::Flux && self.open.is_some() && self.heard_ms >= ms && !self.forced {
                self.forced = true;
                effects.push(link::send_text(self.link, FORCE_END_TURN).into());
            }
            return;
        }
    }

    fn is_final(&self, until: Until) -> bool {
        self.open.is_none()
            && match (self.api, until) {
                (Api::Nova, Until::Spoken(ms)) => self.final_ms >= ms,
                (Api::Flux, Until::Spoken(ms)) => self.final_ms >= ms || self.heard_ms >= ms + FLUX_STEP_MS,
                // A turn that ended behind where the caller began is the one that was meant.
                (Api::Flux, Until::Flushed(since_ms)) => since_ms > 0 && self.final_ms >= since_ms,
                (Api::Nova, Until::Flushed(_)) => false,
            }
    }

    fn speech_ended(&mut self, ms: u64, effects: &mut Vec<Effect>) {
        if ms > self.ended_ms {
            (self.ended_ms, self.unended) = (ms, false);
            effects.push(Effect::SpeechEnded(ms));
        }
    }

    /// The oldest.
    fn answer(&mut self, effects: &mut Vec<Effect>) {
        effects.extend(self.owed.pop_front().map(|_| Effect::Finalized));
    }
}
