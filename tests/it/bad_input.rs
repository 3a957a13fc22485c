//! Bad input on a whole gateway: each piece of it is a clear error, and somebody else's call goes on meanwhile.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a broken story stops")]

#[allow(dead_code, reason = "the gateway's own scripted Asterisk; these stories need a part of it")]
#[path = "../../host/src/adapters/ari/fake.rs"]
mod fake;

use futures_util::{SinkExt, StreamExt};
use std::fs;
use std::net::UdpSocket;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;
use tokio::time::{interval, timeout};
use tokio_tungstenite::tungstenite::Message;
use vg_domain::event::Fact;
use vg_domain::outcome::EndCause;
use vg_tests::house::{House, plugins_dir, recording};
use vg_tests::lab::Ari;
use vg_tests::program;
use voice_gateway::adapters::http::PluginState;
use voice_gateway::adapters::media_ws::PhoneFact;
use voice_gateway::adapters::media_ws::client::Phone;

/// How long anything may take that has to come.
const PATIENCE: Duration = Duration::from_secs(40);
/// Silence after which an answer is over.
const QUIET: Duration = Duration::from_millis(800);
/// How soon after its end a call holds nothing.
const RELEASE: Duration = Duration::from_secs(5);

/// A call of the demo tenant that has to go on whatever happens to others.
struct Neighbour(Phone);

impl Neighbour {
    async fn call(house: &House) -> Self {
        let phone = house.phone("demo").await.unwrap();
        assert!(phone.until_answer_ended(QUIET, PATIENCE).await, "the neighbour is not greeted");
        Self(phone)
    }

    /// Asks, is understood, and hears the answer to its end.
    async fn asks_the_time(&mut self) {
        self.0.say(&recording("time.wav").unwrap()).await;
        self.0.until_said().await;
        assert!(self.0.until_answer_ended(QUIET, PATIENCE).await, "the neighbour hears no answer");
        let heard = fact(&mut self.0, |fact| match fact {
            PhoneFact::Turn { heard, .. } => Some(heard),
            _ => None,
        });
        assert_eq!(heard.await, "what time is it");
    }

    async fn hangs_up(self) {
        assert_eq!(self.0.hang_up().await.1, Ok(()));
    }
}

/// The next fact of a call that fits.
async fn fact<T>(phone: &mut Phone, mut fit: impl FnMut(PhoneFact) -> Option<T>) -> T {
    let found = async {
        loop {
            let fact = phone.next_fact().await.expect("the call ended before the fact");
            if let Some(found) = fit(fact) {
                return found;
            }
        }
    };
    timeout(PATIENCE, found).await.expect("the fact never came")
}

/// Every fall of a call as `role: code`, and why the call ended.
async fn falls_until_the_end(phone: &mut Phone) -> (Vec<String>, String) {
    let mut falls = Vec::new();
    let cause = fact(phone, |fact| match fact {
        PhoneFact::Fell { who, code } => {
            falls.push(format!("{who}: {code}"));
            None
        }
        PhoneFact::Ended { cause, .. } => Some(cause),
        _ => None,
    });
    let cause = cause.await;
    (falls, cause)
}

/// Samples that a caller could hear.
fn audible(samples: &[i16]) -> usize {
    samples.iter().filter(|sample| sample.unsigned_abs() > 300).count()
}

/// Folders of plugins and tenants: what is shipped, the probes, the demo tenant, and one tenant more.
struct Folders(TempDir);

impl Folders {
    /// `odd` is a tenant whose listener and speaker are these; the options are the listener's.
    fn with_odd_tenant(hearing: &str, options: &str, speaking: &str) -> Self {
        let folders = Self(TempDir::new().unwrap());
        let (plugins, tenants) = (folders.0.path().join("plugins"), folders.0.path().join("tenants"));
        fs::create_dir_all(&plugins).unwrap();
        fs::create_dir_all(&tenants).unwrap();
        for name in ["pci-mask.wasm", "stt-local.wasm", "tts-local.wasm", "test/probe-stt.wasm"] {
            let plugin = plugins_dir().canonicalize().unwrap().join(name);
            symlink(&plugin, plugins.join(plugin.file_name().unwrap())).unwrap();
        }
        let demo = Path::new(env!("CARGO_MANIFEST_DIR")).join("../host/demo");
        fs::copy(demo.join("tenants/demo.toml"), tenants.join("demo.toml")).unwrap();
        fs::copy(demo.join("demo.jsgf"), tenants.join("demo.jsgf")).unwrap();
        let odd = format!(
            "language = \"en-US\"\ngreeting = \"Welcome. You are talking to a house in which not everything works.\"\n\
             [hearing]\nplugin = \"{hearing}\"\n[hearing.options]\n{options}\n[speaking]\nplugin = \"{speaking}\"\n\
             [prompts]\nnot_understood = \"Pardon?\"\nagent_unavailable = \"Not now.\"\nfarewell = \"Goodbye.\"\n"
        );
        fs::write(tenants.join("odd.toml"), odd).unwrap();
        folders
    }

