//! `stt-google` and `tts-google` against Google's simulator.

#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "a broken test stops; nobody reads its items")]

#[path = "google/credentials.rs"]
mod credentials;

use serde_json::{Value, json};
use std::time::Duration;
use vg_plugin_host::api::{AudioFormat, Encoding, SttInput, TtsInput};
use vg_plugin_host::session::{SessionEnd, SttEvent, SttSession};
use vg_sim::{Coding, Format, Listened, Recording, Rig, Spoken, pcm, recordings, reply};

const MULAW: AudioFormat = AudioFormat { encoding: Encoding::Mulaw, rate_hz: 8000 };
const ALAW: AudioFormat = AudioFormat { encoding: Encoding::Alaw, rate_hz: 8000 };

fn apis() -> [Value; 2] {
    [json!({}), json!({ "api": "v2", "project": "fake-project" })]
}

async fn listener() -> Rig {
    let mut rig = Rig::new("stt-google").await.unwrap();
    rig.account().unwrap();
    rig
}

async fn hears(rig: &Rig, options: Value, format: AudioFormat, recording: &Recording) -> Listened {
    rig.listen(options, format, &recording.language, &recording.samples(format.rate_hz)).await.unwrap()
}

#[tokio::test]
async fn words_are_heard_in_every_format_and_language_each_once() {
    let rig = listener().await;
    for options in apis() {
        for recording in recordings() {
            for format in [MULAW, ALAW, pcm(8000), pcm(16_000)] {
                let heard = hears(&rig, options.clone(), format, recording).await;
                assert_eq!(heard.outcome.code(), "done", "{options} {format:?}: {:?}", heard.events);
                assert_eq!(heard.words(), recording.texts().join(" "), "{options} {format:?}");
                assert!(!heard.partials().is_empty());
                let ms: u64 = heard.events.iter().filter_map(|event| event["audio_ms"].as_u64()).sum();
                assert!(ms.abs_diff(recording.samples(8000).len() as u64 / 8) <= 20, "{ms}");
            }
        }
    }
    assert_eq!(rig.sim.offences(), []);
}

#[tokio::test]
async fn every_option_is_understood() {
    let rig = listener().await;
    for mut options in apis() {
        options["phrases"] = json!(["account balance", "saldo"]);
        options["alternative_languages"] = json!(["pt-BR", "es-US"]);
        options["speech_start_timeout_ms"] = json!(5000);
        options["word_times"] = json!(false);
        options["punctuation"] = json!(false);
        options["profanity_filter"] = json!(true);
        options["quota_project"] = json!("other-project");
        match options["api"] == "v2" {
            true => options["endpointing"] = json!("short"),
            false => options["enhanced"] = json!(true),
        }
        let heard = hears(&rig, options, MULAW, &recordings()[0]).await;
        assert_eq!(heard.words(), recordings()[0].texts().join(" "), "{:?}", heard.events);
    }
    for options in [
        json!({ "single_utterance": true }),
        json!({ "single_utterance": true, "model": "phone_call", "enhanced": true }),
        json!({ "speech_end_timeout_ms": 300 }),
        json!({ "speech_end_timeout_ms": 300, "api": "v2", "project": "fake-project" }),
    ] {
        let heard = hears(&rig, options.clone(), MULAW, &recordings()[0]).await;
        assert_eq!(heard.outcome.code(), "done", "{options}: {:?}", heard.events);
        assert_eq!(heard.words(), recordings()[0].texts().join(" "), "{options}: {:?}", heard.events);
    }
    let heard = hears(&rig, json!({ "single_utterance": true, "model": "telephony" }), MULAW, &recordings()[0]).await;
    assert_eq!(heard.outcome.code(), "invalid-options");
    assert_eq!(rig.sim.offences(), []);
}

