//! The text messages of the media socket: chan_websocket's, and the facts of the call for a phone that asks for them.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use vg_domain::event::Fact;
use vg_media::Codec;

/// From the caller's side.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "event")]
pub(super) enum Event {
    /// First message.
    #[serde(rename = "MEDIA_START")]
    MediaStart(MediaStart),
    #[serde(rename = "DTMF_END")]
    DtmfEnd { digit: String },
    /// Ours, of chan_websocket's own kind: a phone that hangs up and wants to hear the last facts.
    #[serde(rename = "HANGUP")]
    Hangup,
    /// Everything before that mark was played or flushed.
    #[serde(rename = "MEDIA_MARK_PROCESSED")]
    MarkProcessed {
        #[serde(default)]
        correlation_id: String,
    },
    /// `STATUS`, `MEDIA_XON` and others.
    #[serde(other)]
    Unused,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct MediaStart {
    #[serde(default)]
    pub(super) connection_id: String,
    #[serde(default)]
    pub(super) channel: String,
    #[serde(default)]
    pub(super) channel_id: String,
    pub(super) format: Format,
    #[serde(default)]
    pub(super) optimal_frame_size: usize,
    #[serde(default)]
    pub(super) ptime: u32,
    /// `tenant`, `caller`, `dialled`.
    #[serde(default)]
    pub(super) channel_variables: BTreeMap<String, String>,
}

/// Codecs by Asterisk's names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// G.711 mu-law, 8 kHz.
    Ulaw,
    /// G.711 A-law, 8 kHz.
    Alaw,
    /// Linear little endian, 8 kHz.
    Slin,
    /// Linear little endian, 16 kHz.
    Slin16,
    /// Opus, a packet in each message.
    Opus,
}

impl Format {
    /// The codec of the leg: of the frames, but for Opus, which a leg of linear samples stands behind.
    pub fn codec(self) -> Codec {
        match self {
            Self::Ulaw => Codec::Pcmu,
            Self::Alaw => Codec::Pcma,
            Self::Slin => Codec::Slin,
            Self::Slin16 | Self::Opus => Codec::Slin16,
        }
    }
}

/// To the caller's side.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "command")]
pub(super) enum Command {
    #[serde(rename = "ANSWER")]
    Answer,
    #[serde(rename = "HANGUP")]
    Hangup,
    #[serde(rename = "FLUSH_MEDIA")]
    FlushMedia,
    #[serde(rename = "MARK_MEDIA")]
    MarkMedia { correlation_id: String },
    #[serde(other)]
    Unused,
}

/// Every kind of text that a phone may get.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum ToPhone {
    Command(Command),
    Fact(FactLine),
}

/// A fact on the wire.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "event")]
pub(super) enum FactLine {
    #[serde(rename = "SERPHONA_FACT")]
    Fact(PhoneFact),
}

/// What a call tells a phone that asks for it. Words are masked already.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "fact", rename_all = "snake_case")]
pub enum PhoneFact {
    /// The call was offered.
    Started,
    /// The call was answered.
    Answered,
    /// Who answers.
    Agent {
        /// As the agent's service names it.
        id: String,
        /// For people, where it has one.
        name: Option<String>,
    },
    /// The caller is being understood; may change.
    Hearing {
        /// Which turn.
        turn: u32,
        /// All of the turn so far.
        text: String,
    },
    /// The caller said this.
    Heard {
        /// Which turn.
        turn: u32,
        /// All of the turn.
        text: String,
    },
    /// The caller spoke, and nothing was understood.
    NotUnderstood {
        /// Which turn.
        turn: u32,
    },
    /// The gateway says this, piece by piece.
    Saying {
        /// Which utterance.
        utterance: u32,
        /// A clause of it.
        text: String,
    },
    /// The answer is late, and the gateway says this until it begins.
    Filler {
        /// Which turn waits.
        turn: u32,
        /// Which utterance it is.
        utterance: u32,
        /// All of it.
        text: String,
    },
    /// The call goes on in another language.
    LanguageChanged {
        /// A BCP 47 tag.
        language: String,
    },
    /// The caller spoke over an utterance.
    Interrupted {
        /// Which utterance.
        utterance: u32,
        /// How much of it had been heard, in milliseconds.
        spoken_ms: u64,
        /// How it is known which words those were: `exact` or `interpolated`.
        precision: String,
    },
    /// A turn got its answer.
    Turn {
        /// Which turn.
        turn: u32,
        /// What the caller said.
        heard: String,
        /// What was answered.
        said: String,
        /// The caller spoke over the answer.
        interrupted: bool,
        /// None where a part has no anchor.
        latency_ms: Option<LatencyMs>,
    },
    /// A provider or the agent fell.
    Fell {
        /// `hearing`, `thinking` or `speaking`.
        who: String,
        /// Bounded label.
        code: String,
    },
    /// The call is handed to a person.
    Escalated,
    /// A second listener heard a turn as well.
    Shadowed {
        /// Whether it understood the same: `same`, `differs`, `missing`, `extra`.
        outcome: String,
    },
    /// The caller is being handed over.
    Transferring {
        /// `human`, `queue`, `extension` or `external`.
        kind: String,
    },
    /// The caller was handed over.
    Transferred {
        /// The same.
        kind: String,
    },
    /// The caller was not handed over.
    TransferFailed {
        /// The same.
        kind: String,
        /// Bounded label.
        code: String,
    },
    /// A speech provider has worked so much for the call.
    Used {
        /// `hearing`, `speaking` or `shadow`.
        who: String,
        /// Which plugin.
        plugin: String,
        /// Sound that was listened to, in milliseconds.
        audio_ms: u64,
        /// Characters that were spoken.
        characters: u64,
        /// Requests that were made.
        requests: u64,
    },
    /// Something becomes of the call's recording.
    Recording {
        /// Bounded label of what does.
        what: String,
    },
    /// The call is over.
    Ended {
        /// Bounded label.
        cause: String,
        /// Turns that got an answer.
        turns: u32,
    },
}

