//! `plugin bake|inspect`.

use super::terminal::say;
use crate::config::Config;
use anyhow::Context;
use clap::Subcommand;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use vg_plugin_host::api::{AudioFormat, Descriptor, Encoding};
use vg_plugin_host::{HostConfig, Plugin, PluginHost};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Give a plugin its model files and save it with the model already loaded, so that sessions start at once
    Bake {
        /// The component as built
        component: PathBuf,
        /// Where the baked component goes
        out: PathBuf,
        /// NAME=FILE for each file that the plugin asks for
        #[arg(required = true, value_name = "NAME=FILE", value_parser = named_file)]
        files: Vec<(String, PathBuf)>,
    },
    /// Load a plugin as the gateway would, and show what it is and wishes
    Inspect {
        /// The component
        component: PathBuf,
    },
}

pub(super) async fn run(command: Command, config: Config) -> anyhow::Result<ExitCode> {
    // Both compile WebAssembly for seconds: not on a thread that others wait for.
    tokio::task::spawn_blocking(move || match command {
        Command::Bake { component, out, files } => bake(&component, &out, &files),
        Command::Inspect { component } => inspect(&component, config),
    })
    .await??;
    Ok(ExitCode::SUCCESS)
}

fn bake(component: &Path, out: &Path, files: &[(String, PathBuf)]) -> anyhow::Result<()> {
    let files = files.iter().map(|(name, file)| Ok((name.clone(), read(file)?))).collect::<anyhow::Result<Vec<_>>>()?;
    let baked = vg_plugin_host::bake::bake(&read(component)?, &files).context("cannot bake")?;
    std::fs::write(out, &baked).with_context(|| format!("cannot write {}", out.display()))?;
    say(format_args!("{} ({:.1} MB)", out.display(), baked.len() as f64 / 1e6));
    Ok(())
}

fn inspect(component: &Path, config: Config) -> anyhow::Result<()> {
    let host = PluginHost::new(HostConfig::new(config.plugins.cache_dir))?;
    let plugin = host.load(component).with_context(|| format!("{} is no plugin for this gateway", component.display()))?;
    describe(&plugin).iter().for_each(say);
    Ok(())
}

fn describe(plugin: &Plugin) -> Vec<String> {
    let mut lines = vec![format!("digest    sha256:{}", plugin.digest())];
    lines.extend(rows(plugin.descriptor()));
    lines
}

fn rows(descriptor: &Descriptor) -> Vec<String> {
    let list = |items: Vec<String>| if items.is_empty() { "none".to_owned() } else { items.join(", ") };
    let kind = descriptor.kind.as_str();
    vec![
        format!("plugin    {} {} ({kind}, {:?})", descriptor.id, descriptor.version, descriptor.compute).to_lowercase(),
        format!("formats   {}", list(descriptor.formats.iter().map(format_name).collect())),
        format!("languages {}", list(descriptor.languages.clone())),
        format!("hosts     {}", list(descriptor.hosts.clone())),
        format!("secrets   {}", list(descriptor.secrets.iter().map(|wish| format!("{} ({})", wish.name, wish.why)).collect())),
        format!("options   {}", indented(&descriptor.options_schema)),
    ]
}

/// A schema as a person reads it; as it is where it is no JSON.
fn indented(schema: &str) -> String {
    let parsed = serde_json::from_str::<serde_json::Value>(schema);
    parsed.map_or_else(|_| schema.to_owned(), |value| format!("{value:#}"))
}

fn format_name(format: &AudioFormat) -> String {
    let encoding = match format.encoding {
        Encoding::PcmS16le => "pcm-s16le",
        Encoding::Mulaw => "mulaw",
        Encoding::Alaw => "alaw",
    };
    format!("{encoding} {} Hz", format.rate_hz)
}

fn named_file(text: &str) -> Result<(String, PathBuf), String> {
    match text.split_once('=') {
        Some((name, file)) if !name.is_empty() && !file.is_empty() => Ok((name.to_owned(), PathBuf::from(file))),
        _ => Err("expected NAME=FILE".to_owned()),
    }
}

fn read(file: &Path) -> anyhow::Result<Vec<u8>> {
    std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))
}
