//! `stt-whisper` and `tts-openai` against OpenAI's simulator.

#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "a broken test stops; nobody reads its items")]

use serde_json::{Value, json};
use std::time::Duration;
use vg_plugin_host::api::{AudioFormat, Encoding, SpeechEdge, SttInput, TtsInput};
use vg_plugin_host::session::{SessionEnd, SttEvent};
use vg_sim::{Format, Listened, Recording, Rig, Spoken, pcm, recordings, reply};

const MULAW: AudioFormat = AudioFormat { encoding: Encoding::Mulaw, rate_hz: 8000 };
const ALAW: AudioFormat = AudioFormat { encoding: Encoding::Alaw, rate_hz: 8000 };
const REPLIES: [&str; 2] = ["Good morning, how can I help you today? I am here for you.", "One moment please."];

async fn rig(name: &str) -> Rig {
    let mut rig = Rig::new(name).await.unwrap();
    rig.account().unwrap();
    rig
}

async fn hears(rig: &Rig, options: &Value, format: AudioFormat, recording: &Recording) -> Listened {
    rig.listen(options.clone(), format, &recording.language, &recording.samples(format.rate_hz)).await.unwrap()
}

async fn speaks(rig: &Rig, options: &Value, format: AudioFormat) -> Spoken {
    rig.speak(options.clone(), format, "en-US", &REPLIES).await.unwrap()
}

/// Every way to be asked.
fn ways() -> Vec<Value> {
    vec![
        json!({}),
        json!({ "model": "whisper-1", "response": "verbose_json" }),
        json!({ "model": "gpt-4o-transcribe", "response": "stream", "confidence": true }),
        json!({ "mode": "realtime" }),
        json!({ "mode": "realtime", "turns": "server_vad", "model": "gpt-4o-transcribe" }),
        json!({ "mode": "realtime", "turns": "semantic_vad", "protocol": "beta", "model": "gpt-4o-transcribe" }),
        json!({ "mode": "realtime", "protocol": "beta", "model": "gpt-4o-mini-transcribe" }),
    ]
}

fn texts(recording: &Recording) -> String {
    recording.texts().join(" ")
}

#[tokio::test]
async fn words_are_heard_in_every_way_format_and_language_each_once() {
    let rig = rig("stt-whisper").await;
    for options in ways() {
        for recording in recordings() {
            for format in [MULAW, ALAW, pcm(8000), pcm(16_000), pcm(24_000)] {
                let heard = hears(&rig, &options, format, recording).await;
                let of = format!("{options} {format:?} {}", recording.name);
                assert_eq!(heard.outcome.code(), "done", "{of}: {:?}", heard.events);
                assert_eq!(heard.words(), texts(recording), "{of}");
                assert!(heard.events.iter().any(|event| event["event"] == "usage"), "{of}");
                assert_eq!(
                    !heard.partials().is_empty(),
                    options["mode"] == "realtime" || options["response"] == "stream",
                    "{of}"
                );
            }
        }
    }
    assert_eq!(rig.sim.offences(), []);
}

#[tokio::test]
async fn words_have_times_and_finals_their_place() {
    let rig = rig("stt-whisper").await;
    let recording = &recordings()[0];
    for options in ways() {
        let heard = hears(&rig, &options, MULAW, recording).await;
        let finals: Vec<&Value> = heard.events.iter().filter(|event| event["event"] == "final").collect();
        assert_eq!(finals.len(), 2, "{options}: {:?}", heard.events);
        for (heard, phrase) in finals.iter().zip(&recording.phrases) {
            let ms = |name: &str| heard[name].as_u64().unwrap();
            let (start_ms, end_ms) = (phrase[0].start_ms, phrase.last().unwrap().end_ms);
            assert!(ms("start_ms").abs_diff(start_ms) < 700 && ms("end_ms").abs_diff(end_ms) < 700, "{options}: {heard}");
            if options["response"] == "verbose_json" {
                let word = &heard["words"][1];
                assert!(word["start_ms"].as_u64().unwrap().abs_diff(phrase[1].start_ms) <= 20, "{heard}");
            }
        }
    }
}

