//! `stt-aws` and `tts-polly` against Amazon's simulators.

#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "a broken test stops; nobody reads its items")]

use serde_json::{Value, json};
use std::time::Duration;
use vg_plugin_host::api::{AudioFormat, Encoding, SttInput};
use vg_plugin_host::session::{SessionEnd, SttEvent};
use vg_plugin_kit::run::Pace;
use vg_sim::{Coding, Format, Listened, Recording, Rig, Spoken, Voice, pcm, recordings, reply};

const MULAW: AudioFormat = AudioFormat { encoding: Encoding::Mulaw, rate_hz: 8000 };
const ALAW: AudioFormat = AudioFormat { encoding: Encoding::Alaw, rate_hz: 8000 };
const WAYS: [&str; 2] = ["http2", "websocket"];
const KEY_ID: &str = "AKIDEXAMPLE";
const KEY: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
const REPLY: &str = "Good morning, how can I help you?";

async fn rig(plugin: &str) -> Rig {
    let mut rig = Rig::new(plugin).await.unwrap();
    rig.account().unwrap();
    rig
}

/// Other credentials of the account.
fn credentials(rig: &mut Rig, service: &str, key: &str, token: Option<&str>) {
    let value = json!({ "access_key_id": KEY_ID, "secret_access_key": key, "session_token": token });
    let reference = rig.file("credentials", &value.to_string()).unwrap();
    let spec = json!({ "kind": "aws-credentials", "ref": reference, "regions": ["us-east-1"], "service": service });
    rig.secret_spec("aws", spec).unwrap();
}

mod transcribe {
    use super::*;

    async fn hears(rig: &Rig, options: Value, format: AudioFormat, recording: &Recording) -> Listened {
        rig.listen(options, format, &recording.language, &recording.samples(format.rate_hz)).await.unwrap()
    }

    fn whole(recording: &Recording) -> String {
        recording.texts().join(" ")
    }

    #[tokio::test]
    async fn words_are_heard_in_every_format_language_and_way_each_once() {
        let rig = rig("stt-aws").await;
        for way in WAYS {
            for recording in recordings() {
                for format in [MULAW, ALAW, pcm(8000), pcm(16_000)] {
                    let heard = hears(&rig, json!({ "transport": way }), format, recording).await;
                    assert_eq!(heard.outcome.code(), "done", "{way} {format:?}: {:?}", heard.events);
                    assert_eq!(heard.words(), whole(recording), "{way} {format:?}");
                    assert!(!heard.partials().is_empty());
                    let usage = heard.events.iter().find(|event| event["event"] == "usage").unwrap();
                    let ms = usage["audio_ms"].as_u64().unwrap();
                    assert!(ms.abs_diff(recording.samples(8000).len() as u64 / 8) <= 20, "{ms}");
                }
            }
        }
        assert_eq!(rig.sim.offences(), []);
    }

    #[tokio::test]
    async fn a_call_in_its_own_time_has_its_turns_and_places() {
        let rig = rig("stt-aws").await;
        let recording = &recordings()[0];
        for way in WAYS {
            let options = json!({ "transport": way, "stability": "high" });
            let heard = rig.listen_at(Pace::RealTime, options, MULAW, "en-US", &recording.samples(8000)).await.unwrap();
            assert_eq!(heard.words(), whole(recording), "{:?}", heard.events);
            let order: Vec<&str> = heard.events.iter().filter_map(|event| event["event"].as_str()).collect();
            let first = order.iter().position(|name| *name == "finalized").unwrap();
            assert_eq!(order[..first].iter().filter(|name| **name == "final").count(), 1, "{order:?}");
            let said = heard.events.iter().find(|event| event["event"] == "final").unwrap();
            assert!(said["words"][0]["start_ms"].as_u64().unwrap().abs_diff(400) <= 40, "{said}");
        }
    }

