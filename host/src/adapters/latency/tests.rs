use super::*;
use vg_domain::ids::{CallId, TurnId};
use vg_domain::mask::MaskedText;
use vg_domain::turn::TurnRecord;

fn turn(tenant: &str, hearing: &str, stt_ms: u32) -> Observation {
    let latency = LatencyParts { endpoint_wait_ms: 400, stt_ms, tts_ms: 100, total_ms: 500 + stt_ms, ..LatencyParts::default() };
    answered(tenant, hearing, Some(latency))
}

fn answered(tenant: &str, hearing: &str, latency: Option<LatencyParts>) -> Observation {
    let (heard, said, spans) = (MaskedText::default(), MaskedText::default(), Vec::new());
    Observation::TurnEnded(Box::new(AnsweredTurn {
        call: CallId::new("c"),
        tenant: TenantId::new(tenant),
        hearing: PluginId::new(hearing),
        speaking: Some(PluginId::new("tts-a")),
        told_at: Instant::now(),
        record: TurnRecord { turn: TurnId(1), heard, said, latency, spans, interrupted: latency.is_none() },
    }))
}

fn took<'a>(told: &'a Told, part: &str) -> Option<&'a Times> {
    told.times.iter().find(|times| times.part == part)
}

#[test]
fn a_tenant_sees_its_own_turns_and_its_own_providers_and_the_operator_sees_all() {
    let latency = Latency::default();
    for observation in [
        turn("acme", "stt-fast", 60),
        turn("acme", "stt-fast", 60),
        answered("acme", "stt-fast", None),
        turn("other-tenant", "stt-fast", 2_000),
        turn("other-tenant", "stt-slow", 2_500),
        Observation::FirstWords {
            tenant: TenantId::new("acme"),
            plugin: PluginId::new("stt-fast"),
            after: Duration::from_millis(500),
        },
        Observation::EndJudged { end: TurnEnd::FalseCut, tenant: TenantId::new("acme"), plugin: PluginId::new("stt-fast") },
        Observation::EndJudged { end: TurnEnd::InTime, tenant: TenantId::new("acme"), plugin: PluginId::new("stt-fast") },
    ] {
        latency.observe(&observation);
    }
    let acme = TenantId::new("acme");
    let own = latency.page(Whose::Tenant(&acme));
    let [(name, told)] = own.tenants.as_slice() else { panic!("{own:?}") };
    assert_eq!((name, told.turns, told.unanchored, told.interrupted), (&acme, 3, 1, 1));
    assert_eq!((told.ends.false_cut_rate(), told.ends.missed_rate()), (Some(0.5), Some(0.0)));
    let of = |stage| told.slo.iter().find(|(of, ..)| *of == stage).map(|(_, kept, not)| (*kept, *not));
    assert_eq!(
        [Stage::Partial, Stage::Agent, Stage::Tts, Stage::Turn].map(of),
        [Some((0, 1)), Some((2, 0)), Some((2, 0)), Some((2, 0))]
    );
    let total = took(told, "total").unwrap();
    assert_eq!((total.owner, total.took.count), (None, 2));
    assert!((560..=577).contains(&total.took.p99_ms), "{total:?}");
    let stt = took(told, "stt").unwrap();
    assert_eq!((stt.owner, stt.took.p50_ms), (Some(Owner::Provider), 60));

    let providers = |page: &Page| -> Vec<(Served, String, u64)> {
        page.providers.iter().map(|(served, plugin, told)| (*served, plugin.to_string(), told.turns)).collect()
    };
    assert_eq!(providers(&own), [(Served::Hearing, "stt-fast".to_owned(), 3), (Served::Speaking, "tts-a".to_owned(), 3)]);
    let (_, _, fast) = &own.providers[0];
    assert!(took(fast, "tts").is_none() && took(fast, "endpoint_wait").is_none(), "not its own: {fast:?}");
    assert_eq!(took(fast, "first_words").map(|times| times.took.count), Some(1));

    let all = latency.page(Whose::Everybody);
    assert_eq!(all.tenants.len(), 2);
    let expected = [
        (Served::Hearing, "stt-fast".to_owned(), 4),
        (Served::Hearing, "stt-slow".to_owned(), 1),
        (Served::Speaking, "tts-a".to_owned(), 5),
    ];
    assert_eq!(providers(&all), expected);
    assert!(took(&all.providers[0].2, "stt").is_some_and(|times| times.took.p99_ms >= 2_000 && times.took.p50_ms == 60));
    assert_eq!(latency.page(Whose::Tenant(&TenantId::new("nobody"))), Page::default());
}

#[test]
fn whoever_comes_after_the_first_is_counted_with_the_others() {
    let latency = Latency::default();
    for n in 0..TENANTS_MAX + 20 {
        latency.observe(&turn(&format!("tenant-{n:03}"), "stt-a", 10));
    }
    for n in 0..PLUGINS_MAX + 5 {
        latency.observe(&turn("tenant-000", &format!("stt-{n:02}"), 10));
    }
    let page = latency.page(Whose::Everybody);
    let other = page.tenants.iter().find(|(tenant, _)| tenant.as_str() == OTHER).map(|(_, told)| told.turns);
    assert_eq!((page.tenants.len(), other), (TENANTS_MAX + 1, Some(20)));
    let own = latency.page(Whose::Tenant(&TenantId::new("tenant-000")));
    assert_eq!(own.tenants[0].1.turns, 1 + PLUGINS_MAX as u64 + 5);
    let heard: u64 = own.providers.iter().filter(|(served, ..)| *served == Served::Hearing).map(|(_, _, told)| told.turns).sum();
    assert_eq!((own.providers.len(), heard), (PLUGINS_MAX + 2, own.tenants[0].1.turns));
}

#[test]
fn a_tenant_of_the_name_of_the_others_sees_none_of_them() {
    let latency = Latency::default();
    for n in 0..TENANTS_MAX + 1 {
        latency.observe(&turn(&format!("tenant-{n:03}"), "stt-a", 10));
    }
    assert_eq!(latency.page(Whose::Tenant(&TenantId::new(OTHER))), Page::default());
}
