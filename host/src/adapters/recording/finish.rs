//! A recording's last steps: it gets its length, is encoded and sealed where it is to be, and gets its name.

use super::file::Paths;
use super::note::Note;
use super::sealing::{self, Recipient};
use ring::digest::{Context, SHA256};
use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, BufWriter, Read, Seek, SeekFrom};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use vg_domain::recording::RecordingFormat as Format;
use vg_media::ogg_opus::{OggOpusError, Writer};
use vg_media::wav::{HEADER_LEN, Header};

/// A file is hashed and encoded in pieces of this size.
const PIECE_BYTES: usize = 64 * 1024;

/// What becomes of a recording that is over.
#[derive(Clone, Debug, Default)]
pub struct Form {
    /// How it is kept.
    pub format: Format,
    /// Who alone can open it; none: it lies as it is.
    pub seal_to: Option<Recipient>,
}

/// The last steps, each of which may be the last of all: a file without its name is repaired, one with its name is whole. Blocks on the disk.
pub(super) fn finish(
    file: &File,
    header: [u8; HEADER_LEN],
    length: u64,
    paths: &Paths,
    note: Note,
    form: &Form,
) -> io::Result<Note> {
    file.set_len(length)?;
    file.write_all_at(&header, 0)?;
    file.sync_data()?;
    let encoded = match form.format {
        Format::Wav => None,
        Format::Opus => encoded(file, &Paths::part_of(&paths.opus))?,
    };
    let (plain, part, [named, sealed]) = match &encoded {
        Some(opus) => (opus, Paths::part_of(&paths.opus), [&paths.opus, &paths.sealed_opus]),
        None => (file, paths.part.clone(), [&paths.whole, &paths.sealed]),
    };
    let note = match &form.seal_to {
        None => name(note, plain, &part, named, paths)?,
        Some(recipient) => {
            let part = Paths::part_of(sealed);
            name(note, &sealed_copy(plain, &part, recipient)?, &part, sealed, paths)?
        }
    };
    // Where one stays, for the gateway dies here, it is encoded and sealed again and then removed.
    for part in [&Paths::part_of(&paths.opus), &paths.part] {
        match std::fs::remove_file(part) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
    }
    Ok(note)
}

/// Gives a file that is on the disk its name, which is on the disk as well then, with the note before it.
fn name(note: Note, file: &File, part: &Path, named: &Path, paths: &Paths) -> io::Result<Note> {
    let name = named.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let note = Note { sha256: hash(file)?, file: name, ..note };
    note.write_synced(&paths.note)?;
    std::fs::rename(part, named)?;
    if let Some(folder) = named.parent() {
        File::open(folder)?.sync_all()?;
    }
    Ok(note)
}

/// A file for the gateway's user alone, empty.
fn create(part: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(true).mode(0o600).open(part)
}

/// As Opus, on the disk. None where the codec has not its rate, or failed: then it stays as it is, for nothing of it is to be lost.
fn encoded(file: &File, part: &Path) -> io::Result<Option<File>> {
    match encode(file, create(part)?) {
        Ok(opus) => Ok(Some(opus)),
        Err(OggOpusError::Write(error)) => Err(error),
        Err(error) => {
            tracing::warn!(code = error.code(), "a recording stays a wav file: it could not be encoded");
            std::fs::remove_file(part)?;
            Ok(None)
        }
    }
}

/// Piece by piece: a call may be longer than there is memory.
fn encode(mut file: &File, opus: File) -> Result<File, OggOpusError> {
    let mut serial = [0; 4];
    getrandom::fill(&mut serial).map_err(|_| io::Error::other("no random numbers"))?;
    let mut first = [0; HEADER_LEN];
    file.read_exact_at(&mut first, 0)?;
    let Header { rate_hz, .. } = Header::parse(&first).ok_or(OggOpusError::Malformed)?;
    file.seek(SeekFrom::Start(HEADER_LEN as u64))?;
    let mut wav = BufReader::with_capacity(PIECE_BYTES, file);
    let mut writer = Writer::new(BufWriter::with_capacity(PIECE_BYTES, opus), rate_hz, u32::from_le_bytes(serial))?;
    let (mut bytes, mut samples) = (Vec::with_capacity(PIECE_BYTES), Vec::with_capacity(PIECE_BYTES / 2));
    loop {
        bytes.clear();
        if wav.by_ref().take(PIECE_BYTES as u64).read_to_end(&mut bytes)? == 0 {
            break;
        }
        samples.clear();
        samples.extend(bytes.as_chunks().0.iter().map(|sample| i16::from_le_bytes(*sample)));
        writer.push(&samples)?;
    }
    let opus = writer.finish()?.into_inner().map_err(|error| OggOpusError::Write(error.into_error()))?;
    opus.sync_data()?;
    Ok(opus)
}

/// On the disk.
fn sealed_copy(mut file: &File, part: &Path, recipient: &Recipient) -> io::Result<File> {
    file.seek(SeekFrom::Start(0))?;
    let mut sealed = create(part)?;
    sealing::seal(recipient, &mut file, &mut sealed)?;
    sealed.sync_data()?;
    Ok(sealed)
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
