//! Stories of the virtual house about what is kept of a call, and what is watched on its line.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a broken story stops")]

use std::time::Duration;
use vg_domain::call::Resume;
use vg_domain::event::Fact;
use vg_domain::ids::TenantId;
use vg_domain::mask::Heard;
use vg_domain::outcome::EndCause;
use vg_domain::recording::{AnsweredWith, DeletionReason, PauseReason, RecordingFact};
use vg_tests::rig::{ASKED, Caller, RECORDED, Rig, now};
use voice_gateway::application::ports::{
    CallOrder, HearingEvent, LegEvent, MouthCommand, Observation, OrderError, RecordingOrder, TelephonyEvent, TenantHint,
};
use voice_gateway::application::recording::{PartsOf, RecordingSource, RecordingTap, RecordingWish, Sound};
use voice_gateway::application::resume::{self, Memory};

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
    assert_eq!((request.tenant.as_str(), request.call.as_str(), request.part), ("virtual", "call-1", 1));
    assert_eq!(request.began, request.first_began);
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

fn asked() -> TenantHint {
    TenantHint::Named(TenantId::new(ASKED))
}

/// What became of recordings so far.
fn told(rig: &Rig) -> Vec<RecordingFact> {
    let recordings = |(_, _, fact)| if let Fact::Recording(fact) = fact { Some(fact) } else { None };
    rig.published().into_iter().filter_map(recordings).collect()
}

fn tap(caller: &mut Caller) -> Box<RecordingTap> {
    let told = std::mem::take(&mut caller.told);
    told.into_iter().find_map(|order| if let MouthCommand::Record(tap) = order { Some(tap) } else { None }).expect("a recording")
}

async fn a_moment() {
    tokio::time::sleep(Duration::from_millis(20)).await;
}

/// What another gateway would go on with.
fn kept(rig: &Rig) -> (Resume, Memory) {
    resume::decode(&rig.snapshots().pop().and_then(|last| last.resume).expect("something is kept")).unwrap()
}

#[tokio::test(start_paused = true)]
async fn nothing_is_recorded_before_the_caller_says_yes() {
    let rig = Rig::start(2);
    let mut caller = rig.call_as(asked()).await;
    // The question.
    caller.listen().await;
    a_moment().await;
    assert!(!is_told_to_record(&caller) && rig.recordings().is_empty());
    caller.say("yes").await;
    caller.understood("Yes.").await;
    // The greeting.
    caller.listen().await;
    assert!(is_told_to_record(&caller));
    let consent = RecordingFact::Consent { given: true, by: AnsweredWith::Phrase };
    assert_eq!(told(&rig), [consent, RecordingFact::Began { part: 1, after: Duration::ZERO }]);

    let mut refuses = rig.call_as(asked()).await;
    refuses.listen().await;
    refuses.happens(TelephonyEvent::Digit('2')).await;
    refuses.listen().await;
    assert!(!is_told_to_record(&refuses));
    assert_eq!(told(&rig)[2..], [RecordingFact::Consent { given: false, by: AnsweredWith::Key }]);
}

#[tokio::test(start_paused = true)]
async fn caller_who_objects_is_not_recorded_any_more_and_what_there_is_goes() {
    let rig = Rig::start(1);
    let mut caller = rig.call_as(recorded()).await;
    caller.listen().await;
    let call = rig.recordings()[0].0.call.clone();
    let kept_before = rig.snapshots().len();
    caller.happens(TelephonyEvent::Digit('*')).await;
    // So soon after the greeting's end other changes would wait; who objects has objected.
    a_moment().await;
    assert!(rig.snapshots().len() > kept_before);
    assert_eq!(kept(&rig).0.consent.map(|consent| consent.code()), Some("withdrawn"));
    // "Nothing is kept."
    caller.listen().await;
    assert!(caller.told.iter().any(|order| matches!(order, MouthCommand::StopRecording)));
    assert_eq!(rig.forgotten(), [(call, DeletionReason::OptedOut, PartsOf::ThisGateway)]);
    let by = AnsweredWith::Key;
    assert_eq!(told(&rig)[1..], [RecordingFact::OptedOut { by }, RecordingFact::Stopped { part: 1 }]);
    // Also where the leg is built anew, or another gateway goes on.
    a_moment().await;
    let (resume, memory) = kept(&rig);
    assert_eq!(resume.consent.map(|consent| consent.code()), Some("withdrawn"));
    assert_eq!((memory.recording.wish, memory.recording.parts), (RecordingWish::Stopped, 1));
}

