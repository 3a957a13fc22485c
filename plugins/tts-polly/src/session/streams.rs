//! A stream for each reply: text goes in while sound comes out.

use super::sound::Sound;
use super::{Manner, SECRET, link_of};
use crate::protocol::{self, EVENT_STREAM, Event, MESSAGE_BYTES_MAX};
use crate::voice::is_speech;
use std::collections::VecDeque;
use vg_plugin_sdk::{
    Fault, FaultKind, Instant, Usage,
    link::{self, LinkErrorKind, LinkId, LinkInput, Opened},
    signing,
    tts::{Effect, Input, Silence, Woken, spoke_nothing},
};
use vg_wire::event_stream::{Chain, Messages};

/// Milliseconds to the answer's head; the host gives up connecting after 5 s.
const HEAD_MS: u32 = 6_000;
/// To the next sound once the answer is there and all text was given.
const SILENCE_MS: u32 = 5_000;

/// See the module.
#[derive(Debug)]
pub(super) struct Streams {
    manner: Manner,
    /// What was told and belongs to no stream yet.
    waiting: VecDeque<Told>,
    reply: Option<Reply>,
    silence: Silence,
    sound: Sound,
    links: LinkId,
    ending: bool,
}

#[derive(Debug)]
enum Told {
    Text(String),
    /// The reply's end and its mark.
    Close(Option<u32>),
}

/// What is being spoken.
#[derive(Debug)]
struct Reply {
    link: LinkId,
    /// None before the host has signed the request.
    chain: Option<Chain>,
    messages: Messages,
    /// Everything that is to be sent, in order; an empty one ends the stream. It may have to be sent again.
    events: Vec<Vec<u8>>,
    sent: usize,
    characters: u64,
    opened: bool,
    full: bool,
    retried: bool,
    /// All text is known; the mark to give.
    closing: Option<Option<u32>>,
}

impl Streams {
    pub(super) fn new(manner: Manner) -> Self {
        let sound = Sound::new(manner.voice.format);
        Self { manner, waiting: VecDeque::new(), reply: None, silence: Silence::default(), sound, links: 0, ending: false }
    }

    pub(super) fn react(&mut self, now: Instant, input: Input, effects: &mut Vec<Effect>) -> Result<(), Fault> {
        match input {
            Input::Start(_) => {}
            Input::Text(text) => self.waiting.push_back(Told::Text(text)),
            Input::Flush(mark) => self.waiting.push_back(Told::Close(Some(mark))),
            Input::End => {
                self.ending = true;
                self.waiting.push_back(Told::Close(None));
            }
            Input::Cancel => {
                self.waiting.clear();
                self.silence.stop();
                if let Some(reply) = self.reply.take() {
                    effects.extend([link::close(reply.link).into(), usage(reply.characters)]);
                }
                effects.push(Effect::Cancelled);
            }
            Input::Link(news) => {
                if self.reply.as_ref().is_some_and(|reply| reply.link == link_of(&news)) {
                    self.told(now, news, effects)?;
                }
            }
            Input::Timer(id) => self.woken(id, effects)?,
        }
        self.go_on(now, effects)
    }

    fn woken(&mut self, id: u32, effects: &mut Vec<Effect>) -> Result<(), Fault> {
        match (self.silence.woken(id), &self.reply) {
            (Woken::Wait(more), _) => effects.extend(more),
            (Woken::Silent, Some(reply)) => {
                let what = if reply.opened { "fell silent" } else { "did not answer in time" };
                return Err(Fault::new(FaultKind::Unavailable, format!("the service {what}")));
            }
            _ => {}
        }
        Ok(())
    }

    /// Sound is owed once all text was given; before, the service may well wait for more.
    fn expect_sound(&mut self, effects: &mut Vec<Effect>) {
        match &self.reply {
            Some(reply) if reply.opened && reply.closing.is_some() => effects.push(self.silence.within(SILENCE_MS)),
            Some(reply) if reply.opened => self.silence.stop(),
            // The head has its own time, which runs.
            _ => {}
        }
    }

