//! A language model behind a server of chat completions, the protocol that most model servers speak
//! (<https://platform.openai.com/docs/api-reference/chat>). It keeps nothing of a conversation: the history is kept here, as the caller heard it.

mod history;
mod messages;

use super::memory::Memory;
use super::service::{Fault, Service};
use super::web::{Streamed, Web};
use crate::application::ports::{AgentProfile, ConversationRequest, HandoverAdvice, HandoverRequest, PastTurn, Question};
use history::History;
use messages::{ChatReader, Completion};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use vg_domain::ids::{ConversationId, TurnId};

/// See the module.
pub(super) struct ChatService {
    web: Web,
    model: String,
    system: String,
    history_turns: usize,
    histories: Mutex<Memory<History>>,
}

impl ChatService {
    /// `history_turns`: so many of a conversation's turns are told to the model.
    pub(super) fn new(web: Web, model: String, system: String, history_turns: usize) -> Self {
        Self { web, model, system, history_turns, histories: Mutex::default() }
    }

    fn histories(&self) -> MutexGuard<'_, Memory<History>> {
        // Every change is a whole one: what another task left is sound even if it panicked later.
        self.histories.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Service for ChatService {
    type Answer = Streamed<ChatReader>;

    async fn open(&self, request: &ConversationRequest, _: Duration) -> Result<ConversationId, Fault> {
        let conversation = ConversationId::new(format!("chat-{}", request.call));
        let history = History::new(&self.system, &request.settings.language, self.history_turns);
        self.histories().open(conversation.clone(), history);
        Ok(conversation)
    }

    async fn ask(&self, question: &Question, left: Duration) -> Result<Self::Answer, Fault> {
        let messages = {
            let mut histories = self.histories();
            let history = histories.get_mut(&question.conversation).ok_or(Fault::UnknownConversation)?;
            history.take(question);
            history.messages()
        };
        let url = self.web.url(&["chat", "completions"]);
        let body = Completion::new(&self.model, &messages);
        let answered = self.web.ask(question, url, &body, "text/event-stream, application/json;q=0.5", left).await;
        let response = answered.map_err(|fault| match fault {
            // The model or the path, which the operator wrote.
            Fault::UnknownConversation => Fault::Refused,
            fault => fault,
        })?;
        Streamed::new(response, ChatReader::new)
    }

    /// It has noticed the closed connection.
    async fn abort(&self, _: &Question) {}

    /// A model does nothing by answering.
    async fn commit(&self, _: &ConversationId, _: TurnId) {}

    async fn who(&self, _: &ConversationId, _: Duration) -> Result<AgentProfile, Fault> {
        Ok(AgentProfile { id: self.model.clone(), name: None })
    }

    async fn hand_over(&self, _: &HandoverRequest, _: Duration) -> Result<HandoverAdvice, Fault> {
        Err(Fault::Unsupported)
    }

    async fn connect(&self) {
        self.web.connect().await;
    }

    fn remember(&self, request: &ConversationRequest, conversation: &ConversationId, past: &[PastTurn]) {
        let mut history = History::new(&self.system, &request.settings.language, self.history_turns);
        past.iter().for_each(|turn| history.recall(turn));
        self.histories().open(conversation.clone(), history);
    }

    fn close(&self, conversation: &ConversationId) {
        self.histories().close(conversation);
    }
}
