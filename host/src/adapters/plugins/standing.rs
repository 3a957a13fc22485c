//! A plugin in its place: the version that serves, one that is tried, and why there may be none.

use std::sync::Arc;
use vg_plugin_host::options::{OptionsSchema, SchemaError};
use vg_plugin_host::slot::{PROBES, Report, Slot, SwapError, VersionState, probe};
use vg_plugin_host::{LoadError, Plugin};
use vg_plugin_store::OpenError;

/// Loaded, and what its options may be.
pub struct Standing {
    /// The plugin itself.
    pub plugin: Arc<Plugin>,
    /// Its options' schema, or why it cannot be used: then it takes no options.
    pub schema: Result<OptionsSchema, SchemaError>,
    /// Who signed it, where the policy knows the key.
    pub signer: Option<String>,
}

/// Why a plugin is not here.
#[derive(Debug, thiserror::Error)]
pub enum Absent {
    /// Neither the folder nor the store has it.
    #[error("there is no plugin of that name")]
    Missing,
    /// The name means several.
    #[error("the store has it in several versions: write NAME@VERSION")]
    Ambiguous,
    /// The name is no reference.
    #[error("{0}")]
    Name(#[from] vg_plugin_store::ReferenceError),
    /// The policy or the store does not let it in.
    #[error("{0}. {remedy}", remedy = .0.remedy())]
    Refused(#[from] OpenError),
    /// The policy permits other components under this name.
    #[error("its digest is not pinned: add to policy: [plugin.{name:?}] digests = [\"{digest}\"]")]
    Pinned {
        /// Of the plugin.
        name: String,
        /// What lies there.
        digest: String,
    },
    /// It came by the API, and nobody vouches for these very bytes.
    #[error("the policy vouches for it neither by digest nor by key: add to policy: [plugin.{name:?}] digests = [\"{digest}\"]")]
    Untrusted {
        /// Of the plugin.
        name: String,
        /// Of what came.
        digest: String,
    },
    /// It is no plugin of this host.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// Its options' schema cannot be used.
    #[error("the schema of its options cannot be used: {0}")]
    Schema(SchemaError),
    /// A plugin of another kind has that name.
    #[error("it is of kind {is}, and what has its name is of kind {was}")]
    OtherKind {
        /// The one that is there.
        was: &'static str,
        /// The one that came.
        is: &'static str,
    },
    /// It fell before the first caller heard of it.
    #[error("it fell in its first session, which no caller was in: {0}")]
    Probe(&'static str),
    /// It fell when it was tried before.
    #[error(transparent)]
    Tried(#[from] SwapError),
    /// Another file lay there when it was loaded.
    #[error("the file changed while it was loaded")]
    Changed,
    /// The policy does not let models run.
    #[error("the policy does not permit plugins that run a model")]
    Heavy,
    /// A key of the policy cannot be read.
    #[error("a key of the policy is no public key of minisign")]
    Key,
}

impl Absent {
    /// Bounded label.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Missing => "plugin-missing",
            Self::Ambiguous => "plugin-ambiguous",
            Self::Name(_) => "plugin-name",
            Self::Refused(error) => error.code(),
            Self::Pinned { .. } => "digest-not-pinned",
            Self::Untrusted { .. } => "not-vouched-for",
            Self::Load(error) => error.code(),
            Self::Schema(_) => "schema-refused",
            Self::OtherKind { .. } => "other-kind",
            Self::Probe(_) => "probe-fell",
            Self::Tried(_) => "trial-fell",
            Self::Changed => "changed-while-loaded",
            Self::Heavy => "heavy-not-permitted",
            Self::Key => "policy-key",
        }
    }
}

/// What a place has: versions of a plugin, or the reason why none.
pub type Holding = Result<Arc<Held>, Arc<Absent>>;

/// The versions of a plugin under one name.
pub struct Held {
    slot: Slot,
    /// *Invariant:* the slot's versions are among them, the newest last; never empty.
    versions: Vec<Arc<Standing>>,
}

impl Held {
    pub(super) fn new(standing: Standing) -> Self {
        Self { slot: Slot::new(Arc::clone(&standing.plugin)), versions: vec![Arc::new(standing)] }
    }

    /// The same with a version that is tried by the next sessions and then takes over.
    pub(super) fn followed_by(&self, next: Standing) -> Result<Self, Absent> {
        probe(&next.plugin).map_err(|end| Absent::Probe(end.code()))?;
        self.slot.swap(Arc::clone(&next.plugin), PROBES)?;
        let known = self.slot.versions();
        let alive = |standing: &&Arc<Standing>| {
            let digest = standing.plugin.digest();
            digest != next.plugin.digest() && known.iter().any(|version| version.digest == digest)
        };
        let mut versions: Vec<Arc<Standing>> = self.versions.iter().filter(alive).cloned().collect();
        versions.push(Arc::new(next));
        Ok(Self { slot: self.slot.clone(), versions })
    }

    /// The version that serves.
    pub fn serving(&self) -> Arc<Standing> {
        self.standing(&self.slot.plugin())
    }

    /// Every version that serves, is tried, or still has sessions.
    pub fn versions(&self) -> Vec<VersionState> {
        self.slot.versions()
    }

    /// Whether that component fell when it was tried.
    pub(super) fn has_refused(&self, digest: &str) -> bool {
        self.slot.refused().iter().any(|refused| refused == digest)
    }

    pub(super) fn for_session(&self) -> (Arc<Standing>, Report) {
        let lease = self.slot.for_session();
        (self.standing(&lease.plugin), lease.report)
    }

    fn standing(&self, plugin: &Arc<Plugin>) -> Arc<Standing> {
        let same = self.versions.iter().find(|standing| standing.plugin.digest() == plugin.digest());
        Arc::clone(same.or(self.versions.last()).expect("never empty"))
    }
}
