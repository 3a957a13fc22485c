//! What a request to ARI is in the words of AMI, for the time in which ARI is away.

use super::rest::{Answer, Ask};
use crate::adapters::ami::{Action, Ami, AmiError, Message, Place};
use crate::application::ports::TelephonyError;
use bytes::Bytes;
use hyper::Method;
use serde_json::json;
use vg_domain::pii::Pii;

/// Digits of one request that are sent by AMI: each is an action of its own.
const DIGITS_MAX: usize = 64;

/// A request that AMI can carry out. Each is harmless when it was carried out before, but for digits.
pub(super) struct Act {
    act: &'static str,
    actions: Vec<Action>,
    gives: Gives,
}

/// What ARI's answer would hold.
enum Gives {
    Nothing,
    Channels,
    Channel(String),
    Variable,
}

/// None where AMI has nothing like it: bridges and media channels exist in ARI only.
pub(super) fn act(ask: &Ask<'_>) -> Option<Act> {
    let value = |name: &str| ask.query.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
    let (actions, gives) = match (&ask.method, ask.path) {
        (&Method::GET, ["channels"]) => (vec![Action::CoreShowChannels], Gives::Channels),
        (&Method::GET, ["channels", id]) => {
            (vec![Action::Getvar { channel: (*id).into(), variable: "CHANNEL(state)".into() }], Gives::Channel((*id).into()))
        }
        (&Method::GET, ["channels", id, "variable"]) => {
            (vec![Action::Getvar { channel: (*id).into(), variable: value("variable")? }], Gives::Variable)
        }
        (&Method::POST, ["channels", id, "variable"]) => {
            let set = Action::Setvar {
                channel: (*id).into(),
                variable: value("variable")?,
                value: Pii::new(value("value").unwrap_or_default()),
            };
            (vec![set], Gives::Nothing)
        }
        (&Method::POST, ["channels", id, "continue"]) => {
            let to = Place {
                context: value("context")?,
                extension: Pii::new(value("extension")?),
                priority: value("priority").unwrap_or_else(|| "1".into()),
            };
            (vec![Action::Redirect { channel: (*id).into(), to }], Gives::Nothing)
        }
        (&Method::POST, ["channels", id, "dtmf"]) => {
            let digits = value("dtmf")?;
            let play = |digit| Action::PlayDtmf { channel: (*id).into(), digit: Pii::new(digit) };
            (digits.chars().take(DIGITS_MAX).map(play).collect(), Gives::Nothing)
        }
        (&Method::DELETE, ["channels", id]) => {
            let cause = cause(value("reason").as_deref());
            (vec![Action::Hangup { channel: (*id).into(), cause }], Gives::Nothing)
        }
        _ => return None,
    };
    Some(Act { act: ask.act, actions, gives })
}

/// Q.850, as ARI's reasons are taken by Asterisk.
fn cause(reason: Option<&str>) -> u8 {
    match reason {
        Some("busy") => 17,
        Some("no_answer") => 19,
        Some("rejected") => 21,
        Some("unallocated") => 1,
        Some("congestion") => 34,
        _ => 16,
    }
}

impl Act {
    pub(super) async fn carry_out(self, ami: &Ami) -> Result<Answer, TelephonyError> {
        let act = self.act;
        let body = match self.gives {
            Gives::Channels => {
                let list = ami.list(Action::CoreShowChannels).await.map_err(|error| ari_error(act, error))?;
                serde_json::Value::from_iter(list.iter().filter_map(channel)).to_string()
            }
            gives => {
                let mut last = None;
                for action in self.actions {
                    last = Some(ami.ask(action).await.map_err(|error| ari_error(act, error))?);
                }
                match gives {
                    Gives::Channel(id) => json!({ "id": id }).to_string(),
                    Gives::Variable => {
                        json!({ "value": last.as_ref().and_then(|answer| answer.get("Value")).unwrap_or_default() }).to_string()
                    }
                    Gives::Nothing | Gives::Channels => String::new(),
                }
            }
        };
        Ok(Answer { status: 200, body: Bytes::from(body) })
    }
}

fn channel(item: &Message) -> Option<serde_json::Value> {
    Some(json!({ "id": item.get("Uniqueid")?, "name": item.get("Channel").unwrap_or_default() }))
}

fn ari_error(act: &'static str, error: AmiError) -> TelephonyError {
    match error {
        AmiError::Gone => TelephonyError::Gone,
        AmiError::Deadline => TelephonyError::Deadline { act },
        AmiError::Unreachable | AmiError::Busy => TelephonyError::Unreachable,
        AmiError::Refused => TelephonyError::Refused { act, status: 400 },
        AmiError::Unwritable(_) => TelephonyError::Unsupported { act },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn actions(method: Method, path: &[&str], query: &[(&str, &str)]) -> Option<Vec<Action>> {
        act(&Ask { act: "test", method, path, query, body: None }).map(|act| act.actions)
    }

    #[test]
    fn what_calls_need_to_end_and_to_move_on_can_be_done_by_ami() {
        let channel = || "17.1".to_owned();
        let hang_up = actions(Method::DELETE, &["channels", "17.1"], &[("reason", "congestion")]);
        assert_eq!(hang_up, Some(vec![Action::Hangup { channel: channel(), cause: 34 }]));
        let query = [("context", "queue"), ("extension", "sales"), ("priority", "1")];
        let to = Place { context: "queue".into(), extension: Pii::new("sales".into()), priority: "1".into() };
        assert_eq!(
            actions(Method::POST, &["channels", "17.1", "continue"], &query),
            Some(vec![Action::Redirect { channel: channel(), to }])
        );
        let digits = actions(Method::POST, &["channels", "17.1", "dtmf"], &[("dtmf", "1#")]).unwrap();
        assert_eq!(digits.len(), 2);
        let question = [("variable", "DIALPLAN_EXISTS(a,b,1)")];
        let asked = actions(Method::GET, &["channels", "17.1", "variable"], &question);
        assert_eq!(asked, Some(vec![Action::Getvar { channel: channel(), variable: question[0].1.into() }]));
    }

    #[test]
    fn what_only_ari_has_is_left_to_it() {
        assert_eq!(actions(Method::POST, &["bridges"], &[]), None);
        assert_eq!(actions(Method::POST, &["channels", "externalMedia"], &[]), None);
        assert_eq!(actions(Method::POST, &["channels", "1", "answer"], &[]), None);
        assert_eq!(actions(Method::POST, &["channels", "1", "continue"], &[("label", "x")]), None);
        assert_eq!(actions(Method::GET, &["asterisk", "info"], &[]), None);
    }
}
