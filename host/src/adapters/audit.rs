//! What calls and administrators did, kept so that it shows where anything of it was changed, removed or moved: `<dir>/<tenant>/<yyyy-mm-dd>.jsonl`, one
//! JSON object a line, each with the hash of all before it (see `chain`).
//!
//! One thread writes, and has the disk keep what it wrote, a group at a time. Nobody waits for it: where the disk is slow or full, calls and acts go
//! on, what was lost is counted, told in the log itself once it can be written again, and raised as an alarm.
//!
//! Neither words nor numbers of callers are in it. Files and folders belong to the gateway's user alone; one gateway at a time writes to a folder.

mod chain;
mod disk;
mod export;
mod handed;
mod verify;
mod writer;

pub use export::{ExportError, Exported, Span, export};
pub use handed::{DONE, FAILED, ORDERED, Recorded, record};
pub use verify::{Finding, Found, Verified, Wrong, verify};

use crate::adapters::folder;
use crate::application::desk::{self, Data};
use crate::application::ports::{Facts, Subject};
use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::SystemTime;
use vg_domain::event::Fact;
use vg_domain::ids::{CallId, TenantId};

/// Lines that wait for the disk. When full: the line is lost, counted, and told in the log later.
const LINES_MAX: usize = 8_192;

/// Says what time it is.
type Clock = Arc<dyn Fn() -> SystemTime + Send + Sync>;

/// Why there is no audit log.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// The folder cannot be had.
    #[error("use the folder of the audit log")]
    Folder(#[source] io::Error),
    /// Somebody else writes to it.
    #[error("use the folder of the audit log: another gateway writes to it")]
    Busy,
    /// No thread.
    #[error("start the thread of the audit log")]
    Thread(#[source] io::Error),
}

/// The audit log while it is written. Dropping it writes what still waits.
pub struct Trail {
    /// Taken by the drop.
    lines: Option<SyncSender<Entry>>,
    shared: Arc<Shared>,
    clock: Clock,
    thread: Option<thread::JoinHandle<()>>,
}

/// An administrative act.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Act {
    /// Who: the subject of the token, or `uid:NUMBER` of who runs a command.
    pub subject: String,
    /// For whom.
    pub tenant: TenantId,
    /// What, for example `POST /v1/calls/{id}/transfer` or `privacy erase`.
    pub act: String,
    /// On what, where that has a name.
    pub on: Option<String>,
    /// HTTP status; 0 where whoever asked went away, none of a command.
    pub status: Option<u16>,
    /// `done`, or a bounded code.
    pub outcome: &'static str,
    /// The request's id.
    pub request: String,
}

/// What the audit log has come to since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AuditStats {
    /// Lines that the disk keeps.
    pub kept: u64,
    /// Lines lost since too many waited.
    pub lost_full: u64,
    /// Lines lost since the disk did not take them.
    pub lost_disk: u64,
    /// Times that the disk was asked to keep a group of lines.
    pub groups: u64,
    /// Places found at an opening where lines are missing that the disk had kept.
    pub damaged: u64,
    /// The last group could not be written.
    pub failing: bool,
}

/// A line that is to be written.
struct Entry {
    tenant: TenantId,
    at: SystemTime,
    what: What,
}

enum What {
    Call { call: CallId, event: &'static str, data: Data },
    Act(Act),
}

#[derive(Default)]
struct Shared {
    kept: AtomicU64,
    lost_full: AtomicU64,
    lost_disk: AtomicU64,
    groups: AtomicU64,
    damaged: AtomicU64,
    failing: AtomicBool,
    /// Lines lost and not told in the log yet.
    untold: Mutex<BTreeMap<TenantId, u64>>,
}

impl Shared {
    /// So many lines are to be told of as lost.
    fn lost(&self, tenant: &TenantId, lines: u64) {
        // Who can have no log is told nothing in it.
        if lines == 0 || !folder::is_name(tenant.as_str()) {
            return;
        }
        *self.untold.lock().unwrap_or_else(PoisonError::into_inner).entry(tenant.clone()).or_default() += lines;
    }
}

impl Trail {
    /// Makes the folder where it is not there, and is ready. What a gateway that died left half written is closed when its tenant's next line comes.
    ///
    /// # Errors
    /// Where there is no folder and none can be made, another gateway has it, or there is no thread.
    pub fn start(dir: &Path) -> Result<Self, AuditError> {
        Self::with_clock(dir, Arc::new(SystemTime::now))
    }

    fn with_clock(dir: &Path, clock: Clock) -> Result<Self, AuditError> {
        let disk = disk::Disk::open(dir)?;
        let (lines, waiting) = sync_channel(LINES_MAX);
        let shared = Arc::<Shared>::default();
        let (counted, now) = (Arc::clone(&shared), Arc::clone(&clock));
        let builder = thread::Builder::new().name("vg-audit".to_owned());
        let thread = builder.spawn(move || writer::write_all(&disk, &*now, &waiting, &counted)).map_err(AuditError::Thread)?;
        Ok(Self { lines: Some(lines), shared, clock, thread: Some(thread) })
    }

    /// Writes an act down. It has happened: where there is no room for its line, that is counted.
    pub fn acted(&self, act: Act) {
        self.put(Entry { tenant: act.tenant.clone(), at: (self.clock)(), what: What::Act(act) });
    }

    /// Counts since the start.
    pub fn stats(&self) -> AuditStats {
        let Shared { kept, lost_full, lost_disk, groups, damaged, failing, .. } = &*self.shared;
        AuditStats {
            kept: kept.load(Relaxed),
            lost_full: lost_full.load(Relaxed),
            lost_disk: lost_disk.load(Relaxed),
            groups: groups.load(Relaxed),
            damaged: damaged.load(Relaxed),
            failing: failing.load(Relaxed),
        }
    }

    fn put(&self, entry: Entry) {
        let Some(lines) = &self.lines else { return };
        if let Err(TrySendError::Full(entry) | TrySendError::Disconnected(entry)) = lines.try_send(entry) {
            self.shared.lost_full.fetch_add(1, Relaxed);
            self.shared.lost(&entry.tenant, 1);
        }
    }
}

impl Facts for Trail {
    fn publish(&self, Subject { call, tenant, .. }: Subject<'_>, fact: &Fact) {
        let Some((event, data)) = desk::without_words(fact) else { return };
        self.put(Entry { tenant: tenant.clone(), at: (self.clock)(), what: What::Call { call: call.clone(), event, data } });
    }
}

impl Drop for Trail {
    fn drop(&mut self) {
        self.lines = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests;
