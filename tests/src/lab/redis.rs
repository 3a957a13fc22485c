//! Real Redis servers: alone, with sentinels, as a cluster. Each has ports and a folder of its own, and dies with its value.

use super::Issued;
use super::service::{Port, Service, require, until};
use anyhow::{Result, ensure};
use redis::aio::MultiplexedConnection;
use std::process::Command;
use std::time::Duration;

/// How long a server may take to answer.
const PATIENCE: Duration = Duration::from_secs(20);

/// A server. Dropping it kills it.
#[derive(Debug)]
pub struct Redis {
    service: Service,
    arguments: Vec<String>,
    port: Port,
    /// Where nodes of a cluster speak with one another.
    _bus: Option<Port>,
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
    pub async fn start() -> Result<Self> {
        let port = Port::take()?;
        let arguments = format!("--port {}", port.number);
        Self::begin(port, None, &arguments, &[]).await
    }

    /// One that writes down what it is told before it answers: a kill costs it nothing.
    pub async fn keeping() -> Result<Self> {
        let port = Port::take()?;
        // Not synced: the kernel, which has it, outlives the process.
        let arguments = format!("--port {} --appendonly yes --appendfsync no", port.number);
        Self::begin(port, None, &arguments, &[]).await
    }

    /// One that speaks TLS alone, with this certificate, and knows this user alone.
    pub async fn guarded(issued: &Issued, login: Login) -> Result<Self> {
        let port = Port::take()?;
        let files = [("key.pem", issued.key.as_str()), ("cert.pem", &issued.certificate), ("ca.pem", &issued.authority)];
        let users = format!("user default off\nuser {} on >{} {}\n", login.user, login.password, login.rules);
        let written = [&files[..], &[("users.acl", users.as_str())]].concat();
        let arguments = format!(
            "--port 0 --tls-port {} --tls-cert-file cert.pem --tls-key-file key.pem --tls-ca-cert-file ca.pem \
             --tls-auth-clients no --aclfile users.acl",
            port.number
        );
        Self::begin(port, None, &arguments, &written).await
    }

    async fn begin(port: Port, bus: Option<Port>, arguments: &str, files: &[(&str, &str)]) -> Result<Self> {
        require("redis-server")?;
        let service = Service::new("redis")?;
        for (name, text) in files {
            std::fs::write(service.folder().join(name), text)?;
        }
        let arguments = arguments.split(' ').map(str::to_owned).collect();
        let mut redis = Self { service, arguments, port, _bus: bus };
        redis.run().await?;
        Ok(redis)
    }

    async fn run(&mut self) -> Result<()> {
        let mut command = Command::new("redis-server");
        let says = |name: &str| self.arguments.iter().any(|argument| argument == name);
        command.args(&self.arguments).args(["--save", "", "--daemonize", "no"]);
        if !says("--appendonly") {
            command.args(["--appendonly", "no"]);
        }
        if !says("--sentinel") {
            command.args(["--bind", "127.0.0.1"]);
        }
        self.service.run(&command)?;
        self.service.listens(self.port(), PATIENCE).await
    }

    /// Where it listens, on loopback.
    pub fn port(&self) -> u16 {
        self.port.number
    }

    /// For `[state] redis`.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port())
    }

    /// Kills it as a power cut would. It had written nothing to its disk, unless it [keeps](Self::keeping) what it is told.
    pub fn kill9(&mut self) -> Result<()> {
        self.service.kill9()
    }

    /// After a kill: what one that keeps it had written down is gone as well.
    pub fn forget(&self) -> Result<()> {
        // A folder of files, or a file where it is an older one.
        for written in std::fs::read_dir(self.service.folder())? {
            let (path, name) = written.map(|written| (written.path(), written.file_name()))?;
            if name.to_string_lossy().starts_with("appendonly") {
                if path.is_dir() { std::fs::remove_dir_all(path)? } else { std::fs::remove_file(path)? }
            }
        }
        Ok(())
    }

    /// Starts it again at the same port with what it had written down: nothing, unless it keeps that.
    pub async fn restart(&mut self) -> Result<()> {
        self.kill9()?;
        self.run().await
    }

    /// It stands still: its connections stay, and nobody is answered.
    pub fn pause(&self) -> Result<()> {
        self.service.pause()
    }

    /// It goes on.
    pub fn resume(&self) -> Result<()> {
        self.service.resume()
    }

    /// A connection for whoever looks.
    pub async fn connect(&self) -> Result<MultiplexedConnection> {
        let client = redis::Client::open(self.url())?;
        Ok(client.get_multiplexed_async_connection().await?)
    }
}

