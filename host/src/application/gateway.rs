//! Admits calls, runs a task for each, and joins them all.

use super::admission::{Admission, Seat};
use super::adoption::{Adopted, Adoption};
use super::call_leg::CallLeg;
use super::call_task::{CallTask, Ending, Services};
use super::handing_on::HandingOn;
use super::limits;
use super::orders::Directory;
use super::originate::{Originating, Outgoing};
use super::ports::{
    self, Adopter, Arrival, CallStates, Dialler, IncomingCall, Observation, Subject, Takeover, TenantError, TenantHint, Tenants,
};
use super::refusing::{RefusalWords, Refuser};
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;
use vg_domain::event::Fact;
use vg_domain::ids::TenantId;
use vg_domain::outcome::Outcome;
use vg_domain::refusal::Refusal;

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
    admission: Arc<Admission>,
    directory: Arc<Directory>,
    words: RefusalWords,
    outgoing: (mpsc::Sender<Outgoing>, mpsc::Receiver<Outgoing>),
    adopted: (mpsc::Sender<Adopted>, mpsc::Receiver<Adopted>),
    handing_on: Option<HandingOn>,
}

/// What was left when the gateway had stopped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Drained {
    /// Calls that were up when the wish to stop came.
    pub calls: usize,
    /// Of them, calls that were cut when the grace was over.
    pub cut: usize,
}

/// Tasks of calls that are served, and of calls that are refused.
struct Tasks {
    calls: JoinSet<Option<Outcome>>,
    refusals: JoinSet<()>,
    ending: watch::Sender<Ending>,
    /// Cancelled with the last of it: callers who are told why they are refused are cut as well.
    cut: CancellationToken,
    refuser: Refuser,
}

impl Gateway {
    /// A gateway that serves nobody yet.
    pub fn new(services: Services, tenants: Arc<dyn Tenants>, how_many: GatewayLimits) -> Self {
        let admission = Arc::new(Admission::new(how_many.calls_max));
        let outgoing = mpsc::channel(limits::OUTGOING_CALLS);
        let (directory, words) = (Arc::default(), RefusalWords::new());
        Self {
            services,
            tenants,
            limits: how_many,
            admission,
            directory,
            words,
            outgoing,
            adopted: mpsc::channel(limits::ADOPTIONS),
            handing_on: None,
        }
    }

    /// Refused calls are answered and told why, as far as there are words for it.
    #[must_use]
    pub fn telling(self, words: RefusalWords) -> Self {
        Self { words, ..self }
    }

    /// Where it stops, others may go on with its calls; what they do not take ends as ever.
    #[must_use]
    pub fn handing_on(self, handing_on: HandingOn) -> Self {
        Self { handing_on: Some(handing_on), ..self }
    }

    /// Calls that hold anything at this moment; readable from anywhere.
    pub fn live_calls(&self) -> Arc<AtomicUsize> {
        self.admission.live()
    }

    /// Who has a call at this moment.
    pub fn admission(&self) -> Arc<Admission> {
        Arc::clone(&self.admission)
    }

    /// The way to make calls.
    pub fn originator(&self, dialler: Arc<dyn Dialler>) -> Originating {
        Originating {
            tenants: Arc::clone(&self.tenants),
            admission: Arc::clone(&self.admission),
            directory: Arc::clone(&self.directory),
            facts: Arc::clone(&self.services.facts),
            observe: Arc::clone(&self.services.observe),
            dialler,
            outgoing: self.outgoing.0.clone(),
        }
    }

    /// The way to go on with other gateways' calls.
    pub fn adoption(&self, states: Arc<dyn CallStates>, takeover: Arc<dyn Takeover>, adopter: Arc<dyn Adopter>) -> Adoption {
        Adoption {
            tenants: Arc::clone(&self.tenants),
            admission: Arc::clone(&self.admission),
            directory: Arc::clone(&self.directory),
            services: self.services.clone(),
            states,
            takeover,
            adopter,
            adopted: self.adopted.0.clone(),
        }
    }

    /// The way to give orders to calls that are up.
    pub fn directory(&self) -> Arc<Directory> {
        Arc::clone(&self.directory)
    }

