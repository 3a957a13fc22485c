mod gaps;
mod held;
mod reboot;

use super::fake::Asterisk;
use super::*;
use crate::adapters::rtp::ShardConfig;
use crate::application::ports::{LegEvent, TelephonyEvent, TenantHint};
use serde_json::json;
use std::time::Instant;
use tokio::time::timeout;
use vg_domain::call::Progress;
use vg_domain::ids::TenantId;
use vg_domain::outcome::EndCause;
use vg_domain::transfer::{Handover, Place, Returned, TransferMode, Way};

pub(super) const SOON: Duration = Duration::from_secs(5);
/// Longer than a lost Asterisk may take to be noticed.
const LONG: Duration = Duration::from_secs(12);
const INACTIVITY: Duration = Duration::from_millis(200);
pub(super) const DEADLINE: Duration = Duration::from_millis(300);
/// Every request of a set-up, by a part of its line.
const STEPS: [&str; 5] = ["/ring", "POST bridges", "externalMedia", "addChannel", "/answer"];

pub(super) struct House {
    pub(super) asterisk: Asterisk,
    pub(super) ari: Arc<Ari>,
    shard: Arc<Shards>,
    pub(super) calls: mpsc::Receiver<IncomingCall>,
    stop: CancellationToken,
}

impl Drop for House {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

#[expect(clippy::disallowed_methods, reason = "ended by the token")]
async fn house_with(media_port: u16, shared: Option<String>) -> House {
    let asterisk = Asterisk::start(media_port);
    let bind = "127.0.0.1:0".parse().unwrap();
    let shard = Arc::new(Shards::start(ShardConfig::new(bind)).unwrap());
    let (incoming, calls) = mpsc::channel(2);
    let config = AriConfig {
        mode: Mode::Dial { url: asterisk.url.clone(), ca: None },
        app: "vg-test".into(),
        user: "user".into(),
        password: Pii::new("secret".into()),
        codec: Codec::Pcmu,
        silence: Silence::Comfort,
        inactivity: Some(INACTIVITY),
        deadline: DEADLINE,
        trusted: Arc::from(["10.0.0.0/8".parse().unwrap()]),
        shared,
    };
    let ari = Arc::new(Ari::new(config, None, Arc::clone(&shard), incoming).unwrap());
    let stop = CancellationToken::new();
    let (running, token) = (Arc::clone(&ari), stop.clone());
    tokio::spawn(async move { running.run(token).await });
    until("connected", || ari.is_up()).await;
    House { asterisk, ari, shard, calls, stop }
}

pub(super) async fn house() -> House {
    house_with(9, None).await
}

impl House {
    async fn call(&mut self, channel: &str) -> IncomingCall {
        self.asterisk.caller_comes(channel);
        timeout(SOON, self.calls.recv()).await.unwrap().unwrap()
    }

    pub(super) async fn until_nothing_is_left(&self) {
        until("asterisk holds nothing", || self.asterisk.left().is_empty()).await;
        until("no leg is left", || self.shard.live_legs() == 0).await;
        assert_eq!(self.ari.stats().calls_live, 0);
    }
}

pub(super) async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let held = async {
        let mut look = tokio::time::interval(Duration::from_millis(5));
        while !holds() {
            look.tick().await;
        }
    };
    timeout(LONG, held).await.unwrap_or_else(|_| panic!("never: {what}"));
}

async fn set_up(call: &mut IncomingCall) -> Result<crate::application::ports::MediaLeg, TelephonyError> {
    call.telephony.ring().await?;
    let leg = call.telephony.connect_media().await?;
    call.telephony.answer().await?;
    Ok(leg)
}

/// The next event but for keys that may have been missed, of which `gaps` tells.
async fn next(call: &mut IncomingCall) -> Option<TelephonyEvent> {
    loop {
        match timeout(LONG, call.events.recv()).await.unwrap() {
            Some(TelephonyEvent::KeysMissed) => {}
            event => return event,
        }
    }
}

