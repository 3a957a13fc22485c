//! Reads events from the disk: in the gateway, and beside a gateway that writes.

use super::DATABASE;
use super::store::forgotten_of;
use rusqlite::{Connection, OpenFlags, OptionalExtension, params};
use std::path::Path;
use std::time::{Duration, SystemTime};

/// The writer holds the lock for moments only.
const BUSY: Duration = Duration::from_secs(2);

/// Why events cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// There is no database.
    #[error("the folder holds no events")]
    Absent,
    /// It cannot be read.
    #[error("read the database of events")]
    Database(#[from] rusqlite::Error),
}

/// Events that are on the disk.
pub struct Past {
    connection: Connection,
}

/// An event as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Later events have greater places.
    pub place: u64,
    /// The call.
    pub call: String,
    /// For example `call.started`.
    pub kind: String,
    /// A CloudEvent in JSON, in one line.
    pub event: String,
}

/// Which events.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// This tenant's only.
    pub tenant: Option<String>,
    /// This call's only.
    pub call: Option<String>,
    /// Whose type is that, or begins with it.
    pub kind: Option<String>,
    /// From then on.
    pub from: Option<SystemTime>,
    /// Before that.
    pub to: Option<SystemTime>,
}

const COLUMNS: &str = "place, call, type, event";

impl Past {
    /// The events of a spool's folder. A gateway may be writing there. Blocks on the disk, as all of it.
    ///
    /// # Errors
    /// Where there are none, or they cannot be read.
    pub fn open(dir: &Path) -> Result<Self, ReadError> {
        let path = dir.join(DATABASE);
        if !path.is_file() {
            return Err(ReadError::Absent);
        }
        Ok(Self::open_file(&path)?)
    }

    pub(super) fn open_file(path: &Path) -> rusqlite::Result<Self> {
        let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
        connection.busy_timeout(BUSY)?;
        Ok(Self { connection })
    }

    /// Events behind a place, in their order.
    ///
    /// # Errors
    /// Where they cannot be read.
    pub fn read(&self, behind: u64, max: usize, filter: &Filter) -> rusqlite::Result<Vec<Stored>> {
        let mut select = self.connection.prepare_cached(&format!(
            "SELECT {COLUMNS} FROM event WHERE place > ?1 AND (?2 IS NULL OR tenant = ?2) AND (?3 IS NULL OR call = ?3)
             AND (?4 IS NULL OR substr(type, 1, length(?4)) = ?4) AND at >= ?5 AND at < ?6 ORDER BY place LIMIT ?7"
        ))?;
        let Filter { tenant, call, kind, from, to } = filter;
        let from = from.map_or(i64::MIN, super::store::millis);
        let to = to.map_or(i64::MAX, super::store::millis);
        let max = i64::try_from(max).unwrap_or(i64::MAX);
        let rows = select.query_map(params![behind.cast_signed(), tenant, call, kind, from, to, max], stored)?;
        rows.collect()
    }

    /// A tenant's events behind a place, by their index; and the place of the last one of its events that was forgotten, 0 where that is not known.
    pub(super) fn next_of(&self, tenant: &str, behind: u64, max: usize) -> rusqlite::Result<(Vec<Stored>, u64)> {
        // Both as they were at one moment: what is forgotten between them would be missed, or be missed and read.
        let moment = self.connection.unchecked_transaction()?;
        let select = format!("SELECT {COLUMNS} FROM event WHERE tenant = ?1 AND place > ?2 ORDER BY place LIMIT ?3");
        let max = i64::try_from(max).unwrap_or(i64::MAX);
        let mut select = moment.prepare_cached(&select)?;
        let events =
            select.query_map(params![tenant, behind.cast_signed(), max], stored)?.collect::<rusqlite::Result<Vec<_>>>()?;
        let mut select = moment.prepare_cached("SELECT place FROM reader WHERE name = ?1")?;
        let forgotten = select.query_row([forgotten_of(tenant)], |row| row.get::<_, i64>(0)).optional()?;
        Ok((events, forgotten.map_or(0, i64::cast_unsigned)))
    }

    /// The place behind which so many of the events are: to read the last ones.
    ///
    /// # Errors
    /// Where they cannot be read.
    pub fn before_last(&self, events: usize, filter: &Filter) -> rusqlite::Result<u64> {
        let select = "SELECT place FROM event WHERE (?1 IS NULL OR tenant = ?1) AND (?2 IS NULL OR call = ?2)
             AND (?3 IS NULL OR substr(type, 1, length(?3)) = ?3) ORDER BY place DESC LIMIT 1 OFFSET ?4";
        let Filter { tenant, call, kind, .. } = filter;
        let events = i64::try_from(events).unwrap_or(i64::MAX);
        let place = self.connection.query_row(select, params![tenant, call, kind, events], |row| row.get::<_, i64>(0));
        Ok(place.optional()?.map_or(0, i64::cast_unsigned))
    }

    /// Calls of a tenant's that began with that pseudonym.
    pub(super) fn calls_of(&self, tenant: &str, caller_ref: &str) -> rusqlite::Result<Vec<String>> {
        let select = "SELECT call FROM event WHERE tenant = ?1 AND type = 'call.started'
             AND json_extract(event, '$.data.caller_ref') = ?2 ORDER BY place";
        self.connection.prepare(select)?.query_map([tenant, caller_ref], |row| row.get(0))?.collect()
    }

    /// How many events are behind a place.
    pub(super) fn count(&self, behind: u64) -> rusqlite::Result<u64> {
        let count = "SELECT count(*) FROM event WHERE place > ?1";
        self.connection.query_row(count, [behind.cast_signed()], |row| row.get::<_, i64>(0)).map(i64::cast_unsigned)
    }
}

fn stored(row: &rusqlite::Row<'_>) -> rusqlite::Result<Stored> {
    Ok(Stored { place: row.get::<_, i64>(0)?.cast_unsigned(), call: row.get(1)?, kind: row.get(2)?, event: row.get(3)? })
}
