use super::super::tests::{DEADLINE, House, SOON, house, until};
use super::*;
use crate::application::ports::Telephony;
use std::time::Duration;
use tokio::time::timeout;
use vg_domain::ids::TenantId;
use vg_domain::outcome::EndCause;
use vg_domain::pii::Pii;

/// Recorded from Asterisk 22.10.1: a call that was answered, one that was busy, one that nobody took.
const RECORDED: &str = include_str!("../fixtures/originate.jsonl");

fn order(call: &str, detect_machines: bool) -> DialOrder {
    DialOrder {
        call: CallId::new(call),
        tenant: TenantId::new("acme"),
        endpoint: Pii::new("PJSIP/5550100@trunk".into()),
        caller_id: Pii::new("+551130000000".into()),
        ring: Duration::from_secs(20),
        detect_machines,
    }
}

async fn dial(house: &House, order: DialOrder) -> Dialled {
    Diallers::new(vec![Arc::clone(&house.ari)]).dial(order).await.map_err(|error| panic!("{error}")).unwrap()
}

async fn next(leg: &mut Dialled) -> Option<TelephonyEvent> {
    timeout(SOON, leg.events.recv()).await.unwrap()
}

async fn hang_up(house: &House, mut telephony: Box<dyn Telephony>, channel: &str) {
    telephony.hang_up(EndCause::Stopped).await.unwrap();
    telephony.release().await.unwrap();
    house.asterisk.destroys(channel, 16);
    house.until_nothing_is_left().await;
}

#[tokio::test]
async fn somebody_is_dialled_as_the_order_says_and_talks_when_up() {
    let house = house().await;
    let mut leg = dial(&house, order("c1", false)).await;
    assert_eq!(leg.channel, "vg-test.out.c1");
    let told = house.asterisk.dialled().remove(0);
    let expected = json!({
        "endpoint": "PJSIP/5550100@trunk", "app": "vg-test", "appArgs": "outbound", "channelId": "vg-test.out.c1",
        "callerId": "+551130000000", "timeout": 20,
        "variables": {"VG_APP": "vg-test", "VG_CALL": "c1", "VG_TENANT": "acme", "PJSIP_TRANSFER_HANDLING()": "ari-only"},
    });
    assert_eq!(told, expected);
    assert!(leg.events.try_recv().is_err(), "it rings");
    house.asterisk.enters("vg-test.out.c1", &["outbound"], "Up");
    assert_eq!(next(&mut leg).await, Some(TelephonyEvent::Up(AnsweredBy::CalledSide)));
    let media = leg.telephony.connect_media().await.unwrap();
    house.asterisk.caller_hangs_up("vg-test.out.c1");
    assert_eq!(next(&mut leg).await, Some(TelephonyEvent::CallerGone));
    assert_eq!(next(&mut leg).await, None);
    leg.telephony.release().await.unwrap();
    drop((media, leg));
    house.until_nothing_is_left().await;
}

#[tokio::test]
async fn each_cause_of_an_end_while_it_rings_has_its_name() {
    let house = house().await;
    for (cause, failure) in [
        (17, DialFailure::Busy),
        (19, DialFailure::NoAnswer),
        (34, DialFailure::Congestion),
        (21, DialFailure::Rejected),
        (1, DialFailure::Unallocated),
        (0, DialFailure::Failed),
    ] {
        let mut leg = dial(&house, order(&format!("c{cause}"), false)).await;
        house.asterisk.destroys(&leg.channel, cause);
        assert_eq!(next(&mut leg).await, Some(TelephonyEvent::NotReached(failure)), "{cause}");
        assert_eq!(next(&mut leg).await, None);
        leg.telephony.release().await.unwrap();
        drop(leg);
        house.until_nothing_is_left().await;
    }
    // Where the cause says nothing, what the dialling said counts.
    let mut leg = dial(&house, order("told", false)).await;
    house.asterisk.say(&json!({"type": "Dial", "dialstatus": "BUSY", "peer": {"id": leg.channel}}));
    house.asterisk.destroys(&leg.channel, 16);
    assert_eq!(next(&mut leg).await, Some(TelephonyEvent::NotReached(DialFailure::Busy)));
    leg.telephony.release().await.unwrap();
}

