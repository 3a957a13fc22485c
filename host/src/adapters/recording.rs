//! Calls written down: `<dir>/<tenant>/<call>.wav`, the caller left, the gateway right, and a note beside it, `<call>.json`.
//!
//! While a call lasts its file is called `.wav.part` and is locked; at the end its header gets its length, and it gets its name: `.wav`, or `.opus` where it
//! is encoded then, and `.age` behind that where it is sealed. What a gateway that died
//! left behind is repaired and finished when the next one starts. Files belong to the gateway's user alone. A further part of a call, where another
//! gateway went on with it or its leg was built anew, is `<call>.2.wav`, `<call>.3.wav` and so on.
//!
//! *When it is safe.* What was written is safe from a crash of the gateway at once, and from one of the machine when the system has written it out, in
//! half a minute or so. A finished recording is on the disk before it gets its name, and its name before it is counted as kept.

mod file;
mod finish;
mod forget;
mod held;
mod note;
mod repair;
mod sealing;
mod store;
mod sweeper;
#[cfg(test)]
mod tests;
mod writer;

pub use finish::Form;
pub use forget::{Forgotten, Part, forget, parts_of};
use repair::Leftovers;
pub use repair::{Repaired, repair};
pub use sealing::{Recipient, RecipientError};
pub use store::{Bucket, StoreFault, StoreStats, Uploader, delete_in_store};

use crate::adapters::folder;
use crate::adapters::pseudonyms::Pseudonyms;
use crate::application::ports::{Epoch, Facts, Sequence, Subject};
use crate::application::recording::{self, PartsOf, Recorder, Recording, RecordingError, RecordingRequest, RecordingSource};
use file::Paths;
use note::Note;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, SystemTime};
use store::{Ways, Withdrawn};
use sweeper::{EVERY, Sweeper};
use vg_domain::event::Fact;
use vg_domain::ids::{CallId, TenantId};
use vg_domain::recording::{DeletionReason, RecordingFact};
use writer::{Begin, Endings, Finisher, Forget, Order, Writer};

/// Recordings that are to begin or to be deleted and that the writer has not seen yet; it looks ten times a second. When full: the call is not recorded.
const ORDERS_MAX: usize = 1024;
/// Recordings that are over and wait for the disk. When full: the writer waits, and blocks of calls that go on are left out and counted.
const ENDINGS_MAX: usize = 1024;

/// What a disk may do to a recording that has begun; what keeps one from beginning is told to the call.
const FAULTS: [&str; 5] = ["disk_full", "denied", "io", "not_deleted", "not_encoded"];
/// Where another code is counted.
const IO_FAULT: usize = 2;
/// Where promises are counted that were not kept yet.
const NOT_DELETED: usize = 3;
/// Where recordings are counted that stay as they are although they were to be encoded.
const NOT_ENCODED: usize = 4;

/// Writes calls down, on threads of its own. Dropping it finishes every recording.
pub struct Recordings {
    /// Taken by the drop.
    orders: Option<SyncSender<Order>>,
    counters: Arc<Counters>,
    threads: Vec<thread::JoinHandle<()>>,
    /// Ends before them.
    sweeper: Option<Sweeper>,
    store: ToStore,
    /// Taken by whoever runs it.
    uploader: Mutex<Option<Uploader>>,
}

/// How recordings are kept.
#[derive(Clone, Default)]
pub struct Keeping {
    /// They are deleted after so many days; none: never. A tenant's own days come first.
    pub keep_days: Option<NonZeroU32>,
    /// What they are when they are whole.
    pub form: Form,
    /// Where they go when they are whole, and whether they stay in the folder as well; none: nowhere.
    pub store: Option<(Bucket, bool)>,
    /// Who is told what becomes of them.
    pub facts: Option<Arc<dyn Facts>>,
    /// How notes name callers; none: they do not.
    pub pseudonyms: Option<Pseudonyms>,
}

/// Tells what becomes of recordings whose calls may be over.
#[derive(Clone)]
struct Teller(Option<Arc<dyn Facts>>);

impl Teller {
    fn kept(&self, note: &Note) {
        let length = Duration::from_millis(note.length_ms);
        self.tell_of(note, RecordingFact::Kept { part: note.part, length, sha256: note.sha256.clone() });
    }

    fn tell_of(&self, note: &Note, fact: RecordingFact) {
        self.tell(&TenantId::new(note.tenant.clone()), &CallId::new(note.call.clone()), fact);
    }

