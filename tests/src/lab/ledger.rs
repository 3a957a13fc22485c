//! What calls have told, as a consumer has it who reads a topic of their events and takes doubles out by their ids.

use super::kafka::{Record, consume};
use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// See the module.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    /// Events of each call, in the order of its partition.
    pub calls: BTreeMap<String, Vec<Told>>,
    /// Ids of all of them.
    pub ids: BTreeSet<String>,
    /// Types of what befell gateways as a whole.
    pub notices: Vec<String>,
    /// Events that came once more.
    pub doubles: usize,
}

/// An event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// For example `call.started`.
    pub kind: String,
    /// Rises when another gateway goes on with the call.
    pub epoch: u64,
    /// Counts from 1 within the epoch.
    pub n: u64,
    /// What it tells.
    pub data: Value,
}

impl Ledger {
    /// Reads a topic until it has had so many ids.
    ///
    /// # Errors
    /// Where they do not come within that time, or an event is not as it has to be.
    pub async fn read(brokers: &str, topic: &str, events: usize, within: Duration) -> Result<Self> {
        let mut ids = BTreeSet::new();
        let enough = move |record: &Record| {
            ids.insert(header(record, "ce_id").map(<[u8]>::to_vec));
            ids.len() >= events
        };
        Self::of(&consume(brokers, topic, within, enough).await?)
    }

    /// Of what a consumer has read.
    ///
    /// # Errors
    /// Where an event is not as it has to be, or is not where the others of its call are.
    pub fn of(records: &[Record]) -> Result<Self> {
        let (mut ledger, mut partitions) = (Self::default(), BTreeMap::new());
        for record in records {
            let event: Value = serde_json::from_slice(&record.value)?;
            let text = |name: &str| event[name].as_str().with_context(|| format!("an event has a text as its {name}"));
            let (id, call, kind) = (text("id")?, text("subject")?, text("type")?);
            ensure!(record.key == call.as_bytes(), "{id}: its key is not its call");
            if let Some(name) = wrong_header(record, &event) {
                bail!("{id}: its header {name} is not what it says");
            }
            let partition = partitions.entry(call.to_owned()).or_insert(record.partition);
            ensure!(*partition == record.partition, "{id}: its call has two partitions");
            if !ledger.ids.insert(id.to_owned()) {
                ledger.doubles += 1;
            } else if event.get("tenantid").is_none() {
                ledger.notices.push(kind.to_owned());
            } else {
                let (epoch, n) = text("sequence")?.split_once('.').context("a sequence has two parts")?;
                let told = Told { kind: kind.to_owned(), epoch: epoch.parse()?, n: n.parse()?, data: event["data"].clone() };
                ledger.calls.entry(call.to_owned()).or_default().push(told);
            }
        }
        Ok(ledger)
    }

    /// Checks that of no epoch of any call an event is missing, and that each came behind those before it.
    ///
    /// # Errors
    /// With the first call of which it does not hold.
    pub fn is_whole(&self) -> Result<()> {
        for (call, events) in &self.calls {
            let mut epochs = BTreeMap::<u64, Vec<u64>>::new();
            for told in events {
                epochs.entry(told.epoch).or_default().push(told.n);
            }
            for (epoch, numbers) in epochs {
                ensure!(numbers.iter().copied().eq(1..=numbers.len() as u64), "{call}, epoch {epoch}: {numbers:?}");
            }
        }
        Ok(())
    }

    /// Events of a kind that a call has told.
    pub fn of_call<'a>(&'a self, call: &str, kind: &'a str) -> impl Iterator<Item = &'a Told> + use<'a> {
        self.calls.get(call).into_iter().flatten().filter(move |told| told.kind == kind)
    }

    /// How many events of a kind each call has told.
    pub fn count(&self, kind: &str) -> Vec<usize> {
        self.calls.values().map(|events| events.iter().filter(|told| told.kind == kind).count()).collect()
    }
}

/// Attributes of every event, and then those that some have. Each is a header as well: who routes by headers reads no event.
const ATTRIBUTES: [&str; 8] = ["id", "source", "type", "subject", "time", "sequence", "tenantid", "conversationid"];
const OF_EVERY: usize = 6;

