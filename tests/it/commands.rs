//! The program as an operator meets it: the real binary, what it prints and the code it ends with.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a broken story stops")]

use serde_json::Value;
use std::ffi::OsString;
use std::io::{BufRead, BufReader, Lines};
use std::os::unix::ffi::OsStringExt;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};
use vg_domain::event::Fact;
use vg_domain::ids::{CallId, TenantId, TurnId};
use vg_domain::mask::{Heard, Mask};
use vg_tests::lab::{Asterisk, rms};
use vg_tests::program;
use voice_gateway::adapters::events::spool::{Bounds, Spool};
use voice_gateway::application::ports::{Epoch, Facts, Sequence, Subject};

/// The gateway's own grace of a drain, by default.
const GRACE: Duration = Duration::from_secs(30);

const BROKEN: &str = r#"
    [http]
    bind = "nowhere"
    prot = 1
    [media]
    codec = "opus"
    [[asterisk]]
    url = "ftp://asterisk"
    user = "u"
    password = "a secret in the open"
    [limits]
    calls_max = -3
"#;

fn gateway(folder: &Path, words: &[&str]) -> Command {
    let mut command = program::alone(folder);
    command.args(words);
    command
}

fn run(folder: &Path, words: &[&str]) -> Output {
    gateway(folder, words).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// A program that runs beside the story, killed where the story breaks.
struct Beside {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Beside {
    fn start(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    /// The next line with `part`; the story breaks where the program ends without one.
    fn line(&mut self, part: &str) -> String {
        let mut read = self.lines.by_ref().map(Result::unwrap);
        read.find(|line| line.contains(part)).unwrap_or_else(|| panic!("the program never said {part}"))
    }

    fn interrupt(&self) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    }

    /// What it still says, and how it ends.
    fn end(mut self) -> (String, ExitStatus) {
        let rest: Vec<String> = self.lines.by_ref().map(Result::unwrap).collect();
        (rest.join("\n"), self.child.wait().unwrap())
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        // One that has ended already needs nothing.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn check_says_that_all_is_sound_or_every_fault_with_its_path() {
    let folder = tempfile::tempdir().unwrap();
    let sound = run(folder.path(), &["check"]);
    assert!(sound.status.success() && text(&sound.stdout).contains("is sound"), "{sound:?}");

    std::fs::write(folder.path().join("voice-gateway.toml"), BROKEN).unwrap();
    let faulty = gateway(folder.path(), &["check"]).env_remove("VG__HTTP__BIND").output().unwrap();
    let said = text(&faulty.stdout);
    let paths = ["http.bind", "http.prot", "media.codec", "asterisk[0].url", "asterisk[0].password", "limits.calls_max"];
    for path in paths {
        assert!(said.lines().any(|line| line.starts_with(&format!("{path}: "))), "{path} is missing in {said}");
    }
    assert!(said.ends_with("6 faults\n") && !said.contains("in the open"), "{said}");
    assert_eq!(faulty.status.code(), Some(1));
}

#[test]
fn a_setting_that_is_no_text_is_a_fault_and_what_is_somebody_elses_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let no_text = || OsString::from_vec(b"caf\xe9".to_vec());
    let fine = gateway(folder.path(), &["check"]).env("MENU", no_text()).output().unwrap();
    assert!(fine.status.success(), "{}", text(&fine.stderr));
    let faulty = gateway(folder.path(), &["check"]).env("VG__AGENT__GREETING", no_text()).output().unwrap();
    assert!(text(&faulty.stdout).starts_with("VG__AGENT__GREETING: is no text"), "{faulty:?}");
    assert_eq!(faulty.status.code(), Some(1));
}

#[test]
fn doctor_fails_only_where_something_would_not_work() {
    let folder = tempfile::tempdir().unwrap();
    let fine = run(folder.path(), &["doctor"]);
    let said = text(&fine.stdout);
    assert!(fine.status.success() && said.contains("stt-local") && said.contains("0 faults"), "{said}");
    assert!(said.contains("all that leaves this machine"), "{said}");

    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut without_vault = gateway(folder.path(), &["doctor"]);
    without_vault.env("VG__VAULT__URL", format!("https://{closed}/v1/cards")).env("VG__AGENT__KIND", "http");
    let bad = without_vault.env("VG__AGENT__URL", "http://192.0.2.7").output().unwrap();
    let said = text(&bad.stdout);
    assert!(said.contains("Connection refused") && said.contains("agent.url") && said.contains("unencrypted"), "{said}");
    assert!(said.contains("1 fault"), "{said}");

    let said = text(&doctor_where_all_is_plain(folder.path()).stdout);
    for (setting, to) in [
        ("defaults.hosts", "http://*.example.com may be spoken to unencrypted"),
        ("plugin.stt-acme.hosts", "ws://10.0.0.7:2700 may be spoken to unencrypted"),
        ("plugin.webhooks.hosts", "http://crm.example may be spoken to unencrypted"),
        ("acme: events.webhooks: crm", "crm.example is to be spoken to unencrypted"),
        ("acme: hearing", "10.0.0.7 is to be spoken to unencrypted"),
    ] {
        let warned = said.lines().any(|line| [setting, to, "warn "].iter().all(|part| line.contains(part)));
        assert!(warned, "{setting} is not warned of: {said}");
    }
    assert!(said.contains("0 faults") && !said.contains("all that leaves"), "{said}");
    for sealed_or_here in ["stt.example", "[::1]:9", "localhost:1"] {
        assert!(!said.contains(sealed_or_here), "{sealed_or_here}: {said}");
    }

    let mut without_plugins = gateway(folder.path(), &["doctor", "--asterisk"]);
    let bad = without_plugins.env("VG__PLUGINS__DIR", folder.path()).output().unwrap();
    let said = text(&bad.stdout);
    assert!(said.contains("cargo xtask plugins") && said.contains("none is configured") && said.contains("2 faults"), "{said}");
    assert_eq!(bad.status.code(), Some(1));
}

/// With a policy and a tenant that have plugins and webhooks spoken to in the clear, here and elsewhere.
fn doctor_where_all_is_plain(folder: &Path) -> Output {
    let (policy, tenants) = (folder.join("policy.toml"), folder.join("tenants"));
    let hosts = "[defaults]\nhosts = ['http://*.example.com', 'wss://stt.example', 'http://[::1]:9']\n\
        [plugin.stt-acme]\nhosts = ['ws://10.0.0.7:2700', 'ws://localhost:1']\n\
        [plugin.webhooks]\nhosts = ['http://crm.example']\n";
    std::fs::write(&policy, hosts).unwrap();
    std::fs::create_dir(&tenants).unwrap();
    let demo = Path::new(env!("CARGO_MANIFEST_DIR")).join("../host/demo");
    std::fs::copy(demo.join("demo.jsgf"), tenants.join("demo.jsgf")).unwrap();
    let tenant = std::fs::read_to_string(demo.join("tenants/demo.toml")).unwrap();
    let pointed = tenant.replace("[hearing.options]\n", "[hearing.options]\nendpoint = 'ws://10.0.0.7:2700'\n");
    assert_ne!(pointed, tenant);
    let webhook = "[[events.webhooks]]\nname = 'crm'\nurl = 'http://crm.example/in'\nsecret = 'env:KEY'\n";
    std::fs::write(tenants.join("acme.toml"), format!("{pointed}\n{webhook}")).unwrap();
    let mut doctor = gateway(folder, &["doctor"]);
    doctor.env("VG__PLUGINS__POLICY", policy).env("VG__TENANTS__DIR", tenants).output().unwrap()
}

#[test]
fn what_cannot_be_done_is_one_line_and_code_1() {
    let folder = tempfile::tempdir().unwrap();
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let nobody = run(folder.path(), &["health", "--url", &format!("http://{closed}")]);
    assert_eq!(text(&nobody.stderr), format!("voice-gateway: cannot ask http://{closed}/health/live: nobody answers there\n"));
    assert_eq!(nobody.status.code(), Some(1));
}

#[test]
fn a_machine_without_a_terminal_signs_with_a_password_from_its_environment() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("stt-acme.wasm"), b"any bytes can be signed").unwrap();
    let alone = |words: &[&str], password: Option<&str>| {
        // A session of its own has no terminal, wherever the tests run.
        let program = gateway(folder.path(), words);
        let mut command = Command::new("setsid");
        command.arg("--wait").arg(program.get_program()).args(words).current_dir(folder.path()).stdin(Stdio::null());
        password.map(|password| command.env("VG_KEY_PASSWORD", password));
        command.output().unwrap()
    };
    let refused = alone(&["plugin", "keygen", "acme"], None);
    assert_eq!(refused.status.code(), Some(1));
    assert!(text(&refused.stderr).contains("set VG_KEY_PASSWORD, or say --no-password"), "{}", text(&refused.stderr));
    assert!(alone(&["plugin", "keygen", "acme"], Some("secret")).status.success());
    let sign = ["plugin", "sign", "stt-acme.wasm", "--key", "acme.key"];
    let locked = text(&alone(&sign, None).stderr);
    assert!(locked.contains("set VG_KEY_PASSWORD"), "{locked}");
    assert!(alone(&sign, Some("secret")).status.success());
    assert!(folder.path().join("stt-acme.wasm.minisig").is_file());
}

