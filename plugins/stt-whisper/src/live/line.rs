//! The connection: opened, refused, lost, and no more said on it than it takes.

use crate::protocol::fault;
use crate::protocol::realtime::Plan;
use std::collections::VecDeque;
use vg_plugin_sdk::link::{self, LinkErrorKind, LinkId, LinkInput};
use vg_plugin_sdk::stt::Effect;
use vg_plugin_sdk::{Fault, FaultKind, Instant};
use vg_wire::openai::{Refusal, pause_ms};

/// Sound of one message.
pub(crate) const PIECE_BYTES: usize = 24 << 10;
/// Until the session is set up, from the first try on.
const SET_UP_US: u64 = 8_500_000;
/// A refusal says what it says at once, or is taken by its status.
const REFUSAL_US: u64 = 1_000_000;
/// Until the other side says goodbye, too.
const GOODBYE_US: u64 = 1_000_000;
/// A session that lived so long was none that fell at once.
const USEFUL_US: u64 = 2_000_000;
/// What may be said in one call and within a pause: far below what a link may owe (256 KiB).
const SAY_BYTES: usize = 48 << 10;
const SAY_PAUSE_US: u64 = 20_000;

/// What concerns the session.
#[derive(Debug)]
pub(crate) enum News {
    Message(String),
    /// The connection ended.
    Lost(Fault),
    /// It was refused, and is asked for again after so many microseconds.
    Again(u64),
}

#[derive(Debug, Default)]
enum State {
    #[default]
    Closed,
    Opening,
    Open {
        set_up: bool,
    },
    Refused {
        status: u16,
        headers: link::Fields,
        body: Vec<u8>,
        since_us: u64,
    },
    /// To be opened again at that time.
    Pausing(u64),
    /// The other side is gone.
    Gone {
        set_up: bool,
    },
    /// We said goodbye.
    Leaving(u64),
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Line {
    state: State,
    id: LinkId,
    /// When it was first asked for.
    since_us: u64,
    /// It was refused since a session was last set up, and is asked for once more.
    refused_once: bool,
    waiting: VecDeque<String>,
    full: bool,
    /// When more may be said.
    pause_us: Option<u64>,
}

impl Line {
    /// Asks for a connection, and forgets what waited to be said. `first` is said first.
    pub(crate) fn open(&mut self, now: Instant, plan: &Plan, first: &str) -> Effect {
        self.waiting.clear();
        self.waiting.push_back(first.to_owned());
        self.open_again(now, plan)
    }

    /// Asks for a connection, on which is said what waits.
    pub(crate) fn open_again(&mut self, now: Instant, plan: &Plan) -> Effect {
        if !matches!(self.state, State::Pausing(_)) {
            self.since_us = now.mono_us;
        }
        self.id += 1;
        self.state = State::Opening;
        (self.full, self.pause_us) = (false, None);
        plan.open(self.id).into()
    }

    /// In its time.
    pub(crate) fn say(&mut self, message: String) {
        if !matches!(self.state, State::Closed | State::Gone { .. } | State::Leaving(_)) {
            self.waiting.push_back(message);
        }
    }

