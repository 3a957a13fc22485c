//! `plugin keygen|sign|push|pull|list|gc`: how a plugin gets from its author to an operator.

use super::super::terminal::say;
use crate::config::Config;
use anyhow::{Context, anyhow, bail};
use clap::{Args, Subcommand};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use vg_plugin_store::sign::{self, Password, SecretKey};
use vg_plugin_store::{
    Artifact, Credentials, Digest, Incoming, Keep, OciReference, PlainHttp, PluginName, PublicKey, Reference, Registry,
    RegistryOptions, Signature, State, Store, TrustPolicy,
};

/// Where scripts leave the password of a key; a person is asked for it.
const PASSWORD: &str = "VG_KEY_PASSWORD";

#[derive(Debug, Subcommand)]
pub(in super::super) enum Command {
    /// Make a pair of keys to sign plugins with: OUT.key is yours, OUT.pub is for operators
    Keygen {
        /// Name of both files, without an ending
        out: PathBuf,
        /// For machines that sign by themselves; else the password is asked for, or taken from VG_KEY_PASSWORD
        #[arg(long)]
        no_password: bool,
    },
    /// Sign a plugin; the signature is written beside it as FILE.minisig
    Sign {
        /// The component
        file: PathBuf,
        /// The secret key, made by `keygen` or by minisign
        #[arg(long, value_name = "KEY")]
        key: PathBuf,
        /// What the plugin is called, best with its version: the signature is good for nothing else. Default: the file's name
        #[arg(long, value_name = "NAME[@VERSION]")]
        name: Option<PluginName>,
    },
    /// Put a plugin, with its signature where there is one, into a registry
    Push {
        /// The component; its signature is looked for beside it
        file: PathBuf,
        /// oci://registry/repository:version
        #[arg(value_parser = in_a_registry)]
        to: OciReference,
        /// What the plugin is called. Default: the last part of the repository, and the tag as its version
        #[arg(long, value_name = "NAME[@VERSION]")]
        name: Option<PluginName>,
        #[command(flatten)]
        reach: Reach,
    },
    /// Fetch a plugin from a registry into the store
    Pull {
        /// oci://registry/repository[:version][@sha256:…]
        #[arg(value_parser = in_a_registry)]
        from: OciReference,
        /// What it is called here. Default: the last part of the repository, and the tag as its version
        #[arg(long, value_name = "NAME[@VERSION]")]
        name: Option<PluginName>,
        /// Keep it only if one of these public keys has signed it (a file, or the key itself)
        #[arg(long, value_name = "KEY", value_parser = trusted)]
        trust: Vec<PublicKey>,
        /// Default: `store` in the gateway's cache
        #[arg(long, value_name = "FOLDER")]
        store: Option<PathBuf>,
        #[command(flatten)]
        reach: Reach,
    },
    /// Show what is in the store
    List {
        /// Default: `store` in the gateway's cache
        #[arg(long, value_name = "FOLDER")]
        store: Option<PathBuf>,
        /// One JSON document
        #[arg(long)]
        json: bool,
    },
    /// Remove from the store what no reference means
    Gc {
        /// Of each plugin keep only so many versions, the newest
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
        keep_last: Option<u16>,
        /// Keep these whatever happens
        #[arg(long, value_name = "DIGEST")]
        pin: Vec<Digest>,
        /// Default: `store` in the gateway's cache
        #[arg(long, value_name = "FOLDER")]
        store: Option<PathBuf>,
    },
}

/// How a registry is reached.
#[derive(Debug, Args)]
pub(in super::super) struct Reach {
    /// Speak to this registry without TLS; one on this machine is anyway
    #[arg(long)]
    plain_http: bool,
    /// Trust this authority too (PEM)
    #[arg(long, value_name = "FILE")]
    ca: Vec<PathBuf>,
}

pub(super) async fn run(command: Command, config: &Config) -> anyhow::Result<()> {
    let store = |wished: Option<PathBuf>| {
        let folder = wished.unwrap_or_else(|| config.plugins.cache_dir.join("store"));
        Store::open(&folder).map_err(|error| advised(error.remedy(), error))
    };
    match command {
        Command::Keygen { out, no_password } => keygen(&out, no_password),
        Command::Sign { file, key, name } => sign_file(&file, &key, name),
        Command::Push { file, to, name, reach } => push(&file, &to, name, &reach).await,
        Command::Pull { from, name, trust, store: wished, reach } => pull(&from, name, trust, &store(wished)?, &reach).await,
        Command::List { store: wished, json } => list(&store(wished)?, json),
        Command::Gc { keep_last, pin, store: wished } => gc(&store(wished)?, keep_last.map(usize::from), pin),
    }
}

