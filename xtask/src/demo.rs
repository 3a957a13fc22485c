//! `cargo xtask demo`: sets up, builds, and lets the gateway hold a conversation with a recorded caller.
//!
//! With `--asterisk` the same conversation goes through a real Asterisk. The seam between the programs is the environment of
//! `voice-gateway demo --asterisk`: `VG_DEMO_ARI_URL`, `VG_DEMO_ARI_USER`, `VG_DEMO_ARI_PASSWORD`, `VG_DEMO_ARI_APP` say where Asterisk is.
//! Once its application is registered, the gateway runs `$VG_DEMO_CALLER $VG_DEMO_SIP_PORT 100 HEARD.wav QUESTION.wav...`: a caller that listens
//! to the greeting, asks each question when the answer before has ended, hangs up, and writes what both sides said. Exit code 0: the call went well.

use crate::context::{Context, run};
use crate::vendors::{Chosen, Simulators};
use crate::{lab, plugins, setup};
use anyhow::{Context as _, Result, bail};
use std::os::unix::process::CommandExt;
use std::process::Command;

/// Runs the demo with the options of `voice-gateway demo`.
pub fn demo(ctx: &Context, options: &[&str]) -> Result<()> {
    let (chosen, options) = &Chosen::of(options)?;
    if chosen.is_any() && options.contains(&"--chaos") {
        bail!("demo --chaos has vendors of its own");
    }
    if let Some(unknown) = options.iter().find(|option| !["--json", "--asterisk", "--serve", "--chaos"].contains(option)) {
        bail!("demo does not know {unknown}");
    }
    let asterisk = options.contains(&"--asterisk");
    setup::require(ctx, setup::BUILD)?;
    let failing: &[&str] = if options.contains(&"--chaos") { &["stt-http", "tts-http"] } else { &[] };
    let needed = ["tts-local", "stt-local", "pci-mask"].into_iter().chain(failing.iter().copied()).chain(chosen.plugins());
    plugins::build(ctx, &needed.collect::<Vec<_>>())?;
    let mut build = ctx.cargo();
    build.args(["build", "--quiet", "--package", "voice-gateway"]);
    if asterisk {
        build.args(["--package", "vg-tests", "--bin", "sip-caller", "--bin", "voice-gateway"]);
    }
    let program = ctx.target.join("debug/voice-gateway");
    let what = match program.exists() {
        true => "build the gateway",
        false => "build the gateway (5 to 10 minutes this first time, most of it the WebAssembly engine)",
    };
    ctx.step(what, || run(&mut build))?;
    let mut gateway = Command::new(&program);
    gateway.current_dir(&ctx.repo).arg("demo").args(options);
    let simulators = if chosen.is_any() { Some(Simulators::start(ctx, chosen)?) } else { None };
    if let Some(simulators) = &simulators {
        simulators.tell(&mut gateway);
        if !asterisk {
            return run(&mut gateway);
        }
    }
    if !asterisk {
        // In our place: Ctrl-C and the exit code are the gateway's own.
        return Err(gateway.exec()).with_context(|| format!("start {}", program.display()));
    }
    lab::up(ctx)?;
    let outcome = lab::ari(ctx).and_then(|ari| {
        gateway.env("VG_DEMO_ARI_URL", ari.url).env("VG_DEMO_ARI_USER", ari.user).env("VG_DEMO_ARI_PASSWORD", ari.password);
        gateway.env("VG_DEMO_ARI_APP", ari.app).env("VG_DEMO_SIP_PORT", ari.sip_port);
        gateway.env("VG_DEMO_CALLER", ctx.target.join("debug/sip-caller"));
        run(&mut gateway)
    });
    // Asterisk goes whatever the outcome; the outcome is what the user asked about.
    outcome.and(lab::down(ctx))
}
