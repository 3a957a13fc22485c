//! Calls that outlive their gateway, at a real Asterisk and a real Redis: whoever holds them dies, freezes or lets go, and another one goes on.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "a broken story stops; a good one reports")]

#[path = "failover/witness.rs"]
mod witness;
#[path = "failover/told.rs"]
mod told;
#[path = "failover/many.rs"]
mod many;

use redis::AsyncCommands;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use vg_domain::event::Fact;
use vg_domain::outcome::EndCause;
use vg_domain::recording::RecordingFact;
use vg_tests::agent::{Orchestrator, Shape, Trouble};
use vg_tests::house::{House, plugins_dir, recording};
use vg_tests::lab::{Asterisk, Connections, Proxy, Redis, SipCaller};
use vg_tests::program;
use vg_tests::s3::{self, S3Double};
use voice_gateway::adapters::media_ws::client::{Phone, PhoneConfig};
use voice_gateway::adapters::media_ws::{Format, PhoneFact};
use voice_gateway::adapters::recording::{Form, repair};

const SOON: Duration = Duration::from_secs(8);
/// A program compiles its plugins first.
const START: Duration = Duration::from_secs(90);
/// Others are judged by whoever has seen the store for so long.
const SETTLED: Duration = Duration::from_secs(4);
const SOUND_KEY: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

/// What all gateways of a story share.
struct Scene {
    asterisk: Asterisk,
    redis: Redis,
    agent: Orchestrator,
    /// More lines of the configuration's `[state]`.
    state: &'static str,
}

impl Scene {
    async fn new() -> Self {
        let (asterisk, agent) = (Asterisk::start().await.unwrap(), Orchestrator::start(Shape::Sse).await);
        Self { asterisk, redis: Redis::start().await.unwrap(), agent, state: "" }
    }

    fn config(&self, instance: &str, app: &str) -> String {
        format!(
            "instance = \"{instance}\"\n[[asterisk]]\nurl = \"http://127.0.0.1:{}\"\napp = \"{app}\"\nuser = \"gateway\"\n\
             password = \"env:ARI\"\n[state]\nredis = \"redis://127.0.0.1:{}\"\n{}{}",
            self.asterisk.http_port(),
            self.redis.port(),
            self.state,
            self.agent.by_http(),
        )
    }

    /// The same of one to which Asterisk connects, once for each call.
    fn accepting(&self, instance: &str) -> String {
        let dialling = self.config(instance, "vg-test").replace("user = \"gateway\"", "user = \"asterisk\"\nmode = \"accept\"");
        let url = format!("url = \"http://127.0.0.1:{}\"\n", self.asterisk.http_port());
        dialling.replace(&url, "").replace("env:ARI", "env:SHOWN")
    }

    /// One of this process, whose facts are heard.
    async fn survivor(&self) -> House {
        let house = House::with_environment(&self.config("b", "vg-b"), secrets()).await.unwrap();
        house.serves_all(SOON).await.unwrap();
        house
    }

    /// A gateway with a caller who was greeted, and another one that could go on with the call.
    async fn under_way(&self) -> (Gateway, House, SipCaller) {
        self.under_way_at(&self.config("a", "vg-test")).await
    }

    /// The same, the first one with this configuration.
    async fn under_way_at(&self, first: &str) -> (Gateway, House, SipCaller) {
        let first = Gateway::start(first, "vg_ari_sockets_up").await;
        let second = self.survivor().await;
        tokio::time::sleep(SETTLED).await;
        let mut caller = SipCaller::dial(&self.asterisk, "100").await.unwrap();
        caller.hears_speech(caller.answered_at(), Duration::from_secs(5)).await.unwrap();
        is_told_all(&mut caller).await;
        (first, second, caller)
    }

