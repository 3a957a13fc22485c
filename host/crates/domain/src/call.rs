//! The call: phases, inputs and actions.

use crate::event::Fact;
use crate::ids::{TurnId, UtteranceId};
use crate::mask::MaskedText;
use crate::outcome::EndCause;
use std::time::Instant;

/// What happened.
#[derive(Debug)]
pub enum CallInput {
    /// A caller waits; the first input of an inbound call. Answered by `Ring` and `OpenConversation`.
    Offered,
    /// The agent knows the conversation. Answered by `ConnectMedia`.
    ConversationOpened,
    /// The agent is not to be had; the call goes on and the fallback line is said in place of answers.
    ConversationFailed { code: &'static str },
    /// Sound can flow. Answered by `Answer`.
    MediaConnected,
    /// The call was answered. Answered by `StartHearing` and the greeting.
    Answered,
    /// Setting up failed at the telephony side.
    SetUpFailed { code: &'static str },
    /// The caller hung up.
    CallerGone,
    /// Asterisk or the media connection is gone.
    AsteriskLost,
    /// The transfer was carried out.
    HandoverDone,
    /// The transfer was not possible; the call goes on.
    HandoverFailed { code: &'static str },
    /// Everything of the call is released. Last input.
    Released,
    /// The caller began to speak at that moment (at the socket).
    SpeechStarted { at: Instant },
    /// The caller paused; the moment of the last voiced sample (at the socket).
    SpeechEnded { last_voiced: Instant },
    /// A key was pressed: `0`-`9`, `*`, `#`, `A`-`D`.
    Digit(char),
    /// Words that may change.
    Partial(MaskedText),
    /// Words that will not change. May be empty.
    Final(MaskedText),
    /// The answer to `FinalizeHearing`.
    Finalized,
    /// The listener cannot go on.
    HearingFell { code: &'static str },
    /// A piece of the agent's answer.
    AgentText { turn: TurnId, text: String },
    /// The agent's answer is complete.
    AgentDone { turn: TurnId, command: Option<AgentCommand> },
    /// The agent cannot answer.
    AgentFell { turn: TurnId, code: &'static str },
    /// First samples of an utterance came from the speaker.
    SpeechAudio { utterance: UtteranceId },
    /// First audible sample of an utterance left at that moment.
    Audible { utterance: UtteranceId, at: Instant },
    /// The last sample of an utterance has left.
    UtteranceEnded { utterance: UtteranceId },
    /// The answer to `Hush`: so much of it had been played, in milliseconds.
    Hushed { utterance: UtteranceId, spoken_ms: u64 },
    /// The speaker cannot go on with this utterance.
    SpeakingFell { utterance: UtteranceId, code: &'static str },
    /// Say goodbye and end.
    Drain,
    /// End now.
    Stop(EndCause),
}

/// What the agent wants besides speaking, carried out after its words were heard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AgentCommand {
    /// End the call.
    HangUp,
    /// Hand over to a person.
    Human,
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallAction {
    /// Indicate ringing.
    Ring,
    /// Tell the agent of the conversation.
    OpenConversation,
    /// Build bridge and media leg.
    ConnectMedia,
    /// Answer the caller.
    Answer,
    /// Open a listening session (again).
    StartHearing,
    /// The turn is over: give the last words.
    FinalizeHearing,
    /// Speech will be needed soon: open a speaking session.
    PrepareSpeaking,
    /// Ask the agent.
    Ask { turn: TurnId, text: MaskedText },
    /// The answer is no longer wanted.
    CancelAsk { turn: TurnId },
    /// Speak a clause of an utterance.
    Say { utterance: UtteranceId, text: MaskedText },
    /// No further clause of the utterance follows.
    EndUtterance { utterance: UtteranceId },
    /// Stop speaking within one frame and forget what is queued.
    Hush { utterance: UtteranceId },
    /// Play the built-in emergency recording: needs no provider.
    PlayEmergency { utterance: UtteranceId },
    /// Hand over to a dialplan place `context,extension`.
    Transfer { target: String },
    /// End the caller's leg.
    HangUp { cause: EndCause },
    /// Release everything the call holds, then report `Released`.
    Release,
    /// Tell the world.
    Emit(Fact),
    /// An input made no sense in this phase; counted.
    Refused { phase: &'static str, input: &'static str },
}

/// Why a call wants to be woken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum CallReason {
    /// The caller has paused long enough: the turn is over.
    EndOfTurn,
    /// The last words did not come.
    FinalDeadline,
    /// The caller says nothing.
    Silence,
    /// The agent says nothing.
    AgentDeadline,
    /// No audio of an utterance came.
    SpeechDeadline,
    /// Caller speech over the agent has lasted long enough to count.
    BargeIn,
    /// An end that does not come.
    EndDeadline,
}
