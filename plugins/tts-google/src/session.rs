//! One reply, or several one after another: text goes to Google as it comes, sound comes back.

mod turn;

use crate::options::{Form, Options, SCHEMA};
use crate::protocol::{self, Asking};
use std::collections::VecDeque;
use turn::{Heard, Turn};
use vg_plugin_sdk::{
    AudioFormat, Descriptor, Encoding, Fault, FaultKind, Features, Instant, SecretKind, SecretWish, SessionStart, Usage,
    link::{self, HttpVersion, LinkEffect, LinkId, LinkInput},
    options,
    tts::{Effect, Input, Silence, Texts, Timer, TtsPlugin, Woken},
};

/// Milliseconds from the first text to the first sound. The host gives a connection 5 s.
const FIRST_SOUND_MS: u32 = 7_000;
/// From one piece of sound to the next, while Google owes some.
const SILENCE_MS: u32 = 5_000;
/// Google breaks a stream off to which no text came for 5 s: before that it is ended, and speaks what it has.
const NO_TEXT: Timer = Timer { id: 1, delay_ms: 4_000 };

/// What was told and is not with Google yet, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Item {
    /// Of a stream: more text. Else a whole one, within Google's limit.
    Text(String),
    /// A `flush` with its mark, or the `end`.
    Close(Option<u32>),
}

/// One session.
#[derive(Debug, Default)]
pub(crate) struct Session {
    asking: Option<Asking>,
    /// Streamed: blanks with which no turn begins.
    blanks: String,
    /// Not streamed: what waits for the request before.
    texts: Texts,
    queue: VecDeque<Item>,
    turn: Option<Turn>,
    silence: Silence,
    links: LinkId,
    ending: bool,
}

impl TtsPlugin for Session {
    fn descriptor() -> Descriptor {
        let format = |encoding, rate_hz| AudioFormat { encoding, rate_hz };
        let languages = ["en-US", "en-GB", "pt-BR", "es-ES", "es-US", "es-MX", "fr-FR", "de-DE", "it-IT"];
        let secret = |name: &str, kind, why: &str| SecretWish { name: name.to_owned(), kind, why: why.to_owned() };
        Descriptor {
            formats: vec![
                format(Encoding::Mulaw, 8_000),
                format(Encoding::Alaw, 8_000),
                format(Encoding::PcmS16le, 8_000),
                format(Encoding::PcmS16le, 16_000),
                format(Encoding::PcmS16le, 24_000),
            ],
            languages: languages.map(str::to_owned).to_vec(),
            features: Features::INCREMENTAL_TEXT,
            options_schema: SCHEMA.to_owned(),
            hosts: vec![protocol::ORIGIN.to_owned()],
            secrets: vec![secret(
                "api_key",
                SecretKind::Fixed,
                "an API key, or an access token where the option auth is bearer; with service_account or oauth2 the secret of that \
                 name stands in its place",
            )],
            ..Descriptor::tts("tts-google", env!("CARGO_PKG_VERSION"))
        }
    }

    fn new() -> Self {
        Self::default()
    }

    fn handle(&mut self, _now: Instant, input: Input) -> Vec<Effect> {
        let mut effects = Vec::new();
        let done = self.react(input, &mut effects).and_then(|()| self.go_on(&mut effects));
        if let Err(fault) = done {
            effects.push(Effect::Fail(fault));
        }
        effects
    }
}

impl Session {
    fn react(&mut self, input: Input, effects: &mut Vec<Effect>) -> Result<(), Fault> {
        match input {
            Input::Start(start) => self.prepare(&start, effects)?,
            Input::Text(text) if self.is_streamed() => self.text(&text),
            Input::Text(text) => self.texts.add(&text),
            Input::Flush(mark) => self.close(Some(mark)),
            Input::End => {
                self.ending = true;
                self.close(None);
            }
            Input::Cancel => self.cancel(effects),
            Input::Link(news) => self.heard(news, effects)?,
            Input::Timer(id) => self.woken(id, effects)?,
        }
        Ok(())
    }

