//! Stories of the virtual house about calls that outlive their gateway: what is kept for whoever goes on, and what a gateway does that has lost a call.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a broken story stops")]

use std::time::Duration;
use vg_domain::call::{Progress, Resume, Standing};
use vg_domain::event::Fact;
use vg_domain::ids::TurnId;
use vg_domain::outcome::EndCause;
use vg_domain::refusal::Refusal;
use vg_domain::transfer::{Returned, Transfer, TransferMode, TransferTarget};
use vg_tests::rig::{Caller, LIMITED, Rig};
use voice_gateway::application::ports::{CallOrder, CallState, Observation, OrderError, OriginateError, TelephonyEvent};
use voice_gateway::application::resume::{self, Memory};

/// What another gateway would go on from now.
fn kept(rig: &Rig) -> Option<(Resume, Memory)> {
    let last = rig.snapshots().pop().unwrap();
    last.resume.map(|kept| resume::decode(&kept).unwrap())
}

async fn asks(caller: &mut Caller, words: &str) {
    caller.say(words).await;
    tokio::time::sleep(Duration::from_millis(600)).await;
    caller.understood(words).await;
}

#[tokio::test(start_paused = true)]
async fn what_is_kept_follows_the_call_and_goes_with_it() {
    let rig = Rig::start(1);
    let mut caller = rig.call().await;
    caller.hear_some().await;
    tokio::time::sleep(Duration::from_millis(10)).await;
    let (greeting, memory) = kept(&rig).unwrap();
    let Standing::Saying { said, answers: None, .. } = greeting.place else { panic!("{greeting:?}") };
    assert_eq!(said.text.as_str(), "Welcome to the virtual house.");
    assert_eq!(memory.said.len(), 1);
    caller.listen().await;
    asks(&mut caller, "what time is it").await;
    caller.listen().await;
    // Snapshots are 250 ms apart, but for what the caller would have to say again.
    tokio::time::sleep(Duration::from_millis(260)).await;
    let (listening, memory) = kept(&rig).unwrap();
    let Standing::Listening { turn, words } = listening.place else { panic!("{listening:?}") };
    assert_eq!((turn, words.is_empty(), listening.turns), (TurnId(2), true, 1));
    let past: Vec<_> = memory.past.iter().map(|past| (past.before.as_str(), past.words.as_str())).collect();
    assert_eq!(past, [("Welcome to the virtual house.", "what time is it")]);
    assert!(memory.said.len() == 2 && !memory.digits_open, "{memory:?}");
    asks(&mut caller, "my card is").await;
    tokio::time::sleep(Duration::from_millis(10)).await;
    caller.understood("4111 1111").await;
    tokio::time::sleep(Duration::from_millis(10)).await;
    assert!(kept(&rig).unwrap().1.digits_open);
    caller.hang_up().await;
    caller.ended().await;
    assert_eq!(kept(&rig), None, "nobody goes on with a call that is over");
}

#[tokio::test(start_paused = true)]
async fn a_leg_that_another_gateway_has_taken_is_let_go_as_it_is() {
    let rig = Rig::start(1);
    let mut caller = rig.call().await;
    caller.listen().await;
    let before = caller.acts();
    caller.happens(TelephonyEvent::Taken).await;
    caller.fact(|fact| matches!(fact, Fact::TakenOver).then_some(())).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!((caller.acts(), rig.live()), (before, 0), "no hang-up, no release");
    let ended = rig.published().into_iter().any(|(_, _, fact)| matches!(fact, Fact::Ended(_)));
    assert!(!ended, "it goes on elsewhere");
    assert_eq!(rig.let_go().len(), 1);
    assert!(rig.observations().contains(&Observation::CallTakenOver));
    assert!(!rig.observations().iter().any(|seen| matches!(seen, Observation::CallLeaked(_))));
}

fn to_sales() -> CallOrder {
    let target = TransferTarget::Queue("sales".to_owned());
    CallOrder::Transfer(Transfer { target, mode: TransferMode::Blind, summary: None })
}

fn is_told(rig: &Rig, fit: impl Fn(&Fact) -> bool) -> bool {
    rig.published().iter().any(|(_, _, fact)| fit(fact))
}

/// Virtual time until the leg is told to do so, in steps of 5 ms.
async fn time_until(caller: &Caller, act: &str) -> Duration {
    let asked = tokio::time::Instant::now();
    caller.until_act(act).await;
    asked.elapsed()
}

