//! The note beside a recording.

use serde::{Deserialize, Serialize};
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::num::NonZeroU32;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use vg_domain::recording::RecordingFormat as Format;

/// Stretches of each sort that a note holds; what is further belongs to the last one.
const STRETCHES_MAX: usize = 1_000;

/// What is known of a recording beside its sound.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Note {
    pub(super) call: String,
    pub(super) tenant: String,
    /// The caller's pseudonym, where the operator has a key for these.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) caller_ref: Option<String>,
    /// When its first sample was said, RFC 3339.
    pub(super) start: String,
    /// Which part of its call: 1, and more where the call was taken up again, or is longer than a file can be.
    pub(super) part: u32,
    /// So long after the first part it begins, in milliseconds: put together by that, the parts are the call.
    #[serde(default)]
    pub(super) begins_ms: u64,
    pub(super) state: State,
    /// What the wire carried; empty where nothing came.
    pub(super) codec: String,
    pub(super) rate_hz: u32,
    /// Left and right.
    pub(super) channels: [String; 2],
    pub(super) length_ms: u64,
    /// The file's name, which says whether it is sealed; empty while it grows.
    #[serde(default)]
    pub(super) file: String,
    /// SHA-256 of the file, in hex; empty while it grows.
    #[serde(default)]
    pub(super) sha256: String,
    /// It is deleted so many days after its beginning; none for the gateway's own time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) keep_days: Option<NonZeroU32>,
    /// What its tenant wants it to be when it is whole; none for the gateway's own format.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) format: Option<String>,
    /// Stretches in which silence stands in place of what was said, because it was not to be kept: from, to, in milliseconds.
    pub(super) pauses: Vec<[u64; 2]>,
    /// Stretches that are silent because they were lost on the way to the disk.
    pub(super) dropped: Vec<[u64; 2]>,
    /// How it stands with the store, where it has anything of it, or may have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) store: Option<InStore>,
}

/// What of a recording is in a store. Written down before the store is asked: what it may have is known, whenever a gateway dies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub(super) enum InStore {
    /// It is on its way.
    Sending {
        /// Where to: `s3://BUCKET/KEY`.
        url: String,
        /// Where it goes in pieces: how far it is.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        upload: Option<Upload>,
    },
    /// It is there, with its note.
    Stored {
        /// Where.
        url: String,
    },
    /// It is to be deleted there.
    Deleting {
        /// Where.
        url: String,
        /// An upload that is to be thrown away.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        upload: Option<String>,
        /// Why.
        code: String,
    },
}

/// A recording that goes up in pieces.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Upload {
    /// The store's name for it.
    pub(super) id: String,
    /// Bytes of each piece but the last one.
    pub(super) piece_bytes: u64,
    /// What the store gave for each piece that it has.
    pub(super) pieces: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum State {
    /// The call goes on.
    Recording,
    /// From its beginning to its end.
    Complete,
    /// It ended before the call, for the disk took no more.
    CutShort,
    /// The gateway died; pauses and losses are in the sound but not in the lists.
    Repaired,
}

impl Note {
    pub(super) fn new(tenant: &str, call: &str, start: String, part: u32) -> Self {
        Self {
            call: call.to_owned(),
            tenant: tenant.to_owned(),
            caller_ref: None,
            start,
            part,
            begins_ms: 0,
            state: State::Recording,
            codec: String::new(),
            rate_hz: 0,
            channels: ["caller".to_owned(), "gateway".to_owned()],
            length_ms: 0,
            file: String::new(),
            sha256: String::new(),
            keep_days: None,
            format: None,
            pauses: Vec::new(),
            dropped: Vec::new(),
            store: None,
        }
    }

    /// What it is to be, where the gateway's own format is another.
    pub(super) fn wanted(&self, own: Format) -> Format {
        self.format.as_deref().and_then(Format::parse).unwrap_or(own)
    }

    /// What its file is, sealed or not.
    pub(super) fn format_of_file(&self) -> Format {
        let name = self.file.strip_suffix(".age").unwrap_or(&self.file);
        if name.ends_with(".opus") { Format::Opus } else { Format::Wav }
    }

