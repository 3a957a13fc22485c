use crate::protocol;
use crate::session::Session;
use base64::Engine;
use vg_plugin_sdk::{
    AudioFormat, Encoding, FaultKind, SessionStart, Usage,
    json::{self, Value},
    link::{LinkEffect, LinkErrorKind, RequestBody},
    testing,
    tts::{Effect, Input},
};

const SOCKET: &str = include_str!("../fixtures/socket.jsonl");
const FAULTS: &str = include_str!("../fixtures/faults.jsonl");
const REQUESTS: &str = include_str!("../fixtures/requests.jsonl");

type Call = testing::Session<Input, Effect>;

fn lines(fixture: &str) -> Vec<Value> {
    fixture.lines().map(|line| json::from_str(line).unwrap()).collect()
}

fn started(options: &str) -> (Call, Vec<Effect>) {
    let mut session = testing::tts::<Session>();
    let effects = session.start(testing::start(options));
    (session, effects)
}

/// A call whose first socket is open.
fn up() -> Call {
    let (mut session, _) = started("{}");
    session.opened(1, 101);
    session
}

/// What went over a link as text.
fn sent(effects: &[Effect], to: u32) -> Vec<String> {
    let text = |effect: &Effect| match effect {
        Effect::Link(LinkEffect::SendText(text)) if text.id == to => Some(text.data.clone()),
        _ => None,
    };
    effects.iter().filter_map(text).collect()
}

fn opened(effects: &[Effect]) -> Vec<(u32, String)> {
    let url = |effect: &Effect| match effect {
        Effect::Link(LinkEffect::Websocket(open)) => Some((open.id, open.url.clone())),
        _ => None,
    };
    effects.iter().filter_map(url).collect()
}

fn sound(effects: &[Effect]) -> Vec<u8> {
    let samples = |effect: &Effect| if let Effect::Audio(samples) = effect { Some(samples.clone()) } else { None };
    effects.iter().filter_map(samples).flatten().collect()
}

fn kind(effects: &[Effect]) -> &FaultKind {
    match effects {
        [.., Effect::Fail(fault)] => &fault.kind,
        other => panic!("no fault but {other:?}"),
    }
}

/// The shape of an answer with timestamps, as the vendor's client reads it; the captures elide its sound.
const LINES: &str = concat!(
    r#"{"audio_base64":"//8=","alignment":{"characters":["H","i"," ","y"],"character_start_times_seconds":[0,0.04,0.08,0.12],"#,
    r#""character_end_times_seconds":[0.04,0.08,0.12,0.16]},"normalized_alignment":null}"#,
    "\n",
    r#"{"audio_base64":"/v7+","alignment":null,"normalized_alignment":null}"#,
);

const SPOKEN: &str = r#"{"audio":"//8=","isFinal":null}"#;
const FINAL: &str = r#"{"audio":null,"isFinal":true}"#;

#[test]
fn what_is_sent_is_what_the_vendors_client_sends() {
    let (mut session, mut effects) = started("{}");
    effects.extend(session.opened(1, 101));
    effects.extend(session.tell(Input::Text("Hello, this is a short ".to_owned())));
    effects.extend(session.tell(Input::Text("test call.".to_owned())));
    effects.extend(session.tell(Input::Flush(1)));
    let captured: Vec<Value> = lines(SOCKET).into_iter().filter(|line| line["dir"] == "c2s").collect();
    let url = &opened(&effects)[0].1;
    let target = captured[0]["target"].as_str().unwrap();
    assert!(url.strip_prefix("wss://api.elevenlabs.io").unwrap().starts_with(target), "{url}");
    let ours: Vec<Value> = sent(&effects, 1).iter().map(|text| json::from_str(text).unwrap()).collect();
    let theirs: Vec<&Value> = captured[1..].iter().map(|line| &line["json"]).collect();
    assert_eq!(&ours[0], theirs[0], "the greeting");
    let words = |all: &[&Value]| all.iter().map(|piece| piece["text"].as_str().unwrap()).collect::<String>();
    assert_eq!(words(&ours[1..].iter().collect::<Vec<_>>()).trim(), words(&theirs[1..]).trim());
    assert!(ours[1..ours.len() - 1].iter().all(|piece| piece["text"].as_str().unwrap().ends_with(' ')), "{ours:?}");
    assert_eq!(ours.last(), theirs.last().copied());
    assert!(effects.contains(&Effect::Usage(Usage { audio_ms: 0, characters: 33, requests: 1 })));
}

