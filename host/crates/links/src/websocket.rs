//! WebSockets (RFC 6455), written in batches.

use crate::door::Link;
use crate::wire::{LinkErrorKind, WebsocketOpen};
use tokio::runtime::Handle;

/// Tasks that each write for many links in one pass.
pub(crate) struct Writers {}

impl Writers {
    pub(crate) fn start(_runtime: &Handle) -> Self {
        Self {}
    }
}

/// One WebSocket from its dial to its last message.
pub(crate) async fn run(link: Link, _open: WebsocketOpen) {
    link.failed(LinkErrorKind::Protocol, "not built").await;
}
