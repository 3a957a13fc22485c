//! Whatever Google, or the way to it, may do.

use super::replay::exchange;
use super::*;
use vg_plugin_sdk::{json::Value, link::LinkErrorKind};

/// The end of a captured call, told on this link.
fn end(session: &mut Call, link: LinkId, name: &str) -> Vec<Effect> {
    let end = exchange(name)["end"].clone();
    let text = |field: &str| end[field].as_str().unwrap_or_default().to_owned();
    let (status, message, details) = (text("status"), text("message"), text("details"));
    let mut fields = vec![("grpc-status", status.as_str()), ("grpc-message", &message), ("grpc-status-details-bin", &details)];
    if end["only"] == true {
        fields.extend(GRPC);
        return session.opened_with(link, 200, &fields);
    }
    session.trailers(link, &fields)
}

fn refusal(session: &mut Call, link: LinkId, name: &str) -> Vec<Effect> {
    let exchange = exchange(name);
    let mut effects = session.opened_with(link, exchange["status"].as_u64().unwrap() as u16, JSON);
    if !session.is_over() {
        effects.extend(session.bytes(link, exchange["body"].as_str().unwrap().as_bytes()));
    }
    if !session.is_over() {
        effects.extend(session.finished(link, None));
    }
    effects
}

fn is_asked_again(effects: &[Effect]) -> bool {
    effects.first() == Some(&LinkEffect::Close(1).into()) && open(effects).is_some_and(|open| open.id == 2)
}

#[test]
fn every_captured_refusal_has_its_fault() {
    let expected = [
        ("err_bad_key", FaultKind::Auth, Remedy::Configuration),
        ("err_denied", FaultKind::Auth, Remedy::Configuration),
        ("err_tls_unauth", FaultKind::Auth, Remedy::Configuration),
        ("err_stream_unauth", FaultKind::Auth, Remedy::Configuration),
        ("err_bad_voice", FaultKind::Unsupported, Remedy::Configuration),
        ("err_bad_ssml", FaultKind::Unsupported, Remedy::Configuration),
        ("err_too_long", FaultKind::Unsupported, Remedy::Configuration),
        ("err_stream_bad_enc", FaultKind::Unsupported, Remedy::Configuration),
        ("err_stream_no_config", FaultKind::Unsupported, Remedy::Configuration),
    ];
    for (name, kind, remedy) in expected {
        let mut session = asked(if name.contains("stream") { "{}" } else { UNARY });
        let effects = end(&mut session, 1, name);
        assert_eq!(fault(&effects), (&kind, remedy), "{name}");
    }
    for name in ["err_unavailable", "err_unavailable_once", "err_aborted", "err_deadline", "err_stream_idle"] {
        let mut session = asked(if name.contains("stream") { "{}" } else { UNARY });
        let again = end(&mut session, 1, name);
        assert!(is_asked_again(&again), "{name}: {again:?}");
        assert_eq!(fault(&end(&mut session, 2, name)), (&FaultKind::Unavailable, Remedy::NextProvider), "{name}");
    }
    let expected = [
        ("err_rest_bad_key", FaultKind::Auth, Remedy::Configuration),
        ("err_rest_unauth", FaultKind::Auth, Remedy::Configuration),
        ("err_rest_bad_voice", FaultKind::Unsupported, Remedy::Configuration),
        ("err_rest_quota", FaultKind::Quota(Some(1000)), Remedy::NextProvider),
    ];
    for (name, kind, remedy) in expected {
        assert_eq!(fault(&refusal(&mut asked(REST), 1, name)), (&kind, remedy), "{name}");
    }
    for name in ["err_rest_internal", "err_rest_unavailable_once"] {
        let mut session = asked(REST);
        assert!(is_asked_again(&refusal(&mut session, 1, name)), "{name}");
        assert_eq!(fault(&refusal(&mut session, 2, name)).0, &FaultKind::Unavailable);
    }
}

