//! `stream-input`: a socket takes the text of one reply in pieces and gives sound meanwhile; the next reply has the next socket, which is open by then.

use crate::options::Options;
use crate::protocol;
use crate::session::Sound;
use std::collections::VecDeque;
use vg_plugin_sdk::{
    Fault, FaultKind, Usage,
    link::{self, LinkErrorKind, LinkId, LinkInput, Opened},
    tts::{Effect, Input, Timer},
};

/// The host gives a connection 5 s.
const FIRST_ANSWER: Timer = Timer { id: 1, delay_ms: 6_000 };
/// All text is there, and no sound comes.
const STALL: Timer = Timer { id: 2, delay_ms: 8_000 };
/// ElevenLabs closes a socket on which no text came for 180 s, as the URL asks.
const KEEP_ALIVE: Timer = Timer { id: 3, delay_ms: 60_000 };

/// What the owner said and is not done yet.
#[derive(Debug)]
enum Wish {
    Text(String),
    Flush(u32),
    End,
}

#[derive(Debug)]
struct Socket {
    link: LinkId,
    opened: bool,
}

/// One reply.
#[derive(Debug)]
struct Turn {
    socket: Socket,
    /// Everything that was sent, in case it has to be sent again.
    sent: String,
    /// A word that may go on.
    held: String,
    /// The text is complete; with the mark to give, none at the session's end.
    closing: Option<Option<u32>>,
    /// There was sound.
    spoke: bool,
    again: bool,
}

/// One call over sockets.
#[derive(Debug)]
pub(crate) struct Stream {
    url: String,
    greeting: String,
    sound: Sound,
    wishes: VecDeque<Wish>,
    turn: Option<Turn>,
    /// Open for the next reply.
    idle: Option<Socket>,
    links: LinkId,
    ended: bool,
}

impl Stream {
    pub(crate) fn open(url: String, options: &Options, sound: Sound) -> (Self, Vec<Effect>) {
        let greeting = protocol::greeting(options);
        let mut stream = Self { url, greeting, sound, wishes: VecDeque::new(), turn: None, idle: None, links: 0, ended: false };
        let mut effects = Vec::new();
        stream.idle = Some(stream.socket(&mut effects));
        effects.push(Effect::Timer(KEEP_ALIVE));
        (stream, effects)
    }

    pub(crate) fn react(&mut self, input: Input) -> Result<Vec<Effect>, Fault> {
        let mut effects = Vec::new();
        match input {
            Input::Start(_) => {}
            Input::Text(text) => self.wishes.push_back(Wish::Text(text)),
            Input::Flush(mark) => self.wishes.push_back(Wish::Flush(mark)),
            Input::End => {
                self.ended = true;
                self.wishes.push_back(Wish::End);
            }
            Input::Cancel => self.cancel(&mut effects),
            Input::Link(news) => self.heard(news, &mut effects)?,
            Input::Timer(id) => self.woken(id, &mut effects)?,
        }
        self.go_on(&mut effects);
        Ok(effects)
    }

    /// A socket that has been greeted: what is sent before it is open waits for it.
    fn socket(&mut self, effects: &mut Vec<Effect>) -> Socket {
        self.links += 1;
        effects.push(link::websocket(self.links, self.url.clone()).header("xi-api-key", "{secret:api_key}").into());
        effects.push(link::send_text(self.links, self.greeting.clone()).into());
        effects.push(Effect::Timer(FIRST_ANSWER));
        Socket { link: self.links, opened: false }
    }

    fn cancel(&mut self, effects: &mut Vec<Effect>) {
        self.wishes.clear();
        self.sound.forget();
        if let Some(turn) = self.turn.take() {
            effects.push(link::close(turn.socket.link).into());
        }
        effects.push(Effect::Cancelled);
        if self.ended {
            self.wishes.push_back(Wish::End);
        } else if self.idle.is_none() {
            self.idle = Some(self.socket(effects));
        }
    }

