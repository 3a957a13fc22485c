//! What a tenant's webhooks miss, and for whom something waits after a restart.

use super::*;
use crate::adapters::sinks::Batch;
use crate::application::desk::Place;
use vg_domain::tenant::Webhook;

const CRM: &str = "crm";

fn acme() -> TenantId {
    TenantId::new("acme")
}

fn webhook(name: &str) -> Webhook {
    Webhook { name: name.to_owned(), url: String::new(), types: Vec::new(), secret: String::new() }
}

async fn read(spool: &Spool, after: &Place) -> Batch {
    EventSource::read(spool, &acme(), after, 100).await
}

/// So many events are kept that its webhook is to be told.
async fn told_of(spool: &Spool, events: u64) -> Place {
    let begin = EventSource::begin(spool, &acme(), CRM, Since::Start);
    (0..events).for_each(|number| tell(spool, number));
    spool.committed().await;
    begin
}

/// Everything that is kept there is old now, and goes.
fn forget(dir: &Path) {
    let none = Bounds { keep: Duration::ZERO, ..ROOMY };
    eventually(|| {
        drop(spool(dir, none, false));
        ids(dir).is_empty()
    });
}

#[tokio::test]
async fn a_webhook_that_has_taken_everything_misses_nothing_when_that_is_forgotten() {
    let folder = tempfile::tempdir().unwrap();
    let taken = {
        let spool = spool(folder.path(), ROOMY, false);
        let begin = told_of(&spool, 10).await;
        let batch = read(&spool, &begin).await;
        assert_eq!((batch.missed, batch.events.len()), (0, 10));
        EventSource::acknowledge(&spool, &acme(), CRM, &batch.next);
        batch.next
    };
    forget(folder.path());
    let spool = spool(folder.path(), ROOMY, false);
    assert_eq!(told_of(&spool, 1).await, taken);
    let batch = read(&spool, &taken).await;
    assert_eq!((batch.missed, batch.events.len()), (0, 1));
}

#[tokio::test]
async fn a_webhook_that_was_too_slow_is_told_so_once() {
    let folder = tempfile::tempdir().unwrap();
    let begin = told_of(&spool(folder.path(), ROOMY, false), 10).await;
    forget(folder.path());
    let spool = spool(folder.path(), ROOMY, false);
    let batch = read(&spool, &begin).await;
    assert_eq!((batch.missed, batch.events.len()), (1, 0));
    told_of(&spool, 1).await;
    let batch = read(&spool, &batch.next).await;
    assert_eq!((batch.missed, batch.events.len()), (0, 1));
}

#[tokio::test]
async fn something_waits_after_a_restart_for_webhooks_that_a_tenant_still_has_and_for_no_others() {
    let folder = tempfile::tempdir().unwrap();
    {
        let spool = spool(folder.path(), ROOMY, false);
        told_of(&spool, 3).await;
        EventSource::looked_at(&spool, &acme(), &[webhook(CRM)]);
    }
    let place = {
        let spool = spool(folder.path(), ROOMY, false);
        assert_eq!(EventSource::left(&spool).await, [acme()]);
        let begin = EventSource::begin(&spool, &acme(), CRM, Since::Start);
        let place = read(&spool, &begin).await.next;
        EventSource::looked_at(&spool, &acme(), &[webhook("other")]);
        // Its task has not ended yet.
        EventSource::acknowledge(&spool, &acme(), CRM, &begin.at(begin.number() + 1));
        place
    };
    let spool = spool(folder.path(), ROOMY, false);
    assert!(EventSource::left(&spool).await.is_empty());
    let again = EventSource::begin(&spool, &acme(), CRM, Since::Start);
    assert!(again.number() >= place.number(), "what comes back is told of nothing that was before");
}
