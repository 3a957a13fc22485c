//! Several gateways that go on with one another's calls: each a process of its own, with a Redis that all of them share.

use super::asterisk::{Asterisk, Left};
use super::callers::{Callers, Diary, script};
use super::gateway::{Events, Gateway, Instance, Setup, Staff};
use crate::agent::{Orchestrator, Shape};
use crate::lab::{Kafka, Ledger, Proxy, Redis};
use anyhow::{Context, Result, bail};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::time::{sleep, timeout};
use vg_sim::{Identity, Latencies, Server, Sim, recordings};

/// Callers that come in a second.
const RATE: u64 = 20;
/// Time for a call that nobody serves to be somebody's.
const TAKEN_WITHIN: Duration = Duration::from_secs(10);
/// A gateway judges others when it has seen the store for three seconds, and is judged when it was seen there.
const SETTLED: Duration = Duration::from_millis(4_500);
/// Where all of them tell their events.
const TOPIC: &str = "voice-gateway.events";
/// Time for events to be told to Kafka, and read there.
const TOLD_WITHIN: Duration = Duration::from_secs(60);

/// One of them.
pub struct Member {
    /// The process.
    pub gateway: Gateway,
    /// The way from it to Redis.
    pub proxy: Proxy,
    /// Its application.
    pub app: String,
    started: Instant,
}

impl Member {
    /// Whether the others know it, and it the others.
    pub fn is_settled(&self) -> bool {
        self.started.elapsed() >= SETTLED
    }
}

/// Something that befell a gateway with calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blow {
    /// When, as the callers count.
    pub at_ms: u32,
    /// Whose calls these were.
    pub callers: BTreeSet<usize>,
}

/// See the module.
pub struct Fleet {
    /// The gateways. The first to go.
    pub members: Vec<Member>,
    /// The Asterisk of all of them.
    pub asterisk: Asterisk,
    /// The Redis of all of them.
    pub redis: Redis,
    /// The Kafka of all of them; none where there is none to be had.
    pub kafka: Option<Kafka>,
    /// Who thinks for the callers.
    pub agent: Orchestrator,
    /// How long a caller's sentence is.
    pub sentence_ms: u32,
    callers: Callers,
    _vendor: Server,
    _folder: tempfile::TempDir,
}

impl Fleet {
    /// Gateways of these names, and so many callers who do not call yet: each says a sentence and listens for `pause`. Every answer is `answer`.
    ///
    /// # Errors
    /// Where a part does not start.
    pub async fn prepare(program: &Path, names: &[&str], callers: usize, pause: Duration, answer: &str) -> Result<Self> {
        let recording = recordings().first().context("the fixtures have a recording")?;
        let end_ms = recording.phrases.first().and_then(|words| words.last()).context("the recording has words")?.end_ms as usize;
        let said = script(&recording.samples(8000)[..end_ms * 8], pause);
        let callers = Callers::with_diaries(callers, said, end_ms);
        let (asterisk, redis) = (Asterisk::start(callers.switch()).await?, Redis::keeping().await?);
        let kafka = Kafka::start().await?.ok();
        if let Some(kafka) = &kafka {
            kafka.topic(TOPIC, 6, &[]).await?;
        }
        let brokers = kafka.as_ref().map(Kafka::brokers);
        let (identity, folder) = (Identity::new()?, tempfile::tempdir()?);
        let authority = identity.write_authority(folder.path())?;
        let sim = Arc::new(Sim::new(None, Latencies::published(), 1));
        let vendor = Server::start(sim, "127.0.0.1:0".parse()?, Some(&identity)).await?;
        let agent = Orchestrator::start(Shape::Sse).await;
        agent.brain.always_answer(answer);
        let staff = Staff::of_one_vendor(&vendor.origin(), "mulaw-8000", agent.by_http());
        let plugins = crate::house::plugins_dir();
        let cache = folder.path().join("cache");
        let mut members = Vec::new();
        // One after the other: the first one compiles for all.
        for name in names {
            let proxy = Proxy::to(redis.port())?;
            let setup = Setup {
                program,
                plugins: &plugins,
                asterisk: &asterisk.url,
                staff: &staff,
                authority: &authority,
                cpus: "0-1",
                shards: 1,
                calls: callers.count(),
                instance: Some(Instance { name, redis: proxy.port(), cache: &cache }),
                events: brokers.as_deref().map_or(Events::Kept, Events::Sent),
            };
            let gateway = Gateway::start(&setup).await?;
            members.push(Member { gateway, proxy, app: format!("vg-{name}"), started: Instant::now() });
        }
        let sentence_ms = end_ms as u32;
        Ok(Self { members, asterisk, redis, kafka, agent, sentence_ms, callers, _vendor: vendor, _folder: folder })
    }

