//! Stories of the virtual house about what is kept of a call, and what is watched on its line.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a broken story stops")]

use std::time::Duration;
use vg_domain::ids::TenantId;
use vg_domain::outcome::EndCause;
use vg_tests::rig::{Caller, RECORDED, Rig};
use voice_gateway::application::ports::{LegEvent, MouthCommand, Observation, TenantHint};
use voice_gateway::application::recording::Sound;

fn recorded() -> TenantHint {
    TenantHint::Named(TenantId::new(RECORDED))
}

fn is_told_to_record(caller: &Caller) -> bool {
    caller.told.iter().any(|order| matches!(order, MouthCommand::Record(_)))
}

async fn until_observed(rig: &Rig, wanted: Observation) {
    let seen = async {
        while !rig.observations().contains(&wanted) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), seen).await.unwrap_or_else(|_| panic!("never observed: {wanted:?}"));
}

#[tokio::test(start_paused = true)]
async fn call_of_a_tenant_that_wants_it_is_recorded_and_others_are_not() {
    let rig = Rig::start(2);
    let mut plain = rig.call().await;
    plain.listen().await;
    assert!(!is_told_to_record(&plain) && rig.recordings().is_empty());

    let mut caller = rig.call_as(recorded()).await;
    caller.listen().await;
    let [(request, source)] = &rig.recordings()[..] else { panic!("one recording begins") };
    assert_eq!((request.tenant.as_str(), request.call.as_str()), ("virtual", "call-1"));
    // The order to the leg comes before the first word.
    assert!(is_told_to_record(&caller));
    assert!(matches!(source.next(), Sound::Nothing));
    caller.hang_up().await;
    assert_eq!(caller.ended().await, EndCause::CallerHungUp);
    // The leg has the tap: where it drops it, the recording is over.
    caller.told.clear();
    assert!(matches!(source.next(), Sound::Over));
}

#[tokio::test(start_paused = true)]
async fn recorder_that_is_behind_costs_the_recording_and_not_the_call() {
    let rig = Rig::start(1);
    rig.script(|script| script.recorder_is_behind = true);
    let mut caller = rig.call_as(recorded()).await;
    let (_, greeting) = caller.listen().await;
    assert!(greeting > 0 && !is_told_to_record(&caller));
    assert!(rig.observations().contains(&Observation::NotRecorded("busy")));
}

#[tokio::test(start_paused = true)]
async fn line_is_watched_from_the_answer_on_and_what_is_found_is_observed() {
    let rig = Rig::start(1);
    let mut caller = rig.call().await;
    caller.listen().await;
    let watched = caller.told.iter().any(|order| {
        matches!(order, MouthCommand::Watch { path_within, dead_air } if path_within.as_secs() == 1 && dead_air.as_secs() == 1)
    });
    assert!(watched, "{:?}", caller.told);
    caller.report(LegEvent::PathProven { after_ms: 120 }).await;
    until_observed(&rig, Observation::PathTested("proven")).await;
    for (heard, sent, outcome) in [(false, true, "nothing_heard"), (true, false, "nothing_sent"), (false, false, "nothing")] {
        caller.report(LegEvent::PathSilent { heard, sent }).await;
        until_observed(&rig, Observation::PathTested(outcome)).await;
    }
    caller.report(LegEvent::DeadAir { heard_ago_ms: 2_000, said_ago_ms: 1_000 }).await;
    until_observed(&rig, Observation::DeadAir).await;
    assert_eq!(rig.live(), 1, "none of it ends the call");
}

#[tokio::test(start_paused = true)]
async fn caller_whose_packets_stop_without_a_goodbye_is_asked_twice_and_then_let_go() {
    let rig = Rig::start(1);
    let mut caller = rig.call().await;
    caller.listen().await;
    let begin = tokio::time::Instant::now();
    // "Are you still there?"
    caller.listen().await;
    caller.report(LegEvent::Inactive).await;
    until_observed(&rig, Observation::Inactive).await;
    assert_eq!(rig.live(), 1, "a caller on hold sends nothing either");
    caller.listen().await;
    // The goodbye.
    caller.listen().await;
    assert_eq!(caller.ended().await, EndCause::CallerSilent);
    assert!(begin.elapsed() < Duration::from_secs(20), "{:?}", begin.elapsed());
}
