//! One open WebSocket: the state that its own task and its lane share.

use super::transport::Transport;
use super::{Broken, End};
use crate::counters::add;
use crate::door::Link;
use crate::limits::{ECHO_BYTES, IN_MESSAGE_BYTES, OUT_BYTES_MAX};
use crate::outbox::{Outbound, Taken};
use crate::wire::{LinkErrorKind, LinkInput, Payload};
use bytes::Bytes;
use rustls::ClientConnection;
use std::convert::Infallible;
use std::io::ErrorKind;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::task::yield_now;
use tokio::time::{Instant, sleep_until};
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocket, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message, Utf8Bytes};

/// Bytes read at a time, and kept for each open WebSocket.
const READ_BYTES: usize = 8 << 10;
/// Bytes framed before they are written: several messages become one write.
const WRITE_BYTES: usize = 16 << 10;
/// Pings and pongs served before others on the same worker have their turn: each ping costs a write.
const TURN_CONTROLS: usize = 16;

/// One open WebSocket. Dropped by the last who holds it, its connection ends.
pub(super) struct Connection {
    link: Arc<Link>,
    tcp: Arc<TcpStream>,
    state: Mutex<State>,
    /// Put into the outbox when it is empty: marks this connection.
    waker: Waker,
    /// The writer cannot go on by itself: see [`unstick`](Self::unstick).
    stuck: Notify,
    /// The writer has something for the reader: the host ends the link, or the session does.
    nudge: Notify,
}

struct State {
    ws: WebSocket<Transport>,
    /// Last byte received, and handed over.
    heard: Instant,
    /// Last message in either direction.
    carried: Instant,
    pinged: Option<Instant>,
    /// Since when the peer's close is awaited.
    closing: Option<Instant>,
    /// The outbox was relieved and the session could not be told yet.
    owes_writable: bool,
    /// The socket takes nothing any more. What it has received is still to be heard: the reader will meet the loss after it.
    lost: bool,
    /// The host ends the link.
    broken: Option<Broken>,
    /// Bytes in which echoes were looked for.
    searched: usize,
}

/// What there is to be read.
enum News {
    Input(LinkInput),
    /// Nothing until the socket has more.
    Quiet,
    /// There may be more, after others had their turn.
    More,
    End(End),
}

/// Why writing stops.
enum Stop {
    /// The socket takes no more for now.
    Full,
    /// It never will.
    Lost,
    Broken(Broken),
}