#[test]
fn the_second_try_is_the_same_and_can_succeed() {
    for options in ["{}", UNARY] {
        let mut session = call(options);
        let mut first = told(&mut session, "Hello, ");
        first.extend(told(&mut session, "world."));
        first.extend(session.tell(Input::Flush(7)));
        let again = end(&mut session, 1, "err_unavailable_once");
        assert_eq!(
            messages(&sent(&again, 2)).concat().len(),
            messages(&sent(&first, 1)).concat().len() - if options == "{}" { 4 } else { 0 }
        );
        assert_eq!(options == "{}", again.contains(&LinkEffect::Finish(2).into()));
        session.opened_with(2, 200, GRPC);
        session.bytes(2, &spoken(&[5]));
        assert_eq!(session.trailers(2, OK), [Effect::Flushed(7)]);
    }
}

#[test]
fn a_quota_says_how_long_and_an_account_without_money_does_not() {
    let details = |text: &str| {
        let mut session = asked(UNARY);
        let fields = [GRPC[0], ("grpc-status", "8"), ("grpc-status-details-bin", text)];
        let effects = session.opened_with(1, 200, &fields);
        fault(&effects).0.clone()
    };
    assert_eq!(details(""), FaultKind::Quota(None));
    let mut info = b"\x0a\x28type.googleapis.com/google.rpc.RetryInfo\x12\x04\x0a\x02\x08\x07".to_vec();
    info.splice(..0, [0x08, 0x08, 0x1a, info.len() as u8]);
    use base64::Engine;
    assert_eq!(details(&base64::engine::general_purpose::STANDARD_NO_PAD.encode(info)), FaultKind::Quota(Some(7000)));
}

