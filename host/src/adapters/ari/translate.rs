//! From Asterisk's events to what they mean for calls. Pure.

use super::wire::{Channel, Dialplan, Event};
use crate::application::ports::{Endpoint, TenantHint};
use vg_domain::call::Progress;
use vg_domain::ids::TenantId;
use vg_domain::pii::Pii;
use vg_domain::transfer::Returned;

/// What the dialplan says first when it gives a channel back (see `asterisk config`).
const RETURNED: &str = "returned";

/// What an event means.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// A caller waits.
    Incoming(Caller),
    /// The dialplan gives a channel back: what it was sent there for came to nothing.
    Returned { caller: Caller, how: Returned },
    /// Somebody is called for a channel that may be in the dialplan, or has answered.
    Progress { channel: String, progress: Progress },
    /// A channel that this gateway created can be used.
    MediaUp { channel: String },
    /// A key was pressed.
    Digit { channel: String, digit: char },
    /// A telephone wants its far end to call somebody else.
    Referral { channel: String },
    /// A channel is about to leave this application for good.
    Left { channel: String },
    /// A channel left this application: for the dialplan, for good, or for another gateway.
    Parted { channel: String },
    /// A channel no longer exists.
    Gone {
        channel: String,
        /// ITU-T Q.850.
        cause: u32,
    },
    /// Another socket took the events.
    Replaced,
    /// Nothing.
    Unused,
}

/// How a channel came back, where it is in a `Stasis()` by which the dialplan gives channels back.
pub(super) fn returned(doing: &Dialplan) -> Option<Returned> {
    let mut args = doing.app_data.split(',').skip(1);
    let gives_back = doing.app_name == "Stasis" && args.next() == Some(RETURNED);
    gives_back.then(|| Returned::of(args.next().unwrap_or_default()))
}

/// Who waits.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Caller {
    pub(super) channel: String,
    pub(super) name: String,
    pub(super) number: Pii<String>,
    pub(super) dialled: Pii<String>,
    pub(super) tenant: TenantHint,
    pub(super) endpoint: Endpoint,
}

/// Variable of a channel that names its tenant, where the arguments do not: an endpoint's `set_var` for all calls of a trunk.
const TENANT_VARIABLE: &str = "VG_TENANT";

/// `is_ours` tells the channels that this gateway created.
pub(super) fn translate(event: Event, is_ours: impl Fn(&str) -> bool) -> Meaning {
    match event {
        Event::StasisStart { channel, .. } if is_ours(&channel.id) => Meaning::MediaUp { channel: channel.id },
        Event::StasisStart { args, channel } if args.first().is_some_and(|first| first == RETURNED) => {
            let how = Returned::of(args.get(1).map_or("", String::as_str));
            // What follows is for a gateway that does not know the call.
            Meaning::Returned { caller: caller(args.get(2..).unwrap_or_default(), channel), how }
        }
        Event::StasisStart { args, channel } => Meaning::Incoming(caller(&args, channel)),
        Event::StasisEnd { channel } => Meaning::Parted { channel: channel.id },
        Event::ChannelHangupRequest { channel } => Meaning::Left { channel: channel.id },
        Event::ChannelDestroyed { cause, channel } => Meaning::Gone { channel: channel.id, cause },
        Event::Dial { dialstatus, caller: Some(channel), .. } => match dialstatus.as_str() {
            "ANSWER" => Meaning::Progress { channel: channel.id, progress: Progress::Answered },
            "" | "RINGING" | "PROGRESS" | "PROCEEDING" => Meaning::Progress { channel: channel.id, progress: Progress::Dialled },
            _ => Meaning::Unused,
        },
        Event::Dial { caller: None, .. } => Meaning::Unused,
        Event::ChannelDtmfReceived { digit, channel } => match digit.chars().next() {
            Some(digit) => Meaning::Digit { channel: channel.id, digit },
            None => Meaning::Unused,
        },
        Event::ChannelTransfer { state: None, referred_by } => Meaning::Referral { channel: referred_by.source_channel.id },
        Event::ChannelTransfer { state: Some(_), .. } => Meaning::Unused,
        Event::ApplicationReplaced {} => Meaning::Replaced,
        Event::Unused | Event::ApplicationRegistered {} | Event::RestAnswer(_) => Meaning::Unused,
    }
}

pub(super) fn caller(args: &[String], channel: Channel) -> Caller {
    Caller {
        channel: channel.id,
        number: Pii::new(channel.caller.number),
        dialled: Pii::new(dialled(args).unwrap_or(channel.dialplan.exten)),
        tenant: tenant(args)
            .or_else(|| channel.channelvars.get(TENANT_VARIABLE).and_then(|name| named(name)))
            .unwrap_or(TenantHint::Default),
        endpoint: Endpoint::of_channel(&channel.name),
        name: channel.name,
    }
}

