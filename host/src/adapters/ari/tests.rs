use super::fake::Asterisk;
use super::*;
use crate::adapters::rtp::ShardConfig;
use crate::application::ports::{LegEvent, TelephonyEvent, TenantHint};
use serde_json::json;
use std::time::Instant;
use tokio::time::timeout;
use vg_domain::ids::TenantId;
use vg_domain::outcome::EndCause;

const SOON: Duration = Duration::from_secs(5);
/// Longer than a lost Asterisk may take to be noticed.
const LONG: Duration = Duration::from_secs(12);
const INACTIVITY: Duration = Duration::from_millis(200);
const DEADLINE: Duration = Duration::from_millis(300);
/// Every request of a set-up, by a part of its line.
const STEPS: [&str; 5] = ["/ring", "POST bridges", "externalMedia", "addChannel", "/answer"];

struct House {
    asterisk: Asterisk,
    ari: Arc<Ari>,
    shard: Arc<Shards>,
    calls: mpsc::Receiver<IncomingCall>,
    stop: CancellationToken,
}

impl Drop for House {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

#[expect(clippy::disallowed_methods, reason = "ended by the token")]
async fn house_with(media_port: u16) -> House {
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
    };
    let ari = Arc::new(Ari::new(config, None, Arc::clone(&shard), incoming).unwrap());
    let stop = CancellationToken::new();
    let (running, token) = (Arc::clone(&ari), stop.clone());
    tokio::spawn(async move { running.run(token).await });
    until("connected", || ari.is_up()).await;
    House { asterisk, ari, shard, calls, stop }
}

async fn house() -> House {
    house_with(9).await
}

impl House {
    async fn call(&mut self, channel: &str) -> IncomingCall {
        self.asterisk.caller_comes(channel);
        timeout(SOON, self.calls.recv()).await.unwrap().unwrap()
    }

    async fn until_nothing_is_left(&self) {
        until("asterisk holds nothing", || self.asterisk.left().is_empty()).await;
        until("no leg is left", || self.shard.live_legs() == 0).await;
        assert_eq!(self.ari.stats().calls_live, 0);
    }
}

async fn until(what: &str, mut holds: impl FnMut() -> bool) {
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

async fn next(call: &mut IncomingCall) -> Option<TelephonyEvent> {
    timeout(LONG, call.events.recv()).await.unwrap()
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

#[tokio::test]
async fn a_transfer_asks_for_its_place_first_and_is_no_hang_up() {
    let mut house = house().await;
    let mut call = house.call("c1").await;
    let leg = set_up(&mut call).await.unwrap();
    let refused = Err(TelephonyError::Refused { act: "transfer", status: 404 });
    assert_eq!(call.telephony.transfer("queue,nobody").await, refused);
    assert_eq!(call.telephony.transfer("nowhere").await, Err(TelephonyError::Unsupported { act: "transfer" }));
    call.telephony.transfer("queue,sales").await.unwrap();
    house.asterisk.say(&json!({"type": "StasisEnd", "channel": {"id": "c1"}}));
    call.telephony.release().await.unwrap();
    assert_eq!(house.asterisk.left(), ["c1"], "the caller is in the queue");
    assert!(call.events.try_recv().is_err());
    drop((leg, call));
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
    assert!(stays.events.try_recv().is_err());
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
    let mut house = house_with(far.local_addr().unwrap().port()).await;
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
