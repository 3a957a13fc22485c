//! Installs what is missing, and says what and why. Everything that can be unpacked beside the build is; the rest comes from apt.

use crate::context::{Context, capture, joined, run};
use crate::{dist, fuzz, judges, lab, plugins, registry, services, templates};
use anyhow::{Result, bail};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::{env, fs, path::Path, process::Command, thread};

/// A program, the Debian package that holds it, and why it is needed.
pub struct Need {
    /// Looked for on the PATH; a path with a slash is looked for as a file.
    pub program: &'static str,
    /// Installed when the program is missing.
    pub package: &'static str,
    /// For the message.
    pub why: &'static str,
}

/// What unpacks a Debian, or parts of one, beside the build.
pub const UNPACK: &[Need] = &[
    Need { program: "mmdebstrap", package: "mmdebstrap", why: "unpacks Debian's packages beside the build" },
    Need {
        program: "/usr/share/keyrings/debian-archive-keyring.gpg",
        package: "debian-archive-keyring",
        why: "checks the signatures of what is unpacked",
    },
];

/// What the laboratory needs beyond Asterisk, which is unpacked in a chroot.
pub const LABORATORY: &[Need] = &[Need { program: "sipp", package: "sip-tester", why: "is the SIP caller of the stories" }];

/// What the stories need beyond the laboratory.
pub const STORIES: &[Need] =
    &[Need { program: "age", package: "age", why: "opens what the gateway has sealed, as whoever keeps the key does" }];

/// What every build needs beyond Rust.
pub const BUILD: &[Need] = &[
    Need { program: "cc", package: "gcc libc6-dev", why: "links host programs" },
    Need { program: "cmake", package: "cmake", why: "builds libopus, the reference implementation of the Opus codec" },
    Need { program: "make", package: "make", why: "is what cmake builds with" },
    Need { program: "c++", package: "g++", why: "is asked for by librdkafka, the client of Kafka" },
    Need { program: "pkg-config", package: "pkg-config", why: "finds OpenSSL" },
    Need { program: "/usr/include/openssl/ssl.h", package: "libssl-dev", why: "is the TLS of librdkafka" },
];

/// `cargo xtask setup`.
pub fn all(ctx: &Context) -> Result<()> {
    for_tests(ctx)?;
    ctx.say("everything is here: try `cargo xtask demo`, then `cargo xtask test`");
    Ok(())
}

/// Everything that the tests need. What is fetched is fetched while plugins are compiled.
pub fn for_tests(ctx: &Context) -> Result<()> {
    require(ctx, BUILD)?;
    know_packages(ctx);
    thread::scope(|threads| {
        let fetched = threads.spawn(|| fetch(ctx));
        let built = plugins::build_all(ctx);
        joined(fetched).and(built.map(drop))
    })
}

/// Has apt fetch its lists where it never did: parts of a chore that run beside one another would do it at the same time.
fn know_packages(ctx: &Context) {
    // Before its first update apt knows no origins.
    let origins = || capture(Command::new("apt-get").args(["indextargets", "--format", "$(ORIGIN)"]));
    if !is_root() || !on_path("apt-get") || origins().is_ok_and(|origins| !origins.trim().is_empty()) {
        return;
    }
    if let Err(fault) = ctx.step("refresh apt's lists", || run(apt().args(["update", "-qq"]))) {
        ctx.say(format_args!("nothing can be installed here ({fault:#}): going on with what there is"));
    }
}

fn fetch(ctx: &Context) -> Result<()> {
    registry::prepare(ctx)?;
    judges::prepare(ctx)?;
    lab::prepare_stories(ctx)?;
    services::prepare(ctx)?;
    templates::prepare(ctx);
    dist::prepare(ctx)?;
    fuzz::prepare(ctx)
}

/// Installs the packages of what is missing; without the right to do so, fails with the commands to run.
pub fn require(ctx: &Context, needs: &[Need]) -> Result<()> {
    let missing: Vec<&Need> = needs.iter().filter(|need| !present(need.program)).collect();
    if missing.is_empty() { Ok(()) } else { add(ctx, &missing) }
}

/// The same for what is known to be missing.
pub fn add(ctx: &Context, missing: &[&Need]) -> Result<()> {
    for need in missing {
        ctx.say(format_args!("{} is missing: it {} (Debian package {})", need.program, need.why, need.package));
    }
    let packages: Vec<&str> = missing.iter().flat_map(|need| need.package.split(' ')).collect();
    if !is_root() || !on_path("apt-get") {
        let list = packages.join(" ");
        bail!(
            "these packages must be installed by an administrator first:\n  apt-get update && apt-get install -y --no-install-recommends {list}"
        );
    }
    let _apt = apt_alone();
    ctx.step(format_args!("install {}", packages.join(" ")), || {
        // Fresh machines have no package lists, old ones stale lists: update only when the install needs it.
        install(&packages).or_else(|_| {
            run(apt().args(["update", "-qq"]))?;
            install(&packages)
        })
    })
}

/// While this is held, no other part of a chore asks apt for something: a second one would fail for the locks of the first.
pub fn apt_alone() -> MutexGuard<'static, ()> {
    static APT: Mutex<()> = Mutex::new(());
    APT.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether this process may install packages and enter chroots.
pub fn is_root() -> bool {
    fs::read_to_string("/proc/self/status")
        .is_ok_and(|status| status.lines().any(|line| line.starts_with("Uid:") && line.split_whitespace().nth(2) == Some("0")))
}

fn on_path(program: &str) -> bool {
    env::split_paths(&env::var_os("PATH").unwrap_or_default()).any(|folder| folder.join(program).is_file())
}

fn present(program: &str) -> bool {
    if program.contains('/') { Path::new(program).exists() } else { on_path(program) }
}

fn install(packages: &[&str]) -> Result<()> {
    run(apt().args(["install", "-qq", "-y", "--no-install-recommends"]).args(packages))
}

fn apt() -> Command {
    let mut apt = Command::new("apt-get");
    apt.args(["-o", "DPkg::Lock::Timeout=300"]).env("DEBIAN_FRONTEND", "noninteractive");
    apt
}
