//! What tasks cost: CPU of every so-manieth poll, multiplied. Measuring each would cost as much as a short poll itself.

use nix::time::{ClockId, clock_gettime};
use pin_project_lite::pin_project;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll};
use std::time::Duration;

/// One poll in so many is measured.
const SAMPLED: u64 = 16;

/// CPU that the tasks of one kind took.
#[derive(Debug, Default)]
pub struct Meter {
    polls: AtomicU64,
    busy_ns: AtomicU64,
}

impl Meter {
    /// CPU so far, an estimate from samples.
    pub fn busy(&self) -> Duration {
        Duration::from_nanos(self.busy_ns.load(Relaxed))
    }

    /// A task whose polls are counted here.
    pub fn wrap<F>(self: &Arc<Self>, task: F) -> Metered<F> {
        Metered { meter: Arc::clone(self), task }
    }
}

pin_project! {
    /// See [`Meter::wrap`].
    #[derive(Debug)]
    pub struct Metered<F> {
        meter: Arc<Meter>,
        #[pin]
        task: F,
    }
}

impl<F: Future> Future for Metered<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        if !this.meter.polls.fetch_add(1, Relaxed).is_multiple_of(SAMPLED) {
            return this.task.poll(cx);
        }
        let begun = thread_cpu();
        let polled = this.task.poll(cx);
        let spent = thread_cpu().saturating_sub(begun).as_nanos();
        this.meter.busy_ns.fetch_add(u64::try_from(spent).unwrap_or(0) * SAMPLED, Relaxed);
        polled
    }
}

/// A system that cannot tell has tasks that cost nothing.
fn thread_cpu() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).map(Duration::from).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::hint::black_box;

    #[tokio::test]
    async fn a_task_that_works_is_found_to_work_and_one_that_waits_is_not() {
        let (busy, idle) = (Arc::<Meter>::default(), Arc::<Meter>::default());
        let begun = thread_cpu();
        let turns = 10 * SAMPLED;
        busy.wrap(async {
            for _ in 0..turns {
                (0..200_000u64).for_each(|n| {
                    black_box(n);
                });
                tokio::task::yield_now().await;
            }
        })
        .await;
        let spent = thread_cpu() - begun;
        idle.wrap(async {
            for _ in 0..turns {
                tokio::task::yield_now().await;
            }
        })
        .await;
        let share = busy.busy().as_secs_f64() / spent.as_secs_f64();
        assert!((0.5..2.0).contains(&share), "{share}");
        assert!(idle.busy() < busy.busy() / 10, "{:?} {:?}", idle.busy(), busy.busy());
    }
}