#[tokio::test(start_paused = true)]
async fn which_part_comes_next_is_kept_with_the_call_and_told() {
    let rig = Rig::start(1);
    let mut caller = rig.call_as(recorded()).await;
    caller.listen().await;
    caller.report(LegEvent::PathSilent { heard: false, sent: true }).await;
    caller.new_leg().await;
    a_moment().await;
    let parts: Vec<_> = rig.recordings().into_iter().map(|(request, _)| (request.part, request.first_began)).collect();
    assert_eq!((parts.len(), parts[0].0, parts[1].0), (2, 1, 2));
    assert_eq!(parts[0].1, parts[1].1, "both know when the first began");
    assert!(matches!(told(&rig)[..], [RecordingFact::Began { part: 1, .. }, RecordingFact::Began { part: 2, .. }]));
    caller.listen().await;
    a_moment().await;
    let (_, memory) = kept(&rig);
    assert_eq!(memory.recording.parts, 2);
    let ms = |at: std::time::SystemTime| at.duration_since(std::time::SystemTime::UNIX_EPOCH).unwrap().as_millis();
    assert_eq!(memory.recording.first_began.map(ms), Some(ms(parts[0].1)));
}

#[tokio::test(start_paused = true)]
async fn recording_is_silent_from_the_first_digit_of_a_card_to_the_words_after_it() {
    let rig = Rig::start(1);
    let mut caller = rig.call_as(recorded()).await;
    caller.listen().await;
    let tap = tap(&mut caller);
    let (_, source) = rig.recordings().remove(0);
    tap.begins(now());
    tokio::time::sleep(Duration::from_secs(2)).await;
    let at = now();
    caller.report(LegEvent::SpeechStarted { at, position_ms: 0 }).await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    let growing = Heard::new("my card is 4111 1111".to_owned());
    caller.listener().send(HearingEvent::Partial { words: growing, stability: None }).await.unwrap();
    a_moment().await;
    assert!(tap.is_paused(), "from here on");
    // What was said of it before was on the tape already: from 200 ms before its first sample.
    let hidden = source.hidden();
    let [(from, until)] = hidden[..] else { panic!("{hidden:?}") };
    assert!((88..=91).contains(&from) && (249..=252).contains(&until), "{hidden:?}");
    caller.report(LegEvent::SpeechEnded { last_voiced: now(), position_ms: 3_000 }).await;
    tokio::time::sleep(Duration::from_millis(600)).await;
    caller.understood("my card is 4111 1111 1111 1111").await;
    caller.listen().await;
    assert!(!tap.is_paused(), "it was whole, and is over");
    caller.say("the rest is 4111").await;
    tokio::time::sleep(Duration::from_millis(600)).await;
    caller.understood("and then 4111").await;
    caller.listen().await;
    assert!(tap.is_paused(), "more of it may follow");
    caller.say("thank you").await;
    tokio::time::sleep(Duration::from_millis(600)).await;
    caller.understood("thank you").await;
    caller.listen().await;
    assert!(!tap.is_paused());
    let why = PauseReason::Card;
    let (paused, resumed) = (RecordingFact::Paused { part: 1, why }, RecordingFact::Resumed { part: 1 });
    assert_eq!(told(&rig)[1..], [paused.clone(), resumed.clone(), paused, resumed]);
    assert_eq!(source.hidden().len(), 1);
}

/// A caller whose recording has begun, and who speaks since its 100th frame, for so long.
async fn speaking(rig: &Rig, length: Duration) -> (Caller, Box<RecordingTap>, RecordingSource) {
    let mut caller = rig.call_as(recorded()).await;
    caller.listen().await;
    let tap = tap(&mut caller);
    let (_, source) = rig.recordings().remove(0);
    tap.begins(now());
    tokio::time::sleep(Duration::from_secs(2)).await;
    caller.report(LegEvent::SpeechStarted { at: now(), position_ms: 0 }).await;
    tokio::time::sleep(length).await;
    (caller, tap, source)
}