    /// Carries wishes out as far as the reply that is being spoken allows.
    fn go_on(&mut self, effects: &mut Vec<Effect>) {
        while self.turn.as_ref().is_none_or(|turn| turn.closing.is_none()) {
            match self.wishes.pop_front() {
                None => return,
                Some(Wish::Text(text)) => self.text(&text, effects),
                Some(Wish::Flush(mark)) => match &mut self.turn {
                    None => effects.push(Effect::Flushed(mark)),
                    Some(turn) => turn.close(Some(mark), effects),
                },
                Some(Wish::End) => match &mut self.turn {
                    None => {
                        effects.extend(self.idle.take().map(|idle| link::close(idle.link).into()));
                        return effects.push(Effect::Done);
                    }
                    Some(turn) => turn.close(None, effects),
                },
            }
        }
    }

    fn text(&mut self, text: &str, effects: &mut Vec<Effect>) {
        if self.turn.is_none() {
            if text.trim().is_empty() {
                return;
            }
            let socket = self.idle.take().unwrap_or_else(|| self.socket(effects));
            self.turn =
                Some(Turn { socket, sent: String::new(), held: String::new(), closing: None, spoke: false, again: false });
        }
        if let Some(turn) = &mut self.turn {
            turn.text(text, effects);
        }
    }

    fn heard(&mut self, news: LinkInput, effects: &mut Vec<Effect>) -> Result<(), Fault> {
        match news {
            LinkInput::Opened(head) => self.opened(&head),
            LinkInput::Text(message) if self.speaks_on(message.id) => self.told(&message.data, effects),
            // An idle socket has nothing to say but what is wrong.
            LinkInput::Text(message) if self.idles_on(message.id) => protocol::read(&message.data).map(drop),
            LinkInput::Finished(end) => {
                let fault = closed(end.code);
                self.lost(end.id, fault, true, effects)
            }
            LinkInput::Failed(failed) => {
                let broke = failed.kind == LinkErrorKind::Reset;
                self.lost(failed.id, Fault::of_link(&failed), broke, effects)
            }
            _ => Ok(()),
        }
    }

    fn opened(&mut self, head: &Opened) -> Result<(), Fault> {
        let sockets = self.idle.iter_mut().chain(self.turn.as_mut().map(|turn| &mut turn.socket));
        for socket in sockets.filter(|socket| socket.link == head.id) {
            if head.status != 101 {
                return Err(protocol::refused(head.status, &head.headers, b""));
            }
            socket.opened = true;
        }
        Ok(())
    }

    fn told(&mut self, text: &str, effects: &mut Vec<Effect>) -> Result<(), Fault> {
        let Some(turn) = &mut self.turn else { return Ok(()) };
        let news = protocol::read(text)?;
        let is_final = news.is_final;
        turn.spoke |= !news.audio.is_empty();
        self.sound.give(news, effects);
        if turn.closing.is_some() {
            effects.push(Effect::Timer(STALL));
        }
        if is_final { self.spoken(effects) } else { Ok(()) }
    }

    /// `isFinal`: the reply has been spoken to its end.
    fn spoken(&mut self, effects: &mut Vec<Effect>) -> Result<(), Fault> {
        let Some(Turn { socket, closing, spoke, .. }) = self.turn.take() else { return Ok(()) };
        effects.push(link::close(socket.link).into());
        let Some(mark) = closing else {
            return Err(Fault::new(FaultKind::Unavailable, "ElevenLabs ended before the text did"));
        };
        if !spoke {
            return Err(Fault::new(FaultKind::EmptyResult, "ElevenLabs spoke nothing"));
        }
        if self.sound.is_cut() {
            return Err(Fault::new(FaultKind::Protocol, "ElevenLabs ended within a sample"));
        }
        effects.extend(mark.map(Effect::Flushed));
        if !self.ended {
            self.idle = Some(self.socket(effects));
        }
        Ok(())
    }

