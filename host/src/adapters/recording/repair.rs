//! Recordings that a gateway left behind when it died.

use super::file::{Paths, RATE_HZ, SIDES, length_ms};
use super::finish::{Form, finish};
use super::note::{Note, State};
use super::writer::finisher_of;
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

/// Finishes every `<tenant>/<call>.wav.part` of a folder that nobody is writing, in the form that is given. Blocks on the disk.
pub fn repair(dir: &Path, form: &Form) -> Repaired {
    match Leftovers::of(dir) {
        Ok(leftovers) => leftovers.repair(form),
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

    /// The same for so many finishers: what is told of a call later goes to the same one.
    pub(super) fn split(self, finishers: usize) -> Vec<Self> {
        let mut split: Vec<Self> = (0..finishers).map(|_| Self(Vec::new())).collect();
        for (tenant, paths) in self.0 {
            // Where the disk does not give it, the repair tells.
            let note = Note::read(&paths.note).ok().flatten();
            let call = note.map_or_else(|| paths.name(), |note| note.call);
            if let Some(leftovers) = split.get_mut(finisher_of(&call, finishers)) {
                leftovers.0.push((tenant, paths));
            }
        }
        split
    }

    pub(super) fn repair(self, form: &Form) -> Repaired {
        let mut repaired = Repaired::default();
        for (tenant, paths) in self.0 {
            match repair_one(&tenant, &paths, form) {
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
fn repair_one(tenant: &str, paths: &Paths, form: &Form) -> io::Result<Option<Note>> {
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
    let known = Note::read(&paths.note)?.unwrap_or_else(|| Note::new(tenant, &paths.name(), String::new(), 1));
    let rate_hz = Header::parse(&header).map_or(RATE_HZ, |header| header.rate_hz);
    let data_bytes = u32::try_from(length - HEADER_LEN as u64).unwrap_or(u32::MAX);
    let note = Note { state: State::Repaired, rate_hz, length_ms: length_ms(rate_hz, data_bytes), ..known };
    let form = Form { format: note.wanted(form.format), ..form.clone() };
    finish(&file, header, length, paths, note, &form).map(Some)
}

fn beginning(file: &File) -> io::Result<Vec<u8>> {
    let mut first = Vec::with_capacity(HEADER_LEN);
    file.take(HEADER_LEN as u64).read_to_end(&mut first)?;
    Ok(first)
}