    /// A recorded call whose gateway is killed, and who goes on with it; `store`: where recordings go from the folder, a section of the configuration. With the
    /// configuration of the one that died, and how long the caller had talked with it.
    async fn records_and_dies(&self, folder: &Path, store: &str) -> (String, House, SipCaller, Duration) {
        let config = format!("{}{}{store}", self.config("a", "vg-test"), recorded(folder, "first"));
        let first = Gateway::start(&config, "vg_ari_sockets_up").await;
        let of_second = format!("{}{}{store}", self.config("b", "vg-b"), recorded(folder, "second"));
        let mut second = House::with_environment(&of_second, secrets()).await.unwrap();
        second.serves_all(SOON).await.unwrap();
        tokio::time::sleep(SETTLED).await;
        let mut caller = SipCaller::dial(&self.asterisk, "100").await.unwrap();
        caller.hears_speech(caller.answered_at(), Duration::from_secs(5)).await.unwrap();
        is_told_all(&mut caller).await;
        let talked = caller.answered_at().elapsed();
        first.signal("-KILL");
        adopted(&mut second).await;
        (config, second, caller, talked)
    }

    /// The second question of a conversation is answered there.
    async fn goes_on_and_ends_well(self, mut house: House, mut caller: SipCaller) {
        asks(&mut caller).await;
        assert_eq!(turn_about_the_time(&mut house).await, 2);
        assert_eq!(self.agent.brain.seen().opened.len(), 1, "one conversation");
        self.ends_well(house, caller).await;
    }

    /// The caller goes, and nothing is left of the call anywhere.
    async fn ends_well(self, mut house: House, caller: SipCaller) {
        caller.hang_up().await.unwrap();
        assert_eq!(ended(&mut house).await, EndCause::CallerHungUp);
        house.holds_nothing(SOON).await.unwrap();
        self.asterisk.holds_nothing(SOON).await.unwrap();
        house.stop().await;
    }
}

fn secrets() -> Vec<(String, String)> {
    let secrets = [("ARI", "gateway-lab"), ("SHOWN", "asterisk-lab"), ("SOUND_KEY", SOUND_KEY)];
    secrets.map(|(name, value)| (name.to_owned(), value.to_owned())).into_iter().chain(s3::environment()).collect()
}

/// A gateway as a process of its own.
struct Gateway {
    process: Child,
    http: SocketAddr,
    folder: TempDir,
}

