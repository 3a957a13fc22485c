//! Asking the agent: at most one answer streams at a time.

use super::clock::now;
use super::limits;
use super::ports::{
    Agent, AgentError, AgentEvent, CardReport, ConversationRequest, HandoverRequest, Kept, PastTurn, Question, Said, Vault,
    VaultError, VaultRequest,
};
use super::resume::Memory;
use super::said::Sayings;
use futures_util::future::{BoxFuture, FutureExt};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use vg_domain::card::CardKeyed;
use vg_domain::event::{AgentProfile, Fact};
use vg_domain::ids::{CallId, ConversationId, TenantId, TurnId};
use vg_domain::mask::MaskedText;
use vg_domain::pii::Pii;
use vg_domain::transfer::{HandoverAdvice, HandoverReason, Transfer};

/// What the agent did.
pub(super) enum Thought {
    Opened,
    OpenFailed(&'static str),
    Answer(TurnId, AgentEvent),
    /// Who answers in the conversation.
    Known(AgentProfile),
    Advice(Result<HandoverAdvice, &'static str>),
    /// What the vault did with a card; the agent is being asked.
    Card(Result<(), VaultError>),
}

/// A turn that tells what became of a card.
pub(super) struct CardQuestion {
    pub(super) turn: TurnId,
    pub(super) text: MaskedText,
    pub(super) card: CardKeyed,
    pub(super) tenant: TenantId,
}

/// A card on its way to the vault.
struct Keeping {
    turn: TurnId,
    text: MaskedText,
    last_four: Option<Pii<String>>,
    since: Instant,
    keeping: BoxFuture<'static, Result<Kept, VaultError>>,
}

enum State {
    Idle,
    Asking(TurnId, BoxFuture<'static, Result<mpsc::Receiver<AgentEvent>, AgentError>>),
    Answering(TurnId, mpsc::Receiver<AgentEvent>),
}

/// The way to a conversation.
enum Opening {
    /// None is asked for, or it is there.
    Over,
    First(ConversationRequest, BoxFuture<'static, Result<ConversationId, AgentError>>),
    /// The agent did not take it, and is asked until it does.
    Again(BoxFuture<'static, ConversationId>),
}

/// Something that is asked beside the answers; none where nothing is.
type Aside<T> = Option<BoxFuture<'static, Result<T, AgentError>>>;

/// One conversation with the agent.
pub(super) struct Thinker {
    agent: Arc<dyn Agent>,
    call: CallId,
    conversation: Option<ConversationId>,
    sayings: Sayings,
    /// The time for words of an answer.
    within: Duration,
    opening: Opening,
    state: State,
    lookup: Aside<AgentProfile>,
    advice: Aside<HandoverAdvice>,
    /// Asked before the agent is.
    keeping: Option<Keeping>,
    /// The agent is being told that a turn is over.
    committing: Option<BoxFuture<'static, ()>>,
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
    pub(super) fn new(agent: Arc<dyn Agent>, call: CallId, within: Duration) -> Self {
        Self {
            agent,
            call,
            conversation: None,
            sayings: Sayings::default(),
            within,
            opening: Opening::Over,
            state: State::Idle,
            lookup: None,
            advice: None,
            keeping: None,
            committing: None,
        }
    }

    /// As the agent names it, once it has.
    pub(super) fn conversation(&self) -> Option<&ConversationId> {
        self.conversation.as_ref()
    }

    /// Goes on in a conversation that another gateway has led; where the agent did not take it there, it is told of it here.
    pub(super) fn go_on(&mut self, request: ConversationRequest, conversation: Option<ConversationId>, memory: Memory) {
        self.sayings.remember(memory.said, memory.told, memory.past);
        match conversation {
            Some(conversation) => {
                self.agent.remember(&request, &conversation, self.sayings.past());
                self.look_up(&conversation);
                self.conversation = Some(conversation);
            }
            None => self.open(request),
        }
    }

    /// What another gateway would need to go on: the newest turns, what the agent was told with its last question and is to be told with its next one, and
    /// how much of that was the last one's.
    pub(super) fn memory(&self) -> (&[PastTurn], Vec<&Said>, usize) {
        let (said, told) = self.sayings.kept();
        (self.sayings.past(), said, told)
    }

    /// Takes a fact of the call: the agent is told what the caller heard.
    pub(super) fn note(&mut self, fact: &Fact) {
        self.sayings.note(fact);
    }

    /// Tells the agent of the conversation, within its budget; where that fails, again and again in the background.
    pub(super) fn open(&mut self, request: ConversationRequest) {
        let opening = open(Arc::clone(&self.agent), request.clone()).boxed();
        self.opening = Opening::First(request, opening);
    }

    /// Asks; an answer still under way is cancelled.
    pub(super) fn ask(&mut self, turn: TurnId, text: MaskedText) {
        self.put(turn, text, false, None);
    }

    /// Asks although the turn may go on.
    pub(super) fn speculate(&mut self, turn: TurnId, text: MaskedText) {
        self.put(turn, text, true, None);
    }

    /// Has the vault keep what was keyed in, and asks then.
    pub(super) fn ask_card(&mut self, question: CardQuestion, vault: Option<Arc<dyn Vault>>) {
        let CardQuestion { turn, text, card, tenant } = question;
        let (card, vault) = match (card, vault) {
            (CardKeyed::Given(card), Some(vault)) => (card, vault),
            (card @ CardKeyed::Given(_), None) => {
                drop(card);
                return self.put(turn, text, false, Some(CardReport::only(CardKeyed::NoVault.code())));
            }
            (other, _) => return self.put(turn, text, false, Some(CardReport::only(other.code()))),
        };
        self.state = State::Idle;
        let last_four = card.last_four().map(|digits| Pii::new(digits.to_owned()));
        let within = limits::VAULT_WITHIN.min(self.within / 2);
        let kept = vault.keep(VaultRequest { call: self.call.clone(), tenant, turn, card });
        let keeping = async move { tokio::time::timeout(within, kept).await.unwrap_or(Err(VaultError::Late)) }.boxed();
        self.keeping = Some(Keeping { turn, text, last_four, since: now(), keeping });
    }

    /// A card is on its way to the vault.
    pub(super) fn is_at_vault(&self) -> bool {
        self.keeping.is_some()
    }

    fn on_kept(&mut self, kept: Result<Kept, VaultError>) -> Thought {
        if let Some(Keeping { turn, text, last_four, since, .. }) = self.keeping.take() {
            let outcome = kept.as_ref().map_or_else(|error| error.code(), |_| "given");
            let last_four = last_four.filter(|_| kept.is_ok());
            let left = self.within.saturating_sub(now().saturating_duration_since(since));
            let report = CardReport { outcome, last_four, kept: kept.as_ref().ok().cloned() };
            self.put_within(left, turn, text, false, Some(report));
        }
        Thought::Card(kept.map(drop))
    }

    /// The turn with which it was asked is over: tells the agent, beside the answer.
    pub(super) fn commit(&mut self, turn: TurnId) {
        let (agent, conversation) = (Arc::clone(&self.agent), self.conversation.clone());
        let telling = async move {
            if let Some(conversation) = conversation {
                agent.commit(&conversation, turn).await;
            }
        };
        self.committing = Some(telling.boxed());
    }

    fn put(&mut self, turn: TurnId, text: MaskedText, speculative: bool, card: Option<CardReport>) {
        self.put_within(self.within, turn, text, speculative, card);
    }

    fn put_within(&mut self, within: Duration, turn: TurnId, text: MaskedText, speculative: bool, card: Option<CardReport>) {
        self.keeping = None;
        let agent = Arc::clone(&self.agent);
        let (call, conversation) = (self.call.clone(), self.conversation.clone());
        let said = self.sayings.told_with(turn);
        self.state = State::Asking(
            turn,
            Box::pin(async move {
                let conversation = conversation.ok_or(AgentError::UnknownConversation)?;
                agent.ask(Question { call, conversation, turn, text, said, within, speculative, card }).await
            }),
        );
    }

    /// The answer to that turn is no longer wanted.
    pub(super) fn cancel(&mut self, turn: TurnId) {
        self.keeping.take_if(|keeping| keeping.turn == turn);
        if matches!(&self.state, State::Asking(t, _) | State::Answering(t, _) if *t == turn) {
            self.state = State::Idle;
        }
    }

    /// Tells the agent that the caller is to be handed over, and asks what it knows of that. What was asked before is forgotten.
    pub(super) fn seek_advice(&mut self, reason: HandoverReason, wish: Option<Transfer>) {
        let (agent, conversation) = (Arc::clone(&self.agent), self.conversation.clone());
        let asking = async move {
            let conversation = conversation.ok_or(AgentError::UnknownConversation)?;
            agent.hand_over(HandoverRequest { conversation, reason, wish }).await
        };
        self.advice = Some(asking.boxed());
    }

    /// The next thing the agent does. Cancel-safe; pending while nothing is under way.
    pub(super) async fn next(&mut self) -> Thought {
        tokio::select! {
            biased;
            opened = self.opening.next() => self.on_opened(opened),
            advice = answer(&mut self.advice) => Thought::Advice(match advice {
                Ok(advice) => Ok(advice),
                // An agent that has no such verb leaves it to the gateway.
                Err(AgentError::Unsupported) => Ok(HandoverAdvice::default()),
                Err(error) => Err(error.code()),
            }),
            kept = kept(&mut self.keeping) => self.on_kept(kept),
            never = told(&mut self.committing) => match never {},
            profile = found(&mut self.lookup) => Thought::Known(profile),
            thought = self.state.next() => thought,
        }
    }

    /// Asks who answers; nobody waits for it.
    fn look_up(&mut self, conversation: &ConversationId) {
        let (agent, conversation) = (Arc::clone(&self.agent), conversation.clone());
        self.lookup = Some(async move { agent.who(&conversation).await }.boxed());
    }

    fn on_opened(&mut self, opened: Result<ConversationId, (ConversationRequest, AgentError)>) -> Thought {
        match opened {
            Ok(conversation) => {
                self.look_up(&conversation);
                self.conversation = Some(conversation);
                Thought::Opened
            }
            Err((request, error)) => {
                self.opening = Opening::Again(open_in_the_end(Arc::clone(&self.agent), request).boxed());
                Thought::OpenFailed(error.code())
            }
        }
    }
}

/// What was asked aside, once. Cancel-safe; pending while nothing is asked.
async fn answer<T>(aside: &mut Aside<T>) -> Result<T, AgentError> {
    let Some(asking) = aside else { return std::future::pending().await };
    let answer = asking.await;
    *aside = None;
    answer
}

/// What the vault does with a card. Cancel-safe; pending while there is none.
async fn kept(keeping: &mut Option<Keeping>) -> Result<Kept, VaultError> {
    match keeping {
        Some(Keeping { keeping, .. }) => keeping.await,
        None => std::future::pending().await,
    }
}

/// The same, where only an answer is news: who does not say who it is talks all the same.
async fn found<T>(aside: &mut Aside<T>) -> T {
    match answer(aside).await {
        Ok(found) => found,
        Err(_) => std::future::pending().await,
    }
}

/// Tells the agent something, of which nothing comes.
async fn told(telling: &mut Option<BoxFuture<'static, ()>>) -> Infallible {
    if let Some(under_way) = telling {
        under_way.await;
        *telling = None;
    }
    std::future::pending().await
}

async fn open(agent: Arc<dyn Agent>, request: ConversationRequest) -> Result<ConversationId, AgentError> {
    let opening = tokio::time::timeout(limits::CONVERSATION_BUDGET, agent.open(request));
    opening.await.unwrap_or(Err(AgentError::Unavailable))
}

async fn open_in_the_end(agent: Arc<dyn Agent>, request: ConversationRequest) -> ConversationId {
    let (mut pause, longest) = limits::CONVERSATION_PAUSES;
    loop {
        tokio::time::sleep(pause).await;
        if let Ok(conversation) = open(Arc::clone(&agent), request.clone()).await {
            return conversation;
        }
        pause = (pause * 2).min(longest);
    }
}

impl Opening {
    /// Cancel-safe; pending while nothing is under way.
    async fn next(&mut self) -> Result<ConversationId, (ConversationRequest, AgentError)> {
        let opened = match self {
            Self::Over => std::future::pending().await,
            Self::First(request, opening) => opening.await.map_err(|error| (request.clone(), error)),
            Self::Again(opening) => Ok(opening.await),
        };
        *self = Self::Over;
        opened
    }
}

impl State {
    async fn next(&mut self) -> Thought {
        loop {
            match self {
                Self::Idle => return std::future::pending().await,
                Self::Asking(turn, asking) => {
                    let (turn, result) = (*turn, asking.await);
                    match result {
                        Ok(answer) => *self = Self::Answering(turn, answer),
                        Err(error) => {
                            *self = Self::Idle;
                            return Thought::Answer(turn, AgentEvent::Fell(error.code()));
                        }
                    }
                }
                Self::Answering(turn, answer) => {
                    let turn = *turn;
                    let event = answer.recv().await.unwrap_or(AgentEvent::Fell("ended"));
                    if !matches!(event, AgentEvent::Text(_) | AgentEvent::Hint(_)) {
                        *self = Self::Idle;
                    }
                    return Thought::Answer(turn, event);
                }
            }
        }
    }
}
