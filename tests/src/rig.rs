//! The virtual house: the real application and domain, fake ports, paused clock; no socket, no wasm.
//!
//! A [`Rig`] is a gateway; [`Rig::call`] places a call and gives its [`Caller`], who speaks by saying so, since the fake
//! listener hears what the caller's script says, and who hears what the Mouth is told to play.

mod fakes;
mod line;
mod states;
mod tenants;
mod vault;

pub use states::SoundTold;
pub use tenants::{
    ASKED, CONFIRMED, CROWDED, GUARDED, HESITANT, LADDER, LIMITED, RECORDED, SAYING, SHADOWED, outbound, settings,
};
pub use vault::GivenCard;

use fakes::{FakeAgent, FakeHearing, FakeRecorder, FakeSpeaking, Observations, Published};
use line::{FakeDialler, FakeLine};
use states::FakeStates;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tenants::FakeTenants;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use vault::FakeVault;
use vg_domain::event::Fact;
use vg_domain::ids::{CallId, ConversationId, PluginId, TenantId, UtteranceId};
use vg_domain::mask::Heard;
use vg_domain::outcome::EndCause;
use vg_domain::pii::Pii;
use vg_domain::recording::DeletionReason;
use vg_domain::usage::Usage;
use voice_gateway::application::breakers::Breakers;
use voice_gateway::application::call_task::Services;
use voice_gateway::application::gateway::{Drained, Gateway, GatewayLimits};
use voice_gateway::application::orders::Directory;
use voice_gateway::application::path::OnSilentPath;
use voice_gateway::application::ports::*;
use voice_gateway::application::prompt::{Emergency, Prompt};
use voice_gateway::application::recording::{PartsOf, RecordingRequest, RecordingSource};
use voice_gateway::application::refusing::RefusalWords;

/// What the fake providers do from now on.
#[derive(Default)]
pub struct Script {
    /// Codes with which the next listening sessions refuse to open.
    pub hearing_falls: VecDeque<&'static str>,
    /// Codes with which the next speaking sessions refuse to open.
    pub speaking_falls: VecDeque<&'static str>,
    /// Plugins whose sessions open and fall: listeners at once, speakers in the middle of their first clause.
    pub falling: Vec<&'static str>,
    /// Speakers that say a second of their first clause, and then nothing more.
    pub stalling: Vec<&'static str>,
    /// The agent takes a conversation never, rather than at once.
    pub agent_is_deaf: bool,
    /// Codes with which the agent's next answers fall.
    pub agent_falls: VecDeque<&'static str>,
    /// How long the agent takes for an answer; 300 ms where nothing is said.
    pub agent_takes: Option<Duration>,
    /// What a second listener does.
    pub beside: Beside,
    /// The listener's mailbox takes nothing.
    pub listener_is_stuck: bool,
    /// What each listener says at its end that it has worked.
    pub listener_worked: Option<Usage>,
    /// No recording begins.
    pub recorder_is_behind: bool,
    /// Why the vault does not keep the next cards.
    pub vault_falls: VecDeque<VaultError>,
    /// How long the vault takes.
    pub vault_takes: Duration,
    /// Legs of calls placed from now on cannot be built anew.
    pub reconnect_fault: Option<TelephonyError>,
    /// Nobody can be dialled.
    pub dial_fault: Option<DialError>,
    /// No tenant's settings are to be had.
    pub tenant_fault: Option<TenantError>,
    /// How long it takes until what was told outlives a crash; no time where nothing is said.
    pub disk_takes: Option<Duration>,
    /// There is no room for what further calls would tell.
    pub disk_is_full: bool,
    /// Callers' newest sound is kept, of calls that begin from now on.
    pub sound_is_kept: bool,
}

/// What a second listener (`stt-beside`) does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Beside {
    /// Understands this in every turn.
    Understands(&'static str),
    /// Falls with the first sound.
    #[default]
    Traps,
    /// Takes nothing.
    Blocks,
    /// Says something as often as it is asked.
    Floods,
}

