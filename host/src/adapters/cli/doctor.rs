//! `doctor`: what of the surroundings helps or hinders the gateway.

mod asterisk;
mod kafka;
mod machine;
mod recordings;
mod report;
mod state;
mod tenants;
mod vault;

use super::terminal::say;
use super::web;
use crate::adapters::tenants::FolderTenants;
use crate::config::{self, Config, Sockets};
use clap::Args;
use report::{Report, Row};
use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;
use url::Url;
use vg_plugin_host::links::grant::HostRule;
use vg_plugin_host::policy::Policy;
use vg_plugin_host::{HeavyConfig, HostConfig, PluginHost};

#[derive(Debug, Args)]
pub(super) struct Options {
    /// Insist on Asterisk: none configured is a fault
    #[arg(long)]
    asterisk: bool,
}

pub(super) async fn run(options: Options, config: Config) -> anyhow::Result<ExitCode> {
    let mut report = Report::default();
    let read = config.clone();
    let (plugins, connections) = tokio::task::spawn_blocking(move || (plugin_rows(&read), connection_rows(&read))).await?;
    report.extend("plugins", plugins);
    report.extend("ports", [vec![http_row(config.http.bind).await], media_rows(&config)].concat());
    report.extend("connections", connections);
    report.extend("machine", machine::rows());
    report.extend("state", vec![state::row(config.state.as_ref()).await]);
    report.extend("tenants", vec![tenants::row(&config).await]);
    report.extend("cards", vec![vault::row(config.vault.as_ref()).await]);
    let mut asterisks = Vec::new();
    for configured in &config.asterisk {
        asterisks.extend(asterisk::rows(configured, &config).await);
    }
    if asterisks.is_empty() {
        let none = "none is configured ([[asterisk]]): calls come by the media WebSocket only";
        asterisks.push(if options.asterisk { Row::fault("asterisk", none) } else { Row::fine("asterisk", none) });
    }
    report.extend("asterisk", asterisks);
    report.extend("recordings", vec![recordings::row(config.recording.store.as_ref()).await]);
    report.extend("events", kafka::rows(config.kafka.as_ref()).await);
    say(&report);
    Ok(if report.faults() == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Loads every plugin as `serve` would; compiles what is not in the cache.
fn plugin_rows(config: &Config) -> Vec<Row> {
    let dir = &config.plugins.dir;
    let mut files: Vec<_> = match std::fs::read_dir(dir) {
        Ok(entries) => entries.filter_map(|entry| Some(entry.ok()?.path())).collect(),
        Err(error) => return vec![Row::fault("folder", format_args!("cannot read {}: {error}", dir.display()))],
    };
    files.retain(|file| file.extension().is_some_and(|extension| extension == "wasm"));
    files.sort();
    if files.is_empty() {
        return vec![Row::fault("folder", format_args!("{} has no *.wasm (cargo xtask plugins builds them)", dir.display()))];
    }
    let heavy = HeavyConfig { threads: 1, sessions_max_per_thread: 1 };
    let host = match PluginHost::new(HostConfig { heavy, ..HostConfig::new(&config.plugins.cache_dir) }) {
        Ok(host) => host,
        Err(error) => return vec![Row::fault("engine", format_args!("{:#}", anyhow::Error::from(error)))],
    };
    let row = |file: &std::path::PathBuf| {
        let name = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        match host.load(file) {
            Ok(plugin) => {
                let about = plugin.descriptor();
                Row::fine(&name, format!("{} {}, {:?}", about.kind.as_str(), about.version, about.compute).to_lowercase())
            }
            Err(error) => Row::fault(&name, format_args!("{:#}", anyhow::Error::from(error))),
        }
    };
    files.iter().map(row).collect()
}

/// A row for each connection that others could read along, or one that says that there is none. Blocks on the disk.
fn connection_rows(config: &Config) -> Vec<Row> {
    let mut rows: Vec<_> = config
        .plain()
        .iter()
        .map(|plain| Row::warning(&plain.setting, format_args!("{} is spoken to unencrypted", plain.to)))
        .collect();
    if config.http.tls.is_none() && !config.http.bind.ip().is_loopback() {
        rows.push(Row::warning(
            "http.tls_cert",
            format_args!("{} is served unencrypted: have TLS in front of it", config.http.bind),
        ));
    }
    rows.extend(config.plugins.policy.as_deref().map(policy_rows).unwrap_or_default());
    match &config.tenants.manager {
        None => rows.extend(tenant_rows(config)),
        Some(_) if rows.is_empty() => {
            let unknown = "all that is configured here; where tenants point plugins is the tenant-manager's to know";
            rows.push(Row::fine("encryption", unknown));
        }
        Some(_) => {}
    }
    if rows.is_empty() {
        rows.push(Row::fine("encryption", "all that leaves this machine"));
    }
    rows
}

/// A row for each rule that lets plugins, or webhooks (`plugin.webhooks`), speak in the clear to another machine.
fn policy_rows(file: &Path) -> Vec<Row> {
    let text = match std::fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) => return vec![Row::fault("plugins.policy", format_args!("cannot read {}: {error}", file.display()))],
    };
    let policy = match Policy::parse(&text) {
        Ok(policy) => policy,
        Err(faults) => return faults.iter().map(|fault| Row::fault("plugins.policy", fault)).collect(),
    };
    let for_all = policy.terms("").reach.hosts;
    let mut rows = plain_rules("defaults", &for_all);
    // It is TOML, or it were no policy.
    let sections = text.parse::<toml::Table>().unwrap_or_default();
    let plugins = sections.get("plugin").and_then(toml::Value::as_table);
    for name in plugins.into_iter().flat_map(|plugins| plugins.keys()) {
        let mut own = policy.terms(name).reach.hosts;
        own.retain(|rule| !for_all.contains(rule));
        rows.extend(plain_rules(&format!("plugin.{name}"), &own));
    }
    rows
}

