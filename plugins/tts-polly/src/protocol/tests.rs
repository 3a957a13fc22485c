use super::*;
use crate::voice::Voice;
use serde_json::Value;
use vg_plugin_sdk::{AudioFormat, Encoding, Remedy, link::RequestBody};
use vg_wire::event_stream::Value as Header;

fn speech() -> Value {
    serde_json::from_str(include_str!("../../fixtures/speech.json")).unwrap()
}

fn streams() -> Vec<Value> {
    serde_json::from_str(include_str!("../../fixtures/stream.json")).unwrap()
}

fn voice(options: &str, language: &str, encoding: Encoding, rate_hz: u32) -> (Options, Voice) {
    let options = Options::parse(options).unwrap();
    let voice = Voice::new(&options, language, AudioFormat { encoding, rate_hz }).unwrap();
    (options, voice)
}

fn body(open: &HttpOpen) -> Value {
    let RequestBody::Whole(body) = &open.body else { panic!("no body") };
    serde_json::from_slice(body).unwrap()
}

fn headers(pairs: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    pairs.as_array().unwrap().iter().map(|pair| (text(&pair[0]), text(&pair[1]))).collect()
}

#[test]
fn sound_is_asked_for_as_the_sdk_does() {
    for case in speech()["requests"].as_array().unwrap() {
        let (name, theirs) = (case["case"].as_str().unwrap(), &case["body"]);
        let text = |member: &str| theirs[member].as_str().unwrap_or_default();
        let encoding = match text("OutputFormat") {
            "mulaw" => Encoding::Mulaw,
            "alaw" => Encoding::Alaw,
            // What no telephone takes: the rest of the request is compared.
            _ => Encoding::PcmS16le,
        };
        let rate_hz = if encoding == Encoding::PcmS16le && text("SampleRate") != "8000" { 16_000 } else { 8_000 };
        let mut chosen = serde_json::json!({ "voice": text("VoiceId"), "language_code": text("LanguageCode") });
        for (option, member) in [("engine", "Engine"), ("lexicons", "LexiconNames")] {
            if !theirs[member].is_null() {
                chosen[option] = theirs[member].clone();
            }
        }
        let (options, voice) = voice(&chosen.to_string(), "en-US", encoding, rate_hz);
        let script = voice.script(text("Text"));
        let open = match name {
            "marks" => marks("aws", &options, &voice, &script, 1),
            _ => sound("aws", &options, &voice, &script, 1),
        };
        let (open, mut ours, mut theirs) = {
            let open = open.unwrap();
            let ours = body(&open);
            (open, ours, theirs.clone())
        };
        let host = "https://polly.us-east-1.amazonaws.com";
        assert_eq!(
            (open.method.as_str(), open.url.as_str()),
            ("POST", format!("{host}{}", case["target"].as_str().unwrap()).as_str())
        );
        assert_eq!(link::field(&open.headers, "content-type"), Some("application/json"));
        for changed in ["OutputFormat", "SampleRate", "SpeechMarkTypes"] {
            if name == "ssml_lex" && changed != "SpeechMarkTypes" || name == "marks" && changed == "SpeechMarkTypes" {
                ours.as_object_mut().unwrap().remove(changed);
                theirs.as_object_mut().unwrap().remove(changed);
            }
        }
        // What is left out is the same as what we always name.
        for named in ["Engine", "SampleRate"] {
            if theirs[named].is_null() {
                ours.as_object_mut().unwrap().remove(named);
            }
        }
        assert_eq!(ours, theirs, "{name}");
    }
}