#[test]
fn demo_in_json_ends_with_a_line_whose_parts_sum_and_keeps_both_voices() {
    let folder = tempfile::tempdir().unwrap();
    let demo = run(folder.path(), &["demo", "--json"]);
    let said = text(&demo.stdout);
    assert!(demo.status.success(), "{said}\n{}", text(&demo.stderr));
    let summary: Value = serde_json::from_str(said.lines().last().unwrap()).unwrap();
    assert_eq!(summary["ok"], true);
    assert!(summary["audio_ms"].as_u64().unwrap() > 5_000, "{summary}");
    let turns = summary["turns"].as_array().unwrap();
    assert_eq!(turns.len(), 3);
    for turn in turns {
        assert!(!turn["heard"].as_str().unwrap().is_empty() && !turn["said"].as_str().unwrap().is_empty());
        let latency = turn["latency_ms"].as_object().unwrap();
        let part = |name: &str| latency[name].as_u64().unwrap();
        let sum: u64 = ["endpoint_wait", "stt", "agent", "clause", "tts", "playout", "gateway"].map(part).iter().sum();
        assert_eq!((sum, latency.len()), (part("total"), 8), "{turn}");
    }

    let wav = vg_media::wav::read(&std::fs::read(folder.path().join("target/demo/conversation.wav")).unwrap()).unwrap();
    assert_eq!(wav.channels, 2);
    for side in [0, 1] {
        let voice: Vec<i16> = wav.samples.iter().skip(side).step_by(2).copied().collect();
        assert!(rms(&voice) > 500.0, "side {side} is silent");
    }
}

