//! The virtual house: the real application and domain, fake ports, paused clock; no socket, no wasm.
//!
//! A [`Rig`] is a gateway; [`Rig::call`] places a call and gives its [`Caller`], who speaks by saying so, since the fake
//! listener hears what the caller's script says, and who hears what the Mouth is told to play.

mod line;
mod tenants;

pub use tenants::{CONFIRMED, LIMITED, RECORDED, outbound, settings};

use futures_util::future::BoxFuture;
use line::{FakeDialler, FakeLine};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use tenants::FakeTenants;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use vg_domain::call::AgentCommand;
use vg_domain::event::Fact;
use vg_domain::ids::{CallId, ConversationId, PluginId, TenantId, UtteranceId};
use vg_domain::keypad::Collect;
use vg_domain::mask::Heard;
use vg_domain::outcome::EndCause;
use vg_domain::pii::Pii;
use voice_gateway::application::call_task::{Prompt, Services};
use voice_gateway::application::gateway::{Drained, Gateway, GatewayLimits};
use voice_gateway::application::orders::Directory;
use voice_gateway::application::path::OnSilentPath;
use voice_gateway::application::ports::*;
use voice_gateway::application::recording::{self, Recorder, Recording, RecordingError, RecordingRequest, RecordingSource};
use voice_gateway::application::refusing::RefusalWords;

/// Samples a fake speaker gives for a clause: 200 ms at 16 kHz.
const CLAUSE_SAMPLES: usize = 3_200;

/// What the fake providers do from now on.
#[derive(Default)]
pub struct Script {
    /// Codes with which the next listening sessions refuse to open.
    pub hearing_falls: VecDeque<&'static str>,
    /// Codes with which the next speaking sessions refuse to open.
    pub speaking_falls: VecDeque<&'static str>,
    /// The agent takes a conversation never, rather than at once.
    pub agent_is_deaf: bool,
    /// How long the agent takes for an answer; 300 ms where nothing is said.
    pub agent_takes: Option<Duration>,
    /// The listener's mailbox takes nothing.
    pub listener_is_stuck: bool,
    /// No recording begins.
    pub recorder_is_behind: bool,
    /// Legs of calls placed from now on cannot be built anew.
    pub reconnect_fault: Option<TelephonyError>,
    /// Nobody can be dialled.
    pub dial_fault: Option<DialError>,
    /// No tenant's settings are to be had.
    pub tenant_fault: Option<TenantError>,
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
    recordings: Mutex<Vec<(RecordingRequest, RecordingSource)>>,
    questions: Mutex<Vec<Question>>,
    closed: Mutex<Vec<ConversationId>>,
    calls: AtomicUsize,
    conversations: Mutex<Vec<ConversationRequest>>,
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

struct FarLeg {
    mouth: mpsc::Receiver<MouthCommand>,
    events: mpsc::Sender<LegEvent>,
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
        Self::made_of(calls_max, words, on_silent_path, Arc::new(FakeAgent(Arc::clone(&shared))), shared)
    }

    /// The same with an agent that is not fake. One that speaks over a socket needs a clock that is not paused.
    pub fn with_agent(calls_max: usize, agent: Arc<dyn Agent>) -> Self {
        Self::made_of(calls_max, RefusalWords::new(), OnSilentPath::GoOn, agent, Arc::default())
    }

