//! What is written down of acts.

use super::rig::*;
use serde_json::Value;
use std::io::Write;
use std::sync::{Arc, Mutex};

#[derive(Clone, Default)]
struct Sink(Arc<Mutex<Vec<u8>>>);

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn each_act_is_one_line_with_who_what_and_how_it_went_and_without_what_was_said() {
    let sink = Sink::default();
    let writer = sink.clone();
    let subscriber = tracing_subscriber::fmt().json().with_writer(move || writer.clone()).finish();
    let _kept = tracing::subscriber::set_default(subscriber);
    let signer = Signer::ed();
    let server = Server::start(Wishes::of(&signer)).await;
    let all = signer.token(&claims("acme", EVERYTHING));
    let reader = signer.token(&claims("acme", "calls:read"));
    let id = "x-request-id: r-1\r\n";
    server.ask("POST /v1/calls/up/say", &all, id, r#"{"text":"a secret word"}"#).await;
    server.ask("POST /v1/calls", &all, "", r#"{"to":"+15550100"}"#).await;
    server.ask("DELETE /v1/calls/nowhere", &all, "", "").await;
    server.ask("POST /v1/plugins?id=stt-a", &all, "content-type: application/wasm\r\n", "").await;
    server.ask("DELETE /v1/plugins/stt-a", &all, "", "").await;
    server.ask("POST /v1/admin/drain", &reader, "", "").await;
    server.ask("GET /v1/calls", &all, "", "").await;
    server.ask("DELETE /v1/calls/up", "", "", "").await;
    let text = String::from_utf8(sink.0.lock().unwrap().clone()).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let lines: Vec<&Value> = lines.iter().filter(|line| line["target"] == "audit").map(|line| &line["fields"]).collect();
    let told: Vec<[&str; 3]> =
        lines.iter().map(|line| ["act", "on", "outcome"].map(|name| line[name].as_str().unwrap_or("-"))).collect();
    assert_eq!(
        told,
        [
            ["POST /v1/calls/{id}/say", "up", "done"],
            ["POST /v1/calls", "-", "done"],
            ["DELETE /v1/calls/{id}", "nowhere", "call_unknown"],
            ["POST /v1/plugins", "stt-a", "not_configured"],
            ["DELETE /v1/plugins/{id}", "stt-a", "not_configured"],
            ["POST /v1/admin/drain", "-", "scope_missing"],
        ]
    );
    assert!(lines.iter().all(|line| line["subject"] == "tester" && line["tenant"] == "acme"), "{text}");
    assert_eq!((&lines[0]["request_id"], &lines[0]["status"]), (&Value::from("r-1"), &Value::from(204)));
    assert!(!text.contains("secret word") && !text.contains("15550100"), "{text}");
}
