//! The control of a real Asterisk: who connects to whom, what happens when the line is cut, and what AMI does meanwhile.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a broken story stops; a good one reports")]

use base64::Engine;
use futures_util::StreamExt;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_util::sync::CancellationToken;
use vg_domain::event::Fact;
use vg_domain::outcome::EndCause;
use vg_domain::pii::Pii;
use vg_tests::house::{House, recording};
use vg_tests::lab::{Asterisk, Connections, Issued, Operator, Proxy, SipCaller, tone_share};
use voice_gateway::adapters::ami::{Action, Ami, AmiConfig, AmiError, Login, Place, Transport};
use voice_gateway::adapters::ari::Source;

/// Longer than three attempts to reconnect take, and the fourth.
const AWAY: Duration = Duration::from_secs(20);
const SOON: Duration = Duration::from_secs(8);
/// Three attempts to reconnect have failed no sooner: 1, 2 and 4 s apart, and chance makes a pause longer only.
const THREE_ATTEMPTS: Duration = Duration::from_secs(7);

/// A gateway that dials, by whatever port; more keys of the section behind it.
async fn dialling(http_port: u16, more: &str) -> House {
    let section = format!(
        "[[asterisk]]\nurl = \"http://127.0.0.1:{http_port}\"\napp = \"vg-test\"\nuser = \"gateway\"\npassword = \"env:ARI\"\n{more}"
    );
    House::with_environment(&section, secrets()).await.unwrap()
}

async fn accepting(app: &str) -> House {
    let section = format!("[[asterisk]]\nmode = \"accept\"\napp = \"{app}\"\nuser = \"asterisk\"\npassword = \"env:SHOWN\"\n");
    House::with_environment(&section, secrets()).await.unwrap()
}

fn secrets() -> Vec<(String, String)> {
    let secrets = [("ARI", "gateway-lab"), ("AMI", "gateway-ami"), ("SHOWN", "asterisk-lab"), ("WRONG", "wrong")];
    secrets.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec()
}

fn ami(port: u16) -> String {
    format!("ami = \"127.0.0.1:{port}\"\nami_user = \"gateway\"\nami_password = \"env:AMI\"\n")
}

