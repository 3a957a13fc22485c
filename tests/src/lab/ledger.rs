//! What calls have told, as a consumer has it who reads a topic of their events and takes doubles out by their ids.

use super::kafka::{Record, consume};
use anyhow::{Context, Result, ensure};
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
            let named =
                [("ce_id", id), ("ce_type", kind)].iter().all(|(name, value)| header(record, name) == Some(value.as_bytes()));
            ensure!(named, "{id}: its headers are not what it says");
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

fn header<'a>(record: &'a Record, name: &str) -> Option<&'a [u8]> {
    record.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_slice())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(call: &str, epoch: u64, n: u64, partition: i32) -> Record {
        let id = format!("{call}-{epoch}-{n}");
        let value = format!(
            r#"{{"id":"{id}","tenantid":"t","subject":"{call}","type":"call.started","sequence":"{epoch:010}.{n:010}"}}"#
        );
        let headers = vec![("ce_id".to_owned(), id.into_bytes()), ("ce_type".to_owned(), b"call.started".to_vec())];
        Record { partition, offset: 0, key: call.into(), value: value.into_bytes(), headers }
    }

    #[test]
    fn doubles_are_taken_out_and_gaps_are_seen() {
        let mut notice = record("run", 0, 7, 1);
        notice.value = String::from_utf8(notice.value).unwrap().replace("\"tenantid\":\"t\",", "").into_bytes();
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
