//! `[kafka]`: where events go.

use super::here::{host_of, is_here};
use super::raw::{number, set};
use super::{Faults, secret};
use serde::Deserialize;
use std::path::PathBuf;
use std::time::Duration;
use vg_domain::pii::Pii;

/// What brokers take of one event where nobody has told them otherwise, in bytes (Kafka's `max.message.bytes`, less what a batch adds).
const MESSAGE_MAX: usize = 1_000_000;
/// Seconds at the end for what still waits; what is left then stays in the spool.
const DRAIN_S: usize = 10;

/// `[kafka]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kafka {
    /// `host:port` of brokers that are asked first, with `,` between. *Invariant:* not empty.
    pub brokers: String,
    /// Where events go. It has to exist.
    pub topic: String,
    /// Whether brokers are spoken to by TLS.
    pub transport: KafkaTransport,
    /// Who the gateway says that it is; none: nobody.
    pub login: Option<KafkaLogin>,
    /// How batches are made smaller.
    pub compression: KafkaCompression,
    /// The longest event that is sent, in bytes; a longer one is set aside.
    pub message_bytes_max: usize,
    /// What still waits has so long at the end.
    pub drain: Duration,
}

/// Whether brokers are spoken to by TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KafkaTransport {
    /// They are not.
    Plain,
    /// They are.
    Tls {
        /// PEM file of the authorities that their certificates must come from; none: the system's.
        ca: Option<PathBuf>,
    },
}

/// A user of the brokers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KafkaLogin {
    /// How the password is shown.
    pub mechanism: KafkaMechanism,
    /// Its name.
    pub user: String,
    /// Its password.
    pub password: Pii<String>,
}

/// How a password is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KafkaMechanism {
    /// As it is.
    Plain,
    /// By the answer to a challenge (RFC 7677).
    ScramSha256,
    /// The same with the longer hash.
    ScramSha512,
}

/// How batches are made smaller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KafkaCompression {
    /// They are not.
    None,
    /// By LZ4: a fifth of the bytes for next to no processor.
    Lz4,
    /// By Snappy.
    Snappy,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawKafka {
    brokers: Option<String>,
    topic: Option<String>,
    transport: Option<String>,
    ca: Option<PathBuf>,
    user: Option<String>,
    password: Option<String>,
    mechanism: Option<String>,
    compression: Option<String>,
    #[serde(deserialize_with = "number")]
    message_bytes_max: Option<usize>,
    #[serde(deserialize_with = "number")]
    drain_s: Option<usize>,
}

impl RawKafka {
    /// What the operator has chosen; none without brokers.
    pub(super) fn resolve(self, environment: &[(String, String)], faults: &mut Faults) -> Option<Kafka> {
        let filled = |text: Option<String>| text.filter(|text| !text.is_empty());
        let (mut topic, mut mechanism, mut compression) =
            ("voice-gateway.events".to_owned(), KafkaMechanism::ScramSha512, KafkaCompression::Lz4);
        set(&mut topic, "kafka.topic", self.topic.as_deref(), topic_name, faults);
        set(&mut mechanism, "kafka.mechanism", self.mechanism.as_deref(), mechanism_named, faults);
        set(&mut compression, "kafka.compression", self.compression.as_deref(), compression_named, faults);
        let ca = self.ca.filter(|file| !file.as_os_str().is_empty());
        let is_chosen = self.transport.is_some() || ca.is_some();
        let transport = match (self.transport.as_deref(), ca) {
            (None | Some("plain"), None) => KafkaTransport::Plain,
            (None | Some("plain"), Some(_)) => {
                faults.add("kafka.ca", "is of no use without kafka.transport = tls");
                KafkaTransport::Plain
            }
            (Some("tls"), ca) => KafkaTransport::Tls { ca },
            (Some(_), _) => {
                faults.add("kafka.transport", "expected plain or tls");
                KafkaTransport::Plain
            }
        };
        let (user, password) = (filled(self.user), filled(self.password));
        let Some(brokers) = filled(self.brokers) else {
            if user.is_some() || password.is_some() || transport != KafkaTransport::Plain {
                faults.add("kafka.brokers", "is needed where another key of the section is set");
            }
            return None;
        };
        let brokers: Vec<&str> = brokers.split(',').map(str::trim).filter(|broker| !broker.is_empty()).collect();
        if brokers.is_empty() || !brokers.iter().all(|broker| host(broker).is_some()) {
            faults.add("kafka.brokers", "expected HOST:PORT, several with , between, for example kafka-1:9092");
        }
        let login = match (user, password.map(|reference| secret::resolve(&reference, environment))) {
            (None, None) => None,
            (Some(user), Some(Ok(password))) => Some(KafkaLogin { mechanism, user, password }),
            (_, Some(Err(what))) => {
                faults.add("kafka.password", what);
                None
            }
            (Some(_), None) => {
                faults.add("kafka.password", "is needed where kafka.user is set");
                None
            }
            (None, Some(Ok(_))) => {
                faults.add("kafka.user", "is needed where kafka.password is set");
                None
            }
        };
        if transport == KafkaTransport::Plain && !brokers.iter().all(|broker| is_here(host_of(broker))) {
            if login.is_some() {
                faults.add("kafka.password", "goes by kafka.transport = tls only, or to this machine");
            }
            if !is_chosen && brokers.iter().all(|broker| host(broker).is_some()) {
                faults.add("kafka.transport", "is needed, tls or plain: brokers are on other machines");
            }
        }
        let message_bytes_max = self.message_bytes_max.unwrap_or(MESSAGE_MAX);
        // What librdkafka takes.
        if !(1_000..=1_000_000_000).contains(&message_bytes_max) {
            faults.add("kafka.message_bytes_max", "expected 1000 to 1000000000");
        }
        let drain = Duration::from_secs(self.drain_s.unwrap_or(DRAIN_S) as u64);
        Some(Kafka { brokers: brokers.join(","), topic, transport, login, compression, message_bytes_max, drain })
    }
}

/// What Kafka takes for one.
fn topic_name(text: &str) -> Result<String, &'static str> {
    let legal = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    match text {
        "." | ".." => Err("is no topic's name"),
        name if (1..=249).contains(&name.len()) && name.chars().all(legal) => Ok(name.to_owned()),
        _ => Err("expected up to 249 letters, digits, `.`, `_` and `-`"),
    }
}

fn mechanism_named(text: &str) -> Result<KafkaMechanism, &'static str> {
    match text {
        "plain" => Ok(KafkaMechanism::Plain),
        "scram-sha-256" => Ok(KafkaMechanism::ScramSha256),
        "scram-sha-512" => Ok(KafkaMechanism::ScramSha512),
        _ => Err("expected scram-sha-512, scram-sha-256 or plain"),
    }
}

fn compression_named(text: &str) -> Result<KafkaCompression, &'static str> {
    match text {
        "none" => Ok(KafkaCompression::None),
        "lz4" => Ok(KafkaCompression::Lz4),
        "snappy" => Ok(KafkaCompression::Snappy),
        _ => Err("expected lz4, snappy or none"),
    }
}

/// The host of `host:port`; an IPv6 address stands in brackets.
fn host(broker: &str) -> Option<&str> {
    let (host, port) = broker.rsplit_once(':')?;
    let named = !host.is_empty() && !host.contains(['/', '@', ' ']) && (host.starts_with('[') == host.contains(':'));
    (named && port.parse::<u16>().is_ok_and(|port| port > 0)).then_some(host)
}
