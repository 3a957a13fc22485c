mod streams;

use crate::options::{Api, Options};
use crate::protocol;
use crate::session::Session;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use prost::Message;
use vg_plugin_sdk::{
    AudioFormat, Encoding, FaultKind, Remedy, SessionStart,
    json::{self, Value},
    link::{HttpVersion, LinkEffect, LinkErrorKind, RequestBody},
    stt::{Edge, Effect, Input},
    testing,
};
use vg_wire::grpc;

const MESSAGES: &str = include_str!("../fixtures/messages.json");
const ERRORS: &str = include_str!("../fixtures/errors.json");
const MULAW: AudioFormat = AudioFormat { encoding: Encoding::Mulaw, rate_hz: 8_000 };
const WIDE: AudioFormat = AudioFormat { encoding: Encoding::PcmS16le, rate_hz: 16_000 };
const HEAD: &[(&str, &str)] = &[("content-type", "application/grpc")];
const WELL: &[(&str, &str)] = &[("grpc-status", "0"), ("grpc-message", "")];

type Call = testing::Session<Input, Effect>;

fn case(name: &str) -> Value {
    json::from_str::<Value>(MESSAGES).unwrap()[name].take()
}

fn bytes(value: &Value) -> Vec<u8> {
    STANDARD.decode(value.as_str().unwrap()).unwrap()
}

fn called(options: &str) -> Call {
    let mut session = testing::stt::<Session>();
    session.start(testing::start(options));
    session
}

fn up(options: &str) -> Call {
    let mut session = called(options);
    session.opened_with(1, 200, HEAD);
    session
}

fn hear(session: &mut Call, ms: usize) -> Vec<Effect> {
    session.tell(Input::Audio(vec![0x55; 8 * ms]))
}

fn fault(effects: &[Effect]) -> (&FaultKind, Remedy) {
    match effects.last() {
        Some(Effect::Fail(fault)) => (&fault.kind, fault.remedy),
        other => panic!("no fault but {other:?}"),
    }
}

fn texts(effects: &[Effect]) -> Vec<(bool, &str, u64)> {
    let text = |effect: &'_ Effect| match effect {
        Effect::Partial(said) => Some((false, said.end_ms)),
        Effect::Final(said) => Some((true, said.end_ms)),
        _ => None,
    };
    effects
        .iter()
        .filter_map(|effect| {
            let (is_final, end_ms) = text(effect)?;
            let (Effect::Partial(said) | Effect::Final(said)) = effect else { return None };
            Some((is_final, said.text.as_str(), end_ms))
        })
        .collect()
}

/// Links that were opened, pieces of audio in milliseconds, `finish`es and `close`s, in short.
fn sent(effects: &[Effect]) -> Vec<String> {
    let word = |effect: &Effect| match effect {
        Effect::Link(LinkEffect::Http(open)) => Some(format!("open {}", open.id)),
        Effect::Link(LinkEffect::SendBytes(piece)) => match piece.data[5] {
            // v1: 0x0a is the configuration, 0x12 audio behind a length of one, two or three bytes.
            0x0a => Some(format!("config {}", piece.id)),
            _ => {
                let length = piece.data.len() - 6;
                let head = if length > 16_386 {
                    3
                } else if length > 129 {
                    2
                } else {
                    1
                };
                Some(format!("{} ms {}", (length - head) / 8, piece.id))
            }
        },
        Effect::Link(LinkEffect::Finish(id)) => Some(format!("finish {id}")),
        Effect::Link(LinkEffect::Close(id)) => Some(format!("close {id}")),
        _ => None,
    };
    effects.iter().filter_map(word).collect()
}

/// Google's result in v1.
fn result(text: &str, is_final: bool, end_ms: i64) -> Vec<u8> {
    #[derive(Clone, PartialEq, Message)]
    struct Response {
        #[prost(message, repeated, tag = "2")]
        results: Vec<protocol::Recognition>,
    }
    let mut raw = Vec::new();
    let end = [vec![8], varint(end_ms / 1000), vec![16], varint(end_ms % 1000 * 1_000_000)].concat();
    let alternative = field(1, text.as_bytes());
    raw.extend(field(1, &alternative));
    if is_final {
        raw.extend([16, 1]);
    }
    raw.extend(field(4, &end));
    let response = Response { results: vec![protocol::Recognition::decode(&raw[..]).unwrap()] };
    grpc::frame(&response.encode_to_vec())
}

