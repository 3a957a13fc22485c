//! What no capture holds: finalizing, waiting, silence, and an impatient host.

use super::*;
use vg_plugin_sdk::FaultKind;
use vg_plugin_sdk::link::{LinkErrorKind, LinkInput};

fn phrase(offset_ms: u64, duration_ms: u64, text: &str) -> String {
    let (offset, duration) = (offset_ms * 10_000, duration_ms * 10_000);
    format!(r#"{{"RecognitionStatus":"Success","Offset":{offset},"Duration":{duration},"DisplayText":"{text}"}}"#)
}

fn ended(driven: &Driven) -> bool {
    matches!(driven.sent.last(), Some(Sent::Audio { bytes, .. }) if bytes.is_empty())
}

fn lost(driven: &mut Driven) {
    let effects = driven.session.failed(driven.link(), LinkErrorKind::Reset);
    driven.note(effects);
}

#[test]
fn finalize_ends_the_turn_and_is_answered_behind_its_last_words() {
    let mut driven = Driven::listening();
    driven.tell(Input::Finalize);
    assert!(ended(&driven));
    // What comes meanwhile waits for the next turn.
    driven.tell(Input::Audio(vec![2; 400]));
    assert_eq!(driven.sound(), vec![1; 8_000]);
    driven.tells("speech.phrase", &phrase(100, 700, "Hello."));
    driven.tells("turn.end", "{}");
    assert!(matches!(driven.said[..], [Effect::Final(_), Effect::Usage(_), Effect::Finalized]), "{:?}", driven.said);
    assert!(matches!(driven.said[1], Effect::Usage(usage) if usage.audio_ms == 1_000 && usage.requests == 1));
    // The next turn is of the same connection and goes on where the first ended.
    assert_eq!((driven.sound(), driven.opens.len()), (vec![2; 400], 1));
    let context = driven.sent.iter().rev().find_map(|sent| match sent {
        Sent::Text { json, .. } => Some(json["continuation"].clone()),
        _ => None,
    });
    let expected = serde_json::json!({ "previousServiceTag": "tag1", "audio": { "streams": { "1": { "offset": "10000000" } } } });
    assert_eq!(context, Some(expected));
    driven.tells("turn.start", r#"{"context":{"serviceTag":"tag2"}}"#);
    driven.tells("speech.phrase", &phrase(10, 30, "Yes."));
    assert_eq!((driven.finals()[1].start_ms, driven.finals()[1].end_ms), (1_010, 1_040));
}

#[test]
fn finalize_without_sound_and_finalize_twice_are_each_answered_once() {
    let mut driven = Driven::plain();
    driven.tell(Input::Finalize);
    assert_eq!(driven.said, [Effect::Finalized]);
    let mut driven = Driven::listening();
    driven.tell(Input::Finalize);
    driven.tell(Input::Finalize);
    driven.tells("turn.end", "{}");
    assert_eq!(driven.said[1..], [Effect::Finalized, Effect::Finalized]);
    driven.tell(Input::End);
    assert_eq!(driven.said.last(), Some(&Effect::Done));
}

#[test]
fn a_final_comes_once_and_no_partial_after_it() {
    let mut driven = Driven::listening();
    let partial = r#"{"Text":"hel","Offset":1000000,"Duration":3000000}"#;
    driven.tells("speech.hypothesis", partial);
    driven.tells("speech.phrase", &phrase(100, 700, "Hello."));
    driven.tells("speech.phrase", &phrase(100, 700, "Hello."));
    driven.tells("speech.hypothesis", partial);
    assert!(matches!(driven.said[..], [Effect::Partial(_), Effect::Final(_)]), "{:?}", driven.said);
}

#[test]
fn news_of_a_turn_that_is_over_is_for_nobody() {
    let mut driven = Driven::listening();
    let late = format!("X-RequestId:{}\r\nPath:speech.phrase\r\n\r\n{}", "0".repeat(32), phrase(0, 1, "Late."));
    assert_eq!(driven.session.text(1, &late), []);
    // As the JS client writes it.
    let shouted = format!("Path: turn.end\r\nX-RequestId: {}\r\n\r\n{{}}", driven.request_id().to_uppercase());
    driven.tell(Input::Finalize);
    assert!(driven.session.text(1, &shouted).contains(&Effect::Finalized));
}

#[test]
fn only_what_is_not_final_goes_out_again() {
    let mut driven = Driven::listening();
    driven.tells("speech.phrase", &phrase(100, 400, "Hello."));
    driven.tell(Input::Finalize);
    lost(&mut driven);
    driven.tell(Input::Audio(vec![2; 800]));
    driven.pass_ms(300);
    driven.opened(101, &[]);
    // Half a second of the first sound, up to where it was to be final; then it waits.
    assert!(ended(&driven));
    assert_eq!(driven.sound(), vec![1; 4_000]);
    driven.tells("turn.start", r#"{"context":{"serviceTag":"tag2"}}"#);
    driven.tells("turn.end", "{}");
    assert!(driven.said.contains(&Effect::Finalized));
    assert_eq!(driven.sound(), vec![2; 800]);
}

#[test]
fn a_connection_that_is_lost_while_nobody_speaks_is_opened_when_somebody_does() {
    let mut driven = Driven::listening();
    driven.tell(Input::Finalize);
    driven.tells("turn.end", "{}");
    let effects = driven.session.finished(1, Some(1000));
    driven.note(effects);
    driven.pass_ms(60_000);
    assert_eq!(driven.opens.len(), 1);
    driven.tell(Input::Audio(vec![2; 800]));
    assert_eq!(driven.opens.len(), 2);
    driven.opened(101, &[]);
    assert_eq!(driven.sound(), vec![2; 800]);
}

#[test]
fn a_silent_vendor_is_unavailable_wherever_it_falls_silent() {
    let unavailable = |mut driven: Driven, ms: u64| {
        driven.pass_ms(ms);
        assert_eq!(driven.fault().kind, FaultKind::Unavailable);
    };
    unavailable(Driven::plain(), 5_500);
    let mut begun = Driven::plain();
    begun.opened(101, &[]);
    begun.tell(Input::Audio(vec![1; 800]));
    unavailable(begun, 5_000);
    let mut finalizing = Driven::listening();
    finalizing.tell(Input::Finalize);
    unavailable(finalizing, 3_000);
    let mut ending = Driven::listening();
    ending.tell(Input::End);
    unavailable(ending, 3_000);
    // Each step in time, but all of them too late.
    let mut slow = Driven::listening();
    slow.tell(Input::Finalize);
    slow.pass_ms(2_900);
    lost(&mut slow);
    slow.pass_ms(300);
    slow.pass_ms(5_400);
    slow.opened(101, &[]);
    slow.pass_ms(399);
    assert!(!slow.session.is_over());
    unavailable(slow, 1);
}

#[test]
fn links_that_cannot_be_are_not_tried_again() {
    let expected = [
        (LinkErrorKind::EgressDenied, FaultKind::Unavailable, 1),
        (LinkErrorKind::Tls, FaultKind::Unavailable, 1),
        (LinkErrorKind::Dns, FaultKind::Unavailable, 1),
        (LinkErrorKind::Timeout, FaultKind::Unavailable, 1),
        (LinkErrorKind::Limit, FaultKind::SessionLimit, 1),
        (LinkErrorKind::Connect, FaultKind::Unavailable, 2),
    ];
    for (error, kind, attempts) in expected {
        let mut driven = Driven::plain();
        while !driven.session.is_over() {
            let effects = driven.session.failed(driven.link(), error);
            driven.note(effects);
            driven.pass_ms(300);
        }
        assert_eq!((&driven.fault().kind, driven.opens.len()), (&kind, attempts), "{error:?}");
    }
}

#[test]
fn refusals_of_a_handshake_are_told_apart() {
    let refused = |status, headers: &[(&str, &str)]| {
        let mut driven = Driven::plain();
        driven.opened(status, headers);
        driven.fault().clone()
    };
    assert_eq!(refused(429, &[("Retry-After", "7")]).kind, FaultKind::Quota(Some(7_000)));
    assert_eq!(refused(404, &[]).kind, FaultKind::Unsupported);
    assert_eq!(refused(200, &[]).kind, FaultKind::Protocol);
    for location in ["", "/relative", "ftp://x/", "wss://{secret:api_key}.evil.example/"] {
        assert_eq!(refused(307, &[("Location", location)]).kind, FaultKind::Protocol, "{location}");
    }
    let mut circle = Driven::plain();
    for _ in 0..4 {
        circle.opened(307, &[("Location", "https://other.example/a")]);
    }
    assert_eq!((&circle.fault().kind, circle.opens.len()), (&FaultKind::Protocol, 4));
    assert_eq!(circle.opens[3].url, "wss://other.example/a");
}

#[test]
fn what_is_no_message_of_the_vendor_is_its_fault() {
    for garbage in ["\u{1}]garbage{\"", "Path:turn.start\r\n\r\n{", "Path:speech.phrase\r\nX-RequestId:1\r\n\r\n[1]"] {
        let mut driven = Driven::listening();
        let effects = driven.session.text(1, garbage);
        driven.note(effects);
        assert_eq!(driven.fault().kind, FaultKind::Protocol, "{garbage}");
    }
    let mut driven = Driven::listening();
    driven.tells("speech.newThing", "whatever");
    assert!(!driven.session.is_over());
}

#[test]
fn turns_that_come_to_nothing_are_not_begun_for_ever() {
    let mut driven = Driven::listening();
    for _ in 0..5 {
        driven.tells("turn.end", "{}");
    }
    assert_eq!(driven.fault().kind, FaultKind::Unavailable);
    // A turn of silence is a result.
    let mut driven = Driven::listening();
    for _ in 0..10 {
        driven.tell(Input::Audio(vec![0xff; 8_000]));
        driven.tells("speech.phrase", r#"{"RecognitionStatus":"InitialSilenceTimeout","Offset":0,"Duration":10000000}"#);
        driven.tells("turn.end", "{}");
    }
    assert!(!driven.session.is_over());
    // It may be a place without a length, which is where the next turn begins.
    let mut driven = Driven::listening();
    for second in 2..12 {
        driven.tell(Input::Audio(vec![second; 8_000]));
        assert_eq!(driven.sound(), [vec![second - 1; 8_000], vec![second; 8_000]].concat());
        driven.tells("speech.phrase", r#"{"RecognitionStatus":"InitialSilenceTimeout","Offset":10000000,"Duration":0}"#);
        driven.tells("turn.end", "{}");
        assert_eq!(driven.sound(), [second; 8_000], "what was heard is not said again");
    }
    assert!(!driven.session.is_over());
}

#[test]
fn words_whose_final_does_not_come_are_said_again_before_finalize_is_answered() {
    const HYPOTHESIS: &str = r#"{"Text":"hel","Offset":1000000,"Duration":3000000}"#;
    let over = r#"{"RecognitionStatus":"EndOfDictation","Offset":10000000,"Duration":0}"#;
    let unheard = || {
        let mut driven = Driven::listening();
        driven.tells("speech.hypothesis", HYPOTHESIS);
        driven.tell(Input::Finalize);
        driven.tells("speech.phrase", over);
        driven.tells("turn.end", "{}");
        assert!(!driven.said.contains(&Effect::Finalized), "{:?}", driven.said);
        assert_eq!((driven.sound(), ended(&driven)), (vec![1; 8_000], true), "all of it again, and its end");
        driven
    };
    let mut driven = unheard();
    driven.tells("speech.phrase", &phrase(100, 700, "Hello."));
    driven.tells("turn.end", "{}");
    assert_eq!(driven.finals()[0].text, "Hello.");
    assert_eq!(driven.said.last(), Some(&Effect::Finalized));
    // That nothing was said is an answer, too.
    for nothing in [r#"{"RecognitionStatus":"NoMatch","Offset":1000000,"Duration":3000000}"#, over] {
        let mut driven = unheard();
        driven.tells("speech.phrase", nothing);
        driven.tells("turn.end", "{}");
        assert_eq!((driven.finals(), driven.said.last()), (vec![], Some(&Effect::Finalized)));
    }
    let mut driven = unheard();
    for _ in 0..4 {
        driven.tells("speech.hypothesis", HYPOTHESIS);
        driven.tells("turn.end", "{}");
    }
    assert_eq!(driven.fault().kind, FaultKind::Unavailable, "not for ever");
}

#[test]
fn an_impatient_host_is_given_no_more_until_it_has_room() {
    let mut driven = Driven::listening();
    driven.tell(Input::Link(LinkInput::Full(1)));
    driven.tell(Input::Audio(vec![2; 100_000]));
    assert_eq!(driven.sound().len(), 8_000);
    driven.tell(Input::Link(LinkInput::Writable(1)));
    assert!(driven.sound().len() <= 8_000 + crate::session::BURST_BYTES);
    driven.pass_ms(100);
    assert_eq!(driven.sound().len(), 108_000);
}

#[test]
fn speech_that_was_forgotten_is_not_lost_in_silence() {
    let mut driven = Driven::listening();
    driven.tells("speech.hypothesis", r#"{"Text":"hel","Offset":1000000,"Duration":3000000}"#);
    for _ in 0..70 {
        driven.tell(Input::Audio(vec![2; 8_000]));
    }
    lost(&mut driven);
    assert_eq!(driven.fault().kind, FaultKind::Unavailable);
}

#[test]
fn an_end_without_sound_is_done_at_once_and_edges_of_speech_are_told_once() {
    let mut driven = Driven::plain();
    driven.tell(Input::End);
    assert_eq!(driven.said, [Effect::Done]);
    let mut driven = Driven::listening();
    for path in ["speech.startDetected", "speech.startDetected", "speech.endDetected", "speech.endDetected"] {
        driven.tells(path, r#"{"Offset":4000000}"#);
    }
    assert_eq!(driven.said, [Effect::SpeechStarted(400), Effect::SpeechEnded(400)]);
}

#[test]
fn formats_and_options_that_cannot_be_are_refused_at_the_start() {
    let refused = |options: &str, encoding, rate_hz| {
        Driven::start(options, AudioFormat { encoding, rate_hz }, "en-US").fault().kind.clone()
    };
    assert_eq!(refused("{}", Encoding::Mulaw, 16_000), FaultKind::Unsupported);
    assert_eq!(refused("{}", Encoding::PcmS16le, 24_000), FaultKind::Unsupported);
    for options in [r#"{"endpoint":"nowhere"}"#, r#"{"mode":"interactive"}"#, r#"{"region":"a.b"}"#] {
        assert!(matches!(refused(options, Encoding::Mulaw, 8_000), FaultKind::InvalidOptions(_)), "{options}");
    }
    assert!(!Driven::start("{}", AudioFormat { encoding: Encoding::Alaw, rate_hz: 8_000 }, "es-MX").session.is_over());
}
