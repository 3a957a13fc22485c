//! Who does the parts of the house that are not under test.

use super::{Beside, Shared};
use futures_util::future::BoxFuture;
use futures_util::stream::{self, BoxStream, StreamExt};
use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::mpsc;
use vg_domain::call::{AgentCommand, Hint};
use vg_domain::card::{CardCollect, CardField};
use vg_domain::event::Fact;
use vg_domain::fallback::Intent;
use vg_domain::ids::{CallId, ConversationId, PluginId, TenantId};
use vg_domain::keypad::Collect;
use vg_domain::mask::Heard;
use vg_domain::recording::DeletionReason;
use vg_domain::usage::Usage;
use voice_gateway::application::ports::*;
use voice_gateway::application::recording::{self, PartsOf, Recorder, Recording, RecordingError, RecordingRequest};

/// Samples a fake speaker gives for a clause: 200 ms at 16 kHz.
const CLAUSE_SAMPLES: usize = 3_200;
/// Samples of the clause over which a falling speaker falls: a second of it.
const FALLING_SAMPLES: usize = 16_000;

pub(super) struct FakeRecorder(pub(super) Arc<Shared>);

impl Recorder for FakeRecorder {
    fn start(&self, request: RecordingRequest) -> Result<Recording, RecordingError> {
        if self.0.script.lock().unwrap().recorder_is_behind {
            return Err(RecordingError::Busy);
        }
        let (recording, source) = recording::ends();
        self.0.recordings.lock().unwrap().push((request, source));
        Ok(recording)
    }

    fn forget(&self, _: &TenantId, call: &CallId, why: DeletionReason, parts: PartsOf) {
        self.0.forgotten.lock().unwrap().push((call.clone(), why, parts));
    }
}

pub(super) struct FakeHearing(pub(super) Arc<Shared>);

impl Hearing for FakeHearing {
    fn open(&self, request: HearingRequest) -> Result<Box<dyn Listen>, Fall> {
        if let Some(code) = self.0.script.lock().unwrap().hearing_falls.pop_front() {
            return Err(Fall::new(request.provider.plugin.clone(), code));
        }
        if request.provider.plugin.as_str() == "stt-beside" {
            let script = self.0.script.lock().unwrap();
            let (manner, worked) = (script.beside, script.listener_worked);
            return Ok(Box::new(SecondListener { manner, worked, events: VecDeque::new() }));
        }
        let (tx, events) = mpsc::channel(32);
        if self.0.is_falling(&request.provider.plugin) {
            let _ = tx.try_send(HearingEvent::Fell(Fall::new(request.provider.plugin, "trap")));
            return Ok(Box::new(FakeListener { shared: Arc::clone(&self.0), events }));
        }
        self.0.listeners.lock().unwrap().push_back(tx);
        Ok(Box::new(FakeListener { shared: Arc::clone(&self.0), events }))
    }
}

struct SecondListener {
    manner: Beside,
    worked: Option<Usage>,
    events: VecDeque<HearingEvent>,
}

impl Listen for SecondListener {
    fn try_tell(&mut self, input: HearingInput) -> Result<(), HearingInput> {
        match (self.manner, &input) {
            (Beside::Blocks, _) => return Err(input),
            (Beside::Traps, _) => {
                self.events.push_back(HearingEvent::Fell(Fall::new(PluginId::new("stt-beside"), "trap")));
            }
            (Beside::Understands(words), HearingInput::Finalize) => {
                let words = Heard::new(words.to_owned());
                self.events.extend([HearingEvent::Final(words), HearingEvent::Finalized]);
            }
            (Beside::Understands(_) | Beside::Floods, _) => {}
        }
        Ok(())
    }

    fn poll_event(&mut self, _: &mut Context<'_>) -> Poll<Option<HearingEvent>> {
        if self.manner == Beside::Floods {
            return Poll::Ready(Some(HearingEvent::Final(Heard::new("la la la".to_owned()))));
        }
        // Who tells it something asks it again: the same task does both.
        self.events.pop_front().map_or(Poll::Pending, |event| Poll::Ready(Some(event)))
    }

    fn part(self: Box<Self>) -> BoxStream<'static, Usage> {
        stream::iter(self.worked).boxed()
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
        if let HearingInput::Audio(pcm) = &input {
            let peak = pcm.iter().map(|sample| sample.unsigned_abs()).max().unwrap_or(0);
            self.shared.heard_peaks.lock().unwrap().push(peak);
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

    fn part(self: Box<Self>) -> BoxStream<'static, Usage> {
        stream::iter(self.shared.script.lock().unwrap().listener_worked).boxed()
    }
}

