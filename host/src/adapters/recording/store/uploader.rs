//! The task that brings recordings to the store and out of it: one at a time, for as long as it takes.

use super::bucket::Bucket;
use super::part::{Done, Part};
use super::withdrawn::Withdrawn;
use super::{STORE_FAULTS, StoreFault};
use crate::adapters::recording::file::Paths;
use crate::adapters::recording::note::{InStore, Note};
use crate::adapters::recording::repair::entries;
use crate::adapters::recording::{Counters, Teller};
use crate::adapters::spread::spread;
use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio_util::sync::CancellationToken;
use vg_domain::ids::{CallId, TenantId};
use vg_domain::recording::{DeletionReason, RecordingFact};

/// Recordings that are known to wait. When full: the folder is looked through when these are done.
const WAITING_MAX: usize = 1024;
/// What the command line deleted, and what was left out of a full queue, is found so often.
const LOOK_EVERY: Duration = Duration::from_secs(60 * 60);
/// The first pause; each is twice the one before, and by chance half of that or more.
const AGAIN_FIRST: Duration = Duration::from_millis(500);
const AGAIN_LAST: Duration = Duration::from_secs(60);

/// Something that is to be done.
struct Work {
    what: What,
    /// That it was tried in vain is told once.
    failed: bool,
}

/// What: the note of a recording says, too.
enum What {
    /// A recording is whole.
    Send(Paths),
    /// One is to be deleted there.
    Delete(Paths),
    /// Nothing of a call is to be there, whoever sends it.
    Withdraw(Withdrawn),
}

impl What {
    /// It is to be deleted there.
    fn deletes(&self) -> bool {
        !matches!(self, Self::Send(_))
    }
}

/// What the store has come to.
#[derive(Default)]
pub(in crate::adapters::recording) struct StoreCounters {
    up: AtomicBool,
    waiting: AtomicU64,
    to_delete: AtomicU64,
    stored: AtomicU64,
    bytes: AtomicU64,
    faults: [AtomicU64; STORE_FAULTS.len()],
}

