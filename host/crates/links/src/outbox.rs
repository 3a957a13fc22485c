//! What waits to be sent on one link: bounded by bytes, with a mark where its session is told to stop and one where it may go on.

use crate::limits::{OUT_BYTES_MAX, OUT_HIGH_BYTES, OUT_LOW_BYTES};
use bytes::Bytes;
use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

/// Something to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outbound {
    Bytes(Bytes),
    Text(Bytes),
    /// Half-close; nothing follows.
    Finish,
}

/// How full it is after something was put in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pressure {
    Room,
    /// Passed the upper mark just now.
    BecameFull,
}

/// More waits than may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Overrun;

#[derive(Default)]
struct Waiting {
    queue: VecDeque<Outbound>,
    bytes: usize,
    full: bool,
    finished: bool,
    reader: Option<Waker>,
}

/// One writer (the session), one reader (the link).
#[derive(Default)]
pub(crate) struct Outbox(Mutex<Waiting>);

/// What the reader took.
pub(crate) struct Taken {
    pub(crate) outbound: Outbound,
    /// The session is to be told `writable`.
    pub(crate) relieved: bool,
}

impl Outbox {
    /// Puts something in; what follows a `Finish` is forgotten.
    pub(crate) fn put(&self, outbound: Outbound) -> Result<Pressure, Overrun> {
        let mut waiting = self.lock();
        if waiting.finished {
            return Ok(Pressure::Room);
        }
        waiting.bytes += size(&outbound);
        waiting.finished = outbound == Outbound::Finish;
        waiting.queue.push_back(outbound);
        if let Some(reader) = waiting.reader.take() {
            reader.wake();
        }
        if waiting.bytes > OUT_BYTES_MAX {
            return Err(Overrun);
        }
        let became_full = !waiting.full && waiting.bytes > OUT_HIGH_BYTES;
        waiting.full |= became_full;
        Ok(if became_full { Pressure::BecameFull } else { Pressure::Room })
    }

    /// Whether so many bytes more are taken without a word to the session.
    pub(crate) fn has_room(&self, bytes: usize) -> bool {
        let waiting = self.lock();
        !waiting.finished && !waiting.full && waiting.bytes + bytes <= OUT_HIGH_BYTES
    }

    /// The next thing, when there is one. Only one task may wait.
    pub(crate) fn poll_take(&self, cx: &mut Context<'_>) -> Poll<Taken> {
        let mut waiting = self.lock();
        match waiting.take() {
            Some(taken) => Poll::Ready(taken),
            None => {
                waiting.reader = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }

    /// Whether the session was told `full` and is not to be told `writable` yet.
    pub(crate) fn is_full(&self) -> bool {
        self.lock().full
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    fn take(&mut self) -> Option<Taken> {
        let outbound = self.queue.pop_front()?;
        self.bytes -= size(&outbound);
        let relieved = self.full && self.bytes <= OUT_LOW_BYTES;
        self.full &= !relieved;
        Some(Taken { outbound, relieved })
    }
}

fn size(outbound: &Outbound) -> usize {
    match outbound {
        // An empty message takes a place, too.
        Outbound::Bytes(bytes) | Outbound::Text(bytes) => bytes.len().max(1),
        Outbound::Finish => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(bytes: usize) -> Outbound {
        Outbound::Bytes(vec![0; bytes].into())
    }

    #[test]
    fn full_is_said_once_and_relief_once() {
        let outbox = Outbox::default();
        assert_eq!(outbox.put(piece(OUT_HIGH_BYTES)), Ok(Pressure::Room));
        assert_eq!(outbox.put(piece(1)), Ok(Pressure::BecameFull));
        assert_eq!(outbox.put(piece(1)), Ok(Pressure::Room));
        assert!(outbox.lock().take().unwrap().relieved);
        assert!(!outbox.lock().take().unwrap().relieved);
    }

    #[test]
    fn a_session_that_ignores_full_overruns() {
        let outbox = Outbox::default();
        assert_eq!(outbox.put(piece(OUT_BYTES_MAX)), Ok(Pressure::BecameFull));
        assert_eq!(outbox.put(piece(1)), Err(Overrun));
    }

    #[test]
    fn nothing_follows_a_finish() {
        let outbox = Outbox::default();
        outbox.put(Outbound::Finish).unwrap();
        outbox.put(piece(3)).unwrap();
        assert_eq!(outbox.lock().take().unwrap().outbound, Outbound::Finish);
        assert!(outbox.lock().queue.is_empty());
    }
}
