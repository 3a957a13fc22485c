//! For stories: a real component in the real plugin host, against the simulators.

mod overheard;
mod owner;

pub use owner::{Uttered, reply};

use crate::{Format, Server, Sim};
use anyhow::Context;
use overheard::Signers;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use tempfile::TempDir;
use vg_plugin_host::api::{AudioFormat, Encoding, SessionStart, SessionTag};
use vg_plugin_host::links::secrets::{LocalStore, SecretSpec};
use vg_plugin_host::links::{Links, LinksConfig};
use vg_plugin_host::policy::{Policy, TenantWish};
use vg_plugin_host::recording::{Recorder, Recording, Words};
use vg_plugin_host::session::{Opening, SttSession, TtsSession};
use vg_plugin_host::{HostConfig, Plugin, PluginHost};
use vg_plugin_kit::conform::{Row, Verdict, conform};
use vg_plugin_kit::run::{Live, Outcome, Pace, listen, speak};

/// What is permitted, as in the readmes.
const LOOPBACK: &str = include_str!("../accounts/policy.toml");
/// Where `speech-sim` listens if nobody says otherwise, and where the accounts look for it.
const DOCUMENTED: &str = "http://127.0.0.1:8090";

/// A plugin, its host, its permissions and the simulators.
pub struct Rig {
    /// Troubles and offences.
    pub sim: Arc<Sim>,
    /// Where the simulators listen.
    pub server: Server,
    /// The component.
    pub plugin: Arc<Plugin>,
    host: PluginHost,
    links: Arc<Links>,
    secrets: BTreeMap<String, SecretSpec>,
    folder: TempDir,
}

/// How a listener did.
#[derive(Debug)]
pub struct Listened {
    /// Every event, as `plugin run` shows it.
    pub events: Vec<Value>,
    /// How it ended.
    pub outcome: Outcome,
    /// The session, for `conform` and `replay`.
    pub recording: Recording,
}

/// How a speaker did.
#[derive(Debug)]
pub struct Spoken {
    /// Every event, as `plugin run` shows it.
    pub events: Vec<Value>,
    /// How it ended, and all sound.
    pub outcome: Outcome,
    /// The session, for `conform` and `replay`.
    pub recording: Recording,
}

/// Linear samples at a rate, as the contract names them.
pub const fn pcm(rate_hz: u32) -> AudioFormat {
    AudioFormat { encoding: Encoding::PcmS16le, rate_hz }
}

