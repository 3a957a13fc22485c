//! The recorded conversations of the vendor's own library, and every fault of its fact sheet.

use super::Speaker;
use std::collections::BTreeMap;
use vg_plugin_sdk::json::{self, Value, json};
use vg_plugin_sdk::link::{HttpOpen, LinkEffect, LinkErrorKind, RequestBody};
use vg_plugin_sdk::tts::{Effect, Input};
use vg_plugin_sdk::{AudioFormat, Encoding, Fault, FaultKind, Remedy, SessionStart, link, testing};

type Session = testing::Session<Input, Effect>;

const EXCHANGES: &str = include_str!("../fixtures/exchanges.json");
const SSE: &str = include_str!("../fixtures/sse.txt");
const TEXT: &str = "Hello, this is a short test call.";

fn begun(options: Value, encoding: Encoding, rate_hz: u32) -> Session {
    let mut session = testing::tts::<Speaker>();
    let format = AudioFormat { encoding, rate_hz };
    let ready = session.start(SessionStart { format, ..testing::start(&options.to_string()) });
    assert!(matches!(&ready[..], [Effect::Link(LinkEffect::Preconnect(_))]), "{ready:?}");
    session
}

fn requests(effects: &[Effect]) -> Vec<&HttpOpen> {
    let request = |effect: &'_ Effect| matches!(effect, Effect::Link(LinkEffect::Http(_)));
    effects
        .iter()
        .filter(|effect| request(effect))
        .map(|effect| if let Effect::Link(LinkEffect::Http(open)) = effect { open } else { panic!("{effect:?}") })
        .collect()
}

/// A session that has asked for [`TEXT`].
fn asked(options: Value) -> Session {
    let mut session = begun(options, Encoding::PcmS16le, 24_000);
    session.tell(Input::Text(TEXT.to_owned()));
    assert_eq!(requests(&session.tell(Input::Flush(7))).len(), 1);
    session
}

fn fault(effects: &[Effect]) -> &Fault {
    match effects.last() {
        Some(Effect::Fail(fault)) => fault,
        _ => panic!("no fault but {effects:?}"),
    }
}

fn sound(effects: &[Effect]) -> Vec<u8> {
    let sound = |effect: &Effect| if let Effect::Audio(samples) = effect { samples.clone() } else { vec![] };
    effects.iter().flat_map(sound).collect()
}

fn recorded() -> BTreeMap<String, Value> {
    let all: Vec<Value> = json::from_str(EXCHANGES).unwrap();
    all.into_iter().map(|case| (case["case"].as_str().unwrap().to_owned(), case["exchanges"].clone())).collect()
}

/// Answers a session as it was recorded; what it says to the refusal's end.
fn refuse(session: &mut Session, id: u32, exchange: &Value) -> Vec<Effect> {
    let headers: Vec<(String, String)> = json::from_value(exchange["answer_headers"].clone()).unwrap();
    let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    session.opened_with(id, exchange["status"].as_u64().unwrap() as u16, &headers);
    session.bytes(id, exchange["answer"].as_str().unwrap().as_bytes());
    session.finished(id, None)
}

#[test]
fn requests_are_those_of_the_vendors_library() {
    let recorded = recorded();
    let cases = [
        ("stream_pcm", json!({ "voice": "coral" }), "en-US", TEXT),
        ("sse", json!({ "stream": "sse" }), "en-US", TEXT),
        (
            "stream_full_pt",
            json!({ "voices": { "pt-BR": "coral" }, "instructions": "Fale com calma.", "speed": 1.1 }),
            "pt-BR",
            "Olá, esta é uma ligação de teste.",
        ),
    ];
    for (case, options, language, text) in cases {
        let mut session = testing::tts::<Speaker>();
        session.start(SessionStart { language: language.to_owned(), ..testing::start(&options.to_string()) });
        session.tell(Input::Text(text.to_owned()));
        let effects = session.tell(Input::Flush(1));
        let [open] = requests(&effects)[..] else { panic!("{effects:?}") };
        let theirs = &recorded[case][0];
        assert_eq!((open.method.as_str(), open.url.as_str()), ("POST", "https://api.openai.com/v1/audio/speech"));
        for name in ["authorization", "accept", "content-type", "user-agent"] {
            assert!(theirs["headers"].as_array().unwrap().iter().any(|header| header == name), "{name}");
            assert!(link::field(&open.headers, name).is_some(), "{name}");
        }
        let RequestBody::Whole(body) = &open.body else { panic!("{:?}", open.body) };
        // The same bytes, but for the file format and what is a server's default anyway.
        let body = String::from_utf8(body.clone()).unwrap();
        let expected = theirs["body"].as_str().unwrap().replace("\"wav\"", "\"pcm\"").replace(",\"stream_format\":\"audio\"", "");
        assert_eq!(body, expected, "{case}");
    }
}

