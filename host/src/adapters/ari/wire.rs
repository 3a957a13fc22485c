//! What Asterisk says, as far as it is used.

use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// An event of the event socket.
#[derive(Debug, Deserialize)]
#[serde(tag = "type")]
pub(super) enum Event {
    StasisStart {
        #[serde(default)]
        args: Vec<String>,
        channel: Channel,
    },
    StasisEnd {
        channel: Channel,
    },
    ChannelHangupRequest {
        channel: Channel,
    },
    ChannelDestroyed {
        /// ITU-T Q.850.
        #[serde(default)]
        cause: u32,
        channel: Channel,
    },
    ChannelDtmfReceived {
        digit: String,
        channel: Channel,
    },
    /// How dialling goes on: for a channel, or by nobody's wish but this application's.
    Dial {
        #[serde(default)]
        dialstatus: String,
        caller: Option<Named>,
        /// Who is called.
        peer: Named,
    },
    /// A telephone wants to call somebody in our place (REFER). Nothing moves by itself where the dialplan said `ari-only`.
    ChannelTransfer {
        /// How it goes on, where this is no new wish.
        state: Option<String>,
        referred_by: ReferredBy,
    },
    /// Another socket took the application: this one stays open, and silent.
    ApplicationReplaced {},
    /// Asterisk knows this socket's application.
    ApplicationRegistered {},
    /// The answer to a request that went over the event socket.
    #[serde(rename = "RESTResponse")]
    RestAnswer(RestAnswer),
    /// Any other type.
    #[serde(other)]
    Unused,
}

impl Event {
    /// Every type that is used, for the filter at Asterisk: no other is sent.
    pub(super) const USED: [&'static str; 10] = [
        "StasisStart",
        "StasisEnd",
        "ChannelHangupRequest",
        "ChannelDestroyed",
        "ChannelDtmfReceived",
        "Dial",
        "ChannelTransfer",
        "ApplicationReplaced",
        "ApplicationRegistered",
        "RESTResponse",
    ];
}

/// The beginning of whatever is said on an event socket: whose it is.
#[derive(Debug, Deserialize)]
pub(super) struct Addressed {
    pub(super) application: String,
}

/// `RESTRequest`: a request over the event socket.
#[derive(Debug, Serialize)]
pub(super) struct RestRequest<'a> {
    #[serde(rename = "type")]
    pub(super) kind: &'static str,
    pub(super) request_id: &'a str,
    pub(super) method: &'a str,
    pub(super) uri: &'a str,
    /// Here nothing is percent-encoded.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) query_strings: Vec<QueryString<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) content_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) message_body: Option<&'a str>,
}

#[derive(Debug, Serialize)]
pub(super) struct QueryString<'a> {
    pub(super) name: &'a str,
    pub(super) value: &'a str,
}

/// `RESTResponse`. Its body may hold numbers: never logged.
#[derive(Deserialize)]
pub(super) struct RestAnswer {
    #[serde(default)]
    pub(super) request_id: String,
    pub(super) status_code: u16,
    #[serde(default)]
    pub(super) message_body: String,
}

impl std::fmt::Debug for RestAnswer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "RestAnswer({:?}, {})", self.request_id, self.status_code)
    }
}

/// A channel, in events and answers.
#[derive(Debug, Deserialize)]
pub(super) struct Channel {
    pub(super) id: String,
    /// `Down`, `Ring`, `Ringing`, `Up` and others.
    #[serde(default)]
    pub(super) state: String,
    /// Technology, endpoint and a serial number, for example `PJSIP/trunk-a-0000001f`.
    #[serde(default)]
    pub(super) name: String,
    #[serde(default)]
    pub(super) caller: Party,
    #[serde(default)]
    pub(super) dialplan: Dialplan,
    /// In answers that create a channel, and in events those that ari.conf names (`channelvars`).
    #[serde(default)]
    pub(super) channelvars: HashMap<String, String>,
}

/// Personal data: never logged.
#[derive(Default, Deserialize)]
pub(super) struct Party {
    #[serde(default)]
    pub(super) number: String,
}

impl std::fmt::Debug for Party {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[redacted]")
    }
}

#[derive(Default, Deserialize)]
pub(super) struct Dialplan {
    /// What was dialled: personal data, too.
    #[serde(default)]
    pub(super) exten: String,
    /// What the channel is in, for example `Stasis`.
    #[serde(default)]
    pub(super) app_name: String,
    /// Its arguments, as the dialplan wrote them.
    #[serde(default)]
    pub(super) app_data: String,
}

impl std::fmt::Debug for Dialplan {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[redacted]")
    }
}

