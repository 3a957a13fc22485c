//! `cargo xtask templates`: every template of `voice-gateway plugin new` is begun by that very command, built as its README says with
//! its language's own tools, and left as `target/plugins/templates/<lang>-<kind>.wasm` for the stories.
//!
//! A component is known by the hash of the project it was built of: the same project is not built twice on a machine. A language whose tools
//! cannot be had here is reported as such in `target/plugins/templates/built.tsv`, never passed over in silence.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail};

use crate::{
    context::{Context, capture, run, write_whole},
    plugins::{Hasher, Key},
    setup::{self, Need},
    stt_local::Compiler,
    wasm::{TARGET, Toolchain},
};

const KINDS: [&str; 3] = ["stt", "tts", "mask"];
const LANGUAGES: [Language; 5] = [Language::Rust, Language::Js, Language::Python, Language::Go, Language::C];
/// One kind for each language keeps a run short; every kind is met.
const IN_CI: [(Language, &str); 5] =
    [(Language::Rust, "stt"), (Language::Js, "tts"), (Language::Python, "mask"), (Language::Go, "stt"), (Language::C, "tts")];
const NODE: &[Need] = &[Need { program: "npm", package: "nodejs npm", why: "builds plugins written in JavaScript" }];
const PYTHON: &[Need] = &[Need { program: "python3", package: "python3 python3-venv", why: "builds plugins written in Python" }];
const MAKE: &[Need] = &[Need { program: "make", package: "make", why: "builds plugins written in C" }];
/// Where Go's own archive is unpacked by its instructions.
const GO: &str = "/usr/local/go/bin";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Language {
    Rust,
    Js,
    Python,
    Go,
    C,
}

/// Installs what is missing to build plugins in every language; what cannot be had is said, and is no failure here.
pub fn prepare(ctx: &Context) {
    for language in LANGUAGES {
        if let Err(fault) = Tools::find(ctx, language) {
            ctx.say(format_args!("plugins in {} cannot be built here: {fault:#}", language.name()));
        }
    }
}

/// Builds the templates, all of them or one kind for each language.
pub fn build(ctx: &Context, full: bool) -> Result<()> {
    ctx.step("build the gateway, which begins plugins", || run(&mut ctx.build_program("voice-gateway")))?;
    let wanted = |language: Language, kind: &'static str| full || IN_CI.contains(&(language, kind));
    let mut rows = String::new();
    for language in LANGUAGES {
        let tools = Tools::find(ctx, language);
        for kind in KINDS.into_iter().filter(|kind| wanted(language, kind)) {
            let said = match &tools {
                Ok(tools) => one(ctx, tools, language, kind)?.display().to_string(),
                Err(fault) => {
                    ctx.say(format_args!("{} templates are NOT built: {fault:#}", language.name()));
                    format!("unavailable: {fault:#}").replace(['\t', '\n'], " ")
                }
            };
            rows.push_str(&format!("{}\t{kind}\t{said}\n", language.name()));
        }
    }
    write_whole(&shelf(ctx).join("built.tsv"), rows.as_bytes())
}

fn shelf(ctx: &Context) -> PathBuf {
    ctx.repo.join("target/plugins/templates")
}

fn one(ctx: &Context, tools: &Tools, language: Language, kind: &str) -> Result<PathBuf> {
    let title = format!("{}-{kind}", language.name());
    let folder = ctx.cache.join("templates");
    let project = folder.join(format!("{title}.{}", std::process::id()));
    let begun = begin(ctx, language, kind, &title, &project).and_then(|key| {
        let kept = folder.join("components").join(&title).join(format!("{}.wasm", key.as_str()));
        if !kept.is_file() {
            let built = ctx.step(format_args!("build the template {title}"), || tools.build(ctx, &project, kind, &title))?;
            write_whole(&kept, &fs::read(&built).with_context(|| format!("read {}", built.display()))?)?;
        }
        Ok(kept)
    });
    if project.is_dir() {
        fs::remove_dir_all(&project).with_context(|| format!("remove {}", project.display()))?;
    }
    let component = shelf(ctx).join(format!("{title}.wasm"));
    write_whole(&component, &fs::read(begun?)?)?;
    Ok(component)
}

/// By the program itself. The key is of everything that an author would see.
fn begin(ctx: &Context, language: Language, kind: &str, name: &str, project: &Path) -> Result<Key> {
    fs::create_dir_all(project.parent().context("the cache has folders")?)?;
    let mut new = gateway(ctx);
    new.args(["plugin", "new", "--lang", language.name(), "--kind", kind, name, "--dir"]).arg(project);
    capture(&mut new)?;
    let mut hash = Hasher::new();
    hash.tree(project, Path::new(""))?;
    hash.tree(&ctx.repo, Path::new("xtask/src/templates.rs"))?;
    Ok(hash.finish())
}

fn gateway(ctx: &Context) -> Command {
    Command::new(ctx.target.join("debug/voice-gateway"))
}

impl Language {
    fn name(self) -> &'static str {
        match self {
            Self::Rust => "rust",
            Self::Js => "js",
            Self::Python => "python",
            Self::Go => "go",
            Self::C => "c",
        }
    }
}

/// What builds one language.
enum Tools {
    Rust(Toolchain),
    Node,
    /// A virtual environment in the cache: the packages are 50 MB.
    Python(PathBuf),
    Go(PathBuf),
    C(Compiler),
}