#[test]
fn a_captured_socket_is_spoken_to_the_last_sample_and_the_next_one_opened() {
    let mut session = up();
    session.tell(Input::Text("Hello, this is a short test call.".to_owned()));
    session.tell(Input::Flush(7));
    let mut effects = Vec::new();
    let mut clip = Vec::new();
    for line in lines(SOCKET).iter().filter(|line| line["dir"] == "s2c" && line["json"].is_object()) {
        if let Some(audio) = line["json"]["audio"].as_str() {
            clip.extend(base64::engine::general_purpose::STANDARD.decode(audio).unwrap());
        }
        effects.extend(session.text(1, &line["json"].to_string()));
    }
    assert_eq!(sound(&effects), clip);
    let words: Vec<_> = effects.iter().filter_map(|e| if let Effect::Word(word) = e { Some(word) } else { None }).collect();
    let texts: Vec<&str> = words.iter().map(|word| word.text.as_str()).collect();
    assert_eq!(texts.join(" "), "Hello, this is a short test call.");
    assert!(words.is_sorted_by_key(|word| word.start_ms), "{words:?}");
    assert!(effects.contains(&Effect::Flushed(7)));
    assert_eq!(opened(&effects)[0].0, 2, "the next reply does not wait for a handshake");
    session.opened(2, 101);
    assert_eq!(session.text(1, SPOKEN), [], "the old socket is heard no more");
    assert_eq!(session.tell(Input::End).last(), Some(&Effect::Done));
}

#[test]
fn a_reply_waits_for_the_one_before() {
    let mut session = up();
    let mut effects = Vec::new();
    for (text, mark) in [("One. ", 1), ("Two. ", 2)] {
        effects.extend(session.tell(Input::Text(text.to_owned())));
        effects.extend(session.tell(Input::Flush(mark)));
    }
    assert!(sent(&effects, 1).iter().all(|text| !text.contains("Two")));
    session.text(1, SPOKEN);
    let next = session.text(1, FINAL);
    assert!(next.contains(&Effect::Flushed(1)));
    assert!(sent(&next, 2).iter().any(|text| text.contains("Two")), "{next:?}");
    session.opened(2, 101);
    session.tell(Input::End);
    session.text(2, SPOKEN);
    assert_eq!(session.text(2, FINAL).last(), Some(&Effect::Done));
}

#[test]
fn nothing_to_say_is_flushed_at_once() {
    let mut session = up();
    session.tell(Input::Text(" \n".to_owned()));
    assert_eq!(session.tell(Input::Flush(3)), [Effect::Flushed(3)]);
    assert_eq!(session.tell(Input::End).last(), Some(&Effect::Done));
}

#[test]
fn cancel_closes_the_socket_and_a_new_one_is_ready() {
    let mut session = up();
    session.tell(Input::Text("One two three ".to_owned()));
    session.text(1, SPOKEN);
    let effects = session.tell(Input::Cancel);
    assert_eq!(effects[0], Effect::Link(LinkEffect::Close(1)));
    assert_eq!(effects[1], Effect::Cancelled);
    assert_eq!(opened(&effects)[0].0, 2);
    assert_eq!(session.text(1, SPOKEN), []);
    session.opened(2, 101);
    assert!(sound(&session.pass_ms(9_000)).is_empty());
    session.tell(Input::Text("Again.".to_owned()));
    let effects = session.tell(Input::Flush(2));
    assert!(sent(&effects, 2).iter().any(|text| text.contains("Again.")), "the last word goes with the flush: {effects:?}");
}

