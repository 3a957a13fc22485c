//! Agents elsewhere, against the reference orchestrator: what each protocol carries, and what becomes of every trouble a service gets into.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a broken story stops")]

#[path = "agent/client.rs"]
mod client;

use client::{Answer, Client, HASTY, PATIENT, question, request};
use serde_json::json;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;
use vg_domain::call::{AgentCommand, Hint};
use vg_domain::card::{CardCollect, CardField};
use vg_domain::event::Fact;
use vg_domain::fallback::Intent;
use vg_domain::ids::{ConversationId, TurnId};
use vg_domain::keypad::Collect;
use vg_domain::mask::Mask;
use vg_domain::outcome::EndCause;
use vg_domain::pause::Expect;
use vg_domain::pii::Pii;
use vg_domain::speech::Extent;
use vg_domain::transfer::{Transfer, TransferMode, TransferTarget};
use vg_domain::turn::TurnRecord;
use vg_tests::agent::{Orchestrator, Shape, Trouble};
use vg_tests::rig::{Caller, Rig};
use voice_gateway::adapters::agent;
use voice_gateway::adapters::otlp::Traces;
use voice_gateway::application::ports::{
    AgentError, AgentEvent, AgentProfile, CallOrder, CardReport, HandoverAdvice, HandoverReason, HandoverRequest, Kept, Question,
    Reach, Said, TelephonyEvent,
};
use voice_gateway::config::{Config, Machine};

/// The orchestrator as each protocol and shape of answers has it.
async fn every_way() -> Vec<(String, Orchestrator, Client)> {
    let mut ways = Vec::new();
    for shape in Shape::ALL {
        let orchestrator = Orchestrator::start(shape).await;
        let client = Client::of(&format!("{}token = 'env:TOKEN'", orchestrator.by_http()));
        ways.push((format!("http {shape:?}"), orchestrator, client));
    }
    let orchestrator = Orchestrator::start(Shape::Sse).await;
    let client = Client::of(&format!("{}token = 'env:TOKEN'", orchestrator.by_grpc()));
    ways.push(("grpc".to_owned(), orchestrator, client));
    ways
}

/// Those two that stream, for troubles.
async fn streaming() -> Vec<(String, Orchestrator, Client)> {
    let ways = every_way().await.into_iter();
    ways.filter(|(way, ..)| way == "http Sse" || way == "grpc").collect()
}

async fn until(what: &str, condition: impl Fn() -> bool) {
    let wait = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), wait).await.unwrap_or_else(|_| panic!("never: {what}"));
}

