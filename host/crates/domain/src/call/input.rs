//! What happens to a call.

use super::{AgentCommand, Hint, Progress, Stability};
use crate::dialling::{AnsweredBy, DialFailure};
use crate::ids::{TurnId, UtteranceId};
use crate::mask::MaskedText;
use crate::outcome::EndCause;
use crate::transfer::{HandoverAdvice, Returned, Transfer};
use std::time::Instant;

/// What happened.
#[derive(Debug)]
pub enum CallInput {
    /// A caller waits; the first input of an inbound call. Answered by `Ring` and `OpenConversation`.
    Offered,
    /// Somebody is being called; the first input of an outbound call. Answered by `OpenConversation`.
    Dialed,
    /// Who was called has answered. Answered by `ConnectMedia`, once the agent knows the conversation.
    Up(AnsweredBy),
    /// Who was called was not reached.
    NotReached(DialFailure),
    /// The agent knows the conversation. Answered by `ConnectMedia`; after `ConversationFailed` at any time, and the agent is asked from then on.
    ConversationOpened,
    /// The agent is not to be had; the call goes on and the fallback line is said in place of answers.
    ConversationFailed {
        /// Bounded label.
        code: &'static str,
    },
    /// Sound can flow. Answered by `Answer`; by `StartHearing` and the greeting where the call was answered already.
    MediaConnected,
    /// The call was answered. Answered by `StartHearing` and the greeting.
    Answered,
    /// The media leg was built anew: what was being said is lost.
    MediaRebuilt,
    /// Setting up failed at the telephony side.
    SetUpFailed {
        /// Bounded label.
        code: &'static str,
    },
    /// The caller hung up.
    CallerGone,
    /// Asterisk or the media connection is gone.
    AsteriskLost,
    /// Somebody beside the call, an operator or the API, wants this said, after what is being said.
    SayOrdered(String),
    /// Somebody beside the call wants the caller handed over.
    TransferOrdered(Transfer),
    /// Somebody beside the call wants the hand-over that is under way called off.
    TransferCalledOff,
    /// The answer to `SeekAdvice`.
    Advised(HandoverAdvice),
    /// The agent has no answer to `SeekAdvice`: the hand-over goes on without.
    AdviceFailed {
        /// Bounded label.
        code: &'static str,
    },
    /// The caller's leg is in the dialplan, and comes back where nobody is reached. Answered by `LeaveMedia`.
    HandoverParted,
    /// Whoever the dialplan calls for the caller is being called, or has answered.
    HandoverProgress(Progress),
    /// The dialplan gave the caller back. Answered by `ConnectMedia`.
    HandoverReturned(Returned),
    /// The person who is called for an attended hand-over has answered. Answered by `Meet`.
    PersonAnswered,
    /// The media leg is with the person. Answered by the summary, and then by `Join`.
    PersonMet,
    /// Caller and person talk.
    PersonJoined,
    /// The person does not answer, or has hung up.
    PersonGone(Returned),
    /// The media leg is with the caller again.
    Resumed,
    /// A step of the hand-over failed; the call goes on.
    HandoverFailed {
        /// Bounded label.
        code: &'static str,
    },
    /// Everything of the call is released. Last input.
    Released,
    /// The caller began to speak at that moment (at the socket).
    SpeechStarted {
        /// First voiced sample.
        at: Instant,
    },
    /// The caller paused; the moment of the last voiced sample (at the socket).
    SpeechEnded {
        /// Last voiced sample.
        last_voiced: Instant,
    },
    /// A key was pressed: `0`-`9`, `*`, `#`, `A`-`D`.
    Digit(char),
    /// Keys may have been pressed, or may yet be, of which nobody tells.
    KeysMissed,
    /// Words that may change.
    Partial {
        /// All of them since the last ones that will not.
        text: MaskedText,
        /// How unlikely they are to change, where the listener says so.
        stability: Option<Stability>,
    },
    /// Words that will not change. May be empty.
    Final(MaskedText),
    /// The answer to `FinalizeHearing`.
    Finalized,
    /// The listener cannot go on.
    HearingFell {
        /// Bounded label.
        code: &'static str,
    },
    /// A piece of the agent's answer.
    AgentText {
        /// The turn that it answers.
        turn: TurnId,
        /// Words as the agent gave them, unmasked.
        text: String,
    },
    /// What the agent says of its answer besides words.
    AgentHints {
        /// The turn that it answers.
        turn: TurnId,
        /// What it says.
        hint: Hint,
    },
    /// The agent's answer is complete.
    AgentDone {
        /// The turn that it answers.
        turn: TurnId,
        /// What it wants besides speaking.
        command: Option<AgentCommand>,
    },
    /// The agent cannot answer.
    AgentFell {
        /// The turn that it does not answer.
        turn: TurnId,
        /// Bounded label.
        code: &'static str,
    },
    /// First samples of an utterance came from the speaker, or the first since they were [owed](Self::SpeechOwed).
    SpeechAudio {
        /// Whose samples.
        utterance: UtteranceId,
    },
    /// Nobody is heard, and the speaker was told more of an utterance than it has said.
    SpeechOwed {
        /// Which one.
        utterance: UtteranceId,
    },
    /// First audible sample of an utterance left at that moment.
    Audible {
        /// Which one.
        utterance: UtteranceId,
        /// At the socket.
        at: Instant,
    },
    /// The last sample of an utterance has left.
    UtteranceEnded {
        /// Which one.
        utterance: UtteranceId,
    },
    /// The answer to `Hush`: so much of it had been played, in milliseconds.
    Hushed {
        /// What was being played.
        utterance: UtteranceId,
        /// How much of it had left, in milliseconds.
        spoken_ms: u64,
    },
    /// The speaker cannot go on with this utterance.
    SpeakingFell {
        /// Which one.
        utterance: UtteranceId,
        /// Bounded label.
        code: &'static str,
    },
    /// Say goodbye and end.
    Drain,
    /// End now.
    Stop(EndCause),
}

