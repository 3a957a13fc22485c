//! A gateway in folders of its own, with a tenant `acme` and a vendor of the pretended kind.

use crate::house::{House, plugins_dir};
use futures_util::{SinkExt, StreamExt};
use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{interval, timeout};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};
use voice_gateway::adapters::media_ws::client::Phone;

/// How long anything may take that has to come.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// A vendor of the pretended kind: takes sound, understands nothing, answers that it is final.
pub struct Vendor {
    /// Where it is.
    pub address: SocketAddr,
    sessions: Arc<Mutex<Vec<Session>>>,
    /// In how many seconds one may ask again.
    full: Arc<Mutex<Option<u32>>>,
    _tasks: JoinSet<()>,
}

/// What came on one connection.
#[derive(Clone, Debug, Default)]
pub struct Session {
    /// Of its head.
    pub authorization: String,
    /// Of sound, so far.
    pub bytes: usize,
}

impl Vendor {
    /// On a free port.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let sessions = Arc::<Mutex<Vec<Session>>>::default();
        let mut tasks = JoinSet::new();
        let full = Arc::<Mutex<Option<u32>>>::default();
        let (seen, refuses) = (Arc::clone(&sessions), Arc::clone(&full));
        tasks.spawn(async move {
            let mut served = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                served.spawn(serve(stream, Arc::clone(&seen), *refuses.lock().unwrap()));
            }
        });
        Self { address, sessions, full, _tasks: tasks }
    }

    /// From now on whoever comes is told to come again in so many seconds (429).
    pub fn is_full_for(&self, seconds: u32) {
        *self.full.lock().unwrap() = Some(seconds);
    }

    /// In the order in which they came.
    pub fn sessions(&self) -> Vec<Session> {
        self.sessions.lock().unwrap().clone()
    }

    /// Sound of that session keeps coming.
    pub async fn is_listening_to(&self, nth: usize) {
        let before = self.sessions()[nth].bytes;
        until("sound comes to the vendor", || self.sessions()[nth].bytes > before).await;
    }
}

