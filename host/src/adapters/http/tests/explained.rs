//! One page per call.

use super::latency::answered_in;
use super::rig::*;
use crate::application::ports::Observe;
use serde_json::json;
use vg_domain::dialling::AnsweredBy;
use vg_domain::event::{Fact, Role, Worker};
use vg_domain::ids::{PluginId, TurnId, UtteranceId};
use vg_domain::mask::{Heard, Mask};
use vg_domain::outcome::{EndCause, Outcome};
use vg_domain::speech::Extent;
use vg_domain::transfer::TransferMode;
use vg_domain::turn::{LatencyParts, TurnRecord};
use vg_domain::usage::Usage;

const SECRET: &str = "my name is Smith";

const NONE: LatencyParts = LatencyParts {
    endpoint_wait_ms: 0,
    stt_ms: 0,
    agent_ms: 0,
    clause_ms: 0,
    tts_ms: 0,
    playout_ms: 0,
    gateway_ms: 0,
    total_ms: 0,
};
const QUICK: LatencyParts =
    LatencyParts { endpoint_wait_ms: 500, stt_ms: 20, agent_ms: 200, gateway_ms: 30, total_ms: 750, ..NONE };
const SLOW: LatencyParts = LatencyParts { endpoint_wait_ms: 500, agent_ms: 1_900, clause_ms: 100, total_ms: 2_500, ..NONE };

fn turn(turn: u32, latency: Option<LatencyParts>) -> Fact {
    let text = || Mask::new().mask_final(Heard::new(SECRET.to_owned()));
    Fact::Turn(TurnRecord { turn: TurnId(turn), heard: text(), said: text(), latency, spans: Vec::new(), interrupted: turn == 2 })
}

fn used(audio_ms: u64, characters: u64) -> Usage {
    Usage { audio_ms, characters, requests: 1 }
}

fn told() -> Vec<Fact> {
    let text = || Mask::new().mask_final(Heard::new(SECRET.to_owned()));
    let queue = "queue";
    vec![
        started(),
        Fact::Answered(AnsweredBy::Gateway),
        Fact::Saying { utterance: UtteranceId(1), text: text() },
        Fact::Heard { turn: TurnId(1), text: text() },
        turn(1, Some(QUICK)),
        Fact::Fell { who: Role::Hearing, plugin: Some(PluginId::new("stt-a")), code: "trap" },
        Fact::Heard { turn: TurnId(2), text: text() },
        Fact::Interrupted { utterance: UtteranceId(3), spoken_ms: 320, extent: Extent::Interpolated },
        Fact::Filler { turn: TurnId(2), utterance: UtteranceId(4), text: text() },
        turn(2, Some(SLOW)),
        turn(3, None),
        Fact::NotUnderstood { turn: TurnId(4) },
        Fact::PathSilent("heard"),
        Fact::Escalated { target: "internal,+15550100".to_owned(), reason: "trouble" },
        Fact::Transferring { kind: queue, mode: TransferMode::Blind },
        Fact::TransferFailed { kind: queue, mode: TransferMode::Blind, code: "busy" },
        Fact::Referred { kind: "external" },
        Fact::Used { who: Worker::Hearing, plugin: PluginId::new("stt-a"), usage: used(6_000, 0) },
        Fact::Used { who: Worker::Shadow, plugin: PluginId::new("stt-a"), usage: used(6_020, 0) },
        Fact::Used { who: Worker::Speaking, plugin: PluginId::new("tts-a"), usage: used(0, 240) },
        Fact::Ended(Outcome { cause: EndCause::CallerHungUp, turns: 3 }),
    ]
}

