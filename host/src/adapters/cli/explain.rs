//! `explain`: one page per call, asked of a running gateway: who waited for whom, who fell, why it ended.

use super::terminal::say;
use super::web;
use crate::adapters::here::leads_here;
use crate::config::{Config, resolve_secret, texts};
use anyhow::{Context, bail};
use clap::Args;
use http_body_util::Empty;
use hyper::Request;
use hyper::header::{ACCEPT, AUTHORIZATION, HeaderValue};
use serde_json::Value;
use std::path::PathBuf;
use std::process::ExitCode;
use url::Url;

/// Where a token is looked for where nobody says otherwise.
const TOKEN: &str = "VOICE_GATEWAY_TOKEN";

#[derive(Debug, Args)]
pub(super) struct Options {
    /// The call, as the log and `GET /v1/calls` name it
    call: String,
    /// Base URL of the gateway; default: where the configuration says that it serves
    #[arg(long, value_name = "URL")]
    url: Option<Url>,
    /// The token, as env:NAME or file:PATH, never itself; default: env:VOICE_GATEWAY_TOKEN where that is set
    #[arg(long, value_name = "REFERENCE")]
    token: Option<String>,
    /// Whose call it is, where the gateway asks for no token; default: its own default tenant
    #[arg(long, value_name = "ID")]
    tenant: Option<String>,
    /// Authorities (PEM) that are believed instead of the system's
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// The same for programs
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(options: Options, config: Option<&Config>) -> anyhow::Result<ExitCode> {
    let base = match (&options.url, config) {
        (Some(url), _) => url.clone(),
        (None, Some(config)) if config.http.tls.is_none() => format!("http://{}", config.http.bind).parse()?,
        (None, Some(_)) => bail!("http.bind is served with TLS: give --url, with the name that its certificate has"),
        (None, None) => bail!("the configuration is wrong, so --url is needed"),
    };
    let mut url = base.clone();
    match url.path_segments_mut() {
        Ok(mut segments) => drop(segments.pop_if_empty().extend(["v1", "calls", &options.call, "explain"])),
        Err(()) => bail!("{base} is no URL of a gateway"),
    }
    let kind = if options.json { "application/json" } else { "text/plain" };
    let mut request = Request::get(url.as_str()).header(ACCEPT, kind);
    if let Some(token) = token(options.token.as_deref())? {
        if url.scheme() != "https" && !leads_here(&url) {
            bail!("to another machine the token goes by https only, and {base} is not");
        }
        request = request.header(AUTHORIZATION, token);
    }
    if let Some(tenant) = &options.tenant {
        request = request.header("x-tenant-id", tenant);
    }
    let asked = web::ask(request.body(Empty::new())?, options.ca.as_deref()).await;
    let (status, body) = asked.with_context(|| format!("cannot ask {base}"))?;
    if status.is_success() {
        say(String::from_utf8_lossy(&body).trim_end());
        return Ok(ExitCode::SUCCESS);
    }
    // What answers may be something else altogether.
    let problem: Value = serde_json::from_slice(&body).unwrap_or_default();
    let code = problem["code"].as_str().unwrap_or("no gateway's answer");
    bail!("{base} does not explain it: {} {code}{}", status.as_u16(), hint(code))
}

fn token(reference: Option<&str>) -> anyhow::Result<Option<HeaderValue>> {
    let (environment, _) = texts(std::env::vars_os());
    let standing = || environment.iter().any(|(name, _)| name == TOKEN).then(|| format!("env:{TOKEN}"));
    let Some(reference) = reference.map(str::to_owned).or_else(standing) else { return Ok(None) };
    let token = resolve_secret(&reference, &environment).map_err(anyhow::Error::msg).context("cannot use --token")?;
    let mut value = HeaderValue::from_str(&format!("Bearer {}", token.reveal())).context("the token cannot stand in a header")?;
    value.set_sensitive(true);
    Ok(Some(value))
}

fn hint(code: &str) -> &'static str {
    match code {
        "call_unknown" => " (another tenant's, forgotten since, or another gateway's)",
        "token_missing" => " (--token env:NAME or file:PATH)",
        "not_found" => " (http.api has to be on there)",
        _ => "",
    }
}
