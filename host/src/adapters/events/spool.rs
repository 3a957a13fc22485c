//! Where events wait until they are elsewhere, and stay where they go nowhere else: an SQLite database in a folder of this gateway's own.
//!
//! One thread writes. What comes within some milliseconds is one transaction, and the disk keeps it (`synchronous = FULL`) before it counts as
//! published ([`Facts::committed`]). Calls wait for none of it: where the disk is slow or full, events queue, then are lost and counted (a gap in
//! their sequence shows where), an alarm is raised, and no further call is taken in.
//!
//! The database is bounded. What every reader that must have it (`kafka`) has acknowledged is kept for a while, and gives way to what is newer.

mod consumer;
mod read;
mod store;
mod subject;
mod writer;

pub use read::{Filter, Past, ReadError, Stored};
pub use subject::{calls_of, erase};

use super::{Backlog, CloudEvent};
use crate::adapters::folder::{self, NotHeld};
use crate::adapters::notices::Noted;
use crate::adapters::pseudonyms::Pseudonyms;
use crate::application::desk::{self, Value};
use crate::application::ports::{Facts, Subject};
use consumer::Consumer;
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, ready};
use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, SystemTime};
use store::Row;
use tokio::sync::watch;
use vg_domain::event::Fact;
use vg_domain::ids::{CallId, TenantId};

/// Events that wait for the disk. When full: the event is lost and counted.
const EVENTS_MAX: usize = 16_384;
/// The reader that must have every event.
const KAFKA: &str = "kafka";
/// The member of `call.started` that names the caller for those who have the key.
const CALLER_REF: &str = "caller_ref";
/// The database, in the spool's folder.
const DATABASE: &str = "events.db";

/// How much is kept, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Bytes of the database.
    pub bytes_max: u64,
    /// What is acknowledged, or goes nowhere, is forgotten after so long.
    pub keep: Duration,
}

