//! What no capture holds: breaking off, waiting, odd bytes, and requests that go wrong.

use super::*;
use vg_plugin_sdk::link::{LinkErrorKind, LinkInput, Opened};
use vg_plugin_sdk::{FaultKind, Usage};

const REST: &str = r#"{"transport":"rest"}"#;
const STREAM: &str = r#"{"transport":"text-stream"}"#;

fn lost(driven: &mut Driven) {
    let effects = driven.session.failed(driven.link(), LinkErrorKind::Reset);
    driven.note(effects);
}

#[test]
fn the_socket_is_open_before_there_is_text() {
    let driven = Driven::ready("{}");
    assert_eq!(driven.opens[0].url, "wss://eastus.tts.speech.microsoft.com/cognitiveservices/websocket/v1");
    assert_eq!(driven.paths(), ["speech.config"]);
}

#[test]
fn sentences_are_spoken_as_soon_as_they_are_whole_and_marks_come_behind_them() {
    let mut driven = Driven::ready("{}");
    driven.tell(Input::Text("Good morning, and welcome. How".to_owned()));
    assert!(driven.sent.last().unwrap().body.contains(">Good morning, and welcome. <"));
    driven.tell(Input::Text(" can I help you?".to_owned()));
    driven.tell(Input::Flush(3));
    driven.sounds(&[1; 80]);
    driven.says("turn.end", "{}");
    assert!(driven.sent.last().unwrap().body.contains(">How can I help you?<"));
    let word = r#"{"Metadata":[{"Type":"WordBoundary","Data":{"Offset":100000,"Duration":200000,"text":{"Text":"How","Length":3,"BoundaryType":"WordBoundary"}}}]}"#;
    driven.says("audio.metadata", word);
    driven.sounds(&[2; 80]);
    // Ten milliseconds of the first turn go before.
    assert_eq!((driven.words()[0].start_ms, driven.words()[0].end_ms), (20, 40));
    assert!(!driven.said.contains(&Effect::Flushed(3)));
    driven.says("turn.end", "{}");
    assert_eq!(driven.said.last(), Some(&Effect::Flushed(3)));
    driven.tell(Input::End);
    assert_eq!(driven.said.last(), Some(&Effect::Done));
    let usage = driven.said.iter().filter_map(|said| if let Effect::Usage(usage) = said { Some(*usage) } else { None });
    let total =
        usage.fold((0, 0), |(characters, requests), usage: Usage| (characters + usage.characters, requests + usage.requests));
    assert_eq!(total, (46, 2));
}

#[test]
fn marks_without_text_are_reached_at_once() {
    let mut driven = Driven::ready("{}");
    driven.speak(" ", 1);
    driven.tell(Input::Flush(2));
    driven.tell(Input::End);
    assert_eq!(driven.said, [Effect::Flushed(1), Effect::Flushed(2), Effect::Done]);
}

#[test]
fn breaking_off_is_obeyed_at_once_and_the_next_reply_finds_a_socket() {
    let mut driven = Driven::asked("{}");
    driven.sounds(&[1; 80]);
    driven.tell(Input::Cancel);
    assert_eq!((driven.said.last(), &driven.closed[..], driven.opens.len()), (Some(&Effect::Cancelled), &[1][..], 2));
    // Late news of the old socket.
    let said = driven.said.len();
    let headers = Headers::new().with("X-RequestId", driven.request_id()).with("Path", "audio");
    assert_eq!(driven.session.bytes(1, &usp::binary(&headers, &[1; 80])), []);
    driven.opened(101, &[]);
    driven.pass_ms(60_000);
    assert_eq!(driven.said.len(), said);
    driven.speak("As you like.", 8);
    assert!(driven.sent.last().unwrap().body.contains("As you like."));
    driven.sounds(&[2; 80]);
    driven.says("turn.end", "{}");
    assert_eq!(driven.said.last(), Some(&Effect::Flushed(8)));
}

#[test]
fn breaking_off_before_anything_was_told_keeps_the_socket() {
    let mut driven = Driven::start("{}", MULAW, "en-US");
    driven.speak("Good morning.", 1);
    driven.tell(Input::Cancel);
    assert_eq!((driven.said.last(), driven.closed.len(), driven.opens.len()), (Some(&Effect::Cancelled), 0, 1));
    driven.opened(101, &[]);
    assert_eq!(driven.paths(), ["speech.config"]);
    let mut ending = Driven::asked("{}");
    ending.tell(Input::End);
    ending.tell(Input::Cancel);
    assert!(ending.said.contains(&Effect::Cancelled) && ending.said.last() == Some(&Effect::Done));
}