#[tokio::test]
async fn a_call_is_set_up_in_order_and_leaves_nothing() {
    let mut house = house().await;
    let mut call = house.call("c1").await;
    assert_eq!(call.tenant, TenantHint::Named(TenantId::new("demo")));
    assert_eq!((call.caller.reveal().as_str(), call.dialled.reveal().as_str()), ("5550100", "100"));
    let leg = set_up(&mut call).await.unwrap();
    house.asterisk.say(&json!({"type": "ChannelDtmfReceived", "digit": "#", "channel": {"id": "c1"}}));
    assert_eq!(next(&mut call).await, Some(TelephonyEvent::Digit('#')));
    let bridge = format!("vg-test.bridge.{}", call.call);
    let acts: Vec<_> = house.asterisk.log().into_iter().filter(|line| line.starts_with("POST")).collect();
    let join = format!("POST bridges/{bridge}/addChannel");
    assert_eq!(acts, ["POST channels/c1/ring", "POST bridges", "POST channels/externalMedia", &join, "POST channels/c1/answer"]);
    call.telephony.hang_up(EndCause::AgentHungUp).await.unwrap();
    call.telephony.hang_up(EndCause::AgentHungUp).await.unwrap();
    call.telephony.release().await.unwrap();
    drop((leg, call));
    house.until_nothing_is_left().await;
}

#[tokio::test]
async fn a_caller_who_hangs_up_is_gone() {
    let mut house = house().await;
    let mut call = house.call("c1").await;
    let leg = set_up(&mut call).await.unwrap();
    house.asterisk.caller_hangs_up("c1");
    assert_eq!(next(&mut call).await, Some(TelephonyEvent::CallerGone));
    assert_eq!(next(&mut call).await, None);
    assert_eq!(call.telephony.answer().await, Err(TelephonyError::Gone));
    call.telephony.release().await.unwrap();
    drop((leg, call));
    house.until_nothing_is_left().await;
}

#[tokio::test]
async fn a_request_that_is_never_answered_meets_its_deadline_and_leaks_nothing() {
    for step in STEPS {
        let mut house = house().await;
        let mut call = house.call("c1").await;
        house.asterisk.hang_at(Some(step));
        let began = Instant::now();
        let outcome = set_up(&mut call).await;
        assert!(matches!(outcome, Err(TelephonyError::Deadline { .. })), "{step}");
        assert!(began.elapsed() < SOON, "{step}");
        house.asterisk.hang_at(None);
        call.telephony.hang_up(EndCause::SetUpFailed).await.unwrap();
        call.telephony.release().await.unwrap();
        drop((outcome, call));
        house.until_nothing_is_left().await;
    }
}

#[tokio::test]
async fn a_call_whose_task_dies_at_any_step_leaves_nothing() {
    for step in STEPS {
        let mut house = house().await;
        let mut call = house.call("c1").await;
        house.asterisk.hang_at(Some(step));
        assert!(timeout(DEADLINE / 2, set_up(&mut call)).await.is_err(), "{step}");
        house.asterisk.hang_at(None);
        house.asterisk.caller_hangs_up("c1");
        drop(call);
        house.until_nothing_is_left().await;
    }
}

#[tokio::test]
async fn an_answer_that_makes_no_sense_is_a_refusal() {
    let mut house = house().await;
    let mut call = house.call("c1").await;
    house.asterisk.talk_nonsense_at("externalMedia");
    let outcome = set_up(&mut call).await;
    assert_eq!(outcome.err(), Some(TelephonyError::Refused { act: "create media channel", status: 200 }));
    house.asterisk.caller_hangs_up("c1");
    call.telephony.release().await.unwrap();
    drop(call);
    house.until_nothing_is_left().await;
}