async fn serve(stream: TcpStream, sessions: Arc<Mutex<Vec<Session>>>, full_for: Option<u32>) {
    let mut authorization = String::new();
    #[expect(clippy::result_large_err, reason = "tungstenite's shape")]
    let look = |request: &Request, response: Response| {
        authorization = request.headers()["authorization"].to_str().unwrap().to_owned();
        let Some(seconds) = full_for else { return Ok(response) };
        let refusal = tokio_tungstenite::tungstenite::http::Response::builder().status(429);
        Err(refusal.header("retry-after", seconds).body(None).unwrap())
    };
    let accepted = tokio_tungstenite::accept_hdr_async(stream, look).await;
    let nth = {
        let mut sessions = sessions.lock().unwrap();
        sessions.push(Session { authorization, bytes: 0 });
        sessions.len() - 1
    };
    let Ok(mut socket) = accepted else { return };
    while let Some(Ok(message)) = socket.next().await {
        match message {
            Message::Binary(sound) => sessions.lock().unwrap()[nth].bytes += sound.len(),
            Message::Text(text) if text.contains("finalize") => {
                let _ = socket.send(Message::text(r#"{"type":"finalized"}"#)).await;
            }
            _ => {}
        }
    }
}

/// Folders of a gateway with one tenant, whose listener is the pretended vendor's.
pub struct Folders(TempDir);

/// A policy under which the vendor may be reached.
pub const PERMITTED: &str = "[plugin.probe-vendor-stt]\nnetworks = ['127.0.0.0/8']\n";

impl Folders {
    /// With the pretended vendor's plugin and two others.
    pub fn make() -> Self {
        let folders = Self(TempDir::new().unwrap());
        for folder in ["plugins", "tenants"] {
            fs::create_dir(folders.0.path().join(folder)).unwrap();
        }
        for name in ["probe-vendor-stt.wasm", "probe-tts.wasm", "probe-stt.wasm"] {
            folders.install(name, name);
        }
        fs::write(folders.0.path().join("key-one"), "key-of-one\n").unwrap();
        fs::write(folders.0.path().join("key-two"), "key-of-two\n").unwrap();
        folders
    }

    /// A probe under a name of the plugin folder.
    pub fn install(&self, plugin: &str, name: &str) {
        let plugin = plugins_dir().canonicalize().unwrap().join("test").join(plugin);
        assert!(plugin.is_file(), "{} is missing: cargo xtask plugins", plugin.display());
        let place = self.0.path().join("plugins").join(name);
        let _ = fs::remove_file(&place);
        symlink(&plugin, place).unwrap();
    }

    /// Replaces a file in one step.
    pub fn write(&self, name: &str, text: &str) {
        // As an editor does it, or a config map: never half a file.
        let next = self.0.path().join("next");
        fs::write(&next, text).unwrap();
        fs::rename(next, self.0.path().join(name)).unwrap();
    }

    /// A tenant's file whose listener is the vendor's, with one of the two keys.
    pub fn tenant(&self, vendor: &Vendor, key: &str) -> String {
        let (endpoint, key) = (vendor.address, self.0.path().join(key));
        tenant(&format!(
            "[[hearing]]\nplugin = 'probe-vendor-stt'\noptions = {{ endpoint = 'ws://{endpoint}' }}\n\
             [hearing.secrets.api_key]\nkind = 'static'\nref = 'file:{}'\n",
            key.display()
        ))
    }

    /// Their path.
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// A gateway with these folders.
    pub async fn house(&self) -> House {
        self.house_with("").await
    }

    /// The same with more lines below `[plugins]`.
    pub async fn house_with(&self, plugins: &str) -> House {
        let dir = |name| self.0.path().join(name);
        let toml = format!(
            "[pci]\nplugin = ''\n[http]\napi = true\nauth = 'off'\n[plugins]\ndir = {:?}\nstore = {:?}\npolicy = {:?}\n{plugins}\n[tenants]\ndir = {:?}\ndefault = 'acme'\n",
            dir("plugins"),
            dir("store"),
            dir("policy.toml"),
            dir("tenants")
        );
        House::with(&toml).await.unwrap()
    }
}

/// A tenant's file with this listener.
pub fn tenant(hearing: &str) -> String {
    format!(
        "language = 'en-US'\ngreeting = 'Hi.'\n{hearing}[speaking]\nplugin = 'probe-tts'\n\
         [prompts]\nnot_understood = 'Pardon?'\nagent_unavailable = 'Not now.'\nfarewell = 'Bye.'\n[timing]\nsilence_ms = 60000\n"
    )
}

/// Waits for a state.
pub async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let held = async {
        let mut look = interval(Duration::from_millis(10));
        while !holds() {
            look.tick().await;
        }
    };
    timeout(PATIENCE, held).await.unwrap_or_else(|_| panic!("never: {what}"));
}

/// Waits for a figure of the gateway; one that is not there yet is zero.
pub async fn until_metric(house: &House, name: &str, holds: impl Fn(f64) -> bool) {
    let held = async {
        let mut look = interval(Duration::from_millis(10));
        while !holds(house.metric(name).await.unwrap_or(0.0)) {
            look.tick().await;
        }
    };
    timeout(PATIENCE, held).await.unwrap_or_else(|_| panic!("never: {name}"));
}

/// What a look at the settings finds wrong now.
pub async fn faults(house: &House) -> Vec<String> {
    house.running().look_now().await.err().iter().flat_map(|faults| faults.iter().map(ToString::to_string)).collect()
}

/// Every call ends, and nothing is left.
pub async fn hang_up(phones: impl IntoIterator<Item = Phone>, house: House) {
    for phone in phones {
        phone.hang_up().await.1.unwrap();
    }
    house.holds_nothing(Duration::from_secs(5)).await.unwrap();
    house.stop().await;
}