#[tokio::test(start_paused = true)]
async fn what_others_see_of_a_call_happens_when_what_led_to_it_is_on_the_disk() {
    let rig = Rig::start(1);
    rig.script(|script| script.disk_takes = Some(Duration::from_millis(300)));
    let mut caller = rig.call().await;
    caller.until_act("connect-media").await;
    assert!(!caller.acts().contains(&"answer".to_owned()));
    let answered = time_until(&caller, "answer").await;
    assert!((300..=350).contains(&answered.as_millis()), "answered after {answered:?}");
    caller.listen().await;
    asks(&mut caller, "goodbye").await;
    caller.listen().await;
    let before = tokio::time::Instant::now();
    assert_eq!(caller.ended().await, EndCause::AgentHungUp);
    assert!(before.elapsed() >= Duration::from_millis(300), "hung up after {:?}", before.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_caller_is_handed_over_when_the_disk_has_it_and_the_dialplan_keeps_whom_it_has() {
    let rig = Rig::start(1);
    let mut caller = rig.call().await;
    caller.listen().await;
    rig.script(|script| script.disk_takes = Some(Duration::from_millis(300)));
    let (ordered, after) = tokio::join!(rig.order(0, to_sales()), time_until(&caller, "transfer queues,sales"));
    assert_eq!(ordered, Ok(()));
    assert!((300..=350).contains(&after.as_millis()), "handed over after {after:?}");
    assert!(is_told(&rig, |fact| matches!(fact, Fact::Transferring { .. })));
    // A gateway that found the call now would leave its caller where Asterisk has them.
    assert_eq!(kept(&rig), None);
    caller.until_act("leave-media").await;
    caller.forget_leg();
    caller.happens(TelephonyEvent::Progress(Progress::Dialled)).await;
    tokio::time::sleep(Duration::from_secs(25)).await;
    assert_eq!(kept(&rig), None);

    // Who comes back is talked to again, and anybody may go on.
    caller.happens(TelephonyEvent::Returned(Returned::Busy)).await;
    caller.listen().await;
    tokio::time::sleep(Duration::from_millis(260)).await;
    let Standing::Listening { words, .. } = kept(&rig).unwrap().0.place else { panic!("{:?}", kept(&rig)) };
    assert!(words.is_empty());

    // Who is answered elsewhere is nobody's any more.
    assert_eq!(rig.order(0, to_sales()).await, Ok(()));
    caller.happens(TelephonyEvent::Progress(Progress::Answered)).await;
    tokio::time::sleep(Duration::from_millis(260)).await;
    let last = rig.snapshots().pop().unwrap();
    assert_eq!((last.state, last.resume), (CallState::Transferred, None));
    assert!(is_told(&rig, |fact| matches!(fact, Fact::Transferred { .. })));
    caller.hang_up().await;
    assert_eq!(caller.ended().await, EndCause::Transferred);
}

#[tokio::test(start_paused = true)]
async fn a_leg_that_is_taken_while_a_hand_over_waits_for_the_disk_is_let_go_and_whoever_ordered_it_is_told() {
    let rig = Rig::start(1);
    let mut caller = rig.call().await;
    caller.listen().await;
    rig.script(|script| script.disk_takes = Some(Duration::from_millis(300)));
    let (ordered, ()) = tokio::join!(rig.order(0, to_sales()), async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        caller.happens(TelephonyEvent::Taken).await;
    });
    assert_eq!(ordered, Err(OrderError::UnknownCall));
    caller.fact(|fact| matches!(fact, Fact::TakenOver).then_some(())).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    // The order that was under way is its line's to refuse, which asks Asterisk who holds the caller: `require_held`.
    let acts = caller.acts();
    assert!(!acts.iter().any(|act| act.starts_with("hang-up") || act == "release"), "{acts:?}");
    assert_eq!((rig.live(), rig.let_go().len()), (0, 1));
    assert!(!is_told(&rig, |fact| matches!(fact, Fact::Ended(_) | Fact::Transferred { .. })), "it goes on elsewhere");
}

#[tokio::test(start_paused = true)]
async fn a_disk_that_hangs_keeps_nobody_waiting_for_more_than_half_a_second() {
    let rig = Rig::start(1);
    rig.script(|script| script.disk_takes = Some(Duration::from_secs(3600)));
    let mut caller = rig.call().await;
    caller.until_act("connect-media").await;
    let answered = time_until(&caller, "answer").await;
    assert!((500..=550).contains(&answered.as_millis()), "answered after {answered:?}");
    caller.listen().await;
    // What was said is not kept from the caller for it: speaking is no act of the leg.
    let asked = tokio::time::Instant::now();
    asks(&mut caller, "what time is it").await;
    caller.hear_some().await;
    assert!(asked.elapsed() < Duration::from_millis(2_500), "answered after {:?}", asked.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_call_whose_events_have_no_room_is_refused_and_calls_that_are_there_go_on() {
    let rig = Rig::start(4);
    let mut there = rig.call().await;
    there.listen().await;
    rig.script(|script| script.disk_is_full = true);
    let late = rig.call().await;
    late.until_act("release").await;
    assert_eq!(late.acts(), ["hang-up events_full", "release"]);
    assert!(rig.observations().contains(&Observation::CallRefused(Refusal::EventsFull.code())));
    assert_eq!(rig.originate(LIMITED, "(11) 99999-8888").await.err(), Some(OriginateError::OverLimit));
    asks(&mut there, "what time is it").await;
    there.listen().await;
    rig.script(|script| script.disk_is_full = false);
    rig.call().await.listen().await;
}
