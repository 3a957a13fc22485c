//! Card numbers are said and typed on every way into a gateway, and then looked for in everything that it wrote, told or sent: it must not have any.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "a broken story stops; a good one reports")]

#[path = "taint/kafka.rs"]
mod kafka;
#[path = "taint/memory.rs"]
mod memory;
#[path = "taint/outlived.rs"]
mod outlived;
#[path = "taint/recorded.rs"]
mod recorded;
#[path = "taint/search.rs"]
mod search;
#[path = "taint/spoken.rs"]
mod spoken;
#[path = "taint/vendors.rs"]
mod vendors;

use recorded::{Kept, loud_frames};
use search::leak;
use serde_json::{Value, json};
use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use vendors::{Ear, Hears, House};
use vg_tests::house::{plugins_dir, recording};
use vg_tests::lab::Redis;
use vg_tests::program;
use vg_tests::vault::{VaultDouble, VaultTrouble};
use voice_gateway::adapters::media_ws::Format;
use voice_gateway::adapters::media_ws::client::{Phone, PhoneConfig};

const PATIENCE: Duration = Duration::from_secs(40);
const QUIET: Duration = Duration::from_millis(900);
/// Of the card brands' test ranges. One is only ever the agent's.
const SAID: [&str; 3] = ["6011000990139424", "4012888888881881", "378282246310005"];
const AGENTS: &str = "5105105105105100";
const TENANTS: [&str; 3] = ["guarded", "broken", "strict"];

/// Everything that comes out of a gateway.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<Vec<(String, String)>>>);

impl Told {
    fn add(&self, whence: impl Into<String>, text: impl Into<String>) {
        self.0.lock().unwrap().push((whence.into(), text.into()));
    }

    /// All files of a gateway.
    fn add_files(&self, gateway: &Gateway) {
        for (whence, text) in files(gateway.folder.path()) {
            self.add(whence, text);
        }
    }

    /// What agent, voice, webhooks and collector were told.
    fn add_house(&self, house: &House) {
        for body in house.asked.lock().unwrap().iter() {
            self.add("agent", body.to_string());
        }
        for (whence, told) in [("voice", &house.spoken), ("webhooks", &house.hooked), ("traces", &house.traced)] {
            self.add(whence, told.lock().unwrap().join("\n"));
        }
    }

    /// What came from there, one after another.
    fn of(&self, whence: &str) -> String {
        let told = self.0.lock().unwrap();
        told.iter().filter(|(name, _)| name.contains(whence)).map(|(_, text)| text.as_str()).collect()
    }

    /// Fails where a part of these cards stands in anything.
    fn knows_none_of(&self, pans: &[&str]) {
        let told = self.0.lock().unwrap();
        let leaks: Vec<String> = told
            .iter()
            .flat_map(|(whence, text)| pans.iter().filter_map(move |pan| Some(format!("{whence}: {pan}: {}", leak(text, pan)?))))
            .collect();
        assert!(leaks.is_empty(), "{}", leaks.join("\n"));
    }
}

struct Gateway {
    process: Child,
    http: SocketAddr,
    folder: TempDir,
}

impl Gateway {
    async fn start(ear: SocketAddr, house: SocketAddr, redis: &str, vault: &VaultDouble) -> Self {
        Self::with(ear, house, redis, vault, "").await
    }

