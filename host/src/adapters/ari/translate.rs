//! From Asterisk's events to what they mean for calls. Pure.

use super::wire::{Channel, Event};
use crate::application::ports::TenantHint;
use vg_domain::ids::TenantId;
use vg_domain::pii::Pii;

/// What an event means.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// A caller waits.
    Incoming(Caller),
    /// A channel that this gateway created can be used.
    MediaUp { channel: String },
    /// A key was pressed.
    Digit { channel: String, digit: char },
    /// A channel left this application, or is about to.
    Gone { channel: String },
    /// Another socket took the events.
    Replaced,
    /// Nothing.
    Unused,
}

/// Who waits.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Caller {
    pub(super) channel: String,
    pub(super) number: Pii<String>,
    pub(super) dialled: Pii<String>,
    pub(super) tenant: TenantHint,
}

/// `is_ours` tells the channels that this gateway created.
pub(super) fn translate(event: Event, is_ours: impl Fn(&str) -> bool) -> Meaning {
    match event {
        Event::StasisStart { channel, .. } if is_ours(&channel.id) => Meaning::MediaUp { channel: channel.id },
        Event::StasisStart { args, channel } => Meaning::Incoming(caller(&args, channel)),
        Event::StasisEnd { channel } | Event::ChannelHangupRequest { channel } | Event::ChannelDestroyed { channel } => {
            Meaning::Gone { channel: channel.id }
        }
        Event::ChannelDtmfReceived { digit, channel } => match digit.chars().next() {
            Some(digit) => Meaning::Digit { channel: channel.id, digit },
            None => Meaning::Unused,
        },
        Event::ApplicationReplaced {} => Meaning::Replaced,
        Event::Unused | Event::ApplicationRegistered {} | Event::RestAnswer(_) => Meaning::Unused,
    }
}

pub(super) fn caller(args: &[String], channel: Channel) -> Caller {
    Caller {
        channel: channel.id,
        number: Pii::new(channel.caller.number),
        dialled: Pii::new(channel.dialplan.exten),
        tenant: tenant(args),
    }
}

/// `tenant=NAME` anywhere, else the first argument as it is.
fn tenant(args: &[String]) -> TenantHint {
    let named = args.iter().find_map(|arg| arg.strip_prefix("tenant="));
    let plain = args.first().filter(|arg| !arg.contains('=')).map(String::as_str);
    match named.or(plain) {
        Some(name) if !name.is_empty() => TenantHint::Named(TenantId::new(name)),
        _ => TenantHint::Default,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Recorded from Asterisk 22.10.1: a whole call, one event per line.
    const RECORDED: &str = include_str!("fixtures/call.jsonl");

    fn meanings() -> Vec<Meaning> {
        let events = RECORDED.lines().map(|line| serde_json::from_str::<Event>(line).unwrap());
        events.map(|event| translate(event, |id| id == "1795365521.1")).collect()
    }

    #[test]
    fn a_recorded_call_is_a_caller_then_media_then_gone() {
        let used: Vec<_> = meanings().into_iter().filter(|meaning| *meaning != Meaning::Unused).collect();
        let gone = |channel: &str| Meaning::Gone { channel: channel.into() };
        let caller = Caller {
            channel: "1795365521.0".into(),
            number: Pii::new("5551234".into()),
            dialled: Pii::new("100".into()),
            tenant: TenantHint::Named(TenantId::new("100")),
        };
        let expected = [
            Meaning::Incoming(caller),
            Meaning::MediaUp { channel: "1795365521.1".into() },
            Meaning::Digit { channel: "1795365521.0".into(), digit: '1' },
            gone("1795365521.0"),
            gone("1795365521.0"),
            gone("1795365521.1"),
            gone("1795365521.1"),
            gone("1795365521.1"),
        ];
        assert_eq!(used, expected);
    }

    #[test]
    fn no_number_is_printed() {
        let printed = format!("{:?}", meanings());
        assert!(!printed.contains("5551234"));
        let event: Event = serde_json::from_str(RECORDED.lines().next().unwrap()).unwrap();
        assert!(!format!("{event:?}").contains("5551234"));
    }

    #[test]
    fn the_tenant_is_named_by_key_or_by_the_first_argument() {
        let hint = |args: &[&str]| tenant(&args.iter().map(ToString::to_string).collect::<Vec<_>>());
        let demo = TenantHint::Named(TenantId::new("demo"));
        assert_eq!(hint(&["demo", "other"]), demo);
        assert_eq!(hint(&["lang=en", "tenant=demo"]), demo);
        assert_eq!(hint(&["lang=en"]), TenantHint::Default);
        assert_eq!(hint(&["tenant="]), TenantHint::Default);
        assert_eq!(hint(&[""]), TenantHint::Default);
        assert_eq!(hint(&[]), TenantHint::Default);
    }

    #[test]
    fn an_unknown_event_is_unused_and_a_wrong_one_an_error() {
        let parse = serde_json::from_str::<Event>;
        assert!(matches!(parse(r#"{"type":"SomethingNew","channel":3}"#), Ok(Event::Unused)));
        for wrong in [r#"{"type":"StasisStart"}"#, r#"{"type":"StasisEnd","channel":{"id":7}}"#, "{}", "[]", "", "hello"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