#[tokio::test]
async fn a_call_that_is_masked_strictly_has_sound_on_trusted_networks_alone() {
    for (ip, trusted) in [("127.0.0.1", true), ("10.9.8.7", true), ("192.0.2.7", false)] {
        let mut house = house().await;
        house.asterisk.receives_at(ip);
        let mut call = house.call("c1").await;
        call.telephony.require_trusted_path();
        let outcome = set_up(&mut call).await;
        assert_eq!(outcome.as_ref().err(), (!trusted).then_some(&TelephonyError::UntrustedPath), "{ip}");
        let joined = house.asterisk.log().iter().any(|line| line.contains("addChannel"));
        assert_eq!(joined, trusted, "not a packet of it goes to {ip}");
        call.telephony.hang_up(EndCause::SetUpFailed).await.unwrap();
        call.telephony.release().await.unwrap();
        drop((outcome, call));
        house.until_nothing_is_left().await;
    }
}

#[tokio::test]
async fn events_that_make_no_sense_are_counted_and_the_socket_lives() {
    let mut house = house().await;
    for text in ["", "{", "null", r#"{"type":"StasisStart"}"#, r#"{"type":"StasisEnd","channel":[]}"#] {
        house.asterisk.say_text(text.into());
    }
    house.asterisk.say(&json!({"type": "SomethingNew"}));
    let _call = house.call("c1").await;
    let stats = house.ari.stats();
    assert_eq!((stats.events_malformed, stats.events_unused, stats.connects), (5, 1, 1));
}

#[tokio::test]
async fn calls_beyond_the_queue_are_turned_away() {
    let house = house().await;
    for channel in ["c1", "c2", "c3"] {
        house.asterisk.caller_comes(channel);
    }
    until("the third is hung up", || house.asterisk.left() == ["c1", "c2"]).await;
    assert_eq!(house.ari.stats().calls_turned_away, 1);
}

fn handover(place: &str) -> Handover {
    let mut mask = vg_domain::mask::Mask::new();
    Handover {
        kind: "queue",
        way: Way::to(Place::parse(place).unwrap()),
        mode: TransferMode::Blind,
        summary: Some(mask.mask_agent("wants ${SHELL(id)}, \"pizza\"\r\nX-Bad: 4111 1111 1111 1111")),
        ring: Duration::from_secs(20),
    }
}

#[tokio::test]
async fn a_transfer_asks_for_its_place_first_and_a_leg_that_is_away_has_not_hung_up() {
    let mut house = house().await;
    let mut call = house.call("c1").await;
    let leg = set_up(&mut call).await.unwrap();
    let refused = Err(TelephonyError::Refused { act: "transfer", status: 404 });
    assert_eq!(call.telephony.transfer(&handover("queue,nobody")).await, refused);
    assert_eq!(call.telephony.transfer(&handover("queue,sales")).await, Ok(()));
    let variable = |name| house.asterisk.variable(name).unwrap();
    assert_eq!((variable("VG_APP").as_str(), variable("VG_RING").as_str()), ("vg-test", "20"));
    assert_eq!(variable("__VG_SUMMARY"), "wants SHELL id pizza X-Bad: card");
    drop(leg);
    call.telephony.leave_media().await.unwrap();
    for event in ["ChannelHangupRequest", "StasisEnd"] {
        house.asterisk.say(&json!({"type": event, "channel": {"id": "c1"}}));
    }
    house.asterisk.say(&json!({"type": "Dial", "dialstatus": "", "caller": {"id": "c1"}, "peer": {"id": "p"}}));
    assert_eq!(next(&mut call).await, Some(TelephonyEvent::Progress(Progress::Dialled)));
    house.asterisk.say(&json!({"type": "Dial", "dialstatus": "ANSWER", "caller": {"id": "c1"}, "peer": {"id": "p"}}));
    assert_eq!(next(&mut call).await, Some(TelephonyEvent::Progress(Progress::Answered)));
    assert_eq!(house.asterisk.left(), ["c1"], "the caller talks, and nothing of ours is left");
    house.asterisk.say(&json!({"type": "ChannelDestroyed", "channel": {"id": "c1"}}));
    assert_eq!(next(&mut call).await, Some(TelephonyEvent::CallerGone));
    call.telephony.release().await.unwrap();
}

