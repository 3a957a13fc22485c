//! One request for each sentence or more, one after the other: `/stream`, or `/stream/with-timestamps` for the places of words.

use crate::options::{Options, Transport};
use crate::protocol::{self, News};
use crate::session::Sound;
use vg_plugin_sdk::{
    Fault, FaultKind, Usage,
    link::{self, HttpVersion, LinkId, LinkInput, Opened},
    tts::{Effect, Input, Silence, Texts, Timer, Woken, spoke_nothing},
};

/// Without sound while it is owed.
const STALL_MS: u32 = 8_000;
/// A refusal explains itself in its body, or it does not.
const REFUSED: Timer = Timer { id: 1, delay_ms: 1_000 };
/// A line holds a second of sound or two.
const LINE_MAX: usize = 1 << 20;

#[derive(Debug)]
struct Speaking {
    link: LinkId,
    mark: Option<u32>,
    /// Of a refusal: its body is read before the fault is told.
    refused: Option<Opened>,
    /// The body of a refusal, or a line that is not whole yet.
    held: Vec<u8>,
    spoke: bool,
}

/// One call by requests.
#[derive(Debug)]
pub(crate) struct Requests {
    url: String,
    options: Options,
    language: String,
    sound: Sound,
    texts: Texts,
    speaking: Option<Speaking>,
    silence: Silence,
    links: LinkId,
    ended: bool,
}

impl Requests {
    pub(crate) fn open(url: String, options: Options, language: String, sound: Sound) -> (Self, Vec<Effect>) {
        let effects = vec![ready(&url)];
        // How much one request takes depends on the model, and is far more than a reply.
        let texts = Texts::default();
        let silence = Silence::default();
        (Self { url, options, language, sound, texts, speaking: None, silence, links: 0, ended: false }, effects)
    }

    pub(crate) fn react(&mut self, input: Input) -> Result<Vec<Effect>, Fault> {
        let mut effects = Vec::new();
        match input {
            Input::Start(_) => {}
            Input::Text(text) => self.texts.add(&text),
            Input::Flush(mark) => self.texts.flush(mark),
            Input::End => {
                self.ended = true;
                self.texts.end();
            }
            Input::Cancel => self.cancel(&mut effects),
            Input::Link(news) => self.heard(news, &mut effects)?,
            Input::Timer(id) => self.woken(id, &mut effects)?,
        }
        self.go_on(&mut effects);
        Ok(effects)
    }

    fn cancel(&mut self, effects: &mut Vec<Effect>) {
        self.texts.clear();
        self.sound.forget();
        self.silence.stop();
        let Some(Speaking { link, .. }) = self.speaking.take() else { return effects.push(Effect::Cancelled) };
        effects.extend([link::close(link).into(), Effect::Cancelled]);
        if !self.ended {
            // The connection goes with its link: the next reply is not to wait for another.
            effects.push(ready(&self.url));
        }
    }

    fn woken(&mut self, id: u32, effects: &mut Vec<Effect>) -> Result<(), Fault> {
        match self.silence.woken(id) {
            Woken::Silent => Err(Fault::new(FaultKind::Unavailable, "ElevenLabs fell silent")),
            Woken::Wait(effect) => {
                effects.extend(effect);
                Ok(())
            }
            Woken::Other => self.speaking.as_ref().and_then(Speaking::refusal).map_or(Ok(()), Err),
        }
    }

    /// Where nothing is being spoken: the next piece, or the end.
    fn go_on(&mut self, effects: &mut Vec<Effect>) {
        while self.speaking.is_none() {
            let Some(piece) = self.texts.take() else {
                return if self.ended {
                    effects.push(Effect::Done)
                };
            };
            let mark = piece.mark;
            if !piece.is_speech() {
                effects.extend(mark.map(Effect::Flushed));
                continue;
            }
            let text = piece.text.trim();
            self.links += 1;
            let request = link::http(self.links, "POST", self.url.clone())
                .header("xi-api-key", "{secret:api_key}")
                .header("content-type", "application/json")
                .body(protocol::request(&self.options, text, &self.language));
            effects.extend([request.into(), self.silence.within(STALL_MS)]);
            effects.push(Effect::Usage(Usage { audio_ms: 0, characters: text.chars().count() as u64, requests: 1 }));
            self.speaking = Some(Speaking { link: self.links, mark, refused: None, held: Vec::new(), spoke: false });
        }
    }

