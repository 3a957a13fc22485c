//! Many callers at a real Asterisk, whose gateways are killed one after the other, and what Kafka was told of their calls.

use super::told::Told;
use super::*;
use futures_util::future::join_all;
use vg_tests::Size;
use vg_tests::lab::{EndedBy, Ledger};

/// Callers who say something at the same moment: the local recogniser hears all of them on these two cores.
const TOGETHER: usize = 4;
/// The goal; a debug build that takes many calls at once is held to twice of it.
const STILL: Duration = Duration::from_secs(if cfg!(debug_assertions) { 4 } else { 2 });

/// Callers, and how often a gateway is killed.
fn size() -> (usize, usize) {
    match Size::asked() {
        Size::Ci => (12, 2),
        Size::Full => (16, 8),
    }
}

/// All of them ask something, some at a time, and each is answered.
async fn all_ask(callers: &mut [SipCaller]) {
    for some in callers.chunks_mut(TOGETHER) {
        join_all(some.iter_mut().map(|caller| async {
            asks(caller).await;
            is_told_all(caller).await;
        }))
        .await;
    }
}

async fn has_all(gateway: &Gateway, calls: usize) {
    let begun = Instant::now();
    while gateway.metric("vg_calls_live").await != Some(calls as f64) {
        assert!(begun.elapsed() < SOON, "it does not have {calls} calls\n{}", gateway.log());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Kafka has of each call what its caller lived: one beginning and one end, an adoption for each gateway that was killed, and no fewer answers than were
/// heard, or than the last gateway has counted.
fn are_told(told: &Ledger, calls: usize, kills: usize, heard: usize) {
    told.is_whole().unwrap();
    assert_eq!(told.calls.len(), calls);
    for (kind, times) in [("call.started", 1), ("call.answered", 1), ("call.ended", 1), ("call.adopted", kills)] {
        told.has_of_each(kind, times).unwrap();
    }
    for call in told.calls.keys() {
        let (counted, answered) = (told.counted(call).unwrap(), told.answered(call));
        assert!(answered >= counted.max(heard as u64), "{call}: {answered} answers are told, {counted} counted, {heard} heard");
    }
    println!(
        "kafka: {} events of {calls} calls, each there once ({} doubles by the same id), {kills} adoptions of each",
        told.ids.len(),
        told.doubles
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn many_callers_of_a_real_asterisk_outlive_one_gateway_after_the_other() {
    let ((count, kills), scene, told) = (size(), Scene::new().await, Told::start().await);
    let configs = [scene.config("a", "vg-test") + &told.config("a"), scene.config("b", "vg-b") + &told.config("b")];
    let mut here = Gateway::start(&configs[0], "vg_ari_sockets_up").await;
    let mut there = Gateway::start(&configs[1], "vg_ari_sockets_up").await;
    tokio::time::sleep(SETTLED).await;
    let mut callers = Vec::new();
    for _ in 0..count {
        let mut caller = SipCaller::dial(&scene.asterisk, "100").await.unwrap();
        let greeted = caller.hears_speech(caller.answered_at(), SOON).await;
        greeted.unwrap_or_else(|error| panic!("caller {}: {error:#}\n{}", callers.len() + 1, here.log()));
        callers.push(caller);
    }
    join_all(callers.iter_mut().map(is_told_all)).await;
    all_ask(&mut callers).await;

    for kill in 0..kills {
        has_all(&here, count).await;
        // Some are being heard just then.
        for caller in callers.iter_mut().skip(kill % count).step_by(3) {
            let question = vg_media::resample::convert(&recording("time.wav").unwrap(), 16_000, 8_000).unwrap();
            caller.begin_saying(&question).unwrap();
        }
        tokio::time::sleep(Duration::from_millis(311 * (kill as u64 % 5))).await;
        here.signal("-KILL");
        let died = Instant::now();
        has_all(&there, count).await;
        println!("kill {}: all {count} calls are with the other gateway after {:.2?}", kill + 1, died.elapsed());
        // It comes back, without calls, and is the next one's successor.
        drop(here);
        here = there;
        there = Gateway::start(&configs[kill % 2], "vg_ari_sockets_up").await;
        tokio::time::sleep(SETTLED).await;
        join_all(callers.iter_mut().map(is_told_all)).await;
        all_ask(&mut callers).await;
    }

    let ended = join_all(callers.into_iter().map(SipCaller::hang_up)).await;
    let lived = ended.into_iter().map(|record| record.unwrap()).map(|record| (record.ended_by, record.pacing.still_max));
    let (ended_by, mut still): (Vec<EndedBy>, Vec<Duration>) = lived.unzip();
    assert!(ended_by.iter().all(|by| *by == EndedBy::Caller), "{ended_by:?}");
    still.sort_unstable();
    println!(
        "longest time without a packet, of {count} callers: median {:.2?}, longest {:.2?}",
        still[count / 2],
        still[count - 1]
    );
    assert!(still[0] > Duration::from_millis(200), "nobody noticed anything: they were not cut off at all");
    assert!(still[count - 1] <= STILL, "{still:?}");
    let brain = &scene.agent.brain;
    assert_eq!(brain.seen().opened.len(), count, "one conversation for each call");
    for turns in brain.turns_of_each() {
        assert!(turns.len() > kills, "turns {turns:?} of a conversation that was asked {} times at least", kills + 1);
    }
    scene.asterisk.holds_nothing(SOON).await.unwrap();
    has_all(&here, 0).await;
    if let Some(ledger) = told.ledger().await {
        // Before the first kill, and after each, everybody asked something and heard the answer.
        are_told(&ledger, count, kills, kills + 1);
    }
}