    fn made_of(
        calls_max: usize,
        words: RefusalWords,
        on_silent_path: OnSilentPath,
        agent: Arc<dyn Agent>,
        shared: Arc<Shared>,
    ) -> Self {
        let services = Services {
            hearing: Arc::new(FakeHearing(Arc::clone(&shared))),
            speaking: Arc::new(FakeSpeaking(Arc::clone(&shared))),
            agent,
            facts: Arc::new(Published(Arc::clone(&shared))),
            observe: Arc::new(Observations(Arc::clone(&shared))),
            recorder: Some(Arc::new(FakeRecorder(Arc::clone(&shared)))),
            emergency: Arc::new(Prompt::new(8_000, vec![7; 800])),
            on_silent_path,
        };
        let limits = GatewayLimits { calls_max, grace: Duration::from_secs(10) };
        let gateway = Gateway::new(services, Arc::new(FakeTenants(Arc::clone(&shared))), limits).telling(words);
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
                MouthCommand::Say { utterance, pcm, .. } => {
                    if !std::mem::replace(&mut audible, true) {
                        self.report(LegEvent::Audible { utterance, at: now() }).await;
                    }
                    samples += pcm.len();
                    tokio::time::sleep(Duration::from_millis(pcm.len() as u64 / 16)).await;
                }
                MouthCommand::End { utterance } => {
                    self.report(LegEvent::Ended { utterance }).await;
                    return (utterance, samples);
                }
                MouthCommand::Hush => self.report(LegEvent::Hushed { utterance: None, spoken_ms: 0 }).await,
                MouthCommand::Record(_) | MouthCommand::StopRecording | MouthCommand::Watch { .. } => {
                    unreachable!("kept by `command`")
                }
            }
        }
    }

    /// The next order to the Mouth; panics after 60 virtual seconds. What else the leg is told is kept in `told`.
    pub async fn command(&mut self) -> MouthCommand {
        loop {
            let order = tokio::time::timeout(Duration::from_secs(60), self.leg().await.mouth.recv()).await;
            match order.expect("no order to the Mouth came").expect("the leg was dropped") {
                order @ (MouthCommand::Record(_) | MouthCommand::StopRecording | MouthCommand::Watch { .. }) => {
                    self.told.push(order)
                }
                order => return order,
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
            listener.send(HearingEvent::Partial(Heard::new(words.to_owned()))).await.unwrap();
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

struct FakeRecorder(Arc<Shared>);

impl Recorder for FakeRecorder {
    fn start(&self, request: RecordingRequest) -> Result<Recording, RecordingError> {
        if self.0.script.lock().unwrap().recorder_is_behind {
            return Err(RecordingError::Busy);
        }
        let (recording, source) = recording::ends();
        self.0.recordings.lock().unwrap().push((request, source));
        Ok(recording)
    }
}

struct FakeHearing(Arc<Shared>);

impl Hearing for FakeHearing {
    fn open(&self, request: HearingRequest) -> Result<Box<dyn Listen>, Fall> {
        if let Some(code) = self.0.script.lock().unwrap().hearing_falls.pop_front() {
            return Err(Fall { plugin: request.ladder.first().plugin.clone(), code });
        }
        let (tx, events) = mpsc::channel(32);
        self.0.listeners.lock().unwrap().push_back(tx);
        Ok(Box::new(FakeListener { shared: Arc::clone(&self.0), events }))
    }
}

struct FakeListener {
    shared: Arc<Shared>,
    events: mpsc::Receiver<HearingEvent>,
}

impl Listen for FakeListener {
    fn try_tell(&mut self, input: HearingInput) -> Result<(), HearingInput> {
        if self.shared.script.lock().unwrap().listener_is_stuck {
            return Err(input);
        }
        let kind = match input {
            HearingInput::Audio(_) => "audio",
            HearingInput::SpeechStarted(_) => "speech-started",
            HearingInput::SpeechEnded(_) => "speech-ended",
            HearingInput::Finalize => "finalize",
        };
        self.shared.listener_inputs.lock().unwrap().push(kind);
        Ok(())
    }

    fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<Option<HearingEvent>> {
        self.events.poll_recv(cx)
    }
}

struct FakeSpeaking(Arc<Shared>);

impl Speaking for FakeSpeaking {
    fn open(&self, request: SpeakingRequest) -> Result<Box<dyn Speak>, Fall> {
        if let Some(code) = self.0.script.lock().unwrap().speaking_falls.pop_front() {
            return Err(Fall { plugin: request.ladder.first().plugin.clone(), code });
        }
        let plugin = request.ladder.first().plugin.clone();
        Ok(Box::new(FakeSpeaker { plugin, rate_hz: request.rate_hz, events: VecDeque::new(), waker: None }))
    }
}

struct FakeSpeaker {
    plugin: PluginId,
    rate_hz: u32,
    events: VecDeque<SpeakingEvent>,
    waker: Option<std::task::Waker>,
}

impl Speak for FakeSpeaker {
    fn try_tell(&mut self, input: SpeakingInput) -> Result<(), SpeakingInput> {
        match input {
            SpeakingInput::Text(_) => {
                self.events.push_back(SpeakingEvent::Audio { rate_hz: self.rate_hz, pcm: vec![1_000; CLAUSE_SAMPLES] });
            }
            SpeakingInput::Flush(mark) => self.events.push_back(SpeakingEvent::Flushed(mark)),
            SpeakingInput::Cancel => {
                self.events.clear();
                self.events.push_back(SpeakingEvent::Cancelled);
            }
        }
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
        Ok(())
    }

    fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<Option<SpeakingEvent>> {
        match self.events.pop_front() {
            Some(event) => Poll::Ready(Some(event)),
            None => {
                self.waker = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }

    fn plugin(&self) -> &PluginId {
        &self.plugin
    }
}

struct FakeAgent(Arc<Shared>);

impl Agent for FakeAgent {
    fn open(&self, request: ConversationRequest) -> BoxFuture<'_, Result<ConversationId, AgentError>> {
        let deaf = self.0.script.lock().unwrap().agent_is_deaf;
        self.0.conversations.lock().unwrap().push(request.clone());
        Box::pin(async move {
            if deaf {
                return std::future::pending().await;
            }
            Ok(ConversationId::new(request.call.as_str()))
        })
    }

    /// Repeats the question after a while; "goodbye" hangs up, "human" asks for one, "number" for digits.
    fn ask(&self, question: Question) -> BoxFuture<'_, Result<mpsc::Receiver<AgentEvent>, AgentError>> {
        self.0.questions.lock().unwrap().push(question.clone());
        let takes = self.0.script.lock().unwrap().agent_takes.unwrap_or(Duration::from_millis(300));
        Box::pin(async move {
            tokio::time::sleep(takes).await;
            let (tx, rx) = mpsc::channel(4);
            let command = match question.text.as_str() {
                "goodbye" => Some(AgentCommand::HangUp),
                "human" => Some(AgentCommand::Human),
                "number" => {
                    let (first, between) = (Duration::from_secs(6), Duration::from_secs(3));
                    Some(AgentCommand::Collect(Collect::new(19, Some('#'), first, between)))
                }
                _ => None,
            };
            tx.send(AgentEvent::Text(format!("You said: {}.", question.text.as_str()))).await.unwrap();
            tx.send(AgentEvent::Done(command)).await.unwrap();
            Ok(rx)
        })
    }

    fn close(&self, conversation: &ConversationId) {
        self.0.closed.lock().unwrap().push(conversation.clone());
    }
}

struct Published(Arc<Shared>);

impl Facts for Published {
    fn publish(&self, call: &CallId, tenant: &TenantId, fact: &Fact) {
        self.0.facts.lock().unwrap().push((call.clone(), tenant.clone(), fact.clone()));
    }
}

struct Observations(Arc<Shared>);

impl Observe for Observations {
    fn observe(&self, observation: &Observation) {
        self.0.observations.lock().unwrap().push(observation.clone());
    }
}