#[test]
fn places_of_words_are_read_line_by_line_however_they_are_cut() {
    let all = speech();
    let case = all["requests"].as_array().unwrap().iter().find(|case| case["case"] == "marks").unwrap();
    let kind = headers(&case["answer"]).into_iter().find(|(name, _)| name == "Content-Type").unwrap().1;
    assert_eq!(kind, MARKS);
    for size in [1, 7, 1000] {
        let mut lines = MarkLines::default();
        let mut read: Vec<Mark> = Vec::new();
        for piece in case["answer_body"].as_str().unwrap().as_bytes().chunks(size) {
            read.extend(lines.push(piece).unwrap());
        }
        read.extend(lines.end().unwrap());
        let read: Vec<(u64, &str)> = read.iter().map(|mark| (mark.time, mark.value.as_str())).collect();
        assert_eq!(read, [(50, "Hello"), (390, "this")]);
    }
    let mut lines = MarkLines::default();
    assert_eq!(lines.push(b"{\"time\":6,\"type\":\"sentence\",\"value\":\"x\"}\n"), Some(vec![]));
    assert_eq!(lines.push(b"<html>\n"), None);
    assert_eq!(MarkLines::default().push(&[b'x'; MARK_BYTES_MAX + 1]), None);
}

#[test]
fn a_stream_is_asked_for_as_the_sdk_does() {
    for case in streams() {
        let theirs = headers(&case["headers"]);
        let text = |name: &str| link::field(&theirs, name).unwrap_or_default().to_owned();
        let encoding = if text("x-amzn-outputformat") == "pcm" { Encoding::PcmS16le } else { Encoding::Mulaw };
        let lexicons: Vec<String> =
            text("x-amzn-lexiconnames").split(", ").filter(|name| !name.is_empty()).map(str::to_owned).collect();
        let chosen = serde_json::json!({ "mode": "stream", "engine": "generative", "voice": text("x-amzn-voiceid"),
            "language_code": text("x-amzn-languagecode"), "lexicons": lexicons });
        let rate_hz = text("x-amzn-samplerate").parse().unwrap();
        let (options, voice) = voice(&chosen.to_string(), "en-US", encoding, rate_hz);
        let open = stream("aws", &options, &voice, 1).unwrap();
        assert_eq!((open.method.as_str(), open.version), ("POST", link::HttpVersion::Http2));
        assert!(open.url.ends_with(&text(":path")), "{}", open.url);
        let is_compared = |name: &str| name.starts_with("x-amzn") || name == "content-type";
        let ours: Vec<_> = open.headers.iter().filter(|(name, _)| is_compared(name)).cloned().collect();
        let theirs: Vec<_> = theirs.iter().filter(|(name, _)| is_compared(name)).cloned().collect();
        assert_eq!(ours, theirs, "{}", case["case"]);
    }
}

