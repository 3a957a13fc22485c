//! What the operator has chosen: one TOML file, overridden by the environment (`VG__SECTION__KEY`).
//!
//! [`Config`] is parsed and complete: inside the house nothing is checked again. All faults are reported together, each with
//! its path. Every default stands in [`Config::defaults`], and `voice-gateway.example.toml` shows them (a test holds it to that).

mod agent;
mod asterisk;
mod here;
mod http;
mod kafka;
mod media;
pub(crate) mod pci;
mod plain;
mod privacy;
mod raw;
mod recording;
mod secret;
mod source;
mod state;
mod telemetry;
mod tenants;
mod vault;

pub use agent::{Agent, ChatAgent, RemoteAgent};
pub(crate) use here::leads_here;
pub use http::{Api, Http, Tls, Tokens};
pub use kafka::{Kafka, KafkaCompression, KafkaLogin, KafkaMechanism, KafkaTransport};
pub use media::{Media, OnSilentPath, RtpCodec, Sockets, is_trusted};
pub use pci::Pci;
pub use plain::Plain;
pub(crate) use plain::readable;
pub use privacy::Privacy;
pub use recording::{Recording, RecordingStore};
pub(crate) use secret::resolve as resolve_secret;
pub use source::{Fault, Faults};
pub(crate) use source::{read_table, texts};
pub use state::{State, StateMode, StateTls};
pub use telemetry::{Otlp, Telemetry};
pub use tenants::{Line, TenantManager, TenantMap};
pub use vault::Vault;

use raw::RawConfig;
use std::ffi::OsString;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::Duration;
use vg_domain::ids::TenantId;
use vg_domain::pii::Pii;
use vg_media::Silence;

/// Everything the operator can choose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Name of this gateway among its siblings; part of its ARI app names.
    pub instance: String,
    /// The HTTP side.
    pub http: Http,
    /// The sound side.
    pub media: Media,
    /// The Asterisks it serves; empty where calls come by the media WebSocket only.
    pub asterisk: Vec<Asterisk>,
    /// Who thinks.
    pub agent: Agent,
    /// What the gateway says by itself.
    pub prompts: Prompts,
    /// Where calls are written down.
    pub recording: Recording,
    /// Where acts and calls are written down so that nothing of it can be changed unseen.
    pub audit: Audit,
    /// `[events]`
    pub events: Events,
    /// How card data is masked.
    pub pci: Pci,
    /// How callers can be found again without their numbers.
    pub privacy: Privacy,
    /// Who keeps cards that callers key in; none: nobody, and nobody is asked for one.
    pub vault: Option<Vault>,
    /// Speech plugins.
    pub plugins: Plugins,
    /// Where tenants come from.
    pub tenants: Tenants,
    /// Where calls are kept beyond this gateway; none: nowhere.
    pub state: Option<State>,
    /// Where events go; none: nowhere.
    pub kafka: Option<Kafka>,
    /// What is logged, and how.
    pub log: Log,
    /// Where traces go.
    pub telemetry: Telemetry,
    /// How much is taken on.
    pub limits: Limits,
    /// How it stops.
    pub drain: Drain,
}

/// One `[[asterisk]]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asterisk {
    /// Who connects to whom.
    pub mode: AsteriskMode,
    /// Name of the Stasis application; where Asterisk connects, of the section `type = outbound_websocket` in its ari.conf.
    pub app: String,
    /// ARI user; where Asterisk connects, the one that it has to show.
    pub user: String,
    /// Its password.
    pub password: Pii<String>,
    /// What carries events and commands while ARI is away; none: nothing does.
    pub ami: Option<AmiAccess>,
}

impl Asterisk {
    /// Where this gateway connects to it.
    pub fn url(&self) -> Option<&url::Url> {
        match &self.mode {
            AsteriskMode::Dial { url, .. } => Some(url),
            AsteriskMode::Accept => None,
        }
    }
}

/// Who connects to whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AsteriskMode {
    /// This gateway connects.
    Dial {
        /// Base URL of its HTTP server, for example `http://127.0.0.1:8088`.
        url: url::Url,
        /// File of the authorities (PEM) that its certificate must come from; none: the system's.
        ca: Option<PathBuf>,
    },
    /// Asterisk connects, to `/ari/ws` of the HTTP side.
    Accept,
}

/// The manager interface of an Asterisk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AmiAccess {
    /// `host:port`.
    pub address: String,
    /// A user of manager.conf.
    pub user: String,
    /// Its secret.
    pub password: Pii<String>,
    /// How the secret is shown.
    pub login: AmiLogin,
    /// Whether it is encrypted.
    pub transport: AmiTransport,
}

