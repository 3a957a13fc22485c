//! Plugins on disk, by their content.
//!
//! ```text
//! sha256/<digest>/  plugin.wasm  plugin.minisig  meta.json     one plugin; never changed, only made and removed
//! refs/<sha-256 of the reference>.json                         which digest a reference means
//! lock  tmp/                                                   one writer at a time; drafts of that writer
//! ```
//!
//! Several processes may share a store. A crash at any byte leaves the old state or the new one. Nothing is believed: a plugin
//! is held against its digest whenever it is read, and a damaged one is refused until it is put again.

mod sweep;

pub use sweep::{Keep, Swept};

use crate::digest::Digest;
use crate::disk::{self, Disk, Pen};
use crate::limits::{PLUGIN_BYTES_MAX, RECORD_BYTES_MAX, SIGNATURE_BYTES_MAX};
use crate::reference::{PluginName, Reference};
use crate::sign::Signature;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

const PLUGINS: &str = "sha256";
const REFS: &str = "refs";
const WASM: &str = "plugin.wasm";
const MINISIG: &str = "plugin.minisig";
const META: &str = "meta.json";

/// Plugins on disk. Every method blocks on the disk; those that write also wait for other writers.
pub struct Store {
    disk: Disk,
}

/// A plugin to be kept.
#[derive(Debug, Clone)]
pub struct Incoming<'a> {
    /// The component.
    pub wasm: &'a [u8],
    /// What it is called.
    pub plugin: &'a PluginName,
    /// Its signature, checked or not; without one, a signature that the store has is kept.
    pub signature: Option<&'a Signature>,
    /// Where it came from, for readers.
    pub source: &'a str,
}

/// A whole plugin, as read.
#[derive(Debug, Clone)]
pub struct Stored {
    /// Of `wasm`, checked.
    pub digest: Digest,
    /// Where the component lies; may be removed by another process at any time.
    pub path: PathBuf,
    /// The component.
    pub wasm: Vec<u8>,
    /// Its signature's text, not verified.
    pub signature: Option<String>,
    /// What is known of it.
    pub meta: Meta,
}

/// What the store notes of a plugin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Meta {
    /// What it was called when it came.
    pub plugin: String,
    /// Of the component.
    pub bytes: u64,
    /// Where it came from.
    pub source: String,
    /// When it came, in seconds since 1970.
    pub added_unix_s: u64,
}

/// A line of [`Store::list`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its name in the store.
    pub digest: Digest,
    /// What means it, in order.
    pub references: Vec<Reference>,
    /// Whether it can be used.
    pub state: State,
}

/// Whether a stored plugin can be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// Content and digest agree.
    Whole {
        /// What is known of it.
        meta: Meta,
        /// Whether there is a signature; not whether it is trusted.
        signed: bool,
    },
    /// It will be refused; putting it again repairs it.
    Damaged {
        /// What is wrong.
        why: &'static str,
    },
}

#[derive(Serialize, Deserialize)]
struct RefRecord {
    reference: String,
    digest: String,
    added_unix_s: u64,
}

struct Ref {
    file: String,
    reference: Reference,
    digest: Digest,
    added_unix_s: u64,
}

