//! The configuration as it is written, and its way to [`Config`].

mod agent;

use super::http::RawHttp;
use super::kafka::RawKafka;
use super::media::RawMedia;
use super::pci::RawPci;
use super::privacy::RawPrivacy;
use super::recording::RawRecording;
use super::state::RawState;
use super::telemetry::RawTelemetry;
use super::tenants::RawTenants;
use super::vault::RawVault;
use super::{Config, Events, Faults, LogFormat, Record, SecretsWithin};
use agent::RawAgent;
use serde::{Deserialize, Deserializer, de};
use std::fmt::Display;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;
use vg_domain::ids::TenantId;
use vg_domain::mask::Mode;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawConfig {
    instance: Option<String>,
    http: RawHttp,
    media: RawMedia,
    asterisk: Vec<RawAsterisk>,
    agent: RawAgent,
    prompts: RawPrompts,
    recording: RawRecording,
    audit: RawAudit,
    events: RawEvents,
    pci: RawPci,
    privacy: RawPrivacy,
    vault: RawVault,
    plugins: RawPlugins,
    tenants: RawTenants,
    state: RawState,
    kafka: RawKafka,
    log: RawLog,
    telemetry: RawTelemetry,
    limits: RawLimits,
    drain: RawDrain,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RawPrompts {
    emergency: Option<PathBuf>,
    #[serde(deserialize_with = "flag")]
    answer_refusals: Option<bool>,
    refusals: Option<PathBuf>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RawAudit {
    dir: Option<PathBuf>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RawEvents {
    dir: Option<PathBuf>,
    #[serde(deserialize_with = "number")]
    mib_max: Option<usize>,
    #[serde(deserialize_with = "number")]
    keep_days: Option<usize>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawAsterisk {
    pub(super) mode: Option<String>,
    pub(super) url: Option<String>,
    pub(super) ca: Option<PathBuf>,
    pub(super) app: Option<String>,
    pub(super) user: Option<String>,
    pub(super) password: Option<String>,
    pub(super) ami: Option<String>,
    pub(super) ami_user: Option<String>,
    pub(super) ami_password: Option<String>,
    pub(super) ami_login: Option<String>,
    pub(super) ami_transport: Option<String>,
    pub(super) ami_ca: Option<PathBuf>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RawPlugins {
    dir: Option<PathBuf>,
    cache_dir: Option<PathBuf>,
    #[serde(deserialize_with = "number")]
    heavy_threads: Option<usize>,
    #[serde(deserialize_with = "number")]
    heavy_sessions_max: Option<usize>,
    store: Option<PathBuf>,
    policy: Option<PathBuf>,
    #[serde(deserialize_with = "paths")]
    operator_cas: Option<Vec<PathBuf>>,
    secrets_env_prefix: Option<String>,
    secrets_dir: Option<PathBuf>,
    record: Option<RawRecord>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RawRecord {
    tenant: Option<String>,
    plugin: Option<String>,
    dir: Option<PathBuf>,
    #[serde(deserialize_with = "number")]
    sessions_max: Option<usize>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RawLog {
    format: Option<String>,
    level: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RawLimits {
    #[serde(deserialize_with = "number")]
    calls_max: Option<usize>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RawDrain {
    #[serde(deserialize_with = "number")]
    grace_s: Option<usize>,
    #[serde(deserialize_with = "number")]
    hand_over_s: Option<usize>,
}

/// A number, or a text that holds one: the environment has nothing else.
pub(super) fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<usize>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "expected a whole number, 0 or more")]
    enum Written {
        Number(usize),
        Text(String),
    }
    match Written::deserialize(deserializer)? {
        Written::Number(number) => Ok(Some(number)),
        Written::Text(text) => match text.parse() {
            Ok(number) => Ok(Some(number)),
            Err(_) => Err(de::Error::custom("expected a whole number, 0 or more")),
        },
    }
}

/// True or false, or a text that says so.
pub(super) fn flag<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<bool>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "expected true or false")]
    enum Written {
        Flag(bool),
        Text(String),
    }
    match Written::deserialize(deserializer)? {
        Written::Flag(flag) => Ok(Some(flag)),
        Written::Text(text) => text.parse().map(Some).map_err(|_| de::Error::custom("expected true or false")),
    }
}

/// A list of paths, or a text that holds them with `:` between, as `PATH` does.
fn paths<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<PathBuf>>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "expected a list of paths")]
    enum Written {
        List(Vec<PathBuf>),
        Text(String),
    }
    Ok(Some(match Written::deserialize(deserializer)? {
        Written::List(paths) => paths,
        Written::Text(text) => text.split(':').filter(|path| !path.is_empty()).map(PathBuf::from).collect(),
    }))
}

