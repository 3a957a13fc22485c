//! What happens when: one connection at a time, one turn of the vendor's at a time.
//!
//! The vendor has no word for "finalize": the sound of the turn is ended, `turn.end` answers, and what follows is a new turn on the
//! same connection. What comes meanwhile waits in [`Kept`], and so does everything behind the last final, to be said again on a new
//! connection where the present one is lost.

mod hear;
mod line;

use crate::kept::Kept;
use crate::options::{Auth, Options};
use crate::protocol::{Continuation, Turn, Wire};
use line::Line;
use std::collections::VecDeque;
use vg_plugin_sdk::{
    Encoding, Fault, FaultKind, Instant, SessionStart, Usage,
    link::{self, LinkId},
    stt::{Effect, Input, Timer},
};
use vg_wire::usp::Ids;

/// A link that neither opens nor fails; the host gives up after 5 s.
const OPENED: Timer = Timer { id: 1, delay_ms: 5_500 };
/// The turn was begun and the vendor says nothing.
const TURN_START: Timer = Timer { id: 2, delay_ms: 5_000 };
/// The sound of the turn was ended and the vendor does not end the turn; of a hundred finals the slowest takes 1.8 s.
const TURN_END: Timer = Timer { id: 3, delay_ms: 3_000 };
/// As long as the official client waits before it connects again.
const RETRY: Timer = Timer { id: 4, delay_ms: 300 };
/// There is more to send than is sent at once.
const FEED: Timer = Timer { id: 5, delay_ms: 20 };
/// Whoever asked for a finalize has waited so long, whatever happened meanwhile.
const OWED: Timer = Timer { id: 6, delay_ms: 9_000 };

/// Bytes sent in one go: the host drops sessions that let 256 KiB wait.
pub(crate) const BURST_BYTES: usize = 32 << 10;
/// Sound of one message, as of the official client.
const MESSAGE_MS: u64 = 100;
/// Connections or turns in a row that came to nothing, as of the official client.
const STRIKES_MAX: u32 = 4;
/// The same before the vendor ever answered: somebody else may be quicker.
const COLD_STRIKES_MAX: u32 = 1;

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
    auth: Auth,
    ids: Ids,
    /// The same for all connections of the session.
    connection_id: String,
    line: Line,
    /// Number of the last link.
    links: LinkId,
    turn: Option<Live>,
    /// Names the last turn to the vendor.
    tag: Option<String>,
    kept: Kept,
    owed: VecDeque<Owed>,
    ending: bool,
    /// Ticks of the session at which the last final ended: what ends before it was said already.
    finals_end: u64,
    /// The vendor told of speech that it has not ended.
    speaking: bool,
    /// A partial was given whose final has not come.
    open_words: bool,
    /// Some of their sound is forgotten.
    torn: bool,
    strikes: u32,
    /// The vendor began a turn at least once.
    answered: bool,
    sent_bytes: u64,
    requests: u32,
}

/// The turn that the vendor hears.
#[derive(Debug)]
struct Live {
    turn: Turn,
    /// Place at which its sound begins, and the same in ticks.
    base: u64,
    base_ticks: u64,
    started: bool,
    /// Place at which its sound was ended.
    ended: Option<u64>,
}

