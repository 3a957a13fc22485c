//! Where a caller can be handed over to.

use crate::pii::Pii;

/// A wish to hand the caller over, by the agent or by the API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transfer {
    /// To whom.
    pub target: TransferTarget,
    /// How.
    pub mode: TransferMode,
    /// What the human is told before the caller is connected, as the agent wrote it: unmasked. None for nothing.
    pub summary: Option<String>,
}

/// To whom a caller is handed over. What a tenant may reach is its settings' to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TransferTarget {
    /// A queue of the tenant's, by name.
    Queue(String),
    /// An extension of the tenant's.
    Extension(String),
    /// A number outside, E.164.
    External(Pii<String>),
}

impl TransferTarget {
    /// Bounded label, as the API writes it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Queue(_) => "queue",
            Self::Extension(_) => "extension",
            Self::External(_) => "external",
        }
    }
}

/// How a caller is handed over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum TransferMode {
    /// At once; the gateway leaves the call.
    #[default]
    Blind,
    /// The human is asked first, and the caller waits meanwhile.
    Attended,
}

impl TransferMode {
    /// Bounded label, as the API writes it.
    pub fn code(self) -> &'static str {
        match self {
            Self::Blind => "blind",
            Self::Attended => "attended",
        }
    }
}
