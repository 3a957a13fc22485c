//! Hand-overs and keys through a real Asterisk: who is handed over talks to somebody else, and who comes back is still in the same call.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "a broken story stops; a good one reports")]

use std::path::Path;
use std::time::{Duration, Instant};
use vg_domain::event::Fact;
use vg_domain::ids::CallId;
use vg_domain::outcome::EndCause;
use vg_domain::transfer::{Transfer, TransferMode, TransferTarget};
use vg_tests::house::{House, recording};
use vg_tests::lab::{Asterisk, EndedBy, SipCaller, compare, rms};
use voice_gateway::application::ports::{CallOrder, OrderError};
use voice_gateway::wiring::Held;

/// The caller's sound at the telephone's rate.
fn telephone(name: &str) -> Vec<i16> {
    vg_media::resample::convert(&recording(name).unwrap(), 16_000, 8_000).unwrap()
}

/// The demo tenant, with the laboratory's desks as its extensions.
fn tenants(more: &str) -> (tempfile::TempDir, String) {
    let demo = Path::new(env!("CARGO_MANIFEST_DIR")).join("../host/demo");
    let folder = tempfile::tempdir().unwrap();
    std::fs::copy(demo.join("demo.jsgf"), folder.path().join("demo.jsgf")).unwrap();
    let shipped = std::fs::read_to_string(demo.join("tenants/demo.toml")).unwrap();
    let outside = r#"external = [{ trunk = "carrier", numbers = ["+4930."], caller_id = "+49305550100" },
        { refer = "sip:{name}@sbc.example", numbers = ["+4940."] }]"#;
    let ours = shipped.replace("vg-extensions,{name}\"", &format!("lab-desks,{{name}}\", ring_s = 3, {outside}"));
    assert_ne!(ours, shipped);
    std::fs::write(folder.path().join("demo.toml"), format!("{ours}\n{more}")).unwrap();
    let config = format!("[tenants]\ndir = \"{}\"\n", folder.path().display());
    (folder, config)
}

struct Story {
    asterisk: Asterisk,
    house: House,
    _tenants: tempfile::TempDir,
}

impl Story {
    async fn begin(more: &str) -> Self {
        let asterisk = Asterisk::start().await.unwrap();
        let (tenants, config) = tenants(more);
        let house = House::serving_with(&[asterisk.ari()], &config).await.unwrap();
        Self { asterisk, house, _tenants: tenants }
    }

    /// The agent hears and answers a caller who has come back.
    async fn talks_on(&mut self, call: &CallId, caller: &mut SipCaller) {
        caller.say(&telephone("time.wav")).await.unwrap();
        let heard = self.house.fact("the question", |whose, fact| match fact {
            Fact::Turn(record) if whose == call => Some(record.heard.clone()),
            _ => None,
        });
        assert!(heard.await.unwrap().as_str().contains("time"));
    }

    /// The same, until that caller hangs up.
    async fn ends_with_the_caller(mut self, call: &CallId, mut caller: SipCaller) {
        self.talks_on(call, &mut caller).await;
        caller.hang_up().await.unwrap();
        assert_eq!(self.ended().await, EndCause::CallerHungUp);
        self.end().await;
    }

    /// A caller who has been greeted.
    async fn caller(&mut self) -> (CallId, SipCaller) {
        let caller = SipCaller::dial(&self.asterisk, "100").await.unwrap();
        self.greeted(caller).await
    }

    async fn greeted(&mut self, mut caller: SipCaller) -> (CallId, SipCaller) {
        let call =
            self.house.fact("the answer", |call, fact| matches!(fact, Fact::Answered(_)).then(|| call.clone())).await.unwrap();
        let answered = caller.answered_at();
        is_told(&mut caller, answered).await;
        (call, caller)
    }

    async fn until(&mut self, what: &str, fit: impl Fn(&Fact) -> bool) {
        self.house.fact(what, |_, fact| fit(fact).then_some(())).await.unwrap();
    }