#[tokio::test]
async fn every_trouble_of_a_request_has_its_fault() {
    let rig = rig("stt-whisper").await;
    let always = [
        ("openai-http", 400, "bad-audio"),
        ("openai-http", 401, "auth"),
        ("openai-http", 403, "auth"),
        ("openai-http", 404, "invalid-options"),
        ("openai-http", 408, "unavailable"),
        ("openai-http", 413, "bad-audio"),
        ("openai-http", 422, "bad-audio"),
        ("openai-http", 429, "quota"),
        ("openai-http", 500, "unavailable"),
        ("openai-http", 503, "unavailable"),
        ("openai-quota", 0, "quota"),
        ("openai-rate", 7000, "quota"),
        ("openai-no-retry", 0, "unavailable"),
        ("openai-html", 0, "protocol"),
        ("openai-kill", 0, "unavailable"),
    ];
    let stream = [
        ("openai-kill", 2, "unavailable"),
        ("openai-stall", 2, "unavailable"),
        ("openai-sse-error", 2, "unavailable"),
        ("openai-no-end", 0, "unavailable"),
    ];
    let streaming = json!({ "model": "gpt-4o-transcribe", "response": "stream" });
    let cases = always.into_iter().map(|case| (json!({}), case)).chain(stream.into_iter().map(|case| (streaming.clone(), case)));
    for (options, (name, with, code)) in cases {
        rig.sim.inject(name, with, None);
        let heard = hears(&rig, &options, MULAW, &recordings()[0]).await;
        assert_eq!(heard.outcome.code(), code, "{name}={with}: {:?}", heard.events);
        assert!(heard.finals().is_empty(), "{name}={with}");
        rig.sim.calm();
    }
    // What passes is not noticed, but for a moment.
    for (name, with) in [("openai-http", 500), ("openai-rate", 200), ("openai-kill", 0)] {
        rig.sim.inject(name, with, Some(1));
        let heard = hears(&rig, &json!({}), MULAW, &recordings()[0]).await;
        assert_eq!(heard.words(), texts(&recordings()[0]), "{name}={with}: {:?}", heard.events);
        rig.sim.calm();
    }
    assert_eq!(rig.sim.offences(), []);
}

#[tokio::test]
async fn every_trouble_of_a_live_session_has_its_fault() {
    let rig = rig("stt-whisper").await;
    let (host, server) =
        (json!({ "mode": "realtime" }), json!({ "mode": "realtime", "turns": "server_vad", "model": "gpt-4o-transcribe" }));
    let troubles = [
        ("openai-http", 401, "auth"),
        ("openai-http", 429, "quota"),
        ("openai-http", 503, "unavailable"),
        ("openai-quota", 0, "quota"),
        ("openai-rate", 7000, "quota"),
        ("openai-kill", 0, "unavailable"),
        ("openai-bad-session", 0, "unsupported"),
        ("openai-transcription-failed", 1, "unavailable"),
        ("openai-error", 0, "unavailable"),
        ("openai-close", 1011, "unavailable"),
        ("openai-kill", 8, "unavailable"),
        ("openai-stall", 8, "unavailable"),
    ];
    for options in [&host, &server] {
        for (name, with, code) in troubles {
            rig.sim.inject(name, with, None);
            let heard = hears(&rig, options, MULAW, &recordings()[0]).await;
            assert_eq!(heard.outcome.code(), code, "{options} {name}={with}: {:?}", heard.events);
            assert!(heard.finals().is_empty(), "{options} {name}={with}");
            rig.sim.calm();
        }
        for (name, with) in [("openai-http", 503), ("openai-rate", 200), ("openai-unknown", 0), ("openai-swap", 0)] {
            rig.sim.inject(name, with, Some(1));
            let heard = hears(&rig, options, MULAW, &recordings()[0]).await;
            assert_eq!(heard.words(), texts(&recordings()[0]), "{options} {name}={with}: {:?}", heard.events);
            rig.sim.calm();
        }
        rig.sim.inject("openai-transcription-failed", 0, Some(1));
        let heard = hears(&rig, options, MULAW, &recordings()[0]).await;
        assert_eq!(heard.finals(), [recordings()[0].texts()[1].clone()], "{options}: {:?}", heard.events);
        rig.sim.calm();
        rig.sim.inject("openai-expired", 0, None);
        let heard = hears(&rig, options, MULAW, &recordings()[0]).await;
        assert_eq!(heard.outcome.code(), "session-limit", "{options}: {:?}", heard.events);
        rig.sim.calm();
    }
    // What a connection takes along is said again on the next, where the gateway cuts.
    for (name, with) in
        [("openai-error", 0), ("openai-close", 1011), ("openai-kill", 8), ("openai-kill", 12), ("openai-expired", 0)]
    {
        rig.sim.inject(name, with, Some(1));
        let heard = hears(&rig, &host, MULAW, &recordings()[0]).await;
        assert_eq!(heard.words(), texts(&recordings()[0]), "{name}={with}: {:?}", heard.events);
        rig.sim.calm();
    }
    assert_eq!(rig.sim.offences(), []);
}