/// A gateway with fake ports.
pub struct Rig {
    incoming: mpsc::Sender<IncomingCall>,
    stop: CancellationToken,
    run: tokio::task::JoinHandle<Drained>,
    live: Arc<AtomicUsize>,
    originator: Arc<dyn Originator>,
    directory: Arc<Directory>,
    dialled: Mutex<mpsc::Receiver<(DialOrder, Caller)>>,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    script: Mutex<Script>,
    observations: Mutex<Vec<Observation>>,
    facts: Mutex<Vec<(CallId, TenantId, Fact)>>,
    listeners: Mutex<VecDeque<mpsc::Sender<HearingEvent>>>,
    listener_inputs: Mutex<Vec<&'static str>>,
    heard_peaks: Mutex<Vec<u16>>,
    cards: Mutex<Vec<GivenCard>>,
    spoken: Mutex<Vec<String>>,
    recordings: Mutex<Vec<(RecordingRequest, RecordingSource)>>,
    forgotten: Mutex<Vec<(CallId, DeletionReason, PartsOf)>>,
    questions: Mutex<Vec<Question>>,
    closed: Mutex<Vec<ConversationId>>,
    calls: AtomicUsize,
    conversations: Mutex<Vec<ConversationRequest>>,
    snapshots: Mutex<Vec<CallSnapshot>>,
    let_go: Mutex<Vec<CallId>>,
    sounds: Mutex<Vec<SoundTold>>,
}

impl Shared {
    fn is_falling(&self, plugin: &PluginId) -> bool {
        self.script.lock().unwrap().falling.contains(&plugin.as_str())
    }
}

/// Who does the work of a house in place of the fakes that follow a [`Script`].
pub struct Parts {
    /// Listens.
    pub hearing: Arc<dyn Hearing>,
    /// Speaks.
    pub speaking: Arc<dyn Speaking>,
    /// Answers.
    pub agent: Arc<dyn Agent>,
    /// Knows the tenants.
    pub tenants: Arc<dyn Tenants>,
    /// Keeps cards; none: nobody.
    pub vault: Option<Arc<dyn Vault>>,
}

impl Parts {
    fn fake(agent: Arc<dyn Agent>, shared: &Arc<Shared>) -> Self {
        Self {
            hearing: Arc::new(FakeHearing(Arc::clone(shared))),
            speaking: Arc::new(FakeSpeaking(Arc::clone(shared))),
            agent,
            tenants: Arc::new(FakeTenants(Arc::clone(shared))),
            vault: Some(Arc::new(FakeVault(Arc::clone(shared)))),
        }
    }
}

/// The far end of one call.
pub struct Caller {
    /// Acts of the gateway on the leg, in order.
    pub acts: Arc<Mutex<Vec<String>>>,
    /// What happens to the leg.
    pub telephony: Option<mpsc::Sender<TelephonyEvent>>,
    /// Facts of the call.
    pub facts: mpsc::Receiver<Fact>,
    /// What the leg was told beside what to say.
    pub told: Vec<MouthCommand>,
    legs: mpsc::Receiver<FarLeg>,
    leg: Option<FarLeg>,
    shared: Arc<Shared>,
}

/// The far end of a media leg.
pub struct FarLeg {
    mouth: mpsc::Receiver<MouthCommand>,
    floor: watch::Receiver<MouthFloor>,
    /// What the Mouth was told last.
    known: MouthFloor,
    /// Where to report.
    pub events: mpsc::Sender<LegEvent>,
}

/// What a Mouth does.
#[derive(Debug)]
pub enum Order {
    /// Sound to play.
    Say {
        /// Whose.
        utterance: UtteranceId,
        /// Of `pcm`.
        rate_hz: u32,
        /// Linear samples.
        pcm: Vec<i16>,
    },
    /// No further sound of this utterance follows.
    End {
        /// Which one.
        utterance: UtteranceId,
    },
    /// Nothing that came so far is played any more.
    Hush,
    /// Stand still.
    Pause,
    /// Go on.
    GoOn,
}

impl FarLeg {
    fn new(mouth: mpsc::Receiver<MouthCommand>, floor: watch::Receiver<MouthFloor>, events: mpsc::Sender<LegEvent>) -> Self {
        Self { mouth, floor, known: MouthFloor::default(), events }
    }

    /// What the Mouth is to do next, or what the leg is told beside. None once the gateway has let go of it. Cancel-safe.
    pub async fn order(&mut self) -> Option<Result<Order, MouthCommand>> {
        loop {
            let floor = *self.floor.borrow_and_update();
            if floor.hushed > self.known.hushed {
                self.known = MouthFloor { paused: false, ..floor };
                return Some(Ok(Order::Hush));
            }
            if floor.paused != self.known.paused {
                self.known = floor;
                return Some(Ok(if floor.paused { Order::Pause } else { Order::GoOn }));
            }
            let command = tokio::select! {
                biased;
                Ok(()) = self.floor.changed() => continue,
                command = self.mouth.recv() => command?,
            };
            match command {
                MouthCommand::Say { utterance, .. } | MouthCommand::End { utterance } if Some(utterance) <= floor.hushed => {}
                MouthCommand::Say { utterance, rate_hz, pcm } => return Some(Ok(Order::Say { utterance, rate_hz, pcm })),
                MouthCommand::End { utterance } => return Some(Ok(Order::End { utterance })),
                other => return Some(Err(other)),
            }
        }
    }
}

