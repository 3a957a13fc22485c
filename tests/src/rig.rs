//! The virtual house: the real application and domain, fake ports, paused clock; no socket, no wasm.
//!
//! A [`Rig`] is a gateway; [`Rig::call`] places a call and gives its [`Caller`], who speaks by saying so, since the fake
//! listener hears what the caller's script says, and who hears what the Mouth is told to play.

use futures_util::future::BoxFuture;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use vg_domain::call::AgentCommand;
use vg_domain::event::Fact;
use vg_domain::ids::{CallId, ConversationId, PluginId, TenantId, UtteranceId};
use vg_domain::mask::Heard;
use vg_domain::outcome::EndCause;
use vg_domain::pii::Pii;
use vg_domain::tenant::{Ladder, Prompts, Provider, TenantSettings, Timing};
use voice_gateway::application::call_task::{Prompt, Services};
use voice_gateway::application::gateway::{Drained, Gateway, GatewayLimits};
use voice_gateway::application::ports::*;
use voice_gateway::application::recording::{self, Recorder, Recording, RecordingError, RecordingRequest, RecordingSource};

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
    /// The listener's mailbox takes nothing.
    pub listener_is_stuck: bool,
    /// No recording begins.
    pub recorder_is_behind: bool,
}

/// A gateway with fake ports.
pub struct Rig {
    incoming: mpsc::Sender<IncomingCall>,
    stop: CancellationToken,
    run: tokio::task::JoinHandle<Drained>,
    live: Arc<AtomicUsize>,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    script: Mutex<Script>,
    observations: Mutex<Vec<Observation>>,
    listeners: Mutex<VecDeque<mpsc::Sender<HearingEvent>>>,
    listener_inputs: Mutex<Vec<&'static str>>,
    recordings: Mutex<Vec<(RecordingRequest, RecordingSource)>>,
    calls: AtomicUsize,
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
        let shared = Arc::new(Shared::default());
        let services = Services {
            hearing: Arc::new(FakeHearing(Arc::clone(&shared))),
            speaking: Arc::new(FakeSpeaking(Arc::clone(&shared))),
            agent: Arc::new(FakeAgent(Arc::clone(&shared))),
            facts: Arc::new(NoFacts),
            observe: Arc::new(Observations(Arc::clone(&shared))),
            recorder: Some(Arc::new(FakeRecorder(Arc::clone(&shared)))),
            emergency: Arc::new(Prompt::new(8_000, vec![7; 800])),
        };
        let limits = GatewayLimits { calls_max, grace: Duration::from_secs(10) };
        let gateway = Gateway::new(services, Arc::new(FakeTenants), limits);
        let live = gateway.live_calls();
        let (incoming, calls) = mpsc::channel(4);
        let stop = CancellationToken::new();
        #[expect(clippy::disallowed_methods, reason = "the rig owns the gateway it tests; joined by `stop`")]
        let run = tokio::spawn(gateway.run(calls, stop.clone()));
        Self { incoming, stop, run, live, shared }
    }

    /// Changes what the fakes do from now on.
    pub fn script(&self, change: impl FnOnce(&mut Script)) {
        change(&mut self.shared.script.lock().unwrap());
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
            channel: format!("chan-{n}"),
            caller: Pii::new("caller".to_owned()),
            dialled: Pii::new("100".to_owned()),
            tenant,
            endpoint: None,
            telephony: Box::new(FakeLine { acts: Arc::clone(&acts), legs: legs_tx }),
            events,
            watcher: Some(watcher),
        };
        self.incoming.send(call).await.unwrap();
        let shared = Arc::clone(&self.shared);
        Caller { acts, telephony: Some(telephony), facts, told: Vec::new(), legs, leg: None, shared }
    }

    /// Calls that hold anything.
    pub fn live(&self) -> usize {
        self.live.load(Ordering::Relaxed)
    }

    /// Everything observed so far.
    pub fn observations(&self) -> Vec<Observation> {
        self.shared.observations.lock().unwrap().clone()
    }

    /// What the listeners were told so far, by kind.
    pub fn listener_inputs(&self) -> Vec<&'static str> {
        self.shared.listener_inputs.lock().unwrap().clone()
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
                MouthCommand::Record(_) | MouthCommand::Watch { .. } => unreachable!("kept by `command`"),
            }
        }
    }

    /// The next order to the Mouth; panics after 60 virtual seconds. What else the leg is told is kept in `told`.
    pub async fn command(&mut self) -> MouthCommand {
        loop {
            let order = tokio::time::timeout(Duration::from_secs(60), self.leg().await.mouth.recv()).await;
            match order.expect("no order to the Mouth came").expect("the leg was dropped") {
                order @ (MouthCommand::Record(_) | MouthCommand::Watch { .. }) => self.told.push(order),
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

/// Settings of the virtual tenant.
pub fn settings() -> TenantSettings {
    let provider = |plugin: &str| Ladder::from(Provider::new(PluginId::new(plugin), "{}"));
    TenantSettings {
        tenant: TenantId::new("virtual"),
        language: "en-US".to_owned(),
        greeting: "Welcome to the virtual house.".to_owned(),
        hearing: provider("stt-fake"),
        speaking: provider("tts-fake"),
        prompts: Prompts {
            not_understood: "Pardon?".to_owned(),
            agent_unavailable: "Nobody can answer now.".to_owned(),
            farewell: "Goodbye.".to_owned(),
        },
        timing: Timing::default(),
        human: Some("people,s".to_owned()),
        recording: false,
    }
}

/// A tenant whose calls are recorded.
pub const RECORDED: &str = "recorded";

struct FakeTenants;

impl Tenants for FakeTenants {
    fn settings<'a>(&'a self, arrival: &'a Arrival) -> BoxFuture<'a, Result<Admission, TenantError>> {
        Box::pin(async move {
            match &arrival.hint {
                TenantHint::Default => Ok(Admission::unconfirmed(Arc::new(settings()))),
                TenantHint::Named(name) => self.named(name).await.map(Admission::unconfirmed),
            }
        })
    }

    fn named<'a>(&'a self, tenant: &'a TenantId) -> BoxFuture<'a, Result<Arc<TenantSettings>, TenantError>> {
        Box::pin(async move {
            match tenant.as_str() {
                RECORDED => Ok(Arc::new(TenantSettings { recording: true, ..settings() })),
                _ => Err(TenantError::Unknown),
            }
        })
    }
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

struct FakeLine {
    acts: Arc<Mutex<Vec<String>>>,
    legs: mpsc::Sender<FarLeg>,
}

impl FakeLine {
    fn act(&self, act: &str) -> BoxFuture<'_, Result<(), TelephonyError>> {
        self.acts.lock().unwrap().push(act.to_owned());
        // A round trip to Asterisk.
        Box::pin(async {
            tokio::time::sleep(Duration::from_millis(5)).await;
            Ok(())
        })
    }
}

impl Telephony for FakeLine {
    fn ring(&mut self) -> BoxFuture<'_, Result<(), TelephonyError>> {
        self.act("ring")
    }

    fn connect_media(&mut self) -> BoxFuture<'_, Result<MediaLeg, TelephonyError>> {
        self.acts.lock().unwrap().push("connect-media".to_owned());
        Box::pin(async {
            tokio::time::sleep(Duration::from_millis(20)).await;
            let (mouth_tx, mouth) = mpsc::channel(8);
            let (events, events_rx) = mpsc::channel(64);
            let _ = self.legs.send(FarLeg { mouth, events }).await;
            Ok(MediaLeg { mouth: mouth_tx, events: events_rx, rate_hz: 16_000 })
        })
    }

    fn answer(&mut self) -> BoxFuture<'_, Result<(), TelephonyError>> {
        self.act("answer")
    }

    fn transfer(&mut self, target: &str) -> BoxFuture<'_, Result<(), TelephonyError>> {
        self.act(&format!("transfer {target}"))
    }

    fn hang_up(&mut self, cause: EndCause) -> BoxFuture<'_, Result<(), TelephonyError>> {
        self.act(&format!("hang-up {}", cause.code()))
    }

    fn release(&mut self) -> BoxFuture<'_, Result<(), TelephonyError>> {
        self.act("release")
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
        Ok(Box::new(FakeSpeaker { rate_hz: request.rate_hz, events: VecDeque::new(), waker: None }))
    }
}

