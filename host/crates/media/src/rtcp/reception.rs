//! How the peer's packets come (RFC 3550, appendices A.1, A.3 and A.8).

use super::ReportBlock;
use super::reporter::Arrival;
use crate::rtp::{Header, Source, Verdict};
use std::time::{Duration, Instant};

/// A packet that came this much earlier or later than the one before, by its timestamp, is no jitter: the sender's time
/// line jumped.
const LEAP_S: u32 = 10;

#[derive(Debug)]
pub(super) struct Reception {
    rate_hz: u32,
    begin: Instant,
    source: Source,
    current: Option<Current>,
}

/// *Invariant:* about one source from one beginning of its sequence on.
#[derive(Debug)]
struct Current {
    ssrc: u32,
    /// Extended sequence number of its first packet: below 2^16.
    base: u64,
    /// The highest one so far.
    highest: u64,
    /// Packets that came, duplicates and those behind others too.
    received: u64,
    /// What `expected` and `received` were at the report before.
    prior: (u64, u64),
    /// Arrival less timestamp of the packet before, in timestamp units.
    transit: Option<u32>,
    /// Sixteen times the jitter, in timestamp units.
    jitter_16: u32,
}

impl Reception {
    pub(super) fn new(now: Instant, rate_hz: u32) -> Self {
        Self { rate_hz, begin: now, source: Source::default(), current: None }
    }

    pub(super) fn handle(&mut self, arrival: &Arrival) {
        let Arrival { at, ssrc, sequence, timestamp } = *arrival;
        let header = Header { marker: false, payload_type: 0, sequence, timestamp: 0, ssrc };
        let verdict = self.source.accept(&header);
        let current = match (verdict, &mut self.current) {
            (Verdict::Stray, _) | (Verdict::Ahead(_) | Verdict::Reordered | Verdict::Duplicate, None) => return,
            (Verdict::First, current) => current.insert(Current::new(ssrc, sequence)),
            (Verdict::Ahead(skipped), Some(current)) => {
                current.highest += u64::from(skipped) + 1;
                current
            }
            (Verdict::Reordered | Verdict::Duplicate, Some(current)) => current,
        };
        current.received += 1;
        if let Some(timestamp) = timestamp {
            let arrived = ticks(at.saturating_duration_since(self.begin), self.rate_hz);
            current.note_transit(arrived.wrapping_sub(timestamp), self.rate_hz);
        }
    }

    /// What to tell the peer, if anything of it came since it was told last. `last_sr`: its newest sender report, as
    /// [`Ntp::middle`](super::Ntp::middle) and the time it came.
    pub(super) fn report(&mut self, now: Instant, last_sr: Option<(u32, u32, Instant)>) -> Option<ReportBlock> {
        let current = self.current.as_mut()?;
        let (expected, received) = (current.expected(), current.received);
        let (expected_prior, received_prior) = current.prior;
        if received == received_prior {
            return None;
        }
        current.prior = (expected, received);
        let (expected_new, received_new) = (expected - expected_prior, received - received_prior);
        let lost_new = expected_new.saturating_sub(received_new);
        let fraction = (256 * lost_new).checked_div(expected_new).unwrap_or(0);
        let sr = last_sr.filter(|&(ssrc, ..)| ssrc == current.ssrc);
        Some(ReportBlock {
            ssrc: current.ssrc,
            fraction_lost: u8::try_from(fraction).unwrap_or(u8::MAX),
            cumulative_lost: clamp_lost(current.lost()),
            extended_highest: current.highest as u32,
            jitter: current.jitter_16 >> 4,
            last_sr: sr.map_or(0, |(_, middle, _)| middle),
            delay_since_last_sr: sr.map_or(0, |(.., at)| compact(now.saturating_duration_since(at))),
        })
    }

    pub(super) fn ssrc(&self) -> Option<u32> {
        self.current.as_ref().map(|current| current.ssrc)
    }

    pub(super) fn received(&self) -> u64 {
        self.current.as_ref().map_or(0, |current| current.received)
    }

    pub(super) fn lost(&self) -> i64 {
        self.current.as_ref().map_or(0, Current::lost)
    }

    /// In timestamp units.
    pub(super) fn jitter(&self) -> u32 {
        self.current.as_ref().map_or(0, |current| current.jitter_16 >> 4)
    }
}

impl Current {
    fn new(ssrc: u32, sequence: u16) -> Self {
        let base = u64::from(sequence);
        Self { ssrc, base, highest: base, received: 0, prior: (0, 0), transit: None, jitter_16: 0 }
    }

    fn expected(&self) -> u64 {
        self.highest - self.base + 1
    }

    fn lost(&self) -> i64 {
        self.expected().cast_signed() - self.received.cast_signed()
    }

    fn note_transit(&mut self, transit: u32, rate_hz: u32) {
        let Some(before) = self.transit.replace(transit) else { return };
        let apart = transit.wrapping_sub(before).cast_signed().unsigned_abs();
        if apart < LEAP_S.saturating_mul(rate_hz) {
            self.jitter_16 = self.jitter_16.saturating_add(apart) - ((self.jitter_16.saturating_add(8)) >> 4);
        }
    }
}

fn clamp_lost(lost: i64) -> i32 {
    lost.clamp(ReportBlock::LOST_MIN.into(), ReportBlock::LOST_MAX.into()) as i32
}

/// A while in timestamp units, wraps.
pub(super) fn ticks(passed: Duration, rate_hz: u32) -> u32 {
    let rate = u64::from(rate_hz);
    (passed.as_secs().wrapping_mul(rate)).wrapping_add(u64::from(passed.subsec_nanos()) * rate / 1_000_000_000) as u32
}

/// A while in 65 536ths of a second, the most there is beyond 18 hours.
pub(super) fn compact(passed: Duration) -> u32 {
    u32::try_from((passed.as_nanos() << 16) / 1_000_000_000).unwrap_or(u32::MAX)
}
