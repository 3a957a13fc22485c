//! Calls of a whole gateway on the disk: what both sides said, and what is left where the gateway is killed.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a broken story stops")]

use std::collections::HashSet;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use vg_media::wav::{self, Wav};
use vg_tests::house::{House, plugins_dir, recording};
use vg_tests::lab::{Ari, Asterisk, SipCaller, likeness};
use vg_tests::program;
use voice_gateway::adapters::media_ws::Format;
use voice_gateway::adapters::media_ws::client::{Phone, PhoneConfig};

const PATIENCE: Duration = Duration::from_secs(40);
const QUIET: Duration = Duration::from_millis(800);
/// A frame of 20 ms at 16 kHz.
const FRAME: usize = 320;

/// The demo tenant, recorded. Gives the configuration of its gateway.
fn recorded(folder: &Path) -> String {
    let demo = Path::new(env!("CARGO_MANIFEST_DIR")).join("../host/demo");
    let tenants = folder.join("tenants");
    std::fs::create_dir(&tenants).unwrap();
    let tenant = std::fs::read_to_string(demo.join("tenants/demo.toml")).unwrap();
    // Without a word of it: what callers hear is counted.
    let tenant = tenant.replace("recording = false", "recording = { mode = \"on\", announce = false }");
    std::fs::write(tenants.join("demo.toml"), tenant).unwrap();
    std::fs::copy(demo.join("demo.jsgf"), tenants.join("demo.jsgf")).unwrap();
    format!("[tenants]\ndir = {tenants:?}\n[recording]\ndir = {:?}\n", folder.join("calls"))
}

/// The one file of the demo tenant that ends so.
fn the_file(folder: &Path, end: &str) -> Option<PathBuf> {
    let files = std::fs::read_dir(folder.join("calls/demo")).ok()?.map(|file| file.unwrap().path());
    let mut files = files.filter(|path| path.to_str().is_some_and(|path| path.ends_with(end)));
    let found = files.next();
    assert!(files.next().is_none(), "more than one {end}");
    found
}

fn note(file: &Path) -> serde_json::Value {
    let folder_and_name = file.to_str().unwrap().split(".wav").next().unwrap();
    serde_json::from_slice(&std::fs::read(format!("{folder_and_name}.json")).unwrap()).unwrap()
}

/// How many loud frames of a track are in one side of a recording, sample by sample, in their order; and how many there are.
fn found(track: &[i16], wav: &Wav, side: usize) -> (usize, usize) {
    let samples: Vec<i16> = wav.samples.iter().skip(side).step_by(2).copied().collect();
    let kept: HashSet<&[i16]> = samples.chunks_exact(FRAME).collect();
    let loud: Vec<&[i16]> = track.chunks_exact(FRAME).filter(|frame| frame.iter().any(|s| s.unsigned_abs() > 500)).collect();
    (loud.iter().filter(|frame| kept.contains(**frame)).count(), loud.len())
}

#[tokio::test(flavor = "multi_thread")]
async fn call_of_a_whole_gateway_is_kept_with_both_sides_as_they_were_on_the_wire() {
    let folder = tempfile::tempdir().unwrap();
    let house = House::with(&recorded(folder.path())).await.unwrap();
    let mut phone = house.phone("demo").await.unwrap();
    assert!(phone.until_answer_ended(QUIET, PATIENCE).await, "no greeting");
    phone.say(&recording("time.wav").unwrap()).await;
    phone.until_said().await;
    assert!(phone.until_answer_ended(QUIET, PATIENCE).await, "no answer");
    assert!(house.metric("vg_recordings_live").await.unwrap() > 0.0);
    let (heard, ended) = phone.hang_up().await;
    assert_eq!(ended, Ok(()));
    house.holds_nothing(PATIENCE).await.unwrap();
    house.stop().await;

    let file = the_file(folder.path(), ".wav").expect("a recording");
    let wav = wav::read(&std::fs::read(&file).unwrap()).unwrap();
    assert_eq!((wav.rate_hz, wav.channels), (16_000, 2));
    for (who, track, side) in [("caller", &heard.caller, 0), ("gateway", &heard.agent, 1)] {
        let (kept, all) = found(track, &wav, side);
        assert!(all > 20 && kept * 10 >= all * 9, "{who}: {kept} of {all} loud frames are in the recording");
        // And on this side alone.
        assert_eq!(found(track, &wav, 1 - side).0, 0, "{who} is on both sides");
    }
    let note = note(&file);
    assert_eq!(
        (note["state"].as_str(), note["tenant"].as_str(), note["codec"].as_str()),
        (Some("complete"), Some("demo"), Some("slin16"))
    );
    let length_ms = note["length_ms"].as_u64().unwrap();
    assert_eq!(length_ms, wav.samples.len() as u64 / 2 * 1_000 / 16_000);
    assert!(length_ms.abs_diff(heard.caller.len() as u64 / 16) < 1_500, "{length_ms} ms of {} ms", heard.caller.len() / 16);
    assert!(the_file(folder.path(), ".wav.part").is_none());
}

