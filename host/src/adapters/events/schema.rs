//! What events say: every type and its `data`, from which their JSON Schemas are made (`docs/events/`, `voice-gateway events schema`).
//!
//! Members may come to be added without notice; none goes, or changes its meaning, without a new version.

use super::envelope::data_schema;
use serde_json::{Map, Value, json};

/// A type of event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kind {
    /// For example `call.started`.
    pub name: &'static str,
    /// When it is told.
    pub when: &'static str,
    /// Members of its `data`.
    pub members: &'static [Member],
}

/// A member of an event's `data`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member {
    name: &'static str,
    sort: Sort,
    presence: Presence,
    what: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sort {
    Number,
    Text,
    Flag,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Presence {
    Always,
    Sometimes,
}

const fn number(name: &'static str, what: &'static str) -> Member {
    Member { name, sort: Sort::Number, presence: Presence::Always, what }
}

const fn text(name: &'static str, what: &'static str) -> Member {
    Member { name, sort: Sort::Text, presence: Presence::Always, what }
}

const fn flag(name: &'static str, what: &'static str) -> Member {
    Member { name, sort: Sort::Flag, presence: Presence::Always, what }
}

impl Member {
    const fn or_none(self) -> Self {
        Self { presence: Presence::Sometimes, ..self }
    }
}

const TURN: Member = number("turn", "Counts from 1 within the call.");
const UTTERANCE: Member = number("utterance", "Counts from 1 within the call.");
const WORDS: Member = text("text", "Masked words.");
const CODE: Member = text("code", "Bounded code of the reason.");
const PLUGIN: Member = text("plugin", "The plugin.").or_none();
const PART: Member = number("part", "Counts from 1 within the call.");
const BY: Member = text("by", "How it was said: key, phrase, nothing.");
const KIND: Member = text("kind", "What is to be reached: human, queue, extension, external.");
const MODE: Member = text("mode", "How: blind, attended, refer.");

/// Of a turn that got its answer. The owner of a part is whoever could make it shorter.
const ANSWERED: &[Member] = &[
    TURN,
    flag("interrupted", "The caller spoke over it."),
    number("endpoint_wait_ms", "From the caller's last word until the pause is long enough. Owner: setting.").or_none(),
    number("stt_ms", "From the decision that the turn is over to its last words. Owner: provider.").or_none(),
    number("agent_ms", "From the question to the first words of the answer. Owner: agent.").or_none(),
    number("clause_ms", "From these to the first clause that can be spoken. Owner: agent.").or_none(),
    number("tts_ms", "From that clause to its first sound. Owner: provider.").or_none(),
    number("playout_ms", "From that sound to its first audible sample on the wire. Owner: gateway.").or_none(),
    number("gateway_ms", "Everything between the other parts. Owner: gateway.").or_none(),
    number("total_ms", "From the caller's last word to the answer's first sound: the parts sum to it.").or_none(),
    text("waited_for", "Who was waited for longest: setting, provider, agent, gateway.").or_none(),
];

/// Every type of event that befalls a gateway as a whole, by name. Their subject is a run of it, and they are no tenant's.
pub const GATEWAY_KINDS: &[Kind] = &[
    Kind {
        name: "state.back",
        when: "Calls are kept beyond this gateway again.",
        members: &[number("away_ms", "For how long they were not.")],
    },
    Kind { name: "state.lost", when: "Calls are not kept beyond this gateway any more.", members: &[CODE] },
];

/// Every type of event of a call, by name.
#[rustfmt::skip]
pub const KINDS: &[Kind] = &[
    Kind { name: "call.adopted", when: "A call goes on with this gateway: another one held it.", members: &[number("silent_ms", "So long the caller heard nothing.")] },
    Kind { name: "call.agent_known", when: "The agent has said who answers.", members: &[text("agent_id", "As the agent's service names it."), text("name", "For people.").or_none()] },
    Kind { name: "call.answered", when: "A call was answered.", members: &[text("by", "Who or what answered.")] },
    Kind { name: "call.ended", when: "A call is over.", members: &[text("cause", "Bounded code of the reason."), number("turns", "Turns that got an answer.")] },
    Kind { name: "call.escalated", when: "The caller is given to a person, for nobody here could go on.", members: &[text("code", "Whose wish it was: agent, caller, operator, trouble.")] },
    Kind { name: "call.filler_said", when: "An answer was late, and something was said meanwhile.", members: &[TURN, UTTERANCE, WORDS] },
    Kind { name: "call.interrupted", when: "What the gateway said was cut short.", members: &[UTTERANCE, number("spoken_ms", "So much of it had been heard."), text("precision", "How well it is known which words that were: exact, interpolated.")] },
    Kind { name: "call.language_changed", when: "The call goes on in another language.", members: &[text("language", "A BCP 47 tag.")] },
    Kind { name: "call.not_understood", when: "The caller spoke, and nothing was understood.", members: &[TURN] },
    Kind { name: "call.refused", when: "A call was not taken in. Its only event.", members: &[CODE] },
    Kind { name: "call.started", when: "A call was offered to this gateway, or is made by it.", members: &[text("caller_ref", "The person's pseudonym with this tenant, where the operator has a key for these.").or_none(), text("direction", "inbound, outbound."), text("did_id", "The tenant's number, by its id.").or_none(), text("trunk_id", "The tenant's trunk, by its id.").or_none()] },
    Kind { name: "call.transfer_failed", when: "The caller was not handed over.", members: &[KIND, MODE, CODE] },
    Kind { name: "call.transferred", when: "The caller talks to somebody else, or was referred elsewhere.", members: &[KIND, MODE] },
    Kind { name: "call.transferring", when: "The caller is being handed over.", members: &[KIND, MODE] },
    Kind { name: "call.usage", when: "What a speech provider worked for the call, shortly before its end.", members: &[text("role", "hearing, speaking, shadow."), text("plugin", "The plugin."), number("audio_ms", "Sound.").or_none(), number("characters", "Text.").or_none(), number("requests", "Requests.").or_none()] },
    Kind { name: "error.llm_timeout", when: "The agent fell.", members: &[CODE, PLUGIN] },
    Kind { name: "error.mask_failed", when: "A mask fell; the built-in one goes on, or words are withheld.", members: &[CODE, PLUGIN] },
    Kind { name: "error.stt_failed", when: "A listener fell.", members: &[CODE, PLUGIN] },
    Kind { name: "error.tts_failed", when: "A voice fell.", members: &[CODE, PLUGIN] },
    Kind { name: "error.vault_failed", when: "A card that was keyed in is not kept, or nobody was asked for one, for there is no vault.", members: &[CODE] },
    Kind { name: "llm.responded", when: "A turn got its answer.", members: ANSWERED },
    Kind { name: "quality.path_silent", when: "The media path is silent, even after it was built anew.", members: &[CODE] },
    Kind { name: "quality.words_withheld", when: "The caller said something that could not be masked as the tenant wants it, and nobody was told.", members: &[TURN] },
    Kind { name: "recording.consent", when: "The caller was asked whether the call may be recorded.", members: &[flag("given", "Whether it may."), BY] },
    Kind { name: "recording.deleted", when: "What there was of a recording is deleted.", members: &[number("parts", "So many parts."), CODE] },
    Kind { name: "recording.kept", when: "A part of a recording is whole.", members: &[PART, number("length_ms", "How much sound it holds."), text("sha256", "Of the file, in hex.")] },
    Kind { name: "recording.not_stored", when: "A part of a recording did not reach the store, or was not deleted there; it is tried again, and not told again.", members: &[PART, flag("deletes", "It is to be deleted there."), CODE] },
    Kind { name: "recording.opted_out", when: "The caller wants nothing to be kept.", members: &[BY] },
    Kind { name: "recording.paused", when: "Both sides are silent in the recording from now on.", members: &[PART, CODE] },
    Kind { name: "recording.resumed", when: "Both sides are heard in the recording again.", members: &[PART] },
    Kind { name: "recording.started", when: "A part of a recording begins.", members: &[PART, number("after_ms", "So long after the first part did.")] },
    Kind { name: "recording.stopped", when: "A recording was ended before its call.", members: &[PART] },
    Kind { name: "recording.stored", when: "A part of a recording is in the store, with its note.", members: &[PART, text("object", "Where: s3://BUCKET/KEY.")] },
    Kind { name: "shadow.turn", when: "A second listener heard a turn as well.", members: &[text("plugin", "The second listener."), text("outcome", "same, differs, missing, extra."), number("words", "Words of the first."), number("words_edited", "Words that differ."), number("earlier_ms", "So much earlier its last words came.").or_none(), number("later_ms", "So much later.").or_none(), text("first", "Masked words of the first, where the tenant keeps them.").or_none(), text("second", "Of the second.").or_none()] },
    Kind { name: "stt.transcribed", when: "The caller said this; told again, longer, where the caller went on.", members: &[TURN, WORDS] },
    Kind { name: "tts.generated", when: "The gateway says this, clause by clause.", members: &[UTTERANCE, WORDS] },
];

impl Kind {
    /// Of that name.
    pub fn named(name: &str) -> Option<&'static Self> {
        Self::all().find(|kind| kind.name == name)
    }

    /// Those of calls, then those of gateways.
    pub fn all() -> impl Iterator<Item = &'static Self> {
        KINDS.iter().chain(GATEWAY_KINDS)
    }

    /// The JSON Schema (2020-12) of the whole event.
    pub fn schema(&self) -> Value {
        let (text, members) =
            (json!({"type": "string"}), self.members.iter().map(|member| (member.name.to_owned(), member.schema())));
        let always = self.members.iter().filter(|member| member.presence == Presence::Always);
        let mut schema = json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "$id": data_schema(self.name),
            "title": self.name,
            "description": self.when,
            "type": "object",
            "required": ["specversion", "id", "source", "type", "subject", "time", "datacontenttype", "dataschema", "tenantid", "sequence", "data"],
            "properties": {
                "specversion": {"const": "1.0"},
                "id": {"type": "string", "description": "Unique: take out doubles by it."},
                "source": text,
                "type": {"const": self.name},
                "subject": {"type": "string", "description": "The call."},
                "time": {"type": "string", "format": "date-time"},
                "datacontenttype": {"const": "application/json"},
                "dataschema": {"const": data_schema(self.name)},
                "tenantid": {"type": "string", "description": "Whose call."},
                "conversationid": {"type": "string", "description": "As the agent names it, once it has."},
                "sequence": {"type": "string", "pattern": "^[0-9]{10,}\\.[0-9]{10,}$", "description": "Orders the events of a call, as text. A gap: events were lost."},
                "data": {
                    "type": "object",
                    "required": always.map(|member| member.name).collect::<Vec<_>>(),
                    "properties": members.collect::<Map<_, _>>(),
                },
            },
        });
        if GATEWAY_KINDS.contains(self) {
            schema["required"].as_array_mut().into_iter().for_each(|required| required.retain(|name| name != "tenantid"));
            let properties = schema["properties"].as_object_mut();
            properties
                .into_iter()
                .for_each(|known| known.retain(|name, _| !["tenantid", "conversationid"].contains(&name.as_str())));
            schema["properties"]["subject"]["description"] = "A run of a gateway.".into();
            schema["properties"]["sequence"]["description"] = "Orders the events of a run, as text.".into();
        }
        schema
    }
}

impl Member {
    fn schema(&self) -> Value {
        match self.sort {
            Sort::Number => json!({"type": "integer", "minimum": 0, "description": self.what}),
            Sort::Text => json!({"type": "string", "description": self.what}),
            Sort::Flag => json!({"type": "boolean", "description": self.what}),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
