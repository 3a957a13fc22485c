//! When a service is tried again, and when not. One owner of retries for every verb and protocol.

use super::service::Fault;
use std::future::Future;
use std::time::Duration;
use tokio::time::{Instant, sleep_until, timeout_at};

/// Where a service says that it has too much to do, but not for how long.
const LATER: Duration = Duration::from_secs(1);
/// No pause between tries is shorter: a service that answers 429 at once must not be asked in a loop.
const PAUSE_MIN: Duration = Duration::from_millis(100);
/// Tries of one request at most, however short the pauses that the service asks for.
const TRIES_MAX: u32 = 8;

/// The tries of one request, which has to be answered until its deadline.
#[derive(Debug)]
pub(super) struct Patience {
    deadline: Instant,
    tries: u32,
    /// An error that may pass is forgiven once.
    forgiven: bool,
}

impl Patience {
    pub(super) fn until(deadline: Instant) -> Self {
        Self { deadline, tries: 1, forgiven: false }
    }

    /// What is left of the time.
    pub(super) fn left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }

    /// Waits until the next try.
    ///
    /// # Errors
    /// The fault itself, at once, where another try is of no use or would come too late.
    pub(super) async fn wait_after(&mut self, fault: Fault) -> Result<(), Fault> {
        let pause = match fault {
            Fault::RateLimited(pause) => pause.unwrap_or(LATER).max(PAUSE_MIN),
            Fault::Unavailable | Fault::Cut if !std::mem::replace(&mut self.forgiven, true) => PAUSE_MIN,
            _ => return Err(fault),
        };
        let again = Instant::now().checked_add(pause).filter(|again| *again < self.deadline && self.tries < TRIES_MAX);
        sleep_until(again.ok_or(fault)?).await;
        self.tries += 1;
        Ok(())
    }

    /// Tries until there is an answer or no more patience.
    pub(super) async fn try_for<T, F>(mut self, attempt: impl Fn(Duration) -> F) -> Result<T, Fault>
    where
        F: Future<Output = Result<T, Fault>>,
    {
        loop {
            match timeout_at(self.deadline, attempt(self.left())).await {
                Err(_) => return Err(Fault::Deadline),
                Ok(Ok(answer)) => return Ok(answer),
                Ok(Err(fault)) => self.wait_after(fault).await?,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn within(ms: u64) -> Patience {
        Patience::until(Instant::now() + Duration::from_millis(ms))
    }

    #[tokio::test(start_paused = true)]
    async fn a_wished_pause_is_kept_if_there_is_time() {
        let (began, pause) = (Instant::now(), Duration::from_millis(900));
        let mut patience = within(1_000);
        assert_eq!(patience.wait_after(Fault::RateLimited(Some(pause))).await, Ok(()));
        assert_eq!(began.elapsed(), pause);
        let again = Fault::RateLimited(Some(pause));
        assert_eq!(patience.wait_after(again).await, Err(again), "it would come after the deadline");
        assert_eq!(began.elapsed(), pause, "and is told at once");
        let endless = Fault::RateLimited(Some(Duration::MAX));
        assert_eq!(within(1_000).wait_after(endless).await, Err(endless));
    }

    #[tokio::test(start_paused = true)]
    async fn errors_that_may_pass_are_forgiven_once_and_others_never() {
        let mut patience = within(10_000);
        assert_eq!(patience.wait_after(Fault::Unavailable).await, Ok(()));
        assert_eq!(patience.wait_after(Fault::Cut).await, Err(Fault::Cut));
        for fault in [Fault::Garbage, Fault::Unauthorized, Fault::Refused, Fault::UnknownConversation, Fault::TooLong] {
            assert_eq!(within(10_000).wait_after(fault).await, Err(fault));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_service_that_wants_to_be_asked_at_once_is_not_asked_in_a_loop() {
        let (began, mut tries, mut patience) = (Instant::now(), 0, within(60_000));
        while patience.wait_after(Fault::RateLimited(Some(Duration::ZERO))).await.is_ok() {
            tries += 1;
        }
        assert_eq!((tries, began.elapsed()), (7, Duration::from_millis(700)));
    }
}
