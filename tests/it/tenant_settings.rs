//! What an operator or tenant writes takes effect for the next session: calls that are up keep what they began with, and what is faulty changes nothing.

#![allow(clippy::unwrap_used, clippy::panic, clippy::result_large_err, reason = "a broken story stops; tungstenite's shape")]

use futures_util::{SinkExt, StreamExt};
use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::symlink;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{interval, timeout};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};
use vg_tests::house::{House, plugins_dir};
use voice_gateway::adapters::media_ws::client::Phone;

/// How long anything may take that has to come.
const PATIENCE: Duration = Duration::from_secs(20);

/// A vendor of the pretended kind: takes sound, understands nothing, answers that it is final.
struct Vendor {
    address: SocketAddr,
    sessions: Arc<Mutex<Vec<Session>>>,
    _tasks: JoinSet<()>,
}

#[derive(Clone, Debug, Default)]
struct Session {
    authorization: String,
    bytes: usize,
}

impl Vendor {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let sessions = Arc::<Mutex<Vec<Session>>>::default();
        let mut tasks = JoinSet::new();
        let seen = Arc::clone(&sessions);
        tasks.spawn(async move {
            let mut served = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                served.spawn(serve(stream, Arc::clone(&seen)));
            }
        });
        Self { address, sessions, _tasks: tasks }
    }

    fn sessions(&self) -> Vec<Session> {
        self.sessions.lock().unwrap().clone()
    }

    /// Sound of that session keeps coming.
    async fn is_listening_to(&self, nth: usize) {
        let before = self.sessions()[nth].bytes;
        until("sound comes to the vendor", || self.sessions()[nth].bytes > before).await;
    }
}

async fn serve(stream: TcpStream, sessions: Arc<Mutex<Vec<Session>>>) {
    let mut authorization = String::new();
    let look = |request: &Request, response: Response| {
        authorization = request.headers()["authorization"].to_str().unwrap().to_owned();
        Ok(response)
    };
    let Ok(mut socket) = tokio_tungstenite::accept_hdr_async(stream, look).await else { return };
    let nth = {
        let mut sessions = sessions.lock().unwrap();
        sessions.push(Session { authorization, bytes: 0 });
        sessions.len() - 1
    };
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
struct Folders(TempDir);

const PERMITTED: &str = "[plugin.probe-vendor-stt]\nnetworks = ['127.0.0.0/8']\n";

impl Folders {
    fn new() -> Self {
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

    fn install(&self, plugin: &str, name: &str) {
        let plugin = plugins_dir().canonicalize().unwrap().join("test").join(plugin);
        assert!(plugin.is_file(), "{} is missing: cargo xtask plugins", plugin.display());
        let place = self.0.path().join("plugins").join(name);
        let _ = fs::remove_file(&place);
        symlink(&plugin, place).unwrap();
    }

    fn write(&self, name: &str, text: &str) {
        // As an editor does it, or a config map: never half a file.
        let next = self.0.path().join("next");
        fs::write(&next, text).unwrap();
        fs::rename(next, self.0.path().join(name)).unwrap();
    }

    fn tenant(&self, vendor: &Vendor, key: &str) -> String {
        let (endpoint, key) = (vendor.address, self.0.path().join(key));
        tenant(&format!(
            "[[hearing]]\nplugin = 'probe-vendor-stt'\noptions = {{ endpoint = 'ws://{endpoint}' }}\n\
             [hearing.secrets.api_key]\nkind = 'static'\nref = 'file:{}'\n",
            key.display()
        ))
    }

    async fn house(&self) -> House {
        let dir = |name| self.0.path().join(name);
        let toml = format!(
            "[http]\napi = true\n[plugins]\ndir = {:?}\nstore = {:?}\npolicy = {:?}\n[tenants]\ndir = {:?}\ndefault = 'acme'\n",
            dir("plugins"),
            dir("store"),
            dir("policy.toml"),
            dir("tenants")
        );
        House::with(&toml).await.unwrap()
    }
}

fn tenant(hearing: &str) -> String {
    format!(
        "language = 'en-US'\ngreeting = 'Hi.'\n{hearing}[speaking]\nplugin = 'probe-tts'\n\
         [prompts]\nnot_understood = 'Pardon?'\nagent_unavailable = 'Not now.'\nfarewell = 'Bye.'\n[timing]\nsilence_ms = 60000\n"
    )
}

/// Waits for a state.
async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let held = async {
        let mut look = interval(Duration::from_millis(10));
        while !holds() {
            look.tick().await;
        }
    };
    timeout(PATIENCE, held).await.unwrap_or_else(|_| panic!("never: {what}"));
}

async fn faults(house: &House) -> Vec<String> {
    house.running().look_now().await.err().iter().flat_map(|faults| faults.iter().map(ToString::to_string)).collect()
}

async fn ask(house: &House, request: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(house.http()).await.unwrap();
    let head = format!(
        "{request} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

async fn hang_up(phones: impl IntoIterator<Item = Phone>, house: House) {
    for phone in phones {
        phone.hang_up().await.1.unwrap();
    }
    house.holds_nothing(Duration::from_secs(5)).await.unwrap();
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn changed_options_and_keys_are_the_next_sessions_and_not_the_current_ones() {
    let (one, two) = (Vendor::start().await, Vendor::start().await);
    let folders = Folders::new();
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
    let folders = Folders::new();
    folders.write("policy.toml", PERMITTED);
    let sound = folders.tenant(&vendor, "key-one");
    folders.write("tenants/acme.toml", &sound);
    let house = folders.house().await;

    folders.write("policy.toml", "[plugin.probe-vendor-stt]\nhosts = ['api.example.com']\nhots = []\n");
    folders.write(
        "tenants/acme.toml",
        &sound.replace("endpoint = ", "colour = 3, defect = 3, endpoint = ").replace("api_key", "apikey"),
    );
    folders.write("tenants/other.toml", &tenant("[hearing]\nplugin = 'probe-tts'\n"));
    let prefix = format!("{}/", folders.0.path().display());
    let told: Vec<String> = faults(&house).await.iter().map(|fault| fault.replace(&prefix, "")).collect();
    let begins = [
        "policy.toml: plugin.probe-vendor-stt.hosts[0]: a rule begins with",
        "policy.toml: plugin.probe-vendor-stt.hots: unknown",
        "tenants/acme.toml: hearing[0].options.defect: ",
        "tenants/acme.toml: hearing[0].options: ",
        "tenants/acme.toml: hearing[0].secrets.apikey: the plugin asks for no secret of this name",
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
    fs::remove_file(folders.0.path().join("tenants/other.toml")).unwrap();
    assert_eq!(faults(&house).await, [""; 0]);
    hang_up([phone], house).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rung_that_cannot_open_makes_way_for_the_next() {
    let vendor = Vendor::start().await;
    let folders = Folders::new();
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
    let folders = Folders::new();
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
    fs::remove_file(folders.0.path().join("plugins/stt-new.wasm")).unwrap();
    house.running().look_now().await.unwrap();
    assert_eq!(state(), "plugin-missing");
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn plugins_are_listed_with_what_they_lack_and_options_are_judged() {
    let folders = Folders::new();
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