impl Rig {
    /// Loads `target/plugins/<name>.wasm` and starts the simulators without TLS.
    ///
    /// # Errors
    /// Where the component is not built, or anything cannot be started.
    pub async fn new(name: &str) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let built = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/plugins").join(format!("{name}.wasm"));
        anyhow::ensure!(built.is_file(), "{name}.wasm is not built: run cargo xtask plugins {name}");
        let mut config = HostConfig::new(folder.path().join("cache"));
        config.light.sessions_max = 128;
        let host = PluginHost::new(config)?;
        let plugin = host.load(&built)?;
        let sim = Arc::new(Sim::default());
        let server = Server::start(Arc::clone(&sim), SocketAddr::from(([127, 0, 0, 1], 0)), None).await?;
        let links = Links::new(LinksConfig::default())?;
        Ok(Self { sim, server, plugin, host, links, secrets: BTreeMap::new(), folder })
    }

    /// One opaque secret.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn secret(&mut self, name: &str, value: &str) -> anyhow::Result<()> {
        let reference = self.file(name, value)?;
        self.secrets.insert(name.to_owned(), SecretSpec::Static { reference, hosts: None });
        Ok(())
    }

    /// A secret of any kind, as in a tenant's settings; see [`file`](Self::file) for what it refers to.
    ///
    /// # Errors
    /// Where it is none.
    pub fn secret_spec(&mut self, name: &str, spec: Value) -> anyhow::Result<()> {
        self.secrets.insert(name.to_owned(), serde_json::from_value(spec)?);
        Ok(())
    }

    /// What a tenant of this plugin writes (`tests/sim/accounts/<plugin>`): takes its secrets over and gives its options, with the
    /// simulators as endpoint.
    ///
    /// # Errors
    /// Where there is no such account, or it holds something else.
    pub fn account(&mut self) -> anyhow::Result<Value> {
        let account = self.account_folder();
        if account.join("secrets.toml").is_file() {
            // They are written as seen from the project's root.
            let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
            let secrets = std::fs::read_to_string(account.join("secrets.toml"))?;
            let secrets = secrets.replace("file:", &format!("file:{}/", root.display()));
            self.secrets
                .extend(toml::from_str::<BTreeMap<String, SecretSpec>>(&secrets.replace(DOCUMENTED, &self.server.origin()))?);
        }
        self.account_options()
    }

    /// The options of [`account`](Self::account) alone.
    ///
    /// # Errors
    /// Where there is no such account, or it holds something else.
    pub fn account_options(&self) -> anyhow::Result<Value> {
        let file = self.account_folder().join("options.toml");
        let options = std::fs::read_to_string(&file).with_context(|| format!("read {}", file.display()))?;
        Ok(toml::from_str(&options.replace(DOCUMENTED, &self.server.origin()))?)
    }

    fn account_folder(&self) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("accounts").join(self.plugin.name())
    }

    /// Keeps a value in a file; answers the reference to it.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn file(&self, name: &str, value: &str) -> anyhow::Result<String> {
        let file = self.folder.path().join(name);
        std::fs::write(&file, value)?;
        Ok(format!("file:{}", file.display()))
    }

    /// `options` with the endpoint of the simulators.
    pub fn at_home(&self, mut options: Value) -> Value {
        if let Some(options) = options.as_object_mut() {
            options.entry("endpoint").or_insert_with(|| json!(self.server.origin()));
        }
        options
    }

    /// Lets the plugin listen to a recording of [`recordings`](crate::recordings), as fast as it takes it.
    ///
    /// # Errors
    /// Where the session cannot be opened.
    pub async fn listen(&self, options: Value, format: AudioFormat, language: &str, samples: &[i16]) -> anyhow::Result<Listened> {
        self.listen_at(Pace::Fast, options, format, language, samples).await
    }

    /// The same at a pace.
    ///
    /// # Errors
    /// Where the session cannot be opened.
    pub async fn listen_at(
        &self,
        pace: Pace,
        options: Value,
        format: AudioFormat,
        language: &str,
        samples: &[i16],
    ) -> anyhow::Result<Listened> {
        let (live, kept) = self.live(pace, options, format, language)?;
        let mut events = Vec::new();
        let outcome = listen(&self.host, live, samples, |event| events.push(event)).await?;
        Ok(Listened { events, outcome, recording: kept.recording()? })
    }

    /// Lets the plugin speak, one reply after the other.
    ///
    /// # Errors
    /// Where the session cannot be opened.
    pub async fn speak(&self, options: Value, format: AudioFormat, language: &str, replies: &[&str]) -> anyhow::Result<Spoken> {
        let (live, kept) = self.live(Pace::Fast, options, format, language)?;
        let replies: Vec<String> = replies.iter().map(|reply| (*reply).to_owned()).collect();
        let mut events = Vec::new();
        let outcome = speak(&self.host, live, &replies, |event| events.push(event)).await?;
        Ok(Spoken { events, outcome, recording: kept.recording()? })
    }

    /// A listener to be driven by hand; nothing of it is recorded.
    ///
    /// # Errors
    /// Where the session cannot be opened.
    pub fn open_stt(&self, options: Value, format: AudioFormat, language: &str) -> anyhow::Result<SttSession> {
        let (live, _kept) = self.live(Pace::Fast, options, format, language)?;
        let opening = Opening { recorder: None, ..live.opening };
        Ok(self.host.open_stt(&self.plugin, live.start, opening)?)
    }

    /// A speaker to be driven by hand; nothing of it is recorded.
    ///
    /// # Errors
    /// Where the session cannot be opened.
    pub fn open_tts(&self, options: Value, format: AudioFormat, language: &str) -> anyhow::Result<TtsSession> {
        let (live, _kept) = self.live(Pace::Fast, options, format, language)?;
        let opening = Opening { recorder: None, ..live.opening };
        Ok(self.host.open_tts(&self.plugin, live.start, opening)?)
    }

    /// The rows of the conformance kit that are no pass; each scenario is played on a good recorded session.
    ///
    /// # Errors
    /// Where the session is no good one.
    pub fn conform(&self, recording: &Recording) -> anyhow::Result<Vec<Row>> {
        let rows = conform(&self.plugin, "all", Some(recording), None)?;
        Ok(rows.into_iter().filter(|row| !matches!(row.verdict, Verdict::Pass | Verdict::NotApplicable(_))).collect())
    }

    fn live(&self, pace: Pace, options: Value, format: AudioFormat, language: &str) -> anyhow::Result<(Live, Kept)> {
        let options = self.at_home(options);
        let wish = TenantWish {
            tenant: "laptop".into(),
            hosts: None,
            endpoint: options["endpoint"].as_str(),
            secrets: &self.secrets,
            store: Arc::new(LocalStore::default()),
            connections: None,
        };
        let policy = Policy::parse(LOOPBACK)?;
        let granted = policy.grant(self.plugin.name(), self.plugin.descriptor(), wish);
        let granted = granted.map_err(|faults| anyhow::anyhow!("the secrets cannot stand: {faults:?}"))?;
        let kept = Kept::default();
        let live = Live {
            plugin: Arc::clone(&self.plugin),
            start: SessionStart { format, language: language.to_owned(), options: options.to_string(), seed: [3; 32] },
            opening: Opening {
                tag: SessionTag { tenant: "laptop".into(), call: "story".into() },
                door: Some(kept.signers.overhear(self.links.door(granted.grant))),
                recorder: Some(Recorder::new(&self.plugin, Words::Clear, Box::new(kept.paper.clone()))),
                on_end: None,
            },
            pace,
        };
        Ok((live, kept))
    }
}

