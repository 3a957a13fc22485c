//! One call's voice: each text is posted as soon as nothing else is being spoken.

#[cfg(test)]
mod tests;

use crate::answer::{Answer, Part};
use crate::options::Options;
use crate::protocol::{self, Order};
use std::collections::VecDeque;
use vg_own_engine::{Asking, BODY_MS, Refused, VERSION};
use vg_plugin_sdk::{
    AudioFormat, Fault, FaultKind, SessionStart, Usage, Word,
    link::{self, HttpVersion, LinkId, LinkInput, Opened},
    tts::{Effect, Input, Silence, Timer, Woken},
};

/// All that is to be said was, and the end of the answer comes at once, or is not waited for.
const ENDING: Timer = Timer { id: 1, delay_ms: BODY_MS };

/// One session, from before its `start`.
#[derive(Debug, Default)]
pub(crate) struct Session(State);

#[derive(Debug, Default)]
enum State {
    #[default]
    Fresh,
    Live(Box<Voice>),
    Over,
}

/// What the session was told and has not spoken.
#[derive(Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    /// A `flush`: to be answered when all before it was spoken.
    Mark(u32),
}

#[derive(Debug)]
struct Voice {
    options: Options,
    asking: Asking,
    language: String,
    format: AudioFormat,
    pieces: VecDeque<Piece>,
    speaking: Option<Speaking>,
    silence: Silence,
    links: LinkId,
    ending: bool,
    /// Sound of the answers before, for the places of words.
    spoken_ms: u64,
}

#[derive(Debug)]
struct Speaking {
    link: LinkId,
    phase: Phase,
}

#[derive(Debug)]
enum Phase {
    Asked,
    /// The reason may follow.
    Refused(Refused),
    Answered(Answer),
}

impl Session {
    pub(crate) fn handle(&mut self, input: Input) -> Vec<Effect> {
        let mut effects = Vec::new();
        let done = match (&mut self.0, input) {
            (State::Fresh, Input::Start(start)) => Voice::new(&start, &mut effects).map(|voice| self.0 = State::Live(voice)),
            (State::Fresh, _) => Err(Fault::new(FaultKind::Internal, "the first input is not start")),
            (State::Live(voice), input) => voice.react(input, &mut effects),
            (State::Over, _) => Ok(()),
        };
        if let Err(fault) = done {
            effects.push(Effect::Fail(fault));
        }
        if let Some(Effect::Done | Effect::Fail(_)) = effects.last() {
            self.0 = State::Over;
        }
        effects
    }
}

impl Voice {
    fn new(start: &SessionStart, effects: &mut Vec<Effect>) -> Result<Box<Self>, Fault> {
        let (options, asking) = Options::read(&start.options)?;
        effects.push(ready(&asking));
        Ok(Box::new(Self {
            options,
            asking,
            language: start.language.clone(),
            format: start.format,
            pieces: VecDeque::new(),
            speaking: None,
            silence: Silence::default(),
            links: 0,
            ending: false,
            spoken_ms: 0,
        }))
    }

    fn react(&mut self, input: Input, effects: &mut Vec<Effect>) -> Result<(), Fault> {
        match input {
            Input::Start(_) => return Err(Fault::new(FaultKind::Internal, "a session was started twice")),
            Input::Text(text) => match self.pieces.back_mut() {
                Some(Piece::Text(waiting)) => waiting.push_str(&text),
                _ => self.pieces.push_back(Piece::Text(text)),
            },
            Input::Flush(mark) => self.pieces.push_back(Piece::Mark(mark)),
            Input::Cancel => self.cancel(effects),
            Input::End => self.ending = true,
            Input::Link(news) => self.news(news, effects)?,
            Input::Timer(id) => self.woken(id, effects)?,
        }
        self.go_on(effects);
        Ok(())
    }

    fn cancel(&mut self, effects: &mut Vec<Effect>) {
        self.pieces.clear();
        self.silence.stop();
        let Some(Speaking { link, phase }) = self.speaking.take() else { return effects.push(Effect::Cancelled) };
        if let Phase::Answered(answer) = phase {
            self.spoken_ms += answer.ms();
        }
        effects.extend([link::close(link).into(), Effect::Cancelled]);
        if !self.ending {
            // The connection goes with its link: the next text is not to wait for another.
            effects.push(ready(&self.asking));
        }
    }

    /// Where nothing is being spoken: the next text, or the end.
    fn go_on(&mut self, effects: &mut Vec<Effect>) {
        while self.speaking.is_none() {
            match self.pieces.pop_front() {
                Some(Piece::Mark(mark)) => effects.push(Effect::Flushed(mark)),
                Some(Piece::Text(text)) if text.contains(char::is_alphanumeric) => self.ask(&text, effects),
                // Nothing that could be spoken.
                Some(Piece::Text(_)) => {}
                None if self.ending => return effects.push(Effect::Done),
                None => return,
            }
        }
    }

