//! Both directions of an event stream: what a client sends is opened and checked, what it is told is framed, and troubles are made.

use super::sigv4::Chain;
use crate::{Cut, Sim, Vendor};
use axum::body::{Body, BodyDataStream, Bytes};
use futures_util::StreamExt;
use serde_json::json;
use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use vg_wire::event_stream::{Message, Messages, Value};

/// Longest message that a client may send.
const MESSAGE_BYTES: u32 = 1 << 20;
/// So long a message is on its way before a cut is made behind it.
const ON_ITS_WAY: Duration = Duration::from_millis(20);

/// Polly's word for a client that gave no text for too long: a quota by its name, and what it is by a code of its own.
pub(super) const NO_INBOUND_EVENT: &str = "No inbound event for too long";

/// What a client says next.
pub(super) enum Said {
    /// An event and its payload.
    Event(Message),
    /// The empty message: nothing more comes.
    End,
    /// The request's body ended.
    HalfClosed,
    /// The client is gone.
    Gone,
    /// What it must not say.
    Wrong(&'static str),
}

/// The client's side.
pub(super) struct Inbound {
    body: BodyDataStream,
    messages: Messages,
    chain: Chain,
}

impl Inbound {
    pub(super) fn new(body: Body, chain: Chain) -> Self {
        Self { body: body.into_data_stream(), messages: Messages::new(MESSAGE_BYTES), chain }
    }

    pub(super) async fn next(&mut self) -> Said {
        loop {
            match self.messages.poll() {
                Ok(Some(message)) => return self.open(&message),
                Ok(None) => {}
                Err(_) => return Said::Wrong("a message's checksum is wrong"),
            }
            match self.body.next().await {
                Some(Ok(bytes)) => self.messages.push(&bytes),
                Some(Err(_)) => return Said::Gone,
                None if self.messages.is_cut() => return Said::Wrong("the stream ended within a message"),
                None => return Said::HalfClosed,
            }
        }
    }

    fn open(&mut self, message: &Message) -> Said {
        match self.chain.open(message) {
            Ok(payload) if payload.is_empty() => Said::End,
            Ok(payload) => Message::decode(&payload).map_or(Said::Wrong("no event lies in a message"), Said::Event),
            Err(why) => Said::Wrong(why),
        }
    }
}

/// An event for a client, in the service's order of headers.
pub(super) fn event(kind: &str, content_type: &str, payload: impl Into<Vec<u8>>) -> Message {
    message(&[(":content-type", content_type), (":event-type", kind), (":message-type", "event")], payload)
}

/// An exception by its name.
pub(super) fn exception(name: &str, why: &str) -> Message {
    let mut payload = json!({ "Message": why, "message": why });
    if why == NO_INBOUND_EVENT {
        payload["quotaCode"] = json!("input-stream-inbound-event-timeout");
        payload["serviceCode"] = json!("polly");
    }
    let payload = payload.to_string();
    message(&[(":content-type", "application/json"), (":exception-type", name), (":message-type", "exception")], payload)
}

fn message(headers: &[(&str, &str)], payload: impl Into<Vec<u8>>) -> Message {
    let text = |(name, value): &(&str, &str)| ((*name).to_owned(), Value::Text((*value).to_owned()));
    Message { headers: headers.iter().map(text).collect(), payload: payload.into() }
}

/// The stream is over.
pub(super) struct Over;

/// What a client is told over HTTP/2.
pub(super) struct Outbound {
    sim: Arc<Sim>,
    cut: Cut,
    to_body: mpsc::Sender<io::Result<Bytes>>,
}

impl Outbound {
    /// The body of an answer, in which a conversation takes place: it lives as long as the client listens.
    pub(super) fn body<T>(sim: Arc<Sim>, cut: Cut, talk: impl FnOnce(Self) -> T) -> Body
    where
        T: Future<Output = ()> + Send + 'static,
    {
        let (to_body, mut told) = mpsc::channel::<io::Result<Bytes>>(1);
        let mut talk = Box::pin(talk(Self { sim, cut, to_body }));
        let mut is_over = false;
        let body = futures_util::stream::poll_fn(move |cx| {
            is_over = is_over || talk.as_mut().poll(cx).is_ready();
            told.poll_recv(cx)
        });
        Body::from_stream(body)
    }

    pub(super) async fn say(&self, message: &Message) -> Result<(), Over> {
        self.bytes(message.encode()).await?;
        if self.sim.trouble_ahead("cut-after").is_some() {
            tokio::time::sleep(ON_ITS_WAY).await;
        }
        self.sim.said_one(&self.cut);
        Ok(())
    }

    /// The client did what it must not do: it is told so, and that is all.
    pub(super) async fn refuse(&self, name: &str, why: &str) -> Over {
        self.sim.offence(Vendor::Aws, why);
        match self.say(&exception(name, why)).await {
            Ok(()) | Err(Over) => Over,
        }
    }

    /// Trouble in the middle that was asked for.
    pub(super) async fn make_trouble(&self) -> Result<(), Over> {
        if let Some(message) = troubled(&self.sim) {
            self.bytes(message).await?;
            return Err(Over);
        }
        if self.sim.trouble("aws-stall").is_some() {
            // Until the client is gone.
            self.to_body.closed().await;
        }
        if self.sim.trouble("aws-reset").is_some() {
            tokio::time::sleep(ON_ITS_WAY).await;
            let reset = Err(io::ErrorKind::ConnectionReset.into());
            self.to_body.send(reset).await.map_err(|_| Over)?;
            return Err(Over);
        }
        if self.sim.trouble("aws-kill").is_some() {
            tokio::time::sleep(ON_ITS_WAY).await;
            self.cut.now();
            return Err(Over);
        }
        if self.sim.trouble("aws-end").is_some() { Err(Over) } else { Ok(()) }
    }

    async fn bytes(&self, bytes: Vec<u8>) -> Result<(), Over> {
        self.to_body.send(Ok(bytes.into())).await.map_err(|_| Over)
    }
}

/// A message that brings trouble.
pub(super) fn troubled(sim: &Sim) -> Option<Vec<u8>> {
    if let Some(number) = sim.trouble("aws-exception") {
        let (name, why) = match number {
            0 => ("InternalFailureException", "A problem occurred while processing the audio."),
            1 => ("LimitExceededException", "Your client has exceeded one of the Amazon Transcribe limits."),
            2 => ("ConflictException", "A new stream started with the same session ID. The current stream has been terminated."),
            3 => ("BadRequestException", "Your request timed out because no new audio was received for 15 seconds."),
            4 => ("ServiceUnavailableException", "Service is currently unavailable. Try your request later."),
            6 => ("ThrottlingException", "Rate exceeded"),
            7 => ("ServiceQuotaExceededException", "The account's quota of streams is used up."),
            8 => ("ValidationException", "x"),
            9 => ("ServiceQuotaExceededException", NO_INBOUND_EVENT),
            _ => ("SomethingNewException", "never seen before"),
        };
        return Some(exception(name, why).encode());
    }
    if sim.trouble("aws-error").is_some() {
        let headers = [(":error-code", "InternalFailure"), (":error-message", "x"), (":message-type", "error")];
        return Some(message(&headers, "").encode());
    }
    sim.trouble("aws-bad-checksum")?;
    let mut bytes = event("TranscriptEvent", "application/json", "{\"Transcript\": {\"Results\": []}}").encode();
    if let Some(last) = bytes.last_mut() {
        *last ^= 1;
    }
    Some(bytes)
}
