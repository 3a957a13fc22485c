//! Captures of the official client, played to this plugin.

use super::*;
use serde::Deserialize;
use serde_json::Value;
use vg_plugin_sdk::link::{LinkErrorKind, RequestBody, field};
use vg_plugin_sdk::{FaultKind, Remedy};

/// A capture of the official client with a server of ours.
#[derive(Deserialize)]
struct Capture {
    connections: Vec<Connection>,
    /// What the client told its application.
    events: Vec<Value>,
}

#[derive(Deserialize)]
struct Connection {
    target: String,
    headers: Vec<(String, String)>,
    status: Option<u16>,
    #[serde(default)]
    head: Vec<(String, String)>,
    body: Option<String>,
    messages: Vec<Value>,
}

fn capture(name: &str) -> Capture {
    let file = format!("{}/fixtures/{name}.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap()
}

/// Plays the vendor's side of a capture; what the client said is compared with what we say.
fn play(capture: &Capture, driven: &mut Driven) {
    for (nth, connection) in capture.connections.iter().enumerate() {
        if driven.session.is_over() {
            return;
        }
        assert_eq!(driven.opens.len(), nth + 1, "connections");
        let open = driven.opens.last().unwrap();
        // The driver put the whole under a path of its own.
        assert_eq!(open.url, format!("ws://127.0.0.1:1{}", connection.target.trim_start_matches("/tts")));
        credentials_alike(&connection.headers, &open.headers);
        let Some(status) = connection.status else { return };
        let head: Vec<(&str, &str)> = connection.head.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let before = driven.sent.len();
        driven.opened(status, &head);
        if status == 101 {
            exchange(&connection.messages, driven, before);
        }
    }
}

fn credentials_alike(theirs: &[(String, String)], ours: &[(String, String)]) {
    for (name, value) in theirs {
        let ours = field(ours, name).unwrap_or_else(|| panic!("{name} is missing"));
        match name.to_ascii_lowercase().as_str() {
            "ocp-apim-subscription-key" => assert_eq!(ours, "{secret:api_key}"),
            "authorization" => assert_eq!((ours, value.starts_with("Bearer ")), ("Bearer {secret:api_key}", true)),
            "x-connectionid" => assert_eq!((ours.len(), value.len()), (32, 32)),
            "user-agent" => assert!(ours.starts_with("serphona-voice-gateway/")),
            _ => assert_eq!(ours, value),
        }
    }
}

fn exchange(messages: &[Value], driven: &mut Driven, mut at: usize) {
    let mut turn = Value::Null;
    let mut ours = 0;
    for message in messages {
        if driven.session.is_over() {
            return;
        }
        if let Some(path) = message["path"].as_str() {
            turn = message["turn"].clone();
            if driven.sent.len() == at {
                // The next turn of the same connection, or the next piece.
                ours += 1;
                next(path, message, driven, ours);
            }
            told_alike(message, &driven.sent[at]);
            at += 1;
        } else if let Some(path) = message["says"].as_str() {
            let body = message["body"].as_str().unwrap();
            match message["turn"] == turn {
                true => driven.says(path, body),
                false => strange(driven, path, body),
            }
        } else if let (Some(bytes), Some(times)) = (message["sound"].as_u64(), message["times"].as_u64()) {
            for _ in 0..times {
                match message["turn"] == turn {
                    true => driven.sounds(&vec![0x55; bytes as usize]),
                    false => strange(driven, "audio", "sound"),
                }
            }
        } else if let Some(code) = message["closes"].as_u64() {
            driven.finished(Some(code as u16));
        }
    }
}

fn next(path: &str, message: &Value, driven: &mut Driven, nth: u32) {
    match path {
        "synthesis.context" => driven.speak("Hello, this is a short test call.", nth + 1),
        "text.piece" => driven.tell(Input::Text(message["body"].as_str().unwrap().to_owned())),
        "text.end" => driven.tell(Input::Flush(1)),
        other => panic!("{other} was not sent"),
    }
}

/// A message of a turn that is not ours is for nobody.
fn strange(driven: &mut Driven, path: &str, body: &str) {
    let headers = Headers::new().with("X-RequestId", "f".repeat(32)).with("Path", path);
    assert_eq!(driven.session.text(driven.link(), &usp::text(&headers, body)), []);
}

fn told_alike(theirs: &Value, ours: &Sent) {
    let (path, body) = (theirs["path"].as_str().unwrap(), theirs["body"].as_str().unwrap());
    assert_eq!(ours.path, path);
    assert_eq!(serde_json::json!(ours.headers), theirs["headers"], "{path}");
    match path {
        "speech.config" => {
            let keys = |body: &str| {
                let body: Value = serde_json::from_str(body).unwrap();
                let parts = body["context"].as_object().unwrap().keys().cloned();
                parts.chain(body["context"]["system"].as_object().unwrap().keys().cloned()).collect::<Vec<_>>()
            };
            assert_eq!(keys(&ours.body), keys(body));
        }
        "synthesis.context" => {
            let json = |body: &str| serde_json::from_str::<Value>(body).unwrap();
            assert_eq!(json(&ours.body), json(body));
        }
        "ssml" => {
            // The client says en-US whatever the language, and knows one more namespace.
            let theirs = body.replace(" xmlns:emo='http://www.w3.org/2009/10/emotionml'", "");
            let (head, text) = theirs.split_once("xml:lang='en-US'").unwrap();
            let (our_head, our_text) = ours.body.split_once("xml:lang='").unwrap();
            assert_eq!((our_head, &our_text[6..]), (head, text));
        }
        _ => assert_eq!(ours.body, body),
    }
}

const VOICE: &str = r#"{"endpoint":"ws://127.0.0.1:1","voice":"en-US-JennyNeural","words":false}"#;
const TEXT: &str = "Hello, this is a short test call.";

fn succeeds(name: &str, options: &str, format: AudioFormat, language: &str, text: &str) -> Driven {
    let capture = capture(name);
    let mut driven = Driven::start(options, format, language);
    match options.contains("text-stream") {
        true => driven.tell(Input::Text(text.to_owned())),
        false => driven.speak(text, 1),
    }
    play(&capture, &mut driven);
    if !driven.session.is_over() {
        driven.tell(Input::End);
    }
    let bytes: u64 = capture.events.iter().filter_map(|event| event["bytes"].as_u64()).sum();
    assert_eq!(driven.sound().len() as u64, bytes, "{name}");
    assert_eq!(driven.said.last(), Some(&Effect::Done), "{name}");
    driven
}

#[test]
fn texts_are_asked_for_and_heard_as_by_the_official_client() {
    let driven = succeeds("basic", VOICE, MULAW, "en-US", TEXT);
    assert!(driven.said.contains(&Effect::Flushed(1)));
    let alaw = AudioFormat { encoding: Encoding::Alaw, rate_hz: 8_000 };
    succeeds("alaw", VOICE, alaw, "en-US", TEXT);
    succeeds("escape", VOICE, MULAW, "en-US", "Tom & Jerry <say> \"hi\" 'there' 2 > 1 ção €");
    let wide = AudioFormat { encoding: Encoding::PcmS16le, rate_hz: 16_000 };
    let options = r#"{"endpoint":"ws://127.0.0.1:1","words":false}"#;
    succeeds("pt_16k", options, wide, "pt-BR", "Olá, esta é uma ligação de teste.");
    let token = format!("{},\"auth\":\"token\"}}", VOICE.trim_end_matches('}'));
    succeeds("token", &token, MULAW, "en-US", TEXT);
}

#[test]
fn one_connection_speaks_one_reply_after_the_other() {
    let driven = succeeds("reuse", VOICE, MULAW, "en-US", TEXT);
    assert_eq!(driven.opens.len(), 1);
    assert_eq!(driven.paths(), ["speech.config", "synthesis.context", "ssml", "synthesis.context", "ssml"]);
    assert!(driven.said.contains(&Effect::Flushed(2)));
}

#[test]
fn text_goes_out_as_it_comes_and_so_does_every_option() {
    let plain = r#"{"endpoint":"ws://127.0.0.1:1","transport":"text-stream","words":false}"#;
    let driven = succeeds("textstream", plain, MULAW, "pt-BR", "Olá, ");
    assert_eq!(driven.paths()[2..], ["text.piece", "text.piece", "text.piece", "text.piece", "text.end"]);
    let mut capture = capture("textstream_opts");
    for message in &mut capture.connections[0].messages {
        // We have no such option: the call has its language.
        if let Some(body) = message["body"].as_str().map(|body| body.replace(",\"preferLocales\":\"pt-BR\"", "")) {
            message["body"] = body.into();
        }
    }
    let options = r#"{"endpoint":"ws://127.0.0.1:1","transport":"text-stream","words":false,"pitch":"+5%","rate":"1.2","volume":"80",
        "style":"cheerful","temperature":0.7}"#;
    let mut driven = Driven::start(options, MULAW, "pt-BR");
    driven.tell(Input::Text("Olá, ".to_owned()));
    play(&capture, &mut driven);
    assert_eq!(driven.sound().len(), 19_570);
}

