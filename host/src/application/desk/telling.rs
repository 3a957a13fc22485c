//! What a fact is called outside, and what of it is told.

use std::collections::BTreeMap;
use std::time::Duration;
use vg_domain::event::{Fact, Role, ShadowTurn};
use vg_domain::recording::RecordingFact;
use vg_domain::transfer::TransferMode;
use vg_domain::turn::{LatencyParts, TurnRecord};

/// A value of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// A count, or a time in milliseconds.
    Number(u64),
    /// A word or masked words.
    Text(String),
    /// Yes or no.
    Flag(bool),
}

/// What is told of an event, by its names.
pub type Data = BTreeMap<&'static str, Value>;

/// The kind of an event and what is told; none where a fact is not for others (words that may still change).
pub fn event(fact: &Fact) -> Option<(&'static str, Data)> {
    let told = match fact {
        Fact::Started(parties) => {
            let mut data = Data::from([("direction", word(parties.direction.code()))]);
            data.extend(parties.did.as_ref().map(|did| ("did_id", word(did.as_str()))));
            data.extend(parties.trunk.as_ref().map(|trunk| ("trunk_id", word(trunk.as_str()))));
            ("call.started", data)
        }
        Fact::Answered(by) => ("call.answered", Data::from([("by", word(by.code()))])),
        // Whoever has it tells of it.
        Fact::TakenOver => return None,
        Fact::Adopted { silent, .. } => {
            let silent_ms = u64::try_from(silent.as_millis()).unwrap_or(u64::MAX);
            ("call.adopted", Data::from([("silent_ms", Value::Number(silent_ms))]))
        }
        Fact::Refused(refusal) => ("call.refused", Data::from([("code", word(refusal.code()))])),
        Fact::PathSilent(code) => ("quality.path_silent", Data::from([("code", word(code))])),
        Fact::Transferring { kind, mode } => ("call.transferring", handover(kind, *mode)),
        Fact::Transferred { kind, mode } => ("call.transferred", handover(kind, *mode)),
        Fact::Referred { kind } => ("call.transferred", Data::from([("kind", word(kind)), ("mode", word("refer"))])),
        Fact::TransferFailed { kind, mode, code } => {
            let mut data = handover(kind, *mode);
            data.insert("code", word(code));
            ("call.transfer_failed", data)
        }
        Fact::Agent(profile) => {
            let mut data = Data::from([("agent_id", word(&profile.id))]);
            data.extend(profile.name.as_ref().map(|name| ("name", word(name))));
            ("call.agent_known", data)
        }
        Fact::Hearing { .. } => return None,
        Fact::Heard { turn, text } => ("stt.transcribed", Data::from([("turn", number(turn.0)), ("text", word(text.as_str()))])),
        Fact::Withheld { turn } => ("quality.words_withheld", Data::from([("turn", number(turn.0))])),
        Fact::NotUnderstood { turn } => ("call.not_understood", Data::from([("turn", number(turn.0))])),
        Fact::Saying { utterance, text } => {
            ("tts.generated", Data::from([("utterance", number(utterance.0)), ("text", word(text.as_str()))]))
        }
        Fact::Filler { turn, utterance, text } => {
            let (turn, utterance) = (("turn", number(turn.0)), ("utterance", number(utterance.0)));
            ("call.filler_said", Data::from([turn, utterance, ("text", word(text.as_str()))]))
        }
        Fact::Interrupted { utterance, spoken_ms, extent } => {
            let (utterance, spoken_ms) = (("utterance", number(utterance.0)), ("spoken_ms", Value::Number(*spoken_ms)));
            ("call.interrupted", Data::from([utterance, spoken_ms, ("precision", word(extent.code()))]))
        }
        Fact::LanguageChanged { language } => ("call.language_changed", Data::from([("language", word(language))])),
        Fact::Turn(record) => ("llm.responded", answered(record)),
        Fact::Fell { who, plugin, code } => {
            let kind = match who {
                Role::Hearing => "error.stt_failed",
                Role::Thinking => "error.llm_timeout",
                Role::Speaking => "error.tts_failed",
                Role::Masking => "error.mask_failed",
                Role::Vault => "error.vault_failed",
            };
            let mut data = Data::from([("code", word(code))]);
            data.extend(plugin.as_ref().map(|plugin| ("plugin", word(plugin.as_str()))));
            (kind, data)
        }
        Fact::Shadowed(turn) => ("shadow.turn", shadowed(turn)),
        Fact::Recording(fact) => recording(fact),
        // The target may be a number.
        Fact::Escalated { reason, .. } => ("call.escalated", Data::from([("code", word(reason))])),
        Fact::Used { who, plugin, usage } => {
            let mut data = Data::from([("role", word(who.code())), ("plugin", word(plugin.as_str()))]);
            data.extend(usage.units().map(|(unit, count)| (unit, Value::Number(count))));
            ("call.usage", data)
        }
        Fact::Ended(outcome) => {
            ("call.ended", Data::from([("cause", word(outcome.cause.code())), ("turns", number(outcome.turns))]))
        }
    };
    Some(told)
}

