use super::*;
use base64::prelude::{BASE64_STANDARD, Engine};
use serde_json::Value;
use sha2::{Digest, Sha256};
use vg_plugin_sdk::Remedy;
use vg_wire::event_stream::{Messages, hex};

fn http2() -> Value {
    serde_json::from_str(include_str!("../../fixtures/http2.json")).unwrap()
}

fn websocket() -> Value {
    serde_json::from_str(include_str!("../../fixtures/websocket.json")).unwrap()
}

fn requests() -> Value {
    serde_json::from_str(include_str!("../../fixtures/requests.json")).unwrap()
}

fn bytes(text: &Value) -> Vec<u8> {
    BASE64_STANDARD.decode(text.as_str().unwrap()).unwrap()
}

/// The captured parameters, but for what this plugin never asks for.
fn headers(captured: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let pairs = captured.as_array().unwrap().iter().map(|pair| (text(&pair[0]), text(&pair[1])));
    pairs
        .filter_map(|(name, value)| Some((name.strip_prefix("x-amzn-transcribe-")?.to_owned(), value)))
        .filter(|(name, _)| name != "show-speaker-label")
        .collect()
}

fn ours(options: &str, rate_hz: u32) -> Vec<(String, String)> {
    let options = Options::parse(options).unwrap();
    let parameters = parameters(&options, "en-US", rate_hz, "");
    parameters.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

fn sorted(mut pairs: Vec<(String, String)>) -> Vec<(String, String)> {
    pairs.sort();
    pairs
}

#[test]
fn a_stream_is_asked_for_as_the_sdk_does() {
    let full = ours(r#"{"stability":"high","vocabulary":"my-vocab"}"#, 16_000);
    assert_eq!(sorted(full), sorted(headers(&http2()["headers"])));
    assert_eq!(sorted(ours(r#"{"stability":"off"}"#, 8_000)), sorted(headers(&requests()["minimal"])));
    let lid =
        r#"{"stability":"high","identify_language":"one","language_options":["en-US","pt-BR"],"preferred_language":"pt-BR"}"#;
    let captured = sorted(headers(&requests()["lid"]).into_iter().filter(|(name, _)| name != "vocabulary-name").collect());
    assert_eq!(sorted(ours(lid, 8_000)), captured);
}

#[test]
fn the_query_of_a_websocket_is_the_sdks() {
    for (target, rate_hz) in [(&websocket()["target"], 16_000), (&requests()["token_target"], 8_000)] {
        let (path, captured) = target.as_str().unwrap().split_once('?').unwrap();
        assert_eq!(path, "/stream-transcription-websocket");
        let session_id = captured.split('&').find_map(|pair| pair.strip_prefix("session-id=")).unwrap();
        let options = Options::parse(r#"{"stability":"high","vocabulary":"my-vocab"}"#).unwrap();
        let query = query(&parameters(&options, "en-US", rate_hz, session_id));
        let mut ours: Vec<&str> = query[1..].split('&').collect();
        ours.sort_unstable();
        // The rest of it is the host's, and the SDK's name.
        let is_ours = |pair: &&str| !pair.to_ascii_lowercase().starts_with("x-amz-") && *pair != "show-speaker-label=false";
        let mut theirs: Vec<&str> = captured.split('&').filter(is_ours).collect();
        theirs.sort_unstable();
        assert_eq!(ours, theirs);
    }
    assert_eq!(query(&[("language-options", "a,b c".to_owned())]), "?language-options=a%2Cb%20c");
}

#[test]
fn everything_that_can_be_asked_for_has_its_name() {
    let options = r#"{"identify_language":"many","language_options":["en-US","es-US"],"vocabulary":"a,b","vocabulary_filter":"f",
        "vocabulary_filter_method":"tag","language_model":"m","redact":true,"pii_entity_types":"NAME"}"#;
    let ours = ours(options, 8_000);
    for (name, value) in [
        ("identify-multiple-languages", "true"),
        ("vocabulary-names", "a,b"),
        ("vocabulary-filter-names", "f"),
        ("vocabulary-filter-method", "tag"),
        ("language-model-name", "m"),
        ("content-redaction-type", "PII"),
        ("pii-entity-types", "NAME"),
    ] {
        assert!(ours.contains(&(name.to_owned(), value.to_owned())), "{name}");
    }
    assert!(ours.iter().all(|(name, _)| name != "language-code"));
}

#[test]
fn spanish_that_the_service_does_not_tell_apart_is_asked_for_as_its_nearest() {
    for (tag, code) in [("es-MX", "es-US"), ("es-419", "es-US"), ("es-ES", "es-ES"), ("pt", "pt-BR"), ("en-GB", "en-GB")] {
        assert_eq!(vendor_language(tag), code);
    }
}

#[test]
fn audio_events_are_the_sdks_but_for_the_order_of_headers() {
    let outer = Message::decode(&bytes(&http2()["sent"]["first_b64"])).unwrap();
    let theirs = Message::decode(&outer.payload).unwrap();
    let bare = Message::decode(&bytes(&websocket()["sent"]["first_b64"])).unwrap();
    for theirs in [theirs, bare] {
        let ours = Message::decode(&audio_event(theirs.payload.clone())).unwrap();
        assert_eq!(ours.payload, theirs.payload);
        assert_eq!(ours.headers.len(), theirs.headers.len());
        assert!(theirs.headers.iter().all(|header| ours.headers.contains(header)));
    }
    let end = Message::decode(&bytes(&http2()["sent"]["last_b64"])).unwrap();
    assert_eq!((end.payload.len(), end.headers.len()), (0, 2));
    assert_eq!(websocket()["sent"]["last_b64"], "");
}

#[test]
fn results_are_read_as_the_sdk_reads_them() {
    for capture in [http2(), websocket()] {
        let mut messages = Messages::new(MESSAGE_BYTES_MAX);
        let received: Vec<u8> = capture["received_b64"].as_array().unwrap().iter().flat_map(bytes).collect();
        messages.push(&received);
        let mut read = Vec::new();
        while let Some(message) = messages.poll().unwrap() {
            read.extend(recognised(&message).unwrap());
        }
        let theirs = capture["results"].as_array().unwrap();
        assert_eq!(read.len(), theirs.len());
        for (ours, theirs) in read.iter().zip(theirs) {
            let best = &theirs["Alternatives"][0];
            assert_eq!(ours.id, theirs["ResultId"]);
            assert_eq!(ours.is_partial, theirs["IsPartial"]);
            assert_eq!(ours.text, best["Transcript"]);
            assert_eq!(ours.end_ms, (theirs["EndTime"].as_f64().unwrap() * 1000.0).round() as u64);
            assert_eq!(ours.items.len(), best["Items"].as_array().unwrap().len());
        }
        let last = read.last().unwrap();
        assert!(!last.is_partial && last.items.iter().any(|item| item.confidence == Some(0.98)));
    }
}

#[test]
fn portuguese_is_read_with_its_letters_and_the_language_that_was_identified() {
    let item = serde_json::json!({ "Content": "olá", "StartTime": 0.5, "EndTime": 0.9, "Type": "pronunciation", "Stable": true });
    let result = serde_json::json!({ "ResultId": "x", "StartTime": 0.5, "EndTime": 0.9, "IsPartial": true, "LanguageCode": "pt-BR",
        "Alternatives": [{ "Transcript": "Olá", "Items": [item] }] });
    let payload = serde_json::json!({ "Transcript": { "Results": [result] } }).to_string();
    let read = recognised(&Message::event("TranscriptEvent", "application/json", payload)).unwrap();
    assert_eq!((read[0].text.as_str(), read[0].language.as_deref()), ("Olá", Some("pt-BR")));
    assert!(read[0].items[0].is_stable);
}

#[test]
fn every_captured_fault_becomes_the_fault_the_ladder_acts_on() {
    use FaultKind::{Auth, InvalidOptions, Protocol, Quota, Unavailable};
    let captured: Vec<Value> = serde_json::from_str(include_str!("../../fixtures/faults.json")).unwrap();
    for case in &captured {
        let name = case["case"].as_str().unwrap();
        let fault = match case["status"].as_u64() {
            Some(status) => {
                let text = |value: &Value| value.as_str().unwrap().to_owned();
                let headers: Vec<(String, String)> =
                    case["headers"].as_array().unwrap().iter().map(|pair| (text(&pair[0]), text(&pair[1]))).collect();
                of_head(status as u16, &headers).unwrap()
            }
            None => {
                let kind = case["exception"].as_str().unwrap();
                let text = |name: &str, value: &str| (name.to_owned(), vg_wire::event_stream::Value::Text(value.to_owned()));
                let message = Message {
                    headers: vec![
                        text(":content-type", "application/json"),
                        text(":exception-type", kind),
                        text(":message-type", "exception"),
                    ],
                    payload: format!("{{\"Message\": {}}}", case["message"]).into_bytes(),
                };
                let wire = message.encode();
                assert_eq!(hex(&Sha256::digest(&wire)), case["sha256"].as_str().unwrap(), "{name}");
                recognised(&Message::decode(&wire).unwrap()).unwrap_err()
            }
        };
        let (kind, remedy) = match name.rsplit_once("err-").unwrap().1 {
            "h400" => (InvalidOptions(vec![]), Remedy::Configuration),
            "h403" | "h403denied" | "h403exp" | "h403sig" => (Auth, Remedy::Configuration),
            "h400throttle" | "h429" | "s_limit" => (Quota(None), Remedy::NextProvider),
            "h409" | "s_conflict" => (Unavailable, Remedy::Retry),
            "h500" | "h503" | "h503_once" | "s_internal" | "s_unknown" => (Unavailable, Remedy::NextProvider),
            "s_badreq" => (Protocol, Remedy::NextProvider),
            other => panic!("{other} is not known"),
        };
        assert_eq!(std::mem::discriminant(&fault.kind), std::mem::discriminant(&kind), "{name}: {fault:?}");
        assert_eq!(fault.remedy, remedy, "{name}");
        let said = case["message"].as_str().unwrap_or("The security token");
        assert!(!fault.detail.contains(said), "{name}: no text of the service");
    }
}

#[test]
fn a_refusal_keeps_the_wish_to_wait_and_a_name_that_is_none_is_not_repeated() {
    let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let headers = [header("Retry-After", "7"), header("x-amzn-ErrorType", "LimitExceededException")];
    assert_eq!(of_head(429, &headers).unwrap().kind, FaultKind::Quota(Some(7_000)));
    assert_eq!(of_head(403, &[]).unwrap().kind, FaultKind::Auth);
    assert_eq!(of_head(200, &[]), None);
    assert!(!named("he said his number", None).detail.contains("number"));
    assert_eq!(of_head(403, &[header("x-amzn-errortype", "SomethingNew")]).unwrap().kind, FaultKind::Auth);
}

#[test]
fn unmodelled_errors_and_messages_of_no_kind_are_faults() {
    let with = |headers: &[(&str, &str)]| Message {
        headers: headers
            .iter()
            .map(|(name, value)| ((*name).to_owned(), vg_wire::event_stream::Value::Text((*value).to_owned())))
            .collect(),
        payload: vec![],
    };
    let error = with(&[(":message-type", "error"), (":error-code", "InternalFailureException"), (":error-message", "x")]);
    assert_eq!(recognised(&error).unwrap_err().kind, FaultKind::Unavailable);
    assert_eq!(recognised(&with(&[])).unwrap_err().kind, FaultKind::Protocol);
    assert_eq!(recognised(&Message::event("TranscriptEvent", "application/json", "{")).unwrap_err().kind, FaultKind::Protocol);
    assert_eq!(recognised(&Message::event("SomethingNew", "application/json", "{}")).unwrap(), []);
}

#[test]
fn a_session_has_an_id_of_its_own() {
    let id = uuid(&[0xff; 32]);
    assert_eq!(id, "ffffffff-ffff-4fff-bfff-ffffffffffff");
    assert_ne!(uuid(&[7; 32]), uuid(&[8; 32]));
}
