//! Asterisk as the place where calls come from: events by WebSocket, acts by REST.
//!
//! Calls outlive the event socket: sound does not need ARI. What happened in a gap is asked for afterwards, since Asterisk never repeats events.

mod calls;
mod dial;
mod originate;
mod reason;
mod rebuild;
mod person;
mod rest;
mod telephony;
mod translate;
mod wire;

pub use originate::Diallers;
pub use rest::RestCounts;

use crate::adapters::rtp::Shards;
use crate::application::ports::{IncomingCall, TelephonyError};
use calls::Calls;
use rest::Rest;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use vg_domain::pii::Pii;
use vg_media::{Codec, Silence};

/// Every request is answered in this time, or counts as unanswered: an Asterisk was once seen to hang on a GET.
pub const REQUEST_DEADLINE: Duration = Duration::from_secs(3);

/// One Asterisk.
#[derive(Clone, Debug)]
pub struct AriConfig {
    /// Base of its HTTP server, for example `http://127.0.0.1:8088`.
    pub url: url::Url,
    /// Name of the Stasis application. One per gateway: a second socket under the same name silences the first.
    pub app: String,
    /// ARI user.
    pub user: String,
    /// ARI password.
    pub password: Pii<String>,
    /// Codec of the media legs; one that Asterisk takes back: [`Codec::Pcmu`] or [`Codec::Pcma`].
    pub codec: Codec,
    /// What they are sent between utterances.
    pub silence: Silence,
    /// A leg whose packets stand still for so long says so; none: never.
    pub inactivity: Option<Duration>,
    /// Deadline of each request.
    pub deadline: Duration,
}

/// The URL names no host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("use asterisk url: it must be http with a host")]
pub struct AriUrlError;

/// One Asterisk's event socket and REST client. Shared by reference; [`run`](Ari::run) does the work.
pub struct Ari {
    core: Arc<Core>,
    abandoned: tokio::sync::Mutex<mpsc::Receiver<calls::Built>>,
}

impl Ari {
    /// Nothing is connected before [`run`](Self::run). Calls are handed over by `incoming`; when it is full they are turned away as congestion.
    pub fn new(config: AriConfig, shard: Arc<Shards>, incoming: mpsc::Sender<IncomingCall>) -> Result<Self, AriUrlError> {
        let rest = Rest::new(&config)?;
        let (abandon, abandoned) = mpsc::channel(calls::ABANDONED_MAX);
        let core = Core { calls: Calls::new(&config.app), config, rest, shard, incoming, abandon, counters: Counters::default() };
        Ok(Self { core: Arc::new(core), abandoned: tokio::sync::Mutex::new(abandoned) })
    }

    /// Keeps the event socket connected and serves its calls until `stop`. Calls that live then are not touched.
    pub async fn run(&self, stop: CancellationToken) {
        let mut abandoned = self.abandoned.lock().await;
        dial::Dial::new(&self.core).run(&mut abandoned, stop).await;
    }

    /// Whether the event socket is connected.
    pub fn is_up(&self) -> bool {
        self.core.counters.up.load(Relaxed)
    }

    /// Name of the Stasis application.
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
        AriStats {
            up: self.is_up(),
            requests: self.core.rest.counts(),
            events_unused: counters.events_unused.load(Relaxed),
            events_malformed: counters.events_malformed.load(Relaxed),
            connects: counters.connects.load(Relaxed),
            calls_turned_away: counters.calls_turned_away.load(Relaxed),
            orphans_removed: counters.orphans_removed.load(Relaxed),
            calls_live: self.core.calls.live() as u64,
        }
    }
}

/// What an [`Ari`] has seen since it started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AriStats {
    /// The event socket is connected.
    pub up: bool,
    /// Requests by outcome.
    pub requests: RestCounts,
    /// Events of types that are not used.
    pub events_unused: u64,
    /// Texts that are no event.
    pub events_malformed: u64,
    /// Times the event socket was connected.
    pub connects: u64,
    /// Calls that found the gateway's queue full.
    pub calls_turned_away: u64,
    /// Bridges and media channels deleted whose call was gone.
    pub orphans_removed: u64,
    /// Calls not yet released: zero when no call is live, or something leaked.
    pub calls_live: u64,
}

/// What the socket and the calls share.
struct Core {
    config: AriConfig,
    rest: Rest,
    calls: Calls,
    shard: Arc<Shards>,
    incoming: mpsc::Sender<IncomingCall>,
    /// What a call left when its task died without a release.
    abandon: mpsc::Sender<calls::Built>,
    counters: Counters,
}

#[derive(Default)]
struct Counters {
    up: AtomicBool,
    events_unused: AtomicU64,
    events_malformed: AtomicU64,
    connects: AtomicU64,
    calls_turned_away: AtomicU64,
    orphans_removed: AtomicU64,
}

#[cfg(test)]
mod fake;
#[cfg(test)]
mod tests;