    fn prepare(&mut self, start: &SessionStart, effects: &mut Vec<Effect>) -> Result<(), Fault> {
        let read = Options::read(&start.options)?;
        let origin = match read.endpoint {
            Some(_) => options::endpoint(&start.options, protocol::ORIGIN)?,
            None => protocol::ORIGIN.to_owned(),
        };
        let version = if read.form == Form::Rest { HttpVersion::Http1 } else { HttpVersion::Http2 };
        effects.push(link::preconnect(&origin, version).into());
        self.asking = Some(Asking::new(read, start.format, &start.language, origin));
        Ok(())
    }

    fn is_streamed(&self) -> bool {
        self.asking.as_ref().is_some_and(|asking| asking.form() == Form::Stream)
    }

    fn text(&mut self, text: &str) {
        self.blanks.push_str(text);
        // A turn does not begin with nothing to say.
        let within = self.turn.as_ref().is_some_and(Turn::takes_text) && self.queue.is_empty();
        let says = within || !self.blanks.trim().is_empty() || matches!(self.queue.back(), Some(Item::Text(_)));
        if says {
            self.queue.push_back(Item::Text(std::mem::take(&mut self.blanks)));
        }
    }

    fn close(&mut self, mark: Option<u32>) {
        match mark {
            _ if self.is_streamed() => {
                self.blanks.clear();
                self.queue.push_back(Item::Close(mark));
            }
            Some(mark) => self.texts.flush(mark),
            None => self.texts.end(),
        }
    }

    fn cancel(&mut self, effects: &mut Vec<Effect>) {
        self.blanks.clear();
        self.texts.clear();
        self.queue.clear();
        self.silence.stop();
        let turn = self.turn.take();
        // A reset: Google stops, and nothing more is heard of it.
        effects.extend(turn.as_ref().map(|turn| link::close(turn.link).into()));
        effects.push(Effect::Cancelled);
        // Over HTTP/1.1 that was the whole connection, and the next reply is not to wait for TLS.
        if let Some(asking) = &self.asking
            && turn.is_some()
            && !self.ending
            && asking.form() == Form::Rest
        {
            effects.push(link::preconnect(asking.origin(), HttpVersion::Http1).into());
        }
    }

    /// Hands Google what it can take now, or ends.
    fn go_on(&mut self, effects: &mut Vec<Effect>) -> Result<(), Fault> {
        loop {
            if self.queue.is_empty() && self.turn.is_none() {
                self.take_text();
            }
            let Some(item) = self.queue.front() else { break };
            let is_text = matches!(item, Item::Text(_));
            match &self.turn {
                Some(turn) if !turn.takes_text() => return Ok(()),
                None if !is_text => self.answer(effects),
                None => self.begin(effects)?,
                Some(_) if is_text => self.tell(effects),
                Some(_) => self.end_text(effects),
            }
        }
        if self.ending && self.turn.is_none() {
            effects.push(Effect::Done);
        }
        Ok(())
    }

    /// Not streamed: what is to be spoken next, in texts that Google takes.
    fn take_text(&mut self) {
        let (Some(asking), Some(piece)) = (&self.asking, self.texts.take()) else { return };
        let spoken = asking.orders(&piece.text).into_iter().filter(|text| text.contains(char::is_alphanumeric));
        self.queue.extend(spoken.map(|text| Item::Text(text.to_owned())));
        self.queue.push_back(Item::Close(piece.mark));
    }

    /// All before a mark has been spoken.
    fn answer(&mut self, effects: &mut Vec<Effect>) {
        if let Some(Item::Close(mark)) = self.queue.pop_front() {
            effects.extend(mark.map(Effect::Flushed));
        }
    }

    /// A turn with the text that is next.
    fn begin(&mut self, effects: &mut Vec<Effect>) -> Result<(), Fault> {
        let Some(asking) = &self.asking else { return Err(Fault::new(FaultKind::Internal, "text before the start")) };
        self.links += 1;
        let mut turn = Turn::new(self.links, asking.form());
        if asking.form() == Form::Stream {
            effects.push(asking.stream(turn.link).into());
            effects.push(link::send(turn.link, asking.stream_config()).into());
        } else if let Some(Item::Text(text)) = self.queue.pop_front() {
            effects.push(asking.whole(turn.link, &text).into());
            effects.push(usage(&text, 1));
            turn.text = text;
            turn.asked_all = true;
        }
        effects.push(self.silence.within(FIRST_SOUND_MS));
        self.turn = Some(turn);
        Ok(())
    }