/// What the store has come to since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StoreStats {
    /// It did what it was asked the last time.
    pub up: bool,
    /// Recordings that are known to wait for it.
    pub waiting: u64,
    /// Of these, so many are to be deleted there.
    pub to_delete: u64,
    /// Recordings that it has taken.
    pub stored: u64,
    /// Bytes of these, and of pieces of others.
    pub bytes: u64,
    /// Tries in vain, by code.
    pub faults: [(&'static str, u64); STORE_FAULTS.len()],
}

/// The way to the task.
#[derive(Clone)]
pub(in crate::adapters::recording) struct Ways {
    works: Sender<Work>,
    /// There is more in the folder than fits the queue.
    more: Arc<AtomicBool>,
    counters: Arc<StoreCounters>,
}

impl Ways {
    /// A recording is whole. Does not block.
    pub(in crate::adapters::recording) fn send(&self, paths: Paths) {
        self.tell(What::Send(paths));
    }

    /// A recording is to be deleted in the store: its note says so. Does not block.
    pub(in crate::adapters::recording) fn delete(&self, paths: Paths) {
        self.tell(What::Delete(paths));
    }

    /// Nothing of a call is to be there any more: its file says so. Does not block.
    pub(in crate::adapters::recording) fn withdraw(&self, withdrawn: Withdrawn) {
        self.tell(What::Withdraw(withdrawn));
    }

    fn tell(&self, what: What) {
        if self.works.try_send(Work { what, failed: false }).is_err() {
            self.more.store(true, Relaxed);
        }
    }

    pub(in crate::adapters::recording) fn stats(&self) -> StoreStats {
        let counters = &*self.counters;
        let mut faults = STORE_FAULTS.map(|code| (code, 0));
        faults.iter_mut().zip(&counters.faults).for_each(|((_, count), counter)| *count = counter.load(Relaxed));
        StoreStats {
            up: counters.up.load(Relaxed),
            waiting: counters.waiting.load(Relaxed),
            to_delete: counters.to_delete.load(Relaxed),
            stored: counters.stored.load(Relaxed),
            bytes: counters.bytes.load(Relaxed),
            faults,
        }
    }
}

/// The task, before it runs.
pub struct Uploader {
    dir: Arc<PathBuf>,
    bucket: Bucket,
    keep_local: bool,
    works: Receiver<Work>,
    more: Arc<AtomicBool>,
    counters: Arc<StoreCounters>,
    recordings: Arc<Counters>,
    teller: Teller,
    queue: VecDeque<Work>,
}

impl Uploader {
    pub(in crate::adapters::recording) fn new(
        dir: &Path,
        bucket: Bucket,
        keep_local: bool,
        recordings: Arc<Counters>,
        teller: Teller,
    ) -> (Self, Ways) {
        let (works, waiting) = channel(WAITING_MAX);
        // What was left before this start is in the folder.
        let more = Arc::new(AtomicBool::new(true));
        let counters = Arc::<StoreCounters>::default();
        counters.up.store(true, Relaxed);
        let ways = Ways { works, more: Arc::clone(&more), counters: Arc::clone(&counters) };
        let dir = Arc::new(dir.to_owned());
        let uploader =
            Self { dir, bucket, keep_local, works: waiting, more, counters, recordings, teller, queue: VecDeque::new() };
        (uploader, ways)
    }

    /// Serves until `close`. What is under way then goes on when the next one starts.
    pub async fn run(mut self, close: CancellationToken) {
        let work = async {
            let mut again = AGAIN_FIRST;
            loop {
                self.gather().await;
                let Some(work) = self.queue.pop_front() else { continue };
                if self.is_done(work).await {
                    again = AGAIN_FIRST;
                } else {
                    tokio::time::sleep(spread(again / 2..=again)).await;
                    again = (again * 2).min(AGAIN_LAST);
                }
            }
        };
        tokio::select! {
            () = close.cancelled() => {}
            () = work => {}
        }
    }

    /// Waits until there is something to do.
    async fn gather(&mut self) {
        while let Ok(work) = self.works.try_recv() {
            self.take(work);
        }
        if self.queue.is_empty() && self.more.swap(false, Relaxed) {
            let (dir, keep_local) = (Arc::clone(&self.dir), self.keep_local);
            let found = tokio::task::spawn_blocking(move || look_through(&dir, keep_local)).await;
            match found.unwrap_or_else(|error| Err(io::Error::other(error))) {
                Ok((found, more)) => {
                    found.into_iter().for_each(|work| self.take(work));
                    self.more.fetch_or(more, Relaxed);
                }
                Err(error) => self.failed(&error.into()),
            }
        }
        self.count_waiting();
        if self.queue.is_empty() {
            match tokio::time::timeout(LOOK_EVERY, self.works.recv()).await {
                Ok(Some(work)) => self.take(work),
                // Nobody is left who could say more.
                Ok(None) => std::future::pending().await,
                Err(_) => self.more.store(true, Relaxed),
            }
            self.count_waiting();
        }
    }

    /// What is to be deleted comes first: somebody was promised.
    fn take(&mut self, work: Work) {
        match (self.queue.len() < WAITING_MAX, work.what.deletes()) {
            (true, true) => self.queue.push_front(work),
            (true, false) => self.queue.push_back(work),
            (false, _) => self.more.store(true, Relaxed),
        }
    }

    fn count_waiting(&self) {
        self.counters.waiting.store(self.queue.len() as u64, Relaxed);
        self.counters.to_delete.store(self.queue.iter().filter(|work| work.what.deletes()).count() as u64, Relaxed);
    }

    /// False where the store is to be left alone for a while.
    async fn is_done(&mut self, mut work: Work) -> bool {
        let counters = Arc::clone(&self.counters);
        let sent = move |bytes| {
            counters.bytes.fetch_add(bytes, Relaxed);
        };
        let (bucket, dir, keep_local) = (&self.bucket, &self.dir, self.keep_local);
        let done = match &work.what {
            What::Send(paths) | What::Delete(paths) => Part { bucket, dir, paths, keep_local, sent: &sent }.step().await,
            What::Withdraw(withdrawn) => withdrawn.carry_out(bucket).await.map(|parts| {
                self.deleted(&withdrawn.tenant, &withdrawn.call, parts, withdrawn.why);
                Done::Nothing
            }),
        };
        match done {
            Ok(done) => {
                if !self.counters.up.swap(true, Relaxed) {
                    tracing::info!("the store of recordings is back");
                }
                self.tell(done);
                self.count_waiting();
                true
            }
            Err(fault) => {
                self.failed(&fault);
                if !work.failed {
                    self.tell_failed(&work, &fault).await;
                    work.failed = true;
                }
                // No time changes that: a start with another configuration may.
                if !matches!(fault, StoreFault::Elsewhere) {
                    self.queue.push_back(work);
                }
                self.count_waiting();
                false
            }
        }
    }

    fn tell(&self, done: Done) {
        match done {
            Done::Nothing => {}
            Done::Stored(note) => {
                self.counters.stored.fetch_add(1, Relaxed);
                if let Some(InStore::Stored { url }) = &note.store {
                    self.teller.tell_of(&note, RecordingFact::Stored { part: note.part, object: url.clone() });
                }
            }
            Done::Deleted(note, why) => {
                self.deleted(&TenantId::new(note.tenant.clone()), &CallId::new(note.call.clone()), 1, why);
            }
        }
    }

    fn deleted(&self, tenant: &TenantId, call: &CallId, parts: u32, why: DeletionReason) {
        if parts > 0 {
            self.recordings.deleted(why, parts);
            self.teller.deleted(tenant, call, parts, why);
        }
    }

    /// What the store says is told once, until it says something else.
    fn failed(&self, fault: &StoreFault) {
        let code = fault.code();
        if let Some(at) = STORE_FAULTS.iter().position(|known| *known == code) {
            self.counters.faults[at].fetch_add(1, Relaxed);
        }
        if self.counters.up.swap(false, Relaxed) {
            tracing::error!(
                code,
                error = fault as &dyn std::error::Error,
                "recordings do not reach their store: they wait on the disk"
            );
        } else {
            tracing::debug!(code, error = fault as &dyn std::error::Error, "the store of recordings still fails");
        }
    }

    async fn tell_failed(&self, work: &Work, fault: &StoreFault) {
        let deletes = work.what.deletes();
        if deletes {
            self.recordings.not_deleted();
        }
        let (What::Send(paths) | What::Delete(paths)) = &work.what else { return };
        let path = paths.note.clone();
        let note = tokio::task::spawn_blocking(move || Note::read(&path)).await;
        if let Ok(Ok(Some(note))) = note {
            self.teller.tell_of(&note, RecordingFact::NotStored { part: note.part, deletes, code: fault.code() });
        }
    }
}

/// Recordings for which something is to be done, as many as fit the queue, and whether there are more. Blocks on the disk.
fn look_through(dir: &Path, keep_local: bool) -> io::Result<(Vec<Work>, bool)> {
    let mut found = Vec::new();
    for folder in entries(dir)?.into_iter().filter(|path| path.is_dir()) {
        for file in entries(&folder)? {
            if found.len() == WAITING_MAX {
                return Ok((found, true));
            }
            if let Some(withdrawn) = Withdrawn::read(file.clone()) {
                found.push(Work { what: What::Withdraw(withdrawn), failed: false });
                continue;
            }
            let Some(name) = file.file_name().and_then(|name| name.to_str()).and_then(|name| name.strip_suffix(".json")) else {
                continue;
            };
            let paths = Paths::new(&folder, name);
            let what = match Note::read(&file) {
                Ok(note) => note.and_then(|note| wanted(&note, paths, keep_local)),
                // It is asked again, and again, what is to be done. What still grows is told of when it is whole.
                Err(_) => (!paths.part.exists()).then_some(What::Send(paths)),
            };
            found.extend(what.map(|what| Work { what, failed: false }));
        }
    }
    Ok((found, false))
}

/// Whether it is to be deleted in the store, or sent there; none where it is as it is to be.
fn wanted(note: &Note, paths: Paths, keep_local: bool) -> Option<What> {
    // What still grows, or is being repaired, is told of when it is whole.
    let whole = !paths.part.exists() && !note.file.is_empty() && paths.is_whole();
    match &note.store {
        Some(InStore::Deleting { .. }) => Some(What::Delete(paths)),
        Some(InStore::Stored { .. }) => (!keep_local && whole).then_some(What::Send(paths)),
        Some(InStore::Sending { .. }) | None => whole.then_some(What::Send(paths)),
    }
}
