//! Installs what is missing, and says what and why. Everything that can be unpacked beside the build is; the rest comes from apt.

use crate::context::{Context, run};
use anyhow::{Result, bail};
use std::{env, fs, path::Path, process::Command};

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
    require(ctx, BUILD)?;
    crate::plugins::build_all(ctx)?;
    crate::registry::prepare(ctx)?;
    crate::judges::prepare(ctx)?;
    crate::fuzz::prepare(ctx)?;
    crate::templates::prepare(ctx);
    crate::lab::prepare_stories(ctx)?;
    crate::services::prepare(ctx)?;
    ctx.say("everything is here: try `cargo xtask demo`, then `cargo xtask test`");
    Ok(())
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
    ctx.step(format_args!("install {}", packages.join(" ")), || {
        // Fresh machines have no package lists, old ones stale lists: update only when the install needs it.
        install(&packages).or_else(|_| {
            run(apt().args(["update", "-qq"]))?;
            install(&packages)
        })
    })
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
