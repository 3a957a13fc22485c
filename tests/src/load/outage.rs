//! Vendors that are killed while callers listen to them and speak to them, and what the callers notice of it.

use super::asterisk::Asterisk;
use super::callers::{Callers, Diary, script};
use super::gateway::{Events, Gateway, Setup, Staff};
use crate::agent::{Orchestrator, Shape};
use anyhow::{Context, Result, bail};
use std::fmt;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::time::{sleep, timeout};
use vg_sim::{Identity, Latencies, Server, Sim, recordings};

/// Callers that come in a second.
const RATE: u64 = 20;

/// One vendor that can be killed and started again at its address.
pub struct Vendor {
    /// What it hears and says.
    pub sim: Arc<Sim>,
    address: SocketAddr,
    server: Option<Server>,
}

impl Vendor {
    async fn start(identity: &Identity, seed: u64) -> Result<Self> {
        let sim = Arc::new(Sim::new(None, Latencies::published(), seed));
        let server = Server::start(Arc::clone(&sim), "127.0.0.1:0".parse()?, Some(identity)).await?;
        Ok(Self { sim, address: server.address(), server: Some(server) })
    }

    fn origin(&self) -> String {
        format!("https://{}", self.address)
    }

    /// Its process dies.
    pub async fn kill(&mut self) {
        if let Some(server) = self.server.take() {
            server.kill().await;
        }
    }

    /// Its process is started again.
    ///
    /// # Errors
    /// Where its address is taken.
    pub async fn restart(&mut self, identity: &Identity) -> Result<()> {
        self.server = Some(Server::start(Arc::clone(&self.sim), self.address, Some(identity)).await?);
        Ok(())
    }

    /// Connections that were made to it since its process was started.
    pub fn connections(&self) -> u32 {
        self.server.as_ref().map_or(0, Server::connections)
    }
}

/// A gateway on ladders of two rungs, everything around it, and what its callers write down.
pub struct Outage {
    /// The gateway. The first to go.
    pub gateway: Gateway,
    /// The first to be asked to hear.
    pub ear: Vendor,
    /// The first to be asked to speak.
    pub mouth: Vendor,
    /// Who hears and speaks where they do not.
    pub backup: Vendor,
    /// The vendors' certificate.
    pub identity: Identity,
    callers: Callers,
    asterisk: Asterisk,
    /// How long a caller's sentence is.
    sentence_ms: u32,
    /// A sentence and the pause behind it.
    cycle_ms: u32,
    _agent: Orchestrator,
    _folder: tempfile::TempDir,
}

impl Outage {
    /// Starts all of it; nobody calls yet. Callers say a sentence and listen for `pause`; each answer is `answer`.
    ///
    /// # Errors
    /// Where a part does not start.
    pub async fn prepare(program: &Path, plugins: &Path, callers: usize, pause: Duration, answer: &str) -> Result<Self> {
        let recording = recordings().first().context("the fixtures have a recording")?;
        let end_ms = recording.phrases.first().and_then(|words| words.last()).context("the recording has words")?.end_ms as usize;
        let samples = recording.samples(8000);
        let said = script(&samples[..end_ms * 8], pause);
        let callers_thread = Callers::with_diaries(callers, said, end_ms);
        let asterisk = Asterisk::start(callers_thread.switch()).await?;
        let (identity, folder) = (Identity::new()?, tempfile::tempdir()?);
        let authority = identity.write_authority(folder.path())?;
        let (ear, mouth) = (Vendor::start(&identity, 1).await?, Vendor::start(&identity, 2).await?);
        let backup = Vendor::start(&identity, 3).await?;
        let agent = Orchestrator::start(Shape::Sse).await;
        agent.brain.always_answer(answer);
        let (hearing, speaking) = ([ear.origin(), backup.origin()], [mouth.origin(), backup.origin()]);
        let staff =
            Staff::on_ladders(hearing.each_ref().map(String::as_str), speaking.each_ref().map(String::as_str), agent.by_http());
        let setup = Setup {
            program,
            plugins,
            asterisk: &asterisk.url,
            staff: &staff,
            authority: &authority,
            cpus: "0-1",
            shards: 1,
            calls: callers,
            instance: None,
            events: Events::Forgotten,
        };
        let gateway = Gateway::start(&setup).await?;
        let sentence_ms = end_ms as u32;
        let cycle_ms = sentence_ms + pause.as_millis() as u32;
        Ok(Self {
            gateway,
            ear,
            mouth,
            backup,
            identity,
            callers: callers_thread,
            asterisk,
            sentence_ms,
            cycle_ms,
            _agent: agent,
            _folder: folder,
        })
    }

    /// These callers come, one after the other, and are up.
    ///
    /// # Errors
    /// Where they are not after a minute.
    pub async fn ring(&self, callers: std::ops::Range<usize>) -> Result<()> {
        let wanted = callers.len() as f64;
        for caller in callers {
            self.asterisk.ring(caller);
            sleep(Duration::from_millis(1000 / RATE)).await;
        }
        let up = async {
            while self.calls_up().await? < wanted {
                sleep(Duration::from_millis(50)).await;
            }
            anyhow::Ok(())
        };
        match timeout(Duration::from_secs(60), up).await {
            Ok(result) => result,
            Err(_) => bail!("of {wanted} calls {} are up", self.calls_up().await?),
        }
    }

    /// These callers go.
    pub fn hang_up(&self, callers: std::ops::Range<usize>) {
        callers.for_each(|caller| self.asterisk.hang_up(caller));
    }

    /// Calls whose sound is flowing.
    ///
    /// # Errors
    /// Where the gateway does not answer.
    pub async fn calls_up(&self) -> Result<f64> {
        self.gateway.metric("vg_media_legs_live").await
    }

