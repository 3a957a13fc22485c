//! `plugin run`: one live session on a laptop, or a mask over lines.

use crate::config::Config;
use anyhow::{Context, bail};
use clap::{Args, ValueEnum};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use vg_plugin_host::api::{AudioFormat, Descriptor, Encoding, Kind, SessionStart, SessionTag};
use vg_plugin_host::links::secrets::{LocalStore, SecretSpec};
use vg_plugin_host::links::{Links, LinksConfig};
use vg_plugin_host::options::OptionsSchema;
use vg_plugin_host::policy::{Granted, Policy, TenantWish};
use vg_plugin_host::recording::{Recorder, Words};
use vg_plugin_host::session::Opening;
use vg_plugin_host::{Plugin, PluginHost};
use vg_plugin_kit::run::{Live, Masking, Pace, caller_sound, fell_code, listen, sound_file, speak};

pub(super) const EXIT_CODES: &str = "\
exit codes:
  0 done   1 could not be tried   30 did not answer in time
  the plugin gave up: 10 auth  11 quota  12 unsupported  13 invalid-options  14 unavailable  15 protocol
                      16 bad-audio  17 empty-result  18 session-limit  19 internal
  the host ended it:  20 trap  21 cpu  22 memory  23 output  24 timers  25 links  26 another limit";

