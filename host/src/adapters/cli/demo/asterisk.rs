//! The same conversation through a real Asterisk. `cargo xtask demo --asterisk` says by the environment where it is, and which
//! program is the caller: `$VG_DEMO_CALLER $VG_DEMO_SIP_PORT 100 HEARD.wav QUESTION.wav...`.

use super::{OUT, QUESTIONS};
use crate::adapters::cli::conversation::Transcript;
use crate::adapters::cli::terminal::say;
use crate::adapters::media_ws::PhoneFact;
use crate::adapters::media_ws::client::Recording;
use crate::application::ports::{Facts, Subject};
use crate::config::{Asterisk, AsteriskMode, Config};
use crate::wiring::{self, Running};
use anyhow::{Context, bail, ensure};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{interval, timeout};
use vg_domain::event::Fact;
use vg_domain::pii::Pii;
use vg_media::wav;

/// Number of the agent in the laboratory's dialplan.
const NUMBER: &str = "100";
/// Facts not yet printed. Full: dropped; the verdict then misses a turn.
const FACTS_MAX: usize = 1024;
/// Time for the event socket to come up.
const CONNECT: Duration = Duration::from_secs(10);

struct Listener(mpsc::Sender<PhoneFact>);

impl Facts for Listener {
    fn publish(&self, _: Subject<'_>, fact: &Fact) {
        if self.0.try_send(PhoneFact::from(fact)).is_err() {
            tracing::warn!("a fact of the demo was dropped");
        }
    }
}

pub(super) async fn hold(config: Config) -> anyhow::Result<(Recording, Transcript)> {
    let asterisk = Asterisk {
        mode: AsteriskMode::Dial { url: said("VG_DEMO_ARI_URL")?.parse().context("VG_DEMO_ARI_URL is no URL")?, ca: None },
        app: said("VG_DEMO_ARI_APP")?,
        user: said("VG_DEMO_ARI_USER")?,
        password: Pii::new(said("VG_DEMO_ARI_PASSWORD")?),
        ami: None,
    };
    let (sender, mut facts) = mpsc::channel(FACTS_MAX);
    let config = Config { asterisk: vec![asterisk], ..config };
    let gateway = wiring::start_with(config, vec![Arc::new(Listener(sender))]).await.context("failed to start the gateway")?;
    connected(&gateway).await?;
    say("gateway is connected to Asterisk; a recorded caller calls by SIP:");
    let caller = tokio::task::spawn_blocking(call);
    tokio::pin!(caller);
    let mut transcript = Transcript::default();
    let status = loop {
        tokio::select! {
            biased;
            Some(fact) = facts.recv() => transcript.take(fact),
            status = &mut caller => break status??,
        }
    };
    gateway.stop();
    gateway.wait().await;
    while let Ok(fact) = facts.try_recv() {
        transcript.take(fact);
    }
    ensure!(status.success(), "the caller ended with {status}");
    Ok((recording()?, transcript))
}

async fn connected(gateway: &Running) -> anyhow::Result<()> {
    let up = async {
        let mut look = interval(Duration::from_millis(50));
        while !gateway.readiness().event_sources.iter().any(|source| source.up) {
            look.tick().await;
        }
    };
    timeout(CONNECT, up).await.context("Asterisk does not take the event socket")
}

fn call() -> anyhow::Result<ExitStatus> {
    let folder = Path::new(OUT).parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder)?;
    let mut questions = Vec::new();
    for (n, question) in QUESTIONS.iter().enumerate() {
        let file: PathBuf = folder.join(format!("question-{}.wav", n + 1));
        std::fs::write(&file, question.wav)?;
        questions.push(file);
    }
    let program = said("VG_DEMO_CALLER")?;
    let mut caller = Command::new(&program);
    caller.arg(said("VG_DEMO_SIP_PORT")?).arg(NUMBER).arg(OUT).args(questions);
    caller.status().with_context(|| format!("cannot run {program}"))
}

/// What the caller kept: caller left, agent right.
fn recording() -> anyhow::Result<Recording> {
    let wav = wav::read(&std::fs::read(OUT)?)?;
    if wav.channels != 2 {
        bail!("the caller's recording is not stereo");
    }
    let side = |first: usize| wav.samples.iter().skip(first).step_by(2).copied().collect();
    Ok(Recording { rate_hz: wav.rate_hz, caller: side(0), agent: side(1) })
}

fn said(variable: &str) -> anyhow::Result<String> {
    std::env::var(variable).with_context(|| format!("{variable} is not set: use cargo xtask demo --asterisk"))
}
