//! `asterisk config`: snippets that work together with this gateway's configuration.

use super::terminal::say;
use crate::config::Config;
use anyhow::Context;
use clap::Subcommand;
use std::fmt::Write;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Write http, ari, pjsip and extensions snippets that work with this gateway
    Config {
        /// Folder for one file each (readable by the owner only: ari.conf holds a password); default: all to stdout
        #[arg(long, value_name = "DIR")]
        dir: Option<PathBuf>,
        /// Address or network from which callers (the trunk) come
        #[arg(long, value_name = "CIDR", default_value = "127.0.0.1/32")]
        callers: String,
    },
}

/// What the snippets depend on.
struct Choices<'a> {
    app: String,
    user: &'a str,
    password: &'a str,
    http_port: u16,
    callers: &'a str,
    codec: &'static str,
}

const HTTP: &str = include_str!("asterisk/http.conf");
const ARI: &str = include_str!("asterisk/ari.conf");
const PJSIP: &str = include_str!("asterisk/pjsip.conf");
const EXTENSIONS: &str = include_str!("asterisk/extensions.conf");

pub(super) fn run(command: Command, config: &Config) -> anyhow::Result<ExitCode> {
    let Command::Config { dir, callers } = command;
    let configured = config.asterisk.first();
    let made = made_password()?;
    let choices = Choices {
        app: configured.map_or_else(|| Config::app_default(&config.instance), |asterisk| asterisk.app.clone()),
        user: configured.map_or("voice-gateway", |asterisk| asterisk.user.as_str()),
        password: configured.map_or(made.as_str(), |asterisk| asterisk.password.reveal().as_str()),
        http_port: configured.and_then(|asterisk| asterisk.url()?.port_or_known_default()).unwrap_or(8088),
        callers: &callers,
        codec: match config.media.codec {
            crate::config::RtpCodec::Ulaw => "ulaw,alaw",
            crate::config::RtpCodec::Alaw => "alaw,ulaw",
            crate::config::RtpCodec::G722 => "g722,ulaw,alaw",
        },
    };
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

fn snippets(choices: &Choices<'_>) -> [(&'static str, String); 4] {
    let fill = |template: &str| {
        [
            ("@APP@", choices.app.as_str()),
            ("@USER@", choices.user),
            ("@PASSWORD@", choices.password),
            ("@HTTP_PORT@", &choices.http_port.to_string()),
            ("@CALLERS@", choices.callers),
            ("@CODECS@", choices.codec),
        ]
        .iter()
        .fold(template.to_owned(), |text, (mark, value)| text.replace(mark, value))
    };
    [("http.conf", fill(HTTP)), ("ari.conf", fill(ARI)), ("pjsip.conf", fill(PJSIP)), ("extensions.conf", fill(EXTENSIONS))]
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
    file.and_then(|mut file| file.write_all(text.as_bytes())).with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapters::tenants;

    fn choices() -> Choices<'static> {
        Choices {
            app: "vg-one".into(),
            user: "voice-gateway",
            password: "secret",
            http_port: 8088,
            callers: "192.0.2.0/24",
            codec: "ulaw,alaw",
        }
    }

    #[test]
    fn every_mark_is_filled_in() {
        for (name, text) in snippets(&choices()) {
            assert!(!text.contains('@'), "{name}: {text}");
        }
    }

    #[test]
    fn calls_do_not_live_for_ever_and_nobody_moves_the_agent_away() {
        let [_, ari, pjsip, extensions] = snippets(&choices()).map(|(_, text)| text);
        assert!(ari.contains("[voice-gateway]") && ari.contains("password = secret"));
        assert!(pjsip.contains("allow_transfer = no") && pjsip.contains("match = 192.0.2.0/24"));
        let line = |part: &str| extensions.lines().position(|line| line.contains(part));
        let order = [line("TIMEOUT(absolute)="), line("Stasis(vg-one,tenant=demo)"), line("STASISSTATUS"), line("fallback,1")];
        assert!(order.iter().all(Option::is_some) && order.is_sorted(), "{order:?}");
    }

    #[test]
    fn the_place_that_the_demo_tenant_names_is_there() {
        let place = tenants::demo().human.unwrap();
        let (context, extension) = place.split_once(',').unwrap();
        let [.., (_, extensions)] = snippets(&choices());
        let (_, people) = extensions.split_once(&format!("[{context}]")).unwrap();
        assert!(people.contains(&format!("exten => {extension},1,")));
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
