use super::*;
use crate::Plugin;
use vg_plugin_sdk::{
    Remedy,
    link::{LinkEffect, Signed},
    stt::Effect,
    testing::{self, SIGNATURE},
};

type Driven = testing::Session<Input, Effect>;

const HEADERS: [(&str, &str); 1] = [("content-type", EVENT_STREAM)];

fn asked(options: &str) -> (Driven, Vec<Effect>) {
    let mut session = testing::stt::<Plugin>();
    let asked = session.start(testing::start(options));
    (session, asked)
}

fn signed(id: LinkId) -> Input {
    let scope = "20260630/us-east-1/transcribe/aws4_request".to_owned();
    Input::Link(LinkInput::Signed(Signed { id, signature: "ab".repeat(32), amz_date: "20260630T120000Z".to_owned(), scope }))
}

/// A stream that listens.
fn listening() -> Driven {
    let (mut session, _) = asked("{}");
    session.tell(signed(1));
    session.opened_with(1, 200, &HEADERS);
    session
}

fn sent(effects: &[Effect]) -> Vec<Message> {
    let bytes = |effect: &Effect| match effect {
        Effect::Link(LinkEffect::SendBytes(sent)) => Some(Message::decode(&sent.data).unwrap()),
        _ => None,
    };
    effects.iter().filter_map(bytes).collect()
}

fn transcript(id: &str, text: &str, from_s: f64, to_s: f64, is_partial: bool) -> Vec<u8> {
    let item = serde_json::json!({ "Content": text, "StartTime": from_s, "EndTime": to_s, "Type": "pronunciation" });
    let result = serde_json::json!({ "ResultId": id, "StartTime": from_s, "EndTime": to_s, "IsPartial": is_partial,
        "Alternatives": [{ "Transcript": text, "Items": [item] }] });
    let payload = serde_json::json!({ "Transcript": { "Results": [result] } }).to_string();
    Message::event("TranscriptEvent", "application/json", payload).encode()
}

fn fault(effects: &[Effect]) -> (&FaultKind, Remedy) {
    match effects.last() {
        Some(Effect::Fail(fault)) => (&fault.kind, fault.remedy),
        other => panic!("no fault but {other:?}"),
    }
}

fn texts(effects: &[Effect]) -> Vec<String> {
    let text = |effect: &Effect| match effect {
        Effect::Partial(heard) => Some(format!("{}...", heard.text)),
        Effect::Final(heard) => Some(heard.text.clone()),
        Effect::Finalized => Some("finalized".to_owned()),
        Effect::Done => Some("done".to_owned()),
        _ => None,
    };
    effects.iter().filter_map(text).collect()
}

#[test]
fn sound_waits_for_the_signature_and_goes_out_as_a_chain_of_linear_samples() {
    let (mut session, asked) = asked("{}");
    let Effect::Link(LinkEffect::Http(open)) = &asked[0] else { panic!("{asked:?}") };
    assert_eq!(open.url, "https://transcribestreaming.us-east-1.amazonaws.com/stream-transcription");
    let id = link::field(&open.headers, "x-amzn-transcribe-session-id").unwrap();
    assert_eq!(id, "07070707-0707-4707-8707-070707070707");
    assert_eq!(session.tell(Input::Audio(vec![0xff; 800])), []);
    let first = sent(&session.tell(signed(1)));
    let audio = Message::decode(&first[0].payload).unwrap();
    assert_eq!((audio.text(":event-type"), audio.payload.as_slice()), (Some("AudioEvent"), [0; 1_600].as_slice()));
    let signature = vg_wire::event_stream::Value::Bytes(vec![0; SIGNATURE.len() / 2]);
    assert_eq!(first[0].headers[1], (":chunk-signature".to_owned(), signature));
    session.opened_with(1, 200, &HEADERS);
    assert_eq!(sent(&session.tell(Input::Audio(vec![0xff; 800]))).len(), 1);
    let end = session.tell(Input::End);
    assert!(sent(&end)[0].payload.is_empty());
    assert_eq!(end.last(), Some(&link::finish(1).into()));
    let done = session.finished(1, None);
    assert_eq!(done, [Effect::Usage(Usage { audio_ms: 200, characters: 0, requests: 1 }), Effect::Done]);
}