/// `tenant=NAME` anywhere, else the first argument as it is.
fn tenant(args: &[String]) -> Option<TenantHint> {
    let written = args.iter().find_map(|arg| arg.strip_prefix("tenant="));
    let plain = args.first().filter(|arg| !arg.contains('=')).map(String::as_str);
    written.or(plain).and_then(named)
}

/// `did=NUMBER`: in a subroutine of the dialplan the extension is not what was dialled.
fn dialled(args: &[String]) -> Option<String> {
    args.iter().find_map(|arg| arg.strip_prefix("did=")).filter(|number| !number.is_empty()).map(str::to_owned)
}

fn named(tenant: &str) -> Option<TenantHint> {
    (!tenant.is_empty()).then(|| TenantHint::Named(TenantId::new(tenant)))
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
        let gone = |channel: &str, cause| Meaning::Gone { channel: channel.into(), cause };
        let left = |channel: &str| Meaning::Left { channel: channel.into() };
        let parted = |channel: &str| Meaning::Parted { channel: channel.into() };
        let caller = Caller {
            channel: "1795365521.0".into(),
            number: Pii::new("5551234".into()),
            dialled: Pii::new("100".into()),
            tenant: TenantHint::Named(TenantId::new("100")),
            endpoint: Endpoint::parse("PJSIP/caller").unwrap(),
            name: "PJSIP/caller-00000000".to_owned(),
        };
        let expected = [
            Meaning::Incoming(caller),
            Meaning::MediaUp { channel: "1795365521.1".into() },
            Meaning::Digit { channel: "1795365521.0".into(), digit: '1' },
            left("1795365521.0"),
            parted("1795365521.0"),
            left("1795365521.1"),
            parted("1795365521.1"),
            gone("1795365521.1", 16),
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
        let hint =
            |args: &[&str]| tenant(&args.iter().map(ToString::to_string).collect::<Vec<_>>()).unwrap_or(TenantHint::Default);
        let demo = TenantHint::Named(TenantId::new("demo"));
        assert_eq!(hint(&["demo", "other"]), demo);
        assert_eq!(hint(&["lang=en", "tenant=demo"]), demo);
        assert_eq!(hint(&["lang=en"]), TenantHint::Default);
        assert_eq!(hint(&["tenant="]), TenantHint::Default);
        assert_eq!(hint(&[""]), TenantHint::Default);
        assert_eq!(hint(&[]), TenantHint::Default);
    }

    #[test]
    fn arguments_win_over_the_channels_variable_and_headers_say_nothing() {
        let caller = |args: &[&str], variables: &str| {
            let event = format!(
                r#"{{"type":"StasisStart","args":{args:?},"channel":{{"id":"1","name":"PJSIP/trunk-a-0000001f",
                "dialplan":{{"exten":"s"}},"channelvars":{variables}}}}}"#
            );
            match translate(serde_json::from_str(&event).unwrap(), |_| false) {
                Meaning::Incoming(caller) => caller,
                other => panic!("{other:?}"),
            }
        };
        let named = |name| TenantHint::Named(TenantId::new(name));
        let both = caller(&["tenant=a", "did=+5511"], r#"{"VG_TENANT":"b"}"#);
        assert_eq!((both.tenant, both.dialled.reveal().as_str()), (named("a"), "+5511"));
        let variable = caller(&["did="], r#"{"VG_TENANT":"b"}"#);
        assert_eq!((variable.tenant, variable.dialled.reveal().as_str()), (named("b"), "s"));
        assert_eq!(variable.endpoint, Endpoint::parse("trunk-a").unwrap());
        let nobody = caller(&[], r#"{"VG_TENANT":"","PJSIP_HEADER(read,X-Tenant)":"c","X-Tenant":"c"}"#);
        assert_eq!(nobody.tenant, TenantHint::Default);
    }

    #[test]
    fn who_comes_back_to_a_gateway_that_does_not_know_the_call_is_whose_it_was() {
        let back = |args: &[&str]| {
            let event = format!(r#"{{"type":"StasisStart","args":{args:?},"channel":{{"id":"1","dialplan":{{"exten":"s"}}}}}}"#);
            match translate(serde_json::from_str(&event).unwrap(), |_| false) {
                Meaning::Returned { caller, how } => (caller.tenant, caller.dialled.reveal().clone(), how),
                other => panic!("{other:?}"),
            }
        };
        let named = TenantHint::Named(TenantId::new("acme"));
        assert_eq!(back(&["returned", "BUSY", "tenant=acme", "did=+5511"]), (named, "+5511".to_owned(), Returned::Busy));
        for unknown in [&["returned", "NOANSWER", "tenant=", "did="][..], &["returned", "NOANSWER"], &["returned"]] {
            assert_eq!(back(unknown).0, TenantHint::Default, "{unknown:?}: how it came back is nobody's name");
        }
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
