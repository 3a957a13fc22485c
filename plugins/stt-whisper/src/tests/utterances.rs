//! A request for each stretch of speech.

use super::*;
use vg_plugin_sdk::link::{self, LinkErrorKind, RequestBody};
use vg_plugin_sdk::{FaultKind, Remedy, Usage};

const RECORDED: &str = include_str!("../../fixtures/transcriptions.json");

/// A session that has asked for a second of speech and owes an answer to `finalize`.
fn asked(options: Value) -> Session {
    let (mut session, effects) = begun(&options, MULAW, "en-US");
    assert!(matches!(&effects[..], [Effect::Link(LinkEffect::Preconnect(_))]));
    assert_eq!(requests(&speak(&mut session, 0, 1000)).len(), 1);
    session.tell(Input::Finalize);
    session
}

/// The vendor answers as it was recorded, up to where that ends.
fn answer(session: &mut Session, id: u32, exchange: &Value) -> Vec<Effect> {
    let headers: Vec<(String, String)> = json::from_value(exchange["answer_headers"].clone()).unwrap();
    let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let mut effects = session.opened_with(id, exchange["status"].as_u64().unwrap() as u16, &headers);
    for piece in exchange["answer"].as_array().unwrap() {
        if !session.is_over() {
            effects.extend(session.bytes(id, piece.as_str().unwrap().as_bytes()));
        }
    }
    if !session.is_over() {
        effects.extend(match exchange["end"].as_str() {
            Some("RST") => session.failed(id, LinkErrorKind::Reset),
            _ => session.finished(id, None),
        });
    }
    effects
}

fn recorded(name: &str) -> Value {
    case(RECORDED, name)["exchanges"].clone()
}

/// Name and value of each part; the file's samples apart.
fn parts(open: &HttpOpen) -> (Vec<(String, String)>, Vec<u8>) {
    let kind = link::field(&open.headers, "content-type").unwrap();
    let boundary = kind.strip_prefix("multipart/form-data; boundary=").unwrap();
    assert_eq!(boundary.len(), 32);
    let RequestBody::Whole(body) = &open.body else { panic!("{:?}", open.body) };
    // Bytes as characters, so that it can be taken apart as a text.
    let text: String = body.iter().map(|byte| char::from(*byte)).collect();
    let mut parts = Vec::new();
    let mut file = Vec::new();
    for part in text.split(&format!("--{boundary}")).skip(1).filter(|part| *part != "--\r\n") {
        let (head, value) = part.strip_prefix("\r\n").unwrap().strip_suffix("\r\n").unwrap().split_once("\r\n\r\n").unwrap();
        let name = head.split("name=\"").nth(1).unwrap().split('"').next().unwrap();
        if name == "file" {
            file = value.chars().map(|c| c as u8).collect();
            parts.push((name.to_owned(), String::new()));
        } else {
            assert!(!head.contains("\r\n"), "scalar parts have one line: {head}");
            parts.push((name.to_owned(), value.to_owned()));
        }
    }
    (parts, file)
}

