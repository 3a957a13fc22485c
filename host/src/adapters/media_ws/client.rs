//! A phone without Asterisk: the caller's end of a media socket.
//!
//! Keeps real time as a telephone does: 20 ms out every 20 ms on an absolute schedule, silence where there is nothing to say, and what is heard
//! is played on the same schedule. Both are recorded, so the two tracks are aligned in time.

use super::control::{Command, Event, FactLine, Format, MediaStart, PhoneFact, ToPhone, to_text};
use super::opus::OpusWire;
use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_with_config};
use url::Url;
use vg_media::Codec;
use vg_media::codec::{Decoder, Encoder};

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

const FRAME: Duration = Duration::from_millis(20);
/// Frames that are waited for before what is heard is played: hides jitter of that much.
const PLAY_FROM: usize = 2;
/// A sample beyond this is sound.
const AUDIBLE: u16 = 50;
/// Connecting takes no longer, or has failed.
const CONNECT: Duration = Duration::from_secs(5);
/// A gateway that was told good-bye closes within this time, or is left.
const GOOD_BYE: Duration = Duration::from_secs(5);
/// Both tracks are kept in memory: the longest call.
const CALL_MAX: Duration = Duration::from_secs(30 * 60);
/// Facts not yet taken. When full: further ones are dropped.
const FACTS_MAX: usize = 1024;
/// Pieces of speech not yet taken; the phone takes them at once.
const ORDERS_MAX: usize = 64;

/// Whom to call, and how.
#[derive(Clone, Debug)]
pub struct PhoneConfig {
    /// `ws://host:port/media/ws`.
    pub url: Url,
    /// Codec of the call.
    pub format: Format,
    /// Whose call it is; the gateway's default tenant if none.
    pub tenant: Option<String>,
}

/// Why a call could not be placed or went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PhoneError {
    /// Nobody there, or not in time.
    #[error("reach the gateway")]
    Unreachable,
    /// The gateway does not take this caller.
    #[error("be let in: status {0}")]
    Refused(u16),
    /// The connection broke before either side hung up.
    #[error("keep the connection")]
    Broken,
    /// The call went on for longer than is recorded.
    #[error("record a call of more than 30 minutes")]
    TooLong,
}

impl PhoneError {
    /// Bounded label.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unreachable => "unreachable",
            Self::Refused(_) => "refused",
            Self::Broken => "broken",
            Self::TooLong => "too_long",
        }
    }
}

/// Both sides of a call, sample by sample at the same time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recording {
    /// Samples per second of each track.
    pub rate_hz: u32,
    /// What the caller said.
    pub caller: Vec<i16>,
    /// What the caller heard.
    pub agent: Vec<i16>,
}

impl Recording {
    /// Caller left, agent right, interleaved.
    pub fn stereo(&self) -> Vec<i16> {
        self.caller.iter().zip(&self.agent).flat_map(|(&caller, &agent)| [caller, agent]).collect()
    }
}

/// How a call stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PhoneState {
    /// The gateway answered.
    pub answered: bool,
    /// The call is over; see [`Phone::hang_up`].
    pub over: bool,
    /// When sound was last heard.
    pub heard_at: Option<Instant>,
    /// When the last sample of what was given to say was sent; none while some is left.
    pub said_at: Option<Instant>,
}

/// A call. Dropping it hangs up.
pub struct Phone {
    rate_hz: u32,
    orders: mpsc::Sender<Order>,
    state: watch::Receiver<PhoneState>,
    facts: mpsc::Receiver<PhoneFact>,
    line: JoinHandle<(Recording, Result<(), PhoneError>)>,
}

enum Order {
    Say(Vec<i16>),
    Digit(char),
}

