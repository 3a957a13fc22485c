mod full_disk;
mod webhooks;

use super::*;
use crate::adapters::events::Attributes;
use crate::adapters::killed;
use crate::adapters::sinks::{EventSource, Since};
use crate::application::ports::{Epoch, Sequence};
use futures_util::FutureExt;
use std::collections::HashMap;
use std::io::Write;
use std::time::Instant;
use vg_domain::ids::{CallId, TurnId};
use vg_domain::mask::{Heard, Mask};

/// Names the folder to the process that is killed.
const CHILD: &str = "VG_TEST_SPOOL_CHILD";
const PATIENCE: Duration = Duration::from_secs(60);
const ROOMY: Bounds = Bounds { bytes_max: 64 << 20, keep: Duration::from_secs(86_400) };
const CALLS: u64 = 7;

fn spool(dir: &Path, bounds: Bounds, to_kafka: bool) -> Spool {
    Spool::open(dir, bounds, to_kafka).unwrap()
}

/// The `number`th event of some calls in turn, as long as a usual one.
fn tell(spool: &Spool, number: u64) {
    let (call, tenant) = (CallId::new(format!("call-{}", number % CALLS)), TenantId::new("acme"));
    let sequence = Sequence { epoch: Epoch::FIRST, n: number / CALLS + 1 };
    let words = "where is the parcel that you promised me for monday";
    let text = Mask::new().mask_final(Heard::new(words.to_owned()));
    let subject = Subject { call: &call, tenant: &tenant, conversation: None, sequence };
    spool.publish(subject, &Fact::Heard { turn: TurnId(1), text });
}

fn commit(spool: &Spool) {
    eventually(|| spool.committed().now_or_never().is_some());
}

fn eventually(mut done: impl FnMut() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !done() {
        assert!(Instant::now() < until, "waited in vain");
        thread::yield_now();
    }
}

fn ids(dir: &Path) -> Vec<String> {
    let stored = Past::open(dir).unwrap().read(0, usize::MAX, &Filter::default()).unwrap();
    assert!(stored.is_sorted_by_key(|event| event.place));
    stored.iter().map(|event| Attributes::of(event.event.as_bytes()).unwrap().id).collect()
}

/// What the first so many are called.
fn first(events: u64) -> Vec<String> {
    (0..events).map(|number| format!("call-{}-1-{}", number % CALLS, number / CALLS + 1)).collect()
}

#[test]
fn what_is_committed_is_read_in_its_order_and_a_reader_goes_on_after_a_restart_where_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let (read_to, last_place);
    {
        let spool = spool(folder.path(), ROOMY, true);
        assert!(matches!(Spool::open(folder.path(), ROOMY, true), Err(SpoolError::Busy)));
        let backlog = spool.to_kafka().unwrap();
        assert!(backlog.read(backlog.position(), 10).unwrap().is_empty());
        (0..100).for_each(|number| tell(&spool, number));
        commit(&spool);
        assert_eq!(ids(folder.path()), first(100));
        assert_eq!((spool.stats().kept, backlog.waiting(), spool.standing()), (100, 100, "writing"));
        let read = backlog.read(0, 30).unwrap();
        assert_eq!((read.len(), read[29].key.as_str(), &read[29].headers[1].1[..]), (30, "call-1", "call-1-1-5"));
        read_to = read[29].place;
        backlog.acknowledge(read_to);
        assert_eq!(backlog.waiting(), 70);
        last_place = *backlog.last().borrow();
    }
    let spool = spool(folder.path(), ROOMY, true);
    let backlog = spool.to_kafka().unwrap();
    assert_eq!((backlog.position(), backlog.waiting()), (read_to, 70), "the place outlives the end");
    tell(&spool, 100);
    commit(&spool);
    assert_eq!(ids(folder.path()), first(101));
    assert!(*backlog.last().borrow() > last_place && backlog.waiting() == 71);
}

#[test]
fn what_was_told_shortly_before_the_end_is_on_the_disk_though_nobody_waited_for_it() {
    let folder = tempfile::tempdir().unwrap();
    let told = 3 * writer::GROUP_MAX as u64 + 1;
    let spool = spool(folder.path(), ROOMY, true);
    (0..told).for_each(|number| tell(&spool, number));
    // Some are in the queue still, and the last one in a group that is being gathered.
    drop(spool);
    assert_eq!(ids(folder.path()), first(told));
}

#[test]
fn what_is_told_together_is_committed_together_and_what_is_waited_for_by_itself() {
    let folder = tempfile::tempdir().unwrap();
    let spool = spool(folder.path(), ROOMY, false);
    let begun = Instant::now();
    (0..1_000).for_each(|number| tell(&spool, number));
    commit(&spool);
    // The first event at once, then what comes in each 100 ms, then what was waited for.
    let most = begun.elapsed().as_millis() / 100 + 3;
    let groups = spool.stats().groups;
    assert!(groups > 0 && u128::from(groups) <= most, "{groups} commits for 1000 events, {most} at most");
    for number in 1_000..1_005 {
        tell(&spool, number);
        commit(&spool);
    }
    assert_eq!(spool.stats().groups, groups + 5);
}

