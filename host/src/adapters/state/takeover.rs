//! Claims of calls: each is one step in Redis, and only one of several gateways takes it.
//!
//! Whose answer got lost does not know whether its claim was carried out. So a call is put into the claimant's list before it is claimed, and stays in the list
//! of the one before until the claimant knows: it finds the call there and asks again, and is answered again. Where the claimant dies before it knows, others
//! find the call in its list.

use super::leases::{one, read};
use super::link::{Fault, Wire};
use super::scripts::{self, Claim};
use super::writer::with;
use super::{LIVE, RedisStates, keys, record};
use crate::application::ports::{
    Adoptable, CallSnapshot, ClaimError, Claimed, Epoch, Holder, Lease, Owners, Sound, StoreAway, Takeover,
};
use bytes::Bytes;
use futures_util::future::{BoxFuture, FutureExt};
use redis::{Cmd, Value};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use vg_domain::ids::CallId;

/// Time for a claim. Over: nobody knows whether it was carried out, and the next look tells.
const WITHIN: Duration = Duration::from_millis(500);

impl Takeover for RedisStates {
    fn holder(&self) -> &Holder {
        &self.holder
    }

    fn lease(&self) -> watch::Receiver<Lease> {
        self.lease.subscribe()
    }

    fn adoptable(&self) -> watch::Receiver<Arc<Adoptable>> {
        self.adoptable.subscribe()
    }

    fn others_live(&self) -> bool {
        self.others_live.load(Relaxed)
    }

    fn look<'a>(&'a self, call: &'a CallId) -> BoxFuture<'a, Result<CallSnapshot, ClaimError>> {
        async move {
            let ask = [keys::owner(call), keys::state(call), keys::resume(call)].map(|key| one("GET", key));
            let answers = self.wire()?.run(ask.into(), WITHIN).await.map_err(|_| StoreAway)?;
            let mut answers = answers.into_iter().map(|answer| answer.and_then(read::<Option<Vec<u8>>>).map_err(|_| StoreAway));
            let mut next = || answers.next().unwrap_or(Err(StoreAway));
            let (owner, document, resume) = (next()?, next()?, next()?);
            let owner = owner.as_deref().and_then(|owner| scripts::owner(std::str::from_utf8(owner).ok()?));
            let (Some((_, epoch)), Some(document)) = (owner, document) else { return Err(ClaimError::Unknown) };
            stood(call, &document, epoch, resume.unwrap_or_default())
        }
        .boxed()
    }

    fn claim<'a>(&'a self, call: &'a CallId, from: &'a Holder) -> BoxFuture<'a, Result<Claimed, ClaimError>> {
        async move {
            let claimed = self.claimed(call, from).await;
            self.claims.count(claimed.as_ref().err().map_or("claimed", |error| error.code()));
            claimed
        }
        .boxed()
    }

    fn offer<'a>(&'a self, call: &'a CallId) -> BoxFuture<'a, Result<(), ClaimError>> {
        async move {
            let wire = self.wire()?;
            let mut list = one("HSET", keys::OFFERS);
            list.arg(call.as_str()).arg(keys::field(&self.holder));
            self.mark(&wire, call, wire.scripts.offer(call, &self.holder)).await?;
            self.held.offered(call, true);
            wire.ask(list, WITHIN).await.map_err(|_| StoreAway)?;
            Ok(())
        }
        .boxed()
    }

    fn withdraw<'a>(&'a self, call: &'a CallId) -> BoxFuture<'a, Result<(), ClaimError>> {
        async move {
            let wire = self.wire()?;
            self.mark(&wire, call, wire.scripts.withdraw(call, &self.holder)).await?;
            let mut list = one("HDEL", keys::OFFERS);
            list.arg(call.as_str());
            wire.ask(list, WITHIN).await.map_err(|_| StoreAway)?;
            Ok(())
        }
        .boxed()
    }

    fn holders<'a>(&'a self, calls: &'a [CallId]) -> BoxFuture<'a, Result<Owners, StoreAway>> {
        async move {
            if calls.is_empty() {
                return Ok(Vec::new());
            }
            let ask: Vec<Cmd> = calls.iter().map(|call| one("GET", keys::owner(call))).collect();
            let answers = self.wire()?.run(ask, WITHIN).await.map_err(|_| StoreAway)?;
            let owner = |answer: Result<Value, Fault>| {
                let text = answer.and_then(read::<Option<String>>).map_err(|_| StoreAway)?;
                Ok(text.as_deref().and_then(scripts::owner))
            };
            answers.into_iter().map(owner).collect()
        }
        .boxed()
    }
}

