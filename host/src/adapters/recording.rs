//! Calls written down: `<dir>/<tenant>/<call>.wav`, the caller left, the gateway right, and a note beside it, `<call>.json`.
//!
//! While a call lasts its file is called `.wav.part` and is locked; at the end its header gets its length, and it gets its name. What a gateway that died
//! left behind is repaired and finished when the next one starts. Files belong to the gateway's user alone.
//!
//! *When it is safe.* What was written is safe from a crash of the gateway at once, and from one of the machine when the system has written it out, in
//! half a minute or so. A finished recording is on the disk before it gets its name, and its name before it is counted as kept.

mod file;
mod note;
mod repair;
#[cfg(test)]
mod tests;
mod writer;

use repair::Leftovers;
pub use repair::{Repaired, repair};

use crate::adapters::folder;
use crate::application::recording::{self, Recorder, Recording, RecordingError, RecordingRequest, RecordingSource};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;
use writer::Begin;

/// Recordings that are to begin and that the writer has not seen yet; it looks ten times a second. When full: the call is not recorded.
const BEGINNINGS_MAX: usize = 1024;
/// Recordings that are over and wait for the disk. When full: the writer waits, and blocks of calls that go on are left out and counted.
const ENDINGS_MAX: usize = 1024;

/// What a disk may do to a recording that has begun; what keeps one from beginning is told to the call.
const FAULTS: [&str; 3] = ["disk_full", "denied", "io"];

/// Writes calls down, on two threads of its own. Dropping it finishes every recording.
pub struct Recordings {
    /// Taken by the drop.
    beginnings: Option<SyncSender<Begin>>,
    counters: Arc<Counters>,
    threads: Vec<thread::JoinHandle<()>>,
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
    /// Half seconds that the writer had no time for, or the disk no room.
    pub blocks_dropped: u64,
    /// Recordings that the disk refused, or took no more of, by code.
    pub faults: [(&'static str, u64); FAULTS.len()],
}

#[derive(Default)]
struct Counters {
    live: AtomicU64,
    kept: AtomicU64,
    repaired: AtomicU64,
    blocks_dropped: AtomicU64,
    faults: [AtomicU64; FAULTS.len()],
}

impl Counters {
    fn fault(&self, error: &RecordingError) {
        let code = error.code();
        tracing::error!(code, error = error as &dyn std::error::Error, "a recording could not be written");
        let at = FAULTS.iter().position(|known| *known == code).unwrap_or(FAULTS.len() - 1);
        self.faults[at].fetch_add(1, Relaxed);
    }
}

impl Recordings {
    /// Makes the folder where it is not there, repairs what was left behind, and is ready.
    ///
    /// # Errors
    /// Where there is no folder and none can be made, or no thread.
    pub fn start(dir: &Path) -> Result<Self, RecordingError> {
        folder::private(dir)?;
        let counters = Arc::new(Counters::default());
        let (beginnings, begun) = sync_channel(BEGINNINGS_MAX);
        let (endings, ended) = sync_channel(ENDINGS_MAX);
        let spawn = |name: &str, work: Box<dyn FnOnce() + Send>| thread::Builder::new().name(name.into()).spawn(work);
        // Looked for before anything begins: what this gateway writes is not among them.
        let leftovers = Leftovers::of(dir)?;
        let counted = Arc::clone(&counters);
        let finisher = spawn(
            "vg-record-end",
            Box::new(move || {
                let repaired = leftovers.repair();
                counted.repaired.fetch_add(repaired.finished, Relaxed);
                repaired.errors.into_iter().for_each(|error| counted.fault(&error));
                writer::finish_all(&ended, &counted);
            }),
        )?;
        let (counted, folder) = (Arc::clone(&counters), dir.to_owned());
        let writer = spawn("vg-record", Box::new(move || writer::write_all(&folder, &begun, &endings, &counted)))?;
        Ok(Self { beginnings: Some(beginnings), counters, threads: vec![writer, finisher] })
    }

    /// Counts since the start.
    pub fn stats(&self) -> RecordingStats {
        let counters = &*self.counters;
        let mut faults = FAULTS.map(|code| (code, 0));
        faults.iter_mut().zip(&counters.faults).for_each(|((_, count), counter)| *count = counter.load(Relaxed));
        RecordingStats {
            live: counters.live.load(Relaxed),
            kept: counters.kept.load(Relaxed),
            repaired: counters.repaired.load(Relaxed),
            blocks_dropped: counters.blocks_dropped.load(Relaxed),
            faults,
        }
    }

    fn begin(&self, request: &RecordingRequest, source: RecordingSource) -> Result<(), RecordingError> {
        let names = [request.tenant.as_str(), request.call.as_str()];
        if !names.iter().all(|name| folder::is_name(name)) {
            return Err(RecordingError::Name);
        }
        let begin = Begin { request: request.clone(), source, started: jiff::Timestamp::now() };
        let beginnings = self.beginnings.as_ref().ok_or(RecordingError::Busy)?;
        beginnings.try_send(begin).map_err(|_| RecordingError::Busy)
    }
}

impl Recorder for Recordings {
    fn start(&self, request: RecordingRequest) -> Result<Recording, RecordingError> {
        let (recording, source) = recording::ends();
        self.begin(&request, source)?;
        Ok(recording)
    }
}

impl Drop for Recordings {
    fn drop(&mut self) {
        self.beginnings = None;
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

/// The file beside another, with another end of its name.
fn beside(path: &Path, name: &str, end: &str) -> PathBuf {
    path.with_file_name(format!("{name}{end}"))
}
