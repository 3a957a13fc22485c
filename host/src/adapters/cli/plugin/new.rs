//! `plugin new|componentize`: where a plugin begins, and the last step of languages whose tools end at a core module.

use super::super::terminal::say;
use anyhow::{Context, bail};
use clap::{Subcommand, ValueEnum};
use std::fs;
use std::path::{Path, PathBuf};
use vg_plugin_author::{File, Kind, Language, PluginName, component_of_core, project};

#[derive(Debug, Subcommand)]
pub(in super::super) enum Command {
    /// Begin a plugin: a working project that builds with its language's own tools
    New {
        /// What it is written in
        #[arg(long)]
        lang: Lang,
        /// What it does
        #[arg(long)]
        kind: PluginKind,
        /// What it is called, best with its kind in front: stt-acme
        name: PluginName,
        /// The folder that is made. Default: NAME
        #[arg(long, value_name = "DIR")]
        dir: Option<PathBuf>,
    },
    /// Make a plugin of a core module, as Go and C compilers leave it
    Componentize {
        /// The core module
        core: PathBuf,
        /// What it does
        #[arg(long)]
        kind: PluginKind,
        /// Where the component goes
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
}

/// As it is said on the command line.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(in crate::adapters::cli) enum Lang {
    Rust,
    Js,
    Python,
    Go,
    C,
}

/// As it is said on the command line.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(in crate::adapters::cli) enum PluginKind {
    /// Listens: speech to text
    Stt,
    /// Speaks: text to speech
    Tts,
    /// Masks payment card data in text
    Mask,
}

impl From<Lang> for Language {
    fn from(lang: Lang) -> Self {
        match lang {
            Lang::Rust => Self::Rust,
            Lang::Js => Self::Js,
            Lang::Python => Self::Python,
            Lang::Go => Self::Go,
            Lang::C => Self::C,
        }
    }
}

impl From<PluginKind> for Kind {
    fn from(kind: PluginKind) -> Self {
        match kind {
            PluginKind::Stt => Self::Stt,
            PluginKind::Tts => Self::Tts,
            PluginKind::Mask => Self::Mask,
        }
    }
}

pub(super) fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::New { lang, kind, name, dir } => begin(lang.into(), kind.into(), &name, dir),
        Command::Componentize { core, kind, out } => componentize(&core, kind.into(), &out),
    }
}

fn begin(language: Language, kind: Kind, name: &PluginName, dir: Option<PathBuf>) -> anyhow::Result<()> {
    let dir = dir.unwrap_or_else(|| PathBuf::from(name.as_str()));
    // What an author has written is never written over.
    if dir.read_dir().is_ok_and(|mut entries| entries.next().is_some()) {
        bail!("{} is not empty: choose another place with --dir", dir.display());
    }
    let files = project(language, kind, name);
    for File { path, text } in &files {
        write(&dir.join(path), text.as_bytes())?;
    }
    say(format_args!("{}: {} files", dir.display(), files.len()));
    say(format_args!("next: read {}, build, then `voice-gateway plugin check {name}.wasm`", dir.join("README.md").display()));
    Ok(())
}

fn componentize(core: &Path, kind: Kind, out: &Path) -> anyhow::Result<()> {
    let bytes = fs::read(core).with_context(|| format!("cannot read {}", core.display()))?;
    let component = component_of_core(&bytes, kind).with_context(|| {
        format!("{} cannot become a plugin (is it built as its project's README says, and of this kind?)", core.display())
    })?;
    write(out, &component)?;
    say(format_args!("{} ({:.1} MB)", out.display(), component.len() as f64 / 1e6));
    say(format_args!("next: `voice-gateway plugin check {}`", out.display()));
    Ok(())
}

fn write(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    }
    fs::write(path, bytes).with_context(|| format!("cannot write {}", path.display()))
}
