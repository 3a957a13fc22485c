use super::*;
use vg_tests::house::{House, recording};
use vg_tests::lab::{Passage, Proxy};

const QUIET: Duration = Duration::from_millis(1_500);

async fn is(house: &House, state: &str) {
    until(state, async || house.running().readiness().state.unwrap().state == state).await;
}

async fn metric_is(house: &House, name: &str, value: f64) {
    let shown = house.metric(name).await.unwrap();
    assert!((shown - value).abs() < f64::EPSILON, "{name} is {shown}");
}

/// Redis is stuck, then dead, then back, within one conversation; another call begins meanwhile.
#[tokio::test(flavor = "multi_thread")]
async fn callers_notice_nothing_of_what_becomes_of_redis() {
    let mut server = Redis::start().await.unwrap();
    let proxy = Proxy::to(server.port()).unwrap();
    let toml = format!("instance = \"a\"\n[state]\nredis = \"redis://127.0.0.1:{}\"", proxy.port());
    let house = House::with(&toml).await.unwrap();
    is(&house, "up").await;
    metric_is(&house, "vg_state_up", 1.0).await;
    let mut phone = house.phone("demo").await.unwrap();
    assert!(phone.until_answer_ended(QUIET, PATIENCE).await, "no greeting");
    let mut redis = server.connect().await.unwrap();
    let live: Vec<String> = redis.zrange("vg:{t.demo}:live", 0, -1).await.unwrap();
    let [call] = live.as_slice() else { panic!("{live:?}") };
    assert_eq!(document(&mut redis, call).await.unwrap()["state"], "active");

    proxy.set(Passage::Stuck);
    is(&house, "deadline").await;
    metric_is(&house, "vg_state_up", 0.0).await;
    assert!(house.running().readiness().ready() && house.running().readiness().degraded());
    let mut other = house.phone("demo").await.unwrap();
    assert!(other.until_answer_ended(QUIET, PATIENCE).await, "no greeting while redis is stuck");
    phone.say(&recording("time.wav").unwrap()).await;
    phone.until_said().await;
    assert!(phone.until_answer_ended(QUIET, PATIENCE).await, "no answer while redis is stuck");
    server.kill9().unwrap();
    proxy.set(Passage::Cut);
    other.say(&recording("time.wav").unwrap()).await;
    other.until_said().await;
    assert!(other.until_answer_ended(QUIET, PATIENCE).await, "no answer while redis is dead");
    other.hang_up().await.1.unwrap();
    assert!(house.running().readiness().state.unwrap().unwritten >= 1);
    metric_is(&house, "vg_state_up", 0.0).await;
    // One stretch, whatever was in the way in the end.
    metric_is(&house, "vg_state_outages_total{code=\"deadline\"}", 1.0).await;

    server.restart().await.unwrap();
    proxy.set(Passage::Open);
    is(&house, "up").await;
    metric_is(&house, "vg_state_up", 1.0).await;
    let mut redis = server.connect().await.unwrap();
    until("the live call is there again", async || {
        document(&mut redis.clone(), call).await.is_some_and(|document| document["state"] == "active")
    })
    .await;
    until("the end of the other, too", async || {
        let keys: Vec<String> = redis.clone().keys("vg:{*}:state").await.unwrap();
        keys.len() == 2
    })
    .await;
    phone.hang_up().await.1.unwrap();
    house.holds_nothing(PATIENCE).await.unwrap();
    until("it has ended there", async || document(&mut redis.clone(), call).await.unwrap()["state"] == "ended").await;
    house.stop().await;
    let live: u64 = redis.zcard("vg:{t.demo}:live").await.unwrap();
    assert_eq!(live, 0);
}
