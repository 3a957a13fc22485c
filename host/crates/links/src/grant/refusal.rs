//! Why a link may not go where it wants: few words for the guest, all of it for the operator.

use super::Grant;
use crate::counters::count;
use crate::door::Links;
use crate::limits::REFUSALS_TOLD;
use crate::wire::LinkErrorKind;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

/// A link that is not made. What it prints is what the guest learns: no policy, no address, no value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The host is not permitted.
    #[error("{origin} is not permitted")]
    EgressDenied {
        /// `scheme://host[:port]`
        origin: String,
        /// For the operator: who lacks the permission and what to write where.
        advice: String,
    },
    /// The name does not resolve.
    #[error("the name does not resolve")]
    Dns,
    /// The request cannot be sent.
    #[error("{0}")]
    Invalid(&'static str),
    /// A secret cannot be used.
    #[error("secret {name}: {why}")]
    Secret {
        /// As the guest wrote it, if it is a name at all.
        name: String,
        /// In words.
        why: &'static str,
        /// What the guest is told it is.
        kind: LinkErrorKind,
        /// For the operator, where there is something to do.
        advice: Option<String>,
    },
}

impl Refusal {
    /// What the guest is told it is.
    pub fn kind(&self) -> LinkErrorKind {
        match self {
            Self::EgressDenied { .. } => LinkErrorKind::EgressDenied,
            Self::Dns => LinkErrorKind::Dns,
            Self::Invalid(_) => LinkErrorKind::Protocol,
            Self::Secret { kind, .. } => *kind,
        }
    }

    /// What the operator can do about it.
    pub fn advice(&self) -> Option<&str> {
        match self {
            Self::EgressDenied { advice, .. } => Some(advice),
            Self::Secret { advice, .. } => advice.as_deref(),
            Self::Dns | Self::Invalid(_) => None,
        }
    }

    /// Counts it, and tells the operator what to do: of each host once for a plugin, of each secret once in a while, since a guest asks
    /// without end.
    pub(crate) fn observe(&self, links: &Links, grant: &Grant) {
        let (plugin, tenant) = (&*grant.plugin, &*grant.tenant);
        match self {
            Self::EgressDenied { advice, .. } => {
                count(&links.counters.egress_denied);
                match links.advised.first_time(&grant.plugin, advice) {
                    Some(Telling::Advice) => tracing::warn!(plugin, tenant, "{self}: {advice}"),
                    Some(Telling::NoMore) => tracing::warn!(plugin, tenant, "further refusals of this plugin are only counted"),
                    None => {}
                }
            }
            Self::Secret { name, advice: Some(advice), .. } if grant.secrets.tell(name) => {
                tracing::warn!(plugin, tenant, "{self}: {advice}");
            }
            Self::Secret { .. } | Self::Dns | Self::Invalid(_) => {}
        }
    }
}

/// What the operator was told already.
#[derive(Default)]
pub(crate) struct Advised(Mutex<BTreeMap<Arc<str>, BTreeSet<String>>>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Telling {
    Advice,
    NoMore,
}

impl Advised {
    fn first_time(&self, plugin: &Arc<str>, advice: &str) -> Option<Telling> {
        let mut plugins = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let told = plugins.entry(Arc::clone(plugin)).or_default();
        if told.len() > REFUSALS_TOLD || told.contains(advice) {
            return None;
        }
        let telling = if told.len() == REFUSALS_TOLD { Telling::NoMore } else { Telling::Advice };
        told.insert(advice.to_owned());
        Some(telling)
    }
}
