//! Calling somebody.

use super::{Telephony, TelephonyEvent};
use futures_util::future::BoxFuture;
use std::time::Duration;
use tokio::sync::mpsc;
use vg_domain::ids::{CallId, TenantId};
use vg_domain::pii::Pii;

/// Makes legs to people outside.
pub trait Dialler: Send + Sync {
    /// Calls somebody. Answers once the leg exists: how it goes on is told by its events, which end with
    /// [`TelephonyEvent::NotReached`] or begin a conversation with [`TelephonyEvent::Up`].
    fn dial(&self, order: DialOrder) -> BoxFuture<'_, Result<Dialled, DialError>>;
}

/// Whom to call, and how.
#[derive(Clone, Debug)]
pub struct DialOrder {
    /// The call.
    pub call: CallId,
    /// Whose it is.
    pub tenant: TenantId,
    /// The dial string.
    pub endpoint: Pii<String>,
    /// The number that is shown.
    pub caller_id: Pii<String>,
    /// How long it may ring.
    pub ring: Duration,
    /// Whether it is looked whether a machine answers, before the first word.
    pub detect_machines: bool,
}

/// A leg that rings or will ring.
pub struct Dialled {
    /// Its name, for logs and correlation.
    pub channel: String,
    /// Acts on it.
    pub telephony: Box<dyn Telephony>,
    /// What happens to it.
    pub events: mpsc::Receiver<TelephonyEvent>,
}

/// Why nobody is called. Nothing is left behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DialError {
    /// Nothing is connected that could call, or it does not answer.
    #[error("nothing is connected that could call")]
    Unreachable,
    /// The dial string was refused: an endpoint that does not exist.
    #[error("dial string was refused")]
    Refused,
}