    /// Serves calls until `stop`, then drains: no new call, a goodbye for those that are up, a cut after the grace.
    pub async fn run(self, mut incoming: mpsc::Receiver<IncomingCall>, stop: CancellationToken) -> Drained {
        let Self { services, tenants, limits, admission, directory, words, outgoing, adopted, handing_on } = self;
        let ((_, mut outgoing), (_, mut adopted)) = (outgoing, adopted);
        let breakers = Arc::clone(&services.breakers);
        let probing = breakers.run(Arc::clone(&services.hearing), Arc::clone(&services.speaking), stop.clone());
        tokio::pin!(probing);
        let desk = Desk { services, tenants, limits, admission, directory };
        let (ending, cut) = (watch::Sender::default(), CancellationToken::new());
        let refuser = Refuser::new(words, Arc::clone(&desk.services.facts), cut.clone());
        let mut tasks = Tasks { calls: JoinSet::new(), refusals: JoinSet::new(), ending, cut, refuser };
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                Some(ended) = tasks.calls.join_next() => desk.on_ended(ended),
                Some(_) = tasks.refusals.join_next() => {}
                () = &mut probing => break,
                Some(call) = outgoing.recv() => desk.make(&mut tasks, call),
                Some(call) = adopted.recv() => desk.go_on(&mut tasks, call),
                call = incoming.recv() => match call {
                    Some(call) => desk.admit(&mut tasks, call),
                    None => break,
                },
            }
        }
        tasks.ending.send_replace(Ending::Leave);
        // One that was taken over just now leaves as well.
        adopted.close();
        while let Some(call) = adopted.recv().await {
            desk.go_on(&mut tasks, call);
        }
        let handed_on = match &handing_on {
            Some(handing_on) => desk.hand_on(handing_on, &mut tasks, &mut incoming).await,
            None => 0,
        };
        let mut drained = desk.drain(&mut tasks, &mut incoming, &mut outgoing).await;
        drained.calls += handed_on;
        // From here on adapters turn callers away by themselves.
        incoming.close();
        while let Ok(call) = incoming.try_recv() {
            desk.refuse(&mut tasks, call, Refusal::Draining);
        }
        while tasks.refusals.join_next().await.is_some() {}
        drained
    }
}

/// A gateway that serves.
struct Desk {
    services: Services,
    tenants: Arc<dyn Tenants>,
    limits: GatewayLimits,
    admission: Arc<Admission>,
    directory: Arc<Directory>,
}

impl Desk {
    /// Until no call is up. Who calls meanwhile is told so.
    async fn drain(
        &self,
        tasks: &mut Tasks,
        incoming: &mut mpsc::Receiver<IncomingCall>,
        outgoing: &mut mpsc::Receiver<Outgoing>,
    ) -> Drained {
        tasks.ending.send_replace(Ending::Drain);
        outgoing.close();
        let mut dialling = true;
        let mut drained = Drained { calls: tasks.calls.len() + outgoing.len(), cut: 0 };
        let grace = tokio::time::sleep(self.limits.grace);
        tokio::pin!(grace);
        while dialling || !tasks.calls.is_empty() {
            tokio::select! {
                Some(ended) = tasks.calls.join_next() => self.on_ended(ended),
                Some(_) = tasks.refusals.join_next() => {}
                // Dialled before that was known: it is hung up as calls are that ring.
                call = outgoing.recv(), if dialling => match call {
                    Some(call) => self.make(tasks, call),
                    None => dialling = false,
                },
                Some(call) = incoming.recv() => self.refuse(tasks, call, Refusal::Draining),
                () = &mut grace, if !tasks.cut.is_cancelled() => {
                    drained.cut = tasks.calls.len();
                    tasks.ending.send_replace(Ending::Stop);
                    tasks.cut.cancel();
                }
            }
        }
        drained
    }

    fn admit(&self, tasks: &mut Tasks, call: IncomingCall) {
        let room = if self.services.facts.has_room() { Ok(()) } else { Err(Refusal::EventsFull) };
        let seat = match room.and_then(|()| self.admission.seat()) {
            Ok(seat) => seat,
            Err(refusal) => return self.refuse(tasks, call, refusal),
        };
        let work = self.serve(call, seat, tasks.ending.subscribe(), tasks.refuser.clone());
        // `JoinSet` is this owner's only way to spawn; every call is joined in `run`.
        tasks.calls.spawn(work);
    }

    fn make(&self, tasks: &mut Tasks, call: Outgoing) {
        self.services.observe.observe(&Observation::CallStarted);
        let (services, ending) = (self.services.clone(), tasks.ending.subscribe());
        tasks.calls.spawn(async move {
            let Outgoing { leg, settings, seats: _seats, listed: _listed, orders } = call;
            CallTask::new(services, leg, settings, orders).run(ending).await
        });
    }