/// [`LatencyParts`](vg_domain::turn::LatencyParts) on the wire: milliseconds that sum to `total`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LatencyMs {
    /// Silence waited for before the turn was over.
    pub endpoint_wait: u32,
    /// From there to the words.
    pub stt: u32,
    /// From the question to the agent's first words.
    pub agent: u32,
    /// From there to the first clause.
    pub clause: u32,
    /// From there to its first audio.
    pub tts: u32,
    /// From there to the first audible sample on the wire.
    pub playout: u32,
    /// Everything between.
    pub gateway: u32,
    /// All of it.
    pub total: u32,
}

impl From<&Fact> for PhoneFact {
    fn from(fact: &Fact) -> Self {
        match fact {
            Fact::Started(_) => Self::Started,
            // A phone's connection ends with its gateway: only its leg in Asterisk outlives one.
            Fact::Answered(_) | Fact::Adopted { .. } => Self::Answered,
            Fact::Hearing { turn, text } => Self::Hearing { turn: turn.0, text: text.as_str().into() },
            Fact::Heard { turn, text } => Self::Heard { turn: turn.0, text: text.as_str().into() },
            Fact::NotUnderstood { turn } | Fact::Withheld { turn } => Self::NotUnderstood { turn: turn.0 },
            Fact::Saying { utterance, text } => Self::Saying { utterance: utterance.0, text: text.as_str().into() },
            Fact::Filler { turn, utterance, text } => {
                Self::Filler { turn: turn.0, utterance: utterance.0, text: text.as_str().into() }
            }
            Fact::Interrupted { utterance, spoken_ms, extent } => {
                Self::Interrupted { utterance: utterance.0, spoken_ms: *spoken_ms, precision: extent.code().into() }
            }
            Fact::LanguageChanged { language } => Self::LanguageChanged { language: language.as_str().into() },
            Fact::Turn(record) => Self::Turn {
                turn: record.turn.0,
                heard: record.heard.as_str().into(),
                said: record.said.as_str().into(),
                interrupted: record.interrupted,
                latency_ms: record.latency.map(|parts| LatencyMs {
                    endpoint_wait: parts.endpoint_wait_ms,
                    stt: parts.stt_ms,
                    agent: parts.agent_ms,
                    clause: parts.clause_ms,
                    tts: parts.tts_ms,
                    playout: parts.playout_ms,
                    gateway: parts.gateway_ms,
                    total: parts.total_ms,
                }),
            },
            Fact::Fell { who, code, .. } => Self::Fell { who: who.code().into(), code: (*code).into() },
            Fact::Escalated { .. } => Self::Escalated,
            Fact::Shadowed(turn) => Self::Shadowed { outcome: turn.agreement.code().into() },
            Fact::Agent(profile) => Self::Agent { id: profile.id.clone(), name: profile.name.clone() },
            Fact::PathSilent(code) => Self::Fell { who: "media".into(), code: (*code).into() },
            Fact::Refused(refusal) => Self::Ended { cause: refusal.code().into(), turns: 0 },
            Fact::Transferring { kind, .. } => Self::Transferring { kind: (*kind).into() },
            Fact::Transferred { kind, .. } | Fact::Referred { kind } => Self::Transferred { kind: (*kind).into() },
            Fact::TransferFailed { kind, code, .. } => Self::TransferFailed { kind: (*kind).into(), code: (*code).into() },
            Fact::Used { who, plugin, usage } => Self::Used {
                who: who.code().into(),
                plugin: plugin.as_str().into(),
                audio_ms: usage.audio_ms,
                characters: usage.characters,
                requests: usage.requests,
            },
            Fact::Recording(fact) => Self::Recording { what: fact.name().into() },
            Fact::TakenOver => Self::Ended { cause: "taken_over".into(), turns: 0 },
            Fact::Ended(outcome) => Self::Ended { cause: outcome.cause.code().into(), turns: outcome.turns },
        }
    }
}