#[test]
fn what_breaks_off_within_the_sound_is_a_fault_and_not_asked_again() {
    for options in ["{}", UNARY] {
        let half = || {
            let mut session = answered(options);
            assert_eq!(sound(&session.bytes(1, &spoken(&[1, 2]))), [1, 2]);
            session
        };
        assert_eq!(fault(&half().failed(1, LinkErrorKind::Reset)), (&FaultKind::Unavailable, Remedy::NextProvider));
        assert_eq!(fault(&half().finished(1, None)).0, &FaultKind::Unavailable);
        assert_eq!(fault(&end(&mut half(), 1, "err_stream_mid_error")).0, &FaultKind::Unavailable);
        assert_eq!(fault(&half().pass_ms(7_000)).0, &FaultKind::Unavailable);
        let mut cut = half();
        cut.bytes(1, &spoken(&[3, 4])[..6]);
        assert_eq!(fault(&cut.trailers(1, OK)).0, &FaultKind::Unavailable, "an end within a message is none");
    }
    let mut session = answered(REST);
    session.bytes(1, br#"{"audioContent": "AAAA"#);
    assert_eq!(fault(&session.finished(1, None)).0, &FaultKind::Unavailable);
}

#[test]
fn an_end_before_all_text_was_given_is_none() {
    let mut session = call("{}");
    told(&mut session, "Hello, ");
    session.opened_with(1, 200, GRPC);
    session.bytes(1, &spoken(&[1]));
    assert_eq!(fault(&session.trailers(1, OK)).0, &FaultKind::Unavailable);
}

#[test]
fn links_that_fail_and_vendors_that_are_silent_are_told() {
    for options in ["{}", UNARY, REST] {
        for kind in [LinkErrorKind::Connect, LinkErrorKind::Dns, LinkErrorKind::Tls, LinkErrorKind::Timeout] {
            assert_eq!(fault(&asked(options).failed(1, kind)).0, &FaultKind::Unavailable);
        }
        assert_eq!(fault(&asked(options).failed(1, LinkErrorKind::EgressDenied)).1, Remedy::Configuration);
        assert_eq!(fault(&asked(options).failed(1, LinkErrorKind::Protocol)).0, &FaultKind::Protocol);
        assert!(is_asked_again(&asked(options).failed(1, LinkErrorKind::Reset)));
        assert_eq!(fault(&asked(options).pass_ms(9_000)).0, &FaultKind::Unavailable);
        assert_eq!(fault(&asked(options).opened_with(1, 401, JSON)).0, &FaultKind::Auth);
        assert_eq!(fault(&asked(options).opened_with(1, 302, JSON)).0, &FaultKind::Protocol);
        assert_eq!(fault(&asked(options).opened_with(1, 200, &[("content-type", "text/html")])).0, &FaultKind::Protocol);
        assert!(is_asked_again(&asked(options).opened_with(1, 503, &[])));
    }
    let head = [("retry-after", "7"), JSON[0]];
    let mut session = asked(REST);
    session.opened_with(1, 429, &head);
    assert_eq!(fault(&session.finished(1, None)).0, &FaultKind::Quota(Some(7000)));
    assert_eq!(fault(&asked("{}").opened_with(1, 429, &head)).0, &FaultKind::Quota(Some(7000)));
}

#[test]
fn sound_that_waits_for_room_is_not_silence() {
    for options in ["{}", UNARY] {
        let mut session = answered(options);
        session.bytes(1, &spoken(&[1]));
        assert_eq!(session.pass_ms(3_999), []);
        // The timer, then the host that has room, then the sound that waited there.
        assert!(matches!(session.pass_ms(1)[..], [Effect::Timer(_), Effect::Timer(_)]));
        session.pass_ms(999);
        assert_eq!(sound(&session.bytes(1, &spoken(&[2]))), [2]);
        assert!(!session.pass_ms(4_999).iter().any(|effect| matches!(effect, Effect::Fail(_))));
        assert_eq!(session.trailers(1, OK), [Effect::Flushed(7)]);
    }
}

#[test]
fn a_head_and_bytes_without_a_sample_are_no_sound() {
    let mut head = asked("{}");
    head.pass_ms(6_500);
    assert_eq!(head.opened_with(1, 200, GRPC), []);
    assert_eq!(fault(&head.pass_ms(60_000)).0, &FaultKind::Unavailable);
    let mut half = answered("{}");
    half.bytes(1, &spoken(&[1]));
    half.pass_ms(4_500);
    assert_eq!(half.bytes(1, &spoken(&[2, 3])[..3]), []);
    assert_eq!(fault(&half.pass_ms(60_000)).0, &FaultKind::Unavailable);
    let mut refused = asked(REST);
    refused.opened_with(1, 403, JSON);
    assert_eq!(fault(&refused.pass_ms(60_000)).0, &FaultKind::Auth, "whatever else it would have said");
}

#[test]
fn nothing_spoken_is_no_success_unless_there_was_nothing_to_speak() {
    let mut session = answered(UNARY);
    assert_eq!(fault(&session.trailers(1, OK)), (&FaultKind::EmptyResult, Remedy::NextProvider));
    let mut session = call("{}");
    told(&mut session, "...");
    session.tell(Input::Flush(7));
    session.opened_with(1, 200, GRPC);
    assert_eq!(session.trailers(1, OK), [Effect::Flushed(7)]);
}

#[test]
fn what_is_no_answer_is_a_protocol_fault() {
    for options in ["{}", UNARY] {
        assert_eq!(fault(&answered(options).bytes(1, &[0xfe, 1, 0x7b])).0, &FaultKind::Protocol);
    }
    assert_eq!(fault(&answered(REST).bytes(1, br#"{"audioContent": [1]}"#)).0, &FaultKind::Protocol);
    let mut session = answered(REST);
    session.bytes(1, b"{}");
    assert!(is_asked_again(&session.finished(1, None)), "nothing in it, and nothing was heard yet");
}

#[test]
fn no_detail_repeats_what_google_wrote() {
    for name in ["err_bad_voice", "err_denied", "err_tls_unauth"] {
        let effects = end(&mut asked(UNARY), 1, name);
        let Some(Effect::Fail(fault)) = effects.last() else { panic!("{effects:?}") };
        assert!(fault.detail.len() < 60 && !fault.detail.contains("en-US"), "{}", fault.detail);
    }
    let own: Value = exchange("err_rest_bad_key");
    assert!(own["body"].as_str().unwrap().contains("API_KEY_INVALID"));
}
