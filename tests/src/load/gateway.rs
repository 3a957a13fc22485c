//! A gateway as an operator runs it, on processors of its own, and what it costs.

use super::api::{AUDIENCE, ISSUER, Issuer};
use crate::program;
use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use vg_plugin_store::Digest;

/// The only tenant.
const TENANT: &str = "load";

/// Its configuration, in its folder.
const CONFIG: &str = "gateway.toml";
/// Its events, in its folder.
const EVENTS: &str = "events";
/// How long it may take to compile its plugins and listen.
const START: Duration = Duration::from_secs(120);

/// What it is made of.
pub struct Setup<'a> {
    /// The program.
    pub program: &'a Path,
    /// The folder of components.
    pub plugins: &'a Path,
    /// Base URL of the ARI to serve.
    pub asterisk: &'a str,
    /// Who hears, speaks and thinks.
    pub staff: &'a Staff,
    /// The vendors' authority's certificate.
    pub authority: &'a Path,
    /// Processors it may use, as `taskset -c` wants them.
    pub cpus: &'a str,
    /// Media threads.
    pub shards: usize,
    /// Calls it takes.
    pub calls: usize,
    /// One of several that go on with one another's calls.
    pub instance: Option<Instance<'a>>,
    /// What becomes of its events.
    pub events: Events<'a>,
}

/// What becomes of events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Events<'a> {
    /// Nobody keeps them.
    Forgotten,
    /// On its disk.
    Kept,
    /// On its disk, and from there to these brokers.
    Sent(&'a str),
}

/// A gateway among others.
#[derive(Clone, Copy, Debug)]
pub struct Instance<'a> {
    /// Its name; its application is `vg-` and that.
    pub name: &'a str,
    /// Where it finds the Redis of all of them, on loopback.
    pub redis: u16,
    /// Where all of them keep what they have compiled.
    pub cache: &'a Path,
}

/// Who hears, speaks and thinks for the tenant.
pub struct Staff {
    /// Components that are needed.
    pub components: Vec<&'static str>,
    /// `[hearing]` and `[speaking]` of the tenant.
    pub ladders: String,
    /// `[agent]` of the gateway; empty for the built-in one.
    pub agent: String,
}

impl Staff {
    /// One vendor with our own protocol, at `https://host:port`, that hears in that sound.
    pub fn of_one_vendor(vendor: &str, sound: &str, agent: String) -> Self {
        let hearing = rung("[hearing]", "hearing", OWN.0, sound, vendor, "");
        let speaking = rung("[speaking]", "speaking", OWN.1, "mulaw-8000", vendor, ", voice = \"twice\"");
        Self { components: vec![OWN.0, OWN.1], ladders: hearing + &speaking, agent }
    }

    /// Two rungs each, the second of another plugin and another vendor; all of them hear and speak as it is on the wire.
    pub fn on_ladders(hearing: [&str; 2], speaking: [&str; 2], agent: String) -> Self {
        let sound = "mulaw-8000";
        let ladders = [
            keyed("[[hearing]]", "hearing", "stt-deepgram", sound, hearing[0], "DEEPGRAM"),
            rung("[[hearing]]", "hearing", OWN.0, sound, hearing[1], ""),
            rung("[[speaking]]", "speaking", OWN.1, sound, speaking[0], ""),
            keyed("[[speaking]]", "speaking", "tts-elevenlabs", sound, speaking[1], "ELEVENLABS"),
        ];
        Self { components: vec!["stt-deepgram", OWN.0, OWN.1, "tts-elevenlabs"], ladders: ladders.concat(), agent }
    }
}

/// Our own protocol's plugins.
const OWN: (&str, &str) = ("stt-http", "tts-http");

fn rung(head: &str, section: &str, plugin: &str, sound: &str, vendor: &str, options: &str) -> String {
    format!(
        "{head}\nplugin = \"{plugin}\"\nsound = \"{sound}\"\n\
         options = {{ endpoint = \"{vendor}\", bearer = true{options} }}\n\
         [{section}.secrets]\ntoken = {{ kind = \"static\", ref = \"env:LOAD_TOKEN\" }}\n"
    )
}

