//! When to report (RFC 3550, sections 6.2 and 6.3, appendix A.7), for a session of two.
//!
//! With two members the share of the bandwidth that is RTCP's, 5 %, never asks for less than the least interval: a
//! compound has some 130 bytes, and even a call of 24 kbit/s pays for one in 2 s. So the least interval is the interval.

use std::time::{Duration, Instant};

/// The least interval there is.
const INTERVAL_MIN: Duration = Duration::from_secs(5);

/// Half of it before the first report, so that the peer soon knows us.
const INTERVAL_INITIAL: Duration = Duration::from_millis(2500);

/// Timer reconsideration makes intervals longer than drawn; this undoes it: e - 1.5.
const COMPENSATION: f64 = 1.218_28;

#[derive(Debug)]
pub(super) struct Interval {
    mean: Duration,
    /// The report before, or the beginning.
    last: Instant,
    next: Instant,
    random: u64,
}

impl Interval {
    pub(super) fn new(now: Instant, seed: u64) -> Self {
        let mut interval = Self { mean: INTERVAL_INITIAL, last: now, next: now, random: seed };
        interval.next = now + interval.draw();
        interval
    }

    pub(super) fn next(&self) -> Instant {
        self.next
    }

    /// Whether to report now. When the timer fires, the interval is drawn once more: if that one is not over, it goes on.
    pub(super) fn is_due(&mut self, now: Instant) -> bool {
        if now < self.next {
            return false;
        }
        self.next = self.last + self.draw();
        self.next <= now
    }

    /// A report was sent.
    pub(super) fn restart(&mut self, now: Instant) {
        self.mean = INTERVAL_MIN;
        self.last = now;
        self.next = now + self.draw();
    }

    /// Between a half and one and a half of the mean, so that reports of many calls do not fall together.
    fn draw(&mut self) -> Duration {
        // SplitMix64.
        self.random = self.random.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.random ^ (self.random >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        let unit = ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1u64 << 53) as f64;
        self.mean.mul_f64((0.5 + unit) / COMPENSATION)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Seconds between reports of somebody who looks every 20 ms.
    fn intervals(seed: u64, count: usize) -> Vec<f64> {
        let begin = Instant::now();
        let (mut interval, mut last, mut now, mut intervals) = (Interval::new(begin, seed), begin, begin, Vec::new());
        while intervals.len() < count {
            now += Duration::from_millis(20);
            if interval.is_due(now) {
                interval.restart(now);
                intervals.push((now - last).as_secs_f64());
                last = now;
            }
        }
        intervals
    }

    #[test]
    fn first_report_comes_within_three_seconds_and_those_after_every_five_or_so() {
        let mut first_mean = 0.0;
        for seed in 0..500 {
            let got = intervals(seed, 10);
            assert!((1.0..3.12).contains(&got[0]), "seed {seed}: {got:?}");
            assert!(got[1..].iter().all(|s| (2.05..6.2).contains(s)), "seed {seed}: {got:?}");
            first_mean += got[0] / 500.0;
        }
        assert!((2.3..2.7).contains(&first_mean), "{first_mean}");
        let mean = intervals(7, 5_000).iter().sum::<f64>() / 5_000.0;
        assert!((4.8..5.2).contains(&mean), "{mean}");
    }

    #[test]
    fn seeds_differ_and_repeat() {
        assert_eq!(intervals(1, 5), intervals(1, 5));
        assert_ne!(intervals(1, 5), intervals(2, 5));
    }
}
