use super::*;
use crate::config::{KafkaCompression, KafkaTransport};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};
use rdkafka::{ClientConfig, Message};
use std::collections::HashMap;
use std::sync::Mutex;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;

const TOPIC: &str = "calls";
const PATIENCE: Duration = Duration::from_secs(20);

/// A spool that lives as long as its test: what a crash of the gateway leaves is what was acknowledged.
struct Shelf {
    events: Mutex<Vec<Waiting>>,
    position: Mutex<u64>,
    last: watch::Sender<u64>,
}

impl Shelf {
    fn new() -> Arc<Self> {
        Arc::new(Self { events: Mutex::default(), position: Mutex::default(), last: watch::channel(0).0 })
    }

    /// One more event of a call, numbered by its place.
    fn add(&self, call: &str, padding: usize) -> u64 {
        let mut events = self.events.lock().unwrap();
        let place = events.len() as u64 + 1;
        let event = format!("{{\"id\":\"{place}\",\"pad\":\"{}\"}}", "x".repeat(padding));
        let headers = vec![("ce_id", place.to_string())];
        events.push(Waiting { place, key: call.to_owned(), event: event.into(), headers });
        self.last.send_replace(place);
        place
    }

    /// So many short ones, of so many calls in turn.
    fn add_many(&self, events: u64, calls: u64) {
        for n in 0..events {
            self.add(&format!("call-{}", n % calls), 10);
        }
    }

