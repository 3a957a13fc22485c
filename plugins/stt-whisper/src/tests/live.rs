//! One WebSocket for the call.

use super::*;
use vg_plugin_sdk::link::{self, LinkErrorKind, LinkInput, WebsocketOpen};
use vg_plugin_sdk::{FaultKind, Remedy, Usage};

const RECORDED: &str = include_str!("../../fixtures/realtime.json");
const PCM_16: AudioFormat = AudioFormat { encoding: Encoding::PcmS16le, rate_hz: 16_000 };

fn live(mut options: Value, format: AudioFormat) -> (Session, WebsocketOpen) {
    options["mode"] = json!("realtime");
    let (session, effects) = begun(&options, format, "en-US");
    let Effect::Link(LinkEffect::Websocket(open)) = &effects[0] else { panic!("{effects:?}") };
    (session, open.clone())
}

/// A session that is set up.
fn ready(options: Value) -> Session {
    let (mut session, _) = live(options, MULAW);
    session.opened(1, 101);
    session.text(1, r#"{"type":"session.created","event_id":"e"}"#);
    session.text(1, r#"{"type":"session.updated","event_id":"e"}"#);
    session
}

fn event(session: &mut Session, id: u32, event: Value) -> Vec<Effect> {
    session.text(id, &event.to_string())
}

fn item(session: &mut Session, kind: &str, item: &str, more: Value) -> Vec<Effect> {
    let mut message = json!({ "type": kind, "event_id": "e", "item_id": item, "content_index": 0 });
    message.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    event(session, 1, message)
}

const DELTA: &str = "conversation.item.input_audio_transcription.delta";
const COMPLETED: &str = "conversation.item.input_audio_transcription.completed";
const COMMITTED: &str = "input_audio_buffer.committed";

/// What the vendor said in a recording.
fn told(name: &str) -> Vec<String> {
    let frames = case(RECORDED, name)["frames"].as_array().unwrap().clone();
    frames.iter().filter(|frame| frame[0] == "s2c").map(|frame| frame[1].as_str().unwrap().to_owned()).collect()
}

/// The first message of a type that the vendor's library sent, without what stands for nothing.
fn theirs(name: &str, kind: &str) -> Value {
    let frames = case(RECORDED, name)["frames"].as_array().unwrap().clone();
    let sent = frames
        .iter()
        .filter(|frame| frame[0] == "c2s")
        .filter_map(|frame| json::from_str::<Value>(frame[1].as_str().unwrap()).ok());
    sent.into_iter().find(|message| message["type"] == kind).unwrap()
}

#[test]
fn the_session_is_set_up_as_by_the_vendors_library() {
    let server_vad = json!({ "turns": "server_vad", "model": "gpt-4o-transcribe" });
    let mut ga = server_vad.clone();
    for (name, value) in
        [("prompt", json!("account balance")), ("noise_reduction", json!("near_field")), ("confidence", json!(true))]
    {
        ga[name] = value;
    }
    let mut beta = server_vad;
    beta["protocol"] = json!("beta");
    let mut manual = ga.clone();
    (manual["turns"], manual["model"]) = (json!("host"), json!("gpt-live-transcribe"));
    let cases = [
        ("ga-pcmu-servervad", ga, MULAW, "session.update"),
        ("ga-pcm24k-manual-commit", manual, PCM_16, "session.update"),
        ("beta-g711-servervad", beta, MULAW, "transcription_session.update"),
    ];
    for (name, options, format, kind) in cases {
        let recorded = case(RECORDED, name);
        let (mut session, open) = live(options, format);
        assert_eq!(open.url, format!("wss://api.openai.com{}", recorded["target"].as_str().unwrap()), "{name}");
        assert_eq!(link::field(&open.headers, "openai-beta"), recorded["headers"]["openai-beta"].as_str(), "{name}");
        assert!(link::field(&open.headers, "authorization").is_some() && open.subprotocols.is_empty());
        let messages = sent(&session.opened(1, 101));
        let [message] = &messages[..] else { panic!("{messages:?}") };
        let mut message = message.clone();
        message.as_object_mut().unwrap().remove("event_id");
        assert_eq!(message, theirs(name, kind), "{name}");
    }
    let (mut session, _) = live(json!({ "turns": "semantic_vad" }), AudioFormat { encoding: Encoding::Alaw, rate_hz: 8000 });
    let messages = sent(&session.opened(1, 101));
    let input = &messages[0]["session"]["audio"]["input"];
    assert_eq!((&input["format"]["type"], &input["turn_detection"]["type"]), (&json!("audio/pcma"), &json!("semantic_vad")));
}

#[test]
fn recorded_sessions_are_heard_as_the_vendors_library_read_them() {
    let texts = ["hello i would like to check my account balance", "my order number is four two seven nine"];
    for (name, protocol) in [("ga-pcmu-servervad", "ga"), ("beta-g711-servervad", "beta"), ("ga-extra", "ga")] {
        let (mut session, _) = live(json!({ "turns": "server_vad", "protocol": protocol }), MULAW);
        session.opened(1, 101);
        let effects: Vec<Effect> =
            told(name).iter().filter(|text| *text != "close").flat_map(|text| session.text(1, text)).collect();
        assert_eq!(said(&effects), texts, "{name}");
        assert!(partials(&effects).iter().any(|partial| partial.text == "hello i would"), "{name}");
        assert!(effects.contains(&Effect::SpeechStarted(400)) && effects.contains(&Effect::SpeechEnded(6500)), "{name}");
        assert_eq!(said(&session.tell(Input::Finalize)), ["."], "nothing is owed");
    }
}

#[test]
fn only_speech_is_sent_and_cut_where_the_gateway_says() {
    let mut session = ready(json!({}));
    assert_eq!(sent(&session.tell(Input::Audio(vec![0xff; 8000]))), [] as [Value; 0]);
    let effects = speak(&mut session, 900, 200);
    let messages = sent(&effects);
    assert_eq!(
        types(&messages),
        ["input_audio_buffer.append", "input_audio_buffer.append", "input_audio_buffer.append", "input_audio_buffer.commit"]
    );
    // 400 ms of mu-law as it is: 300 before the edge at 900, and what had come since.
    use base64::Engine;
    let first = base64::engine::general_purpose::STANDARD.decode(messages[0]["audio"].as_str().unwrap()).unwrap();
    assert_eq!(first, vec![0xff; 3200]);
    assert!(effects.contains(&Effect::Usage(Usage { audio_ms: 600, characters: 0, requests: 1 })));
    assert_eq!(said(&session.tell(Input::Finalize)), [""; 0]);
    item(&mut session, COMMITTED, "i1", json!({ "previous_item_id": null }));
    let partial = partials(&item(&mut session, DELTA, "i1", json!({ "delta": "yes " })));
    assert_eq!((partial[0].text.as_str(), partial[0].start_ms, partial[0].end_ms), ("yes", 600, 1100));
    assert_eq!(said(&item(&mut session, COMPLETED, "i1", json!({ "transcript": "Yes." }))), ["Yes.", "."]);
    // Each word once, and nothing old.
    assert_eq!(item(&mut session, COMPLETED, "i1", json!({ "transcript": "Yes." })), []);
    assert_eq!(item(&mut session, DELTA, "i1", json!({ "delta": "yes " })), []);
    let goodbye = session.tell(Input::End);
    assert!(matches!(&goodbye[..], [Effect::Link(LinkEffect::Finish(1)), Effect::Timer(_)]), "{goodbye:?}");
    assert_eq!(session.finished(1, Some(1000)), [Effect::Done]);
}

#[test]
fn linear_sound_is_sent_at_24_khz_and_is_as_long() {
    let (mut session, _) = live(json!({}), PCM_16);
    session.opened(1, 101);
    session.text(1, r#"{"type":"session.updated"}"#);
    let mut effects = session.tell(Input::Edge(Edge::SpeechStarted(0)));
    for _ in 0..10 {
        effects.extend(session.tell(Input::Audio(vec![1; 3201])));
    }
    effects.extend(session.tell(Input::Edge(Edge::SpeechEnded(1000))));
    use base64::Engine;
    let bytes: usize = sent(&effects)
        .iter()
        .filter_map(|message| base64::engine::general_purpose::STANDARD.decode(message["audio"].as_str()?).ok())
        .map(|wire| wire.len())
        .sum();
    assert_eq!(bytes, 2 * (16_005usize * 3).div_ceil(2));
}

#[test]
fn completions_are_ordered_by_predecessors() {
    let mut session = ready(json!({ "turns": "server_vad" }));
    item(&mut session, "input_audio_buffer.speech_started", "i1", json!({ "audio_start_ms": 100 }));
    item(&mut session, COMMITTED, "i1", json!({ "previous_item_id": null }));
    item(&mut session, COMMITTED, "i3", json!({ "previous_item_id": "i2" }));
    item(&mut session, COMMITTED, "i2", json!({ "previous_item_id": "i1" }));
    item(&mut session, COMMITTED, "i3", json!({ "previous_item_id": "i2" }));
    assert_eq!(said(&item(&mut session, COMPLETED, "i3", json!({ "transcript": "three" }))), [""; 0]);
    assert_eq!(said(&item(&mut session, COMPLETED, "i2", json!({ "transcript": "two" }))), [""; 0]);
    assert_eq!(said(&item(&mut session, COMPLETED, "i1", json!({ "transcript": "one" }))), ["one", "two", "three"]);
}

#[test]
fn where_the_server_cuts_an_answer_waits_for_what_it_has_not_cut_yet() {
    let speaking = || {
        let mut session = ready(json!({ "turns": "server_vad" }));
        let effects = [session.tell(Input::Audio(vec![0xff; 800])), speak(&mut session, 0, 1000)].concat();
        assert_eq!(types(&sent(&effects)), ["input_audio_buffer.append"; 11]);
        let messages = sent(&session.tell(Input::Finalize));
        assert_eq!(types(&messages), ["input_audio_buffer.commit"]);
        assert_eq!(messages[0]["event_id"], "cut-1");
        session
    };
    // The commit found it.
    let mut session = speaking();
    item(&mut session, COMMITTED, "i1", json!({ "previous_item_id": null }));
    assert_eq!(said(&item(&mut session, COMPLETED, "i1", json!({ "transcript": "yes" }))), ["yes", "."]);
    // It cut what the server had heard begin.
    let mut session = speaking();
    item(&mut session, "input_audio_buffer.speech_started", "i1", json!({ "audio_start_ms": 50 }));
    item(&mut session, COMMITTED, "i1", json!({ "previous_item_id": null }));
    assert_eq!(said(&item(&mut session, COMPLETED, "i1", json!({ "transcript": "yes" }))), ["yes", "."]);
    // The server was faster; then the commit finds nothing.
    let mut session = speaking();
    item(&mut session, "input_audio_buffer.speech_started", "i1", json!({ "audio_start_ms": 50 }));
    item(&mut session, "input_audio_buffer.speech_stopped", "i1", json!({ "audio_end_ms": 1000 }));
    item(&mut session, COMMITTED, "i1", json!({ "previous_item_id": null }));
    let empty = json!({ "type": "error", "error": { "type": "invalid_request_error", "code": "input_audio_buffer_commit_empty", "event_id": "cut-1" } });
    assert_eq!(event(&mut session, 1, empty.clone()), []);
    assert_eq!(said(&item(&mut session, COMPLETED, "i1", json!({ "transcript": "yes" }))), ["yes", "."]);
    // It was faster, and the commit finds the silence behind: a later turn is not taken for it.
    let mut session = speaking();
    speak(&mut session, 2000, 1000);
    session.tell(Input::Finalize);
    item(&mut session, "input_audio_buffer.speech_started", "i1", json!({ "audio_start_ms": 50 }));
    item(&mut session, "input_audio_buffer.speech_stopped", "i1", json!({ "audio_end_ms": 1000 }));
    item(&mut session, COMMITTED, "i1", json!({ "previous_item_id": null }));
    item(&mut session, COMMITTED, "i2", json!({ "previous_item_id": "i1" }));
    item(&mut session, COMPLETED, "i2", json!({ "transcript": "" }));
    assert_eq!(said(&item(&mut session, COMPLETED, "i1", json!({ "transcript": "yes" }))), ["yes", "."]);
    item(&mut session, "input_audio_buffer.speech_started", "i3", json!({ "audio_start_ms": 2000 }));
    item(&mut session, COMMITTED, "i3", json!({ "previous_item_id": "i2" }));
    assert_eq!(said(&item(&mut session, COMPLETED, "i3", json!({ "transcript": "no" }))), ["no", "."]);
    // The server heard nothing in it.
    let mut session = speaking();
    assert_eq!(said(&event(&mut session, 1, empty)), ["."]);
    // Nobody spoke since: nothing is asked of the server.
    assert_eq!(session.tell(Input::Finalize), [Effect::Finalized]);
}

#[test]
fn a_lost_connection_is_made_again_once_and_told_all_that_is_unanswered() {
    let losses: [fn(&mut Session) -> Vec<Effect>; 4] = [
        |session| session.failed(1, LinkErrorKind::Reset),
        |session| session.finished(1, Some(1011)),
        |session| session.text(1, r#"{"type":"error","error":{"type":"server_error","code":null,"event_id":null}}"#),
        |session| session.text(1, r#"{"type":"error","error":{"type":"invalid_request_error","code":"session_expired"}}"#),
    ];
    for (nth, lose) in losses.into_iter().enumerate() {
        let mut session = ready(json!({}));
        speak(&mut session, 0, 300);
        item(&mut session, COMMITTED, "i1", json!({ "previous_item_id": null }));
        session.tell(Input::Finalize);
        session.tell(Input::Edge(Edge::SpeechStarted(400)));
        session.tell(Input::Audio(vec![0x11; 800]));
        let effects = lose(&mut session);
        assert!(
            effects.iter().any(|effect| matches!(effect, Effect::Link(LinkEffect::Websocket(open)) if open.id == 2)),
            "{nth}"
        );
        assert_eq!(session.text(1, r#"{"type":"session.updated"}"#), [], "the old one is for nobody");
        let messages = sent(&session.opened(2, 101));
        let (append, commit) = ("input_audio_buffer.append", "input_audio_buffer.commit");
        assert_eq!(types(&messages), ["session.update", append, commit, append], "{nth}");
        for message in [json!({ "type": "session.updated" }), json!({ "type": COMMITTED, "item_id": "n1" })] {
            event(&mut session, 2, message);
        }
        let effects = event(&mut session, 2, json!({ "type": COMPLETED, "item_id": "n1", "transcript": "yes" }));
        assert_eq!(said(&effects), ["yes", "."]);
        // An answer came between: it may be lost once more.
        assert!(matches!(&session.failed(2, LinkErrorKind::Reset)[0], Effect::Link(LinkEffect::Websocket(_))));
        session.opened(3, 101);
        event(&mut session, 3, json!({ "type": "session.updated" }));
        assert_eq!(fault(&session.failed(3, LinkErrorKind::Reset)).kind, FaultKind::Unavailable);
    }
}

#[test]
fn while_nobody_speaks_a_connection_may_go_and_is_made_again_when_somebody_does() {
    let mut session = ready(json!({}));
    session.pass_ms(60_000);
    assert_eq!(session.finished(1, Some(1000)), []);
    let effects = speak(&mut session, 0, 300);
    assert!(matches!(&effects[0], Effect::Link(LinkEffect::Websocket(open)) if open.id == 2));
    assert_eq!(types(&sent(&session.opened(2, 101))).len(), 1 + 3 + 1);
    // A session lasts an hour: it is left before.
    let mut old = ready(json!({}));
    old.pass_ms(51 * 60_000);
    let effects = speak(&mut old, 0, 300);
    assert!(matches!(&effects[..2], [Effect::Link(LinkEffect::Close(1)), Effect::Link(LinkEffect::Websocket(_))]), "{effects:?}");
    // One that is closed at once is not asked for again and again.
    assert_eq!(fault(&ready(json!({})).finished(1, Some(1001))).kind, FaultKind::Unavailable);
}

#[test]
fn a_link_is_told_no_more_than_it_takes() {
    let (mut session, _) = live(json!({}), PCM_16);
    session.tell(Input::Edge(Edge::SpeechStarted(0)));
    for _ in 0..100 {
        // While it is being opened nothing is sent.
        assert_eq!(sent(&session.tell(Input::Audio(vec![0; 3200]))), [] as [Value; 0]);
    }
    let bytes = |effects: &[Effect]| sent(effects).iter().map(|message| message.to_string().len()).sum::<usize>();
    let first = session.opened(1, 101);
    assert!((1..100_000).contains(&bytes(&first)), "{}", bytes(&first));
    session.tell(Input::Link(LinkInput::Full(1)));
    assert_eq!(bytes(&session.pass_ms(1000)), 0);
    let mut more = session.tell(Input::Link(LinkInput::Writable(1)));
    more.extend(session.pass_ms(1000));
    assert!(bytes(&first) + bytes(&more) > 10 * 64_000, "{} {}", bytes(&first), bytes(&more));
}

#[test]
fn handshakes_are_refused_for_a_reason() {
    let recorded = case(RECORDED, "ga-err-h429rate");
    let refuse = |session: &mut Session, id: u32, status: u16, headers: &[(&str, &str)], body: &str| {
        session.opened_with(id, status, headers);
        session.bytes(id, body.as_bytes());
        session.finished(id, None)
    };
    let (mut session, _) = live(json!({}), MULAW);
    let body = recorded["answer"].as_str().unwrap();
    refuse(&mut session, 1, 429, &[("retry-after", "1")], body);
    let again = session.pass_ms(1_000);
    assert!(matches!(&again[0], Effect::Link(LinkEffect::Websocket(open)) if open.id == 2), "{again:?}");
    assert_eq!(fault(&refuse(&mut session, 2, 429, &[("retry-after", "1")], body)).kind, FaultKind::Quota(Some(1000)));
    let refused = |status: u16, headers: &[(&str, &str)], body: &str| {
        let (mut session, _) = live(json!({}), MULAW);
        fault(&refuse(&mut session, 1, status, headers, body)).clone()
    };
    assert_eq!(refused(401, &[], "").kind, FaultKind::Auth);
    assert_eq!(refused(429, &[("retry-after", "7")], body).kind, FaultKind::Quota(Some(7000)));
    let unpaid = refused(429, &[], r#"{"error":{"code":"insufficient_quota"}}"#);
    assert_eq!((unpaid.kind, unpaid.remedy), (FaultKind::Quota(None), Remedy::NextProvider));
    assert_eq!(refused(200, &[], "").kind, FaultKind::Protocol);
}

#[test]
fn sound_of_a_server_that_cuts_waits_while_a_refused_connection_is_made_again() {
    let (mut session, _) = live(json!({ "turns": "server_vad" }), MULAW);
    session.tell(Input::Audio(vec![1; 800]));
    session.opened(1, 503);
    session.finished(1, None);
    session.tell(Input::Audio(vec![2; 800]));
    session.pass_ms(500);
    session.tell(Input::Audio(vec![3; 800]));
    let messages = sent(&session.opened(2, 101));
    assert_eq!(types(&messages)[0], "session.update");
    assert_eq!(messages.len(), 4);
}

#[test]
fn errors_of_a_session_have_their_faults() {
    let error = |error: Value| json!({ "type": "error", "event_id": "e", "error": error });
    // As recorded: the session is refused, and the vendor goes on with another one.
    let (mut session, _) = live(json!({}), MULAW);
    session.opened(1, 101);
    let messages = told("ga-err-badsession");
    let effects: Vec<Effect> = messages.iter().take(2).flat_map(|message| session.text(1, message)).collect();
    assert_eq!((&fault(&effects).kind, fault(&effects).remedy), (&FaultKind::Unsupported, Remedy::Configuration));
    let model =
        json!({ "type": "invalid_request_error", "code": "model_not_found", "param": "session.audio.input.transcription.model" });
    let effects = event(&mut ready(json!({})), 1, error(model));
    assert!(matches!(&fault(&effects).kind, FaultKind::InvalidOptions(faults) if faults[0].path == "/model"));
    for (code, kind) in [
        ("insufficient_quota", FaultKind::Quota(None)),
        ("rate_limit_exceeded", FaultKind::Quota(None)),
        ("invalid_api_key", FaultKind::Auth),
    ] {
        let effects = event(&mut ready(json!({})), 1, error(json!({ "type": "invalid_request_error", "code": code })));
        assert_eq!(fault(&effects).kind, kind, "{code}");
    }
    // A single message that the vendor passes over.
    assert_eq!(event(&mut ready(json!({})), 1, error(json!({ "type": "invalid_request_error", "code": "invalid_value" }))), []);
    // An hour is over in the middle of what the server cuts: the same provider, again.
    let mut session = ready(json!({ "turns": "server_vad" }));
    session.tell(Input::Edge(Edge::SpeechStarted(0)));
    let effects = event(&mut session, 1, error(json!({ "type": "invalid_request_error", "code": "session_expired" })));
    assert_eq!((&fault(&effects).kind, fault(&effects).remedy), (&FaultKind::SessionLimit, Remedy::Retry));
    let mut session = ready(json!({ "turns": "server_vad" }));
    session.tell(Input::Edge(Edge::SpeechStarted(0)));
    assert_eq!(fault(&event(&mut session, 1, error(json!({ "type": "server_error" })))).kind, FaultKind::Unavailable);
}

#[test]
fn speech_that_is_not_understood_is_no_word_and_a_failure_is_a_fault() {
    let failed = "conversation.item.input_audio_transcription.failed";
    let mut session = ready(json!({}));
    speak(&mut session, 0, 300);
    session.tell(Input::Finalize);
    item(&mut session, COMMITTED, "i1", json!({ "previous_item_id": null }));
    let recorded: Value = json::from_str(told("ga-err-txfail").iter().find(|text| text.contains(".failed")).unwrap()).unwrap();
    assert_eq!(said(&item(&mut session, failed, "i1", json!({ "error": recorded["error"] }))), ["."]);
    let mut session = ready(json!({}));
    speak(&mut session, 0, 300);
    item(&mut session, COMMITTED, "i1", json!({ "previous_item_id": null }));
    let effects =
        item(&mut session, failed, "i1", json!({ "error": { "type": "insufficient_quota", "code": "insufficient_quota" } }));
    assert_eq!(fault(&effects).kind, FaultKind::Quota(None));
}

#[test]
fn every_bad_day_ends_in_a_fault() {
    let opening = || live(json!({}), MULAW).0;
    assert_eq!(fault(&opening().failed(1, LinkErrorKind::Connect)).kind, FaultKind::Unavailable);
    assert_eq!(fault(&opening().failed(1, LinkErrorKind::EgressDenied)).remedy, Remedy::Configuration);
    assert_eq!(fault(&opening().pass_ms(8_500)).kind, FaultKind::Unavailable);
    let mut closed = opening();
    closed.opened(1, 101);
    assert_eq!(fault(&closed.finished(1, Some(1000))).kind, FaultKind::Unavailable);
    assert_eq!(fault(&ready(json!({})).text(1, "\u{1}]garbage{\"")).kind, FaultKind::Protocol);
    let mut silent = ready(json!({}));
    speak(&mut silent, 0, 300);
    silent.tell(Input::Finalize);
    assert_eq!(fault(&silent.pass_ms(9_500)).kind, FaultKind::Unavailable);
    // An end is not waited for where nothing is owed, nor where the other side says no goodbye.
    assert!(matches!(opening().tell(Input::End).last(), Some(Effect::Done)));
    let mut mute = ready(json!({}));
    mute.tell(Input::End);
    assert_eq!(mute.pass_ms(1_000).last(), Some(&Effect::Done));
}

#[test]
fn a_quiet_link_that_times_out_is_made_again_when_somebody_speaks() {
    let mut session = ready(json!({}));
    session.pass_ms(120_000);
    assert_eq!(session.failed(1, LinkErrorKind::Timeout), [], "nothing is sent while nobody speaks");
    let effects = speak(&mut session, 0, 300);
    assert!(matches!(&effects[0], Effect::Link(LinkEffect::Websocket(open)) if open.id == 2), "{effects:?}");
    // Of a link that is not open it is a vendor that cannot be reached.
    assert_eq!(fault(&live(json!({}), MULAW).0.failed(1, LinkErrorKind::Timeout)).kind, FaultKind::Unavailable);
}

#[test]
fn while_a_link_is_full_no_timer_spins() {
    let (mut session, _) = live(json!({}), PCM_16);
    session.tell(Input::Edge(Edge::SpeechStarted(0)));
    for _ in 0..100 {
        session.tell(Input::Audio(vec![0; 3200]));
    }
    session.opened(1, 101);
    session.tell(Input::Link(LinkInput::Full(1)));
    let timers = |effects: &[Effect]| effects.iter().filter(|effect| matches!(effect, Effect::Timer(_))).count();
    let effects = session.pass_ms(1_000);
    assert!(timers(&effects) <= 2, "{}", timers(&effects));
    assert!(!sent(&session.tell(Input::Link(LinkInput::Writable(1)))).is_empty());
}

#[test]
fn a_fault_does_not_take_along_what_was_sent() {
    let mut session = ready(json!({ "turns": "server_vad" }));
    session.tell(Input::Audio(vec![0x11; 16_000]));
    let effects = session.text(1, "no JSON");
    let [Effect::Usage(usage), Effect::Fail(fault)] = &effects[..] else { panic!("{effects:?}") };
    assert_eq!((usage.audio_ms, &fault.kind), (2_000, &FaultKind::Protocol));
}
