//! A whole gateway in this process: real sockets, real components, real time. Ports are chosen by the system.

use crate::lab::Ari;
use anyhow::{Context, Result};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::broadcast;
use vg_domain::event::Fact;
use vg_domain::ids::{CallId, TenantId};
use voice_gateway::adapters::media_ws::Format;
use voice_gateway::adapters::media_ws::client::{Phone, PhoneConfig};
use voice_gateway::application::gateway::Drained;
use voice_gateway::application::ports::{CallOrder, Facts, OrderError, Subject};
use voice_gateway::config::{Config, Machine};
use voice_gateway::wiring::{self, Held, Running};

/// How long a story waits for something that has to come.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running gateway and what its calls say.
pub struct House {
    running: Running,
    facts: broadcast::Receiver<(SystemTime, CallId, Fact)>,
}

impl House {
    /// A gateway without an Asterisk: calls come by the media WebSocket.
    pub async fn start() -> Result<Self> {
        Self::with("").await
    }

    /// A gateway that serves these Asterisks.
    pub async fn serving(asterisks: &[Ari]) -> Result<Self> {
        Self::serving_with(asterisks, "").await
    }

    /// The same with this configuration beside.
    pub async fn serving_with(asterisks: &[Ari], toml: &str) -> Result<Self> {
        let (mut toml, mut passwords) = (format!("{toml}\n"), Vec::new());
        for Ari { url, app, user, password } in asterisks {
            let name = format!("LAB_PASSWORD_{}", passwords.len());
            toml += &format!("[[asterisk]]\nurl = \"{url}\"\napp = \"{app}\"\nuser = \"{user}\"\npassword = \"env:{name}\"\n");
            passwords.push((name, password.clone()));
        }
        Self::with_environment(&toml, passwords).await
    }

    /// A gateway with this configuration beside free ports, the shipped plugins and the demo tenant.
    pub async fn with(toml: &str) -> Result<Self> {
        Self::with_environment(toml, Vec::new()).await
    }

    /// The same, with this environment: what references of secrets point to.
    pub async fn with_environment(toml: &str, mut environment: Vec<(String, String)>) -> Result<Self> {
        environment.push(("VG__HTTP__BIND".to_owned(), "127.0.0.1:0".to_owned()));
        if !toml.contains("[plugins]") {
            environment.push(("VG__PLUGINS__DIR".to_owned(), plugins_dir().display().to_string()));
        }
        let config = Config::parse(toml, environment, &Machine::here())?;
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

    /// Places a call of a tenant by the media WebSocket, in linear samples at 16 kHz.
    pub async fn phone(&self, tenant: &str) -> Result<Phone> {
        let url = format!("ws://{}/media/ws", self.http()).parse()?;
        Ok(Phone::connect(PhoneConfig { url, format: Format::Slin16, tenant: Some(tenant.to_owned()) }).await?)
    }

    /// Gives an order to a call of the demo tenant, as the API does.
    pub async fn order(&self, call: &CallId, order: CallOrder) -> Result<(), OrderError> {
        self.running.orders().order(&TenantId::new("demo"), call, order).await
    }

    /// A metric of `/metrics` by its name and labels as scraped, for example `vg_rtp_packets_total{direction="in"}`.
    pub async fn metric(&self, name: &str) -> Result<f64> {
        // Where the other side speaks TLS, the operator's does not.
        let operators = self.running.admin_addr().unwrap_or(self.http());
        let mut connection = TcpStream::connect(operators).await?;
        connection.write_all(b"GET /metrics HTTP/1.1\r\nHost: gateway\r\nConnection: close\r\n\r\n").await?;
        let mut page = String::new();
        connection.read_to_string(&mut page).await?;
        let value = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        Ok(value.with_context(|| format!("no metric {name}"))?.parse()?)
    }

    /// The next fact of any call that fits; an error after half a minute.
    pub async fn fact<T>(&mut self, what: &str, fit: impl FnMut(&CallId, &Fact) -> Option<T>) -> Result<T> {
        self.fact_at(what, fit).await.map(|(_, found)| found)
    }

    /// The same, and when the gateway told it, by the machine's clock.
    pub async fn fact_at<T>(&mut self, what: &str, mut fit: impl FnMut(&CallId, &Fact) -> Option<T>) -> Result<(SystemTime, T)> {
        let waiting = async {
            loop {
                let (at, call, fact) = self.facts.recv().await?;
                if let Some(found) = fit(&call, &fact) {
                    return Ok((at, found));
                }
            }
        };
        tokio::time::timeout(PATIENCE, waiting).await.with_context(|| format!("no fact: {what}"))?
    }

    /// Waits until no call, leg or plugin session is held; an error that says what is left after that time.
    pub async fn holds_nothing(&self, within: Duration) -> Result<()> {
        self.holds(Held::default(), within).await
    }

    /// Waits until exactly this is held.
    pub async fn holds(&self, wanted: Held, within: Duration) -> Result<()> {
        let reached = async {
            while self.running.held() != wanted {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let waited = tokio::time::timeout(within, reached).await;
        waited.with_context(|| format!("after {within:?} {wanted:?} was wanted, held is {:?}", self.running.held()))
    }

    /// Waits until every Asterisk's event socket is connected.
    pub async fn serves_all(&self, within: Duration) -> Result<()> {
        let reached = async {
            while !self.running.readiness().event_sources.iter().all(|source| source.up) {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(within, reached).await.with_context(|| format!("not every Asterisk is connected after {within:?}"))
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

struct Tell(broadcast::Sender<(SystemTime, CallId, Fact)>);

impl Facts for Tell {
    fn publish(&self, Subject { call, .. }: Subject<'_>, fact: &Fact) {
        let _ = self.0.send((SystemTime::now(), call.clone(), fact.clone()));
    }
}