fn keyed(head: &str, section: &str, plugin: &str, sound: &str, vendor: &str, key: &str) -> String {
    format!(
        "{head}\nplugin = \"{plugin}\"\nsound = \"{sound}\"\noptions = {{ endpoint = \"{vendor}\" }}\n\
         [{section}.secrets]\napi_key = {{ kind = \"static\", ref = \"env:LOAD_{key}\" }}\n"
    )
}

/// A gateway that runs. Ends when dropped.
pub struct Gateway {
    process: Child,
    http: SocketAddr,
    issuer: Issuer,
    program: PathBuf,
    cpus: String,
    folder: tempfile::TempDir,
}

/// What a process has used so far.
#[derive(Clone, Debug, Default)]
pub struct Used {
    /// CPU seconds.
    pub cpu_s: f64,
    /// Of these, by the threads' names.
    pub by_thread: BTreeMap<String, f64>,
    /// Resident memory, in MB.
    pub rss_mb: f64,
    /// Open files, sockets among them.
    pub files: usize,
    /// Threads.
    pub threads: usize,
}

/// The bound below which a share of what `within` counts of a distribution lay, in ms; infinite where it has no such bound.
pub fn quantile_ms(metrics: &BTreeMap<String, f64>, metric: &str, label: &str, share: f64, within: impl Fn(&str) -> f64) -> f64 {
    let comma = if label.is_empty() { "" } else { "," };
    let begin = format!("{metric}_bucket{{{label}{comma}le=\"");
    let bound = |name: &str| name.strip_prefix(&begin)?.strip_suffix("\"}")?.replace("+Inf", "inf").parse::<f64>().ok();
    let mut buckets: Vec<(f64, f64)> = metrics.keys().filter_map(|name| Some((bound(name)?, within(name)))).collect();
    buckets.sort_by(|one, other| one.0.total_cmp(&other.0));
    let wanted = buckets.last().map_or(0.0, |(_, all)| all * share);
    buckets.iter().find(|(_, within)| *within >= wanted).map_or(0.0, |(bound, _)| bound * 1000.0)
}

impl Gateway {
    /// Starts it and waits until it listens.
    ///
    /// # Errors
    /// Where it ends before, with what it said.
    pub async fn start(setup: &Setup<'_>) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        write_config(setup, folder.path())?;
        let issuer = Issuer::new()?;
        fs::write(folder.path().join("issuer.pem"), issuer.pem())?;
        let (http, program, cpus) = (free_port()?, setup.program.to_owned(), setup.cpus.to_owned());
        let process = spawn(&program, &cpus, folder.path(), http)?;
        let mut gateway = Self { process, http, issuer, program, cpus, folder };
        gateway.serves().await?;
        Ok(gateway)
    }

