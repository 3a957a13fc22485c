//! What happens when: one connection at a time, one turn at a time.
//!
//! Text is spoken as soon as a sentence of it is there (or, as a text stream, as soon as anything is); what comes while a turn is
//! spoken is the next turn. A turn is over with the vendor's `turn.end` and with nothing else.

mod hear;
mod line;
mod text;

use crate::options::{Options, Transport};
use crate::protocol::{self, Wire};
use line::Line;
use std::collections::VecDeque;
use text::Script;
use vg_plugin_sdk::{
    AudioFormat, Fault, FaultKind, Instant, SessionStart, Usage, Word, audio,
    link::{self, HttpVersion, LinkId},
    tts::{Effect, Input, Silence, Timer, Woken},
};
use vg_wire::usp::Ids;

/// A link that neither opens nor fails; the host gives up after 5 s.
const OPENED: Timer = Timer { id: 1, delay_ms: 5_500 };
/// Milliseconds to the first sound of a turn, and from one sound to the next or the turn's end.
const FIRST_SOUND_MS: u32 = 5_200;
const SILENCE_MS: u32 = 4_700;

/// Connections in a row that came to nothing: the official client tries once more.
const STRIKES_MAX: u32 = 1;

/// A session, before its start and after.
#[derive(Debug, Default)]
pub(crate) struct Session {
    call: Option<Box<Call>>,
}

#[derive(Debug)]
struct Call {
    now: Instant,
    /// What is to be done, in order.
    out: Vec<Effect>,
    wire: Wire,
    transport: Transport,
    format: AudioFormat,
    ids: Ids,
    /// The same for all connections of the session.
    connection_id: String,
    line: Line,
    /// Number of the last link.
    links: LinkId,
    /// What is to be spoken after the turn.
    script: Script,
    turn: Option<Turn>,
    ending: bool,
    /// Connections that came to nothing since the last turn that was spoken.
    strikes: u32,
    /// Bytes of sound that were given to the owner.
    given: u64,
    usage: Usage,
    silence: Silence,
}

/// The stretch of text that the vendor speaks.
#[derive(Debug)]
struct Turn {
    request_id: String,
    /// All of it, to be said again on a new connection as long as nothing of it was heard.
    text: String,
    /// No text will be added.
    whole_text: bool,
    /// It was put on the connection.
    told: bool,
    /// Sound of it was given to the owner.
    heard: bool,
    /// Words that were not given yet: none is before there is sound of the turn, which may be told again.
    words: VecDeque<Word>,
    /// Half a sample at the end of the last message.
    odd: audio::Whole,
    /// Where it begins in the sound of the session.
    base_ms: u64,
}

impl Session {
    pub(crate) fn handle(&mut self, now: Instant, input: Input) -> Vec<Effect> {
        if let Input::Start(start) = &input {
            match Call::new(now, start) {
                Ok(call) => self.call = Some(Box::new(call)),
                Err(fault) => return vec![Effect::Fail(fault)],
            }
        }
        let Some(call) = &mut self.call else { return vec![] };
        call.now = now;
        if let Err(fault) = call.react(input) {
            call.report();
            call.out.push(Effect::Fail(fault));
        }
        std::mem::take(&mut call.out)
    }
}

impl Call {
    fn new(now: Instant, start: &SessionStart) -> Result<Self, Fault> {
        let options = Options::read(&start.options)?;
        let mut ids = Ids::new(&start.seed);
        Ok(Self {
            now,
            out: Vec::new(),
            wire: Wire::new(&options, &start.options, &start.language, start.format)?,
            transport: options.transport,
            format: start.format,
            connection_id: ids.next_id(),
            ids,
            line: Line::Closed,
            links: 0,
            script: Script::new(!options.ssml && options.transport != Transport::TextStream),
            turn: None,
            ending: false,
            strikes: 0,
            given: 0,
            usage: Usage { audio_ms: 0, characters: 0, requests: 0 },
            silence: Silence::default(),
        })
    }

    fn react(&mut self, input: Input) -> Result<(), Fault> {
        match input {
            // At once, so that the first sound does not wait for TLS.
            Input::Start(_) if self.transport == Transport::Rest => self.connect(),
            Input::Start(_) => self.open(),
            Input::Text(text) => {
                self.script.text(&text);
                if matches!(self.line, Line::Closed) && self.transport != Transport::Rest {
                    self.open();
                }
                self.go_on();
            }
            Input::Flush(mark) => {
                self.script.mark(mark);
                self.go_on();
            }
            Input::Cancel => self.cancel(),
            Input::End => {
                self.ending = true;
                self.go_on();
            }
            Input::Link(news) => self.news(news)?,
            Input::Timer(id) => self.woken(id)?,
        }
        Ok(())
    }

    /// Begins what can be begun, and ends the session where nothing is left.
    fn go_on(&mut self) {
        while self.turn.is_none() {
            if let Some(mark) = self.script.reached() {
                self.out.push(Effect::Flushed(mark));
                continue;
            }
            let text = match self.transport {
                Transport::TextStream => self.script.begun(self.ending),
                Transport::Ssml | Transport::Rest => self.script.stretch(self.ending),
            };
            match text {
                Some(text) => self.begin(text),
                None if self.ending && self.script.is_empty() => return self.finish(),
                None => return,
            }
        }
        if self.transport == Transport::TextStream {
            self.add_text();
        }
    }

