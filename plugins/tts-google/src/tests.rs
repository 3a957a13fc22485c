mod bad_days;
mod replay;

use crate::session::Session;
use vg_plugin_sdk::{
    AudioFormat, Encoding, FaultKind, Remedy, SessionStart,
    link::{HttpOpen, HttpVersion, LinkEffect, LinkId, RequestBody},
    testing,
    tts::{Effect, Input},
};
use vg_wire::grpc;

const UNARY: &str = r#"{"form":"unary"}"#;
const REST: &str = r#"{"form":"rest"}"#;
const OK: &[(&str, &str)] = &[("grpc-status", "0"), ("grpc-message", "")];
const GRPC: &[(&str, &str)] = &[("content-type", "application/grpc")];
const JSON: &[(&str, &str)] = &[("content-type", "application/json; charset=UTF-8")];

type Call = testing::Session<Input, Effect>;

fn started(options: &str, encoding: Encoding, rate_hz: u32, language: &str) -> Call {
    let mut session = testing::tts::<Session>();
    let format = AudioFormat { encoding, rate_hz };
    let asked = session.start(SessionStart { format, language: language.to_owned(), ..testing::start(options) });
    assert!(matches!(asked[..], [Effect::Link(LinkEffect::Preconnect(_))]), "{asked:?}");
    session
}

fn call(options: &str) -> Call {
    started(options, Encoding::Mulaw, 8000, "en-US")
}

fn told(session: &mut Call, text: &str) -> Vec<Effect> {
    session.tell(Input::Text(text.to_owned()))
}

/// Told "Hello, world." and its mark 7.
fn asked(options: &str) -> Call {
    let mut session = call(options);
    told(&mut session, "Hello, world.");
    session.tell(Input::Flush(7));
    session
}

/// Asked, and answered by a good head.
fn answered(options: &str) -> Call {
    let mut session = asked(options);
    session.opened_with(1, 200, if options == REST { JSON } else { GRPC });
    session
}

fn open(effects: &[Effect]) -> Option<&HttpOpen> {
    effects.iter().find_map(|effect| if let Effect::Link(LinkEffect::Http(open)) = effect { Some(open) } else { None })
}

/// Everything that is sent on a link, the whole body too.
fn sent(effects: &[Effect], link: LinkId) -> Vec<u8> {
    let piece = |effect: &Effect| match effect {
        Effect::Link(LinkEffect::SendBytes(bytes)) if bytes.id == link => bytes.data.clone(),
        Effect::Link(LinkEffect::Http(HttpOpen { id, body: RequestBody::Whole(body), .. })) if *id == link => body.clone(),
        _ => vec![],
    };
    effects.iter().flat_map(piece).collect()
}

fn messages(bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut frames = grpc::Frames::new(1 << 20);
    frames.push(bytes);
    std::iter::from_fn(|| frames.poll().unwrap()).collect()
}

fn sound(effects: &[Effect]) -> Vec<u8> {
    let samples = |effect: &Effect| if let Effect::Audio(samples) = effect { samples.clone() } else { vec![] };
    effects.iter().flat_map(samples).collect()
}

/// Without timers and usage.
fn news(effects: Vec<Effect>) -> Vec<Effect> {
    effects.into_iter().filter(|effect| !matches!(effect, Effect::Timer(_) | Effect::Usage(_))).collect()
}

fn spoken(samples: &[u8]) -> Vec<u8> {
    let mut message = vec![0x0a, samples.len() as u8];
    message.extend(samples);
    grpc::frame(&message)
}

fn fault(effects: &[Effect]) -> (&FaultKind, Remedy) {
    match effects {
        [.., Effect::Fail(fault)] => (&fault.kind, fault.remedy),
        other => panic!("no fault but {other:?}"),
    }
}

