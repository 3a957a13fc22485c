//! One real Asterisk for one story.

use super::voice::Voice;
use anyhow::{Context, Result, bail};
use base64::Engine;
use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, SemaphorePermit};

/// How a gateway reaches an Asterisk of the laboratory.
#[derive(Clone, Debug)]
pub struct Ari {
    /// Base URL, without `/ari`.
    pub url: String,
    /// A user that may write.
    pub user: String,
    /// Its password: a fixed test user, on loopback only.
    pub password: String,
    /// The application that extension 100 enters.
    pub app: String,
}

/// How Asterisk connects by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Connections {
    /// One socket for all calls.
    Persistent,
    /// One for each call.
    PerCall,
}

/// A running Asterisk. Dropping it kills it.
#[derive(Debug)]
pub struct Asterisk {
    instance: u16,
    process: Child,
    root: PathBuf,
    sip_port: u16,
    http_port: u16,
    carrier_port: u16,
    https_port: u16,
    ami_port: u16,
    amis_port: u16,
    /// Held as long as the instance is ours, against processes of whatever checkout.
    _lock: File,
    /// The same against stories of this process; given back after the lock.
    _seat: SemaphorePermit<'static>,
}

/// Instance 0 is the developer's own (`cargo xtask lab up`).
const INSTANCES: std::ops::RangeInclusive<u16> = 1..=5;
/// Other test runs are waited for so long, and looked after so often.
const OTHERS_END: Duration = Duration::from_secs(120);
const OTHERS_LOOK: Duration = Duration::from_millis(200);
/// Stories beyond that wait for one that ends.
static SEATS: Semaphore = Semaphore::const_new(5);

impl Asterisk {
    /// Starts an instance that nobody uses and returns when it is fully booted, in well under a second on a quiet machine.
    pub async fn start() -> Result<Self> {
        Self::start_in(root()?).await
    }

    /// The same with Asterisk 16; none, with the reason, where Debian serves it no more.
    pub async fn start_16() -> Result<Result<Self, String>> {
        let beside = |end: &str| Ok::<_, anyhow::Error>(PathBuf::from(format!("{}-16{end}", root()?.display())));
        let old = beside("")?;
        if let Ok(reason) = std::fs::read_to_string(beside(".not-served")?) {
            return Ok(Err(reason));
        }
        if !old.join(".complete").exists() {
            bail!("there is no Asterisk 16 in {}: run `cargo xtask setup` as root", old.display());
        }
        Self::start_in(old).await.map(Ok)
    }

    /// Ports belong to instances, whatever chroot they are of: so do locks.
    async fn start_in(root: PathBuf) -> Result<Self> {
        let locks = self::root()?;
        let seat = SEATS.acquire().await?;
        let mut tries = OTHERS_END.as_millis() / OTHERS_LOOK.as_millis();
        let (instance, lock) = loop {
            match free_instance(&locks)? {
                Some(found) => break found,
                None if tries == 0 => bail!("all instances of the laboratory are in use by other test runs"),
                None => tokio::time::sleep(OTHERS_LOOK).await,
            }
            tries -= 1;
        };
        let ports = run(script(&root, "ports", instance)).await?;
        let port = |name: &str| -> Result<u16> {
            let number =
                ports.lines().find_map(|line| line.strip_prefix(name)).with_context(|| format!("no {name} in {ports}"))?;
            Ok(number.parse()?)
        };
        let (sip_port, http_port, carrier_port) = (port("SIP=")?, port("HTTP=")?, port("CARRIER=")?);
        let (https_port, ami_port, amis_port) = (port("HTTPS=")?, port("AMI=")?, port("AMIS=")?);
        let process = script(&root, "run", instance).stdin(Stdio::null()).spawn().context("failed to start Asterisk")?;
        let mut asterisk = Self {
            instance,
            process,
            root,
            sip_port,
            http_port,
            carrier_port,
            https_port,
            ami_port,
            amis_port,
            _lock: lock,
            _seat: seat,
        };
        run(script(&asterisk.root, "ready", instance)).await?;
        if let Some(status) = asterisk.process.try_wait()? {
            bail!("Asterisk {instance} ended with {status}");
        }
        Ok(asterisk)
    }

    /// What a gateway is configured with.
    pub fn ari(&self) -> Ari {
        Ari {
            url: format!("http://127.0.0.1:{}", self.http_port),
            user: "gateway".to_owned(),
            password: "gateway-lab".to_owned(),
            app: "vg-test".to_owned(),
        }
    }

    /// Its manager interface, on loopback; user `gateway`, password `gateway-ami`.
    pub fn ami_port(&self) -> u16 {
        self.ami_port
    }

    /// Its HTTP server with ARI, on loopback.
    pub fn http_port(&self) -> u16 {
        self.http_port
    }

    /// Where callers send their INVITE, on loopback.
    pub fn sip_port(&self) -> u16 {
        self.sip_port
    }

    /// Where the trunk `carrier` sends its INVITEs, on loopback.
    pub fn carrier_port(&self) -> u16 {
        self.carrier_port
    }