pub(super) struct FakeSpeaking(pub(super) Arc<Shared>);

impl Speaking for FakeSpeaking {
    fn open(&self, request: SpeakingRequest) -> Result<Box<dyn Speak>, Fall> {
        if let Some(code) = self.0.script.lock().unwrap().speaking_falls.pop_front() {
            return Err(Fall::new(request.provider.plugin.clone(), code));
        }
        let plugin = request.provider.plugin;
        let stalls = self.0.script.lock().unwrap().stalling.contains(&plugin.as_str());
        let falls = self.0.is_falling(&plugin).then_some(Fall::new(plugin, "trap"));
        Ok(Box::new(FakeSpeaker {
            shared: Arc::clone(&self.0),
            falls,
            stalls,
            rate_hz: request.rate_hz,
            events: VecDeque::new(),
            waker: None,
        }))
    }
}

struct FakeSpeaker {
    shared: Arc<Shared>,
    falls: Option<Fall>,
    stalls: bool,
    rate_hz: u32,
    events: VecDeque<SpeakingEvent>,
    waker: Option<std::task::Waker>,
}

impl Speak for FakeSpeaker {
    fn try_tell(&mut self, input: SpeakingInput) -> Result<(), SpeakingInput> {
        match input {
            SpeakingInput::Flush(_) if self.stalls => {}
            SpeakingInput::Text(_) if self.falls.is_some() || self.stalls => {
                self.events.push_back(SpeakingEvent::Audio { rate_hz: self.rate_hz, pcm: vec![1_000; FALLING_SAMPLES] });
                self.events.extend(self.falls.take().map(SpeakingEvent::Fell));
            }
            SpeakingInput::Text(text) => {
                self.shared.spoken.lock().unwrap().push(text.trim().to_owned());
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

pub(super) struct FakeAgent(pub(super) Arc<Shared>);

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

    /// Repeats the question after a while; "goodbye" hangs up, "human" asks for one, "number" for digits, "pin" for few, "card" for one; it knows what parcels are about.
    fn ask(&self, question: Question) -> BoxFuture<'_, Result<mpsc::Receiver<AgentEvent>, AgentError>> {
        self.0.questions.lock().unwrap().push(question.clone());
        let takes = self.0.script.lock().unwrap().agent_takes.unwrap_or(Duration::from_millis(300));
        let falls = self.0.script.lock().unwrap().agent_falls.pop_front();
        Box::pin(async move {
            tokio::time::sleep(takes).await;
            let (tx, rx) = mpsc::channel(4);
            if let Some(code) = falls {
                tx.send(AgentEvent::Fell(code)).await.unwrap();
                return Ok(rx);
            }
            if question.text.as_str().contains("parcel") {
                tx.send(AgentEvent::Hint(Hint::Intent(Intent::parse("delivery").unwrap()))).await.unwrap();
            }
            let command = match question.text.as_str() {
                "goodbye" => Some(AgentCommand::HangUp),
                "human" => Some(AgentCommand::Human),
                "number" => {
                    let (first, between) = (Duration::from_secs(6), Duration::from_secs(3));
                    Some(AgentCommand::Collect(Collect::new(19, Some('#'), first, between)))
                }
                "pin" => {
                    let (first, between) = (Duration::from_secs(6), Duration::from_secs(3));
                    Some(AgentCommand::Collect(Collect::new(4, None, first, between)))
                }
                "card" => {
                    let (first, between) = (Duration::from_secs(6), Duration::from_secs(3));
                    CardCollect::new(&CardField::ALL, first, between).map(AgentCommand::CollectCard)
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

pub(super) struct Published(pub(super) Arc<Shared>);

impl Facts for Published {
    fn publish(&self, Subject { call, tenant, .. }: Subject<'_>, fact: &Fact) {
        self.0.facts.lock().unwrap().push((call.clone(), tenant.clone(), fact.clone()));
    }

    fn committed(&self) -> BoxFuture<'static, ()> {
        let takes = self.0.script.lock().unwrap().disk_takes;
        Box::pin(async move {
            if let Some(takes) = takes {
                tokio::time::sleep(takes).await;
            }
        })
    }

    fn has_room(&self) -> bool {
        !self.0.script.lock().unwrap().disk_is_full
    }
}

pub(super) struct Observations(pub(super) Arc<Shared>);

impl Observe for Observations {
    fn observe(&self, observation: &Observation) {
        self.0.observations.lock().unwrap().push(observation.clone());
    }
}
