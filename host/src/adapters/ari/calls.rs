//! Which calls live, and which names in Asterisk are ours.

use super::Core;
use super::originate::Stage;
use crate::adapters::rtp::Flow;
use crate::application::ports::{TelephonyError, TelephonyEvent};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot};
use vg_domain::call::Progress;
use vg_domain::ids::CallId;
use vg_domain::transfer::Returned;

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
    /// Of channels to people whom this gateway called.
    dialled_prefix: String,
    /// Of channels to people who are called for a caller.
    person_prefix: String,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// By the caller's channel. Here as long as the caller's leg is in our application.
    legs: HashMap<String, Leg>,
    /// Not yet released.
    unreleased: HashMap<CallId, Unreleased>,
    /// Who waits for the StasisStart of a channel of ours.
    awaited: HashMap<String, oneshot::Sender<()>>,
}

struct Leg {
    events: mpsc::Sender<TelephonyEvent>,
    place: Whereabouts,
    flow: Option<Arc<Flow>>,
    ask_not_before: Instant,
    /// How far it is, where it is being dialled.
    stage: Option<Stage>,
}

/// Where a caller's leg is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Whereabouts {
    /// In our application.
    Here,
    /// On its way to the dialplan or in it, with our consent: it may come back.
    Away,
}

/// What a call may hold in Asterisk.
struct Unreleased {
    /// The caller's channel.
    channel: String,
    /// The media channel whose end would be the end of the call's sound; none while it is away.
    media: Option<String>,
    /// Media channels so far: no name is used twice, for events of an old one may come late.
    legs: u32,
    /// Who is called for the caller, or talks to it.
    person: Option<Person>,
    /// People so far.
    persons: u32,
}

struct Person {
    channel: String,
    answered: bool,
}

impl Calls {
    pub(super) fn new(app: &str) -> Self {
        // The name of a call's own application holds that of its channel.
        let app: String = app.chars().map(|c| if matches!(c, ':' | '/' | '.' | '@' | ';') { '-' } else { c }).collect();
        Self {
            prefix: format!("{app}."),
            media_prefix: format!("{app}.media."),
            bridge_prefix: format!("{app}.bridge."),
            dialled_prefix: format!("{app}.out."),
            person_prefix: format!("{app}.person."),
            state: Mutex::default(),
        }
    }

    /// Names for what is to be built for a call next; from now on the end of that media channel is the end of its sound.
    pub(super) fn begin_leg(&self, call: &CallId) -> Built {
        let mut state = self.lock();
        let unreleased = state.unreleased.get_mut(call);
        let leg = unreleased.as_ref().map_or(1, |unreleased| unreleased.legs + 1);
        // The first leg has the call's plain name; a dot is in no call's name.
        let name = if leg == 1 { call.to_string() } else { format!("{call}.{leg}") };
        let built = Built { media: format!("{}{name}", self.media_prefix), bridge: format!("{}{name}", self.bridge_prefix) };
        if let Some(unreleased) = unreleased {
            (unreleased.media, unreleased.legs) = (Some(built.media.clone()), leg);
        }
        built
    }

    /// Name of the bridge that a call's first leg has or would have.
    pub(super) fn first_bridge(&self, call: &CallId) -> String {
        format!("{}{call}", self.bridge_prefix)
    }

    /// Names for a person's channel, and for the bridge in which that person is met.
    pub(super) fn begin_person(&self, call: &CallId) -> Built {
        let mut state = self.lock();
        let unreleased = state.unreleased.get_mut(call);
        let nth = unreleased.as_ref().map_or(1, |unreleased| unreleased.persons + 1);
        let channel = format!("{}{call}.{nth}", self.person_prefix);
        if let Some(unreleased) = unreleased {
            unreleased.persons = nth;
            unreleased.person = Some(Person { channel: channel.clone(), answered: false });
        }
        Built { media: channel, bridge: format!("{}{call}.person-{nth}", self.bridge_prefix) }
    }

    /// Whatever becomes of the person is no news from now on.
    pub(super) fn forget_person(&self, call: &CallId) {
        if let Some(unreleased) = self.lock().unreleased.get_mut(call) {
            unreleased.person = None;
        }
    }

