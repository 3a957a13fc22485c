//! Events on their way to Kafka: read from the spool in its order, acknowledged there in that order, and never left out.
//!
//! One task, and the threads of librdkafka. While Kafka is away the spool fills and nothing is given up; what cannot be delivered ever (an event that
//! no broker takes) is set aside beside the spool, counted, and the next ones go on. An event may come twice (after a crash, after a producer that
//! had to be made anew), always with the same id; of one call never out of order, once doubles are taken out.

mod aside;
mod client;
mod health;
mod topic;
mod window;

pub use health::KafkaStats;
pub use topic::{Topic, TopicError, TopicSettings, look};

use super::{Backlog, Waiting};
use crate::config::Kafka;
use aside::Aside;
use client::{Ear, Report, code};
use health::Health;
use rdkafka::config::FromClientConfigAndContext;
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseRecord, ThreadedProducer};
use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;
use window::Window;

/// Events on their way at once, and their bytes. Full: the spool is not read.
const IN_FLIGHT: usize = 4_096;
const IN_FLIGHT_BYTES: usize = 16 << 20;
/// Read from the spool at once.
const READ_MAX: usize = 256;
/// The place in the spool is written down so often at most, while events are on their way.
const ACKNOWLEDGE_EVERY: Duration = Duration::from_millis(200);
/// After a producer that failed the next one waits: at first so long, then twice as long each time.
const AGAIN_FIRST: Duration = Duration::from_millis(250);
const AGAIN_MAX: Duration = Duration::from_secs(15);
/// The topic is looked at until it was seen, and again while something stands in the way.
const LOOK_WITHIN: Duration = Duration::from_secs(3);
const LOOK_AGAIN: Duration = Duration::from_secs(5);
/// Events on their way without a report for so long say that Kafka is away, whatever its connections look like.
const STUCK: Duration = Duration::from_secs(5);

/// The way of events to Kafka.
pub struct Producer {
    kafka: Kafka,
    backlog: Arc<dyn Backlog>,
    aside: Aside,
    health: Arc<Health>,
}

/// How the life of a librdkafka producer ended.
enum End {
    /// The gateway ends: everything is there, or time is up.
    Closed,
    /// It has to be made anew at once.
    Again,
    /// It failed, and the next one should wait.
    Failed(&'static str),
}

/// What one librdkafka producer has to do, and where it is.
struct Work {
    /// Read, and not yet sent.
    ahead: VecDeque<Waiting>,
    window: Window<u64>,
    /// The last place that was read.
    read: u64,
    /// To be told to the spool.
    passed: Option<u64>,
    /// One event at a time up to this place: one of them is not taken, and it must be known which.
    careful: Option<u64>,
    /// When the last report came, or the window was last empty.
    moved: Instant,
}

impl Producer {
    /// `aside` is the file for what no broker takes.
    pub fn new(kafka: Kafka, backlog: Arc<dyn Backlog>, aside: PathBuf) -> Self {
        let health = Arc::new(Health::default());
        Self { kafka, backlog, aside: Aside::new(aside), health }
    }

    /// Figures now.
    pub fn stats(&self) -> KafkaStats {
        self.health.stats(self.backlog.waiting())
    }

    /// Sends until `close`, then what still waits, for as long as the configuration allows. What is left stays in the spool.
    pub async fn run(self: Arc<Self>, close: CancellationToken) {
        let looking = Arc::clone(&self).look_at_topic(close.clone());
        tokio::join!(looking, self.send_all(close));
    }

    /// Says once how the topic is; later it looks whether what stood in the way is gone, since no event may come for long to show it.
    async fn look_at_topic(self: Arc<Self>, close: CancellationToken) {
        let (mut told, mut seen) = (None, false);
        loop {
            if seen && self.health.trouble().is_none() {
                tokio::select! {
                    () = close.cancelled() => return,
                    () = sleep(LOOK_AGAIN) => continue,
                }
            }
            let looked = tokio::select! {
                () = close.cancelled() => return,
                looked = look(&self.kafka, LOOK_WITHIN) => looked,
            };
            match looked {
                Ok(_) if seen => self.health.found(),
                Ok(topic) => {
                    (told, seen) = (None, true);
                    self.health.found();
                    let (partitions, replicas) = (topic.partitions, topic.replicas);
                    tracing::info!(topic = self.kafka.topic, partitions, replicas, "kafka has the topic of events");
                    for advice in topic.advice(&self.kafka) {
                        tracing::warn!(topic = self.kafka.topic, advice, "the topic of events should be otherwise");
                    }
                }
                Err(error) => {
                    // Told once for each reason, however long it lasts.
                    if told.replace(error.code()) != Some(error.code()) {
                        let code = error.code();
                        tracing::warn!(topic = self.kafka.topic, code, "events wait in the spool: failed to {error}");
                    }
                    self.health.troubled(error.code());
                }
            }
            tokio::select! {
                () = close.cancelled() => return,
                () = sleep(LOOK_AGAIN) => {}
            }
        }
    }