    /// Until others have all calls, or nobody takes any more; so many were taken.
    async fn hand_on(&self, handing_on: &HandingOn, tasks: &mut Tasks, incoming: &mut mpsc::Receiver<IncomingCall>) -> usize {
        let before = tasks.calls.len();
        if before == 0 {
            return 0;
        }
        let over = tokio::time::sleep(handing_on.within);
        tokio::pin!(over);
        let offered = {
            let offering = handing_on.offer(&self.directory);
            tokio::pin!(offering);
            loop {
                tokio::select! {
                    offered = &mut offering => break offered,
                    Some(ended) = tasks.calls.join_next() => self.on_ended(ended),
                    Some(call) = incoming.recv() => self.refuse(tasks, call, Refusal::Draining),
                }
            }
        };
        while !offered.is_empty() && !tasks.calls.is_empty() {
            tokio::select! {
                () = &mut over => break,
                Some(ended) = tasks.calls.join_next() => self.on_ended(ended),
                Some(_) = tasks.refusals.join_next() => {}
                Some(call) = incoming.recv() => self.refuse(tasks, call, Refusal::Draining),
            }
        }
        handing_on.withdraw(&offered, &self.directory).await;
        tracing::info!(calls = before, left = tasks.calls.len(), "calls were offered to other gateways");
        before - tasks.calls.len()
    }

    fn go_on(&self, tasks: &mut Tasks, call: Adopted) {
        self.services.observe.observe(&Observation::CallStarted);
        let (services, ending) = (self.services.clone(), tasks.ending.subscribe());
        tasks.calls.spawn(async move {
            let Adopted { leg, settings, stopped, seats: _seats, listed: _listed, orders } = call;
            CallTask::adopted(services, leg, settings, orders, *stopped).run(ending).await
        });
    }

    /// One call, from its tenant's settings to its end; none where it is refused.
    fn serve(
        &self,
        call: IncomingCall,
        seat: Seat,
        ending: watch::Receiver<Ending>,
        refuser: Refuser,
    ) -> impl Future<Output = Option<Outcome>> + use<> {
        let (services, tenants) = (self.services.clone(), Arc::clone(&self.tenants));
        let (admission, directory) = (Arc::clone(&self.admission), Arc::clone(&self.directory));
        async move {
            let (arrived, _seat) = (call.arrived, seat);
            let confirmed = confirmed(&*tenants, &Arrival::of(&call)).await.map_err(|error| error.refusal());
            let seated = confirmed.and_then(|confirmed| Ok((admission.seat_of(&confirmed.settings)?, confirmed)));
            match seated {
                Ok((_seat, ports::Admission { settings, did, trunk })) => {
                    services.observe.observe(&Observation::CallStarted);
                    let (_listed, orders) = directory.list(settings.tenant.clone(), call.call.clone());
                    let leg = CallLeg::offered(call, did, trunk);
                    CallTask::new(services, leg, settings, orders).offered_at(arrived).run(ending).await
                }
                Err(refusal) => {
                    tell_of_refusal(&services, &call, refusal);
                    refuser.turn_away(call, refusal).await;
                    None
                }
            }
        }
    }

    fn refuse(&self, tasks: &mut Tasks, call: IncomingCall, refusal: Refusal) {
        tell_of_refusal(&self.services, &call, refusal);
        let refuser = tasks.refuser.clone();
        tasks.refusals.spawn(async move { refuser.turn_away(call, refusal).await });
    }

    fn on_ended(&self, ended: Result<Option<Outcome>, JoinError>) {
        match ended {
            Ok(Some(outcome)) => self.services.observe.observe(&Observation::CallEnded(outcome.cause)),
            Ok(None) => {}
            // A defect of ours: the call is lost, the others go on.
            Err(_) => self.services.observe.observe(&Observation::CallLeaked("task_panicked")),
        }
    }
}

async fn confirmed(tenants: &dyn Tenants, arrival: &Arrival) -> Result<ports::Admission, TenantError> {
    let confirmed = tokio::time::timeout(limits::SETTINGS_BUDGET, tenants.settings(arrival));
    confirmed.await.unwrap_or(Err(TenantError::Unavailable))
}

/// The world is told under the name that the call came with; nobody's, the empty one, where it came with none.
fn tell_of_refusal(services: &Services, call: &IncomingCall, refusal: Refusal) {
    services.observe.observe(&Observation::CallRefused(refusal.code()));
    let tenant = match &call.tenant {
        TenantHint::Named(tenant) => tenant.clone(),
        TenantHint::Default => TenantId::new(""),
    };
    let fact = Fact::Refused(refusal);
    services.facts.publish(Subject::only(&call.call, &tenant), &fact);
    if let Some(watcher) = &call.watcher {
        let _ = watcher.try_send(fact);
    }
}