#[tokio::test]
async fn every_protocol_carries_a_whole_conversation() {
    for (way, orchestrator, client) in every_way().await {
        let conversation = client.open().await;
        assert_eq!(client.open().await, conversation, "{way}: the same call, the same conversation");
        assert_eq!(client.ask(question(&conversation, 1, "hello there")).await, Answer::done("You said: hello there."), "{way}");

        let text = Mask::new().mask_agent("You said: hello there.");
        let said = vec![Said {
            turn: Some(TurnId(1)),
            text,
            reach: Reach::Interrupted { spoken_ms: Some(700), extent: Extent::Interpolated },
        }];
        let asked = Question { said, ..question(&conversation, 2, "what did I hear") };
        assert_eq!(client.ask(asked).await, Answer::done("You heard: You said:"), "{way}");

        for (turn, words, command) in [
            (3, "goodbye", AgentCommand::HangUp),
            (4, "human", AgentCommand::Human),
            (
                5,
                "sales",
                AgentCommand::Transfer(Transfer {
                    target: TransferTarget::Queue("sales".to_owned()),
                    mode: TransferMode::Blind,
                    summary: Some("Wants to buy.".to_owned()),
                }),
            ),
        ] {
            assert_eq!(client.ask(question(&conversation, turn, words)).await.end, AgentEvent::Done(Some(command)), "{way}");
        }

        let seconds = Duration::from_secs;
        let digits = AgentCommand::Collect(Collect::new(6, Some('#'), seconds(20), seconds(6)));
        assert_eq!(client.ask(question(&conversation, 13, "number")).await.end, AgentEvent::Done(Some(digits)), "{way}");
        let card = CardCollect::new(&CardField::ALL, seconds(9), seconds(6)).map(AgentCommand::CollectCard);
        assert_eq!(client.ask(question(&conversation, 10, "card")).await.end, AgentEvent::Done(card), "{way}");
        let kept = Some(Kept { token: Pii::new("tok-1".to_owned()), brand: None });
        let report = CardReport { outcome: "given", kept, last_four: Some(Pii::new("1111".to_owned())) };
        for (turn, report, told) in [
            (11, report, json!({"outcome": "given", "token": "tok-1", "last4": "1111"})),
            (12, CardReport::only("no_input"), json!({"outcome": "no_input"})),
        ] {
            client.ask(Question { card: Some(report), ..question(&conversation, turn, "that") }).await;
            assert_eq!(orchestrator.brain.seen().turns.last().unwrap()["card"], told, "{way}");
        }

        let intent = Hint::Intent(Intent::parse("doubts").unwrap());
        let hints = vec![intent, Hint::Expect(Expect::YesNo), Hint::Wait(Duration::from_secs(20))];
        let asks_back = Answer { hints, ..Answer::done("You said: are you sure.") };
        assert_eq!(client.ask(question(&conversation, 6, "are you sure")).await, asks_back, "{way}");

        let ours = Hint::Language("pt-BR".to_owned());
        let hold = Hint::Hold(seconds(8));
        for (turn, words, hint) in [(7, "the law", Hint::Uninterruptible), (8, "fala portugues", ours), (14, "look it up", hold)]
        {
            let mut answer = client.ask(question(&conversation, turn, words)).await;
            answer.hints.dedup();
            let expected = Answer { hints: vec![hint], ..Answer::done(&format!("You said: {words}.")) };
            assert_eq!(answer, expected, "{way}: each piece may say it");
        }

        let guess = Question { speculative: true, ..question(&conversation, 9, "hello") };
        assert_eq!(client.ask(guess).await, Answer::done("You said: hello."), "{way}");
        client.agent.commit(&conversation, TurnId(9)).await;
        let seen = orchestrator.brain.seen();
        assert_eq!(seen.turns.last().unwrap()["speculative"], json!(true), "{way}");
        assert_eq!(seen.committed, [9], "{way}");

        let who = client.agent.who(&conversation).await;
        assert_eq!(who, Ok(AgentProfile { id: "parrot-1".to_owned(), name: Some("Polly".to_owned()) }), "{way}");
        let target = TransferTarget::Extension("200".to_owned());
        let wish = Some(Transfer { target, mode: TransferMode::Blind, summary: None });
        let handover = HandoverRequest { conversation: conversation.clone(), reason: HandoverReason::Caller, wish };
        let advice = HandoverAdvice {
            target: Some(TransferTarget::Queue("sales".to_owned())),
            mode: TransferMode::Attended,
            summary: Some("Spoke 14 times.".to_owned()),
        };
        assert_eq!(client.agent.hand_over(handover).await, Ok(advice), "{way}");

        let seen = orchestrator.brain.seen();
        let mut opened = seen.opened[0].clone();
        opened.as_object_mut().unwrap().retain(|key, _| key != "agent_id");
        assert_eq!(
            opened,
            json!({
                "call_id": "call-1", "tenant_id": "virtual", "language": "en-US", "caller_number": "+5511999998888", "callee_number": "100", "direction": "inbound",
                "greeting": "Welcome to the virtual house.", "metadata": {"campaign": "summer"},
            }),
            "{way}"
        );
        assert_eq!(
            seen.turns[1],
            json!({
                "turn_id": 2, "text": "what did I hear",
                "heard": [{"turn_id": 1, "said": "You said: hello there.", "heard": "You said:", "state": "interrupted", "spoken_ms": 700, "precision": "interpolated"}],
            }),
            "{way}"
        );
        assert_eq!(seen.handovers, [json!({"reason": "caller", "kind": "extension", "target": "200", "mode": "blind"})], "{way}");
        assert!(seen.deadlines_ms.iter().all(|ms| (9_000..=10_000).contains(ms)), "{way}: {:?}", seen.deadlines_ms);
        assert!(seen.authorizations.iter().all(|token| token == "Bearer sesame"), "{way}: {:?}", seen.authorizations);
        assert!(seen.aborted.is_empty(), "{way}: {:?}", seen.aborted);
        client.end().await;
    }
}