impl Rig {
    /// A gateway for at most `calls_max` calls, with a goodbye of at most 10 s.
    pub fn start(calls_max: usize) -> Self {
        Self::telling(calls_max, RefusalWords::new())
    }

    /// The same, whose refused callers hear these words.
    pub fn telling(calls_max: usize, words: RefusalWords) -> Self {
        Self::with(calls_max, words, OnSilentPath::GoOn)
    }

    /// With all that can be chosen.
    pub fn with(calls_max: usize, words: RefusalWords, on_silent_path: OnSilentPath) -> Self {
        let shared = Arc::new(Shared::default());
        let agent = Arc::new(FakeAgent(Arc::clone(&shared)));
        Self::made_of(calls_max, words, on_silent_path, Parts::fake(agent, &shared), shared)
    }

    /// A gateway of other parts, for one call at a time.
    pub fn of(parts: Parts) -> Self {
        Self::made_of(1, RefusalWords::new(), OnSilentPath::GoOn, parts, Arc::default())
    }

    /// The same with an agent that is not fake. One that speaks over a socket needs a clock that is not paused.
    pub fn with_agent(calls_max: usize, agent: Arc<dyn Agent>) -> Self {
        let shared = Arc::default();
        let parts = Parts::fake(agent, &shared);
        Self::made_of(calls_max, RefusalWords::new(), OnSilentPath::GoOn, parts, shared)
    }

    fn made_of(calls_max: usize, words: RefusalWords, on_silent_path: OnSilentPath, parts: Parts, shared: Arc<Shared>) -> Self {
        let Parts { hearing, speaking, agent, tenants, vault } = parts;
        let services = Services {
            hearing,
            speaking,
            breakers: Arc::new(Breakers::new(Arc::new(Observations(Arc::clone(&shared))))),
            masks: None,
            agent,
            vault,
            facts: Arc::new(Published(Arc::clone(&shared))),
            observe: Arc::new(Observations(Arc::clone(&shared))),
            recorder: Some(Arc::new(FakeRecorder(Arc::clone(&shared)))),
            states: Some(Arc::new(FakeStates(Arc::clone(&shared)))),
            emergency: Arc::new(Emergency::new(Prompt::new(8_000, vec![7; 800]))),
            hold_tone: Arc::new(Prompt::new(8_000, vec![5; 800])),
            on_silent_path,
        };
        let limits = GatewayLimits { calls_max, grace: Duration::from_secs(10) };
        let gateway = Gateway::new(services, tenants, limits).telling(words);
        let (live, directory) = (gateway.live_calls(), gateway.directory());
        let (called, dialled) = mpsc::channel(8);
        let originator = Arc::new(gateway.originator(Arc::new(FakeDialler { shared: Arc::clone(&shared), called })));
        let dialled = Mutex::new(dialled);
        let (incoming, calls) = mpsc::channel(4);
        let stop = CancellationToken::new();
        #[expect(clippy::disallowed_methods, reason = "the rig owns the gateway it tests; joined by `stop`")]
        let run = tokio::spawn(gateway.run(calls, stop.clone()));
        Self { incoming, stop, run, live, originator, directory, dialled, shared }
    }

    /// Changes what the fakes do from now on.
    pub fn script(&self, change: impl FnOnce(&mut Script)) {
        change(&mut self.shared.script.lock().unwrap());
    }

    fn line(&self, acts: &Arc<Mutex<Vec<String>>>, legs: mpsc::Sender<FarLeg>) -> FakeLine {
        let reconnect_fault = self.shared.script.lock().unwrap().reconnect_fault.clone();
        FakeLine { acts: Arc::clone(acts), legs, reconnect_fault }
    }

    /// Places a call of the demo tenant.
    pub async fn call(&self) -> Caller {
        self.call_as(TenantHint::Default).await
    }

    /// Places a call of a tenant.
    pub async fn call_as(&self, tenant: TenantHint) -> Caller {
        let (telephony, events) = mpsc::channel(8);
        let (watcher, facts) = mpsc::channel(256);
        let (legs_tx, legs) = mpsc::channel(1);
        let acts = Arc::new(Mutex::new(Vec::new()));
        let n = self.shared.calls.fetch_add(1, Ordering::Relaxed);
        let call = IncomingCall {
            call: CallId::new(format!("call-{n}")),
            arrived: now(),
            channel: format!("chan-{n}"),
            channel_name: Some(format!("PJSIP/rig-{n:08x}")),
            caller: Pii::new("caller".to_owned()),
            dialled: Pii::new("100".to_owned()),
            tenant,
            endpoint: None,
            telephony: Box::new(self.line(&acts, legs_tx)),
            events,
            watcher: Some(watcher),
        };
        self.incoming.send(call).await.unwrap();
        let shared = Arc::clone(&self.shared);
        Caller { acts, telephony: Some(telephony), facts, told: Vec::new(), legs, leg: None, shared }
    }

