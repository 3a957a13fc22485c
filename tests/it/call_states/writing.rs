use super::*;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU32, Ordering};
use tokio::sync::watch;
use vg_domain::event::Fact;

/// A disk that events are on once it says so.
struct Disk {
    works: watch::Sender<bool>,
    asked: AtomicU32,
}

impl Facts for Disk {
    fn publish(&self, _: Subject<'_>, _: &Fact) {}

    fn committed(&self) -> BoxFuture<'static, ()> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let mut on_disk = self.works.subscribe();
        async move { drop(on_disk.wait_for(|on_disk| *on_disk).await) }.boxed()
    }
}

/// A gateway whose calls tell a disk.
fn telling_a_disk(server: &Redis) -> (Arc<Disk>, Gateway) {
    let disk = Arc::new(Disk { works: watch::Sender::new(true), asked: AtomicU32::new(0) });
    let toml = format!("[state]\nredis = \"redis://127.0.0.1:{}\"", server.port());
    (Arc::clone(&disk), Gateway::telling("a", &toml, &[], disk))
}

#[tokio::test]
async fn nobody_finds_more_of_a_call_than_was_told_of_it() {
    let server = Redis::start().await.unwrap();
    let (disk, gateway) = telling_a_disk(&server);
    let mut redis = server.connect().await.unwrap();
    gateway.states.keep(snapshot("call-1", 1));
    turn_is_there(&mut redis, "call-1", 1).await;

    disk.works.send_replace(false);
    gateway.states.keep(snapshot("call-1", 2));
    until("it waits for the disk", async || disk.works.receiver_count() > 0).await;
    let resume: String = redis.get("vg:{call-1}:resume").await.unwrap();
    assert_eq!(resume, "resume-1");
    disk.works.send_replace(true);
    turn_is_there(&mut redis, "call-1", 2).await;

    // A disk that hangs is no reason to keep nothing.
    disk.works.send_replace(false);
    gateway.states.keep(snapshot("call-1", 3));
    turn_is_there(&mut redis, "call-1", 3).await;
    assert!(!*disk.works.borrow());
    gateway.stop().await;
}

#[tokio::test]
async fn what_is_told_while_something_is_written_waits_for_the_next_write() {
    let server = Redis::start().await.unwrap();
    let (disk, gateway) = telling_a_disk(&server);
    let mut redis = server.connect().await.unwrap();
    let begun = Instant::now();
    for number in 0..2_000 {
        gateway.states.keep(snapshot(&format!("call-{}", number % 50), number));
        let _: String = redis.ping().await.unwrap();
    }
    // One commit for each write, and one write in each 20 ms at most.
    let most = begun.elapsed().as_millis() / 20 + 2;
    let asked = disk.asked.load(Ordering::Relaxed);
    assert!(asked > 0 && u128::from(asked) <= most, "{asked} commits, {most} at most");
    turn_is_there(&mut redis, "call-49", 1_999).await;
    gateway.stop().await;
}

/// Waits until a key is kept for so long from now on, or up to ten seconds less: a busy machine looks late.
async fn is_kept(redis: &MultiplexedConnection, key: &str, seconds: i64) {
    until(&format!("{key} is kept for {seconds} s"), async || {
        let ms: i64 = redis.clone().pttl(key).await.unwrap();
        ((seconds - 10) * 1_000..=seconds * 1_000).contains(&ms)
    })
    .await;
}

#[tokio::test]
async fn a_call_lies_there_as_it_stands_and_is_listed_as_long_as_it_lives() {
    let server = Redis::start().await.unwrap();
    let (gateway, mut redis) = (Gateway::of("a", &server), server.connect().await.unwrap());
    gateway.states.keep(snapshot("call-1", 1));
    turn_is_there(&mut redis, "call-1", 1).await;
    let written = document(&mut redis, "call-1").await.unwrap();
    assert_eq!((&written["instance_id"], &written["epoch"], &written["version"]), (&"a".into(), &1.into(), &1.into()));
    assert_eq!((&written["state"], &written["caller_number"]), (&"active".into(), &"+5511999998888".into()));
    let resume: String = redis.get("vg:{call-1}:resume").await.unwrap();
    assert_eq!(resume, "resume-1");
    let live: Vec<String> = redis.zrange("vg:{t.acme}:live", 0, -1).await.unwrap();
    assert_eq!(live, ["call-1"]);
    let calls = format!("vg:{{i.a.{}}}:calls", gateway.states.holder().boot);
    for key in ["vg:{call-1}:state", "vg:{call-1}:owner", "vg:{call-1}:resume"] {
        is_kept(&redis, key, 24 * 3_600).await;
    }
    for key in ["vg:{t.acme}:live", calls.as_str()] {
        is_kept(&redis, key, 48 * 3_600).await;
    }

    gateway.states.keep(ended("call-1"));
    gateway.all_written().await;
    until("its end is there", async || document(&mut redis.clone(), "call-1").await.unwrap()["state"] == "ended").await;
    until("it is listed no more", async || redis.clone().zcard::<_, u64>("vg:{t.acme}:live").await.unwrap() == 0).await;
    for key in ["vg:{call-1}:state", "vg:{call-1}:owner", "vg:{t.acme}:ended"] {
        is_kept(&redis, key, 3_600).await;
    }
    let resume: bool = redis.exists("vg:{call-1}:resume").await.unwrap();
    assert!(!resume);
    let calls: u64 = redis.scard(calls).await.unwrap();
    assert_eq!(calls, 0);
    gateway.stop().await;
    let keys: Vec<String> = redis.keys("*").await.unwrap();
    let left: Vec<&str> = keys.iter().map(String::as_str).filter(|key| !key.starts_with("vg:{call-1}")).collect();
    let left: BTreeSet<&str> = left.into_iter().collect();
    let wanted = BTreeSet::from(["vg:{house}:generation", "vg:{t.acme}:ended"]);
    assert_eq!(left, wanted, "a gateway that went leaves nothing but what its calls were");
}

