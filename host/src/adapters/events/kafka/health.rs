//! How it goes with Kafka: for readiness, metrics and the log.

use super::client::code;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// Written by the producer's task and by librdkafka's threads, read by whoever scrapes.
#[derive(Debug, Default)]
pub(super) struct Health {
    delivered: AtomicU64,
    in_flight: AtomicUsize,
    told: Mutex<Told>,
}

#[derive(Debug, Default)]
struct Told {
    trouble: Option<&'static str>,
    failed: BTreeMap<&'static str, u64>,
    aside: BTreeMap<&'static str, u64>,
}

/// Figures at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KafkaStats {
    /// Events that brokers have acknowledged since start.
    pub delivered: u64,
    /// Events on their way, and those behind them that are there already.
    pub in_flight: usize,
    /// Events of the spool that are not known to be there.
    pub lag: u64,
    /// What stands in the way now; none: nothing.
    pub trouble: Option<&'static str>,
    /// Producers that had to be made anew, by what they failed of.
    pub failed: BTreeMap<&'static str, u64>,
    /// Events that no broker takes, by reason.
    pub aside: BTreeMap<&'static str, u64>,
}

impl Health {
    /// What stands in the way now; none: nothing.
    pub(super) fn trouble(&self) -> Option<&'static str> {
        self.told().trouble
    }

    pub(super) fn stats(&self, lag: u64) -> KafkaStats {
        let told = self.told();
        KafkaStats {
            delivered: self.delivered(),
            in_flight: self.in_flight.load(Ordering::Relaxed),
            lag,
            trouble: told.trouble,
            failed: told.failed.clone(),
            aside: told.aside.clone(),
        }
    }

    pub(super) fn delivered(&self) -> u64 {
        self.delivered.load(Ordering::Relaxed)
    }

    pub(super) fn in_flight(&self, events: usize) {
        self.in_flight.store(events, Ordering::Relaxed);
    }

    /// An event is there: nothing stands in the way.
    pub(super) fn took(&self) {
        self.delivered.fetch_add(1, Ordering::Relaxed);
        if self.told().trouble.take().is_some() {
            tracing::info!("kafka takes events again");
        }
    }

    /// The topic was seen: what stood before it is gone. Whether it takes events is another matter.
    pub(super) fn found(&self) {
        let mut told = self.told();
        if matches!(told.trouble, Some("unreachable" | "tls" | "credentials" | "no_topic")) {
            told.trouble = None;
            tracing::info!("kafka can be reached");
        }
    }

    pub(super) fn failed(&self, code: &'static str) {
        *self.told().failed.entry(code).or_default() += 1;
        self.troubled(code);
    }

    pub(super) fn set_aside(&self, code: &'static str) {
        *self.told().aside.entry(code).or_default() += 1;
    }

    pub(super) fn troubled(&self, code: &'static str) {
        if self.told().trouble.replace(code) != Some(code) {
            tracing::warn!(code, "kafka takes no events: they wait in the spool");
        }
    }

    /// What librdkafka says of connections: one that broke means nothing as long as another one stands.
    pub(super) fn heard(&self, error: &KafkaError) {
        match error.rdkafka_error_code() {
            None | Some(RDKafkaErrorCode::BrokerTransportFailure | RDKafkaErrorCode::OperationTimedOut) => {}
            // Why it could not be connected says more than that none is.
            Some(RDKafkaErrorCode::AllBrokersDown) if self.trouble().is_some() => {}
            Some(error) => self.troubled(code(error)),
        }
    }

    fn told(&self) -> std::sync::MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
