//! Builds `stt-local`: PocketSphinx and its glue in C, compiled to a component without imports, then baked with the
//! US English model and the whole CMU dictionary.
//!
//! The compiler is Debian's clang 14 with wasi-libc unpacked in the machine's cache, else zig from PyPI: the first is 1 MB
//! beside what Debian has, the second builds wherever pip works.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail};
use sha2::{Digest, Sha256};

use crate::{
    context::{Context, capture, run},
    plugins::{Built, Hasher, Key, Shelf, Wanted, cached},
    setup::{self, Need},
    wasm,
};

/// The name of the plugin.
pub const NAME: &str = "stt-local";

const WORLD: &str = "stt-plugin-baked";
const SPHINX: &str = "pocketsphinx-5.1.1";
const SPHINX_SHA256: &str = "675778b309a22dfc9b7d37f7621976bba491d2a5f8c59696bd77fd6d07271355";
const ZIG: &str = "ziglang==0.17.1";

const PIP: &[Need] = &[Need { program: "pip3", package: "python3-pip", why: "fetches the source and model of PocketSphinx" }];
const CLANG: &[Need] = &[
    Need { program: "clang-14", package: "clang-14", why: "compiles PocketSphinx to WebAssembly" },
    Need { program: "wasm-ld-14", package: "lld-14", why: "links PocketSphinx" },
];
const LIBC_PACKAGES: [&str; 2] = ["wasi-libc", "libclang-rt-14-dev-wasm32"];
const BUILTINS: &str = "usr/lib/llvm-14/lib/clang/14.0.6/lib/wasi/libclang_rt.builtins-wasm32.a";

/// Everything that decides what the component becomes is part of its key, so this file is too.
const MADE_OF: [&str; 5] =
    ["wit", "plugins/stt-local/src", "xtask/guestc/src", "xtask/src/stt_local.rs", "host/crates/plugin-host/src/bake.rs"];

/// The component, built where its sources changed.
pub fn build(ctx: &Context) -> Result<Built> {
    cached(ctx, Wanted { name: NAME, shelf: Shelf::Product, imports: &[] }, || key(&ctx.repo), || make(ctx))
}

fn key(repo: &Path) -> Result<Key> {
    let mut hash = Hasher::new();
    MADE_OF.iter().try_for_each(|path| hash.tree(repo, Path::new(path)))?;
    Ok(hash.finish())
}

fn make(ctx: &Context) -> Result<PathBuf> {
    let sphinx = sphinx(ctx)?;
    let compiler = Compiler::find(ctx)?;
    let folder = ctx.target.join("stt-local");
    fs::create_dir_all(&folder).with_context(|| format!("create {}", folder.display()))?;
    let [bindings, core, component, baked] =
        ["bindings", "core.wasm", "code.wasm", "stt-local.wasm"].map(|name| folder.join(name));
    let wit = ctx.repo.join("wit");
    ctx.step("build vg-guestc", || run(ctx.build_program("vg-guestc").arg("--locked")))?;
    let guestc = || Command::new(ctx.target.join("debug/vg-guestc"));
    run(guestc().arg("bindings").arg(&wit).arg(WORLD).arg(&bindings))?;
    ctx.step("compile PocketSphinx", || compile(ctx, &compiler, &sphinx, &bindings, &core))?;
    run(guestc().arg("component").arg(&core).arg(&wit).arg(WORLD).arg(&component))?;
    bake(ctx, &sphinx, &component, &baked)?;
    Ok(baked)
}

