//! The server of `docs/own-engine.md`, as it stands there.

use super::{WIDE, fault, rig};
use serde_json::json;
use std::io;
use std::net::TcpListener;
use std::path::Path;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::net::{TcpSocket, TcpStream};
use tokio::process::{Child, Command};
use vg_plugin_host::api::FaultKind;
use vg_plugin_host::session::SessionEnd;
use vg_sim::{Format, recordings};

/// Until dropped.
struct Engine {
    origin: String,
    _process: Child,
    _folder: TempDir,
}

impl Engine {
    async fn start(token: &str) -> Self {
        let document = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/own-engine.md");
        let document = std::fs::read_to_string(document).unwrap();
        let program = document.split("```python\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("engine.py");
        std::fs::write(&file, program).unwrap();
        // Whoever takes it before Python does makes the test fail, not pass.
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut command = Command::new("python3");
        command.arg(&file).arg(port.to_string()).env("ENGINE_TOKEN", token).kill_on_drop(true);
        let process = command.stderr(std::process::Stdio::null()).spawn().unwrap();
        let begun = Instant::now();
        while reach(port).await.is_err() {
            assert!(begun.elapsed() < Duration::from_secs(20), "the document's server does not start");
        }
        Self { origin: format!("http://127.0.0.1:{port}"), _process: process, _folder: folder }
    }
}

/// From an address of its own: a connection to a port that nobody listens at may get that very port for its other end, and meet itself.
async fn reach(port: u16) -> io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(([127, 0, 0, 2], 0).into())?;
    socket.connect(([127, 0, 0, 1], port).into()).await
}

#[tokio::test]
async fn the_documents_server_listens() {
    let (rig, _) = rig("stt-http").await;
    let engine = Engine::start("").await;
    let options = json!({ "endpoint": engine.origin });
    let did = rig.listen(options, WIDE, "en-US", &recordings()[0].samples(16_000)).await.unwrap();
    assert_eq!(did.outcome.end, Some(SessionEnd::Done), "{:?}", did.events);
    assert!(did.finals().len() >= 2 && did.finals()[0].starts_with("I heard you for "), "{:?}", did.finals());
    assert!(!did.partials().is_empty());
    let faults: Vec<String> = rig.conform(&did.recording).unwrap().iter().map(ToString::to_string).collect();
    assert_eq!(faults, Vec::<String>::new());
}

#[tokio::test]
async fn the_documents_server_speaks() {
    let (mut rig, _) = rig("tts-http").await;
    let engine = Engine::start("own-token").await;
    rig.secret("token", "own-token").unwrap();
    let options = json!({ "endpoint": engine.origin, "bearer": true });
    let did = rig.speak(options, WIDE, "en-US", &["Good morning.", "How are you?"]).await.unwrap();
    assert_eq!(did.outcome.end, Some(SessionEnd::Done), "{:?}", did.events);
    // 225 ms a word.
    assert_eq!(did.outcome.sound.len(), Format::pcm(16_000).bytes(5 * 225));
    let nobody = rig.speak(json!({ "endpoint": engine.origin }), WIDE, "en-US", &["Good morning."]).await.unwrap();
    assert_eq!(fault(nobody.outcome.end).kind, FaultKind::Auth);
}
