//! The messages of `proto/agent.proto`, by hand: two dozen fields are no reason for a code generator in every build. The reference service of the
//! tests is generated from the file, so that the two cannot drift apart.

use crate::adapters::agent::commands::{self, CardTold, Hints, Place};
use crate::adapters::agent::service::{Fault, Piece};
use crate::application::ports::{AgentProfile, ConversationRequest, HandoverAdvice, HandoverRequest, Question, Said};
use prost::{Message, Oneof};
use std::collections::{HashMap, VecDeque};
use vg_domain::call::AgentCommand;

#[derive(Clone, PartialEq, Message)]
pub(super) struct NewConversation {
    #[prost(string, tag = "1")]
    call_id: String,
    #[prost(string, tag = "2")]
    tenant_id: String,
    #[prost(string, tag = "3")]
    language: String,
    #[prost(string, tag = "4")]
    caller_number: String,
    #[prost(string, tag = "5")]
    callee_number: String,
    #[prost(string, tag = "6")]
    agent_id: String,
    #[prost(string, tag = "7")]
    greeting: String,
    #[prost(map = "string, string", tag = "8")]
    metadata: HashMap<String, String>,
    #[prost(string, tag = "9")]
    direction: String,
}

impl NewConversation {
    pub(super) fn of(request: &ConversationRequest) -> Self {
        Self {
            call_id: request.call.as_str().to_owned(),
            tenant_id: request.settings.tenant.as_str().to_owned(),
            language: request.settings.language.clone(),
            // The service is whom the caller talks to: it has to know who calls.
            caller_number: request.caller.reveal().clone(),
            callee_number: request.dialled.reveal().clone(),
            agent_id: request.agent.clone().unwrap_or_default(),
            greeting: request.settings.greeting.clone(),
            metadata: request.metadata.clone().into_iter().collect(),
            direction: request.direction.code().to_owned(),
        }
    }
}

/// `Conversation` and `ConversationRef`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Conversation {
    #[prost(string, tag = "1")]
    pub(super) conversation_id: String,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Turn {
    #[prost(string, tag = "1")]
    conversation_id: String,
    #[prost(uint32, tag = "2")]
    turn_id: u32,
    #[prost(string, tag = "3")]
    text: String,
    #[prost(message, repeated, tag = "4")]
    heard: Vec<Heard>,
    #[prost(bool, tag = "5")]
    speculative: bool,
    #[prost(message, optional, tag = "6")]
    card: Option<Card>,
}

#[derive(Clone, PartialEq, Message)]
struct Card {
    #[prost(string, tag = "1")]
    outcome: String,
    #[prost(string, tag = "2")]
    token: String,
    #[prost(string, tag = "3")]
    last4: String,
    #[prost(string, tag = "4")]
    brand: String,
}