    /// Whether something waits for a connection that was refused.
    pub(crate) fn has_something_to_say(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// What may be sent now.
    pub(crate) fn pump(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        if !matches!(self.state, State::Open { .. }) || self.full || self.pause_us.is_some_and(|until_us| now.mono_us < until_us)
        {
            return;
        }
        self.pause_us = None;
        let mut said = 0;
        while said < SAY_BYTES
            && let Some(message) = self.waiting.pop_front()
        {
            said += message.len();
            effects.push(link::send_text(self.id, message).into());
        }
        if !self.waiting.is_empty() {
            self.pause_us = Some(now.mono_us + SAY_PAUSE_US);
        }
    }

    pub(crate) fn told(&mut self, now: Instant, news: LinkInput) -> Result<Option<News>, Fault> {
        // News of an old connection is for nobody.
        if id_of(&news) != Some(self.id) {
            return Ok(None);
        }
        match (news, &mut self.state) {
            (_, State::Closed | State::Pausing(_) | State::Gone { .. }) => {}
            (LinkInput::Opened(head), _) if head.status == 101 => self.state = State::Open { set_up: false },
            (LinkInput::Opened(head), state) => {
                *state = State::Refused { status: head.status, headers: head.headers, body: Vec::new(), since_us: now.mono_us };
            }
            (LinkInput::Bytes(piece), State::Refused { body, .. }) => {
                link::keep_refusal(body, &piece.data);
            }
            (LinkInput::Bytes(_), _) => return Err(Fault::new(FaultKind::Protocol, "the vendor sent a binary message")),
            (LinkInput::Text(text), State::Open { .. } | State::Leaving(_)) => return Ok(Some(News::Message(text.data))),
            (LinkInput::Finished(_) | LinkInput::Failed(_), State::Leaving(_)) => self.state = State::Closed,
            (LinkInput::Finished(_) | LinkInput::Failed(_), State::Refused { .. }) => return self.refused().map(Some),
            (LinkInput::Finished(end), state) => {
                *state = State::Gone { set_up: matches!(state, State::Open { set_up: true }) };
                let fault = Fault::new(FaultKind::Unavailable, format!("the vendor hung up: {:?}", end.code));
                return Ok(Some(News::Lost(fault)));
            }
            // A link that was open and times out is quiet of ours, or a peer that answers no pings.
            (LinkInput::Failed(failed), State::Open { set_up })
                if matches!(failed.kind, LinkErrorKind::Reset | LinkErrorKind::Timeout) =>
            {
                self.state = State::Gone { set_up: *set_up };
                return Ok(Some(News::Lost(Fault::of_link(&failed))));
            }
            (LinkInput::Failed(failed), _) => return Err(Fault::of_link(&failed)),
            (LinkInput::Full(_), _) => self.full = true,
            (LinkInput::Writable(_), _) => self.full = false,
            _ => {}
        }
        Ok(None)
    }

    /// Whether somebody let us wait too long.
    pub(crate) fn overdue(&mut self, now: Instant, effects: &mut Vec<Effect>) -> Result<Option<News>, Fault> {
        match &self.state {
            State::Opening | State::Open { set_up: false } if now.mono_us >= self.since_us + SET_UP_US => {
                Err(Fault::new(FaultKind::Unavailable, "the vendor does not set the session up"))
            }
            State::Refused { since_us, .. } if now.mono_us >= since_us + REFUSAL_US => {
                effects.push(link::close(self.id).into());
                self.refused().map(Some)
            }
            State::Leaving(since_us) if now.mono_us >= since_us + GOODBYE_US => {
                self.state = State::Closed;
                effects.push(link::close(self.id).into());
                Ok(None)
            }
            _ => Ok(None),
        }
    }

    pub(crate) fn next_us(&self, now: Instant) -> Option<u64> {
        match &self.state {
            State::Closed | State::Gone { .. } => None,
            State::Opening | State::Open { set_up: false } => {
                let set_up_us = self.since_us + SET_UP_US;
                Some(self.pump_us(now).map_or(set_up_us, |at_us| at_us.min(set_up_us)))
            }
            State::Open { .. } => self.pump_us(now),
            State::Refused { since_us, .. } => Some(since_us + REFUSAL_US),
            State::Pausing(until_us) => Some(*until_us),
            State::Leaving(since_us) => Some(since_us + GOODBYE_US),
        }
    }

    /// When more may be said; while the link is full it tells that by itself.
    fn pump_us(&self, now: Instant) -> Option<u64> {
        self.pause_us.filter(|_| !self.full).map(|at_us| at_us.max(now.mono_us))
    }

    /// The server has taken the session as it was asked for.
    pub(crate) fn is_set_up(&mut self) {
        if let State::Open { set_up } = &mut self.state {
            *set_up = true;
            self.refused_once = false;
        }
    }

    /// The server had taken it, also if it is gone now.
    pub(crate) fn was_set_up(&self) -> bool {
        matches!(self.state, State::Open { set_up: true } | State::Gone { set_up: true })
    }

    pub(crate) fn is_closed(&self) -> bool {
        matches!(self.state, State::Closed | State::Gone { .. })
    }

    /// To be opened again now.
    pub(crate) fn is_due(&self, now: Instant) -> bool {
        matches!(self.state, State::Pausing(until_us) if now.mono_us >= until_us)
    }

    pub(crate) fn is_older_than(&self, now: Instant, age_us: u64) -> bool {
        matches!(self.state, State::Open { .. }) && now.mono_us >= self.since_us + age_us
    }

    /// It did not fall at once.
    pub(crate) fn was_useful(&self, now: Instant) -> bool {
        self.was_set_up() && now.mono_us >= self.since_us + USEFUL_US
    }

    /// To be opened again then.
    pub(crate) fn pause(&mut self, now: Instant, pause_us: u64) {
        self.state = State::Pausing(now.mono_us + pause_us);
    }

    /// Both directions end now.
    pub(crate) fn close(&mut self) -> Option<Effect> {
        let open = matches!(self.state, State::Opening | State::Open { .. } | State::Refused { .. } | State::Leaving(_));
        self.state = State::Closed;
        self.waiting.clear();
        open.then(|| link::close(self.id).into())
    }

    /// Says goodbye, where there is somebody to hear it.
    pub(crate) fn leave(&mut self, now: Instant) -> Option<Effect> {
        match self.state {
            State::Open { .. } => {
                self.state = State::Leaving(now.mono_us);
                self.waiting.clear();
                Some(link::finish(self.id).into())
            }
            _ => self.close(),
        }
    }

    fn refused(&mut self) -> Result<News, Fault> {
        let State::Refused { status, headers, body, .. } = std::mem::take(&mut self.state) else {
            return Err(Fault::new(FaultKind::Internal, "not refused"));
        };
        let refusal = Refusal::read(&body);
        let fault = match status {
            ..=399 => Fault::new(FaultKind::Protocol, format!("status {status} instead of a WebSocket")),
            _ => fault(status, &headers, &refusal),
        };
        let again = !std::mem::replace(&mut self.refused_once, true);
        match pause_ms(status, &refusal, |name| link::field(&headers, name)) {
            Some(pause_ms) if again => Ok(News::Again(pause_ms * 1000)),
            _ => Err(fault),
        }
    }
}

fn id_of(news: &LinkInput) -> Option<LinkId> {
    match news {
        LinkInput::Opened(head) => Some(head.id),
        LinkInput::Bytes(piece) => Some(piece.id),
        LinkInput::Text(text) => Some(text.id),
        LinkInput::Finished(end) => Some(end.id),
        LinkInput::Failed(failed) => Some(failed.id),
        LinkInput::Full(id) | LinkInput::Writable(id) => Some(*id),
        LinkInput::Signed(_) | LinkInput::Trailers(_) => None,
    }
}
