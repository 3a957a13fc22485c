//! A session on a laptop: run against a local vendor, recorded, run again, and made a bad day of.

#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "a broken test stops; nobody reads its items")]

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_tungstenite::tungstenite::Message;
use vg_plugin_host::api::{AudioFormat, Encoding, SessionStart, SessionTag};
use vg_plugin_host::links::secrets::{LocalStore, SecretSpec};
use vg_plugin_host::links::{Links, LinksConfig};
use vg_plugin_host::policy::{Policy, TenantWish};
use vg_plugin_host::recording::{Recorder, Recording, Replay, Words, replay};
use vg_plugin_host::session::{Opening, SessionEnd};
use vg_plugin_host::{HostConfig, Plugin, PluginHost};
use vg_plugin_kit::conform::{Verdict, conform};
use vg_plugin_kit::run::{Live, Outcome, Pace, listen, speak};

const FORMAT: AudioFormat = AudioFormat { encoding: Encoding::PcmS16le, rate_hz: 8000 };
const KEY: &str = "a key that nobody may see";

/// A host, a plugin, and a vendor on loopback.
struct Laptop {
    host: PluginHost,
    plugin: Arc<Plugin>,
    folder: TempDir,
    paper: Paper,
    _vendor: JoinSet<()>,
    origin: String,
}

#[derive(Clone, Default)]
struct Paper(Arc<Mutex<Vec<u8>>>);

impl Write for Paper {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Laptop {
    async fn new<F: Future<Output = ()> + Send + 'static>(name: &str, scheme: &str, serve: fn(TcpStream) -> F) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut config = HostConfig::new(folder.path().join("cache"));
        config.light.sessions_max = 16;
        let host = PluginHost::new(config).unwrap();
        let built = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../target/plugins/test").join(format!("{name}.wasm"));
        assert!(built.is_file(), "{name}.wasm is not built: run cargo xtask plugins");
        let plugin = host.load(&built).unwrap();
        std::fs::write(folder.path().join("key"), KEY).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address: SocketAddr = listener.local_addr().unwrap();
        let mut vendor = JoinSet::new();
        vendor.spawn(async move {
            let mut calls = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                calls.spawn(serve(stream));
            }
        });
        Self { host, plugin, folder, paper: Paper::default(), _vendor: vendor, origin: format!("{scheme}://{address}") }
    }

    fn live(&self, policy: &str) -> Live {
        let options = json!({ "endpoint": self.origin }).to_string();
        let reference = format!("file:{}", self.folder.path().join("key").display());
        let secrets = BTreeMap::from([("api_key".to_owned(), SecretSpec::Static { reference, hosts: None })]);
        let wish = TenantWish {
            tenant: "laptop".into(),
            hosts: None,
            endpoint: Some(&self.origin),
            secrets: &secrets,
            store: Arc::new(LocalStore::default()),
            connections: None,
        };
        let policy = Policy::parse(policy).unwrap();
        let granted = policy.grant(self.plugin.name(), self.plugin.descriptor(), wish).unwrap();
        let links = Links::new(LinksConfig::default()).unwrap();
        Live {
            plugin: Arc::clone(&self.plugin),
            start: SessionStart { format: FORMAT, language: "en-US".into(), options, seed: [3; 32] },
            opening: Opening {
                tag: SessionTag::default(),
                door: Some(Box::new(links.door(granted.grant))),
                recorder: Some(Recorder::new(&self.plugin, Words::Hashed, Box::new(self.paper.clone()))),
                on_end: None,
            },
            pace: Pace::Fast,
        }
    }

    /// The recording replays, holds no key, and is good enough for the kit.
    fn prove(&self, outcome: &Outcome) {
        assert_eq!(outcome.end, Some(SessionEnd::Done));
        let written = self.paper.0.lock().unwrap().clone();
        assert!(!String::from_utf8(written.clone()).unwrap().contains(KEY));
        let recording = Recording::read(&written[..]).unwrap();
        assert!(matches!(replay(&self.plugin, &recording).unwrap(), Replay::Same { turns } if turns > 5));
        let rows = conform(&self.plugin, "all", Some(&recording), None).unwrap();
        for row in &rows {
            assert!(matches!(row.verdict, Verdict::Pass | Verdict::NotApplicable(_)), "{row}");
        }
        let mut changed = recording.clone();
        changed.header.start.options = json!({ "endpoint": "ws://127.0.0.1:1" }).to_string();
        changed.turns[0].told = vg_plugin_host::recording::Told::Start(changed.header.start.clone());
        assert!(matches!(replay(&self.plugin, &changed).unwrap(), Replay::Differs(_)));
    }
}