#[tokio::test]
async fn every_protocol_tells_of_the_turns_trace_where_traces_are_exported_and_only_there() {
    let orchestrator = Orchestrator::start(Shape::Sse).await;
    for toml in [orchestrator.by_http(), orchestrator.by_grpc(), orchestrator.by_chat()] {
        for traces in [Traces::Off, Traces::Exported] {
            let before = orchestrator.brain.seen().traces.len();
            let client = Client::traced(&toml, traces);
            let conversation = client.open().await;
            for turn in [1, 2] {
                client.ask(question(&conversation, turn, "hello there")).await;
            }
            let told = orchestrator.brain.seen().traces.split_off(before);
            let expected = if traces == Traces::Exported { 2 } else { 0 };
            assert_eq!(told.len(), expected, "{toml}: {told:?}");
            assert!(told.iter().all(|parent| parent.len() == 55 && parent.ends_with("-01")), "{told:?}");
            assert!(told.windows(2).all(|two| two[0] != two[1]), "each turn is a trace of its own: {told:?}");
            client.end().await;
        }
    }
}

/// What becomes of a trouble: what is told, and how often the service is asked.
struct Case {
    trouble: &'static [Trouble],
    within: Duration,
    http: (Answer, usize),
    grpc: (Answer, usize),
}

fn case(trouble: &'static [Trouble], within: Duration, told: (&str, &'static str), asked: usize) -> Case {
    Case { trouble, within, http: (Answer::fell(told.0, told.1), asked), grpc: (Answer::fell(told.0, told.1), asked) }
}

fn passes(trouble: &'static [Trouble]) -> Case {
    let (asked, answer) = (trouble.len() + 1, || Answer::done("You said: hello."));
    Case { trouble, within: PATIENT, http: (answer(), asked), grpc: (answer(), asked) }
}

#[tokio::test]
async fn every_trouble_of_a_service_has_its_end() {
    use Trouble::*;
    let cases = || {
        [
            passes(&[Unavailable]),
            passes(&[CutEarly]),
            passes(&[RateLimited(Some(0)), RateLimited(Some(1))]),
            passes(&[RateLimited(None)]),
            passes(&[RateLimited(Some(0)), Unavailable]),
            case(&[Unavailable, Unavailable], PATIENT, ("", "unavailable"), 2),
            case(&[RateLimited(Some(3_600))], PATIENT, ("", "rate_limited"), 1),
            case(&[RateLimited(None)], HASTY, ("", "rate_limited"), 1),
            case(&[Refused], PATIENT, ("", "refused"), 1),
            case(&[Redirect], PATIENT, ("", "refused"), 1),
            case(&[Unauthorized], PATIENT, ("", "unauthorized"), 1),
            case(&[Forgotten], PATIENT, ("", "unknown_conversation"), 1),
            case(&[Page], PATIENT, ("", "garbage"), 1),
            case(&[Garbage], PATIENT, ("", "garbage"), 1),
            case(&[LongEvent], PATIENT, ("", "too_long"), 1),
            case(&[Deaf], HASTY, ("", "deadline"), 1),
            case(&[Drip], HASTY, ("", "deadline"), 1),
            case(&[Cut], PATIENT, ("word ", "cut"), 1),
            case(&[Unfinished], PATIENT, ("word ", "cut"), 1),
            // By gRPC a failure after words is as good as a broken stream.
            Case { grpc: (Answer::fell("word ", "cut"), 1), ..case(&[Failed], PATIENT, ("word ", "agent_failed"), 1) },
        ]
    };
    for (way, orchestrator, client) in streaming().await {
        let conversation = client.open().await;
        for (turn, case) in (1..).zip(cases()) {
            let before = orchestrator.brain.seen();
            orchestrator.brain.trouble(case.trouble.iter().copied());
            let asked = Question { within: case.within, ..question(&conversation, turn, "hello") };
            let answer = client.ask(asked).await;
            let seen = orchestrator.brain.seen();
            let (expected, times) = if way == "grpc" { case.grpc } else { case.http };
            assert_eq!((answer, seen.turns.len() - before.turns.len()), (expected, times), "{way} {:?}", case.trouble);
            let tries = &seen.turns[before.turns.len()..];
            assert!(tries.iter().all(|body| *body == tries[0]), "{way}: the same turn again: {tries:?}");
            assert!(seen.thoughts - before.thoughts <= 1, "{way} {:?}: a turn is thought about once", case.trouble);
        }
        client.end().await;
    }
}

