//! Plugins that come and go while calls run: looked at before they lie in the folder, and put there only by who vouches for them.

use super::shelf::{Cause, Found, Shelf, admit, load};
use super::stamp::Stamp;
use super::standing::{Absent, Standing};
use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError};
use vg_domain::ids::PluginId;
use vg_plugin_host::PluginHost;
use vg_plugin_host::policy::Policy;
use vg_plugin_host::slot::{SwapError, probe};
use vg_plugin_store::{FolderError, NewPlugin, PluginName, Reference};

/// Why a plugin is not taken in, or not taken away.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    /// It may not serve here, or cannot.
    #[error("{0}")]
    Absent(Arc<Absent>),
    /// The folder does not do its part.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// A tenant's settings name it.
    #[error("settings of a tenant name it")]
    InUse,
    /// It came by another way: it is one of the store.
    #[error("it is not one of the folder, but of the store")]
    OfTheStore,
}

impl ChangeError {
    /// Bounded label.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Absent(absent) => absent.code(),
            Self::Folder(FolderError::Missing) => "plugin_not_found",
            Self::Folder(FolderError::TooLarge { .. }) => "plugin_too_large",
            Self::Folder(FolderError::ReadOnly(_)) => "plugins_dir_read_only",
            Self::Folder(FolderError::Full(_)) => "plugins_dir_full",
            Self::Folder(FolderError::Io(_)) => "plugins_dir_io",
            Self::InUse => "plugin_in_use",
            Self::OfTheStore => "plugin_of_the_store",
        }
    }
}

impl From<Absent> for ChangeError {
    fn from(absent: Absent) -> Self {
        Self::Absent(Arc::new(absent))
    }
}

impl Shelf {
    /// Finishes what a crash has left in the folder.
    pub(super) fn recover(&self) {
        if let Err(error) = self.folder.recover() {
            tracing::error!(code = error.code(), %error, "what was left in the folder of plugins cannot be finished");
        }
    }

    /// A place for a component that comes.
    pub(super) fn begin(&self, plugin: &PluginName) -> Result<NewPlugin, FolderError> {
        self.folder.begin(plugin)
    }

    /// Puts a component into the folder, if it may and can serve here; gives its digest. It is taken over by the next [`stock`](Self::stock).
    pub(super) fn put(&self, host: &PluginHost, policy: &Policy, draft: NewPlugin) -> Result<String, ChangeError> {
        let standing = self.consider(host, policy, &draft)?;
        let _alone = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        self.folder.place(draft)?;
        Ok(standing.plugin.digest().to_owned())
    }

    /// Takes a plugin out of the folder, unless one of these means it. It is gone for the next session with the next [`stock`](Self::stock).
    pub(super) fn take_away(&self, plugin: &PluginName, needed: &BTreeSet<PluginId>) -> Result<(), ChangeError> {
        let id = PluginId::new(plugin.name());
        if needed.iter().any(|needed| self.is_served_by(needed, &id)) {
            return Err(ChangeError::InUse);
        }
        let _alone = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let stored = matches!(self.snapshot().get(&id), Some(place) if matches!(place.cause.found, Found::Stored(..)));
        match self.folder.remove(plugin) {
            Err(FolderError::Missing) if stored => Err(ChangeError::OfTheStore),
            removed => Ok(removed?),
        }
    }

    /// A stricter look than at what an operator laid there: who can write the folder is the operator, who has a token need not be. So somebody
    /// has to vouch for these very bytes, before they are so much as compiled.
    fn consider(&self, host: &PluginHost, policy: &Policy, draft: &NewPlugin) -> Result<Standing, Absent> {
        let name = draft.plugin().name();
        let cause = Cause { found: Found::File(draft.path(), Stamp::default()), terms: policy.terms(name) };
        let opened = admit(&Reference::File(draft.path()), &self.store, name, &cause.terms)?;
        if opened.admitted.signer.is_none() && cause.terms.digests.is_empty() {
            return Err(Absent::Untrusted { name: name.to_owned(), digest: opened.admitted.digest.hex() });
        }
        let standing = load(host, name, opened, &cause.terms)?;
        if let Err(error) = standing.schema {
            return Err(Absent::Schema(error));
        }
        let before = self.snapshot().get(&PluginId::new(name)).and_then(|place| place.holds.clone().ok());
        if let Some(before) = before {
            let (was, is) = (before.serving().plugin.descriptor().kind, standing.plugin.descriptor().kind);
            if was != is {
                return Err(Absent::OtherKind { was: was.as_str(), is: is.as_str() });
            }
            if before.has_refused(standing.plugin.digest()) {
                return Err(SwapError::Refused { digest: standing.plugin.digest().to_owned() }.into());
            }
        }
        probe(&standing.plugin).map_err(|end| Absent::Probe(end.code()))?;
        Ok(standing)
    }

    /// Whether a tenant who writes `needed` gets the folder's plugin `id`.
    fn is_served_by(&self, needed: &PluginId, id: &PluginId) -> bool {
        let by_version = || needed.plain() == id.as_str() && !self.snapshot().contains_key(needed);
        needed == id || by_version()
    }
}
