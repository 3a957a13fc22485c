//! Which calls live, and which names in Asterisk are ours.

use super::Core;
use super::originate::Stage;
use crate::adapters::rtp::Flow;
use crate::application::ports::{TelephonyError, TelephonyEvent};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot};
use vg_domain::ids::CallId;

/// Events of a call that its task has not taken yet. When full: digits are lost and logged; the end of a leg shows by the closed channel.
pub(super) const EVENTS_MAX: usize = 64;
/// Calls whose task died and whose remains wait to be removed. When full: the next resynchronisation finds them.
pub(super) const ABANDONED_MAX: usize = 256;

/// What a call builds in Asterisk. The names tell whose it is, so that what a crash left behind can be found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Built {
    pub(super) media: String,
    pub(super) bridge: String,
}

/// The live calls of one Asterisk.
pub(super) struct Calls {
    /// `<app>.media.` and `<app>.bridge.`: a dot ends the app's name, which has none.
    media_prefix: String,
    bridge_prefix: String,
    /// Of channels to people whom this gateway called.
    dialled_prefix: String,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// By the caller's channel. Here as long as the caller's leg is in our application.
    legs: HashMap<String, Leg>,
    /// Not yet released, with the caller's channel.
    unreleased: HashMap<CallId, String>,
    /// Media channels whose leg was built anew: their end is no surprise.
    retired: HashMap<CallId, String>,
    /// Who waits for the StasisStart of a channel of ours.
    awaited: HashMap<String, oneshot::Sender<()>>,
}

struct Leg {
    events: mpsc::Sender<TelephonyEvent>,
    flow: Option<Arc<Flow>>,
    ask_not_before: Instant,
    /// How far it is, where it is being dialled.
    stage: Option<Stage>,
}

impl Calls {
    pub(super) fn new(app: &str) -> Self {
        Self {
            media_prefix: format!("{app}.media."),
            bridge_prefix: format!("{app}.bridge."),
            dialled_prefix: format!("{app}.out."),
            state: Mutex::default(),
        }
    }

    pub(super) fn names(&self, call: &CallId) -> Built {
        Built { media: format!("{}{call}", self.media_prefix), bridge: format!("{}{call}", self.bridge_prefix) }
    }

    pub(super) fn is_ours(&self, channel: &str) -> bool {
        channel.starts_with(&self.media_prefix)
    }

    /// Whether a channel or bridge is ours, and its call is not live.
    pub(super) fn is_orphan(&self, name: &str) -> bool {
        let call = name.strip_prefix(&self.media_prefix).or_else(|| name.strip_prefix(&self.bridge_prefix));
        call.is_some_and(|call| !self.lock().unreleased.contains_key(&call_of(call)))
    }

    /// None where the channel is known already.
    pub(super) fn admit(&self, channel: &str, call: &CallId) -> Option<mpsc::Receiver<TelephonyEvent>> {
        let mut state = self.lock();
        if state.legs.contains_key(channel) {
            return None;
        }
        let (events, received) = mpsc::channel(EVENTS_MAX);
        state.legs.insert(channel.into(), Leg { events, flow: None, ask_not_before: Instant::now(), stage: None });
        state.unreleased.insert(call.clone(), channel.into());
        Some(received)
    }

    /// The channel of a call that this gateway makes.
    pub(super) fn dialled_name(&self, call: &CallId) -> String {
        format!("{}{call}", self.dialled_prefix)
    }

    /// Whether this gateway dialled that channel.
    pub(super) fn is_dialled(&self, channel: &str) -> bool {
        channel.starts_with(&self.dialled_prefix)
    }

    /// Whether a dialled channel's call is not live: it still rings, or is in our application. One that was handed over is elsewhere.
    pub(super) fn is_dialled_orphan(&self, channel: &str, does: &str) -> bool {
        let call = channel.strip_prefix(&self.dialled_prefix);
        matches!(does, "AppDial2" | "Stasis") && call.is_some_and(|call| !self.lock().unreleased.contains_key(&CallId::new(call)))
    }

    /// As [`admit`](Self::admit), for a channel that is about to be dialled.
    pub(super) fn dial(&self, channel: &str, call: &CallId, stage: Stage) -> Option<mpsc::Receiver<TelephonyEvent>> {
        let events = self.admit(channel, call)?;
        self.set_stage(channel, Some(stage));
        Some(events)
    }

    /// How far a dialled leg is; none where it talks, or is no leg of ours.
    pub(super) fn stage(&self, channel: &str) -> Option<Stage> {
        self.lock().legs.get(channel)?.stage
    }

    pub(super) fn set_stage(&self, channel: &str, stage: Option<Stage>) {
        if let Some(leg) = self.lock().legs.get_mut(channel) {
            leg.stage = stage;
        }
    }

    /// Whether a leg is in our application.
    pub(super) fn knows(&self, channel: &str) -> bool {
        self.lock().legs.contains_key(channel)
    }

