//! What consoles and the API may read: cards of calls that are up or ended lately, what was said in them (masked), and a log of events that can be
//! read on from any place that is still kept. Everything is scoped by a tenant.
//!
//! All of it is bounded: who reads slowly or comes late is told of the gap, nobody is waited for.

mod log;
mod telling;
mod timeline;

pub use log::{Event, Place, Reading};
pub use telling::{Data, Value, event, without_words};
pub use timeline::{Fallen, Handed, Step, Timeline, Waits};

use super::limits;
pub use super::ports::CallState;
use super::ports::{Facts, Subject};
use log::Log;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;
use tokio::sync::watch;
use vg_domain::event::{AgentProfile, Fact, Worker};
use vg_domain::ids::{CallId, DidId, PluginId, TenantId, TrunkId, TurnId, UtteranceId};
use vg_domain::mask::MaskedText;
use vg_domain::outcome::{EndCause, Outcome};
use vg_domain::parties::{Direction, Parties};
use vg_domain::usage::Usage;

/// Takes what calls tell, and answers what was told lately.
pub struct Desk {
    inner: Mutex<Inner>,
}

/// A call as others see it. Holds neither numbers nor words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Card {
    /// Its name.
    pub call: CallId,
    /// Who began it.
    pub direction: Direction,
    /// The tenant's number that was dialled, by its id, where the tenant lists its numbers.
    pub did: Option<DidId>,
    /// The tenant's trunk by which it came, where the tenant lists its trunks.
    pub trunk: Option<TrunkId>,
    /// How it stands.
    pub state: CallState,
    /// When it was offered.
    pub started_at: SystemTime,
    /// When it was answered, where it was.
    pub answered_at: Option<SystemTime>,
    /// How it ended, where it has.
    pub ended: Option<Ended>,
    /// Who answers, where the agent has said so.
    pub agent: Option<AgentProfile>,
    /// Turns that got an answer.
    pub turns: u32,
    /// What speech providers have worked, told shortly before the end. *Invariant:* one of each plugin in each role.
    pub used: Vec<Worked>,
    /// Counts from 1 in the order in which the tenant's calls began.
    number: u64,
}

/// What a speech provider has worked for a call, by its own count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Worked {
    /// As what.
    pub who: Worker,
    /// Which one.
    pub plugin: PluginId,
    /// How much.
    pub usage: Usage,
}

/// The end of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended {
    /// When.
    pub at: SystemTime,
    /// Why.
    pub cause: EndCause,
}

/// Something that was said in a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// When it was known.
    pub at: SystemTime,
    /// Who said it.
    pub who: Speaker,
    /// Masked words.
    pub text: String,
}

/// Who said a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speaker {
    /// The caller, in a turn: told again, longer, where the caller went on.
    Caller(TurnId),
    /// The gateway.
    Agent(UtteranceId),
}

/// What was said in a call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Transcript {
    /// In the order in which it was said.
    pub lines: VecDeque<Line>,
    /// Earlier lines were dropped: a transcript is bounded.
    pub cut: bool,
    bytes: usize,
}

/// A page of calls, newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// The calls.
    pub cards: Vec<Card>,
    /// Where the next page begins; none on the last.
    pub next: Option<u64>,
}

#[derive(Default)]
struct Inner {
    shelves: HashMap<TenantId, Shelf>,
    numbers: HashMap<CallId, (TenantId, u64)>,
    /// Ended calls in the order of their ends.
    ended: VecDeque<(TenantId, u64)>,
    ended_bytes: usize,
    log: Log,
}

/// Calls of a tenant. It stays when the last is forgotten, for numbers are not given twice.
#[derive(Default)]
struct Shelf {
    begun: u64,
    calls: BTreeMap<u64, Kept>,
}

struct Kept {
    card: Card,
    transcript: Transcript,
    timeline: Timeline,
}

impl Desk {
    /// Nothing was told yet. `epoch` tells this process's events from those of another: no two may share one.
    pub fn new(epoch: impl Into<String>) -> Self {
        Self { inner: Mutex::new(Inner { log: Log::new(epoch.into()), ..Inner::default() }) }
    }