#[test]
fn a_server_of_ones_own_is_asked_its_own_way() {
    let options = json!({
        "endpoint": "http://127.0.0.1:8090", "base_path": "/openai/v1", "keyless": true, "model": "kokoro", "voice_id": "voice_1",
        "organization": "org-1", "project": "proj_1",
    });
    let mut session = begun(options, Encoding::Mulaw, 8000);
    session.tell(Input::Text("Hi.".to_owned()));
    let effects = session.tell(Input::Flush(1));
    let [open] = requests(&effects)[..] else { panic!("{effects:?}") };
    assert_eq!(open.url, "http://127.0.0.1:8090/openai/v1/audio/speech");
    assert_eq!(link::field(&open.headers, "authorization"), None);
    assert_eq!(link::field(&open.headers, "openai-organization"), Some("org-1"));
    let RequestBody::Whole(body) = &open.body else { panic!("{:?}", open.body) };
    assert_eq!(json::from_slice::<Value>(body).unwrap()["voice"], json!({ "id": "voice_1" }));
}

#[test]
fn samples_stay_whole_and_the_mark_comes_last() {
    let mut session = asked(json!({}));
    session.opened_with(1, 200, &[("content-type", "audio/pcm")]);
    let pieces = [&[1, 2, 3][..], &[4], &[5, 6]].map(|piece| sound(&session.bytes(1, piece)));
    assert_eq!(pieces, [vec![1, 2], vec![3, 4], vec![5, 6]]);
    assert_eq!(session.finished(1, None), [Effect::Flushed(7)]);
    assert_eq!(session.tell(Input::End), [Effect::Done]);
}

#[test]
fn sound_is_as_long_in_every_format_of_the_call() {
    let pcm: Vec<u8> = (0..24_000u32).flat_map(|n| (((n % 48) as i16 - 24) * 300).to_le_bytes()).collect();
    for (encoding, rate_hz, bytes) in [
        (Encoding::Mulaw, 8000, 8000),
        (Encoding::Alaw, 8000, 8000),
        (Encoding::PcmS16le, 8000, 16_000),
        (Encoding::PcmS16le, 16_000, 32_000),
        (Encoding::PcmS16le, 48_000, 96_000),
    ] {
        let mut whole = Vec::new();
        for size in [4096, 333] {
            let mut session = begun(json!({}), encoding, rate_hz);
            session.tell(Input::Text(TEXT.to_owned()));
            session.tell(Input::Flush(7));
            session.opened(1, 200);
            let mut effects: Vec<Effect> = pcm.chunks(size).flat_map(|piece| session.bytes(1, piece)).collect();
            effects.extend(session.finished(1, None));
            assert_eq!(effects.last(), Some(&Effect::Flushed(7)));
            let sound = sound(&effects);
            assert_eq!(sound.len(), bytes, "{encoding:?} {rate_hz}");
            if !whole.is_empty() {
                assert_eq!(sound, whole, "pieces make no difference");
            }
            whole = sound;
        }
    }
}

#[test]
fn events_of_the_vendors_library_are_sound_up_to_their_announced_end() {
    for size in [7, 1000, SSE.len()] {
        let mut session = asked(json!({ "stream": "sse" }));
        session.opened_with(1, 200, &[("content-type", "text/event-stream")]);
        let effects: Vec<Effect> = SSE.as_bytes().chunks(size).flat_map(|piece| session.bytes(1, piece)).collect();
        // Four events were kept of the recording, the first half of each.
        assert_eq!(sound(&effects).len(), 4 * 2400);
        assert_eq!(&sound(&effects)[2400..2408], [0x88, 0x12, 0x48, 0x13, 0x4b, 0x14, 0x1b, 0x13]);
        assert_eq!(session.finished(1, None), [Effect::Flushed(7)]);
    }
    let mut cut = asked(json!({ "stream": "sse" }));
    cut.opened_with(1, 200, &[("content-type", "text/event-stream")]);
    cut.bytes(1, &SSE.as_bytes()[..5000]);
    assert_eq!(fault(&cut.finished(1, None)).kind, FaultKind::Unavailable);
}

