use super::messages::Value;
use super::*;
use vg_domain::ids::{CallId, PluginId, TenantId, TurnId};
use vg_domain::mask::{Heard, Mask};
use vg_domain::pii::Pii;
use vg_domain::turn::{LatencyParts, Owner, TurnRecord};

const SECRET: &str = "my name is Smith";

fn turn(spans: Vec<vg_domain::turn::Span>, latency: Option<LatencyParts>, told_at: Instant) -> AnsweredTurn {
    let text = || Mask::new().mask_final(Heard::new(SECRET.to_owned()));
    AnsweredTurn {
        call: CallId::new("c-1"),
        tenant: TenantId::new("acme"),
        hearing: PluginId::new("stt-a"),
        speaking: Some(PluginId::new("tts-b")),
        told_at,
        record: TurnRecord { turn: TurnId(3), heard: text(), said: text(), latency, spans, interrupted: true },
    }
}

fn attribute<'a>(span: &'a Span, key: &str) -> Option<&'a Value> {
    span.attributes.iter().find(|attribute| attribute.key == key)?.value.as_ref()?.value.as_ref()
}

#[test]
fn a_turn_is_a_trace_of_its_parts_by_the_wall_clock_without_a_word() {
    let (zero, wall) = (Instant::now(), SystemTime::UNIX_EPOCH + Duration::from_secs(1_000));
    let at = |ms| zero + Duration::from_millis(ms);
    let part = |name, owner, (from, to)| vg_domain::turn::Span { name, owner, from: at(from), to: at(to) };
    let parts = vec![
        part("stt", Owner::Provider, (0, 40)),
        part("gateway", Owner::Gateway, (40, 41)),
        part("agent", Owner::Agent, (41, 241)),
        part("tts", Owner::Provider, (241, 300)),
    ];
    let latency = LatencyParts { agent_ms: 200, total_ms: 300, ..LatencyParts::default() };
    let spans = spans(&turn(parts, Some(latency), at(900)), at(1_000), wall);
    let names: Vec<&str> = spans.iter().map(|span| span.name.as_str()).collect();
    assert_eq!(names, ["turn", "stt", "gateway", "agent", "tts"]);
    let (root, children) = spans.split_first().unwrap();
    assert!(root.parent_span_id.is_empty() && children.iter().all(|span| span.parent_span_id == root.span_id));
    assert!(spans.iter().all(|span| span.trace_id == root.trace_id && span.trace_id.len() == 16 && span.span_id.len() == 8));
    // A second before `wall`, which is the same moment as `at(1_000)`.
    let ms = |nanos: u64| nanos / 1_000_000 - 999_000;
    let times: Vec<(u64, u64)> = spans.iter().map(|span| (ms(span.start_time_unix_nano), ms(span.end_time_unix_nano))).collect();
    assert_eq!(times, [(0, 300), (0, 40), (40, 41), (41, 241), (241, 300)]);
    let text = |text: &str| Some(Value::Text(text.to_owned()));
    let told = |key| attribute(root, key).cloned();
    assert_eq!([told("vg.call_id"), told("vg.tenant"), told("vg.owner")], [text("c-1"), text("acme"), text("agent")]);
    assert_eq!([told("vg.stt_plugin"), told("vg.tts_plugin")], [text("stt-a"), text("tts-b")]);
    assert_eq!((told("vg.turn"), told("vg.interrupted")), (Some(Value::Int(3)), Some(Value::Flag(true))));
    let plugins: Vec<Option<&Value>> = children.iter().map(|span| attribute(span, "vg.plugin")).collect();
    assert_eq!(plugins, [text("stt-a").as_ref(), None, None, text("tts-b").as_ref()]);
    assert_eq!(attribute(&children[2], "vg.owner").cloned(), text("agent"));
    let parent = Traces::Exported.parent(&CallId::new("c-1"), TurnId(3)).unwrap();
    let named: String = children[2].span_id.iter().map(|byte| format!("{byte:02x}")).collect();
    assert!(parent.contains(&named), "the agent is told of its own span: {parent} {named}");
    assert!(!format!("{spans:?}").contains("Smith"), "{spans:?}");
}

#[test]
fn a_turn_of_which_no_moment_is_known_is_a_trace_all_the_same() {
    let (zero, wall) = (Instant::now(), SystemTime::UNIX_EPOCH + Duration::from_secs(1_000));
    let spans = spans(&turn(Vec::new(), None, zero), zero, wall);
    assert_eq!(spans.len(), 1);
    assert_eq!((spans[0].start_time_unix_nano, spans[0].end_time_unix_nano), (1_000_000_000_000, 1_000_000_000_000));
    assert_eq!(attribute(&spans[0], "vg.anchored"), Some(&Value::Flag(false)));
}

#[tokio::test]
async fn turns_beyond_the_queue_are_dropped_and_counted_and_nobody_waits() {
    let headers = vec![("x-key".to_owned(), Pii::new("secret".to_owned()))];
    let config = config::Otlp { endpoint: "http://127.0.0.1:9".parse().unwrap(), headers };
    let tracer = Tracer::new(&config, "one", &[]).unwrap();
    let seen = Observation::TurnEnded(Box::new(turn(Vec::new(), None, Instant::now())));
    for _ in 0..QUEUE + 7 {
        tracer.observe(&seen);
    }
    assert_eq!(tracer.counts(), [("dropped", 7)]);
}