    /// Calls of a tenant, newest first: at most `limit`, of those that began before `before` (none: of all), in that state (none: in any).
    pub fn calls(&self, tenant: &TenantId, state: Option<CallState>, before: Option<u64>, limit: usize) -> Page {
        let inner = self.lock();
        let Some(shelf) = inner.shelves.get(tenant) else { return Page::default() };
        let fits = shelf.calls.range(..before.unwrap_or(u64::MAX)).rev().map(|(_, kept)| &kept.card);
        let mut fits = fits.filter(|card| state.is_none_or(|state| card.state == state));
        let cards: Vec<Card> = fits.by_ref().take(limit).cloned().collect();
        let next = fits.next().and_then(|_| cards.last().map(|card| card.number));
        Page { cards, next }
    }

    /// One call of a tenant.
    pub fn call(&self, tenant: &TenantId, call: &CallId) -> Option<Card> {
        self.lock().kept(tenant, call).map(|kept| kept.card.clone())
    }

    /// What was said in a call of a tenant.
    pub fn transcript(&self, tenant: &TenantId, call: &CallId) -> Option<Transcript> {
        self.lock().kept(tenant, call).map(|kept| kept.transcript.clone())
    }

    /// What explains a call of a tenant.
    pub fn explain(&self, tenant: &TenantId, call: &CallId) -> Option<(Card, Timeline)> {
        self.lock().kept(tenant, call).map(|kept| (kept.card.clone(), kept.timeline.clone()))
    }

    /// Events of a tenant that follow `after`, at most `limit`.
    pub fn read(&self, tenant: &TenantId, after: &Place, limit: usize) -> Reading {
        self.lock().log.read(tenant, after, limit)
    }

    /// The place of a tenant's newest event: what follows it is what happens from now on.
    pub fn newest(&self, tenant: &TenantId) -> Place {
        self.lock().log.newest(tenant)
    }

