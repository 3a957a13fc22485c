//! One media socket is one call.

use super::Door;
use super::control::{Command, Event, FactLine, Format, MediaStart, PhoneFact, to_text};
use super::opus::OpusWire;
use crate::adapters::rtp::{LegConfig, RawHandle, RawOut, Shards};
use crate::application::limits::WATCHER_FACTS;
use crate::application::ports::{
    IncomingCall, MediaLeg, Observation, Observe, Telephony, TelephonyError, TelephonyEvent, TenantHint,
};
use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, close_code};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};
use uuid::Uuid;
use vg_domain::event::Fact;
use vg_domain::ids::{CallId, TenantId};
use vg_domain::outcome::EndCause;
use vg_domain::pii::Pii;
use vg_domain::transfer::Handover;
use vg_media::{Codec, Silence};

/// A peer that connects has so long to say `MEDIA_START`.
const START: Duration = Duration::from_secs(5);
/// A peer that does not read for so long is gone.
const SEND: Duration = Duration::from_secs(2);
/// After the end of a call its last facts are waited for so long.
const LAST_FACTS: Duration = Duration::from_secs(2);
/// Events of a call that its task has not taken yet. When full: digits are dropped; the end shows by the closed channel.
const EVENTS_MAX: usize = 32;
/// Acts on their way to the socket; a call has at most a few.
const ORDERS_MAX: usize = 8;

/// Serves the socket until the call is over. `ticket` is whose call its ticket says it is; none where it came without one.
pub(super) async fn serve(mut socket: WebSocket, door: Door, facts: bool, ticket: Option<TenantHint>) {
    let Some(start) = first_message(&mut socket).await else {
        tracing::warn!("media socket closed: no MEDIA_START came");
        return refuse(&mut socket, "media_start_expected").await;
    };
    let opus = match (start.format == Format::Opus).then(OpusWire::new).transpose() {
        Ok(opus) => opus.map(Box::new),
        Err(error) => {
            tracing::error!(code = error.code(), "media socket closed: no codec is to be had");
            return refuse(&mut socket, error.code()).await;
        }
    };
    let call = CallId::new(Uuid::now_v7().to_string());
    let (orders, taken) = mpsc::channel(ORDERS_MAX);
    let (events, told) = mpsc::channel(EVENTS_MAX);
    let (watcher, watched) = mpsc::channel(WATCHER_FACTS);
    // Nobody but who sits before it takes a phone's silence for a dead line; behind an Asterisk there may be a trunk that does.
    let silence = if start.channel_id.is_empty() { Silence::Nothing } else { door.silence };
    let telephony = WsTelephony { codec: start.format.codec(), silence, shard: door.shard, orders };
    let mut offer = offer(start, call.clone(), telephony, told, facts.then_some(watcher));
    if let Some(tenant) = ticket {
        offer.tenant = tenant;
    }
    let offered = door.incoming.try_send(offer);
    if offered.is_err() {
        tracing::warn!(%call, "media socket turned away: the gateway takes no more");
        let _ = say(&mut socket, &Command::Hangup).await;
        return;
    }
    let mut session = Session {
        socket,
        events: Some(events),
        orders: taken,
        facts: watched,
        leg: None,
        opus,
        flush: Flush::default(),
        observe: door.observe,
    };
    session.run().await;
    tracing::debug!(%call, "media socket ends");
}

fn offer(
    mut start: MediaStart,
    call: CallId,
    telephony: WsTelephony,
    events: mpsc::Receiver<TelephonyEvent>,
    watcher: Option<mpsc::Sender<Fact>>,
) -> IncomingCall {
    let mut variable = |name: &str| start.channel_variables.remove(name).filter(|value| !value.is_empty());
    IncomingCall {
        call,
        arrived: Instant::now(),
        caller: Pii::new(variable("caller").unwrap_or_default()),
        dialled: Pii::new(variable("dialled").unwrap_or_default()),
        tenant: variable("tenant").map_or(TenantHint::Default, |name| TenantHint::Named(TenantId::new(name))),
        // Who may bring a call by this socket is decided at its door; it has no trunk.
        endpoint: None,
        channel_name: None,
        channel: if start.channel_id.is_empty() { start.connection_id } else { start.channel_id },
        telephony: Box::new(telephony),
        events,
        watcher,
    }
}

async fn first_message(socket: &mut WebSocket) -> Option<MediaStart> {
    let message = timeout(START, socket.recv()).await.ok()??.ok()?;
    match serde_json::from_str(message.to_text().ok()?).ok()? {
        Event::MediaStart(start) => Some(start),
        _ => None,
    }
}

/// What the call wants of its socket.
enum Order {
    Media(RawHandle),
    Answer,
    HangUp,
}

/// What the session waits for.
enum Happening {
    Received(Option<Message>),
    Order(Option<Order>),
    Sound(Option<RawOut>),
    Fact(Option<Fact>),
}