#[test]
fn requests_are_those_of_the_vendors_library() {
    let cases = [
        ("json-gpt-transcribe", json!({}), "en-US"),
        ("ptBR", json!({ "model": "gpt-4o-transcribe" }), "pt-BR"),
        (
            "json-4o",
            json!({ "model": "gpt-4o-transcribe", "confidence": true, "prompt": "account balance, order number", "temperature": 0 }),
            "en-US",
        ),
        (
            "verbose-whisper1-mulawwav",
            json!({ "model": "whisper-1", "response": "verbose_json", "prompt": "account balance, order number", "temperature": 0.0 }),
            "en-US",
        ),
        ("sse-4o", json!({ "model": "gpt-4o-transcribe", "confidence": true, "response": "stream" }), "en-US"),
    ];
    for (name, options, language) in cases {
        let (mut session, _) = begun(&options, MULAW, language);
        let effects = speak(&mut session, 0, 1000);
        let [open] = requests(&effects)[..] else { panic!("{effects:?}") };
        let theirs = &recorded(name)[0];
        assert_eq!((open.method.as_str(), open.url.as_str()), ("POST", "https://api.openai.com/v1/audio/transcriptions"));
        for header in ["authorization", "accept", "user-agent", "content-type"] {
            assert!(theirs["headers"].as_array().unwrap().iter().any(|theirs| theirs == header), "{header}");
            assert!(link::field(&open.headers, header).is_some(), "{header}");
        }
        let (parts, file) = parts(open);
        let expected: Vec<(String, String)> = theirs["parts"]
            .as_array()
            .unwrap()
            .iter()
            .map(|part| (part["name"].as_str().unwrap().to_owned(), part["value"].as_str().unwrap_or_default().to_owned()))
            .collect();
        assert_eq!(parts, expected, "{name}");
        // A second of mu-law became linear samples in a WAV file of 8 kHz.
        assert_eq!(vg_wire::wav::data_offset(&file), Some(44));
        assert_eq!((file.len(), &file[20..28]), (44 + 16_000, &[1, 0, 1, 0, 0x40, 0x1f, 0, 0][..]), "{name}");
        let usage = Effect::Usage(Usage { audio_ms: 1000, characters: 0, requests: 1 });
        assert!(effects.contains(&usage));
    }
}

#[test]
fn recorded_answers_are_heard_as_the_vendors_library_read_them() {
    let text = "Hello, I would like to check my account balance. My order number is 4279.";
    for name in ["json-4o", "json-gpt-transcribe", "sse-4o", "verbose-whisper1-mulawwav"] {
        let mut session = asked(json!({}));
        let effects = answer(&mut session, 1, &recorded(name)[0]);
        assert_eq!(said(&effects), [text, "."], "{name}");
        assert_eq!(partials(&effects).len(), if name == "sse-4o" { 14 } else { 0 }, "{name}");
        assert_eq!(session.tell(Input::End), [Effect::Done]);
    }
}

#[test]
fn words_have_their_place_in_the_call() {
    let (mut session, _) = begun(&json!({ "response": "verbose_json" }), MULAW, "en-US");
    session.tell(Input::Audio(vec![0xff; 16_000]));
    speak(&mut session, 2000, 8000);
    let effects = answer(&mut session, 1, &recorded("verbose-whisper1-mulawwav")[0]);
    let [Effect::Final(heard)] = &effects[..] else { panic!("{effects:?}") };
    // The request began 300 ms before the edge, and the vendor counts from there.
    let first = &heard.words[0];
    assert_eq!((first.text.as_str(), first.start_ms, first.end_ms), ("hello", 1700 + 400, 1700 + 810));
    assert_eq!((heard.start_ms, heard.end_ms, heard.language.as_deref()), (2100, 10_000, Some("en")));
    assert!((heard.confidence.unwrap() - 0.81).abs() < 0.01, "exp(-0.21)");
}

#[test]
fn stretches_are_given_in_the_order_in_which_they_were_spoken() {
    let (mut session, _) = begun(&json!({}), MULAW, "en-US");
    assert_eq!(requests(&speak(&mut session, 0, 1000))[0].id, 1);
    session.tell(Input::Finalize);
    assert_eq!(requests(&speak(&mut session, 1500, 1000))[0].id, 2);
    session.tell(Input::Finalize);
    let reply = |text: &str| json!({ "text": text }).to_string();
    session.opened(2, 200);
    session.bytes(2, reply("second").as_bytes());
    assert_eq!(said(&session.finished(2, None)), [""; 0]);
    session.opened(1, 200);
    session.bytes(1, reply("first").as_bytes());
    assert_eq!(said(&session.finished(1, None)), ["first", ".", "second", "."]);
    assert_eq!(said(&session.tell(Input::Finalize)), ["."]);
}