/// The first header that says anything else than the event does, or nothing where it says something, or something where it says nothing.
fn wrong_header(record: &Record, event: &Value) -> Option<String> {
    if header(record, "content-type") != Some(&b"application/cloudevents+json"[..]) {
        return Some("content-type".to_owned());
    }
    let wrong = |(nth, name): (usize, &str)| {
        let (said, name) = (event[name].as_str(), format!("ce_{name}"));
        let missing = said.is_none() && nth < OF_EVERY;
        (missing || header(record, &name) != said.map(str::as_bytes)).then_some(name)
    };
    ATTRIBUTES.into_iter().enumerate().find_map(wrong)
}

fn header<'a>(record: &'a Record, name: &str) -> Option<&'a [u8]> {
    record.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_slice())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(call: &str, epoch: u64, n: u64, partition: i32) -> Record {
        let attributes = [
            ("id", format!("{call}-{epoch}-{n}")),
            ("source", "/gateway".to_owned()),
            ("type", "call.started".to_owned()),
            ("subject", call.to_owned()),
            ("time", "2025-11-24T16:00:00.123Z".to_owned()),
            ("sequence", format!("{epoch:010}.{n:010}")),
            ("tenantid", "t".to_owned()),
        ];
        let value = attributes.iter().map(|(name, value)| ((*name).to_owned(), Value::from(value.as_str())));
        let value = serde_json::to_vec(&Value::Object(value.collect())).unwrap();
        let headers = attributes.into_iter().map(|(name, value)| (format!("ce_{name}"), value.into_bytes()));
        let content = ("content-type".to_owned(), b"application/cloudevents+json".to_vec());
        Record { partition, offset: 0, key: call.into(), value, headers: headers.chain([content]).collect() }
    }

    fn without(mut record: Record, name: &str) -> Record {
        record.headers.retain(|(known, _)| known != name);
        record
    }

    #[test]
    fn every_header_says_what_its_event_says() {
        let good = record("a", 1, 1, 0);
        Ledger::of(std::slice::from_ref(&good)).unwrap();
        for nth in 0..good.headers.len() {
            let name = good.headers[nth].0.clone();
            let mut other = good.clone();
            other.headers[nth].1.push(b'x');
            for wrong in [without(good.clone(), &name), other] {
                let error = Ledger::of(&[wrong]).unwrap_err().to_string();
                assert!(error.contains(&name), "{name}: {error}");
            }
        }
        let mut more = good;
        more.headers.push(("ce_conversationid".to_owned(), b"v".to_vec()));
        assert!(Ledger::of(&[more]).is_err(), "the event names no conversation");
    }

    #[test]
    fn doubles_are_taken_out_and_gaps_are_seen() {
        let mut notice = without(record("run", 0, 7, 1), "ce_tenantid");
        let mut event: Value = serde_json::from_slice(&notice.value).unwrap();
        event.as_object_mut().unwrap().remove("tenantid");
        notice.value = serde_json::to_vec(&event).unwrap();
        let told = [record("a", 1, 1, 0), record("a", 1, 1, 0), record("b", 1, 1, 1), record("a", 2, 1, 0), record("a", 1, 2, 0)];
        let told = [&told[..], &[notice]].concat();
        let ledger = Ledger::of(&told).unwrap();
        assert_eq!((ledger.doubles, ledger.ids.len(), ledger.count("call.started")), (1, 5, vec![3, 1]));
        assert_eq!(ledger.notices, ["call.started"]);
        assert_eq!(
            ledger.of_call("a", "call.started").map(|told| (told.epoch, told.n)).collect::<Vec<_>>(),
            [(1, 1), (2, 1), (1, 2)]
        );
        assert_eq!((ledger.of_call("a", "call.ended").count(), ledger.of_call("c", "call.started").count()), (0, 0));
        ledger.is_whole().unwrap();
        let gap = Ledger::of(&[record("a", 1, 1, 0), record("a", 1, 3, 0)]).unwrap();
        let turned = Ledger::of(&[record("a", 1, 2, 0), record("a", 1, 1, 0)]).unwrap();
        assert!(gap.is_whole().is_err() && turned.is_whole().is_err());
        assert!(Ledger::of(&[record("a", 1, 1, 0), record("a", 1, 2, 1)]).is_err(), "two partitions");
    }
}
