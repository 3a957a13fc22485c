use super::*;
use crate::adapters::recording::StoreStats;
use crate::adapters::sinks::SinkCounts;
use crate::application::ports::SpeechFault;
use crate::application::turns::AnsweredTurn;
use std::collections::BTreeSet;
use std::time::Instant;
use vg_domain::call::{Overlap, Speculation, TurnEnd};
use vg_domain::dialling::AnsweredBy;
use vg_domain::event::{Agreement, ShadowTurn, Worker};
use vg_domain::ids::{CallId, PluginId, TenantId, TurnId};
use vg_domain::likeness::Likeness;
use vg_domain::mask::MaskedText;
use vg_domain::outcome::EndCause;
use vg_domain::turn::{LatencyParts, TurnRecord};

fn turn(latency: Option<LatencyParts>, interrupted: bool) -> AnsweredTurn {
    let (heard, said, spans) = (MaskedText::default(), MaskedText::default(), Vec::new());
    AnsweredTurn {
        call: CallId::new("c-1"),
        tenant: TenantId::new("demo"),
        hearing: PluginId::new("stt-x"),
        speaking: Some(PluginId::new("tts-y")),
        told_at: Instant::now(),
        record: TurnRecord { turn: TurnId(1), heard, said, latency, spans, interrupted },
    }
}
use vg_domain::usage::Usage;

fn observed() -> Metrics {
    let metrics = Metrics::new();
    for observation in [
        Observation::CallStarted,
        Observation::CallStarted,
        Observation::CallRefused("calls_max"),
        Observation::CallEnded(EndCause::CallerHungUp),
        Observation::CallLeaked("session"),
        Observation::CallStarted,
        Observation::CallTakenOver,
        Observation::Adoption("attended"),
        Observation::RungFell { role: "hearing", code: "trap" },
        Observation::BreakerTurned { role: "hearing", tenant: TenantId::new("demo"), plugin: PluginId::new("stt-x"), open: true },
        Observation::EndJudged { end: TurnEnd::FalseCut, tenant: TenantId::new("demo"), plugin: PluginId::new("stt-x") },
        Observation::FirstWords {
            tenant: TenantId::new("demo"),
            plugin: PluginId::new("stt-x"),
            after: Duration::from_millis(500),
        },
        Observation::TurnEnded(Box::new(turn(
            Some(LatencyParts { endpoint_wait_ms: 500, stt_ms: 40, tts_ms: 1_000, total_ms: 1_540, ..LatencyParts::default() }),
            true,
        ))),
        Observation::TurnEnded(Box::new(turn(None, false))),
        Observation::PromptSaid("not_understood"),
        Observation::PromptSaid("still_there"),
        Observation::PromptSaid("still_there"),
        Observation::PromptSaid("farewell"),
        Observation::OverlapJudged(Overlap::Backchannel),
        Observation::SpeculationJudged(Speculation::Committed),
        Observation::AudioDropped { ms: 1500 },
        Observation::InputRefused { phase: "greeting", input: "finalized" },
        Observation::NotRecorded("no_folder"),
        Observation::PathTested("nothing_heard"),
        Observation::PathRebuilt("proven"),
        Observation::CallAnswered(AnsweredBy::Machine),
        Observation::SetUp(SetUpTimes::default()),
        Observation::SessionsHeld { role: "hearing", tenant: TenantId::new("acme"), plugin: PluginId::new("stt-x"), sessions: 2 },
        Observation::SessionAwaited { role: "hearing", plugin: PluginId::new("stt-x"), outcome: "late" },
        Observation::ShadowCompared {
            tenant: TenantId::new("acme"),
            turn: ShadowTurn {
                plugin: PluginId::new("stt-y"),
                agreement: Agreement::Differs,
                likeness: Likeness::of("what time is it", "what dime is it"),
                delay_ms: Some(-120),
                kept: None,
            },
        },
        Observation::ShadowDropped { plugin: PluginId::new("stt-y"), code: "slow" },
        Observation::DeadAir,
        Observation::Inactive,
        Observation::Flushed(Duration::from_millis(7)),
        Observation::Used {
            tenant: TenantId::new("demo"),
            who: Worker::Shadow,
            plugin: PluginId::new("stt-x"),
            usage: Usage { audio_ms: 1_500, characters: 0, requests: 1 },
        },
        Observation::SpeechFaulty { plugin: PluginId::new("tts-x"), fault: SpeechFault::TooFast },
        Observation::HandedOver { kind: "queue", mode: "blind", outcome: "busy" },
    ] {
        metrics.observe(&observation);
    }
    metrics
}

