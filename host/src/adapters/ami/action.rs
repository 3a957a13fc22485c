//! What Asterisk is asked to do, as text that nothing can be smuggled into.

use std::fmt::Write;
use vg_domain::pii::Pii;

/// Asterisk takes lines of 1024 bytes.
const LINE_MAX: usize = 1000;

/// A place in the dialplan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Context.
    pub context: String,
    /// Extension: a number, often.
    pub extension: Pii<String>,
    /// Priority or label.
    pub priority: String,
}

/// An action. Channels are named by their name or their id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Asks for a challenge.
    Challenge,
    /// Answers it: hexadecimal MD5 of challenge and secret.
    LoginByKey {
        /// User of manager.conf.
        user: String,
        /// The answer.
        key: String,
    },
    /// Shows the secret itself.
    LoginPlain {
        /// User of manager.conf.
        user: String,
        /// The secret.
        secret: Pii<String>,
    },
    /// Which events are sent from now on, for example `off` or `call,dtmf`.
    Events {
        /// Classes, or `off`.
        mask: &'static str,
    },
    /// Keeps the connection alive.
    Ping,
    /// All channels, as a list.
    CoreShowChannels,
    /// Ends a channel.
    Hangup {
        /// Which.
        channel: String,
        /// Q.850 cause.
        cause: u8,
    },
    /// Sends a channel to a place in the dialplan, out of whatever it is in.
    Redirect {
        /// Which.
        channel: String,
        /// Where.
        to: Place,
    },
    /// Sets a variable of a channel.
    Setvar {
        /// Which.
        channel: String,
        /// Name, or a function.
        variable: String,
        /// Value: may be personal data.
        value: Pii<String>,
    },
    /// Reads a variable of a channel, or what a function says for it.
    Getvar {
        /// Which.
        channel: String,
        /// Name, or a function.
        variable: String,
    },
    /// Plays a key to a channel.
    PlayDtmf {
        /// Which.
        channel: String,
        /// The key: may be part of a card number.
        digit: Pii<char>,
    },
    /// Sends the other side of a channel's bridge to a place. Refused where there is no bridge.
    BlindTransfer {
        /// Who transfers.
        channel: String,
        /// Where to.
        to: Place,
    },
    /// Begins a transfer in which the channel talks to the third party first.
    Atxfer {
        /// Who transfers.
        channel: String,
        /// Where to.
        to: Place,
    },
    /// Ends such a transfer and goes back.
    CancelAtxfer {
        /// Who transfers.
        channel: String,
    },
    /// Calls somebody; answered at once, and told by `OriginateResponse`.
    Originate {
        /// What the channel shall be called by ARI and AMI.
        channel_id: String,
        /// For example `PJSIP/123@trunk`.
        endpoint: Pii<String>,
        /// Where the callee goes.
        to: Place,
        /// What the callee sees.
        caller_id: Pii<String>,
        /// How long it may ring.
        timeout_ms: u32,
        /// Variables of the channel.
        variables: Vec<(String, Pii<String>)>,
    },
}

/// A value that would end its line, or is longer than a line may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("value of {field} cannot be written")]
pub struct Unwritable {
    /// Of which field.
    pub field: &'static str,
}

