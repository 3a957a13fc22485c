//! How calls end.

use crate::dialling::DialFailure;
use crate::refusal::Refusal;

/// Why a call ended. `code()` is the metric label and the API code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EndCause {
    /// The caller hung up.
    CallerHungUp,
    /// The agent ended the conversation.
    AgentHungUp,
    /// Handed over to a person or another extension.
    Transferred,
    /// The caller said nothing, again and again.
    CallerSilent,
    /// Nobody was left to listen, think or speak.
    ProvidersExhausted,
    /// The call could not be set up.
    SetUpFailed,
    /// Asterisk, or its connection to the media, is gone.
    AsteriskLost,
    /// The gateway is stopping.
    Drained,
    /// An operator or the API ended it.
    Stopped,
    /// It has lasted as long as the tenant lets calls last.
    TimeUp,
    /// Its media path stayed silent, and the operator lets no such call go on.
    NoSound,
    /// Its gateway was gone and no other one could go on with it: the dialplan has its caller.
    LeftToDialplan,
    /// Whoever was called was not reached.
    NotReached(DialFailure),
    /// A machine answered, and there was nothing (more) to tell it.
    AnsweringMachine,
    /// It was not taken in.
    Refused(Refusal),
}

impl EndCause {
    /// Bounded label of the cause.
    pub fn code(self) -> &'static str {
        match self {
            Self::CallerHungUp => "caller_hung_up",
            Self::AgentHungUp => "agent_hung_up",
            Self::Transferred => "transferred",
            Self::CallerSilent => "caller_silent",
            Self::ProvidersExhausted => "providers_exhausted",
            Self::SetUpFailed => "set_up_failed",
            Self::AsteriskLost => "asterisk_lost",
            Self::Drained => "drained",
            Self::Stopped => "stopped",
            Self::TimeUp => "time_up",
            Self::NoSound => "no_sound",
            Self::LeftToDialplan => "left_to_dialplan",
            Self::NotReached(failure) => failure.code(),
            Self::AnsweringMachine => "answering_machine",
            Self::Refused(refusal) => refusal.code(),
        }
    }
}

/// How a call went, as one value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Why it ended.
    pub cause: EndCause,
    /// Turns that got an answer.
    pub turns: u32,
}
