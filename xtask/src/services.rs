//! The laboratory's Kafka and Redis: fetched for the stories, and run for people. `tests/lab/kafka.sh` runs the broker.

use crate::context::{Context, capture, run};
use crate::judges::once;
use crate::setup::{self, Need};
use anyhow::{Context as _, Result, bail};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use std::{fs, io};

/// What Debian has of it.
const NEEDS: &[Need] = &[
    Need { program: "redis-server", package: "redis-server", why: "keeps the state of calls in the stories" },
    Need { program: "redis-sentinel", package: "redis-sentinel", why: "chooses another Redis when one dies" },
    Need { program: "setpriv", package: "util-linux", why: "ends a story's programs with the story" },
];
const JAVA: &[Need] = &[Need { program: "java", package: "openjdk-17-jre-headless", why: "runs Kafka" }];
const MAVEN: &[Need] = &[Need { program: "mvn", package: "maven", why: "fetches Kafka from Maven Central" }];

/// What of Maven Central's Kafka is kept takes this much: for the message.
const KAFKA_SIZE: &str = "46 MB";
/// The stories look for it by this name.
const NOT_SERVED: &str = "kafka.not-served";
/// For people; stories take ports of their own.
const KAFKA_PORT: u16 = 15_092;
const CONTROLLER_PORT: u16 = 15_093;
const REDIS_PORT: u16 = 15_079;
const START: Duration = Duration::from_secs(60);

/// Makes Kafka and Redis ready to run. Costs nothing the second time.
///
/// Where Maven Central is out of reach, the stories of a real Kafka say that they were not run; the producer's own tests run on the mock cluster of its
/// client library in any case.
pub fn prepare(ctx: &Context) -> Result<()> {
    setup::require(ctx, NEEDS)?;
    let mark = ctx.cache.join(NOT_SERVED);
    let kafka = kafka(ctx)?;
    if !kafka.is_dir() {
        setup::require(ctx, JAVA)?;
        setup::require(ctx, MAVEN)?;
    }
    let mut fetched = false;
    let made =
        once(ctx, &kafka, &format!("fetch Apache Kafka from Maven Central ({KAFKA_SIZE}) and format an empty broker"), |part| {
            fetch(ctx, part)?;
            fetched = true;
            let mut format = Command::new(ctx.repo.join("tests/lab/kafka.sh"));
            capture(format.arg("format").arg(part).env("VG_KAFKA", part))?;
            fs::rename(part.join("data"), part.join("formatted")).context("keep the formatted folder")
        });
    match made {
        Ok(()) => fs::remove_file(&mark).or_else(|error| match error.kind() {
            io::ErrorKind::NotFound => Ok(()),
            _ => Err(error).context("remove the mark of a missing Kafka"),
        })?,
        Err(error) if fetched => return Err(error),
        Err(error) => {
            ctx.say(format_args!("Kafka is not to be had ({error:#}): its stories will say that they were not run; the producer is tried on a mock cluster"));
            fs::write(&mark, format!("{error:#}")).context("mark that Kafka is missing")?;
        }
    }
    // Needed to run what was fetched on another day, too.
    if kafka.is_dir() { setup::require(ctx, JAVA) } else { Ok(()) }
}

/// Why there is no Kafka, where there is none.
pub fn kafka_missing(ctx: &Context) -> Option<String> {
    fs::read_to_string(ctx.cache.join(NOT_SERVED)).ok()
}

fn fetch(ctx: &Context, into: &Path) -> Result<()> {
    // A repository of its own, thrown away: the machine's user keeps none of it.
    let repository = into.join("repository");
    let mut maven = Command::new("mvn");
    maven.args(["-q", "-B", "-f"]).arg(ctx.repo.join("tests/lab/kafka/pom.xml"));
    maven.arg(format!("-Dmaven.repo.local={}", repository.display()));
    maven.args(["dependency:copy-dependencies", "-DincludeScope=runtime"]);
    maven.arg(format!("-DoutputDirectory={}", into.join("lib").display()));
    run(&mut maven)?;
    fs::remove_dir_all(&repository).context("remove Maven's repository")
}

/// The folder of Kafka in the cache: its name has the version that `pom.xml` asks for.
fn kafka(ctx: &Context) -> Result<PathBuf> {
    let pom = fs::read_to_string(ctx.repo.join("tests/lab/kafka/pom.xml")).context("read tests/lab/kafka/pom.xml")?;
    let version = version(&pom).context("tests/lab/kafka/pom.xml names no version of Kafka")?;
    Ok(ctx.cache.join(format!("kafka-{version}")))
}

fn version(pom: &str) -> Option<&str> {
    let (_, after) = pom.split_once("<artifactId>kafka_2.13</artifactId>")?;
    let (_, after) = after.split_once("<version>")?;
    Some(after.split_once("</version>")?.0)
}

/// A program for people, known by its pid file.
struct Service {
    name: &'static str,
    folder: PathBuf,
    port: u16,
}

impl Service {
    fn all(ctx: &Context) -> [Self; 2] {
        let folder = |name| ctx.cache.join("lab").join(name);
        [
            Self { name: "Kafka", folder: folder("kafka"), port: KAFKA_PORT },
            Self { name: "Redis", folder: folder("redis"), port: REDIS_PORT },
        ]
    }

