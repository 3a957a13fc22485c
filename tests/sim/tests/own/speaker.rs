use super::{ALAW, MULAW, NARROW, WIDE, fault, paths, refusals, rig, says_nothing_of_the_engines, with};
use serde_json::{Value, json};
use std::time::Duration;
use vg_plugin_host::api::{AudioFormat, Encoding, FaultKind, TtsInput};
use vg_plugin_host::session::{SessionEnd, TtsEvent, TtsSession};
use vg_sim::{Coding, Format, Rig, Spoken, Voice};

const ENGLISH: [&str; 2] = ["Good morning, how can I help you?", "One moment please."];
const PORTUGUESE: [&str; 2] = ["Bom dia, em que posso ajudar?", "Só um momento, por favor."];

async fn spoke(rig: &Rig, options: &Value) -> Spoken {
    rig.speak(options.clone(), WIDE, "en-US", &ENGLISH).await.unwrap()
}

/// The sound that the engine makes of it.
fn sound(format: AudioFormat, replies: &[&str]) -> Vec<u8> {
    let coding = match format.encoding {
        Encoding::PcmS16le => Coding::Pcm,
        Encoding::Mulaw => Coding::Mulaw,
        Encoding::Alaw => Coding::Alaw,
    };
    let voice = Voice::Scripted(Format { coding, rate_hz: format.rate_hz });
    replies.iter().flat_map(|reply| voice.speak(reply).samples).collect()
}

#[tokio::test]
async fn replies_are_spoken_in_every_format_and_language() {
    let (rig, options) = rig("tts-http").await;
    for format in [MULAW, WIDE, ALAW, NARROW, super::pcm(24_000), super::pcm(48_000)] {
        for (language, replies) in [("en-US", ENGLISH), ("pt-BR", PORTUGUESE)] {
            for words in [false, true] {
                let options = with(&options, json!({ "words": words }));
                let did = rig.speak(options, format, language, &replies).await.unwrap();
                assert_eq!(did.outcome.end, Some(SessionEnd::Done), "{format:?}: {:?}", did.events);
                assert!(did.outcome.sound == sound(format, &replies), "{format:?} {language} {words}");
                let flushed: Vec<&Value> =
                    did.events.iter().filter(|event| event["event"] == "flushed").map(|event| &event["mark"]).collect();
                assert_eq!(flushed, [1, 2]);
                let said = if words { replies.join(" ") } else { String::new() };
                assert_eq!(did.words().join(" "), said);
                let characters: u64 = did.events.iter().filter_map(|event| event["characters"].as_u64()).sum();
                assert_eq!(characters, replies.iter().map(|reply| reply.chars().count() as u64).sum::<u64>());
            }
        }
    }
    assert_eq!(rig.sim.offences(), []);
}

#[tokio::test]
async fn words_lie_where_they_are_heard() {
    let (rig, options) = rig("tts-http").await;
    let did = spoke(&rig, &with(&options, json!({ "words": true }))).await;
    let starts: Vec<u64> =
        did.events.iter().filter(|event| event["event"] == "word").map(|event| event["start_ms"].as_u64().unwrap()).collect();
    // 200 ms a word, through both replies.
    assert_eq!(starts, (0..10).map(|nth| nth * 200).collect::<Vec<u64>>());
}

#[tokio::test]
async fn an_engine_is_shown_what_it_asks_for() {
    let (mut rig, options) = rig("tts-http").await;
    assert_eq!(fault(spoke(&rig, &json!({})).await.outcome.end).kind, FaultKind::Auth);
    rig.secret("header", "own-key").unwrap();
    assert_eq!(spoke(&rig, &json!({ "header": "X-Engine-Key" })).await.outcome.end, Some(SessionEnd::Done));
    let unknown = with(&options, json!({ "voice": "nobody" }));
    assert_eq!(fault(spoke(&rig, &unknown).await.outcome.end).kind, FaultKind::Unsupported);
}

