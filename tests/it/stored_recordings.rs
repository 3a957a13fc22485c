//! Recordings on their way to a store that speaks S3, by HTTPS: they arrive whole whatever befalls either side, and go from there when they are to go.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a broken story stops")]

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::num::NonZeroU32;
use std::path::Path;
use std::process::{Child, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use vg_domain::event::Fact;
use vg_domain::ids::{CallId, TenantId};
use vg_domain::pii::Pii;
use vg_domain::recording::{DeletionReason, RecordingFact, RecordingFormat};
use vg_media::ogg_opus;
use vg_tests::house::{House, plugins_dir, recording};
use vg_tests::program;
use vg_tests::s3::{S3Double, S3Trouble, environment};
use voice_gateway::adapters::recording::{Bucket, Form, Keeping, RecordingStats, Recordings, StoreStats};
use voice_gateway::application::ports::{Facts, Subject};
use voice_gateway::application::recording::{PartsOf, Recorder, RecordingRequest, SoundBlock};
use voice_gateway::config::{Config, Fault, Machine};

const PATIENCE: Duration = Duration::from_secs(60);
const QUIET: Duration = Duration::from_millis(800);
const MIB: usize = 1 << 20;

/// A folder of recordings and whoever serves it.
struct Shop {
    recordings: Option<Recordings>,
    close: CancellationToken,
    tasks: JoinSet<()>,
    told: Arc<Told>,
}

#[derive(Default)]
struct Told(Mutex<Vec<(String, RecordingFact)>>);

impl Facts for Told {
    fn publish(&self, Subject { call, .. }: Subject<'_>, fact: &Fact) {
        if let Fact::Recording(fact) = fact {
            self.0.lock().unwrap().push((call.to_string(), fact.clone()));
        }
    }
}

fn configured(toml: &str) -> Config {
    Config::parse(toml, environment(), &Machine::here()).unwrap()
}

impl Shop {
    /// `section`: of the store.
    fn open(folder: &Path, section: &str) -> Self {
        Self::with(folder, section, Keeping::default())
    }

    fn with(folder: &Path, section: &str, keeping: Keeping) -> Self {
        let config = configured(&format!("[recording]\ndir = {:?}\n{section}", folder.join("calls"))).recording;
        let store = config.store.unwrap();
        let told = Arc::<Told>::default();
        let store = Some((Bucket::new(&store).unwrap(), store.keep_local));
        let keeping = Keeping { store, facts: Some(Arc::clone(&told) as _), ..keeping };
        let recordings = Recordings::start(&folder.join("calls"), keeping).unwrap();
        let (close, mut tasks) = (CancellationToken::new(), JoinSet::new());
        tasks.spawn(recordings.uploader().unwrap().run(close.clone()));
        Self { recordings: Some(recordings), close, tasks, told }
    }

    /// A second of a call.
    fn records(&self, call: &str, began: SystemTime) {
        self.records_part(call, 1, began);
    }

    fn records_part(&self, call: &str, part: u32, began: SystemTime) {
        let (call, tenant) = (CallId::new(call), TenantId::new("acme"));
        let person = Pii::new("+5511999998888".to_owned());
        let request = RecordingRequest { call, tenant, person, part, began, first_began: began, keep_days: None, format: None };
        let recording = self.recordings().start(request).unwrap();
        let mut block = recording.tap.empty().unwrap();
        block.samples.extend([7; 2 * 160 * 25]);
        recording.tap.hand_over(SoundBlock {
            codec: "pcmu",
            rate_hz: 8_000,
            first: 0,
            frames: 25,
            paused: 0,
            samples: block.samples,
        });
    }

    fn recordings(&self) -> &Recordings {
        self.recordings.as_ref().unwrap()
    }

    fn forget(&self, call: &str) {
        self.recordings().forget(&TenantId::new("acme"), &CallId::new(call), DeletionReason::OptedOut, PartsOf::ThisGateway);
    }

    /// The same of a call that others have served as well.
    fn forget_everywhere(&self, call: &str) {
        self.recordings().forget(&TenantId::new("acme"), &CallId::new(call), DeletionReason::OptedOut, PartsOf::AnyGateway);
    }

    fn stats(&self) -> (RecordingStats, StoreStats) {
        let stats = self.recordings().stats();
        (stats, stats.store.unwrap())
    }

    async fn until(&self, what: &str, holds: impl Fn(&RecordingStats, &StoreStats) -> bool) {
        until(what, || {
            let (stats, store) = self.stats();
            holds(&stats, &store)
        })
        .await;
    }

    fn told(&self) -> Vec<(String, RecordingFact)> {
        self.told.0.lock().unwrap().clone()
    }

    /// What was told of one call by these names, in its order.
    fn names_told(&self, call: &str) -> Vec<&'static str> {
        self.told().iter().filter(|(of, _)| of == call).map(|(_, fact)| fact.name()).collect()
    }

    async fn close(mut self) {
        self.close.cancel();
        while self.tasks.join_next().await.is_some() {}
        let recordings = self.recordings.take();
        tokio::task::spawn_blocking(move || drop(recordings)).await.unwrap();
    }
}

