//! Days that are over, for a store that writes once and reads often: nothing there is ever written again.

use super::disk::day_file;
use super::verify::{Segment, verify_one};
use crate::adapters::folder::{self, is_name};
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Which days.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// The first; none: from the beginning.
    pub from: Option<Date>,
    /// The last; none: to the last that is over.
    pub to: Option<Date>,
}

/// Why nothing was exported, or not all.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The disk.
    #[error("export the audit log")]
    Io(#[from] io::Error),
    /// The log is not as it was written.
    #[error("export the audit log: something is wrong with it, `audit verify` says what ({0} findings)")]
    Faulty(usize),
    /// Something else lies there already.
    #[error("export the audit log: {} is there already, and is another", .0.display())]
    Another(PathBuf),
    /// No day of the span is over.
    #[error("export the audit log: no day of it is over yet")]
    Nothing,
}

/// What was exported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exported {
    /// Files.
    pub segments: usize,
    /// Lines in them.
    pub lines: u64,
    /// The manifest.
    pub manifest: PathBuf,
}

/// What lies in an export.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Manifest {
    version: u32,
    tenant: String,
    pub(super) segments: Vec<Listed>,
}

/// A file of an export.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Listed {
    pub(super) day: String,
    lines: u64,
    bytes: u64,
    sha256: String,
    /// Hash of the line before its first.
    previous: String,
    /// Number and hash of its last line.
    last: u64,
    head: String,
}

impl Listed {
    fn of(segment: &Segment) -> Self {
        Self {
            day: segment.day.to_string(),
            lines: segment.lines,
            bytes: segment.bytes,
            sha256: segment.sha256.to_string(),
            previous: segment.previous.to_string(),
            last: segment.last.n,
            head: segment.last.hash.to_string(),
        }
    }

    /// Whether it is that file.
    pub(super) fn is(&self, segment: &Segment) -> bool {
        *self == Self::of(segment)
    }
}

/// Copies days of a tenant that have a later one after them to `<out>/<tenant>`, read-only, with a manifest of their hashes. What is there already stays
/// as it is.
///
/// # Errors
/// See [`ExportError`]. Files that were written stay: to try again is safe.
pub fn export(dir: &Path, tenant: &str, span: Span, out: &Path) -> Result<Exported, ExportError> {
    if !is_name(tenant) {
        return Err(io::Error::from(ErrorKind::InvalidFilename).into());
    }
    let (found, mut segments) = verify_one(dir, tenant.to_owned(), None)?;
    // A last line that is not whole yet is not among what is exported.
    let faults = found.findings.iter().filter(|finding| finding.what != super::Wrong::Torn).count();
    if faults > 0 {
        return Err(ExportError::Faulty(faults));
    }
    // Only the last file is written to.
    segments.pop();
    let within = |day: Date| span.from.is_none_or(|from| from <= day) && span.to.is_none_or(|to| day <= to);
    segments.retain(|segment| within(segment.day));
    let (Some(first), Some(last)) = (segments.first(), segments.last()) else { return Err(ExportError::Nothing) };
    let folder = out.join(tenant);
    folder::private(&folder)?;
    for segment in &segments {
        let bytes = std::fs::read(day_file(&dir.join(tenant), segment.day))?;
        put(&day_file(&folder, segment.day), &bytes)?;
    }
    let manifest = folder.join(format!("manifest-{}-{}.json", first.day, last.day));
    let listed = Manifest { version: 1, tenant: tenant.to_owned(), segments: segments.iter().map(Listed::of).collect() };
    let mut text = serde_json::to_vec_pretty(&listed).map_err(io::Error::from)?;
    text.push(b'\n');
    put(&manifest, &text)?;
    File::open(&folder).and_then(|folder| folder.sync_all())?;
    Ok(Exported { segments: segments.len(), lines: segments.iter().map(|segment| segment.lines).sum(), manifest })
}

/// A file that is written once.
fn put(path: &Path, bytes: &[u8]) -> Result<(), ExportError> {
    match std::fs::read(path) {
        Ok(there) if there == bytes => return Ok(()),
        Ok(_) => return Err(ExportError::Another(path.to_owned())),
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(error.into()),
    }
    // It has its name once it is whole.
    let new = path.with_extension("new");
    let mut file = OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(&new)?;
    file.write_all(bytes)?;
    file.set_permissions(Permissions::from_mode(0o400))?;
    file.sync_all()?;
    std::fs::rename(new, path)?;
    Ok(())
}

/// Manifests of a folder.
pub(super) fn manifests(folder: &Path) -> io::Result<Vec<Manifest>> {
    let mut manifests = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let name = entry?.file_name();
        let Some(name) = name.to_str().filter(|name| name.starts_with("manifest-") && name.ends_with(".json")) else { continue };
        manifests.push(serde_json::from_slice(&std::fs::read(folder.join(name))?).map_err(io::Error::from)?);
    }
    Ok(manifests)
}

#[cfg(test)]
mod tests {
    // What an export is worth is shown where the log is: see the tests of the room.
    use super::super::disk::days;
    use super::*;

    #[test]
    fn what_lies_there_already_is_never_written_again() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("2026-11-29.jsonl");
        put(&file, b"one").unwrap();
        put(&file, b"one").unwrap();
        assert!(matches!(put(&file, b"two"), Err(ExportError::Another(_))));
        assert_eq!(std::fs::read(&file).unwrap(), b"one");
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o400);
        assert_eq!(days(folder.path()).unwrap().len(), 1, "nothing else lies there");
    }
}
