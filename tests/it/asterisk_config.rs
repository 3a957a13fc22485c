//! A stranger with a plain Asterisk: what `voice-gateway asterisk config` writes is all that it takes for a call to come through.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a broken story stops")]

use std::path::Path;
use std::process::Output;
use std::time::Duration;
use tempfile::TempDir;
use vg_domain::event::Fact;
use vg_tests::house::House;
use vg_tests::lab::{Asterisk, Issued, SipCaller};
use vg_tests::program;

const DEMO: &str = include_str!("../../host/demo/tenants/demo.toml");
const GRAMMAR: &str = include_str!("../../host/demo/demo.jsgf");
const SECRET: &str = "a-shared-secret-0123";
/// The demo's tenant, with a number and the trunk that the shipped files make.
const LINES: &str = "
[[trunk]]
id = 'trunk-1'
endpoint = 'PJSIP/vg-callers'
[[did]]
id = 'did-100'
number = '100'
trunk = 'trunk-1'
";
/// Another one, whose trunk is not that one.
const ELSEWHERE: &str = "
[[trunk]]
id = 'trunk-2'
endpoint = 'PJSIP/elsewhere'
";

/// A folder with all that a gateway is configured with.
fn folder(asterisk: &Asterisk, app: &str) -> (TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();
    std::fs::create_dir(at("tenants")).unwrap();
    for (name, text) in [
        ("tenants/demo.toml", format!("{DEMO}{LINES}")),
        ("tenants/other.toml", format!("{DEMO}{ELSEWHERE}")),
        ("tenants/demo.jsgf", GRAMMAR.to_owned()),
        ("secret", SECRET.to_owned()),
        ("password", asterisk.ari().password),
    ] {
        std::fs::write(at(name), text).unwrap();
    }
    let toml = format!(
        "[http]\nwebhook_secret = 'file:{}'\n[tenants]\ndir = '{}'\nmap = {{ '102' = 'other' }}\n\
         [[asterisk]]\nurl = '{}'\napp = '{app}'\nuser = '{}'\npassword = 'file:{}'\n",
        at("secret"),
        at("tenants"),
        asterisk.ari().url,
        asterisk.ari().user,
        at("password"),
    );
    (folder, toml)
}

fn run(folder: &Path, words: &[&str]) -> Output {
    program::alone(folder).args(words).output().unwrap()
}

fn written(folder: &Path, asterisk: &Asterisk, toml: &str, gateway: &str) -> Vec<(String, String)> {
    // Nobody serves the first application: the second one is that of the gateway.
    let toml = toml.replace("'vg-second'", "'vg-first'");
    written_with(folder, asterisk, &toml, &["--next-app", "vg-second", "--gateway", gateway])
}

