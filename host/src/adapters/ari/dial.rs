//! The event socket that this gateway connects, again and again.

use super::Core;
use super::calls::Built;
use super::http::{DialFault, Dialled};
use super::listen::{Left, Listener};
use super::socket::Socket;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::sleep;

use std::sync::Arc;

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
        let pause = BACKOFF.get(failures).copied().unwrap_or(RETRY);
        failures += 1;
        listener.work_until(sleep(pause)).await;
    }
}

fn log(app: &str, fault: DialFault, failures: usize) {
    let (code, detail) = (fault.code(), fault.detail());
    tracing::warn!(app, code, detail, failures, "ari event socket not connected");
}