    /// Gives what waits to the stream; a reply that is closed is spoken to its end before the next begins.
    fn go_on(&mut self, now: Instant, effects: &mut Vec<Effect>) -> Result<(), Fault> {
        while self.reply.as_ref().is_none_or(|reply| reply.closing.is_none()) {
            match self.waiting.pop_front() {
                None => break,
                Some(Told::Text(text)) => self.say(&text, effects)?,
                Some(Told::Close(mark)) => match &mut self.reply {
                    Some(reply) => {
                        reply.closing = Some(mark);
                        reply.events.extend([protocol::close_event(), vec![]]);
                        self.expect_sound(effects);
                    }
                    None => effects.extend(mark.map(Effect::Flushed)),
                },
            }
        }
        if let Some(reply) = &mut self.reply {
            reply.send(now, effects)?;
        } else if self.ending && self.waiting.is_empty() {
            effects.push(Effect::Done);
        }
        Ok(())
    }

    fn say(&mut self, text: &str, effects: &mut Vec<Effect>) -> Result<(), Fault> {
        let script = self.manner.voice.script(text);
        if text.is_empty() {
            return Ok(());
        }
        if self.reply.is_none() {
            // A stream of nothing but spaces would have nothing to say.
            if !is_speech(&script.text) {
                return Ok(());
            }
            self.links += 1;
            self.sound.begin();
            self.reply = Some(Reply::new(self.links));
            effects.push(protocol::stream(SECRET, &self.manner.options, &self.manner.voice, self.links)?.into());
            effects.push(self.silence.within(HEAD_MS));
        }
        if let Some(reply) = &mut self.reply {
            reply.characters += text.chars().count() as u64;
            reply.events.push(protocol::text_event(&script)?);
        }
        Ok(())
    }

