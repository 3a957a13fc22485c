//! What others may ask of this gateway's calls: the HTTP API, consoles, the command line. Everything is scoped by a tenant: another tenant's call
//! does not exist.

use futures_util::future::BoxFuture;
use std::collections::BTreeMap;
use std::time::Duration;
use vg_domain::ids::{CallId, TenantId};
use vg_domain::pii::Pii;
use vg_domain::transfer::Transfer;

/// An order to a live call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallOrder {
    /// End it.
    HangUp,
    /// Say these words to the caller, after what is being said.
    Say(String),
    /// Send these keys to the caller's leg: `0`-`9`, `*`, `#`, `A`-`D`.
    Digits(String),
    /// Hand the caller over.
    Transfer(Transfer),
    /// Call off the hand-over that is under way: the caller goes on with the agent.
    CallOffTransfer,
    /// What becomes of the recording.
    Recording(RecordingOrder),
}

/// What becomes of a call's recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordingOrder {
    /// Both sides are silent in it from now on.
    Pause,
    /// They are heard again.
    Resume,
    /// It ends here.
    Stop,
    /// It ends here, and what there is of it is deleted.
    Delete,
}

/// Why an order was not carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OrderError {
    /// This tenant has no such call, or it has ended.
    #[error("call is unknown")]
    UnknownCall,
    /// Not in the call's present phase.
    #[error("call cannot do that now")]
    NotNow,
    /// The tenant's settings do not allow it, for example a number outside of its patterns.
    #[error("tenant may not do that")]
    Forbidden,
    /// This kind of leg cannot do it.
    #[error("leg cannot do that")]
    Unsupported,
    /// It was tried and failed; bounded code of the reason.
    #[error("order failed: {0}")]
    Failed(&'static str),
    /// The call takes no further order before it has carried out those it has.
    #[error("call is busy")]
    Busy,
}

impl OrderError {
    /// Bounded label.
    pub fn code(self) -> &'static str {
        match self {
            Self::UnknownCall => "call_unknown",
            Self::NotNow => "not_now",
            Self::Forbidden => "forbidden",
            Self::Unsupported => "unsupported",
            Self::Failed(code) => code,
            Self::Busy => "busy",
        }
    }
}

/// Gives orders to live calls.
pub trait Orders: Send + Sync {
    /// One order to one call of that tenant. Answers when it is carried out or has failed.
    fn order<'a>(&'a self, tenant: &'a TenantId, call: &'a CallId, order: CallOrder) -> BoxFuture<'a, Result<(), OrderError>>;
}

/// A call to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Originate {
    /// Whose call.
    pub tenant: TenantId,
    /// Who is called: a number, or an extension.
    pub to: Pii<String>,
    /// The number that is shown; none for the tenant's own.
    pub from: Option<Pii<String>>,
    /// Which agent talks; none for the tenant's own.
    pub agent: Option<String>,
    /// Kept with the call and told to the agent; at most 32 entries of 256 characters.
    pub metadata: BTreeMap<String, String>,
    /// How long it may ring.
    pub timeout: Duration,
}

/// Why a call was not made. Whether the far side was busy or did not answer shows by the call's own end: it exists from here on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OriginateError {
    /// Nobody of that name.
    #[error("tenant is unknown")]
    UnknownTenant,
    /// The tenant's settings name no trunk, or do not allow that number.
    #[error("tenant may not call that number")]
    Forbidden,
    /// The tenant's limit of calls, or the gateway's.
    #[error("no further call is possible now")]
    OverLimit,
    /// The gateway is stopping.
    #[error("gateway is stopping")]
    Draining,
    /// The tenant's settings are not to be had now.
    #[error("tenant settings are unavailable")]
    TenantUnavailable,
    /// Asterisk knows no such trunk.
    #[error("trunk is unknown to asterisk")]
    Refused,
    /// No Asterisk is connected.
    #[error("no asterisk is connected")]
    Unreachable,
}

impl OriginateError {
    /// Bounded label.
    pub fn code(self) -> &'static str {
        match self {
            Self::UnknownTenant => "tenant_unknown",
            Self::Forbidden => "forbidden",
            Self::OverLimit => "over_limit",
            Self::Draining => "draining",
            Self::TenantUnavailable => "tenant_unavailable",
            Self::Refused => "dial_refused",
            Self::Unreachable => "unreachable",
        }
    }
}

/// Makes calls.
pub trait Originator: Send + Sync {
    /// Makes a call. Answers once it exists and rings or will ring; how it goes on is told by its facts.
    fn originate(&self, call: Originate) -> BoxFuture<'_, Result<CallId, OriginateError>>;
}