    /// The same with more lines at the head of its configuration.
    async fn with(ear: SocketAddr, house: SocketAddr, redis: &str, vault: &VaultDouble, head: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        vault.write_authority(&folder.path().join("vault-ca.pem"));
        let plugins = folder.path().join("plugins");
        fs::create_dir(&plugins).unwrap();
        for name in ["stt-http.wasm", "tts-http.wasm", "pci-mask.wasm", "test/probe-mask.wasm"] {
            fs::copy(plugins_dir().join(name), plugins.join(Path::new(name).file_name().unwrap())).unwrap();
        }
        let tenants = folder.path().join("tenants");
        fs::create_dir(&tenants).unwrap();
        let broken = "plugin = \"probe-mask\"\nlanguages = [\"trap\"]\n";
        for (tenant, pci) in [
            ("guarded", "last_four = true\n".to_owned()),
            ("broken", broken.to_owned()),
            ("strict", format!("mode = \"strict\"\n{broken}")),
            ("alone", "plugin = \"\"\n".to_owned()),
            ("spoken", "spoken_cards = true\n".to_owned()),
        ] {
            let text = format!(
                "language = \"en-US\"\ngreeting = \"Hello.\"\nrecording = true\n\
                 [hearing]\nplugin = \"stt-http\"\nsound = \"pcm-16000\"\noptions = {{ endpoint = \"http://{ear}\" }}\n\
                 [speaking]\nplugin = \"tts-http\"\nsound = \"pcm-16000\"\noptions = {{ endpoint = \"http://{house}\" }}\n\
                 [transfer]\nqueue = \"queues,{{name}}\"\nextension = \"lab-desks,{{name}}\"\n\
                 [[events.webhooks]]\nname = \"crm\"\nurl = \"http://{house}/hook\"\n\
                 types = [\"*\"]\nsecret = \"file:{}\"\n[pci]\n{pci}",
                folder.path().join("key-of-webhooks").display()
            );
            fs::write(tenants.join(format!("{tenant}.toml")), text).unwrap();
        }
        let policy = format!(
            "[plugin.\"stt-http\"]\nhosts = [\"ws://{ear}\"]\nnetworks = [\"127.0.0.0/8\"]\n\
             [plugin.\"tts-http\"]\nhosts = [\"http://{house}\"]\nnetworks = [\"127.0.0.0/8\"]\n\
             [plugin.webhooks]\nhosts = [\"http://{house}\"]\nnetworks = [\"127.0.0.0/8\"]\n"
        );
        fs::write(folder.path().join("policy.toml"), policy).unwrap();
        fs::write(folder.path().join("key-of-webhooks"), "a-key-that-only-two-know").unwrap();
        let config = format!(
            "{head}[http]\napi = true\nauth = \"off\"\n[log]\nlevel = \"trace\"\nformat = \"json\"\n\
             [plugins]\ndir = {plugins:?}\npolicy = \"policy.toml\"\n[tenants]\ndir = {tenants:?}\ndefault = \"guarded\"\n\
             [agent]\nkind = \"http\"\nurl = \"http://{house}\"\n[recording]\ndir = \"calls\"\n[audit]\ndir = \"audit\"\n[events]\ndir = \"events\"\n\
             [state]\nredis = \"{redis}\"\n[telemetry]\notlp_endpoint = \"http://{house}\"\n[vault]\nurl = \"{}\"\nca = \"vault-ca.pem\"\ntoken = \"env:VAULT_TOKEN\"\n",
            vault.url()
        );
        fs::write(folder.path().join("voice-gateway.toml"), config).unwrap();
        let http = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let (out, err) =
            (fs::File::create(folder.path().join("out")).unwrap(), fs::File::create(folder.path().join("log")).unwrap());
        let process = program::alone(folder.path())
            .env("VG__HTTP__BIND", http.to_string())
            .env("VAULT_TOKEN", "a-secret-of-the-vault")
            .env("ARI", "gateway-lab")
            .args(["serve", "--config", "voice-gateway.toml"])
            .stdout(Stdio::from(out))
            .stderr(Stdio::from(err))
            .spawn()
            .unwrap();
        let gateway = Self { process, http, folder };
        let up = async {
            while gateway.get("/health/ready", "guarded").await.is_none_or(|answer| !answer.starts_with("HTTP/1.1 200")) {
                sleep(Duration::from_millis(100)).await;
            }
        };
        timeout(Duration::from_secs(120), up).await.unwrap_or_else(|_| panic!("{}", gateway.read("log")));
        gateway
    }

    fn read(&self, file: &str) -> String {
        String::from_utf8_lossy(&fs::read(self.folder.path().join(file)).unwrap_or_default()).into_owned()
    }

    async fn get(&self, path: &str, tenant: &str) -> Option<String> {
        self.ask("GET", path, tenant, None).await
    }

