//! Captures of the official client, played to this plugin.

use super::*;
use vg_plugin_sdk::link::{LinkErrorKind, field};

const MULAW: AudioFormat = AudioFormat { encoding: Encoding::Mulaw, rate_hz: 8_000 };
const PCM16: AudioFormat = AudioFormat { encoding: Encoding::PcmS16le, rate_hz: 16_000 };
const PCM8: AudioFormat = AudioFormat { encoding: Encoding::PcmS16le, rate_hz: 8_000 };
const PLAIN: &str = r#"{"endpoint":"ws://127.0.0.1:7581","family":"host","output":"simple"}"#;

/// Plays the vendor's side of a capture and compares ours with the client's.
fn play(capture: &Capture, driven: &mut Driven) {
    for (nth, connection) in capture.connections.iter().enumerate() {
        if driven.session.is_over() {
            return;
        }
        driven.pass_ms(300);
        assert_eq!(driven.opens.len(), nth + 1, "connections");
        asked_alike(connection, driven);
        let location = connection.location.as_deref().map(|to| ("Location", to));
        let at = driven.sent.len();
        driven.opened(connection.status.unwrap(), location.as_slice());
        if connection.status == Some(101) {
            exchange(&connection.messages, driven, at);
        }
    }
}

fn asked_alike(connection: &Connection, driven: &Driven) {
    let open = driven.opens.last().unwrap();
    let (_, target) = open.url.split_at(open.url[6..].find('/').unwrap() + 6);
    // What the driver added of its own.
    assert_eq!(target, connection.target.replace("customParam=x1&", "").replace("?customParam=x1", ""));
    for (name, value) in &connection.headers {
        let ours = field(&open.headers, name).unwrap_or_else(|| panic!("{name} is missing"));
        match name.as_str() {
            "Ocp-Apim-Subscription-Key" => assert_eq!(ours, "{secret:api_key}"),
            "Authorization" => assert_eq!((ours, value.starts_with("Bearer ")), ("Bearer {secret:api_key}", true)),
            _ => assert_eq!((ours.len(), value.len()), (32, 32), "{name}"),
        }
    }
}

/// `at`: what was sent before is of earlier connections.
fn exchange(messages: &[Value], driven: &mut Driven, mut at: usize) {
    let mut turn_bytes = 0;
    for message in messages {
        if driven.session.is_over() {
            return;
        }
        if let Some(says) = message["says"].as_str() {
            driven.says(says);
        } else if message["audio"] == 0 {
            driven.tell(Input::End);
            let Some(Sent::Audio { bytes, headers, .. }) = driven.sent.last() else { panic!("sound is not ended") };
            assert_eq!((bytes.len(), headers), (0, &strings(&message["headers"])));
        } else if let (Some(bytes), Some(times)) = (message["audio"].as_u64(), message["times"].as_u64()) {
            turn_bytes += (bytes * times) as usize;
            speak_until(driven, turn_bytes);
        } else if let Some(hex) = message["riff"].as_str() {
            let riff = driven.sent.iter().rev().find(|sent| matches!(sent, Sent::Riff { .. })).unwrap();
            let stream = message["stream"].as_str().unwrap().to_owned();
            assert_eq!(riff, &Sent::Riff { headers: strings(&message["headers"]), stream, hex: hex.to_owned() });
        } else if let Some(path) = message["path"].as_str() {
            if path == "speech.context" {
                turn_bytes = 0;
                begin(driven);
            }
            let ours = driven.sent[at..].iter().position(|sent| matches!(sent, Sent::Text { path: ours, .. } if ours == path));
            at += ours.unwrap_or_else(|| panic!("{path} was not sent")) + 1;
            told_alike(path, message, &driven.sent[at - 1]);
        } else {
            ends(message, driven);
        }
    }
}

/// The client begins a turn at once, this plugin with its first sound.
fn begin(driven: &mut Driven) {
    if !driven.sent.iter().any(|sent| matches!(sent, Sent::Audio { .. })) {
        driven.tell(Input::Audio((0..800).map(|n| n as u8).collect()));
    }
}

fn speak_until(driven: &mut Driven, turn_bytes: usize) {
    while driven.sound().len() < turn_bytes {
        let missing = (turn_bytes - driven.sound().len()).min(800);
        driven.tell(Input::Audio((0..missing).map(|n| n as u8).collect()));
        driven.pass_ms(20);
    }
}