impl Store {
    /// Opens the store in a folder, which is made where it is missing.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn open(root: &Path) -> Result<Self, StoreError> {
        Ok(Self { disk: Disk::open(root, &[PLUGINS, REFS])? })
    }

    /// Keeps a plugin, and lets these references mean it from now on. Repairs a damaged one; the same again changes nothing.
    ///
    /// # Errors
    /// [`StoreError::Io`], [`StoreError::TooLarge`].
    pub fn put(&self, incoming: &Incoming<'_>, references: &[Reference]) -> Result<Digest, StoreError> {
        if incoming.wasm.len() as u64 > PLUGIN_BYTES_MAX {
            return Err(StoreError::TooLarge { bytes_max: PLUGIN_BYTES_MAX });
        }
        let (digest, added_unix_s) = (Digest::of(incoming.wasm), now_unix_s());
        let pen = self.disk.pen()?;
        match self.read(&digest) {
            Ok(found) => {
                let newer = incoming.signature.map(Signature::text).filter(|text| found.signature.as_deref() != Some(text));
                newer.map_or(Ok(()), |text| pen.place(&inside(&digest, MINISIG), text.as_bytes()))?;
            }
            Err(StoreError::Unknown { .. } | StoreError::Damaged { .. }) => place(&pen, &digest, incoming, added_unix_s)?,
            Err(error) => return Err(error),
        }
        for reference in references.iter().map(essence) {
            let record = RefRecord { reference: reference.to_string(), digest: digest.to_string(), added_unix_s };
            pen.place(&ref_file(&reference), &json(&record))?;
        }
        Ok(digest)
    }

    /// Which plugin a reference means here.
    ///
    /// # Errors
    /// [`StoreError::UnknownReference`], [`StoreError::Io`].
    pub fn resolve(&self, reference: &Reference) -> Result<Digest, StoreError> {
        let essence = essence(reference);
        let unknown = || StoreError::UnknownReference { reference: reference.clone() };
        let found = self.read_ref(&ref_file(&essence))?.filter(|found| found.reference == essence);
        found.map(|found| found.digest).ok_or_else(unknown)
    }

    /// A whole plugin: its bytes were held against the digest a moment ago.
    ///
    /// # Errors
    /// [`StoreError::Unknown`], [`StoreError::Damaged`], [`StoreError::Io`].
    pub fn read(&self, digest: &Digest) -> Result<Stored, StoreError> {
        let folder = self.disk.path(PLUGINS).join(digest.hex());
        if !folder.try_exists()? {
            return Err(StoreError::Unknown { digest: *digest });
        }
        let damaged = |why: &'static str| StoreError::Damaged { digest: *digest, why };
        let part = |name: &str, bytes_max: u64, why: &'static str| match disk::read(&folder.join(name), bytes_max) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) if disk::is_damage(&error) => Err(damaged(why)),
            Err(error) => Err(StoreError::Io(error)),
        };
        let wasm =
            part(WASM, PLUGIN_BYTES_MAX, "its component cannot be read")?.ok_or_else(|| damaged("its component is missing"))?;
        if Digest::of(&wasm) != *digest {
            return Err(damaged("its content is not that of its digest"));
        }
        let signature = part(MINISIG, SIGNATURE_BYTES_MAX, "its signature cannot be read")?.map(String::from_utf8).transpose();
        let meta = part(META, RECORD_BYTES_MAX, "its record cannot be read")?.unwrap_or_default();
        Ok(Stored {
            digest: *digest,
            path: folder.join(WASM),
            wasm,
            signature: signature.map_err(|_| damaged("its signature cannot be read"))?,
            meta: serde_json::from_slice(&meta).map_err(|_| damaged("its record cannot be read"))?,
        })
    }

    /// Everything that is here, each plugin held against its digest.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn list(&self) -> Result<Vec<Entry>, StoreError> {
        let mut references: BTreeMap<Digest, Vec<Reference>> = BTreeMap::new();
        for found in self.refs()? {
            references.entry(found.digest).or_default().push(found.reference);
        }
        let mut entries = Vec::new();
        for digest in self.digests()? {
            let state = match self.read(&digest) {
                Ok(stored) => State::Whole { signed: stored.signature.is_some(), meta: stored.meta },
                Err(StoreError::Damaged { why, .. }) => State::Damaged { why },
                Err(StoreError::Unknown { .. }) => continue, // Removed a moment ago.
                Err(error) => return Err(error),
            };
            let mut references = references.remove(&digest).unwrap_or_default();
            references.sort();
            entries.push(Entry { digest, references, state });
        }
        Ok(entries)
    }

    /// Lets a reference mean nothing any more. The plugin itself stays until [`Store::gc`].
    ///
    /// # Errors
    /// [`StoreError::UnknownReference`], [`StoreError::Io`].
    pub fn remove(&self, reference: &Reference) -> Result<(), StoreError> {
        let pen = self.disk.pen()?;
        self.resolve(reference)?;
        Ok(pen.remove(&ref_file(&essence(reference)))?)
    }

    fn digests(&self) -> io::Result<Vec<Digest>> {
        Ok(self.disk.names(PLUGINS)?.iter().filter_map(|name| name.parse().ok()).collect())
    }

    /// Damaged records mean nothing; each is a line of the log.
    fn refs(&self) -> io::Result<Vec<Ref>> {
        let names = self.disk.names(REFS)?;
        names.iter().filter_map(|name| self.read_ref(&format!("{REFS}/{name}")).transpose()).collect()
    }

    fn read_ref(&self, file: &str) -> io::Result<Option<Ref>> {
        let bytes = match disk::read(&self.disk.path(file), RECORD_BYTES_MAX) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) if disk::is_damage(&error) => Vec::new(),
            Err(error) => return Err(error),
        };
        let parsed = serde_json::from_slice::<RefRecord>(&bytes).ok().and_then(|record| {
            let (reference, digest) = (record.reference.parse().ok()?, record.digest.parse().ok()?);
            Some(Ref { file: file.to_owned(), reference, digest, added_unix_s: record.added_unix_s })
        });
        if parsed.is_none() {
            tracing::warn!(file, "a reference in the plugin store is damaged and means nothing: pull the plugin again");
        }
        Ok(parsed)
    }
}