impl Phone {
    /// Calls. Facts come with the call.
    pub async fn connect(config: PhoneConfig) -> Result<Self, PhoneError> {
        let codec = config.format.codec();
        let mut url = config.url;
        url.query_pairs_mut().append_pair("facts", "1");
        let mut request = url.as_str().into_client_request().map_err(|_| PhoneError::Unreachable)?;
        request.headers_mut().insert("Sec-WebSocket-Protocol", HeaderValue::from_static("media"));
        let socket = match timeout(CONNECT, connect_async_with_config(request, None, true)).await {
            Ok(Ok((socket, _))) => socket,
            Ok(Err(tokio_tungstenite::tungstenite::Error::Http(answer))) => {
                return Err(PhoneError::Refused(answer.status().as_u16()));
            }
            Ok(Err(_)) | Err(_) => return Err(PhoneError::Unreachable),
        };
        let start = MediaStart {
            connection_id: "phone".into(),
            channel: "Phone".into(),
            channel_id: String::new(),
            format: config.format,
            optimal_frame_size: codec.frame_bytes(),
            ptime: 20,
            channel_variables: config.tenant.map(|tenant| BTreeMap::from([("tenant".into(), tenant)])).unwrap_or_default(),
        };
        let (orders, taken) = mpsc::channel(ORDERS_MAX);
        let (state, watched) =
            watch::channel(PhoneState { answered: false, over: false, heard_at: None, said_at: Some(Instant::now()) });
        let (told, facts) = mpsc::channel(FACTS_MAX);
        let line = Line {
            socket,
            codec,
            encoder: codec.encoder(),
            decoder: codec.decoder(),
            opus: (config.format == Format::Opus).then(OpusWire::new).transpose().map_err(|_| PhoneError::Broken)?,
            to_say: VecDeque::new(),
            to_play: VecDeque::new(),
            playing: false,
            recording: Recording { rate_hz: codec.rate_hz(), ..Recording::default() },
            samples: vec![0; codec.frame_samples()],
            state,
            facts: told,
        };
        #[expect(clippy::disallowed_methods, reason = "the phone owns its line and joins it in hang_up")]
        let line = tokio::spawn(line.run(start, taken));
        Ok(Self { rate_hz: codec.rate_hz(), orders, state: watched, facts, line })
    }

    /// Rate of what is said and recorded, in Hz.
    pub fn rate_hz(&self) -> u32 {
        self.rate_hz
    }

    /// Says samples after those already given. False when the call is over.
    pub async fn say(&mut self, samples: &[i16]) -> bool {
        self.orders.send(Order::Say(samples.to_vec())).await.is_ok()
    }

    /// Presses a key. False when the call is over.
    pub async fn press(&mut self, digit: char) -> bool {
        self.orders.send(Order::Digit(digit)).await.is_ok()
    }

    /// The next fact of the call; none when it is over.
    pub async fn next_fact(&mut self) -> Option<PhoneFact> {
        self.facts.recv().await
    }

    /// How the call stands; changes can be waited for.
    pub fn state(&self) -> watch::Receiver<PhoneState> {
        self.state.clone()
    }

    /// Waits until sound was heard since now and then none for `quiet`. False when that does not come in `limit`, or the call ends.
    pub async fn until_answer_ended(&self, quiet: Duration, limit: Duration) -> bool {
        let since = Instant::now();
        let mut state = self.state.clone();
        // The line publishes the state every 20 ms, so that quiet is noticed as well.
        let ended =
            state.wait_for(|state| state.over || state.heard_at.is_some_and(|heard| heard > since && heard.elapsed() >= quiet));
        matches!(timeout(limit, ended).await, Ok(Ok(state)) if !state.over)
    }

    /// Waits until all that was given is said, or the call is over.
    pub async fn until_said(&self) {
        let mut state = self.state.clone();
        // The line is gone: over.
        let _ = state.wait_for(|state| state.over || state.said_at.is_some()).await;
    }

    /// Hangs up, unless the gateway already did, and gives the recording and whether all went well.
    pub async fn hang_up(self) -> (Recording, Result<(), PhoneError>) {
        let Self { orders, line, .. } = self;
        drop(orders);
        line.await.unwrap_or((Recording::default(), Err(PhoneError::Broken)))
    }
}

struct Line {
    socket: Socket,
    codec: Codec,
    encoder: Encoder,
    decoder: Decoder,
    opus: Option<OpusWire>,
    to_say: VecDeque<i16>,
    to_play: VecDeque<i16>,
    /// False while frames are gathered after silence.
    playing: bool,
    recording: Recording,
    samples: Vec<i16>,
    state: watch::Sender<PhoneState>,
    facts: mpsc::Sender<PhoneFact>,
}

/// How the conversation went on.
enum Next {
    Continue,
    Tell(Event),
    HangUp,
    Over,
}

impl Line {
    async fn run(mut self, start: MediaStart, mut orders: mpsc::Receiver<Order>) -> (Recording, Result<(), PhoneError>) {
        let outcome = self.talk(start, &mut orders).await;
        self.state.send_modify(|state| state.over = true);
        (self.recording, outcome)
    }

    async fn talk(&mut self, start: MediaStart, orders: &mut mpsc::Receiver<Order>) -> Result<(), PhoneError> {
        self.send(Message::text(to_text(&Event::MediaStart(start)))).await?;
        let mut clock = interval_at(Instant::now() + FRAME, FRAME);
        // Late frames are made up for: the tracks keep the time of the wall.
        clock.set_missed_tick_behavior(MissedTickBehavior::Burst);
        let ends = Instant::now() + CALL_MAX;
        loop {
            let next = tokio::select! {
                biased;
                _ = clock.tick() => {
                    self.frame().await?;
                    if Instant::now() > ends { return Err(PhoneError::TooLong) }
                    Next::Continue
                }
                message = self.socket.next() => self.receive(message)?,
                order = orders.recv() => self.obey(order).await?,
            };
            match next {
                Next::Continue => {}
                Next::Tell(event) => self.send(Message::text(to_text(&event))).await?,
                Next::HangUp => return self.good_bye().await,
                Next::Over => return Ok(()),
            }
        }
    }

