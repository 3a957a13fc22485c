use super::*;
use crate::TtsHttp;
use vg_plugin_sdk::{
    Encoding, Remedy,
    json::{Value, json},
    link::{HttpOpen, LinkEffect, LinkErrorKind, RequestBody},
    testing,
};

type Session = testing::Session<Input, Effect>;

const SOUND: [(&str, &str); 2] = [("content-type", "audio/pcm;rate=16000"), ("transfer-encoding", "chunked")];
const LINES: [(&str, &str); 2] = [("content-type", "application/x-ndjson"), ("transfer-encoding", "chunked")];

fn started(options: Value) -> Session {
    let mut session = testing::tts::<TtsHttp>();
    let format = AudioFormat { encoding: Encoding::PcmS16le, rate_hz: 16_000 };
    let said = session.start(SessionStart { format, ..testing::start(&options.to_string()) });
    assert!(matches!(said[..], [Effect::Link(LinkEffect::Preconnect(_))]));
    session
}

fn text(text: &str) -> Input {
    Input::Text(text.to_owned())
}

/// Asked for one sentence, to be flushed as 7.
fn asked() -> Session {
    let mut session = started(json!({}));
    posted(&session.tell(text("Good morning.")));
    assert_eq!(session.tell(Input::Flush(7)), []);
    session
}

fn answered(head: &[(&str, &str)]) -> Session {
    let mut session = asked();
    session.opened_with(1, 200, head);
    session
}

fn posted(effects: &[Effect]) -> (HttpOpen, Value) {
    let Some(Effect::Link(LinkEffect::Http(open))) = effects.first() else { panic!("nothing was posted: {effects:?}") };
    let RequestBody::Whole(body) = &open.body else { panic!("no body") };
    (open.clone(), serde_json::from_slice(body).unwrap())
}

fn sound(effects: &[Effect]) -> Vec<u8> {
    effects.iter().flat_map(|effect| if let Effect::Audio(samples) = effect { samples.clone() } else { vec![] }).collect()
}

fn fault(effects: &[Effect]) -> &Fault {
    match effects.last() {
        Some(Effect::Fail(fault)) => fault,
        other => panic!("no fault but {other:?}"),
    }
}

#[test]
fn the_first_clause_is_posted_at_once_and_the_rest_together() {
    let options = json!({
        "endpoint": "https://speech.example", "path": "/v2/say", "bearer": true, "header": "x-team", "voice": "ana", "options": { "a": 1 },
    });
    let mut session = started(options);
    let said = session.tell(text("Good morning. "));
    let (open, body) = posted(&said);
    assert_eq!((open.method.as_str(), open.url.as_str()), ("POST", "https://speech.example/v2/say"));
    let expected = json!({
        "version": 1, "text": "Good morning. ", "voice": "ana", "language": "en-US",
        "format": { "encoding": "pcm-s16le", "rate_hz": 16000 }, "words": false, "options": { "a": 1 },
    });
    assert_eq!(body, expected);
    let header = |name| link::field(&open.headers, name).unwrap().to_owned();
    assert_eq!((header("authorization"), header("x-team")), ("Bearer {secret:token}".to_owned(), "{secret:header}".to_owned()));
    assert_eq!(header("accept"), "audio/pcm;rate=16000, application/x-ndjson;q=0.9");
    assert_eq!(said[2], Effect::Usage(Usage { audio_ms: 0, characters: 14, requests: 1 }));
    assert_eq!(session.tell(text("How can I ")), []);
    assert_eq!(session.tell(text("help you?")), []);
    session.opened_with(1, 200, &SOUND);
    session.bytes(1, &[1, 2]);
    assert_eq!(posted(&session.finished(1, None)).1["text"], "How can I help you?");
}

#[test]
fn samples_stay_whole_and_the_mark_comes_last() {
    let mut session = answered(&SOUND);
    assert_eq!(sound(&session.bytes(1, &[1, 2, 3])), [1, 2]);
    assert_eq!(sound(&session.bytes(1, &[4])), [3, 4]);
    assert_eq!(session.finished(1, None), [Effect::Flushed(7)]);
    assert_eq!(session.tell(Input::End), [Effect::Done]);
}

#[test]
fn the_end_waits_for_what_is_being_spoken() {
    let mut session = answered(&SOUND);
    assert_eq!(session.tell(Input::End), []);
    session.bytes(1, &[1, 2]);
    assert_eq!(session.finished(1, None), [Effect::Flushed(7), Effect::Done]);
}

