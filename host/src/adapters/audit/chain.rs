//! A line and how it follows from the one before.
//!
//! A line is a JSON object that ends with `,"hash":"<64 digits>"}`. The hash is SHA-256 over the 32 bytes of the hash of the line before (zeroes before
//! the first of a tenant) and the bytes of this line up to that end. Bytes are hashed as they stand: there is nothing to agree upon but them. `n` counts
//! a tenant's lines from 1, over all its files.
//!
//! The first line of a file is `audit.opened` and names the hash of the last line of the file before. Bytes that are no lines (a gateway died while it
//! wrote) are followed by a line that has their number and hash, `audit.torn`, or `audit.opened` where the file had no line yet.

use crate::application::desk::{Data, Value};
use jiff::Timestamp;
use ring::digest::{Context, SHA256};
use serde::{Deserialize, Serialize, Serializer};
use std::collections::BTreeMap;
use std::fmt;

/// Bytes of the end of a line, without its line break.
const END: usize = KEY.len() + 64 + 2;
const KEY: &str = ",\"hash\":\"";

/// SHA-256.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Hash([u8; 32]);

impl Hash {
    /// Of bytes of which none came before.
    pub(super) fn of(parts: &[&[u8]]) -> Self {
        let mut context = Context::new(&SHA256);
        parts.iter().for_each(|part| context.update(part));
        Self::finished(context)
    }

    pub(super) fn finished(context: Context) -> Self {
        let mut hash = Self::default();
        hash.0.copy_from_slice(context.finish().as_ref());
        hash
    }

    /// Of a line with that body after this one.
    pub(super) fn then(&self, body: &[u8]) -> Self {
        Self::of(&[&self.0, body])
    }

    /// As it is printed, and in no other way.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let digits = text.as_bytes();
        if digits.len() != 64 {
            return None;
        }
        let mut hash = Self::default();
        for (byte, pair) in hash.0.iter_mut().zip(digits.chunks(2)) {
            let digit = |c: u8| "0123456789abcdef".bytes().position(|known| known == c);
            *byte = u8::try_from(digit(pair[0])? * 16 + digit(pair[1])?).ok()?;
        }
        Some(hash)
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Hash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Bytes of a file that are no lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Torn {
    pub(super) torn_bytes: u64,
    pub(super) torn_sha256: Hash,
}

/// What a line says.
#[derive(Serialize)]
#[serde(tag = "type")]
pub(super) enum Told<'a> {
    #[serde(rename = "audit.opened")]
    Opened {
        tenant: &'a str,
        day: &'a str,
        previous: Hash,
        #[serde(flatten, skip_serializing_if = "Option::is_none")]
        torn: Option<Torn>,
    },
    #[serde(rename = "audit.torn")]
    Torn(Torn),
    /// Lines are missing that the disk had kept: the file `head` knew of so many.
    #[serde(rename = "audit.damaged")]
    Damaged { expected: u64 },
    #[serde(rename = "audit.lost")]
    Lost { lines: u64 },
    #[serde(rename = "act")]
    Act {
        subject: &'a str,
        act: &'a str,
        on: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        status: Option<u16>,
        outcome: &'a str,
        request_id: &'a str,
    },
    #[serde(rename = "call")]
    Call { call: &'a str, event: &'a str, data: BTreeMap<&'a str, Datum<'a>> },
}

#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum Datum<'a> {
    Number(u64),
    Text(&'a str),
    Flag(bool),
}

pub(super) fn data<'a>(data: &'a Data) -> BTreeMap<&'a str, Datum<'a>> {
    let datum = |(name, value): (&&'static str, &'a Value)| {
        let value = match value {
            Value::Number(number) => Datum::Number(*number),
            Value::Text(text) => Datum::Text(text),
            Value::Flag(flag) => Datum::Flag(*flag),
        };
        (*name, value)
    };
    data.iter().map(datum).collect()
}

/// The end of a chain: the last line's number and hash.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Link {
    pub(super) n: u64,
    pub(super) hash: Hash,
}

impl Link {
    /// Adds a line to `into`, with its line break, and is then the end.
    pub(super) fn add(&mut self, at: Timestamp, told: &Told<'_>, into: &mut Vec<u8>) {
        #[derive(Serialize)]
        struct Line<'a> {
            n: u64,
            at: String,
            #[serde(flatten)]
            told: &'a Told<'a>,
        }
        let line = Line { n: self.n + 1, at: format!("{at:.3}"), told };
        // Texts, numbers and nothing else: they have no way to fail.
        let mut body = serde_json::to_vec(&line).unwrap_or_default();
        body.pop();
        let hash = self.hash.then(&body);
        into.extend_from_slice(&body);
        into.extend_from_slice(format!("{KEY}{hash}\"}}\n").as_bytes());
        *self = Self { n: line.n, hash };
    }
}

/// A line as it stands in a file: it has the form of one, no more is known.
pub(super) struct Read<'a> {
    /// What is hashed.
    pub(super) body: &'a [u8],
    /// Its number and its hash, as it says.
    pub(super) link: Link,
    pub(super) own: Own,
}

/// What a line says of the log itself.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Own {
    n: u64,
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) tenant: Option<String>,
    pub(super) day: Option<String>,
    pub(super) previous: Option<String>,
    pub(super) torn_bytes: Option<u64>,
    pub(super) torn_sha256: Option<String>,
    pub(super) expected: Option<u64>,
}

impl<'a> Read<'a> {
    /// `line` with its line break. None where it has not the form of one.
    pub(super) fn parse(line: &'a [u8]) -> Option<Self> {
        let line = line.strip_suffix(b"\n")?;
        let (body, end) = line.split_at_checked(line.len().checked_sub(END)?)?;
        let digits = std::str::from_utf8(end).ok()?.strip_prefix(KEY)?.strip_suffix("\"}")?;
        let hash = Hash::parse(digits)?;
        let own: Own = serde_json::from_slice(line).ok()?;
        Some(Self { body, link: Link { n: own.n, hash }, own })
    }
}
