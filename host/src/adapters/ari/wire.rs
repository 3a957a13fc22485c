//! What Asterisk says, as far as it is used.

use serde::Deserialize;
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
        caller: Option<Channel>,
        /// Who is called.
        peer: Channel,
    },
    /// Another socket took the application: this one stays open, and silent.
    ApplicationReplaced {},
    /// Any other type.
    #[serde(other)]
    Unused,
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

/// `GET /channels` and `GET /bridges`, as far as resynchronisation needs them.
#[derive(Debug, Deserialize)]
pub(super) struct Named {
    pub(super) id: String,
    /// Of channels: what they do.
    #[serde(default)]
    pub(super) dialplan: Doing,
}

/// What a channel does in the dialplan.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Doing {
    #[serde(default)]
    pub(super) app_name: String,
    /// Its arguments, as the dialplan wrote them.
    #[serde(default)]
    pub(super) app_data: String,
}

/// `GET /channels/{id}/variable`.
#[derive(Debug, Deserialize)]
pub(super) struct Variable {
    pub(super) value: String,
}
