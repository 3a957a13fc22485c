//! `asterisk config`: snippets that work together with this gateway's configuration.

use super::terminal::say;
use crate::config::Config;
use anyhow::{Context, bail, ensure};
use clap::{Args, Subcommand};
use ipnet::IpNet;
use std::fmt::Write;
use std::io::{ErrorKind, Write as _};
use std::net::IpAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Write snippets of Asterisk's configuration that work with this gateway
    Config(Options),
}

#[derive(Debug, Args)]
pub(super) struct Options {
    /// Folder for one file each (readable by the owner only: some hold passwords); default: all to stdout
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Address or network from which callers (the trunk) come
    #[arg(long, value_name = "CIDR", default_value = "127.0.0.1/32")]
    callers: String,
    /// Application of a further gateway, tried where the ones before take no call; several are tried in turn
    #[arg(long = "next-app", value_name = "APP")]
    next_apps: Vec<String>,
    /// Where Asterisk reaches this gateway's HTTP side; default: http.bind
    #[arg(long, value_name = "HOST:PORT")]
    gateway: Option<String>,
    /// Where http.tls is set: file on Asterisk's machine with the authorities (PEM) that the gateway's certificate comes from
    #[arg(long = "gateway-ca", value_name = "FILE", default_value = DEBIANS_AUTHORITIES)]
    gateway_ca: String,
}

/// What Debian trusts. Asterisk looks nowhere by itself.
const DEBIANS_AUTHORITIES: &str = "/etc/ssl/certs/ca-certificates.crt";

/// What the snippets depend on.
struct Choices<'a> {
    /// Tried in turn; never empty.
    apps: Vec<String>,
    user: &'a str,
    password: &'a str,
    ami_password: &'a str,
    http_port: u16,
    gateway: String,
    /// Where the gateway's address is served over TLS: the file of the authorities by which Asterisk knows it.
    authorities: Option<&'a str>,
    callers: &'a str,
    codec: &'static str,
    /// None where no gateway listens for announcements.
    webhook_secret: Option<&'a str>,
}

/// A file of Asterisk's configuration.
struct Snippet {
    name: &'static str,
    template: &'static str,
}

const fn snippet(name: &'static str, template: &'static str) -> Snippet {
    Snippet { name, template }
}

/// What the dialplan consists of.
const EXTENSIONS: &str = concat!(include_str!("asterisk/extensions.conf"), include_str!("asterisk/transfer.conf"));
/// What is in it where calls are announced.
const WEBHOOK: &str = include_str!("asterisk/webhook.conf");

const SNIPPETS: [Snippet; 7] = [
    snippet("http.conf", include_str!("asterisk/http.conf")),
    snippet("ari.conf", include_str!("asterisk/ari.conf")),
    snippet("pjsip.conf", include_str!("asterisk/pjsip.conf")),
    snippet("extensions.conf", EXTENSIONS),
    snippet("websocket_client.conf", include_str!("asterisk/websocket_client.conf")),
    snippet("chan_websocket.conf", include_str!("asterisk/chan_websocket.conf")),
    snippet("manager.conf", include_str!("asterisk/manager.conf")),
];

/// Asterisk's usual AMI port.
const AMI_PORT: &str = "5038";

