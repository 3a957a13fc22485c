//! One request per reply: `/stream`, or `/stream/with-timestamps` for the places of words.

use crate::options::{Options, Transport};
use crate::protocol::{self, News};
use crate::session::Sound;
use vg_plugin_sdk::{
    Fault, FaultKind, Usage,
    link::{self, HttpVersion, LinkId, LinkInput, Opened},
    tts::{Effect, Input, Order, Orders, Timer},
};

/// No news while sound is owed.
const STALL: Timer = Timer { id: 1, delay_ms: 8_000 };
/// A refusal is short.
const REFUSAL_MAX: usize = 4 * 1024;
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
    orders: Orders,
    speaking: Option<Speaking>,
    links: LinkId,
    ended: bool,
}

impl Requests {
    pub(crate) fn open(url: String, options: Options, language: String, sound: Sound) -> (Self, Vec<Effect>) {
        let effects = vec![link::preconnect(url.clone(), HttpVersion::Http1).into()];
        let orders = Orders::default();
        (Self { url, options, language, sound, orders, speaking: None, links: 0, ended: false }, effects)
    }

    pub(crate) fn react(&mut self, input: Input) -> Result<Vec<Effect>, Fault> {
        let mut effects = Vec::new();
        match input {
            Input::Start(_) => {}
            Input::Text(text) => self.orders.text(&text),
            Input::Flush(mark) => self.orders.close(Some(mark)),
            Input::End => {
                self.ended = true;
                self.orders.close(None);
            }
            Input::Cancel => {
                self.orders.clear();
                self.sound.forget();
                effects.extend(self.speaking.take().map(|speaking| link::close(speaking.link).into()));
                effects.push(Effect::Cancelled);
            }
            Input::Link(news) => self.heard(news, &mut effects)?,
            Input::Timer(_) if self.speaking.is_some() => {
                return Err(Fault::new(FaultKind::Unavailable, "ElevenLabs fell silent"));
            }
            Input::Timer(_) => {}
        }
        self.go_on(&mut effects);
        Ok(effects)
    }

    /// Where nothing is being spoken: the next order, or the end.
    fn go_on(&mut self, effects: &mut Vec<Effect>) {
        while self.speaking.is_none() {
            let Some(Order { text, mark }) = self.orders.take() else {
                return if self.ended {
                    effects.push(Effect::Done)
                };
            };
            let text = text.trim();
            if text.is_empty() {
                effects.extend(mark.map(Effect::Flushed));
                continue;
            }
            self.links += 1;
            let request = link::http(self.links, "POST", self.url.clone())
                .header("xi-api-key", "{secret:api_key}")
                .header("content-type", "application/json")
                .body(protocol::request(&self.options, text, &self.language));
            effects.extend([request.into(), Effect::Timer(STALL)]);
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
                    return Ok(());
                }
                let kind = link::field(&head.headers, "content-type").unwrap_or_default();
                let sound = kind.starts_with("audio/") || kind.starts_with("application/octet-stream");
                let json = kind.starts_with("application/json") || kind.starts_with("application/x-ndjson");
                match (self.options.transport, sound, json) {
                    (Transport::Timestamps, _, true) | (Transport::Stream, true, _) => Ok(()),
                    // A page for a person, of a proxy perhaps, is not to be spoken.
                    _ => Err(Fault::new(FaultKind::Protocol, "the answer is no sound")),
                }
            }
            LinkInput::Bytes(piece) => {
                effects.push(Effect::Timer(STALL));
                match (&speaking.refused, self.options.transport) {
                    (Some(_), _) => {
                        speaking.held.extend(piece.data.into_iter().take(REFUSAL_MAX - speaking.held.len().min(REFUSAL_MAX)));
                    }
                    (None, Transport::Timestamps) => {
                        speaking.held.extend(piece.data);
                        return self.lines(effects);
                    }
                    (None, _) => {
                        speaking.spoke |= !piece.data.is_empty();
                        self.sound.give(News { audio: piece.data, ..News::default() }, effects);
                    }
                }
                Ok(())
            }
            LinkInput::Finished(_) => self.spoken(effects),
            LinkInput::Failed(failed) => Err(Fault::of_link(&failed)),
            _ => Ok(()),
        }
    }

    /// Every whole line that is held.
    fn lines(&mut self, effects: &mut Vec<Effect>) -> Result<(), Fault> {
        let Some(speaking) = &mut self.speaking else { return Ok(()) };
        while let Some(end) = speaking.held.iter().position(|byte| *byte == b'\n') {
            let rest = speaking.held.split_off(end + 1);
            let line = std::mem::replace(&mut speaking.held, rest);
            let line = String::from_utf8_lossy(&line);
            if !line.trim().is_empty() {
                let news = protocol::read_line(&line)?;
                speaking.spoke |= !news.audio.is_empty();
                self.sound.give(news, effects);
            }
        }
        match speaking.held.len() > LINE_MAX {
            true => Err(Fault::new(FaultKind::Protocol, "a line has no end")),
            false => Ok(()),
        }
    }

    fn spoken(&mut self, effects: &mut Vec<Effect>) -> Result<(), Fault> {
        let Some(mut speaking) = self.speaking.take() else { return Ok(()) };
        if let Some(head) = speaking.refused {
            return Err(protocol::refused(head.status, &head.headers, &speaking.held));
        }
        // The last line may lack its end.
        if self.options.transport == Transport::Timestamps && !speaking.held.trim_ascii().is_empty() {
            speaking.held.push(b'\n');
            self.speaking = Some(speaking);
            self.lines(effects)?;
            return self.spoken(effects);
        }
        if !speaking.spoke {
            return Err(Fault::new(FaultKind::EmptyResult, "ElevenLabs spoke nothing"));
        }
        if self.sound.is_cut() {
            return Err(Fault::new(FaultKind::Protocol, "ElevenLabs ended within a sample"));
        }
        effects.extend(speaking.mark.map(Effect::Flushed));
        Ok(())
    }
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
