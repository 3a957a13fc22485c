//! A gateway with everything around it: callers, an Asterisk and one vendor, all but the gateway in this process.

use super::asterisk::Asterisk;
use super::callers::{Callers, script};
use super::gateway::{Events, Gateway, Instance, Setup, Staff};
use crate::agent::{Orchestrator, Shape};
use crate::lab::Redis;
use anyhow::{Context, Result};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use vg_sim::{Identity, Latencies, Server, Sim, Tap, recordings};

/// What a [`Scene`] is made of.
pub struct Wishes<'a> {
    /// The gateway's program.
    pub gateway: &'a Path,
    /// The folder of components.
    pub plugins: &'a Path,
    /// Processors of the gateway, as `taskset -c` wants them.
    pub cpus: &'a str,
    /// In what sound the vendor hears.
    pub sound: &'a str,
    /// Media threads.
    pub shards: usize,
    /// Callers there are; where more calls are made they take turns.
    pub callers: usize,
    /// What they pause between sentences.
    pub pause: Duration,
    /// How long the vendor lets one wait.
    pub latencies: Latencies,
    /// Who answers.
    pub agent: Agent,
    /// States of calls are kept in a Redis, and their events on the disk.
    pub keeps: bool,
}

/// Who answers callers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Agent {
    /// The gateway's own, which answers the same to the same: the first words of its answers are soon said from memory.
    Builtin,
    /// One elsewhere, at once too, who begins in other words each time: its first words wait for the voice.
    Elsewhere,
}

/// See the module.
pub struct Scene {
    /// The gateway. The first to go.
    pub gateway: Gateway,
    /// Its callers.
    pub callers: Callers,
    /// Its Asterisk.
    pub asterisk: Asterisk,
    /// Its vendor.
    pub sim: Arc<Sim>,
    _server: Server,
    _redis: Option<Redis>,
    _agent: Option<Orchestrator>,
    _folder: tempfile::TempDir,
}

impl Scene {
    /// Starts all of it; nobody calls yet. `tap` hears and marks what vendor and callers say.
    ///
    /// # Errors
    /// Where a part does not start.
    pub async fn start(wishes: &Wishes<'_>, tap: impl FnOnce(&Callers) -> Option<Box<dyn Tap>>) -> Result<Self> {
        let caller = recordings().first().context("the fixtures have a recording")?;
        // One sentence, so that its answer is not interrupted by the next.
        let end_ms = caller.phrases.first().and_then(|words| words.last()).context("the recording has words")?.end_ms;
        let samples = caller.samples(8000);
        let sentence = &samples[..samples.len().min(end_ms as usize * 8 + 1_600)];
        let callers = Callers::start(wishes.callers, script(sentence, wishes.pause));
        let asterisk = Asterisk::start(callers.switch()).await?;
        let (identity, folder) = (Identity::new()?, tempfile::tempdir()?);
        let authority = identity.write_authority(folder.path())?;
        let sim = Arc::new(Sim::new(None, wishes.latencies.clone(), 1));
        let server = Server::start(Arc::clone(&sim), "127.0.0.1:0".parse()?, Some(&identity)).await?;
        if let Some(tap) = tap(&callers) {
            sim.tap(tap);
        }
        let agent = match wishes.agent {
            Agent::Builtin => None,
            Agent::Elsewhere => Some(Orchestrator::start(Shape::Sse).await),
        };
        let asked = agent.as_ref().map(|agent| {
            agent.brain.begin_anew();
            agent.by_http()
        });
        let staff = Staff::of_one_vendor(&server.origin(), wishes.sound, asked.unwrap_or_default());
        let redis = if wishes.keeps { Some(Redis::start().await?) } else { None };
        let cache = folder.path().join("cache");
        let setup = Setup {
            program: wishes.gateway,
            plugins: wishes.plugins,
            asterisk: &asterisk.url,
            staff: &staff,
            authority: &authority,
            cpus: wishes.cpus,
            shards: wishes.shards,
            calls: wishes.callers,
            instance: redis.as_ref().map(|redis| Instance { name: "load", redis: redis.port(), cache: &cache }),
            events: if wishes.keeps { Events::Kept } else { Events::Forgotten },
        };
        let gateway = Gateway::start(&setup).await?;
        Ok(Self { gateway, callers, asterisk, sim, _server: server, _redis: redis, _agent: agent, _folder: folder })
    }
}
