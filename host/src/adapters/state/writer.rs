//! The task that writes what calls told.

use super::held::Job;
use super::leases::one;
use super::link::{Fault, Wire};
use super::scripts::{Verdict, Write, ms};
use super::sounds::Sounds;
use super::standing::Part;
use super::{LIVE, RedisStates, keys, record};
use crate::application::limits::COMMITTED_WITHIN;
use redis::{Cmd, cmd};
use std::time::{Duration, SystemTime};
use tokio::time::{Instant, Interval, interval, sleep, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

/// Calls that are written together.
const BATCH: usize = 256;
/// What comes so soon after a write waits for the rest of that time, and is written together: one round trip and one commit of events for many calls, one
/// snapshot of a call for several. Where little happens it is written at once: who dies then has said all. For each snapshot that was written
/// [`EACH`], between these: above 200 snapshots in a second it grows to the longest, below it shrinks to the shortest.
const GATHER: (Duration, Duration) = (Duration::from_millis(20), Duration::from_millis(100));
const EACH: Duration = Duration::from_millis(5);
/// Time for that. Over: Redis is away.
const WITHIN: Duration = Duration::from_secs(2);
/// Between two tries: doubled from the first to the last.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(1));
/// A live call of which nothing changes is written again when so much has passed.
const REFRESH: Duration = Duration::from_secs(6 * 3_600);
/// How often it is looked whether there is one.
const LOOK: Duration = Duration::from_secs(60);
/// Time for what is left when the gateway stops.
const LAST: Duration = Duration::from_secs(1);

pub(super) struct Writer<'a> {
    states: &'a RedisStates,
}

impl<'a> Writer<'a> {
    pub(super) fn new(states: &'a RedisStates) -> Self {
        Self { states }
    }

    pub(super) async fn run(self, close: CancellationToken) {
        let mut pause = PAUSES.0;
        let mut look = interval(LOOK);
        while !close.is_cancelled() {
            let fault = match self.states.linker.connect().await {
                Ok(wire) => {
                    self.states.standing.is_up(Part::Writing);
                    tokio::select! {
                        fault = self.write_on(&wire, &mut look, &mut pause) => fault,
                        () = close.cancelled() => {
                            // What cannot be written now is lost with this process.
                            let _ = timeout(LAST, self.write_all(&wire)).await;
                            return;
                        }
                    }
                }
                Err(fault) => fault,
            };
            self.states.standing.is_away(Part::Writing, fault);
            tokio::select! {
                () = sleep(pause) => pause = PAUSES.1.min(pause * 2),
                () = close.cancelled() => return,
            }
        }
    }

    /// Until Redis is away.
    async fn write_on(&self, wire: &Wire, look: &mut Interval, pause: &mut Duration) -> Fault {
        loop {
            let begun = Instant::now();
            let written = match self.write_all(wire).await {
                Ok(written) => written,
                Err(fault) => return fault,
            };
            *pause = PAUSES.0;
            let gather = EACH.saturating_mul(written).clamp(GATHER.0, GATHER.1);
            tokio::select! {
                () = self.states.held.changed() => sleep_until(begun + gather).await,
                // Words first: what was understood is not forgotten before it is known.
                () = sounds_waiting(self.states.sounds.as_ref()) => {
                    let words = self.write_all(wire).await;
                    if let Err(fault) = match words {
                        Ok(_) => self.write_sounds(wire).await,
                        Err(fault) => Err(fault),
                    } {
                        return fault;
                    }
                }
                now = look.tick() => self.states.held.refresh(now.into_std(), REFRESH),
            }
        }
    }

    /// What has been told so far: what comes meanwhile is the next write's. How many snapshots that were.
    async fn write_all(&self, wire: &Wire) -> Result<u32, Fault> {
        let mut written = 0;
        loop {
            let jobs = Taken { states: self.states, jobs: self.states.held.take(BATCH) };
            let taken = jobs.jobs.len();
            if taken > 0 {
                // Whoever cannot keep what was told has raised an alarm: calls are kept all the same.
                let _ = timeout(COMMITTED_WITHIN, self.states.facts.committed()).await;
                self.write(wire, jobs).await?;
            }
            written += taken as u32;
            if taken < BATCH {
                return Ok(written);
            }
        }
    }

    /// What cannot be written now is let go: in a moment nobody needs it any more.
    async fn write_sounds(&self, wire: &Wire) -> Result<(), Fault> {
        let Some(sounds) = &self.states.sounds else { return Ok(()) };
        let commands = sounds.take(BATCH);
        if commands.is_empty() {
            return Ok(());
        }
        wire.run(commands, WITHIN).await.map(drop)
    }

