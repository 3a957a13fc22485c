//! A request for each reply, and a second one for the places of its words.

use super::sound::Sound;
use super::{Manner, SECRET, link_of};
use crate::protocol::{self, MARKS, Mark, MarkLines};
use crate::voice::{Script, is_speech};
use std::collections::VecDeque;
use vg_plugin_sdk::{
    Fault, FaultKind, Usage, Word,
    link::{self, LinkErrorKind, LinkId, LinkInput, Opened},
    tts::{Effect, Input, Orders, Timer},
};

/// No news of the service while it owes sound.
const SILENCE: Timer = Timer { id: 1, delay_ms: 5_000 };
/// Places of words that come later than their sound by so much are not waited for.
const MARKS_LATE: Timer = Timer { id: 2, delay_ms: 1_000 };

/// See the module.
#[derive(Debug)]
pub(super) struct Requests {
    manner: Manner,
    orders: Orders,
    reply: Option<Reply>,
    sound: Sound,
    links: LinkId,
    ending: bool,
    /// The service gives no places of words for this voice.
    is_wordless: bool,
}

/// What is being spoken.
#[derive(Debug)]
struct Reply {
    mark: Option<u32>,
    /// What of it is to be asked for after this one.
    rest: VecDeque<Script>,
    script: Script,
    link: LinkId,
    retried: bool,
    /// All sound of this request is here.
    is_spoken: bool,
    words: Option<Words>,
}

/// Places of the words of one request.
#[derive(Debug)]
struct Words {
    link: LinkId,
    lines: MarkLines,
    /// The last word: where it ends is not known yet.
    last: Option<Mark>,
    from_ms: u64,
    /// The answer's head was good.
    opened: bool,
}

impl Requests {
    pub(super) fn new(manner: Manner) -> Self {
        let sound = Sound::new(manner.voice.format);
        Self { manner, orders: Orders::default(), reply: None, sound, links: 0, ending: false, is_wordless: false }
    }

    pub(super) fn react(&mut self, input: Input, effects: &mut Vec<Effect>) -> Result<(), Fault> {
        match input {
            Input::Start(_) => {}
            Input::Text(text) => self.orders.text(&text),
            Input::Flush(mark) => self.orders.close(Some(mark)),
            Input::End => {
                self.ending = true;
                self.orders.close(None);
            }
            Input::Cancel => {
                self.orders.clear();
                if let Some(reply) = self.reply.take() {
                    let words = reply.words.map(|words| words.link);
                    let spoken = (!reply.is_spoken).then_some(reply.link);
                    effects.extend(spoken.into_iter().chain(words).map(|link| link::close(link).into()));
                }
                effects.push(Effect::Cancelled);
            }
            Input::Link(news) => self.told(news, effects)?,
            Input::Timer(id) if id == SILENCE.id && self.reply.as_ref().is_some_and(|reply| !reply.is_spoken) => {
                return Err(Fault::new(FaultKind::Unavailable, "the service fell silent"));
            }
            Input::Timer(id) if id == MARKS_LATE.id => self.leave_words(effects)?,
            Input::Timer(_) => {}
        }
        self.go_on(effects)
    }

    /// The next order, where none is being spoken; the end, where none is left.
    fn go_on(&mut self, effects: &mut Vec<Effect>) -> Result<(), Fault> {
        while self.reply.is_none() {
            let Some(order) = self.orders.take() else {
                if self.ending {
                    effects.push(Effect::Done);
                }
                return Ok(());
            };
            let mut scripts: VecDeque<Script> = self.manner.voice.scripts(&order.text).into();
            match scripts.pop_front() {
                Some(script) if is_speech(&script.text) => self.ask(order.mark, script, scripts, effects)?,
                _ => effects.extend(order.mark.map(Effect::Flushed)),
            }
        }
        Ok(())
    }