fn keygen(out: &Path, no_password: bool) -> anyhow::Result<()> {
    let given = std::env::var(PASSWORD).ok();
    let password = match &given {
        _ if no_password => Password::Without,
        Some(given) => Password::Given(given),
        None if nobody_to_ask() => bail!("there is no terminal to ask for a password at: set {PASSWORD}, or say --no-password"),
        None => Password::Ask,
    };
    let made = sign::keygen(out, password)?;
    say(format_args!("made {} and {} (key {})", made.secret.display(), made.public.display(), made.key.id()));
    say(format_args!("next: keep the first to yourself, give the second to operators, and sign:"));
    say(format_args!("  voice-gateway plugin sign FILE --key {}", made.secret.display()));
    Ok(())
}

/// The library asks at the terminal, wherever standard input comes from.
fn nobody_to_ask() -> bool {
    std::fs::File::open("/dev/tty").is_err()
}

fn sign_file(file: &Path, key: &Path, name: Option<PluginName>) -> anyhow::Result<()> {
    let given = std::env::var(PASSWORD).ok();
    let read = SecretKey::read(key, given.as_deref().map_or(Password::Ask, Password::Given));
    let key = match read {
        Err(sign::SignError::WrongPassword { .. }) if given.is_none() && nobody_to_ask() => {
            bail!("{} has a password and there is no terminal to ask for it at: set {PASSWORD}", key.display())
        }
        read => read?,
    };
    let name = match name.or_else(|| Reference::File(file.to_owned()).plugin()) {
        Some(name) => name,
        None => bail!("{} is not named like a plugin; say --name NAME@VERSION", file.display()),
    };
    let signature = sign::sign(file, &name, &key)?;
    say(format_args!("signed {} as {name}: {}", file.display(), signature.display()));
    if name.version().is_none() {
        say("the signature is good for every version of that name; --name NAME@VERSION binds it to one");
    }
    say("next: ship both files together, or push them:");
    say(format_args!(
        "  voice-gateway plugin push {} oci://REGISTRY/{}:{}",
        file.display(),
        name.name(),
        name.version().unwrap_or("VERSION")
    ));
    Ok(())
}

async fn push(file: &Path, to: &OciReference, name: Option<PluginName>, reach: &Reach) -> anyhow::Result<()> {
    let wasm = std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    let signature = match std::fs::read_to_string(sign::signature_path(file)) {
        Ok(text) => Some(text.parse::<Signature>().with_context(|| format!("{}.minisig", file.display()))?),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => return Err(error).with_context(|| format!("cannot read {}.minisig", file.display())),
    };
    let plugin = named(name, to)?;
    let artifact = Artifact { wasm: &wasm, plugin: &plugin, signature: signature.as_ref() };
    let pushed = reach.registry(to)?.push(to, &artifact).await.map_err(|error| advised(&error.remedy(), error))?;
    let signed = signature.map_or("unsigned".to_owned(), |signature| format!("signed by key {}", signature.key()));
    say(format_args!("pushed {plugin} ({:.1} MB, {signed}) to {to}", wasm.len() as f64 / 1e6));
    say("next: operators fetch exactly this one by");
    say(format_args!("  voice-gateway plugin pull {}", pushed.pinned));
    Ok(())
}

async fn pull(
    from: &OciReference,
    name: Option<PluginName>,
    keys: Vec<PublicKey>,
    store: &Store,
    reach: &Reach,
) -> anyhow::Result<()> {
    let plugin = named(name, from)?;
    let pulled = reach.registry(from)?.pull(from).await.map_err(|error| advised(&error.remedy(), error))?;
    let policy = TrustPolicy { require_signature: !keys.is_empty(), keys, ..TrustPolicy::default() };
    let admitted = policy.admit(&plugin, &pulled.wasm, pulled.signature.as_ref().map(Signature::text));
    let admitted = admitted.map_err(|error| advised(&error.remedy(), error))?;
    let mut references = vec![Reference::Oci(from.clone()), Reference::Oci(pulled.pinned.clone())];
    if plugin.version().is_some() {
        let release = Reference::Named(plugin.clone());
        // A version means one content for ever: whoever can push to a registry must not be able to change it here.
        if store.resolve(&release).is_ok_and(|held| held != admitted.digest) {
            bail!("{release} is in the store with other content; say --name NAME@VERSION to give this one another name");
        }
        references.push(release);
    }
    let source = pulled.pinned.to_string();
    let incoming = Incoming { wasm: &pulled.wasm, plugin: &plugin, signature: pulled.signature.as_ref(), source: &source };
    let digest = store.put(&incoming, &references).map_err(|error| advised(error.remedy(), error))?;
    let trust = match (&admitted.signer, &pulled.signature) {
        (Some(signer), _) => format!("signed by trusted key {}", signer.key),
        (None, Some(signature)) => format!("signed by key {}, not checked: no --trust was given", signature.key()),
        (None, None) => "unsigned".to_owned(),
    };
    say(format_args!("pulled {plugin} ({:.1} MB, {trust})", pulled.wasm.len() as f64 / 1e6));
    say(format_args!("component {digest}"));
    say("next: name it in the configuration by one of");
    references.iter().for_each(|reference| say(format_args!("  {reference}")));
    Ok(())
}