#[tokio::test]
async fn an_answer_without_end_is_cut_off_and_the_service_is_told() {
    for (way, orchestrator, client) in streaming().await {
        let conversation = client.open().await;
        orchestrator.brain.trouble([Trouble::Endless]);
        let answer = client.ask(question(&conversation, 1, "hello")).await;
        assert_eq!(answer.end, AgentEvent::Fell("too_long"), "{way}");
        assert!(answer.text.len() <= 16 << 10 && answer.text.len() > 16_000, "{way}: {}", answer.text.len());
        until("told", || orchestrator.brain.seen().aborted == [1]).await;
        client.end().await;
    }
}

#[tokio::test]
async fn a_dropped_answer_ends_the_request_and_the_service_is_told() {
    for (way, orchestrator, client) in streaming().await {
        let conversation = client.open().await;
        for (turn, trouble) in [(1, Trouble::Slow), (2, Trouble::Drip)] {
            orchestrator.brain.trouble([trouble]);
            let mut events = client.agent.ask(question(&conversation, turn, "hello")).await.unwrap();
            if trouble == Trouble::Slow {
                assert_eq!(events.recv().await, Some(AgentEvent::Text("word ".to_owned())), "{way}");
            } else {
                until("asked", || orchestrator.brain.seen().turns.len() == turn as usize).await;
            }
            drop(events);
            until("told", || orchestrator.brain.seen().aborted.contains(&turn)).await;
        }
        until("counted", || client.answers.read() == [("cancelled", 2)]).await;
        // What was cancelled does not stand in the way of what comes next.
        assert_eq!(client.ask(question(&conversation, 3, "hello")).await, Answer::done("You said: hello."), "{way}");
        client.end().await;
    }
}

#[tokio::test]
async fn a_caller_who_goes_on_gets_a_new_answer_to_the_same_turn() {
    for (way, orchestrator, client) in streaming().await {
        let conversation = client.open().await;
        client.ask(question(&conversation, 1, "my number is")).await;
        let answer = client.ask(question(&conversation, 1, "my number is five")).await;
        assert_eq!(answer, Answer::done("You said: my number is five."), "{way}");
        assert_eq!(orchestrator.brain.seen().thoughts, 2, "{way}");
        client.end().await;
    }
}

#[tokio::test]
async fn a_conversation_is_opened_in_spite_of_a_passing_trouble_and_within_its_budget() {
    for (way, orchestrator, client) in streaming().await {
        orchestrator.brain.trouble([Trouble::Unavailable]);
        assert!(client.agent.open(request("a")).await.is_ok(), "{way}");
        orchestrator.brain.trouble([Trouble::Unavailable, Trouble::Unavailable]);
        assert_eq!(client.agent.open(request("b")).await, Err(AgentError::Unavailable), "{way}");
        orchestrator.brain.trouble([Trouble::RateLimited(Some(2))]);
        assert_eq!(
            client.agent.open(request("c")).await,
            Err(AgentError::Failed("rate_limited")),
            "{way}: later than its budget"
        );
        orchestrator.brain.trouble([Trouble::Unauthorized]);
        assert_eq!(client.agent.open(request("d")).await, Err(AgentError::Failed("unauthorized")), "{way}");
        let unknown = ConversationId::new("no/such");
        assert_eq!(client.agent.who(&unknown).await, Err(AgentError::UnknownConversation), "{way}");
        assert_eq!(client.ask(question(&unknown, 1, "hello")).await, Answer::fell("", "unknown_conversation"), "{way}");
        client.end().await;
    }
}

