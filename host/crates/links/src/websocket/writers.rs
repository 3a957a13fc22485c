//! Writes for many links in one pass.
//!
//! A task and a timer per connection cost three times what the message itself does. So whoever puts something into an outbox only
//! marks its connection; a lane's task frames, encrypts and writes for all that were marked. A lane that was quiet passes at once,
//! passes follow each other no closer than [`SPACING`]: a lone message never waits, under load each pass serves many.

use super::connection::Connection;
use crate::meter::Meter;
use std::mem;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Wake, Waker};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::task::{JoinSet, yield_now};
use tokio::time::{Instant, sleep_until};

/// From one pass of a lane to its next at least; what a message waits at most on a busy lane. A little less than a tick of the media
/// clock, which brings many chunks at once: the pass for them then never waits for a timer. See `benches/websocket.rs`.
pub(super) const SPACING: Duration = Duration::from_millis(4);
/// Connections written before others on the same worker have their turn.
const TURN_CONNECTIONS: usize = 32;

/// Lanes, one for each worker of the runtime.
pub(crate) struct Writers {
    lanes: Vec<Arc<Lane>>,
    next: AtomicUsize,
    /// Dropped, they end: a lane has nothing to say at its end.
    _tasks: JoinSet<()>,
}

/// Connections that have something to write.
#[derive(Default)]
pub(super) struct Lane {
    marked: Mutex<Vec<Weak<Connection>>>,
    wake: Notify,
}

/// Marks its connection when something is put into the outbox.
struct Mark {
    lane: Arc<Lane>,
    connection: Weak<Connection>,
}

impl Writers {
    pub(crate) fn start(runtime: &Handle, meter: &Arc<Meter>) -> Self {
        let lanes: Vec<Arc<Lane>> = (0..runtime.metrics().num_workers()).map(|_| Arc::default()).collect();
        let mut tasks = JoinSet::new();
        for lane in &lanes {
            tasks.spawn_on(meter.wrap(drive(Arc::clone(lane))), runtime);
        }
        Self { lanes, next: AtomicUsize::new(0), _tasks: tasks }
    }

    /// A waker that marks `connection` on one of the lanes.
    pub(super) fn waker(&self, connection: Weak<Connection>) -> Waker {
        let lane = &self.lanes[self.next.fetch_add(1, Relaxed) % self.lanes.len()];
        Waker::from(Arc::new(Mark { lane: Arc::clone(lane), connection }))
    }
}

impl Lane {
    fn marked(&self) -> MutexGuard<'_, Vec<Weak<Connection>>> {
        self.marked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wake for Mark {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let mut marked = self.lane.marked();
        marked.push(Weak::clone(&self.connection));
        let first = marked.len() == 1;
        drop(marked);
        if first {
            self.lane.wake.notify_one();
        }
    }
}

async fn drive(lane: Arc<Lane>) {
    let mut batch = Vec::new();
    let mut free_at = Instant::now();
    loop {
        lane.wake.notified().await;
        if Instant::now() < free_at {
            sleep_until(free_at).await;
        }
        let now = Instant::now();
        free_at = now + SPACING;
        mem::swap(&mut batch, &mut *lane.marked());
        for (nth, connection) in batch.drain(..).enumerate() {
            if let Some(connection) = connection.upgrade() {
                connection.push(now);
            }
            if nth % TURN_CONNECTIONS == TURN_CONNECTIONS - 1 {
                yield_now().await;
            }
        }
    }
}