    fn plugin(self, name: &str, bytes: &[u8]) -> Self {
        fs::write(self.0.path().join("plugins").join(name), bytes).unwrap();
        self
    }

    async fn house(&self) -> House {
        let dir = |name| self.0.path().join(name);
        let toml = format!("[plugins]\ndir = {:?}\n[tenants]\ndir = {:?}\n", dir("plugins"), dir("tenants"));
        House::with(&toml).await.unwrap()
    }
}

/// The odd tenant's caller falls four times with this code, hears something, and is let go; the neighbour notices nothing.
async fn odd_listener_is_given_up(folders: Folders, code: &str) {
    let house = folders.house().await;
    let mut neighbour = Neighbour::call(&house).await;
    let mut phone = house.phone("odd").await.unwrap();
    let ((falls, cause), ()) = tokio::join!(falls_until_the_end(&mut phone), neighbour.asks_the_time());
    assert_eq!(falls, vec![format!("hearing: {code}"); 4]);
    assert_eq!(cause, "providers_exhausted");
    let (recording, ended) = phone.hang_up().await;
    assert_eq!(ended, Ok(()));
    assert!(audible(&recording.agent) > 8_000, "the caller was left in silence");
    assert!(house.metric(&format!("vg_rung_falls_total{{code=\"{code}\",role=\"hearing\"}}")).await.unwrap() >= 4.0);

    neighbour.asks_the_time().await;
    neighbour.hangs_up().await;
    house.holds_nothing(RELEASE).await.unwrap();
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn listener_that_traps_on_its_third_chunk_costs_its_own_caller_only() {
    odd_listener_is_given_up(Folders::with_odd_tenant("probe-stt", "behave = \"trap\"\nat = 3", "tts-local"), "trap").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn listener_that_loops_for_ever_is_stopped() {
    odd_listener_is_given_up(Folders::with_odd_tenant("probe-stt", "behave = \"loop\"", "tts-local"), "cpu-limit").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn listener_that_takes_all_memory_is_stopped() {
    let folders = Folders::with_odd_tenant("probe-stt", "behave = \"memory-bomb\"", "tts-local");
    odd_listener_is_given_up(folders, "memory-limit").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn listener_whose_file_is_missing_is_told_by_its_code() {
    odd_listener_is_given_up(Folders::with_odd_tenant("stt-nowhere", "", "tts-local"), "plugin-missing").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn listener_whose_file_is_corrupted_is_told_by_its_code() {
    let mut bytes = fs::read(plugins_dir().join("test/probe-stt.wasm")).unwrap();
    bytes[8..72].fill(0xff);
    let folders = Folders::with_odd_tenant("stt-torn", "", "tts-local").plugin("stt-torn.wasm", &bytes);
    odd_listener_is_given_up(folders, "malformed").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn readiness_names_the_plugin_a_tenant_lacks_and_no_file_that_nobody_uses() {
    let lacking = Folders::with_odd_tenant("stt-nowhere", "", "tts-local");
    let house = lacking.house().await;
    let readiness = house.running().readiness();
    let lacks = |plugin: &PluginState| plugin.name == "stt-nowhere" && plugin.state == "plugin-missing";
    assert!(!readiness.ready() && readiness.plugins.iter().any(lacks), "{readiness:?}");
    house.stop().await;

    let littered = Folders::with_odd_tenant("probe-stt", "behave = \"echo\"", "tts-local").plugin("tts-text.wasm", b"no plugin");
    let house = littered.house().await;
    assert!(house.running().readiness().ready(), "{:?}", house.running().readiness());
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn caller_whose_speaker_is_no_plugin_hears_the_recording() {
    let folders = Folders::with_odd_tenant("stt-local", "grammar = { file = \"demo.jsgf\" }", "tts-text")
        .plugin("tts-text.wasm", b"this is no WebAssembly");
    let house = folders.house().await;
    let mut neighbour = Neighbour::call(&house).await;
    let mut phone = house.phone("odd").await.unwrap();
    let falls = fact(&mut phone, |fact| match fact {
        PhoneFact::Fell { who, code } => Some((who, code)),
        _ => None,
    });
    let (fall, ()) = tokio::join!(falls, neighbour.asks_the_time());
    assert_eq!(fall, ("speaking".to_owned(), "not-wasm".to_owned()));
    let heard = |at: &voice_gateway::adapters::media_ws::client::PhoneState| at.heard_at.is_some();
    timeout(PATIENCE, phone.state().wait_for(heard)).await.expect("the recording is not heard").unwrap();
    phone.hang_up().await.1.unwrap();
    neighbour.hangs_up().await;
    house.holds_nothing(RELEASE).await.unwrap();
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rubbish_at_the_media_socket_is_counted_and_calls_go_on() {
    let house = House::start().await.unwrap();
    let mut neighbour = Neighbour::call(&house).await;
    let stranger = UdpSocket::bind("127.0.0.1:0").unwrap();
    let mut thrown = 0_u32;
    let throwing = async {
        let mut pace = interval(Duration::from_millis(5));
        // Well-formed RTP from an address that no call announced, then anything.
        let rtp = [&[0x80, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 7][..], &[0; 160]].concat();
        loop {
            pace.tick().await;
            stranger.send_to(&rtp, house.running().media_addrs()[0]).unwrap();
            for length in [0, 1, 11, 12, 172, 1_400, 3_000] {
                stranger.send_to(&vec![0xff; length], house.running().media_addrs()[0]).unwrap();
            }
            thrown += 8;
        }
    };
    tokio::select! {
        () = throwing => {}
        () = neighbour.asks_the_time() => {}
    }
    assert!(thrown > 1_000, "{thrown} datagrams");
    let rejected = house.metric("vg_rtp_packets_rejected_total{reason=\"unknown_source\"}").await.unwrap();
    // The system may drop some before they are read, and the last ones may not have been read yet.
    assert!(rejected > f64::from(thrown) / 2.0, "{rejected} of {thrown} were counted");
    neighbour.hangs_up().await;
    house.holds_nothing(RELEASE).await.unwrap();
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rubbish_from_asterisk_is_counted_and_calls_go_on() {
    let media = UdpSocket::bind("127.0.0.1:0").unwrap();
    let asterisk = fake::Asterisk::start(media.local_addr().unwrap().port());
    let (user, password, app) = ("user".into(), "secret".into(), "vg-test".into());
    let mut house = House::serving(&[Ari { url: asterisk.url.to_string(), user, password, app }]).await.unwrap();
    until("the event socket is up", || house.running().readiness().ready()).await;
    asterisk.caller_comes("c1");
    let answered = house.fact("an answer", |_, fact| matches!(fact, Fact::Answered(_)).then_some(()));
    answered.await.unwrap();

    let mut neighbour = Neighbour::call(&house).await;
    for text in ["", "{", "null", r#"{"type":"StasisStart"}"#] {
        asterisk.say_text(text.into());
    }
    let throwing = async {
        let mut pace = interval(Duration::from_millis(20));
        loop {
            pace.tick().await;
            for length in [0, 1, 11, 12, 172, 1_400, 3_000] {
                media.send_to(&vec![0xff; length], house.running().media_addrs()[0]).unwrap();
            }
        }
    };
    tokio::select! {
        () = throwing => {}
        () = neighbour.asks_the_time() => {}
    }
    let garbage = house.metric("vg_rtp_packets_rejected_total{reason=\"garbage\"}").await.unwrap();
    assert!(garbage > 100.0, "{garbage}");
    assert_eq!(house.metric("vg_ari_events_malformed_total").await.unwrap(), 4.0);
    assert_eq!(house.metric("vg_calls_live").await.unwrap(), 2.0);

    asterisk.caller_hangs_up("c1");
    neighbour.hangs_up().await;
    house.holds_nothing(RELEASE).await.unwrap();
    assert_eq!(asterisk.left(), Vec::<String>::new());
    house.stop().await;
}

/// Waits for a state of the gateway.
async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let held = async {
        let mut look = interval(Duration::from_millis(10));
        while !holds() {
            look.tick().await;
        }
    };
    timeout(PATIENCE, held).await.unwrap_or_else(|_| panic!("never: {what}"));
}

/// Says something to the media socket as the first thing; gives what the gateway says of it when it closes.
async fn refusal(house: &House, messages: &[Message]) -> Option<String> {
    let url = format!("ws://{}/media/ws", house.http());
    let (mut socket, _) = tokio_tungstenite::connect_async(url).await.unwrap();
    for message in messages {
        // The gateway may have hung up on the one before.
        let _ = socket.send(message.clone()).await;
    }
    let closed = async {
        loop {
            match socket.next().await {
                Some(Ok(Message::Close(frame))) => return frame.map(|frame| frame.reason.to_string()),
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return None,
            }
        }
    };
    timeout(PATIENCE, closed).await.expect("the socket stays open")
}

#[tokio::test(flavor = "multi_thread")]
async fn media_socket_that_does_not_speak_the_protocol_is_closed_with_a_reason() {
    let house = House::start().await.unwrap();
    let mut neighbour = Neighbour::call(&house).await;
    let nonsense = [
        Message::text("MEDIA_START"),
        Message::text("{}"),
        Message::text("[1"),
        Message::text(r#"{"event":"MEDIA_START"}"#),
        Message::text(r#"{"event":"MEDIA_START","format":"gsm"}"#),
        Message::text(r#"{"event":"SELF_DESTRUCT"}"#),
        Message::binary(vec![0; 160]),
    ];
    for message in nonsense {
        assert_eq!(refusal(&house, std::slice::from_ref(&message)).await.as_deref(), Some("media_start_expected"), "{message:?}");
    }
    // Not even read: the connection is cut.
    refusal(&house, &[Message::binary(vec![0; 1 << 20])]).await;
    assert_eq!(house.metric("vg_calls_live").await.unwrap(), 1.0);
    neighbour.asks_the_time().await;
    neighbour.hangs_up().await;
    house.holds_nothing(RELEASE).await.unwrap();
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nonsense_in_a_call_is_passed_over_and_too_large_a_frame_ends_it() {
    let mut house = House::start().await.unwrap();
    let mut neighbour = Neighbour::call(&house).await;
    let start = Message::text(r#"{"event":"MEDIA_START","format":"slin16","channel_variables":{"tenant":"demo"}}"#);
    let nonsense = ["{", r#"{"event":"SELF_DESTRUCT"}"#, r#"{"event":"DTMF_END"}"#, r#"{"event":"DTMF_END","digit":""}"#];
    let mut messages = vec![start.clone(), start];
    messages.extend(nonsense.map(Message::text));
    messages.extend([0, 1, 639, 641, 60_000].map(|length| Message::binary(vec![0xff; length])));
    messages.push(Message::binary(vec![0; 1 << 20]));
    refusal(&house, &messages).await;
    let cause = house.fact("the end", |_, fact| match fact {
        Fact::Ended(outcome) => Some(outcome.cause),
        _ => None,
    });
    assert_eq!(cause.await.unwrap(), EndCause::CallerHungUp);
    neighbour.asks_the_time().await;
    neighbour.hangs_up().await;
    house.holds_nothing(RELEASE).await.unwrap();
    house.stop().await;
}

#[test]
fn recording_of_the_wrong_kind_is_one_clear_sentence_and_exit_1() {
    let gateway = program::path();
    let dir = TempDir::new().unwrap();
    let sound = vg_media::wav::write_mono(16_000, &[0; 1_600]);
    let with = |at: usize, bytes: &[u8]| {
        let mut file = sound.clone();
        file[at..at + bytes.len()].copy_from_slice(bytes);
        file
    };
    // Offsets of the canonical WAV header: 20 encoding, 22 channels, 34 bits per sample.
    for (file, complaint) in [
        (b"ID3, or so".to_vec(), "not a riff wave file"),
        (Vec::new(), "not a riff wave file"),
        (sound[..100].to_vec(), "file is cut short"),
        (sound[..12].to_vec(), "format chunk is missing"),
        (sound[..36].to_vec(), "data chunk is missing"),
        (with(34, &[40, 0]), "40 bits per sample are not supported: pcm has 8 to 32"),
        (with(20, &[2, 0]), "encoding 0x0002 is not supported"),
        (with(22, &[0, 0]), "0 channels at 16000 hz make no sound"),
    ] {
        let question = dir.path().join("question.wav");
        fs::write(&question, &file).unwrap();
        let out = dir.path().join("heard.wav");
        let mut call = Command::new(&gateway);
        let told = call.arg("call").arg("--wav").arg(&question).arg("--out").arg(&out).output().unwrap();
        let stderr = String::from_utf8(told.stderr).unwrap();
        assert_eq!((told.status.code(), told.stdout.as_slice()), (Some(1), &b""[..]), "{complaint}: {stderr}");
        assert!(stderr.contains("question.wav") && stderr.contains(complaint), "{complaint}: {stderr}");
        assert_eq!(stderr.lines().count(), 1, "{stderr}");
        assert!(!out.exists(), "{complaint}");
    }
}
