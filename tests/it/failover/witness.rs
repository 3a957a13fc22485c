//! A gateway that lives while its lease has lapsed: whoever would take its caller asks Asterisk, and leaves the call to the one that speaks.

use super::*;

/// So long the gateway is cut off, or Redis is another one: a lease lapses after one second.
const AWAY: Duration = Duration::from_secs(3);

/// As [`Scene::under_way`], the first one with a way to Redis that is its own.
async fn by_own_way(scene: &Scene) -> (Proxy, Gateway, House, SipCaller) {
    let way = Proxy::to(scene.redis.port()).unwrap();
    let config = scene.config("a", "vg-test").replace(&scene.redis.url(), &format!("redis://{}", way.local_addr()));
    let (first, second, caller) = scene.under_way_at(&config).await;
    (way, first, second, caller)
}

/// How often it has looked at calls of others with this outcome.
async fn looks(house: &House, outcome: &str) -> f64 {
    // A series that was never counted is not there.
    house.metric(&format!("vg_adoptions_total{{outcome=\"{outcome}\"}}")).await.unwrap_or(0.0)
}

/// So many questions were answered, once each, by the first one, and nobody else has laid a hand on the call.
async fn is_with_the_first(scene: &Scene, first: &Gateway, second: &House, questions: usize) {
    assert_eq!(looks(second, "adopted").await, 0.0, "{}", first.log());
    assert_eq!(first.metric("vg_calls_live").await, Some(1.0), "{}", first.log());
    assert_eq!(first.metric("vg_calls_taken_over_total").await.unwrap_or(0.0), 0.0, "{}", first.log());
    assert_eq!(scene.agent.brain.seen().turns.len(), questions, "each was asked once");
    let channels = scene.asterisk.channels().await.unwrap();
    let media = channels.iter().filter(|name| name.starts_with("UnicastRTP")).count();
    assert_eq!((media, scene.asterisk.bridges().await.unwrap().len()), (1, 1), "{channels:?}");
}

/// The first one is cut off from Redis until its lease has lapsed and longer, and its caller talks to it meanwhile.
async fn is_cut_off(way: &Proxy, first: &Gateway, second: &House, caller: &mut SipCaller) {
    let before = looks(second, "attended").await;
    way.cut();
    let cut = Instant::now();
    asks(caller).await;
    is_told_all(caller).await;
    tokio::time::sleep_until((cut + AWAY).into()).await;
    assert_eq!(first.metric("vg_state_up").await, Some(0.0), "{}", first.log());
    let attended = looks(second, "attended").await - before;
    println!("cut off for {:.1?}: looked at {attended} times by another gateway, and left to the one that speaks", cut.elapsed());
    assert!(attended > 0.0, "nobody was tempted: the lease of one that was cut off did not lapse");
    way.mend();
    let mended = Instant::now();
    while first.metric("vg_state_up").await != Some(1.0) {
        assert!(mended.elapsed() < SOON, "it does not find Redis again\n{}", first.log());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_whose_gateway_is_cut_off_from_redis_stays_with_it_until_it_dies() {
    let scene = Scene::new().await;
    let (way, first, mut second, mut caller) = by_own_way(&scene).await;
    is_cut_off(&way, &first, &second, &mut caller).await;
    is_with_the_first(&scene, &first, &second, 1).await;
    // Nobody comes later either.
    asks(&mut caller).await;
    is_told_all(&mut caller).await;
    is_with_the_first(&scene, &first, &second, 2).await;

    first.signal("-KILL");
    adopted(&mut second).await;
    asks(&mut caller).await;
    assert_eq!(turn_about_the_time(&mut second).await, 3);
    assert_eq!(scene.agent.brain.seen().opened.len(), 1, "one conversation");
    scene.ends_well(second, caller).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_whose_gateway_lives_stays_with_it_after_redis_was_flushed_and_when_it_is_cut_off_from_the_new_one() {
    let scene = Scene::new().await;
    let (way, first, second, mut caller) = by_own_way(&scene).await;
    let () = redis::cmd("FLUSHALL").query_async(&mut scene.redis.connect().await.unwrap()).await.unwrap();
    let flushed = Instant::now();
    asks(&mut caller).await;
    is_told_all(&mut caller).await;
    tokio::time::sleep_until((flushed + AWAY).into()).await;
    is_with_the_first(&scene, &first, &second, 1).await;
    // Everybody is known there again, and may be judged.
    is_cut_off(&way, &first, &second, &mut caller).await;
    is_with_the_first(&scene, &first, &second, 2).await;
    caller.hang_up().await.unwrap();
    scene.asterisk.holds_nothing(SOON).await.unwrap();
    second.stop().await;
}