#[tokio::test]
async fn a_service_that_is_away_is_no_reason_to_wait_nor_to_refuse_a_start() {
    // Bound, so that nobody else listens there; not listening, so that nobody answers.
    let nobody = tokio::net::TcpSocket::new_v4().unwrap();
    nobody.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let addr = nobody.local_addr().unwrap();
    for kind in ["http", "grpc"] {
        let client = Client::of(&format!("[agent]\nkind = '{kind}'\nurl = 'http://{addr}'"));
        let began = Instant::now();
        assert_eq!(client.agent.open(request("a")).await, Err(AgentError::Unavailable), "{kind}");
        let answer = client.ask(question(&ConversationId::new("c"), 1, "hello")).await;
        assert_eq!(answer, Answer::fell("", "unavailable"), "{kind}");
        assert!(began.elapsed() < PATIENT, "{kind}");
        client.end().await;
    }
}

#[tokio::test]
async fn a_connection_waits_for_the_first_call_and_serves_the_next_ones() {
    let orchestrator = Orchestrator::start(Shape::Ndjson).await;
    let client = Client::of(&orchestrator.by_http());
    until("connected before anybody calls", || orchestrator.connections() == 1).await;
    // The connection is in the pool once its first answer has come.
    let conversation = client.open().await;
    for turn in 1..=5 {
        client.ask(question(&conversation, turn, "hello")).await;
    }
    assert!(orchestrator.connections() <= 2, "{} connections", orchestrator.connections());
    client.end().await;
}

#[tokio::test]
async fn a_service_is_believed_by_the_operators_authority_and_by_no_other() {
    let (orchestrator, other) = (Orchestrator::start_tls().await, Orchestrator::start_tls().await);
    let folder = tempfile::tempdir().unwrap();
    let (own, foreign) = (folder.path().join("own.pem"), folder.path().join("foreign.pem"));
    orchestrator.write_authority(&own);
    other.write_authority(&foreign);
    for way in [orchestrator.by_http(), orchestrator.by_grpc()] {
        let client = Client::of(&format!("{way}operator_cas = ['{}']", own.display()));
        let conversation = client.open().await;
        assert_eq!(client.ask(question(&conversation, 1, "hello")).await, Answer::done("You said: hello."), "{way}");
        client.end().await;
        let client = Client::of(&format!("{way}operator_cas = ['{}']", foreign.display()));
        assert_eq!(client.agent.open(request("a")).await, Err(AgentError::Unavailable), "{way}");
        client.end().await;
    }
}

#[tokio::test]
async fn http_2_is_spoken_where_tls_agrees_on_it() {
    let orchestrator = Orchestrator::start_tls().await;
    let folder = tempfile::tempdir().unwrap();
    let own = folder.path().join("own.pem");
    orchestrator.write_authority(&own);
    // The gRPC side takes nothing but HTTP/2. To be told nonsense is to be told something.
    let toml = orchestrator.by_grpc().replace("kind = 'grpc'", "kind = 'http'");
    let client = Client::of(&format!("{toml}operator_cas = ['{}']", own.display()));
    assert_eq!(client.agent.who(&ConversationId::new("c")).await, Err(AgentError::Failed("garbage")));
    client.end().await;
}