fn place(pen: &Pen<'_>, digest: &Digest, incoming: &Incoming<'_>, added_unix_s: u64) -> io::Result<()> {
    let meta = json(&Meta {
        plugin: incoming.plugin.to_string(),
        bytes: incoming.wasm.len() as u64,
        source: incoming.source.to_owned(),
        added_unix_s,
    });
    let mut files = vec![(WASM, incoming.wasm), (META, meta.as_slice())];
    files.extend(incoming.signature.map(|signature| (MINISIG, signature.text().as_bytes())));
    pen.place_folder(&format!("{PLUGINS}/{}", digest.hex()), &files)
}

/// References that mean the same have one record.
fn essence(reference: &Reference) -> Reference {
    match reference {
        Reference::Oci(oci) => Reference::Oci(oci.essence()),
        other => other.clone(),
    }
}

fn inside(digest: &Digest, name: &str) -> String {
    format!("{PLUGINS}/{}/{name}", digest.hex())
}

/// References are longer than file names may be, and hold slashes.
fn ref_file(essence: &Reference) -> String {
    format!("{REFS}/{}.json", Digest::of(essence.to_string().as_bytes()).hex())
}

fn json(record: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec_pretty(record).expect("numbers and texts always become JSON")
}

fn now_unix_s() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// Why the store does not do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// There is no such plugin.
    #[error("plugin {digest} is not in the store")]
    Unknown {
        /// As asked for.
        digest: Digest,
    },
    /// The reference means nothing here.
    #[error("{reference} is not in the store")]
    UnknownReference {
        /// As asked for.
        reference: Reference,
    },
    /// The plugin is not what it was; it is refused.
    #[error("stored plugin {digest} is damaged: {why}")]
    Damaged {
        /// As asked for.
        digest: Digest,
        /// What is wrong.
        why: &'static str,
    },
    /// More than a plugin may be.
    #[error("plugin has more than {bytes_max} bytes")]
    TooLarge {
        /// Allowed.
        bytes_max: u64,
    },
    /// The disk does not do its part.
    #[error("plugin store cannot be read or written")]
    Io(#[from] io::Error),
}

impl StoreError {
    /// Bounded label.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unknown { .. } => "unknown",
            Self::UnknownReference { .. } => "unknown-reference",
            Self::Damaged { .. } => "damaged",
            Self::TooLarge { .. } => "too-large",
            Self::Io(_) => "io",
        }
    }

    /// What an operator can do about it, as a sentence.
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::Unknown { .. } | Self::UnknownReference { .. } => {
                "`voice-gateway plugin list` shows what is there, `voice-gateway plugin pull` fetches more."
            }
            Self::Damaged { .. } => "Pull it again: `voice-gateway plugin pull` replaces what is damaged.",
            Self::TooLarge { .. } => "Ask its author for a smaller component.",
            Self::Io(_) => "See that the folder of the store is there, has room and belongs to the gateway's user.",
        }
    }
}

#[cfg(test)]
mod tests;
