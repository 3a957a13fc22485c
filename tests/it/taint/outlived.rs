//! The same of a call that outlives two of its gateways, at a real Asterisk: each dies while a part of a card has been said or typed, and the next one hears
//! the rest.

use super::kafka::Topic;
use super::vendors::{Ear, House};
use super::{Gateway, SAID, Told, in_one, tells_no_keys, watch_redis, written};
use crate::search::leak;
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;
use tokio::time::sleep;
use vg_tests::house::recording;
use vg_tests::lab::{Asterisk, Redis, SipCaller};
use vg_tests::vault::VaultDouble;

const SOON: Duration = Duration::from_secs(20);
/// Others are judged by whoever has seen the store for so long.
const SETTLED: Duration = Duration::from_secs(4);
const KEY: Duration = Duration::from_millis(100);

/// Gateways that could have the call, and those that had it.
struct Fleet {
    living: Vec<Gateway>,
    dead: Vec<Gateway>,
}

impl Fleet {
    /// Whoever has the call.
    async fn holder(&self) -> usize {
        let begun = Instant::now();
        loop {
            for (at, gateway) in self.living.iter().enumerate() {
                if shows(gateway, "vg_calls_live 1").await {
                    return at;
                }
            }
            assert!(begun.elapsed() < SOON, "nobody has the call: {:?}\n{}", self.counts().await, self.living[0].read("log"));
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// How many calls each says it has.
    async fn counts(&self) -> Vec<String> {
        let mut counts = Vec::new();
        for gateway in &self.living {
            let page = gateway.get("/metrics", "guarded").await.unwrap_or_default();
            counts.extend(page.lines().filter(|line| line.starts_with("vg_calls_live ")).map(str::to_owned));
        }
        counts
    }

    /// Whoever has the call is killed, and another one has it.
    async fn loses_the_holder(&mut self) {
        let mut dying = self.living.remove(self.holder().await);
        dying.process.kill().unwrap();
        dying.process.wait().unwrap();
        self.dead.push(dying);
        self.holder().await;
    }
}

/// Whether a line is among its metrics.
async fn shows(gateway: &Gateway, line: &str) -> bool {
    gateway.get("/metrics", "guarded").await.is_some_and(|page| page.lines().any(|shown| shown == line))
}

/// Something is said and answered; then it is quiet.
async fn says(caller: &mut SipCaller, ear: &Ear, hears: [super::Hears; 1]) {
    hears.into_iter().for_each(|hears| ear.hears(hears));
    let sound = vg_media::resample::convert(&recording("time.wav").unwrap(), 16_000, 8_000).unwrap();
    let said = caller.say(&sound).await.unwrap();
    caller.hears_speech(said, SOON).await.unwrap();
    is_told_all(caller).await;
    assert_eq!(ear.left(), 0, "not everything was said");
}

async fn is_told_all(caller: &mut SipCaller) {
    caller.hears_quiet(Duration::from_millis(900), SOON).await.unwrap();
}

/// What the person who is called reads of the call, as Asterisk writes it down.
async fn is_read(asterisk: &Asterisk) -> String {
    let begun = Instant::now();
    loop {
        let log = asterisk.log();
        if let Some(line) = log.lines().find(|line| line.contains("told <")) {
            return line.to_owned();
        }
        assert!(begun.elapsed() < SOON, "nobody was told\n{log}");
        sleep(Duration::from_millis(50)).await;
    }
}

async fn presses(caller: &SipCaller, keys: &str) {
    for key in keys.chars() {
        caller.press(key, KEY).unwrap();
        sleep(KEY * 2).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_card_that_is_given_to_several_gateways_in_parts_is_nowhere_either() {
    // Right after a number whose last four are shown no digits are: they could be the rest of it.
    let [first, rest, keyed] = ["my card is [card ending 9424]", "[digits] [digits] [digits]", "[card]"];
    outlives("guarded", [first, "and the other is [digits]", rest, "let me type it", keyed, "that is all"]).await;
}

/// Without a plugin the next gateway does not know which digits there were.
#[tokio::test(flavor = "multi_thread")]
async fn nor_is_it_where_the_built_in_mask_serves_alone() {
    let rest = "[digits] [digits] [digits]";
    outlives("alone", ["my card is [card]", "and the other is 4012 88", rest, "let me type it", "[digits]", "that is all"]).await;
}

async fn outlives(tenant: &str, is_told: [&str; 6]) {
    let (mut servers, mut readers, told) = (JoinSet::new(), JoinSet::new(), Told::default());
    let (ear, ear_addr) = Ear::start(&mut servers).await;
    let (house, house_addr) = House::start(&mut servers).await;
    let (asterisk, store, vault) = (Asterisk::start().await.unwrap(), Redis::start().await.unwrap(), VaultDouble::start().await);
    asterisk.changes("extensions.conf", "tenant=demo", &format!("tenant={tenant}")).await.unwrap();
    let topic = Topic::start().await;
    watch_redis(store.port(), told.clone(), &mut readers).await;
    let mut fleet = Fleet { living: Vec::new(), dead: Vec::new() };
    for (instance, app) in [("a", "vg-test"), ("b", "vg-b"), ("c", "vg-c")] {
        let head = format!(
            "instance = \"{instance}\"\n[[asterisk]]\nurl = \"http://127.0.0.1:{}\"\napp = \"{app}\"\nuser = \"gateway\"\n\
             password = \"env:ARI\"\n{}",
            asterisk.http_port(),
            topic.config()
        );
        let gateway = Gateway::with(ear_addr, house_addr, &store.url(), &vault, &head).await;
        let begun = Instant::now();
        while !shows(&gateway, "vg_ari_sockets_up 1").await {
            assert!(begun.elapsed() < SOON, "{}", gateway.read("log"));
            sleep(Duration::from_millis(50)).await;
        }
        fleet.living.push(gateway);
    }
    sleep(SETTLED).await;
    let mut caller = SipCaller::dial(&asterisk, "100").await.unwrap();
    caller.hears_speech(caller.answered_at(), SOON).await.unwrap();
    is_told_all(&mut caller).await;

    says(&mut caller, &ear, written()).await;
    let [_, spoken, keyed] = SAID;
    says(&mut caller, &ear, in_one(&["and the other is"], &["and the other is 4012 88"])).await;
    fleet.loses_the_holder().await;
    says(&mut caller, &ear, in_one(&["8888 88"], &["8888 8818 81"])).await;
    says(&mut caller, &ear, in_one(&[], &["let me type it"])).await;
    presses(&caller, &keyed[..6]).await;
    fleet.loses_the_holder().await;
    presses(&caller, &format!("{}#", &keyed[6..])).await;
    caller.hears_speech(Instant::now(), SOON).await.unwrap();
    is_told_all(&mut caller).await;
    says(&mut caller, &ear, in_one(&[], &["that is all"])).await;

    let mut last = fleet.living.remove(fleet.holder().await);
    let call = last.call_of(tenant).await;
    last.show(&call, tenant, &told).await;
    // Who gets the caller is told of the card as well.
    let wish = json!({"kind": "extension", "target": "204", "summary": format!("Pays by {spoken}.")});
    let gone = last.ask("POST", &format!("/v1/calls/{call}/transfer"), tenant, Some(wish)).await.unwrap();
    assert!(gone.starts_with("HTTP/1.1 204"), "{gone}\n{}", last.read("log"));
    told.add("person", is_read(&asterisk).await);
    caller.hang_up().await.unwrap();
    topic.add_to(&told).await;
    last.end().await;
    drop(store);
    while readers.join_next().await.is_some() {}

    let asked: Vec<Value> = house.asked.lock().unwrap().clone();
    let texts: Vec<&str> = asked.iter().filter_map(|body| body["text"].as_str()).collect();
    println!("the agent was told: {texts:?}");
    told.add_house(&house);
    fleet.dead.iter().chain([&last]).for_each(|gateway| told.add_files(gateway));
    // Everything is there in which something could be. What a spool has sent it deletes, so that words need not stand in one.
    for (whence, what) in [
        ("redis", "[card"),
        ("events.db", "SQLite"),
        ("audit/", "call.adopted"),
        ("log", "call adopted"),
        ("webhooks", "[card"),
        ("traces", "endpoint_wait"),
        (".json", "\"length_ms\""),
        ("person", "told <Pays by card"),
    ] {
        assert!(told.of(whence).contains(what), "no {what} in {whence}: {}", told.of(whence));
    }
    assert_eq!(fleet.dead.len(), 2);
    let events = told.of(if topic.is_there() { "kafka" } else { "events.db" });
    assert!(events.contains("call.adopted") && events.contains("[card"), "{events}");
    assert!(events.contains("call.transferring"), "{events}");
    let summary = asked.iter().find(|body| body["reason"] == "operator").and_then(|body| body["summary"].as_str());
    assert!(summary.is_some_and(|summary| summary.starts_with("Pays by [card")), "{summary:?}");
    assert_eq!(texts, is_told);
    // It knows what the caller heard, also from those that are dead.
    let heard: Vec<&Value> = asked.iter().filter(|body| body["text"].is_string()).map(|body| &body["heard"]).collect();
    assert!(heard.iter().all(|heard| heard.as_array().is_some_and(|heard| !heard.is_empty())), "{heard:?}");
    told.knows_none_of(&SAID);
    tells_no_keys(&told.of("/log"));
    assert!(leak(&format!("{} {}", "4012 88", "8888 8818 81"), spoken).is_some() && leak(keyed, keyed).is_some());
}
