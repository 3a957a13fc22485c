use super::{ALAW, MULAW, NARROW, WIDE, fault, paths, refusals, rig, says_nothing_of_the_engines, with};
use serde_json::{Value, json};
use std::time::Duration;
use vg_plugin_host::api::{AudioFormat, FaultKind, Remedy, SttInput};
use vg_plugin_host::session::{SessionEnd, SttEvent};
use vg_plugin_kit::run::Pace;
use vg_sim::{Listened, Rig, recordings};

async fn heard(rig: &Rig, options: &Value) -> Listened {
    rig.listen(options.clone(), MULAW, "en-US", &recordings()[0].samples(8_000)).await.unwrap()
}

fn event<'a>(did: &'a Listened, name: &str) -> Option<&'a Value> {
    did.events.iter().find(|event| event["event"] == name)
}

#[tokio::test]
async fn words_are_heard_in_every_format_and_language() {
    let (rig, options) = rig("stt-http").await;
    for recording in recordings() {
        for format in [MULAW, WIDE, ALAW, NARROW] {
            let samples = recording.samples(format.rate_hz);
            let did = rig.listen(options.clone(), format, &recording.language, &samples).await.unwrap();
            assert_eq!(did.outcome.end, Some(SessionEnd::Done), "{format:?}: {:?}", did.events);
            assert_eq!(did.words(), recording.texts().join(" "), "{format:?}");
            assert!(!did.partials().is_empty());
            let usage = event(&did, "usage").unwrap();
            assert_eq!(usage["audio_ms"], samples.len() as u64 * 1000 / u64::from(format.rate_hz));
            assert_eq!(event(&did, "final").unwrap()["words"][0]["text"], did.words().split(' ').next().unwrap());
            assert!(event(&did, "speech-started").is_some() && event(&did, "speech-ended").is_some());
        }
    }
    assert_eq!(rig.sim.offences(), []);
}

#[tokio::test]
async fn a_call_as_it_is_spoken_is_heard_with_its_edges() {
    let (rig, options) = rig("stt-http").await;
    let options = with(&options, json!({ "edges": true, "partials": false }));
    let recording = &recordings()[0];
    let did = rig.listen_at(Pace::RealTime, options, MULAW, "en-US", &recording.samples(8_000)).await.unwrap();
    assert_eq!(did.words(), recording.texts().join(" "));
    assert_eq!(did.partials(), Vec::<String>::new());
    assert_eq!(rig.sim.offences(), []);
}

#[tokio::test]
async fn an_engine_is_shown_what_it_asks_for() {
    let (mut rig, options) = rig("stt-http").await;
    let no_key = heard(&rig, &json!({ "options": {} })).await;
    assert_eq!(fault(no_key.outcome.end).kind, FaultKind::Auth);
    rig.secret("header", "own-key").unwrap();
    let own_header = heard(&rig, &json!({ "header": "X-Engine-Key" })).await;
    assert_eq!(own_header.outcome.end, Some(SessionEnd::Done));
    rig.secret("token", "another").unwrap();
    let refused = fault(heard(&rig, &options).await.outcome.end);
    assert_eq!((refused.kind, refused.remedy), (FaultKind::Auth, Remedy::Configuration));
}

#[tokio::test]
async fn every_refusal_is_the_fault_that_the_ladder_acts_on() {
    let (rig, options) = rig("stt-http").await;
    for (trouble, number, kind) in refusals() {
        rig.sim.calm();
        rig.sim.inject(&trouble, number, None);
        let refused = fault(heard(&rig, &options).await.outcome.end);
        says_nothing_of_the_engines(&refused);
        assert_eq!(refused.kind, kind, "{trouble}={number}");
        if trouble.starts_with("error") {
            rig.sim.calm();
            rig.sim.inject(&format!("late-{trouble}"), number, None);
            assert_eq!(fault(heard(&rig, &options).await.outcome.end).kind, kind, "late-{trouble}");
        }
    }
    rig.sim.calm();
    let wrong = with(&options, json!({ "options": { "model": "unheard-of" } }));
    assert_eq!(paths(&fault(heard(&rig, &wrong).await.outcome.end)), json!(["/options/model"]));
    assert_eq!(rig.sim.offences(), []);
}

#[tokio::test]
async fn an_engine_that_breaks_its_word_is_no_success() {
    let (rig, options) = rig("stt-http").await;
    let options = with(&options, json!({ "patience_ms": 300 }));
    let expected = [
        ("silent", FaultKind::Unavailable),
        ("silent-finalize", FaultKind::Unavailable),
        ("silent-end", FaultKind::Unavailable),
        ("hang-up", FaultKind::Unavailable),
        ("late-hang-up", FaultKind::Unavailable),
        ("newer", FaultKind::Protocol),
        ("early", FaultKind::Protocol),
        ("garbage", FaultKind::Protocol),
        ("backwards", FaultKind::Protocol),
    ];
    for (trouble, kind) in expected {
        rig.sim.calm();
        rig.sim.inject(trouble, 0, None);
        let did = heard(&rig, &options).await;
        let broken = fault(did.outcome.end.clone());
        says_nothing_of_the_engines(&broken);
        assert_eq!(broken.kind, kind, "{trouble}");
        assert!(recordings()[0].texts().join(" ").starts_with(&did.words()), "{trouble}: {}", did.words());
    }
    for trouble in ["unknown-message", "double-final", "stale-partial"] {
        rig.sim.calm();
        rig.sim.inject(trouble, 0, None);
        assert_eq!(heard(&rig, &options).await.words(), recordings()[0].texts().join(" "), "{trouble}");
    }
}

