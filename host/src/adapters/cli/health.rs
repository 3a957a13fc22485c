//! `health`: the health check of a container that has no other program.

use super::terminal::say;
use super::web;
use crate::config::Config;
use anyhow::Context;
use clap::Args;
use std::process::ExitCode;

#[derive(Debug, Args)]
pub(super) struct Options {
    /// Base URL of the gateway; default: where the configuration says that it serves
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// Ask whether it takes calls, not only whether it is alive
    #[arg(long)]
    ready: bool,
}

pub(super) async fn run(options: Options, config: Option<&Config>) -> anyhow::Result<ExitCode> {
    let base = match (&options.url, config) {
        (Some(url), _) => url.trim_end_matches('/').to_owned(),
        (None, Some(config)) => match (config.http.admin_bind, &config.http.tls) {
            (Some(admin), _) => format!("http://{admin}"),
            (None, None) => format!("http://{}", config.http.bind),
            (None, Some(_)) => anyhow::bail!("http.bind is served with TLS: set http.admin_bind, or give --url"),
        },
        (None, None) => anyhow::bail!("the configuration is wrong, so --url is needed"),
    };
    let question = if options.ready { "ready" } else { "live" };
    let url = format!("{base}/health/{question}");
    let (status, body) = web::get(&url, None).await.with_context(|| format!("cannot ask {url}"))?;
    say(String::from_utf8_lossy(&body));
    Ok(if status.is_success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
