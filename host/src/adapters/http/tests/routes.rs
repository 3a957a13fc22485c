//! What the API answers to who may ask.

use super::rig::*;
use crate::application::ports::{AgentProfile, CallOrder, Notice, Notices, RecordingOrder};
use serde_json::{Value, json};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use vg_domain::dialling::AnsweredBy;
use vg_domain::event::Fact;
use vg_domain::ids::{DidId, TenantId, TrunkId, TurnId, UtteranceId};
use vg_domain::mask::{Heard, Mask};
use vg_domain::outcome::{EndCause, Outcome};
use vg_domain::parties::{Direction, Parties};
use vg_domain::pii::Pii;
use vg_domain::transfer::{Transfer, TransferMode, TransferTarget};

const SOON: Duration = Duration::from_secs(10);

struct Desk {
    server: Server,
    signer: Signer,
}

impl Desk {
    async fn open() -> Self {
        Self::with(|_| {}).await
    }

    async fn with(change: impl FnOnce(&mut Wishes)) -> Self {
        let signer = Signer::ed();
        let mut wishes = Wishes::of(&signer);
        change(&mut wishes);
        Self { server: Server::start(wishes).await, signer }
    }

    fn token(&self, tenant: &str) -> String {
        self.signer.token(&claims(tenant, EVERYTHING))
    }

    async fn ask(&self, what: &str, body: &str) -> Answer {
        self.server.ask(what, &self.token("acme"), "", body).await
    }

    async fn with_key(&self, key: &str, what: &str, body: &str) -> Answer {
        self.server.ask(what, &self.token("acme"), &format!("idempotency-key: {key}\r\n"), body).await
    }

    fn call(&self, tenant: &str, call: &str) {
        let mut mask = Mask::new();
        self.server.tell(tenant, call, &started());
        self.server.tell(tenant, call, &Fact::Answered(AnsweredBy::Gateway));
        let text = mask.mask_agent("Hello.");
        self.server.tell(tenant, call, &Fact::Saying { utterance: UtteranceId(1), text });
        let text = mask.mask_final(Heard::new("my card is 4111 1111 1111 1111".to_owned()));
        self.server.tell(tenant, call, &Fact::Heard { turn: TurnId(1), text });
    }

    fn end(&self, tenant: &str, call: &str) {
        self.server.tell(tenant, call, &Fact::Ended(Outcome { cause: EndCause::CallerHungUp, turns: 1 }));
    }
}

#[tokio::test]
async fn a_tenant_sees_its_calls_newest_first_by_pages_and_nobody_elses() {
    let desk = Desk::open().await;
    for call in 1..=5 {
        desk.call("acme", &format!("c-{call}"));
    }
    desk.call("other", "theirs");
    desk.end("acme", "c-2");
    let mut seen = Vec::new();
    let mut next = String::new();
    loop {
        let page = desk.ask(&format!("GET /v1/calls?limit=2{next}"), "").await.json();
        seen.extend(page["calls"].as_array().unwrap().iter().map(|call| call["id"].as_str().unwrap().to_owned()));
        let Some(cursor) = page["next"].as_str() else { break };
        next = format!("&cursor={cursor}");
    }
    assert_eq!(seen, ["c-5", "c-4", "c-3", "c-2", "c-1"]);
    let ended = desk.ask("GET /v1/calls?state=ended", "").await.json();
    assert_eq!(ended["calls"][0]["id"], "c-2");
    assert_eq!((&ended["calls"][0]["cause"], ended["calls"].as_array().unwrap().len()), (&json!("caller_hung_up"), 1));
    assert_eq!(desk.ask("GET /v1/calls/c-1", "").await.json()["state"], "active");
    for query in [
        "cursor=x",
        "cursor=000000000000000A",
        "cursor=+00000000000000a",
        "limit=0",
        "limit=201",
        "limit=x",
        "state=gone",
        "colour=red",
    ] {
        let (status, code) = desk.ask(&format!("GET /v1/calls?{query}"), "").await.problem();
        assert!(status == 400 && code.starts_with("bad_"), "{query}: {status} {code}");
    }
}

