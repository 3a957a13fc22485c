//! How often a token may ask: a bucket for each tenant and subject.

use super::Problem;
use axum::http::StatusCode;
use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;
use vg_domain::ids::TenantId;

/// Askers that are known at a time. Full: those who were quiet are forgotten, which costs them nothing; if none was, the next is refused.
const ASKERS_MAX: usize = 16_384;
/// A bucket holds the requests of so many seconds.
const BURST_S: f64 = 2.0;

/// Buckets of requests.
pub(super) struct Rates {
    per_s: Option<f64>,
    buckets: Mutex<HashMap<(TenantId, String), Bucket>>,
}

struct Bucket {
    left: f64,
    at: Instant,
}

impl Rates {
    /// So many requests a second; none: no limit.
    pub(super) fn new(per_s: Option<NonZeroU32>) -> Self {
        Self { per_s: per_s.map(|per_s| f64::from(per_s.get())), buckets: Mutex::default() }
    }

    /// Counts a request.
    ///
    /// # Errors
    /// Where there were too many.
    pub(super) fn take(&self, tenant: &TenantId, subject: &str) -> Result<(), Problem> {
        let Some(per_s) = self.per_s else { return Ok(()) };
        let most = (per_s * BURST_S).max(1.0);
        let now = Instant::now();
        let refilled = |bucket: &Bucket| (bucket.left + now.duration_since(bucket.at).as_secs_f64() * per_s).min(most);
        // Nothing panics while it is held.
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (tenant.clone(), subject.to_owned());
        if buckets.len() >= ASKERS_MAX && !buckets.contains_key(&key) {
            buckets.retain(|_, bucket| refilled(bucket) < most);
            if buckets.len() >= ASKERS_MAX {
                return Err(too_many(Duration::from_secs(1)));
            }
        }
        let bucket = buckets.entry(key).or_insert(Bucket { left: most, at: now });
        *bucket = Bucket { left: refilled(bucket), at: now };
        if bucket.left < 1.0 {
            return Err(too_many(Duration::from_secs_f64((1.0 - bucket.left) / per_s)));
        }
        bucket.left -= 1.0;
        Ok(())
    }
}

fn too_many(wait: Duration) -> Problem {
    let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    Problem::new(StatusCode::TOO_MANY_REQUESTS, "too_many_requests").retry_after(seconds.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_token_may_ask_so_often_and_again_after_a_while_and_others_are_not_held_up() {
        let rates = Rates::new(NonZeroU32::new(2));
        let acme = TenantId::new("acme");
        let asked = (0..9).filter(|_| rates.take(&acme, "a").is_ok()).count();
        assert_eq!(asked, 4);
        assert!(rates.take(&acme, "b").is_ok() && rates.take(&TenantId::new("other"), "a").is_ok());
        tokio::time::advance(Duration::from_millis(400)).await;
        assert_eq!(rates.take(&acme, "a").unwrap_err().code(), "too_many_requests");
        tokio::time::advance(Duration::from_millis(200)).await;
        assert!(rates.take(&acme, "a").is_ok());
    }

    #[test]
    fn without_a_limit_nobody_is_refused_and_nothing_is_kept() {
        let rates = Rates::new(None);
        assert!((0..10_000).all(|_| rates.take(&TenantId::new("acme"), "a").is_ok()));
        assert!(rates.buckets.lock().unwrap().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn askers_beyond_the_most_take_the_place_of_quiet_ones() {
        let rates = Rates::new(NonZeroU32::new(1));
        let acme = TenantId::new("acme");
        for asker in 0..ASKERS_MAX {
            rates.take(&acme, &asker.to_string()).unwrap();
        }
        assert!(rates.take(&acme, "one more").is_err());
        tokio::time::advance(Duration::from_secs(3)).await;
        assert!(rates.take(&acme, "one more").is_ok());
        assert_eq!(rates.buckets.lock().unwrap().len(), 1);
    }
}
