//! How the topic is, and how it should be.

use super::Health;
use super::client::{self, Ear};
use crate::config::Kafka;
use rdkafka::admin::{AdminClient, AdminOptions, ConfigResource, ResourceSpecifier};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::FromClientConfigAndContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::metadata::Metadata;
use rdkafka::producer::{Producer, ThreadedProducer};
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;

/// Fewer than that leave consumers little to share.
const PARTITIONS: usize = 6;
/// A broker may be lost, and another one be restarted meanwhile.
const REPLICAS: usize = 3;
const IN_SYNC: usize = 2;

/// The topic as the brokers have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topic {
    /// Its parts.
    pub partitions: usize,
    /// Copies of the part that has the fewest.
    pub replicas: usize,
    /// What its settings say; none where the gateway may not read them.
    pub settings: Option<TopicSettings>,
}

/// What matters of a topic's settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicSettings {
    /// Copies that have to have an event before it counts as written (`min.insync.replicas`).
    pub in_sync: usize,
    /// The longest batch that it takes, in bytes (`max.message.bytes`).
    pub message_bytes_max: usize,
    /// Whether older events of a key are thrown away (`cleanup.policy` has `compact`).
    pub compacted: bool,
}

/// Why a topic could not be looked at.
#[derive(Debug, thiserror::Error)]
pub enum TopicError {
    /// The client cannot be set up: an authority's file that is not there.
    #[error("set up the client of kafka")]
    Client(#[source] KafkaError),
    /// No broker answered.
    #[error("reach a broker ({code})")]
    Unreachable {
        /// What stood in the way: unreachable, tls, credentials.
        code: &'static str,
        /// What the client says of it.
        source: KafkaError,
    },
    /// Brokers are there, the topic is not.
    #[error("find topic {0}: make it with {advice}", advice = command(.0))]
    Missing(String),
    /// The gateway may not see it.
    #[error("look at topic {0}: the gateway's user may not (it needs Describe and Write)")]
    NotPermitted(String),
}

impl TopicError {
    /// Bounded label.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Client(_) => "client",
            Self::Unreachable { code, .. } => code,
            Self::Missing(_) => "no_topic",
            Self::NotPermitted(_) => "not_permitted",
        }
    }
}

/// Asks the brokers; waits for an answer for so long at most, twice.
///
/// # Errors
/// As [`TopicError`] says.
pub async fn look(kafka: &Kafka, within: Duration) -> Result<Topic, TopicError> {
    let kafka = kafka.clone();
    // The client waits on the thread that asks it.
    let looking = tokio::task::spawn_blocking(move || look_now(&kafka, within));
    looking.await.unwrap_or_else(|_| Err(TopicError::Unreachable { code: "unreachable", source: KafkaError::Canceled }))
}

fn look_now(kafka: &Kafka, within: Duration) -> Result<Topic, TopicError> {
    let health = Arc::<Health>::default();
    // A producer that sends nothing: unlike the client of the administrator it is told why it could not be connected.
    let ear = Ear::of_a_looker(Arc::clone(&health));
    let looker = ThreadedProducer::from_config_and_context(&client::connection(kafka), ear).map_err(TopicError::Client)?;
    let away = |source| TopicError::Unreachable { code: health.trouble().unwrap_or("unreachable"), source };
    let metadata = looker.client().fetch_metadata(Some(&kafka.topic), within).map_err(away)?;
    let mut topic = described(&metadata, &kafka.topic)?;
    let admin: AdminClient<DefaultClientContext> = client::connection(kafka).create().map_err(TopicError::Client)?;
    let named = [ResourceSpecifier::Topic(&kafka.topic)];
    let options = AdminOptions::new().request_timeout(Some(within));
    let told = Handle::current().block_on(admin.describe_configs(&named, &options));
    let told = told.ok().and_then(|told| told.into_iter().next());
    topic.settings = told.and_then(Result::ok).and_then(|resource| settings(&resource));
    Ok(topic)
}