/// A key of age's own making, and the half of it that a gateway is given.
fn age_key(folder: &Path, name: &str) -> (PathBuf, String) {
    let file = folder.join(name);
    let made = Command::new("age-keygen").arg("-o").arg(&file).output();
    let made = made.expect("Debian's age is not installed: `cargo xtask setup` does it");
    assert!(made.status.success(), "{made:?}");
    let text = std::fs::read_to_string(&file).unwrap();
    (file, text.lines().find_map(|line| line.strip_prefix("# public key: ")).unwrap().to_owned())
}

/// Debian's `age` judges: its own reading of the format, not ours.
#[tokio::test(flavor = "multi_thread")]
async fn sealed_recording_is_opened_by_age_with_the_half_of_the_key_that_the_gateway_does_not_have() {
    let folder = tempfile::tempdir().unwrap();
    let (key, public) = age_key(folder.path(), "key.txt");
    let (other, _) = age_key(folder.path(), "other.txt");
    let house = House::with(&format!("{}seal_to = {public:?}\n", recorded(folder.path()))).await.unwrap();
    let mut phone = house.phone("demo").await.unwrap();
    assert!(phone.until_answer_ended(QUIET, PATIENCE).await, "no greeting");
    phone.say(&recording("time.wav").unwrap()).await;
    phone.until_said().await;
    assert!(phone.until_answer_ended(QUIET, PATIENCE).await, "no answer");
    let (heard, ended) = phone.hang_up().await;
    assert_eq!(ended, Ok(()));
    house.holds_nothing(PATIENCE).await.unwrap();
    house.stop().await;

    assert!(the_file(folder.path(), ".wav").is_none() && the_file(folder.path(), ".part").is_none());
    let file = the_file(folder.path(), ".wav.age").expect("a sealed recording");
    let open = |key: &Path| Command::new("age").arg("--decrypt").arg("--identity").arg(key).arg(&file).output().unwrap();
    let opened = open(&key);
    assert!(opened.status.success(), "{}", String::from_utf8_lossy(&opened.stderr));
    let (kept, all) = found(&heard.caller, &wav::read(&opened.stdout).unwrap(), 0);
    assert!(all > 20 && kept * 10 >= all * 9, "{kept} of {all} loud frames of the caller are in what was opened");
    assert!(!open(&other).status.success(), "another key opens it");

    let sealed = std::fs::read(&file).unwrap();
    let hash = ring::digest::digest(&ring::digest::SHA256, &sealed);
    let hash: String = hash.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(note(&file)["sha256"], hash);
    // A byte of the last of several pieces.
    let touched = [&sealed[..sealed.len() - 1], &[!sealed[sealed.len() - 1]]].concat();
    assert!(touched.len() > 100_000);
    std::fs::write(&file, touched).unwrap();
    assert!(!open(&key).status.success(), "it opens although it was changed");
}

