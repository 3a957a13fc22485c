//! Where events are kept, and where they go.

use crate::adapters::events::kafka::Producer;
use crate::adapters::events::spool::{Bounds, Spool};
use crate::adapters::pseudonyms::Pseudonyms;
use crate::config::Config;
use anyhow::{Context, Result};
use std::sync::Arc;

/// What no broker takes, in the folder of the spool.
const REFUSED: &str = "refused-by-kafka.ndjson";

/// The spool, where there is a folder for it. Blocks on the disk.
pub(super) fn spool(config: &Config) -> Result<Option<Arc<Spool>>> {
    let bounds = Bounds { bytes_max: config.events.bytes_max, keep: config.events.keep };
    let open = |dir| Spool::open(dir, bounds, config.kafka.is_some()).context("failed to open the spool of events");
    let pseudonyms = config.privacy.pseudonym_key.as_ref().map(Pseudonyms::new);
    let spool = config.events.dir.as_deref().map(open).transpose()?;
    Ok(spool.map(|spool| Arc::new(spool.naming_callers(pseudonyms))))
}

/// The way of events to Kafka, where one is configured. *Requires:* then there is a spool.
pub(super) fn kafka(config: &Config, spool: Option<&Arc<Spool>>) -> Result<Option<Arc<Producer>>> {
    let (Some(kafka), Some(spool), Some(dir)) = (&config.kafka, spool, &config.events.dir) else { return Ok(None) };
    let backlog = spool.to_kafka().context("failed to read the spool of events")?;
    Ok(Some(Arc::new(Producer::new(kafka.clone(), backlog, dir.join(REFUSED)))))
}