    fn heard(&mut self, news: LinkInput, effects: &mut Vec<Effect>) -> Result<(), Fault> {
        let Some(speaking) = self.speaking.as_mut().filter(|speaking| Some(speaking.link) == id_of(&news)) else { return Ok(()) };
        match news {
            LinkInput::Opened(head) => {
                if head.status != 200 {
                    speaking.refused = Some(head);
                    self.silence.stop();
                    effects.push(Effect::Timer(REFUSED));
                    return Ok(());
                }
                // Who does not say what it is gives what was asked for.
                let Some(kind) = link::field(&head.headers, "content-type") else { return Ok(()) };
                let sound = kind.starts_with("audio/") || kind.starts_with("application/octet-stream");
                let json = kind.starts_with("application/json") || kind.starts_with("application/x-ndjson");
                match (self.options.transport, sound, json) {
                    (Transport::Timestamps, _, true) | (Transport::Stream, true, _) => Ok(()),
                    // A page for a person, of a proxy perhaps, is not to be spoken.
                    _ => Err(Fault::new(FaultKind::Protocol, "the answer is no sound")),
                }
            }
            LinkInput::Bytes(piece) => match (&speaking.refused, self.options.transport) {
                (Some(_), _) => {
                    link::keep_refusal(&mut speaking.held, &piece.data);
                    Ok(())
                }
                (None, Transport::Timestamps) => {
                    speaking.held.extend(piece.data);
                    self.lines(effects)
                }
                (None, _) => {
                    self.give(News { audio: piece.data, ..News::default() }, effects);
                    Ok(())
                }
            },
            LinkInput::Finished(_) => self.spoken(effects),
            // Its reason may lack its end.
            LinkInput::Failed(failed) if speaking.refused.is_some() => {
                Err(speaking.refusal().unwrap_or_else(|| Fault::of_link(&failed)))
            }
            LinkInput::Failed(failed) => Err(Fault::of_link(&failed)),
            _ => Ok(()),
        }
    }

    /// Every whole line that is held.
    fn lines(&mut self, effects: &mut Vec<Effect>) -> Result<(), Fault> {
        while let Some(line) = self.speaking.as_mut().and_then(Speaking::line) {
            let line = String::from_utf8_lossy(&line);
            if !line.trim().is_empty() {
                self.give(protocol::read_line(&line)?, effects);
            }
        }
        match self.speaking.as_ref().is_some_and(|speaking| speaking.held.len() > LINE_MAX) {
            true => Err(Fault::new(FaultKind::Protocol, "a line has no end")),
            false => Ok(()),
        }
    }

    fn give(&mut self, news: News, effects: &mut Vec<Effect>) {
        let speaking = self.speaking.as_mut().filter(|_| !news.audio.is_empty());
        if let Some(speaking) = speaking {
            speaking.spoke = true;
            effects.push(self.silence.within(STALL_MS));
        }
        self.sound.give(news, effects);
    }

    fn spoken(&mut self, effects: &mut Vec<Effect>) -> Result<(), Fault> {
        let Some(mut speaking) = self.speaking.take() else { return Ok(()) };
        if let Some(fault) = speaking.refusal() {
            return Err(fault);
        }
        self.silence.stop();
        // The last line may lack its end.
        if self.options.transport == Transport::Timestamps && !speaking.held.trim_ascii().is_empty() {
            speaking.held.push(b'\n');
            self.speaking = Some(speaking);
            self.lines(effects)?;
            return self.spoken(effects);
        }
        if !speaking.spoke {
            return Err(spoke_nothing("ElevenLabs spoke nothing"));
        }
        if self.sound.end(effects) {
            return Err(Fault::new(FaultKind::Protocol, "ElevenLabs ended within a sample"));
        }
        effects.extend(speaking.mark.map(Effect::Flushed));
        Ok(())
    }
}

impl Speaking {
    /// What the refusal means, by what has come of it.
    fn refusal(&self) -> Option<Fault> {
        let head = self.refused.as_ref()?;
        Some(protocol::refused(head.status, &head.headers, &self.held))
    }

    /// The first whole line that is held.
    fn line(&mut self) -> Option<Vec<u8>> {
        let end = self.held.iter().position(|byte| *byte == b'\n')?;
        let rest = self.held.split_off(end + 1);
        Some(std::mem::replace(&mut self.held, rest))
    }
}

/// A connection for the next request.
fn ready(url: &str) -> Effect {
    link::preconnect(url, HttpVersion::Http1).into()
}

fn id_of(news: &LinkInput) -> Option<LinkId> {
    match news {
        LinkInput::Opened(head) => Some(head.id),
        LinkInput::Bytes(piece) => Some(piece.id),
        LinkInput::Finished(end) => Some(end.id),
        LinkInput::Failed(failed) => Some(failed.id),
        _ => None,
    }
}