    async fn passes(&self, place: u64) {
        let passed = async {
            while self.position() < place {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(PATIENCE, passed).await.unwrap_or_else(|_| panic!("stands at {} of {place}", self.position()));
    }
}

impl Backlog for Shelf {
    fn position(&self) -> u64 {
        *self.position.lock().unwrap()
    }

    fn read(&self, behind: u64, max: usize) -> Result<Vec<Waiting>, String> {
        Ok(self.events.lock().unwrap().iter().filter(|event| event.place > behind).take(max).cloned().collect())
    }

    fn acknowledge(&self, place: u64) {
        let mut position = self.position.lock().unwrap();
        assert!(place > *position, "the position only grows");
        *position = place;
    }

    fn last(&self) -> watch::Receiver<u64> {
        self.last.subscribe()
    }

    fn waiting(&self) -> u64 {
        *self.last.borrow() - self.position()
    }
}

struct House {
    cluster: MockCluster<'static, DefaultProducerContext>,
    shelf: Arc<Shelf>,
    folder: tempfile::TempDir,
    kafka: Kafka,
}

impl House {
    fn new(partitions: i32) -> Self {
        let cluster = MockCluster::new(1).unwrap();
        cluster.create_topic(TOPIC, partitions, 1).unwrap();
        let kafka = Kafka {
            brokers: cluster.bootstrap_servers(),
            topic: TOPIC.into(),
            transport: KafkaTransport::Plain,
            login: None,
            compression: KafkaCompression::Lz4,
            message_bytes_max: 10_000,
            drain: Duration::from_secs(5),
        };
        Self { cluster, shelf: Shelf::new(), folder: tempfile::tempdir().unwrap(), kafka }
    }

    fn aside(&self) -> PathBuf {
        self.folder.path().join("aside.ndjson")
    }

    #[expect(clippy::disallowed_methods, reason = "each test joins it")]
    fn start(&self) -> (Arc<Producer>, CancellationToken, JoinHandle<()>) {
        let producer = Arc::new(Producer::new(self.kafka.clone(), Arc::clone(&self.shelf) as _, self.aside()));
        let close = CancellationToken::new();
        let task = tokio::spawn(Arc::clone(&producer).run(close.clone()));
        (producer, close, task)
    }

    /// Numbers of what is in the topic, by call, in the order of its partition, doubles taken out.
    async fn delivered(&self, at_least: usize) -> HashMap<String, Vec<u64>> {
        let brokers = self.kafka.brokers.clone();
        let reading = move || {
            let consumer: BaseConsumer =
                ClientConfig::new().set("bootstrap.servers", brokers).set("group.id", "test").create().unwrap();
            let mut list = rdkafka::TopicPartitionList::new();
            let metadata = consumer.fetch_metadata(Some(TOPIC), PATIENCE).unwrap();
            for partition in metadata.topics()[0].partitions() {
                list.add_partition_offset(TOPIC, partition.id(), rdkafka::Offset::Beginning).unwrap();
            }
            consumer.assign(&list).unwrap();
            let (mut calls, mut seen) = (HashMap::<String, Vec<u64>>::new(), 0);
            let until = std::time::Instant::now() + PATIENCE;
            while seen < at_least {
                assert!(std::time::Instant::now() < until, "{seen} of {at_least} are there");
                let Some(Ok(message)) = consumer.poll(Duration::from_millis(100)) else { continue };
                let event: serde_json::Value = serde_json::from_slice(message.payload().unwrap()).unwrap();
                let number = event["id"].as_str().unwrap().parse().unwrap();
                let call = calls.entry(String::from_utf8(message.key().unwrap().to_vec()).unwrap()).or_default();
                if !call.contains(&number) {
                    call.push(number);
                    seen += 1;
                }
            }
            calls
        };
        tokio::task::spawn_blocking(reading).await.unwrap()
    }
}

fn in_order(calls: &HashMap<String, Vec<u64>>) {
    for (call, numbers) in calls {
        assert!(numbers.is_sorted(), "{call}: {numbers:?}");
    }
}

#[tokio::test]
async fn events_arrive_in_the_order_of_their_call_and_the_spool_is_told() {
    let house = House::new(4);
    let (producer, close, task) = house.start();
    house.shelf.add_many(2_000, 7);
    house.shelf.passes(2_000).await;
    let calls = house.delivered(2_000).await;
    assert_eq!(calls.len(), 7);
    in_order(&calls);
    let stats = producer.stats();
    assert_eq!((stats.delivered, stats.in_flight, stats.lag, stats.trouble), (2_000, 0, 0, None));
    close.cancel();
    task.await.unwrap();
}

#[tokio::test]
async fn what_waits_at_the_end_is_sent_and_a_kafka_that_is_away_ends_nobody() {
    let house = House::new(2);
    house.shelf.add_many(500, 3);
    let (_, close, task) = house.start();
    close.cancel();
    task.await.unwrap();
    assert_eq!(house.shelf.position(), 500, "drained");
    house.cluster.broker_down(1).unwrap();
    house.shelf.add_many(50, 3);
    let patient = House { kafka: Kafka { drain: Duration::from_millis(300), ..house.kafka.clone() }, ..house };
    let (producer, close, task) = patient.start();
    close.cancel();
    timeout(Duration::from_secs(5), task).await.unwrap().unwrap();
    assert_eq!(producer.stats().lag, 50, "they stay");
    patient.cluster.broker_up(1).unwrap();
    let (_, close, task) = patient.start();
    patient.shelf.passes(550).await;
    in_order(&patient.delivered(550).await);
    close.cancel();
    task.await.unwrap();
}

#[tokio::test]
async fn a_broker_that_goes_and_comes_loses_nothing() {
    let house = House::new(3);
    let (producer, close, task) = house.start();
    house.shelf.add_many(300, 5);
    house.shelf.passes(300).await;
    house.cluster.broker_down(1).unwrap();
    house.shelf.add_many(300, 5);
    let away = async {
        while producer.stats().trouble.is_none() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE, away).await.expect("never noticed");
    assert_eq!(house.shelf.position(), 300);
    house.cluster.broker_up(1).unwrap();
    house.shelf.passes(600).await;
    in_order(&house.delivered(600).await);
    assert_eq!(producer.stats().trouble, None);
    close.cancel();
    task.await.unwrap();
}

#[tokio::test]
async fn a_broker_that_comes_back_is_noticed_though_no_event_goes() {
    let house = House::new(1);
    house.cluster.broker_down(1).unwrap();
    let (producer, close, task) = house.start();
    let until = async |trouble: bool| {
        let turned = async {
            while producer.stats().trouble.is_some() != trouble {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(PATIENCE, turned).await.unwrap_or_else(|_| panic!("{:?}", producer.stats()));
    };
    until(true).await;
    house.cluster.broker_up(1).unwrap();
    until(false).await;
    close.cancel();
    task.await.unwrap();
}

#[tokio::test]
async fn an_event_that_is_too_long_is_set_aside_and_the_others_pass() {
    let house = House::new(1);
    house.shelf.add("call-1", 10);
    let long = house.shelf.add("call-1", 20_000);
    house.shelf.add("call-1", 10);
    let (producer, close, task) = house.start();
    house.shelf.passes(3).await;
    assert_eq!(house.delivered(2).await["call-1"], [1, 3]);
    let kept = std::fs::read_to_string(house.aside()).unwrap();
    assert!(kept.contains(&format!("\"id\":\"{long}\"")) && kept.lines().count() == 1);
    assert_eq!(producer.stats().aside, [("too_large", 1)].into());
    close.cancel();
    task.await.unwrap();
}

#[tokio::test]
async fn what_the_broker_refuses_is_found_among_the_others_and_set_aside_alone() {
    let house = House::new(1);
    // The whole batch is refused first, then the first of its events when it comes alone.
    let refused = RDKafkaRespErr::RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE;
    house.cluster.request_errors(RDKafkaApiKey::Produce, &[refused, refused]);
    house.shelf.add_many(20, 1);
    let (producer, close, task) = house.start();
    house.shelf.passes(20).await;
    let calls = house.delivered(19).await;
    assert_eq!(calls["call-0"], (2..=20).collect::<Vec<u64>>());
    assert_eq!(producer.stats().aside, [("too_large", 1)].into());
    assert_eq!(std::fs::read_to_string(house.aside()).unwrap().lines().count(), 1);
    close.cancel();
    task.await.unwrap();
}

#[tokio::test]
async fn a_refusal_that_is_not_the_events_fault_is_tried_again() {
    let house = House::new(1);
    let refused = RDKafkaRespErr::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED;
    house.cluster.request_errors(RDKafkaApiKey::Produce, &[refused]);
    house.shelf.add_many(20, 1);
    let (producer, close, task) = house.start();
    house.shelf.passes(20).await;
    assert_eq!(house.delivered(20).await["call-0"], (1..=20).collect::<Vec<u64>>());
    let stats = producer.stats();
    assert!(stats.aside.is_empty() && stats.failed.values().sum::<u64>() == 1, "{stats:?}");
    close.cancel();
    task.await.unwrap();
}
