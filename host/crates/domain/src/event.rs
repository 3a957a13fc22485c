//! What a call tells the world, and what it lets be observed.

use crate::ids::{PluginId, TurnId, UtteranceId};
use crate::mask::MaskedText;
use crate::outcome::Outcome;
use crate::turn::TurnRecord;

/// Something that happened in a call, for event streams, consoles and watchers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fact {
    /// The call was offered to this gateway.
    Started,
    /// The call was answered.
    Answered,
    /// The caller is being understood; may change.
    Hearing { turn: TurnId, text: MaskedText },
    /// The caller said this.
    Heard { turn: TurnId, text: MaskedText },
    /// The caller spoke, and nothing was understood.
    NotUnderstood { turn: TurnId },
    /// The gateway says this, piece by piece.
    Saying { utterance: UtteranceId, text: MaskedText },
    /// The caller spoke over an utterance; so many milliseconds of it had been heard.
    Interrupted { utterance: UtteranceId, spoken_ms: u64 },
    /// A turn got its answer.
    Turn(TurnRecord),
    /// A provider or the agent fell; the code is bounded.
    Fell { who: Role, plugin: Option<PluginId>, code: &'static str },
    /// The call is handed to a person.
    Escalated { target: String },
    /// The call is over.
    Ended(Outcome),
}

/// Who does a part of the work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// Speech to text.
    Hearing,
    /// The agent.
    Thinking,
    /// Text to speech.
    Speaking,
}

impl Role {
    /// Bounded label of the role.
    pub fn code(self) -> &'static str {
        match self {
            Self::Hearing => "hearing",
            Self::Thinking => "thinking",
            Self::Speaking => "speaking",
        }
    }
}
