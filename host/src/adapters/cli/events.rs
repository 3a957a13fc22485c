//! `events`: what the spool holds, beside a gateway that writes there, and what events look like.

use super::terminal::say;
use crate::adapters::events::schema::Kind;
use crate::adapters::events::spool::{Filter, Past};
use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use jiff::Timestamp;
use std::fs::File;
use std::io::{BufWriter, Write, stdout};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

/// Read at once.
const BATCH: usize = 512;
/// So often it is looked whether more has come.
const LOOK_EVERY: Duration = Duration::from_millis(200);

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// The last events, one JSON object a line
    Tail {
        /// The folder of events (`[events] dir`)
        dir: PathBuf,
        /// So many
        #[arg(short = 'n', long, default_value_t = 10)]
        lines: usize,
        /// Go on with those that come
        #[arg(short, long)]
        follow: bool,
        #[command(flatten)]
        which: Which,
    },
    /// All events that are there, oldest first, one JSON object a line
    Export {
        /// The folder of events (`[events] dir`)
        dir: PathBuf,
        /// From then on, for example 2026-01-01T00:00:00Z
        #[arg(long, value_name = "TIME")]
        from: Option<Timestamp>,
        /// Before that
        #[arg(long, value_name = "TIME")]
        to: Option<Timestamp>,
        /// Where to; what lies there is not overwritten. Default: standard output
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
        #[command(flatten)]
        which: Which,
    },
    /// JSON Schemas of events: of one type, or the list of types
    Schema {
        /// For example call.started
        r#type: Option<String>,
    },
}

#[derive(Args, Debug)]
pub(super) struct Which {
    /// This tenant's only
    #[arg(long, value_name = "ID")]
    tenant: Option<String>,
    /// This call's only
    #[arg(long, value_name = "ID")]
    call: Option<String>,
    /// Whose type is that, or begins with it
    #[arg(long, value_name = "TYPE")]
    r#type: Option<String>,
}

impl Which {
    fn filter(self) -> Filter {
        Filter { tenant: self.tenant, call: self.call, kind: self.r#type, ..Filter::default() }
    }
}

pub(super) async fn run(command: Command) -> anyhow::Result<ExitCode> {
    tokio::task::spawn_blocking(move || done(command)).await.context("cannot look at the disk")?
}

fn done(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Tail { dir, lines, follow, which } => tail(&dir, lines, follow, &which.filter())?,
        Command::Export { dir, from, to, out, which } => {
            let filter = Filter { from: from.map(SystemTime::from), to: to.map(SystemTime::from), ..which.filter() };
            match out {
                Some(file) => {
                    let new = File::create_new(&file).with_context(|| format!("cannot write {}", file.display()))?;
                    let events = copy(&past(&dir)?, 0, &filter, &mut BufWriter::new(&new))?.0;
                    new.sync_all()?;
                    say(format_args!("{events} events: {}", file.display()));
                }
                None => drop(copy(&past(&dir)?, 0, &filter, &mut BufWriter::new(stdout().lock()))?),
            }
        }
        Command::Schema { r#type: None } => Kind::all().for_each(|kind| say(format_args!("{:<24}{}", kind.name, kind.when))),
        Command::Schema { r#type: Some(name) } => match Kind::named(&name) {
            Some(kind) => say(format_args!("{:#}", kind.schema())),
            None => bail!("there is no event of type {name}: `voice-gateway events schema` lists them"),
        },
    }
    Ok(ExitCode::SUCCESS)
}

fn past(dir: &Path) -> anyhow::Result<Past> {
    Past::open(dir).with_context(|| format!("cannot read {}", dir.display()))
}

fn tail(dir: &Path, lines: usize, follow: bool, filter: &Filter) -> anyhow::Result<()> {
    let past = past(dir)?;
    let mut behind = past.before_last(lines, filter)?;
    loop {
        let (_, place) = copy(&past, behind, filter, &mut stdout().lock())?;
        behind = place;
        if !follow {
            return Ok(());
        }
        std::thread::park_timeout(LOOK_EVERY);
    }
}

/// How many there were, and the last one's place.
fn copy(past: &Past, behind: u64, filter: &Filter, out: &mut impl Write) -> anyhow::Result<(u64, u64)> {
    let (mut events, mut place) = (0, behind);
    loop {
        let batch = past.read(place, BATCH, filter)?;
        let Some(last) = batch.last() else { break };
        place = last.place;
        for stored in &batch {
            writeln!(out, "{}", stored.event)?;
        }
        events += batch.len() as u64;
    }
    out.flush()?;
    Ok((events, place))
}