/// Source and model, unpacked in the cache.
fn sphinx(ctx: &Context) -> Result<PathBuf> {
    let root = ctx.cache.join(SPHINX);
    if root.join("model").is_dir() {
        return Ok(root);
    }
    setup::require(ctx, PIP)?;
    let part = ctx.cache.join(format!("{SPHINX}.part-{}", std::process::id()));
    fs::create_dir_all(&part).with_context(|| format!("create {}", part.display()))?;
    let archive = part.join(format!("{SPHINX}.tar.gz"));
    ctx.step(format_args!("fetch {SPHINX} (34 MB)"), || {
        // Only this one package from source: pip would otherwise compile the build tools of the source package as well.
        let download = ["download", "--quiet", "--no-deps", "--no-binary", "pocketsphinx"];
        run(Command::new("pip3").args(download).arg("--dest").arg(&part).arg(SPHINX.replace('-', "==")))?;
        let bytes = fs::read(&archive).with_context(|| format!("read {}", archive.display()))?;
        let sum: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        if sum != SPHINX_SHA256 {
            bail!("{SPHINX}.tar.gz has SHA-256 {sum}, not {SPHINX_SHA256}");
        }
        run(Command::new("tar").arg("-xzf").arg(&archive).arg("-C").arg(&part))
    })?;
    // Another chore may have been quicker: then its folder is as good.
    if fs::rename(part.join(SPHINX), &root).is_err() && !root.join("model").is_dir() {
        bail!("{} cannot be made", root.display());
    }
    fs::remove_dir_all(&part)?;
    Ok(root)
}

/// A C compiler for WebAssembly.
pub enum Compiler {
    /// Debian's, with the C library unpacked in this folder.
    Clang(PathBuf),
    /// A Python package, unpacked in this folder; it brings its own C library.
    Zig(PathBuf),
}

impl Compiler {
    /// The one that is here, else one that is fetched now.
    pub fn find(ctx: &Context) -> Result<Self> {
        let zig = ctx.cache.join(ZIG.replace("==", "-"));
        if zig.is_dir() {
            return Ok(Self::Zig(zig));
        }
        let clang = setup::require(ctx, CLANG).and_then(|()| {
            let root = ctx.cache.join("wasi-libc-debian-14");
            if !root.join(BUILTINS).is_file() {
                ctx.step("unpack Debian's wasi-libc", || wasm::unpack_debian(ctx, &root, &LIBC_PACKAGES))?;
            }
            if root.join(BUILTINS).is_file() { Ok(root) } else { bail!("Debian's packages do not hold {BUILTINS}") }
        });
        match clang {
            Ok(root) => return Ok(Self::Clang(root)),
            Err(fault) => ctx.say(format_args!("no clang 14 for WebAssembly here ({fault:#}); taking {ZIG} from PyPI")),
        }
        setup::require(ctx, PIP)?;
        ctx.step(format_args!("fetch {ZIG} (some 100 MB)"), || {
            let part = zig.with_extension(format!("part-{}", std::process::id()));
            run(Command::new("pip3").args(["install", "--quiet", "--no-deps", "--target"]).arg(&part).arg(ZIG))?;
            fs::rename(&part, &zig).with_context(|| format!("create {}", zig.display()))
        })?;
        Ok(Self::Zig(zig))
    }

    /// The compiler with what is its own: target, C library, start file.
    fn command(&self) -> Command {
        match self {
            Self::Clang(root) => {
                let library = root.join("usr/lib/wasm32-wasi");
                let mut clang = Command::new("clang-14");
                clang.args(["--target=wasm32-wasi", "-nodefaultlibs", "-nostartfiles", "-isystem"]);
                clang.arg(root.join("usr/include/wasm32-wasi")).arg("-L").arg(&library).arg(library.join("crt1-reactor.o"));
                clang
            }
            Self::Zig(root) => {
                let mut zig = Command::new("python3");
                zig.env("PYTHONPATH", root).args(["-m", "ziglang", "cc", "-target", "wasm32-wasi"]);
                zig
            }
        }
    }

    /// The same for a Makefile: the compiler with its arguments, and the libraries at the end.
    pub fn for_make(&self) -> (String, String) {
        let command = self.command();
        // Only zig is found by an environment.
        let environment =
            command.get_envs().map(|(name, value)| format!("{}={}", name.display(), value.unwrap_or_default().display()));
        let words = std::iter::once(command.get_program()).chain(command.get_args()).map(|word| word.display().to_string());
        let compiler: Vec<String> = std::iter::once("env".to_owned()).chain(environment).chain(words).collect();
        let libraries: Vec<String> = self.libraries().iter().map(|library| library.display().to_string()).collect();
        (compiler.join(" "), libraries.join(" "))
    }