/// The database and its log while a spool is written that keeps twelve events, each by a commit of its own.
fn twelve() -> [Vec<u8>; 2] {
    let folder = tempfile::tempdir().unwrap();
    let writing = spool(folder.path(), ROOMY, false);
    for number in 0..12 {
        tell(&writing, number);
        commit(&writing);
    }
    [DATABASE.to_owned(), format!("{DATABASE}-wal")].map(|name| std::fs::read(folder.path().join(name)).unwrap())
}

/// Opens a spool that was left with these files: what it holds was told, from the first event on and in its order, and it is written on. How many
/// events it held.
fn held_by(dir: &Path, database: &[u8], wal: &[u8]) -> usize {
    folder::private(dir).unwrap();
    std::fs::write(dir.join(DATABASE), database).unwrap();
    std::fs::write(dir.join(format!("{DATABASE}-wal")), wal).unwrap();
    let opened = spool(dir, ROOMY, false);
    assert!(!opened.stats().damaged, "{}", dir.display());
    let events = ids(dir);
    let held = events.len() as u64;
    assert_eq!(events, first(held), "{}", dir.display());
    tell(&opened, held);
    commit(&opened);
    assert_eq!(ids(dir), first(held + 1), "{}", dir.display());
    events.len()
}

#[test]
fn a_spool_that_is_cut_at_any_byte_holds_what_came_before_in_its_order() {
    let ([database, wal], copies) = (twelve(), tempfile::tempdir().unwrap());
    let mut longest = 0;
    // A prime: every offset within pages and frames.
    for cut in (0..=wal.len()).step_by(211).chain([wal.len()]) {
        let held = held_by(&copies.path().join(cut.to_string()), &database, &wal[..cut]);
        assert!(held >= longest, "cut at {cut}: less than what a shorter one held");
        longest = held;
    }
    assert_eq!(longest, 12, "a whole one holds all");
}

#[test]
fn a_spool_whose_tail_is_garbage_holds_what_came_before_in_its_order() {
    let ([database, wal], copies) = (twelve(), tempfile::tempdir().unwrap());
    // To either side of a page, and of a page with the head of its frame.
    for length in (1..=8_192).step_by(211).chain([4_096, 4_097, 4_120, 4_121, 8_192]) {
        let mut wal = wal.clone();
        let from = wal.len() - length;
        // Odd, so that every byte becomes another one.
        wal[from..].iter_mut().enumerate().for_each(|(nth, byte)| *byte ^= ((nth * 0x9E37) >> 7) as u8 | 1);
        let held = held_by(&copies.path().join(length.to_string()), &database, &wal);
        // Two frames at most are touched, and a commit has one at least.
        assert!((10..12).contains(&held), "{held} where the last {length} bytes are garbage");
    }
}

#[test]
fn the_process_that_is_killed() {
    let Some(dir) = std::env::var_os(CHILD) else { return };
    let spool = spool(Path::new(&dir), ROOMY, false);
    let mut number = ids(Path::new(&dir)).len() as u64;
    // Until it is killed.
    loop {
        (0..50).for_each(|_| {
            tell(&spool, number);
            number += 1;
        });
        commit(&spool);
        // Its parent reads it, and is gone after it has killed this.
        let _ = writeln!(std::io::stdout(), "\nkept {number}");
    }
}

#[test]
fn a_process_that_is_killed_loses_nothing_that_counted_as_published() {
    let folder = tempfile::tempdir().unwrap();
    let mut expected = 0;
    for round in 1..=6 {
        let kept = killed::once("adapters::events::spool::tests::the_process_that_is_killed", CHILD, folder.path(), |kept| {
            kept >= expected + round * 150
        });
        assert!(kept > expected, "the process has told nothing");
        let events = ids(folder.path());
        assert_eq!(events, first(events.len() as u64), "none is missing, double or out of order");
        assert!(events.len() as u64 >= kept, "{} of {kept}", events.len());
        expected = events.len() as u64;
    }
}

#[test]
fn a_damaged_database_is_set_aside_and_what_can_be_read_of_it_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    {
        let spool = spool(folder.path(), ROOMY, true);
        (0..4_000).for_each(|number| tell(&spool, number));
        commit(&spool);
        spool.to_kafka().unwrap().acknowledge(*spool.shared.last.borrow() - 10);
    }
    let path = folder.path().join(DATABASE);
    let mut bytes = std::fs::read(&path).unwrap();
    let middle = bytes.len() / 2 / 4_096 * 4_096;
    bytes[middle..middle + 3 * 4_096].fill(0xA5);
    std::fs::write(&path, bytes).unwrap();
    let spool = spool(folder.path(), ROOMY, true);
    let stats = spool.stats();
    assert!(stats.damaged && (3_000..4_000).contains(&stats.salvaged), "{stats:?}");
    let events = ids(folder.path());
    assert_eq!((events.len() as u64, &events[0], events.last()), (stats.salvaged, &first(1)[0], first(4_000).last()));
    let backlog = spool.to_kafka().unwrap();
    assert_eq!(
        backlog.read(backlog.position(), 100).unwrap().len(),
        10,
        "what was not sent goes on, and what was is not sent again"
    );
    let aside =
        |file: std::io::Result<std::fs::DirEntry>| file.unwrap().file_name().into_string().unwrap().starts_with("damaged-");
    assert!(std::fs::read_dir(folder.path()).unwrap().any(aside), "nothing is thrown away");
    drop((spool, backlog));
    std::fs::write(&path, "this is no database, whatever it is called").unwrap();
    let spool = Spool::open(folder.path(), ROOMY, true).unwrap();
    assert!(spool.stats().damaged && spool.stats().salvaged == 0);
    tell(&spool, 0);
    commit(&spool);
    assert_eq!(ids(folder.path()).len(), 1);
}