#[tokio::test]
async fn a_leg_that_comes_back_is_told_so_and_gets_a_media_leg_of_another_name() {
    let mut house = house().await;
    let mut call = house.call("c1").await;
    let leg = set_up(&mut call).await.unwrap();
    call.telephony.transfer(&handover("queue,sales")).await.unwrap();
    drop(leg);
    call.telephony.leave_media().await.unwrap();
    house.asterisk.say(&json!({"type": "StasisEnd", "channel": {"id": "c1"}}));
    let args = json!(["returned", "BUSY", "tenant=demo"]);
    house.asterisk.say(&json!({"type": "StasisStart", "args": args, "channel": {"id": "c1"}}));
    assert_eq!(next(&mut call).await, Some(TelephonyEvent::Returned(Returned::Busy)));
    let leg = call.telephony.connect_media().await.unwrap();
    let second = format!("vg-test.media.{}.2", call.call);
    assert!(house.asterisk.left().contains(&second), "{:?}", house.asterisk.left());
    // Late news of the first one is none of ours; the second one's end is the call's.
    house.asterisk.say(&json!({"type": "ChannelDestroyed", "channel": {"id": format!("vg-test.media.{}", call.call)}}));
    house.asterisk.say(&json!({"type": "ChannelDtmfReceived", "digit": "1", "channel": {"id": "c1"}}));
    assert_eq!(next(&mut call).await, Some(TelephonyEvent::Digit('1')));
    house.asterisk.say(&json!({"type": "ChannelDestroyed", "channel": {"id": second}}));
    assert_eq!(next(&mut call).await, Some(TelephonyEvent::Lost));
    call.telephony.hang_up(EndCause::Stopped).await.unwrap();
    call.telephony.release().await.unwrap();
    drop((leg, call));
    house.until_nothing_is_left().await;
}

#[tokio::test]
async fn a_telephone_is_referred_by_the_dialplan_which_gives_it_back_where_it_does_not_go() {
    let mut house = house().await;
    let mut call = house.call("c1").await;
    let leg = set_up(&mut call).await.unwrap();
    let way = Way::Refer(Pii::new("sip:+493012345678@sbc.example".to_owned()));
    assert_eq!(call.telephony.transfer(&Handover { way, ..handover("queue,sales") }).await, Ok(()));
    assert_eq!(house.asterisk.variable("VG_REFER").unwrap(), "sip:+493012345678@sbc.example");
    drop(leg);
    call.telephony.leave_media().await.unwrap();
    house.asterisk.say(&json!({"type": "StasisEnd", "channel": {"id": "c1"}}));
    house.asterisk.say(&json!({"type": "StasisStart", "args": ["returned", "CHANUNAVAIL"], "channel": {"id": "c1"}}));
    assert_eq!(next(&mut call).await, Some(TelephonyEvent::Returned(Returned::Unavailable)));
    house.asterisk.caller_hangs_up("c1");
    assert_eq!(next(&mut call).await, Some(TelephonyEvent::CallerGone));
    call.telephony.release().await.unwrap();
    drop(call);
    house.until_nothing_is_left().await;
}

#[tokio::test]
async fn a_telephone_that_wants_to_go_elsewhere_by_itself_is_told_no_once() {
    let mut house = house().await;
    let call = house.call("c1").await;
    let wish = |state| json!({"type": "ChannelTransfer", "state": state, "referred_by": {"source_channel": {"id": "c1"}}});
    house.asterisk.say(&wish(json!(null)));
    let answers = || house.asterisk.log().into_iter().filter(|line| line.contains("transfer_progress")).collect::<Vec<_>>();
    until("declined", || !answers().is_empty()).await;
    // How it goes on is told as well, and is no new wish.
    house.asterisk.say(&wish(json!("channel_declined")));
    house.asterisk.say(&json!({"type": "ChannelDtmfReceived", "digit": "1", "channel": {"id": "c1"}}));
    let mut call = call;
    assert_eq!(next(&mut call).await, Some(TelephonyEvent::Digit('1')));
    assert_eq!(answers(), ["POST channels/c1/transfer_progress"]);
    assert_eq!(house.ari.stats().referrals_declined, 1);
}

