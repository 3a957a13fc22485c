//! Asterisk's manager interface (AMI): what carries events and commands while ARI is away.
//!
//! The connection is made at the start and kept, without events: that AMI would work is known before it is needed. Events flow while somebody
//! listens ([`Ami::events`]). Without TLS it belongs on this machine or on a network that can be trusted.

mod action;
mod codec;
mod connection;

pub use action::{Action, Place, Unwritable};
pub use codec::{Decoder, FIELDS_MAX, Fault, LINE_MAX, MESSAGE_MAX, Meaning, Message, Said, fuzz};

use crate::adapters::trust::{self, TrustError};
use connection::{Fault as ConnectFault, Order};
use rustls::ClientConfig;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;
use tokio::sync::{Notify, broadcast, mpsc, oneshot};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use vg_domain::pii::Pii;

/// Actions that are not sent yet. Full: the next one fails as `busy`.
const ORDERS_MAX: usize = 256;
/// Events that a listener has not taken. Full: it is told of a gap, and asks what is left.
const EVENTS_MAX: usize = 1024;

/// One Asterisk's manager interface.
#[derive(Clone, Debug)]
pub struct AmiConfig {
    /// `host:port`.
    pub address: String,
    /// A user of manager.conf.
    pub user: String,
    /// Its secret.
    pub password: Pii<String>,
    /// How the secret is shown.
    pub login: Login,
    /// Whether anybody between may read it.
    pub transport: Transport,
    /// Deadline of each action, and of connecting.
    pub deadline: Duration,
}

/// Whether a connection is encrypted (`tlsenable` of manager.conf, which has a port of its own).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Transport {
    /// As it is.
    #[default]
    Plain,
    /// By TLS; trusted are these authorities (PEM), or the system's.
    Tls {
        /// None: the system's.
        ca: Option<Vec<u8>>,
    },
}

/// How the secret is shown. There is no way from the first to the second by itself: whoever stands between would only have to refuse the first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Login {
    /// By the answer to a challenge (MD5). The secret does not cross the wire.
    #[default]
    Challenge,
    /// As it is.
    Plain,
}

/// Why an action was not carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AmiError {
    /// Nobody is connected and logged in, or the connection broke.
    #[error("ami is unreachable")]
    Unreachable,
    /// No answer in time.
    #[error("ami did not answer in time")]
    Deadline,
    /// Too many actions wait.
    #[error("too many ami actions wait")]
    Busy,
    /// There is no such channel.
    #[error("channel is gone")]
    Gone,
    /// Asterisk said no.
    #[error("asterisk refused the action")]
    Refused,
    /// It cannot be written.
    #[error(transparent)]
    Unwritable(#[from] Unwritable),
}

impl AmiError {
    /// Bounded label.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unreachable => "unreachable",
            Self::Deadline => "deadline",
            Self::Busy => "busy",
            Self::Gone => "gone",
            Self::Refused => "refused",
            Self::Unwritable(_) => "unwritable",
        }
    }
}

/// What happened, as far as it is used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AmiEvent {
    /// A channel is gone.
    Hangup {
        /// Its id, as ARI calls it.
        channel: String,
    },
    /// A key was pressed at the far side of a channel.
    Digit {
        /// Its id.
        channel: String,
        /// The key.
        digit: char,
    },
    /// Events were lost: what is left has to be asked for.
    Gap,
}

/// Events as they happen. Dropping it ends their flow.
pub struct AmiEvents {
    ami: Arc<Ami>,
    received: broadcast::Receiver<AmiEvent>,
}