#[test]
fn a_turn_that_was_not_heard_is_told_again_once_and_under_a_new_id() {
    let mut driven = Driven::asked("{}");
    let first = driven.request_id();
    lost(&mut driven);
    driven.opened(101, &[]);
    assert_eq!((driven.paths().len(), driven.request_id() == first), (6, false));
    driven.sounds(&[1; 80]);
    driven.says("turn.end", "{}");
    assert!(driven.said.contains(&Effect::Flushed(7)));
    // Twice is once too often.
    let mut driven = Driven::asked("{}");
    lost(&mut driven);
    driven.opened(101, &[]);
    lost(&mut driven);
    assert_eq!((&driven.fault().kind, driven.opens.len()), (&FaultKind::Unavailable, 2));
}

#[test]
fn a_socket_that_is_closed_while_nobody_speaks_is_opened_with_the_next_text() {
    let mut driven = Driven::ready("{}");
    driven.finished(Some(1000));
    driven.pass_ms(60_000);
    assert_eq!((driven.said.len(), driven.opens.len()), (0, 1));
    driven.tell(Input::Text("Good".to_owned()));
    assert_eq!(driven.opens.len(), 2);
    driven.tell(Input::Flush(1));
    driven.opened(101, &[]);
    assert_eq!(driven.paths(), ["speech.config", "speech.config", "synthesis.context", "ssml"]);
}

#[test]
fn a_close_before_the_end_of_a_turn_is_never_success() {
    for code in [Some(1000), Some(1011), Some(1013), None] {
        let mut driven = Driven::asked("{}");
        driven.sounds(&[1; 80]);
        driven.finished(code);
        assert_eq!(driven.fault().kind, FaultKind::Unavailable, "{code:?}");
    }
}

#[test]
fn a_silent_vendor_is_unavailable_wherever_it_falls_silent() {
    let unavailable = |mut driven: Driven| {
        driven.pass_ms(5_500);
        assert_eq!(driven.fault().kind, FaultKind::Unavailable);
    };
    unavailable(Driven::start("{}", MULAW, "en-US"));
    unavailable(Driven::asked("{}"));
    let mut began = Driven::asked("{}");
    began.sounds(&[1; 80]);
    unavailable(began);
    let mut streamed = Driven::asked(STREAM);
    streamed.sounds(&[1; 80]);
    unavailable(streamed);
    let mut request = Driven::start(REST, MULAW, "en-US");
    request.speak("Good morning.", 1);
    unavailable(request);
}

#[test]
fn a_vendor_that_waits_for_our_text_or_our_owner_is_not_silent() {
    let mut driven = Driven::ready(STREAM);
    driven.tell(Input::Text("Well, ".to_owned()));
    driven.sounds(&[1; 80]);
    driven.pass_ms(60_000);
    assert!(!driven.session.is_over());
    // The host reads no link while its owner is full, and tells the timer of 0 ms when there is room again.
    let mut driven = Driven::asked("{}");
    driven.sounds(&[1; 80]);
    assert_eq!(driven.session.pass_ms(3_699), []);
    assert!(matches!(driven.session.pass_ms(1)[..], [Effect::Timer(_), Effect::Timer(_)]));
    driven.pass_ms(999);
    driven.sounds(&[1; 80]);
    driven.pass_ms(4_699);
    driven.says("turn.end", "{}");
    assert_eq!(driven.said.last(), Some(&Effect::Flushed(7)));
    // What was suspected of one turn is not held against the next.
    driven.speak("Good evening.", 8);
    driven.pass_ms(4_400);
    assert!(!driven.session.is_over());
}

#[test]
fn what_the_vendor_says_without_sound_is_silence() {
    let mut driven = Driven::asked("{}");
    for _ in 0..5 {
        driven.pass_ms(1_000);
        driven.says("response", "{}");
    }
    driven.pass_ms(200);
    assert_eq!(driven.fault().kind, FaultKind::Unavailable);
}

