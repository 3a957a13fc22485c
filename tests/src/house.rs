//! A whole gateway in this process: real sockets, real components, real time. Ports are chosen by the system.

use crate::lab::Ari;
use anyhow::{Context, Result};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::broadcast;
use vg_domain::event::Fact;
use vg_domain::ids::{CallId, TenantId};
use voice_gateway::application::gateway::Drained;
use voice_gateway::application::ports::Facts;
use voice_gateway::config::{Config, Machine};
use voice_gateway::wiring::{self, Held, Running};

/// How long a story waits for something that has to come.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running gateway and what its calls say.
pub struct House {
    running: Running,
    facts: broadcast::Receiver<(CallId, Fact)>,
}

impl House {
    /// A gateway without an Asterisk: calls come by the media WebSocket.
    pub async fn start() -> Result<Self> {
        Self::with("").await
    }

    /// A gateway that serves this Asterisk.
    pub async fn serving(ari: &Ari) -> Result<Self> {
        Self::with(&format!(
            "[[asterisk]]\nurl = \"{}\"\napp = \"{}\"\nuser = \"{}\"\npassword = \"{}\"\n",
            ari.url, ari.app, ari.user, ari.password
        ))
        .await
    }

    /// A gateway with this configuration beside free ports, the shipped plugins and the demo tenant.
    pub async fn with(toml: &str) -> Result<Self> {
        let free_ports = [
            ("VG__HTTP__BIND".to_owned(), "127.0.0.1:0".to_owned()),
            ("VG__PLUGINS__DIR".to_owned(), plugins_dir().display().to_string()),
        ];
        let config = Config::parse(toml, free_ports, &Machine::here())?;
        let (tell, facts) = broadcast::channel(1024);
        let running = wiring::start_with(config, vec![Arc::new(Tell(tell))]).await?;
        Ok(Self { running, facts })
    }

    /// Where its HTTP side listens.
    pub fn http(&self) -> SocketAddr {
        self.running.http_addr()
    }

    /// The gateway itself.
    pub fn running(&self) -> &Running {
        &self.running
    }

    /// The next fact of any call that fits; an error after half a minute.
    pub async fn fact<T>(&mut self, what: &str, mut fit: impl FnMut(&CallId, &Fact) -> Option<T>) -> Result<T> {
        let waiting = async {
            loop {
                let (call, fact) = self.facts.recv().await?;
                if let Some(found) = fit(&call, &fact) {
                    return Ok(found);
                }
            }
        };
        tokio::time::timeout(PATIENCE, waiting).await.with_context(|| format!("no fact: {what}"))?
    }

    /// Waits until no call, leg or plugin session is held; an error that says what is left after that time.
    pub async fn holds_nothing(&self, within: Duration) -> Result<()> {
        let empty = async {
            while self.running.held() != Held::default() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let waited = tokio::time::timeout(within, empty).await;
        waited.with_context(|| format!("still held after {within:?}: {:?}", self.running.held()))
    }

    /// Drains and ends.
    pub async fn stop(self) -> Drained {
        self.running.stop();
        self.running.wait().await
    }
}

/// `<repository>/target/plugins`, made by `cargo xtask plugins`.
pub fn plugins_dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/plugins")
}

/// A recording shipped with the demo: linear samples at 16 kHz.
///
/// # Errors
/// Where the file is not there or is no WAV.
pub fn recording(name: &str) -> Result<Vec<i16>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../host/demo").join(name);
    let wav = vg_media::wav::read(&std::fs::read(&path).with_context(|| path.display().to_string())?)?;
    anyhow::ensure!((wav.rate_hz, wav.channels) == (16_000, 1), "{name} is not 16 kHz mono");
    Ok(wav.samples)
}

struct Tell(broadcast::Sender<(CallId, Fact)>);

impl Facts for Tell {
    fn publish(&self, call: &CallId, _: &TenantId, fact: &Fact) {
        let _ = self.0.send((call.clone(), fact.clone()));
    }
}
