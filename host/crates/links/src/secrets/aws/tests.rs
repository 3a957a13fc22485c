use super::request::sign;
use super::*;
use crate::grant::{Refusal, Schemes, Target};
use crate::secrets::Head;
use crate::wire::{AwsPayload, AwsSigV4, Fields, Signed};
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde_json::Value as Json;
use url::Url;

fn captured() -> Json {
    serde_json::from_str(include_str!("../../../tests/fixtures/sigv4.json")).unwrap()
}

fn text<'a>(json: &'a Json, field: &str) -> &'a str {
    json[field].as_str().unwrap()
}

fn at(date: &str) -> Timestamp {
    DateTime::strptime("%Y%m%dT%H%M%SZ", date).unwrap().to_zoned(TimeZone::UTC).unwrap().timestamp()
}

struct Asked {
    credentials: Credentials,
    asked: AwsSigV4,
    at: Timestamp,
    target: Target,
    head: Head,
    body: Option<Vec<u8>>,
}

impl Asked {
    fn of(request: &Json) -> Self {
        let payload = match text(request, "payload") {
            "hashed" => AwsPayload::Hashed,
            "event-stream" => AwsPayload::EventStream,
            _ => AwsPayload::Presigned,
        };
        let url = text(request, "url");
        let schemes = if url.starts_with("ws") { Schemes::Websocket } else { Schemes::Http };
        let (target, url) = Target::parse(url, schemes).unwrap();
        let headers: Fields = serde_json::from_value(request["headers"].clone()).unwrap();
        let word = |field: &str| text(request, field).to_owned();
        Self {
            credentials: Credentials::parse(&request["credentials"].to_string(), "default").unwrap(),
            asked: AwsSigV4 { secret: "aws".into(), region: word("region"), service: word("service"), payload },
            at: at(text(request, "date")),
            target,
            head: Head { method: word("method"), url, headers },
            body: (payload != AwsPayload::EventStream).then(|| word("body").into_bytes()),
        }
    }