    /// Changes with each event of a tenant.
    pub fn changes(&self, tenant: &TenantId) -> watch::Receiver<u64> {
        self.lock().log.changes(tenant)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Nothing panics while it is held.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Facts for Desk {
    fn publish(&self, subject: Subject<'_>, fact: &Fact) {
        let Subject { call, tenant, .. } = subject;
        // Words that may still change come often, and are not for others.
        if let Fact::Hearing { .. } = fact {
            return;
        }
        let now = SystemTime::now();
        let mut inner = self.lock();
        inner.note(call, tenant, fact, now);
        if let Some((kind, data)) = telling::event(fact) {
            inner.log.add(subject, now, kind, data);
        }
    }
}

impl Inner {
    fn kept(&self, tenant: &TenantId, call: &CallId) -> Option<&Kept> {
        let (owner, number) = self.numbers.get(call)?;
        (owner == tenant).then(|| self.shelves.get(owner)?.calls.get(number)).flatten()
    }

    fn note(&mut self, call: &CallId, tenant: &TenantId, fact: &Fact, now: SystemTime) {
        if let Fact::Started(parties) | Fact::Adopted { parties, .. } = fact
            && !self.numbers.contains_key(call)
        {
            self.begin(call, tenant, parties, now);
        }
        let Some((owner, number)) = self.numbers.get(call).filter(|(owner, _)| owner == tenant) else { return };
        let Some(kept) = self.shelves.get_mut(owner).and_then(|shelf| shelf.calls.get_mut(number)) else { return };
        if kept.card.ended.is_some() {
            return;
        }
        kept.timeline.note(now, fact);
        match fact {
            Fact::Adopted { .. } => kept.card.state = CallState::Active,
            // It is another gateway's to be read.
            Fact::TakenOver => {
                let (owner, number) = (owner.clone(), *number);
                self.numbers.remove(call);
                self.shelves.entry(owner).and_modify(|shelf| _ = shelf.calls.remove(&number));
            }
            Fact::Answered(_) => {
                kept.card.answered_at = Some(now);
                kept.card.state = CallState::Answered;
            }
            Fact::Heard { turn, text } => kept.said(now, Speaker::Caller(*turn), text),
            Fact::Saying { utterance, text } => kept.said(now, Speaker::Agent(*utterance), text),
            Fact::Agent(profile) => kept.card.agent = Some(profile.clone()),
            Fact::Turn(_) => kept.card.turns += 1,
            Fact::Used { who, plugin, usage } => kept.used(*who, plugin, *usage),
            Fact::Ended(outcome) => {
                let place = (owner.clone(), *number);
                self.ended_bytes += kept.end(outcome, now);
                self.ended.push_back(place);
                self.forget_the_oldest();
            }
            _ => {}
        }
    }

    fn begin(&mut self, call: &CallId, tenant: &TenantId, parties: &Parties, now: SystemTime) {
        let shelf = self.shelves.entry(tenant.clone()).or_default();
        if self.numbers.len() >= limits::DESK_CALLS
            && let Some((_, kept)) = shelf.calls.pop_first()
        {
            self.numbers.remove(&kept.card.call);
            if kept.card.ended.is_some() {
                self.ended_bytes = self.ended_bytes.saturating_sub(kept.bytes());
            }
        }
        shelf.begun += 1;
        let number = shelf.begun;
        let card = Card {
            call: call.clone(),
            direction: parties.direction,
            did: parties.did.clone(),
            trunk: parties.trunk.clone(),
            state: CallState::Ringing,
            started_at: now,
            answered_at: None,
            ended: None,
            agent: None,
            turns: 0,
            used: Vec::new(),
            number,
        };
        self.numbers.insert(call.clone(), (tenant.clone(), number));
        shelf.calls.insert(number, Kept { card, transcript: Transcript::default(), timeline: Timeline::default() });
    }

    fn forget_the_oldest(&mut self) {
        while self.ended.len() > limits::DESK_ENDED_CALLS || self.ended_bytes > limits::DESK_ENDED_BYTES {
            let Some((tenant, number)) = self.ended.pop_front() else { return };
            if let Some(kept) = self.shelves.get_mut(&tenant).and_then(|shelf| shelf.calls.remove(&number)) {
                self.ended_bytes = self.ended_bytes.saturating_sub(kept.bytes());
                self.numbers.remove(&kept.card.call);
            }
        }
    }
}

impl Kept {
    fn said(&mut self, at: SystemTime, who: Speaker, text: &MaskedText) {
        if self.card.state == CallState::Answered {
            self.card.state = CallState::Active;
        }
        self.transcript.add(at, who, text.as_str());
    }

    fn used(&mut self, who: Worker, plugin: &PluginId, usage: Usage) {
        match self.card.used.iter_mut().find(|known| known.who == who && known.plugin == *plugin) {
            Some(known) => known.usage.add(usage),
            None => self.card.used.push(Worked { who, plugin: plugin.clone(), usage }),
        }
    }

    /// How many bytes it keeps from now on.
    fn end(&mut self, outcome: &Outcome, at: SystemTime) -> usize {
        self.card.state = match outcome.cause {
            EndCause::Transferred => CallState::Transferred,
            _ => CallState::Ended,
        };
        self.card.turns = outcome.turns;
        self.card.ended = Some(Ended { at, cause: outcome.cause });
        self.bytes()
    }

    fn bytes(&self) -> usize {
        self.transcript.bytes + self.timeline.bytes() + size_of_val(self.card.used.as_slice())
    }
}

impl Transcript {
    fn add(&mut self, at: SystemTime, who: Speaker, text: &str) {
        match self.lines.back_mut().filter(|last| last.who == who) {
            // A turn is told as a whole each time, an utterance clause by clause.
            Some(last) if matches!(who, Speaker::Caller(_)) => {
                self.bytes = self.bytes - last.text.len() + text.len();
                text.clone_into(&mut last.text);
            }
            Some(last) => {
                last.text.push_str(if last.text.ends_with(char::is_whitespace) { "" } else { " " });
                last.text.push_str(text);
                self.bytes = self.lines.iter().map(|line| line.text.len()).sum();
            }
            None => {
                self.bytes += text.len();
                self.lines.push_back(Line { at, who, text: text.to_owned() });
            }
        }
        while self.bytes > limits::DESK_TRANSCRIPT_BYTES || self.lines.len() > limits::DESK_TRANSCRIPT_LINES {
            let Some(first) = self.lines.pop_front() else { return };
            self.bytes -= first.text.len();
            self.cut = true;
        }
    }
}

#[cfg(test)]
mod tests;
