//! Tenants that a service knows: their calls are served by its settings, also while it is away; who is unknown there is turned away.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a broken story stops")]

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::time::timeout;
use vg_tests::house::{House, plugins_dir};
use vg_tests::program;
use vg_tests::tls::{self, Authority};
use voice_gateway::adapters::media_ws::PhoneFact;
use voice_gateway::adapters::media_ws::client::Phone;

const PATIENCE: Duration = Duration::from_secs(20);

/// The demo's tenant as the service tells it, with these first words.
fn tenant(greeting: &str) -> Value {
    let table: toml::Table = include_str!("../../host/demo/tenants/demo.toml").parse().unwrap();
    let mut tenant = serde_json::to_value(table).unwrap();
    tenant["greeting"] = json!(greeting);
    tenant["hearing"]["options"]["grammar"] = json!(include_str!("../../host/demo/demo.jsgf"));
    tenant
}

type Tenants = Arc<Mutex<HashMap<String, Result<Value, StatusCode>>>>;

async fn answer(State(tenants): State<Tenants>, request: Request) -> Response {
    let path = request.uri().path();
    let name = path.strip_prefix("/api/v1/tenants/").and_then(|rest| rest.strip_suffix("/telephony/settings"));
    let known = name.and_then(|name| tenants.lock().unwrap().get(name).cloned());
    match known.unwrap_or(Err(StatusCode::NOT_FOUND)) {
        Ok(tenant) => tenant.to_string().into_response(),
        Err(status) => status.into_response(),
    }
}

/// By TLS where an authority has issued it a certificate.
async fn service(authority: Option<&Authority>) -> (Tenants, SocketAddr) {
    let tenants = Tenants::default();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = axum::Router::new().fallback(answer).with_state(Arc::clone(&tenants));
    #[expect(clippy::disallowed_methods, reason = "ends with the test's runtime")]
    tokio::spawn(tls::serve(listener, router, authority.map(Authority::acceptor), Arc::default()));
    (tenants, address)
}

/// The first words of a call.
async fn greeting(phone: &mut Phone) -> String {
    let said = async {
        loop {
            if let PhoneFact::Saying { text, .. } = phone.next_fact().await.expect("the call ended without a word") {
                return text;
            }
        }
    };
    timeout(PATIENCE, said).await.expect("nobody says anything")
}

async fn call(house: &House, tenant: &str) -> String {
    let mut phone = house.phone(tenant).await.unwrap();
    let words = greeting(&mut phone).await;
    phone.hang_up().await.1.unwrap();
    words
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_are_served_by_what_the_service_says_and_by_what_it_said_while_it_is_away() {
    let (tenants, address) = service(None).await;
    let house = House::with(&format!("[tenants]\nsource = 'manager'\nurl = 'http://{address}'\nttl_s = 1\n")).await.unwrap();
    let say = |name: &str, says: Result<Value, StatusCode>| drop(tenants.lock().unwrap().insert(name.to_owned(), says));

    say("acme", Ok(tenant("Acme here.")));
    assert_eq!(call(&house, "acme").await, "Acme here.");
    assert_eq!(house.metric("vg_tenant_requests_total{outcome=\"fetched\"}").await.unwrap(), 1.0);
    // Whom the service does not know.
    let told = timeout(PATIENCE, async { house.phone("stranger").await.unwrap().next_fact().await }).await.unwrap();
    assert!(matches!(&told, Some(PhoneFact::Ended { cause, .. }) if cause == "tenant_unknown"), "{told:?}");
    assert_eq!(house.metric("vg_calls_refused_total{code=\"tenant_unknown\"}").await.unwrap(), 1.0);

    // Away: the old settings serve, and their age is told.
    say("acme", Err(StatusCode::SERVICE_UNAVAILABLE));
    let aged = async {
        loop {
            assert_eq!(call(&house, "acme").await, "Acme here.");
            if house.metric("vg_tenant_age_max_seconds").await.unwrap() >= 1.0 {
                return;
            }
        }
    };
    timeout(PATIENCE, aged).await.unwrap();
    assert!(house.metric("vg_tenant_lookups_total{outcome=\"last_known_good\"}").await.unwrap() >= 1.0);

    // Back, with a change; and with a provider that is none: that is not used.
    say("acme", Ok(tenant("Acme is back.")));
    let back = async { while call(&house, "acme").await != "Acme is back." {} };
    timeout(PATIENCE, back).await.unwrap();
    let mut wrong = tenant("Acme is wrong.");
    wrong["hearing"]["plugin"] = json!("tts-local");
    say("acme", Ok(wrong));
    let faulty = async {
        while house.metric("vg_tenant_requests_total{outcome=\"faulty\"}").await.is_err() {
            assert_eq!(call(&house, "acme").await, "Acme is back.");
        }
    };
    timeout(PATIENCE, faulty).await.unwrap();
    house.holds_nothing(Duration::from_secs(5)).await.unwrap();
    house.stop().await;
}

/// What the doctor says of that.
fn doctor(authority: &Authority, service: SocketAddr, folder: &Path) -> String {
    std::fs::write(folder.join("voice-gateway.toml"), sections(authority, service, folder)).unwrap();
    let output = program::alone(folder).arg("doctor").output().unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// A gateway whose operator trusts this authority beside the system's.
async fn trusting(authority: &Authority, service: SocketAddr, folder: &Path) -> House {
    House::with(&sections(authority, service, folder)).await.unwrap()
}

fn sections(authority: &Authority, service: SocketAddr, folder: &Path) -> String {
    let ca = folder.join("ca.pem");
    std::fs::write(&ca, authority.pem()).unwrap();
    let plugins = format!("[plugins]\ndir = {:?}\noperator_cas = [{ca:?}]\n", plugins_dir());
    format!("{plugins}[tenants]\nsource = 'manager'\nurl = 'https://{service}'\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_by_tls_is_believed_by_the_operators_authority_and_by_no_other() {
    let (authority, folder) = (Authority::new(), tempfile::tempdir().unwrap());
    let (tenants, address) = service(Some(&authority)).await;
    tenants.lock().unwrap().insert("acme".to_owned(), Ok(tenant("Acme here.")));

    let house = trusting(&authority, address, folder.path()).await;
    assert_eq!(call(&house, "acme").await, "Acme here.");
    assert_eq!(house.metric("vg_tenant_requests_total{outcome=\"fetched\"}").await.unwrap(), 1.0);
    house.stop().await;

    let told = doctor(&authority, address, folder.path());
    assert!(told.contains(&format!("https://{address} answers")) && told.contains("0 faults"), "{told}");

    // Whoever has the service's address and another's certificate decides nothing about a call: it is as if nobody were there.
    let house = trusting(&Authority::new(), address, folder.path()).await;
    let told = timeout(PATIENCE, async { house.phone("acme").await.unwrap().next_fact().await }).await.unwrap();
    assert!(matches!(&told, Some(PhoneFact::Ended { cause, .. }) if cause == "tenant_unavailable"), "{told:?}");
    assert_eq!(house.metric("vg_calls_refused_total{code=\"tenant_unavailable\"}").await.unwrap(), 1.0);
    assert!(house.metric("vg_tenant_requests_total{outcome=\"untrusted\"}").await.unwrap() > 0.0);
    assert!(house.metric("vg_tenant_requests_total{outcome=\"fetched\"}").await.is_err(), "it was believed");
    house.stop().await;
    let told = doctor(&Authority::new(), address, folder.path());
    assert!(told.contains("certificate is not to be trusted: bad_signature") && told.contains("1 fault"), "{told}");
}
