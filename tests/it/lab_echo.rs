//! The laboratory measures itself before it measures a gateway: a caller on a real Asterisk hears exactly what an echo must give back.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout)]

use std::time::Duration;
use vg_tests::lab::{Asterisk, EndedBy, SipCaller, likeness, tone_share};

/// Half a second of something that is like itself only at one delay.
fn chirp() -> Vec<i16> {
    let mut phase = 0.0_f64;
    (0..4000)
        .map(|n| {
            phase += std::f64::consts::TAU * (300.0 + f64::from(n) * 0.6) / 8000.0;
            (9000.0 * phase.sin()) as i16
        })
        .collect()
}

#[tokio::test]
async fn a_caller_of_the_echo_hears_itself_and_hangs_up() {
    let asterisk = Asterisk::start().await.unwrap();
    let mut caller = SipCaller::dial(&asterisk, "200").await.unwrap();
    let begun = std::time::Instant::now();
    let said_at = caller.say(&chirp()).await.unwrap();
    caller.hears_speech(begun, Duration::from_secs(2)).await.unwrap();
    let quiet_at = caller.hears_quiet(Duration::from_millis(300), Duration::from_secs(3)).await.unwrap();
    assert!(quiet_at < said_at + Duration::from_millis(200), "the echo went on for {:?}", quiet_at - said_at);
    let call = caller.hang_up().await.unwrap();

    let found = likeness(&call.said, &call.heard, 1600);
    println!("echo: {found:?}, {:?}", call.pacing);
    assert!(found.similarity > 0.95, "{found:?}");
    assert_eq!(call.ended_by, EndedBy::Caller);
    assert_eq!(call.pacing.lost, 0);
    assert_eq!(asterisk.channels().await.unwrap(), Vec::<String>::new());
    assert_eq!(asterisk.bridges().await.unwrap(), Vec::<String>::new());
}

#[tokio::test]
async fn a_call_that_no_gateway_takes_ends_with_an_announcement() {
    let asterisk = Asterisk::start().await.unwrap();
    let mut caller = SipCaller::dial(&asterisk, "100").await.unwrap();
    let answered_at = caller.answered_at();
    caller.hears_speech(answered_at, Duration::from_secs(3)).await.unwrap();
    let call = caller.until_hung_up(Duration::from_secs(15)).await.unwrap();
    assert_eq!(call.ended_by, EndedBy::FarEnd);
}

#[tokio::test]
async fn the_tone_is_heard_and_a_killed_asterisk_leaves_the_caller_in_silence() {
    let mut asterisk = Asterisk::start().await.unwrap();
    let mut caller = SipCaller::dial(&asterisk, "201").await.unwrap();
    let from = caller.hears_speech(caller.answered_at(), Duration::from_secs(3)).await.unwrap() - caller.answered_at();
    asterisk.kill().unwrap();
    caller.hears_quiet(Duration::from_millis(300), Duration::from_secs(3)).await.unwrap();
    let call = caller.vanish().await.unwrap();
    let from = from.as_millis() as usize * 8;
    assert!(tone_share(&call.heard[from..from + 320], 8000, 1004.0) > 0.8);

    asterisk.restart().await.unwrap();
    SipCaller::dial(&asterisk, "201").await.unwrap().hang_up().await.unwrap();
}

#[tokio::test]
async fn a_busy_extension_is_told_as_such() {
    let asterisk = Asterisk::start().await.unwrap();
    let refused = SipCaller::dial(&asterisk, "203").await.unwrap_err();
    assert!(format!("{refused:#}").contains("refused 486"), "{refused:#}");
}

#[tokio::test]
async fn a_caller_who_gives_up_while_it_rings_leaves_nothing_behind() {
    let asterisk = Asterisk::start().await.unwrap();
    let ringing = SipCaller::ring(&asterisk, "202").await.unwrap();
    assert_eq!(asterisk.channels().await.unwrap().len(), 1);
    ringing.give_up().await.unwrap();
    assert_eq!(asterisk.channels().await.unwrap(), Vec::<String>::new());
}
