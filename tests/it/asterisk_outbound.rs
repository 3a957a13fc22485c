//! Calls that the gateway makes, and calls that it refuses, through a real Asterisk: a telephone really rings.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "a broken story stops; a good one reports")]

use std::fs;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use vg_domain::dialling::{AnsweredBy, DialFailure};
use vg_domain::event::Fact;
use vg_domain::ids::{CallId, TenantId};
use vg_domain::outcome::EndCause;
use vg_domain::pii::Pii;
use vg_domain::refusal::Refusal;
use vg_tests::house::House;
use vg_tests::lab::{Asterisk, EndedBy, Proxy, SipCallee, SipCaller, rms};
use voice_gateway::application::ports::{CallOrder, Originate};

const DEMO: &str = include_str!("../../host/demo/tenants/demo.toml");
const GRAMMAR: &str = include_str!("../../host/demo/demo.jsgf");

/// A gateway whose tenant `demo` may call a telephone, with this beside in the tenant's file and in the gateway's configuration.
struct Caller {
    house: House,
    _tenants: TempDir,
}

async fn gateway(asterisk: &Asterisk, tenant: &str, config: &str) -> Caller {
    let (tenants, own) = tenants(tenant);
    let house = House::serving_with(&[asterisk.ari()], &format!("{own}{config}")).await.unwrap();
    house.serves_all(Duration::from_secs(10)).await.unwrap();
    Caller { house, _tenants: tenants }
}

/// The tenant `demo` with this beside, and the configuration that names its folder.
fn tenants(tenant: &str) -> (TempDir, String) {
    let tenants = TempDir::new().unwrap();
    fs::write(tenants.path().join("demo.toml"), format!("{DEMO}\n{tenant}")).unwrap();
    fs::write(tenants.path().join("demo.jsgf"), GRAMMAR).unwrap();
    let config = format!("tenants = {{ dir = '{}' }}\n", tenants.path().display());
    (tenants, config)
}

fn outbound(phone: &SipCallee, more: &str) -> String {
    let trunk = phone.trunk();
    format!("[outbound]\ntrunk = '{trunk}'\ncaller_id = '+551130000000'\ncountry = '55'\npatterns = ['+55.']\n{more}")
}

impl Caller {
    async fn calls(&self, to: &str, timeout: Duration) -> CallId {
        let order = Originate {
            tenant: TenantId::new("demo"),
            to: Pii::new(to.to_owned()),
            from: None,
            agent: None,
            metadata: Default::default(),
            timeout,
        };
        self.house.running().originator().originate(order).await.unwrap()
    }

    async fn ended(&mut self) -> EndCause {
        let ended = |_: &CallId, fact: &Fact| match fact {
            Fact::Ended(outcome) => Some(outcome.cause),
            _ => None,
        };
        self.house.fact("the end", ended).await.unwrap()
    }

    async fn answered(&mut self) -> AnsweredBy {
        let answered = |_: &CallId, fact: &Fact| match fact {
            Fact::Answered(by) => Some(*by),
            _ => None,
        };
        self.house.fact("the answer", answered).await.unwrap()
    }

