//! Why a link may not go where it wants: few words for the guest, all of it for the operator.

use super::Grant;
use crate::counters::count;
use crate::door::Links;
use crate::wire::LinkErrorKind;

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

    /// Counts it, and tells the operator what to add to the policy: once for each plugin and host.
    pub(crate) fn observe(&self, links: &Links, _grant: &Grant) {
        if let Self::EgressDenied { .. } = self {
            count(&links.counters.egress_denied);
        }
    }
}