fn ends(message: &Value, driven: &mut Driven) {
    let link = driven.link();
    let effects = match message["closes"].as_u64() {
        Some(code) => driven.session.finished(link, Some(code as u16)),
        None => driven.session.failed(link, LinkErrorKind::Reset),
    };
    driven.note(effects);
}

fn strings(names: &Value) -> Vec<String> {
    serde_json::from_value(names.clone()).unwrap()
}

fn told_alike(path: &str, theirs: &Value, ours: &Sent) {
    let Sent::Text { headers, json, .. } = ours else { panic!("no text: {ours:?}") };
    assert_eq!(headers, &strings(&theirs["headers"]), "{path}");
    match path {
        "speech.context" => assert_eq!(json, &theirs["json"]),
        _ => assert_eq!(json["context"]["audio"], theirs["json"]["context"]["audio"]),
    }
}

/// What the client told its application, and what this plugin says.
fn heard_alike(capture: &Capture, driven: &Driven) {
    let heard = |event: &&Value| matches!(event["reason"].as_str(), Some("RecognizingSpeech" | "RecognizedSpeech"));
    let theirs: Vec<_> = capture.events.iter().filter(heard).collect();
    let theirs: Vec<(bool, &str, u64, u64)> = theirs
        .into_iter()
        .map(|event| {
            let (offset, duration) = (event["offset"].as_u64().unwrap(), event["duration"].as_u64().unwrap());
            let is_final = event["reason"] == "RecognizedSpeech";
            (is_final, event["text"].as_str().unwrap(), offset / 10_000, (offset + duration) / 10_000)
        })
        .collect();
    let ours = driven.said.iter().filter_map(|said| match said {
        Effect::Partial(heard) => Some((false, heard.text.as_str(), heard.start_ms, heard.end_ms)),
        Effect::Final(heard) => Some((true, heard.text.as_str(), heard.start_ms, heard.end_ms)),
        _ => None,
    });
    assert_eq!(ours.collect::<Vec<_>>(), theirs);
}

fn succeeds(name: &str, options: &str, format: AudioFormat, language: &str) -> Driven {
    let capture = capture(name);
    let mut driven = Driven::start(options, format, language);
    play(&capture, &mut driven);
    heard_alike(&capture, &driven);
    assert_eq!(driven.said.last(), Some(&Effect::Done), "{name}");
    driven
}