#[tokio::test]
async fn a_call_is_hung_up_while_it_rings() {
    let house = house().await;
    let Dialled { channel, telephony, events } = dial(&house, order("c1", false)).await;
    hang_up(&house, telephony, &channel).await;
    drop(events);
    assert!(house.asterisk.log().contains(&"DELETE channels/vg-test.out.c1".to_owned()));
}

#[tokio::test]
async fn a_trunk_that_asterisk_does_not_know_is_refused_and_leaves_nothing() {
    let house = house().await;
    let wrong = DialOrder { endpoint: Pii::new("PJSIP/1@nosuch".into()), ..order("c1", false) };
    let diallers = Diallers::new(vec![Arc::clone(&house.ari)]);
    assert_eq!(diallers.dial(wrong).await.err(), Some(DialError::Refused));
    assert_eq!(house.ari.stats().calls_live, 0);
    assert_eq!(Diallers::new(Vec::new()).dial(order("c2", false)).await.err(), Some(DialError::Unreachable));
}

#[tokio::test]
async fn an_order_that_nobody_waits_for_or_that_is_not_answered_rings_nobody() {
    let house = house().await;
    let diallers = Diallers::new(vec![Arc::clone(&house.ari)]);
    house.asterisk.hang_at(Some("POST channels"));
    assert_eq!(diallers.dial(order("late", false)).await.err(), Some(DialError::Unreachable));
    house.until_nothing_is_left().await;
    assert!(timeout(DEADLINE / 2, diallers.dial(order("impatient", false))).await.is_err());
    house.until_nothing_is_left().await;
    // It was answered before it could be removed.
    house.asterisk.enters("vg-test.out.late", &["outbound"], "Up");
    house.until_nothing_is_left().await;
}

#[tokio::test]
async fn machines_are_told_from_people_by_the_dialplan() {
    let mut house = house().await;
    house.asterisk.detects_machines();
    for (status, by) in [("MACHINE", AnsweredBy::Machine), ("HUMAN", AnsweredBy::Human), ("NOTSURE", AnsweredBy::NotSure)] {
        let mut leg = dial(&house, order(status, true)).await;
        let channel = leg.channel.clone();
        house.asterisk.enters(&channel, &["outbound"], "Up");
        let sent = format!("POST channels/{channel}/continue");
        until("it is sent to the dialplan", || house.asterisk.log().contains(&sent)).await;
        house.asterisk.say(&json!({"type": "StasisEnd", "channel": {"id": channel}}));
        house.asterisk.enters(&channel, &["outbound", status, "LONGGREETING-1500-1500"], "Up");
        assert_eq!(next(&mut leg).await, Some(TelephonyEvent::Up(by)));
        hang_up(&house, leg.telephony, &channel).await;
    }
    // Who hangs up while it is found out is gone.
    let mut leg = dial(&house, order("gone", true)).await;
    house.asterisk.enters(&leg.channel, &["outbound"], "Up");
    house.asterisk.say(&json!({"type": "StasisEnd", "channel": {"id": leg.channel}}));
    house.asterisk.destroys(&leg.channel, 16);
    assert_eq!(next(&mut leg).await, Some(TelephonyEvent::CallerGone));
    leg.telephony.release().await.unwrap();
    drop(leg);
    house.until_nothing_is_left().await;
    assert!(house.calls.try_recv().is_err(), "none of them was taken for a caller");
}