#[test]
fn demo_with_chaos_shows_each_fall_and_a_caller_who_is_never_left_in_silence() {
    let folder = tempfile::tempdir().unwrap();
    let demo = run(folder.path(), &["demo", "--chaos", "--json"]);
    let said = text(&demo.stdout);
    assert!(demo.status.success(), "{said}\n{}", text(&demo.stderr));
    for failing in [
        "the speaker answers 200, and there is no sound in it",
        "the listener's process dies, in the middle of a word",
        "the agent takes the question, and does not answer",
        "--      speaking fell: empty-result",
    ] {
        assert!(said.contains(failing), "{failing} is not said:\n{said}");
    }
    // What the caller hears all the same, in this order.
    let mut lines = said.lines();
    for part in [
        "agent   Welcome to the Serphona demo.",
        "--      hearing fell: unavailable",
        "caller  what time is it",
        "agent   It is ",
        "--      thinking fell: deadline",
        "agent   Sorry, I cannot answer that right now.",
        "caller  my order number is nine one four",
        "agent   Order ",
        "the caller heard ",
        "right: the call lived, and every question was understood",
    ] {
        assert!(lines.any(|line| line.contains(part)), "{part} is not said, or too early:\n{said}");
    }
    let summary: Value = serde_json::from_str(said.lines().last().unwrap()).unwrap();
    assert_eq!(summary["ok"], true);
    let silence = &summary["longest_silence"];
    assert!((500..=3_000).contains(&silence["length_ms"].as_u64().unwrap()) || silence["reason"].is_string(), "{summary}");
    assert!(summary["audio_ms"].as_u64().unwrap() > 5_000, "{summary}");
}