async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let begin = Instant::now();
    let mut look = tokio::time::interval(Duration::from_millis(20));
    while !holds() {
        assert!(begin.elapsed() < PATIENCE, "never: {what}");
        look.tick().await;
    }
}

fn here(folder: &Path) -> BTreeSet<String> {
    let Ok(files) = std::fs::read_dir(folder.join("calls/acme")) else { return BTreeSet::new() };
    files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect()
}

fn note(folder: &Path, call: &str) -> serde_json::Value {
    serde_json::from_slice(&std::fs::read(folder.join(format!("calls/acme/{call}.json"))).unwrap()).unwrap()
}

fn faults(store: &StoreStats, code: &str) -> u64 {
    store.faults.iter().find(|(known, _)| *known == code).unwrap().1
}

/// A whole recording of so many MiB, as a gateway left it that had no store yet. Gives its bytes.
fn planted(folder: &Path, call: &str, mib: usize) -> Vec<u8> {
    let acme = folder.join("calls/acme");
    std::fs::create_dir_all(&acme).unwrap();
    let sound: Vec<u8> = (0..(mib * MIB) as u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    std::fs::write(acme.join(format!("{call}.wav")), &sound).unwrap();
    let note = serde_json::json!({
        "call": call, "tenant": "acme", "start": "2026-01-02T03:04:05Z", "part": 1, "state": "complete", "codec": "pcmu", "rate_hz": 8_000,
        "channels": ["caller", "gateway"], "length_ms": 1, "file": format!("{call}.wav"), "pauses": [], "dropped": [],
    });
    std::fs::write(acme.join(format!("{call}.json")), note.to_string()).unwrap();
    sound
}

/// How often each piece was asked to be taken.
fn pieces(asked: &[String], count: usize) -> Vec<usize> {
    (1..=count).map(|n| asked.iter().filter(|line| line.starts_with(&format!("PIECE {n} "))).count()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_of_a_whole_gateway_is_encoded_and_goes_to_the_store_and_from_the_disk() {
    let (folder, store) = (tempfile::tempdir().unwrap(), S3Double::start().await);
    let demo = Path::new(env!("CARGO_MANIFEST_DIR")).join("../host/demo");
    let tenants = folder.path().join("tenants");
    std::fs::create_dir(&tenants).unwrap();
    let tenant = std::fs::read_to_string(demo.join("tenants/demo.toml")).unwrap();
    let tenant = tenant.replace("recording = false", "recording = { mode = \"on\", announce = false }");
    std::fs::write(tenants.join("demo.toml"), tenant).unwrap();
    std::fs::copy(demo.join("demo.jsgf"), tenants.join("demo.jsgf")).unwrap();
    let calls = folder.path().join("calls");
    let section = store.section(folder.path());
    let toml = format!("[tenants]\ndir = {tenants:?}\n[recording]\ndir = {calls:?}\nformat = \"opus\"\n{section}");
    let mut house = House::with_environment(&toml, environment().into()).await.unwrap();
    let mut phone = house.phone("demo").await.unwrap();
    assert!(phone.until_answer_ended(QUIET, PATIENCE).await, "no greeting");
    phone.say(&recording("time.wav").unwrap()).await;
    phone.until_said().await;
    assert!(phone.until_answer_ended(QUIET, PATIENCE).await, "no answer");
    let (heard, ended) = phone.hang_up().await;
    assert_eq!(ended, Ok(()));
    let stored = |call: &CallId, fact: &Fact| match fact {
        Fact::Recording(RecordingFact::Stored { part: 1, object }) => Some((call.clone(), object.clone())),
        _ => None,
    };
    let (call, object) = house.fact("it is in the store", stored).await.unwrap();
    assert_eq!(object, format!("s3://calls/deep/demo/{call}.opus"));
    until("the sound has left the disk", || std::fs::read_dir(calls.join("demo")).unwrap().count() == 1).await;
    assert_eq!(house.metric("vg_recordings_stored_total").await.unwrap(), 1.0);
    assert_eq!(house.metric("vg_recording_store_up").await.unwrap(), 1.0);
    assert_eq!(house.metric("vg_recordings_waiting").await.unwrap(), 0.0);
    house.holds_nothing(PATIENCE).await.unwrap();
    house.stop().await;

    let [noted, sound] = ["json", "opus"].map(|end| store.mind.object(&format!("deep/demo/{call}.{end}")).unwrap());
    assert_eq!(store.mind.names().len(), 2);
    // Both sides are in it, each on its own.
    let wav = ogg_opus::read(&sound).unwrap();
    let noted: serde_json::Value = serde_json::from_slice(&noted).unwrap();
    assert_eq!(noted["length_ms"].as_u64().unwrap(), wav.samples.len() as u64 / 2 / 48);
    assert_eq!(
        (noted["state"].as_str(), noted["file"].as_str(), noted.get("store")),
        (Some("complete"), Some(&*format!("{call}.opus")), None)
    );
    let loud = |samples: &mut dyn Iterator<Item = i16>| samples.filter(|sample| sample.unsigned_abs() > 1_000).count();
    for (who, track, side) in [("caller", &heard.caller, 0), ("gateway", &heard.agent, 1)] {
        // Three samples of the file for each of the wire.
        let (kept, all) = (loud(&mut wav.samples.iter().skip(side).step_by(6).copied()), loud(&mut track.iter().copied()));
        assert!(all > 1_000 && kept * 10 > all * 8 && kept * 8 < all * 10, "{who}: {kept} of {all} loud samples");
    }
    let local: serde_json::Value =
        serde_json::from_slice(&std::fs::read(calls.join(format!("demo/{call}.json"))).unwrap()).unwrap();
    assert_eq!((local["store"]["state"].as_str(), local["store"]["url"].as_str()), (Some("stored"), Some(&*object)));
    // By one connection, each request once, the note last; asked before and after whether anybody has said that nothing of the call is to be kept.
    let key = format!("deep/demo/{call}");
    let expected = ["HEAD .withdrawn", "PUT .opus", "HEAD .opus", "PUT .json", "HEAD .withdrawn"]
        .map(|line| line.replace(' ', &format!(" {key}")));
    assert_eq!((store.mind.asked(), store.connections()), (expected.to_vec(), 1));
}

/// The gateway's own program, killed when the story ends.
struct Serving(Child);

impl Serving {
    fn start(folder: &Path) -> Self {
        let mut command = gateway(folder);
        let mut child = command.args(["serve"]).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        lines.find(|line| line.as_ref().unwrap().contains("serving on ")).expect("it serves").unwrap();
        Self(child)
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn gateway(folder: &Path) -> std::process::Command {
    let mut command = program::alone(folder);
    command.env("VG__PLUGINS__DIR", plugins_dir()).envs(environment());
    command
}

fn written(folder: &Path, store: &S3Double) {
    let section = store.section(folder);
    std::fs::write(folder.join("voice-gateway.toml"), format!("[recording]\ndir = \"calls\"\n{section}")).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_is_killed_while_it_sends_goes_on_behind_the_last_piece() {
    let (folder, store) = (tempfile::tempdir().unwrap(), S3Double::start().await);
    written(folder.path(), &store);
    let sound = planted(folder.path(), "big", 44);
    store.mind.trouble("PIECE 4", S3Trouble::Deaf);
    let serving = Serving::start(folder.path());
    until("the fourth piece is on its way", || pieces(&store.mind.asked(), 4)[3] == 1).await;
    // The process dies without a chance to say anything.
    drop(serving);
    let kept = note(folder.path(), "big");
    assert_eq!(
        (kept["store"]["state"].as_str(), kept["store"]["upload"]["pieces"].as_array().map(Vec::len)),
        (Some("sending"), Some(3))
    );
    assert_eq!((store.mind.names().len(), store.mind.uploads()), (0, 1));

    let _serving = Serving::start(folder.path());
    until("its note is there", || store.mind.object("deep/acme/big.json").is_some()).await;
    until("the sound has left the disk", || here(folder.path()).len() == 1).await;
    assert!(store.mind.object("deep/acme/big.wav").unwrap() == sound, "not the same bytes");
    let asked = store.mind.asked();
    // Six of 8 MiB and less: those that the store had are not sent again.
    assert_eq!(pieces(&asked, 7), [1, 1, 1, 2, 1, 1, 0], "{asked:?}");
    assert_eq!((asked.iter().filter(|line| line.starts_with("BEGIN")).count(), store.mind.uploads()), (1, 0));
    assert_eq!(note(folder.path(), "big")["store"]["state"], "stored");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_is_away_costs_nothing_but_disk_and_gets_everything_when_it_is_back() {
    let (folder, store) = (tempfile::tempdir().unwrap(), S3Double::start().await);
    let section = store.section(folder.path());
    let away = store.away().await;
    let shop = Shop::open(folder.path(), &section);
    for call in ["one", "two"] {
        shop.records(call, SystemTime::now());
    }
    shop.until("both are kept and tried", |stats, store| {
        stats.kept == 2 && store.waiting == 2 && faults(store, "unreachable") > 2
    })
    .await;
    assert!(!shop.stats().1.up);
    assert!(["one.wav", "two.wav"].iter().all(|file| here(folder.path()).contains(*file)));
    let store = away.back().await;
    shop.until("both are stored", |_, store| store.stored == 2 && store.up && store.waiting == 0).await;
    let there = ["one.json", "one.wav", "two.json", "two.wav"].map(|file| format!("deep/acme/{file}"));
    assert_eq!(store.mind.names(), there);
    until("the sound has left the disk", || here(folder.path()).len() == 2).await;
    // That it failed is told once for each.
    for call in ["one", "two"] {
        assert_eq!(shop.names_told(call), ["kept", "not_stored", "stored"], "{call}");
    }
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recording_whose_note_the_disk_does_not_give_waits_for_it() {
    let (folder, store) = (tempfile::tempdir().unwrap(), S3Double::start().await);
    let sound = planted(folder.path(), "call", 1);
    let [noted, aside] = ["call.json", "aside"].map(|name| folder.path().join("calls/acme").join(name));
    std::fs::rename(&noted, &aside).unwrap();
    // Nothing is mapped at its beginning: reading fails, as it would with too many files open.
    std::os::unix::fs::symlink("/proc/self/mem", &noted).unwrap();
    let shop = Shop::open(folder.path(), &store.section(folder.path()));
    shop.until("it is counted", |_, store| faults(store, "disk") > 0).await;
    assert!(store.mind.asked().is_empty() && here(folder.path()).contains("call.wav"));
    std::fs::rename(&aside, &noted).unwrap();
    shop.until("it is stored", |_, store| store.stored == 1).await;
    assert!(store.mind.object("deep/acme/call.wav").unwrap() == sound, "not the same bytes");
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_store_stumbles_over_is_sent_again_and_nothing_else_of_it() {
    let (folder, store) = (tempfile::tempdir().unwrap(), S3Double::start().await);
    let sound = planted(folder.path(), "big", 18);
    for (line, trouble) in [
        ("BEGIN", S3Trouble::SlowDown),
        ("PIECE 2", S3Trouble::Breaks),
        ("PIECE 3", S3Trouble::SlowDown),
        ("COMPLETE", S3Trouble::SlowDown),
        // What lies there is another object than was made: it is looked at again.
        ("HEAD deep/acme/big.wav", S3Trouble::Lies),
        ("PUT deep/acme/big.json", S3Trouble::Denies),
    ] {
        store.mind.trouble(line, trouble);
    }
    let shop = Shop::open(folder.path(), &store.section(folder.path()));
    shop.until("it is stored", |_, store| store.stored == 1).await;
    assert!(store.mind.object("deep/acme/big.wav").unwrap() == sound, "not the same bytes");
    let (asked, (_, stats)) = (store.mind.asked(), shop.stats());
    // A request that broke off was never whole, and is not among them.
    assert_eq!(pieces(&asked, 4)[..3], [1, 1, 2], "{asked:?}");
    assert_eq!(
        (faults(&stats, "busy"), faults(&stats, "unreachable"), faults(&stats, "mismatch"), faults(&stats, "denied")),
        (3, 1, 1, 1)
    );
    assert_eq!(shop.names_told("big"), ["not_stored", "stored"]);
    assert_eq!(store.mind.uploads(), 0);
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_the_store_forgot_or_whose_tag_was_a_lie_begins_anew() {
    for (line, trouble, code) in [("PIECE 2", S3Trouble::Forgets, "no_upload"), ("PIECE 1", S3Trouble::Lies, "refused")] {
        let (folder, store) = (tempfile::tempdir().unwrap(), S3Double::start().await);
        let sound = planted(folder.path(), "big", 18);
        store.mind.trouble(line, trouble);
        let shop = Shop::open(folder.path(), &store.section(folder.path()));
        shop.until("it is stored", |_, store| store.stored == 1).await;
        assert!(store.mind.object("deep/acme/big.wav").unwrap() == sound, "not the same bytes");
        let asked = store.mind.asked();
        assert_eq!(asked.iter().filter(|line| line.starts_with("BEGIN")).count(), 2, "{asked:?}");
        assert_eq!((store.mind.uploads(), faults(&shop.stats().1, code)), (0, 1), "{code}");
        shop.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_key_and_a_stranger_are_clear_faults_and_nothing_is_lost() {
    let (folder, store) = (tempfile::tempdir().unwrap(), S3Double::start().await);
    let section = store.section(folder.path());
    let wrong = section.replace("env:STORE_SECRET_KEY", "env:STORE_ACCESS_KEY");
    let other = S3Double::start().await;
    // The authority of another store.
    other.section(folder.path());
    for (section, code) in [(&section, "unreachable"), (&wrong, "denied")] {
        if code == "denied" {
            store.section(folder.path());
        }
        let shop = Shop::open(folder.path(), section);
        shop.records(code, SystemTime::now());
        shop.until("it fails", |stats, store| stats.kept == 1 && faults(store, code) > 1 && !store.up).await;
        assert!(here(folder.path()).contains(&format!("{code}.wav")), "{:?}", here(folder.path()));
        let failed = (code.to_owned(), RecordingFact::NotStored { part: 1, deletes: false, code });
        until("it is told", || shop.told().contains(&failed)).await;
        shop.close().await;
    }
    assert_eq!((store.mind.asked(), store.mind.names()), (Vec::new(), Vec::new()));
    let shop = Shop::open(folder.path(), &section);
    shop.until("with the right key both arrive", |_, store| store.stored == 2).await;
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_goes_by_http_without_the_operators_word() {
    let (folder, store) = (tempfile::tempdir().unwrap(), S3Double::start_plain().await);
    let section = store.section(folder.path());
    let refused = format!("[recording]\ndir = \"calls\"\n{}", section.replace("allow_plain = true", ""));
    let refused = Config::parse(&refused, environment(), &Machine::here()).unwrap_err();
    let told: Vec<String> = refused.iter().map(Fault::to_string).collect();
    assert!(matches!(&told[..], [one] if one.starts_with("recording.store.endpoint: recordings go by https")), "{told:?}");
    let shop = Shop::open(folder.path(), &section);
    shop.records("plain", SystemTime::now());
    shop.until("it is stored", |_, store| store.stored == 1).await;
    shop.close().await;
    written(folder.path(), &store);
    let (well, text) = said(&gateway(folder.path()).arg("doctor").output().unwrap());
    assert!(text.contains("takes recordings, by http: whoever is on the way can read them"), "{well} {text}");
    assert_eq!((store.mind.uploads(), store.mind.names().len()), (0, 2), "nothing is left of what doctor tried");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_objects_after_it_is_stored_has_it_deleted_there_also_by_a_store_that_is_away() {
    let (folder, store) = (tempfile::tempdir().unwrap(), S3Double::start().await);
    let shop = Shop::open(folder.path(), &store.section(folder.path()));
    for call in ["gone", "later", "kept"] {
        shop.records(call, SystemTime::now());
    }
    shop.until("all are stored", |_, store| store.stored == 3).await;
    shop.forget("gone");
    shop.until("it is deleted", |stats, _| stats.deleted[0] == ("opted_out", 1)).await;
    let of = |calls: &[&str]| -> Vec<String> {
        calls.iter().flat_map(|call| ["json", "wav"].map(|end| format!("deep/acme/{call}.{end}"))).collect()
    };
    assert_eq!(store.mind.names(), of(&["kept", "later"]));
    assert_eq!(shop.names_told("gone"), ["kept", "stored", "deleted"]);
    let away = store.away().await;
    shop.forget("later");
    shop.until("it waits", |stats, store| {
        store.to_delete == 1 && faults(store, "unreachable") > 1 && stats.faults.contains(&("not_deleted", 1))
    })
    .await;
    assert_eq!(note(folder.path(), "later")["store"]["state"], "deleting");
    assert_eq!(shop.names_told("later"), ["kept", "stored", "not_stored"]);
    // Whoever starts next knows of it.
    shop.close().await;
    let store = away.back().await;
    let shop = Shop::open(folder.path(), &store.section(folder.path()));
    shop.until("it is deleted", |stats, _| stats.deleted[0] == ("opted_out", 1)).await;
    assert_eq!(store.mind.names(), of(&["kept"]));
    assert_eq!(here(folder.path()).into_iter().collect::<Vec<_>>(), ["kept.json"]);
    assert_eq!(shop.names_told("later"), ["deleted"]);
    shop.close().await;
}

/// Three gateways served a call: one has sent its part, one has not yet, the third is told that nothing is to be kept, while the store is away.
#[tokio::test(flavor = "multi_thread")]
async fn who_objects_at_one_gateway_has_deleted_what_others_sent_and_what_they_would_have_sent() {
    let (folders, store) = ([(); 3].map(|()| tempfile::tempdir().unwrap()), S3Double::start().await);
    let [sent, unsent, told] = folders.each_ref().map(tempfile::TempDir::path);
    let first = Shop::open(sent, &store.section(sent));
    first.records("moved", SystemTime::now());
    first.records("moved.not", SystemTime::now());
    first.until("both are stored", |_, store| store.stored == 2).await;
    planted(unsent, "moved", 1);
    let third = Shop::open(told, &store.section(told));
    third.records_part("moved", 3, SystemTime::now());
    third.until("its own is stored", |_, store| store.stored == 1).await;
    let away = store.away().await;
    third.forget_everywhere("moved");
    third.until("it waits", |_, store| store.to_delete == 2 && faults(store, "unreachable") > 1).await;
    third.close().await;
    // Whoever starts next knows of it.
    let store = away.back().await;
    let third = Shop::open(told, &store.section(told));
    third.until("both are deleted", |stats, store| stats.deleted[0] == ("opted_out", 2) && store.waiting == 0).await;
    let left = ["deep/acme/moved.not.json", "deep/acme/moved.not.wav", "deep/acme/moved.withdrawn"];
    assert_eq!((store.mind.names(), here(told)), (left.map(str::to_owned).to_vec(), BTreeSet::new()));
    assert_eq!(third.names_told("moved"), ["deleted", "deleted"]);

    let second = Shop::open(unsent, &store.section(unsent));
    second.until("it is deleted", |stats, _| stats.deleted[0] == ("opted_out", 1)).await;
    assert_eq!((store.mind.names(), here(unsent)), (left.map(str::to_owned).to_vec(), BTreeSet::new()));
    assert_eq!(second.names_told("moved"), ["deleted"]);
    // Said while it was on its way.
    planted(unsent, "late", 18);
    store.mind.trouble("PIECE 2", S3Trouble::SlowDown);
    second.close().await;
    let second = Shop::open(unsent, &store.section(unsent));
    second.until("it is under way", |_, store| faults(store, "busy") > 0).await;
    store.mind.put("deep/acme/late.withdrawn", b"ordered");
    second.until("it is deleted", |stats, _| stats.deleted[1] == ("ordered", 1)).await;
    assert_eq!((store.mind.uploads(), here(unsent)), (0, BTreeSet::new()));
    assert!(!store.mind.names().iter().any(|name| name.starts_with("deep/acme/late.") && !name.ends_with(".withdrawn")));
    for shop in [first, second, third] {
        shop.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_objects_while_it_is_sent_has_the_upload_thrown_away() {
    let (folder, store) = (tempfile::tempdir().unwrap(), S3Double::start().await);
    planted(folder.path(), "big", 18);
    store.mind.trouble("PIECE 2", S3Trouble::SlowDown);
    store.mind.trouble("PIECE 2", S3Trouble::SlowDown);
    store.mind.trouble("PIECE 2", S3Trouble::SlowDown);
    let shop = Shop::open(folder.path(), &store.section(folder.path()));
    shop.until("it is under way", |_, store| faults(store, "busy") > 0).await;
    shop.forget("big");
    assert_eq!(store.mind.uploads(), 1);
    shop.until("it is deleted", |stats, _| stats.deleted[0] == ("opted_out", 1)).await;
    assert_eq!((store.mind.uploads(), store.mind.names(), here(folder.path())), (0, Vec::new(), BTreeSet::new()));
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_kept_long_enough_goes_from_the_store_and_what_is_to_stay_here_stays() {
    let (folder, store) = (tempfile::tempdir().unwrap(), S3Double::start().await);
    let section = format!("{}keep_local = true\n", store.section(folder.path()));
    let opus = || Form { format: RecordingFormat::Opus, seal_to: None };
    let shop = Shop::with(folder.path(), &section, Keeping { form: opus(), ..Keeping::default() });
    shop.records("old", SystemTime::now() - Duration::from_secs(2 * 24 * 60 * 60));
    shop.records("young", SystemTime::now());
    shop.until("both are stored", |_, store| store.stored == 2).await;
    assert_eq!(here(folder.path()).len(), 4);
    shop.close().await;
    let keep_days = NonZeroU32::new(1);
    let shop = Shop::with(folder.path(), &section, Keeping { form: opus(), keep_days, ..Keeping::default() });
    shop.until("the old one is deleted", |stats, _| stats.deleted[2] == ("expired", 1)).await;
    assert_eq!(store.mind.names(), ["deep/acme/young.json", "deep/acme/young.opus"]);
    assert_eq!(here(folder.path()).into_iter().collect::<Vec<_>>(), ["young.json", "young.opus"]);
    let asked = store.mind.asked();
    assert!(asked.iter().filter(|line| line.starts_with("PUT")).count() == 4, "what is there is not sent again: {asked:?}");
    shop.close().await;
}

fn said(output: &Output) -> (bool, String) {
    let text = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned()).concat();
    (output.status.success(), text)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_gets_what_the_store_has_and_has_it_erased_whichever_gateway_sent_it() {
    let (folder, store) = (tempfile::tempdir().unwrap(), S3Double::start().await);
    written(folder.path(), &store);
    let shop = Shop::open(folder.path(), &store.section(folder.path()));
    for call in ["mine", "mine-not"] {
        shop.records(call, SystemTime::now());
    }
    shop.until("both are stored", |_, store| store.stored == 2).await;
    shop.close().await;
    // Another gateway went on with the call.
    store.mind.put("deep/acme/mine.2.wav", b"RIFF");
    let part = serde_json::json!({
        "call": "mine", "tenant": "acme", "start": "2026-01-02T03:04:05Z", "part": 2, "state": "complete", "codec": "pcmu", "rate_hz": 8_000,
        "channels": ["caller", "gateway"], "length_ms": 1, "file": "mine.2.wav", "pauses": [], "dropped": [],
    });
    store.mind.put("deep/acme/mine.2.json", part.to_string().as_bytes());
    let privacy = |arguments: &[&str]| said(&gateway(folder.path()).arg("privacy").args(arguments).output().unwrap());
    let whose = ["--tenant", "acme", "--call", "mine"];
    let (well, text) = privacy(&[&["export"], &whose[..], &["--out", "out"]].concat());
    assert!(well && text.contains("4 objects in the store of recordings"), "{text}");
    let out = std::fs::read_dir(folder.path().join("out/recordings")).unwrap();
    let out: BTreeSet<String> = out.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    assert!(out.iter().eq(["mine.2.json", "mine.2.wav", "mine.json", "mine.wav"]), "{out:?}");
    assert!(vg_media::wav::read(&std::fs::read(folder.path().join("out/recordings/mine.wav")).unwrap()).is_ok());

    let away = store.away().await;
    let (well, text) = privacy(&[&["erase"], &whose[..], &["--yes"]].concat());
    assert!(!well && text.contains("no answer"), "{text}");
    let store = away.back().await;
    let (well, text) = privacy(&[&["erase"], &whose[..], &["--yes"]].concat());
    assert!(well && text.contains("erased") && text.contains("a bucket that keeps versions"), "{text}");
    assert_eq!(store.mind.names(), ["deep/acme/mine-not.json", "deep/acme/mine-not.wav"]);
    assert_eq!(here(folder.path()).into_iter().collect::<Vec<_>>(), ["mine-not.json"]);
}
