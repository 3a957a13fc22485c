//! `demo --chaos`: the same caller, while one part after the other around the gateway fails.
//!
//! First rungs and agent are on loopback and get into their troubles on purpose ([`trouble`]); the second rungs are the plugins of this machine. Nothing
//! else is different from any other call.

mod story;
mod trouble;

use super::{OUT, Options, QUESTIONS, embedded, keep};
use crate::adapters::cli::call::recorded;
use crate::adapters::cli::conversation::{Transcript, hold};
use crate::adapters::cli::terminal::say;
use crate::adapters::media_ws::Format;
use crate::adapters::media_ws::client::{Phone, PhoneConfig, Recording};
use crate::config::{self, Config, RemoteAgent};
use crate::wiring;
use anyhow::Context;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;
use story::Story;
use trouble::Troubles;

const TENANT: &str = include_str!("chaos/tenant.toml");
const GRAMMAR: &str = include_str!("../../../../demo/demo.jsgf");
/// This machine is all that plugins may reach.
const POLICY: &str = "[defaults]\nnetworks = [\"127.0.0.0/8\"]\n";
/// An answer as a whole; the tenant's own deadline for its first words is shorter.
const ANSWER: Duration = Duration::from_secs(30);

pub(super) async fn run(options: &Options, config: Config) -> anyhow::Result<ExitCode> {
    let troubles = Troubles::start().await.context("failed to start what is to fail")?;
    let config = among(embedded(config, options), &troubles)?;
    let gateway = wiring::start(config).await.context("failed to start the gateway")?;
    say("a recorded caller calls, and around the gateway one part after the other fails:");
    let (recording, transcript, answered) = phone_in(gateway.http_addr(), &troubles).await?;
    keep(&recording)?;
    let story = Story::of(&QUESTIONS, &transcript.told, &recording, answered);
    story.lines().iter().for_each(say);
    say(format_args!("the conversation: {OUT} (caller left, agent right)"));
    if options.json {
        say(story.summary()?);
    }
    gateway.stop();
    gateway.wait().await;
    Ok(story.exit_code())
}

/// The configuration with those in it who are to fail.
fn among(config: Config, troubles: &Troubles) -> anyhow::Result<Config> {
    let folder = Path::new(OUT).with_file_name("chaos");
    let write = |name: &str, text: &str| {
        let file: PathBuf = folder.join(name);
        std::fs::write(&file, text).with_context(|| format!("cannot write {}", file.display())).map(|()| file)
    };
    let tenants = folder.join("tenants");
    std::fs::create_dir_all(&tenants).with_context(|| format!("cannot make {}", tenants.display()))?;
    let tenant = TENANT.replace("LISTENER", &troubles.listener.to_string()).replace("SPEAKER", &troubles.speaker.to_string());
    write("tenants/demo.toml", &tenant)?;
    write("tenants/demo.jsgf", GRAMMAR)?;
    let policy = write("policy.toml", POLICY)?;
    let agent =
        RemoteAgent { url: format!("http://{}", troubles.agent).parse()?, token: None, operator_cas: Vec::new(), answer: ANSWER };
    Ok(Config {
        agent: config::Agent::Http(agent),
        plugins: config::Plugins { policy: Some(policy), ..config.plugins },
        tenants: config::Tenants { dir: Some(tenants), ..config.tenants },
        ..config
    })
}

async fn phone_in(address: SocketAddr, troubles: &Troubles) -> anyhow::Result<(Recording, Transcript, bool)> {
    let format = Format::Ulaw;
    let rate_hz = format.codec().rate_hz();
    let questions = QUESTIONS.iter().map(|question| recorded(question.wav, rate_hz)).collect::<anyhow::Result<Vec<_>>>()?;
    let url = format!("ws://{address}/media/ws").parse()?;
    let mut transcript = Transcript::since(troubles.begin());
    let mut phone = Phone::connect(PhoneConfig { url, format, tenant: None }).await.context("failed to call")?;
    let answered = hold(&mut phone, &questions, &mut transcript).await;
    let (recording, ended) = phone.hang_up().await;
    ended.context("failed to finish the call")?;
    Ok((recording, transcript, answered))
}