#[tokio::test]
async fn a_leg_that_came_back_in_a_gap_is_found_and_one_that_is_still_away_is_left_alone() {
    let mut house = house().await;
    let (mut back, mut away) = (house.call("c1").await, house.call("c2").await);
    for call in [&mut back, &mut away] {
        call.telephony.transfer(&handover("queue,sales")).await.unwrap();
    }
    house.asterisk.cut();
    until("the gap is noticed", || !house.ari.is_up()).await;
    house.asterisk.does("c1", "Stasis", "vg-test,returned,NOANSWER,tenant=demo");
    house.asterisk.does("c2", "Queue", "sales,returned");
    house.asterisk.mend();
    assert_eq!(next(&mut back).await, Some(TelephonyEvent::Returned(Returned::NoAnswer)));
    house.asterisk.say(&json!({"type": "ChannelDestroyed", "channel": {"id": "c2"}}));
    assert_eq!(next(&mut away).await, Some(TelephonyEvent::CallerGone));
}

#[tokio::test]
async fn a_leg_that_comes_back_to_nobody_is_a_new_call() {
    let mut house = house().await;
    let channel = json!({"id": "c9", "caller": {"number": "5550100"}, "dialplan": {"exten": "100"}});
    house.asterisk.say(&json!({"type": "StasisStart", "args": ["returned", "BUSY", "tenant=demo"], "channel": channel}));
    let call = timeout(SOON, house.calls.recv()).await.unwrap().unwrap();
    assert_eq!(call.tenant, TenantHint::Named(TenantId::new("demo")));
}

#[tokio::test]
async fn a_transfer_that_asterisk_refuses_leaves_the_leg_where_it_was() {
    let mut house = house().await;
    let mut call = house.call("c1").await;
    let leg = set_up(&mut call).await.unwrap();
    house.asterisk.hang_at(Some("/continue"));
    let outcome = call.telephony.transfer(&handover("queue,sales")).await;
    assert_eq!(outcome, Err(TelephonyError::Deadline { act: "continue" }));
    house.asterisk.caller_hangs_up("c1");
    assert_eq!(next(&mut call).await, Some(TelephonyEvent::CallerGone));
    call.telephony.release().await.unwrap();
    drop((leg, call));
}

fn posts(house: &House) -> Vec<String> {
    house.asterisk.log().into_iter().filter(|line| !line.starts_with("GET")).collect()
}

#[tokio::test]
async fn a_person_is_called_met_joined_and_nothing_is_left_when_either_is_gone() {
    let mut house = house().await;
    let mut call = house.call("c1").await;
    let leg = set_up(&mut call).await.unwrap();
    let before = posts(&house).len();
    call.telephony.consult(&handover("queue,sales")).await.unwrap();
    let called = house.asterisk.dialled().pop().unwrap();
    assert_eq!(
        (&called["endpoint"], &called["callerId"], &called["timeout"]),
        (&json!("Local/sales@queue/n"), &json!("5550100"), &json!(23))
    );
    assert_eq!((&called["variables"]["VG_ATTENDED"], &called["variables"]["VG_RING"]), (&json!("1"), &json!("20")));
    let person = called["channelId"].as_str().unwrap().to_owned();
    house.asterisk.answers(&person);
    assert_eq!(next(&mut call).await, Some(TelephonyEvent::PersonAnswered));
    call.telephony.meet().await.unwrap();
    call.telephony.join().await.unwrap();
    drop(leg);
    let own = format!("vg-test.bridge.{}", call.call);
    let theirs = format!("{own}.person-1");
    let done = [
        "POST channels".to_owned(),
        format!("POST bridges/{own}/moh"),
        "POST bridges".to_owned(),
        format!("POST bridges/{theirs}/addChannel"),
        format!("POST bridges/{theirs}/removeChannel"),
        format!("POST bridges/{theirs}/addChannel"),
        format!("DELETE channels/vg-test.media.{}", call.call),
        format!("DELETE bridges/{own}"),
    ];
    assert_eq!(posts(&house)[before..], done);
    assert_eq!(house.asterisk.left(), ["c1", &person, &theirs]);
    house.asterisk.destroys(&person, 16);
    assert_eq!(next(&mut call).await, Some(TelephonyEvent::PersonGone(Returned::Other)));
    call.telephony.hang_up(EndCause::Transferred).await.unwrap();
    call.telephony.release().await.unwrap();
    drop(call);
    house.until_nothing_is_left().await;
}