    /// Waits for a metric; how long it took.
    ///
    /// # Errors
    /// Where it has not come by then, with the gateway's log.
    pub async fn wait_for(&self, name: &str, wanted: f64, within: Duration) -> Result<Duration> {
        let begun = Instant::now();
        // A series that was never counted is not there.
        while (self.gateway.metrics().await?.get(name).copied().unwrap_or(0.0) - wanted).abs() > 0.5 {
            if begun.elapsed() > within {
                bail!("{name} is not {wanted} after {within:?}\n{}", self.gateway.log());
            }
            sleep(Duration::from_millis(20)).await;
        }
        Ok(begun.elapsed())
    }

    /// The moment, as the callers' diaries count.
    pub fn now_ms(&self) -> u32 {
        self.callers.now_ms()
    }

    /// How long it is until the callers' next cycle, of a sentence and the pause behind it, has come so far.
    pub fn until_phase(&self, offset: Duration) -> Duration {
        let cycle_ms = self.cycle_ms;
        let phase_ms = self.now_ms() % cycle_ms;
        let offset_ms = offset.as_millis() as u32 % cycle_ms;
        Duration::from_millis(u64::from((offset_ms + cycle_ms - phase_ms) % cycle_ms))
    }

    /// The longest time that the callers themselves stood still: the machine's, not the gateway's.
    pub fn longest_stall_ms(&self) -> u32 {
        self.callers.seen.longest_stall_ms.load(std::sync::atomic::Ordering::Relaxed) as u32
    }

    /// The callers go and show what they wrote down.
    pub fn finish(self) -> Vec<Vec<Heard>> {
        let Self { callers, sentence_ms, .. } = self;
        callers.finish().iter().map(|diary| heard(diary, sentence_ms)).collect()
    }
}

/// What a caller heard after one sentence, counted in the packets that came: 20 ms each, whenever they were looked at.
#[derive(Clone, Copy, Debug)]
pub struct Heard {
    /// When the sentence ended.
    pub said_ms: u32,
    /// Until the answer could be heard; none where there was no answer before the next sentence.
    pub wait_ms: Option<u32>,
    /// The longest silence within the answer.
    pub gap_ms: u32,
    /// Stretches of sound in it: a word of a simulated voice is one, and one that a voice fell in is heard again.
    pub words: usize,
}

/// After each sentence, of which the last one is left out. A sentence takes `sentence_ms`.
pub fn heard(diary: &Diary, sentence_ms: u32) -> Vec<Heard> {
    let turns = diary.said.windows(2).map(|said| (said[0], said[1].saturating_sub(sentence_ms)));
    turns
        .map(|(said_ms, until_ms)| {
            let packets = diary.heard.iter().filter(|packet| (said_ms..until_ms).contains(&packet.at_ms));
            let mut heard = Heard { said_ms, wait_ms: None, gap_ms: 0, words: 0 };
            let (mut quiet_ms, mut silent) = (0, true);
            for packet in packets {
                if !packet.loud {
                    (quiet_ms, silent) = (quiet_ms + 20, true);
                    continue;
                }
                heard.words += usize::from(silent);
                match heard.wait_ms {
                    None => heard.wait_ms = Some(quiet_ms),
                    Some(_) => heard.gap_ms = heard.gap_ms.max(quiet_ms),
                }
                (quiet_ms, silent) = (0, false);
            }
            heard
        })
        .collect()
}

/// Half of them, nineteen of twenty, ninety-nine of a hundred, and all are no longer than this.
#[derive(Clone, Copy, Debug)]
pub struct Spread {
    /// How many there are.
    pub count: usize,
    /// In milliseconds.
    pub p50: u32,
    /// In milliseconds.
    pub p95: u32,
    /// In milliseconds.
    pub p99: u32,
    /// In milliseconds.
    pub max: u32,
}

impl Spread {
    /// Of these.
    pub fn of(values: impl Iterator<Item = u32>) -> Self {
        let mut values: Vec<u32> = values.collect();
        values.sort_unstable();
        let at = |share: f64| values.get((values.len() as f64 * share) as usize).or(values.last()).copied().unwrap_or(0);
        Self { count: values.len(), p50: at(0.5), p95: at(0.95), p99: at(0.99), max: at(1.0) }
    }
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { count, p50, p95, p99, max } = self;
        write!(f, "p50 {p50}, p95 {p95}, p99 {p99}, max {max} ms (of {count})")
    }
}

#[cfg(test)]
mod tests {
    use super::super::callers::Packet;
    use super::*;

    #[test]
    fn what_a_caller_heard_is_counted_in_packets() {
        let mut diary = Diary { said: vec![1000, 9000], heard: Vec::new() };
        // Looked at in fives: the callers stood still now and then.
        let loud = |n: u32| (25..40).contains(&n) || (90..100).contains(&n);
        diary.heard.extend((0..400).map(|n| Packet { at_ms: 1000 + n / 5 * 100, loud: loud(n), from: 0 }));
        let heard = heard(&diary, 1000);
        assert_eq!(heard.len(), 1);
        let Heard { wait_ms, gap_ms, words, .. } = heard[0];
        assert_eq!((wait_ms, gap_ms, words), (Some(500), 1000, 2));
    }

    #[test]
    fn spreads_are_of_sorted_values() {
        let spread = Spread::of([5, 1, 3].into_iter());
        assert_eq!((spread.count, spread.p50, spread.p95, spread.max), (3, 3, 5, 5));
        assert_eq!(Spread::of((1..=200).rev()).to_string(), "p50 101, p95 191, p99 199, max 200 ms (of 200)");
        assert_eq!(Spread::of(std::iter::empty()).max, 0);
    }
}