impl Action {
    /// Its text.
    ///
    /// # Errors
    /// Where a value holds a line's end or is too long.
    pub fn encode(&self, id: &str) -> Result<String, Unwritable> {
        let mut text = Text(String::new());
        match self {
            Self::Challenge => text.begin("Challenge", id)?.field("AuthType", "MD5")?,
            Self::LoginByKey { user, key } => text
                .begin("Login", id)?
                .field("AuthType", "MD5")?
                .field("Username", user)?
                .field("Key", key)?
                .field("Events", "off")?,
            Self::LoginPlain { user, secret } => {
                text.begin("Login", id)?.field("Username", user)?.field("Secret", secret.reveal())?.field("Events", "off")?
            }
            Self::Events { mask } => text.begin("Events", id)?.field("EventMask", mask)?,
            Self::Ping => text.begin("Ping", id)?,
            Self::CoreShowChannels => text.begin("CoreShowChannels", id)?,
            Self::Hangup { channel, cause } => text.on("Hangup", id, channel)?.field("Cause", &cause.to_string())?,
            Self::Redirect { channel, to } => text.on("Redirect", id, channel)?.place(to)?,
            Self::Setvar { channel, variable, value } => {
                text.on("Setvar", id, channel)?.field("Variable", variable)?.field("Value", value.reveal())?
            }
            Self::Getvar { channel, variable } => text.on("Getvar", id, channel)?.field("Variable", variable)?,
            Self::PlayDtmf { channel, digit } => {
                text.on("PlayDTMF", id, channel)?.field("Digit", digit.reveal().encode_utf8(&mut [0; 4]))?
            }
            Self::BlindTransfer { channel, to } => text.on("BlindTransfer", id, channel)?.place(to)?,
            Self::Atxfer { channel, to } => text.on("Atxfer", id, channel)?.place(to)?,
            Self::CancelAtxfer { channel } => text.on("CancelAtxfer", id, channel)?,
            Self::Originate { channel_id, endpoint, to, caller_id, timeout_ms, variables } => {
                let text = text.on("Originate", id, endpoint.reveal())?.place(to)?.field("Async", "true")?;
                let text = text.field("ChannelId", channel_id)?.field("CallerID", caller_id.reveal())?;
                let text = text.field("Timeout", &timeout_ms.to_string())?;
                variables
                    .iter()
                    .try_fold(text, |text, (name, value)| text.field("Variable", &format!("{name}={}", value.reveal())))?
            }
        };
        text.0.push_str("\r\n");
        Ok(text.0)
    }
}

struct Text(String);

impl Text {
    fn begin(&mut self, action: &str, id: &str) -> Result<&mut Self, Unwritable> {
        self.field("Action", action)?.field("ActionID", id)
    }

    fn on(&mut self, action: &str, id: &str, channel: &str) -> Result<&mut Self, Unwritable> {
        self.begin(action, id)?.field("Channel", channel)
    }

    fn place(&mut self, place: &Place) -> Result<&mut Self, Unwritable> {
        let text = self.field("Context", &place.context)?.field("Exten", place.extension.reveal())?;
        text.field("Priority", &place.priority)
    }

    fn field(&mut self, field: &'static str, value: &str) -> Result<&mut Self, Unwritable> {
        if value.contains(['\r', '\n', '\0']) || field.len() + 2 + value.len() > LINE_MAX {
            return Err(Unwritable { field });
        }
        let _ = write!(self.0, "{field}: {value}\r\n");
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place() -> Place {
        Place { context: "queue".into(), extension: Pii::new("sales".into()), priority: "1".into() }
    }

    #[test]
    fn actions_are_written_as_asterisk_reads_them() {
        let channel = "17.1".to_owned();
        let redirect = Action::Redirect { channel: channel.clone(), to: place() };
        assert_eq!(
            redirect.encode("a8").unwrap(),
            "Action: Redirect\r\nActionID: a8\r\nChannel: 17.1\r\nContext: queue\r\nExten: sales\r\nPriority: 1\r\n\r\n"
        );
        let digit = Action::PlayDtmf { channel, digit: Pii::new('#') };
        assert_eq!(digit.encode("1").unwrap(), "Action: PlayDTMF\r\nActionID: 1\r\nChannel: 17.1\r\nDigit: #\r\n\r\n");
        let originate = Action::Originate {
            channel_id: "vg.1".into(),
            endpoint: Pii::new("PJSIP/900@callee".into()),
            to: place(),
            caller_id: Pii::new("\"AMI\" <5551111>".into()),
            timeout_ms: 10_000,
            variables: vec![("A".into(), Pii::new("b".into())), ("C".into(), Pii::new("d=e".into()))],
        };
        let text = originate.encode("a7").unwrap();
        assert!(
            text.starts_with("Action: Originate\r\nActionID: a7\r\nChannel: PJSIP/900@callee\r\nContext: queue\r\n"),
            "{text}"
        );
        assert!(text.ends_with("Timeout: 10000\r\nVariable: A=b\r\nVariable: C=d=e\r\n\r\n"), "{text}");
        assert!(!format!("{originate:?}").contains("555"), "numbers are not printed");
    }

    #[test]
    fn no_value_becomes_a_second_line() {
        for evil in ["1\r\nAction: Originate", "1\nx: y", "1\0", &"1".repeat(LINE_MAX)] {
            let mut to = place();
            to.extension = Pii::new(evil.into());
            let act = Action::Redirect { channel: "c".into(), to };
            assert_eq!(act.encode("a"), Err(Unwritable { field: "Exten" }));
        }
    }
}