pub(super) fn run(command: Command, config: &Config) -> anyhow::Result<ExitCode> {
    let Command::Config(Options { dir, callers, next_apps, gateway, gateway_ca }) = command;
    let configured = config.asterisk.first();
    ensure!(is_network(&callers), "--callers {callers:?} is no address or network: for example 192.0.2.10 or 192.0.2.0/24");
    let (made, ami) = (made_password()?, made_password()?);
    let own = configured.map_or_else(|| Config::app_default(&config.instance), |asterisk| asterisk.app.clone());
    for app in &next_apps {
        ensure!(is_app(app), "{app:?} is no name of an application: letters, digits, '-' and '_'");
    }
    let choices = Choices {
        apps: [vec![own], next_apps].concat(),
        user: configured.map_or("voice-gateway", |asterisk| asterisk.user.as_str()),
        password: configured.map_or(made.as_str(), |asterisk| asterisk.password.reveal().as_str()),
        ami_password: &ami,
        http_port: configured.and_then(|asterisk| asterisk.url()?.port_or_known_default()).unwrap_or(8088),
        gateway: gateway.unwrap_or_else(|| config.http.bind.to_string()),
        authorities: config.http.tls.is_some().then_some(gateway_ca.as_str()),
        callers: &callers,
        codec: match config.media.codec {
            crate::config::RtpCodec::Ulaw => "ulaw,alaw",
            crate::config::RtpCodec::Alaw => "alaw,ulaw",
            crate::config::RtpCodec::G722 => "g722,ulaw,alaw",
        },
        webhook_secret: config.http.webhook_secret.as_ref().map(|secret| secret.reveal().as_str()),
    };
    ensure!(
        choices.webhook_secret.is_none_or(fits_a_dialplan),
        "http.webhook_secret has characters that a dialplan cannot hold: , ; ( ) $ and quotes"
    );
    ensure!(is_file_name(&gateway_ca), "--gateway-ca {gateway_ca:?} is no whole path of letters, digits and /-_.");
    if let Some(dir) = &dir {
        std::fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
    }
    for (name, text) in snippets(&choices) {
        match &dir {
            None => say(format_args!("; ======== {name}\n{text}")),
            Some(dir) => {
                write_private(&dir.join(name), &text)?;
                say(dir.join(name).display());
            }
        }
    }
    if configured.is_none() {
        // A comment in every .conf, so that stdout stays usable as it is.
        say(format_args!(
            "; The gateway's side:  VG__ASTERISK__0__URL=http://127.0.0.1:{} VG__ASTERISK__0__USER={} \
             VG__ASTERISK__0__PASSWORD=env:ARI_PASSWORD, with the password of ari.conf in ARI_PASSWORD",
            choices.http_port, choices.user
        ));
    }
    Ok(ExitCode::SUCCESS)
}

fn snippets(choices: &Choices<'_>) -> Vec<(&'static str, String)> {
    let announce = choices.webhook_secret.map_or("", |_| " same => n,Gosub(vg-announce,s,1(${EXTEN}))\n");
    let s = choices.authorities.map_or("", |_| "s");
    // Lines of their own, or none.
    let client_tls = choices.authorities.map_or(String::new(), |file| format!("tls_enabled = yes\nca_list_file = {file}\n"));
    let curl_tls = choices.authorities.map_or(String::new(), |file| format!(" same => n,Set(CURLOPT(ssl_cainfo)={file})\n"));
    let marks = [
        ("@ANNOUNCE@\n", announce.to_owned()),
        ("@CLIENT_TLS@\n", client_tls),
        ("@CURL_TLS@\n", curl_tls),
        ("@STASIS@", stasis(&choices.apps)),
        ("@APP@", choices.apps[0].clone()),
        ("@USER@", choices.user.to_owned()),
        ("@PASSWORD@", choices.password.to_owned()),
        ("@AMI_PASSWORD@", choices.ami_password.to_owned()),
        ("@AMI_PORT@", AMI_PORT.to_owned()),
        ("@HTTP_PORT@", choices.http_port.to_string()),
        ("@HTTP_BASE@", format!("http{s}://{}", choices.gateway)),
        ("@WS_BASE@", format!("ws{s}://{}", choices.gateway)),
        ("@CALLERS@", choices.callers.to_owned()),
        ("@CODECS@", choices.codec.to_owned()),
        ("@WEBHOOK_SECRET@", choices.webhook_secret.unwrap_or_default().to_owned()),
    ];
    let fill = |text: String| marks.iter().fold(text, |text, (mark, value)| text.replace(mark, value));
    let whole = |snippet: &Snippet| match (snippet.name, choices.webhook_secret) {
        ("extensions.conf", Some(_)) => format!("{}{WEBHOOK}", snippet.template),
        _ => snippet.template.to_owned(),
    };
    SNIPPETS.iter().map(|snippet| (snippet.name, fill(whole(snippet)))).collect()
}

/// One gateway after the other: `STASISSTATUS` says whether one took the call.
fn stasis(apps: &[String]) -> String {
    let tried = |app: &String| {
        format!(" same => n,Stasis({app},did=${{EXTEN}})\n same => n,GotoIf($[\"${{STASISSTATUS}}\" = \"SUCCESS\"]?done)")
    };
    apps.iter().map(tried).collect::<Vec<_>>().join("\n")
}

fn is_app(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c))
}

/// A whole path, and nothing that says more to a dialplan.
fn is_file_name(path: &str) -> bool {
    path.starts_with('/') && path.chars().all(|c| c.is_ascii_alphanumeric() || "/-_.".contains(c))
}

