//! Calls through a real Asterisk: a SIP caller really speaks, the gateway really listens, thinks and speaks.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "a broken story stops; a good one reports")]

use std::time::{Duration, Instant};
use vg_domain::event::Fact;
use vg_domain::outcome::EndCause;
use vg_domain::turn::TurnRecord;
use vg_tests::Size;
use vg_tests::house::{House, recording};
use vg_tests::lab::{Asterisk, CallRecord, EndedBy, SipCaller, rms, tone_share};
use voice_gateway::wiring::Held;

/// The caller's sound at the telephone's rate.
fn telephone(name: &str) -> Vec<i16> {
    vg_media::resample::convert(&recording(name).unwrap(), 16_000, 8_000).unwrap()
}

async fn greeted(caller: &mut SipCaller) {
    caller.hears_speech(caller.answered_at(), Duration::from_secs(5)).await.unwrap();
    caller.hears_quiet(Duration::from_millis(600), Duration::from_secs(15)).await.unwrap();
}

/// Says a recording and hears the answer to its end.
async fn ask(house: &mut House, caller: &mut SipCaller, name: &str) -> TurnRecord {
    let asked = caller.say(&telephone(name)).await.unwrap();
    caller.hears_speech(asked, Duration::from_secs(8)).await.unwrap();
    house
        .fact(name, |_, fact| match fact {
            Fact::Turn(record) => Some(record.clone()),
            _ => None,
        })
        .await
        .unwrap()
}

async fn ended(house: &mut House) -> EndCause {
    house
        .fact("the end", |_, fact| match fact {
            Fact::Ended(outcome) => Some(outcome.cause),
            _ => None,
        })
        .await
        .unwrap()
}

async fn nothing_left(house: &House, asterisk: &Asterisk) {
    house.holds_nothing(Duration::from_secs(5)).await.unwrap();
    assert_eq!(asterisk.channels().await.unwrap(), Vec::<String>::new());
    assert_eq!(asterisk.bridges().await.unwrap(), Vec::<String>::new());
}

fn seconds(call: &CallRecord, from: Instant, until: Instant, answered: Instant) -> Vec<i16> {
    let at = |t: Instant| (t - answered).as_millis() as usize * call.rate_hz as usize / 1000;
    call.heard[at(from).min(call.heard.len())..at(until).min(call.heard.len())].to_vec()
}

