//! Callers of other gateways: found by the names that those give, and moved into this gateway's application.
//!
//! Asterisk is the judge. A channel is in one application and in one bridge at a time: from the moment at which it is moved, whoever had it is told that
//! it has left (`StasisEnd`), and whatever that gateway's media leg still sends reaches nobody. What the dialplan ran stays on show
//! (`dialplan.app_data` names the first application for ever), so that a variable says who holds the caller.

use super::telephony::AriTelephony;
use super::wire::{Application, Bridge, Channel, RtpStatistics, Variable};
use super::{Ari, CallsSocket, Core};
use crate::application::ports::{Adopter, Stranded, TakenLeg, TelephonyError, Ways};
use futures_util::future::BoxFuture;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use tokio::time::sleep;
use vg_domain::ids::CallId;

/// Who holds a caller, where that is another gateway than the one whom the dialplan gave the channel to.
pub(super) const HOLDER: &str = "VG_HOLDER";
/// A gateway sends a packet every 20 ms, sound or silence. Where the caller gets none in this time its media leg stands still.
const STILL: Duration = Duration::from_millis(200);
/// So often Asterisk is asked again who holds a caller, where it does not answer, and how long is waited before.
const ASKED_AGAIN: usize = 5;
const PAUSE: Duration = Duration::from_millis(200);

/// What a gateway that is gone has left of a call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Remains {
    pub(super) bridges: Vec<String>,
    pub(super) media: Vec<String>,
}

/// All Asterisks of a gateway, as those that may have callers of others.
pub struct Adopters(Vec<Arc<Ari>>);

impl Adopters {
    /// Callers are looked for at each of them.
    pub fn new(asterisks: Vec<Arc<Ari>>) -> Self {
        Self(asterisks)
    }

    /// Where this gateway can speak to an Asterisk now. One that connects for each call does so anew for a call whose gateway is gone, and says no more
    /// than that: it is this call's.
    fn cores(&self) -> Vec<Arc<Core>> {
        let of = |ari: &Arc<Ari>| {
            let stays = ari.dialled.is_some() || ari.core.up.load(Relaxed);
            ari.of_calls().into_iter().chain(stays.then(|| Arc::clone(&ari.core)))
        };
        self.0.iter().flat_map(of).collect()
    }

    async fn is_forsaken(&self, stranded: &Stranded) -> Result<bool, TelephonyError> {
        let mut asked = Err(TelephonyError::Unreachable);
        for core in self.cores() {
            match core.is_forsaken(stranded).await {
                Ok(Some(forsaken)) => return Ok(forsaken),
                // A call's own socket knows that call alone.
                Ok(None) if core.scope.channel.is_some() => {}
                // Perhaps another Asterisk has it. Where none does, no media leg is left.
                Ok(None) => asked = Ok(true),
                Err(error) => asked = asked.or(Err(error)),
            }
        }
        asked
    }

    async fn of(&self, stranded: &Stranded, channel: &str) -> Result<(Arc<Core>, Channel), TelephonyError> {
        let cores = self.cores();
        // Only an Asterisk that says so knows that a caller is gone.
        let mut found = Err(if cores.is_empty() { TelephonyError::Unreachable } else { TelephonyError::Gone });
        for core in cores {
            match core.rest.get::<Channel>("find caller", &["channels", channel], &[]).await {
                Ok(caller) if !core.may_have(&caller) => found = found.or(Err(TelephonyError::Unreachable)),
                // Two Asterisks may give the same id: the call's bridge tells them apart.
                Ok(caller) if found.is_err() || core.has_remains(&stranded.call).await => found = Ok((core, caller)),
                Ok(_) | Err(TelephonyError::Gone) => {}
                Err(error) if found.is_err() => found = Err(error),
                Err(_) => {}
            }
        }
        found
    }

    /// Whoever is in the call's bridge beside its media leg.
    async fn bridged(&self, call: &CallId) -> Result<(Arc<Core>, Channel), TelephonyError> {
        for core in self.cores() {
            if let Ok(Some(caller)) = core.caller_of(call).await
                && core.may_have(&caller)
            {
                return Ok((core, caller));
            }
        }
        Err(TelephonyError::Gone)
    }

    async fn take(&self, stranded: &Stranded, channel: &str) -> Result<TakenLeg, TelephonyError> {
        let (core, _) = self.of(stranded, channel).await?;
        core.take(&stranded.call, channel).await
    }

    /// A caller who waits in the application of a gateway that is gone goes on in the dialplan, behind `Stasis()`.
    async fn leave(&self, stranded: &Stranded, channel: Option<&str>) -> Result<(), TelephonyError> {
        let found = match channel {
            Some(channel) => self.of(stranded, channel).await,
            None => self.bridged(&stranded.call).await,
        };
        let (core, caller) = match found {
            Ok(found) => found,
            Err(TelephonyError::Gone) => return Ok(()),
            Err(error) => return Err(error),
        };
        if caller.dialplan.app_name == "Stasis" {
            core.rest.post("leave caller", &["channels", &caller.id, "continue"], &[]).await?;
        }
        let remains = core.remains(&stranded.call).await?;
        core.remove_remains(&remains).await;
        Ok(())
    }
}

