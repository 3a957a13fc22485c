use super::peer::Peer;
use super::*;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, RsaKeyPair, UnparsedPublicKey};
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::pki_types::pem::PemObject;
use serde_json::Value as Json;
use std::time::{SystemTime, UNIX_EPOCH};
use url::form_urlencoded;

const ACCOUNT: &str = include_str!("../../../tests/fixtures/service-account.json");
const API: &str = "https://speech.googleapis.com";

/// Header and claims of a token that the account's key has signed.
fn claims(token: &str) -> (Json, Json) {
    let account: Json = serde_json::from_str(ACCOUNT).unwrap();
    let der = PrivatePkcs8KeyDer::from_pem_slice(account["private_key"].as_str().unwrap().as_bytes()).unwrap();
    let pair = RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()).unwrap();
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let key = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, pair.public().as_ref());
    key.verify(signed.as_bytes(), &URL_SAFE_NO_PAD.decode(signature).unwrap()).unwrap();
    let part = |part: &str| serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap();
    let (header, claims) = signed.split_once('.').unwrap();
    (part(header), part(claims))
}

fn form(request: &str) -> BTreeMap<String, String> {
    form_urlencoded::parse(request.split_once("\r\n\r\n").unwrap().1.as_bytes()).into_owned().collect()
}

fn google(fields: &str, token_endpoint: &str) -> House {
    let spec = format!(r#"{{"google": {{"kind": "google-service-account", "ref": "env:ACCOUNT", {fields}}}}}"#);
    let house = House::with_policy(&[API], &[API, token_endpoint], &spec);
    house.drawer.put("ACCOUNT", &ACCOUNT.replace("TOKEN_URI", &format!("{token_endpoint}/token")));
    house
}

fn oauth(more: &str, token_endpoint: &str) -> House {
    let spec = format!(
        r#"{{"oauth": {{"kind": "oauth2-client-credentials", "token_url": "{token_endpoint}/token?x=y", "client_id": "me & you",
             "client_secret": "env:KEY" {more}}}}}"#
    );
    House::with_policy(&[API], &[API, token_endpoint], &spec)
}

async fn token(house: &House, name: &str) -> Result<String, Refusal> {
    let filled = house.fill(&format!("{API}/v1"), &format!("Bearer {{secret:{name}}}")).await?;
    Ok(filled.1.strip_prefix("Bearer ").unwrap().to_owned())
}

