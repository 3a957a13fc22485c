//! The document of a call, as the source design's section 7 has it and with what was added: `channel_name`, `version`, `instance_id`, `epoch`,
//! `updated_at`.
//!
//! `version` rises only where a reader of the one before would be wrong; a field that is added does not raise it, and whoever does not know a field passes
//! over it. A document without `version` is one of section 7 alone.

use super::keys;
use crate::application::ports::{CallSnapshot, CallState, Epoch};
use bytes::Bytes;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::time::SystemTime;
use vg_domain::ids::{CallId, ConversationId, DidId, PluginId, TenantId, TrunkId};
use vg_domain::parties::Direction;
use vg_domain::pii::Pii;

/// Of what is written here.
const VERSION: u32 = 1;

/// In the order of section 7.
#[derive(Serialize, Deserialize)]
struct Document<'a> {
    call_id: Cow<'a, str>,
    tenant_id: Cow<'a, str>,
    channel_id: Cow<'a, str>,
    #[serde(default)]
    conversation_id: Option<Cow<'a, str>>,
    state: Stage,
    direction: Way,
    caller_number: Cow<'a, str>,
    callee_number: Cow<'a, str>,
    #[serde(default)]
    answered_at: Option<Timestamp>,
    #[serde(default)]
    ended_at: Option<Timestamp>,
    #[serde(default)]
    agent_id: Option<Cow<'a, str>>,
    #[serde(default)]
    stt_provider: Option<Cow<'a, str>>,
    #[serde(default)]
    tts_provider: Option<Cow<'a, str>>,
    #[serde(default)]
    audio_buffer: Option<Cow<'a, str>>,
    #[serde(default)]
    metadata: Metadata<'a>,
    #[serde(default)]
    channel_name: Option<Cow<'a, str>>,
    #[serde(default)]
    version: u32,
    #[serde(default)]
    instance_id: Cow<'a, str>,
    #[serde(default)]
    epoch: u64,
    #[serde(default)]
    updated_at: Option<Timestamp>,
}

#[derive(Default, Serialize, Deserialize)]
struct Metadata<'a> {
    #[serde(default)]
    trunk_id: Option<Cow<'a, str>>,
    #[serde(default)]
    did_id: Option<Cow<'a, str>>,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Stage {
    Active,
    Ringing,
    Answered,
    Transferred,
    Ended,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Way {
    Inbound,
    Outbound,
}

/// Why a document cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum RecordError {
    /// It is none, or says what this version does not know.
    #[error("read the document of a call")]
    Malformed,
    /// It was written by a gateway whose documents this one cannot read.
    #[error("read a document of a later version")]
    Later,
}

/// The document of a call that this instance holds.
/// `with_sound`: what the caller says is kept beside it.
pub(super) fn write(snapshot: &CallSnapshot, instance: &str, with_sound: bool) -> Vec<u8> {
    let document = Document {
        call_id: snapshot.call.as_str().into(),
        tenant_id: snapshot.tenant.as_str().into(),
        channel_id: (&*snapshot.channel).into(),
        conversation_id: snapshot.conversation.as_ref().map(|id| id.as_str().into()),
        state: stage(snapshot.state),
        direction: match snapshot.direction {
            Direction::Inbound => Way::Inbound,
            Direction::Outbound => Way::Outbound,
        },
        // Whoever may read this Redis may know who speaks: see docs/state.md.
        caller_number: snapshot.caller.reveal().into(),
        callee_number: snapshot.callee.reveal().into(),
        answered_at: snapshot.answered_at.map(timestamp),
        ended_at: snapshot.ended_at.map(timestamp),
        agent_id: snapshot.agent.as_deref().map(Cow::from),
        stt_provider: snapshot.hearing.as_ref().map(|id| provider(id, "stt-").into()),
        tts_provider: snapshot.speaking.as_ref().map(|id| provider(id, "tts-").into()),
        audio_buffer: with_sound.then(|| keys::audio(&snapshot.call).into()),
        metadata: Metadata {
            trunk_id: snapshot.trunk.as_ref().map(|id| id.as_str().into()),
            did_id: snapshot.did.as_ref().map(|id| id.as_str().into()),
        },
        channel_name: snapshot.channel_name.as_deref().map(Cow::from),
        version: VERSION,
        instance_id: instance.into(),
        epoch: snapshot.epoch.0,
        updated_at: Some(timestamp(snapshot.updated_at)),
    };
    serde_json::to_vec(&document).expect("texts, numbers and times are JSON")
}

