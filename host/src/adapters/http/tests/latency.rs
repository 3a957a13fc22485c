//! Where the time went: each tenant sees its own.

use super::rig::*;
use crate::application::ports::{Observation, Observe};
use crate::application::turns::AnsweredTurn;
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use vg_domain::call::TurnEnd;
use vg_domain::ids::{CallId, PluginId, TenantId, TurnId};
use vg_domain::mask::MaskedText;
use vg_domain::turn::{LatencyParts, TurnRecord};

fn answered(tenant: &str) -> Observation {
    let parts = LatencyParts { endpoint_wait_ms: 40, stt_ms: 10, tts_ms: 1_000, total_ms: 1_050, ..LatencyParts::default() };
    answered_in(tenant, parts)
}

/// A turn of that tenant's that took so long.
pub(super) fn answered_in(tenant: &str, latency: LatencyParts) -> Observation {
    let (heard, said) = (MaskedText::default(), MaskedText::default());
    Observation::TurnEnded(Box::new(AnsweredTurn {
        call: CallId::new("up"),
        tenant: TenantId::new(tenant),
        hearing: PluginId::new("stt-a"),
        speaking: Some(PluginId::new("tts-a")),
        told_at: Instant::now(),
        record: TurnRecord { turn: TurnId(1), heard, said, latency: Some(latency), spans: Vec::new(), interrupted: false },
    }))
}

#[tokio::test]
async fn the_last_hour_is_told_to_each_tenant_of_its_own_and_to_the_operator_of_all() {
    let signer = Signer::ed();
    let server = Server::start(Wishes::of(&signer)).await;
    let (tenant, plugin) = (TenantId::new("acme"), PluginId::new("stt-a"));
    for observation in [
        answered("acme"),
        answered("globex"),
        Observation::FirstWords { tenant: tenant.clone(), plugin: plugin.clone(), after: Duration::from_millis(30) },
        Observation::EndJudged { end: TurnEnd::FalseCut, tenant, plugin },
    ] {
        server.latency.observe(&observation);
    }
    let ask = async |tenant: &str, scope: &str, what: &str| server.ask(what, &signer.token(&claims(tenant, scope)), "", "").await;

    let own = ask("acme", "calls:read", "GET /v1/latency").await;
    assert_eq!(own.status, 200, "{own:?}");
    let own = own.json();
    let part = |part: &str, owner: &str, ms: u32| json!({ "part": part, "owner": owner, "count": 1, "p50_ms": ms, "p95_ms": ms, "p99_ms": ms });
    let [acme] = own["tenants"].as_array().unwrap().as_slice() else { panic!("{own}") };
    assert_eq!((&acme["tenant"], &acme["turns"], &acme["unanchored"]), (&json!("acme"), &json!(1), &json!(0)));
    let ends = json!({ "judged": 1, "false_cut": 1, "missed": 0, "corrected": 0, "false_cut_rate": 1.0, "missed_rate": 0.0 });
    assert_eq!(acme["ends"], ends);
    assert_eq!(acme["stages"][2], json!({ "stage": "tts", "bound_ms": 1_000, "kept": 0, "broken": 1 }));
    assert_eq!((&acme["times"][0], &acme["times"][1]), (&part("endpoint_wait", "setting", 40), &part("stt", "provider", 10)));
    let names: Vec<&str> = acme["times"].as_array().unwrap().iter().map(|row| row["part"].as_str().unwrap()).collect();
    assert_eq!(names, ["endpoint_wait", "stt", "agent", "clause", "tts", "playout", "gateway", "total", "first_words"]);
    assert!(acme["times"][7].get("owner").is_none(), "{acme}");
    let hearing = &own["providers"][0];
    assert_eq!((&hearing["plugin"], &hearing["role"], &hearing["turns"]), (&json!("stt-a"), &json!("hearing"), &json!(1)));
    assert_eq!(hearing["times"][0], part("stt", "provider", 10));
    assert_eq!(hearing["times"][2], part("first_words", "provider", 30));

    let nobody = ask("initech", "calls:read", "GET /v1/latency?whose=own").await.json();
    assert_eq!(nobody, json!({ "tenants": [], "providers": [] }));

    let refused = ask("acme", "calls:read", "GET /v1/latency?whose=all").await;
    assert_eq!((refused.status, &refused.json()["code"]), (403, &json!("scope_missing")));
    let all = ask("initech", "calls:read admin", "GET /v1/latency?whose=all").await.json();
    let tenants: Vec<&Value> = all["tenants"].as_array().unwrap().iter().map(|row| &row["tenant"]).collect();
    assert_eq!(tenants, ["acme", "globex"]);
    assert_eq!(all["providers"][0]["turns"], json!(2));

    assert_eq!(ask("acme", "calls:write", "GET /v1/latency").await.status, 403);
    assert_eq!(ask("acme", "calls:read", "GET /v1/latency?whose=theirs").await.json()["code"], json!("bad_query"));
}
