//! Stories of the virtual house about call control: hand-overs, orders, keys.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a broken story stops")]

use std::time::Duration;
use vg_domain::call::Progress;
use vg_domain::event::Fact;
use vg_domain::outcome::EndCause;
use vg_domain::transfer::{Returned, Transfer, TransferMode, TransferTarget};
use vg_tests::rig::{Caller, RECORDED, Rig};
use voice_gateway::application::ports::{
    AudioChunk, CallOrder, LegEvent, MouthCommand, Observation, OrderError, RecordingOrder, TelephonyEvent, TenantHint,
};

fn to_queue(name: &str) -> CallOrder {
    let target = TransferTarget::Queue(name.to_owned());
    CallOrder::Transfer(Transfer { target, mode: TransferMode::Blind, summary: None })
}

async fn failed(caller: &mut Caller) -> &'static str {
    caller
        .fact(|fact| match fact {
            Fact::TransferFailed { code, .. } => Some(*code),
            _ => None,
        })
        .await
}

#[tokio::test(start_paused = true)]
async fn caller_who_comes_back_from_a_queue_is_talked_to_again_in_the_same_call() {
    let rig = Rig::start(1);
    let mut caller = rig.call().await;
    caller.listen().await;
    assert_eq!(rig.order(0, to_queue("sales")).await, Ok(()));
    caller.until_act("leave-media").await;
    caller.forget_leg();
    caller.happens(TelephonyEvent::Progress(Progress::Dialled)).await;
    tokio::time::sleep(Duration::from_secs(25)).await;
    assert_eq!(rig.order(0, to_queue("sales")).await, Err(OrderError::NotNow));
    caller.happens(TelephonyEvent::Returned(Returned::Busy)).await;
    assert_eq!(failed(&mut caller).await, "busy");
    // The line comes by a new leg, and so does what the caller says next.
    let (_, samples) = caller.listen().await;
    assert!(samples > 0);
    caller.say("what time is it").await;
    tokio::time::sleep(Duration::from_millis(600)).await;
    caller.understood("what time is it").await;
    caller.listen().await;
    caller.hang_up().await;
    assert_eq!(caller.ended().await, EndCause::CallerHungUp);
    let acts = caller.acts();
    let parted = ["transfer queues,sales", "leave-media", "connect-media", "release"];
    assert_eq!(acts[acts.len() - 4..], parted, "{acts:?}");
    let handed = Observation::HandedOver { kind: "queue", mode: "blind", outcome: "busy" };
    assert!(rig.observations().contains(&handed));
}

#[tokio::test(start_paused = true)]
async fn caller_who_is_answered_elsewhere_ends_as_transferred() {
    let rig = Rig::start(1);
    let mut caller = rig.call().await;
    caller.listen().await;
    rig.order(0, to_queue("sales")).await.unwrap();
    caller.happens(TelephonyEvent::Progress(Progress::Answered)).await;
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert_eq!(rig.live(), 1);
    caller.hang_up().await;
    assert_eq!(caller.ended().await, EndCause::Transferred);
    let handed = Observation::HandedOver { kind: "queue", mode: "blind", outcome: "done" };
    assert!(rig.observations().contains(&handed));
}

#[tokio::test(start_paused = true)]
async fn order_that_the_tenant_does_not_allow_disturbs_nothing() {
    let rig = Rig::start(1);
    let mut caller = rig.call().await;
    caller.listen().await;
    let order = |target| CallOrder::Transfer(Transfer { target, mode: TransferMode::Blind, summary: None });
    let outside = order(TransferTarget::External(vg_domain::pii::Pii::new("+493012345678".to_owned())));
    assert_eq!(rig.order(0, outside).await, Err(OrderError::Forbidden));
    assert_eq!(rig.order(0, order(TransferTarget::Queue("a,b".to_owned()))).await, Err(OrderError::Failed("bad_name")));
    // Asterisk knows no such place.
    assert_eq!(rig.order(0, to_queue("nobody")).await, Err(OrderError::Failed("refused")));
    let (_, samples) = caller.listen().await;
    assert!(samples > 0, "nobody is free");
    assert_eq!(caller.acts()[3..], ["transfer queues,nobody"]);
}

