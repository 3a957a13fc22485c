//! A request for each sentence or more, and a second one for the places of its words.

use super::sound::Sound;
use super::{Manner, SECRET, link_of};
use crate::protocol::{self, MARKS, Mark, MarkLines};
use crate::voice::Script;
use std::collections::VecDeque;
use vg_plugin_sdk::{
    Fault, FaultKind, Usage, Word,
    link::{self, HttpVersion, LinkErrorKind, LinkId, LinkInput, Opened},
    tts::{Effect, Input, Silence, Texts, Timer, Woken, spoke_nothing},
};

/// Milliseconds to the answer, to its first sound, and from one sound to the next.
const SILENCE_MS: u32 = 5_000;
/// Places of words that come later than their sound by so much are not waited for.
const MARKS_LATE: Timer = Timer { id: 1, delay_ms: 1_000 };
/// When the owner has room for more words.
const MORE_WORDS: Timer = Timer { id: 2, delay_ms: 0 };
/// Words given at a time: the host takes 256 effects.
const WORDS_AT_A_TIME: usize = 200;

/// See the module.
#[derive(Debug)]
pub(super) struct Requests {
    manner: Manner,
    texts: Texts,
    reply: Option<Reply>,
    silence: Silence,
    sound: Sound,
    links: LinkId,
    ending: bool,
    /// The service gives no places of words for this voice.
    is_wordless: bool,
}

/// What is being spoken: a reply, or a piece of one.
#[derive(Debug)]
struct Reply {
    /// To be given after its last sample.
    mark: Option<u32>,
    script: Script,
    link: LinkId,
    retried: bool,
    /// All sound of this request is here.
    is_spoken: bool,
    words: Option<Words>,
    /// Where its sound begins in that of the session.
    from_ms: u64,
    /// The last word that came: where it ends is not known yet.
    last: Option<Mark>,
    /// Words that are to be given.
    placed: VecDeque<Word>,
}

/// The places of its words on their way.
#[derive(Debug)]
struct Words {
    link: LinkId,
    lines: MarkLines,
    /// The answer's head was good.
    opened: bool,
}

impl Requests {
    pub(super) fn new(manner: Manner) -> Self {
        let (sound, texts) = (Sound::new(manner.voice.format), manner.voice.texts());
        Self { manner, texts, reply: None, silence: Silence::default(), sound, links: 0, ending: false, is_wordless: false }
    }

    pub(super) fn react(&mut self, input: Input, effects: &mut Vec<Effect>) -> Result<(), Fault> {
        match input {
            Input::Start(_) => {}
            Input::Text(text) => self.texts.add(&text),
            Input::Flush(mark) => self.texts.flush(mark),
            Input::End => {
                self.ending = true;
                self.texts.end();
            }
            Input::Cancel => self.cancel(effects)?,
            Input::Link(news) => self.told(news, effects)?,
            Input::Timer(id) => match self.silence.woken(id) {
                Woken::Silent => return Err(Fault::new(FaultKind::Unavailable, "the service fell silent")),
                Woken::Wait(more) => effects.extend(more),
                // One that was set for an earlier piece says nothing of this one.
                Woken::Other if id == MARKS_LATE.id && self.reply.as_ref().is_some_and(|reply| reply.is_spoken) => {
                    self.leave_words(effects);
                }
                Woken::Other => {}
            },
        }
        self.give_words(effects);
        self.go_on(effects)
    }

    fn cancel(&mut self, effects: &mut Vec<Effect>) -> Result<(), Fault> {
        self.texts.clear();
        self.silence.stop();
        let Some(reply) = self.reply.take() else {
            effects.push(Effect::Cancelled);
            return Ok(());
        };
        let words = reply.words.map(|words| words.link);
        let spoken = (!reply.is_spoken).then_some(reply.link);
        effects.extend(spoken.into_iter().chain(words).map(|link| link::close(link).into()));
        effects.push(Effect::Cancelled);
        if !self.ending {
            // Over HTTP/1.1 the connection is gone with the request, and the next reply is not to wait for TLS.
            effects.push(link::preconnect(self.manner.options.url("/v1/speech")?, HttpVersion::Http1).into());
        }
        Ok(())
    }

