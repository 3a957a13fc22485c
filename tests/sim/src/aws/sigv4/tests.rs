use super::*;
use axum::http::Request;
use serde_json::Value as Json;

/// What official clients signed; their dates are long past, so it is the signature that is compared.
fn captured() -> Json {
    serde_json::from_str(include_str!("../../../fixtures/aws-signatures.json")).unwrap()
}

fn text(value: &Json) -> &str {
    value.as_str().unwrap()
}

fn parts(captured: &Json) -> Parts {
    let mut request = Request::builder().method(text(&captured["method"])).uri(text(&captured["uri"]));
    for pair in captured["headers"].as_array().unwrap() {
        request = request.header(text(&pair[0]), text(&pair[1]));
    }
    request.body(()).unwrap().into_parts().0
}

/// As [`request`], with the date let pass.
fn signature(parts: &Parts, service: &'static str, payload: Payload<'_>) -> String {
    let authorization = super::text(&parts.headers, "authorization").unwrap();
    let field = |name: &str| authorization.split_once(&format!("{name}=")).unwrap().1.split(',').next().unwrap();
    let scope = Scope::read(field("Credential"), service).unwrap();
    let signed: Vec<&str> = field("SignedHeaders").split(';').collect();
    must_be_signed(&parts.headers, &signed).unwrap();
    let query = form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes()).into_owned().collect();
    let lines = canonical_headers(parts, &signed).unwrap();
    let hash = payload_hash(&parts.headers, payload).unwrap();
    let canonical =
        [parts.method.as_str(), parts.uri.path(), &canonical_query(query), &lines, &signed.join(";"), &hash].join("\n");
    assert_ne!(signed.len(), 0);
    assert_eq!(scope.request(super::text(&parts.headers, "x-amz-date").unwrap(), &canonical), field("Signature"));
    field("Signature").to_owned()
}

#[test]
fn signatures_of_the_official_clients_are_the_same_here() {
    for case in captured()["requests"].as_array().unwrap() {
        let parts = parts(case);
        match case["body"].as_str() {
            Some(body) => signature(&parts, "polly", Payload::Whole(body.as_bytes())),
            None if parts.uri.path() == "/v1/synthesisStream" => signature(&parts, "polly", Payload::Events),
            None => signature(&parts, "transcribe", Payload::Events),
        };
    }
}

#[test]
fn a_signed_address_of_the_official_client_is_the_same_here() {
    for case in captured()["addresses"].as_array().unwrap() {
        let parts = parts(case);
        let refusal = presigned(&parts, "transcribe").err().unwrap();
        assert!(refusal.why.starts_with("Signature expired"), "{refusal:?}");
        let query = parts.uri.query().unwrap();
        let mut pairs: Vec<(String, String)> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        let of = |pairs: &[(String, String)], name: &str| pairs.iter().find(|(other, _)| other == name).unwrap().1.clone();
        let (date, signature) = (of(&pairs, "X-Amz-Date"), of(&pairs, "X-Amz-Signature"));
        let scope = Scope::read(&of(&pairs, "X-Amz-Credential"), "transcribe").unwrap();
        pairs.retain(|(name, _)| name != "X-Amz-Signature");
        let lines = canonical_headers(&parts, &["host"]).unwrap();
        let canonical = ["GET", parts.uri.path(), &canonical_query(pairs), &lines, "host", &sha256(b"")].join("\n");
        assert_eq!(scope.request(&date, &canonical), signature);
    }
}

fn refused(change: impl Fn(&mut Json)) -> String {
    let mut case = captured()["requests"][0].clone();
    change(&mut case);
    let body = case["body"].as_str().unwrap().to_owned();
    let refusal = request(&parts(&case), "polly", Payload::Whole(body.as_bytes())).err().unwrap();
    format!("{} {}: {}", refusal.status.as_u16(), refusal.name, refusal.why)
}

fn set(case: &mut Json, name: &str, change: impl Fn(&str) -> String) {
    for pair in case["headers"].as_array_mut().unwrap() {
        if text(&pair[0]).eq_ignore_ascii_case(name) {
            pair[1] = change(text(&pair[1])).into();
        }
    }
}

#[test]
fn what_is_wrong_with_a_signature_is_said_as_the_service_says_it() {
    assert!(refused(|_| ()).starts_with("403 InvalidSignatureException: Signature expired"));
    let refusal = refused(|case| set(case, "authorization", |text| text.replace("AKIDEXAMPLE", "AKIDOTHER")));
    assert!(refusal.starts_with("403 UnrecognizedClientException"), "{refusal}");
    let refusal = refused(|case| set(case, "authorization", |text| text.replace("/polly/", "/s3/")));
    assert!(refusal.contains("correct service"), "{refusal}");
    let refusal = refused(|case| set(case, "authorization", |_| "Basic x".to_owned()));
    assert!(refusal.starts_with("403 IncompleteSignatureException"), "{refusal}");
    assert_eq!(admit_token(Some(EXPIRED_TOKEN)).unwrap_err().name, "ExpiredTokenException");
    assert_eq!(admit_token(Some("x")).unwrap_err().name, "UnrecognizedClientException");
}

#[test]
fn a_body_or_header_that_was_changed_is_noticed() {
    let case = &captured()["requests"][0];
    let parts = parts(case);
    let headers = &parts.headers;
    assert_ne!(payload_hash(headers, Payload::Whole(b"{}")).unwrap(), payload_hash(headers, Payload::Whole(b"{ }")).unwrap());
    assert!(must_be_signed(headers, &["content-type"]).is_err(), "the host");
    assert!(must_be_signed(headers, &["host"]).is_err(), "x-amz-date");
    assert!(canonical_headers(&parts, &["host", "content-type"]).is_err(), "not sorted");
    assert!(canonical_headers(&parts, &["host", "x-not-there"]).is_err());
}

#[test]
fn a_chain_takes_the_clients_message_and_no_other() {
    // The date of a captured one is past: the host's own chain is checked by the stories.
    let message = Message::decode(&vg_wire::event_stream::signed(b"", 0, |_, _, _| Some("ab".repeat(32))).unwrap()).unwrap();
    let scope = Scope::read("AKIDEXAMPLE/20261128/us-east-1/transcribe/aws4_request", "transcribe").unwrap();
    let mut chain = Chain { scope, prior: "00".repeat(32) };
    assert_eq!(chain.open(&message), Err("a message's date is too far from now"));
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as u64;
    let forged = vg_wire::event_stream::signed(b"x", now, |_, _, _| Some("ab".repeat(32))).unwrap();
    assert_eq!(chain.open(&Message::decode(&forged).unwrap()), Err("a message's signature does not continue the chain"));
    assert!(chain.open(&Message::event("AudioEvent", "application/octet-stream", "")).is_err());
}