#[tokio::test]
async fn without_the_context_nobody_is_sure_and_the_call_goes_on() {
    let house = house().await;
    let mut leg = dial(&house, order("c1", true)).await;
    house.asterisk.enters(&leg.channel, &["outbound"], "Up");
    assert_eq!(next(&mut leg).await, Some(TelephonyEvent::Up(AnsweredBy::NotSure)));
    hang_up(&house, leg.telephony, "vg-test.out.c1").await;
}

#[tokio::test]
async fn a_channel_that_comes_unanswered_is_never_talked_to() {
    let house = house().await;
    let mut leg = dial(&house, order("c1", false)).await;
    house.asterisk.enters(&leg.channel, &["outbound"], "Ringing");
    assert_eq!(next(&mut leg).await, Some(TelephonyEvent::NotReached(DialFailure::Failed)));
    leg.telephony.release().await.unwrap();
    drop(leg);
    house.until_nothing_is_left().await;
}

#[tokio::test]
async fn what_rings_without_a_call_is_removed_after_a_gap_and_who_was_handed_over_is_not() {
    let house = house().await;
    house.asterisk.cut();
    until("the gap is noticed", || !house.ari.is_up()).await;
    house.asterisk.leave_ringing("vg-test.out.dead");
    house.asterisk.leave_ringing("other.out.dead");
    house.asterisk.leave_in("vg-test.out.queued", "Queue");
    house.asterisk.mend();
    until("it is removed", || house.asterisk.left() == ["other.out.dead", "vg-test.out.queued"]).await;
}

#[tokio::test]
async fn who_answered_or_was_lost_in_a_gap_is_made_up_for() {
    let house = house().await;
    let mut answered = dial(&house, order("answered", false)).await;
    let mut lost = dial(&house, order("lost", false)).await;
    let mut rings = dial(&house, order("rings", false)).await;
    house.asterisk.detects_machines();
    let mut machine = dial(&house, order("machine", true)).await;
    house.asterisk.enters(&machine.channel, &["outbound"], "Up");
    until("it is sent to the dialplan", || house.asterisk.log().iter().any(|line| line.ends_with("/continue"))).await;
    house.asterisk.cut();
    until("the gap is noticed", || !house.ari.is_up()).await;
    house.asterisk.leave_behind(&answered.channel, "other.bridge");
    house.asterisk.forget(&lost.channel);
    house.asterisk.comes_back(&machine.channel, "vg-test,outbound,MACHINE,MAXWORDS-3-3");
    house.asterisk.mend();
    assert_eq!(next(&mut machine).await, Some(TelephonyEvent::Up(AnsweredBy::Machine)));
    assert_eq!(next(&mut answered).await, Some(TelephonyEvent::Up(AnsweredBy::CalledSide)));
    assert_eq!(next(&mut lost).await, Some(TelephonyEvent::NotReached(DialFailure::Failed)));
    assert!(rings.events.try_recv().is_err());
    house.asterisk.destroys(&rings.channel, 17);
    assert_eq!(next(&mut rings).await, Some(TelephonyEvent::NotReached(DialFailure::Busy)));
}

#[test]
fn recorded_calls_say_what_became_of_them() {
    let parse = |line: &str| serde_json::from_str::<Event>(line).unwrap();
    let (mut states, mut ends, mut statuses) = (Vec::new(), Vec::new(), Vec::new());
    for event in RECORDED.lines().map(parse) {
        match event {
            Event::Dial { dialstatus, .. } => statuses.push(dialstatus),
            Event::StasisStart { channel, args } => states.push((channel.state, args.concat())),
            Event::ChannelDestroyed { cause, .. } => ends.push(failure(cause, None)),
            _ => {}
        }
    }
    assert_eq!(statuses, ["", "RINGING", "ANSWER", "", "RINGING", "BUSY", ""]);
    assert_eq!(states, [("Up".to_owned(), "dialed".to_owned())]);
    assert_eq!(ends, [DialFailure::Busy, DialFailure::NoAnswer]);
}
