use super::*;
use vg_tests::lab::{Passage, Proxy};

impl Gateway {
    /// It has seen the store for long enough to judge others.
    pub(super) async fn settled(&self) {
        self.has_its_lease().await;
        sleep(Duration::from_millis(3_500)).await;
    }

    async fn lapsed(&self) -> Lapsed {
        let mut adoptable = self.states.adoptable();
        let told = adoptable.wait_for(|adoptable| !adoptable.lapsed.is_empty());
        tokio::time::timeout(PATIENCE, told).await.expect("nobody lapsed").unwrap().lapsed[0].clone()
    }

    fn adopts_nobody(&self) -> bool {
        self.states.adoptable().borrow().lapsed.is_empty()
    }
}

pub(super) fn id(call: &str) -> CallId {
    CallId::new(call)
}

/// The calls in the list of a gateway.
pub(super) async fn calls_of(redis: &mut MultiplexedConnection, holder: &Holder) -> Vec<String> {
    let mut calls: Vec<String> = redis.smembers(format!("vg:{{i.{}.{}}}:calls", holder.instance, holder.boot)).await.unwrap();
    calls.sort();
    calls
}

#[tokio::test]
async fn the_calls_of_a_dead_gateway_are_told_within_moments_and_one_survivor_has_each() {
    let server = Redis::start().await.unwrap();
    let [dead, b, c] = ["a", "b", "c"].map(|name| Gateway::of(name, &server));
    for call in 0..20 {
        dead.states.keep(snapshot(&format!("call-{call:02}"), 3));
    }
    dead.states.keep(snapshot("over", 1));
    dead.all_written().await;
    dead.states.keep(ended("over"));
    tokio::join!(dead.has_its_lease(), b.settled(), c.settled());
    dead.all_written().await;
    assert!(b.adopts_nobody());
    let holder = dead.states.holder().clone();
    dead.die();
    let died = Instant::now();
    let (lapsed, same) = tokio::join!(b.lapsed(), c.lapsed());
    let after = died.elapsed();
    println!("a lapsed lease is told after {after:?}");
    // A second for the lease, an eighth for the look, and what a busy machine adds.
    assert!(after < Duration::from_millis(2_500), "{after:?}");
    assert_eq!(lapsed, same);
    assert_eq!((&lapsed.holder, &lapsed.apps, lapsed.version.as_str()), (&holder, &vec!["vg-a".to_owned()], "9.9.9"));
    assert_eq!(lapsed.calls, (0..20).map(|call| id(&format!("call-{call:02}"))).collect::<Vec<_>>());

    let mut claimed = [0, 0];
    for call in &lapsed.calls {
        let (one, other) = tokio::join!(b.states.claim(call, &holder), c.states.claim(call, &holder));
        let outcomes = [one, other];
        assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1, "{outcomes:?}");
        for (nth, outcome) in outcomes.into_iter().enumerate() {
            match outcome {
                Ok(Claimed { snapshot: found, .. }) => {
                    claimed[nth] += 1;
                    assert_eq!(found, CallSnapshot { epoch: Epoch(2), ..snapshot(call.as_str(), 3) });
                }
                Err(error) => assert_eq!(error, ClaimError::Taken),
            }
        }
    }
    println!("claimed by each of two survivors: {claimed:?}");
    let mut redis = server.connect().await.unwrap();
    let listed = [calls_of(&mut redis, b.states.holder()).await.len(), calls_of(&mut redis, c.states.holder()).await.len()];
    assert_eq!(listed, claimed, "each stands in the list of the one that has it, and in no other");
    assert!(calls_of(&mut redis, &holder).await.is_empty());
    let holders = b.states.holders(&lapsed.calls).await.unwrap();
    assert!(holders.iter().flatten().all(|(who, epoch)| *who != holder && *epoch == Epoch(2)));
    until("nothing is left of it", async || b.adopts_nobody() && c.adopts_nobody()).await;
    assert_eq!(b.states.claim(&id("over"), &holder).await, Err(ClaimError::Unknown));
    b.stop().await;
    c.stop().await;
}

