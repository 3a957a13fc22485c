//! The JSON of `docs/agent.md`. What comes from outside is bounded here and becomes a type that cannot be wrong.

use crate::adapters::agent::commands::{self, CardTold, Command, Hints, Place};
use crate::adapters::agent::service::{Fault, Piece};
use crate::adapters::agent::web::Reader;
use crate::application::ports::{AgentProfile, ConversationRequest, HandoverAdvice, HandoverRequest, Question, Said};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};
use vg_domain::ids::ConversationId;

/// Body of `POST /api/v1/conversations`.
#[derive(Serialize)]
pub(super) struct NewConversation<'a> {
    call_id: &'a str,
    tenant_id: &'a str,
    language: &'a str,
    caller_number: &'a str,
    callee_number: &'a str,
    direction: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    agent_id: Option<&'a str>,
    greeting: &'a str,
    metadata: &'a BTreeMap<String, String>,
}

impl<'a> NewConversation<'a> {
    pub(super) fn of(request: &'a ConversationRequest) -> Self {
        Self {
            call_id: request.call.as_str(),
            tenant_id: request.settings.tenant.as_str(),
            language: &request.settings.language,
            // The service is whom the caller talks to: it has to know who calls.
            caller_number: request.caller.reveal(),
            callee_number: request.dialled.reveal(),
            direction: request.direction.code(),
            agent_id: request.agent.as_deref(),
            greeting: &request.settings.greeting,
            metadata: &request.metadata,
        }
    }
}

#[derive(Deserialize)]
pub(super) struct Conversation {
    conversation_id: String,
}

impl Conversation {
    pub(super) fn id(self) -> Result<ConversationId, Fault> {
        commands::id(self.conversation_id).map(ConversationId::new)
    }
}

/// Body of `POST …/turns`.
#[derive(Serialize)]
pub(super) struct Turn<'a> {
    turn_id: u32,
    text: &'a str,
    heard: Vec<HeardLine<'a>>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    speculative: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    card: Option<CardTold<'a>>,
}

/// The question whose answer is no longer wanted: one of the same turn with other words stands.
#[derive(Serialize)]
pub(super) struct Unwanted<'a> {
    text: &'a str,
}

impl<'a> Unwanted<'a> {
    pub(super) fn of(question: &'a Question) -> Self {
        Self { text: question.text.as_str() }
    }
}

#[derive(Serialize)]
struct HeardLine<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    turn_id: Option<u32>,
    said: &'a str,
    heard: &'a str,
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    spoken_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    precision: Option<&'static str>,
}

impl<'a> Turn<'a> {
    pub(super) fn of(question: &'a Question) -> Self {
        let heard = question.said.iter().map(HeardLine::of).collect();
        let card = question.card.as_ref().map(CardTold::of);
        Self { turn_id: question.turn.0, text: question.text.as_str(), heard, speculative: question.speculative, card }
    }
}

impl<'a> HeardLine<'a> {
    fn of(said: &'a Said) -> Self {
        let (spoken_ms, precision) = said.reach.interruption().unzip();
        let (turn_id, state) = (said.turn.map(|turn| turn.0), said.reach.code());
        Self { turn_id, said: said.text.as_str(), heard: said.heard(), state, spoken_ms, precision }
    }
}

/// A document of a streamed answer. What is not known is passed over: services may say more than this gateway understands.
#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Event {
    Text {
        text: String,
        #[serde(flatten)]
        hints: Hints,
    },
    Done {
        #[serde(flatten)]
        hints: Hints,
        command: Option<Command>,
    },
    Error {},
    #[serde(other)]
    Other,
}

/// An answer in one document.
#[derive(Deserialize)]
struct Whole {
    #[serde(default)]
    text: String,
    #[serde(flatten)]
    hints: Hints,
    command: Option<Command>,
}

/// Reads answers.
pub(crate) enum TurnReader {
    Whole,
    Events,
}

impl TurnReader {
    pub(super) fn of(one_document: bool) -> Self {
        if one_document { Self::Whole } else { Self::Events }
    }
}

impl Reader for TurnReader {
    fn read(&mut self, document: &str, into: &mut VecDeque<Piece>) -> Result<(), Fault> {
        match self {
            Self::Whole => {
                let whole: Whole = serde_json::from_str(document).map_err(|_| Fault::Garbage)?;
                let command = whole.command.map(Command::parse).transpose()?;
                into.extend(whole.hints.pieces());
                into.push_back(Piece::Text(whole.text));
                into.push_back(Piece::Done(command));
            }
            Self::Events => match serde_json::from_str(document).map_err(|_| Fault::Garbage)? {
                Event::Text { text, hints } => {
                    into.extend(hints.pieces());
                    into.push_back(Piece::Text(text));
                }
                Event::Done { hints, command } => {
                    into.extend(hints.pieces());
                    into.push_back(Piece::Done(command.map(Command::parse).transpose()?));
                }
                Event::Error {} => return Err(Fault::Failed),
                Event::Other => {}
            },
        }
        Ok(())
    }
}

#[derive(Deserialize)]
pub(super) struct Profile {
    agent_id: String,
    name: Option<String>,
}

impl Profile {
    pub(super) fn parse(self) -> Result<AgentProfile, Fault> {
        Ok(AgentProfile { id: commands::id(self.agent_id)?, name: self.name.map(commands::summary) })
    }
}

/// Body of `POST …/transfer`.
#[derive(Serialize)]
pub(super) struct Handover<'a> {
    reason: &'static str,
    #[serde(flatten)]
    place: Option<Place<'a>>,
}

impl<'a> Handover<'a> {
    pub(super) fn of(request: &'a HandoverRequest) -> Self {
        Self { reason: request.reason.code(), place: request.wish.as_ref().map(Place::of) }
    }
}

/// Answer to it.
#[derive(Deserialize)]
pub(super) struct Advice {
    kind: Option<String>,
    target: Option<String>,
    mode: Option<String>,
    summary: Option<String>,
}

impl Advice {
    pub(super) fn parse(self) -> Result<HandoverAdvice, Fault> {
        commands::advice(self.kind.as_deref(), self.target, self.mode.as_deref(), self.summary)
    }
}

#[cfg(test)]
mod tests;
