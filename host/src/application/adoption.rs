//! Callers of gateways that are gone, or that let go of them: who may be taken over is, one claim a call.

use super::admission::{Admission, Seat, TenantSeat};
use super::call_leg::{CallLeg, ChannelNames};
use super::call_task::{Services, Stopped};
use super::clock::now;
use super::limits;
use super::orders::{Directory, Listed, Ordered};
use super::ports::{
    Adoptable, Adopter, CallSnapshot, CallState, CallStates, ClaimError, Claimed, Holder, Observation, Sequence, Sound, Stranded,
    Subject, TakenLeg, Takeover, TelephonyError, TenantError, Tenants,
};
use super::resume::{self, Memory};
use futures_util::stream::{FuturesUnordered, StreamExt};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use vg_domain::call::{Gap, Resume};
use vg_domain::event::Fact;
use vg_domain::ids::CallId;
use vg_domain::outcome::{EndCause, Outcome};
use vg_domain::parties::Parties;
use vg_domain::pii::Pii;
use vg_domain::tenant::TenantSettings;

/// A lease lasts a second and is looked at eight times in that: so long before it is told as lapsed its holder renewed it last, or a little less.
const LAPSED_AFTER: Duration = Duration::from_millis(1_000);
/// A call that was not taken is looked at again after so long.
const AGAIN: Duration = Duration::from_millis(500);
/// What this gateway cannot read another one may: so long its caller waits for that.
const FOR_OTHERS: Duration = Duration::from_secs(2);
/// What is older says nothing of how far a caller has heard: clocks of two machines may differ.
const UNKEPT_MAX: Duration = Duration::from_secs(60);

/// It was written by a later version.
const UNREADABLE: &str = "unreadable";

/// The gateway's way to go on with other gateways' calls.
pub struct Adoption {
    pub(super) tenants: Arc<dyn Tenants>,
    pub(super) admission: Arc<Admission>,
    pub(super) directory: Arc<Directory>,
    pub(super) services: Services,
    pub(super) states: Arc<dyn CallStates>,
    pub(super) takeover: Arc<dyn Takeover>,
    pub(super) adopter: Arc<dyn Adopter>,
    pub(super) adopted: mpsc::Sender<Adopted>,
}

/// A call that was taken over and waits for its task.
pub(super) struct Adopted {
    pub(super) leg: CallLeg,
    pub(super) settings: Arc<TenantSettings>,
    pub(super) stopped: Box<Stopped>,
    pub(super) seats: (Seat, Option<TenantSeat>),
    pub(super) listed: Listed,
    pub(super) orders: mpsc::Receiver<Ordered>,
}

/// Why a call was not taken over.
#[derive(Debug)]
enum Not {
    /// Somebody speaks to its caller.
    Attended,
    /// Asterisk does not say.
    Unknown,
    /// This gateway has no room.
    Full,
    /// Another one has it, or nobody knows it.
    Claim(ClaimError),
    /// This gateway could not go on with it: another one may, or whoever has it says goodbye.
    Unfit(&'static str),
    /// Nobody could go on with it, and its caller is left to the dialplan.
    Left(&'static str),
    /// Its caller is gone.
    Gone,
}

impl Not {
    fn code(&self) -> &'static str {
        match self {
            Self::Attended => "attended",
            Self::Unknown => "unknown",
            Self::Full => "over_limit",
            Self::Claim(error) => error.code(),
            Self::Unfit(code) | Self::Left(code) => code,
            Self::Gone => "gone",
        }
    }

    /// Whether it is worth another look.
    fn may_change(&self) -> bool {
        match self {
            Self::Attended | Self::Unknown | Self::Full | Self::Unfit(_) => true,
            Self::Claim(error) => matches!(error, ClaimError::Alive | ClaimError::Away(_)),
            Self::Left(_) | Self::Gone => false,
        }
    }
}

/// Whose call it is, and whether its holder lives.
#[derive(Clone)]
struct Found {
    stranded: Stranded,
    holder: Holder,
    since: Instant,
    lapsed: bool,
}

impl Adoption {
    /// Takes over what may be taken over, until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        let _ = stop.run_until_cancelled(self.look_on()).await;
    }

