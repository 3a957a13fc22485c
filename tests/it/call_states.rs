//! Calls in a real Redis: written as they stand, by whoever holds them, whatever becomes of Redis meanwhile; and taken over by one gateway of several.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

#[path = "call_states/claims.rs"]
mod claims;
#[path = "call_states/figures.rs"]
mod figures;
#[path = "call_states/house.rs"]
mod house;
#[path = "call_states/outages.rs"]
mod outages;
#[path = "call_states/privacy.rs"]
mod privacy;
#[path = "call_states/servers.rs"]
mod servers;
#[path = "call_states/sounds.rs"]
mod sounds;
#[path = "call_states/takeover.rs"]
mod takeover;
#[path = "call_states/writing.rs"]
mod writing;

use redis::AsyncCommands;
use redis::aio::MultiplexedConnection;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use vg_domain::ids::{CallId, ConversationId, DidId, PluginId, TenantId, TrunkId};
use vg_domain::parties::Direction;
use vg_domain::pii::Pii;
use vg_tests::lab::Redis;
use voice_gateway::adapters::facts::LogFacts;
use voice_gateway::adapters::notices::NoticeBoard;
use voice_gateway::adapters::state::{About, RedisStates};
use voice_gateway::application::ports::*;
use voice_gateway::config::{Config, Machine};

/// A gateway's side of Redis, and nothing else of a gateway.
struct Gateway {
    states: Arc<RedisStates>,
    notices: Arc<NoticeBoard>,
    close: CancellationToken,
    run: JoinHandle<()>,
}

impl Gateway {
    /// With this `[state]`.
    fn start(instance: &str, toml: &str, secrets: &[(&str, &str)]) -> Self {
        Self::telling(instance, toml, secrets, Arc::new(LogFacts))
    }

    /// The same, whose calls tell this one.
    #[expect(clippy::disallowed_methods, reason = "ended by `stop` or `die`")]
    fn telling(instance: &str, toml: &str, secrets: &[(&str, &str)], facts: Arc<dyn Facts>) -> Self {
        let secrets = secrets.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let state = Config::parse(toml, secrets, &Machine::here()).unwrap().state.unwrap();
        let about = About { instance: instance.to_owned(), apps: vec![format!("vg-{instance}")], version: "9.9.9".to_owned() };
        let notices = Arc::new(NoticeBoard::new("run"));
        let states = RedisStates::new(&state, about, Arc::clone(&notices) as _, facts).unwrap();
        let close = CancellationToken::new();
        let run = tokio::spawn(Arc::clone(&states).run(close.clone()));
        Self { states, notices, close, run }
    }

    /// One that speaks to a server of its own.
    fn of(instance: &str, redis: &Redis) -> Self {
        Self::at(instance, redis.port())
    }

    /// One that speaks to this port of loopback.
    fn at(instance: &str, port: u16) -> Self {
        Self::start(instance, &format!("[state]\nredis = \"redis://127.0.0.1:{port}\""), &[])
    }

    async fn is_up(&self) {
        until("redis is there", async || self.states.health().state == "up").await;
    }

    async fn is_away(&self) -> &'static str {
        until("redis is away", async || self.states.health().state != "up").await;
        self.states.health().state
    }

    async fn all_written(&self) {
        until("all is written", async || self.states.health().unwritten == 0).await;
    }

    async fn has_its_lease(&self) {
        self.states.lease().wait_for(|lease| *lease == Lease::Held).await.unwrap();
    }

    /// The lease lapses: nothing is given back.
    fn die(&self) {
        self.run.abort();
    }

    async fn stop(self) {
        self.close.cancel();
        self.run.await.unwrap();
    }

    fn writes(&self, outcome: &str) -> u64 {
        let writes = self.states.readings().writes;
        writes.iter().find(|(code, _)| *code == outcome).map_or(0, |(_, count)| *count)
    }
}

/// A call as it stands after so many turns.
fn snapshot(call: &str, turn: u64) -> CallSnapshot {
    let at = SystemTime::UNIX_EPOCH + Duration::from_secs(1_704_103_200);
    CallSnapshot {
        call: CallId::new(call),
        tenant: TenantId::new("acme"),
        channel: "1704103200.17".into(),
        channel_name: Some("PJSIP/trunk-00000001".into()),
        conversation: Some(ConversationId::new("c-7")),
        state: CallState::Active,
        direction: Direction::Inbound,
        caller: Pii::new("+5511999998888".to_owned()),
        callee: Pii::new("+55112345".to_owned()),
        answered_at: Some(at),
        ended_at: None,
        agent: Some(format!("turn-{turn}")),
        hearing: Some(PluginId::new("stt-google")),
        speaking: Some(PluginId::new("tts-polly")),
        trunk: Some(TrunkId::new("trunk-a")),
        did: Some(DidId::new("did-b")),
        epoch: Epoch::FIRST,
        updated_at: at,
        resume: Some(format!("resume-{turn}").into_bytes().into()),
    }
}

fn ended(call: &str) -> CallSnapshot {
    CallSnapshot { state: CallState::Ended, ended_at: Some(SystemTime::now()), resume: None, ..snapshot(call, 0) }
}

/// The document of a call as it lies there.
async fn document(redis: &mut MultiplexedConnection, call: &str) -> Option<serde_json::Value> {
    let text: Option<String> = redis.get(format!("vg:{{{call}}}:state")).await.unwrap();
    text.map(|text| serde_json::from_str(&text).unwrap())
}

/// Waits until the document says that so many turns are over.
async fn turn_is_there(redis: &mut MultiplexedConnection, call: &str, turn: u64) {
    let agent = format!("turn-{turn}");
    let began = Instant::now();
    while document(redis, call).await.is_none_or(|document| document["agent_id"] != agent.as_str()) {
        assert!(began.elapsed() < PATIENCE, "never: {agent} of {call}");
        sleep(STEP).await;
    }
}

const PATIENCE: Duration = Duration::from_secs(20);
const STEP: Duration = Duration::from_millis(10);

async fn until(what: &str, is_so: impl AsyncFn() -> bool) {
    let began = Instant::now();
    while !is_so().await {
        assert!(began.elapsed() < PATIENCE, "never: {what}");
        sleep(STEP).await;
    }
}
