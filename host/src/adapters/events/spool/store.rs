//! The database: its tables, what is added to it and what is taken away.

use rusqlite::{Connection, ErrorCode, OptionalExtension, params};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};
use vg_domain::ids::{CallId, TenantId};

const PAGE: u64 = 4_096;
/// A database below that cannot hold a call.
const PAGES_MIN: u64 = 64;
/// Pages beyond the bound for what makes room: to forget takes some as well.
const PAGES_TO_FORGET: u64 = 64;
/// Places whose events are forgotten at a time, so that the writer is soon back at its events.
const FORGET_AT_ONCE: u64 = 2_000;
/// Somebody who reads holds the lock for moments only.
const BUSY: Duration = Duration::from_secs(2);
/// A row of `reader` that is none: up to there events were forgotten.
const FORGOTTEN: &str = "";

const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS event (
        place INTEGER PRIMARY KEY, tenant TEXT NOT NULL, call TEXT NOT NULL, type TEXT NOT NULL, at INTEGER NOT NULL, event TEXT NOT NULL
    ) STRICT;
    CREATE INDEX IF NOT EXISTS event_of_tenant ON event (tenant, place);
    CREATE TABLE IF NOT EXISTS reader (name TEXT PRIMARY KEY, place INTEGER NOT NULL) STRICT, WITHOUT ROWID;
";

/// An event that is to be kept.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) place: u64,
    pub(super) tenant: TenantId,
    pub(super) call: CallId,
    pub(super) kind: &'static str,
    pub(super) at: SystemTime,
    /// A CloudEvent in JSON.
    pub(super) event: String,
}

/// The database while it is written.
pub(super) struct Store {
    connection: Connection,
    pages_max: u64,
    /// In use before the last group.
    pages_before: u64,
}

/// Opens the database. One that is damaged is set aside, and what can be read of it is taken over: so many events, where that was so.
pub(super) fn open_or_salvage(path: &Path, bytes_max: u64) -> rusqlite::Result<(Store, Option<u64>)> {
    match Store::open(path, bytes_max) {
        Err(error) if is_damage(&error) => {
            let aside = set_aside(path).map_err(|_| error)?;
            let mut store = Store::open(path, bytes_max)?;
            let salvaged = store.take_over(&aside)?;
            tracing::error!(salvaged, damaged = %aside.display(), "the database of events is damaged: it was set aside, and what can be read was taken over");
            Ok((store, Some(salvaged)))
        }
        opened => opened.map(|store| (store, None)),
    }
}

fn is_damage(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
}

/// With all that belongs to it.
fn set_aside(path: &Path) -> std::io::Result<PathBuf> {
    let millis = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_millis();
    let aside = path.with_file_name(format!("damaged-{millis}.db"));
    fs::rename(path, &aside)?;
    for end in ["-wal", "-shm"] {
        let of = |path: &Path| PathBuf::from(format!("{}{end}", path.display()));
        if of(path).exists() {
            fs::rename(of(path), of(&aside))?;
        }
    }
    Ok(aside)
}

impl Store {
    fn open(path: &Path, bytes_max: u64) -> rusqlite::Result<Self> {
        let connection = Connection::open(path)?;
        connection.busy_timeout(BUSY)?;
        let pages_max = (bytes_max / PAGE).max(PAGES_MIN);
        // A reader of another process may be there; a writer is not, by the lock of the folder.
        connection.pragma_update(None, "page_size", PAGE.cast_signed())?;
        connection.pragma_update(None, "journal_mode", "wal")?;
        connection.pragma_update(None, "synchronous", "full")?;
        connection.pragma_update(None, "max_page_count", (pages_max + PAGES_TO_FORGET).cast_signed())?;
        let sound: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
        if sound != "ok" {
            return Err(failure(rusqlite::ffi::SQLITE_CORRUPT));
        }
        connection.execute_batch(SCHEMA)?;
        Ok(Self { connection, pages_max, pages_before: 0 })
    }

