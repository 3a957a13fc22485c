//! How an event looks outside: CloudEvents 1.0 in JSON (`cloudevents/formats/json-format.md`).

use crate::application::desk::{Data, Value};
use crate::application::ports::{Sequence, Subject};
use jiff::Timestamp;
use serde::{Deserialize, Serialize, Serializer};
use std::time::SystemTime;
use vg_domain::ids::CallId;

/// Where all events are from. An event's id is unique among all gateways, so that whoever goes on with a call tells of it from the same place.
const SOURCE: &str = "/voice-gateway";
/// Version of the schemas of `data`: raised where a reader of the last one could not read the next.
pub(super) const SCHEMA_VERSION: u32 = 1;

/// The id of an event: always the same, however often and by whatever way it is told.
pub fn id(call: &CallId, sequence: Sequence) -> String {
    format!("{call}-{}-{}", sequence.epoch, sequence.n)
}

/// The schema of the `data` of a type of event.
pub(super) fn data_schema(kind: &str) -> String {
    format!("urn:serphona:voice-gateway:event:{kind}:{SCHEMA_VERSION}")
}

/// An event, ready to be written. Names and order of its members are those of CloudEvents and of its Sequence extension.
#[derive(Debug, Serialize)]
pub struct CloudEvent<'a> {
    specversion: &'static str,
    id: String,
    source: &'static str,
    #[serde(rename = "type")]
    kind: &'a str,
    subject: &'a str,
    time: Option<Timestamp>,
    datacontenttype: &'static str,
    dataschema: String,
    /// None of what befell a gateway as a whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    tenantid: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    conversationid: Option<&'a str>,
    /// Sorts as text: by epoch, then by number.
    sequence: String,
    data: Told<'a>,
}

#[derive(Debug)]
struct Told<'a>(&'a Data);

impl<'a> CloudEvent<'a> {
    /// Of something that happened in a call.
    pub fn new(subject: Subject<'a>, at: SystemTime, kind: &'a str, data: &'a Data) -> Self {
        let Sequence { epoch, n } = subject.sequence;
        Self {
            specversion: "1.0",
            id: id(subject.call, subject.sequence),
            source: SOURCE,
            kind,
            subject: subject.call.as_str(),
            time: to_the_millisecond(at),
            datacontenttype: "application/json",
            dataschema: data_schema(kind),
            tenantid: Some(subject.tenant.as_str()),
            conversationid: subject.conversation.map(vg_domain::ids::ConversationId::as_str),
            sequence: format!("{:010}.{n:010}", epoch.0),
            data: Told(data),
        }
    }

    /// Of something that befell a gateway as a whole, the `n`th thing in this `run` of it.
    pub fn of_gateway(run: &'a str, n: u64, at: SystemTime, kind: &'a str, data: &'a Data) -> Self {
        Self {
            specversion: "1.0",
            id: format!("{run}.gateway.{n}"),
            source: SOURCE,
            kind,
            subject: run,
            time: to_the_millisecond(at),
            datacontenttype: "application/json",
            dataschema: data_schema(kind),
            tenantid: None,
            conversationid: None,
            sequence: format!("{:010}.{n:010}", 0),
            data: Told(data),
        }
    }

    /// The id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The JSON, in one line.
    pub fn json(&self) -> String {
        serde_json::to_string(self).expect("texts and numbers are JSON")
    }
}

/// More is not known.
fn to_the_millisecond(at: SystemTime) -> Option<Timestamp> {
    Timestamp::try_from(at).and_then(|at| Timestamp::from_millisecond(at.as_millisecond())).ok()
}

impl Serialize for Told<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, Plain(value))))
    }
}

struct Plain<'a>(&'a Value);

impl Serialize for Plain<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Number(number) => serializer.serialize_u64(*number),
            Value::Text(text) => serializer.serialize_str(text),
            Value::Flag(flag) => serializer.serialize_bool(*flag),
        }
    }
}

/// What a written event says of itself, without its `data`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Attributes {
    /// Unique.
    pub id: String,
    source: String,
    /// For example `call.started`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The call; a run of a gateway where something befell that.
    pub subject: String,
    /// When, as RFC 3339 has it.
    pub time: String,
    /// Whose call; empty where it is of none.
    #[serde(default)]
    pub tenantid: String,
    #[serde(default)]
    conversationid: Option<String>,
    sequence: String,
}

impl Attributes {
    /// Reads them from a written event.
    ///
    /// # Errors
    /// Where the text is none.
    pub fn of(event: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(event)
    }

    /// As headers of a Kafka message in structured mode, so that a reader can route without parsing.
    pub(super) fn headers(self) -> (String, Vec<(&'static str, String)>) {
        let mut headers = vec![
            ("content-type", "application/cloudevents+json".to_owned()),
            ("ce_id", self.id),
            ("ce_type", self.kind),
            ("ce_source", self.source),
            ("ce_subject", self.subject.clone()),
            ("ce_time", self.time),
            ("ce_sequence", self.sequence),
        ];
        headers.extend(Some(self.tenantid).filter(|tenant| !tenant.is_empty()).map(|tenant| ("ce_tenantid", tenant)));
        headers.extend(self.conversationid.map(|conversation| ("ce_conversationid", conversation)));
        (self.subject, headers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::application::ports::Epoch;
    use std::time::Duration;
    use vg_domain::ids::{ConversationId, TenantId};

    #[test]
    fn an_event_looks_as_cloud_events_has_it_and_sorts_by_its_sequence() {
        let (call, tenant, conversation) = (CallId::new("c-1"), TenantId::new("acme"), ConversationId::new("v-7"));
        let data = Data::from([
            ("turn", Value::Number(2)),
            ("text", Value::Text("\"hi\"\n".into())),
            ("interrupted", Value::Flag(false)),
        ]);
        let event = |epoch, n| {
            let sequence = Sequence { epoch: Epoch(epoch), n };
            let subject = Subject { call: &call, tenant: &tenant, conversation: Some(&conversation), sequence };
            let at = SystemTime::UNIX_EPOCH + Duration::from_micros(1_764_000_000_123_456);
            CloudEvent::new(subject, at, "llm.responded", &data).json()
        };
        let expected = r#"{"specversion":"1.0","id":"c-1-2-12","source":"/voice-gateway","type":"llm.responded","subject":"c-1","time":"2025-11-24T16:00:00.123Z","datacontenttype":"application/json","dataschema":"urn:serphona:voice-gateway:event:llm.responded:1","tenantid":"acme","conversationid":"v-7","sequence":"0000000002.0000000012","data":{"interrupted":false,"text":"\"hi\"\n","turn":2}}"#;
        assert_eq!(event(2, 12), expected);
        let sequences = [(1, 2), (1, 10), (2, 1)].map(|(epoch, n)| Attributes::of(event(epoch, n).as_bytes()).unwrap().sequence);
        assert!(sequences.is_sorted());
        let (key, headers) = Attributes::of(expected.as_bytes()).unwrap().headers();
        assert_eq!(
            (key.as_str(), &headers[0].1[..], &headers[1]),
            ("c-1", "application/cloudevents+json", &("ce_id", "c-1-2-12".into()))
        );
        assert!(headers.contains(&("ce_conversationid", "v-7".into())));
        assert!(Attributes::of(b"{\"id\":1}").is_err());
    }
}