#[test]
fn what_was_announced_to_be_all_is_all_whatever_becomes_of_the_body() {
    let announced = || {
        let mut session = asked(json!({ "stream": "sse" }));
        session.opened_with(1, 200, &[("content-type", "text/event-stream")]);
        assert_eq!(sound(&session.bytes(1, SSE.as_bytes())).len(), 4 * 2400);
        session
    };
    let mut reset = announced();
    assert_eq!(reset.failed(1, LinkErrorKind::Reset), [Effect::Flushed(7)]);
    // The last of the sound, too, is there by then.
    let mut telephone = begun(json!({ "stream": "sse" }), Encoding::Mulaw, 8000);
    telephone.tell(Input::Text(TEXT.to_owned()));
    telephone.tell(Input::Flush(7));
    telephone.opened_with(1, 200, &[("content-type", "text/event-stream")]);
    assert_eq!(sound(&telephone.bytes(1, SSE.as_bytes())).len(), 4 * 2400 / 2 / 3);
    assert_eq!(telephone.failed(1, LinkErrorKind::Reset), [Effect::Flushed(7)]);
    let mut open = announced();
    assert_eq!(open.bytes(1, b": ping\n\n"), [], "what is said later does not put the mark off");
    assert_eq!(open.pass_ms(499), []);
    assert_eq!(open.pass_ms(1), [link::close(1).into(), Effect::Flushed(7)]);
    assert_eq!(open.tell(Input::End), [Effect::Done]);
}

#[test]
fn text_that_nobody_can_say_is_not_asked_for() {
    let mut session = begun(json!({}), Encoding::Mulaw, 8000);
    session.tell(Input::Text("... \u{1f600} ".to_owned()));
    assert_eq!(session.tell(Input::Flush(1)), [Effect::Flushed(1)]);
    assert_eq!(session.tell(Input::End), [Effect::Done]);
}

#[test]
fn a_file_is_stripped_of_its_header_and_held_to_its_rate() {
    let header = vg_wire::wav::header(vg_wire::wav::Coding::Pcm, 24_000, 4);
    let file = [&header[..], &[1, 0, 2, 0]].concat();
    for size in [1, 3, 100] {
        let mut session = asked(json!({}));
        session.opened_with(1, 200, &[("content-type", "audio/wav")]);
        let effects: Vec<Effect> = file.chunks(size).flat_map(|piece| session.bytes(1, piece)).collect();
        assert_eq!(sound(&effects), [1, 0, 2, 0]);
        assert_eq!(session.finished(1, None), [Effect::Flushed(7)]);
    }
    let mut slow = asked(json!({ "pcm_rate_hz": 16_000 }));
    slow.opened(1, 200);
    assert!(matches!(&fault(&slow.bytes(1, &file)).kind, FaultKind::InvalidOptions(faults) if faults[0].path == "/pcm_rate_hz"));
}

#[test]
fn the_first_sentence_is_spoken_while_the_second_is_still_written() {
    let mut session = begun(json!({}), Encoding::PcmS16le, 24_000);
    let effects = session.tell(Input::Text("Good morning. How can".to_owned()));
    let [open] = requests(&effects)[..] else { panic!("{effects:?}") };
    assert!(matches!(&open.body, RequestBody::Whole(body) if String::from_utf8_lossy(body).contains("\"Good morning. \"")));
    assert_eq!(session.tell(Input::Text(" I help?".to_owned())), []);
    session.opened(1, 200);
    session.bytes(1, &[1, 2]);
    assert_eq!(session.finished(1, None), []);
    let effects = session.tell(Input::Flush(3));
    assert_eq!(requests(&effects)[0].id, 2);
    session.opened(2, 200);
    session.bytes(2, &[3, 4]);
    assert_eq!(session.tell(Input::Flush(4)), []);
    assert_eq!(session.finished(2, None), [Effect::Flushed(3), Effect::Flushed(4)]);
}

