//! An Asterisk of 2021, as long as Debian serves it: what a gateway needs of one has been there for long.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a broken story stops; a good one reports")]

use std::time::Duration;
use vg_domain::event::Fact;
use vg_domain::outcome::EndCause;
use vg_tests::house::{House, recording};
use vg_tests::lab::{Asterisk, SipCaller};

#[tokio::test(flavor = "multi_thread")]
async fn caller_of_asterisk_16_is_greeted_understood_and_answered() {
    let asterisk = match Asterisk::start_16().await.unwrap() {
        Ok(asterisk) => asterisk,
        Err(reason) => return println!("NOT RUN: {reason}"),
    };
    let version = asterisk.cli("core show version").await.unwrap();
    assert!(version.contains("Asterisk 16."), "{version}");
    let mut house = House::serving(&[asterisk.ari()]).await.unwrap();
    house.serves_all(Duration::from_secs(10)).await.unwrap();
    let mut caller = SipCaller::dial(&asterisk, "100").await.unwrap();
    caller.hears_speech(caller.answered_at(), Duration::from_secs(5)).await.unwrap();
    caller.hears_quiet(Duration::from_millis(600), Duration::from_secs(15)).await.unwrap();
    let question = vg_media::resample::convert(&recording("time.wav").unwrap(), 16_000, caller.rate_hz()).unwrap();
    let asked = caller.say(&question).await.unwrap();
    caller.hears_speech(asked, Duration::from_secs(8)).await.unwrap();
    let turn = house.fact("a turn", |_, fact| if let Fact::Turn(turn) = fact { Some(turn.clone()) } else { None }).await.unwrap();
    assert!(turn.heard.as_str().contains("time"), "{turn:?}");
    let call = caller.hang_up().await.unwrap();
    assert_eq!(call.pacing.lost, 0, "{:?}", call.pacing);
    let cause = house.fact("the end", |_, fact| if let Fact::Ended(outcome) = fact { Some(outcome.cause) } else { None });
    assert_eq!(cause.await.unwrap(), EndCause::CallerHungUp);
    house.holds_nothing(Duration::from_secs(5)).await.unwrap();
    asterisk.holds_nothing(Duration::from_secs(5)).await.unwrap();
    println!("{}", version.trim());
    house.stop().await;
}