    /// Makes a call for a tenant; gives its id, what was dialled, and who rings.
    pub async fn originate(&self, tenant: &str, to: &str) -> Result<(CallId, DialOrder, Caller), OriginateError> {
        let order = Originate {
            tenant: TenantId::new(tenant),
            to: Pii::new(to.to_owned()),
            from: None,
            agent: Some("sales".to_owned()),
            metadata: [("campaign".to_owned(), "spring".to_owned())].into(),
            timeout: Duration::from_secs(30),
        };
        let call = self.originator.originate(order).await?;
        let (dialled, person) = self.dialled.lock().unwrap().try_recv().expect("somebody rings");
        Ok((call, dialled, person))
    }

    /// The way to make calls.
    pub fn originator(&self) -> Arc<dyn Originator> {
        Arc::clone(&self.originator)
    }

    /// Gives an order to a call, as anybody.
    pub async fn order_as(&self, tenant: &str, call: &CallId, order: CallOrder) -> Result<(), OrderError> {
        self.directory.order(&TenantId::new(tenant), call, order).await
    }

    /// What the agent was told of conversations, so far.
    pub fn conversations(&self) -> Vec<ConversationRequest> {
        self.shared.conversations.lock().unwrap().clone()
    }

    /// Gives an order to the `nth` call of this rig, counted from 0, as its own tenant.
    pub async fn order(&self, nth: usize, order: CallOrder) -> Result<(), OrderError> {
        self.directory.order(&TenantId::new("virtual"), &CallId::new(format!("call-{nth}")), order).await
    }

    /// Calls that hold anything.
    pub fn live(&self) -> usize {
        self.live.load(Ordering::Relaxed)
    }

    /// Everything observed so far.
    pub fn observations(&self) -> Vec<Observation> {
        self.shared.observations.lock().unwrap().clone()
    }

    /// Everything that was told to the world so far.
    pub fn published(&self) -> Vec<(CallId, TenantId, Fact)> {
        self.shared.facts.lock().unwrap().clone()
    }

    /// What speakers spoke to its end so far.
    pub fn spoken(&self) -> Vec<String> {
        self.shared.spoken.lock().unwrap().clone()
    }

    /// What the listeners were told so far, by kind.
    pub fn listener_inputs(&self) -> Vec<&'static str> {
        self.shared.listener_inputs.lock().unwrap().clone()
    }

    /// What the fake agent was asked so far.
    pub fn questions(&self) -> Vec<Question> {
        self.shared.questions.lock().unwrap().clone()
    }

    /// Conversations that the fake agent may forget.
    pub fn closed(&self) -> Vec<ConversationId> {
        self.shared.closed.lock().unwrap().clone()
    }

    /// Recordings that began so far, from the writer's side.
    pub fn recordings(&self) -> Vec<(RecordingRequest, RecordingSource)> {
        std::mem::take(&mut self.shared.recordings.lock().unwrap())
    }

    /// Whose recordings were to be deleted so far, and why.
    pub fn forgotten(&self) -> Vec<(CallId, DeletionReason, PartsOf)> {
        self.shared.forgotten.lock().unwrap().clone()
    }

    /// Asks for the end of everything and waits for it.
    pub async fn stop(self) -> Drained {
        self.stop.cancel();
        self.run.await.unwrap()
    }

    /// Begins the drain without waiting for its end.
    pub fn begin_stop(&self) {
        self.stop.cancel();
    }
}