#[tokio::test]
async fn every_trouble_has_its_fault() {
    let rig = listener().await;
    // Where Google may do better the next time it is tried once more: those must go on.
    let troubles = [
        ("google-status", 3, "unsupported"),
        ("google-status", 5, "unsupported"),
        ("google-status", 7, "auth"),
        ("google-status", 8, "quota"),
        ("google-status", 13, "unavailable"),
        ("google-status", 14, "unavailable"),
        ("google-status", 16, "auth"),
        ("google-mid", 8, "quota"),
        ("google-http", 401, "auth"),
        ("google-http", 429, "quota"),
        ("google-http", 503, "unavailable"),
        ("google-http", 200, "protocol"),
        ("google-hang", 0, "unavailable"),
        ("google-stall", 0, "unavailable"),
        ("google-half-message", 0, "protocol"),
    ];
    for options in apis() {
        for (name, with, code) in troubles {
            // A half message is two troubles after each other; the others do not pass.
            rig.sim.inject(name, with, if name == "google-half-message" { Some(1) } else { None });
            let heard = hears(&rig, options.clone(), MULAW, &recordings()[0]).await;
            assert_eq!(heard.outcome.code(), code, "{options}: {name}={with}: {:?}", heard.events);
            rig.sim.calm();
        }
    }
}

#[tokio::test]
async fn what_passes_costs_no_word() {
    let rig = listener().await;
    let troubles = [
        ("google-status", 14),
        ("google-status", 13),
        ("google-mid", 14),
        ("google-mid", 13),
        ("google-mid", 10),
        ("google-mid", 11),
        ("google-kill", 0),
        ("google-no-trailers", 0),
        ("google-life-ms", 1_500),
        ("google-life-ms", 2_900),
        ("google-life-ms", 5_100),
    ];
    for options in apis() {
        for (name, with) in troubles {
            rig.sim.inject(name, with, Some(1));
            let heard = hears(&rig, options.clone(), MULAW, &recordings()[0]).await;
            assert_eq!(heard.outcome.code(), "done", "{options}: {name}={with}: {:?}", heard.events);
            assert_eq!(heard.words(), recordings()[0].texts().join(" "), "{options}: {name}={with}");
            rig.sim.calm();
        }
    }
}

#[tokio::test]
async fn a_cut_at_any_message_costs_no_word() {
    let (rig, whole) = (listener().await, recordings()[0].texts().join(" "));
    for options in apis() {
        let mut done = Vec::new();
        for after in 1.. {
            rig.sim.inject("cut-after", after, Some(1));
            let heard = hears(&rig, options.clone(), MULAW, &recordings()[0]).await;
            let uncut = rig.sim.trouble_ahead("cut-after").is_some();
            rig.sim.calm();
            if uncut {
                break;
            }
            match heard.outcome.code() {
                "done" => assert_eq!(heard.words(), whole, "{options} after {after}"),
                code => {
                    assert_eq!(code, "unavailable", "{options} after {after}: {:?}", heard.events);
                    assert!(whole.starts_with(&heard.words()), "{options} after {after}: {:?}", heard.events);
                }
            }
            done.push(heard.outcome.code() == "done");
        }
        assert!(done.len() > 5, "{options}: there are more messages than that");
        assert!(done[..done.len() - 1].iter().all(|done| *done), "{options}: {done:?}");
    }
}

#[tokio::test]
async fn where_speech_begins_and_ends_is_told_once_also_by_a_second_stream() {
    let (rig, recording) = (listener().await, &recordings()[0]);
    for options in apis() {
        for trouble in ["", "google-kill", "google-no-trailers"] {
            rig.sim.inject(trouble, 0, Some(1));
            let heard = hears(&rig, options.clone(), MULAW, recording).await;
            rig.sim.calm();
            let places = |name: &str| -> Vec<u64> {
                let named = heard.events.iter().filter(|event| event["event"] == name);
                named.map(|event| event["ms"].as_u64().unwrap()).collect()
            };
            let (began, ended) = (places("speech-started"), places("speech-ended"));
            assert_eq!(began.len(), recording.phrases.len(), "{options} {trouble}: {:?}", heard.events);
            assert!(ended.len() <= began.len(), "{options} {trouble}: {:?}", heard.events);
            for (nth, phrase) in recording.phrases.iter().enumerate() {
                let (from_ms, to_ms) = (phrase[0].start_ms, phrase[phrase.len() - 1].end_ms);
                assert!(began[nth].abs_diff(from_ms) <= 100, "{options} {trouble}: {began:?} {from_ms}");
                assert!(ended.get(nth).is_none_or(|ms| ms.abs_diff(to_ms) <= 700), "{options} {trouble}: {ended:?} {to_ms}");
            }
        }
        let mut silent = options;
        silent["voice_activity"] = json!(false);
        let heard = hears(&rig, silent, MULAW, recording).await;
        let activity = |event: &&Value| event["event"].as_str().is_some_and(|name| name.starts_with("speech-"));
        assert_eq!(heard.events.iter().filter(activity).count(), 0);
    }
}