    /// Keeps events and places of readers, and forgets readers without one: all of it or nothing; the disk has it when it returns.
    pub(super) fn append<'a>(
        &mut self,
        rows: &[Row],
        places: impl Iterator<Item = (&'a str, Option<u64>)>,
    ) -> rusqlite::Result<()> {
        let bytes: usize = rows.iter().map(|row| row.event.len() + 256).sum();
        if !rows.is_empty() {
            self.pages_before = self.pages()?;
            if self.pages_before + bytes as u64 / PAGE + 1 > self.pages_max {
                return Err(failure(rusqlite::ffi::SQLITE_FULL));
            }
        }
        let group = self.connection.transaction()?;
        {
            let mut insert = group.prepare_cached("INSERT INTO event VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?;
            for Row { place, tenant, call, kind, at, event } in rows {
                insert.execute(params![place.cast_signed(), tenant.as_str(), call.as_str(), kind, millis(*at), event])?;
            }
            let mut stand = group.prepare_cached("INSERT OR REPLACE INTO reader VALUES (?1, ?2)")?;
            let mut leave = group.prepare_cached("DELETE FROM reader WHERE name = ?1")?;
            for (name, place) in places {
                match place {
                    Some(place) => stand.execute(params![name, place.cast_signed()])?,
                    None => leave.execute([name])?,
                };
            }
        }
        group.commit()
    }

    /// Everything into the one file, whoever still reads.
    pub(super) fn settle(&self) {
        if let Err(error) = self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())) {
            tracing::debug!(%error, "the log of the database of events stays beside it");
        }
    }

    /// Forgets events up to `held` that are from before `old`, and, while more than three quarters of the room are used, any up to there. How far that
    /// went is kept of tenants with webhooks.
    pub(super) fn forget(&mut self, held: u64, old: SystemTime, has_webhooks: impl Fn(&str) -> bool) -> rusqlite::Result<()> {
        loop {
            let first = "SELECT place, at FROM event ORDER BY place LIMIT 1";
            let first =
                self.connection.query_row(first, [], |row| Ok((row.get::<_, i64>(0)?.cast_unsigned(), row.get::<_, i64>(1)?)));
            let Some((first, at)) = first.optional()? else { return Ok(()) };
            let crowded = self.is_crowded()?;
            if first > held || (at >= millis(old) && !crowded) {
                return Ok(());
            }
            let last = held.min(first.saturating_add(FORGET_AT_ONCE));
            let younger = if crowded { i64::MAX } else { millis(old) };
            let group = self.connection.transaction()?;
            {
                // By place, as they are deleted: the index of tenants would be read as a whole.
                let select = "SELECT tenant, max(place) FROM event NOT INDEXED WHERE place <= ?1 AND at < ?2 GROUP BY tenant";
                let mut select = group.prepare_cached(select)?;
                let mut stand = group.prepare_cached("INSERT OR REPLACE INTO reader VALUES (?1, ?2)")?;
                let mut tenants = select.query(params![last.cast_signed(), younger])?;
                while let Some(row) = tenants.next()? {
                    let (tenant, place) = (row.get::<_, String>(0)?, row.get::<_, i64>(1)?);
                    if has_webhooks(&tenant) {
                        stand.execute(params![forgotten_of(&tenant), place])?;
                    }
                }
            }
            let gone = group.execute("DELETE FROM event WHERE place <= ?1 AND at < ?2", params![last.cast_signed(), younger])?;
            group.execute("INSERT OR REPLACE INTO reader VALUES (?1, ?2)", params![FORGOTTEN, last.cast_signed()])?;
            group.commit()?;
            if gone == 0 {
                return Ok(());
            }
        }
    }

    /// The last place, 0 where there is none; also of events that are forgotten.
    pub(super) fn last(&self) -> rusqlite::Result<u64> {
        let last = "SELECT max(coalesce((SELECT max(place) FROM event), 0), coalesce((SELECT max(place) FROM reader), 0))";
        self.connection.query_row(last, [], |row| row.get::<_, i64>(0)).map(i64::cast_unsigned)
    }

    /// Where readers stand.
    pub(super) fn positions(&self) -> rusqlite::Result<BTreeMap<String, u64>> {
        positions(&self.connection)
    }

    /// Bytes in use.
    pub(super) fn bytes(&self) -> rusqlite::Result<u64> {
        Ok(self.pages()? * PAGE)
    }

    /// Whether even what is not old gives way, as soon as it may.
    pub(super) fn is_crowded(&self) -> rusqlite::Result<bool> {
        Ok(self.pages()? > self.pages_max / 4 * 3)
    }

    /// The same as it was before the last group: what is asked with every group is to cost nothing.
    pub(super) fn was_crowded(&self) -> bool {
        self.pages_before > self.pages_max / 4 * 3
    }

    /// Whether there is room for calls that are up, and for no others.
    pub(super) fn is_full(&self) -> rusqlite::Result<bool> {
        Ok(self.pages()? >= self.pages_max / 8 * 7)
    }

    fn pages(&self) -> rusqlite::Result<u64> {
        // Asked with every group.
        let count =
            |text| self.connection.prepare_cached(text)?.query_row([], |row| row.get::<_, i64>(0)).map(i64::cast_unsigned);
        Ok(count("PRAGMA page_count")?.saturating_sub(count("PRAGMA freelist_count")?))
    }

    /// What can be read of a damaged database: events from the first on, then from the last back, to where it is damaged.
    fn take_over(&mut self, damaged: &Path) -> rusqlite::Result<u64> {
        let before = self.count()?;
        let Ok(old) = Connection::open(damaged) else { return Ok(0) };
        let group = self.connection.transaction()?;
        for order in ["ASC", "DESC"] {
            let Ok(mut select) = old.prepare(&format!("SELECT * FROM event NOT INDEXED ORDER BY place {order}")) else {
                continue;
            };
            let Ok(mut rows) = select.query([]) else { continue };
            let mut insert = group.prepare_cached("INSERT OR IGNORE INTO event VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?;
            while let Ok(Some(row)) = rows.next() {
                let (Ok(place), Ok(tenant), Ok(call)) = (row.get::<_, i64>(0), row.get::<_, String>(1), row.get::<_, String>(2))
                else {
                    break;
                };
                let (Ok(kind), Ok(at), Ok(event)) = (row.get::<_, String>(3), row.get::<_, i64>(4), row.get::<_, String>(5))
                else {
                    break;
                };
                let new = insert.execute(params![place, tenant, call, kind, at, event])?;
                // From the back: met what came from the front.
                if new == 0 {
                    break;
                }
            }
        }
        for (name, place) in positions(&old).unwrap_or_default() {
            group.execute("INSERT OR REPLACE INTO reader VALUES (?1, ?2)", params![name, place.cast_signed()])?;
        }
        group.commit()?;
        Ok(self.count()? - before)
    }

    fn count(&self) -> rusqlite::Result<u64> {
        self.connection.query_row("SELECT count(*) FROM event", [], |row| row.get::<_, i64>(0)).map(i64::cast_unsigned)
    }
}