/// What is told of an event where no words are kept: neither what was said, nor names that an agent's service made up for people.
pub fn without_words(fact: &Fact) -> Option<(&'static str, Data)> {
    let (kind, mut data) = event(fact)?;
    data.retain(|name, _| !matches!(*name, "text" | "first" | "second" | "name"));
    Some((kind, data))
}

/// A turn's times, where it has any: the parts sum to the total.
fn answered(record: &TurnRecord) -> Data {
    let mut data = Data::from([("turn", number(record.turn.0)), ("interrupted", Value::Flag(record.interrupted))]);
    if let Some(latency) = &record.latency {
        // In full: a part that is added is to be told as well.
        let LatencyParts { endpoint_wait_ms, stt_ms, agent_ms, clause_ms, tts_ms, playout_ms, gateway_ms, total_ms } = *latency;
        let times = [
            ("endpoint_wait_ms", endpoint_wait_ms),
            ("stt_ms", stt_ms),
            ("agent_ms", agent_ms),
            ("clause_ms", clause_ms),
            ("tts_ms", tts_ms),
            ("playout_ms", playout_ms),
            ("gateway_ms", gateway_ms),
            ("total_ms", total_ms),
        ];
        data.extend(times.map(|(name, ms)| (name, number(ms))));
        data.insert("waited_for", word(latency.waited_for().code()));
    }
    data
}

/// Words only where the tenant keeps them.
fn shadowed(turn: &ShadowTurn) -> Data {
    let mut data = Data::from([
        ("plugin", word(turn.plugin.as_str())),
        ("outcome", word(turn.agreement.code())),
        ("words", number(turn.likeness.words)),
        ("words_edited", number(turn.likeness.edited)),
    ]);
    data.extend(turn.delay_ms.map(|ms| (if ms < 0 { "earlier_ms" } else { "later_ms" }, Value::Number(ms.unsigned_abs()))));
    if let Some(kept) = &turn.kept {
        data.extend([("first", word(kept.first.as_str())), ("second", word(kept.second.as_str()))]);
    }
    data
}

fn recording(fact: &RecordingFact) -> (&'static str, Data) {
    let ms = |time: &Duration| Value::Number(u64::try_from(time.as_millis()).unwrap_or(u64::MAX));
    let of = |part: &u32| ("part", number(*part));
    match fact {
        RecordingFact::Consent { given, by } => {
            ("recording.consent", Data::from([("given", Value::Flag(*given)), ("by", word(by.code()))]))
        }
        RecordingFact::OptedOut { by } => ("recording.opted_out", Data::from([("by", word(by.code()))])),
        RecordingFact::Began { part, after } => ("recording.started", Data::from([of(part), ("after_ms", ms(after))])),
        RecordingFact::Paused { part, why } => ("recording.paused", Data::from([of(part), ("code", word(why.code()))])),
        RecordingFact::Resumed { part } => ("recording.resumed", Data::from([of(part)])),
        RecordingFact::Stopped { part } => ("recording.stopped", Data::from([of(part)])),
        RecordingFact::Kept { part, length, sha256 } => {
            ("recording.kept", Data::from([of(part), ("length_ms", ms(length)), ("sha256", word(sha256))]))
        }
        RecordingFact::Stored { part, object } => ("recording.stored", Data::from([of(part), ("object", word(object))])),
        RecordingFact::NotStored { part, deletes, code } => {
            ("recording.not_stored", Data::from([of(part), ("deletes", Value::Flag(*deletes)), ("code", word(code))]))
        }
        RecordingFact::Deleted { parts, why } => {
            ("recording.deleted", Data::from([("parts", number(*parts)), ("code", word(why.code()))]))
        }
    }
}

fn handover(kind: &str, mode: TransferMode) -> Data {
    Data::from([("kind", word(kind)), ("mode", word(mode.code()))])
}

fn number(number: u32) -> Value {
    Value::Number(number.into())
}

fn word(text: &str) -> Value {
    Value::Text(text.to_owned())
}
