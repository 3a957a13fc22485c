//! What an agent elsewhere can do, whatever it speaks, and what can go wrong with it.

use crate::application::ports::{
    AgentError, AgentProfile, ConversationRequest, HandoverAdvice, HandoverRequest, PastTurn, Question,
};
use std::future::Future;
use std::time::Duration;
use vg_domain::call::{AgentCommand, Hint};
use vg_domain::ids::{ConversationId, TurnId};

/// An agent elsewhere: one try of each verb, without patience. `left` is the time in which the answer is of use.
pub(super) trait Service: Send + Sync + 'static {
    /// An answer that is on its way. Dropping it closes the way.
    type Answer: Answer;

    fn open(&self, request: &ConversationRequest, left: Duration) -> impl Future<Output = Result<ConversationId, Fault>> + Send;

    fn ask(&self, question: &Question, left: Duration) -> impl Future<Output = Result<Self::Answer, Fault>> + Send;

    /// Tells that the answer is no longer wanted.
    fn abort(&self, question: &Question) -> impl Future<Output = ()> + Send;

    /// Tells that the turn which was asked speculatively is over.
    fn commit(&self, conversation: &ConversationId, turn: TurnId) -> impl Future<Output = ()> + Send;

    fn who(&self, conversation: &ConversationId, left: Duration) -> impl Future<Output = Result<AgentProfile, Fault>> + Send;

    fn hand_over(&self, request: &HandoverRequest, left: Duration) -> impl Future<Output = Result<HandoverAdvice, Fault>> + Send;

    /// Makes a connection where there is none, so that the next call finds one.
    fn connect(&self) -> impl Future<Output = ()> + Send;

    /// Another gateway has led the conversation until now.
    fn remember(&self, _request: &ConversationRequest, _conversation: &ConversationId, _past: &[PastTurn]) {}

    fn close(&self, _conversation: &ConversationId) {}
}

/// An answer that is on its way.
pub(super) trait Answer: Send {
    /// The next piece; none where the way has ended. Cancel-safe.
    fn next(&mut self) -> impl Future<Output = Result<Option<Piece>, Fault>> + Send;
}

/// A piece of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// More words.
    Text(String),
    /// What it says of the answer besides words.
    Hint(Hint),
    /// It is complete.
    Done(Option<AgentCommand>),
}

/// What went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Fault {
    /// It has too much to do, and says when to come again where it does.
    #[error("agent has too much to do")]
    RateLimited(Option<Duration>),
    /// No connection, or an error of the service.
    #[error("agent is unavailable")]
    Unavailable,
    /// The answer broke off.
    #[error("answer broke off")]
    Cut,
    /// No word in time, or the whole was not complete in time.
    #[error("answer is late")]
    Deadline,
    /// The answer makes no sense.
    #[error("answer makes no sense")]
    Garbage,
    /// The answer is longer than anybody would listen to.
    #[error("answer is too long")]
    TooLong,
    /// The conversation is unknown.
    #[error("agent does not know the conversation")]
    UnknownConversation,
    /// The token is not accepted.
    #[error("agent does not accept the token")]
    Unauthorized,
    /// The request was refused for another reason.
    #[error("agent refused")]
    Refused,
    /// The service says that it failed.
    #[error("agent failed")]
    Failed,
    /// The service does not know the verb.
    #[error("agent cannot do that")]
    Unsupported,
}

impl Fault {
    /// Bounded label.
    pub(super) fn code(self) -> &'static str {
        match self {
            Self::RateLimited(_) => "rate_limited",
            Self::Unavailable => "unavailable",
            Self::Cut => "cut",
            Self::Deadline => "deadline",
            Self::Garbage => "garbage",
            Self::TooLong => "too_long",
            Self::UnknownConversation => "unknown_conversation",
            Self::Unauthorized => "unauthorized",
            Self::Refused => "refused",
            Self::Failed => "agent_failed",
            Self::Unsupported => "unsupported",
        }
    }

    /// What the status of an HTTP answer means.
    pub(super) fn of_status(status: u16, retry_after: Option<Duration>) -> Self {
        match status {
            401 | 403 => Self::Unauthorized,
            404 | 410 => Self::UnknownConversation,
            408 | 504 => Self::Unavailable,
            429 => Self::RateLimited(retry_after),
            501 => Self::Unsupported,
            500.. => Self::Unavailable,
            _ => Self::Refused,
        }
    }
}

impl From<Fault> for AgentError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Unavailable => Self::Unavailable,
            Fault::UnknownConversation => Self::UnknownConversation,
            Fault::Unsupported => Self::Unsupported,
            other => Self::Failed(other.code()),
        }
    }
}
