//! How late packets leave.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// Width of a bucket. Everything beyond the last bucket is only known by the maximum.
const BUCKET_US: u64 = 50;
const BUCKETS: usize = 400;

/// What is told of the buckets: at most so late, in microseconds.
pub const BOUNDS_US: [u64; 18] =
    [100, 200, 300, 400, 500, 750, 1000, 1250, 1500, 1750, 2000, 2500, 3000, 4000, 5000, 7500, 10_000, 20_000];

/// Lateness of sent packets against their slot in the 20 ms schedule, in microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lateness {
    /// Packets counted.
    pub count: u64,
    /// Packets that were at most as late as each of [`BOUNDS_US`].
    pub within: [u64; BOUNDS_US.len()],
    /// All of their lateness together.
    pub sum_us: u64,
    /// Half of the packets were at most this late.
    pub p50_us: u64,
    /// 99 of 100 packets were at most this late.
    pub p99_us: u64,
    /// The latest packet.
    pub max_us: u64,
}

/// Written by one shard thread, read by anybody.
pub(super) struct Histogram {
    buckets: [AtomicU64; BUCKETS],
    beyond: AtomicU64,
    sum_us: AtomicU64,
    max_us: AtomicU64,
}

impl Default for Histogram {
    fn default() -> Self {
        let zero = || AtomicU64::new(0);
        Self { buckets: std::array::from_fn(|_| zero()), beyond: zero(), sum_us: zero(), max_us: zero() }
    }
}

impl Histogram {
    pub(super) fn record(&self, late: Duration) {
        let us = u64::try_from(late.as_micros()).unwrap_or(u64::MAX);
        let bucket = usize::try_from(us / BUCKET_US).unwrap_or(BUCKETS);
        self.buckets.get(bucket).unwrap_or(&self.beyond).fetch_add(1, Relaxed);
        self.sum_us.fetch_add(us, Relaxed);
        self.max_us.fetch_max(us, Relaxed);
    }

    /// Of all of them together. Percentiles are upper bounds of their bucket, never above the maximum.
    pub(super) fn summary<'a>(all: impl Iterator<Item = &'a Self>) -> Lateness {
        let (mut counts, mut beyond, mut sum_us, mut max_us) = (vec![0; BUCKETS], 0, 0, 0);
        for histogram in all {
            counts.iter_mut().zip(&histogram.buckets).for_each(|(count, bucket)| *count += bucket.load(Relaxed));
            beyond += histogram.beyond.load(Relaxed);
            sum_us += histogram.sum_us.load(Relaxed);
            max_us = max_us.max(histogram.max_us.load(Relaxed));
        }
        let count = counts.iter().sum::<u64>() + beyond;
        let at = |share_percent: u64| {
            let wanted = (count * share_percent).div_ceil(100).max(1);
            let mut seen = 0;
            for (upper, bucket) in (1..).map(|n| n * BUCKET_US).zip(&counts) {
                seen += bucket;
                if seen >= wanted {
                    return upper.min(max_us);
                }
            }
            max_us
        };
        let up_to = |bound_us: u64| counts.iter().take((bound_us / BUCKET_US) as usize).sum();
        Lateness { count, within: BOUNDS_US.map(up_to), sum_us, p50_us: at(50), p99_us: at(99), max_us }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_bound_what_was_recorded() {
        let histogram = Histogram::default();
        for us in 1..=1000 {
            histogram.record(Duration::from_micros(us));
        }
        let lateness = Histogram::summary([&histogram].into_iter());
        assert_eq!(lateness.count, 1000);
        assert!((500..=550).contains(&lateness.p50_us), "{lateness:?}");
        assert!((990..=1000).contains(&lateness.p99_us), "{lateness:?}");
        assert_eq!((lateness.max_us, lateness.sum_us), (1000, 500_500));
        // Below 100, 200 and so on; of the last one all but the one that begins the next bucket.
        assert_eq!(lateness.within[..7], [99, 199, 299, 399, 499, 749, 999]);
        assert_eq!(lateness.within[7..], [1000; 11]);
    }

    #[test]
    fn a_stall_beyond_the_buckets_shows_as_maximum() {
        let histogram = Histogram::default();
        histogram.record(Duration::from_secs(3));
        assert_eq!(
            Histogram::summary([&histogram].into_iter()),
            Lateness {
                count: 1,
                within: [0; BOUNDS_US.len()],
                sum_us: 3_000_000,
                p50_us: 3_000_000,
                p99_us: 3_000_000,
                max_us: 3_000_000
            }
        );
    }

    #[test]
    fn nothing_recorded_is_all_zero() {
        assert_eq!(Histogram::summary([&Histogram::default()].into_iter()), Lateness::default());
    }
}