impl Adopter for Adopters {
    fn is_forsaken<'a>(&'a self, stranded: &'a Stranded) -> BoxFuture<'a, Result<bool, TelephonyError>> {
        Box::pin(self.is_forsaken(stranded))
    }

    fn reaches<'a>(&'a self, stranded: &'a Stranded, channel: &'a str) -> BoxFuture<'a, Result<(), TelephonyError>> {
        Box::pin(async move { self.of(stranded, channel).await.map(drop) })
    }

    fn take<'a>(&'a self, stranded: &'a Stranded, channel: &'a str) -> BoxFuture<'a, Result<TakenLeg, TelephonyError>> {
        Box::pin(self.take(stranded, channel))
    }

    fn leave<'a>(&'a self, stranded: &'a Stranded, channel: Option<&'a str>) -> BoxFuture<'a, Result<(), TelephonyError>> {
        Box::pin(self.leave(stranded, channel))
    }
}

impl Ways for Adopters {
    fn offered(&self, call: &CallId, offered: bool) {
        let of_calls = self.0.iter().flat_map(|ari| ari.of_calls());
        for core in of_calls.filter(|core| core.calls.holds(call)) {
            core.socket.send_replace(if offered { CallsSocket::Offered } else { CallsSocket::Kept });
        }
    }
}

impl Core {
    /// Whether somebody else speaks to a caller whom this gateway does not know.
    pub(super) async fn is_spoken_to(&self, caller: &str) -> bool {
        self.is_still(caller).await.is_ok_and(|still| !still)
    }

    /// Whether a caller gets no packets, or none that are counted.
    async fn is_still(&self, caller: &str) -> Result<bool, TelephonyError> {
        let Some(before) = self.sent_to(caller).await? else { return Ok(true) };
        sleep(STILL).await;
        Ok(self.sent_to(caller).await?.is_none_or(|now| now == before))
    }

    /// None where this Asterisk has nothing of the call.
    async fn is_forsaken(&self, stranded: &Stranded) -> Result<Option<bool>, TelephonyError> {
        let Some(bridge) = self.bridge_of(&stranded.call).await? else { return Ok(None) };
        let (media, callers): (Vec<_>, Vec<_>) =
            bridge.channels.iter().partition(|channel| of_call(channel, MEDIA, &stranded.call));
        let (false, [caller, ..]) = (media.is_empty(), &callers[..]) else { return Ok(Some(true)) };
        if self.scope.channel.is_some() {
            let channel: Channel = self.rest.get("find caller", &["channels", caller], &[]).await?;
            if !self.may_have(&channel) {
                return Ok(None);
            }
        }
        self.is_still(caller).await.map(Some)
    }

    async fn bridge_of(&self, call: &CallId) -> Result<Option<Bridge>, TelephonyError> {
        Ok(self.bridges().await?.iter().find(|bridge| of_call(&bridge.id, BRIDGE, call)).cloned())
    }

    /// Who is in the call's bridge beside its media leg.
    async fn caller_of(&self, call: &CallId) -> Result<Option<Channel>, TelephonyError> {
        let bridge = self.bridge_of(call).await?;
        let caller = bridge.iter().flat_map(|bridge| &bridge.channels).find(|channel| !of_call(channel, MEDIA, call));
        match caller {
            Some(caller) => self.rest.get("find caller", &["channels", caller], &[]).await.map(Some),
            None => Ok(None),
        }
    }

    /// Whether a caller may be taken by this socket: by that of a call only the call's own.
    fn may_have(&self, caller: &Channel) -> bool {
        self.scope.channel.as_ref().is_none_or(|name| *name == caller.name)
    }