    fn begin(&mut self, text: String) {
        self.turn = Some(Turn {
            request_id: self.ids.next_id(),
            text,
            whole_text: self.transport != Transport::TextStream,
            told: false,
            heard: false,
            words: VecDeque::new(),
            odd: audio::Whole::default(),
            base_ms: self.ms(self.given),
        });
        match (&self.line, self.transport) {
            (_, Transport::Rest) | (Line::Open { .. }, _) => self.tell_turn(),
            (Line::Closed, _) => self.open(),
            (Line::Opening { .. } | Line::Request { .. }, _) => {}
        }
    }

    /// The whole turn as far as it is known.
    fn tell_turn(&mut self) {
        let unix_ms = self.now.unix_ms;
        let Some(turn) = &mut self.turn else { return };
        turn.told = true;
        self.usage.requests += 1;
        self.usage.characters += turn.text.chars().count() as u64;
        if self.transport == Transport::Rest {
            self.links += 1;
            self.line = Line::Request { id: self.links, good: false };
            self.out.push(self.wire.request(self.links, &turn.text).into());
        } else if let Some(id) = self.line.id() {
            self.out.push(link::send_text(id, self.wire.context(&turn.request_id, unix_ms)).into());
            let text = match self.transport {
                Transport::TextStream => protocol::piece(&turn.request_id, &turn.text, unix_ms),
                _ => self.wire.ssml(&turn.request_id, &turn.text, unix_ms),
            };
            self.out.push(link::send_text(id, text).into());
            if self.transport == Transport::TextStream && turn.whole_text {
                self.out.push(link::send_text(id, protocol::text_end(&turn.request_id, unix_ms)).into());
            }
        }
        if turn.whole_text {
            self.out.push(self.silence.within(FIRST_SOUND_MS));
        }
    }

    /// A text stream: what has come since, and its end where that is known.
    fn add_text(&mut self) {
        let unix_ms = self.now.unix_ms;
        let (Some(turn), id) = (&mut self.turn, self.line.id()) else { return };
        if turn.whole_text {
            return;
        }
        if let Some(text) = self.script.rest() {
            turn.text.push_str(&text);
            if turn.told
                && let Some(id) = id
            {
                self.usage.characters += text.chars().count() as u64;
                self.out.push(link::send_text(id, protocol::piece(&turn.request_id, &text, unix_ms)).into());
            }
        }
        if self.script.is_at_mark() || self.ending {
            turn.whole_text = true;
            if turn.told
                && let Some(id) = id
            {
                self.out.push(link::send_text(id, protocol::text_end(&turn.request_id, unix_ms)).into());
                self.out.push(self.silence.within(FIRST_SOUND_MS));
            }
        }
    }

    /// For the next request.
    fn connect(&mut self) {
        self.out.push(link::preconnect(self.wire.url.clone(), HttpVersion::Http1).into());
    }

    /// Nothing more is said of what was asked for. The vendor has no word for it: the official client closes the socket, too.
    fn cancel(&mut self) {
        self.script.clear();
        self.silence.stop();
        let told = self.turn.take().is_some_and(|turn| turn.told);
        if told && let Some(id) = self.line.id() {
            self.out.push(link::close(id).into());
            self.line = Line::Closed;
        }
        self.report();
        self.out.push(Effect::Cancelled);
        // The next reply is not to wait for TLS.
        match self.transport {
            _ if self.ending => self.finish(),
            Transport::Rest if told => self.connect(),
            Transport::Ssml | Transport::TextStream if told => self.open(),
            _ => {}
        }
    }

    fn woken(&mut self, id: u32) -> Result<(), Fault> {
        if id == OPENED.id {
            return if matches!(self.line, Line::Opening { .. }) { self.opens_never() } else { Ok(()) };
        }
        match (self.silence.woken(id), &self.turn) {
            (Woken::Wait(more), _) => self.out.extend(more),
            (Woken::Silent, Some(turn)) => {
                let what = if turn.heard { "fell silent" } else { "gave no sound in time" };
                return Err(Fault::new(FaultKind::Unavailable, format!("the vendor {what}")));
            }
            _ => {}
        }
        Ok(())
    }

    fn finish(&mut self) {
        if let Some(id) = self.line.id() {
            // Half-close: the vendor is told that this was on purpose.
            self.out.push(link::finish(id).into());
        }
        self.line = Line::Closed;
        self.report();
        self.out.push(Effect::Done);
    }

    /// What the vendor was given since the last time this was said.
    fn report(&mut self) {
        let usage = std::mem::replace(&mut self.usage, Usage { audio_ms: 0, characters: 0, requests: 0 });
        if usage.requests > 0 || usage.characters > 0 {
            self.out.push(Effect::Usage(usage));
        }
    }

    fn ms(&self, bytes: u64) -> u64 {
        bytes * 1000 / (audio::sample_bytes(self.format.encoding) as u64 * u64::from(self.format.rate_hz))
    }
}