    async fn write(&self, wire: &Wire, mut taken: Taken<'_>) -> Result<(), Fault> {
        let mut commands = Vec::new();
        let places: Vec<usize> = taken.jobs.iter().map(|job| self.commands(wire, job, &mut commands)).collect();
        let answers = wire.run(commands, WITHIN).await?;
        let now = Instant::now().into_std();
        let mut trouble = None;
        let verdict = |place: usize| match answers.get(place) {
            Some(Ok(value)) => Verdict::of(value).ok_or(Fault::Refused),
            Some(Err(fault)) => Err(*fault),
            None => Err(Fault::Refused),
        };
        let mut left = Vec::new();
        for (job, place) in std::mem::take(&mut taken.jobs).into_iter().zip(places) {
            match verdict(place) {
                Ok(verdict) => {
                    self.states.standing.wrote(verdict);
                    if verdict == Verdict::Fenced {
                        tracing::warn!(call = %job.call(), "another gateway holds this call");
                    }
                    self.states.held.settle(&job, verdict, now);
                }
                Err(fault) => {
                    trouble = Some(fault);
                    left.push(job);
                }
            }
        }
        taken.jobs = left;
        // Beside the calls themselves: lists of them, which the next write mends.
        let trouble = trouble.or_else(|| answers.iter().find_map(|answer| answer.as_ref().err().copied()));
        trouble.map_or(Ok(()), Err)
    }

    /// What a job takes; gives the place of the answer that counts.
    fn commands(&self, wire: &Wire, job: &Job, commands: &mut Vec<Cmd>) -> usize {
        let (call, snapshot, holder) = (job.call().as_str(), &job.snapshot, &self.states.holder);
        let (index, live, ended) = (keys::calls(holder), keys::live(&snapshot.tenant), keys::ended(&snapshot.tenant));
        let over = job.is_over();
        // The list first: a call that is kept and not listed would be adopted by nobody.
        if job.begins && !over {
            commands.push(with(one("SADD", &index), call));
            commands.push(with(one("PEXPIRE", &index), ms(2 * LIVE)));
        }
        let place = commands.len();
        let document = record::write(snapshot, &holder.instance, self.states.sounds.is_some() && !over);
        let write = Write {
            call: job.call(),
            epoch: snapshot.epoch,
            number: job.number,
            document: &document,
            resume: snapshot.resume.as_deref().unwrap_or_default(),
            over,
            keep_for: if over { self.states.ended } else { LIVE },
        };
        commands.push(wire.scripts.keep(&write, holder));
        if over {
            commands.push(with(one("SREM", &index), call));
            commands.push(with(one("ZREM", &live), call));
            let (now, there) = (since_epoch(SystemTime::now()), ms(self.states.ended));
            let mut forget = one("ZREMRANGEBYSCORE", &ended);
            forget.arg("-inf").arg(now);
            let mut list = cmd("ZADD");
            list.arg(&ended).arg(now.saturating_add(there)).arg(call);
            commands.extend([forget, list, with(one("PEXPIRE", &ended), there)]);
            if job.offered {
                commands.push(with(one("HDEL", keys::OFFERS), call));
            }
        } else if job.begins {
            let now = since_epoch(SystemTime::now());
            // Those of gateways that died, and that nobody took over.
            let mut forget = one("ZREMRANGEBYSCORE", &live);
            forget.arg("-inf").arg(now.saturating_sub(ms(LIVE)));
            let mut list = cmd("ZADD");
            list.arg(&live).arg(now).arg(call);
            commands.extend([forget, list, with(one("PEXPIRE", &live), ms(2 * LIVE))]);
        }
        place
    }
}

async fn sounds_waiting(sounds: Option<&Sounds>) {
    match sounds {
        Some(sounds) => sounds.waiting().await,
        None => std::future::pending().await,
    }
}

/// Jobs that were taken. Those that are left when it goes, for whatever reason, are given back.
struct Taken<'a> {
    states: &'a RedisStates,
    jobs: Vec<Job>,
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        if !self.jobs.is_empty() {
            self.states.standing.failed(self.jobs.len());
            self.states.held.give_back(&self.jobs);
        }
    }
}

pub(super) fn with(mut command: Cmd, argument: impl redis::ToRedisArgs) -> Cmd {
    command.arg(argument);
    command
}

fn since_epoch(at: SystemTime) -> u64 {
    ms(at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default())
}