#[test]
fn interrupted_gateway_ends_its_call_with_a_goodbye_and_itself_with_code_0() {
    let folder = tempfile::tempdir().unwrap();
    let mut serving = Beside::start(gateway(folder.path(), &["serve"]));
    let said = serving.line("serving on ");
    let base = said.split_whitespace().find(|word| word.starts_with("http://")).unwrap();
    for question in [&["health", "--url", base] as &[&str], &["health", "--ready", "--url", base]] {
        let healthy = run(folder.path(), question);
        assert!(healthy.status.success(), "{healthy:?}");
    }
    let address = base.strip_prefix("http://").unwrap();
    let second = gateway(folder.path(), &["serve"]).env("VG__HTTP__BIND", address).output().unwrap();
    assert!(second.status.code() == Some(1) && text(&second.stderr).contains("in use"), "{second:?}");
    let doctor = gateway(folder.path(), &["doctor"]).env("VG__HTTP__BIND", address).output().unwrap();
    assert!(text(&doctor.stdout).contains("served by a running gateway"), "{doctor:?}");

    let (question, media) =
        (Path::new(env!("CARGO_MANIFEST_DIR")).join("../host/demo/time.wav"), format!("ws://{address}/media/ws"));
    let words = ["call", "--url", &media, "--out", "heard.wav", "--wav", question.to_str().unwrap()];
    let mut call = Beside::start(gateway(folder.path(), &words));
    call.line("  agent ");
    let interrupted = Instant::now();
    serving.interrupt();
    let (said, ended) = serving.end();
    assert!(said.contains("calls that were up: 1, cut when the grace was over: 0"), "{said}");
    assert_eq!(ended.code(), Some(0));
    assert!(interrupted.elapsed() < GRACE);
    let (said, ended) = call.end();
    assert!(said.contains("Goodbye") && said.contains("ended: drained"), "{said}");
    assert_eq!(ended.code(), Some(1), "its question had no answer");
}

#[test]
fn phone_asks_in_both_formats_and_keeps_the_answer() {
    let folder = tempfile::tempdir().unwrap();
    let mut serving = Beside::start(gateway(folder.path(), &["serve"]));
    let said = serving.line("serving on ");
    let address = said.split_whitespace().find_map(|word| word.strip_prefix("http://")).unwrap();
    let media = format!("ws://{address}/media/ws");
    let question = Path::new(env!("CARGO_MANIFEST_DIR")).join("../host/demo/time.wav");
    for format in ["ulaw", "slin16"] {
        let words = ["call", "--url", &media, "--format", format, "--out", "heard.wav", "--wav", question.to_str().unwrap()];
        let call = run(folder.path(), &words);
        let said = text(&call.stdout);
        assert!(call.status.success() && said.contains("what time is it"), "{format}: {call:?}");
        let wav = vg_media::wav::read(&std::fs::read(folder.path().join("heard.wav")).unwrap()).unwrap();
        let agent: Vec<i16> = wav.samples.iter().skip(1).step_by(2).copied().collect();
        assert!(wav.channels == 2 && rms(&agent) > 500.0, "{format}: the agent is not heard");
    }
    serving.interrupt();
    assert_eq!(serving.end().1.code(), Some(0));
}

