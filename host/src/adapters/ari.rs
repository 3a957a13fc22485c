//! Asterisk as the place where calls come from: events by WebSocket, acts by REST.
//!
//! Calls outlive the event socket: sound does not need ARI. What happened in a gap is asked for afterwards, since Asterisk never repeats events.

mod accept;
mod adopt;
mod by_ami;
mod calls;
mod dial;
mod http;
mod link;
mod listen;
mod listing;
mod originate;
mod person;
mod probe;
mod reason;
mod rebuild;
mod resync;
mod rest;
mod socket;
mod telephony;
mod translate;
mod wire;

pub use accept::{PATH, router};
pub use adopt::Adopters;
pub use originate::Diallers;
pub use probe::{Probe, ProbeError};
pub use rest::RestCounts;
pub use wire::fuzz;

use crate::adapters::ami::Ami;
use crate::adapters::rtp::Shards;
use crate::adapters::trust::TrustError;
use crate::application::ports::{IncomingCall, TelephonyError};
use accept::Arrival;
use calls::{Built, Calls};
use http::{DialFault, Dialled, HttpWire};
use hyper::header::HeaderValue;
use ipnet::IpNet;
use link::Link;
use listing::Listing;
use rest::{Rest, RestCounters, Wire, basic_authorization};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use vg_domain::pii::Pii;
use vg_media::{Codec, Silence};

/// Every request is answered in this time, or counts as unanswered: an Asterisk was once seen to hang on a GET.
pub const REQUEST_DEADLINE: Duration = Duration::from_secs(3);

/// One Asterisk.
#[derive(Clone, Debug)]
pub struct AriConfig {
    /// Who connects.
    pub mode: Mode,
    /// Name of the Stasis application. One per gateway: a second socket under the same name silences the first.
    pub app: String,
    /// ARI user; where Asterisk connects, the one that it has to show.
    pub user: String,
    /// Its password.
    pub password: Pii<String>,
    /// Codec of the media legs; one that Asterisk takes back: [`Codec::Pcmu`] or [`Codec::Pcma`].
    pub codec: Codec,
    /// What they are sent between utterances.
    pub silence: Silence,
    /// A leg whose packets stand still for so long says so; none: never.
    pub inactivity: Option<Duration>,
    /// Deadline of each request.
    pub deadline: Duration,
    /// Networks that the sound of calls may go to unencrypted which ask for trusted ones, beside this machine.
    pub trusted: Arc<[IpNet]>,
    /// Name of this gateway among those that may take each other's callers; none where there are no such.
    pub shared: Option<String>,
}

/// Who connects.
#[derive(Clone, Debug)]
pub enum Mode {
    /// This gateway: events by WebSocket, requests by HTTP.
    Dial {
        /// Base of its HTTP server, for example `http://127.0.0.1:8088`.
        url: url::Url,
        /// PEM of the authorities that its certificate must come from; none: the system's.
        ca: Option<Vec<u8>>,
    },
    /// Asterisk, to [`PATH`]: events and requests by the same WebSocket.
    Accept,
}

/// Why an Asterisk cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum AriError {
    /// The URL names no host.
    #[error("use asterisk url: it must be http or https, with a host")]
    Url,
    /// They cannot stand in a header.
    #[error("use user and password of asterisk")]
    Credentials,
    /// Whom to trust is not known.
    #[error(transparent)]
    Trust(#[from] TrustError),
}

/// Who tells what happens, at this moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Source {
    /// Nobody.
    #[default]
    None,
    /// An event socket.
    Ari,
    /// The manager interface, since ARI is away.
    Ami,
}

impl Source {
    /// Bounded label.
    pub fn code(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Ari => "ari",
            Self::Ami => "ami",
        }
    }
}

