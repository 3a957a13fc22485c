//! Callers whom this gateway may have lost while it stood still.

use super::*;

/// One of several gateways, which holds its callers.
async fn shared_house() -> House {
    let house = house_with(9, Some("here".into())).await;
    house.asterisk.is_held_by("here");
    house
}

/// What cannot be taken back, of the requests for a caller.
fn acts(house: &House) -> Vec<String> {
    let lasting = |line: &String| {
        line == "DELETE channels/c1" || ["/continue", "/dtmf"].iter().any(|act| *line == format!("POST channels/c1{act}"))
    };
    house.asterisk.log().into_iter().filter(lasting).collect()
}

#[tokio::test]
async fn a_caller_whom_another_gateway_holds_is_not_hung_up_handed_over_or_sent_keys() {
    let mut house = shared_house().await;
    let mut call = house.call("c1").await;
    let leg = set_up(&mut call).await.unwrap();
    house.asterisk.is_held_by("elsewhere");
    assert_eq!(call.telephony.hang_up(EndCause::Stopped).await, Err(TelephonyError::Gone));
    assert_eq!(next(&mut call).await, Some(TelephonyEvent::Taken));
    assert_eq!(call.telephony.transfer(&handover("queue,sales")).await, Err(TelephonyError::Gone));
    assert_eq!(call.telephony.send_digits("1").await, Err(TelephonyError::Gone));
    assert_eq!(acts(&house), Vec::<String>::new());
    assert!(house.asterisk.left().iter().any(|left| left == "c1"), "the caller talks to another gateway");
    call.telephony.forsake();
    drop((leg, call));
}

#[tokio::test]
async fn a_caller_whom_this_gateway_holds_is_sent_keys_and_hung_up() {
    let mut house = shared_house().await;
    let mut call = house.call("c1").await;
    let leg = set_up(&mut call).await.unwrap();
    call.telephony.send_digits("1").await.unwrap();
    call.telephony.hang_up(EndCause::Stopped).await.unwrap();
    assert_eq!(acts(&house), ["POST channels/c1/dtmf", "DELETE channels/c1"]);
    call.telephony.release().await.unwrap();
    drop((leg, call));
    house.until_nothing_is_left().await;
}
