//! librdkafka as it is set up here, and what it tells.

use super::Health;
use crate::config::{Kafka, KafkaCompression, KafkaMechanism, KafkaTransport};
use rdkafka::client::ClientContext;
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::DeliveryResult;
use rdkafka::producer::ProducerContext;
use std::sync::Arc;
use tokio::sync::mpsc;

/// A request without an answer for so long is sent again, over a new connection.
const SOCKET_TIMEOUT_MS: &str = "15000";
/// Events of one partition travel together that come within so long; nobody waits for them.
const LINGER_MS: &str = "20";
/// Of a batch before it is made smaller, in bytes: well below what any broker takes, so that it is never a batch as such that is too large.
const BATCH_BYTES: &str = "262144";

/// How brokers are reached, of a producer or of one who only looks.
pub(super) fn connection(kafka: &Kafka) -> ClientConfig {
    let mut client = ClientConfig::new();
    client.set("bootstrap.servers", &kafka.brokers).set("client.id", "voice-gateway");
    client.set("socket.timeout.ms", SOCKET_TIMEOUT_MS).set("socket.keepalive.enable", "true");
    client.set("reconnect.backoff.ms", "100").set("reconnect.backoff.max.ms", "2000");
    let protocol = match (&kafka.transport, &kafka.login) {
        (KafkaTransport::Plain, None) => "plaintext",
        (KafkaTransport::Plain, Some(_)) => "sasl_plaintext",
        (KafkaTransport::Tls { .. }, None) => "ssl",
        (KafkaTransport::Tls { .. }, Some(_)) => "sasl_ssl",
    };
    client.set("security.protocol", protocol);
    if let KafkaTransport::Tls { ca: Some(ca) } = &kafka.transport {
        client.set("ssl.ca.location", ca.display().to_string());
    }
    if let Some(login) = &kafka.login {
        let mechanism = match login.mechanism {
            KafkaMechanism::Plain => "PLAIN",
            KafkaMechanism::ScramSha256 => "SCRAM-SHA-256",
            KafkaMechanism::ScramSha512 => "SCRAM-SHA-512",
        };
        client.set("sasl.mechanism", mechanism).set("sasl.username", &login.user);
        client.set("sasl.password", login.password.reveal());
    }
    client
}

/// The same of a producer that keeps the order and leaves nothing out.
pub(super) fn producer(kafka: &Kafka, in_flight_max: usize) -> ClientConfig {
    let mut client = connection(kafka);
    // Each event once and in order for as long as this producer lives, on all replicas in sync.
    client.set("enable.idempotence", "true").set("acks", "all");
    // What cannot be delivered ends the producer, and is never passed over: the spool says where to go on.
    client.set("enable.gapless.guarantee", "true");
    // Never given up: while Kafka is away the spool waits.
    client.set("message.timeout.ms", "0");
    // The partition of a call is the one that Kafka's own clients would choose.
    client.set("partitioner", "murmur2_random");
    client.set("linger.ms", LINGER_MS).set("batch.size", BATCH_BYTES);
    client.set("message.max.bytes", kafka.message_bytes_max.to_string());
    client.set("queue.buffering.max.messages", in_flight_max.to_string());
    let codec = match kafka.compression {
        KafkaCompression::None => "none",
        KafkaCompression::Lz4 => "lz4",
        KafkaCompression::Snappy => "snappy",
    };
    client.set("compression.codec", codec);
    client
}

/// What became of an event.
pub(super) type Report = (u64, Result<(), RDKafkaErrorCode>);

/// Hears what librdkafka says; on its threads.
pub(super) struct Ear {
    pub(super) health: Arc<Health>,
    /// One report for each event on its way: never full, since it has room for all of them.
    pub(super) reports: mpsc::Sender<Report>,
}

impl ClientContext for Ear {
    const ENABLE_REFRESH_OAUTH_TOKEN: bool = false;

    fn log(&self, _: RDKafkaLogLevel, part: &str, text: &str) {
        log(part, text);
    }

    fn error(&self, error: KafkaError, _: &str) {
        self.health.heard(&error);
    }
}

/// Addresses and codes; events are never in it. What matters of it is told once, by [`Health`].
fn log(part: &str, text: &str) {
    tracing::debug!(part, text, "librdkafka");
}

impl Ear {
    /// Of one who only looks.
    pub(super) fn of_a_looker(health: Arc<Health>) -> Self {
        Self { health, reports: mpsc::channel(1).0 }
    }
}

impl ProducerContext for Ear {
    type DeliveryOpaque = Box<u64>;

    fn delivery(&self, result: &DeliveryResult<'_>, number: Box<u64>) {
        let told = match result {
            Ok(_) => Ok(()),
            Err((error, _)) => Err(error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Unknown)),
        };
        // Whoever sent it may be gone already: then it is sent again by the next one.
        let _ = self.reports.try_send((*number, told));
    }
}

/// A bounded word for what librdkafka says.
pub(super) fn code(error: RDKafkaErrorCode) -> &'static str {
    use RDKafkaErrorCode as Code;
    match error {
        Code::AllBrokersDown | Code::BrokerTransportFailure | Code::Resolve => "unreachable",
        Code::SSL => "tls",
        Code::Authentication | Code::SaslAuthenticationFailed => "credentials",
        Code::TopicAuthorizationFailed | Code::ClusterAuthorizationFailed => "not_permitted",
        Code::UnknownTopic | Code::UnknownTopicOrPartition | Code::UnknownPartition => "no_topic",
        Code::MessageSizeTooLarge | Code::InvalidMessageSize => "too_large",
        Code::InvalidRecord => "invalid",
        Code::NotEnoughReplicas | Code::NotEnoughReplicasAfterAppend => "replicas",
        Code::PurgeInflight | Code::PurgeQueue => "purged",
        Code::Fatal | Code::GaplessGuarantee => "fatal",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_producer_keeps_the_order_leaves_nothing_out_and_makes_batches_smaller_as_it_was_told() {
        let codecs = [(KafkaCompression::None, "none"), (KafkaCompression::Lz4, "lz4"), (KafkaCompression::Snappy, "snappy")];
        for (compression, codec) in codecs {
            let kafka = Kafka {
                brokers: "127.0.0.1:9092".into(),
                topic: "calls".into(),
                transport: KafkaTransport::Plain,
                login: None,
                compression,
                message_bytes_max: 10_000,
                drain: Duration::from_secs(5),
            };
            let client = producer(&kafka, 4_096);
            for (setting, value) in [
                ("enable.idempotence", "true"),
                ("acks", "all"),
                ("enable.gapless.guarantee", "true"),
                ("message.timeout.ms", "0"),
                ("partitioner", "murmur2_random"),
                ("message.max.bytes", "10000"),
                ("queue.buffering.max.messages", "4096"),
                ("compression.codec", codec),
            ] {
                assert_eq!(client.get(setting), Some(value), "{setting}");
            }
        }
    }
}