#[test]
fn a_socket_that_breaks_before_a_sound_is_tried_once_more() {
    let mut session = up();
    session.tell(Input::Text("One two. ".to_owned()));
    session.tell(Input::Flush(1));
    let again = session.failed(1, LinkErrorKind::Reset);
    assert_eq!(opened(&again)[0].0, 2);
    assert_eq!(sent(&again, 2)[1..], [protocol::piece("One two. "), protocol::END_OF_TEXT.to_owned()]);
    session.opened(2, 101);
    assert_eq!(kind(&session.failed(2, LinkErrorKind::Reset)), &FaultKind::Unavailable);
    // After a sound it is the owner's matter.
    let mut session = up();
    session.tell(Input::Text("One two. ".to_owned()));
    session.text(1, SPOKEN);
    assert_eq!(kind(&session.finished(1, Some(1000))), &FaultKind::Unavailable);
}

#[test]
fn an_idle_socket_is_kept_alive_and_not_missed() {
    let mut session = up();
    assert_eq!(sent(&session.pass_ms(125_000), 1).len(), 2);
    assert_eq!(session.finished(1, Some(1000)), []);
    let effects = session.tell(Input::Text("Hello again. ".to_owned()));
    assert_eq!(opened(&effects)[0].0, 2);
}

#[test]
fn every_captured_fault_has_its_kind() {
    let expected = |case: &str| match case {
        "err_ws_quota" | "err_quota" | "err_concurrent" | "err_convert_busy" => FaultKind::Quota(None),
        "err_ws_mid_error" | "err_server" | "err_unavailable" => FaultKind::Unavailable,
        _ => FaultKind::Unsupported,
    };
    for line in lines(FAULTS) {
        let case = line["case"].as_str().unwrap();
        let fault = match line["status"].as_u64() {
            Some(status) => protocol::refused(status as u16, &[], line["body"].as_str().unwrap().as_bytes()),
            None => protocol::read(&line["socket"].to_string()).unwrap_err(),
        };
        assert_eq!(fault.kind, expected(case), "{line}");
        assert!(!fault.detail.contains("voice_id nosuch"), "free text stays out: {}", fault.detail);
    }
    assert_eq!(protocol::fault_of("invalid_api_key", Some(401)).kind, FaultKind::Auth);
    assert_eq!(protocol::refused(429, &[("Retry-After".into(), "2".into())], b"").kind, FaultKind::Quota(Some(2_000)));
}

