//! One recording's file while it grows, and its end.

use super::beside;
use super::finish::{Form, finish};
use super::note::{Note, State, note_between, note_stretch};
use crate::adapters::folder;
use crate::application::recording::{RecordingError, RecordingRequest, SoundBlock};
use jiff::Timestamp;
use std::fs::{File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;
use vg_domain::recording::RecordingFormat as Format;
use vg_media::wav::{HEADER_LEN, Header};

pub(super) const SIDES: u16 = 2;
/// What a file without any sound claims.
pub(super) const RATE_HZ: u32 = 8_000;
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
    /// As Opus.
    pub(super) opus: PathBuf,
    /// The same, sealed.
    pub(super) sealed_opus: PathBuf,
    pub(super) note: PathBuf,
}

impl Paths {
    /// `name` without any end.
    pub(super) fn new(dir: &Path, name: &str) -> Self {
        let part = dir.join(format!("{name}.wav.part"));
        Self {
            whole: beside(&part, name, ".wav"),
            sealed: beside(&part, name, ".wav.age"),
            opus: beside(&part, name, ".opus"),
            sealed_opus: beside(&part, name, ".opus.age"),
            note: beside(&part, name, ".json"),
            part,
        }
    }

    /// Those of a part, by its note.
    pub(super) fn of(dir: &Path, note: &Note) -> Self {
        Self::new(&dir.join(&note.tenant), &name(&note.call, note.part))
    }

    /// Without any end.
    pub(super) fn name(&self) -> String {
        self.whole.file_stem().unwrap_or_default().to_string_lossy().into_owned()
    }

    /// What a whole recording may be called.
    pub(super) fn named(&self) -> [&PathBuf; 4] {
        [&self.whole, &self.sealed, &self.opus, &self.sealed_opus]
    }

    /// Whether it is whole, and here.
    pub(super) fn is_whole(&self) -> bool {
        self.named().into_iter().any(|path| path.exists())
    }

    /// What a file is called until it is whole.
    pub(super) fn part_of(named: &Path) -> PathBuf {
        let mut part = named.as_os_str().to_owned();
        part.push(".part");
        part.into()
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
            // A note alone: the sound is in the store, or is to be deleted there.
            if paths.is_whole() || paths.note.exists() {
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
            let format = request.format.map(|format| format.code().to_owned());
            let begins_ms = u64::try_from(begins.as_millis()).unwrap_or(u64::MAX);
            let note =
                Note { caller_ref, begins_ms, keep_days: request.keep_days, format, ..Note::new(tenant, call, start, part) };
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

    /// Whose it is.
    pub(super) fn call(&self) -> &str {
        &self.note.call
    }

    /// What it is to be, where the gateway's own format is another.
    pub(super) fn wanted(&self, own: Format) -> Format {
        self.note.wanted(own)
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
    pub(super) fn finish(mut self, form: &Form) -> io::Result<Option<Note>> {
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
        finish(&self.file, header.write(data_bytes), length, &self.paths, self.note, form).map(Some)
    }
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
