//! A gateway whose disk has no room for what further calls would tell, since Kafka takes nothing.

use super::{GREETING, PATIENCE, QUIET, config, get};
use std::path::Path;
use std::time::Duration;
use tokio::time::{interval, timeout};
use vg_domain::event::Fact;
use vg_domain::ids::{CallId, TenantId, TurnId};
use vg_domain::mask::{Heard, Mask};
use vg_domain::refusal::Refusal;
use vg_tests::house::{House, recording};
use vg_tests::lab::Proxy;
use voice_gateway::adapters::events::spool::{Bounds, Spool};
use voice_gateway::application::ports::{Epoch, Facts, Sequence, Subject};

/// The least that a configuration can give them: `mib_max = 1`.
const ROOM: u64 = 1 << 20;
/// What is used of it beyond this is for calls that are up.
const FULL: u64 = ROOM / 8 * 7;
/// What is left of that for the calls of the story: some have room, a few dozen do not.
const LEFT: u64 = 32 << 10;

/// Writes events of earlier calls until there is hardly any room left.
async fn fill(dir: &Path) {
    let spool = Spool::open(dir, Bounds { bytes_max: ROOM, keep: Duration::from_secs(86_400) }, true).unwrap();
    let (call, tenant) = (CallId::new("earlier"), TenantId::new("demo"));
    let mut n = 0;
    while spool.stats().bytes < FULL - LEFT {
        for _ in 0..10 {
            n += 1;
            let sequence = Sequence { epoch: Epoch::FIRST, n };
            let text = Mask::new().mask_final(Heard::new("where is the parcel that you promised me".to_owned()));
            let subject = Subject { call: &call, tenant: &tenant, conversation: None, sequence };
            spool.publish(subject, &Fact::Heard { turn: TurnId(1), text });
        }
        spool.committed().await;
    }
    assert!(spool.has_room(), "{:?}", spool.stats());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_whose_disk_is_full_refuses_calls_says_so_and_serves_those_that_are_up() {
    let folder = tempfile::tempdir().unwrap();
    fill(&folder.path().join("events")).await;
    // Nobody is behind it.
    let kafka = Proxy::to(9).unwrap();
    kafka.cut();
    let config = config(folder.path(), &kafka.local_addr().to_string());
    let config = config.replace("[kafka]\n", "mib_max = 1\n[kafka]\ndrain_s = 1\n");
    let mut house = House::with(&config).await.unwrap();
    assert_eq!(house.running().readiness().events, Some("writing"));
    let mut first = house.phone("demo").await.unwrap();
    assert!(first.until_answer_ended(QUIET, GREETING).await, "the first call is greeted");
    // Further calls, until their events have used up the room that is left.
    let (mut phones, mut look) = (Vec::new(), interval(Duration::from_millis(100)));
    let filled = async {
        while house.running().readiness().events == Some("writing") {
            phones.push(house.phone("demo").await.unwrap());
            look.tick().await;
        }
    };
    timeout(PATIENCE, filled).await.expect("the spool is never full");
    let health = get(house.http(), "/health/ready");
    assert!(health.starts_with("HTTP/1.1 503") && health.contains("\"status\":\"not_ready\""), "{health}");
    assert!(["full", "failing"].iter().any(|events| health.contains(&format!("\"events\":\"{events}\""))), "{health}");

    // One more is not taken in.
    let _late = house.phone("demo").await.unwrap();
    let refused = |_: &CallId, fact: &Fact| if let Fact::Refused(refusal) = fact { Some(*refusal) } else { None };
    assert_eq!(house.fact("a refusal", refused).await.unwrap(), Refusal::EventsFull);
    assert!(house.metric("vg_calls_refused_total{code=\"events_full\"}").await.unwrap() >= 1.0);

    // Who is there is talked to.
    assert!(first.say(&recording("hours.wav").unwrap()).await, "the first call is still up");
    first.until_said().await;
    assert!(first.until_answer_ended(QUIET, GREETING).await, "the first caller is answered");
    assert_eq!(house.metric("vg_spool_events_total{outcome=\"lost\"}").await.unwrap(), 0.0);
    drop((first, phones));
    house.holds_nothing(PATIENCE).await.unwrap();
    house.stop().await;
}
