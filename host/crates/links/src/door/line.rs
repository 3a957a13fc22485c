//! Where a session's audio goes by itself: a chunk that is sent here costs no turn of the session.

use super::Links;
use crate::counters::count;
use crate::outbox::{Outbound, Outbox, Overrun, Pressure};
use crate::wire::LinkId;
use std::borrow::Cow;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Shared by a door, which lays it to a link; by its session, which says how far it has come; and by the session's owner, who has the audio.
#[derive(Clone, Default)]
pub struct AudioLine(Arc<Shared>);

#[derive(Default)]
struct Shared {
    laid: Mutex<Option<Laid>>,
    settled: AtomicU64,
}

struct Laid {
    id: LinkId,
    prefix: Vec<u8>,
    outbox: Arc<Outbox>,
    links: Arc<Links>,
}

impl AudioLine {
    /// Sends a chunk to the link that audio is routed to. It comes back where it has to go through the session: nothing is routed, the link
    /// has no room, or some of the `told` inputs of its owner, which it must not overtake, is still to be dealt with.
    ///
    /// # Errors
    /// The chunk.
    pub fn send(&self, told: u64, chunk: Vec<u8>) -> Result<(), Vec<u8>> {
        if self.settled() != told {
            return Err(chunk);
        }
        let laid = self.laid();
        let Some(laid) = laid.as_ref().filter(|laid| laid.outbox.has_room(laid.prefix.len() + chunk.len())) else {
            return Err(chunk);
        };
        // Room was there, and far more before it is too much.
        let _ = laid.put(chunk.into());
        Ok(())
    }

    /// The session has dealt with so many inputs of its owner, and nothing of them is under way.
    pub fn settle(&self, told: u64) {
        self.0.settled.store(told, Ordering::Release);
    }

    /// As [`settle`](Self::settle) said last.
    pub fn settled(&self) -> u64 {
        self.0.settled.load(Ordering::Acquire)
    }

    pub(super) fn lay(&self, id: LinkId, prefix: Vec<u8>, outbox: Arc<Outbox>, links: Arc<Links>) {
        *self.laid() = Some(Laid { id, prefix, outbox, links });
    }

    /// Nothing goes to this link by itself any more.
    pub(super) fn cut(&self, id: LinkId) {
        self.laid().take_if(|laid| laid.id == id);
    }

    pub(super) fn cut_all(&self) {
        *self.laid() = None;
    }

    /// The session's own way: where the chunk went, and what the link makes of it. None where audio is the guest's.
    pub(super) fn pass(&self, chunk: &[u8]) -> Option<(LinkId, Result<Pressure, Overrun>)> {
        let laid = self.laid();
        let laid = laid.as_ref()?;
        Some((laid.id, laid.put(chunk.into())))
    }

    fn laid(&self) -> MutexGuard<'_, Option<Laid>> {
        self.0.laid.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Laid {
    /// Copies the chunk at most once.
    fn put(&self, chunk: Cow<'_, [u8]>) -> Result<Pressure, Overrun> {
        count(&self.links.counters.chunks_routed);
        let message = if self.prefix.is_empty() { chunk.into_owned() } else { [&*self.prefix, &*chunk].concat() };
        self.outbox.put(Outbound::Bytes(message.into()))
    }
}
