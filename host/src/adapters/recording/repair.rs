//! Recordings that a gateway left behind when it died.

use super::file::{Paths, RATE_HZ, SIDES, length_ms, seal};
use super::note::{Note, State};
use super::sealing::Recipient;
use crate::application::recording::RecordingError;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use vg_media::wav::{HEADER_LEN, Header};

/// What a repair came to.
#[derive(Debug, Default)]
pub struct Repaired {
    /// Recordings that were finished.
    pub finished: u64,
    /// Their notes.
    pub(super) notes: Vec<Note>,
    /// Recordings that a gateway is writing at this moment: they were left alone.
    pub busy: u64,
    /// Files that could not be finished.
    pub errors: Vec<RecordingError>,
}

/// Finishes every `<tenant>/<call>.wav.part` of a folder that nobody is writing, sealed where there is somebody to seal it to. Blocks on the disk.
pub fn repair(dir: &Path, recipient: Option<&Recipient>) -> Repaired {
    match Leftovers::of(dir) {
        Ok(leftovers) => leftovers.repair(recipient),
        Err(error) => Repaired { errors: vec![error.into()], ..Repaired::default() },
    }
}

/// Parts of a folder with their tenants, in a steady order.
pub(super) struct Leftovers(Vec<(String, Paths)>);

impl Leftovers {
    /// Those that are there now: what begins later is not among them.
    pub(super) fn of(dir: &Path) -> io::Result<Self> {
        let mut parts = Vec::new();
        for tenant in entries(dir)?.into_iter().filter(|path| path.is_dir()) {
            let slug = tenant.file_name().unwrap_or_default().to_string_lossy().into_owned();
            for file in entries(&tenant)? {
                let name = file.file_name().and_then(|name| name.to_str()).and_then(|name| name.strip_suffix(".wav.part"));
                parts.extend(name.map(|name| (slug.clone(), Paths::new(&tenant, name))));
            }
        }
        Ok(Self(parts))
    }

    pub(super) fn repair(self, recipient: Option<&Recipient>) -> Repaired {
        let mut repaired = Repaired::default();
        for (tenant, paths) in self.0 {
            match repair_one(&tenant, &paths, recipient) {
                Ok(Some(note)) => {
                    repaired.finished += 1;
                    repaired.notes.push(note);
                }
                Ok(None) => repaired.busy += 1,
                Err(error) => repaired.errors.push(error.into()),
            }
        }
        repaired
    }
}

pub(super) fn entries(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let mut entries = std::fs::read_dir(dir)?.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()?;
    entries.sort();
    Ok(entries)
}

/// None where it is still being written.
fn repair_one(tenant: &str, paths: &Paths, recipient: Option<&Recipient>) -> io::Result<Option<Note>> {
    let file = OpenOptions::new().read(true).write(true).open(&paths.part)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Ok(None),
        Err(TryLockError::Error(error)) => return Err(error),
    }
    // Finished and renamed while it was being opened.
    if !paths.part.exists() {
        return Ok(None);
    }
    let meant = Header { rate_hz: RATE_HZ, channels: SIDES };
    let first = beginning(&file)?;
    let (header, length) = meant.repaired(&first, file.metadata()?.len());
    let known = Note::read(&paths.note).unwrap_or_else(|| {
        let name = paths.whole.file_stem().unwrap_or_default().to_string_lossy();
        Note::new(tenant, &name, String::new(), 1)
    });
    let rate_hz = Header::parse(&header).map_or(RATE_HZ, |header| header.rate_hz);
    let data_bytes = u32::try_from(length - HEADER_LEN as u64).unwrap_or(u32::MAX);
    let note = Note { state: State::Repaired, rate_hz, length_ms: length_ms(rate_hz, data_bytes), ..known };
    seal(&file, header, length, paths, note, recipient).map(Some)
}

fn beginning(file: &File) -> io::Result<Vec<u8>> {
    let mut first = Vec::with_capacity(HEADER_LEN);
    file.take(HEADER_LEN as u64).read_to_end(&mut first)?;
    Ok(first)
}