#[tokio::test]
async fn a_wrong_key_is_refused_and_a_server_of_ones_own_needs_none() {
    let mut rig = rig("stt-whisper").await;
    rig.secret("api_key", "wrong").unwrap();
    for options in [json!({}), json!({ "mode": "realtime" }), json!({ "keyless": true })] {
        let heard = hears(&rig, &options, MULAW, &recordings()[0]).await;
        assert_eq!(heard.outcome.code(), "auth", "{:?}", heard.events);
    }
    assert!(rig.sim.offences().iter().all(|offence| offence.what == "the key is not known"));
}

#[tokio::test]
async fn a_cut_at_any_message_is_made_good_or_a_fault_and_invents_no_word() {
    let rig = rig("stt-whisper").await;
    for options in [json!({ "model": "gpt-4o-transcribe", "response": "stream" }), json!({ "mode": "realtime" })] {
        let said = hears(&rig, &options, MULAW, &recordings()[0]).await.finals();
        for after in 1..=60 {
            rig.sim.inject("cut-after", after, Some(1));
            let heard = hears(&rig, &options, MULAW, &recordings()[0]).await;
            let uncut = rig.sim.trouble_ahead("cut-after").is_some();
            rig.sim.calm();
            if uncut {
                assert!(after > 5, "{options}: there are more messages than that");
                break;
            }
            let whole = heard.outcome.code() == "done" && heard.finals() == said;
            assert!(whole || heard.outcome.code() == "unavailable", "{options} after {after}: {:?}", heard.events);
            assert!(said.starts_with(&heard.finals()), "{options} after {after}: {:?}", heard.finals());
        }
    }
    assert_eq!(rig.sim.offences(), []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_ends_at_any_moment_is_over_at_once_with_what_was_said() {
    let rig = rig("stt-whisper").await;
    let recording = &recordings()[0];
    let (sound, whole) = (recording.bytes(Format::MULAW).unwrap(), texts(recording));
    for options in ways() {
        for pieces in [0, 1, 8, 20, 45, 75] {
            let mut session = rig.open_stt(options.clone(), MULAW, "en-US").unwrap();
            if pieces > 0 {
                session.input.send(SttInput::Edge(SpeechEdge::Started(0))).await.unwrap();
            }
            for piece in sound.chunks(800).take(pieces) {
                session.input.send(SttInput::Audio(piece.to_vec())).await.unwrap();
            }
            session.input.send(SttInput::End).await.unwrap();
            let ended = async {
                let mut heard = Vec::new();
                loop {
                    match session.events.recv().await.unwrap() {
                        SttEvent::Final(said) => heard.push(said.text.to_lowercase().replace(['.', ',', '?', '!'], "")),
                        SttEvent::Ended(end) => return (heard.join(" "), *end),
                        _ => {}
                    }
                }
            };
            let ended = tokio::time::timeout(Duration::from_secs(5), ended).await;
            let (heard, end) = ended.unwrap_or_else(|_| panic!("{options} after {pieces}"));
            assert_eq!(end, SessionEnd::Done, "{options} after {pieces}");
            assert!(whole.starts_with(&heard), "{options} after {pieces}: {heard}");
            let said = recording.words_by(pieces as u64 * 100);
            assert!(heard.starts_with(&said), "{options} after {pieces}: {said:?} was said, {heard:?} was heard");
        }
    }
}

#[tokio::test]
async fn fifty_calls_at_once_hear_their_own_words() {
    let rig = rig("stt-whisper").await;
    for options in [json!({}), json!({ "mode": "realtime" })] {
        let calls = (0..50).map(|nth| hears(&rig, &options, MULAW, &recordings()[nth % 2]));
        for (nth, heard) in futures_util::future::join_all(calls).await.into_iter().enumerate() {
            assert_eq!(heard.words(), texts(&recordings()[nth % 2]), "{options}: {:?}", heard.events.last());
        }
    }
    assert_eq!(rig.sim.offences(), []);
}

#[tokio::test]
async fn good_sessions_of_the_listener_pass_the_conformance_kit() {
    let rig = rig("stt-whisper").await;
    for options in ways() {
        let heard = hears(&rig, &options, MULAW, &recordings()[0]).await;
        let faults = rig.conform(&heard.recording).unwrap();
        assert!(faults.is_empty(), "{options}\n{}", faults.iter().map(|row| format!("{row}\n")).collect::<String>());
    }
}

/// Milliseconds of what is spoken: 200 a word.
const SPOKEN_MS: usize = 200 * (13 + 3);

#[tokio::test]
async fn sound_is_whole_in_every_format_and_form() {
    let rig = rig("tts-openai").await;
    for options in [json!({}), json!({ "stream": "sse" })] {
        for (format, bytes_per_ms) in
            [(MULAW, 8), (ALAW, 8), (pcm(8000), 16), (pcm(16_000), 32), (pcm(24_000), 48), (pcm(48_000), 96)]
        {
            let spoken = speaks(&rig, &options, format).await;
            assert_eq!(spoken.outcome.code(), "done", "{options} {format:?}: {:?}", spoken.events);
            assert_eq!(spoken.outcome.sound.len(), SPOKEN_MS * bytes_per_ms, "{options} {format:?}");
        }
        // At the server's own rate each sample is the server's.
        let voice = vg_sim::Voice::Scripted(Format::pcm(24_000));
        let spoken = speaks(&rig, &options, pcm(24_000)).await;
        assert!(spoken.outcome.sound == REPLIES.iter().flat_map(|reply| voice.speak(reply).samples).collect::<Vec<u8>>());
    }
    let spoken = rig.speak(json!({ "voices": { "pt-BR": "nova" } }), MULAW, "pt-BR", &["Olá, bom dia."]).await.unwrap();
    assert_eq!(spoken.outcome.sound.len(), 600 * 8);
    assert_eq!(rig.sim.offences(), []);
}

#[tokio::test]
async fn a_tone_is_the_same_tone_on_the_telephone() {
    let rig = rig("tts-openai").await;
    let spoken = speaks(&rig, &json!({}), MULAW).await;
    let (ours, best) = (Format::MULAW.read(&spoken.outcome.sound), vg_sim::Voice::Scripted(Format::pcm(8000)));
    let best: Vec<i16> = REPLIES.iter().flat_map(|reply| Format::pcm(8000).read(&best.speak(reply).samples)).collect();
    let square = |samples: &mut dyn Iterator<Item = f64>| samples.map(|sample| sample * sample).sum::<f64>();
    let noise = square(&mut ours.iter().zip(&best).map(|(ours, best)| f64::from(*ours) - f64::from(*best)));
    let signal = square(&mut best.iter().map(|sample| f64::from(*sample)));
    let ratio_db = 10.0 * (signal / noise).log10();
    assert!(ratio_db > 25.0, "{ratio_db} dB: G.711 alone leaves 38, the tones' hard edges take the rest");
}

#[tokio::test]
async fn every_trouble_of_the_speaker_has_its_fault() {
    let rig = rig("tts-openai").await;
    let troubles = [
        ("openai-http", 401, "auth"),
        ("openai-http", 404, "invalid-options"),
        ("openai-http", 429, "quota"),
        ("openai-http", 500, "unavailable"),
        ("openai-http", 503, "unavailable"),
        ("openai-quota", 0, "quota"),
        ("openai-rate", 7000, "quota"),
        ("openai-no-retry", 0, "unavailable"),
        ("openai-html", 0, "protocol"),
        ("openai-kill", 0, "unavailable"),
        ("openai-hang", 0, "unavailable"),
        ("openai-kill", 2, "unavailable"),
        ("openai-stall", 2, "unavailable"),
        ("openai-empty", 0, "empty-result"),
    ];
    for options in [json!({}), json!({ "stream": "sse" })] {
        let good = speaks(&rig, &options, MULAW).await.outcome.sound;
        let own =
            [("openai-no-end", 0, "unavailable"), ("openai-sse-error", 3, "unavailable"), ("openai-sse-drop", 3, "unavailable")];
        let own = own.into_iter().filter(|_| options["stream"] == "sse");
        for (name, with, code) in troubles.into_iter().chain(own) {
            rig.sim.inject(name, with, None);
            let spoken = speaks(&rig, &options, MULAW).await;
            assert_eq!(spoken.outcome.code(), code, "{options} {name}={with}: {:?}", spoken.events);
            assert!(good.starts_with(&spoken.outcome.sound), "{options} {name}={with}");
            rig.sim.calm();
        }
        for (name, with) in [("openai-http", 503), ("openai-rate", 200), ("openai-kill", 0)] {
            rig.sim.inject(name, with, Some(1));
            let spoken = speaks(&rig, &options, MULAW).await;
            assert!(
                spoken.outcome.sound == good && spoken.outcome.code() == "done",
                "{options} {name}={with}: {:?}",
                spoken.events
            );
            rig.sim.calm();
        }
    }
    assert_eq!(rig.sim.offences(), []);
    let spoken = speaks(&rig, &json!({ "voice": "nosuch" }), MULAW).await;
    assert_eq!(spoken.outcome.code(), "invalid-options", "{:?}", spoken.events);
}

#[tokio::test]
async fn a_cut_at_any_piece_is_a_fault_and_what_came_is_a_beginning() {
    let rig = rig("tts-openai").await;
    for options in [json!({}), json!({ "stream": "sse" })] {
        let good = speaks(&rig, &options, MULAW).await.outcome.sound;
        let mut broken = 0;
        for after in 1..=200 {
            rig.sim.inject("cut-after", after, Some(1));
            let spoken = speaks(&rig, &options, MULAW).await;
            let uncut = rig.sim.trouble_ahead("cut-after").is_some();
            rig.sim.calm();
            if uncut {
                assert!(after > 3 && broken > 0, "{options}: {broken} of {after}: there are more pieces than that");
                break;
            }
            // The network is faster than a simulator that cuts: where a cut comes between two answers nobody minds.
            let whole = spoken.outcome.code() == "done" && spoken.outcome.sound == good;
            assert!(whole || spoken.outcome.code() == "unavailable", "{options} after {after}: {:?}", spoken.events);
            assert!(good.starts_with(&spoken.outcome.sound), "{options} after {after}");
            broken += usize::from(!whole);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cancel_at_any_event_is_at_once_and_the_next_reply_is_whole() {
    let rig = rig("tts-openai").await;
    for options in [json!({}), json!({ "stream": "sse" })] {
        let alone = rig.speak(options.clone(), MULAW, "en-US", &REPLIES[1..]).await.unwrap().outcome.sound;
        for events in 0..14 {
            let uttered = rig.broken_off(options.clone(), MULAW, REPLIES, events).await.unwrap();
            assert_eq!(uttered.marks, [2], "{options} after {events}");
            assert_eq!(uttered.sound.len(), 600 * 8, "{options} after {events}");
            assert!(uttered.sound == alone, "{options} after {events}: something is left of the first reply");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_owner_who_takes_nothing_for_longer_than_any_patience_hears_all_of_it() {
    let rig = rig("tts-openai").await;
    let long = "word ".repeat(400);
    let voice = vg_sim::Voice::Scripted(Format::pcm(24_000));
    let whole = [voice.speak(&long).samples, voice.speak(REPLIES[1]).samples].concat();
    let calls = [json!({}), json!({ "stream": "sse" })].map(|options| {
        let last = reply(REPLIES[1], 2).into_iter().chain([TtsInput::End]);
        rig.taken_late(options, pcm(24_000), reply(&long, 1), Duration::from_millis(10_000), last)
    });
    for uttered in futures_util::future::join_all(calls).await {
        let uttered = uttered.unwrap();
        assert_eq!(uttered.marks, [1, 2]);
        assert!(uttered.sound == whole, "{} of {} bytes", uttered.sound.len(), whole.len());
    }
}

#[tokio::test]
async fn fifty_replies_at_once_are_whole() {
    let rig = rig("tts-openai").await;
    let alone = speaks(&rig, &json!({}), MULAW).await.outcome.sound;
    let options = json!({});
    for spoken in futures_util::future::join_all((0..50).map(|_| speaks(&rig, &options, MULAW))).await {
        assert!(spoken.outcome.sound == alone, "{:?}", spoken.events.last());
    }
    assert_eq!(rig.sim.offences(), []);
}

#[tokio::test]
async fn good_sessions_of_the_speaker_pass_the_conformance_kit() {
    let rig = rig("tts-openai").await;
    for options in [json!({}), json!({ "stream": "sse" })] {
        for format in [MULAW, pcm(16_000)] {
            let spoken = speaks(&rig, &options, format).await;
            let faults = rig.conform(&spoken.recording).unwrap();
            assert!(faults.is_empty(), "{options}\n{}", faults.iter().map(|row| format!("{row}\n")).collect::<String>());
        }
    }
}