impl CallInput {
    /// Bounded label of the input.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Offered => "offered",
            Self::Dialed => "dialed",
            Self::Up(_) => "up",
            Self::NotReached(_) => "not_reached",
            Self::ConversationOpened => "conversation_opened",
            Self::ConversationFailed { .. } => "conversation_failed",
            Self::MediaConnected => "media_connected",
            Self::Answered => "answered",
            Self::MediaRebuilt => "media_rebuilt",
            Self::SetUpFailed { .. } => "set_up_failed",
            Self::CallerGone => "caller_gone",
            Self::AsteriskLost => "asterisk_lost",
            Self::SayOrdered(_) => "say_ordered",
            Self::TransferOrdered(_) => "transfer_ordered",
            Self::TransferCalledOff => "transfer_called_off",
            Self::Advised(_) => "advised",
            Self::AdviceFailed { .. } => "advice_failed",
            Self::PersonAnswered => "person_answered",
            Self::PersonMet => "person_met",
            Self::PersonJoined => "person_joined",
            Self::PersonGone(_) => "person_gone",
            Self::Resumed => "resumed",
            Self::HandoverParted => "handover_parted",
            Self::HandoverProgress(_) => "handover_progress",
            Self::HandoverReturned(_) => "handover_returned",
            Self::HandoverFailed { .. } => "handover_failed",
            Self::Released => "released",
            Self::SpeechStarted { .. } => "speech_started",
            Self::SpeechEnded { .. } => "speech_ended",
            Self::Digit(_) => "digit",
            Self::KeysMissed => "keys_missed",
            Self::Partial { .. } => "partial",
            Self::Final(_) => "final",
            Self::Finalized => "finalized",
            Self::HearingFell { .. } => "hearing_fell",
            Self::AgentText { .. } => "agent_text",
            Self::AgentHints { .. } => "agent_hints",
            Self::AgentDone { .. } => "agent_done",
            Self::AgentFell { .. } => "agent_fell",
            Self::SpeechAudio { .. } => "speech_audio",
            Self::SpeechOwed { .. } => "speech_owed",
            Self::Audible { .. } => "audible",
            Self::UtteranceEnded { .. } => "utterance_ended",
            Self::Hushed { .. } => "hushed",
            Self::SpeakingFell { .. } => "speaking_fell",
            Self::Drain => "drain",
            Self::Stop(_) => "stop",
        }
    }
}
