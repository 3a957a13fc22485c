//! Where events go.

use crate::adapters::events::kafka::{Backlog, Producer};
use crate::config::Config;
use anyhow::{Result, bail};
use std::path::Path;
use std::sync::Arc;

/// What no broker takes, in the folder of the spool.
const REFUSED: &str = "refused-by-kafka.ndjson";

/// What events wait in, and its folder.
pub(super) type Spooled<'a> = (Arc<dyn Backlog>, &'a Path);

/// The way of events to Kafka, where one is configured.
///
/// # Errors
/// Where there is no spool: without one an event would be lost with the next outage.
pub(super) fn kafka(config: &Config, spool: Option<Spooled<'_>>) -> Result<Option<Arc<Producer>>> {
    match (&config.kafka, spool) {
        (None, _) => Ok(None),
        (Some(kafka), Some((backlog, folder))) => Ok(Some(Arc::new(Producer::new(kafka.clone(), backlog, folder.join(REFUSED))))),
        (Some(_), None) => bail!("[kafka] has no spool to send events from"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Machine;

    #[test]
    fn kafka_without_a_spool_is_refused_and_without_kafka_nothing_is_asked() {
        let parse = |text| Config::parse(text, [], &Machine::here()).unwrap();
        assert!(kafka(&parse(""), None).unwrap().is_none());
        assert!(kafka(&parse("[kafka]\nbrokers = 'kafka-1:9092'"), None).is_err());
    }
}
