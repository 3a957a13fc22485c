//! Events of whole calls, from a gateway's disk to a real Kafka: each there by its id, none missing, in the order of its call, while Kafka and the gateway die.
//!
//! Where Maven Central had no Kafka for the laboratory, the stories say that they were not run.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a broken story stops; a good one reports"
)]

#[path = "kept_events/ending.rs"]
mod ending;
#[path = "kept_events/room.rs"]
mod room;

use serde_json::Value;
use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::Duration;
use tokio::time::{Instant, sleep_until};
use vg_tests::agent::Question;
use vg_tests::house::plugins_dir;
use vg_tests::lab::{Kafka, Ledger};
use vg_tests::load::callers::Diary;
use vg_tests::load::fleet::Fleet;
use vg_tests::{Size, program};
use voice_gateway::adapters::media_ws::Format;
use voice_gateway::adapters::media_ws::client::{Phone, PhoneConfig};

const TOPIC: &str = "voice-gateway.events";
const PATIENCE: Duration = Duration::from_secs(60);
const GREETING: Duration = Duration::from_secs(20);
const QUIET: Duration = Duration::from_millis(600);
/// What the agent says to everything.
const ANSWER: &str = "Your account is in good order since the month began.";
/// With a sentence of four seconds before it, a caller asks something every 16 seconds: at least once in the shortest time for which Kafka is away.
const PAUSE: Duration = Duration::from_secs(12);
/// In so long everybody is answered at least once.
const LAST_MS: u32 = 22_000;

fn config(folder: &Path, brokers: &str) -> String {
    format!(
        "[plugins]\ndir = {:?}\n[events]\ndir = {:?}\n[kafka]\nbrokers = \"{brokers}\"\n[log]\nlevel = \"warn\"\n",
        plugins_dir(),
        folder.join("events"),
    )
}

