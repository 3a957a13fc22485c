//! Copies of events beside the database of a folder: what Kafka refused, an event in each line, and databases that were damaged and set aside.

use crate::adapters::events::Attributes;
use anyhow::{Context, Result};
use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use vg_domain::ids::{CallId, TenantId};

/// The database, and what SQLite keeps beside it.
const DATABASE: [&str; 4] = ["events.db", "events.db-wal", "events.db-shm", "events.db-journal"];
/// What files end with that have an event in each line.
const IN_LINES: &str = "ndjson";

/// Copies of events of some calls of a tenant's.
#[derive(Default)]
pub(super) struct Copies {
    /// So many stand in lines.
    pub(super) events: usize,
    /// Beside events of this tenant's other calls, so many.
    pub(super) of_others: usize,
    /// What nobody can look through here, and why.
    pub(super) closed: Vec<String>,
    in_lines: Vec<PathBuf>,
}

/// Whose event a line is.
enum Line {
    Theirs,
    /// Another call's of the same tenant.
    Others,
    Foreign,
    Strange,
}

impl Line {
    fn of(line: &[u8], tenant: &TenantId, calls: &BTreeSet<CallId>) -> Self {
        match Attributes::of(line) {
            Err(_) => Self::Strange,
            Ok(event) if event.tenantid != tenant.as_str() => Self::Foreign,
            Ok(event) if calls.contains(&CallId::new(&*event.subject)) => Self::Theirs,
            Ok(_) => Self::Others,
        }
    }
}

impl Copies {
    /// Looks for them; nothing may be there. Blocks on the disk, as all of it.
    pub(super) fn look(dir: &Path, tenant: &TenantId, calls: &BTreeSet<CallId>) -> Result<Self> {
        let mut copies = Self::default();
        for path in beside_the_database(dir).with_context(|| format!("cannot read {}", dir.display()))? {
            if path.extension().is_none_or(|end| end != IN_LINES) {
                let path = path.display();
                copies.closed.push(format!("{path}: events of many calls may be in it; delete it once nobody needs it"));
                continue;
            }
            let mut strange = 0;
            let count = |_, line: &[u8]| {
                match Line::of(line, tenant, calls) {
                    Line::Theirs => copies.events += 1,
                    Line::Others => copies.of_others += 1,
                    Line::Foreign => {}
                    Line::Strange => strange += 1,
                }
                Ok(())
            };
            each_line(&path, count).with_context(|| format!("cannot read {}", path.display()))?;
            if strange > 0 {
                let path = path.display();
                copies.closed.push(format!("{path}: {strange} lines of it are no events; delete it once nobody needs it"));
            }
            copies.in_lines.push(path);
        }
        Ok(copies)
    }

    /// Writes those that stand in lines.
    pub(super) fn export(&self, tenant: &TenantId, calls: &BTreeSet<CallId>, out: &mut impl Write) -> Result<()> {
        for path in &self.in_lines {
            let copy = |_, line: &[u8]| match Line::of(line, tenant, calls) {
                Line::Theirs => out.write_all(line).and_then(|()| out.write_all(b"\n")),
                Line::Others | Line::Foreign | Line::Strange => Ok(()),
            };
            each_line(path, copy).with_context(|| format!("cannot copy {}", path.display()))?;
        }
        Ok(())
    }

    /// Overwrites those that stand in lines with blanks, in their place: a gateway may be adding to the file's end meanwhile.
    pub(super) fn erase(&self, tenant: &TenantId, calls: &BTreeSet<CallId>) -> Result<()> {
        for path in &self.in_lines {
            let cannot = || format!("cannot erase events in {}", path.display());
            let file = OpenOptions::new().write(true).open(path).with_context(cannot)?;
            let blank = |at, line: &[u8]| match Line::of(line, tenant, calls) {
                Line::Theirs => file.write_all_at(&vec![b' '; line.len()], at),
                Line::Others | Line::Foreign | Line::Strange => Ok(()),
            };
            each_line(path, blank).and_then(|()| file.sync_data()).with_context(cannot)?;
        }
        Ok(())
    }
}

/// Files of the folder that have something in them and are no part of the database.
fn beside_the_database(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut files = Vec::new();
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let belongs = name.starts_with('.') || DATABASE.contains(&&*name);
        // What is gone by now holds nothing.
        let holds_something = || fs::metadata(entry.path()).is_ok_and(|file| file.is_file() && file.len() > 0);
        if !belongs && holds_something() {
            files.push(entry.path());
        }
    }
    files.sort();
    Ok(files)
}