/// One Asterisk: its event sockets and requests. Shared by reference; [`run`](Ari::run) does the work.
pub struct Ari {
    core: Arc<Core>,
    dialled: Option<Dialled>,
    authorization: HeaderValue,
    abandoned: tokio::sync::Mutex<mpsc::Receiver<Built>>,
    arrive: mpsc::Sender<Arrival>,
    arrived: tokio::sync::Mutex<mpsc::Receiver<Arrival>>,
    /// Of calls that have a socket of their own.
    of_calls: Mutex<Vec<Weak<Core>>>,
}

impl Ari {
    /// Nothing is connected before [`run`](Self::run). Calls are handed over by `incoming`; when it is full they are turned away as congestion.
    ///
    /// # Errors
    /// Where the URL, the credentials or the authorities cannot be used.
    pub fn new(
        config: AriConfig,
        ami: Option<Arc<Ami>>,
        shard: Arc<Shards>,
        incoming: mpsc::Sender<IncomingCall>,
    ) -> Result<Self, AriError> {
        let authorization = basic_authorization(&config.user, config.password.reveal()).ok_or(AriError::Credentials)?;
        let dialled = match &config.mode {
            Mode::Accept => None,
            Mode::Dial { url, .. } if !matches!(url.scheme(), "http" | "https") || url.host().is_none() => {
                return Err(AriError::Url);
            }
            Mode::Dial { url, ca } => Some(Dialled::new(url.clone(), ca.as_deref(), authorization.clone(), config.deadline)?),
        };
        let wire = match &dialled {
            Some(dialled) => Wire::Http(Box::new(HttpWire::new(dialled.clone()))),
            None => Wire::Socket(Link::default()),
        };
        let (core, abandoned) = Core::new(config, wire, ami, shard, incoming, Arc::default());
        let (arrive, arrived) = mpsc::channel(accept::ARRIVALS_MAX);
        Ok(Self {
            core: Arc::new(core),
            dialled,
            authorization,
            abandoned: tokio::sync::Mutex::new(abandoned),
            arrive,
            arrived: tokio::sync::Mutex::new(arrived),
            of_calls: Mutex::default(),
        })
    }

    /// Keeps the event socket connected, or waits for those of Asterisk, and serves its calls until `stop`. Calls that live then are not touched.
    pub async fn run(&self, stop: CancellationToken) {
        let mut abandoned = self.abandoned.lock().await;
        let serve = async {
            match &self.dialled {
                Some(dialled) => dial::serve(&self.core, dialled, &mut abandoned).await,
                None => accept::serve(self, &mut abandoned, &stop).await,
            }
        };
        stop.run_until_cancelled(serve).await;
    }

    /// Whether calls can come, or those that are up are heard of: an event socket is connected, or AMI does its work. An Asterisk that connects for each
    /// call is waited for.
    pub fn is_up(&self) -> bool {
        let counters = &self.core.counters;
        let waits = self.dialled.is_none() && counters.stays.load(Relaxed) == 0;
        waits || self.source() != Source::None
    }

    /// Who tells what happens.
    pub fn source(&self) -> Source {
        let counters = &self.core.counters;
        if self.core.up.load(Relaxed) || counters.sockets.load(Relaxed) > 0 {
            Source::Ari
        } else if counters.on_ami.load(Relaxed) > 0 && self.core.ami.as_ref().is_some_and(|ami| ami.is_up()) {
            Source::Ami
        } else {
            Source::None
        }
    }

    /// Name of the Stasis application; where Asterisk connects for each call, the beginning of it.
    pub fn app(&self) -> &str {
        &self.core.config.app
    }

    /// Version of Asterisk, as it says itself. For `doctor` and the log.
    pub async fn version(&self) -> Result<String, TelephonyError> {
        self.core.rest.info().await.map(|info| info.system.version)
    }

