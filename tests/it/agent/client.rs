//! An agent as the gateway has it, and what is put to it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use vg_domain::call::Hint;
use vg_domain::ids::{CallId, ConversationId, TurnId};
use vg_domain::mask::{Heard, Mask};
use vg_domain::parties::Direction;
use vg_domain::pii::Pii;
use vg_tests::rig::settings;
use voice_gateway::adapters::agent::{self, Chosen};
use voice_gateway::adapters::otlp::Traces;
use voice_gateway::adapters::tally::Tally;
use voice_gateway::application::ports::{Agent, AgentEvent, ConversationRequest, Question};
use voice_gateway::config::{Config, Machine};

/// What a caller of the gateway waits for words.
pub(super) const PATIENT: Duration = Duration::from_secs(10);
pub(super) const HASTY: Duration = Duration::from_millis(400);

/// An agent as the gateway builds it from its configuration, and what runs beside it.
pub(super) struct Client {
    pub(super) agent: Arc<dyn Agent>,
    pub(super) answers: Tally,
    close: CancellationToken,
    upkeep: tokio::task::JoinSet<()>,
}

impl Client {
    pub(super) fn of(toml: &str) -> Self {
        Self::traced(toml, Traces::Off)
    }

    pub(super) fn traced(toml: &str, traces: Traces) -> Self {
        let config = Config::parse(toml, [("TOKEN".to_owned(), "sesame".to_owned())], &Machine::here()).unwrap();
        let close = CancellationToken::new();
        let Chosen { agent, upkeep, answers } = agent::choose(&config.agent, traces, close.clone()).unwrap();
        let mut running = tokio::task::JoinSet::new();
        running.spawn(upkeep);
        Self { agent, answers, close, upkeep: running }
    }

    pub(super) async fn open(&self) -> ConversationId {
        self.agent.open(request("call-1")).await.unwrap()
    }

    pub(super) async fn ask(&self, question: Question) -> Answer {
        Answer::of(self.agent.ask(question).await.unwrap()).await
    }

    pub(super) async fn end(mut self) {
        self.close.cancel();
        while self.upkeep.join_next().await.is_some() {}
    }
}

/// An answer, to its end.
#[derive(Debug, PartialEq)]
pub(super) struct Answer {
    pub(super) text: String,
    /// What it says besides words, in order.
    pub(super) hints: Vec<Hint>,
    pub(super) end: AgentEvent,
}

impl Answer {
    async fn of(mut events: mpsc::Receiver<AgentEvent>) -> Self {
        let mut so_far = Self::done("");
        loop {
            match events.recv().await.expect("an answer has an end") {
                AgentEvent::Text(piece) => so_far.text.push_str(&piece),
                AgentEvent::Hint(hint) => so_far.hints.push(hint),
                end => return Self { end, ..so_far },
            }
        }
    }

    pub(super) fn done(text: &str) -> Self {
        Self { text: text.to_owned(), hints: Vec::new(), end: AgentEvent::Done(None) }
    }

    pub(super) fn fell(text: &str, code: &'static str) -> Self {
        Self { end: AgentEvent::Fell(code), ..Self::done(text) }
    }
}

pub(super) fn request(call: &str) -> ConversationRequest {
    ConversationRequest {
        direction: Direction::Inbound,
        call: CallId::new(call),
        settings: Arc::new(settings()),
        caller: Pii::new("+5511999998888".to_owned()),
        dialled: Pii::new("100".to_owned()),
        agent: None,
        metadata: BTreeMap::from([("campaign".to_owned(), "summer".to_owned())]),
    }
}

pub(super) fn question(conversation: &ConversationId, turn: u32, words: &str) -> Question {
    let text = Mask::new().mask_final(Heard::new(words.to_owned()));
    Question {
        call: CallId::new("call-1"),
        conversation: conversation.clone(),
        turn: TurnId(turn),
        text,
        said: Vec::new(),
        within: PATIENT,
        speculative: false,
        card: None,
    }
}