#[test]
fn text_goes_as_it_comes_and_sound_comes_meanwhile() {
    let mut session = call("{}");
    let first = told(&mut session, "Good ");
    assert!(open(&first).is_some_and(|open| open.version == HttpVersion::Http2 && open.body == RequestBody::Streaming));
    assert_eq!(messages(&sent(&first, 1)).len(), 2, "configuration and text");
    session.opened_with(1, 200, GRPC);
    assert_eq!(sound(&session.bytes(1, &spoken(&[1, 2]))), [1, 2]);
    assert_eq!(messages(&sent(&told(&mut session, "morning."), 1)).len(), 1);
    assert_eq!(news(session.tell(Input::Flush(4))), [LinkEffect::Finish(1).into()]);
    assert_eq!(sound(&session.bytes(1, &spoken(&[3]))), [3]);
    assert_eq!(session.trailers(1, OK), [Effect::Flushed(4)]);
    assert_eq!(session.finished(1, None), []);
    assert_eq!(session.tell(Input::End), [Effect::Done]);
}

#[test]
fn the_next_reply_waits_for_the_one_before() {
    for options in ["{}", UNARY] {
        let mut session = answered(options);
        assert_eq!(told(&mut session, "Next."), []);
        assert_eq!(session.tell(Input::Flush(8)), []);
        assert_eq!(session.tell(Input::End), []);
        session.bytes(1, &spoken(&[1]));
        let effects = session.trailers(1, OK);
        assert_eq!(effects.first(), Some(&Effect::Flushed(7)));
        assert!(open(&effects).is_some_and(|open| open.id == 2), "{effects:?}");
        session.opened_with(2, 200, GRPC);
        session.bytes(2, &spoken(&[2]));
        assert_eq!(session.trailers(2, OK), [Effect::Flushed(8), Effect::Done]);
    }
}

#[test]
fn nothing_to_say_is_answered_at_once() {
    for options in ["{}", UNARY, REST] {
        let mut session = call(options);
        assert_eq!(session.tell(Input::Flush(1)), [Effect::Flushed(1)]);
        assert_eq!(told(&mut session, " \n"), []);
        assert_eq!(session.tell(Input::Flush(2)), [Effect::Flushed(2)]);
        assert_eq!(session.tell(Input::End), [Effect::Done]);
    }
}

#[test]
fn blanks_between_words_are_kept() {
    let mut session = call("{}");
    let effects =
        [told(&mut session, " "), told(&mut session, "one"), told(&mut session, " "), told(&mut session, "two")].concat();
    let all = sent(&effects, 1);
    let texts: Vec<String> = messages(&all)[1..].iter().map(|text| String::from_utf8_lossy(&text[4..]).into_owned()).collect();
    assert_eq!(texts.concat(), " one two");
}

#[test]
fn cancel_resets_the_stream_and_nothing_more_is_heard() {
    for options in ["{}", UNARY, REST] {
        let mut session = answered(options);
        told(&mut session, "Never said.");
        session.tell(Input::Flush(8));
        // Over HTTP/1.1 the connection is gone with the request.
        let broken_off = |effects: Vec<Effect>, link| {
            assert_eq!(effects[..2], [LinkEffect::Close(link).into(), Effect::Cancelled]);
            assert_eq!(matches!(effects[2..], [Effect::Link(LinkEffect::Preconnect(_))]), options == REST, "{effects:?}");
        };
        broken_off(session.tell(Input::Cancel), 1);
        assert_eq!(session.bytes(1, &spoken(&[1])), []);
        assert_eq!(session.trailers(1, OK), []);
        assert_eq!(session.pass_ms(60_000), []);
        told(&mut session, "Again.");
        let effects = session.tell(Input::Flush(9));
        assert!(options == "{}" || open(&effects).is_some_and(|open| open.id == 2));
        broken_off(session.tell(Input::Cancel), 2);
        assert_eq!(session.tell(Input::Cancel), [Effect::Cancelled]);
        assert_eq!(session.tell(Input::End), [Effect::Done]);
    }
    let mut last = asked(REST);
    last.tell(Input::End);
    assert_eq!(last.tell(Input::Cancel), [LinkEffect::Close(1).into(), Effect::Cancelled, Effect::Done], "nothing follows");
}

