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
use std::collections::{BTreeMap, HashMap};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::Duration;
use tokio::time::{Instant, timeout};
use vg_domain::event::Fact;
use vg_domain::ids::CallId;
use vg_tests::house::{House, plugins_dir};
use vg_tests::lab::{Kafka, Ledger};
use vg_tests::{Size, program};
use voice_gateway::adapters::media_ws::Format;
use voice_gateway::adapters::media_ws::client::{Phone, PhoneConfig};

const TOPIC: &str = "voice-gateway.events";
const PATIENCE: Duration = Duration::from_secs(60);
const GREETING: Duration = Duration::from_secs(20);
const QUIET: Duration = Duration::from_millis(600);

fn config(folder: &Path, brokers: &str) -> String {
    format!(
        "[plugins]\ndir = {:?}\n[events]\ndir = {:?}\n[kafka]\nbrokers = \"{brokers}\"\n[log]\nlevel = \"warn\"\n",
        plugins_dir(),
        folder.join("events"),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_while_kafka_is_away_are_told_once_each_and_in_their_order() {
    let (calls, away) = match Size::asked() {
        Size::Ci => (100, Duration::from_secs(30)),
        Size::Full => (100, Duration::from_secs(300)),
    };
    let mut kafka = match Kafka::start().await.unwrap() {
        Ok(kafka) => kafka,
        Err(reason) => return println!("not run: there is no Kafka to be had ({reason})"),
    };
    kafka.topic(TOPIC, 6, &[]).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut house = House::with(&config(folder.path(), &kafka.brokers())).await.unwrap();
    let mut phones = Vec::new();
    for _ in 0..calls / 2 {
        phones.push(house.phone("demo").await.unwrap());
    }
    kafka.kill9().unwrap();
    let begun = Instant::now();
    for _ in 0..calls / 2 {
        phones.push(house.phone("demo").await.unwrap());
    }
    // What each call told, by the gateway's own word and not by what is on the disk.
    let mut told = HashMap::<CallId, u64>::new();
    let (mut ended, mut count) = (0, |call: &CallId, fact: &Fact| {
        *told.entry(call.clone()).or_default() += u64::from(fact.is_event());
        matches!(fact, Fact::Ended(_))
    });
    while begun.elapsed() < away {
        let left = away.saturating_sub(begun.elapsed());
        let _ = timeout(
            left,
            house.fact("any", |call, fact| {
                ended += usize::from(count(call, fact));
                Some(())
            }),
        )
        .await;
    }
    let lag = house.metric("vg_kafka_lag_events").await.unwrap();
    assert!(lag > 0.0 && house.running().readiness().events == Some("writing"), "{lag} events wait");
    assert!(house.running().readiness().ready() && house.running().readiness().degraded());
    // Everybody was spoken to meanwhile, those as well whose calls had begun before.
    let heard = |phone: &&Phone| phone.state().borrow().heard_at.is_some_and(|heard| heard > begun);
    assert_eq!(phones.iter().filter(heard).count(), calls, "callers to whom somebody spoke while kafka was away");
    kafka.restart().await.unwrap();
    drop(phones);
    while ended < calls {
        house
            .fact("an end", |call, fact| {
                ended += usize::from(count(call, fact));
                Some(())
            })
            .await
            .unwrap();
    }
    house.holds_nothing(PATIENCE).await.unwrap();
    let events: u64 = told.values().sum();
    let ledger = Ledger::read(&kafka.brokers(), TOPIC, usize::try_from(events).unwrap(), PATIENCE).await.unwrap();
    assert_eq!(house.metric("vg_spool_events_total{outcome=\"lost\"}").await.unwrap(), 0.0);
    house.stop().await;
    ledger.is_whole().unwrap();
    let delivered: BTreeMap<String, u64> = ledger.calls.iter().map(|(call, told)| (call.clone(), told.len() as u64)).collect();
    assert_eq!(delivered, told.into_iter().map(|(call, events)| (call.to_string(), events)).collect());
    println!(
        "{calls} calls, kafka away for {away:?}: {events} events, each there once ({} doubles by the same id), {lag} waited",
        ledger.doubles
    );
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
