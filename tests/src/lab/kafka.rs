//! A real Apache Kafka for one story: one node that is its own controller, on loopback.

use super::service::{Port, Service, cache, require, until};
use anyhow::{Context, Result, bail};
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{Headers, Message};
use rdkafka::types::RDKafkaErrorCode;
use rdkafka::{Offset, TopicPartitionList};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// A broker starts in two seconds on a quiet machine.
const START: Duration = Duration::from_secs(60);
const ANSWER: Duration = Duration::from_secs(10);

/// A running broker. Dropping it kills it.
#[derive(Debug)]
pub struct Kafka {
    service: Service,
    plain: Port,
    secure: Port,
    controller: Port,
    jars: PathBuf,
}

/// A message as a consumer has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Of which partition.
    pub partition: i32,
    /// At which place of it.
    pub offset: i64,
    /// What decides on the partition.
    pub key: Vec<u8>,
    /// What it says.
    pub value: Vec<u8>,
    /// Names and values, in their order.
    pub headers: Vec<(String, Vec<u8>)>,
}

impl Kafka {
    /// Starts a broker without topics. The inner error is the reason where Maven Central had no Kafka when the laboratory was set up.
    pub async fn start() -> Result<Result<Self, String>> {
        if let Ok(reason) = std::fs::read_to_string(cache()?.join("kafka.not-served")) {
            return Ok(Err(reason));
        }
        require("java")?;
        let jars = jars()?;
        let service = Service::new("kafka")?;
        let (plain, secure, controller) = (Port::take()?, Port::take()?, Port::take()?);
        let certificate = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned(), "localhost".to_owned()])?;
        std::fs::write(service.folder().join("ca.pem"), certificate.cert.pem())?;
        let keystore = format!("{}{}", certificate.signing_key.serialize_pem(), certificate.cert.pem());
        std::fs::write(service.folder().join("keystore.pem"), keystore)?;
        let mut kafka = Self { service, plain, secure, controller, jars };
        copy(&kafka.jars.join("formatted"), &kafka.service.folder().join("data"))?;
        let properties = kafka.properties("server.properties")? + &kafka.properties("secure.properties")?;
        std::fs::write(kafka.service.folder().join("server.properties"), properties)?;
        kafka.run().await?;
        Ok(Ok(kafka))
    }

    fn properties(&self, name: &str) -> Result<String> {
        let file = super::folder().join("kafka").join(name);
        let text = std::fs::read_to_string(&file).with_context(|| format!("failed to read {}", file.display()))?;
        let text = text.replace("@DIR@", &self.service.folder().display().to_string());
        let text = text.replace("@PORT@", &self.plain.number.to_string());
        let text = text.replace("@SECURE@", &self.secure.number.to_string());
        Ok(text.replace("@CONTROLLER@", &self.controller.number.to_string()))
    }

    async fn run(&mut self) -> Result<()> {
        let mut command = Command::new(super::folder().join("kafka.sh"));
        command.arg("run").arg(self.service.folder()).env("VG_KAFKA", &self.jars);
        self.service.run(&command)?;
        self.service.listens(self.plain.number, START).await?;
        // Listening comes before serving: the controller has to take its own broker in first.
        let brokers = self.brokers();
        until("Kafka answers", START, async || {
            let brokers = brokers.clone();
            // It waits on the thread that asks; a gateway may live on this one.
            let asked = move || admin(&brokers).is_ok_and(|admin| admin.inner().fetch_metadata(None, ANSWER).is_ok());
            tokio::task::spawn_blocking(asked).await.is_ok_and(|answered| answered)
        })
        .await
    }

    /// `host:port` of the listener without encryption.
    pub fn brokers(&self) -> String {
        format!("127.0.0.1:{}", self.plain.number)
    }

    /// The port of that listener, to put a [`Proxy`](super::Proxy) before it.
    pub fn port(&self) -> u16 {
        self.plain.number
    }

    /// `host:port` of the listener with TLS, where user `gateway` shows the password `gateway-lab`, by PLAIN or SCRAM-SHA-512.
    pub fn secure_brokers(&self) -> String {
        format!("localhost:{}", self.secure.number)
    }

    /// File of the authority (PEM) of that listener's certificate.
    pub fn ca(&self) -> PathBuf {
        self.service.folder().join("ca.pem")
    }

    /// Makes a topic, with settings of its own.
    pub async fn topic(&self, name: &str, partitions: i32, settings: &[(&str, &str)]) -> Result<()> {
        let new = NewTopic::new(name, partitions, TopicReplication::Fixed(1));
        let new = settings.iter().fold(new, |new, (key, value)| new.set(key, value));
        let made = admin(&self.brokers())?.create_topics(&[new], &AdminOptions::new().operation_timeout(Some(ANSWER))).await?;
        match made.into_iter().next() {
            Some(Ok(_)) | Some(Err((_, RDKafkaErrorCode::TopicAlreadyExists))) => Ok(()),
            Some(Err((topic, code))) => bail!("topic {topic} cannot be made: {code}"),
            None => bail!("Kafka says nothing of topic {name}"),
        }
    }

    /// Kills it as a power cut would.
    pub fn kill9(&mut self) -> Result<()> {
        self.service.kill9()
    }

    /// Stops its every thread: connections stay open, nothing is answered.
    pub fn pause(&self) -> Result<()> {
        self.service.pause()
    }

    /// Lets it go on.
    pub fn resume(&self) -> Result<()> {
        self.service.resume()
    }

    /// Starts it again on the same ports with what it had, after a [`kill9`](Self::kill9) or instead of one.
    pub async fn restart(&mut self) -> Result<()> {
        self.kill9()?;
        self.run().await
    }

    /// What it said last, for the message of a failed story.
    pub fn last_words(&self) -> String {
        self.service.last_words()
    }
}