fn described(metadata: &Metadata, name: &str) -> Result<Topic, TopicError> {
    let missing = || TopicError::Missing(name.to_owned());
    let topic = metadata.topics().iter().find(|topic| topic.name() == name).ok_or_else(missing)?;
    match topic.error().map(RDKafkaErrorCode::from) {
        Some(RDKafkaErrorCode::TopicAuthorizationFailed) => return Err(TopicError::NotPermitted(name.to_owned())),
        Some(RDKafkaErrorCode::UnknownTopicOrPartition) => return Err(missing()),
        _ => {}
    }
    let replicas = topic.partitions().iter().map(|partition| partition.replicas().len()).min().ok_or_else(missing)?;
    Ok(Topic { partitions: topic.partitions().len(), replicas, settings: None })
}

fn settings(resource: &ConfigResource) -> Option<TopicSettings> {
    let value = |name: &str| resource.get(name).and_then(|entry| entry.value.clone());
    Some(TopicSettings {
        in_sync: value("min.insync.replicas")?.parse().ok()?,
        message_bytes_max: value("max.message.bytes")?.parse().ok()?,
        compacted: value("cleanup.policy")?.contains("compact"),
    })
}

/// Makes a topic as it should be.
fn command(name: &str) -> String {
    format!(
        "kafka-topics.sh --create --topic {name} --partitions {PARTITIONS} --replication-factor {REPLICAS} --config \
         min.insync.replicas={IN_SYNC}"
    )
}

impl Topic {
    /// What should be otherwise, and why; empty where it is as it should be.
    pub fn advice(&self, kafka: &Kafka) -> Vec<String> {
        let mut advice = Vec::new();
        if self.partitions < PARTITIONS {
            advice.push(format!("{} partitions let as many consumers share the work: {PARTITIONS} or more", self.partitions));
        }
        if self.replicas < 2 {
            advice.push(format!("there is one copy of each event, lost with its broker: replication factor {REPLICAS}"));
        }
        let Some(settings) = &self.settings else { return advice };
        if self.replicas >= IN_SYNC && settings.in_sync < IN_SYNC {
            advice.push(format!("one copy counts as written: min.insync.replicas={IN_SYNC}"));
        }
        if settings.message_bytes_max < kafka.message_bytes_max {
            let (takes, sends) = (settings.message_bytes_max, kafka.message_bytes_max);
            advice.push(format!("it takes {takes} bytes, kafka.message_bytes_max is {sends}: max.message.bytes={sends}"));
        }
        if settings.compacted {
            advice.push("it keeps the last event of each call only: cleanup.policy=delete".to_owned());
        }
        advice
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{KafkaCompression, KafkaTransport};

    fn kafka() -> Kafka {
        Kafka {
            brokers: "127.0.0.1:9".into(),
            topic: "calls".into(),
            transport: KafkaTransport::Plain,
            login: None,
            compression: KafkaCompression::Lz4,
            message_bytes_max: 1_000_000,
            drain: Duration::from_secs(1),
        }
    }

    #[test]
    fn a_topic_that_loses_events_is_told_what_it_should_be() {
        let settings = TopicSettings { in_sync: 2, message_bytes_max: 1_048_588, compacted: false };
        let good = Topic { partitions: 6, replicas: 3, settings: Some(settings.clone()) };
        assert_eq!(good.advice(&kafka()), Vec::<String>::new());
        let alone = Topic { partitions: 1, replicas: 1, settings: None };
        assert_eq!(alone.advice(&kafka()).len(), 2);
        let worse = TopicSettings { in_sync: 1, message_bytes_max: 65_536, compacted: true };
        let worse = Topic { settings: Some(worse), ..good };
        let advice = worse.advice(&kafka()).join("; ");
        for part in ["min.insync.replicas=2", "max.message.bytes=1000000", "cleanup.policy=delete"] {
            assert!(advice.contains(part), "{advice}");
        }
    }

    #[tokio::test]
    async fn brokers_that_are_not_there_are_told() {
        let error = look(&kafka(), Duration::from_millis(300)).await.unwrap_err();
        assert_eq!(error.code(), "unreachable", "{error}");
    }
}