/// Everything up to a place is to be final.
#[derive(Clone, Copy, Debug)]
struct Owed {
    place: u64,
    asked_us: u64,
    /// `finalize`, not `end`.
    answer: bool,
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
        let (encoding, rate_hz) = (start.format.encoding, start.format.rate_hz);
        if !matches!((encoding, rate_hz), (_, 8_000) | (Encoding::PcmS16le, 16_000)) {
            return Err(Fault::new(FaultKind::Unsupported, "the vendor takes 8 kHz, and 16 kHz in linear samples"));
        }
        let mut ids = Ids::new(&start.seed);
        Ok(Self {
            now,
            out: Vec::new(),
            wire: Wire::new(&options, &start.options, &start.language, start.format)?,
            auth: options.auth,
            connection_id: ids.next_id(),
            ids,
            line: Line::Closed,
            links: 0,
            turn: None,
            tag: None,
            kept: Kept::new(start.format),
            owed: VecDeque::new(),
            ending: false,
            finals_end: 0,
            speaking: false,
            open_words: false,
            torn: false,
            strikes: 0,
            answered: false,
            sent_bytes: 0,
            requests: 0,
        })
    }

    fn react(&mut self, input: Input) -> Result<(), Fault> {
        match input {
            // At once, so that the first words do not wait for TLS.
            Input::Start(_) => self.open(),
            Input::Audio(chunk) if !self.ending => {
                if self.kept.push(&chunk) && self.open_words {
                    self.torn = true;
                }
                self.feed();
            }
            Input::Finalize => self.owe(true),
            Input::End => {
                self.ending = true;
                self.owe(false);
            }
            Input::Link(news) => self.news(news)?,
            Input::Timer(id) => self.woken(id)?,
            Input::Audio(_) | Input::Edge(_) => {}
        }
        Ok(())
    }

    fn owe(&mut self, answer: bool) {
        if self.owed.is_empty() {
            self.out.push(Effect::Timer(OWED));
        }
        self.owed.push_back(Owed { place: self.kept.end(), asked_us: self.now.mono_us, answer });
        self.feed();
    }

    fn woken(&mut self, id: u32) -> Result<(), Fault> {
        let late = |what: &str| Err(Fault::new(FaultKind::Unavailable, format!("the vendor did not {what} in time")));
        let turn = self.turn.as_ref();
        match id {
            _ if id == OPENED.id && matches!(self.line, Line::Opening { .. }) => late("answer"),
            _ if id == TURN_START.id && turn.is_some_and(|live| !live.started) => late("begin a turn"),
            _ if id == TURN_END.id && turn.is_some_and(|live| live.ended.is_some()) => late("end a turn"),
            _ if id == OWED.id => match self.owed.front() {
                None => Ok(()),
                Some(owed) => {
                    let due_us = owed.asked_us + 1_000 * u64::from(OWED.delay_ms);
                    if due_us <= self.now.mono_us {
                        return late("finalize");
                    }
                    let delay_ms = (due_us - self.now.mono_us).div_ceil(1_000) as u32;
                    self.out.push(Effect::Timer(Timer { delay_ms, ..OWED }));
                    Ok(())
                }
            },
            _ if id == RETRY.id && matches!(self.line, Line::Resting) => {
                self.open();
                Ok(())
            }
            _ if id == FEED.id => {
                self.feed();
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Sends what there is to send, ends the turn where that was asked for, and the session where nothing is left.
    fn feed(&mut self) {
        let mut room = BURST_BYTES;
        loop {
            self.settle();
            if self.ending && self.owed.is_empty() {
                return self.finish();
            }
            if self.pending() == 0 && self.owed.is_empty() || self.turn.as_ref().is_some_and(|live| live.ended.is_some()) {
                return;
            }
            let (id, full) = match &self.line {
                Line::Open { id, full, .. } => (*id, *full),
                Line::Closed => return self.open(),
                Line::Resting | Line::Opening { .. } => return,
            };
            if full {
                return;
            }
            if room == 0 {
                return self.out.push(Effect::Timer(FEED));
            }
            if self.turn.is_none() {
                self.begin_turn(id);
            }
            let until = self.owed.front().map_or(u64::MAX, |owed| owed.place);
            let Some(live) = &mut self.turn else { return };
            let samples = self.kept.take(room.min(self.kept.bytes(MESSAGE_MS)), until);
            if samples.is_empty() {
                live.ended = Some(self.kept.sent());
                self.out.extend([link::send(id, live.turn.audio(&[], self.now.unix_ms)).into(), Effect::Timer(TURN_END)]);
                return;
            }
            room = room.saturating_sub(samples.len());
            self.sent_bytes += samples.len() as u64;
            self.out.push(link::send(id, live.turn.audio(samples, self.now.unix_ms)).into());
        }
    }

    /// Sound that was not sent on this connection.
    fn pending(&self) -> u64 {
        let from = if self.turn.is_some() { self.kept.sent() } else { self.kept.base() };
        self.kept.end() - from
    }

    /// Answers what is final already.
    fn settle(&mut self) {
        while let Some(owed) = self.owed.front()
            && owed.place <= self.kept.base()
        {
            if owed.answer {
                self.out.push(Effect::Finalized);
            }
            self.owed.pop_front();
        }
    }

    fn begin_turn(&mut self, id: LinkId) {
        let Line::Open { streams, .. } = &self.line else { return };
        self.kept.rewind();
        let (base, unix_ms) = (self.kept.base(), self.now.unix_ms);
        let base_ticks = self.kept.ticks(base);
        let turn = Turn::new(self.ids.next_id(), streams + 1);
        let continuation = self.tag.as_deref().map(|previous_tag| Continuation { previous_tag, offset: base_ticks });
        self.out.extend([
            link::send_text(id, self.wire.context(&turn, continuation, unix_ms)).into(),
            link::send(id, self.wire.riff(&turn, unix_ms)).into(),
            Effect::Timer(TURN_START),
        ]);
        self.requests += 1;
        self.turn = Some(Live { turn, base, base_ticks, started: false, ended: None });
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

    /// What the vendor was given since the last time this was said; sound that was said again is heard and billed again.
    fn report(&mut self) {
        let audio_ms = self.kept.ms(self.sent_bytes);
        if audio_ms > 0 || self.requests > 0 {
            self.sent_bytes -= self.kept.bytes(audio_ms) as u64;
            self.out.push(Effect::Usage(Usage { audio_ms, characters: 0, requests: std::mem::take(&mut self.requests) }));
        }
    }
}