/// `GET /asterisk/info`.
#[derive(Debug, Deserialize)]
pub(super) struct Info {
    pub(super) system: System,
    pub(super) status: Status,
}

#[derive(Debug, Deserialize)]
pub(super) struct System {
    pub(super) version: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct Status {
    /// Differs after a restart.
    pub(super) startup_time: String,
}

/// An application, as far as it is used.
#[derive(Debug, Deserialize)]
pub(super) struct Application {
    /// Of the channels in it, and of others that it listens to.
    pub(super) channel_ids: Vec<String>,
}

/// A bridge and who is in it.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Bridge {
    pub(super) id: String,
    #[serde(default)]
    pub(super) channels: Vec<String>,
}

/// What Asterisk counts of a channel's packets.
#[derive(Debug, Deserialize)]
pub(super) struct RtpStatistics {
    /// Sent to the other side.
    pub(super) txcount: u64,
}

/// A channel of a `Dial` event, or a bridge of `GET /bridges`: its name is all that matters.
#[derive(Debug, Deserialize)]
pub(super) struct Named {
    pub(super) id: String,
}

/// Who wants to go elsewhere. Where to is not read: it is personal data, and nobody goes there.
#[derive(Debug, Deserialize)]
pub(super) struct ReferredBy {
    pub(super) source_channel: Named,
}

/// `GET /channels/{id}/variable`.
#[derive(Debug, Deserialize)]
pub(super) struct Variable {
    pub(super) value: String,
}

/// A body for fuzzers: text of Asterisk, which may be anything. What it is taken for, or `refused`; and whether it says whose it is.
pub fn fuzz(text: &[u8]) -> [&'static str; 2] {
    let Ok(text) = std::str::from_utf8(text) else { return ["not_text"; 2] };
    let addressed = match serde_json::from_str::<Addressed>(text) {
        Ok(addressed) if addressed.application.is_empty() => "nobody",
        Ok(_) => "addressed",
        Err(_) => "refused",
    };
    let kind = match serde_json::from_str::<Event>(text) {
        Ok(Event::StasisStart { .. }) => "start",
        Ok(Event::StasisEnd { .. }) => "end",
        Ok(Event::ChannelHangupRequest { .. }) => "hangup_request",
        Ok(Event::ChannelDestroyed { .. }) => "destroyed",
        Ok(Event::ChannelDtmfReceived { .. }) => "digit",
        Ok(Event::Dial { .. }) => "dial",
        Ok(Event::ChannelTransfer { .. }) => "referral",
        Ok(Event::ApplicationReplaced {}) => "replaced",
        Ok(Event::ApplicationRegistered {}) => "registered",
        Ok(Event::RestAnswer(_)) => "answer",
        Ok(Event::Unused) => "unused",
        Err(_) => "refused",
    };
    [kind, addressed]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The variants of [`Event`], as this file writes them.
    fn variants() -> Vec<String> {
        let (_, from) = include_str!("wire.rs").split_once("pub(super) enum Event {").unwrap();
        let (body, _) = from.split_once("\n}").unwrap();
        let variant =
            |line: &str| line.strip_prefix("    ").filter(|line| line.starts_with(char::is_uppercase)).map(str::to_owned);
        body.lines().filter_map(variant).map(|line| line.split([' ', '(', ',']).next().unwrap().to_owned()).collect()
    }

    /// Recorded from Asterisk 22.10.1: a message of each type, with each set of fields that was seen.
    const RECORDED: &str = include_str!("fixtures/messages.jsonl");

    #[test]
    fn every_recorded_message_is_read() {
        let mut used = std::collections::BTreeMap::<_, usize>::new();
        for line in RECORDED.lines() {
            let [kind, addressed] = fuzz(line.as_bytes());
            assert_ne!(kind, "refused", "{line}");
            assert_eq!(addressed, "addressed", "{line}");
            *used.entry(kind).or_default() += 1;
        }
        assert_eq!(used.len(), 11, "every kind was recorded: {used:?}");
    }

    #[test]
    fn asterisk_is_asked_for_every_type_of_event_that_is_used() {
        let wanted: Vec<_> = variants().into_iter().filter(|name| !["Unused", "RestAnswer"].contains(&name.as_str())).collect();
        assert!(wanted.len() >= 7, "{wanted:?}");
        for name in &wanted {
            assert!(Event::USED.contains(&name.as_str()), "{name} is missing in Event::USED: Asterisk would not send it");
        }
        assert_eq!(Event::USED.len(), wanted.len() + 1, "with RESTResponse");
    }
}