    async fn look_on(&self) {
        let mut adoptable = self.takeover.adoptable();
        let mut known: HashMap<(CallId, Holder), Known> = HashMap::new();
        let mut under_way = FuturesUnordered::new();
        loop {
            let found = Self::found(&adoptable.borrow_and_update().clone());
            known.retain(|key, _| found.iter().any(|found| (&found.stranded.call, &found.holder) == (&key.0, &key.1)));
            for found in found {
                let key = (found.stranded.call.clone(), found.holder.clone());
                let now = now();
                let state = known.entry(key.clone()).or_insert(Known { since: now, next: Some(now) });
                let found = Found { since: state.since, ..found };
                if under_way.len() < limits::ADOPTIONS && state.next.is_some_and(|next| next <= now) {
                    state.next = None;
                    under_way.push(async move { (key, self.adopt(&found).await) });
                }
            }
            let next = known.values().filter_map(|known| known.next).min();
            tokio::select! {
                changed = adoptable.changed() => if changed.is_err() {
                    return std::future::pending().await;
                },
                Some((key, outcome)) = under_way.next() => {
                    let code = outcome.as_ref().err().map_or("adopted", Not::code);
                    self.services.observe.observe(&Observation::Adoption(code));
                    tracing::info!(call = %key.0, code, "adoption");
                    if let Some(known) = known.get_mut(&key) && outcome.as_ref().is_err_and(Not::may_change) {
                        known.next = Some(now() + AGAIN);
                    }
                }
                () = super::clock::until(next.map(|next| next.max(now() + Duration::from_millis(1)))), if under_way.len() < limits::ADOPTIONS && next.is_some() => {}
            }
        }
    }

    fn found(adoptable: &Adoptable) -> Vec<Found> {
        let since = now();
        let lapsed = adoptable.lapsed.iter().flat_map(|lapsed| {
            let found = |call: &CallId| Found {
                stranded: Stranded { call: call.clone(), apps: lapsed.apps.clone() },
                holder: lapsed.holder.clone(),
                since,
                lapsed: true,
            };
            lapsed.calls.iter().map(found)
        });
        let offered = adoptable.offered.iter().map(|(call, holder)| Found {
            stranded: Stranded { call: call.clone(), apps: Vec::new() },
            holder: holder.clone(),
            since,
            lapsed: false,
        });
        lapsed.chain(offered).filter(|found| found.lapsed || !found.holder.boot.is_empty()).collect()
    }

    async fn adopt(&self, found: &Found) -> Result<(), Not> {
        let Found { stranded, holder, .. } = found;
        if holder == self.takeover.holder() {
            return Err(Not::Attended);
        }
        if found.lapsed {
            match self.adopter.is_forsaken(stranded).await {
                Ok(true) => {}
                Ok(false) => return Err(Not::Attended),
                Err(_) => return Err(Not::Unknown),
            }
        }
        // Whoever has no room leaves it to another one.
        let place = self.adopted.try_reserve().map_err(|_| Not::Full)?;
        let seat = self.admission.seat().map_err(|_| Not::Full)?;
        self.would_fit(found).await?;
        let Claimed { snapshot, sound } = match self.takeover.claim(&stranded.call, holder).await {
            Ok(claimed) => claimed,
            Err(ClaimError::Unreadable) => {
                let _ = self.adopter.leave(stranded, None).await;
                return Err(Not::Left(UNREADABLE));
            }
            Err(error) => return Err(Not::Claim(error)),
        };
        let adopted = self.go_on(found, snapshot, sound, seat).await?;
        place.send(adopted);
        Ok(())
    }

    /// A claim cannot be given back, so that what would come of it is looked at before: nothing is taken from whoever lives that this gateway could not go on
    /// with, and what it cannot read is left for a moment to those that can.
    async fn would_fit(&self, found: &Found) -> Result<(), Not> {
        let stranded = &found.stranded;
        let kept = match self.takeover.look(&stranded.call).await {
            Ok(kept) => read(&kept).map(|_| kept),
            Err(ClaimError::Unreadable) => Err(UNREADABLE),
            Err(error) => return Err(Not::Claim(error)),
        };
        match kept {
            Ok(kept) if !found.lapsed => {
                self.settings(&kept).await.map_err(|error| Not::Unfit(error.code()))?;
                self.adopter.reaches(stranded, &kept.channel).await.map_err(|error| Not::Unfit(error.code()))
            }
            Err(code) if !found.lapsed => Err(Not::Unfit(code)),
            Err(UNREADABLE) if now().saturating_duration_since(found.since) <= FOR_OTHERS => Err(Not::Unfit(UNREADABLE)),
            Ok(_) | Err(_) => Ok(()),
        }
    }