    /// Runs a command of Asterisk's own command line and gives what it printed.
    pub async fn cli(&self, command: &str) -> Result<String> {
        let mut cli = script(&self.root, "cli", self.instance);
        cli.arg(command);
        run(cli).await
    }

    /// Puts these files in the place of its own and reads everything anew.
    pub async fn takes(&self, files: &[(String, String)]) -> Result<()> {
        let etc = self.root.join(format!("srv/ast/{}/etc", self.instance));
        for (name, text) in files {
            std::fs::write(etc.join(name), text).with_context(|| format!("failed to write {name}"))?;
        }
        self.cli("core reload").await.map(drop)
    }

    /// Writes `now` in the place of `before` in one of its files, and reads everything anew.
    pub async fn changes(&self, name: &str, before: &str, now: &str) -> Result<()> {
        let file = self.root.join(format!("srv/ast/{}/etc", self.instance)).join(name);
        let text = std::fs::read_to_string(&file).with_context(|| format!("failed to read {name}"))?;
        anyhow::ensure!(text.contains(before), "{name} does not say {before}");
        self.takes(&[(name.to_owned(), text.replace(before, now))]).await
    }

    /// Puts a file beside its own; gives the path by which it knows it.
    pub fn keeps(&self, name: &str, text: &str) -> Result<String> {
        std::fs::write(self.root.join(format!("srv/ast/{}/etc", self.instance)).join(name), text)?;
        Ok(format!("/srv/ast/{}/etc/{name}", self.instance))
    }

    /// Extensions 120 to 129 bring their sound to this gateway's media WebSocket from now on.
    pub async fn dials_media_at(&self, gateway: std::net::SocketAddr) -> Result<()> {
        let file = self.root.join(format!("srv/ast/{}/etc/websocket_client.conf", self.instance));
        let section = format!(
            "[gateway]\ntype = websocket_client\nconnection_type = per_call_config\nprotocols = media\n\
             uri = ws://{gateway}/media/ws\nconnection_timeout = 1000\nreconnect_attempts = 1\n"
        );
        std::fs::write(&file, section).with_context(|| format!("failed to write {}", file.display()))?;
        self.cli("module reload res_websocket_client.so").await.map(drop)
    }

    /// From now on Asterisk connects its event socket of this application to a gateway by itself: one that stays, or, `per_call`, one for each call.
    /// It shows the user `asterisk` and the password `asterisk-lab`.
    pub async fn dials_ari_at(&self, gateway: std::net::SocketAddr, app: &str, connections: Connections) -> Result<()> {
        let etc = self.root.join(format!("srv/ast/{}/etc", self.instance));
        let kind = match connections {
            Connections::Persistent => "persistent",
            Connections::PerCall => "per_call_config",
        };
        let client = format!(
            "\n[{app}-client]\ntype = websocket_client\nconnection_type = {kind}\nprotocols = ari\nuri = ws://{gateway}/ari/ws\n\
             username = asterisk\npassword = asterisk-lab\nconnection_timeout = 500\nreconnect_interval = 500\nreconnect_attempts = 4\n"
        );
        let socket = format!(
            "\n[{app}-socket]\ntype = outbound_websocket\nwebsocket_client_id = {app}-client\napps = {app}\nlocal_ari_user = gateway\n"
        );
        append(&etc.join("websocket_client.conf"), &client)?;
        append(&etc.join("ari.conf"), &socket)?;
        self.cli("module reload res_websocket_client.so").await?;
        self.cli("module reload res_ari.so").await.map(drop)
    }

    /// From now on its HTTP server speaks TLS as well, with this certificate and key (PEM); gives the port.
    pub async fn speaks_tls(&self, certificate: &str, key: &str) -> Result<u16> {
        let etc = self.root.join(format!("srv/ast/{}/etc", self.instance));
        std::fs::write(etc.join("ari.crt"), certificate)?;
        std::fs::write(etc.join("ari.key"), key)?;
        let folder = format!("/srv/ast/{}/etc", self.instance);
        let tls = format!(
            "tlsenable = yes\ntlsbindaddr = 127.0.0.1:{}\ntlscertfile = {folder}/ari.crt\ntlsprivatekey = {folder}/ari.key\n",
            self.https_port
        );
        append(&etc.join("http.conf"), &tls)?;
        self.cli("module reload http").await?;
        Ok(self.https_port)
    }

    /// The same for its manager interface.
    pub async fn manager_speaks_tls(&self, certificate: &str, key: &str) -> Result<u16> {
        let etc = self.root.join(format!("srv/ast/{}/etc", self.instance));
        std::fs::write(etc.join("manager.crt"), certificate)?;
        std::fs::write(etc.join("manager.key"), key)?;
        let folder = format!("/srv/ast/{}/etc", self.instance);
        let tls = format!(
            "tlsenable = yes\ntlsbindaddr = 127.0.0.1:{}\ntlscertfile = {folder}/manager.crt\ntlsprivatekey = {folder}/manager.key\n",
            self.amis_port
        );
        self.changes("manager.conf", "[general]\n", &format!("[general]\n{tls}")).await?;
        Ok(self.amis_port)
    }