impl crate::Recording {
    /// Linear samples at one of 8000, 16000 or 24000 Hz; empty at others.
    pub fn samples(&self, rate_hz: u32) -> Vec<i16> {
        let format = Format::pcm(rate_hz);
        format.read(self.bytes(format).unwrap_or_default())
    }
}

impl Listened {
    /// The texts of all finals.
    pub fn finals(&self) -> Vec<String> {
        texts(&self.events, "final")
    }

    /// The texts of all partials.
    pub fn partials(&self) -> Vec<String> {
        texts(&self.events, "partial")
    }

    /// All words of all finals, in lower case and without punctuation, behind spaces.
    pub fn words(&self) -> String {
        let plain = |text: String| text.to_lowercase().replace(['.', ',', '?', '!'], "");
        self.finals().into_iter().map(plain).collect::<Vec<_>>().join(" ")
    }
}

impl Spoken {
    /// The texts of all words with a place.
    pub fn words(&self) -> Vec<String> {
        texts(&self.events, "word")
    }
}

fn texts(events: &[Value], name: &str) -> Vec<String> {
    let text = |event: &Value| event["text"].as_str().map(str::to_owned);
    events.iter().filter(|event| event["event"] == name).filter_map(text).collect()
}

/// Where a session is written while it lasts.
#[derive(Clone, Default)]
struct Paper(Arc<Mutex<Vec<u8>>>);

/// What is kept of a session.
#[derive(Default)]
struct Kept {
    paper: Paper,
    signers: Signers,
}

impl Kept {
    fn recording(&self) -> anyhow::Result<Recording> {
        let written = self.paper.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut recording = Recording::read(&written[..])?;
        self.signers.give_back(&mut recording);
        Ok(recording)
    }
}

impl Write for Paper {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl std::fmt::Debug for Rig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rig").field("plugin", &self.plugin.name()).field("server", &self.server).finish_non_exhaustive()
    }
}
