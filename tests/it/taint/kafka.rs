//! A Kafka that gateways tell their events, where there is one to be had.

use super::Told;
use std::time::Duration;
use vg_tests::lab::{Kafka, Record, consume};

const TOPIC: &str = "voice-gateway.events";
const SOON: Duration = Duration::from_secs(20);

/// A broker with a topic for events; or none.
pub(crate) struct Topic(Option<Kafka>);

impl Topic {
    pub(crate) async fn start() -> Self {
        match Kafka::start().await.unwrap() {
            Ok(kafka) => {
                kafka.topic(TOPIC, 1, &[]).await.unwrap();
                Self(Some(kafka))
            }
            Err(reason) => {
                println!("without Kafka: there is none to be had ({reason})");
                Self(None)
            }
        }
    }

    pub(crate) fn is_there(&self) -> bool {
        self.0.is_some()
    }

    /// What a gateway's configuration says of it.
    pub(crate) fn config(&self) -> String {
        self.0.as_ref().map_or_else(String::new, |kafka| format!("[kafka]\nbrokers = \"{}\"\n", kafka.brokers()))
    }

    /// Keeps what it is told up to the end of a call.
    pub(crate) async fn add_to(&self, told: &Told) {
        let Some(kafka) = &self.0 else { return };
        let ends = |record: &Record| String::from_utf8_lossy(&record.value).contains("\"call.ended\"");
        for record in consume(&kafka.brokers(), TOPIC, SOON, ends).await.unwrap() {
            told.add("kafka", String::from_utf8_lossy(&record.value));
        }
    }
}