impl Tools {
    fn find(ctx: &Context, language: Language) -> Result<Self> {
        match language {
            Language::Rust => Toolchain::find(ctx).map(Self::Rust),
            Language::Js => setup::require(ctx, NODE).map(|()| Self::Node),
            Language::Python => venv(ctx).map(Self::Python),
            Language::Go => go().map(Self::Go),
            Language::C => setup::require(ctx, MAKE).and_then(|()| Compiler::find(ctx)).map(Self::C),
        }
    }

    /// As the project's README says; its own tests run first where the language has some.
    fn build(&self, ctx: &Context, project: &Path, kind: &str, name: &str) -> Result<PathBuf> {
        let wasm = project.join(format!("{name}.wasm"));
        let at = |program: &str| {
            let mut command = Command::new(program);
            command.current_dir(project);
            command
        };
        match self {
            Self::Rust(toolchain) => return rust(ctx, toolchain, project, name),
            Self::Node => {
                run(at("npm").args(["install", "--silent", "--no-audit", "--no-fund"]))?;
                capture(at("npm").args(["test", "--silent"]))?;
                capture(at("npm").args(["run", "--silent", "build"]))?;
            }
            Self::Python(venv) => {
                std::os::unix::fs::symlink(venv, project.join(".venv"))?;
                let world = format!("{kind}-plugin");
                let componentize = || {
                    let mut command = at(".venv/bin/componentize-py");
                    command.args(["-d", "wit", "-w", &world]);
                    command
                };
                capture(componentize().args(["bindings", "."]))?;
                capture(at(".venv/bin/python").args(["-m", "unittest", "test_plugin"]))?;
                capture(componentize().args(["componentize", "--stub-wasi", "app", "-o"]).arg(&wasm))?;
            }
            Self::Go(go) => {
                let mut build = at(&go.join("go").to_string_lossy());
                build.args(["build", "-buildmode=c-shared", "-ldflags=-s -w -checklinkname=0", "-o", "core.wasm", "."]);
                capture(build.env("GOOS", "wasip1").env("GOARCH", "wasm"))?;
                capture(
                    gateway(ctx)
                        .current_dir(project)
                        .args(["plugin", "componentize", "core.wasm", "--kind", kind, "--out"])
                        .arg(&wasm),
                )?;
            }
            Self::C(compiler) => {
                let (cc, libraries) = compiler.for_make();
                // The Makefile calls the gateway by its name.
                let path = env::var_os("PATH").unwrap_or_default();
                let path = env::join_paths([ctx.target.join("debug")].into_iter().chain(env::split_paths(&path)))?;
                capture(
                    at("make")
                        .env("PATH", path)
                        .args(["CC", "LDLIBS"].iter().zip([cc, libraries]).map(|(name, value)| format!("{name}={value}"))),
                )?;
            }
        }
        Ok(wasm)
    }
}

fn rust(ctx: &Context, toolchain: &Toolchain, project: &Path, name: &str) -> Result<PathBuf> {
    // Shared, so that the SDK's dependencies are compiled once for all.
    let target = ctx.cache.join("templates/target");
    let mut cargo = toolchain.cargo(ctx)?;
    cargo.current_dir(project).args(["build", "--quiet", "--release", "--target", TARGET, "--target-dir"]).arg(&target);
    run(cargo.args(toolchain.build_std()))?;
    let mut tests = Command::new(ctx.cargo().get_program());
    run(tests.current_dir(project).args(["test", "--quiet", "--target-dir"]).arg(&target))?;
    Ok(target.join(TARGET).join("release").join(format!("{}.wasm", name.replace('-', "_"))))
}

fn venv(ctx: &Context) -> Result<PathBuf> {
    let wanted =
        fs::read_to_string(ctx.repo.join("plugins/templates/python/requirements.txt")).context("read requirements.txt")?;
    let root = ctx.cache.join("templates").join(format!("venv-{}", wanted.trim().replace("==", "-")));
    if root.join("bin/componentize-py").is_file() {
        return Ok(root);
    }
    setup::require(ctx, PYTHON)?;
    ctx.step(format_args!("fetch {} (some 50 MB)", wanted.trim()), || {
        run(Command::new("python3").args(["-m", "venv"]).arg(&root))?;
        run(Command::new(root.join("bin/pip")).args(["install", "--quiet", "--disable-pip-version-check", wanted.trim()]))
    })?;
    Ok(root)
}

/// Debian 12's Go is older than what the bindings need, so none is installed here.
fn go() -> Result<PathBuf> {
    let folders = env::split_paths(&env::var_os("PATH").unwrap_or_default()).chain([PathBuf::from(GO)]).collect::<Vec<_>>();
    let Some(folder) = folders.into_iter().find(|folder| folder.join("go").is_file()) else {
        bail!("Go 1.25 or newer is not here: unpack it from https://go.dev/dl to /usr/local/go")
    };
    let version = capture(Command::new(folder.join("go")).args(["env", "GOVERSION"]))?;
    let minor = version.strip_prefix("go1.").and_then(|rest| rest.split(['.', 'r', '-']).next()?.parse::<u32>().ok());
    if minor.is_none_or(|minor| minor < 25) {
        bail!("{version} is too old for the bindings, which need Go 1.25");
    }
    Ok(folder)
}
