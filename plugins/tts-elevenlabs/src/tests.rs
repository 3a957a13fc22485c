use crate::protocol;
use crate::session::Session;
use base64::Engine;
use vg_plugin_sdk::{
    AudioFormat, Encoding, FaultKind, Remedy, SessionStart, Usage,
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
    let refused = |status| {
        let mut session = started("{}").0;
        session.opened(1, status);
        kind(&session.finished(1, None)).clone()
    };
    assert_eq!((refused(401), refused(503)), (FaultKind::Auth, FaultKind::Unavailable));
    assert_eq!(kind(&started("{}").0.failed(1, LinkErrorKind::Connect)), &FaultKind::Unavailable);
    let mut unanswered = started("{}").0;
    unanswered.tell(Input::Text("One. ".to_owned()));
    assert_eq!(kind(&unanswered.pass_ms(6_000)), &FaultKind::Unavailable);
    let unanswered = started("{}").0.pass_ms(6_000);
    assert_eq!(unanswered.last(), Some(&Effect::Link(LinkEffect::Close(1))), "nobody waits for it");
    let speaking = || {
        let mut session = up();
        session.tell(Input::Text("One. ".to_owned()));
        session.tell(Input::Flush(1));
        session
    };
    assert_eq!(kind(&speaking().pass_ms(8_000)), &FaultKind::Unavailable);
    let nothing = speaking().text(1, FINAL);
    assert_eq!(kind(&nothing), &FaultKind::EmptyResult);
    assert!(matches!(nothing.last(), Some(Effect::Fail(fault)) if fault.remedy == Remedy::NextProvider));
    // A sentence that is sent to be spoken at once is owed, though the text is not complete.
    let mut stalled = up();
    stalled.tell(Input::Text("One. ".to_owned()));
    stalled.pass_ms(4_000);
    stalled.tell(Input::Text("Two. ".to_owned()));
    assert_eq!(kind(&stalled.pass_ms(4_000)), &FaultKind::Unavailable);
    let mut writing = up();
    writing.tell(Input::Text("One. ".to_owned()));
    writing.text(1, SPOKEN);
    writing.pass_ms(30_000);
    assert!(!writing.is_over(), "nobody knows whether more is owed");
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
    let cancelled = session.tell(Input::Cancel);
    assert_eq!(cancelled[..2], [Effect::Link(LinkEffect::Close(1)), Effect::Cancelled]);
    // The connection went with the link.
    assert!(matches!(&cancelled[2..], [Effect::Link(LinkEffect::Preconnect(_))]), "{cancelled:?}");
    assert_eq!(session.bytes(1, &[1]), []);
    assert_eq!(session.tell(Input::Cancel), [Effect::Cancelled], "nothing was lost");
    let mut ended = asked();
    ended.tell(Input::End);
    assert_eq!(ended.tell(Input::Cancel), [Effect::Link(LinkEffect::Close(1)), Effect::Cancelled, Effect::Done]);
    let mut slow = asked();
    slow.opened(1, 401);
    slow.bytes(1, br#"{"detail":{"status":"quota_exceeded","message":"x"}}"#);
    assert_eq!(kind(&slow.pass_ms(1_000)), &FaultKind::Quota(None), "an end that does not come is not waited for");
}

/// Links that were asked for, with the texts.
fn requested(effects: &[Effect]) -> Vec<(u32, String)> {
    let request = |effect: &Effect| match effect {
        Effect::Link(LinkEffect::Http(open)) => {
            let RequestBody::Whole(body) = &open.body else { panic!("no body") };
            let body: Value = json::from_slice(body).unwrap();
            Some((open.id, body["text"].as_str().unwrap().to_owned()))
        }
        _ => None,
    };
    effects.iter().filter_map(request).collect()
}

#[test]
fn a_request_does_not_wait_for_the_end_of_the_text() {
    for transport in ["stream", "timestamps"] {
        let (mut session, _) = started(&format!(r#"{{"transport":"{transport}"}}"#));
        let asked = session.tell(Input::Text("Good morning. How ".to_owned()));
        assert_eq!(requested(&asked), [(1, "Good morning.".to_owned())]);
        session.tell(Input::Text("can I help?".to_owned()));
        assert_eq!(session.tell(Input::Flush(1)), []);
        // Who does not say what it is gives what was asked for.
        session.opened(1, 200);
        let said = if transport == "stream" { session.bytes(1, &[1, 2]) } else { session.bytes(1, LINES.as_bytes()) };
        assert!(!sound(&said).is_empty());
        assert_eq!(requested(&session.finished(1, None)), [(2, "How can I help?".to_owned())]);
    }
    let (mut session, _) = started(r#"{"transport":"stream"}"#);
    session.tell(Input::Text("... ".to_owned()));
    assert_eq!(session.tell(Input::Flush(1)), [Effect::Flushed(1)], "there is nothing to speak");
}

fn quiet_timer(effects: &[Effect]) -> Input {
    let timer = effects.iter().find_map(|effect| if let Effect::Timer(timer) = effect { Some(timer.id) } else { None });
    Input::Timer(timer.unwrap())
}

/// While the owner has no room the host reads no link and tells no timer of 0 ms, but others.
#[test]
fn sound_that_waits_for_room_is_not_silence() {
    let mut socket = up();
    socket.tell(Input::Text("One. ".to_owned()));
    socket.tell(Input::Flush(1));
    let (mut request, _) = started(r#"{"transport":"stream"}"#);
    request.tell(Input::Text("One.".to_owned()));
    request.tell(Input::Flush(1));
    request.opened(1, 200);
    for (mut session, is_socket) in [(socket, true), (request, false)] {
        let say = |session: &mut Call| if is_socket { session.text(1, SPOKEN) } else { session.bytes(1, &[1]) };
        let said = say(&mut session);
        let told = session.tell(quiet_timer(&said));
        assert!(matches!(&told[..], [Effect::Timer(room)] if room.delay_ms == 0), "{told:?}");
        assert!(!sound(&say(&mut session)).is_empty());
        session.pass_ms(7_999);
        assert!(!session.is_over());
        assert_eq!(kind(&session.pass_ms(1)), &FaultKind::Unavailable);
    }
}

#[test]
fn an_answer_that_waits_for_room_is_not_late() {
    let (mut session, effects) = started("{}");
    session.tell(Input::Text("One. ".to_owned()));
    let told = session.tell(quiet_timer(&effects));
    assert!(matches!(&told[..], [Effect::Timer(room)] if room.delay_ms == 0), "{told:?}");
    session.opened(1, 101);
    session.text(1, SPOKEN);
    session.pass_ms(20_000);
    assert!(!session.is_over());
}

#[test]
fn what_is_no_name_of_an_error_is_not_repeated() {
    let long = "x".repeat(61);
    for name in ["Text 'card 4111 1111' is not allowed", "", "Quota", long.as_str()] {
        let fault = protocol::fault_of(name, Some(1008));
        assert_eq!((fault.kind, fault.detail.as_str()), (FaultKind::Protocol, "ElevenLabs reported an error without a name"));
    }
    assert_eq!(protocol::fault_of("voice_not_found", None).detail, "ElevenLabs reported voice_not_found");
}

#[test]
fn options_document_themselves() {
    let schema: Value = json::from_str(crate::options::SCHEMA).unwrap();
    assert!(schema["properties"].as_object().unwrap().values().all(|option| option["description"].is_string()));
    assert!(matches!(kind(&started(r#"{"voicee":"x"}"#).1), FaultKind::InvalidOptions(_)));
    let odd = SessionStart { format: AudioFormat { encoding: Encoding::Mulaw, rate_hz: 16_000 }, ..testing::start("{}") };
    assert_eq!(kind(&testing::tts::<Session>().start(odd)), &FaultKind::Unsupported);
}

#[test]
fn a_refused_handshake_is_read_before_it_is_told() {
    let refused = |body: &[u8]| {
        let (mut session, _) = started("{}");
        session.opened(1, 401);
        session.bytes(1, body);
        kind(&session.finished(1, None)).clone()
    };
    // The key is good, the money is gone.
    let quota = br#"{"detail":{"status":"quota_exceeded","message":"This request exceeds your quota"}}"#;
    assert_eq!(refused(quota), FaultKind::Quota(None));
    assert_eq!(refused(b""), FaultKind::Auth);
    let (mut session, _) = started("{}");
    session.opened(1, 401);
    assert_eq!(kind(&session.pass_ms(1_000)), &FaultKind::Auth, "a body that does not come is not waited for");
}

#[test]
fn a_sentence_is_flushed_and_what_is_open_is_not() {
    let mut session = up();
    let piece = |effects: &[Effect]| -> Value { json::from_str(&sent(effects, 1)[0]).unwrap() };
    assert_eq!(piece(&session.tell(Input::Text("One moment, ".to_owned())))["flush"], Value::Null);
    assert_eq!(piece(&session.tell(Input::Text("please. ".to_owned())))["flush"], true);
}

#[test]
fn a_word_that_is_cut_over_two_messages_is_one_word() {
    let mut session = up();
    session.tell(Input::Text("Hi there. ".to_owned()));
    session.tell(Input::Flush(1));
    // 100 ms of sound each, with places of their own.
    let sound = base64::engine::general_purpose::STANDARD.encode([0xff; 800]);
    let told = |chars: &str| {
        let chars: Vec<String> = chars.chars().map(String::from).collect();
        let starts: Vec<u64> = (0..chars.len() as u64).map(|nth| nth * 10).collect();
        let alignment = json::json!({ "chars": chars, "charStartTimesMs": starts, "charDurationsMs": vec![10; starts.len()] });
        json::json!({ "audio": sound, "isFinal": null, "alignment": alignment }).to_string()
    };
    let mut effects = session.text(1, &told("Hi the"));
    effects.extend(session.text(1, &told("re. ")));
    effects.extend(session.text(1, FINAL));
    let word = |effect: &Effect| match effect {
        Effect::Word(word) => Some((word.text.clone(), word.start_ms, word.end_ms)),
        _ => None,
    };
    let words: Vec<_> = effects.iter().filter_map(word).collect();
    assert_eq!(words, [("Hi".to_owned(), 0, 20), ("there.".to_owned(), 30, 130)]);
}

#[test]
fn an_idle_socket_that_the_vendor_gives_up_is_replaced() {
    let mut session = up();
    let timeout = r#"{"message":"Have not received a new text input","error":"input_timeout_exceeded","code":1008}"#;
    assert_eq!(session.text(1, timeout), []);
    assert_eq!(session.finished(1, Some(1008)), []);
    assert_eq!(opened(&session.tell(Input::Text("Hello again. ".to_owned())))[0].0, 2);
}

#[test]
fn marks_alone_make_no_sound_and_that_is_no_fault() {
    let mut session = up();
    session.tell(Input::Text("... ".to_owned()));
    session.tell(Input::Flush(1));
    assert!(session.text(1, FINAL).contains(&Effect::Flushed(1)));
}

#[test]
fn what_was_sent_is_billed_though_it_was_cancelled() {
    let mut session = up();
    session.tell(Input::Text("One two three ".to_owned()));
    let effects = session.tell(Input::Cancel);
    assert!(effects.contains(&Effect::Usage(Usage { audio_ms: 0, characters: 13, requests: 1 })), "{effects:?}");
}

#[test]
fn places_of_an_answer_are_of_the_reply_unless_they_go_back() {
    let line = |text: &str, from: f64| {
        let chars: Vec<String> = text.chars().map(String::from).collect();
        let at = |nth: usize| from + nth as f64 * 0.01;
        let (starts, ends): (Vec<f64>, Vec<f64>) = (0..chars.len()).map(|nth| (at(nth), at(nth + 1))).unzip();
        let sound = base64::engine::general_purpose::STANDARD.encode([0xff; 800]);
        let alignment = json::json!({ "characters": chars, "character_start_times_seconds": starts,
            "character_end_times_seconds": ends });
        format!("{}\n", json::json!({ "audio_base64": sound, "alignment": alignment }))
    };
    // Two lines of 100 ms each, twice.
    for (second_from, expected) in [(0.1, [0, 100, 200, 300]), (0.0, [0, 100, 200, 300])] {
        let (mut session, _) = started(r#"{"transport":"timestamps"}"#);
        let mut effects = Vec::new();
        for link in [1, 2] {
            session.tell(Input::Text("Hi you".to_owned()));
            session.tell(Input::Flush(link));
            session.opened_with(link, 200, &[("content-type", "application/json")]);
            effects.extend(session.bytes(link, line("Hi ", 0.0).as_bytes()));
            effects.extend(session.bytes(link, line("you", second_from).as_bytes()));
            effects.extend(session.finished(link, None));
        }
        let start = |effect: &Effect| if let Effect::Word(word) = effect { Some(word.start_ms) } else { None };
        assert_eq!(effects.iter().filter_map(start).collect::<Vec<_>>(), expected, "{second_from}");
    }
}