impl Card {
    fn of(told: CardTold<'_>) -> Self {
        let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
        let CardTold { outcome, token, last4, brand } = told;
        Self { outcome: outcome.to_owned(), token: text(token), last4: text(last4), brand: text(brand) }
    }
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct TurnRef {
    #[prost(string, tag = "1")]
    pub(super) conversation_id: String,
    #[prost(uint32, tag = "2")]
    pub(super) turn_id: u32,
}

#[derive(Clone, PartialEq, Message)]
struct Heard {
    #[prost(uint32, tag = "1")]
    turn_id: u32,
    #[prost(string, tag = "2")]
    said: String,
    #[prost(string, tag = "3")]
    heard: String,
    #[prost(string, tag = "4")]
    state: String,
    #[prost(uint64, optional, tag = "5")]
    spoken_ms: Option<u64>,
    #[prost(string, optional, tag = "6")]
    precision: Option<String>,
}

impl Turn {
    pub(super) fn of(question: &Question) -> Self {
        Self {
            conversation_id: question.conversation.as_str().to_owned(),
            turn_id: question.turn.0,
            text: question.text.as_str().to_owned(),
            heard: question.said.iter().map(Heard::of).collect(),
            speculative: question.speculative,
            card: question.card.as_ref().map(CardTold::of).map(Card::of),
        }
    }
}

impl Heard {
    fn of(said: &Said) -> Self {
        let (spoken_ms, precision) = said.reach.interruption().unzip();
        Self {
            turn_id: said.turn.map_or(0, |turn| turn.0),
            said: said.text.as_str().to_owned(),
            heard: said.heard().to_owned(),
            state: said.reach.code().to_owned(),
            spoken_ms,
            precision: precision.map(str::to_owned),
        }
    }
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct TurnEvent {
    #[prost(oneof = "Event", tags = "1, 2, 3")]
    event: Option<Event>,
}

#[derive(Clone, PartialEq, Oneof)]
enum Event {
    #[prost(string, tag = "1")]
    Text(String),
    #[prost(message, tag = "2")]
    Done(Done),
    #[prost(message, tag = "3")]
    Manner(Manner),
}

#[derive(Clone, PartialEq, Message)]
struct Manner {
    #[prost(bool, optional, tag = "1")]
    interruptible: Option<bool>,
    #[prost(string, tag = "2")]
    language: String,
    #[prost(uint32, optional, tag = "3")]
    hold_ms: Option<u32>,
}

#[derive(Clone, PartialEq, Message)]
struct Done {
    #[prost(message, optional, tag = "1")]
    command: Option<Command>,
    #[prost(string, tag = "2")]
    expect: String,
    #[prost(string, tag = "3")]
    intent: String,
    #[prost(uint32, optional, tag = "4")]
    wait_ms: Option<u32>,
}

#[derive(Clone, PartialEq, Message)]
struct Command {
    #[prost(oneof = "Action", tags = "1, 2, 3, 4, 5")]
    action: Option<Action>,
}

#[derive(Clone, PartialEq, Oneof)]
enum Action {
    #[prost(message, tag = "1")]
    HangUp(Empty),
    #[prost(message, tag = "2")]
    Human(Empty),
    #[prost(message, tag = "3")]
    Transfer(Transfer),
    #[prost(message, tag = "4")]
    CollectCard(CollectCard),
    #[prost(message, tag = "5")]
    Collect(Collect),
}

#[derive(Clone, PartialEq, Message)]
struct Collect {
    #[prost(uint32, tag = "1")]
    digits_max: u32,
    #[prost(string, tag = "2")]
    terminator: String,
    #[prost(uint32, optional, tag = "3")]
    first_ms: Option<u32>,
    #[prost(uint32, optional, tag = "4")]
    between_ms: Option<u32>,
}

#[derive(Clone, PartialEq, Message)]
struct CollectCard {
    #[prost(string, repeated, tag = "1")]
    fields: Vec<String>,
    #[prost(uint32, optional, tag = "2")]
    first_ms: Option<u32>,
    #[prost(uint32, optional, tag = "3")]
    between_ms: Option<u32>,
}

#[derive(Clone, Copy, PartialEq, Message)]
pub(super) struct Empty {}

/// `Transfer` and `HandoverAdvice`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Transfer {
    #[prost(string, tag = "1")]
    kind: String,
    #[prost(string, tag = "2")]
    target: String,
    #[prost(string, tag = "3")]
    mode: String,
    #[prost(string, tag = "4")]
    summary: String,
}

impl TurnEvent {
    /// Nothing of an event that this gateway does not know.
    pub(super) fn read(self, into: &mut VecDeque<Piece>) -> Result<(), Fault> {
        match self.event {
            None => {}
            Some(Event::Text(text)) => into.push_back(Piece::Text(text)),
            Some(Event::Manner(Manner { interruptible, language, hold_ms })) => {
                into.extend(Hints { interruptible, language: Some(language), hold_ms, ..Hints::default() }.pieces());
            }
            Some(Event::Done(Done { command, expect, intent, wait_ms })) => {
                into.extend(Hints { intent: Some(intent), expect: Some(expect), wait_ms, ..Hints::default() }.pieces());
                into.push_back(Piece::Done(command.map(Command::parse).transpose()?));
            }
        }
        Ok(())
    }
}

impl Command {
    fn parse(self) -> Result<AgentCommand, Fault> {
        match self.action.ok_or(Fault::Garbage)? {
            Action::HangUp(Empty {}) => Ok(AgentCommand::HangUp),
            Action::Human(Empty {}) => Ok(AgentCommand::Human),
            Action::Transfer(Transfer { kind, target, mode, summary }) => {
                commands::transfer(&kind, target, Some(&mode), Some(summary)).map(AgentCommand::Transfer)
            }
            Action::Collect(Collect { digits_max, terminator, first_ms, between_ms }) => {
                let terminator = Some(terminator.as_str()).filter(|key| !key.is_empty());
                commands::digits(digits_max, terminator, first_ms, between_ms).map(AgentCommand::Collect)
            }
            Action::CollectCard(CollectCard { fields, first_ms, between_ms }) => {
                commands::card(&fields, first_ms, between_ms).map(AgentCommand::CollectCard)
            }
        }
    }
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Profile {
    #[prost(string, tag = "1")]
    agent_id: String,
    #[prost(string, tag = "2")]
    name: String,
}

impl Profile {
    pub(super) fn parse(self) -> Result<AgentProfile, Fault> {
        let name = commands::summary(self.name);
        Ok(AgentProfile { id: commands::id(self.agent_id)?, name: (!name.is_empty()).then_some(name) })
    }
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Handover {
    #[prost(string, tag = "1")]
    conversation_id: String,
    #[prost(string, tag = "2")]
    reason: String,
    #[prost(message, optional, tag = "3")]
    wish: Option<Transfer>,
}

impl Handover {
    pub(super) fn of(request: &HandoverRequest) -> Self {
        let wish = request.wish.as_ref().map(Place::of).map(|Place { kind, target, mode, summary }| Transfer {
            kind: kind.to_owned(),
            target: target.to_owned(),
            mode: mode.to_owned(),
            summary: summary.unwrap_or_default().to_owned(),
        });
        Self { conversation_id: request.conversation.as_str().to_owned(), reason: request.reason.code().to_owned(), wish }
    }
}

impl Transfer {
    pub(super) fn advice(self) -> Result<HandoverAdvice, Fault> {
        let named = |text: String| (!text.is_empty()).then_some(text);
        commands::advice(named(self.kind).as_deref(), named(self.target), Some(&self.mode), Some(self.summary))
    }
}
