//! The laboratory's Kafka: it starts, it can be hurt, and it comes back with what it had.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, reason = "a broken story stops")]

use rdkafka::ClientConfig;
use rdkafka::producer::{BaseRecord, DefaultProducerContext, Producer, ThreadedProducer};
use std::time::{Duration, Instant};
use vg_tests::lab::{Kafka, consume};

const PATIENCE: Duration = Duration::from_secs(30);

#[tokio::test]
async fn kafka_that_is_killed_comes_back_with_what_it_had() {
    let begun = Instant::now();
    let mut kafka = match Kafka::start().await.unwrap() {
        Ok(kafka) => kafka,
        Err(reason) => return println!("not run: there is no Kafka to be had ({reason})"),
    };
    let started = begun.elapsed();
    kafka.topic("parts", 2, &[]).await.unwrap();
    let producer: ThreadedProducer<DefaultProducerContext> =
        ClientConfig::new().set("bootstrap.servers", kafka.brokers()).set("enable.idempotence", "true").create().unwrap();
    for n in 0..100 {
        let (key, value) = (format!("key-{}", n % 7), n.to_string());
        producer.send(BaseRecord::to("parts").key(&key).payload(&value)).unwrap();
    }
    producer.flush(PATIENCE).unwrap();
    kafka.restart().await.unwrap();
    let mut left = 100;
    let last = move |_: &_| {
        left -= 1;
        left == 0
    };
    let records = consume(&kafka.brokers(), "parts", PATIENCE, last).await.unwrap();
    assert!(records.iter().any(|record| record.partition == 1), "both partitions are used");
    println!("kafka is up after {started:?}");
}

#[tokio::test]
async fn kafka_takes_whom_it_knows_over_tls_and_nobody_else() {
    let Ok(kafka) = Kafka::start().await.unwrap() else { return println!("not run: there is no Kafka to be had") };
    for (mechanism, password, known) in
        [("PLAIN", "gateway-lab", true), ("SCRAM-SHA-512", "gateway-lab", true), ("SCRAM-SHA-512", "guessed", false)]
    {
        let producer: ThreadedProducer<DefaultProducerContext> = ClientConfig::new()
            .set("bootstrap.servers", kafka.secure_brokers())
            .set("security.protocol", "sasl_ssl")
            .set("sasl.mechanism", mechanism)
            .set("sasl.username", "gateway")
            .set("sasl.password", password)
            .set("ssl.ca.location", kafka.ca().display().to_string())
            .create()
            .unwrap();
        let wait = if known { PATIENCE } else { Duration::from_secs(3) };
        assert_eq!(producer.client().fetch_metadata(None, wait).is_ok(), known, "{mechanism}: {}", kafka.last_words());
    }
}
