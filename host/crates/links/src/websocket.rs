//! WebSockets (RFC 6455), written in batches.
//!
//! The opening handshake is one HTTP/1.1 request. After it the connection belongs to a [`Connection`]: its own task reads and keeps
//! the deadlines, a lane of the [`Writers`] writes for it and for many others. Both are brief under one lock and never wait in it.

mod connection;
mod transport;
mod upgrade;
mod writers;

pub(crate) use writers::Writers;

use crate::counters::add;
use crate::dial::{DialError, Dialed, Speaks, dial};
use crate::door::Link;
use crate::grant::{Refusal, Schemes, Target};
use crate::secrets::{Head, authorize};
use crate::wire::{LinkErrorKind, LinkInput, WebsocketOpen};
use connection::Connection;
use std::borrow::Cow;
use std::io::ErrorKind;
use std::sync::Arc;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use upgrade::Rest;

/// How a link ends.
enum End {
    /// The peer ended it, with its close code where there was one.
    Finished(Option<u16>),
    Broken(Broken),
    /// Nobody is left to be told.
    Gone,
}

/// Why a link breaks, and what the peer is told of it.
struct Broken {
    kind: LinkErrorKind,
    detail: Cow<'static, str>,
    close: Option<CloseCode>,
}

/// An open WebSocket, and its place among the connections of its grant. Says goodbye however it ends.
struct Held {
    connection: Arc<Connection>,
    _permit: OwnedSemaphorePermit,
}

/// One WebSocket from its dial to its last message.
pub(crate) async fn run(link: Link, open: WebsocketOpen) {
    let link = Arc::new(link);
    let end = match establish(&link, open).await {
        Ok(held) => {
            let end = held.connection.carry().await;
            if let End::Broken(Broken { close: Some(code), .. }) = &end {
                held.connection.leave(*code);
            }
            end
        }
        Err(end) => end,
    };
    // The connection is given back before the session, which may let us wait, is told.
    match end {
        End::Finished(code) => link.finished(code).await,
        End::Broken(Broken { kind, detail, .. }) => link.failed(kind, detail).await,
        End::Gone => {}
    }
}

/// Proves who asks, dials, and asks to be upgraded. A peer that answers otherwise is told to the session in full.
async fn establish(link: &Arc<Link>, open: WebsocketOpen) -> Result<Held, End> {
    let (target, url) = Target::parse(&open.url, Schemes::Websocket)?;
    upgrade::check(&open)?;
    let refused = |refusal: Refusal| {
        refusal.observe(&link.links, &link.grant);
        End::from(refusal)
    };
    link.grant.permit(&target).map_err(refused)?;
    let mut head = Head { method: "GET".to_owned(), url, headers: open.headers };
    let authorized = authorize(&link.links, &link.grant, &target, &mut head, &open.auth, Some(&[])).await.map_err(refused)?;
    if let Some(signed) = authorized.signed {
        link.tell(LinkInput::Signed(link.id, signed)).await.map_err(|_| End::Gone)?;
    }
    let deadlines = &link.links.deadlines;
    let by = Instant::now() + deadlines.connect;
    let Dialed { stream, permit } = dial(&link.links, &link.grant, &target, Speaks::Websocket, by).await?;
    let request = upgrade::request(&head, &target, &open.subprotocols)?;
    let mut answer = upgrade::ask(stream, request, &open.subprotocols, deadlines.first_byte).await?;
    let masked = link.grant.secrets.mask_fields(&mut answer.headers);
    add(&link.links.counters.echoes_masked, masked as u64);
    link.opened(answer.status, answer.headers).await.map_err(|_| End::Gone)?;
    match answer.rest {
        Rest::Switched { stream, early } => {
            let (tcp, tls) = stream.into_parts();
            Ok(Held { connection: Connection::new(Arc::clone(link), tcp, tls, early), _permit: permit })
        }
        Rest::Refused { mut body, cut } => {
            drop(permit);
            if answer.status == 401 {
                link.grant.secrets.invalidate(authorized.credential);
            }
            let masked = link.grant.secrets.mask_body(&mut body);
            add(&link.links.counters.echoes_masked, masked as u64);
            if !link.book_in(body.len()) {
                return Err(Broken::over_budget().into());
            }
            link.bytes(&body).await.map_err(|_| End::Gone)?;
            Err(cut.map_or(End::Finished(None), End::Broken))
        }
    }
}

impl Broken {
    fn new(kind: LinkErrorKind, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { kind, detail: detail.into(), close: None }
    }

    fn closing(self, code: CloseCode) -> Self {
        Self { close: Some(code), ..self }
    }

    fn by_socket(error: &Error) -> Self {
        match error {
            Error::Io(error) if error.kind() == ErrorKind::InvalidData => Self::new(LinkErrorKind::Tls, "the peer broke TLS"),
            _ => Self::new(LinkErrorKind::Reset, "the connection was lost"),
        }
    }

    fn over_budget() -> Self {
        Self::new(LinkErrorKind::Limit, "the link has carried all the bytes it may").closing(CloseCode::Policy)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.connection.leave(CloseCode::Away);
    }
}

impl From<Broken> for End {
    fn from(broken: Broken) -> Self {
        Self::Broken(broken)
    }
}

impl From<Refusal> for End {
    fn from(refusal: Refusal) -> Self {
        Broken::new(refusal.kind(), refusal.to_string()).into()
    }
}

impl From<DialError> for End {
    fn from(error: DialError) -> Self {
        Broken::new(error.kind(), error.to_string()).into()
    }
}
