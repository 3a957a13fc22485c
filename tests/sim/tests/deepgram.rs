//! `stt-deepgram` against Deepgram's simulator.

#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "a broken test stops; nobody reads its items")]

use serde_json::{Value, json};
use std::time::Duration;
use vg_plugin_host::api::{AudioFormat, Encoding, SttInput};
use vg_plugin_host::session::{SessionEnd, SttEvent, SttSession};
use vg_sim::{Format, Listened, Recording, Rig, pcm, recordings};

const MULAW: AudioFormat = AudioFormat { encoding: Encoding::Mulaw, rate_hz: 8000 };

async fn rig() -> Rig {
    let mut rig = Rig::new("stt-deepgram").await.unwrap();
    rig.account().unwrap();
    rig
}

async fn hears(rig: &Rig, options: Value, format: AudioFormat, recording: &Recording) -> Listened {
    rig.listen(options, format, &recording.language, &recording.samples(format.rate_hz)).await.unwrap()
}

#[tokio::test]
async fn words_are_heard_in_every_format_and_language_each_once() {
    let rig = rig().await;
    let alaw = AudioFormat { encoding: Encoding::Alaw, rate_hz: 8000 };
    for recording in recordings() {
        for format in [MULAW, alaw, pcm(8000), pcm(16_000)] {
            let heard = hears(&rig, json!({}), format, recording).await;
            assert_eq!(heard.outcome.code(), "done", "{:?}", heard.events);
            assert_eq!(heard.words(), recording.texts().join(" "));
            assert!(!heard.partials().is_empty());
            let usage = heard.events.iter().find(|event| event["event"] == "usage").unwrap();
            let ms = usage["audio_ms"].as_u64().unwrap();
            assert!(ms.abs_diff(recording.samples(8000).len() as u64 / 8) <= 20, "{ms}");
        }
    }
    assert_eq!(rig.sim.offences(), []);
}

#[tokio::test]
async fn flux_hears_turns() {
    let rig = rig().await;
    for format in [MULAW, pcm(16_000)] {
        let options = json!({ "api": "flux", "eager_eot_threshold": 0.5 });
        let heard = hears(&rig, options, format, &recordings()[0]).await;
        assert_eq!(heard.outcome.code(), "done", "{:?}", heard.events);
        assert_eq!(heard.words(), recordings()[0].texts().join(" "));
    }
    assert_eq!(rig.sim.offences(), []);
}

#[tokio::test]
async fn every_trouble_has_its_fault() {
    let rig = rig().await;
    let troubles = [
        ("deepgram-http", 400, "unsupported"),
        ("deepgram-http", 401, "auth"),
        ("deepgram-http", 402, "quota"),
        ("deepgram-http", 403, "auth"),
        ("deepgram-http", 429, "quota"),
        ("deepgram-http", 503, "unavailable"),
        ("deepgram-close", 1008, "bad-audio"),
        ("deepgram-close", 1011, "unavailable"),
        ("deepgram-kill", 0, "unavailable"),
        ("deepgram-error", 0, "unavailable"),
        ("deepgram-stall", 0, "unavailable"),
        ("deepgram-mute", 0, "unavailable"),
        ("deepgram-no-metadata", 0, "unavailable"),
    ];
    for api in ["nova", "flux"] {
        for (name, with, code) in troubles {
            if api == "flux" && name == "deepgram-no-metadata" {
                continue;
            }
            rig.sim.inject(name, with, Some(1));
            let heard = hears(&rig, json!({ "api": api }), MULAW, &recordings()[0]).await;
            assert_eq!(heard.outcome.code(), code, "{api}: {name}={with}: {:?}", heard.events);
            rig.sim.calm();
        }
    }
    rig.sim.inject("deepgram-unknown", 0, Some(1));
    let heard = hears(&rig, json!({}), MULAW, &recordings()[0]).await;
    assert_eq!(heard.words(), recordings()[0].texts().join(" "));
}

#[tokio::test]
async fn calls_of_every_language_are_taken() {
    let rig = rig().await;
    let sound = recordings()[0].samples(8000);
    for language in ["en-US", "en-GB", "pt-BR", "es-ES", "es-US", "es-MX", "es-419", "fr-FR", "de-DE", "it-IT"] {
        let heard = rig.listen(json!({}), MULAW, language, &sound).await.unwrap();
        assert_eq!(heard.outcome.code(), "done", "{language}: {:?}", heard.events);
    }
    let options = json!({ "api": "flux", "model": "flux-general-multi" });
    let heard = hears(&rig, options, MULAW, &recordings()[1]).await;
    assert_eq!(heard.words(), recordings()[1].texts().join(" "), "{:?}", heard.events);
    assert_eq!(rig.sim.offences(), []);
    let heard = rig.listen(json!({ "api": "flux" }), MULAW, "pt-BR", &sound).await.unwrap();
    assert_eq!(heard.outcome.code(), "unsupported", "flux-general-en hears English only");
}

#[tokio::test]
async fn a_model_that_does_not_exist_is_a_matter_of_configuration() {
    let rig = rig().await;
    let unknown = [
        json!({ "model": "nova-9" }),
        json!({ "model": "flux-general-en" }),
        json!({ "api": "flux", "model": "flux-general-pt" }),
        json!({ "api": "flux", "model": "nova-3" }),
    ];
    for options in unknown {
        let heard = hears(&rig, options.clone(), MULAW, &recordings()[0]).await;
        assert_eq!(heard.outcome.code(), "unsupported", "{options}: {:?}", heard.events);
    }
    assert_eq!(rig.sim.offences().len(), 4);
    let heard = hears(&rig, json!({ "model": "nova-2-phonecall" }), MULAW, &recordings()[0]).await;
    assert_eq!(heard.words(), recordings()[0].texts().join(" "), "{:?}", heard.events);
}

