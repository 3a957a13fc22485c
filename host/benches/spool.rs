//! What it costs to keep events on the disk, and how quickly they are read again.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a broken bench stops; a runtime is needed to wait")]

use divan::{Bencher, counter::ItemsCount};
use std::time::Duration;
use vg_domain::event::Fact;
use vg_domain::ids::{CallId, TenantId, TurnId};
use vg_domain::mask::{Heard, Mask};
use voice_gateway::adapters::events::spool::{Bounds, Filter, Past, Spool};
use voice_gateway::application::ports::{Epoch, Facts, Sequence, Subject};

const BOUNDS: Bounds = Bounds { bytes_max: 4 << 30, keep: Duration::from_secs(86_400) };
/// Events that are read again.
const MANY: u64 = 20_000;
/// As `EVENTS_MAX`, less what a bench may be ahead of the writer.
const BATCH: u64 = 4_096;

fn main() {
    divan::main();
}

struct Teller {
    spool: Spool,
    call: CallId,
    tenant: TenantId,
    fact: Fact,
    n: u64,
}

impl Teller {
    fn new(folder: &tempfile::TempDir) -> Self {
        let text = Mask::new().mask_final(Heard::new("I would like to know whether my order was sent on Monday".to_owned()));
        Self {
            spool: Spool::open(folder.path(), BOUNDS, false).unwrap(),
            call: CallId::new("8d5f1a8e-6f0b-4a57-9d3e-1f6f0d0d7a11"),
            tenant: TenantId::new("acme"),
            fact: Fact::Heard { turn: TurnId(1), text },
            n: 0,
        }
    }

    fn tell(&mut self) {
        self.n += 1;
        let sequence = Sequence { epoch: Epoch::FIRST, n: self.n };
        self.spool.publish(Subject { call: &self.call, tenant: &self.tenant, conversation: None, sequence }, &self.fact);
    }

    fn settle(&self) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(self.spool.committed());
    }
}

/// What the call's own thread does for an event: its JSON, and the way to the writer.
#[divan::bench(sample_size = 1_000, sample_count = 20)]
fn event_told(bencher: Bencher<'_, '_>) {
    let folder = tempfile::tempdir().unwrap();
    let mut teller = Teller::new(&folder);
    bencher.bench_local(|| {
        teller.tell();
        if teller.n.is_multiple_of(BATCH) {
            teller.settle();
        }
    });
}

/// From the first of so many events until the disk has all of them.
#[divan::bench(args = [1, 16, 256, 4_096], sample_count = 20)]
fn group_on_the_disk(bencher: Bencher<'_, '_>, events: u64) {
    let folder = tempfile::tempdir().unwrap();
    let mut teller = Teller::new(&folder);
    bencher.counter(ItemsCount::new(events)).bench_local(|| {
        (0..events).for_each(|_| teller.tell());
        teller.settle();
    });
}

/// As they go to Kafka after an outage: read in their order, 512 at a time.
#[divan::bench(sample_count = 10)]
fn read_again(bencher: Bencher<'_, '_>) {
    let folder = tempfile::tempdir().unwrap();
    let mut teller = Teller::new(&folder);
    while teller.n < MANY {
        teller.tell();
        if teller.n.is_multiple_of(BATCH) {
            teller.settle();
        }
    }
    teller.settle();
    let past = Past::open(folder.path()).unwrap();
    bencher.counter(ItemsCount::new(MANY)).bench_local(|| {
        let (mut behind, mut events) = (0, 0);
        while let Some(batch) = Some(past.read(behind, 512, &Filter::default()).unwrap()).filter(|batch| !batch.is_empty()) {
            behind = batch.last().unwrap().place;
            events += batch.len() as u64;
        }
        assert_eq!(events, MANY);
    });
}
