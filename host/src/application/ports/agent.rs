//! Who thinks: the orchestrator, a language model, or the built-in agent.

use super::CardReport;
use futures_util::future::{BoxFuture, FutureExt, ready};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use vg_domain::call::{AgentCommand, Hint};
use vg_domain::ids::{CallId, ConversationId, TurnId};
use vg_domain::mask::MaskedText;
use vg_domain::parties::Direction;
use vg_domain::pii::Pii;
use vg_domain::speech::Extent;
use vg_domain::tenant::TenantSettings;
use vg_domain::transfer::Transfer;

pub use vg_domain::event::AgentProfile;
pub use vg_domain::transfer::{HandoverAdvice, HandoverReason};

/// Thinks.
pub trait Agent: Send + Sync {
    /// Tells the agent of a new conversation. Safe to repeat: the same call gets the same conversation.
    fn open(&self, request: ConversationRequest) -> BoxFuture<'_, Result<ConversationId, AgentError>>;
    /// Asks. The answer streams; dropping the receiver cancels it, and the agent is told.
    fn ask(&self, question: Question) -> BoxFuture<'_, Result<mpsc::Receiver<AgentEvent>, AgentError>>;

    /// The turn that was asked speculatively is over, with these words: its answer is being heard.
    fn commit(&self, _conversation: &ConversationId, _turn: TurnId) -> BoxFuture<'_, ()> {
        ready(()).boxed()
    }

    /// Who answers in that conversation.
    fn who(&self, _conversation: &ConversationId) -> BoxFuture<'_, Result<AgentProfile, AgentError>> {
        ready(Err(AgentError::Unsupported)).boxed()
    }

    /// The caller is to be handed over: tells the agent, and asks to whom and with which words.
    fn hand_over(&self, _request: HandoverRequest) -> BoxFuture<'_, Result<HandoverAdvice, AgentError>> {
        ready(Err(AgentError::Unsupported)).boxed()
    }

    /// Another gateway has led that conversation until now. An agent that keeps conversations in this process takes this for what it remembers; one that
    /// has them elsewhere has nothing to do. Must not block.
    fn remember(&self, _request: &ConversationRequest, _conversation: &ConversationId, _past: &[PastTurn]) {}

    /// The call is over: what is remembered of the conversation may be forgotten. Must not block.
    fn close(&self, _conversation: &ConversationId) {}
}

/// A new conversation.
#[derive(Clone, Debug)]
pub struct ConversationRequest {
    /// The call.
    pub call: CallId,
    /// Whose.
    pub settings: Arc<TenantSettings>,
    /// The person's number.
    pub caller: Pii<String>,
    /// The number on this side: dialled by the person, or shown to the person.
    pub dialled: Pii<String>,
    /// Which agent is wished for; none for the tenant's own.
    pub agent: Option<String>,
    /// What came with the call.
    pub metadata: BTreeMap<String, String>,
    /// Who began the call.
    pub direction: Direction,
}

/// What the caller said.
#[derive(Clone, Debug)]
pub struct Question {
    /// Of which call.
    pub call: CallId,
    /// The conversation.
    pub conversation: ConversationId,
    /// Idempotent within the conversation: the same turn with the same words is a repetition; with other words it takes the place of what was asked
    /// before, since the caller went on after a pause.
    pub turn: TurnId,
    /// Masked words.
    pub text: MaskedText,
    /// What the gateway has said since the turn before, oldest first.
    pub said: Vec<Said>,
    /// The time for the first words, and from one word to the next.
    pub within: Duration,
    /// The turn is not over: nobody hears the answer unless [`Agent::commit`] follows, so that nothing may be done yet that cannot be undone.
    pub speculative: bool,
    /// What became of the card that the agent asked for, where the turn tells that.
    pub card: Option<CardReport>,
}

/// A turn of a conversation that another gateway has led.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PastTurn {
    /// Which one.
    pub turn: TurnId,
    /// What the caller had heard before it.
    pub before: MaskedText,
    /// What the caller said.
    pub words: MaskedText,
}

/// Something that the gateway said, and how far the caller heard it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// The turn that it answered; none for a greeting or one of the gateway's own lines.
    pub turn: Option<TurnId>,
    /// All of it, as it was given to be spoken.
    pub text: MaskedText,
    /// How far it was heard.
    pub reach: Reach,
}