impl Connection {
    /// `early` is what came behind the answer to the upgrade.
    pub(super) fn new(link: Arc<Link>, tcp: TcpStream, tls: Option<ClientConnection>, early: Vec<u8>) -> Arc<Self> {
        let tcp = Arc::new(tcp);
        // Pongs may pile up in front of one whole outbox; what is beyond waits in the codec, one at a time.
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BYTES)
            .write_buffer_size(WRITE_BYTES)
            .max_write_buffer_size(2 * OUT_BYTES_MAX)
            .max_message_size(Some(IN_MESSAGE_BYTES))
            .max_frame_size(Some(IN_MESSAGE_BYTES));
        let transport = Transport::new(Arc::clone(&tcp), tls);
        let now = Instant::now();
        let state = State {
            ws: WebSocket::from_partially_read(transport, early, Role::Client, Some(config)),
            heard: now,
            carried: now,
            pinged: None,
            closing: None,
            owes_writable: false,
            lost: false,
            broken: None,
            searched: 0,
        };
        Arc::new_cyclic(|connection| Self {
            waker: link.links.writers.waker(connection.clone()),
            link,
            tcp,
            state: Mutex::new(state),
            stuck: Notify::new(),
            nudge: Notify::new(),
        })
    }

    /// Carries the link until it ends.
    pub(super) async fn carry(&self) -> End {
        self.push(Instant::now());
        tokio::select! {
            end = self.listen() => end,
            never = self.unstick() => match never {},
        }
    }

    /// Writes what waits, as far as the socket takes it. Called by the lane when the outbox was filled, and by nobody who waits.
    pub(super) fn push(&self, now: Instant) {
        let mut state = self.state();
        if !state.may_write() {
            return;
        }
        match self.write_waiting(&mut state, now) {
            Ok(()) => {}
            Err(Stop::Full) => self.stuck.notify_one(),
            Err(Stop::Lost) => state.lost = true,
            Err(Stop::Broken(broken)) => {
                state.broken = Some(broken);
                self.nudge.notify_one();
            }
        }
    }

    /// Says goodbye as far as the socket takes it, where it was not said yet.
    pub(super) fn leave(&self, code: CloseCode) {
        let mut state = self.state();
        // A peer that takes no more will see the connection's end instead.
        let _ = if state.ws.can_write() {
            state.ws.close(Some(CloseFrame { code, reason: Utf8Bytes::from_static("") }))
        } else {
            // The answer to the peer's close is still the codec's.
            state.ws.flush()
        };
        state.ws.get_mut().end();
    }

    fn write_waiting(&self, state: &mut State, now: Instant) -> Result<(), Stop> {
        state.ws.flush()?;
        while state.ws.can_write() {
            let Poll::Ready(Taken { outbound, relieved }) = self.link.outbox.poll_take(&mut Context::from_waker(&self.waker))
            else {
                break;
            };
            if relieved && self.link.try_tell(LinkInput::Writable(self.link.id)).is_err() {
                state.owes_writable = true;
                self.stuck.notify_one();
            }
            state.carried = now;
            let message = match outbound {
                Outbound::Bytes(data) => Message::Binary(self.booked(data)?),
                Outbound::Text(data) => Message::Text(Utf8Bytes::try_from(self.booked(data)?).map_err(|_| {
                    Stop::Broken(Broken::new(LinkErrorKind::Protocol, "text to be sent is not UTF-8").closing(CloseCode::Away))
                })?),
                Outbound::Finish => {
                    state.closing = Some(now);
                    self.nudge.notify_one();
                    Message::Close(Some(CloseFrame { code: CloseCode::Normal, reason: Utf8Bytes::from_static("") }))
                }
            };
            state.ws.write(message)?;
        }
        Ok(state.ws.flush()?)
    }

    fn booked(&self, data: Bytes) -> Result<Bytes, Stop> {
        if self.link.book_out(data.len()) { Ok(data) } else { Err(Stop::Broken(Broken::over_budget())) }
    }

    /// Reads until the link ends. While the session takes nothing, nothing is read.
    async fn listen(&self) -> End {
        let mut wake = Box::pin(sleep_until(Instant::now()));
        loop {
            match self.read() {
                News::Input(input) => {
                    if self.link.tell(input).await.is_err() {
                        return End::Gone;
                    }
                    // A session that lets its peer wait must not blame it for silence.
                    let now = Instant::now();
                    let mut state = self.state();
                    (state.heard, state.carried) = (now, now);
                }
                News::End(end) => return end,
                News::More => yield_now().await,
                News::Quiet => tokio::select! {
                    biased;
                    // An error of the socket shows when it is read.
                    _ = self.tcp.readable() => {}
                    () = wait_for(&self.nudge, wake.as_mut()) => match self.watch(Instant::now()) {
                        Ok(next) => wake.as_mut().reset(next),
                        Err(end) => return end,
                    },
                },
            }
        }
    }

    fn read(&self) -> News {
        let mut state = self.state();
        for _ in 0..TURN_CONTROLS {
            let read = state.ws.read();
            let received = state.ws.get_mut().take_received();
            if received > 0 {
                state.heard = Instant::now();
                if !self.link.book_in(received) {
                    return News::End(End::Broken(Broken::over_budget()));
                }
            }
            match read {
                Ok(Message::Text(text)) => {
                    return News::Input(LinkInput::Text(self.link.id, self.payload(&mut state, text.into())));
                }
                Ok(Message::Binary(data)) => return News::Input(LinkInput::Bytes(self.link.id, self.payload(&mut state, data))),
                Ok(Message::Close(frame)) => return News::End(End::Finished(frame.map(|frame| frame.code.into()))),
                // Answered by the codec when it is read next.
                Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_)) => {}
                Err(Error::Io(error)) if error.kind() == ErrorKind::WouldBlock => return self.quiet(&mut state),
                Err(error) => return News::End(end_by(&error, state.closing.is_some())),
            }
        }
        News::More
    }

    fn quiet(&self, state: &mut State) -> News {
        let transport = state.ws.get_mut();
        if transport.is_full() {
            self.stuck.notify_one();
        }
        if transport.take_turn_over() {
            return News::More;
        }
        // What came before the link broke was heard.
        state.broken.take().map_or(News::Quiet, |broken| News::End(End::Broken(broken)))
    }

    fn payload(&self, state: &mut State, data: Bytes) -> Payload {
        state.carried = state.heard;
        let mut data = Vec::from(data);
        if state.searched < ECHO_BYTES {
            state.searched += data.len();
            let masked = self.link.grant.secrets.mask_body(&mut data);
            add(&self.link.links.counters.echoes_masked, masked as u64);
        }
        Payload(data)
    }

    /// Pings a peer that is silent, and says when to look again.
    fn watch(&self, now: Instant) -> Result<Instant, End> {
        let deadlines = &self.link.links.deadlines;
        let timeout = |detail| Err(End::Broken(Broken::new(LinkErrorKind::Timeout, detail).closing(CloseCode::Away)));
        let mut state = self.state();
        if let Some(closing) = state.closing {
            let until = closing.max(state.heard) + deadlines.pong;
            return if now < until { Ok(until) } else { timeout("the peer did not answer the close") };
        }
        let idle_at = state.carried + deadlines.idle;
        if now >= idle_at {
            return timeout("nothing was sent or received for too long");
        }
        state.pinged = state.pinged.filter(|pinged| *pinged >= state.heard);
        let next = match state.pinged {
            Some(pinged) if now >= pinged + deadlines.pong => return timeout("the peer did not answer a ping"),
            Some(pinged) => (pinged + deadlines.pong).min(now + deadlines.ping),
            None if now >= state.heard + deadlines.ping => {
                state.pinged = Some(now);
                // A socket that is full or lost shows elsewhere.
                if state.ws.can_write() && state.ws.send(Message::Ping(Bytes::new())).is_err() {
                    self.stuck.notify_one();
                }
                now + deadlines.pong.min(deadlines.ping)
            }
            None => state.heard + deadlines.ping,
        };
        Ok(next.min(idle_at))
    }

    /// Does for the writer what has to be waited for: a socket that takes more, a session that is told `writable`.
    async fn unstick(&self) -> Infallible {
        loop {
            self.stuck.notified().await;
            loop {
                let (full, owes) = {
                    let state = self.state();
                    (state.ws.get_ref().is_full() && state.may_write(), state.owes_writable)
                };
                tokio::select! {
                    _ = self.tcp.writable(), if full => self.push(Instant::now()),
                    // Nobody there to be told: the link's task is about to be ended.
                    _ = self.link.tell(LinkInput::Writable(self.link.id)), if owes => self.state().owes_writable = false,
                    else => break,
                }
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn may_write(&self) -> bool {
        !self.lost && self.broken.is_none()
    }
}

async fn wait_for(nudge: &Notify, wake: std::pin::Pin<&mut tokio::time::Sleep>) {
    tokio::select! {
        () = nudge.notified() => {}
        () = wake => {}
    }
}

/// What an error of the codec is to the session. `closing` where it has said its last word.
fn end_by(error: &Error, closing: bool) -> End {
    let broken = |code| End::Broken(Broken::new(LinkErrorKind::Protocol, error.to_string().to_lowercase()).closing(code));
    match error {
        Error::ConnectionClosed | Error::AlreadyClosed => End::Finished(None),
        // Many servers answer a close by just ending the connection.
        Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) if closing => End::Finished(None),
        Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) | Error::Io(_) => End::Broken(Broken::by_socket(error)),
        Error::Utf8(_) => broken(CloseCode::Invalid),
        Error::Capacity(_) => broken(CloseCode::Size),
        _ => broken(CloseCode::Protocol),
    }
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        match error {
            Error::Io(error) if error.kind() == ErrorKind::WouldBlock => Self::Full,
            _ => Self::Lost,
        }
    }
}