#[test]
fn more_requests_than_links_wait_for_one_another() {
    let (mut session, _) = begun(&json!({}), MULAW, "en-US");
    let asked: usize = (0..5).map(|nth| requests(&speak(&mut session, nth * 500, 400)).len()).sum();
    assert_eq!(asked, 3);
    session.opened(1, 200);
    session.bytes(1, br#"{"text":"one"}"#);
    assert_eq!(requests(&session.finished(1, None)).len(), 1);
    session.opened(2, 200);
    session.bytes(2, br#"{"text":"two"}"#);
    assert_eq!(requests(&session.finished(2, None)).len(), 1);
}

#[test]
fn speech_that_goes_on_is_sent_when_it_is_asked_for() {
    let (mut session, _) = begun(&json!({}), MULAW, "en-US");
    session.tell(Input::Edge(Edge::SpeechStarted(0)));
    session.tell(Input::Audio(vec![0x23; 8000]));
    assert_eq!(requests(&session.tell(Input::Finalize)).len(), 1);
    // Nothing of what follows the pause is sent, and nothing is too little to be a word.
    session.tell(Input::Audio(vec![0x23; 400]));
    assert_eq!(requests(&session.tell(Input::Edge(Edge::SpeechEnded(1000)))), Vec::<&HttpOpen>::new());
    session.opened(1, 200);
    session.bytes(1, br#"{"text":"yes"}"#);
    assert_eq!(said(&session.finished(1, None)), ["yes", "."]);
}

#[test]
fn silence_is_not_sent_and_what_whisper_makes_up_of_it_is_not_given() {
    let (mut session, _) = begun(&json!({}), MULAW, "en-US");
    session.tell(Input::Audio(vec![0xff; 8000]));
    assert_eq!(session.tell(Input::Finalize), [Effect::Finalized]);
    assert_eq!(session.tell(Input::End), [Effect::Done]);

    let mut session = asked(json!({ "response": "verbose_json" }));
    session.opened(1, 200);
    session.bytes(1, br#"{"text":"Thank you.","segments":[{"avg_logprob":-1.4,"no_speech_prob":0.8}]}"#);
    assert_eq!(said(&session.finished(1, None)), ["."]);
    let mut session = asked(json!({}));
    session.opened(1, 200);
    session.bytes(1, br#"{"text":""}"#);
    assert_eq!(said(&session.finished(1, None)), ["."]);
}

#[test]
fn what_may_pass_is_asked_for_once_more() {
    let waits = [("err-h408", 400), ("err-h409", 400), ("err-h500", 400), ("err-h429rate_once", 1000), ("err-drop_once", 100)];
    for (name, _) in waits {
        let exchanges = recorded(name);
        let mut session = asked(json!({}));
        if exchanges[0]["status"].is_null() {
            session.failed(1, LinkErrorKind::Reset);
        } else {
            answer(&mut session, 1, &exchanges[0]);
        }
        let again = session.pass_ms(1_600);
        assert_eq!(requests(&again).len(), 1, "{name}");
        if exchanges[1]["status"] == 200 {
            let effects = answer(&mut session, 2, &exchanges[1]);
            assert_eq!(said(&effects).last().map(String::as_str), Some("."), "{name}");
        } else {
            let effects = answer(&mut session, 2, &exchanges[1]);
            assert_eq!(fault(&effects).kind, FaultKind::Unavailable, "{name}");
        }
    }
}

#[test]
fn recorded_refusals_become_the_faults_the_ladder_acts_on() {
    let refused = |name: &str| {
        let mut session = asked(json!({}));
        let effects = answer(&mut session, 1, &recorded(name)[0]);
        fault(&effects).clone()
    };
    // Never asked again, though the vendor's own library does.
    let unpaid = refused("err-h429quota");
    assert_eq!((unpaid.kind, unpaid.remedy), (FaultKind::Quota(None), Remedy::NextProvider));
    assert_eq!(refused("err-h400short").kind, FaultKind::BadAudio);
    assert_eq!(refused("err-h400").kind, FaultKind::BadAudio);
    assert!(matches!(refused("err-h404").kind, FaultKind::InvalidOptions(faults) if faults[0].path == "/model"));
    assert!(matches!(refused("err-h422").kind, FaultKind::BadAudio | FaultKind::InvalidOptions(_)));
    // Words were given already: they may not be given twice.
    assert_eq!(refused("err-sse_drop").kind, FaultKind::Unavailable);
    assert_eq!(refused("err-sse_error").kind, FaultKind::Unavailable);
}

#[test]
fn every_status_has_its_fault() {
    let refused = |status: u16, headers: &[(&str, &str)], error: Value| {
        let mut session = asked(json!({}));
        session.opened_with(1, status, headers);
        session.bytes(1, json!({ "error": error }).to_string().as_bytes());
        fault(&session.finished(1, None)).clone()
    };
    assert_eq!((refused(401, &[], json!({})).kind, refused(403, &[], json!({})).kind), (FaultKind::Auth, FaultKind::Auth));
    assert_eq!(refused(429, &[("retry-after", "7")], json!({})).kind, FaultKind::Quota(Some(7000)));
    assert_eq!(refused(400, &[], json!({ "param": "language", "code": "invalid_value" })).kind, FaultKind::Unsupported);
    assert_eq!(refused(413, &[], json!({})).kind, FaultKind::BadAudio);
    assert_eq!(refused(503, &[("x-should-retry", "false")], json!({})).kind, FaultKind::Unavailable);
    let option =
        |fault: Fault| if let FaultKind::InvalidOptions(faults) = fault.kind { faults[0].path.clone() } else { String::new() };
    assert_eq!(option(refused(400, &[], json!({ "param": "response_format" }))), "/response");
    let detail = refused(400, &[], json!({ "message": "you said hello", "code": "a b" })).detail;
    assert!(!detail.contains("hello") && !detail.contains("a b"), "{detail}");
}

#[test]
fn every_bad_day_ends_in_a_fault() {
    assert_eq!(fault(&asked(json!({})).failed(1, LinkErrorKind::Tls)).kind, FaultKind::Unavailable);
    assert_eq!(fault(&asked(json!({})).failed(1, LinkErrorKind::EgressDenied)).remedy, Remedy::Configuration);
    assert_eq!(fault(&asked(json!({})).pass_ms(8_500)).kind, FaultKind::Unavailable);
    let page = asked(json!({})).opened_with(1, 200, &[("content-type", "text/html")]);
    assert_eq!(fault(&page).kind, FaultKind::Protocol);
    let mut empty = asked(json!({}));
    empty.opened(1, 200);
    assert_eq!(fault(&empty.finished(1, None)).kind, FaultKind::Protocol);
    let mut mute = asked(json!({}));
    mute.opened(1, 403);
    assert_eq!(fault(&mute.pass_ms(1_000)).kind, FaultKind::Auth);
    let mut cut = asked(json!({ "response": "stream" }));
    cut.opened_with(1, 200, &[("content-type", "text/event-stream")]);
    cut.bytes(1, b"data: {\"type\":\"transcript.text.delta\",\"delta\":\"he\"}\n\n");
    assert_eq!(fault(&cut.finished(1, None)).kind, FaultKind::Unavailable);
    let mut long = asked(json!({}));
    long.opened(1, 200);
    let effects: Vec<Effect> =
        (0..40).find_map(|_| Some(long.bytes(1, &[b' '; 16 << 10])).filter(|effects| !effects.is_empty())).unwrap();
    assert_eq!(fault(&effects).kind, FaultKind::Protocol);
    let mut garbled = asked(json!({ "response": "stream" }));
    garbled.opened_with(1, 200, &[("content-type", "text/event-stream")]);
    assert_eq!(fault(&garbled.bytes(1, b"data: [\n\n")).kind, FaultKind::Protocol);
}

#[test]
fn an_answer_that_never_ends_is_not_waited_for() {
    let mut session = asked(json!({ "response": "stream" }));
    let done = b"data: {\"type\":\"transcript.text.done\",\"text\":\"yes\"}\n\n";
    session.opened_with(1, 200, &[("content-type", "text/event-stream")]);
    assert_eq!(said(&session.bytes(1, done)), ["yes", "."]);
    assert_eq!(session.bytes(1, done), []);
    speak(&mut session, 1500, 500);
    session.opened_with(2, 200, &[("content-type", "text/event-stream")]);
    let effects = session.bytes(2, done);
    assert!(effects.contains(&link::close(1).into()), "{effects:?}");
    session.finished(2, None);
    assert_eq!(session.tell(Input::End), [Effect::Done]);
}