#[tokio::test(start_paused = true)]
async fn ordered_words_are_said_after_those_that_are_being_said() {
    let rig = Rig::start(1);
    let mut caller = rig.call().await;
    rig_says(&rig, &mut caller).await;
    assert_eq!(rig.order(0, CallOrder::Say(" ".to_owned())).await, Err(OrderError::Failed("bad_text")));
    assert_eq!(rig.order(0, CallOrder::Say("x".repeat(4_097))).await, Err(OrderError::Failed("bad_text")));
    caller.hang_up().await;
    caller.ended().await;
    assert_eq!(rig.order(0, CallOrder::Say("late".to_owned())).await, Err(OrderError::UnknownCall));
}

async fn rig_says(rig: &Rig, caller: &mut Caller) {
    let said = |fact: &Fact| match fact {
        Fact::Saying { text, .. } => Some(text.as_str().to_owned()),
        _ => None,
    };
    assert_eq!(caller.fact(said).await, "Welcome to the virtual house.");
    rig.order(0, CallOrder::Say("We close in five minutes.".to_owned())).await.unwrap();
    caller.listen().await;
    assert_eq!(caller.fact(said).await, "We close in five minutes.");
    let (_, samples) = caller.listen().await;
    assert!(samples > 0);
    rig.order(0, CallOrder::Say("Now.".to_owned())).await.unwrap();
    assert_eq!(caller.fact(said).await, "Now.");
}

#[tokio::test(start_paused = true)]
async fn ordered_keys_are_sent_and_what_is_no_key_is_not() {
    let rig = Rig::start(1);
    let mut caller = rig.call().await;
    caller.listen().await;
    assert_eq!(rig.order(0, CallOrder::Digits("12*#A".to_owned())).await, Ok(()));
    for wrong in [String::new(), "1 2".to_owned(), "e".to_owned(), "1".repeat(65)] {
        assert_eq!(rig.order(0, CallOrder::Digits(wrong)).await, Err(OrderError::Failed("bad_digits")));
    }
    assert_eq!(caller.acts()[3..], ["digits 12*#A"]);
}

#[tokio::test(start_paused = true)]
async fn recording_is_silenced_and_ended_by_order() {
    let rig = Rig::start(2);
    let mut unrecorded = rig.call().await;
    unrecorded.listen().await;
    assert_eq!(rig.order(0, CallOrder::Recording(RecordingOrder::Pause)).await, Err(OrderError::NotNow));
    let mut caller = rig.call_as(TenantHint::Named(vg_domain::ids::TenantId::new(RECORDED))).await;
    caller.listen().await;
    let tap = |caller: &mut Caller| {
        let told = std::mem::take(&mut caller.told);
        told.into_iter().find_map(|order| if let MouthCommand::Record(tap) = order { Some(tap) } else { None })
    };
    let tap = tap(&mut caller).expect("the call is recorded");
    for (order, paused) in [(RecordingOrder::Pause, true), (RecordingOrder::Resume, false), (RecordingOrder::Pause, true)] {
        rig.order(1, CallOrder::Recording(order)).await.unwrap();
        assert_eq!(tap.is_paused(), paused);
    }
    rig.order(1, CallOrder::Recording(RecordingOrder::Stop)).await.unwrap();
    assert_eq!(rig.order(1, CallOrder::Recording(RecordingOrder::Resume)).await, Err(OrderError::NotNow));
    rig.order(1, CallOrder::Say("Not recorded.".to_owned())).await.unwrap();
    caller.listen().await;
    assert!(caller.told.iter().any(|order| matches!(order, MouthCommand::StopRecording)));
}

fn attended() -> CallOrder {
    let target = TransferTarget::Queue("sales".to_owned());
    CallOrder::Transfer(Transfer { target, mode: TransferMode::Attended, summary: Some("wants a pizza".to_owned()) })
}