    /// Counts since the start.
    pub fn stats(&self) -> AriStats {
        let counters = &self.core.counters;
        let of_calls = self.of_calls();
        let cores = || std::iter::once(&self.core).chain(&of_calls);
        AriStats {
            up: self.is_up(),
            source: self.source(),
            sockets: counters.sockets.load(Relaxed),
            rtt: Some(counters.rtt_us.load(Relaxed)).filter(|us| *us > 0).map(Duration::from_micros),
            requests: counters.requests.counts(),
            events_unused: counters.events_unused.load(Relaxed),
            events_malformed: counters.events_malformed.load(Relaxed),
            connects: counters.connects.load(Relaxed),
            connect_faults: counters.faults(),
            answers_late: cores().filter_map(|core| core.rest.link()).map(Link::late).sum::<u64>()
                + counters.answers_late.load(Relaxed),
            calls_turned_away: counters.calls_turned_away.load(Relaxed),
            calls_adopted: counters.calls_adopted.load(Relaxed),
            orphans_removed: counters.orphans_removed.load(Relaxed),
            referrals_declined: counters.referrals_declined.load(Relaxed),
            calls_live: cores().map(|core| core.calls.live() as u64).sum(),
        }
    }

    /// A call's own application, with what it shares with all others of this Asterisk.
    fn core_of_call(&self, app: &str) -> (Arc<Core>, mpsc::Receiver<Built>) {
        let Core { config, ami, shard, incoming, counters, .. } = &*self.core;
        let config = AriConfig { app: app.to_owned(), ..config.clone() };
        let wire = Wire::Socket(Link::default());
        let counters = Arc::clone(counters);
        let (core, abandoned) = Core::new(config, wire, ami.clone(), Arc::clone(shard), incoming.clone(), counters);
        let core = Arc::new(core);
        let mut of_calls = self.of_calls.lock().unwrap_or_else(PoisonError::into_inner);
        of_calls.retain(|core| core.strong_count() > 0);
        of_calls.push(Arc::downgrade(&core));
        (core, abandoned)
    }

    fn of_calls(&self) -> Vec<Arc<Core>> {
        let of_calls = self.of_calls.lock().unwrap_or_else(PoisonError::into_inner);
        of_calls.iter().filter_map(Weak::upgrade).collect()
    }
}

/// What an [`Ari`] has seen since it started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AriStats {
    /// See [`Ari::is_up`].
    pub up: bool,
    /// Who tells what happens.
    pub source: Source,
    /// Event sockets that are connected.
    pub sockets: u64,
    /// How long Asterisk took to answer the last ping.
    pub rtt: Option<Duration>,
    /// Requests by outcome.
    pub requests: RestCounts,
    /// Events of types that are not used.
    pub events_unused: u64,
    /// Texts that are no event.
    pub events_malformed: u64,
    /// Times the event socket was connected.
    pub connects: u64,
    /// Times it could not be connected, by bounded code.
    pub connect_faults: [(&'static str, u64); DialFault::CODES.len()],
    /// Answers over event sockets that came after their deadline.
    pub answers_late: u64,
    /// Calls that found the gateway's queue full.
    pub calls_turned_away: u64,
    /// Calls whose coming was missed, and that were taken in later.
    pub calls_adopted: u64,
    /// Bridges and channels deleted whose call was gone.
    pub orphans_removed: u64,
    /// Wishes of telephones to go elsewhere by themselves, which were declined.
    pub referrals_declined: u64,
    /// Calls not yet released: zero when no call is live, or something leaked.
    pub calls_live: u64,
}

/// What a socket and its calls share.
struct Core {
    config: AriConfig,
    scope: Scope,
    rest: Rest,
    ami: Option<Arc<Ami>>,
    calls: Calls,
    shard: Arc<Shards>,
    incoming: mpsc::Sender<IncomingCall>,
    /// Other gateways may take callers.
    shared: bool,
    listed_bridges: Listing<wire::Bridge>,
    listed_channels: Listing<wire::Channel>,
    /// What a call left when its task died without a release.
    abandon: mpsc::Sender<Built>,
    /// This application's socket is connected.
    up: AtomicBool,
    /// Of one that Asterisk opened for a call.
    socket: watch::Sender<CallsSocket>,
    counters: Arc<Counters>,
}

/// What is to become of a socket that Asterisk opened for one call. One that is closed is opened anew, to whoever its URL leads to by then; refused a
/// few times, the caller would be out of Asterisk's application.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum CallsSocket {
    /// It stays.
    #[default]
    Kept,
    /// The call is offered to other gateways: it is closed each time that it was here for a while, so that it leads to one of them.
    Offered,
    /// The call is another gateway's, which speaks to its caller: it is closed.
    NotOurs,
}

