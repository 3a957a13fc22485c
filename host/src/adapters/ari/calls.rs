//! Which calls live, and which names in Asterisk are ours.

use super::Core;
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
    /// `<app>.`, `<app>.media.` and `<app>.bridge.`: a dot ends the app's name, which has none.
    prefix: String,
    media_prefix: String,
    bridge_prefix: String,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// By the caller's channel. Here as long as the caller's leg is in our application.
    legs: HashMap<String, Leg>,
    /// Not yet released, with the caller's channel.
    unreleased: HashMap<CallId, String>,
    /// Who waits for the StasisStart of a channel of ours.
    awaited: HashMap<String, oneshot::Sender<()>>,
}

struct Leg {
    events: mpsc::Sender<TelephonyEvent>,
    flow: Option<Arc<Flow>>,
    ask_not_before: Instant,
}

impl Calls {
    pub(super) fn new(app: &str) -> Self {
        // The name of a call's own application holds that of its channel.
        let app: String = app.chars().map(|c| if matches!(c, ':' | '/' | '.' | '@' | ';') { '-' } else { c }).collect();
        Self {
            prefix: format!("{app}."),
            media_prefix: format!("{app}.media."),
            bridge_prefix: format!("{app}.bridge."),
            state: Mutex::default(),
        }
    }

    pub(super) fn names(&self, call: &CallId) -> Built {
        Built { media: format!("{}{call}", self.media_prefix), bridge: format!("{}{call}", self.bridge_prefix) }
    }

    pub(super) fn is_ours(&self, channel: &str) -> bool {
        channel.starts_with(&self.media_prefix)
    }

    /// Whether a channel's name is one that this gateway gives.
    pub(super) fn is_named_by_us(&self, channel: &str) -> bool {
        channel.starts_with(&self.prefix)
    }

    /// Whether a channel is one of a call that is served, the caller's or one that this gateway named.
    pub(super) fn knows(&self, channel: &str) -> bool {
        let state = self.lock();
        let call = channel.strip_prefix(&self.prefix).and_then(|rest| rest.split_once('.')).map(|(_, call)| CallId::new(call));
        state.legs.contains_key(channel)
            || state.awaited.contains_key(channel)
            || state.unreleased.values().any(|caller| caller == channel)
            || call.is_some_and(|call| state.unreleased.contains_key(&call))
    }

    /// Whether a channel or bridge is ours, and its call is not live.
    pub(super) fn is_orphan(&self, name: &str) -> bool {
        let call = name.strip_prefix(&self.media_prefix).or_else(|| name.strip_prefix(&self.bridge_prefix));
        call.is_some_and(|call| !self.lock().unreleased.contains_key(&CallId::new(call)))
    }

    /// None where the channel is known already.
    pub(super) fn admit(&self, channel: &str, call: &CallId) -> Option<mpsc::Receiver<TelephonyEvent>> {
        let mut state = self.lock();
        if state.legs.contains_key(channel) {
            return None;
        }
        let (events, received) = mpsc::channel(EVENTS_MAX);
        state.legs.insert(channel.into(), Leg { events, flow: None, ask_not_before: Instant::now() });
        state.unreleased.insert(call.clone(), channel.into());
        Some(received)
    }

    /// The caller for whom a media channel was built; none once that call is being released.
    pub(super) fn caller_of(&self, media: &str) -> Option<String> {
        let call = media.strip_prefix(&self.media_prefix)?;
        self.lock().unreleased.get(&CallId::new(call)).cloned()
    }

    pub(super) fn released(&self, call: &CallId) {
        self.lock().unreleased.remove(call);
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
        let leg = Leg { events, flow: None, ask_not_before: Instant::now() };
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
        if let Some(events) = self.part(channel) {
            // A full queue, or a task that no longer listens: the closed channel says it.
            let _ = events.try_send(event);
        }
    }

    pub(super) fn channels(&self) -> Vec<String> {
        self.lock().legs.keys().cloned().collect()
    }

    /// Channels that Asterisk is to be asked about, by `doubt` of their flow; each at most every `pause`.
    pub(super) fn doubtful(&self, now: Instant, pause: Duration, doubt: impl Fn(Option<&Flow>) -> bool) -> Vec<String> {
        let mut doubtful = Vec::new();
        for (channel, leg) in &mut self.lock().legs {
            if now >= leg.ask_not_before && doubt(leg.flow.as_deref()) {
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

impl Core {
    /// Deletes what a call built. Both are tried; what is already gone is fine.
    pub(super) async fn remove(&self, built: &Built) -> Result<(), TelephonyError> {
        let media = self.rest.delete("release media channel", &["channels", &built.media], &[]).await;
        let bridge = self.rest.delete("release bridge", &["bridges", &built.bridge], &[]).await;
        media.and(bridge)
    }
}
