//! The toolchain that makes WebAssembly components of guest crates.
//!
//! Guests are built for `wasm32-unknown-unknown` and linked by `wasm-component-ld`, which ships with every Rust
//! toolchain: what the linker writes is a component whose only imports are those of our WIT. That needs the target's
//! standard library. It comes from rustup where rustup can reach its server, else it is compiled from the source package
//! of Debian's `rustc-web` by that compiler, unpacked (never installed) in the machine's cache.

use std::{
    env, fs,
    io::Read,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use anyhow::{Context as _, Result, bail};

use crate::context::{Context, capture, run};
use crate::setup;

/// What guests written in Rust are built for.
pub const TARGET: &str = "wasm32-unknown-unknown";

/// Rustup's server is near or it is not there: longer than this nobody should wait before the other way is tried.
const RUSTUP_WAIT: Duration = Duration::from_secs(60);

const DEBIAN_RELEASE: &str = "1.96";
/// `libstd-rust-web-dev` is the host's library: build scripts and procedural macros are compiled by the same compiler.
const DEBIAN_PACKAGES: [&str; 5] = ["rustc-web", "libstd-rust-web-1.96", "libstd-rust-web-dev", "rust-web-src", "libllvm22"];

/// A compiler and linker that can build guests.
#[derive(Debug)]
pub struct Toolchain {
    kind: Kind,
    host: Host,
}

#[derive(Debug)]
enum Kind {
    /// The toolchain that runs xtask has the target installed.
    Rustup,
    /// Debian's compiler, unpacked in this folder; the standard library is built from its source.
    Debian(PathBuf),
}

/// The toolchain that runs xtask; its cargo and its linker serve either kind.
#[derive(Debug)]
struct Host {
    sysroot: PathBuf,
    triple: String,
}

/// What `VG_WASM_TOOLCHAIN` asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wish {
    Any,
    Rustup,
    Debian,
}

impl Toolchain {
    /// The toolchain that can be used at once; none where something has to be fetched first.
    pub fn ready(ctx: &Context) -> Result<Option<Self>> {
        let (wish, host) = (Wish::from_environment()?, Host::find()?);
        Ok(if wish != Wish::Debian && host.has_target() {
            Some(Self { kind: Kind::Rustup, host })
        } else if wish != Wish::Rustup && debian_compiler(&debian_root(ctx)).is_file() {
            Some(Self { kind: Kind::Debian(debian_root(ctx)), host })
        } else {
            None
        })
    }

    /// The toolchain, fetched where it is missing: first by rustup, then from Debian.
    pub fn find(ctx: &Context) -> Result<Self> {
        if let Some(toolchain) = Self::ready(ctx)? {
            return Ok(toolchain);
        }
        let wish = Wish::from_environment()?;
        if wish != Wish::Debian {
            match ctx.step(format_args!("rustup target add {TARGET}"), rustup_target_add) {
                Ok(()) => {}
                Err(fault) if wish == Wish::Rustup => return Err(fault),
                Err(fault) => ctx.say(format_args!("rustup could not add the target ({fault:#}); trying Debian's packages")),
            }
        }
        if wish != Wish::Rustup && Self::ready(ctx)?.is_none() {
            let what = format!("unpack Debian's rustc-web {DEBIAN_RELEASE} (137 MB) to {}", debian_root(ctx).display());
            ctx.step(what, || fetch_debian(ctx)).with_context(|| {
                format!(
                    "no toolchain for guests: run `rustup target add {TARGET}` where rustup reaches its server, or use Debian 12"
                )
            })?;
        }
        Self::ready(ctx)?.context("the toolchain was fetched and is still not there: remove it from the cache and try again")
    }

    /// Names the compiler; components made by another one are not the same components.
    pub fn name(&self) -> Result<String> {
        match &self.kind {
            Kind::Rustup => capture(Command::new(self.host.sysroot.join("bin/rustc")).arg("--version")),
            Kind::Debian(_) => Ok(format!("debian rustc-web {DEBIAN_RELEASE}")),
        }
    }