struct Session {
    socket: WebSocket,
    /// None once the call was told that its caller is gone.
    events: Option<mpsc::Sender<TelephonyEvent>>,
    orders: mpsc::Receiver<Order>,
    facts: mpsc::Receiver<Fact>,
    leg: Option<RawHandle>,
    /// Between the messages and the leg, where they are Opus.
    opus: Option<Box<OpusWire>>,
    flush: Flush,
    observe: Arc<dyn Observe>,
}

/// Whether the peer has thrown away what it was told to: the mark behind the order comes back when it has.
#[derive(Debug, Default)]
struct Flush {
    number: u32,
    told: Option<Instant>,
}

impl Flush {
    fn begin(&mut self, now: Instant) -> Command {
        (self.number, self.told) = (self.number.wrapping_add(1), Some(now));
        Command::MarkMedia { correlation_id: self.mark() }
    }

    /// How long it took; none where the mark is another's.
    fn done(&mut self, now: Instant, mark: &str) -> Option<Duration> {
        let own = self.mark();
        let told = self.told.take_if(|_| mark == own)?;
        Some(now.saturating_duration_since(told))
    }

    fn mark(&self) -> String {
        format!("flush-{}", self.number)
    }
}

impl Session {
    async fn run(&mut self) {
        let mut facts_open = true;
        loop {
            let happening = tokio::select! {
                message = self.socket.recv() => Happening::Received(message.and_then(Result::ok)),
                order = self.orders.recv() => Happening::Order(order),
                sound = next_sound(&mut self.leg) => Happening::Sound(sound),
                fact = self.facts.recv(), if facts_open => Happening::Fact(fact),
            };
            let goes_on = match happening {
                Happening::Received(None | Some(Message::Close(_))) => return self.tell(TelephonyEvent::CallerGone),
                Happening::Received(Some(message)) => self.receive(message),
                Happening::Order(Some(Order::Media(leg))) => {
                    self.leg = Some(leg);
                    true
                }
                Happening::Order(Some(Order::Answer)) => say(&mut self.socket, &Command::Answer).await.is_ok(),
                Happening::Order(Some(Order::HangUp) | None) => false,
                Happening::Sound(Some(RawOut::Frame(frame))) => self.speak(frame).await,
                Happening::Sound(Some(RawOut::Flush)) => self.flush().await.is_ok(),
                Happening::Sound(None) => {
                    self.leg = None;
                    true
                }
                Happening::Fact(Some(fact)) => self.pass_on(&fact).await.is_ok(),
                Happening::Fact(None) => {
                    facts_open = false;
                    true
                }
            };
            if !goes_on {
                return self.end().await;
            }
        }
    }

    /// False when the caller hung up.
    fn receive(&mut self, message: Message) -> bool {
        match message {
            Message::Binary(frame) => self.hear(frame),
            Message::Text(text) => match serde_json::from_str(&text) {
                Ok(Event::DtmfEnd { digit }) => {
                    if let Some(digit) = digit.chars().next() {
                        self.tell(TelephonyEvent::Digit(digit));
                    }
                }
                Ok(Event::Hangup) => {
                    self.tell(TelephonyEvent::CallerGone);
                    return false;
                }
                Ok(Event::MarkProcessed { correlation_id }) => {
                    if let Some(took) = self.flush.done(Instant::now(), &correlation_id) {
                        self.observe.observe(&Observation::Flushed(took));
                    }
                }
                Ok(Event::Unused) => {}
                Ok(Event::MediaStart(_)) | Err(_) => tracing::debug!("media socket: message makes no sense"),
            },
            _ => {}
        }
        true
    }

    async fn flush(&mut self) -> Result<(), axum::Error> {
        say(&mut self.socket, &Command::FlushMedia).await?;
        let mark = self.flush.begin(Instant::now());
        say(&mut self.socket, &mark).await
    }

    /// False when the peer is gone.
    async fn speak(&mut self, frame: Bytes) -> bool {
        let message = match &mut self.opus {
            None => Ok(frame),
            Some(opus) => opus.pack(&frame),
        };
        match message {
            Ok(message) => send(&mut self.socket, Message::Binary(message)).await.is_ok(),
            Err(error) => {
                tracing::debug!(code = error.code(), "media socket: a frame is left out");
                true
            }
        }
    }

    fn hear(&mut self, message: Bytes) {
        let frame = match &mut self.opus {
            None => message,
            Some(opus) => match opus.unpack(&message) {
                Ok(frame) => frame,
                Err(error) => {
                    tracing::debug!(code = error.code(), "media socket: a frame makes no sense");
                    // An empty piece is counted by the leg as what makes no sense.
                    Bytes::new()
                }
            },
        };
        // A full queue means that the shard stands still; it counts its own lateness.
        if let Some(leg) = &self.leg {
            let _ = leg.inbound.try_send(frame);
        }
    }

    fn tell(&mut self, event: TelephonyEvent) {
        if let Some(events) = &self.events {
            let _ = events.try_send(event);
        }
    }

