//! Plugins that come and go by the API, beside live calls: what is let in, what is not, and that nothing is ever half there.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a broken story stops")]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use std::fs;
use std::path::Path;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use vg_plugin_store::Digest;
use vg_plugin_store::sign::{Password, SecretKey, keygen, sign_bytes};
use vg_tests::folders::{Folders, PATIENCE, PERMITTED, Vendor, hang_up, tenant, until};
use vg_tests::house::{House, plugins_dir};

const GIB: u64 = 1 << 30;

/// A probe's component, and the same as another version: with a custom section behind it, which changes nothing but the digest.
fn component(name: &str, version: u8) -> Vec<u8> {
    let mut wasm = fs::read(plugins_dir().join("test").join(format!("{name}.wasm"))).unwrap();
    if version > 1 {
        wasm.extend_from_slice(&[0, 3, 1, b'v', version]);
    }
    wasm
}

fn pinned(plugin: &str, components: &[&[u8]]) -> String {
    let digests: Vec<String> = components.iter().map(|wasm| format!("'{}'", Digest::of(wasm).hex())).collect();
    format!("digests = [{}]\n", digests.join(", "))
        + if plugin == "probe-vendor-stt" { "networks = ['127.0.0.0/8']\n" } else { "" }
}

fn policy(plugin: &str, components: &[&[u8]]) -> String {
    format!("[plugin.{plugin}]\n{}", pinned(plugin, components))
}