fn field(number: u8, value: &[u8]) -> Vec<u8> {
    [vec![number << 3 | 2], varint(value.len() as i64), value.to_vec()].concat()
}

fn varint(value: i64) -> Vec<u8> {
    let mut bytes = Vec::new();
    prost::encoding::encode_varint(value as u64, &mut bytes);
    bytes
}

fn event(kind: u8) -> Vec<u8> {
    grpc::frame(&[0x20, kind])
}

#[test]
fn first_messages_are_those_of_the_vendors_client() {
    let options = |text: &str| Options::read(text).unwrap();
    let enhanced = r#"{"phrases":["account balance"],"enhanced":true}"#;
    let v1 = protocol::opening(&options(enhanced), WIDE, "en-US");
    assert_eq!(v1, grpc::frame(&bytes(&case("v1-stream-linear16-key")["first"])));
    let two = r#"{"phrases":["account balance"],"enhanced":true,"alternative_languages":["en-US"]}"#;
    let v1 = protocol::opening(&options(two), MULAW, "pt-BR");
    assert_eq!(v1, grpc::frame(&bytes(&case("v1-stream-mulaw-ptBR-bearer")["first"])));
    let v2 = r#"{"api":"v2","project":"fake-proj","speech_start_timeout_ms":5000,"speech_end_timeout_ms":1500}"#;
    let captured = grpc::frame(&bytes(&case("v2-stream-linear16-key")["first"]));
    let v2 = protocol::opening(&options(v2), WIDE, "en-US");
    assert_eq!(v2, captured);
}

#[test]
fn audio_is_framed_as_the_vendors_client_does() {
    assert_eq!(protocol::audio(Api::V1, &[7; 160])[..8], [0, 0, 0, 0, 163, 0x12, 0xa0, 0x01]);
    assert_eq!(protocol::audio(Api::V2, &[7; 800])[..8], [0, 0, 0, 3, 35, 0x2a, 0xa0, 0x06]);
}

#[test]
fn every_captured_answer_is_read_as_the_vendors_client_reads_it() {
    for (name, api, end) in [
        ("v1-stream-linear16-key", Api::V1, "resultEndTime"),
        ("v1-stream-mulaw-ptBR-bearer", Api::V1, "resultEndTime"),
        ("v2-stream-linear16-key", Api::V2, "resultEndOffset"),
    ] {
        for answer in case(name)["answers"].as_array().unwrap() {
            let (read, wanted) = (protocol::read(api, &bytes(&answer["bytes"])).unwrap(), &answer["read"]);
            let results = wanted["results"].as_array().unwrap();
            assert_eq!(read.results.len(), results.len());
            assert_eq!(read.event.is_some(), wanted["speechEventType"] != 0);
            for (got, wanted) in read.results.iter().zip(results) {
                let best = got.best().unwrap();
                assert_eq!(best.transcript, wanted["alternatives"][0]["transcript"].as_str().unwrap());
                assert_eq!(best.words.len(), wanted["alternatives"][0]["words"].as_array().unwrap().len());
                assert_eq!(got.is_final, wanted["isFinal"].as_bool().unwrap());
                let seconds: f64 = wanted[end].as_str().unwrap().trim_end_matches('s').parse().unwrap();
                assert_eq!(got.end.unwrap().ms(), (seconds * 1000.0).round() as u64);
            }
        }
    }
}