/// The shipped files, but for the SIP port: the laboratory's Asterisk has it already.
fn written_with(folder: &Path, asterisk: &Asterisk, toml: &str, more: &[&str]) -> Vec<(String, String)> {
    std::fs::write(folder.join("voice-gateway.toml"), toml).unwrap();
    let words = ["asterisk", "config", "--dir", "etc", "--callers", "127.0.0.0/8"];
    let output = run(folder, &[&words, more].concat());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let read = |name: &str| (name.to_owned(), std::fs::read_to_string(folder.join("etc").join(name)).unwrap());
    let (pjsip, text) = read("pjsip.conf");
    let bind = format!("bind = 127.0.0.1:{}", asterisk.sip_port());
    let text = text.replace("bind = 0.0.0.0:5060", &bind).replace("vg-transport", "transport-udp");
    // Usual ports are the machine's: several laboratories share it.
    let (manager, users) = read("manager.conf");
    let users = users.replace("enabled = yes", "enabled = no");
    let (http, server) = read("http.conf");
    let server = server.replace("bindport = 8088", &format!("bindport = {}", asterisk.http_port()));
    let others = ["ari.conf", "extensions.conf", "chan_websocket.conf", "websocket_client.conf"].map(read);
    [vec![(pjsip, text), (manager, users), (http, server)], others.to_vec()].concat()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_written_files_bring_an_announced_call_through_and_turn_away_what_is_not_the_tenants() {
    let asterisk = Asterisk::start().await.unwrap();
    let (folder, toml) = folder(&asterisk, "vg-second");
    let mut house = House::with(&toml).await.unwrap();
    house.serves_all(Duration::from_secs(10)).await.unwrap();
    asterisk.takes(&written(folder.path(), &asterisk, &toml, &house.http().to_string())).await.unwrap();
    let dialplan = asterisk.cli("dialplan show vg-inbound").await.unwrap();
    assert!(dialplan.contains("vg-announce") && dialplan.contains("Stasis(vg-second"), "{dialplan}");
    // What the file says of a caller's own REFER is what Asterisk has.
    let endpoint = asterisk.cli("pjsip show endpoint vg-callers").await.unwrap();
    let transfer = endpoint.lines().find(|line| line.trim_start().starts_with("allow_transfer")).unwrap().to_owned();
    assert!(transfer.ends_with("false"), "{transfer}");

    let mut caller = SipCaller::dial(&asterisk, "100").await.unwrap_or_else(|error| panic!("{error:#}\n{}", asterisk.log()));
    caller.hears_speech(caller.answered_at(), Duration::from_secs(5)).await.unwrap();
    house.fact("the answer", |_, fact| matches!(fact, Fact::Answered(_)).then_some(())).await.unwrap();
    caller.hang_up().await.unwrap();
    house.fact("the end", |_, fact| matches!(fact, Fact::Ended(_)).then_some(())).await.unwrap();
    assert_eq!(house.metric("vg_webhooks_total{outcome=\"accepted\"}").await.unwrap(), 1.0);
    until(&house, "vg_webhooks_total{outcome=\"ready\"}").await;

    for (number, code) in [("101", "did_unknown"), ("102", "trunk_mismatch")] {
        assert!(SipCaller::dial(&asterisk, number).await.is_err(), "{number} was answered by the agent");
        until(&house, &format!("vg_calls_refused_total{{code=\"{code}\"}}")).await;
    }
    // They were announced as well, and it was known before they came.
    until(&house, "vg_webhooks_total{outcome=\"did_unknown\"}").await;
    until(&house, "vg_webhooks_total{outcome=\"trunk_mismatch\"}").await;
    house.holds_nothing(Duration::from_secs(5)).await.unwrap();
    house.stop().await;
}

fn doctor(folder: &Path, toml: &str) -> (bool, String) {
    std::fs::write(folder.join("voice-gateway.toml"), toml).unwrap();
    let output = run(folder, &["doctor", "--asterisk"]);
    (output.status.success(), String::from_utf8(output.stdout).unwrap())
}

/// The row of that name, as it is printed.
fn row<'a>(report: &'a str, name: &str) -> &'a str {
    let rows = report.lines().filter(|line| line.starts_with("  "));
    let found = rows.into_iter().find(|line| line.split_whitespace().nth(1) == Some(name));
    found.unwrap_or_else(|| panic!("no row {name} in\n{report}")).trim()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_doctor_finds_the_written_asterisk_well_and_names_what_is_not() {
    let asterisk = Asterisk::start().await.unwrap();
    let (folder, toml) = folder(&asterisk, "vg-second");
    let files = written(folder.path(), &asterisk, &toml, "127.0.0.1:1");
    asterisk.takes(&files).await.unwrap();
    let (well, report) = doctor(folder.path(), &toml);
    assert!(well, "{report}");
    assert!(row(&report, "vg-second").contains("Asterisk 22."), "{report}");
    assert!(row(&report, "modules").starts_with("ok"), "{report}");
    assert!(row(&report, "codec").starts_with("ok"), "{report}");
    assert!(row(&report, "announcements").starts_with("ok"), "{report}");
    assert!(
        row(&report, "application").starts_with("warn") && row(&report, "application").contains("served by nobody"),
        "{report}"
    );
    assert!(row(&report, "allow_transfer").contains("no: none of "), "{report}");
    assert!(
        row(&report, "sound").starts_with("ok") && row(&report, "sound").contains("is reached by it (from 127.0.0.1"),
        "{report}"
    );
    let user = asterisk.cli("manager show user gateway").await.unwrap();
    assert!(user.contains("call") && user.contains("originate"), "{user}");
    // What was made to look is taken away.
    assert_eq!(asterisk.channels().await.unwrap(), Vec::<String>::new());

    // A gateway is there, callers may transfer, a module is missing, and sound goes to an address where nobody listens.
    let house = House::with(&toml).await.unwrap();
    house.serves_all(Duration::from_secs(10)).await.unwrap();
    let open = files.iter().map(|(name, text)| (name.clone(), text.replace("allow_transfer = no", "allow_transfer = yes")));
    asterisk.takes(&open.collect::<Vec<_>>()).await.unwrap();
    asterisk.cli("module unload func_curl.so").await.unwrap();
    let elsewhere = format!("{toml}[media]\nadvertise = '127.0.0.9'\n");
    let (well, report) = doctor(folder.path(), &elsewhere);
    assert!(!well, "{report}");
    assert!(row(&report, "application").starts_with("ok"), "{report}");
    assert!(
        row(&report, "allow_transfer").starts_with("warn") && row(&report, "allow_transfer").contains("vg-callers: "),
        "{report}"
    );
    assert!(row(&report, "announcements").contains("func_curl.so is not running"), "{report}");
    assert!(row(&report, "sound").starts_with("FAULT") && row(&report, "sound").contains("127.0.0.9"), "{report}");
    assert_eq!(asterisk.channels().await.unwrap(), Vec::<String>::new());
    house.stop().await;

    std::fs::write(folder.path().join("password"), "wrong").unwrap();
    let (well, report) = doctor(folder.path(), &toml);
    assert!(!well && row(&report, "vg-second").contains("user or password is refused"), "{report}");
}

