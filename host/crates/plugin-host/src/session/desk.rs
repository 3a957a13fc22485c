//! The order of things in a session, as a pure value: what the guest is told next, what its owner is owed, when to wake.

use super::SessionEnd;
use super::roles::{Rank, Role, Said};
use crate::api::{LinkEffect, LinkInput, SessionStart, Timer};
use crate::counters::{Counters, count};
use crate::instance::SessionError;
use crate::limits::{IDLE_TIMER, LINKS_TRIED, MAILBOX, OWED_EVENTS, TIMERS};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

struct Wake {
    id: u32,
    at: Instant,
    /// Asked for with 0 ms: waits for room.
    needs_room: bool,
}

pub(crate) struct Desk<R: Role> {
    inbox: VecDeque<R::Input>,
    /// Events the owner has not taken yet. *Invariant:* while there are any, the guest gets only `cancel`, `end` and real timers.
    owed: VecDeque<R::Event>,
    timers: Vec<Wake>,
    links_tried: u32,
    ending: bool,
    counters: Arc<Counters>,
}

impl<R: Role> Desk<R> {
    pub(crate) fn new(start: SessionStart, counters: Arc<Counters>) -> Self {
        let inbox = VecDeque::from([R::start(start)]);
        Self { inbox, owed: VecDeque::new(), timers: Vec::new(), links_tried: 0, ending: false, counters }
    }

    /// Whether the mailbox may be emptied further.
    pub(crate) fn has_room(&self) -> bool {
        self.inbox.len() < MAILBOX && !self.ending
    }

    /// Takes an input in. What a `cancel` forgets is forgotten here, so that the guest never works on it.
    pub(crate) fn take_in(&mut self, input: R::Input) {
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
            self.due(now, false).or_else(|| self.inbox.pop_front()).or_else(|| self.due(now, true))
        } else {
            self.urgent().or_else(|| self.due(now, false))
        }
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
                Said::Link(effect) => self.deny(effect)?,
                Said::Route => count(&self.counters.routes_ignored),
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

    /// No egress is granted yet: every wish to open is answered so, everything on links that never opened is ignored.
    fn deny(&mut self, effect: LinkEffect) -> Result<(), SessionEnd> {
        let LinkEffect::Open(id) = effect else { return Ok(()) };
        count(&self.counters.egress_denied);
        self.links_tried += 1;
        if self.links_tried > LINKS_TRIED {
            return Err(SessionEnd::Fell(SessionError::LinkLimit));
        }
        self.inbox.push_front(R::link(LinkInput::EgressDenied(id)));
        Ok(())
    }
}

#[cfg(test)]
mod tests;