/// Whether a manager interface is encrypted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AmiTransport {
    /// It is not.
    Plain,
    /// By TLS.
    Tls {
        /// PEM file of the authorities that its certificate must come from; none: the system's.
        ca: Option<PathBuf>,
    },
}

/// How the secret of a manager is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AmiLogin {
    /// By the answer to a challenge.
    Challenge,
    /// As it is.
    Plain,
}

/// `[prompts]`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Prompts {
    /// A WAV file that is played when no speaker is left; none: the shipped one.
    pub emergency: Option<PathBuf>,
    /// Refused calls are answered and told why. An answered call costs money, and a refusal in words hides the refusal from the trunk.
    pub answer_refusals: bool,
    /// Folder of the operator's own words for refusals, `<code>.wav`; where one is missing, and without the folder, the shipped ones.
    pub refusals: Option<PathBuf>,
}

/// `[audit]`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Audit {
    /// Folder of the audit log, one folder in it for each tenant; this gateway's own. None: acts are told in the log alone.
    pub dir: Option<PathBuf>,
}

/// `[events]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Events {
    /// Folder in which events of calls are kept, this gateway's own; none: they are remembered for a while and not kept.
    pub dir: Option<PathBuf>,
    /// The room that they may take, in bytes.
    pub bytes_max: u64,
    /// What needs to go nowhere, or is there, is forgotten after so long.
    pub keep: Duration,
}

/// `[plugins]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plugins {
    /// Folder of `<name>.wasm`.
    pub dir: PathBuf,
    /// Folder of compiled plugins. What lies there is run as native code: it must belong to the gateway's user alone.
    pub cache_dir: PathBuf,
    /// Threads for plugins that run a model.
    pub heavy_threads: usize,
    /// Sessions that such a thread serves at most; one more is refused with `session-limit`.
    pub heavy_sessions_max: usize,
    /// Folder of plugins that were pulled: what `name@version` and `oci://…` mean.
    pub store: PathBuf,
    /// The operator's policy file; none: no egress, and the plugins of the folder run as they are.
    pub policy: Option<PathBuf>,
    /// Certificates (PEM) of the operator's own authorities, trusted beside the system's.
    pub operator_cas: Vec<PathBuf>,
    /// What tenants' references of secrets may mean.
    pub secrets: SecretsWithin,
    /// Whose sessions are recorded; none: nobody's.
    pub record: Option<Record>,
}

/// Tenants may refer to these secrets and no others; to any that the gateway can read where neither is set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SecretsWithin {
    /// Environment variables whose names begin so.
    pub env_prefix: Option<String>,
    /// Files in this folder.
    pub dir: Option<PathBuf>,
}

/// `[plugins.record]`: sessions of one tenant and plugin are written down, to be run again elsewhere. A recording holds what the caller said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Whose.
    pub tenant: TenantId,
    /// Which plugin's, by its name.
    pub plugin: String,
    /// Folder of the recordings; made private to its owner.
    pub dir: PathBuf,
    /// Sessions that are recorded since start; further ones are not.
    pub sessions_max: usize,
}

/// `[tenants]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tenants {
    /// Folder of `<tenant>.toml`; none: the built-in `demo` tenant only.
    pub dir: Option<PathBuf>,
    /// Whose calls those are that name no tenant; none: they are refused.
    pub default: Option<TenantId>,
    /// Whose calls those are that name no tenant and come by these numbers and lines.
    pub map: TenantMap,
    /// The service that knows the tenants; none: the folder does.
    pub manager: Option<TenantManager>,
}

/// `[log]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// How a line looks.
    pub format: LogFormat,
    /// What is logged: a filter of `tracing`, for example `info,voice_gateway=debug`.
    pub level: String,
}

/// How a log line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// For machines.
    Json,
}

/// `[limits]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Calls at the same time; one more is refused.
    pub calls_max: usize,
}

/// `[drain]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drain {
    /// How long calls may go on after the signal to stop.
    pub grace: Duration,
    /// So long other gateways have to go on with its calls before the goodbye; none: they are not asked. Needs a store that they share.
    pub hand_over: Option<Duration>,
}

/// What defaults depend on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Machine {
    /// The host's name.
    pub name: String,
    /// Processors that this process may use.
    pub cores: usize,
    /// The folder of this program.
    pub program_dir: PathBuf,
    /// The user's cache folder, where there is one.
    pub cache_home: Option<PathBuf>,
}

impl Machine {
    /// The machine that this process runs on.
    pub fn here() -> Self {
        let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        let folder = |variable: &str| std::env::var_os(variable).filter(|v| !v.is_empty()).map(PathBuf::from);
        Self {
            name: name.trim().to_owned(),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            program_dir: std::env::current_exe().ok().and_then(|p| p.parent().map(Path::to_owned)).unwrap_or_default(),
            cache_home: folder("XDG_CACHE_HOME").or_else(|| folder("HOME").map(|home| home.join(".cache"))),
        }
    }