    /// None where there is none, or something that is no note. What the disk does not give is an error: nobody may take it for one that was deleted.
    pub(super) fn read(path: &Path) -> io::Result<Option<Self>> {
        match std::fs::read(path) {
            Ok(bytes) => Ok(serde_json::from_slice(&bytes).ok()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Replaces the file as a whole.
    pub(super) fn write(&self, path: &Path) -> io::Result<()> {
        self.write_beside(path)?;
        std::fs::rename(part_of(path), path)
    }

    /// The same, and it is on the disk.
    pub(super) fn write_synced(&self, path: &Path) -> io::Result<()> {
        self.write_beside(path)?.sync_data()?;
        std::fs::rename(part_of(path), path)
    }

    fn write_beside(&self, path: &Path) -> io::Result<File> {
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(part_of(path))?;
        file.write_all(&serde_json::to_vec_pretty(self)?)?;
        Ok(file)
    }
}

fn part_of(path: &Path) -> PathBuf {
    path.with_extension("json.part")
}

/// Lengthens the last stretch where the new one follows on it.
pub(super) fn note_stretch(stretches: &mut Vec<[u64; 2]>, from: u64, to: u64) {
    let full = stretches.len() >= STRETCHES_MAX;
    match stretches.last_mut() {
        Some([_, end]) if *end == from || full => *end = to,
        _ => stretches.push([from, to]),
    }
}

/// Puts a stretch among others, in order and without overlap, wherever it lies.
pub(super) fn note_between(stretches: &mut Vec<[u64; 2]>, from: u64, to: u64) {
    let (mut from, mut to) = (from, to);
    stretches.retain(|[begin, end]| {
        let touches = *begin <= to && from <= *end;
        if touches {
            (from, to) = (from.min(*begin), to.max(*end));
        }
        !touches
    });
    let at = stretches.partition_point(|[begin, _]| *begin < from);
    stretches.insert(at, [from, to]);
    if stretches.len() > STRETCHES_MAX
        && let Some([_, end]) = stretches.pop()
        && let Some(last) = stretches.last_mut()
    {
        last[1] = end;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stretches_that_touch_are_one_and_their_number_is_bounded() {
        let mut stretches = Vec::new();
        for (from, to) in [(0, 20), (20, 40), (60, 80)] {
            note_stretch(&mut stretches, from, to);
        }
        assert_eq!(stretches, [[0, 40], [60, 80]]);
        (0..2_000).for_each(|n| note_stretch(&mut stretches, 100 * n, 100 * n + 20));
        assert_eq!((stretches.len(), stretches.last().map(|last| last[1])), (1_000, Some(199_920)));
    }

    #[test]
    fn a_stretch_that_is_found_later_lies_in_its_place() {
        let mut stretches = vec![[100, 200], [300, 400]];
        note_between(&mut stretches, 220, 280);
        assert_eq!(stretches, [[100, 200], [220, 280], [300, 400]]);
        note_between(&mut stretches, 150, 300);
        note_between(&mut stretches, 0, 20);
        assert_eq!(stretches, [[0, 20], [100, 400]]);
        (0..2_000).for_each(|n| note_between(&mut stretches, 1_000 + 100 * n, 1_020 + 100 * n));
        assert_eq!((stretches.len(), stretches.last()), (1_000, Some(&[100_700, 200_920])));
    }

    #[test]
    fn note_written_is_the_note_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("call.json");
        let note = Note { pauses: vec![[20, 400]], ..Note::new("acme", "call", "2026-01-02T03:04:05Z".into(), 2) };
        for write in [Note::write, Note::write_synced] {
            write(&note, &path).unwrap();
            assert_eq!(Note::read(&path).unwrap(), Some(note.clone()));
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left beside it");
    }

    #[test]
    fn note_that_the_disk_does_not_give_is_not_one_that_is_not_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("call.json");
        assert_eq!(Note::read(&path).unwrap(), None);
        std::fs::write(&path, "no note").unwrap();
        assert_eq!(Note::read(&path).unwrap(), None);
        std::fs::remove_file(&path).unwrap();
        // Nothing is mapped at its beginning: reading fails, as it would with too many files open.
        std::os::unix::fs::symlink("/proc/self/mem", &path).unwrap();
        assert!(Note::read(&path).is_err());
    }
}
