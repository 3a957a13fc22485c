//! `tenant test`: a tenant's settings are dialled before they go live, with the operator's plugins, policy and keys, and without any Asterisk.

mod report;

use super::call::recorded;
use super::conversation::{Transcript, hold};
use super::terminal::say;
use crate::adapters::media_ws::Format;
use crate::adapters::media_ws::client::{Phone, PhoneConfig};
use crate::config::{self, Config};
use crate::wiring::{self, Running};
use anyhow::Context;
use clap::Subcommand;
use report::{Heard, Report};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;
use tokio::time::{interval, timeout};
use vg_domain::ids::TenantId;

/// Time for a call's remains to go once the phone has hung up.
const LEFT: Duration = Duration::from_secs(10);

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Call a tenant as a caller would, and say for each part of its settings what happened
    Test {
        /// The tenant's uuid or slug
        id: String,
        /// What the caller says, after the greeting; several are said one after another, each after the answer before
        #[arg(long = "wav", value_name = "FILE")]
        questions: Vec<PathBuf>,
        /// Where the conversation goes, in stereo: caller left, agent right
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
}

pub(super) async fn run(command: Command, config: Config) -> anyhow::Result<ExitCode> {
    let Command::Test { id, questions, out } = command;
    let format = Format::Ulaw;
    let rate_hz = format.codec().rate_hz();
    let read = |file: &PathBuf| {
        let bytes = std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
        recorded(&bytes, rate_hz).with_context(|| format!("cannot use {}", file.display()))
    };
    let questions = questions.iter().map(read).collect::<anyhow::Result<Vec<_>>>()?;
    let gateway = wiring::start(alone(config)).await.context("failed to start the gateway")?;
    let tried = tried(&gateway, &id, format, &questions, out.as_deref()).await;
    gateway.stop();
    gateway.wait().await;
    let report = tried?;
    report.lines().iter().for_each(say);
    Ok(if report.is_right() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The operator's configuration, but for whom it serves: nobody from outside.
fn alone(config: Config) -> Config {
    let free = SocketAddr::from(([127, 0, 0, 1], 0));
    Config {
        http: config::Http { bind: free, webhook_secret: None, ..config.http },
        media: config::Media { bind: free, advertise: None, ..config.media },
        asterisk: Vec::new(),
        recording: config::Recording::default(),
        ..config
    }
}

async fn tried(
    gateway: &Running,
    id: &str,
    format: Format,
    questions: &[Vec<i16>],
    out: Option<&Path>,
) -> anyhow::Result<Report> {
    let settings = match gateway.tenant(&TenantId::new(id)).await {
        Ok(settings) => settings,
        Err(error) => return Ok(Report::without_settings(error.code())),
    };
    let url = format!("ws://{}/media/ws", gateway.http_addr()).parse()?;
    let phone = PhoneConfig { url, format, tenant: Some(id.to_owned()) };
    let mut phone = Phone::connect(phone).await.context("failed to call")?;
    let mut transcript = Transcript::default();
    let answered = hold(&mut phone, questions, &mut transcript).await;
    let (recording, ended) = phone.hang_up().await;
    if let Some(out) = out {
        let wav = vg_media::wav::write_stereo(recording.rate_hz, &recording.caller, &recording.agent);
        std::fs::write(out, wav).with_context(|| format!("cannot write {}", out.display()))?;
    }
    ended.context("failed to finish the call")?;
    settled(gateway).await;
    let heard = Heard { answered, questions: questions.len(), turns: transcript.turns, falls: transcript.falls };
    Ok(Report::of(&settings, heard, &recording, gateway.session_ends()))
}

/// Sessions are counted when they end.
async fn settled(gateway: &Running) {
    let over = async {
        let mut look = interval(Duration::from_millis(20));
        while gateway.held() != wiring::Held::default() {
            look.tick().await;
        }
    };
    if timeout(LEFT, over).await.is_err() {
        tracing::warn!(held = ?gateway.held(), "something of the call is left");
    }
}