    fn libraries(&self) -> Vec<PathBuf> {
        let named = ["-lc", "-lm", "-lwasi-emulated-process-clocks"].map(PathBuf::from);
        match self {
            Self::Clang(root) => named.into_iter().chain([root.join(BUILTINS)]).collect(),
            Self::Zig(_) => named[2..].to_vec(),
        }
    }
}

fn compile(ctx: &Context, compiler: &Compiler, sphinx: &Path, bindings: &Path, core: &Path) -> Result<()> {
    let own = ctx.repo.join("plugins/stt-local/src");
    let mut cc = compiler.command();
    // The library opens files by name; ours are in memory. Assertions carry file names: not those of this machine.
    cc.args(["-mexec-model=reactor", "-O3", "-msimd128", "-s", "-w", "-DHAVE_CONFIG_H", "-Dfopen=memory_fopen"]);
    cc.args(["-D_WASI_EMULATED_PROCESS_CLOCKS", "-Wl,-z,stack-size=262144"]);
    cc.arg(format!("-ffile-prefix-map={}=pocketsphinx", sphinx.display()));
    for folder in [own.clone(), own.join("shim"), bindings.to_path_buf(), sphinx.join("include"), sphinx.join("src")] {
        cc.arg("-I").arg(folder);
    }
    cc.args(library_sources(sphinx)?).args(c_files(&own)?).args(c_files(bindings)?);
    cc.args(compiler.libraries()).arg("-o").arg(core);
    // The linker warns of signatures in the library's linear algebra, which decoding never calls: shown only on failure.
    capture(&mut cc).map(drop)
}

/// The library's files as its own CMakeLists.txt lists them; its memory mapping is replaced by ours.
fn library_sources(sphinx: &Path) -> Result<Vec<PathBuf>> {
    let list = fs::read_to_string(sphinx.join("src/CMakeLists.txt")).context("read PocketSphinx's CMakeLists.txt")?;
    let (_, list) = list.split_once("add_library(pocketsphinx").context("PocketSphinx's CMakeLists.txt names no library")?;
    let (list, _) = list.split_once(')').context("PocketSphinx's CMakeLists.txt is cut short")?;
    let names = list.split_whitespace().filter(|name| name.ends_with(".c") && *name != "util/mmio.c");
    Ok(names.map(|name| sphinx.join("src").join(name)).collect())
}

fn c_files(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).with_context(|| format!("read {}", folder.display()))?;
    let mut files = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    files.retain(|file| file.extension().is_some_and(|kind| kind == "c"));
    files.sort();
    Ok(files)
}

/// By the gateway's own command: it is built anyway, and brings the WebAssembly engine along.
fn bake(ctx: &Context, sphinx: &Path, component: &Path, baked: &Path) -> Result<()> {
    let model = sphinx.join("model/en-us");
    let binary = |profile: &str| ctx.target.join(profile).join("voice-gateway");
    let mut cargo = ctx.build_program("voice-gateway");
    // A release build that stands alone is taken: the engine takes minutes to compile a second time.
    let alone = !ctx.with_tests && !binary("debug").is_file() && binary("release").is_file();
    let profile = if alone { "release" } else { "debug" };
    if profile == "release" {
        cargo.arg("--release");
    }
    ctx.step("build the gateway, which bakes plugins (5 to 10 minutes the first time)", || run(&mut cargo))?;
    let mut bake = Command::new(binary(profile));
    bake.args(["plugin", "bake"]).arg(component).arg(baked).arg(named("dict", &model.join("cmudict-en-us.dict")));
    let entries = fs::read_dir(model.join("en-us")).context("read the model's folder")?;
    let mut files = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    files.retain(|file| !file.ends_with("README"));
    // The order is part of what the snapshot becomes.
    files.sort();
    for file in &files {
        let name = file.file_name().context("a file has a name")?.to_string_lossy();
        bake.arg(named(&format!("hmm/{name}"), file));
    }
    ctx.step("bake the US English model into stt-local", || capture(&mut bake).map(drop))
}

fn named(name: &str, file: &Path) -> String {
    format!("{name}={}", file.display())
}