    async fn send_all(&self, close: CancellationToken) {
        let (mut again, mut careful) = (AGAIN_FIRST, None);
        let mut until = None;
        loop {
            let delivered = self.health.delivered();
            match self.life(&close, &mut until, &mut careful).await {
                End::Closed => break,
                End::Again => {}
                End::Failed(code) => {
                    self.health.failed(code);
                    if self.health.delivered() > delivered {
                        again = AGAIN_FIRST;
                    }
                    tracing::debug!(code, wait_ms = again.as_millis(), "the next producer waits");
                    let wait = again;
                    again = (again * 2).min(AGAIN_MAX);
                    tokio::select! {
                        () = close.cancelled() => break,
                        () = sleep(wait) => {}
                    }
                }
            }
        }
        let left = self.stats().lag;
        if left > 0 {
            tracing::warn!(left, "events stay in the spool for the next start");
        }
    }

    /// The life of one librdkafka producer.
    async fn life(&self, close: &CancellationToken, until: &mut Option<Instant>, careful: &mut Option<u64>) -> End {
        let (tell, mut reports) = mpsc::channel(IN_FLIGHT);
        let ear = Ear { health: Arc::clone(&self.health), reports: tell };
        let config = client::producer(&self.kafka, IN_FLIGHT);
        let producer = match ThreadedProducer::from_config_and_context(&config, ear) {
            Ok(producer) => producer,
            Err(error) => {
                tracing::debug!(%error, "failed to set up the client of kafka");
                return End::Failed("client");
            }
        };
        let mut work = Work::behind(self.backlog.position(), *careful);
        let end = self.send_with(&producer, &mut reports, &mut work, close, until).await;
        if let Some(place) = work.passed.take() {
            self.backlog.acknowledge(place);
        }
        self.health.in_flight(0);
        *careful = work.careful;
        // Its end takes what is on the way along and waits for its threads: half a second at most.
        let _ = tokio::task::spawn_blocking(move || drop(producer)).await;
        end
    }

    async fn send_with(
        &self,
        producer: &ThreadedProducer<Ear>,
        reports: &mut mpsc::Receiver<Report>,
        work: &mut Work,
        close: &CancellationToken,
        until: &mut Option<Instant>,
    ) -> End {
        let mut last = self.backlog.last();
        let mut told = Vec::with_capacity(READ_MAX);
        let mut acknowledged = Instant::now();
        loop {
            // Seen before it is read: what comes meanwhile wakes this up.
            let newest = *last.borrow_and_update();
            if let Err(end) = self.send_what_fits(producer, work, newest).await {
                return end;
            }
            self.health.in_flight(work.window.len());
            if work.window.len() == 0 || acknowledged.elapsed() >= ACKNOWLEDGE_EVERY {
                acknowledged = Instant::now();
                if let Some(place) = work.passed.take() {
                    self.backlog.acknowledge(place);
                }
            }
            let idle = work.window.len() == 0 && work.ahead.is_empty() && newest <= work.read;
            if until.is_some() && idle {
                return End::Closed;
            }
            let moved = work.moved;
            tokio::select! {
                biased;
                () = close.cancelled(), if until.is_none() => *until = Some(Instant::now() + self.kafka.drain),
                () = sleep_until(until.unwrap_or(moved)), if until.is_some() => return End::Closed,
                count = reports.recv_many(&mut told, READ_MAX), if work.window.len() > 0 => {
                    if count == 0 {
                        return End::Failed("client");
                    }
                    for (place, told) in told.drain(..) {
                        if let Err(end) = self.reported(work, place, told).await {
                            return end;
                        }
                    }
                }
                moved = last.changed(), if work.wants_more() => {
                    // A backlog that is gone tells nothing any more: what was read is still sent.
                    if moved.is_err() && until.is_none() {
                        *until = Some(Instant::now() + self.kafka.drain);
                    }
                }
                () = sleep_until(moved + STUCK), if work.window.len() > 0 && self.health.trouble().is_none() => {
                    self.health.troubled("unreachable");
                }
            }
        }
    }

