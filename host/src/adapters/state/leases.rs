//! This gateway's lease, and those of others.

use super::link::{Fault, Wire};
use super::standing::Part;
use super::witness::{View, Witness};
use super::{RedisStates, keys, scripts};
use crate::application::ports::{Adoptable, Holder, Lapsed, Lease};
use redis::{Cmd, FromRedisValue, Value, cmd};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, PoisonError};
use std::time::Duration;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use vg_domain::ids::CallId;

/// A lease that is not renewed for so long is gone.
const LEASE: Duration = Duration::from_secs(1);
/// It is renewed each time that so much has passed.
const RENEWED: Duration = Duration::from_millis(250);
/// Others' leases are looked at each time that so much has passed.
const LOOK: Duration = Duration::from_millis(125);
/// Time for that. Over: Redis is away.
const WITHIN: Duration = Duration::from_millis(500);
/// Between two tries to connect. With the time that a try takes less than what others wait before they judge.
const PAUSE: Duration = Duration::from_millis(250);
/// In a cluster one look sees its nodes at different moments; no longer apart than this.
const GONE_FOR: Duration = Duration::from_millis(300);

/// What a gateway says of itself: the value of its lease.
#[derive(Serialize, Deserialize)]
struct Said {
    boot: String,
    apps: Vec<String>,
    version: String,
}

pub(super) struct Leases<'a> {
    states: &'a RedisStates,
    said: String,
    witness: Witness,
    renewed_at: Option<Instant>,
    /// Instances whose leases are looked at.
    known: BTreeSet<Arc<str>>,
}

/// The lease's value of a gateway.
fn said(states: &RedisStates) -> String {
    let (apps, version) = (states.about.apps.clone(), states.about.version.clone());
    let said = Said { boot: states.holder.boot.to_string(), apps, version };
    serde_json::to_string(&said).expect("texts are JSON")
}

impl<'a> Leases<'a> {
    pub(super) fn new(states: &'a RedisStates) -> Self {
        let gone_for = if states.linker.is_cluster() { GONE_FOR } else { Duration::ZERO };
        let witness = Witness::new(states.holder.clone(), gone_for);
        Self { states, said: said(states), witness, renewed_at: None, known: BTreeSet::new() }
    }

    pub(super) async fn run(mut self, close: CancellationToken) {
        while !close.is_cancelled() {
            let fault = match self.states.linker.connect().await {
                Ok(wire) => {
                    *self.states.wire.lock().unwrap_or_else(PoisonError::into_inner) = Some(wire.clone());
                    tokio::select! {
                        fault = self.look_on(&wire) => fault,
                        () = close.cancelled() => return,
                    }
                }
                Err(fault) => fault,
            };
            *self.states.wire.lock().unwrap_or_else(PoisonError::into_inner) = None;
            self.states.standing.is_away(Part::Lease, fault);
            self.witness.blind();
            self.tell(Adoptable::default());
            self.states.others_live.store(false, Relaxed);
            self.judge_own(false);
            tokio::select! {
                () = sleep(PAUSE) => {}
                () = close.cancelled() => return,
            }
        }
    }

    /// Until Redis is away.
    async fn look_on(&mut self, wire: &Wire) -> Fault {
        // What was written last before an outage may be lost with a server.
        let mut generation = None;
        loop {
            let began = Instant::now();
            match self.look(wire).await {
                Ok(view) => {
                    self.states.standing.is_up(Part::Lease);
                    if generation != view.generation && view.generation.is_some() {
                        if generation.is_some() {
                            tracing::warn!("redis was flushed: calls are written anew");
                        }
                        generation.clone_from(&view.generation);
                        self.states.held.all_anew();
                    }
                }
                Err(fault) => return fault,
            }
            tokio::time::sleep_until(began + LOOK).await;
        }
    }

