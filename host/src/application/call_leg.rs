//! The leg of a call, whoever began it.

use super::ports::{Dialled, IncomingCall, Telephony, TelephonyEvent};
use std::sync::Arc;
use tokio::sync::mpsc;
use vg_domain::call::CallInput;
use vg_domain::event::Fact;
use vg_domain::ids::{CallId, DidId, TrunkId};
use vg_domain::parties::{Direction, Parties};

/// What a call task is given.
pub struct CallLeg {
    /// The call.
    pub call: CallId,
    /// Who speaks with whom.
    pub parties: Arc<Parties>,
    /// How the other side calls it.
    pub names: ChannelNames,
    /// Acts on it.
    pub telephony: Box<dyn Telephony>,
    /// What happens to it.
    pub events: mpsc::Receiver<TelephonyEvent>,
    /// Who wants the call's facts as they happen.
    pub watcher: Option<mpsc::Sender<Fact>>,
}

/// How Asterisk, or the media connection, calls a leg.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChannelNames {
    /// Its id.
    pub id: Arc<str>,
    /// Its name (`PJSIP/...`), where it has one that is known.
    pub name: Option<Arc<str>>,
}

impl CallLeg {
    /// A leg that this gateway dialled.
    pub fn dialled(call: CallId, parties: Arc<Parties>, leg: Dialled) -> Self {
        let names = ChannelNames { id: leg.channel.into(), name: None };
        Self { call, parties, names, telephony: leg.telephony, events: leg.events, watcher: None }
    }

    /// The leg of somebody who calls, by this number and trunk of the tenant.
    pub(super) fn offered(incoming: IncomingCall, did: Option<DidId>, trunk: Option<TrunkId>) -> Self {
        let IncomingCall { call, channel, channel_name, caller, dialled, telephony, events, watcher, .. } = incoming;
        let names = ChannelNames { id: channel.into(), name: channel_name.map(Into::into) };
        let parties = Arc::new(Parties { did, trunk, ..Parties::inbound(caller, dialled) });
        Self { call, parties, names, telephony, events, watcher }
    }

    /// What the call is told first.
    pub(super) fn first_input(parties: &Parties) -> CallInput {
        match parties.direction {
            Direction::Inbound => CallInput::Offered,
            Direction::Outbound => CallInput::Dialed,
        }
    }
}
