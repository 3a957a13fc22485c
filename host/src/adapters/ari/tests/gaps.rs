//! Gaps in which nobody told what happened.

use super::*;

#[tokio::test]
async fn whose_keys_may_be_missed_is_told_so_when_the_socket_goes_and_when_it_is_back() {
    let mut house = house().await;
    let (mut here, mut away) = (house.call("c1").await, house.call("c2").await);
    away.telephony.transfer(&handover("queue,sales")).await.unwrap();
    house.asterisk.cut();
    assert_eq!(timeout(LONG, here.events.recv()).await.unwrap(), Some(TelephonyEvent::KeysMissed), "before it is back");
    house.asterisk.does("c2", "Queue", "sales");
    house.asterisk.mend();
    assert_eq!(timeout(LONG, here.events.recv()).await.unwrap(), Some(TelephonyEvent::KeysMissed));
    house.asterisk.say(&json!({"type": "ChannelDtmfReceived", "digit": "1", "channel": {"id": "c1"}}));
    assert_eq!(timeout(LONG, here.events.recv()).await.unwrap(), Some(TelephonyEvent::Digit('1')));
    assert!(away.events.try_recv().is_err(), "who is in the dialplan presses no keys for us");
}

#[tokio::test]
async fn what_happened_in_a_gap_is_made_up_for() {
    let mut house = house().await;
    let (mut stays, mut leaves) = (house.call("c1").await, house.call("c2").await);
    house.asterisk.cut();
    until("the gap is noticed", || !house.ari.is_up()).await;
    house.asterisk.forget("c2");
    house.asterisk.leave_behind("vg-test.media.dead", "vg-test.bridge.dead");
    house.asterisk.leave_behind("another.media.dead", "vg-test2.bridge.dead");
    house.asterisk.mend();
    assert_eq!(next(&mut leaves).await, Some(TelephonyEvent::CallerGone));
    until("orphans are removed", || house.asterisk.left() == ["another.media.dead", "c1", "vg-test2.bridge.dead"]).await;
    house.asterisk.say(&json!({"type": "ChannelDtmfReceived", "digit": "1", "channel": {"id": "c1"}}));
    assert_eq!(next(&mut stays).await, Some(TelephonyEvent::Digit('1')));
    assert_eq!(house.ari.stats().connects, 2);
}

#[tokio::test]
async fn callers_who_came_in_a_gap_are_taken_in_and_remains_of_the_dead_are_not() {
    let mut house = house().await;
    let mut lives = house.call("c1").await;
    let leg = set_up(&mut lives).await.unwrap();
    house.asterisk.cut();
    until("the gap is noticed", || !house.ari.is_up()).await;
    let media = format!("vg-test.media.{}", lives.call);
    house.asterisk.comes_unseen(&media, "UnicastRTP/127.0.0.1:9-0x1");
    house.asterisk.comes_unseen("c1", "PJSIP/trunk-00000001");
    house.asterisk.comes_unseen("c2", "PJSIP/trunk-00000002");
    house.asterisk.comes_unseen("x3", "UnicastRTP/127.0.0.1:9-0x2");
    house.asterisk.comes_unseen("vg-test.out.dead", "PJSIP/trunk-00000003");
    house.asterisk.mend();
    let adopted = timeout(SOON, house.calls.recv()).await.unwrap().unwrap();
    assert_eq!((adopted.channel.as_str(), &adopted.tenant), ("c2", &TenantHint::Named(TenantId::new("demo"))));
    assert_eq!((adopted.caller.reveal().as_str(), adopted.dialled.reveal().as_str()), ("5550100", "100"));
    let bridge = format!("vg-test.bridge.{}", lives.call);
    let wanted = ["c1", "c2", media.as_str(), bridge.as_str()];
    until("remains are removed", || house.asterisk.left().len() == 4).await;
    assert!(wanted.iter().all(|name| house.asterisk.left().iter().any(|left| left == name)), "{:?}", house.asterisk.left());
    // Its StasisStart comes after all: it is no second call.
    house.asterisk.caller_comes("c2");
    house.asterisk.say(&json!({"type": "ChannelDtmfReceived", "digit": "5", "channel": {"id": "c1"}}));
    assert_eq!(next(&mut lives).await, Some(TelephonyEvent::Digit('5')));
    assert!(house.calls.try_recv().is_err());
    assert_eq!(house.ari.stats().calls_adopted, 1);
    drop((leg, adopted));
}