#[tokio::test]
async fn a_service_account_signs_its_own_token_by_the_wall_clock() {
    let house = google(r#""audience": "https://speech.googleapis.com/""#, "https://nowhere.example");
    let first = token(&house, "google").await.unwrap();
    let (header, claims) = claims(&first);
    assert_eq!(header, serde_json::json!({ "typ": "JWT", "alg": "RS256", "kid": "0123456789abcdef" }));
    let email = "voice@nothing.iam.gserviceaccount.example";
    assert_eq!((claims["iss"].as_str(), claims["sub"].as_str()), (Some(email), Some(email)));
    assert_eq!(claims["aud"], "https://speech.googleapis.com/");
    let (iat, now) = (claims["iat"].as_u64().unwrap(), SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs());
    assert!((now - 5..=now).contains(&iat));
    assert_eq!(claims["exp"], iat + 3600);
    assert!(claims.get("scope").is_none());
    assert_eq!(token(&house, "google").await.unwrap(), first, "signed once an hour");
    let mut echo = first.clone().into_bytes();
    assert_eq!(house.grant.secrets.mask_body(&mut echo), 1);
}

#[tokio::test]
async fn a_service_account_exchanges_its_signature_for_a_token_once_for_all() {
    let peer =
        Peer::new(|_| (200, String::new(), r#"{"access_token":"ya29.token","expires_in":3599,"token_type":"Bearer"}"#.into()))
            .await;
    let house = google(r#""mode": "exchange", "scope": "https://www.googleapis.com/auth/cloud-platform""#, &peer.origin());
    let tokens = futures_util::future::join_all((0..50).map(|_| token(&house, "google"))).await;
    assert!(tokens.iter().all(|token| token.as_deref() == Ok("ya29.token")), "{tokens:?}");
    let asked = peer.asked();
    assert_eq!(asked.len(), 1);
    assert!(asked[0].starts_with("POST /token HTTP/1.1\r\n"), "{}", asked[0]);
    let form = form(&asked[0]);
    assert_eq!(form["grant_type"], "urn:ietf:params:oauth:grant-type:jwt-bearer");
    let (_, claims) = claims(&form["assertion"]);
    assert_eq!(claims["aud"], format!("{}/token", peer.origin()));
    assert_eq!(claims["scope"], "https://www.googleapis.com/auth/cloud-platform");
    assert!(claims.get("sub").is_none());
}

#[tokio::test]
async fn client_credentials_are_shown_as_the_endpoint_takes_them() {
    let peer = Peer::new(|_| (200, String::new(), r#"{"access_token":"token-1"}"#.into())).await;
    assert_eq!(token(&oauth(r#", "scope": "speech""#, &peer.origin()), "oauth").await.as_deref(), Ok("token-1"));
    let more = r#", "client_auth": "form", "audience": "a""#;
    assert_eq!(token(&oauth(more, &peer.origin()), "oauth").await.as_deref(), Ok("token-1"));
    let [basic, posted] = &peer.asked()[..] else { panic!("asked twice") };
    let pair = base64::engine::general_purpose::STANDARD.encode("me+%26+you:sk-live%2F0123%2B456789");
    assert!(basic.starts_with("POST /token?x=y HTTP/1.1\r\n"), "{basic}");
    assert!(basic.contains(&format!("authorization: Basic {pair}\r\n")), "{basic}");
    let words =
        |pairs: &[(&str, &str)]| pairs.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect::<BTreeMap<_, _>>();
    assert_eq!(form(basic), words(&[("grant_type", "client_credentials"), ("scope", "speech")]));
    assert!(!posted.to_ascii_lowercase().contains("\r\nauthorization:"), "{posted}");
    let all = [("grant_type", "client_credentials"), ("client_id", "me & you"), ("client_secret", KEY), ("audience", "a")];
    assert_eq!(form(posted), words(&all));
}

#[tokio::test]
async fn a_token_endpoint_that_is_not_permitted_is_named_to_the_operator_only() {
    let spec = r#"{"oauth": {"kind": "oauth2-client-credentials", "token_url": "https://login.example.com/token", "client_id": "i",
                             "client_secret": "env:KEY"}}"#;
    let house = House::new(&[API], spec);
    let refusal = token(&house, "oauth").await.unwrap_err();
    assert_eq!(refusal.kind(), LinkErrorKind::EgressDenied);
    assert_eq!(refusal.to_string(), "secret oauth: its token endpoint is not permitted");
    assert_eq!(refusal.advice(), Some(r#"add to policy: [plugin."stt-x"] hosts = ["https://login.example.com"]"#));
    assert_eq!(house.links.counts().egress_denied, 1);
}

#[tokio::test]
async fn a_plugin_does_not_reach_the_token_endpoint_itself() {
    let house = oauth("", "https://login.example.com");
    let refusal = house.fill("https://login.example.com/token", "").await.unwrap_err();
    assert!(refusal.advice().unwrap().contains("does not ask for"), "{refusal:?}");
}

#[tokio::test]
async fn an_endpoint_that_gives_no_token_is_told_in_words_that_are_known() {
    let long = format!(r#"{{"access_token":"{}"}}"#, "a".repeat(70_000));
    let evil = "http://127.0.0.1:1/token";
    for (status, headers, body, kind, advice) in [
        (
            400,
            "",
            r#"{"error":"invalid_client","error_description":"sk-live/0123+456789 is wrong"}"#,
            LinkErrorKind::Protocol,
            "answered 400, invalid_client",
        ),
        (401, "", r#"{"error":"sk-live/0123+456789"}"#, LinkErrorKind::Protocol, "answered 401, no reason"),
        (503, "", "", LinkErrorKind::Connect, "answered 503, no reason"),
        (307, &*format!("location: {evil}\r\n"), "", LinkErrorKind::Protocol, "answered 307, no reason"),
        (200, "", "{}", LinkErrorKind::Protocol, "answered 200 without an access_token"),
        (200, "", "sk-live/0123+456789", LinkErrorKind::Protocol, "answered 200 without an access_token"),
        (200, "", r#"{"access_token":""}"#, LinkErrorKind::Protocol, "answered 200 without an access_token"),
        (200, "", r#"{"access_token":"a\r\nx: y"}"#, LinkErrorKind::Protocol, "no header may hold"),
        (200, "", &*long, LinkErrorKind::Reset, "no proper answer"),
    ] {
        let (answer, lines) = (body.to_owned(), headers.to_owned());
        let peer = Peer::new(move |_| (status, lines.clone(), answer.clone())).await;
        let refusal = token(&oauth("", &peer.origin()), "oauth").await.unwrap_err();
        assert_eq!(refusal.kind(), kind, "{refusal:?}");
        assert!(refusal.advice().unwrap().contains(advice), "{refusal:?}");
        assert!(!format!("{refusal} {refusal:?}").contains("sk-live"), "{refusal:?}");
        assert_eq!(peer.asked().len(), 1);
    }
    let gone = token(&oauth("", "http://127.0.0.1:1"), "oauth").await.unwrap_err();
    assert_eq!(gone.kind(), LinkErrorKind::Connect, "{gone:?}");
}

#[tokio::test]
async fn an_account_whose_key_cannot_be_read_is_the_operators_matter() {
    let house = google(r#""audience": "x""#, "https://nowhere.example");
    for (account, advice) in [
        ("not json", "is no JSON key of a service account"),
        (
            r#"{"client_email":"a@b","private_key":"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"}"#,
            "cannot be read",
        ),
        (r#"{"client_email":"a@b","private_key":"very-secret"}"#, "cannot be read"),
    ] {
        house.drawer.put("ACCOUNT", account);
        house.grant.secrets.held["google"].kind.forget();
        let refusal = token(&house, "google").await.unwrap_err();
        assert!(refusal.advice().unwrap().contains(advice), "{refusal:?}");
        assert!(!format!("{refusal:?}").contains("very-secret"));
    }
}