const LOOPBACK: &str = r#"
    [defaults]
    networks = ["127.0.0.0/8"]
"#;

/// Hears a word in every second piece, says what it heard when asked.
async fn listening_vendor(stream: TcpStream) {
    let mut socket = tokio_tungstenite::accept_async(stream).await.unwrap();
    let (mut pieces, mut utterance) = (0u64, 1u64);
    while let Some(Ok(message)) = socket.next().await {
        let said: Vec<Value> = match message {
            Message::Binary(_) => {
                pieces += 1;
                let text = vec!["word"; pieces as usize].join(" ");
                let end = pieces * 100;
                vec![json!({ "type": "partial", "id": utterance, "text": text, "start": 0, "end": end })]
            }
            Message::Text(text) if text.contains("finalize") => {
                utterance += 1;
                let words: Vec<String> = (0..pieces).map(|nth| format!("word{nth}")).collect();
                let last =
                    json!({ "type": "final", "id": utterance - 1, "text": words.join(" "), "start": 0, "end": pieces * 100 + 1 });
                vec![last, json!({ "type": "finalized" })]
            }
            Message::Close(_) => break,
            _ => vec![],
        };
        for message in said {
            socket.send(Message::text(message.to_string())).await.unwrap();
        }
    }
}

/// Reads one request, answers with two seconds of sound in pieces.
async fn speaking_vendor(mut stream: TcpStream) {
    let mut request = Vec::new();
    let mut buffer = [0; 4096];
    while !request.windows(4).any(|window| window == b"\r\n\r\n") {
        let read = stream.read(&mut buffer).await.unwrap();
        request.extend_from_slice(&buffer[..read]);
    }
    assert!(String::from_utf8_lossy(&request).contains(KEY), "the host fills the key in");
    let head = "HTTP/1.1 200 OK\r\ncontent-type: audio/pcm\r\ncontent-length: 32000\r\nconnection: close\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    for piece in 0..10u8 {
        stream.write_all(&vec![piece.wrapping_mul(17); 3200]).await.unwrap();
        stream.flush().await.unwrap();
        tokio::task::yield_now().await;
    }
    let _ = stream.shutdown().await;
}

/// A second and a half of noise, then quiet.
fn sound() -> Vec<i16> {
    (0..12_000i32).map(|at| ((at * 7919) % 12_007 - 6_000) as i16).chain(vec![0; 4000]).collect()
}

#[tokio::test]
async fn a_listener_runs_against_a_local_vendor_and_its_recording_runs_again() {
    let laptop = Laptop::new("probe-vendor-stt", "ws", listening_vendor).await;
    let mut events = Vec::new();
    let outcome = listen(&laptop.host, laptop.live(LOOPBACK), &sound(), |event| events.push(event)).await.unwrap();
    let of = |kind: &str| events.iter().filter(|event| event["event"] == kind).count();
    assert!(of("final") >= 1 && of("finalized") >= 1 && of("ended") == 1, "{events:?}");
    assert!(events.iter().all(|event| event["at_ms"].is_u64()));
    laptop.prove(&outcome);
}

#[tokio::test]
async fn a_speaker_runs_against_a_local_vendor_and_its_recording_runs_again() {
    let laptop = Laptop::new("probe-vendor-tts", "http", speaking_vendor).await;
    let replies = ["Good morning.".to_owned()];
    let outcome = speak(&laptop.host, laptop.live(LOOPBACK), &replies, |_| ()).await.unwrap();
    assert_eq!(outcome.sound.len(), 32_000);
    laptop.prove(&outcome);
}

#[tokio::test]
async fn without_permission_the_session_says_so_and_the_code_is_its_own() {
    let laptop = Laptop::new("probe-vendor-stt", "ws", listening_vendor).await;
    let outcome = listen(&laptop.host, laptop.live(""), &sound(), |_| ()).await.unwrap();
    assert_eq!((outcome.code(), outcome.exit_code()), ("unavailable", 14));
}