#[test]
fn every_bad_day_of_a_socket_ends_in_a_fault() {
    assert_eq!(kind(&started("{}").0.opened(1, 401)), &FaultKind::Auth);
    assert_eq!(kind(&started("{}").0.opened(1, 503)), &FaultKind::Unavailable);
    assert_eq!(kind(&started("{}").0.failed(1, LinkErrorKind::Connect)), &FaultKind::Unavailable);
    let mut unanswered = started("{}").0;
    unanswered.tell(Input::Text("One. ".to_owned()));
    assert_eq!(kind(&unanswered.pass_ms(6_000)), &FaultKind::Unavailable);
    assert_eq!(started("{}").0.pass_ms(6_000), [Effect::Link(LinkEffect::Close(1))], "nobody waits for it");
    let speaking = || {
        let mut session = up();
        session.tell(Input::Text("One. ".to_owned()));
        session.tell(Input::Flush(1));
        session
    };
    assert_eq!(kind(&speaking().pass_ms(8_000)), &FaultKind::Unavailable);
    assert_eq!(kind(&speaking().text(1, FINAL)), &FaultKind::EmptyResult);
    assert_eq!(kind(&speaking().text(1, "<html>")), &FaultKind::Protocol);
    assert_eq!(kind(&speaking().text(1, r#"{"audio":"?"}"#)), &FaultKind::Protocol);
    assert_eq!(kind(&speaking().finished(1, Some(1008))), &FaultKind::Protocol);
    let mut early = up();
    early.tell(Input::Text("One. ".to_owned()));
    early.text(1, SPOKEN);
    assert_eq!(kind(&early.text(1, FINAL)), &FaultKind::Unavailable, "the text was not complete");
}

#[test]
fn requests_are_those_of_the_vendors_client() {
    let pcm = AudioFormat { encoding: Encoding::PcmS16le, rate_hz: 16_000 };
    for line in lines(REQUESTS) {
        let case = line["case"].as_str().unwrap();
        let options = if case == "stream_ts" { r#"{"transport":"timestamps"}"# } else { r#"{"transport":"stream"}"# };
        let mut start = testing::start(options);
        if case == "stream_pcm16_pt" {
            start = SessionStart { format: pcm, language: "pt-BR".to_owned(), ..start };
        }
        let mut session = testing::tts::<Session>();
        assert!(matches!(session.start(start)[0], Effect::Link(LinkEffect::Preconnect(_))));
        let theirs: Value = json::from_str(line["body"].as_str().unwrap()).unwrap();
        session.tell(Input::Text(theirs["text"].as_str().unwrap().to_owned()));
        let effects = session.tell(Input::Flush(1));
        let Effect::Link(LinkEffect::Http(open)) = &effects[0] else { panic!("{effects:?}") };
        assert_eq!(open.url.strip_prefix("https://api.elevenlabs.io"), line["target"].as_str());
        let RequestBody::Whole(body) = &open.body else { panic!("no body") };
        let mut ours: Value = json::from_slice(body).unwrap();
        if theirs["language_code"].is_null() {
            ours.as_object_mut().unwrap().remove("language_code");
        }
        assert_eq!(ours, theirs);
        let kind = if case == "stream_ts" { "application/json" } else { "audio/basic" };
        session.opened_with(1, 200, &[("content-type", kind)]);
        let mut effects = Vec::new();
        if case == "stream_ts" {
            LINES.as_bytes().chunks(33).for_each(|piece| effects.extend(session.bytes(1, piece)));
            assert!(
                effects
                    .iter()
                    .any(|effect| matches!(effect, Effect::Word(word) if (word.text.as_str(), word.end_ms) == ("Hi", 80)))
            );
        } else {
            effects.extend(session.bytes(1, &[1, 2, 3]));
            effects.extend(session.bytes(1, &[4]));
        }
        assert!(!sound(&effects).is_empty());
        assert_eq!(session.finished(1, None).last(), Some(&Effect::Flushed(1)));
    }
}

#[test]
fn a_refused_request_is_read_before_it_is_told() {
    let asked = || {
        let (mut session, _) = started(r#"{"transport":"stream"}"#);
        session.tell(Input::Text("One.".to_owned()));
        session.tell(Input::Flush(1));
        session
    };
    let mut session = asked();
    session.opened(1, 401);
    session.bytes(1, br#"{"detail":{"status":"quota_exceeded","message":"This request exceeds your quota"}}"#);
    assert_eq!(kind(&session.finished(1, None)), &FaultKind::Quota(None));
    let mut session = asked();
    session.opened(1, 401);
    assert_eq!(kind(&session.finished(1, None)), &FaultKind::Auth);
    assert_eq!(kind(&asked().opened_with(1, 200, &[("content-type", "text/html")])), &FaultKind::Protocol);
    assert_eq!(kind(&asked().pass_ms(8_000)), &FaultKind::Unavailable);
    let mut session = asked();
    session.opened_with(1, 200, &[("content-type", "audio/basic")]);
    assert_eq!(kind(&session.finished(1, None)), &FaultKind::EmptyResult);
    let mut session = asked();
    assert_eq!(session.tell(Input::Cancel), [Effect::Link(LinkEffect::Close(1)), Effect::Cancelled]);
    assert_eq!(session.bytes(1, &[1]), []);
}

#[test]
fn options_document_themselves() {
    let schema: Value = json::from_str(crate::options::SCHEMA).unwrap();
    assert!(schema["properties"].as_object().unwrap().values().all(|option| option["description"].is_string()));
    assert!(matches!(kind(&started(r#"{"voicee":"x"}"#).1), FaultKind::InvalidOptions(_)));
    let odd = SessionStart { format: AudioFormat { encoding: Encoding::Mulaw, rate_hz: 16_000 }, ..testing::start("{}") };
    assert_eq!(kind(&testing::tts::<Session>().start(odd)), &FaultKind::Unsupported);
}
