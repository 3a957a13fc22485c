use super::*;
use vg_tests::lab::{Passage, Proxy};

/// Nobody who tells how a call stands may notice anything.
const AT_ONCE: Duration = Duration::from_millis(50);

fn keep_at_once(gateway: &Gateway, snapshot: CallSnapshot) {
    let began = Instant::now();
    gateway.states.keep(snapshot);
    assert!(began.elapsed() < AT_ONCE, "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_redis_that_died_is_told_everything_when_it_is_back() {
    let mut server = Redis::start().await.unwrap();
    let (gateway, mut redis) = (Gateway::of("a", &server), server.connect().await.unwrap());
    for call in ["silent", "speaking", "ending"] {
        gateway.states.keep(snapshot(call, 1));
        turn_is_there(&mut redis, call, 1).await;
    }
    server.kill9().unwrap();
    assert_eq!(gateway.is_away().await, "unreachable");
    for turn in 2..=20 {
        keep_at_once(&gateway, snapshot("speaking", turn));
    }
    keep_at_once(&gateway, ended("ending"));
    keep_at_once(&gateway, snapshot("new", 1));
    server.restart().await.unwrap();
    gateway.is_up().await;
    let mut redis = server.connect().await.unwrap();
    turn_is_there(&mut redis, "speaking", 20).await;
    turn_is_there(&mut redis, "silent", 1).await;
    turn_is_there(&mut redis, "new", 1).await;
    gateway.all_written().await;
    until("its end is there", async || {
        document(&mut redis.clone(), "ending").await.is_some_and(|document| document["state"] == "ended")
    })
    .await;
    let outages: u64 = gateway.states.readings().outages.iter().map(|(_, count)| count).sum();
    assert!(outages >= 1);
    assert_eq!(gateway.writes("dropped"), 0);
    let told: Vec<&str> = gateway.notices.all().iter().map(|noted| noted.notice.kind()).collect();
    assert_eq!(told, ["state.lost", "state.back"], "once each, however many tries it took");
    gateway.stop().await;
}

#[tokio::test]
async fn a_redis_that_stands_still_holds_nobody_up_and_overwrites_nothing_when_it_goes_on() {
    let server = Redis::start().await.unwrap();
    let (gateway, mut redis) = (Gateway::of("a", &server), server.connect().await.unwrap());
    gateway.states.keep(snapshot("call-1", 1));
    turn_is_there(&mut redis, "call-1", 1).await;
    server.pause().unwrap();
    // Each of them is sent, and stays in the server's buffers until it goes on.
    for turn in 2..=4 {
        let failed = gateway.writes("failed");
        keep_at_once(&gateway, snapshot("call-1", turn));
        if turn == 2 {
            until("it was sent and not answered", async || gateway.writes("failed") > failed).await;
        }
    }
    assert_ne!(gateway.is_away().await, "up");
    server.resume().unwrap();
    gateway.is_up().await;
    turn_is_there(&mut redis, "call-1", 4).await;
    gateway.all_written().await;
    // Late ones would have come by now: the server takes its connections in turns.
    for _ in 0..50 {
        assert_eq!(document(&mut redis, "call-1").await.unwrap()["agent_id"], "turn-4");
        sleep(STEP).await;
    }
    gateway.stop().await;
}

#[tokio::test]
async fn a_connection_that_swallows_everything_is_given_up() {
    let server = Redis::start().await.unwrap();
    let proxy = Proxy::to(server.port()).unwrap();
    let (gateway, mut redis) = (Gateway::at("a", proxy.port()), server.connect().await.unwrap());
    gateway.states.keep(snapshot("call-1", 1));
    turn_is_there(&mut redis, "call-1", 1).await;
    proxy.set(Passage::Stuck);
    keep_at_once(&gateway, snapshot("call-1", 2));
    assert_eq!(gateway.is_away().await, "deadline");
    proxy.set(Passage::Open);
    turn_is_there(&mut redis, "call-1", 2).await;
    proxy.set(Passage::Cut);
    keep_at_once(&gateway, snapshot("call-1", 3));
    gateway.is_away().await;
    proxy.set(Passage::Open);
    turn_is_there(&mut redis, "call-1", 3).await;
    gateway.stop().await;
}

#[tokio::test]
async fn a_slow_redis_gets_less_often_what_changes_often() {
    let server = Redis::start().await.unwrap();
    let proxy = Proxy::to(server.port()).unwrap();
    let (gateway, mut redis) = (Gateway::at("a", proxy.port()), server.connect().await.unwrap());
    gateway.is_up().await;
    proxy.set(Passage::Slow(Duration::from_millis(100)));
    for turn in 1..=100 {
        keep_at_once(&gateway, snapshot("call-1", turn));
        sleep(STEP).await;
    }
    turn_is_there(&mut redis, "call-1", 100).await;
    gateway.all_written().await;
    assert!(gateway.writes("written") < 40, "{}", gateway.writes("written"));
    assert_eq!((gateway.writes("failed"), gateway.states.health().state), (0, "up"));
    gateway.stop().await;
}

/// One after the other they would take as many round trips as there are calls.
#[tokio::test]
async fn what_many_calls_tell_at_once_takes_a_slow_redis_few_round_trips() {
    let server = Redis::start().await.unwrap();
    let proxy = Proxy::to(server.port()).unwrap();
    let gateway = Gateway::at("a", proxy.port());
    gateway.is_up().await;
    gateway.has_its_lease().await;
    let (calls, each_way) = (200, Duration::from_millis(50));
    proxy.set(Passage::Slow(each_way));
    let (began, before) = (Instant::now(), gateway.writes("written"));
    for call in 0..calls {
        keep_at_once(&gateway, snapshot(&format!("call-{call}"), 1));
    }
    until("all are written", async || gateway.writes("written") >= before + u64::from(calls)).await;
    let (took, one_by_one) = (began.elapsed(), 2 * each_way * calls);
    println!("{calls} calls in {took:?}, where a round trip takes {:?}", 2 * each_way);
    // They are some pieces on their way, each of which the proxy holds up.
    assert!(took < one_by_one / 4, "{took:?}, one after the other {one_by_one:?}");
    assert_eq!((gateway.writes("failed"), gateway.states.health().state), (0, "up"));
    gateway.stop().await;
}

#[tokio::test]
async fn after_a_flush_everything_that_lives_is_written_again() {
    let server = Redis::start().await.unwrap();
    let (gateway, mut redis) = (Gateway::of("a", &server), server.connect().await.unwrap());
    gateway.has_its_lease().await;
    for call in 0..300 {
        gateway.states.keep(snapshot(&format!("call-{call}"), 1));
    }
    gateway.all_written().await;
    let () = redis.flushall().await.unwrap();
    for call in 0..300 {
        turn_is_there(&mut redis, &format!("call-{call}"), 1).await;
    }
    until("all are listed", async || redis.clone().zcard::<_, u64>("vg:{t.acme}:live").await.unwrap() == 300).await;
    gateway.stop().await;
}

#[tokio::test]
async fn a_full_redis_is_no_reason_to_forget_anything() {
    let server = Redis::start().await.unwrap();
    let (gateway, mut redis) = (Gateway::of("a", &server), server.connect().await.unwrap());
    gateway.is_up().await;
    let mut set = async |memory: &str| {
        let () = redis::cmd("CONFIG").arg("SET").arg("maxmemory").arg(memory).query_async(&mut redis).await.unwrap();
    };
    set("1").await;
    gateway.states.keep(snapshot("call-1", 1));
    assert_eq!(gateway.is_away().await, "full");
    set("0").await;
    turn_is_there(&mut redis, "call-1", 1).await;
    gateway.is_up().await;
    gateway.stop().await;
}
