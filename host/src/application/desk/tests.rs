use super::*;
use std::sync::Arc;
use vg_domain::event::Role;
use vg_domain::mask::Mask;
use vg_domain::parties::Parties;
use vg_domain::pii::Pii;
use vg_domain::turn::{LatencyParts, TurnRecord};

fn acme() -> TenantId {
    TenantId::new("acme")
}

fn ended() -> Fact {
    Fact::Ended(Outcome { cause: EndCause::CallerHungUp, turns: 1 })
}

fn say(desk: &Desk, call: &CallId, utterance: u32, text: &str) {
    let text = Mask::new().mask_agent(text);
    desk.publish(Subject::only(call, &acme()), &Fact::Saying { utterance: UtteranceId(utterance), text });
}

#[test]
fn calls_that_ended_are_forgotten_oldest_first_and_those_that_are_up_never() {
    let desk = Desk::new("e");
    let up = CallId::new("up");
    desk.publish(Subject::only(&up, &acme()), &started());
    for call in 0..limits::DESK_ENDED_CALLS + 10 {
        let call = CallId::new(call.to_string());
        desk.publish(Subject::only(&call, &acme()), &started());
        desk.publish(Subject::only(&call, &acme()), &ended());
    }
    assert_eq!(desk.calls(&acme(), Some(CallState::Ended), None, usize::MAX).cards.len(), limits::DESK_ENDED_CALLS);
    assert_eq!(desk.call(&acme(), &CallId::new("9")), None);
    assert!(desk.call(&acme(), &CallId::new("10")).is_some() && desk.call(&acme(), &up).is_some());
    assert_eq!(desk.lock().numbers.len(), limits::DESK_ENDED_CALLS + 1);
}

#[test]
fn calls_whose_end_is_never_told_do_not_pile_up() {
    let desk = Desk::new("e");
    for call in 0..=limits::DESK_CALLS {
        desk.publish(Subject::only(&CallId::new(call.to_string()), &acme()), &started());
    }
    assert_eq!(desk.lock().numbers.len(), limits::DESK_CALLS);
    assert_eq!(desk.lock().shelves[&acme()].calls.len(), limits::DESK_CALLS);
    assert_eq!(desk.call(&acme(), &CallId::new("0")), None);
}

#[test]
fn transcripts_are_bounded_each_and_all_together() {
    let desk = Desk::new("e");
    let text = "word ".repeat(1_000);
    for call in 0..300 {
        let call = CallId::new(call.to_string());
        desk.publish(Subject::only(&call, &acme()), &started());
        for utterance in 0..20 {
            say(&desk, &call, utterance, &text);
        }
        let transcript = desk.transcript(&acme(), &call).unwrap();
        assert!(transcript.cut && transcript.bytes <= limits::DESK_TRANSCRIPT_BYTES);
        assert_eq!(transcript.bytes, transcript.lines.iter().map(|line| line.text.len()).sum::<usize>());
        desk.publish(Subject::only(&call, &acme()), &ended());
    }
    let inner = desk.lock();
    let kept: usize = inner.shelves[&acme()].calls.values().map(Kept::bytes).sum();
    assert!(kept == inner.ended_bytes && kept <= limits::DESK_ENDED_BYTES, "{kept} bytes, counted {}", inner.ended_bytes);
}

#[test]
fn clauses_of_an_utterance_are_one_line_and_a_turn_that_grows_is_told_once() {
    let desk = Desk::new("e");
    let call = CallId::new("c");
    desk.publish(Subject::only(&call, &acme()), &started());
    say(&desk, &call, 1, "Good day.");
    say(&desk, &call, 1, "How are you?");
    for words in ["i would", "i would like to"] {
        let text = Mask::new().mask_final(vg_domain::mask::Heard::new(words.to_owned()));
        desk.publish(Subject::only(&call, &acme()), &Fact::Heard { turn: TurnId(1), text });
    }
    let lines: Vec<String> = desk.transcript(&acme(), &call).unwrap().lines.into_iter().map(|line| line.text).collect();
    assert_eq!(lines, ["Good day. How are you?", "i would like to"]);
}