/// How far the caller heard something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// To its end, or further than is known.
    Whole,
    /// The caller spoke over it.
    Interrupted {
        /// So much of it had left, in milliseconds, where that is known.
        spoken_ms: Option<u64>,
        /// Which words that were.
        extent: Extent,
    },
    /// The speaker fell, and the built-in recording stood for what was left of it.
    Lost,
}

impl Reach {
    /// Bounded label, as the protocol writes it.
    pub fn code(self) -> &'static str {
        match self {
            Self::Whole => "whole",
            Self::Interrupted { .. } => "interrupted",
            Self::Lost => "lost",
        }
    }

    /// So much of it had left, in milliseconds, and how it is known which words those were: `exact` or `interpolated`. None where it was not
    /// interrupted, or only that is known.
    pub fn interruption(self) -> Option<(u64, &'static str)> {
        match self {
            Self::Interrupted { spoken_ms, extent } => Some((spoken_ms?, extent.code())),
            Self::Whole | Self::Lost => None,
        }
    }
}

impl Said {
    /// The words that the caller heard, cut before a word. Where it was interrupted and the voice did not tell the places of its words, an estimate:
    /// it is taken to speak 15 characters a second.
    pub fn heard(&self) -> &str {
        let text = self.text.as_str();
        let to = match self.reach {
            Reach::Whole => return text,
            Reach::Interrupted { spoken_ms, extent } => extent.cut(text, spoken_ms.unwrap_or(0)),
            Reach::Lost => 0,
        };
        text[..to].trim_end()
    }
}

/// A piece of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AgentEvent {
    /// More words.
    Text(String),
    /// What it says of the answer besides words.
    Hint(Hint),
    /// The answer is complete; last event.
    Done(Option<AgentCommand>),
    /// The answer will not be completed; last event. Bounded code.
    Fell(&'static str),
}

/// The caller is to be handed over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HandoverRequest {
    /// The conversation.
    pub conversation: ConversationId,
    /// Whose wish it is.
    pub reason: HandoverReason,
    /// To whom and how, where that is known.
    pub wish: Option<Transfer>,
}

/// Why the agent did not do what it was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AgentError {
    /// Not reachable, or an error of the service.
    #[error("agent is unavailable")]
    Unavailable,
    /// It does not know the conversation.
    #[error("agent does not know the conversation")]
    UnknownConversation,
    /// It does not know the verb.
    #[error("agent cannot do that")]
    Unsupported,
    /// Another reason; bounded code.
    #[error("agent failed: {0}")]
    Failed(&'static str),
}

impl AgentError {
    /// Bounded label.
    pub fn code(self) -> &'static str {
        match self {
            Self::Unavailable => "unavailable",
            Self::UnknownConversation => "unknown_conversation",
            Self::Unsupported => "unsupported",
            Self::Failed(code) => code,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use vg_domain::mask::Mask;

    fn heard(text: &str, reach: Reach) -> String {
        Said { turn: None, text: Mask::new().mask_agent(text), reach }.heard().to_owned()
    }

    #[test]
    fn what_was_heard_is_cut_before_a_word() {
        let cut = |spoken_ms| Reach::Interrupted { spoken_ms: Some(spoken_ms), extent: Extent::Interpolated };
        let text = "Your parcel is on its way, and arrives tomorrow.";
        assert_eq!(heard(text, Reach::Whole), text);
        assert_eq!(heard(text, cut(0)), "");
        assert_eq!(heard(text, cut(200)), "");
        assert_eq!(heard(text, cut(734)), "Your parcel", "exactly at a word's end");
        assert_eq!(heard(text, cut(1_000)), "Your parcel is");
        assert_eq!(heard(text, cut(u64::MAX)), text);
        assert_eq!(heard("Não, à tarde é ótimo.", cut(400)), "Não, à");
        assert_eq!(heard(text, Reach::Interrupted { spoken_ms: None, extent: Extent::Interpolated }), "");
        let exact = |chars| Reach::Interrupted { spoken_ms: Some(400), extent: Extent::Exact { chars } };
        assert_eq!(heard(text, exact(14)), "Your parcel is");
        assert_eq!(heard("N\u{e3}o, \u{e0} tarde.", exact(6)), "N\u{e3}o, \u{e0}");
        assert_eq!(heard(text, exact(usize::MAX)), text);
        assert_eq!(heard(text, Reach::Lost), "");
    }
}
