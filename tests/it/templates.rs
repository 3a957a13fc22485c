//! What `voice-gateway plugin new` begins, in every language and kind: a working plugin, and what it costs.
//!
//! `cargo xtask templates` built them before, each by its project's own commands. A language whose tools cannot be had on this machine is
//! named in the table; it is not taken for passed.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "a broken story stops; figures are its report")]

#[path = "templates/vendor.rs"]
mod vendor;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Instant;
use vendor::{KEY, Vendor};
use vg_plugin_host::api::{
    AudioFormat, Encoding, Kind, LinkEffect, LinkInput, MaskSettings, Now, Payload, Segment, SessionStart, SpanKind, SttEffect,
    SttInput, TextSource, Timer, TtsEffect, TtsInput,
};
use vg_plugin_host::{HostConfig, Plugin, PluginHost};
use vg_tests::program;

const NOW: Now = Now { mono_us: 1_000_000, unix_ms: 1_782_820_800_000 };
/// Sessions held at once where memory is measured.
const HELD: u32 = 8;

struct Built {
    title: String,
    kind: String,
    component: Result<PathBuf, String>,
}

fn built() -> Vec<Built> {
    let list = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/plugins/templates/built.tsv");
    let list = fs::read_to_string(&list).unwrap_or_else(|_| panic!("{} is missing: run cargo xtask templates", list.display()));
    let row = |line: &str| {
        let [lang, kind, said] = line.split('\t').collect::<Vec<_>>().try_into().unwrap();
        let component = said.strip_prefix("unavailable: ").map_or_else(|| Ok(PathBuf::from(said)), |why| Err(why.to_owned()));
        Built { title: format!("{lang}-{kind}"), kind: kind.to_owned(), component }
    };
    list.lines().map(row).collect()
}

#[test]
fn every_template_keeps_the_contract() {
    let cache = tempfile::tempdir().unwrap();
    let host = host_in(cache.path());
    println!("{:<12} {:>9} {:>10} {:>9} {:>11}", "template", "size KB", "compile s", "start us", "KiB/session");
    for Built { title, kind, component } in built() {
        let component = match component {
            Ok(component) => component,
            Err(why) => {
                assert!(std::env::var_os("CI").is_none(), "{title} is not built: {why}");
                println!("{title:<12} NOT BUILT HERE: {why}");
                continue;
            }
        };
        let began = Instant::now();
        let plugin = host.load(&component).unwrap_or_else(|error| panic!("{title}: {error}"));
        let compile = began.elapsed();
        assert_eq!(plugin.descriptor().id, title);
        let one: fn(&Plugin) -> Box<dyn std::any::Any> = match kind.as_str() {
            "stt" => |plugin| Box::new(listen(plugin)),
            "tts" => |plugin| Box::new(speak(plugin)),
            _ => |plugin| Box::new(mask(plugin)),
        };
        drop(one(&plugin));
        let (before, began) = (resident_kib(), Instant::now());
        let held: Vec<_> = (0..HELD).map(|_| one(&plugin)).collect();
        let (start, grown) = (began.elapsed() / HELD, resident_kib().saturating_sub(before));
        drop(held);
        let bytes = fs::metadata(&component).unwrap().len();
        println!(
            "{title:<12} {:>9} {:>10.2} {:>9} {:>11}",
            bytes / 1000,
            compile.as_secs_f64(),
            start.as_micros(),
            grown / u64::from(HELD)
        );
    }
    // Also those that fit no place of the pool are compiled once and no more.
    let again = host_in(cache.path());
    for Built { title, component, .. } in built() {
        if let Ok(component) = component {
            again.load(&component).unwrap_or_else(|error| panic!("{title}: {error}"));
            assert_eq!((again.counts().compiled, again.counts().cache_refused), (0, 0), "{title}");
        }
    }
}

fn host_in(cache: &Path) -> PluginHost {
    let mut config = HostConfig::new(cache);
    config.light.sessions_max = 64;
    PluginHost::new(config).unwrap()
}

fn resident_kib() -> u64 {
    let pages = fs::read_to_string("/proc/self/statm").unwrap();
    pages.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 4
}

