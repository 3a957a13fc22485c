//! `speech-sim`: the vendors on this machine, for whoever has no key.

use anyhow::Context;
use clap::Parser;
use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use vg_sim::{Identity, Latencies, Local, Server, Sim, TROUBLES};

/// Simulates Google, Azure, AWS, OpenAI, Deepgram, ElevenLabs and an engine of one's own, all at one address. Point a plugin at it with
/// its option `endpoint`.
#[derive(Debug, Parser)]
#[command(name = "speech-sim", version)]
struct Options {
    /// Where it listens
    #[arg(long, default_value = "127.0.0.1:8090", value_name = "ADDRESS")]
    bind: SocketAddr,
    /// Speak TLS; the authority's certificate is written to this folder as vendors-ca.pem
    #[arg(long, value_name = "FOLDER")]
    tls: Option<PathBuf>,
    /// Hear and speak with stt-local.wasm and tts-local.wasm of this folder; without it only the recordings of the fixtures are
    /// understood, and words are tones
    #[arg(long, value_name = "FOLDER", requires = "grammar")]
    plugins: Option<PathBuf>,
    /// What may be said, for stt-local (JSGF)
    #[arg(long, value_name = "FILE", requires = "plugins")]
    grammar: Option<PathBuf>,
    /// Make one wait as the vendors do
    #[arg(long)]
    wait: bool,
    /// Distributions in place of those that come with the program (TOML)
    #[arg(long, value_name = "FILE", requires = "wait")]
    latency: Option<PathBuf>,
    /// Where equal waits come from
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Make trouble: NAME, NAME=NUMBER, or NAME=NUMBERxTIMES; `help` lists the names, tests/sim/src/VENDOR.rs says what they do
    #[arg(long, value_name = "TROUBLE")]
    fault: Vec<String>,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    if options.fault.iter().any(|fault| fault == "help") {
        say(troubles().trim_end());
        return Ok(());
    }
    let faults = options.fault.iter().map(|fault| trouble(fault)).collect::<anyhow::Result<Vec<_>>>()?;
    let latencies = match (&options.latency, options.wait) {
        (Some(file), _) => {
            Latencies::read(&std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?)?
        }
        (None, true) => Latencies::published(),
        (None, false) => Latencies::default(),
    };
    say(latencies.to_string().trim_end());
    let cache = tempfile::tempdir()?;
    let engines = match (options.plugins.clone(), &options.grammar) {
        (Some(folder), Some(grammar)) => {
            let grammar = std::fs::read_to_string(grammar).with_context(|| format!("cannot read {}", grammar.display()))?;
            let cache = cache.path().to_owned();
            Some(tokio::task::spawn_blocking(move || Local::load(&folder, &cache, &grammar)).await??)
        }
        _ => None,
    };
    let sim = Arc::new(Sim::new(engines, latencies, options.seed));
    for (name, with, times) in faults {
        sim.inject(name, with, times);
    }
    let identity = options.tls.as_ref().map(|_| Identity::new()).transpose()?;
    if let (Some(identity), Some(folder)) = (&identity, &options.tls) {
        say(format_args!("authority: {}", identity.write_authority(folder)?.display()));
    }
    let server = Server::start(Arc::clone(&sim), options.bind, identity.as_ref())
        .await
        .with_context(|| format!("cannot listen on {}: choose another with --bind", options.bind))?;
    say(format_args!("vendors on {}  (Ctrl-C ends)", server.origin()));
    let mut told = 0;
    loop {
        tokio::select! {
            ended = tokio::signal::ctrl_c() => return Ok(ended?),
            () = tokio::time::sleep(std::time::Duration::from_millis(500)) => {
                for offence in sim.offences().iter().skip(told) {
                    say(format_args!("{}: {}", offence.vendor.name(), offence.what));
                    told += 1;
                }
            }
        }
    }
}

/// One line. A closed pipe is no fault: nobody reads any more.
fn say(line: impl std::fmt::Display) {
    let _closed_pipe = writeln!(std::io::stdout(), "{line}");
}

fn trouble(text: &str) -> anyhow::Result<(&str, u32, Option<u32>)> {
    let (name, number) = text.split_once('=').unwrap_or((text, "0"));
    // One that is misspelt would be no trouble at all.
    let is_known = TROUBLES.iter().any(|(_, names)| names.contains(&name));
    anyhow::ensure!(is_known, "{name} is no trouble; these are:\n{}", troubles().trim_end());
    let (with, times) = number.split_once('x').map_or((number, None), |(with, times)| (with, Some(times)));
    let read = |number: &str| number.parse().with_context(|| format!("{text} is not NAME, NAME=NUMBER or NAME=NUMBERxTIMES"));
    Ok((name, read(with)?, times.map(read).transpose()?))
}

/// A line for each vendor.
fn troubles() -> String {
    TROUBLES.iter().map(|(whose, names)| format!("{whose}: {}\n", names.join(" "))).collect()
}
