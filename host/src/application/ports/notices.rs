//! What befalls this gateway as a whole, and belongs to no call.

use std::time::Duration;

/// Something that its operator wants to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notice {
    /// Calls are not kept beyond this gateway any more.
    StateLost {
        /// Bounded code of why.
        code: &'static str,
    },
    /// They are again.
    StateBack {
        /// For how long they were not.
        away: Duration,
    },
}

impl Notice {
    /// Type of its event.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::StateLost { .. } => "state.lost",
            Self::StateBack { .. } => "state.back",
        }
    }
}

/// Hears of it. Never waited for.
pub trait Notices: Send + Sync {
    /// It has happened just now.
    fn tell(&self, notice: &Notice);
}
