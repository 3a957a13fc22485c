//! One recording's file while it grows, and its end.

use super::beside;
use super::note::{Note, State, note_between, note_stretch};
use super::sealing::{self, Recipient};
use crate::adapters::folder;
use crate::application::recording::{RecordingError, RecordingRequest, SoundBlock};
use jiff::Timestamp;
use ring::digest::{Context, SHA256};
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;
use vg_media::wav::{HEADER_LEN, Header};

pub(super) const SIDES: u16 = 2;
/// What a file without any sound claims.
pub(super) const RATE_HZ: u32 = 8_000;
/// A file is hashed in pieces of this size.
const PIECE_BYTES: usize = 64 * 1024;
const FRAME_MS: u64 = 20;
const FRAMES_PER_S: u64 = 50;
/// Parts of one call, however often it is taken up again.
const PARTS_MAX: usize = 1_000;

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
    /// Frames that are silent whatever comes: from one, until before another.
    hidden: Vec<(u64, u64)>,
}

/// Where a recording lies while it grows, and later.
#[derive(Clone, Debug)]
pub(super) struct Paths {
    pub(super) part: PathBuf,
    pub(super) whole: PathBuf,
    /// The same, sealed.
    pub(super) sealed: PathBuf,
    pub(super) note: PathBuf,
}

impl Paths {
    /// `name` without any end.
    pub(super) fn new(dir: &Path, name: &str) -> Self {
        let part = dir.join(format!("{name}.wav.part"));
        Self {
            whole: beside(&part, name, ".wav"),
            sealed: beside(&part, name, ".wav.age"),
            note: beside(&part, name, ".json"),
            part,
        }
    }
}

impl Growing {
    /// A new file, the next part of its call, which begins with the frame `first` of its leg. Nobody else has it.
    pub(super) fn create(dir: &Path, request: &RecordingRequest, caller_ref: Option<String>, first: u64) -> io::Result<Self> {
        let (tenant, call) = (request.tenant.as_str(), request.call.as_str());
        let folder = dir.join(tenant);
        folder::private(&folder)?;
        let start = request.began + Duration::from_millis(FRAME_MS * first);
        let begins = start.duration_since(request.first_began).unwrap_or_default();
        for part in (request.part..).take(PARTS_MAX) {
            let paths = Paths::new(&folder, &name(call, part));
            if paths.whole.exists() || paths.sealed.exists() {
                continue;
            }
            let file = match OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&paths.part) {
                Ok(file) => file,
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
                Err(error) => return Err(error),
            };
            // Whoever repairs leaves it alone.
            file.try_lock()?;
            let start = Timestamp::try_from(start).unwrap_or_default().to_string();
            let begins_ms = u64::try_from(begins.as_millis()).unwrap_or(u64::MAX);
            let note = Note { caller_ref, begins_ms, keep_days: request.keep_days, ..Note::new(tenant, call, start, part) };
            note.write(&paths.note)?;
            return Ok(Self::over(file, paths, note, first));
        }
        Err(io::ErrorKind::AlreadyExists.into())
    }

    fn over(file: File, paths: Paths, note: Note, first: u64) -> Self {
        Self {
            file,
            paths,
            note,
            written: 0,
            room: u64::from(u32::MAX),
            next: first,
            first,
            bytes: Vec::new(),
            hidden: Vec::new(),
        }
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
        let Self { bytes, file, hidden, .. } = self;
        bytes.clear();
        bytes.extend(block.samples.iter().flat_map(|sample| sample.to_le_bytes()));
        silence(bytes, block, hidden);
        file.seek(SeekFrom::Start(HEADER_LEN as u64 + self.written))?;
        file.write_all(bytes)?;
        self.written += bytes.len() as u64;
        self.note_pauses(block);
        self.next = block.first + u64::from(block.frames);
        let next = self.next;
        self.hidden.retain(|(_, until)| *until > next);
        Ok(())
    }

    /// Both sides are silent from one frame until before another, in what is written and in what will be.
    pub(super) fn hide(&mut self, from: u64, until: u64) -> io::Result<()> {
        self.hidden.push((from, until));
        let (from, until) = (from.max(self.first), until.min(self.next));
        if from >= until {
            return Ok(());
        }
        let frame_bytes = frame_bytes(self.note.rate_hz);
        self.note_pause(from, until);
        let silence = vec![0; usize::try_from((until - from) * frame_bytes).unwrap_or_default()];
        self.file.write_all_at(&silence, HEADER_LEN as u64 + (from - self.first) * frame_bytes)
    }

    /// What is hidden of what is still to come.
    pub(super) fn hides_on(&mut self, from: &mut Self) {
        self.hidden = std::mem::take(&mut from.hidden);
    }

    /// Which part of its call.
    pub(super) fn part(&self) -> u32 {
        self.note.part
    }

    /// The disk takes no more: what was written is to be finished as it is.
    pub(super) fn cut_short(&mut self) {
        self.note.state = State::CutShort;
    }

    fn note_pauses(&mut self, block: &SoundBlock) {
        let frames = (0..block.frames).map(|frame| (frame, block.first + u64::from(frame)));
        let silent = frames.filter(|(frame, at)| block.paused >> frame & 1 == 1 || is_hidden(&self.hidden, *at));
        let silent: Vec<u64> = silent.map(|(_, at)| at).collect();
        silent.into_iter().for_each(|at| self.note_pause(at, at + 1));
    }

    fn note_pause(&mut self, from: u64, until: u64) {
        let ms = |frame: u64| frame.saturating_sub(self.first) * FRAME_MS;
        note_between(&mut self.note.pauses, ms(from), ms(until));
    }

    fn note_gap(&mut self, until: u64) {
        let ms = |frame: u64| frame.saturating_sub(self.first) * FRAME_MS;
        note_stretch(&mut self.note.dropped, ms(self.next), ms(until));
    }

    fn header(&self, rate_hz: u32) -> Header {
        Header { rate_hz, channels: SIDES }
    }

    /// Nothing is left of it.
    pub(super) fn forget(self) -> io::Result<()> {
        std::fs::remove_file(&self.paths.part)?;
        std::fs::remove_file(&self.paths.note)
    }

    /// Gives it its length and its name. None where there was no sound: then nothing is left of it.
    pub(super) fn finish(mut self, recipient: Option<&Recipient>) -> io::Result<Option<Note>> {
        if self.written == 0 {
            self.forget()?;
            return Ok(None);
        }
        let header = self.header(self.note.rate_hz);
        let data_bytes = header.data_bytes(self.written);
        self.note.length_ms = length_ms(header.rate_hz, data_bytes);
        if self.note.state == State::Recording {
            self.note.state = State::Complete;
        }
        let length = HEADER_LEN as u64 + u64::from(data_bytes);
        seal(&self.file, header.write(data_bytes), length, &self.paths, self.note, recipient).map(Some)
    }
}