    /// Builds the library of a workspace package with these features (separated by commas, or none) and gives the path of
    /// the component.
    pub fn cargo_build(&self, ctx: &Context, package: &str, features: &str) -> Result<PathBuf> {
        let target_dir = ctx.target.join("wasm");
        run(self
            .cargo(ctx)?
            .args(["build", "--locked", "--profile", "plugin", "--target", TARGET])
            .args(self.build_std())
            .args(["--package", package, "--features", features, "--lib", "--target-dir"])
            .arg(&target_dir))
        .with_context(|| format!("build the guest {package}"))?;
        let component = target_dir.join(TARGET).join("plugin").join(format!("{}.wasm", package.replace('-', "_")));
        if !component.is_file() {
            bail!("cargo built {package} but left no {}: is its crate-type cdylib?", component.display());
        }
        Ok(component)
    }

    /// What cargo has to be told beside the target.
    pub fn build_std(&self) -> &'static [&'static str] {
        match self.kind {
            Kind::Rustup => &[],
            Kind::Debian(_) => &["-Zbuild-std=std,panic_abort"],
        }
    }

    /// Cargo with everything in its environment that decides what the guest becomes.
    pub fn cargo(&self, ctx: &Context) -> Result<Command> {
        let bin = self.host.rustlib().join("bin");
        let linker = bin.join("wasm-component-ld");
        if !linker.is_file() {
            bail!("{} is missing: use a toolchain of rustup, which ships it", linker.display());
        }
        // The linker looks for `wasm-ld` on the path.
        let path = env::var_os("PATH").unwrap_or_default();
        let path = env::join_paths([bin.join("gcc-ld")].into_iter().chain(env::split_paths(&path)))?;
        let mut cargo = Command::new(self.host.sysroot.join("bin/cargo"));
        cargo.current_dir(&ctx.repo).env("PATH", path).env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", linker);
        // Flags and wrappers are meant for the host's build, and a component must not depend on who builds it.
        for name in ["RUSTFLAGS", "RUSTC_WRAPPER", "RUSTC_WORKSPACE_WRAPPER", "CARGO_BUILD_TARGET", "CARGO_TARGET_DIR"] {
            cargo.env_remove(name);
        }
        let rustc = match &self.kind {
            Kind::Rustup => self.host.sysroot.join("bin/rustc"),
            Kind::Debian(root) => {
                // Unlocks `-Zbuild-std` in a stable cargo and the library's own unstable features in this compiler.
                cargo.env("RUSTC_BOOTSTRAP", "1").env("LD_LIBRARY_PATH", debian_libraries(root));
                debian_compiler(root)
            }
        };
        cargo.env("RUSTC", rustc).env("CARGO_ENCODED_RUSTFLAGS", self.path_flags(ctx));
        Ok(cargo)
    }

    /// Panic messages name source files: without the machine's folders in them, and the same on every machine.
    fn path_flags(&self, ctx: &Context) -> String {
        let home = env::var_os("CARGO_HOME").map(PathBuf::from);
        let home = home.or_else(|| env::var_os("HOME").map(|home| Path::new(&home).join(".cargo")));
        let library = match &self.kind {
            Kind::Rustup => self.host.sysroot.clone(),
            Kind::Debian(root) => root.clone(),
        };
        let folders = [(Some(ctx.repo.clone()), "/vg"), (home, "/cargo"), (Some(library), "/rust")];
        let flags = folders.into_iter().filter_map(|(from, to)| Some(format!("--remap-path-prefix={}={to}", from?.display())));
        flags.collect::<Vec<_>>().join("\x1f")
    }
}