#[tokio::test]
async fn a_stream_that_google_hears_no_more_is_ended_and_the_next_hears_the_rest() {
    let (rig, whole) = (listener().await, recordings()[0].texts());
    let sound = recordings()[0].bytes(Format::MULAW).unwrap();
    // By hand: nobody ends the first turn.
    for options in [json!({ "single_utterance": true }), json!({ "speech_end_timeout_ms": 200 })] {
        let mut session = rig.open_stt(options.clone(), MULAW, "en-US").unwrap();
        let (first, rest) = sound.split_at(8 * 4_100);
        for chunk in first.chunks(800) {
            session.input.send(SttInput::Audio(chunk.to_vec())).await.unwrap();
        }
        loop {
            if let SttEvent::Final(said) = session.events.recv().await.unwrap() {
                assert_eq!(said.text, whole[0], "{options}");
                break;
            }
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
        for chunk in rest.chunks(800) {
            session.input.send(SttInput::Audio(chunk.to_vec())).await.unwrap();
        }
        session.input.send(SttInput::End).await.unwrap();
        assert_eq!(last_words(&mut session).await, (whole[1].clone(), SessionEnd::Done), "{options}");
    }
    assert_eq!(rig.sim.offences(), []);
}

/// All finals until the session ends, behind spaces.
async fn last_words(session: &mut SttSession) -> (String, SessionEnd) {
    let mut finals = Vec::new();
    loop {
        match tokio::time::timeout(Duration::from_secs(10), session.events.recv()).await.unwrap().unwrap() {
            SttEvent::Final(said) => finals.push(said.text.to_lowercase()),
            SttEvent::Ended(end) => return (finals.join(" "), *end),
            _ => {}
        }
    }
}

#[tokio::test]
async fn a_call_that_ends_at_any_chunk_is_done_with_what_was_said() {
    let (rig, whole) = (listener().await, recordings()[0].texts().join(" "));
    let sound = recordings()[0].bytes(Format::MULAW).unwrap();
    for options in apis() {
        for chunks in (0..=15).map(|nth| nth * 5) {
            let mut session = rig.open_stt(options.clone(), MULAW, "en-US").unwrap();
            for chunk in sound.chunks(800).take(chunks) {
                session.input.send(SttInput::Audio(chunk.to_vec())).await.unwrap();
            }
            session.input.send(SttInput::End).await.unwrap();
            let (heard, end) = last_words(&mut session).await;
            assert_eq!(end, SessionEnd::Done, "{options} after {chunks}");
            assert!(whole.starts_with(&heard), "{options} after {chunks}: {heard}");
            let said = recordings()[0].words_by(chunks as u64 * 100);
            assert!(heard.starts_with(&said), "{options} after {chunks}: {said:?} was said, {heard:?} was heard");
        }
    }
    assert_eq!(rig.sim.offences(), []);
}

#[tokio::test]
async fn a_call_that_ends_while_google_is_silent_is_not_waited_for_without_end() {
    let rig = listener().await;
    rig.sim.inject("google-hang", 0, None);
    for options in apis() {
        let mut session = rig.open_stt(options.clone(), MULAW, "en-US").unwrap();
        session.input.send(SttInput::Audio(recordings()[0].bytes(Format::MULAW).unwrap()[..8_000].to_vec())).await.unwrap();
        // Nobody says `finalize`, which has a limit of its own.
        session.input.send(SttInput::End).await.unwrap();
        assert_eq!(last_words(&mut session).await.1.code(), "unavailable", "{options}");
    }
}

#[tokio::test]
async fn a_call_without_sound_outlives_its_streams() {
    let (rig, whole) = (listener().await, recordings()[0].texts().join(" "));
    // In place of 10 s.
    rig.sim.inject("google-idle-ms", 600, None);
    let sound = recordings()[0].bytes(Format::MULAW).unwrap();
    for options in apis() {
        let mut session = rig.open_stt(options.clone(), MULAW, "en-US").unwrap();
        for half in sound.chunks(sound.len().div_ceil(2)) {
            tokio::time::sleep(Duration::from_millis(1_500)).await;
            for chunk in half.chunks(800) {
                session.input.send(SttInput::Audio(chunk.to_vec())).await.unwrap();
            }
        }
        session.input.send(SttInput::End).await.unwrap();
        assert_eq!(last_words(&mut session).await, (whole.clone(), SessionEnd::Done), "{options}");
    }
    assert_eq!(rig.sim.offences(), []);
}

#[tokio::test]
async fn fifty_calls_at_once_hear_their_own_words() {
    let rig = listener().await;
    let calls = (0..50).map(|nth| hears(&rig, json!({}), MULAW, &recordings()[nth % 2]));
    for (nth, heard) in futures_util::future::join_all(calls).await.into_iter().enumerate() {
        assert_eq!(heard.words(), recordings()[nth % 2].texts().join(" "), "{:?}", heard.events.last());
    }
    assert_eq!(rig.sim.offences(), []);
}

#[tokio::test]
async fn a_good_session_passes_the_conformance_kit() {
    let rig = listener().await;
    for options in apis() {
        let heard = hears(&rig, options, MULAW, &recordings()[0]).await;
        let faults = rig.conform(&heard.recording).unwrap();
        assert!(faults.is_empty(), "{}", faults.iter().map(|row| format!("{row}\n")).collect::<String>());
    }
}

async fn speaker() -> Rig {
    let mut rig = Rig::new("tts-google").await.unwrap();
    rig.account().unwrap();
    rig
}

const REPLIES: [&str; 2] = ["Good morning, how can I help you?", "One moment please."];

async fn speaks(rig: &Rig, options: Value, format: AudioFormat) -> Spoken {
    rig.speak(options, format, "en-US", &REPLIES).await.unwrap()
}

/// What the simulator's voice makes of the replies.
fn sound(rig: &Rig, format: AudioFormat) -> Vec<u8> {
    let coding = match format.encoding {
        Encoding::Mulaw => Coding::Mulaw,
        Encoding::Alaw => Coding::Alaw,
        Encoding::PcmS16le => Coding::Pcm,
    };
    let voice = rig.sim.voice(Format { coding, rate_hz: format.rate_hz });
    REPLIES.iter().flat_map(|reply| voice.speak(reply).samples).collect()
}

fn forms() -> [Value; 3] {
    [json!({}), json!({ "form": "unary" }), json!({ "form": "rest" })]
}

#[tokio::test]
async fn replies_are_spoken_whole_in_every_format_and_form() {
    let rig = speaker().await;
    for options in forms() {
        for format in [MULAW, ALAW, pcm(8000), pcm(16_000), pcm(24_000)] {
            let spoken = speaks(&rig, options.clone(), format).await;
            assert_eq!(spoken.outcome.code(), "done", "{options} {format:?}: {:?}", spoken.events.last());
            assert!(spoken.outcome.sound == sound(&rig, format), "{options} {format:?}");
        }
        let spoken = rig.speak(options.clone(), MULAW, "pt-BR", &["Ol\u{e1}, bom dia."]).await.unwrap();
        assert_eq!(spoken.outcome.code(), "done", "{options}: {:?}", spoken.events.last());
        let characters: u64 = spoken.events.iter().filter_map(|event| event["characters"].as_u64()).sum();
        assert_eq!(characters, 13, "{options}");
    }
    assert_eq!(rig.sim.offences(), []);
}

#[tokio::test]
async fn a_speakers_trouble_has_its_fault() {
    let rig = speaker().await;
    let troubles = [
        ("google-status", 3, "unsupported"),
        ("google-status", 7, "auth"),
        ("google-status", 8, "quota"),
        ("google-status", 14, "unavailable"),
        ("google-status", 16, "auth"),
        ("google-http", 401, "auth"),
        ("google-http", 429, "quota"),
        ("google-http", 503, "unavailable"),
        ("google-http", 200, "protocol"),
        ("google-mid", 13, "unavailable"),
        ("google-kill", 0, "unavailable"),
        ("google-stall", 0, "unavailable"),
        ("google-no-trailers", 0, "unavailable"),
        ("google-half-message", 0, "unavailable"),
        ("google-empty", 0, "empty-result"),
    ];
    for options in forms() {
        for (name, with, code) in troubles {
            let by_grpc = options["form"] != "rest";
            let is_of_streams = !["google-status", "google-http", "google-empty"].contains(&name);
            if !by_grpc && is_of_streams {
                continue;
            }
            rig.sim.inject(name, with, if name == "google-half-message" { Some(1) } else { None });
            let spoken = speaks(&rig, options.clone(), MULAW).await;
            assert_eq!(spoken.outcome.code(), code, "{options}: {name}={with}: {:?}", spoken.events.last());
            assert!(sound(&rig, MULAW).starts_with(&spoken.outcome.sound), "{options}: {name}={with}");
            rig.sim.calm();
        }
    }
}

#[tokio::test]
async fn what_passes_before_the_first_sound_costs_nothing() {
    let rig = speaker().await;
    for options in forms() {
        for (name, with) in [("google-status", 14), ("google-status", 13), ("google-http", 503)] {
            rig.sim.inject(name, with, Some(1));
            let spoken = speaks(&rig, options.clone(), MULAW).await;
            assert_eq!(spoken.outcome.code(), "done", "{options}: {name}={with}: {:?}", spoken.events.last());
            assert!(spoken.outcome.sound == sound(&rig, MULAW), "{options}: {name}={with}");
            rig.sim.calm();
        }
    }
}

#[tokio::test]
async fn a_speaker_that_is_cut_off_says_so() {
    let rig = speaker().await;
    let whole = sound(&rig, MULAW);
    for (options, messages) in forms().into_iter().zip([17, 2, 10]) {
        let mut cuts = 0;
        for after in 1.. {
            rig.sim.inject("cut-after", after, Some(1));
            let spoken = speaks(&rig, options.clone(), MULAW).await;
            let uncut = rig.sim.trouble_ahead("cut-after").is_some();
            rig.sim.calm();
            if uncut {
                break;
            }
            cuts += 1;
            assert!(whole.starts_with(&spoken.outcome.sound), "{options} after {after}");
            match spoken.outcome.code() {
                "done" => assert!(spoken.outcome.sound == whole, "{options} after {after}"),
                code => assert_eq!(code, "unavailable", "{options} after {after}: {:?}", spoken.events.last()),
            }
        }
        assert!(cuts >= messages, "{options}: there are more messages than {cuts}");
    }
    assert_eq!(rig.sim.offences(), []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reply_that_is_broken_off_at_any_event_is_silent_at_once_and_the_next_is_spoken() {
    let rig = speaker().await;
    let next = rig.sim.voice(Format::MULAW).speak(REPLIES[1]).samples;
    for options in forms() {
        for events in 0..14 {
            let uttered = rig.broken_off(options.clone(), MULAW, REPLIES, events).await.unwrap();
            assert_eq!(uttered.marks, [2], "{options} after {events}");
            assert!(uttered.sound == next, "{options} after {events}");
        }
    }
    assert_eq!(rig.sim.offences(), []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_owner_who_takes_nothing_for_longer_than_any_patience_hears_all_of_it() {
    let rig = speaker().await;
    let text = "word ".repeat(600);
    let whole = rig.sim.voice(Format::MULAW).speak(&text).samples;
    let calls = forms().map(|options| {
        let inputs = reply(&text, 1).into_iter().chain([TtsInput::End]);
        rig.taken_late(options, MULAW, inputs, Duration::from_millis(7_500), [])
    });
    for uttered in futures_util::future::join_all(calls).await {
        let uttered = uttered.unwrap();
        assert_eq!(uttered.marks, [1]);
        assert!(uttered.sound == whole, "{} bytes", uttered.sound.len());
    }
}

#[tokio::test]
async fn fifty_speakers_at_once_say_their_own_text() {
    let rig = speaker().await;
    let wanted = sound(&rig, MULAW);
    let calls = (0..50).map(|_| speaks(&rig, json!({}), MULAW));
    for spoken in futures_util::future::join_all(calls).await {
        assert_eq!(spoken.outcome.code(), "done", "{:?}", spoken.events.last());
        assert!(spoken.outcome.sound == wanted);
    }
    assert_eq!(rig.sim.offences(), []);
}

#[tokio::test]
async fn a_speakers_good_session_passes_the_conformance_kit() {
    let rig = speaker().await;
    for options in forms() {
        let spoken = speaks(&rig, options.clone(), MULAW).await;
        let faults = rig.conform(&spoken.recording).unwrap();
        assert!(faults.is_empty(), "{options}:\n{}", faults.iter().map(|row| format!("{row}\n")).collect::<String>());
    }
}
