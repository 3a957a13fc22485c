//! The same of a card that is said for the vault, where a tenant lets its callers say one: the vendor that listens hears it, the vault gets it, and nobody
//! else has anything of it.

use super::kafka::Topic;
use super::vendors::{Ear, House};
use super::{Gateway, PATIENCE, Told, in_one, say, watch_redis};
use crate::search::leak;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use vg_tests::lab::Redis;
use vg_tests::vault::VaultDouble;

const TENANT: &str = "spoken";
/// As the vault gets them.
const FIELDS: [&str; 3] = ["5200828282828210", "1139", "8462"];
/// As they are said; the number in two pieces.
const NUMBER: [&str; 2] = ["five two double zero eight two", "eight two eight two eight two eight two one zero"];
const EXPIRY: &str = "one one three nine";
const CODE: &str = "eight four six two";

#[tokio::test(flavor = "multi_thread")]
async fn a_card_that_is_said_for_the_vault_is_nowhere_else() {
    let (mut servers, mut readers, told) = (JoinSet::new(), JoinSet::new(), Told::default());
    let (ear, ear_addr) = Ear::start(&mut servers).await;
    let (house, house_addr) = House::start(&mut servers).await;
    let (store, vault, topic) = (Redis::start().await.unwrap(), VaultDouble::start().await, Topic::start().await);
    watch_redis(store.port(), told.clone(), &mut readers).await;
    let mut gateway = Gateway::with(ear_addr, house_addr, &store.url(), &vault, &topic.config()).await;
    gateway.listen(TENANT, told.clone(), &mut readers).await;

    let mut phone = gateway.phone(TENANT).await;
    say(&gateway, &mut phone, &ear, in_one(&[], &["I pay by card"])).await;
    let growing = ["five two double zero", "five two double zero eight two eight two eight two"];
    for hears in [in_one(&growing, &NUMBER), in_one(&["one one"], &[EXPIRY]), in_one(&["eight four six"], &[CODE])] {
        say(&gateway, &mut phone, &ear, hears).await;
    }
    say(&gateway, &mut phone, &ear, in_one(&[], &["that is all"])).await;

    let call = gateway.call_of(TENANT).await;
    gateway.show(&call, TENANT, &told).await;
    let _ = phone.hang_up().await;
    topic.add_to(&told).await;
    let hooked = async {
        while !house.hooked.lock().unwrap().iter().any(|body| body.contains("\"call.ended\"")) {
            sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(PATIENCE, hooked).await.expect("the webhook is told of the end");
    told.add("metrics", gateway.get("/metrics", TENANT).await.unwrap());
    gateway.end().await;
    drop(store);
    while readers.join_next().await.is_some() {}

    // The search finds it where it is to be.
    let requests = vault.mind.requests();
    let [given] = &requests[..] else { panic!("{requests:?}") };
    assert_eq!(["number", "expiry", "code"].map(|field| given.body[field].as_str().unwrap()), FIELDS);
    let heard = ear.said.lock().unwrap().clone();
    assert!(leak(&heard, FIELDS[0]).is_some() && heard.contains(EXPIRY) && heard.contains(CODE), "{heard}");

    let asked: Vec<Value> = house.asked.lock().unwrap().clone();
    let texts: Vec<&str> = asked.iter().filter_map(|body| body["text"].as_str()).collect();
    assert_eq!(texts, ["I pay by card", "[card]", "that is all"]);
    let card = asked.iter().find(|body| body["text"] == "[card]").map(|body| &body["card"]);
    assert_eq!(card, Some(&json!({"outcome": "given", "token": "tok-1", "last4": "8210", "brand": "visa"})));

    told.add_house(&house);
    told.add_files(&gateway);
    // Everything is there in which something could be.
    for (whence, what) in [
        ("redis", "that is all"),
        ("events of", "that is all"),
        ("webhooks", "that is all"),
        ("traces", "endpoint_wait"),
        ("voice", "that is all"),
        ("audit/", "call.ended"),
        ("events.db", "SQLite"),
        (".json", "\"length_ms\""),
        ("/log", TENANT),
    ] {
        assert!(told.of(whence).contains(what), "no {what} in {whence}: {}", told.of(whence));
    }
    assert!(!topic.is_there() || told.of("kafka").contains("that is all"), "{}", told.of("kafka"));
    told.knows_none_of(&FIELDS[..1]);
    let all = told.of("").to_lowercase();
    for words in NUMBER.iter().chain([&EXPIRY, &CODE]) {
        assert!(!all.contains(words), "{words}");
    }
    assert!(!told.of("webhooks").contains("tok-1") && !told.of("events of").contains("tok-1"));
}