#[test]
fn another_tenants_fact_changes_nothing_of_a_call() {
    let desk = Desk::new("e");
    let (call, other) = (CallId::new("c"), TenantId::new("other"));
    desk.publish(Subject::only(&call, &acme()), &started());
    desk.publish(Subject::only(&call, &acme()), &Fact::Answered(vg_domain::dialling::AnsweredBy::Gateway));
    say(&desk, &call, 1, "Good day.");
    let before = (desk.explain(&acme(), &call), desk.transcript(&acme(), &call));
    let text = Mask::new().mask_agent("Evening.");
    for fact in [started(), Fact::Saying { utterance: UtteranceId(2), text }, Fact::PathSilent("heard"), ended()] {
        desk.publish(Subject::only(&call, &other), &fact);
    }
    assert_eq!((desk.explain(&acme(), &call), desk.transcript(&acme(), &call)), before);
    // Nor is it the other's, or counted as ended.
    assert_eq!((desk.call(&other, &call), desk.calls(&other, None, None, 9).cards.len()), (None, 0));
    assert_eq!(desk.lock().ended.len(), 0);
}

#[test]
fn a_tenant_with_few_events_keeps_them_whatever_the_others_do() {
    let desk = Desk::new("e");
    let quiet = TenantId::new("quiet");
    desk.publish(Subject::only(&CallId::new("q"), &quiet), &started());
    let text = "word ".repeat(1_000);
    for tenant in 0..3 {
        let tenant = TenantId::new(format!("loud-{tenant}"));
        for utterance in 0..2_000 {
            let text = Mask::new().mask_agent(&text);
            desk.publish(Subject::only(&CallId::new("l"), &tenant), &Fact::Saying { utterance: UtteranceId(utterance), text });
        }
    }
    let start = desk.newest(&quiet).at(0);
    assert!(!desk.read(&quiet, &start, 10).gap);
    let reading = desk.read(&TenantId::new("loud-0"), &start, usize::MAX);
    assert!(reading.gap && reading.events.len() < 2_000, "{}", reading.events.len());
}

#[test]
fn parts_of_a_turn_are_told_by_their_names_and_sum_to_the_whole() {
    let latency = LatencyParts {
        endpoint_wait_ms: 500,
        stt_ms: 97,
        agent_ms: 900,
        clause_ms: 50,
        tts_ms: 100,
        playout_ms: 20,
        gateway_ms: 4,
        total_ms: 1_671,
    };
    let record = |latency| {
        let (heard, said) = (MaskedText::default(), MaskedText::default());
        Fact::Turn(TurnRecord { turn: TurnId(3), heard, said, latency, spans: Vec::new(), interrupted: true })
    };
    let (kind, data) = event(&record(Some(latency))).unwrap();
    assert_eq!((kind, &data["total_ms"]), ("llm.responded", &Value::Number(1_671)));
    let times = data.iter().filter(|(name, _)| name.ends_with("_ms") && **name != "total_ms");
    let mut told: Vec<(String, u64)> = times
        .map(|(name, value)| match value {
            Value::Number(ms) => ((*name).to_owned(), *ms),
            other => panic!("{name} is {other:?}"),
        })
        .collect();
    assert_eq!(told.iter().map(|(_, ms)| *ms).sum::<u64>(), 1_671);
    let mut parts = latency.parts().map(|part| (format!("{}_ms", part.name), u64::from(part.ms)));
    told.sort();
    parts.sort();
    assert_eq!(told, parts);
    assert_eq!(data["waited_for"], Value::Text("agent".to_owned()));
    // Nobody knows when it began.
    let (_, data) = event(&record(None)).unwrap();
    assert_eq!(data, Data::from([("turn", Value::Number(3)), ("interrupted", Value::Flag(true))]));
}

#[test]
fn whose_fall_it_was_is_the_name_of_the_event() {
    for (who, name) in [
        (Role::Hearing, "error.stt_failed"),
        (Role::Thinking, "error.llm_timeout"),
        (Role::Speaking, "error.tts_failed"),
        (Role::Masking, "error.mask_failed"),
        (Role::Vault, "error.vault_failed"),
    ] {
        let code = ("code", Value::Text("trap".to_owned()));
        let (kind, data) = event(&Fact::Fell { who, plugin: None, code: "trap" }).unwrap();
        assert_eq!((kind, data), (name, Data::from([code.clone()])), "{who:?}");
        let (kind, data) = event(&Fact::Fell { who, plugin: Some(PluginId::new("p")), code: "trap" }).unwrap();
        assert_eq!((kind, data), (name, Data::from([code, ("plugin", Value::Text("p".to_owned()))])), "{who:?}");
    }
}

/// Somebody calls.
fn started() -> Fact {
    let nobody = || Pii::new(String::new());
    Fact::Started(Arc::new(Parties::inbound(nobody(), nobody())))
}