    fn told(&mut self, now: Instant, news: LinkInput, effects: &mut Vec<Effect>) -> Result<(), Fault> {
        let may_ask_again = self.may_ask_again();
        let Some(reply) = &mut self.reply else { return Ok(()) };
        match news {
            LinkInput::Signed(signed) => {
                reply.chain = Some(Chain::new(signed.signature));
                reply.send(now, effects)
            }
            LinkInput::Opened(head) => self.opened(&head, effects),
            LinkInput::Bytes(piece) => self.read(&piece.data, effects),
            // Also where every byte of it was well: without the service's word sound may be missing.
            LinkInput::Finished(_) => Err(Fault::new(FaultKind::Unavailable, "the service ended without closing the stream")),
            LinkInput::Failed(failed) if failed.kind == LinkErrorKind::Reset && may_ask_again => self.again(effects),
            LinkInput::Failed(failed) => Err(Fault::of_link(&failed)),
            LinkInput::Full(_) => {
                reply.full = true;
                Ok(())
            }
            LinkInput::Writable(_) => {
                reply.full = false;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn opened(&mut self, head: &Opened, effects: &mut Vec<Effect>) -> Result<(), Fault> {
        let may_ask_again = self.may_ask_again();
        let Some(reply) = &mut self.reply else { return Ok(()) };
        if matches!(head.status, 500 | 503) && may_ask_again {
            effects.push(link::close(reply.link).into());
            return self.again(effects);
        }
        if let Some(fault) = protocol::of_head(head.status, &head.headers) {
            return Err(fault);
        }
        if head.status != 200 || link::field(&head.headers, "content-type").is_some_and(|kind| kind != EVENT_STREAM) {
            return Err(Fault::new(FaultKind::Protocol, format!("status {} and no event stream", head.status)));
        }
        reply.opened = true;
        self.expect_sound(effects);
        Ok(())
    }

    /// Once, while nothing was spoken.
    fn may_ask_again(&self) -> bool {
        self.sound.is_silent() && self.reply.as_ref().is_some_and(|reply| !reply.retried)
    }

    fn again(&mut self, effects: &mut Vec<Effect>) -> Result<(), Fault> {
        let Some(reply) = &mut self.reply else { return Ok(()) };
        self.links += 1;
        let events = std::mem::take(&mut reply.events);
        let (characters, closing) = (reply.characters, reply.closing);
        *reply = Reply { events, characters, closing, retried: true, ..Reply::new(self.links) };
        effects.push(protocol::stream(SECRET, &self.manner.options, &self.manner.voice, self.links)?.into());
        effects.push(self.silence.within(HEAD_MS));
        Ok(())
    }

    fn read(&mut self, bytes: &[u8], effects: &mut Vec<Effect>) -> Result<(), Fault> {
        let broken = |error| Fault::new(FaultKind::Protocol, format!("the service's event stream cannot be read: {error}"));
        let Some(reply) = self.reply.as_mut().filter(|reply| reply.opened) else { return Ok(()) };
        reply.messages.push(bytes);
        while let Some(reply) = &mut self.reply {
            let Some(message) = reply.messages.poll().map_err(broken)? else { break };
            match protocol::event(message) {
                Ok(Event::Audio(samples)) => {
                    let samples = self.sound.take(samples);
                    if samples.is_some() {
                        effects.extend(samples);
                        self.expect_sound(effects);
                    }
                }
                Ok(Event::Closed(characters)) => return self.closed(characters, effects),
                Ok(Event::Other) => {}
                Err(fault) if fault.kind == FaultKind::Unavailable && self.sound.is_silent() && !reply.retried => {
                    effects.push(link::close(reply.link).into());
                    return self.again(effects);
                }
                Err(fault) => return Err(fault),
            }
        }
        Ok(())
    }

    fn closed(&mut self, characters: Option<u64>, effects: &mut Vec<Effect>) -> Result<(), Fault> {
        let Some(reply) = self.reply.take() else { return Ok(()) };
        self.silence.stop();
        let Some(mark) = reply.closing else {
            return Err(Fault::new(FaultKind::Unavailable, "the service closed the stream before all text was given"));
        };
        if self.sound.is_silent() {
            return Err(spoke_nothing("the service spoke nothing"));
        }
        if self.sound.is_cut() {
            return Err(Fault::new(FaultKind::Protocol, "the sound ended within a sample"));
        }
        effects.extend([link::close(reply.link).into(), usage(characters.unwrap_or(reply.characters))]);
        effects.extend(mark.map(Effect::Flushed));
        Ok(())
    }
}

impl Reply {
    fn new(link: LinkId) -> Self {
        Self {
            link,
            chain: None,
            messages: Messages::new(MESSAGE_BYTES_MAX),
            events: Vec::new(),
            sent: 0,
            characters: 0,
            opened: false,
            full: false,
            retried: false,
            closing: None,
        }
    }

    /// What was not sent yet, signed one after another.
    fn send(&mut self, now: Instant, effects: &mut Vec<Effect>) -> Result<(), Fault> {
        let Some(chain) = &mut self.chain else { return Ok(()) };
        let link = self.link;
        while let Some(event) = self.events.get(self.sent).filter(|_| !self.full) {
            let sign = |prior: &str, date: &str, header_hash: &str, payload_hash: &str| {
                signing::aws_chunk_signature(link, prior, date, header_hash, payload_hash)
            };
            let bytes = chain
                .message(event, now.unix_ms, sign)
                .ok_or_else(|| Fault::new(FaultKind::Internal, "the host does not continue the signature"))?;
            effects.push(link::send(link, bytes).into());
            if event.is_empty() {
                effects.push(link::finish(link).into());
            }
            self.sent += 1;
        }
        Ok(())
    }
}

fn usage(characters: u64) -> Effect {
    Effect::Usage(Usage { audio_ms: 0, characters, requests: 1 })
}
