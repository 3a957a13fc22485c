//! How long a call into a guest may run, and who else runs meanwhile.
//!
//! The epoch clock asks at every tick of a running call. What is counted is the guest's own running: a thread that the system
//! kept from running, or a task that waited behind others, is no fault of the guest.

use crate::limits::EPOCH_TICK;
use nix::time::{ClockId, clock_gettime};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use wasmtime::UpdateDeadline;

/// How calls are run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Calls {
    /// On the caller's stack, to the end. Cheap, and a guest that loops holds its worker until it is stopped.
    AtOnce,
    /// On a stack of their own, which lets other tasks run at each tick.
    InSlices,
}

/// The watch over one store's calls, one after another.
#[derive(Debug)]
pub(crate) struct Pace {
    calls: Calls,
    limit: Duration,
    ran: Ran,
    /// Somebody stands still until the call is over, and goes on without it from then on, whoever was running.
    until: Option<Instant>,
    kept_waiting: bool,
    /// Its time was up at the last tick: an answer that was all but there may still come.
    late: bool,
}

#[derive(Debug)]
enum Ran {
    /// Not long enough for the clock to notice: nearly every call.
    LessThanATick,
    /// At once: the thread had used this much CPU when the call began, to within a tick.
    Since(Duration),
    /// In slices: for this long until the last tick.
    Slices { ran: Duration, resumed: Resumed },
}

/// What its thread had used when the guest went on after a tick, in nanoseconds: the slice's own task notes it, on the thread that it goes on on.
#[derive(Clone, Debug, Default)]
struct Resumed(Arc<AtomicU64>);