#[test]
fn whole_sentences_are_asked_for_before_the_rest_is_written() {
    for options in [UNARY, REST] {
        let mut session = call(options);
        let first = told(&mut session, "Good morning. How ");
        assert!(open(&first).is_some_and(|open| open.id == 1), "{first:?}");
        assert_eq!(told(&mut session, "can I help you?"), []);
        assert_eq!(session.tell(Input::Flush(7)), []);
        session.opened_with(1, 200, if options == REST { JSON } else { GRPC });
        let next = if options == REST {
            session.bytes(1, br#"{"audioContent": "AAAA"}"#);
            session.finished(1, None)
        } else {
            session.bytes(1, &spoken(&[1]));
            session.trailers(1, OK)
        };
        assert!(open(&next).is_some_and(|open| open.id == 2), "{next:?}");
        let rest = String::from_utf8_lossy(&sent(&next, 2)).into_owned();
        assert!(rest.contains("How can I help you?") && !rest.contains("Good"), "{rest}");
        let mut document = call(&options.replace('}', r#","input":"ssml"}"#));
        assert_eq!(told(&mut document, "<speak>Good morning. How "), []);
        assert_eq!(told(&mut document, "are you?</speak>"), []);
        assert!(open(&document.tell(Input::Flush(1))).is_some());
    }
}

#[test]
fn a_pause_in_the_text_ends_the_stream_before_google_breaks_it_off() {
    let mut session = call("{}");
    told(&mut session, "One moment");
    session.opened_with(1, 200, GRPC);
    session.bytes(1, &spoken(&[1]));
    assert_eq!(news(session.pass_ms(4_000)), [LinkEffect::Finish(1).into()]);
    assert_eq!(told(&mut session, " please."), []);
    session.bytes(1, &spoken(&[2]));
    let effects = session.trailers(1, OK);
    assert!(open(&effects).is_some_and(|open| open.id == 2), "{effects:?}");
    assert!(effects.iter().all(|effect| !matches!(effect, Effect::Flushed(_))));
    session.tell(Input::Flush(3));
    session.opened_with(2, 200, GRPC);
    session.bytes(2, &spoken(&[3]));
    assert_eq!(session.trailers(2, OK), [Effect::Flushed(3)]);
}

#[test]
fn long_texts_are_cut_where_one_breathes() {
    let sentence = "Olá, esta é uma frase que não é muito longa. ";
    let text = sentence.repeat(250);
    for options in ["{}", UNARY] {
        let mut session = call(options);
        let mut all = told(&mut session, &text);
        all.extend(session.tell(Input::Flush(1)));
        let (mut texts, mut flushed) = (Vec::new(), false);
        for link in 1..=3 {
            let of_stream = options == "{}";
            if of_stream && link > 1 {
                break;
            }
            texts.extend(messages(&sent(&all, link)).into_iter().skip(usize::from(of_stream)));
            session.opened_with(link, 200, GRPC);
            session.bytes(link, &spoken(&[1]));
            all = session.trailers(link, OK);
            flushed |= all.contains(&Effect::Flushed(1));
        }
        assert_eq!(texts.len(), 3);
        assert!(flushed);
        for message in &texts {
            let text = String::from_utf8_lossy(message);
            assert!(message.len() < 5100 && text.contains("longa."), "{}", message.len());
        }
    }
    let unbroken = "é".repeat(6000);
    assert_eq!(messages(&sent(&told(&mut call("{}"), &unbroken), 1)).len(), 4);
}

#[test]
fn what_is_billed_is_reported() {
    let characters = |effects: &[Effect]| -> (u64, u32) {
        let usage = effects.iter().filter_map(|effect| if let Effect::Usage(usage) = effect { Some(usage) } else { None });
        usage.fold((0, 0), |sum, usage| (sum.0 + usage.characters, sum.1 + usage.requests))
    };
    let mut session = call("{}");
    let effects = [told(&mut session, "Olá, "), told(&mut session, "João."), session.tell(Input::Flush(1))].concat();
    assert_eq!(characters(&effects), (10, 1));
    let mut session = call(REST);
    assert_eq!(characters(&told(&mut session, "Olá, João.")), (0, 0));
    assert_eq!(characters(&session.tell(Input::Flush(1))), (10, 1));
}

#[test]
fn who_asks_is_proven_by_what_the_host_fills_in() {
    let expected = [
        ("key", "x-goog-api-key", "{secret:api_key}"),
        ("bearer", "authorization", "Bearer {secret:api_key}"),
        ("service_account", "authorization", "Bearer {secret:service_account}"),
        ("oauth2", "authorization", "Bearer {secret:oauth2}"),
    ];
    for (auth, name, value) in expected {
        let options = format!(r#"{{"auth":"{auth}","quota_project":"p-1","endpoint":"http://127.0.0.1:9"}}"#);
        let effects = told(&mut call(&options), "x");
        let open = open(&effects).unwrap();
        assert!(open.headers.contains(&(name.to_owned(), value.to_owned())), "{open:?}");
        assert!(open.headers.contains(&("x-goog-user-project".to_owned(), "p-1".to_owned())));
        assert!(open.url.starts_with("http://127.0.0.1:9/google.cloud.texttospeech.v1."), "{}", open.url);
    }
}

#[test]
fn a_voice_is_asked_for_in_its_own_language() {
    let voice = |options: &str, language: &str| {
        let mut session = started(options, Encoding::Mulaw, 8000, language);
        let mut effects = told(&mut session, "x");
        effects.extend(session.tell(Input::Flush(1)));
        String::from_utf8_lossy(&sent(&effects, 1)).into_owned()
    };
    assert!(voice("{}", "pt-BR").contains("pt-BR\u{12}\u{16}pt-BR-Chirp3-HD-Charon"));
    assert!(voice("{}", "es-MX").contains("es-US-Chirp3-HD-Charon"));
    assert!(voice(r#"{"voice":"en-GB-Chirp3-HD-Aoede"}"#, "en-US").contains("\u{5}en-GB\u{12}"));
    assert!(voice(r#"{"voice":"own_voice"}"#, "en-US").contains("\u{5}en-US\u{12}\u{9}own_voice"));
    assert!(voice(REST, "pt-BR").contains(r#""voice":{"languageCode":"pt-BR"}"#));
    assert!(voice(r#"{"form":"rest","gender":"female"}"#, "en-US").contains(r#""ssmlGender":"FEMALE""#));
}

#[test]
fn options_that_are_none_name_themselves() {
    let path = |options: &str| {
        let effects = testing::tts::<Session>().start(testing::start(options));
        let FaultKind::InvalidOptions(faults) = fault(&effects).0 else { panic!("{effects:?}") };
        faults[0].path.clone()
    };
    assert_eq!(path(r#"{"voise":"x"}"#), "");
    assert_eq!(path(r#"{"endpoint":"x"}"#), "/endpoint");
    assert_eq!(path(r#"{"input":"ssml"}"#), "/input");
    assert_eq!(path(r#"{"pitch":1}"#), "/pitch");
    let schema: vg_plugin_sdk::json::Value = vg_plugin_sdk::json::from_str(crate::options::SCHEMA).unwrap();
    let properties = schema["properties"].as_object().unwrap();
    for (name, option) in properties {
        let described = option["description"].as_str().unwrap_or_default();
        assert!(!described.is_empty() && (option.get("default").is_some() || described.contains("default")), "{name}");
    }
}