    /// The caller for whom a media channel was built; none once that call is being released.
    pub(super) fn caller_of(&self, media: &str) -> Option<String> {
        let call = call_of(media.strip_prefix(&self.media_prefix)?);
        let state = self.lock();
        let retired = state.retired.get(&call).is_some_and(|retired| retired == media);
        state.unreleased.get(&call).filter(|_| !retired).cloned()
    }

    pub(super) fn released(&self, call: &CallId) {
        let mut state = self.lock();
        state.unreleased.remove(call);
        state.retired.remove(call);
    }

    /// The media channel of a leg that is built anew.
    pub(super) fn second_media(&self, call: &CallId) -> String {
        format!("{}{call}.2", self.media_prefix)
    }

    /// A media channel that makes room for another.
    pub(super) fn retire(&self, call: &CallId, media: &str) {
        let mut state = self.lock();
        if state.unreleased.contains_key(call) {
            state.retired.insert(call.clone(), media.to_owned());
        }
    }

    /// Calls not yet released.
    pub(super) fn live(&self) -> usize {
        self.lock().unreleased.len()
    }

    /// What tells whether sound flows.
    pub(super) fn set_flow(&self, channel: &str, flow: Arc<Flow>) {
        if let Some(leg) = self.lock().legs.get_mut(channel) {
            leg.flow = Some(flow);
        }
    }

    /// A channel that leaves with our consent: what happens to it is no longer told. Dropping the sender closes the call's events.
    pub(super) fn part(&self, channel: &str) -> Option<mpsc::Sender<TelephonyEvent>> {
        self.lock().legs.remove(channel).map(|leg| leg.events)
    }

    /// The channel stays after all.
    pub(super) fn stay(&self, channel: &str, events: mpsc::Sender<TelephonyEvent>) {
        let leg = Leg { events, flow: None, ask_not_before: Instant::now(), stage: None };
        self.lock().legs.insert(channel.into(), leg);
    }

    pub(super) fn tell(&self, channel: &str, event: TelephonyEvent) {
        if let Some(leg) = self.lock().legs.get(channel)
            && leg.events.try_send(event).is_err()
        {
            tracing::warn!(channel, "call does not take its events");
        }
    }

    /// Last words to a call's task.
    pub(super) fn end(&self, channel: &str, event: TelephonyEvent) {
        let Some(Leg { events, stage, .. }) = self.lock().legs.remove(channel) else { return };
        let event = match (event, stage) {
            (TelephonyEvent::CallerGone, Some(stage)) => stage.ended(),
            (event, _) => event,
        };
        // A full queue, or a task that no longer listens: the closed channel says it.
        let _ = events.try_send(event);
    }

    /// Legs that Asterisk ought to know.
    pub(super) fn channels(&self) -> Vec<String> {
        let legs = &self.lock().legs;
        let exists = |leg: &Leg| !matches!(leg.stage, Some(Stage::Asked { .. }));
        legs.iter().filter(|(_, leg)| exists(leg)).map(|(channel, _)| channel.clone()).collect()
    }

    /// Channels that Asterisk is to be asked about, by `doubt` of their flow; each at most every `pause`.
    pub(super) fn doubtful(&self, now: Instant, pause: Duration, doubt: impl Fn(Option<&Flow>) -> bool) -> Vec<String> {
        let mut doubtful = Vec::new();
        for (channel, leg) in &mut self.lock().legs {
            let exists = !matches!(leg.stage, Some(Stage::Asked { .. }));
            if exists && now >= leg.ask_not_before && doubt(leg.flow.as_deref()) {
                leg.ask_not_before = now + pause;
                doubtful.push(channel.clone());
            }
        }
        doubtful
    }

    /// Must be called before the channel is asked for.
    pub(super) fn await_start(&self, channel: &str) -> oneshot::Receiver<()> {
        let (started, awaited) = oneshot::channel();
        self.lock().awaited.insert(channel.into(), started);
        awaited
    }

    pub(super) fn started(&self, channel: &str) {
        if let Some(waiting) = self.lock().awaited.remove(channel) {
            let _ = waiting.send(());
        }
    }

    pub(super) fn forget_start(&self, channel: &str) {
        self.lock().awaited.remove(channel);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it is held.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The call in a name without its prefix: a second media channel has `.2` behind.
fn call_of(name: &str) -> CallId {
    CallId::new(name.split('.').next().unwrap_or(name))
}

impl Core {
    /// Deletes what a call built. Both are tried; what is already gone is fine.
    pub(super) async fn remove(&self, built: &Built) -> Result<(), TelephonyError> {
        let media = self.rest.delete("release media channel", &["channels", &built.media], &[]).await;
        let bridge = self.rest.delete("release bridge", &["bridges", &built.bridge], &[]).await;
        media.and(bridge)
    }
}
