//! What the official client sent and reported, against what this plugin sends and says; and every bad day.

mod bad_days;
mod replay;

use crate::Plugin;
use vg_plugin_sdk::link::{HttpOpen, LinkEffect, LinkId, WebsocketOpen};
use vg_plugin_sdk::tts::{Effect, Input};
use vg_plugin_sdk::{AudioFormat, Encoding, Fault, SessionStart, Word, testing};
use vg_wire::usp::{self, Headers};

const MULAW: AudioFormat = AudioFormat { encoding: Encoding::Mulaw, rate_hz: 8_000 };

/// A text message of ours.
#[derive(Clone, Debug, PartialEq)]
struct Sent {
    path: String,
    /// In order.
    headers: Vec<String>,
    request_id: Option<String>,
    body: String,
}

/// A session, and what it did.
struct Driven {
    session: testing::Session<Input, Effect>,
    opens: Vec<WebsocketOpen>,
    requests: Vec<HttpOpen>,
    closed: Vec<LinkId>,
    sent: Vec<Sent>,
    said: Vec<Effect>,
}

impl Driven {
    fn start(options: &str, format: AudioFormat, language: &str) -> Self {
        let session = testing::tts::<Plugin>();
        let mut driven = Self { session, opens: vec![], requests: vec![], closed: vec![], sent: vec![], said: vec![] };
        let start = SessionStart { format, language: language.to_owned(), ..testing::start(options) };
        let effects = driven.session.start(start);
        driven.note(effects);
        driven
    }

    /// Mu-law in US English, connected.
    fn ready(options: &str) -> Self {
        let mut driven = Self::start(options, MULAW, "en-US");
        driven.opened(101, &[]);
        driven
    }

    /// The same with a text to be spoken.
    fn asked(options: &str) -> Self {
        let mut driven = Self::ready(options);
        driven.speak("Good morning.", 7);
        driven
    }

    fn speak(&mut self, text: &str, mark: u32) {
        self.tell(Input::Text(text.to_owned()));
        self.tell(Input::Flush(mark));
    }

    fn note(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Link(LinkEffect::Websocket(open)) => self.opens.push(open),
                Effect::Link(LinkEffect::Http(open)) => self.requests.push(open),
                Effect::Link(LinkEffect::Close(id)) => self.closed.push(id),
                Effect::Link(LinkEffect::SendText(text)) => self.sent.push(sent(&text.data)),
                Effect::Timer(_) | Effect::Link(_) => {}
                said => self.said.push(said),
            }
        }
    }

    fn tell(&mut self, input: Input) {
        let effects = self.session.tell(input);
        self.note(effects);
    }

    fn link(&self) -> LinkId {
        let socket = self.opens.last().map_or(0, |open| open.id);
        socket.max(self.requests.last().map_or(0, |open| open.id))
    }

    fn opened(&mut self, status: u16, headers: &[(&str, &str)]) {
        let effects = self.session.opened_with(self.link(), status, headers);
        self.note(effects);
    }

    fn says(&mut self, path: &str, body: &str) {
        let headers = Headers::new().with("X-RequestId", self.request_id()).with("Path", path);
        let effects = self.session.text(self.link(), &usp::text(&headers, body));
        self.note(effects);
    }

    fn sounds(&mut self, samples: &[u8]) {
        let headers = Headers::new().with("X-RequestId", self.request_id()).with("Path", "audio");
        let effects = self.session.bytes(self.link(), &usp::binary(&headers, samples));
        self.note(effects);
    }

    fn finished(&mut self, code: Option<u16>) {
        let effects = self.session.finished(self.link(), code);
        self.note(effects);
    }

    fn pass_ms(&mut self, ms: u64) {
        let effects = self.session.pass_ms(ms);
        self.note(effects);
    }

    fn request_id(&self) -> String {
        self.sent.iter().rev().find_map(|sent| sent.request_id.clone()).unwrap()
    }

    fn paths(&self) -> Vec<&str> {
        self.sent.iter().map(|sent| sent.path.as_str()).collect()
    }

    fn sound(&self) -> Vec<u8> {
        let sound = self.said.iter().filter_map(|said| if let Effect::Audio(samples) = said { Some(samples) } else { None });
        sound.flatten().copied().collect()
    }

    fn words(&self) -> Vec<Word> {
        self.said.iter().filter_map(|said| if let Effect::Word(word) = said { Some(word.clone()) } else { None }).collect()
    }

    fn fault(&self) -> &Fault {
        match self.said.last() {
            Some(Effect::Fail(fault)) => fault,
            other => panic!("no fault but {other:?}"),
        }
    }
}

fn sent(message: &str) -> Sent {
    let (headers, body) = usp::read_text(message).unwrap();
    let lines = message.split_once("\r\n\r\n").unwrap().0.split("\r\n");
    Sent {
        path: headers.path(),
        headers: lines.filter_map(|line| line.split_once(':')).map(|(name, _)| name.to_owned()).collect(),
        request_id: headers.get("X-RequestId").map(str::to_owned),
        body: body.to_owned(),
    }
}
