//! Finds what was changed, removed, moved or cut off.

use super::chain::{Hash, Link, Own, Read};
use super::disk::{self, HEAD, Head, day_file, days, next_line};
use super::export::{self, Manifest};
use crate::adapters::folder::is_name;
use jiff::civil::Date;
use ring::digest::{Context, SHA256};
use std::fmt;
use std::fs::File;
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};

/// What was looked at, and what was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verified {
    /// Each tenant's log.
    pub tenants: Vec<Found>,
}

/// A tenant's log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// The folder's name.
    pub tenant: String,
    /// Lines.
    pub lines: u64,
    /// Hash of the last one. Whoever has kept it elsewhere can compare.
    pub head: String,
    /// What is wrong.
    pub findings: Vec<Finding>,
}

/// Something that is wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Which file.
    pub file: PathBuf,
    /// Which line of it, from 1; none: the file itself.
    pub line: Option<u64>,
    /// What.
    pub what: Wrong,
}

/// What may be wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wrong {
    /// A line is not what it was, or the one before it is not.
    Changed,
    /// Lines are not there, by their numbers.
    Missing {
        /// The first.
        from: u64,
        /// The last.
        to: u64,
    },
    /// A line stands where another should.
    Moved {
        /// Its number.
        found: u64,
        /// That of the line that should stand here.
        expected: u64,
    },
    /// No line, and nothing says that a gateway died here.
    Garbage,
    /// The file does not begin as a file does, or is another's.
    Opening,
    /// The last line is not whole: a gateway writes it now, or died; the next one closes it.
    Torn,
    /// The gateway itself found at a start that lines were missing, and went on.
    Damaged {
        /// So many the head knew of.
        expected: u64,
    },
    /// The head is not there or cannot be read: what is missing at the end could not be missed.
    NoHead,
    /// Lines are missing at the end, or are not those of which the head knows.
    CutOff {
        /// So many the head knows of.
        expected: u64,
    },
    /// A file of an export is not what its manifest says.
    NotAsExported,
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Changed => f.write_str("does not follow from the line before: one of the two was changed"),
            Self::Missing { from, to } => write!(f, "lines {from} to {to} of the log are missing before it"),
            Self::Moved { found, expected } => write!(f, "is line {found} of the log where line {expected} should be"),
            Self::Garbage => f.write_str("is no line"),
            Self::Opening => f.write_str("does not open this file"),
            Self::Torn => f.write_str("is not whole: it is being written, or a gateway died; the next one that starts closes it"),
            Self::Damaged { expected } => {
                write!(f, "the gateway found at its start that lines were missing: there had been {expected}")
            }
            Self::NoHead => f.write_str("is missing or unreadable: lines that are cut off could not be missed"),
            Self::CutOff { expected } => {
                write!(f, "the log had {expected} lines when this was written, and now it has not those")
            }
            Self::NotAsExported => f.write_str("is not what the manifest says"),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}: {}", self.file.display(), self.what),
            None => write!(f, "{}: {}", self.file.display(), self.what),
        }
    }
}

/// Looks through the logs of a folder, or of one tenant of it. `from`: files before that day may be gone. A folder of exports is held against its
/// manifests.
///
/// # Errors
/// Where it cannot be read.
pub fn verify(dir: &Path, tenant: Option<&str>, from: Option<Date>) -> io::Result<Verified> {
    let mut tenants = Vec::new();
    match tenant {
        Some(tenant) if is_name(tenant) => tenants.push(tenant.to_owned()),
        Some(_) => return Err(io::ErrorKind::InvalidFilename.into()),
        None => {
            for entry in std::fs::read_dir(dir)? {
                let entry = entry?;
                let name = entry.file_name().into_string().ok().filter(|name| is_name(name));
                tenants.extend(name.filter(|_| entry.path().is_dir()));
            }
        }
    }
    tenants.sort();
    let tenants = tenants.into_iter().map(|tenant| verify_one(dir, tenant, from).map(|(found, _)| found));
    Ok(Verified { tenants: tenants.collect::<io::Result<_>>()? })
}

/// A file as it was read.
pub(super) struct Segment {
    pub(super) day: Date,
    pub(super) lines: u64,
    pub(super) bytes: u64,
    pub(super) sha256: Hash,
    /// The hash before its first line.
    pub(super) previous: Hash,
    pub(super) last: Link,
}