#[tokio::test]
async fn a_lease_is_for_a_second_and_renewed_long_before_it_lapses() {
    let server = Redis::start().await.unwrap();
    let (gateway, mut redis) = (Gateway::of("a", &server), server.connect().await.unwrap());
    gateway.has_its_lease().await;
    let said: String = redis.get("vg:inst:a").await.unwrap();
    let said: serde_json::Value = serde_json::from_str(&said).unwrap();
    let boot = &*gateway.states.holder().boot;
    assert_eq!(said, serde_json::json!({ "boot": boot, "apps": ["vg-a"], "version": "9.9.9" }));
    let (began, mut left_ms, mut renewed) = (Instant::now(), Vec::<i64>::new(), 0);
    while renewed < 8 {
        let ms: i64 = redis.pttl("vg:inst:a").await.unwrap();
        renewed += u128::from(left_ms.last().is_some_and(|before| ms > *before));
        left_ms.push(ms);
        assert!((1..=1_000).contains(&ms), "{ms} ms are left: it lapsed, or is for longer than a second");
        sleep(STEP).await;
    }
    let took = began.elapsed();
    assert!(renewed <= took.as_millis() / 250 + 2, "renewed {renewed} times in {took:?}");
    // A machine that others use stands still at times.
    let long = left_ms.iter().filter(|ms| **ms >= 500).count();
    assert!(long * 10 >= left_ms.len() * 9, "half a second is left in {long} looks of {}: {left_ms:?}", left_ms.len());
    gateway.stop().await;
    assert!(!redis.exists::<_, bool>("vg:inst:a").await.unwrap(), "given back");
}

#[tokio::test]
async fn who_lives_loses_no_call() {
    let server = Redis::start().await.unwrap();
    let (a, b) = (Gateway::of("a", &server), Gateway::of("b", &server));
    a.states.keep(snapshot("call-1", 1));
    tokio::join!(a.has_its_lease(), b.has_its_lease());
    a.all_written().await;
    assert_eq!(b.states.claim(&id("call-1"), a.states.holder()).await, Err(ClaimError::Alive));
    assert_eq!(b.states.claim(&id("call-2"), a.states.holder()).await, Err(ClaimError::Unknown));
    assert_eq!(b.states.claim(&id("call-1"), b.states.holder()).await, Err(ClaimError::Taken));
    a.stop().await;
    b.stop().await;
}

#[tokio::test]
async fn a_call_that_is_offered_is_claimed_from_one_that_lives_and_is_told() {
    let server = Redis::start().await.unwrap();
    let (a, b) = (Gateway::of("a", &server), Gateway::of("b", &server));
    for call in ["call-1", "call-2"] {
        a.states.keep(snapshot(call, 1));
    }
    tokio::join!(a.has_its_lease(), b.has_its_lease());
    a.all_written().await;
    let lost = a.states.lost(&id("call-1"));
    a.states.offer(&id("call-1")).await.unwrap();
    a.states.offer(&id("call-2")).await.unwrap();
    a.states.withdraw(&id("call-2")).await.unwrap();
    // What is told meanwhile takes nothing back.
    a.states.keep(snapshot("call-1", 2));
    a.all_written().await;
    let offer = (id("call-1"), a.states.holder().clone());
    b.states.adoptable().wait_for(|adoptable| adoptable.offered == [offer.clone()]).await.unwrap();
    assert_eq!(b.states.claim(&id("call-2"), a.states.holder()).await, Err(ClaimError::Alive));
    assert_eq!(b.states.look(&id("call-1")).await, Ok(snapshot("call-1", 2)), "it is looked at, and stays where it is");
    let claimed = b.states.claim(&id("call-1"), a.states.holder()).await.unwrap();
    assert_eq!(claimed.snapshot.epoch, Epoch(2));
    b.states.keep(claimed.snapshot);
    a.states.keep(snapshot("call-1", 3));
    tokio::time::timeout(PATIENCE, lost.cancelled()).await.unwrap();
    b.states.adoptable().wait_for(|adoptable| adoptable.offered.is_empty()).await.unwrap();
    a.stop().await;
    b.stop().await;
}

#[tokio::test]
async fn a_gateway_that_is_started_anew_finds_the_calls_of_its_earlier_run() {
    let server = Redis::start().await.unwrap();
    let before = Gateway::of("a", &server);
    before.states.keep(snapshot("call-1", 1));
    before.has_its_lease().await;
    before.all_written().await;
    let dead = before.states.holder().clone();
    before.die();
    let after = Gateway::of("a", &server);
    assert_eq!(after.lapsed().await.holder, dead);
    assert_eq!(after.states.claim(&id("call-1"), &dead).await.unwrap().snapshot.epoch, Epoch(2));
    after.stop().await;
}

