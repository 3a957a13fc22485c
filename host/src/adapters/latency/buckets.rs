//! Times in buckets: each as wide as a thirty-second of the times in it, so that a percentile is wrong by 3 % at most.

use std::collections::BTreeMap;

/// Bits of a time that are kept after its first one.
const KEPT: u32 = 5;
/// Longer times count as this one, a minute: no turn waits for so long.
const LONGEST_MS: u32 = 60_000;

/// How many times there were, by bucket. There are some 400 buckets; those without any take no room.
#[derive(Clone, Debug, Default)]
pub(super) struct Buckets(BTreeMap<u16, u64>);

/// What so large a share took at most, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Percentiles {
    /// So many were measured.
    pub count: u64,
    /// Half of them.
    pub p50_ms: u32,
    /// 95 of 100.
    pub p95_ms: u32,
    /// 99 of 100.
    pub p99_ms: u32,
}

impl Buckets {
    pub(super) fn add(&mut self, ms: u32) {
        *self.0.entry(bucket(ms)).or_default() += 1;
    }

    pub(super) fn join(&mut self, other: &Self) {
        for (bucket, count) in &other.0 {
            *self.0.entry(*bucket).or_default() += count;
        }
    }

    /// None where nothing was measured.
    pub(super) fn percentiles(&self) -> Option<Percentiles> {
        let count: u64 = self.0.values().sum();
        let at_most = |share: u64| {
            // The nearest rank: the least time that so large a share did not exceed.
            let wanted = (count * share).div_ceil(100).max(1);
            let mut counted = 0;
            let reached = self.0.iter().find(|(_, count)| {
                counted += **count;
                counted >= wanted
            });
            reached.map(|(bucket, _)| last_of(*bucket))
        };
        Some(Percentiles { count, p50_ms: at_most(50)?, p95_ms: at_most(95)?, p99_ms: at_most(99)? })
    }
}

fn bucket(ms: u32) -> u16 {
    let ms = ms.min(LONGEST_MS);
    let shift = (u32::BITS - ms.leading_zeros()).saturating_sub(KEPT + 1);
    // Below the longest there are eleven shifts of 64 at most: it fits.
    u16::try_from((shift << (KEPT + 1)) + (ms >> shift)).unwrap_or(u16::MAX)
}

/// The longest time of a bucket.
fn last_of(bucket: u16) -> u32 {
    let (shift, kept) = (u32::from(bucket) >> (KEPT + 1), u32::from(bucket) & ((1 << (KEPT + 1)) - 1));
    (((kept + 1) << shift) - 1).min(LONGEST_MS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_found_again_within_three_hundredths() {
        let mut last = 0;
        for ms in 0..=LONGEST_MS {
            let at_most = last_of(bucket(ms));
            assert!(at_most >= ms && at_most - ms <= ms / 32, "{ms} is told as {at_most}");
            assert!(at_most >= last, "{ms}");
            last = at_most;
        }
        assert_eq!(last_of(bucket(u32::MAX)), LONGEST_MS);
        // Below 64 ms every millisecond has a bucket.
        assert!((0..64).all(|ms| last_of(bucket(ms)) == ms));
    }

    #[test]
    fn percentiles_are_those_of_all_times_together() {
        let (mut one, mut other) = (Buckets::default(), Buckets::default());
        assert_eq!(one.percentiles(), None);
        one.add(7);
        assert_eq!(one.percentiles(), Some(Percentiles { count: 1, p50_ms: 7, p95_ms: 7, p99_ms: 7 }));
        let mut one = Buckets::default();
        for ms in 1..=1000 {
            if ms % 2 == 0 { one.add(ms) } else { other.add(ms) }
        }
        one.join(&other);
        let told = one.percentiles().unwrap();
        assert_eq!(told.count, 1000);
        for (told, exact) in [(told.p50_ms, 500), (told.p95_ms, 950), (told.p99_ms, 990)] {
            assert!((exact..=exact + exact / 32).contains(&told), "{told} for {exact}");
        }
    }
}