#[test]
fn a_captured_call_is_told_as_it_was_heard() {
    for (name, options) in [("v1-stream-linear16-key", "{}"), ("v2-stream-linear16-key", r#"{"api":"v2","project":"fake-proj"}"#)]
    {
        let mut session = testing::stt::<Session>();
        let asked = session.start(SessionStart { format: WIDE, ..testing::start(options) });
        let Effect::Link(LinkEffect::Http(open)) = &asked[0] else { panic!("{asked:?}") };
        assert_eq!((open.version, &open.body), (HttpVersion::Http2, &RequestBody::Streaming));
        assert!(open.url.ends_with("Speech/StreamingRecognize"));
        let headers: Vec<_> = open.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        for wanted in [("content-type", "application/grpc"), ("te", "trailers"), ("x-goog-api-key", "{secret:api_key}")] {
            assert!(headers.contains(&wanted), "{headers:?}");
        }
        session.opened_with(1, 200, HEAD);
        (0..80).for_each(|_| drop(session.tell(Input::Audio(vec![0; 32 * 100]))));
        let mut finals = Vec::new();
        let mut wanted = Vec::new();
        for answer in case(name)["answers"].as_array().unwrap() {
            let said = session.bytes(1, &grpc::frame(&bytes(&answer["bytes"])));
            finals.extend(texts(&said).into_iter().filter(|(is_final, ..)| *is_final).map(|(_, text, _)| text.to_owned()));
            let results = answer["read"]["results"].as_array().unwrap().iter().filter(|result| result["isFinal"] == true);
            wanted.extend(results.map(|result| result["alternatives"][0]["transcript"].as_str().unwrap().trim().to_owned()));
        }
        assert!(!finals.is_empty());
        assert_eq!(finals, wanted);
        assert_eq!(sent(&session.tell(Input::End)), ["finish 1"]);
        let ended = session.trailers(1, WELL);
        assert!(matches!(&ended[..], [Effect::Usage(usage), Effect::Done] if usage.audio_ms == 8_000 && usage.requests == 1));
    }
}

#[test]
fn a_turn_ends_its_stream_and_the_next_one_hears_meanwhile() {
    let mut session = up("{}");
    hear(&mut session, 100);
    session.bytes(1, &result("one", false, 80));
    assert_eq!(sent(&session.tell(Input::Finalize)), ["finish 1"]);
    assert_eq!(sent(&hear(&mut session, 20)), ["open 2", "config 2", "20 ms 2"]);
    session.opened_with(2, 200, HEAD);
    assert_eq!(session.bytes(2, &result("two", false, 20)), [], "it waits for its turn");
    assert_eq!(texts(&session.bytes(1, &result("one", true, 90))), [(true, "one", 90)]);
    let said = session.trailers(1, WELL);
    assert_eq!(said[0], Effect::Finalized);
    assert_eq!(texts(&said), [(false, "two", 120)], "at its place in the call");
    assert_eq!(session.finished(1, None), []);
}

#[test]
fn what_google_has_finished_already_needs_no_new_stream() {
    let mut session = up("{}");
    session.tell(Input::Edge(Edge::SpeechStarted(0)));
    hear(&mut session, 1_000);
    session.bytes(1, &result("one", true, 700));
    session.tell(Input::Edge(Edge::SpeechEnded(800)));
    assert_eq!(session.tell(Input::Finalize), [Effect::Finalized]);
    assert_eq!(sent(&hear(&mut session, 20)), ["20 ms 1"]);
}

#[test]
fn finalize_is_answered_as_often_as_it_is_asked() {
    let mut session = up("{}");
    assert_eq!(session.tell(Input::Finalize), [Effect::Finalized], "nothing was said");
    hear(&mut session, 100);
    session.tell(Input::Finalize);
    session.tell(Input::Finalize);
    let said = session.trailers(1, WELL);
    assert_eq!(said.iter().filter(|said| **said == Effect::Finalized).count(), 2);
    assert_eq!(session.tell(Input::Finalize), [Effect::Finalized]);
    assert_eq!(session.tell(Input::End).last(), Some(&Effect::Done));
}

#[test]
fn finals_are_told_once_and_partials_do_not_go_back() {
    let mut session = up("{}");
    hear(&mut session, 1_000);
    assert_eq!(texts(&session.bytes(1, &result("one", true, 700))).len(), 1);
    assert_eq!(session.bytes(1, &result("one", true, 700)), []);
    assert_eq!(session.bytes(1, &result("on", false, 600)), []);
}

#[test]
fn a_stream_that_is_old_is_replaced_in_a_pause() {
    let mut session = up("{}");
    for _ in 0..269 {
        session.pass_ms(1_000);
        assert!(sent(&hear(&mut session, 1_000)).iter().all(|word| word.ends_with("ms 1")));
    }
    session.pass_ms(1_000);
    let words = sent(&hear(&mut session, 20));
    assert_eq!(words[..3], ["close 1", "open 2", "config 2"]);
    // Of a quiet caller a few seconds are heard again: a word may have begun in them.
    let again: usize = words[3..].iter().map(|word| word.split(' ').next().unwrap().parse::<usize>().unwrap()).sum();
    assert!((2_000..=3_100).contains(&again), "{words:?}");
}

#[test]
fn words_over_the_limit_of_five_minutes_are_heard_whole_and_once() {
    let mut session = up("{}");
    for _ in 0..268 {
        session.pass_ms(1_000);
        hear(&mut session, 1_000);
    }
    session.tell(Input::Edge(Edge::SpeechStarted(267_000)));
    for _ in 0..10 {
        session.pass_ms(1_000);
        assert_eq!(sent(&hear(&mut session, 1_000)), ["1000 ms 1"]);
    }
    assert_eq!(texts(&session.bytes(1, &result("so far", true, 277_500))), [(true, "so far", 277_500)]);
    session.bytes(1, &result("and on", false, 278_000));
    session.pass_ms(3_000);
    let words = sent(&hear(&mut session, 500));
    assert_eq!(words, ["close 1", "open 2", "config 2", "1000 ms 2"], "from the end of the last final on");
    session.opened_with(2, 200, HEAD);
    assert_eq!(session.bytes(1, &result("and on", true, 278_200)), [], "the old stream is not heard any more");
    assert_eq!(texts(&session.bytes(2, &result("and on it goes", true, 900))), [(true, "and on it goes", 278_400)]);
}

#[test]
fn a_limit_that_google_reaches_first_costs_no_word() {
    for status in ["11", "10"] {
        let mut session = up("{}");
        session.tell(Input::Edge(Edge::SpeechStarted(0)));
        hear(&mut session, 1_000);
        session.bytes(1, &result("half a", false, 900));
        session.pass_ms(2_000);
        let words = sent(&session.trailers(1, &[("grpc-status", status)]));
        assert_eq!(words, ["open 2", "config 2", "1000 ms 2"]);
    }
    // In silence it sleeps.
    let mut session = up("{}");
    hear(&mut session, 1_000);
    session.pass_ms(10_000);
    assert_eq!(sent(&session.trailers(1, &[("grpc-status", "11")])), Vec::<String>::new());
    assert_eq!(session.tell(Input::Finalize), [Effect::Finalized]);
    assert_eq!(sent(&hear(&mut session, 20)), ["open 2", "config 2", "1020 ms 2"]);
}

#[test]
fn a_single_utterance_ends_a_stream_and_the_rest_goes_to_the_next() {
    let mut session = up(r#"{"single_utterance":true}"#);
    hear(&mut session, 1_000);
    assert_eq!(sent(&session.bytes(1, &event(1))), ["finish 1"]);
    assert_eq!(hear(&mut session, 200), [], "Google would not hear it");
    session.bytes(1, &result("one", true, 900));
    session.pass_ms(600);
    assert_eq!(sent(&session.trailers(1, WELL)), ["open 2", "config 2", "300 ms 2"]);
}

#[test]
fn a_lost_stream_is_begun_again_once_with_what_was_not_final() {
    let lost = |session: &mut Call, id| session.failed(id, LinkErrorKind::Reset);
    let mut session = up("{}");
    hear(&mut session, 1_000);
    session.bytes(1, &result("one", true, 400));
    session.tell(Input::Finalize);
    assert_eq!(sent(&lost(&mut session, 1)), ["open 2", "config 2", "600 ms 2", "finish 2"]);
    assert_eq!(fault(&lost(&mut session, 2)), (&FaultKind::Unavailable, Remedy::NextProvider));
    // Hearing something ends the trouble.
    let mut session = up("{}");
    hear(&mut session, 1_000);
    lost(&mut session, 1);
    session.bytes(2, &result("one", true, 400));
    assert_eq!(sent(&lost(&mut session, 2)), ["open 3", "config 3", "600 ms 3"]);
}

#[test]
fn what_was_said_before_google_says_a_word_of_it_is_heard_again() {
    let given_again = |quiet_after: u32| {
        let mut session = up("{}");
        session.tell(Input::Edge(Edge::SpeechStarted(0)));
        (0..8).for_each(|_| drop(hear(&mut session, 1_000)));
        session.tell(Input::Edge(Edge::SpeechEnded(8_000)));
        (0..quiet_after).for_each(|_| drop(hear(&mut session, 1_000)));
        let mut effects = session.failed(1, LinkErrorKind::Reset);
        effects.extend(session.pass_ms(1_000));
        sent(&effects).iter().filter_map(|word| word.strip_suffix(" ms 2")?.parse::<u64>().ok()).sum::<u64>()
    };
    assert_eq!(given_again(1), 9_000, "from the beginning on");
    // A noise of which Google says nothing is no reason to keep the rest of the call.
    assert!((2_000..=3_000).contains(&given_again(30)));
}

#[test]
fn every_status_of_google_has_its_fault() {
    let expected = [
        ("v1-err-badaudio", FaultKind::Unsupported, Remedy::Configuration),
        ("v1-err-denied", FaultKind::Auth, Remedy::Configuration),
        ("v1-err-quota", FaultKind::Quota(Some(7_000)), Remedy::NextProvider),
        ("v1-err-unauth", FaultKind::Auth, Remedy::Configuration),
        ("v2-err-unauth", FaultKind::Auth, Remedy::Configuration),
        ("bad-key", FaultKind::Auth, Remedy::Configuration),
        ("v1-err-internal", FaultKind::Unavailable, Remedy::NextProvider),
        ("v1-err-midinternal", FaultKind::Unavailable, Remedy::NextProvider),
        ("v1-err-midunavail", FaultKind::Unavailable, Remedy::NextProvider),
        ("v1-err-unavailable_once", FaultKind::Unavailable, Remedy::NextProvider),
        ("v2-err-unavailable_once", FaultKind::Unavailable, Remedy::NextProvider),
    ];
    let errors: Value = json::from_str(ERRORS).unwrap();
    for (name, kind, remedy) in expected {
        let fields = errors[name]["fields"].as_array().unwrap();
        let fields: Vec<_> = fields.iter().map(|field| (field[0].as_str().unwrap(), field[1].as_str().unwrap())).collect();
        let tell = |session: &mut Call, id| match errors[name]["trailers_only"] == true {
            true => session.opened_with(id, 200, &fields),
            false => {
                session.opened_with(id, 200, HEAD);
                session.trailers(id, &fields)
            }
        };
        let mut session = called("{}");
        hear(&mut session, 100);
        let mut said = tell(&mut session, 1);
        if sent(&said).first().is_some_and(|word| word == "open 2") {
            assert!(matches!(kind, FaultKind::Unavailable), "{name} is tried again");
            said = tell(&mut session, 2);
        }
        assert_eq!(fault(&said), (&kind, remedy), "{name}");
        let Some(Effect::Fail(fault)) = said.last() else { panic!() };
        assert!(!fault.detail.contains("project 1234"), "free text of Google is not repeated: {}", fault.detail);
    }
}

#[test]
fn every_bad_day_ends_in_a_fault() {
    let kind = |effects: &[Effect]| fault(effects).0.clone();
    assert_eq!(kind(&called("{}").opened(1, 401)), FaultKind::Auth);
    assert_eq!(kind(&called("{}").opened(1, 503)), FaultKind::Unavailable);
    assert_eq!(kind(&called("{}").opened_with(1, 200, &[("content-type", "text/html")])), FaultKind::Protocol);
    assert_eq!(kind(&called("{}").failed(1, LinkErrorKind::Connect)), FaultKind::Unavailable);
    assert_eq!(kind(&up("{}").bytes(1, &[0xfe, 1, 0x7b, 0xff, 0, 0x13])), FaultKind::Protocol);
    assert_eq!(kind(&up("{}").bytes(1, &[0, 0, 0, 0, 2, 0xff, 0xff])), FaultKind::Protocol);
    let mut silent = up("{}");
    hear(&mut silent, 100);
    silent.tell(Input::Finalize);
    assert_eq!(silent.pass_ms(4_900), []);
    assert_eq!(kind(&silent.pass_ms(200)), FaultKind::Unavailable);
    let mut silent = up("{}");
    hear(&mut silent, 100);
    silent.tell(Input::End);
    assert_eq!(kind(&silent.pass_ms(5_000)), FaultKind::Unavailable);
    let mut cut = up("{}");
    hear(&mut cut, 100);
    cut.tell(Input::End);
    cut.bytes(1, &result("one", true, 50)[..7]);
    assert_eq!(kind(&cut.trailers(1, WELL)), FaultKind::Protocol);
    let refused = testing::stt::<Session>().start(testing::start(r#"{"api":"v2"}"#));
    assert!(matches!(fault(&refused).0, FaultKind::InvalidOptions(_)));
}

#[test]
fn audio_waits_while_the_link_is_full() {
    let mut session = called("{}");
    session.tell(Input::Link(vg_plugin_sdk::link::LinkInput::Full(1)));
    assert_eq!(hear(&mut session, 1_000), []);
    assert_eq!(sent(&session.tell(Input::Link(vg_plugin_sdk::link::LinkInput::Writable(1)))), ["1000 ms 1"]);
    session.tell(Input::Link(vg_plugin_sdk::link::LinkInput::Full(1)));
    let refused: Vec<Effect> = (0..25).flat_map(|_| if session.is_over() { vec![] } else { hear(&mut session, 1_000) }).collect();
    assert_eq!(fault(&refused).0, &FaultKind::Unavailable);
}

#[test]
fn alaw_goes_to_v1_as_linear_samples_and_to_v2_as_it_is() {
    for (options, bytes) in [("{}", 1_600), (r#"{"api":"v2","project":"p"}"#, 800)] {
        let mut session = testing::stt::<Session>();
        let format = AudioFormat { encoding: Encoding::Alaw, rate_hz: 8_000 };
        session.start(SessionStart { format, ..testing::start(options) });
        let said = session.tell(Input::Audio(vec![0xd5; 800]));
        assert!(matches!(&said[..], [Effect::Link(LinkEffect::SendBytes(piece))] if piece.data.len() == bytes + 8), "{options}");
    }
}

/// Speaks from the 180th to the 279th second without a pause that Google would hear.
fn monologue(session: &mut Call, bytes_per_ms: usize) {
    let hear = |session: &mut Call| session.tell(Input::Audio(vec![0x55; bytes_per_ms * 1_000]));
    for second in 1..280 {
        session.pass_ms(1_000);
        hear(session);
        if second == 180 {
            session.tell(Input::Edge(Edge::SpeechStarted(180_000)));
        }
        if second > 180 {
            session.bytes(1, &result("a long sentence", false, second * 1_000));
        }
    }
}

#[test]
fn a_long_utterance_over_the_limit_is_heard_again_from_its_beginning() {
    let over_the_limit: [fn(&mut Call) -> Vec<Effect>; 2] = [
        // Ours, and Google's.
        |session| [session.pass_ms(1_000), hear(session, 20)].concat(),
        |session| session.trailers(1, &[("grpc-status", "11")]),
    ];
    for over in over_the_limit {
        let mut session = up("{}");
        monologue(&mut session, 8);
        let mut effects = over(&mut session);
        effects.extend(session.pass_ms(3_000));
        let again = sent(&effects).iter().filter_map(|word| word.strip_suffix(" ms 2")?.parse::<u64>().ok()).sum::<u64>();
        assert!(again >= 99_000, "{again} ms");
    }
}

#[test]
fn an_utterance_that_is_too_long_to_be_heard_again_is_a_fault_and_not_cut_in_silence() {
    let over_the_limit: [fn(&mut Call) -> Vec<Effect>; 3] = [
        |session| [session.pass_ms(1_000), hear(session, 20)].concat(),
        |session| session.trailers(1, &[("grpc-status", "11")]),
        |session| session.failed(1, LinkErrorKind::Reset),
    ];
    for over in over_the_limit {
        let mut session = testing::stt::<Session>();
        let format = AudioFormat { encoding: Encoding::PcmS16le, rate_hz: 16_000 };
        session.start(SessionStart { format, ..testing::start("{}") });
        session.opened_with(1, 200, HEAD);
        monologue(&mut session, 32);
        assert_eq!(fault(&over(&mut session)), (&FaultKind::Unavailable, Remedy::NextProvider));
    }
}

#[test]
fn who_asks_is_proven_by_what_the_host_fills_in() {
    for (auth, value) in [
        ("bearer", "Bearer {secret:api_key}"),
        ("service_account", "Bearer {secret:service_account}"),
        ("oauth2", "Bearer {secret:oauth2}"),
    ] {
        let effects = testing::stt::<Session>().start(testing::start(&format!(r#"{{"auth":"{auth}"}}"#)));
        let Some(Effect::Link(LinkEffect::Http(open))) = effects.first() else { panic!("{effects:?}") };
        assert!(open.headers.contains(&("authorization".to_owned(), value.to_owned())), "{open:?}");
    }
}
