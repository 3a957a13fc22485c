//! HTTP/1.1 and HTTP/2 requests with streaming bodies both ways.

use crate::door::{Link, Links};
use crate::grant::Grant;
use crate::wire::{HttpOpen, LinkErrorKind, Preconnect};
use std::sync::Arc;

/// Connections kept for reuse.
#[derive(Default)]
pub(crate) struct Pool {}

/// One request from its dial to its last byte.
pub(crate) async fn run(link: Link, _open: HttpOpen) {
    link.failed(LinkErrorKind::Protocol, "not built").await;
}

/// Has a connection ready.
pub(crate) async fn preconnect(_links: Arc<Links>, _grant: Arc<Grant>, _wish: Preconnect) {}
