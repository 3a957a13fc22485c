//! The connection: opened early, followed where it is redirected, opened again where it is lost.

use super::{Call, OPENED, STRIKES_MAX};
use crate::options::Transport;
use vg_plugin_sdk::{
    Fault, FaultKind,
    link::{self, Failed, Finished, LinkErrorKind, LinkId, LinkInput, Opened},
    tts::Effect,
};

/// More would be a circle.
const REDIRECTS_MAX: u32 = 3;

/// The connection of a session.
#[derive(Debug)]
pub(super) enum Line {
    /// Opened when there is something to say.
    Closed,
    Opening {
        id: LinkId,
        redirects: u32,
    },
    Open {
        id: LinkId,
    },
    /// A request that speaks one turn.
    Request {
        id: LinkId,
        /// Its head said that sound follows.
        good: bool,
    },
}

impl Line {
    pub(super) fn id(&self) -> Option<LinkId> {
        match self {
            Self::Closed => None,
            Self::Opening { id, .. } | Self::Open { id } | Self::Request { id, .. } => Some(*id),
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
        let ask = self.wire.websocket(self.links, url, &self.connection_id);
        self.out.extend([ask.into(), Effect::Timer(OPENED)]);
    }

    /// News of the present link; those of earlier ones are for nobody.
    pub(super) fn news(&mut self, news: LinkInput) -> Result<(), Fault> {
        let present = self.line.id();
        let current = |id: LinkId| present == Some(id);
        match news {
            LinkInput::Opened(head) if current(head.id) => self.opened(head),
            LinkInput::Text(message) if current(message.id) => self.heard_text(&message.data),
            LinkInput::Bytes(message) if current(message.id) => self.heard_bytes(message.data),
            LinkInput::Finished(end) if current(end.id) => self.hung_up(end),
            LinkInput::Failed(failed) if current(failed.id) => self.failed(&failed),
            // What is sent is small: texts.
            _ => Ok(()),
        }
    }

    fn opened(&mut self, head: Opened) -> Result<(), Fault> {
        match self.line {
            Line::Opening { id, .. } if head.status == 101 => {
                self.line = Line::Open { id };
                self.out.push(link::send_text(id, self.wire.config(self.now.unix_ms)).into());
                if self.turn.is_some() {
                    self.tell_turn();
                }
                Ok(())
            }
            Line::Opening { id, redirects } if matches!(head.status, 301 | 302 | 303 | 307 | 308) => {
                let to = link::field(&head.headers, "location").and_then(as_websocket);
                let to = to.filter(|_| redirects < REDIRECTS_MAX);
                let to = to.ok_or_else(|| Fault::new(FaultKind::Protocol, "the vendor's redirection leads nowhere"))?;
                self.out.push(link::close(id).into());
                self.open_at(to, redirects + 1);
                Ok(())
            }
            Line::Request { id, .. } if head.status == 200 => match link::field(&head.headers, "content-type") {
                Some(kind) if !(kind.starts_with("audio/") || kind.starts_with("application/octet-stream")) => {
                    // A page for a person, of a proxy perhaps, is not to be spoken.
                    Err(Fault::new(FaultKind::Protocol, "the vendor answered with something that is no sound"))
                }
                _ => {
                    self.line = Line::Request { id, good: true };
                    Ok(())
                }
            },
            Line::Opening { .. } | Line::Request { .. } => self.refused(&head),
            Line::Closed | Line::Open { .. } => Ok(()),
        }
    }

    fn refused(&mut self, head: &Opened) -> Result<(), Fault> {
        let fault = Fault::of_status(head.status, &head.headers)
            .unwrap_or_else(|| Fault::new(FaultKind::Protocol, format!("the vendor answered with status {}", head.status)));
        match fault.kind {
            // Without a time to wait for, the next attempt may do.
            FaultKind::Quota(None) | FaultKind::Unavailable => self.lost(fault),
            // The text is ours, voice and style are the tenant's.
            FaultKind::Protocol if head.status == 400 && self.transport == Transport::Rest => {
                Err(Fault::new(FaultKind::Unsupported, "the vendor refused voice, style or SSML with status 400"))
            }
            _ => Err(fault),
        }
    }

    fn hung_up(&mut self, end: Finished) -> Result<(), Fault> {
        if let Line::Request { good: true, .. } = self.line {
            self.line = Line::Closed;
            return self.turn_ended();
        }
        let code = end.code.unwrap_or_default();
        let fault = |kind| Fault::new(kind, format!("the vendor hung up with code {code}"));
        match code {
            1002 => Err(fault(FaultKind::Protocol)),
            1007 => Err(Fault::new(FaultKind::Unsupported, "the vendor refused voice, style or SSML with code 1007")),
            4429 => Err(fault(FaultKind::Quota(None))),
            _ => self.lost(fault(FaultKind::Unavailable)),
        }
    }

    fn failed(&mut self, failed: &Failed) -> Result<(), Fault> {
        let fault = Fault::of_link(failed);
        let opening = matches!(self.line, Line::Opening { .. } | Line::Request { good: false, .. });
        match failed.kind {
            LinkErrorKind::Reset | LinkErrorKind::Connect => self.lost(fault),
            // Of a link that was open it is a peer that answers no pings; before, too much time is gone.
            LinkErrorKind::Timeout if !opening => self.lost(fault),
            _ => Err(fault),
        }
    }

    /// The timer of the link ran out.
    pub(super) fn opens_never(&mut self) -> Result<(), Fault> {
        Err(Fault::new(FaultKind::Unavailable, "the vendor did not answer in time"))
    }

    /// The connection came to nothing. A turn that was not heard yet is said again on a new one, once.
    fn lost(&mut self, fault: Fault) -> Result<(), Fault> {
        let was_open = matches!(self.line, Line::Open { .. });
        if let Some(id) = self.line.id() {
            self.out.push(link::close(id).into());
        }
        self.line = Line::Closed;
        self.silence.stop();
        match &mut self.turn {
            // Nothing is missed: it is opened with the next text.
            None if was_open => return Ok(()),
            Some(turn) if turn.heard => {
                return Err(Fault { detail: format!("{}, in the middle of a text", fault.detail), ..fault });
            }
            Some(turn) => {
                turn.told = false;
                turn.words.clear();
                turn.request_id = self.ids.next_id();
            }
            None => {}
        }
        self.strikes += 1;
        if self.strikes > STRIKES_MAX {
            return Err(fault);
        }
        if self.transport == Transport::Rest {
            self.tell_turn();
        } else {
            self.open();
        }
        Ok(())
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
