//! From text and environment to `Raw*` structs, with every fault on the way.

use serde::de::DeserializeOwned;
use serde_path_to_error::Segment;
use std::ffi::OsString;
use std::fmt;
use toml::{Table, Value};

/// What environment overrides begin with.
const PREFIX: &str = "VG__";

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Where: `section.key`, or a file.
    pub path: String,
    /// What: fits after "is wrong:".
    pub what: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.what)
    }
}

/// All that is wrong, in the order in which it was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Faults(Vec<Fault>);

impl Faults {
    /// A single fault.
    pub fn one(path: impl fmt::Display, what: impl fmt::Display) -> Self {
        let mut faults = Self::default();
        faults.add(path, what);
        faults
    }

    /// Adds a fault, unless that path is known to be wrong already: what follows from a fault is not another one.
    pub fn add(&mut self, path: impl fmt::Display, what: impl fmt::Display) {
        let path = path.to_string();
        if !self.0.iter().any(|known| known.path == path) {
            self.0.push(Fault { path, what: what.to_string() });
        }
    }

    /// Adds what another place found.
    pub fn extend(&mut self, others: Faults) {
        self.0.extend(others.0);
    }

    /// The same of what lies below a place.
    #[must_use]
    pub fn below(self, place: &str) -> Self {
        let below = |Fault { path, what }| {
            let path = if path.is_empty() { place.to_owned() } else { format!("{place}.{path}") };
            Fault { path, what }
        };
        Self(self.0.into_iter().map(below).collect())
    }

    /// Every fault.
    pub fn iter(&self) -> impl Iterator<Item = &Fault> {
        self.0.iter()
    }

    /// `value` where nothing is wrong.
    ///
    /// # Errors
    /// The faults themselves.
    pub fn or<T>(self, value: T) -> Result<T, Self> {
        if self.0.is_empty() { Ok(value) } else { Err(self) }
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<String> = self.0.iter().map(Fault::to_string).collect();
        f.write_str(&lines.join("\n"))
    }
}

impl std::error::Error for Faults {}

/// What of an environment is text. The rest is somebody else's and left out; a setting of the gateway that is no text is a fault.
pub(crate) fn texts(environment: impl IntoIterator<Item = (OsString, OsString)>) -> (Vec<(String, String)>, Faults) {
    let mut faults = Faults::default();
    let mut text = |(name, value): (OsString, OsString)| {
        let name = name.into_string().ok()?;
        let value = value.into_string();
        if value.is_err() && name.starts_with(PREFIX) {
            faults.add(&name, "is no text: write UTF-8");
        }
        Some((name, value.ok()?))
    };
    let texts = environment.into_iter().filter_map(&mut text).collect();
    (texts, faults)
}

/// Reads TOML, lays the environment over it and parses both as `T`. What cannot be parsed is a fault and left out, so that
/// the rest can still be judged; hence every field of `T` must be optional.
///
/// # Errors
/// Only where the text is no TOML at all.
pub(super) fn read<T: DeserializeOwned>(text: &str, environment: &[(String, String)]) -> Result<(T, Faults), Faults> {
    let mut table: Table = text.parse().map_err(|error: toml::de::Error| Faults::one("toml", error.to_string().trim()))?;
    let mut faults = Faults::default();
    for (name, value) in environment {
        if let Some(path) = name.strip_prefix(PREFIX)
            && let Err(what) = overlay(&mut table, path, value)
        {
            faults.add(name, what);
        }
    }
    read_table(table, faults)
}

/// Parses a table as `T`; see [`read`].
///
/// # Errors
/// Only where a fault cannot be left out.
pub(crate) fn read_table<T: DeserializeOwned>(mut table: Table, mut faults: Faults) -> Result<(T, Faults), Faults> {
    loop {
        let error = match serde_path_to_error::deserialize(table.clone()) {
            Ok(raw) => return Ok((raw, faults)),
            Err(error) => error,
        };
        let path: Vec<Segment> = error.path().iter().cloned().collect();
        faults.add(error.path(), error.inner().message());
        if !remove(&mut table, &path) {
            return Err(faults);
        }
    }
}

/// Sets the value that `SECTION__KEY` or `SECTION__0__KEY` names.
fn overlay(table: &mut Table, path: &str, value: &str) -> Result<(), String> {
    let path = path.to_ascii_lowercase();
    let parts: Vec<&str> = path.split("__").collect();
    let Some((key, sections)) = parts.split_last() else { return Err("names nothing".to_owned()) };
    let mut place = table;
    let mut sections = sections.iter().peekable();
    while let Some(section) = sections.next() {
        let index = sections.peek().and_then(|next| next.parse::<usize>().ok());
        let empty = if index.is_some() { Value::Array(Vec::new()) } else { Value::Table(Table::new()) };
        let inner = place.entry((*section).to_owned()).or_insert(empty);
        place = match (inner, index) {
            (Value::Table(inner), None) => inner,
            (Value::Array(list), Some(index)) => {
                sections.next();
                if index == list.len() {
                    list.push(Value::Table(Table::new()));
                }
                let entries = list.len();
                match list.get_mut(index) {
                    Some(Value::Table(inner)) => inner,
                    Some(_) => return Err(format!("{section} {index} is not a section")),
                    None => return Err(format!("{section} has only {entries} entries: count from 0 without a gap")),
                }
            }
            (_, Some(_)) => return Err(format!("{section} is not a list")),
            (_, None) => return Err(format!("{section} is not a section")),
        };
    }
    place.insert((*key).to_owned(), Value::String(value.to_owned()));
    Ok(())
}

/// Takes out what a path names; false where the path leads nowhere.
fn remove(table: &mut Table, path: &[Segment]) -> bool {
    let Some((last, before)) = path.split_last() else { return false };
    let Segment::Map { key: first } = path.first().unwrap_or(last) else { return false };
    if before.is_empty() {
        return table.remove(first).is_some();
    }
    let Some(mut place) = table.get_mut(first) else { return false };
    for segment in &before[1..] {
        let inner = match segment {
            Segment::Map { key } => place.get_mut(key),
            Segment::Seq { index } => place.get_mut(*index),
            Segment::Enum { .. } | Segment::Unknown => None,
        };
        let Some(inner) = inner else { return false };
        place = inner;
    }
    match (last, place) {
        (Segment::Map { key }, Value::Table(inner)) => inner.remove(key).is_some(),
        // An entry stays in its place, so that the paths of its neighbours stay true.
        (Segment::Seq { index }, Value::Array(list)) => match list.get_mut(*index) {
            Some(entry) if !entry.is_table() => {
                *entry = Value::Table(Table::new());
                true
            }
            _ => false,
        },
        _ => false,
    }
}