/// Asterisk connects by itself, by TLS: takes the semicolons away, as the file says, and adds a number whose sound comes by WebSocket.
fn connecting(files: Vec<(String, String)>) -> Vec<(String, String)> {
    let changed = |(name, text): (String, String)| match name.as_str() {
        "ari.conf" => {
            let keys = [";[vg-second]", ";type", ";websocket_client_id", ";apps", ";local_ari_user"];
            (name, keys.iter().fold(text, |text, key| text.replace(key, &key[1..])))
        }
        "extensions.conf" => {
            let sound =
                "exten => 300,1,Set(_tenant=demo)\n same => n,Dial(WebSocket/vg-media/c(slin16)nf(json))\n same => n,Hangup()\n";
            (name, text.replace("[vg-inbound]\n", &format!("[vg-inbound]\n{sound}")))
        }
        _ => (name, text),
    };
    files.into_iter().map(changed).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn where_the_gateway_serves_tls_the_written_files_announce_connect_and_bring_sound_by_it() {
    let asterisk = Asterisk::start().await.unwrap();
    let (own, foreign) = (Issued::to("127.0.0.1").unwrap(), Issued::to("127.0.0.1").unwrap());
    let (folder, toml) = folder(&asterisk, "vg-second");
    let at = |name: &str| folder.path().join(name).display().to_string();
    for (name, text) in [("chain.pem", &own.certificate), ("key.pem", &own.key)] {
        std::fs::write(at(name), text).unwrap();
    }
    let tls = format!("[http]\nadmin_bind = '127.0.0.1:0'\ntls_cert = '{}'\ntls_key = '{}'\n", at("chain.pem"), at("key.pem"));
    let url = format!("url = '{}'", asterisk.ari().url);
    let toml = toml.replace("[http]\n", &tls).replace(&url, "mode = 'accept'");
    let mut house = House::with(&toml).await.unwrap();
    let gateway = house.http().to_string();
    let files = |authority: &str| {
        let _ = std::fs::remove_dir_all(at("etc"));
        connecting(written_with(folder.path(), &asterisk, &toml, &["--gateway", &gateway, "--gateway-ca", authority]))
    };

    // Whom Asterisk does not trust it does not connect to. (Nobody calls meanwhile: who waits for such an Asterisk's socket waits long.)
    let stranger = asterisk.keeps("stranger.pem", &foreign.authority).unwrap();
    asterisk.takes(&files(&stranger)).await.unwrap();
    let told = async {
        while !asterisk.log().contains("did not verify") {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), told).await.unwrap_or_else(|_| panic!("{}", asterisk.log()));
    assert_eq!(house.metric("vg_ari_sockets_up").await.unwrap(), 0.0);

    let authority = asterisk.keeps("authority.pem", &own.authority).unwrap();
    asterisk.takes(&files(&authority)).await.unwrap();
    house.serves_all(Duration::from_secs(10)).await.unwrap();
    until(&house, "vg_ari_sockets_up").await;
    for number in ["100", "300"] {
        let mut caller = SipCaller::dial(&asterisk, number).await.unwrap_or_else(|error| panic!("{error:#}\n{}", asterisk.log()));
        house.fact("the answer", |_, fact| matches!(fact, Fact::Answered(_)).then_some(())).await.unwrap();
        caller.hears_speech(caller.answered_at(), Duration::from_secs(5)).await.unwrap();
        caller.hang_up().await.unwrap();
        house.fact("the end", |_, fact| matches!(fact, Fact::Ended(_)).then_some(())).await.unwrap();
    }
    until(&house, "vg_webhooks_total{outcome=\"accepted\"}").await;
    until(&house, "vg_webhooks_total{outcome=\"ready\"}").await;
    house.holds_nothing(Duration::from_secs(5)).await.unwrap();
    house.stop().await;
}

/// Waits until a counter is 1.
async fn until(house: &House, metric: &str) {
    let counted = async {
        while house.metric(metric).await.ok() != Some(1.0) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), counted).await.unwrap_or_else(|_| panic!("{metric} is not 1"));
}