pub(super) fn verify_one(dir: &Path, tenant: String, from: Option<Date>) -> io::Result<(Found, Vec<Segment>)> {
    let folder = dir.join(&tenant);
    let head = disk::head(&folder)?;
    let manifests = export::manifests(&folder)?;
    let exported = head == Head::Absent && !manifests.is_empty();
    let mut walk = Walk { tenant: &tenant, found: Vec::new(), before: None, at_head: None, lines: 0, segments: Vec::new() };
    if let Head::At(link) = head {
        walk.at_head = Some((link, link.n == 0));
    }
    let mut days = days(&folder)?;
    days.retain(|day| from.is_none_or(|from| from <= *day));
    if from.is_none() && !exported {
        walk.before = Some(Link::default());
    }
    for day in days {
        walk.file(&day_file(&folder, day), day)?;
    }
    let last = walk.before.unwrap_or_default();
    if exported {
        walk.held_against(&folder, &manifests);
    } else {
        let what = match walk.at_head {
            None => Some(Wrong::NoHead),
            Some((link, true)) if link.n <= last.n => None,
            Some((link, _)) => Some(Wrong::CutOff { expected: link.n }),
        };
        walk.found.extend(what.map(|what| Finding { file: folder.join(HEAD), line: None, what }));
    }
    let Walk { found: findings, lines, segments, .. } = walk;
    Ok((Found { tenant, lines, head: last.hash.to_string(), findings }, segments))
}

struct Walk<'a> {
    tenant: &'a str,
    found: Vec<Finding>,
    /// The last line; none where the first is believed.
    before: Option<Link>,
    /// What the head says, and whether that line was met.
    at_head: Option<(Link, bool)>,
    lines: u64,
    segments: Vec<Segment>,
}

impl Walk<'_> {
    fn file(&mut self, path: &Path, day: Date) -> io::Result<()> {
        let mut reader = BufReader::new(File::open(path)?);
        let (mut line, mut number, mut lines) = (Vec::new(), 0, 0);
        let (mut whole, mut bytes) = (Context::new(&SHA256), 0);
        let mut torn: Option<(u64, Context, u64)> = None;
        let mut previous = None;
        while next_line(&mut reader, &mut line)? {
            number += 1;
            bytes += line.len() as u64;
            whole.update(&line);
            let Some(Read { body, link, own }) = Read::parse(&line) else {
                let (_, context, bytes) = torn.get_or_insert_with(|| (number, Context::new(&SHA256), 0));
                context.update(&line);
                *bytes += line.len() as u64;
                continue;
            };
            let mut wrong = |line, what| self.found.push(Finding { file: path.to_owned(), line: Some(line), what });
            match torn.take() {
                Some((since, context, bytes)) if !closes(&own, Hash::finished(context.clone()), bytes) => {
                    wrong(since, Wrong::Garbage);
                }
                None if own.torn_bytes.is_some() => wrong(number, Wrong::Changed),
                _ => {}
            }
            let opens = own.kind == "audit.opened";
            let named = || {
                let day = own.day.as_deref() == Some(&day.to_string());
                day && own.tenant.as_deref() == Some(self.tenant)
            };
            if opens != (lines == 0) || (opens && !named()) {
                wrong(number, Wrong::Opening);
            }
            let before = self.before.unwrap_or_else(|| {
                let hash = own.previous.as_deref().and_then(Hash::parse).unwrap_or_default();
                Link { n: link.n.saturating_sub(1), hash }
            });
            let expected = before.n + 1;
            if link.n > expected {
                wrong(number, Wrong::Missing { from: expected, to: link.n - 1 });
            } else if link.n < expected {
                wrong(number, Wrong::Moved { found: link.n, expected });
            } else if before.hash.then(body) != link.hash || (opens && own.previous != Some(before.hash.to_string())) {
                wrong(number, Wrong::Changed);
            }
            if own.kind == "audit.damaged" {
                wrong(number, Wrong::Damaged { expected: own.expected.unwrap_or(0) });
            }
            if let Some((head, met)) = &mut self.at_head {
                *met |= *head == link;
            }
            previous = previous.or(Some(before.hash));
            self.before = Some(link);
            lines += 1;
        }
        if let Some((since, ..)) = torn {
            self.found.push(Finding { file: path.to_owned(), line: Some(since), what: Wrong::Torn });
        }
        self.lines += lines;
        let (last, previous) = (self.before.unwrap_or_default(), previous.unwrap_or_default());
        self.segments.push(Segment { day, lines, bytes, sha256: Hash::finished(whole), previous, last });
        Ok(())
    }

    fn held_against(&mut self, folder: &Path, manifests: &[Manifest]) {
        let listed = manifests.iter().flat_map(|manifest| &manifest.segments);
        for segment in listed.clone() {
            let there = self.segments.iter().find(|there| there.day.to_string() == segment.day);
            if !there.is_some_and(|there| segment.is(there)) {
                let file = folder.join(format!("{}.jsonl", segment.day));
                self.found.push(Finding { file, line: None, what: Wrong::NotAsExported });
            }
        }
        for there in &self.segments {
            if !listed.clone().any(|segment| segment.is(there)) {
                self.found.push(Finding { file: day_file(folder, there.day), line: None, what: Wrong::NotAsExported });
            }
        }
        self.found.dedup();
    }
}

/// Whether a line says of the bytes before it that they are no lines.
fn closes(own: &Own, hash: Hash, bytes: u64) -> bool {
    own.torn_bytes == Some(bytes) && own.torn_sha256.as_deref().and_then(Hash::parse) == Some(hash)
}