    #[tokio::test]
    async fn the_language_is_found_out() {
        let rig = rig("stt-aws").await;
        let options =
            json!({ "identify_language": "one", "language_options": ["en-US", "pt-BR"], "preferred_language": "pt-BR" });
        for recording in recordings() {
            let heard = hears(&rig, options.clone(), pcm(8000), recording).await;
            assert_eq!(heard.words(), whole(recording), "{:?}", heard.events);
            let said = heard.events.iter().find(|event| event["event"] == "final").unwrap();
            assert_eq!(said["language"], recording.language.as_str());
        }
        assert_eq!(rig.sim.offences(), []);
    }

    #[tokio::test]
    async fn temporary_credentials_are_good_until_they_expire() {
        let mut rig = rig("stt-aws").await;
        for way in WAYS {
            for (key, token, code) in [
                (KEY, Some("FwoGZXIvYXdzEXAMPLETOKEN=="), "done"),
                (KEY, Some("FwoGZXIvYXdzEXPIREDTOKEN=="), "auth"),
                (KEY, Some("another"), "auth"),
                ("another", None, "auth"),
            ] {
                credentials(&mut rig, "transcribe", key, token);
                let heard = hears(&rig, json!({ "transport": way }), MULAW, &recordings()[0]).await;
                assert_eq!(heard.outcome.code(), code, "{way} {token:?}: {:?}", heard.events);
            }
        }
        assert_eq!(rig.sim.offences().len(), 6);
    }

    #[tokio::test]
    async fn every_trouble_has_its_fault() {
        let rig = rig("stt-aws").await;
        let troubles = [
            ("aws-http", 400, "invalid-options"),
            ("aws-http", 403, "auth"),
            ("aws-denied", 0, "auth"),
            ("aws-expired", 0, "auth"),
            ("aws-bad-signature", 0, "auth"),
            ("aws-throttled", 0, "quota"),
            ("aws-http", 409, "unavailable"),
            ("aws-http", 429, "quota"),
            ("aws-exception", 0, "unavailable"),
            ("aws-exception", 1, "quota"),
            ("aws-exception", 2, "unavailable"),
            ("aws-exception", 3, "protocol"),
            ("aws-exception", 4, "unavailable"),
            ("aws-exception", 5, "unavailable"),
            ("aws-error", 0, "unavailable"),
            ("aws-bad-checksum", 0, "protocol"),
            ("aws-reset", 0, "unavailable"),
            ("aws-end", 0, "unavailable"),
            ("aws-kill", 0, "unavailable"),
            ("aws-stall", 0, "unavailable"),
        ];
        for way in WAYS {
            for (name, with, code) in troubles {
                rig.sim.inject(name, with, Some(1));
                let heard = hears(&rig, json!({ "transport": way }), MULAW, &recordings()[0]).await;
                assert_eq!(heard.outcome.code(), code, "{way}: {name}={with}: {:?}", heard.events);
                rig.sim.calm();
            }
            // Twice: once is forgiven.
            for status in [500, 503] {
                rig.sim.inject("aws-http", status, Some(2));
                let heard = hears(&rig, json!({ "transport": way }), MULAW, &recordings()[0]).await;
                assert_eq!(heard.outcome.code(), "unavailable", "{way}: {status}: {:?}", heard.events);
                rig.sim.inject("aws-http", status, Some(1));
                // On a busy machine all the sound twice takes longer than a caller would wait for a final.
                let patient = json!({ "transport": way, "finalize_wait_ms": 8000 });
                let heard = hears(&rig, patient, MULAW, &recordings()[0]).await;
                assert_eq!(heard.words(), whole(&recordings()[0]), "{way}: {status}: {:?}", heard.events);
                rig.sim.calm();
            }
            rig.sim.inject("aws-no-head", 0, Some(1));
            let heard = hears(&rig, json!({ "transport": way }), MULAW, &recordings()[0]).await;
            assert_eq!(heard.outcome.code(), "unavailable", "{way}: {:?}", heard.events);
        }
        assert_eq!(rig.sim.offences(), []);
    }