#[tokio::test(flavor = "multi_thread")]
async fn recording_of_a_sip_call_holds_what_the_caller_said_and_heard() {
    let folder = tempfile::tempdir().unwrap();
    let asterisk = Asterisk::start().await.unwrap();
    let Ari { url, app, user, password } = asterisk.ari();
    let secret = folder.path().join("password");
    std::fs::write(&secret, password).unwrap();
    let ari = format!("url = {url:?}\napp = {app:?}\nuser = {user:?}\npassword = \"file:{}\"\n", secret.display());
    let house = House::with(&format!("{}[[asterisk]]\n{ari}", recorded(folder.path()))).await.unwrap();
    let mut caller = SipCaller::dial(&asterisk, "100").await.unwrap();
    caller.hears_speech(caller.answered_at(), PATIENCE).await.unwrap();
    caller.hears_quiet(QUIET, PATIENCE).await.unwrap();
    let question = vg_media::resample::convert(&recording("time.wav").unwrap(), 16_000, 8_000).unwrap();
    let asked = caller.say(&question).await.unwrap();
    caller.hears_speech(asked, PATIENCE).await.unwrap();
    caller.hears_quiet(QUIET, PATIENCE).await.unwrap();
    let call = caller.hang_up().await.unwrap();
    house.holds_nothing(PATIENCE).await.unwrap();
    assert_eq!(house.metric("vg_media_paths_tested_total{outcome=\"proven\"}").await.unwrap(), 1.0);
    house.stop().await;

    let wav = wav::read(&std::fs::read(the_file(folder.path(), ".wav").expect("a recording")).unwrap()).unwrap();
    assert_eq!((wav.rate_hz, call.rate_hz), (8_000, 8_000));
    for (who, track, side) in [("caller", &call.said, 0), ("gateway", &call.heard, 1)] {
        let kept: Vec<i16> = wav.samples.iter().skip(side).step_by(2).copied().collect();
        // From the first loud sample of each on: call and leg do not begin at the same moment.
        let loud = |track: &[i16]| track.iter().position(|sample| sample.unsigned_abs() > 1_000).expect("somebody is loud");
        let (track, kept) = (&track[loud(track)..][..8_000], &kept[loud(&kept).saturating_sub(800)..]);
        let similarity = likeness(track, kept, 1_600).similarity;
        assert!(similarity > 0.98, "{who}: {similarity}");
    }
}

/// The gateway's own program, killed when the story ends.
struct Serving(Child);

impl Serving {
    fn start(folder: &Path) -> (Self, String) {
        let mut command = gateway(folder);
        let mut child = command.args(["serve"]).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let line = lines.map(Result::unwrap).find(|line| line.contains("serving on ")).expect("it serves");
        let address = line.split_whitespace().find_map(|word| word.strip_prefix("http://")).unwrap().to_owned();
        (Self(child), address)
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn gateway(folder: &Path) -> Command {
    let mut command = program::alone(folder);
    command.env("VG__PLUGINS__DIR", plugins_dir());
    command
}

async fn call(address: &str) -> Phone {
    let url = format!("ws://{address}/media/ws").parse().unwrap();
    Phone::connect(PhoneConfig { url, format: Format::Slin16, tenant: None }).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn call_whose_gateway_is_killed_is_repaired_by_hand_or_by_the_next_start() {
    for by_hand in [true, false] {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("voice-gateway.toml"), recorded(folder.path())).unwrap();
        let (serving, address) = Serving::start(folder.path());
        let phone = call(&address).await;
        assert!(phone.until_answer_ended(QUIET, PATIENCE).await, "no greeting");
        let busy = gateway(folder.path()).args(["recording", "repair", "calls"]).output().unwrap();
        assert!(String::from_utf8_lossy(&busy.stdout).starts_with("0 finished, 1 left"), "{busy:?}");
        // The process dies without a chance to say anything.
        drop(serving);
        let heard = phone.hang_up().await.0;
        assert!(the_file(folder.path(), ".wav").is_none());
        let part = the_file(folder.path(), ".wav.part").expect("an unfinished recording");
        assert_eq!(note(&part)["state"], "recording");
        if by_hand {
            let repaired = gateway(folder.path()).args(["recording", "repair", "calls"]).output().unwrap();
            assert!(repaired.status.success(), "{repaired:?}");
            assert!(String::from_utf8_lossy(&repaired.stdout).starts_with("1 finished, 0 left"), "{repaired:?}");
        } else {
            let (_serving, _) = Serving::start(folder.path());
            let begin = Instant::now();
            let mut look = tokio::time::interval(Duration::from_millis(20));
            while the_file(folder.path(), ".wav.part").is_some() {
                assert!(begin.elapsed() < PATIENCE, "never repaired");
                look.tick().await;
            }
        }
        let file = the_file(folder.path(), ".wav").expect("a recording");
        assert_eq!(note(&file)["state"], "repaired");
        let wav = wav::read(&std::fs::read(&file).unwrap()).unwrap();
        // All but the last second and a half, which the gateway still had in its hands: the greeting is whole.
        let (kept, all) = found(&heard.agent, &wav, 1);
        assert!(all > 20 && kept * 2 > all, "{kept} of {all} loud frames of the greeting");
    }
}