#[tokio::test]
async fn a_call_is_explained_to_programs_and_to_people_without_a_word_or_a_number() {
    let signer = Signer::ed();
    let server = Server::start(Wishes::of(&signer)).await;
    told().iter().for_each(|fact| server.tell("acme", "up", fact));
    // Of the tenant's hour there are three turns; another tenant's do not count.
    for (tenant, latency) in [("acme", QUICK), ("acme", QUICK), ("acme", SLOW), ("globex", LatencyParts { total_ms: 1, ..QUICK })]
    {
        server.latency.observe(&answered_in(tenant, latency));
    }
    let token = signer.token(&claims("acme", "calls:read"));

    let answer = server.ask("GET /v1/calls/up/explain", &token, "", "").await;
    assert!(answer.status == 200 && answer.head.contains("content-type: application/json"), "{answer:?}");
    let explained = answer.json();
    assert_eq!((&explained["call"]["id"], &explained["call"]["cause"]), (&json!("up"), &json!("caller_hung_up")));
    let waits = &explained["waits"];
    assert_eq!((&waits["turns"], &waits["total_ms"]), (&json!(2), &json!(3_250)));
    let owners = json!([
        { "owner": "setting", "ms": 1_000 }, { "owner": "provider", "ms": 20 },
        { "owner": "agent", "ms": 2_200 }, { "owner": "gateway", "ms": 30 },
    ]);
    assert_eq!(waits["owners"], owners);
    assert_eq!((&waits["longest"]["turn"], &waits["longest"]["waited_for"]), (&json!(2), &json!("agent")));
    assert_eq!(waits["hour"]["turns"], 3);
    assert!(waits["hour"]["p50_ms"].as_u64().unwrap().abs_diff(750) < 25, "{waits}");
    assert_eq!(waits["longest"]["beside_hour"], "within_p95");
    assert_eq!(explained["falls"], json!([{ "role": "hearing", "plugin": "stt-a", "code": "trap", "times": 1 }]));
    let steps = explained["steps"].as_array().unwrap();
    let kinds: Vec<&str> = steps.iter().map(|step| step["event"]["kind"].as_str().unwrap()).collect();
    assert_eq!(
        kinds,
        [
            "began",
            "answered",
            "heard",
            "turn",
            "fell",
            "heard",
            "interrupted",
            "filler",
            "turn",
            "turn",
            "not_understood",
            "path_silent",
            "escalated",
            "handing_over",
            "not_handed_over",
            "referred",
            "ended"
        ]
    );

    let row = |role: &str, plugin: &str, audio_ms: u64, characters: u64| json!({ "role": role, "plugin": plugin, "audio_ms": audio_ms, "characters": characters, "requests": 1 });
    let usage = json!([row("hearing", "stt-a", 6_000, 0), row("shadow", "stt-a", 6_020, 0), row("speaking", "tts-a", 0, 240)]);
    assert_eq!(explained["call"]["usage"], usage);
    assert_eq!(server.ask("GET /v1/calls/up", &token, "", "").await.json()["usage"], usage);

    let page = server.ask("GET /v1/calls/up/explain", &token, "accept: text/plain\r\n", "").await;
    assert!(page.head.contains("content-type: text/plain; charset=utf-8") && page.head.contains("vary: accept"), "{page:?}");
    // Moments are of this run; the page is cut where they begin.
    let lines = page.body.lines().filter(|line| !line.contains(" at 2") && !line.contains("over after"));
    let page_without_moments: Vec<String> = lines
        .map(|line| line.split_once(" s  ").filter(|_| line.contains('+')).map_or(line, |(_, told)| told).to_owned())
        .collect();
    insta::assert_snapshot!("explained", page_without_moments.join("\n"));
    for answer in [&answer, &page] {
        assert!(!answer.body.contains("Smith") && !answer.body.contains("15550100"), "{answer:?}");
    }
}

#[tokio::test]
async fn a_call_that_goes_on_is_explained_so_far_and_only_to_its_tenant() {
    let signer = Signer::ed();
    let server = Server::start(Wishes::of(&signer)).await;
    server.tell("acme", "up", &started());
    let mine = signer.token(&claims("acme", "calls:read"));
    let page = server.ask("GET /v1/calls/up/explain", &mine, "accept: text/plain\r\n", "").await.body;
    for part in ["not answered, 0 turns", "it is ringing", "nobody: no spoken turn", "who fell\n  nobody\n", "the call began"] {
        assert!(page.contains(part), "{part} is missing in {page}");
    }
    for (token, what, status, code) in [
        (signer.token(&claims("other", "calls:read")), "GET /v1/calls/up/explain", 404, "call_unknown"),
        (mine.clone(), "GET /v1/calls/nowhere/explain", 404, "call_unknown"),
        (signer.token(&claims("acme", "calls:write")), "GET /v1/calls/up/explain", 403, "scope_missing"),
        (mine, "POST /v1/calls/up/explain", 405, "method_not_allowed"),
    ] {
        assert_eq!(server.ask(what, &token, "", "").await.problem(), (status, code.to_owned()), "{what}");
    }
}