    #[tokio::test]
    async fn a_quiet_call_is_not_ended_by_the_service() {
        let rig = rig("stt-aws").await;
        rig.sim.inject("aws-idle-ms", 6_000, None);
        for way in WAYS {
            let mut session = rig.open_stt(json!({ "transport": way }), pcm(8000), "en-US").unwrap();
            tokio::time::sleep(Duration::from_millis(7_500)).await;
            let sound = recordings()[0].bytes(Format::pcm(8000)).unwrap();
            for piece in sound.chunks(1_600) {
                session.input.send(SttInput::Audio(piece.to_vec())).await.unwrap();
            }
            session.input.send(SttInput::End).await.unwrap();
            let mut finals = Vec::new();
            while let Some(event) = session.events.recv().await {
                if let SttEvent::Final(said) = event {
                    finals.push(said);
                }
            }
            assert_eq!(finals.len(), 2, "{way}");
            assert!(finals[0].start_ms.abs_diff(400) <= 40, "silence of ours is no time of the call: {}", finals[0].start_ms);
        }
        assert_eq!(rig.sim.offences(), []);
    }

    #[tokio::test]
    async fn a_call_that_ends_at_any_chunk_is_done_with_what_was_said() {
        let rig = rig("stt-aws").await;
        let sound = recordings()[0].bytes(Format::pcm(8000)).unwrap();
        for way in WAYS {
            for chunks in (0..=15).map(|nth| nth * 5) {
                let mut session = rig.open_stt(json!({ "transport": way }), pcm(8000), "en-US").unwrap();
                for chunk in sound.chunks(1_600).take(chunks) {
                    session.input.send(SttInput::Audio(chunk.to_vec())).await.unwrap();
                }
                session.input.send(SttInput::End).await.unwrap();
                let mut finals = Vec::new();
                let end = loop {
                    match tokio::time::timeout(Duration::from_secs(10), session.events.recv()).await.unwrap().unwrap() {
                        SttEvent::Final(said) => finals.push(said.text.to_lowercase().replace(['.', ',', '?'], "")),
                        SttEvent::Ended(end) => break *end,
                        _ => {}
                    }
                };
                assert_eq!(end, SessionEnd::Done, "{way} after {chunks}");
                let heard = finals.join(" ");
                assert!(whole(&recordings()[0]).starts_with(&heard), "{way} after {chunks}: {heard}");
                let said = recordings()[0].words_by(chunks as u64 * 100);
                assert!(heard.starts_with(&said), "{way} after {chunks}: {said:?} was said, {heard:?} was heard");
            }
        }
        assert_eq!(rig.sim.offences(), []);
    }

    #[tokio::test]
    async fn a_cut_at_any_message_is_a_fault_and_invents_no_word() {
        let rig = rig("stt-aws").await;
        for way in WAYS {
            let said = hears(&rig, json!({ "transport": way }), MULAW, &recordings()[0]).await.finals();
            for after in 1..=60 {
                rig.sim.inject("cut-after", after, Some(1));
                let heard = hears(&rig, json!({ "transport": way }), MULAW, &recordings()[0]).await;
                let uncut = rig.sim.trouble_ahead("cut-after").is_some();
                rig.sim.calm();
                if uncut {
                    assert!(after > 5, "{way}: there are more messages than that");
                    break;
                }
                assert_eq!(heard.outcome.code(), "unavailable", "{way} after {after}: {:?}", heard.events);
                assert!(said.starts_with(&heard.finals()), "{way} after {after}: {:?}", heard.finals());
            }
        }
    }

    #[tokio::test]
    async fn fifty_calls_at_once_hear_their_own_words() {
        let rig = rig("stt-aws").await;
        let calls = (0..50).map(|nth| hears(&rig, json!({ "transport": WAYS[nth / 2 % 2] }), MULAW, &recordings()[nth % 2]));
        for (nth, heard) in futures_util::future::join_all(calls).await.into_iter().enumerate() {
            assert_eq!(heard.words(), whole(&recordings()[nth % 2]), "{:?}", heard.events.last());
        }
        assert_eq!(rig.sim.offences(), []);
    }