    async fn serves(&mut self) -> Result<()> {
        let begun = Instant::now();
        while self.metric("vg_ari_sockets_up").await.unwrap_or(0.0) < 1.0 {
            if let Some(status) = self.process.try_wait()? {
                bail!("the gateway ended with {status}:\n{}", self.log());
            }
            if begun.elapsed() > START {
                bail!("the gateway does not serve:\n{}", self.log());
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Ok(())
    }

    /// Ids of the events that its disk holds, as a person would ask for them.
    ///
    /// # Errors
    /// Where they cannot be read.
    pub fn events_on_disk(&self) -> Result<Vec<String>> {
        program::events_in(&self.program, &self.folder.path().join(EVENTS))
    }

    /// Kills it as a power cut would.
    ///
    /// # Errors
    /// Where it is gone.
    pub fn kill9(&mut self) -> Result<()> {
        self.process.kill()?;
        self.process.wait()?;
        Ok(())
    }

    /// Starts it again, as it was, and waits until it listens.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub async fn restart(&mut self) -> Result<()> {
        self.http = free_port()?;
        self.process = spawn(&self.program, &self.cpus, self.folder.path(), self.http)?;
        self.serves().await
    }

    /// It stands still, or goes on.
    ///
    /// # Errors
    /// Where it is gone.
    pub fn freeze(&self, frozen: bool) -> Result<()> {
        let signal = if frozen { Signal::SIGSTOP } else { Signal::SIGCONT };
        kill(Pid::from_raw(i32::try_from(self.pid())?), signal).context("signal the gateway")
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// Where its API is, and a token to look at its calls.
    pub fn api(&self) -> (SocketAddr, String) {
        (self.http, self.issuer.token(TENANT))
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// All metrics, by name and labels.
    ///
    /// # Errors
    /// Where it does not answer.
    pub async fn metrics(&self) -> Result<BTreeMap<String, f64>> {
        let mut connection = TcpStream::connect(self.http).await?;
        connection.write_all(b"GET /metrics HTTP/1.1\r\nHost: gateway\r\nConnection: close\r\n\r\n").await?;
        let mut page = String::new();
        connection.read_to_string(&mut page).await?;
        let value = |line: &str| line.rsplit_once(' ').and_then(|(name, value)| Some((name.to_owned(), value.parse().ok()?)));
        Ok(page.lines().filter(|line| !line.starts_with('#')).filter_map(value).collect())
    }

    /// What its API says about where the time of turns went.
    ///
    /// # Errors
    /// Where it does not answer, or not with that.
    pub async fn latency(&self) -> Result<Value> {
        let (at, token) = self.api();
        let mut connection = TcpStream::connect(at).await?;
        let head =
            format!("GET /v1/latency HTTP/1.1\r\nHost: gateway\r\nConnection: close\r\nAuthorization: Bearer {token}\r\n\r\n");
        connection.write_all(head.as_bytes()).await?;
        let mut page = String::new();
        connection.read_to_string(&mut page).await?;
        let body = page
            .split_once("\r\n\r\n")
            .filter(|(head, _)| head.starts_with("HTTP/1.1 200"))
            .context("no answer of /v1/latency")?;
        Ok(serde_json::from_str(body.1)?)
    }

    /// One of them; an error where it is not there.
    ///
    /// # Errors
    /// As said.
    pub async fn metric(&self, name: &str) -> Result<f64> {
        self.metrics().await?.get(name).copied().with_context(|| format!("no metric {name}"))
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        // It has nothing to lose: its calls are none.
        let _gone = self.process.kill().and_then(|()| self.process.wait());
    }
}

fn spawn(program: &Path, cpus: &str, folder: &Path, http: SocketAddr) -> Result<Child> {
    let log = fs::File::options().create(true).append(true).open(folder.join("log"))?;
    let mut command = Command::new("taskset");
    command.args(["-c", cpus]).arg(program).arg("serve").arg("--config").arg(folder.join(CONFIG));
    command.env("VG__HTTP__BIND", http.to_string()).env("LOAD_PASSWORD", "secret").env("LOAD_TOKEN", vg_sim::own::TOKEN);
    command.env("LOAD_DEEPGRAM", vg_sim::deepgram::API_KEY).env("LOAD_ELEVENLABS", vg_sim::elevenlabs::API_KEY);
    command.stdout(log.try_clone()?).stderr(log).stdin(Stdio::null());
    command.spawn().context("start the gateway by taskset")
}

fn write_config(setup: &Setup<'_>, folder: &Path) -> Result<()> {
    let tenants = folder.join("tenants");
    fs::create_dir(&tenants)?;
    let Setup { plugins, asterisk, staff, authority, shards, calls, instance, events, .. } = setup;
    // Only what is used: a gateway compiles all that lies in its folder.
    let used = folder.join("plugins");
    fs::create_dir(&used)?;
    let mut policy = "[defaults]\nnetworks = [\"127.0.0.0/8\"]\nconnections_max = 100000\n".to_owned();
    for name in &staff.components {
        let file = format!("{name}.wasm");
        let from = plugins.join(&file);
        let component = fs::read(&from).with_context(|| format!("{}: run cargo xtask plugins", from.display()))?;
        // Ours, as an operator trusts them.
        policy += &format!("[plugin.{name}]\ndigests = [\"{}\"]\nfirst_party = true\n", Digest::of(&component));
        fs::write(used.join(&file), component)?;
    }
    let tenant = format!(
        "language = \"en-US\"\ngreeting = \"Welcome to the load test. How can I help you?\"\n\
         [prompts]\nnot_understood = \"Sorry?\"\nagent_unavailable = \"Sorry.\"\nfarewell = \"Goodbye.\"\n[timing]\nsilence_ms = 120000\nfiller_ms = 0\n{}",
        staff.ladders,
    );
    fs::write(tenants.join(format!("{TENANT}.toml")), tenant)?;
    fs::write(folder.join("policy.toml"), policy)?;
    let app = instance.map_or("load".to_owned(), |instance| format!("vg-{}", instance.name));
    let among = instance.map_or(String::new(), |Instance { name, redis, .. }| {
        format!("instance = \"{name}\"\n[state]\nredis = \"redis://127.0.0.1:{redis}\"\n")
    });
    let cache = instance.map_or(folder.join("cache"), |instance| instance.cache.to_owned());
    let kept = format!("[events]\ndir = {:?}\n", folder.join(EVENTS));
    let events = match events {
        Events::Forgotten => String::new(),
        Events::Kept => kept,
        Events::Sent(brokers) => format!("{kept}[kafka]\nbrokers = \"{brokers}\"\n"),
    };
    let config = format!(
        "{among}{events}[http]\napi = true\njwt_key = \"{0}/issuer.pem\"\njwt_issuer = \"{ISSUER}\"\njwt_audience = \"{AUDIENCE}\"\nrequests_per_s = 0\n\
         [media]\nbind = \"127.0.0.1:0\"\nshards = {shards}\n[limits]\ncalls_max = {calls}\n\
         [tenants]\ndir = \"{0}/tenants\"\ndefault = \"{TENANT}\"\n\
         [plugins]\ndir = \"{0}/plugins\"\ncache_dir = \"{3}\"\npolicy = \"{0}/policy.toml\"\noperator_cas = [\"{1}\"]\nsecrets_env_prefix = \"LOAD_\"\n\
         [[asterisk]]\nurl = \"{asterisk}\"\napp = \"{app}\"\nuser = \"user\"\npassword = \"env:LOAD_PASSWORD\"\n{2}",
        folder.display(),
        authority.display(),
        staff.agent,
        cache.display(),
    );
    fs::write(folder.join(CONFIG), config)?;
    Ok(())
}

fn free_port() -> Result<SocketAddr> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

/// What a process has used, by the kernel's books: CPU to a hundredth of a second.
///
/// # Errors
/// Where it is gone.
pub fn used(pid: u32) -> Result<Used> {
    let mut used = Used::default();
    for task in fs::read_dir(format!("/proc/{pid}/task"))? {
        let folder = task?.path();
        // The scheduler counts in nanoseconds; the other books count ticks of 10 ms.
        let Ok(books) = fs::read_to_string(folder.join("schedstat")) else { continue };
        used.threads += 1;
        let name = fs::read_to_string(folder.join("comm")).unwrap_or_default();
        let ns: f64 = books.split(' ').next().and_then(|ns| ns.parse().ok()).unwrap_or(0.0);
        used.cpu_s += ns / 1e9;
        *used.by_thread.entry(name.trim().trim_end_matches(|c: char| c.is_ascii_digit() || c == '-').to_owned()).or_default() +=
            ns / 1e9;
    }
    used.files = fs::read_dir(format!("/proc/{pid}/fd"))?.count();
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let kb = |line: &str| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB")?.trim().parse::<f64>().ok();
    used.rss_mb = status.lines().find_map(kb).unwrap_or(0.0) / 1024.0;
    Ok(used)
}
