//! The agent-orchestrator by HTTP: `docs/agent.md` is the contract.

mod messages;

use super::service::{Fault, Service};
use super::web::{Streamed, Web};
use crate::application::ports::{AgentProfile, ConversationRequest, HandoverAdvice, HandoverRequest, Question};
use messages::{Advice, Conversation, Handover, NewConversation, Profile, Turn, TurnReader, Unwanted};
use reqwest::Method;
use std::time::Duration;
use url::Url;
use vg_domain::ids::{ConversationId, TurnId};

/// Streams are asked for first: their first word comes earlier.
const ACCEPT: &str = "text/event-stream, application/x-ndjson;q=0.9, application/json;q=0.5";
/// Where there is nothing to send.
const NO_BODY: Option<&()> = None;

/// See the module.
pub(super) struct HttpService {
    web: Web,
}

impl HttpService {
    pub(super) fn new(web: Web) -> Self {
        Self { web }
    }

    fn conversations(&self, rest: &[&str]) -> Url {
        self.web.url(&[&["api", "v1", "conversations"], rest].concat())
    }
}

impl Service for HttpService {
    type Answer = Streamed<TurnReader>;

    async fn open(&self, request: &ConversationRequest, left: Duration) -> Result<ConversationId, Fault> {
        let body = NewConversation::of(request);
        let opened = self.web.fetch(Method::POST, self.conversations(&[]), Some(&body), left).await;
        match opened {
            Ok(conversation) => Conversation::id(conversation),
            // Nothing was named that it could not know.
            Err(Fault::UnknownConversation) => Err(Fault::Refused),
            Err(fault) => Err(fault),
        }
    }

    async fn ask(&self, question: &Question, left: Duration) -> Result<Self::Answer, Fault> {
        let url = self.conversations(&[question.conversation.as_str(), "turns"]);
        let response = self.web.ask(question, url, &Turn::of(question), ACCEPT, left).await?;
        Streamed::new(response, TurnReader::of)
    }

    async fn abort(&self, question: &Question) {
        let url = self.conversations(&[question.conversation.as_str(), "turns", &question.turn.to_string(), "abort"]);
        // A service that does not know the verb has noticed the closed connection.
        let _ = self.web.send(Method::POST, url, Some(&Unwanted::of(question)), "application/json", Duration::ZERO).await;
    }

    async fn commit(&self, conversation: &ConversationId, turn: TurnId) {
        let url = self.conversations(&[conversation.as_str(), "turns", &turn.to_string(), "commit"]);
        // A service that does not know the verb takes every question for one.
        let _ = self.web.send(Method::POST, url, NO_BODY, "application/json", Duration::ZERO).await;
    }

    async fn who(&self, conversation: &ConversationId, left: Duration) -> Result<AgentProfile, Fault> {
        let url = self.conversations(&[conversation.as_str(), "agent"]);
        Profile::parse(self.web.fetch(Method::GET, url, NO_BODY, left).await?)
    }

    async fn hand_over(&self, request: &HandoverRequest, left: Duration) -> Result<HandoverAdvice, Fault> {
        let url = self.conversations(&[request.conversation.as_str(), "transfer"]);
        Advice::parse(self.web.fetch(Method::POST, url, Some(&Handover::of(request)), left).await?)
    }

    async fn connect(&self) {
        self.web.connect().await;
    }
}