    fn deleted(&self, tenant: &TenantId, call: &CallId, parts: u32, why: DeletionReason) {
        self.tell(tenant, call, RecordingFact::Deleted { parts, why });
    }

    fn tell(&self, tenant: &TenantId, call: &CallId, fact: RecordingFact) {
        if let Some(facts) = &self.0 {
            // It is told beside the call, which counts its own events and may be over: in an epoch before its first, at the clock's microsecond.
            let micros = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_micros();
            let sequence = Sequence { epoch: Epoch(0), n: u64::try_from(micros).unwrap_or(u64::MAX) };
            let subject = Subject { call, tenant, conversation: None, sequence };
            facts.publish(subject, &Fact::Recording(fact));
        }
    }
}

/// The way to the store, where there is one.
#[derive(Clone)]
struct ToStore {
    ways: Option<Ways>,
    counters: Arc<Counters>,
}

impl ToStore {
    fn send(&self, paths: Paths) {
        if let Some(ways) = &self.ways {
            ways.send(paths);
        }
    }

    /// Nothing of a call is to be there any more, whoever sends it. Where this cannot be said, on the disk, nobody may take it for said.
    fn withdraw(&self, dir: &Path, tenant: &TenantId, call: &CallId, why: DeletionReason) {
        let Some(ways) = &self.ways else { return };
        match Withdrawn::write(dir, tenant, call, why) {
            Ok(withdrawn) => ways.withdraw(withdrawn),
            Err(error) => {
                tracing::error!(%call, %error, "cannot note that nothing of a call is to be kept");
                self.counters.not_deleted();
            }
        }
    }

    fn delete(&self, paths: Paths) {
        match &self.ways {
            Some(ways) => ways.delete(paths),
            // Its note says that a store has it, and none is configured any more: somebody has to see to it.
            None => self.counters.not_deleted(),
        }
    }
}