    async fn settings(&self, snapshot: &CallSnapshot) -> Result<Arc<TenantSettings>, TenantError> {
        let named = tokio::time::timeout(limits::SETTINGS_BUDGET, self.tenants.named(&snapshot.tenant)).await;
        named.unwrap_or(Err(TenantError::Unavailable))
    }

    async fn go_on(&self, found: &Found, snapshot: CallSnapshot, sound: Option<Sound>, seat: Seat) -> Result<Adopted, Not> {
        let stranded = &found.stranded;
        let (resume, memory) = match read(&snapshot) {
            Ok(read) => read,
            Err(code) => return Err(self.leave(stranded, snapshot, 0, code).await),
        };
        let settings = match self.settings(&snapshot).await {
            Ok(settings) => settings,
            Err(error) => return Err(self.leave(stranded, snapshot, resume.turns, error.code()).await),
        };
        let TakenLeg { telephony, events } = match self.adopter.take(stranded, &snapshot.channel).await {
            Ok(taken) => taken,
            Err(TelephonyError::Gone) => {
                self.is_over(snapshot, EndCause::CallerHungUp, resume.turns);
                return Err(Not::Gone);
            }
            Err(error) => return Err(self.leave(stranded, snapshot, resume.turns, error.code()).await),
        };
        let parties = Arc::new(parties(&snapshot));
        let names = ChannelNames { id: Arc::clone(&snapshot.channel), name: snapshot.channel_name.clone() };
        let leg = CallLeg { call: snapshot.call.clone(), parties, names, telephony, events, watcher: None };
        let gap = gap(found, &snapshot);
        let (listed, orders) = self.directory.list(settings.tenant.clone(), snapshot.call.clone());
        // Who talks is not cut off for want of a tenant's place.
        let seats = (seat, self.admission.seat_of(&settings).ok());
        Ok(Adopted { leg, settings, stopped: Box::new(Stopped { snapshot, resume, memory, gap, sound }), seats, listed, orders })
    }

    async fn leave(&self, stranded: &Stranded, snapshot: CallSnapshot, turns: u32, code: &'static str) -> Not {
        let _ = self.adopter.leave(stranded, Some(&snapshot.channel)).await;
        self.is_over(snapshot, EndCause::LeftToDialplan, turns);
        Not::Left(code)
    }

    /// Nobody else tells of its end: whoever had it is gone.
    fn is_over(&self, snapshot: CallSnapshot, cause: EndCause, turns: u32) {
        let outcome = Outcome { cause, turns };
        let subject = Subject {
            call: &snapshot.call,
            tenant: &snapshot.tenant,
            conversation: snapshot.conversation.as_ref(),
            sequence: Sequence { epoch: snapshot.epoch, n: 1 },
        };
        self.services.facts.publish(subject, &Fact::Ended(outcome));
        let now = SystemTime::now();
        self.states.keep(CallSnapshot {
            state: CallState::Ended,
            ended_at: Some(now),
            updated_at: now,
            resume: None,
            ..snapshot
        });
    }
}

struct Known {
    since: Instant,
    /// When it is looked at next; none while it is, or where that would be of no use.
    next: Option<Instant>,
}

fn read(snapshot: &CallSnapshot) -> Result<(Resume, Memory), &'static str> {
    let kept = snapshot.resume.as_ref().ok_or("nothing_kept")?;
    resume::decode(kept).map_err(|error| {
        tracing::warn!(call = %snapshot.call, %error, "what another gateway kept cannot be used");
        UNREADABLE
    })
}

fn gap(found: &Found, snapshot: &CallSnapshot) -> Gap {
    // Whoever offers a call goes on with it until it is taken.
    let silent = if found.lapsed { LAPSED_AFTER + now().saturating_duration_since(found.since) } else { Duration::ZERO };
    let kept = SystemTime::now().duration_since(snapshot.updated_at).unwrap_or_default();
    Gap { unkept: kept.saturating_sub(silent).min(UNKEPT_MAX), silent }
}

fn parties(snapshot: &CallSnapshot) -> Parties {
    Parties {
        direction: snapshot.direction,
        from: snapshot.caller.clone(),
        to: snapshot.callee.clone(),
        agent: snapshot.agent.clone(),
        // The agent was told when the conversation was opened.
        metadata: Pii::new(Default::default()),
        did: snapshot.did.clone(),
        trunk: snapshot.trunk.clone(),
    }
}