impl RawConfig {
    /// Lays what is written over the defaults.
    pub(super) fn resolve(self, defaults: Config, environment: &[(String, String)], faults: &mut Faults) -> Config {
        let mut config = defaults;
        if let Some(instance) = self.instance {
            if !instance.is_empty() && instance == super::slug(&instance) {
                config.instance = instance;
            } else {
                faults.add("instance", "must be lower-case letters, digits and '-'");
            }
        }
        self.http.resolve(&mut config.http, environment, faults);
        self.media.resolve(&mut config.media, faults);
        config.agent = self.agent.resolve(environment, faults);
        config.prompts.emergency = self.prompts.emergency.filter(|file| !file.as_os_str().is_empty());
        config.prompts.answer_refusals = self.prompts.answer_refusals.unwrap_or(config.prompts.answer_refusals);
        config.prompts.refusals = self.prompts.refusals.filter(|dir| !dir.as_os_str().is_empty());
        config.recording = self.recording.resolve(environment, faults);
        config.audit.dir = self.audit.dir.filter(|dir| !dir.as_os_str().is_empty());
        self.events.resolve(&mut config.events, faults);
        self.pci.resolve(&mut config.pci, faults);
        config.privacy = self.privacy.resolve(environment, faults);
        self.plugins.resolve(&mut config, faults);
        if config.pci.mode == Mode::Strict && config.plugins.record.is_some() {
            faults.add("plugins.record", "writes down what callers say as it was said: not where pci.mode is strict");
        }
        self.log.resolve(&mut config, faults);
        config.kafka = self.kafka.resolve(environment, faults);
        if config.kafka.is_some() && config.events.dir.is_none() {
            faults.add(
                "events.dir",
                "is needed: without a folder of its own for events one would be lost with each outage of kafka",
            );
        }
        self.telemetry.resolve(&mut config.telemetry, environment, faults);
        config.vault = self.vault.resolve(environment, faults);
        config.state = self.state.resolve(environment, faults);
        if config.pci.mode == Mode::Strict && config.state.as_ref().is_some_and(|state| state.sound_key.is_some()) {
            faults.add("state.sound_key", "keeps what callers say as they said it: not where pci.mode is strict");
        }
        self.tenants.resolve(&mut config.tenants, environment, faults);
        at_least_one(&mut config.limits.calls_max, "limits.calls_max", self.limits.calls_max, faults);
        if let Some(hand_over_s) = self.drain.hand_over_s {
            config.drain.hand_over = (hand_over_s > 0).then(|| Duration::from_secs(hand_over_s as u64));
        }
        if let Some(grace_s) = self.drain.grace_s {
            config.drain.grace = Duration::from_secs(grace_s as u64);
        }
        for (index, raw) in self.asterisk.into_iter().enumerate() {
            config.asterisk.extend(raw.resolve(index, &config.instance, environment, faults));
        }
        super::asterisk::distinct_apps(&config.asterisk, faults);
        if config.pci.mode == Mode::Strict && !config.asterisk.is_empty() && !config.media.stays_on_trusted_ground() {
            faults.add(
                "media.trusted_networks",
                "is needed: where pci.mode is strict, sound that is not encrypted goes to this machine or to networks that are named here",
            );
        }
        config
    }
}