#[test]
fn nothing_is_heard_of_what_was_cancelled() {
    let mut session = asked(json!({}));
    session.opened(1, 200);
    session.tell(Input::Text("And more. ".to_owned()));
    let cancelled = session.tell(Input::Cancel);
    assert_eq!(cancelled[..2], [link::close(1).into(), Effect::Cancelled]);
    // The connection went with the link.
    assert!(matches!(&cancelled[2..], [Effect::Link(LinkEffect::Preconnect(_))]), "{cancelled:?}");
    assert_eq!(session.tell(Input::Cancel), [Effect::Cancelled], "nothing was lost");
    assert_eq!(session.bytes(1, &[1, 2]), []);
    assert_eq!(session.finished(1, None), []);
    assert_eq!(session.pass_ms(20_000), []);
    let effects = session.tell(Input::Text("Once again, please. ".to_owned()));
    assert_eq!(requests(&effects)[0].id, 2);
    // While it waits to ask again there is no link to close.
    session.opened(2, 503);
    session.finished(2, None);
    assert_eq!(session.tell(Input::Cancel), [Effect::Cancelled]);
    assert_eq!(session.pass_ms(20_000), []);
    assert_eq!(session.tell(Input::End), [Effect::Done]);
    let mut ended = asked(json!({}));
    ended.tell(Input::End);
    assert_eq!(ended.tell(Input::Cancel), [link::close(1).into(), Effect::Cancelled, Effect::Done]);
}

#[test]
fn sound_that_waits_for_room_is_not_silence() {
    let mut session = asked(json!({}));
    session.opened(1, 200);
    let effects = session.bytes(1, &[1, 2]);
    let [_, Effect::Timer(quiet)] = &effects[..] else { panic!("{effects:?}") };
    // While the owner has no room the host reads no link and tells no timer of 0 ms, but others.
    let effects = session.tell(Input::Timer(quiet.id));
    assert!(matches!(&effects[..], [Effect::Timer(room)] if room.delay_ms == 0), "{effects:?}");
    assert_eq!(sound(&session.bytes(1, &[3, 4])), [3, 4]);
    session.pass_ms(4_999);
    assert!(!session.is_over());
    assert_eq!(fault(&session.pass_ms(1)).kind, FaultKind::Unavailable);
}

#[test]
fn what_may_pass_is_asked_for_once_more_and_only_before_sound() {
    let recorded = recorded();
    let mut session = asked(json!({}));
    let effects = refuse(&mut session, 1, &recorded["err_rate_once"][0]);
    assert!(matches!(&effects[..], [Effect::Timer(timer)] if timer.delay_ms == 400), "{effects:?}");
    let again = session.pass_ms(400);
    assert_eq!(requests(&again)[0].id, 2);
    session.opened(2, 200);
    assert_eq!(sound(&session.bytes(2, &[1, 2])), [1, 2]);
    assert_eq!(session.finished(2, None), [Effect::Flushed(7)]);

    let mut lost = asked(json!({}));
    assert!(matches!(&lost.failed(1, LinkErrorKind::Reset)[..], [Effect::Timer(_)]));
    assert_eq!(requests(&lost.pass_ms(200)).len(), 1);
    assert_eq!(fault(&lost.failed(2, LinkErrorKind::Reset)).kind, FaultKind::Unavailable);

    let mut headed = asked(json!({}));
    headed.opened(1, 200);
    assert!(matches!(&headed.failed(1, LinkErrorKind::Reset)[..], [Effect::Timer(_)]), "a head is no sound");
    assert_eq!(requests(&headed.pass_ms(200)).len(), 1);

    let mut half = asked(json!({}));
    half.opened(1, 200);
    half.bytes(1, &[1, 2]);
    assert_eq!(fault(&half.failed(1, LinkErrorKind::Reset)).kind, FaultKind::Unavailable);
}

#[test]
fn recorded_refusals_become_the_faults_the_ladder_acts_on() {
    let recorded = recorded();
    let mut auth = asked(json!({}));
    let effects = refuse(&mut auth, 1, &recorded["err_auth"][0]);
    assert_eq!((&fault(&effects).kind, fault(&effects).remedy), (&FaultKind::Auth, Remedy::Configuration));
    assert!(!fault(&effects).detail.contains("sk-fake"), "{}", fault(&effects).detail);
    let mut no = asked(json!({}));
    assert_eq!(fault(&refuse(&mut no, 1, &recorded["err_noretry"][0])).kind, FaultKind::Unavailable);
    for case in ["err_server", "err_unavailable"] {
        let mut session = asked(json!({}));
        refuse(&mut session, 1, &recorded[case][0]);
        assert_eq!(requests(&session.pass_ms(400)).len(), 1, "{case}");
        assert_eq!(fault(&refuse(&mut session, 2, &recorded[case][1])).kind, FaultKind::Unavailable, "{case}");
    }
}

