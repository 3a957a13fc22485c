use super::*;
use crate::adapters::events::CloudEvent;
use crate::adapters::notices::Noted;
use crate::application::desk;
use crate::application::ports::{Notice, Subject};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use vg_domain::dialling::AnsweredBy;
use vg_domain::event::{AgentProfile, Agreement, Fact, KeptWords, Role, ShadowTurn, Worker};
use vg_domain::ids::{CallId, DidId, PluginId, TenantId, TrunkId, TurnId, UtteranceId};
use vg_domain::likeness::Likeness;
use vg_domain::mask::MaskedText;
use vg_domain::outcome::{EndCause, Outcome};
use vg_domain::parties::Parties;
use vg_domain::pii::Pii;
use vg_domain::recording::{AnsweredWith, DeletionReason, PauseReason, RecordingFact};
use vg_domain::refusal::Refusal;
use vg_domain::speech::Extent;
use vg_domain::transfer::TransferMode;
use vg_domain::turn::{LatencyParts, TurnRecord};
use vg_domain::usage::Usage;

/// A fact of each sort that is told, with all and with as little as it can have.
pub(crate) fn facts() -> Vec<Fact> {
    let nobody = || Pii::new(String::new());
    let few = Parties::inbound(nobody(), nobody());
    let all = Parties { did: Some(DidId::new("d")), trunk: Some(TrunkId::new("t")), ..few.clone() };
    let (turn, utterance, text) = (TurnId(1), UtteranceId(1), MaskedText::default());
    let (kind, mode, plugin) = ("human", TransferMode::Blind, PluginId::new("stt-x"));
    let record =
        |latency| TurnRecord { turn, heard: text.clone(), said: text.clone(), latency, spans: Vec::new(), interrupted: false };
    let shadowed = |delay_ms, kept| {
        Fact::Shadowed(ShadowTurn {
            plugin: plugin.clone(),
            agreement: Agreement::Same,
            likeness: Likeness::default(),
            delay_ms,
            kept,
        })
    };
    let kept = KeptWords { first: text.clone(), second: text.clone() };
    let profile = |name| Fact::Agent(AgentProfile { id: "a".into(), name });
    let used = |usage| Fact::Used { who: Worker::Hearing, plugin: plugin.clone(), usage };
    let fell = |who, plugin| Fact::Fell { who, plugin, code: "trap" };
    vec![
        Fact::Started(Arc::new(few.clone())),
        Fact::Started(Arc::new(all)),
        Fact::Answered(AnsweredBy::Gateway),
        Fact::Adopted { parties: Arc::new(few), silent: Duration::from_secs(1) },
        Fact::Heard { turn, text: text.clone() },
        Fact::NotUnderstood { turn },
        Fact::Saying { utterance, text: text.clone() },
        Fact::Filler { turn, utterance, text: text.clone() },
        Fact::Interrupted { utterance, spoken_ms: 1, extent: Extent::Interpolated },
        Fact::LanguageChanged { language: "pt-BR".into() },
        profile(None),
        profile(Some("Ann".into())),
        Fact::Turn(record(None)),
        Fact::Turn(record(Some(LatencyParts::default()))),
        fell(Role::Hearing, Some(plugin.clone())),
        fell(Role::Thinking, None),
        fell(Role::Thinking, Some(plugin.clone())),
        fell(Role::Speaking, Some(plugin.clone())),
        fell(Role::Masking, Some(plugin.clone())),
        fell(Role::Vault, None),
        Fact::Withheld { turn },
        shadowed(None, None),
        shadowed(Some(-3), Some(kept.clone())),
        shadowed(Some(3), Some(kept)),
        Fact::Recording(RecordingFact::Consent { given: true, by: AnsweredWith::Key }),
        Fact::Recording(RecordingFact::OptedOut { by: AnsweredWith::Key }),
        Fact::Recording(RecordingFact::Began { part: 1, after: Duration::ZERO }),
        Fact::Recording(RecordingFact::Paused { part: 1, why: PauseReason::Card }),
        Fact::Recording(RecordingFact::Resumed { part: 1 }),
        Fact::Recording(RecordingFact::Stopped { part: 1 }),
        Fact::Recording(RecordingFact::Kept { part: 1, length: Duration::ZERO, sha256: String::new() }),
        Fact::Recording(RecordingFact::Stored { part: 1, object: "s3://calls/acme/c-1.opus".into() }),
        Fact::Recording(RecordingFact::NotStored { part: 1, deletes: true, code: "unreachable" }),
        Fact::Recording(RecordingFact::Deleted { parts: 1, why: DeletionReason::OptedOut }),
        Fact::Escalated { target: "a,1".into(), reason: "trouble" },
        Fact::PathSilent("nothing"),
        Fact::Refused(Refusal::OverLimit),
        Fact::Transferring { kind, mode },
        Fact::Transferred { kind, mode },
        Fact::Referred { kind },
        Fact::TransferFailed { kind, mode, code: "busy" },
        used(Usage::default()),
        used(Usage { audio_ms: 1, characters: 2, requests: 3 }),
        Fact::Ended(Outcome { cause: EndCause::CallerHungUp, turns: 1 }),
    ]
}