#[tokio::test]
async fn every_refusal_is_the_fault_that_the_ladder_acts_on() {
    let (rig, options) = rig("tts-http").await;
    for (trouble, number, kind) in refusals() {
        rig.sim.calm();
        rig.sim.inject(&trouble, number, None);
        let did = spoke(&rig, &options).await;
        let refused = fault(did.outcome.end);
        says_nothing_of_the_engines(&refused);
        assert_eq!(refused.kind, kind, "{trouble}={number}");
        assert!(did.outcome.sound.is_empty());
        if trouble.starts_with("error") {
            rig.sim.calm();
            rig.sim.inject(&format!("late-{trouble}"), number, None);
            let did = spoke(&rig, &with(&options, json!({ "words": true }))).await;
            assert_eq!(fault(did.outcome.end).kind, kind, "late-{trouble}");
        }
    }
    rig.sim.calm();
    let wrong = with(&options, json!({ "options": { "pitch": 2 } }));
    assert_eq!(paths(&fault(spoke(&rig, &wrong).await.outcome.end)), json!(["/options/pitch"]));
    assert_eq!(rig.sim.offences(), []);
}

#[tokio::test]
async fn sound_that_is_cut_or_foreign_is_no_success() {
    let (rig, options) = rig("tts-http").await;
    let options = with(&options, json!({ "patience_ms": 300 }));
    let expected = [
        ("silent", 0, FaultKind::Unavailable),
        ("stall", 0, FaultKind::Unavailable),
        ("stall", 3, FaultKind::Unavailable),
        ("break", 0, FaultKind::Unavailable),
        ("break", 3, FaultKind::Unavailable),
        ("late-error-internal", 0, FaultKind::Unavailable),
        ("half-sample", 0, FaultKind::Unavailable),
        ("empty", 0, FaultKind::EmptyResult),
        ("page", 0, FaultKind::Protocol),
        ("wav", 0, FaultKind::Protocol),
        ("wrong-rate", 0, FaultKind::Protocol),
    ];
    let whole = sound(WIDE, &ENGLISH);
    for lines in [false, true] {
        for (trouble, number, kind) in &expected {
            rig.sim.calm();
            if lines {
                rig.sim.inject("lines", 0, None);
            }
            rig.sim.inject(trouble, *number, None);
            let did = spoke(&rig, &options).await;
            let broken = fault(did.outcome.end);
            says_nothing_of_the_engines(&broken);
            assert_eq!(broken.kind, *kind, "{trouble}={number} {lines}");
            assert!(whole.starts_with(&did.outcome.sound));
            assert!(!did.events.iter().any(|event| event["event"] == "flushed"), "{trouble}");
        }
    }
    rig.sim.calm();
    rig.sim.inject("lines", 0, None);
    rig.sim.inject("no-done", 0, None);
    assert_eq!(fault(spoke(&rig, &options).await.outcome.end).kind, FaultKind::Unavailable);
    rig.sim.calm();
    rig.sim.inject("lines", 0, None);
    rig.sim.inject("linger", 0, None);
    assert!(spoke(&rig, &options).await.outcome.sound == whole);
}

#[tokio::test]
async fn a_connection_that_is_lost_at_any_piece_is_a_fault() {
    for words in [false, true] {
        let (rig, options) = rig("tts-http").await;
        let options = with(&options, json!({ "words": words }));
        let whole = sound(WIDE, &ENGLISH);
        let mut cuts = 0;
        for piece in 1.. {
            rig.sim.inject("cut-after", piece, Some(1));
            let did = spoke(&rig, &options).await;
            if rig.sim.trouble_ahead("cut-after").is_some() {
                assert!(did.outcome.sound == whole);
                break;
            }
            cuts += 1;
            assert!(whole.starts_with(&did.outcome.sound), "cut after {piece}");
            if did.outcome.end == Some(SessionEnd::Done) {
                assert!(did.outcome.sound == whole, "cut after {piece}");
            } else {
                assert_eq!(fault(did.outcome.end).kind, FaultKind::Unavailable, "cut after {piece}");
            }
        }
        assert!(cuts > 10, "{cuts}");
    }
}

async fn until(session: &mut TtsSession, wanted: fn(&TtsEvent) -> bool) -> Vec<TtsEvent> {
    let mut events = Vec::new();
    tokio::time::timeout(Duration::from_secs(5), async {
        loop {
            let event = session.events.recv().await.unwrap();
            let found = wanted(&event);
            events.push(event);
            if found {
                return;
            }
        }
    })
    .await
    .unwrap_or_else(|_| panic!("{events:?}"));
    events
}

