//! What of an Asterisk decides how calls go: its application, its modules, and what its endpoints let callers do.

use super::super::report::Row;
use super::Module;
use super::questions::Questions;
use crate::config::{Config, RtpCodec};
use serde::Deserialize;

/// Endpoints that are looked at; the others are told as not looked at.
const ENDPOINTS_MAX: usize = 200;
/// Names that a row tells.
const TOLD_MAX: usize = 5;

/// What a part of the gateway needs, with what it is for.
const WANTED: [(&str, &str); 8] = [
    ("app_queue.so", "hand-over to a queue"),
    ("app_dial.so", "hand-over to a person"),
    ("app_transfer.so", "referral of a caller's own telephone"),
    ("res_pjsip_refer.so", "referral of a caller's own telephone"),
    ("app_amd.so", "answering machines"),
    ("chan_websocket.so", "sound by WebSocket"),
    ("res_websocket_client.so", "an Asterisk that connects by itself"),
    ("func_timeout.so", "the longest time of a call"),
];

#[derive(Deserialize)]
struct Endpoint {
    resource: String,
}

#[derive(Deserialize)]
struct Attribute {
    attribute: String,
    value: String,
}

/// Whether somebody serves the application.
pub(super) async fn app_row(questions: Questions<'_>) -> Row {
    let app = &questions.asterisk.app;
    match questions.find::<serde_json::Value>(&format!("applications/{app}")).await {
        Ok(Some(_)) => Row::fine("application", format_args!("{app} is served")),
        Ok(None) => Row::warning(
            "application",
            format_args!("{app} is served by nobody now: calls go on in the dialplan behind Stasis()"),
        ),
        Err(why) => Row::warning("application", why),
    }
}

/// Modules that some configurations need.
pub(super) fn feature_rows(modules: &[Module], config: &Config) -> Vec<Row> {
    let running = |name: &str| modules.iter().any(|module| module.name == name && module.status == "Running");
    let (codec, name) = match config.media.codec {
        RtpCodec::Ulaw => ("codec_ulaw.so", "ulaw"),
        RtpCodec::Alaw => ("codec_alaw.so", "alaw"),
        RtpCodec::G722 => ("codec_g722.so", "g722"),
    };
    let mut rows = vec![if running(codec) {
        Row::fine("codec", format_args!("{name} can be converted to"))
    } else {
        Row::warning("codec", format_args!("{codec} is not running: callers in another codec than {name} are not heard"))
    }];
    if config.http.webhook_secret.is_some() {
        let missing: Vec<&str> = ["res_curl.so", "func_curl.so"].into_iter().filter(|name| !running(name)).collect();
        rows.push(match missing.as_slice() {
            [] => Row::fine("announcements", "CURL() is there"),
            missing => {
                Row::warning("announcements", format_args!("{} is not running: no call is announced", missing.join(" and ")))
            }
        });
    }
    let without: Vec<String> =
        WANTED.iter().filter(|(name, _)| !running(name)).map(|(name, what)| format!("{what} ({name})")).collect();
    rows.push(if without.is_empty() {
        Row::fine("features", "all modules are running that any part of the gateway uses")
    } else {
        Row::fine("features", format_args!("not to be had: {}", without.join(", ")))
    });
    rows
}

/// Whether a caller can move the agent's leg.
pub(super) async fn transfer_row(questions: Questions<'_>) -> Row {
    const NAME: &str = "allow_transfer";
    let endpoints: Vec<Endpoint> = match questions.find("endpoints/PJSIP").await {
        Ok(endpoints) => endpoints.unwrap_or_default(),
        Err(why) => return Row::warning(NAME, why),
    };
    let mut open = Vec::new();
    for Endpoint { resource } in endpoints.iter().take(ENDPOINTS_MAX) {
        match questions.find::<Vec<Attribute>>(&format!("asterisk/config/dynamic/res_pjsip/endpoint/{resource}")).await {
            Ok(Some(attributes)) if lets_transfer(&attributes) => open.push(resource.as_str()),
            Ok(_) => {}
            Err(why) => return Row::warning(NAME, format_args!("{resource}: {why}")),
        }
    }
    transfer_verdict(endpoints.len(), &open)
}

fn lets_transfer(attributes: &[Attribute]) -> bool {
    attributes
        .iter()
        .any(|Attribute { attribute, value }| attribute == "allow_transfer" && matches!(value.as_str(), "true" | "yes"))
}

fn transfer_verdict(endpoints: usize, open: &[&str]) -> Row {
    const NAME: &str = "allow_transfer";
    let looked_at = endpoints.min(ENDPOINTS_MAX);
    match (endpoints, open) {
        (0, _) => Row::warning(NAME, "there is no PJSIP endpoint: nobody can call by SIP"),
        (_, []) => Row::fine(NAME, format_args!("no: none of {looked_at} PJSIP endpoints carries the agent's leg away")),
        (_, open) => {
            let named = open[..open.len().min(TOLD_MAX)].join(", ");
            let more = if open.len() > TOLD_MAX { format!(" and {} more", open.len() - TOLD_MAX) } else { String::new() };
            Row::warning(
                NAME,
                format_args!("{named}{more}: a caller's own REFER carries the agent's leg away; set allow_transfer = no"),
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Machine;

    #[test]
    fn endpoints_that_let_callers_transfer_are_named() {
        assert_eq!(
            transfer_verdict(3, &[]),
            Row::fine("allow_transfer", "no: none of 3 PJSIP endpoints carries the agent's leg away")
        );
        let told = format!("{:?}", transfer_verdict(9, &["a", "b", "c", "d", "e", "f", "g"]));
        assert!(told.contains("Warning") && told.contains("a, b, c, d, e and 2 more: "), "{told}");
        assert!(format!("{:?}", transfer_verdict(0, &[])).contains("nobody can call by SIP"));
        let attribute = |name: &str, value: &str| Attribute { attribute: name.into(), value: value.into() };
        assert!(lets_transfer(&[attribute("context", "x"), attribute("allow_transfer", "true")]));
        assert!(!lets_transfer(&[attribute("allow_transfer", "false"), attribute("context", "true")]));
    }

    #[test]
    fn a_missing_module_is_told_by_what_it_costs() {
        let mut config = Config::defaults(&Machine::here());
        let module = |name: &str| Module { name: name.into(), status: "Running".into() };
        let all: Vec<Module> = WANTED.iter().map(|(name, _)| module(name)).chain([module("codec_ulaw.so")]).collect();
        assert_eq!(
            feature_rows(&all, &config),
            [
                Row::fine("codec", "ulaw can be converted to"),
                Row::fine("features", "all modules are running that any part of the gateway uses")
            ]
        );
        config.media.codec = RtpCodec::G722;
        config.http.webhook_secret = Some(vg_domain::pii::Pii::new("s".into()));
        let told = format!("{:?}", feature_rows(&all[1..], &config));
        for part in
            ["codec_g722.so is not running", "res_curl.so and func_curl.so is not running", "hand-over to a queue (app_queue.so)"]
        {
            assert!(told.contains(part), "{part}: {told}");
        }
    }
}
