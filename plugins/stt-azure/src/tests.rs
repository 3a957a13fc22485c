//! What the official client sent and reported, against what this plugin sends and says; and every bad day.

mod bad_days;
mod replay;

use crate::Plugin;
use serde::Deserialize;
use serde_json::Value;
use vg_plugin_sdk::link::{LinkEffect, LinkId, WebsocketOpen};
use vg_plugin_sdk::stt::{Effect, Input};
use vg_plugin_sdk::{AudioFormat, Encoding, Fault, SessionStart, Transcript, testing};
use vg_wire::usp;

/// A capture of the official client with a server of ours.
#[derive(Deserialize)]
struct Capture {
    connections: Vec<Connection>,
    /// What the client told its application.
    events: Vec<Value>,
}

#[derive(Deserialize)]
struct Connection {
    target: String,
    headers: Vec<(String, String)>,
    status: Option<u16>,
    location: Option<String>,
    messages: Vec<Value>,
}

fn capture(name: &str) -> Capture {
    let file = format!("{}/fixtures/{name}.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap()
}

/// What we sent, as the captures have it.
#[derive(Clone, Debug, PartialEq)]
enum Sent {
    Text { path: String, headers: Vec<String>, request_id: Option<String>, json: Value },
    Riff { headers: Vec<String>, stream: String, hex: String },
    Audio { headers: Vec<String>, request_id: String, bytes: Vec<u8> },
}

/// A session, and what it did.
struct Driven {
    session: testing::Session<Input, Effect>,
    opens: Vec<WebsocketOpen>,
    sent: Vec<Sent>,
    said: Vec<Effect>,
}

impl Driven {
    fn start(options: &str, format: AudioFormat, language: &str) -> Self {
        let mut driven = Self { session: testing::stt::<Plugin>(), opens: vec![], sent: vec![], said: vec![] };
        let start = SessionStart { format, language: language.to_owned(), ..testing::start(options) };
        let effects = driven.session.start(start);
        driven.note(effects);
        driven
    }

    /// Mu-law in US English, at the vendor's own host.
    fn plain() -> Self {
        Self::start("{}", AudioFormat { encoding: Encoding::Mulaw, rate_hz: 8_000 }, "en-US")
    }

    fn note(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Link(LinkEffect::Websocket(open)) => self.opens.push(open),
                Effect::Link(LinkEffect::SendText(text)) => self.sent.push(sent_text(&text.data)),
                Effect::Link(LinkEffect::SendBytes(bytes)) => self.sent.push(sent_bytes(&bytes.data)),
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
        self.opens.last().unwrap().id
    }

    fn opened(&mut self, status: u16, headers: &[(&str, &str)]) {
        let effects = self.session.opened_with(self.link(), status, headers);
        self.note(effects);
    }

    /// A message of the vendor, whose turn is our present one.
    fn says(&mut self, message: &str) {
        let (_, rest) = message.split_once("\r\n").unwrap();
        let message = format!("X-RequestId:{}\r\n{rest}", self.request_id());
        let effects = self.session.text(self.link(), &message);
        self.note(effects);
    }

    fn tells(&mut self, path: &str, body: &str) {
        self.says(&format!("X-RequestId:0\r\nPath:{path}\r\n\r\n{body}"));
    }

    fn pass_ms(&mut self, ms: u64) {
        let effects = self.session.pass_ms(ms);
        self.note(effects);
    }

    fn request_id(&self) -> String {
        let id = self.sent.iter().rev().find_map(|sent| match sent {
            Sent::Text { request_id, .. } => request_id.clone(),
            _ => None,
        });
        id.unwrap()
    }

    /// Sound of the present turn.
    fn sound(&self) -> Vec<u8> {
        let id = self.sent.iter().any(|sent| matches!(sent, Sent::Audio { .. })).then(|| self.request_id());
        let of_turn = |sent: &Sent| match sent {
            Sent::Audio { request_id, bytes, .. } if Some(request_id) == id.as_ref() => bytes.clone(),
            _ => vec![],
        };
        self.sent.iter().flat_map(of_turn).collect()
    }

    fn finals(&self) -> Vec<Transcript> {
        self.said.iter().filter_map(|said| if let Effect::Final(said) = said { Some(said.clone()) } else { None }).collect()
    }

    fn fault(&self) -> &Fault {
        match self.said.last() {
            Some(Effect::Fail(fault)) => fault,
            other => panic!("no fault but {other:?}"),
        }
    }

    /// Opened, with a second of sound and the vendor's first answer.
    fn listening() -> Self {
        let mut driven = Self::plain();
        driven.opened(101, &[]);
        driven.tell(Input::Audio(vec![1; 8_000]));
        driven.tells("turn.start", r#"{"context":{"serviceTag":"tag1"}}"#);
        driven
    }
}

fn names(headers: &str) -> Vec<String> {
    headers.split("\r\n").filter_map(|line| line.split_once(':')).map(|(name, _)| name.to_owned()).collect()
}

fn sent_text(message: &str) -> Sent {
    let (headers, body) = usp::read_text(message).unwrap();
    let request_id = headers.get("X-RequestId").map(str::to_owned);
    let json = serde_json::from_str(body).unwrap();
    Sent::Text { path: headers.path(), headers: names(message.split_once("\r\n\r\n").unwrap().0), request_id, json }
}

fn sent_bytes(message: &[u8]) -> Sent {
    let (headers, body) = usp::read_binary(message).unwrap();
    let names = names(std::str::from_utf8(&message[2..message.len() - body.len()]).unwrap());
    assert_eq!(headers.path(), "audio");
    if headers.get("Content-Type").is_some() {
        let hex = body.iter().map(|byte| format!("{byte:02x}")).collect();
        return Sent::Riff { headers: names, stream: headers.get("X-StreamId").unwrap().to_owned(), hex };
    }
    Sent::Audio { headers: names, request_id: headers.get("X-RequestId").unwrap().to_owned(), bytes: body.to_vec() }
}