    async fn ask(&self, method: &str, path: &str, tenant: &str, body: Option<Value>) -> Option<String> {
        let body = body.map(|body| body.to_string()).unwrap_or_default();
        let mut connection = TcpStream::connect(self.http).await.ok()?;
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nx-tenant-id: {tenant}\r\nConnection: close\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        connection.write_all(request.as_bytes()).await.ok()?;
        let mut answer = Vec::new();
        connection.read_to_end(&mut answer).await.ok()?;
        Some(String::from_utf8_lossy(&answer).into_owned())
    }

    /// Keeps what a tenant is told as server-sent events, as it is told.
    async fn listen(&self, tenant: &'static str, told: Told, tasks: &mut JoinSet<()>) {
        let mut connection = TcpStream::connect(self.http).await.unwrap();
        let request = format!("GET /v1/events HTTP/1.1\r\nHost: localhost\r\nx-tenant-id: {tenant}\r\n\r\n");
        connection.write_all(request.as_bytes()).await.unwrap();
        tasks.spawn(async move {
            let (mut all, mut piece) = (Vec::new(), [0; 4096]);
            while let Ok(count @ 1..) = connection.read(&mut piece).await {
                all.extend_from_slice(&piece[..count]);
            }
            told.add(format!("events of {tenant}"), String::from_utf8_lossy(&all));
        });
    }

    async fn phone(&self, tenant: &str) -> Phone {
        let url = format!("ws://{}/media/ws", self.http).parse().unwrap();
        let phone = Phone::connect(PhoneConfig { url, format: Format::Slin16, tenant: Some(tenant.to_owned()) }).await.unwrap();
        assert!(phone.until_answer_ended(QUIET, PATIENCE).await, "no greeting\n{}", self.read("log"));
        phone
    }

    async fn call_of(&self, tenant: &str) -> String {
        let answer = self.get("/v1/calls", tenant).await.unwrap();
        let body: Value = serde_json::from_str(answer.split("\r\n\r\n").nth(1).unwrap()).unwrap();
        let calls = body["calls"].as_array().or(body["items"].as_array()).unwrap_or_else(|| panic!("{body}"));
        let id = calls[0].get("call_id").or(calls[0].get("id")).unwrap_or_else(|| panic!("{body}"));
        id.as_str().unwrap().to_owned()
    }

    /// Keeps what the interface shows of a call, and gives its transcript.
    async fn show(&self, call: &str, tenant: &str, told: &Told) -> String {
        let paths = ["", "/explain", "/transcript"].map(|path| format!("/v1/calls/{call}{path}"));
        let mut last = String::new();
        for path in paths {
            last = self.get(&path, tenant).await.unwrap();
            told.add(format!("{tenant}: {path}"), last.clone());
        }
        last
    }

