use super::*;
use vg_tests::lab::{Cluster, Issued, Login, Sentinels};
use voice_gateway::adapters::state::check;

#[tokio::test]
async fn a_user_of_the_access_list_writes_by_tls() {
    let issued = Issued::to("127.0.0.1").unwrap();
    let rules = "~vg:* -@all +get +set +del +evalsha +script|load +sadd +srem +scard +smembers +pexpire +zadd +zrem +zremrangebyscore \
                 +hset +hdel +hgetall +info +config|get";
    let server = Redis::guarded(&issued, Login { user: "gateway", password: "hush", rules }).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let ca = folder.path().join("ca.pem");
    std::fs::write(&ca, &issued.authority).unwrap();
    let toml = |ca: &str| {
        let port = server.port();
        format!("[state]\nredis = \"rediss://127.0.0.1:{port}\"\nuser = \"gateway\"\npassword = \"env:REDIS\"\n{ca}")
    };
    let trusting = toml(&format!("ca = \"{}\"", ca.display()));
    let gateway = Gateway::start("a", &trusting, &[("REDIS", "hush")]);
    gateway.states.keep(snapshot("call-1", 1));
    gateway.is_up().await;
    gateway.all_written().await;
    gateway.has_its_lease().await;
    assert_eq!(gateway.writes("written"), 1);
    gateway.stop().await;

    let state = |toml: &str, password: &str| {
        let secrets = [("REDIS".to_owned(), password.to_owned())];
        Config::parse(toml, secrets, &Machine::here()).unwrap().state.unwrap()
    };
    let report = check(&state(&trusting, "hush")).await.unwrap();
    assert!(report.version.starts_with('7') || report.version.starts_with('8'), "{report:?}");
    assert_eq!(report.maxmemory_policy.as_deref(), Some("noeviction"));
    assert_eq!(check(&state(&trusting, "wrong")).await, Err("credentials".to_owned()));
    assert_eq!(check(&state(&toml(""), "hush")).await, Err("tls".to_owned()), "nobody knows that authority");
}

#[tokio::test(flavor = "multi_thread")]
async fn when_the_master_dies_calls_go_on_with_the_one_that_sentinels_choose() {
    let mut redis = Sentinels::start().await.unwrap();
    let gateway = Gateway::start("a", &redis.toml(), &[]);
    gateway.states.keep(snapshot("silent", 1));
    gateway.states.keep(snapshot("speaking", 1));
    gateway.is_up().await;
    gateway.all_written().await;
    redis.servers[0].kill9().unwrap();
    gateway.is_away().await;
    gateway.states.keep(snapshot("speaking", 2));
    redis.wait_for_failover().await.unwrap();
    gateway.is_up().await;
    let mut new = redis.servers[1].connect().await.unwrap();
    turn_is_there(&mut new, "speaking", 2).await;
    turn_is_there(&mut new, "silent", 1).await;
    gateway.has_its_lease().await;
    gateway.stop().await;
}

#[tokio::test]
async fn one_sentinel_that_stands_still_costs_a_try() {
    let redis = Sentinels::start().await.unwrap();
    redis.sentinels[0].pause().unwrap();
    let gateway = Gateway::start("a", &redis.toml(), &[]);
    gateway.states.keep(snapshot("call-1", 1));
    gateway.is_up().await;
    gateway.all_written().await;
    gateway.stop().await;
}

#[tokio::test]
async fn a_cluster_has_each_call_where_its_name_belongs() {
    let cluster = Cluster::start().await.unwrap();
    let (a, b) = (Gateway::start("a", &cluster.toml(), &[]), Gateway::start("b", &cluster.toml(), &[]));
    a.has_its_lease().await;
    b.has_its_lease().await;
    for call in 0..200 {
        a.states.keep(snapshot(&format!("call-{call}"), 1));
    }
    a.all_written().await;
    until("all are written", async || a.writes("written") == 200).await;
    let nodes = cluster.nodes.each_ref().map(|node| node.port());
    let mut sizes = Vec::new();
    for node in &cluster.nodes {
        let size: u64 = redis::cmd("DBSIZE").query_async(&mut node.connect().await.unwrap()).await.unwrap();
        sizes.push(size);
    }
    assert!(sizes.iter().all(|size| *size > 60), "{nodes:?}: {sizes:?}");
    assert!(cluster.ask(&["GET", "vg:{call-7}:state"]).await.unwrap().contains("\"agent_id\":\"turn-1\""));
    // Whoever dies there is found, and the call is claimed.
    b.settled().await;
    let dead = a.states.holder().clone();
    a.die();
    let lapsed = b.states.adoptable().wait_for(|adoptable| adoptable.lapsed.len() == 1).await.unwrap().lapsed[0].clone();
    assert_eq!((&lapsed.holder, lapsed.calls.len()), (&dead, 200));
    let claimed = b.states.claim(&CallId::new("call-7"), &dead).await.unwrap();
    assert_eq!((claimed.snapshot.epoch, claimed.snapshot.agent.as_deref()), (Epoch(2), Some("turn-1")));
    b.stop().await;
}
