//! `stt-azure` and `tts-azure` in the real plugin host, against their vendor's simulator.

#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "a broken test stops; nobody reads its items")]

use serde_json::{Value, json};
use std::time::Duration;
use vg_plugin_host::api::{AudioFormat, Encoding, SttInput, TtsInput};
use vg_plugin_host::session::{SessionEnd, SttEvent};
use vg_plugin_kit::run::Pace;
use vg_sim::{Coding, Format, Listened, Offence, Rig, Spoken, Vendor, pcm, recordings, reply};

const MULAW: AudioFormat = AudioFormat { encoding: Encoding::Mulaw, rate_hz: 8_000 };
const ALAW: AudioFormat = AudioFormat { encoding: Encoding::Alaw, rate_hz: 8_000 };

async fn rig(name: &str) -> Rig {
    let mut rig = Rig::new(name).await.unwrap();
    rig.secret("api_key", vg_sim::azure::KEY).unwrap();
    rig
}

/// The same with a bearer token in place of the key.
async fn rig_with_token(name: &str) -> Rig {
    let mut rig = rig(name).await;
    rig.secret("api_key", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJzaW0ifQ.c2ltdWxhdGVk").unwrap();
    rig
}

fn code(end: Option<&SessionEnd>) -> &'static str {
    end.map_or("none", |end| if let SessionEnd::Fault(fault) = end { fault.kind.code() } else { end.code() })
}

/// The English recording.
async fn hear(rig: &Rig, options: Value, format: AudioFormat) -> Listened {
    let recording = &recordings()[0];
    rig.listen(options, format, &recording.language, &recording.samples(format.rate_hz)).await.unwrap()
}

