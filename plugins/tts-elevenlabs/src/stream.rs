//! `stream-input`: a socket takes the text of one reply in pieces and gives sound meanwhile; the next reply has the next socket, which is open by then.

use crate::options::Options;
use crate::protocol;
use crate::session::Sound;
use std::collections::VecDeque;
use vg_plugin_sdk::{
    Fault, FaultKind, Usage,
    link::{self, LinkErrorKind, LinkId, LinkInput, Opened},
    tts::{Effect, Input, Silence, Timer, Woken, spoke_nothing},
};

/// The host gives a connection 5 s. What it tells of it waits while the owner has no room: see [`Opening`].
const FIRST_ANSWER: Timer = Timer { id: 1, delay_ms: 5_000 };
const ROOM: Timer = Timer { id: 2, delay_ms: 0 };
const GRACE: Timer = Timer { id: 5, delay_ms: 1_000 };
/// Sound is owed, and none comes.
const STALL_MS: u32 = 8_000;
/// ElevenLabs closes a socket on which no text came for 180 s, as the URL asks.
const KEEP_ALIVE: Timer = Timer { id: 3, delay_ms: 60_000 };
/// A refusal explains itself in its body, or it does not.
const REFUSED: Timer = Timer { id: 4, delay_ms: 1_000 };

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
    opening: Opening,
    refusal: Option<Refusal>,
}

/// How far an answer to the handshake has been waited for; while the owner takes nothing none is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Opening {
    Asked,
    /// It is late; it counts from when the owner has room.
    Late,
    /// What waited is told within [`GRACE`].
    Grace,
    Open,
}

