//! Deletes recordings that were kept long enough: when a gateway starts, and again after each interval.

use super::forget::{Expired, sweep};
use super::{Counters, Teller, ToStore};
use jiff::Timestamp;
use std::io;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;
use vg_domain::recording::DeletionReason;

/// What is kept for days may be kept for an hour more.
pub(super) const EVERY: Duration = Duration::from_secs(60 * 60);

/// A thread of its own: a folder of many recordings takes its time. Dropping it ends it, behind the sweep that is under way.
pub(super) struct Sweeper {
    /// Taken by the drop.
    lives: Option<SyncSender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Sweeper {
    /// Sweeps at once, and again when it has rested for `every`.
    pub(super) fn start(
        dir: PathBuf,
        keep_days: Option<NonZeroU32>,
        every: Duration,
        counters: Arc<Counters>,
        teller: Teller,
        store: ToStore,
    ) -> io::Result<Self> {
        let (lives, ends) = sync_channel::<()>(1);
        let work = move || {
            loop {
                match sweep(&dir, keep_days, Timestamp::now()) {
                    Ok(expired) => {
                        for part in expired {
                            match part {
                                Ok(Expired { in_store: Some(paths), .. }) => store.delete(paths),
                                Ok(Expired { tenant, call, in_store: None }) => {
                                    counters.deleted(DeletionReason::Expired, 1);
                                    teller.deleted(&tenant, &call, 1, DeletionReason::Expired);
                                }
                                // The next sweep tries it again.
                                Err(error) => counters.fault(&error.into()),
                            }
                        }
                    }
                    Err(error) => counters.fault(&error.into()),
                }
                if ends.recv_timeout(every) != Err(RecvTimeoutError::Timeout) {
                    return;
                }
            }
        };
        let thread = thread::Builder::new().name("vg-record-sweep".into()).spawn(work)?;
        Ok(Self { lives: Some(lives), thread: Some(thread) })
    }
}

impl Drop for Sweeper {
    fn drop(&mut self) {
        self.lives = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
