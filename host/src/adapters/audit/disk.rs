//! The folder of the audit log.
//!
//! Beside a tenant's days lies `head.json`: the number and hash of the last line that the disk had kept when it was written. It is written after each
//! group, so that lines which are later missing at the end of the last file are missed.

use super::AuditError;
use super::chain::{Hash, Link, Own, Read, Torn};
use crate::adapters::folder::{self, NotHeld};
use jiff::civil::Date;
use ring::digest::{Context, SHA256};
use std::fs::File;
use std::io::{self, BufRead, BufReader, ErrorKind, Read as _};
use std::path::{Path, PathBuf};

pub(super) const HEAD: &str = "head.json";
/// Bytes of a line: more is none of ours.
const LINE_MAX: u64 = 1 << 20;

/// The folder while this process writes to it.
pub(super) struct Disk {
    dir: PathBuf,
    _lock: File,
}

/// The end of a tenant's log.
pub(super) struct Tail {
    /// The last line.
    pub(super) link: Link,
    /// The last file, where there is one.
    pub(super) file: Option<TailFile>,
    /// Lines that the head knew of, where they are not all there.
    pub(super) missing: Option<u64>,
}

/// The last file.
pub(super) struct TailFile {
    pub(super) day: Date,
    pub(super) len: u64,
    /// Whether it has a line.
    pub(super) opened: bool,
    /// Bytes behind its last line.
    pub(super) torn: Option<(Context, u64, LastByte)>,
}

/// Whether a line break ends what is no line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LastByte {
    Break,
    Other,
}

/// What the file `head.json` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Head {
    Absent,
    Unreadable,
    At(Link),
}

impl Disk {
    pub(super) fn open(dir: &Path) -> Result<Self, AuditError> {
        let lock = folder::hold(dir).map_err(|error| match error {
            NotHeld::Folder(error) => AuditError::Folder(error),
            NotHeld::Busy => AuditError::Busy,
        })?;
        Ok(Self { dir: dir.to_owned(), _lock: lock })
    }

    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    /// The folder of a tenant, made where it is not there.
    pub(super) fn folder(&self, tenant: &str) -> io::Result<PathBuf> {
        if !folder::is_name(tenant) {
            return Err(ErrorKind::InvalidFilename.into());
        }
        let folder = self.dir.join(tenant);
        if !folder.is_dir() {
            folder::private(&folder)?;
            File::open(&self.dir)?.sync_all()?;
        }
        Ok(folder)
    }
}

pub(super) fn day_file(folder: &Path, day: Date) -> PathBuf {
    folder.join(format!("{day}.jsonl"))
}

/// Days of which there is a file, in their order.
pub(super) fn days(folder: &Path) -> io::Result<Vec<Date>> {
    let mut days = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let name = entry?.file_name();
        let day = name.to_str().and_then(|name| name.strip_suffix(".jsonl")).and_then(|day| day.parse::<Date>().ok());
        // Written in another way it is not ours.
        days.extend(day.filter(|day| name.to_str() == Some(&format!("{day}.jsonl"))));
    }
    days.sort_unstable();
    Ok(days)
}

/// One line at a time, each with its line break where it has one. False at the end.
pub(super) fn next_line(reader: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<bool> {
    line.clear();
    Ok(io::Read::by_ref(reader).take(LINE_MAX).read_until(b'\n', line)? > 0)
}

/// Looks for the end of a tenant's log. Reads its last file.
pub(super) fn tail(folder: &Path) -> io::Result<Tail> {
    let head = head(folder)?;
    let days = days(folder)?;
    let expected = match head {
        Head::At(link) => Some(link),
        Head::Absent | Head::Unreadable => None,
    };
    let mut tail = Tail { link: Link::default(), file: None, missing: None };
    // At the head's number, the hash that stands there.
    let mut there = expected.filter(|link| link.n == 0).map(|link| link.hash);
    for day in days.iter().rev() {
        let mut reader = BufReader::new(File::open(day_file(folder, *day))?);
        let (mut len, mut line, mut last) = (0, Vec::new(), None::<Link>);
        let mut torn: Option<(Context, u64, LastByte)> = None;
        while next_line(&mut reader, &mut line)? {
            len += line.len() as u64;
            let Some(Read { link, own, .. }) = Read::parse(&line) else {
                let (context, bytes, end) = torn.get_or_insert_with(|| (Context::new(&SHA256), 0, LastByte::Other));
                context.update(&line);
                *bytes += line.len() as u64;
                *end = if line.ends_with(b"\n") { LastByte::Break } else { LastByte::Other };
                continue;
            };
            torn = None;
            there = there.or(at_head(expected, link, &own));
            last = Some(link);
        }
        if tail.file.is_none() {
            tail.file = Some(TailFile { day: *day, len, opened: last.is_some(), torn });
        }
        if let Some(last) = last {
            tail.link = last;
            break;
        }
    }
    let whole = match head {
        Head::Absent => days.is_empty(),
        Head::Unreadable => false,
        Head::At(link) => there == Some(link.hash),
    };
    tail.missing = (!whole).then(|| expected.map_or(0, |link| link.n));
    Ok(tail)
}

/// The hash of the line that the head names, where this is it, or the first after it.
fn at_head(expected: Option<Link>, link: Link, own: &Own) -> Option<Hash> {
    let expected = expected?;
    if link.n == expected.n {
        Some(link.hash)
    } else if link.n == expected.n + 1 {
        own.previous.as_deref().and_then(Hash::parse)
    } else {
        None
    }
}

pub(super) fn head(folder: &Path) -> io::Result<Head> {
    let text = match std::fs::read_to_string(folder.join(HEAD)) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Head::Absent),
        Err(error) if error.kind() == ErrorKind::InvalidData => return Ok(Head::Unreadable),
        Err(error) => return Err(error),
    };
    #[derive(serde::Deserialize)]
    struct Written {
        n: u64,
        hash: String,
    }
    let written: Option<Written> = serde_json::from_str(&text).ok();
    let link = written.and_then(|written| Some(Link { n: written.n, hash: Hash::parse(&written.hash)? }));
    // Written in another way it is not ours.
    Ok(link.filter(|link| head_text(*link) == text).map_or(Head::Unreadable, Head::At))
}

fn head_text(link: Link) -> String {
    format!("{{\"n\":{},\"hash\":\"{}\"}}\n", link.n, link.hash)
}

/// Replaces the head, once the lines before it are kept.
pub(super) fn write_head(folder: &Path, link: Link) -> io::Result<()> {
    folder::put(&folder.join("head.new"), &folder.join(HEAD), head_text(link).as_bytes())
}

/// What is behind the last line, closed with a line break where it has none: what stands for it in the next line.
pub(super) fn closed((mut context, bytes, end): (Context, u64, LastByte)) -> (Torn, &'static [u8]) {
    let closing: &[u8] = match end {
        LastByte::Break => b"",
        // Only its line break may be missing to a line: it was not kept, and is made none.
        LastByte::Other => b"~\n",
    };
    context.update(closing);
    let torn = Torn { torn_bytes: bytes + closing.len() as u64, torn_sha256: Hash::finished(context) };
    (torn, closing)
}