async fn ask(house: &House, what: &str, headers: &str, body: &[u8]) -> (u16, Value) {
    let mut stream = TcpStream::connect(house.http()).await.unwrap();
    let length = body.len();
    let head = format!("{what} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{headers}content-length: {length}\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    // A server may answer and close before it has read all.
    let _ = stream.write_all(body).await;
    answer(stream).await
}

async fn answer(mut stream: TcpStream) -> (u16, Value) {
    let mut bytes = Vec::new();
    let _ = stream.read_to_end(&mut bytes).await;
    let text = String::from_utf8_lossy(&bytes);
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    (head[9..12].parse().unwrap(), serde_json::from_str(body).unwrap_or(Value::Null))
}

const WASM: &str = "content-type: application/wasm\r\n";

async fn put(house: &House, id: &str, headers: &str, wasm: &[u8]) -> (u16, String) {
    let (status, body) = ask(house, &format!("POST /v1/plugins?id={id}"), &format!("{WASM}{headers}"), wasm).await;
    (status, body["code"].as_str().or(body["state"].as_str()).unwrap_or_default().to_owned())
}

fn told(status: u16, code: &str) -> (u16, String) {
    (status, code.to_owned())
}

/// What `GET /v1/plugins` says of one.
async fn row(house: &House, id: &str) -> Option<Value> {
    let (_, all) = ask(house, "GET /v1/plugins", "", b"").await;
    all["plugins"].as_array().unwrap().iter().find(|row| row["id"] == id).cloned()
}

/// Names in the folder of plugins, and what is left under `.incoming`.
fn files(folders: &Folders) -> Vec<String> {
    let names = |folder: &Path| -> Vec<String> {
        let entries = fs::read_dir(folder).into_iter().flatten();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    };
    let dir = folders.path().join("plugins");
    let incoming = dir.join(".incoming");
    let kept = ["lock", "tmp", "ready"];
    let mut all: Vec<String> = names(&dir).into_iter().filter(|name| name != ".incoming").collect();
    all.extend(names(&incoming).into_iter().filter(|name| !kept.contains(&name.as_str())));
    all.extend(names(&incoming.join("ready")));
    all.sort();
    all
}

async fn permit(folders: &Folders, house: &House, policy: &str) {
    folders.write("policy.toml", policy);
    house.running().look_now().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_that_somebody_vouches_for_is_there_and_everything_else_leaves_no_trace() {
    let folders = Folders::make();
    folders.write("policy.toml", "");
    folders.write("tenants/acme.toml", &tenant("[hearing]\nplugin = 'stt-new'\n"));
    let house = folders.house().await;
    let (good, junk) = (component("probe-stt", 1), b"no component at all".to_vec());
    let (core, loops) = (b"\0asm\x01\0\0\0".to_vec(), component("probe-stt-constructor-loop", 1));
    let speaker = component("probe-tts", 1);
    let before = files(&folders);

    // The operator's hand needs no voucher, a token does.
    assert_eq!(put(&house, "stt-new", "", &good).await, told(403, "not-vouched-for"));
    permit(&folders, &house, &policy("stt-new", &[&[]])).await;
    assert_eq!(put(&house, "stt-new", "", &good).await, told(403, "digest-not-pinned"));
    permit(&folders, &house, "[defaults]\nrequire_signature = true\n").await;
    assert_eq!(put(&house, "stt-new", "", &good).await, told(403, "unsigned"));
    permit(&folders, &house, &policy("stt-new", &[&good, &junk, &core, &loops, &speaker])).await;
    for (wasm, refused) in
        [(&junk, told(422, "not-wasm")), (&core, told(422, "core-module")), (&Vec::new(), told(403, "digest-not-pinned"))]
    {
        assert_eq!(put(&house, "stt-new", "", wasm).await, refused);
    }
    let (status, code) = put(&house, "stt-new", "", &loops).await;
    assert!(status == 422 && !code.is_empty(), "{status} {code}");
    let post = "POST /v1/plugins?id=stt-new";
    let (status, body) = ask(&house, post, "content-type: application/json\r\n", b"{}").await;
    assert_eq!((status, &body["code"]), (415, &Value::from("no_component")));
    for id in ["Stt", "../stt", "stt%2Fnew", "stt-new@1", ".stt", ""] {
        let (status, code) = put(&house, id, "", &good).await;
        assert!(status == 422 && code == "invalid_values", "{id}: {status} {code}");
    }
    assert_eq!(put(&house, "a&colour=red", "", &good).await, told(400, "bad_query"));
    assert_eq!(put(&house, "stt-new", "plugin-signature: !!!\r\n", &good).await, told(403, "not-a-signature"));
    assert_eq!(files(&folders), before);
    assert_eq!(row(&house, "stt-new").await.unwrap()["state"], "plugin-missing");

    assert_eq!(put(&house, "stt-new", "", &good).await, told(201, "ready"));
    assert_eq!(fs::read(folders.path().join("plugins/stt-new.wasm")).unwrap(), good);
    assert_eq!(row(&house, "stt-new").await.unwrap()["digest"], Digest::of(&good).to_string());
    let phone = house.phone("acme").await.unwrap();
    let versions = async || row(&house, "stt-new").await.unwrap()["versions"].clone();
    while versions().await[0]["sessions"] != 1 {
        tokio::task::yield_now().await;
    }
    // The same again changes nothing; another kind under that name would be nobody's listener any more.
    assert_eq!(put(&house, "stt-new", "", &good).await, told(200, "ready"));
    assert_eq!(put(&house, "stt-new", "", &speaker).await, told(409, "other-kind"));
    assert_eq!(versions().await.as_array().unwrap().len(), 1);
    hang_up([phone], house).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_that_are_up_keep_their_version_when_another_comes_and_when_it_goes() {
    let vendor = Vendor::start().await;
    let folders = Folders::make();
    let (first, second) = (component("probe-vendor-stt", 1), component("probe-vendor-stt", 2));
    folders.write("policy.toml", &policy("probe-vendor-stt", &[&first, &second]));
    folders.write("tenants/acme.toml", &folders.tenant(&vendor, "key-one"));
    let house = folders.house().await;
    let one = house.phone("acme").await.unwrap();
    until("the vendor is called", || vendor.sessions().len() == 1).await;

    assert_eq!(put(&house, "probe-vendor-stt", "", &second).await, told(200, "ready"));
    let two = house.phone("acme").await.unwrap();
    until("the vendor is called by the new version", || vendor.sessions().len() == 2).await;
    vendor.is_listening_to(0).await;
    vendor.is_listening_to(1).await;
    let versions = row(&house, "probe-vendor-stt").await.unwrap()["versions"].clone();
    let digests: Vec<(String, u64)> = versions
        .as_array()
        .unwrap()
        .iter()
        .map(|version| (version["digest"].as_str().unwrap().to_owned(), version["sessions"].as_u64().unwrap()))
        .collect();
    assert_eq!(digests, [(Digest::of(&first).to_string(), 1), (Digest::of(&second).to_string(), 1)]);

    // While a tenant names it, it stays; when none does it goes, and live calls do not notice.
    let gone = "DELETE /v1/plugins/probe-vendor-stt";
    let (status, body) = ask(&house, gone, "", b"").await;
    assert_eq!((status, &body["code"]), (409, &Value::from("plugin_in_use")));
    let by_version = folders.tenant(&vendor, "key-one").replace("probe-vendor-stt", "probe-vendor-stt@0.1.0");
    for named in [by_version, tenant("[hearing]\nplugin = 'probe-stt'\n")] {
        assert_eq!(ask(&house, gone, "", b"").await.0, 409);
        folders.write("tenants/acme.toml", &named);
        house.running().look_now().await.unwrap();
    }
    assert_eq!(ask(&house, gone, "", b"").await.0, 204);
    assert_eq!((row(&house, "probe-vendor-stt").await, ask(&house, gone, "", b"").await.0), (None, 404));
    assert_eq!(files(&folders), ["probe-stt.wasm", "probe-tts.wasm"]);
    vendor.is_listening_to(0).await;
    vendor.is_listening_to(1).await;
    for nobody in ["stt-nowhere", "..%2ftenants%2facme", "probe-stt@0.1.0", "PROBE"] {
        let (status, body) = ask(&house, &format!("DELETE /v1/plugins/{nobody}"), "", b"").await;
        assert_eq!((status, &body["code"]), (404, &Value::from("plugin_not_found")), "{nobody}");
    }
    hang_up([one, two], house).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signature_vouches_for_these_bytes_under_this_name_and_comes_and_goes_with_them() {
    let folders = Folders::make();
    let keys = tempfile::tempdir().unwrap();
    let made = keygen(&keys.path().join("author"), Password::Without).unwrap();
    let key = SecretKey::read(&made.secret, Password::Without).unwrap();
    let public = fs::read_to_string(&made.public).unwrap();
    let public = public.lines().last().unwrap();
    let trusted = format!("[defaults]\nrequire_signature = true\nkeys = ['{public}']\n");
    folders.write("policy.toml", PERMITTED);
    folders.write("tenants/acme.toml", &tenant("[hearing]\nplugin = 'probe-stt'\n"));
    let house = folders.house().await;
    let (first, second) = (component("probe-stt", 1), component("probe-stt", 2));
    let signed = |wasm: &[u8], name: &str| {
        let signature = sign_bytes(wasm, &name.parse().unwrap(), &key).unwrap();
        format!("plugin-signature: {}\r\n", STANDARD.encode(signature.text()))
    };
    let good = signed(&first, "stt-acme");
    // Nobody knows the key yet.
    assert_eq!(put(&house, "stt-acme", &good, &first).await, told(403, "not-vouched-for"));
    // The folder's own plugins are unsigned, so they are no longer served: that is the operator's wish.
    folders.write("policy.toml", &trusted);
    let _ = house.running().look_now().await;
    assert_eq!(put(&house, "stt-acme", "", &first).await, told(403, "unsigned"));
    assert_eq!(put(&house, "stt-acme", &good, &second).await, told(403, "changed"));
    assert_eq!(put(&house, "stt-other", &good, &first).await, told(403, "other-plugin"));
    assert_eq!(put(&house, "stt-acme", &good, &first).await, told(201, "ready"));
    let key_id = row(&house, "stt-acme").await.unwrap()["signed_by"].clone();
    assert_eq!(key_id.as_str().unwrap().len(), 16);
    let signature = folders.path().join("plugins/stt-acme.wasm.minisig");
    let was = fs::read_to_string(&signature).unwrap();
    assert_eq!(put(&house, "stt-acme", &signed(&second, "stt-acme@2"), &second).await, told(200, "ready"));
    assert!(fs::read_to_string(&signature).unwrap() != was, "the signature is the new component's");
    assert_eq!(ask(&house, "DELETE /v1/plugins/stt-acme", "", b"").await.0, 204);
    assert!(!signature.exists() && !files(&folders).iter().any(|name| name.contains("acme")));
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_comes_at_a_time_and_what_breaks_off_or_is_too_large_was_never_there() {
    let folders = Folders::make();
    let (good, other) = (component("probe-stt", 1), component("probe-stt", 2));
    folders.write("policy.toml", &policy("stt-new", &[&good, &other]));
    folders.write("tenants/acme.toml", &tenant("[hearing]\nplugin = 'probe-stt'\n"));
    let house = folders.house().await;
    let before = files(&folders);

    let half = async |length: u64| {
        let mut stream = TcpStream::connect(house.http()).await.unwrap();
        let head = format!("POST /v1/plugins?id=stt-new HTTP/1.1\r\nhost: localhost\r\n{WASM}content-length: {length}\r\n\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(&good[..good.len() / 2]).await.unwrap();
        stream
    };
    let (status, body) = answer(half(GIB).await).await;
    assert_eq!((status, &body["code"]), (413, &Value::from("plugin_too_large")));
    let slow = half(good.len() as u64).await;
    until("it is coming", || files(&folders).len() > before.len()).await;
    assert_eq!(put(&house, "stt-new", "", &good).await, told(409, "plugins_are_changing"));
    assert_eq!(ask(&house, "DELETE /v1/plugins/probe-tts", "", b"").await.1["code"], "plugins_are_changing");
    drop(slow);
    until("nothing is left of it", || files(&folders) == before).await;

    // With a key it is done once; the key is good for these bytes alone.
    let key = "idempotency-key: k1\r\n";
    let mut again = put(&house, "stt-new", key, &good).await;
    while again.1 == "plugins_are_changing" {
        again = put(&house, "stt-new", key, &good).await;
    }
    assert_eq!(again, told(201, "ready"));
    assert_eq!(put(&house, "stt-new", key, &good).await, told(201, "ready"), "answered again, not done again");
    assert_eq!(put(&house, "stt-new", "", &good).await, told(200, "ready"));
    assert_eq!(put(&house, "stt-new", key, &other).await, told(422, "idempotency_key_reused"));
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_fell_when_callers_tried_it_does_not_come_a_second_time() {
    let folders = Folders::make();
    let (first, second) = (component("probe-stt", 1), component("probe-stt", 2));
    folders.write("policy.toml", &policy("probe-stt", &[&first, &second]));
    // The probe has no options, and so nothing to trap at.
    folders.write("tenants/acme.toml", &tenant("[hearing]\nplugin = 'probe-stt'\noptions = { behave = 'trap', at = 1 }\n"));
    let house = folders.house().await;
    assert_eq!(put(&house, "probe-stt", "", &second).await, told(200, "ready"));
    let phone = house.phone("acme").await.unwrap();
    let refused = async {
        while put(&house, "probe-stt", "", &second).await != told(409, "trial-fell") {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, refused).await.expect("the version that fell is refused");
    assert_eq!(row(&house, "probe-stt").await.unwrap()["digest"], Digest::of(&first).to_string());
    drop(phone);
    house.stop().await;
}
