//! What a tenant's sessions are given: a version of the store, no more seats than it allows itself, a recording where the operator asks for one.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a broken story stops")]

use std::fs;
use std::io::BufReader;
use vg_plugin_host::recording::{Recording, Replay, replay};
use vg_plugin_host::{HostConfig, PluginHost};
use vg_plugin_store::{Incoming, Store};
use vg_tests::folders::{Folders, PERMITTED, Vendor, faults, hang_up, tenant, until, until_metric};
use vg_tests::house::plugins_dir;

/// A call holds two: a listener and a speaker.
const LIVE: &str = "vg_plugin_sessions_live";

#[tokio::test(flavor = "multi_thread")]
async fn a_version_of_the_store_serves_the_tenant_that_names_it() {
    let folders = Folders::make();
    let store = Store::open(&folders.path().join("store")).unwrap();
    let wasm = fs::read(plugins_dir().join("test/probe-stt.wasm")).unwrap();
    let incoming = Incoming { wasm: &wasm, plugin: &"stt-kept@1.4.0".parse().unwrap(), signature: None, source: "story" };
    store.put(&incoming, &["stt-kept@1.4.0".parse().unwrap()]).unwrap();
    folders.write("policy.toml", "");
    folders.write("tenants/acme.toml", &tenant("[hearing]\nplugin = 'stt-kept@1.4.0'\n"));
    folders.write("tenants/other.toml", &tenant("[hearing]\nplugin = 'stt-kept@1.5.0'\n"));
    let house = folders.house().await;
    let states = house.running().readiness().plugins;
    let state = |name: &str| states.iter().find(|plugin| plugin.name == name).unwrap().state;
    assert_eq!((state("stt-kept@1.4.0"), state("stt-kept@1.5.0")), ("ready", "plugin-missing"));
    let phone = house.phone("acme").await.unwrap();
    until_metric(&house, LIVE, |live| live >= 2.0).await;
    hang_up([phone], house).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_has_as_many_sessions_as_it_allows_itself() {
    let vendor = Vendor::start().await;
    let folders = Folders::make();
    folders.write("policy.toml", PERMITTED);
    let limited = folders.tenant(&vendor, "key-one");
    let limited = limited.replacen("options =", "limits = { sessions_max = 1 }\noptions =", 1);
    folders.write("tenants/acme.toml", &limited.replacen("[speaking]", "[[hearing]]\nplugin = 'probe-stt'\n[speaking]", 1));
    let house = folders.house().await;
    let held = "vg_provider_sessions{plugin=\"probe-vendor-stt\",role=\"hearing\",tenant=\"acme\"}";
    let late = "vg_provider_session_waits_total{outcome=\"late\",plugin=\"probe-vendor-stt\",role=\"hearing\"}";
    let fell = "vg_rung_falls_total{code=\"concurrency\",role=\"hearing\"}";
    let first = house.phone("acme").await.unwrap();
    until("the vendor is called", || vendor.sessions().len() == 1).await;
    let second = house.phone("acme").await.unwrap();
    until_metric(&house, late, |times| times >= 1.0).await;
    until_metric(&house, fell, |times| times >= 1.0).await;
    until_metric(&house, held, |sessions| sessions == 1.0).await;
    assert_eq!(vendor.sessions().len(), 1);
    // What is given back can be had again.
    first.hang_up().await.1.unwrap();
    until_metric(&house, LIVE, |live| live <= 2.0).await;
    let third = house.phone("acme").await.unwrap();
    until("the vendor is called once more", || vendor.sessions().len() == 2).await;
    hang_up([second, third], house).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vendor_that_says_when_it_has_time_again_is_not_asked_before() {
    let vendor = Vendor::start().await;
    vendor.is_full_for(60);
    let folders = Folders::make();
    folders.write("policy.toml", PERMITTED);
    let tenant = folders.tenant(&vendor, "key-one");
    folders.write("tenants/acme.toml", &tenant.replacen("[speaking]", "[[hearing]]\nplugin = 'probe-stt'\n[speaking]", 1));
    let house = folders.house().await;
    let first = house.phone("acme").await.unwrap();
    until_metric(&house, "vg_rung_falls_total{code=\"quota\",role=\"hearing\"}", |times| times >= 1.0).await;
    until_metric(&house, "vg_breakers_open{role=\"hearing\"}", |open| open == 1.0).await;
    let second = house.phone("acme").await.unwrap();
    until_metric(&house, LIVE, |live| live >= 4.0).await;
    assert_eq!(vendor.sessions().len(), 1, "asked once, by nobody again");
    hang_up([first, second], house).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_the_operator_records_runs_again_on_a_laptop() {
    let vendor = Vendor::start().await;
    let folders = Folders::make();
    folders.write("policy.toml", PERMITTED);
    folders.write("tenants/acme.toml", &folders.tenant(&vendor, "key-one"));
    let dir = folders.path().join("recordings");
    let record = format!("[plugins.record]\ntenant = 'acme'\nplugin = 'probe-vendor-stt'\ndir = {dir:?}\nsessions_max = 1\n");
    let house = folders.house_with(&record).await;
    let first = house.phone("acme").await.unwrap();
    until("the vendor is called", || vendor.sessions().len() == 1).await;
    until("half a second of sound has come", || vendor.sessions()[0].bytes > 8_000).await;
    // One more than was asked for.
    let second = house.phone("acme").await.unwrap();
    until("the vendor is called once more", || vendor.sessions().len() == 2).await;
    hang_up([first, second], house).await;

    let files: Vec<_> = fs::read_dir(&dir).unwrap().map(|file| file.unwrap().path()).collect();
    let [file] = &files[..] else { panic!("{files:?}") };
    assert!(!fs::read_to_string(file).unwrap().contains("key-of-one"));
    let recording = Recording::read(BufReader::new(fs::File::open(file).unwrap())).unwrap();
    let turns = recording.turns.len();
    assert!(turns > 3, "{turns}");
    let laptop = PluginHost::new(HostConfig::new(folders.path().join("laptop"))).unwrap();
    let plugin = laptop.load(&plugins_dir().join("test/probe-vendor-stt.wasm")).unwrap();
    assert_eq!(replay(&plugin, &recording).unwrap(), Replay::Same { turns });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_refers_to_no_secret_beyond_what_the_operator_gave_to_tenants() {
    let vendor = Vendor::start().await;
    let folders = Folders::make();
    fs::create_dir(folders.path().join("secrets")).unwrap();
    folders.write("secrets/key-three", "key-of-three");
    folders.write("policy.toml", PERMITTED);
    folders.write("tenants/acme.toml", &folders.tenant(&vendor, "secrets/key-three"));
    let house = folders.house_with(&format!("secrets_dir = {:?}\n", folders.path().join("secrets"))).await;
    let phone = house.phone("acme").await.unwrap();
    until("the vendor is called", || vendor.sessions().len() == 1).await;
    assert_eq!(vendor.sessions()[0].authorization, "Bearer key-of-three");

    let beyond = folders.tenant(&vendor, "key-one");
    let file = format!("file:{}", folders.path().join("key-one").display());
    for beyond in [beyond.clone(), beyond.replace(&file, "env:PATH")] {
        folders.write("tenants/acme.toml", &beyond);
        let told = faults(&house).await;
        let [fault] = &told[..] else { panic!("{told:#?}") };
        assert!(fault.contains("hearing[0].secrets.api_key: refers to what plugins.secrets_env_prefix"), "{fault}");
    }
    hang_up([phone], house).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_plugin_says_that_it_has_worked_is_counted_when_the_call_has_ended() {
    let folders = Folders::make();
    folders.install("../tts-local.wasm", "tts-local.wasm");
    folders.write("policy.toml", "");
    let quiet = tenant("[hearing]\nplugin = 'probe-stt'\n");
    folders.write("tenants/acme.toml", &quiet.replace("probe-tts", "tts-local").replace("'Hi.'", "'Welcome to Acme.'"));
    let house = folders.house().await;
    let phone = house.phone("acme").await.unwrap();
    // The greeting and its sound.
    until_metric(&house, "vg_call_setup_seconds_count{part=\"greeting\"}", |greeted| greeted >= 1.0).await;
    let worked = "vg_usage_units_total{plugin=\"tts-local\",role=\"speaking\",tenant=\"acme\",unit=\"characters\"}";
    assert_eq!(house.metric(worked).await.unwrap_or(0.0), 0.0, "not before the end");
    phone.hang_up().await.1.unwrap();
    until_metric(&house, worked, |characters| characters == 16.0).await;
    hang_up([], house).await;
}