    async fn obey(&mut self, order: Option<Order>) -> Result<Next, PhoneError> {
        match order {
            Some(Order::Say(samples)) => {
                self.to_say.extend(samples);
                self.state.send_modify(|state| state.said_at = None);
            }
            Some(Order::Digit(digit)) => {
                self.send(Message::text(to_text(&Event::DtmfEnd { digit: digit.into() }))).await?;
            }
            None => return Ok(Next::HangUp),
        }
        Ok(Next::Continue)
    }

    /// 20 ms of the call.
    async fn frame(&mut self) -> Result<(), PhoneError> {
        let said_all = self.to_say.len() <= self.samples.len();
        take(&mut self.to_say, &mut self.samples);
        self.recording.caller.extend_from_slice(&self.samples);
        let mut wire = vec![0; self.codec.frame_bytes()];
        self.encoder.encode(&self.samples, &mut wire);
        let message = match &mut self.opus {
            None => Bytes::from(wire),
            Some(opus) => opus.pack(&wire).map_err(|_| PhoneError::Broken)?,
        };
        let sent = self.send(Message::Binary(message)).await;

        self.playing = self.to_play.len() >= if self.playing { 1 } else { PLAY_FROM * self.samples.len() };
        if self.playing {
            take(&mut self.to_play, &mut self.samples);
        } else {
            self.samples.fill(0);
        }
        self.recording.agent.extend_from_slice(&self.samples);
        let now = Instant::now();
        let audible = self.samples.iter().any(|sample| sample.unsigned_abs() > AUDIBLE);
        self.state.send_modify(|state| {
            if audible {
                state.heard_at = Some(now);
            }
            if said_all && state.said_at.is_none() {
                state.said_at = Some(now);
            }
        });
        sent
    }

    fn receive(&mut self, message: Option<Result<Message, tokio_tungstenite::tungstenite::Error>>) -> Result<Next, PhoneError> {
        match message {
            Some(Ok(Message::Binary(message))) => {
                let wire = match &mut self.opus {
                    None => message,
                    Some(opus) => opus.unpack(&message).map_err(|_| PhoneError::Broken)?,
                };
                let mut samples = vec![0; wire.len() * self.codec.frame_samples() / self.codec.frame_bytes()];
                self.decoder.decode(&wire, &mut samples);
                self.to_play.extend(samples);
            }
            Some(Ok(Message::Text(text))) => match serde_json::from_str(&text) {
                Ok(ToPhone::Command(Command::Answer)) => self.state.send_modify(|state| state.answered = true),
                Ok(ToPhone::Command(Command::FlushMedia)) => self.to_play.clear(),
                // Only ever said behind an order to flush: nothing waits before it.
                Ok(ToPhone::Command(Command::MarkMedia { correlation_id })) => {
                    return Ok(Next::Tell(Event::MarkProcessed { correlation_id }));
                }
                Ok(ToPhone::Command(Command::Hangup)) => return Ok(Next::HangUp),
                Ok(ToPhone::Fact(FactLine::Fact(fact))) => {
                    let _ = self.facts.try_send(fact);
                }
                Ok(ToPhone::Command(Command::Unused)) | Err(_) => {}
            },
            Some(Ok(Message::Close(_))) => return Ok(Next::Over),
            Some(Ok(_)) => {}
            Some(Err(_)) | None => return Err(PhoneError::Broken),
        }
        Ok(Next::Continue)
    }

    /// The last facts come before the gateway closes.
    async fn good_bye(&mut self) -> Result<(), PhoneError> {
        // The gateway may have closed by now: no error then.
        let _ = self.send(Message::text(to_text(&Event::Hangup))).await;
        let closed = async {
            loop {
                let message = self.socket.next().await;
                if !matches!(self.receive(message), Ok(Next::Continue | Next::Tell(_) | Next::HangUp)) {
                    return;
                }
            }
        };
        let _ = timeout(GOOD_BYE, closed).await;
        let _ = self.socket.close(None).await;
        Ok(())
    }

    async fn send(&mut self, message: Message) -> Result<(), PhoneError> {
        match timeout(CONNECT, self.socket.send(message)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(PhoneError::Broken),
        }
    }
}

/// Fills `samples` from the front of `queue`, and with silence where there are too few.
fn take(queue: &mut VecDeque<i16>, samples: &mut [i16]) {
    let mut queued = queue.drain(..samples.len().min(queue.len()));
    samples.fill_with(|| queued.next().unwrap_or(0));
}
