//! What happened while nobody listened: asked for, since Asterisk never repeats events.

use super::originate;
use super::translate::{Caller, caller, returned};
use super::wire::{Application, Channel, Event, Named};
use super::{CallsSocket, Core};
use crate::application::ports::{TelephonyError, TelephonyEvent};
use futures_util::future::join_all;
use serde_json::json;
use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use tokio::time::sleep;

/// A channel that was just told to end is still listed for a moment: nobody is adopted before a second look.
const SECOND_LOOK: Duration = Duration::from_millis(500);
/// The same where callers may be those of a gateway that is gone, this one's own earlier run above all: whoever goes on with their calls comes first.
const SHARED_LOOK: Duration = Duration::from_secs(6);
/// A call's socket may come to a gateway that does not have the call while another one speaks to the caller. That one offers it, and it is taken over within
/// this time; or else it is the one whom the socket has to lead to.
const OTHERS_LOOK: Duration = Duration::from_secs(2);
/// Callers that are asked about at the same time.
const AT_A_TIME: usize = 16;
/// Technologies of channels that no caller uses: they carry sound between a call and a program.
const OF_PROGRAMS: [&str; 6] = ["UnicastRTP/", "MulticastRTP/", "AudioSocket/", "WebSocket/", "Snoop/", "Announcer/"];

/// When Asterisk started, as it says itself: another value means that all calls are lost.
#[derive(Default)]
pub(super) struct Boot(tokio::sync::Mutex<Option<String>>);

/// A channel in our application that no call of ours knows.
#[derive(Debug, PartialEq, Eq)]
enum Stranger {
    /// Somebody who waits to be served.
    Caller,
    /// What is left of a call.
    Remains,
}

/// Finds out what happened in the gap: calls that are gone, things of ours whose call is gone, and callers whose coming was missed.
pub(super) async fn resync(core: &Arc<Core>, boot: Arc<Boot>) -> Vec<Caller> {
    // Taken first: a call that comes while Asterisk answers is missing in the answer, but not gone.
    let known = core.calls.channels();
    let restarted = boot.changed(core).await;
    let (Ok(channels), Ok(bridges)) = (
        core.rest.get::<Vec<Channel>>("list channels", &["channels"], &[]).await,
        core.rest.get::<Vec<Named>>("list bridges", &["bridges"], &[]).await,
    ) else {
        tracing::warn!("asterisk could not be asked what is left");
        return Vec::new();
    };
    end_missing(core, &known, &channels, if restarted { TelephonyEvent::Lost } else { TelephonyEvent::CallerGone });
    if core.shared {
        end_taken(core, &known).await;
    }
    // Who came back in the gap waits in our application, and nobody was told.
    for (channel, how) in channels.iter().filter_map(|channel| Some((&channel.id, returned(&channel.dialplan)?))) {
        core.calls.returned(channel, how);
    }
    originate::catch_up(core, &channels).await;
    let strangers: HashSet<String> =
        channels.iter().filter(|channel| stranger(core, channel).is_some()).map(|channel| channel.id.clone()).collect();
    let has_caller = channels.iter().any(|channel| stranger(core, channel) == Some(Stranger::Caller));
    // A call's own application has one name, whichever gateway it leads to: what is left of another one's says whether somebody speaks to the caller.
    let is_evidence = core.shared && core.scope.channel.is_some() && has_caller;
    if !is_evidence {
        remove_orphans(core, &channels, &bridges).await;
    }
    if strangers.is_empty() {
        return Vec::new();
    }
    let mut pause = if core.shared { SHARED_LOOK } else { SECOND_LOOK };
    if is_evidence {
        sleep(OTHERS_LOOK).await;
        pause = pause.saturating_sub(OTHERS_LOOK);
        if is_another_ones(core, &strangers).await {
            tracing::info!(app = core.config.app, "event socket is given back: another gateway speaks to the caller");
            core.socket.send_replace(CallsSocket::NotOurs);
            return Vec::new();
        }
    }
    let callers = second_look(core, &strangers, pause).await;
    if is_evidence
        && let Ok(channels) = core.rest.get::<Vec<Channel>>("list channels", &["channels"], &[]).await
        && let Ok(bridges) = core.rest.get::<Vec<Named>>("list bridges", &["bridges"], &[]).await
    {
        remove_orphans(core, &channels, &bridges).await;
    }
    callers
}

/// What is named by us and belongs to no call.
async fn remove_orphans(core: &Core, channels: &[Channel], bridges: &[Named]) {
    for channel in channels.iter().filter(|channel| is_orphan(core, channel)) {
        remove_orphan(core, "channels", &channel.id).await;
    }
    for bridge in bridges.iter().filter(|bridge| core.calls.is_orphan(&bridge.id)) {
        remove_orphan(core, "bridges", &bridge.id).await;
    }
}

fn is_orphan(core: &Core, channel: &Channel) -> bool {
    core.calls.is_orphan(&channel.id) || core.calls.is_dialled_orphan(&channel.id, &channel.dialplan.app_name)
}

/// Whether one of them is being spoken to, and not by this gateway.
async fn is_another_ones(core: &Core, strangers: &HashSet<String>) -> bool {
    for channel in strangers {
        if core.is_spoken_to(channel).await && !core.calls.knows(channel) {
            return true;
        }
    }
    false
}

