//! What calls have told, as a consumer has it who reads a topic of their events and takes doubles out by their ids.

use super::kafka::{Record, consume};
use crate::agent::Question;
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

    /// Reads a topic until it has had all that disks hold, as they are asked for by `on_disks`; what is gathered still when they are asked first is waited for.
    ///
    /// # Errors
    /// As [`Ledger::read`], where disks cannot be read, or where the topic has something that no disk has.
    pub async fn of_disks(
        brokers: &str,
        topic: &str,
        within: Duration,
        on_disks: impl Fn() -> Result<BTreeSet<String>>,
    ) -> Result<Self> {
        let mut before = on_disks()?;
        loop {
            let told = Self::read(brokers, topic, before.len(), within).await?;
            let now = on_disks()?;
            if now.len() > before.len() {
                before = now;
                continue;
            }
            let strange: Vec<&String> = told.ids.difference(&before).collect();
            ensure!(strange.is_empty(), "of these events no disk knows: {strange:?}");
            return Ok(told);
        }
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

    /// Whether the agent's being asked this was told.
    pub fn has_question(&self, asked: &Question) -> bool {
        let mut heard = self.of_call(&asked.call, "stt.transcribed");
        heard.any(|told| told.data["turn"] == asked.turn && told.data["text"] == asked.text.as_str())
    }

    /// So many answers the last gateway of a call has counted; none where its end was not told.
    pub fn counted(&self, call: &str) -> Option<u64> {
        self.of_call(call, "call.ended").find_map(|told| told.data["turns"].as_u64())
    }

    /// Of so many turns of a call an answer was told.
    pub fn answered(&self, call: &str) -> u64 {
        let turns = self.of_call(call, "llm.responded").filter_map(|told| told.data["turn"].as_u64());
        turns.collect::<BTreeSet<u64>>().len() as u64
    }

    /// Checks that each call has told so many events of this kind.
    ///
    /// # Errors
    /// With how many each has told, where that does not hold.
    pub fn has_of_each(&self, kind: &str, times: usize) -> Result<()> {
        let count = self.count(kind);
        ensure!(count.iter().all(|count| *count == times), "{kind}: {count:?}");
        Ok(())
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
    use serde_json::json;
    use std::time::Instant;

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
    fn what_was_told_of_turns_is_held_against_what_was_asked_and_counted() {
        let told = |kind: &str, data| Told { kind: kind.to_owned(), epoch: 1, n: 1, data };
        let answer = |turn: u64| told("llm.responded", json!({ "turn": turn }));
        let heard = told("stt.transcribed", json!({ "turn": 1, "text": "hello" }));
        let events = vec![heard, answer(1), answer(1), answer(2), told("call.ended", json!({ "turns": 3 }))];
        let ledger = Ledger { calls: BTreeMap::from([("a".to_owned(), events)]), ..Ledger::default() };
        // Each turn counts once, however often it was answered.
        assert_eq!((ledger.counted("a"), ledger.answered("a")), (Some(3), 2));
        assert_eq!((ledger.counted("b"), ledger.answered("b")), (None, 0));
        assert!(ledger.has_of_each("call.ended", 1).is_ok() && ledger.has_of_each("llm.responded", 1).is_err());
        let asked = |call: &str, turn, text: &str| Question {
            call: call.to_owned(),
            turn,
            text: text.to_owned(),
            at: Instant::now(),
            times: 1,
        };
        assert!(ledger.has_question(&asked("a", 1, "hello")));
        for other in [asked("b", 1, "hello"), asked("a", 2, "hello"), asked("a", 1, "hello?")] {
            assert!(!ledger.has_question(&other), "{other:?}");
        }
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