/// What [`write`] wrote, by this gateway or another; with what lay beside it.
pub(super) fn read(text: &[u8], epoch: Epoch, resume: Option<Bytes>) -> Result<CallSnapshot, RecordError> {
    /// Of a later version only this is known.
    #[derive(Deserialize)]
    struct Versioned {
        #[serde(default)]
        version: u32,
    }
    let versioned: Versioned = serde_json::from_slice(text).map_err(|_| RecordError::Malformed)?;
    if versioned.version > VERSION {
        return Err(RecordError::Later);
    }
    let document: Document<'_> = serde_json::from_slice(text).map_err(|_| RecordError::Malformed)?;
    let text = |text: Cow<'_, str>| text.into_owned();
    Ok(CallSnapshot {
        call: CallId::new(text(document.call_id)),
        tenant: TenantId::new(text(document.tenant_id)),
        channel: text(document.channel_id).into(),
        channel_name: document.channel_name.map(|name| text(name).into()),
        conversation: document.conversation_id.map(|id| ConversationId::new(text(id))),
        state: match document.state {
            Stage::Active => CallState::Active,
            Stage::Ringing => CallState::Ringing,
            Stage::Answered => CallState::Answered,
            Stage::Transferred => CallState::Transferred,
            Stage::Ended => CallState::Ended,
        },
        direction: match document.direction {
            Way::Inbound => Direction::Inbound,
            Way::Outbound => Direction::Outbound,
        },
        caller: Pii::new(text(document.caller_number)),
        callee: Pii::new(text(document.callee_number)),
        answered_at: document.answered_at.map(SystemTime::from),
        ended_at: document.ended_at.map(SystemTime::from),
        agent: document.agent_id.map(text),
        hearing: document.stt_provider.map(|id| PluginId::new(format!("stt-{id}"))),
        speaking: document.tts_provider.map(|id| PluginId::new(format!("tts-{id}"))),
        trunk: document.metadata.trunk_id.map(|id| TrunkId::new(text(id))),
        did: document.metadata.did_id.map(|id| DidId::new(text(id))),
        epoch,
        updated_at: document.updated_at.map_or(SystemTime::UNIX_EPOCH, SystemTime::from),
        resume,
    })
}

fn stage(state: CallState) -> Stage {
    match state {
        CallState::Ringing => Stage::Ringing,
        CallState::Answered => Stage::Answered,
        CallState::Active => Stage::Active,
        CallState::Transferred => Stage::Transferred,
        CallState::Ended => Stage::Ended,
    }
}

/// To the millisecond.
fn timestamp(at: SystemTime) -> Timestamp {
    let exact = Timestamp::try_from(at).unwrap_or(Timestamp::UNIX_EPOCH);
    Timestamp::from_millisecond(exact.as_millisecond()).unwrap_or(exact)
}