async fn second_look(core: &Core, strangers: &HashSet<String>, pause: Duration) -> Vec<Caller> {
    sleep(pause).await;
    let here = core.rest.get::<Application>("ask for application", &["applications", &core.config.app], &[]).await;
    // One that another gateway has taken over is on show as ours for ever.
    let elsewhere = |channel: &str| here.as_ref().is_ok_and(|here| !here.channel_ids.iter().any(|id| id == channel));
    let Ok(channels) = core.rest.get::<Vec<Channel>>("list channels", &["channels"], &[]).await else { return Vec::new() };
    let mut callers = Vec::new();
    for channel in channels.into_iter().filter(|channel| strangers.contains(&channel.id) && !elsewhere(&channel.id)) {
        match stranger(core, &channel) {
            None => {}
            Some(Stranger::Caller) => {
                let args: Vec<String> = channel.dialplan.app_data.split(',').skip(1).map(str::to_owned).collect();
                callers.push(caller(&args, channel));
            }
            Some(Stranger::Remains) => remove_orphan(core, "channels", &channel.id).await,
        }
    }
    callers
}

fn stranger(core: &Core, channel: &Channel) -> Option<Stranger> {
    let place = &channel.dialplan;
    let here = place.app_name == "Stasis" && core.scope.holds(place.app_data.split(',').next()?, &channel.name);
    if !here || core.calls.knows(&channel.id) {
        return None;
    }
    let of_a_program = OF_PROGRAMS.iter().any(|technology| channel.name.starts_with(technology));
    Some(if of_a_program || core.calls.is_named_by_us(&channel.id) { Stranger::Remains } else { Stranger::Caller })
}

/// By AMI, while ARI is away: calls that are gone, and keys that may have been pressed until now.
pub(super) async fn reconcile(core: &Arc<Core>) -> Vec<Caller> {
    let known = core.calls.channels();
    match core.rest.get::<Vec<Channel>>("list channels", &["channels"], &[]).await {
        Ok(channels) => end_missing(core, &known, &channels, TelephonyEvent::CallerGone),
        Err(error) => tracing::warn!(code = error.code(), "asterisk could not be asked by ami which calls are left"),
    }
    // Whoever is answered hears by AMI what happens from then on.
    core.calls.keys_missed();
    Vec::new()
}

fn end_missing(core: &Core, known: &[String], channels: &[Channel], event: TelephonyEvent) {
    let left: HashSet<&str> = channels.iter().map(|channel| channel.id.as_str()).collect();
    for channel in known.iter().filter(|channel| !left.contains(channel.as_str())) {
        core.calls.end(channel, event.clone());
    }
}

/// Callers whom another gateway has taken in the gap live on, in another application than ours.
async fn end_taken(core: &Core, known: &[String]) {
    let path = ["applications", core.config.app.as_str()];
    let Ok(here) = core.rest.get::<Application>("ask for application", &path, &[]).await else { return };
    let mut asked = Vec::new();
    for channel in known {
        if core.calls.is_here(channel) && !here.channel_ids.contains(channel) {
            asked.push(end_if_taken(core, channel));
        }
    }
    // Several together: each of them is spoken to in vain until then.
    while !asked.is_empty() {
        join_all(asked.split_off(asked.len().saturating_sub(AT_A_TIME))).await;
    }
}

async fn end_if_taken(core: &Core, channel: &str) {
    if core.is_taken(channel).await {
        core.calls.end(channel, TelephonyEvent::Taken);
    }
}

/// From now on Asterisk sends what is used, and no more: some twenty events of a call are for others. Where it cannot, they are counted as unused.
pub(super) async fn set_filter(core: &Arc<Core>) -> Vec<Caller> {
    let allowed: Vec<_> = Event::USED.iter().map(|name| json!({ "type": name })).collect();
    let path = ["applications", core.config.app.as_str(), "eventFilter"];
    if let Err(error) = core.rest.put("set event filter", &path, &json!({ "allowed": allowed })).await {
        tracing::info!(app = core.config.app, code = error.code(), "asterisk does not filter its events");
    }
    Vec::new()
}

pub(super) async fn remove_orphan(core: &Core, kind: &'static str, name: &str) {
    if core.rest.delete("remove orphan", &[kind, name], &[]).await.is_ok() {
        core.counters.orphans_removed.fetch_add(1, Relaxed);
    }
}

/// No sound, and perhaps no events: is the call still there?
pub(super) async fn ask(core: &Arc<Core>, boot: Arc<Boot>, channel: String) -> Vec<Caller> {
    match core.rest.get::<Channel>("ask for channel", &["channels", &channel], &[]).await {
        Ok(_) | Err(TelephonyError::Refused { .. } | TelephonyError::Unsupported { .. } | TelephonyError::UntrustedPath) => {}
        Err(TelephonyError::Gone) if boot.changed(core).await => core.calls.end(&channel, TelephonyEvent::Lost),
        Err(TelephonyError::Gone) => core.calls.end(&channel, TelephonyEvent::CallerGone),
        Err(TelephonyError::Deadline { .. } | TelephonyError::Unreachable) => {
            core.calls.end(&channel, TelephonyEvent::Lost);
        }
    }
    Vec::new()
}

impl Boot {
    /// Whether Asterisk was restarted since this was last asked. False when it cannot be asked.
    async fn changed(&self, core: &Core) -> bool {
        let mut known = self.0.lock().await;
        let Ok(info) = core.rest.info().await else { return false };
        let now = info.status.startup_time;
        match known.replace(now.clone()) {
            Some(before) => before != now,
            None => {
                tracing::info!(app = core.config.app, version = info.system.version, "asterisk answers");
                false
            }
        }
    }
}