#[test]
fn the_catalogue_is_what_others_read() {
    let rows = CATALOGUE.iter().map(|m| format!("{} {:?} {}\n    {}\n", m.name, m.kind, m.labels.join(","), m.help));
    insta::assert_snapshot!(rows.collect::<String>());
}

#[test]
fn every_metric_is_in_the_catalogue_and_every_row_is_scraped() {
    let readings = Readings {
        ari_requests: vec![("ok", 1)],
        plugin_session_ends: vec![("stt-x".into(), "trap", 1)],
        links: vec![("asked", 1)],
        agent_answers: vec![("ok", 1)],
        settings: vec![("tenants", "taken", 1)],
        tenants: RemoteStats { requests: vec![("fetched", 1)], lookups: vec![("asked", 1)], ..RemoteStats::default() },
        webhooks: vec![("accepted", 1)],
        otlp_spans: vec![("sent", 1)],
        state: StateReadings {
            writes: vec![("written", 1)],
            outages: vec![("deadline", 1)],
            claims: vec![("claimed", 1)],
            ..StateReadings::default()
        },
        audit: Some(AuditStats::default()),
        spool: Some(SpoolStats::default()),
        sinks: SinkStats::from([((TenantId::new("demo"), "crm".to_owned()), SinkCounts::default())]),
        busy_s: vec![("hear", 1.5)],
        asterisk: AsteriskReadings {
            sources: vec![("vg".into(), "ami", true)],
            rtts_s: vec![("vg".into(), 0.001)],
            connect_faults: vec![("certificate", 1)],
            ami_connect_faults: vec![("certificate", 1)],
            ..AsteriskReadings::default()
        },
        recordings: RecordingStats { store: Some(StoreStats::default()), ..RecordingStats::default() },
        kafka: Some(KafkaStats { failed: [("fatal", 1)].into(), aside: [("too_large", 1)].into(), ..KafkaStats::default() }),
        ..Readings::default()
    };
    let text = observed().render(&readings);
    let scraped: BTreeSet<&str> = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();
    assert_eq!(scraped, CATALOGUE.iter().map(|row| row.name).collect());
}

#[test]
fn catalogue_is_sorted_and_names_carry_their_kind() {
    for row in CATALOGUE {
        assert_eq!(row.kind == Kind::Counter, row.name.ends_with("_total"), "{}", row.name);
    }
    assert!(CATALOGUE.is_sorted_by_key(|row| row.name));
}