    fn sign(&mut self) -> Result<Option<Signed>, Refusal> {
        sign(&self.credentials, &self.asked, self.at, &self.target, &mut self.head, self.body.as_deref())
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.head.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

fn sorted_query(url: &str) -> Vec<&str> {
    let mut pairs: Vec<_> = url.split_once('?').unwrap().1.split('&').collect();
    pairs.sort_unstable();
    pairs
}

#[test]
fn requests_are_signed_as_the_vendors_own_clients_sign_them() {
    for request in captured()["requests"].as_array().unwrap() {
        let case = text(request, "case");
        let mut asked = Asked::of(request);
        let signed = asked.sign().unwrap();
        if asked.asked.payload == AwsPayload::Presigned {
            assert_eq!(sorted_query(asked.head.url.as_str()), sorted_query(text(request, "target")), "{case}");
            assert_eq!(asked.head.headers, vec![], "{case}");
        } else {
            let authorization = asked.header("authorization").unwrap();
            assert!(authorization.ends_with(&format!("Signature={}", text(request, "signature"))), "{case}: {authorization}");
            assert!(request["authorization"].as_str().is_none_or(|theirs| theirs == authorization), "{case}");
            assert_eq!(asked.header("x-amz-security-token"), request["credentials"]["session_token"].as_str(), "{case}");
        }
        assert_eq!(signed.is_some(), asked.asked.payload == AwsPayload::EventStream, "{case}");
    }
}

#[test]
fn the_messages_of_an_event_stream_are_signed_as_the_vendors_own_client_signs_them() {
    let captured = captured();
    let signed = Asked::of(&captured["requests"][0]).sign().unwrap().unwrap();
    assert_eq!(signed.scope, "20261122/us-east-1/transcribe/aws4_request");
    assert_eq!(signed.signature, text(&captured["events"][0], "prior"));
    for event in captured["events"].as_array().unwrap() {
        let part = |field| text(event, field);
        let signature =
            signed.signer.as_ref().unwrap().sign(part("prior"), part("date"), part("header_hash"), part("payload_hash"));
        assert_eq!(signature.as_deref(), Some(part("signature")));
    }
}

#[test]
fn a_message_of_the_next_day_is_signed_with_the_key_of_that_day() {
    let captured = captured();
    let sign = |request_date: &str, date: &str| {
        let mut asked = Asked::of(&captured["requests"][0]);
        asked.at = at(request_date);
        let event = &captured["events"][0];
        let signer = asked.sign().unwrap().unwrap().signer.unwrap();
        signer.sign(text(event, "prior"), date, text(event, "header_hash"), text(event, "payload_hash")).unwrap()
    };
    assert_eq!(sign("20261122T235959Z", "20261123T000000Z"), sign("20261123T000000Z", "20261123T000000Z"));
    assert_ne!(sign("20261122T235959Z", "20261122T235959Z"), sign("20261122T235959Z", "20261123T235959Z"));
}

#[test]
fn nothing_is_signed_that_has_not_its_form() {
    let captured = captured();
    let signer = Asked::of(&captured["requests"][0]).sign().unwrap().unwrap().signer.unwrap();
    let (hash, date) = ("0".repeat(64), "20261122T161531Z");
    assert!(signer.sign(&hash, date, &hash, &hash).is_some());
    for wrong in ["", &"0".repeat(63), &"A".repeat(64), &format!("{}\n{}", "0".repeat(31), "0".repeat(32)), &"é".repeat(32)] {
        assert_eq!(signer.sign(wrong, date, &hash, &hash), None, "{wrong:?}");
        assert_eq!(signer.sign(&hash, date, wrong, &hash), None, "{wrong:?}");
        assert_eq!(signer.sign(&hash, date, &hash, wrong), None, "{wrong:?}");
    }
    for wrong in ["", "20261122T161531", "20261122 161531Z", "2026112éT161531Z", "20261122T16153\nZ"] {
        assert_eq!(signer.sign(&hash, wrong, &hash, &hash), None, "{wrong:?}");
    }
}

#[test]
fn a_guest_signs_nothing_of_its_own_into_the_hosts_place() {
    let captured = captured();
    let refused = |request: usize, change: &dyn Fn(&mut Asked)| {
        let mut asked = Asked::of(&captured["requests"][request]);
        change(&mut asked);
        assert!(matches!(asked.sign(), Err(Refusal::Invalid(_))));
    };
    for name in ["Authorization", "x-amz-date", "X-Amz-Security-Token", "x-amz-content-sha256", "HOST"] {
        refused(3, &|asked| asked.head.headers.push((name.to_owned(), "x".to_owned())));
    }
    for name in ["X-Amz-Expires", "x-amz-expires", "X%2DAmz-Credential", "X-Amz-Security-Token"] {
        refused(1, &|asked| asked.head.url = Url::parse(&format!("wss://localhost:8443/?{name}=604800")).unwrap());
    }
    refused(0, &|asked| asked.body = Some(vec![]));
    refused(1, &|asked| asked.body = None);
    refused(1, &|asked| asked.body = Some(vec![1]));
    refused(3, &|asked| asked.body = None);
}

#[test]
fn what_is_sent_is_spelled_as_it_was_signed() {
    let mut asked = Asked::of(&captured()["requests"][3]);
    asked.head.url = Url::parse("http://127.0.0.1:47160/v1/a%20b/é?z=1&Text=a+b%7e'%C3%A9&a=*&a=").unwrap();
    asked.sign().unwrap();
    assert_eq!(asked.head.url.as_str(), "http://127.0.0.1:47160/v1/a%20b/%C3%A9?Text=a%20b~%27%C3%A9&a=&a=%2A&z=1");
}

#[test]
fn credentials_are_read_in_the_forms_in_which_they_are_kept() {
    let parts = |text: &str, profile: &str| {
        let credentials = Credentials::parse(text, profile)?;
        let token = credentials.token().map(|token| token.to_string());
        Some((credentials.id.clone(), credentials.secret.to_string(), token))
    };
    let whole = |token: Option<&str>| Some(("AKIA".to_owned(), "s/+".to_owned(), token.map(str::to_owned)));
    assert_eq!(parts(r#"{"access_key_id":"AKIA","secret_access_key":"s/+"}"#, "default"), whole(None));
    let tool = r#" {"Version":1,"AccessKeyId":"AKIA","SecretAccessKey":"s/+","SessionToken":"t==","Expiration":"x"}"#;
    assert_eq!(parts(tool, "default"), whole(Some("t==")));
    let file = "[default]\naws_access_key_id=OTHER\naws_secret_access_key=x\n\n[voice]\n# ours\naws_access_key_id = AKIA\r\naws_secret_access_key = s/+\naws_session_token = t==\n[more]\naws_secret_access_key = y\n";
    assert_eq!(parts(file, "voice"), whole(Some("t==")));
    assert_eq!(parts(file, "more"), None);
    assert_eq!(parts(file, "none"), None);
    for text in [
        "",
        "{}",
        "AKIA:secret",
        r#"{"access_key_id":"","secret_access_key":"s"}"#,
        r#"{"access_key_id":"a\nb","secret_access_key":"s"}"#,
    ] {
        assert_eq!(parts(text, "default"), None, "{text}");
    }
}