/// Which channels are in an application, as the dialplan names it.
struct Scope {
    section: String,
    /// Of a call that has an application of its own.
    channel: Option<String>,
}

/// Of one Asterisk, whatever sockets it has.
#[derive(Default)]
struct Counters {
    requests: Arc<RestCounters>,
    /// Sockets that are connected.
    sockets: AtomicU64,
    /// Times that a socket came which is for all calls.
    stays: AtomicU64,
    /// Applications whose events come by AMI.
    on_ami: AtomicU64,
    rtt_us: AtomicU64,
    events_unused: AtomicU64,
    events_malformed: AtomicU64,
    connects: AtomicU64,
    connect_faults: [AtomicU64; DialFault::CODES.len()],
    /// Of calls that are over.
    answers_late: AtomicU64,
    calls_turned_away: AtomicU64,
    calls_adopted: AtomicU64,
    orphans_removed: AtomicU64,
    referrals_declined: AtomicU64,
}

impl Core {
    fn new(
        config: AriConfig,
        wire: Wire,
        ami: Option<Arc<Ami>>,
        shard: Arc<Shards>,
        incoming: mpsc::Sender<IncomingCall>,
        counters: Arc<Counters>,
    ) -> (Self, mpsc::Receiver<Built>) {
        let (abandon, abandoned) = mpsc::channel(calls::ABANDONED_MAX);
        let rest = Rest::new(wire, ami.clone(), config.deadline, Arc::clone(&counters.requests));
        let (scope, calls) = (Scope::of(&config), Calls::new(&config.app));
        let (up, shared) = (AtomicBool::new(false), config.shared.is_some());
        let (listed_bridges, listed_channels) = (Listing::default(), Listing::default());
        let core = Self {
            config,
            scope,
            rest,
            ami,
            calls,
            shard,
            incoming,
            shared,
            listed_bridges,
            listed_channels,
            abandon,
            up,
            socket: watch::Sender::default(),
            counters,
        };
        (core, abandoned)
    }

    /// How long Asterisk takes to answer.
    async fn measure(&self) {
        let asked = Instant::now();
        if self.rest.get::<serde::de::IgnoredAny>("ping", &["asterisk", "ping"], &[]).await.is_ok() {
            let us = u64::try_from(asked.elapsed().as_micros()).unwrap_or(u64::MAX);
            self.counters.rtt_us.store(us.max(1), Relaxed);
        }
    }
}

impl Drop for Core {
    fn drop(&mut self) {
        self.counters.answers_late.fetch_add(self.rest.link().map_or(0, Link::late), Relaxed);
    }
}

impl Scope {
    fn of(config: &AriConfig) -> Self {
        let of_call = matches!(config.mode, Mode::Accept).then(|| config.app.split_once(':')).flatten();
        match of_call {
            Some((section, channel)) => Self { section: section.into(), channel: Some(channel.into()) },
            None => Self { section: config.app.clone(), channel: None },
        }
    }

    fn holds(&self, app: &str, channel_name: &str) -> bool {
        app == self.section && self.channel.as_deref().is_none_or(|channel| channel == channel_name)
    }
}

impl Counters {
    fn count_fault(&self, fault: DialFault) {
        let counted = DialFault::CODES.iter().zip(&self.connect_faults).find(|(code, _)| **code == fault.code());
        if let Some((_, count)) = counted {
            count.fetch_add(1, Relaxed);
        }
    }

    fn faults(&self) -> [(&'static str, u64); DialFault::CODES.len()] {
        std::array::from_fn(|index| (DialFault::CODES[index], self.connect_faults[index].load(Relaxed)))
    }
}

#[cfg(test)]
mod fake;
#[cfg(test)]
mod tests;