/// The last steps, each of which may be the last of all: a file without its name is repaired, one with its name is whole.
pub(super) fn seal(
    file: &File,
    header: [u8; HEADER_LEN],
    length: u64,
    paths: &Paths,
    note: Note,
    recipient: Option<&Recipient>,
) -> io::Result<Note> {
    file.set_len(length)?;
    file.write_all_at(&header, 0)?;
    file.sync_data()?;
    let note = match recipient {
        None => {
            let note = name_note(note, file, &paths.whole, &paths.note)?;
            std::fs::rename(&paths.part, &paths.whole)?;
            note
        }
        Some(recipient) => {
            let part = sealing_part(paths);
            let sealed = sealed_copy(file, &part, recipient)?;
            let note = name_note(note, &sealed, &paths.sealed, &paths.note)?;
            std::fs::rename(part, &paths.sealed)?;
            // Where it stays, for the gateway dies here, it is sealed again and then removed.
            std::fs::remove_file(&paths.part)?;
            note
        }
    };
    if let Some(folder) = paths.whole.parent() {
        File::open(folder)?.sync_all()?;
    }
    Ok(note)
}

/// What a sealed copy is called until it is whole.
pub(super) fn sealing_part(paths: &Paths) -> PathBuf {
    paths.sealed.with_extension("age.part")
}

/// On the disk.
fn sealed_copy(mut file: &File, part: &Path, recipient: &Recipient) -> io::Result<File> {
    file.seek(SeekFrom::Start(0))?;
    let mut sealed = OpenOptions::new().read(true).write(true).create(true).truncate(true).mode(0o600).open(part)?;
    sealing::seal(recipient, &mut file, &mut sealed)?;
    sealed.sync_data()?;
    Ok(sealed)
}

/// The note of a file that gets its name with the next step.
fn name_note(note: Note, file: &File, named: &Path, path: &Path) -> io::Result<Note> {
    let name = named.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let note = Note { sha256: hash(file)?, file: name, ..note };
    note.write_synced(path)?;
    Ok(note)
}

/// SHA-256 of all of a file, in hex.
fn hash(mut file: &File) -> io::Result<String> {
    let mut digest = Context::new(&SHA256);
    let mut piece = vec![0; PIECE_BYTES];
    file.seek(SeekFrom::Start(0))?;
    loop {
        match file.read(&mut piece)? {
            0 => break,
            read => digest.update(&piece[..read]),
        }
    }
    Ok(digest.finish().as_ref().iter().map(|byte| format!("{byte:02x}")).collect())
}

fn is_hidden(hidden: &[(u64, u64)], frame: u64) -> bool {
    hidden.iter().any(|(from, until)| (*from..*until).contains(&frame))
}

/// Silences what of a block is hidden.
fn silence(bytes: &mut [u8], block: &SoundBlock, hidden: &[(u64, u64)]) {
    if hidden.is_empty() || block.frames == 0 {
        return;
    }
    let frame_bytes = bytes.len() / block.frames as usize;
    for (frame, bytes) in (block.first..).zip(bytes.chunks_mut(frame_bytes.max(1))) {
        if is_hidden(hidden, frame) {
            bytes.fill(0);
        }
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
