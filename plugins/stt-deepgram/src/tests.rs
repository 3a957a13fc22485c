use crate::options::{Api, Options};
use crate::protocol;
use crate::session::Session;
use vg_plugin_sdk::{
    AudioFormat, Encoding, FaultKind, Remedy, SessionStart,
    json::{self, Value},
    link::{LinkEffect, LinkErrorKind},
    stt::{Edge, Effect, Input},
    testing,
};

const NOVA: &str = include_str!("../fixtures/nova.jsonl");
const FLUX: &str = include_str!("../fixtures/flux.jsonl");
const MULAW: AudioFormat = AudioFormat { encoding: Encoding::Mulaw, rate_hz: 8_000 };

type Call = testing::Session<Input, Effect>;

fn lines(fixture: &str) -> Vec<Value> {
    fixture.lines().map(|line| json::from_str(line).unwrap()).collect()
}

/// What Deepgram said in a capture.
fn said(fixture: &str) -> Vec<String> {
    let text = |line: &Value| (line["dir"] == "s2c").then(|| line["text"].as_str().unwrap().to_owned());
    lines(fixture).iter().filter_map(text).collect()
}

fn called(options: &str) -> Call {
    let mut session = testing::stt::<Session>();
    session.start(testing::start(options));
    session
}

fn up(options: &str) -> Call {
    let mut session = called(options);
    session.opened(1, 101);
    session
}

fn fault(effects: &[Effect]) -> (&FaultKind, Remedy) {
    match effects {
        [Effect::Fail(fault)] => (&fault.kind, fault.remedy),
        other => panic!("no fault but {other:?}"),
    }
}

fn finals(effects: &[Effect]) -> Vec<&str> {
    effects.iter().filter_map(|effect| if let Effect::Final(said) = effect { Some(said.text.as_str()) } else { None }).collect()
}

#[test]
fn the_url_is_the_one_that_the_vendors_client_asks_for() {
    let options = |api| Options {
        api,
        keyterms: vec!["account balance".to_owned()],
        smart_format: true,
        numerals: true,
        utterance_end_ms: Some(1000),
        eot_threshold: Some(0.8),
        eager_eot_threshold: Some(0.5),
        eot_timeout_ms: Some(5000),
        ..Options::default()
    };
    for (fixture, api) in [(NOVA, Api::Nova), (FLUX, Api::Flux)] {
        let url = protocol::url(&options(api), MULAW, "en-US");
        assert_eq!(url.strip_prefix("wss://api.deepgram.com"), lines(fixture)[0]["target"].as_str());
    }
}

