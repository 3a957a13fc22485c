//! What a whole gateway tells of its calls to those who have to know: the audit log, and a tenant's webhook.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a broken story stops")]

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use serde_json::Value;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{interval, timeout};
use vg_domain::event::Fact;
use vg_tests::folders::until_metric;
use vg_tests::house::House;
use vg_tests::program;

const PATIENCE: Duration = Duration::from_secs(40);
const QUIET: Duration = Duration::from_millis(800);
const KEY: &str = "a-key-that-only-two-know";

/// The demo tenant with a webhook. Gives the configuration of its gateway.
fn telling(folder: &Path, webhook: &str) -> String {
    let demo = Path::new(env!("CARGO_MANIFEST_DIR")).join("../host/demo");
    let tenants = folder.join("tenants");
    std::fs::create_dir(&tenants).unwrap();
    let mut tenant = std::fs::read_to_string(demo.join("tenants/demo.toml")).unwrap();
    tenant += &format!(
        "\n[[events.webhooks]]\nname = \"crm\"\nurl = \"{webhook}/hook\"\ntypes = [\"call.*\", \"stt.*\"]\nsecret = \"file:{}\"\n",
        folder.join("key").display()
    );
    std::fs::write(folder.join("key"), KEY).unwrap();
    std::fs::write(tenants.join("demo.toml"), tenant).unwrap();
    std::fs::copy(demo.join("demo.jsgf"), tenants.join("demo.jsgf")).unwrap();
    let policy = folder.join("policy.toml");
    std::fs::write(&policy, format!("[plugin.webhooks]\nhosts = [\"{webhook}\"]\nnetworks = [\"127.0.0.1/32\"]\n")).unwrap();
    let plugins = vg_tests::house::plugins_dir();
    format!(
        "[http]\napi = true\nauth = \"off\"\n[plugins]\ndir = {plugins:?}\npolicy = {policy:?}\n[tenants]\ndir = {tenants:?}\n[audit]\ndir = {:?}\n",
        folder.join("audit")
    )
}