/// Text of a message; these types always serialise.
pub(super) fn to_text(message: &impl Serialize) -> String {
    serde_json::to_string(message).unwrap_or_default()
}

/// A body for fuzzers: text of either side, which may be anything. What the gateway and what a phone take it for, or `refused`. Panics if a
/// message does not come out as it went in.
pub fn fuzz(text: &[u8]) -> [&'static str; 2] {
    let Ok(text) = std::str::from_utf8(text) else { return ["not_text"; 2] };
    let of_event = |event: &Event| match event {
        Event::MediaStart(start) => match start.format.codec() {
            Codec::Pcmu => "media_start_ulaw",
            Codec::Pcma => "media_start_alaw",
            Codec::Slin => "media_start_slin",
            _ => "media_start_slin16",
        },
        Event::DtmfEnd { .. } => "dtmf_end",
        Event::Hangup => "hangup",
        Event::MarkProcessed { .. } => "mark_processed",
        Event::Unused => "unused",
    };
    let of_phone = |message: &ToPhone| match message {
        ToPhone::Command(Command::Answer) => "answer",
        ToPhone::Command(Command::Hangup) => "hangup",
        ToPhone::Command(Command::FlushMedia) => "flush_media",
        ToPhone::Command(Command::MarkMedia { .. }) => "mark_media",
        ToPhone::Command(Command::Unused) => "unused",
        ToPhone::Fact(_) => "fact",
    };
    if let Ok(ToPhone::Fact(FactLine::Fact(fact))) = serde_json::from_str(text) {
        let again = serde_json::from_str(&to_text(&FactLine::Fact(fact.clone())));
        assert!(matches!(again, Ok(FactLine::Fact(again)) if again == fact), "a fact comes out as it went in");
    }
    let event = serde_json::from_str(text).map_or("refused", |event| {
        let again = serde_json::from_str(&to_text(&event));
        assert!(again.is_ok_and(|again| of_event(&again) == of_event(&event)), "an event comes out as it went in");
        of_event(&event)
    });
    [event, serde_json::from_str(text).map_or("refused", |message| of_phone(&message))]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_asterisk_sends_is_understood() {
        // Recorded from Asterisk 22.10.1.
        let text = r#"{"event":"MEDIA_START","connection_id":"wsc-media","channel":"WebSocket/wsc-media/0x7f52700069a0","channel_id":"1795365937.18","format":"ulaw","optimal_frame_size":160,"ptime":20,"channel_variables":{"MEDIA_WEBSOCKET_CONNECTION_ID":"wsc-media","MEDIA_WEBSOCKET_OPTIMAL_FRAME_SIZE":"160"}}"#;
        let Ok(Event::MediaStart(start)) = serde_json::from_str(text) else { panic!("not a start") };
        assert_eq!((start.format, start.channel_id.as_str()), (Format::Ulaw, "1795365937.18"));
        for unused in [r#"{"event":"MEDIA_XOFF","channel_id":"1"}"#, r#"{"event":"STATUS","queue_length":0}"#] {
            assert!(matches!(serde_json::from_str(unused), Ok(Event::Unused)));
        }
        let format = |name: &str| serde_json::from_str::<Event>(&format!(r#"{{"event":"MEDIA_START","format":"{name}"}}"#));
        assert!(matches!(format("opus"), Ok(Event::MediaStart(MediaStart { format: Format::Opus, .. }))));
        assert!(format("gsm").is_err());
    }

    #[test]
    fn commands_are_written_as_asterisk_reads_them() {
        assert_eq!(to_text(&Command::FlushMedia), r#"{"command":"FLUSH_MEDIA"}"#);
        assert_eq!(to_text(&Command::Answer), r#"{"command":"ANSWER"}"#);
    }

    #[test]
    fn a_fact_comes_out_as_it_went_in() {
        let latency_ms = Some(LatencyMs { endpoint_wait: 500, total: 500, ..LatencyMs::default() });
        let fact = PhoneFact::Turn { turn: 1, heard: "hi".into(), said: "hello".into(), interrupted: false, latency_ms };
        let text = to_text(&FactLine::Fact(fact.clone()));
        assert!(text.starts_with(r#"{"event":"SERPHONA_FACT","fact":"turn","turn":1,"#), "{text}");
        let Ok(ToPhone::Fact(FactLine::Fact(back))) = serde_json::from_str(&text) else { panic!("{text}") };
        assert_eq!(back, fact);
    }
}
