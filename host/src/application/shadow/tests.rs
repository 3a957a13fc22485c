use super::*;
use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use std::sync::Mutex;
use std::task::{Context, Poll};
use std::time::Duration;
use vg_domain::event::Agreement;
use vg_domain::ids::{PluginId, TenantId};
use vg_domain::mask::Heard;
use vg_domain::tenant::{Provider, Share};

/// What a second listener does with what it is told.
#[derive(Clone, Copy, PartialEq)]
enum Manner {
    /// Says so much to each `Finalize`.
    Says(&'static str),
    /// Falls at the first sound.
    Traps,
    /// Takes nothing.
    Blocks,
    /// Says something as often as it is asked.
    Floods,
}

#[derive(Default)]
struct World {
    manner: Mutex<Option<Manner>>,
    opened: Mutex<usize>,
    told: Mutex<Vec<&'static str>>,
    observed: Mutex<Vec<String>>,
}

struct Session(Arc<World>, Manner, VecDeque<HearingEvent>);

impl Hearing for Arc<World> {
    fn open(&self, request: HearingRequest) -> Result<Box<dyn Listen>, Fall> {
        assert_eq!(request.provider.plugin.as_str(), "stt-beside");
        *self.opened.lock().unwrap() += 1;
        Ok(Box::new(Session(Arc::clone(self), self.manner.lock().unwrap().unwrap(), VecDeque::new())))
    }
}

impl Listen for Session {
    fn try_tell(&mut self, input: HearingInput) -> Result<(), HearingInput> {
        let kind = match &input {
            HearingInput::Audio(_) => "audio",
            HearingInput::SpeechStarted(_) => "started",
            HearingInput::SpeechEnded(_) => "ended",
            HearingInput::Finalize => "finalize",
        };
        match self.1 {
            Manner::Blocks => return Err(input),
            Manner::Traps => self.2.push_back(HearingEvent::Fell(Fall::new(PluginId::new("stt-beside"), "trap"))),
            Manner::Says(words) if kind == "finalize" => {
                self.2.extend([HearingEvent::Final(Heard::new(words.to_owned())), HearingEvent::Finalized]);
            }
            Manner::Says(_) | Manner::Floods => {}
        }
        self.0.told.lock().unwrap().push(kind);
        Ok(())
    }

    fn poll_event(&mut self, _: &mut Context<'_>) -> Poll<Option<HearingEvent>> {
        if self.1 == Manner::Floods {
            return Poll::Ready(Some(HearingEvent::Partial { words: Heard::new("la la".to_owned()), stability: None }));
        }
        self.2.pop_front().map_or(Poll::Pending, |event| Poll::Ready(Some(event)))
    }
}

impl Observe for World {
    fn observe(&self, observation: &Observation) {
        self.observed.lock().unwrap().push(match observation {
            Observation::ShadowDropped { plugin, code } => format!("{plugin} {code}"),
            Observation::BreakerTurned { role, open, .. } => format!("{role} {open}"),
            _ => return,
        });
    }
}

struct Scene {
    world: Arc<World>,
    breakers: Arc<Breakers>,
}

impl Scene {
    fn of(manner: Manner) -> Self {
        let world = Arc::new(World { manner: Mutex::new(Some(manner)), ..World::default() });
        Self { breakers: Arc::new(Breakers::new(Arc::clone(&world) as _)), world }
    }

    fn call(&self, keep_words: bool) -> Shadow {
        let share = Share { sessions_max: Some(1), ..Share::default() };
        let provider = Provider { share, ..Provider::new(PluginId::new("stt-beside"), "{}") };
        let settings = ShadowSettings { provider, share_per_mille: 1_000, keep_words };
        let request = HearingRequest {
            call: CallId::new("c"),
            tenant: TenantId::new("acme"),
            provider: Provider::new(PluginId::new("stt-first"), "{}"),
            language: "en-US".to_owned(),
            rate_hz: 8_000,
            seat: Seat::default(),
        };
        let hearing = Arc::new(Arc::clone(&self.world));
        let observe = Arc::clone(&self.world) as _;
        let mut shadow = Shadow::of(&settings, hearing, Arc::clone(&self.breakers), observe, request).unwrap();
        shadow.start();
        shadow
    }

