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
        [.., Effect::Fail(fault)] => (&fault.kind, fault.remedy),
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
    // All that was spoken is final already; one sample more, and it is not.
    session.tell(Input::Edge(Edge::SpeechEnded(1_400)));
    assert_eq!(session.tell(Input::Finalize), [Effect::Finalized]);
    session.tell(Input::Edge(Edge::SpeechEnded(1_401)));
    assert!(asks(&session.tell(Input::Finalize), protocol::FINALIZE));
    session.text(1, &piece(1_400, 1_600, "", ANSWER));
    // There is more that was spoken, and Deepgram listened and heard nothing in it.
    session.tell(Input::Edge(Edge::SpeechEnded(3_000)));
    assert_eq!(session.tell(Input::Finalize).len(), 2);
    session.text(1, &piece(1_600, 3_200, "", PARTIAL));
    assert_eq!(session.pass_ms(1_500), [Effect::Finalized]);
    assert_eq!(session.text(1, &piece(1_600, 2_800, "no", ANSWER)), [], "its turn is over");
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

/// A piece of Nova's transcript, of a length that is told in milliseconds.
fn piece(start_ms: u64, end_ms: u64, text: &str, flags: &str) -> String {
    let (start, duration) = (start_ms as f64 / 1e3, (end_ms - start_ms) as f64 / 1e3);
    let alternative = format!(r#"{{"transcript":"{text}","words":[]}}"#);
    format!(r#"{{"type":"Results","start":{start},"duration":{duration},{flags}"channel":{{"alternatives":[{alternative}]}}}}"#)
}

const PARTIAL: &str = "";
const FINAL: &str = r#""is_final":true,"speech_final":true,"#;
const ANSWER: &str = r#""is_final":true,"from_finalize":true,"#;

/// A word of Flux on a turn.
fn turn(event: &str, index: u64, end_ms: u64, text: &str) -> String {
    let end = end_ms as f64 / 1e3;
    format!(
        r#"{{"type":"TurnInfo","event":"{event}","turn_index":{index},"audio_window_start":0.4,"audio_window_end":{end},"transcript":"{text}"}}"#
    )
}

fn spoke(session: &mut Call, from_ms: u64, to_ms: u64) {
    session.tell(Input::Edge(Edge::SpeechStarted(from_ms)));
    session.tell(Input::Edge(Edge::SpeechEnded(to_ms)));
}

fn answers(effects: &[Effect]) -> usize {
    effects.iter().filter(|effect| matches!(effect, Effect::Finalized)).count()
}

fn asks(effects: &[Effect], what: &str) -> bool {
    effects.iter().any(|effect| matches!(effect, Effect::Link(LinkEffect::SendText(text)) if text.data == what))
}

#[test]
fn languages_are_asked_for_by_the_codes_that_nova_has() {
    let expected = [
        ("en-US", "en-US"),
        ("en-ZA", "en"),
        ("pt-BR", "pt-BR"),
        ("es-ES", "es"),
        ("es-MX", "es-419"),
        ("es-US", "es-419"),
        ("es-419", "es-419"),
        ("fr-FR", "fr"),
        ("multi", "multi"),
    ];
    for (tag, code) in expected {
        let url = protocol::url(&Options::default(), MULAW, tag);
        assert!(url.contains(&format!("&language={code}&")), "{tag}: {url}");
    }
}

#[test]
fn a_vendor_that_never_said_a_word_is_not_believed_to_have_heard_all() {
    for options in ["{}", r#"{"api":"flux"}"#] {
        let mut session = up(options);
        spoke(&mut session, 400, 1_700);
        session.tell(Input::Finalize);
        let effects = session.pass_ms(9_000);
        assert_eq!((answers(&effects), fault(&effects[effects.len() - 1..]).0), (0, &FaultKind::Unavailable), "{options}");
    }
}

#[test]
fn an_end_that_nova_found_itself_answers_without_waiting() {
    let mut session = up("{}");
    spoke(&mut session, 400, 1_700);
    assert!(asks(&session.tell(Input::Finalize), protocol::FINALIZE));
    let effects = session.text(1, &piece(0, 2_000, "hello", FINAL));
    assert_eq!((finals(&effects), answers(&effects)), (vec!["hello"], 1));
    // Its own answer comes behind, and is none to the next question.
    spoke(&mut session, 3_000, 3_500);
    session.tell(Input::Finalize);
    assert_eq!(answers(&session.text(1, &piece(2_000, 2_200, "", ANSWER))), 0);
    assert_eq!(answers(&session.text(1, &piece(2_200, 4_000, "yes", ANSWER))), 1);
}

#[test]
fn words_after_a_long_silence_are_heard_whatever_the_clock_says() {
    let mut session = up("{}");
    session.pass_ms(60_000);
    session.tell(Input::Finalize);
    assert_eq!(answers(&session.pass_ms(1_500)), 1);
    // The first minute brought no sound: Deepgram's clock counts sound.
    assert_eq!(finals(&session.text(1, &piece(0, 2_000, "hello", FINAL))), ["hello"]);
}

#[test]
fn words_that_nova_took_back_are_not_owed() {
    let mut session = up("{}");
    spoke(&mut session, 400, 1_700);
    session.text(1, &piece(0, 1_000, "uh", PARTIAL));
    session.text(1, &piece(0, 2_000, "", PARTIAL));
    session.tell(Input::Finalize);
    assert_eq!(session.pass_ms(1_500), [Effect::Finalized]);
}

#[test]
fn a_final_that_is_slow_is_waited_for_but_not_for_ever() {
    let owing = || {
        let mut session = up("{}");
        spoke(&mut session, 400, 1_700);
        session.text(1, &piece(0, 2_000, "hello", PARTIAL));
        session.tell(Input::Finalize);
        session
    };
    let mut slow = owing();
    assert_eq!(answers(&slow.pass_ms(3_900)), 0);
    assert_eq!(answers(&slow.text(1, &piece(0, 2_200, "hello", ANSWER))), 1);
    let effects = owing().pass_ms(4_000);
    assert_eq!(fault(&effects[effects.len() - 1..]).0, &FaultKind::Unavailable);
}

#[test]
fn flux_ends_a_turn_only_once_it_has_heard_all_of_it() {
    let mut session = up(r#"{"api":"flux"}"#);
    spoke(&mut session, 400, 1_700);
    session.text(1, &turn("StartOfTurn", 0, 900, "hello"));
    assert!(!asks(&session.tell(Input::Finalize), protocol::FORCE_END_TURN), "it ends at what it has transcribed");
    assert!(!asks(&session.text(1, &turn("Update", 0, 1_699, "hello i")), protocol::FORCE_END_TURN));
    assert!(asks(&session.text(1, &turn("Update", 0, 1_950, "hello i would")), protocol::FORCE_END_TURN));
    assert!(!asks(&session.text(1, &turn("Update", 0, 2_200, "hello i would")), protocol::FORCE_END_TURN), "once");
    let effects = session.text(1, &turn("EndOfTurn", 0, 2_200, "hello i would"));
    assert_eq!((finals(&effects), answers(&effects)), (vec!["hello i would"], 1));
}

#[test]
fn what_a_closing_flux_had_heard_of_a_turn_is_not_lost() {
    let mut session = up(r#"{"api":"flux"}"#);
    session.text(1, &turn("StartOfTurn", 0, 900, "hello"));
    session.tell(Input::End);
    let effects = session.finished(1, Some(1000));
    assert_eq!((finals(&effects), effects.last()), (vec!["hello"], Some(&Effect::Done)));
    // Nova makes all final before it closes: what it left open is lost.
    let mut session = up("{}");
    session.text(1, &piece(0, 2_000, "hello", PARTIAL));
    session.tell(Input::End);
    session.text(1, r#"{"type":"Metadata","duration":2.0}"#);
    assert_eq!(fault(&session.finished(1, Some(1000))).0, &FaultKind::Unavailable);
}

#[test]
fn flux_is_asked_for_a_language_that_its_model_hears() {
    let asked = |options: &str| {
        let mut session = testing::stt::<Session>();
        session.start(SessionStart { language: "pt-BR".to_owned(), ..testing::start(options) })
    };
    assert_eq!(fault(&asked(r#"{"api":"flux"}"#)).0, &FaultKind::Unsupported);
    let effects = asked(r#"{"api":"flux","model":"flux-general-multi"}"#);
    let Effect::Link(LinkEffect::Websocket(open)) = &effects[0] else { panic!("{effects:?}") };
    assert!(open.url.ends_with("&language_hint=pt"), "{}", open.url);
}

#[test]
fn the_end_of_speech_is_told_once_and_never_before_the_beginning() {
    let mut session = up("{}");
    let effects = session.text(1, &piece(0, 2_000, "hello", FINAL));
    assert!(effects.contains(&Effect::SpeechEnded(2_000)));
    assert_eq!(session.text(1, r#"{"type":"UtteranceEnd","channel":[0,1],"last_word_end":1.9}"#), []);
    assert_eq!(up("{}").text(1, r#"{"type":"UtteranceEnd","channel":[0,1],"last_word_end":-1}"#), []);
}

#[test]
fn an_end_of_speech_that_comes_behind_its_last_words_is_told() {
    const MORE: &str = r#""is_final":true,"speech_final":false,"#;
    let mut session = up("{}");
    let effects = session.text(1, &piece(0, 2_000, "hello", MORE));
    assert!(matches!(effects[..], [Effect::Final(_)]), "{effects:?}");
    assert_eq!(session.text(1, &piece(2_000, 2_400, "", FINAL)), [Effect::SpeechEnded(2_400)]);
    assert_eq!(session.text(1, &piece(2_400, 3_400, "", FINAL)), [], "nobody spoke since");
}

#[test]
fn what_was_listened_to_is_told_before_a_fault_as_well() {
    let mut session = up("{}");
    session.text(1, &piece(0, 2_000, "hello", PARTIAL));
    let effects = session.finished(1, Some(1011));
    let [Effect::Usage(usage), Effect::Fail(fault)] = &effects[..] else { panic!("{effects:?}") };
    assert_eq!((usage.audio_ms, usage.requests, &fault.kind), (2_000, 1, &FaultKind::Unavailable));
    // Who was not let in has cost nothing.
    assert!(matches!(called("{}").opened(1, 401)[..], [Effect::Fail(_)]));
}

#[test]
fn asked_twice_it_answers_twice_and_says_each_word_once() {
    let mut session = up("{}");
    spoke(&mut session, 400, 1_700);
    session.tell(Input::Finalize);
    session.tell(Input::Finalize);
    let effects = session.text(1, &piece(0, 2_000, "hello", ANSWER));
    assert_eq!((finals(&effects), answers(&effects)), (vec!["hello"], 2));
    assert_eq!(session.text(1, &piece(0, 2_000, "hello", ANSWER)), []);
}
