//! Transcribe streaming, over HTTP/2 and over a WebSocket.

use super::events::{Inbound, Outbound, Over, Said, event, exception, troubled};
use super::sigv4::{self, Chain, Payload};
use super::transcript::{Listener, Parameters};
use super::{Refusal, event_stream, offended, trouble, with_ids};
use crate::{Cut, Moment, Sim, Vendor};
use axum::Extension;
use axum::extract::ws::{CloseFrame, Message as Frame, Utf8Bytes, WebSocket, WebSocketUpgrade};
use axum::extract::{FromRequestParts, Request, State};
use axum::http::{HeaderName, HeaderValue};
use axum::response::{IntoResponse, Response};
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;
use vg_wire::event_stream::Message;

const SERVICE: &str = "transcribe";
const ORIGIN: &str = "http://internal.amazon.com/coral/com.amazonaws.transcribe.streaming/";
const IDLE: Duration = Duration::from_secs(15);
const IDLE_REASON: &str = "Your request timed out because no new audio was received for 15 seconds.";
const BAD: &str = "BadRequestException";
const BROKEN: &str = "InternalFailureException";

pub(super) async fn http2(State(sim): State<Arc<Sim>>, Extension(cut): Extension<Cut>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    if let Err(refusal) = trouble(&sim, BROKEN).await {
        return refusal.answer(ORIGIN);
    }
    let chain = sigv4::request(&parts, SERVICE, Payload::Events);
    let asked = Parameters::of_headers(&parts.headers);
    let opened = chain.and_then(|chain| Ok((chain, Listener::new(&sim, &asked)?)));
    let (chain, listener) = match opened {
        Ok(opened) => opened,
        Err(refusal) => return offended(&sim, refusal).answer(ORIGIN),
    };
    // One of the vendor's own clients names no type.
    if parts.headers.get("content-type").is_some_and(|kind| kind != super::EVENT_STREAM) {
        let refusal = Refusal::bad(BAD, "Content-Type is no event stream");
        return offended(&sim, refusal).answer(ORIGIN);
    }
    let told = Outbound::body(Arc::clone(&sim), cut, |outbound| {
        Stream { inbound: Inbound::new(body, chain), outbound, listener, idle: idle(&sim), sim }.serve()
    });
    let mut response = event_stream(told);
    echo(&mut response, &asked);
    response
}

fn idle(sim: &Sim) -> Duration {
    sim.trouble_ahead("aws-idle-ms").map_or(IDLE, |ms| Duration::from_millis(ms.into()))
}

/// What was asked for, and an id where none was.
fn echo(response: &mut Response, asked: &Parameters) {
    let headers = response.headers_mut();
    for (name, value) in asked.echoes() {
        if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), HeaderValue::from_str(value)) {
            headers.insert(name, value);
        }
    }
    let id = HeaderValue::from_static("00000000-0000-0000-0000-000000000009");
    headers.entry("x-amzn-transcribe-session-id").or_insert(id);
}

struct Stream {
    inbound: Inbound,
    outbound: Outbound,
    listener: Listener,
    idle: Duration,
    sim: Arc<Sim>,
}

impl Stream {
    async fn serve(mut self) {
        while let Ok(()) = self.next().await {}
    }

    async fn next(&mut self) -> Result<(), Over> {
        let Ok(said) = timeout(self.idle, self.inbound.next()).await else {
            return Err(self.outbound.refuse(BAD, IDLE_REASON).await);
        };
        let audio = match said {
            Said::Event(event) => match audio(event) {
                Ok(audio) => audio,
                Err(why) => return Err(self.outbound.refuse(BAD, why).await),
            },
            Said::End => vec![],
            Said::HalfClosed => {
                self.sim.offence(Vendor::Aws, "the stream was closed without the empty message that ends the audio");
                vec![]
            }
            Said::Wrong(why) => return Err(self.outbound.refuse(BAD, why).await),
            Said::Gone => return Err(Over),
        };
        if audio.is_empty() {
            for result in self.listener.last() {
                self.tell(&result).await?;
            }
            return Err(Over);
        }
        match self.listener.hear(&audio) {
            Ok(results) => {
                for result in results {
                    self.tell(&result).await?;
                }
                Ok(())
            }
            Err(why) => Err(self.outbound.refuse(BAD, why).await),
        }
    }

    async fn tell(&mut self, result: &Value) -> Result<(), Over> {
        if !is_partial(result) {
            self.sim.wait(Vendor::Aws, Moment::Final).await;
        }
        self.outbound.say(&transcript(result)).await?;
        self.outbound.make_trouble().await
    }
}

fn is_partial(result: &Value) -> bool {
    result["Transcript"]["Results"][0]["IsPartial"] == true
}

fn transcript(result: &Value) -> Message {
    event("TranscriptEvent", "application/json", result.to_string())
}