/// The status of a request of the API.
async fn ask(house: &House, request: &str) -> u16 {
    let mut connection = TcpStream::connect(house.http()).await.unwrap();
    let head = format!("{request} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
    connection.write_all(head.as_bytes()).await.unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await.unwrap();
    answer.split(' ').nth(1).unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_and_acts_stand_in_the_audit_log_once_each_and_a_tenant_is_told_what_it_wished() {
    let folder = tempfile::tempdir().unwrap();
    let (tell, mut told) = mpsc::channel(256);
    let hook = post(move |headers: HeaderMap, body: Bytes| async move {
        let signature = headers["webhook-signature"].to_str().unwrap().to_owned();
        let signed = [headers["webhook-id"].as_bytes(), b".", headers["webhook-timestamp"].as_bytes(), b".", &body].concat();
        tell.send((signature, signed, serde_json::from_slice::<Value>(&body).unwrap())).await.unwrap();
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let webhook = format!("http://{}", listener.local_addr().unwrap());
    let mut receiver = JoinSet::new();
    receiver.spawn(async move { axum::serve(listener, Router::new().route("/hook", hook)).await.unwrap() });

    let mut house = House::with(&telling(folder.path(), &webhook)).await.unwrap();
    let phone = house.phone("demo").await.unwrap();
    let call = house.fact("a call", |call, fact| matches!(fact, Fact::Started(_)).then(|| call.clone())).await.unwrap();
    assert!(phone.until_answer_ended(QUIET, PATIENCE).await, "no greeting");
    assert_eq!(ask(&house, "DELETE /v1/calls/nowhere").await, 404);
    assert_eq!(ask(&house, &format!("DELETE /v1/calls/{call}")).await, 204);
    house.fact("its end", |_, fact| matches!(fact, Fact::Ended(_)).then_some(())).await.unwrap();
    drop(phone);
    house.holds_nothing(PATIENCE).await.unwrap();

    let mut kinds = Vec::new();
    while kinds.last().is_none_or(|kind| kind != "call.ended") {
        let (signature, signed, event) = timeout(PATIENCE, told.recv()).await.unwrap().unwrap();
        let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, KEY.as_bytes());
        let bytes = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, &signature["v1,".len()..]).unwrap();
        ring::hmac::verify(&key, &signed, &bytes).unwrap();
        assert_eq!((event["subject"].as_str(), event["tenantid"].as_str()), (Some(call.as_str()), Some("demo")));
        kinds.push(event["type"].as_str().unwrap().to_owned());
    }
    assert_eq!(kinds[..2], ["call.started", "call.answered"], "{kinds:?}");
    let delivered = house.metric("vg_webhook_events_total{outcome=\"delivered\",tenant=\"demo\",webhook=\"crm\"}").await;
    assert!(delivered.unwrap() >= kinds.len() as f64 - 1.0);
    until_metric(&house, "vg_audit_lines_total{outcome=\"kept\"}", |kept| kept > 4.0).await;
    assert_eq!(house.running().readiness().audit, Some("writing"));
    house.stop().await;

    let mut files: Vec<_> =
        std::fs::read_dir(folder.path().join("audit/demo")).unwrap().map(|file| file.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|end| end == "jsonl"));
    files.sort();
    let text: String = files.iter().map(|file| std::fs::read_to_string(file).unwrap()).collect();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let name = |line: &Value| line["event"].as_str().or(line["outcome"].as_str()).unwrap_or_default().to_owned();
    let names: Vec<String> = lines.iter().map(name).collect();
    let place = |wanted: &str| {
        let places: Vec<usize> = names.iter().enumerate().filter(|(_, name)| *name == wanted).map(|(at, _)| at).collect();
        assert_eq!(places.len(), 1, "{wanted} in {names:?}");
        places[0]
    };
    let order = ["call.started", "call.answered", "call_unknown", "call.ended"].map(place);
    assert!(order.is_sorted() && place("done") > order[2], "{names:?}");
    assert_eq!(lines[place("done")]["on"], call.as_str());
    let words = std::fs::read_to_string(folder.path().join("tenants/demo.toml")).unwrap();
    let greeting = words.lines().find_map(|line| line.strip_prefix("greeting = \"")?.get(..12)).unwrap();
    assert!(!text.contains(greeting), "words are in the audit log");

    let audit = folder.path().join("audit");
    let verify = || program::alone(folder.path()).args(["audit", "verify"]).arg(&audit).output().unwrap();
    let sound = verify();
    assert!(sound.status.success(), "{}", String::from_utf8_lossy(&sound.stdout));
    let last = files.last().unwrap();
    std::fs::write(last, text.replace("call_unknown", "call_unknowm")).unwrap();
    let found = verify();
    let said = String::from_utf8_lossy(&found.stdout).into_owned();
    let at = format!("{}:{}:", last.display(), place("call_unknown") + 1);
    assert!(!found.status.success() && said.contains(&at), "{said}");
}

/// The next run of a gateway, as soon as nothing holds the folders of the one before.
async fn again(config: &str) -> House {
    let started = async {
        let mut look = interval(Duration::from_millis(20));
        loop {
            look.tick().await;
            if let Ok(house) = House::with(config).await {
                return house;
            }
        }
    };
    timeout(PATIENCE, started).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_webhook_had_not_taken_when_the_gateway_stopped_is_posted_once_it_runs_again_and_nobody_calls() {
    let folder = tempfile::tempdir().unwrap();
    let away = Arc::new(AtomicBool::new(true));
    let (tell, mut told) = mpsc::channel(256);
    let is_away = Arc::clone(&away);
    let hook = post(move |body: Bytes| async move {
        if is_away.load(Relaxed) {
            return StatusCode::SERVICE_UNAVAILABLE;
        }
        tell.send(serde_json::from_slice::<Value>(&body).unwrap()).await.unwrap();
        StatusCode::NO_CONTENT
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let webhook = format!("http://{}", listener.local_addr().unwrap());
    let mut receiver = JoinSet::new();
    receiver.spawn(async move { axum::serve(listener, Router::new().route("/hook", hook)).await.unwrap() });
    let config = telling(folder.path(), &webhook) + &format!("[events]\ndir = {:?}\n", folder.path().join("events"));

    let mut house = House::with(&config).await.unwrap();
    let phone = house.phone("demo").await.unwrap();
    let call = house.fact("an answer", |call, fact| matches!(fact, Fact::Answered(_)).then(|| call.clone())).await.unwrap();
    assert_eq!(ask(&house, &format!("DELETE /v1/calls/{call}")).await, 204);
    house.fact("its end", |_, fact| matches!(fact, Fact::Ended(_)).then_some(())).await.unwrap();
    drop(phone);
    until_metric(&house, "vg_webhook_failures_total{tenant=\"demo\",webhook=\"crm\"}", |failures| failures > 0.0).await;
    house.stop().await;

    away.store(false, Relaxed);
    let house = again(&config).await;
    let mut kinds = Vec::new();
    while kinds.last().is_none_or(|kind| kind != "call.ended") {
        let event = timeout(PATIENCE, told.recv()).await.unwrap().unwrap();
        assert_eq!(event["subject"].as_str(), Some(call.as_str()));
        kinds.push(event["type"].as_str().unwrap().to_owned());
    }
    assert_eq!(kinds[..2], ["call.started", "call.answered"], "{kinds:?}");
    house.stop().await;
}
