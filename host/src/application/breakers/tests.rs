mod places;

use super::*;
use crate::application::ports::{
    Fall, Hearing, HearingEvent, HearingInput, Listen, Speak, Speaking, SpeakingEvent, SpeakingInput,
};
use std::collections::VecDeque;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use vg_domain::tenant::Ladder;
use vg_domain::tenant::Share;

/// What was observed of providers, in short.
#[derive(Default)]
struct Seen(Mutex<Vec<String>>);

impl Observe for Seen {
    fn observe(&self, observation: &Observation) {
        self.0.lock().unwrap().push(match observation {
            Observation::BreakerTurned { role, plugin, open, .. } => {
                format!("{role} {plugin} {}", if *open { "open" } else { "closed" })
            }
            Observation::SessionsHeld { tenant, plugin, sessions, .. } => format!("{tenant} {plugin} {sessions}"),
            Observation::SessionAwaited { plugin, outcome, .. } => format!("{plugin} {outcome}"),
            _ => return,
        });
    }
}

/// Providers that serve once `healthy`, and how often they were opened.
#[derive(Default)]
struct World {
    healthy: std::sync::atomic::AtomicBool,
    opened: AtomicUsize,
}

struct Session<E>(VecDeque<E>);

impl Hearing for World {
    fn open(&self, request: HearingRequest) -> Result<Box<dyn Listen>, Fall> {
        assert_eq!(request.call.as_str(), "probe", "it is no caller's session");
        self.opened.fetch_add(1, Relaxed);
        let fell = HearingEvent::Fell(Fall::new(request.provider.plugin, "trap"));
        Ok(Box::new(Session([if self.healthy.load(Relaxed) { HearingEvent::Finalized } else { fell }].into())))
    }
}

impl Listen for Session<HearingEvent> {
    fn try_tell(&mut self, _: HearingInput) -> Result<(), HearingInput> {
        Ok(())
    }

    fn poll_event(&mut self, _: &mut Context<'_>) -> Poll<Option<HearingEvent>> {
        Poll::Ready(self.0.pop_front())
    }
}

impl Speaking for World {
    fn open(&self, _: SpeakingRequest) -> Result<Box<dyn Speak>, Fall> {
        self.opened.fetch_add(1, Relaxed);
        // One that says that all is said, and has said nothing, does not serve.
        let audio = SpeakingEvent::Audio { rate_hz: 8_000, pcm: vec![1] };
        let events =
            if self.healthy.load(Relaxed) { vec![audio, SpeakingEvent::Flushed(0)] } else { vec![SpeakingEvent::Flushed(0)] };
        Ok(Box::new(Session(events.into())))
    }
}

impl Speak for Session<SpeakingEvent> {
    fn try_tell(&mut self, _: SpeakingInput) -> Result<(), SpeakingInput> {
        Ok(())
    }

    fn poll_event(&mut self, _: &mut Context<'_>) -> Poll<Option<SpeakingEvent>> {
        Poll::Ready(self.0.pop_front())
    }
}

fn provider(name: &str) -> Provider {
    Provider::new(PluginId::new(name), "{}")
}

fn ears(name: &str) -> Sample {
    Sample::Hearing(HearingRequest {
        call: CallId::new("call-1"),
        tenant: TenantId::new("acme"),
        provider: provider(name),
        language: "en-US".into(),
        rate_hz: 8_000,
        seat: Seat::default(),
    })
}

fn voice(name: &str) -> Sample {
    Sample::Speaking(SpeakingRequest {
        call: CallId::new("call-1"),
        tenant: TenantId::new("acme"),
        provider: provider(name),
        language: "en-US".into(),
        rate_hz: 8_000,
        lines: [].into(),
        seat: Seat::default(),
    })
}

fn climber(breakers: &Arc<Breakers>, tenant: &str) -> Climber {
    let ladder = Ladder::new(provider("a"), [provider("b"), provider("c")]);
    Climber::new(Arc::clone(breakers), Role::Hearing, TenantId::new(tenant), ladder, Duration::from_secs(2))
}

/// Who serves, where those of `away` do not open.
fn serves(climber: &mut Climber, away: &[&str]) -> Result<String, String> {
    let opened = climber.open(|provider, _| match provider.plugin.as_str() {
        name if away.contains(&name) => Err(Fall::new(provider.plugin.clone(), "no")),
        name => Ok(name.to_owned()),
    });
    opened.map(|opened| opened.expect("nobody is waited for").0).map_err(|fall| fall.plugin.to_string())
}

#[tokio::test(start_paused = true)]
async fn a_call_begins_with_the_first_that_opens_and_climbs_round() {
    let breakers = Arc::new(Breakers::new(Arc::new(Seen::default())));
    let mut climber = climber(&breakers, "acme");
    assert_eq!(serves(&mut climber, &[]), Ok("a".into()));
    assert_eq!(serves(&mut climber, &["a"]), Ok("b".into()));
    assert_eq!(serves(&mut climber, &[]), Ok("b".into()), "who serves goes on to");
    climber.climb();
    assert_eq!(serves(&mut climber, &["a", "b", "c"]), Err("c".into()), "the fall of whose turn it was");
    climber.climb();
    assert_eq!(serves(&mut climber, &[]), Ok("a".into()), "it may have recovered");
}

