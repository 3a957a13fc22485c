//! The connection: greeted, logged in, kept alive, read.

use super::action::Action;
use super::codec::{Decoder, Meaning, Message, Said};
use super::{Ami, AmiError, AmiEvent, Login};
use crate::adapters::trust::{self, Stream, TlsFault};
use std::collections::HashMap;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};
use tokio_util::either::Either;
use url::Host;

/// Pauses before the first attempts to reconnect; later ones come every [`RETRY`].
const BACKOFF: [Duration; 3] = [Duration::from_secs(1), Duration::from_secs(2), Duration::from_secs(4)];
const RETRY: Duration = Duration::from_secs(5);
/// A connection that says nothing for so long is pinged; one that says nothing for twice as long is dead.
const KEEP_ALIVE: Duration = Duration::from_secs(5);
/// Bytes of one reading.
const READ_MAX: usize = 16 << 10;
/// Answers that are waited for. More: the next action fails as `busy`.
const WAITING_MAX: usize = 1024;
/// Items of one list. Further ones are left out.
const ITEMS_MAX: usize = 20_000;
/// Classes of events that tell of calls: `Hangup` is one of `call`, `DTMFEnd` one of `dtmf`.
const CALLS: &str = "call,dtmf";

/// Why nobody is logged in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// The certificate is not to be trusted, and why.
    Certificate(&'static str),
    /// Nobody answers, or the connection broke.
    Unreachable,
    /// No answer in time.
    Deadline,
    /// No TLS is spoken there, or no version in common.
    Tls,
    /// Whoever answers does not speak as a manager interface.
    Greeting,
    /// User or password.
    Credentials,
}

impl Fault {
    pub(super) const CODES: [&'static str; 6] = ["certificate", "unreachable", "deadline", "tls", "greeting", "credentials"];

    /// Bounded label, one of [`CODES`](Self::CODES).
    pub(super) fn code(self) -> &'static str {
        match self {
            Self::Certificate(_) => "certificate",
            Self::Unreachable => "unreachable",
            Self::Deadline => "deadline",
            Self::Tls => "tls",
            Self::Greeting => "greeting",
            Self::Credentials => "credentials",
        }
    }

    /// More for the log; bounded as well.
    fn detail(self) -> &'static str {
        if let Self::Certificate(why) = self { why } else { "" }
    }

    fn count(self, ami: &Ami) {
        let counted = Self::CODES.iter().zip(&ami.counters.connect_faults).find(|(code, _)| **code == self.code());
        if let Some((_, count)) = counted {
            count.fetch_add(1, Relaxed);
        }
    }
}

impl From<TlsFault> for Fault {
    fn from(fault: TlsFault) -> Self {
        match fault {
            TlsFault::Certificate(why) => Self::Certificate(why),
            TlsFault::Tls => Self::Tls,
            TlsFault::Unreachable => Self::Unreachable,
        }
    }
}

/// An action on its way, and who waits for its answer.
pub(super) struct Order {
    pub(super) action: Action,
    pub(super) answer: oneshot::Sender<Result<(Message, Vec<Message>), AmiError>>,
}

struct Waiting {
    answer: oneshot::Sender<Result<(Message, Vec<Message>), AmiError>>,
    /// The answer's first part, and the list that follows it.
    list: Option<(Message, Vec<Message>)>,
}

/// Connects again and again, for ever.
pub(super) async fn keep(ami: &Ami, orders: &mut mpsc::Receiver<Order>) {
    let address = &ami.config.address;
    let mut failures = 0;
    loop {
        match timeout(ami.config.deadline, Connection::open(ami)).await.unwrap_or(Err(Fault::Deadline)) {
            Ok(mut connection) => {
                tracing::info!(address, "ami connected");
                failures = 0;
                ami.counters.logins.fetch_add(1, Relaxed);
                ami.counters.up.store(true, Relaxed);
                let why = connection.serve(orders).await;
                ami.counters.up.store(false, Relaxed);
                // Whoever waits here is told by the channel that closes.
                while orders.try_recv().is_ok() {}
                tracing::warn!(address, code = why, "ami lost");
            }
            Err(fault) => {
                fault.count(ami);
                if fault == Fault::Credentials {
                    ami.counters.logins_refused.fetch_add(1, Relaxed);
                }
                tracing::warn!(address, code = fault.code(), detail = fault.detail(), failures, "ami not connected");
            }
        }
        let pause = BACKOFF.get(failures).copied().unwrap_or(RETRY);
        failures += 1;
        sleep(pause).await;
    }
}

struct Connection<'a> {
    ami: &'a Ami,
    stream: Stream,
    decoder: Decoder,
    buffer: Vec<u8>,
    waiting: HashMap<String, Waiting>,
    last_id: u64,
    heard: Instant,
    events_flow: bool,
}

