//! Recordings in a bucket of S3, or of something that speaks like it: `<prefix>/<tenant>/<file>`, named as in the folder, and the note beside it.
//!
//! A part goes up when it is whole, in a task of its own that no call waits for. How far it is stands in its note, on the disk: a gateway that is killed
//! goes on behind the last piece that the store has. The note goes up last, so that who finds one there finds its sound as well, and only then does the
//! sound leave this disk. The note stays here as long as there is something there: by it the recording is found and deleted.

mod bucket;
mod part;
mod uploader;
mod wire;
mod withdrawn;

pub use bucket::Bucket;
pub(super) use uploader::Ways;
pub use uploader::{StoreStats, Uploader};
pub(super) use withdrawn::Withdrawn;

use super::forget::Forgotten;
use part::Part;
use std::io;
use std::path::Path;
use std::sync::Arc;

/// Why a store did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreFault {
    /// Nobody answered, or not to the end; or not by a certificate that is to be trusted.
    #[error("reach the store of recordings: no answer")]
    Unreachable,
    /// The credentials are wrong, worn out, or may not.
    #[error("use the store of recordings: denied ({0})")]
    Denied(String),
    /// There is no such bucket.
    #[error("use the store of recordings: there is no such bucket")]
    NoBucket,
    /// It has too much to do, or trouble of its own.
    #[error("use the store of recordings: it is busy ({0})")]
    Busy(String),
    /// It does not take what it was given.
    #[error("use the store of recordings: refused ({0})")]
    Refused(String),
    /// The upload that was to go on is not known there any more.
    #[error("use the store of recordings: the upload is not known")]
    NoUpload,
    /// There is no such object.
    #[error("use the store of recordings: there is no such object")]
    Missing,
    /// What lies there is not what was sent.
    #[error("use the store of recordings: what it has is not what it was sent")]
    Mismatch,
    /// It answered something else than a store does.
    #[error("use the store of recordings: its answer says nothing")]
    Answer,
    /// The object lies in another bucket than that of the configuration.
    #[error("use the store of recordings: the object lies in another bucket")]
    Elsewhere,
    /// The disk of this machine.
    #[error("use the folder of recordings")]
    Disk(#[from] io::Error),
}

/// Deletes in the store what [`forget`](super::forget) found to be there.
///
/// # Errors
/// Where it does not: a gateway that serves with this folder tries again.
pub async fn delete_in_store(bucket: Option<&Bucket>, dir: &Path, forgotten: &Forgotten) -> Result<(), StoreFault> {
    for paths in &forgotten.in_store {
        // It was configured when it went there.
        let bucket = bucket.ok_or(StoreFault::Elsewhere)?;
        Part { bucket, dir: &Arc::new(dir.to_owned()), paths, keep_local: true, sent: &|_| {} }.step().await?;
    }
    Ok(())
}

/// The codes of faults, in the order in which they are counted.
pub(super) const STORE_FAULTS: [&str; 10] =
    ["unreachable", "denied", "no_bucket", "busy", "refused", "no_upload", "mismatch", "answer", "elsewhere", "disk"];

impl StoreFault {
    /// Bounded label.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unreachable => "unreachable",
            Self::Denied(_) => "denied",
            Self::NoBucket => "no_bucket",
            Self::Busy(_) => "busy",
            Self::Refused(_) => "refused",
            Self::NoUpload => "no_upload",
            Self::Mismatch => "mismatch",
            Self::Answer | Self::Missing => "answer",
            Self::Elsewhere => "elsewhere",
            Self::Disk(_) => "disk",
        }
    }
}
