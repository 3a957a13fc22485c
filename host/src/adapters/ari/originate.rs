//! Calls that this gateway makes: dialled by `POST /channels`, followed by their `Dial` and `ChannelDestroyed` events until they are answered.
//!
//! A channel that this side creates enters the application when its far end answers, and not before (measured on 22.10): its StasisStart is the
//! answer. Where machines are looked for, it is sent through the dialplan's `vg-amd` first and comes back with what `AMD()` says.

use super::calls::Built;
use super::telephony::AriTelephony;
use super::wire::{Channel, Event, Variable};
use super::{Ari, Core, Source};
use crate::application::ports::{DialError, DialOrder, Dialled, Dialler, TelephonyError, TelephonyEvent};
use futures_util::future::BoxFuture;
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use vg_domain::dialling::{AnsweredBy, DialFailure};
use vg_domain::ids::CallId;

/// First argument of `Stasis()` for calls of this kind; the second and third are AMD's status and cause.
const OUTBOUND: &str = "outbound";
/// Where `AMD()` is run.
const AMD_CONTEXT: &str = "vg-amd";

/// How far a dialled leg is. A leg that talks has none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// Asterisk was asked for it and has not answered: it may not exist yet.
    Asked {
        /// Whether machines are looked for.
        detect_machines: bool,
    },
    /// It rings, or will.
    Ringing {
        /// Whether machines are looked for.
        detect_machines: bool,
        /// What Asterisk said of the dialling, for ends whose cause says nothing.
        told: Option<DialFailure>,
    },
    /// It is answered, and `AMD()` listens.
    Detecting,
}

impl Stage {
    /// Events may come before the answer to what was asked.
    fn known(self) -> Self {
        match self {
            Self::Asked { detect_machines } => Self::Ringing { detect_machines, told: None },
            known => known,
        }
    }

    /// What the end of a leg means that ends at this stage without a cause.
    pub(super) fn ended(self) -> TelephonyEvent {
        match self.known() {
            Self::Ringing { told, .. } => TelephonyEvent::NotReached(told.unwrap_or(DialFailure::Failed)),
            Self::Asked { .. } | Self::Detecting => TelephonyEvent::CallerGone,
        }
    }
}

/// What an event of a dialled leg leads to.
pub(super) enum Seen<'a> {
    /// It is no event of a leg that is being dialled.
    Ordinary(Box<Event>),
    /// It was taken.
    Taken,
    /// It was taken, and something is to be asked of Asterisk.
    Chore(BoxFuture<'a, ()>),
}

/// Looks at an event before anybody else does.
pub(super) fn see(core: &Core, event: Event) -> Seen<'_> {
    let Some(channel) = channel_of(&event).filter(|channel| core.calls.is_dialled(channel)).map(str::to_owned) else {
        return Seen::Ordinary(Box::new(event));
    };
    let Some(stage) = core.calls.stage(&channel).map(Stage::known) else {
        // Dialled by somebody who did not wait for the answer.
        return match &event {
            Event::StasisStart { args, .. } if is_outbound(args) && !core.calls.knows(&channel) => {
                Seen::Chore(drop_leg(core, channel))
            }
            _ => Seen::Ordinary(Box::new(event)),
        };
    };
    match (stage, event) {
        (Stage::Ringing { detect_machines, .. }, Event::Dial { dialstatus, .. }) => {
            if let Some(failure) = failure_of(&dialstatus) {
                core.calls.set_stage(&channel, Some(Stage::Ringing { detect_machines, told: Some(failure) }));
            }
            Seen::Taken
        }
        (Stage::Ringing { told, .. }, Event::ChannelDestroyed { cause, .. }) => {
            core.calls.end(&channel, TelephonyEvent::NotReached(failure(cause, told)));
            Seen::Taken
        }
        (_, Event::StasisStart { channel: Channel { state, .. }, .. }) if state != "Up" => {
            tracing::warn!(channel, "a dialled channel came unanswered");
            core.calls.end(&channel, TelephonyEvent::NotReached(DialFailure::Failed));
            Seen::Chore(drop_leg(core, channel))
        }
        (Stage::Ringing { detect_machines: true, .. }, Event::StasisStart { .. }) => {
            core.calls.set_stage(&channel, Some(Stage::Detecting));
            Seen::Chore(Box::pin(detect(core, channel)))
        }
        (Stage::Ringing { .. }, Event::StasisStart { .. }) => up(core, &channel, AnsweredBy::CalledSide),
        (Stage::Detecting, Event::StasisStart { args, .. }) => up(core, &channel, answered_by(&args)),
        (Stage::Detecting, Event::ChannelDestroyed { .. }) => {
            core.calls.end(&channel, TelephonyEvent::CallerGone);
            Seen::Taken
        }
        // On its way to `AMD()` it leaves the application; what else ends it is told by ChannelDestroyed.
        (_, Event::StasisEnd { .. } | Event::ChannelHangupRequest { .. } | Event::Dial { .. }) => Seen::Taken,
        (_, event) => Seen::Ordinary(Box::new(event)),
    }
}