#[test]
fn no_call_is_taken_in_while_there_is_no_room_and_nothing_is_lost_before_the_queue_is_full() {
    let folder = tempfile::tempdir().unwrap();
    let bounds = Bounds { bytes_max: 512 << 10, ..ROOMY };
    let spool = spool(folder.path(), bounds, true);
    let backlog = spool.to_kafka().unwrap();
    let mut told = 0;
    eventually(|| {
        if spool.stats().bytes < bounds.bytes_max / 8 * 7 {
            (0..20).for_each(|_| {
                tell(&spool, told);
                told += 1;
            });
            commit(&spool);
        }
        !spool.has_room()
    });
    assert_eq!(spool.standing(), "full");
    // Calls that are up go on telling, also when nothing fits any more.
    (0..2_000).for_each(|_| {
        tell(&spool, told);
        told += 1;
    });
    eventually(|| spool.standing() == "failing");
    assert!(spool.committed().now_or_never().is_some(), "nobody waits for a disk that is full");
    let mut delivered = Vec::new();
    eventually(|| {
        let events = backlog.read(backlog.position(), 500).unwrap();
        delivered.extend(events.iter().map(|event| event.headers[1].1.clone()));
        if let Some(last) = events.last() {
            backlog.acknowledge(last.place);
        }
        delivered.len() as u64 == told
    });
    assert_eq!(delivered, first(told), "every one of them, in its order");
    eventually(|| spool.standing() == "writing");
    assert_eq!(spool.stats().lost, 0);
    drop(spool);
    assert!(std::fs::metadata(folder.path().join(DATABASE)).unwrap().len() <= bounds.bytes_max + (256 << 10));
}

#[test]
fn where_nobody_has_to_have_them_the_oldest_give_way_and_what_is_old_goes() {
    let folder = tempfile::tempdir().unwrap();
    let bounds = Bounds { bytes_max: 512 << 10, ..ROOMY };
    {
        let spool = spool(folder.path(), bounds, false);
        for round in 0..20_u64 {
            (0..300).for_each(|number| tell(&spool, round * 300 + number));
            commit(&spool);
            eventually(|| spool.has_room() && spool.stats().bytes < bounds.bytes_max / 8 * 7);
        }
        assert_eq!((spool.stats().kept, spool.stats().lost), (6_000, 0));
        let events = ids(folder.path());
        assert!(events.len() < 6_000 && events.last() == first(6_000).last(), "{}", events.len());
    }
    let none = Bounds { keep: Duration::ZERO, ..bounds };
    let spool = spool(folder.path(), none, false);
    eventually(|| ids(folder.path()).is_empty());
    tell(&spool, 6_000);
    commit(&spool);
}

#[tokio::test]
async fn a_webhook_goes_on_after_a_restart_with_what_it_has_not_taken() {
    let folder = tempfile::tempdir().unwrap();
    let tenant = TenantId::new("acme");
    {
        let spool = spool(folder.path(), ROOMY, false);
        let begin = EventSource::begin(&spool, &tenant, "crm", Since::Start);
        let mut changes = EventSource::changes(&spool, &tenant);
        (0..10).for_each(|number| tell(&spool, number));
        changes.changed().await.unwrap();
        spool.committed().await;
        let batch = EventSource::read(&spool, &tenant, &begin, 4).await;
        assert_eq!((batch.missed, batch.events.len(), batch.events[0].id.as_str()), (0, 4, "call-0-1-1"));
        EventSource::acknowledge(&spool, &tenant, "crm", &batch.next);
        assert!(EventSource::read(&spool, &TenantId::new("other"), &begin, 4).await.events.is_empty(), "another tenant's");
    }
    let spool = spool(folder.path(), ROOMY, false);
    let begin = EventSource::begin(&spool, &tenant, "crm", Since::Start);
    let batch = EventSource::read(&spool, &tenant, &begin, 100).await;
    let ids: Vec<_> = batch.events.iter().map(|event| event.id.clone()).collect();
    assert_eq!(ids, first(10)[4..]);
    let fresh = EventSource::begin(&spool, &tenant, "new", Since::Now);
    assert!(EventSource::read(&spool, &tenant, &fresh, 100).await.events.is_empty());
    let bodies: HashMap<_, _> = batch.events.iter().map(|event| (event.id.clone(), event.body.clone())).collect();
    assert!(bodies["call-6-1-1"].starts_with(b"{\"specversion\":\"1.0\""));
}
