//! The folder of plugins that a gateway serves, where the gateway itself puts something there or takes it away.
//!
//! ```text
//! NAME.wasm  NAME.wasm.minisig          as an operator lays them there by hand
//! .incoming/  lock  tmp/                one writer at a time; drafts of that writer
//!             draft-<n>/                a component that is coming, and whoever writes it holds its lock
//!             ready/<NAME>/             what is to be done with NAME.wasm: kept until it is done
//! ```
//!
//! A plugin is two files, and no file system moves two at once. So what is to be done is written down whole (`ready`), then done step by step,
//! each of which may be done again: a crash at any byte leaves the old plugin, or one that the next writer or the next start finishes.

use crate::digest::Digest;
use crate::disk::{self, Disk, Pen};
use crate::limits::PLUGIN_BYTES_MAX;
use crate::reference::PluginName;
use crate::sign::{Signature, signature_path};
use sha2::{Digest as _, Sha256};
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

const INCOMING: &str = ".incoming";
const READY: &str = "ready";
const DRAFT: &str = "draft-";
const LOCK: &str = "lock";
/// In a folder of `ready`: the plugin is to go.
const REMOVED: &str = "removed";
/// The plugin has no signature: one that lies beside the plugin before it is to go.
const UNSIGNED: &str = "unsigned";

/// See the module. Every method blocks on the disk; those that write also wait for other writers.
pub struct Folder {
    dir: PathBuf,
    /// Opened with the first act: a folder that nobody changes stays as it is.
    disk: OnceLock<Disk>,
    drafts: AtomicU64,
}

/// A component on its way into a folder. Dropped, nothing of it is left.
#[derive(Debug)]
pub struct NewPlugin {
    plugin: PluginName,
    place: PathBuf,
    file: File,
    bytes: u64,
    pieces: Sha256,
    signed: bool,
    /// Held for as long as somebody works on it: what nobody holds was left by a crash.
    _lock: File,
}

impl Folder {
    /// Nothing is read or written yet.
    pub fn new(dir: PathBuf) -> Self {
        Self { dir, disk: OnceLock::new(), drafts: AtomicU64::new(0) }
    }

    /// Where a plugin lies, or would.
    pub fn file(&self, plugin: &PluginName) -> PathBuf {
        self.dir.join(format!("{}.wasm", plugin.name()))
    }

    /// Finishes what a crash has left. Does nothing where nothing was ever put.
    ///
    /// # Errors
    /// [`FolderError::Io`] and its like.
    pub fn recover(&self) -> Result<(), FolderError> {
        if !self.dir.join(INCOMING).is_dir() {
            return Ok(());
        }
        let pen = self.disk()?.pen()?;
        self.finish_all(&pen)?;
        for name in self.disk()?.names("")?.iter().filter(|name| name.starts_with(DRAFT)) {
            let draft = self.disk()?.path(name);
            // Whoever writes it still holds its lock.
            let left = File::open(draft.join(LOCK)).map_or(true, |lock| lock.try_lock().is_ok());
            if left {
                disk::remove(&draft)?;
            }
        }
        Ok(())
    }

    /// A place for a component that comes piece by piece, beside the assets that the plugin of that name has.
    ///
    /// # Errors
    /// [`FolderError::ReadOnly`], [`FolderError::Io`].
    pub fn begin(&self, plugin: &PluginName) -> Result<NewPlugin, FolderError> {
        // Alone while it has no lock of its own.
        let _pen = self.disk()?.pen()?;
        let place = self.free_place()?;
        let lock = File::create_new(place.join(LOCK))?;
        lock.lock()?;
        let component = format!("{}.wasm", plugin.name());
        let assets = self.file(plugin).with_extension("assets");
        if assets.is_dir() {
            std::os::unix::fs::symlink(fs::canonicalize(&assets)?, place.join(&component).with_extension("assets"))?;
        }
        let file = File::create_new(place.join(component))?;
        Ok(NewPlugin { plugin: plugin.clone(), place, file, bytes: 0, pieces: Sha256::new(), signed: false, _lock: lock })
    }

    /// Puts a draft into its place; a plugin of that name that is there makes way, its signature too.
    ///
    /// # Errors
    /// [`FolderError::Full`], [`FolderError::Io`] and its like. Then the plugin is as it was, or will be the new one when the disk is well again.
    pub fn place(&self, draft: NewPlugin) -> Result<(), FolderError> {
        let disk = self.disk()?;
        let pen = disk.pen()?;
        self.finish_all(&pen)?;
        draft.file.sync_all()?;
        if !draft.signed {
            disk.write(&draft.place.join(UNSIGNED), b"")?;
        }
        disk.flush(&draft.place)?;
        disk.rename(&draft.place, &self.ready(draft.plugin.name()))?;
        self.finish(&pen, draft.plugin.name())
    }