    async fn end(&mut self) {
        // SIGTERM, as an operator ends it.
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(self.process.id() as i32), nix::sys::signal::Signal::SIGTERM).unwrap();
        let ended = async {
            while self.process.try_wait().unwrap().is_none() {
                sleep(Duration::from_millis(50)).await;
            }
        };
        timeout(PATIENCE, ended).await.expect("the gateway does not end");
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// One thing that is said, answered and heard to its end.
async fn say(gateway: &Gateway, phone: &mut Phone, ear: &Ear, hears: impl IntoIterator<Item = Hears>) {
    hears.into_iter().for_each(|hears| ear.hears(hears));
    phone.say(&recording("time.wav").unwrap()).await;
    phone.until_said().await;
    assert!(phone.until_answer_ended(QUIET, PATIENCE).await, "no answer\n{}", gateway.read("log"));
    assert_eq!(ear.left(), 0, "not everything was said");
}

fn in_one(partials: &[&'static str], finals: &[&'static str]) -> [Hears; 1] {
    [Hears { partials: partials.to_vec(), finals: finals.to_vec(), fault: None }]
}

fn written() -> [Hears; 1] {
    in_one(&["my card", "my card is 6011 000", "my card is 6011 0009 9013"], &["my card is 6011 0009 9013 9424"])
}

fn split() -> [Hears; 1] {
    in_one(&["it is 4012 8888", "it is 4012 8888 8888"], &["it is 4012 8888", "8888 1881 thanks"])
}

fn corrected() -> [Hears; 1] {
    in_one(
        &["no, four zero one two eight eight eight eight"],
        &["no, four zero one two eight eight eight eight eight eight eight eight one eight eight one"],
    )
}

/// A recogniser that fails, and repeats in its fault what it heard; the next one hears it again.
fn faulty() -> [Hears; 2] {
    let fault = Some("cannot parse <<3782 822463 10005>> of the request, three seven eight two eight two two four six");
    let again = "it is three seven eight two eight two two four six three one zero zero zero five";
    [Hears { partials: vec!["it is 3782"], fault, ..Hears::default() }, Hears { finals: vec![again], ..Hears::default() }]
}

/// What a Redis is told, word for word.
async fn watch_redis(port: u16, told: Told, tasks: &mut JoinSet<()>) {
    let mut connection = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    connection.write_all(b"MONITOR\r\n").await.unwrap();
    tasks.spawn(async move {
        let (mut all, mut piece) = (Vec::new(), [0; 4096]);
        while let Ok(Ok(count @ 1..)) = timeout(Duration::from_secs(120), connection.read(&mut piece)).await {
            all.extend_from_slice(&piece[..count]);
        }
        // Before each line stand Redis's own clock and the sender: digits that are of no call.
        let all = String::from_utf8_lossy(&all);
        let lines: Vec<&str> = all.lines().map(|line| line.split_once("] ").map_or(line, |(_, said)| said)).collect();
        told.add("redis", lines.join("\n"));
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_card_number_is_nowhere_in_what_a_gateway_writes_tells_and_sends() {
    let (mut servers, mut readers, told) = (JoinSet::new(), JoinSet::new(), Told::default());
    let (ear, ear_addr) = Ear::start(&mut servers).await;
    let (house, house_addr) = House::start(&mut servers).await;
    *house.adds.lock().unwrap() =
        format!("We have {} {} {} {} on file.", &AGENTS[..4], &AGENTS[4..8], &AGENTS[8..12], &AGENTS[12..]);
    let store = Redis::start().await.unwrap();
    watch_redis(store.port(), told.clone(), &mut readers).await;
    let vault = VaultDouble::start().await;
    let mut gateway = Gateway::start(ear_addr, house_addr, &store.url(), &vault).await;
    for tenant in TENANTS {
        gateway.listen(tenant, told.clone(), &mut readers).await;
    }

    let mut phone = gateway.phone("guarded").await;
    say(&gateway, &mut phone, &ear, in_one(&[], &["good morning"])).await;
    for hears in [written(), split(), corrected()] {
        say(&gateway, &mut phone, &ear, hears).await;
    }
    say(&gateway, &mut phone, &ear, faulty()).await;
    say(&gateway, &mut phone, &ear, in_one(&[], &["the security code is 737"])).await;
    for key in SAID[1].chars() {
        phone.press(key).await;
    }
    for words in ["that is all", "thank you"] {
        say(&gateway, &mut phone, &ear, in_one(&[], &[words])).await;
    }
    let call = gateway.call_of("guarded").await;
    let line = json!({"text": format!("Your card is {}.", SAID[0])});
    let said = gateway.ask("POST", &format!("/v1/calls/{call}/say"), "guarded", Some(line)).await.unwrap();
    assert!(said.starts_with("HTTP/1.1 2"), "{said}");
    assert!(phone.until_answer_ended(QUIET, PATIENCE).await, "the order was not said");
    let summary = json!({"kind": "queue", "target": "sales", "summary": format!("Pays by {}.", SAID[1])});
    // A media socket goes nowhere else. The agent is asked all the same; `outlived.rs` has somebody who is reached.
    let tried = gateway.ask("POST", &format!("/v1/calls/{call}/transfer"), "guarded", Some(summary)).await.unwrap();
    assert!(tried.starts_with("HTTP/1.1 502") && tried.contains("unsupported"), "{tried}");
    told.add("transfer", tried);
    let mut calls = vec![("guarded", call, phone)];

    let mut phone = gateway.phone("broken").await;
    for hears in [written(), split(), corrected()] {
        say(&gateway, &mut phone, &ear, hears).await;
    }
    calls.push(("broken", gateway.call_of("broken").await, phone));

    let mut phone = gateway.phone("strict").await;
    say(&gateway, &mut phone, &ear, written()).await;
    for key in SAID[1].chars().chain(['#']) {
        phone.press(key).await;
    }
    assert!(phone.until_answer_ended(QUIET, PATIENCE).await, "what was keyed in is not answered");
    calls.push(("strict", gateway.call_of("strict").await, phone));

    let (mut transcripts, recorded) = (Vec::new(), calls[0].1.clone());
    for (tenant, call, phone) in calls {
        transcripts.push(gateway.show(&call, tenant, &told).await);
        let _ = phone.hang_up().await;
        told.add(format!("{tenant}: latency"), gateway.get("/v1/latency", tenant).await.unwrap());
    }
    let metrics = gateway.get("/metrics", "guarded").await.unwrap();
    told.add("metrics", metrics.clone());
    report_memory(&gateway).await;
    gateway.end().await;
    drop(store);
    while readers.join_next().await.is_some() {}

    // Who masked, and what became of the others' words.
    let [guarded, broken, strict] = &transcripts[..] else { panic!("{transcripts:?}") };
    assert!(guarded.contains("[card ending 9424]") && guarded.contains("[cvv]"), "{guarded}");
    assert!(broken.contains("[card]"), "{broken}");
    let spoken = house.spoken.lock().unwrap().join("\n");
    assert!(strict.contains("use the keys of your phone") && spoken.contains("use the keys of your phone"), "{strict}");
    let asked = house.asked.lock().unwrap().clone();
    assert!(asked.iter().any(|body| body["text"] == "[card]"), "what was keyed in under the strict tenant: {asked:?}");
    let is_masked = |body: &Value| body["summary"].as_str().is_some_and(|summary| summary.starts_with("Pays by [card"));
    assert!(asked.iter().any(|body| body["reason"] == "operator" && is_masked(body)), "what a transfer is about: {asked:?}");
    let fell = metrics.lines().find(|line| line.starts_with("vg_rung_falls_total{code=\"trap\",role=\"masking\"}"));
    assert_eq!(fell.and_then(|line| line.rsplit(' ').next()), Some("2"), "{metrics}");
    let events = told.of("events of");
    assert!(events.contains("error.mask_failed") && events.contains("quality.words_withheld"), "{events}");

    told.add_house(&house);
    told.add_files(&gateway);
    println!(
        "{} kB were searched, the log at level trace with {} lines among them",
        told.of("").len() / 1024,
        gateway.read("log").lines().count()
    );
    // Five times something of a card was said, and not more than three times something else.
    let kept = Kept::read(gateway.folder.path(), "guarded", &recorded);
    kept.is_silent_in_its_pauses();
    let (said, of_one) = kept.frames_said();
    assert!((of_one..=3 * of_one).contains(&said), "{said} frames are heard, {of_one} are said each time");
    // The search finds what there is to find.
    let heard = ear.said.lock().unwrap().clone();
    assert!(SAID.iter().all(|pan| leak(&heard, pan).is_some()), "{heard}");
    assert!(told.of("redis").contains("[card"), "what Redis was told");
    assert!(told.of("webhooks").contains("[card") && told.of("traces").contains("endpoint_wait"));
    assert!(!told.of("/log").is_empty() && !told.of("audit/").is_empty());
    // Nobody took the events from the spool, and notes lie beside the sound.
    assert!(told.of("events.db").contains("[card"), "what is in the spool");
    assert!(told.of(".json").contains("\"length_ms\""), "what notes say of recordings");
    let [first, second, third] = SAID;
    told.knows_none_of(&[first, second, third, AGENTS]);
    let log = gateway.read("log");
    assert!(!log.contains("code is 737"));
    assert!(log.contains("the engine reported heard_[digits]"), "the fault that repeats a number is not in the log\n{log}");
}

/// What of the cards is in the gateway's memory after the calls.
async fn report_memory(gateway: &Gateway) {
    let over = async {
        while !gateway.get("/metrics", "guarded").await.unwrap().contains("\nvg_calls_live 0\n") {
            sleep(Duration::from_millis(100)).await;
        }
    };
    timeout(PATIENCE, over).await.expect("calls do not end");
    let process = gateway.process.id();
    let known = match memory::search(process, "guarded") {
        Ok(known) => known.values().sum::<usize>(),
        Err(error) => return println!("the gateway's memory was not looked at: {error}"),
    };
    assert!(known > 0, "its tenants' names are there for sure");
    for pan in SAID {
        let grouped = format!("{} {} {} {}", &pan[..4], &pan[4..8], &pan[8..12], &pan[12..]);
        for text in [pan, &grouped] {
            let found = memory::search(process, text).unwrap();
            let places: Vec<String> = found.iter().map(|(before, count)| format!("{count} behind {before:?}")).collect();
            println!("memory after the calls: {text}: {} ({})", found.values().sum::<usize>(), places.join("; "));
        }
    }
}

/// Keyed in for the vault, and nowhere said.
const KEYED: [&str; 3] = ["5555555555554444", "1139", "8462"];

/// The agent asks for a card, the caller keys it in, loud meanwhile. Gives what the agent is told of it.
async fn pay(gateway: &Gateway, phone: &mut Phone, ear: &Ear, house: &House) -> Value {
    let told = || house.asked.lock().unwrap().iter().filter(|body| body["text"] == "[card]").count();
    let before = told();
    say(gateway, phone, ear, in_one(&[], &["I pay by card"])).await;
    let heard = ear.peaks.lock().unwrap().len();
    phone.say(&recording("time.wav").unwrap()).await;
    for key in KEYED[0].chars().chain(['#']).chain(KEYED[1].chars()).chain(KEYED[2].chars().take(3)) {
        phone.press(key).await;
        sleep(Duration::from_millis(60)).await;
    }
    phone.until_said().await;
    // A slip, and the whole of it.
    phone.press('*').await;
    for key in KEYED[2].chars() {
        phone.press(key).await;
    }
    let asked = async {
        while told() == before {
            sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(PATIENCE, asked).await.unwrap_or_else(|_| panic!("the agent is not told\n{}", gateway.read("log")));
    let peaks = ear.peaks.lock().unwrap()[heard..].to_vec();
    assert!(peaks.len() > 5, "nothing was sent meanwhile");
    assert!(peaks.iter().all(|peak| *peak == 0), "the listener heard {peaks:?}");
    assert!(phone.until_answer_ended(QUIET, PATIENCE).await, "no answer\n{}", gateway.read("log"));
    house.asked.lock().unwrap().iter().rfind(|body| body["text"] == "[card]").unwrap()["card"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_card_that_is_keyed_in_for_the_vault_is_nowhere_else() {
    let (mut servers, mut readers, told) = (JoinSet::new(), JoinSet::new(), Told::default());
    let (ear, ear_addr) = Ear::start(&mut servers).await;
    let (house, house_addr) = House::start(&mut servers).await;
    let (store, vault) = (Redis::start().await.unwrap(), VaultDouble::start().await);
    watch_redis(store.port(), told.clone(), &mut readers).await;
    let mut gateway = Gateway::start(ear_addr, house_addr, &store.url(), &vault).await;
    gateway.listen("guarded", told.clone(), &mut readers).await;

    let mut phone = gateway.phone("guarded").await;
    // Whatever a vault says of a card that it does not keep repeats the number.
    for (trouble, outcome) in [
        (VaultTrouble::Refuses, "vault_refused"),
        (VaultTrouble::Echoes, "vault_garbage"),
        (VaultTrouble::Fails, "vault_unavailable"),
    ] {
        vault.mind.trouble([trouble]);
        assert_eq!(pay(&gateway, &mut phone, &ear, &house).await, json!({"outcome": outcome}));
    }
    let given = pay(&gateway, &mut phone, &ear, &house).await;
    assert_eq!(given, json!({"outcome": "given", "token": "tok-1", "last4": "4444", "brand": "visa"}));
    say(&gateway, &mut phone, &ear, in_one(&[], &["that is all"])).await;

    let call = gateway.call_of("guarded").await;
    gateway.show(&call, "guarded", &told).await;
    let (line, _) = phone.hang_up().await;
    let metrics = gateway.get("/metrics", "guarded").await.unwrap();
    told.add("metrics", metrics.clone());
    gateway.end().await;
    drop(store);
    while readers.join_next().await.is_some() {}

    // The search finds it where it is to be.
    let requests = vault.mind.requests();
    assert_eq!(requests.len(), 4);
    for asked in &requests {
        assert_eq!(["number", "expiry", "code"].map(|field| asked.body[field].as_str().unwrap()), KEYED);
        assert_eq!(asked.authorization, "Bearer a-secret-of-the-vault");
    }
    assert!(leak(&format!("{requests:?}"), KEYED[0]).is_some());
    let asked: String = house.asked.lock().unwrap().iter().map(Value::to_string).collect();
    for keyed in &KEYED[1..] {
        assert!(!asked.contains(keyed), "{asked}");
    }
    told.add_house(&house);
    told.add_files(&gateway);
    assert!(told.of("events.db").contains("[card]") && told.of(".json").contains("\"length_ms\""), "spool and notes are there");
    keeps_no_sound_of_a_card(&Kept::read(gateway.folder.path(), "guarded", &call), &line.agent);
    let events = told.of("events of");
    assert!(events.contains("error.vault_failed") && events.contains("[card]"), "{events}");
    assert!(!events.contains("tok-1"), "{events}");
    let fell = |code: &str| metrics.contains(&format!("vg_rung_falls_total{{code=\"{code}\",role=\"vault\"}} 1"));
    assert!(fell("vault_refused") && fell("vault_garbage") && fell("vault_unavailable"), "{metrics}");
    told.knows_none_of(&KEYED[..1]);
    let log = gateway.read("log");
    tells_no_keys(&log);
    assert!(!log.contains("a-secret-of-the-vault") && log.contains("vault did not keep a card"), "{log}");
}

/// The caller spoke to the agent five times, and loudly beside the keys of four cards; the gateway asked for each card.
fn keeps_no_sound_of_a_card(kept: &Kept, heard: &[i16]) {
    kept.is_silent_in_its_pauses();
    let (said, of_one) = kept.frames_said();
    assert!((of_one * 3..=of_one * 5).contains(&said), "{said} frames are heard, {of_one} are said each time");
    let (answered, all) = (kept.frames_answered(), loud_frames(heard));
    assert!(answered + 40 <= all, "of {all} frames of the gateway {answered} are in the recording");
}

fn tells_no_keys(log: &str) {
    let keys: Vec<&str> = log.lines().filter(|line| line.to_lowercase().contains("dtmf")).collect();
    assert!(keys.is_empty(), "a key a line is a card as well: {keys:?}");
}

/// What the gateway wrote; what was written for it aside.
fn files(folder: &Path) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                if !path.ends_with("plugins") {
                    folders.push(path);
                }
            } else {
                found.push((path.display().to_string(), String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned()));
            }
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_crashes_leaves_no_memory_behind_unless_it_is_told_to() {
    let dumped = async |allowed: bool| {
        let folder = tempfile::tempdir().unwrap();
        let http = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let mut process = Command::new("sh")
            .args(["-c", "ulimit -c 64; exec \"$0\" serve", program::path().to_str().unwrap()])
            .env("VG__HTTP__BIND", http.to_string())
            .env("VG__PLUGINS__DIR", plugins_dir())
            .env("VG__PCI__CORE_DUMPS", allowed.to_string())
            .current_dir(folder.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let up = async {
            while TcpStream::connect(http).await.is_err() {
                sleep(Duration::from_millis(100)).await;
            }
        };
        timeout(Duration::from_secs(120), up).await.unwrap();
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(process.id() as i32), nix::sys::signal::Signal::SIGABRT).unwrap();
        process.wait().unwrap().core_dumped()
    };
    assert!(dumped(true).await, "this system writes no core at all: the other half would prove nothing");
    assert!(!dumped(false).await);
}
