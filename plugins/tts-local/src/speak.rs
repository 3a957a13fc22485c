//! A session that speaks: text in, samples out, never more at a time than a worker should be held for.

use std::{collections::VecDeque, fmt};

use flite_rs::{Engine, Flow};
use vg_plugin_sdk::{
    Encoding, Fault, FaultKind, Usage, audio,
    tts::{Effect, Timer},
};

use crate::{
    clauses::clauses,
    options::{Options, Voice},
};

/// The length of one piece of audio.
const CHUNK_MS: usize = 100;
/// How much audio one call gives. A clause is at most some seconds long, but one of digits can be a minute.
const CHUNKS_PER_CALL: usize = 20;
/// The session's only timer: it asks to go on.
const GO_ON: Timer = Timer { id: 0, delay_ms: 0 };

/// A voice and what it still has to say.
pub struct Speaker {
    engine: Engine,
    encoding: Encoding,
    rate_hz: u32,
    queue: VecDeque<Item>,
    /// The clause that was synthesised last; it was given out up to `given`.
    clause: Vec<u8>,
    given: usize,
    /// A timer is set: text that comes meanwhile waits for it.
    waits: bool,
    /// Not reported yet.
    worked: Usage,
}

#[derive(Debug, PartialEq)]
enum Item {
    Clause(String),
    Mark(u32),
    End,
}

impl Speaker {
    /// Reads the voice's tables, which takes about a millisecond.
    pub fn new(encoding: Encoding, voice: Voice, options: &Options) -> Result<Self, Fault> {
        let mut engine = Engine::try_new().map_err(|error| Fault::new(FaultKind::Internal, error.to_string()))?;
        if !engine.select_voice(voice.name()) {
            return Err(Fault::new(FaultKind::Internal, "the voice was not built in"));
        }
        engine.set_duration_stretch(1.0 / options.speed);
        let rate_hz = engine.sample_rate();
        let (queue, clause) = (VecDeque::new(), Vec::new());
        Ok(Self { engine, encoding, rate_hz, queue, clause, given: 0, waits: false, worked: NOTHING })
    }

    /// More text, in whole clauses.
    pub fn text(&mut self, text: &str) -> Vec<Effect> {
        self.queue.extend(clauses(text).into_iter().map(Item::Clause));
        self.wake()
    }

    /// Answered by `flushed` behind the last audio of all text before it.
    pub fn flush(&mut self, mark: u32) -> Vec<Effect> {
        self.queue.push_back(Item::Mark(mark));
        self.wake()
    }

    /// Forgets what was not given as audio, marks too.
    pub fn cancel(&mut self) -> Vec<Effect> {
        self.queue.retain(|item| *item == Item::End);
        self.clause.clear();
        self.given = 0;
        let mut effects = vec![];
        self.report(&mut effects);
        effects.push(Effect::Cancelled);
        // Even where a timer is under way: nothing is left that it would have to wait for.
        effects.extend(self.go_on());
        effects
    }

    /// Answered by `done` behind the last audio.
    pub fn end(&mut self) -> Vec<Effect> {
        self.queue.push_back(Item::End);
        self.wake()
    }

    /// There is room for more audio: gives some of the clause under way, else of the next.
    pub fn go_on(&mut self) -> Vec<Effect> {
        let (mut effects, mut chunks, mut synthesised) = (vec![], 0, false);
        self.waits = loop {
            if self.given < self.clause.len() {
                if chunks == CHUNKS_PER_CALL {
                    break true;
                }
                chunks += 1;
                effects.push(Effect::Audio(self.chunk()));
                continue;
            }
            match self.queue.pop_front() {
                None => break false,
                Some(Item::Clause(text)) if synthesised => {
                    self.queue.push_front(Item::Clause(text));
                    break true;
                }
                Some(Item::Clause(text)) => {
                    self.synthesise(&text);
                    synthesised = true;
                }
                Some(Item::Mark(mark)) => {
                    self.report(&mut effects);
                    effects.push(Effect::Flushed(mark));
                }
                Some(Item::End) => {
                    self.report(&mut effects);
                    effects.push(Effect::Done);
                    break false;
                }
            }
        };
        if self.waits {
            effects.push(Effect::Timer(GO_ON));
        }
        effects
    }

    fn wake(&mut self) -> Vec<Effect> {
        if self.waits { vec![] } else { self.go_on() }
    }

    fn chunk(&mut self) -> Vec<u8> {
        let bytes = self.rate_hz as usize / 1000 * CHUNK_MS * audio::sample_bytes(self.encoding);
        let end = self.clause.len().min(self.given + bytes);
        let chunk = self.clause[self.given..end].to_vec();
        self.given = end;
        chunk
    }

    fn synthesise(&mut self, text: &str) {
        self.clause.clear();
        self.given = 0;
        self.engine.synthesize_streaming(text, |period| {
            audio::encode(self.encoding, period, &mut self.clause);
            Flow::Continue
        });
        let samples = self.clause.len() / audio::sample_bytes(self.encoding);
        self.worked.audio_ms += samples as u64 * 1000 / u64::from(self.rate_hz);
        self.worked.characters += text.chars().count() as u64;
        self.worked.requests += 1;
    }

    fn report(&mut self, effects: &mut Vec<Effect>) {
        if self.worked.requests > 0 {
            effects.push(Effect::Usage(std::mem::replace(&mut self.worked, NOTHING)));
        }
    }
}

impl fmt::Debug for Speaker {
    /// Says nothing of the text.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Speaker").field("queued", &self.queue.len()).field("waits", &self.waits).finish_non_exhaustive()
    }
}

const NOTHING: Usage = Usage { audio_ms: 0, characters: 0, requests: 0 };