    fn ask(&mut self, mark: Option<u32>, script: Script, rest: VecDeque<Script>, effects: &mut Vec<Effect>) -> Result<(), Fault> {
        let Manner { options, voice } = &self.manner;
        self.links += 1;
        let link = self.links;
        self.sound.begin();
        effects.push(protocol::sound(SECRET, options, voice, &script, link)?.into());
        effects.push(Effect::Timer(SILENCE));
        let words = if options.word_times && !self.is_wordless {
            self.links += 1;
            effects.push(protocol::marks(SECRET, options, voice, &script, self.links)?.into());
            let from_ms = self.sound.end_ms();
            Some(Words { link: self.links, lines: MarkLines::default(), last: None, from_ms, opened: false })
        } else {
            None
        };
        self.reply = Some(Reply { mark, rest, script, link, retried: false, is_spoken: false, words });
        Ok(())
    }

    fn told(&mut self, news: LinkInput, effects: &mut Vec<Effect>) -> Result<(), Fault> {
        // News of what was cancelled is for nobody.
        let Some(reply) = &self.reply else { return Ok(()) };
        let id = link_of(&news);
        if id == reply.link {
            self.heard(news, effects)
        } else if reply.words.as_ref().is_some_and(|words| words.link == id) {
            self.located(news, effects)
        } else {
            Ok(())
        }
    }

    fn heard(&mut self, news: LinkInput, effects: &mut Vec<Effect>) -> Result<(), Fault> {
        match news {
            LinkInput::Opened(head) => self.opened(&head, effects),
            LinkInput::Bytes(piece) => {
                effects.extend(self.sound.take(piece.data));
                effects.push(Effect::Timer(SILENCE));
                Ok(())
            }
            LinkInput::Finished(_) if self.sound.is_silent() => {
                Err(Fault::new(FaultKind::EmptyResult, "the service spoke nothing"))
            }
            LinkInput::Finished(_) if self.sound.is_cut() => {
                Err(Fault::new(FaultKind::Protocol, "the sound ended within a sample"))
            }
            LinkInput::Finished(_) => self.spoken(effects),
            LinkInput::Failed(failed) if failed.kind == LinkErrorKind::Reset && self.may_ask_again() => self.again(effects),
            LinkInput::Failed(failed) => Err(Fault::of_link(&failed)),
            _ => Ok(()),
        }
    }

    fn opened(&mut self, head: &Opened, effects: &mut Vec<Effect>) -> Result<(), Fault> {
        if matches!(head.status, 500 | 503) && self.may_ask_again() {
            return self.again(effects);
        }
        if let Some(fault) = protocol::of_head(head.status, &head.headers) {
            return Err(fault);
        }
        let expected = format!("audio/{}", self.manner.voice.output_format());
        // A page for a person, of a proxy perhaps, is not to be spoken.
        let kind = link::field(&head.headers, "content-type").map(|kind| kind.split(';').next().unwrap_or_default());
        if head.status != 200 || kind.is_some_and(|kind| kind != expected) {
            return Err(Fault::new(FaultKind::Protocol, format!("status {} and no sound as it was asked for", head.status)));
        }
        let text = self.reply.as_ref().map_or("", |reply| &reply.script.text);
        effects.push(usage(head, text));
        effects.push(Effect::Timer(SILENCE));
        Ok(())
    }

    /// Once, while nothing was spoken: the official clients do so, too.
    fn may_ask_again(&self) -> bool {
        self.sound.is_silent() && self.reply.as_ref().is_some_and(|reply| !reply.retried)
    }

    fn again(&mut self, effects: &mut Vec<Effect>) -> Result<(), Fault> {
        let Some(reply) = &mut self.reply else { return Ok(()) };
        effects.push(link::close(reply.link).into());
        self.links += 1;
        (reply.link, reply.retried) = (self.links, true);
        let open = protocol::sound(SECRET, &self.manner.options, &self.manner.voice, &reply.script, self.links)?;
        effects.extend([open.into(), Effect::Timer(SILENCE)]);
        Ok(())
    }