/// Kafka has of each call one beginning and one end, every question that the agent was asked, and every answer that the gateway counted.
fn are_told(told: &Ledger, calls: usize, asked: &[Question]) {
    told.is_whole().unwrap();
    assert_eq!(told.calls.len(), calls);
    for kind in ["call.started", "call.answered", "call.ended"] {
        told.has_of_each(kind, 1).unwrap();
    }
    let untold: Vec<&Question> = asked.iter().filter(|asked| !told.has_question(asked)).collect();
    assert!(untold.is_empty(), "of {} questions these are not told: {untold:?}", asked.len());
    for call in told.calls.keys() {
        let (counted, answered) = (told.counted(call).unwrap(), told.answered(call));
        assert!(counted <= answered, "{call}: of {counted} answers {answered} are told");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_while_kafka_is_away_are_told_once_each_and_in_their_order() {
    let (calls, away) = match Size::asked() {
        Size::Ci => (100, Duration::from_secs(30)),
        Size::Full => (100, Duration::from_secs(300)),
    };
    let mut fleet = Fleet::prepare(&program::path(), &["a"], calls, PAUSE, ANSWER).await.unwrap();
    if fleet.kafka.is_none() {
        return println!("not run: there is no Kafka to be had");
    }
    fleet.ring(0..calls / 2).await.unwrap();
    fleet.kafka.as_mut().unwrap().kill9().unwrap();
    let (gone, gone_ms) = (Instant::now(), fleet.now_ms());
    fleet.ring(calls / 2..calls).await.unwrap();
    sleep_until(gone + away).await;

    let (lag, live) = (fleet.total("vg_kafka_lag_events").await.unwrap(), fleet.total("vg_calls_live").await.unwrap());
    let health = get(fleet.members[0].gateway.api().0, "/health/ready");
    assert!(lag > 0.0 && health.contains("\"events\":\"writing\""), "{lag} events wait: {health}");
    assert!(health.starts_with("HTTP/1.1 200") && health.contains("\"status\":\"degraded\""), "{health}");
    assert_eq!(live, calls as f64, "calls that are up after all that time\n{}", fleet.logs());
    let back_ms = fleet.now_ms();
    fleet.kafka.as_mut().unwrap().restart().await.unwrap();
    let live = fleet.total("vg_calls_live").await.unwrap();
    assert_eq!(live, calls as f64, "calls that are up when kafka is back\n{}", fleet.logs());
    assert_eq!(fleet.asterisk.given_up(), 0, "callers were hung up or left to the dialplan\n{}", fleet.logs());
    fleet.all_hang_up(PATIENCE).await.unwrap();

    let told = fleet.told().await.unwrap().unwrap();
    let kept = fleet.total("vg_spool_events_total{outcome=\"kept\"}").await.unwrap();
    let lost = fleet.total("vg_spool_events_total{outcome=\"lost\"}").await.unwrap();
    assert_eq!((kept, lost), (told.ids.len() as f64, 0.0), "events by the gateway's own count, and those in kafka");
    let asked = fleet.agent.brain.questions();
    assert_eq!(fleet.agent.brain.seen().opened.len(), calls, "one conversation for each call");
    are_told(&told, calls, &asked);
    // Everybody talked meanwhile, those as well whose calls had begun before, and was answered to the end of it.
    let meanwhile = asked.iter().filter(|asked| (gone_ms..back_ms).contains(&fleet.ms_at(asked.at)));
    let meanwhile: Vec<&String> = meanwhile.map(|asked| &asked.call).collect();
    let talked = meanwhile.iter().collect::<BTreeSet<_>>().len();
    assert_eq!(talked, calls, "callers who asked something while kafka was away");
    println!(
        "{calls} calls, kafka away for {away:?}: {} questions meanwhile, {} events, each there once ({} doubles by the same id), {lag} waited",
        meanwhile.len(),
        told.ids.len(),
        told.doubles
    );
    let last = back_ms - LAST_MS..back_ms;
    let answered = |diary: &&Diary| diary.heard.iter().any(|packet| packet.loud && last.contains(&packet.at_ms));
    assert_eq!(fleet.finish().iter().filter(answered).count(), calls, "callers who were answered shortly before kafka was back");
}

/// The program, serving.
struct Gateway {
    child: Child,
    http: SocketAddr,
}

impl Gateway {
    fn start(folder: &Path, config: &str) -> Self {
        std::fs::write(folder.join("voice-gateway.toml"), config.replace("level = \"warn\"", "level = \"info\"")).unwrap();
        let mut child = program::alone(folder).arg("serve").stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let http = lines.find_map(|line| line.ok()?.split("http_addr=").nth(1)?.split(' ').next()?.parse().ok()).unwrap();
        // Its log has to be read, or it would stand still.
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, http }
    }

    fn kill9(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    fn metrics(&self) -> String {
        get(self.http, "/metrics")
    }

    async fn phone(&self) -> Phone {
        let url = format!("ws://{}/media/ws", self.http).parse().unwrap();
        Phone::connect(PhoneConfig { url, format: Format::Slin16, tenant: Some("demo".to_owned()) }).await.unwrap()
    }
}

/// The whole answer.
fn get(http: SocketAddr, path: &str) -> String {
    let mut connection = TcpStream::connect(http).unwrap();
    write!(connection, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).unwrap();
    answer
}

/// Ids of events that the disk holds, as a person would ask for them.
fn exported(folder: &Path) -> Vec<String> {
    let export = program::alone(folder).args(["events", "export"]).arg(folder.join("events")).output().unwrap();
    assert!(export.status.success(), "{}", String::from_utf8_lossy(&export.stderr));
    let lines = String::from_utf8(export.stdout).unwrap();
    lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["id"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_is_killed_in_its_calls_tells_kafka_later_what_its_disk_holds() {
    let rounds = match Size::asked() {
        Size::Ci => 3,
        Size::Full => 20,
    };
    let kafka = match Kafka::start().await.unwrap() {
        Ok(kafka) => kafka,
        Err(reason) => return println!("not run: there is no Kafka to be had ({reason})"),
    };
    kafka.topic(TOPIC, 6, &[]).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path(), &kafka.brokers());
    let mut heard = 0;
    for round in 0..rounds {
        let gateway = Gateway::start(folder.path(), &config);
        let mut phones = Vec::new();
        for _ in 0..5 {
            phones.push(gateway.phone().await);
        }
        // Somebody was answered, so that its beginning is on the disk.
        assert!(phones[0].until_answer_ended(QUIET, GREETING).await, "no greeting in round {round}");
        heard += phones.len();
        gateway.kill9();
    }
    let on_disk = exported(folder.path());
    let started = on_disk.iter().filter(|id| id.ends_with("-1-1")).count();
    assert!(started >= rounds, "{started} of {heard} calls are on the disk, of which {rounds} were answered for sure");
    let last = Gateway::start(folder.path(), &config);
    let ledger = Ledger::read(&kafka.brokers(), TOPIC, on_disk.len(), PATIENCE).await.unwrap();
    assert!(last.metrics().contains("vg_spool_damaged 0"));
    last.kill9();
    ledger.is_whole().unwrap();
    assert_eq!(ledger.ids, on_disk.iter().cloned().collect());
    println!(
        "{rounds} kills in {heard} calls: {} events on the disk, each in kafka ({} doubles by the same id)",
        on_disk.len(),
        ledger.doubles
    );
}