impl Wish {
    fn from_environment() -> Result<Self> {
        match env::var("VG_WASM_TOOLCHAIN").ok().as_deref() {
            None | Some("") => Ok(Self::Any),
            Some("rustup") => Ok(Self::Rustup),
            Some("debian") => Ok(Self::Debian),
            Some(other) => bail!("VG_WASM_TOOLCHAIN is {other:?}: it may be \"rustup\", \"debian\" or unset"),
        }
    }
}

impl Host {
    fn find() -> Result<Self> {
        let printed = capture(Command::new("rustc").args(["--print", "sysroot", "--print", "host-tuple"]))?;
        let (sysroot, triple) = printed.split_once('\n').context("rustc does not name its sysroot and host")?;
        Ok(Self { sysroot: sysroot.into(), triple: triple.trim().to_owned() })
    }

    fn rustlib(&self) -> PathBuf {
        self.sysroot.join("lib/rustlib").join(&self.triple)
    }

    fn has_target(&self) -> bool {
        self.sysroot.join("lib/rustlib").join(TARGET).join("lib").is_dir()
    }
}

fn rustup_target_add() -> Result<()> {
    let mut child = Command::new("rustup")
        .args(["target", "add", TARGET])
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .context("start rustup")?;
    let mut stderr = child.stderr.take().context("rustup's messages are piped")?;
    let (tell, told) = mpsc::sync_channel(1);
    // The pipe ends when rustup does: that is what the deadline waits for.
    thread::spawn(move || {
        let mut said = String::new();
        let _ = stderr.read_to_string(&mut said);
        let _ = tell.send(said);
    });
    let Ok(said) = told.recv_timeout(RUSTUP_WAIT) else {
        child.kill().context("stop rustup")?;
        child.wait().context("stop rustup")?;
        bail!("no answer within {} s", RUSTUP_WAIT.as_secs());
    };
    let status = child.wait().context("wait for rustup")?;
    if !status.success() {
        bail!("{}", said.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("it failed without a message"));
    }
    Ok(())
}

fn debian_root(ctx: &Context) -> PathBuf {
    ctx.cache.join(format!("wasm-toolchain-debian-{DEBIAN_RELEASE}"))
}

fn debian_compiler(root: &Path) -> PathBuf {
    root.join("usr/bin/rustc")
}

fn debian_libraries(root: &Path) -> PathBuf {
    root.join(format!("usr/lib/{}-linux-gnu", env::consts::ARCH))
}

/// Not installed, because `rustc-web` conflicts with Debian's rustup and would put a second `rustc` on everybody's path.
fn fetch_debian(ctx: &Context) -> Result<()> {
    let root = debian_root(ctx);
    unpack_debian(ctx, &root, &DEBIAN_PACKAGES)?;
    capture(Command::new(debian_compiler(&root)).arg("--version").env("LD_LIBRARY_PATH", debian_libraries(&root))).map(drop)
}

/// Downloads packages by apt, which checks them, and unpacks them beside each other in the folder `root`.
pub fn unpack_debian(ctx: &Context, root: &Path, packages: &[&str]) -> Result<()> {
    let part = root.with_extension(format!("part-{}", std::process::id()));
    let downloads = part.join("packages");
    fs::create_dir_all(&downloads).with_context(|| format!("create {}", downloads.display()))?;
    let apt = setup::apt_alone();
    let download = || run(Command::new("apt-get").args(["download", "-qq"]).args(packages).current_dir(&downloads));
    if download().is_err() {
        ctx.say("apt does not know the packages yet; asking its servers");
        run(Command::new("apt-get").args(["update", "-qq"])).context("refresh apt's lists (needs root)")?;
        download()?;
    }
    drop(apt);
    for package in fs::read_dir(&downloads)? {
        run(Command::new("dpkg").arg("-x").arg(package?.path()).arg(&part))?;
    }
    fs::remove_dir_all(&downloads)?;
    // Another chore may have been quicker: then its folder is as good.
    if fs::rename(&part, root).is_err() && root.is_dir() {
        fs::remove_dir_all(&part)?;
    }
    Ok(())
}