    /// Somebody whom a call waits for came into our application: that is the answer. False where it is no such channel.
    pub(super) fn person_answered(&self, channel: &str) -> bool {
        let Some(caller) = self.with_person(channel, |person| person.answered = true) else { return false };
        self.tell(&caller, TelephonyEvent::PersonAnswered);
        true
    }

    /// False where it is no such channel.
    pub(super) fn person_gone(&self, channel: &str, how: Returned) -> bool {
        let Some(caller) = self.with_person(channel, |_| ()) else { return false };
        self.tell(&caller, TelephonyEvent::PersonGone(how));
        true
    }

    /// Does something with the person of that channel, and gives the caller.
    fn with_person(&self, channel: &str, with: impl FnOnce(&mut Person)) -> Option<String> {
        let (call, _) = channel.strip_prefix(&self.person_prefix)?.split_once('.')?;
        let mut state = self.lock();
        let unreleased = state.unreleased.get_mut(&CallId::new(call))?;
        with(unreleased.person.as_mut().filter(|person| person.channel == channel)?);
        Some(unreleased.channel.clone())
    }

    /// The end of a call's media channel is no surprise from now on.
    pub(super) fn leave_leg(&self, call: &CallId) {
        if let Some(unreleased) = self.lock().unreleased.get_mut(call) {
            unreleased.media = None;
        }
    }

    pub(super) fn is_ours(&self, channel: &str) -> bool {
        channel.starts_with(&self.media_prefix) || channel.starts_with(&self.person_prefix)
    }

    /// Whether a channel's name is one that this gateway gives.
    pub(super) fn is_named_by_us(&self, channel: &str) -> bool {
        channel.starts_with(&self.prefix)
    }

    /// Whether a channel is one of a call that is served, the caller's or one that this gateway named.
    pub(super) fn knows(&self, channel: &str) -> bool {
        let state = self.lock();
        let call = channel.strip_prefix(&self.prefix).and_then(|rest| rest.split_once('.')).map(|(_, call)| call_of(call));
        state.legs.contains_key(channel)
            || state.awaited.contains_key(channel)
            || state.unreleased.values().any(|unreleased| unreleased.channel == channel)
            || call.is_some_and(|call| state.unreleased.contains_key(&call))
    }

    /// Whether a channel or bridge is ours, and its call is not live.
    pub(super) fn is_orphan(&self, name: &str) -> bool {
        let prefixes = [&self.media_prefix, &self.bridge_prefix, &self.person_prefix];
        let call = prefixes.into_iter().find_map(|prefix| name.strip_prefix(prefix.as_str()));
        call.is_some_and(|call| !self.lock().unreleased.contains_key(&call_of(call)))
    }

    /// None where the channel is known already.
    pub(super) fn admit(&self, channel: &str, call: &CallId) -> Option<mpsc::Receiver<TelephonyEvent>> {
        let mut state = self.lock();
        if state.legs.contains_key(channel) {
            return None;
        }
        let (events, received) = mpsc::channel(EVENTS_MAX);
        let leg = Leg { events, place: Whereabouts::Here, flow: None, ask_not_before: Instant::now(), stage: None };
        state.legs.insert(channel.into(), leg);
        state
            .unreleased
            .insert(call.clone(), Unreleased { channel: channel.into(), media: None, legs: 0, person: None, persons: 0 });
        Some(received)
    }