/// Why there is no spool.
#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    /// The folder cannot be had.
    #[error("use the folder of events")]
    Folder(#[source] io::Error),
    /// Somebody else writes to it.
    #[error("use the folder of events: another gateway writes to it")]
    Busy,
    /// The database cannot be had.
    #[error("open the database of events")]
    Database(#[from] rusqlite::Error),
    /// No thread.
    #[error("start the thread of the spool")]
    Thread(#[source] io::Error),
}

/// What the spool has come to since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SpoolStats {
    /// Events that the disk keeps.
    pub kept: u64,
    /// Events lost since too many waited, or since the disk did not take them before the end.
    pub lost: u64,
    /// Times that the disk was asked to keep a group of events.
    pub groups: u64,
    /// Bytes of the database in use.
    pub bytes: u64,
    /// Events that were saved from a damaged database.
    pub salvaged: u64,
    /// A damaged database was found at the start, and set aside.
    pub damaged: bool,
    /// The last group could not be written.
    pub failing: bool,
    /// There is room for the events of the calls that are up, and for no others.
    pub full: bool,
}

/// Events of this gateway, on its disk. Dropping it writes what still waits.
pub struct Spool {
    door: Mutex<Door>,
    shared: Arc<Shared>,
    /// For those who read on as tenants' webhooks do.
    past: Arc<Mutex<Past>>,
    path: PathBuf,
    pseudonyms: Option<Pseudonyms>,
    _lock: File,
    thread: Option<thread::JoinHandle<()>>,
}

/// *Invariant:* places grow by one with each event, in the order in which events go to the writer.
struct Door {
    /// Taken by the drop.
    orders: Option<SyncSender<Order>>,
    next: u64,
}

enum Order {
    Keep(Row),
    /// Somebody waits: do not gather any more.
    Hurry,
}

struct Shared {
    kept: AtomicU64,
    lost: AtomicU64,
    groups: AtomicU64,
    bytes: AtomicU64,
    salvaged: u64,
    damaged: bool,
    failing: AtomicBool,
    full: AtomicBool,
    /// A wish for haste is on its way: one is enough.
    hurried: AtomicBool,
    /// No more events come: a disk that takes none is not waited for any longer.
    closing: AtomicBool,
    /// The last place that the disk keeps.
    last: watch::Sender<u64>,
    /// The same for tenants that somebody waits for.
    of_tenants: Mutex<HashMap<TenantId, watch::Sender<u64>>>,
    /// What readers have acknowledged.
    positions: Mutex<BTreeMap<String, Position>>,
    /// Before the first place of this run.
    before: u64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Position {
    /// None: it is forgotten.
    place: Option<u64>,
    /// The disk does not know of it yet.
    moved: bool,
}

impl Spool {
    /// Makes the folder where it is not there, and is ready. `to_kafka`: events are kept until Kafka has them. Blocks on the disk.
    ///
    /// # Errors
    /// Where folder or database cannot be had, or another gateway has them.
    pub fn open(dir: &Path, bounds: Bounds, to_kafka: bool) -> Result<Self, SpoolError> {
        let lock = folder::hold(dir).map_err(|error| match error {
            NotHeld::Folder(error) => SpoolError::Folder(error),
            NotHeld::Busy => SpoolError::Busy,
        })?;
        let path = dir.join(DATABASE);
        let (store, salvaged) = store::open_or_salvage(&path, bounds.bytes_max)?;
        let mut positions = store.positions()?;
        if to_kafka {
            positions.entry(KAFKA.to_owned()).or_default();
        }
        // Greater than any place that was ever given, also by a database that is lost.
        let millis = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_millis();
        let before = store.last()?.max(u64::try_from(millis).unwrap_or_default() << 12);
        let shared = Arc::new(Shared {
            kept: AtomicU64::default(),
            lost: AtomicU64::default(),
            groups: AtomicU64::default(),
            bytes: AtomicU64::new(store.bytes()?),
            salvaged: salvaged.unwrap_or_default(),
            damaged: salvaged.is_some(),
            failing: AtomicBool::default(),
            full: AtomicBool::default(),
            hurried: AtomicBool::default(),
            closing: AtomicBool::default(),
            last: watch::channel(store.last()?).0,
            of_tenants: Mutex::default(),
            positions: Mutex::new(
                positions.into_iter().map(|(name, place)| (name, Position { place: Some(place), moved: false })).collect(),
            ),
            before,
        });
        let (orders, waiting) = sync_channel(EVENTS_MAX);
        let work = writer::Work { store, bounds, held_by: to_kafka.then_some(KAFKA), shared: Arc::clone(&shared) };
        let builder = thread::Builder::new().name("vg-spool".to_owned());
        let thread = builder.spawn(move || work.run(&waiting)).map_err(SpoolError::Thread)?;
        let door = Mutex::new(Door { orders: Some(orders), next: before + 1 });
        let past = Arc::new(Mutex::new(Past::open_file(&path)?));
        Ok(Self { door, shared, past, path, pseudonyms: None, _lock: lock, thread: Some(thread) })
    }

    /// The same, in which `call.started` names callers so.
    #[must_use]
    pub fn naming_callers(mut self, pseudonyms: Option<Pseudonyms>) -> Self {
        self.pseudonyms = pseudonyms;
        self
    }

    /// Counts since the start.
    pub fn stats(&self) -> SpoolStats {
        let Shared { kept, lost, groups, bytes, salvaged, damaged, failing, full, .. } = &*self.shared;
        SpoolStats {
            kept: kept.load(Relaxed),
            lost: lost.load(Relaxed),
            groups: groups.load(Relaxed),
            bytes: bytes.load(Relaxed),
            salvaged: *salvaged,
            damaged: *damaged,
            failing: failing.load(Relaxed),
            full: full.load(Relaxed),
        }
    }

    /// Bounded label for readiness.
    pub fn standing(&self) -> &'static str {
        match self.stats() {
            SpoolStats { failing: true, .. } => "failing",
            SpoolStats { full: true, .. } => "full",
            _ => "writing",
        }
    }

    /// What has to go to Kafka.
    ///
    /// # Errors
    /// Where the database cannot be read.
    pub fn to_kafka(&self) -> Result<Arc<dyn Backlog>, SpoolError> {
        Ok(Arc::new(self.consumer(KAFKA)?))
    }

    fn consumer(&self, name: &str) -> Result<Consumer, SpoolError> {
        Ok(Consumer::new(name, Past::open_file(&self.path)?, Arc::clone(&self.shared)))
    }

    /// What befell this run of the gateway as a whole. No tenant is shown it.
    pub fn note(&self, run: &str, noted: &Noted) {
        let kind = noted.notice.kind();
        self.put(Row {
            place: 0,
            tenant: TenantId::new(""),
            call: CallId::new(run),
            kind,
            at: noted.at,
            event: CloudEvent::of_gateway(run, noted.number, noted.at, kind, &noted.data()).json(),
        });
    }

    fn put(&self, row: Row) {
        let mut door = self.door();
        let place = door.next;
        let taken = door.orders.as_ref().is_some_and(|orders| orders.try_send(Order::Keep(Row { place, ..row })).is_ok());
        if taken {
            door.next += 1;
            // A whole group waits for nobody.
            if place.is_multiple_of(writer::GROUP_MAX as u64) {
                self.wake();
            }
        } else {
            self.shared.lost.fetch_add(1, Relaxed);
        }
    }

    fn wake(&self) {
        if let Some(thread) = &self.thread {
            thread.thread().unpark();
        }
    }

    fn door(&self) -> MutexGuard<'_, Door> {
        // Nothing panics while it is held.
        self.door.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Facts for Spool {
    fn publish(&self, subject: Subject<'_>, fact: &Fact) {
        let Some((kind, mut data)) = desk::event(fact) else { return };
        // The tenant of a refused call may be anybody's word: no place is kept for it.
        if let Fact::Started(_) | Fact::Adopted { .. } | Fact::Recording(_) = fact {
            let behind = self.door().next - 1;
            self.shared.begins(subject.tenant, behind);
        }
        if let (Fact::Started(parties), Some(pseudonyms)) = (fact, &self.pseudonyms) {
            data.extend(pseudonyms.of_call(subject.tenant, parties).map(|name| (CALLER_REF, Value::Text(name))));
        }
        let at = SystemTime::now();
        let row = Row {
            place: 0,
            tenant: subject.tenant.clone(),
            call: subject.call.clone(),
            kind,
            at,
            event: CloudEvent::new(subject, at, kind, &data).json(),
        };
        self.put(row);
    }

    fn committed(&self) -> BoxFuture<'static, ()> {
        let place = {
            let door = self.door();
            // Where there is no room for it nobody gathers.
            if let Some(orders) = &door.orders
                && !self.shared.hurried.swap(true, Relaxed)
            {
                match orders.try_send(Order::Hurry) {
                    Ok(()) => self.wake(),
                    Err(_) => self.shared.hurried.store(false, Relaxed),
                }
            }
            door.next - 1
        };
        let mut last = self.shared.last.subscribe();
        // Before the first event of this run there is nothing to wait for.
        if place <= self.shared.before || *last.borrow() >= place || self.shared.failing.load(Relaxed) {
            return ready(()).boxed();
        }
        async move { drop(last.wait_for(|last| *last >= place).await) }.boxed()
    }

    fn has_room(&self) -> bool {
        !self.shared.full.load(Relaxed) && !self.shared.failing.load(Relaxed)
    }
}

impl Drop for Spool {
    fn drop(&mut self) {
        self.shared.closing.store(true, Relaxed);
        self.door().orders = None;
        self.wake();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn positions(&self) -> MutexGuard<'_, BTreeMap<String, Position>> {
        // Nothing panics while it is held.
        self.positions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn position(&self, reader: &str) -> Option<u64> {
        self.positions().get(reader).and_then(|position| position.place)
    }

    fn acknowledge(&self, reader: &str, place: u64) {
        let mut positions = self.positions();
        // Whoever has none was forgotten meanwhile.
        if let Some(position) = positions.get_mut(reader).filter(|position| position.place.is_some_and(|known| place > known)) {
            *position = Position { place: Some(place), moved: true };
        }
    }

    fn of_tenants(&self) -> MutexGuard<'_, HashMap<TenantId, watch::Sender<u64>>> {
        // Nothing panics while it is held.
        self.of_tenants.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
