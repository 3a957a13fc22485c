//! What shards count.

use super::lateness::{Histogram, Lateness};
use super::leg::LegCounts;
use nix::time::{ClockId, clock_gettime};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// What a shard's thread does in a tick.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Work {
    /// Packets from the sockets to their Ears.
    Receive,
    /// What is due is decoded, watched for speech and handed on.
    Hear,
    /// Orders are taken, frames made.
    Speak,
    /// Packets to the socket.
    Send,
}

/// The names of [`Work`], in its order.
const WORKS: [&str; 4] = ["receive", "hear", "speak", "send"];

/// CPU of a thread from one piece of work to the next.
pub(super) struct Stopwatch(Duration);

impl Stopwatch {
    /// Of this thread, from now on.
    pub(super) fn start() -> Self {
        Self(thread_cpu())
    }

    /// What went by since was this.
    pub(super) fn lap(&mut self, work: Work, counters: &Counters) {
        let spent = thread_cpu();
        let lap = spent.saturating_sub(std::mem::replace(&mut self.0, spent));
        counters.busy_ns[work as usize].fetch_add(u64::try_from(lap.as_nanos()).unwrap_or(u64::MAX), Relaxed);
    }
}

/// A system that cannot tell has threads that cost nothing.
fn thread_cpu() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).map(Duration::from).unwrap_or_default()
}

/// What the shards have seen since they started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ShardStats {
    /// Legs that exist now.
    pub legs_live: u64,
    /// Ticks that were skipped because the thread was not run in time.
    pub ticks_missed: u64,
    /// Datagrams that belonged to a leg.
    pub packets_in: u64,
    /// Datagrams from an address that no leg announced.
    pub packets_unknown: u64,
    /// Datagrams of legs that had just ended.
    pub packets_rested: u64,
    /// Datagrams of legs that were no RTP, or of another payload type.
    pub packets_garbage: u64,
    /// Packets that came after their sound was due.
    pub packets_late: u64,
    /// Packets that never came.
    pub packets_lost: u64,
    /// Frames that were made up in place of what was missing.
    pub frames_concealed: u64,
    /// Packets and raw frames sent.
    pub packets_out: u64,
    /// Packets and raw frames that could not be sent: nobody there, socket or queue full.
    pub packets_unsent: u64,
    /// RTCP reports about us that came.
    pub reports_in: u64,
    /// RTCP reports sent.
    pub reports_out: u64,
    /// Caller sound dropped because the leg's owner was too slow, in milliseconds.
    pub audio_dropped_ms: u64,
    /// CPU of their threads by what it was for.
    pub busy: [(&'static str, Duration); WORKS.len()],
    /// How late packets left.
    pub lateness: Lateness,
}

/// Written by one shard's thread, read by anybody.
#[derive(Default)]
pub(super) struct Counters {
    pub(super) legs_opened: AtomicU64,
    pub(super) legs_live: AtomicU64,
    pub(super) ticks_missed: AtomicU64,
    pub(super) packets_in: AtomicU64,
    pub(super) packets_unknown: AtomicU64,
    pub(super) packets_rested: AtomicU64,
    packets_garbage: AtomicU64,
    packets_late: AtomicU64,
    packets_lost: AtomicU64,
    frames_concealed: AtomicU64,
    pub(super) packets_out: AtomicU64,
    pub(super) packets_unsent: AtomicU64,
    pub(super) reports_out: AtomicU64,
    reports_in: AtomicU64,
    audio_dropped_ms: AtomicU64,
    busy_ns: [AtomicU64; WORKS.len()],
    pub(super) lateness: Histogram,
}

impl Counters {
    /// A packet left, or could not.
    pub(super) fn left(&self, sent: bool, due: Instant) {
        let counter = if sent { &self.packets_out } else { &self.packets_unsent };
        counter.fetch_add(1, Relaxed);
        if sent {
            self.lateness.record(Instant::now().saturating_duration_since(due));
        }
    }

    pub(super) fn add(&self, counts: &LegCounts) {
        self.packets_garbage.fetch_add(counts.garbage, Relaxed);
        self.packets_late.fetch_add(counts.late, Relaxed);
        self.packets_lost.fetch_add(counts.lost, Relaxed);
        self.frames_concealed.fetch_add(counts.concealed, Relaxed);
        self.reports_in.fetch_add(counts.reports, Relaxed);
        self.audio_dropped_ms.fetch_add(counts.audio_dropped_ms, Relaxed);
    }

    /// The sum of what shards have counted.
    pub(super) fn summary(all: &[&Self]) -> ShardStats {
        let mut sum = all.iter().fold(ShardStats::default(), |sum, counters| sum.and(&counters.read()));
        sum.lateness = Histogram::summary(all.iter().map(|counters| &counters.lateness));
        sum
    }

    fn read(&self) -> ShardStats {
        ShardStats {
            legs_live: self.legs_live.load(Relaxed),
            ticks_missed: self.ticks_missed.load(Relaxed),
            packets_in: self.packets_in.load(Relaxed),
            packets_unknown: self.packets_unknown.load(Relaxed),
            packets_rested: self.packets_rested.load(Relaxed),
            packets_garbage: self.packets_garbage.load(Relaxed),
            packets_late: self.packets_late.load(Relaxed),
            packets_lost: self.packets_lost.load(Relaxed),
            frames_concealed: self.frames_concealed.load(Relaxed),
            packets_out: self.packets_out.load(Relaxed),
            packets_unsent: self.packets_unsent.load(Relaxed),
            reports_in: self.reports_in.load(Relaxed),
            reports_out: self.reports_out.load(Relaxed),
            audio_dropped_ms: self.audio_dropped_ms.load(Relaxed),
            busy: std::array::from_fn(|work| (WORKS[work], Duration::from_nanos(self.busy_ns[work].load(Relaxed)))),
            lateness: Lateness::default(),
        }
    }
}

impl ShardStats {
    /// Lateness apart: it is no sum.
    fn and(self, other: &Self) -> Self {
        Self {
            legs_live: self.legs_live + other.legs_live,
            ticks_missed: self.ticks_missed + other.ticks_missed,
            packets_in: self.packets_in + other.packets_in,
            packets_unknown: self.packets_unknown + other.packets_unknown,
            packets_rested: self.packets_rested + other.packets_rested,
            packets_garbage: self.packets_garbage + other.packets_garbage,
            packets_late: self.packets_late + other.packets_late,
            packets_lost: self.packets_lost + other.packets_lost,
            frames_concealed: self.frames_concealed + other.frames_concealed,
            packets_out: self.packets_out + other.packets_out,
            packets_unsent: self.packets_unsent + other.packets_unsent,
            reports_in: self.reports_in + other.reports_in,
            reports_out: self.reports_out + other.reports_out,
            audio_dropped_ms: self.audio_dropped_ms + other.audio_dropped_ms,
            busy: std::array::from_fn(|work| (WORKS[work], self.busy[work].1 + other.busy[work].1)),
            lateness: self.lateness,
        }
    }
}
