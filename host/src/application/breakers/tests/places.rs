//! How many sessions there are at a time, and who waits for one.

use super::*;
use crate::application::clock::now;
use crate::application::limits;
use vg_domain::tenant::Share;

const WAIT: Duration = Duration::from_millis(300);

fn limited(name: &str, sessions_max: u32) -> Provider {
    Provider { share: Share { sessions_max: Some(sessions_max), ..Share::default() }, ..provider(name) }
}

/// `a` may have so many sessions, `b` two.
fn crowded(breakers: &Arc<Breakers>, sessions_max: u32) -> Climber {
    let ladder = Ladder::new(limited("a@1.0", sessions_max), [limited("b", 2), provider("c")]);
    Climber::new(Arc::clone(breakers), Role::Speaking, TenantId::new("acme"), ladder, Duration::from_secs(2))
}

fn seen() -> (Arc<Seen>, Arc<Breakers>) {
    let seen = Arc::new(Seen::default());
    (Arc::clone(&seen), Arc::new(Breakers::new(seen)))
}

fn told(seen: &Seen) -> Vec<String> {
    std::mem::take(&mut seen.0.lock().unwrap())
}

fn at_once(climber: &mut Climber) -> Option<(String, Seat)> {
    climber.open(name).unwrap()
}

async fn in_time(climber: &mut Climber) -> (String, Seat) {
    climber.seated().await;
    climber.go_on(name).unwrap().expect("nobody else is waited for")
}

fn name(provider: &Provider, _: Seat) -> Result<String, Fall> {
    Ok(provider.plugin.plain().to_owned())
}

fn codes(climber: &mut Climber) -> Vec<String> {
    std::iter::from_fn(|| climber.take_passed()).map(|fall| format!("{} {}", fall.plugin, fall.code)).collect()
}

#[tokio::test(start_paused = true)]
async fn one_session_too_many_waits_its_turn_and_has_the_place_that_becomes_free() {
    let (seen, breakers) = seen();
    let [mut first, mut second, mut third] = [(); 3].map(|()| crowded(&breakers, 1));
    let (serves, seat) = at_once(&mut first).unwrap();
    assert_eq!(serves, "a");
    assert!(at_once(&mut second).is_none() && second.is_waiting());
    assert!(at_once(&mut third).is_none());
    // A place is free when the last who holds it lets go: the guest may end later than the call.
    let guest = seat.clone();
    drop(seat);
    tokio::time::sleep(WAIT / 3).await;
    assert_eq!(told(&seen), ["acme a 1"]);
    drop(guest);
    let (serves, second_seat) = in_time(&mut second).await;
    assert_eq!((serves.as_str(), second.is_waiting()), ("a", false));
    assert_eq!(told(&seen), ["acme a 1", "a seated"], "it is the second's at once: nobody overtakes");
    drop(second_seat);
    let (serves, third_seat) = in_time(&mut third).await;
    assert_eq!(serves, "a");
    drop(third_seat);
    assert_eq!(told(&seen), ["acme a 1", "a seated", "acme a 0"]);
}

#[tokio::test(start_paused = true)]
async fn whoever_waited_in_vain_is_served_by_the_next_which_is_no_fall_and_comes_back_later() {
    let (seen, breakers) = seen();
    let (mut first, mut second) = (crowded(&breakers, 1), crowded(&breakers, 1));
    let (_, seat) = at_once(&mut first).unwrap();
    for round in 0..4 {
        let began = now();
        assert!(at_once(&mut second).is_none());
        assert_eq!(in_time(&mut second).await.0, "b");
        assert_eq!(now() - began, WAIT, "round {round}");
        assert_eq!(codes(&mut second), ["a@1.0 concurrency"]);
        second = crowded(&breakers, 1);
    }
    assert!(!told(&seen).iter().any(|told| told.contains("open")), "no breaker minds");
    assert!(at_once(&mut second).is_none());
    let (_, seat_of_b) = in_time(&mut second).await;
    assert!(second.climb_back(name).is_none(), "there is still no room");
    drop(seat);
    let back = second.climb_back(name).expect("there is room");
    assert_eq!((back.0.as_str(), second.provider().plugin.plain()), ("a", "a"));
    assert!(second.climb_back(name).is_none(), "it is where it belongs");
    drop((back, seat_of_b));
}

#[tokio::test(start_paused = true)]
async fn one_place_is_waited_for_and_others_are_taken_as_they_are() {
    let (seen, breakers) = seen();
    let take = |provider: Provider| breakers.seats.take("speaking", &TenantId::new("acme"), &provider).unwrap();
    let taken = [limited("a@1.0", 1), limited("b", 2), limited("b@2.0", 2)].map(take);
    told(&seen);
    let began = now();
    let mut late = crowded(&breakers, 1);
    assert!(at_once(&mut late).is_none());
    assert_eq!(in_time(&mut late).await.0, "c");
    assert_eq!(now() - began, WAIT);
    assert_eq!(told(&seen), ["a late", "b passed"]);
    drop(taken);
}

