//! Who speaks with whom.

use crate::ids::{DidId, TrunkId};
use crate::pii::Pii;
use std::collections::BTreeMap;

/// Who began a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// Somebody called the tenant.
    Inbound,
    /// The gateway called somebody for the tenant.
    Outbound,
}

impl Direction {
    /// Bounded label, as call states and events write it.
    pub fn code(self) -> &'static str {
        match self {
            Self::Inbound => "inbound",
            Self::Outbound => "outbound",
        }
    }
}

/// The two ends of a call, and what came with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parties {
    /// Who began it.
    pub direction: Direction,
    /// The number that is shown to the called side.
    pub from: Pii<String>,
    /// The number that was dialled.
    pub to: Pii<String>,
    /// Which agent talks; none for the tenant's own.
    pub agent: Option<String>,
    /// What came with the call, for the agent.
    pub metadata: Pii<BTreeMap<String, String>>,
    /// The tenant's number that was dialled, where the tenant lists its numbers and the gateway was called.
    pub did: Option<DidId>,
    /// The tenant's trunk by which the call came, where the tenant lists its trunks.
    pub trunk: Option<TrunkId>,
}

impl Parties {
    /// Somebody calls; nothing is confirmed.
    pub fn inbound(from: Pii<String>, to: Pii<String>) -> Self {
        let metadata = Pii::new(BTreeMap::new());
        Self { direction: Direction::Inbound, from, to, agent: None, metadata, did: None, trunk: None }
    }

    /// The number of the person, whoever began.
    pub fn person(&self) -> &Pii<String> {
        match self.direction {
            Direction::Inbound => &self.from,
            Direction::Outbound => &self.to,
        }
    }
}