    fn observed(&self) -> Vec<String> {
        std::mem::take(&mut self.world.observed.lock().unwrap())
    }
}

fn speak(shadow: &mut Shadow) {
    shadow.speech_started(0);
    for _ in 0..10 {
        shadow.audio(&[0; 800]);
    }
    shadow.speech_ended(1_000);
}

/// What the listener who counts has understood, now.
fn understood(shadow: &mut Shadow, words: &str) {
    shadow.understood(&Mask::new().mask_final(Heard::new(words.to_owned())));
    shadow.finalized();
}

/// What there is by now, without waiting for more.
async fn told(shadow: &mut Shadow) -> Option<ShadowTurn> {
    tokio::time::timeout(Duration::from_millis(1), shadow.next()).await.ok()
}

#[tokio::test(start_paused = true)]
async fn words_of_a_turn_are_compared_and_only_their_number_is_told() {
    let scene = Scene::of(Manner::Says("What DIME is it?"));
    for (first, agreement, edited) in
        [("what dime, is it", Agreement::Same, 0), ("what time is it", Agreement::Differs, 1), ("", Agreement::Extra, 4)]
    {
        let mut shadow = scene.call(false);
        speak(&mut shadow);
        shadow.finalize();
        assert_eq!(told(&mut shadow).await, None, "the listener who counts has not understood it yet");
        tokio::time::sleep(Duration::from_millis(100)).await;
        understood(&mut shadow, first);
        let turn = told(&mut shadow).await.unwrap();
        assert_eq!((turn.agreement, turn.likeness.edited, turn.kept), (agreement, edited, None), "{first}");
        let earlier = turn.delay_ms.is_some_and(|ms| (-101..=-100).contains(&ms));
        assert_eq!(earlier, !first.is_empty(), "{:?}", turn.delay_ms);
    }
    assert_eq!(scene.observed(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn words_that_are_kept_went_through_a_mask() {
    let scene = Scene::of(Manner::Says("it is 4111 1111 1111 1111"));
    let mut shadow = scene.call(true);
    speak(&mut shadow);
    shadow.finalize();
    understood(&mut shadow, "it is mine");
    let kept = told(&mut shadow).await.unwrap().kept.unwrap();
    assert_eq!(kept.first.as_str(), "it is mine");
    assert!(!kept.second.as_str().contains("4111") && kept.second.as_str().starts_with("it is"), "{:?}", kept.second);
}

#[tokio::test(start_paused = true)]
async fn a_listener_that_is_asked_again_makes_no_second_turn() {
    let scene = Scene::of(Manner::Says("hello"));
    let mut shadow = scene.call(false);
    for _ in 0..2 {
        speak(&mut shadow);
        shadow.finalize();
        // Another took over, and is asked for the same.
        shadow.finalize();
        understood(&mut shadow, "hello");
        assert_eq!(told(&mut shadow).await.unwrap().agreement, Agreement::Same);
        assert_eq!(told(&mut shadow).await, None);
    }
    assert_eq!(scene.world.told.lock().unwrap().iter().filter(|kind| **kind == "finalize").count(), 2);
}

#[tokio::test(start_paused = true)]
async fn one_that_falls_blocks_or_floods_is_let_go_and_gives_its_place_back() {
    for (manner, code) in [(Manner::Traps, "trap"), (Manner::Blocks, "slow"), (Manner::Floods, "flood")] {
        let scene = Scene::of(manner);
        for _ in 0..3 {
            let mut shadow = scene.call(false);
            for _ in 0..3 {
                speak(&mut shadow);
                assert_eq!(told(&mut shadow).await, None);
            }
            shadow.finalize();
            understood(&mut shadow, "hello");
            assert_eq!(told(&mut shadow).await, None, "nothing is missing of what nobody heard");
            shadow.start();
            assert!(shadow.session.is_none() && shadow.backlog.is_empty(), "not in this call");
        }
        let dropped = format!("stt-beside {code}");
        assert_eq!(scene.observed(), [dropped.clone(), dropped.clone(), "shadow true".to_owned(), dropped]);
        assert_eq!(*scene.world.opened.lock().unwrap(), 3);
        scene.call(false);
        assert_eq!(*scene.world.opened.lock().unwrap(), 3, "its breaker is open: the next call does without");
        assert_eq!(scene.observed(), ["stt-beside breaker"]);
    }
}

#[tokio::test(start_paused = true)]
async fn what_it_works_is_added_up_and_counts_for_the_budget_of_whom_it_is() {
    let scene = Scene::of(Manner::Says("hello"));
    let mut shadow = scene.call(false);
    let share = Share { audio_s_per_day: Some(3), ..Share::default() };
    shadow.request.provider.share = share;
    let usage = |audio_ms| Usage { audio_ms, characters: 0, requests: 1 };
    let replace = |shadow: &mut Shadow, session| shadow.session.as_mut().unwrap().0 = Box::new(session);
    replace(&mut shadow, Working(Some(usage(2_000))));
    assert_eq!(told(&mut shadow).await, None, "that is no turn");
    shadow.stop();
    shadow.start();
    assert!(shadow.session.is_some() && scene.observed().is_empty(), "two seconds of three were worked so far");
    replace(&mut shadow, Working(None));
    shadow.stop();
    assert_eq!(shadow.settle().await, [(PluginId::new("stt-beside"), Usage { requests: 3, ..usage(4_000) })]);
    assert_eq!(shadow.settle().await, [], "it is told once");
    shadow.start();
    assert!(shadow.session.is_none(), "somebody else need not serve");
    assert_eq!(scene.observed(), ["stt-beside budget"]);
}

/// Says that it has worked so much, and a second and a request more when it parts.
struct Working(Option<Usage>);

impl Listen for Working {
    fn try_tell(&mut self, _: HearingInput) -> Result<(), HearingInput> {
        Ok(())
    }

    fn poll_event(&mut self, _: &mut Context<'_>) -> Poll<Option<HearingEvent>> {
        self.0.take().map_or(Poll::Pending, |usage| Poll::Ready(Some(HearingEvent::Usage(usage))))
    }

    fn part(self: Box<Self>) -> BoxStream<'static, Usage> {
        stream::iter([Usage { audio_ms: 1_000, characters: 0, requests: 1 }]).boxed()
    }
}

#[tokio::test(start_paused = true)]
async fn one_that_never_answers_holds_a_few_turns_and_no_more() {
    let scene = Scene::of(Manner::Says(""));
    let mut shadow = scene.call(false);
    scene.world.told.lock().unwrap().clear();
    if let Some((session, _)) = &mut shadow.session {
        *session = Box::new(Silent);
    }
    let mut missing = 0;
    for _ in 0..10 {
        speak(&mut shadow);
        shadow.finalize();
        understood(&mut shadow, "hello");
        while let Some(turn) = told(&mut shadow).await {
            assert_eq!(turn.agreement, Agreement::Missing);
            missing += 1;
        }
    }
    assert_eq!(missing, 6, "all but those that may yet come");
}

/// Takes everything and says nothing.
struct Silent;

impl Listen for Silent {
    fn try_tell(&mut self, _: HearingInput) -> Result<(), HearingInput> {
        Ok(())
    }

    fn poll_event(&mut self, _: &mut Context<'_>) -> Poll<Option<HearingEvent>> {
        Poll::Pending
    }
}

#[test]
fn of_all_calls_as_many_are_chosen_as_the_tenant_says() {
    let calls = || (0..10_000).map(|nth| CallId::new(format!("call-{nth}")));
    let chosen = |share| calls().filter(|call| is_chosen(call, share)).count();
    assert_eq!((chosen(0), chosen(1_000)), (0, 10_000));
    assert!(chosen(300).abs_diff(3_000) < 200, "{}", chosen(300));
    assert!(calls().all(|call| is_chosen(&call, 300) == is_chosen(&call, 300)));
}