/// A master, a replica, and three sentinels that watch over them.
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
    pub async fn start() -> Result<Self> {
        let master = Redis::start().await?;
        let port = Port::take()?;
        let replica = format!("--port {} --replicaof 127.0.0.1 {} --repl-diskless-sync-delay 0", port.number, master.port());
        let replica = Redis::begin(port, None, &replica, &[]).await?;
        let sentinels = [sentinel(&master).await?, sentinel(&master).await?, sentinel(&master).await?];
        for known in &sentinels {
            until("sentinels know each other", PATIENCE, async || {
                let told = cli(known, &["SENTINEL", "CKQUORUM", Self::MASTER]).await.unwrap_or_default();
                let replicas = cli(known, &["SENTINEL", "REPLICAS", Self::MASTER]).await.unwrap_or_default();
                told.contains("3 usable") && replicas.contains("slave-repl-offset")
            })
            .await?;
        }
        Ok(Self { servers: [master, replica], sentinels })
    }

    /// For `[state]`.
    pub fn toml(&self) -> String {
        let urls: Vec<_> = self.sentinels.iter().map(|sentinel| format!("\"{}\"", sentinel.url())).collect();
        format!("[state]\nmode = \"sentinel\"\nmaster_name = \"{}\"\nredis = [{}]\n", Self::MASTER, urls.join(", "))
    }

    /// Waits until the replica is the master.
    pub async fn wait_for_failover(&self) -> Result<()> {
        let is_master = async || cli(&self.servers[1], &["ROLE"]).await.is_ok_and(|role| role.starts_with("master"));
        until("the replica is the master", PATIENCE, is_master).await
    }
}

async fn sentinel(master: &Redis) -> Result<Redis> {
    require("redis-sentinel")?;
    let (port, name) = (Port::take()?, Sentinels::MASTER);
    let conf = format!(
        "port {}\nbind 127.0.0.1\nsentinel monitor {name} 127.0.0.1 {} 2\nsentinel down-after-milliseconds {name} 1000\n\
         sentinel failover-timeout {name} 4000\n",
        port.number,
        master.port()
    );
    Redis::begin(port, None, "sentinel.conf --sentinel", &[("sentinel.conf", &conf)]).await
}

/// Three masters that share the slots.
#[derive(Debug)]
pub struct Cluster {
    /// The nodes.
    pub nodes: [Redis; 3],
}

impl Cluster {
    /// Starts all three; returns when each of them says that all slots are served.
    pub async fn start() -> Result<Self> {
        let nodes = [node().await?, node().await?, node().await?];
        let places = nodes.each_ref().map(|node| format!("127.0.0.1:{}", node.port()));
        let mut make = tokio::process::Command::new("redis-cli");
        let made = make.args(["--cluster", "create"]).args(&places).arg("--cluster-yes").output().await?;
        ensure!(made.status.success(), "redis-cli --cluster create: {}", String::from_utf8_lossy(&made.stdout));
        for node in &nodes {
            let serves = async || cli(node, &["CLUSTER", "INFO"]).await.is_ok_and(|info| info.contains("cluster_state:ok"));
            until("the cluster serves", PATIENCE, serves).await?;
        }
        Ok(Self { nodes })
    }

    /// For `[state]`.
    pub fn toml(&self) -> String {
        let urls: Vec<_> = self.nodes.iter().map(|node| format!("\"{}\"", node.url())).collect();
        format!("[state]\nmode = \"cluster\"\nredis = [{}]\n", urls.join(", "))
    }

    /// The answer of one node's client that follows redirections.
    pub async fn ask(&self, command: &[&str]) -> Result<String> {
        cli(&self.nodes[0], &[&["-c"], command].concat()).await
    }
}

async fn node() -> Result<Redis> {
    let (port, bus) = (Port::take()?, Port::take()?);
    let (number, beside) = (port.number, bus.number);
    let arguments = format!("--port {number} --cluster-enabled yes --cluster-port {beside} --cluster-node-timeout 2000");
    Redis::begin(port, Some(bus), &arguments, &[]).await
}

async fn cli(server: &Redis, command: &[&str]) -> Result<String> {
    let port = server.port().to_string();
    let asked = tokio::process::Command::new("redis-cli").args(["-p", &port]).args(command).output().await?;
    ensure!(asked.status.success(), "redis-cli: {}", String::from_utf8_lossy(&asked.stderr));
    Ok(String::from_utf8(asked.stdout)?)
}