#[test]
fn words_of_a_turn_that_was_not_heard_are_not_given_twice() {
    let mut driven = Driven::asked("{}");
    let word = r#"{"Metadata":[{"Type":"WordBoundary","Data":{"Offset":500000,"Duration":1000000,"text":{"Text":"Good","Length":4,"BoundaryType":"WordBoundary"}}}]}"#;
    driven.says("audio.metadata", word);
    assert_eq!(driven.words(), [], "before its sound");
    lost(&mut driven);
    driven.opened(101, &[]);
    driven.says("audio.metadata", word);
    driven.sounds(&[1; 80]);
    driven.says("turn.end", "{}");
    assert_eq!(driven.words().iter().map(|word| word.text.as_str()).collect::<Vec<_>>(), ["Good"]);
    assert_eq!(driven.said.last(), Some(&Effect::Flushed(7)));
}

#[test]
fn words_that_come_all_at_once_are_given_in_portions() {
    let mut driven = Driven::asked("{}");
    let word = r#"{"Type":"WordBoundary","Data":{"Offset":1,"Duration":1,"text":{"Text":"so","Length":2,"BoundaryType":"WordBoundary"}}}"#;
    driven.says("audio.metadata", &format!(r#"{{"Metadata":[{}]}}"#, vec![word; 300].join(",")));
    for (given, sound) in [(200, 1), (300, 2)] {
        driven.sounds(&[sound; 80]);
        assert_eq!(driven.words().len(), given);
    }
}

#[test]
fn samples_are_whole_and_half_a_sample_at_the_end_is_a_fault() {
    let pcm = AudioFormat { encoding: Encoding::PcmS16le, rate_hz: 8_000 };
    let mut driven = Driven::start("{}", pcm, "en-US");
    driven.opened(101, &[]);
    driven.speak("Good morning.", 1);
    driven.sounds(&[1, 2, 3]);
    driven.sounds(&[4]);
    assert_eq!(driven.said, [Effect::Audio(vec![1, 2]), Effect::Audio(vec![3, 4])]);
    driven.sounds(&[5]);
    driven.says("turn.end", "{}");
    assert_eq!(driven.fault().kind, FaultKind::Protocol);
}

#[test]
fn requests_that_go_wrong_are_told_apart() {
    let asked = || {
        let mut driven = Driven::start(REST, MULAW, "en-US");
        driven.speak("Good morning.", 1);
        driven
    };
    let refused = |status, headers: &[(&str, &str)]| {
        let mut driven = asked();
        while !driven.session.is_over() {
            driven.opened(status, headers);
        }
        (driven.fault().kind.clone(), driven.requests.len())
    };
    assert_eq!(refused(400, &[]), (FaultKind::Unsupported, 1));
    assert_eq!(refused(401, &[]), (FaultKind::Auth, 1));
    assert_eq!(refused(415, &[]), (FaultKind::Unsupported, 1));
    assert_eq!(refused(429, &[("Retry-After", "7")]), (FaultKind::Quota(Some(7_000)), 1));
    assert_eq!(refused(429, &[]), (FaultKind::Quota(None), 2));
    assert_eq!(refused(503, &[]), (FaultKind::Unavailable, 2));
    assert_eq!(refused(200, &[("Content-Type", "text/html")]), (FaultKind::Protocol, 1));
    let mut cut = asked();
    cut.opened(200, &[("Content-Type", "audio/basic")]);
    let effects = cut.session.bytes(1, &[1; 80]);
    cut.note(effects);
    lost(&mut cut);
    assert_eq!((&cut.fault().kind, cut.requests.len()), (&FaultKind::Unavailable, 1));
    let mut empty = asked();
    empty.opened(200, &[]);
    empty.finished(None);
    assert_eq!(empty.fault().kind, FaultKind::EmptyResult);
    let mut broken_off = asked();
    broken_off.opened(200, &[]);
    broken_off.tell(Input::Cancel);
    assert_eq!((broken_off.closed.clone(), broken_off.said.last()), (vec![1], Some(&Effect::Cancelled)));
    let mut connected = asked();
    let effects = connected.session.tell(Input::Cancel);
    assert!(
        matches!(
            &effects[..],
            [Effect::Link(LinkEffect::Close(1)), .., Effect::Cancelled, Effect::Link(LinkEffect::Preconnect(_))]
        ),
        "the next reply does not wait for TLS: {effects:?}"
    );
    assert_eq!(connected.session.tell(Input::Cancel), [Effect::Cancelled]);
}

#[test]
fn links_that_cannot_be_are_not_tried_again() {
    let expected = [
        (LinkErrorKind::EgressDenied, FaultKind::Unavailable, 1),
        (LinkErrorKind::Tls, FaultKind::Unavailable, 1),
        (LinkErrorKind::Timeout, FaultKind::Unavailable, 1),
        (LinkErrorKind::Limit, FaultKind::SessionLimit, 1),
        (LinkErrorKind::Connect, FaultKind::Unavailable, 2),
    ];
    for (error, kind, attempts) in expected {
        let mut driven = Driven::start("{}", MULAW, "en-US");
        while !driven.session.is_over() {
            let effects = driven.session.failed(driven.link(), error);
            driven.note(effects);
        }
        assert_eq!((&driven.fault().kind, driven.opens.len()), (&kind, attempts), "{error:?}");
    }
}

#[test]
fn redirections_are_followed_a_few_times() {
    let mut driven = Driven::start("{}", MULAW, "en-US");
    driven.opened(307, &[("Location", "https://other.example/v1")]);
    assert_eq!((driven.opens[1].url.as_str(), &driven.closed[..]), ("wss://other.example/v1", &[1][..]));
    for _ in 0..3 {
        driven.opened(307, &[("Location", "https://other.example/v1")]);
    }
    assert_eq!(driven.fault().kind, FaultKind::Protocol);
}

#[test]
fn what_is_no_message_of_the_vendor_is_its_fault() {
    let news: [fn(&mut Driven) -> Vec<Effect>; 3] = [
        |driven| driven.session.text(1, "\u{1}]garbage{\""),
        |driven| driven.session.bytes(1, &[0xfe, 0x01, 0x7b]),
        |driven| driven.session.tell(Input::Link(LinkInput::Opened(Opened { id: 1, status: 200, headers: vec![] }))),
    ];
    for (nth, say) in news.into_iter().enumerate() {
        let mut driven = if nth < 2 { Driven::asked("{}") } else { Driven::start("{}", MULAW, "en-US") };
        let effects = say(&mut driven);
        driven.note(effects);
        assert_eq!(driven.fault().kind, FaultKind::Protocol, "{nth}");
    }
    let mut driven = Driven::asked("{}");
    driven.says("audio.metadata", "[");
    assert_eq!(driven.fault().kind, FaultKind::Protocol);
    // A stream of text that the vendor ends before we do.
    let mut driven = Driven::ready(STREAM);
    driven.tell(Input::Text("Well, ".to_owned()));
    driven.sounds(&[1; 80]);
    driven.says("turn.end", "{}");
    assert_eq!(driven.fault().kind, FaultKind::Protocol);
}

#[test]
fn voice_style_and_prosody_are_written_around_the_text() {
    let options =
        r#"{"voice":"pt-BR-AntonioNeural","style":"cheerful","style_degree":1.5,"rate":"+10%","pitch":"-2st","volume":"loud"}"#;
    let mut driven = Driven::ready(options);
    driven.speak("A & B\u{1}", 1);
    let ssml = &driven.sent.last().unwrap().body;
    let inner = "<voice name='pt-BR-AntonioNeural'><mstts:express-as style='cheerful' styledegree='1.5'>\
        <prosody rate='+10%' pitch='-2st' volume='loud'>A &amp; B</prosody></mstts:express-as></voice></speak>";
    assert!(ssml.ends_with(inner), "{ssml}");
    let mut whole = Driven::ready(r#"{"ssml":true}"#);
    whole.speak("<speak>My own. Really.</speak>", 1);
    assert_eq!(whole.sent.last().unwrap().body, "<speak>My own. Really.</speak>");
}

#[test]
fn what_cannot_be_is_refused_at_the_start() {
    let refused = |options: &str, format, language: &str| Driven::start(options, format, language).fault().kind.clone();
    let wide = AudioFormat { encoding: Encoding::Mulaw, rate_hz: 16_000 };
    assert_eq!(refused("{}", wide, "en-US"), FaultKind::Unsupported);
    for (options, language) in [("{}", "sw-KE"), (r#"{"endpoint":"nowhere"}"#, "en-US"), (r#"{"style":3}"#, "en-US")] {
        assert!(matches!(refused(options, MULAW, language), FaultKind::InvalidOptions(_)), "{options}");
    }
    assert!(!Driven::start(r#"{"voice":"sw-KE-ZuriNeural"}"#, MULAW, "sw-KE").session.is_over());
}