#[tokio::test(start_paused = true)]
async fn whoever_fell_three_times_in_any_calls_of_a_tenant_is_asked_last() {
    let seen = Arc::new(Seen::default());
    let breakers = Arc::new(Breakers::new(Arc::clone(&seen) as _));
    for _ in 0..3 {
        assert_eq!(serves(&mut climber(&breakers, "acme"), &[]), Ok("a".into()));
        climber(&breakers, "acme").fell(ears("a"), None);
    }
    assert_eq!(*seen.0.lock().unwrap(), ["hearing a open"]);
    assert_eq!(serves(&mut climber(&breakers, "acme"), &[]), Ok("b".into()));
    assert_eq!(serves(&mut climber(&breakers, "acme"), &["b", "c"]), Ok("a".into()), "nobody else is left");
    assert_eq!(serves(&mut climber(&breakers, "other"), &[]), Ok("a".into()), "another tenant has its own");
    climber(&breakers, "acme").served();
    assert_eq!(*seen.0.lock().unwrap(), ["hearing a open", "hearing a closed"]);
    assert_eq!(serves(&mut climber(&breakers, "acme"), &[]), Ok("a".into()));
}

#[tokio::test(start_paused = true)]
async fn a_breaker_is_probed_in_the_background_until_its_provider_serves() {
    for sample in [ears("a"), voice("a")] {
        let (seen, world, close) = (Arc::new(Seen::default()), Arc::new(World::default()), CancellationToken::new());
        let breakers = Arc::new(Breakers::new(Arc::clone(&seen) as _));
        let running = breakers.run(Arc::clone(&world) as _, Arc::clone(&world) as _, close.clone());
        let story = async {
            (0..3).for_each(|_| climber(&breakers, "acme").fell(sample.clone(), None));
            // After 5, 10 and 20 seconds.
            tokio::time::sleep(Duration::from_secs(36)).await;
            assert_eq!(world.opened.load(Relaxed), 3);
            assert_eq!(serves(&mut climber(&breakers, "acme"), &[]), Ok("b".into()));
            world.healthy.store(true, Relaxed);
            tokio::time::sleep(Duration::from_secs(40)).await;
            assert_eq!(world.opened.load(Relaxed), 4, "it is asked no more once it serves");
            assert_eq!(serves(&mut climber(&breakers, "acme"), &[]), Ok("a".into()));
            close.cancel();
        };
        tokio::join!(running, story);
        assert!(seen.0.lock().unwrap()[1].ends_with("a closed"));
    }
}

#[tokio::test(start_paused = true)]
async fn whose_budget_of_the_day_is_used_up_is_passed_over_until_midnight_and_the_last_never() {
    let share = Share { characters_per_day: Some(100), ..Share::default() };
    let rung = |name| Provider { share, ..provider(name) };
    let breakers = Arc::new(Breakers::new(Arc::new(Seen::default())));
    let acme = TenantId::new("acme");
    let climber = || {
        let ladder = Ladder::new(rung("a"), [rung("b"), rung("c")]);
        Climber::new(Arc::clone(&breakers), Role::Speaking, acme.clone(), ladder, Duration::from_secs(5))
    };
    let mut underway = climber();
    assert_eq!(serves(&mut underway, &[]), Ok("a".into()));
    let work = |name| breakers.worked(&acme, &rung(name), Usage { characters: 100, ..Usage::default() });
    work("a");
    assert_eq!(serves(&mut underway, &[]), Ok("b".into()), "a new session of a call that is up as well");
    assert_eq!(serves(&mut climber(), &["b"]), Ok("c".into()));
    work("b");
    work("c");
    assert_eq!(serves(&mut climber(), &[]), Ok("c".into()), "somebody has to serve");
    assert_eq!(serves(&mut climber(), &["c"]), Err("c".into()));
    tokio::time::advance(Duration::from_secs(24 * 3_600)).await;
    assert_eq!(serves(&mut climber(), &[]), Ok("a".into()));
}

#[tokio::test(start_paused = true)]
async fn who_is_passed_over_for_a_budget_is_counted() {
    #[derive(Default)]
    struct Codes(Mutex<Vec<(&'static str, &'static str)>>);
    impl Observe for Codes {
        fn observe(&self, observation: &Observation) {
            if let Observation::RungFell { role, code } = observation {
                self.0.lock().unwrap().push((role, code));
            }
        }
    }
    let share = Share { audio_s_per_day: Some(1), ..Share::default() };
    let first = Provider { share, ..provider("a") };
    let codes = Arc::new(Codes::default());
    let breakers = Arc::new(Breakers::new(Arc::clone(&codes) as _));
    let ladder = Ladder::new(first.clone(), [provider("b")]);
    let mut climber = Climber::new(Arc::clone(&breakers), Role::Hearing, TenantId::new("acme"), ladder, Duration::from_secs(2));
    breakers.worked(&TenantId::new("acme"), &first, Usage { audio_ms: 1_000, ..Usage::default() });
    assert_eq!(serves(&mut climber, &[]), Ok("b".into()));
    assert_eq!(*codes.0.lock().unwrap(), [("hearing", "budget")]);
}