fn list(store: &Store, json: bool) -> anyhow::Result<()> {
    let entries = store.list().map_err(|error| advised(error.remedy(), error))?;
    let texts = |references: &[Reference]| references.iter().map(Reference::to_string).collect::<Vec<_>>();
    if json {
        let rows = entries.iter().map(|entry| {
            let (meta, signed, damage) = match &entry.state {
                State::Whole { meta, signed } => (Some(meta), Some(*signed), None),
                State::Damaged { why } => (None, None, Some(*why)),
            };
            let (digest, references) = (entry.digest.to_string(), texts(&entry.references));
            serde_json::json!({"digest": digest, "references": references, "meta": meta, "signed": signed, "damage": damage})
        });
        say(format_args!("{:#}", serde_json::Value::Array(rows.collect())));
        return Ok(());
    }
    for entry in &entries {
        match &entry.state {
            State::Whole { meta, signed } => {
                let signed = if *signed { "signed" } else { "unsigned" };
                say(format_args!("{}  {} ({:.1} MB, {signed})", entry.digest, meta.plugin, meta.bytes as f64 / 1e6));
            }
            State::Damaged { why } => say(format_args!("{}  DAMAGED: {why}; pull it again", entry.digest)),
        }
        texts(&entry.references).iter().for_each(|reference| say(format_args!("  {reference}")));
    }
    if entries.is_empty() {
        say("the store is empty; next: voice-gateway plugin pull oci://REGISTRY/REPOSITORY:VERSION");
    }
    Ok(())
}

fn gc(store: &Store, newest: Option<usize>, pin: Vec<Digest>) -> anyhow::Result<()> {
    let keep = Keep { pinned: pin.into_iter().collect(), references: BTreeSet::new(), newest };
    let swept = store.gc(&keep).map_err(|error| advised(error.remedy(), error))?;
    swept.dropped.iter().for_each(|reference| say(format_args!("forgot {reference}")));
    swept.removed.iter().for_each(|digest| say(format_args!("removed {digest}")));
    say(format_args!("{} plugins removed, {:.1} MB free again", swept.removed.len(), swept.bytes as f64 / 1e6));
    Ok(())
}

impl Reach {
    fn registry(&self, reference: &OciReference) -> anyhow::Result<Registry> {
        let read = |path: &PathBuf| std::fs::read(path).with_context(|| format!("cannot read {}", path.display()));
        Ok(Registry::new(RegistryOptions {
            plain_http: match self.plain_http {
                true => PlainHttp::Only([reference.registry().to_owned()].into()),
                false => PlainHttp::Loopback,
            },
            extra_roots_pem: self.ca.iter().map(read).collect::<anyhow::Result<_>>()?,
            credentials: Credentials::discover()?,
        }))
    }
}

/// The operator's word for it, never the registry's: a stranger must not choose whose name his plugin gets here.
fn named(wished: Option<PluginName>, reference: &OciReference) -> anyhow::Result<PluginName> {
    let part = reference.repository().rsplit('/').next().unwrap_or_default();
    let version = reference.tag().filter(|tag| *tag != "latest");
    let full = version.and_then(|version| format!("{part}@{version}").parse().ok());
    let found = wished.or(full).or_else(|| part.parse().ok());
    found.ok_or_else(|| anyhow!("{reference} does not name a plugin; say --name NAME@VERSION"))
}

fn in_a_registry(text: &str) -> Result<OciReference, String> {
    match text.parse::<Reference>() {
        Ok(Reference::Oci(reference)) => Ok(reference),
        Ok(_) => Err("expected oci://REGISTRY/REPOSITORY:VERSION".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

fn trusted(text: &str) -> Result<PublicKey, String> {
    text.parse().or_else(|_| PublicKey::read(Path::new(text)).map_err(|error| error.to_string()))
}

/// What went wrong, and then what can be done about it.
fn advised(remedy: &str, error: impl std::error::Error + Send + Sync + 'static) -> anyhow::Error {
    anyhow!("{:#}. {remedy}", anyhow::Error::new(error))
}