#[tokio::test]
async fn a_call_says_who_began_it() {
    let desk = Desk::open().await;
    desk.call("acme", "in");
    let nobody = || Pii::new(String::new());
    let parties = Parties { direction: Direction::Outbound, ..Parties::inbound(nobody(), nobody()) };
    desk.server.tell("acme", "out", &Fact::Started(Arc::new(parties)));
    for (call, direction) in [("in", "inbound"), ("out", "outbound")] {
        let card = desk.ask(&format!("GET /v1/calls/{call}"), "").await.json();
        assert_eq!(card["direction"], direction);
        assert!(card.get("did_id").is_none() && card.get("trunk_id").is_none(), "{card}");
    }
}

#[tokio::test]
async fn a_call_says_who_answers_in_it_once_that_is_known() {
    let desk = Desk::open().await;
    desk.call("acme", "up");
    assert_eq!(desk.ask("GET /v1/calls/up", "").await.json()["agent"], json!(null));
    desk.server.tell("acme", "up", &Fact::Agent(AgentProfile { id: "parrot-1".into(), name: Some("Polly".into()) }));
    assert_eq!(desk.ask("GET /v1/calls/up", "").await.json()["agent"], json!({ "id": "parrot-1", "name": "Polly" }));
}

#[tokio::test]
async fn a_call_says_by_which_number_and_trunk_of_its_tenant_it_came() {
    let desk = Desk::open().await;
    let nobody = || Pii::new("+15550100".to_owned());
    let (did, trunk) = (Some(DidId::new("did-7")), Some(TrunkId::new("trunk-7")));
    let parties = Parties { did, trunk, ..Parties::inbound(nobody(), nobody()) };
    desk.server.tell("acme", "in", &Fact::Started(Arc::new(parties)));
    let card = desk.ask("GET /v1/calls/in", "").await;
    assert_eq!((&card.json()["did_id"], &card.json()["trunk_id"]), (&json!("did-7"), &json!("trunk-7")));
    assert!(!card.body.contains("15550100"), "{card:?}");
}