#[tokio::test]
async fn no_name_of_a_key_has_a_number_or_a_word_in_it() {
    let server = Redis::start().await.unwrap();
    let (gateway, mut redis) = (Gateway::of("a", &server), server.connect().await.unwrap());
    gateway.states.keep(snapshot("call-1", 1));
    turn_is_there(&mut redis, "call-1", 1).await;
    gateway.has_its_lease().await;
    let keys: Vec<String> = redis.keys("*").await.unwrap();
    let written = document(&mut redis, "call-1").await.unwrap().to_string();
    for told in ["5511999998888", "turn-1"] {
        assert!(written.contains(told), "{told} is not in the call at all");
        assert!(keys.iter().all(|key| !key.contains(told)), "{keys:?}");
    }
    gateway.stop().await;
}

#[tokio::test]
async fn of_a_thousand_calls_each_has_what_it_told_last() {
    let server = Redis::start().await.unwrap();
    let (gateway, mut redis) = (Gateway::of("a", &server), server.connect().await.unwrap());
    for turn in 1..=5 {
        for call in 0..1_000 {
            gateway.states.keep(snapshot(&format!("call-{call}"), turn));
        }
        tokio::task::yield_now().await;
    }
    for call in 0..1_000 {
        turn_is_there(&mut redis, &format!("call-{call}"), 5).await;
    }
    // More where the gateway found its store meanwhile, and wrote what it had anew.
    assert!(gateway.writes("written") + gateway.writes("replaced") >= 5_000);
    assert_eq!((gateway.writes("fenced"), gateway.writes("failed"), gateway.writes("older")), (0, 0, 0));
    gateway.stop().await;
}

#[tokio::test]
async fn what_is_left_is_written_when_the_gateway_stops() {
    let server = Redis::start().await.unwrap();
    let (gateway, mut redis) = (Gateway::of("a", &server), server.connect().await.unwrap());
    gateway.is_up().await;
    gateway.states.keep(snapshot("call-1", 1));
    gateway.states.keep(ended("call-1"));
    gateway.stop().await;
    assert_eq!(document(&mut redis, "call-1").await.unwrap()["state"], "ended");
}

#[tokio::test]
async fn a_holder_of_an_earlier_epoch_writes_nothing_and_is_told() {
    let server = Redis::start().await.unwrap();
    let (old, mut redis) = (Gateway::of("a", &server), server.connect().await.unwrap());
    old.states.keep(snapshot("call-1", 1));
    let lost = old.states.lost(&CallId::new("call-1"));
    turn_is_there(&mut redis, "call-1", 1).await;
    let new = Gateway::of("b", &server);
    new.states.keep(CallSnapshot { epoch: Epoch(2), ..snapshot("call-1", 7) });
    turn_is_there(&mut redis, "call-1", 7).await;
    assert!(!lost.is_cancelled());
    old.states.keep(snapshot("call-1", 2));
    tokio::time::timeout(PATIENCE, lost.cancelled()).await.unwrap();
    assert_eq!(old.writes("fenced"), 1);
    assert_eq!(document(&mut redis, "call-1").await.unwrap()["agent_id"], "turn-7");
    old.stop().await;
    new.stop().await;
}

/// A write that was held up on the way comes after one that was sent later: here the later one is written by hand.
#[tokio::test]
async fn a_write_that_comes_late_overwrites_nothing_newer() {
    let server = Redis::start().await.unwrap();
    let (gateway, mut redis) = (Gateway::of("a", &server), server.connect().await.unwrap());
    gateway.states.keep(snapshot("call-1", 1));
    turn_is_there(&mut redis, "call-1", 1).await;
    gateway.all_written().await;
    let owner: String = redis.get("vg:{call-1}:owner").await.unwrap();
    let [epoch, _number, boot, instance] = owner.split(' ').collect::<Vec<_>>()[..] else { panic!("{owner}") };
    let () = redis.set("vg:{call-1}:owner", format!("{epoch} 1000 {boot} {instance}")).await.unwrap();
    gateway.states.keep(snapshot("call-1", 2));
    until("it was refused", async || gateway.writes("older") > 0).await;
    assert_eq!(document(&mut redis, "call-1").await.unwrap()["agent_id"], "turn-1");
    assert!(!gateway.states.lost(&CallId::new("call-1")).is_cancelled(), "the call is still this gateway's");
    gateway.stop().await;
}
