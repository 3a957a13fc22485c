//! Callers of gateways that are gone.

use super::{Telephony, TelephonyError, TelephonyEvent};
use futures_util::future::BoxFuture;
use tokio::sync::mpsc;
use vg_domain::ids::CallId;

/// A call whose gateway is gone, or lets go of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stranded {
    /// Which one.
    pub call: CallId,
    /// The ARI applications of that gateway; empty where they are not known.
    pub apps: Vec<String>,
}

/// Takes callers over. Asterisk, which has their legs, is asked who speaks to them.
pub trait Adopter: Send + Sync {
    /// Whether nobody speaks to that caller any more: the media leg is gone, or its packets stand still.
    fn is_forsaken<'a>(&'a self, stranded: &'a Stranded) -> BoxFuture<'a, Result<bool, TelephonyError>>;
    /// Whether this gateway could take the caller's leg now; an error says why not.
    fn reaches<'a>(&'a self, stranded: &'a Stranded, channel: &'a str) -> BoxFuture<'a, Result<(), TelephonyError>>;
    /// Takes the caller's leg, of that channel, out of the hands of whoever has it. From here on no other gateway can speak to the caller.
    fn take<'a>(&'a self, stranded: &'a Stranded, channel: &'a str) -> BoxFuture<'a, Result<TakenLeg, TelephonyError>>;
    /// Nobody can go on with the call: its caller, looked for in the call's bridge where nobody knows the channel, is left to the dialplan if it is not
    /// there already.
    fn leave<'a>(&'a self, stranded: &'a Stranded, channel: Option<&'a str>) -> BoxFuture<'a, Result<(), TelephonyError>>;
}

/// How callers of this gateway are reached, as far as that may lead to another one.
pub trait Ways: Send + Sync {
    /// A call of this gateway is offered to others, or no longer. While it is, whatever leads to its caller and could as well lead to them is let go of again
    /// and again: whoever it leads to then has a way to that caller.
    fn offered(&self, call: &CallId, offered: bool);
}

/// A caller's leg, answered, without sound.
pub struct TakenLeg {
    /// Acts on it.
    pub telephony: Box<dyn Telephony>,
    /// What happens to it.
    pub events: mpsc::Receiver<TelephonyEvent>,
}