    #[tokio::test]
    async fn a_good_session_passes_the_conformance_kit() {
        let rig = rig("stt-aws").await;
        for way in WAYS {
            let heard = hears(&rig, json!({ "transport": way }), pcm(8000), &recordings()[0]).await;
            let faults = rig.conform(&heard.recording).unwrap();
            assert!(faults.is_empty(), "{way}\n{}", faults.iter().map(|row| format!("{row}\n")).collect::<String>());
        }
    }
}

mod polly {
    use super::*;
    use vg_plugin_host::api::TtsInput;

    const STREAM: &str = r#"{"mode":"stream","engine":"generative"}"#;

    fn ways() -> [Value; 3] {
        [json!({}), json!({ "word_times": true }), serde_json::from_str(STREAM).unwrap()]
    }

    async fn says(rig: &Rig, options: Value, format: AudioFormat, replies: &[&str]) -> Spoken {
        rig.speak(options, format, "en-US", replies).await.unwrap()
    }

    fn sound(format: AudioFormat, text: &str) -> Vec<u8> {
        let coding = match format.encoding {
            Encoding::Mulaw => Coding::Mulaw,
            Encoding::Alaw => Coding::Alaw,
            Encoding::PcmS16le => Coding::Pcm,
        };
        Voice::Scripted(Format { coding, rate_hz: format.rate_hz }).speak(text).samples
    }

    #[tokio::test]
    async fn replies_are_spoken_whole_in_every_format_and_language() {
        let rig = rig("tts-polly").await;
        for options in ways() {
            for format in [MULAW, ALAW, pcm(8000), pcm(16_000)] {
                let spoken = says(&rig, options.clone(), format, &[REPLY, "One moment please."]).await;
                assert_eq!(spoken.outcome.code(), "done", "{options} {format:?}: {:?}", spoken.events);
                let expected = [sound(format, REPLY), sound(format, "One moment please.")].concat();
                assert!(spoken.outcome.sound == expected, "{options} {format:?}: {} bytes", spoken.outcome.sound.len());
                let characters: u64 = spoken.events.iter().filter_map(|event| event["characters"].as_u64()).sum();
                let times = if options["word_times"] == true { 2 } else { 1 };
                assert_eq!(characters, times * (REPLY.len() + "One moment please.".len()) as u64);
            }
        }
        for language in ["pt-BR", "es-ES", "es-US", "es-MX"] {
            let spoken = rig.speak(json!({}), MULAW, language, &["Olá, tudo bem?"]).await.unwrap();
            assert!(spoken.outcome.sound == sound(MULAW, "Olá, tudo bem?"), "{language}: {:?}", spoken.events);
        }
        assert_eq!(rig.sim.offences(), []);
    }

    #[tokio::test]
    async fn words_have_their_places_in_the_sound_of_all_replies() {
        let rig = rig("tts-polly").await;
        let spoken = says(&rig, json!({ "word_times": true }), MULAW, &[REPLY, "One moment please."]).await;
        let words: Vec<(String, u64)> = spoken
            .events
            .iter()
            .filter(|event| event["event"] == "word")
            .map(|event| (event["text"].as_str().unwrap().to_owned(), event["start_ms"].as_u64().unwrap()))
            .collect();
        let all = ["Good", "morning", "how", "can", "I", "help", "you", "One", "moment", "please"];
        let expected: Vec<(String, u64)> =
            all.iter().enumerate().map(|(nth, word)| ((*word).to_owned(), nth as u64 * 200)).collect();
        assert_eq!(words, expected);
        rig.sim.inject("polly-no-marks", 0, None);
        let spoken = says(&rig, json!({ "word_times": true }), MULAW, &[REPLY]).await;
        assert_eq!((spoken.outcome.code(), spoken.words().len()), ("done", 0));
        assert!(spoken.outcome.sound == sound(MULAW, REPLY));
    }