/// What a holder kept, where this version reads it.
fn stood(call: &CallId, document: &[u8], epoch: Epoch, resume: Vec<u8>) -> Result<CallSnapshot, ClaimError> {
    let resume = Some(resume).filter(|resume| !resume.is_empty()).map(Bytes::from);
    record::read(document, epoch, resume).map_err(|error| {
        tracing::warn!(%call, %error, "what another gateway kept of a call cannot be read");
        ClaimError::Unreadable
    })
}

impl RedisStates {
    fn wire(&self) -> Result<Wire, StoreAway> {
        self.wire.lock().unwrap_or_else(PoisonError::into_inner).clone().ok_or(StoreAway)
    }

    async fn claimed(&self, call: &CallId, from: &Holder) -> Result<Claimed, ClaimError> {
        if *self.lease.borrow() != Lease::Held {
            return Err(StoreAway.into());
        }
        let (wire, claiming) = (self.wire()?, self.held.claim(call));
        let alive = self.listed(&wire, call, from).await?;
        let answer = wire.ask(wire.scripts.claim(call, from, &self.holder, alive, LIVE), WITHIN).await;
        // Where it is lost the call may be this gateway's: it stays in both lists.
        let claim = answer.ok().and_then(Claim::of).ok_or(StoreAway)?;
        let struck = Struck::after(&claim, &self.holder);
        self.strike(&wire, call, from, Struck { own: struck.own && claiming.leaves_nothing(), ..struck }).await;
        match claim {
            Claim::Had { epoch, document, resume } => {
                let snapshot = stood(call, &document, epoch, resume)?;
                if !claiming.is_news(epoch) {
                    return Err(ClaimError::Taken);
                }
                Ok(Claimed { snapshot, sound: self.sound_of(&wire, call, epoch.0).await })
            }
            Claim::Unknown => Err(ClaimError::Unknown),
            Claim::Others(_) => Err(ClaimError::Taken),
            Claim::Alive => Err(ClaimError::Alive),
        }
    }

    /// Puts the call into this gateway's list; gives whether the one from whom it is to be claimed lives.
    async fn listed(&self, wire: &Wire, call: &CallId, from: &Holder) -> Result<bool, StoreAway> {
        let list = keys::calls(&self.holder);
        let ask = vec![
            with(one("SADD", &list), call.as_str()),
            with(one("PEXPIRE", &list), scripts::ms(2 * LIVE)),
            one("GET", keys::lease(&from.instance)),
        ];
        let answers = wire.run(ask, WITHIN).await.map_err(|_| StoreAway)?;
        let answers: Vec<Value> = answers.into_iter().collect::<Result<_, _>>().map_err(|_| StoreAway)?;
        let lease = answers.into_iter().next_back().ok_or(StoreAway)?;
        let said: Option<String> = read(lease).map_err(|_| StoreAway)?;
        Ok(said.is_some_and(|said| said.contains(&*from.boot)))
    }