impl<'a> Connection<'a> {
    async fn open(ami: &'a Ami) -> Result<Self, Fault> {
        let tcp = TcpStream::connect(&ami.config.address).await.map_err(|_| Fault::Unreachable)?;
        let _ = tcp.set_nodelay(true);
        let stream = match &ami.tls {
            None => Either::Left(tcp),
            Some(tls) => {
                let host = host_of(&ami.config.address).ok_or(Fault::Certificate("wrong_name"))?;
                Either::Right(trust::seal(tcp, host, tls).await?)
            }
        };
        let mut connection = Self {
            ami,
            stream,
            decoder: Decoder::new(),
            buffer: vec![0; READ_MAX],
            waiting: HashMap::new(),
            last_id: 0,
            heard: Instant::now(),
            events_flow: false,
        };
        match connection.said().await? {
            Said::Greeting(line) if line.starts_with("Asterisk Call Manager/") => {}
            _ => return Err(Fault::Greeting),
        }
        connection.login().await?;
        Ok(connection)
    }

    async fn login(&mut self) -> Result<(), Fault> {
        let config = &self.ami.config;
        let user = config.user.clone();
        let action = match config.login {
            Login::Plain => Action::LoginPlain { user, secret: config.password.clone() },
            Login::Challenge => {
                let answer = self.answer_to(Action::Challenge).await?;
                let challenge = answer.get("Challenge").ok_or(Fault::Greeting)?;
                Action::LoginByKey { user, key: key(challenge, config.password.reveal()) }
            }
        };
        let answer = self.answer_to(action).await?;
        if answer.get("Response") == Some("Success") { Ok(()) } else { Err(Fault::Credentials) }
    }

    /// Before events flow and others ask.
    async fn answer_to(&mut self, action: Action) -> Result<Message, Fault> {
        let text = action.encode("login").map_err(|_| Fault::Credentials)?;
        write_whole(&mut self.stream, text.as_bytes()).await.map_err(|_| Fault::Unreachable)?;
        loop {
            match self.said().await? {
                Said::Message(message) if message.get("ActionID") == Some("login") => return Ok(message),
                _ => {}
            }
        }
    }

    async fn said(&mut self) -> Result<Said, Fault> {
        loop {
            match self.decoder.poll() {
                Some(Ok(said)) => return Ok(said),
                Some(Err(_)) => self.malformed(),
                None => {}
            }
            match self.stream.read(&mut self.buffer).await {
                Ok(count @ 1..) => self.decoder.handle(&self.buffer[..count]),
                _ => return Err(Fault::Unreachable),
            }
        }
    }

