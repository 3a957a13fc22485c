//! Calls in Redis: how they stand, who holds them, which gateways live.
//!
//! Nobody waits for Redis. `held` has what every call of this gateway told last; one task (`writer`) writes it, another (`leases`) keeps this
//! gateway's lease and looks for those that have lapsed (`witness` judges). Where Redis is away both try again for ever, and everything is written
//! anew when it is back.

mod check;
mod held;
mod keys;
mod leases;
mod link;
mod record;
mod scripts;
mod sounds;
mod standing;
mod subject;
mod takeover;
mod witness;
mod writer;

pub use check::{Report, check};
pub use standing::{StateHealth, StateReadings};
pub use subject::{Kept, Subjects};

use crate::adapters::tally::Tally;
use crate::application::ports::{Adoptable, CallSnapshot, CallStates, Epoch, Facts, Holder, Lease, Notices, Sound};
use crate::config::State;
use held::Held;
use leases::Leases;
use link::{Linker, Wire};
use sounds::Sounds;
use standing::Standing;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use vg_domain::ids::CallId;
use writer::Writer;

/// How long what is known of a call stays in Redis without a word of it.
pub(crate) const LIVE: Duration = Duration::from_secs(24 * 3_600);

/// What a gateway says of itself to those that may go on with its calls.
#[derive(Clone, Debug)]
pub struct About {
    /// Its name.
    pub instance: String,
    /// Its ARI application of each Asterisk.
    pub apps: Vec<String>,
    /// Its version.
    pub version: String,
}

/// The calls of this gateway in Redis.
pub struct RedisStates {
    holder: Holder,
    about: About,
    ended: Duration,
    linker: Linker,
    held: Held,
    standing: Standing,
    /// What calls tell; what is written of a call waits for it.
    facts: Arc<dyn Facts>,
    /// None where no sound is kept.
    sounds: Option<Sounds>,
    claims: Tally,
    lease: watch::Sender<Lease>,
    adoptable: watch::Sender<Arc<Adoptable>>,
    /// Another gateway was seen alive at the last look.
    others_live: AtomicBool,
    /// What the lease's task speaks by; none while Redis is away.
    wire: Mutex<Option<Wire>>,
}

impl RedisStates {
    /// Nothing is connected before [`run`](Self::run). `notices`: who hears when Redis goes and when it is back. `facts`: nobody who goes on with a call is to
    /// know of it what was not told.
    ///
    /// # Errors
    /// Where the file of authorities cannot be read.
    pub fn new(state: &State, about: About, notices: Arc<dyn Notices>, facts: Arc<dyn Facts>) -> anyhow::Result<Arc<Self>> {
        let boot = uuid::Uuid::now_v7().simple().to_string();
        let holder = Holder { instance: about.instance.as_str().into(), boot: boot.into() };
        Ok(Arc::new(Self {
            holder,
            about,
            ended: state.ended,
            linker: Linker::new(state)?,
            held: Held::new(),
            standing: Standing::new(notices),
            facts,
            sounds: state.sound_key.as_ref().and_then(|key| Sounds::new(key.reveal())),
            claims: Tally::default(),
            lease: watch::Sender::new(Lease::Unknown),
            adoptable: watch::Sender::new(Arc::default()),
            others_live: AtomicBool::new(false),
            wire: Mutex::new(None),
        }))
    }

    /// Writes and looks until `close`; then writes what is still to be written, as far as that takes no time to speak of, and gives the lease back.
    pub async fn run(self: Arc<Self>, close: CancellationToken) {
        let leases = Leases::new(&self).run(close.clone());
        let writer = Writer::new(&self).run(close);
        tokio::join!(writer, leases);
        leases::give_back(&self).await;
    }

    /// Whether Redis is there.
    pub fn health(&self) -> StateHealth {
        self.standing.health(self.held.unwritten())
    }

    /// Counts since start.
    pub fn readings(&self) -> StateReadings {
        self.standing.readings(&self.held, self.adoptable.borrow().lapsed.len(), self.claims.read())
    }
}

impl CallStates for RedisStates {
    fn keep(&self, snapshot: CallSnapshot) {
        self.held.keep(snapshot);
    }

    fn lost(&self, call: &CallId) -> CancellationToken {
        self.held.lost(call)
    }

    fn let_go(&self, call: &CallId) {
        self.held.let_go(call);
    }

    fn keeps_sound(&self) -> bool {
        self.sounds.is_some()
    }

    fn keep_sound(&self, call: &CallId, epoch: Epoch, sound: Sound) {
        if let Some(sounds) = &self.sounds {
            sounds.keep(call, epoch, &sound);
        }
    }

    fn forget_sound(&self, call: &CallId) {
        if let Some(sounds) = &self.sounds {
            sounds.forget(call);
        }
    }
}