/// Everything that is in a topic up to the message at which `enough` holds, each partition in its order.
///
/// # Errors
/// Where it does not within that time: then with how many there were.
pub async fn consume(
    brokers: &str,
    topic: &str,
    within: Duration,
    mut enough: impl FnMut(&Record) -> bool + Send + 'static,
) -> Result<Vec<Record>> {
    let (brokers, topic) = (brokers.to_owned(), topic.to_owned());
    let reading = move || {
        let consumer: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", &brokers)
            .set("group.id", "story")
            .set("enable.auto.commit", "false")
            .create()?;
        let until = Instant::now() + within;
        let metadata = consumer.fetch_metadata(Some(&topic), ANSWER)?;
        let partitions = metadata.topics().first().map(|topic| topic.partitions()).unwrap_or_default();
        let mut list = TopicPartitionList::new();
        for partition in partitions {
            list.add_partition_offset(&topic, partition.id(), Offset::Beginning)?;
        }
        consumer.assign(&list)?;
        let mut records: Vec<Record> = Vec::new();
        loop {
            if Instant::now() > until {
                bail!("after {within:?} {topic} has {} messages", records.len());
            }
            let Some(Ok(message)) = consumer.poll(Duration::from_millis(100)) else { continue };
            records.push(Record {
                partition: message.partition(),
                offset: message.offset(),
                key: message.key().unwrap_or_default().to_vec(),
                value: message.payload().unwrap_or_default().to_vec(),
                headers: message.headers().into_iter().flat_map(|headers| headers.iter()).map(header).collect(),
            });
            if records.last().is_some_and(&mut enough) {
                break;
            }
        }
        Ok(records)
    };
    tokio::task::spawn_blocking(reading).await?
}

fn header(header: rdkafka::message::Header<'_, &[u8]>) -> (String, Vec<u8>) {
    (header.key.to_owned(), header.value.unwrap_or_default().to_vec())
}

fn admin(brokers: &str) -> Result<AdminClient<DefaultClientContext>> {
    Ok(ClientConfig::new().set("bootstrap.servers", brokers).create()?)
}

/// The folder that `cargo xtask setup` made; its name has the version.
fn jars() -> Result<PathBuf> {
    let cache = cache()?;
    let pom = std::fs::read(super::folder().join("kafka/pom.xml"))?;
    let version = String::from_utf8(pom)?;
    let version = version.split("<artifactId>kafka_2.13</artifactId>").nth(1).and_then(|rest| rest.split("<version>").nth(1));
    let version = version.and_then(|rest| rest.split('<').next()).context("tests/lab/kafka/pom.xml names no version of Kafka")?;
    let jars = cache.join(format!("kafka-{version}"));
    if !jars.join("formatted").is_dir() {
        bail!("there is no Kafka in {}: run `cargo xtask setup`", jars.display());
    }
    Ok(jars)
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let place = to.join(entry.file_name());
        if entry.file_type()?.is_dir() { copy(&entry.path(), &place)? } else { std::fs::copy(entry.path(), place).map(drop)? }
    }
    Ok(())
}
