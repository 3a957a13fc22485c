//! Folders that belong to the gateway's user alone, and some of them to one gateway at a time.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

const LOCK: &str = ".lock";

/// Why a folder is not this gateway's.
pub(super) enum NotHeld {
    /// It cannot be had.
    Folder(io::Error),
    /// Another gateway holds it.
    Busy,
}

/// Makes a folder for the gateway's user alone, where it is not there.
pub(super) fn private(dir: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(dir)
}

/// The same, and no other gateway gets it before the file is dropped.
pub(super) fn hold(dir: &Path) -> Result<File, NotHeld> {
    private(dir).map_err(NotHeld::Folder)?;
    let lock = OpenOptions::new().create(true).append(true).mode(0o600).open(dir.join(LOCK)).map_err(NotHeld::Folder)?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(NotHeld::Busy),
        Err(TryLockError::Error(error)) => Err(NotHeld::Folder(error)),
    }
}

/// A file for the gateway's user alone that is there as a whole or not at all, also after a power cut: `new` is what it is called until then.
pub(super) fn put(new: &Path, whole: &Path, text: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(new)?;
    file.write_all(text)?;
    file.sync_data()?;
    std::fs::rename(new, whole)
}

/// What a file or folder in one may be called: letters, digits, `-`, `_` and dots that do not come first.
pub(super) fn is_name(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    (1..=128).contains(&name.len()) && !name.starts_with('.') && name.chars().all(plain)
}
