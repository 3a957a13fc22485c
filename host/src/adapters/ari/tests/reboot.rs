//! An Asterisk that was started anew while nobody was connected to it.

use super::*;

/// The caller of `c1`, whose Asterisk was known before it came.
async fn a_call(house: &mut House) -> IncomingCall {
    // It is asked first since when it runs.
    until("it has said so", || house.asterisk.log().iter().any(|line| line == "GET channels")).await;
    house.call("c1").await
}

#[tokio::test]
async fn calls_of_an_asterisk_that_was_started_anew_are_lost_and_not_hung_up_by_their_callers() {
    let mut house = house().await;
    let mut call = a_call(&mut house).await;
    house.asterisk.cut();
    until("the gap is noticed", || !house.ari.is_up()).await;
    house.asterisk.reboot();
    house.asterisk.mend();
    assert_eq!(next(&mut call).await, Some(TelephonyEvent::Lost));
}

#[tokio::test]
async fn a_caller_who_is_gone_from_the_same_asterisk_has_hung_up() {
    let mut house = house().await;
    let mut call = a_call(&mut house).await;
    house.asterisk.cut();
    until("the gap is noticed", || !house.ari.is_up()).await;
    house.asterisk.forget("c1");
    house.asterisk.mend();
    assert_eq!(next(&mut call).await, Some(TelephonyEvent::CallerGone));
}
