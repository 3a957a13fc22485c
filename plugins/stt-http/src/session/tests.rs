use super::*;
use crate::SttHttp;
use vg_plugin_sdk::{
    Remedy,
    json::{Value, json},
    link::{LinkEffect, LinkErrorKind},
    testing,
};

type Session = testing::Session<Input, Effect>;

fn started(options: Value) -> Session {
    let mut session = testing::stt::<SttHttp>();
    session.start(testing::start(&options.to_string()));
    session
}

fn listening() -> Session {
    let mut session = started(json!({}));
    session.opened(ENGINE, 101);
    assert_eq!(session.text(ENGINE, r#"{"type":"ready","version":1}"#), []);
    session
}

fn heard(kind: &str, text: &str, start_ms: u64, end_ms: u64) -> String {
    json!({ "type": kind, "text": text, "start_ms": start_ms, "end_ms": end_ms }).to_string()
}

fn sent(effects: &[Effect]) -> Vec<Value> {
    let text = |effect: &Effect| match effect {
        Effect::Link(LinkEffect::SendText(message)) => Some(serde_json::from_str(&message.data).unwrap()),
        _ => None,
    };
    effects.iter().filter_map(text).collect()
}

fn fault(effects: &[Effect]) -> &Fault {
    match effects.last() {
        Some(Effect::Fail(fault)) => fault,
        other => panic!("no fault but {other:?}"),
    }
}

#[test]
fn sound_is_on_its_way_before_the_engine_has_answered() {
    let mut session = testing::stt::<SttHttp>();
    let options = json!({ "endpoint": "https://speech.example", "bearer": true, "options": { "model": "house" } });
    let effects = session.start(testing::start(&options.to_string()));
    let Effect::Link(LinkEffect::Websocket(open)) = &effects[0] else { panic!("{effects:?}") };
    assert_eq!(open.url, "wss://speech.example/listen");
    assert_eq!(open.headers, [("authorization".to_owned(), "Bearer {secret:token}".to_owned())]);
    let expected = json!({
        "type": "start", "version": 1, "format": { "encoding": "mulaw", "rate_hz": 8000 }, "language": "en-US",
        "partials": true, "options": { "model": "house" },
    });
    assert_eq!(sent(&effects), [expected]);
    assert!(matches!(&effects[2], Effect::RouteAudio(AudioRoute { link: ENGINE, prefix }) if prefix.is_empty()));
}

#[test]
fn words_come_as_the_engine_says_them_each_once() {
    let mut session = listening();
    assert!(matches!(&session.text(ENGINE, &heard("partial", "hel", 0, 300))[..], [Effect::Partial(said)] if said.text == "hel"));
    assert_eq!(session.text(ENGINE, r#"{"type":"speech_started","ms":40}"#), [Effect::SpeechStarted(40)]);
    let last = heard("final", "hello", 0, 500);
    assert!(matches!(&session.text(ENGINE, &last)[..], [Effect::Final(said)] if said.text == "hello"));
    assert_eq!(session.text(ENGINE, &last), []);
    assert_eq!(session.text(ENGINE, &heard("partial", "hell", 0, 400)), []);
    assert_eq!(session.text(ENGINE, &heard("final", " ", 500, 700)), []);
    assert_eq!(session.text(ENGINE, &last), [], "a final without words is not the last one that was heard");
    assert_eq!(session.text(ENGINE, &heard("partial", "hello", 0, 650)), []);
    assert_eq!(session.text(ENGINE, r#"{"type":"speech_ended","ms":500}"#), [Effect::SpeechEnded(500)]);
    assert_eq!(fault(&session.text(ENGINE, &heard("final", "other", 100, 600))).kind, FaultKind::Protocol);
}

#[test]
fn finalize_is_answered_as_often_as_it_was_asked() {
    let mut session = listening();
    assert_eq!(sent(&session.tell(Input::Finalize)), [json!({ "type": "finalize" })]);
    session.tell(Input::Finalize);
    assert_eq!(session.text(ENGINE, r#"{"type":"finalized"}"#)[0], Effect::Finalized);
    assert_eq!(session.text(ENGINE, r#"{"type":"finalized"}"#), [Effect::Finalized]);
    assert_eq!(session.text(ENGINE, r#"{"type":"finalized"}"#), []);
    assert_eq!(session.pass_ms(20_000), []);
}

#[test]
fn the_end_is_good_only_when_the_engine_says_so() {
    let end = |session: &mut Session| assert_eq!(sent(&session.tell(Input::End)), [json!({ "type": "end" })]);
    let mut good = listening();
    good.tell(Input::Finalize);
    end(&mut good);
    assert!(matches!(good.text(ENGINE, &heard("final", "bye", 0, 500))[..], [Effect::Final(_)]));
    assert_eq!(good.tell(Input::Finalize), []);
    let usage = Effect::Usage(Usage { audio_ms: 1_200, characters: 0, requests: 1 });
    let said = good.text(ENGINE, r#"{"type":"done","audio_ms":1200}"#);
    assert_eq!(said, [Effect::Finalized, Effect::Finalized, usage, link::close(ENGINE).into(), Effect::Done]);
    let mut hung_up = listening();
    end(&mut hung_up);
    assert_eq!(fault(&hung_up.finished(ENGINE, Some(1000))).kind, FaultKind::Unavailable);
    let mut silent = listening();
    end(&mut silent);
    assert_eq!(fault(&silent.pass_ms(3_000)).kind, FaultKind::Unavailable);
    assert_eq!(fault(&listening().text(ENGINE, r#"{"type":"done"}"#)).kind, FaultKind::Unavailable);
}

#[test]
fn an_engine_that_says_no_audio_is_billed_by_the_clock() {
    let mut session = listening();
    session.pass_ms(700);
    session.tell(Input::End);
    let said = session.text(ENGINE, r#"{"type":"done"}"#);
    assert!(said.contains(&Effect::Usage(Usage { audio_ms: 700, characters: 0, requests: 1 })), "{said:?}");
}

#[test]
fn edges_of_the_gateway_are_told_where_they_are_wanted() {
    assert_eq!(listening().tell(Input::Edge(Edge::SpeechStarted(5))), []);
    let mut session = started(json!({ "edges": true }));
    assert_eq!(sent(&session.tell(Input::Edge(Edge::SpeechStarted(5)))), [json!({ "type": "speech_started", "ms": 5 })]);
    assert_eq!(sent(&session.tell(Input::Edge(Edge::SpeechEnded(9)))), [json!({ "type": "speech_ended", "ms": 9 })]);
}

#[test]
fn partials_that_nobody_wants_are_not_given() {
    let mut session = started(json!({ "partials": false }));
    session.opened(ENGINE, 101);
    session.text(ENGINE, r#"{"type":"ready","version":1}"#);
    assert_eq!(session.text(ENGINE, &heard("partial", "hel", 0, 300)), []);
}

#[test]
fn a_refusal_is_read_to_its_end() {
    let refused = |status, body: &str| {
        let mut session = started(json!({}));
        session.opened_with(ENGINE, status, &[("retry-after", "2")]);
        session.bytes(ENGINE, body.as_bytes());
        let said = session.finished(ENGINE, None);
        (fault(&said).kind.clone(), said.len())
    };
    assert_eq!(refused(401, ""), (FaultKind::Auth, 1));
    assert_eq!(refused(403, "no"), (FaultKind::Auth, 1));
    assert_eq!(refused(404, ""), (FaultKind::Unsupported, 1));
    assert_eq!(refused(429, ""), (FaultKind::Quota(Some(2_000)), 1));
    assert_eq!(refused(429, r#"{"type":"error","code":"rate_limited","retry_after_ms":300}"#), (FaultKind::Quota(Some(300)), 1));
    assert_eq!(refused(503, r#"{"code":"busy"}"#), (FaultKind::SessionLimit, 1));
    assert_eq!(refused(500, &"x".repeat(10_000)), (FaultKind::Unavailable, 1));
    let mut slow = started(json!({}));
    slow.opened(ENGINE, 401);
    assert_eq!(fault(&slow.pass_ms(500)).kind, FaultKind::Auth);
    assert_eq!(fault(&started(json!({})).opened(ENGINE, 200)).kind, FaultKind::Protocol);
}

#[test]
fn an_engine_that_cannot_be_reached_or_is_silent_is_unavailable() {
    let kind = |effects: Vec<Effect>| fault(&effects).kind.clone();
    for broken in [LinkErrorKind::Connect, LinkErrorKind::Tls, LinkErrorKind::Timeout, LinkErrorKind::Dns] {
        assert_eq!(kind(started(json!({})).failed(ENGINE, broken)), FaultKind::Unavailable);
    }
    assert_eq!(kind(listening().failed(ENGINE, LinkErrorKind::Reset)), FaultKind::Unavailable);
    let denied = started(json!({})).failed(ENGINE, LinkErrorKind::EgressDenied);
    assert_eq!(fault(&denied).remedy, Remedy::Configuration);
    assert_eq!(kind(started(json!({})).pass_ms(5_000)), FaultKind::Unavailable);
    let mut silent = started(json!({}));
    silent.opened(ENGINE, 101);
    assert_eq!(kind(silent.pass_ms(3_000)), FaultKind::Unavailable);
    let mut silent = listening();
    silent.tell(Input::Finalize);
    assert_eq!(kind(silent.pass_ms(3_000)), FaultKind::Unavailable);
    let mut patient = started(json!({ "patience_ms": 8_000 }));
    patient.opened(ENGINE, 101);
    assert_eq!(patient.pass_ms(7_999), []);
}

#[test]
fn an_engine_that_breaks_the_protocol_is_told_apart() {
    let mut early = started(json!({}));
    early.opened(ENGINE, 101);
    assert_eq!(fault(&early.text(ENGINE, &heard("final", "x", 0, 1))).kind, FaultKind::Protocol);
    let mut later = started(json!({}));
    later.opened(ENGINE, 101);
    assert_eq!(fault(&later.text(ENGINE, r#"{"type":"ready","version":2}"#)).kind, FaultKind::Protocol);
    assert_eq!(fault(&listening().text(ENGINE, "]")).kind, FaultKind::Protocol);
    assert_eq!(listening().text(ENGINE, r#"{"type":"mood"}"#), []);
    assert_eq!(listening().bytes(ENGINE, b"sound?"), []);
}

#[test]
fn an_error_message_ends_the_session_and_what_was_heard_is_billed() {
    let mut session = listening();
    session.pass_ms(1_000);
    let said = session.text(ENGINE, r#"{"type":"error","code":"rate_limited","retry_after_ms":1500}"#);
    let usage = Effect::Usage(Usage { audio_ms: 1_000, characters: 0, requests: 1 });
    assert_eq!((&said[0], &fault(&said).kind), (&usage, &FaultKind::Quota(Some(1_500))));
    assert!(session.is_over());
}