#[test]
fn calls_of_a_region_are_asked_and_heard_as_the_official_client_does() {
    let region = r#"{"region":"eastus","output":"simple"}"#;
    let driven = succeeds("region-py-continuous", region, MULAW, "en-US");
    assert_eq!(driven.opens[0].url, "wss://eastus.stt.speech.microsoft.com/stt/speech/universal/v2");
    let connection_id = field(&driven.opens[0].headers, "X-ConnectionId").unwrap();
    assert!(connection_id.bytes().all(|digit| digit.is_ascii_digit() || digit.is_ascii_lowercase()));
    succeeds("region-py-dictation", r#"{"output":"simple","mode":"dictation"}"#, MULAW, "en-US");
    succeeds("region-py-lid", r#"{"output":"simple","languages":["en-US","pt-BR"]}"#, MULAW, "en-US");
}

#[test]
fn calls_of_a_host_are_asked_and_heard_as_the_official_client_does() {
    let with = |more: &str| format!("{},{more}}}", PLAIN.trim_end_matches('}'));
    succeeds("py-continuous-pcm16", PLAIN, PCM16, "en-US");
    succeeds("py-continuous-mulaw-realtime-ptBR", PLAIN, MULAW, "pt-BR");
    succeeds("py-continuous-dictation", &with(r#""mode":"dictation""#), PCM16, "en-US");
    succeeds("py-continuous-semantic", &with(r#""segmentation":"semantic""#), PCM16, "en-US");
    let driven = succeeds("py-continuous-lid", &with(r#""languages":["en-US","pt-BR"]"#), MULAW, "en-US");
    assert_eq!(driven.finals()[0].language.as_deref(), Some("pt-BR"));
}

#[test]
fn every_option_is_told_as_the_official_client_tells_it() {
    let options = r#"{"endpoint":"ws://127.0.0.1:7581","family":"host","profanity":"raw","initial_silence_ms":6000,
        "end_silence_ms":1200,"segmentation":"silence","segmentation_silence_ms":600,"segmentation_max_ms":30000,"stable_after":2,
        "phrases":["account balance","saldo"]}"#;
    let driven = succeeds("py-continuous-detailed-options", options, PCM8, "en-US");
    let first = &driven.finals()[0];
    assert_eq!((first.confidence, first.words.len()), (Some(0.93), 9));
    assert_eq!((first.words[1].text.as_str(), first.words[1].start_ms), ("i", 810));
}

#[test]
fn a_bearer_token_is_sent_in_place_of_the_key() {
    let driven = Driven::start(r#"{"auth":"token"}"#, MULAW, "en-US");
    let capture = capture("py-token");
    let theirs = capture.connections[0].headers.iter().find(|(name, _)| name == "Authorization").unwrap();
    assert!(theirs.1.starts_with("Bearer "));
    let field = |name| field(&driven.opens[0].headers, name);
    assert_eq!((field("Authorization"), field("Ocp-Apim-Subscription-Key")), (Some("Bearer {secret:api_key}"), None));
}

#[test]
fn a_turn_that_the_vendor_ends_goes_on_in_the_next_with_what_is_not_final() {
    let driven = succeeds("py-cont-turnend_early", PLAIN, MULAW, "en-US");
    let contexts = driven.sent.iter().filter(|sent| matches!(sent, Sent::Text { path, .. } if path == "speech.context"));
    assert_eq!((contexts.count(), driven.opens.len()), (2, 1));
}

#[test]
fn a_lost_connection_is_opened_again_under_the_same_id_and_nothing_is_lost_or_said_twice() {
    for name in ["py-drop-kill", "py-drop-fin", "py-drop-close1011", "py-drop-close1000"] {
        let driven = succeeds(name, PLAIN, MULAW, "en-US");
        let ids: Vec<&str> = driven.opens.iter().filter_map(|open| field(&open.headers, "X-ConnectionId")).collect();
        assert_eq!((ids.len(), ids[0]), (2, ids[1]));
        // The whole call went out again on the second connection.
        assert_eq!(driven.sound().len(), 60_472);
    }
}

#[test]
fn redirections_and_one_refusal_are_survived() {
    let driven = succeeds("py-err-redirect", PLAIN, MULAW, "en-US");
    assert!(driven.opens[1].url.starts_with("ws://127.0.0.1:7581/redirected/"));
    succeeds("py-err-h503_once", PLAIN, MULAW, "en-US");
}

#[test]
fn what_the_official_client_gives_up_is_given_up_for_the_right_reason() {
    use vg_plugin_sdk::{FaultKind::*, Remedy::*};
    // The last is how many connections were tried.
    let expected = [
        ("py-err-h400", Protocol, NextProvider, 1),
        ("py-err-h401", Auth, Configuration, 1),
        ("py-err-h403", Auth, Configuration, 1),
        ("py-err-h429", Quota(None), NextProvider, 2),
        ("py-err-h503", Unavailable, NextProvider, 2),
        ("py-drop-close1002", Protocol, NextProvider, 1),
        ("py-drop-close4429", Quota(None), NextProvider, 1),
        ("py-drop-killall", Unavailable, NextProvider, 5),
        ("py-status-toomany", Quota(None), NextProvider, 5),
        ("py-status-err_status", Unavailable, NextProvider, 5),
        ("py-status-badreq", Protocol, NextProvider, 1),
        ("py-status-forbid", Auth, Configuration, 1),
    ];
    for (name, kind, remedy, connections) in expected {
        let capture = capture(name);
        let mut driven = Driven::start(PLAIN, MULAW, "en-US");
        if capture.connections[0].target.contains("/interactive/") {
            // One-shot: only the vendor's side is of use here.
            refused(&capture, &mut driven);
        } else {
            play(&capture, &mut driven);
        }
        let fault = driven.fault();
        assert_eq!((&fault.kind, fault.remedy, driven.opens.len()), (&kind, remedy, connections), "{name}");
    }
}

fn refused(capture: &Capture, driven: &mut Driven) {
    for connection in &capture.connections {
        driven.opened(101, &[]);
        begin(driven);
        for says in connection.messages.iter().filter_map(|message| message["says"].as_str()) {
            if driven.session.is_over() {
                return;
            }
            driven.says(says);
        }
        driven.pass_ms(300);
    }
}

#[test]
fn silence_is_no_words_and_no_fault() {
    let mut driven = Driven::start(PLAIN, MULAW, "en-US");
    refused(&capture("py-status-nomatch"), &mut driven);
    assert_eq!((driven.finals(), driven.session.is_over()), (vec![], false));
}
