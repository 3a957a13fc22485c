//! One recording's file while it grows, and its end.

use super::beside;
use super::note::{Note, State, note_stretch};
use crate::adapters::folder;
use crate::application::recording::{RecordingError, RecordingRequest, SoundBlock};
use std::fs::{File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use vg_media::wav::{HEADER_LEN, Header};

pub(super) const SIDES: u16 = 2;
/// What a file without any sound claims.
pub(super) const RATE_HZ: u32 = 8_000;
const FRAME_MS: u64 = 20;
const FRAMES_PER_S: u64 = 50;
/// Parts of one call, however often it is taken up again.
const PARTS_MAX: u32 = 1_000;

/// A recording that grows.
pub(super) struct Growing {
    file: File,
    paths: Paths,
    note: Note,
    /// Bytes of sound.
    written: u64,
    /// Bytes that the file takes at most.
    room: u64,
    /// The frame of the leg that comes next, and the one with which this part began.
    next: u64,
    first: u64,
    bytes: Vec<u8>,
}

/// Where a recording lies while it grows, and later.
#[derive(Clone, Debug)]
pub(super) struct Paths {
    pub(super) part: PathBuf,
    pub(super) whole: PathBuf,
    pub(super) note: PathBuf,
}

impl Paths {
    /// `name` without any end.
    pub(super) fn new(dir: &Path, name: &str) -> Self {
        let part = dir.join(format!("{name}.wav.part"));
        Self { whole: beside(&part, name, ".wav"), note: beside(&part, name, ".json"), part }
    }
}

impl Growing {
    /// A new file, the next part of its call. Nobody else has it.
    pub(super) fn create(dir: &Path, request: &RecordingRequest, start: String, first: u64) -> io::Result<Self> {
        let (tenant, call) = (request.tenant.as_str(), request.call.as_str());
        let folder = dir.join(tenant);
        folder::private(&folder)?;
        for part in 1..=PARTS_MAX {
            let paths = Paths::new(&folder, &name(call, part));
            if paths.whole.exists() {
                continue;
            }
            let file = match OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&paths.part) {
                Ok(file) => file,
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
                Err(error) => return Err(error),
            };
            // Whoever repairs leaves it alone.
            file.try_lock()?;
            let note = Note::new(tenant, call, start, part);
            note.write(&paths.note)?;
            return Ok(Self::over(file, paths, note, first));
        }
        Err(io::ErrorKind::AlreadyExists.into())
    }

    fn over(file: File, paths: Paths, note: Note, first: u64) -> Self {
        Self { file, paths, note, written: 0, room: u64::from(u32::MAX), next: first, first, bytes: Vec::new() }
    }

    /// Whether a block is more than the file can say that it holds.
    pub(super) fn is_too_long(&self, block: &SoundBlock) -> bool {
        let gap = block.first.saturating_sub(self.next) * frame_bytes(block.rate_hz);
        let wanted = self.written + gap + 2 * block.samples.len() as u64;
        wanted > self.room.min(self.header(block.rate_hz).data_bytes(u64::MAX).into())
    }

    /// Puts a block where it belongs; what is missing before it is silence.
    pub(super) fn write(&mut self, block: &SoundBlock) -> Result<(), RecordingError> {
        if self.note.rate_hz == 0 {
            (self.note.rate_hz, self.note.codec) = (block.rate_hz, block.codec.to_owned());
            self.file.write_all_at(&self.header(block.rate_hz).write(0), 0)?;
        }
        if block.first > self.next {
            self.note_gap(block.first);
            self.written += (block.first - self.next) * frame_bytes(self.note.rate_hz);
            self.file.set_len(HEADER_LEN as u64 + self.written)?;
            self.next = block.first;
        }
        let Self { bytes, file, .. } = self;
        bytes.clear();
        bytes.extend(block.samples.iter().flat_map(|sample| sample.to_le_bytes()));
        file.seek(SeekFrom::Start(HEADER_LEN as u64 + self.written))?;
        file.write_all(bytes)?;
        self.written += bytes.len() as u64;
        self.note_pauses(block);
        self.next = block.first + u64::from(block.frames);
        Ok(())
    }

    /// The disk takes no more: what was written is to be finished as it is.
    pub(super) fn cut_short(&mut self) {
        self.note.state = State::CutShort;
    }

    fn note_pauses(&mut self, block: &SoundBlock) {
        for frame in (0..block.frames).filter(|frame| block.paused >> frame & 1 == 1) {
            let at = (block.first + u64::from(frame)).saturating_sub(self.first) * FRAME_MS;
            note_stretch(&mut self.note.pauses, at, at + FRAME_MS);
        }
    }

    fn note_gap(&mut self, until: u64) {
        let ms = |frame: u64| frame.saturating_sub(self.first) * FRAME_MS;
        note_stretch(&mut self.note.dropped, ms(self.next), ms(until));
    }

    fn header(&self, rate_hz: u32) -> Header {
        Header { rate_hz, channels: SIDES }
    }

    /// Gives it its length and its name. False where there was no sound: then nothing is left of it.
    pub(super) fn finish(mut self) -> io::Result<bool> {
        if self.written == 0 {
            std::fs::remove_file(&self.paths.part)?;
            std::fs::remove_file(&self.paths.note)?;
            return Ok(false);
        }
        let header = self.header(self.note.rate_hz);
        let data_bytes = header.data_bytes(self.written);
        self.note.length_ms = length_ms(header.rate_hz, data_bytes);
        if self.note.state == State::Recording {
            self.note.state = State::Complete;
        }
        seal(&self.file, header.write(data_bytes), HEADER_LEN as u64 + u64::from(data_bytes), &self.paths, &self.note)?;
        Ok(true)
    }
}

/// The last steps, each of which may be the last of all: a file without its name is repaired, one with its name is whole.
pub(super) fn seal(file: &File, header: [u8; HEADER_LEN], length: u64, paths: &Paths, note: &Note) -> io::Result<()> {
    file.set_len(length)?;
    file.write_all_at(&header, 0)?;
    file.sync_data()?;
    note.write_synced(&paths.note)?;
    std::fs::rename(&paths.part, &paths.whole)?;
    match paths.whole.parent() {
        Some(folder) => File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}

pub(super) fn length_ms(rate_hz: u32, data_bytes: u32) -> u64 {
    u64::from(data_bytes) * FRAME_MS / frame_bytes(rate_hz).max(1)
}

fn frame_bytes(rate_hz: u32) -> u64 {
    u64::from(rate_hz) / FRAMES_PER_S * 2 * u64::from(SIDES)
}

fn name(call: &str, part: u32) -> String {
    if part == 1 { call.to_owned() } else { format!("{call}.{part}") }
}

#[cfg(test)]
impl Growing {
    /// One that is full after so much sound.
    pub(super) fn with_room(mut self, bytes: u64) -> Self {
        self.room = bytes;
        self
    }

    /// One whose disk is `disk`.
    pub(super) fn on(mut self, disk: File) -> Self {
        self.file = disk;
        self
    }
}