#[tokio::test]
async fn of_two_of_one_name_the_second_takes_nothing() {
    let server = Redis::start().await.unwrap();
    let first = Gateway::of("a", &server);
    first.states.keep(snapshot("call-1", 1));
    first.has_its_lease().await;
    let second = Gateway::of("a", &server);
    second.states.lease().wait_for(|lease| *lease == Lease::Taken).await.unwrap();
    assert!(second.adopts_nobody());
    assert!(second.states.claim(&id("call-1"), first.states.holder()).await.is_err());
    first.stop().await;
    second.has_its_lease().await;
    second.stop().await;
}

/// Redis flushed, killed, standing still, cut off from one or from all: nobody who lives is ever taken for dead.
#[tokio::test]
async fn whatever_becomes_of_redis_nobody_who_lives_is_taken_for_dead() {
    let mut server = Redis::start().await.unwrap();
    let proxy = Proxy::to(server.port()).unwrap();
    let (a, b) = (Gateway::of("a", &server), Gateway::at("b", proxy.port()));
    a.states.keep(snapshot("call-a", 1));
    b.states.keep(snapshot("call-b", 1));
    tokio::join!(a.settled(), b.settled());
    let mut redis = server.connect().await.unwrap();
    let watch = {
        let mut told = (a.states.adoptable(), b.states.adoptable());
        async move {
            loop {
                tokio::select! {
                    changed = told.0.changed() => changed.unwrap(),
                    changed = told.1.changed() => changed.unwrap(),
                }
                let dead = [told.0.borrow_and_update().lapsed.clone(), told.1.borrow_and_update().lapsed.clone()];
                assert!(dead.iter().all(Vec::is_empty), "{dead:?}");
            }
        }
    };
    let troubles = async {
        for _ in 0..3 {
            let () = redis.flushall().await.unwrap();
            sleep(Duration::from_millis(1_500)).await;
        }
        server.pause().unwrap();
        sleep(Duration::from_secs(3)).await;
        server.resume().unwrap();
        sleep(Duration::from_secs(2)).await;
        server.kill9().unwrap();
        sleep(Duration::from_secs(2)).await;
        server.restart().await.unwrap();
        tokio::join!(a.has_its_lease(), b.has_its_lease());
        sleep(Duration::from_secs(4)).await;
    };
    tokio::select! {
        () = watch => unreachable!(),
        () = troubles => {}
    }
    // One that is cut off from Redis alone is told as lapsed: whether it lives only Asterisk knows. It goes on with its calls.
    proxy.set(Passage::Stuck);
    b.states.keep(snapshot("call-b", 2));
    assert_eq!(a.lapsed().await.holder, *b.states.holder());
    assert!(b.adopts_nobody(), "who is cut off judges nobody");
    assert!(!b.states.lost(&id("call-b")).is_cancelled());
    let claimed = a.states.claim(&id("call-b"), b.states.holder()).await.unwrap();
    a.states.keep(claimed.snapshot);
    let lost = b.states.lost(&id("call-b"));
    proxy.set(Passage::Open);
    tokio::time::timeout(PATIENCE, lost.cancelled()).await.expect("it is told once it is back");
    a.stop().await;
    b.stop().await;
}

#[tokio::test]
async fn what_a_later_version_kept_is_looked_at_and_stays_that_ones() {
    let server = Redis::start().await.unwrap();
    let (a, b) = (Gateway::of("a", &server), Gateway::of("b", &server));
    a.states.keep(snapshot("call-1", 1));
    tokio::join!(a.has_its_lease(), b.has_its_lease());
    a.all_written().await;
    let mut redis = server.connect().await.unwrap();
    let _: () = redis.set("vg:{call-1}:state", r#"{"version":2,"who":"knows"}"#).await.unwrap();
    assert_eq!(b.states.look(&id("call-1")).await, Err(ClaimError::Unreadable));
    assert_eq!(b.states.look(&id("nobody")).await, Err(ClaimError::Unknown));
    let holders = b.states.holders(&[id("call-1")]).await.unwrap();
    assert_eq!(holders, [Some((a.states.holder().clone(), Epoch(1)))]);
    a.stop().await;
    b.stop().await;
}