#[test]
fn a_tenant_is_dialled_before_it_goes_live_and_every_part_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let demo = Path::new(env!("CARGO_MANIFEST_DIR")).join("../host/demo");
    let tenants = folder.path().join("tenants");
    std::fs::create_dir(&tenants).unwrap();
    let text = std::fs::read_to_string(demo.join("tenants/demo.toml")).unwrap();
    std::fs::copy(demo.join("demo.jsgf"), tenants.join("demo.jsgf")).unwrap();
    std::fs::write(tenants.join("good.toml"), &text).unwrap();
    std::fs::write(tenants.join("deaf.toml"), text.replace("stt-local", "stt-missing")).unwrap();
    std::fs::write(folder.path().join("voice-gateway.toml"), "[tenants]\ndir = 'tenants'\ndefault = ''\n").unwrap();
    let question = demo.join("time.wav");
    let tried = |id: &str| run(folder.path(), &["tenant", "test", id, "--wav", question.to_str().unwrap(), "--out", "heard.wav"]);

    let good = tried("good");
    let told = text_of(&good);
    assert!(good.status.success(), "{told}");
    for part in [
        "ok     settings  en-US; hearing: stt-local; speaking: tts-local",
        "ok     greeting  ",
        "ok     words     \"what time is it\"",
        "ok     answer    \"It is ",
        "stt-local: 1 session",
    ] {
        assert!(told.contains(part), "{part}: {told}");
    }
    let wav = vg_media::wav::read(&std::fs::read(folder.path().join("heard.wav")).unwrap()).unwrap();
    assert!((wav.channels, rms(&wav.samples) > 100.0) == (2, true));

    let deaf = tried("deaf");
    let told = text_of(&deaf);
    assert_eq!(deaf.status.code(), Some(1), "{told}");
    assert!(told.contains("WRONG  fell      hearing: ") && told.contains("stt-missing: "), "{told}");
    let nobody = tried("nobody");
    assert_eq!(
        (nobody.status.code(), text_of(&nobody).as_str()),
        (
            Some(1),
            "WRONG  settings  tenant_unknown: no file of that name in tenants.dir, or the tenant-manager does not know it\n"
        )
    );
}

/// What a gateway leaves there of such calls: two events of each, later ones of the next call.
fn spooled(dir: &Path, calls: &[(&str, &str)]) {
    let bounds = Bounds { bytes_max: 16 << 20, keep: Duration::from_secs(86_400) };
    let spool = Spool::open(dir, bounds, false).unwrap();
    let text = Mask::new().mask_final(Heard::new("where is my parcel".to_owned()));
    let fact = Fact::Heard { turn: TurnId(1), text };
    for (call, tenant) in calls {
        let (call, tenant) = (CallId::new(*call), TenantId::new(*tenant));
        let begun = Instant::now();
        // Events tell their time to the millisecond.
        while begun.elapsed() < Duration::from_millis(3) {
            std::thread::yield_now();
        }
        for n in 1..=2 {
            let sequence = Sequence { epoch: Epoch::FIRST, n };
            spool.publish(Subject { call: &call, tenant: &tenant, conversation: None, sequence }, &fact);
        }
    }
}

#[test]
fn events_on_the_disk_are_shown_from_their_end_and_exported_by_tenant_and_time() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("events");
    spooled(&dir, &[("c-1", "acme"), ("c-2", "other"), ("c-3", "acme")]);
    let printed = |words: &[&str]| {
        let output = run(folder.path(), &[&["events"][..], words].concat());
        assert!(output.status.success(), "{words:?}: {output:?}");
        text(&output.stdout)
    };
    let member = |line: &str, name: &str| serde_json::from_str::<Value>(line).unwrap()[name].as_str().unwrap().to_owned();
    let ids = |words: &[&str]| printed(words).lines().map(|line| member(line, "id")).collect::<Vec<_>>();
    let all = ["c-1-1-1", "c-1-1-2", "c-2-1-1", "c-2-1-2", "c-3-1-1", "c-3-1-2"];

    assert_eq!(ids(&["tail", "events"]), all);
    assert_eq!(ids(&["tail", "events", "-n", "3"]), all[3..]);
    assert_eq!(ids(&["tail", "events", "-n", "3", "--tenant", "acme"]), ["c-1-1-2", "c-3-1-1", "c-3-1-2"]);
    assert_eq!(ids(&["tail", "events", "-n", "1", "--call", "c-2"]), ["c-2-1-2"]);
    assert_eq!(ids(&["export", "events"]), all);
    assert_eq!(ids(&["export", "events", "--tenant", "other"]), all[2..4]);
    assert_eq!(ids(&["export", "events", "--type", "call."]), Vec::<String>::new());
    let third = member(printed(&["tail", "events", "-n", "2"]).lines().next().unwrap(), "time");
    assert_eq!(ids(&["export", "events", "--from", &third]), all[4..]);
    assert_eq!(ids(&["export", "events", "--to", &third]), all[..4]);

    let export = ["events", "export", "events", "--out", "all.ndjson"];
    assert_eq!(text(&run(folder.path(), &export).stdout), "6 events: all.ndjson\n");
    let kept = || std::fs::read_to_string(folder.path().join("all.ndjson")).unwrap();
    assert_eq!(kept(), printed(&["export", "events"]));
    spooled(&dir, &[("c-4", "acme")]);
    assert_eq!(run(folder.path(), &export).status.code(), Some(1));
    assert_eq!(kept().lines().count(), 6, "what lies there is not overwritten");
    let nowhere = run(folder.path(), &["events", "tail", "nowhere"]);
    assert!(nowhere.status.code() == Some(1) && text(&nowhere.stderr).contains("holds no events"), "{nowhere:?}");
}