    /// A socket is gone. One that was idle is not missed; one that broke before a sound came is tried once more.
    fn lost(&mut self, link: LinkId, fault: Fault, broke: bool, effects: &mut Vec<Effect>) -> Result<(), Fault> {
        if self.idles_on(link) {
            let was_open = self.idle.take().is_some_and(|idle| idle.opened);
            return if was_open { Ok(()) } else { Err(fault) };
        }
        let Some(turn) = self.turn.as_ref().filter(|turn| turn.socket.link == link) else { return Ok(()) };
        let transient = broke && turn.socket.opened && fault.kind == FaultKind::Unavailable;
        if turn.spoke || turn.again || !transient {
            return Err(fault);
        }
        let socket = self.socket(effects);
        if let Some(turn) = &mut self.turn {
            turn.socket = socket;
            turn.say_again(effects);
        }
        Ok(())
    }

    fn woken(&mut self, id: u32, effects: &mut Vec<Effect>) -> Result<(), Fault> {
        let late = |what: &str| Err(Fault::new(FaultKind::Unavailable, format!("ElevenLabs {what}")));
        match id {
            _ if id == FIRST_ANSWER.id => {
                if let Some(idle) = self.idle.take_if(|idle| !idle.opened) {
                    // Nobody waits for it yet; the next reply asks again.
                    effects.push(link::close(idle.link).into());
                }
                if self.turn.as_ref().is_some_and(|turn| !turn.socket.opened) { late("did not answer in time") } else { Ok(()) }
            }
            _ if id == STALL.id && self.turn.as_ref().is_some_and(|turn| turn.closing.is_some()) => late("fell silent"),
            _ if id == KEEP_ALIVE.id => {
                let open = self.turn.as_ref().filter(|turn| turn.closing.is_none()).map(|turn| turn.socket.link);
                let open = open.or(self.idle.as_ref().map(|idle| idle.link));
                effects.extend(open.map(|link| link::send_text(link, protocol::KEEP_ALIVE).into()));
                effects.push(Effect::Timer(KEEP_ALIVE));
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn speaks_on(&self, link: LinkId) -> bool {
        self.turn.as_ref().is_some_and(|turn| turn.socket.link == link)
    }

    fn idles_on(&self, link: LinkId) -> bool {
        self.idle.as_ref().is_some_and(|idle| idle.link == link)
    }
}

impl Turn {
    /// Whole words go at once, the last one when it is known to be whole.
    fn text(&mut self, text: &str, effects: &mut Vec<Effect>) {
        self.held.push_str(text);
        let Some(gap) = self.held.rfind(char::is_whitespace) else { return };
        let after = gap + self.held[gap..].chars().next().map_or(1, char::len_utf8);
        let rest = self.held.split_off(after);
        let whole = std::mem::replace(&mut self.held, rest);
        self.send(&whole, effects);
    }

    fn send(&mut self, words: &str, effects: &mut Vec<Effect>) {
        if !words.trim().is_empty() {
            effects.push(link::send_text(self.socket.link, protocol::piece(words)).into());
            self.sent.push_str(words);
        }
    }

    fn close(&mut self, mark: Option<u32>, effects: &mut Vec<Effect>) {
        let last = std::mem::take(&mut self.held);
        self.send(&format!("{} ", last.trim_end()), effects);
        effects.push(link::send_text(self.socket.link, protocol::END_OF_TEXT).into());
        effects.push(Effect::Timer(STALL));
        let characters = self.sent.trim().chars().count() as u64;
        effects.push(Effect::Usage(Usage { audio_ms: 0, characters, requests: 1 }));
        self.closing = Some(mark);
    }

    fn say_again(&mut self, effects: &mut Vec<Effect>) {
        self.again = true;
        if !self.sent.is_empty() {
            effects.push(link::send_text(self.socket.link, protocol::piece(&self.sent)).into());
        }
        if self.closing.is_some() {
            effects.push(link::send_text(self.socket.link, protocol::END_OF_TEXT).into());
            effects.push(Effect::Timer(STALL));
        }
    }
}

/// A close without `isFinal`. What was wrong came as a message before it, if it came at all.
fn closed(code: Option<u16>) -> Fault {
    let kind = if code == Some(1008) { FaultKind::Protocol } else { FaultKind::Unavailable };
    Fault::new(kind, format!("ElevenLabs hung up before it had spoken all (close {code:?})"))
}