async fn until_metric(house: &House, name: &str, value: impl Fn(f64) -> bool, within: Duration) {
    let reached = async {
        while !house.metric(name).await.is_ok_and(&value) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let waited = tokio::time::timeout(within, reached).await;
    assert!(waited.is_ok(), "{name} after {within:?}: {:?}", house.metric(name).await);
}

async fn source(house: &House, source: &str, within: Duration) {
    until_metric(house, &format!("vg_asterisk_source{{app=\"vg-test\",source=\"{source}\"}}"), |value| value == 1.0, within)
        .await;
}

/// Attempts to connect the event socket that failed, whatever the fault.
async fn connect_faults(house: &House) -> f64 {
    let mut faults = 0.0;
    for code in ["certificate", "unreachable", "deadline", "tls", "credentials", "refused"] {
        // What was never counted may not be there.
        faults += house.metric(&format!("vg_ari_connect_faults_total{{code=\"{code}\"}}")).await.unwrap_or(0.0);
    }
    faults
}

async fn greeted(caller: &mut SipCaller) {
    caller.hears_speech(caller.answered_at(), Duration::from_secs(5)).await.unwrap();
    caller.hears_quiet(Duration::from_millis(600), Duration::from_secs(15)).await.unwrap();
}

async fn says(caller: &mut SipCaller, name: &str) -> Instant {
    let sound = vg_media::resample::convert(&recording(name).unwrap(), 16_000, 8_000).unwrap();
    caller.say(&sound).await.unwrap()
}

/// Asks for the time, and hears an answer that fits.
async fn is_served(house: &mut House, caller: &mut SipCaller) {
    let asked = says(caller, "time.wav").await;
    caller.hears_speech(asked, Duration::from_secs(8)).await.unwrap();
    let turn = house.fact("a turn", |_, fact| if let Fact::Turn(turn) = fact { Some(turn.clone()) } else { None }).await.unwrap();
    assert!(turn.heard.as_str().contains("time"), "{turn:?}");
    caller.hears_quiet(Duration::from_millis(600), Duration::from_secs(15)).await.unwrap();
}

async fn ended(house: &mut House) -> EndCause {
    let fact = |fact: &Fact| if let Fact::Ended(outcome) = fact { Some(outcome.cause) } else { None };
    house.fact("the end", |_, told| fact(told)).await.unwrap()
}

async fn nothing_left(house: &House, asterisk: &Asterisk) {
    house.holds_nothing(SOON).await.unwrap();
    let left = async {
        loop {
            let (channels, bridges) = (asterisk.channels().await.unwrap(), asterisk.bridges().await.unwrap());
            if channels.is_empty() && bridges.is_empty() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    let left = tokio::time::timeout(SOON, left).await;
    assert!(left.is_ok(), "{:?} {:?}", asterisk.channels().await, asterisk.bridges().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn call_whose_ari_is_cut_goes_on_talking_and_what_ended_meanwhile_is_found() {
    let asterisk = Asterisk::start().await.unwrap();
    let proxy = Proxy::to(asterisk.http_port()).unwrap();
    let mut house = dialling(proxy.local_addr().port(), "").await;
    house.serves_all(SOON).await.unwrap();
    let mut caller = SipCaller::dial(&asterisk, "100").await.unwrap();
    greeted(&mut caller).await;

    proxy.cut();
    source(&house, "none", SOON).await;
    is_served(&mut house, &mut caller).await;
    // A caller who comes now finds no application, and the dialplan goes on.
    let mut other = SipCaller::dial(&asterisk, "100").await.unwrap();
    other.hears_speech(other.answered_at(), Duration::from_secs(5)).await.unwrap();
    other.vanish().await.unwrap();
    proxy.mend();
    source(&house, "ari", AWAY).await;
    is_served(&mut house, &mut caller).await;

    let call = caller.hang_up().await.unwrap();
    assert_eq!(ended(&mut house).await, EndCause::CallerHungUp);
    assert_eq!(call.pacing.lost, 0, "{:?}", call.pacing);
    println!("at the caller: {:?}", call.pacing);
    nothing_left(&house, &asterisk).await;
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_events_that_are_used_come_and_the_way_is_measured() {
    let asterisk = Asterisk::start().await.unwrap();
    let mut house = dialling(asterisk.http_port(), "").await;
    house.serves_all(SOON).await.unwrap();
    until_metric(&house, "vg_asterisk_rtt_seconds{app=\"vg-test\"}", |seconds| seconds > 0.0 && seconds < 1.0, SOON).await;
    let mut caller = SipCaller::dial(&asterisk, "100").await.unwrap();
    greeted(&mut caller).await;
    caller.hang_up().await.unwrap();
    assert_eq!(ended(&mut house).await, EndCause::CallerHungUp);
    nothing_left(&house, &asterisk).await;
    assert_eq!(house.metric("vg_ari_events_unknown_total").await.unwrap(), 0.0, "without a filter there are some thirty");
    assert_eq!(house.metric("vg_ari_events_malformed_total").await.unwrap(), 0.0);
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ami_tells_and_acts_while_ari_is_blocked_and_gives_back() {
    let asterisk = Asterisk::start().await.unwrap();
    let proxy = Proxy::to(asterisk.http_port()).unwrap();
    let mut house = dialling(proxy.local_addr().port(), &ami(asterisk.ami_port())).await;
    house.serves_all(SOON).await.unwrap();
    until_metric(&house, "vg_ami_up", |up| up == 1.0, SOON).await;
    let mut leaves = SipCaller::dial(&asterisk, "100").await.unwrap();
    greeted(&mut leaves).await;
    let mut moves = SipCaller::dial(&asterisk, "100").await.unwrap();
    greeted(&mut moves).await;
    let mut stays = SipCaller::dial(&asterisk, "100").await.unwrap();
    greeted(&mut stays).await;

    let before = connect_faults(&house).await;
    // Before it is done: the gateway may know at once.
    let cut = Instant::now();
    proxy.cut();
    source(&house, "ami", AWAY).await;
    let (took_over, faults) = (cut.elapsed(), connect_faults(&house).await - before);
    println!("ami took over {took_over:?} after the cut, and {faults} attempts had failed");
    assert!(took_over >= THREE_ATTEMPTS, "ami did not wait for three attempts: {took_over:?}");
    assert!(faults >= 3.0, "ami took over after {faults} attempts");
    // One hangs up.
    leaves.hang_up().await.unwrap();
    let hung_up = Instant::now();
    assert_eq!(ended(&mut house).await, EndCause::CallerHungUp);
    println!("known by ami {:?} after the hang-up", hung_up.elapsed());
    assert!(hung_up.elapsed() < Duration::from_secs(1), "by an event, not by silence");
    // One asks for a person.
    says(&mut moves, "human.wav").await;
    house.fact("the hand-over", |_, fact| matches!(fact, Fact::Transferring { .. }).then_some(())).await.unwrap();
    tokio::time::sleep(Duration::from_secs(2)).await;
    let call = moves.hang_up().await.unwrap();
    assert_eq!(ended(&mut house).await, EndCause::Transferred);
    let last = &call.heard[call.heard.len().saturating_sub(call.rate_hz as usize / 2)..];
    assert!(tone_share(last, call.rate_hz, 1004.0) > 0.8, "the person's tone is not heard");
    // One talks on, and is told goodbye.
    is_served(&mut house, &mut stays).await;
    says(&mut stays, "goodbye.wav").await;
    stays.until_hung_up(Duration::from_secs(20)).await.unwrap();
    assert_eq!(ended(&mut house).await, EndCause::AgentHungUp);
    assert!(house.metric("vg_ari_requests_total{outcome=\"by_ami\"}").await.unwrap() >= 3.0);

    proxy.mend();
    source(&house, "ari", AWAY).await;
    nothing_left(&house, &asterisk).await;
    let mut again = SipCaller::dial(&asterisk, "100").await.unwrap();
    greeted(&mut again).await;
    again.hang_up().await.unwrap();
    assert_eq!(ended(&mut house).await, EndCause::CallerHungUp);
    nothing_left(&house, &asterisk).await;
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn asterisk_that_connects_once_is_served_over_that_socket_and_after_a_cut() {
    let asterisk = Asterisk::start().await.unwrap();
    let mut house = accepting("vg-test").await;
    let proxy = Proxy::to(house.http().port()).unwrap();
    asterisk.dials_ari_at(proxy.local_addr(), "vg-test", Connections::Persistent).await.unwrap();
    source(&house, "ari", SOON).await;
    let mut caller = SipCaller::dial(&asterisk, "100").await.unwrap();
    greeted(&mut caller).await;
    is_served(&mut house, &mut caller).await;

    proxy.cut();
    source(&house, "none", SOON).await;
    is_served(&mut house, &mut caller).await;
    // Who comes now waits in Asterisk until the socket is back.
    let mend = async {
        let legs = async || asterisk.channels().await.unwrap().iter().filter(|name| name.starts_with("PJSIP/")).count();
        while legs().await < 2 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        proxy.mend();
    };
    let (waited, ()) = tokio::join!(SipCaller::dial(&asterisk, "100"), mend);
    let mut waited = waited.unwrap();
    source(&house, "ari", SOON).await;
    greeted(&mut waited).await;
    waited.hang_up().await.unwrap();
    assert_eq!(ended(&mut house).await, EndCause::CallerHungUp);

    is_served(&mut house, &mut caller).await;
    caller.hang_up().await.unwrap();
    assert_eq!(ended(&mut house).await, EndCause::CallerHungUp);
    nothing_left(&house, &asterisk).await;
    assert_eq!(house.metric("vg_ari_sockets_up").await.unwrap(), 1.0);
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn asterisk_that_connects_for_each_call_shares_itself_between_two_gateways() {
    let asterisk = Asterisk::start().await.unwrap();
    let (mut one, mut two) = (accepting("vg-test").await, accepting("vg-test-1").await);
    let proxy = Proxy::to(one.http().port()).unwrap();
    asterisk.dials_ari_at(proxy.local_addr(), "vg-test", Connections::PerCall).await.unwrap();
    asterisk.dials_ari_at(two.http(), "vg-test-1", Connections::PerCall).await.unwrap();
    let mut first = SipCaller::dial(&asterisk, "100").await.unwrap();
    let mut second = SipCaller::dial(&asterisk, "100").await.unwrap();
    let mut third = SipCaller::dial(&asterisk, "111").await.unwrap();
    for caller in [&mut first, &mut second, &mut third] {
        greeted(caller).await;
    }
    assert_eq!(one.metric("vg_ari_sockets_up").await.unwrap(), 2.0);
    assert_eq!(two.metric("vg_ari_sockets_up").await.unwrap(), 1.0);

    proxy.cut();
    until_metric(&one, "vg_ari_sockets_up", |sockets| sockets == 0.0, SOON).await;
    proxy.mend();
    until_metric(&one, "vg_ari_sockets_up", |sockets| sockets == 2.0, SOON).await;
    is_served(&mut one, &mut first).await;
    is_served(&mut two, &mut third).await;
    for caller in [first, second] {
        caller.hang_up().await.unwrap();
        assert_eq!(ended(&mut one).await, EndCause::CallerHungUp);
    }
    third.hang_up().await.unwrap();
    assert_eq!(ended(&mut two).await, EndCause::CallerHungUp);
    nothing_left(&one, &asterisk).await;
    nothing_left(&two, &asterisk).await;
    until_metric(&one, "vg_ari_sockets_up", |sockets| sockets == 0.0, SOON).await;
    one.stop().await;
    two.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_passwords_are_told_and_nobody_is_served() {
    let asterisk = Asterisk::start().await.unwrap();
    let wrong = format!(
        "[[asterisk]]\nurl = \"http://127.0.0.1:{}\"\napp = \"vg-test\"\nuser = \"gateway\"\npassword = \"env:WRONG\"\n",
        asterisk.http_port()
    );
    let house =
        House::with_environment(&(wrong + &ami(asterisk.ami_port()).replace("env:AMI", "env:WRONG")), secrets()).await.unwrap();
    until_metric(&house, "vg_ari_connect_faults_total{code=\"credentials\"}", |count| count >= 1.0, SOON).await;
    until_metric(&house, "vg_ami_logins_refused_total", |count| count >= 1.0, SOON).await;
    assert!(!house.running().readiness().ready());
    house.stop().await;

    let accepts = House::with_environment(
        "[[asterisk]]\nmode = \"accept\"\napp = \"vg-test\"\nuser = \"asterisk\"\npassword = \"env:WRONG\"\n",
        secrets(),
    );
    let accepts = accepts.await.unwrap();
    let proxy = Proxy::to(accepts.http().port()).unwrap();
    asterisk.dials_ari_at(proxy.local_addr(), "vg-test", Connections::Persistent).await.unwrap();
    let tried = async {
        while proxy.connections() < 2 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(SOON, tried).await.expect("asterisk tries, and tries again");
    assert_eq!(accepts.metric("vg_ari_sockets_up").await.unwrap(), 0.0);
    accepts.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_pressed_while_ari_is_away_come_by_ami_and_each_of_them_once() {
    let asterisk = Asterisk::start().await.unwrap();
    let proxy = Proxy::to(asterisk.http_port()).unwrap();
    let (mut operator, ari) = Operator::with_ami(&asterisk, proxy.local_addr().port()).await.unwrap();
    let is_told_by = async |wanted: Source| {
        let told = async {
            while ari.source() != wanted {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(AWAY, told).await.unwrap();
    };
    let (caller, line) = tokio::join!(SipCaller::dial(&asterisk, "100"), operator.takes());
    let (caller, mut line) = (caller.unwrap(), line.unwrap());
    let length = Duration::from_millis(120);
    caller.press('1', length).unwrap();
    line.until_digits(1).await.unwrap();
    proxy.cut();
    is_told_by(Source::Ami).await;
    caller.press('2', length).unwrap();
    line.until_digits(2).await.unwrap();
    proxy.mend();
    is_told_by(Source::Ari).await;
    caller.press('3', length).unwrap();
    line.until_digits(3).await.unwrap();
    // What would come twice has come by now.
    line.listen(Duration::from_millis(500)).await.unwrap();
    assert_eq!(line.digits, ['1', '2', '3']);
    caller.hang_up().await.unwrap();
    line.until_over(SOON).await.unwrap();
    line.release().await.unwrap();
    operator.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn every_action_of_ami_is_understood_by_asterisk() {
    let asterisk = Asterisk::start().await.unwrap();
    let ami = Ami::new(AmiConfig {
        address: format!("127.0.0.1:{}", asterisk.ami_port()),
        user: "gateway".to_owned(),
        password: Pii::new("gateway-ami".to_owned()),
        login: Login::Plain,
        transport: Transport::Plain,
        deadline: SOON,
    });
    let ami = Arc::new(ami.unwrap());
    let stop = CancellationToken::new();
    let (running, token) = (Arc::clone(&ami), stop.clone());
    #[expect(clippy::disallowed_methods, reason = "ended by the token")]
    let running = tokio::spawn(async move { running.run(token).await });
    let up = async {
        while !ami.is_up() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(SOON, up).await.unwrap();
    let channel = || "vg-ami-1".to_owned();
    let place = |context: &str, extension: &str| Place {
        context: context.to_owned(),
        extension: Pii::new(extension.to_owned()),
        priority: "1".to_owned(),
    };
    let originate = Action::Originate {
        channel_id: channel(),
        endpoint: Pii::new("Local/200@from-sip/n".to_owned()),
        to: place("people", "human"),
        caller_id: Pii::new("\"Lab\" <5550100>".to_owned()),
        timeout_ms: 5_000,
        variables: vec![("ONE".to_owned(), Pii::new("first".to_owned())), ("TWO".to_owned(), Pii::new("2=3".to_owned()))],
    };
    ami.ask(originate).await.unwrap();
    let get = async |variable: &str| {
        let asked = Action::Getvar { channel: channel(), variable: variable.to_owned() };
        ami.ask(asked).await.map(|answer| answer.get("Value").unwrap_or_default().to_owned())
    };
    let is_there = async { while get("TWO").await.is_err() {} };
    tokio::time::timeout(SOON, is_there).await.unwrap();
    assert_eq!((get("ONE").await, get("TWO").await), (Ok("first".to_owned()), Ok("2=3".to_owned())));
    assert_eq!(get("DIALPLAN_EXISTS(people,human,1)").await, Ok("1".to_owned()));
    let three = Pii::new("x".to_owned());
    ami.ask(Action::Setvar { channel: channel(), variable: "THREE".to_owned(), value: three }).await.unwrap();
    assert_eq!(get("THREE").await, Ok("x".to_owned()));
    ami.ask(Action::PlayDtmf { channel: channel(), digit: Pii::new('5') }).await.unwrap();
    let listed = ami.list(Action::CoreShowChannels).await.unwrap();
    assert!(listed.iter().any(|item| item.get("Uniqueid") == Some("vg-ami-1")), "{listed:?}");
    ami.ask(Action::Redirect { channel: channel(), to: place("from-sip", "201") }).await.unwrap();
    let transfer = Action::BlindTransfer { channel: channel(), to: place("from-sip", "200") };
    assert_eq!(ami.ask(transfer).await, Err(AmiError::Refused), "it is in no bridge");
    ami.ask(Action::Hangup { channel: channel(), cause: 16 }).await.unwrap();
    let is_gone = async { while get("ONE").await.is_ok() {} };
    tokio::time::timeout(SOON, is_gone).await.unwrap();
    for action in [
        Action::Hangup { channel: channel(), cause: 16 },
        Action::Redirect { channel: channel(), to: place("from-sip", "201") },
        Action::Getvar { channel: channel(), variable: "ONE".to_owned() },
        Action::Setvar { channel: channel(), variable: "ONE".to_owned(), value: Pii::new("x".to_owned()) },
        Action::PlayDtmf { channel: channel(), digit: Pii::new('5') },
        Action::BlindTransfer { channel: channel(), to: place("from-sip", "201") },
        Action::Atxfer { channel: channel(), to: place("from-sip", "201") },
        Action::CancelAtxfer { channel: channel() },
    ] {
        let named = action.encode("x").unwrap();
        assert_eq!(ami.ask(action).await, Err(AmiError::Gone), "{named}");
    }
    assert_eq!(ami.stats().malformed, 0);
    stop.cancel();
    running.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn caller_whose_coming_nobody_heard_is_taken_in() {
    let asterisk = Asterisk::start().await.unwrap();
    // Another life of this gateway, which dies just when somebody comes.
    let login = base64::engine::general_purpose::STANDARD.encode("gateway:gateway-lab");
    let mut request = format!("ws://127.0.0.1:{}/ari/events?app=vg-test", asterisk.http_port()).into_client_request().unwrap();
    request.headers_mut().insert("authorization", format!("Basic {login}").parse().unwrap());
    let (mut socket, _) = tokio_tungstenite::connect_async(request).await.unwrap();
    let next_life = async {
        while !socket.next().await.unwrap().unwrap().to_text().unwrap().contains("StasisStart") {}
        drop(socket);
        dialling(asterisk.http_port(), "").await
    };
    let (caller, mut house) = tokio::join!(SipCaller::dial(&asterisk, "100"), next_life);
    let mut caller = caller.unwrap();
    greeted(&mut caller).await;
    is_served(&mut house, &mut caller).await;
    assert_eq!(house.metric("vg_ari_calls_adopted_total").await.unwrap(), 1.0);
    caller.hang_up().await.unwrap();
    assert_eq!(ended(&mut house).await, EndCause::CallerHungUp);
    nothing_left(&house, &asterisk).await;
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn asterisk_behind_tls_is_served_where_its_certificate_is_trusted_and_told_apart_where_not() {
    let asterisk = Asterisk::start().await.unwrap();
    let (own, foreign) = (Issued::to("127.0.0.1").unwrap(), Issued::to("127.0.0.1").unwrap());
    let port = asterisk.speaks_tls(&own.certificate, &own.key).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let section = |name: &str, pem: &str| {
        let file = folder.path().join(name);
        std::fs::write(&file, pem).unwrap();
        format!(
            "[[asterisk]]\nurl = \"https://127.0.0.1:{port}\"\nca = \"{}\"\napp = \"vg-test\"\nuser = \"gateway\"\npassword = \"env:ARI\"\n",
            file.display()
        )
    };
    let stranger = House::with_environment(&section("foreign.pem", &foreign.authority), secrets()).await.unwrap();
    until_metric(&stranger, "vg_ari_connect_faults_total{code=\"certificate\"}", |count| count >= 1.0, SOON).await;
    assert!(!stranger.running().readiness().ready());
    stranger.stop().await;

    let mut house = House::with_environment(&section("own.pem", &own.authority), secrets()).await.unwrap();
    house.serves_all(SOON).await.unwrap();
    let mut caller = SipCaller::dial(&asterisk, "100").await.unwrap();
    greeted(&mut caller).await;
    caller.hang_up().await.unwrap();
    assert_eq!(ended(&mut house).await, EndCause::CallerHungUp);
    nothing_left(&house, &asterisk).await;
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn manager_behind_tls_stands_in_where_its_certificate_is_trusted_and_is_told_apart_where_not() {
    let asterisk = Asterisk::start().await.unwrap();
    let (own, foreign) = (Issued::to("127.0.0.1").unwrap(), Issued::to("127.0.0.1").unwrap());
    let port = asterisk.manager_speaks_tls(&own.certificate, &own.key).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let sealed = |port: u16, pem: &str| {
        let file = folder.path().join("ca.pem");
        std::fs::write(&file, pem).unwrap();
        format!("{}ami_transport = \"tls\"\nami_ca = \"{}\"\n", ami(port), file.display())
    };
    // A stranger's certificate, and a port where no TLS is spoken.
    for (port, authority, code) in [(port, &foreign.authority, "certificate"), (asterisk.ami_port(), &own.authority, "tls")] {
        let house = dialling(asterisk.http_port(), &sealed(port, authority)).await;
        let fault = format!("vg_ami_connect_faults_total{{code=\"{code}\"}}");
        until_metric(&house, &fault, |count| count >= 1.0, SOON).await;
        assert_eq!(house.metric("vg_ami_up").await.unwrap(), 0.0, "{code}");
        house.stop().await;
    }
    let proxy = Proxy::to(asterisk.http_port()).unwrap();
    let mut house = dialling(proxy.local_addr().port(), &sealed(port, &own.authority)).await;
    house.serves_all(SOON).await.unwrap();
    until_metric(&house, "vg_ami_up", |up| up == 1.0, SOON).await;
    let mut caller = SipCaller::dial(&asterisk, "100").await.unwrap();
    greeted(&mut caller).await;
    proxy.cut();
    source(&house, "ami", AWAY).await;
    caller.hang_up().await.unwrap();
    assert_eq!(ended(&mut house).await, EndCause::CallerHungUp);
    proxy.mend();
    source(&house, "ari", AWAY).await;
    nothing_left(&house, &asterisk).await;
    house.stop().await;
}
