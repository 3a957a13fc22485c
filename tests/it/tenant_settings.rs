//! What an operator or tenant writes takes effect for the next session: calls that are up keep what they began with, and what is faulty changes nothing.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a broken story stops")]

use std::fs;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use vg_tests::folders::{Folders, PATIENCE, PERMITTED, Vendor, faults, hang_up, tenant, until};
use vg_tests::house::House;

async fn ask(house: &House, request: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(house.http()).await.unwrap();
    let head = format!(
        "{request} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn changed_options_and_keys_are_the_next_sessions_and_not_the_current_ones() {
    let (one, two) = (Vendor::start().await, Vendor::start().await);
    let folders = Folders::make();
    folders.write("policy.toml", PERMITTED);
    folders.write("tenants/acme.toml", &folders.tenant(&one, "key-one"));
    let house = folders.house().await;
    let first = house.phone("acme").await.unwrap();
    until("the first vendor is called", || one.sessions().len() == 1).await;
    assert_eq!(one.sessions()[0].authorization, "Bearer key-of-one");

    folders.write("tenants/acme.toml", &folders.tenant(&two, "key-two"));
    assert_eq!(faults(&house).await, [""; 0]);
    let second = house.phone("acme").await.unwrap();
    until("the second vendor is called", || two.sessions().len() == 1).await;
    assert_eq!(two.sessions()[0].authorization, "Bearer key-of-two");
    one.is_listening_to(0).await;

    // The operator takes the permission back: the next session reaches nobody, the others go on.
    folders.write("policy.toml", "# nothing is permitted any more\n");
    assert_eq!(faults(&house).await, [""; 0]);
    let mut third = house.phone("acme").await.unwrap();
    let fell = async {
        loop {
            if let voice_gateway::adapters::media_ws::PhoneFact::Fell { who, code } = third.next_fact().await.unwrap() {
                return (who, code);
            }
        }
    };
    assert_eq!(timeout(PATIENCE, fell).await.unwrap(), ("hearing".to_owned(), "unavailable".to_owned()));
    assert!(house.metric("vg_plugin_links_total{fate=\"egress_denied\"}").await.unwrap() >= 1.0);
    one.is_listening_to(0).await;
    two.is_listening_to(0).await;
    assert_eq!((one.sessions().len(), two.sessions().len()), (1, 1));
    assert_eq!(house.metric("vg_settings_changes_total{outcome=\"taken\",what=\"policy\"}").await.unwrap(), 2.0);
    hang_up([first, second, third], house).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn faulty_settings_change_nothing_and_all_their_faults_are_told() {
    let vendor = Vendor::start().await;
    let folders = Folders::make();
    folders.write("policy.toml", PERMITTED);
    let sound = folders.tenant(&vendor, "key-one");
    folders.write("tenants/acme.toml", &sound);
    let house = folders.house().await;

    folders.write("policy.toml", "[plugin.probe-vendor-stt]\nhosts = ['api.example.com']\nhots = []\n");
    folders.write(
        "tenants/acme.toml",
        &sound
            .replace("endpoint = ", "colour = 3, defect = 3, endpoint = ")
            .replace("api_key", "apikey")
            .replace("options = ", "sound = 'pcm-48000'\noptions = "),
    );
    folders.write("tenants/other.toml", &tenant("[hearing]\nplugin = 'probe-tts'\n"));
    let prefix = format!("{}/", folders.path().display());
    let told: Vec<String> = faults(&house).await.iter().map(|fault| fault.replace(&prefix, "")).collect();
    let begins = [
        "policy.toml: plugin.probe-vendor-stt.hosts[0]: a rule begins with",
        "policy.toml: plugin.probe-vendor-stt.hots: unknown",
        "tenants/acme.toml: hearing[0].options.defect: ",
        "tenants/acme.toml: hearing[0].options: ",
        "tenants/acme.toml: hearing[0].secrets.apikey: the plugin asks for no secret of this name",
        "tenants/acme.toml: hearing[0].sound: the plugin has pcm-16000, pcm-8000, mulaw-8000",
        "tenants/other.toml: hearing.plugin: is a plugin of kind tts",
    ];
    assert_eq!(told.len(), begins.len(), "{told:#?}");
    for begin in begins {
        assert!(told.iter().any(|fault| fault.starts_with(begin)), "{begin} is missing in {told:#?}");
    }
    assert!(house.metric("vg_settings_changes_total{outcome=\"refused\",what=\"tenants\"}").await.unwrap() >= 1.0);

    let phone = house.phone("acme").await.unwrap();
    until("the vendor is called as before", || vendor.sessions().len() == 1).await;
    // Mended: there is nothing to tell any more.
    folders.write("policy.toml", PERMITTED);
    folders.write("tenants/acme.toml", &sound);
    fs::remove_file(folders.path().join("tenants/other.toml")).unwrap();
    assert_eq!(faults(&house).await, [""; 0]);
    hang_up([phone], house).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rung_that_cannot_open_makes_way_for_the_next() {
    let vendor = Vendor::start().await;
    let folders = Folders::make();
    folders.write("policy.toml", PERMITTED);
    let missing = "[[hearing]]\nplugin = 'stt-nowhere'\n[[hearing]]\nplugin = 'probe-stt'\nlanguages = ['pt-BR']\n[[hearing]]";
    folders.write("tenants/acme.toml", &folders.tenant(&vendor, "key-one").replace("[[hearing]]", missing));
    let house = folders.house().await;
    let phone = house.phone("acme").await.unwrap();
    until("the third rung serves", || vendor.sessions().len() == 1).await;
    assert!(house.metric("vg_plugin_session_ends_total{code=\"plugin-missing\",plugin=\"stt-nowhere\"}").await.unwrap() >= 1.0);
    assert!(house.metric("vg_plugin_session_ends_total{code=\"unsupported\",plugin=\"probe-stt\"}").await.unwrap() >= 1.0);
    hang_up([phone], house).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn plugins_come_change_and_go_while_the_gateway_runs() {
    let folders = Folders::make();
    folders.write("policy.toml", "");
    folders.write("tenants/acme.toml", &tenant("[hearing]\nplugin = 'stt-new'\n"));
    let house = folders.house().await;
    let state = || house.running().readiness().plugins.iter().find(|plugin| plugin.name == "stt-new").unwrap().state;
    assert_eq!(state(), "plugin-missing");
    folders.install("probe-stt.wasm", "stt-new.wasm");
    // Nobody has to say so: the files are looked at.
    until("the plugin is there", || state() == "ready").await;
    assert!(!ask(&house, "GET /v1/plugins", "").await.contains("tried"));

    // One that works stays until one that works comes.
    folders.write("plugins/stt-new.wasm", "no plugin");
    house.running().look_now().await.unwrap();
    assert_eq!(state(), "ready");
    folders.install("probe-stt-script.wasm", "stt-new.wasm");
    house.running().look_now().await.unwrap();
    assert_eq!(state(), "ready");
    assert!(ask(&house, "GET /v1/plugins", "").await.contains(r#""role":"tried""#));

    // Pinned to another component: turned away, with the line to add.
    folders.write("policy.toml", &format!("[plugin.stt-new]\ndigests = ['{}']\n", "ab".repeat(32)));
    house.running().look_now().await.unwrap();
    assert_eq!(state(), "digest-not-pinned");
    let answer = ask(&house, "GET /v1/plugins", "").await;
    assert!(answer.contains("add to policy: [plugin.\\\"stt-new\\\"] digests = "), "{answer}");
    folders.write("policy.toml", "[defaults]\nrequire_signature = true\n");
    house.running().look_now().await.unwrap();
    assert_eq!(state(), "unsigned");
    folders.write("policy.toml", "");
    fs::remove_file(folders.path().join("plugins/stt-new.wasm")).unwrap();
    house.running().look_now().await.unwrap();
    assert_eq!(state(), "plugin-missing");
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn plugins_are_listed_with_what_they_lack_and_options_are_judged() {
    let folders = Folders::make();
    folders.write("policy.toml", "");
    folders.write("tenants/acme.toml", &tenant("[hearing]\nplugin = 'probe-stt'\n"));
    let house = folders.house().await;
    let listed = ask(&house, "GET /v1/plugins", "").await;
    assert!(listed.starts_with("HTTP/1.1 200"), "{listed}");
    let line = r#"add to policy: [plugin.\"probe-vendor-stt\"] hosts = [\"wss://vendor.example\"]"#;
    assert!(listed.contains(line) && listed.contains(r#""state":"ready""#), "{listed}");

    let good = ask(&house, "POST /v1/plugins/probe-vendor-stt/check", r#"{"endpoint":"ws://127.0.0.1:1"}"#).await;
    assert!(good.starts_with("HTTP/1.1 200") && good.ends_with(r#"{"valid":true}"#), "{good}");
    let bad = ask(&house, "POST /v1/plugins/probe-vendor-stt/check", r#"{"defect":7,"colour":1}"#).await;
    assert!(bad.starts_with("HTTP/1.1 422") && bad.contains("application/problem+json"), "{bad}");
    assert!(bad.contains(r#""path":"/defect""#) && bad.contains("colour"), "{bad}");
    let none = ask(&house, "POST /v1/plugins/stt-nowhere/check", "{}").await;
    assert!(none.starts_with("HTTP/1.1 404") && none.contains("plugin_not_found"), "{none}");
    let text = ask(&house, "POST /v1/plugins/probe-vendor-stt/check", "no json").await;
    assert!(text.starts_with("HTTP/1.1 400") && text.contains("no_json"), "{text}");
    house.stop().await;

    let closed = House::start().await.unwrap();
    assert!(ask(&closed, "GET /v1/plugins", "").await.starts_with("HTTP/1.1 404"));
    closed.stop().await;
}
