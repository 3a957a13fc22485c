//! Events of one caller: found by the pseudonym in `call.started`, and erased where that is asked for.

use super::DATABASE;
use super::read::{Past, ReadError};
use rusqlite::{Connection, OpenFlags, params};
use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;
use vg_domain::ids::{CallId, TenantId};

/// A gateway that writes there holds the lock for moments only.
const BUSY: Duration = Duration::from_secs(5);

/// Calls of a tenant's caller. Blocks on the disk.
///
/// # Errors
/// Where the folder holds no events, or they cannot be read.
pub fn calls_of(dir: &Path, tenant: &TenantId, caller_ref: &str) -> Result<BTreeSet<CallId>, ReadError> {
    Ok(Past::open(dir)?.calls_of(tenant.as_str(), caller_ref)?.into_iter().map(CallId::new).collect())
}

/// Erases all events of these calls of a tenant's, so that no byte of them is left in the database's files; how many there were. A gateway may be
/// writing there. What was not told to Kafka or to webhooks by then will not be. Files beside the database are left. Blocks on the disk.
///
/// # Errors
/// Where the folder holds no events, or they cannot be erased: then all of them are still there.
pub fn erase(dir: &Path, tenant: &TenantId, calls: &BTreeSet<CallId>) -> Result<usize, ReadError> {
    let path = dir.join(DATABASE);
    if !path.is_file() {
        return Err(ReadError::Absent);
    }
    let mut connection = Connection::open_with_flags(&path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.busy_timeout(BUSY)?;
    // What is deleted is overwritten; and what the log beside the database still has of it goes with the log.
    connection.pragma_update(None, "secure_delete", "on")?;
    connection.pragma_update(None, "synchronous", "full")?;
    let group = connection.transaction()?;
    let mut erased = 0;
    {
        let mut delete = group.prepare("DELETE FROM event WHERE tenant = ?1 AND call = ?2")?;
        for call in calls {
            erased += delete.execute(params![tenant.as_str(), call.as_str()])?;
        }
    }
    group.commit()?;
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
    Ok(erased)
}

#[cfg(test)]
mod tests {
    use super::super::{Bounds, Spool};
    use super::*;
    use crate::adapters::pseudonyms::Pseudonyms;
    use crate::application::ports::{Facts, Sequence, Subject};
    use vg_domain::event::Fact;
    use vg_domain::parties::Parties;
    use vg_domain::pii::Pii;

    const CALLER: &str = "+55 11 99999-8888";

    fn pii(text: &str) -> Pii<String> {
        Pii::new(text.to_owned())
    }

    /// Files of the folder in which that is written.
    fn files_with(dir: &Path, text: &str) -> usize {
        let files = std::fs::read_dir(dir).unwrap().map(|entry| std::fs::read(entry.unwrap().path()).unwrap());
        files.filter(|bytes| bytes.windows(text.len()).any(|part| part == text.as_bytes())).count()
    }

    #[tokio::test]
    async fn a_callers_events_are_found_and_erased_beside_a_gateway_that_writes() {
        let folder = tempfile::tempdir().unwrap();
        let pseudonyms = Pseudonyms::new(&pii("a key of the operator's own, 32 long"));
        let bounds = Bounds { bytes_max: 1 << 24, keep: Duration::from_secs(3_600) };
        let spool = Spool::open(folder.path(), bounds, false).unwrap().naming_callers(Some(pseudonyms.clone()));
        let (acme, other) = (TenantId::new("acme"), TenantId::new("other"));
        let started = |tenant: &TenantId, call: &str, from: &str| {
            let call = CallId::new(call);
            let fact = Fact::Started(Parties::inbound(pii(from), pii("100")).into());
            spool.publish(Subject { call: &call, tenant, conversation: None, sequence: Sequence::FIRST }, &fact);
        };
        started(&acme, "call-one", CALLER);
        started(&acme, "call-two", "+55 11 99999-0000");
        started(&acme, "call-three", "sip:5511999998888@trunk");
        started(&other, "call-four", CALLER);
        spool.committed().await;
        assert_eq!(files_with(folder.path(), "99999"), 0, "no number is on the disk");
        let name = pseudonyms.of(&acme, &pii(CALLER)).unwrap();
        let calls = calls_of(folder.path(), &acme, &name).unwrap();
        assert_eq!(calls, BTreeSet::from([CallId::new("call-one"), CallId::new("call-three")]));
        assert!(files_with(folder.path(), "call-one") > 0);
        assert_eq!(erase(folder.path(), &acme, &calls).unwrap(), 2);
        assert_eq!(files_with(folder.path(), "call-one") + files_with(folder.path(), "call-three"), 0, "not a byte is left");
        started(&acme, "call-five", CALLER);
        spool.committed().await;
        assert_eq!(spool.stats().lost, 0);
        drop(spool);
        let left = Past::open(folder.path()).unwrap().read(0, 10, &super::super::Filter::default()).unwrap();
        assert_eq!(left.iter().map(|event| &*event.call).collect::<Vec<_>>(), ["call-two", "call-four", "call-five"]);
    }
}