/// Counts since the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AmiStats {
    /// Logged in.
    pub up: bool,
    /// Times it was logged in.
    pub logins: u64,
    /// Logins that were refused.
    pub logins_refused: u64,
    /// Times that nobody could be logged in, by bounded code.
    pub connect_faults: [(&'static str, u64); ConnectFault::CODES.len()],
    /// Messages that made no sense.
    pub malformed: u64,
    /// Events that were passed on.
    pub events_used: u64,
    /// Events of other types.
    pub events_unused: u64,
    /// Answers that nobody waited for any more.
    pub answers_late: u64,
}

/// The connection to one manager interface. Shared by reference; [`run`](Ami::run) does the work.
pub struct Ami {
    config: AmiConfig,
    /// None: plain.
    tls: Option<Arc<ClientConfig>>,
    orders: mpsc::Sender<Order>,
    taken: tokio::sync::Mutex<mpsc::Receiver<Order>>,
    events: broadcast::Sender<AmiEvent>,
    listeners: AtomicUsize,
    listeners_changed: Notify,
    counters: Counters,
}

#[derive(Default)]
struct Counters {
    up: AtomicBool,
    logins: AtomicU64,
    logins_refused: AtomicU64,
    connect_faults: [AtomicU64; ConnectFault::CODES.len()],
    malformed: AtomicU64,
    events_used: AtomicU64,
    events_unused: AtomicU64,
    answers_late: AtomicU64,
}

impl Ami {
    /// Nothing is connected before [`run`](Self::run).
    ///
    /// # Errors
    /// Where TLS is wished for and nobody is there to be trusted.
    pub fn new(config: AmiConfig) -> Result<Self, TrustError> {
        let (orders, taken) = mpsc::channel(ORDERS_MAX);
        let tls = match &config.transport {
            Transport::Plain => None,
            Transport::Tls { ca } => Some(trust::trusting(ca.as_deref())?),
        };
        Ok(Self {
            config,
            tls,
            orders,
            taken: tokio::sync::Mutex::new(taken),
            events: broadcast::channel(EVENTS_MAX).0,
            listeners: AtomicUsize::new(0),
            listeners_changed: Notify::new(),
            counters: Counters::default(),
        })
    }

    /// Keeps the connection until `stop`.
    pub async fn run(&self, stop: CancellationToken) {
        let mut taken = self.taken.lock().await;
        stop.run_until_cancelled(connection::keep(self, &mut taken)).await;
        self.counters.up.store(false, Relaxed);
    }

    /// Logged in.
    pub fn is_up(&self) -> bool {
        self.counters.up.load(Relaxed)
    }

    /// Carries out an action and gives its answer.
    ///
    /// # Errors
    /// Each within the deadline.
    pub async fn ask(&self, action: Action) -> Result<Message, AmiError> {
        self.order(action).await.map(|(answer, _)| answer)
    }

    /// Carries out an action that answers with a list.
    ///
    /// # Errors
    /// Each within the deadline.
    pub async fn list(&self, action: Action) -> Result<Vec<Message>, AmiError> {
        self.order(action).await.map(|(_, items)| items)
    }

    /// Events from now on.
    pub fn events(self: &Arc<Self>) -> AmiEvents {
        let received = self.events.subscribe();
        self.listeners.fetch_add(1, Relaxed);
        self.listeners_changed.notify_one();
        AmiEvents { ami: Arc::clone(self), received }
    }

    /// Counts since the start.
    pub fn stats(&self) -> AmiStats {
        let counters = &self.counters;
        AmiStats {
            up: self.is_up(),
            logins: counters.logins.load(Relaxed),
            logins_refused: counters.logins_refused.load(Relaxed),
            connect_faults: std::array::from_fn(|at| (ConnectFault::CODES[at], counters.connect_faults[at].load(Relaxed))),
            malformed: counters.malformed.load(Relaxed),
            events_used: counters.events_used.load(Relaxed),
            events_unused: counters.events_unused.load(Relaxed),
            answers_late: counters.answers_late.load(Relaxed),
        }
    }

    async fn order(&self, action: Action) -> Result<(Message, Vec<Message>), AmiError> {
        if !self.is_up() {
            return Err(AmiError::Unreachable);
        }
        let (answer, answered) = oneshot::channel();
        self.orders.try_send(Order { action, answer }).map_err(|_| AmiError::Busy)?;
        match timeout(self.config.deadline, answered).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) => Err(AmiError::Unreachable),
            Err(_) => Err(AmiError::Deadline),
        }
    }
}

impl AmiEvents {
    /// The next event. Cancel-safe.
    pub async fn next(&mut self) -> AmiEvent {
        match self.received.recv().await {
            Ok(event) => event,
            Err(broadcast::error::RecvError::Lagged(_)) => AmiEvent::Gap,
            // The sender lives as long as `self.ami`.
            Err(broadcast::error::RecvError::Closed) => std::future::pending().await,
        }
    }
}

impl Drop for AmiEvents {
    fn drop(&mut self) {
        self.ami.listeners.fetch_sub(1, Relaxed);
        self.ami.listeners_changed.notify_one();
    }
}

#[cfg(test)]
mod fake;
#[cfg(test)]
mod tests;