#[tokio::test]
async fn what_cannot_be_used_of_a_configuration_is_told_with_its_path() {
    let folder = tempfile::tempdir().unwrap();
    let page = folder.path().join("page.pem");
    std::fs::write(&page, "It works!").unwrap();
    for kind in ["http", "grpc", "openai"] {
        let toml = format!(
            "[agent]\nkind = '{kind}'\nurl = 'https://x'\nmodel = 'm'\noperator_cas = ['/nowhere.pem', '{}']",
            page.display()
        );
        let config = Config::parse(&toml, [], &Machine::here()).unwrap();
        let chosen = agent::choose(&config.agent, Traces::Off, CancellationToken::new()).err().unwrap();
        let checked = agent::check(&config.agent).unwrap_err();
        for faults in [chosen, checked] {
            let faults: Vec<String> = faults.iter().map(ToString::to_string).collect();
            assert!(faults[0].starts_with("agent.operator_cas[0]: "), "{faults:?}");
            assert_eq!(faults[1], "agent.operator_cas[1]: holds no certificate (PEM)");
        }
    }
}

#[tokio::test]
async fn any_server_of_chat_completions_is_an_agent() {
    for shape in [Shape::Sse, Shape::Plain] {
        let orchestrator = Orchestrator::start(shape).await;
        let client = Client::of(&format!("{}token = 'env:TOKEN'\nsystem = 'Be a parrot.'", orchestrator.by_chat()));
        let conversation = client.open().await;
        let welcome = Said { turn: None, text: Mask::new().mask_agent("Welcome."), reach: Reach::Whole };
        let first = Question { said: vec![welcome], ..question(&conversation, 1, "hello") };
        assert_eq!(client.ask(first).await, Answer::done("You said: hello."));
        let text = Mask::new().mask_agent("You said: hello.");
        let said = vec![Said {
            turn: Some(TurnId(1)),
            text,
            reach: Reach::Interrupted { spoken_ms: Some(300), extent: Extent::Exact { chars: 3 } },
        }];
        let answer = client.ask(Question { said, ..question(&conversation, 2, "sales") }).await;
        let AgentEvent::Done(Some(AgentCommand::Transfer(transfer))) = answer.end else { panic!("{answer:?}") };
        assert_eq!(transfer.target, TransferTarget::Queue("sales".to_owned()));
        for (turn, words, command) in [(3, "human", AgentCommand::Human), (4, "goodbye", AgentCommand::HangUp)] {
            let said = vec![Said { turn: None, text: Mask::new().mask_agent("Yes."), reach: Reach::Whole }];
            let answer = client.ask(Question { said, ..question(&conversation, turn, words) }).await;
            assert_eq!(answer.end, AgentEvent::Done(Some(command)));
        }

        let seen = orchestrator.brain.seen();
        assert_eq!((&seen.turns[1]["model"], &seen.turns[1]["stream"]), (&json!("parrot"), &json!(true)));
        let messages = seen.turns[1]["messages"].as_array().unwrap();
        let system = messages[0]["content"].as_str().unwrap();
        assert!(system.starts_with("Be a parrot.") && system.ends_with("heard: Welcome."), "{system}");
        let rest: Vec<_> = messages[1..].iter().map(|m| (m["role"].as_str().unwrap(), m["content"].as_str().unwrap())).collect();
        assert_eq!(rest, [("user", "hello"), ("assistant", "You …"), ("user", "sales")]);
        let tools: Vec<_> =
            seen.turns[0]["tools"].as_array().unwrap().iter().map(|tool| tool["function"]["name"].as_str().unwrap()).collect();
        assert_eq!(tools, ["hang_up", "transfer_to_human", "transfer"]);
        assert!(seen.authorizations.iter().all(|token| token == "Bearer sesame"));

        client.agent.close(&conversation);
        assert_eq!(client.ask(question(&conversation, 5, "hello")).await, Answer::fell("", "unknown_conversation"));
        client.end().await;
    }
}

#[tokio::test]
async fn troubles_of_a_model_server_are_told_as_those_of_others() {
    let orchestrator = Orchestrator::start(Shape::Sse).await;
    let client = Client::of(&orchestrator.by_chat());
    let conversation = client.open().await;
    for (turn, (trouble, code)) in (1..).zip([
        (Trouble::RateLimited(Some(3_600)), "rate_limited"),
        (Trouble::Unauthorized, "unauthorized"),
        (Trouble::Forgotten, "refused"),
        (Trouble::Garbage, "garbage"),
        (Trouble::Page, "garbage"),
    ]) {
        orchestrator.brain.trouble([trouble]);
        assert_eq!(client.ask(question(&conversation, turn, "hello")).await, Answer::fell("", code), "{trouble:?}");
    }
    let other = client.agent.open(request("call-2")).await.unwrap();
    orchestrator.brain.trouble([Trouble::Unavailable]);
    assert_eq!(client.ask(question(&other, 1, "hello")).await, Answer::done("You said: hello."), "asked twice, told once");
    client.end().await;
}

