//! How streams end, and what their successors and their faults tell.

use super::*;

/// An event of v1 at its place in the stream.
fn event_at(kind: u8, ms: i64) -> Vec<u8> {
    let at = [vec![8], varint(ms / 1000), vec![16], varint(ms % 1000 * 1_000_000)].concat();
    grpc::frame(&[vec![0x20, kind], field(8, &at)].concat())
}

fn told(effects: &[Effect]) -> Vec<&Effect> {
    effects.iter().filter(|effect| matches!(effect, Effect::SpeechStarted(_) | Effect::SpeechEnded(_))).collect()
}

#[test]
fn a_stream_on_which_google_hears_no_more_is_half_closed_once() {
    for kind in [1, 4] {
        let mut session = up(r#"{"single_utterance":true,"speech_end_timeout_ms":500}"#);
        hear(&mut session, 1_000);
        assert_eq!(sent(&session.bytes(1, &event(kind))), ["finish 1"], "{kind}");
        assert_eq!(session.bytes(1, &event(kind)), [], "{kind}");
        assert_eq!(hear(&mut session, 100), [], "{kind}: Google would not hear it");
        assert_eq!(sent(&session.tell(Input::Finalize)), [""; 0], "{kind}");
        session.pass_ms(600);
        assert_eq!(sent(&session.trailers(1, WELL)), ["open 2", "config 2", "1100 ms 2", "finish 2"], "{kind}");
    }
}

#[test]
fn single_utterances_are_asked_of_no_model_that_has_none() {
    let model = |options: &str| {
        let opening = protocol::opening(&Options::read(options).unwrap(), MULAW, "en-US");
        ["telephony", "command_and_search", "phone_call"]
            .into_iter()
            .find(|name| opening.windows(name.len()).any(|part| part == name.as_bytes()))
    };
    assert_eq!(model("{}"), Some("telephony"));
    assert_eq!(model(r#"{"single_utterance":true}"#), None);
    assert_eq!(model(r#"{"single_utterance":true,"model":"command_and_search"}"#), Some("command_and_search"));
    assert_eq!(model(r#"{"single_utterance":true,"model":"phone_call","enhanced":true}"#), Some("phone_call"));
    for refused in [
        r#"{"single_utterance":true,"model":"phone_call"}"#,
        r#"{"single_utterance":true,"model":"telephony"}"#,
        r#"{"single_utterance":true,"model":"latest_long","enhanced":true}"#,
        r#"{"single_utterance":true,"api":"v2","project":"p"}"#,
    ] {
        let fault = Options::read(refused).unwrap_err();
        assert!(matches!(&fault.kind, FaultKind::InvalidOptions(faults) if faults[0].path == "/single_utterance"), "{refused}");
    }
}

#[test]
fn voice_activity_has_its_place_in_the_call_and_is_told_once() {
    let mut session = up("{}");
    hear(&mut session, 3_000);
    assert_eq!(told(&session.bytes(1, &event_at(2, 400))), [&Effect::SpeechStarted(400)]);
    assert_eq!(told(&session.bytes(1, &event_at(3, 1_700))), [&Effect::SpeechEnded(1_700)]);
    session.bytes(1, &result("one", true, 2_000));
    hear(&mut session, 1_000);
    assert_eq!(told(&session.bytes(1, &event_at(2, 2_500))), [&Effect::SpeechStarted(2_500)]);
    assert_eq!(told(&session.bytes(1, &event_at(3, 3_500))), [&Effect::SpeechEnded(3_500)]);
    // The next stream is given again what is behind 2,000 ms, and tells the same, not to the millisecond.
    assert_eq!(sent(&session.failed(1, LinkErrorKind::Reset)), ["open 2", "config 2", "1600 ms 2", "400 ms 2"]);
    session.opened_with(2, 200, HEAD);
    assert_eq!(told(&session.bytes(2, &event_at(2, 520))), [] as [&Effect; 0]);
    assert_eq!(told(&session.bytes(2, &event_at(3, 1_510))), [] as [&Effect; 0]);
    hear(&mut session, 1_000);
    assert_eq!(told(&session.bytes(2, &event_at(2, 2_100))), [&Effect::SpeechStarted(4_100)]);
    // A turn may end before Google says that speech has: the next beginning is told all the same.
    session.tell(Input::Finalize);
    session.trailers(2, WELL);
    hear(&mut session, 1_000);
    assert_eq!(told(&session.bytes(3, &event_at(2, 100))), [&Effect::SpeechStarted(5_100)]);
}

#[test]
fn an_end_that_a_lost_stream_did_not_tell_is_told_by_the_next() {
    let mut session = up("{}");
    session.tell(Input::Edge(Edge::SpeechStarted(0)));
    hear(&mut session, 1_000);
    assert_eq!(told(&session.bytes(1, &event_at(2, 400))), [&Effect::SpeechStarted(400)]);
    session.failed(1, LinkErrorKind::Reset);
    session.opened_with(2, 200, HEAD);
    assert_eq!(told(&session.bytes(2, &event_at(2, 400))), [] as [&Effect; 0]);
    hear(&mut session, 1_000);
    assert_eq!(told(&session.bytes(2, &event_at(3, 1_300))), [&Effect::SpeechEnded(1_300)]);
}

#[test]
fn a_fault_takes_nothing_along_that_was_said_before_it() {
    let garbage = [0xfe, 1, 0x7b, 0xff, 0, 0x13];
    let mut session = up("{}");
    hear(&mut session, 1_000);
    let effects = session.bytes(1, &[&result("one", true, 900)[..], &garbage].concat());
    let [Effect::Final(said), Effect::Usage(usage), Effect::Fail(fault)] = &effects[..] else { panic!("{effects:?}") };
    assert_eq!((said.text.as_str(), usage.audio_ms, usage.requests), ("one", 1_000, 1));
    assert_eq!(fault.kind, FaultKind::Protocol);
    // Of all streams that go on; words of later ones wait for those of the first, which do not come.
    let mut session = up("{}");
    hear(&mut session, 1_000);
    session.tell(Input::Finalize);
    hear(&mut session, 500);
    session.opened_with(2, 200, HEAD);
    session.bytes(2, &result("two", true, 400));
    let effects = session.bytes(1, &garbage);
    let [Effect::Usage(first), Effect::Usage(second), Effect::Fail(_)] = &effects[..] else { panic!("{effects:?}") };
    assert_eq!((first.audio_ms, second.audio_ms), (1_000, 500));
}