impl RawEvents {
    fn resolve(self, events: &mut Events, faults: &mut Faults) {
        events.dir = self.dir.filter(|dir| !dir.as_os_str().is_empty());
        let (mut mib, mut days) = (usize::try_from(events.bytes_max >> 20).unwrap_or(usize::MAX), 7);
        at_least_one(&mut mib, "events.mib_max", self.mib_max, faults);
        at_least_one(&mut days, "events.keep_days", self.keep_days, faults);
        events.bytes_max = (mib as u64).saturating_mul(1 << 20);
        events.keep = Duration::from_secs((days as u64).saturating_mul(86_400));
    }
}

impl RawPlugins {
    fn resolve(self, config: &mut Config, faults: &mut Faults) {
        let plugins = &mut config.plugins;
        if let Some(dir) = self.dir.filter(|dir| !dir.as_os_str().is_empty()) {
            plugins.dir = dir;
        }
        if let Some(dir) = self.cache_dir.filter(|dir| !dir.as_os_str().is_empty()) {
            plugins.store = dir.join("store");
            plugins.cache_dir = dir;
        }
        if let Some(dir) = self.store.filter(|dir| !dir.as_os_str().is_empty()) {
            plugins.store = dir;
        }
        plugins.policy = self.policy.filter(|file| !file.as_os_str().is_empty());
        plugins.operator_cas = self.operator_cas.unwrap_or_default();
        plugins.secrets = SecretsWithin {
            env_prefix: self.secrets_env_prefix.filter(|prefix| !prefix.is_empty()),
            dir: self.secrets_dir.filter(|dir| !dir.as_os_str().is_empty()),
        };
        plugins.record = self.record.and_then(|record| record.resolve(faults));
        at_least_one(&mut plugins.heavy_threads, "plugins.heavy_threads", self.heavy_threads, faults);
        at_least_one(&mut plugins.heavy_sessions_max, "plugins.heavy_sessions_max", self.heavy_sessions_max, faults);
    }
}

impl RawRecord {
    fn resolve(self, faults: &mut Faults) -> Option<Record> {
        let mut needed = |key: &str, missing: bool| {
            if missing {
                faults.add(format_args!("plugins.record.{key}"), "is needed");
            }
        };
        needed("tenant", self.tenant.as_deref().unwrap_or_default().is_empty());
        needed("plugin", self.plugin.as_deref().unwrap_or_default().is_empty());
        needed("dir", self.dir.as_ref().is_none_or(|dir| dir.as_os_str().is_empty()));
        let mut sessions_max = 100;
        at_least_one(&mut sessions_max, "plugins.record.sessions_max", self.sessions_max, faults);
        Some(Record { tenant: TenantId::new(self.tenant?), plugin: self.plugin?, dir: self.dir?, sessions_max })
    }
}

impl RawLog {
    fn resolve(self, config: &mut Config, faults: &mut Faults) {
        let format = |text: &str| match text {
            "text" => Ok(LogFormat::Text),
            "json" => Ok(LogFormat::Json),
            _ => Err("expected text or json"),
        };
        set(&mut config.log.format, "log.format", self.format.as_deref(), format, faults);
        let level = |text: &str| match tracing_subscriber::EnvFilter::from_str(text) {
            Ok(_) => Ok(text.to_owned()),
            Err(error) => Err(error.to_string()),
        };
        set(&mut config.log.level, "log.level", self.level.as_deref(), level, faults);
    }
}

pub(super) fn address(text: &str) -> Result<SocketAddr, &'static str> {
    text.parse().map_err(|_| "expected ADDRESS:PORT, for example 127.0.0.1:8080")
}

pub(super) fn set<T, E: Display>(
    slot: &mut T,
    path: &str,
    written: Option<&str>,
    parse: impl Fn(&str) -> Result<T, E>,
    faults: &mut Faults,
) {
    match written.map(parse) {
        None => {}
        Some(Ok(value)) => *slot = value,
        Some(Err(what)) => faults.add(path, what),
    }
}

pub(super) fn at_least_one(slot: &mut usize, path: &str, written: Option<usize>, faults: &mut Faults) {
    match written {
        None => {}
        Some(0) => faults.add(path, "must be at least 1"),
        Some(value) => *slot = value,
    }
}