struct FakeSpeaker {
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
}

struct FakeAgent(Arc<Shared>);

impl Agent for FakeAgent {
    fn open(&self, request: ConversationRequest) -> BoxFuture<'_, Result<ConversationId, AgentError>> {
        let deaf = self.0.script.lock().unwrap().agent_is_deaf;
        Box::pin(async move {
            if deaf {
                return std::future::pending().await;
            }
            Ok(ConversationId::new(request.call.as_str()))
        })
    }

    /// Repeats the question after 300 ms; "goodbye" hangs up, "human" asks for one.
    fn ask(&self, question: Question) -> BoxFuture<'_, Result<mpsc::Receiver<AgentEvent>, AgentError>> {
        Box::pin(async move {
            tokio::time::sleep(Duration::from_millis(300)).await;
            let (tx, rx) = mpsc::channel(4);
            let command = match question.text.as_str() {
                "goodbye" => Some(AgentCommand::HangUp),
                "human" => Some(AgentCommand::Human),
                _ => None,
            };
            tx.send(AgentEvent::Text(format!("You said: {}.", question.text.as_str()))).await.unwrap();
            tx.send(AgentEvent::Done(command)).await.unwrap();
            Ok(rx)
        })
    }
}

struct NoFacts;

impl Facts for NoFacts {
    fn publish(&self, _: &CallId, _: &TenantId, _: &Fact) {}
}

struct Observations(Arc<Shared>);

impl Observe for Observations {
    fn observe(&self, observation: &Observation) {
        self.0.observations.lock().unwrap().push(observation.clone());
    }
}