    /// These callers come, to the gateways in turns, and are up.
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
            while self.total("vg_media_legs_live").await? < wanted {
                sleep(Duration::from_millis(50)).await;
            }
            anyhow::Ok(())
        };
        match timeout(Duration::from_secs(60), up).await {
            Ok(result) => result,
            Err(_) => bail!("of {wanted} calls {} are up\n{}", self.total("vg_media_legs_live").await?, self.logs()),
        }
    }

    /// A metric of all gateways together; a series that was never counted is nothing.
    ///
    /// # Errors
    /// Where one does not answer.
    pub async fn total(&self, name: &str) -> Result<f64> {
        let mut total = 0.0;
        for member in &self.members {
            total += member.gateway.metrics().await?.get(name).copied().unwrap_or(0.0);
        }
        Ok(total)
    }

    /// Callers of one of them.
    pub fn callers_of(&self, member: usize) -> BTreeSet<usize> {
        self.asterisk.callers_of(&self.members[member].app)
    }

    /// What becomes of the calls of one of them from now on is of interest.
    pub fn blow(&self, member: usize) -> Blow {
        Blow { at_ms: self.callers.now_ms(), callers: self.callers_of(member) }
    }

    /// Kills one of them as a power cut would.
    ///
    /// # Errors
    /// Where it is gone already.
    pub fn kill9(&mut self, member: usize) -> Result<Blow> {
        let blow = self.blow(member);
        self.members[member].gateway.kill9()?;
        Ok(blow)
    }

    /// Starts one of them again.
    ///
    /// # Errors
    /// Where it does not serve.
    pub async fn restart(&mut self, member: usize) -> Result<()> {
        let member = &mut self.members[member];
        member.gateway.restart().await?;
        member.started = Instant::now();
        Ok(())
    }

    /// How long after a blow each caller was another gateway's, of those who went there behind the first so many moves.
    pub fn taken_after(&self, blow: &Blow, moves: usize) -> Vec<u32> {
        let moves = self.asterisk.moves().split_off(moves);
        moves.iter().map(|moved| self.ms_at(moved.at).saturating_sub(blow.at_ms)).collect()
    }

    /// Waits until all calls of one of them are others'.
    ///
    /// # Errors
    /// Where they are not after ten seconds.
    pub async fn is_relieved_of_all(&self, member: usize) -> Result<()> {
        let taken = async {
            while !self.callers_of(member).is_empty() {
                sleep(Duration::from_millis(10)).await;
            }
        };
        let left = || format!("nobody took callers {:?} over\n{}", self.callers_of(member), self.logs());
        timeout(TAKEN_WITHIN, taken).await.with_context(left)
    }

    /// Waits until every gateway and its Redis know each other.
    pub async fn settles(&self) {
        while !self.members.iter().all(Member::is_settled) {
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// Waits until everybody has seen everybody in a Redis that was away, or another one, for long enough to judge.
    ///
    /// # Errors
    /// Where one does not reach Redis.
    pub async fn settles_anew(&mut self) -> Result<()> {
        while self.total("vg_state_up").await? < self.members.len() as f64 {
            sleep(Duration::from_millis(50)).await;
        }
        self.members.iter_mut().for_each(|member| member.started = Instant::now());
        self.settles().await;
        Ok(())
    }

    /// The moment, as the callers count.
    pub fn now_ms(&self) -> u32 {
        self.callers.now_ms()
    }

    /// That one, in the same way.
    pub fn ms_at(&self, at: Instant) -> u32 {
        at.saturating_duration_since(self.callers.begun).as_millis() as u32
    }

    /// The longest time that the callers themselves stood still: the machine's, not the gateways'.
    pub fn longest_stall_ms(&self) -> u32 {
        self.callers.seen.longest_stall_ms.load(std::sync::atomic::Ordering::Relaxed) as u32
    }

    /// Everything that Kafka was told, once it was told all that the disks hold; none where there is no Kafka to be had.
    ///
    /// # Errors
    /// Where Kafka does not hold all of it in time, or holds something that no disk does.
    pub async fn told(&self) -> Result<Option<Ledger>> {
        let Some(kafka) = &self.kafka else { return Ok(None) };
        Ledger::of_disks(&kafka.brokers(), TOPIC, TOLD_WITHIN, || self.on_disks()).await.map(Some)
    }

    fn on_disks(&self) -> Result<BTreeSet<String>> {
        let all = self.members.iter().map(|member| member.gateway.events_on_disk()).collect::<Result<Vec<_>>>()?;
        Ok(all.into_iter().flatten().collect())
    }

    /// Every caller hangs up.
    ///
    /// # Errors
    /// Where something of a call is left after that time.
    pub async fn all_hang_up(&self, within: Duration) -> Result<()> {
        (0..self.callers.count()).for_each(|caller| self.asterisk.hang_up(caller));
        let gone = async {
            while self.asterisk.left() != Left::default() || self.total("vg_calls_live").await? > 0.0 {
                sleep(Duration::from_millis(50)).await;
            }
            Ok(())
        };
        let left = || format!("left: {:?}\n{}", self.asterisk.left(), self.logs());
        timeout(within, gone).await.with_context(left)?
    }

    /// What all of them have logged.
    pub fn logs(&self) -> String {
        self.members.iter().map(|member| format!("--- {}\n{}", member.app, member.gateway.log())).collect()
    }

    /// The callers go and show what they wrote down.
    pub fn finish(self) -> Vec<Diary> {
        self.callers.finish()
    }
}

/// What a caller noticed of a blow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Noticed {
    /// No packet came for so long.
    pub gap_ms: u32,
    /// From the blow to the next sound, or until the caller speaks, of those who were being spoken to and did not speak themselves.
    pub silence_ms: Option<u32>,
}

