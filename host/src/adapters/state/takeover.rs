//! Claims of calls: each is one step in Redis, and only one of several gateways takes it.

use super::leases::{one, read};
use super::link::{Fault, Wire};
use super::scripts;
use super::{LIVE, RedisStates, keys, record};
use crate::application::ports::{
    Adoptable, CallSnapshot, ClaimError, Claimed, Epoch, Holder, Lease, Owners, Sound, StoreAway, Takeover,
};
use bytes::Bytes;
use futures_util::future::{BoxFuture, FutureExt};
use redis::{Cmd, Value, cmd};
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
        let wire = self.wire()?;
        let said = wire.ask(one("GET", keys::lease(&from.instance)), WITHIN).await;
        let said: Option<String> = said.and_then(read).map_err(|_| StoreAway)?;
        let alive = said.is_some_and(|said| said.contains(&*from.boot));
        let answer = wire.ask(wire.scripts.claim(call, from, &self.holder, alive, LIVE), WITHIN).await;
        let mut answer = match answer {
            Ok(Value::Array(answer)) => answer.into_iter(),
            Ok(_) | Err(_) => return Err(StoreAway.into()),
        };
        match answer.next() {
            Some(Value::Int(0)) => {}
            Some(Value::Int(1)) => {
                self.unlist(&wire, call, from).await;
                return Err(ClaimError::Unknown);
            }
            Some(Value::Int(2)) => {
                self.unlist(&wire, call, from).await;
                return Err(ClaimError::Taken);
            }
            Some(Value::Int(3)) => return Err(ClaimError::Alive),
            _ => return Err(StoreAway.into()),
        }
        let mut next = || answer.next().unwrap_or_default();
        let epoch: u64 = read::<String>(next()).ok().and_then(|epoch| epoch.parse().ok()).ok_or(StoreAway)?;
        let (document, resume): (Vec<u8>, Vec<u8>) = (read(next()).unwrap_or_default(), read(next()).unwrap_or_default());
        let mut list = one("SADD", keys::calls(&self.holder));
        list.arg(call.as_str());
        // Where it fails, the first write of the call lists it.
        let _ = wire.ask(list, WITHIN).await;
        self.unlist(&wire, call, from).await;
        let snapshot = stood(call, &document, Epoch(epoch), resume)?;
        let sound = self.sound_of(&wire, call, epoch).await;
        Ok(Claimed { snapshot, sound })
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

    /// The call is no longer that holder's. Where it fails, the next claim finds out.
    async fn unlist(&self, wire: &Wire, call: &CallId, from: &Holder) {
        let mut listed = one("SREM", keys::calls(from));
        listed.arg(call.as_str());
        let mut offered = cmd("HDEL");
        offered.arg(keys::OFFERS).arg(call.as_str());
        let _ = wire.run(vec![listed, offered], WITHIN).await;
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
