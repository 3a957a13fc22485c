//! Over the spool: what one run of a gateway leaves, the next one posts.

use super::*;
use crate::adapters::events::spool::{Bounds, Spool};
use std::path::Path;

const ROOMY: Bounds = Bounds { bytes_max: 64 << 20, keep: Duration::from_secs(86_400) };

fn spool(disk: &Path) -> Arc<Spool> {
    Arc::new(Spool::open(disk, ROOMY, false).unwrap())
}

/// A run of a gateway that has this disk, until its end.
async fn run(disk: &Path) -> Stand {
    let spool = spool(disk);
    Stand::over(&["call.*"], Arc::clone(&spool) as _, spool).await
}

/// What comes next is that call, from its beginning to its end.
async fn is_posted(stand: &mut Stand, call: &str, beginning: &[&str]) {
    for kind in beginning.iter().chain(&["call.ended"]) {
        assert_eq!(told(&stand.next().await), (call.to_owned(), (*kind).to_owned()));
    }
}

#[tokio::test]
async fn what_waits_when_a_gateway_ends_is_posted_by_its_next_run_without_another_call() {
    let disk = tempfile::tempdir().unwrap();
    let mut stand = run(disk.path()).await;
    stand.answer(&[(503, Some("3600"), Duration::ZERO)]);
    stand.call("c-1");
    stand.next().await;
    stand.until(|counts| counts.failures == 1).await;
    stand.end().await;
    let mut stand = run(disk.path()).await;
    is_posted(&mut stand, "c-1", &["call.started", "call.answered"]).await;
    let counts = stand.until(|counts| counts.delivered == 3 && counts.waiting == 0).await;
    assert_eq!(counts.missed, 0);
    stand.end().await;
    assert!(spool(disk.path()).left().await.is_empty(), "nothing waits any more");
}

#[tokio::test]
async fn a_call_that_was_adopted_is_told_though_its_tenant_has_no_other_here() {
    let disk = tempfile::tempdir().unwrap();
    let mut stand = run(disk.path()).await;
    let nobody = || Pii::new(String::new());
    let parties = Arc::new(Parties::inbound(nobody(), nobody()));
    stand.tell("c-1", &Fact::Adopted { parties, silent: Duration::from_secs(1) });
    stand.tell("c-1", &Fact::Ended(Outcome { cause: EndCause::CallerHungUp, turns: 1 }));
    is_posted(&mut stand, "c-1", &["call.adopted"]).await;
    stand.end().await;
}

#[tokio::test]
async fn a_call_is_posted_after_a_restart_where_the_tenants_settings_were_not_to_be_had_before() {
    let disk = tempfile::tempdir().unwrap();
    let stand = run(disk.path()).await;
    stand.tenants.away.store(true, Relaxed);
    stand.call("c-1");
    stand.end().await;
    let mut stand = run(disk.path()).await;
    is_posted(&mut stand, "c-1", &["call.started", "call.answered"]).await;
    stand.end().await;
}

#[tokio::test]
async fn a_webhook_that_is_new_at_a_start_is_told_of_no_earlier_call() {
    let disk = tempfile::tempdir().unwrap();
    let stand = run(disk.path()).await;
    stand.tenants.settings.lock().unwrap().webhooks.clear();
    stand.call("c-1");
    let looked_at = async {
        while stand.tenants.looked_at.load(Relaxed) == 0 {
            tokio::task::yield_now().await;
        }
    };
    timeout(SOON, looked_at).await.unwrap();
    stand.end().await;
    let mut stand = run(disk.path()).await;
    stand.call("c-2");
    is_posted(&mut stand, "c-2", &["call.started", "call.answered"]).await;
    stand.end().await;
}