#[test]
fn every_status_has_its_fault() {
    let refused = |status: u16, headers: &[(&str, &str)], error: Value| {
        let mut session = asked(json!({}));
        session.opened_with(1, status, headers);
        session.bytes(1, json!({ "error": error }).to_string().as_bytes());
        fault(&session.finished(1, None)).clone()
    };
    let unpaid = refused(429, &[], json!({ "code": "insufficient_quota", "message": "Hello, this is" }));
    assert_eq!((unpaid.kind, unpaid.remedy), (FaultKind::Quota(None), Remedy::NextProvider));
    assert_eq!(
        refused(429, &[("retry-after", "7")], json!({ "code": "rate_limit_exceeded" })).kind,
        FaultKind::Quota(Some(7000))
    );
    let option =
        |fault: Fault| if let FaultKind::InvalidOptions(faults) = fault.kind { faults[0].path.clone() } else { String::new() };
    assert_eq!(option(refused(400, &[], json!({ "param": "voice" }))), "/voice");
    assert_eq!(option(refused(404, &[], json!({ "code": "model_not_found" }))), "/model");
    let text = refused(400, &[], json!({ "param": "input", "code": "string_above_max_length" }));
    assert_eq!((text.kind, text.remedy), (FaultKind::Unsupported, Remedy::NextProvider));
    assert_eq!(refused(403, &[], json!("no")).kind, FaultKind::Auth);
    assert_eq!(refused(404, &[], json!({})).kind, FaultKind::Unsupported);
    assert_eq!(refused(302, &[], json!({})).kind, FaultKind::Protocol);
}

#[test]
fn every_bad_day_ends_in_a_fault() {
    let page = asked(json!({})).opened_with(1, 200, &[("content-type", "text/html")]);
    assert_eq!(fault(&page).kind, FaultKind::Protocol);
    assert_eq!(fault(&asked(json!({})).failed(1, LinkErrorKind::Connect)).kind, FaultKind::Unavailable);
    let denied = asked(json!({})).failed(1, LinkErrorKind::EgressDenied);
    assert_eq!(fault(&denied).remedy, Remedy::Configuration);
    let mut empty = asked(json!({}));
    empty.opened(1, 200);
    let effects = empty.finished(1, None);
    assert_eq!((&fault(&effects).kind, fault(&effects).remedy), (&FaultKind::EmptyResult, Remedy::NextProvider));
    let mut odd = asked(json!({}));
    odd.opened(1, 200);
    odd.bytes(1, &[1, 2, 3]);
    assert_eq!(fault(&odd.finished(1, None)).kind, FaultKind::Protocol);
    assert_eq!(fault(&asked(json!({})).pass_ms(8_500)).kind, FaultKind::Unavailable);
    let mut stalled = asked(json!({}));
    stalled.opened(1, 200);
    stalled.bytes(1, &[1, 2]);
    assert_eq!(fault(&stalled.pass_ms(5_000)).kind, FaultKind::Unavailable);
    let mut mute = asked(json!({}));
    mute.opened(1, 401);
    assert_eq!(fault(&mute.pass_ms(1_000)).kind, FaultKind::Auth);
    let mut broken = asked(json!({}));
    broken.opened_with(1, 200, &[("content-type", "text/event-stream")]);
    let error = "event: error\ndata: {\"error\":{\"type\":\"server_error\",\"code\":null}}\n\n";
    assert_eq!(fault(&broken.bytes(1, error.as_bytes())).kind, FaultKind::Unavailable);
    let mut garbled = asked(json!({}));
    garbled.opened_with(1, 200, &[("content-type", "text/event-stream")]);
    assert_eq!(fault(&garbled.bytes(1, b"data: {\n\n")).kind, FaultKind::Protocol);
    let wrong = testing::tts::<Speaker>().start(testing::start(r#"{"pitch":1}"#));
    assert!(matches!(fault(&wrong).kind, FaultKind::InvalidOptions(_)));
}

#[test]
fn the_schema_documents_every_option() {
    let schema: Value = json::from_str(crate::options::SCHEMA).unwrap();
    for (name, property) in schema["properties"].as_object().unwrap() {
        assert!(property["description"].is_string(), "{name}");
        assert!(property["default"] != Value::Null || property["description"].as_str().unwrap().contains("default:"), "{name}");
    }
    let defaults: json::Map<String, Value> = schema["properties"]
        .as_object()
        .unwrap()
        .iter()
        .filter(|(_, property)| property["default"] != Value::Null)
        .map(|(name, property)| (name.clone(), property["default"].clone()))
        .collect();
    crate::options::Options::read(&Value::Object(defaults).to_string()).unwrap();
}