    /// Reads and sends as long as there is room.
    async fn send_what_fits(&self, producer: &ThreadedProducer<Ear>, work: &mut Work, newest: u64) -> Result<(), End> {
        loop {
            while let Some(next) = work.next() {
                self.send(producer, work, next).await?;
            }
            if !work.wants_more() || newest <= work.read {
                return Ok(());
            }
            let (backlog, behind) = (Arc::clone(&self.backlog), work.read);
            let read = tokio::task::spawn_blocking(move || backlog.read(behind, READ_MAX)).await;
            let events = match read {
                Ok(Ok(events)) => events,
                Ok(Err(error)) => {
                    tracing::warn!(error, "failed to read the spool of events");
                    return Err(End::Failed("spool"));
                }
                Err(_) => return Err(End::Failed("spool")),
            };
            let Some(last) = events.last() else { return Ok(()) };
            work.read = last.place;
            work.ahead.extend(events);
        }
    }

    async fn send(&self, producer: &ThreadedProducer<Ear>, work: &mut Work, next: Waiting) -> Result<(), End> {
        let headers = OwnedHeaders::new_with_capacity(next.headers.len());
        let headers =
            next.headers.iter().fold(headers, |headers, (key, value)| headers.insert(Header { key, value: Some(value) }));
        let record = BaseRecord::with_opaque_to(&self.kafka.topic, Box::new(next.place));
        let record = record.key(next.key.as_str()).payload(&next.event[..]).headers(headers);
        if work.window.len() == 0 {
            work.moved = Instant::now();
        }
        let sent = producer.send(record).map_err(|(error, _)| error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Unknown));
        work.window.sent(next.place, next.event.len());
        match sent {
            Ok(()) => Ok(()),
            // Its own bound, looked at before anything goes out.
            Err(error @ RDKafkaErrorCode::MessageSizeTooLarge) => {
                self.set_aside(work, &next, code(error)).await;
                Ok(())
            }
            Err(error) => Err(End::Failed(code(error))),
        }
    }

    /// An event is there, or is not.
    async fn reported(&self, work: &mut Work, place: u64, told: Result<(), RDKafkaErrorCode>) -> Result<(), End> {
        work.moved = Instant::now();
        match told.map_err(|error| (error, code(error))) {
            Ok(()) => {
                self.health.took();
                work.settled(place);
                Ok(())
            }
            // No broker takes it, now or later.
            Err((_, code @ ("too_large" | "invalid"))) if work.window.len() == 1 => {
                let (backlog, behind) = (Arc::clone(&self.backlog), place.saturating_sub(1));
                let read = tokio::task::spawn_blocking(move || backlog.read(behind, 1)).await;
                let event = read.ok().and_then(Result::ok).and_then(|events| events.into_iter().next());
                self.set_aside(work, &event.ok_or(End::Failed("spool"))?, code).await;
                Err(End::Again)
            }
            Err((_, "too_large" | "invalid")) => {
                // Which of the batch it was is found out one by one.
                work.careful = work.window.forget();
                Err(End::Again)
            }
            // Follows from another one's report, which is yet to come or has come.
            Err((_, code)) => Err(End::Failed(code)),
        }
    }

    async fn set_aside(&self, work: &mut Work, event: &Waiting, code: &'static str) {
        let bytes = event.event.len();
        let kept = self.aside.keep(event.clone()).await;
        tracing::error!(place = event.place, bytes, code, kept, "no broker takes this event: it was set aside");
        self.health.set_aside(code);
        work.settled(event.place);
    }
}

impl Work {
    fn behind(place: u64, careful: Option<u64>) -> Self {
        let careful = careful.filter(|last| *last > place);
        Self { ahead: VecDeque::new(), window: Window::new(), read: place, passed: None, careful, moved: Instant::now() }
    }

    /// The next event, where it may go now.
    fn next(&mut self) -> Option<Waiting> {
        let full = match self.careful {
            Some(_) => self.window.len() > 0,
            None => self.window.len() >= IN_FLIGHT || self.window.bytes() >= IN_FLIGHT_BYTES,
        };
        if full { None } else { self.ahead.pop_front() }
    }

    fn wants_more(&self) -> bool {
        self.ahead.is_empty() && self.window.len() < IN_FLIGHT && self.window.bytes() < IN_FLIGHT_BYTES
    }

    fn settled(&mut self, place: u64) {
        if let Some(place) = self.window.settled(place) {
            self.passed = Some(place);
            self.careful = self.careful.filter(|last| *last > place);
        }
    }
}

#[cfg(test)]
mod tests;
