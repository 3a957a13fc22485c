//! The laboratory: a real Asterisk 22 from Debian's own packages, in a chroot, and an Asterisk 16 beside it. The scripts in `tests/lab` do the work.

use crate::context::{Context, capture, run};
use crate::services;
use crate::setup::{self, LABORATORY, STORIES, UNPACK};
use anyhow::{Context as _, Result, bail};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const SUITE: &str = "forky";
const PACKAGES: &str = "asterisk,asterisk-modules,asterisk-core-sounds-en-gsm,\
    asterisk-core-sounds-en-wav,asterisk-core-sounds-en-g722,asterisk-core-sounds-it-wav";
const VERSION: &str = "Asterisk 22.";
/// The oldest that has external media, as long as Debian serves it. What is left of it in the stories: one call.
const OLD_SUITE: &str = "bullseye";
const OLD_PACKAGES: &str = "asterisk,asterisk-modules,asterisk-core-sounds-en-gsm";

/// Where the chroot of Asterisk is, or will be.
pub fn root(ctx: &Context) -> PathBuf {
    let wished = std::env::var_os("VG_LAB_ROOT").filter(|root| !root.is_empty());
    wished.map_or_else(|| ctx.cache.join("asterisk"), PathBuf::from)
}

/// Makes Asterisk and the SIP caller ready to run. Costs nothing the second time.
pub fn prepare(ctx: &Context) -> Result<()> {
    if !setup::is_root() {
        bail!("the laboratory enters a chroot, which needs root: run this as root (or in a container where you are)");
    }
    setup::require(ctx, LABORATORY)?;
    let root = root(ctx);
    chroot(ctx, &root, SUITE, PACKAGES, "unpack Asterisk from Debian's packages (about 70 MB to fetch, half a minute)")?;
    let version = capture(Command::new("chroot").arg(&root).args(["asterisk", "-V"]))?;
    if !version.starts_with(VERSION) {
        bail!("{VERSION}x is needed, {SUITE} holds {version}: point VG_DEBIAN_MIRROR at a snapshot that has it");
    }
    Ok(())
}

/// The same for the stories, which hold a call through Asterisk 16 as well. Debian keeps an old release for some years: where it is gone, that story
/// says that it was not run.
pub fn prepare_stories(ctx: &Context) -> Result<()> {
    prepare(ctx)?;
    setup::require(ctx, STORIES)?;
    let beside = |end: &str| PathBuf::from(format!("{}-16{end}", root(ctx).display()));
    let (old, not_served) = (beside(""), beside(".not-served"));
    match chroot(
        ctx,
        &old,
        OLD_SUITE,
        OLD_PACKAGES,
        "unpack Asterisk 16 from Debian's packages (about 60 MB to fetch, half a minute)",
    ) {
        Ok(()) => std::fs::remove_file(&not_served).or_else(|error| match error.kind() {
            ErrorKind::NotFound => Ok(()),
            _ => Err(error).context("failed to remove the mark of a missing Asterisk 16"),
        }),
        Err(error) => {
            ctx.say(format_args!("Asterisk 16 is not to be had ({error:#}): its story will say that it was not run"));
            std::fs::write(&not_served, format!("{error:#}")).context("failed to mark that Asterisk 16 is missing")
        }
    }
}

/// Unpacks a Debian into `root` unless exactly that is there.
pub fn chroot(ctx: &Context, root: &Path, suite: &str, packages: &str, what: &str) -> Result<()> {
    let wanted = format!("{suite} {packages}");
    if std::fs::read_to_string(root.join(".complete")).is_ok_and(|found| found == wanted) {
        return Ok(());
    }
    setup::require(ctx, UNPACK)?;
    ctx.step(what, || run(Command::new(ctx.repo.join("tests/lab/chroot.sh")).arg(root).args([suite, packages])))
}

/// Unpacks packages, and those they depend on, without setting them up: files to use from outside, in the place of what `root` held.
pub fn unpack(ctx: &Context, root: &Path, suite: &str, packages: &str) -> Result<()> {
    setup::require(ctx, UNPACK)?;
    run(Command::new(ctx.repo.join("tests/lab/chroot.sh")).arg(root).args([suite, packages, "extract"]))
}

/// `cargo xtask lab up|down|status`: instance 0 of the laboratory, a Kafka and a Redis, for playing by hand.
pub fn act(ctx: &Context, act: &str) -> Result<()> {
    match act {
        "up" => up(ctx).and_then(|()| services::up(ctx)),
        // Each is ended, whatever became of the other.
        "down" => down(ctx).and(services::down(ctx)),
        "status" => {
            services::status(ctx);
            status(ctx)
        }
        other => bail!("unknown: lab {other}; up, down and status exist"),
    }
}

/// The address and the test user of instance 0's ARI.
pub struct Ari {
    /// Base URL without `/ari`.
    pub url: String,
    /// User in the laboratory's `ari.conf`.
    pub user: &'static str,
    /// Its password; Asterisk listens on loopback only.
    pub password: &'static str,
    /// The application that extension 100 enters.
    pub app: &'static str,
    /// Where callers send their INVITE, on loopback.
    pub sip_port: String,
}

/// Instance 0's addresses.
pub fn ari(ctx: &Context) -> Result<Ari> {
    let ports = capture(script(ctx, "ports")?.arg("0"))?;
    let port = |name: &str| -> Result<&str> {
        ports.lines().find_map(|line| line.strip_prefix(name)).with_context(|| format!("no port {name} in {ports}"))
    };
    Ok(Ari {
        url: format!("http://127.0.0.1:{}", port("HTTP=")?),
        user: "gateway",
        password: "gateway-lab",
        app: "vg-test",
        sip_port: port("SIP=")?.to_owned(),
    })
}

/// Starts instance 0 and leaves it running.
pub fn up(ctx: &Context) -> Result<()> {
    prepare(ctx)?;
    let mut child = script(ctx, "run")?.arg("0").stdin(Stdio::null()).spawn().context("failed to start Asterisk")?;
    run(script(ctx, "ready")?.arg("0"))?;
    if let Some(status) = child.try_wait()? {
        bail!("Asterisk ended with {status}");
    }
    status(ctx)
}

/// Ends instance 0, and nothing else.
pub fn down(ctx: &Context) -> Result<()> {
    run(script(ctx, "stop")?.arg("0"))
}

fn status(ctx: &Context) -> Result<()> {
    let ari = ari(ctx)?;
    match capture(script(ctx, "cli")?.args(["0", "core show version"])) {
        Ok(version) => {
            ctx.say(version);
            ctx.say(format_args!("ARI {}  user {}  password {}  application {}", ari.url, ari.user, ari.password, ari.app));
            ctx.say(format_args!("SIP 127.0.0.1:{}  100 agent, 200 echo, 201 tone", ari.sip_port));
        }
        Err(_) => ctx.say("no Asterisk is up; `cargo xtask lab up` starts one"),
    }
    Ok(())
}

fn script(ctx: &Context, act: &str) -> Result<Command> {
    let mut script = Command::new(ctx.repo.join("tests/lab/asterisk.sh"));
    script.arg(act).env("VG_LAB_ROOT", root(ctx));
    Ok(script)
}