#[tokio::test]
async fn another_tenants_call_is_not_there_whatever_is_asked() {
    let desk = Desk::open().await;
    desk.call("acme", "up");
    let theirs = desk.token("other");
    let all = [
        ("GET /v1/calls/up", ""),
        ("GET /v1/calls/up/transcript", ""),
        ("GET /v1/calls/up/explain", ""),
        ("DELETE /v1/calls/up", ""),
        ("POST /v1/calls/up/transfer", r#"{"kind":"queue","target":"sales"}"#),
        ("DELETE /v1/calls/up/transfer", ""),
        ("POST /v1/calls/up/dtmf", r#"{"digits":"1"}"#),
        ("POST /v1/calls/up/say", r#"{"text":"hello"}"#),
        ("POST /v1/calls/up/recording", r#"{"action":"pause"}"#),
        ("GET /v1/calls/nowhere", ""),
    ];
    for (what, body) in all {
        let answer = desk.server.ask(what, &theirs, "", body).await;
        assert_eq!(answer.problem(), (404, "call_unknown".to_owned()), "{what}");
    }
    assert_eq!(desk.server.ask("GET /v1/calls", &theirs, "", "").await.json(), json!({ "calls": [] }));
    let answer =
        desk.server.ask("GET /v1/tenants/acme/settings", &desk.signer.token(&claims("other", "calls:read")), "", "").await;
    assert_eq!(answer.problem(), (404, "tenant_unknown".to_owned()));
    assert!(desk.server.calls.orders.lock().unwrap().iter().all(|(tenant, ..)| tenant.as_str() == "other"));
}

#[tokio::test]
async fn a_transcript_is_masked() {
    let desk = Desk::open().await;
    desk.call("acme", "up");
    let transcript = desk.ask("GET /v1/calls/up/transcript", "").await;
    assert!(!transcript.body.contains("4111"), "{transcript:?}");
    let transcript = transcript.json();
    assert_eq!((&transcript["lines"][0]["who"], &transcript["lines"][0]["text"]), (&json!("agent"), &json!("Hello.")));
    assert_eq!((&transcript["lines"][1]["who"], &transcript["cut"]), (&json!("caller"), &json!(false)));
}

#[tokio::test]
async fn orders_reach_the_call_as_they_were_given() {
    let desk = Desk::open().await;
    let external = r#"{"kind":"external","target":"+15550100","mode":"attended","summary":"wants a refund"}"#;
    for (what, body) in [
        ("DELETE /v1/calls/up", ""),
        ("POST /v1/calls/up/dtmf", r#"{"digits":"12#A"}"#),
        ("POST /v1/calls/up/say", r#"{"text":"One moment."}"#),
        ("POST /v1/calls/up/recording", r#"{"action":"pause"}"#),
        ("POST /v1/calls/up/transfer", external),
        ("DELETE /v1/calls/up/transfer", ""),
    ] {
        let answer = desk.ask(what, body).await;
        assert_eq!((answer.status, answer.body.as_str()), (204, ""), "{what}");
    }
    let orders: Vec<CallOrder> = desk.server.calls.orders.lock().unwrap().iter().map(|(_, _, order)| order.clone()).collect();
    let transfer = Transfer {
        target: TransferTarget::External(vg_domain::pii::Pii::new("+15550100".to_owned())),
        mode: TransferMode::Attended,
        summary: Some("wants a refund".to_owned()),
    };
    assert_eq!(
        orders,
        [
            CallOrder::HangUp,
            CallOrder::Digits("12#A".to_owned()),
            CallOrder::Say("One moment.".to_owned()),
            CallOrder::Recording(RecordingOrder::Pause),
            CallOrder::Transfer(transfer),
            CallOrder::CallOffTransfer,
        ]
    );
    for (call, status, code) in [
        ("not-now", 409, "not_now"),
        ("forbidden", 403, "forbidden"),
        ("unsupported", 409, "unsupported"),
        ("failed", 502, "no_such_extension"),
        ("busy", 409, "busy"),
    ] {
        assert_eq!(desk.ask(&format!("DELETE /v1/calls/{call}"), "").await.problem(), (status, code.to_owned()));
    }
    desk.call("acme", "over");
    desk.end("acme", "over");
    assert_eq!(desk.ask("DELETE /v1/calls/over", "").await.problem(), (409, "call_ended".to_owned()));
}

#[tokio::test]
async fn a_call_is_made_where_somebody_makes_calls() {
    let desk = Desk::open().await;
    let answer = desk.ask("POST /v1/calls", r#"{"to":"+15550100","metadata":{"order":"7"},"timeout_s":20}"#).await;
    assert_eq!((answer.status, answer.json()), (201, json!({ "id": "made-1" })));
    assert!(answer.head.contains("location: /v1/calls/made-1"), "{answer:?}");
    {
        let made = desk.server.calls.made.lock().unwrap();
        assert_eq!(
            (made[0].to.reveal().as_str(), made[0].timeout, made[0].tenant.as_str()),
            ("+15550100", Duration::from_secs(20), "acme")
        );
    }
    let without = Desk::with(|wishes| wishes.originates = false).await;
    let answer = without.ask("POST /v1/calls", r#"{"to":"+15550100"}"#).await;
    assert_eq!(answer.problem(), (501, "not_configured".to_owned()));
}

#[tokio::test]
async fn what_makes_no_sense_is_told_value_by_value_and_never_an_error_of_ours() {
    let desk = Desk::open().await;
    for (path, body, status, code) in [
        ("/v1/calls", "", 415, "no_json"),
        ("/v1/calls", "{", 400, "no_json"),
        ("/v1/calls", "[]", 422, "invalid_body"),
        ("/v1/calls", "{}", 422, "invalid_body"),
        ("/v1/calls", r#"{"to":"+15550100","colour":1}"#, 422, "invalid_body"),
        ("/v1/calls", r#"{"to":"not a number"}"#, 422, "invalid_values"),
        ("/v1/calls", r#"{"to":"+0"}"#, 422, "invalid_values"),
        ("/v1/calls", r#"{"to":"1","timeout_s":121}"#, 422, "invalid_values"),
        ("/v1/calls", r#"{"to":"1","timeout_s":-1}"#, 422, "invalid_body"),
        ("/v1/calls", r#"{"to":"1","from":"anonymous"}"#, 422, "invalid_values"),
        ("/v1/calls/up/dtmf", r#"{"digits":"12x"}"#, 422, "invalid_values"),
        ("/v1/calls/up/dtmf", r#"{"digits":""}"#, 422, "invalid_values"),
        ("/v1/calls/up/say", r#"{"text":""}"#, 422, "invalid_values"),
        ("/v1/calls/up/transfer", r#"{"kind":"external","target":"4711"}"#, 422, "invalid_values"),
        ("/v1/calls/up/transfer", r#"{"kind":"queue","target":"a,b"}"#, 422, "invalid_values"),
        ("/v1/calls/up/transfer", r#"{"kind":"moon","target":"a"}"#, 422, "invalid_body"),
        ("/v1/calls/up/recording", r#"{"action":"erase"}"#, 422, "invalid_body"),
        ("/v1/plugins/none/check", "{}", 404, "plugin_not_found"),
    ] {
        assert_eq!(desk.ask(&format!("POST {path}"), body).await.problem(), (status, code.to_owned()), "{path} {body}");
    }
    assert!(desk.server.calls.orders.lock().unwrap().is_empty() && desk.server.calls.made.lock().unwrap().is_empty());
    let faults = desk.ask("POST /v1/calls", r#"{"to":"?","from":"?"}"#).await.json();
    let paths: Vec<&Value> = faults["errors"].as_array().unwrap().iter().map(|error| &error["path"]).collect();
    assert_eq!(paths, ["/to", "/from"]);

    let large = format!(r#"{{"text":"{}"}}"#, "a".repeat(65 << 10));
    assert_eq!(desk.ask("POST /v1/calls/up/say", &large).await.problem(), (413, "body_too_large".to_owned()));
    for (what, status) in [
        ("GET /v1/calls/%ff%fe", 404),
        ("GET /v1/calls/..%2f..%2fetc", 404),
        ("GET /v1/nothing", 404),
        ("PUT /v1/calls", 405),
        ("PATCH /v1/calls/up", 405),
        ("DELETE /v1/events", 405),
        ("GET /v1/admin/drain", 405),
    ] {
        assert_eq!(desk.ask(what, "").await.problem().0, status, "{what}");
    }
    let long = format!("GET /v1/calls/{}", "a".repeat(4_000));
    assert_eq!(desk.ask(&long, "").await.problem().0, 404);
}

#[tokio::test]
async fn a_post_that_is_sent_again_is_answered_again_and_not_done_again() {
    let desk = Desk::open().await;
    let body = r#"{"to":"+15550100"}"#;
    let first = desk.with_key("k1", "POST /v1/calls", body).await;
    let again = desk.with_key("k1", "POST /v1/calls", body).await;
    assert_eq!((first.status, again.status, &first.body), (201, 201, &again.body));
    assert!(again.head.contains("idempotency-replayed: true") && again.head.contains("location: /v1/calls/made-1"), "{again:?}");
    assert_eq!(desk.server.calls.made.lock().unwrap().len(), 1);

    let otherwise = desk.with_key("k1", "POST /v1/calls", r#"{"to":"+15550101"}"#).await;
    assert_eq!(otherwise.problem(), (422, "idempotency_key_reused".to_owned()));
    let elsewhere = desk.with_key("k1", "POST /v1/calls/up/say", body).await;
    assert_eq!(elsewhere.problem(), (422, "idempotency_key_reused".to_owned()));
    let mut colleague = claims("acme", EVERYTHING);
    colleague["sub"] = json!("colleague");
    let theirs = desk.server.ask("POST /v1/calls", &desk.signer.token(&colleague), "idempotency-key: k1\r\n", body).await;
    assert_eq!(theirs.problem(), (422, "idempotency_key_reused".to_owned()), "another person's answer is not given away");
    // A refusal is an answer as well, and the key of another tenant is another key.
    let refused = desk.with_key("k2", "POST /v1/calls", "{}").await;
    assert_eq!(desk.with_key("k2", "POST /v1/calls", "{}").await.problem(), refused.problem());
    let theirs = desk.server.ask("POST /v1/calls", &desk.token("other"), "idempotency-key: k1\r\n", body).await;
    assert_eq!(theirs.json(), json!({ "id": "made-2" }));
    for key in ["", &"k".repeat(256), "a\r\nidempotency-key: b"] {
        let answer = desk.with_key(key, "POST /v1/calls", body).await;
        assert_eq!(answer.problem(), (400, "bad_idempotency_key".to_owned()), "{key:?}");
    }
}

#[tokio::test]
async fn a_key_in_use_is_refused_and_so_is_one_whose_outcome_nobody_knows() {
    let desk = Desk::open().await;
    let body = r#"{"to":"+15550100"}"#;
    let hold = Arc::new(Semaphore::new(0));
    *desk.server.calls.hold.lock().unwrap() = Some(Arc::clone(&hold));
    let made = async |count| {
        while desk.server.calls.made.lock().unwrap().len() < count {
            tokio::task::yield_now().await
        }
    };
    let second = async {
        made(1).await;
        let answer = desk.with_key("k1", "POST /v1/calls", body).await;
        hold.add_permits(1);
        answer
    };
    let (first, second) = tokio::join!(desk.with_key("k1", "POST /v1/calls", body), second);
    assert_eq!((first.status, second.problem()), (201, (409, "idempotency_key_in_use".to_owned())));

    // Whoever asked goes away while the call is being made.
    tokio::select! {
        _ = desk.with_key("k2", "POST /v1/calls", body) => panic!("answered"),
        () = made(2) => {}
    }
    let unknown = async {
        loop {
            let (status, code) = desk.with_key("k2", "POST /v1/calls", body).await.problem();
            assert_eq!(status, 409);
            if code == "idempotency_outcome_unknown" {
                break;
            }
        }
    };
    timeout(SOON, unknown).await.unwrap();
    assert_eq!(desk.server.calls.made.lock().unwrap().len(), 2);
}

#[tokio::test]
async fn a_token_that_asks_too_often_waits_and_others_do_not() {
    let desk = Desk::with(|wishes| wishes.requests_per_s = NonZeroU32::new(1)).await;
    let mut refused = 0;
    for _ in 0..6 {
        let answer = desk.ask("GET /v1/calls", "").await;
        if answer.status == 429 {
            assert!(answer.head.contains("retry-after: 1\r\n"), "{answer:?}");
            assert_eq!(answer.problem().1, "too_many_requests");
            refused += 1;
        }
    }
    assert!(refused >= 3, "{refused} were refused");
    assert_eq!(desk.server.ask("GET /v1/calls", &desk.token("other"), "", "").await.status, 200);
}

/// Takes ten seconds, for that is the deadline.
#[tokio::test]
async fn a_request_that_never_ends_loses_its_connection() {
    let desk = Desk::open().await;
    let slow = async |text: String| {
        let mut stream = tokio::net::TcpStream::connect(desk.server.at).await.unwrap();
        stream.write_all(text.as_bytes()).await.unwrap();
        let mut answer = String::new();
        timeout(Duration::from_secs(30), stream.read_to_string(&mut answer)).await.expect("the connection ends").unwrap();
        answer
    };
    let head = format!("POST /v1/calls HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {}\r\n", desk.token("acme"));
    let body = format!("{head}connection: close\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{{");
    let (nothing, head, body) = tokio::join!(slow(String::new()), slow(head), slow(body));
    assert_eq!(nothing, "");
    assert!(head.is_empty() || head.starts_with("HTTP/1.1 408"), "{head}");
    assert!(body.starts_with("HTTP/1.1 408") && body.contains("body_too_slow"), "{body}");
}

#[tokio::test]
async fn pages_of_other_origins_may_ask_only_where_they_are_listed() {
    let preflight = "origin: https://desk.example\r\naccess-control-request-method: POST\r\naccess-control-request-headers: authorization\r\n";
    let closed = Desk::open().await;
    let answer = closed.server.send("OPTIONS /v1/calls", preflight, "").await;
    assert!(answer.status >= 400 && !answer.head.contains("access-control"), "{answer:?}");
    let open = Desk::with(|wishes| wishes.cors_origins = vec!["https://desk.example"]).await;
    let answer = open.server.send("OPTIONS /v1/calls", preflight, "").await;
    assert!(answer.status == 200 && answer.head.contains("access-control-allow-origin: https://desk.example"), "{answer:?}");
    let answer = open.server.send("OPTIONS /v1/calls", &preflight.replace("desk", "evil"), "").await;
    assert!(!answer.head.contains("access-control-allow-origin"), "{answer:?}");
}

#[tokio::test]
async fn every_answer_has_its_requests_id_and_is_not_to_be_guessed_at() {
    let desk = Desk::open().await;
    let answer = desk.server.ask("GET /v1/calls", &desk.token("acme"), "x-request-id: abc-1\r\n", "").await;
    assert!(
        answer.head.contains("x-request-id: abc-1\r\n") && answer.head.contains("x-content-type-options: nosniff"),
        "{answer:?}"
    );
    assert!(answer.head.contains("cache-control: no-store"), "{answer:?}");
    let answer = desk.server.ask("GET /v1/calls", &desk.token("acme"), "x-request-id: a<script>\r\n", "").await;
    assert!(!answer.head.contains("script") && answer.head.contains("x-request-id: "), "{answer:?}");
}

#[tokio::test]
async fn settings_are_told_without_their_secrets() {
    let desk = Desk::open().await;
    let answer = desk.ask("GET /v1/tenants/acme/settings", "").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert!(!answer.body.contains("THE_PLACE_OF_A_SECRET"), "{answer:?}");
    let settings = answer.json();
    assert_eq!(settings["hearing"][0]["secrets"], json!({ "key": "[redacted]" }));
    assert_eq!(settings["human"], "internal,reception");
    let operator = desk.signer.token(&claims("head-office", "calls:read admin"));
    assert_eq!(desk.server.ask("GET /v1/tenants/acme/settings", &operator, "", "").await.status, 200);
    assert_eq!(desk.ask("GET /v1/tenants/nobody/settings", "").await.problem(), (404, "tenant_unknown".to_owned()));
}

#[tokio::test]
async fn a_ticket_is_issued_for_the_tokens_tenant_and_the_operator_drains() {
    let desk = Desk::open().await;
    let answer = desk.ask("POST /v1/media-tickets", "").await;
    let ticket = answer.json()["ticket"].as_str().unwrap().to_owned();
    assert_eq!((answer.status, desk.server.tickets.redeem(&ticket)), (201, Some(TenantId::new("acme"))));
    assert_eq!(desk.ask("POST /v1/admin/drain", "").await.status, 202);
    assert!(desk.server.drain.is_cancelled());
}

#[tokio::test]
async fn the_operator_reads_what_befell_the_gateway() {
    let desk = Desk::open().await;
    desk.server.notices.tell(&Notice::StateLost { code: "deadline" });
    desk.server.notices.tell(&Notice::StateBack { away: Duration::from_millis(2_500) });
    let answer = desk.ask("GET /v1/admin/events", "").await;
    let told = answer.json();
    let of = |nth: usize| (told["events"][nth]["type"].as_str().unwrap().to_owned(), told["events"][nth]["data"].clone());
    assert_eq!(of(0), ("state.lost".to_owned(), json!({"code": "deadline"})));
    assert_eq!(of(1), ("state.back".to_owned(), json!({"away_ms": 2_500})));
    assert_ne!(told["events"][0]["id"], told["events"][1]["id"]);
    let caller = desk.signer.token(&claims("acme", "calls:read calls:write"));
    assert_eq!(desk.server.ask("GET /v1/admin/events", &caller, "", "").await.status, 403);
}

#[tokio::test]
async fn the_description_and_its_page_come_from_here_alone() {
    let desk = Desk::open().await;
    let document = desk.server.send("GET /v1/openapi.json", "", "").await.json();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"), "{}", document["openapi"]);
    let page = desk.server.send("GET /v1/docs", "", "").await;
    assert!(page.status == 200 && page.head.contains("script-src 'self'"), "{page:?}");
    for part in ["/v1/docs/page.js", "/v1/docs/page.css"] {
        assert!(page.body.contains(part));
        let part = desk.server.send(&format!("GET {part}"), "", "").await;
        assert!(part.status == 200 && !part.body.contains("http://") && !part.body.contains("https://"), "{part:?}");
    }
    let operations = document["paths"].as_object().unwrap().values().flat_map(|item| item.as_object().unwrap().values());
    let mut names: Vec<&str> = operations.map(|operation| operation["operationId"].as_str().unwrap()).collect();
    let all = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), all, "an operation's name stands for two");
    insta::assert_snapshot!("openapi", serde_json::to_string_pretty(&document).unwrap());
}