    async fn ended(&mut self) -> EndCause {
        self.house
            .fact("the end", |_, fact| match fact {
                Fact::Ended(outcome) => Some(outcome.cause),
                _ => None,
            })
            .await
            .unwrap()
    }

    async fn end(self) {
        self.house.holds_nothing(Duration::from_secs(5)).await.unwrap();
        self.asterisk.holds_nothing(Duration::from_secs(5)).await.unwrap();
        self.house.stop().await;
    }
}

fn transfer(target: TransferTarget, mode: TransferMode) -> CallOrder {
    CallOrder::Transfer(Transfer { target, mode, summary: Some("wants two pizzas, pays by 4111 1111 1111 1111".to_owned()) })
}

fn to_queue(name: &str) -> CallOrder {
    transfer(TransferTarget::Queue(name.to_owned()), TransferMode::Blind)
}

fn to_extension(name: &str) -> CallOrder {
    transfer(TransferTarget::Extension(name.to_owned()), TransferMode::Blind)
}

/// What the caller says now comes back: somebody who echoes is at the other end.
async fn is_echoed(caller: SipCaller) {
    let mut caller = caller;
    let words = telephone("order.wav");
    let said = Instant::now();
    caller.say(&words).await.unwrap();
    println!("said after {:?}", said - caller.answered_at());
    tokio::time::sleep(Duration::from_millis(500)).await;
    let call = caller.hang_up().await.unwrap();
    let found = compare(&words, &call.heard, call.rate_hz).expect("the echo is not there");
    println!("{found:?}");
    assert!(found.snr_db > 25.0, "{found:?}");
}