#[derive(Debug, Args)]
pub(in super::super) struct Options {
    /// The component
    component: PathBuf,
    #[command(flatten)]
    source: Source,
    /// The session's options, JSON or TOML; `endpoint` in them points the plugin elsewhere, where its schema has that
    #[arg(long, value_name = "FILE")]
    options: Option<PathBuf>,
    /// A secret by the plugin's name for it, and where it lies: env:VARIABLE or file:PATH
    #[arg(long, value_name = "NAME=REF")]
    secret: Vec<String>,
    /// Secrets that need more than a reference, as in a tenant's settings (TOML)
    #[arg(long, value_name = "FILE")]
    secrets: Option<PathBuf>,
    /// What the plugin may reach; nothing without it
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// A certificate authority to trust beside the system's (PEM)
    #[arg(long, value_name = "FILE")]
    ca: Vec<PathBuf>,
    /// Default: the plugin's best
    #[arg(long, value_name = "HZ")]
    rate_hz: Option<u32>,
    /// Default: the plugin's best
    #[arg(long)]
    encoding: Option<Coding>,
    /// Default: the plugin's first
    #[arg(long, value_name = "TAG")]
    language: Option<String>,
    /// Tell sound as fast as it is taken instead of as it is spoken
    #[arg(long)]
    fast: bool,
    /// Record the session for `replay` and `conform`; it holds the voice and everything the vendor said
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
    /// Record also what the plugin says in clear text, not as hashes
    #[arg(long, requires = "record")]
    clear: bool,
    /// Where speech goes, as WAV
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Where events go instead of standard output, as JSON lines
    #[arg(long, value_name = "FILE")]
    events: Option<PathBuf>,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct Source {
    /// For listeners: what the caller says (WAV)
    #[arg(long = "in", value_name = "WAV")]
    sound: Option<PathBuf>,
    /// For speakers: one reply
    #[arg(long)]
    text: Option<String>,
    /// For speakers: one reply per line. For masks: JSON lines {id, text, lang, source, conversation, partial, policy?}
    #[arg(long)]
    stdin: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Coding {
    PcmS16le,
    Mulaw,
    Alaw,
}

pub(super) async fn run(options: Options, config: Config) -> anyhow::Result<ExitCode> {
    let component = options.component.clone();
    let (host, plugin) = tokio::task::spawn_blocking(move || super::load(&component, &config)).await??;
    let mut events = events(options.events.as_deref())?;
    if plugin.descriptor().kind == Kind::Mask {
        if !options.source.stdin {
            bail!("{} masks: give it lines by --stdin", plugin.name());
        }
        return tokio::task::spawn_blocking(move || mask(&plugin, &mut *events)).await?;
    }
    let settings = super::session_options(options.options.as_deref())?;
    let schema = OptionsSchema::of(plugin.descriptor())?;
    let faults = schema.faults(&settings);
    if !faults.is_empty() {
        let faults: Vec<Value> = faults.iter().map(|fault| json!({ "path": fault.path, "message": fault.message })).collect();
        show(&mut *events, &json!({ "event": "ended", "code": "invalid-options", "options": faults }));
        return Ok(ExitCode::from(13));
    }
    let granted = grant(&options, &plugin, schema.endpoint(&settings))?;
    let outcome = live(&options, &host, &plugin, &settings, &granted, &mut *events).await?;
    if outcome != 0 {
        for shortfall in &granted.shortfalls {
            show(&mut *events, &json!({ "event": "not-permitted", "advice": shortfall.to_string() }));
        }
    }
    Ok(ExitCode::from(outcome))
}

async fn live(
    options: &Options,
    host: &PluginHost,
    plugin: &Arc<Plugin>,
    settings: &Value,
    granted: &Granted,
    events: &mut dyn Write,
) -> anyhow::Result<u8> {
    let operator_cas = options.ca.iter().map(|file| super::read(file)).collect::<anyhow::Result<Vec<_>>>()?;
    let links = Links::new(LinksConfig { operator_cas, ..LinksConfig::default() })?;
    let descriptor = plugin.descriptor();
    let format = format(options, descriptor)?;
    let language = options.language.clone().or_else(|| descriptor.languages.first().cloned());
    let mut seed = [0; 32];
    getrandom::fill(&mut seed)?;
    let start =
        SessionStart { format, language: language.unwrap_or_else(|| "en-US".to_owned()), options: settings.to_string(), seed };
    let opening = Opening {
        tag: SessionTag { tenant: "laptop".to_owned(), call: "run".to_owned() },
        door: Some(Box::new(links.door(Arc::clone(&granted.grant)))),
        recorder: recorder(options, plugin)?,
        on_end: None,
    };
    let pace = if options.fast { Pace::Fast } else { Pace::RealTime };
    let live = Live { plugin: Arc::clone(plugin), start, opening, pace };
    let outcome = match (descriptor.kind, &options.source) {
        (Kind::Stt, Source { sound: Some(file), .. }) => {
            let sound =
                caller_sound(&super::read(file)?, format.rate_hz).with_context(|| format!("cannot hear {}", file.display()))?;
            listen(host, live, &sound, |event| show(events, &event)).await?
        }
        (Kind::Stt, _) => bail!("{} listens: give it a recording by --in", plugin.name()),
        (_, Source { sound: None, text, .. }) => {
            let replies = match text {
                Some(text) => vec![text.clone()],
                None => tokio::task::spawn_blocking(|| io::stdin().lines().collect::<io::Result<Vec<_>>>()).await??,
            };
            speak(host, live, &replies, |event| show(events, &event)).await?
        }
        _ => bail!("{} speaks: give it words by --text or --stdin", plugin.name()),
    };
    if let Some(out) = &options.out {
        fs::write(out, sound_file(&outcome.sound, format)).with_context(|| format!("cannot write {}", out.display()))?;
    }
    Ok(outcome.exit_code())
}

fn mask(plugin: &Plugin, events: &mut dyn Write) -> anyhow::Result<ExitCode> {
    let mut masking = Masking::new(plugin);
    for line in io::stdin().lock().lines() {
        let line = line.context("cannot read standard input")?;
        if !line.trim().is_empty() {
            show(events, &masking.answer(&line));
        }
    }
    Ok(match (&masking.fell, masking.bad_lines) {
        (Some(error), _) => ExitCode::from(fell_code(error)),
        (None, 0) => ExitCode::SUCCESS,
        (None, _) => ExitCode::FAILURE,
    })
}

fn grant(options: &Options, plugin: &Plugin, endpoint: Option<&str>) -> anyhow::Result<Granted> {
    let policy = options.policy.as_deref().map(super::check::policy).transpose()?.unwrap_or_default();
    let secrets = secrets(options, plugin.descriptor())?;
    let store = Arc::new(LocalStore::default());
    let tenant = TenantWish { tenant: "laptop".into(), hosts: None, endpoint, secrets: &secrets, store, connections: None };
    Policy::grant(&policy, plugin.name(), plugin.descriptor(), tenant).map_err(|faults| {
        let faults: Vec<String> = faults.iter().map(ToString::to_string).collect();
        anyhow::anyhow!("the secrets cannot stand: {}", faults.join("; "))
    })
}

fn secrets(options: &Options, descriptor: &Descriptor) -> anyhow::Result<BTreeMap<String, SecretSpec>> {
    let mut secrets: BTreeMap<String, SecretSpec> = match &options.secrets {
        Some(file) => toml::from_str(&fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?)
            .with_context(|| format!("{} holds no secrets", file.display()))?,
        None => BTreeMap::new(),
    };
    for text in &options.secret {
        let (name, reference) = text.split_once('=').context("--secret is NAME=env:VARIABLE or NAME=file:PATH")?;
        let Some(wish) = descriptor.secrets.iter().find(|wish| wish.name == name) else {
            let names: Vec<&str> = descriptor.secrets.iter().map(|wish| wish.name.as_str()).collect();
            bail!(
                "the plugin wishes for no secret {name}; it wishes for {}",
                if names.is_empty() { "none".to_owned() } else { names.join(", ") }
            );
        };
        let kind = wish.kind.as_str();
        let spec = serde_json::from_value(json!({ "kind": kind, "ref": reference }));
        let spec =
            spec.with_context(|| format!("a secret of kind {kind} needs more: write it in a file and give that by --secrets"))?;
        secrets.insert(name.to_owned(), spec);
    }
    Ok(secrets)
}

/// What was asked for, completed by the plugin's best.
fn format(options: &Options, descriptor: &Descriptor) -> anyhow::Result<AudioFormat> {
    let encoding = options.encoding.map(|coding| match coding {
        Coding::PcmS16le => Encoding::PcmS16le,
        Coding::Mulaw => Encoding::Mulaw,
        Coding::Alaw => Encoding::Alaw,
    });
    let suits = |format: &&AudioFormat| {
        encoding.is_none_or(|encoding| encoding == format.encoding)
            && options.rate_hz.is_none_or(|rate_hz| rate_hz == format.rate_hz)
    };
    descriptor.formats.iter().find(suits).copied().with_context(|| {
        let offered = descriptor.formats.iter().map(|format| format!("{} {}", format.encoding.as_str(), format.rate_hz));
        format!("the plugin offers {}", offered.collect::<Vec<_>>().join(", "))
    })
}

fn recorder(options: &Options, plugin: &Plugin) -> anyhow::Result<Option<Recorder>> {
    let Some(file) = &options.record else { return Ok(None) };
    let words = if options.clear { Words::Clear } else { Words::Hashed };
    // As confidential as the call.
    let out = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(file);
    let out = out.with_context(|| format!("cannot write {}", file.display()))?;
    Ok(Some(Recorder::new(plugin, words, Box::new(out))))
}

fn events(file: Option<&Path>) -> anyhow::Result<Box<dyn Write + Send>> {
    Ok(match file {
        Some(file) => Box::new(File::create(file).with_context(|| format!("cannot write {}", file.display()))?),
        None => Box::new(io::stdout()),
    })
}

/// One line. A closed pipe is no fault: nobody reads any more.
fn show(events: &mut dyn Write, event: &Value) {
    let _closed_pipe = writeln!(events, "{event}").and_then(|()| events.flush());
}