#[test]
fn the_key_stays_with_the_host_and_sound_goes_by_itself() {
    for (options, authorization) in [("{}", "Token {secret:api_key}"), (r#"{"auth":"bearer"}"#, "bearer {secret:api_key}")] {
        let mut session = testing::stt::<Session>();
        let asked = session.start(testing::start(options));
        let Effect::Link(LinkEffect::Websocket(open)) = &asked[0] else { panic!("{asked:?}") };
        assert_eq!(open.headers, [("authorization".to_owned(), authorization.to_owned())]);
        assert!(matches!(&asked[1], Effect::RouteAudio(route) if route.link == 1 && route.prefix.is_empty()));
    }
    let mut session = testing::stt::<Session>();
    let pcm = AudioFormat { encoding: Encoding::PcmS16le, rate_hz: 16_000 };
    let start = SessionStart { format: pcm, ..testing::start(r#"{"endpoint":"http://127.0.0.1:9"}"#) };
    let asked = session.start(start);
    let Effect::Link(LinkEffect::Websocket(open)) = &asked[0] else { panic!("{asked:?}") };
    assert!(open.url.starts_with("ws://127.0.0.1:9/v1/listen?") && open.url.contains("encoding=linear16"), "{}", open.url);
}

#[test]
fn a_captured_nova_session_is_understood() {
    let mut session = up("{}");
    session.tell(Input::Finalize);
    session.tell(Input::End);
    let effects: Vec<Effect> = said(NOVA).iter().flat_map(|text| session.text(1, text)).collect();
    let expected = [
        "hello i would like to check my account balance",
        "my order number is four",
        // The recording server repeats what it was made to finalize, as a longer piece.
        "my order number is four two seven nine",
    ];
    assert_eq!(finals(&effects), expected);
    assert_eq!(effects.iter().filter(|effect| matches!(effect, Effect::Partial(_))).count(), 5);
    assert_eq!(effects.first(), Some(&Effect::SpeechStarted(400)));
    let words = effects.iter().find_map(|effect| if let Effect::Final(said) = effect { Some(&said.words) } else { None });
    assert_eq!(words.map(|words| (words[0].text.as_str(), words[0].start_ms, words[0].end_ms)), Some(("hello", 400, 810)));
    let end = session.finished(1, Some(1000));
    assert!(matches!(&end[..], [.., Effect::Usage(usage), Effect::Done] if usage.audio_ms == 7559), "{end:?}");
}

#[test]
fn a_captured_flux_session_is_understood() {
    let mut session = up(r#"{"api":"flux"}"#);
    let effects: Vec<Effect> = said(FLUX).iter().flat_map(|text| session.text(1, text)).collect();
    assert_eq!(finals(&effects), ["hello i would like to check my account balance", "my order number is four two seven nine"]);
    assert!(effects.contains(&Effect::SpeechStarted(400)) && effects.contains(&Effect::SpeechEnded(6500)));
    let eager = effects.iter().any(|effect| matches!(effect, Effect::Partial(said) if said.stability.is_some()));
    assert!(eager, "an eager end of turn is a steadier partial");
    session.tell(Input::End);
    assert_eq!(session.finished(1, Some(1000)).last(), Some(&Effect::Done));
}

#[test]
fn what_deepgram_adds_later_is_passed_over() {
    let mut session = up("{}");
    let effects: Vec<Effect> =
        said(include_str!("../fixtures/nova-unknown.jsonl")).iter().flat_map(|text| session.text(1, text)).collect();
    assert_eq!(finals(&effects).len(), 2);
}

#[test]
fn finalize_is_answered_by_deepgram_by_silence_or_at_once() {
    let last = r#"{"type":"Results","start":0.4,"duration":1.0,"is_final":true,"from_finalize":true,"channel":{"alternatives":[{"transcript":"yes"}]}}"#;
    let mut session = up("{}");
    assert!(
        matches!(&session.tell(Input::Finalize)[0], Effect::Link(LinkEffect::SendText(text)) if text.data == protocol::FINALIZE)
    );
    let answer = session.text(1, last);
    assert!(matches!(&answer[..], [Effect::Final(said), Effect::Finalized] if said.text == "yes"), "{answer:?}");
    // All that was spoken is final already.
    session.tell(Input::Edge(Edge::SpeechEnded(1_500)));
    assert_eq!(session.tell(Input::Finalize), [Effect::Finalized]);
    // There is more that was spoken, and Deepgram heard nothing in it.
    session.tell(Input::Edge(Edge::SpeechEnded(3_000)));
    assert_eq!(session.tell(Input::Finalize).len(), 2);
    assert_eq!(session.pass_ms(1_500), [Effect::Finalized]);
    let late = last.replace("1.0", "2.4").replace("yes", "no");
    assert_eq!(session.text(1, &late), [], "its turn is over");
    let partial = late.replace("true", "false").replace("2.4", "4.0");
    session.text(1, &partial);
    session.tell(Input::Edge(Edge::SpeechEnded(4_400)));
    session.tell(Input::Finalize);
    let effects = session.pass_ms(1_500);
    assert_eq!(fault(&effects).0, &FaultKind::Unavailable, "words are owed");
}

#[test]
fn a_silent_line_is_kept_alive_but_only_novas() {
    let mut session = up("{}");
    let sent = session.pass_ms(9_000);
    let sent: Vec<_> = sent.iter().filter(|effect| matches!(effect, Effect::Link(LinkEffect::SendText(_)))).collect();
    assert_eq!(sent.len(), 2);
    assert_eq!(up(r#"{"api":"flux"}"#).pass_ms(9_000), []);
}

#[test]
fn every_refusal_has_its_fault() {
    let kind = |status| fault(&called("{}").opened_with(1, status, &[("retry-after", "1"), ("dg-error", "x")])).0.clone();
    assert_eq!(kind(400), FaultKind::Unsupported);
    assert_eq!((kind(401), kind(403)), (FaultKind::Auth, FaultKind::Auth));
    assert_eq!((kind(402), kind(429)), (FaultKind::Quota(Some(1000)), FaultKind::Quota(Some(1000))));
    assert_eq!((kind(500), kind(503)), (FaultKind::Unavailable, FaultKind::Unavailable));
    assert_eq!(kind(200), FaultKind::Protocol);
}

#[test]
fn every_way_to_break_off_has_its_fault() {
    let close = |code| {
        let effects = up("{}").finished(1, code);
        let (kind, remedy) = fault(&effects);
        (kind.clone(), remedy)
    };
    assert_eq!(close(Some(1008)), (FaultKind::BadAudio, Remedy::NextProvider));
    assert_eq!(close(Some(1011)), (FaultKind::Unavailable, Remedy::Retry));
    assert_eq!(close(Some(1000)), (FaultKind::Unavailable, Remedy::NextProvider));
    assert_eq!(fault(&up("{}").failed(1, LinkErrorKind::Reset)).0, &FaultKind::Unavailable);
    assert_eq!(fault(&called("{}").pass_ms(6_000)).0, &FaultKind::Unavailable);
    assert_eq!(fault(&up("{}").text(1, "<html>")).0, &FaultKind::Protocol);
    let mut told = up(r#"{"api":"flux"}"#);
    let last = said(include_str!("../fixtures/flux-error.jsonl")).into_iter().map(|text| told.text(1, &text)).last().unwrap();
    assert_eq!(fault(&last).0, &FaultKind::Unavailable);
}

#[test]
fn a_close_without_the_last_message_is_no_end() {
    let mut session = up("{}");
    session.tell(Input::End);
    assert_eq!(fault(&session.finished(1, Some(1000))).0, &FaultKind::Unavailable);
    let mut session = up("{}");
    session.tell(Input::End);
    assert_eq!(fault(&session.pass_ms(5_000)).0, &FaultKind::Unavailable);
}

#[test]
fn options_that_are_none_name_themselves() {
    let effects = testing::stt::<Session>().start(testing::start(r#"{"modell":1}"#));
    assert!(matches!(fault(&effects).0, FaultKind::InvalidOptions(_)));
    let effects = testing::stt::<Session>().start(testing::start(r#"{"endpoint":"x"}"#));
    assert!(matches!(fault(&effects).0, FaultKind::InvalidOptions(faults) if faults[0].path == "/endpoint"));
    let schema: Value = json::from_str(crate::options::SCHEMA).unwrap();
    assert!(schema["properties"].as_object().unwrap().values().all(|option| option["description"].is_string()));
}