fn up<'a>(core: &Core, channel: &str, by: AnsweredBy) -> Seen<'a> {
    core.calls.set_stage(channel, None);
    core.calls.tell(channel, TelephonyEvent::Up(by));
    Seen::Taken
}

fn channel_of(event: &Event) -> Option<&str> {
    match event {
        Event::StasisStart { channel, .. }
        | Event::StasisEnd { channel }
        | Event::ChannelHangupRequest { channel }
        | Event::ChannelDestroyed { channel, .. } => Some(&channel.id),
        Event::Dial { peer, .. } => Some(&peer.id),
        _ => None,
    }
}

fn is_outbound(args: &[String]) -> bool {
    args.first().is_some_and(|arg| arg == OUTBOUND)
}

/// `AMDSTATUS`: MACHINE, HUMAN, NOTSURE, HANGUP.
fn answered_by(args: &[String]) -> AnsweredBy {
    match args.get(1).map(String::as_str) {
        Some("MACHINE") => AnsweredBy::Machine,
        Some("HUMAN") => AnsweredBy::Human,
        _ => AnsweredBy::NotSure,
    }
}

/// `dialstatus` of a Dial event, where it is an end.
fn failure_of(status: &str) -> Option<DialFailure> {
    Some(match status {
        "BUSY" => DialFailure::Busy,
        "NOANSWER" => DialFailure::NoAnswer,
        "CONGESTION" | "CHANUNAVAIL" => DialFailure::Congestion,
        "DONTCALL" => DialFailure::Rejected,
        _ => return None,
    })
}

/// The cause is finer than the status, except where it says nothing.
fn failure(cause: u32, told: Option<DialFailure>) -> DialFailure {
    match DialFailure::from_q850(cause) {
        DialFailure::Failed => told.unwrap_or(DialFailure::Failed),
        failure => failure,
    }
}

/// Makes up for answers that were given while nobody listened: such a leg is in our application already.
pub(super) async fn catch_up(core: &Core, listed: &[Channel]) {
    for channel in listed.iter().filter(|channel| channel.dialplan.app_name == "Stasis") {
        match core.calls.stage(&channel.id).map(Stage::known) {
            Some(Stage::Ringing { detect_machines: true, .. }) => {
                core.calls.set_stage(&channel.id, Some(Stage::Detecting));
                detect(core, channel.id.clone()).await;
            }
            Some(Stage::Ringing { .. }) => drop(up(core, &channel.id, AnsweredBy::CalledSide)),
            Some(Stage::Detecting) => {
                // The list may be older than its way to `AMD()`: it is back where it has more than its first argument.
                let args: Vec<String> = channel.dialplan.app_data.split(',').skip(1).map(str::to_owned).collect();
                if args.len() > 1 {
                    drop(up(core, &channel.id, answered_by(&args)));
                }
            }
            Some(Stage::Asked { .. }) | None => {}
        }
    }
}

fn drop_leg(core: &Core, channel: String) -> BoxFuture<'_, ()> {
    Box::pin(async move {
        let _ = core.rest.delete("drop dialled channel", &["channels", &channel], &[]).await;
    })
}

/// Sends an answered leg to `AMD()`. Without its context, or where that fails, nobody is sure.
async fn detect(core: &Core, channel: String) {
    const ACT: &str = "detect machine";
    let question = format!("DIALPLAN_EXISTS({AMD_CONTEXT},s,1)");
    let path = ["channels", channel.as_str(), "variable"];
    let known = core.rest.get::<Variable>(ACT, &path, &[("variable", &question)]).await;
    let sent = match known {
        Ok(known) if known.value == "1" => {
            let query = [("context", AMD_CONTEXT), ("extension", "s"), ("priority", "1")];
            core.rest.post(ACT, &["channels", &channel, "continue"], &query).await
        }
        Ok(_) => Err(TelephonyError::Unsupported { act: ACT }),
        Err(error) => Err(error),
    };
    if let Err(error) = sent {
        tracing::warn!(code = error.code(), "machines cannot be detected: is the context {AMD_CONTEXT} in the dialplan?");
        if core.calls.stage(&channel) == Some(Stage::Detecting) {
            up(core, &channel, AnsweredBy::NotSure);
        }
    }
}