    /// The next text, where none is being spoken; the end, where none is left.
    fn go_on(&mut self, effects: &mut Vec<Effect>) -> Result<(), Fault> {
        while self.reply.is_none() {
            match self.texts.take() {
                Some(piece) if piece.is_speech() => self.ask(piece.mark, self.manner.voice.script(&piece.text), effects)?,
                Some(piece) => effects.extend(piece.mark.map(Effect::Flushed)),
                None => {
                    if self.ending {
                        effects.push(Effect::Done);
                    }
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    fn ask(&mut self, mark: Option<u32>, script: Script, effects: &mut Vec<Effect>) -> Result<(), Fault> {
        let Manner { options, voice } = &self.manner;
        self.links += 1;
        let link = self.links;
        self.sound.begin();
        effects.push(protocol::sound(SECRET, options, voice, &script, link)?.into());
        effects.push(self.silence.within(SILENCE_MS));
        let words = if options.word_times && !self.is_wordless {
            self.links += 1;
            effects.push(protocol::marks(SECRET, options, voice, &script, self.links)?.into());
            Some(Words { link: self.links, lines: MarkLines::default(), opened: false })
        } else {
            None
        };
        let (from_ms, placed) = (self.sound.end_ms(), VecDeque::new());
        self.reply = Some(Reply { mark, script, link, retried: false, is_spoken: false, words, from_ms, last: None, placed });
        Ok(())
    }

    fn told(&mut self, news: LinkInput, effects: &mut Vec<Effect>) -> Result<(), Fault> {
        // News of what was cancelled is for nobody.
        let Some(reply) = &self.reply else { return Ok(()) };
        let id = link_of(&news);
        if id == reply.link {
            self.heard(news, effects)
        } else if reply.words.as_ref().is_some_and(|words| words.link == id) {
            self.located(news, effects);
            Ok(())
        } else {
            Ok(())
        }
    }

    fn heard(&mut self, news: LinkInput, effects: &mut Vec<Effect>) -> Result<(), Fault> {
        match news {
            LinkInput::Opened(head) => self.opened(&head, effects),
            LinkInput::Bytes(piece) => {
                if let Some(samples) = self.sound.take(piece.data) {
                    effects.extend([samples, self.silence.within(SILENCE_MS)]);
                }
                Ok(())
            }
            LinkInput::Finished(_) if self.sound.is_silent() => Err(spoke_nothing("the service spoke nothing")),
            LinkInput::Finished(_) if self.sound.is_cut() => {
                Err(Fault::new(FaultKind::Protocol, "the sound ended within a sample"))
            }
            LinkInput::Finished(_) => {
                self.spoken(effects);
                Ok(())
            }
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
        // There is one head: nobody is waited for without end.
        effects.push(self.silence.within(SILENCE_MS));
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
        effects.extend([open.into(), self.silence.within(SILENCE_MS)]);
        Ok(())
    }

    fn spoken(&mut self, effects: &mut Vec<Effect>) {
        let Some(reply) = &mut self.reply else { return };
        reply.is_spoken = true;
        self.silence.stop();
        if reply.words.is_some() {
            effects.push(Effect::Timer(MARKS_LATE));
        }
    }

    /// Words that wait, and the mark behind the last of them once sound and words are there.
    fn give_words(&mut self, effects: &mut Vec<Effect>) {
        let Some(reply) = &mut self.reply else { return };
        let is_over = reply.is_spoken && reply.words.is_none();
        if is_over && let Some(last) = reply.last.take() {
            // Where the last one ends is known now.
            let start_ms = reply.from_ms.saturating_add(last.time);
            reply.placed.push_back(word(last.value, start_ms, self.sound.end_ms().max(start_ms)));
        }
        let now = reply.placed.len().min(WORDS_AT_A_TIME);
        effects.extend(reply.placed.drain(..now).map(Effect::Word));
        if !reply.placed.is_empty() {
            effects.push(Effect::Timer(MORE_WORDS));
        } else if is_over {
            effects.extend(self.reply.take().and_then(|reply| reply.mark).map(Effect::Flushed));
        }
        // Words, too, fill the owner's mailbox: what waits behind them is no silence.
        if now > 0 && self.reply.as_ref().is_some_and(|reply| !reply.is_spoken) {
            effects.push(self.silence.within(SILENCE_MS));
        }
    }

    fn located(&mut self, news: LinkInput, effects: &mut Vec<Effect>) {
        let Some(reply) = &mut self.reply else { return };
        let Some(words) = &mut reply.words else { return };
        let marks = match news {
            LinkInput::Opened(head) => {
                let kind = link::field(&head.headers, "content-type").map(|kind| kind.split(';').next().unwrap_or_default());
                if head.status == 200 && kind == Some(MARKS) {
                    words.opened = true;
                    effects.push(usage(&head, &reply.script.text));
                    return;
                }
                // It will not be otherwise for the next reply.
                self.is_wordless |= (400..500).contains(&head.status) && head.status != 429;
                return self.leave_words(effects);
            }
            LinkInput::Bytes(piece) if words.opened => words.lines.push(&piece.data),
            LinkInput::Finished(_) if words.opened => {
                let marks = words.lines.end();
                reply.place(marks.unwrap_or_default());
                return self.leave_words(effects);
            }
            LinkInput::Finished(_) | LinkInput::Failed(_) => None,
            _ => return,
        };
        match marks {
            Some(marks) => reply.place(marks),
            None => self.leave_words(effects),
        }
    }

    /// Nothing more comes of the words, or is waited for.
    fn leave_words(&mut self, effects: &mut Vec<Effect>) {
        let words = self.reply.as_mut().and_then(|reply| reply.words.take());
        effects.extend(words.map(|words| link::close(words.link).into()));
    }
}

impl Reply {
    /// A word ends where the next begins, the last one with the sound.
    fn place(&mut self, marks: Vec<Mark>) {
        for mark in marks {
            let (from_ms, at_ms) = (self.from_ms, mark.time);
            if let Some(last) = self.last.replace(mark) {
                let (start_ms, end_ms) = (from_ms.saturating_add(last.time), from_ms.saturating_add(at_ms.max(last.time)));
                self.placed.push_back(word(last.value, start_ms, end_ms));
            }
        }
    }
}

fn word(text: String, start_ms: u64, end_ms: u64) -> Word {
    Word { text, start_ms, end_ms, confidence: None }
}

/// What is billed, as the service counts it.
fn usage(head: &Opened, text: &str) -> Effect {
    let told = link::field(&head.headers, "x-amzn-requestcharacters").and_then(|count| count.parse().ok());
    Effect::Usage(Usage { audio_ms: 0, characters: told.unwrap_or_else(|| text.chars().count() as u64), requests: 1 })
}