    fn ask(&mut self, text: &str, effects: &mut Vec<Effect>) {
        self.links += 1;
        self.speaking = Some(Speaking { link: self.links, phase: Phase::Asked });
        let order = Order {
            version: VERSION,
            text,
            voice: self.options.voice.as_deref(),
            language: &self.language,
            format: self.format.into(),
            words: self.options.words,
            options: &self.options.options,
        };
        let open = link::http(self.links, "POST", self.asking.url.clone())
            .header("content-type", "application/json")
            .header("accept", protocol::accepted(self.format.into(), self.options.words))
            .header("user-agent", concat!("serphona-voice-gateway/", env!("CARGO_PKG_VERSION")))
            .body(order.json());
        let open = self.asking.headers.iter().fold(open, |open, (name, value)| open.header(name, value.clone()));
        effects.extend([
            open.into(),
            self.silence.within(self.options.patience_ms),
            Effect::Usage(Usage { audio_ms: 0, characters: text.chars().count() as u64, requests: 1 }),
        ]);
    }

    fn news(&mut self, news: LinkInput, effects: &mut Vec<Effect>) -> Result<(), Fault> {
        // News of a link that was cancelled is for nobody.
        let Some(Speaking { link, phase }) = &mut self.speaking else { return Ok(()) };
        match (news, phase) {
            (LinkInput::Opened(head), _) if head.id == *link => return self.opened(head, effects),
            (LinkInput::Bytes(piece), Phase::Refused(refused)) if piece.id == *link => refused.push(&piece.data),
            // After its last line nothing counts.
            (LinkInput::Bytes(piece), Phase::Answered(answer)) if piece.id == *link && !answer.is_done() => {
                let mut parts = Vec::new();
                let taken = answer.take(piece.data, &mut parts);
                effects.extend(parts.into_iter().map(|part| effect(part, self.spoken_ms)));
                taken?;
                effects.push(match answer.is_done() {
                    true => {
                        self.silence.stop();
                        Effect::Timer(ENDING)
                    }
                    // Any news will do, as documented.
                    false => self.silence.within(self.options.patience_ms),
                });
            }
            (LinkInput::Finished(end), _) if end.id == *link => return self.finished(),
            (LinkInput::Failed(failed), phase) if failed.id == *link => {
                return match phase {
                    Phase::Refused(refused) => Err(refused.fault()),
                    // It had said its last word.
                    Phase::Answered(answer) if answer.is_done() => self.finished(),
                    _ => Err(Fault::of_link(&failed)),
                };
            }
            _ => {}
        }
        Ok(())
    }

    fn opened(&mut self, head: Opened, effects: &mut Vec<Effect>) -> Result<(), Fault> {
        let phase = if head.status >= 400 {
            self.silence.stop();
            effects.push(Effect::Timer(ENDING));
            Phase::Refused(Refused::new(head))
        } else {
            let AudioFormat { encoding, rate_hz } = self.format;
            let body = protocol::body(head.status, &head.headers, self.format.into())?;
            effects.push(self.silence.within(self.options.patience_ms));
            Phase::Answered(Answer::new(body, encoding, rate_hz))
        };
        if let Some(speaking) = &mut self.speaking {
            speaking.phase = phase;
        }
        Ok(())
    }

    fn finished(&mut self) -> Result<(), Fault> {
        self.silence.stop();
        match self.speaking.take().map(|speaking| speaking.phase) {
            Some(Phase::Refused(refused)) => Err(refused.fault()),
            Some(Phase::Answered(answer)) => {
                self.spoken_ms += answer.ms();
                answer.end()
            }
            // The host tells a head before an end.
            Some(Phase::Asked) => Err(Fault::new(FaultKind::Unavailable, "the engine ended without an answer")),
            None => Ok(()),
        }
    }

    fn woken(&mut self, id: u32, effects: &mut Vec<Effect>) -> Result<(), Fault> {
        match self.silence.woken(id) {
            Woken::Silent => return Err(Fault::new(FaultKind::Unavailable, "the engine fell silent")),
            Woken::Wait(effect) => {
                effects.extend(effect);
                return Ok(());
            }
            Woken::Other => {}
        }
        match &self.speaking {
            Some(Speaking { phase: Phase::Refused(_), .. }) => self.finished(),
            Some(Speaking { phase: Phase::Answered(answer), link }) if answer.is_done() => {
                effects.push(link::close(*link).into());
                self.finished()
            }
            // It rang for the answer before.
            _ => Ok(()),
        }
    }
}

/// A connection for the next text.
fn ready(asking: &Asking) -> Effect {
    link::preconnect(asking.url.clone(), HttpVersion::Http1).into()
}

/// What is told of a part; words are placed in the session.
fn effect(part: Part, spoken_ms: u64) -> Effect {
    match part {
        Part::Sound(samples) => Effect::Audio(samples),
        Part::Word { text, start_ms, end_ms } => {
            // An engine may write any number.
            let place = |ms: u64| spoken_ms.saturating_add(ms);
            Effect::Word(Word { text, start_ms: place(start_ms), end_ms: place(end_ms), confidence: None })
        }
    }
}
