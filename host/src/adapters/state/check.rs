//! What `doctor` asks a Redis.

use super::leases::{one, read};
use super::link::{Fault, Linker};
use crate::config::State;
use redis::{Value, cmd};
use std::collections::HashMap;
use std::time::{Duration, Instant};

const WITHIN: Duration = Duration::from_secs(2);

/// What a Redis is like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Its version.
    pub version: String,
    /// What it does when its memory is full: `noeviction` is the one that forgets nothing; none where it does not tell.
    pub maxmemory_policy: Option<String>,
    /// How long an answer takes: the shortest of three.
    pub latency: Duration,
}

/// Connects and asks.
///
/// # Errors
/// A bounded code of why it is of no use, or what is wrong with the configuration.
pub async fn check(state: &State) -> Result<Report, String> {
    let linker = Linker::new(state).map_err(|error| format!("{error:#}"))?;
    let code = |fault: Fault| fault.code().to_owned();
    let wire = linker.connect().await.map_err(code)?;
    let mut latency = Duration::MAX;
    for _ in 0..3 {
        let began = Instant::now();
        wire.ask(one("GET", super::keys::GENERATION), WITHIN).await.map_err(code)?;
        latency = latency.min(began.elapsed());
    }
    let info = wire.ask(one("INFO", "server"), WITHIN).await.map_err(code)?;
    let mut policy = cmd("CONFIG");
    policy.arg("GET").arg("maxmemory-policy");
    // Not everybody may ask that.
    let policy = wire.ask(policy, WITHIN).await.ok().and_then(|answer| read::<HashMap<String, String>>(answer).ok());
    let maxmemory_policy = policy.and_then(|mut policy| policy.remove("maxmemory-policy"));
    Ok(Report { version: version(&info).unwrap_or_else(|| "unknown".to_owned()), maxmemory_policy, latency })
}

/// A cluster answers for each of its nodes.
fn version(info: &Value) -> Option<String> {
    match info {
        Value::Map(nodes) => nodes.first().and_then(|(_, info)| version(info)),
        other => {
            let text: String = read(other.clone()).ok()?;
            text.lines().find_map(|line| line.strip_prefix("redis_version:")).map(|version| version.trim().to_owned())
        }
    }
}