impl Gateway {
    /// It serves when it says 1 of `ready`.
    async fn start(config: &str, ready: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let http = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        // The local speech plugins have room for all callers of a story.
        let config = format!("{config}[plugins]\nheavy_sessions_max = 64\ndir = \"{}\"\n", plugins_dir().display());
        let file = folder.path().join("voice-gateway.toml");
        std::fs::write(&file, config).unwrap();
        let log = std::fs::File::create(folder.path().join("log")).unwrap();
        let mut serve = program::alone(folder.path());
        serve.env("VG__HTTP__BIND", http.to_string()).envs(secrets()).arg("serve").arg("--config").arg(&file);
        let process = serve.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap();
        let gateway = Self { process, http, folder };
        let begun = Instant::now();
        while gateway.metric(ready).await != Some(1.0) {
            assert!(begun.elapsed() < START, "{}", gateway.log());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        gateway
    }

    async fn metric(&self, name: &str) -> Option<f64> {
        let mut connection = TcpStream::connect(self.http).await.ok()?;
        connection.write_all(b"GET /metrics HTTP/1.1\r\nHost: gateway\r\nConnection: close\r\n\r\n").await.ok()?;
        let mut page = String::new();
        connection.read_to_string(&mut page).await.ok()?;
        page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))?.parse().ok()
    }

    fn signal(&self, name: &str) {
        let sent = std::process::Command::new("kill").args([name, &self.process.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    fn log(&self) -> String {
        std::fs::read_to_string(Path::join(self.folder.path(), "log")).unwrap_or_default()
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A gateway that woke knows that its call is another one's.
async fn lets_go(woken: &Gateway) {
    let begun = Instant::now();
    while woken.metric("vg_calls_taken_over_total").await != Some(1.0) {
        assert!(begun.elapsed() < SOON, "{}", woken.log());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    println!("the one that woke let go after {:?}", begun.elapsed());
}

/// Whatever is being said to the caller is said to its end.
async fn is_told_all(caller: &mut SipCaller) {
    caller.hears_quiet(Duration::from_millis(600), Duration::from_secs(15)).await.unwrap();
}

async fn says(caller: &mut SipCaller, name: &str) -> Instant {
    let sound = vg_media::resample::convert(&recording(name).unwrap(), 16_000, 8_000).unwrap();
    caller.say(&sound).await.unwrap()
}

/// The caller asks for the time, and is answered.
async fn asks(caller: &mut SipCaller) {
    let asked = says(caller, "time.wav").await;
    caller.hears_speech(asked, SOON).await.unwrap();
}

async fn until(what: &str, within: Duration, condition: impl Fn() -> bool) {
    let begun = Instant::now();
    while !condition() {
        assert!(begun.elapsed() < within, "never: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn adopted(house: &mut House) -> Duration {
    house.fact("an adoption", |_, fact| if let Fact::Adopted { silent, .. } = fact { Some(*silent) } else { None }).await.unwrap()
}

/// A turn whose question was heard and that has an answer; its number.
async fn turn_about_the_time(house: &mut House) -> u32 {
    let turn = house.fact("a turn", |_, fact| if let Fact::Turn(turn) = fact { Some(turn.clone()) } else { None }).await.unwrap();
    assert!(turn.heard.as_str().contains("time") && !turn.said.is_empty(), "{turn:?}");
    turn.turn.0
}

async fn ended(house: &mut House) -> EndCause {
    let fact = |fact: &Fact| if let Fact::Ended(outcome) = fact { Some(outcome.cause) } else { None };
    house.fact("the end", |_, told| fact(told)).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_whose_gateway_is_killed_is_answered_by_another_one_in_the_same_conversation() {
    let scene = Scene::new().await;
    let (first, mut second, mut caller) = scene.under_way().await;
    asks(&mut caller).await;
    is_told_all(&mut caller).await;

    // The second question is asked, and has no answer yet.
    scene.agent.brain.trouble([Trouble::Deaf]);
    says(&mut caller, "time.wav").await;
    until("the second question", SOON, || scene.agent.brain.seen().turns.len() >= 2).await;
    first.signal("-KILL");
    let died = Instant::now();
    let silent = adopted(&mut second).await;
    println!("taken over {:?} after the death; silent for {silent:?} as it was told", died.elapsed());
    let heard = caller.hears_speech(died, SOON).await.unwrap();
    println!("silence at the caller: {:?}", heard.duration_since(died));
    assert!(heard.duration_since(died) <= Duration::from_secs(2));
    assert_eq!(turn_about_the_time(&mut second).await, 2);
    let seen = scene.agent.brain.seen();
    assert_eq!(seen.opened.len(), 1, "one conversation");
    let ids: Vec<_> = seen.turns.iter().map(|turn| turn["turn_id"].clone()).collect();
    assert_eq!(ids.last(), Some(&serde_json::json!(2)), "{ids:?}");
    is_told_all(&mut caller).await;

    // It goes on.
    asks(&mut caller).await;
    scene.ends_well(second, caller).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_wakes_after_ten_seconds_speaks_to_nobody_and_hangs_nobody_up() {
    let scene = Scene::new().await;
    let (first, mut second, mut caller) = scene.under_way().await;

    first.signal("-STOP");
    adopted(&mut second).await;
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(answers(&first).await, None, "it is frozen");
    first.signal("-CONT");
    // What it had queued, and what its alarms want by now, comes to nothing.
    lets_go(&first).await;
    assert_eq!(first.metric("vg_calls_live").await, Some(0.0));
    // The caller talks to the second one, and to nobody else.
    asks(&mut caller).await;
    turn_about_the_time(&mut second).await;
    assert_eq!(scene.agent.brain.seen().turns.len(), 1, "asked once");
    let media: Vec<String> =
        scene.asterisk.channels().await.unwrap().into_iter().filter(|name| name.starts_with("UnicastRTP")).collect();
    assert_eq!((media.len(), scene.asterisk.bridges().await.unwrap().len()), (1, 1), "{media:?}");
    scene.ends_well(second, caller).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_caller_was_saying_when_the_gateway_was_killed_is_heard_by_the_next_one() {
    let mut scene = Scene::new().await;
    scene.state = "sound_key = \"env:SOUND_KEY\"\n";
    let (first, mut second, mut caller) = scene.under_way().await;
    let mut redis = scene.redis.connect().await.unwrap();
    let mut kept = async || {
        let keys: Vec<String> = redis::cmd("KEYS").arg("vg:*:audio").query_async(&mut redis).await.unwrap();
        let key = keys.first()?;
        redis::cmd("XLEN").arg(key).query_async::<usize>(&mut redis).await.ok()
    };
    assert_eq!(kept().await, None, "nobody speaks");
    let question = vg_media::resample::convert(&recording("hours.wav").unwrap(), 16_000, 8_000).unwrap();
    caller.begin_saying(&question).unwrap();
    let (begun, mut most) = (Instant::now(), None);
    // Of two seconds and a bit: the last word is not over.
    while most < Some(2) {
        most = most.max(kept().await);
        assert!(begun.elapsed() < SOON, "of two seconds {most:?} are kept\n{}", first.log());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(scene.agent.brain.seen().turns.is_empty(), "nobody was asked yet");
    first.signal("-KILL");
    adopted(&mut second).await;
    // Whoever only listens from now on hears nothing of it.
    let words = |fact: &Fact| if let Fact::Hearing { text, .. } = fact { Some(text.as_str().to_owned()) } else { None };
    let of_question = |fact: &Fact| words(fact).filter(|words| words.starts_with("what are your"));
    println!("heard again: {}", second.fact("the question", |_, fact| of_question(fact)).await.unwrap());
    assert_eq!(kept().await, None, "it was for once");
    scene.ends_well(second, caller).await;
}

async fn answers(gateway: &Gateway) -> Option<f64> {
    let asked = tokio::time::timeout(Duration::from_millis(300), gateway.metric("vg_calls_live"));
    asked.await.ok().flatten()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_stops_hands_its_calls_to_one_that_lives() {
    let scene = Scene::new().await;
    let (mut first, mut second, mut caller) = scene.under_way().await;
    first.signal("-TERM");
    let stopped = Instant::now();
    assert_eq!(adopted(&mut second).await.as_millis() / 1_000, 0, "the caller has hardly noticed");
    println!("handed on {:?} after the signal", stopped.elapsed());
    is_gone(&mut first).await;
    asks(&mut caller).await;
    assert_eq!(turn_about_the_time(&mut second).await, 1, "and not a goodbye");
    scene.ends_well(second, caller).await;
}

/// Its connection is the gateway's own: nobody else has a way to that caller.
#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_no_other_gateway_reaches_is_not_taken_from_one_that_stops() {
    let scene = Scene::new().await;
    let first = Gateway::start(&scene.config("a", "vg-test"), "vg_ari_sockets_up").await;
    let mut second = scene.survivor().await;
    tokio::time::sleep(SETTLED).await;
    let url = format!("ws://{}/media/ws", first.http).parse().unwrap();
    let mut phone = Phone::connect(PhoneConfig { url, format: Format::Slin16, tenant: None }).await.unwrap();
    assert!(phone.until_answer_ended(Duration::from_millis(900), SOON).await, "{}", first.log());
    first.signal("-TERM");
    let end = async {
        loop {
            if let PhoneFact::Ended { cause, .. } = phone.next_fact().await.expect("the line is cut without a word") {
                return cause;
            }
        }
    };
    assert_eq!(tokio::time::timeout(SOON * 2, end).await.unwrap(), "drained", "{}", first.log());
    let (heard, ended) = phone.hang_up().await;
    ended.unwrap();
    println!("the caller of a gateway that stopped heard {} s", heard.agent.len() / heard.rate_hz as usize);
    let told =
        second.fact("a call of another gateway", |_, fact| matches!(fact, Fact::Ended(_) | Fact::Adopted { .. }).then_some(()));
    assert!(tokio::time::timeout(Duration::from_millis(200), told).await.is_err(), "the other gateway has taken it");
    second.stop().await;
}

/// Perhaps one of its version lives; if not, its caller is not kept in silence.
#[tokio::test(flavor = "multi_thread")]
async fn a_caller_of_whom_a_later_version_wrote_goes_on_in_the_dialplan() {
    let scene = Scene::new().await;
    let (first, second, caller) = scene.under_way().await;
    let mut redis = scene.redis.connect().await.unwrap();
    first.signal("-KILL");
    let states: Vec<String> = redis.keys("vg:{*}:state").await.unwrap();
    assert_eq!(states.len(), 1, "{states:?}");
    let _: () = redis.set(&states[0], r#"{"version":2,"who":"knows"}"#).await.unwrap();
    let died = Instant::now();
    caller.until_hung_up(SOON).await.unwrap();
    println!("left to the dialplan {:?} after the death", died.elapsed());
    assert!(died.elapsed() > Duration::from_secs(2), "a gateway of its version had no time");
    scene.asterisk.holds_nothing(SOON).await.unwrap();
    second.stop().await;
}

/// Nobody could say a word to that caller; whoever follows the call is told of its end all the same.
#[tokio::test(flavor = "multi_thread")]
async fn a_caller_whose_tenant_no_other_gateway_knows_goes_on_in_the_dialplan_and_the_call_has_an_end() {
    let scene = Scene::new().await;
    let (first, mut second, caller) = scene.under_way().await;
    let mut redis = scene.redis.connect().await.unwrap();
    first.signal("-KILL");
    let states: Vec<String> = redis.keys("vg:{*}:state").await.unwrap();
    let state: String = redis.get(&states[0]).await.unwrap();
    let elsewhere = state.replace(r#""tenant_id":"demo""#, r#""tenant_id":"unknown-here""#);
    assert_ne!(state, elsewhere);
    let _: () = redis.set(&states[0], &elsewhere).await.unwrap();
    assert_eq!(ended(&mut second).await, EndCause::LeftToDialplan);
    caller.until_hung_up(SOON).await.unwrap();
    let begun = Instant::now();
    while !redis.get::<_, String>(&states[0]).await.unwrap().contains(r#""state":"ended""#) {
        assert!(begun.elapsed() < SOON, "whoever looks into Redis finds a call that goes on");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    scene.asterisk.holds_nothing(SOON).await.unwrap();
    second.stop().await;
}

/// A call for which Asterisk has connected through a balancer, its caller greeted; and another gateway that could go on with it.
async fn by_balancer(scene: &Scene) -> (Gateway, House, Proxy, SipCaller) {
    let first = Gateway::start(&scene.accepting("a"), "vg_state_up").await;
    let second = House::with_environment(&scene.accepting("b"), secrets()).await.unwrap();
    let balancer = Proxy::to(first.http.port()).unwrap();
    scene.asterisk.dials_ari_at(balancer.local_addr(), "vg-test", Connections::PerCall).await.unwrap();
    tokio::time::sleep(SETTLED).await;
    let mut caller = SipCaller::dial(&scene.asterisk, "100").await.unwrap();
    caller.hears_speech(caller.answered_at(), Duration::from_secs(5)).await.unwrap();
    is_told_all(&mut caller).await;
    asks(&mut caller).await;
    is_told_all(&mut caller).await;
    (first, second, balancer, caller)
}

/// What stands before both gateways leads to the one that lives, as a balancer does.
#[tokio::test(flavor = "multi_thread")]
async fn where_asterisk_connects_for_each_call_it_connects_to_another_gateway_which_goes_on() {
    let scene = Scene::new().await;
    let (first, mut second, balancer, caller) = by_balancer(&scene).await;
    first.signal("-KILL");
    balancer.lead_to(second.http().port());
    let died = Instant::now();
    let silent = adopted(&mut second).await;
    println!("taken over {:?} after the death; silent for {silent:?} as it was told", died.elapsed());
    scene.goes_on_and_ends_well(second, caller).await;
}

/// A balancer looks at health now and then: for a while it still leads to the one that stops.
#[tokio::test(flavor = "multi_thread")]
async fn where_asterisk_connects_for_each_call_a_gateway_that_stops_lets_go_of_the_socket_until_it_leads_to_another_one() {
    let scene = Scene::new().await;
    let (mut first, mut second, balancer, caller) = by_balancer(&scene).await;
    let connected = balancer.connections();
    first.signal("-TERM");
    until("the socket is let go of twice", SOON, || balancer.connections() >= connected + 2).await;
    balancer.lead_to(second.http().port());
    let led = Instant::now();
    let silent = adopted(&mut second).await;
    println!("handed on {:?} after the balancer led elsewhere", led.elapsed());
    assert_eq!(silent.as_millis() / 1_000, 0, "the caller has hardly noticed");
    is_gone(&mut first).await;
    scene.goes_on_and_ends_well(second, caller).await;
}

/// It cannot be led anywhere else.
#[tokio::test(flavor = "multi_thread")]
async fn the_only_gateway_that_asterisk_connects_to_keeps_the_socket_to_say_goodbye() {
    let scene = Scene::new().await;
    let (mut first, second, balancer, mut caller) = by_balancer(&scene).await;
    second.stop().await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let connected = balancer.connections();
    first.signal("-TERM");
    let stopped = Instant::now();
    caller.hears_speech(stopped, SOON * 2).await.unwrap();
    assert_eq!(balancer.connections(), connected, "it has let go of the only way to its caller");
    caller.until_hung_up(SOON).await.unwrap();
    is_gone(&mut first).await;
    scene.asterisk.holds_nothing(SOON).await.unwrap();
}

/// Asterisk notices nothing; a balancer does that ends what leads to one that does not answer.
#[tokio::test(flavor = "multi_thread")]
async fn where_asterisk_connects_for_each_call_one_that_froze_lets_go_of_the_call_when_it_wakes() {
    let scene = Scene::new().await;
    let (first, mut second, balancer, mut caller) = by_balancer(&scene).await;
    first.signal("-STOP");
    balancer.lead_to(second.http().port());
    balancer.cut();
    tokio::time::sleep(Duration::from_millis(100)).await;
    balancer.mend();
    adopted(&mut second).await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    first.signal("-CONT");
    lets_go(&first).await;
    asks(&mut caller).await;
    turn_about_the_time(&mut second).await;
    let seen = scene.agent.brain.seen();
    assert_eq!((seen.opened.len(), seen.turns.len()), (1, 2), "each was asked once");
    scene.ends_well(second, caller).await;
}

/// The process has ended.
async fn is_gone(gateway: &mut Gateway) {
    let gone = async {
        while gateway.process.try_wait().unwrap().is_none() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(SOON * 2, gone).await.expect("it waits for calls that it does not have");
}

/// The demo tenant, recorded without a word of it, and where.
fn recorded(folder: &Path, calls: &str) -> String {
    let demo = Path::new(env!("CARGO_MANIFEST_DIR")).join("../host/demo");
    let tenants = folder.join("tenants");
    if !tenants.exists() {
        std::fs::create_dir(&tenants).unwrap();
        let tenant = std::fs::read_to_string(demo.join("tenants/demo.toml")).unwrap();
        let tenant = tenant.replace("recording = false", "recording = { mode = \"on\", announce = false }");
        std::fs::write(tenants.join("demo.toml"), tenant).unwrap();
        std::fs::copy(demo.join("demo.jsgf"), tenants.join("demo.jsgf")).unwrap();
    }
    format!("[tenants]\ndir = {tenants:?}\n[recording]\ndir = {:?}\n", folder.join(calls))
}

fn note(folder: &Path, end: &str) -> serde_json::Value {
    let files = std::fs::read_dir(folder.join("demo")).unwrap().map(|file| file.unwrap().path());
    let mut notes = files.filter(|path| path.to_str().is_some_and(|path| path.ends_with(end)));
    let note = notes.next().unwrap_or_else(|| panic!("no {end}"));
    serde_json::from_slice(&std::fs::read(note).unwrap()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_recording_of_a_call_whose_gateway_is_killed_goes_on_as_its_second_part() {
    let scene = Scene::new().await;
    let folder = tempfile::tempdir().unwrap();
    let (_, second, mut caller, talked) = scene.records_and_dies(folder.path(), "").await;
    asks(&mut caller).await;
    is_told_all(&mut caller).await;
    scene.ends_well(second, caller).await;

    repair(&folder.path().join("first"), &Form::default());
    let (one, two) = (note(&folder.path().join("first"), ".json"), note(&folder.path().join("second"), ".2.json"));
    assert_eq!((one["part"].as_u64(), two["part"].as_u64()), (Some(1), Some(2)));
    assert_eq!((&one["call"], &one["state"], &two["state"]), (&two["call"], &"repaired".into(), &"complete".into()));
    // Laid at their beginnings the parts are the call: the second begins behind the first, within the silence of the change.
    let (begins, length) = (two["begins_ms"].as_u64().unwrap(), one["length_ms"].as_u64().unwrap());
    println!("{length} ms, and from {begins} ms on {} ms; talked {talked:?} before", two["length_ms"]);
    assert!(begins > length && begins - length < 5_000, "{one} {two}");
    assert!(u128::from(begins) > talked.as_millis(), "{one} {two}");
    assert!(two["length_ms"].as_u64().unwrap() > 2_000 && two["sha256"].as_str().is_some_and(|hash| hash.len() == 64));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_who_objects_at_the_next_gateway_is_kept_by_neither() {
    let (scene, store) = (Scene::new().await, S3Double::start().await);
    let folder = tempfile::tempdir().unwrap();
    let (config, mut second, mut caller, _) = scene.records_and_dies(folder.path(), &store.section(folder.path())).await;
    is_told_all(&mut caller).await;
    caller.press('*', Duration::from_millis(120)).unwrap();
    let objected = |fact: &Fact| if let Fact::Recording(RecordingFact::OptedOut { .. }) = fact { Some(()) } else { None };
    second.fact("the caller objects", |_, told| objected(told)).await.unwrap();
    is_told_all(&mut caller).await;
    caller.hang_up().await.unwrap();
    assert_eq!(ended(&mut second).await, EndCause::CallerHungUp);
    until("the store is told", SOON, || store.mind.names().iter().any(|name| name.ends_with(".withdrawn"))).await;
    let there = |calls: &str| std::fs::read_dir(folder.path().join(calls).join("demo")).map_or(0, Iterator::count);
    until("the second one has nothing", SOON, || there("second") == 0).await;
    assert!(there("first") > 0, "the one that died left its part");
    let first = Gateway::start(&config, "vg_ari_sockets_up").await;
    until("the first one has nothing", SOON, || there("first") == 0).await;
    assert_eq!(store.mind.names().len(), 1, "{:?}\n{}", store.mind.names(), first.log());
    second.stop().await;
}