    /// What Asterisk measured of a channel's RTP, as ARI tells it (`GET /channels/ID/rtp_statistics`).
    pub async fn rtp_statistics(&self, channel: &str) -> Result<serde_json::Value> {
        let Ari { user, password, .. } = self.ari();
        let login = base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"));
        let mut connection = TcpStream::connect(("127.0.0.1", self.http_port)).await?;
        let request = format!(
            "GET /ari/channels/{channel}/rtp_statistics HTTP/1.1\r\nHost: asterisk\r\nConnection: close\r\nAuthorization: Basic {login}\r\n\r\n"
        );
        connection.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        connection.read_to_string(&mut answer).await?;
        let (_, body) = answer.split_once("\r\n\r\n").context("asterisk's answer has no body")?;
        serde_json::from_str(body).with_context(|| answer.clone())
    }

    /// The channels that exist now, by name. Empty when nothing was left behind.
    pub async fn channels(&self) -> Result<Vec<String>> {
        let table = self.cli("core show channels concise").await?;
        Ok(table.lines().filter_map(|line| line.split_once('!')).map(|(name, _)| name.to_owned()).collect())
    }

    /// The bridges that exist now, by id.
    pub async fn bridges(&self) -> Result<Vec<String>> {
        let table = self.cli("bridge show all").await?;
        Ok(table.lines().skip(1).filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect())
    }

    /// Waits until no channel and no bridge exists; an error that says what is left after that time.
    pub async fn holds_nothing(&self, within: Duration) -> Result<()> {
        let gone = async {
            while !self.channels().await?.is_empty() || !self.bridges().await?.is_empty() {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            anyhow::Ok(())
        };
        match tokio::time::timeout(within, gone).await {
            Ok(done) => done,
            Err(_) => bail!("after {within:?} asterisk holds {:?} and {:?}", self.channels().await?, self.bridges().await?),
        }
    }

    /// Kills Asterisk at once, as a crash would: no BYE, no event, every socket closed by the kernel.
    pub fn kill(&mut self) -> Result<()> {
        self.process.kill()?;
        self.process.wait()?;
        Ok(())
    }

    /// Starts the same instance again after a [`kill`](Self::kill), on the same ports.
    pub async fn restart(&mut self) -> Result<()> {
        self.kill()?;
        self.process = script(&self.root, "run", self.instance).stdin(Stdio::null()).spawn()?;
        run(script(&self.root, "ready", self.instance)).await.map(drop)
    }

    /// What extension 205 heard, at 8 kHz. Whole once its channel is gone.
    pub fn desk_heard(&self) -> Result<Vec<i16>> {
        let file = self.root.join(format!("srv/ast/{}/spool/recording/desk.ulaw", self.instance));
        let heard = std::fs::read(&file).with_context(|| format!("failed to read {}", file.display()))?;
        Ok(Voice::Pcmu.read(&heard))
    }

    /// Asterisk's own log up to now, for the message of a failed story.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.root.join(format!("srv/ast/{}/log/full", self.instance))).unwrap_or_default()
    }
}

impl Drop for Asterisk {
    fn drop(&mut self) {
        // Nothing can be done about a process that is gone already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn append(file: &std::path::Path, text: &str) -> Result<()> {
    let before = std::fs::read_to_string(file).with_context(|| format!("failed to read {}", file.display()))?;
    std::fs::write(file, before + text).with_context(|| format!("failed to write {}", file.display()))
}

pub(super) fn root() -> Result<PathBuf> {
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let root = set("VG_LAB_ROOT")
        .or_else(|| set("VG_CACHE").map(|cache| cache.join("asterisk")))
        .or_else(|| set("HOME").map(|home| home.join(".cache/serphona-voice-gateway/asterisk")))
        .context("neither VG_LAB_ROOT, VG_CACHE nor HOME is set")?;
    if !root.join(".complete").exists() {
        bail!("there is no Asterisk in {}: run `cargo xtask setup` as root", root.display());
    }
    Ok(root)
}

fn free_instance(root: &std::path::Path) -> Result<Option<(u16, File)>> {
    let folder = root.join("srv/ast");
    std::fs::create_dir_all(&folder)?;
    for instance in INSTANCES {
        let lock = File::create(folder.join(format!("{instance}.lock")))?;
        if lock.try_lock().is_ok() {
            return Ok(Some((instance, lock)));
        }
    }
    Ok(None)
}

fn script(root: &std::path::Path, act: &str, instance: u16) -> Command {
    let mut script = Command::new(super::folder().join("asterisk.sh"));
    script.arg(act).arg(instance.to_string()).env("VG_LAB_ROOT", root);
    script
}

async fn run(command: Command) -> Result<String> {
    let done = tokio::process::Command::from(command).output().await.context("failed to start tests/lab/asterisk.sh")?;
    if !done.status.success() {
        bail!("tests/lab/asterisk.sh ended with {}: {}", done.status, String::from_utf8_lossy(&done.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&done.stdout).into_owned())
}