#[tokio::test]
async fn a_caller_who_interrupts_at_any_piece_hears_nothing_more_and_the_next_reply() {
    let (rig, options) = rig("tts-http").await;
    let options = rig.at_home(options);
    for pieces in 0..12 {
        let mut session = rig.open_tts(options.clone(), MULAW, "en-US").unwrap();
        session.input.send(TtsInput::Text(ENGLISH[0].into())).await.unwrap();
        session.input.send(TtsInput::Flush(1)).await.unwrap();
        for _ in 0..pieces {
            until(&mut session, |event| matches!(event, TtsEvent::Audio(_) | TtsEvent::Flushed(_))).await;
        }
        session.input.send(TtsInput::Cancel).await.unwrap();
        until(&mut session, |event| matches!(event, TtsEvent::Cancelled)).await;
        session.input.send(TtsInput::Text(ENGLISH[1].into())).await.unwrap();
        session.input.send(TtsInput::Flush(2)).await.unwrap();
        let next = until(&mut session, |event| matches!(event, TtsEvent::Flushed(2))).await;
        let heard: Vec<u8> =
            next.iter().flat_map(|event| if let TtsEvent::Audio(samples) = event { samples.to_vec() } else { vec![] }).collect();
        assert!(heard == sound(MULAW, &ENGLISH[1..]), "after {pieces} pieces");
        session.input.send(TtsInput::End).await.unwrap();
        until(&mut session, |event| matches!(event, TtsEvent::Ended(end) if **end == SessionEnd::Done)).await;
    }
    assert_eq!(rig.sim.offences(), []);
}

#[tokio::test]
async fn an_owner_that_takes_nothing_for_long_gets_all_of_it_later() {
    let (rig, options) = rig("tts-http").await;
    let patience = Duration::from_millis(300);
    let options = rig.at_home(with(&options, json!({ "patience_ms": 300 })));
    let reply = "I will tell you a very long story that does not end. ".repeat(6);
    for words in [false, true] {
        let mut session = rig.open_tts(with(&options, json!({ "words": words })), WIDE, "en-US").unwrap();
        session.input.send(TtsInput::Text(reply.clone())).await.unwrap();
        session.input.send(TtsInput::Flush(1)).await.unwrap();
        session.input.send(TtsInput::End).await.unwrap();
        until(&mut session, |event| matches!(event, TtsEvent::Audio(_))).await;
        // A caller hears as slowly as people speak.
        tokio::time::sleep(4 * patience).await;
        let rest = until(&mut session, |event| matches!(event, TtsEvent::Ended(_))).await;
        assert!(matches!(rest.last(), Some(TtsEvent::Ended(end)) if **end == SessionEnd::Done), "{words}: {:?}", rest.last());
        assert!(rest.len() > 64, "{words}: {} events: that was no full owner", rest.len());
        let heard: usize = rest.iter().map(|event| if let TtsEvent::Audio(samples) = event { samples.len() } else { 0 }).sum();
        let whole = sound(WIDE, &[&reply]).len();
        assert!(heard < whole && heard > whole - 32_000, "{words}: {heard} of {whole}, but for the first piece");
    }
    assert_eq!(rig.sim.offences(), []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_calls_at_once_are_each_spoken_to() {
    let (rig, options) = rig("tts-http").await;
    let calls = (0..50).map(|nth| {
        let (rig, options) = (&rig, with(&options, json!({ "words": nth % 2 == 0 })));
        let format = [MULAW, WIDE][nth / 2 % 2];
        let (language, replies) = [("en-US", ENGLISH), ("pt-BR", PORTUGUESE)][nth / 4 % 2];
        async move {
            let did = rig.speak(options, format, language, &replies).await.unwrap();
            assert!(did.outcome.sound == sound(format, &replies), "{nth}: {:?}", did.outcome.end);
        }
    });
    futures_util::future::join_all(calls).await;
    assert_eq!(rig.sim.offences(), []);
}

#[tokio::test]
async fn the_conformance_kit_finds_nothing() {
    let (rig, options) = rig("tts-http").await;
    for words in [false, true] {
        for format in [MULAW, WIDE] {
            let did = rig.speak(with(&options, json!({ "words": words })), format, "en-US", &ENGLISH).await.unwrap();
            let faults: Vec<String> = rig.conform(&did.recording).unwrap().iter().map(ToString::to_string).collect();
            assert_eq!(faults, Vec::<String>::new(), "{words} {format:?}");
        }
    }
}
