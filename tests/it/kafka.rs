//! Events on their way to a real Kafka: each there by its id, in the order of its call, whatever falls meanwhile.
//!
//! Where Maven Central had no Kafka for the laboratory, these stories say that they were not run; what they tell is tried on librdkafka's mock cluster
//! beside the code (`adapters/events/kafka/tests.rs`).

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a broken story stops; a good one reports"
)]

use nix::sys::resource::{UsageWho, getrusage};
use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tempfile::TempDir;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, interval, timeout};
use tokio_util::sync::CancellationToken;
use vg_domain::pii::Pii;
use vg_tests::Size;
use vg_tests::lab::{Kafka, Record, consume};
use voice_gateway::adapters::events::kafka::{Producer, TopicError, look};
use voice_gateway::adapters::events::{Backlog, Waiting};
use voice_gateway::config::{self, KafkaCompression, KafkaLogin, KafkaMechanism, KafkaTransport};

const TOPIC: &str = "voice-gateway.events";
const PARTITIONS: i32 = 6;
const PATIENCE: Duration = Duration::from_secs(60);
const CALLS: usize = 100;

/// A spool in memory: what it has to be told is all that it keeps.
struct Shelf {
    events: Mutex<Vec<Waiting>>,
    position: Mutex<u64>,
    last: watch::Sender<u64>,
}

impl Shelf {
    fn new() -> Arc<Self> {
        Arc::new(Self { events: Mutex::default(), position: Mutex::default(), last: watch::channel(0).0 })
    }

    /// One more event, as long as a usual one, of one call after the other.
    fn add(&self) {
        self.put(0);
    }

    /// The same with so many characters beside that nothing makes shorter.
    fn put(&self, padding: usize) {
        let mut events = self.events.lock().unwrap();
        let place = events.len() as u64 + 1;
        let call = format!("call-{}", place as usize % CALLS);
        let text = "your account is in good order since the month began, and the next letter goes out on monday";
        let mut dice = place;
        let noise = |_| {
            dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            char::from(b'a' + (dice >> 33) as u8 % 26)
        };
        let padding: String = (0..padding).map(noise).collect();
        let event = format!(
            "{{\"specversion\":\"1.0\",\"id\":\"{place}\",\"source\":\"/gateways/story\",\"type\":\"stt.transcribed\",\"subject\":\"{call}\",\
             \"time\":\"2026-01-01T00:00:00Z\",\"datacontenttype\":\"application/json\",\"tenantid\":\"acme\",\"data\":{{\"turn\":{place},\"text\":\"{text}{padding}\"}}}}"
        );
        let headers =
            [("content-type", "application/cloudevents+json"), ("ce_specversion", "1.0"), ("ce_type", "stt.transcribed")];
        let headers = headers.map(|(name, value)| (name, value.to_owned())).into_iter().chain([("ce_id", place.to_string())]);
        events.push(Waiting { place, key: call, event: event.into(), headers: headers.collect() });
        self.last.send_replace(place);
    }

    fn len(&self) -> usize {
        self.events.lock().unwrap().len()
    }

    async fn passes_all(&self) {
        let passed = async {
            let mut look = interval(Duration::from_millis(10));
            while self.position() < self.len() as u64 {
                look.tick().await;
            }
        };
        timeout(PATIENCE, passed).await.unwrap_or_else(|_| panic!("stands at {} of {}", self.position(), self.len()));
    }
}

impl Backlog for Shelf {
    fn position(&self) -> u64 {
        *self.position.lock().unwrap()
    }

    fn read(&self, behind: u64, max: usize) -> Result<Vec<Waiting>, String> {
        let events = self.events.lock().unwrap();
        Ok(events.iter().skip(behind as usize).take(max).cloned().collect())
    }

    fn acknowledge(&self, place: u64) {
        *self.position.lock().unwrap() = place;
    }

