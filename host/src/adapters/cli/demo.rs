//! `demo`: a recorded caller asks three things, and the conversation is shown with where its time went.

mod asterisk;
mod chaos;
mod verdict;

use super::call::recorded;
use super::conversation::{Transcript, hold};
use super::serve::until_stopped;
use super::terminal::say;
use crate::adapters::media_ws::Format;
use crate::adapters::media_ws::client::{Phone, PhoneConfig, Recording};
use crate::config::{self, Config};
use crate::wiring;
use anyhow::Context;
use clap::Args;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;
use verdict::{Summary, Verdict};
use vg_domain::ids::TenantId;
use vg_media::wav;

/// Where the conversation is kept.
const OUT: &str = "target/demo/conversation.wav";

#[derive(Debug, Args)]
pub(super) struct Options {
    /// Print one machine-readable line at the end
    #[arg(long)]
    json: bool,
    /// Leave the gateway running, at the configured address
    #[arg(long)]
    serve: bool,
    /// Through a real Asterisk, as `cargo xtask demo --asterisk` sets it up
    #[arg(long, conflicts_with = "serve")]
    asterisk: bool,
    /// Let vendors and agent fail, and show what the caller notices of it
    #[arg(long, conflicts_with_all = ["serve", "asterisk", "tenants"])]
    chaos: bool,
    /// Take the tenant from demo.toml of this folder, not the one that is built in: other plugins, the same questions
    #[arg(long, value_name = "FOLDER")]
    tenants: Option<PathBuf>,
}

/// One question of the recorded caller.
pub(super) struct Question {
    words: &'static str,
    wav: &'static [u8],
}

/// The first recordings of `host/demo/manifest.toml` (a test holds them to it).
const QUESTIONS: [Question; 3] = [
    Question { words: "what time is it", wav: include_bytes!("../../../demo/time.wav") },
    Question { words: "what are your opening hours tomorrow", wav: include_bytes!("../../../demo/hours.wav") },
    Question { words: "my order number is nine one four", wav: include_bytes!("../../../demo/order.wav") },
];

pub(super) async fn run(options: Options, config: Config) -> anyhow::Result<ExitCode> {
    let outcome = demo(&options, config).await;
    if options.json && outcome.is_err() {
        // Whoever reads the last line learns of every end.
        say(Summary::default().line()?);
    }
    outcome
}

async fn demo(options: &Options, config: Config) -> anyhow::Result<ExitCode> {
    if options.chaos {
        return chaos::run(options, config).await;
    }
    let config = embedded(config, options);
    if options.asterisk {
        let (recording, transcript) = asterisk::hold(config).await?;
        return Ok(conclude(&recording, transcript, true, options)?.exit_code());
    }
    let begun = Instant::now();
    let gateway = wiring::start(config).await.context("failed to start the gateway")?;
    let address = gateway.http_addr();
    say(format_args!("gateway on http://{address}, ready after {} ms; a recorded caller calls:", begun.elapsed().as_millis()));
    let (recording, transcript, answered) = phone_in(address).await?;
    let verdict = conclude(&recording, transcript, answered, options)?;
    if options.serve {
        say(format_args!("still serving on http://{address}  (Ctrl-C ends)"));
        until_stopped(gateway).await?;
    } else {
        gateway.stop();
        gateway.wait().await;
    }
    Ok(verdict.exit_code())
}

/// The defaults that are shipped, with the plugins of this machine. The operator's Asterisks and tenants stay out of a demo.
fn embedded(config: Config, options: &Options) -> Config {
    let free = SocketAddr::from(([127, 0, 0, 1], 0));
    Config {
        http: config::Http { bind: if options.serve { config.http.bind } else { free }, ..config.http },
        media: config::Media { bind: free, advertise: None, ..config.media },
        asterisk: Vec::new(),
        tenants: config::Tenants {
            dir: options.tenants.clone(),
            default: Some(TenantId::new("demo")),
            map: config::TenantMap::new(),
            manager: None,
        },
        ..config
    }
}

async fn phone_in(address: SocketAddr) -> anyhow::Result<(Recording, Transcript, bool)> {
    let format = Format::Ulaw;
    let rate_hz = format.codec().rate_hz();
    let questions = QUESTIONS.iter().map(|question| recorded(question.wav, rate_hz)).collect::<anyhow::Result<Vec<_>>>()?;
    let url = format!("ws://{address}/media/ws").parse()?;
    let mut phone = Phone::connect(PhoneConfig { url, format, tenant: None }).await.context("failed to call")?;
    let mut transcript = Transcript::default();
    let answered = hold(&mut phone, &questions, &mut transcript).await;
    let (recording, ended) = phone.hang_up().await;
    ended.context("failed to finish the call")?;
    Ok((recording, transcript, answered))
}

/// Keeps the recording, judges the conversation and says so.
fn conclude(recording: &Recording, transcript: Transcript, answered: bool, options: &Options) -> anyhow::Result<Verdict> {
    keep(recording)?;
    let verdict = Verdict::of(&QUESTIONS, transcript.turns, recording, answered);
    verdict.lines().iter().for_each(say);
    say(format_args!("the conversation: {OUT} (caller left, agent right)"));
    if !options.asterisk {
        next(options.serve).iter().for_each(say);
    }
    if options.json {
        say(verdict.summary().line()?);
    }
    Ok(verdict)
}

fn keep(recording: &Recording) -> anyhow::Result<()> {
    let out = Path::new(OUT);
    std::fs::create_dir_all(out.parent().unwrap_or(out)).context("cannot make target/demo")?;
    std::fs::write(out, wav::write_stereo(recording.rate_hz, &recording.caller, &recording.agent))
        .with_context(|| format!("cannot write {OUT}"))
}

/// What to try next, in words that can be pasted.
fn next(serving: bool) -> Vec<String> {
    let program = std::env::args().next().unwrap_or_default();
    let here = std::env::current_dir().unwrap_or_default();
    let program = Path::new(&program).strip_prefix(here).unwrap_or(Path::new(&program)).display();
    let mut tries = vec![
        ("serve", "the gateway by itself"),
        ("call --wav FILE --out heard.wav", "say something of your own to it"),
        ("asterisk config", "connect an Asterisk"),
    ];
    if serving {
        tries.remove(0);
    }
    let lead = |n| if n == 0 { "next: " } else { "      " };
    tries.iter().enumerate().map(|(n, (words, what))| format!("{}{program} {words:32}  {what}", lead(n))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_questions_are_the_first_of_the_manifest() {
        let manifest: toml::Table = include_str!("../../../demo/manifest.toml").parse().unwrap();
        let recordings = manifest["recording"].as_array().unwrap();
        for (question, recording) in QUESTIONS.iter().zip(recordings) {
            assert_eq!(recording["text"].as_str(), Some(question.words));
            let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("demo").join(recording["file"].as_str().unwrap());
            assert!(std::fs::read(file).unwrap() == question.wav, "{}", question.words);
            assert!(!recorded(question.wav, 8000).unwrap().is_empty());
        }
    }
}