/// The caller hears something to its end that begins after that moment.
async fn is_told(caller: &mut SipCaller, after: Instant) {
    caller.hears_speech(after, Duration::from_secs(5)).await.unwrap();
    caller.hears_quiet(Duration::from_millis(600), Duration::from_secs(15)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn caller_handed_to_a_queue_talks_to_its_member_who_was_told_why() {
    let mut story = Story::begin("").await;
    let (call, caller) = story.caller().await;
    story.house.order(&call, to_queue("sales")).await.unwrap();
    story.until("the member's answer", |fact| matches!(fact, Fact::Transferred { kind: "queue", .. })).await;
    // The gateway knows of the caller still, and holds nothing of it but its task and its voice.
    let parted = Held { calls: 1, legs: 0, sessions: 1, asterisk: 1 };
    story.house.holds(parted, Duration::from_secs(5)).await.unwrap();
    is_echoed(caller).await;
    assert_eq!(story.ended().await, EndCause::Transferred);
    let log = story.asterisk.log();
    let told = log.lines().find(|line| line.contains("told <")).unwrap_or("nobody was told");
    assert!(told.contains("<wants two pizzas pays by card> of caller"), "{told}");
    let done = r#"vg_transfers_total{kind="queue",mode="blind",outcome="done"}"#;
    assert_eq!(story.house.metric(done).await.unwrap(), 1.0);
    story.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn caller_who_reaches_nobody_comes_back_and_is_understood_in_the_same_call() {
    let mut story = Story::begin("").await;
    let (call, mut caller) = story.caller().await;
    for (order, code) in [
        (to_extension("203"), "busy"),
        (to_extension("202"), "no_answer"),
        (to_queue("empty"), "unavailable"),
        (to_queue("unknown"), "unavailable"),
    ] {
        // A dialplan that has nobody may be quicker than the word that the caller has gone there: then the order itself has failed.
        match story.house.order(&call, order).await {
            Ok(()) => {}
            Err(error) => assert_eq!(error, OrderError::Failed(code)),
        }
        let back = story.house.fact("the way back", |whose, fact| match fact {
            Fact::TransferFailed { code, .. } if *whose == call => Some(*code),
            _ => None,
        });
        assert_eq!(back.await.unwrap(), code);
        is_told(&mut caller, Instant::now()).await;
    }
    story.ends_with_the_caller(&call, caller).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn place_that_is_not_there_and_number_that_is_not_allowed_keep_the_caller() {
    let mut story = Story::begin("").await;
    let (call, mut caller) = story.caller().await;
    assert_eq!(story.house.order(&call, to_extension("999")).await, Err(OrderError::Failed("refused")));
    let outside = TransferTarget::External(vg_domain::pii::Pii::new("+498912345678".to_owned()));
    assert_eq!(story.house.order(&call, transfer(outside, TransferMode::Blind)).await, Err(OrderError::Forbidden));
    caller.hears_speech(Instant::now(), Duration::from_secs(5)).await.unwrap();
    caller.hang_up().await.unwrap();
    assert_eq!(story.ended().await, EndCause::CallerHungUp);
    story.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn caller_who_hangs_up_while_a_telephone_rings_was_not_handed_over() {
    let mut story = Story::begin("").await;
    let (call, caller) = story.caller().await;
    story.house.order(&call, to_extension("202")).await.unwrap();
    tokio::time::sleep(Duration::from_millis(700)).await;
    caller.hang_up().await.unwrap();
    story.until("the failure", |fact| matches!(fact, Fact::TransferFailed { code: "abandoned", .. })).await;
    assert_eq!(story.ended().await, EndCause::CallerHungUp);
    story.end().await;
}

const MENU: &str = r#"
[menu]
prompt = "Press one for our opening hours, or two for the sales team."
starts = ["call"]
wait_s = 4
tries = 2
[menu.keys]
1 = { ask = "what are your opening hours" }
2 = { queue = "sales" }
0 = "human"
"*" = "hang_up"
"#;

#[tokio::test(flavor = "multi_thread")]
async fn menu_is_answered_by_keys_and_a_key_stops_the_prompt() {
    let mut story = Story::begin(MENU).await;
    let mut caller = SipCaller::dial(&story.asterisk, "100").await.unwrap();
    let call =
        story.house.fact("the answer", |call, fact| matches!(fact, Fact::Answered(_)).then(|| call.clone())).await.unwrap();
    let says = |part: &'static str| move |fact: &Fact| matches!(fact, Fact::Saying { text, .. } if text.as_str().contains(part));
    story.until("the prompt", says("Press one")).await;
    // Into the prompt, by RFC 4733.
    caller.hears_speech(caller.answered_at(), Duration::from_secs(5)).await.unwrap();
    caller.press('1', Duration::from_millis(120)).unwrap();
    // How much of the prompt was heard is known a little after the agent was asked.
    let (mut stopped, mut answered) = (false, false);
    let both = story.house.fact("prompt stopped, key answered", |_, fact| {
        stopped |= matches!(fact, Fact::Interrupted { .. });
        answered |= says("nine in the morning")(fact);
        (stopped && answered).then_some(())
    });
    both.await.unwrap();
    caller.hears_quiet(Duration::from_millis(800), Duration::from_secs(20)).await.unwrap();
    // Keys towards the caller.
    story.house.order(&call, CallOrder::Digits("42#".to_owned())).await.unwrap();
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    let record = caller.hang_up().await.unwrap();
    assert_eq!(record.keys, "42#");
    assert_eq!(story.ended().await, EndCause::CallerHungUp);
    story.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn key_of_the_menu_leads_to_the_queue() {
    let mut story = Story::begin(MENU).await;
    let caller = SipCaller::dial(&story.asterisk, "100").await.unwrap();
    story.until("the answer", |fact| matches!(fact, Fact::Answered(_))).await;
    caller.press('2', Duration::from_millis(120)).unwrap();
    story.until("the member's answer", |fact| matches!(fact, Fact::Transferred { kind: "queue", .. })).await;
    is_echoed(caller).await;
    assert_eq!(story.ended().await, EndCause::Transferred);
    story.end().await;
}

fn attended(desk: &str) -> CallOrder {
    transfer(TransferTarget::Extension(desk.to_owned()), TransferMode::Attended)
}

#[tokio::test(flavor = "multi_thread")]
async fn person_is_told_what_it_is_about_and_then_hears_the_caller() {
    let mut story = Story::begin("").await;
    let (call, mut caller) = story.caller().await;
    story.house.order(&call, attended("205")).await.unwrap();
    let parted = Held { calls: 1, legs: 0, sessions: 1, asterisk: 1 };
    story.house.holds(parted, Duration::from_secs(5)).await.unwrap();
    let words = telephone("order.wav");
    caller.say(&words).await.unwrap();
    tokio::time::sleep(Duration::from_millis(500)).await;
    caller.hang_up().await.unwrap();
    assert_eq!(story.ended().await, EndCause::Transferred);
    // Asterisk writes the end of the recording when the person's channel goes.
    story.asterisk.holds_nothing(Duration::from_secs(5)).await.unwrap();
    let heard = story.asterisk.desk_heard().unwrap();
    let found = compare(&words, &heard, 8_000).expect("the caller was not heard");
    println!("{found:?}");
    assert!(found.snr_db > 25.0, "{found:?}");
    // Before the caller the agent's voice: a summary takes a second at least.
    let begins = (found.delay_ms[0] * 8.0) as usize;
    let voiced = heard[..begins].chunks(160).filter(|frame| rms(frame) > 200.0).count();
    assert!(voiced > 40, "{voiced} frames of a voice before the caller's");
    story.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn caller_waits_with_music_for_somebody_who_does_not_come_and_is_understood_again() {
    let mut story = Story::begin("").await;
    let (call, mut caller) = story.caller().await;
    let rings = Instant::now();
    for (desk, code) in [("202", "no_answer"), ("203", "busy")] {
        let asked = Instant::now();
        assert_eq!(story.house.order(&call, attended(desk)).await, Err(OrderError::Failed(code)));
        if desk == "202" {
            // Three seconds of ringing, and music meanwhile.
            assert!(asked.elapsed() > Duration::from_secs(2), "{:?}", asked.elapsed());
            caller.hears_speech(rings, Duration::from_millis(10)).await.unwrap();
        }
        caller.hears_quiet(Duration::from_millis(700), Duration::from_secs(15)).await.unwrap();
    }
    story.ends_with_the_caller(&call, caller).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn caller_who_hangs_up_while_a_person_is_called_leaves_nobody_ringing() {
    let mut story = Story::begin("").await;
    let (call, caller) = story.caller().await;
    let gone = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        caller.hang_up().await.unwrap();
    };
    let (ordered, ()) = tokio::join!(story.house.order(&call, attended("202")), gone);
    assert_eq!(ordered, Err(OrderError::Failed("abandoned")));
    assert_eq!(story.ended().await, EndCause::CallerHungUp);
    story.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn caller_hears_the_person_who_was_asked_first() {
    let mut story = Story::begin("").await;
    let (call, caller) = story.caller().await;
    story.house.order(&call, attended("204")).await.unwrap();
    is_echoed(caller).await;
    assert_eq!(story.ended().await, EndCause::Transferred);
    story.end().await;
}

/// A carrier that says of the first number it is asked for that it is busy; gives the INVITE.
async fn busy_carrier(port: u16) -> String {
    let socket = tokio::net::UdpSocket::bind(("127.0.0.1", port)).await.unwrap();
    let mut packet = [0; 4096];
    loop {
        let (length, from) = socket.recv_from(&mut packet).await.unwrap();
        let request = String::from_utf8_lossy(&packet[..length]).into_owned();
        if !request.starts_with("INVITE ") {
            continue;
        }
        let kept = ["Via:", "From:", "To:", "Call-ID:", "CSeq:"];
        let mut answer = "SIP/2.0 486 Busy Here\r\n".to_owned();
        for line in request.lines().filter(|line| kept.iter().any(|name| line.starts_with(name))) {
            answer += line;
            answer += if line.starts_with("To:") { ";tag=carrier\r\n" } else { "\r\n" };
        }
        socket.send_to((answer + "Content-Length: 0\r\n\r\n").as_bytes(), from).await.unwrap();
        return request;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn number_outside_is_called_over_its_trunk_with_its_caller_id_and_a_masked_summary() {
    let mut story = Story::begin("").await;
    let (call, mut caller) = story.caller().await;
    let outside = TransferTarget::External(vg_domain::pii::Pii::new("0049 (30) 1234-5678".to_owned()));
    let carrier = busy_carrier(story.asterisk.carrier_port());
    let order = story.house.order(&call, transfer(outside, TransferMode::Blind));
    let (invite, ordered) = tokio::time::timeout(Duration::from_secs(10), async { tokio::join!(carrier, order) }).await.unwrap();
    ordered.unwrap();
    assert!(invite.starts_with("INVITE sip:+493012345678@127.0.0.1:"), "{invite}");
    let header = |name: &str| invite.lines().find(|line| line.starts_with(name)).unwrap_or_default();
    assert!(header("From:").contains("<sip:+49305550100@"), "{invite}");
    assert_eq!(header("X-Summary:"), "X-Summary: wants two pizzas pays by card");
    story.until("the way back", |fact| matches!(fact, Fact::TransferFailed { kind: "external", code: "busy", .. })).await;
    caller.hears_speech(Instant::now(), Duration::from_secs(5)).await.unwrap();
    caller.hang_up().await.unwrap();
    assert_eq!(story.ended().await, EndCause::CallerHungUp);
    story.end().await;
}

/// A number to which the caller's own telephone is sent.
fn referral() -> CallOrder {
    let outside = TransferTarget::External(vg_domain::pii::Pii::new("+494012345678".to_owned()));
    transfer(outside, TransferMode::Blind)
}

#[tokio::test(flavor = "multi_thread")]
async fn telephone_that_is_referred_elsewhere_goes_there_and_leaves() {
    let mut story = Story::begin("").await;
    let caller = SipCaller::dial_following(&story.asterisk, "100").await.unwrap();
    let (call, mut caller) = story.greeted(caller).await;
    let (ordered, to) = tokio::join!(story.house.order(&call, referral()), caller.is_referred());
    assert_eq!((ordered, to.unwrap().as_str()), (Ok(()), "+494012345678@sbc.example"));
    story.until("the referral", |fact| matches!(fact, Fact::Referred { kind: "external" })).await;
    let left = caller.until_hung_up(Duration::from_secs(5)).await.unwrap();
    assert_eq!(left.ended_by, EndedBy::FarEnd);
    assert_eq!(story.ended().await, EndCause::Transferred);
    let referred = r#"vg_transfers_total{kind="external",mode="blind",outcome="referred"}"#;
    assert_eq!(story.house.metric(referred).await.unwrap(), 1.0);
    story.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn telephone_that_does_not_let_itself_be_referred_is_understood_in_the_same_call() {
    let mut story = Story::begin("").await;
    let (call, mut caller) = story.caller().await;
    let (ordered, to) = tokio::join!(story.house.order(&call, referral()), caller.is_referred());
    assert_eq!((ordered, to.unwrap().as_str()), (Ok(()), "+494012345678@sbc.example"));
    story.until("the way back", |fact| matches!(fact, Fact::TransferFailed { kind: "external", code: "unavailable", .. })).await;
    is_told(&mut caller, Instant::now()).await;
    story.ends_with_the_caller(&call, caller).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn caller_who_refers_the_agent_elsewhere_moves_nobody() {
    let mut story = Story::begin("").await;
    // The endpoint may transfer: what holds is the dialplan's word alone.
    story.asterisk.changes("pjsip.conf", "allow_transfer = no", "allow_transfer = yes").await.unwrap();
    let (call, mut caller) = story.caller().await;
    let before = story.asterisk.channels().await.unwrap();
    caller.refers_to("200").await.unwrap();
    // First that it is being tried, then that it is declined.
    let mut status = caller.is_notified().await.unwrap();
    if status == 100 {
        status = caller.is_notified().await.unwrap();
    }
    assert_eq!(status, 603);
    assert_eq!(story.asterisk.channels().await.unwrap(), before);
    assert_eq!(story.house.metric("vg_caller_referrals_declined_total").await.unwrap(), 1.0);
    story.ends_with_the_caller(&call, caller).await;
}
