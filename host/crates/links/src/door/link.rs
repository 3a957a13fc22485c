//! What one link's task is given: its session's grant, what is to be sent, and the way to tell what came.

use super::Links;
use crate::counters::{add, count};
use crate::grant::Grant;
use crate::limits::IN_PIECE_BYTES;
use crate::outbox::{Outbound, Outbox, Taken};
use crate::wire::{Fields, LinkErrorKind, LinkId, LinkInput, Payload};
use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use tokio::sync::mpsc;

/// News of a link, and which link of that id it was.
pub(crate) struct Told {
    pub(crate) birth: u64,
    pub(crate) input: LinkInput,
}

/// The session has closed the link, or is gone: the task is to end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Gone;

/// One link, as its task sees it.
pub(crate) struct Link {
    pub(crate) id: LinkId,
    birth: u64,
    pub(crate) links: Arc<Links>,
    pub(crate) grant: Arc<Grant>,
    pub(crate) outbox: Arc<Outbox>,
    tell: mpsc::Sender<Told>,
    bytes_in: AtomicU64,
    bytes_out: AtomicU64,
}

impl Link {
    pub(super) fn new(
        id: LinkId,
        birth: u64,
        links: Arc<Links>,
        grant: Arc<Grant>,
        outbox: Arc<Outbox>,
        tell: mpsc::Sender<Told>,
    ) -> Self {
        Self { id, birth, links, grant, outbox, tell, bytes_in: AtomicU64::new(0), bytes_out: AtomicU64::new(0) }
    }

    /// Waits while the session takes nothing: meanwhile the task must not read its socket.
    pub(crate) async fn tell(&self, input: LinkInput) -> Result<(), Gone> {
        self.tell.send(Told { birth: self.birth, input }).await.map_err(|_| Gone)
    }

    /// The same without waiting, for a writer that serves many: the input comes back where there is no room.
    pub(crate) fn try_tell(&self, input: LinkInput) -> Result<(), LinkInput> {
        self.tell.try_send(Told { birth: self.birth, input }).map_err(|full| full.into_inner().input)
    }

    /// The head of the answer.
    pub(crate) async fn opened(&self, status: u16, headers: Fields) -> Result<(), Gone> {
        self.tell(LinkInput::Opened { id: self.id, status, headers }).await
    }

    /// A piece of a body, cut where it is too long for one input.
    pub(crate) async fn bytes(&self, data: &[u8]) -> Result<(), Gone> {
        for piece in data.chunks(IN_PIECE_BYTES) {
            self.tell(LinkInput::Bytes(self.id, Payload(piece.to_vec()))).await?;
        }
        Ok(())
    }

    /// The link's end, where the other side ended it well.
    pub(crate) async fn finished(&self, code: Option<u16>) {
        // Nobody left to hear it: then there is nothing to say.
        let _ = self.tell(LinkInput::Finished(self.id, code)).await;
    }

    /// The link's end, where it broke or never was.
    pub(crate) async fn failed(&self, kind: LinkErrorKind, detail: impl Into<String>) {
        count(&self.links.counters.failed);
        let _ = self.tell(LinkInput::Failed { id: self.id, kind, detail: detail.into() }).await;
    }

    /// The next thing to send. Tells the session by itself that it may go on.
    pub(crate) async fn next_out(&self) -> Result<Outbound, Gone> {
        let Taken { outbound, relieved } = poll_fn(|cx| self.outbox.poll_take(cx)).await;
        if relieved {
            self.tell(LinkInput::Writable(self.id)).await?;
        }
        Ok(outbound)
    }

    /// Books bytes received; false where the link's budget is used up: `failed(limit)`.
    #[must_use]
    pub(crate) fn book_in(&self, bytes: usize) -> bool {
        add(&self.links.counters.bytes_in, bytes as u64);
        self.bytes_in.fetch_add(bytes as u64, Relaxed) + bytes as u64 <= self.grant.budget.bytes_in_max
    }

    /// Books bytes sent; false where the link's budget is used up: `failed(limit)`.
    #[must_use]
    pub(crate) fn book_out(&self, bytes: usize) -> bool {
        add(&self.links.counters.bytes_out, bytes as u64);
        self.bytes_out.fetch_add(bytes as u64, Relaxed) + bytes as u64 <= self.grant.budget.bytes_out_max
    }
}