#[tokio::test(start_paused = true)]
async fn a_queue_has_an_end_and_who_leaves_it_makes_room() {
    let (seen, breakers) = seen();
    let (_, seat) = at_once(&mut crowded(&breakers, 1)).unwrap();
    let mut waiting: Vec<Climber> = (0..limits::SESSIONS_WAITING).map(|_| crowded(&breakers, 1)).collect();
    for climber in &mut waiting {
        assert!(at_once(climber).is_none());
    }
    told(&seen);
    let mut last = crowded(&breakers, 1);
    assert_eq!(at_once(&mut last).unwrap().0, "b", "nobody waits behind so many");
    assert_eq!(told(&seen)[0], "a full");
    waiting[0].leave();
    last = crowded(&breakers, 1);
    assert!(!waiting[0].is_waiting() && at_once(&mut last).is_none());
    // Who has left is passed over, and what comes too late goes on to the next.
    waiting.remove(1);
    drop(seat);
    let seat = in_time(&mut waiting[1]).await;
    assert_eq!(seat.0, "a");
    drop((seat, waiting));
    assert_eq!(in_time(&mut last).await.0, "a");
    assert!(told(&seen).contains(&"a left".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn a_raised_limit_counts_for_those_who_wait_and_a_lowered_one_for_those_who_come() {
    let (_, breakers) = seen();
    let (_, one) = at_once(&mut crowded(&breakers, 2)).unwrap();
    let (_, two) = at_once(&mut crowded(&breakers, 2)).unwrap();
    let mut lowered = crowded(&breakers, 1);
    assert!(at_once(&mut lowered).is_none());
    drop(one);
    assert_eq!(in_time(&mut lowered).await.0, "b", "one of them is up");
    let mut raised = crowded(&breakers, 3);
    assert_eq!(at_once(&mut raised).unwrap().0, "a");
    drop(two);
}

#[tokio::test(start_paused = true)]
async fn who_wants_to_be_left_alone_is_not_asked_before() {
    let (seen, breakers) = seen();
    climber(&breakers, "acme").fell(ears("a"), Some(Duration::from_secs(30)));
    assert_eq!(told(&seen), ["hearing a open"], "one fall is enough");
    assert_eq!(serves(&mut climber(&breakers, "acme"), &[]), Ok("b".into()));
    assert_eq!(serves(&mut climber(&breakers, "acme"), &["b", "c"]), Err("a".into()), "not even where nobody else is left");
    tokio::time::sleep(Duration::from_millis(29_500)).await;
    let mut late = climber(&breakers, "acme");
    let opened = late.open(|provider, seat| {
        if provider.plugin.as_str() == "a" { name(provider, seat) } else { Err(Fall::new(provider.plugin.clone(), "no")) }
    });
    assert!(opened.unwrap().is_none(), "half a second is worth it");
    let began = now();
    assert_eq!(in_time(&mut late).await.0, "a");
    assert_eq!(now() - began, Duration::from_millis(500));
}

#[tokio::test(start_paused = true)]
async fn who_wants_to_be_left_alone_for_a_moment_is_waited_for() {
    let (_, breakers) = seen();
    climber(&breakers, "acme").fell(ears("a"), Some(Duration::from_millis(200)));
    let mut next = climber(&breakers, "acme");
    assert!(next.open(name).unwrap().is_none());
    assert_eq!(in_time(&mut next).await.0, "a");
}

#[tokio::test(start_paused = true)]
async fn a_probe_takes_no_place_of_a_caller() {
    let (seen, breakers) = seen();
    let world = Arc::new(World::default());
    let close = CancellationToken::new();
    let running = breakers.run(Arc::clone(&world) as _, Arc::clone(&world) as _, close.clone());
    let limited = limited("a", 1);
    let Sample::Hearing(asked) = ears("a") else { panic!("ears hear") };
    let story = async {
        let seat = breakers.seats.take("hearing", &TenantId::new("acme"), &limited);
        let sample = Sample::Hearing(HearingRequest { provider: limited.clone(), ..asked });
        (0..3).for_each(|_| climber(&breakers, "acme").fell(sample.clone(), None));
        tokio::time::sleep(Duration::from_secs(14)).await;
        assert_eq!(world.opened.load(Relaxed), 0, "the only place is a caller's");
        drop(seat);
        world.healthy.store(true, Relaxed);
        tokio::time::sleep(Duration::from_secs(14)).await;
        assert_eq!(world.opened.load(Relaxed), 1);
        close.cancel();
    };
    tokio::join!(running, story);
    assert_eq!(told(&seen).last().map(String::as_str), Some("hearing a closed"));
}