    async fn look(&mut self, wire: &Wire) -> Result<View, Fault> {
        let own = self.states.holder.clone();
        let due = self.renewed_at.is_none_or(|at| at.elapsed() >= RENEWED);
        let mut ask = Vec::new();
        if due {
            ask.push(wire.scripts.renew(&own.instance, &self.said, LEASE));
        }
        let known: Vec<_> = self.known.iter().cloned().collect();
        ask.extend(known.iter().map(|instance| one("GET", keys::lease(instance))));
        // The generation last: leases of another store are never taken for this one's.
        ask.extend([one("HGETALL", keys::HOLDERS), one("HGETALL", keys::OFFERS), one("GET", keys::GENERATION)]);
        let asked_at = Instant::now();
        let mut answers = wire.run(ask, WITHIN).await?.into_iter();
        let mut next = || answers.next().unwrap_or(Err(Fault::Refused));
        if due {
            self.renewed(next()?, asked_at);
        }
        let mut alive = BTreeSet::new();
        for instance in &known {
            if let Some(boot) = read::<Option<String>>(next()?)?.and_then(|said| boot_of(&said)) {
                alive.insert(Holder { instance: Arc::clone(instance), boot: boot.into() });
            }
        }
        let holders: HashMap<String, String> = read(next()?)?;
        let offers: HashMap<String, String> = read(next()?)?;
        let generation: Option<String> = read(next()?)?;
        let holders = holders.into_iter().filter_map(|(field, said)| Some((keys::holder(&field)?, said.into()))).collect();
        self.states.others_live.store(alive.iter().any(|holder| *holder != own), Relaxed);
        self.see_what_was_claimed(wire, &offers).await?;
        let view = View { generation: generation.map(Into::into), holders, alive };
        // Who was not asked for is asked for the next time: seen alive first, or never judged.
        self.known = view.holders.keys().map(|holder| Arc::clone(&holder.instance)).collect();
        self.see_to_it(wire, &view).await?;
        let held = self.judge_own(true);
        let dead = self.witness.look(Instant::now().into_std(), held, &view);
        let lapsed = self.lapsed(wire, dead).await?;
        let offered = offers.into_iter().filter_map(|(call, field)| Some((CallId::new(call), keys::holder(&field)?)));
        let mut offered: Vec<_> = offered.filter(|(_, holder)| *holder != own).collect();
        offered.sort_unstable();
        self.tell(Adoptable { lapsed, offered });
        Ok(view)
    }

    /// A call that this gateway offered is lost once another one has claimed it, even where Asterisk has no way to say so.
    async fn see_what_was_claimed(&self, wire: &Wire, offers: &HashMap<String, String>) -> Result<(), Fault> {
        let mut unlisted = self.states.held.offered_calls();
        unlisted.retain(|call| !offers.contains_key(call.as_str()));
        if unlisted.is_empty() {
            return Ok(());
        }
        let ask = unlisted.iter().map(|call| one("GET", keys::owner(call))).collect();
        for (call, answer) in unlisted.iter().zip(wire.run(ask, WITHIN).await?) {
            let owner = read::<Option<String>>(answer?)?;
            if owner.as_deref().and_then(scripts::owner).is_some_and(|(holder, _)| holder != self.states.holder) {
                self.states.held.lose(call);
            }
        }
        Ok(())
    }

    fn renewed(&mut self, answer: Value, asked_at: Instant) {
        let taken = answer != Value::Int(0);
        if !taken {
            self.renewed_at = Some(asked_at);
        } else if self.states.lease.send_if_modified(|lease| std::mem::replace(lease, Lease::Taken) != Lease::Taken) {
            tracing::error!("another gateway of the same name (instance) lives: this one adopts no calls");
        }
    }