    /// What the holder before kept of its caller's sound; whoever does not get it goes on without.
    async fn sound_of(&self, wire: &Wire, call: &CallId, epoch: u64) -> Option<Sound> {
        let sounds = self.sounds.as_ref()?;
        let mut range = one("XRANGE", keys::audio(call));
        range.arg("-").arg("+");
        // Each piece has an id, and one field with its name.
        let pieces: Vec<(String, Vec<Vec<u8>>)> = read(wire.ask(range, WITHIN).await.ok()?).ok()?;
        let sealed: Vec<Vec<u8>> = pieces.into_iter().filter_map(|(_, fields)| fields.into_iter().nth(1)).collect();
        sounds.forget(call);
        sounds.open(call, Epoch(epoch.saturating_sub(1)), &sealed)
    }

    /// Where it fails, the next claim finds out.
    async fn strike(&self, wire: &Wire, call: &CallId, from: &Holder, struck: Struck) {
        let mut commands = Vec::new();
        if struck.theirs {
            commands.push(with(one("SREM", keys::calls(from)), call.as_str()));
        }
        if struck.offer {
            commands.push(with(one("HDEL", keys::OFFERS), call.as_str()));
        }
        if struck.own {
            commands.push(with(one("SREM", keys::calls(&self.holder)), call.as_str()));
        }
        if !commands.is_empty() {
            let _ = wire.run(commands, WITHIN).await;
        }
    }

    async fn mark(&self, wire: &Wire, call: &CallId, mark: Cmd) -> Result<(), ClaimError> {
        match wire.ask(mark, WITHIN).await {
            Ok(Value::Int(0)) => Ok(()),
            Ok(Value::Int(1)) => Err(ClaimError::Unknown),
            Ok(Value::Int(2)) => {
                self.held.lose(call);
                Err(ClaimError::Taken)
            }
            Ok(_) | Err(_) => Err(StoreAway.into()),
        }
    }
}

/// Out of which lists a call is taken once a claim was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Struck {
    /// Of the calls of the one from whom it was claimed.
    theirs: bool,
    /// Of the calls that are offered.
    offer: bool,
    /// Of this gateway's.
    own: bool,
}

impl Struck {
    fn after(claim: &Claim, own: &Holder) -> Self {
        match claim {
            Claim::Had { .. } => Self { theirs: true, offer: true, own: false },
            Claim::Unknown => Self { theirs: true, offer: true, own: true },
            // Whoever has only claimed it may not know that yet, and would not ask again for what it does not find.
            Claim::Others(other) => {
                Self { theirs: other.serves, offer: other.serves && !other.offers, own: other.holder != *own }
            }
            Claim::Alive => Self { theirs: false, offer: false, own: true },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::scripts::Other;
    use super::*;

    fn holder(instance: &str) -> Holder {
        Holder { instance: instance.into(), boot: "boot".into() }
    }

    /// Names of the lists out of which `b` takes a call.
    fn struck(claim: &Claim) -> Vec<&'static str> {
        let Struck { theirs, offer, own } = Struck::after(claim, &holder("b"));
        let lists = [("theirs", theirs), ("offers", offer), ("own", own)];
        lists.into_iter().filter(|(_, struck)| *struck).map(|(name, _)| name).collect()
    }

    fn others(instance: &str, serves: bool, offers: bool) -> Claim {
        Claim::Others(Other { holder: holder(instance), serves, offers })
    }

    #[test]
    fn whoever_has_the_call_or_is_about_to_finds_it_in_a_list() {
        let had = Claim::Had { epoch: Epoch(2), document: Vec::new(), resume: Vec::new() };
        assert_eq!(struck(&had), ["theirs", "offers"]);
        assert_eq!(struck(&Claim::Unknown), ["theirs", "offers", "own"]);
        assert_eq!(struck(&Claim::Alive), ["own"]);
        assert_eq!(struck(&others("c", true, false)), ["theirs", "offers", "own"]);
        assert_eq!(struck(&others("c", true, true)), ["theirs", "own"], "the offer is its own");
        assert_eq!(struck(&others("c", false, false)), ["own"], "it may have to ask again");
        assert_eq!(struck(&others("b", true, false)), ["theirs", "offers"], "this gateway serves it");
        assert!(struck(&others("b", false, false)).is_empty());
    }
}