impl Resumed {
    fn note(&self, used: Duration) {
        self.0.store(u64::try_from(used.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    fn at(&self) -> Duration {
        Duration::from_nanos(self.0.load(Ordering::Relaxed))
    }
}

impl Pace {
    pub(crate) fn new(calls: Calls) -> Self {
        Self { calls, limit: Duration::ZERO, ran: Ran::LessThanATick, until: None, kept_waiting: false, late: false }
    }

    pub(crate) fn calls(&self) -> Calls {
        self.calls
    }

    /// A call begins that may run for `limit`. The store's deadline is to be one tick away.
    pub(crate) fn begin(&mut self, limit: Duration) {
        *self = Self { limit, ..Self::new(self.calls) };
    }

    /// The call that has begun is to be over by then, by the wall's clock.
    pub(crate) fn end_by(&mut self, until: Instant) {
        self.until = Some(until);
    }

    /// The clock ticked while the guest ran.
    pub(crate) fn tick(&mut self) -> UpdateDeadline {
        match self.calls {
            // A system that cannot tell has no way to let a guest run on.
            Calls::AtOnce => thread_cpu().map_or(UpdateDeadline::Interrupt, |used| self.tick_at_once(used)),
            Calls::InSlices => thread_cpu().map_or(UpdateDeadline::Interrupt, |used| self.tick_in_slices(used)),
        }
    }

    fn tick_at_once(&mut self, used: Duration) -> UpdateDeadline {
        // Asking at the start would cost every call a system call; so the first tick counts as a whole one.
        let began = match self.ran {
            Ran::Since(began) => began,
            Ran::LessThanATick | Ran::Slices { .. } => used.saturating_sub(EPOCH_TICK),
        };
        let first = !matches!(self.ran, Ran::Since(_));
        self.ran = Ran::Since(began);
        let ran = used.saturating_sub(began);
        // Whoever was kept from running for all that time has a tick to finish in.
        let late = std::mem::replace(&mut self.late, self.until.is_some_and(|until| until <= Instant::now()));
        self.kept_waiting = late && ran < self.limit / 2;
        if late || (!first && ran >= self.limit) { UpdateDeadline::Interrupt } else { UpdateDeadline::Continue(1) }
    }

    /// The call was stopped by the wall's clock, and most of the time somebody else had run.
    pub(crate) fn was_kept_waiting(&self) -> bool {
        self.kept_waiting
    }

    fn tick_in_slices(&mut self, used: Duration) -> UpdateDeadline {
        let (ran, resumed) = match &self.ran {
            Ran::Slices { ran, resumed } => (*ran + used.saturating_sub(resumed.at()), resumed.clone()),
            Ran::LessThanATick | Ran::Since(_) => (EPOCH_TICK, Resumed::default()),
        };
        if ran >= self.limit {
            return UpdateDeadline::Interrupt;
        }
        self.ran = Ran::Slices { ran, resumed: resumed.clone() };
        UpdateDeadline::YieldCustom(
            1,
            Box::pin(async move {
                // tokio's own way: a task that merely wakes itself would be called again before those that yielded so.
                tokio::task::yield_now().await;
                resumed.note(thread_cpu().unwrap_or_default());
            }),
        )
    }
}

fn thread_cpu() -> Option<Duration> {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).ok().map(Duration::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn a_thread_that_was_kept_from_running_is_not_held_against_the_guest() {
        let mut pace = Pace::new(Calls::AtOnce);
        pace.begin(8 * MS);
        for _ in 0..100 {
            assert!(matches!(pace.tick_at_once(500 * MS), UpdateDeadline::Continue(1)));
        }
        assert!(matches!(pace.tick_at_once(505 * MS), UpdateDeadline::Continue(1)));
        assert!(matches!(pace.tick_at_once(506 * MS), UpdateDeadline::Interrupt));
    }

    #[test]
    fn who_is_waited_for_by_the_clock_is_stopped_by_it() {
        let mut pace = Pace::new(Calls::AtOnce);
        pace.begin(8 * MS);
        pace.end_by(Instant::now() + Duration::from_secs(3600));
        assert!(matches!(pace.tick_at_once(MS), UpdateDeadline::Continue(1)));
        pace.end_by(Instant::now());
        assert!(matches!(pace.tick_at_once(MS), UpdateDeadline::Continue(1)), "it may be all but done");
        assert!(matches!(pace.tick_at_once(MS), UpdateDeadline::Interrupt));
        assert!(pace.was_kept_waiting(), "it has not run for long");
        pace.begin(8 * MS);
        assert!(matches!(pace.tick_at_once(MS), UpdateDeadline::Continue(1)), "the next call has its own");
    }

    fn slice_goes_on(pace: &Pace, used: Duration) {
        let Ran::Slices { resumed, .. } = &pace.ran else { panic!("{pace:?}") };
        resumed.note(used);
    }

    #[test]
    fn a_call_in_slices_is_stopped_after_its_own_running() {
        let mut pace = Pace::new(Calls::InSlices);
        pace.begin(50 * MS);
        assert!(matches!(pace.tick_in_slices(900 * MS), UpdateDeadline::YieldCustom(1, _)));
        // Each slice on another thread, whose others have used more or less.
        for slice in 0..23 {
            slice_goes_on(&pace, slice * MS);
            assert!(matches!(pace.tick_in_slices((slice + 2) * MS), UpdateDeadline::YieldCustom(1, _)), "{slice}");
        }
        slice_goes_on(&pace, Duration::ZERO);
        assert!(matches!(pace.tick_in_slices(2 * MS), UpdateDeadline::Interrupt));
    }

    #[test]
    fn a_slice_whose_thread_was_kept_from_running_counts_for_what_it_ran() {
        let mut pace = Pace::new(Calls::InSlices);
        pace.begin(8 * MS);
        assert!(matches!(pace.tick_in_slices(500 * MS), UpdateDeadline::YieldCustom(1, _)));
        for _ in 0..100 {
            slice_goes_on(&pace, 500 * MS);
            assert!(matches!(pace.tick_in_slices(500 * MS), UpdateDeadline::YieldCustom(1, _)));
        }
        slice_goes_on(&pace, 500 * MS);
        assert!(matches!(pace.tick_in_slices(506 * MS), UpdateDeadline::Interrupt));
    }

    #[tokio::test]
    async fn a_slice_begins_where_its_thread_is() {
        let mut pace = Pace::new(Calls::InSlices);
        pace.begin(50 * MS);
        let UpdateDeadline::YieldCustom(1, waits) = pace.tick_in_slices(Duration::ZERO) else { panic!("it goes on") };
        let before = thread_cpu().unwrap();
        waits.await;
        let Ran::Slices { resumed, .. } = &pace.ran else { panic!("{pace:?}") };
        assert!((before..=thread_cpu().unwrap()).contains(&resumed.at()));
    }

    #[test]
    fn each_call_has_its_whole_time() {
        let mut pace = Pace::new(Calls::InSlices);
        for _ in 0..2 {
            pace.begin(2 * EPOCH_TICK);
            assert!(matches!(pace.tick_in_slices(MS), UpdateDeadline::YieldCustom(1, _)));
        }
    }
}