/// Asks and listens to the answer.
async fn say(caller: &mut Caller, words: &str) -> TurnRecord {
    caller.say(words).await;
    tokio::time::sleep(Duration::from_millis(600)).await;
    caller.understood(words).await;
    caller.listen().await;
    let record = |fact: &Fact| if let Fact::Turn(record) = fact { Some(record.clone()) } else { None };
    caller.fact(record).await
}

#[tokio::test]
async fn a_whole_call_is_held_with_an_orchestrator_that_stumbles() {
    for (way, orchestrator, client) in streaming().await {
        // A real call task; no clock is paused, since the agent is behind a socket.
        let rig = Rig::with_agent(1, Arc::clone(&client.agent));
        let mut caller = rig.call().await;
        caller.listen().await;
        orchestrator.brain.trouble([Trouble::Unavailable]);
        for (trouble, code) in [(Trouble::Cut, "cut"), (Trouble::RateLimited(Some(3_600)), "rate_limited")] {
            // Between two falls, which would bring the caller to a person.
            assert_eq!(say(&mut caller, "hello there").await.said.as_str(), "You said: hello there.", "{way}");
            orchestrator.brain.trouble([trouble]);
            caller.say("are you there").await;
            tokio::time::sleep(Duration::from_millis(600)).await;
            caller.understood("are you there").await;
            let fell = |fact: &Fact| if let Fact::Fell { code, .. } = fact { Some(*code) } else { None };
            assert_eq!(caller.fact(fell).await, code, "{way}");
            caller.listen().await;
        }
        assert_eq!(say(&mut caller, "goodbye").await.said.as_str(), "Bye.", "{way}");
        assert_eq!(caller.ended().await, EndCause::AgentHungUp, "{way}");

        let seen = orchestrator.brain.seen();
        let last = &seen.turns.last().unwrap()["heard"];
        assert_eq!(
            *last,
            json!([{"said": "Nobody can answer now.", "heard": "Nobody can answer now.", "state": "whole"}]),
            "{way}"
        );
        rig.stop().await;
        client.end().await;
    }
}

#[tokio::test]
async fn an_agent_elsewhere_says_who_it_is_and_what_the_human_is_told() {
    for (way, orchestrator, client) in streaming().await {
        let rig = Rig::with_agent(1, Arc::clone(&client.agent));
        let mut caller = rig.call().await;
        let who = |fact: &Fact| if let Fact::Agent(profile) = fact { Some(profile.clone()) } else { None };
        let polly = AgentProfile { id: "parrot-1".to_owned(), name: Some("Polly".to_owned()) };
        assert_eq!(caller.fact(who).await, polly, "{way}");
        caller.listen().await;
        // Whoever orders the hand-over says to whom; what there is to say is the agent's.
        let target = TransferTarget::Queue("returns".to_owned());
        let wish = Transfer { target, mode: TransferMode::Attended, summary: None };
        let person = async {
            caller.until_act("consult returns").await;
            caller.happens(TelephonyEvent::PersonAnswered).await;
            let (_, whisper) = caller.listen().await;
            assert!(whisper > 0, "{way}: the person is told");
            caller.until_act("join").await;
        };
        let (ordered, ()) = tokio::join!(rig.order(0, CallOrder::Transfer(wish)), person);
        assert_eq!(ordered, Ok(()), "{way}");
        let told = json!({"reason": "operator", "kind": "queue", "target": "returns", "mode": "attended"});
        assert_eq!(orchestrator.brain.seen().handovers, [told], "{way}");
        rig.stop().await;
        client.end().await;
    }
}