    async fn holds_nothing(&self, asterisk: &Asterisk) {
        self.house.holds_nothing(Duration::from_secs(5)).await.unwrap();
        let gone = async {
            while !asterisk.channels().await.unwrap().is_empty() || !asterisk.bridges().await.unwrap().is_empty() {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(5), gone).await.expect("asterisk holds something");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_called_hears_the_greeting_after_the_answer_and_not_before() {
    let asterisk = Asterisk::start().await.unwrap();
    let mut phone = SipCallee::waiting().unwrap();
    let mut gateway = gateway(&asterisk, &outbound(&phone, ""), "").await;
    let call = gateway.calls("(11) 99999-0200", Duration::from_secs(20)).await;
    assert_eq!(phone.next_word().await.unwrap(), "ringing");
    assert_eq!(asterisk.bridges().await.unwrap(), Vec::<String>::new(), "nothing is there to be talked into");
    let mut person = phone.answers().await.unwrap();
    assert_eq!(gateway.answered().await, AnsweredBy::CalledSide);
    let heard = person.hears_speech(person.answered_at(), Duration::from_secs(5)).await.unwrap();
    println!("greeted {:?} after the answer", heard - person.answered_at());
    person.hears_quiet(Duration::from_millis(600), Duration::from_secs(15)).await.unwrap();
    let faults: Vec<String> =
        asterisk.log().lines().filter(|line| line.contains("TRANSFER_HANDLING")).map(str::to_owned).collect();
    assert_eq!(faults, [""; 0], "asterisk takes what the channel is born with");
    let orders = gateway.house.running().orders();
    orders.order(&TenantId::new("demo"), &call, CallOrder::HangUp).await.unwrap();
    let record = person.until_hung_up(Duration::from_secs(5)).await.unwrap();
    assert_eq!(record.ended_by, EndedBy::FarEnd);
    assert!(rms(&record.heard) > 200.0, "the greeting is in the recording");
    assert_eq!(gateway.ended().await, EndCause::Stopped);
    gateway.holds_nothing(&asterisk).await;
    gateway.house.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_busy_declines_or_does_not_exist_is_told_apart() {
    let asterisk = Asterisk::start().await.unwrap();
    for (tail, failure) in [
        ("486", DialFailure::Busy),
        ("603", DialFailure::Rejected),
        ("404", DialFailure::Unallocated),
        ("503", DialFailure::Congestion),
    ] {
        let mut phone = SipCallee::waiting().unwrap();
        let mut gateway = gateway(&asterisk, &outbound(&phone, ""), "").await;
        gateway.calls(&format!("+5511999990{tail}"), Duration::from_secs(20)).await;
        assert_eq!(phone.next_word().await.unwrap(), "refused", "{tail}");
        assert_eq!(gateway.ended().await, EndCause::NotReached(failure), "{tail}");
        let metric = format!("vg_calls_ended_total{{cause=\"{}\"}}", failure.code());
        assert_eq!(gateway.house.metric(&metric).await.unwrap(), 1.0);
        gateway.holds_nothing(&asterisk).await;
        gateway.house.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_answer_in_time_is_no_longer_rung() {
    let asterisk = Asterisk::start().await.unwrap();
    let mut phone = SipCallee::waiting().unwrap();
    let mut gateway = gateway(&asterisk, &outbound(&phone, ""), "").await;
    let began = Instant::now();
    gateway.calls("+5511999990180", Duration::from_secs(2)).await;
    assert_eq!(phone.next_word().await.unwrap(), "ringing");
    assert_eq!(phone.next_word().await.unwrap(), "cancelled");
    println!("given up after {:?}", began.elapsed());
    assert_eq!(gateway.ended().await, EndCause::NotReached(DialFailure::NoAnswer));
    gateway.holds_nothing(&asterisk).await;
    gateway.house.stop().await;
}

/// Orders a call as programs do: the status line, headers and body of the answer.
async fn ordered(gateway: SocketAddr) -> String {
    let body = r#"{"to":"+5511999990200"}"#;
    let mut connection = TcpStream::connect(gateway).await.unwrap();
    let request = format!(
        "POST /v1/calls HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-type: application/json\r\nidempotency-key: one\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    );
    connection.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await.unwrap();
    answer.to_lowercase()
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_called_while_ari_is_away_and_whoever_ordered_it_may_try_again() {
    let asterisk = Asterisk::start().await.unwrap();
    let proxy = Proxy::to(asterisk.http_port()).unwrap();
    let mut phone = SipCallee::waiting().unwrap();
    let (_tenants, own) = tenants(&outbound(&phone, ""));
    let config = format!(
        "{own}[http]\napi = true\nauth = 'off'\n[[asterisk]]\nurl = 'http://{}'\napp = 'vg-test'\nuser = 'gateway'\n\
         password = 'env:ARI'\nami = '127.0.0.1:{}'\nami_user = 'gateway'\nami_password = 'env:AMI'\n",
        proxy.local_addr(),
        asterisk.ami_port(),
    );
    let secrets = [("ARI", "gateway-lab"), ("AMI", "gateway-ami")].map(|(name, value)| (name.to_owned(), value.to_owned()));
    let house = House::with_environment(&config, secrets.to_vec()).await.unwrap();
    house.serves_all(Duration::from_secs(10)).await.unwrap();
    proxy.cut();
    for source in ["none", "ami"] {
        until_metric(&house, &format!("vg_asterisk_source{{app=\"vg-test\",source=\"{source}\"}}")).await;
        let refused = ordered(house.http()).await;
        assert!(refused.starts_with("http/1.1 503") && refused.contains("\"code\":\"unreachable\""), "{source}: {refused}");
        assert!(refused.contains("retry-after: 5"), "{source}: {refused}");
    }
    assert_eq!(asterisk.channels().await.unwrap(), Vec::<String>::new());
    // Why AMI is not asked: whoever is dialled beside ARI finds no application.
    asterisk.cli("channel originate Local/200@from-sip/n extension 100@from-sip").await.unwrap();
    let lost = async {
        while !asterisk.log().contains("STASISSTATUS=FAILED") {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(5), lost).await.expect("it entered the application");
    asterisk.cli("channel request hangup all").await.unwrap();
    asterisk.holds_nothing(Duration::from_secs(5)).await.unwrap();

    proxy.mend();
    until_metric(&house, "vg_asterisk_source{app=\"vg-test\",source=\"ari\"}").await;
    let taken = ordered(house.http()).await;
    assert!(taken.starts_with("http/1.1 201"), "{taken}");
    assert_eq!(phone.next_word().await.unwrap(), "ringing");
    drop(phone);
    house.stop().await;
}

async fn until_metric(house: &House, metric: &str) {
    let reached = async {
        while house.metric(metric).await.ok() != Some(1.0) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), reached).await.unwrap_or_else(|_| panic!("{metric} is not 1"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_is_hung_up_by_the_api_while_it_rings() {
    let asterisk = Asterisk::start().await.unwrap();
    let mut phone = SipCallee::waiting().unwrap();
    let mut gateway = gateway(&asterisk, &outbound(&phone, ""), "").await;
    let call = gateway.calls("+5511999990180", Duration::from_secs(60)).await;
    assert_eq!(phone.next_word().await.unwrap(), "ringing");
    let orders = gateway.house.running().orders();
    orders.order(&TenantId::new("demo"), &call, CallOrder::HangUp).await.unwrap();
    assert_eq!(phone.next_word().await.unwrap(), "cancelled");
    assert_eq!(gateway.ended().await, EndCause::Stopped);
    gateway.holds_nothing(&asterisk).await;
    gateway.house.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_is_told_its_line_once_it_is_quiet() {
    let asterisk = Asterisk::start().await.unwrap();
    let phone = SipCallee::waiting().unwrap();
    let mut gateway = gateway(&asterisk, &outbound(&phone, "amd = true\nmachine_line = 'Please call us back.'"), "").await;
    gateway.calls("+5511999990200", Duration::from_secs(20)).await;
    let mut person = phone.answers().await.unwrap();
    // A long announcement without a pause: what machines do. White noise is as good as words to AMD.
    let noise: Vec<i16> = (0..8_000u32 * 6).map(|n| (n.wrapping_mul(2_654_435_761) >> 19) as i16 - 4_096).collect();
    let announced = person.say(&noise);
    let by = gateway.answered();
    let (announced, by) = tokio::join!(announced, by);
    let announced = announced.unwrap();
    assert_eq!(by, AnsweredBy::Machine);
    let heard = person.hears_speech(announced, Duration::from_secs(20)).await.unwrap();
    println!("the line was said {:?} after the announcement's end", heard - announced);
    let record = person.until_hung_up(Duration::from_secs(20)).await.unwrap();
    assert_eq!(record.ended_by, EndedBy::FarEnd);
    assert_eq!(gateway.ended().await, EndCause::AnsweringMachine);
    gateway.holds_nothing(&asterisk).await;
    gateway.house.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_is_known_by_a_short_hello_and_then_greeted() {
    let asterisk = Asterisk::start().await.unwrap();
    let phone = SipCallee::waiting().unwrap();
    let mut gateway = gateway(&asterisk, &outbound(&phone, "amd = true"), "").await;
    let call = gateway.calls("+5511999990200", Duration::from_secs(20)).await;
    let mut person = phone.answers().await.unwrap();
    let hello: Vec<i16> = (0..8_000u32 / 2).map(|n| (n.wrapping_mul(2_654_435_761) >> 19) as i16 - 4_096).collect();
    let said = person.say(&hello).await.unwrap();
    assert_eq!(gateway.answered().await, AnsweredBy::Human);
    let heard = person.hears_speech(said, Duration::from_secs(10)).await.unwrap();
    println!("greeted {:?} after the hello", heard - said);
    let orders = gateway.house.running().orders();
    orders.order(&TenantId::new("demo"), &call, CallOrder::HangUp).await.unwrap();
    person.until_hung_up(Duration::from_secs(5)).await.unwrap();
    assert_eq!(gateway.ended().await, EndCause::Stopped);
    gateway.holds_nothing(&asterisk).await;
    gateway.house.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_callers_get_their_sip_status_before_any_answer() {
    let asterisk = Asterisk::start().await.unwrap();
    // The tenant's limit.
    let mut limited = gateway(&asterisk, "[limits]\ncalls_max = 1", "").await;
    let mut first = SipCaller::dial(&asterisk, "100").await.unwrap();
    first.hears_speech(first.answered_at(), Duration::from_secs(5)).await.unwrap();
    assert_eq!(SipCaller::is_refused(&asterisk, "100").await.unwrap(), 486);
    let refused = |_: &CallId, fact: &Fact| match fact {
        Fact::Refused(refusal) => Some(*refusal),
        _ => None,
    };
    assert_eq!(limited.house.fact("the refusal", refused).await.unwrap(), Refusal::TenantOverLimit);
    first.hang_up().await.unwrap();
    limited.holds_nothing(&asterisk).await;
    limited.house.stop().await;
    // The gateway's limit.
    let mut full = gateway(&asterisk, "", "[limits]\ncalls_max = 1").await;
    let first = SipCaller::dial(&asterisk, "100").await.unwrap();
    assert_eq!(SipCaller::is_refused(&asterisk, "100").await.unwrap(), 503);
    assert_eq!(full.house.fact("the refusal", refused).await.unwrap(), Refusal::OverLimit);
    first.hang_up().await.unwrap();
    full.holds_nothing(&asterisk).await;
    full.house.stop().await;
    // A tenant that is not there: extension 100 names `demo`.
    let strangers = TempDir::new().unwrap();
    fs::write(strangers.path().join("acme.toml"), DEMO).unwrap();
    fs::write(strangers.path().join("demo.jsgf"), GRAMMAR).unwrap();
    let config = format!("[tenants]\ndir = '{}'\ndefault = 'acme'\n", strangers.path().display());
    let mut house = House::serving_with(&[asterisk.ari()], &config).await.unwrap();
    house.serves_all(Duration::from_secs(10)).await.unwrap();
    assert_eq!(SipCaller::is_refused(&asterisk, "100").await.unwrap(), 404);
    assert_eq!(house.fact("the refusal", refused).await.unwrap(), Refusal::TenantUnknown);
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_caller_hears_why_where_the_operator_pays() {
    let asterisk = Asterisk::start().await.unwrap();
    let full = gateway(&asterisk, "", "[limits]\ncalls_max = 1\n[prompts]\nanswer_refusals = true").await;
    let first = SipCaller::dial(&asterisk, "100").await.unwrap();
    let mut second = SipCaller::dial(&asterisk, "100").await.unwrap();
    second.hears_speech(second.answered_at(), Duration::from_secs(5)).await.unwrap();
    let record = second.until_hung_up(Duration::from_secs(15)).await.unwrap();
    assert_eq!(record.ended_by, EndedBy::FarEnd);
    let seconds = record.heard.len() as f64 / f64::from(record.rate_hz);
    assert!((2.0..8.0).contains(&seconds), "{seconds} s of words");
    first.hang_up().await.unwrap();
    full.holds_nothing(&asterisk).await;
    full.house.stop().await;
}
