//! What a call tells the world, and what it lets be observed.

use crate::dialling::AnsweredBy;
use crate::ids::{PluginId, TurnId, UtteranceId};
use crate::likeness::Likeness;
use crate::mask::MaskedText;
use crate::outcome::Outcome;
use crate::parties::Parties;
use crate::recording::RecordingFact;
use crate::refusal::Refusal;
use crate::speech::Extent;
use crate::transfer::TransferMode;
use crate::turn::TurnRecord;
use crate::usage::Usage;
use std::sync::Arc;
use std::time::Duration;

/// Something that happened in a call, for event streams, consoles and watchers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fact {
    /// The call was offered to this gateway, or is made by it.
    Started(Arc<Parties>),
    /// The call was answered.
    Answered(AnsweredBy),
    /// Another gateway held the call until now, and this one goes on with it.
    Adopted {
        /// Who speaks with whom.
        parties: Arc<Parties>,
        /// So long the caller heard nothing.
        silent: Duration,
    },
    /// The caller is being understood; may change.
    Hearing {
        /// Which turn.
        turn: TurnId,
        /// All of the turn so far.
        text: MaskedText,
    },
    /// The caller said this.
    Heard {
        /// Which turn.
        turn: TurnId,
        /// All of the turn. Told again, longer, where the caller went on after a pause.
        text: MaskedText,
    },
    /// The caller spoke, and nothing was understood.
    NotUnderstood {
        /// Which turn.
        turn: TurnId,
    },
    /// The caller spoke, and the words were shown to nobody, since they could not be masked as the tenant wants it.
    Withheld {
        /// Which turn.
        turn: TurnId,
    },
    /// The gateway says this, piece by piece.
    Saying {
        /// Which utterance.
        utterance: UtteranceId,
        /// A clause of it.
        text: MaskedText,
    },
    /// An answer is late, and the gateway says this until it begins. It is no part of the answer.
    Filler {
        /// Which turn waits for its answer.
        turn: TurnId,
        /// Which utterance it is.
        utterance: UtteranceId,
        /// All of it.
        text: MaskedText,
    },
    /// An utterance was cut short: the caller spoke over it, or what it answered was not what had been said. So many milliseconds of it had been
    /// heard.
    Interrupted {
        /// Which utterance.
        utterance: UtteranceId,
        /// How much of it had been heard, in milliseconds.
        spoken_ms: u64,
        /// Which words that were. The call itself knows the time alone.
        extent: Extent,
    },
    /// The call goes on in another language, a BCP 47 tag.
    LanguageChanged {
        /// Which one.
        language: String,
    },
    /// The agent has said who answers in this conversation.
    Agent(AgentProfile),
    /// A turn got its answer.
    Turn(TurnRecord),
    /// A provider or the agent fell; the code is bounded.
    Fell {
        /// Whose part it was.
        who: Role,
        /// Which plugin, where it is one; the call itself leaves it open.
        plugin: Option<PluginId>,
        /// Bounded label.
        code: &'static str,
    },
    /// A turn was heard by a second listener as well, whose words count for nothing.
    Shadowed(ShadowTurn),
    /// The call is handed to a person.
    Escalated {
        /// Dialplan place `context,extension`.
        target: String,
        /// Bounded label of whose wish it was: `agent`, `caller`, `operator`, `trouble`.
        reason: &'static str,
    },
    /// The call's media path is silent, even after it was built anew; bounded label of what is missing.
    PathSilent(&'static str),
    /// The call was not taken in. Its only fact.
    Refused(Refusal),
    /// The caller is being handed over.
    Transferring {
        /// Bounded label of what is to be reached: `human`, `queue`, `extension`, `external`.
        kind: &'static str,
        /// How.
        mode: TransferMode,
    },
    /// The caller talks to somebody else, or left this gateway for good without word of it.
    Transferred {
        /// What was reached.
        kind: &'static str,
        /// How.
        mode: TransferMode,
    },
    /// The caller's own telephone took a referral elsewhere and left: whether anybody answers there is not known, and there is no way back.
    Referred {
        /// What was to be reached.
        kind: &'static str,
    },
    /// The caller was not handed over; unless the caller is gone the call goes on.
    TransferFailed {
        /// What was not reached.
        kind: &'static str,
        /// How.
        mode: TransferMode,
        /// Bounded label.
        code: &'static str,
    },
    /// What a speech provider has worked for the call, by its own count. Told once for each that did, before the end.
    Used {
        /// As what.
        who: Worker,
        /// Which plugin.
        plugin: PluginId,
        /// How much.
        usage: Usage,
    },
    /// Something becomes of the call's recording.
    Recording(RecordingFact),
    /// Another gateway holds the call: it goes on there, and this is the last that this one says of it.
    TakenOver,
    /// The call is over.
    Ended(Outcome),
}

impl Fact {
    /// Whether others are told of it. Words that may still change, and what another gateway tells, are not for them.
    pub fn is_event(&self) -> bool {
        !matches!(self, Self::Hearing { .. } | Self::TakenOver)
    }
}

/// What a second listener understood of a turn, beside the one whose words count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShadowTurn {
    /// The second listener.
    pub plugin: PluginId,
    /// Whether both understood the same.
    pub agreement: Agreement,
    /// Counts of their words.
    pub likeness: Likeness,
    /// So much later than the first's its last words came, in milliseconds; less than 0 where they came earlier. None where one of them has none.
    pub delay_ms: Option<i64>,
    /// The words, where the tenant keeps them.
    pub kept: Option<KeptWords>,
}

/// Words of two listeners.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptWords {
    /// Of the listener whose words count.
    pub first: MaskedText,
    /// Of the other one.
    pub second: MaskedText,
}

/// Whether two listeners understood the same, case and punctuation aside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Agreement {
    /// Word for word.
    Same,
    /// Not word for word.
    Differs,
    /// The second understood nothing.
    Missing,
    /// Only the second understood something.
    Extra,
}

impl Agreement {
    /// Bounded label.
    pub fn code(self) -> &'static str {
        match self {
            Self::Same => "same",
            Self::Differs => "differs",
            Self::Missing => "missing",
            Self::Extra => "extra",
        }
    }
}

/// Who answers in a conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentProfile {
    /// As the agent's service names it.
    pub id: String,
    /// For people, where it has one.
    pub name: Option<String>,
}

/// As what a speech provider works.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Worker {
    /// Who hears the caller.
    Hearing,
    /// Who speaks to the caller.
    Speaking,
    /// A second listener, whose words count for nothing; what it works costs the tenant all the same.
    Shadow,
}

impl Worker {
    /// Bounded label.
    pub fn code(self) -> &'static str {
        match self {
            Self::Hearing => Role::Hearing.code(),
            Self::Speaking => Role::Speaking.code(),
            Self::Shadow => "shadow",
        }
    }
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
    /// The mask of card data.
    Masking,
    /// The vault that keeps cards.
    Vault,
}

impl Role {
    /// Bounded label of the role.
    pub fn code(self) -> &'static str {
        match self {
            Self::Hearing => "hearing",
            Self::Thinking => "thinking",
            Self::Speaking => "speaking",
            Self::Masking => "masking",
            Self::Vault => "vault",
        }
    }
}