#[test]
fn text_without_a_word_is_not_posted() {
    let mut session = started(json!({}));
    session.tell(text(" \n..."));
    assert_eq!(session.tell(Input::Flush(1)), [Effect::Flushed(1)]);
    assert_eq!(session.tell(Input::Flush(2)), [Effect::Flushed(2)]);
}

#[test]
fn words_lie_in_the_sound_of_the_session() {
    let mut session = answered(&LINES);
    let audio = |ms: usize| {
        let data = base64::Engine::encode(&base64::prelude::BASE64_STANDARD, vec![0; ms * 32]);
        format!("{}\n", json!({ "type": "audio", "data": data }))
    };
    let word =
        |text: &str, start_ms: u64| format!("{}\n", json!({ "type": "word", "text": text, "start_ms": start_ms, "end_ms": 100 }));
    let said = session.bytes(1, (word("Good", 0) + &audio(300) + "{\"type\":\"done\"}\n").as_bytes());
    assert!(matches!(&said[0], Effect::Word(word) if word.start_ms == 0 && word.text == "Good"));
    assert_eq!(sound(&said).len(), 9_600);
    assert_eq!(session.finished(1, None), [Effect::Flushed(7)]);
    session.tell(text("Bye."));
    session.opened_with(2, 200, &LINES);
    let said = session.bytes(2, word("Bye", 10).as_bytes());
    assert!(matches!(&said[0], Effect::Word(word) if (word.start_ms, word.end_ms) == (310, 400)), "{said:?}");
    let said = session.bytes(2, b"{\"type\":\"word\",\"text\":\"end\",\"start_ms\":1e30,\"end_ms\":1e30}\n");
    assert!(matches!(&said[0], Effect::Word(word) if word.start_ms == u64::MAX), "{said:?}");
}

#[test]
fn nothing_is_heard_of_what_was_cancelled() {
    let mut session = answered(&SOUND);
    session.bytes(1, &[1, 2]);
    let cancelled = session.tell(Input::Cancel);
    assert_eq!(cancelled[..2], [link::close(1).into(), Effect::Cancelled]);
    // The connection went with the link.
    assert!(matches!(&cancelled[2..], [Effect::Link(LinkEffect::Preconnect(_))]), "{cancelled:?}");
    assert_eq!(session.bytes(1, &[1, 2]), []);
    assert_eq!(session.finished(1, None), []);
    assert_eq!(session.pass_ms(10_000), []);
    assert_eq!(posted(&session.tell(text("Again."))).0.id, 2);
    assert_eq!(session.tell(Input::Cancel).len(), 3);
    assert_eq!(session.tell(Input::Cancel), [Effect::Cancelled], "nothing was lost");
    let mut ended = asked();
    ended.tell(Input::End);
    assert_eq!(ended.tell(Input::Cancel), [link::close(1).into(), Effect::Cancelled, Effect::Done]);
}