    async fn pass_on(&mut self, fact: &Fact) -> Result<(), axum::Error> {
        say(&mut self.socket, &FactLine::Fact(PhoneFact::from(fact))).await
    }

    /// Says good-bye, passes on the last facts and closes. The peer is read until it closes as well: what it still sends, left
    /// unread, would make the system throw away the last facts.
    async fn end(&mut self) {
        self.tell(TelephonyEvent::CallerGone);
        self.events = None;
        self.leg = None;
        let _ = say(&mut self.socket, &Command::Hangup).await;
        let mut over = std::pin::pin!(sleep(LAST_FACTS));
        loop {
            let fact = tokio::select! {
                fact = self.facts.recv() => fact,
                Some(Ok(_)) = self.socket.recv() => continue,
                () = &mut over => None,
            };
            match fact {
                Some(fact) if self.pass_on(&fact).await.is_ok() => {}
                _ => break,
            }
        }
        let _ = send(&mut self.socket, Message::Close(None)).await;
        let closed = async { while let Some(Ok(_)) = self.socket.recv().await {} };
        let _ = timeout(SEND, closed).await;
    }
}

/// Closes the socket of a peer that does not speak this protocol, and says why by a bounded code.
async fn refuse(socket: &mut WebSocket, code: &'static str) {
    let frame = CloseFrame { code: close_code::PROTOCOL, reason: Utf8Bytes::from_static(code) };
    // A peer that is gone, or sent what no WebSocket may, need not be told.
    let _ = send(socket, Message::Close(Some(frame))).await;
}

async fn next_sound(leg: &mut Option<RawHandle>) -> Option<RawOut> {
    match leg {
        Some(leg) => leg.outbound.recv().await,
        None => std::future::pending().await,
    }
}

async fn say(socket: &mut WebSocket, message: &impl serde::Serialize) -> Result<(), axum::Error> {
    send(socket, Message::Text(to_text(message).into())).await
}

async fn send(socket: &mut WebSocket, message: Message) -> Result<(), axum::Error> {
    timeout(SEND, socket.send(message)).await.unwrap_or_else(|late| Err(axum::Error::new(late)))
}

/// Acts on a call that came by a media socket.
struct WsTelephony {
    codec: Codec,
    silence: Silence,
    shard: Arc<Shards>,
    orders: mpsc::Sender<Order>,
}

impl WsTelephony {
    fn order(&self, order: Order) -> Result<(), TelephonyError> {
        self.orders.try_send(order).map_err(|_| TelephonyError::Gone)
    }

    fn open(&self) -> Result<MediaLeg, TelephonyError> {
        let Self { codec, silence, .. } = *self;
        let config = LegConfig { codec, rate_hz: codec.rate_hz(), remote: None, events: None, still: None, silence };
        let (leg, handle) = self.shard.open_raw(config).map_err(|error| {
            tracing::error!(code = error.code(), "media leg could not be opened");
            TelephonyError::Unsupported { act: "open media leg" }
        })?;
        self.order(Order::Media(handle))?;
        Ok(leg)
    }
}

fn ready<T: Send + 'static>(outcome: T) -> BoxFuture<'static, T> {
    Box::pin(std::future::ready(outcome))
}

impl Telephony for WsTelephony {
    fn ring(&mut self) -> BoxFuture<'_, Result<(), TelephonyError>> {
        ready(Ok(()))
    }

    fn connect_media(&mut self) -> BoxFuture<'_, Result<MediaLeg, TelephonyError>> {
        ready(self.open())
    }

    fn answer(&mut self) -> BoxFuture<'_, Result<(), TelephonyError>> {
        ready(self.order(Order::Answer))
    }

    fn transfer<'a>(&'a mut self, _: &'a Handover) -> BoxFuture<'a, Result<(), TelephonyError>> {
        ready(Err(TelephonyError::Unsupported { act: "transfer" }))
    }

    fn hang_up(&mut self, _cause: EndCause) -> BoxFuture<'_, Result<(), TelephonyError>> {
        // A socket that is gone is hung up.
        let _ = self.order(Order::HangUp);
        ready(Ok(()))
    }

    /// The leg ends with its [`MediaLeg`], the socket with this value.
    fn release(&mut self) -> BoxFuture<'_, Result<(), TelephonyError>> {
        ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flush_is_done_when_its_own_mark_comes_back() {
        let (mut flush, now) = (Flush::default(), Instant::now());
        let Command::MarkMedia { correlation_id: first } = flush.begin(now) else { panic!("no mark") };
        let Command::MarkMedia { correlation_id: second } = flush.begin(now) else { panic!("no mark") };
        let later = now + Duration::from_millis(7);
        assert_eq!([flush.done(later, &first), flush.done(later, "mark")], [None; 2]);
        assert_eq!([flush.done(later, &second), flush.done(later, &second)], [Some(Duration::from_millis(7)), None]);
        assert_eq!(
            to_text(&Command::MarkMedia { correlation_id: second }),
            r#"{"command":"MARK_MEDIA","correlation_id":"flush-2"}"#
        );
    }
}
