//! Admits calls, runs a task for each, and joins them all.

use super::call_task::{CallTask, Ending, Services};
use super::limits;
use super::orders::Directory;
use super::ports::{Admission, Arrival, IncomingCall, Observation, TenantError, Tenants};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use vg_domain::outcome::{EndCause, Outcome};

/// How many calls, and how long their goodbye may take.
#[derive(Clone, Debug)]
pub struct GatewayLimits {
    /// Calls at the same time; one more is refused as `over_limit`.
    pub calls_max: usize,
    /// From the wish to stop until calls are cut.
    pub grace: Duration,
}

/// Admission of calls.
pub struct Gateway {
    services: Services,
    tenants: Arc<dyn Tenants>,
    limits: GatewayLimits,
    live: Arc<AtomicUsize>,
    directory: Arc<Directory>,
}

/// What was left when the gateway had stopped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Drained {
    /// Calls that were up when the wish to stop came.
    pub calls: usize,
    /// Of them, calls that were cut when the grace was over.
    pub cut: usize,
}

impl Gateway {
    /// A gateway that serves nobody yet.
    pub fn new(services: Services, tenants: Arc<dyn Tenants>, limits: GatewayLimits) -> Self {
        Self { services, tenants, limits, live: Arc::new(AtomicUsize::new(0)), directory: Arc::default() }
    }

    /// Calls that hold anything at this moment; readable from anywhere.
    pub fn live_calls(&self) -> Arc<AtomicUsize> {
        Arc::clone(&self.live)
    }

    /// The way to give orders to calls that are up.
    pub fn directory(&self) -> Arc<Directory> {
        Arc::clone(&self.directory)
    }

    /// Serves calls until `stop`, then drains: no new call, a goodbye for those that are up, a cut after the grace.
    pub async fn run(self, mut incoming: mpsc::Receiver<IncomingCall>, stop: CancellationToken) -> Drained {
        let ending = Ending { drain: stop.clone(), stop: CancellationToken::new() };
        let mut calls = JoinSet::new();
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                Some(ended) = calls.join_next() => self.on_ended(ended),
                call = incoming.recv() => match call {
                    Some(call) => self.admit(&mut calls, call, &ending),
                    None => break,
                },
            }
        }
        incoming.close();
        while let Ok(call) = incoming.try_recv() {
            self.refuse(&mut calls, call, "draining");
        }
        ending.drain.cancel();
        let mut drained = Drained { calls: calls.len(), cut: 0 };
        let grace = tokio::time::sleep(self.limits.grace);
        tokio::pin!(grace);
        loop {
            tokio::select! {
                ended = calls.join_next() => match ended {
                    Some(ended) => self.on_ended(ended),
                    None => break drained,
                },
                () = &mut grace, if !ending.stop.is_cancelled() => {
                    drained.cut = calls.len();
                    ending.stop.cancel();
                }
            }
        }
    }

    fn admit(&self, calls: &mut JoinSet<Option<Outcome>>, call: IncomingCall, ending: &Ending) {
        if self.live.load(Ordering::Relaxed) >= self.limits.calls_max {
            return self.refuse(calls, call, "over_limit");
        }
        self.services.observe.observe(&Observation::CallStarted);
        let (services, tenants, ending) = (self.services.clone(), Arc::clone(&self.tenants), ending.clone());
        let (live, directory) = (Live::new(&self.live), Arc::clone(&self.directory));
        // `JoinSet` is this owner's only way to spawn; every call is joined in `run`.
        calls.spawn(async move {
            let _live = live;
            match settings(&*tenants, &Arrival::of(&call)).await {
                Ok(Admission { settings, .. }) => {
                    let (_listed, orders) = directory.list(settings.tenant.clone(), call.call.clone());
                    Some(CallTask::new(services, call, settings, orders).run(ending).await)
                }
                Err(error) => {
                    services.observe.observe(&Observation::CallRefused(error.code()));
                    turn_away(call).await;
                    None
                }
            }
        });
    }

    fn refuse(&self, calls: &mut JoinSet<Option<Outcome>>, call: IncomingCall, code: &'static str) {
        self.services.observe.observe(&Observation::CallRefused(code));
        calls.spawn(async move {
            turn_away(call).await;
            None
        });
    }

    fn on_ended(&self, ended: Result<Option<Outcome>, tokio::task::JoinError>) {
        match ended {
            Ok(Some(outcome)) => self.services.observe.observe(&Observation::CallEnded(outcome.cause)),
            Ok(None) => {}
            // A defect of ours: the call is lost, the others go on.
            Err(_) => self.services.observe.observe(&Observation::CallLeaked("task_panicked")),
        }
    }
}

async fn settings(tenants: &dyn Tenants, arrival: &Arrival) -> Result<Admission, TenantError> {
    let settings = tokio::time::timeout(limits::SETTINGS_BUDGET, tenants.settings(arrival));
    settings.await.unwrap_or(Err(TenantError::Unavailable))
}

/// Ends the leg of a call that is not served. Every act has its own deadline, and an error means that the leg is gone.
async fn turn_away(mut call: IncomingCall) {
    let _ = call.telephony.hang_up(EndCause::SetUpFailed).await;
    let _ = call.telephony.release().await;
}

/// Counts a call as long as its task holds it.
struct Live(Arc<AtomicUsize>);

impl Live {
    fn new(live: &Arc<AtomicUsize>) -> Self {
        live.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(live))
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