fn failure(code: i32) -> rusqlite::Error {
    rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(code), None)
}

fn positions(connection: &Connection) -> rusqlite::Result<BTreeMap<String, u64>> {
    let mut select = connection.prepare("SELECT name, place FROM reader WHERE name <> ''")?;
    let rows = select.query_map([], |row| Ok((row.get(0)?, row.get::<_, i64>(1)?.cast_unsigned())))?;
    rows.collect()
}

/// A row of `reader` that is none either: the last event of a tenant that was forgotten. Only where it has webhooks, which are to know that they miss it.
pub(super) fn forgotten_of(tenant: &str) -> String {
    format!("forgotten {tenant}")
}

/// Of the Unix epoch.
pub(super) fn millis(at: SystemTime) -> i64 {
    let since = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is written and not synced outlives a process that is killed, and not a power cut, which no story can make.
    #[test]
    fn a_commit_returns_when_the_disk_has_it_in_a_new_database_and_in_one_that_was_there() {
        let folder = tempfile::tempdir().unwrap();
        for _ in 0..2 {
            let (store, salvaged) = open_or_salvage(&folder.path().join("events.db"), 1 << 20).unwrap();
            let journal: String = store.connection.query_row("PRAGMA journal_mode", [], |row| row.get(0)).unwrap();
            // 2 is `FULL`: the log is synced with each commit, not only before it is moved into the database (`NORMAL`).
            let synchronous: i64 = store.connection.query_row("PRAGMA synchronous", [], |row| row.get(0)).unwrap();
            assert_eq!((journal.as_str(), synchronous, salvaged), ("wal", 2, None));
        }
    }
}