#[tokio::test]
async fn a_person_who_is_busy_is_told_by_the_cause_and_the_caller_is_where_it_was() {
    let mut house = house().await;
    let mut call = house.call("c1").await;
    let leg = set_up(&mut call).await.unwrap();
    let before = house.asterisk.left();
    for (answers, cause, how) in [(false, 17, Returned::Busy), (false, 19, Returned::NoAnswer), (true, 16, Returned::Other)] {
        call.telephony.consult(&handover("queue,sales")).await.unwrap();
        let person = house.asterisk.dialled().pop().unwrap()["channelId"].as_str().unwrap().to_owned();
        if answers {
            house.asterisk.answers(&person);
            assert_eq!(next(&mut call).await, Some(TelephonyEvent::PersonAnswered));
            call.telephony.meet().await.unwrap();
        }
        house.asterisk.say(&json!({"type": "ChannelHangupRequest", "channel": {"id": person}}));
        house.asterisk.destroys(&person, cause);
        assert_eq!(next(&mut call).await, Some(TelephonyEvent::PersonGone(how)));
        call.telephony.resume().await.unwrap();
        assert_eq!(house.asterisk.left(), before);
    }
    call.telephony.hang_up(EndCause::Stopped).await.unwrap();
    call.telephony.release().await.unwrap();
    drop((leg, call));
    house.until_nothing_is_left().await;
}

#[tokio::test]
async fn a_call_whose_task_dies_while_a_person_is_called_leaves_nothing() {
    let mut house = house().await;
    let mut call = house.call("c1").await;
    let leg = set_up(&mut call).await.unwrap();
    call.telephony.consult(&handover("queue,sales")).await.unwrap();
    house.asterisk.caller_hangs_up("c1");
    drop((leg, call));
    house.until_nothing_is_left().await;
}

#[tokio::test]
async fn who_holds_a_caller_is_asked_again_where_asterisk_does_not_answer() {
    let mut house = house().await;
    let _call = house.call("c1").await;
    house.asterisk.hang_at(Some("variable"));
    let questions = || house.asterisk.log().iter().filter(|line| line.starts_with("GET channels/c1/variable")).count();
    let answers_again = async {
        until("asked again", || questions() >= 2).await;
        house.asterisk.hang_at(None);
    };
    let (taken, ()) = tokio::join!(house.ari.core.is_taken("c1"), answers_again);
    assert!(taken, "its holder has another name");
}

#[tokio::test]
async fn asterisk_is_told_which_events_are_used_and_the_way_to_it_is_measured() {
    let house = house().await;
    until("both are asked", || {
        let log = house.asterisk.log();
        ["PUT applications/vg-test/eventFilter", "GET asterisk/ping"].iter().all(|line| log.iter().any(|asked| asked == line))
    })
    .await;
    until("the way is measured", || house.ari.stats().rtt.is_some_and(|rtt| rtt < SOON)).await;
}