    /// `../plugins` beside an installed program, `target/plugins` in a checkout (where it lies in `target/debug`).
    /// Both are the same folder: `plugins` beside the program's own.
    fn plugins_dir(&self) -> PathBuf {
        let beside = self.program_dir.parent().unwrap_or(&self.program_dir).join("plugins");
        let checkout = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/plugins");
        match (beside.is_dir(), cfg!(debug_assertions)) {
            // A checkout with its build folder elsewhere (`CARGO_TARGET_DIR`) still has its plugins in `target/plugins`.
            (false, true) if checkout.is_dir() => checkout,
            _ => beside,
        }
    }
}

impl Config {
    /// What holds where the operator says nothing. The one place of all defaults.
    pub fn defaults(machine: &Machine) -> Self {
        let dir = machine.plugins_dir();
        let cache_dir = match &machine.cache_home {
            Some(home) => home.join("serphona-voice-gateway/compiled"),
            None => dir.join(".compiled"),
        };
        Self {
            instance: slug(&machine.name),
            http: Http::default(),
            media: Media {
                bind: SocketAddr::from(([127, 0, 0, 1], 0)),
                advertise: None,
                codec: RtpCodec::Ulaw,
                // Half of the processors: one carries the sound of a thousand calls.
                shards: NonZeroUsize::new(machine.cores / 2).unwrap_or(NonZeroUsize::MIN),
                sockets: Sockets::Shared,
                ports: None,
                silence: Silence::Comfort,
                inactivity: Some(Duration::from_secs(10)),
                on_silent_path: OnSilentPath::GoOn,
                trusted: Vec::new(),
            },
            asterisk: Vec::new(),
            agent: Agent::Builtin,
            prompts: Prompts::default(),
            recording: Recording::default(),
            audit: Audit::default(),
            events: Events { dir: None, bytes_max: 1 << 30, keep: Duration::from_secs(7 * 86_400) },
            pci: Pci::default(),
            privacy: Privacy::default(),
            vault: None,
            plugins: Plugins {
                dir,
                store: cache_dir.join("store"),
                cache_dir,
                // The other half of the processors stays with media and control.
                heavy_threads: (machine.cores / 2).max(1),
                // Eight calls that listen and speak locally. A caller who speaks costs about 11 % of a core, so that even eight
                // at once fit on a thread; one more call is told `session-limit`.
                heavy_sessions_max: 16,
                policy: None,
                operator_cas: Vec::new(),
                secrets: SecretsWithin::default(),
                record: None,
            },
            tenants: Tenants { dir: None, default: Some(TenantId::new("demo")), map: TenantMap::new(), manager: None },
            state: None,
            kafka: None,
            telemetry: Telemetry::default(),
            log: Log { format: LogFormat::Text, level: "info".to_owned() },
            limits: Limits { calls_max: 1000 },
            drain: Drain { grace: Duration::from_secs(30), hand_over: Some(Duration::from_secs(5)) },
        }
    }

    /// Name of the ARI application where the operator gives none. One per instance: a second event socket under the same
    /// name replaces the first.
    pub fn app_default(instance: &str) -> String {
        format!("vg-{instance}")
    }

    /// Reads `file` (none: only the environment) and applies the `VG__` variables of `environment`.
    ///
    /// # Errors
    /// All faults of file, environment and referenced secrets together.
    pub fn load(
        file: Option<&Path>,
        environment: impl IntoIterator<Item = (OsString, OsString)>,
        machine: &Machine,
    ) -> Result<Self, Faults> {
        let text = match file {
            None => String::new(),
            Some(path) => std::fs::read_to_string(path).map_err(|error| Faults::one(path.display(), error))?,
        };
        let (environment, mut faults) = source::texts(environment);
        match Self::parse(&text, environment, machine) {
            Ok(config) => faults.or(config),
            Err(further) => {
                faults.extend(further);
                Err(faults)
            }
        }
    }

    /// The same from the text of a file.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn parse(text: &str, environment: impl IntoIterator<Item = (String, String)>, machine: &Machine) -> Result<Self, Faults> {
        let environment: Vec<(String, String)> = environment.into_iter().collect();
        let (raw, mut faults): (RawConfig, Faults) = source::read(text, &environment)?;
        let config = raw.resolve(Self::defaults(machine), &environment, &mut faults);
        faults.or(config)
    }
}

/// Letters, digits and `-` of a name, fit for an ARI application.
fn slug(name: &str) -> String {
    let slug: String = name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' }).collect();
    match slug.trim_matches('-') {
        "" => "gateway".to_owned(),
        trimmed => trimmed.to_owned(),
    }
}

#[cfg(test)]
mod tests;