/// What recordings have come to since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RecordingStats {
    /// Being written now.
    pub live: u64,
    /// Finished.
    pub kept: u64,
    /// Left behind by a gateway that died, and finished now.
    pub repaired: u64,
    /// Parts that were deleted, by code.
    pub deleted: [(&'static str, u64); DeletionReason::ALL.len()],
    /// Half seconds that the writer had no time for, or the disk no room.
    pub blocks_dropped: u64,
    /// Recordings that the disk refused, or took no more of, by code.
    pub faults: [(&'static str, u64); FAULTS.len()],
    /// What the store has come to; none where there is none.
    pub store: Option<StoreStats>,
}

#[derive(Default)]
struct Counters {
    live: AtomicU64,
    kept: AtomicU64,
    repaired: AtomicU64,
    deleted: [AtomicU64; DeletionReason::ALL.len()],
    blocks_dropped: AtomicU64,
    faults: [AtomicU64; FAULTS.len()],
}

impl Counters {
    fn deleted(&self, why: DeletionReason, parts: u32) {
        if let Some(at) = DeletionReason::ALL.iter().position(|known| *known == why) {
            self.deleted[at].fetch_add(parts.into(), Relaxed);
        }
    }

    fn not_deleted(&self) {
        self.faults[NOT_DELETED].fetch_add(1, Relaxed);
    }

    fn not_encoded(&self) {
        self.faults[NOT_ENCODED].fetch_add(1, Relaxed);
    }

    fn fault(&self, error: &RecordingError) {
        let code = error.code();
        tracing::error!(code, error = error as &dyn std::error::Error, "a recording could not be written");
        let at = FAULTS.iter().position(|known| *known == code).unwrap_or(IO_FAULT);
        self.faults[at].fetch_add(1, Relaxed);
    }
}

/// Those who finish recordings: encoding is work for a processor.
fn finishers() -> usize {
    thread::available_parallelism().map_or(1, |cores| (cores.get() / 2).max(1))
}

impl Recordings {
    /// Makes the folder where it is not there, repairs what was left behind, and is ready.
    ///
    /// # Errors
    /// Where there is no folder and none can be made, or no thread.
    pub fn start(dir: &Path, keeping: Keeping) -> Result<Self, RecordingError> {
        Self::sweeping(dir, keeping, EVERY)
    }

    /// The same; what was kept long enough is looked for `every` so long.
    fn sweeping(dir: &Path, keeping: Keeping, every: Duration) -> Result<Self, RecordingError> {
        folder::private(dir)?;
        let counters = Arc::new(Counters::default());
        let teller = Teller(keeping.facts);
        let (orders, ordered) = sync_channel(ORDERS_MAX);
        let sending = |(bucket, keep_local)| Uploader::new(dir, bucket, keep_local, Arc::clone(&counters), teller.clone());
        let (uploader, ways) = keeping.store.map(sending).unzip();
        let store = ToStore { ways, counters: Arc::clone(&counters) };
        let spawn = |name: &str, work: Box<dyn FnOnce() + Send>| thread::Builder::new().name(name.into()).spawn(work);
        // Looked for before anything begins: what this gateway writes is not among them.
        let leftovers = Leftovers::of(dir)?;
        let (mut endings, mut finishers_of_calls) = (Vec::new(), Vec::new());
        for leftovers in leftovers.split(finishers()) {
            let (way, ended) = sync_channel(ENDINGS_MAX);
            let (counters, waiting) = (Arc::clone(&counters), Arc::<AtomicU64>::default());
            endings.push((way, Arc::clone(&waiting)));
            let (dir, teller, form, store) = (dir.to_owned(), teller.clone(), keeping.form.clone(), store.clone());
            let work = Finisher { dir, counters, teller, form, store, waiting };
            let work = move || {
                work.repair(leftovers);
                writer::finish_all(&ended, &work);
            };
            finishers_of_calls.push(spawn("vg-record-end", Box::new(work))?);
        }
        let endings = Endings(endings);
        let work = Writer { dir: dir.to_owned(), pseudonyms: keeping.pseudonyms, endings, counters: Arc::clone(&counters) };
        let mut threads = vec![spawn("vg-record", Box::new(move || work.write_all(&ordered)))?];
        threads.extend(finishers_of_calls);
        let sweeper = Sweeper::start(dir.to_owned(), keeping.keep_days, every, Arc::clone(&counters), teller, store.clone())?;
        Ok(Self { orders: Some(orders), counters, threads, sweeper: Some(sweeper), store, uploader: Mutex::new(uploader) })
    }

    /// The task that brings recordings to their store: to be run once. None where there is none, or it was taken.
    pub fn uploader(&self) -> Option<Uploader> {
        self.uploader.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Counts since the start.
    pub fn stats(&self) -> RecordingStats {
        let counters = &*self.counters;
        let mut faults = FAULTS.map(|code| (code, 0));
        faults.iter_mut().zip(&counters.faults).for_each(|((_, count), counter)| *count = counter.load(Relaxed));
        let mut deleted = DeletionReason::ALL.map(|why| (why.code(), 0));
        deleted.iter_mut().zip(&counters.deleted).for_each(|((_, count), counter)| *count = counter.load(Relaxed));
        RecordingStats {
            live: counters.live.load(Relaxed),
            kept: counters.kept.load(Relaxed),
            repaired: counters.repaired.load(Relaxed),
            deleted,
            blocks_dropped: counters.blocks_dropped.load(Relaxed),
            faults,
            store: self.store.ways.as_ref().map(Ways::stats),
        }
    }

    fn begin(&self, request: &RecordingRequest, source: RecordingSource) -> Result<(), RecordingError> {
        let names = [request.tenant.as_str(), request.call.as_str()];
        if !names.iter().all(|name| folder::is_name(name)) {
            return Err(RecordingError::Name);
        }
        let begin = Box::new(Begin { request: request.clone(), source });
        let orders = self.orders.as_ref().ok_or(RecordingError::Busy)?;
        orders.try_send(Order::Begin(begin)).map_err(|_| RecordingError::Busy)
    }
}

impl Recorder for Recordings {
    fn start(&self, request: RecordingRequest) -> Result<Recording, RecordingError> {
        let (recording, source) = recording::ends();
        self.begin(&request, source)?;
        Ok(recording)
    }

    fn forget(&self, tenant: &TenantId, call: &CallId, why: DeletionReason, parts: PartsOf) {
        let what = Forget { tenant: tenant.clone(), call: call.clone(), why, parts };
        let sent = self.orders.as_ref().map(|orders| orders.try_send(Order::Forget(what)));
        if !matches!(sent, Some(Ok(()))) {
            // Whoever asked was told that it would be so: somebody has to see to it.
            self.counters.fault(&RecordingError::NotDeleted);
        }
    }
}

impl Drop for Recordings {
    fn drop(&mut self) {
        self.sweeper = None;
        self.orders = None;
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

/// The file beside another, with another end of its name.
fn beside(path: &Path, name: &str, end: &str) -> PathBuf {
    path.with_file_name(format!("{name}{end}"))
}