fn started(encoding: Encoding, rate_hz: u32) -> SessionStart {
    let options = r#"{"endpoint":"http://127.0.0.1:8080"}"#.to_owned();
    SessionStart { format: AudioFormat { encoding, rate_hz }, language: "en-US".to_owned(), options, seed: [7; 32] }
}

fn payload(text: &str) -> Payload {
    Payload(text.as_bytes().to_vec())
}

/// A whole call, driven at the level of links. The instance is given back alive, to be weighed.
fn listen(plugin: &Plugin) -> impl Sized + 'static {
    let mut guest = plugin.instantiate_stt().unwrap();
    let mut tell = |input| guest.handle(NOW, input).unwrap();
    let asked = tell(SttInput::Start(Box::new(started(Encoding::Mulaw, 8_000))));
    let [SttEffect::Link(LinkEffect::Websocket(open)), SttEffect::RouteAudio(route), SttEffect::Timer(_)] = &asked[..] else {
        panic!("{asked:?}")
    };
    assert_eq!(open.url, "ws://127.0.0.1:8080/v1/listen?model=general&encoding=mulaw&rate=8000&language=en-US");
    assert_eq!(open.headers, [("authorization".to_owned(), "Bearer {secret:api_key}".to_owned())]);
    let id = open.id;
    assert_eq!(route.link, id);
    assert!(tell(SttInput::Link(Box::new(LinkInput::Opened { id, status: 101, headers: vec![] }))).is_empty());
    let last = r#"{"type":"final","text":"caf\u00e9 at nine","start_ms":20,"end_ms":900,"confidence":0.5,"new":[{}]}"#;
    let said = tell(SttInput::Link(Box::new(LinkInput::Text(id, payload(last)))));
    assert!(matches!(&said[..], [SttEffect::Final(said)] if said.text == "café at nine" && said.end_ms == 900));
    assert!(tell(SttInput::Link(Box::new(LinkInput::Text(id, payload(last))))).is_empty(), "a final said twice is heard once");
    assert!(matches!(tell(SttInput::Finalize)[0], SttEffect::Link(LinkEffect::SendText(..))));
    let said = tell(SttInput::Link(Box::new(LinkInput::Text(id, payload(r#"{"type":"finalized"}"#)))));
    assert!(matches!(said[..], [SttEffect::Finalized]));
    let mut refused = plugin.instantiate_stt().unwrap();
    refused.handle(NOW, SttInput::Start(Box::new(started(Encoding::Mulaw, 8_000)))).unwrap();
    let headers = vec![("Retry-After".to_owned(), "2".to_owned())];
    let said = refused.handle(NOW, SttInput::Link(Box::new(LinkInput::Opened { id, status: 429, headers }))).unwrap();
    assert!(matches!(&said[..], [SttEffect::Fail(fault)] if fault.kind.code() == "quota"), "{said:?}");
    let ended = (tell(SttInput::End), tell(SttInput::Link(Box::new(LinkInput::Finished(id, Some(1000))))));
    assert!(matches!(ended.1.last(), Some(SttEffect::Done)));
    guest
}

fn speak(plugin: &Plugin) -> impl Sized + 'static {
    let mut guest = plugin.instantiate_tts().unwrap();
    let mut tell = |input| guest.handle(NOW, input).unwrap();
    assert!(tell(TtsInput::Start(Box::new(started(Encoding::PcmS16le, 16_000)))).is_empty());
    assert!(tell(TtsInput::Text("Good \"morning\", é.".to_owned())).is_empty());
    let asked = tell(TtsInput::Flush(7));
    let Some(TtsEffect::Link(LinkEffect::Http(open))) = asked.first() else { panic!("{asked:?}") };
    assert_eq!((open.method.as_str(), open.url.as_str()), ("POST", "http://127.0.0.1:8080/v1/speak"));
    let body = match &open.body {
        vg_plugin_host::api::RequestBody::Whole(body) => serde_json::from_slice::<serde_json::Value>(body).unwrap(),
        other => panic!("{other:?}"),
    };
    assert_eq!((body["text"].as_str(), body["rate"].as_u64()), (Some("Good \"morning\", é."), Some(16_000)));
    let id = open.id;
    assert!(tell(TtsInput::Link(Box::new(LinkInput::Opened { id, status: 200, headers: vec![] }))).is_empty());
    let mut heard = Vec::new();
    for piece in [&[1, 2, 3][..], &[4]] {
        for effect in tell(TtsInput::Link(Box::new(LinkInput::Bytes(id, Payload(piece.to_vec()))))) {
            if let TtsEffect::Audio(samples) = effect {
                assert_eq!(samples.len() % 2, 0, "a sample is cut in two");
                heard.extend(samples);
            }
        }
    }
    assert_eq!(heard, [1, 2, 3, 4]);
    // The owner takes nothing for long: what waits in the link comes when there is room, and is no silence.
    let quiet = timer(&tell(TtsInput::Link(Box::new(LinkInput::Bytes(id, Payload(vec![5, 6]))))));
    let room = timer(&tell(TtsInput::Timer(quiet.id)));
    let grace = timer(&tell(TtsInput::Timer(room.id)));
    assert_eq!((quiet.delay_ms, room.delay_ms, grace.delay_ms), (4_000, 0, 1_000));
    let late = tell(TtsInput::Link(Box::new(LinkInput::Bytes(id, Payload(vec![7, 8])))));
    assert!(matches!(&late[0], TtsEffect::Audio(samples) if *samples == [7, 8]), "{late:?}");
    assert!(tell(TtsInput::Timer(grace.id)).is_empty(), "sound came meanwhile");
    assert!(matches!(tell(TtsInput::Link(Box::new(LinkInput::Finished(id, None))))[..], [TtsEffect::Flushed(7)]));
    tell(TtsInput::Text("And more.".to_owned()));
    tell(TtsInput::Flush(8));
    let cancelled = tell(TtsInput::Cancel);
    assert!(matches!(cancelled[..], [TtsEffect::Link(LinkEffect::Close(_)), TtsEffect::Cancelled]), "{cancelled:?}");
    assert!(
        tell(TtsInput::Link(Box::new(LinkInput::Bytes(id + 1, Payload(vec![1, 2]))))).is_empty(),
        "nothing is heard of what was cancelled"
    );
    assert!(tell(TtsInput::Timer(quiet.id)).is_empty(), "nothing is owed any more");
    assert!(matches!(tell(TtsInput::End)[..], [TtsEffect::Done]));
    silent(plugin);
    guest
}

/// A vendor that says nothing is given up when there is room for what it might have said.
fn silent(plugin: &Plugin) {
    let mut guest = plugin.instantiate_tts().unwrap();
    let mut tell = |input| guest.handle(NOW, input).unwrap();
    tell(TtsInput::Start(Box::new(started(Encoding::PcmS16le, 16_000))));
    tell(TtsInput::Text("Good morning.".to_owned()));
    let mut asked = tell(TtsInput::Flush(7));
    for _ in 0..2 {
        asked = tell(TtsInput::Timer(timer(&asked).id));
    }
    let said = tell(TtsInput::Timer(timer(&asked).id));
    assert!(matches!(&said[..], [TtsEffect::Fail(fault)] if fault.kind.code() == "unavailable"), "{said:?}");
}

fn timer(effects: &[TtsEffect]) -> Timer {
    let mut timers = effects.iter().filter_map(|effect| if let TtsEffect::Timer(timer) = effect { Some(*timer) } else { None });
    timers.next_back().unwrap_or_else(|| panic!("no timer is set: {effects:?}"))
}

fn mask(plugin: &Plugin) -> impl Sized + 'static {
    assert_eq!(plugin.descriptor().kind, Kind::Mask);
    let settings = MaskSettings { languages: vec!["en-US".to_owned()], kinds: vec![SpanKind::CardNumber], last_four: true };
    let mut masker = plugin.instantiate_mask(settings).unwrap();
    let mut say = |text: &str| {
        let segment = Segment { text: text.to_owned().into(), source: TextSource::Caller, partial: false };
        masker.mask(segment).unwrap()
    };
    let masked = say("é 4111 1111-1111 1111, call 5551234567890");
    assert_eq!(masked.text, "é **** ****-**** 1111, call 5551234567890");
    assert_eq!((masked.spans.len(), masked.spans[0].start, masked.spans[0].end), (1, 3, 22));
    assert_eq!(say("4111111111111111 5500005555555559.").text, "**************** **********".to_owned() + "**5559.");
    assert!(say("it is 4111 1111").hold);
    assert_eq!(say("1111 1111 thanks").text, "**** 1111 thanks");
    masker
}

/// The program as an author has it: a component, a policy, a key in the environment, a vendor on this machine.
fn run(folder: &Path, component: &Path, words: &[&str], vendor: Option<&Vendor>) -> Output {
    let name = component.file_stem().unwrap().to_str().unwrap();
    fs::write(folder.join("policy.toml"), format!("[plugin.\"{name}\"]\nnetworks = [\"127.0.0.0/8\"]\n")).unwrap();
    let mut command = gateway(folder);
    command.args(["plugin", "run"]).arg(component).args(words);
    if let Some(Vendor { address, .. }) = vendor {
        fs::write(folder.join("options.json"), format!("{{\"endpoint\":\"http://{address}\"}}")).unwrap();
        command.args(["--options", "options.json", "--policy", "policy.toml", "--secret", "api_key=env:TEMPLATE_KEY"]);
        command.args(["--record", "session.jsonl"]);
    }
    command.env("TEMPLATE_KEY", KEY).stdin(Stdio::null()).output().unwrap()
}

fn gateway(folder: &Path) -> Command {
    let mut command = Command::new(program::path());
    command.current_dir(folder);
    command
}

#[test]
fn templates_serve_live_sessions_with_a_vendor_on_this_machine() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("speech.wav"), vendor::silence_wav(16_000, 500)).unwrap();
    let vendor = Vendor::start(gateway(folder.path()));
    let mut served = 0;
    for Built { title, kind, component } in built() {
        let Ok(component) = component else { continue };
        match kind.as_str() {
            "stt" => {
                let ran = run(folder.path(), &component, &["--in", "speech.wav", "--fast"], Some(&vendor));
                let events = String::from_utf8_lossy(&ran.stdout).into_owned();
                let why = String::from_utf8_lossy(&ran.stderr).into_owned();
                assert!(ran.status.success() && events.contains("I heard you for 0.5 seconds"), "{title}: {events} {why}");
            }
            "tts" => {
                let words =
                    ["--text", "Good morning.", "--out", "out.wav", "--rate-hz", "16000", "--encoding", "pcm-s16le", "--fast"];
                let ran = run(folder.path(), &component, &words, Some(&vendor));
                let why = String::from_utf8_lossy(&ran.stderr).into_owned();
                assert!(ran.status.success(), "{title}: {} {why}", String::from_utf8_lossy(&ran.stdout));
                // Two words of 150 ms and their pauses, a WAV header.
                let sound = fs::read(folder.path().join("out.wav")).unwrap();
                assert_eq!(sound.len(), 44 + 2 * 2 * (2400 + 1200), "{title}");
                assert!(sound[44..].iter().any(|byte| *byte != 0), "{title}");
            }
            _ => continue,
        }
        // The session that was recorded runs again, and is good enough for a bad day.
        for tool in [["replay", "session.jsonl", "--plugin"], ["conform", "--session", "session.jsonl"]] {
            let asked = gateway(folder.path()).arg("plugin").args(tool).arg(&component).output().unwrap();
            assert!(asked.status.success(), "{title}: {}", String::from_utf8_lossy(&asked.stdout));
        }
        served += 1;
    }
    println!("{served} live sessions");
}

#[test]
fn what_an_author_has_written_is_never_written_over() {
    let folder = tempfile::tempdir().unwrap();
    let new = || {
        let mut command = gateway(folder.path());
        command.args(["plugin", "new", "--lang", "js", "--kind", "mask", "mask-acme"]).output().unwrap()
    };
    assert!(new().status.success());
    fs::write(folder.path().join("mask-acme/plugin.js"), "mine").unwrap();
    assert!(!new().status.success());
    assert_eq!(fs::read_to_string(folder.path().join("mask-acme/plugin.js")).unwrap(), "mine");
}