/// `one` of `stt-one@1.2.0`.
fn provider<'a>(id: &'a PluginId, kind: &str) -> &'a str {
    let plain = id.plain();
    plain.strip_prefix(kind).unwrap_or(plain)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    /// Section 7's own values.
    fn snapshot() -> CallSnapshot {
        let at = |s: u64| SystemTime::UNIX_EPOCH + Duration::from_secs(1_704_103_200 + s);
        CallSnapshot {
            call: CallId::new("8d5f1a8e-6f0b-4a57-9d3e-1f6f0d0d7a11"),
            tenant: TenantId::new("1d0e7f5c-9d6d-4a7b-8a54-0a4d3f6f2c22"),
            channel: "1704103200.17".into(),
            channel_name: Some("PJSIP/trunk-00000001".into()),
            conversation: Some(ConversationId::new("c-7")),
            state: CallState::Active,
            direction: Direction::Inbound,
            caller: Pii::new("+5511999998888".to_owned()),
            callee: Pii::new("+55112345".to_owned()),
            answered_at: Some(at(0)),
            ended_at: None,
            agent: Some("tech-support-agent".to_owned()),
            hearing: Some(PluginId::new("stt-one@1.2.0")),
            speaking: Some(PluginId::new("oci://example.com/speech/tts-two:1.2")),
            trunk: Some(TrunkId::new("trunk-a")),
            did: Some(DidId::new("did-b")),
            epoch: Epoch(2),
            updated_at: at(3) + Duration::from_micros(250_900),
            resume: Some(Bytes::from_static(b"go on")),
        }
    }

    /// Plugins without registry and version, times to the millisecond.
    fn as_read(snapshot: CallSnapshot) -> CallSnapshot {
        CallSnapshot {
            hearing: Some(PluginId::new("stt-one")),
            speaking: Some(PluginId::new("tts-two")),
            updated_at: snapshot.updated_at - Duration::from_micros(900),
            ..snapshot
        }
    }

    fn pretty(document: &[u8]) -> String {
        let plain = String::from_utf8(document.to_vec()).unwrap();
        // By hand: a map of `serde_json` would forget the order.
        plain.replace("{", "{\n").replace(",\"", ",\n\"").replace("}", "\n}")
    }

    #[test]
    fn the_document_is_section_7_field_for_field_and_then_what_was_added() {
        let golden = include_str!("fixtures/version-1.json");
        assert_eq!(pretty(&write(&snapshot(), "gateway-a", false)), golden.trim_end());
    }

    #[test]
    fn states_and_directions_are_spelled_as_section_7_has_them() {
        let states = [
            (CallState::Active, "active"),
            (CallState::Ringing, "ringing"),
            (CallState::Answered, "answered"),
            (CallState::Transferred, "transferred"),
            (CallState::Ended, "ended"),
        ];
        for (state, state_spelled) in states {
            for (direction, direction_spelled) in [(Direction::Inbound, "inbound"), (Direction::Outbound, "outbound")] {
                let written = write(&CallSnapshot { state, direction, ..snapshot() }, "gateway-a", false);
                let document: serde_json::Value = serde_json::from_slice(&written).unwrap();
                let spelled = (document["state"].as_str(), document["direction"].as_str());
                assert_eq!(spelled, (Some(state_spelled), Some(direction_spelled)));
                let read = read(&written, Epoch(2), None).unwrap();
                assert_eq!((read.state, read.direction), (state, direction));
            }
        }
    }

    #[test]
    fn what_was_written_is_read_again() {
        let resume = Some(Bytes::from_static(b"go on"));
        let read = read(&write(&snapshot(), "gateway-a", false), Epoch(2), resume).unwrap();
        assert_eq!(read, as_read(snapshot()));
        assert_eq!((read.caller.reveal().as_str(), read.callee.reveal().as_str()), ("+5511999998888", "+55112345"));
    }

    #[test]
    fn a_document_of_section_7_alone_is_read() {
        let read = read(include_bytes!("fixtures/section-7.json"), Epoch(1), None).unwrap();
        let (channel_name, updated_at, resume) = (None, SystemTime::UNIX_EPOCH, None);
        let channel = "SIP/trunk-00000001".into();
        assert_eq!(read, CallSnapshot { channel, channel_name, updated_at, resume, epoch: Epoch(1), ..as_read(snapshot()) });
    }

    #[test]
    fn what_a_newer_gateway_adds_is_passed_over() {
        let read = read(include_bytes!("fixtures/version-1-with-more.json"), Epoch(2), None).unwrap();
        assert_eq!(read, CallSnapshot { resume: None, ..as_read(snapshot()) });
    }

    #[test]
    fn a_later_version_is_not_guessed_at() {
        assert_eq!(read(include_bytes!("fixtures/version-2.json"), Epoch(1), None), Err(RecordError::Later));
        assert_eq!(read(b"{\"version\":1}", Epoch(1), None), Err(RecordError::Malformed));
        assert_eq!(read(b"", Epoch(1), None), Err(RecordError::Malformed));
    }
}
