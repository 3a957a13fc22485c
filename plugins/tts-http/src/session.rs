//! One call's voice: each text is posted as soon as nothing else is being spoken.

#[cfg(test)]
mod tests;

use crate::answer::{Answer, Part};
use crate::options::Options;
use crate::protocol::{self, Order};
use std::collections::VecDeque;
use vg_own_engine::{Asking, VERSION, refused};
use vg_plugin_sdk::{
    AudioFormat, Fault, FaultKind, SessionStart, Usage, Word,
    link::{self, Fields, HttpVersion, LinkId, LinkInput, Opened},
    tts::{Effect, Input, Timer},
};

/// No news of the engine for so long while it owes sound. One timer: setting it again replaces it.
const SILENCE: u32 = 1;
/// A refusal's body comes with its head, or is not waited for.
const BODY_MS: u32 = 500;
/// Of a refusal's body: more is a page.
const BODY_MAX: usize = 4 << 10;

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
    Refused {
        status: u16,
        headers: Fields,
        body: Vec<u8>,
    },
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
        effects.push(link::preconnect(asking.url.clone(), HttpVersion::Http1).into());
        Ok(Box::new(Self {
            options,
            asking,
            language: start.language.clone(),
            format: start.format,
            pieces: VecDeque::new(),
            speaking: None,
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
            Input::Cancel => {
                self.pieces.clear();
                if let Some(Speaking { link, phase }) = self.speaking.take() {
                    if let Phase::Answered(answer) = phase {
                        self.spoken_ms += answer.ms();
                    }
                    effects.push(link::close(link).into());
                }
                effects.push(Effect::Cancelled);
            }
            Input::End => self.ending = true,
            Input::Link(news) => self.news(news, effects)?,
            Input::Timer(_) => self.woken(effects)?,
        }
        self.go_on(effects);
        Ok(())
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
            self.silence(),
            Effect::Usage(Usage { audio_ms: 0, characters: text.chars().count() as u64, requests: 1 }),
        ]);
    }

    fn silence(&self) -> Effect {
        Effect::Timer(Timer { id: SILENCE, delay_ms: self.options.patience_ms })
    }

    fn news(&mut self, news: LinkInput, effects: &mut Vec<Effect>) -> Result<(), Fault> {
        // News of a link that was cancelled is for nobody.
        let Some(Speaking { link, phase }) = &mut self.speaking else { return Ok(()) };
        match (news, phase) {
            (LinkInput::Opened(head), _) if head.id == *link => return self.opened(head, effects),
            (LinkInput::Bytes(piece), Phase::Refused { body, .. }) if piece.id == *link => {
                let room = BODY_MAX.saturating_sub(body.len()).min(piece.data.len());
                body.extend_from_slice(&piece.data[..room]);
            }
            (LinkInput::Bytes(piece), Phase::Answered(answer)) if piece.id == *link => {
                let mut parts = Vec::new();
                let taken = answer.take(piece.data, &mut parts);
                effects.extend(parts.into_iter().map(|part| effect(part, self.spoken_ms)));
                taken?;
                effects.push(self.silence());
            }
            (LinkInput::Finished(end), _) if end.id == *link => return self.finished(),
            (LinkInput::Failed(failed), phase) if failed.id == *link => {
                return match phase {
                    Phase::Refused { status, headers, body } => Err(refused(*status, headers, body)),
                    // It had said its last word.
                    Phase::Answered(answer) if answer.is_done() => self.finished(),
                    _ => Err(Fault::of_link(&failed)),
                };
            }
            _ => {}
        }
        Ok(())
    }

    fn opened(&mut self, Opened { status, headers, .. }: Opened, effects: &mut Vec<Effect>) -> Result<(), Fault> {
        let phase = if status >= 400 {
            effects.push(Effect::Timer(Timer { id: SILENCE, delay_ms: BODY_MS }));
            Phase::Refused { status, headers, body: Vec::new() }
        } else {
            let AudioFormat { encoding, rate_hz } = self.format;
            let body = protocol::body(status, &headers, self.format.into())?;
            effects.push(self.silence());
            Phase::Answered(Answer::new(body, encoding, rate_hz))
        };
        if let Some(speaking) = &mut self.speaking {
            speaking.phase = phase;
        }
        Ok(())
    }

    fn finished(&mut self) -> Result<(), Fault> {
        match self.speaking.take().map(|speaking| speaking.phase) {
            Some(Phase::Refused { status, headers, body }) => Err(refused(status, &headers, &body)),
            Some(Phase::Answered(answer)) => {
                self.spoken_ms += answer.ms();
                answer.end()
            }
            // The host tells a head before an end.
            Some(Phase::Asked) => Err(Fault::new(FaultKind::Unavailable, "the engine ended without an answer")),
            None => Ok(()),
        }
    }

    fn woken(&mut self, effects: &mut Vec<Effect>) -> Result<(), Fault> {
        match &self.speaking {
            None => Ok(()),
            Some(Speaking { phase: Phase::Refused { .. }, .. }) => self.finished(),
            Some(Speaking { phase: Phase::Answered(answer), link }) if answer.is_done() => {
                effects.push(link::close(*link).into());
                self.finished()
            }
            Some(_) => Err(Fault::new(FaultKind::Unavailable, "the engine fell silent")),
        }
    }
}

/// What is told of a part; words are placed in the session.
fn effect(part: Part, spoken_ms: u64) -> Effect {
    match part {
        Part::Sound(samples) => Effect::Audio(samples),
        Part::Word { text, start_ms, end_ms } => {
            Effect::Word(Word { text, start_ms: spoken_ms + start_ms, end_ms: spoken_ms + end_ms, confidence: None })
        }
    }
}
