//! A secret in use: read when needed, kept for seconds, bound to hosts.

use super::google::Google;
use super::oauth::OAuth;
use super::store::{SecretRef, SecretStore, StoreError};
use crate::grant::{HostRule, Refusal, Target};
use crate::limits::{SECRET_KEPT, TELL_AGAIN};
use crate::wire::LinkErrorKind;
use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;
use zeroize::Zeroizing;

/// A secret's text, wiped when the last user lets go of it.
pub(super) type Value = Arc<Zeroizing<String>>;

/// A secret, what it is and where it may go.
pub(super) struct Held {
    /// None for all that the grant permits.
    pub(super) hosts: Option<Vec<HostRule>>,
    pub(super) kind: Kind,
    pub(super) told: Told,
}

/// When the operator was last told that something is wrong: again only after [`TELL_AGAIN`].
#[derive(Default)]
pub(super) struct Told(Mutex<Option<Instant>>);

pub(super) enum Kind {
    Static(Source),
    Aws { source: Source, profile: String, regions: Vec<String>, service: String },
    Google(Google),
    OAuth(OAuth),
}

/// Follows a reference; what it read is good for [`SECRET_KEPT`], so that a changed secret is soon in use.
pub(super) struct Source {
    reference: SecretRef,
    kept: Mutex<Option<(Instant, Value)>>,
}

impl Held {
    pub(super) fn is_bound_to(&self, target: &Target) -> bool {
        self.hosts.as_ref().is_none_or(|hosts| hosts.iter().any(|rule| rule.permits(target)))
    }
}

impl Told {
    /// Whether it is time to tell; if so it counts as told.
    pub(super) fn tell(&self, now: Instant) -> bool {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let time = last.is_none_or(|last| now >= last + TELL_AGAIN);
        if time {
            *last = Some(now);
        }
        time
    }
}

impl Kind {
    /// What was read is read again at the next use.
    pub(super) fn forget(&self) {
        match self {
            Self::Static(source) | Self::Aws { source, .. } => source.forget(),
            Self::Google(google) => google.forget(),
            Self::OAuth(oauth) => oauth.forget(),
        }
    }

    /// The same, and the token `value` is got anew.
    pub(super) fn invalidate(&self, value: &str) {
        self.forget();
        match self {
            Self::Static(_) | Self::Aws { .. } => {}
            Self::Google(google) => google.invalidate(value),
            Self::OAuth(oauth) => oauth.invalidate(value),
        }
    }
}

impl Source {
    pub(super) fn new(reference: SecretRef) -> Self {
        Self { reference, kept: Mutex::default() }
    }

    pub(super) async fn read(&self, store: &dyn SecretStore) -> Result<Value, StoreError> {
        let kept = self.lock().clone();
        if let Some((_, value)) = kept.filter(|(at, _)| at.elapsed() < SECRET_KEPT) {
            return Ok(value);
        }
        // Two who come at once both read: that is harmless, and a lock would be held while a disk answers.
        let value = Arc::new(store.read(&self.reference).await?);
        *self.lock() = Some((Instant::now(), Arc::clone(&value)));
        Ok(value)
    }

    /// The next use reads anew.
    pub(super) fn forget(&self) {
        *self.lock() = None;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<(Instant, Value)>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A refusal of the secret that the guest calls `name`: `why` is for the guest, `advice` for the operator.
pub(super) fn refused(name: &str, kind: LinkErrorKind, why: &'static str, advice: Option<String>) -> Refusal {
    Refusal::Secret { name: name.to_owned(), why, kind, advice }
}

/// The refusal where a store has nothing to give.
pub(super) fn unread(name: &str, error: &StoreError) -> Refusal {
    let cause = error.source().map(|cause| format!(": {cause}")).unwrap_or_default();
    refused(name, LinkErrorKind::Protocol, "is not available", Some(format!("{error}{cause}")))
}
