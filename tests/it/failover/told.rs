//! What the gateways of a story have told Kafka, where there is one to be had.

use super::program;
use anyhow::Result;
use std::collections::BTreeSet;
use std::time::Duration;
use tempfile::TempDir;
use vg_tests::lab::{Kafka, Ledger};

const TOPIC: &str = "voice-gateway.events";
/// Time for events to be told to Kafka, and read there.
const TOLD_WITHIN: Duration = Duration::from_secs(60);

/// A broker, and the disks of the gateways that tell it what happens.
pub(super) struct Told {
    kafka: Option<Kafka>,
    disks: TempDir,
}

impl Told {
    pub(super) async fn start() -> Self {
        let kafka = match Kafka::start().await.unwrap() {
            Ok(kafka) => {
                kafka.topic(TOPIC, 6, &[]).await.unwrap();
                Some(kafka)
            }
            Err(reason) => {
                println!("not looked at: what was told to Kafka, for there is none to be had ({reason})");
                None
            }
        };
        Self { kafka, disks: tempfile::tempdir().unwrap() }
    }

    /// Sections of a gateway of this name: it has the same disk however often it is started.
    pub(super) fn config(&self, instance: &str) -> String {
        let Some(kafka) = &self.kafka else { return String::new() };
        format!("[events]\ndir = {:?}\n[kafka]\nbrokers = \"{}\"\n", self.disks.path().join(instance), kafka.brokers())
    }

    /// Everything, once Kafka was told all that the disks hold and nothing else; none where there is no Kafka.
    pub(super) async fn ledger(&self) -> Option<Ledger> {
        let kafka = self.kafka.as_ref()?;
        Some(Ledger::of_disks(&kafka.brokers(), TOPIC, TOLD_WITHIN, || self.on_disks()).await.unwrap())
    }

    fn on_disks(&self) -> Result<BTreeSet<String>> {
        let mut all = BTreeSet::new();
        for disk in std::fs::read_dir(self.disks.path())? {
            all.extend(program::events_in(&program::path(), &disk?.path())?);
        }
        Ok(all)
    }
}
