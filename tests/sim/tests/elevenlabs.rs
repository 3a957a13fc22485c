//! `tts-elevenlabs` against ElevenLabs' simulator.

#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "a broken test stops; nobody reads its items")]

use serde_json::{Value, json};
use std::time::Duration;
use vg_plugin_host::api::{AudioFormat, Encoding, TtsInput};
use vg_plugin_host::session::TtsEvent;
use vg_sim::{Coding, Format, Rig, Spoken, Voice, pcm, reply};

const MULAW: AudioFormat = AudioFormat { encoding: Encoding::Mulaw, rate_hz: 8000 };
const REPLIES: [&str; 2] = ["Good morning, how can I help you today? I am here for you.", "One moment please."];
const TRANSPORTS: [&str; 3] = ["websocket", "stream", "timestamps"];

async fn rig() -> Rig {
    let mut rig = Rig::new("tts-elevenlabs").await.unwrap();
    rig.account().unwrap();
    rig
}

async fn speaks(rig: &Rig, options: Value, format: AudioFormat, language: &str) -> Spoken {
    rig.speak(options, format, language, &REPLIES).await.unwrap()
}

/// What a faultless session sounds like.
fn expected(format: AudioFormat) -> Vec<u8> {
    let coding = match format.encoding {
        Encoding::PcmS16le => Coding::Pcm,
        Encoding::Mulaw => Coding::Mulaw,
        Encoding::Alaw => Coding::Alaw,
    };
    let voice = Voice::Scripted(Format { coding, rate_hz: format.rate_hz });
    REPLIES.iter().flat_map(|reply| voice.speak(reply).samples).collect()
}

/// Where each word lies in the session's sound.
fn places(spoken: &Spoken) -> Vec<(u64, u64)> {
    let words = spoken.events.iter().filter(|event| event["event"] == "word");
    words.map(|word| (word["start_ms"].as_u64().unwrap(), word["end_ms"].as_u64().unwrap())).collect()
}

fn expected_places() -> Vec<(u64, u64)> {
    let mut begins_ms = 0;
    let mut all = Vec::new();
    for reply in REPLIES {
        let speech = Voice::Scripted(Format::MULAW).speak(reply);
        all.extend(speech.words.iter().map(|word| (begins_ms + word.start_ms, begins_ms + word.end_ms)));
        begins_ms += Format::MULAW.ms(speech.samples.len());
    }
    all
}

#[tokio::test]
async fn every_sample_and_word_comes_over_every_transport_in_every_format() {
    let rig = rig().await;
    let alaw = AudioFormat { encoding: Encoding::Alaw, rate_hz: 8000 };
    for transport in TRANSPORTS {
        for (format, language) in [(MULAW, "en-US"), (alaw, "es-MX"), (pcm(8000), "pt-BR"), (pcm(16_000), "pt-BR")] {
            let spoken = speaks(&rig, json!({ "transport": transport }), format, language).await;
            assert_eq!(spoken.outcome.code(), "done", "{transport}: {:?}", spoken.events);
            assert!(spoken.outcome.sound == expected(format), "{transport}: {} bytes", spoken.outcome.sound.len());
            if transport != "stream" {
                assert_eq!(spoken.words().join(" "), REPLIES.join(" "));
                assert_eq!(places(&spoken), expected_places(), "{transport}");
            }
        }
    }
    assert_eq!(rig.sim.offences(), []);
}

#[tokio::test]
async fn sound_comes_while_text_still_does() {
    let rig = rig().await;
    let mut session = rig.open_tts(json!({}), MULAW, "en-US").unwrap();
    let long = "This sentence is long enough to be spoken before anything else comes ";
    // However short, a whole sentence waits for nobody.
    for text in [long, "One moment. "] {
        session.input.send(TtsInput::Text(text.to_owned())).await.unwrap();
        let mut samples = 0;
        while samples < Voice::Scripted(Format::MULAW).speak(text).samples.len() {
            match session.events.recv().await.unwrap() {
                TtsEvent::Audio(piece) => samples += piece.len(),
                TtsEvent::Ended(end) => panic!("{end:?}"),
                _ => {}
            }
        }
    }
}

