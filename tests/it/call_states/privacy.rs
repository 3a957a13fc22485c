//! What is kept of one caller, in a real Redis, on the disk and in recordings: given to whoever asks for it, and erased, beside gateways that serve.

use super::{Gateway, ended, snapshot};
use redis::AsyncCommands;
use redis::aio::MultiplexedConnection;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Output;
use std::time::{Duration, SystemTime};
use vg_domain::event::Fact;
use vg_domain::ids::{CallId, TenantId};
use vg_domain::parties::Parties;
use vg_domain::pii::Pii;
use vg_tests::lab::Redis;
use vg_tests::program;
use voice_gateway::adapters::audit::Trail;
use voice_gateway::adapters::events::spool::{Bounds, Spool};
use voice_gateway::adapters::pseudonyms::Pseudonyms;
use voice_gateway::adapters::recording::{Keeping, Recordings};
use voice_gateway::application::ports::*;
use voice_gateway::application::recording::{Recorder, RecordingRequest, SoundBlock};

const CALLER: &str = "+5511999998888";
const KEY: &str = "the operator's own, of more than 32 letters";

fn pii(text: &str) -> Pii<String> {
    Pii::new(text.to_owned())
}

fn privacy(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = program::alone(folder);
    command.env("PSEUDONYM_KEY", KEY).arg("privacy").args(arguments).output().unwrap()
}

/// What it said, and whether it was content.
fn said(output: &Output) -> (bool, String) {
    let text = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned()).concat();
    (output.status.success(), text)
}

