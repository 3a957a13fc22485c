//! The issuer's keys change, and the issuer is not always there.

use super::rig::*;
use crate::adapters::http::auth::Jwks;
use crate::adapters::http::{Certificate, serve};
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::{Json, Router};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// Serves a key set; none: an error.
struct Issuer {
    set: Arc<Mutex<Option<Value>>>,
    asked: Arc<AtomicUsize>,
    jwks: Arc<Jwks>,
    _stop: tokio_util::sync::DropGuard,
}

#[expect(clippy::disallowed_methods, reason = "end with the test's runtime")]
async fn issuer(set: Option<Value>) -> Issuer {
    let (set, asked) = (Arc::new(Mutex::new(set)), Arc::new(AtomicUsize::new(0)));
    let (told, count) = (Arc::clone(&set), Arc::clone(&asked));
    let router = Router::new().fallback(async move || {
        count.fetch_add(1, Ordering::SeqCst);
        match told.lock().unwrap().clone() {
            Some(set) => Json(set).into_response(),
            None => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        }
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/keys", listener.local_addr().unwrap()).parse().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    let jwks = Arc::new(Jwks::new(url, &[]).unwrap());
    let stop = CancellationToken::new();
    tokio::spawn(Arc::clone(&jwks).keep(stop.clone()));
    Issuer { set, asked, jwks, _stop: stop.drop_guard() }
}

fn set(keys: &[(&Signer, &str)]) -> Option<Value> {
    Some(json!({ "keys": keys.iter().map(|(signer, kid)| signer.jwk(kid)).collect::<Vec<_>>() }))
}

async fn outcome(server: &Server, signer: &Signer, kid: Option<&str>) -> String {
    let mut header = json!({ "alg": signer.alg() });
    if let Some(kid) = kid {
        header["kid"] = json!(kid);
    }
    let answer = server.ask("GET /v1/calls", &signer.token_with(&header, &claims("acme", "calls:read")), "", "").await;
    if answer.status == 200 { "good".to_owned() } else { answer.problem().1 }
}

#[tokio::test]
async fn a_set_of_keys_serves_each_by_its_name_and_its_own_algorithm() {
    let (ed, ec, rsa) = (Signer::ed(), Signer::ec(), Signer::rsa());
    let secret = Signer::Hmac(b"shared".to_vec());
    let issuer = issuer(set(&[(&ed, "a"), (&ec, "b"), (&rsa, "c"), (&secret, "d")])).await;
    let server = Server::start(Wishes::set(&issuer.jwks)).await;
    for (signer, kid) in [(&ed, "a"), (&ec, "b"), (&rsa, "c")] {
        assert_eq!(outcome(&server, signer, Some(kid)).await, "good", "{kid}");
        assert_eq!(outcome(&server, signer, None).await, "good", "{kid} unnamed");
    }
    assert_eq!(outcome(&server, &ed, Some("b")).await, "token_algorithm_refused");
    assert_eq!(outcome(&server, &secret, Some("d")).await, "token_algorithm_refused");
    // A name chooses among the known keys and does nothing else.
    for kid in
        ["../../../../dev/null", "/etc/passwd", "http://127.0.0.1:1/keys", "' OR '1'='1", "a\0", "", "A", &"a".repeat(4_000)]
    {
        assert_eq!(outcome(&server, &ed, Some(kid)).await, "token_key_unknown", "{kid:?}");
    }
    assert_eq!(issuer.asked.load(Ordering::SeqCst), 1, "made-up names make the issuer work");
}

#[tokio::test]
async fn a_key_that_is_unknown_so_far_is_asked_for_and_one_that_was_good_stays_while_the_issuer_is_away() {
    let (old, new) = (Signer::ed(), Signer::ed());
    let issuer = issuer(set(&[(&old, "old")])).await;
    let server = Server::start(Wishes::set(&issuer.jwks)).await;
    assert_eq!(outcome(&server, &old, Some("old")).await, "good");
    *issuer.set.lock().unwrap() = set(&[(&old, "old"), (&new, "new")]);
    // Not at once: it was asked a moment ago.
    assert_eq!(outcome(&server, &new, Some("new")).await, "token_key_unknown");
    tokio::time::pause();
    tokio::time::advance(std::time::Duration::from_secs(11)).await;
    tokio::time::resume();
    assert_eq!(outcome(&server, &new, Some("new")).await, "good");
    assert_eq!(issuer.asked.load(Ordering::SeqCst), 2);

    *issuer.set.lock().unwrap() = None;
    tokio::time::pause();
    tokio::time::advance(std::time::Duration::from_secs(301)).await;
    tokio::time::resume();
    while issuer.asked.load(Ordering::SeqCst) < 3 {
        tokio::task::yield_now().await;
    }
    assert_eq!(outcome(&server, &old, Some("old")).await, "good");
    assert_eq!(outcome(&server, &new, None).await, "good");
}

#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "end with the test's runtime")]
async fn an_issuer_with_tls_is_asked_where_its_authority_is_trusted_and_else_is_not() {
    let signer = Signer::ed();
    let folder = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (chain, key) = (folder.path().join("chain.pem"), folder.path().join("key.pem"));
    std::fs::write(&chain, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let certificate = Arc::new(Certificate::read(chain, key).unwrap());
    let keys = set(&[(&signer, "a")]).unwrap();
    let router = Router::new().fallback(async move || Json(keys.clone()));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url: url::Url = format!("https://localhost:{}/keys", listener.local_addr().unwrap().port()).parse().unwrap();
    tokio::spawn(serve(listener, router, Some(certificate), CancellationToken::new()));
    for (authorities, told) in [(vec![made.cert.pem().into_bytes()], "good"), (Vec::new(), "keys_unavailable")] {
        let jwks = Arc::new(Jwks::new(url.clone(), &authorities).unwrap());
        let stop = CancellationToken::new();
        tokio::spawn(Arc::clone(&jwks).keep(stop.clone()));
        let server = Server::start(Wishes::set(&jwks)).await;
        assert_eq!(outcome(&server, &signer, Some("a")).await, told);
        stop.cancel();
    }
}

#[tokio::test]
async fn without_any_key_nobody_is_believed_and_the_answer_is_to_come_back() {
    let signer = Signer::ed();
    for nothing in [None, Some(json!({ "keys": [] })), Some(json!("no set")), set(&[(&Signer::Hmac(b"x".to_vec()), "a")])] {
        let issuer = issuer(nothing).await;
        let server = Server::start(Wishes::set(&issuer.jwks)).await;
        let answer = server.ask("GET /v1/calls", &signer.token(&claims("acme", "calls:read")), "", "").await;
        assert!(answer.head.contains("retry-after"), "{answer:?}");
        assert_eq!(answer.problem(), (503, "keys_unavailable".to_owned()));
    }
}