    #[tokio::test]
    async fn ssml_and_lexicons_are_taken_and_wrong_ones_refused() {
        let rig = rig("tts-polly").await;
        let ssml = "<speak>Good <break time=\"1s\"/>morning.</speak>";
        for mut options in ways() {
            options["lexicons"] = json!(["lexa", "lexb"]);
            let spoken = says(&rig, options.clone(), MULAW, &[ssml]).await;
            assert_eq!(spoken.outcome.code(), "done", "{options}: {:?}", spoken.events);
            assert!(spoken.outcome.sound == sound(MULAW, "Good morning."));
            options["lexicons"] = json!(["none"]);
            assert_eq!(says(&rig, options, MULAW, &[REPLY]).await.outcome.code(), "invalid-options");
        }
        for (options, text) in [
            (json!({}), "<speak>Good <b>morning.</speak>"),
            (json!({ "voice": "Nobody" }), REPLY),
            (json!({ "engine": "long-form", "voice": "Joanna" }), REPLY),
        ] {
            let spoken = says(&rig, options.clone(), MULAW, &[text]).await;
            assert_eq!(spoken.outcome.code(), "invalid-options", "{options} {text}: {:?}", spoken.events);
        }
    }

    #[tokio::test]
    async fn credentials_are_checked() {
        let mut rig = rig("tts-polly").await;
        for options in ways() {
            for (key, token, code) in [
                (KEY, Some("FwoGZXIvYXdzEXAMPLETOKEN=="), "done"),
                (KEY, Some("FwoGZXIvYXdzEXPIREDTOKEN=="), "auth"),
                ("another", None, "auth"),
            ] {
                credentials(&mut rig, "polly", key, token);
                let spoken = says(&rig, options.clone(), MULAW, &[REPLY]).await;
                assert_eq!(spoken.outcome.code(), code, "{options} {token:?}: {:?}", spoken.events);
            }
        }
    }

    #[tokio::test]
    async fn every_trouble_has_its_fault() {
        let rig = rig("tts-polly").await;
        let at_the_door = [
            ("aws-http", 400, "protocol"),
            ("aws-http", 402, "quota"),
            ("aws-http", 403, "auth"),
            ("aws-http", 404, "invalid-options"),
            ("aws-http", 429, "quota"),
            ("aws-denied", 0, "auth"),
            ("aws-expired", 0, "auth"),
            ("aws-bad-signature", 0, "auth"),
            ("aws-throttled", 0, "quota"),
            ("aws-no-head", 0, "unavailable"),
        ];
        let requests = [
            ("polly-html", 0, "protocol"),
            ("polly-empty", 0, "empty-result"),
            ("polly-cut", 0, "unavailable"),
            ("polly-stall", 0, "unavailable"),
        ];
        let streams = [
            ("aws-exception", 0, "unavailable"),
            ("aws-exception", 6, "quota"),
            ("aws-exception", 7, "quota"),
            ("aws-exception", 8, "invalid-options"),
            ("aws-exception", 9, "unavailable"),
            ("aws-error", 0, "unavailable"),
            ("aws-bad-checksum", 0, "protocol"),
            ("aws-reset", 0, "unavailable"),
            ("aws-end", 0, "unavailable"),
            ("aws-kill", 0, "unavailable"),
            ("aws-stall", 0, "unavailable"),
            ("polly-no-close", 0, "unavailable"),
        ];
        let stream: Value = serde_json::from_str(STREAM).unwrap();
        for (options, own) in [(json!({}), &requests[..]), (stream, &streams[..])] {
            for (name, with, code) in at_the_door.iter().chain(own) {
                rig.sim.inject(name, *with, Some(1));
                let spoken = says(&rig, options.clone(), pcm(8000), &[REPLY]).await;
                assert_eq!(spoken.outcome.code(), *code, "{options}: {name}={with}: {:?}", spoken.events);
                assert!(sound(pcm(8000), REPLY).starts_with(&spoken.outcome.sound));
                rig.sim.calm();
            }
            for status in [500, 503] {
                rig.sim.inject("aws-http", status, Some(2));
                assert_eq!(says(&rig, options.clone(), MULAW, &[REPLY]).await.outcome.code(), "unavailable", "{status}");
                rig.sim.inject("aws-http", status, Some(1));
                assert_eq!(
                    says(&rig, options.clone(), MULAW, &[REPLY]).await.outcome.code(),
                    "done",
                    "{status}: once is forgiven"
                );
                rig.sim.calm();
            }
        }
        assert_eq!(rig.sim.offences(), []);
    }