    /// Until it breaks; why.
    async fn serve(&mut self, orders: &mut mpsc::Receiver<Order>) -> &'static str {
        let mut watch = interval(KEEP_ALIVE);
        watch.set_missed_tick_behavior(MissedTickBehavior::Delay);
        self.heard = Instant::now();
        // Whoever listens already missed what happened before.
        self.tell(AmiEvent::Gap);
        let ami = self.ami;
        loop {
            while let Some(said) = self.decoder.poll() {
                match said {
                    Ok(Said::Message(message)) => self.on_message(message),
                    Ok(Said::Greeting(_)) => {}
                    Err(_) => self.malformed(),
                }
            }
            let written = if self.events_fit() {
                tokio::select! {
                    read = self.stream.read(&mut self.buffer) => match read {
                        Ok(count @ 1..) => {
                            self.heard = Instant::now();
                            self.decoder.handle(&self.buffer[..count]);
                            Ok(())
                        }
                        _ => return "closed",
                    },
                    Some(order) = orders.recv() => {
                        // Who begins to listen and then asks what is left shall miss nothing between.
                        let events = if self.events_fit() { Ok(()) } else { self.switch_events().await };
                        events.and(self.send(order).await)
                    }
                    () = ami.listeners_changed.notified() => Ok(()),
                    _ = watch.tick() => match self.heard.elapsed() {
                        silent if silent > 2 * KEEP_ALIVE => return "silent",
                        silent if silent >= KEEP_ALIVE / 2 => self.write(&Action::Ping, "ping").await,
                        _ => Ok(()),
                    },
                }
            } else {
                self.switch_events().await
            };
            if let Err(code) = written {
                return code;
            }
        }
    }

    fn events_fit(&self) -> bool {
        (self.ami.listeners.load(Relaxed) > 0) == self.events_flow
    }

    async fn switch_events(&mut self) -> Result<(), &'static str> {
        self.events_flow = !self.events_flow;
        let mask = if self.events_flow { CALLS } else { "off" };
        self.write(&Action::Events { mask }, "events").await
    }

    async fn send(&mut self, Order { action, answer }: Order) -> Result<(), &'static str> {
        self.waiting.retain(|_, waiting| !waiting.answer.is_closed());
        if self.waiting.len() == WAITING_MAX {
            let _ = answer.send(Err(AmiError::Busy));
            return Ok(());
        }
        self.last_id += 1;
        let id = format!("vg-{}", self.last_id);
        match action.encode(&id) {
            Err(error) => {
                let _ = answer.send(Err(error.into()));
                Ok(())
            }
            Ok(text) => {
                self.waiting.insert(id, Waiting { answer, list: None });
                self.write_text(&text).await
            }
        }
    }

    async fn write(&mut self, action: &Action, id: &str) -> Result<(), &'static str> {
        let text = action.encode(id).map_err(|_| "unwritable")?;
        self.write_text(&text).await
    }

    async fn write_text(&mut self, text: &str) -> Result<(), &'static str> {
        match timeout(self.ami.config.deadline, write_whole(&mut self.stream, text.as_bytes())).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err("closed"),
            Err(_) => Err("deadline"),
        }
    }

    fn on_message(&mut self, message: Message) {
        let id = message.get("ActionID").unwrap_or_default().to_owned();
        let meaning = message.meaning();
        let event = match meaning {
            Meaning::Answer => return self.on_answer(id, Ok(message)),
            Meaning::Gone => return self.on_answer(id, Err(AmiError::Gone)),
            Meaning::Refusal => return self.on_answer(id, Err(AmiError::Refused)),
            Meaning::Hangup { channel } => Some(AmiEvent::Hangup { channel: channel.to_owned() }),
            Meaning::Digit { channel, digit } => Some(AmiEvent::Digit { channel: channel.to_owned(), digit }),
            Meaning::Unused => None,
        };
        match self.waiting.get_mut(&id).and_then(|waiting| waiting.list.as_mut()) {
            Some(_) if message.get("EventList") == Some("Complete") => self.on_list_end(&id),
            Some((_, items)) if items.len() < ITEMS_MAX => items.push(message),
            Some(_) => {}
            None => match event {
                Some(event) => self.tell(event),
                None => {
                    self.ami.counters.events_unused.fetch_add(1, Relaxed);
                }
            },
        }
    }

    fn on_answer(&mut self, id: String, outcome: Result<Message, AmiError>) {
        if id == "ping" || id == "events" {
            return;
        }
        match (self.waiting.get_mut(&id), outcome) {
            (Some(waiting), Ok(first)) if first.get("EventList") == Some("start") => waiting.list = Some((first, Vec::new())),
            (_, outcome) => {
                let waiting = self.waiting.remove(&id);
                self.answer(waiting, outcome.map(|first| (first, Vec::new())));
            }
        }
    }

    fn on_list_end(&mut self, id: &str) {
        if let Some(Waiting { answer, list: Some(list) }) = self.waiting.remove(id) {
            self.answer(Some(Waiting { answer, list: None }), Ok(list));
        }
    }

    fn answer(&self, waiting: Option<Waiting>, outcome: Result<(Message, Vec<Message>), AmiError>) {
        if waiting.is_none_or(|waiting| waiting.answer.send(outcome).is_err()) {
            self.ami.counters.answers_late.fetch_add(1, Relaxed);
        }
    }

    fn tell(&self, event: AmiEvent) {
        self.ami.counters.events_used.fetch_add(u64::from(event != AmiEvent::Gap), Relaxed);
        // Nobody listens while ARI is there.
        let _ = self.ami.events.send(event);
    }

    fn malformed(&self) {
        self.ami.counters.malformed.fetch_add(1, Relaxed);
    }
}

/// By TLS, what is written may wait for more.
async fn write_whole(stream: &mut Stream, bytes: &[u8]) -> std::io::Result<()> {
    stream.write_all(bytes).await?;
    stream.flush().await
}

/// Who has to prove to be there: the host of `host:port`, where an address of version 6 may stand in brackets.
fn host_of(address: &str) -> Option<Host> {
    let (host, _) = address.rsplit_once(':')?;
    Host::parse(host).ok()
}

/// The answer to a challenge: MD5 of challenge and secret, as lower-case hexadecimal.
fn key(challenge: &str, secret: &str) -> String {
    use md5::{Digest, Md5};
    let digest = Md5::new().chain_update(challenge).chain_update(secret).finalize();
    digest.iter().fold(String::new(), |key, byte| format!("{key}{byte:02x}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_to_a_challenge_is_that_of_rfc_1321() {
        // The RFC's own vectors: MD5("abc"), MD5("message digest").
        assert_eq!(key("a", "bc"), "900150983cd24fb0d6963f7d28e17f72");
        assert_eq!(key("message ", "digest"), "f96b697d7cb7938d525a2f31aaf161d0");
    }
}