#[test]
fn observations_are_counted() {
    let text = observed().render(&Readings::default());
    for line in [
        "vg_calls_started_total 3",
        "vg_calls_live 1",
        "vg_calls_taken_over_total 1",
        "vg_adoptions_total{outcome=\"attended\"} 1",
        "vg_calls_ended_total{cause=\"caller_hung_up\"} 1",
        "vg_calls_refused_total{code=\"calls_max\"} 1",
        "vg_call_leaks_total{kind=\"session\"} 1",
        "vg_rung_falls_total{code=\"trap\",role=\"hearing\"} 1",
        "vg_turn_ends_total{outcome=\"false_cut\"} 1",
        "vg_prompts_total{line=\"not_understood\"} 1",
        "vg_prompts_total{line=\"still_there\"} 2",
        "vg_prompts_total{line=\"farewell\"} 1",
        "vg_overlaps_total{outcome=\"backchannel\"} 1",
        "vg_speculations_total{outcome=\"committed\"} 1",
        "vg_caller_audio_dropped_seconds_total 1.5",
        "vg_call_inputs_refused_total{input=\"finalized\",phase=\"greeting\"} 1",
        "vg_recording_faults_total{code=\"no_folder\"} 1",
        "vg_media_paths_tested_total{outcome=\"nothing_heard\"} 1",
        "vg_dead_air_total 1",
        "vg_media_inactive_total 1",
        "vg_turns_total 2",
        "vg_turns_interrupted_total 1",
        "vg_turns_unanchored_total 1",
        "vg_turn_latency_seconds_bucket{part=\"endpoint_wait\",le=\"0.5\"} 1",
        "vg_turn_latency_seconds_count{part=\"total\"} 1",
        "vg_tenant_turn_latency_seconds_sum{tenant=\"demo\"} 1.54",
        "vg_provider_latency_seconds_sum{part=\"stt\",plugin=\"stt-x\"} 0.04",
        "vg_provider_latency_seconds_sum{part=\"tts\",plugin=\"tts-y\"} 1",
        "vg_provider_latency_seconds_sum{part=\"first_words\",plugin=\"stt-x\"} 0.5",
        "vg_slo_turns_total{kept=\"false\",stage=\"partial\"} 1",
        "vg_slo_turns_total{kept=\"false\",stage=\"tts\"} 1",
        "vg_slo_turns_total{kept=\"true\",stage=\"agent\"} 1",
        "vg_slo_turns_total{kept=\"true\",stage=\"turn\"} 1",
    ] {
        assert!(text.lines().any(|l| l == line), "{line} is missing in\n{text}");
    }
}

#[test]
fn readings_are_totals_and_never_fall() {
    let metrics = Metrics::new();
    let line = |rtp_in| {
        let text = metrics.render(&Readings { rtp_in, ..Readings::default() });
        text.lines().find(|l| l.starts_with("vg_rtp_packets_total{direction=\"in\"}")).map(str::to_owned)
    };
    assert_eq!(line(5).as_deref(), Some("vg_rtp_packets_total{direction=\"in\"} 5"));
    assert_eq!(line(7).as_deref(), Some("vg_rtp_packets_total{direction=\"in\"} 7"));
    assert_eq!(line(3).as_deref(), Some("vg_rtp_packets_total{direction=\"in\"} 7"));
}

#[test]
fn a_distribution_that_is_counted_elsewhere_is_a_histogram() {
    let pacing = Paced { within: vec![(0.001, 3), (0.002, 5)], count: 6, sum_s: 0.25 };
    let readings = Readings { pacing, pacing_max_s: 0.02, busy_s: vec![("hear", 1.5)], ..Readings::default() };
    let metrics = Metrics::new();
    metrics.render(&readings);
    let text = metrics.render(&readings);
    for line in [
        "vg_pacing_lateness_seconds_bucket{le=\"0.001\"} 3",
        "vg_pacing_lateness_seconds_bucket{le=\"0.002\"} 5",
        "vg_pacing_lateness_seconds_bucket{le=\"+Inf\"} 6",
        "vg_pacing_lateness_seconds_sum 0.25",
        "vg_pacing_lateness_seconds_count 6",
        "vg_pacing_lateness_max_seconds 0.02",
        "vg_busy_seconds_total{work=\"hear\"} 1.5",
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
}

#[test]
fn a_spool_that_is_full_or_fails_is_shown_for_as_long_as_it_is() {
    let metrics = Metrics::new();
    for (full, failing) in [(false, false), (true, false), (true, true), (false, true), (false, false)] {
        let spool = SpoolStats { full, failing, ..SpoolStats::default() };
        let text = metrics.render(&Readings { spool: Some(spool), ..Readings::default() });
        for (name, raised) in [("vg_spool_full", full), ("vg_spool_failing", failing), ("vg_spool_damaged", false)] {
            let line = format!("{name} {}", u8::from(raised));
            assert!(text.lines().any(|shown| shown == line), "{line} is missing in\n{text}");
        }
    }
}