#[test]
fn a_websocket_carries_bare_events_and_ends_by_an_empty_one() {
    let (mut session, asked) = asked(r#"{"transport":"websocket","endpoint":"http://127.0.0.1:8090"}"#);
    let Effect::Link(LinkEffect::Websocket(open)) = &asked[0] else { panic!("{asked:?}") };
    assert!(open.url.starts_with("ws://127.0.0.1:8090/stream-transcription-websocket?language-code=en-US&"), "{}", open.url);
    let audio = sent(&session.tell(Input::Audio(vec![0xff; 800])));
    assert_eq!((audio[0].text(":event-type"), audio[0].payload.len()), (Some("AudioEvent"), 1_600));
    session.opened(1, 101);
    let end = session.tell(Input::End);
    assert_eq!((sent(&end)[0].payload.len(), end.len()), (0, 2));
    assert_eq!(texts(&session.finished(1, Some(1000))), ["done"]);
}

#[test]
fn a_turn_is_over_when_its_final_has_come() {
    let mut session = listening();
    session.tell(Input::Edge(Edge::SpeechStarted(100)));
    session.tell(Input::Audio(vec![0xff; 8_000]));
    session.tell(Input::Edge(Edge::SpeechEnded(900)));
    assert_eq!(texts(&session.tell(Input::Finalize)), [] as [&str; 0]);
    assert_eq!(texts(&session.bytes(1, &transcript("a", "hello", 0.1, 0.8, true))), ["hello..."]);
    assert_eq!(texts(&session.bytes(1, &transcript("a", "hello", 0.1, 0.8, false))), ["hello", "finalized"]);
    assert_eq!(texts(&session.tell(Input::Finalize)), ["finalized"], "nobody spoke since");
    assert_eq!(texts(&session.pass_ms(2_600)), [] as [&str; 0]);
}

#[test]
fn a_final_that_does_not_come_is_its_last_partial_and_is_not_said_again() {
    let mut session = listening();
    session.tell(Input::Audio(vec![0xff; 8_000]));
    session.bytes(1, &transcript("a", "hello", 0.1, 0.8, true));
    session.tell(Input::Finalize);
    assert_eq!(texts(&session.pass_ms(2_500)), ["hello", "finalized"]);
    assert_eq!(texts(&session.bytes(1, &transcript("a", "hello", 0.1, 0.8, false))), [] as [&str; 0]);
    assert!(!session.pass_ms(9_000).iter().any(|said| matches!(said, Effect::Fail(_))), "the service is there");
}

#[test]
fn a_turn_that_ended_before_the_service_was_there_waits_for_it() {
    let (mut session, _) = asked("{}");
    session.tell(Input::Audio(vec![0xff; 8_000]));
    session.tell(Input::Finalize);
    assert_eq!(texts(&session.pass_ms(4_900)), [] as [&str; 0]);
    session.tell(signed(1));
    session.opened_with(1, 200, &HEADERS);
    assert_eq!(texts(&session.pass_ms(2_400)), [] as [&str; 0]);
    assert_eq!(texts(&session.bytes(1, &transcript("a", "hello", 0.1, 0.8, false))), ["hello", "finalized"]);
}

#[test]
fn a_service_that_stays_silent_after_that_is_given_up() {
    let mut session = listening();
    session.tell(Input::Audio(vec![0xff; 8_000]));
    session.bytes(1, &transcript("a", "hello", 0.1, 0.8, true));
    session.tell(Input::Finalize);
    let said = session.pass_ms(20_000);
    assert_eq!(fault(&said), (&FaultKind::Unavailable, Remedy::NextProvider));
}

#[test]
fn a_quiet_call_is_kept_by_silence_that_is_billed_but_no_part_of_it() {
    let mut session = listening();
    session.tell(Input::Audio(vec![0xff; 800]));
    let kept = session.pass_ms(14_000);
    assert_eq!(
        sent(&kept).iter().map(|message| Message::decode(&message.payload).unwrap().payload.len()).collect::<Vec<_>>(),
        [1_600; 2]
    );
    session.tell(Input::Audio(vec![0xff; 8_000]));
    let said = session.bytes(1, &transcript("a", "hello", 0.4, 0.8, false));
    assert!(matches!(&said[0], Effect::Final(heard) if (heard.start_ms, heard.end_ms) == (200, 600)));
    session.tell(Input::End);
    assert!(session.finished(1, None).contains(&Effect::Usage(Usage { audio_ms: 1_300, characters: 0, requests: 1 })));
}

#[test]
fn an_end_that_the_service_makes_by_itself_is_never_a_result() {
    let mut early = listening();
    early.tell(Input::Audio(vec![0xff; 800]));
    assert_eq!(fault(&early.finished(1, None)).0, &FaultKind::Unavailable);
    let mut open = listening();
    open.bytes(1, &transcript("a", "hello", 0.1, 0.8, true));
    open.tell(Input::End);
    assert_eq!(fault(&open.finished(1, None)).0, &FaultKind::Unavailable, "a partial has no final");
    let mut cut = listening();
    cut.tell(Input::End);
    let message = transcript("a", "hello", 0.1, 0.8, false);
    cut.bytes(1, &message[..message.len() / 2]);
    assert_eq!(fault(&cut.finished(1, None)).0, &FaultKind::Unavailable, "within a message");
    let (mut closed, _) = asked(r#"{"transport":"websocket"}"#);
    closed.opened(1, 101);
    closed.tell(Input::End);
    assert_eq!(fault(&closed.finished(1, Some(1011))).0, &FaultKind::Unavailable);
}

#[test]
fn every_wait_has_an_end() {
    let (mut never, _) = asked("{}");
    assert_eq!(fault(&never.pass_ms(6_000)).0, &FaultKind::Unavailable);
    let mut endless = listening();
    endless.tell(Input::End);
    assert_eq!(fault(&endless.pass_ms(5_000)).0, &FaultKind::Unavailable);
}

#[test]
fn the_service_is_asked_once_more_with_all_sound_while_it_has_said_nothing() {
    let (mut session, _) = asked("{}");
    session.tell(signed(1));
    session.tell(Input::Audio(vec![0xff; 800]));
    let again = session.opened_with(1, 503, &[("x-amzn-errortype", "ServiceUnavailableException")]);
    assert!(matches!(&again[..2], [Effect::Link(LinkEffect::Close(1)), Effect::Link(LinkEffect::Http(open))] if open.id == 2));
    assert_eq!(session.finished(1, None), [], "of a link that is no more");
    assert_eq!(sent(&session.tell(signed(2))).len(), 1);
    let said = session.opened_with(2, 503, &[]);
    assert_eq!(fault(&said).0, &FaultKind::Unavailable);

    let (mut lost, _) = asked("{}");
    lost.tell(signed(1));
    lost.tell(Input::Audio(vec![0xff; 800]));
    lost.tell(Input::End);
    assert!(matches!(&lost.failed(1, LinkErrorKind::Reset)[0], Effect::Link(LinkEffect::Http(_))));
    assert_eq!(sent(&lost.tell(signed(2))).len(), 2, "the sound and its end");
    let mut heard = listening();
    assert_eq!(fault(&heard.failed(1, LinkErrorKind::Reset)).0, &FaultKind::Unavailable);
}

#[test]
fn a_full_link_is_left_alone_until_it_is_writable() {
    let mut session = listening();
    session.tell(Input::Link(LinkInput::Full(1)));
    assert_eq!(session.tell(Input::Audio(vec![0xff; 800])), []);
    assert_eq!(sent(&session.tell(Input::Link(LinkInput::Writable(1)))).len(), 1);
    let flood = session.tell(Input::Audio(vec![0xff; 80_000]));
    assert_eq!(sent(&flood).len(), 7, "48 KiB at a time, in pieces of half a second");
    assert_eq!(sent(&session.pass_ms(100)).len(), 13);
}

#[test]
fn what_is_no_event_stream_is_a_fault_of_the_protocol() {
    let mut page = asked("{}").0;
    assert_eq!(fault(&page.opened_with(1, 200, &[("content-type", "text/html")])).0, &FaultKind::Protocol);
    let mut garbage = listening();
    assert_eq!(fault(&garbage.bytes(1, &[0x55; 100])).0, &FaultKind::Protocol);
    let mut bad = listening();
    let mut message = transcript("a", "hello", 0.1, 0.8, false);
    let last = message.len() - 1;
    message[last] ^= 1;
    assert_eq!(fault(&bad.bytes(1, &message)).0, &FaultKind::Protocol);
    let (mut text, _) = asked(r#"{"transport":"websocket"}"#);
    text.opened(1, 101);
    assert_eq!(fault(&text.text(1, "hello")).0, &FaultKind::Protocol);
}