#[tokio::test(start_paused = true)]
async fn person_is_told_and_then_talks_to_the_caller_until_the_person_hangs_up() {
    let rig = Rig::start(1);
    let mut caller = rig.call().await;
    caller.listen().await;
    let person = async {
        caller.until_act("consult sales").await;
        caller.happens(TelephonyEvent::PersonAnswered).await;
        let (_, whisper) = caller.listen().await;
        assert!(whisper > 0, "the person is told");
        caller.until_act("join").await;
    };
    let (ordered, ()) = tokio::join!(rig.order(0, attended()), person);
    assert_eq!(ordered, Ok(()));
    tokio::time::sleep(Duration::from_secs(300)).await;
    caller.happens(TelephonyEvent::PersonGone(Returned::Other)).await;
    assert_eq!(caller.ended().await, EndCause::Transferred);
    assert_eq!(caller.acts()[3..], ["consult sales", "meet", "join", "hang-up transferred", "release"]);
}

#[tokio::test(start_paused = true)]
async fn person_who_does_not_answer_leaves_the_caller_with_the_agent() {
    let rig = Rig::start(1);
    let mut caller = rig.call().await;
    caller.listen().await;
    let nobody = async {
        caller.until_act("consult sales").await;
        caller.report(LegEvent::Audio(AudioChunk { pcm: vec![0; 80_000] })).await;
        tokio::time::sleep(Duration::from_secs(20)).await;
        caller.happens(TelephonyEvent::PersonGone(Returned::NoAnswer)).await;
    };
    let (ordered, ()) = tokio::join!(rig.order(0, attended()), nobody);
    assert_eq!(ordered, Err(OrderError::Failed("no_answer")));
    caller.listen().await;
    caller.say("what time is it").await;
    tokio::time::sleep(Duration::from_millis(600)).await;
    caller.understood("what time is it").await;
    let (_, answer) = caller.listen().await;
    assert!(answer > 0);
    assert_eq!(caller.acts()[3..], ["consult sales", "resume"]);
    let lost = rig.observations().into_iter().find(|seen| matches!(seen, Observation::AudioDropped { .. }));
    assert_eq!(lost, None, "music is nobody's words");
}

#[tokio::test(start_paused = true)]
async fn attended_hand_over_that_is_called_off_leaves_the_caller_with_the_agent() {
    let rig = Rig::start(1);
    let mut caller = rig.call().await;
    caller.listen().await;
    assert_eq!(rig.order(0, CallOrder::CallOffTransfer).await, Err(OrderError::NotNow), "none is under way");
    let called_off = async {
        caller.until_act("consult sales").await;
        assert_eq!(rig.order(0, CallOrder::CallOffTransfer).await, Ok(()));
    };
    let (ordered, ()) = tokio::join!(rig.order(0, attended()), called_off);
    assert_eq!(ordered, Err(OrderError::Failed("cancelled")));
    assert_eq!(rig.order(0, CallOrder::CallOffTransfer).await, Err(OrderError::NotNow), "not twice");
    caller.listen().await;
    assert_eq!(caller.acts()[3..], ["consult sales", "resume"]);
    caller.hang_up().await;
    assert_eq!(caller.ended().await, EndCause::CallerHungUp);
}

#[tokio::test(start_paused = true)]
async fn digits_of_a_card_reach_the_agent_as_a_card_and_the_world_as_digits() {
    let rig = Rig::start(1);
    let mut caller = rig.call().await;
    caller.listen().await;
    caller.say("number").await;
    tokio::time::sleep(Duration::from_millis(600)).await;
    caller.understood("number").await;
    caller.listen().await;
    for key in "4111111111111111#".chars() {
        caller.happens(TelephonyEvent::Digit(key)).await;
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    caller.listen().await;
    // The agent repeats what it was asked.
    let record = caller.fact(|fact| match fact {
        Fact::Turn(record) if record.said.as_str().contains("card") => Some(record.clone()),
        _ => None,
    });
    let record = record.await;
    assert_eq!((record.heard.as_str(), record.said.as_str()), ("[digits]", "You said: [card]."));
}