#[test]
fn words_are_told_with_their_places_and_punctuation_is_not() {
    let capture = capture("metadata");
    let mut driven = Driven::asked("{}");
    for message in &capture.connections[0].messages {
        match (message["says"].as_str(), message["body"].as_str()) {
            (Some("turn.end"), _) => {}
            (Some(path), Some(body)) => driven.says(path, body),
            _ => {}
        }
    }
    driven.sounds(&[1; 80]);
    let theirs = capture.events.iter().filter(|event| event["type"] == "SpeechSynthesisBoundaryType.Word");
    let theirs: Vec<(&str, u64)> =
        theirs.map(|event| (event["word"].as_str().unwrap(), event["offset"].as_u64().unwrap() / 10_000)).collect();
    let ours = driven.words();
    assert_eq!(ours.iter().map(|word| (word.text.as_str(), word.start_ms)).collect::<Vec<_>>(), theirs);
    assert_eq!(ours[0].end_ms, 362);
    assert!(driven.sent[1].body.contains(r#""wordBoundaryEnabled":true"#));
}

#[test]
fn what_servers_leave_out_is_not_missed_and_strange_turns_are_not_heard() {
    for name in ["lenient_no_ct", "lenient_no_empty_tail", "lenient_no_response"] {
        succeeds(name, VOICE, MULAW, "en-US", TEXT);
    }
    // The official client waits for ever in this one.
    let mut driven = Driven::start(VOICE, MULAW, "en-US");
    driven.speak(TEXT, 1);
    play(&capture("lenient_wrong_rid"), &mut driven);
    assert!(driven.sound().is_empty());
    driven.pass_ms(6_000);
    assert_eq!(driven.fault().kind, FaultKind::Unavailable);
}

#[test]
fn refusals_and_losses_become_the_fault_that_fits() {
    use FaultKind::{Auth, EmptyResult, Protocol, Quota, Unavailable, Unsupported};
    // The last is how many connections were tried.
    let expected = [
        ("err_upgrade_400", Protocol, Remedy::NextProvider, 1),
        ("err_upgrade_403", Auth, Remedy::Configuration, 1),
        ("err_upgrade_404", Unsupported, Remedy::Configuration, 1),
        ("err_upgrade_408", Unavailable, Remedy::NextProvider, 2),
        ("err_upgrade_500", Unavailable, Remedy::NextProvider, 2),
        ("err_upgrade_502", Unavailable, Remedy::NextProvider, 2),
        ("err_upgrade_503", Unavailable, Remedy::NextProvider, 2),
        ("err_upgrade_hang", Unavailable, Remedy::NextProvider, 1),
        ("err_bad_ssml", Unsupported, Remedy::Configuration, 1),
        ("err_bad_voice", Unsupported, Remedy::Configuration, 1),
        ("err_close_1002", Protocol, Remedy::NextProvider, 1),
        ("err_close_1003", Unavailable, Remedy::NextProvider, 2),
        ("err_close_1008", Unavailable, Remedy::NextProvider, 2),
        ("err_close_4429", Quota(None), Remedy::NextProvider, 1),
        ("err_empty_audio", EmptyResult, Remedy::NextProvider, 1),
        ("err_no_turn_end", Unavailable, Remedy::NextProvider, 1),
        ("err_stall", Unavailable, Remedy::NextProvider, 1),
    ];
    for (name, kind, remedy, connections) in expected {
        let mut driven = Driven::start(VOICE, MULAW, "en-US");
        driven.speak(TEXT, 1);
        let mut capture = capture(name);
        for message in capture.connections.iter_mut().flat_map(|connection| &mut connection.messages) {
            // Malformed on purpose, which our own text never is.
            if name == "err_bad_ssml" && message["path"] == "ssml" {
                message["body"] = driven_ssml().into();
            }
        }
        play(&capture, &mut driven);
        if !driven.session.is_over() {
            driven.pass_ms(6_000);
        }
        let fault = driven.fault();
        assert_eq!((&fault.kind, fault.remedy, driven.opens.len()), (&kind, remedy, connections), "{name}");
        assert!(!driven.said.contains(&Effect::Flushed(1)), "{name}");
    }
}

fn driven_ssml() -> String {
    let mut driven = Driven::ready(VOICE);
    driven.speak(TEXT, 1);
    driven.sent.last().unwrap().body.clone()
}

#[test]
fn a_refusal_that_passes_is_hidden_unless_the_vendor_wants_time() {
    let mut capture = capture("err_upgrade_429_once");
    let mut driven = Driven::start(VOICE, MULAW, "en-US");
    driven.speak(TEXT, 1);
    play(&capture, &mut driven);
    assert!(matches!(driven.fault().kind, FaultKind::Quota(Some(_))), "{:?}", driven.fault());
    capture.connections[0].head.clear();
    let mut driven = Driven::start(VOICE, MULAW, "en-US");
    driven.speak(TEXT, 1);
    play(&capture, &mut driven);
    assert_eq!(driven.sound().len(), 20_043);
}

#[test]
fn a_reset_in_the_middle_of_a_text_is_never_success() {
    let mut driven = Driven::start(VOICE, MULAW, "en-US");
    driven.speak(TEXT, 1);
    play(&capture("err_abort_mid"), &mut driven);
    let effects = driven.session.failed(driven.link(), LinkErrorKind::Reset);
    driven.note(effects);
    assert_eq!((&driven.fault().kind, driven.sound().len(), driven.opens.len()), (&FaultKind::Unavailable, 2_400, 1));
}

#[test]
fn requests_are_asked_for_as_the_documented_form_is() {
    for (name, options) in [("plain_rest", "{}"), ("plain_rest_token", r#"{"auth":"token"}"#)] {
        let Capture { connections, .. } = capture(name);
        let connection = &connections[0];
        let options = options.replace('{', r#"{"endpoint":"http://127.0.0.1:1","transport":"rest","#).replace(",}", "}");
        let mut driven = Driven::start(&options, MULAW, "pt-BR");
        driven.speak("Olá, esta é uma ligação de teste.", 1);
        let request = &driven.requests[0];
        assert_eq!(request.url, format!("http://127.0.0.1:1{}", connection.target));
        credentials_alike(&connection.headers, &request.headers);
        let RequestBody::Whole(body) = &request.body else { panic!("no body") };
        let body = String::from_utf8(body.clone()).unwrap().replace(" xmlns:mstts='http://www.w3.org/2001/mstts'", "");
        assert_eq!(Some(&body), connection.body.as_ref());
        let head: Vec<(&str, &str)> = connection.head.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        driven.opened(connection.status.unwrap(), &head);
        let bytes: Vec<u64> = connection.messages.iter().filter_map(|message| message["sound"].as_u64()).collect();
        for bytes in &bytes {
            let effects = driven.session.bytes(1, &vec![0x55; *bytes as usize]);
            driven.note(effects);
        }
        driven.finished(None);
        assert_eq!(driven.sound().len() as u64, bytes.iter().sum::<u64>());
        assert!(driven.said.contains(&Effect::Flushed(1)));
    }
    let mut driven = Driven::start(r#"{"transport":"rest"}"#, MULAW, "pt-BR");
    driven.speak("Olá.", 1);
    driven.opened(capture("plain_err_rest_401").connections[0].status.unwrap(), &[]);
    assert_eq!(driven.fault().kind, FaultKind::Auth);
}

#[test]
fn a_reply_that_is_broken_off_closes_the_socket_as_the_official_client_does() {
    let capture = capture("stop");
    let mut driven = Driven::start(VOICE, MULAW, "en-US");
    driven.speak(TEXT, 1);
    let mut capture_until_stop = capture;
    capture_until_stop.connections[0].messages.retain(|message| message["closes"].is_null());
    play(&capture_until_stop, &mut driven);
    // One message more than the client had taken when it was stopped.
    assert_eq!(driven.sound().len(), 6_400);
    driven.tell(Input::Cancel);
    assert_eq!((driven.said.last(), &driven.closed[..]), (Some(&Effect::Cancelled), &[1][..]));
}
