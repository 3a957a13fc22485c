//! The thread that writes.

use super::chain::{Link, Told, Torn, data};
use super::disk::{Disk, Tail, TailFile, closed, day_file, tail, write_head};
use super::{Act, Entry, Shared, What, handed};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use std::collections::{BTreeMap, HashMap};
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::PoisonError;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant, SystemTime};
use vg_domain::ids::TenantId;

/// Lines that the disk is asked to keep at a time.
const GROUP_MAX: usize = 1_024;
/// So often it is looked whether something was handed in.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// A tenant's log as this thread left it.
struct Ours {
    folder: PathBuf,
    link: Link,
    day: Date,
    /// Bytes of the day's file.
    len: u64,
}

/// Writes what was handed in and what comes, until nobody sends any more.
pub(super) fn write_all(disk: &Disk, clock: &dyn Fn() -> SystemTime, waiting: &Receiver<Entry>, shared: &Shared) {
    let mut logs = HashMap::new();
    let mut looked = None;
    loop {
        if looked.is_none_or(|looked: Instant| looked.elapsed() >= LOOK_EVERY) {
            looked = Some(Instant::now());
            take_handed_in(disk, clock, &mut logs, shared);
        }
        let first = match waiting.recv_timeout(LOOK_EVERY) {
            Ok(first) => first,
            Err(RecvTimeoutError::Timeout) => continue,
            Err(RecvTimeoutError::Disconnected) => break,
        };
        let group = std::iter::once(first).chain(waiting.try_iter().take(GROUP_MAX - 1));
        let mut failed = false;
        for (tenant, entries) in of_each_tenant(group) {
            if !write(disk, now(clock), &mut logs, &tenant, &entries, shared) {
                shared.lost_disk.fetch_add(entries.len() as u64, Relaxed);
                shared.lost(&tenant, entries.len() as u64);
                failed = true;
            }
        }
        if shared.failing.swap(failed, Relaxed) && !failed {
            tracing::info!("the audit log is written again");
        }
    }
    for (tenant, log) in logs {
        // Whoever keeps this line elsewhere can show that nothing before it was removed.
        tracing::info!(target: "audit", %tenant, lines = log.link.n, head = %log.link.hash, "audit log closed");
    }
}

fn now(clock: &dyn Fn() -> SystemTime) -> Timestamp {
    Timestamp::try_from(clock()).unwrap_or_default()
}

fn of_each_tenant(entries: impl Iterator<Item = Entry>) -> BTreeMap<TenantId, Vec<Entry>> {
    let mut of_each = BTreeMap::<TenantId, Vec<Entry>>::new();
    entries.for_each(|entry| of_each.entry(entry.tenant.clone()).or_default().push(entry));
    of_each
}

/// What the disk does not take stays where it lies.
fn take_handed_in(disk: &Disk, clock: &dyn Fn() -> SystemTime, logs: &mut HashMap<TenantId, Ours>, shared: &Shared) {
    for mut handed_in in handed::look(disk.dir()) {
        let entries = of_each_tenant(handed_in.entries.drain(..));
        let written = entries.iter().all(|(tenant, entries)| write(disk, now(clock), logs, tenant, entries, shared));
        shared.failing.store(!written, Relaxed);
        if !written {
            break;
        }
        handed_in.taken();
    }
}

/// False where the disk did not take it.
fn write(
    disk: &Disk,
    now: Timestamp,
    logs: &mut HashMap<TenantId, Ours>,
    tenant: &TenantId,
    entries: &[Entry],
    shared: &Shared,
) -> bool {
    let untold = shared.untold.lock().unwrap_or_else(PoisonError::into_inner).remove(tenant).unwrap_or(0);
    let log = logs.remove(tenant).filter(Ours::is_as_it_was);
    match append(disk, now, log, tenant, entries, untold, shared) {
        Ok(log) => {
            shared.kept.fetch_add(entries.len() as u64, Relaxed);
            shared.groups.fetch_add(1, Relaxed);
            logs.insert(tenant.clone(), log);
            true
        }
        Err(error) => {
            if !shared.failing.load(Relaxed) {
                tracing::error!(%tenant, %error, "the audit log cannot be written");
            }
            // What was to be told of losses is still to be told.
            shared.lost(tenant, untold);
            false
        }
    }
}

