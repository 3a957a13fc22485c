//! Where sessions run, and how many: seats, and the threads of heavy plugins.

use crate::api::Compute;
use crate::counters::Counters;
use crate::host::{Epoch, HeavyConfig};
use crate::instance::SessionError;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::thread;
use std::time::Duration;
use tokio::runtime::{Builder, Handle};
use tokio_util::sync::CancellationToken;
use vg_links::Meter;

/// What every session needs of the host.
#[derive(Clone)]
pub(crate) struct Tools {
    pub(crate) epoch: Epoch,
    pub(crate) counters: Arc<Counters>,
}

/// The right to one session; given back when dropped.
pub(crate) struct Seat {
    taken: Arc<AtomicUsize>,
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.taken.fetch_sub(1, Relaxed);
    }
}

/// A seat and the runtime that belongs to it.
pub(crate) struct Place {
    seat: Seat,
    runtime: Home,
}

/// Where a session runs.
enum Home {
    /// Beside everything else; what it costs is counted here.
    Shared(Arc<Meter>),
    /// On a thread for heavy ones.
    Heavy(Handle),
}

impl Place {
    /// Starts the session of this seat.
    #[expect(clippy::disallowed_methods, reason = "sessions are spawned here and nowhere else")]
    pub(crate) fn spawn<F>(self, session: impl FnOnce(Seat) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let session = session(self.seat);
        match self.runtime {
            Home::Heavy(heavy) => heavy.spawn(session),
            Home::Shared(meter) => tokio::spawn(meter.wrap(session)),
        };
    }
}

struct Bench {
    taken: Arc<AtomicUsize>,
    seats: usize,
}

impl Bench {
    fn new(seats: usize) -> Self {
        Self { taken: Arc::default(), seats }
    }

    fn taken(&self) -> usize {
        self.taken.load(Relaxed)
    }

    fn seat(&self) -> Option<Seat> {
        let free = |taken| (taken < self.seats).then_some(taken + 1);
        self.taken.fetch_update(Relaxed, Relaxed, free).ok()?;
        Some(Seat { taken: Arc::clone(&self.taken) })
    }
}

struct HeavyThread {
    bench: Bench,
    runtime: Handle,
    thread: Option<thread::JoinHandle<()>>,
}

/// All seats of a host.
pub(crate) struct Floor {
    light: Bench,
    meter: Arc<Meter>,
    heavy: Vec<HeavyThread>,
    stop: CancellationToken,
    tools: Tools,
}

impl Floor {
    pub(crate) fn new(light_sessions_max: usize, heavy: HeavyConfig, counters: Arc<Counters>) -> io::Result<Self> {
        let stop = CancellationToken::new();
        let mut floor = Self {
            light: Bench::new(light_sessions_max),
            meter: Arc::default(),
            heavy: Vec::new(),
            stop: stop.clone(),
            tools: Tools { epoch: Epoch::pair(), counters },
        };
        for nth in 0..heavy.threads {
            floor.heavy.push(HeavyThread::start(nth, heavy.sessions_max_per_thread, stop.clone())?);
        }
        Ok(floor)
    }

    pub(crate) fn tools(&self) -> Tools {
        self.tools.clone()
    }

    /// CPU of the sessions that are not heavy.
    pub(crate) fn busy(&self) -> Duration {
        self.meter.busy()
    }

    pub(crate) fn live(&self) -> usize {
        self.light.taken() + self.heavy.iter().map(|thread| thread.bench.taken()).sum::<usize>()
    }

    /// A free seat; for a heavy session on the thread with the fewest.
    pub(crate) fn seat(&self, compute: Compute) -> Result<Place, SessionError> {
        let place = match compute {
            Compute::Light => self.light.seat().map(|seat| Place { seat, runtime: Home::Shared(Arc::clone(&self.meter)) }),
            Compute::Heavy => {
                let emptiest = self.heavy.iter().min_by_key(|thread| thread.bench.taken());
                emptiest.and_then(|thread| {
                    let runtime = Home::Heavy(thread.runtime.clone());
                    thread.bench.seat().map(|seat| Place { seat, runtime })
                })
            }
        };
        place.ok_or(SessionError::SessionLimit)
    }
}

impl Drop for Floor {
    fn drop(&mut self) {
        self.stop.cancel();
        for thread in self.heavy.iter_mut().filter_map(|heavy| heavy.thread.take()) {
            // A panic there has been printed already, and nobody is left to tell.
            let _ = thread.join();
        }
    }
}

impl HeavyThread {
    fn start(nth: usize, seats: usize, stop: CancellationToken) -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_time().build()?;
        let handle = runtime.handle().clone();
        let thread =
            thread::Builder::new().name(format!("plugin-heavy-{nth}")).spawn(move || runtime.block_on(stop.cancelled()))?;
        Ok(Self { bench: Bench::new(seats), runtime: handle, thread: Some(thread) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heavy_seats_are_spread_and_end() {
        let config = HeavyConfig { threads: 2, sessions_max_per_thread: 1 };
        let floor = Floor::new(1, config, Arc::default()).unwrap();
        let first = floor.seat(Compute::Heavy).unwrap();
        let second = floor.seat(Compute::Heavy).unwrap();
        assert_eq!(floor.seat(Compute::Heavy).err(), Some(SessionError::SessionLimit));
        assert_eq!(floor.live(), 2);
        drop((first, second));
        assert_eq!(floor.live(), 0);
        floor.seat(Compute::Heavy).unwrap();
    }

    #[test]
    fn light_and_heavy_seats_are_counted_apart() {
        let floor = Floor::new(1, HeavyConfig { threads: 0, sessions_max_per_thread: 1 }, Arc::default()).unwrap();
        let _light = floor.seat(Compute::Light).unwrap();
        assert!(floor.seat(Compute::Light).is_err());
        assert!(floor.seat(Compute::Heavy).is_err());
    }
}