#[tokio::test]
async fn an_engine_that_is_not_there_is_unavailable() {
    let (rig, options) = rig("stt-http").await;
    let nobody = with(&options, json!({ "endpoint": "http://127.0.0.1:1" }));
    assert_eq!(fault(heard(&rig, &nobody).await.outcome.end).kind, FaultKind::Unavailable);
    let plain_for_tls = with(&options, json!({ "endpoint": rig.server.origin().replace("http:", "https:") }));
    assert_eq!(fault(heard(&rig, &plain_for_tls).await.outcome.end).kind, FaultKind::Unavailable);
}

#[tokio::test]
async fn a_connection_that_is_lost_at_any_message_is_a_fault_and_no_word_is_made_up() {
    let (rig, options) = rig("stt-http").await;
    let all = recordings()[0].texts().join(" ");
    let mut cuts = 0;
    for message in 1.. {
        rig.sim.inject("cut-after", message, Some(1));
        let did = heard(&rig, &options).await;
        if rig.sim.trouble_ahead("cut-after").is_some() {
            assert_eq!(did.words(), all);
            break;
        }
        cuts += 1;
        assert!(all.starts_with(&did.words()), "cut after {message}: {}", did.words());
        // The very last message is `done`: what is lost after it is lost to nobody, if it came through.
        if did.outcome.end != Some(SessionEnd::Done) {
            assert_eq!(fault(did.outcome.end).kind, FaultKind::Unavailable, "cut after {message}");
        } else {
            assert_eq!(did.words(), all, "cut after {message}");
        }
    }
    assert!(cuts > 20, "{cuts}");
}

#[tokio::test]
async fn a_call_that_ends_at_any_step_ends_its_session() {
    let (rig, options) = rig("stt-http").await;
    let options = rig.at_home(options);
    let chunks: Vec<Vec<u8>> = recordings()[0].bytes(vg_sim::Format::MULAW).unwrap().chunks(4_000).map(<[u8]>::to_vec).collect();
    for step in 0..=chunks.len() {
        let mut session = rig.open_stt(options.clone(), MULAW, "en-US").unwrap();
        for chunk in &chunks[..step] {
            session.input.send(SttInput::Audio(chunk.clone())).await.unwrap();
        }
        session.input.send(SttInput::End).await.unwrap();
        let ended = tokio::time::timeout(Duration::from_secs(5), async {
            loop {
                if let Some(SttEvent::Ended(end)) = session.events.recv().await {
                    return *end;
                }
            }
        });
        assert_eq!(ended.await.unwrap(), SessionEnd::Done, "after {step} chunks");
        // Who hangs up without a word is obeyed, too.
        let dropped = rig.open_stt(options.clone(), MULAW, "en-US").unwrap();
        for chunk in &chunks[..step] {
            dropped.input.send(SttInput::Audio(chunk.clone())).await.unwrap();
        }
    }
    assert_eq!(rig.sim.offences(), []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_calls_at_once_are_each_heard() {
    let (rig, options) = rig("stt-http").await;
    let formats: [AudioFormat; 2] = [MULAW, WIDE];
    let calls = (0..50).map(|nth| {
        let (rig, options, recording) = (&rig, options.clone(), &recordings()[nth % 2]);
        let format = formats[nth / 2 % 2];
        async move {
            let did = rig.listen(options, format, &recording.language, &recording.samples(format.rate_hz)).await.unwrap();
            assert_eq!(did.words(), recording.texts().join(" "), "{nth}: {:?}", did.outcome);
        }
    });
    futures_util::future::join_all(calls).await;
    assert_eq!(rig.sim.offences(), []);
}

#[tokio::test]
async fn the_conformance_kit_finds_nothing() {
    let (rig, options) = rig("stt-http").await;
    let did = heard(&rig, &options).await;
    let faults: Vec<String> = rig.conform(&did.recording).unwrap().iter().map(ToString::to_string).collect();
    assert_eq!(faults, Vec::<String>::new());
    let wide = rig.listen(options, WIDE, "en-US", &recordings()[0].samples(16_000)).await.unwrap();
    let faults: Vec<String> = rig.conform(&wide.recording).unwrap().iter().map(ToString::to_string).collect();
    assert_eq!(faults, Vec::<String>::new());
}