/// Gives each line that is not blank, without its end, and where it begins.
fn each_line(path: &Path, mut take: impl FnMut(u64, &[u8]) -> io::Result<()>) -> io::Result<()> {
    let mut file = BufReader::new(File::open(path)?);
    let (mut line, mut at) = (Vec::new(), 0);
    loop {
        line.clear();
        let length = file.read_until(b'\n', &mut line)?;
        if length == 0 {
            return Ok(());
        }
        let text = line.trim_ascii_end();
        if !text.is_empty() {
            take(at, text)?;
        }
        at += length as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Found, Whose};
    use super::*;
    use crate::adapters::events::spool::{Bounds, Spool};
    use crate::config::{Config, Machine};
    use std::time::Duration;

    const REFUSED: &str = "refused-by-kafka.ndjson";

    fn event(tenant: &str, call: &str) -> String {
        let event = serde_json::json!({
            "specversion": "1.0", "id": format!("{call}-1-1"), "source": "/voice-gateway", "type": "llm.responded", "subject": call,
            "time": "2026-01-02T03:04:05Z", "tenantid": tenant, "sequence": "0000000001.0000000001", "data": {"text": "where is it"},
        });
        format!("{event}\n")
    }

    #[test]
    fn events_that_kafka_refused_are_erased_in_their_place_beside_a_gateway_that_adds_to_them() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(REFUSED);
        let (tenant, calls) = (TenantId::new("acme"), BTreeSet::from([CallId::new("mine")]));
        let (mine, others) = (event("acme", "mine"), event("acme", "other") + &event("umbrella", "mine"));
        fs::write(&file, format!("{mine}{others}{mine}")).unwrap();
        let mut gateway = OpenOptions::new().append(true).open(&file).unwrap();
        let copies = Copies::look(folder.path(), &tenant, &calls).unwrap();
        assert_eq!((copies.events, copies.of_others, copies.closed.len()), (2, 1, 0));
        let late = event("acme", "late");
        gateway.write_all(late.as_bytes()).unwrap();
        copies.erase(&tenant, &calls).unwrap();
        gateway.write_all(late.as_bytes()).unwrap();
        let blank = " ".repeat(mine.len() - 1) + "\n";
        assert_eq!(fs::read_to_string(&file).unwrap(), format!("{blank}{others}{blank}{late}{late}"), "not a byte is left");
        let copies = Copies::look(folder.path(), &tenant, &calls).unwrap();
        assert_eq!((copies.events, copies.of_others, copies.closed.len()), (0, 3, 0));
    }

    #[tokio::test]
    async fn copies_are_exported_and_erased_and_what_nobody_can_look_through_is_told_until_it_is_deleted() {
        let folder = tempfile::tempdir().unwrap();
        let (events, out) = (folder.path().join("events"), folder.path().join("out"));
        let bounds = Bounds { bytes_max: 1 << 24, keep: Duration::from_secs(3_600) };
        let _gateway = Spool::open(&events, bounds, true).unwrap();
        let config = Config::parse(&format!("[events]\ndir = {events:?}\n"), [], &Machine::here()).unwrap();
        let look = || Found::look(&config, Whose { tenant: "acme".into(), caller: None, call: vec!["mine".into()] });
        let found = look().await.unwrap();
        assert!(found.unseen.is_empty() && found.copies.events == 0, "{:?}", found.unseen);

        fs::write(events.join("damaged-1767225600123.db"), "SQLite, somewhere").unwrap();
        fs::write(events.join(REFUSED), event("acme", "mine") + "{\"specversion\":\"1.0\",\"id\":\"mi\n").unwrap();
        let found = look().await.unwrap();
        assert_eq!((found.copies.events, found.unseen.len()), (1, 2), "{:?}", found.unseen);
        assert!(found.unseen[0].contains("damaged-1767225600123.db: events of many calls may be in it"), "{:?}", found.unseen);
        assert!(found.unseen[1].contains("refused-by-kafka.ndjson: 1 lines of it are no events"), "{:?}", found.unseen);
        found.export(&config, &out).await.unwrap();
        assert_eq!(fs::read_to_string(out.join("refused.ndjson")).unwrap(), event("acme", "mine"));
        found.erase(&config).await.unwrap();
        let found = look().await.unwrap();
        assert_eq!((found.copies.events, found.unseen.len()), (0, 2), "{:?}", found.unseen);

        fs::remove_file(events.join("damaged-1767225600123.db")).unwrap();
        fs::remove_file(events.join(REFUSED)).unwrap();
        let found = look().await.unwrap();
        assert!(found.unseen.is_empty(), "{:?}", found.unseen);
    }
}