    #[tokio::test]
    async fn a_cut_at_any_piece_is_a_fault_and_invents_no_sound() {
        let rig = rig("tts-polly").await;
        let whole = sound(MULAW, REPLY);
        for options in [json!({}), serde_json::from_str(STREAM).unwrap()] {
            for after in 1..=60 {
                rig.sim.inject("cut-after", after, Some(1));
                let spoken = says(&rig, options.clone(), MULAW, &[REPLY]).await;
                let uncut = rig.sim.trouble_ahead("cut-after").is_some();
                rig.sim.calm();
                if uncut {
                    assert!(after > 10, "{options}: there are more pieces than that");
                    break;
                }
                // Cut behind the last of it everything is there.
                let all = spoken.outcome.sound == whole && spoken.outcome.code() == "done";
                assert!(all || spoken.outcome.code() == "unavailable", "{options} after {after}: {:?}", spoken.events);
                assert!(whole.starts_with(&spoken.outcome.sound), "{options} after {after}");
            }
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn nothing_is_heard_after_a_cancel_at_any_step_and_the_next_reply_is_spoken() {
        let rig = rig("tts-polly").await;
        let next = "One moment please.";
        for options in ways() {
            for events in 0..14 {
                let uttered = rig.broken_off(options.clone(), MULAW, [REPLY, next], events).await.unwrap();
                assert_eq!(uttered.marks, [2], "{options} after {events}");
                assert!(uttered.sound == sound(MULAW, next), "{options} after {events}");
            }
        }
        assert_eq!(rig.sim.offences(), []);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn an_owner_who_takes_nothing_for_longer_than_any_patience_hears_all_of_it() {
        let rig = rig("tts-polly").await;
        let text = "word ".repeat(500);
        let calls = ways().map(|options| {
            let inputs = reply(&text, 1).into_iter().chain([TtsInput::End]);
            rig.taken_late(options, MULAW, inputs, Duration::from_millis(6_500), [])
        });
        for uttered in futures_util::future::join_all(calls).await {
            let uttered = uttered.unwrap();
            assert_eq!(uttered.marks, [1]);
            assert!(uttered.sound == sound(MULAW, &text), "{} bytes", uttered.sound.len());
        }
    }

    #[tokio::test]
    async fn fifty_replies_at_once_are_spoken_whole() {
        let rig = rig("tts-polly").await;
        let replies = (0..50).map(|nth| says(&rig, ways()[nth % 3].clone(), MULAW, &[REPLY]));
        for spoken in futures_util::future::join_all(replies).await {
            assert!(spoken.outcome.sound == sound(MULAW, REPLY), "{:?}", spoken.events.last());
        }
        assert_eq!(rig.sim.offences(), []);
    }

    #[tokio::test]
    async fn a_good_session_passes_the_conformance_kit() {
        let rig = rig("tts-polly").await;
        for options in ways() {
            for format in [MULAW, pcm(16_000)] {
                let spoken = says(&rig, options.clone(), format, &[REPLY, "One moment please."]).await;
                let faults = rig.conform(&spoken.recording).unwrap();
                assert!(faults.is_empty(), "{options}\n{}", faults.iter().map(|row| format!("{row}\n")).collect::<String>());
            }
        }
    }
}