#[tokio::test(flavor = "multi_thread")]
async fn caller_is_greeted_asks_three_things_hangs_up_and_nothing_is_left() {
    let asterisk = Asterisk::start().await.unwrap();
    let mut house = House::serving(&[asterisk.ari()]).await.unwrap();
    let mut caller = SipCaller::dial(&asterisk, "100").await.unwrap();
    let answered = caller.answered_at();
    greeted(&mut caller).await;
    let quiet = Instant::now();

    for (recording, word) in [("time.wav", "time"), ("hours.wav", "hours"), ("order.wav", "order")] {
        let turn = ask(&mut house, &mut caller, recording).await;
        assert!(turn.heard.as_str().contains(word), "{recording}: heard {:?}", turn.heard);
        let parts = turn.latency.expect("a spoken turn has an anchor");
        println!("{recording}: heard {:?}, said {:?}, {parts:?}", turn.heard.as_str(), turn.said.as_str());
        caller.hears_quiet(Duration::from_millis(600), Duration::from_secs(15)).await.unwrap();
    }

    let call = caller.hang_up().await.unwrap();
    assert_eq!(call.ended_by, EndedBy::Caller);
    assert!(rms(&seconds(&call, answered, quiet, answered)) > 200.0, "the greeting is not in the recording");
    println!("pacing at the caller: {:?}; at the gateway: {:?}", call.pacing, house.running().pacing());
    assert_eq!(call.pacing.lost, 0);
    assert_eq!(ended(&mut house).await, EndCause::CallerHungUp);
    nothing_left(&house, &asterisk).await;
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn caller_whose_words_nobody_foresaw_is_told_so() {
    let asterisk = Asterisk::start().await.unwrap();
    let mut house = House::serving(&[asterisk.ari()]).await.unwrap();
    let mut caller = SipCaller::dial(&asterisk, "100").await.unwrap();
    greeted(&mut caller).await;
    for foreign in ["football.wav", "pizza.wav"] {
        let asked = caller.say(&telephone(foreign)).await.unwrap();
        // The listener may have guessed at words; in the end there are none, and no answer is on record.
        let record = house.fact(foreign, |_, fact| match fact {
            Fact::NotUnderstood { .. } => Some(None),
            Fact::Turn(record) => Some(Some(record.heard.clone())),
            _ => None,
        });
        assert_eq!(record.await.unwrap(), None, "{foreign}");
        caller.hears_speech(asked, Duration::from_secs(8)).await.unwrap();
        caller.hears_quiet(Duration::from_millis(600), Duration::from_secs(15)).await.unwrap();
    }
    caller.hang_up().await.unwrap();
    assert_eq!(ended(&mut house).await, EndCause::CallerHungUp);
    nothing_left(&house, &asterisk).await;
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn agent_says_goodbye_and_hangs_up() {
    let asterisk = Asterisk::start().await.unwrap();
    let mut house = House::serving(&[asterisk.ari()]).await.unwrap();
    let mut caller = SipCaller::dial(&asterisk, "100").await.unwrap();
    greeted(&mut caller).await;
    caller.say(&telephone("goodbye.wav")).await.unwrap();
    let call = caller.until_hung_up(Duration::from_secs(20)).await.unwrap();
    assert_eq!(call.ended_by, EndedBy::FarEnd);
    assert_eq!(ended(&mut house).await, EndCause::AgentHungUp);
    nothing_left(&house, &asterisk).await;
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn caller_who_asks_for_a_person_reaches_one() {
    let asterisk = Asterisk::start().await.unwrap();
    let mut house = House::serving(&[asterisk.ari()]).await.unwrap();
    let mut caller = SipCaller::dial(&asterisk, "100").await.unwrap();
    greeted(&mut caller).await;
    caller.say(&telephone("human.wav")).await.unwrap();
    house
        .fact("the hand-over", |_, fact| match fact {
            Fact::Escalated { .. } => Some(()),
            _ => None,
        })
        .await
        .unwrap();
    // The gateway still knows of the caller, and holds nothing of it but its task.
    let parted = Held { calls: 1, legs: 0, sessions: 1, asterisk: 1 };
    house.holds(parted, Duration::from_secs(5)).await.unwrap();
    // The caller listens to the person for a second: what is recorded, not what is waited for.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let call = caller.hang_up().await.unwrap();
    let last = &call.heard[call.heard.len().saturating_sub(call.rate_hz as usize / 2)..];
    assert!(tone_share(last, call.rate_hz, 1004.0) > 0.8, "the person's tone is not heard");
    assert_eq!(ended(&mut house).await, EndCause::Transferred);
    nothing_left(&house, &asterisk).await;
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn caller_who_hangs_up_at_any_moment_leaves_nothing() {
    let asterisk = Asterisk::start().await.unwrap();
    let mut house = House::serving(&[asterisk.ari()]).await.unwrap();
    let moments: Vec<u64> = match Size::asked() {
        Size::Ci => vec![0, 50, 300, 1_500],
        Size::Full => (0..40).map(|n| n * 50).collect(),
    };
    println!("hung up at {} moments after the answer ({:?} size)", moments.len(), Size::asked());
    for after_ms in moments {
        let caller = SipCaller::dial(&asterisk, "100").await.unwrap();
        tokio::time::sleep(Duration::from_millis(after_ms)).await;
        caller.hang_up().await.unwrap();
        assert_eq!(ended(&mut house).await, EndCause::CallerHungUp, "after {after_ms} ms");
        nothing_left(&house, &asterisk).await;
    }
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn caller_whose_sound_stops_without_a_bye_is_asked_and_then_hung_up() {
    let asterisk = Asterisk::start().await.unwrap();
    let mut house = House::serving(&[asterisk.ari()]).await.unwrap();
    let mut caller = SipCaller::dial(&asterisk, "100").await.unwrap();
    greeted(&mut caller).await;
    caller.fall_silent();
    let silent = Instant::now();
    // Asked twice, told goodbye: a phone whose network died cannot answer, and one whose owner is silent sends no less.
    for _ in 0..3 {
        caller.hears_speech(Instant::now(), Duration::from_secs(8)).await.unwrap();
        caller.hears_quiet(Duration::from_millis(600), Duration::from_secs(8)).await.unwrap();
    }
    assert_eq!(ended(&mut house).await, EndCause::CallerSilent);
    // The standstill was noticed after ten seconds; Asterisk was asked, and still knew the caller.
    assert!(house.metric("vg_media_inactive_total").await.unwrap() >= 1.0);
    println!("a caller without packets was hung up after {:?}", silent.elapsed());
    let call = caller.until_hung_up(Duration::from_secs(5)).await.unwrap();
    assert_eq!(call.ended_by, EndedBy::FarEnd);
    // The line to the caller was never dead: a packet for each 20 ms, but for what a stall of the machine may cost.
    let frames = call.said.len() * 50 / call.rate_hz as usize;
    assert!(call.pacing.lost == 0 && call.pacing.packets * 20 >= frames * 19, "{:?} in {frames} frames", call.pacing);
    nothing_left(&house, &asterisk).await;
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn caller_who_talks_over_the_answer_silences_the_agent_and_is_understood() {
    let asterisk = Asterisk::start().await.unwrap();
    let mut house = House::serving(&[asterisk.ari()]).await.unwrap();
    let mut caller = SipCaller::dial(&asterisk, "100").await.unwrap();
    greeted(&mut caller).await;
    let asked = caller.say(&telephone("hours.wav")).await.unwrap();
    caller.hears_speech(asked, Duration::from_secs(8)).await.unwrap();

    let over = Instant::now();
    caller.begin_saying(&telephone("time.wav")).unwrap();
    let spoken_ms = house
        .fact("the interruption", |_, fact| match fact {
            Fact::Interrupted { spoken_ms, .. } => Some(*spoken_ms),
            _ => None,
        })
        .await
        .unwrap();
    println!("interrupted {:?} after the caller's sound began, {spoken_ms} ms of the answer had been heard", over.elapsed());
    let heard = house
        .fact("the second question", |_, fact| match fact {
            Fact::Heard { text, .. } if text.as_str().contains("time") => Some(text.clone()),
            _ => None,
        })
        .await;
    heard.unwrap();
    caller.hang_up().await.unwrap();
    assert_eq!(ended(&mut house).await, EndCause::CallerHungUp);
    nothing_left(&house, &asterisk).await;
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn callers_at_the_same_time_are_all_understood_and_paced() {
    let asterisk = Asterisk::start().await.unwrap();
    let mut house = House::serving(&[asterisk.ari()]).await.unwrap();
    let callers = match Size::asked() {
        Size::Ci => 3,
        Size::Full => 8,
    };
    let mut lines = Vec::new();
    for _ in 0..callers {
        lines.push(SipCaller::dial(&asterisk, "100").await.unwrap());
    }
    let mut calls = Vec::new();
    for mut caller in lines {
        calls.push(async move {
            greeted(&mut caller).await;
            let asked = caller.say(&telephone("time.wav")).await.unwrap();
            caller.hears_speech(asked, Duration::from_secs(8)).await.unwrap();
            caller.hears_quiet(Duration::from_millis(600), Duration::from_secs(15)).await.unwrap();
            caller.hang_up().await.unwrap()
        });
    }
    let records = futures_util::future::join_all(calls).await;
    for (n, record) in records.iter().enumerate() {
        assert_eq!(ended(&mut house).await, EndCause::CallerHungUp, "call {n}");
        println!("caller {n} of {callers}: {:?}", record.pacing);
        assert_eq!(record.pacing.lost, 0);
    }
    println!("at the gateway: {:?}", house.running().pacing());
    nothing_left(&house, &asterisk).await;
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn asterisk_that_dies_ends_its_calls_and_no_others_and_serves_again_when_it_is_back() {
    let mut doomed = Asterisk::start().await.unwrap();
    let survivor = Asterisk::start().await.unwrap();
    let mut house = House::serving(&[doomed.ari(), survivor.ari()]).await.unwrap();
    let mut lost = SipCaller::dial(&doomed, "100").await.unwrap();
    greeted(&mut lost).await;
    let mut kept = SipCaller::dial(&survivor, "100").await.unwrap();
    greeted(&mut kept).await;

    let killed = Instant::now();
    doomed.kill().unwrap();
    assert_eq!(ended(&mut house).await, EndCause::AsteriskLost);
    println!("call ended as asterisk_lost {:?} after the kill", killed.elapsed());
    assert!(killed.elapsed() < Duration::from_secs(10));
    house.holds(Held { calls: 1, legs: 1, sessions: 2, asterisk: 1 }, Duration::from_secs(10)).await.unwrap();
    lost.vanish().await.unwrap();

    let turn = ask(&mut house, &mut kept, "time.wav").await;
    assert!(turn.heard.as_str().contains("time"), "{turn:?}");
    // It comes back while that call goes on, and serves again.
    doomed.restart().await.unwrap();
    let begun = Instant::now();
    house.serves_all(Duration::from_secs(15)).await.unwrap();
    println!("asterisk serves again {:?} after its restart", begun.elapsed());
    let mut again = SipCaller::dial(&doomed, "100").await.unwrap();
    greeted(&mut again).await;
    again.hang_up().await.unwrap();
    assert_eq!(ended(&mut house).await, EndCause::CallerHungUp);

    kept.hang_up().await.unwrap();
    assert_eq!(ended(&mut house).await, EndCause::CallerHungUp);
    nothing_left(&house, &survivor).await;
    nothing_left(&house, &doomed).await;
    house.stop().await;
}