fn words() -> String {
    recordings()[0].texts().join(" ")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn callers_are_understood_in_every_format_language_and_family() {
    let rig = rig("stt-azure").await;
    for recording in recordings() {
        for format in [MULAW, ALAW, pcm(8_000), pcm(16_000)] {
            for options in [json!({}), json!({ "family": "host", "output": "simple" })] {
                let samples = recording.samples(format.rate_hz);
                let did = rig.listen(options.clone(), format, &recording.language, &samples).await.unwrap();
                assert_eq!(did.words(), recording.texts().join(" "), "{options} {:?}", did.events);
                assert_eq!(did.outcome.end, Some(SessionEnd::Done), "{options} {format:?}");
                assert!(!did.partials().is_empty());
                let heard_ms: u64 = did.events.iter().filter_map(|event| event["audio_ms"].as_u64()).sum();
                let sound_ms = samples.len() as u64 * 1000 / u64::from(format.rate_hz);
                assert!(heard_ms.abs_diff(sound_ms) < 5, "{heard_ms} {sound_ms}");
            }
        }
    }
    assert_eq!(rig.sim.offences(), []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_option_is_taken_by_the_vendor() {
    let rig = rig_with_token("stt-azure").await;
    for family in ["region", "host"] {
        let options = json!({
            "family": family, "auth": "token", "mode": "dictation", "phrases": ["account balance"], "phrase_weight": 1.5,
            "profanity": "masked", "segmentation": "silence", "segmentation_silence_ms": 300, "segmentation_max_ms": 30000,
            "initial_silence_ms": 9000, "end_silence_ms": 900, "stable_after": 2, "languages": ["pt-BR", "en-US"],
        });
        let did = hear(&rig, options, MULAW).await;
        assert_eq!((did.words(), code(did.outcome.end.as_ref())), (words(), "done"), "{:?}", did.events);
        let last = did.events.iter().find(|event| event["event"] == "final").unwrap();
        assert_eq!(last["language"], "en-US");
        let (confidence, words) = (last["confidence"].as_f64().unwrap(), last["words"].as_array().unwrap());
        assert!((confidence - 0.93).abs() < 0.001 && words.len() == 9 && words[0]["start_ms"] == 400, "{last}");
    }
    let semantic = hear(
        &rig,
        json!({ "auth": "token", "segmentation": "semantic", "detection": "at-start", "languages": ["en-US"] }),
        MULAW,
    )
    .await;
    assert_eq!(semantic.words(), words());
    assert_eq!(rig.sim.offences(), []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn troubles_of_a_listener_end_as_they_should() {
    let rig = rig("stt-azure").await;
    let done = "done";
    let expected = [
        // Once, and it passes.
        ("http-503", 0, Some(1), done),
        ("http-429", 0, Some(1), done),
        ("redirect", 0, Some(1), done),
        ("close", 1000, Some(1), done),
        ("close", 1011, Some(1), done),
        ("close", 1008, Some(1), done),
        ("status-ServiceUnavailable", 0, Some(2), done),
        ("status-Error", 0, Some(1), done),
        ("status-TooManyRequests", 0, Some(1), done),
        ("turn-end-early", 0, Some(1), done),
        ("end-detected-early", 0, Some(1), done),
        ("no-turn-start", 0, None, done),
        // For ever.
        ("http-400", 0, None, "protocol"),
        ("http-401", 0, None, "auth"),
        ("http-403", 0, None, "auth"),
        ("http-404", 0, None, "unsupported"),
        ("http-429", 0, None, "quota"),
        ("http-429", 7, None, "quota"),
        ("http-500", 0, None, "unavailable"),
        ("http-503", 0, None, "unavailable"),
        ("hang", 0, None, "unavailable"),
        ("close", 1002, None, "protocol"),
        ("close", 1007, None, "protocol"),
        ("close", 4429, None, "quota"),
        ("close", 1011, None, "unavailable"),
        ("status-BadRequest", 0, None, "protocol"),
        ("status-Forbidden", 0, None, "auth"),
        ("status-TooManyRequests", 0, None, "quota"),
        ("status-Error", 0, None, "unavailable"),
        ("no-turn-end", 0, None, "unavailable"),
        ("stall", 3, None, "unavailable"),
        ("garbage", 0, None, "protocol"),
        ("cut-after", 2, None, "unavailable"),
    ];
    for (trouble, with, times, end) in expected {
        rig.sim.inject(trouble, with, times);
        let did = hear(&rig, json!({}), MULAW).await;
        assert_eq!(code(did.outcome.end.as_ref()), end, "{trouble}={with}: {:?}", did.events);
        if end == done {
            assert_eq!(did.words(), words(), "{trouble}={with}");
        }
        rig.sim.calm();
    }
    assert_eq!(rig.sim.offences(), []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_key_is_refused_and_a_silent_caller_is_not() {
    let mut rig = rig("stt-azure").await;
    let quiet = rig.listen(json!({}), MULAW, "en-US", &[0; 8_000 * 20]).await.unwrap();
    assert_eq!((quiet.finals(), code(quiet.outcome.end.as_ref())), (vec![], "done"), "{:?}", quiet.events);
    rig.secret("api_key", "ffffffffffffffffffffffffffffffff").unwrap();
    let did = hear(&rig, json!({}), MULAW).await;
    assert_eq!(code(did.outcome.end.as_ref()), "auth");
    assert_eq!(rig.sim.offences(), []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_who_is_silent_for_many_turns_is_waited_for() {
    let rig = rig("stt-azure").await;
    let options = json!({ "initial_silence_ms": 500 });
    let quiet = rig.listen_at(Pace::RealTime, options, MULAW, "en-US", &[0; 8_000 * 5]).await.unwrap();
    assert_eq!((quiet.finals(), code(quiet.outcome.end.as_ref())), (vec![], "done"), "{:?}", quiet.events);
    let turns: u64 = quiet.events.iter().filter_map(|event| event["requests"].as_u64()).sum();
    assert!(turns > 5, "{turns}");
    let heard_ms: u64 = quiet.events.iter().filter_map(|event| event["audio_ms"].as_u64()).sum();
    assert!(heard_ms < 6_000, "silence is not said again: {heard_ms} ms");
    assert_eq!(rig.sim.offences(), []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_is_cut_at_any_message_loses_no_word_and_says_none_twice() {
    let rig = rig("stt-azure").await;
    for message in 1.. {
        rig.sim.inject("cut-after", message, Some(1));
        let did = hear(&rig, json!({}), MULAW).await;
        assert_eq!((did.words(), code(did.outcome.end.as_ref())), (words(), "done"), "cut after {message}: {:?}", did.events);
        if rig.sim.trouble_ahead("cut-after").is_some() {
            assert!(message > 15, "{message}");
            break;
        }
    }
    assert_eq!(rig.sim.offences(), []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_ends_at_any_chunk_is_done_with_what_was_said() {
    let rig = rig("stt-azure").await;
    let sound = recordings()[0].bytes(Format::MULAW).unwrap();
    for chunks in (0..=15).map(|nth| nth * 5) {
        let mut session = rig.open_stt(json!({}), MULAW, "en-US").unwrap();
        for chunk in sound.chunks(800).take(chunks) {
            session.input.send(SttInput::Audio(chunk.to_vec())).await.unwrap();
        }
        session.input.send(SttInput::End).await.unwrap();
        let mut heard = String::new();
        loop {
            match tokio::time::timeout(Duration::from_secs(10), session.events.recv()).await.unwrap().unwrap() {
                SttEvent::Final(said) => heard.push_str(&said.text.to_lowercase().replace('.', " ")),
                SttEvent::Ended(end) => {
                    assert_eq!(*end, SessionEnd::Done, "after {chunks}");
                    break;
                }
                _ => {}
            }
        }
        assert!(words().starts_with(heard.trim_end()), "after {chunks}: {heard}");
        let said = recordings()[0].words_by(chunks as u64 * 100);
        assert!(heard.starts_with(&said), "after {chunks}: {said:?} was said, {heard:?} was heard");
    }
    assert_eq!(rig.sim.offences(), []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_callers_at_a_time_are_understood() {
    let rig = rig("stt-azure").await;
    let all = futures_util::future::join_all((0..50).map(|_| hear(&rig, json!({}), MULAW))).await;
    for did in all {
        assert_eq!((did.words(), code(did.outcome.end.as_ref())), (words(), "done"));
    }
    assert_eq!(rig.sim.offences(), []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_listener_passes_the_conformance_kit() {
    let rig = rig("stt-azure").await;
    for (options, format) in [(json!({}), MULAW), (json!({ "family": "host", "output": "simple" }), pcm(16_000))] {
        // In its own time: one that was hurried through on a busy machine could not be repeated every time.
        let sound = recordings()[0].samples(format.rate_hz);
        let did = rig.listen_at(Pace::RealTime, options, format, "en-US", &sound).await.unwrap();
        let rows = rig.conform(&did.recording).unwrap();
        assert!(rows.is_empty(), "{}", rows.iter().map(|row| format!("{row}\n")).collect::<String>());
    }
}

const REPLIES: [&str; 2] = ["Good morning, how can I help you today? Take your time.", "One moment, please."];
const TRANSPORTS: [&str; 3] = ["ssml", "text-stream", "rest"];

async fn say(rig: &Rig, options: Value) -> Spoken {
    rig.speak(options, MULAW, "en-US", &REPLIES).await.unwrap()
}

/// The sound of a text.
fn sound(rig: &Rig, format: AudioFormat, text: &str) -> Vec<u8> {
    let coding = match format.encoding {
        Encoding::PcmS16le => Coding::Pcm,
        Encoding::Mulaw => Coding::Mulaw,
        Encoding::Alaw => Coding::Alaw,
    };
    rig.sim.voice(Format { coding, rate_hz: format.rate_hz }).speak(text).samples
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replies_are_spoken_in_every_format_language_and_transport() {
    let rig = rig("tts-azure").await;
    for transport in TRANSPORTS {
        for format in [MULAW, ALAW, pcm(8_000), pcm(16_000), pcm(24_000)] {
            for (language, replies) in [("en-US", REPLIES), ("pt-BR", ["Olá, esta é uma ligação <de> teste & mais.", "Até já."])]
            {
                let did = rig.speak(json!({ "transport": transport }), format, language, &replies).await.unwrap();
                assert_eq!(did.outcome.end, Some(SessionEnd::Done), "{transport} {format:?} {:?}", did.events);
                assert!(did.outcome.sound == sound(&rig, format, &replies.join(" ")), "{transport} {format:?} {language}");
                if transport != "rest" {
                    assert_eq!(did.words().join(" "), replies.join(" "));
                }
            }
        }
    }
    assert_eq!(rig.sim.offences(), []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn voice_style_and_prosody_are_taken_by_the_vendor() {
    let rig = rig_with_token("tts-azure").await;
    for transport in TRANSPORTS {
        let options = json!({ "transport": transport, "auth": "token", "voice": "en-US-JennyNeural", "style": "cheerful", "style_degree": 1.5,
            "rate": "+10%", "pitch": "-2st", "volume": "80" });
        let did = say(&rig, options).await;
        assert!(did.outcome.sound == sound(&rig, MULAW, &REPLIES.join(" ")), "{transport} {:?}", did.events);
    }
    let own = "<speak version='1.0' xml:lang='en-US'><voice name='en-US-JennyNeural'>My own. Really.</voice></speak>";
    let did = rig.speak(json!({ "auth": "token", "ssml": true }), MULAW, "en-US", &[own]).await.unwrap();
    assert!(did.outcome.sound == sound(&rig, MULAW, "My own. Really."));
    assert_eq!(rig.sim.offences(), []);
    for transport in TRANSPORTS {
        let did = say(&rig, json!({ "auth": "token", "transport": transport, "voice": "en-US-NobodyNeural" })).await;
        assert_eq!(code(did.outcome.end.as_ref()), "unsupported", "{transport}");
    }
    let unknown = Offence { vendor: Vendor::Azure, what: "Unsupported voice".into() };
    assert_eq!(rig.sim.offences(), vec![unknown; 3]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn troubles_of_a_speaker_end_as_they_should() {
    let rig = rig("tts-azure").await;
    let done = "done";
    let everywhere = [
        ("http-503", 0, Some(1), done),
        ("http-429", 0, Some(1), done),
        ("http-400", 0, None, "protocol"),
        ("http-401", 0, None, "auth"),
        ("http-403", 0, None, "auth"),
        ("http-404", 0, None, "unsupported"),
        ("http-408", 0, None, "unavailable"),
        ("http-429", 0, None, "quota"),
        ("http-429", 7, None, "quota"),
        ("http-500", 0, None, "unavailable"),
        ("http-502", 0, None, "unavailable"),
        ("http-503", 0, None, "unavailable"),
        ("hang", 0, None, "unavailable"),
        ("stall", 4, None, "unavailable"),
        ("empty-audio", 0, None, "empty-result"),
    ];
    let sockets = [
        ("redirect", 0, Some(1), done),
        ("close", 1000, Some(1), done),
        ("close", 1003, Some(1), done),
        ("close", 1008, Some(1), done),
        ("close", 1011, Some(1), done),
        ("close", 1013, Some(1), done),
        ("no-turn-start", 0, None, done),
        ("close", 1002, None, "protocol"),
        ("close", 1007, None, "unsupported"),
        ("close", 4429, None, "quota"),
        ("close", 1011, None, "unavailable"),
        ("strange-turn", 0, None, "unavailable"),
        ("no-turn-end", 0, None, "unavailable"),
        ("garbage", 0, None, "protocol"),
    ];
    for transport in TRANSPORTS {
        for (trouble, with, times, end) in everywhere.into_iter().chain(sockets.into_iter().filter(|_| transport != "rest")) {
            rig.sim.inject(trouble, with, times);
            let did = say(&rig, json!({ "transport": transport })).await;
            // A request that is refused with 400 is refused for what it says, a handshake is not.
            let end = if (transport, trouble) == ("rest", "http-400") { "unsupported" } else { end };
            assert_eq!(code(did.outcome.end.as_ref()), end, "{transport} {trouble}={with}: {:?}", did.events);
            let all = sound(&rig, MULAW, &REPLIES.join(" "));
            assert!(if end == done { did.outcome.sound == all } else { all.starts_with(&did.outcome.sound) });
            rig.sim.calm();
        }
        rig.sim.inject("half-sample", 0, None);
        let did = rig.speak(json!({ "transport": transport }), pcm(16_000), "en-US", &REPLIES).await.unwrap();
        assert_eq!(code(did.outcome.end.as_ref()), "protocol", "{transport}");
        rig.sim.calm();
    }
    assert_eq!(rig.sim.offences(), []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_is_cut_at_any_message_is_never_success_once_sound_was_given() {
    let rig = rig("tts-azure").await;
    let all = sound(&rig, MULAW, &REPLIES.join(" "));
    for transport in TRANSPORTS {
        let mut ends = Vec::new();
        for message in 1.. {
            rig.sim.inject("cut-after", message, Some(1));
            let did = say(&rig, json!({ "transport": transport })).await;
            if rig.sim.trouble_ahead("cut-after").is_some() {
                rig.sim.calm();
                break;
            }
            let end = code(did.outcome.end.as_ref());
            match end {
                // Nothing of that turn was given yet, or all of it, and it was said again.
                "done" => assert!(did.outcome.sound == all, "{transport} {message}"),
                _ => assert!(
                    end == "unavailable" && all.starts_with(&did.outcome.sound),
                    "{transport} {message}: {:?}",
                    did.events
                ),
            }
            ends.push(end);
        }
        assert!(ends.len() >= 8 && ends.contains(&"unavailable"), "{transport}: {ends:?}");
    }
    assert_eq!(rig.sim.offences(), []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reply_that_is_broken_off_at_any_event_is_silent_at_once_and_the_next_is_spoken() {
    let rig = rig("tts-azure").await;
    for transport in TRANSPORTS {
        for events in 0..14 {
            let uttered = rig.broken_off(json!({ "transport": transport }), MULAW, REPLIES, events).await.unwrap();
            assert_eq!(uttered.marks, [2], "{transport} after {events}");
            assert!(uttered.sound == sound(&rig, MULAW, REPLIES[1]), "{transport} after {events}");
        }
    }
    assert_eq!(rig.sim.offences(), []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_owner_who_takes_nothing_for_longer_than_any_patience_hears_all_of_it() {
    let rig = rig("tts-azure").await;
    let text = "word ".repeat(400);
    let whole = sound(&rig, MULAW, &text);
    let calls = TRANSPORTS.map(|transport| {
        let inputs = reply(&text, 1).into_iter().chain([TtsInput::End]);
        rig.taken_late(json!({ "transport": transport }), MULAW, inputs, Duration::from_millis(6_500), [])
    });
    for (transport, uttered) in TRANSPORTS.into_iter().zip(futures_util::future::join_all(calls).await) {
        let uttered = uttered.unwrap();
        assert!(uttered.sound == whole, "{transport}: {} bytes", uttered.sound.len());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_replies_at_a_time_are_spoken() {
    let rig = rig("tts-azure").await;
    let all = futures_util::future::join_all((0..50).map(|_| say(&rig, json!({})))).await;
    let expected = sound(&rig, MULAW, &REPLIES.join(" "));
    for did in all {
        assert!(did.outcome.sound == expected, "{:?}", did.events);
    }
    assert_eq!(rig.sim.offences(), []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_speaker_passes_the_conformance_kit_on_every_transport() {
    let rig = rig("tts-azure").await;
    for transport in TRANSPORTS {
        for format in [MULAW, pcm(16_000)] {
            let did = rig.speak(json!({ "transport": transport }), format, "en-US", &REPLIES).await.unwrap();
            let rows = rig.conform(&did.recording).unwrap();
            assert!(rows.is_empty(), "{transport}\n{}", rows.iter().map(|row| format!("{row}\n")).collect::<String>());
        }
    }
}