#[test]
fn every_event_is_what_its_schema_says_and_has_no_member_that_the_schema_does_not_name() {
    let (call, tenant) = (CallId::new("c-1"), TenantId::new("acme"));
    let (mut told, mut members) = (BTreeSet::new(), BTreeSet::new());
    for fact in facts() {
        let (name, data) = desk::event(&fact).unwrap();
        let kind = Kind::named(name).unwrap_or_else(|| panic!("{name} has no schema"));
        let event = CloudEvent::new(Subject::only(&call, &tenant), SystemTime::now(), name, &data).json();
        let event = serde_json::from_str(&event).unwrap();
        let errors: Vec<String> =
            jsonschema::validator_for(&kind.schema()).unwrap().iter_errors(&event).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{name}: {errors:?} in {event}");
        for member in data.keys() {
            assert!(kind.members.iter().any(|known| known.name == *member), "{name} does not name {member}");
            members.insert((name, *member));
        }
        told.insert(name);
    }
    // The spool adds it, which has the key.
    members.insert(("call.started", "caller_ref"));
    assert_eq!(told, KINDS.iter().map(|kind| kind.name).collect());
    let named = KINDS.iter().flat_map(|kind| kind.members.iter().map(|member| (kind.name, member.name)));
    assert_eq!(members, named.collect(), "a member that no fact has");
}

#[test]
fn the_parts_of_a_turn_are_those_of_its_record_and_say_whose_they_are() {
    let answered = Kind::named("llm.responded").unwrap();
    for part in LatencyParts::default().parts() {
        let name = format!("{}_ms", part.name);
        let member = answered.members.iter().find(|member| member.name == name).unwrap_or_else(|| panic!("{name} is not told"));
        assert!(member.what.ends_with(&format!("Owner: {}.", part.owner.code())), "{part:?}: {}", member.what);
    }
    let owned = answered.members.iter().filter(|member| member.what.contains("Owner: "));
    assert_eq!(owned.count(), LatencyParts::default().parts().len());
}

#[test]
fn what_befell_a_gateway_is_what_its_schema_says_and_no_tenants() {
    let notices = [Notice::StateBack { away: Duration::from_secs(2) }, Notice::StateLost { code: "deadline" }];
    for (notice, kind) in notices.into_iter().zip(GATEWAY_KINDS) {
        let noted = Noted { number: 3, at: SystemTime::now(), notice };
        assert_eq!(notice.kind(), kind.name);
        let event = CloudEvent::of_gateway("run", noted.number, noted.at, notice.kind(), &noted.data()).json();
        let event: serde_json::Value = serde_json::from_str(&event).unwrap();
        let errors: Vec<String> =
            jsonschema::validator_for(&kind.schema()).unwrap().iter_errors(&event).map(|error| error.to_string()).collect();
        assert!(errors.is_empty() && event.get("tenantid").is_none(), "{errors:?} in {event}");
        assert!(event["data"].as_object().unwrap().keys().eq(kind.members.iter().map(|member| member.name)));
    }
}

/// `VG_SCHEMAS_UPDATE=1` writes them.
#[test]
fn the_schemas_that_are_given_out_are_those_of_this_code() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/events");
    let mut expected = BTreeSet::new();
    for kind in Kind::all() {
        let (file, schema) = (format!("{}.json", kind.name), format!("{:#}\n", kind.schema()));
        if std::env::var_os("VG_SCHEMAS_UPDATE").is_some() {
            std::fs::write(folder.join(&file), &schema).unwrap();
        }
        let written = std::fs::read_to_string(folder.join(&file)).unwrap_or_default();
        assert_eq!(
            written, schema,
            "docs/events/{file}: VG_SCHEMAS_UPDATE=1 writes it; a member that is gone needs a new version"
        );
        expected.insert(file);
    }
    let there = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap());
    assert_eq!(there.collect::<BTreeSet<_>>(), expected);
    assert!(KINDS.is_sorted_by_key(|kind| kind.name) && GATEWAY_KINDS.is_sorted_by_key(|kind| kind.name));
}