    /// Its process, where it is still the one that was started.
    fn pid(&self) -> Option<u32> {
        let pid: u32 = fs::read_to_string(self.folder.join("pid")).ok()?.trim().parse().ok()?;
        let line = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
        String::from_utf8_lossy(&line).contains(&*self.folder.to_string_lossy()).then_some(pid)
    }

    fn start(&self, mut command: Command) -> Result<()> {
        let log = fs::File::create(self.folder.join("out.log"))?;
        // A session of its own: Ctrl-C in this terminal is not meant for it.
        let mut session = Command::new("setsid");
        session.arg(command.get_program()).args(command.get_args()).current_dir(&self.folder);
        session.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        command = session;
        let mut child = command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).spawn()?;
        fs::write(self.folder.join("pid"), child.id().to_string())?;
        self.listens(&mut child)
    }

    #[expect(clippy::disallowed_methods, reason = "a person waits, and a port can only be asked again")]
    fn listens(&self, child: &mut Child) -> Result<()> {
        let until = Instant::now() + START;
        let address = SocketAddr::from(([127, 0, 0, 1], self.port));
        while TcpStream::connect_timeout(&address, Duration::from_secs(1)).is_err() {
            if let Some(status) = child.try_wait()? {
                bail!("{} ended with {status}: see {}", self.name, self.folder.join("out.log").display());
            }
            if Instant::now() > until {
                bail!("{} does not listen at {address}: see {}", self.name, self.folder.join("out.log").display());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }
}

/// Starts Kafka and Redis on loopback and leaves them running.
pub fn up(ctx: &Context) -> Result<()> {
    prepare(ctx)?;
    for service in Service::all(ctx) {
        if service.pid().is_some() {
            continue;
        }
        fs::create_dir_all(&service.folder)?;
        let command = match service.name {
            "Kafka" if kafka_missing(ctx).is_some() => continue,
            "Kafka" => broker(ctx, &service)?,
            _ => redis(&service)?,
        };
        ctx.step(format_args!("start {}", service.name), || service.start(command))?;
    }
    status(ctx);
    Ok(())
}

fn broker(ctx: &Context, service: &Service) -> Result<Command> {
    let (kafka, folder) = (kafka(ctx)?, &service.folder);
    if !folder.join("data").is_dir() {
        run(Command::new("cp").arg("-r").arg(kafka.join("formatted")).arg(folder.join("data")))?;
    }
    let properties = fs::read_to_string(ctx.repo.join("tests/lab/kafka/server.properties"))?;
    let properties = properties.replace("@DIR@", &folder.display().to_string()).replace("@PORT@", &service.port.to_string());
    let properties = properties.replace("@CONTROLLER@", &CONTROLLER_PORT.to_string());
    // For play: the topic is there as soon as somebody asks for it.
    let properties = properties.replace("auto.create.topics.enable=false", "auto.create.topics.enable=true");
    fs::write(folder.join("server.properties"), properties.replace("num.partitions=1\noffsets", "num.partitions=6\noffsets"))?;
    let mut command = Command::new(ctx.repo.join("tests/lab/kafka.sh"));
    command.arg("run").arg(folder).env("VG_KAFKA", kafka);
    Ok(command)
}

fn redis(service: &Service) -> Result<Command> {
    let file = service.folder.join("redis.conf");
    let folder = service.folder.display();
    fs::write(&file, format!("bind 127.0.0.1\nport {}\ndir {folder}\nappendonly yes\n", service.port))?;
    let mut command = Command::new("redis-server");
    // Redis shows its address in the place of its arguments; where it lies is said by the title.
    command.arg(file).args(["--proc-title-template", &format!("redis {folder} {{listen-addr}}")]);
    Ok(command)
}

/// Ends what [`up`] started; what they hold stays for the next time.
pub fn down(ctx: &Context) -> Result<()> {
    for service in Service::all(ctx) {
        if let Some(pid) = service.pid() {
            run(Command::new("kill").arg(pid.to_string()))?;
            ctx.say(format_args!("{} was told to end", service.name));
        }
    }
    Ok(())
}

/// Says what is up, and what a gateway has to be told.
pub fn status(ctx: &Context) {
    for service in Service::all(ctx) {
        match service.pid() {
            Some(pid) => ctx.say(format_args!("{} 127.0.0.1:{}  process {pid}", service.name, service.port)),
            None => ctx.say(format_args!("no {} is up", service.name)),
        }
    }
    if Service::all(ctx).iter().any(|service| service.pid().is_some()) {
        ctx.say("in voice-gateway.toml:");
        ctx.say("  [events]\n  dir = \"events\"");
        ctx.say(format_args!(
            "  [kafka]\n  brokers = \"127.0.0.1:{KAFKA_PORT}\"\n  [state]\n  redis = \"redis://127.0.0.1:{REDIS_PORT}\""
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_that_of_the_pinned_kafka() {
        let pom = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/lab/kafka/pom.xml");
        let pom = fs::read_to_string(pom).unwrap();
        assert!(version(&pom).unwrap().starts_with("4."), "{:?}", version(&pom));
    }
}
