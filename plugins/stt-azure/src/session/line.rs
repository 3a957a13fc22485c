//! The connection: opened early, followed where it is redirected, opened again where it is lost.

use super::{COLD_STRIKES_MAX, Call, OPENED, RETRY, STRIKES_MAX};
use crate::options::Auth;
use crate::protocol::USER_AGENT;
use vg_plugin_sdk::{
    Fault, FaultKind,
    link::{self, Failed, Finished, LinkErrorKind, LinkId, LinkInput, Opened},
    stt::Effect,
};

/// More would be a circle.
const REDIRECTS_MAX: u32 = 3;

/// The connection of a session.
#[derive(Debug)]
pub(super) enum Line {
    /// Opened when there is something to send.
    Closed,
    /// Lost, and opened again in a moment.
    Resting,
    Opening {
        id: LinkId,
        redirects: u32,
    },
    Open {
        id: LinkId,
        /// Streams of sound that were ended on it.
        streams: u32,
        /// The host asks for patience.
        full: bool,
    },
}

impl Line {
    pub(super) fn id(&self) -> Option<LinkId> {
        match self {
            Self::Closed | Self::Resting => None,
            Self::Opening { id, .. } | Self::Open { id, .. } => Some(*id),
        }
    }
}

impl Call {
    pub(super) fn open(&mut self) {
        let url = self.wire.url.clone();
        self.open_at(url, 0);
    }

    fn open_at(&mut self, url: String, redirects: u32) {
        self.links += 1;
        self.line = Line::Opening { id: self.links, redirects };
        let (header, value) = match self.auth {
            Auth::Key => ("Ocp-Apim-Subscription-Key", "{secret:api_key}"),
            Auth::Token => ("Authorization", "Bearer {secret:api_key}"),
        };
        let ask = link::websocket(self.links, url)
            .header(header, value)
            .header("User-Agent", USER_AGENT)
            .header("X-ConnectionId", self.connection_id.clone());
        self.out.extend([ask.into(), Effect::Timer(OPENED)]);
    }

    /// News of the present link; those of earlier ones are for nobody.
    pub(super) fn news(&mut self, news: LinkInput) -> Result<(), Fault> {
        let present = self.line.id();
        let current = |id: LinkId| present == Some(id);
        match news {
            LinkInput::Opened(head) if current(head.id) => self.opened(head),
            LinkInput::Text(message) if current(message.id) => self.heard(&message.data),
            LinkInput::Finished(end) if current(end.id) => self.hung_up(end),
            LinkInput::Failed(failed) if current(failed.id) => self.failed(&failed),
            LinkInput::Full(id) if current(id) => {
                self.set_full(true);
                Ok(())
            }
            LinkInput::Writable(id) if current(id) => {
                self.set_full(false);
                self.feed();
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn set_full(&mut self, now_full: bool) {
        if let Line::Open { full, .. } = &mut self.line {
            *full = now_full;
        }
    }

    fn opened(&mut self, head: Opened) -> Result<(), Fault> {
        let Line::Opening { id, redirects } = self.line else { return Ok(()) };
        if head.status == 101 {
            self.line = Line::Open { id, streams: 0, full: false };
            self.out.push(link::send_text(id, self.wire.config(self.now.unix_ms)).into());
            self.feed();
            return Ok(());
        }
        if matches!(head.status, 301 | 302 | 303 | 307 | 308) {
            let to = link::field(&head.headers, "location").and_then(as_websocket);
            let to = to.filter(|_| redirects < REDIRECTS_MAX);
            let to = to.ok_or_else(|| Fault::new(FaultKind::Protocol, "the vendor's redirection leads nowhere"))?;
            self.out.push(link::close(id).into());
            self.open_at(to, redirects + 1);
            return Ok(());
        }
        let fault = Fault::of_status(head.status, &head.headers)
            .unwrap_or_else(|| Fault::new(FaultKind::Protocol, format!("status {} instead of a WebSocket", head.status)));
        match fault.kind {
            // Without a time to wait for, the next attempt may do.
            FaultKind::Quota(None) | FaultKind::Unavailable => self.lost(fault),
            _ => Err(fault),
        }
    }

    fn hung_up(&mut self, end: Finished) -> Result<(), Fault> {
        let fault = |kind| Fault::new(kind, format!("the vendor hung up with code {}", end.code.unwrap_or_default()));
        match end.code {
            // It says that we broke the protocol, or that what we asked for cannot be: again would be no better.
            Some(1002 | 1007) => Err(fault(FaultKind::Protocol)),
            Some(4429) => Err(fault(FaultKind::Quota(None))),
            _ => self.lost(fault(FaultKind::Unavailable)),
        }
    }

    fn failed(&mut self, failed: &Failed) -> Result<(), Fault> {
        let fault = Fault::of_link(failed);
        let again = match failed.kind {
            LinkErrorKind::Reset | LinkErrorKind::Connect => true,
            // Of a link that was open it is a peer that answers no pings; before, too much time is gone.
            LinkErrorKind::Timeout => matches!(self.line, Line::Open { .. }),
            _ => false,
        };
        if again { self.lost(fault) } else { Err(fault) }
    }

    /// The connection came to nothing: again, with all sound that is not final, unless it happened too often.
    pub(super) fn lost(&mut self, fault: Fault) -> Result<(), Fault> {
        if let Some(id) = self.line.id() {
            self.out.push(link::close(id).into());
        }
        self.line = Line::Closed;
        self.turn = None;
        if self.torn {
            return Err(Fault { detail: format!("{}, and speech of more than a minute is lost with it", fault.detail), ..fault });
        }
        if self.answered && self.pending() == 0 && self.owed.is_empty() {
            // Nothing is missed: it is opened when somebody speaks.
            self.speaking = false;
            return Ok(());
        }
        self.strike(fault)?;
        self.line = Line::Resting;
        self.out.push(Effect::Timer(RETRY));
        Ok(())
    }

    /// Counts what came to nothing.
    pub(super) fn strike(&mut self, fault: Fault) -> Result<(), Fault> {
        self.strikes += 1;
        let strikes_max = if self.answered { STRIKES_MAX } else { COLD_STRIKES_MAX };
        if self.strikes > strikes_max { Err(fault) } else { Ok(()) }
    }
}

fn as_websocket(location: &str) -> Option<String> {
    let (scheme, rest) = location.split_once("://")?;
    let scheme = match scheme.to_ascii_lowercase().as_str() {
        "ws" | "http" => "ws",
        "wss" | "https" => "wss",
        _ => return None,
    };
    // What fills secrets in must not be the vendor's to write.
    (!rest.is_empty() && !rest.contains(['{', '}'])).then(|| format!("{scheme}://{rest}"))
}