    fn spoken(&mut self, effects: &mut Vec<Effect>) -> Result<(), Fault> {
        let Some(reply) = &mut self.reply else { return Ok(()) };
        reply.is_spoken = true;
        if reply.words.is_some() {
            effects.push(Effect::Timer(MARKS_LATE));
            return Ok(());
        }
        self.close(effects)
    }

    /// Sound and words of a request are there: its rest, or its mark.
    fn close(&mut self, effects: &mut Vec<Effect>) -> Result<(), Fault> {
        let Some(mut reply) = self.reply.take() else { return Ok(()) };
        match reply.rest.pop_front() {
            Some(script) => self.ask(reply.mark, script, reply.rest, effects),
            None => {
                effects.extend(reply.mark.map(Effect::Flushed));
                Ok(())
            }
        }
    }

    fn located(&mut self, news: LinkInput, effects: &mut Vec<Effect>) -> Result<(), Fault> {
        let Some(words) = self.reply.as_mut().and_then(|reply| reply.words.as_mut()) else { return Ok(()) };
        let marks = match news {
            LinkInput::Opened(head) => {
                let kind = link::field(&head.headers, "content-type").map(|kind| kind.split(';').next().unwrap_or_default());
                if head.status == 200 && kind == Some(MARKS) {
                    words.opened = true;
                    effects.push(usage(&head, self.reply.as_ref().map_or("", |reply| &reply.script.text)));
                    return Ok(());
                }
                // It will not be otherwise for the next reply.
                self.is_wordless |= (400..500).contains(&head.status) && head.status != 429;
                return self.leave_words(effects);
            }
            LinkInput::Bytes(piece) if words.opened => words.lines.push(&piece.data),
            LinkInput::Finished(_) if words.opened => {
                let marks = words.lines.end();
                words.place(marks.unwrap_or_default(), effects);
                return self.leave_words(effects);
            }
            LinkInput::Finished(_) | LinkInput::Failed(_) => None,
            _ => return Ok(()),
        };
        match marks {
            Some(marks) => words.place(marks, effects),
            None => {
                return self.leave_words(effects);
            }
        }
        Ok(())
    }

    /// Nothing more comes of the words, or is waited for.
    fn leave_words(&mut self, effects: &mut Vec<Effect>) -> Result<(), Fault> {
        let Some(reply) = &mut self.reply else { return Ok(()) };
        let Some(words) = reply.words.take() else { return Ok(()) };
        effects.push(link::close(words.link).into());
        let Some(last) = words.last else { return self.close_if_spoken(effects) };
        // Before all sound is there its end is not known: a word is as long as its sound then.
        let start_ms = words.from_ms + last.time;
        let end_ms = if reply.is_spoken { self.sound.end_ms() } else { start_ms };
        effects.push(word(last.value, start_ms, end_ms.max(start_ms)));
        self.close_if_spoken(effects)
    }

    fn close_if_spoken(&mut self, effects: &mut Vec<Effect>) -> Result<(), Fault> {
        if self.reply.as_ref().is_some_and(|reply| reply.is_spoken) { self.close(effects) } else { Ok(()) }
    }
}

impl Words {
    /// A word ends where the next begins.
    fn place(&mut self, marks: Vec<Mark>, effects: &mut Vec<Effect>) {
        for mark in marks {
            let (from_ms, at_ms) = (self.from_ms, mark.time);
            if let Some(last) = self.last.replace(mark) {
                effects.push(word(last.value, from_ms + last.time, from_ms + at_ms.max(last.time)));
            }
        }
    }
}

fn word(text: String, start_ms: u64, end_ms: u64) -> Effect {
    Effect::Word(Word { text, start_ms, end_ms, confidence: None })
}

/// What is billed, as the service counts it.
fn usage(head: &Opened, text: &str) -> Effect {
    let told = link::field(&head.headers, "x-amzn-requestcharacters").and_then(|count| count.parse().ok());
    Effect::Usage(Usage { audio_ms: 0, characters: told.unwrap_or_else(|| text.chars().count() as u64), requests: 1 })
}