impl Caller {
    /// Waits for the fact that fits; panics after 60 virtual seconds.
    pub async fn fact<T>(&mut self, mut fit: impl FnMut(&Fact) -> Option<T>) -> T {
        let waiting = async {
            loop {
                let fact = self.facts.recv().await.expect("the call ended before the fact");
                if let Some(found) = fit(&fact) {
                    return found;
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(60), waiting).await.expect("the fact never came")
    }

    /// Waits for the end of the call and says why.
    pub async fn ended(&mut self) -> EndCause {
        self.fact(|fact| match fact {
            Fact::Ended(outcome) => Some(outcome.cause),
            _ => None,
        })
        .await
    }

    /// Listens to one utterance to its end, as a Mouth plays it; gives its id and length in samples.
    pub async fn listen(&mut self) -> (UtteranceId, usize) {
        let mut samples = 0;
        let mut audible = false;
        loop {
            match self.command().await {
                Order::Say { utterance, pcm, .. } => {
                    if !std::mem::replace(&mut audible, true) {
                        self.report(LegEvent::Audible { utterance, at: now() }).await;
                    }
                    samples += pcm.len();
                    tokio::time::sleep(Duration::from_millis(pcm.len() as u64 / 16)).await;
                }
                Order::End { utterance } => {
                    self.report(LegEvent::Ended { utterance }).await;
                    return (utterance, samples);
                }
                Order::Hush => self.report(LegEvent::Hushed { utterance: None, spoken_ms: 0 }).await,
                Order::Pause | Order::GoOn => {}
            }
        }
    }

    /// Takes the next piece of sound, and reports that it is audible.
    pub async fn hear_some(&mut self) {
        let Order::Say { utterance, .. } = self.command().await else { panic!("nothing is said") };
        self.report(LegEvent::Audible { utterance, at: now() }).await;
    }

    /// The next order to the Mouth; panics after 60 virtual seconds. What else the leg is told is kept in `told`.
    pub async fn command(&mut self) -> Order {
        loop {
            let order = tokio::time::timeout(Duration::from_secs(60), self.leg().await.order()).await;
            match order.expect("no order to the Mouth came").expect("the leg was dropped") {
                Ok(order) => return order,
                Err(told) => self.told.push(told),
            }
        }
    }

    /// Reports something from the leg.
    pub async fn report(&mut self, event: LegEvent) {
        let _ = self.leg().await.events.send(event).await;
    }

    /// Speaks for a second of virtual time; the listener will understand `words` when it is asked.
    pub async fn say(&mut self, words: &str) {
        self.report(LegEvent::SpeechStarted { at: now(), position_ms: 0 }).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        self.report(LegEvent::SpeechEnded { last_voiced: now(), position_ms: 1_000 }).await;
        let listener = self.listener();
        if !words.is_empty() {
            listener.send(HearingEvent::Partial { words: Heard::new(words.to_owned()), stability: None }).await.unwrap();
        }
    }

    /// The newest listening session of the house, from the provider's side.
    pub fn listener(&self) -> mpsc::Sender<HearingEvent> {
        self.shared.listeners.lock().unwrap().back().cloned().expect("a listening session")
    }

    /// Answers the listener's `Finalize` with these words.
    pub async fn understood(&mut self, words: &str) {
        let listener = self.listener();
        if !words.is_empty() {
            listener.send(HearingEvent::Final(Heard::new(words.to_owned()))).await.unwrap();
        }
        listener.send(HearingEvent::Finalized).await.unwrap();
    }

    /// Waits for the leg that is built in place of the one before.
    pub async fn new_leg(&mut self) {
        // The old one lives until the call takes the new one.
        let old = self.leg.take();
        self.leg().await;
        tokio::time::sleep(Duration::from_millis(1)).await;
        drop(old);
    }

    /// Waits until the leg was told to do so, as it was said in [`acts`](Self::acts); panics after 60 virtual seconds.
    pub async fn until_act(&self, act: &str) {
        let told = async {
            while !self.acts().iter().any(|told| told == act) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), told).await.unwrap_or_else(|_| panic!("never: {act}"));
    }

    /// The next media leg that is built, for whoever plays it alone: what it is told, and where to report. None once there will be none.
    pub async fn next_leg(&mut self) -> Option<FarLeg> {
        self.legs.recv().await
    }

    /// The media leg that was known is gone: the next thing said or heard is of a new one.
    pub fn forget_leg(&mut self) {
        self.leg = None;
    }

    /// Something happens to the leg.
    pub async fn happens(&self, event: TelephonyEvent) {
        self.telephony.as_ref().expect("the leg is there").send(event).await.expect("the call listens");
    }

    /// Hangs up.
    pub async fn hang_up(&mut self) {
        if let Some(telephony) = &self.telephony {
            let _ = telephony.send(TelephonyEvent::CallerGone).await;
        }
    }

    /// The acts on the leg so far.
    pub fn acts(&self) -> Vec<String> {
        self.acts.lock().unwrap().clone()
    }

    async fn leg(&mut self) -> &mut FarLeg {
        if self.leg.is_none() {
            let leg = tokio::time::timeout(Duration::from_secs(60), self.legs.recv()).await;
            self.leg = Some(leg.expect("media was never connected").expect("the call ended without media"));
        }
        self.leg.as_mut().unwrap()
    }
}

/// tokio's (paused) clock.
pub fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}