async fn orders(rig: &Rig, order: RecordingOrder) {
    rig.order(0, CallOrder::Recording(order)).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn card_that_was_begun_before_an_ordered_pause_is_silent_from_its_first_digit() {
    let rig = Rig::start(1);
    let (mut caller, tap, source) = speaking(&rig, Duration::from_secs(1)).await;
    orders(&rig, RecordingOrder::Pause).await;
    assert!(tap.is_paused() && source.hidden().is_empty(), "nobody has understood anything yet");
    tokio::time::sleep(Duration::from_secs(2)).await;
    for growing in ["my card is 4111", "my card is 4111 1111"] {
        let words = Heard::new(growing.to_owned());
        caller.listener().send(HearingEvent::Partial { words, stability: None }).await.unwrap();
        a_moment().await;
    }
    // The second that was heard before the order is in it. Once is enough: all that came later is silent already.
    let hidden = source.hidden();
    let [(from, until)] = hidden[..] else { panic!("{hidden:?}") };
    assert!((88..=91).contains(&from) && (249..=252).contains(&until), "{hidden:?}");
    orders(&rig, RecordingOrder::Resume).await;
    assert!(tap.is_paused(), "the card is not over");
    caller.report(LegEvent::SpeechEnded { last_voiced: now(), position_ms: 3_000 }).await;
    tokio::time::sleep(Duration::from_millis(600)).await;
    caller.understood("my card is 4111 1111 1111 1111").await;
    caller.listen().await;
    assert!(!tap.is_paused());
}

/// One stretch: from 200 ms before the voice began until behind the end of the part, five seconds after its beginning.
fn is_hidden_to_the_end(source: &RecordingSource) -> bool {
    let hidden = source.hidden();
    matches!(hidden[..], [(from, until)] if (88..=91).contains(&from) && (251..=270).contains(&until))
}

#[tokio::test(start_paused = true)]
async fn what_nobody_has_understood_when_a_part_ends_before_its_call_is_silent_in_it() {
    let rig = Rig::start(1);
    let (_caller, _tap, source) = speaking(&rig, Duration::from_secs(3)).await;
    orders(&rig, RecordingOrder::Stop).await;
    assert!(is_hidden_to_the_end(&source), "stopped by order");

    let rig = Rig::start(1);
    let (mut caller, _tap, source) = speaking(&rig, Duration::from_secs(3)).await;
    caller.report(LegEvent::PathSilent { heard: true, sent: false }).await;
    caller.new_leg().await;
    a_moment().await;
    assert!(is_hidden_to_the_end(&source), "its leg is built anew");
    assert_eq!(rig.recordings().len(), 1, "the next part");

    let rig = Rig::start(1);
    let (mut caller, _tap, source) = speaking(&rig, Duration::from_secs(3)).await;
    caller.happens(TelephonyEvent::Taken).await;
    caller.fact(|fact| matches!(fact, Fact::TakenOver).then_some(())).await;
    assert!(is_hidden_to_the_end(&source), "another gateway goes on");
}

#[tokio::test(start_paused = true)]
async fn what_was_understood_stays_where_a_part_ends() {
    let rig = Rig::start(1);
    let (mut caller, tap, source) = speaking(&rig, Duration::from_secs(1)).await;
    caller.report(LegEvent::SpeechEnded { last_voiced: now(), position_ms: 1_000 }).await;
    let words = Heard::new("what time is it".to_owned());
    caller.listener().send(HearingEvent::Partial { words, stability: None }).await.unwrap();
    tokio::time::sleep(Duration::from_millis(600)).await;
    caller.understood("what time is it").await;
    caller.listen().await;
    orders(&rig, RecordingOrder::Stop).await;
    assert!(!tap.is_paused() && source.hidden().is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_there_is_of_a_call_is_deleted_by_order() {
    let rig = Rig::start(2);
    let mut plain = rig.call().await;
    plain.listen().await;
    assert_eq!(rig.order(0, CallOrder::Recording(RecordingOrder::Delete)).await, Err(OrderError::NotNow));
    let mut caller = rig.call_as(recorded()).await;
    caller.listen().await;
    rig.order(1, CallOrder::Recording(RecordingOrder::Delete)).await.unwrap();
    assert_eq!(rig.forgotten().len(), 1);
    assert_eq!(rig.forgotten()[0].1, DeletionReason::Ordered);
    assert_eq!(told(&rig).last(), Some(&RecordingFact::Stopped { part: 1 }));
    assert_eq!(rig.order(1, CallOrder::Recording(RecordingOrder::Pause)).await, Err(OrderError::NotNow));
}