#[test]
fn events_of_a_stream_are_the_sdks_in_length_and_content() {
    let (_, voice) = voice(r#"{"mode":"stream","engine":"generative"}"#, "en-US", Encoding::Mulaw, 8_000);
    for case in streams().iter().filter(|case| case["case"] == "bidi" || case["case"] == "bidi_ssml") {
        for sent in case["sent"].as_array().unwrap().iter().filter(|sent| !sent.is_null()) {
            let payload: Value = serde_json::from_str(sent["payload"].as_str().unwrap()).unwrap();
            let ours = match sent["type"].as_str().unwrap() {
                "TextEvent" => text_event(&voice.script(payload["Text"].as_str().unwrap())).unwrap(),
                _ => close_event(),
            };
            let read = Message::decode(&ours).unwrap();
            assert_eq!(serde_json::from_slice::<Value>(&read.payload).unwrap(), payload);
            assert_eq!(read.text(":event-type"), sent["type"].as_str());
            // A date, a signature and the frame of the outer message.
            assert_eq!(ours.len() + 83, sent["total"].as_u64().unwrap() as usize);
        }
        assert!(case["sent"].as_array().unwrap().last().unwrap().is_null(), "the last message is empty");
    }
}

fn exception(kind: &str, payload: &str) -> Message {
    let text = |name: &str, value: &str| (name.to_owned(), Header::Text(value.to_owned()));
    Message {
        headers: vec![
            text(":message-type", "exception"),
            text(":exception-type", kind),
            text(":content-type", "application/json"),
        ],
        payload: payload.as_bytes().to_vec(),
    }
}

#[test]
fn every_captured_fault_becomes_the_fault_the_ladder_acts_on() {
    use FaultKind::{Auth, InvalidOptions, Quota, Unavailable, Unsupported};
    let mut faults: Vec<(String, Fault)> = Vec::new();
    for case in speech()["faults"].as_array().unwrap() {
        let status = case["status"].as_u64().unwrap() as u16;
        faults.push((case["case"].as_str().unwrap().to_owned(), of_head(status, &headers(&case["headers"])).unwrap()));
    }
    for case in streams() {
        let name = format!("stream_{}", case["case"].as_str().unwrap());
        match (case["status"].as_u64(), &case["exception"][0]) {
            (Some(status @ 400..), _) => {
                faults.push((name, of_head(status as u16, &headers(&case["answer"])).unwrap()));
            }
            (_, told) if !told.is_null() => {
                let message = exception(told["type"].as_str().unwrap(), told["payload"].as_str().unwrap());
                faults.push((name, event(message).unwrap_err()));
            }
            _ => {}
        }
    }
    assert!(faults.len() >= 19, "{}", faults.len());
    for (name, fault) in faults {
        let (kind, remedy) = match name.as_str() {
            "err_bad_token" | "err_denied" => (Auth, Remedy::Configuration),
            "err_client_bad_enum" | "err_validation" | "err_engine" | "err_lexicon" | "stream_err_validation" => {
                (InvalidOptions(vec![]), Remedy::Configuration)
            }
            "err_rate" => (Unsupported, Remedy::Configuration),
            "err_too_long" => (Unsupported, Remedy::NextProvider),
            // No text for too long: it is not the account's quota.
            "stream_err_mid_quota" => (Unavailable, Remedy::NextProvider),
            "err_server" | "err_server_once" | "err_unavailable" => (Unavailable, Remedy::NextProvider),
            _ if name.contains("throttle") || name.contains("quota") => (Quota(None), Remedy::NextProvider),
            other => panic!("{other} is not known"),
        };
        assert_eq!(std::mem::discriminant(&fault.kind), std::mem::discriminant(&kind), "{name}: {fault:?}");
        assert_eq!(fault.remedy, remedy, "{name}");
    }
}

#[test]
fn the_rest_of_the_services_names_and_what_is_no_name() {
    let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let of = |status, name| of_head(status, &[header("x-amzn-ErrorType", name), header("Retry-After", "7")]).unwrap();
    assert_eq!(of(403, "ExpiredTokenException:http://x/").kind, FaultKind::Auth);
    assert_eq!(of(403, "InvalidSignatureException").kind, FaultKind::Auth);
    assert_eq!(of(429, "TooManyRequestsException").kind, FaultKind::Quota(Some(7_000)));
    assert_eq!(of(402, "ServiceQuotaExceededException").kind, FaultKind::Quota(Some(7_000)));
    assert!(matches!(of(400, "InvalidSsmlException").kind, FaultKind::InvalidOptions(_)));
    assert_eq!(of(400, "SomethingNew").kind, FaultKind::Protocol);
    assert_eq!(of_head(500, &[]).unwrap().kind, FaultKind::Unavailable);
    assert_eq!(of_head(200, &[]), None);
    assert!(!of(400, "she said 42").detail.contains("42"));
    assert_eq!(event(exception("SomethingNew", "{}")).unwrap_err().kind, FaultKind::Unavailable);
    let quota = |payload| event(exception("ServiceQuotaExceededException", payload)).unwrap_err();
    assert_eq!(quota(r#"{"message":"x","quotaCode":"concurrent-streams"}"#).kind, FaultKind::Quota(None));
    assert_eq!(quota("no JSON").kind, FaultKind::Quota(None));
    let late = quota(r#"{"message":"x","quotaCode":"input-stream-inbound-event-timeout"}"#);
    assert_eq!((late.kind, late.detail.as_str()), (FaultKind::Unavailable, "the service waited too long for text"));
    assert_eq!(quota(r#"{"quotaCode":"input-stream-timeout"}"#).kind, FaultKind::Unavailable);
    assert_eq!(event(Message::default()).unwrap_err().kind, FaultKind::Protocol);
    assert_eq!(event(Message::event("initial-response", "application/json", "{}")).unwrap(), Event::Other);
    assert_eq!(
        event(Message::event("StreamClosedEvent", "application/json", r#"{"RequestCharacters":33}"#)).unwrap(),
        Event::Closed(Some(33))
    );
}
