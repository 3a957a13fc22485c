//! The order of things in a session, as a pure value: what the guest is told next, what its owner is owed, when to wake.

use super::SessionEnd;
use super::roles::{Rank, Role, Said};
use crate::api::{AudioRoute, LinkEffect, LinkInput, SessionStart, Timer};
use crate::instance::SessionError;
use crate::limits::{IDLE_TIMER, LINKS_TRIED, LINKS_TRIED_IN, MAILBOX, OWED_EVENTS, TIMERS};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

struct Wake {
    id: u32,
    at: Instant,
    /// Asked for with 0 ms: waits for room.
    needs_room: bool,
}

pub(crate) struct Desk<R: Role> {
    inbox: VecDeque<R::Input>,
    /// Inputs of its owner so far.
    told: u64,
    /// What came from links, in its order; told before what the owner says.
    news: VecDeque<R::Input>,
    /// Events the owner has not taken yet. *Invariant:* while there are any, the guest gets only `cancel`, `end` and real timers.
    owed: VecDeque<R::Event>,
    timers: Vec<Wake>,
    /// What it wants of its links, in order, not carried out yet.
    asks: VecDeque<Ask>,
    links_tried: u32,
    counted_since: Option<Instant>,
    ending: bool,
}

/// Something for the session's door.
#[derive(Debug)]
pub(crate) enum Ask {
    Link(LinkEffect),
    Route(AudioRoute),
}

impl<R: Role> Desk<R> {
    pub(crate) fn new(start: SessionStart) -> Self {
        Self {
            inbox: VecDeque::from([R::start(start)]),
            told: 0,
            news: VecDeque::new(),
            owed: VecDeque::new(),
            timers: Vec::new(),
            asks: VecDeque::new(),
            links_tried: 0,
            counted_since: None,
            ending: false,
        }
    }

    /// Whether the mailbox may be emptied further.
    pub(crate) fn has_room(&self) -> bool {
        self.inbox.len() < MAILBOX && !self.ending
    }

    /// Takes an input in. What a `cancel` forgets is forgotten here, so that the guest never works on it.
    pub(crate) fn take_in(&mut self, input: R::Input) {
        self.told += 1;
        match R::rank(&input) {
            Rank::Foreign => return,
            Rank::Cancel => self.inbox.retain(|waiting| R::rank(waiting) != Rank::Forgettable),
            Rank::End => self.ending = true,
            Rank::Plain | Rank::Forgettable => {}
        }
        self.inbox.push_back(input);
    }

    /// The owner will say nothing more.
    pub(crate) fn input_closed(&mut self) {
        if !self.ending {
            self.take_in(R::end());
        }
    }

    /// What the guest is to be told now, if anything.
    pub(crate) fn next(&mut self, now: Instant) -> Option<R::Input> {
        if self.owed.is_empty() {
            let told = self.due(now, false).or_else(|| self.news.pop_front()).or_else(|| self.inbox.pop_front());
            told.or_else(|| self.due(now, true))
        } else {
            self.urgent().or_else(|| self.due(now, false))
        }
    }

    /// How many inputs of its owner were dealt with, where none of them waits.
    pub(crate) fn settled(&self) -> Option<u64> {
        self.inbox.is_empty().then_some(self.told)
    }

    /// When [`Desk::next`] may have something without any news.
    pub(crate) fn wake_at(&self) -> Option<Instant> {
        let blocked = !self.owed.is_empty();
        self.timers.iter().filter(|wake| !(blocked && wake.needs_room)).map(|wake| wake.at).min()
    }

    /// Books what the guest said at `now`.
    ///
    /// # Errors
    /// The session's end, after which the guest is not to be called again.
    pub(crate) fn book(&mut self, now: Instant, effects: Vec<R::Effect>) -> Result<(), SessionEnd> {
        let owed_before = self.owed.len();
        let mut at_once = Vec::new();
        for effect in effects {
            match R::said(effect) {
                Said::Event(event) => self.owed.push_back(event),
                Said::Events(events) => self.owed.extend(events),
                Said::Timer(Timer { id, delay_ms: 0 }) => at_once.push(id),
                Said::Timer(Timer { id, delay_ms }) => {
                    self.set(Wake { id, at: now + Duration::from_millis(delay_ms.into()), needs_room: false })?;
                }
                Said::Link(effect) => {
                    self.count_try(now, &effect)?;
                    self.asks.push_back(Ask::Link(effect));
                }
                Said::Route(route) => self.asks.push_back(Ask::Route(route)),
                Said::Done => return Err(SessionEnd::Done),
                Said::Fail(fault) => return Err(SessionEnd::Fault(fault)),
            }
        }
        let silent = self.owed.len() == owed_before;
        for id in at_once {
            let at = if silent { now + IDLE_TIMER } else { now };
            self.set(Wake { id, at, needs_room: true })?;
        }
        if self.owed.len() > OWED_EVENTS { Err(SessionEnd::Fell(SessionError::OutputLimit)) } else { Ok(()) }
    }

    /// Whether the owner is owed an event.
    pub(crate) fn owes(&self) -> bool {
        !self.owed.is_empty()
    }

    /// The next thing for the session's door.
    pub(crate) fn ask(&mut self) -> Option<Ask> {
        self.asks.pop_front()
    }

    /// News of a link, before what the owner says next. Only while nothing is owed: else the link is not read.
    pub(crate) fn take_news(&mut self, news: LinkInput) {
        self.news.push_back(R::link(news));
    }

    /// The next event for the owner.
    pub(crate) fn pay(&mut self) -> Option<R::Event> {
        self.owed.pop_front()
    }

    /// An event that the owner had no room for.
    pub(crate) fn owe_again(&mut self, event: R::Event) {
        self.owed.push_front(event);
    }

    fn urgent(&mut self) -> Option<R::Input> {
        let place = match self.inbox.front().map(R::rank) {
            Some(Rank::End) => 0,
            // Everything it would have to wait for is forgotten already.
            _ => self.inbox.iter().position(|input| R::rank(input) == Rank::Cancel)?,
        };
        self.inbox.remove(place)
    }

    fn due(&mut self, now: Instant, needs_room: bool) -> Option<R::Input> {
        let place = self.timers.iter().position(|wake| wake.needs_room == needs_room && wake.at <= now)?;
        Some(R::timer(self.timers.swap_remove(place).id))
    }

    fn set(&mut self, wake: Wake) -> Result<(), SessionEnd> {
        self.timers.retain(|other| other.id != wake.id);
        if self.timers.len() == TIMERS {
            return Err(SessionEnd::Fell(SessionError::TimerLimit));
        }
        self.timers.push(wake);
        Ok(())
    }

    /// Opening again and again is no way to reach a vendor.
    fn count_try(&mut self, now: Instant, effect: &LinkEffect) -> Result<(), SessionEnd> {
        if !matches!(effect, LinkEffect::Http(_) | LinkEffect::Websocket(_) | LinkEffect::Preconnect(_)) {
            return Ok(());
        }
        if self.counted_since.is_none_or(|since| now.saturating_duration_since(since) > LINKS_TRIED_IN) {
            (self.counted_since, self.links_tried) = (Some(now), 0);
        }
        self.links_tried += 1;
        if self.links_tried > LINKS_TRIED { Err(SessionEnd::Fell(SessionError::LinkLimit)) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests;
