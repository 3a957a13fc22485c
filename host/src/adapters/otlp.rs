//! One trace for each turn, to a collector by OTLP/HTTP (<https://opentelemetry.io/docs/specs/otlp/>): the turn, and below it its parts from moment to
//! moment. Ids, names and codes; never a word or a number.
//!
//! No call waits for it: what the collector does not take in time is dropped and counted.

mod export;
mod ids;
mod messages;

use crate::adapters::tally::Tally;
use crate::application::ports::{Observation, Observe};
use crate::application::turns::AnsweredTurn;
use crate::config;
use export::Collector;
pub use export::CollectorError;
pub use ids::Traces;
use ids::TurnIds;
use messages::{Attribute, Kind, Span};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};
use tokio::sync::mpsc;
use tokio::time::{Instant as Deadline, timeout_at};
use tokio_util::sync::CancellationToken;

/// Turns that wait to be sent. Full: the next one is dropped and counted.
const QUEUE: usize = 2_048;
/// Turns in a request.
const BATCH: usize = 128;
/// A turn waits for others so long.
const GATHER: Duration = Duration::from_secs(1);
/// What is left when the gateway ends is sent within this time, or dropped.
const LAST: Duration = Duration::from_secs(3);

/// Spans of one turn.
type Turn = Vec<Span>;

/// See the module. [`run`](Self::run) sends.
pub struct Tracer {
    queue: mpsc::Sender<Turn>,
    /// Taken by [`run`](Self::run).
    waiting: Mutex<Option<mpsc::Receiver<Turn>>>,
    collector: Collector,
    counts: Tally,
}

impl Tracer {
    /// `instance`: this gateway's name among its siblings; `operator_cas`: PEM, trusted beside the system's authorities, which are read here: blocks for
    /// tens of milliseconds.
    ///
    /// # Errors
    /// Where no client can be made of it. The collector is not asked.
    pub fn new(config: &config::Otlp, instance: &str, operator_cas: &[Vec<u8>]) -> Result<Self, CollectorError> {
        let (queue, waiting) = mpsc::channel(QUEUE);
        let counts = Tally::default();
        let collector = Collector::new(config, instance, operator_cas, counts.clone())?;
        Ok(Self { queue, waiting: Mutex::new(Some(waiting)), collector, counts })
    }

    /// Spans since the start by what became of them: `sent`, `rejected` (the collector took the others of the request), `refused` (it took none of the
    /// request), `failed` (it could not be reached, or was too busy for too long), `dropped` (too many waited).
    pub fn counts(&self) -> Vec<(&'static str, u64)> {
        self.counts.read()
    }

    /// Sends what comes until `close`, and then what is left. Once.
    pub async fn run(&self, close: CancellationToken) {
        let Some(mut waiting) = self.waiting.lock().unwrap_or_else(PoisonError::into_inner).take() else { return };
        let mut turns = Vec::new();
        while close.run_until_cancelled(gather(&mut waiting, &mut turns)).await == Some(true) {
            self.send(&mut turns, &close).await;
        }
        waiting.close();
        while let Ok(turn) = waiting.try_recv() {
            turns.push(turn);
        }
        self.send(&mut turns, &close).await;
    }

    /// Takes as long as the collector's patience lasts; after `close` not much longer.
    async fn send(&self, turns: &mut Vec<Turn>, close: &CancellationToken) {
        let spans: Vec<Span> = turns.drain(..).flatten().collect();
        if spans.is_empty() {
            return;
        }
        let count = spans.len() as u64;
        let over = async {
            close.cancelled().await;
            tokio::time::sleep(LAST).await;
        };
        tokio::select! {
            () = self.collector.send(spans) => {}
            () = over => self.counts.add("failed", count),
        }
    }
}

/// The next turns, as many as come soon after the first. False where none will come.
async fn gather(waiting: &mut mpsc::Receiver<Turn>, turns: &mut Vec<Turn>) -> bool {
    let Some(first) = waiting.recv().await else { return false };
    turns.push(first);
    let until = Deadline::now() + GATHER;
    while turns.len() < BATCH {
        match timeout_at(until, waiting.recv()).await {
            Ok(Some(turn)) => turns.push(turn),
            Ok(None) | Err(_) => break,
        }
    }
    true
}

impl Observe for Tracer {
    fn observe(&self, observation: &Observation) {
        let Observation::TurnEnded(turn) = observation else { return };
        // Made here: no word of the turn goes further.
        let spans = spans(turn, Instant::now(), SystemTime::now());
        let count = spans.len() as u64;
        if self.queue.try_send(spans).is_err() {
            self.counts.add("dropped", count);
        }
    }
}

/// The turn's own span first. `now` and `wall` are the same moment by both clocks.
fn spans(turn: &AnsweredTurn, now: Instant, wall: SystemTime) -> Turn {
    let AnsweredTurn { call, tenant, hearing, speaking, told_at, record } = turn;
    let ids = TurnIds::new(call, record.turn);
    let nanos = |at: Instant| {
        let wall = wall.checked_sub(now.saturating_duration_since(at)).unwrap_or(wall);
        wall.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
    };
    // Where no moment is known, when it was told.
    let from = record.spans.first().map_or(*told_at, |span| span.from);
    let to = record.spans.last().map_or(*told_at, |span| span.to);
    let mut attributes = vec![
        Attribute::text("vg.call_id", call.as_str()),
        Attribute::text("vg.tenant", tenant.as_str()),
        Attribute::int("vg.turn", record.turn.0.into()),
        Attribute::text("vg.stt_plugin", hearing.as_str()),
        Attribute::flag("vg.interrupted", record.interrupted),
        Attribute::flag("vg.anchored", record.latency.is_some()),
    ];
    attributes.extend(speaking.as_ref().map(|plugin| Attribute::text("vg.tts_plugin", plugin.as_str())));
    attributes.extend(record.latency.map(|latency| Attribute::text("vg.owner", latency.waited_for().code())));
    let own = |kind, name: &str, id: Vec<u8>, parent: Vec<u8>, (from, to): (Instant, Instant), attributes| Span {
        trace_id: ids.trace().to_vec(),
        span_id: id,
        parent_span_id: parent,
        name: name.to_owned(),
        kind: kind as i32,
        start_time_unix_nano: nanos(from),
        end_time_unix_nano: nanos(to),
        attributes,
    };
    let root = own(Kind::Internal, "turn", ids.turn().to_vec(), Vec::new(), (from, to), attributes);
    let part = |(nth, span): (usize, &vg_domain::turn::Span)| {
        let mut attributes = vec![Attribute::text("vg.owner", span.owner.code())];
        let plugin = match span.name {
            "stt" => Some(hearing),
            "tts" => speaking.as_ref(),
            _ => None,
        };
        attributes.extend(plugin.map(|plugin| Attribute::text("vg.plugin", plugin.as_str())));
        // The agent's own spans hang on this one.
        let (kind, id) = match span.name {
            "agent" => (Kind::Client, ids.agent()),
            _ => (Kind::Internal, ids.part(nth)),
        };
        own(kind, span.name, id.to_vec(), ids.turn().to_vec(), (span.from, span.to), attributes)
    };
    let parts: Vec<Span> = record.spans.iter().enumerate().map(part).collect();
    std::iter::once(root).chain(parts).collect()
}

#[cfg(test)]
mod tests;
