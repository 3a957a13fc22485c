//! How long a request may go without a sign of its peer.

use super::end::End;
use crate::limits::Deadlines;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

/// Watches over one request on one connection.
pub(super) struct Watch {
    deadlines: Deadlines,
    seen: Mutex<Seen>,
    /// A deadline may have come nearer.
    nearer: Notify,
}

struct Seen {
    /// The last byte, either way.
    moved: Instant,
    /// The end of the request.
    sent: Option<Instant>,
    answered: bool,
    /// The session does not take what came: that is not the peer's fault.
    held: bool,
}

impl Watch {
    pub(super) fn new(deadlines: Deadlines) -> Self {
        let seen = Seen { moved: Instant::now(), sent: None, answered: false, held: false };
        Self { deadlines, seen: Mutex::new(seen), nearer: Notify::new() }
    }

    /// There is a connection: time runs.
    pub(super) fn start(&self) {
        self.moved();
    }

    /// A byte went or came.
    pub(super) fn moved(&self) {
        self.lock().moved = Instant::now();
    }

    /// The request is complete.
    pub(super) fn sent(&self) {
        self.lock().sent = Some(Instant::now());
        self.nearer.notify_one();
    }

    /// Whether the request is complete.
    pub(super) fn is_sent(&self) -> bool {
        self.lock().sent.is_some()
    }

    /// The head of the answer came.
    pub(super) fn answered(&self) {
        self.lock().answered = true;
        self.nearer.notify_one();
    }

    /// Waits for the session; no deadline passes meanwhile.
    pub(super) async fn held<T>(&self, telling: impl Future<Output = T>) -> T {
        self.lock().held = true;
        let told = telling.await;
        let mut seen = self.lock();
        seen.held = false;
        seen.moved = Instant::now();
        told
    }

    /// Waits until a deadline has passed.
    pub(super) async fn expired(&self) -> End {
        loop {
            let (deadline, detail) = self.next();
            tokio::select! {
                () = sleep_until(deadline) => {
                    // It may have been put off meanwhile.
                    if self.next().0 <= Instant::now() {
                        return End::timeout(detail);
                    }
                }
                () = self.nearer.notified() => {}
            }
        }
    }

    fn next(&self) -> (Instant, &'static str) {
        let seen = self.lock();
        match seen.sent {
            _ if seen.held => (Instant::now() + self.deadlines.idle, "idle"),
            Some(sent) if !seen.answered => (sent + self.deadlines.first_byte, "no answer in time"),
            _ => (seen.moved + self.deadlines.idle, "nothing came or went"),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