    fn last(&self) -> watch::Receiver<u64> {
        self.last.subscribe()
    }

    fn waiting(&self) -> u64 {
        *self.last.borrow() - self.position()
    }
}

fn configured(brokers: String) -> config::Kafka {
    config::Kafka {
        brokers,
        topic: TOPIC.into(),
        transport: KafkaTransport::Plain,
        login: None,
        compression: KafkaCompression::Lz4,
        message_bytes_max: 1_000_000,
        drain: Duration::from_secs(10),
    }
}

/// A producer at work. To be ended, or it goes on until its test does.
struct Sending {
    producer: Arc<Producer>,
    close: CancellationToken,
    task: JoinHandle<()>,
    folder: TempDir,
}

impl Sending {
    #[expect(clippy::disallowed_methods, reason = "joined by `end`")]
    fn begin(kafka: config::Kafka, shelf: &Arc<Shelf>) -> Self {
        let folder = TempDir::new().unwrap();
        let aside: PathBuf = folder.path().join("aside.ndjson");
        let producer = Arc::new(Producer::new(kafka, Arc::clone(shelf) as _, aside));
        let close = CancellationToken::new();
        let task = tokio::spawn(Arc::clone(&producer).run(close.clone()));
        Self { producer, close, task, folder }
    }

    async fn end(self) {
        self.close.cancel();
        self.task.await.unwrap();
    }
}

/// Ids of each call, doubles taken out; panics where one comes before an earlier one. And how many doubles there were.
fn in_order(records: &[Record]) -> (HashMap<String, Vec<u64>>, usize) {
    let (mut calls, mut doubles) = (HashMap::<String, Vec<u64>>::new(), 0);
    for record in records {
        let id =
            record.headers.iter().find(|(name, _)| name == "ce_id").map(|(_, value)| String::from_utf8(value.clone()).unwrap());
        let id: u64 = id.expect("an id in the headers").parse().unwrap();
        let numbers = calls.entry(String::from_utf8(record.key.clone()).unwrap()).or_default();
        match numbers.last() {
            Some(last) if *last >= id => {
                assert!(numbers.contains(&id), "{id} comes after {last} and was never there");
                doubles += 1;
            }
            _ => numbers.push(id),
        }
    }
    (calls, doubles)
}

