//! The event socket that this gateway connects, again and again.

use super::Core;
use super::calls::Built;
use super::http::{DialFault, Dialled};
use super::listen::{Left, Listener};
use super::socket::Socket;
use crate::adapters::spread::spread;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::sleep;

/// Pauses before the first attempts to reconnect; later ones come every [`RETRY`].
const BACKOFF: [Duration; 3] = [Duration::from_secs(1), Duration::from_secs(2), Duration::from_secs(4)];
const RETRY: Duration = Duration::from_secs(5);

/// For ever.
pub(super) async fn serve(core: &Arc<Core>, dialled: &Dialled, abandoned: &mut mpsc::Receiver<Built>) {
    let mut listener = Listener::new(core, abandoned);
    let app = core.config.app.as_str();
    let mut failures = 0;
    loop {
        match listener.work_until(dialled.events(app)).await {
            Ok(socket) => {
                tracing::info!(app, "ari event socket connected");
                failures = 0;
                match listener.listen(Socket::Dialled(Box::new(socket)), None, None).await {
                    Left::Broken | Left::Newer(_) => tracing::warn!(app, "ari event socket lost"),
                    Left::Replaced => {
                        // Coming back at once would only take the events from each other in turns.
                        failures = BACKOFF.len();
                        tracing::error!(app, "another socket took this ari application");
                    }
                }
            }
            Err(fault) => {
                core.counters.count_fault(fault);
                if failures >= BACKOFF.len() {
                    listener.ari_is_gone();
                }
                log(app, fault, failures);
            }
        }
        let pause = spread(pauses(failures));
        failures += 1;
        listener.work_until(sleep(pause)).await;
    }
}

/// Up to a quarter more than the schedule says: the gateways of an Asterisk that was restarted do not all knock in step.
fn pauses(failures: usize) -> RangeInclusive<Duration> {
    let least = BACKOFF.get(failures).copied().unwrap_or(RETRY);
    least..=least + least / 4
}

fn log(app: &str, fault: DialFault, failures: usize) {
    let (code, detail) = (fault.code(), fault.detail());
    tracing::warn!(app, code, detail, failures, "ari event socket not connected");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_five_seconds_and_are_up_to_a_quarter_longer() {
        for (failures, least_ms) in [(0, 1_000), (1, 2_000), (2, 4_000), (3, 5_000), (4, 5_000), (1_000_000, 5_000)] {
            let least = Duration::from_millis(least_ms);
            assert_eq!(pauses(failures), least..=least + least / 4, "after {failures} failures");
        }
    }
}