/// The handshake's answer was no; why stands in its body: 401 is also what an account without money is told.
#[derive(Debug)]
struct Refusal {
    head: Opened,
    body: Vec<u8>,
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
    silence: Silence,
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
        Socket { link: self.links, opening: Opening::Asked, refusal: None }
    }

    fn cancel(&mut self, effects: &mut Vec<Effect>) {
        self.wishes.clear();
        self.sound.forget();
        let given_up = self.turn.take();
        effects.extend(given_up.as_ref().map(|turn| link::close(turn.socket.link).into()));
        effects.push(Effect::Cancelled);
        // What was sent is billed, heard or not.
        effects.extend(given_up.and_then(|turn| turn.bill()));
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
            self.turn = Some(Turn::new(socket));
        }
        if let Some(turn) = &mut self.turn {
            turn.text(text, effects);
        }
    }

    fn heard(&mut self, news: LinkInput, effects: &mut Vec<Effect>) -> Result<(), Fault> {
        match news {
            LinkInput::Opened(head) => {
                self.opened(head, effects);
                Ok(())
            }
            LinkInput::Bytes(piece) => {
                if let Some(refusal) = self.socket_of(piece.id).and_then(|socket| socket.refusal.as_mut()) {
                    link::keep_refusal(&mut refusal.body, &piece.data);
                }
                Ok(())
            }
            LinkInput::Text(message) if self.speaks_on(message.id) => self.told(&message.data, effects),
            LinkInput::Text(message) if self.idles_on(message.id) && protocol::is_idle_timeout(&message.data) => Ok(()),
            // An idle socket has nothing else to say but what is wrong.
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

    fn opened(&mut self, head: Opened, effects: &mut Vec<Effect>) {
        let Some(socket) = self.socket_of(head.id) else { return };
        if head.status == 101 {
            socket.opening = Opening::Open;
        } else {
            socket.refusal = Some(Refusal { head, body: Vec::new() });
            effects.push(Effect::Timer(REFUSED));
        }
    }

    fn socket_of(&mut self, link: LinkId) -> Option<&mut Socket> {
        self.sockets().find(|socket| socket.link == link)
    }

    fn sockets(&mut self) -> impl Iterator<Item = &mut Socket> {
        self.idle.iter_mut().chain(self.turn.as_mut().map(|turn| &mut turn.socket))
    }

    fn told(&mut self, text: &str, effects: &mut Vec<Effect>) -> Result<(), Fault> {
        let Some(turn) = &mut self.turn else { return Ok(()) };
        let news = protocol::read(text)?;
        let is_final = news.is_final;
        if !news.audio.is_empty() {
            turn.spoke = true;
            match turn.closing {
                Some(_) => effects.push(turn.silence.within(STALL_MS)),
                // How much more is owed of a text that is not complete nobody knows.
                None => turn.silence.stop(),
            }
        }
        self.sound.give(news, effects);
        if is_final { self.spoken(effects) } else { Ok(()) }
    }

    /// `isFinal`: the reply has been spoken to its end.
    fn spoken(&mut self, effects: &mut Vec<Effect>) -> Result<(), Fault> {
        let Some(Turn { socket, closing, spoke, sent, .. }) = self.turn.take() else { return Ok(()) };
        effects.push(link::close(socket.link).into());
        let Some(mark) = closing else {
            return Err(Fault::new(FaultKind::Unavailable, "ElevenLabs ended before the text did"));
        };
        if !spoke && protocol::is_audible(&sent) {
            return Err(spoke_nothing("ElevenLabs spoke nothing"));
        }
        if self.sound.end(effects) {
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
        if let Some(refusal) = self.socket_of(link).and_then(|socket| socket.refusal.as_ref()) {
            return Err(refusal.fault());
        }
        if self.idles_on(link) {
            let was_open = self.idle.take().is_some_and(|idle| idle.opening == Opening::Open);
            return if was_open { Ok(()) } else { Err(fault) };
        }
        let Some(turn) = self.turn.as_ref().filter(|turn| turn.socket.link == link) else { return Ok(()) };
        let transient = broke && turn.socket.opening == Opening::Open && fault.kind == FaultKind::Unavailable;
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
        match self.turn.as_mut().map_or(Woken::Other, |turn| turn.silence.woken(id)) {
            Woken::Silent => return Err(Fault::new(FaultKind::Unavailable, "ElevenLabs fell silent")),
            Woken::Wait(effect) => {
                effects.extend(effect);
                return Ok(());
            }
            Woken::Other => {}
        }
        match id {
            _ if id == FIRST_ANSWER.id => {
                let late = self.sockets().any(|socket| socket.goes(Opening::Asked, Opening::Late));
                effects.extend(late.then_some(Effect::Timer(ROOM)));
                Ok(())
            }
            _ if id == ROOM.id => {
                let late = self.sockets().any(|socket| socket.goes(Opening::Late, Opening::Grace));
                effects.extend(late.then_some(Effect::Timer(GRACE)));
                Ok(())
            }
            _ if id == GRACE.id => self.unanswered(effects),
            _ if id == REFUSED.id => {
                self.sockets().find_map(|socket| socket.refusal.as_ref()).map_or(Ok(()), |refusal| Err(refusal.fault()))
            }
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

    fn unanswered(&mut self, effects: &mut Vec<Effect>) -> Result<(), Fault> {
        if let Some(idle) = self.idle.take_if(|idle| idle.is_unanswered()) {
            // Nobody waits for it yet; the next reply asks again.
            effects.push(link::close(idle.link).into());
        }
        match self.turn.as_ref().is_some_and(|turn| turn.socket.is_unanswered()) {
            true => Err(Fault::new(FaultKind::Unavailable, "ElevenLabs did not answer in time")),
            false => Ok(()),
        }
    }

    fn speaks_on(&self, link: LinkId) -> bool {
        self.turn.as_ref().is_some_and(|turn| turn.socket.link == link)
    }

    fn idles_on(&self, link: LinkId) -> bool {
        self.idle.as_ref().is_some_and(|idle| idle.link == link)
    }
}

impl Socket {
    /// From one state of its opening to the next; whether it was there.
    fn goes(&mut self, from: Opening, to: Opening) -> bool {
        let goes = self.opening == from && self.refusal.is_none();
        if goes {
            self.opening = to;
        }
        goes
    }

    fn is_unanswered(&self) -> bool {
        self.opening == Opening::Grace && self.refusal.is_none()
    }
}

impl Refusal {
    fn fault(&self) -> Fault {
        protocol::refused(self.head.status, &self.head.headers, &self.body)
    }
}

impl Turn {
    fn new(socket: Socket) -> Self {
        Self {
            socket,
            sent: String::new(),
            held: String::new(),
            closing: None,
            spoke: false,
            again: false,
            silence: Silence::default(),
        }
    }

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
            // The first sentence's time counts from the first.
            if protocol::is_whole(words) && !self.spoke && protocol::is_audible(words) && self.silence == Silence::default() {
                effects.push(self.silence.within(STALL_MS));
            }
        }
    }

    fn close(&mut self, mark: Option<u32>, effects: &mut Vec<Effect>) {
        let last = std::mem::take(&mut self.held);
        self.send(&format!("{} ", last.trim_end()), effects);
        effects.push(link::send_text(self.socket.link, protocol::END_OF_TEXT).into());
        effects.push(self.silence.within(STALL_MS));
        effects.extend(self.bill());
        self.closing = Some(mark);
    }

    /// All that was sent, once a reply.
    fn bill(&self) -> Option<Effect> {
        let characters = self.sent.trim().chars().count() as u64;
        let usage = Effect::Usage(Usage { audio_ms: 0, characters, requests: 1 });
        (self.closing.is_none() && characters > 0).then_some(usage)
    }

    fn say_again(&mut self, effects: &mut Vec<Effect>) {
        self.again = true;
        if !self.sent.is_empty() {
            effects.push(link::send_text(self.socket.link, protocol::piece(&self.sent)).into());
        }
        if self.closing.is_some() {
            effects.push(link::send_text(self.socket.link, protocol::END_OF_TEXT).into());
        }
        self.silence.stop();
        if self.closing.is_some() || protocol::is_whole(&self.sent) && protocol::is_audible(&self.sent) {
            effects.push(self.silence.within(STALL_MS));
        }
    }
}

/// A close without `isFinal`. What was wrong came as a message before it, if it came at all.
fn closed(code: Option<u16>) -> Fault {
    let kind = if code == Some(1008) { FaultKind::Protocol } else { FaultKind::Unavailable };
    Fault::new(kind, format!("ElevenLabs hung up before it had spoken all (close {code:?})"))
}