#[tokio::test]
async fn every_trouble_has_its_fault() {
    let rig = rig().await;
    let troubles = [
        ("elevenlabs-http", 401, "auth"),
        ("elevenlabs-http", 403, "auth"),
        ("elevenlabs-http", 429, "quota"),
        ("elevenlabs-http", 500, "unavailable"),
        ("elevenlabs-http", 503, "unavailable"),
        ("elevenlabs-quota", 0, "quota"),
        ("elevenlabs-kill", 0, "unavailable"),
        ("elevenlabs-silent", 0, "unavailable"),
        ("elevenlabs-empty", 0, "empty-result"),
    ];
    for transport in TRANSPORTS {
        let own = match transport {
            "websocket" => vec![
                ("elevenlabs-error", 0, "unavailable"),
                ("elevenlabs-no-final", 0, "unavailable"),
                ("elevenlabs-quota-handshake", 0, "quota"),
            ],
            _ => vec![("elevenlabs-busy", 0, "quota")],
        };
        for (name, with, code) in troubles.into_iter().chain(own) {
            rig.sim.inject(name, with, None);
            let spoken = speaks(&rig, json!({ "transport": transport }), MULAW, "en-US").await;
            assert_eq!(spoken.outcome.code(), code, "{transport}: {name}={with}: {:?}", spoken.events);
            assert!(expected(MULAW).starts_with(&spoken.outcome.sound), "{transport}: {name}");
            rig.sim.calm();
        }
        let spoken = speaks(&rig, json!({ "transport": transport, "voice": "nosuch" }), MULAW, "en-US").await;
        assert_eq!(spoken.outcome.code(), "unsupported", "{transport}: {:?}", spoken.events);
    }
    assert_eq!(rig.sim.offences(), []);
}

#[tokio::test]
async fn a_cut_at_any_message_is_a_fault_and_what_came_is_a_beginning() {
    let rig = rig().await;
    for transport in TRANSPORTS {
        for after in 1..=200 {
            rig.sim.inject("cut-after", after, Some(1));
            let spoken = speaks(&rig, json!({ "transport": transport }), MULAW, "en-US").await;
            let uncut = rig.sim.trouble_ahead("cut-after").is_some();
            rig.sim.calm();
            if uncut {
                assert!(after > 3, "{transport}: there are more messages than that");
                break;
            }
            assert!(expected(MULAW).starts_with(&spoken.outcome.sound), "{transport}: after {after}");
            // Where nothing had been given the socket is tried once more, and after `isFinal` nothing is owed.
            let whole = spoken.outcome.sound == expected(MULAW);
            assert!(spoken.outcome.code() == "unavailable" || whole, "{transport}: after {after}: {:?}", spoken.events);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cancel_at_any_event_is_at_once_and_the_next_reply_is_whole() {
    let rig = rig().await;
    let next = Voice::Scripted(Format::MULAW).speak(REPLIES[1]).samples;
    for transport in TRANSPORTS {
        for events in 0..14 {
            let uttered = rig.broken_off(json!({ "transport": transport }), MULAW, REPLIES, events).await.unwrap();
            assert_eq!(uttered.marks, [2], "{transport} after {events}");
            assert!(uttered.sound == next, "{transport} after {events}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_owner_who_takes_nothing_for_longer_than_any_patience_hears_all_of_it() {
    let rig = rig().await;
    let long = "word ".repeat(400);
    let voice = Voice::Scripted(Format::MULAW);
    let whole = [voice.speak(&long).samples, voice.speak(REPLIES[1]).samples].concat();
    let calls = TRANSPORTS.map(|transport| {
        let last = reply(REPLIES[1], 2).into_iter().chain([TtsInput::End]);
        rig.taken_late(json!({ "transport": transport }), MULAW, reply(&long, 1), Duration::from_millis(9_500), last)
    });
    for (transport, uttered) in TRANSPORTS.into_iter().zip(futures_util::future::join_all(calls).await) {
        let uttered = uttered.unwrap();
        assert_eq!(uttered.marks, [1, 2], "{transport}");
        assert!(uttered.sound == whole, "{transport}: {} of {} bytes", uttered.sound.len(), whole.len());
    }
}

#[tokio::test]
async fn fifty_calls_at_once_say_their_own_words() {
    let rig = rig().await;
    let calls = (0..50).map(|_| speaks(&rig, json!({}), MULAW, "en-US"));
    for spoken in futures_util::future::join_all(calls).await {
        assert!(spoken.outcome.sound == expected(MULAW), "{:?}", spoken.events.last());
    }
    assert_eq!(rig.sim.offences(), []);
}

#[tokio::test]
async fn a_good_session_passes_the_conformance_kit() {
    let rig = rig().await;
    for transport in TRANSPORTS {
        let spoken = speaks(&rig, json!({ "transport": transport }), MULAW, "en-US").await;
        let faults = rig.conform(&spoken.recording).unwrap();
        assert!(faults.is_empty(), "{transport}\n{}", faults.iter().map(|row| format!("{row}\n")).collect::<String>());
    }
}