/// Samples of an `AudioEvent`; none are the end.
fn audio(event: Message) -> Result<Vec<u8>, &'static str> {
    let expected = [(":message-type", "event"), (":event-type", "AudioEvent"), (":content-type", "application/octet-stream")];
    if expected.iter().any(|(name, value)| event.text(name) != Some(value)) {
        return Err("an event is no AudioEvent of application/octet-stream");
    }
    Ok(event.payload)
}

pub(super) async fn websocket(State(sim): State<Arc<Sim>>, Extension(cut): Extension<Cut>, request: Request) -> Response {
    let (mut parts, _) = request.into_parts();
    if let Err(refusal) = trouble(&sim, BROKEN).await {
        return refusal.answer("");
    }
    let asked = Parameters::of_query(parts.uri.query().unwrap_or_default());
    let opened = sigv4::presigned(&parts, SERVICE).and_then(|chain| Ok((chain, Listener::new(&sim, &asked)?)));
    let (chain, listener) = match opened {
        Ok(opened) => opened,
        Err(refusal) => return offended(&sim, refusal).answer(""),
    };
    let upgrade = match WebSocketUpgrade::from_request_parts(&mut parts, &()).await {
        Ok(upgrade) => upgrade,
        Err(rejection) => return rejection.into_response(),
    };
    let talk = |socket| Line { socket, chain, listener, idle: idle(&sim), sim, cut }.serve();
    with_ids(upgrade.on_upgrade(talk))
}

struct Line {
    socket: WebSocket,
    /// Should the client sign its messages: those of today do not.
    chain: Chain,
    listener: Listener,
    idle: Duration,
    sim: Arc<Sim>,
    cut: Cut,
}

impl Line {
    async fn serve(mut self) {
        while let Ok(()) = self.next().await {}
        // The client's close answers ours; who has gone needs none.
        while let Ok(Some(Ok(_))) = timeout(Duration::from_secs(2), self.socket.recv()).await {}
    }

    async fn next(&mut self) -> Result<(), Over> {
        let Ok(frame) = timeout(self.idle, self.socket.recv()).await else { return self.refuse(IDLE_REASON).await };
        let bytes = match frame.and_then(Result::ok).ok_or(Over)? {
            Frame::Binary(bytes) => bytes,
            Frame::Text(_) => return self.refuse("a text message").await,
            Frame::Close(_) => return Err(Over),
            Frame::Ping(_) | Frame::Pong(_) => return Ok(()),
        };
        let audio = match self.audio(&bytes) {
            Ok(audio) => audio,
            Err(why) => return self.refuse(why).await,
        };
        if audio.is_empty() {
            let last = self.listener.last();
            self.tell_all(last).await?;
            return self.close(1000).await;
        }
        match self.listener.hear(&audio) {
            Ok(results) => self.tell_all(results).await,
            Err(why) => self.refuse(why).await,
        }
    }

    /// An event as it is, or within a signed message; nothing at all is an end, too.
    fn audio(&mut self, bytes: &[u8]) -> Result<Vec<u8>, &'static str> {
        if bytes.is_empty() {
            return Ok(vec![]);
        }
        let message = Message::decode(bytes).map_err(|_| "a message is no event stream's")?;
        if message.text(":message-type").is_some() {
            return audio(message);
        }
        let payload = self.chain.open(&message)?;
        if payload.is_empty() {
            return Ok(vec![]);
        }
        audio(Message::decode(&payload).map_err(|_| "no event lies in a message")?)
    }

    async fn tell_all(&mut self, results: Vec<Value>) -> Result<(), Over> {
        for result in results {
            if !is_partial(&result) {
                self.sim.wait(Vendor::Aws, Moment::Final).await;
            }
            self.bytes(transcript(&result).encode()).await?;
            self.sim.said_one(&self.cut);
            self.make_trouble().await?;
        }
        Ok(())
    }

    async fn make_trouble(&mut self) -> Result<(), Over> {
        if let Some(message) = troubled(&self.sim) {
            self.bytes(message).await?;
            return self.close(1000).await;
        }
        if self.sim.trouble("aws-stall").is_some() {
            while let Some(Ok(_)) = self.socket.recv().await {}
            return Err(Over);
        }
        if self.sim.trouble("aws-kill").is_some() {
            self.cut.now();
            return Err(Over);
        }
        if self.sim.trouble("aws-reset").is_some() {
            return self.close(1011).await;
        }
        if self.sim.trouble("aws-end").is_some() { self.close(1000).await } else { Ok(()) }
    }

    async fn refuse(&mut self, why: &str) -> Result<(), Over> {
        self.sim.offence(Vendor::Aws, why);
        self.bytes(exception(BAD, why).encode()).await?;
        self.close(1000).await
    }

    async fn bytes(&mut self, bytes: Vec<u8>) -> Result<(), Over> {
        self.socket.send(Frame::Binary(bytes.into())).await.map_err(|_| Over)
    }

    async fn close(&mut self, code: u16) -> Result<(), Over> {
        let frame = CloseFrame { code, reason: Utf8Bytes::from_static("") };
        let _gone = self.socket.send(Frame::Close(Some(frame))).await;
        Err(Over)
    }
}