    /// Takes a plugin away, with its signature. Assets stay: they did not come this way.
    ///
    /// # Errors
    /// [`FolderError::Missing`], [`FolderError::ReadOnly`], [`FolderError::Io`].
    pub fn remove(&self, plugin: &PluginName) -> Result<(), FolderError> {
        if self.file(plugin).symlink_metadata().is_err() {
            return Err(FolderError::Missing);
        }
        let pen = self.disk()?.pen()?;
        self.finish_all(&pen)?;
        pen.place_folder(&format!("{READY}/{}", plugin.name()), &[(REMOVED, b"")])?;
        self.finish(&pen, plugin.name())
    }

    /// No number of ours tells two processes apart that share a folder: in containers all have the same.
    fn free_place(&self) -> Result<PathBuf, FolderError> {
        loop {
            let number = self.drafts.fetch_add(1, Ordering::Relaxed);
            let place = self.disk()?.path(&format!("{DRAFT}{number}"));
            match fs::create_dir(&place) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                made => return Ok(made.map(|()| place)?),
            }
        }
    }

    fn finish_all(&self, pen: &Pen<'_>) -> Result<(), FolderError> {
        self.disk()?.names(READY)?.iter().try_for_each(|name| self.finish(pen, name))
    }

    /// Each step may have been done before. The component moves last: without it the plugin before it is whole.
    fn finish(&self, _alone: &Pen<'_>, name: &str) -> Result<(), FolderError> {
        let (disk, ready) = (self.disk()?, self.ready(name));
        let target = self.dir.join(format!("{name}.wasm"));
        let signature = signature_path(&target);
        let component = ready.join(format!("{name}.wasm"));
        if ready.join(REMOVED).exists() {
            disk.unlink(&target)?;
            disk.unlink(&signature)?;
        }
        if ready.join(UNSIGNED).exists() {
            disk.unlink(&signature)?;
        }
        for (from, to) in [(signature_path(&component), &signature), (component, &target)] {
            match disk.rename(&from, to) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                moved => moved?,
            }
        }
        Ok(disk::remove(&ready)?)
    }

    fn ready(&self, name: &str) -> PathBuf {
        self.dir.join(INCOMING).join(READY).join(name)
    }

    fn disk(&self) -> Result<&Disk, FolderError> {
        if let Some(disk) = self.disk.get() {
            return Ok(disk);
        }
        // Only that very folder: where it is missing it was meant to be another.
        fs::metadata(&self.dir)?;
        let disk = Disk::open(&self.dir.join(INCOMING), &[READY])?;
        Ok(self.disk.get_or_init(|| disk))
    }
}

impl NewPlugin {
    /// What it will be called.
    pub fn plugin(&self) -> &PluginName {
        &self.plugin
    }

    /// The next piece.
    ///
    /// # Errors
    /// [`FolderError::TooLarge`], [`FolderError::Full`], [`FolderError::Io`].
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), FolderError> {
        self.bytes += bytes.len() as u64;
        if self.bytes > PLUGIN_BYTES_MAX {
            return Err(FolderError::TooLarge { bytes_max: PLUGIN_BYTES_MAX });
        }
        self.pieces.update(bytes);
        Ok(self.file.write_all(bytes)?)
    }

    /// Of what was written so far.
    pub fn digest(&self) -> Digest {
        Digest::of_pieces(self.pieces.clone())
    }

    /// With a signature beside it, checked or not.
    ///
    /// # Errors
    /// [`FolderError::Full`], [`FolderError::Io`].
    pub fn sign(&mut self, signature: &Signature) -> Result<(), FolderError> {
        let mut file = File::create(signature_path(&self.path()))?;
        file.write_all(signature.text().as_bytes())?;
        file.sync_all()?;
        self.signed = true;
        Ok(())
    }

    /// Where its component lies, under the plugin's own name: to be looked at before it is placed.
    pub fn path(&self) -> PathBuf {
        self.place.join(format!("{}.wasm", self.plugin.name()))
    }
}

impl Drop for NewPlugin {
    fn drop(&mut self) {
        // A placed one is no longer there. What cannot be removed now is by the next start.
        let _ = disk::remove(&self.place);
    }
}

/// Why a folder is not changed.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// It has no such plugin.
    #[error("the folder has no plugin of that name")]
    Missing,
    /// More than a plugin may be.
    #[error("plugin has more than {bytes_max} bytes")]
    TooLarge {
        /// Allowed.
        bytes_max: u64,
    },
    /// The gateway may not write there.
    #[error("folder of plugins cannot be written")]
    ReadOnly(#[source] io::Error),
    /// There is no room.
    #[error("folder of plugins has no room left")]
    Full(#[source] io::Error),
    /// The disk does not do its part.
    #[error("folder of plugins cannot be read or written")]
    Io(#[source] io::Error),
}

impl FolderError {
    /// Bounded label.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::TooLarge { .. } => "too-large",
            Self::ReadOnly(_) => "read-only",
            Self::Full(_) => "full",
            Self::Io(_) => "io",
        }
    }
}

impl From<io::Error> for FolderError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied => Self::ReadOnly(error),
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full(error),
            _ => Self::Io(error),
        }
    }
}

#[cfg(test)]
mod tests;
