//! Real Redis servers: alone, with sentinels, as a cluster. Each has ports and a folder of its own, and dies with its value.

use crate::lab::Issued;
use anyhow::{Context, Result, bail, ensure};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How long a server may take to answer.
const PATIENCE: Duration = Duration::from_secs(20);
const STEP: Duration = Duration::from_millis(20);

/// Whether Debian's `redis-server` is there.
pub fn is_installed() -> bool {
    Command::new("redis-server").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|s| s.success())
}

/// A server.
#[derive(Debug)]
pub struct Redis {
    child: Child,
    dir: TempDir,
    arguments: Vec<String>,
    port: u16,
}

/// A user of a server's access list, beside whom nobody may do anything.
#[derive(Clone, Copy, Debug)]
pub struct Login {
    /// Name.
    pub user: &'static str,
    /// Password.
    pub password: &'static str,
    /// Rules of the access list (`~vg:* +@all`).
    pub rules: &'static str,
}

impl Redis {
    /// A server on its own.
    ///
    /// # Errors
    /// Where it does not start.
    pub fn start() -> Result<Self> {
        let port = free_port()?;
        Self::run(port, vec!["--port".into(), port.to_string()], &[])
    }

    /// One that speaks TLS alone, with this certificate, and knows this user alone.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn guarded(issued: &Issued, login: Login) -> Result<Self> {
        let port = free_port()?;
        let files = [("key.pem", issued.key.as_str()), ("cert.pem", &issued.certificate), ("ca.pem", &issued.authority)];
        let users = format!("user default off\nuser {} on >{} {}\n", login.user, login.password, login.rules);
        let written = [&files[..], &[("users.acl", users.as_str())]].concat();
        let arguments = format!(
            "--port 0 --tls-port {port} --tls-cert-file cert.pem --tls-key-file key.pem --tls-ca-cert-file ca.pem \
             --tls-auth-clients no --aclfile users.acl"
        );
        Self::run(port, arguments.split(' ').map(str::to_owned).collect(), &written)
    }

    fn run(port: u16, arguments: Vec<String>, files: &[(&str, &str)]) -> Result<Self> {
        let dir = tempfile::tempdir()?;
        for (name, text) in files {
            std::fs::write(dir.path().join(name), text)?;
        }
        let child = spawn(&dir, &arguments)?;
        let redis = Self { child, dir, arguments, port };
        redis.wait_for_port()?;
        Ok(redis)
    }

    /// Where it listens, on loopback.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// For `[state] redis`.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Kills it as a power cut would. It had written nothing to its disk.
    ///
    /// # Errors
    /// Where it cannot be killed.
    pub fn kill9(&mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Starts it again at the same port, empty.
    ///
    /// # Errors
    /// Where it does not start.
    pub fn restart(&mut self) -> Result<()> {
        self.child = spawn(&self.dir, &self.arguments)?;
        self.wait_for_port()
    }

    /// It stands still: its connections stay, and nobody is answered.
    ///
    /// # Errors
    /// Where it is gone.
    pub fn pause(&self) -> Result<()> {
        self.signal("-STOP")
    }

    /// It goes on.
    ///
    /// # Errors
    /// Where it is gone.
    pub fn resume(&self) -> Result<()> {
        self.signal("-CONT")
    }

    /// A connection for whoever looks.
    ///
    /// # Errors
    /// Where it does not answer.
    pub async fn connect(&self) -> Result<redis::aio::MultiplexedConnection> {
        let client = redis::Client::open(self.url())?;
        Ok(client.get_multiplexed_async_connection().await?)
    }

    fn signal(&self, signal: &str) -> Result<()> {
        let done = Command::new("kill").args([signal, &self.child.id().to_string()]).status()?;
        ensure!(done.success(), "kill {signal}: {done}");
        Ok(())
    }

    fn wait_for_port(&self) -> Result<()> {
        wait("redis listens", || std::net::TcpStream::connect(("127.0.0.1", self.port)).is_ok())
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        // One that stands still takes no other signal than this one.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A master with a replica, and three sentinels that agree on who is which.
#[derive(Debug)]
pub struct Sentinels {
    /// The first master, then the replica.
    pub servers: [Redis; 2],
    /// The sentinels.
    pub sentinels: [Redis; 3],
}

impl Sentinels {
    /// What they call the master.
    pub const MASTER: &str = "calls";

    /// Starts all of them; returns when the sentinels know each other and the replica.
    ///
    /// # Errors
    /// Where one does not start.
    pub fn start() -> Result<Self> {
        let master = Redis::start()?;
        let port = free_port()?;
        let replica = format!("--port {port} --replicaof 127.0.0.1 {} --repl-diskless-sync-delay 0", master.port);
        let replica = Redis::run(port, replica.split(' ').map(str::to_owned).collect(), &[])?;
        let sentinels = [sentinel(master.port)?, sentinel(master.port)?, sentinel(master.port)?];
        let all = Self { servers: [master, replica], sentinels };
        wait("sentinels know each other", || {
            all.sentinels.iter().all(|sentinel| {
                let told = cli(sentinel.port, &["SENTINEL", "CKQUORUM", Self::MASTER]).unwrap_or_default();
                let replicas = cli(sentinel.port, &["SENTINEL", "REPLICAS", Self::MASTER]).unwrap_or_default();
                told.contains("3 usable") && replicas.contains("slave-repl-offset")
            })
        })?;
        Ok(all)
    }

    /// For `[state]`.
    pub fn toml(&self) -> String {
        let urls: Vec<_> = self.sentinels.iter().map(|sentinel| format!("\"{}\"", sentinel.url())).collect();
        format!("[state]\nmode = \"sentinel\"\nmaster_name = \"{}\"\nredis = [{}]\n", Self::MASTER, urls.join(", "))
    }

    /// Waits until the replica is the master.
    ///
    /// # Errors
    /// Where that does not happen.
    pub fn wait_for_failover(&self) -> Result<()> {
        wait("the replica is the master", || cli(self.servers[1].port, &["ROLE"]).is_ok_and(|role| role.starts_with("master")))
    }
}

fn sentinel(master: u16) -> Result<Redis> {
    let (port, name) = (free_port()?, Sentinels::MASTER);
    let conf = format!(
        "port {port}\nbind 127.0.0.1\nsentinel monitor {name} 127.0.0.1 {master} 2\nsentinel down-after-milliseconds {name} 1000\n\
         sentinel failover-timeout {name} 4000\n"
    );
    Redis::run(port, vec!["sentinel.conf".into(), "--sentinel".into()], &[("sentinel.conf", &conf)])
}

/// Three masters that share the slots.
#[derive(Debug)]
pub struct Cluster {
    /// The nodes.
    pub nodes: [Redis; 3],
}

impl Cluster {
    /// Starts all three; returns when each of them says that all slots are served.
    ///
    /// # Errors
    /// Where one does not start.
    pub fn start() -> Result<Self> {
        let nodes = [node()?, node()?, node()?];
        let places = nodes.each_ref().map(|node| format!("127.0.0.1:{}", node.port));
        let made = Command::new("redis-cli").args(["--cluster", "create"]).args(&places).arg("--cluster-yes").output()?;
        ensure!(made.status.success(), "redis-cli --cluster create: {}", String::from_utf8_lossy(&made.stdout));
        wait("the cluster serves", || {
            nodes.iter().all(|node| cli(node.port, &["CLUSTER", "INFO"]).is_ok_and(|info| info.contains("cluster_state:ok")))
        })?;
        Ok(Self { nodes })
    }

    /// For `[state]`.
    pub fn toml(&self) -> String {
        let urls: Vec<_> = self.nodes.iter().map(|node| format!("\"{}\"", node.url())).collect();
        format!("[state]\nmode = \"cluster\"\nredis = [{}]\n", urls.join(", "))
    }

    /// The answer of one node's client that follows redirections.
    ///
    /// # Errors
    /// Where it does not answer.
    pub fn ask(&self, command: &[&str]) -> Result<String> {
        cli(self.nodes[0].port, &[&["-c"], command].concat())
    }
}

fn node() -> Result<Redis> {
    let (port, bus) = (free_port()?, free_port()?);
    let arguments = format!("--port {port} --cluster-enabled yes --cluster-port {bus} --cluster-node-timeout 2000");
    Redis::run(port, arguments.split(' ').map(str::to_owned).collect(), &[])
}

fn spawn(dir: &TempDir, arguments: &[String]) -> Result<Child> {
    let mut command = Command::new("redis-server");
    command.args(arguments).args(["--save", "", "--appendonly", "no", "--daemonize", "no"]);
    if !arguments.iter().any(|argument| argument == "--sentinel") {
        command.args(["--bind", "127.0.0.1"]);
    }
    command.current_dir(dir.path()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().context("failed to run redis-server (Debian's package redis-server)")
}

fn cli(port: u16, command: &[&str]) -> Result<String> {
    let asked = Command::new("redis-cli").args(["-p", &port.to_string()]).args(command).output()?;
    ensure!(asked.status.success(), "redis-cli: {}", String::from_utf8_lossy(&asked.stderr));
    Ok(String::from_utf8(asked.stdout)?)
}

#[expect(clippy::disallowed_methods, reason = "another process gives no other sign")]
fn wait(what: &str, mut is_so: impl FnMut() -> bool) -> Result<()> {
    let until = Instant::now() + PATIENCE;
    while !is_so() {
        if Instant::now() > until {
            bail!("not within {PATIENCE:?}: {what}");
        }
        std::thread::sleep(STEP);
    }
    Ok(())
}

fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}