#[tokio::test]
async fn a_caller_whose_packets_stop_is_told_and_ends_only_where_asterisk_knows_no_more_of_it() {
    let far = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let mut house = house_with(far.local_addr().unwrap().port(), None).await;
    let mut call = house.call("c1").await;
    let mut leg = set_up(&mut call).await.unwrap();
    let mut packet = [0xFF; 172];
    packet[..12].copy_from_slice(&[0x80, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 7]);
    far.send_to(&packet, house.shard.advertised()[0]).unwrap();
    let inactive = async { while !matches!(leg.events.recv().await, Some(LegEvent::Inactive)) {} };
    timeout(SOON, inactive).await.unwrap();
    let asked = |house: &House| house.asterisk.log().iter().filter(|line| *line == "GET channels/c1").count();
    until("asterisk is asked", || asked(&house) == 1).await;
    assert!(call.events.try_recv().is_err(), "it may be on hold");
    // Gone without a word.
    house.asterisk.forget("c1");
    assert_eq!(next(&mut call).await, Some(TelephonyEvent::CallerGone));
    assert_eq!(asked(&house), 2);
    call.telephony.release().await.unwrap();
    drop((leg, call));
    house.until_nothing_is_left().await;
}

#[tokio::test]
async fn calls_of_an_asterisk_that_died_are_lost_within_ten_seconds() {
    let mut house = house().await;
    let mut call = house.call("c1").await;
    let leg = set_up(&mut call).await.unwrap();
    let died = Instant::now();
    house.asterisk.kill();
    assert_eq!(next(&mut call).await, Some(TelephonyEvent::Lost));
    assert!(died.elapsed() < Duration::from_secs(10), "{:?}", died.elapsed());
    assert_eq!(call.telephony.release().await, Err(TelephonyError::Unreachable));
    drop((leg, call));
    until("no leg is left", || house.shard.live_legs() == 0).await;
    assert_eq!(house.ari.stats().calls_live, 0);
}

#[tokio::test]
async fn a_media_leg_is_built_anew_beside_the_old_one_which_then_goes() {
    let mut house = house().await;
    let mut call = house.call("c1").await;
    let old = set_up(&mut call).await.unwrap();
    let (first, second) = (format!("vg-test.media.{}", call.call), format!("vg-test.media.{}.2", call.call));
    let new = call.telephony.reconnect_media().await.unwrap();
    assert_eq!(house.asterisk.left(), ["c1", &second, &format!("vg-test.bridge.{}", call.call)]);
    // Its end is told as any channel's, and is none of the call.
    house.asterisk.destroys(&first, 16);
    house.asterisk.say(&json!({"type": "ChannelDtmfReceived", "digit": "1", "channel": {"id": "c1"}}));
    assert_eq!(next(&mut call).await, Some(TelephonyEvent::Digit('1')));
    drop(old);
    until("the old leg has ended", || house.shard.live_legs() == 1).await;
    let twice = call.telephony.reconnect_media().await;
    assert_eq!(twice.err(), Some(TelephonyError::Unsupported { act: "rebuild media leg" }), "once in a call");
    // The end of the new one is the call's.
    house.asterisk.destroys(&second, 16);
    assert_eq!(next(&mut call).await, Some(TelephonyEvent::Lost));
    call.telephony.hang_up(EndCause::Stopped).await.unwrap();
    call.telephony.release().await.unwrap();
    drop((new, call));
    house.until_nothing_is_left().await;
}

#[tokio::test]
async fn a_rebuild_that_fails_at_any_step_keeps_the_old_leg_and_leaves_nothing() {
    for step in ["externalMedia", "addChannel"] {
        let mut house = house().await;
        let mut call = house.call("c1").await;
        let leg = set_up(&mut call).await.unwrap();
        house.asterisk.hang_at(Some(step));
        let outcome = call.telephony.reconnect_media().await;
        assert!(matches!(outcome, Err(TelephonyError::Deadline { .. })), "{step}");
        house.asterisk.hang_at(None);
        let kept = ["c1".to_owned(), format!("vg-test.media.{}", call.call), format!("vg-test.bridge.{}", call.call)];
        until("the new channel is removed", || house.asterisk.left() == kept).await;
        assert!(call.events.try_recv().is_err(), "{step}");
        call.telephony.hang_up(EndCause::Stopped).await.unwrap();
        call.telephony.release().await.unwrap();
        drop((outcome, leg, call));
        house.until_nothing_is_left().await;
    }
}