/// What the channel is born with. Names are ours alone: one with brackets in it is a function that Asterisk calls.
fn variables(core: &Core, order: &DialOrder) -> serde_json::Value {
    let mut variables = json!({ "VG_APP": core.config.app, "VG_CALL": order.call.as_str(), "VG_TENANT": order.tenant.as_str() });
    if order.endpoint.reveal().starts_with("PJSIP/") {
        // A REFER of the called side would carry the agent's leg away.
        variables["PJSIP_TRANSFER_HANDLING()"] = "ari-only".into();
    }
    variables
}

/// What was begun is removed unless it became a call: whoever wanted it may not wait for the answer.
struct Begun {
    core: Arc<Core>,
    call: CallId,
    channel: String,
    kept: bool,
}

impl Drop for Begun {
    fn drop(&mut self) {
        if self.kept {
            return;
        }
        self.core.calls.forget(&self.channel);
        self.core.calls.released(&self.call);
        let bridge = self.core.calls.first_bridge(&self.call);
        // Full, or nobody there: what is no longer a live call's is found at the next resynchronisation.
        let _ = self.core.abandon.try_send(Built { media: std::mem::take(&mut self.channel), bridge });
    }
}

impl Ari {
    async fn dial(&self, order: &DialOrder) -> Result<Dialled, TelephonyError> {
        const ACT: &str = "dial";
        let core = &self.core;
        let channel = core.calls.dialled_name(&order.call);
        let stage = Stage::Asked { detect_machines: order.detect_machines };
        // Known before it is asked for: its first event may come before the answer.
        let events = core.calls.dial(&channel, &order.call, stage).ok_or(TelephonyError::Unsupported { act: ACT })?;
        let mut begun = Begun { core: Arc::clone(core), call: order.call.clone(), channel: channel.clone(), kept: false };
        // All of it in the body: a number in a URL ends in logs.
        let body = json!({
            "endpoint": order.endpoint.reveal(),
            "app": core.config.app,
            "appArgs": OUTBOUND,
            "channelId": channel,
            "callerId": order.caller_id.reveal(),
            "timeout": order.ring.as_secs().max(1),
            "variables": variables(core, order),
        });
        let _: Channel = core.rest.create_from(ACT, &["channels"], &body).await?;
        begun.kept = true;
        if core.calls.stage(&channel) == Some(stage) {
            core.calls.set_stage(&channel, Some(stage.known()));
        }
        let telephony = Box::new(AriTelephony::new(Arc::clone(core), order.call.clone(), channel.clone()));
        Ok(Dialled { channel, telephony, events })
    }
}

/// The Asterisks by which people are called, in turns.
pub struct Diallers {
    asterisks: Vec<Arc<Ari>>,
    next: AtomicUsize,
}

impl Diallers {
    /// Those that are connected when somebody is to be called.
    pub fn new(asterisks: Vec<Arc<Ari>>) -> Self {
        Self { asterisks, next: AtomicUsize::new(0) }
    }
}

impl Dialler for Diallers {
    fn dial(&self, order: DialOrder) -> BoxFuture<'_, Result<Dialled, DialError>> {
        Box::pin(async move {
            let count = self.asterisks.len();
            let first = self.next.fetch_add(1, Relaxed);
            let in_turn = (0..count).map(|n| &self.asterisks[first.wrapping_add(n) % count]);
            // AMI's word does not do: whoever it dials cannot enter the application while ARI is away.
            for asterisk in in_turn.filter(|asterisk| asterisk.source() == Source::Ari) {
                match asterisk.dial(&order).await {
                    Ok(dialled) => return Ok(dialled),
                    // Nothing was asked for: another may do it.
                    Err(TelephonyError::Unreachable) => {}
                    // It may ring already, until it is removed: nobody is called twice.
                    Err(TelephonyError::Deadline { .. }) => return Err(DialError::Unreachable),
                    Err(_) => return Err(DialError::Refused),
                }
            }
            Err(DialError::Unreachable)
        })
    }
}

#[cfg(test)]
mod tests;