/// Everything of the shelf is in the topic, in order; and how many doubles.
async fn all_there(brokers: &str, shelf: &Shelf) -> usize {
    let wanted = shelf.len();
    let mut ids = HashSet::new();
    let distinct = move |record: &Record| {
        ids.extend(record.headers.iter().filter(|(name, _)| name == "ce_id").map(|(_, id)| id.clone()));
        ids.len() >= wanted
    };
    let records = consume(brokers, TOPIC, PATIENCE, distinct).await.unwrap();
    let (calls, doubles) = in_order(&records);
    assert_eq!(calls.values().map(Vec::len).sum::<usize>(), wanted, "none is lost, none is new");
    doubles
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kafka_that_is_killed_under_load_and_comes_back_has_lost_nothing() {
    let mut kafka = match Kafka::start().await.unwrap() {
        Ok(kafka) => kafka,
        Err(reason) => return println!("not run: there is no Kafka to be had ({reason})"),
    };
    kafka.topic(TOPIC, PARTITIONS, &[]).await.unwrap();
    let away = match Size::asked() {
        Size::Ci => Duration::from_secs(30),
        Size::Full => Duration::from_secs(300),
    };
    let shelf = Shelf::new();
    let sending = Sending::begin(configured(kafka.brokers()), &shelf);
    // Two hundred events a second, as a hundred calls make them: before, while it is away, and after.
    let mut pace = interval(Duration::from_millis(5));
    let (begun, mut killed, mut back) = (Instant::now(), None, None);
    let before = Duration::from_secs(2);
    loop {
        pace.tick().await;
        shelf.add();
        match (killed, back) {
            (None, _) if begun.elapsed() > before => {
                kafka.kill9().unwrap();
                killed = Some(Instant::now());
            }
            (Some(at), None) if at.elapsed() > away => {
                let waiting = sending.producer.stats();
                assert_eq!(waiting.trouble, Some("unreachable"), "{waiting:?}");
                assert!(waiting.in_flight <= 4_096, "{waiting:?}");
                kafka.restart().await.unwrap();
                back = Some(Instant::now());
            }
            (_, Some(at)) if at.elapsed() > before => break,
            _ => {}
        }
    }
    let behind = Instant::now();
    shelf.passes_all().await;
    let doubles = all_there(&kafka.brokers(), &shelf).await;
    let stats = sending.producer.stats();
    assert_eq!((stats.lag, stats.trouble), (0, None));
    println!("{} events, {doubles} doubles; caught up {:.1?} after the last one; {stats:?}", shelf.len(), behind.elapsed());
    sending.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kafka_that_stands_still_and_wakes_gets_everything_in_order() {
    let Ok(kafka) = Kafka::start().await.unwrap() else { return println!("not run: there is no Kafka to be had") };
    kafka.topic(TOPIC, PARTITIONS, &[]).await.unwrap();
    let shelf = Shelf::new();
    let sending = Sending::begin(configured(kafka.brokers()), &shelf);
    (0..500).for_each(|_| shelf.add());
    shelf.passes_all().await;
    kafka.pause().unwrap();
    (0..500).for_each(|_| shelf.add());
    let noticed = async {
        let mut look = interval(Duration::from_millis(10));
        while sending.producer.stats().trouble.is_none() {
            look.tick().await;
        }
    };
    timeout(PATIENCE, noticed).await.expect("nobody noticed that no answers come");
    kafka.resume().unwrap();
    (0..500).for_each(|_| shelf.add());
    shelf.passes_all().await;
    let doubles = all_there(&kafka.brokers(), &shelf).await;
    println!("{doubles} doubles");
    sending.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_that_dies_sends_again_what_it_does_not_know_to_be_there() {
    let Ok(kafka) = Kafka::start().await.unwrap() else { return println!("not run: there is no Kafka to be had") };
    kafka.topic(TOPIC, PARTITIONS, &[]).await.unwrap();
    let shelf = Shelf::new();
    let mut deaths = 0;
    while deaths < 5 {
        (0..1_000).for_each(|_| shelf.add());
        let sending = Sending::begin(configured(kafka.brokers()), &shelf);
        let some = async {
            let mut look = interval(Duration::from_millis(1));
            while sending.producer.stats().delivered < 300 {
                look.tick().await;
            }
        };
        timeout(PATIENCE, some).await.unwrap();
        // No farewell, no last word to the spool.
        sending.task.abort();
        deaths += 1;
    }
    let sending = Sending::begin(configured(kafka.brokers()), &shelf);
    shelf.passes_all().await;
    let doubles = all_there(&kafka.brokers(), &shelf).await;
    println!("{deaths} deaths, {} events, {doubles} doubles", shelf.len());
    sending.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_reach_a_kafka_that_wants_tls_and_a_password_and_a_wrong_one_is_told() {
    let Ok(kafka) = Kafka::start().await.unwrap() else { return println!("not run: there is no Kafka to be had") };
    kafka.topic(TOPIC, PARTITIONS, &[]).await.unwrap();
    let secure = |mechanism, password: &str| {
        let login = KafkaLogin { mechanism, user: "gateway".into(), password: Pii::new(password.to_owned()) };
        let transport = KafkaTransport::Tls { ca: Some(kafka.ca()) };
        config::Kafka { transport, login: Some(login), ..configured(kafka.secure_brokers()) }
    };
    let shelf = Shelf::new();
    for mechanism in [KafkaMechanism::Plain, KafkaMechanism::ScramSha512] {
        (0..100).for_each(|_| shelf.add());
        let sending = Sending::begin(secure(mechanism, "gateway-lab"), &shelf);
        shelf.passes_all().await;
        sending.end().await;
    }
    all_there(&kafka.brokers(), &shelf).await;
    let told = async |kafka| look(&kafka, Duration::from_secs(3)).await.map_err(|error: TopicError| error.code());
    assert_eq!(told(secure(KafkaMechanism::ScramSha512, "guessed")).await, Err("credentials"));
    let stranger = config::Kafka { transport: KafkaTransport::Tls { ca: None }, ..secure(KafkaMechanism::Plain, "gateway-lab") };
    assert_eq!(told(stranger).await, Err("tls"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_topic_is_looked_at_and_what_the_broker_alone_refuses_is_set_aside() {
    let Ok(kafka) = Kafka::start().await.unwrap() else { return println!("not run: there is no Kafka to be had") };
    let config = configured(kafka.brokers());
    let missing = look(&config, Duration::from_secs(5)).await.unwrap_err();
    assert!(missing.code() == "no_topic" && missing.to_string().contains("kafka-topics.sh --create"), "{missing}");
    // Less than an event and more than nothing: only the broker knows.
    kafka.topic(TOPIC, 1, &[("max.message.bytes", "600"), ("cleanup.policy", "compact")]).await.unwrap();
    let topic = look(&config, Duration::from_secs(5)).await.unwrap();
    let advice = topic.advice(&config).join("; ");
    assert_eq!((topic.partitions, topic.replicas), (1, 1));
    assert!(advice.contains("max.message.bytes") && advice.contains("cleanup.policy=delete"), "{advice}");
    let shelf = Shelf::new();
    for n in 0..30 {
        shelf.put(if n == 17 { 2_000 } else { 0 });
    }
    let sending = Sending::begin(config, &shelf);
    shelf.passes_all().await;
    let stats = sending.producer.stats();
    assert_eq!((stats.delivered, &stats.aside), (29, &[("too_large", 1)].into()), "{stats:?}");
    let mut left = 29;
    let last = move |_: &Record| {
        left -= 1;
        left == 0
    };
    let (calls, _) = in_order(&consume(&kafka.brokers(), TOPIC, PATIENCE, last).await.unwrap());
    assert!(calls.values().flatten().all(|id| *id != 18), "{calls:?}");
    let aside = std::fs::read_to_string(sending.folder.path().join("aside.ndjson")).unwrap();
    assert!(aside.lines().count() == 1 && aside.contains("\"id\":\"18\""), "{aside}");
    sending.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_event_costs_on_its_way() {
    let Ok(kafka) = Kafka::start().await.unwrap() else { return println!("not run: there is no Kafka to be had") };
    kafka.topic(TOPIC, PARTITIONS, &[]).await.unwrap();
    let shelf = Shelf::new();
    let cpu = || {
        let usage = getrusage(UsageWho::RUSAGE_SELF).unwrap();
        let of = |time: nix::sys::time::TimeVal| Duration::new(time.tv_sec() as u64, time.tv_usec() as u32 * 1_000);
        of(usage.user_time()) + of(usage.system_time())
    };
    let sending = Sending::begin(configured(kafka.brokers()), &shelf);
    (0..1_000).for_each(|_| shelf.add());
    shelf.passes_all().await;
    (0..100_000).for_each(|_| shelf.add());
    let (begun, before) = (Instant::now(), cpu());
    shelf.passes_all().await;
    let (took, cost) = (begun.elapsed(), cpu() - before);
    println!(
        "replay of 100000 events: {:.0} a second, {:.1} us of CPU each",
        100_000.0 / took.as_secs_f64(),
        cost.as_secs_f64() * 10.0
    );
    // Twenty events a second and call would be many; a millisecond each would be a defect.
    assert!(cost < Duration::from_secs(20), "{cost:?}");
    sending.end().await;
}