fn plain_rules(section: &str, rules: &[HostRule]) -> Vec<Row> {
    let row =
        |rule: &HostRule| Row::warning(format_args!("{section}.hosts"), format_args!("{rule} may be spoken to unencrypted"));
    rules.iter().filter(|rule| rule.is_plain()).map(row).collect()
}

/// A row for each place on another machine that a tenant of the folder names in the clear, as a webhook or a plugin's endpoint.
fn tenant_rows(config: &Config) -> Vec<Row> {
    let draft = FolderTenants::new(config.tenants.dir.as_deref(), None).read();
    let webhooks = draft.settings().flat_map(|settings| {
        let setting = move |name: &str| format!("{}: events.webhooks: {name}", settings.tenant);
        settings.webhooks.iter().map(move |webhook| (setting(&webhook.name), webhook.url.clone()))
    });
    let endpoints = draft.rungs().filter_map(|(tenant, rung)| {
        let options: serde_json::Value = serde_json::from_str(&rung.provider.options).ok()?;
        Some((format!("{tenant}: {}.options.endpoint", rung.path), options.get("endpoint")?.as_str()?.to_owned()))
    });
    let row = |(setting, url): (String, String)| {
        // The rest of a URL may be nobody's business.
        let host = config::readable(&Url::parse(&url).ok()?)?;
        Some(Row::warning(setting, format_args!("{host} is to be spoken to unencrypted")))
    };
    webhooks.chain(endpoints).filter_map(row).collect()
}

/// An address in use is right where it is a gateway that uses it.
async fn http_row(bind: SocketAddr) -> Row {
    let in_use = match std::net::TcpListener::bind(bind) {
        Ok(_) => return Row::fine("http", format_args!("{bind} is free")),
        Err(error) => error,
    };
    match web::get(&format!("http://{bind}/health/live"), None).await {
        Ok((status, body)) if status.is_success() && body.starts_with(b"{\"status\":\"live\"") => {
            Row::fine("http", format_args!("{bind} is served by a running gateway"))
        }
        _ => Row::fault("http", format_args!("{bind}: {in_use}")),
    }
}

/// A row for each socket that calls share, or one for those that they have each.
fn media_rows(config: &Config) -> Vec<Row> {
    let media = &config.media;
    let (ip, port) = (media.bind.ip(), media.bind.port());
    if media.sockets == Sockets::PerCall {
        return vec![udp_row("media", SocketAddr::new(ip, 0), media)];
    }
    let shards = if port == 0 { 1 } else { u16::try_from(media.shards.get()).unwrap_or(u16::MAX) };
    (0..shards).map(|nth| udp_row("media", SocketAddr::new(ip, port.saturating_add(nth.saturating_mul(2))), media)).collect()
}

fn udp_row(name: &str, bind: SocketAddr, media: &config::Media) -> Row {
    match std::net::UdpSocket::bind(bind) {
        Ok(_) if !media.stays_on_trusted_ground() => Row::warning(
            name,
            format_args!("{bind} is free; RTP is not encrypted, and media.trusted_networks does not name its network"),
        ),
        Ok(_) if !bind.ip().is_loopback() => Row::fine(name, format_args!("{bind} is free, on a trusted network")),
        Ok(_) => Row::fine(name, format_args!("{bind} is free; loopback reaches an Asterisk on this machine only")),
        Err(error) => Row::fault(name, format_args!("{bind}: {error}")),
    }
}