    /// More text for a stream.
    fn tell(&mut self, effects: &mut Vec<Effect>) {
        let (Some(turn), Some(asking)) = (&mut self.turn, &self.asking) else { return };
        let Some(Item::Text(text)) = self.queue.pop_front() else { return };
        effects.push(link::send(turn.link, asking.texts(&text)).into());
        effects.push(usage(&text, u32::from(turn.text.is_empty())));
        effects.push(Effect::Timer(NO_TEXT));
        turn.text.push_str(&text);
    }

    /// Half-close: Google speaks what it has and says that it was all. The mark is answered when it has.
    fn end_text(&mut self, effects: &mut Vec<Effect>) {
        let Some(turn) = &mut self.turn else { return };
        turn.asked_all = true;
        effects.push(link::finish(turn.link).into());
        // The first sound has its own time, which runs.
        if turn.spoke {
            effects.push(self.silence.within(SILENCE_MS));
        }
    }

    fn heard(&mut self, news: LinkInput, effects: &mut Vec<Effect>) -> Result<(), Fault> {
        let (Some(turn), Some(asking)) = (&mut self.turn, &self.asking) else { return Ok(()) };
        match turn.heard(news, asking.encoding()) {
            Heard::Nothing => Ok(()),
            Heard::Sound(samples) => {
                effects.push(Effect::Audio(samples));
                // Google may well wait for more text.
                self.silence.stop();
                let more = turn.asked_all.then(|| self.silence.within(SILENCE_MS));
                effects.extend(more);
                Ok(())
            }
            Heard::All(samples) => {
                if !samples.is_empty() {
                    effects.push(Effect::Audio(samples));
                }
                self.turn = None;
                self.silence.stop();
                Ok(())
            }
            Heard::Broken(fault) => self.again_or(fault, effects),
        }
    }

    /// Nothing of the turn was heard by the caller: once more is safe. What was spoken half is a fault.
    fn again_or(&mut self, fault: Fault, effects: &mut Vec<Effect>) -> Result<(), Fault> {
        let (Some(turn), Some(asking)) = (&self.turn, &self.asking) else { return Err(fault) };
        if !turn.may_try_again() || fault.kind != FaultKind::Unavailable {
            return Err(fault);
        }
        self.links += 1;
        effects.push(link::close(turn.link).into());
        let turn = turn.once_more(self.links);
        if asking.form() == Form::Stream {
            effects.push(asking.stream(turn.link).into());
            effects.push(link::send(turn.link, [asking.stream_config(), asking.texts(&turn.text)].concat()).into());
            let end: Option<Effect> = turn.asked_all.then(|| LinkEffect::Finish(turn.link).into());
            effects.extend(end);
        } else {
            effects.push(asking.whole(turn.link, &turn.text).into());
        }
        effects.push(usage(&turn.text, 1));
        effects.push(self.silence.within(FIRST_SOUND_MS));
        self.turn = Some(turn);
        Ok(())
    }

    fn woken(&mut self, id: u32, effects: &mut Vec<Effect>) -> Result<(), Fault> {
        match (self.silence.woken(id), &mut self.turn) {
            (Woken::Wait(more), _) => effects.extend(more),
            (Woken::Silent, Some(turn)) => return Err(turn.silent()),
            // A turn whose text goes on later: that is the next one, without a mark between them.
            (Woken::Other, Some(turn)) if id == NO_TEXT.id && turn.takes_text() => self.end_text(effects),
            _ => {}
        }
        Ok(())
    }
}

fn usage(text: &str, requests: u32) -> Effect {
    Effect::Usage(Usage { audio_ms: 0, characters: text.chars().count() as u64, requests })
}