#[test]
fn events_that_come_are_shown_to_who_follows_them() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("events");
    spooled(&dir, &[("c-1", "acme")]);
    let mut following = Beside::start(gateway(folder.path(), &["events", "tail", "events", "-n", "1", "--follow"]));
    assert!(following.line("c-1").contains("\"c-1-1-2\""));
    spooled(&dir, &[("c-2", "acme")]);
    assert!(following.line("c-").contains("\"c-2-1-1\""));
    assert!(following.line("c-").contains("\"c-2-1-2\""));
}

fn text_of(output: &Output) -> String {
    text(&output.stdout)
}

#[test]
fn tenant_bakes_a_grammar_of_its_own_and_inspects_the_result() {
    let folder = tempfile::tempdir().unwrap();
    let grammar = "#JSGF V1.0;\ngrammar own;\npublic <own> = what time is it | goodbye ;\n";
    std::fs::write(folder.path().join("own.jsgf"), grammar).unwrap();
    let plugin = vg_tests::house::plugins_dir().canonicalize().unwrap().join("stt-local.wasm");
    let baked = run(folder.path(), &["plugin", "bake", plugin.to_str().unwrap(), "own.wasm", "grammar=own.jsgf"]);
    assert!(baked.status.success(), "{baked:?}");
    let inspected = run(folder.path(), &["plugin", "inspect", "own.wasm"]);
    assert!(inspected.status.success() && text(&inspected.stdout).contains("\"id\": \"stt-local\""), "{inspected:?}");

    std::fs::write(folder.path().join("own.jsgf"), "#JSGF V1.0;\ngrammar own;\npublic <own> = xqzzy ;\n").unwrap();
    let refused = run(folder.path(), &["plugin", "bake", plugin.to_str().unwrap(), "bad.wasm", "grammar=own.jsgf"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(!folder.path().join("bad.wasm").exists(), "a refused bake leaves no file");
}

#[tokio::test]
async fn demo_by_a_real_asterisk_understands_its_three_questions() {
    let folder = tempfile::tempdir().unwrap();
    let asterisk = Asterisk::start().await.unwrap();
    let ari = asterisk.ari();
    let mut demo = gateway(folder.path(), &["demo", "--json", "--asterisk"]);
    demo.env("VG_DEMO_ARI_URL", ari.url).env("VG_DEMO_ARI_USER", ari.user).env("VG_DEMO_ARI_PASSWORD", ari.password);
    demo.env("VG_DEMO_ARI_APP", ari.app).env("VG_DEMO_SIP_PORT", asterisk.sip_port().to_string());
    demo.env("VG_DEMO_CALLER", env!("CARGO_BIN_EXE_sip-caller"));
    let demo = demo.output().unwrap();
    let said = text(&demo.stdout);
    assert!(demo.status.success(), "{said}\n{}", text(&demo.stderr));
    let summary: Value = serde_json::from_str(said.lines().last().unwrap()).unwrap();
    assert_eq!((&summary["ok"], summary["turns"].as_array().unwrap().len()), (&Value::Bool(true), 3), "{summary}");
    assert_eq!(asterisk.channels().await.unwrap(), Vec::<String>::new());
}
