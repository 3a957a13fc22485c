//! Places of words, from vendors' own wire to what an agent is told: who speaks over an answer is known to have heard it up to the very word.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a broken story stops")]

use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use vg_domain::event::Fact;
use vg_domain::speech::Extent;
use vg_sim::{Format, Server, Sim, recordings};
use vg_tests::agent::{Orchestrator, Shape};
use vg_tests::folders::{Folders, hang_up, until};

/// More words than are heard of it.
const ANSWER: &str = "Your account is in good order since the month began, and nothing is owed. The next letter goes out on Monday. \
    You may call us again at any time, day or night.";

/// A simulated voice begins a word every 200 ms and sounds for 160 ms of them.
const WORD_MS: u64 = 200;

/// Until when a voice says that its words last.
#[derive(Clone, Copy)]
enum Ends {
    /// Until they are no longer heard.
    Told,
    /// Only beginnings are told: a word lasts until the next one.
    Unknown,
}

impl Ends {
    /// Words that are over after so much sound.
    fn heard_after(self, ms: u64) -> usize {
        let lasts_ms = match self {
            Self::Told => 160,
            Self::Unknown => WORD_MS,
        };
        ((ms + WORD_MS - lasts_ms) / WORD_MS) as usize
    }
}

/// A tenant's file: it hears by our own protocol, and speaks by this rung.
fn tenant(folders: &Folders, origin: &str, speaking: &str) -> String {
    let path = folders.path().display();
    format!(
        "language = 'en-US'\ngreeting = 'Hi.'\n\
         [hearing]\nplugin = 'stt-http'\nsound = 'pcm-16000'\noptions = {{ endpoint = '{origin}', bearer = true }}\n\
         [hearing.secrets.token]\nkind = 'static'\nref = 'file:{path}/token'\n\
         [speaking]\n{}\n\
         [prompts]\nnot_understood = 'Pardon?'\nagent_unavailable = 'Not now.'\nfarewell = 'Bye.'\n[timing]\nsilence_ms = 60000\n",
        speaking.replace("ORIGIN", origin).replace("PATH", &path.to_string()),
    )
}

/// A caller asks, and speaks over the answer.
async fn the_very_word(plugin: &str, ends: Ends, speaking: &str) {
    let sim = Arc::new(Sim::default());
    let server = Server::start(Arc::clone(&sim), "127.0.0.1:0".parse().unwrap(), None).await.unwrap();
    let orchestrator = Orchestrator::start(Shape::Sse).await;
    orchestrator.brain.always_answer(ANSWER);
    let folders = Folders::make();
    for plugin in ["stt-http", plugin] {
        folders.install(&format!("../{plugin}.wasm"), &format!("{plugin}.wasm"));
    }
    for (file, secret) in [
        ("token", vg_sim::own::TOKEN),
        ("azure", vg_sim::azure::KEY),
        ("elevenlabs", vg_sim::elevenlabs::API_KEY),
        ("aws", include_str!("../sim/accounts/keys/aws")),
    ] {
        folders.write(file, secret);
    }
    folders.write("policy.toml", "[defaults]\nnetworks = ['127.0.0.0/8']\n");
    folders.write("tenants/acme.toml", &tenant(&folders, &server.origin(), &format!("plugin = '{plugin}'\n{speaking}")));
    let mut house = folders.house_with(&orchestrator.by_http()).await;

    let recording = &recordings()[0];
    let wide = Format::pcm(16_000);
    let said = wide.read(recording.bytes(wide).unwrap());
    let sound = |from_ms: usize, to_ms: usize| &said[from_ms * 16..to_ms * 16];
    let mut phone = house.phone("acme").await.unwrap();
    assert!(phone.until_answer_ended(Duration::from_millis(400), Duration::from_secs(20)).await, "{plugin}: the greeting");
    phone.say(sound(0, 3_900)).await;
    let saying = |fact: &Fact| matches!(fact, Fact::Saying { text, .. } if text.as_str().contains("account")).then_some(());
    house.fact("the answer begins", |_, fact| saying(fact)).await.unwrap();
    // A second and a half of it are heard before the caller speaks again.
    phone.say(&[0; 16 * 1_500]).await;
    phone.say(sound(3_900, 6_600)).await;
    let cut =
        |fact: &Fact| if let Fact::Interrupted { spoken_ms, extent, .. } = fact { Some((*spoken_ms, *extent)) } else { None };
    let (spoken_ms, extent) = house.fact("the caller speaks over it", |_, fact| cut(fact)).await.unwrap();
    until("the agent is asked once more", || orchestrator.brain.seen().turns.len() >= 2).await;

    let words: Vec<&str> = ANSWER.split_whitespace().collect();
    let heard = ends.heard_after(spoken_ms);
    assert!((3..words.len() - 3).contains(&heard), "{plugin}: {heard} words in {spoken_ms} ms");
    let expected = words[..heard].join(" ");
    assert_eq!(extent, Extent::Exact { chars: expected.len() }, "{plugin}: {spoken_ms} ms");
    let turn = &orchestrator.brain.seen().turns[1];
    let told = turn["heard"].as_array().unwrap().last().unwrap();
    let told = ["turn_id", "state", "precision", "heard", "spoken_ms"].map(|field| told[field].clone());
    let wanted = [json!(1), json!("interrupted"), json!("exact"), json!(expected), json!(spoken_ms)];
    assert_eq!(told, wanted, "{plugin}: {turn}");
    assert!(sim.offences().is_empty(), "{plugin}: {:?}", sim.offences());
    hang_up([phone], house).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn azure_tells_the_boundaries_of_its_words() {
    let rung = "options = { endpoint = 'ORIGIN' }\n[speaking.secrets.api_key]\nkind = 'static'\nref = 'file:PATH/azure'\n";
    the_very_word("tts-azure", Ends::Told, rung).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn elevenlabs_tells_where_its_letters_are() {
    let rung = "options = { endpoint = 'ORIGIN' }\n[speaking.secrets.api_key]\nkind = 'static'\nref = 'file:PATH/elevenlabs'\n";
    the_very_word("tts-elevenlabs", Ends::Told, rung).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn polly_tells_its_speech_marks() {
    let rung = "options = { endpoint = 'ORIGIN', word_times = true }\n[speaking.secrets.aws]\nkind = 'aws-credentials'\n\
        ref = 'file:PATH/aws'\nregions = ['us-east-1']\nservice = 'polly'\n";
    the_very_word("tts-polly", Ends::Unknown, rung).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_of_ones_own_tells_its_words() {
    let rung = "options = { endpoint = 'ORIGIN', bearer = true, words = true }\n[speaking.secrets.token]\nkind = 'static'\n\
        ref = 'file:PATH/token'\n";
    the_very_word("tts-http", Ends::Told, rung).await;
}
