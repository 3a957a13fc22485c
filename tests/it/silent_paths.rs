//! Stories of calls whose media path carries nothing, in the virtual house; and of the time that a set-up takes.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a broken story stops")]

use std::time::Duration;
use vg_domain::event::Fact;
use vg_domain::outcome::EndCause;
use vg_tests::rig::{Caller, Order, Rig};
use voice_gateway::application::path::OnSilentPath;
use voice_gateway::application::ports::{LegEvent, MouthCommand, Observation, TelephonyError};
use voice_gateway::application::refusing::RefusalWords;

const SILENT: LegEvent = LegEvent::PathSilent { heard: false, sent: true };

/// The leg's first order to say something.
async fn begins_to_speak(caller: &mut Caller) {
    while !matches!(caller.command().await, Order::Say { .. }) {}
}

async fn path_silent(caller: &mut Caller) -> &'static str {
    caller
        .fact(|fact| match fact {
            Fact::PathSilent(code) => Some(*code),
            _ => None,
        })
        .await
}

fn watched(caller: &Caller) -> usize {
    caller.told.iter().filter(|order| matches!(order, MouthCommand::Watch { .. })).count()
}

#[tokio::test(start_paused = true)]
async fn a_silent_leg_is_built_anew_once_watched_again_and_the_greeting_said_again() {
    let rig = Rig::start(1);
    let mut caller = rig.call().await;
    begins_to_speak(&mut caller).await;
    caller.report(SILENT).await;
    caller.new_leg().await;
    let (_, greeting) = caller.listen().await;
    assert!(greeting > 0, "the caller hears it from the start");
    assert_eq!(watched(&caller), 2);
    caller.report(LegEvent::PathProven { after_ms: 100 }).await;
    tokio::time::sleep(Duration::from_millis(10)).await;
    let seen = rig.observations();
    assert!(seen.contains(&Observation::PathTested("nothing_heard")) && seen.contains(&Observation::PathRebuilt("proven")));
    // It listens and answers as any other.
    caller.say("what time is it").await;
    tokio::time::sleep(Duration::from_millis(600)).await;
    caller.understood("what time is it").await;
    let (_, answer) = caller.listen().await;
    assert!(answer > 0);
    let rebuilds = caller.acts().iter().filter(|act| *act == "reconnect-media").count();
    assert_eq!(rebuilds, 1);
}

#[tokio::test(start_paused = true)]
async fn a_leg_that_is_silent_twice_is_told_and_counted_and_goes_on_or_ends_as_the_operator_says() {
    for then in [OnSilentPath::GoOn, OnSilentPath::End] {
        let rig = Rig::with(1, RefusalWords::new(), then);
        let mut caller = rig.call().await;
        begins_to_speak(&mut caller).await;
        caller.report(SILENT).await;
        caller.new_leg().await;
        begins_to_speak(&mut caller).await;
        caller.report(SILENT).await;
        assert_eq!(path_silent(&mut caller).await, "nothing_heard");
        assert!(rig.observations().contains(&Observation::PathRebuilt("silent")));
        match then {
            OnSilentPath::GoOn => {
                caller.report(SILENT).await;
                tokio::time::sleep(Duration::from_millis(50)).await;
                assert_eq!(rig.live(), 1);
                let rebuilds = caller.acts().iter().filter(|act| *act == "reconnect-media").count();
                assert_eq!(rebuilds, 1, "not a second time");
            }
            OnSilentPath::End => {
                assert_eq!(caller.ended().await, EndCause::NoSound);
                assert_eq!(caller.acts().last().map(String::as_str), Some("release"));
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_leg_that_cannot_be_built_anew_keeps_the_old_one() {
    let rig = Rig::start(1);
    rig.script(|script| script.reconnect_fault = Some(TelephonyError::Deadline { act: "rebuild media leg" }));
    let mut caller = rig.call().await;
    begins_to_speak(&mut caller).await;
    caller.report(SILENT).await;
    assert_eq!(path_silent(&mut caller).await, "not_built");
    assert!(rig.observations().contains(&Observation::PathRebuilt("not_built")));
    caller.report(LegEvent::PathProven { after_ms: 1_500 }).await;
    caller.hang_up().await;
    assert_eq!(caller.ended().await, EndCause::CallerHungUp);
}

#[tokio::test(start_paused = true)]
async fn a_caller_who_hangs_up_while_the_leg_is_built_anew_leaves_nothing() {
    let rig = Rig::start(1);
    let mut caller = rig.call().await;
    begins_to_speak(&mut caller).await;
    caller.report(SILENT).await;
    tokio::time::sleep(Duration::from_millis(5)).await;
    caller.hang_up().await;
    assert_eq!(caller.ended().await, EndCause::CallerHungUp);
    assert_eq!(caller.acts().last().map(String::as_str), Some("release"));
}

#[tokio::test(start_paused = true)]
async fn the_time_of_a_set_up_is_told_by_its_parts() {
    let rig = Rig::start(1);
    let mut caller = rig.call().await;
    caller.listen().await;
    tokio::time::sleep(Duration::from_millis(10)).await;
    let times: Vec<_> = rig
        .observations()
        .into_iter()
        .filter_map(|seen| match seen {
            Observation::SetUp(times) => Some(times),
            _ => None,
        })
        .collect();
    let [times] = times.as_slice() else { panic!("told {} times", times.len()) };
    let parts: Vec<_> = times.parts().map(|(part, time)| (part.code(), time.as_millis())).collect();
    // The fake line rings in 5 ms, which the media leg waits for, connects in 20 and answers in 5.
    assert_eq!(parts, [("settings", 0), ("conversation", 0), ("media", 25), ("answer", 5), ("greeting", 0)]);
    assert_eq!((times.total().as_millis(), times.over_asterisk().as_millis()), (30, 0));
}
