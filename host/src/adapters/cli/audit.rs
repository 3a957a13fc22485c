//! `audit`: whether the audit log is what was written, and its days for a store that writes once.

use super::terminal::say;
use crate::adapters::audit::{Span, export, verify};
use anyhow::{Context, bail};
use clap::Subcommand;
use jiff::civil::Date;
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Find what was changed, removed, moved or cut off; the exit code is 1 where something was
    Verify {
        /// The folder of the audit log, or of an export of it
        dir: PathBuf,
        /// This tenant's only
        #[arg(long, value_name = "ID")]
        tenant: Option<String>,
        /// Files before this day may be gone, as where they were exported and removed
        #[arg(long, value_name = "YYYY-MM-DD")]
        from: Option<Date>,
    },
    /// Copy a tenant's days that are over to a folder, read-only, with a manifest of their hashes
    Export {
        /// The folder of the audit log
        dir: PathBuf,
        /// Whose
        #[arg(long, value_name = "ID")]
        tenant: String,
        /// The first day; default: from the beginning
        #[arg(long, value_name = "YYYY-MM-DD")]
        from: Option<Date>,
        /// The last day; default: the last that is over
        #[arg(long, value_name = "YYYY-MM-DD")]
        to: Option<Date>,
        /// Where to; what lies there is never written again
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
    },
}

pub(super) async fn run(command: Command) -> anyhow::Result<ExitCode> {
    tokio::task::spawn_blocking(move || done(command)).await.context("cannot look at the disk")?
}

fn done(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Verify { dir, tenant, from } => {
            let verified = verify(&dir, tenant.as_deref(), from).with_context(|| format!("cannot read {}", dir.display()))?;
            if verified.tenants.is_empty() {
                bail!("{} holds no audit log", dir.display());
            }
            let mut findings = 0;
            for found in verified.tenants {
                found.findings.iter().for_each(say);
                let wrong = found.findings.len();
                findings += wrong;
                say(format_args!("{}: {} lines, {wrong} findings, head {}", found.tenant, found.lines, found.head));
            }
            Ok(if findings == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
        Command::Export { dir, tenant, from, to, out } => {
            let exported = export(&dir, &tenant, Span { from, to }, &out)?;
            say(format_args!("{} days, {} lines: {}", exported.segments, exported.lines, exported.manifest.display()));
            Ok(ExitCode::SUCCESS)
        }
    }
}