#[tokio::test]
async fn a_quiet_call_is_kept_alive() {
    let rig = rig().await;
    // In place of 10 s; a `KeepAlive` comes each 4 s.
    rig.sim.inject("deepgram-idle-ms", 5_000, None);
    let mut session = rig.open_stt(json!({}), MULAW, "en-US").unwrap();
    tokio::time::sleep(Duration::from_millis(6_500)).await;
    for piece in recordings()[0].bytes(Format::MULAW).unwrap().chunks(800) {
        session.input.send(SttInput::Audio(piece.to_vec())).await.unwrap();
    }
    session.input.send(SttInput::End).await.unwrap();
    let (finals, end) = last_words(&mut session).await;
    assert_eq!((finals.len(), end), (2, SessionEnd::Done));
    assert_eq!(rig.sim.offences(), []);
}

/// All finals until the session ends.
async fn last_words(session: &mut SttSession) -> (Vec<String>, SessionEnd) {
    let mut finals = Vec::new();
    loop {
        match tokio::time::timeout(Duration::from_secs(10), session.events.recv()).await.unwrap().unwrap() {
            SttEvent::Final(said) => finals.push(said.text.to_lowercase()),
            SttEvent::Ended(end) => return (finals, *end),
            _ => {}
        }
    }
}

#[tokio::test]
async fn a_call_that_ends_at_any_chunk_is_done_with_what_was_said() {
    let rig = rig().await;
    let (sound, whole) = (recordings()[0].bytes(Format::MULAW).unwrap(), recordings()[0].texts().join(" "));
    for api in ["nova", "flux"] {
        for chunks in (0..=15).map(|nth| nth * 5) {
            let mut session = rig.open_stt(json!({ "api": api }), MULAW, "en-US").unwrap();
            for chunk in sound.chunks(800).take(chunks) {
                session.input.send(SttInput::Audio(chunk.to_vec())).await.unwrap();
            }
            session.input.send(SttInput::End).await.unwrap();
            let (finals, end) = last_words(&mut session).await;
            assert_eq!(end, SessionEnd::Done, "{api} after {chunks}");
            let heard = finals.join(" ");
            assert!(whole.starts_with(&heard), "{api} after {chunks}: {heard}");
            let said = recordings()[0].words_by(chunks as u64 * 100);
            assert!(heard.starts_with(&said), "{api} after {chunks}: {said:?} was said, {heard:?} was heard");
        }
    }
    assert_eq!(rig.sim.offences(), []);
}

#[tokio::test]
async fn every_turn_is_answered_behind_its_last_word_also_in_real_time() {
    let rig = rig().await;
    for api in ["nova", "flux"] {
        let recording = &recordings()[0];
        let (pace, sound) = (vg_plugin_kit::run::Pace::RealTime, recording.samples(8000));
        let heard = rig.listen_at(pace, json!({ "api": api }), MULAW, &recording.language, &sound).await.unwrap();
        let names: Vec<&str> = heard.events.iter().filter_map(|event| event["event"].as_str()).collect();
        let told: Vec<&str> = names.into_iter().filter(|name| ["final", "finalized"].contains(name)).collect();
        assert_eq!(told[..4], ["final", "finalized", "final", "finalized"], "{api}: {:?}", heard.events);
        assert_eq!(heard.words(), recording.texts().join(" "), "{api}");
    }
}

#[tokio::test]
async fn a_wrong_key_is_refused() {
    let mut rig = rig().await;
    rig.secret("api_key", "wrong").unwrap();
    let heard = hears(&rig, json!({}), MULAW, &recordings()[0]).await;
    assert_eq!(heard.outcome.code(), "auth");
    assert_eq!(rig.sim.offences().len(), 1);
}

#[tokio::test]
async fn a_cut_at_any_message_is_a_fault_and_invents_no_word() {
    let rig = rig().await;
    let whole = hears(&rig, json!({}), MULAW, &recordings()[0]).await;
    let said = whole.finals();
    for after in 1..=20 {
        rig.sim.inject("cut-after", after, Some(1));
        let heard = hears(&rig, json!({}), MULAW, &recordings()[0]).await;
        let uncut = rig.sim.trouble_ahead("cut-after").is_some();
        rig.sim.calm();
        if uncut {
            assert!(after > 5, "there are more messages than that");
            break;
        }
        assert_eq!(heard.outcome.code(), "unavailable", "after {after}: {:?}", heard.events);
        assert!(said.starts_with(&heard.finals()), "after {after}: {:?}", heard.finals());
    }
}

#[tokio::test]
async fn fifty_calls_at_once_hear_their_own_words() {
    let rig = rig().await;
    let calls = (0..50).map(|nth| hears(&rig, json!({}), MULAW, &recordings()[nth % 2]));
    for (nth, heard) in futures_util::future::join_all(calls).await.into_iter().enumerate() {
        assert_eq!(heard.words(), recordings()[nth % 2].texts().join(" "), "{:?}", heard.events.last());
    }
    assert_eq!(rig.sim.offences(), []);
}

#[tokio::test]
async fn a_good_session_passes_the_conformance_kit() {
    let rig = rig().await;
    for options in [json!({}), json!({ "api": "flux" })] {
        let heard = hears(&rig, options.clone(), MULAW, &recordings()[0]).await;
        let faults = rig.conform(&heard.recording).unwrap();
        assert!(faults.is_empty(), "{options}\n{}", faults.iter().map(|row| format!("{row}\n")).collect::<String>());
    }
}
