//! The built-in agent: deterministic, needs no service, so that a first call works by itself.
//!
//! It greets, tells time, date and opening hours, looks up any order (they are all on their way), says things again, takes
//! "goodbye" and "human agent", and repeats whatever else it understood.

mod intent;

use super::memory::Memory;
use crate::application::ports::{Agent, AgentError, AgentEvent, ConversationRequest, PastTurn, Question};
use futures_util::future::{BoxFuture, FutureExt, ready};
use intent::Intent;
use jiff::Zoned;
use std::sync::{Mutex, PoisonError};
use tokio::sync::mpsc;
use vg_domain::call::AgentCommand;
use vg_domain::ids::ConversationId;

/// Pieces in which an answer streams.
const PIECES: usize = 3;

/// Tells the time where the caller is.
pub type Clock = Box<dyn Fn() -> Zoned + Send + Sync>;

/// See the module.
pub struct BuiltinAgent {
    clock: Clock,
    /// What was said last.
    memory: Mutex<Memory<String>>,
}

/// What it would answer now, in words alone, to whom it has told nothing yet.
pub(in crate::adapters) fn say(heard: &str) -> String {
    answer(heard, "", &Zoned::now()).text
}

/// An answer before it is cut into pieces.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Answer {
    text: String,
    command: Option<AgentCommand>,
}

impl BuiltinAgent {
    /// With the system's clock and time zone.
    pub fn new() -> Self {
        Self::with_clock(Box::new(Zoned::now))
    }

    /// With a clock of the caller's choice.
    pub fn with_clock(clock: Clock) -> Self {
        Self { clock, memory: Mutex::default() }
    }

    fn memory(&self) -> std::sync::MutexGuard<'_, Memory<String>> {
        // Every change below is a whole one: what another task left is sound even if it panicked later.
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take_question(&self, question: &Question) -> Result<mpsc::Receiver<AgentEvent>, AgentError> {
        let mut memory = self.memory();
        let said = memory.get_mut(&question.conversation).ok_or(AgentError::UnknownConversation)?;
        let answer = answer(question.text.as_str(), said, &(self.clock)());
        said.clone_from(&answer.text);
        // Room for all of it: nothing is left to send later, so no task is needed.
        let (sender, receiver) = mpsc::channel(PIECES + 1);
        let events = pieces(&answer.text).map(|piece| AgentEvent::Text(piece.to_owned()));
        for event in events.chain([AgentEvent::Done(answer.command)]) {
            sender.try_send(event).map_err(|_| AgentError::Unavailable)?;
        }
        Ok(receiver)
    }
}

impl Default for BuiltinAgent {
    fn default() -> Self {
        Self::new()
    }
}

impl Agent for BuiltinAgent {
    fn open(&self, request: ConversationRequest) -> BoxFuture<'_, Result<ConversationId, AgentError>> {
        let conversation = ConversationId::new(format!("builtin-{}", request.call));
        self.memory().open(conversation.clone(), request.settings.greeting.clone());
        ready(Ok(conversation)).boxed()
    }

    fn ask(&self, question: Question) -> BoxFuture<'_, Result<mpsc::Receiver<AgentEvent>, AgentError>> {
        ready(self.take_question(&question)).boxed()
    }

    fn remember(&self, request: &ConversationRequest, conversation: &ConversationId, past: &[PastTurn]) {
        let heard = past.last().map(|past| past.before.as_str()).filter(|before| !before.is_empty());
        self.memory().open(conversation.clone(), heard.unwrap_or(&request.settings.greeting).to_owned());
    }

    fn close(&self, conversation: &ConversationId) {
        self.memory().close(conversation);
    }
}

/// What to answer to `heard`, after `said`.
fn answer(heard: &str, said: &str, now: &Zoned) -> Answer {
    let text = match Intent::of(heard) {
        Intent::Goodbye => {
            return Answer { text: "Thank you for calling. Goodbye.".into(), command: Some(AgentCommand::HangUp) };
        }
        Intent::Human => {
            return Answer { text: "One moment, I connect you to a person.".into(), command: Some(AgentCommand::Human) };
        }
        Intent::Greeting => "Hello. How can I help you?".into(),
        Intent::Time => format!("It is {}.", spoken_time(now)),
        Intent::Date => format!("Today is {}.", now.strftime("%A, %B %-d")),
        Intent::Hours => "We are open Monday to Friday, from nine in the morning to six in the evening.".into(),
        Intent::Order(digits) => format!("Order {digits} is on its way, and arrives tomorrow."),
        Intent::OrderWithoutNumber => "Please tell me your order number.".into(),
        Intent::Repeat => said.to_owned(),
        Intent::Help => "You can ask for the time, our opening hours, or an order. Or ask for a human agent.".into(),
        Intent::Other => format!("You said: {}.", heard.trim().trim_end_matches('.')),
    };
    Answer { text, command: None }
}

/// `3:05 in the afternoon`: read well by any voice, which `15:05` is not.
fn spoken_time(now: &Zoned) -> String {
    let part = match now.hour() {
        0..=11 => "in the morning",
        12..=17 => "in the afternoon",
        18..=23 => "in the evening",
        _ => "",
    };
    match now.minute() {
        0 => format!("{} o'clock {part}", now.strftime("%-I")),
        _ => format!("{} {part}", now.strftime("%-I:%M")),
    }
}

/// The text in at most [`PIECES`] pieces, cut before words, as a streaming service would send it.
fn pieces(text: &str) -> impl Iterator<Item = &str> {
    let size = text.len().div_ceil(PIECES).max(1);
    let mut rest = text;
    (1..=PIECES).filter_map(move |piece| {
        let wanted = rest.char_indices().find(|(at, c)| *at >= size && *c == ' ').map_or(rest.len(), |(at, _)| at);
        let (head, tail) = rest.split_at(if piece == PIECES { rest.len() } else { wanted });
        rest = tail;
        (!head.is_empty()).then_some(head)
    })
}

#[cfg(test)]
mod tests;
