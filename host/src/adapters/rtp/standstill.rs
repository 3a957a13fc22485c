//! Whether this process stood still, frozen or suspended with its machine: others may speak to its callers since.

use nix::time::{ClockId, clock_gettime};
use std::time::{Duration, Instant};

/// A lease lasts so long: who stood still for less is not taken for dead.
const FROZEN: Duration = Duration::from_secs(1);

/// Looks at the clock in every tick. Knows what passes while the machine is suspended as well, which [`Instant`] does not.
pub(super) struct Standstill {
    /// So long nothing is sent after it, in which it shows whose the callers are; none where they can be nobody else's.
    fence: Option<Duration>,
    last: Duration,
    quiet_until: Option<Instant>,
}

impl Standstill {
    pub(super) fn new(fence: Option<Duration>) -> Self {
        Self { fence, last: since_boot(), quiet_until: None }
    }

    /// Of a process that has stood still until now.
    #[cfg(test)]
    pub(super) fn until_now(fence: Duration) -> Self {
        Self { fence: Some(fence), last: Duration::ZERO, quiet_until: None }
    }

    /// Whether anything may be sent in this tick.
    pub(super) fn may_send(&mut self, now: Instant) -> bool {
        self.fence.is_none_or(|fence| self.may_send_at(fence, since_boot(), now))
    }

    fn may_send_at(&mut self, fence: Duration, boot: Duration, now: Instant) -> bool {
        let passed = boot.saturating_sub(std::mem::replace(&mut self.last, boot));
        if passed >= FROZEN {
            tracing::warn!(
                ms = u64::try_from(passed.as_millis()).unwrap_or(u64::MAX),
                "stood still: nothing is sent for a moment"
            );
            self.quiet_until = Some(now + fence);
        }
        self.quiet_until.take_if(|until| now >= *until);
        self.quiet_until.is_none()
    }
}

fn since_boot() -> Duration {
    clock_gettime(ClockId::CLOCK_BOOTTIME).map(Duration::from).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_stood_still_for_a_second_sends_nothing_until_the_fence_is_over() {
        let ms = Duration::from_millis;
        let fence = ms(500);
        let mut standstill = Standstill { fence: Some(fence), last: ms(1_000), quiet_until: None };
        let now = Instant::now();
        assert!(standstill.may_send_at(fence, ms(1_999), now), "just no standstill");
        assert!(!standstill.may_send_at(fence, ms(2_999), now), "just one, though by the other clock no time has passed");
        assert!(!standstill.may_send_at(fence, ms(3_001), now + ms(499)));
        assert!(standstill.may_send_at(fence, ms(3_003), now + ms(500)));
        assert!(Standstill::new(None).may_send(now), "nobody else can have them");
    }
}
