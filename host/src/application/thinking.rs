//! Asking the agent: at most one answer streams at a time.

use super::limits;
use super::ports::{Agent, AgentError, AgentEvent, ConversationRequest, Question};
use super::said::Sayings;
use futures_util::future::BoxFuture;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use vg_domain::event::Fact;
use vg_domain::ids::{ConversationId, TurnId};
use vg_domain::mask::MaskedText;

/// What the agent did.
pub(super) enum Thought {
    Opened,
    OpenFailed(&'static str),
    Answer(TurnId, AgentEvent),
}

enum State {
    Idle,
    Opening(BoxFuture<'static, Result<ConversationId, AgentError>>),
    Asking(TurnId, BoxFuture<'static, Result<mpsc::Receiver<AgentEvent>, AgentError>>),
    Answering(TurnId, mpsc::Receiver<AgentEvent>),
}

/// One conversation with the agent.
pub(super) struct Thinker {
    agent: Arc<dyn Agent>,
    conversation: Option<ConversationId>,
    sayings: Sayings,
    /// The time for words of an answer.
    within: Duration,
    state: State,
}

impl Drop for Thinker {
    fn drop(&mut self) {
        if let Some(conversation) = &self.conversation {
            self.agent.close(conversation);
        }
    }
}

impl Thinker {
    /// `within`: the time for an answer's first words, and from one word to the next.
    pub(super) fn new(agent: Arc<dyn Agent>, within: Duration) -> Self {
        Self { agent, conversation: None, sayings: Sayings::default(), within, state: State::Idle }
    }

    /// Takes a fact of the call: the agent is told what the caller heard.
    pub(super) fn note(&mut self, fact: &Fact) {
        self.sayings.note(fact);
    }

    /// Tells the agent of the conversation, within its budget.
    pub(super) fn open(&mut self, request: ConversationRequest) {
        let agent = Arc::clone(&self.agent);
        self.state = State::Opening(Box::pin(async move {
            let opening = tokio::time::timeout(limits::CONVERSATION_BUDGET, agent.open(request));
            opening.await.unwrap_or(Err(AgentError::Unavailable))
        }));
    }

    /// Asks; an answer still under way is cancelled.
    pub(super) fn ask(&mut self, turn: TurnId, text: MaskedText) {
        let agent = Arc::clone(&self.agent);
        let conversation = self.conversation.clone();
        let (said, within) = (self.sayings.told_with(turn), self.within);
        self.state = State::Asking(
            turn,
            Box::pin(async move {
                let conversation = conversation.ok_or(AgentError::UnknownConversation)?;
                agent.ask(Question { conversation, turn, text, said, within }).await
            }),
        );
    }

    /// The answer to that turn is no longer wanted.
    pub(super) fn cancel(&mut self, turn: TurnId) {
        if matches!(&self.state, State::Asking(t, _) | State::Answering(t, _) if *t == turn) {
            self.state = State::Idle;
        }
    }

    /// The next thing the agent does. Cancel-safe; pending while nothing is under way.
    pub(super) async fn next(&mut self) -> Thought {
        loop {
            match &mut self.state {
                State::Idle => return std::future::pending().await,
                State::Opening(opening) => {
                    let result = opening.await;
                    self.state = State::Idle;
                    return match result {
                        Ok(conversation) => {
                            self.conversation = Some(conversation);
                            Thought::Opened
                        }
                        Err(error) => Thought::OpenFailed(error.code()),
                    };
                }
                State::Asking(turn, asking) => {
                    let (turn, result) = (*turn, asking.await);
                    match result {
                        Ok(answer) => self.state = State::Answering(turn, answer),
                        Err(error) => {
                            self.state = State::Idle;
                            return Thought::Answer(turn, AgentEvent::Fell(error.code()));
                        }
                    }
                }
                State::Answering(turn, answer) => {
                    let turn = *turn;
                    let event = answer.recv().await.unwrap_or(AgentEvent::Fell("ended"));
                    if !matches!(event, AgentEvent::Text(_)) {
                        self.state = State::Idle;
                    }
                    return Thought::Answer(turn, event);
                }
            }
        }
    }
}