    /// Another gateway has built so many legs of the call.
    pub(super) fn begin_after(&self, call: &CallId, legs: u32) {
        if let Some(unreleased) = self.lock().unreleased.get_mut(call) {
            unreleased.legs = legs;
        }
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

    /// The caller for whom a media channel was built; none once that channel, or the call, is being released.
    pub(super) fn caller_of(&self, media: &str) -> Option<String> {
        let call = call_of(media.strip_prefix(&self.media_prefix)?);
        let state = self.lock();
        let holder = state.unreleased.get(&call)?;
        (holder.media.as_deref() == Some(media)).then(|| holder.channel.clone())
    }

    pub(super) fn released(&self, call: &CallId) {
        self.lock().unreleased.remove(call);
    }

    /// The name of a further media channel, for a leg that is built anew; none where the call is being released.
    pub(super) fn next_media(&self, call: &CallId) -> Option<String> {
        let mut state = self.lock();
        let unreleased = state.unreleased.get_mut(call)?;
        unreleased.legs += 1;
        Some(format!("{}{call}.{}", self.media_prefix, unreleased.legs))
    }

    /// The end of that media channel is the end of the call's sound from now on, and that of the one before is no surprise.
    pub(super) fn change_media(&self, call: &CallId, media: &str) {
        if let Some(unreleased) = self.lock().unreleased.get_mut(call) {
            unreleased.media = Some(media.to_owned());
        }
    }

    /// Whether a call is served and not yet released.
    pub(super) fn holds(&self, call: &CallId) -> bool {
        self.lock().unreleased.contains_key(call)
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

    /// Forgets a channel. Dropping the sender closes the call's events.
    pub(super) fn forget(&self, channel: &str) -> Option<mpsc::Sender<TelephonyEvent>> {
        self.lock().legs.remove(channel).map(|leg| leg.events)
    }

    /// No sound of ours flows any more, and none is missed.
    pub(super) fn without_flow(&self, channel: &str) {
        if let Some(leg) = self.lock().legs.get_mut(channel) {
            leg.flow = None;
        }
    }

    /// A channel goes to the dialplan with our consent: that it leaves our application is no news. False where it is gone already.
    pub(super) fn part(&self, channel: &str) -> bool {
        let mut state = self.lock();
        let Some(leg) = state.legs.get_mut(channel) else { return false };
        // There is no sound to be asked about.
        (leg.place, leg.flow) = (Whereabouts::Away, None);
        true
    }

    /// The channel stays after all, or has come back. False where it was not away.
    pub(super) fn stay(&self, channel: &str) -> bool {
        let mut state = self.lock();
        let leg = state.legs.get_mut(channel).filter(|leg| leg.place == Whereabouts::Away);
        leg.map(|leg| leg.place = Whereabouts::Here).is_some()
    }

    /// Whether a caller's channel is in our application, as far as is known.
    pub(super) fn is_here(&self, channel: &str) -> bool {
        self.lock().legs.get(channel).is_some_and(|leg| leg.place == Whereabouts::Here && leg.stage.is_none())
    }

    fn is_away(&self, channel: &str) -> bool {
        self.lock().legs.get(channel).is_some_and(|leg| leg.place == Whereabouts::Away)
    }

    /// A channel left our application: the end of its call, unless it was sent away.
    pub(super) fn left(&self, channel: &str) {
        // Before the answer the cause is waited for.
        let mut answered = false;
        if self.with_person(channel, |person| answered = person.answered).is_some() {
            if answered {
                self.person_gone(channel, Returned::Other);
            }
            return;
        }
        if !self.is_away(channel) {
            self.end(channel, TelephonyEvent::CallerGone);
        }
    }

    /// The dialplan gives a channel back. False where nobody waits for it.
    pub(super) fn returned(&self, channel: &str, how: Returned) -> bool {
        let expected = self.stay(channel);
        if expected {
            self.tell(channel, TelephonyEvent::Returned(how));
        }
        expected
    }

    /// Somebody is called for a channel that was sent away.
    pub(super) fn progress(&self, channel: &str, progress: Progress) {
        if self.is_away(channel) {
            self.tell(channel, TelephonyEvent::Progress(progress));
        }
    }

    pub(super) fn tell(&self, channel: &str, event: TelephonyEvent) {
        if let Some(leg) = self.lock().legs.get(channel)
            && leg.events.try_send(event).is_err()
        {
            tracing::warn!(channel, "call does not take its events");
        }
    }

    /// Keys that callers press, or have pressed, may be told to nobody. Who is dialled or in the dialplan presses none for us.
    pub(super) fn keys_missed(&self) {
        let state = self.lock();
        let here = state.legs.iter().filter(|(_, leg)| leg.place == Whereabouts::Here && leg.stage.is_none());
        for (channel, leg) in here {
            if leg.events.try_send(TelephonyEvent::KeysMissed).is_err() {
                tracing::warn!(channel, "call does not take its events");
            }
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
        let waiting = self.lock().awaited.remove(channel);
        match waiting {
            Some(waiting) => drop(waiting.send(())),
            None => drop(self.person_answered(channel)),
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