/// An address, alone or with the length of its network's prefix. Anything else could be a line of its own in `pjsip.conf`.
fn is_network(text: &str) -> bool {
    text.parse::<IpAddr>().is_ok() || text.parse::<IpNet>().is_ok()
}

fn fits_a_dialplan(secret: &str) -> bool {
    secret.chars().all(|c| c.is_ascii_graphic() && !",;()$\"'\\{}[]".contains(c))
}

fn made_password() -> anyhow::Result<String> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| anyhow::anyhow!("no randomness for a password: {error}"))?;
    let mut password = String::new();
    for byte in bytes {
        write!(password, "{byte:02x}")?;
    }
    Ok(password)
}

/// Never over a file that is there: it may be in use.
fn write_private(path: &Path, text: &str) -> anyhow::Result<()> {
    let file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let file = match file {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            bail!("{} is there already and may be in use: name another --dir, or move it away", path.display())
        }
        file => file,
    };
    file.and_then(|mut file| file.write_all(text.as_bytes())).with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapters::tenants;
    use vg_domain::transfer::{Transfer, TransferMode, TransferTarget};

    #[test]
    fn callers_are_an_address_or_a_network_and_nothing_else() {
        for good in ["192.0.2.10", "192.0.2.0/24", "0.0.0.0/0", "2001:db8::/32", "::1"] {
            assert!(is_network(good), "{good}");
        }
        for bad in [
            "",
            "nonsense",
            "192.0.2.0/33",
            "192.0.2.0/",
            "192.0.2/24",
            "::/129",
            "1.2.3.4/24/1",
            "1.2.3.4\nallow_transfer = yes",
        ] {
            assert!(!is_network(bad), "{bad}");
        }
    }

    #[test]
    fn a_file_that_is_there_stays_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("http.conf");
        write_private(&path, "first").unwrap();
        let error = write_private(&path, "second").unwrap_err().to_string();
        assert!(error.contains("is there already") && error.contains("--dir"), "{error}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "first");
    }

    fn choices() -> Choices<'static> {
        Choices {
            apps: vec!["vg-one".into()],
            user: "voice-gateway",
            password: "secret",
            ami_password: "other",
            http_port: 8088,
            gateway: "127.0.0.1:8080".into(),
            authorities: None,
            callers: "192.0.2.0/24",
            codec: "ulaw,alaw",
            webhook_secret: None,
        }
    }

    fn text_of(name: &str, choices: &Choices<'_>) -> String {
        snippets(choices).into_iter().find(|(known, _)| *known == name).unwrap().1
    }

    /// Where each of these stands; they are there, in this order.
    fn in_order(text: &str, parts: &[&str]) {
        let mut from = 0;
        for part in parts {
            let at = text[from..].find(part).unwrap_or_else(|| panic!("{part} is not there, or too early:\n{text}"));
            from += at + part.len();
        }
    }

    #[test]
    fn every_mark_is_filled_in() {
        let all = Choices {
            webhook_secret: Some("hook"),
            authorities: Some("/ca.pem"),
            apps: vec!["a".into(), "b".into()],
            ..choices()
        };
        for choices in [choices(), all] {
            for (name, text) in snippets(&choices) {
                let mark = text
                    .split('@')
                    .nth(1)
                    .filter(|word| !word.is_empty() && word.chars().all(|c| c.is_ascii_uppercase() || c == '_'));
                assert_eq!(mark, None, "{name}: {text}");
            }
        }
    }

    #[test]
    fn calls_do_not_live_for_ever_and_nobody_moves_the_agent_away() {
        let ari = text_of("ari.conf", &choices());
        assert!(ari.contains("[voice-gateway]") && ari.contains("password = secret") && ari.contains("channelvars = VG_TENANT"));
        let pjsip = text_of("pjsip.conf", &choices());
        assert!(pjsip.contains("allow_transfer = no") && pjsip.contains("match = 192.0.2.0/24"));
        let extensions = text_of("extensions.conf", &choices());
        in_order(
            &extensions,
            &[
                "TIMEOUT(absolute)=",
                "PJSIP_TRANSFER_HANDLING()=ari-only",
                "Stasis(vg-one,did=${EXTEN})",
                "STASISSTATUS",
                "fallback,1",
            ],
        );
        assert!(!extensions.contains("announce") && !extensions.contains("\n\n same"), "{extensions}");
    }

    #[test]
    fn gateways_are_tried_in_turn_and_told_before_where_they_listen() {
        let two = Choices { apps: vec!["vg-one".into(), "vg-two".into()], webhook_secret: Some("hook"), ..choices() };
        let extensions = text_of("extensions.conf", &two);
        in_order(
            &extensions,
            &[
                "Gosub(vg-announce,s,1(${EXTEN}))",
                "Stasis(vg-one,did=${EXTEN})",
                "= \"SUCCESS\"]?done)",
                "Stasis(vg-two,did=${EXTEN})",
                "= \"SUCCESS\"]?done)",
                "Goto(people,fallback,1)",
                "[vg-announce]",
                "Bearer hook",
                "CURL(http://127.0.0.1:8080/v1/webhooks/asterisk,did=",
            ],
        );
        let sealed = Choices { authorities: Some("/ca.pem"), ..two };
        in_order(&text_of("extensions.conf", &sealed), &["Set(CURLOPT(ssl_cainfo)=/ca.pem)", "CURL(https://127.0.0.1:8080/"]);
        let client = "uri = wss://127.0.0.1:8080";
        let tls = "tls_enabled = yes\nca_list_file = /ca.pem\n";
        in_order(&text_of("websocket_client.conf", &sealed), &[client, tls, client, tls]);
        assert!(is_file_name("/etc/ssl/ca.pem") && !["", "ca.pem", "/a b", "/a,b", "/a;b"].iter().any(|path| is_file_name(path)));
        assert!(
            fits_a_dialplan("0aZ-_.~+/=")
                && !["a b", "a,b", "a;b", "$x", "a)b", "ü"].iter().any(|secret| fits_a_dialplan(secret))
        );
        assert!(is_app("vg-two_2") && !["", "a,b", "a b", "a(b"].iter().any(|app| is_app(app)));
    }

    #[test]
    fn asterisk_can_connect_by_itself_and_has_a_second_way() {
        let client = text_of("websocket_client.conf", &choices());
        in_order(
            &client,
            &["[vg-events]", "ws://127.0.0.1:8080/ari/ws", "username = voice-gateway", "password = secret", "/media/ws"],
        );
        in_order(
            &text_of("ari.conf", &choices()),
            &[";[vg-one]", ";type = outbound_websocket", ";websocket_client_id = vg-events"],
        );
        let manager = text_of("manager.conf", &choices());
        in_order(&manager, &["bindaddr = 127.0.0.1", "port = 5038", "[voice-gateway]", "secret = other", "deny = ", "permit = "]);
        assert!(text_of("chan_websocket.conf", &choices()).contains("control_message_format = json"));
    }

    #[test]
    fn the_place_that_the_demo_tenant_names_is_there() {
        let place = tenants::demo().human.unwrap();
        let (context, extension) = place.split_once(',').unwrap();
        let extensions = text_of("extensions.conf", &choices());
        let (_, people) = extensions.split_once(&format!("[{context}]")).unwrap();
        assert!(people.contains(&format!("exten => {extension},1,")));
    }

    #[test]
    fn every_way_of_a_hand_over_leads_back_to_the_gateway() {
        let extensions = text_of("extensions.conf", &choices());
        let context = |name: &str| {
            let (_, from) = extensions.split_once(&format!("[{name}]\n")).unwrap();
            from.split_once("\n[").map_or(from, |(context, _)| context).to_owned()
        };
        for way in ["vg-queues", "vg-extensions", "vg-outside", "vg-refer"] {
            assert!(context(way).trim_end().ends_with("Goto(vg-back,s,1)"), "{way}");
        }
        // A gateway that was started anew gives the caller to the tenant by what was dialled, and to nobody else.
        in_order(&context("vg-back"), &["Stasis(${VG_APP},returned,", ",tenant=${VG_TENANT},did=${VG_DID})"]);
        in_order(&context("vg-inbound"), &["Set(VG_DID=${EXTEN})", "Stasis("]);
        let transfer = tenants::demo().transfer;
        for (target, way) in
            [(TransferTarget::Queue("sales".into()), "vg-queues"), (TransferTarget::Extension("12".into()), "vg-extensions")]
        {
            let wish = Transfer { target, mode: TransferMode::Blind, summary: None };
            assert_eq!(transfer.resolve(&wish, None).unwrap().place().unwrap().context(), way);
        }
    }

    #[test]
    fn files_are_private_and_never_overwritten() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ari.conf");
        write_private(&path, "x").unwrap();
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert!(write_private(&path, "y").is_err());
        assert_ne!(made_password().unwrap(), made_password().unwrap());
    }
}