/// Writes lines behind what is there; first of all what makes that whole again.
fn append(
    disk: &Disk,
    now: Timestamp,
    ours: Option<Ours>,
    tenant: &TenantId,
    entries: &[Entry],
    untold: u64,
    shared: &Shared,
) -> io::Result<Ours> {
    let today = now.to_zoned(TimeZone::UTC).date();
    let (folder, Tail { link, file, missing }) = match ours {
        Some(Ours { folder, link, day, len }) => {
            (folder, Tail { link, file: Some(TailFile { day, len, opened: true, torn: None }), missing: None })
        }
        None => {
            let folder = disk.folder(tenant.as_str())?;
            let found = tail(&folder)?;
            if found.file.is_none() && found.missing.is_none() {
                // From now on a log without a head is a damaged one.
                write_head(&folder, found.link)?;
            }
            (folder, found)
        }
    };
    let mut draft = Draft { tenant, now, link, day: file.as_ref().map_or(today, |file| file.day), bytes: Vec::new() };
    let mut len = file.as_ref().map_or(0, |file| file.len);
    let opened = file.as_ref().is_some_and(|file| file.opened);
    let torn = file.and_then(|file| file.torn).map(closed).map(|(torn, closing)| {
        draft.bytes.extend_from_slice(closing);
        torn
    });
    if !opened {
        draft.open(torn);
    } else if let Some(torn) = torn {
        draft.add(&Told::Torn(torn));
    }
    // A clock that is set back does not lead to an earlier file.
    if draft.day < today {
        if !draft.bytes.is_empty() {
            keep(&folder, draft.day, &draft.bytes)?;
        }
        (draft.day, draft.bytes, len) = (today, Vec::new(), 0);
        draft.open(None);
    }
    if let Some(expected) = missing {
        tracing::error!(%tenant, expected, found = link.n, "lines of the audit log are missing that the disk had kept");
        shared.damaged.fetch_add(1, Relaxed);
        draft.add(&Told::Damaged { expected });
    }
    if untold > 0 {
        draft.add(&Told::Lost { lines: untold });
    }
    entries.iter().for_each(|entry| draft.entry(entry));
    keep(&folder, draft.day, &draft.bytes)?;
    write_head(&folder, draft.link)?;
    Ok(Ours { folder, link: draft.link, day: draft.day, len: len + draft.bytes.len() as u64 })
}

/// Lines that are to be written.
struct Draft<'a> {
    tenant: &'a TenantId,
    now: Timestamp,
    link: Link,
    day: Date,
    bytes: Vec<u8>,
}

impl Draft<'_> {
    /// The first line of a file.
    fn open(&mut self, torn: Option<Torn>) {
        let (tenant, day, previous) = (self.tenant.as_str(), self.day.to_string(), self.link.hash);
        self.add(&Told::Opened { tenant, day: &day, previous, torn });
    }

    fn add(&mut self, told: &Told<'_>) {
        self.link.add(self.now, told, &mut self.bytes);
    }

    fn entry(&mut self, entry: &Entry) {
        let at = Timestamp::try_from(entry.at).unwrap_or(self.now);
        let told = match &entry.what {
            What::Call { call, event, data: of_call } => Told::Call { call: call.as_str(), event, data: data(of_call) },
            What::Act(Act { subject, act, on, status, outcome, request, .. }) => {
                let on = on.as_deref();
                Told::Act { subject, act, on, status: *status, outcome, request_id: request }
            }
        };
        self.link.add(at, &told, &mut self.bytes);
    }
}

/// Writes to the end of a day's file and has the disk keep it.
fn keep(folder: &Path, day: Date, bytes: &[u8]) -> io::Result<()> {
    let path = day_file(folder, day);
    let known = path.exists();
    let mut file = OpenOptions::new().create(true).append(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    file.sync_data()?;
    if !known {
        File::open(folder)?.sync_all()?;
    }
    Ok(())
}

impl Ours {
    /// Whether nobody else has written to the file.
    fn is_as_it_was(&self) -> bool {
        std::fs::metadata(day_file(&self.folder, self.day)).is_ok_and(|file| file.len() == self.len)
    }
}
