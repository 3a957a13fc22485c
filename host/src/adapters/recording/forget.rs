//! Recordings that go: of a call whose caller objected, and of those that were kept long enough.

use super::file::Paths;
use super::held::{Removed, remove};
use super::note::{InStore, Note};
use super::repair::entries;
use crate::adapters::folder;
use jiff::Timestamp;
use std::io;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use vg_domain::ids::{CallId, TenantId};
use vg_domain::recording::DeletionReason;

const DAY_MS: u64 = 24 * 60 * 60 * 1_000;

/// What became of a call's parts.
#[derive(Debug, Default)]
pub struct Forgotten {
    /// So many are gone.
    pub deleted: u32,
    /// Those of which a store has something to delete; nothing of their sound is here any more.
    pub(super) in_store: Vec<Paths>,
}

/// Deletes every part of a call that is here and whole, or that a dead gateway left. Blocks on the disk.
///
/// # Errors
/// Where one cannot be deleted; the others are.
pub fn forget(dir: &Path, tenant: &TenantId, call: &CallId, why: DeletionReason) -> io::Result<Forgotten> {
    let (forgotten, all) = forget_parts(dir, tenant, call, why);
    all.map(|()| forgotten)
}

/// The same: what became of those that could be deleted, and whether these were all.
pub(super) fn forget_parts(dir: &Path, tenant: &TenantId, call: &CallId, why: DeletionReason) -> (Forgotten, io::Result<()>) {
    let mut forgotten = Forgotten::default();
    if !folder::is_name(tenant.as_str()) {
        return (forgotten, Ok(()));
    }
    let notes = match notes(&dir.join(tenant.as_str()), |name| name.starts_with(call.as_str())) {
        Ok(notes) => notes,
        Err(error) => return (forgotten, Err(error)),
    };
    let mut all = Ok(());
    for noted in notes {
        let removed = match noted {
            Ok((_, note)) if note.call != call.as_str() => continue,
            Ok((paths, _)) => remove(dir, &paths, why).map(|removed| (removed, paths)),
            // Nobody can say that it is of another call.
            Err(error) => Err(error),
        };
        match removed {
            Ok((Removed::Wholly, _)) => forgotten.deleted += 1,
            Ok((Removed::Here, paths)) => forgotten.in_store.push(paths),
            Err(error) => all = Err(error),
        }
    }
    (forgotten, all)
}

/// A part of a recording that lies in the folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Its call.
    pub call: CallId,
    /// The caller's pseudonym, where the note has one.
    pub caller_ref: Option<String>,
    /// The sound and the note beside it.
    pub files: Vec<PathBuf>,
    /// A gateway is writing it, or died over it.
    pub grows: bool,
    /// Its sound in the store, where it is there.
    pub stored: Option<String>,
}

/// All parts of a tenant's recordings. Blocks on the disk.
///
/// # Errors
/// Where the folder cannot be read, or a note in it.
pub fn parts_of(dir: &Path, tenant: &TenantId) -> io::Result<Vec<Part>> {
    if !folder::is_name(tenant.as_str()) {
        return Ok(Vec::new());
    }
    let part = |(paths, note): (Paths, Note)| {
        let files = paths.named().into_iter().chain([&paths.part, &paths.note]);
        Part {
            call: CallId::new(note.call),
            caller_ref: note.caller_ref,
            grows: paths.part.exists(),
            files: files.filter(|file| file.exists()).cloned().collect(),
            stored: if let Some(InStore::Stored { url }) = note.store { Some(url) } else { None },
        }
    };
    notes(&dir.join(tenant.as_str()), |_| true)?.into_iter().map(|noted| noted.map(part)).collect()
}

/// A part that was kept long enough, and is deleted.
#[derive(Debug)]
pub(super) struct Expired {
    pub(super) tenant: TenantId,
    pub(super) call: CallId,
    /// A store has something of it to delete.
    pub(super) in_store: Option<Paths>,
}

/// Deletes what is older than its days; `keep_days` counts for what has none of its own. What still grows stays. An error stands for a part that could not be
/// judged or deleted; the others are.
pub(super) fn sweep(dir: &Path, keep_days: Option<NonZeroU32>, now: Timestamp) -> io::Result<Vec<io::Result<Expired>>> {
    let mut expired = Vec::new();
    for folder in entries(dir)?.into_iter().filter(|path| path.is_dir()) {
        for noted in notes(&folder, |_| true)? {
            let swept = noted.and_then(|(paths, note)| sweep_part(dir, paths, note, keep_days, now));
            expired.extend(swept.transpose());
        }
    }
    Ok(expired)
}

/// None where it stays.
fn sweep_part(
    dir: &Path,
    paths: Paths,
    note: Note,
    keep_days: Option<NonZeroU32>,
    now: Timestamp,
) -> io::Result<Option<Expired>> {
    let old = note.keep_days.or(keep_days).is_some_and(|days| is_over(&note, days, now));
    let sent = matches!(note.store, Some(InStore::Sending { .. } | InStore::Stored { .. }));
    let goes = old && (paths.is_whole() || sent);
    if !goes {
        return Ok(None);
    }
    let removed = remove(dir, &paths, DeletionReason::Expired)?;
    let (tenant, call) = (TenantId::new(note.tenant), CallId::new(note.call));
    Ok(Some(Expired { tenant, call, in_store: (removed == Removed::Here).then_some(paths) }))
}

/// So many days after its end. What does not say when it began is not judged.
fn is_over(note: &Note, days: NonZeroU32, now: Timestamp) -> bool {
    let Ok(start) = note.start.parse::<Timestamp>() else { return false };
    let age_ms = u64::try_from(now.as_millisecond().saturating_sub(start.as_millisecond())).unwrap_or_default();
    age_ms >= u64::from(days.get()) * DAY_MS + note.length_ms
}

/// Notes of a folder, with where their parts lie. An error stands for one that the disk does not give.
pub(super) fn notes(folder: &Path, fits: impl Fn(&str) -> bool) -> io::Result<Vec<io::Result<(Paths, Note)>>> {
    let files = match entries(folder) {
        Ok(files) => files,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let named = |path: PathBuf| {
        let name = path.file_name()?.to_str()?.strip_suffix(".json")?;
        fits(name).then(|| Paths::new(folder, name))
    };
    let noted = |paths: Paths| match Note::read(&paths.note) {
        Ok(note) => note.map(|note| Ok((paths, note))),
        Err(error) => Some(Err(error)),
    };
    Ok(files.into_iter().filter_map(named).filter_map(noted).collect())
}