/// How close to a blow a sound was, so that somebody was being spoken to.
const SPOKEN_TO_MS: u32 = 150;
/// Gaps that begin so much before or after a blow are taken for its own.
const AROUND_MS: (u32, u32) = (200, 4_000);

/// See [`Noticed`]; none of a caller to whom no packet came afterwards. `words`: stretches of sound that an answer has: who has heard them all waits for
/// none. A sentence of the caller's takes `sentence_ms`.
pub fn noticed(diary: &Diary, at_ms: u32, words: usize, sentence_ms: u32) -> Option<Noticed> {
    let packets = &diary.heard;
    packets.last().filter(|last| last.at_ms >= at_ms + AROUND_MS.1)?;
    let around = at_ms.saturating_sub(AROUND_MS.0)..at_ms + AROUND_MS.1;
    let pairs = packets.windows(2).filter(|pair| around.contains(&pair[0].at_ms));
    let gap_ms = pairs.map(|pair| pair[1].at_ms - pair[0].at_ms).max()?;
    let said = diary.said.iter().rev().find(|said| **said < at_ms).copied().unwrap_or(0);
    let mut silent = true;
    let mut heard = 0;
    let mut last = None;
    for packet in packets.iter().filter(|packet| (said..at_ms).contains(&packet.at_ms)) {
        heard += usize::from(packet.loud && silent);
        silent = !packet.loud;
        if packet.loud {
            last = Some(packet.at_ms);
        }
    }
    // Nobody speaks to a caller who speaks: neither who did when it happened waits for a voice, nor who does afterwards.
    let mut speaking = diary.said.iter().map(|said| said.saturating_sub(sentence_ms)..*said);
    let spoken_to = heard < words
        && last.is_some_and(|last| last + SPOKEN_TO_MS >= at_ms)
        && !speaking.clone().any(|speaking| speaking.contains(&at_ms));
    let next = packets.iter().find(|packet| packet.loud && packet.at_ms > at_ms + SPOKEN_TO_MS).map(|next| next.at_ms);
    let speaks = speaking.find(|speaking| speaking.start > at_ms).map(|speaking| speaking.start);
    let silent_until = next.map(|next| next.min(speaks.unwrap_or(u32::MAX)));
    Some(Noticed { gap_ms, silence_ms: silent_until.filter(|_| spoken_to).map(|until| until - at_ms) })
}

/// Who spoke to a caller, one after the other.
pub fn speakers(diary: &Diary) -> Vec<u16> {
    let mut speakers: Vec<u16> = diary.heard.iter().map(|packet| packet.from).collect();
    speakers.dedup();
    speakers
}

#[cfg(test)]
mod tests {
    use super::super::callers::Packet;
    use super::*;

    fn packets(from_ms: u32, until_ms: u32, from: u16, loud: bool) -> impl Iterator<Item = Packet> {
        (from_ms..until_ms).step_by(20).map(move |at_ms| Packet { at_ms, loud, from })
    }

    #[test]
    fn a_blow_is_noticed_by_missing_packets_and_by_who_was_being_spoken_to() {
        let mut diary = Diary { said: vec![1_000], heard: Vec::new() };
        diary.heard.extend(packets(1_000, 2_000, 7, false));
        diary.heard.extend(packets(2_000, 3_000, 7, true));
        diary.heard.extend(packets(4_200, 4_400, 8, false));
        diary.heard.extend(packets(4_400, 5_000, 8, true));
        assert_eq!(noticed(&diary, 3_000, 2, 800), None, "nobody comes any more");
        diary.heard.extend(packets(5_000, 7_100, 8, false));
        assert_eq!(noticed(&diary, 3_000, 2, 800), Some(Noticed { gap_ms: 1_220, silence_ms: Some(1_400) }));
        assert_eq!(noticed(&diary, 3_000, 1, 800), Some(Noticed { gap_ms: 1_220, silence_ms: None }), "all was said");
        diary.said.push(4_900);
        assert_eq!(noticed(&diary, 3_000, 2, 800).unwrap().silence_ms, Some(1_100), "the caller speaks first");
        diary.said[1] = 3_500;
        assert_eq!(noticed(&diary, 3_000, 2, 800).unwrap().silence_ms, None, "the caller speaks already");
        assert_eq!(speakers(&diary), [7, 8]);
    }
}