    /// Whether this gateway has its lease, told to whoever wants to know.
    fn judge_own(&self, there: bool) -> bool {
        let held = self.renewed_at.is_some_and(|at| at.elapsed() < LEASE);
        let lease = match (held, *self.states.lease.borrow()) {
            (true, _) => Lease::Held,
            (false, Lease::Taken) if there => Lease::Taken,
            (false, _) => Lease::Unknown,
        };
        self.states.lease.send_if_modified(|known| std::mem::replace(known, lease) != lease);
        held
    }

    /// What a store that was flushed does not know.
    async fn see_to_it(&self, wire: &Wire, view: &View) -> Result<(), Fault> {
        let own = &self.states.holder;
        let mut tell = Vec::new();
        if view.generation.is_none() {
            let mut command = cmd("SET");
            command.arg(keys::GENERATION).arg(uuid::Uuid::now_v7().simple().to_string()).arg("NX");
            tell.push(command);
        }
        if !view.holders.contains_key(own) {
            let mut command = cmd("HSET");
            command.arg(keys::HOLDERS).arg(keys::field(own)).arg(&self.said);
            tell.push(command);
        }
        if tell.is_empty() {
            return Ok(());
        }
        wire.run(tell, WITHIN).await?.into_iter().try_for_each(|answer| answer.map(|_| ()))
    }

    /// With the calls that they held. Of one without any nothing is left to be told.
    async fn lapsed(&self, wire: &Wire, dead: Vec<(Holder, Arc<str>)>) -> Result<Vec<Lapsed>, Fault> {
        let ask = dead.iter().map(|(holder, _)| one("SMEMBERS", keys::calls(holder))).collect::<Vec<_>>();
        if ask.is_empty() {
            return Ok(Vec::new());
        }
        let mut lapsed = Vec::new();
        for ((holder, text), answer) in dead.into_iter().zip(wire.run(ask, WITHIN).await?) {
            let mut calls: Vec<CallId> = read::<Vec<String>>(answer?)?.into_iter().map(CallId::new).collect();
            if calls.is_empty() {
                let mut forget = cmd("HDEL");
                forget.arg(keys::HOLDERS).arg(keys::field(&holder));
                wire.ask(forget, WITHIN).await?;
                continue;
            }
            calls.sort_unstable();
            let Said { apps, version, .. } =
                serde_json::from_str(&text).unwrap_or(Said { boot: String::new(), apps: Vec::new(), version: String::new() });
            lapsed.push(Lapsed { holder, apps, version, calls });
        }
        Ok(lapsed)
    }

    fn tell(&self, adoptable: Adoptable) {
        self.states.adoptable.send_if_modified(|known| {
            let changed = **known != adoptable;
            if changed {
                *known = Arc::new(adoptable);
            }
            changed
        });
    }
}

/// This gateway goes: nobody need wait for its lease to lapse. Calls that are left are found by its field.
pub(super) async fn give_back(states: &RedisStates) {
    let wire = states.wire.lock().unwrap_or_else(PoisonError::into_inner).take();
    let Some(wire) = wire else { return };
    let left = wire.ask(one("SCARD", keys::calls(&states.holder)), WITHIN).await;
    let mut tell = vec![wire.scripts.release(&states.holder.instance, &said(states))];
    if left == Ok(Value::Int(0)) {
        let mut command = cmd("HDEL");
        command.arg(keys::HOLDERS).arg(keys::field(&states.holder));
        tell.push(command);
    }
    if let Err(fault) = wire.run(tell, WITHIN).await {
        tracing::info!(code = fault.code(), "lease was not given back: it lapses");
    }
}

fn boot_of(said: &str) -> Option<String> {
    serde_json::from_str(said).ok().map(|said: Said| said.boot)
}

pub(super) fn one(name: &str, key: impl AsRef<str>) -> Cmd {
    let mut command = cmd(name);
    command.arg(key.as_ref());
    command
}

/// An answer of another form than was asked for is none.
pub(super) fn read<T: FromRedisValue>(answer: Value) -> Result<T, Fault> {
    T::from_redis_value(answer).map_err(|_| Fault::Refused)
}