#[test]
fn a_refusal_is_read_to_its_end() {
    let refused = |status, body: &str| {
        let mut session = asked();
        session.opened_with(1, status, &[("retry-after", "2"), ("content-type", "application/json")]);
        session.bytes(1, body.as_bytes());
        fault(&session.finished(1, None)).kind.clone()
    };
    assert_eq!(refused(401, ""), FaultKind::Auth);
    assert_eq!(refused(404, ""), FaultKind::Unsupported);
    assert_eq!(refused(429, r#"{"type":"error","code":"rate_limited","retry_after_ms":300}"#), FaultKind::Quota(Some(300)));
    assert_eq!(refused(402, r#"{"code":"quota_exhausted"}"#), FaultKind::Quota(None));
    assert_eq!(refused(503, &"x".repeat(10_000)), FaultKind::Unavailable);
    assert!(matches!(refused(400, r#"{"code":"invalid_options"}"#), FaultKind::InvalidOptions(_)));
    let mut slow = asked();
    slow.opened(1, 401);
    assert_eq!(fault(&slow.pass_ms(500)).kind, FaultKind::Auth);
    let mut broken = asked();
    broken.opened(1, 503);
    assert_eq!(fault(&broken.failed(1, LinkErrorKind::Reset)).kind, FaultKind::Unavailable);
}

#[test]
fn sound_that_was_cut_is_never_success() {
    let kind = |effects: Vec<Effect>| fault(&effects).kind.clone();
    let mut lost = answered(&SOUND);
    lost.bytes(1, &[1, 2]);
    assert_eq!(kind(lost.failed(1, LinkErrorKind::Reset)), FaultKind::Unavailable);
    let mut half = answered(&SOUND);
    half.bytes(1, &[1, 2, 3]);
    assert_eq!(kind(half.finished(1, None)), FaultKind::Unavailable);
    let mut stream = answered(&LINES);
    stream.bytes(1, b"{\"type\":\"audio\",\"data\":\"AQI=\"}\n");
    assert_eq!(kind(stream.finished(1, None)), FaultKind::Unavailable);
    let nothing = answered(&SOUND).finished(1, None);
    assert_eq!((&fault(&nothing).kind, fault(&nothing).remedy), (&FaultKind::EmptyResult, Remedy::NextProvider));
    assert_eq!(kind(asked().opened_with(1, 200, &SOUND[..1])), FaultKind::Protocol);
    assert_eq!(kind(asked().opened_with(1, 200, &[("content-type", "text/html"), SOUND[1]])), FaultKind::Protocol);
}

#[test]
fn a_silent_engine_is_unavailable() {
    let kind = |effects: Vec<Effect>| fault(&effects).kind.clone();
    assert_eq!(kind(asked().pass_ms(5_000)), FaultKind::Unavailable);
    let mut stalls = answered(&SOUND);
    stalls.bytes(1, &[1, 2]);
    stalls.pass_ms(4_999);
    assert!(!stalls.is_over());
    assert_eq!(kind(stalls.pass_ms(1)), FaultKind::Unavailable);
    for broken in [LinkErrorKind::Connect, LinkErrorKind::Tls, LinkErrorKind::Timeout] {
        assert_eq!(kind(asked().failed(1, broken)), FaultKind::Unavailable);
    }
    let denied = asked().failed(1, LinkErrorKind::EgressDenied);
    assert_eq!(fault(&denied).remedy, Remedy::Configuration);
}

#[test]
fn sound_that_waits_for_room_is_not_silence() {
    let mut session = answered(&SOUND);
    let said = session.bytes(1, &[1, 2]);
    let [_, Effect::Timer(quiet)] = &said[..] else { panic!("{said:?}") };
    // While the owner has no room the host reads no link and tells no timer of 0 ms, but others.
    let said = session.tell(Input::Timer(quiet.id));
    assert!(matches!(&said[..], [Effect::Timer(room)] if room.delay_ms == 0), "{said:?}");
    assert_eq!(sound(&session.bytes(1, &[3, 4])), [3, 4]);
    session.pass_ms(4_999);
    assert!(!session.is_over());
    assert_eq!(fault(&session.pass_ms(1)).kind, FaultKind::Unavailable);
}

#[test]
fn a_stream_that_is_done_need_not_be_closed() {
    let mut session = answered(&LINES);
    session.bytes(1, b"{\"type\":\"audio\",\"data\":\"AQI=\"}\n{\"type\":\"done\"}\n");
    assert_eq!(session.bytes(1, b"{\"type\":\"mood\"}\n"), [], "what is said later does not put the mark off");
    assert_eq!(session.pass_ms(499), []);
    assert_eq!(session.pass_ms(1), [link::close(1).into(), Effect::Flushed(7)]);
    // Where it is closed, the wait for that does not end the next answer.
    let mut next = answered(&LINES);
    next.bytes(1, b"{\"type\":\"audio\",\"data\":\"AQI=\"}\n{\"type\":\"done\"}\n");
    assert_eq!(next.finished(1, None), [Effect::Flushed(7)]);
    next.tell(text("Bye."));
    next.pass_ms(4_999);
    assert!(!next.is_over());
    let mut reset = answered(&LINES);
    reset.bytes(1, b"{\"type\":\"audio\",\"data\":\"AQI=\"}\n{\"type\":\"done\"}\n");
    assert_eq!(reset.failed(1, LinkErrorKind::Reset), [Effect::Flushed(7)]);
}

#[test]
fn an_error_within_a_stream_comes_after_the_sound_before_it() {
    let mut session = answered(&LINES);
    let said = session.bytes(1, b"{\"type\":\"audio\",\"data\":\"AQI=\"}\n{\"type\":\"error\",\"code\":\"internal\"}\n");
    assert_eq!((sound(&said), &fault(&said).kind), (vec![1, 2], &FaultKind::Unavailable));
}
