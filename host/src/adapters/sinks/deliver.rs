//! One sink: reads events, keeps each call's in their order, and tries until they are taken.

use super::delivery::{Attempt, Post};
use super::{EventSource, SinkCounts, Told, is_wanted};
use crate::adapters::spread::spread;
use crate::application::desk::Place;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use vg_domain::ids::CallId;

/// Events that wait for a sink, taken from the log. When full: they stay in the log, whose own bound says what is missed.
const WAITING_MAX: usize = 512;
/// Requests to a sink at a time, of as many calls.
const REQUESTS_MAX: usize = 8;
/// The first pause; each is about twice the one before, and by chance half of that or more.
const PAUSE: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(300);
/// An event that is not taken for so long is given up.
const GIVEN_UP_AFTER: Duration = Duration::from_secs(24 * 3_600);

/// Counts of one sink.
#[derive(Default)]
pub(super) struct Counts {
    delivered: AtomicU64,
    refused: AtomicU64,
    given_up: AtomicU64,
    missed: AtomicU64,
    failures: AtomicU64,
    waiting: AtomicU64,
    off: AtomicBool,
}

impl Counts {
    pub(super) fn read(&self) -> SinkCounts {
        SinkCounts {
            delivered: self.delivered.load(Relaxed),
            refused: self.refused.load(Relaxed),
            given_up: self.given_up.load(Relaxed),
            missed: self.missed.load(Relaxed),
            failures: self.failures.load(Relaxed),
            waiting: self.waiting.load(Relaxed),
            off: self.off.load(Relaxed),
        }
    }
}

/// What became of an event.
enum Fate {
    Done,
    Gone,
}

/// One sink at work.
pub(super) struct Worker {
    pub(super) post: Post,
    pub(super) source: Arc<dyn EventSource>,
    pub(super) counts: Arc<Counts>,
}

impl Worker {
    /// What follows that place, until `stop`, or until the sink says that it is gone.
    pub(super) async fn run(self, mut after: Place, stop: CancellationToken) {
        let (tenant, sink) = (&self.post.tenant, self.post.webhook.name.as_str());
        self.counts.off.store(false, Relaxed);
        let mut changes = self.source.changes(tenant);
        let requests = Semaphore::new(REQUESTS_MAX);
        let mut lanes: HashMap<CallId, VecDeque<Arc<Told>>> = HashMap::new();
        let mut open = BTreeSet::new();
        let mut running = FuturesUnordered::new();
        loop {
            changes.borrow_and_update();
            while open.len() < WAITING_MAX {
                let reading = self.source.read(tenant, &after, WAITING_MAX - open.len()).await;
                if reading.missed > 0 {
                    let missed = reading.missed;
                    self.counts.missed.fetch_add(missed, Relaxed);
                    tracing::warn!(%tenant, sink, missed, "a tenant's webhook misses events: it is too slow");
                }
                let read_all = reading.events.is_empty();
                for event in reading.events {
                    if !is_wanted(&self.post.webhook.types, &event.kind) {
                        continue;
                    }
                    open.insert(event.number);
                    let lane = lanes.entry(event.call.clone()).or_default();
                    lane.push_back(Arc::clone(&event));
                    if lane.len() == 1 {
                        running.push(self.deliver(event, &requests));
                    }
                }
                after = reading.next;
                if read_all {
                    break;
                }
            }
            if open.is_empty() {
                // What it does not want need not be kept for it.
                self.source.acknowledge(tenant, sink, &after);
            }
            self.counts.waiting.store(open.len() as u64, Relaxed);
            let done = tokio::select! {
                () = stop.cancelled() => return,
                changed = changes.changed(), if open.len() < WAITING_MAX => match changed {
                    Ok(()) => None,
                    Err(_) => return,
                },
                done = running.next(), if !running.is_empty() => done,
            };
            let Some((event, fate)) = done else { continue };
            if let Fate::Gone = fate {
                self.counts.off.store(true, Relaxed);
                self.counts.waiting.store(0, Relaxed);
                tracing::warn!(%tenant, sink, "a tenant's webhook says that it is gone (410): switched off until its settings change");
                return;
            }
            open.remove(&event.number);
            let acknowledged = open.first().map_or(after.number(), |first| first - 1);
            self.source.acknowledge(tenant, sink, &after.at(acknowledged));
            if let Some(lane) = lanes.get_mut(&event.call) {
                lane.pop_front();
                match lane.front() {
                    Some(next) => running.push(self.deliver(Arc::clone(next), &requests)),
                    None => drop(lanes.remove(&event.call)),
                }
            }
        }
    }

    /// Tries until the event has its fate.
    async fn deliver(&self, event: Arc<Told>, requests: &Semaphore) -> (Arc<Told>, Fate) {
        let since = Instant::now();
        let mut longest = PAUSE;
        loop {
            let attempt = {
                // Never closed.
                let _seat = requests.acquire().await;
                self.post.attempt(&event.id, &event.body).await
            };
            let (tenant, sink) = (&self.post.tenant, self.post.webhook.name.as_str());
            let pause = match attempt {
                Attempt::Taken => {
                    self.counts.delivered.fetch_add(1, Relaxed);
                    return (event, Fate::Done);
                }
                Attempt::Refused(status) => {
                    tracing::warn!(%tenant, sink, status, event = event.kind, "a tenant's webhook refuses an event");
                    self.counts.refused.fetch_add(1, Relaxed);
                    return (event, Fate::Done);
                }
                Attempt::Gone => return (event, Fate::Gone),
                Attempt::Later(code, asked) => {
                    tracing::debug!(%tenant, sink, code, "an event is sent again later");
                    self.counts.failures.fetch_add(1, Relaxed);
                    asked.unwrap_or_default().max(spread(longest / 2..=longest))
                }
            };
            if since.elapsed() + pause > GIVEN_UP_AFTER {
                tracing::warn!(%tenant, sink, event = event.kind, "an event is given up: a tenant's webhook has not taken it for a day");
                self.counts.given_up.fetch_add(1, Relaxed);
                return (event, Fate::Done);
            }
            longest = (longest * 2).min(PAUSE_MAX);
            sleep(pause).await;
        }
    }
}