    /// Packets that a caller was sent so far; none of a channel that does not count any: the lease alone tells.
    async fn sent_to(&self, channel: &str) -> Result<Option<u64>, TelephonyError> {
        let counted = self.rest.get::<RtpStatistics>("count packets", &["channels", channel, "rtp_statistics"], &[]).await;
        match counted {
            Ok(counted) => Ok(Some(counted.txcount)),
            Err(TelephonyError::Gone | TelephonyError::Refused { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn has_remains(&self, call: &CallId) -> bool {
        self.remains(call).await.is_ok_and(|remains| remains != Remains::default())
    }

    /// What is left of a call under any gateway's names.
    async fn remains(&self, call: &CallId) -> Result<Remains, TelephonyError> {
        let (bridges, channels) = tokio::try_join!(self.bridges(), self.channels())?;
        let bridges = bridges.iter().map(|bridge| &bridge.id).filter(|id| of_call(id, BRIDGE, call)).cloned().collect();
        let media = channels.iter().map(|channel| &channel.id).filter(|id| of_call(id, MEDIA, call)).cloned().collect();
        Ok(Remains { bridges, media })
    }

    async fn bridges(&self) -> Result<Arc<[Bridge]>, TelephonyError> {
        self.listed_bridges.get(self.rest.get("list bridges", &["bridges"], &[])).await
    }

    async fn channels(&self) -> Result<Arc<[Channel]>, TelephonyError> {
        self.listed_channels.get(self.rest.get("list channels", &["channels"], &[])).await
    }

    async fn take(self: &Arc<Self>, call: &CallId, channel: &str) -> Result<TakenLeg, TelephonyError> {
        let remains = self.remains(call).await?;
        let events = self.calls.admit(channel, call).ok_or(TelephonyError::Gone)?;
        // No name is used twice, whoever gave it.
        self.calls.begin_after(call, remains.legs());
        let telephony = AriTelephony::adopting(Arc::clone(self), call.clone(), channel.to_owned(), remains);
        let path = ["channels", channel, "variable"];
        let app = self.config.app.as_str();
        let taken = async {
            // First: who is told that the channel has left asks at once who holds it.
            self.rest.post("take caller", &path, &[("variable", HOLDER), ("value", self.own_name())]).await?;
            let here: Application = self.rest.get("take caller", &["applications", app], &[]).await?;
            if here.channel_ids.iter().any(|id| id == channel) {
                return Ok(());
            }
            self.rest.post("take caller", &["channels", channel, "move"], &[("app", app), ("appArgs", "adopted")]).await
        };
        if let Err(error) = taken.await {
            self.calls.forget(channel);
            return Err(error);
        }
        self.socket.send_replace(CallsSocket::Kept);
        Ok(TakenLeg { telephony: Box::new(telephony), events })
    }

    /// Whether another gateway holds a caller who has left this application. Asked again where Asterisk does not answer: who stood still finds that the
    /// time of its questions is over when it wakes, and must not tell the world that somebody else's caller is gone.
    pub(super) async fn is_taken(&self, channel: &str) -> bool {
        for _ in 0..ASKED_AGAIN {
            match self.has_other_holder(channel).await {
                Ok(taken) => return taken,
                Err(
                    TelephonyError::Gone
                    | TelephonyError::Refused { .. }
                    | TelephonyError::Unsupported { .. }
                    | TelephonyError::UntrustedPath,
                ) => return false,
                Err(TelephonyError::Deadline { .. } | TelephonyError::Unreachable) => sleep(PAUSE).await,
            }
        }
        self.has_other_holder(channel).await.unwrap_or(false)
    }

    async fn has_other_holder(&self, channel: &str) -> Result<bool, TelephonyError> {
        let path = ["channels", channel, "variable"];
        let holder: Variable = self.rest.get("ask for holder", &path, &[("variable", HOLDER)]).await?;
        Ok(!holder.value.is_empty() && holder.value != self.own_name())
    }

    fn own_name(&self) -> &str {
        self.config.shared.as_deref().unwrap_or(&self.config.app)
    }

    /// What is not removed is found by whoever it belonged to, if that comes back.
    pub(super) async fn remove_remains(&self, remains: &Remains) {
        for channel in &remains.media {
            let _ = self.rest.delete("remove remains", &["channels", channel], &[]).await;
        }
        for bridge in &remains.bridges {
            let _ = self.rest.delete("remove remains", &["bridges", bridge], &[]).await;
        }
    }
}

impl Remains {
    /// The highest number of a leg among the names.
    fn legs(&self) -> u32 {
        let number = |name: &String| name.rsplit('.').next().and_then(|end| end.parse().ok()).unwrap_or(1);
        self.media.iter().chain(&self.bridges).map(number).max().unwrap_or(0)
    }
}

const BRIDGE: &str = ".bridge.";
const MEDIA: &str = ".media.";

/// Whether a name is one that a gateway gives to something of that kind and call: `<app>.<kind>.<call>`, or with a number behind it.
fn of_call(name: &str, kind: &str, call: &CallId) -> bool {
    let rest = name.split_once(kind).and_then(|(_, rest)| rest.strip_prefix(call.as_str()));
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remains_are_found_by_their_names_whoever_gave_them() {
        let call = CallId::new("0199-a");
        for name in ["vg-a.bridge.0199-a", "vg-a.bridge.0199-a.2", "other.bridge.0199-a.person-1"] {
            assert!(of_call(name, BRIDGE, &call), "{name}");
        }
        for name in ["vg-a.bridge.0199-ab", "vg-a.media.0199-a", "0199-a", "1764.3", "vg-a.bridge."] {
            assert!(!of_call(name, BRIDGE, &call), "{name}");
        }
        let remains = |media: &[&str]| Remains { bridges: Vec::new(), media: media.iter().map(|name| (*name).into()).collect() };
        assert_eq!(remains(&[]).legs(), 0);
        assert_eq!(remains(&["vg-a.media.0199-a"]).legs(), 1);
        assert_eq!(remains(&["vg-a.media.0199-a", "vg-b.media.0199-a.3"]).legs(), 3);
    }
}