fn files(folder: &Path) -> BTreeSet<String> {
    fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

fn records(recordings: &Recordings, tenant: &TenantId, call: &str, person: &str) {
    let began = SystemTime::now();
    let request = RecordingRequest {
        call: CallId::new(call),
        tenant: tenant.clone(),
        person: pii(person),
        part: 1,
        began,
        first_began: began,
        keep_days: None,
        format: None,
    };
    let recording = recordings.start(request).unwrap();
    let mut block = recording.tap.empty().unwrap();
    block.samples.extend([7; 2 * 160]);
    recording.tap.hand_over(SoundBlock { codec: "pcmu", rate_hz: 8_000, first: 0, frames: 1, paused: 0, samples: block.samples });
}

/// The keys of a call, without its name.
async fn kept(redis: &mut MultiplexedConnection, call: &str) -> Vec<String> {
    let begin = format!("vg:{{{call}}}:");
    let keys: Vec<String> = redis.keys(format!("{begin}*")).await.unwrap();
    let mut keys: Vec<String> = keys.iter().map(|key| key.strip_prefix(&begin).unwrap().to_owned()).collect();
    keys.sort();
    keys
}

/// A call that is over, of which lies there what a gateway writes while it lives: it takes that away with the end, or its time does.
async fn leaves_more_than_its_end(redis: &mut MultiplexedConnection, call: &str) {
    let () = redis.set(format!("vg:{{{call}}}:resume"), "what was said").await.unwrap();
    let mut sound = redis::cmd("XADD");
    sound.arg(format!("vg:{{{call}}}:audio")).arg("*").arg("s").arg("sealed");
    let _: String = sound.query_async(redis).await.unwrap();
    assert_eq!(kept(redis, call).await, ["audio", "owner", "resume", "state"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_gets_what_is_kept_and_has_it_erased() {
    let redis = Redis::start().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (events, recorded, audit) = (folder.path().join("events"), folder.path().join("recordings"), folder.path().join("audit"));
    let config = format!(
        "[state]\nredis = \"redis://127.0.0.1:{}\"\n[events]\ndir = {events:?}\n[recording]\ndir = {recorded:?}\n\
         [audit]\ndir = {audit:?}\n[privacy]\npseudonym_key = \"env:PSEUDONYM_KEY\"\n[kafka]\nbrokers = \"127.0.0.1:9\"\n",
        redis.port()
    );
    fs::write(folder.path().join("voice-gateway.toml"), config).unwrap();
    let pseudonyms = Some(Pseudonyms::new(&pii(KEY)));
    let bounds = Bounds { bytes_max: 1 << 24, keep: Duration::from_secs(3_600) };
    let spool = Spool::open(&events, bounds, true).unwrap().naming_callers(pseudonyms.clone());
    let tenant = TenantId::new("acme");
    for (call, person) in [("call-over", CALLER), ("call-strange", "+5511000000000")] {
        let (call, started) = (CallId::new(call), Fact::Started(Parties::inbound(pii(person), pii("100")).into()));
        spool.publish(Subject { call: &call, tenant: &tenant, conversation: None, sequence: Sequence::FIRST }, &started);
    }
    spool.committed().await;
    let recordings = Recordings::start(&recorded, Keeping { pseudonyms, ..Keeping::default() }).unwrap();
    records(&recordings, &tenant, "call-over", CALLER);
    records(&recordings, &tenant, "call-recorded", CALLER);
    records(&recordings, &tenant, "call-strange", "+5511000000000");
    drop(recordings);
    let gateway = Gateway::of("one", &redis);
    gateway.is_up().await;
    gateway.states.keep(ended("call-over"));
    gateway.states.keep(snapshot("call-live", 1));
    gateway.all_written().await;

    let whose = ["--tenant", "acme", "--caller", "0055 11 99999-8888"];
    let (well, text) = said(&privacy(folder.path(), &[&["export"], &whose[..], &["--out", "out"]].concat()));
    assert!(well && text.starts_with("3 calls: 1 events, 2 parts of recordings, 2 states in redis"), "{text}");
    let out = folder.path().join("out");
    let exported = fs::read_to_string(out.join("events.ndjson")).unwrap();
    assert!(exported.lines().count() == 1 && exported.contains("call-over") && !exported.contains("99999"), "{exported}");
    assert_eq!(fs::read_to_string(out.join("states.ndjson")).unwrap().matches(CALLER).count(), 2);
    let both = ["call-over.json", "call-over.wav", "call-recorded.json", "call-recorded.wav"];
    assert!(files(&out.join("recordings")).iter().eq(both), "{:?}", files(&out.join("recordings")));

    let (well, text) = said(&privacy(folder.path(), &[&["erase"], &whose[..], &["--yes"]].concat()));
    assert!(!well && text.contains("these calls live, and would be written anew: call-live"), "{text}");
    // Neither an event nor a recording tells of it: it is found by its number alone.
    gateway.states.keep(ended("call-live"));
    gateway.all_written().await;
    let (well, text) = said(&privacy(folder.path(), &[&["erase"], &whose[..]].concat()));
    assert!(well && text.contains("nothing was erased") && files(&recorded.join("acme")).len() == 6, "{text}");

    let mut connection = redis.connect().await.unwrap();
    leaves_more_than_its_end(&mut connection, "call-over").await;
    let (well, text) = said(&privacy(folder.path(), &[&["erase"], &whose[..], &["--yes"]].concat()));
    assert!(well && text.contains("erased") && text.contains("elsewhere: kafka topic voice-gateway.events"), "{text}");
    assert!(files(&recorded.join("acme")).iter().eq(["call-strange.json", "call-strange.wav"]));
    for call in ["call-over", "call-live"] {
        assert_eq!(kept(&mut connection, call).await, Vec::<String>::new());
    }
    let (well, text) = said(&privacy(folder.path(), &[&["export"], &whose[..], &["--out", "again"]].concat()));
    assert!(well && text.starts_with("0 calls: 0 events, 0 parts of recordings, 0 states in redis"), "{text}");
    let (well, text) =
        said(&privacy(folder.path(), &["export", "--tenant", "acme", "--call", "call-strange", "--out", "strange"]));
    assert!(well && text.starts_with("1 calls: 1 events, 1 parts"), "{text}");
    redis_is_away(folder.path(), redis, &whose);
    acts_are_told(folder.path(), &audit);
    gateway.stop().await;
}

/// The audit log has who did what to which calls, and that it was about to be done; nothing of a number. What is refused or only looked at is no act.
fn acts_are_told(folder: &Path, audit: &Path) {
    let acts = || {
        let days = fs::read_dir(audit.join("acme")).unwrap().map(|entry| entry.unwrap().path());
        let days: Vec<_> = days.filter(|day| day.extension().is_some_and(|end| end == "jsonl")).collect();
        let text: String = days.iter().map(|day| fs::read_to_string(day).unwrap()).collect();
        assert!(!text.contains("99999"), "{text}");
        let lines = text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
        let of = |line: &serde_json::Value, name: &str| line[name].as_str().unwrap_or("nothing").to_owned();
        let acts = lines.filter(|line| line["type"] == "act");
        acts.map(|line| format!("{} {} {}", of(&line, "act"), of(&line, "on"), of(&line, "outcome"))).collect::<Vec<_>>()
    };
    let calls = ["call-live", "call-over", "call-recorded"];
    let each = |act: &str, calls: &[&str]| {
        let outcomes = ["ordered", "done"].into_iter();
        outcomes.flat_map(|outcome| calls.iter().map(move |call| format!("{act} {call} {outcome}"))).collect::<Vec<_>>()
    };
    let mut expected = [each("privacy export", &calls), each("privacy erase", &calls)].concat();
    expected.extend([each("privacy export", &["nothing"]), each("privacy export", &["call-strange"])].concat());
    assert_eq!(acts(), expected);
    // Beside a gateway that writes the log.
    let trail = Trail::start(audit).unwrap();
    let (well, text) = said(&privacy(folder, &["export", "--tenant", "acme", "--call", "call-strange", "--out", "beside"]));
    assert!(!well && text.contains("the gateway writes it into the audit log"), "redis is away; {text}");
    drop(trail);
    // Before it ended it took what was there, or the next one does.
    drop(Trail::start(audit).unwrap());
    expected.extend(each("privacy export", &["call-strange"]));
    assert_eq!(acts(), expected);
    // What cannot be written down is not done.
    fs::remove_dir_all(audit).unwrap();
    fs::write(audit, "no folder").unwrap();
    let (well, text) = said(&privacy(folder, &["export", "--tenant", "acme", "--call", "call-strange", "--out", "unheard"]));
    assert!(!well && text.contains("cannot write to the audit log") && !folder.join("unheard").exists(), "{text}");
}

/// What could not be looked at is said, and nobody takes it for done.
fn redis_is_away(folder: &Path, mut redis: Redis, whose: &[&str]) {
    redis.kill9().unwrap();
    let (well, text) = said(&privacy(folder, &[&["erase"], whose].concat()));
    assert!(!well && text.contains("not looked at: redis: unreachable"), "{text}");
}
