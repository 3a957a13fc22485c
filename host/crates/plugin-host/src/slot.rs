//! A plugin's place under a name: which version the next session gets while one version takes over from another.
//!
//! A new version first serves a few sessions at a time. When enough of them have ended well it serves all; when one falls, the
//! version before it stays, and the new one's digest is not tried again. Sessions stay with the version they began with, and a
//! version goes when its last session has ended.

mod probe;
mod trial;

pub use probe::probe;
pub use trial::{Role, Swapped};

use crate::load::Plugin;
use crate::session::{OnEnd, SessionEnd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use trial::{Change, Id, Trial, Verdict};

/// How many sessions try a new version, where nobody says otherwise.
pub const PROBES: u32 = 3;

/// Where sessions get their plugin from. Cheap to share.
#[derive(Clone)]
pub struct Slot {
    inner: Arc<Mutex<Inner>>,
}

struct Inner {
    name: String,
    trial: Trial<Arc<Plugin>>,
}

/// A plugin for one session, and whom to tell how it ended.
pub struct Lease {
    /// The version this session is to be opened with.
    pub plugin: Arc<Plugin>,
    /// For [`Opening::on_end`](crate::session::Opening). Dropped unused, the session counts as ended without a verdict.
    pub report: Report,
}

/// Tells the slot how a session ended; once, also by being dropped.
pub struct Report {
    slot: Slot,
    version: Id,
    verdict: Verdict,
}

/// One version under a slot's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VersionState {
    /// SHA-256 of the component, lower-case hexadecimal.
    pub digest: String,
    /// What it calls itself.
    pub version: String,
    /// Sessions that hold it.
    pub live: u32,
    /// What it does.
    pub role: Role,
}

/// Why a version was not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SwapError {
    /// A session of it fell while it was tried.
    #[error("version {digest} fell when it was tried")]
    Refused {
        /// Of the component.
        digest: String,
    },
}

impl SwapError {
    /// Bounded label.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Refused { .. } => "refused",
        }
    }
}

impl Slot {
    /// A place whose sessions all get `plugin`.
    pub fn new(plugin: Arc<Plugin>) -> Self {
        let inner = Inner { name: plugin.name().to_owned(), trial: Trial::new(plugin.digest(), Arc::clone(&plugin)) };
        Self { inner: Arc::new(Mutex::new(inner)) }
    }

    /// Puts `new` on trial by at most `probes` sessions at a time ([`PROBES`]); with none it serves at once. A version that was on
    /// trial is withdrawn. Putting the serving version again ends a trial.
    ///
    /// # Errors
    /// [`SwapError::Refused`] where this very component fell before.
    pub fn swap(&self, new: Arc<Plugin>, probes: u32) -> Result<Swapped, SwapError> {
        let mut inner = self.lock();
        let digest = new.digest().to_owned();
        let swapped = inner.trial.swap(&digest, new, probes).ok_or_else(|| SwapError::Refused { digest: digest.clone() })?;
        tracing::info!(plugin = inner.name, digest, ?swapped, "a version is put in");
        Ok(swapped)
    }

    /// The version for the next session.
    pub fn for_session(&self) -> Lease {
        let mut inner = self.lock();
        let (version, plugin) = inner.trial.begin();
        Lease { plugin: Arc::clone(plugin), report: Report { slot: self.clone(), version, verdict: Verdict::Open } }
    }

    /// The version that serves, for questions about it.
    pub fn plugin(&self) -> Arc<Plugin> {
        Arc::clone(self.lock().trial.serving())
    }

    /// Every version that serves, is tried, or still has sessions.
    pub fn versions(&self) -> Vec<VersionState> {
        let state = |(version, role): (&trial::Version<Arc<Plugin>>, Role)| VersionState {
            digest: version.plugin.digest().to_owned(),
            version: version.plugin.descriptor().version.clone(),
            live: version.live,
            role,
        };
        self.lock().trial.versions().map(state).collect()
    }

    /// Digests that fell when they were tried, the newest last.
    pub fn refused(&self) -> Vec<String> {
        self.lock().trial.refused().map(str::to_owned).collect()
    }

    fn ended(&self, version: Id, verdict: Verdict) {
        let mut inner = self.lock();
        let change = inner.trial.end(version, verdict);
        let name = &inner.name;
        match change {
            Some(Change::Promoted { digest }) => tracing::info!(plugin = name, digest, "version serves all sessions from now on"),
            Some(Change::RolledBack { digest }) => {
                tracing::warn!(plugin = name, digest, "version fell when it was tried: the one before stays");
            }
            None => {}
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Every change below is whole when it returns.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Report {
    /// The session ended so.
    pub fn tell(mut self, end: &SessionEnd) {
        self.verdict = Verdict::of(end);
    }

    /// As what a session's opening takes.
    pub fn on_end(self) -> OnEnd {
        Box::new(move |end| self.tell(end))
    }
}

impl Drop for Report {
    fn drop(&mut self) {
        self.slot.ended(self.version, self.verdict);
    }
}
