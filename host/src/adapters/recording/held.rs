//! Notes that several change: whoever sends a recording to a store, and whoever deletes it, in this process or by the command line.

use super::file::Paths;
use super::note::{InStore, Note};
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use vg_domain::recording::DeletionReason;

const LOCK: &str = ".notes.lock";

/// Held for a moment by whoever changes a note of a folder.
pub(super) struct Held {
    /// The lock ends with the file.
    _lock: File,
}

impl Held {
    pub(super) fn take(dir: &Path) -> io::Result<Self> {
        let lock = OpenOptions::new().create(true).append(true).mode(0o600).open(dir.join(LOCK))?;
        lock.lock()?;
        Ok(Self { _lock: lock })
    }
}

/// Changes how a recording stands with the store. The note as it is then, on the disk; none where there is none any more, or it is to be deleted: only then
/// the recording is not to be.
pub(super) fn change(dir: &Path, paths: &Paths, store: InStore) -> io::Result<Option<Note>> {
    let _held = Held::take(dir)?;
    let note = Note::read(&paths.note)?;
    if note.is_none() && paths.note.try_exists()? {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "what lies there is no note"));
    }
    let Some(note) = note.filter(|note| !is_to_go(note)) else { return Ok(None) };
    let note = Note { store: Some(store), ..note };
    note.write_synced(&paths.note)?;
    Ok(Some(note))
}

fn is_to_go(note: &Note) -> bool {
    matches!(note.store, Some(InStore::Deleting { .. }))
}

/// What became of a recording that was to be deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Removed {
    /// Nothing is left of it.
    Wholly,
    /// Nothing of its sound is left here; its note says that the store has something to delete.
    Here,
}

/// Deletes a recording: its sound, and its note where no store has anything of it.
pub(super) fn remove(dir: &Path, paths: &Paths, why: DeletionReason) -> io::Result<Removed> {
    let _held = Held::take(dir)?;
    let note = Note::read(&paths.note)?;
    let code = why.code().to_owned();
    let to_go = match note.as_ref().and_then(|note| note.store.clone()) {
        None => None,
        Some(InStore::Sending { url, upload }) => Some(InStore::Deleting { url, upload: upload.map(|upload| upload.id), code }),
        Some(InStore::Stored { url }) => Some(InStore::Deleting { url, upload: None, code }),
        Some(deleting @ InStore::Deleting { .. }) => Some(deleting),
    };
    // Said before the first file goes: whoever dies in between has said it.
    let removed = match (note, to_go) {
        (Some(note), Some(to_go)) => {
            Note { store: Some(to_go), ..note }.write_synced(&paths.note)?;
            Removed::Here
        }
        _ => Removed::Wholly,
    };
    remove_sound(paths)?;
    if removed == Removed::Wholly {
        // The sound first: a note without it is told by, and deleted with, the next try.
        gone(std::fs::remove_file(&paths.note))?;
    }
    Ok(removed)
}

/// Removes every file of a recording but its note.
pub(super) fn remove_sound(paths: &Paths) -> io::Result<()> {
    let parts = paths.named().map(|named| Paths::part_of(named));
    paths.named().into_iter().chain(&parts).try_for_each(|path| gone(std::fs::remove_file(path)))
}

/// The store has nothing of it any more: the note goes, too.
pub(super) fn forget_note(dir: &Path, paths: &Paths) -> io::Result<()> {
    let _held = Held::take(dir)?;
    gone(std::fs::remove_file(&paths.note))
}

/// Says that what the store may have of a recording is to be deleted there: in its note as it is now, or in that with which it was sent where there is
/// none any more. `begun`: an upload of which the note does not know.
pub(super) fn to_go(dir: &Path, paths: &Paths, sent: Note, url: String, begun: Option<String>) -> io::Result<Note> {
    let _held = Held::take(dir)?;
    let note = Note::read(&paths.note)?;
    let (upload, code) = match note.as_ref().and_then(|note| note.store.clone()) {
        Some(InStore::Deleting { upload, code, .. }) => (upload, code),
        _ => (None, DeletionReason::Ordered.code().to_owned()),
    };
    let store = Some(InStore::Deleting { url, upload: upload.or(begun), code });
    let note = Note { store, ..note.unwrap_or(sent) };
    note.write_synced(&paths.note)?;
    Ok(note)
}

/// What is not there is removed.
pub(super) fn gone(removed: io::Result<()>) -> io::Result<()> {
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    const URL: &str = "s3://calls/acme/call.wav";

    /// A recording on its way to a store.
    fn sending(folder: &Path) -> (Paths, Note) {
        let paths = Paths::new(folder, "call");
        fs::write(&paths.whole, "sound").unwrap();
        let store = Some(InStore::Sending { url: URL.into(), upload: None });
        let note = Note { file: "call.wav".into(), store, ..Note::new("acme", "call", "2026-01-02T03:04:05Z".into(), 1) };
        note.write(&paths.note).unwrap();
        (paths, note)
    }

    fn stored() -> InStore {
        InStore::Stored { url: URL.into() }
    }

    #[test]
    fn a_note_that_the_disk_does_not_give_for_a_moment_is_a_fault_and_nothing_goes() {
        let folder = tempfile::tempdir().unwrap();
        let (dir, (paths, note)) = (folder.path(), sending(folder.path()));
        let aside = dir.join("aside");
        fs::rename(&paths.note, &aside).unwrap();
        // Nothing is mapped at its beginning: reading fails, as it would with too many files open.
        symlink("/proc/self/mem", &paths.note).unwrap();
        assert!(change(dir, &paths, stored()).is_err());
        assert!(to_go(dir, &paths, note.clone(), URL.into(), None).is_err());
        assert!(remove(dir, &paths, DeletionReason::OptedOut).is_err());
        assert!(paths.whole.exists() && paths.note.is_symlink());
        fs::rename(&aside, &paths.note).unwrap();
        assert_eq!(change(dir, &paths, stored()).unwrap(), Some(Note { store: Some(stored()), ..note }));
        // The store has something of it, and its note says so.
        assert_eq!(remove(dir, &paths, DeletionReason::OptedOut).unwrap(), Removed::Here);
        assert!(!paths.whole.exists() && paths.note.exists());
    }

    #[test]
    fn what_is_on_its_way_counts_as_deleted_where_its_note_is_not_there_or_says_so() {
        let folder = tempfile::tempdir().unwrap();
        let (dir, (paths, note)) = (folder.path(), sending(folder.path()));
        // As somebody leaves it for a moment who writes it by hand.
        fs::write(&paths.note, "").unwrap();
        assert!(change(dir, &paths, stored()).is_err());
        let store = Some(InStore::Deleting { url: URL.into(), upload: None, code: "ordered".into() });
        Note { store, ..note }.write(&paths.note).unwrap();
        assert_eq!(change(dir, &paths, stored()).unwrap(), None);
        fs::remove_file(&paths.note).unwrap();
        assert_eq!(change(dir, &paths, stored()).unwrap(), None);
    }
}
